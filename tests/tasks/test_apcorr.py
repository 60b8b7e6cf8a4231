"""MeasureApCorrTask, NormalizedCalibrationFluxTask and ApplyApCorrTask on fluxes whose ratios are known."""

import numpy as np
import pytest

from skysift.characterize import MeasureApCorrError
from skysift.image import ApCorrMap, ChebyshevField, Exposure
from skysift.measure import MeasurementConfig, measurement_schema
from skysift.table import Schema, SourceCatalog
from skysift.tasks import ApplyApCorrTask, MeasureApCorrTask, NormalizedCalibrationFluxTask

SHAPE, XY0, N = (400, 500), (1000, 200), 120
REFERENCE, PSF, RAW = "base_CircularApertureFlux_12_0", "base_PsfFlux", "base_CompensatedTophatFlux_12"


def true_ratio(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Reference flux over PSF flux."""
    u, v = (x - XY0[0] - 249.5) / 250, (y - XY0[1] - 199.5) / 200
    return 1.05 + 0.02 * u - 0.01 * v + 0.005 * u * v


def make_schema() -> Schema:
    schema = measurement_schema(MeasurementConfig())
    schema.add_field("calib_psf_used", "Flag", "made the PSF")
    return schema


def make_exposure() -> Exposure:
    return Exposure.from_arrays(np.zeros(SHAPE), np.ones(SHAPE), xy0=XY0)


def fill(catalog: SourceCatalog, seed: int = 6) -> None:
    rng = np.random.default_rng(seed)
    n = len(catalog)
    catalog["base_SdssCentroid_x"] = XY0[0] + rng.uniform(0, SHAPE[1] - 1, n)
    catalog["base_SdssCentroid_y"] = XY0[1] + rng.uniform(0, SHAPE[0] - 1, n)
    flux = 10 ** rng.uniform(4, 5, n)
    for name, scale in ((PSF, 1.0), (REFERENCE, true_ratio(catalog.x, catalog.y)), (RAW, 0.9), ("base_GaussianFlux", 1.1)):
        catalog[f"{name}_instFlux"] = flux * scale
        catalog[f"{name}_instFluxErr"] = flux * scale / 500
    catalog["base_ClassificationSizeExtendedness_value"] = 0.0
    catalog["calib_psf_used"] = True


def test_field_is_recovered_and_outliers_are_left_out():
    schema = make_schema()
    task = MeasureApCorrTask(schema=schema)
    assert f"apcorr_{PSF}_used" in schema
    catalog = SourceCatalog(schema, N)
    fill(catalog)
    catalog[f"{PSF}_instFlux"][:4] *= 3.0
    catalog["base_ClassificationSizeExtendedness_value"][4:10] = 0.9
    catalog[f"{PSF}_flag"][10] = True
    corrections = task.run(make_exposure(), catalog).apCorrMap
    x, y = np.array([1010.0, 1250.0, 1490.0]), np.array([210.0, 400.0, 590.0])
    np.testing.assert_allclose(corrections[f"{PSF}_instFlux"].evaluate(x, y), true_ratio(x, y), rtol=1e-6)
    assert np.abs(corrections[f"{PSF}_instFluxErr"].evaluate(x, y)).max() < 1e-3
    used = catalog[f"apcorr_{PSF}_used"]
    assert not used[:11].any()
    assert used[11:].sum() > 0.8 * (N - 11)


def test_too_few_stars():
    schema = make_schema()
    config = MeasureApCorrTask.ConfigClass()
    task = MeasureApCorrTask(schema=schema, config=config)
    catalog = SourceCatalog(schema, 1)
    fill(catalog)
    with pytest.raises(MeasureApCorrError, match="1 stars"):
        task.run(make_exposure(), catalog)
    config = MeasureApCorrTask.ConfigClass()
    config.allowFailure = [PSF, "base_GaussianFlux"]
    assert len(MeasureApCorrTask(schema=make_schema(), config=config).run(make_exposure(), catalog).apCorrMap) == 0


def test_empty_catalogue_is_too_few_stars():
    schema = make_schema()
    task = MeasureApCorrTask(schema=schema)
    with pytest.raises(MeasureApCorrError):
        task.run(make_exposure(), SourceCatalog(schema))


def test_normalised_flux():
    schema = make_schema()
    task = NormalizedCalibrationFluxTask(schema=schema)
    assert schema.aliases["slot_CalibFlux"] == "base_NormalizedCompensatedTophatFlux"
    catalog = SourceCatalog(schema, N)
    fill(catalog)
    scale = task.run(exposure=make_exposure(), catalog=catalog).ap_corr_map[f"{RAW}_instFlux"]
    expected = np.median(catalog[f"{REFERENCE}_instFlux"] / catalog[f"{RAW}_instFlux"])
    assert scale.evaluate(np.array([1100.0]), np.array([300.0]))[0] == pytest.approx(expected, rel=2e-3)
    new = catalog["base_NormalizedCompensatedTophatFlux_instFlux"]
    np.testing.assert_allclose(new / catalog[f"{RAW}_instFlux"], scale.mean(), rtol=1e-9)
    assert not catalog["base_NormalizedCompensatedTophatFlux_flag"].any()


def test_normalised_flux_with_the_scale_of_the_exposure():
    schema = make_schema()
    config = NormalizedCalibrationFluxTask.ConfigClass()
    config.do_measure_ap_corr = False
    task = NormalizedCalibrationFluxTask(schema=schema, config=config)
    catalog = SourceCatalog(schema, N)
    fill(catalog)
    exposure = make_exposure()
    exposure.ap_corr_map = ApCorrMap({f"{RAW}_instFlux": ChebyshevField.constant(exposure.bbox, 1.25)})
    task.run(exposure=exposure, catalog=catalog)
    np.testing.assert_allclose(catalog["base_NormalizedCompensatedTophatFlux_instFlux"], 1.25 * catalog[f"{RAW}_instFlux"], rtol=1e-9)


def test_measured_corrections_make_fluxes_equal():
    schema = make_schema()
    measure = MeasureApCorrTask(schema=schema)
    apply = ApplyApCorrTask(schema=schema)
    catalog = SourceCatalog(schema, N)
    fill(catalog)
    apply.run(catalog, measure.run(make_exposure(), catalog).apCorrMap)
    np.testing.assert_allclose(catalog[f"{PSF}_instFlux"], catalog[f"{REFERENCE}_instFlux"], rtol=1e-5)
    assert not catalog[f"{PSF}_flag_apCorr"].any()
