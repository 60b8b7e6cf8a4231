"""Linear and affine maps of the plane."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from skysift.errors import InputError
from skysift.geom.point import Extent2D, Point2D

__all__ = ["AffineTransform", "LinearTransform"]


class LinearTransform:
    """A 2x2 matrix acting on ``(x, y)``.

    Parameters
    ----------
    matrix
        Array (2, 2) float64; the identity by default.
    """

    __slots__ = ("matrix",)

    def __init__(self, matrix: Any = ((1.0, 0.0), (0.0, 1.0))) -> None:
        array = np.array(matrix, dtype=np.float64)
        if array.shape != (2, 2):
            raise InputError(f"a linear transform is a 2 x 2 matrix, not an array of shape {array.shape}")
        array.flags.writeable = False
        self.matrix = array

    @classmethod
    def scaling(cls, x: float, y: float | None = None) -> LinearTransform:
        """Scaling by `x`, or by `x` and `y` along the axes."""
        return cls([[x, 0.0], [0.0, x if y is None else y]])

    @classmethod
    def rotation(cls, angle: float) -> LinearTransform:
        """Counter-clockwise rotation by `angle` radians."""
        c, s = math.cos(angle), math.sin(angle)
        return cls([[c, -s], [s, c]])

    @property
    def determinant(self) -> float:
        """Signed ratio of areas."""
        m = self.matrix
        return float(m[0, 0] * m[1, 1] - m[0, 1] * m[1, 0])

    def inverted(self) -> LinearTransform:
        """The inverse.

        Raises
        ------
        InputError
            If the matrix is singular or not finite.
        """
        det = self.determinant
        if det == 0.0 or not math.isfinite(det):
            raise InputError(f"matrix {self.matrix.tolist()} has no inverse")
        (a, b), (c, d) = self.matrix
        return LinearTransform(np.array([[d, -b], [-c, a]]) / det)

    def __call__(self, x: Any, y: Any = None) -> Any:
        """Apply to one pair (``transform(point)``, giving an `Extent2D`) or to arrays (``transform(x, y)``, giving two arrays)."""
        (a, b), (c, d) = self.matrix
        if y is None:
            u, v = x
            return Extent2D(a * u + b * v, c * u + d * v)
        x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        return a * x + b * y, c * x + d * y

    def __matmul__(self, other: LinearTransform) -> LinearTransform:
        return LinearTransform(self.matrix @ other.matrix)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LinearTransform) and bool(np.array_equal(self.matrix, other.matrix))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"LinearTransform({self.matrix.tolist()})"


class AffineTransform:
    """A linear map followed by a shift.

    Parameters
    ----------
    linear
        The linear part, or its (2, 2) matrix.
    translation
        The shift, in the units of the result.
    """

    __slots__ = ("linear", "translation")

    def __init__(self, linear: LinearTransform | Any = None, translation: Sequence[float] = (0.0, 0.0)) -> None:
        self.linear = linear if isinstance(linear, LinearTransform) else LinearTransform() if linear is None else LinearTransform(linear)
        self.translation = Extent2D(translation)

    def inverted(self) -> AffineTransform:
        """The inverse; `InputError` if the linear part is singular."""
        inverse = self.linear.inverted()
        return AffineTransform(inverse, -inverse(self.translation))

    def __call__(self, x: Any, y: Any = None) -> Any:
        """Apply to one position (giving a `Point2D`) or to arrays of x and y (giving two arrays)."""
        if y is None:
            u, v = self.linear(x)
            return Point2D(u + self.translation[0], v + self.translation[1])
        u, v = self.linear(x, y)
        return u + self.translation[0], v + self.translation[1]

    def __matmul__(self, other: AffineTransform) -> AffineTransform:
        return AffineTransform(self.linear @ other.linear, self(other.translation))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AffineTransform) and self.linear == other.linear and self.translation == other.translation

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"AffineTransform({self.linear.matrix.tolist()}, {tuple(self.translation)})"
