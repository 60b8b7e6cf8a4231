"""Measurement against simulated truth: stars and galaxies in noise, with a PSF that varies over the image."""

from __future__ import annotations

import numpy as np
import pytest

from skysift.footprint import Footprint, PeakCatalog, SpanSet, flatten_footprints, make_peaks
from skysift.image import Exposure
from skysift.measure import MeasurementConfig, measure, measurement_schema
from skysift.psf import PixelGridPsf
from skysift.table import SourceCatalog

STEP = 48
GRID = 22
VARIANCE = 950.0


def _images(sigma, dx, dy, half=20):
    """Point-sampled round Gaussians, (n, k, k), of unit flux."""
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    r2 = (x - dx[:, None, None]) ** 2 + (y - dy[:, None, None]) ** 2
    return np.exp(-0.5 * r2 / sigma[:, None, None] ** 2) / (2 * np.pi * sigma[:, None, None] ** 2)


@pytest.fixture(scope="module")
def sky():
    """A grid of sources: signal-to-noise ratio, whether extended, and their positions; the PSF's variance grows with x."""
    rng = np.random.default_rng(11)
    size = STEP * (GRID + 1)
    cx, cy = (axis.ravel() for axis in np.meshgrid(STEP * (1 + np.arange(GRID)), STEP * (1 + np.arange(GRID))))
    n = len(cx)
    dx, dy = rng.uniform(-0.5, 0.5, (2, n))
    sigma = np.sqrt(1.7**2 * (1 + 0.1 * (cx + dx - size / 2) / (size / 2)))
    extended = rng.random(n) < 0.3
    snr = np.exp(rng.uniform(np.log(8), np.log(400), n))
    flux = snr * np.sqrt(VARIANCE * 4 * np.pi) * sigma
    width = np.where(extended, np.sqrt(sigma**2 + 1.8**2), sigma)
    expected = np.full((size, size), 0.0)
    for k, image in enumerate(_images(width, dx, dy)):
        expected[cy[k] - 20 : cy[k] + 21, cx[k] - 20 : cx[k] + 21] += flux[k] * image
    variance = VARIANCE + expected
    exposure = Exposure.from_arrays(expected + rng.normal(0, 1, variance.shape) * np.sqrt(variance), variance)
    # The variance of the PSF is linear in x, its image nearly so: the polynomial takes the second order too.
    nodes = np.linspace(-1, 1, 9)
    kernels = _images(1.7 * np.sqrt(1 + 0.1 * nodes), np.zeros(9), np.zeros(9), 15)
    kernels /= kernels.sum(axis=(1, 2), keepdims=True)
    coefficients = np.polynomial.polynomial.polyfit(nodes, kernels.reshape(9, -1), 2).reshape(3, 31, 31)
    basis = np.zeros((6, 31, 31))
    basis[[0, 1, 3]] = coefficients
    exposure.psf = PixelGridPsf(basis, 2, center=(size / 2, size / 2), scale=(size / 2, size / 2))
    exposure.id = 1
    footprints = [Footprint(SpanSet.from_shape(8, offset=(x, y)), PeakCatalog(make_peaks([x], [y], [1.0]))) for x, y in zip(cx, cy)]
    config = MeasurementConfig()
    config.plugins.names -= {"base_SkyCoord"}
    config.plugins.names |= {"skysift_PsfCentroid", "skysift_ModelExtendedness", "ext_photometryKron_KronFlux"}
    config.plugins["base_SdssCentroid"].maxDistToPeak = -1.0
    catalog = SourceCatalog(measurement_schema(config), n)
    measure(exposure, catalog, config, flatten_footprints(footprints))
    return catalog, cx + dx, cy + dy, flux, snr, extended, sigma


def test_psf_flux(sky):
    catalog, _, _, flux, snr, extended, _ = sky
    pull = (catalog["base_PsfFlux_instFlux"] - flux) / catalog["base_PsfFlux_instFluxErr"]
    faint = ~extended & (snr < 30)
    assert not catalog["base_PsfFlux_flag"][~extended].any()
    assert abs(np.mean(pull[faint])) < 3 / np.sqrt(faint.sum())
    assert np.std(pull[~extended]) == pytest.approx(1, abs=0.15)
    bright = ~extended & (snr > 100)
    assert np.median(catalog["base_PsfFlux_instFlux"][bright] / flux[bright]) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("name", ["skysift_PsfCentroid", "base_SdssCentroid"])
def test_positions(sky, name):
    catalog, x, y, _, _, extended, _ = sky
    stars = ~extended & ~catalog[f"{name}_flag"]
    assert stars.sum() > 0.97 * (~extended).sum()
    pull = np.r_[
        (catalog[f"{name}_x"] - x)[stars] / catalog[f"{name}_xErr"][stars],
        (catalog[f"{name}_y"] - y)[stars] / catalog[f"{name}_yErr"][stars],
    ]
    assert np.std(pull) == pytest.approx(1, abs=0.1)
    assert abs(np.mean(pull)) < 0.15


def test_the_psf_fit_reaches_the_bound(sky):
    """Its scatter is that of the Cramer-Rao bound for a Gaussian PSF: no more than 5 % above, the statistical error of this test."""
    catalog, x, y, flux, snr, extended, sigma = sky
    stars = np.flatnonzero(~extended & (snr > 60))
    ratios = []
    for k in stars:
        image = _images(sigma[k : k + 1], np.array([x[k] - round(x[k])]), np.array([y[k] - round(y[k])]))[0]
        gradient = image * (np.mgrid[-20:21, -20:21][1] - (x[k] - round(x[k]))) / sigma[k] ** 2
        bound = 1 / np.sqrt(np.sum((flux[k] * gradient) ** 2 / (VARIANCE + flux[k] * image)))
        assert catalog["skysift_PsfCentroid_xErr"][k] == pytest.approx(bound, rel=0.08)
        ratios.append((catalog["skysift_PsfCentroid_x"][k] - x[k]) / bound)
    assert np.std(ratios) < 1.02 + 2 / np.sqrt(2 * len(ratios))


def test_shapes(sky):
    catalog, _, _, _, snr, extended, sigma = sky
    good = ~catalog["base_SdssShape_flag"]
    assert good.mean() > 0.98
    truth = np.where(extended, sigma**2 + 1.8**2, sigma**2)
    pull = ((catalog["base_SdssShape_xx"] - truth) / catalog["base_SdssShape_xxErr"])[good & (snr > 20)]
    assert np.std(pull) == pytest.approx(1, abs=0.15)
    assert abs(np.mean(pull)) < 0.2


def test_stars_and_galaxies_are_told_apart(sky):
    catalog, _, _, _, snr, extended, _ = sky
    score = catalog["skysift_ModelExtendedness_logRatio"]
    assert catalog["skysift_ModelExtendedness_flag"].mean() < 0.01

    def area_under_curve(where):
        galaxies, stars = score[where & extended], score[where & ~extended]
        return np.mean(galaxies[:, None] > stars[None, :])

    assert area_under_curve(snr > 30) > 0.999
    assert area_under_curve(snr < 15) > 0.85
    assert ((catalog["skysift_ModelExtendedness_value"] > 0.5) == extended)[snr > 40].mean() > 0.99


def test_kron_flux(sky):
    catalog, _, _, flux, snr, _, _ = sky
    bright = (snr > 100) & ~catalog["ext_photometryKron_KronFlux_flag"]
    assert bright.sum() > 50
    assert np.median(catalog["ext_photometryKron_KronFlux_instFlux"][bright] / flux[bright]) == pytest.approx(1, abs=0.02)
