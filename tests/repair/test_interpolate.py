"""Interpolation over defects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.errors import InputError
from skysift.geom import Box2I
from skysift.image import Image, MaskedImage
from skysift.repair import interpolate_image, interpolate_over_defects
from skysift.repair.config import InterpImageConfig
from skysift.repair.interpolate import interpolation_weights


def test_published_weights():
    table = interpolation_weights()
    np.testing.assert_allclose(table[15, 1, 0], [-0.2737, 0.7737, 0.7737, -0.2737])
    np.testing.assert_allclose(table[12, 1, 0], [0, 0, 1.4288, -0.4288])
    np.testing.assert_allclose(table[12, 2, 0], [0, 0, 1.0933, -0.0933])
    np.testing.assert_allclose(table[12, 3, 0], [0, 0, 0.6968, 0.3032])
    np.testing.assert_allclose(table[15, 2, 0], [-0.4793, 1.1904, 0.5212, -0.2323])
    np.testing.assert_allclose(table[6, 3, 0], [0, 0.8430, 0.1570, 0], atol=1e-4)
    np.testing.assert_allclose(table[15, 11, 7], 0.25)
    np.testing.assert_allclose(table[15, 11, 0], [-0.5177, 1.3400, 0.0888, 0.0888], atol=1e-4)
    np.testing.assert_allclose(table[15, 11, 1], [-0.2768, 0.9098, 0.1835, 0.1835], atol=1e-4)
    np.testing.assert_allclose(table[15, 11, 2], [0.0705, 0.4642, 0.2326, 0.2326], atol=1e-4)
    diagonal = interpolation_weights(np.sqrt(0.5))
    np.testing.assert_allclose(diagonal[15, 1, 0], [-0.2358, 0.7358, 0.7358, -0.2358])


def test_weights_sum_to_one():
    table = interpolation_weights()
    sums = table.sum(axis=-1)
    for length in range(1, 12):
        used = slice(None) if length == 11 else slice(length)
        np.testing.assert_allclose(sums[1:, length, used], 1.0, atol=3e-4)


def plain_interpolation(row, bad):
    """The same in plain numpy, for runs inside a row: solve the predictor's equations for each bad pixel."""
    out = row.astype(np.float64).copy()
    for x in np.flatnonzero(bad):
        left, right = x, x
        while bad[left - 1]:
            left -= 1
        while bad[right + 1]:
            right += 1
        places = [p for p in (left - 2, left - 1, right + 1, right + 2) if 0 <= p < row.size and not bad[p]]
        places = np.array(places, float)
        n = places.size
        system = np.ones((n + 1, n + 1))
        system[n, n] = 0
        system[:n, :n] = np.exp(-((places[:, None] - places) ** 2) / 4)
        weights = np.linalg.lstsq(system, np.append(np.exp(-((places - x) ** 2) / 4), 1.0), rcond=None)[0][:n]
        out[x] = np.round(weights, 4) @ row[places.astype(int)]
    return out


@settings(max_examples=40, deadline=None)
@given(st.lists(st.booleans(), min_size=8, max_size=40), st.integers(0, 2**31))
def test_kernel_is_the_predictor(pattern, seed):
    bad = np.array([False, *pattern, False])
    row = np.random.default_rng(seed).normal(100, 10, bad.size).astype(np.float32)
    image = MaskedImage(Image(row[None].copy()))
    interpolate_over_defects(image, bad[None])
    np.testing.assert_allclose(image.image.array[0], plain_interpolation(row, bad), rtol=1e-5, atol=2e-2)
    np.testing.assert_array_equal(image.mask.array[0] != 0, bad)
    np.testing.assert_array_equal(image.image.array[0][~bad], row[~bad])


def test_constant_image_stays_constant():
    image = MaskedImage(Image(np.full((20, 30), 1000, np.float32)))
    image.image.array[:, 10:14] = -5
    interpolate_over_defects(image, [Box2I((10, 0), (4, 20))])
    np.testing.assert_allclose(image.image.array, 1000, rtol=3e-4)


