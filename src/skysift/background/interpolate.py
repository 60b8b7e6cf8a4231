"""Interpolation of a grid of cells to pixels, with the styles of the LSST background.

Each style is a piecewise cubic in x and in y. The pieces are found for all lines of the grid at once.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from skysift.errors import AlgorithmError, InputError

__all__ = ["MINIMUM_POINTS", "add_grid", "interpolate_grid", "interpolate_lines", "usable_style"]

MINIMUM_POINTS = {"CONSTANT": 1, "LINEAR": 2, "NATURAL_SPLINE": 3, "CUBIC_SPLINE": 3, "AKIMA_SPLINE": 5}
"""Fewest points that each style needs."""


def usable_style(style: str, n: int, undersample: str) -> str:
    """The style to use for `n` points.

    Parameters
    ----------
    style
        Style that was asked for, a key of `MINIMUM_POINTS`.
    n
        Number of points.
    undersample
        ``"REDUCE_INTERP_ORDER"`` to fall back to the best style for `n` points; anything else raises.

    Raises
    ------
    InputError
        For an unknown style.
    AlgorithmError
        When there are too few points and the style may not be reduced.
    """
    if style not in MINIMUM_POINTS:
        raise InputError(f"unknown interpolation style {style!r}; expected one of {', '.join(MINIMUM_POINTS)}")
    if n >= MINIMUM_POINTS[style]:
        return style
    if undersample != "REDUCE_INTERP_ORDER":
        raise AlgorithmError(
            f"{n} background cells are too few for {style}, which needs {MINIMUM_POINTS[style]}",
            hint="use smaller cells or undersampleStyle=REDUCE_INTERP_ORDER",
        )
    return "CONSTANT" if n == 1 else "LINEAR" if n == 2 else "NATURAL_SPLINE"


def _spline_second_derivatives(knots: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Second derivatives at the knots of the natural cubic spline, for each row of `values`."""
    n = knots.size
    h = np.diff(knots)
    system = np.eye(n)
    right = np.zeros((n, values.shape[0]))
    for k in range(1, n - 1):
        system[k, k - 1 : k + 2] = h[k - 1], 2.0 * (h[k - 1] + h[k]), h[k]
        right[k] = 6.0 * ((values[:, k + 1] - values[:, k]) / h[k] - (values[:, k] - values[:, k - 1]) / h[k - 1])
    return np.linalg.solve(system, right).T


