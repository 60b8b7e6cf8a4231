"""detect_footprints step by step."""

import numpy as np
import pytest

from skysift.background import BackgroundList
from skysift.detection import PsfGenerationError, convolve_image, detect_footprints, get_psf
from skysift.detection.config import SkyObjectsConfig, SourceDetectionConfig
from skysift.detection.footprints import temporary_background
from skysift.detection.sky_objects import sky_objects
from skysift.errors import InputError
from skysift.image import Exposure, Mask
from skysift.psf import GaussianPsf


def make_exposure(shape=(180, 200), xy0=(0, 0), amplitude=40.0, seed=3) -> Exposure:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = rng.normal(0, 1, shape)
    for cy in range(30, shape[0] - 20, 35):
        for cx in range(30, shape[1] - 20, 35):
            image += amplitude * np.exp(-0.5 * ((x - cx) ** 2 + (y - cy) ** 2) / 4.0)
    return Exposure.from_arrays(image, np.ones(shape), xy0=xy0, psf=GaussianPsf(25, 2.0))


def plain(**changes) -> SourceDetectionConfig:
    return SourceDetectionConfig(**{"reEstimateBackground": False, "doTempLocalBackground": False} | changes)


def test_planted_sources_are_found_at_their_pixels():
    found = detect_footprints(make_exposure(), plain())
    assert found.num_pos == found.num_pos_peaks == 20
    peaks = found.positive.arrays.peaks
    assert (np.abs((peaks["i_x"] - 30) % 35) <= 1).sum() + (np.abs((peaks["i_x"] - 30) % 35) == 34).sum() == 20
    assert (peaks["significance"] > 20).all()


def test_positions_follow_the_origin():
    here = detect_footprints(make_exposure(), plain()).positive.arrays
    there = detect_footprints(make_exposure(xy0=(-300, 5000)), plain()).positive.arrays
    np.testing.assert_array_equal(here.x0 - 300, there.x0)
    np.testing.assert_array_equal(here.peaks["i_y"] + 5000, there.peaks["i_y"])


def test_mask_planes_and_in_place_effects():
    exposure = make_exposure()
    exposure.mask.set("DETECTED", np.ones(exposure.image.shape, bool))
    image = exposure.image.array.copy()
    found = detect_footprints(exposure, plain())
    np.testing.assert_array_equal(exposure.image.array, image)
    np.testing.assert_array_equal(exposure.mask.has("DETECTED"), found.positive.insert_into_image() > 0)
    half = found.kernel_width // 2
    edge = np.ones(image.shape, bool)
    edge[half:-half, half:-half] = False
    np.testing.assert_array_equal(exposure.mask.has("EDGE"), edge)
    exposure.mask.set("DETECTED", edge)
    detect_footprints(exposure, plain(), clear_mask=False)
    assert exposure.mask.has("DETECTED")[edge].all()


def test_background_is_subtracted_and_appended():
    exposure = make_exposure()
    exposure.image.array += 7
    backgrounds = BackgroundList()
    found = detect_footprints(
        exposure, SourceDetectionConfig(thresholdValue=12.0, thresholdType="value", adjustBackground=0.5), background=backgrounds
    )
    assert found.background is backgrounds
    assert len(backgrounds) == 1
    assert np.median(exposure.image.array) == pytest.approx(-0.5, abs=0.3)
    assert float(np.mean(backgrounds.image().array)) == pytest.approx(7.5, abs=0.3)
    assert found.negative is None


def test_negative_and_both():
    exposure = make_exposure()
    exposure.image.array *= -1
    assert detect_footprints(exposure, plain()).num_pos == 0
    negative = detect_footprints(exposure, plain(thresholdPolarity="negative"))
    assert negative.num_neg == 20
    assert negative.positive is None
    assert exposure.mask.has("DETECTED_NEGATIVE").any()
    assert (negative.negative.arrays.peaks["significance"] > 20).all()


def test_single_growth_may_overlap():
    together = detect_footprints(make_exposure(), plain(nSigmaToGrow=9.0))
    apart = detect_footprints(make_exposure(), plain(nSigmaToGrow=9.0, combinedGrow=False))
    assert together.num_pos < apart.num_pos == 20
    assert apart.positive.arrays.area.sum() > together.positive.arrays.area.sum()
    diamond = detect_footprints(make_exposure(), plain(isotropicGrow=False))
    circle = detect_footprints(make_exposure(), plain())
    assert diamond.positive.arrays.area.sum() < circle.positive.arrays.area.sum()


def test_excluded_planes_and_least_area():
    exposure = make_exposure()
    left = np.broadcast_to(np.arange(200) < 90, (180, 200))
    exposure.mask.set("BAD", left)
    found = detect_footprints(exposure, plain(excludeMaskPlanes=["BAD"]))
    assert 0 < found.num_pos < 20
    assert found.positive.arrays.peaks["i_x"].min() > 85
    assert detect_footprints(make_exposure(), plain(minPixels=10000)).num_pos == 0


