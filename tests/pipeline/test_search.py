"""Sources in noise that is correlated, and in noise that is not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from skysift.detection import find_sources
from skysift.image import Exposure
from skysift.pipeline.search import correlated_noise, search
from skysift.psf import GaussianPsf


def exposure(blur: float, stars: int = 60, size: int = 500, seed: int = 3) -> Exposure:
    """Noise of standard deviation 1 per pixel, correlated over `blur` pixels, and stars of sigma 1.6."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(size, size))
    if blur:
        noise = gaussian_filter(noise, blur)
        noise /= noise.std()
    light = np.zeros((size, size))
    light[rng.integers(20, size - 20, stars), rng.integers(20, size - 20, stars)] = 10 ** rng.uniform(2.3, 4, stars)
    image = (noise + gaussian_filter(light, 1.6)).astype(np.float32)
    return Exposure.from_arrays(image, np.ones_like(image), psf=GaussianPsf(21, 1.6))


def test_white_noise_is_left_alone():
    field = exposure(0.0)
    assert correlated_noise(field) == pytest.approx(1.0, abs=0.1)
    found, factor = search(field)
    assert factor == 1.0
    assert len(found) == len(find_sources(field))


@pytest.mark.parametrize("blur", [0.7, 1.0])
def test_correlated_noise_is_measured_and_not_taken_for_sources(blur):
    field = exposure(blur)
    # Blurring by b and by the filter's s leaves b^2 / (b^2 + s^2) of the variance of a pixel; independent pixels leave 1 / (4 pi s^2).
    truth = np.sqrt(4 * np.pi * 1.6**2 * blur**2 / (blur**2 + 1.6**2))
    found, factor = search(field)
    assert factor == pytest.approx(truth, rel=0.08)
    assert 45 <= len(found) <= 66
    assert len(find_sources(field)) > 1.3 * len(found)


def test_crowding_is_not_taken_for_correlation():
    assert search(exposure(0.0, stars=25_000))[1] == 1.0


def test_nothing_to_tell_from():
    assert np.isnan(correlated_noise(Exposure.from_arrays(np.zeros((8, 8), np.float32), np.ones((8, 8)), psf=GaussianPsf(21, 1.6))))
    without_variance = Exposure.from_arrays(np.zeros((300, 300), np.float32), psf=GaussianPsf(21, 1.6))
    assert np.isnan(correlated_noise(without_variance))
    masked = exposure(1.0)
    masked.mask.array[...] |= masked.mask.bitmask("BAD")
    assert np.isnan(correlated_noise(masked))
