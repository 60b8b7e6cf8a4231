"""Ellipses, transforms, angles and the sphere."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.errors import InputError
from skysift.geom import AffineTransform, Angle, Axes, LinearTransform, Quadrupole, SpherePoint

radii = st.floats(0.1, 100.0)
angles = st.floats(-1.5, 1.5)


@settings(deadline=None, max_examples=100)
@given(radii, radii, angles, st.floats(0.1, 10.0))
def test_axes_and_moments(r1, r2, theta, factor):
    axes = Axes(max(r1, r2), min(r1, r2), theta)
    q = axes.quadrupole
    assert q.determinant_radius == pytest.approx(axes.determinant_radius)
    assert q.trace_radius == pytest.approx(axes.trace_radius)
    assert q.area == pytest.approx(axes.area)
    back = q.axes
    assert (back.a, back.b) == pytest.approx((axes.a, axes.b), rel=1e-6)
    if axes.a > 1.001 * axes.b:
        assert math.sin(2 * back.theta) == pytest.approx(math.sin(2 * theta), abs=1e-6)
    assert q.scaled(factor).area == pytest.approx(q.area * factor**2)
    assert axes.scaled(factor).area == pytest.approx(axes.area * factor**2)
    circle = q.transform(q.grid_transform)
    np.testing.assert_allclose(circle.matrix, np.eye(2), atol=1e-8)
    g = math.hypot(*q.reduced_shear)
    assert g == pytest.approx((axes.a - axes.b) / (axes.a + axes.b), abs=1e-9)
    assert math.hypot(*q.conformal_shear) == pytest.approx(math.log(axes.a / axes.b), abs=1e-6)
    assert q.convolved(q).trace_radius == pytest.approx(q.trace_radius * math.sqrt(2))


@pytest.mark.parametrize("moments", [(-1.0, 1.0, 0.0), (1.0, 1.0, 2.0), (np.nan, 1.0, 0.0), (0.0, 0.0, 0.0), (np.inf, 1.0, 0.0)])
def test_shapes_that_are_no_ellipse(moments):
    q = Quadrupole(*moments)
    assert q.is_valid == (moments == (0, 0, 0))
    assert math.isnan(q.determinant_radius) or q.determinant_radius in (0.0, math.inf)
    derived = [q.axes.a, *q.distortion, *q.reduced_shear, *q.conformal_shear, q.trace_radius, q.area]
    assert all(isinstance(value, float) for value in derived)
    with pytest.raises(InputError):
        q.grid_transform  # noqa: B018


def test_transforms():
    turn = LinearTransform.rotation(0.3)
    assert turn.determinant == pytest.approx(1.0)
    shift = AffineTransform(turn @ LinearTransform.scaling(2.0, 3.0), (5.0, -1.0))
    x, y = shift((1.0, 2.0))
    assert shift.inverted()((x, y)) == pytest.approx((1.0, 2.0))
    xs, ys = shift(np.array([1.0, 0.0]), np.array([2.0, 0.0]))
    assert (xs[0], ys[0]) == pytest.approx((x, y))
    assert (xs[1], ys[1]) == (5.0, -1.0)
    twice = shift @ shift
    assert twice((1.0, 2.0)) == pytest.approx(tuple(shift(shift((1.0, 2.0)))))
    assert AffineTransform() == AffineTransform(LinearTransform())
    with pytest.raises(InputError):
        LinearTransform([[1, 2], [2, 4]]).inverted()
    with pytest.raises(InputError):
        LinearTransform([1, 2, 3])


def test_angles():
    assert Angle.from_degrees(180.0).radians == pytest.approx(math.pi)
    assert Angle.from_arcsec(3600.0).degrees == pytest.approx(1.0)
    assert Angle.from_degrees(-90).wrapped.degrees == pytest.approx(270.0)
    assert Angle(-1e-20).wrapped == 0.0
    assert Angle.from_degrees(1).arcsec == pytest.approx(3600.0)


@settings(deadline=None, max_examples=100)
@given(st.floats(0, 6.28), st.floats(-1.57, 1.57), st.floats(0, 6.28), st.floats(1e-6, 1.5))
def test_offset_and_back(ra, dec, bearing, amount):
    start = SpherePoint(ra, dec)
    end = start.offset(bearing, amount)
    assert start.separation(end) == pytest.approx(amount, rel=1e-6, abs=1e-12)
    if abs(dec) < 1.5:
        assert math.cos(start.bearing_to(end) - bearing) == pytest.approx(1.0, abs=1e-6)
    assert start.separation(start) == pytest.approx(0.0, abs=1e-15)
    antipode = SpherePoint(ra + math.pi, -dec)
    assert start.separation(antipode) == pytest.approx(math.pi)
