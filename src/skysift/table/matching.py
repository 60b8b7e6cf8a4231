"""Matching of positions in pixels and on the sky."""

from __future__ import annotations

from typing import Any

import numpy as np

from skysift.errors import InputError
from skysift.table.catalog import SourceCatalog

__all__ = ["match_radec", "match_xy"]

_MAX_SKY_RADIUS = np.pi / 4


def match_xy(
    first: SourceCatalog | Any, second: SourceCatalog | Any | None, radius: float, *, closest: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Match positions in a plane.

    Parameters
    ----------
    first, second
        A catalogue (slot centroids), a pair of arrays (x, y) or an array of shape (n, 2), in pixels. Positions that are not finite
        match nothing. `second=None` matches the first with itself and gives every pair in both orders, whatever `closest` says.
    radius
        Pairs are nearer than this; pixels.
    closest
        Give only the nearest of the second list for each of the first, which may then be the partner of several; else all pairs.

    Returns
    -------
    i, j
        int64 arrays of rows in the first and the second list, ordered by i, then distance.
    distance
        float64 array, pixels.

    Notes
    -----
    LSST `matchXy`.
    """
    if not radius >= 0:
        raise InputError(f"matching radius must not be negative, got {radius}")
    a = _plane_positions(first)
    return _match(a, a if second is None else _plane_positions(second), float(radius), closest=closest, self_match=second is None)


def match_radec(
    first: SourceCatalog | Any, second: SourceCatalog | Any | None, radius: Any, *, closest: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Match positions on the sky.

    Parameters
    ----------
    first, second
        A catalogue (coord_ra, coord_dec), a pair of arrays (ra, dec) or an array of shape (n, 2), in radians. Positions that are not
        finite match nothing. `second=None` matches the first with itself and gives every pair in both orders.
    radius
        Pairs are nearer than this; radians (or an `Angle`), at most 45 degrees.
    closest
        See `match_xy`.

    Returns
    -------
    i, j, distance
        See `match_xy`; the distance is in radians.

    Raises
    ------
    InputError
        A radius outside 0 to 45 degrees.

    Notes
    -----
    LSST `matchRaDec`: chords between unit vectors, so poles and the meridian need no care.
    """
    angle = float(getattr(radius, "radians", radius))
    if not 0 <= angle <= _MAX_SKY_RADIUS:
        raise InputError(f"matching radius must be between 0 and 45 degrees, got {np.degrees(angle):g} degrees")
    a = _unit_vectors(first)
    b = a if second is None else _unit_vectors(second)
    i, j, chord = _match(a, b, 2 * np.sin(angle / 2), closest=closest, self_match=second is None)
    return i, j, 2 * np.arcsin(np.minimum(chord / 2, 1.0))


def _pair(positions: Any, names: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(positions, SourceCatalog):
        return positions[names[0]].astype(np.float64), positions[names[1]].astype(np.float64)
    if isinstance(positions, tuple | list) and len(positions) == 2:
        u, v = (np.atleast_1d(np.asarray(p, dtype=np.float64)) for p in positions)
    else:
        array = np.asarray(positions, dtype=np.float64)
        if array.ndim != 2 or array.shape[1] != 2:
            raise InputError(f"positions must be a catalogue, two arrays or an array of shape (n, 2), got shape {array.shape}")
        u, v = array[:, 0], array[:, 1]
    if u.shape != v.shape or u.ndim != 1:
        raise InputError(f"positions need two arrays of one length, got shapes {u.shape} and {v.shape}")
    return u, v


def _plane_positions(positions: Any) -> np.ndarray:
    return np.column_stack(_pair(positions, ("slot_Centroid_x", "slot_Centroid_y")))


def _unit_vectors(positions: Any) -> np.ndarray:
    ra, dec = _pair(positions, ("coord_ra", "coord_dec"))
    with np.errstate(invalid="ignore"):
        return np.column_stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])


def _match(a: np.ndarray, b: np.ndarray, radius: float, *, closest: bool, self_match: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from scipy.spatial import cKDTree

    rows_a = np.flatnonzero(np.isfinite(a).all(axis=1))
    rows_b = np.flatnonzero(np.isfinite(b).all(axis=1))
    empty = np.empty(0, np.int64)
    if not len(rows_a) or not len(rows_b) or radius == 0:
        return empty, empty.copy(), np.empty(0)
    a, b = a[rows_a], b[rows_b]
    tree_b = cKDTree(b)
    if closest and not self_match:
        distance, j = (np.asarray(found) for found in tree_b.query(a, distance_upper_bound=radius))
        i = np.flatnonzero(np.isfinite(distance))
        return rows_a[i], rows_b[j[i]], distance[i]
    pairs = cKDTree(a).sparse_distance_matrix(tree_b, radius, output_type="ndarray")
    keep = pairs["v"] < radius
    if self_match:
        keep &= pairs["i"] != pairs["j"]
    pairs = pairs[keep]
    pairs = pairs[np.lexsort((pairs["j"], pairs["v"], pairs["i"]))]
    return rows_a[pairs["i"]], rows_b[pairs["j"]], pairs["v"].astype(np.float64)
