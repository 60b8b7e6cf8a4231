"""Polynomial distortions of the plane and their inverse."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.polynomial.polynomial import polyder, polyval2d

__all__ = ["TPV_TERMS", "Polynomials", "distort", "tpv_from_cards", "tpv_to_cards", "undistort"]

Polynomials = tuple[np.ndarray, np.ndarray]

_MAX_ITERATIONS = 20
_TPV_RADIAL = (3, 11, 23, 39)


def _tpv_terms() -> dict[int, tuple[int, int]]:
    """Index of each polynomial term of the TPV convention -> powers of the axis itself and of the other one."""
    terms, index = {}, 0
    for order in range(8):
        for other in range(order + 1):
            terms[index] = (order - other, other)
            index += 1
        if index in _TPV_RADIAL:
            index += 1
    return terms


TPV_TERMS = _tpv_terms()


def distort(u: np.ndarray, v: np.ndarray, polynomials: Polynomials) -> tuple[np.ndarray, np.ndarray]:
    """Add polynomials to positions.

    Parameters
    ----------
    u, v
        Positions, float64, of one shape.
    polynomials
        Pair ``(a, b)`` with ``a[p, q]`` the coefficient of ``u^p v^q`` in the shift along u, and `b` along v.

    Returns
    -------
    u, v : numpy.ndarray
        Shifted positions.
    """
    a, b = polynomials
    return u + polyval2d(u, v, a), v + polyval2d(u, v, b)


def undistort(u: np.ndarray, v: np.ndarray, polynomials: Polynomials, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Invert `distort` by Newton's method.

    Parameters
    ----------
    u, v
        Shifted positions.
    polynomials
        As in `distort`.
    tolerance
        Length of the last step at which a position counts as found; the iteration goes on to a thousandth of it where it can.

    Returns
    -------
    u, v : numpy.ndarray
        Positions; NaN where the iteration does not converge.
    """
    a, b = polynomials
    derivatives = [polyder(c, axis=axis) for c in (a, b) for axis in (0, 1)]
    found_u, found_v = u.copy(), v.copy()
    step = np.full(u.shape, np.inf)
    with np.errstate(all="ignore"):
        for _ in range(_MAX_ITERATIONS):
            du = u - found_u - polyval2d(found_u, found_v, a)
            dv = v - found_v - polyval2d(found_u, found_v, b)
            au, av, bu, bv = (polyval2d(found_u, found_v, c) for c in derivatives)
            determinant = (1.0 + au) * (1.0 + bv) - av * bu
            step_u = ((1.0 + bv) * du - av * dv) / determinant
            step_v = ((1.0 + au) * dv - bu * du) / determinant
            found_u, found_v = found_u + step_u, found_v + step_v
            step = np.abs(step_u) + np.abs(step_v)
            if not (step > 1e-3 * tolerance).any():
                break
        good = step <= tolerance
    return np.where(good, found_u, np.nan), np.where(good, found_v, np.nan)


def tpv_from_cards(values: Mapping[tuple[int, int], float]) -> Polynomials | None:
    """Shift polynomials, in degrees, of the PV cards of a TPV projection.

    Parameters
    ----------
    values
        ``(axis, index)`` -> value of card ``PV<axis>_<index>``, axis 1 or 2.

    Returns
    -------
    tuple or None
        As for `distort`; None if the cards have radial terms or terms that the convention lacks.
    """
    result = []
    for axis in (1, 2):
        cards = {index: value for (a, index), value in values.items() if a == axis and value != 0.0}
        if any(index not in TPV_TERMS for index in cards):
            return None
        cards.setdefault(1, values.get((axis, 1), 1.0))
        c = np.zeros((8, 8))
        for index, value in cards.items():
            c[TPV_TERMS[index]] = value
        c[1, 0] -= 1.0
        size = 1 + max(np.argwhere(c).max(initial=1), 1)
        result.append(c[:size, :size] if axis == 1 else c[:size, :size].T)
    return result[0], result[1]


def tpv_to_cards(polynomials: Polynomials) -> dict[str, float]:
    """The PV cards of shift polynomials, the inverse of `tpv_from_cards`."""
    cards = {}
    for axis, c in enumerate((polynomials[0], polynomials[1].T), start=1):
        for index, (own, other) in TPV_TERMS.items():
            value = (c[own, other] if max(own, other) < c.shape[0] else 0.0) + (index == 1)
            if value != 0.0 or index == 1:
                cards[f"PV{axis}_{index}"] = float(value)
    return cards
