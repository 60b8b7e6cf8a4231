"""ScaleVarianceTask: the variance follows the scatter of the pixels."""

import numpy as np
import pytest

from skysift.background.scale_variance import ExceedsMaxVarianceScaleError
from skysift.image import Exposure
from skysift.tasks import ScaleVarianceTask


def make_exposure(scatter: float, variance: float = 1.0, shape: tuple[int, int] = (320, 320)) -> Exposure:
    image = 50 + 0.02 * np.arange(shape[1]) + np.random.default_rng(2).normal(0, scatter, shape)
    image[100:110, 100:110] += 1000
    exposure = Exposure.from_arrays(image, np.full(shape, variance))
    detected = np.zeros(shape, bool)
    detected[95:115, 95:115] = True
    exposure.mask.set("DETECTED", detected)
    return exposure


@pytest.mark.parametrize("scatter", [0.5, 1.0, 2.0])
def test_factor_is_that_of_the_scatter(scatter):
    exposure = make_exposure(scatter)
    before = exposure.image.array.copy()
    factor = ScaleVarianceTask().run(exposure.masked_image)
    assert factor == pytest.approx(scatter**2, rel=0.03)
    np.testing.assert_allclose(exposure.variance.array, factor, rtol=1e-6)
    np.testing.assert_array_equal(exposure.image.array, before)


def test_factors_alone_change_nothing():
    exposure = make_exposure(2.0)
    factors = ScaleVarianceTask().computeScaleFactors(exposure.masked_image)
    assert factors.pixelFactor == pytest.approx(4.0, rel=0.03)
    assert factors.imageFactor == pytest.approx(factors.pixelFactor, rel=1e-5)
    assert (exposure.variance.array == 1).all()


def test_the_image_factor_is_the_way_out():
    """Nearly half of the pixels have far too small a variance, but the median variance is right."""
    exposure = make_exposure(1.0)
    exposure.variance.array[:, :155] = 1e-4
    config = ScaleVarianceTask.ConfigClass()
    config.limit = 4.0
    task = ScaleVarianceTask(config=config)
    assert task.computeScaleFactors(exposure.masked_image).pixelFactor > 4
    assert task.run(exposure.masked_image) == pytest.approx(1.0, rel=0.03)


def test_too_large_a_factor():
    exposure = make_exposure(10.0)
    with pytest.raises(ExceedsMaxVarianceScaleError, match="at most 10"):
        ScaleVarianceTask().run(exposure.masked_image)
    assert (exposure.variance.array == 1).all()


def test_no_usable_variance():
    exposure = make_exposure(1.0)
    exposure.variance.array[...] = np.nan
    assert ScaleVarianceTask().run(exposure.masked_image) == 1.0