def test_wide_background_is_put_back_bit_by_bit():
    exposure = make_exposure()
    exposure.image.array += np.linspace(0, 50, 200, dtype=np.float32)
    exposure.image.array[10:20, 10:20] = np.nan
    exposure.mask.set("NO_DATA", np.isnan(exposure.image.array))
    before = exposure.image.array.copy()
    config = plain(doTempWideBackground=True)
    config.tempWideBackground.isNanSafe = True
    with temporary_background(exposure, config):
        assert np.isfinite(exposure.image.array).all()
        assert abs(np.median(exposure.image.array)) < 10
    np.testing.assert_array_equal(exposure.image.array, before)
    with pytest.raises(ZeroDivisionError), temporary_background(exposure, config):
        raise ZeroDivisionError
    np.testing.assert_array_equal(exposure.image.array, before)
    # The re-estimated background survives the context.
    config = SourceDetectionConfig(doTempWideBackground=True)
    config.tempWideBackground.binSize = 30
    config.tempWideBackground.isNanSafe = config.background.isNanSafe = True
    detect_footprints(exposure, config)
    assert abs(np.nanmedian(exposure.image.array)) < abs(np.nanmedian(before))


def test_without_smoothing_the_whole_image_is_searched():
    exposure = make_exposure(amplitude=100.0)
    found = detect_footprints(exposure, plain(thresholdValue=10.0), do_smooth=False)
    assert found.num_pos == 20
    assert not exposure.mask.has("EDGE").any()


def test_nan_pixels_are_below_every_threshold():
    exposure = make_exposure()
    exposure.image.array[60:70] = np.nan
    found = detect_footprints(exposure, plain())
    assert 0 < found.num_pos < 20
    assert np.isfinite(found.positive.arrays.peaks["peakValue"]).all()


def test_errors_say_what_to_do():
    exposure = make_exposure()
    exposure.psf = None
    with pytest.raises(PsfGenerationError) as caught:
        detect_footprints(exposure)
    assert "sigma" in caught.value.hint
    with pytest.raises(PsfGenerationError):
        detect_footprints(exposure, sigma=-1.0)
    with pytest.raises(InputError, match="smaller than the smoothing kernel"):
        detect_footprints(make_exposure(shape=(12, 60)))
    with pytest.raises(InputError, match="no variance"):
        detect_footprints(Exposure.from_arrays(exposure.image.array), sigma=2.0)
    found = detect_footprints(Exposure.from_arrays(exposure.image.array), plain(thresholdType="stdev"), sigma=2.0)
    assert found.num_pos == 20


@pytest.mark.parametrize(("sigma", "size"), [(2.0, 15), (1.0, 7), (0.1, 1), (3.3, 23)])
def test_kernel_size_is_odd(sigma, size):
    psf = get_psf(make_exposure(), sigma)
    assert psf.size == size
    assert convolve_image(make_exposure().masked_image, psf).middle.bbox.width == 200 - 2 * (size // 2)


def test_config_defaults_and_ranges():
    config = SourceDetectionConfig()
    assert config.tempLocalBackground.binSize == 64
    assert not config.tempLocalBackground.useApprox
    assert config.background.useApprox
    assert config.tempWideBackground.ignoredPixelMask == ["BAD", "EDGE", "NO_DATA"]
    with pytest.raises(ValueError, match="minPixels"):
        config.minPixels = -1
    with pytest.raises(ValueError, match="thresholdType"):
        config.thresholdType = "nonsense"


def test_sky_objects_keep_away():
    mask = Mask(np.zeros((200, 260), np.int32), (50, -20))
    mask.set("DETECTED", np.broadcast_to(np.arange(260) < 130, (200, 260)))
    found = sky_objects(mask, 5, SkyObjectsConfig(nSources=30, growMask=5))
    labels = found.insert_into_image()
    assert 10 < len(found) <= 30
    assert not (labels[mask.has("DETECTED")] > 0).any()
    assert found.arrays.x0.min() > 50 + 130 + 5
    assert labels.max() == len(found)
    assert (labels > 0).sum() == found.arrays.area.sum()
    again = sky_objects(mask, 5, SkyObjectsConfig(nSources=30, growMask=5))
    np.testing.assert_array_equal(again.arrays.peaks["i_x"], found.arrays.peaks["i_x"])
    assert len(sky_objects(mask, 5, SkyObjectsConfig(nSources=0))) == 0
    assert len(sky_objects(Mask(np.zeros((5, 5), np.int32)), 5)) == 0
    mask.set("BAD", np.ones((200, 260), bool))
    assert len(sky_objects(mask, 2**40 + 3)) == 0
