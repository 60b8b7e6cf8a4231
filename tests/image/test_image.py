"""Images: cutting, arithmetic, what they say of themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.errors import InputError
from skysift.geom import Box2I, Extent2I, Point2I
from skysift.image import ChebyshevField, Image


@pytest.fixture
def image():
    return Image(np.arange(20, dtype=np.float32).reshape(4, 5), (10, -3), unit="adu")


def test_keeps_the_array(image):
    array = np.zeros((3, 4))
    assert Image(array).array is array
    assert (image.width, image.height, image.shape, image.dimensions) == (5, 4, (4, 5), Extent2I(5, 4))
    assert image.xy0 == Point2I(10, -3)
    assert image.bbox == Box2I((10, -3), (5, 4))
    image.xy0 = (0, 0)
    assert image.bbox.min == (0, 0)


def test_numpy_sees_the_array(image):
    assert np.asarray(image) is image.array or np.shares_memory(np.asarray(image), image.array)
    assert np.asarray(image, dtype=np.float64).dtype == np.float64
    assert np.median(image) == 9.5
    assert np.ndim(image) == 2


def test_cutting(image):
    assert image[10, -3] == 0.0
    assert image[Point2I(14, 0)] == 19.0
    part = image[11:13, -2:0]
    assert part.xy0 == (11, -2)
    assert part.unit == "adu"
    np.testing.assert_array_equal(part.array, [[6, 7], [11, 12]])
    assert np.shares_memory(part.array, image.array)
    assert image[Box2I((11, -2), (2, 2))].bbox == part.bbox
    assert image[:, :].bbox == image.bbox
    assert image[12:, :-1].shape == (2, 3)
    part[11, -2] = 100.0
    assert image.array[1, 1] == 100.0
    image[11:13, -2:0] = Image(np.ones((2, 2)))
    image[Box2I((14, 0), (1, 1))] = 7
    assert image.array[1:3, 1:3].sum() == 4.0
    assert image.array[3, 4] == 7.0


def test_local_cutting(image):
    assert image.local[0, 0] == 0.0
    assert image.local[-1, -1] == 19.0
    part = image.local[1:-1, -2:]
    assert part.bbox == Box2I((11, -1), (3, 2))
    assert image.local[Box2I((0, 0), (2, 2))].xy0 == (10, -3)
    image.local[0:2, 0:2] = 5.0
    assert image.array[:2, :2].sum() == 20.0
    assert image.local[:1000, :1000].bbox == image.bbox


@pytest.mark.parametrize(
    "key",
    [(0, 0), (15, 0), slice(1, 2), 3, "x", (slice(0, 3), slice(None)), (slice(10, 14, 2), slice(None)), Box2I((9, 0), (3, 1)), (10.0, 0)],
)
def test_impossible_cuts(image, key):
    with pytest.raises(InputError):
        image[key]
    with pytest.raises(TypeError):
        iter(image)


def test_wrong_shapes(image):
    with pytest.raises(InputError):
        Image(np.zeros(3))
    with pytest.raises(InputError):
        image + Image(np.zeros((2, 2)))


def test_arithmetic(image):
    before = image.array.copy()
    same = image
    image += 1
    image -= np.ones((4, 5))
    image *= 2.0
    image /= 2
    assert image is same
    np.testing.assert_array_equal(image.array, before)
    assert image.array.dtype == np.float32
    total = image + image
    assert total.unit == "adu"
    assert total.array.dtype == np.float32
    np.testing.assert_array_equal(total.array, 2 * before)
    np.testing.assert_array_equal((image - 1).array, before - 1)
    np.testing.assert_array_equal((1 - image).array, 1 - before)
    np.testing.assert_array_equal((-image).array, -before)
    np.testing.assert_array_equal((3 * image).array, 3 * before)
    np.testing.assert_array_equal((np.ones((4, 5)) * image).array, before)
    assert (1 / image).array[0, 0] == np.inf
    assert (image / image).array[0, 1] == 1.0
    assert image.scaled_plus(-2, image) is image
    np.testing.assert_array_equal(image.array, -before)
    assert (image.copy() + 1).array[0, 0] == 1.0


def test_fields_as_operands(image):
    field = ChebyshevField(image.bbox, [[2.0, 1.0]])
    expected = image.array * field.grid(image.bbox).astype(np.float32)
    np.testing.assert_allclose((image * field).array, expected)
    image *= field
    np.testing.assert_allclose(image.array, expected)


def test_integer_images():
    image = Image(np.array([[1, 2]], dtype=">i2"))
    assert (image * 0.5).array.tolist() == [[0.5, 1.0]]
    image += 1
    assert image.array.tolist() == [[2, 3]]


def test_empty_images_and_descriptions(image):
    empty = Image(np.empty((0, 7)), (3, 4))
    assert empty.bbox.is_empty
    assert (empty + 1).xy0 == (3, 4)
    assert empty[:, :].shape == (0, 0)
    assert repr(image) == "Image(5 x 4 at (10, -3), float32, adu)"
    assert "0" in repr(empty)


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_a_cut_shows_the_same_pixels(data):
    x0, y0 = data.draw(st.integers(-9, 9)), data.draw(st.integers(-9, 9))
    whole = Image(np.random.default_rng(0).normal(size=(7, 9)), (x0, y0))
    xa, xb = sorted(data.draw(st.lists(st.integers(x0, x0 + 9), min_size=2, max_size=2, unique=True)))
    ya, yb = sorted(data.draw(st.lists(st.integers(y0, y0 + 7), min_size=2, max_size=2, unique=True)))
    part = whole[xa:xb, ya:yb]
    assert part.bbox == Box2I((xa, ya), (xb - xa, yb - ya))
    assert all(part[x, y] == whole[x, y] for x in range(xa, xb) for y in range(ya, yb))
