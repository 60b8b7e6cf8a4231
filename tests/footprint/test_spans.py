from __future__ import annotations

import math
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from skysift.errors import InputError, SkysiftError
from skysift.footprint import Span, SpanSet
from skysift.geom import AffineTransform, Axes, Box2I, LinearTransform, Quadrupole

examples = settings(max_examples=50, deadline=None)
BOX = Box2I((-7, -5), (14, 11))


@st.composite
def span_sets(draw):
    return SpanSet.from_array(draw(arrays(bool, BOX.shape)), BOX.min)


def array_of(spans, box=BOX):
    return spans.as_array(box.shape, box.min)


@given(span_sets(), span_sets(), span_sets())
@examples
def test_algebra_is_boolean(a, b, c):
    everything = SpanSet.from_box(BOX)
    assert everything - (a | b) == (everything - a) & (everything - b)
    assert everything - (a & b) == (everything - a) | (everything - b)
    assert a & (b | c) == (a & b) | (a & c)
    assert a ^ b == (a | b) - (a & b)
    assert (a - b) | (a & b) == a
    assert a.overlaps(b) == (not (a & b).is_empty)
    np.testing.assert_array_equal(array_of(a | b), array_of(a) | array_of(b))


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-7, 7), st.integers(-2, 6)), max_size=12))
@examples
def test_construction_normalizes(runs):
    inside = np.zeros((11, 30), bool)
    for y, x0, width in runs:
        inside[y + 5, x0 + 10 : x0 + 10 + max(width, 0)] = True
    spans = SpanSet(*np.array([(y, x0, x0 + width - 1) for y, x0, width in runs], int).reshape(-1, 3).T)
    assert spans == SpanSet.from_array(inside, (-10, -5))
    assert spans.area == inside.sum()
    same_row = spans.y[1:] == spans.y[:-1]
    assert (spans.x0[1:][same_row] > spans.x1[:-1][same_row] + 1).all()


@given(span_sets(), st.integers(0, 6), st.sampled_from(["circle", "manhattan", "box"]))
@examples
def test_dilation_is_a_distance(spans, r, stencil):
    box = BOX.grown(r)
    outside = ~array_of(spans, box)
    if not spans.is_empty:
        if stencil == "circle":
            expected = np.rint(ndimage.distance_transform_edt(outside) ** 2) <= r * r
        else:
            expected = ndimage.distance_transform_cdt(outside, "taxicab" if stencil == "manhattan" else "chessboard") <= r
        np.testing.assert_array_equal(array_of(spans.dilated(r, stencil), box), expected)
    element = SpanSet.from_shape(r, stencil).as_array()
    np.testing.assert_array_equal(array_of(spans.eroded(r, stencil)), ndimage.binary_erosion(array_of(spans), element))


@given(span_sets(), st.integers(1, 3), st.integers(-3, 3), st.integers(-3, 3))
@examples
def test_morphology_identities(spans, r, dx, dy):
    element = SpanSet.from_shape(r, "box", (dx, dy))
    assert spans.dilated(element).eroded(element) - spans == spans.dilated(element).eroded(element) ^ spans
    assert (spans.eroded(element).dilated(element) - spans).is_empty
    assert spans.dilated(element) == spans.dilated(r, "box").shifted_by(dx, dy)
    assert spans.eroded(element) == spans.eroded(r, "box").shifted_by(-dx, -dy)
    assert spans.dilated(1, "box").dilated(r, "box") == spans.dilated(r + 1, "box")


@given(span_sets(), st.integers(-1000, 1000), st.integers(-1000, 1000))
@examples
def test_translation(spans, dx, dy):
    moved = spans.shifted_by(dx, dy)
    assert moved.shifted_by(-dx, -dy) == spans
    assert moved.area == spans.area
    assert len(moved.split()) == len(spans.split())
    if not spans.is_empty:
        assert moved.bbox == spans.bbox.shifted_by(dx, dy)
        assert moved.centroid.x - spans.centroid.x == pytest.approx(dx, abs=1e-9)
        assert moved.shape.ixy == pytest.approx(spans.shape.ixy, abs=1e-9)


@given(span_sets())
@examples
def test_flatten_round_trip(spans):
    image = np.arange(BOX.area, dtype=np.float32).reshape(BOX.shape)
    values = spans.flatten(image, BOX.min)
    np.testing.assert_array_equal(values, image[array_of(spans)])
    if not spans.is_empty:
        small = spans.unflatten(values, fill=-1)
        np.testing.assert_array_equal(spans.flatten(small, spans.bbox.min), values)
        assert (small[~spans.as_array()] == -1).all()
    target = np.zeros_like(image)
    spans.unflatten_into(target, values, BOX.min)
    np.testing.assert_array_equal(target, np.where(array_of(spans), image, 0))
    y, x = spans.indices()
    np.testing.assert_array_equal(spans.pixel_index(x, y), np.arange(spans.area))


