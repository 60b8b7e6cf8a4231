"""An image with all that is known about it."""

from __future__ import annotations

import copy as copying
import math
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Self

import numpy as np

from skysift.geom import Box2I, Extent2I, Point2I
from skysift.image.image import Image
from skysift.image.mask import Mask, MaskSchema
from skysift.image.masked_image import MaskedImage
from skysift.image.plane import LocalView

__all__ = ["Exposure"]

_COMPONENTS = (
    "wcs",
    "psf",
    "photo_calib",
    "ap_corr_map",
    "visit_info",
    "filter_label",
    "detector",
    "valid_polygon",
    "coadd_inputs",
    "summary_stats",
    "id",
)
_GAIN_KEYS = ("GAIN", "EGAIN", "CCDGAIN", "GAINEFF")


class Exposure:
    """A masked image with its coordinates, PSF, calibration and history. Every component is optional and can be set.

    ``exposure[box]`` and ``exposure[x0:x1, y0:y1]`` are views in PARENT coordinates that share the components.

    Parameters
    ----------
    masked_image
        The pixels; an `Image` or an array serves too.
    wcs
        `SkyWcs`: PARENT pixels to ICRS.
    psf
        The point-spread function.
    photo_calib
        `PhotoCalib`: counts to nJy.
    ap_corr_map
        `ApCorrMap`.
    visit_info
        `VisitInfo`.
    filter_label
        `FilterLabel`.
    detector
        Whatever the reader knows of the detector.
    valid_polygon
        `Polygon` of the pixels that hold data.
    coadd_inputs
        What a coadd was made of.
    summary_stats
        Mapping of quality figures.
    metadata
        Dict-like header.
    id
        Integer that identifies the exposure; seeds are made from it.
    gain
        Electrons per count; by default from the detector (``detector.gain``) or the metadata (``GAIN``, ``EGAIN``).
    """

    def __init__(
        self,
        masked_image: MaskedImage | Image | np.ndarray,
        *,
        wcs: Any = None,
        psf: Any = None,
        photo_calib: Any = None,
        ap_corr_map: Any = None,
        visit_info: Any = None,
        filter_label: Any = None,
        detector: Any = None,
        valid_polygon: Any = None,
        coadd_inputs: Any = None,
        summary_stats: Any = None,
        metadata: MutableMapping[str, Any] | None = None,
        id: int | None = None,
        gain: float | None = None,
    ) -> None:
        self.masked_image = masked_image if isinstance(masked_image, MaskedImage) else MaskedImage(masked_image)  # type: ignore[arg-type]
        self.wcs = wcs
        self.psf = psf
        self.photo_calib = photo_calib
        self.ap_corr_map = ap_corr_map
        self.visit_info = visit_info
        self.filter_label = filter_label
        self.detector = detector
        self.valid_polygon = valid_polygon
        self.coadd_inputs = coadd_inputs
        self.summary_stats = summary_stats
        self.metadata: MutableMapping[str, Any] = {} if metadata is None else metadata
        self.id = id
        self._gain = gain

    @classmethod
    def from_arrays(
        cls,
        image: Any,
        variance: Any = None,
        mask: Any = None,
        *,
        xy0: Sequence[float] | None = None,
        wcs: Any = None,
        psf: Any = None,
        photo_calib: Any = None,
        planes: Mapping[str, int] | None = None,
        **components: Any,
    ) -> Self:
        """Make an exposure of anything array-like.

        Pixels become float32 and flags int32, native and C-contiguous; arrays that are so already are kept, not copied. Pixels that are NaN or
        infinite keep their value and get the plane NO_DATA; pixels that a masked array hides get BAD.

        Parameters
        ----------
        image
            Array (height, width) of numbers of any type and byte order, masked array, Quantity (its unit becomes the image's), nested lists; or an
            astropy NDData or CCDData, of which uncertainty and WCS are used too unless given here.
            Leading axes of length one are dropped.
        variance
            The same for the variances, or one number; None: not known (NaN everywhere, `has_variance` False).
        mask
            Booleans (True: BAD), integers, or a `Mask`.
        xy0
            PARENT position of the first pixel; by default that of `image` if it is an `Image`, else (0, 0).
        wcs
            A `SkyWcs`, or an astropy WCS, which counts from the first pixel of `image`.
        psf, photo_calib
            Components.
        planes
            Name -> bit in `mask`; by default its bits are the LSST planes. Bits without a name become planes ``BIT<n>``.
        **components
            Other components, as in `Exposure`.

        Raises
        ------
        InputError
            If an array is not two-dimensional, not numbers, or of another shape than the image.
        """
        from skysift.image.arrays import as_flags, as_pixels, nddata_variance

        xy0 = getattr(image, "xy0", (0, 0)) if xy0 is None else xy0
        variance = nddata_variance(image) if variance is None else variance
        wcs = getattr(image, "wcs", None) if wcs is None else wcs
        pixels, hidden, unit = as_pixels(image, "image")
        if isinstance(mask, Mask):
            planes, mask = mask.planes, mask.array
        schema = MaskSchema.default()
        flags = np.zeros(pixels.shape, dtype=np.int32) if mask is None else as_flags(mask, planes, schema)
        plane = Mask(flags, xy0, schema)
        masked_image = MaskedImage(
            Image(pixels, xy0, unit=unit), plane, None if variance is None else _variance_image(variance, pixels, xy0)
        )
        invalid = ~np.isfinite(pixels)
        flagged = [(name, where) for name, where in (("BAD", hidden), ("NO_DATA", invalid)) if where is not None and where.any()]
        if flagged and mask is not None and np.shares_memory(flags, mask):
            plane.array = flags.copy()
        for name, where in flagged:
            plane.set(name, where)
        if wcs is not None and not hasattr(wcs, "pixel_to_sky"):
            from skysift.image.wcs import SkyWcs

            wcs = SkyWcs.from_astropy(wcs, xy0)
        return cls(masked_image, wcs=wcs, psf=psf, photo_calib=photo_calib, **components)

    @property
    def image(self) -> Image:
        """The pixel values."""
        return self.masked_image.image

    @image.setter
    def image(self, value: Image) -> None:
        self.masked_image.image = value

    @property
    def mask(self) -> Mask:
        """The flags."""
        return self.masked_image.mask

    @mask.setter
    def mask(self, value: Mask) -> None:
        self.masked_image.mask = value

    @property
    def variance(self) -> Image:
        """The variances, in the square of the image's unit."""
        return self.masked_image.variance

    @variance.setter
    def variance(self, value: Image) -> None:
        self.masked_image.variance = value

    @property
    def has_variance(self) -> bool:
        """Whether any variance is known, that is finite."""
        return self.masked_image.has_variance

    @property
    def xy0(self) -> Point2I:
        """PARENT position of the first pixel."""
        return self.masked_image.xy0

    @property
    def bbox(self) -> Box2I:
        """The pixels covered, PARENT."""
        return self.masked_image.bbox

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)``."""
        return self.masked_image.shape

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.masked_image.width

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.masked_image.height

    @property
    def dimensions(self) -> Extent2I:
        """``(width, height)``."""
        return self.masked_image.dimensions

    @property
    def local(self) -> LocalView:
        """Subscripts that count from the first pixel."""
        return LocalView(self)

    @property
    def gain(self) -> float | None:
        """Electrons per count, or None if nobody knows."""
        candidates = [self._gain, getattr(self.detector, "gain", None)]
        candidates += [self.metadata.get(key) for key in _GAIN_KEYS]
        for value in candidates:
            try:
                number = float(value)  # type: ignore[arg-type]
            except (TypeError, ValueError):
                continue
            if 0.0 < number < math.inf:
                return number
        return None

    @gain.setter
    def gain(self, value: float | None) -> None:
        self._gain = value

    def _with_pixels(self, masked_image: MaskedImage) -> Self:
        components = {name: getattr(self, name) for name in _COMPONENTS}
        return type(self)(masked_image, metadata=self.metadata, gain=self._gain, **components)

    def copy(self, deep: bool = True) -> Self:
        """Copy with its own components list.

        Parameters
        ----------
        deep
            Whether to copy the pixels and the metadata too; the other components, which are not changed in place, are always shared.
        """
        result = self._with_pixels(self.masked_image.copy() if deep else self.masked_image)
        result.metadata = copying.copy(self.metadata)
        if self.ap_corr_map is not None:
            result.ap_corr_map = copying.copy(self.ap_corr_map)
        return result

    def cutout(self, center: Sequence[float], size: Sequence[float]) -> Self:
        """View of the part of a box around a position that lies in the image.

        Parameters
        ----------
        center
            PARENT position.
        size
            ``(width, height)``.
        """
        corner, extent = Point2I(center), Extent2I(size)
        return self[Box2I((corner.x - extent.x // 2, corner.y - extent.y // 2), extent).clipped_to(self.bbox)]

    def __getitem__(self, key: Any) -> Any:
        part = self.masked_image[key]
        return self._with_pixels(part) if isinstance(part, MaskedImage) else part

    def __setitem__(self, key: Any, value: Any) -> None:
        self.masked_image[key] = value.masked_image if isinstance(value, Exposure) else value

    __iter__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        from skysift.image.describe import describe_exposure

        return describe_exposure(self)

    def _repr_html_(self) -> str:
        from skysift.image.describe import as_html

        return as_html(repr(self))


def _variance_image(variance: Any, pixels: np.ndarray, xy0: Sequence[float]) -> Image:
    """Variances as an image over the same pixels; those that a masked array hides are not known."""
    from skysift.image.arrays import as_pixels

    if np.ndim(variance) == 0:
        return Image(np.full(pixels.shape, getattr(variance, "value", variance), dtype=np.float32), xy0)
    values, hidden, unit = as_pixels(variance, "variance")
    if hidden is not None:
        values = np.where(hidden, np.float32(np.nan), values)
    return Image(values, xy0, unit=unit)
