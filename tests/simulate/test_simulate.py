from __future__ import annotations

import numpy as np
import pytest

from skysift.errors import InputError
from skysift.kernels.render import add_gaussians
from skysift.simulate import DE_VAUCOULEURS, EXPONENTIAL, MixturePsf, SceneConfig, simulate


@pytest.mark.parametrize("profile", [EXPONENTIAL, DE_VAUCOULEURS])
def test_half_the_light_is_within_the_half_light_radius(profile):
    assert profile.weights.sum() == pytest.approx(1.0)
    assert np.sum(profile.weights * (1 - np.exp(-0.5 / profile.variances))) == pytest.approx(0.5, abs=0.03)


def test_rendered_gaussians_equal_the_formula():
    rng = np.random.default_rng(1)
    n = 6
    x, y = rng.uniform(5, 35, n), rng.uniform(5, 30, n)
    ixx, iyy, ixy = rng.uniform(2, 9, n), rng.uniform(2, 9, n), rng.uniform(-1.5, 1.5, n)
    flux = rng.uniform(10, 100, n)
    image = np.zeros((36, 41))
    add_gaussians(image, x, y, flux, ixx, iyy, ixy, np.full(n, 100.0))
    yy, xx = np.indices(image.shape)
    expected = np.zeros(image.shape)
    for k in range(n):
        det = ixx[k] * iyy[k] - ixy[k] ** 2
        dx, dy = xx - x[k], yy - y[k]
        q = (iyy[k] * dx**2 - 2 * ixy[k] * dx * dy + ixx[k] * dy**2) / det
        expected += flux[k] / (2 * np.pi * np.sqrt(det)) * np.exp(-0.5 * q)
    np.testing.assert_allclose(image, expected, rtol=1e-9, atol=1e-12)


def test_psf_has_the_seeing_asked_for():
    psf = MixturePsf(4.0, (1000, 1000))
    stamp = psf.stamps([499.5], [499.5], 61)[0]
    profile = stamp[30, 30:] / stamp[30, 30]
    radius = np.interp(0.5, profile[::-1], np.arange(profile.size)[::-1])
    assert 2 * radius == pytest.approx(4.0, rel=0.03)


def test_fluxes_noise_and_sky_are_those_of_the_truth():
    config = SceneConfig(width=300, height=280, stars=60, galaxies=0, cosmic_rays=0, bad_columns=0, sky_gradient=0.0, seed=9)
    exposure, truth = simulate(config)
    image, variance = exposure.image.array, exposure.variance.array
    faint = variance < config.sky * 1.02 + config.read_noise**2
    assert image[faint].mean() == pytest.approx(config.sky, rel=0.003)
    pull = (image - (variance - config.read_noise**2)) / np.sqrt(variance)
    unsaturated = exposure.mask.array == 0
    assert pull[unsaturated].std() == pytest.approx(1.0, abs=0.02)
    ra, dec = exposure.wcs.pixel_to_sky(truth["x"], truth["y"])
    np.testing.assert_allclose(np.degrees(ra), truth["ra"])
    np.testing.assert_allclose(np.degrees(dec), truth["dec"])
    mag = exposure.photo_calib.inst_flux_to_magnitude(truth["flux"])
    np.testing.assert_allclose(mag, truth["mag"], atol=1e-3)


def test_visits_share_the_sky_but_not_the_noise():
    small = {"width": 150, "height": 150, "seed": 2}
    (a, truth_a), (b, truth_b) = simulate(SceneConfig(visit=1, **small)), simulate(SceneConfig(visit=2, **small))
    np.testing.assert_array_equal(truth_a["x"], truth_b["x"])
    assert not np.array_equal(a.image.array, b.image.array)


def test_an_empty_field_and_no_field():
    exposure, truth = simulate(SceneConfig(width=40, height=30, stars=0, galaxies=0))
    assert truth["x"].size == 0
    assert exposure.image.array.shape == (30, 40)
    with pytest.raises(InputError, match="0 x 5"):
        simulate(SceneConfig(width=0, height=5))
