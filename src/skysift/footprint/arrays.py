"""All footprints of an image as flat arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skysift.errors import InputError
from skysift.footprint.footprint import Footprint
from skysift.footprint.peaks import PEAK_DTYPE, PeakCatalog
from skysift.footprint.spans import SpanSet
from skysift.geom import Box2I

__all__ = ["FootprintArrays", "flatten_footprints"]


@dataclass(frozen=True)
class FootprintArrays:
    """Spans and peaks of n footprints, end to end; what passes between detection and measurement.

    Attributes
    ----------
    y, x0, x1 : ndarray
        int32: row, first and last column of the spans, PARENT; by footprint, and in raster order within one.
    span_offset : ndarray
        int64 (n + 1): footprint i has the spans ``span_offset[i]:span_offset[i + 1]``.
    peaks : ndarray
        Structured, see `PEAK_DTYPE`, by footprint.
    peak_offset : ndarray
        int64 (n + 1): likewise for the peaks.
    region : Box2I
        Bounding box of the image in which they were found; empty if unknown.
    """

    y: np.ndarray
    x0: np.ndarray
    x1: np.ndarray
    span_offset: np.ndarray
    peaks: np.ndarray
    peak_offset: np.ndarray
    region: Box2I

    def __len__(self) -> int:
        return self.span_offset.size - 1

    @property
    def area(self) -> np.ndarray:
        """Number of pixels of each footprint, int64 (n,)."""
        total = np.concatenate([[0], np.cumsum(self.x1.astype(np.int64) - self.x0 + 1)])
        return total[self.span_offset[1:]] - total[self.span_offset[:-1]]

    @property
    def n_peaks(self) -> np.ndarray:
        """Number of peaks of each footprint, int64 (n,)."""
        return np.diff(self.peak_offset)

    @property
    def span_footprint(self) -> np.ndarray:
        """Index of the footprint of each span, int32."""
        return np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.span_offset))

    @property
    def peak_footprint(self) -> np.ndarray:
        """Index of the footprint of each peak, int32."""
        return np.repeat(np.arange(len(self), dtype=np.int32), self.n_peaks)

    def footprint(self, i: int) -> Footprint:
        """Footprint i, a view of these arrays."""
        a, b = self.span_offset[i], self.span_offset[i + 1]
        spans = SpanSet(self.y[a:b], self.x0[a:b], self.x1[a:b], normalized=True)
        return Footprint(spans, PeakCatalog(self.peaks[self.peak_offset[i] : self.peak_offset[i + 1]]), self.region)


def flatten_footprints(footprints: Sequence[Footprint | None], region: Box2I | None = None) -> FootprintArrays:
    """Put footprints into flat arrays.

    Parameters
    ----------
    footprints
        The footprints; None stands for an empty one. Values of heavy footprints are left behind.
    region
        Bounding box of the image; by default the first one that a footprint knows.

    Returns
    -------
    FootprintArrays
        A copy.

    Raises
    ------
    InputError
        If the peaks of the footprints have different columns.
    """
    empty = Footprint()
    full = [empty if footprint is None else footprint for footprint in footprints]
    if region is None:
        region = next((f.region for f in full if not f.region.is_empty), Box2I())
    kinds = {f.peaks.array.dtype for f in full if len(f.peaks)}
    if len(kinds) > 1:
        raise InputError(f"the peaks of these footprints have different columns: {' and '.join(str(kind.names) for kind in kinds)}")
    peaks = [f.peaks.array for f in full if len(f.peaks)]
    y, x0, x1 = (np.concatenate([np.empty(0, np.int32), *(f.spans._runs[k] for f in full)]) for k in range(3))
    return FootprintArrays(
        y,
        x0,
        x1,
        np.cumsum([0, *(len(f.spans) for f in full)], dtype=np.int64),
        np.concatenate(peaks) if peaks else np.empty(0, PEAK_DTYPE),
        np.cumsum([0, *(len(f.peaks) for f in full)], dtype=np.int64),
        region,
    )
