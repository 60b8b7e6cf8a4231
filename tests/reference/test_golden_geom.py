"""Boxes, points, ellipses and sphere positions against the LSST library."""

from __future__ import annotations

import numpy as np
import pytest

from skysift.geom import Axes, Box2D, Box2I, Point2D, Point2I, Quadrupole, SpherePoint


@pytest.fixture
def g(golden):
    return golden("geom")


def as_row(box):
    return [box.min_x, box.min_y, box.width, box.height]


@pytest.mark.parametrize("expand", [True, False])
def test_boxes(g, expand):
    made = [as_row(Box2I.from_box2d(Box2D((x, y), (x + w, y + h)), expand)) for x, y, w, h in g["box2d"]]
    np.testing.assert_array_equal(made, g["box2i_expand" if expand else "box2i_shrink"])


def test_box2d_of_box2i(g):
    boxes = [Box2D(Box2I((int(x), int(y)), (int(w), int(h)))) for x, y, w, h in g["box2i"]]
    np.testing.assert_array_equal([[*b.min, *b.max] for b in boxes], g["box2d_of_box2i_minmax"])


def test_rounding(g):
    np.testing.assert_array_equal([Point2I(Point2D(v, -v)).x for v in g["point2d"]], g["point2i"])


def test_ellipses(g):
    shapes = [Quadrupole(*row) for row in g["quadrupole"]]
    axes = [q.axes for q in shapes]
    np.testing.assert_allclose([[a.a, a.b, a.theta] for a in axes], g["axes"], rtol=1e-12)
    np.testing.assert_allclose([[q.determinant_radius, q.trace_radius, q.area] for q in shapes], g["radii_det_trace_area"], rtol=1e-12)
    np.testing.assert_allclose([[*q.conformal_shear, q.trace_radius] for q in shapes], g["conformal_trace"], rtol=1e-10)
    np.testing.assert_allclose([[*q.distortion, q.determinant_radius] for q in shapes], g["distortion_det"], rtol=1e-12)
    back = [Axes(*row).quadrupole for row in g["axes"]]
    np.testing.assert_allclose([[q.ixx, q.iyy, q.ixy] for q in back], g["quadrupole"], rtol=1e-10, atol=1e-12)


def test_sphere(g):
    made = []
    for ra1, dec1, ra2, dec2 in g["sphere_pairs_deg"]:
        a, b = SpherePoint.from_degrees(ra1, dec1), SpherePoint.from_degrees(ra2, dec2)
        moved = a.offset(np.radians(40.0), np.radians(2.0))
        made.append([a.separation(b).degrees, a.bearing_to(b).degrees, np.degrees(moved.ra), np.degrees(moved.dec)])
    np.testing.assert_allclose(made, g["sphere_sep_bearing_offset"], rtol=1e-10, atol=1e-10)
