"""The sky between the sources, with little bias from the sources that cannot be seen.

The image is averaged in small blocks. Blocks that stand out of the smoothed image are left out, on both sides of the sky alike, so that
noise leaves no bias; each takes its surroundings with it, farther the brighter it is, so that the wings of stars and galaxies go too.
What is left is averaged in cells, the cells are smoothed a little, and all is repeated around the new sky.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from skysift.background.interpolate import add_grid, interpolate_grid
from skysift.background.model import Background, TooManyMaskedPixelsError, cell_edges
from skysift.background.smooth import smooth_to_errors
from skysift.errors import InputError

if TYPE_CHECKING:
    from skysift.background.config import SkyConfig
    from skysift.image import MaskedImage

__all__ = ["estimate_sky"]

_MIN_KEPT = 0.02
"""Fraction of the blocks that must be left for a mask to be used; else its growth is halved, and at last given up."""

_RMS_CLIP = 4.0
_SAMPLES = 20011

_TOLERANCE = 0.1
"""How far the smoothing between iterations may bend cells, in units of the noise of a block: a model that is bent below the sky would take the
sky for a source and never find back to it."""

_STRIDE = 1.4
"""The steps between the first sky and the last go this much farther than they say, for one step alone takes away about half of the sources' light."""

_CROWDED = 0.35
"""With less than this fraction of sky left the estimate is repeated in small blocks, which fit between the stars."""
_SMALL_BLOCK = 2


