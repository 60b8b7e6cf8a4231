"""The footprints found in an image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from skysift.errors import InputError
from skysift.footprint.arguments import array_and_origin
from skysift.footprint.arrays import FootprintArrays, flatten_footprints
from skysift.footprint.footprint import Footprint
from skysift.footprint.grow import FootprintControl, Grown, grow_runs, join
from skysift.footprint.heavy import HeavyControl, make_heavy_footprint
from skysift.footprint.peaks import PEAK_DTYPE, make_peaks
from skysift.footprint.spans import SpanSet
from skysift.footprint.threshold import Threshold
from skysift.geom import Box2I

__all__ = ["FootprintSet"]


class FootprintSet:
    """Footprints of one image: flat arrays, of which `Footprint` objects are made when asked for.

    Parameters
    ----------
    footprints
        The footprints.
    region
        Bounding box of the image; None: the first one that a footprint knows.

    Notes
    -----
    LSST's ``FootprintSet``. Footprints that were handed out may be changed, and the set follows.
    """

    def __init__(self, footprints: Iterable[Footprint] = (), region: Box2I | None = None) -> None:
        self._adopt(list(footprints), region)

    def _adopt(self, footprints: list[Footprint], region: Box2I | None) -> None:
        arrays = self._arrays = flatten_footprints(footprints, region)
        # Footprints handed out, with the parts that the arrays hold: a part that is no longer the same object was replaced.
        self._out: dict[int, tuple[Footprint, SpanSet, np.ndarray]] = {}
        for i, footprint in enumerate(footprints):
            if len(footprint.peaks):
                footprint.peaks.array = arrays.peaks[arrays.peak_offset[i] : arrays.peak_offset[i + 1]]
            self._out[i] = footprint, footprint.spans, footprint.peaks.array

    @classmethod
    def from_arrays(cls, arrays: FootprintArrays) -> FootprintSet:
        """The set of footprints in flat arrays, which are not copied."""
        self = cls.__new__(cls)
        self._arrays = arrays
        self._out = {}
        return self

    @classmethod
    def detect(cls, image: Any, threshold: Threshold, *, plane: str = "", min_pixels: int = 1, find_peaks: bool = True) -> FootprintSet:
        """Find the 8-connected regions of an image above a threshold.

        Parameters
        ----------
        image
            A `MaskedImage` or `Exposure`, an `Image`, a `Mask`, or an array; usually smoothed.
        threshold
            What to find. "pixel_stdev" needs a variance plane, "bitmask" a mask.
        plane
            Mask plane to set in the pixels of the footprints, added to the mask if it is new; empty: none.
        min_pixels
            Least number of pixels of a footprint.
        find_peaks
            Find the peaks too; footprints of a mask have none.

        Returns
        -------
        FootprintSet
            Ordered by first pixel in raster order. Peaks are pixels than which no neighbour is higher (lower), see
            `skysift.kernels.label.find_footprints`.

        Raises
        ------
        InputError
            If the image lacks the plane that is needed.
        """
        from skysift.kernels.label import find_footprints, label_mask

        pixels = image.image if hasattr(image, "variance") else image
        if threshold.type == "bitmask" and hasattr(image, "mask"):
            pixels = image.mask
        array, x, y = array_and_origin(pixels)
        if array.ndim != 2:
            raise InputError(f"an array of shape {array.shape} is not an image; pixels are indexed [y, x]")
        region = Box2I.from_shape(array.shape, (x, y))
        if threshold.type == "bitmask" or hasattr(pixels, "planes"):
            if threshold.type not in ("bitmask", "value"):
                raise InputError(f"a mask has no {threshold.type!r} threshold; use 'bitmask' or 'value'")
            inside = (array & int(threshold.value)) != 0 if threshold.type == "bitmask" else array >= threshold.value
            rows, x0, x1, offset = label_mask(np.ascontiguousarray(inside))
            arrays = FootprintArrays(
                rows + np.int32(y),
                x0 + np.int32(x),
                x1 + np.int32(x),
                offset,
                np.empty(0, PEAK_DTYPE),
                np.zeros(offset.size, np.int64),
                region,
            )
            arrays = _selected(arrays, arrays.area >= min_pixels)
        else:
            variance = np.empty((0, 0), np.float32)
            if threshold.type == "pixel_stdev":
                if not hasattr(image, "variance"):
                    raise InputError("a 'pixel_stdev' threshold needs a variance plane", hint="give a MaskedImage or an Exposure")
                variance = np.ascontiguousarray(image.variance.array, dtype=np.float32)
            rows, x0, x1, offset, peak_x, peak_y, value, peak_offset = find_footprints(
                np.ascontiguousarray(array, dtype=np.float32),
                threshold.level(array),
                variance,
                not threshold.polarity,
                float(threshold.include_multiplier),
                int(min_pixels),
                x,
                y,
            )
            if not find_peaks:
                peak_x, peak_y, value, peak_offset = peak_x[:0], peak_y[:0], value[:0], np.zeros(offset.size, np.int64)
            arrays = FootprintArrays(rows, x0, x1, offset, make_peaks(peak_x, peak_y, value), peak_offset, region)
        found = cls.from_arrays(arrays)
        if plane:
            if not hasattr(image, "mask"):
                raise InputError(f"there is no mask in which to set the plane {plane!r}", hint="give a MaskedImage or an Exposure")
            found.set_mask(image.mask, plane)
        return found

    @classmethod
    def from_segmentation(cls, labels: Any, xy0: tuple[int, int] = (0, 0)) -> FootprintSet:
        """Footprints of a segmentation image, such as those of photutils and SExtractor.

        Parameters
        ----------
        labels
            Integer array (h, w): the number of the source that a pixel belongs to; 0 or less: none. `insert_into_image` makes such an image.
        xy0
            PARENT position of its element ``[0, 0]``.

        Returns
        -------
        FootprintSet
            By increasing number, without peaks (see `with_peaks`). The pixels of a source need not be connected.
        """
        array = np.asarray(labels)
        if array.ndim != 2 or array.dtype.kind not in "iu":
            raise InputError(f"a segmentation image is a 2-D integer array, not {array.dtype} of shape {array.shape}")
        padded = np.zeros((array.shape[0], array.shape[1] + 2), array.dtype)
        padded[:, 1:-1] = np.maximum(array, 0)
        row, edge = np.nonzero(padded[:, 1:] != padded[:, :-1])
        # A run ends at the next edge of its row, and there always is one: the padding.
        label = padded[row, edge + 1]
        run = np.flatnonzero(label)
        run = run[np.argsort(label[run], kind="stable")]
        count = np.unique(label[run], return_counts=True)[1]
        offset = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
        y, x0, x1 = ((v + start).astype(np.int32) for v, start in ((row[run], xy0[1]), (edge[run], xy0[0]), (edge[run + 1] - 1, xy0[0])))
        region = Box2I.from_shape(array.shape, xy0)
        return cls.from_arrays(FootprintArrays(y, x0, x1, offset, np.empty(0, PEAK_DTYPE), np.zeros(offset.size, np.int64), region))

    def with_peaks(self, image: Any, *, polarity: bool = True) -> FootprintSet:
        """The same footprints with the peaks of another image.

        Parameters
        ----------
        image
            An `Image`, or an array of the region, that holds all footprints.
        polarity
            False: find minima.

        Returns
        -------
        FootprintSet
            Peaks as `detect` finds them; at least one for each footprint that has pixels.

        Raises
        ------
        InputError
            If a footprint leaves the image.
        """
        from skysift.kernels.label import find_peaks

        array, x, y = array_and_origin(image, None if hasattr(image, "xy0") else self.region.min)
        a = self.arrays
        if a.y.size and not Box2I.from_shape(array.shape, (x, y)).contains(
            Box2I.from_min_max((int(a.x0.min()), int(a.y.min())), (int(a.x1.max()), int(a.y.max())))
        ):
            raise InputError(f"footprints of {self.region} leave the image, which covers {Box2I.from_shape(array.shape, (x, y))}")
        full = np.flatnonzero(np.diff(a.span_offset))
        peak_x, peak_y, value, offset = find_peaks(
            np.ascontiguousarray(array, dtype=np.float32),
            not polarity,
            a.y - np.int32(y),
            a.x0 - np.int32(x),
            a.x1 - np.int32(x),
            np.concatenate([a.span_offset[full], a.span_offset[-1:]]),
        )
        count = np.zeros(len(a), np.int64)
        count[full] = np.diff(offset)
        peaks = make_peaks(peak_x + np.int32(x), peak_y + np.int32(y), value)
        return FootprintSet.from_arrays(replace(a, peaks=peaks, peak_offset=np.concatenate([[0], np.cumsum(count)])))

    @property
    def arrays(self) -> FootprintArrays:
        """The footprints as flat arrays. Peaks may be written to; spans should not."""
        if any(f.spans is not spans or f.peaks.array is not peaks for f, spans, peaks in self._out.values()):
            self._adopt(self.footprints, self.region)
        return self._arrays

    @property
    def footprints(self) -> list[Footprint]:
        """The footprints, made when first asked for; assign a list to replace them."""
        return [self[i] for i in range(len(self))]

    @footprints.setter
    def footprints(self, footprints: Iterable[Footprint]) -> None:
        self._adopt(list(footprints), self.region)

    @property
    def region(self) -> Box2I:
        """Bounding box of the image; assignment changes it for all footprints."""
        return self._arrays.region

    @region.setter
    def region(self, region: Box2I) -> None:
        self._arrays = replace(self._arrays, region=region)
        for footprint, _, _ in self._out.values():
            footprint.region = region

    def __reduce__(self) -> tuple[Any, ...]:
        if self._out:
            return FootprintSet, (self.footprints, self.region)
        return FootprintSet.from_arrays, (self._arrays,)

    def __len__(self) -> int:
        return len(self._arrays)

    def __getitem__(self, i: int) -> Footprint:
        i = range(len(self))[i]
        if i not in self._out:
            footprint = self._arrays.footprint(i)
            self._out[i] = footprint, footprint.spans, footprint.peaks.array
        return self._out[i][0]

    def __iter__(self) -> Iterator[Footprint]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"FootprintSet({len(self)} footprints, {self.n_peaks} peaks, {self.region})"

    @property
    def n_peaks(self) -> int:
        """Number of peaks of all footprints."""
        return self.arrays.peaks.size

    def copy(self) -> FootprintSet:
        """A set with its own footprints."""
        if any(footprint.is_heavy for footprint, _, _ in self._out.values()):
            return FootprintSet([footprint.copy() for footprint in self], self.region)
        arrays = self.arrays
        return FootprintSet.from_arrays(replace(arrays, peaks=arrays.peaks.copy()))

    def set_mask(self, mask: Any, plane: str | int) -> None:
        """Set a mask plane in the pixels of all footprints; pixels outside the mask are left out.

        Parameters
        ----------
        mask
            A `Mask`, or an int32 array whose first element is at (0, 0).
        plane
            Name of the plane, added to the mask if it is new; or the bits to set.
        """
        bits = plane if isinstance(plane, int) else 1 << mask.add_plane(plane)
        array, x, y = array_and_origin(mask)
        self._paint(array, np.full(self.arrays.y.size, bits, np.int32), x, y, add=False)

    def insert_into_image(self) -> np.ndarray:
        """Image of the region that holds the number of each footprint, from 1; where footprints overlap, the sum.

        Returns
        -------
        ndarray
            int32 of the region's shape, 0 outside the footprints.
        """
        labels = np.zeros(self.region.shape, np.int32)
        self._paint(labels, self.arrays.span_footprint + np.int32(1), self.region.min_x, self.region.min_y, add=True)
        return labels

    def _paint(self, target: np.ndarray, value: np.ndarray, x: int, y: int, *, add: bool) -> None:
        from skysift.kernels.spans import paint_spans

        array = np.ascontiguousarray(target, dtype=np.int32)
        a = self.arrays
        paint_spans(array, a.y, a.x0, a.x1, value, x, y, add)
        if array is not target:
            target[...] = array

    def make_heavy(self, masked_image: Any, control: HeavyControl | None = None) -> None:
        """Give all footprints the pixels of an image, in place; see `make_heavy_footprint`."""
        self.footprints = [make_heavy_footprint(footprint, masked_image, control) for footprint in self]

    def make_sources(self, catalog: Any) -> None:
        """Append a row for each footprint to a `SourceCatalog`."""
        rows = catalog.add_rows(len(self))
        if len(catalog) == len(self):
            catalog.footprints = self
        else:
            catalog.footprints[rows] = self.footprints

    def grown(self, r: int, *, isotropic: bool = True, control: FootprintControl | None = None) -> FootprintSet:
        """The footprints grown, joined where they then touch, and clipped to the region.

        Parameters
        ----------
        r
            Pixels; 0: a copy.
        isotropic
            Grow by a disc, otherwise by a diamond.
        control
            Grow only to some sides.

        Returns
        -------
        FootprintSet
            Each footprint has the peaks of all that it was made from, by decreasing value.

        Raises
        ------
        InputError
            If `r` is negative.
        """
        if r == 0:
            return self.copy()
        return FootprintSet.from_arrays(join([grow_runs(self.arrays, r, isotropic=isotropic, control=control)], self.region))

    def merge(self, other: FootprintSet, grow: int = 0, other_grow: int = 0, *, isotropic: bool = True) -> None:
        """Join the footprints of another set of the same image to this one, in place.

        Parameters
        ----------
        other
            The other set.
        grow, other_grow
            Pixels to grow the footprints of this set and of the other by, first.
        isotropic
            See `grown`.

        Raises
        ------
        InputError
            If the regions or the columns of the peaks differ, or a radius is negative.
        """
        if other.region != self.region:
            raise InputError(f"sets of footprints of different images: {self.region} and {other.region}")
        parts: list[Grown] = [
            grow_runs(self.arrays, grow, isotropic=isotropic),
            grow_runs(other.arrays, other_grow, isotropic=isotropic),
        ]
        self._arrays = join(parts, self.region)
        self._out = {}


def _selected(arrays: FootprintArrays, keep: np.ndarray) -> FootprintArrays:
    """The footprints without peaks that are to be kept."""
    spans = np.repeat(keep, np.diff(arrays.span_offset))
    offset = np.concatenate([[0], np.cumsum(np.diff(arrays.span_offset)[keep])])
    return FootprintArrays(
        arrays.y[spans], arrays.x0[spans], arrays.x1[spans], offset, arrays.peaks, np.zeros(offset.size, np.int64), arrays.region
    )
