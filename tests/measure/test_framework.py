"""The measurement framework: plugins, their order, slots, flags, failures and input of every kind."""

from __future__ import annotations

import logging
import subprocess
import sys

import numpy as np
import pytest

from skysift.errors import AlgorithmError, InputError, MeasurementError
from skysift.footprint import Footprint, FootprintArrays, flatten_footprints
from skysift.image import Exposure
from skysift.measure import (
    Measurement,
    MeasurementConfig,
    Plugin,
    SourcePlugin,
    ap_corr_names,
    driver,
    measure,
    measurement_schema,
    register,
)
from skysift.measure.registry import entry
from skysift.psf import GaussianPsf
from skysift.table import Schema, SourceCatalog


@register("test_Brightest", order=2.0, ap_corr=True)
class Brightest(SourcePlugin):
    """The brightest pixel; fails in various ways."""

    flags = {"faint": "too faint"}

    def fields(self, schema):
        schema.add_field(f"{self.name}_value", "D", "brightest pixel")
        schema.add_field(f"{self.name}_x", "D", "where it was asked")
        self.add_flags(schema)

    def measure_source(self, record, exposure, center):
        record[f"{self.name}_x"] = center[0]
        value = float(np.nanmax(exposure.image.array))
        if value < 50:
            raise MeasurementError("faint", flag="faint")
        if value > 5000:
            raise ZeroDivisionError("a mistake in a plugin")
        record[f"{self.name}_value"] = value


@register("test_Broken", order=0.7)
class Broken(Plugin):
    """Always fails."""

    def measure(self, batch):
        raise ValueError("broken")


def test_default_columns():
    config = MeasurementConfig()
    schema = measurement_schema(config)
    for name in ("base_PsfFlux_instFlux", "base_SdssShape_xx", "base_PixelFlags_flag_saturatedCenter", "base_CircularApertureFlux_70_0_flag",
                 "base_InvalidPsf_flag", "coord_raErr", "base_CompensatedTophatFlux_12_instFlux"):  # fmt: skip
        assert name in schema
    assert schema.resolve("slot_CalibFlux_instFlux") == "base_CircularApertureFlux_12_0_instFlux"
    assert schema.resolve("slot_PsfShape_xx") == "base_SdssShape_psf_xx"
    assert schema.resolve("base_PsfFlux_flag_badCentroid") == "base_SdssCentroid_flag"
    assert schema["base_SdssCentroid_xErr"].type == "F"
    assert schema["base_PsfFlux_instFlux"].unit == "count"
    assert "base_SdssCentroid_flag_badInitialCentroid" not in schema


def test_every_plugin_can_be_active_at_once(make_scene):
    config = MeasurementConfig()
    config.plugins.names = [name for name in config.plugins if not name.startswith("test_")]
    scene = make_scene([80.2, 120.4], [90.1, 91.3], [5e4, 2e4], noise_seed=1, shape=(180, 200))
    catalog = scene.catalog(config)
    measure(scene.exposure, catalog, config, scene.footprints)
    raised = {field.name for field in catalog.schema if field.type == "Flag" and catalog[field.name].any()}
    assert {name for name in raised if not name.startswith("ext_photometryKron_KronFlux_flag_")} == set()
    assert {name for name in raised if name.endswith("_flag")} == set()
    for field in catalog.schema:
        if field.type in "DF":
            assert np.isfinite(catalog[field.name]).all(), field.name


def test_order():
    config = MeasurementConfig()
    config.plugins.names |= {"base_NaiveCentroid", "ext_photometryKron_KronFlux"}
    names = [plugin.name for plugin in Measurement(config).plugins]
    assert names[:2] == ["base_SdssCentroid", "base_NaiveCentroid"]
    orders = [entry(name).order for name in names]
    assert orders == sorted(orders)
    assert "base_PsfFlux" in ap_corr_names()
    assert "base_CircularApertureFlux" not in ap_corr_names()


def test_config_reads_like_the_reference():
    config = MeasurementConfig()
    config.plugins.names |= {"base_NaiveCentroid"}
    config.plugins.names -= {"base_SkyCoord"}
    config.plugins["base_PsfFlux"].badMaskPlanes = ["BAD"]
    assert config.plugins["base_PeakLikelihoodFlux"].warpingKernelName == "lanczos4"
    config.slots.calibFlux = None
    config.validate()
    assert "slot_CalibFlux" not in measurement_schema(config).aliases
    config.slots.shape = "base_NoSuchShape"
    with pytest.raises(ValueError, match="base_NoSuchShape"):
        config.validate()
    config = MeasurementConfig()
    config.slots.centroid = "base_PeakCentroid"
    with pytest.raises(ValueError, match="not an active plugin"):
        Measurement(config)


