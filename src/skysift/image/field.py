"""Smooth functions of position over a box, and the aperture corrections made of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.polynomial.chebyshev import chebval2d, chebvander

from skysift.errors import InputError
from skysift.geom import Box2D, Box2I
from skysift.image.image import Image

__all__ = ["ApCorrMap", "BoundedField", "ChebyshevField", "ProductField"]


class BoundedField(ABC):
    """A function of position that is meant for a box; beyond it the function continues.

    Parameters
    ----------
    bbox
        The box, PARENT.
    """

    def __init__(self, bbox: Box2I) -> None:
        self.bbox = bbox

    @abstractmethod
    def evaluate(self, x: Any, y: Any) -> Any:
        """Values at positions.

        Parameters
        ----------
        x, y
            PARENT pixels, numbers or arrays.

        Returns
        -------
        float or numpy.ndarray
            float64, of the broadcast shape.
        """

    @abstractmethod
    def __mul__(self, factor: float) -> BoundedField: ...

    def __rmul__(self, factor: float) -> BoundedField:
        return self * factor

    def __truediv__(self, factor: float) -> BoundedField:
        return self * (1.0 / factor)

    def grid(self, bbox: Box2I) -> np.ndarray:
        """Values at the pixels of a box, float64 (height, width)."""
        x = np.arange(bbox.min_x, bbox.end_x, dtype=np.float64)
        y = np.arange(bbox.min_y, bbox.end_y, dtype=np.float64)
        return self.evaluate(x[np.newaxis, :], y[:, np.newaxis])

    def mean(self) -> float:
        """Mean over the box; by default that over its pixels."""
        return float(self.grid(self.bbox).mean()) if not self.bbox.is_empty else float("nan")

    def integrate(self) -> float:
        """Integral over the box, pixel^2 times the field's unit."""
        return self.mean() * self.bbox.area

    def image(self, bbox: Box2I | None = None) -> Image:
        """The field as an image, float32.

        Parameters
        ----------
        bbox
            PARENT; by default the field's own box.
        """
        box = self.bbox if bbox is None else bbox
        return Image(self.grid(box).astype(np.float32), box.min)


