"""SubtractBackgroundTask: what it subtracts, appends and writes."""

import numpy as np
import pytest

from skysift.background import subtract_background
from skysift.errors import AlgorithmError, InputError
from skysift.image import Exposure
from skysift.tasks import SubtractBackgroundTask


def make_exposure(shape: tuple[int, int] = (300, 260)) -> tuple[Exposure, np.ndarray]:
    y, x = np.mgrid[: shape[0], : shape[1]]
    sky = 500 + 0.1 * x + 0.05 * y
    image = sky + np.random.default_rng(4).normal(0, 2, shape)
    return Exposure.from_arrays(image, np.full(shape, 4.0), xy0=(40, 70)), sky


def small_config() -> object:
    config = SubtractBackgroundTask.ConfigClass()
    config.binSize = 64
    config.approxOrderX = 2
    return config


def test_run_subtracts_and_records():
    exposure, sky = make_exposure()
    result = SubtractBackgroundTask(config=small_config()).run(exposure)
    assert abs(float(exposure.image.array.mean())) < 0.1
    assert len(result.background) == 1
    model = result.background.image(exposure.bbox).array
    assert np.abs(model - sky).max() < 1.5
    assert exposure.metadata["BGMEAN"] == pytest.approx(sky.mean(), abs=0.2)
    assert exposure.metadata["BGVAR"] == pytest.approx(sky.var(), rel=0.05)


def test_run_is_the_function():
    first, _ = make_exposure()
    second, _ = make_exposure()
    config = small_config()
    SubtractBackgroundTask(config=config).run(first)
    subtract_background(second, config)
    np.testing.assert_array_equal(first.image.array, second.image.array)


def test_background_is_appended_and_keys_are_chosen():
    exposure, sky = make_exposure()
    task = SubtractBackgroundTask(config=small_config())
    background = task.run(exposure, stats=False).background
    assert "BGMEAN" not in exposure.metadata
    again = task.run(exposure, background, statsKeys=("SKYMEAN", "SKYVAR")).background
    assert again is background
    assert len(background) == 2
    assert exposure.metadata["SKYMEAN"] == pytest.approx(sky.mean(), abs=0.2)


def test_wrong_number_of_keys():
    exposure, _ = make_exposure()
    with pytest.raises(InputError, match="two"):
        SubtractBackgroundTask(config=small_config()).run(exposure, statsKeys=("ONE",))


def test_ratio_of_flat_fields():
    exposure, _ = make_exposure()
    config = small_config()
    config.doApplyFlatBackgroundRatio = True
    task = SubtractBackgroundTask(config=config)
    with pytest.raises(InputError, match="ratio"):
        task.run(exposure)
    ratio = exposure.image.copy()
    ratio.array[...] = 2.0
    task.run(exposure, backgroundToPhotometricRatio=ratio)
    assert abs(float(exposure.image.array.mean())) < 0.1


def test_fit_leaves_the_image_alone_and_empty_images_fail():
    exposure, sky = make_exposure()
    before = exposure.image.array.copy()
    task = SubtractBackgroundTask(config=small_config())
    model = task.fitBackground(exposure.masked_image, nx=4, ny=4)
    np.testing.assert_array_equal(exposure.image.array, before)
    assert np.abs(model.image().array - sky).max() < 1.5
    exposure.image.array[...] = np.nan
    with pytest.raises(AlgorithmError):
        task.run(exposure)
