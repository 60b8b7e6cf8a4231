"""Merging of the footprints of several bands (LSST's ``FootprintMergeList``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from skysift.errors import InputError
from skysift.footprint.arguments import checked_box
from skysift.footprint.arrays import FootprintArrays, flatten_footprints
from skysift.footprint.footprint_set import FootprintSet
from skysift.footprint.peaks import PEAK_DTYPE
from skysift.footprint.runs import combine_runs
from skysift.geom import Box2I

__all__ = ["FootprintMergeList"]

MAX_LISTS = 62


class FootprintMergeList:
    """Footprints of several bands, merged where they share a pixel.

    Earlier lists have priority: a later footprint joins the first one that it overlaps (which then also takes in any others that it overlaps), and
    its peaks are compared with those already there.

    Parameters
    ----------
    filters
        Names of the bands, at most 62.
    schema
        A catalogue `Schema` to which to add the flag ``merge_footprint_<band>`` for each band; None: no catalogue will be made.
    """

    def __init__(self, filters: Sequence[str], schema: Any = None) -> None:
        if len(set(filters)) != len(filters) or len(filters) > MAX_LISTS:
            raise InputError(f"the names of the bands must differ and be at most {MAX_LISTS}; given {list(filters)}")
        self.filters = list(filters)
        if schema is not None:
            for name in self.filters:
                schema.add_field(
                    f"merge_footprint_{name}", "Flag", doc=f"Detection footprint overlapped with a detection from filter {name}"
                )
        self.clear()

    def clear(self) -> None:
        """Forget all footprints."""
        self._all = flatten_footprints([])
        self._labels = np.zeros((0, 0), np.int32)
        self._box = Box2I()
        self._parent, self._head, self._tail, self._following = (np.empty(0, np.int32) for _ in range(4))
        self._bits, self._peak_bits = (np.empty(0, np.int64) for _ in range(2))

    def add(
        self,
        footprints: FootprintSet | FootprintArrays | Any,
        filter: str,
        *,
        min_new_peak: float = -1.0,
        max_same_peak: float = -1.0,
        merge: bool = True,
    ) -> None:
        """Merge the footprints of one band into the list.

        Parameters
        ----------
        footprints
            A set, or a `SourceCatalog`, of which only rows without a parent count.
        filter
            The band.
        min_new_peak
            A peak becomes a peak of the merged footprint if it is farther than this from all its peaks, pixels; negative: never.
        max_same_peak
            A peak nearer than this to one of the merged footprint is the same peak, pixels; not positive: never.
        merge
            False: these footprints stay apart from those that came before.

        Raises
        ------
        InputError
            If the band is unknown.
        """
        from skysift.kernels.merge import merge_footprint_lists

        if filter not in self.filters:
            raise InputError(f"unknown band {filter!r}; this list was made for {', '.join(self.filters)}")
        new = footprints.arrays if isinstance(footprints, FootprintSet) else footprints
        if not isinstance(new, FootprintArrays):
            new = flatten_footprints([f for f, parent in zip(new.footprints, new["parent"]) if parent == 0])
        first = len(self._all)
        n_peaks = self._all.peaks.size
        self._all = _appended(self._all, new)
        self._cover(new)
        arrays, box = self._all, self._box
        self._parent = np.concatenate([self._parent, np.arange(first, len(arrays), dtype=np.int32)])
        self._bits = np.concatenate([self._bits, np.zeros(len(new), np.int64)])
        self._head, self._tail = (np.concatenate([v, np.full(len(new), -1, np.int32)]) for v in (self._head, self._tail))
        self._following = np.concatenate([self._following, np.full(arrays.peaks.size - n_peaks, -1, np.int32)])
        self._peak_bits = np.concatenate([self._peak_bits, np.zeros(arrays.peaks.size - n_peaks, np.int64)])
        merge_footprint_lists(
            self._labels,
            arrays.y - np.int32(box.min_y),
            arrays.x0 - np.int32(box.min_x),
            arrays.x1 - np.int32(box.min_x),
            arrays.span_offset,
            np.ascontiguousarray(arrays.peaks["i_x"]),
            np.ascontiguousarray(arrays.peaks["i_y"]),
            arrays.peak_offset,
            first,
            1 << self.filters.index(filter),
            float(max_same_peak),
            float(min_new_peak),
            merge,
            self._parent,
            self._bits,
            self._head,
            self._tail,
            self._following,
            self._peak_bits,
        )

    def _cover(self, new: FootprintArrays) -> None:
        """Enlarge the label image to hold new footprints."""
        if new.y.size == 0:
            return
        box = Box2I.from_min_max((int(new.x0.min()), int(new.y.min())), (int(new.x1.max()), int(new.y.max()))).including(self._box)
        if box != self._box:
            labels = np.zeros(checked_box(box, "the image of all footprints").shape, np.int32)
            labels[self._box.slices(box.min)] = self._labels
            self._labels, self._box = labels, box

    @property
    def arrays(self) -> FootprintArrays:
        """The merged footprints, in order of their first members.

        Their peaks have a further bool column ``merge_peak_<band>`` for each band, true where that band has the peak, and new identifiers.
        """
        old = self._all
        root = self._parent.copy()
        # Parents precede their children, so following them to a fixed point takes few turns.
        while not np.array_equal(root[root], root):
            root = root[root]
        kept, new_index = np.unique(root, return_inverse=True)
        owner = new_index[old.span_footprint].astype(np.int64)
        y_min, height = (int(old.y.min()), int(old.y.max()) - int(old.y.min()) + 1) if old.y.size else (0, 1)
        # Each merged footprint gets a plane of its own, far from the others, where its runs can be joined.
        plane_y, x0, x1 = combine_runs([(owner * height + old.y - y_min, old.x0, old.x1)], lambda n: n[0] > 0)
        order, owner_of_peak = self._peak_order(kept)
        peaks = np.zeros(order.size, PEAK_DTYPE.descr + [(f"merge_peak_{name}", "?") for name in self.filters])
        for name in PEAK_DTYPE.names or ():
            peaks[name] = old.peaks[name][order]
        peaks["id"] = np.arange(1, order.size + 1)
        for i, name in enumerate(self.filters):
            peaks[f"merge_peak_{name}"] = self._peak_bits[order] >> i & 1
        count = np.bincount(plane_y // height, minlength=kept.size)
        return FootprintArrays(
            (plane_y % height + y_min).astype(np.int32),
            x0.astype(np.int32),
            x1.astype(np.int32),
            np.concatenate([[0], np.cumsum(count)]).astype(np.int64),
            peaks,
            np.concatenate([[0], np.cumsum(np.bincount(owner_of_peak, minlength=kept.size))]).astype(np.int64),
            old.region,
        )

    def _peak_order(self, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the peaks of the merged footprints, chain after chain, and the merged footprint of each."""
        rank = np.zeros(self._following.size, np.int64)
        owner = np.full(self._following.size, -1)
        peak, group = self._head[kept], np.arange(kept.size)
        step = 0
        while (peak >= 0).any():
            peak, group = peak[peak >= 0], group[peak >= 0]
            owner[peak], rank[peak] = group, step
            peak = self._following[peak]
            step += 1
        order = np.lexsort((rank, owner))[np.count_nonzero(owner < 0) :]
        return order, owner[order]

    @property
    def flags(self) -> np.ndarray:
        """Bands that contributed to each merged footprint: bool (n, number of bands)."""
        bits = self._bits[np.flatnonzero(self._parent == np.arange(self._parent.size))]
        return (bits[:, np.newaxis] >> np.arange(len(self.filters)) & 1).astype(bool)

    def make_sources(self, catalog: Any) -> None:
        """Append a row for each merged footprint to a `SourceCatalog` with the schema given at the start, with its footprint and flags."""
        first = len(catalog)
        FootprintSet.from_arrays(self.arrays).make_sources(catalog)
        for name, flag in zip(self.filters, self.flags.T):
            catalog[f"merge_footprint_{name}"][first:] = flag


def _appended(a: FootprintArrays, b: FootprintArrays) -> FootprintArrays:
    """Footprints of two sets one after the other; only the standard columns of the peaks survive."""
    names = list(PEAK_DTYPE.names or ())
    peaks = np.empty(a.peaks.size + b.peaks.size, PEAK_DTYPE)
    for name in names:
        peaks[name] = np.concatenate([a.peaks[name], b.peaks[name]])
    return FootprintArrays(
        np.concatenate([a.y, b.y]),
        np.concatenate([a.x0, b.x0]),
        np.concatenate([a.x1, b.x1]),
        np.concatenate([a.span_offset, b.span_offset[1:] + a.span_offset[-1]]),
        peaks,
        np.concatenate([a.peak_offset, b.peak_offset[1:] + a.peak_offset[-1]]),
        a.region if not a.region.is_empty else b.region,
    )
