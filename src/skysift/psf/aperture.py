"""The flux of a PSF image inside a circle, exact for band-limited images (Bickerton & Lupton 2013)."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from skysift.errors import InputError
from skysift.psf.bessel import bessel_j1

__all__ = ["sinc_flux"]


@lru_cache(maxsize=64)
def _sinc_coefficients(radius: float) -> NDArray[np.float64]:
    """Pixel weights (w, w) of a circle about the middle pixel: the inverse transform of the circle's within the Nyquist square."""
    half = 2 ** max(3, math.ceil(math.log2(2.0 * radius)))
    k = np.fft.fftfreq(2 * half - 1)
    kr = np.hypot(k[:, None], k[None, :])
    kr[0, 0] = 1.0
    transform = radius * bessel_j1(2.0 * np.pi * radius * kr) / kr
    transform[0, 0] = np.pi * radius**2
    return np.fft.fftshift(np.fft.ifft2(transform).real)


def sinc_flux(image: NDArray[np.float64], radius: float) -> float:
    """Sum an image inside a circle about its middle pixel.

    Parameters
    ----------
    image
        (k, k) with k odd; zero outside.
    radius
        Radius of the circle, positive, pixels.

    Returns
    -------
    flux
        The flux inside, in the image's unit.
    """
    if not (math.isfinite(radius) and radius > 0):
        raise InputError(f"an aperture needs a positive radius, not {radius}")
    if radius > 4 * image.shape[0]:
        return float(image.sum())
    weights = _sinc_coefficients(float(radius))
    overlap = min(weights.shape[0], image.shape[0])
    a, b = (weights.shape[0] - overlap) // 2, (image.shape[0] - overlap) // 2
    return float(np.sum(weights[a : a + overlap, a : a + overlap] * image[b : b + overlap, b : b + overlap]))
