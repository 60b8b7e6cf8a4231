"""Finding the sources of an exposure whose noise may be correlated.

The variance plane tells the noise of single pixels. Where pixels were resampled, their noise is correlated, and the filtered image is noisier
than independent pixels would make it; a threshold in units of that smaller noise lets noise through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from skysift.detection.config import FindSourcesConfig
    from skysift.footprint import FootprintSet
    from skysift.image import Exposure

__all__ = ["correlated_noise", "search"]

_TILE = 192
_TILES = 5
_LEAST_PIXELS = 400
_LEAST_SKY = 0.25
"""Fraction of a tile's pixels that lie below the sky, half of them in an empty tile; crowded tiles tell more of sources than of noise."""
_NOTICEABLE, _INCREDIBLE = 1.25, 4.0
"""Factors between which correlation explains the noise; more is that of sources without number."""
_BAD = ("BAD", "SAT", "NO_DATA", "CR", "EDGE", "INTRP")


def search(exposure: Exposure, config: FindSourcesConfig | None = None) -> tuple[FootprintSet, float]:
    """Find sources above the noise that the filtered image really has.

    Parameters
    ----------
    exposure
        Background-subtracted, with a PSF; not changed.
    config
        How to find; None for the defaults.

    Returns
    -------
    footprints
        As of `skysift.detection.find_sources`.
    factor
        By how much the noise of the filtered image exceeds what the variance says; 1 where it does not, or hardly.
    """
    from skysift.detection import find_sources
    from skysift.image import Exposure, Image, MaskedImage

    factor = correlated_noise(exposure)
    if not _NOTICEABLE < factor < _INCREDIBLE:
        return find_sources(exposure, config), 1.0
    variance = Image(exposure.variance.array * np.float32(factor**2), exposure.xy0)
    return find_sources(Exposure(MaskedImage(exposure.image, exposure.mask, variance), psf=exposure.psf), config), factor


def correlated_noise(exposure: Exposure) -> float:
    """Compare the noise of the filtered image with what the variance says.

    Only pixels below the sky count, which sources do not reach, in tiles spread over the image.

    Parameters
    ----------
    exposure
        Background-subtracted, with a PSF.

    Returns
    -------
    factor
        Median over the tiles; NaN where there is too little to tell.
    """
    from skysift.kernels.convolve import separable_gaussian

    if exposure.psf is None or not exposure.masked_image.has_variance:
        return float("nan")
    sigma = float(exposure.psf.sigma())
    half = max(round(3.5 * sigma), 2)
    bits = np.int32(exposure.mask.bitmask(*_BAD, ignore_missing=True))
    inside = slice(half, -half)
    ratios = []
    for y in _starts(exposure.height):
        for x in _starts(exposure.width):
            tile = np.s_[y : y + _TILE, x : x + _TILE]
            image, variance = (np.ascontiguousarray(plane.array[tile], np.float32) for plane in (exposure.image, exposure.variance))
            bad = (exposure.mask.array[tile] & bits) != 0
            image = np.where(bad, np.float32(np.nan), image)
            if min(image.shape) <= 2 * half:
                continue
            image, variance, _ = separable_gaussian(image, variance, None, sigma, half)
            with np.errstate(invalid="ignore", divide="ignore"):
                ratio = image[inside, inside] / np.sqrt(variance[inside, inside])
                below = ratio[ratio < 0]
            if below.size >= max(_LEAST_PIXELS, _LEAST_SKY * np.count_nonzero(np.isfinite(ratio))):
                ratios.append(float(np.median(below)) / -0.674489750196082)
    return float(np.median(ratios)) if ratios else float("nan")


def _starts(size: int) -> list[int]:
    """First pixels of at most `_TILES` tiles spread evenly over `size` pixels."""
    count = min(max(size // _TILE, 1), _TILES)
    return [round(k * max(size - _TILE, 0) / max(count - 1, 1)) for k in range(count)]
