"""A plane of pixel values."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from skysift.errors import InputError
from skysift.image.plane import Plane

__all__ = ["Image"]


class Image(Plane):
    """Pixel values at PARENT positions.

    ``image[box]`` and ``image[x0:x1, y0:y1]`` are views, ``image[x, y]`` is a value, all in PARENT coordinates; ``image.local[...]`` counts from
    the first pixel. Arithmetic takes numbers, arrays, images of the same shape and bounded fields; the result keeps the pixel type.

    Parameters
    ----------
    array
        Array (height, width) of any numeric type. It is kept, not copied.
    xy0
        PARENT position of the element ``[0, 0]``.
    unit
        Unit of the pixels as a string, such as ``"adu"`` or ``"nJy"``; empty if unknown.
    """

    __slots__ = ("unit",)

    def __init__(self, array: Any, xy0: Sequence[float] = (0, 0), *, unit: str = "") -> None:
        super().__init__(array, xy0)
        self.unit = str(unit)

    @classmethod
    def zeros(cls, bbox: Any, dtype: Any = np.float32, *, unit: str = "") -> Image:
        """Image of zeros over a box."""
        return cls(np.zeros(bbox.shape, dtype=dtype), bbox.min, unit=unit)

    def _like(self, array: np.ndarray, xy0: Sequence[float]) -> Self:
        return type(self)(array, xy0, unit=self.unit)

    def _operand(self, value: Any) -> Any:
        if hasattr(value, "evaluate"):
            value = value.image(self.bbox)
        if isinstance(value, Plane):
            if value.shape != self.shape:
                raise InputError(f"images of {self.shape} and {value.shape} pixels cannot be combined; the shapes must agree")
            return value.array
        return value

    def _combined(self, other: Any, function: Callable[[Any, Any], Any]) -> Self:
        result = function(self.array, self._operand(other))
        if np.issubdtype(self.array.dtype, np.floating):
            result = result.astype(self.array.dtype, copy=False)
        return self._like(result, self.xy0)

    def _combine_in_place(self, other: Any, function: np.ufunc) -> Self:
        function(self.array, self._operand(other), out=self.array, casting="same_kind")
        return self

    def __add__(self, other: Any) -> Self:
        return self._combined(other, operator.add)

    def __sub__(self, other: Any) -> Self:
        return self._combined(other, operator.sub)

    def __mul__(self, other: Any) -> Self:
        return self._combined(other, operator.mul)

    def __truediv__(self, other: Any) -> Self:
        return self._combined(other, _divide)

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: Any) -> Self:
        return self._combined(other, lambda a, b: b - a)

    def __rtruediv__(self, other: Any) -> Self:
        return self._combined(other, lambda a, b: _divide(b, a))

    def __neg__(self) -> Self:
        return self._like(-self.array, self.xy0)

    def __iadd__(self, other: Any) -> Self:
        return self._combine_in_place(other, np.add)

    def __isub__(self, other: Any) -> Self:
        return self._combine_in_place(other, np.subtract)

    def __imul__(self, other: Any) -> Self:
        return self._combine_in_place(other, np.multiply)

    def __itruediv__(self, other: Any) -> Self:
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._combine_in_place(other, np.divide)

    __array_ufunc__ = None

    def scaled_plus(self, factor: float, other: Any) -> Self:
        """Add a multiple of another image in place.

        Parameters
        ----------
        factor
            What to multiply `other` by.
        other
            An image or an array of the same shape.

        Returns
        -------
        Image
            This image.
        """
        self.array += np.asarray(self._operand(other) * factor, dtype=self.array.dtype)
        return self

    def __repr__(self) -> str:
        from skysift.image.describe import describe_image

        return describe_image(self)


def _divide(a: Any, b: Any) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.true_divide(a, b)
