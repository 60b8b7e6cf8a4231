"""Pixels with flags and variances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from skysift.errors import InputError
from skysift.geom import Box2I, Extent2I, Point2I
from skysift.image.image import Image
from skysift.image.mask import Mask
from skysift.image.plane import LocalView, locate

__all__ = ["MaskedImage"]


class MaskedImage:
    """An image, its mask and its variance, over one box.

    Arithmetic with a masked image propagates the variance and or-s the masks; with a number or a plain image, which have no variance, it scales the
    variance where it scales the image.

    Parameters
    ----------
    image
        An `Image`.
    mask
        A `Mask`; by default nothing is flagged.
    variance
        An `Image` of variances, in the square of the image's unit; by default NaN everywhere, which means not known.

    Raises
    ------
    InputError
        If the shapes differ.
    """

    __slots__ = ("_image", "_mask", "_variance")

    def __init__(self, image: Image, mask: Mask | None = None, variance: Image | None = None) -> None:
        self._image = image if isinstance(image, Image) else Image(image)
        xy0 = self._image.xy0
        self._mask: Mask
        self._variance: Image
        self.mask = Mask(np.zeros(self.shape, dtype=np.int32), xy0) if mask is None else mask
        self.variance = Image(np.full(self.shape, np.nan, dtype=np.float32), xy0) if variance is None else variance

    @property
    def image(self) -> Image:
        """The pixel values."""
        return self._image

    @image.setter
    def image(self, value: Image) -> None:
        self._image = self._checked(value, "image")

    @property
    def mask(self) -> Mask:
        """The flags."""
        return self._mask

    @mask.setter
    def mask(self, value: Mask) -> None:
        self._mask = self._checked(value, "mask")

    @property
    def variance(self) -> Image:
        """The variances, in the square of the image's unit."""
        return self._variance

    @variance.setter
    def variance(self, value: Image) -> None:
        self._variance = self._checked(value, "variance")

    def _checked(self, value: Any, name: str) -> Any:
        plane = value if isinstance(value, (Image, Mask)) else Mask(value, self.xy0) if name == "mask" else Image(value, self.xy0)
        if plane.shape != self.shape:
            raise InputError(f"the {name} has {plane.shape} pixels where the image has {self.shape}")
        if plane.xy0 != self.xy0:
            raise InputError(f"the {name} begins at {tuple(plane.xy0)} where the image begins at {tuple(self.xy0)}")
        return plane

    @property
    def has_variance(self) -> bool:
        """Whether any variance is known, that is finite."""
        return any(bool(np.isfinite(self._variance.array[y : y + 64]).any()) for y in range(0, self.shape[0], 64))

    @property
    def xy0(self) -> Point2I:
        """PARENT position of the first pixel; setting it moves all three planes."""
        return self._image.xy0

    @xy0.setter
    def xy0(self, value: Sequence[float]) -> None:
        for plane in (self._image, self._mask, self._variance):
            plane.xy0 = value

    @property
    def bbox(self) -> Box2I:
        """The pixels covered, PARENT."""
        return self._image.bbox

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)``."""
        return self._image.shape

    @property
    def width(self) -> int:
        """Number of columns."""
        return self._image.width

    @property
    def height(self) -> int:
        """Number of rows."""
        return self._image.height

    @property
    def dimensions(self) -> Extent2I:
        """``(width, height)``."""
        return self._image.dimensions

    @property
    def local(self) -> LocalView:
        """Subscripts that count from the first pixel."""
        return LocalView(self)

    def copy(self) -> Self:
        """Deep copy."""
        return type(self)(self._image.copy(), self._mask.copy(), self._variance.copy())

    def __getitem__(self, key: Any) -> Any:
        where = locate(self.bbox, self.xy0, key)
        if isinstance(where, Box2I):
            return type(self)(self._image[where], self._mask[where], self._variance[where])
        return self._image[where], self._mask[where], self._variance[where]

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(value, MaskedImage):
            self._image[key] = value._image
            self._mask[key] = value._mask
            self._variance[key] = value._variance
        else:
            self._image[key] = value

    __iter__ = None  # type: ignore[assignment]
    __array_ufunc__ = None

    def __iadd__(self, other: Any) -> Self:
        return self.scaled_plus(1.0, other)

    def __isub__(self, other: Any) -> Self:
        return self.scaled_plus(-1.0, other)

    def scaled_plus(self, factor: float, other: Any) -> Self:
        """Add a multiple of another masked image (variances and masks too), image, array or number in place.

        Parameters
        ----------
        factor
            What to multiply `other` by.
        other
            A masked image, image, array or number.

        Returns
        -------
        MaskedImage
            This one.
        """
        if isinstance(other, MaskedImage):
            self._image.scaled_plus(factor, other._image)
            self._variance.scaled_plus(factor * factor, other._variance)
            self._mask |= other._mask
        else:
            self._image.scaled_plus(factor, other)
        return self

    def __imul__(self, other: Any) -> Self:
        if isinstance(other, MaskedImage):
            a, b = self._image.array, other._image.array
            self._variance.array[...] = b * b * self._variance.array + a * a * other._variance.array
            self._mask |= other._mask
            other = other._image
        else:
            other = self._image._operand(other)
            self._variance *= np.square(other)
        self._image *= other
        return self

    def __itruediv__(self, other: Any) -> Self:
        with np.errstate(divide="ignore", invalid="ignore"):
            if isinstance(other, MaskedImage):
                a, b = self._image.array, other._image.array
                ratio = a / b
                self._variance.array[...] = (self._variance.array + ratio * ratio * other._variance.array) / (b * b)
                self._mask |= other._mask
                other = other._image
            else:
                other = self._image._operand(other)
                self._variance /= np.square(other)
            self._image /= other
        return self

    def __add__(self, other: Any) -> Self:
        result = self.copy()
        result += other
        return result

    def __sub__(self, other: Any) -> Self:
        result = self.copy()
        result -= other
        return result

    def __mul__(self, other: Any) -> Self:
        result = self.copy()
        result *= other
        return result

    def __truediv__(self, other: Any) -> Self:
        result = self.copy()
        result /= other
        return result

    __radd__ = __add__
    __rmul__ = __mul__

    def __repr__(self) -> str:
        from skysift.image.describe import describe_masked_image

        return describe_masked_image(self)
