"""Cell statistics, background models and their subtraction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.background import Background, BackgroundList, TooManyMaskedPixelsError, fit_background, subtract_background
from skysift.background.config import BackgroundConfig
from skysift.background.model import cell_edges
from skysift.errors import AlgorithmError, InputError, SkysiftError
from skysift.geom import Box2I
from skysift.image import Exposure, Image, Mask, MaskedImage
from skysift.kernels.background import tile_statistics


def plain_statistics(values):
    """The same statistics in plain numpy."""
    values = values.astype(np.float64)
    low, median, high = np.percentile(values, [25, 50, 75])
    centre, half_width = median, 3 * 0.741301109252801 * (high - low)
    n, variance = 0, np.nan
    for k in range(3):
        if k and n > 1:
            half_width = 3 * np.sqrt(variance)
        kept = values[np.abs(values - centre) <= half_width]
        n, centre = kept.size, kept.mean()
        variance = kept.var(ddof=1) if n > 1 else np.nan
    return [values.size, values.mean(), values.var(ddof=1) if values.size > 1 else np.nan, median, high - low, centre, variance, n]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 400), st.sampled_from(["normal", "pareto", "integers", "constant", "two"]), st.integers(0, 2**31))
def test_tile_statistics_are_exact(n, kind, seed):
    rng = np.random.default_rng(seed)
    values = {
        "normal": lambda: rng.normal(1000, 30, n),
        "pareto": lambda: 100 * rng.pareto(1.2, n) - 50,
        "integers": lambda: rng.poisson(3.0, n),
        "constant": lambda: np.full(n, -7.25),
        "two": lambda: np.where(rng.random(n) < 0.6, 1e5, 1.0),
    }[kind]().astype(np.float32)
    edges = np.array([0, 1], np.int64), np.array([0, n], np.int64)
    mask = np.empty((0, 0), np.int32)
    found = tile_statistics(values[None], mask, np.int32(0), True, *edges, True, True, 3.0, 3)[0, 0]
    expected = plain_statistics(values)
    np.testing.assert_allclose(found[[0, 3, 4, 7]], np.array(expected)[[0, 3, 4, 7]], rtol=1e-12)
    np.testing.assert_allclose(found[[1, 2, 5, 6]], np.array(expected)[[1, 2, 5, 6]], rtol=1e-9, atol=1e-12)


def test_masked_and_non_finite_pixels():
    rng = np.random.default_rng(1)
    image = rng.normal(5, 1, (40, 60)).astype(np.float32)
    mask = np.zeros(image.shape, np.int32)
    image[3, 4], image[5, 6], image[7, 30] = np.nan, np.inf, 1e6
    mask[7, 30] = 2
    mask[20:, :20] = 2
    edges = np.array([0, 20, 40], np.int64), np.array([0, 20, 60], np.int64)
    safe = tile_statistics(image, mask, np.int32(2), True, *edges, True, True, 3.0, 3)
    np.testing.assert_array_equal(safe[:, :, 0], [[398, 799], [0, 800]])
    assert np.isnan(safe[1, 0, 1:]).all()
    good = image[:20, :20][np.isfinite(image[:20, :20])]
    np.testing.assert_allclose(safe[0, 0], plain_statistics(good), rtol=1e-9)
    unsafe = tile_statistics(image, mask, np.int32(2), False, *edges, True, True, 3.0, 3)
    assert np.isnan(unsafe[0, 0, 1:]).all()
    np.testing.assert_allclose(unsafe[0, 1], safe[0, 1])


@given(st.integers(1, 5000), st.integers(1, 60))
def test_cells_tile_the_image(size, n):
    edges = cell_edges(size, n)
    assert edges[0] == 0
    assert edges[-1] == size
    assert (np.diff(edges) >= 0).all()
    if n <= size:
        assert np.ptp(np.diff(edges)) <= 1


def plane(height, width, xy0=(0, 0), noise=0.0, seed=0):
    y, x = np.mgrid[:height, :width]
    rng = np.random.default_rng(seed)
    return (100 + 0.05 * x - 0.03 * y + noise * rng.standard_normal((height, width))).astype(np.float32)


@pytest.mark.parametrize("use_approx", [False, True])
def test_subtraction_leaves_noise(use_approx):
    array = plane(300, 500, noise=2.0)
    array[100:110, 200:210] += 1000
    exposure = Exposure(MaskedImage(Image(array, (50, 70))))
    exposure.mask.set("DETECTED", array > 150)
    config = BackgroundConfig()
    config.binSize = 50
    config.useApprox = use_approx
    config.approxOrderX = 2
    backgrounds = subtract_background(exposure, config)
    assert len(backgrounds) == 1
    assert backgrounds.image().bbox == exposure.bbox
    quiet = exposure.mask.array == 0
    assert abs(exposure.image.array[quiet].mean()) < 0.05
    assert exposure.image.array[quiet].std() == pytest.approx(2.0, rel=0.02)
    assert exposure.image.array[105, 205] > 900
    assert exposure.metadata["BGMEAN"] == pytest.approx(100 + 0.025 * 499 - 0.015 * 299, abs=0.1)


def test_backgrounds_add_up():
    exposure = Exposure(MaskedImage(Image(plane(200, 200, noise=1.0))))
    original = exposure.image.array.copy()
    config = BackgroundConfig()
    config.useApprox = False
    config.binSize = 40
    backgrounds = subtract_background(exposure, config)
    again = subtract_background(exposure, config, backgrounds)
    assert again is backgrounds
    assert len(backgrounds.copy()) == 2
    np.testing.assert_allclose(exposure.image.array + backgrounds.image().array, original, rtol=1e-5)
    box = Box2I((20, 30), (50, 40))
    np.testing.assert_allclose(backgrounds.image(box).array, backgrounds.image().array[30:70, 20:70], rtol=1e-6)


def test_constant_can_be_added():
    background = Background(Box2I((0, 0), (50, 40)), np.full((2, 3), 5.0))
    background += 2.5
    np.testing.assert_allclose(background.image().array, 7.5)
    background -= 7.5
    np.testing.assert_allclose(background.image().array, 0.0)


def test_super_pixel_filter_removes_an_outlying_cell():
    array = plane(400, 400, noise=1.0)
    array[160:200, 160:200] += 500
    config = BackgroundConfig()
    config.binSize = 40
    config.useApprox = False
    rough = fit_background(MaskedImage(Image(array)), config).values
    config.doFilterSuperPixels = True
    smooth = fit_background(MaskedImage(Image(array)), config).values
    assert rough.max() > 500
    assert smooth.max() < 130


def test_flat_ratio():
    ratio = np.linspace(0.9, 1.1, 200, dtype=np.float32)[None].repeat(100, axis=0)
    exposure = Exposure(MaskedImage(Image((100 / ratio).astype(np.float32))))
    config = BackgroundConfig()
    config.binSize = 25
    config.doApplyFlatBackgroundRatio = True
    with pytest.raises(InputError, match="ratio"):
        subtract_background(exposure, config)
    subtract_background(exposure, config, background_to_photometric_ratio=Image(ratio))
    np.testing.assert_allclose(exposure.image.array, 0, atol=1e-3)


def test_rms_image():
    rng = np.random.default_rng(2)
    scale = np.linspace(1, 3, 300)
    array = (rng.normal(0, 1, (300, 300)) * scale).astype(np.float32)
    config = BackgroundConfig()
    config.binSize = 50
    config.useApprox = False
    background = fit_background(MaskedImage(Image(array)), config)
    rms = background.rms_image().array
    np.testing.assert_allclose(rms.mean(axis=0), scale, rtol=0.13)
    with pytest.raises(AlgorithmError, match="no rms"):
        Background(background.bbox, background.values).rms_image()


@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (5, 3), (130, 40)])
@pytest.mark.parametrize("use_approx", [False, True])
def test_small_images(shape, use_approx):
    config = BackgroundConfig()
    config.useApprox = use_approx
    config.binSize = 32
    background = fit_background(MaskedImage(Image(np.full(shape, 4.0, np.float32))), config)
    np.testing.assert_allclose(background.image().array, 4.0, rtol=1e-6)


def test_too_few_cells_for_the_polynomial():
    image = MaskedImage(Image(plane(200, 200)))
    config = BackgroundConfig()
    assert fit_background(image, config).approx_order == 1
    config.undersampleStyle = "THROW_EXCEPTION"
    with pytest.raises(AlgorithmError, match="order 6"):
        fit_background(image, config)
    config.undersampleStyle = "INCREASE_NXNYSAMPLE"
    more = fit_background(image, config)
    assert more.approx_order == 6
    assert min(more.values.shape) > 6
    np.testing.assert_allclose(more.image().array, image.image.array, rtol=1e-5)


def test_no_background():
    config = BackgroundConfig()
    config.useApprox = False
    config.algorithm = "NONE"
    np.testing.assert_array_equal(fit_background(MaskedImage(Image(plane(50, 60))), config).image().array, 0)


def test_errors_in_one_line():
    image = MaskedImage(Image(np.ones((20, 20), np.float32)))
    image.mask.set("BAD", np.ones((20, 20), bool))
    with pytest.raises(TooManyMaskedPixelsError, match="all 20 x 20 pixels") as caught:
        fit_background(image)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="5 x 0"):
        fit_background(MaskedImage(Image(np.ones((0, 5), np.float32))))
    background = Background(Box2I((0, 0), (10, 10)), np.ones((1, 1)))
    with pytest.raises(InputError, match="not inside"):
        background.image(Box2I((5, 5), (10, 10)))
    with pytest.raises(InputError, match="unknown interpolation style"):
        Background(Box2I((0, 0), (10, 10)), np.ones((1, 1)), style="SPLINE")
    with pytest.raises(InputError, match="empty"):
        BackgroundList().image()
    with pytest.raises(SkysiftError, match="no background cell"):
        Background(Box2I((0, 0), (10, 10)), np.full((2, 2), np.nan), approx_order=1).image()
    config = BackgroundConfig()
    config.approxOrderY = 3
    with pytest.raises(ValueError, match="approxOrderY"):
        config.validate()


def test_non_contiguous_views():
    whole = MaskedImage(Image(plane(200, 300, noise=1.0)), Mask(np.zeros((200, 300), np.int32)))
    box = Box2I((40, 30), (150, 100))
    config = BackgroundConfig()
    config.binSize = 25
    from_view = fit_background(whole[box], config)
    from_copy = fit_background(whole[box].copy(), config)
    np.testing.assert_array_equal(from_view.values, from_copy.values)
    assert from_view.bbox == box
