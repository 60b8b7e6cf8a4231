"""PSF classes against the LSST library."""

from __future__ import annotations

import numpy as np
import pytest

from skysift.psf import DoubleGaussianPsf, GaussianPsf, KernelPsf, PcaPsf, Resampling, SpatialTerms

RADII = (0.5, 1, 2, 3, 5, 7, 9.7)


@pytest.fixture(scope="module")
def vectors(golden):
    return golden("psf")


@pytest.fixture(scope="module")
def models(vectors):
    y, x = np.mgrid[-10:11, -10:11]
    return {
        "gauss": GaussianPsf(21, 2.0),
        "single": KernelPsf(np.exp(-0.5 * (x**2 + y**2) / 4.0)),
        "double": DoubleGaussianPsf(25, 1.6, 4.0, 0.1),
        "kernel": KernelPsf(vectors["kernelpsf_stamp"]),
        "pca": PcaPsf(vectors["pca_basis"], SpatialTerms.total_order(1), vectors["pca_par"], average_position=(50, 50)),
        # LSST's 15 x 21 pixels; here a PSF is square
        "gauss_even": GaussianPsf(21, 1.1),
    }


KINDS = ["gauss", "single", "double", "kernel", "pca", "gauss_even"]


def columns(name: str) -> slice:
    return slice(3, 18) if name == "gauss_even" else slice(None)


@pytest.mark.parametrize("name", KINDS)
def test_kernel_images(vectors, models, name):
    psf = models[name]
    checked = 0
    for i, (x, y) in enumerate(vectors["pos"]):
        if f"{name}_kim{i}" not in vectors:
            continue
        expected = vectors[f"{name}_kim{i}"]
        image = psf.kernel_image(x, y)
        np.testing.assert_allclose(image.array[:, columns(name)], expected, rtol=1e-5, atol=1e-10)
        np.testing.assert_array_equal([image.xy0.x + (columns(name).start or 0), image.xy0.y], vectors[f"{name}_kim{i}_xy0"])
        checked += 1
    assert checked >= 1


@pytest.mark.parametrize("name", KINDS)
def test_images(vectors, models, name):
    psf = models[name]
    x, y = vectors["pos"].T
    stamps, x0, y0 = psf.stamps(x, y)
    checked = 0
    for i in range(len(x)):
        if f"{name}_im{i}" not in vectors:
            continue
        expected = vectors[f"{name}_im{i}"]
        # LSST keeps the parameters of its shift as single precision, and pads 15 columns less far than 21
        tolerance = 1e-5 if name == "gauss_even" else 2e-7
        np.testing.assert_allclose(stamps[i][:, columns(name)], expected, rtol=1e-5, atol=tolerance * expected.max())
        np.testing.assert_array_equal([x0[i] + (columns(name).start or 0), y0[i]], vectors[f"{name}_im{i}_xy0"])
        checked += 1
    assert checked == 4


@pytest.mark.parametrize("name", KINDS)
def test_shapes_fluxes_and_positions(vectors, models, name):
    psf = models[name]
    x, y = vectors["pos"][0]
    np.testing.assert_allclose(psf.shapes(x, y)[0], vectors[f"{name}_shape"], rtol=1e-5, atol=1e-6)
    fluxes = [psf.aperture_flux(r, x, y) for r in RADII]
    np.testing.assert_allclose(fluxes, vectors[f"{name}_apflux"], rtol=1e-5)
    assert psf.peak(x, y) == pytest.approx(vectors[f"{name}_peak"][0], rel=1e-5)
    assert tuple(psf.average_position) == tuple(vectors[f"{name}_avg"])


@pytest.mark.parametrize("name", KINDS)
def test_image_bbox(vectors, models, name):
    image = models[name].image(*vectors["pos"][1])
    padding = columns(name).start or 0
    box = [image.xy0.x + padding, image.xy0.y, image.width - 2 * padding, image.height]
    np.testing.assert_array_equal(box, vectors[f"{name}_bbox1"])


@pytest.mark.parametrize("order", [3, 4, 5])
def test_shift_of_noise(vectors, order):
    """`offsetImage` leaves a border of the kernel's half width as it was; whole pixels move the origin."""
    image, origin = vectors["offset_in"], np.array([7, 11])
    resampling = Resampling(order=order)
    inner = np.s_[order:-order, order:-order]
    for i, (dx, dy) in enumerate([(0.3, -0.4), (0.5, 0.5), (-0.25, 0.0), (1.6, -2.3), (0.0, 0.0)]):
        whole = np.ceil(np.array([dx, dy]) - 0.5).astype(int)
        np.testing.assert_array_equal(origin + whole, vectors[f"offset_lanczos{order}_{i}_xy0"])
        shifted = resampling.matrix(dy - whole[1], 40, 40) @ image @ resampling.matrix(dx - whole[0], 45, 45).T
        np.testing.assert_allclose(shifted[inner], vectors[f"offset_lanczos{order}_{i}"][inner], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("order", [3, 4, 5])
def test_lanczos_kernel(vectors, order):
    expected = vectors[f"lanczoswarp_{order}"]
    taps = [Resampling(order=order).matrix(-offset, 31, 31)[15] for offset in (0.6, 0.3)]
    # The kernel of the reference is not divided by its sum before it is used; its centre is the left of the two middle elements.
    first = 15 - vectors[f"lanczoswarp_{order}_ctr"]
    y, x = (taps[k][first[1 - k] : first[1 - k] + 2 * order] for k in (0, 1))
    np.testing.assert_allclose(np.outer(y, x), expected / expected.sum(), rtol=1e-10, atol=1e-14)


def test_shift_of_noise_with_a_margin(vectors):
    """`offsetImage` with Lanczos-5 and five pixels of zeros around, on an image that is all edges."""
    image = vectors["offset_in"]
    resampling = Resampling()
    np.testing.assert_array_equal(vectors["offset_lanczos5_0_b5_xy0"], [7, 11])
    shifted = resampling.matrix(-0.4, 40, 40) @ image @ resampling.matrix(0.3, 45, 45).T
    np.testing.assert_allclose(shifted, vectors["offset_lanczos5_0_b5"], rtol=1e-5, atol=1e-6)
