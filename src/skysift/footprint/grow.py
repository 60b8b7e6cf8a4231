"""Growing footprints together.

The union of dilated sets is the dilation of their union, so all footprints are grown in one pass over the runs; the connected parts of the result are
the new footprints, and any one pixel of an old footprint tells which of them it went into.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skysift.errors import InputError
from skysift.footprint.arguments import checked_box
from skysift.footprint.arrays import FootprintArrays
from skysift.footprint.runs import Runs, combine_runs
from skysift.footprint.spans import SpanSet
from skysift.geom import Box2I

__all__ = ["FootprintControl", "Grown", "grow_runs", "join"]


@dataclass(frozen=True)
class FootprintControl:
    """The sides to which footprints grow, one pixel wide (LSST's ``FootprintControl``).

    Attributes
    ----------
    left, right, up, down
        Grow towards lower x, higher x, higher y, lower y.
    """

    left: bool = False
    right: bool = False
    up: bool = False
    down: bool = False

    def stencil(self, r: int) -> SpanSet:
        """The structuring element: arms of `r` pixels about the origin."""
        dy = np.arange(-r * self.down, r * self.up + 1)
        return SpanSet(dy, np.where(dy == 0, -r * self.left, 0), np.where(dy == 0, r * self.right, 0))


@dataclass(frozen=True)
class Grown:
    """Footprints and the pixels that they have together after growing: `arrays` as they were, `runs`, and the `stencil`."""

    arrays: FootprintArrays
    runs: Runs
    stencil: SpanSet


def grow_runs(arrays: FootprintArrays, r: int, *, isotropic: bool = True, control: FootprintControl | None = None) -> Grown:
    """Dilate the union of footprints, clipped to their region (if it is known).

    Parameters
    ----------
    arrays
        The footprints.
    r, isotropic, control
        See `FootprintSet.grown`.

    Raises
    ------
    InputError
        If `r` is negative.
    """
    from skysift.kernels.spans import dilate_spans

    stencil = SpanSet.from_shape(r, "circle" if isotropic else "manhattan")
    if control is not None:
        stencil = control.stencil(r)
    box = arrays.region
    if box.is_empty and arrays.y.size:
        box = Box2I.from_min_max((int(arrays.x0.min()), int(arrays.y.min())), (int(arrays.x1.max()), int(arrays.y.max()))).grown(r)
        checked_box(box, "the grown footprints")
    runs = dilate_spans(arrays.y, arrays.x0, arrays.x1, *stencil._runs, box.min_x, box.min_y, box.max_x, box.max_y)
    return Grown(arrays, runs, stencil)


def join(parts: list[Grown], region: Box2I) -> FootprintArrays:
    """Connected parts of grown footprints, each with the peaks of all that went into it.

    Parameters
    ----------
    parts
        Grown sets of one image.
    region
        Bounding box of the image.

    Returns
    -------
    FootprintArrays
        By first pixel in raster order; peaks by decreasing value. A footprint that lies outside the region altogether is dropped with its peaks.

    Raises
    ------
    InputError
        If the columns of the peaks differ.
    """
    from skysift.kernels.label import label_spans

    kinds = [part.arrays.peaks.dtype for part in parts]
    if any(kind != kinds[0] for kind in kinds):
        raise InputError(f"the peaks of these sets have different columns: {' and '.join(str(kind.names) for kind in kinds)}")
    runs = parts[0].runs if len(parts) == 1 else combine_runs([part.runs for part in parts], lambda n: np.sum(n, axis=0) > 0)
    y, x0, x1 = (np.asarray(v, dtype=np.int32) for v in runs)
    label, count = label_spans(y, x0, x1, 1)
    order = np.argsort(label, kind="stable")
    peaks = np.concatenate([part.arrays.peaks for part in parts])
    owner = np.concatenate([_label_of_footprints(part, (y, x0, x1), label, region)[part.arrays.peak_footprint] for part in parts])
    peaks, owner = peaks[owner >= 0], owner[owner >= 0]
    by_value = np.lexsort((-peaks["peakValue"].astype(np.float64), owner))
    return FootprintArrays(
        y[order],
        x0[order],
        x1[order],
        np.concatenate([[0], np.cumsum(np.bincount(label, minlength=count))]).astype(np.int64),
        peaks[by_value],
        np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=count))]).astype(np.int64),
        region,
    )


def _label_of_footprints(part: Grown, runs: Runs, label: np.ndarray, region: Box2I) -> np.ndarray:
    """Label of the run that holds a pixel of each footprint, int64 (n,); -1 for those without a pixel among the runs."""
    arrays = part.arrays
    found = np.full(len(arrays), -1)
    if label.size == 0:
        return found
    filled = np.flatnonzero(np.diff(arrays.span_offset))
    first = arrays.span_offset[filled]
    found[filled] = _label_of_pixels(arrays.x0[first], arrays.y[first], runs, label)
    # A footprint that begins outside the region may still reach into it.
    for i in filled[found[filled] < 0].tolist():
        inside = arrays.footprint(i).spans.dilated(part.stencil).clipped_to(region)
        if not inside.is_empty:
            found[i] = _label_of_pixels(inside.x0[:1], inside.y[:1], runs, label)[0]
    return found


def _label_of_pixels(x: np.ndarray, y: np.ndarray, runs: Runs, label: np.ndarray) -> np.ndarray:
    row, x0, x1 = runs
    # Rows end to end, wide enough for any column of the pixels and of the runs.
    low = min(int(x0.min()), int(x.min()))
    stride = max(int(x1.max()), int(x.max())) - low + 2
    start = (row.astype(np.int64) - row[0]) * stride + (x0.astype(np.int64) - low)
    run = np.searchsorted(start, (y.astype(np.int64) - row[0]) * stride + (x.astype(np.int64) - low), side="right") - 1
    inside = (run >= 0) & (row[run] == y) & (x1[run] >= x)
    return np.where(inside, label[run], -1)