def test_names_are_taken_once():
    with pytest.raises(RuntimeError):
        register("base_PsfFlux")(Plugin)


def test_source_plugins_and_failures(make_scene, caplog):
    config = MeasurementConfig()
    config.plugins.names |= {"test_Brightest", "test_Broken"}
    scene = make_scene([40, 80, 120], [60, 60, 60], [3e4, 300, 3e5])
    catalog = scene.catalog(config)
    with caplog.at_level(logging.WARNING, "skysift.measure"):
        measure(scene.exposure, catalog, config, scene.footprints)
    np.testing.assert_array_equal(catalog["test_Brightest_flag"], [False, True, True])
    np.testing.assert_array_equal(catalog["test_Brightest_flag_faint"], [False, True, False])
    np.testing.assert_allclose(catalog["test_Brightest_value"][0], scene.exposure.image.array[60, 40], rtol=1e-6)
    np.testing.assert_allclose(catalog["test_Brightest_x"], catalog.x)
    assert catalog["test_Broken_flag"].all()
    assert "a mistake in a plugin" in caplog.text
    assert "test_Broken failed on 3 sources" in caplog.text
    assert np.isfinite(catalog["base_PsfFlux_instFlux"]).all()


def test_exposure_is_not_changed(make_scene):
    scene = make_scene([40, 80], [60, 60], [3e4, 3e4], noise_seed=2)
    before = [plane.array.copy() for plane in (scene.exposure.image, scene.exposure.mask, scene.exposure.variance)]
    measure(scene.exposure, scene.catalog(), None, scene.footprints)
    for plane, old in zip((scene.exposure.image, scene.exposure.mask, scene.exposure.variance), before):
        np.testing.assert_array_equal(plane.array, old)


