"""The first guess of the seeing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from skysift.characterize.seeing import estimate_seeing
from skysift.image import Image, MaskedImage


def field(sigma: float, n: int, brightest: float, size: int = 400, galaxies: int = 0) -> MaskedImage:
    rng = np.random.default_rng(9)
    light = np.zeros((2, size, size))
    for layer, count in enumerate((n, galaxies)):
        light[layer, rng.integers(25, size - 25, count), rng.integers(25, size - 25, count)] = brightest * 10 ** -rng.uniform(0, 1, count)
    image = gaussian_filter(light[0], sigma) + gaussian_filter(light[1], 1.6 * sigma) + rng.normal(size=(size, size))
    return MaskedImage(Image(image.astype(np.float32)))


@pytest.mark.parametrize("sigma", [1.0, 2.0, 3.0])
def test_width_of_stars(sigma):
    assert estimate_seeing(field(sigma, 80, 5e4), 1.0) == pytest.approx(sigma, rel=0.06)


def test_few_stars_among_galaxies():
    assert estimate_seeing(field(1.8, 5, 2e4, galaxies=8), 1.0) == pytest.approx(1.8, rel=0.15)


def test_faint_and_blurred_stars():
    assert estimate_seeing(field(4.5, 40, 900.0), 1.0) == pytest.approx(4.5, rel=0.3)


def test_nothing_to_measure():
    assert estimate_seeing(field(1.0, 0, 1.0), 1.0) == 1.5
    assert estimate_seeing(field(1.0, 10, 1e4, size=400), 0.0) == 1.5
    assert estimate_seeing(MaskedImage(Image(np.full((100, 100), np.nan, np.float32))), 1.0, default=2.0) == 2.0
    assert estimate_seeing(MaskedImage(Image(np.zeros((5, 5), np.float32))), 1.0) == 1.5
