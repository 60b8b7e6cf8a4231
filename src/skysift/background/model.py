"""The background model: statistics of cells, and their interpolation or polynomial approximation to pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from skysift.background.approximate import add_chebyshev, fit_chebyshev
from skysift.background.interpolate import MINIMUM_POINTS, add_grid
from skysift.errors import AlgorithmError, InputError
from skysift.geom import Box2I
from skysift.image import Image, MaskedImage

if TYPE_CHECKING:
    from skysift.background.config import BackgroundConfig

__all__ = ["Background", "BackgroundList", "TooManyMaskedPixelsError", "cell_edges", "fit_background"]


class TooManyMaskedPixelsError(AlgorithmError):
    """No pixel is left to measure the background from."""


def cell_edges(size: int, n: int) -> np.ndarray:
    """Edges of `n` cells that share `size` pixels as evenly as integers allow.

    Parameters
    ----------
    size
        Number of pixels.
    n
        Number of cells.

    Returns
    -------
    edges
        int64 array ``(n + 1,)``; cell ``i`` is the pixels ``edges[i]:edges[i + 1]``.
    """
    return np.concatenate([[0], np.minimum((np.arange(1, n + 1) * size + n // 2) // n, size)]).astype(np.int64)


class Background:
    """A background known by one value for each cell of an image.

    Parameters
    ----------
    bbox
        Box of the image, PARENT pixels.
    values
        Value of each cell, shape ``(ny, nx)``, image units; NaN cells are interpolated over.
    errors
        Standard error of each value; only weights the approximation. None means equal errors.
    rms
        Standard deviation of the good pixels of each cell, or None.
    style
        ``"CONSTANT"``, ``"LINEAR"``, ``"NATURAL_SPLINE"``, ``"CUBIC_SPLINE"``, ``"AKIMA_SPLINE"``, or ``"NONE"`` for a background of zero.
    undersample
        ``"REDUCE_INTERP_ORDER"`` to interpolate with a lower order where cells are too few; else that raises.
    approx_order
        Order of a Chebyshev polynomial to fit to the cells instead of interpolating; None interpolates.
    weighting
        Weight the cells of that fit with their inverse error.

    Notes
    -----
    The LSST class is `lsst.afw.math.BackgroundMI`.
    """

    def __init__(
        self,
        bbox: Box2I,
        values: np.ndarray,
        errors: np.ndarray | None = None,
        *,
        rms: np.ndarray | None = None,
        style: str = "AKIMA_SPLINE",
        undersample: str = "REDUCE_INTERP_ORDER",
        approx_order: int | None = None,
        weighting: bool = True,
    ) -> None:
        values = np.array(values, np.float32)
        if values.ndim != 2 or values.size == 0 or bbox.is_empty:
            raise InputError(f"a background needs a grid of cells and a box with pixels; found cells {values.shape} on a box {bbox.shape}")
        if style not in MINIMUM_POINTS and style != "NONE":
            raise InputError(f"unknown interpolation style {style!r}; expected NONE or one of {', '.join(MINIMUM_POINTS)}")
        self.bbox = bbox
        self.values = values
        self.errors = np.zeros_like(values) if errors is None else np.array(errors, np.float32)
        self.rms = None if rms is None else np.array(rms, np.float32)
        self.style = style
        self.undersample = undersample
        self.approx_order = approx_order
        self.weighting = weighting
        self._edges_y = cell_edges(bbox.height, values.shape[0])
        self._edges_x = cell_edges(bbox.width, values.shape[1])

    def __repr__(self) -> str:
        how = self.style if self.approx_order is None else f"Chebyshev order {self.approx_order}"
        return f"Background({self.values.shape[1]} x {self.values.shape[0]} cells, {how}, bbox={self.bbox})"

    @property
    def centres_x(self) -> np.ndarray:
        """Centres of the cells in x, PARENT pixels, shape ``(nx,)``."""
        return 0.5 * (self._edges_x[1:] + self._edges_x[:-1]) - 0.5 + self.bbox.min_x

    @property
    def centres_y(self) -> np.ndarray:
        """Centres of the cells in y, PARENT pixels, shape ``(ny,)``."""
        return 0.5 * (self._edges_y[1:] + self._edges_y[:-1]) - 0.5 + self.bbox.min_y

    def _add(self, cells: np.ndarray, image: np.ndarray, factor: float, bbox: Box2I) -> None:
        """Add a multiple of the interpolated cells to the pixels of `bbox`."""
        rows = np.arange(bbox.min_y, bbox.end_y, dtype=np.float64)
        columns = np.arange(bbox.min_x, bbox.end_x, dtype=np.float64)
        add_grid(image, factor, cells, self.centres_y, self.centres_x, rows, columns, self.style, self.undersample)

    def _checked(self, bbox: Box2I | None) -> Box2I:
        if bbox is None:
            return self.bbox
        if not self.bbox.contains(bbox):
            raise InputError(f"the box {bbox} is not inside the box {self.bbox} of the background")
        return bbox

    def _add_model(self, image: np.ndarray, factor: float, bbox: Box2I) -> None:
        """Add a multiple of the background to the pixels of `bbox`."""
        if self.approx_order is not None:
            add_chebyshev(image, factor, self.bbox, fit_chebyshev(self, self.approx_order), bbox)
        elif self.style != "NONE":
            self._add(self.values, image, factor, bbox)

    def image(self, bbox: Box2I | None = None) -> Image:
        """The background of each pixel.

        Parameters
        ----------
        bbox
            Part of the background's box, PARENT pixels; None means all of it.

        Returns
        -------
        image
            float32 image; NaN everywhere if every cell is NaN and there is no approximation.

        Raises
        ------
        AlgorithmError
            When there are too few cells for the interpolation and its order may not be reduced, or no cell for an approximation.
        InputError
            When `bbox` is not inside the background's box.
        """
        bbox = self._checked(bbox)
        array = np.zeros(bbox.shape, np.float32)
        if not bbox.is_empty:
            self._add_model(array, 1.0, bbox)
        return Image(array, bbox.min)

    def subtract_from(self, image: Image) -> None:
        """Subtract the background from an image in place, without the memory of an image of the background.

        Parameters
        ----------
        image
            An image inside the background's box, PARENT pixels.

        Raises
        ------
        AlgorithmError, InputError
            See `image`.
        """
        bbox = self._checked(image.bbox)
        if bbox.is_empty:
            return
        array = np.require(image.array, np.float32, ["C", "W"])
        self._add_model(array, -1.0, bbox)
        if array is not image.array:
            image.array[...] = array

    def rms_image(self, bbox: Box2I | None = None) -> Image:
        """The standard deviation of the sky of each pixel, interpolated like the background.

        Parameters
        ----------
        bbox
            Part of the background's box, PARENT pixels; None means all of it.

        Raises
        ------
        AlgorithmError
            When the background was made without it.
        """
        if self.rms is None:
            raise AlgorithmError("this background has no rms of its cells")
        bbox = self._checked(bbox)
        array = np.zeros(bbox.shape, np.float32)
        if not bbox.is_empty:
            self._add(self.rms, array, 1.0, bbox)
        # Extrapolation must not reach zero.
        good = self.rms[np.isfinite(self.rms)]
        if good.size:
            np.maximum(array, good.min(), out=array)
        return Image(array, bbox.min)

    def __iadd__(self, constant: float) -> Background:
        self.values += np.float32(constant)
        return self

    def __isub__(self, constant: float) -> Background:
        self.values -= np.float32(constant)
        return self


class BackgroundList:
    """Backgrounds that were subtracted one after the other; together they are their sum.

    Parameters
    ----------
    backgrounds
        Backgrounds to begin with.

    Notes
    -----
    The LSST class is `lsst.afw.math.BackgroundList`.
    """

    def __init__(self, backgrounds: Iterable[Background] = ()) -> None:
        self._items = list(backgrounds)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Background]:
        return iter(self._items)

    def __getitem__(self, index: int) -> Background:
        return self._items[index]

    def __repr__(self) -> str:
        return f"BackgroundList({self._items!r})"

    def append(self, background: Background) -> None:
        """Add a background at the end.

        Parameters
        ----------
        background
            The background to add.
        """
        self._items.append(background)

    def copy(self) -> BackgroundList:
        """A new list of the same backgrounds."""
        return BackgroundList(self._items)

    def image(self, bbox: Box2I | None = None) -> Image:
        """The sum of the backgrounds of each pixel.

        Parameters
        ----------
        bbox
            Part of the backgrounds' box, PARENT pixels; None means all of it.

        Returns
        -------
        image
            float32 image.

        Raises
        ------
        InputError
            When the list is empty, so that there is no box.
        """
        if not self._items:
            raise InputError("the list of backgrounds is empty; its image has no box")
        total = self._items[0].image(bbox)
        for background in self._items[1:]:
            total.array += background.image(bbox).array
        return total


def _approximation_order(config: BackgroundConfig, width: int, height: int, nx: int, ny: int) -> tuple[int, int, int]:
    """Order of the approximation and numbers of cells that allow it."""
    order = config.approxOrderX
    if min(nx, ny) > order:
        return order, nx, ny
    if config.undersampleStyle == "THROW_EXCEPTION":
        raise AlgorithmError(
            f"{nx} x {ny} background cells are too few for a Chebyshev polynomial of order {order}",
            hint="use a smaller binSize or a smaller approxOrderX",
        )
    if config.undersampleStyle == "REDUCE_INTERP_ORDER":
        return max(min(nx, ny) - 1, 0), nx, ny
    side = max(min(width, height) // max(order, 1), 1)
    return order, width // side + 1, height // side + 1


def fit_background(
    masked_image: MaskedImage, config: BackgroundConfig | None = None, *, nx: int = 0, ny: int = 0, algorithm: str | None = None
) -> Background:
    """Measure the background of an image in cells.

    Parameters
    ----------
    masked_image
        The image; not changed.
    config
        How to measure; None means the defaults.
    nx, ny
        Numbers of cells; 0 means those of the configured cell size.
    algorithm
        Interpolation style instead of ``config.algorithm``.

    Returns
    -------
    background
        The model; cells without a good pixel are NaN.

    Raises
    ------
    TooManyMaskedPixelsError
        When no pixel is good.
    AlgorithmError
        When there are too few cells and the configuration asks for an exception.

    Notes
    -----
    The LSST method is `lsst.meas.algorithms.SubtractBackgroundTask.fitBackground`.
    """
    if config is None:
        from skysift.background.config import BackgroundConfig

        config = BackgroundConfig()
    height, width = masked_image.image.shape
    if width == 0 or height == 0:
        raise InputError(f"cannot measure the background of an image of {width} x {height} pixels")
    nx = nx or math.ceil(width / (config.binSizeX or config.binSize))
    ny = ny or math.ceil(height / (config.binSizeY or config.binSize))
    style = algorithm or config.algorithm or "NONE"
    order: int | None = None
    if config.useApprox:
        order, nx, ny = _approximation_order(config, width, height, nx, ny)

    from skysift.kernels.background import tile_statistics

    bits = masked_image.mask.bitmask(*config.ignoredPixelMask, ignore_missing=True)
    statistic = config.statisticsProperty
    cells = tile_statistics(
        np.ascontiguousarray(masked_image.image.array, np.float32),
        np.ascontiguousarray(masked_image.mask.array, np.int32),
        np.int32(bits),
        config.isNanSafe,
        cell_edges(height, ny),
        cell_edges(width, nx),
        statistic != "MEAN",
        statistic == "MEANCLIP",
        3.0,
        3,
    )
    n, mean, variance, median, _, clip_mean, clip_variance, clip_n = np.moveaxis(cells, 2, 0)
    if not n.any():
        raise TooManyMaskedPixelsError(
            f"all {width} x {height} pixels are masked or not finite; no background can be measured",
            hint=f"ignored mask planes: {', '.join(config.ignoredPixelMask)}",
        )
    with np.errstate(invalid="ignore", divide="ignore"):
        if statistic == "MEANCLIP":
            values, rms = clip_mean, np.sqrt(clip_variance)
            errors = np.sqrt(clip_variance / clip_n)
        elif statistic == "MEDIAN":
            values, rms = median, np.sqrt(variance)
            errors = np.sqrt(0.5 * np.pi * variance / n)
        else:
            values, rms = mean, np.sqrt(variance)
            errors = np.sqrt(variance / n)
    values = values.astype(np.float32)
    if config.doFilterSuperPixels:
        values = _median_filtered(values, config.superPixelFilterSize)
    return Background(
        masked_image.image.bbox,
        values,
        errors,
        rms=rms,
        style=style,
        undersample=config.undersampleStyle,
        approx_order=order,
        weighting=config.weighting,
    )


def _median_filtered(values: np.ndarray, size: int) -> np.ndarray:
    """Median filter over cells; a NaN cell counts as the median of all."""
    from scipy.ndimage import median_filter

    good = np.isfinite(values)
    if not good.any():
        return values
    return median_filter(np.where(good, values, np.median(values[good])), size=size, mode="reflect")
