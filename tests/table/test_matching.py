"""Positional matching against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.errors import InputError
from skysift.table import Schema, SourceCatalog, match_radec, match_xy


def brute_force(a, b, radius):
    distance = np.hypot(a[:, None, 0] - b[None, :, 0], a[:, None, 1] - b[None, :, 1])
    return {(i, j) for i, j in zip(*np.nonzero(distance < radius))}, distance


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 30), st.integers(0, 30))
def test_all_pairs_and_closest_agree_with_brute_force(seed, n, m):
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(0, 10, (n, 2)), rng.uniform(0, 10, (m, 2))
    pairs, distance = brute_force(a, b, 2.0)
    i, j, d = match_xy(a, b, 2.0, closest=False)
    assert set(zip(i, j)) == pairs
    np.testing.assert_allclose(d, distance[i, j], rtol=1e-12)
    assert (np.diff(i) >= 0).all()
    i, j, d = match_xy(a, b, 2.0)
    assert i.tolist() == sorted({p[0] for p in pairs})
    if m:
        assert j.tolist() == distance[i].argmin(axis=1).tolist()


def test_radius_is_strict_and_nan_matches_nothing():
    a = np.array([[0.0, 0.0], [np.nan, 1.0], [5.0, 5.0]])
    b = np.array([[2.0, 0.0], [np.inf, np.nan], [5.0, 5.0]])
    i, j, d = match_xy(a, b, 2.0)
    assert (i.tolist(), j.tolist(), d.tolist()) == ([2], [2], [0.0])
    assert match_xy(a, b, 2.0001, closest=False)[0].tolist() == [0, 2]
    assert len(match_xy(a, b, 0.0)[0]) == 0
    assert len(match_xy(np.full((3, 2), np.nan), b, 2.0)[0]) == 0


def test_self_match_gives_both_orders():
    i, j, _d = match_xy(np.array([[0.0, 0], [1, 0], [9, 9], [0, 0]]), None, 1.5)
    assert list(zip(i.tolist(), j.tolist())) == [(0, 3), (0, 1), (1, 0), (1, 3), (3, 0), (3, 1)]


def test_catalogs_and_pairs_of_arrays():
    schema = Schema.source()
    schema.add_field("c_x", "D")
    schema.add_field("c_y", "F")
    schema.aliases["slot_Centroid"] = "c"
    catalog = SourceCatalog(schema, 2)
    catalog["c_x"], catalog["c_y"] = [1, 2], [3, 4]
    catalog["coord_ra"], catalog["coord_dec"] = [0.1, 0.2], [0.0, 0.0]
    assert match_xy(catalog, ([2.0], [4.0]), 0.5)[0].tolist() == [1]
    assert match_radec(catalog, catalog, 1e-6)[1].tolist() == [0, 1]


def test_sky_distances_across_poles_and_meridian():
    pole = np.radians([[0.0, 89.9999], [180.0, 89.9999]])
    _i, _j, d = match_radec(pole[:1], pole[1:], np.radians(0.001))
    np.testing.assert_allclose(d, np.radians(0.0002), rtol=1e-6)
    _i, _j, d = match_radec((np.radians([359.9999]), [0.0]), (np.radians([0.0001]), [0.0]), np.radians(1))
    np.testing.assert_allclose(d, np.radians(0.0002), rtol=1e-6)


def test_sky_radius_may_be_an_angle():
    class Angle:
        radians = 0.01

    assert len(match_radec(([0.0], [0.0]), ([0.009], [0.0]), Angle())[0]) == 1


def test_wrong_arguments():
    with pytest.raises(InputError, match="45 degrees"):
        match_radec(([0.0], [0.0]), ([0.0], [0.0]), 1.0)
    with pytest.raises(InputError, match="45 degrees"):
        match_radec(([0.0], [0.0]), ([0.0], [0.0]), np.nan)
    with pytest.raises(InputError, match="negative"):
        match_xy(([0.0], [0.0]), None, -1)
    with pytest.raises(InputError, match="shape"):
        match_xy(np.zeros(3), None, 1)
    with pytest.raises(InputError, match="one length"):
        match_xy(([0.0], [0.0, 1.0]), None, 1)
