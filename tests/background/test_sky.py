"""The sky estimate: unbiased by sources, and sane on any input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from skysift.background import TooManyMaskedPixelsError, estimate_sky, fit_background
from skysift.background.config import BackgroundConfig, SkyConfig
from skysift.background.smooth import smooth_cells
from skysift.errors import InputError
from skysift.image import Image, Mask, MaskedImage
from skysift.kernels.sky import bin_image, cell_sums, grow_with_brightness

NOISE = 10.0


def sky_of(array, mask=None, **fields):
    config = SkyConfig()
    for name, value in fields.items():
        setattr(config, name, value)
    return estimate_sky(MaskedImage(Image(array.astype(np.float32)), None if mask is None else Mask(mask)), config=config)


def field(seed, size=768, density=2e-3, slope=1.0):
    """Point sources of a power-law distribution of fluxes, with the wings of a Moffat profile, on a noisy sky."""
    rng = np.random.default_rng(seed)
    n = int(density * size**2)
    sources = np.zeros((size, size))
    np.add.at(sources, (rng.integers(0, size, n), rng.integers(0, size, n)), (200 * rng.pareto(slope, n)).clip(0, 1e5))
    core = gaussian_filter(sources, 1.8)
    wings = gaussian_filter(sources, 8.0)
    sources = 0.9 * core + 0.1 * wings
    y, x = np.mgrid[:size, :size] / size
    truth = 500 + 20 * x - 10 * y + 8 * x * y
    return truth + sources + rng.normal(0, NOISE, truth.shape), truth


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_sources_leave_little_bias(seed):
    image, truth = field(seed)
    sky = sky_of(image)
    error = sky.image().array - truth
    assert abs(error.mean()) < 0.02 * NOISE
    assert error.std() < 0.04 * NOISE
    config = BackgroundConfig()
    config.useApprox = False
    plain = fit_background(MaskedImage(Image(image.astype(np.float32))), config).image().array - truth
    assert abs(error.mean()) < 0.25 * plain.mean()
    np.testing.assert_allclose(np.median(sky.rms), NOISE, rtol=0.02)


def test_noise_alone_leaves_no_bias():
    rng = np.random.default_rng(4)
    means = [sky_of(rng.normal(100, NOISE, (512, 512))).image().array.mean() - 100 for _ in range(6)]
    assert abs(np.mean(means)) < 3 * NOISE / 512 / np.sqrt(6) * 1.5


def test_structure_of_the_sky_is_followed():
    y, x = np.mgrid[:1024, :1024]
    truth = 300 + 15 * np.exp(-((x - 600) ** 2 + (y - 400) ** 2) / (2 * 300**2))
    image = truth + np.random.default_rng(5).normal(0, NOISE, truth.shape)
    error = sky_of(image).image().array - truth
    assert error.std() < 0.03 * NOISE
    assert np.abs(error).max() < 0.2 * NOISE


def test_a_large_galaxy_is_not_sky():
    y, x = np.mgrid[:1200, :1200]
    radius = np.hypot(x - 500, (y - 620) * 1.4)
    rng = np.random.default_rng(6)
    image = 100 + 5000 * np.exp(-radius / 40) + rng.normal(0, NOISE, x.shape)
    error = sky_of(image).image().array - 100
    assert np.abs(error).max() < NOISE
    assert abs(error.mean()) < 0.1 * NOISE


def test_crowded_field():
    image, truth = field(15, density=0.01)
    error = sky_of(image).image().array - truth
    assert abs(error.mean()) < 0.05 * NOISE
    assert np.median(image - truth) > 0.2 * NOISE


def test_masked_blocks_and_nan():
    image, truth = field(7)
    mask = np.zeros(image.shape, np.int32)
    image[100:250, 300:500] = np.nan
    image[:, 50] = -1e4
    mask[:, 50] = 1
    image[600, 600] = np.inf
    error = sky_of(image, mask).image().array - truth
    assert np.isfinite(error).all()
    assert abs(error.mean()) < 0.03 * NOISE


def test_unflagged_dead_pixels():
    image = np.random.default_rng(14).normal(1000, NOISE, (512, 512))
    image[:, ::50] = 0
    image[:130] = 0
    error = sky_of(image).image().array - 1000
    assert abs(error[130:].mean()) < 0.03 * NOISE


def test_unflagged_bad_column_on_either_side():
    rng = np.random.default_rng(8)
    for value in (-3000.0, 3000.0):
        image = rng.normal(100, NOISE, (512, 512))
        image[:, 200] = value
        assert abs(sky_of(image).image().array.mean() - 100) < 0.03 * NOISE


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (3, 5), (40, 40), (129, 130), (5, 1000)])
def test_small_images(shape):
    image = np.random.default_rng(9).normal(100, NOISE, shape)
    sky = sky_of(image)
    assert sky.image().array.shape == shape
    assert abs(sky.image().array.mean() - 100) < 5 * NOISE / np.sqrt(image.size)
    assert np.isfinite(sky.rms_image().array).all()


@pytest.mark.parametrize("value", [0.0, 7.0, -1e6])
def test_constant_image(value):
    sky = sky_of(np.full((300, 200), value))
    np.testing.assert_allclose(sky.image().array, value)
    np.testing.assert_allclose(sky.rms_image().array, 0)


def test_nothing_to_measure():
    with pytest.raises(TooManyMaskedPixelsError, match="all 20 x 30 pixels"):
        sky_of(np.full((30, 20), np.nan))
    with pytest.raises(TooManyMaskedPixelsError):
        sky_of(np.ones((30, 20)), np.ones((30, 20), np.int32))
    with pytest.raises(InputError, match="5 x 0"):
        sky_of(np.ones((0, 5)))


def test_few_counts():
    image = np.random.default_rng(10).poisson(0.05, (512, 512))
    sky = sky_of(image)
    assert abs(sky.image().array.mean() - 0.05) < 0.01
    assert 0.1 < np.median(sky.rms) < 0.3


def test_image_is_not_changed_and_origin_kept():
    image = MaskedImage(Image(np.random.default_rng(11).normal(0, 1, (200, 300)).astype(np.float32), (10, 20)))
    before = image.image.array.copy()
    sky = estimate_sky(image, psf_sigma=1.2)
    np.testing.assert_array_equal(image.image.array, before)
    assert sky.image().bbox == image.bbox
    part = image[sky.bbox.grown(-40)]
    expected = part.image.array - sky.image(part.bbox).array
    sky.subtract_from(part.image)
    np.testing.assert_allclose(part.image.array, expected, atol=1e-6)
    part.image.array.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        sky.subtract_from(Image(part.image.array, part.bbox.min))


def test_same_input_same_result():
    image, _ = field(12, size=300)
    np.testing.assert_array_equal(sky_of(image).values, sky_of(image).values)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 23), st.integers(1, 23), st.integers(1, 5), st.integers(0, 2**31))
def test_blocks_in_plain_numpy(height, width, block, seed):
    rng = np.random.default_rng(seed)
    image = rng.normal(1000, 5, (height, width)).astype(np.float32)
    mask = (rng.random(image.shape) < rng.choice([0.0, 0.2])).astype(np.int32)
    image[rng.random(image.shape) < rng.choice([0.0, 0.1])] = np.nan
    mean, count, scatter = (np.empty((-(-height // block), -(-width // block)), np.float32) for _ in range(3))
    bin_image(image, mask, np.int32(1), 990.0, 1001.0, block, mean, count, scatter)
    for j in range(mean.shape[0]):
        for i in range(mean.shape[1]):
            cut = np.s_[j * block : (j + 1) * block, i * block : (i + 1) * block]
            values = image[cut][(mask[cut] == 0) & np.isfinite(image[cut]) & (image[cut] >= 990)].astype(np.float64)
            assert count[j, i] == values.size
            if values.size:
                np.testing.assert_allclose(mean[j, i], values.mean(), rtol=1e-6)
                np.testing.assert_allclose(scatter[j, i], ((values - values.mean()) ** 2).sum(), rtol=1e-3, atol=1e-2)


def test_reach_is_a_cone_of_distance():
    significance = np.zeros((61, 81), np.float32)
    significance[20, 30] = 40.0
    significance[50, 70] = -4.001
    significance[5, 5] = 3.9
    reach, grown = np.empty((63, 83), np.float32), np.empty((61, 81), np.bool_)
    grow_with_brightness(significance, 4.0, 3.0, 0.5, 100.0, reach, grown)
    y, x = np.mgrid[:61, :81]
    exact = (np.hypot(y - 20, x - 30) <= 3 * np.sqrt(10)) | (np.hypot(y - 50, x - 70) <= 3.0)
    near = (np.hypot(y - 20, x - 30) <= 3 * np.sqrt(10) * 1.06 + 0.1) | (np.hypot(y - 50, x - 70) <= 3.3)
    core = (np.hypot(y - 20, x - 30) <= 3 * np.sqrt(10) * 0.93) | (np.hypot(y - 50, x - 70) <= 2.7)
    assert grown[core].all()
    assert not grown[~near].any()
    assert abs(int(grown.sum()) - int(exact.sum())) < 0.1 * exact.sum()


def test_sums_in_plain_numpy():
    rng = np.random.default_rng(13)
    values, weights = (rng.random((20, 30)).astype(np.float32) for _ in range(2))
    excluded = rng.random((20, 30)) < 0.3
    edges = np.array([0, 7, 20], np.int64), np.array([0, 10, 20, 30], np.int64)
    sums = cell_sums(values, weights, excluded, *edges)
    w = np.where(excluded, 0, weights.astype(np.float64))
    for k, plane in enumerate((w, w * values)):
        expected = np.add.reduceat(np.add.reduceat(plane, edges[0][:-1], axis=0), edges[1][:-1], axis=1)
        np.testing.assert_allclose(sums[:, :, k], expected, rtol=1e-12)


def test_smoothing_keeps_planes_fills_holes_and_damps_waves():
    y, x = np.mgrid[:16, :20].astype(float)
    plane = 3 + 0.5 * x - 0.2 * y
    weights = np.ones(plane.shape)
    weights[4:8, 5:9] = 0
    holes = np.where(weights > 0, plane, np.nan)
    np.testing.assert_allclose(smooth_cells(holes, weights, 0.3), plane, atol=1e-6)
    wave = np.cos(np.pi * 8 * (x + 0.5) / 20)
    damped = smooth_cells(wave, np.ones(wave.shape), 0.3)
    expected = 1 + 0.3 * (2 - 2 * np.cos(np.pi * 8 / 20)) ** 2
    np.testing.assert_allclose(damped, wave / expected, atol=2e-2)
    np.testing.assert_array_equal(smooth_cells(plane, np.zeros(plane.shape), 0.3), 0)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from(["two", "ramp", "holes", "spikes"]), st.integers(0, 2**31))
def test_any_image_has_a_finite_sky_within_its_range(height, width, kind, seed):
    rng = np.random.default_rng(seed)
    image = {
        "two": lambda: np.where(rng.random((height, width)) < 0.5, 0.0, 1000.0),
        "ramp": lambda: np.linspace(-1e4, 1e4, height * width).reshape(height, width),
        "holes": lambda: np.where(rng.random((height, width)) < 0.7, np.nan, rng.normal(0, 1, (height, width))),
        "spikes": lambda: rng.standard_cauchy((height, width)),
    }[kind]()
    if not np.isfinite(image).any():
        return
    sky = sky_of(image, cellSize=16)
    values = sky.image().array
    span = np.nanmax(image) - np.nanmin(image) + 1
    assert np.isfinite(values).all()
    assert np.isfinite(sky.rms_image().array).all()
    # Cells that differ by the whole range are continued by half a cell on both axes.
    assert values.min() >= np.nanmin(image) - 2 * span
    assert values.max() <= np.nanmax(image) + 2 * span
