"""Coefficients of apertures that are exact for band-limited images, and fluxes with them.

The spectrum of a round aperture is a Bessel function; inside the band of the pixels it is the whole truth about a well sampled image
(Bickerton & Lupton 2013, MNRAS 431, 1275). A shift by part of a pixel is a phase, so that there is no interpolation error.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from skysift.psf.bessel import bessel_j1

if TYPE_CHECKING:
    from skysift.kernels.stamps import Overlay

__all__ = ["aperture_bank", "circle_flux", "coefficient_width", "ellipse_flux", "ellipse_widths", "sinc_coefficients"]

BANK_STEPS = 16
"""Shifts of the bank from 0 to half a pixel, thus 1/32 pixel apart."""

LANES = 16
JINC_STEP = 256.0
LARGEST_AXIS = 64.0
CHUNK_PIXELS = 1 << 20
ELLIPSE_WIDTHS = np.array([15, 21, 25, 27, 35, 45, 55, 63, 75, 81, 105, 125, 135, 165, 175, 189, 225, 245, 275])


def coefficient_width(a: float) -> int:
    """Give the width of the coefficient image for an aperture of semi-major axis `a`: odd, about four times `a`."""
    return 2 * 2 ** max(3, math.ceil(math.log2(max(2.0 * a, 1.0)))) - 1


def _jinc(z: np.ndarray) -> np.ndarray:
    safe = np.where(z == 0, 1.0, z)
    return np.where(z == 0, 0.5, bessel_j1(safe) / safe)


def sinc_coefficients(
    a: float,
    b: float | None = None,
    theta: float = 0.0,
    *,
    inner: float = 0.0,
    dx: float = 0.0,
    dy: float = 0.0,
    width: int | None = None,
) -> np.ndarray:
    """Compute the coefficients of one aperture.

    Parameters
    ----------
    a, b
        Semi-axes, pixels; a circle without b.
    theta
        Position angle of a, radians.
    inner
        Size of the hole as a fraction of the axes.
    dx, dy
        Shift of the centre from the middle pixel.
    width
        Width of the result, odd; `coefficient_width(a)` by default.

    Returns
    -------
    coefficients
        float64 (width, width), centred on the middle element; they sum to the area.
    """
    b = a if b is None else b
    width = coefficient_width(a) if width is None else width
    k = np.fft.fftfreq(width)
    kx, ky = np.meshgrid(k, k)
    z = 2 * math.pi * np.hypot(a * (math.cos(theta) * kx + math.sin(theta) * ky), b * (math.cos(theta) * ky - math.sin(theta) * kx))
    spectrum = 2 * math.pi * a * b * (_jinc(z) - inner**2 * _jinc(inner * z))
    return np.fft.fftshift(np.fft.ifft2(spectrum * np.exp(-2j * math.pi * (kx * dx + ky * dy))).real)


@lru_cache(maxsize=16)
def aperture_bank(radius: float) -> np.ndarray:
    """Compute a circle's coefficients at shifts of 0 to half a pixel on both axes, the y shift first.

    float32 (m, m, k, w): rows are filled up with zeros to a multiple of `LANES`.
    """
    width = coefficient_width(radius)
    k = np.fft.fftfreq(width)
    spectrum = 2 * math.pi * radius**2 * _jinc(2 * math.pi * radius * np.hypot(*np.meshgrid(k, k)))
    shifts = np.exp(-2j * math.pi * np.outer(np.linspace(0.0, 0.5, BANK_STEPS + 1), k))
    bank = np.zeros((BANK_STEPS + 1, BANK_STEPS + 1, width, -(-width // LANES) * LANES), np.float32)
    for j, shift in enumerate(shifts):
        shifted = np.fft.ifft2(spectrum * shift[:, None] * shifts[:, None, :])
        bank[j, :, :, :width] = np.fft.fftshift(shifted.real, axes=(1, 2))
    return bank


def circle_flux(
    view: Overlay, variance: np.ndarray, x: np.ndarray, y: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Measure fluxes in circles of one radius.

    Parameters
    ----------
    view
        The image and n sources.
    variance
        float32 (h, w).
    x, y
        float64 (n,), element coordinates.
    radius
        Pixels.

    Returns
    -------
    flux, error
        float64 (n,).
    clipped
        bool (n,): some coefficients lie off the image.
    """
    from skysift.kernels.sinc import bank_sums

    result, clipped = bank_sums(view, variance, x, y, aperture_bank(float(radius)))
    with np.errstate(invalid="ignore"):
        return result[:, 0], np.sqrt(result[:, 1]), clipped


def ellipse_widths(a: np.ndarray) -> np.ndarray:
    """Give the widths of the coefficient images of `ellipse_flux`: odd, at least `4 a - 1`, products of small primes, whose transforms are fast."""
    return ELLIPSE_WIDTHS[np.searchsorted(ELLIPSE_WIDTHS, 4.0 * a - 1.0)]


@lru_cache(maxsize=1)
def _jinc_table() -> np.ndarray:
    # The farthest point of the band is half a cycle per pixel on both axes.
    return _jinc(np.arange(math.ceil(2 * math.pi * LARGEST_AXIS * math.sqrt(0.5) * JINC_STEP) + 3) / JINC_STEP)


def ellipse_flux(
    view: Overlay, variance: np.ndarray, x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray, theta: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Measure fluxes in ellipses.

    Parameters
    ----------
    view
        The image and n sources.
    variance
        float32 (h, w).
    x, y
        float64 (n,), element coordinates.
    a, b, theta
        float64 (n,): semi-axes, pixels, and position angles of a, radians. `a` of at most `LARGEST_AXIS`; others give NaN.

    Returns
    -------
    flux, error
        float64 (n,).
    clipped
        bool (n,): some coefficients lie off the image.
    """
    from skysift.kernels.sinc import coefficient_sums, ellipse_spectra

    n = len(x)
    height, width = variance.shape
    result = np.full((n, 2), np.nan)
    clipped = np.ones(n, np.bool_)
    with np.errstate(invalid="ignore"):
        near = (x > -LARGEST_AXIS) & (x < width + LARGEST_AXIS) & (y > -LARGEST_AXIS) & (y < height + LARGEST_AXIS)
        usable = np.flatnonzero(near & (b > 0) & (a >= b) & (a <= LARGEST_AXIS) & np.isfinite(theta))
    widths = ellipse_widths(a[usable])
    for size in np.unique(widths).tolist():
        members = usable[widths == size]
        chunk = max(1, CHUNK_PIXELS // size**2)
        for begin in range(0, len(members), chunk):
            rows = members[begin : begin + chunk]
            left, bottom = np.floor(x[rows] + 0.5) - size // 2, np.floor(y[rows] + 0.5) - size // 2
            spectra = np.empty((len(rows), size, size // 2 + 1), np.complex64)
            shape = a[rows], b[rows], theta[rows]
            ellipse_spectra(_jinc_table(), JINC_STEP, x[rows] - left, y[rows] - bottom, *shape, spectra.view(np.float32))
            coefficients = np.fft.irfft2(spectra, s=(size, size), axes=(1, 2))
            coefficient_sums(view, variance, rows, left.astype(np.int64), bottom.astype(np.int64), coefficients, result, clipped)
    with np.errstate(invalid="ignore"):
        return result[:, 0], np.sqrt(result[:, 1]), clipped
