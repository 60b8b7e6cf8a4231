"""A first guess of the seeing, before anything is known of the image."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from skysift.image import MaskedImage

__all__ = ["estimate_seeing"]

_HALF = 15
_TRIALS = ((1.0, (100.0, 30.0, 10.0)), (2.5, (7.0,)))
"""Smoothing (pixels) and thresholds (sigmas) by which sources are looked for, from sharp and bright to blurred and faint."""
_ENOUGH = 60
_MANY = 20
_FEWEST = 3
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

    image = np.ascontiguousarray(masked_image.image.array, np.float32)
    if min(image.shape) < 2 * _HALF + 1 or not noise > 0:
        return default
    bits = masked_image.mask.bitmask(*_BAD, ignore_missing=True)
    bad = (masked_image.mask.array & bits) != 0
    clean = np.where(bad, np.float32(0), np.nan_to_num(image))
    for smoothing, thresholds in _TRIALS:
        smoothed = separable_gaussian(clean, None, None, smoothing, math.ceil(3 * smoothing))[0]
        for threshold in thresholds:
            x, y = local_maxima(smoothed, threshold * noise / (2.0 * math.sqrt(math.pi) * smoothing), _HALF)
            if x.size >= _ENOUGH:
                break
        brightest = np.argsort(-smoothed[y, x], kind="stable")[:most]
        sizes = _sizes(image, bad, x[brightest], y[brightest])
        if sizes.size >= _MANY:
            return _half_sample_mode(sizes)
        if sizes.size >= _FEWEST:
            # The most common of few sizes may be that of a galaxy; stars are still among the smallest.
            return float(np.quantile(sizes, 0.25))
    return default


def _sizes(image: np.ndarray, bad: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Sorted determinant radii of the sources at some pixels."""
    from skysift.kernels.psf import measure_shapes

    g = np.arange(-_HALF, _HALF + 1)
    cut = (y[:, None] + g)[:, :, None], (x[:, None] + g)[:, None, :]
    core = np.arange(_HALF - 3, _HALF + 4)
    usable = ~bad[cut][:, core][:, :, core].any(axis=(1, 2)) & np.isfinite(image[cut]).all(axis=(1, 2))
    stamps = image[cut][usable]
    shapes = np.full((len(stamps), 3), np.nan)
    if len(stamps):
        measure_shapes(stamps, shapes)
    # The moments are about the middle of the brightest pixel, on average 1/12 pixel^2 from the centre of the star in each direction.
    ixx, iyy = shapes[:, 0] - 1.0 / 12.0, shapes[:, 1] - 1.0 / 12.0
    with np.errstate(invalid="ignore"):
        sigma = np.where(ixx > 0, ixx * iyy - shapes[:, 2] ** 2, np.nan) ** 0.25
    return np.sort(sigma[(sigma > 0.4) & (sigma < 0.5 * _HALF)])


def _half_sample_mode(values: np.ndarray) -> float:
    """Mode of sorted values: the narrowest half, again and again (Bickel & Fruehwirth 2006, CSDA 50, 3500), in the logarithm."""
    values = np.log(values)
    while values.size > 5:
        half = (values.size + 1) // 2
        start = int(np.argmin(values[half - 1 :] - values[: values.size - half + 1]))
        values = values[start : start + half]
    return float(np.exp(np.median(values)))