def test_transpose_is_interpolation_along_columns():
    array = np.random.default_rng(1).normal(0, 1, (15, 22)).astype(np.float32)
    bad = np.zeros(array.shape, bool)
    bad[4:6] = True
    across = MaskedImage(Image(array.copy()))
    interpolate_over_defects(across, bad, transpose=True)
    along = MaskedImage(Image(array.T.copy()))
    interpolate_over_defects(along, bad.T.copy())
    np.testing.assert_array_equal(across.image.array, along.image.array.T)


def test_variance_can_be_propagated():
    image = MaskedImage(Image(np.ones((3, 9), np.float32)), None, Image(np.ones((3, 9), np.float32)))
    image.variance.array[:, 4] = np.nan
    interpolate_over_defects(image, [Box2I((4, 0), (1, 3))], variance="propagate")
    np.testing.assert_allclose(image.variance.array[:, 4], 2 * (0.2737**2 + 0.7737**2), rtol=1e-5)
    with pytest.raises(InputError, match="not known"):
        interpolate_over_defects(image, [Box2I((4, 0), (1, 3))], variance="other")


def test_nan_neighbours_and_whole_rows():
    array = np.ones((3, 9), np.float32)
    array[0, 3] = np.nan
    array[1] = np.nan
    bad = np.zeros(array.shape, bool)
    bad[:2, 4] = True
    bad[2] = True
    image = MaskedImage(Image(array))
    interpolate_over_defects(image, bad, fallback=7.0)
    assert image.image.array[0, 4] == 1.0
    assert image.image.array[1, 4] == 7.0
    np.testing.assert_array_equal(image.image.array[2], 7.0)


def test_nothing_to_do():
    image = MaskedImage(Image(np.ones((4, 5), np.float32)))
    assert interpolate_over_defects(image, []) == 0
    assert interpolate_over_defects(image, [Box2I((100, 100), (5, 5))]) == 0
    assert interpolate_over_defects(MaskedImage(Image(np.ones((0, 5), np.float32))), 1) == 0
    np.testing.assert_array_equal(image.mask.array, 0)


def test_view_is_filled_in_place():
    whole = MaskedImage(Image(np.ones((20, 30), np.float32), (100, 200)))
    part = whole[Box2I((105, 205), (10, 10))]
    part.image.array[:, 5] = 50
    interpolate_over_defects(part, [Box2I((110, 200), (1, 30))])
    np.testing.assert_allclose(whole.image.array, 1.0, atol=1e-4)
    assert np.count_nonzero(whole.mask.array) == 10


def test_interpolate_image_of_a_plane():
    image = MaskedImage(Image(np.full((10, 12), 3, np.float32)))
    image.image.array[2, 2] = 99
    image.mask.set("BAD", image.image.array == 99)
    assert interpolate_image(image, plane="BAD") == 1
    np.testing.assert_allclose(image.image.array, 3, rtol=1e-4)
    with pytest.raises(InputError, match="either"):
        interpolate_image(image)
    with pytest.raises(InputError, match="no plane 'NOPE'"):
        interpolate_image(image, plane="NOPE")


@pytest.mark.parametrize(("kind", "value"), [("MEAN", 5.5), ("MEDIAN", 5.0), ("MEANCLIP", 5.0), ("USER", -2.0)])
def test_fallback_value(kind, value):
    array = np.full((10, 20), 5, np.float32)
    array[0, 19] = 105
    config = InterpImageConfig()
    config.fallbackValueType = kind
    config.fallbackUserValue = -2.0
    config.negativeFallbackAllowed = True
    config.validate()
    image = MaskedImage(Image(array))
    interpolate_image(image, config, defects=[Box2I((0, 0), (10, 10))])
    # The ten bad pixels at the border: six next to the good side are interpolated, the others take the fallback value.
    np.testing.assert_allclose(image.image.array[5, :4], value * (1.0 if kind != "MEAN" else 6.0 / 5.5), rtol=1e-5)


def test_negative_user_value_must_be_allowed():
    config = InterpImageConfig()
    config.fallbackValueType = "USER"
    config.fallbackUserValue = -1.0
    with pytest.raises(ValueError, match="negativeFallbackAllowed"):
        config.validate()
