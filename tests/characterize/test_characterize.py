"""The whole of the characterisation on a small simulated exposure."""

from __future__ import annotations

import numpy as np
import pytest

from skysift.characterize import characterize_image, install_simple_psf
from skysift.characterize.config import CharacterizeImageConfig
from skysift.errors import AlgorithmError
from skysift.image import Exposure
from skysift.psf import GaussianPsf
from skysift.simulate import SceneConfig, simulate

SCENE = SceneConfig(width=640, height=600, stars=160, galaxies=200, seed=12)


@pytest.fixture(scope="module")
def characterized():
    exposure, truth = simulate(SCENE)
    return characterize_image(exposure), truth


def test_products(characterized):
    found, _ = characterized
    assert found.exposure.psf is found.psf.psf
    assert found.exposure.psf.sigma() == pytest.approx(SCENE.fwhm / 2.3548, rel=0.2)
    assert len(found.catalog) > 15
    assert len(found.background) == 3
    sky = found.background.image(found.exposure.bbox).array
    assert np.median(sky) == pytest.approx(SCENE.sky, rel=0.02)
    assert abs(np.median(found.exposure.image.array)) < 3.0


def test_psf_stars_are_stars(characterized):
    found, truth = characterized
    rows = np.flatnonzero(found.catalog["calib_psf_used"])
    assert len(rows) >= 5
    distance = np.hypot(found.catalog.x[rows][:, None] - truth["x"], found.catalog.y[rows][:, None] - truth["y"])
    nearest = distance.argmin(axis=1)
    assert (distance.min(axis=1) < 1.0).all()
    assert truth["is_star"][nearest].mean() > 0.9


def test_fluxes_of_stars_agree_after_the_corrections(characterized):
    found, _ = characterized
    catalog, corrections = found.catalog, found.exposure.ap_corr_map
    assert {"base_PsfFlux_instFlux", "base_GaussianFlux_instFlux", "base_CompensatedTophatFlux_12_instFlux"} <= set(corrections)
    used = catalog["apcorr_base_PsfFlux_used"]
    ratio = catalog["base_PsfFlux_instFlux"][used] / catalog["slot_CalibFlux_instFlux"][used]
    assert np.median(ratio) == pytest.approx(1.0, abs=0.01)
    assert (catalog["base_PsfFlux_apCorr"][used] > 0.9).all()


def test_extendedness_is_filled(characterized):
    found, _ = characterized
    value = found.catalog["base_ClassificationExtendedness_value"]
    used = found.catalog["calib_psf_used"]
    assert np.nanmean(value[used]) < 0.2


def test_known_psf_is_kept():
    exposure, _ = simulate(SCENE)
    exposure.psf = psf = GaussianPsf(25, 1.5)
    config = CharacterizeImageConfig(doMeasurePsf=False)
    found = characterize_image(exposure, config)
    assert found.psf is None
    assert found.exposure.psf is psf
    assert not found.catalog["calib_psf_candidate"].any()


def test_empty_sky_has_no_psf_stars():
    rng = np.random.default_rng(0)
    exposure = Exposure.from_arrays(rng.normal(100, 3, (300, 320)).astype(np.float32), np.full((300, 320), 9.0, np.float32))
    with pytest.raises(AlgorithmError):
        characterize_image(exposure)
    config = CharacterizeImageConfig(doMeasurePsf=False)
    exposure = Exposure.from_arrays(rng.normal(100, 3, (300, 320)).astype(np.float32), np.full((300, 320), 9.0, np.float32))
    found = characterize_image(exposure, config)
    assert len(found.catalog) == 0
    assert found.exposure.ap_corr_map is None


def test_simple_psf():
    exposure = Exposure.from_arrays(np.zeros((30, 30), np.float32), np.ones((30, 30), np.float32))
    install_simple_psf(exposure)
    assert exposure.psf.sigma() == pytest.approx(1.5)
    assert exposure.psf.size == 11
    exposure.psf = GaussianPsf(31, 2.2)
    install_simple_psf(exposure)
    assert exposure.psf.sigma() == pytest.approx(2.2, rel=1e-3)
    assert exposure.psf.size == 31


def test_configuration_needs_the_raw_flux():
    config = CharacterizeImageConfig()
    config.measurement.plugins.names.discard("base_CompensatedTophatFlux")
    with pytest.raises(ValueError, match="doNormalizedCalibration"):
        config.validate()
    config.doNormalizedCalibration = False
    config.validate()
