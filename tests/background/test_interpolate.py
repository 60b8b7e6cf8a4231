"""Interpolation of cells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import Akima1DInterpolator, CubicSpline

from skysift.background.interpolate import MINIMUM_POINTS, interpolate_grid, interpolate_lines, usable_style
from skysift.errors import AlgorithmError, InputError
from skysift.kernels.cubics import add_cubics


@settings(max_examples=30, deadline=None)
@given(st.integers(5, 12), st.integers(0, 2**31))
def test_splines_are_the_textbook_ones(n, seed):
    rng = np.random.default_rng(seed)
    knots = np.cumsum(rng.uniform(0.5, 3, n))
    values = rng.normal(0, 5, (3, n))
    inside = np.linspace(knots[0], knots[-1], 101)
    natural = CubicSpline(knots, values, axis=1, bc_type="natural")
    np.testing.assert_allclose(interpolate_lines(knots, values, inside, "NATURAL_SPLINE"), natural(inside), atol=1e-9)
    akima = Akima1DInterpolator(knots, values, axis=1)
    np.testing.assert_allclose(interpolate_lines(knots, values, inside, "AKIMA_SPLINE"), akima(inside), atol=1e-9)
    linear = [np.interp(inside, knots, line) for line in values]
    np.testing.assert_allclose(interpolate_lines(knots, values, inside, "LINEAR"), linear, atol=1e-9)


@pytest.mark.parametrize("style", list(MINIMUM_POINTS))
def test_knots_are_reproduced_and_planes_extrapolated(style):
    knots = np.array([2.0, 5.0, 7.0, 11.0, 12.0, 16.0])
    values = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0])
    np.testing.assert_allclose(interpolate_lines(knots, values[None], knots, style)[0], values, atol=1e-12)
    if style != "CONSTANT":
        far = np.array([-3.0, 0.0, 20.0])
        np.testing.assert_allclose(interpolate_lines(knots, 2 * knots[None] + 1, far, style)[0], 2 * far + 1, atol=1e-9)


def test_constant_is_the_nearest_cell():
    values = interpolate_lines(np.array([1.0, 3.0, 7.0]), np.array([[10.0, 20.0, 30.0]]), np.arange(-1.0, 10.0), "CONSTANT")[0]
    np.testing.assert_array_equal(values, [10, 10, 10, 20, 20, 20, 30, 30, 30, 30, 30])


def test_holes_are_interpolated_over():
    x = np.arange(8.0)
    values = np.stack([2 * x, x**2 * 0 + 5, np.full(8, np.nan), np.where(x == 4, 3.0, np.nan)])
    values[0, 3] = values[1, [0, 7]] = np.nan
    out = interpolate_lines(x, values, x)
    np.testing.assert_allclose(out[0], 2 * x)
    np.testing.assert_allclose(out[1], 5)
    assert np.isnan(out[2]).all()
    np.testing.assert_allclose(out[3], 3)


def test_styles_are_reduced_or_refused():
    assert usable_style("AKIMA_SPLINE", 4, "REDUCE_INTERP_ORDER") == "NATURAL_SPLINE"
    assert usable_style("AKIMA_SPLINE", 2, "REDUCE_INTERP_ORDER") == "LINEAR"
    assert usable_style("LINEAR", 1, "REDUCE_INTERP_ORDER") == "CONSTANT"
    with pytest.raises(AlgorithmError, match="too few"):
        usable_style("AKIMA_SPLINE", 4, "THROW_EXCEPTION")
    with pytest.raises(InputError, match="unknown"):
        usable_style("CUBIC", 4, "REDUCE_INTERP_ORDER")


def test_grid_reproduces_a_plane():
    centres = np.arange(6) * 10 + 4.5
    grid = 3 + 0.1 * centres[:, None] - 0.2 * centres
    pixels = np.arange(60.0)
    image = interpolate_grid(grid, centres, centres, pixels, pixels)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, 3 + 0.1 * pixels[:, None] - 0.2 * pixels, atol=1e-5)


@pytest.mark.parametrize("style", list(MINIMUM_POINTS))
def test_holes_in_a_grid(style):
    rng = np.random.default_rng(2)
    centres_y, centres_x = np.arange(7) * 10.0, np.cumsum(rng.uniform(5, 15, 8))
    grid = rng.normal(100, 5, (7, 8))
    grid[:, 3] = grid[2, 6] = np.nan
    rows, columns = np.arange(-5.0, 70.0), np.arange(0.0, 90.0)
    found = interpolate_grid(grid, centres_y, centres_x, rows, columns, style)
    along_y = interpolate_lines(centres_y, grid.T, rows, style)
    np.testing.assert_allclose(found, interpolate_lines(centres_x, along_y.T, columns, style), rtol=1e-5, atol=1e-4)
    assert np.isnan(interpolate_grid(np.full((7, 8), np.nan), centres_y, centres_x, rows, columns, style)).all()


def test_cubics_in_plain_numpy():
    rng = np.random.default_rng(1)
    coefficients = rng.normal(0, 1, (7, 3, 4))
    edges, t = np.array([0, 4, 4, 11], np.int64), rng.uniform(0, 1, 11).astype(np.float32)
    image = rng.normal(0, 1, (7, 11)).astype(np.float32)
    piece = np.repeat(np.arange(3), np.diff(edges))
    expected = image - 2.0 * np.einsum("ypk,kp->yp", coefficients[:, piece], t.astype(float) ** np.arange(4)[:, None])
    add_cubics(coefficients, edges, t, -2.0, image)
    np.testing.assert_allclose(image, expected, atol=1e-5)
