"""Sets of pixels as horizontal runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from skysift.errors import InputError
from skysift.footprint.arguments import MAX_AREA, MAX_POSITION, array_and_origin, checked_box, whole_numbers
from skysift.footprint.runs import Runs, combine_runs, concatenate_ranges, normalize_runs, runs_of_array
from skysift.geom import Axes, Box2D, Box2I, Point2D, Quadrupole

__all__ = ["Span", "SpanSet"]

# A transformed set is worked out in blocks of about this many pixels.
BLOCK_AREA = 2**22


class Span(NamedTuple):
    """A horizontal run of pixels; `x1` belongs to it."""

    y: int
    x0: int
    x1: int

    @property
    def width(self) -> int:
        """Number of pixels."""
        return self.x1 - self.x0 + 1


class SpanSet:
    """A set of pixels, stored as runs in raster order that neither overlap nor touch; immutable.

    Parameters
    ----------
    y, x0, x1
        Integer arrays (n,): row, first and last column of each run (`x1` inclusive), PARENT pixels. Runs with ``x1 < x0`` are empty.
    normalized
        The runs are sorted and disjoint already and need no work.

    Notes
    -----
    LSST's ``SpanSet``. ``|``, ``&``, ``-`` and ``^`` are union, intersection, difference and symmetric difference.
    """

    __slots__ = ("_area", "_bbox", "_runs")
    _area: int
    _bbox: Box2I | None
    _runs: Runs

    def __init__(self, y: Any = (), x0: Any = (), x1: Any = (), *, normalized: bool = False) -> None:
        if not normalized:
            y, x0, x1 = (np.atleast_1d(whole_numbers(v)) for v in (y, x0, x1))
            if not (y.shape == x0.shape == x1.shape and y.ndim == 1):
                raise InputError(
                    f"the rows and columns of spans must be arrays of one length, not of shapes {y.shape}, {x0.shape}, {x1.shape}"
                )
            if y.size and max(np.abs(v).max() for v in (y, x0, x1)) > MAX_POSITION:
                raise InputError(f"spans reach beyond {MAX_POSITION} pixels from the origin")
            y, x0, x1 = normalize_runs(y, x0, x1)
        # Kernels get these arrays: to numba, arrays that cannot be written to are of another type.
        object.__setattr__(self, "_runs", (_kernel_array(y), _kernel_array(x0), _kernel_array(x1)))
        object.__setattr__(self, "_area", -1)
        object.__setattr__(self, "_bbox", None)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a SpanSet is immutable; {name!r} cannot be set")

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, self._runs

    @classmethod
    def from_box(cls, box: Box2I) -> SpanSet:
        """All pixels of a box."""
        y = np.arange(box.min_y, box.end_y, dtype=np.int32)
        return cls(y, np.full(y.size, box.min_x, np.int32), np.full(y.size, box.max_x, np.int32), normalized=True)

    @classmethod
    def from_shape(cls, r: int, stencil: str = "circle", offset: tuple[int, int] = (0, 0)) -> SpanSet:
        """A structuring element.

        Parameters
        ----------
        r
            Radius in pixels, not negative.
        stencil
            "circle" (``dx**2 + dy**2 <= r**2``), "manhattan" (``|dx| + |dy| <= r``) or "box"; capitals make no difference.
        offset
            Its centre ``(x, y)``.

        Raises
        ------
        InputError
            If the radius is negative or absurd, or the stencil is unknown.
        """
        r = int(r)
        if r < 0:
            raise InputError(f"radius {r} is negative")
        checked_box(Box2I((-r, -r), (2 * r + 1, 2 * r + 1)), f"a stencil of radius {r}")
        dy = np.arange(-r, r + 1)
        kind = str(stencil).lower()
        if kind == "circle":
            half = np.array([math.isqrt(r * r - d * d) for d in dy.tolist()])
        elif kind == "manhattan":
            half = r - np.abs(dy)
        elif kind == "box":
            half = np.full(dy.size, r)
        else:
            raise InputError(f"unknown stencil {stencil!r}; known are 'circle', 'manhattan' and 'box'")
        x, y = int(offset[0]), int(offset[1])
        return cls((dy + y).astype(np.int32), (x - half).astype(np.int32), (x + half).astype(np.int32), normalized=True)

    @classmethod
    def from_ellipse(cls, ellipse: Axes | Quadrupole, center: tuple[float, float] = (0.0, 0.0)) -> SpanSet:
        """Pixels whose centres lie inside an ellipse or on it.

        Parameters
        ----------
        ellipse
            Semi-axes in pixels, or the quadrupole of the same matrix.
        center
            Position ``(x, y)``.

        Returns
        -------
        SpanSet
            Empty if the ellipse, not being finite, encloses nothing.

        Raises
        ------
        InputError
            If it is absurdly large.
        """
        q = ellipse if isinstance(ellipse, Quadrupole) else ellipse.quadrupole
        xc, yc = float(center[0]), float(center[1])
        if not all(math.isfinite(v) for v in (q.ixx, q.iyy, q.ixy, xc, yc)) or q.ixx < 0 or q.iyy < 0:
            return cls()
        slope = tilt = 0.0
        square = q.ixx
        if q.iyy >= q.ixx * np.finfo(float).eps and q.iyy > 0:
            slope = q.ixy / q.iyy
            square = q.ixx - q.ixy * slope
            tilt = square / q.iyy
        r = math.sqrt(q.iyy)
        if max(abs(xc), abs(yc)) + math.sqrt(q.ixx) + r > MAX_POSITION or q.ixx * q.iyy > MAX_AREA**2 / 16 or r > math.sqrt(MAX_AREA):
            raise InputError(
                f"an ellipse of {2 * math.sqrt(q.ixx):.3g} x {2 * r:.3g} pixels at ({xc:.6g}, {yc:.6g}) is no shape in an image"
            )
        y = np.arange(math.ceil(yc - r) - 1, math.floor(yc + r) + 2)
        dy = y - yc
        y, dy = y[np.abs(dy) <= r * (1 + 1e-12)], dy[np.abs(dy) <= r * (1 + 1e-12)]
        room = square - tilt * dy**2
        y, dy, room = y[room >= 0], dy[room >= 0], room[room >= 0]
        half = np.sqrt(room)
        return cls(y, np.ceil(xc + slope * dy - half), np.floor(xc + slope * dy + half))

    @classmethod
    def from_array(cls, array: Any, xy0: tuple[int, int] = (0, 0)) -> SpanSet:
        """Pixels where an array is true.

        Parameters
        ----------
        array
            (h, w), true (not zero) where a pixel is in the set.
        xy0
            PARENT position of the element ``[0, 0]``.
        """
        inside = np.asarray(array)
        if inside.ndim != 2:
            raise InputError(f"an array of shape {inside.shape} is not a mask; pixels are indexed [y, x]")
        return cls(*runs_of_array(inside != 0, int(xy0[0]), int(xy0[1])), normalized=True)

    @classmethod
    def from_mask(cls, mask: Any, bits: int = -1) -> SpanSet:
        """Pixels with any of some mask bits.

        Parameters
        ----------
        mask
            A `Mask`, or an integer array whose first element is at (0, 0).
        bits
            The bits; by default all.
        """
        array, x, y = array_and_origin(mask)
        return cls.from_array(array & bits, (x, y))

    @property
    def y(self) -> np.ndarray:
        """Row of each run, int32 (n,), not writable."""
        return _read_only(self._runs[0])

    @property
    def x0(self) -> np.ndarray:
        """First column of each run, int32 (n,), not writable."""
        return _read_only(self._runs[1])

    @property
    def x1(self) -> np.ndarray:
        """Last column of each run, which belongs to it, int32 (n,), not writable."""
        return _read_only(self._runs[2])

    @property
    def area(self) -> int:
        """Number of pixels."""
        if self._area < 0:
            object.__setattr__(self, "_area", int(self.widths.sum()))
        return self._area

    @property
    def bbox(self) -> Box2I:
        """Smallest box around the set."""
        box = self._bbox
        if box is None:
            box = Box2I()
            y, x0, x1 = self._runs
            if y.size:
                box = Box2I.from_min_max((int(x0.min()), int(y[0])), (int(x1.max()), int(y[-1])))
            object.__setattr__(self, "_bbox", box)
        return box

    @property
    def is_empty(self) -> bool:
        """Whether there is no pixel in it."""
        return self._runs[0].size == 0

    @property
    def widths(self) -> np.ndarray:
        """Number of pixels of each run, int64 (n,)."""
        return self._runs[2].astype(np.int64) - self._runs[1] + 1

    @property
    def centroid(self) -> Point2D:
        """Mean position of the pixels; NaN for an empty set."""
        if self.is_empty:
            return Point2D(math.nan, math.nan)
        n = self.widths
        x, y = self.bbox.min
        return Point2D(x + (n * (0.5 * (self.x0 - x + (self.x1 - x)))).sum() / self.area, y + (n * (self.y - y)).sum() / self.area)

    @property
    def shape(self) -> Quadrupole:
        """Second moments of the pixel centres about the centroid, pixel**2; NaN for an empty set."""
        if self.is_empty:
            return Quadrupole(math.nan, math.nan, math.nan)
        n = self.widths
        xc, yc = self.centroid
        dx = 0.5 * (self.x0.astype(np.float64) + self.x1) - xc
        dy = self.y - yc
        # A run of n pixels has the variance (n^2 - 1)/12 about its own middle.
        ixx = (n * (dx**2 + (n**2 - 1) / 12)).sum()
        return Quadrupole(ixx / self.area, (n * dy**2).sum() / self.area, (n * dx * dy).sum() / self.area)

    def __len__(self) -> int:
        return self._runs[0].size

    def __iter__(self) -> Iterator[Span]:
        return map(Span, *(v.tolist() for v in self._runs))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SpanSet):
            return NotImplemented
        return all(np.array_equal(a, b) for a, b in zip(self._runs, other._runs))

    def __hash__(self) -> int:
        return hash((self.y.tobytes(), self.x0.tobytes()))

    def __repr__(self) -> str:
        return f"SpanSet({len(self)} spans, area {self.area}, {self.bbox})"

    def _combined(self, other: SpanSet, inside: Callable[[list[np.ndarray]], np.ndarray]) -> SpanSet:
        return SpanSet(*combine_runs([self._runs, other._runs], inside), normalized=True)

    def __or__(self, other: SpanSet) -> SpanSet:
        return self._combined(other, lambda n: (n[0] + n[1]) > 0)

    def __and__(self, other: SpanSet) -> SpanSet:
        return self._combined(other, lambda n: (n[0] > 0) & (n[1] > 0))

    def __sub__(self, other: SpanSet) -> SpanSet:
        return self._combined(other, lambda n: (n[0] > 0) & (n[1] == 0))

    def __xor__(self, other: SpanSet) -> SpanSet:
        return self._combined(other, lambda n: (n[0] > 0) != (n[1] > 0))

    def shifted_by(self, dx: int, dy: int) -> SpanSet:
        """The set moved by whole pixels."""
        if max(abs(dx), abs(dy)) > MAX_POSITION:
            raise InputError(f"a shift by ({dx}, {dy}) pixels leads out of every image")
        dx32, dy32 = np.int32(dx), np.int32(dy)
        return SpanSet(self.y + dy32, self.x0 + dx32, self.x1 + dx32, normalized=True)

    def clipped_to(self, box: Box2I) -> SpanSet:
        """The part of the set inside a box."""
        if box.contains(self.bbox):
            return self
        x0, x1 = np.maximum(self.x0, box.min_x).astype(np.int32), np.minimum(self.x1, box.max_x).astype(np.int32)
        keep = (self.y >= box.min_y) & (self.y <= box.max_y) & (x1 >= x0)
        return SpanSet(self.y[keep], x0[keep], x1[keep], normalized=True)

    def dilated(self, r: int | SpanSet, stencil: str = "circle") -> SpanSet:
        """The set grown: every pixel ``p + s`` with p in the set and s in a stencil.

        Parameters
        ----------
        r
            Radius in pixels, or the stencil itself as spans about the origin.
        stencil
            See `from_shape`.

        Returns
        -------
        SpanSet
            It is not clipped to any image.
        """
        s = r if isinstance(r, SpanSet) else SpanSet.from_shape(r, stencil)
        if self.is_empty or s.is_empty:
            return SpanSet()
        a, b = self.bbox, s.bbox
        return self._dilated(s, Box2I.from_min_max((a.min_x + b.min_x, a.min_y + b.min_y), (a.max_x + b.max_x, a.max_y + b.max_y)))

    def _dilated(self, stencil: SpanSet, clip: Box2I) -> SpanSet:
        from skysift.kernels.spans import dilate_spans

        checked_box(clip, f"the dilation of {self}")
        return SpanSet(*dilate_spans(*self._runs, *stencil._runs, clip.min_x, clip.min_y, clip.max_x, clip.max_y), normalized=True)

    def eroded(self, r: int | SpanSet, stencil: str = "circle") -> SpanSet:
        """The set shrunk: every pixel p of which all ``p + s``, s in a stencil, are in the set.

        Parameters
        ----------
        r
            Radius in pixels, or the stencil itself as spans about the origin.
        stencil
            See `from_shape`.

        Raises
        ------
        InputError
            If the stencil is empty, for then every pixel of the plane would qualify.
        """
        s = r if isinstance(r, SpanSet) else SpanSet.from_shape(r, stencil)
        if s.is_empty:
            raise InputError("erosion by an empty stencil has no bounds; give a stencil with at least one pixel")
        a, b = self.bbox, s.bbox
        window = Box2I.from_min_max((a.min_x - b.min_x, a.min_y - b.min_y), (a.max_x - b.max_x, a.max_y - b.max_y))
        if self.is_empty or window.is_empty:
            return SpanSet()
        checked_box(a, f"the erosion of {self}")
        # Erosion is dilation of the complement by the reflected stencil; inside the window it asks for nothing beyond the bounding box.
        outside = SpanSet.from_box(a) - self
        reflected = SpanSet(-s.y[::-1], -s.x1[::-1], -s.x0[::-1])
        return SpanSet.from_box(window) - outside._dilated(reflected, window)

    def edge_pixels(self) -> SpanSet:
        """Pixels of the set of which a side neighbour is not in it."""
        return self - self.eroded(1)

    def split(self) -> list[SpanSet]:
        """The connected parts, in order of their first pixel; pixels that touch only at a corner are not connected. An empty set gives itself."""
        label, count = self._components()
        if count <= 1:
            return [self]
        order = np.argsort(label, kind="stable")
        ends = np.cumsum(np.bincount(label, minlength=count))
        y, x0, x1 = (v[order] for v in self._runs)
        return [SpanSet(y[i:j], x0[i:j], x1[i:j], normalized=True) for i, j in zip([0, *ends[:-1].tolist()], ends.tolist())]

    @property
    def is_contiguous(self) -> bool:
        """Whether all pixels are connected through sides; an empty set is."""
        return self._components()[1] <= 1

    def _components(self) -> tuple[np.ndarray, int]:
        from skysift.kernels.label import label_spans

        return label_spans(*self._runs, 0)

    def transformed_by(self, transform: Any) -> SpanSet:
        """The set moved by a map of the plane: the pixels whose centres the inverse map takes to a pixel of the set.

        Parameters
        ----------
        transform
            A map called as ``transform(x, y)`` with arrays, and with a method `inverted` that gives its inverse: `LinearTransform`, `AffineTransform`.

        Returns
        -------
        SpanSet
            Empty where the map has no usable inverse near the set.

        Raises
        ------
        InputError
            If the result would span more than 2**32 pixels.
        """
        if self.is_empty:
            return self
        inverse = transform.inverted()
        box = Box2D(self.bbox)
        corners = np.array([box.min_x, box.max_x, box.max_x, box.min_x]), np.array([box.min_y, box.min_y, box.max_y, box.max_y])
        x, y = (np.asarray(v) for v in transform(*corners))
        back = np.array(inverse(x, y))
        if not np.all(np.isfinite([x, y])) or not np.all(np.hypot(*(back - corners)) <= 1.0):
            return SpanSet()
        target = Box2I.from_min_max((math.floor(x.min()), math.floor(y.min())), (math.ceil(x.max()), math.ceil(y.max())))
        checked_box(target, "the transformed set")
        rows = max(1, BLOCK_AREA // target.width)
        parts: list[Runs] = []
        for start in range(target.min_y, target.end_y, rows):
            yy, xx = np.mgrid[start : min(start + rows, target.end_y), target.min_x : target.end_x]
            u, v = inverse(xx, yy)
            parts.append(runs_of_array(self.contains(np.asarray(u), np.asarray(v)), target.min_x, start))
        return SpanSet(*(np.concatenate(v) for v in zip(*parts)), normalized=True)

    def pixel_index(self, x: Any, y: Any) -> np.ndarray:
        """Where pixels stand in the order of the set.

        Parameters
        ----------
        x, y
            Integer arrays of one shape, PARENT pixels.

        Returns
        -------
        ndarray
            int64 of that shape: the index in arrays made by `flatten`, -1 for pixels outside the set.
        """
        x, y = np.asarray(x, dtype=np.int64), np.asarray(y, dtype=np.int64)
        if self.is_empty:
            return np.full(np.broadcast(x, y).shape, -1)
        box = self.bbox
        stride = box.width + 1
        start = (self.y.astype(np.int64) - box.min_y) * stride + (self.x0.astype(np.int64) - box.min_x)
        near = (x >= box.min_x) & (x <= box.max_x) & (y >= box.min_y) & (y <= box.max_y)
        run = np.searchsorted(start, np.where(near, (y - box.min_y) * stride + (x - box.min_x), 0), side="right") - 1
        inside = near & (run >= 0) & (self.y[run] == y) & (self.x1[run] >= x)
        first = np.cumsum(self.widths) - self.widths
        return np.where(inside, first[run] + x - self.x0[run], -1)

    def contains(self, x: SpanSet | Any, y: Any = None) -> Any:
        """Whether a pixel, many pixels, or all of another set lie in this set.

        Parameters
        ----------
        x, y
            Positions, numbers or arrays of one shape; a position belongs to its nearest pixel, and one that is not finite to none. `x` alone may be
            a pair or a `SpanSet`; an empty set is contained nowhere.

        Returns
        -------
        bool or ndarray
            bool array for array positions.
        """
        if isinstance(x, SpanSet):
            return not x.is_empty and (x - self).is_empty
        if y is None:
            x, y = x
        x, y = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))
        with np.errstate(invalid="ignore"):
            # Positions outside the range of pixel indices, NaN included, are put where no pixel can be.
            usable = (np.abs(x) < 2.0**31) & (np.abs(y) < 2.0**31)
        column, row = (np.floor(np.where(usable, v, -(2.0**32)) + 0.5).astype(np.int64) for v in (x, y))
        inside = self.pixel_index(column, row) >= 0
        return inside if inside.ndim else bool(inside)

    __contains__ = contains

    def overlaps(self, other: SpanSet) -> bool:
        """Whether the sets share a pixel."""
        return self.bbox.overlaps(other.bbox) and not (self & other).is_empty

    def indices(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of all pixels in the order of the set: two int64 arrays (area,), PARENT."""
        return np.repeat(self.y.astype(np.int64), self.widths), concatenate_ranges(self.x0, self.widths)

    def _local_indices(self, shape: tuple[int, ...], x: int, y: int) -> tuple[np.ndarray, np.ndarray]:
        box = Box2I.from_shape(shape[:2], (x, y))
        if not box.contains(self.bbox):
            raise InputError(f"{self} is not inside the image, which covers {box}", hint="clip the spans with clipped_to(image.bbox)")
        rows, columns = self.indices()
        return rows - y, columns - x

    def flatten(self, image: Any, xy0: tuple[int, int] | None = None) -> np.ndarray:
        """Values of an image under the set, in the order of the set.

        Parameters
        ----------
        image
            An image, or an array (h, w, ...).
        xy0
            PARENT position of the first element; None: the image's own, (0, 0) for an array.

        Returns
        -------
        ndarray
            A copy, (area, ...).

        Raises
        ------
        InputError
            If the set leaves the image.
        """
        array, x, y = array_and_origin(image, xy0)
        return array[self._local_indices(array.shape, x, y)]

    def unflatten(self, values: Any, fill: float = 0) -> np.ndarray:
        """Image over the bounding box, the inverse of `flatten`.

        Parameters
        ----------
        values
            (area, ...).
        fill
            Value of the pixels outside the set.

        Returns
        -------
        ndarray
            (height, width, ...) with the type of `values`; its first element is at ``bbox.min``.
        """
        values = np.asarray(values)
        checked_box(self.bbox, f"the image of {self}")
        target = np.full((*self.bbox.shape, *values.shape[1:]), fill, dtype=values.dtype)
        self.unflatten_into(target, values, self.bbox.min)
        return target

    def unflatten_into(self, image: Any, values: Any, xy0: tuple[int, int] | None = None) -> None:
        """Write values into an image under the set.

        Parameters
        ----------
        image, xy0
            See `flatten`; written to.
        values
            (area, ...), or one value.

        Raises
        ------
        InputError
            If the set leaves the image, or there is not one value a pixel.
        """
        array, x, y = array_and_origin(image, xy0)
        values = np.asarray(values)
        if values.ndim and values.shape[0] != self.area:
            raise InputError(f"{values.shape[0]} values for a set of {self.area} pixels")
        array[self._local_indices(array.shape, x, y)] = values

    def set_mask(self, mask: Any, bits: int, *, clip: bool = False) -> None:
        """Set mask bits under the set.

        Parameters
        ----------
        mask
            A `Mask` or an integer array, written to.
        bits
            The bits.
        clip
            Leave out pixels outside the mask, which otherwise are an `InputError`.
        """
        array, x, y = array_and_origin(mask)
        spans = self.clipped_to(Box2I.from_shape(array.shape[:2], (x, y))) if clip else self
        array[spans._local_indices(array.shape, x, y)] |= bits

    def clear_mask(self, mask: Any, bits: int, *, clip: bool = False) -> None:
        """Clear mask bits under the set; the parameters are those of `set_mask`."""
        array, x, y = array_and_origin(mask)
        spans = self.clipped_to(Box2I.from_shape(array.shape[:2], (x, y))) if clip else self
        array[spans._local_indices(array.shape, x, y)] &= ~bits

    def as_array(self, shape: tuple[int, int] | None = None, xy0: tuple[int, int] | None = None) -> np.ndarray:
        """The set as a boolean array.

        Parameters
        ----------
        shape
            Shape of the array; by default that of the bounding box.
        xy0
            PARENT position of its first element; by default the corner of the bounding box, or (0, 0) if a shape is given.
        """
        if xy0 is None:
            xy0 = self.bbox.min if shape is None else (0, 0)
        box = Box2I.from_shape(self.bbox.shape if shape is None else shape, xy0)
        checked_box(box, f"the array of {self}")
        inside = np.zeros(box.shape if shape is None else shape, bool)
        inside[self.clipped_to(box)._local_indices(inside.shape, *map(int, xy0))] = True
        return inside


def _read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view


def _kernel_array(values: Any) -> np.ndarray:
    """Values as an int32 array that is contiguous and can be written to; the array itself if it is one."""
    if isinstance(values, np.ndarray) and values.dtype == np.int32 and values.flags.carray:
        return values
    return np.require(values, np.int32, ["C", "W"])


def _restore(y: np.ndarray, x0: np.ndarray, x1: np.ndarray) -> SpanSet:
    return SpanSet(y, x0, x1, normalized=True)
