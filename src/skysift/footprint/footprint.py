"""Footprints: the pixels of a source or blend, and its peaks."""

from __future__ import annotations

from typing import Any

import numpy as np

from skysift.errors import InputError
from skysift.footprint.peaks import PeakCatalog
from skysift.footprint.spans import SpanSet
from skysift.geom import Box2I, Point2D, Quadrupole

__all__ = ["Footprint", "boxes_of_footprint", "merge_footprints"]


class Footprint:
    """A region of an image and the peaks in it. It can be changed; its `spans` cannot, they are replaced.

    Parameters
    ----------
    spans
        The pixels, PARENT.
    peaks
        The peaks; None: none.
    region
        Bounding box of the image in which it was found; None: unknown (an empty box).

    Notes
    -----
    LSST's ``Footprint``.
    """

    __slots__ = ("_spans", "peaks", "region")

    def __init__(self, spans: SpanSet | None = None, peaks: PeakCatalog | None = None, region: Box2I | None = None) -> None:
        self._spans = SpanSet() if spans is None else spans
        self.peaks = PeakCatalog() if peaks is None else peaks
        self.region = Box2I() if region is None else region

    @property
    def spans(self) -> SpanSet:
        """The pixels."""
        return self._spans

    @spans.setter
    def spans(self, spans: SpanSet) -> None:
        self._spans = spans

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self._spans.area

    @property
    def bbox(self) -> Box2I:
        """Smallest box around the pixels."""
        return self._spans.bbox

    @property
    def centroid(self) -> Point2D:
        """Mean position of the pixels, unweighted."""
        return self._spans.centroid

    @property
    def shape(self) -> Quadrupole:
        """Second moments of the pixels, unweighted."""
        return self._spans.shape

    @property
    def is_heavy(self) -> bool:
        """Whether it carries pixel values."""
        return False

    @property
    def is_contiguous(self) -> bool:
        """Whether all pixels are connected through sides."""
        return self._spans.is_contiguous

    def contains(self, x: Any, y: Any = None) -> Any:
        """Whether pixels lie in the footprint; see `SpanSet.contains`."""
        return self._spans.contains(x, y)

    __contains__ = contains

    def __eq__(self, other: object) -> bool:
        """Same pixels, and the same peaks in any order."""
        if not isinstance(other, Footprint):
            return NotImplemented
        return self.spans == other.spans and self.peaks == other.peaks

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.peaks)} peaks, area {self.area}, {self.bbox})"

    def __getstate__(self) -> tuple[SpanSet, np.ndarray, Box2I]:
        return self._spans, self.peaks.array, self.region

    def __setstate__(self, state: tuple[SpanSet, np.ndarray, Box2I]) -> None:
        Footprint.__init__(self, state[0], PeakCatalog(state[1]), state[2])

    def copy(self) -> Footprint:
        """A footprint with its own peaks."""
        return Footprint(self.spans, self.peaks.copy(), self.region)

    def add_peak(self, f_x: float, f_y: float, value: float) -> None:
        """Add a peak; see `PeakCatalog.append`."""
        self.peaks.append(f_x, f_y, value)

    def sort_peaks(self, name: str = "peakValue") -> None:
        """Sort the peaks by a column, largest first."""
        self.peaks.sort(name)

    def remove_orphan_peaks(self) -> None:
        """Drop the peaks that are not on a pixel of the footprint."""
        inside = self.spans.pixel_index(self.peaks["i_x"], self.peaks["i_y"]) >= 0
        if not inside.all():
            self.peaks = self.peaks[inside]

    def shift(self, dx: int, dy: int) -> None:
        """Move pixels and peaks by whole pixels, in place."""
        self.spans = self.spans.shifted_by(dx, dy)
        peaks = self.peaks.copy()
        for name, step in (("f_x", dx), ("i_x", dx), ("f_y", dy), ("i_y", dy)):
            peaks[name] += step
        self.peaks = peaks

    def clip_to(self, box: Box2I) -> None:
        """Drop pixels and peaks outside a box, in place."""
        self.spans = self.spans.clipped_to(box)
        self.remove_orphan_peaks()

    def dilate(self, r: int | SpanSet, stencil: str = "circle") -> None:
        """Grow in place; see `SpanSet.dilated`. The result is not clipped to the region."""
        self.spans = self.spans.dilated(r, stencil)

    def erode(self, r: int | SpanSet, stencil: str = "circle") -> None:
        """Shrink in place, dropping peaks that are left outside; see `SpanSet.eroded`."""
        self.spans = self.spans.eroded(r, stencil)
        self.remove_orphan_peaks()

    def split(self) -> list[Footprint]:
        """Connected parts (see `SpanSet.split`), each with the peaks on its pixels; a footprint in one part keeps all its peaks."""
        parts = [Footprint(spans, self.peaks.copy(), self.region) for spans in self.spans.split()]
        if len(parts) > 1:
            for part in parts:
                part.remove_orphan_peaks()
        return parts

    def intersect(self, other: SpanSet, *, copy_peaks: bool = True) -> Footprint:
        """The part of the footprint inside a set of pixels.

        Parameters
        ----------
        other
            The pixels to keep.
        copy_peaks
            Keep the peaks on these pixels; otherwise the result has none.
        """
        result = Footprint(self.spans & other, self.peaks.copy() if copy_peaks else None, self.region)
        result.remove_orphan_peaks()
        return result

    def transformed(self, transform: Any, region: Box2I, *, clip: bool = True) -> Footprint:
        """The footprint on another pixel grid.

        Parameters
        ----------
        transform
            From these pixels to the others, see `SpanSet.transformed_by`; or a pair ``(wcs, other_wcs)``.
        region
            Bounding box of the other image.
        clip
            Drop pixels and peaks outside `region`.
        """
        if isinstance(transform, tuple):
            transform = _BetweenWcs(*transform)
        peaks = self.peaks.copy()
        if len(peaks):
            x, y = transform(peaks["f_x"], peaks["f_y"])
            usable = np.isfinite(x) & np.isfinite(y)
            peaks = peaks[usable]
            for name, position in (("x", np.asarray(x)[usable]), ("y", np.asarray(y)[usable])):
                peaks[f"f_{name}"] = position
                peaks[f"i_{name}"] = position.astype(np.int32)
        result = Footprint(self.spans.transformed_by(transform), peaks, region)
        if clip:
            result.clip_to(region)
        return result

    def compute_flux(self, image: Any, xy0: tuple[int, int] | None = None) -> float:
        """Sum of an image over the footprint, in float64.

        Parameters
        ----------
        image, xy0
            See `SpanSet.flatten`.
        """
        return float(self.spans.flatten(image, xy0).sum(dtype=np.float64))

    def update_peak_significance(self, noise: Any, *, polarity: bool = True) -> None:
        """Fill the column `significance`: peak value over noise.

        Parameters
        ----------
        noise
            Standard deviation, or an `Image` of the variance, counts**2.
        polarity
            False for footprints of negative pixels, whose peaks then are positive numbers too.
        """
        peaks = self.peaks.copy()
        if hasattr(noise, "array"):
            variance = noise.array[peaks["i_y"] - noise.xy0[1], peaks["i_x"] - noise.xy0[0]]
            with np.errstate(invalid="ignore"):
                noise = np.sqrt(variance.astype(np.float64))
        with np.errstate(divide="ignore", invalid="ignore"):
            peaks["significance"] = peaks["peakValue"] / noise * (1 if polarity else -1)
        self.peaks = peaks


