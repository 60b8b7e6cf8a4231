"""Convolution kernels and the convolution of masked images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import correlate as scipy_correlate
from scipy.ndimage import correlate1d, maximum_filter

from skysift.errors import InputError
from skysift.image import Image, Mask, MaskedImage
from skysift.image.convolve import SpatialKernel, convolve
from skysift.kernels.convolve import correlate_separable, gaussian_taps, separable_gaussian

NO_IMAGE, NO_MASK = np.empty((0, 0), np.float32), np.empty((0, 0), np.int32)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 8), st.integers(0, 8), st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**31))
def test_separable_is_two_passes(half_x, half_y, height, width, seed):
    rng = np.random.default_rng(seed)
    image = rng.normal(100, 10, (height, width)).astype(np.float32)
    kernel_x, kernel_y = rng.random(2 * half_x + 1), rng.random(2 * half_y + 1)
    out = np.empty_like(image)
    correlate_separable(image, NO_IMAGE, NO_MASK, kernel_x, kernel_y, out, NO_IMAGE, NO_MASK)
    expected = image.astype(np.float64)
    if width > 2 * half_x and height > 2 * half_y:
        inner = np.s_[half_y : height - half_y, half_x : width - half_x]
        expected[inner] = correlate1d(correlate1d(expected, kernel_x, axis=1), kernel_y, axis=0)[inner]
        small = np.empty_like(image[inner])
        correlate_separable(image, NO_IMAGE, NO_MASK, kernel_x, kernel_y, small, NO_IMAGE, NO_MASK)
        np.testing.assert_array_equal(small, out[inner])
    np.testing.assert_allclose(out, expected, rtol=2e-6)


def test_gaussian_smoothing_of_all_planes():
    rng = np.random.default_rng(1)
    image = rng.normal(800, 30, (70, 90)).astype(np.float32)
    variance = rng.uniform(800, 1000, image.shape).astype(np.float32)
    mask = np.where(rng.random(image.shape) < 0.002, 1 << rng.integers(0, 9, image.shape), 0).astype(np.int32)
    half = 5
    taps = gaussian_taps(1.6, half)
    out = separable_gaussian(image, variance, mask, 1.6, half)
    inner = np.s_[half:-half, half:-half]
    for plane, result, weights in ((image, out[0], taps), (variance, out[1], taps**2)):
        expected = correlate1d(correlate1d(plane.astype(np.float64), weights, axis=0), weights, axis=1)
        np.testing.assert_allclose(result[inner], expected[inner], rtol=1e-6)
        np.testing.assert_array_equal(result[:half], plane[:half])
    for bit in range(9):
        expected = maximum_filter(mask >> bit & 1, 2 * half + 1)
        np.testing.assert_array_equal((out[2] >> bit & 1)[inner], expected[inner])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 9), st.integers(0, 9), st.integers(1, 60), st.integers(1, 300), st.integers(0, 2**31))
def test_mask_spreads_over_the_box(half_x, half_y, height, width, seed):
    rng = np.random.default_rng(seed)
    mask = (rng.random((height, width)) < rng.choice([0.0, 0.0005, 0.02])).astype(np.int32) * 5
    kernels = np.ones(2 * half_x + 1), np.ones(2 * half_y + 1)
    out = np.zeros_like(mask)
    correlate_separable(NO_IMAGE, NO_IMAGE, mask, *kernels, NO_IMAGE, NO_IMAGE, out)
    expected = mask.copy()
    if width > 2 * half_x and height > 2 * half_y:
        inner = np.s_[half_y : height - half_y, half_x : width - half_x]
        expected[inner] = maximum_filter(mask, (2 * half_y + 1, 2 * half_x + 1))[inner]
        small = np.zeros_like(mask[inner])
        correlate_separable(NO_IMAGE, NO_IMAGE, mask, *kernels, NO_IMAGE, NO_IMAGE, small)
        np.testing.assert_array_equal(small, expected[inner])
    np.testing.assert_array_equal(out, expected)


def test_taps():
    assert gaussian_taps(2.0, 7).sum() == pytest.approx(1.0, abs=1e-15)
    np.testing.assert_array_equal(gaussian_taps(0.0, 2), [0, 0, 1, 0, 0])


@pytest.mark.parametrize("shape", [(3, 3), (4, 6), (1, 5), (2, 2)])
def test_dense_is_a_correlation(shape):
    rng = np.random.default_rng(2)
    image = rng.normal(0, 1, (30, 41)).astype(np.float32)
    kernel = rng.random(shape)
    result = convolve(MaskedImage(Image(image)), kernel, normalize=False)
    expected = scipy_correlate(image.astype(np.float64), kernel, mode="constant")
    good = np.isfinite(result.image.array)
    assert good.sum() == (31 - shape[0]) * (42 - shape[1])
    np.testing.assert_allclose(result.image.array[good], expected[good], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal((result.mask.array & result.mask.bitmask("NO_DATA")) == 0, good)


def test_mask_spreads_over_the_kernels_pixels_only():
    mask = np.zeros((15, 15), np.int32)
    mask[7, 7] = 8
    kernel = np.zeros((3, 3))
    kernel[0, 2] = kernel[1, 1] = 1
    result = convolve(MaskedImage(Image(np.ones((15, 15), np.float32)), Mask(mask)), kernel)
    # Element [0, 2] of the kernel looks at the pixel one row below and one column to the right.
    assert set(zip(*np.nonzero(result.mask.array & 8))) == {(7, 7), (8, 6)}


def test_varying_kernel_equals_a_kernel_at_each_pixel():
    rng = np.random.default_rng(3)
    image = rng.normal(10, 1, (20, 25)).astype(np.float32)
    variance = rng.uniform(1, 2, image.shape).astype(np.float32)
    kernel = SpatialKernel(rng.random((2, 3, 5)), lambda x, y: np.stack([1 + 0.01 * x, 0.5 - 0.02 * y], axis=-1))
    xy0 = (40, 10)
    result = convolve(MaskedImage(Image(image, xy0), None, Image(variance, xy0)), kernel)
    for y, x in ((5, 7), (10, 20), (18, 2)):
        local, total = kernel.image(x + 40, y + 10)
        assert local.sum() == pytest.approx(1.0)
        assert total == pytest.approx(kernel.coefficients(np.float64(x + 40), np.float64(y + 10)) @ kernel.basis.sum((1, 2)))
        window = np.s_[y - 1 : y + 2, x - 2 : x + 3]
        assert result.image.array[y, x] == pytest.approx((local * image[window]).sum(), rel=1e-5)
        assert result.variance.array[y, x] == pytest.approx((local**2 * variance[window]).sum(), rel=1e-5)


def test_varying_kernel_does_not_depend_on_the_blocks():
    rng = np.random.default_rng(4)
    image = MaskedImage(Image(rng.normal(10, 1, (600, 9)).astype(np.float32)))
    image.mask.array[250:260, 4] = 2
    basis = rng.random((2, 5, 3))
    kernel = SpatialKernel(basis, lambda x, y: np.stack([np.ones_like(x), np.full_like(x, 0.5)], axis=-1))
    varying = convolve(image, kernel, copy_edge=True)
    fixed = convolve(image, basis[0] + 0.5 * basis[1], copy_edge=True)
    np.testing.assert_allclose(varying.image.array, fixed.image.array, rtol=1e-5)
    np.testing.assert_allclose(varying.variance.array, fixed.variance.array, rtol=1e-5)
    np.testing.assert_array_equal(varying.mask.array, fixed.mask.array)


def test_bad_kernels():
    image = MaskedImage(Image(np.ones((5, 6), np.float32)))
    with pytest.raises(InputError, match="does not fit"):
        convolve(image, np.ones((7, 3)))
    with pytest.raises(InputError, match="2-D"):
        convolve(image, np.ones(3))
    with pytest.raises(InputError, match="cannot be normalised"):
        convolve(image, np.array([[1.0, -1.0]]))


def test_input_is_not_changed():
    image = MaskedImage(Image(np.ones((9, 9), np.float32)))
    convolve(image, np.ones((3, 3)), copy_edge=True)
    np.testing.assert_array_equal(image.image.array, 1)
    np.testing.assert_array_equal(image.mask.array, 0)