def _block_size(shape: tuple[int, int], psf_sigma: float | None) -> int:
    """Side of a block: about the width of the PSF, less on small images."""
    wanted = 4 if psf_sigma is None or not math.isfinite(psf_sigma) else min(max(round(2.0 * psf_sigma), 4), 6)
    return max(min(wanted, min(shape) // 64), 1)


def estimate_sky(masked_image: MaskedImage, psf_sigma: float | None = None, config: SkyConfig | None = None) -> Background:
    """Estimate the sky of an image and its noise, between the sources.

    Parameters
    ----------
    masked_image
        The image; not changed. Its variance is not used.
    psf_sigma
        Standard deviation of the PSF, pixels, if known: sets the size of the blocks.
    config
        How to estimate; None means the defaults.

    Returns
    -------
    sky
        The model, with the standard deviation of the sky's pixels as its ``rms_image()``.

    Raises
    ------
    TooManyMaskedPixelsError
        When no pixel is good.
    InputError
        When the image has no pixels.

    Notes
    -----
    Faint sources below the threshold stay in the sky, as they stay in any measurement of it: about 0.001 of the noise of a pixel in an image of
    low density. The growth with brightness follows the wings of a seeing disk (Kolmogorov turbulence, surface brightness ~ r**(-11/3)).
    """
    if config is None:
        from skysift.background.config import SkyConfig

        config = SkyConfig()
    image = np.ascontiguousarray(masked_image.image.array, np.float32)
    mask = np.ascontiguousarray(masked_image.mask.array, np.int32)
    height, width = image.shape
    if image.size == 0:
        raise InputError(f"cannot estimate the sky of an image of {width} x {height} pixels")

    bits = np.int32(masked_image.mask.bitmask(*config.ignoredPixelMask, ignore_missing=True))
    block = _block_size((height, width), psf_sigma)
    cells, errors, rms, kept = _estimate(image, mask, bits, block, config)
    if kept < _CROWDED and block > _SMALL_BLOCK:
        cells, errors, rms, kept = _estimate(image, mask, bits, _SMALL_BLOCK, config)
    return Background(masked_image.image.bbox, cells, errors, rms=rms, style="NATURAL_SPLINE")


def _estimate(
    image: np.ndarray, mask: np.ndarray, bits: np.int32, block: int, config: SkyConfig
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Values, errors and rms of the cells, and the fraction of the blocks that is sky, with blocks of one size."""
    from skysift.kernels.background import tile_statistics
    from skysift.kernels.convolve import separable_gaussian
    from skysift.kernels.sky import bin_image, cell_sums

    height, width = image.shape
    shape = math.ceil(height / block), math.ceil(width / block)
    mean, count, scatter = (np.empty(shape, np.float32) for _ in range(3))
    bin_image(image, mask, bits, *_levels(image, mask, bits), block, mean, count, scatter)
    empty = count == 0
    if empty.all():
        raise TooManyMaskedPixelsError(f"all {width} x {height} pixels are masked or not finite; there is no sky to estimate")
    ny, nx = math.ceil(height / config.cellSize), math.ceil(width / config.cellSize)
    edges_y, edges_x = cell_edges(shape[0], ny), cell_edges(shape[1], nx)
    centres_y, centres_x = (0.5 * (e[1:] + e[:-1]) - 0.5 for e in (edges_y, edges_x))
    grid = centres_y, centres_x, np.arange(shape[0], dtype=np.float64), np.arange(shape[1], dtype=np.float64)

    def statistics(values: np.ndarray, left_out: np.ndarray, nsigma: float = 3.0) -> np.ndarray:
        return tile_statistics(values, left_out.astype(np.int32), np.int32(1), True, edges_y, edges_x, True, True, nsigma, 3)

    raw, errors, block_noise = _start(statistics(mean, empty))
    cells = smooth_to_errors(raw, errors, config.smoothing)
    pixels = np.maximum(cell_sums(mean, count, empty, edges_y, edges_x)[:, :, 0], 1.0)
    root_count = np.sqrt(count)
    residual, excluded = np.empty(shape, np.float32), np.empty(shape, np.bool_)
    for left in reversed(range(config.iterations)):
        residual[...] = mean
        add_grid(residual, -1.0, cells, *grid, "NATURAL_SPLINE")
        smoothed = separable_gaussian(residual * root_count, None, None, 1.0, 3)[0]
        noise = _noise_cells(statistics(smoothed, (smoothed >= 0) | empty)[:, :, 3])
        smoothed /= interpolate_grid(noise, *grid, "LINEAR")
        _exclude(smoothed, empty, config, excluded)
        sums = cell_sums(residual, count, excluded, edges_y, edges_x)
        weight = sums[:, :, 0]
        shift = np.divide(sums[:, :, 1], weight, out=np.zeros_like(weight), where=weight > 0)
        raw = cells + (_STRIDE * shift if left else shift)
        # Cells with little sky left count for less than their noise says: what hides the rest shines into them.
        kept = weight / pixels
        with np.errstate(divide="ignore"):
            errors = block_noise * np.hypot(block / np.sqrt(weight * kept), _TOLERANCE)
        cells = smooth_to_errors(raw, errors, config.smoothing)
    rms = _pixel_rms(statistics(scatter / np.maximum(count, 1) + residual * residual, excluded, _RMS_CLIP))
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = rms / np.sqrt(weight)
        cells = smooth_to_errors(raw, np.maximum(errors, 1e-3 * block_noise) / np.sqrt(kept), config.smoothing)
    # Whatever the fit of a wild image says, its sky is not outside of what was seen.
    cells = np.clip(cells, mean[~empty].min(), mean[~empty].max())
    return cells, errors, rms, 1.0 - np.count_nonzero(excluded & ~empty) / np.count_nonzero(~empty)


def _exclude(significance: np.ndarray, empty: np.ndarray, config: SkyConfig, excluded: np.ndarray) -> None:
    """Find the blocks that are not sky: empty ones, significant ones, and their surroundings as far as enough sky is left."""
    from skysift.kernels.sky import grow_with_brightness

    height, width = empty.shape
    reach = np.empty((height + 2, width + 2), np.float32)
    most = empty.size - _MIN_KEPT * np.count_nonzero(~empty)
    radius = config.growRadius
    while True:
        grow_with_brightness(significance, config.threshold, radius, config.growPower, 0.25 * max(height, width), reach, excluded)
        excluded |= empty
        n = np.count_nonzero(excluded)
        if n <= most or radius == 0.0:
            break
        radius = 0.5 * radius if radius > 0.2 else 0.0
    if n == excluded.size:
        excluded[...] = empty


def _levels(image: np.ndarray, mask: np.ndarray, bits: np.int32) -> tuple[float, float]:
    """From a sample of the pixels, a level far below the sky (what is below it is dead or was never exposed, though it is not masked), and a typical one."""
    stride = max(image.size // _SAMPLES, 1)
    sample = image.ravel()[::stride][(mask.ravel()[::stride] & bits) == 0]
    sample = sample[np.isfinite(sample)]
    if sample.size == 0:
        return -np.inf, 0.0
    middle, high = (float(q) for q in np.quantile(sample, [0.5, 0.75]))
    return middle - 16.0 * (high - middle) if high > middle and sample.size >= 100 else -np.inf, middle


def _start(statistics: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """First values and errors of the cells, and the noise of a block.

    The value is the mode after clipping, estimated as ``2.5 median - 1.5 mean`` where that is below the median. Cells with more scatter than the quiet
    ones hold large sources, and hardly count.
    """
    median, spread, clipped = statistics[:, :, 3], statistics[:, :, 4], statistics[:, :, 5]
    values = np.minimum(median, 2.5 * median - 1.5 * clipped)
    values = np.where(np.isfinite(values), values, median)
    finite = np.isfinite(median)
    spread = 0.741301109252801 * np.where(finite, spread, np.inf)
    quiet = float(np.quantile(spread[finite], 0.25))
    level = float(np.abs(median[finite]).max())
    noise = max(quiet, 1e-6 * level, float(np.finfo(np.float32).tiny))
    scale = np.where(spread <= 1.2 * noise, 1.0, 30.0)
    with np.errstate(divide="ignore"):
        errors = np.where(finite, noise * scale * np.hypot(2.0 / np.sqrt(statistics[:, :, 0]), _TOLERANCE), np.inf)
    return values, errors, noise


def _noise_cells(median_below: np.ndarray) -> np.ndarray:
    """Noise of the smoothed blocks from the median of those below the sky, over three by three cells by their median."""
    noise = median_below / -0.674489750196082
    good = np.isfinite(noise) & (noise > 0)
    typical = float(np.median(noise[good])) if good.any() else 1.0
    padded = np.pad(np.where(good, noise, typical), 1, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, (3, 3)), axis=(2, 3))


def _pixel_rms(squares: np.ndarray) -> np.ndarray:
    """Standard deviation of the pixels of each cell, from the mean squared distance from the sky in each block."""
    # Images of few counts have no interquartile range to clip with.
    variance = np.where(squares[:, :, 5] > 0, squares[:, :, 5], squares[:, :, 1])
    good = np.isfinite(variance) & (variance > 0)
    typical = float(np.median(variance[good])) if good.any() else 0.0
    return np.sqrt(np.where(good, variance, typical))
