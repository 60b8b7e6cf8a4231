"""Chebyshev polynomial fitted to the cells of a background."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skysift.errors import AlgorithmError

if TYPE_CHECKING:
    from skysift.background.model import Background
    from skysift.geom import Box2I

__all__ = ["add_chebyshev", "fit_chebyshev"]

_BLOCK = 64
"""Number of rows that are worked on at a time, without the memory of another image."""


def _basis(positions: np.ndarray, start: int, size: int, order: int) -> np.ndarray:
    """Chebyshev polynomials at pixel positions, on the interval that the pixels ``start ... start + size - 1`` cover."""
    t = (np.asarray(positions, np.float64) - start + 0.5) * (2.0 / size) - 1.0
    return np.polynomial.chebyshev.chebvander(t, order)


def fit_chebyshev(background: Background, order: int) -> np.ndarray:
    """Least-squares Chebyshev polynomial of total order `order` through the cells of a background.

    Parameters
    ----------
    background
        Its cells; those that are not finite, or whose error is not above zero when it weights, are left out. When no cell has an error above
        zero all have one weight.
    order
        Total order.

    Returns
    -------
    coefficients
        float64 array ``(order + 1, order + 1)``, ``[y, x]``, zero above the total order.

    Raises
    ------
    AlgorithmError
        When no cell is usable.

    Notes
    -----
    `lsst.afw.math.makeApproximate`: a cell's weight in the sum of squares is the inverse of its standard error, not of its variance.
    """
    values = background.values.astype(np.float64).ravel()
    with np.errstate(divide="ignore"):
        weight = 1.0 / background.errors.astype(np.float64).ravel()
    good = np.isfinite(values) & np.isfinite(weight) & (weight > 0)
    if not background.weighting or not good.any():
        weight = np.ones_like(values)
        good = np.isfinite(values)
    if not good.any():
        raise AlgorithmError("no background cell has a usable value; no polynomial can be fitted")
    box = background.bbox
    basis_x = _basis(background.centres_x, box.min_x, box.width, order)
    basis_y = _basis(background.centres_y, box.min_y, box.height, order)
    j, i = np.nonzero(np.add.outer(np.arange(order + 1), np.arange(order + 1)) <= order)
    design = (basis_y[:, None, j] * basis_x[None, :, i]).reshape(-1, j.size)
    root = np.sqrt(weight[good])
    solution = np.linalg.lstsq(design[good] * root[:, None], values[good] * root, rcond=None)[0]
    coefficients = np.zeros((order + 1, order + 1))
    coefficients[j, i] = solution
    return coefficients


def add_chebyshev(image: np.ndarray, factor: float, domain: Box2I, coefficients: np.ndarray, bbox: Box2I) -> None:
    """Add a multiple of a Chebyshev polynomial to an image in place.

    Parameters
    ----------
    image
        float32 array, the pixels of `bbox`.
    factor
        The multiple.
    domain
        Box on which the polynomial is defined.
    coefficients
        Array ``[y, x]``.
    bbox
        Box of the image.
    """
    order_y, order_x = coefficients.shape[0] - 1, coefficients.shape[1] - 1
    rows = _basis(np.arange(bbox.min_y, bbox.end_y), domain.min_y, domain.height, order_y) @ (factor * coefficients)
    rows = rows.astype(np.float32)
    columns = _basis(np.arange(bbox.min_x, bbox.end_x), domain.min_x, domain.width, order_x).T.astype(np.float32)
    for start in range(0, bbox.height, _BLOCK):
        part = slice(start, start + _BLOCK)
        image[part] += rows[part] @ columns
