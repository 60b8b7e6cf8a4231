from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from skysift.footprint import SpanSet, polygons_of_spans


def signed_area(polygon):
    x, y = polygon.T
    return 0.5 * (x * np.roll(y, -1) - np.roll(x, -1) * y).sum()


def test_a_pixel_and_a_ring():
    (pixel,) = polygons_of_spans(SpanSet([7], [3], [3]))
    assert sorted(pixel.tolist()) == [[2.5, 6.5], [2.5, 7.5], [3.5, 6.5], [3.5, 7.5]]
    assert signed_area(pixel) == 1
    ring = SpanSet.from_shape(1, "box") - SpanSet.from_shape(0)
    assert sorted(signed_area(polygon) for polygon in polygons_of_spans(ring)) == [-1, 9]
    assert all(len(polygon) == 4 for polygon in polygons_of_spans(ring))
    assert polygons_of_spans(SpanSet()) == []


@given(arrays(bool, st.tuples(st.integers(1, 10), st.integers(1, 10))))
@settings(max_examples=50, deadline=None)
def test_areas_and_numbers(mask):
    polygons = polygons_of_spans(SpanSet.from_array(mask, (-4, 3)))
    areas = [signed_area(polygon) for polygon in polygons]
    assert sum(areas) == mask.sum()
    assert sum(area > 0 for area in areas) == ndimage.label(mask)[1]
    # The outside of the padded mask is no hole.
    assert sum(area < 0 for area in areas) == ndimage.label(np.pad(~mask, 1, constant_values=True), np.ones((3, 3)))[1] - 1
    for polygon in polygons:
        sides = np.roll(polygon, -1, axis=0) - polygon
        assert ((sides == 0).sum(axis=1) == 1).all()
