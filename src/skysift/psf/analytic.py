"""Constant PSFs given by a formula."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.errors import InputError
from skysift.psf.base import checked_size
from skysift.psf.linear import KernelPsf

__all__ = ["DoubleGaussianPsf", "GaussianPsf"]


def _check_sigma(sigma: float) -> float:
    if not (math.isfinite(sigma) and sigma > 0):
        raise InputError(f"a Gaussian PSF needs a positive sigma, not {sigma}")
    return float(sigma)


def _gaussian(size: int, sigma: float) -> NDArray[np.float64]:
    """Circular Gaussian of unit peak on (size, size) pixels."""
    offset = np.arange(checked_size(size)) - size // 2
    profile = np.exp(-0.5 * (offset / sigma) ** 2)
    return np.outer(profile, profile)


class GaussianPsf(KernelPsf):
    """A circular Gaussian (LSST `GaussianPsf`): its shape and aperture fluxes are exact, not measured.

    Parameters
    ----------
    size
        Odd size of the kernel image, pixels.
    sigma
        Standard deviation, positive, pixels.
    """

    def __init__(self, size: int, sigma: float) -> None:
        self._sigma = _check_sigma(sigma)
        super().__init__(_gaussian(size, self._sigma))

    @property
    def exact_sigma(self) -> float:
        """The sigma it was made with, pixels."""
        return self._sigma

    def shapes(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Give ``sigma², sigma², 0`` for each of (n,) positions, pixels²."""
        n = len(self._positions(x, y)[0])
        return np.tile([self._sigma**2, self._sigma**2, 0.0], (n, 1))

    def aperture_flux(self, radius: float, x: float | None = None, y: float | None = None) -> float:
        """Give ``1 - exp(-r² / 2 sigma²)``, the flux inside a circle of a radius in pixels."""
        if not (math.isfinite(radius) and radius > 0):
            raise InputError(f"an aperture needs a positive radius, not {radius}")
        return -math.expm1(-0.5 * (radius / self._sigma) ** 2)

    def resized(self, size: int) -> GaussianPsf:
        """Give the same Gaussian on another size."""
        return GaussianPsf(size, self._sigma)

    def __repr__(self) -> str:
        return f"GaussianPsf({self._size}, {self._sigma:g})"


class DoubleGaussianPsf(KernelPsf):
    """The sum of two circular Gaussians (LSST `DoubleGaussianPsf`).

    Parameters
    ----------
    size
        Odd size of the kernel image, pixels.
    sigma1, sigma2
        Standard deviations, positive, pixels.
    b
        Ratio of the central amplitudes, second to first.
    """

    def __init__(self, size: int, sigma1: float, sigma2: float = 1.0, b: float = 0.0) -> None:
        self.sigma1 = _check_sigma(sigma1)
        self.sigma2 = 1.0 if b == 0 and sigma2 == 0 else _check_sigma(sigma2)
        self.b = float(b)
        super().__init__(_gaussian(size, self.sigma1) + self.b * _gaussian(size, self.sigma2))

    def resized(self, size: int) -> DoubleGaussianPsf:
        """Give the same profile on another size."""
        return DoubleGaussianPsf(size, self.sigma1, self.sigma2, self.b)

    def __repr__(self) -> str:
        return f"DoubleGaussianPsf({self._size}, {self.sigma1:g}, {self.sigma2:g}, {self.b:g})"
