"""Points (positions) and extents (differences of positions) in the plane."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar, Self

from skysift.errors import InputError

__all__ = ["Extent2D", "Extent2I", "Point2D", "Point2I", "round_half_up"]


def round_half_up(value: float) -> int:
    """Index of the pixel that a coordinate falls in.

    Parameters
    ----------
    value
        A coordinate in pixels; pixel centres are at integers.

    Returns
    -------
    int
        ``floor(value + 0.5)``.

    Raises
    ------
    InputError
        If `value` is NaN or infinite.
    """
    if not math.isfinite(value):
        raise InputError(f"coordinate {value} is not finite, so it has no pixel index")
    return math.floor(value + 0.5)


class _Pair(tuple):
    """Two numbers with names: the common ground of points and extents, a tuple in every other respect."""

    __slots__ = ()
    _integer: ClassVar[bool] = False

    def __new__(cls, x: Any = 0, y: Any = None) -> Self:
        if y is None:
            x, y = x if isinstance(x, Iterable) else (x, x)
        if cls._integer:
            if type(x) is not int:
                x = round_half_up(x)
            if type(y) is not int:
                y = round_half_up(y)
            return tuple.__new__(cls, (x, y))
        return tuple.__new__(cls, (float(x), float(y)))

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self)

    @property
    def x(self) -> Any:
        """The first coordinate (column)."""
        return self[0]

    @property
    def y(self) -> Any:
        """The second coordinate (row)."""
        return self[1]

    def __neg__(self) -> Self:
        return type(self)(-self[0], -self[1])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self[0]}, {self[1]})"


def _kind(name: str, left: tuple, right: tuple) -> type:
    """Type of the sum of two pairs: integer only where both are; plain tuples count as integers if their members are."""
    integer = all(isinstance(v, int) for v in (*left, *right))
    return globals()[f"{name}2{'I' if integer else 'D'}"]


class _Extent(_Pair):
    __slots__ = ()

    def __add__(self, other: Any) -> Any:
        if isinstance(other, _Point):
            return other + self
        return _kind("Extent", self, other)(self[0] + other[0], self[1] + other[1])

    def __sub__(self, other: Any) -> Any:
        return _kind("Extent", self, other)(self[0] - other[0], self[1] - other[1])

    def __mul__(self, factor: Any) -> Any:
        return _kind("Extent", self, (factor,))(self[0] * factor, self[1] * factor)

    __rmul__ = __mul__

    def __truediv__(self, factor: Any) -> Extent2D:
        return Extent2D(self[0] / factor, self[1] / factor)

    @property
    def norm(self) -> float:
        """Length, in pixels."""
        return math.hypot(self[0], self[1])


class _Point(_Pair):
    __slots__ = ()

    def __add__(self, other: Any) -> Any:
        if isinstance(other, _Point):
            raise TypeError("two points cannot be added; add an extent to a point")
        return _kind("Point", self, other)(self[0] + other[0], self[1] + other[1])

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        name = "Extent" if isinstance(other, _Point) else "Point"
        return _kind(name, self, other)(self[0] - other[0], self[1] - other[1])

    def __mul__(self, factor: Any) -> Any:
        return _kind("Point", self, (factor,))(self[0] * factor, self[1] * factor)

    __rmul__ = __mul__

    def distance_to(self, other: tuple) -> float:
        """Distance to another point, in pixels."""
        return math.hypot(self[0] - other[0], self[1] - other[1])


class Extent2I(_Extent):
    """An integer difference of positions, or the size of a box.

    Parameters
    ----------
    x, y
        The members; `x` alone may be a pair. Floats are rounded half up.
    """

    __slots__ = ()
    _integer = True


class Extent2D(_Extent):
    """A difference of positions.

    Parameters
    ----------
    x, y
        The members, in pixels; `x` alone may be a pair.
    """

    __slots__ = ()


class Point2I(_Point):
    """The index of a pixel.

    Parameters
    ----------
    x, y
        Column and row, in PARENT coordinates; `x` alone may be a pair, such as a `Point2D`. Floats are rounded half up.
    """

    __slots__ = ()
    _integer = True


class Point2D(_Point):
    """A position: 0-based, pixel centres at integers.

    Parameters
    ----------
    x, y
        Column and row, in PARENT pixels; `x` alone may be a pair.
    """

    __slots__ = ()
