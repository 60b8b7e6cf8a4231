"""The faint outskirts of a PSF: the light beyond its image, and the light in it that is not the star's."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from skysift.psf import Psf

__all__ = ["Wings", "light_beyond_stamp", "measure_wings"]

SEEING_SLOPE = 11.0 / 3.0
"""Surface brightness of a seeing disk falls as r**(-11/3) far out (Roddier 1981, Prog. Opt. 19, 281)."""

_FWHM_OF_SIGMA = 2.19
"""Full width at half maximum of a seeing disk over the radius of its adaptive moments."""
_RINGS = (2.2, 3.2, 4.2)
"""Edges of two rings of the wing, full widths at half maximum."""
_ALIKE = 0.12
"""Most that the wing may differ between the two rings from that of a seeing disk, for it to count as one."""
_MOST = 0.03


@dataclass(frozen=True)
class Wings:
    """The outskirts of a PSF image.

    Attributes
    ----------
    pedestal
        Level of the image, per pixel, that is no wing: sky, and the light of faint sources around the stars.
    beyond
        Light outside the image over all light.
    """

    pedestal: float
    beyond: float


def _seeing_disk(fwhm: float, size: int) -> NDArray[np.float64]:
    """Image of the seeing disk of Kolmogorov turbulence, (size, size) with size even, of unit sum, centred on element size / 2 (Fried 1966)."""
    fy, fx = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :]
    transfer = np.exp(-3.44 * (np.hypot(fx, fy) * fwhm / 0.976) ** (5.0 / 3.0)) * np.sinc(fx) * np.sinc(fy)
    return np.fft.fftshift(np.fft.irfft2(transfer, s=(size, size)))


def measure_wings(kernel: NDArray[np.float64], sigma: float) -> Wings:
    """Compare the outskirts of a PSF image with those of a seeing disk.

    Parameters
    ----------
    kernel
        (k, k) PSF, k odd, centred, of unit sum.
    sigma
        Its width by adaptive moments, pixels.

    Returns
    -------
    wings
        Where the wing falls like that of a seeing disk: the pedestal on which it stands, and the light beyond the image by the seeing disk.
        Elsewhere no pedestal, and the light of a power law of the seeing disk's slope that continues the outer third of the image.
    """
    half = kernel.shape[0] // 2
    if half < 4 or not (math.isfinite(sigma) and sigma > 0):
        return Wings(0.0, 0.0)
    size = 16 * half
    middle = size // 2
    axis = np.arange(-half, half + 1)
    r = np.hypot(axis[:, None], axis[None, :])
    fwhm = _FWHM_OF_SIGMA * sigma
    disk = _seeing_disk(fwhm, size)
    inside = disk[middle - half : middle + half + 1, middle - half : middle + half + 1]
    inner, outer = ((r >= low * fwhm) & (r < high * fwhm) for low, high in itertools.pairwise(_RINGS))
    if _RINGS[-1] * fwhm <= math.hypot(half, half):
        near, far = kernel[inner].sum() / inside[inner].sum(), kernel[outer].sum() / inside[outer].sum()
        if near > 0 and abs(far / near - 1.0) < _ALIKE:
            wing = r >= _RINGS[0] * fwhm
            design = np.stack([inside[wing], np.ones(np.count_nonzero(wing))], axis=1)
            amplitude, pedestal = np.linalg.lstsq(design, kernel[wing], rcond=None)[0]
            total = 1.0 - pedestal * kernel.size
            return Wings(float(pedestal), _fraction(amplitude * (1.0 - inside.sum()) / total))
    ring = (r >= 0.7 * half) & (r <= half)
    amplitude = kernel[ring].sum() / (r[ring] ** -SEEING_SLOPE).sum()
    axis = np.arange(-6 * half, 6 * half + 1)
    r = np.hypot(axis[:, None], axis[None, :])
    outside = (np.maximum(np.abs(axis)[:, None], np.abs(axis)[None, :]) > half) & (r <= 6 * half)
    far_out = 2.0 * math.pi * (6.0 * half) ** (2.0 - SEEING_SLOPE) / (SEEING_SLOPE - 2.0)
    return Wings(0.0, _fraction(amplitude * ((r[outside] ** -SEEING_SLOPE).sum() + far_out)))


def _fraction(beyond: float) -> float:
    """Light beyond the image, over the light in it, as a fraction of all light within what is credible."""
    return float(np.clip(beyond / (1.0 + beyond), 0.0, _MOST)) if math.isfinite(beyond) and beyond > -1.0 else 0.0


def light_beyond_stamp(psf: Psf) -> float:
    """Estimate the fraction of a point source's light outside the PSF image, which is normalised to one as if there were none.

    Parameters
    ----------
    psf
        The PSF.

    Returns
    -------
    fraction
        Of the total light, between 0 and 0.03; 0 where the PSF image has no positive wing.
    """
    return measure_wings(np.asarray(psf.kernel_image().array, np.float64), float(psf.sigma())).beyond
