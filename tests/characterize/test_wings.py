from __future__ import annotations

import numpy as np
import pytest

from skysift.characterize.wings import _seeing_disk, light_beyond_stamp, measure_wings
from skysift.psf import GaussianPsf

FWHM, HALF = 3.5, 20
SIGMA = FWHM / 2.19


def seeing_disk(pedestal=0.0, seed=None):
    disk = _seeing_disk(FWHM, 1024)
    stamp = disk[512 - HALF : 512 + HALF + 1, 512 - HALF : 512 + HALF + 1]
    beyond = 1.0 - stamp.sum()
    noise = 0.0 if seed is None else np.random.default_rng(seed).normal(0.0, 2e-6, stamp.shape)
    kernel = stamp + pedestal + noise
    return kernel / kernel.sum(), beyond


def test_disk_is_kolmogorovs():
    galsim = pytest.importorskip("galsim")
    image = galsim.Image(41, 41, dtype=float)
    galsim.Kolmogorov(fwhm=FWHM).drawImage(image, scale=1.0)
    disk = _seeing_disk(FWHM, 1024)
    np.testing.assert_allclose(disk[492:533, 492:533], image.array, atol=1.5e-3 * image.array.max())


def test_light_beyond_a_seeing_disk():
    kernel, beyond = seeing_disk()
    wings = measure_wings(kernel, SIGMA)
    assert wings.beyond == pytest.approx(beyond, rel=0.02)
    assert abs(wings.pedestal * kernel.size) < 1e-4


@pytest.mark.parametrize("seed", range(4))
def test_pedestal_is_found_under_noise(seed):
    kernel, _ = seeing_disk(pedestal=1.5e-6, seed=seed)
    assert measure_wings(kernel, SIGMA).pedestal == pytest.approx(1.5e-6, abs=4e-7)


def test_what_is_no_seeing_disk_has_no_pedestal():
    axis = np.arange(-HALF, HALF + 1)
    r2 = axis[:, None] ** 2 + axis[None, :] ** 2
    kernel = 0.9 * np.exp(-0.5 * r2 / 1.5**2) / 1.5**2 + 0.1 * np.exp(-0.5 * r2 / 5.0**2) / 5.0**2
    kernel /= kernel.sum()
    assert measure_wings(kernel, 1.6).pedestal == 0.0
    assert measure_wings(kernel[15:26, 15:26], 1.6).pedestal == 0.0
    assert measure_wings(np.zeros((5, 5)), 1.6).beyond == 0.0
    assert light_beyond_stamp(GaussianPsf(41, 1.6)) == pytest.approx(0.0, abs=1e-9)
