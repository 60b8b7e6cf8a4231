"""Ellipses: second moments, axes, radii and shears."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from skysift.errors import InputError
from skysift.geom.transform import LinearTransform

__all__ = ["Axes", "Quadrupole"]


def _root(value: float, power: float) -> float:
    """Root of a number that ought to be positive; NaN where it is not."""
    return value**power if value >= 0.0 else math.nan


@dataclass(frozen=True, slots=True)
class Quadrupole:
    """An ellipse as second central moments.

    A shape that is no ellipse (negative moments or determinant) can be held; its radii are NaN and `is_valid` is False.

    Parameters
    ----------
    ixx, iyy, ixy
        Second central moments, pixel^2.
    """

    ixx: float
    iyy: float
    ixy: float

    @classmethod
    def from_matrix(cls, matrix: Any) -> Quadrupole:
        """Quadrupole from ``[[ixx, ixy], [ixy, iyy]]``."""
        m = np.asarray(matrix, dtype=np.float64)
        return cls(float(m[0, 0]), float(m[1, 1]), float(m[0, 1]))

    @property
    def matrix(self) -> np.ndarray:
        """``[[ixx, ixy], [ixy, iyy]]``, float64."""
        return np.array([[self.ixx, self.ixy], [self.ixy, self.iyy]])

    @property
    def determinant(self) -> float:
        """``ixx iyy - ixy^2``, pixel^4."""
        return self.ixx * self.iyy - self.ixy * self.ixy

    @property
    def is_valid(self) -> bool:
        """Whether the moments are those of an ellipse: finite, with a determinant that is not negative."""
        return self.ixx >= 0.0 and self.iyy >= 0.0 and 0.0 <= self.determinant < math.inf

    @property
    def determinant_radius(self) -> float:
        """``det^(1/4)``, pixels: the sigma of the circular Gaussian with the same area."""
        return _root(self.determinant, 0.25)

    @property
    def trace_radius(self) -> float:
        """``sqrt((ixx + iyy) / 2)``, pixels."""
        return _root(0.5 * (self.ixx + self.iyy), 0.5)

    @property
    def area(self) -> float:
        """``pi sqrt(det)``, pixel^2."""
        return math.pi * _root(self.determinant, 0.5)

    @property
    def axes(self) -> Axes:
        """The same ellipse as semi-axes and position angle."""
        half_sum, half_diff = 0.5 * (self.ixx + self.iyy), 0.5 * (self.ixx - self.iyy)
        root = math.hypot(half_diff, self.ixy)
        b2 = self.determinant / (half_sum + root) if half_sum + root > 0.0 else half_sum - root
        return Axes(_root(half_sum + root, 0.5), _root(b2, 0.5), 0.5 * math.atan2(2.0 * self.ixy, self.ixx - self.iyy))

    @property
    def distortion(self) -> tuple[float, float]:
        """``(e1, e2) = (ixx - iyy, 2 ixy) / (ixx + iyy)``; ``|e| = (a^2 - b^2) / (a^2 + b^2)``."""
        trace = self.ixx + self.iyy
        if trace == 0.0:
            return math.nan, math.nan
        return (self.ixx - self.iyy) / trace, 2.0 * self.ixy / trace

    @property
    def reduced_shear(self) -> tuple[float, float]:
        """``(g1, g2)`` with ``|g| = (a - b) / (a + b)`` and the phase of the distortion."""
        trace = self.ixx + self.iyy + 2.0 * _root(self.determinant, 0.5)
        if trace == 0.0:
            return math.nan, math.nan
        return (self.ixx - self.iyy) / trace, 2.0 * self.ixy / trace

    @property
    def conformal_shear(self) -> tuple[float, float]:
        """``(eta1, eta2)`` with ``|eta| = ln(a / b)`` and the phase of the distortion."""
        e1, e2 = self.distortion
        e = math.hypot(e1, e2)
        if not e < 1.0:
            return math.nan, math.nan
        scale = math.atanh(e) / e if e > 0.0 else 1.0
        return e1 * scale, e2 * scale

    @property
    def grid_transform(self) -> LinearTransform:
        """The symmetric matrix ``Q^(-1/2)``, which maps the ellipse to the unit circle.

        Raises
        ------
        InputError
            If the ellipse has no area.
        """
        if not (self.is_valid and self.determinant > 0.0):
            raise InputError(f"{self} has no area, so no transform to a circle")
        root = math.sqrt(self.determinant)
        norm = root * math.sqrt(self.ixx + self.iyy + 2.0 * root)
        return LinearTransform(np.array([[self.iyy + root, -self.ixy], [-self.ixy, self.ixx + root]]) / norm)

    def scaled(self, factor: float) -> Quadrupole:
        """The ellipse with both semi-axes multiplied by `factor`."""
        f2 = factor * factor
        return Quadrupole(self.ixx * f2, self.iyy * f2, self.ixy * f2)

    def convolved(self, other: Quadrupole) -> Quadrupole:
        """Moments of the convolution of two profiles: their sum."""
        return Quadrupole(self.ixx + other.ixx, self.iyy + other.iyy, self.ixy + other.ixy)

    def transform(self, linear: LinearTransform) -> Quadrupole:
        """The ellipse after a linear map of the plane: ``A Q A^T``."""
        a = linear.matrix
        return Quadrupole.from_matrix(a @ self.matrix @ a.T)


@dataclass(frozen=True, slots=True)
class Axes:
    """An ellipse as semi-axes and position angle.

    Parameters
    ----------
    a, b
        Semi-major and semi-minor axis, pixels.
    theta
        Angle of the major axis from +x, counter-clockwise, radians.
    """

    a: float
    b: float
    theta: float

    @property
    def quadrupole(self) -> Quadrupole:
        """The same ellipse as second moments."""
        c, s = math.cos(self.theta), math.sin(self.theta)
        a2, b2 = self.a * self.a, self.b * self.b
        return Quadrupole(a2 * c * c + b2 * s * s, a2 * s * s + b2 * c * c, (a2 - b2) * c * s)

    @property
    def determinant_radius(self) -> float:
        """``sqrt(a b)``, pixels."""
        return _root(self.a * self.b, 0.5)

    @property
    def trace_radius(self) -> float:
        """``sqrt((a^2 + b^2) / 2)``, pixels."""
        return math.sqrt(0.5 * (self.a * self.a + self.b * self.b))

    @property
    def area(self) -> float:
        """``pi a b``, pixel^2."""
        return math.pi * self.a * self.b

    def scaled(self, factor: float) -> Axes:
        """The ellipse with both semi-axes multiplied by `factor`."""
        return Axes(self.a * factor, self.b * factor, self.theta)
