"""Aperture corrections and the scaled calibration flux."""

from __future__ import annotations

import numpy as np
import pytest

from skysift.characterize import MeasureApCorrError, measure_ap_corr, normalize_calibration_flux
from skysift.characterize.ap_corr import add_measure_ap_corr_fields, add_normalized_flux_fields
from skysift.characterize.ap_corr_config import MeasureApCorrConfig, NormalizedCalibrationFluxConfig
from skysift.geom import Box2I
from skysift.image import ApCorrMap, ChebyshevField, Exposure

from .conftest import make_catalog, star_schema

BOX = Box2I.from_shape((800, 1000), (50, -20))


def truth(x, y):
    u, v = (x - 549.5) / 500, (y - 379.5) / 400
    return 1.02 + 0.01 * u - 0.02 * v + 0.004 * u * v


def stars(n=60, seed=2, scatter=0.0):
    rng = np.random.default_rng(seed)
    schema = star_schema()
    add_measure_ap_corr_fields(schema)
    add_normalized_flux_fields(schema)
    schema.aliases["slot_CalibFlux"] = "base_CircularApertureFlux_12_0"
    catalog = make_catalog(n, schema)
    x, y = rng.uniform(50, 1050, n), rng.uniform(-20, 780, n)
    catalog["base_SdssCentroid_x"], catalog["base_SdssCentroid_y"] = x, y
    flux = rng.uniform(1e4, 1e5, n)
    catalog["base_PsfFlux_instFlux"] = flux
    catalog["base_PsfFlux_instFluxErr"] = 10.0
    catalog["base_GaussianFlux_instFlux"] = 2.0 * flux
    catalog["base_GaussianFlux_instFluxErr"] = 10.0
    catalog["base_CompensatedTophatFlux_12_instFlux"] = 0.8 * flux
    catalog["base_CompensatedTophatFlux_12_instFluxErr"] = 10.0
    catalog["base_CircularApertureFlux_12_0_instFlux"] = flux * truth(x, y) * (1 + rng.normal(0, scatter, n))
    catalog["base_CircularApertureFlux_12_0_instFluxErr"] = 10.0
    catalog["base_ClassificationSizeExtendedness_value"] = 0.0
    catalog["calib_psf_used"] = True
    return catalog


def test_field_is_recovered_and_outliers_are_clipped():
    catalog = stars(scatter=0.001)
    catalog["base_CircularApertureFlux_12_0_instFlux"][:4] *= [1.5, 0.3, 2.0, 1.2]
    corrections = measure_ap_corr(BOX, catalog)
    assert {"base_PsfFlux_instFlux", "base_PsfFlux_instFluxErr", "base_GaussianFlux_instFlux"} <= set(corrections)
    x, y = np.array([100.0, 500.0, 1000.0]), np.array([0.0, 400.0, 700.0])
    np.testing.assert_allclose(corrections["base_PsfFlux_instFlux"].evaluate(x, y), truth(x, y), rtol=2e-3)
    np.testing.assert_allclose(corrections["base_GaussianFlux_instFlux"].evaluate(x, y), 0.5 * truth(x, y), rtol=2e-3)
    assert corrections["base_PsfFlux_instFluxErr"].mean() == pytest.approx(0.001, rel=0.5)
    used = catalog["apcorr_base_PsfFlux_used"]
    assert not used[:4].any()
    assert used[4:].sum() >= 50


def test_order_falls_with_the_number_of_stars():
    for n, shape in ((60, 6), (5, 3), (2, 1)):
        field = measure_ap_corr(BOX, stars(n))["base_PsfFlux_instFlux"]
        assert np.count_nonzero(field.coefficients) <= shape
        assert np.isfinite(field.evaluate(300.0, 300.0))


def test_median_residual_is_zero():
    catalog = stars(scatter=0.01)
    config = MeasureApCorrConfig()
    field = measure_ap_corr(BOX, catalog, config)["base_PsfFlux_instFlux"]
    used = catalog["apcorr_base_PsfFlux_used"]
    ratio = catalog["base_CircularApertureFlux_12_0_instFlux"] / catalog["base_PsfFlux_instFlux"]
    assert np.median((ratio - field.evaluate(catalog.x, catalog.y))[used]) == pytest.approx(0.0, abs=1e-12)


