"""Points and boxes."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.errors import InputError
from skysift.geom import Box2D, Box2I, Extent2D, Extent2I, Point2D, Point2I

integers = st.integers(-20, 20)
boxes = st.builds(lambda x, y, w, h: Box2I((x, y), (w, h)), integers, integers, st.integers(-2, 9), st.integers(-2, 9))


def pixels(box):
    return {(x, y) for x in range(box.min_x, box.end_x) for y in range(box.min_y, box.end_y)}


def test_points():
    a, b = Point2I(3, 4), Point2D(1.5, -0.5)
    assert a - b == Extent2D(1.5, 4.5)
    assert type(a - Point2I(1, 1)) is Extent2I
    assert type(a + Extent2I(1, 1)) is Point2I
    assert type(a + Extent2D(0.5, 0)) is Point2D
    assert Point2I(Point2D(0.5, -0.5)) == (1, 0)
    assert Point2I(np.int64(3), np.float32(2.4)) == (3, 2)
    assert (a.x, a.y, a[0], list(a)) == (3, 4, 3, [3, 4])
    assert -Extent2I(1, 2) == (-1, -2)
    assert a * 2 == Point2I(6, 8)
    assert Extent2I(3, 4).norm == 5.0
    assert a.distance_to((0, 0)) == 5.0
    assert pickle.loads(pickle.dumps(a)) == a
    assert type(pickle.loads(pickle.dumps(a))) is Point2I
    assert repr(b) == "Point2D(1.5, -0.5)"
    with pytest.raises(TypeError):
        a + b
    with pytest.raises(InputError):
        Point2I(np.nan, 0)
    with pytest.raises(AttributeError):
        a.x = 3


def test_box_basics():
    box = Box2I.from_min_max((10, 20), (14, 22))
    assert box == Box2I(Point2I(10, 20), Extent2I(5, 3)) == Box2I(Point2I(10, 20), Point2I(14, 22))
    assert (box.width, box.height, box.area, box.shape) == (5, 3, 15, (3, 5))
    assert (box.max_x, box.max_y, box.end_x, box.end_y) == (14, 22, 15, 23)
    assert box.center == Point2D(12, 21)
    assert box.corners == [(10, 20), (14, 20), (14, 22), (10, 22)]
    assert box.contains(Point2I(14, 22))
    assert box.contains((14.49, 22.4))
    assert not box.contains((14.5, 22))
    assert not box.contains((np.nan, 21))
    assert (12, 21) in box
    array = np.arange(200).reshape(10, 20)
    assert array[box.slices((5, 18))].shape == (3, 5)
    assert array[box.slices((5, 18))][0, 0] == array[2, 5]
    assert pickle.loads(pickle.dumps(box)) == box
    assert len({box, Box2I.from_min_max((10, 20), (14, 22))}) == 1
    with pytest.raises(InputError):
        box.slices((11, 0))
    with pytest.raises(AttributeError):
        box.min = Point2I(0, 0)


def test_empty_boxes():
    empty = Box2I((5, 5), (0, 3))
    assert empty.is_empty
    assert empty == Box2I() == Box2I((1, 1), (-4, 2)) == Box2I.from_min_max((3, 3), (2, 9))
    assert Box2I((0, 0), (2, 2)).contains(empty)
    assert not Box2I((0, 0), (2, 2)).overlaps(empty)
    assert empty.grown(5).is_empty
    assert empty.shifted_by(2, 3).is_empty
    assert empty.including((4, 7)) == Box2I((4, 7), (1, 1))
    assert np.zeros((4, 4))[empty.slices()].size == 0
    assert Box2D(empty).is_empty
    assert Box2D((0, 0), (np.nan, 3)).is_empty
    assert Box2I.from_box2d(Box2D()).is_empty


@settings(deadline=None, max_examples=150)
@given(boxes, boxes, st.integers(-3, 4), integers, integers)
def test_boxes_are_sets_of_pixels(a, b, n, dx, dy):
    shared = pixels(a) & pixels(b)
    assert pixels(a.clipped_to(b)) == shared
    assert a.overlaps(b) == bool(shared)
    assert a.contains(b) == (pixels(b) <= pixels(a))
    both = a.including(b)
    assert both.contains(a)
    assert both.contains(b)
    assert pixels(a.shifted_by(dx, dy)) == {(x + dx, y + dy) for x, y in pixels(a)}
    grown = a.grown(n)
    if not a.is_empty:
        assert (grown.width, grown.height) == (a.width + 2 * n, a.height + 2 * n) or grown.is_empty
    assert Box2I.from_box2d(Box2D(a)) == a
    assert all((p in a) == (p in pixels(a)) for p in [(dx, dy), (a.max_x, a.max_y), (a.end_x, a.min_y)])


def test_box2d():
    box = Box2D(Box2I((0, 0), (3, 2)))
    assert (box.min, box.max) == ((-0.5, -0.5), (2.5, 1.5))
    assert box.contains((-0.5, -0.5))
    assert not box.contains((2.5, 0.0))
    assert (box.width, box.height, box.area) == (3.0, 2.0, 6.0)
    assert box.center == (1.0, 0.5)
    assert box.clipped_to(Box2D((1, 1), (9, 9))) == Box2D((1, 1), (2.5, 1.5))
    assert not box.overlaps(Box2D((2.5, 0), (3, 1)))
    assert box.contains(Box2D((0, 0), (1, 1)))
    assert pickle.loads(pickle.dumps(box)) == box
    with pytest.raises(InputError):
        Box2I.from_box2d(Box2D((0, 0), (np.inf, 1)))
