"""The straight path through the science, against simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from skysift.image import Exposure
from skysift.pipeline import detect, process
from skysift.psf import GaussianPsf
from skysift.simulate import MixturePsf, SceneConfig, simulate


@pytest.fixture(scope="module")
def night():
    config = SceneConfig(width=1100, height=1000, stars=450, galaxies=120, seed=12)
    exposure, truth = simulate(config)
    return config, process(exposure), truth


def matched(catalog, truth, rows, radius=1.5):
    distance, index = cKDTree(np.column_stack([catalog["x"], catalog["y"]])).query(np.column_stack([truth["x"], truth["y"]])[rows])
    return rows[distance < radius], index[distance < radius]


def isolated_stars(truth, low, high, size):
    d, _ = cKDTree(np.column_stack([truth["x"], truth["y"]])).query(np.column_stack([truth["x"], truth["y"]]), k=2)
    inside = (truth["x"] > 30) & (truth["x"] < size[0] - 30) & (truth["y"] > 30) & (truth["y"] < size[1] - 30)
    return np.flatnonzero(truth["is_star"] & (truth["snr"] > low) & (truth["snr"] < high) & (d[:, 1] > 15) & inside)


def scatter(values):
    return 1.4826 * np.median(np.abs(values - np.median(values)))


def test_sky_is_that_of_the_truth(night):
    config, result, _ = night
    sky = result.background.image().array
    v = (np.arange(config.height)[:, None] / config.height - 0.5) * 2.0
    u = (np.arange(config.width)[None, :] / config.width - 0.5) * 2.0
    true = config.sky * (1.0 + config.sky_gradient * (u - 0.6 * v + 0.5 * u * v))
    noise = np.sqrt(config.sky + config.read_noise**2)
    assert abs((sky - true).mean()) < 0.01 * noise


def test_psf_model_has_the_true_size_everywhere(night):
    config, result, _ = night
    true = MixturePsf(config.fwhm, (config.height, config.width))
    x, y = (a.ravel().astype(float) for a in np.meshgrid(np.linspace(100, 1000, 6), np.linspace(100, 900, 6)))
    from skysift.psf import KernelPsf

    model = np.asarray(result.exposure.psf.shapes(x, y))
    expected = np.array([np.asarray(KernelPsf(k).shapes(np.zeros(1), np.zeros(1)))[0] for k in true.stamps(x, y, 41)])
    ratio = (model[:, 0] + model[:, 1]) / (expected[:, 0] + expected[:, 1]) - 1
    assert abs(ratio.mean()) < 0.006
    assert ratio.std() < 0.01


def test_fluxes_of_stars_are_unbiased_with_honest_errors(night):
    config, result, truth = night
    rows, index = matched(result.catalog, truth, isolated_stars(truth, 20, 400, (config.width, config.height)))
    catalog = result.catalog
    good = ~np.asarray(catalog["base_PsfFlux_flag"])[index]
    flux, error = (np.asarray(catalog[f"base_PsfFlux_{c}"])[index][good] for c in ("instFlux", "instFluxErr"))
    true = truth["flux"][rows][good]
    n = good.sum()
    assert n > 30
    weight = (true / error) ** 2
    assert abs(np.average(flux / true - 1, weights=weight)) < 0.005
    assert scatter((flux - true) / error) == pytest.approx(1.0, abs=4 / np.sqrt(2 * n))
    assert (error > 0).all()


def test_positions_of_stars_are_unbiased_with_honest_errors(night):
    config, result, truth = night
    rows, index = matched(result.catalog, truth, isolated_stars(truth, 20, 400, (config.width, config.height)))
    for axis in "xy":
        pull = (np.asarray(result.catalog[axis])[index] - truth[axis][rows]) / np.asarray(result.catalog[f"{axis}Err"])[index]
        assert abs(np.median(pull)) < 4 * 1.25 / np.sqrt(len(rows))
        assert scatter(pull) == pytest.approx(1.0, abs=4 / np.sqrt(2 * len(rows)))


def test_completeness_and_purity(night):
    _, result, truth = night
    rows = np.flatnonzero(truth["is_star"] & (truth["snr"] > 10))
    assert len(matched(result.catalog, truth, rows, 2.5)[0]) / len(rows) > 0.95
    distance, _ = cKDTree(np.column_stack([truth["x"], truth["y"]])).query(np.column_stack([result.catalog["x"], result.catalog["y"]]))
    clean = ~np.asarray(result.catalog["base_PixelFlags_flag_bad"]) & ~np.asarray(result.catalog["base_PixelFlags_flag_saturated"])
    assert (distance[clean] < 3.0).mean() > 0.97


def test_given_psf_is_kept(night):
    exposure, _ = simulate(SceneConfig(width=300, height=300, seed=5))
    exposure.psf = GaussianPsf(31, 1.6)
    result = process(exposure)
    assert isinstance(result.exposure.psf, GaussianPsf)
    assert not np.any(result.catalog["calib_psf_used"])


def test_stages_are_told_and_timed():
    exposure, _ = simulate(SceneConfig(width=300, height=300, seed=5))
    told = []
    result = detect(exposure, listener=told.append)
    assert told == list(result.timings)
    assert told[0] == "sky"


def test_bare_arrays_suffice():
    exposure, truth = simulate(SceneConfig(width=300, height=300, stars=300, galaxies=0, cosmic_rays=0, bad_columns=0, seed=6))
    result = detect(Exposure.from_arrays(exposure.image.array))
    rows = np.flatnonzero(truth["snr"] > 20)
    assert len(matched(result.catalog, truth, rows, 2.5)[0]) / len(rows) > 0.9


def test_corrections_that_come_with_a_psf_are_applied():
    from skysift.image import ApCorrMap, ChebyshevField

    fluxes = []
    for factor in (1.0, 1.1):
        exposure, _ = simulate(SceneConfig(width=300, height=300, seed=5))
        exposure.psf = GaussianPsf(31, 1.6)
        field, error = (ChebyshevField(exposure.bbox, [[value]]) for value in (factor, 0.0))
        exposure.ap_corr_map = ApCorrMap({"base_PsfFlux_instFlux": field, "base_PsfFlux_instFluxErr": error})
        fluxes.append(process(exposure).catalog)
    np.testing.assert_allclose(fluxes[1]["base_PsfFlux_instFlux"], 1.1 * fluxes[0]["base_PsfFlux_instFlux"])
    assert fluxes[1]["ext_photometryKron_KronFlux_flag_apCorr"].all()
    assert not fluxes[1]["ext_photometryKron_KronFlux_flag"].all()