def _akima_derivatives(knots: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Slopes at the knots after Akima (1970, J. ACM 17, 589), for each row of `values`."""
    slope = np.diff(values, axis=1) / np.diff(knots)
    before = 2.0 * slope[:, :1] - slope[:, 1:2]
    after = 2.0 * slope[:, -1:] - slope[:, -2:-1]
    slope = np.concatenate([2.0 * before - slope[:, :1], before, slope, after, 2.0 * after - slope[:, -1:]], axis=1)
    left = np.abs(slope[:, 1:-2] - slope[:, :-3])
    right = np.abs(slope[:, 3:] - slope[:, 2:-1])
    total = left + right
    flat = total == 0.0
    mixed = (right * slope[:, 1:-2] + left * slope[:, 2:-1]) / np.where(flat, 1.0, total)
    return np.where(flat, slope[:, 2:-1], mixed)


def _pieces(knots: np.ndarray, values: np.ndarray, style: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Cubic pieces of each row of `values`.

    Returns where pieces begin (the first begins at minus infinity), the origin and the length scale of each piece's variable t, and
    the coefficients ``(rows, pieces, 4)`` of ``1, t, t**2, t**3``. Outside the knots a piece is the quadratic Taylor expansion at the end.
    """
    rows, n = values.shape
    if style == "CONSTANT":
        coefficients = np.zeros((rows, n, 4))
        coefficients[:, :, 0] = values
        return np.concatenate([[-np.inf], 0.5 * (knots[1:] + knots[:-1])]), knots, np.ones(n), coefficients
    h = np.diff(knots)
    step = np.diff(values, axis=1)
    coefficients = np.zeros((rows, n + 1, 4))
    inner = coefficients[:, 1:n]
    inner[:, :, 0] = values[:, :-1]
    if style == "LINEAR":
        inner[:, :, 1] = step
        slope_ends = step[:, [0, -1]] / h[[0, -1]]
        curvature_ends = np.zeros((rows, 2))
    elif style in ("NATURAL_SPLINE", "CUBIC_SPLINE"):
        second = _spline_second_derivatives(knots, values)
        a, b = second[:, :-1] * h**2, second[:, 1:] * h**2
        inner[:, :, 1] = step - (2.0 * a + b) / 6.0
        inner[:, :, 2] = 0.5 * a
        inner[:, :, 3] = (b - a) / 6.0
        slope_ends = np.stack([inner[:, 0, 1], inner[:, -1, 1] + 0.5 * (a[:, -1] + b[:, -1])], axis=1) / h[[0, -1]]
        curvature_ends = np.zeros((rows, 2))
    else:
        slope = _akima_derivatives(knots, values)
        p, q = slope[:, :-1] * h, slope[:, 1:] * h
        inner[:, :, 1] = p
        inner[:, :, 2] = 3.0 * step - 2.0 * p - q
        inner[:, :, 3] = p + q - 2.0 * step
        slope_ends = slope[:, [0, -1]]
        curvature_ends = np.stack([2.0 * inner[:, 0, 2], 2.0 * inner[:, -1, 2] + 6.0 * inner[:, -1, 3]], axis=1) / h[[0, -1]] ** 2
    for end, piece in ((0, 0), (-1, n)):
        coefficients[:, piece, 0] = values[:, end]
        coefficients[:, piece, 1] = slope_ends[:, end]
        coefficients[:, piece, 2] = 0.5 * curvature_ends[:, end]
    origins = np.concatenate([knots[:1], knots])
    scales = np.concatenate([[1.0], h, [1.0]])
    return np.concatenate([[-np.inf], knots]), origins, scales, coefficients


def _columns_of_pieces(begins: np.ndarray, origins: np.ndarray, scales: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first of the increasing `positions` in each piece, and their number at the end; the pieces' variable at each of them."""
    edges = np.append(np.searchsorted(positions, begins, side="left"), positions.size)
    sizes = np.diff(edges)
    return edges, (positions - np.repeat(origins, sizes)) / np.repeat(scales, sizes)


def _evaluate(knots: np.ndarray, values: np.ndarray, style: str, positions: np.ndarray) -> np.ndarray:
    """Evaluate the interpolant of each row of `values` at increasing `positions`."""
    begins, origins, scales, coefficients = _pieces(knots, values, style)
    edges, t = _columns_of_pieces(begins, origins, scales, positions)
    powers = np.vander(t, 4, increasing=True)
    out = np.empty((values.shape[0], positions.size))
    for piece, (a, b) in enumerate(pairwise(edges)):
        if a < b:
            out[:, a:b] = coefficients[:, piece] @ powers[a:b].T
    return out


def interpolate_lines(
    knots: np.ndarray, values: np.ndarray, positions: np.ndarray, style: str = "AKIMA_SPLINE", undersample: str = "REDUCE_INTERP_ORDER"
) -> np.ndarray:
    """Interpolate many lines of points in one dimension, ignoring NaN points.

    Parameters
    ----------
    knots
        Positions of the points, increasing, shape ``(n,)``.
    values
        Values of the points, shape ``(lines, n)``; NaN points are left out.
    positions
        Where to interpolate, increasing, shape ``(m,)``. Beyond the outer points the value is the quadratic Taylor expansion there.
    style
        Style of interpolation, a key of `MINIMUM_POINTS`.
    undersample
        ``"REDUCE_INTERP_ORDER"``: lines with too few points use the best style they can; lines with none are NaN.

    Returns
    -------
    interpolated
        float64 array ``(lines, m)``.
    """
    values = np.asarray(values, np.float64)
    knots = np.asarray(knots, np.float64)
    good = np.isfinite(values)
    if good.all():
        return _evaluate(knots, values, usable_style(style, knots.size, undersample), positions)
    out = np.full((values.shape[0], positions.size), np.nan)
    patterns, which = np.unique(good, axis=0, return_inverse=True)
    which = which.reshape(-1)
    for k, pattern in enumerate(patterns):
        lines = np.flatnonzero(which == k)
        n = int(pattern.sum())
        if n > 0:
            out[lines] = _evaluate(knots[pattern], values[np.ix_(lines, pattern)], usable_style(style, n, undersample), positions)
    return out


def add_grid(
    image: np.ndarray,
    factor: float,
    grid: np.ndarray,
    centres_y: np.ndarray,
    centres_x: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    style: str = "AKIMA_SPLINE",
    undersample: str = "REDUCE_INTERP_ORDER",
) -> None:
    """Interpolate a grid of cells to pixels, first along y, then along x, and add a multiple of it to an image in place.

    Parameters
    ----------
    image
        float32 array ``(rows, columns)``, C-contiguous; NaN where there is nothing to interpolate.
    factor
        The multiple.
    grid
        Cell values ``[y, x]``; NaN cells are interpolated over.
    centres_y, centres_x
        Positions of the cell centres, pixels.
    rows, columns
        Increasing positions of the wanted pixels.
    style, undersample
        See `interpolate_lines`. The number of cells along the shorter side of the grid decides on the style.
    """
    from skysift.kernels.cubics import add_cubics

    style = usable_style(style, min(grid.shape), undersample)
    used = np.isfinite(grid).any(axis=0)
    if not used.any():
        image[...] = np.nan
        return
    along_y = interpolate_lines(centres_y, grid[:, used].T, rows, style)
    begins, origins, scales, coefficients = _pieces(
        centres_x[used], along_y.T, usable_style(style, along_y.shape[0], "REDUCE_INTERP_ORDER")
    )
    edges, t = _columns_of_pieces(begins, origins, scales, columns)
    add_cubics(coefficients, edges, t.astype(np.float32), float(factor), image)


def interpolate_grid(
    grid: np.ndarray,
    centres_y: np.ndarray,
    centres_x: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    style: str = "AKIMA_SPLINE",
    undersample: str = "REDUCE_INTERP_ORDER",
) -> np.ndarray:
    """Interpolate a grid of cells to pixels.

    Parameters
    ----------
    grid, centres_y, centres_x, rows, columns, style, undersample
        See `add_grid`.

    Returns
    -------
    image
        float32 array ``(rows, columns)``.
    """
    image = np.zeros((rows.size, columns.size), np.float32)
    add_grid(image, 1.0, grid, centres_y, centres_x, rows, columns, style, undersample)
    return image
