"""A first guess of the seeing, before anything is known of the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from skysift.image import MaskedImage

__all__ = ["estimate_seeing"]

_HALF = 15
_BAD = ("BAD", "SAT", "NO_DATA", "CR", "EDGE")


def estimate_seeing(masked_image: MaskedImage, noise: float, *, most: int = 600, default: float = 1.5) -> float:
    """Width of the stars, from the sizes of the brightest compact sources.

    Stars of all brightnesses share one size, while galaxies, blends and cosmic rays have many: the most common size is that of the stars.

    Parameters
    ----------
    masked_image
        Background-subtracted image.
    noise
        Standard deviation of the sky, counts.
    most
        Number of sources to look at.
    default
        What to answer when there are too few sources to tell, pixels.

    Returns
    -------
    sigma
        Determinant radius, pixels: the standard deviation of a Gaussian of that size.
    """
    from skysift.kernels.convolve import separable_gaussian
    from skysift.kernels.photometry import local_maxima
    from skysift.kernels.psf import measure_shapes

    image = np.ascontiguousarray(masked_image.image.array, np.float32)
    height, width = image.shape
    if min(height, width) < 2 * _HALF + 1 or not noise > 0:
        return default
    bits = masked_image.mask.bitmask(*_BAD, ignore_missing=True)
    bad = (masked_image.mask.array & bits) != 0
    smoothed = separable_gaussian(np.where(bad, np.float32(0), np.nan_to_num(image)), None, None, 1.0, 3)[0]
    # The noise of the smoothed image is 1 / (2 sqrt(pi)) of that of a pixel.
    for threshold in (100.0, 30.0, 10.0):
        x, y = local_maxima(smoothed, threshold * noise * 0.28, _HALF)
        if x.size >= 60:
            break
    if x.size == 0:
        return default
    order = np.argsort(-smoothed[y, x], kind="stable")[:most]
    x, y = x[order], y[order]
    g = np.arange(-_HALF, _HALF + 1)
    cut = (y[:, None] + g)[:, :, None], (x[:, None] + g)[:, None, :]
    core = np.arange(_HALF - 3, _HALF + 4)
    clean = ~bad[cut][:, core][:, :, core].any(axis=(1, 2)) & np.isfinite(image[cut]).all(axis=(1, 2))
    if not clean.any():
        return default
    stamps = image[cut][clean]
    shapes = np.full((len(stamps), 3), np.nan)
    measure_shapes(stamps, shapes)
    # The moments are about the middle of the brightest pixel, on average 1/12 pixel^2 from the centre of the star in each direction.
    ixx, iyy = shapes[:, 0] - 1.0 / 12.0, shapes[:, 1] - 1.0 / 12.0
    with np.errstate(invalid="ignore"):
        sigma = (ixx * iyy - shapes[:, 2] ** 2) ** 0.25
    sigma = np.sort(sigma[np.isfinite(sigma) & (sigma > 0.4) & (sigma < 0.5 * _HALF)])
    return _half_sample_mode(sigma) if sigma.size >= 3 else default


def _half_sample_mode(values: np.ndarray) -> float:
    """Mode of sorted values: the narrowest half, again and again (Bickel & Fruehwirth 2006, CSDA 50, 3500), in the logarithm."""
    values = np.log(values)
    while values.size > 5:
        half = (values.size + 1) // 2
        start = int(np.argmin(values[half - 1 :] - values[: values.size - half + 1]))
        values = values[start : start + half]
    return float(np.exp(np.median(values)))
