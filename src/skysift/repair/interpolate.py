"""Interpolation over defects with a linear predictor for a Gaussian-correlated signal."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from skysift.errors import InputError
from skysift.geom import Box2I

if TYPE_CHECKING:
    from skysift.image import MaskedImage
    from skysift.repair.config import InterpImageConfig

__all__ = ["fallback_value", "interpolate_over_defects", "interpolation_weights", "mask_of_boxes"]

_LONGEST = 11
_REACH = 11
_N_INTERPOLATED = 6


@lru_cache(maxsize=8)
def interpolation_weights(sigma: float = 1.0) -> np.ndarray:
    """Weights of the good pixels around a run of bad ones.

    The signal is taken to be noiseless with the correlation of an image smoothed by a Gaussian, ``rho(d) = exp(-d**2 / (4 sigma**2))``. The
    weights make the variance of the prediction least, with a sum of one: ``[C 1; 1' 0] [w; mu] = [c; 1]``.

    Parameters
    ----------
    sigma
        Standard deviation of the PSF, pixels.

    Returns
    -------
    table
        float64 array ``(16, 12, 22, 4)`` as `skysift.kernels.interpolate.interpolate_runs` wants it: for each pattern of usable good pixels,
        for runs of 1 to 10 pixels and one for all longer.

    Notes
    -----
    Rybicki & Press 1992, ApJ 398, 169. These are the numbers that `lsst.meas.algorithms.interpolateOverDefects` uses, for sigma = 1.
    """
    table = np.zeros((16, _LONGEST + 1, 2 * _REACH, 4))
    for length in range(1, _LONGEST + 1):
        wide = length == _LONGEST
        size = 10 * _REACH if wide else length
        places = np.array([-2.0, -1.0, size, size + 1.0])
        wanted = np.arange(length, dtype=np.float64)
        if wide:
            wanted = np.concatenate([np.arange(_REACH), size - 1.0 - np.arange(_REACH)])
        for pattern in range(1, 16):
            used = [k for k in range(4) if pattern >> k & 1]
            n = len(used)
            good = places[used]
            system = np.ones((n + 1, n + 1))
            system[n, n] = 0.0
            system[:n, :n] = np.exp(-((good[:, None] - good) ** 2) / (4.0 * sigma**2))
            right = np.ones((n + 1, wanted.size))
            right[:n] = np.exp(-((good[:, None] - wanted) ** 2) / (4.0 * sigma**2))
            solution = np.linalg.lstsq(system, right, rcond=None)[0][:n]
            table[pattern, length, : wanted.size, used] = solution
    table = np.round(table, 4)  # as the published tables are, to reproduce their pixels
    table.flags.writeable = False
    return table


def mask_of_boxes(bbox: Box2I, boxes: Iterable[Box2I]) -> np.ndarray:
    """Which pixels of an image are in any of some boxes.

    Parameters
    ----------
    bbox
        Box of the image, PARENT pixels.
    boxes
        Boxes, PARENT pixels; parts outside the image are ignored.

    Returns
    -------
    inside
        bool array ``[y, x]``.
    """
    inside = np.zeros(bbox.shape, bool)
    for box in boxes:
        inside[box.clipped_to(bbox).slices(bbox.min)] = True
    return inside


def fallback_value(masked_image: MaskedImage, bad: np.ndarray, config: InterpImageConfig) -> float:
    """The value to use where there is nothing to interpolate from.

    Parameters
    ----------
    masked_image
        The image.
    bad
        bool array ``[y, x]`` of pixels not to use.
    config
        Says which statistic of the good pixels to take.

    Returns
    -------
    value
        The statistic; 0 when no pixel is good, or when it is negative and that is not allowed.
    """
    if config.fallbackValueType == "USER":
        return float(config.fallbackUserValue)
    from skysift.kernels.background import tile_statistics

    array = np.ascontiguousarray(masked_image.image.array, np.float32)
    if array.size == 0:
        return 0.0
    edges_y, edges_x = (np.array([0, n], np.int64) for n in array.shape)
    cell = tile_statistics(array, bad.astype(np.int32), np.int32(1), True, edges_y, edges_x, True, True, 3.0, 3)[0, 0]
    value = float(cell[{"MEAN": 1, "MEDIAN": 3, "MEANCLIP": 5}[config.fallbackValueType]])
    if not np.isfinite(value) or (value < 0 and not config.negativeFallbackAllowed):
        return 0.0
    return value


def interpolate_over_defects(
    masked_image: MaskedImage,
    defects: int | np.ndarray | Iterable[Box2I],
    *,
    fallback: float = 0.0,
    fallback_at_edge: bool = False,
    sigma: float = 1.0,
    variance: str = "linear",
    transpose: bool = False,
) -> int:
    """Fill defects from the good pixels beside them along each row, and set the INTRP bit of the filled pixels.

    Parameters
    ----------
    masked_image
        The image, changed in place.
    defects
        What to fill: mask bits (an int), a bool array ``[y, x]``, or boxes in PARENT pixels.
    fallback
        Value for rows without a good pixel, and see `fallback_at_edge`.
    fallback_at_edge
        In runs at the border of more than six pixels, set all but the six nearest to the good side to `fallback`.
    sigma
        Standard deviation of the PSF, pixels, that the weights are made for. The reference always takes 1.
    variance
        ``"linear"`` interpolates the variance like the image, as the reference does; ``"propagate"`` squares the weights.
    transpose
        Interpolate along columns instead of rows.

    Returns
    -------
    n_pixels
        Number of pixels filled.

    Raises
    ------
    InputError
        For an unknown `variance`, or a bool array of another shape than the image.

    Notes
    -----
    `lsst.meas.algorithms.interpolateOverDefects`; weights of `interpolation_weights`.
    """
    if variance not in ("linear", "propagate"):
        raise InputError(f"variance={variance!r} is not known; expected 'linear' or 'propagate'")
    image, mask = masked_image.image.array, masked_image.mask
    if isinstance(defects, (int, np.integer)):
        bad = (mask.array & defects) != 0
    elif isinstance(defects, np.ndarray):
        bad = defects.astype(bool)
    else:
        bad = mask_of_boxes(masked_image.image.bbox, defects)
    if bad.shape != image.shape:
        raise InputError(f"the defects have shape {bad.shape}, the image {image.shape}")
    n_pixels = int(np.count_nonzero(bad))
    if n_pixels == 0:
        return 0
    from skysift.kernels.interpolate import interpolate_runs

    # Only rows with defects are handed to the kernel, so that the cost follows the defects.
    lines = np.flatnonzero(bad.any(axis=0 if transpose else 1))
    where = (slice(None), lines) if transpose else (lines, slice(None))
    planes = [image, masked_image.variance.array, bad]
    parts = [np.ascontiguousarray(plane[where].T if transpose else plane[where]) for plane in planes]
    interpolate_runs(
        parts[0],
        parts[1],
        parts[2],
        interpolation_weights(sigma),
        float(fallback),
        fallback_at_edge,
        variance == "propagate",
        _N_INTERPOLATED,
    )
    for plane, part in zip(planes[:2], parts[:2]):
        plane[where] = part.T if transpose else part
    mask.set("INTRP", bad)
    return n_pixels
