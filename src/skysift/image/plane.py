"""What images and masks share: pixels with a position, and the ways to cut them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from skysift.errors import InputError
from skysift.geom import Box2I, Extent2I, Point2I

__all__ = ["LocalView", "Plane", "locate"]


def locate(bbox: Box2I, xy0: Point2I, key: Any) -> Box2I | tuple[int, int]:
    """Turn a subscript in PARENT coordinates into a box or a pixel.

    Parameters
    ----------
    bbox
        The box that the pixels cover.
    xy0
        Position of the first pixel (that of `bbox`, but for empty images).
    key
        A box, a pair of slices (columns first), a pair of integers, or a `Point2I`.

    Returns
    -------
    Box2I or (int, int)
        The box, or the pixel's ``(x, y)``, PARENT.

    Raises
    ------
    InputError
        If the subscript is of another kind or reaches outside the pixels.
    """
    if isinstance(key, Box2I):
        if not bbox.contains(key):
            raise InputError(f"{key} reaches outside the image, which covers {bbox}", hint="cut it with clipped_to first")
        return key
    if isinstance(key, tuple) and len(key) == 2:
        kx, ky = key
        if isinstance(kx, slice) and isinstance(ky, slice):
            ends = []
            for axis, part in enumerate((kx, ky)):
                if part.step not in (None, 1):
                    raise InputError("an image is cut in steps of one pixel; use image.array for other steps")
                low, size = xy0[axis], bbox.shape[1 - axis]
                start = low if part.start is None else int(part.start)
                stop = low + size if part.stop is None else int(part.stop)
                if start < low or stop > low + size:
                    raise InputError(
                        f"slice {start}:{stop} in {'xy'[axis]} reaches outside the image, which covers {low}:{low + size}",
                        hint="slices count in PARENT pixels; image.local counts from the first pixel",
                    )
                ends.append((start, max(stop - start, 0)))
            (x, width), (y, height) = ends
            return Box2I((x, y), (width, height))
        if isinstance(kx, (int, np.integer)) and isinstance(ky, (int, np.integer)):
            if not bbox.contains((int(kx), int(ky))):
                raise InputError(f"pixel ({kx}, {ky}) lies outside the image, which covers {bbox}")
            return int(kx), int(ky)
    raise InputError(f"an image is cut with a Box2I, [x, y] or [x0:x1, y0:y1], not with {key!r}")


class Plane:
    """A two-dimensional array with the PARENT position of its first element.

    Parameters
    ----------
    array
        Array (height, width). It is kept, not copied.
    xy0
        PARENT position of the element ``[0, 0]``.

    Raises
    ------
    InputError
        If the array is not two-dimensional.
    """

    __slots__ = ("_xy0", "array")
    array: np.ndarray

    def __init__(self, array: Any, xy0: Sequence[float] = (0, 0)) -> None:
        array = np.asarray(array)
        if array.ndim != 2:
            raise InputError(f"an image has two dimensions, not {array.ndim} (array of shape {array.shape})")
        self.array = array
        self._xy0 = Point2I(xy0)

    @property
    def xy0(self) -> Point2I:
        """PARENT position of the element ``[0, 0]``."""
        return self._xy0

    @xy0.setter
    def xy0(self, value: Sequence[float]) -> None:
        self._xy0 = Point2I(value)

    @property
    def bbox(self) -> Box2I:
        """The pixels that the array covers, PARENT."""
        return Box2I.from_shape(self.array.shape, self._xy0)

    @property
    def width(self) -> int:
        """Number of columns."""
        return int(self.array.shape[1])

    @property
    def height(self) -> int:
        """Number of rows."""
        return int(self.array.shape[0])

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)``."""
        return self.array.shape  # type: ignore[return-value]

    @property
    def dimensions(self) -> Extent2I:
        """``(width, height)``."""
        return Extent2I(self.width, self.height)

    @property
    def local(self) -> LocalView:
        """The same pixels counted from the first one: ``image.local[x0:x1, y0:y1]``."""
        return LocalView(self)

    def _like(self, array: np.ndarray, xy0: Sequence[float]) -> Self:
        raise NotImplementedError

    def _operand(self, value: Any) -> Any:
        """Turn what these pixels are combined with, or become, into something numpy takes."""
        raise NotImplementedError

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.array, dtype=dtype, copy=copy)

    def copy(self) -> Self:
        """Deep copy."""
        return self._like(self.array.copy(), self._xy0)

    def _slices(self, box: Box2I) -> tuple[slice, slice]:
        return box.slices(self._xy0)

    def __getitem__(self, key: Any) -> Any:
        where = locate(self.bbox, self._xy0, key)
        if isinstance(where, Box2I):
            return self._like(self.array[self._slices(where)], where.min)
        return self.array[where[1] - self._xy0[1], where[0] - self._xy0[0]]

    def __setitem__(self, key: Any, value: Any) -> None:
        where = locate(self.bbox, self._xy0, key)
        if isinstance(where, Box2I):
            part = self[where]
            part.array[...] = part._operand(value)
        else:
            self.array[where[1] - self._xy0[1], where[0] - self._xy0[0]] = value

    __iter__ = None  # type: ignore[assignment]


class LocalView:
    """Subscripts that count from the first pixel, with Python's negative indices.

    Parameters
    ----------
    owner
        Anything that is cut in PARENT coordinates: an image, a mask, a masked image, an exposure.
    """

    __slots__ = ("_owner",)

    def __init__(self, owner: Any) -> None:
        self._owner = owner

    def _parent(self, key: Any) -> Any:
        x0, y0 = self._owner.xy0
        if isinstance(key, Box2I):
            return key.shifted_by(x0, y0)
        if isinstance(key, tuple) and len(key) == 2:
            height, width = self._owner.shape
            parts: list[Any] = []
            for part, size, start in ((key[0], width, x0), (key[1], height, y0)):
                if isinstance(part, slice):
                    low, high, step = part.indices(size)
                    parts.append(slice(low + start, max(low, high) + start, step))
                else:
                    parts.append((part + size if part < 0 else part) + start)
            return tuple(parts)
        return key

    def __getitem__(self, key: Any) -> Any:
        return self._owner[self._parent(key)]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._owner[self._parent(key)] = value
