"""Convolution against the LSST library."""

from __future__ import annotations

import numpy as np
import pytest

from skysift.image import Image, Mask, MaskedImage
from skysift.image.convolve import SpatialKernel, convolve

POSITIONS = ((0, 0), (30, 25), (59, 49), (12.5, 40.25))


@pytest.fixture(scope="module")
def vectors(golden):
    return golden("convolve")


def masked(vectors, xy0=(0, 0), image=None):
    image = vectors["img"] if image is None else image
    return MaskedImage(Image(image, xy0), Mask(vectors["mask"].astype(np.int32), xy0), Image(vectors["var"], xy0))


def compare(result, vectors, stem, rtol=1e-5):
    assert f"{stem}_img" in vectors.files
    planes = {"img": result.image.array, "var": result.variance.array, "mask": result.mask.array}
    for name, plane in planes.items():
        key = f"{stem}_{name}"
        if key not in vectors.files:
            continue
        expected = vectors[key]
        if name == "mask":
            np.testing.assert_array_equal(plane, expected)
        else:
            scale = np.abs(expected[np.isfinite(expected)]).max()
            np.testing.assert_allclose(plane, expected, rtol=rtol, atol=rtol * scale)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("copy_edge", [False, True])
def test_dense(vectors, normalize, copy_edge):
    result = convolve(masked(vectors), vectors["fixed_kernel"], normalize=normalize, copy_edge=copy_edge)
    compare(result, vectors, f"fixed_n{normalize:d}_c{copy_edge:d}")


@pytest.mark.parametrize("normalize", [False, True])
def test_separable(vectors, normalize):
    def gauss(half, sigma):
        offset = np.arange(-half, half + 1)
        return np.exp(-0.5 * (offset / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))

    kernel = (gauss(5, 1.7), gauss(4, 1.2))
    compare(convolve(masked(vectors), kernel, normalize=normalize, copy_edge=True), vectors, f"sep_n{normalize:d}")


def test_analytic_and_delta(vectors):
    compare(convolve(masked(vectors), vectors["analytic_kernel"]), vectors, "analytic")
    delta = np.zeros((5, 5))
    delta[3, 1] = 1.0
    compare(convolve(masked(vectors), delta, normalize=False, copy_edge=True), vectors, "delta")


def polynomial(parameters):
    return lambda x, y: np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1) @ parameters.T


def chebyshev(parameters):
    def coefficients(x, y):
        u, v = 2 * x / 59 - 1, 2 * y / 49 - 1
        return np.stack([np.ones_like(u), u, v, 2 * u * u - 1, u * v, 2 * v * v - 1], axis=-1) @ parameters.T

    return coefficients


@pytest.mark.parametrize("kind", ["lcpoly", "lccheb"])
@pytest.mark.parametrize("normalize", [False, True])
def test_spatially_varying(vectors, kind, normalize):
    function = polynomial(vectors["lc_poly_par"]) if kind == "lcpoly" else chebyshev(vectors["lc_cheb_par"])
    kernel = SpatialKernel(vectors["lc_basis"], function)
    result = convolve(masked(vectors), kernel, normalize=normalize, copy_edge=True)
    compare(result, vectors, f"{kind}_n{normalize:d}_i0")
    # The reference interpolates between kernels ten pixels apart by default; the exact result differs by a few parts in ten thousand.
    compare(result, vectors, f"{kind}_n{normalize:d}_i10", rtol=3e-4)
    for k, (x, y) in enumerate(POSITIONS):
        image, total = kernel.image(x, y, normalize=normalize)
        np.testing.assert_allclose(image, vectors[f"{kind}_kim{k}_n{normalize:d}"], rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(total, vectors[f"{kind}_ksum{k}_n{normalize:d}"], rtol=1e-10)


def test_spatially_varying_follows_the_origin(vectors):
    kernel = SpatialKernel(vectors["lc_basis"], polynomial(vectors["lc_poly_par"]))
    compare(convolve(masked(vectors, (100, 200)), kernel, copy_edge=True), vectors, "lcpoly_xy0", rtol=3e-4)
    big = convolve(MaskedImage(Image(vectors["big_img"])), kernel, copy_edge=True).image.array
    np.testing.assert_allclose(big, vectors["big_lcpoly"], rtol=3e-4, atol=3e-4 * np.abs(big).max())


def test_kernel_that_is_no_sum_of_products(vectors):
    """A Gaussian whose axes and angle follow the position, in terms of the principal components of its images."""
    parameters = np.array([[1.2, 0.01, 0.0], [1.5, 0.0, 0.012], [0.1, 0.002, -0.001]])
    v, u = (axis.ravel() for axis in np.mgrid[-5:6, -5:6].astype(float))

    def images(x, y):
        a, b, angle = (parameters @ np.stack([np.ones(np.size(x)), np.ravel(x), np.ravel(y)]))[:, :, None]
        along, across = np.cos(angle) * u + np.sin(angle) * v, np.cos(angle) * v - np.sin(angle) * u
        kernels = np.exp(-0.5 * ((along / a) ** 2 + (across / b) ** 2))
        return kernels / kernels.sum(axis=1, keepdims=True)

    y, x = np.mgrid[0:50:3, 0:60:3]
    basis = np.linalg.svd(images(x, y), full_matrices=False)[2][:12]
    kernel = SpatialKernel(basis.reshape(12, 11, 11), lambda x, y: (images(x, y) @ basis.T).reshape(*np.shape(x), 12))
    image = MaskedImage(Image(vectors["img"]))
    result = convolve(image, kernel, copy_edge=True).image.array
    scale = np.abs(vectors["svanalytic_i0"]).max()
    np.testing.assert_allclose(result, vectors["svanalytic_i0"], rtol=1e-5, atol=1e-5 * scale)
    np.testing.assert_allclose(result, vectors["svanalytic_i10"], rtol=1e-3, atol=1e-3 * scale)


def test_nan_spreads_over_the_kernel(vectors):
    image = vectors["img"].copy()
    image[25, 25] = np.nan
    dense = convolve(masked(vectors, image=image), vectors["fixed_kernel"], copy_edge=True).image.array
    np.testing.assert_allclose(dense, vectors["nan_fixed"], rtol=1e-5, atol=1e-4)
    along_x, along_y = vectors["sep_kernel"].sum(axis=0), vectors["sep_kernel"].sum(axis=1)
    separable = convolve(masked(vectors, image=image), (along_x, along_y), copy_edge=True).image.array
    np.testing.assert_allclose(separable, vectors["nan_sep"], rtol=1e-5, atol=1e-4)
