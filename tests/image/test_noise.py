"""Variance from pixels alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from skysift.errors import InputError
from skysift.geom import Box2I
from skysift.image import Image, Mask, estimate_variance
from skysift.kernels.noise import noise_cells, spread_variance


def noise(shape=(400, 500), sigma=10.0, seed=3):
    return np.random.default_rng(seed).normal(100.0, sigma, shape).astype(np.float32)


def ratio(estimate, truth):
    return float(np.median(estimate / truth))


def test_white_noise():
    variance = estimate_variance(noise((700, 900)))
    assert variance.dtype == np.float32
    assert ratio(variance, 100.0) == pytest.approx(1.0, abs=0.04)
    assert np.ptp(variance) < 20.0


def test_correlated_noise():
    from scipy.ndimage import gaussian_filter

    image = gaussian_filter(noise((900, 900)), 0.9)
    assert ratio(estimate_variance(image), image.var()) == pytest.approx(1.0, abs=0.06)


def test_noise_that_changes_across_the_image():
    truth = np.broadcast_to(np.linspace(5.0, 15.0, 1200) ** 2, (600, 1200))
    image = np.random.default_rng(1).normal(size=truth.shape) * np.sqrt(truth)
    # The cells at the border lean on their neighbours.
    np.testing.assert_allclose(estimate_variance(image)[:, 150:-100:97], truth[:, 150:-100:97], rtol=0.15)


def test_gradients_and_sources_do_not_count():
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(6)
    y, x = np.mgrid[:768, :768]
    stars = np.zeros((768, 768))
    np.add.at(stars, (rng.integers(0, 768, 500), rng.integers(0, 768, 500)), rng.pareto(1.2, 500) * 300)
    image = noise((768, 768)) + 0.5 * x + 2000 * np.exp(-np.hypot(x - 400, y - 350) / 80) + gaussian_filter(stars, 1.7)
    assert ratio(estimate_variance(image), 100.0) == pytest.approx(1.0, abs=0.06)


def test_sources_everywhere():
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(5)
    stars = np.zeros((512, 512))
    np.add.at(stars, (rng.integers(0, 512, 12_000), rng.integers(0, 512, 12_000)), rng.pareto(1.0, 12_000) * 300)
    image = noise((512, 512)) + gaussian_filter(stars, 1.0)
    assert ratio(estimate_variance(image), 100.0) == pytest.approx(1.2, abs=0.2)


def test_light_above_the_sky_adds_its_noise():
    image = noise((512, 512))
    image[200:204, 200:204] += 5000.0
    without, with_gain = estimate_variance(image), estimate_variance(image, gain=2.0)
    assert without[201, 201] == pytest.approx(100.0, rel=0.1)
    assert with_gain[201, 201] == pytest.approx(100.0 + 2500.0, rel=0.05)
    assert ratio(with_gain, 100.0) == pytest.approx(1.0, abs=0.1)
    assert estimate_variance(image, gain=1.0, read_noise=30.0).min() == pytest.approx(900.0)
    for useless in (0.0, -1.0, math.nan, math.inf):
        np.testing.assert_array_equal(estimate_variance(image, gain=useless), without)


def test_masked_and_filled_pixels():
    image = noise()
    image[:, :200] = 0.0
    image[::7, ::5] = np.nan
    image[300:, 400:] = 1e6 * np.random.default_rng(0).normal(size=(100, 100))
    mask = Mask(np.zeros(image.shape, dtype=np.int32))
    mask.set("SAT", Box2I((400, 300), (100, 100)))
    mask.set("DETECTED", Box2I((0, 0), (500, 400)))
    for given_mask in (mask, mask.has("SAT"), mask.array & 2):
        variance = estimate_variance(Image(image), given_mask)
        assert np.isfinite(variance).all()
        assert ratio(variance, 100.0) == pytest.approx(1.0, abs=0.1)
    hidden = estimate_variance(np.ma.array(image, mask=mask.has("SAT")))
    assert ratio(hidden, 100.0) == pytest.approx(1.0, abs=0.1)
    with pytest.raises(InputError):
        estimate_variance(image, np.zeros((2, 2), dtype=bool))


@pytest.mark.parametrize("shape", [(1, 200), (200, 1), (9, 9), (40, 60), (129, 257)])
def test_small_images(shape):
    variance = estimate_variance(noise(shape))
    assert variance.shape == shape
    assert np.isnan(variance).all() or ratio(variance, 100.0) == pytest.approx(1.0, abs=0.9)


def test_images_without_noise():
    assert np.isnan(estimate_variance(np.full((50, 60), 3.0))).all()
    assert np.isnan(estimate_variance(np.full((50, 60), np.nan))).all()
    assert np.isnan(estimate_variance(np.ones((2, 2)))).all()
    assert estimate_variance(np.empty((0, 5))).shape == (0, 5)
    assert estimate_variance(np.arange(6000).reshape(60, 100).astype(">i4")).shape == (60, 100)


def test_any_type_and_order():
    image = noise()
    np.testing.assert_array_equal(estimate_variance(image.astype(">f8")), estimate_variance(image))


def test_cells_are_what_numpy_says():
    from skysift.statistics import clipped_stats

    image = noise((100, 130))
    cells = noise_cells(image, np.empty((0, 0), dtype=bool), 64, 3, 8)
    assert cells.shape == (4, 2, 3)
    block = image[0:64:3, 64:128]
    assert cells[0, 0, 1] == pytest.approx(np.median(block))
    assert cells[3, 0, 1] == pytest.approx(np.diff(np.quantile(block, [0.02275013, 0.15865525]))[0], rel=1e-5)
    near = block[:, :] - 0.5 * (image[0:64:3, 63:127] + image[0:64:3, 65:129])
    far = image[0:64:3, 64:122] - 0.5 * (image[0:64:3, 56:114] + image[0:64:3, 72:130])
    assert cells[2, 0, 1] == pytest.approx(clipped_stats(near)[1] / math.sqrt(1.5), rel=1e-5)
    assert cells[1, 0, 1] == pytest.approx(clipped_stats(far)[1] / math.sqrt(1.5), rel=1e-5)


def test_spreading_is_bilinear():
    from scipy.interpolate import RegularGridInterpolator

    rng = np.random.default_rng(2)
    sky, variance = rng.uniform(0, 5, (3, 4)).astype(np.float32), rng.uniform(50, 99, (3, 4)).astype(np.float32)
    image = rng.uniform(0, 20, (50, 70)).astype(np.float32)
    centres = [(np.arange(n) + 0.5) * 18 - 0.5 for n in (3, 4)]
    y, x = np.mgrid[:50, :70]
    at = np.stack([np.clip(y, centres[0][0], centres[0][-1]), np.clip(x, centres[1][0], centres[1][-1])], axis=-1)
    expected = RegularGridInterpolator(centres, variance)(at) + np.maximum(image - RegularGridInterpolator(centres, sky)(at), 0) / 2.0
    found = np.empty_like(image)
    spread_variance(image, sky, variance, 18, 0.5, 60.0, found)
    np.testing.assert_allclose(found, np.maximum(expected, 60.0), rtol=1e-5)
