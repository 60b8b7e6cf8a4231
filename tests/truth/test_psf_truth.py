"""The fitted PSF against the PSF that made the stars: Kolmogorov seeing with a pixel, varying over the field."""

from __future__ import annotations

import numpy as np
import pytest

from skysift.characterize import StarStamps, fit_pixel_grid
from skysift.psf import PixelGridPsf, SpatialTerms

galsim = pytest.importorskip("galsim")

SIZE, FIELD, SCALE = 31, 2000.0, 0.2


def true_psf(x, y):
    u, v = x / FIELD * 2 - 1, y / FIELD * 2 - 1
    fwhm = 0.70 + 0.02 * u - 0.01 * v + 0.015 * u * u
    return galsim.Kolmogorov(fwhm=fwhm).shear(g1=0.01 + 0.02 * v, g2=-0.015 * u * v)


def draw(x, y, dx=0.0, dy=0.0, size=SIZE):
    return true_psf(x, y).drawImage(galsim.Image(size, size, dtype=float), scale=SCALE, offset=(dx, dy)).array


def stars(n, seed, noise=30.0, low=1e4, high=1e6):
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, FIELD, n), rng.uniform(0, FIELD, n)
    flux = np.exp(rng.uniform(np.log(low), np.log(high), n))
    ix, iy = np.rint(x).astype(int), np.rint(y).astype(int)
    images = np.array([f * draw(a, b, a - i, b - j) for a, b, i, j, f in zip(x, y, ix, iy, flux)])
    pixels = images + rng.normal(size=images.shape) * np.sqrt(noise**2 + images)
    half = SIZE // 2
    x0, y0 = ix - half, iy - half
    stamps = StarStamps(
        pixels.astype(np.float32), np.ones(images.shape, bool), np.full(n, noise**2), 1.0, x + rng.normal(0, 0.05, n), y, x0, y0
    )
    return stamps, flux


def moments(image):
    found = galsim.Image(np.ascontiguousarray(image, float), scale=1.0).FindAdaptiveMom()
    return found.moments_sigma, found.observed_shape.e1, found.observed_shape.e2


@pytest.fixture(scope="module")
def fitted():
    stamps, flux = stars(150, seed=5)
    terms = SpatialTerms.total_order(2, center=(1000.0, 1000.0), scale=(1000.0, 1000.0))
    fit = fit_pixel_grid(stamps, terms(stamps.x, stamps.y), 1.6)
    return fit, PixelGridPsf(fit.basis, 2, center=(1000.0, 1000.0), scale=(1000.0, 1000.0)), flux


def test_size_and_ellipticity_over_the_field(fitted):
    _, psf, _ = fitted
    grid = np.linspace(100, 1900, 5)
    x, y = (q.ravel() for q in np.meshgrid(grid, grid))
    kernels = psf.kernels(x, y)
    difference = []
    for kernel, a, b in zip(kernels, x, y):
        found, true = moments(kernel), moments(draw(a, b))
        difference.append((2 * (found[0] / true[0] - 1), found[1] - true[1], found[2] - true[2]))
    size, e1, e2 = np.array(difference).T
    assert abs(size.mean()) < 0.002
    assert size.std() < 0.003
    assert e1.std() < 0.002
    assert e2.std() < 0.002


def test_fluxes_are_those_of_the_stamp(fitted):
    fit, _, flux = fitted
    enclosed = draw(1000.0, 1000.0).sum()
    bright = flux > 1e5
    assert np.median(fit.flux[bright] / flux[bright]) == pytest.approx(enclosed, abs=0.003)


def test_misfits_are_those_of_noise(fitted):
    fit, _, _ = fitted
    assert fit.used.mean() > 0.97
    assert np.median(fit.misfit) == pytest.approx(0.85, abs=0.2)


def test_kernels_are_normalised_and_nowhere_wild(fitted):
    _, psf, _ = fitted
    kernels = psf.kernels(np.array([0.0, 2000.0, 0.0, 2000.0]), np.array([0.0, 0.0, 2000.0, 2000.0]))
    np.testing.assert_allclose(kernels.sum(axis=(1, 2)), 1.0)
    assert (kernels.min(axis=(1, 2)) > -1e-4).all()
