"""Values and flags of the plugins on simple scenes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from skysift.image import ApCorrMap, ChebyshevField
from skysift.measure import (
    ApplyApCorrConfig,
    MeasurementConfig,
    add_ap_corr_fields,
    add_calculation_fields,
    apply_ap_corr,
    calculate,
    measure,
    measurement_schema,
)
from skysift.table import SourceCatalog

SIGMA = 1.8
EXTRA = ("base_NaiveCentroid", "base_PeakCentroid", "skysift_PsfCentroid", "base_ScaledApertureFlux", "base_CompensatedGaussianFlux",
         "ext_photometryKron_KronFlux", "base_PeakLikelihoodFlux", "base_Jacobian", "base_LocalWcs", "base_LocalPhotoCalib",
         "skysift_ModelExtendedness")  # fmt: skip


def run(scene, edit=None):
    config = MeasurementConfig()
    config.plugins.names |= set(EXTRA)
    if edit is not None:
        edit(config)
    catalog = scene.catalog(config)
    measure(scene.exposure, catalog, config, scene.footprints)
    return catalog


@pytest.fixture(scope="module")
def stars(make_scene):
    scene = make_scene([100.0, 151.3, 200.27], [100.0, 120.4, 90.5], [1e5, 5e4, 2e4], shape=(220, 300))
    return scene, run(scene)


@pytest.mark.parametrize("name", ["base_SdssCentroid", "skysift_PsfCentroid"])
def test_positions(stars, name):
    scene, catalog = stars
    np.testing.assert_allclose(catalog[f"{name}_x"], scene.x, atol=3e-3)
    np.testing.assert_allclose(catalog[f"{name}_y"], scene.y, atol=3e-3)
    assert not catalog[f"{name}_flag"].any()


def test_naive_centroid(stars):
    scene, catalog = stars
    image = scene.exposure.image.array.astype(float)
    for k, (x, y) in enumerate(((100, 100), (151, 120), (200, 91))):
        # The starting position is the slot centroid, truncated.
        x, y = int(catalog.x[k]), int(catalog.y[k])
        box = image[y - 1 : y + 2, x - 1 : x + 2]
        assert catalog["base_NaiveCentroid_x"][k] == pytest.approx(x + (box[:, 2] - box[:, 0]).sum() / box.sum(), rel=1e-6)
        assert catalog["base_NaiveCentroid_y"][k] == pytest.approx(y + (box[2] - box[0]).sum() / box.sum(), rel=1e-6)


def test_peak_centroid(stars):
    scene, catalog = stars
    np.testing.assert_array_equal(catalog["base_PeakCentroid_x"], np.floor(scene.x + 0.5))


@pytest.mark.parametrize(
    ("name", "fraction", "tolerance"),
    [
        ("base_PsfFlux", 1.0, 2e-3),
        ("base_GaussianFlux", 1.0, 3e-3),
        ("base_SdssShape", 1.0, 3e-3),
        ("base_CircularApertureFlux_3_0", 1 - math.exp(-0.5 * (3 / SIGMA) ** 2), 3e-4),
        ("base_CircularApertureFlux_6_0", 1 - math.exp(-0.5 * (6 / SIGMA) ** 2), 3e-4),
        ("base_CircularApertureFlux_12_0", 1.0, 3e-4),
        ("base_CircularApertureFlux_25_0", 1.0, 3e-4),
        ("base_ScaledApertureFlux", 1.0, 3e-4),
        ("base_CompensatedTophatFlux_12", 1.0, 3e-4),
    ],
)
def test_fluxes(stars, name, fraction, tolerance):
    scene, catalog = stars
    np.testing.assert_allclose(catalog[f"{name}_instFlux"], fraction * scene.flux, rtol=tolerance)
    assert not catalog[f"{name}_flag"].any()
    assert (catalog[f"{name}_instFluxErr"] > 0).all()


def test_flux_errors_are_those_of_the_noise(make_scene):
    n = 30
    x, y = (axis.ravel() for axis in np.meshgrid(40.0 + 40 * np.arange(n), 40.0 + 40 * np.arange(12)))
    scene = make_scene(x[:1], y[:1], [0.0], shape=(520, 1240), noise_seed=7)
    dy, dx = np.mgrid[-20:20, -20:20]
    stamp = 2000 * np.exp(-0.5 * (dx**2 + dy**2) / SIGMA**2) / (2 * np.pi * SIGMA**2)
    for cx, cy in zip(x.astype(int), y.astype(int)):
        scene.exposure.image.array[cy - 20 : cy + 20, cx - 20 : cx + 20] += stamp.astype(np.float32)
    config = MeasurementConfig()
    config.plugins.names |= {"skysift_PsfCentroid"}
    config.doReplaceWithNoise = False
    catalog = SourceCatalog(measurement_schema(config), len(x))
    from skysift.footprint import Footprint, PeakCatalog, SpanSet, flatten_footprints, make_peaks

    footprints = [
        Footprint(SpanSet.from_shape(8, offset=(cx, cy)), PeakCatalog(make_peaks([cx], [cy], [1.0])))
        for cx, cy in zip(x.astype(int), y.astype(int))
    ]
    measure(scene.exposure, catalog, config, flatten_footprints(footprints))
    good = ~catalog["base_SdssCentroid_flag"] & ~catalog["base_SdssShape_flag"]
    assert good.mean() > 0.97
    for value, error, truth in (
        ("base_PsfFlux_instFlux", "base_PsfFlux_instFluxErr", 2000),
        ("base_SdssCentroid_x", "base_SdssCentroid_xErr", x),
        ("base_SdssCentroid_y", "base_SdssCentroid_yErr", y),
        ("skysift_PsfCentroid_x", "skysift_PsfCentroid_xErr", x),
        (
            "base_CircularApertureFlux_6_0_instFlux",
            "base_CircularApertureFlux_6_0_instFluxErr",
            2000 * (1 - math.exp(-0.5 * (6 / SIGMA) ** 2)),
        ),
        ("base_SdssShape_xx", "base_SdssShape_xxErr", SIGMA**2),
    ):
        pull = ((catalog[value] - truth) / catalog[error])[good]
        assert 0.85 < np.std(pull) < 1.2, value
        assert abs(np.median(pull)) < 0.25, value


def test_shapes(make_scene):
    moments = [(8.0, 7.0, 2.0), (5.0, 12.0, -3.0)]
    scene = make_scene([60.2, 120.4], [60.1, 62.3], [5e4, 5e4], moments=moments, radius=20, shape=(130, 190))
    catalog = run(scene)
    for k, (ixx, iyy, ixy) in enumerate(moments):
        values = [catalog[f"base_SdssShape_{m}"][k] for m in ("xx", "yy", "xy")]
        np.testing.assert_allclose(values, [ixx, iyy, ixy], rtol=5e-4, atol=3e-3)
    psf = catalog["base_SdssShape_psf_xx"] + catalog["base_SdssShape_psf_yy"]
    np.testing.assert_allclose(psf, 2 * SIGMA**2, rtol=1e-3)
    excess = (np.sum(moments, axis=1) - np.array([2.0, -3.0]) - psf) / np.sqrt(psf)
    np.testing.assert_allclose(catalog["base_ClassificationSizeExtendedness_value"], 1 - np.exp(-0.5 * excess**2), atol=0.01)
    assert (catalog["skysift_ModelExtendedness_value"] > 0.99).all()


def test_stars_are_points(stars):
    _, catalog = stars
    assert (catalog["skysift_ModelExtendedness_value"] < 1e-3).all()
    assert (catalog["base_ClassificationSizeExtendedness_value"] < 1e-3).all()
    assert not catalog["skysift_ModelExtendedness_flag"].any()


def test_kron(make_scene):
    moments = [(40.0, 20.0, 5.0), (SIGMA**2, SIGMA**2, 0.0)]
    scene = make_scene([100.2, 220.0], [90.0, 90.0], [1e5, 1e5], moments=moments, shape=(180, 300), radius=40, variance=1.0)
    scene.exposure.variance.array[...] = 1.0
    catalog = run(scene, lambda config: setattr(config, "doReplaceWithNoise", False))
    name = "ext_photometryKron_KronFlux"
    np.testing.assert_allclose(catalog[f"{name}_instFlux"], 1e5, rtol=0.01)
    assert not catalog[f"{name}_flag"].any()
    psf_radius = math.sqrt(math.pi / 2) * SIGMA
    np.testing.assert_allclose(catalog[f"{name}_psf_radius"], psf_radius, rtol=1e-3)
    size = (40 * 20 - 25) ** 0.25
    assert catalog[f"{name}_radius"][0] == pytest.approx(math.sqrt(math.pi / 2) * size, rel=0.02)
    assert catalog[f"{name}_radius_for_radius"][0] == pytest.approx(6 * size, rel=1e-3)

    def big_minimum(config):
        config.plugins[name].minimumRadius = 9.0
        config.plugins[name].nRadiusForFlux = 1.5

    catalog = run(scene, big_minimum)
    assert catalog[f"{name}_radius"][1] == 9.0
    assert catalog[f"{name}_flag_used_minimum_radius"][1]
    assert catalog[f"{name}_flag_small_radius"][1]
    assert not catalog[f"{name}_flag"][1]


def test_kron_of_large_and_of_bad_sources(make_scene):
    name = "ext_photometryKron_KronFlux"
    scene = make_scene(
        [150.0, 260.0], [150.0, 20.0], [1e6, 3e4], moments=[(200.0, 150.0, 0.0), (30.0, 30.0, 0.0)], shape=(300, 300), radius=30
    )

    def plain(config):
        config.doReplaceWithNoise = False
        config.plugins[name].useFootprintRadius = True

    catalog = run(scene, plain)
    assert catalog[f"{name}_instFlux"][0] == pytest.approx(1e6, rel=0.02)
    np.testing.assert_array_equal(catalog[f"{name}_flag_edge"], [False, True])
    assert np.isnan(catalog[f"{name}_instFlux"][1])
    scene.exposure.image.array[...] = -1.0
    catalog = run(scene, plain)
    assert catalog[f"{name}_flag_bad_shape"][0]
    assert catalog[f"{name}_flag_bad_radius"][0]
    assert catalog[f"{name}_flag_used_psf_radius"][0]
    assert catalog[f"{name}_flag"][0]


def test_psf_flux_at_the_edge_and_under_a_mask(make_scene):
    scene = make_scene([5.0, 80.0, 120.0], [60.0, 60.0, 60.0], [2e4, 2e4, 2e4])
    scene.exposure.mask.set("BAD", scene.footprints.footprint(1).spans)
    scene.exposure.mask.array[58:60, 118:124] |= scene.exposure.mask.bitmask("SAT")

    def masked(config):
        config.plugins["base_PsfFlux"].badMaskPlanes = ["BAD", "SAT", "NOT_A_PLANE"]

    catalog = run(scene, masked)
    np.testing.assert_array_equal(catalog["base_PsfFlux_flag_edge"], [True, False, False])
    np.testing.assert_array_equal(catalog["base_PsfFlux_flag"], [True, False, False])
    assert catalog["base_PsfFlux_npixels"][2] == 625 - 12
    assert catalog["base_PsfFlux_instFlux"][2] == pytest.approx(2e4, rel=2e-3)
    scene.exposure.mask.array[...] |= 1
    catalog = run(scene, masked)
    assert catalog["base_PsfFlux_flag_noGoodPixels"].all()
    assert catalog["base_PsfFlux_flag"].all()
    assert catalog["base_LocalBackground_flag_noGoodPixels"].all()
    assert catalog["base_Variance_flag_emptyFootprint"].all()


def test_pixel_flags(make_scene):
    scene = make_scene([40.0, 80.0, 120.0], [60.0, 60.0, 60.0], [2e4, 2e4, 2e4])
    mask = scene.exposure.mask
    mask.array[60, 45] |= mask.bitmask("SAT")
    mask.array[61, 81] |= mask.bitmask("CR")
    mask.array[59:62, 119:122] |= mask.bitmask("INTRP")
    mask.add_plane("CLIPPED")
    mask.array[60, 120] |= mask.bitmask("CLIPPED")

    def more(config):
        config.plugins["base_PixelFlags"].masksFpAnywhere = ["CLIPPED"]
        config.plugins["base_PixelFlags"].masksFpCenter = ["CLIPPED"]

    catalog = run(scene, more)
    expected = {
        "saturated": [1, 0, 0], "saturatedCenter": [0, 0, 0], "cr": [0, 1, 0], "crCenter": [0, 1, 0], "crCenterAll": [0, 0, 0],
        "interpolated": [0, 0, 1], "interpolatedCenter": [0, 0, 1], "interpolatedCenterAll": [0, 0, 1], "clipped": [0, 0, 1],
        "clippedCenter": [0, 0, 1], "clippedCenterAll": [0, 0, 0], "edge": [0, 0, 0], "offimage": [0, 0, 0],
    }  # fmt: skip
    for flag, values in expected.items():
        np.testing.assert_array_equal(catalog[f"base_PixelFlags_flag_{flag}"], np.array(values, bool), err_msg=flag)
    from skysift.errors import InputError

    with pytest.raises(InputError, match="NO_SUCH_PLANE"):
        run(scene, lambda config: setattr(config.plugins["base_PixelFlags"], "masksFpCenter", ["NO_SUCH_PLANE"]))


def test_centroids_are_reset_to_the_peak(make_scene):
    scene = make_scene([60.0, 100.0], [60.0, 60.0], [2e4, 2e4])
    scene.footprints.peaks["f_x"][0] = scene.footprints.peaks["i_x"][0] = 61
    catalog = run(scene, lambda config: setattr(config.plugins["base_SdssCentroid"], "maxDistToPeak", 0.5))
    np.testing.assert_array_equal(catalog["base_SdssCentroid_flag_resetToPeak"], [True, False])
    assert catalog.x[0] == 61
    np.testing.assert_array_equal(catalog["base_PsfFlux_flag"], [True, False])
    catalog = run(scene, lambda config: setattr(config.plugins["base_SdssCentroid"], "maxDistToPeak", -1.0))
    assert catalog.x[0] == pytest.approx(60, abs=0.1)
    # The footprint is the pixel of the peak alone; the centroid lies in the next.
    small = make_scene([60.0], [60.0], [2e4], radius=0)
    scene = make_scene([60.7], [60.0], [2e4])
    scene.footprints = small.footprints
    catalog = run(scene)
    assert catalog["base_SdssCentroid_flag_resetToPeak"][0]
    assert catalog.x[0] == 60
    catalog = run(scene, lambda config: setattr(config.plugins["base_SdssCentroid"], "doFootprintCheck", False))
    assert not catalog["base_SdssCentroid_flag"][0]


def test_background_and_variance(make_scene):
    scene = make_scene([80.0], [60.0], [2e4], noise_seed=1)
    scene.exposure.image.array[...] += 30
    scene.exposure.variance.array[:, :80] = 64.0
    scene.exposure.mask.set("DETECTED", scene.footprints.footprint(0).spans)
    catalog = run(scene)
    assert catalog["base_LocalBackground_instFlux"][0] == pytest.approx(30, abs=1.5)
    assert catalog["base_LocalBackground_instFluxErr"][0] == pytest.approx(10, rel=0.1)
    assert np.isnan(catalog["base_Variance_value"][0]) or catalog["base_Variance_value"][0] in (64.0, 100.0)


def test_sky(stars):
    scene, catalog = stars
    ra, dec = scene.exposure.wcs.pixel_to_sky(catalog.x, catalog.y)
    np.testing.assert_array_equal(catalog["coord_ra"], ra)
    np.testing.assert_array_equal(catalog["coord_dec"], dec)
    scale = math.radians(0.2 / 3600)
    np.testing.assert_allclose(catalog["coord_raErr"], scale * catalog["base_SdssCentroid_xErr"], rtol=1e-5)
    np.testing.assert_allclose(catalog["base_Jacobian_value"], (0.2 / 0.5) ** 2, rtol=1e-5)
    np.testing.assert_allclose(catalog["base_LocalWcs_CDMatrix_2_2"], scale, rtol=1e-5)
    np.testing.assert_allclose(catalog["base_LocalPhotoCalib"], 0.5)


def test_nothing_is_known_of_the_sky(make_scene):
    scene = make_scene([80.0], [60.0], [2e4], calib=False)

    def without(config):
        config.plugins.names -= {"base_SkyCoord", "base_Jacobian"}

    catalog = run(scene, without)
    assert catalog["base_LocalWcs_flag"].all()
    assert catalog["base_LocalPhotoCalib_flag"].all()


def test_negative_sources(make_scene):
    scene = make_scene([60.2, 100.3], [60.4, 60.1], [2e4, -2e4])
    config = MeasurementConfig()
    schema = measurement_schema(config)
    schema.add_field("is_negative", "Flag", "a hole")
    catalog = SourceCatalog(schema, 2)
    catalog["is_negative"] = [False, True]
    measure(scene.exposure, catalog, config, scene.footprints)
    assert not catalog["base_SdssCentroid_flag"].any()
    assert not catalog["base_SdssShape_flag"].any()
    np.testing.assert_allclose(catalog.x, scene.x, atol=3e-3)
    np.testing.assert_allclose(catalog["base_PsfFlux_instFlux"], scene.flux, rtol=2e-3)
    np.testing.assert_allclose(catalog["base_SdssShape_xx"], SIGMA**2, rtol=1e-2)


def test_config_backgrounds(make_scene):
    scene = make_scene([80.0], [60.0], [2e4])
    plain = run(scene)
    scene.exposure.image.array[...] += 50

    def subtract(config):
        config.doReplaceWithNoise = False
        for name in ("base_SdssShape", "base_GaussianFlux", "base_NaiveCentroid"):
            config.plugins[name].background = 50.0

    catalog = run(scene, subtract)
    for name in ("base_SdssShape_xx", "base_GaussianFlux_instFlux", "base_NaiveCentroid_x"):
        np.testing.assert_allclose(catalog[name], plain[name], rtol=5e-3)


def test_aperture_corrections(make_scene, caplog):
    scene = make_scene([60.0, 100.0, 130.0], [60.0, 60.0, 60.0], [2e4, 1e4, 3e4])
    config = MeasurementConfig()
    schema = measurement_schema(config)
    settings = ApplyApCorrConfig()
    settings.ignoreList = ["base_PeakLikelihoodFlux"]
    add_ap_corr_fields(schema, settings)
    catalog = SourceCatalog(schema, 3)
    measure(scene.exposure, catalog, config, scene.footprints)
    before = catalog.copy()
    bbox = scene.exposure.bbox
    slope = ChebyshevField(bbox, np.array([[1.0, 0.5]]))
    ap_corr_map = ApCorrMap({"base_PsfFlux_instFlux": slope, "base_PsfFlux_instFluxErr": ChebyshevField(bbox, np.array([[0.01]]))})
    catalog.x[2] = np.nan
    apply_ap_corr(catalog, ap_corr_map, settings)
    factor = slope.evaluate(before.x, before.y)
    np.testing.assert_allclose(catalog["base_PsfFlux_apCorr"][:2], factor[:2])
    np.testing.assert_allclose(catalog["base_PsfFlux_instFlux"][:2], (before["base_PsfFlux_instFlux"] * factor)[:2])
    np.testing.assert_allclose(catalog["base_PsfFlux_instFluxErr"][:2], (before["base_PsfFlux_instFluxErr"] * factor)[:2])
    np.testing.assert_array_equal(catalog["base_PsfFlux_flag_apCorr"], [False, False, True])
    np.testing.assert_array_equal(catalog["base_PsfFlux_flag"], [False, False, True])
    assert catalog["base_GaussianFlux_flag_apCorr"].all()
    assert catalog["base_GaussianFlux_flag"].all()
    assert "no aperture correction for base_GaussianFlux" in caplog.text


def test_calculations(make_scene):
    moments = [(SIGMA**2, SIGMA**2, 0.0), (20.0, 20.0, 0.0), (SIGMA**2, SIGMA**2, 0.0)]
    scene = make_scene([40.0, 80.0, 120.0], [60.0, 60.0, 60.0], [2e4, 4e4, 2e4], moments=moments, radius=12)
    schema = measurement_schema()
    add_calculation_fields(schema)
    catalog = SourceCatalog(schema, 3)
    catalog.footprints = [scene.footprints.footprint(0), scene.footprints.footprint(1), None]
    measure(scene.exposure, catalog, None, scene.footprints)
    catalog["base_PsfFlux_flag"][2] = True
    calculate(catalog)
    np.testing.assert_array_equal(catalog["base_ClassificationExtendedness_value"], [0.0, 1.0, np.nan])
    np.testing.assert_array_equal(catalog["base_ClassificationExtendedness_flag"], [False, False, True])
    np.testing.assert_array_equal(catalog["base_FootprintArea_value"], [*scene.footprints.area[:2], 0])
