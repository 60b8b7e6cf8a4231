"""The fast ways to a clipped mean and to quantiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["clipped_stats", "finite_sample", "quantiles"]


def finite_sample(values: Any) -> np.ndarray:
    """The finite members of anything array-like as a flat array of native floats.

    Parameters
    ----------
    values
        Numbers of any shape and type; hidden members of a masked array are left out.

    Returns
    -------
    numpy.ndarray
        (n,) float32 for float32 input, else float64; a copy.
    """
    if isinstance(values, np.ma.MaskedArray):
        values = values.compressed()
    array = np.asarray(values)
    array = array.astype(np.float32 if array.dtype.type is np.float32 else np.float64, copy=False).ravel()
    return array[np.isfinite(array)]


def clipped_stats(values: Any, nsigma: float = 3.0, niter: int = 3) -> tuple[float, float, int]:
    """Sigma-clipped mean and standard deviation.

    The first pass is centred on the median, with a width from the quartiles; each later one on the mean of the last. Every pass looks at all values, so
    that one can come back.

    Parameters
    ----------
    values
        Numbers of any shape; those that are not finite are left out.
    nsigma
        Half width in standard deviations.
    niter
        Number of passes.

    Returns
    -------
    mean : float
        NaN if there is nothing.
    stdev : float
        Unbiased; NaN if fewer than two values are left.
    n : int
        How many values are left.
    """
    sample = finite_sample(values)
    if sample.size == 0:
        return math.nan, math.nan, 0
    from skysift.kernels.clip import clip_sample

    mean, variance, kept, _, _ = clip_sample(sample, sample[:0], float(nsigma), max(int(niter), 1))
    return mean, math.sqrt(variance), kept


def quantiles(values: Any, fractions: Sequence[float]) -> np.ndarray:
    """Quantiles by partial selection, linearly interpolated between order statistics.

    Parameters
    ----------
    values
        Numbers of any shape; those that are not finite are left out.
    fractions
        Fractions in [0, 1], in any order.

    Returns
    -------
    numpy.ndarray
        float64, one per fraction; NaN if there is nothing.
    """
    wanted = np.clip(np.asarray(fractions, dtype=np.float64), 0.0, 1.0)
    sample = finite_sample(values)
    if sample.size == 0:
        return np.full(wanted.shape, np.nan)
    from skysift.kernels.clip import quantile_sample

    order = np.argsort(wanted)
    result = np.empty(wanted.shape)
    result[order] = quantile_sample(sample, wanted[order])
    return result
