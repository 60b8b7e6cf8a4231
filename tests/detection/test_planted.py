"""Detection of planted sources of known flux in noise."""

from __future__ import annotations

import numpy as np
import pytest

from skysift.detection import detect_footprints
from skysift.detection.config import SourceDetectionConfig
from skysift.image import Exposure
from skysift.psf import GaussianPsf

SIGMA, NOISE = 2.0, 3.0


@pytest.fixture
def planted():
    """A grid of 5 x 5 Gaussians, 60 pixels apart, on noise: the exposure, and the pixels and fluxes."""
    columns, rows = (axis.ravel() for axis in np.meshgrid(40 + 60 * np.arange(5), 35 + 60 * np.arange(5)))
    flux = 4000.0 * 1.1 ** np.arange(25)
    y, x = np.mgrid[:310, :320]
    image = np.random.default_rng(4).normal(0, NOISE, y.shape)
    for cx, cy, f in zip(columns, rows, flux):
        image += f / (2 * np.pi * SIGMA**2) * np.exp(-0.5 * ((x - cx) ** 2 + (y - cy) ** 2) / SIGMA**2)
    return Exposure.from_arrays(image, np.full(y.shape, NOISE**2), psf=GaussianPsf(25, SIGMA)), columns, rows, flux


@pytest.mark.parametrize("background", [False, True])
def test_each_is_one_footprint_with_one_peak_at_its_pixel(planted, background):
    exposure, columns, rows, flux = planted
    config = SourceDetectionConfig(doTempLocalBackground=background, reEstimateBackground=background)
    # Seven sigma keeps out the noise: the smoothed image has a few thousand independent pixels.
    config.thresholdValue = 7.0
    arrays = detect_footprints(exposure, config).positive.arrays
    assert len(arrays) == arrays.peaks.size == 25
    order = np.lexsort((arrays.peaks["i_x"], arrays.peaks["i_y"]))
    np.testing.assert_array_equal(arrays.peaks["i_x"][order], columns)
    np.testing.assert_array_equal(arrays.peaks["i_y"][order], rows)
    # The matched filter of an isolated point source has the signal-to-noise ratio of the optimal flux.
    expected = flux / (NOISE * np.sqrt(4 * np.pi) * SIGMA)
    np.testing.assert_allclose(arrays.peaks["significance"][order], expected, rtol=0.05, atol=3)