class _BetweenWcs:
    """Map from the pixels of one world coordinate system to those of another."""

    def __init__(self, source: Any, target: Any) -> None:
        self.source = source
        self.target = target

    def __call__(self, x: Any, y: Any) -> Any:
        return self.target.sky_to_pixel(*self.source.pixel_to_sky(x, y))

    def inverted(self) -> _BetweenWcs:
        return _BetweenWcs(self.target, self.source)


def merge_footprints(a: Footprint, b: Footprint) -> Footprint:
    """Union of two footprints with the peaks of both, by decreasing value.

    Raises
    ------
    InputError
        If the peaks have different columns.
    """
    peaks = a.peaks.copy()
    peaks.extend(b.peaks)
    peaks.sort()
    return Footprint(a.spans | b.spans, peaks, a.region)


def boxes_of_footprint(footprint: Footprint) -> list[Box2I]:
    """Boxes that together cover a footprint exactly, without overlap.

    Each begins with the first run of the lowest row not yet covered and reaches up as long as all its pixels are in the footprint
    (LSST's ``footprintToBBoxList``).
    """
    spans = footprint.spans
    inside = spans.as_array()
    corner = spans.bbox.min
    if spans.area > 2**30:
        raise InputError(f"{footprint} is too large to cover with boxes")
    boxes = []
    y = 0
    while y < inside.shape[0]:
        if not inside[y].any():
            y += 1
            continue
        start = int(inside[y].argmax())
        gap = ~inside[y, start:]
        end = start + int(gap.argmax()) if gap.any() else inside.shape[1]
        full = inside[y:, start:end].all(axis=1)
        top = y + (full.size if full.all() else int((~full).argmax()))
        inside[y:top, start:end] = False
        boxes.append(Box2I((corner[0] + start, corner[1] + y), (end - start, top - y)))
    return boxes
