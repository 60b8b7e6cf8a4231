"""Candidates, stamps, the pixel-grid fit and the determiners on stars whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from skysift.characterize import (
    NoPsfStarsError,
    PixelGridOptions,
    candidate_stamps,
    cut_stamps,
    determine_psf,
    fit_pixel_grid,
    make_candidates,
)
from skysift.characterize.config import MakePsfCandidatesConfig, MeasurePsfConfig
from skysift.characterize.determiners import spatial_order
from skysift.characterize.pixel_grid import smooth_wings
from skysift.characterize.psf_measurement import measure_psf
from skysift.image import Exposure

from .conftest import make_catalog, make_field, moffat

PLANES = ("BAD", "SAT")


def truth_kernel(size, alpha=3.2, e1=0.05):
    half = size // 2
    kernel = moffat((size, size), half, half, 1.0, alpha, e1)
    return kernel / kernel.sum()


def relative_size(psf, x, y, alpha, e1=0.05):
    """Trace of the adaptive moments relative to that of the truth, and the difference of e1."""
    from skysift.psf import KernelPsf

    found = psf.shapes(np.array([x]), np.array([y]))[0]
    true = KernelPsf(truth_kernel(psf.size, alpha, e1)).shapes(np.zeros(1), np.zeros(1))[0]
    ellipticity = [(q[0] - q[1]) / (q[0] + q[1]) for q in (found, true)]
    return (found[0] + found[1]) / (true[0] + true[1]) - 1.0, ellipticity[0] - ellipticity[1]


def test_stamps_hold_the_image_and_its_noise(field):
    stamps = cut_stamps(field.exposure.masked_image, field.x, field.y, 31, PLANES)
    assert stamps.pixels.shape == (60, 31, 31)
    assert stamps.gain == pytest.approx(1.0, rel=0.02)
    np.testing.assert_allclose(stamps.noise, 25.0, rtol=0.15)
    i = 7
    y0, x0 = int(stamps.y0[i]), int(stamps.x0[i])
    np.testing.assert_array_equal(stamps.pixels[i], field.exposure.image.array[y0 : y0 + 31, x0 : x0 + 31])
    dx, dy = stamps.offsets
    assert (np.abs(dx) <= 0.5).all()
    assert (np.abs(dy) <= 0.5).all()


def test_stamps_beyond_the_image_and_bad_pixels_do_not_count(field):
    mask = field.exposure.mask
    mask.set("SAT", np.zeros(mask.array.shape, bool) | (np.arange(600) == 300)[None, :])
    field.exposure.image.array[300, 310] = np.nan
    stamps = cut_stamps(field.exposure.masked_image, [1.0, 300.2, -50.0], [2.0, 300.0, -50.0], 31, PLANES)
    assert not stamps.usable[0, :13].any()
    assert stamps.usable[0, 13:, 14:].all()
    assert not stamps.usable[1, :, 15].any()
    assert not stamps.usable[1, 15, 25]
    assert not stamps.usable[2].any()
    assert np.isfinite(stamps.pixels).all()
    assert (stamps.noise > 0).all()


def test_stamps_of_nothing(field):
    stamps = cut_stamps(field.exposure.masked_image, [], [], 31, PLANES)
    assert len(stamps) == 0
    with pytest.raises(ValueError, match="odd"):
        cut_stamps(field.exposure.masked_image, [5.0], [5.0], 30, PLANES)


def test_candidates_lie_in_the_image(field):
    field.catalog["base_SdssCentroid_x"][0] = 12.4
    field.catalog["base_SdssCentroid_x"][1] = 12.6
    field.catalog["base_SdssCentroid_x"][2] = np.nan
    field.exposure.image.array[int(field.y[5]), int(field.x[5])] = np.nan
    rows, peak = make_candidates(field.exposure, field.catalog, np.ones(60, bool), MakePsfCandidatesConfig())
    assert set(range(60)) - set(rows.tolist()) == {0, 2, 5}
    np.testing.assert_allclose(peak[rows == 20], field.exposure.image.array[int(field.y[20]) - 5 :, int(field.x[20]) - 5 :][:12, :12].max())


def test_neighbours_are_masked():
    shape = (101, 101)
    image = moffat(shape, 50, 50, 1e5) + moffat(shape, 62, 50, 5e4) + moffat(shape, 50, 66, 5e3)
    exposure = Exposure.from_arrays(image.astype(np.float32), np.full(shape, 25.0, np.float32))
    exposure.mask.set("DETECTED", image > 60.0)
    exposure.mask.array[62:70, 44:56] &= ~exposure.mask.bitmask("DETECTED")
    exposure.mask.array[65:68, 49:52] |= exposure.mask.bitmask("DETECTED")
    catalog = make_catalog(3)
    catalog["base_SdssCentroid_x"], catalog["base_SdssCentroid_y"] = [50.0, 62.0, 50.0], [50.0, 50.0, 66.0]
    stamps = candidate_stamps(exposure, catalog, np.array([0]), 41, PLANES)
    usable = stamps.usable[0]
    assert usable[20, 20]
    assert usable[20, 25]
    assert not usable[20, 27:34].any()
    assert not usable[36, 17:24].any()
    assert not usable[33, 20]
    assert usable[5, 5]


def test_fit_recovers_a_constant_psf(field):
    stamps = cut_stamps(field.exposure.masked_image, field.catalog.x, field.catalog.y, 31, PLANES)
    fit = fit_pixel_grid(stamps, np.ones((60, 1)), 2.0)
    assert fit.used.all()
    assert fit.basis.shape == (1, 31, 31)
    assert fit.basis[0].sum() == pytest.approx(1.0)
    np.testing.assert_allclose(fit.basis[0], truth_kernel(31), atol=3e-4)
    np.testing.assert_allclose(np.median(fit.flux / field.flux), truth_kernel(161)[65:96, 65:96].sum(), rtol=0.02)
    assert np.std(fit.x - field.x) < 0.02
    assert np.std(fit.y - field.y) < 0.02
    assert 0.5 < np.median(fit.misfit) < 1.1


def test_psf_follows_the_variation_over_the_field():
    field = make_field(n=100, size=900, spread=0.1, seed=4)
    config = MeasurePsfConfig()
    found = measure_psf(field.exposure, field.catalog, config)
    assert found.solution.metadata["spatialOrder"] == 2
    for x in (100.0, 450.0, 800.0):
        size, e1 = relative_size(found.psf, x, 450.0, 3.2 * (1 - 0.1 * (x / 900 - 0.5)))
        assert abs(size) < 0.006
        assert abs(e1) < 0.004


def test_contaminated_stars_leave_and_do_no_harm():
    clean, dirty = make_field(seed=6), make_field(seed=6)
    for i in range(0, 50, 10):
        x, y = int(dirty.x[i]), int(dirty.y[i])
        part = dirty.exposure.image.array[y - 20 : y + 21, x - 20 : x + 21]
        part += moffat(part.shape, 22.5, 21.0, 0.4 * dirty.flux[i]).astype(np.float32)
    kept = measure_psf(clean.exposure, clean.catalog)
    found = measure_psf(dirty.exposure, dirty.catalog)
    assert not found.used[::10][:5].any()
    assert found.used.sum() >= 52
    size, e1 = relative_size(found.psf, 300.0, 300.0, 3.2)
    assert abs(size) < 0.006
    assert abs(e1) < 0.004
    np.testing.assert_allclose(found.psf.kernel_image().array, kept.psf.kernel_image().array, atol=3e-4)


def test_faint_neighbours_in_the_wings_are_masked():
    field = make_field(seed=8)
    rng = np.random.default_rng(3)
    for i in range(60):
        angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(9, 13)
        x, y = field.x[i] + distance * np.cos(angle), field.y[i] + distance * np.sin(angle)
        j, k = int(y) - 10, int(x) - 10
        part = field.exposure.image.array[j : j + 21, k : k + 21]
        part += moffat(part.shape, x - k, y - j, 0.05 * field.flux[i]).astype(np.float32)
    found = measure_psf(field.exposure, field.catalog)
    size, _ = relative_size(found.psf, 300.0, 300.0, 3.2)
    assert abs(size) < 0.01
    assert found.psf.aperture_flux(8.0) == pytest.approx(truth_kernel(41)[np.hypot(*np.mgrid[-20:21, -20:21]) < 8].sum(), abs=0.01)


@pytest.mark.parametrize(("n", "order"), [(3, 0), (14, 1), (40, 2)])
def test_few_stars_lower_the_order(n, order):
    field = make_field(n=n, size=600, seed=9)
    found = measure_psf(field.exposure, field.catalog)
    assert found.psf.order == order
    size, _ = relative_size(found.psf, 300.0, 300.0, 3.2)
    assert abs(size) < 0.03
    assert np.isfinite(found.psf.kernels(np.array([0.0, 599.0]), np.array([0.0, 599.0]))).all()


def test_spatial_order_rule():
    assert [spatial_order(n, 2) for n in (1, 11, 12, 23, 24)] == [0, 0, 1, 1, 2]
    assert spatial_order(1000, 0) == 0


def test_limit_on_signal_to_noise_evens_the_weights(field):
    stamps = cut_stamps(field.exposure.masked_image, field.catalog.x, field.catalog.y, 25, PLANES)
    limited = fit_pixel_grid(stamps, np.ones((60, 1)), 2.0, PixelGridOptions(max_snr=50.0))
    np.testing.assert_allclose(limited.basis[0], truth_kernel(25), atol=1e-3)


def test_columns_and_metadata(field):
    config = MeasurePsfConfig()
    config.reserve.fraction = 0.2
    found = measure_psf(field.exposure, field.catalog, config, exposure_id=5)
    catalog = field.catalog
    assert catalog["calib_psf_candidate"].sum() == len(found.rows) == 60
    assert catalog["calib_psf_reserved"].sum() == 12
    assert not (catalog["calib_psf_reserved"] & catalog["calib_psf_used"]).any()
    assert np.isfinite(catalog["psf_max_value"]).all()
    assert field.exposure.psf is found.psf
    assert found.solution.metadata["numAvailStars"] == 48
    assert found.solution.metadata["numGoodStars"] == catalog["calib_psf_used"].sum()
    used = catalog["calib_psf_used"]
    assert found.psf.average_position.x == pytest.approx(catalog.x[used].mean(), abs=0.1)


@pytest.mark.parametrize("name", ["psfex", "piff", "pca"])
def test_all_determiners_find_the_psf(name):
    field = make_field(n=64, seed=11)
    config = MeasurePsfConfig()
    config.psfDeterminer.name = name
    found = measure_psf(field.exposure, field.catalog, config)
    assert found.psf.size == {"psfex": 41, "piff": 25, "pca": 41}[name]
    assert found.used.sum() > 20
    size, e1 = relative_size(found.psf, 300.0, 300.0, 3.2)
    assert abs(size) < (0.03 if name == "pca" else 0.006)
    assert abs(e1) < 0.01
    assert found.psf.kernel_image().array.sum() == pytest.approx(1.0)


def test_too_many_candidates_are_thinned(field):
    config = MeasurePsfConfig()
    config.psfDeterminer["psfex"].maxCandidates = 30
    rows = np.arange(60)
    solution = determine_psf(field.exposure, field.catalog, rows, config.psfDeterminer)
    assert solution.used.sum() <= 30
    assert np.isfinite(solution.misfit).sum() == 30
    again = determine_psf(field.exposure, field.catalog, rows, config.psfDeterminer)
    np.testing.assert_array_equal(solution.psf.basis_images, again.psf.basis_images)


@pytest.mark.parametrize("name", ["psfex", "piff", "pca"])
def test_no_usable_star_is_an_error(field, name):
    config = MeasurePsfConfig()
    config.psfDeterminer.name = name
    field.exposure.mask.set("BAD", np.ones(field.exposure.mask.array.shape, bool))
    with pytest.raises(NoPsfStarsError):
        measure_psf(field.exposure, field.catalog, config)
    assert field.exposure.psf is None


def test_no_candidate_is_an_error(field):
    field.catalog["base_SdssCentroid_x"] = -100.0
    with pytest.raises(NoPsfStarsError):
        measure_psf(field.exposure, field.catalog)


def test_nan_and_negative_pixels_are_survived(field):
    field.exposure.image.array[::7, ::5] = np.nan
    field.exposure.variance.array[::6, ::4] = -1.0
    with np.errstate(all="raise"):
        stamps = cut_stamps(field.exposure.masked_image, field.catalog.x, field.catalog.y, 31, PLANES)
    fit = fit_pixel_grid(stamps, np.ones((60, 1)), 2.0)
    assert np.isfinite(fit.basis).all()
    np.testing.assert_allclose(fit.basis[0], truth_kernel(31), atol=2e-3)


def test_fit_in_other_units_is_the_same(field):
    stamps = cut_stamps(field.exposure.masked_image, field.catalog.x, field.catalog.y, 25, PLANES)
    scaled = Exposure.from_arrays(field.exposure.image.array * 100.0, field.exposure.variance.array * 1e4)
    other = cut_stamps(scaled.masked_image, field.catalog.x, field.catalog.y, 25, PLANES)
    first, second = (fit_pixel_grid(s, np.ones((60, 1)), 2.0) for s in (stamps, other))
    np.testing.assert_allclose(first.basis, second.basis, atol=1e-6)


def test_smooth_wings_keep_the_core():
    image = truth_kernel(41, e1=0.3)
    smooth = smooth_wings(image, 8.0, 12.0)
    radius = np.hypot(*np.mgrid[-20:21, -20:21])
    np.testing.assert_array_equal(smooth[radius < 8], image[radius < 8])
    ring = smooth[(radius > 13.9) & (radius < 14.1)]
    assert np.ptp(ring) < 0.1 * ring.mean()
