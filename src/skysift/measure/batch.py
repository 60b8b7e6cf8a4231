"""What a plugin sees of some sources: pixels with the neighbours hidden, positions, shapes, PSFs, and the columns to fill."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from skysift.errors import InputError, SkysiftError

if TYPE_CHECKING:
    from skysift.image import Exposure
    from skysift.kernels.stamps import Overlay
    from skysift.table import SourceCatalog, SourceRecord

__all__ = ["Batch", "Position", "Shape", "Stamps"]


class Position(NamedTuple):
    """Positions of n sources."""

    x: np.ndarray
    """float64 (n,), element coordinates; the first peak where the slot centroid is not finite; NaN where there is neither."""
    y: np.ndarray
    """float64 (n,)."""
    bad: np.ndarray
    """bool (n,): the slot centroid is flagged or not finite."""


class Shape(NamedTuple):
    """Second moments of n sources, pixels squared."""

    ixx: np.ndarray
    iyy: np.ndarray
    ixy: np.ndarray
    bad: np.ndarray
    """bool (n,): the slot shape is flagged or unusable."""
    usable: np.ndarray
    """bool (n,): the moments are finite and positive definite."""


class Stamps(NamedTuple):
    """PSF images of n sources, each centred on its position."""

    images: np.ndarray
    """float32 (n, k, k); zero where the PSF could not be computed."""
    x0: np.ndarray
    """int32 (n,), element coordinates of the first pixel."""
    y0: np.ndarray
    """int32 (n,)."""
    valid: np.ndarray
    """bool (n,): the PSF could be computed."""


class Batch:
    """Some rows of a catalogue, to be measured on one exposure.

    Positions are in element coordinates of the arrays: PARENT minus `(x0, y0)`. `batch[name]` is a writable view of a column's rows.

    Parameters
    ----------
    exposure
        Where the sources are.
    catalog
        Their catalogue.
    rows
        Which rows.
    overlay
        Pixels of these rows.
    variance, mask
        float32 and int32 (h, w), C-contiguous.
    spans
        int64 (n + 1,) span range of each source's own footprint in `overlay.spans`.
    peaks
        float64 (n, 2): first peak of each footprint, PARENT; NaN for none.
    columns
        Columns of the catalogue that were looked up already, shared by its batches.
    """

    def __init__(
        self,
        exposure: Exposure,
        catalog: SourceCatalog,
        rows: slice,
        overlay: Overlay,
        variance: np.ndarray,
        mask: np.ndarray,
        spans: np.ndarray,
        peaks: np.ndarray,
        columns: dict[str, np.ndarray],
    ) -> None:
        self._columns = columns
        self.exposure = exposure
        self.catalog = catalog
        self.rows = rows
        self.overlay = overlay
        self.variance = variance
        self.mask = mask
        self.span_first = spans[:-1]
        self.span_last = spans[1:]
        self.x0 = int(exposure.xy0.x)
        self.y0 = int(exposure.xy0.y)
        self.peak_x = peaks[:, 0] - self.x0
        self.peak_y = peaks[:, 1] - self.y0
        self.invalid_psf = np.zeros(len(self.peak_x), np.bool_)

    def __len__(self) -> int:
        return len(self.peak_x)

    def __getitem__(self, name: str) -> np.ndarray:
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = self.catalog[name]
        return column[self.rows]

    def __setitem__(self, name: str, values: Any) -> None:
        self[name][...] = values

    def record(self, i: int) -> SourceRecord:
        """Give the catalogue's row of source i."""
        return self.catalog[self.rows.start + i]

    @contextmanager
    def visible(self, i: int) -> Iterator[Exposure]:
        """Show one source: an exposure in which all others are replaced by noise, valid inside the `with` block."""
        from skysift.kernels.stamps import hide, show

        show(self.overlay, i)
        try:
            yield self._exposure
        finally:
            hide(self.overlay, i)

    @cached_property
    def _exposure(self) -> Exposure:
        from skysift.image import Image, MaskedImage

        exposure = self.exposure.copy(deep=False)
        exposure.masked_image = MaskedImage(Image(self.overlay.image, self.exposure.xy0), self.exposure.mask, self.exposure.variance)
        return exposure

    # Positions and shapes

    def _column_or(self, name: str, missing: float) -> np.ndarray:
        return self[name] if name in self.catalog.schema else np.full(len(self), missing)

    @cached_property
    def start(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions before any is measured here: the slot centroid that the catalogue came with, else the first peak."""
        x = self._column_or("slot_Centroid_x", math.nan) - self.x0
        y = self._column_or("slot_Centroid_y", math.nan) - self.y0
        known = np.isfinite(x) & np.isfinite(y)
        return np.where(known, x, self.peak_x), np.where(known, y, self.peak_y)

    @cached_property
    def position(self) -> Position:
        """Positions for plugins that are not centroiders, see `Position`."""
        if "slot_Centroid_x" not in self.catalog.schema:
            raise InputError("measurement needs the slot centroid; set config.slots.centroid to an active plugin")
        x = self["slot_Centroid_x"] - self.x0
        y = self["slot_Centroid_y"] - self.y0
        unknown = ~(np.isfinite(x) & np.isfinite(y))
        bad = self._flag("slot_Centroid_flag") | unknown
        return Position(np.where(unknown, self.peak_x, x), np.where(unknown, self.peak_y, y), bad)

    @cached_property
    def shape(self) -> Shape:
        """Moments of the slot shape, see `Shape`."""
        ixx, iyy, ixy = (np.asarray(self[f"slot_Shape_{moment}"], np.float64) for moment in ("xx", "yy", "xy"))
        with np.errstate(invalid="ignore", over="ignore"):
            usable = np.isfinite(ixx + iyy + ixy) & (ixx > 0) & (iyy > 0) & (ixx * iyy >= (1.0 + 1e-6) * ixy**2)
        return Shape(ixx, iyy, ixy, self._flag("slot_Shape_flag") | ~usable, usable)

    def _flag(self, name: str) -> np.ndarray:
        return self[name].copy() if name in self.catalog.schema else np.zeros(len(self), np.bool_)

    def forget(self, *names: str) -> None:
        """Drop cached values (`position`, `shape`, `psf_stamps`): the columns that they come from have changed."""
        for name in names:
            self.__dict__.pop(name, None)

    def bitmask(self, names: Any) -> int:
        """Give the bits of mask planes; planes that the mask does not have count as never set."""
        return self.exposure.mask.bitmask(*names, ignore_missing=True)

    # The PSF

    @property
    def psf(self) -> Any:
        """PSF of the exposure; `InputError` where there is none."""
        if self.exposure.psf is None:
            raise InputError("measurement needs a PSF and the exposure has none; set exposure.psf or leave out the plugins that use it")
        return self.exposure.psf

    def _by_row(self, function: Any, x: np.ndarray, y: np.ndarray) -> list[Any]:
        """Evaluate the PSF source by source where it failed for the batch; None where it fails again."""
        values: list[Any] = []
        for i in range(len(self)):
            try:
                values.append(function(x[i : i + 1], y[i : i + 1]))
            except SkysiftError:
                values.append(None)
                self.invalid_psf[i] = True
        return values

    @cached_property
    def _pixel(self) -> tuple[np.ndarray, np.ndarray]:
        x, y = self.start
        return np.floor(x + 0.5) + self.x0, np.floor(y + 0.5) + self.y0

    @cached_property
    def psf_kernels(self) -> np.ndarray:
        """PSF of each source's starting pixel, centred on its middle pixel: float64 (n, k, k) of unit sum; NaN where it cannot be computed."""
        x, y = self._pixel
        try:
            return self.psf.kernels(x, y)
        except SkysiftError:
            size = self.psf.size
            values = self._by_row(self.psf.kernels, x, y)
            return np.concatenate([np.full((1, size, size), np.nan) if value is None else value for value in values])

    @cached_property
    def psf_cores(self) -> np.ndarray:
        """The parts of `psf_kernels` that carry the light: float32 (n, c, c); NaN where they cannot be computed."""
        x, y = self._pixel
        try:
            return self.psf.cores(x, y)
        except SkysiftError:
            values = self._by_row(self.psf.cores, x, y)
            size = next((value.shape[1] for value in values if value is not None), 1)
            return np.concatenate([np.full((1, size, size), np.nan, np.float32) if value is None else value for value in values])

    @cached_property
    def psf_shapes(self) -> np.ndarray:
        """Moments of the PSF at each source's starting pixel: float64 (n, 3) ixx, iyy, ixy; NaN where they cannot be computed."""
        x, y = self._pixel
        try:
            return np.asarray(self.psf.shapes(x, y), np.float64)
        except SkysiftError:
            return np.concatenate([np.full((1, 3), np.nan) if value is None else value for value in self._by_row(self.psf.shapes, x, y)])

    @cached_property
    def psf_sigma(self) -> np.ndarray:
        """Determinant radius of the PSF: float64 (n,), pixels."""
        ixx, iyy, ixy = self.psf_shapes.T
        with np.errstate(invalid="ignore"):
            return (ixx * iyy - ixy**2) ** 0.25

    def stamps_at(self, x: np.ndarray, y: np.ndarray) -> Stamps:
        """Give PSF images centred on any m positions (element coordinates), see `Stamps`."""
        where = np.isfinite(x) & np.isfinite(y)
        try:
            images, left, bottom = self.psf.stamps(x + self.x0, y + self.y0)
        except SkysiftError:
            size = self.psf.size
            blank = (np.zeros((1, size, size), np.float32), np.zeros(1, np.int32), np.zeros(1, np.int32))
            parts = []
            for i in range(len(x)):
                try:
                    parts.append(self.psf.stamps(x[i : i + 1] + self.x0, y[i : i + 1] + self.y0))
                except SkysiftError:
                    parts.append(blank)
                    where[i] = False
            images, left, bottom = (np.concatenate(part) for part in zip(*parts))
        # A PSF without a finite sum is NaN everywhere.
        broken = ~np.isfinite(images[:, images.shape[1] // 2].sum(axis=1))
        if broken.any():
            images = images.copy()
            images[broken] = 0.0
        return Stamps(images, (left - self.x0).astype(np.int32), (bottom - self.y0).astype(np.int32), where & ~broken)

    @cached_property
    def psf_stamps(self) -> Stamps:
        """PSF images centred on the sources' positions."""
        stamps = self.stamps_at(self.position.x, self.position.y)
        self.invalid_psf |= ~stamps.valid & np.isfinite(self.position.x + self.position.y)
        return stamps