class ChebyshevField(BoundedField):
    """A sum of products of Chebyshev polynomials (LSST ``ChebyshevBoundedField``).

    Parameters
    ----------
    bbox
        The box, whose outer edges are -1 and 1 for the polynomials.
    coefficients
        float64 (ny, nx): ``coefficients[i, j]`` multiplies ``T_i(y) T_j(x)``.

    Raises
    ------
    InputError
        If the box is empty or the coefficients are not a matrix.
    """

    def __init__(self, bbox: Box2I, coefficients: Any) -> None:
        super().__init__(bbox)
        self.coefficients = np.array(coefficients, dtype=np.float64)
        if bbox.is_empty:
            raise InputError("a Chebyshev field needs a box that is not empty")
        if self.coefficients.ndim != 2 or self.coefficients.size == 0:
            raise InputError(f"the coefficients of a Chebyshev field are a matrix, not an array of shape {self.coefficients.shape}")

    @classmethod
    def constant(cls, bbox: Box2I, value: float) -> ChebyshevField:
        """A field with the same value everywhere."""
        return cls(bbox, [[value]])

    @staticmethod
    def _scaled(bbox: Box2I, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """Positions in units of half the box, from its centre."""
        box = Box2D(bbox)
        cx, cy = box.center
        return 2.0 * (np.asarray(x, dtype=np.float64) - cx) / box.width, 2.0 * (np.asarray(y, dtype=np.float64) - cy) / box.height

    def evaluate(self, x: Any, y: Any) -> Any:
        """See `BoundedField.evaluate`."""
        u, v = np.broadcast_arrays(*self._scaled(self.bbox, x, y))
        return chebval2d(v, u, self.coefficients)

    def grid(self, bbox: Box2I) -> np.ndarray:
        """See `BoundedField.grid`."""
        u, v = self._scaled(bbox=self.bbox, x=np.arange(bbox.min_x, bbox.end_x), y=np.arange(bbox.min_y, bbox.end_y))
        ny, nx = self.coefficients.shape
        return chebvander(v, ny - 1) @ self.coefficients @ chebvander(u, nx - 1).T

    def mean(self) -> float:
        """Mean over the box, exact: even orders average to ``1 / (1 - n^2)``, odd ones to nothing."""
        weights = [np.array([0.0 if n % 2 else 1.0 / (1.0 - n * n) for n in range(size)]) for size in self.coefficients.shape]
        return float(weights[0] @ self.coefficients @ weights[1])

    def __mul__(self, factor: float) -> ChebyshevField:
        return ChebyshevField(self.bbox, self.coefficients * float(factor))

    @classmethod
    def fit(
        cls,
        bbox: Box2I,
        x: Any,
        y: Any,
        z: Any,
        order_x: int = 2,
        order_y: int = 2,
        triangular: bool = True,
        weight: Any = None,
    ) -> ChebyshevField:
        """Fit values by least squares.

        Parameters
        ----------
        bbox
            The box of the field, PARENT.
        x, y, z
            Positions and values, (n,). Those that are not finite are left out.
        order_x, order_y
            Highest order along each axis.
        triangular
            Whether to leave out products whose orders add up to more than the larger of the two.
        weight
            Weights, (n,): each residual is multiplied by its weight before it is squared.

        Returns
        -------
        ChebyshevField
            With coefficients (order_y + 1, order_x + 1). Where the points do not determine them, the smallest ones that fit.

        Raises
        ------
        InputError
            If no point is left.
        """
        x, y, z = (np.asarray(v, dtype=np.float64).ravel() for v in (x, y, z))
        w = np.ones(z.size) if weight is None else np.asarray(weight, dtype=np.float64).ravel()
        good = np.isfinite(x) & np.isfinite(y) & np.isfinite(z) & np.isfinite(w)
        if not good.any():
            raise InputError("there is no finite point to fit a Chebyshev field to")
        u, v = cls._scaled(bbox, x[good], y[good])
        products = chebvander(v, order_y)[:, :, np.newaxis] * chebvander(u, order_x)[:, np.newaxis, :]
        i, j = np.indices((order_y + 1, order_x + 1))
        used = (i + j <= max(order_x, order_y)) if triangular else np.ones(i.shape, dtype=bool)
        design = products[:, used] * w[good, np.newaxis]
        coefficients = np.zeros(used.shape)
        coefficients[used] = np.linalg.lstsq(design, z[good] * w[good], rcond=None)[0]
        return cls(bbox, coefficients)

    @classmethod
    def fit_image(cls, image: Image, order_x: int = 2, order_y: int = 2, triangular: bool = True) -> ChebyshevField:
        """Fit all finite pixels of an image; arguments as in `fit`."""
        y, x = np.mgrid[image.bbox.min_y : image.bbox.end_y, image.bbox.min_x : image.bbox.end_x]
        return cls.fit(image.bbox, x, y, image.array, order_x, order_y, triangular)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ChebyshevField) and self.bbox == other.bbox and np.array_equal(self.coefficients, other.coefficients)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        ny, nx = self.coefficients.shape
        return f"ChebyshevField({self.bbox}, orders {nx - 1} x {ny - 1}, mean {self.mean():.6g})"


class ProductField(BoundedField):
    """A product of fields (LSST ``ProductBoundedField``).

    Parameters
    ----------
    fields
        The factors, at least one; the box is that of the first.
    """

    def __init__(self, fields: Sequence[BoundedField]) -> None:
        if not fields:
            raise InputError("a product needs at least one field")
        super().__init__(fields[0].bbox)
        self.fields = tuple(fields)

    def evaluate(self, x: Any, y: Any) -> Any:
        """See `BoundedField.evaluate`."""
        result = self.fields[0].evaluate(x, y)
        for field in self.fields[1:]:
            result = result * field.evaluate(x, y)
        return result

    def __mul__(self, factor: float) -> ProductField:
        return ProductField([self.fields[0] * factor, *self.fields[1:]])

    def __repr__(self) -> str:
        return f"ProductField({', '.join(map(repr, self.fields))})"


class ApCorrMap(dict[str, BoundedField]):
    """Aperture corrections: ``<flux>_instFlux`` and ``<flux>_instFluxErr`` -> field to multiply the flux by."""

    def scaled(self, factor: float) -> ApCorrMap:
        """The same corrections multiplied by a number."""
        return ApCorrMap({name: field * factor for name, field in self.items()})

    def __copy__(self) -> ApCorrMap:
        return ApCorrMap(self)

    def __repr__(self) -> str:
        return f"ApCorrMap({', '.join(self) or 'empty'})"
