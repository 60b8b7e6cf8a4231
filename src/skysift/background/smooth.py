"""Penalised smoothing of a grid of cells with weights and holes."""

from __future__ import annotations

import numpy as np

__all__ = ["smooth_cells", "smooth_to_errors"]

_MAX_ITERATIONS = 100
_LEAST_PENALTY = 1e-3
_CHI_SQUARED_MEDIAN = 0.45493642311957


def smooth_cells(values: np.ndarray, weights: np.ndarray, penalty: float) -> np.ndarray:
    """Smooth a grid of cells, and fill the cells without weight.

    A quadratic surface (a plane or a constant where cells with weight are few) is fitted and set aside; what is left is smoothed by
    penalised least squares with a squared-Laplacian penalty, solved with cosine transforms.

    Parameters
    ----------
    values
        Values of the cells ``[y, x]``; those that are not finite count as holes.
    weights
        Weight of each cell, not below zero; only ratios matter.
    penalty
        Strength of the penalty, not below zero. Structure of a wavelength of ``L`` cells is damped by ``1 + penalty * (2 pi / L)**4``.

    Returns
    -------
    smoothed
        float64 array ``[y, x]``; all zero when no cell has weight.

    Notes
    -----
    D. Garcia 2010, Computational Statistics & Data Analysis 54, 1167: "Robust smoothing of gridded data in one and higher dimensions".
    """
    weights = np.where(np.isfinite(values) & np.isfinite(weights), weights, 0.0)
    if not weights.any():
        return np.zeros(np.shape(values))
    weights = weights / weights.max()
    values = np.where(weights > 0, values, 0.0)
    surface = _quadratic_surface(values, weights)
    rest = np.where(weights > 0, values - surface, 0.0)
    cosines_y, cosines_x = (_cosines(n) for n in rest.shape)
    gain = _gain(rest.shape, penalty)
    smooth = np.zeros_like(rest)
    for _ in range(_MAX_ITERATIONS):
        previous = smooth
        spectrum = cosines_y @ (weights * (rest - smooth) + smooth) @ cosines_x.T
        smooth = cosines_y.T @ (gain * spectrum) @ cosines_x
        if np.abs(smooth - previous).max() <= 1e-3 * np.abs(smooth).max():
            break
    return surface + smooth


def smooth_to_errors(values: np.ndarray, errors: np.ndarray, penalty: float) -> np.ndarray:
    """Smooth a grid of cells as much as wanted, but not so much that they no longer fit within their errors.

    Parameters
    ----------
    values
        Values of the cells ``[y, x]``.
    errors
        Standard errors of the values; infinite for holes.
    penalty
        Largest strength of the penalty. It is divided by ten until the median of the squared residuals is below twice what noise alone would leave.

    Returns
    -------
    smoothed
        float64 array ``[y, x]``.
    """
    with np.errstate(divide="ignore"):
        weights = 1.0 / errors**2
    weights[~np.isfinite(weights)] = 0.0
    used = weights > 0
    while penalty > _LEAST_PENALTY and used.any():
        smooth = smooth_cells(values, weights, penalty)
        pull = weights[used] * (values[used] - smooth[used]) ** 2
        if np.median(pull) <= 2.0 * _CHI_SQUARED_MEDIAN * np.mean((1.0 - _gain(values.shape, penalty)) ** 2):
            return smooth
        penalty /= 10.0
    return smooth_cells(values, weights, penalty)


def _gain(shape: tuple[int, ...], penalty: float) -> np.ndarray:
    """What the penalty leaves of each cosine wave."""
    y, x = (2.0 - 2.0 * np.cos(np.pi * np.arange(n) / n) for n in shape)
    return 1.0 / (1.0 + penalty * (y[:, None] + x) ** 2)


def _cosines(n: int) -> np.ndarray:
    """Matrix of the orthonormal cosine transform; for tens of cells faster than a Fourier transform."""
    k = np.arange(n)
    matrix = np.cos(np.pi / n * np.outer(k, k + 0.5)) * np.sqrt(2.0 / n)
    matrix[0] = np.sqrt(1.0 / n)
    return matrix


def _quadratic_surface(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted least-squares polynomial of total order two, or less where there are too few cells to extrapolate from."""
    covered = np.count_nonzero(weights > 0.1) / weights.size
    order = 2 if covered > 0.7 else 1 if covered > 0.3 else 0
    y, x = (np.linspace(-1.0, 1.0, n) if n > 1 else np.zeros(1) for n in values.shape)
    order_y, order_x = (min(n - 1, order) for n in values.shape)
    terms = [(j, i) for j in range(order_y + 1) for i in range(order_x + 1) if i + j <= order]
    design = np.stack([np.outer(y**j, x**i).ravel() for j, i in terms], axis=1)
    root = np.sqrt(weights.ravel())
    solution = np.linalg.lstsq(design * root[:, None], values.ravel() * root, rcond=1e-6)[0]
    return (design @ solution).reshape(values.shape)
