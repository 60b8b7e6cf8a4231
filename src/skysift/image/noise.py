"""The variance of an image that comes without one, from its pixels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["estimate_variance"]

_CELL = 128
_ROWS_PER_CELL = 16
_LAG = 8
_CLIPPED_VARIANCE = 0.970
_CROWDED = 1.4
_LEFT_OUT = ("BAD", "SAT", "CR", "INTRP", "EDGE", "NO_DATA", "SUSPECT", "VIGNETTED", "STREAK")


def estimate_variance(image: Any, mask: Any = None, gain: float | None = None, read_noise: float | None = None) -> np.ndarray:
    """Estimate the variance of each pixel.

    The scatter is measured in cells of 128 pixels from second differences along rows, which see no smooth structure: over 8 pixels, where noise is
    independent but sources add, and over one, which sees little of the sources but not all of correlated noise. The cells with the least structure tell how
    the two compare; in each cell the lower one counts, on that scale. Where sources leave no room between them, the lower side of the pixels' distribution
    counts instead. The result is smoothed by the median of 3 x 3 cells and interpolated.

    Parameters
    ----------
    image
        An `Image` or array (height, width), counts.
    mask
        Which pixels to leave out: a `Mask` (of which the planes that mean damage count), booleans, or integers (anything but 0).
    gain
        Electrons per count. If given, light above the sky adds its photon noise.
    read_noise
        Electrons. With `gain` it gives the lowest variance possible.

    Returns
    -------
    numpy.ndarray
        float32 (height, width), counts^2, finite and positive everywhere (masked and NaN pixels get the noise of the sky); NaN everywhere if the image
        shows no noise at all.

    Raises
    ------
    InputError
        If the image is not two-dimensional or not numbers.
    """
    from skysift.image.arrays import as_pixels

    pixels, hidden, _ = as_pixels(getattr(image, "array", image))
    if pixels.size == 0:
        return np.empty(pixels.shape, dtype=np.float32)
    from skysift.kernels.noise import noise_cells, spread_variance

    cell = min(_CELL, max(pixels.shape))
    step = max(1, cell // _ROWS_PER_CELL) if min(pixels.shape) > 2 * _CELL else 1
    sky, scatter, white, lower = noise_cells(
        pixels, _usable(mask, hidden, pixels.shape, step), cell, step, min(_LAG, max((pixels.shape[1] - 1) // 2, 1))
    )
    variance = _structure_free(scatter, white, lower, math.sqrt(step) / cell) ** 2 / _CLIPPED_VARIANCE
    level = _smoothed(sky)
    inverse_gain = 1.0 / gain if gain is not None and 0.0 < gain < math.inf else 0.0
    if inverse_gain > 0.0:
        reduced = variance - np.fmax(sky - level, 0.0) * inverse_gain
        variance = np.where(reduced > 0.25 * variance, reduced, np.nan)
    variance = _smoothed(variance)
    if not np.isfinite(variance).any():
        return np.full(pixels.shape, np.nan, dtype=np.float32)
    floor = (read_noise * inverse_gain) ** 2 if read_noise is not None and math.isfinite(read_noise) else 0.0
    result = np.empty(pixels.shape, dtype=np.float32)
    spread_variance(pixels, level.astype(np.float32), variance.astype(np.float32), cell, inverse_gain, floor, result)
    return result


def _usable(mask: Any, hidden: np.ndarray | None, shape: tuple[int, ...], step: int) -> np.ndarray:
    """Pixels of every so many-th row that may be used, or an empty array if all may."""
    from skysift.errors import InputError
    from skysift.image.mask import Mask

    if mask is None and hidden is None:
        return np.empty((0, 0), dtype=np.bool_)
    usable = np.ones((-(-shape[0] // step), shape[1]), dtype=np.bool_)
    if mask is not None:
        flags = mask.array if isinstance(mask, Mask) else np.asarray(mask)
        if flags.shape != shape:
            raise InputError(f"the mask has shape {flags.shape} where the image has {shape}")
        bits = mask.bitmask(*_LEFT_OUT, ignore_missing=True) if isinstance(mask, Mask) else -1
        usable &= (flags[::step] if flags.dtype == np.bool_ else flags[::step] & bits) == 0
    if hidden is not None:
        usable &= ~hidden[::step]
    return usable


def _structure_free(scatter: np.ndarray, white: np.ndarray, lower: np.ndarray, uncertainty: float) -> np.ndarray:
    """Standard deviation of the noise in each cell, NaN where there is none to see; `uncertainty` is that of the ratio of the first two in a cell."""
    scatter = np.where(scatter > 0.0, scatter, np.nan)
    white = np.where(white > 0.0, white, np.nan)
    # Where sources are everywhere, pixels 8 apart differ by far more than their noise, and the faintest pixels show how much more.
    crowded = (scatter > _CROWDED * white) & (lower < scatter / _CROWDED) & (lower > 0.0)
    scatter = np.where(crowded, lower, scatter)
    ratio = scatter / white
    if not np.isfinite(ratio).any():
        return scatter
    blank = float(np.nanquantile(ratio, 0.25)) * (1.0 + 0.6745 * uncertainty)
    return np.where(ratio > max(blank, 1.0) * (1.0 + 2.5 * uncertainty), white * max(blank, 1.0), scatter)


def _smoothed(cells: np.ndarray) -> np.ndarray:
    """Median of each cell and its neighbours; cells with no usable neighbour get the nearest that have."""
    ny, nx = cells.shape
    padded = np.pad(cells, 1, constant_values=np.nan)
    stack = np.sort(np.stack([padded[j : j + ny, i : i + nx] for j in range(3) for i in range(3)]), axis=0)
    count = np.isfinite(stack).sum(axis=0)
    low = np.take_along_axis(stack, (np.maximum(count - 1, 0) // 2)[np.newaxis], axis=0)[0]
    high = np.take_along_axis(stack, (count // 2).clip(max=8)[np.newaxis], axis=0)[0]
    result = np.where(count > 0, 0.5 * (low + np.where(count % 2, low, high)), np.nan)
    known = np.isfinite(result)
    if known.all() or not known.any():
        return result
    from scipy.ndimage import distance_transform_edt

    nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)
    return result[tuple(nearest)]