def test_parent_coordinates(make_scene):
    x, y, flux = np.array([41.3, 80.2]), np.array([60.4, 30.7]), [4e4, 2e4]
    config = MeasurementConfig()
    config.plugins.names |= {"ext_photometryKron_KronFlux", "skysift_PsfCentroid", "base_NaiveCentroid"}
    catalogs = []
    for xy0 in ((0, 0), (1000, -300)):
        scene = make_scene(x + xy0[0], y + xy0[1], flux, xy0=xy0, noise_seed=3)
        catalog = scene.catalog(config)
        measure(scene.exposure, catalog, config, scene.footprints)
        catalogs.append(catalog)
    first, second = catalogs
    for field in first.schema:
        name = field.name
        if name.startswith("coord") or field.type not in "DF":
            continue
        shift = 1000 if name.endswith("_x") else -300 if name.endswith("_y") else 0
        np.testing.assert_allclose(second[name] - shift, first[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_blocks_do_not_matter(make_scene, monkeypatch):
    scene = make_scene([30, 60, 90, 120, 45], [30, 60, 90, 60, 90], [1e4, 2e4, 3e4, 4e4, 5e4], noise_seed=4)
    whole = scene.catalog()
    measure(scene.exposure, whole, None, scene.footprints)
    monkeypatch.setattr(driver, "BLOCK", 2)
    pieces = scene.catalog()
    measure(scene.exposure, pieces, None, scene.footprints)
    for field in whole.schema:
        np.testing.assert_array_equal(whole[field.name], pieces[field.name])


def test_footprints_of_the_catalogue_do_as_well(make_scene):
    scene = make_scene([40, 80], [60, 60], [3e4, 3e4], noise_seed=2)
    first, second = scene.catalog(), scene.catalog()
    measure(scene.exposure, first, None, scene.footprints)
    second.footprints = [scene.footprints.footprint(i) for i in range(2)]
    measure(scene.exposure, second)
    np.testing.assert_array_equal(first["base_PsfFlux_instFlux"], second["base_PsfFlux_instFlux"])


def test_neighbours_do_not_count(make_scene):
    scene = make_scene([70, 84], [60, 60], [1e4, 1e6], noise_seed=5)
    config = MeasurementConfig()
    fluxes = {}
    for hide in (True, False):
        config.doReplaceWithNoise = hide
        catalog = scene.catalog(config)
        measure(scene.exposure, catalog, config, scene.footprints)
        fluxes[hide] = catalog["base_CircularApertureFlux_12_0_instFlux"][0]
    assert fluxes[True] == pytest.approx(1e4, rel=0.3)
    assert fluxes[False] > 5e4


def test_order_range(make_scene):
    scene = make_scene([70], [60], [1e4])
    catalog = scene.catalog()
    measure(scene.exposure, catalog, None, scene.footprints, end_order=1.0)
    assert np.isfinite(catalog.x).all()
    assert np.isnan(catalog["base_PsfFlux_instFlux"]).all()
    measure(scene.exposure, catalog, None, scene.footprints, begin_order=1.0)
    assert catalog["base_PsfFlux_instFlux"][0] == pytest.approx(1e4, rel=1e-3)


def test_metadata(make_scene):
    scene = make_scene([70], [60], [1e4])
    catalog = scene.catalog()
    measure(scene.exposure, catalog, None, scene.footprints)
    assert catalog.metadata["BASE_CIRCULARAPERTUREFLUX_RADII"][-1] == 70.0
    assert catalog.metadata["NOISE_EXPOSURE_ID"] == 5


def test_no_sources(make_scene):
    scene = make_scene([70], [60], [1e4])
    catalog = SourceCatalog(measurement_schema(), 0)
    measure(scene.exposure, catalog)
    assert len(catalog) == 0


def test_wrong_input(make_scene):
    scene = make_scene([70], [60], [1e4])
    with pytest.raises(InputError, match="lacks 131 columns, the first of them base_SdssCentroid_x"):
        measure(scene.exposure, SourceCatalog(Schema.source(), 1), None, scene.footprints)
    with pytest.raises(InputError, match="1 footprints for a catalogue of 2"):
        measure(scene.exposure, SourceCatalog(measurement_schema(), 2), None, scene.footprints)
    scene.exposure.psf = None
    with pytest.raises(InputError, match="has none"):
        measure(scene.exposure, scene.catalog(), None, scene.footprints)
    scene = make_scene([70], [60], [1e4], calib=False)
    with pytest.raises(InputError, match="sky coordinates"):
        measure(scene.exposure, scene.catalog(), None, scene.footprints)


class HolePsf(GaussianPsf):
    """Cannot be computed left of x = 50."""

    def _check(self, x):
        if np.any(np.asarray(x) < 50):
            raise AlgorithmError("no PSF here")

    def kernels(self, x, y):
        self._check(x)
        return super().kernels(x, y)

    def cores(self, x, y):
        self._check(x)
        return super().cores(x, y)

    def stamps(self, x, y, size=None):
        self._check(x)
        return super().stamps(x, y, size)

    def shapes(self, x, y):
        self._check(x)
        return super().shapes(x, y)


def test_invalid_psf(make_scene, caplog):
    scene = make_scene([30, 90], [60, 60], [1e4, 1e4], noise_seed=1)
    scene.exposure.psf = HolePsf(25, 1.8)
    config = MeasurementConfig()
    config.plugins.names |= {"skysift_PsfCentroid", "skysift_ModelExtendedness", "ext_photometryKron_KronFlux", "base_PeakLikelihoodFlux"}
    catalog = scene.catalog(config)
    measure(scene.exposure, catalog, config, scene.footprints)
    np.testing.assert_array_equal(catalog["base_InvalidPsf_flag"], [True, False])
    for name in ("base_SdssCentroid", "base_PsfFlux", "base_LocalBackground", "skysift_PsfCentroid", "skysift_ModelExtendedness"):
        np.testing.assert_array_equal(catalog[f"{name}_flag"], [True, False], err_msg=name)
    assert not caplog.records
    assert catalog["base_PsfFlux_instFlux"][1] == pytest.approx(1e4, rel=0.05)


@pytest.mark.parametrize("trouble", ["nan", "zero", "inf", "nan_variance", "zero_variance", "tiny", "empty_footprints"])
def test_bad_pixels_give_flags(make_scene, trouble, caplog):
    scene = make_scene([40, 80], [60, 60], [3e4, 3e4])
    exposure, footprints = scene.exposure, scene.footprints
    if trouble == "nan":
        exposure.image.array[...] = np.nan
    elif trouble == "zero":
        exposure.image.array[...] = 0
    elif trouble == "inf":
        exposure.image.array[60, 40] = np.inf
    elif trouble == "nan_variance":
        exposure.variance.array[...] = np.nan
    elif trouble == "zero_variance":
        exposure.variance.array[...] = 0
    elif trouble == "tiny":
        exposure = Exposure.from_arrays(np.ones((2, 3), np.float32), np.ones((2, 3), np.float32))
        exposure.psf, exposure.wcs = scene.exposure.psf, scene.exposure.wcs
    else:
        footprints = flatten_footprints([None, Footprint()])
    config = MeasurementConfig()
    config.plugins.names = [name for name in config.plugins if not name.startswith("test_")]
    catalog = scene.catalog(config)
    measure(exposure, catalog, config, footprints)
    assert not caplog.records
    assert catalog["base_PsfFlux_flag"].any() or trouble == "zero"
    flux, error = catalog["base_PsfFlux_instFlux"], catalog["base_PsfFlux_instFluxErr"]
    assert not (error == 0).any()
    bad = ~np.isfinite(flux) | ~np.isfinite(error)
    np.testing.assert_array_equal(catalog["base_PsfFlux_flag"][bad], True)


def test_unusual_arrays(make_scene):
    scene = make_scene([40, 80], [60, 60], [3e4, 3e4], noise_seed=6)
    first = scene.catalog()
    measure(scene.exposure, first, None, scene.footprints)
    exposure = Exposure.from_arrays(
        scene.exposure.image.array.astype(">f8"), scene.exposure.variance.array.astype(">f4"), scene.exposure.mask.array.astype(">i2")
    )
    exposure.psf, exposure.wcs, exposure.id = scene.exposure.psf, scene.exposure.wcs, scene.exposure.id
    second = scene.catalog()
    measure(exposure, second, None, scene.footprints)
    np.testing.assert_array_equal(first["base_PsfFlux_instFlux"], second["base_PsfFlux_instFlux"])
    for plane in (exposure.image, exposure.variance, exposure.mask):
        plane.array.flags.writeable = False
    measure(exposure, second, None, scene.footprints)
    np.testing.assert_array_equal(first["base_PsfFlux_instFlux"], second["base_PsfFlux_instFlux"])
    cutout = scene.exposure[scene.exposure.bbox.grown(-5)]
    third = scene.catalog()
    measure(cutout, third, None, scene.footprints)
    np.testing.assert_allclose(third["base_PsfFlux_instFlux"], first["base_PsfFlux_instFlux"], rtol=1e-3)


def test_positions_fall_back_to_the_peak(make_scene):
    """A slot centroid that is not finite makes the fluxes be measured at the peak, and flagged."""
    scene = make_scene([40, 80], [60, 60], [3e4, 3e4])
    config = MeasurementConfig()
    config.plugins.names = ["base_PeakCentroid", "base_PsfFlux", "base_PixelFlags"]
    for slot in config.slots.toDict():
        setattr(config.slots, slot, None)
    config.slots.centroid = "base_PeakCentroid"
    catalog = scene.catalog(config)
    measure(scene.exposure, catalog, config, scene.footprints, end_order=1)
    catalog["base_PeakCentroid_x"][1] = np.nan
    measure(scene.exposure, catalog, config, scene.footprints, begin_order=1)
    np.testing.assert_allclose(catalog["base_PsfFlux_instFlux"], 3e4, rtol=1e-3)
    np.testing.assert_array_equal(catalog["base_PsfFlux_flag"], [False, True])
    np.testing.assert_array_equal(catalog["base_PixelFlags_flag"], [False, True])


def test_sources_without_footprints_or_positions(make_scene):
    scene = make_scene([40, 80], [60, 60], [3e4, 3e4])
    catalog = scene.catalog()
    measure(scene.exposure, catalog)
    for name in ("base_SdssCentroid", "base_SdssShape", "base_PsfFlux", "base_CircularApertureFlux_12_0"):
        assert catalog[f"{name}_flag"].all()
    assert catalog["base_PixelFlags_flag_offimage"].all()
    assert isinstance(scene.footprints, FootprintArrays)


def test_importing_is_cheap():
    code = "import sys, skysift.measure; print([m for m in ('numba', 'scipy', 'astropy', 'lsst.pipe') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
    code = code.replace("skysift.measure;", "skysift.measure; skysift.measure.MeasurementConfig();")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