def test_flags_limits_and_too_few_stars():
    catalog = stars(10)
    catalog["base_PsfFlux_flag"][:9] = True
    with pytest.raises(MeasureApCorrError, match="base_PsfFlux"):
        measure_ap_corr(BOX, catalog)
    config = MeasureApCorrConfig(allowFailure=["base_PsfFlux"])
    corrections = measure_ap_corr(BOX, catalog, config)
    assert "base_PsfFlux_instFlux" not in corrections
    assert "base_GaussianFlux_instFlux" in corrections
    with pytest.raises(MeasureApCorrError):
        measure_ap_corr(BOX, stars(0))
    faint = stars(10)
    faint["base_PsfFlux_instFluxErr"] = 1e4
    with pytest.raises(MeasureApCorrError):
        measure_ap_corr(BOX, faint)


def test_bad_fluxes_are_left_out():
    catalog = stars(30)
    catalog["base_PsfFlux_instFlux"][:5] = [np.nan, 0.0, -5.0, np.inf, 1e4]
    catalog["base_CircularApertureFlux_12_0_instFlux"][5] = np.nan
    config = MeasureApCorrConfig()
    config.sourceSelector["science"].doSignalToNoise = False
    field = measure_ap_corr(BOX, catalog, config)["base_PsfFlux_instFlux"]
    assert field.evaluate(500.0, 300.0) == pytest.approx(truth(500.0, 300.0), rel=1e-3)


def exposure():
    return Exposure.from_arrays(np.zeros((800, 1000), np.float32), np.ones((800, 1000), np.float32), xy0=(50, -20))


def test_calibration_flux_is_scaled_to_the_aperture():
    catalog = stars()
    catalog["base_CircularApertureFlux_12_0_instFlux"] = catalog["base_PsfFlux_instFlux"] * 1.04
    corrections = normalize_calibration_flux(exposure(), catalog)
    name = "base_NormalizedCompensatedTophatFlux"
    np.testing.assert_allclose(catalog[f"{name}_instFlux"], catalog["base_CircularApertureFlux_12_0_instFlux"])
    np.testing.assert_allclose(catalog[f"{name}_instFluxErr"], 13.0)
    assert not catalog[f"{name}_flag"].any()
    assert corrections["base_CompensatedTophatFlux_12_instFlux"].mean() == pytest.approx(1.3)
    assert corrections["base_CompensatedTophatFlux_12_instFluxErr"].mean() == 0.0
    assert catalog["apcorr_base_CompensatedTophatFlux_12_used"].all()


def test_calibration_flux_without_stars_uses_the_median_or_one():
    catalog = stars()
    catalog["calib_psf_used"] = False
    catalog["base_CircularApertureFlux_12_0_instFlux"] = catalog["base_PsfFlux_instFlux"] * 1.04
    corrections = normalize_calibration_flux(exposure(), catalog)
    assert corrections["base_CompensatedTophatFlux_12_instFlux"].mean() == pytest.approx(1.3)
    catalog["base_CircularApertureFlux_12_0_instFlux"] = np.nan
    corrections = normalize_calibration_flux(exposure(), catalog)
    assert corrections["base_CompensatedTophatFlux_12_instFlux"].mean() == 1.0


def test_known_scale_of_the_exposure_is_used():
    image, catalog = exposure(), stars()
    config = NormalizedCalibrationFluxConfig(do_measure_ap_corr=False)
    assert normalize_calibration_flux(image, catalog, config)["base_CompensatedTophatFlux_12_instFlux"].mean() == 1.0
    image.ap_corr_map = ApCorrMap({"base_CompensatedTophatFlux_12_instFlux": ChebyshevField.constant(image.bbox, 1.7)})
    normalize_calibration_flux(image, catalog, config)
    name = "base_NormalizedCompensatedTophatFlux_instFlux"
    np.testing.assert_allclose(catalog[name], 1.7 * catalog["base_CompensatedTophatFlux_12_instFlux"])


def test_fields_and_slot():
    schema = star_schema()
    add_normalized_flux_fields(schema)
    assert schema.resolve("slot_CalibFlux_instFlux") == "base_NormalizedCompensatedTophatFlux_instFlux"
    assert "base_NormalizedCompensatedTophatFlux_flag" in schema