@given(span_sets())
@examples
def test_membership(spans):
    y, x = np.mgrid[-8:9, -9:10]
    inside = spans.contains(x + 0.3, y - 0.4)
    np.testing.assert_array_equal(inside, array_of(spans, Box2I((-9, -8), (19, 17))))
    np.testing.assert_array_equal(spans.pixel_index(x, y) >= 0, inside)


@given(span_sets())
@examples
def test_split(spans):
    label, n = ndimage.label(array_of(spans))
    parts = spans.split()
    assert spans.is_contiguous == (n <= 1)
    assert len(parts) == max(n, 1)
    assert {part.area for part in parts} == {int((label == i).sum()) for i in range(1, n + 1)} or n == 0
    union = SpanSet()
    for part in parts:
        assert part.is_contiguous
        assert not part.overlaps(union)
        union |= part
    assert union == spans


@given(span_sets())
@examples
def test_moments(spans):
    y, x = spans.indices()
    if spans.is_empty:
        assert all(math.isnan(v) for v in (*spans.centroid, spans.shape.ixx))
        return
    assert spans.centroid == pytest.approx((x.mean(), y.mean()), abs=1e-12)
    assert (spans.shape.ixx, spans.shape.iyy) == pytest.approx((x.var(), y.var()), abs=1e-10)
    assert spans.shape.ixy == pytest.approx(((x - x.mean()) * (y - y.mean())).mean(), abs=1e-10)


@pytest.mark.parametrize("empty", [SpanSet(), SpanSet.from_array(np.zeros((0, 4))), SpanSet([1], [5], [4]), SpanSet.from_box(Box2I())])
def test_empty(empty):
    full = SpanSet.from_shape(3)
    assert empty.is_empty
    assert empty == SpanSet()
    assert not empty
    assert empty.area == 0
    assert empty.bbox.is_empty
    assert empty | full == full
    assert empty & full == empty
    assert full - empty == full
    assert empty - full == empty
    assert empty.dilated(3) == empty
    assert empty.eroded(3) == empty
    assert empty.split() == [empty]
    assert empty.is_contiguous
    assert not full.contains(empty)
    assert not empty.contains(0, 0)
    assert empty.flatten(np.zeros((3, 3))).size == 0
    assert empty.unflatten(np.zeros(0)).shape == (0, 0)
    assert empty.transformed_by(LinearTransform()) == empty
    assert empty.as_array((2, 2)).sum() == 0


def test_positions_that_are_nowhere():
    spans = SpanSet.from_shape(3)
    x = np.array([0.0, np.nan, np.inf, -np.inf, 1e300, 2.0**31, -(2.0**40)])
    assert spans.contains(x, np.zeros(7)).tolist() == [True] + [False] * 6
    assert spans.contains(0, 3.4)
    assert (0.2, -0.3) in spans
    assert spans.contains(SpanSet.from_shape(2))
    assert not spans.contains(SpanSet.from_shape(2, offset=(2, 0)))


def test_iteration_and_pickling():
    spans = SpanSet.from_shape(2, "manhattan", offset=(10, 20))
    assert list(spans)[:2] == [Span(18, 10, 10), Span(19, 9, 11)]
    assert next(iter(spans)).width == 1
    copy = pickle.loads(pickle.dumps(spans))
    assert copy == spans
    assert hash(copy) == hash(spans)
    assert "area 13" in repr(spans)
    assert spans != 3
    with pytest.raises(AttributeError, match="immutable"):
        spans.y = np.zeros(3)
    with pytest.raises(ValueError, match="read-only"):
        spans.y[0] = 3


def test_mask_bits():
    mask = np.zeros((10, 12), np.int32)
    spans = SpanSet.from_shape(2, offset=(1, 5))
    with pytest.raises(InputError, match="not inside the image"):
        spans.set_mask(mask, 4)
    spans.set_mask(mask, 4, clip=True)
    inside = spans.clipped_to(Box2I((0, 0), (12, 10)))
    assert SpanSet.from_mask(mask, 4) == inside
    assert SpanSet.from_mask(mask, 3).is_empty
    assert SpanSet.from_mask(SimpleNamespace(array=mask, xy0=(100, 50))) == inside.shifted_by(100, 50)
    spans.clear_mask(mask, 6, clip=True)
    assert not mask.any()


def test_big_endian_and_strided_arrays():
    image = np.arange(200, dtype=">f4").reshape(10, 20)[:, ::2]
    spans = SpanSet.from_array(image[::-1] > 100)
    np.testing.assert_array_equal(spans.flatten(image), image[image[::-1] > 100])
    np.testing.assert_array_equal(SpanSet.from_array(np.ma.masked_array(image, False) > 20).as_array((10, 10)), image > 20)


def test_vectors_per_pixel():
    cube = np.random.default_rng(1).random((8, 9, 3))
    spans = SpanSet.from_shape(2, offset=(4, 4))
    values = spans.flatten(cube)
    assert values.shape == (13, 3)
    np.testing.assert_array_equal(spans.unflatten(values)[spans.as_array()], values)


class TestEllipse:
    @given(st.floats(0.3, 9), st.floats(0.3, 9), st.floats(0, 3.1), st.floats(-2, 2), st.floats(-2, 2))
    @examples
    def test_pixels_are_those_inside(self, a, b, theta, xc, yc):
        y, x = np.mgrid[-13:14, -13:14]
        u = (x - xc) * np.cos(theta) + (y - yc) * np.sin(theta)
        v = (y - yc) * np.cos(theta) - (x - xc) * np.sin(theta)
        radius = (u / a) ** 2 + (v / b) ** 2
        found = SpanSet.from_ellipse(Axes(a, b, theta), (xc, yc)).as_array((27, 27), (-13, -13))
        sure = np.abs(radius - 1) > 1e-9
        np.testing.assert_array_equal(found[sure], (radius <= 1)[sure])

    def test_degenerate(self):
        assert SpanSet.from_ellipse(Quadrupole(4.0, 0.0, 0.0), (5.0, 7.0)) == SpanSet([7], [3], [7])
        assert SpanSet.from_ellipse(Quadrupole(0.0, 4.0, 0.0), (5.0, 7.0)) == SpanSet(range(5, 10), [5] * 5, [5] * 5)
        assert SpanSet.from_ellipse(Quadrupole(math.nan, 4.0, 0.0), (5.0, 7.0)).is_empty
        assert SpanSet.from_ellipse(Axes(3.0, 2.0, 0.0), (math.inf, 7.0)).is_empty
        assert SpanSet.from_ellipse(Quadrupole(-1.0, 4.0, 0.0)).is_empty


class TestTransform:
    def test_shift_and_turn(self):
        spans = SpanSet([0, 1], [0, 0], [4, 0])
        moved = spans.transformed_by(AffineTransform(translation=(10.2, -3.1)))
        assert moved == spans.shifted_by(10, -3)
        turned = spans.transformed_by(LinearTransform([[0.0, -1.0], [1.0, 0.0]]))
        assert turned == SpanSet([0, 1, 2, 3, 4], [-1, 0, 0, 0, 0], [0, 0, 0, 0, 0])

    def test_scaling_keeps_the_area_in_proportion(self):
        spans = SpanSet.from_shape(20)
        assert spans.transformed_by(LinearTransform.scaling(3.0)).area == pytest.approx(9 * spans.area, rel=0.01)

    def test_no_usable_inverse(self):
        class Fold:
            def __call__(self, x, y):
                return x * x, y

            def inverted(self):
                return lambda x, y: (np.sqrt(np.abs(x)), y)

        assert SpanSet.from_shape(5).transformed_by(Fold()).is_empty
        assert SpanSet.from_shape(5).transformed_by(AffineTransform(translation=(math.nan, 0))).is_empty

    def test_absurd_scale(self):
        with pytest.raises(InputError, match="would span"):
            SpanSet.from_shape(50).transformed_by(LinearTransform.scaling(1000.0))


@pytest.mark.parametrize(
    "make",
    [
        lambda: SpanSet([1, 2], [3], [4]),
        lambda: SpanSet.from_shape(-1),
        lambda: SpanSet.from_shape(2, "star"),
        lambda: SpanSet.from_array(np.zeros(5)),
        lambda: SpanSet.from_shape(2).eroded(SpanSet()),
        lambda: SpanSet.from_shape(2).flatten(np.zeros((9, 9))),
        lambda: SpanSet.from_shape(2, offset=(4, 4)).unflatten_into(np.zeros((9, 9)), np.zeros(4)),
        lambda: SpanSet.from_shape(2).flatten(np.zeros(9)),
        lambda: SpanSet([0], [0], [2**40]),
        lambda: SpanSet([0], [np.nan], [3]),
        lambda: SpanSet.from_shape(10**9),
        lambda: SpanSet.from_ellipse(Axes(1e9, 1e9, 0.0)),
        lambda: SpanSet.from_ellipse(Axes(1e150, 1.0, 0.5)),
        lambda: SpanSet.from_ellipse(Axes(1.0, 1.0, 0.5), (1e18, 0.0)),
        lambda: SpanSet.from_shape(2).shifted_by(2**40, 0),
        lambda: SpanSet([-(10**9), 10**9], [-(10**9), 10**9], [-(10**9), 10**9]).dilated(1),
        lambda: SpanSet([-(10**9), 10**9], [-(10**9), 10**9], [-(10**9), 10**9]).eroded(1),
        lambda: SpanSet([-(10**9), 10**9], [-(10**9), 10**9], [-(10**9), 10**9]).as_array(),
        lambda: SpanSet([-(10**9), 10**9], [-(10**9), 10**9], [-(10**9), 10**9]).unflatten([1, 2]),
    ],
)
def test_errors_are_one_line(make):
    with pytest.raises(SkysiftError) as caught:
        make()
    assert str(caught.value)
    assert "\n" not in str(caught.value)
