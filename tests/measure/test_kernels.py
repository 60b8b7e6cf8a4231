"""Each measurement kernel against a plain numpy statement of what it computes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.footprint import flatten_footprints
from skysift.kernels import aperture, centroid, extendedness, flux, kron, moments, sinc, stamps
from skysift.measure.noise import make_overlay, source_pixels
from skysift.measure.sinc import aperture_bank, ellipse_flux, ellipse_widths, sinc_coefficients


def bare(image, n):
    """An overlay of n sources that hides nothing."""
    image = np.ascontiguousarray(image, np.float32)
    return make_overlay(image, source_pixels(image, 0, 0, flatten_footprints([None] * n)), None)


@pytest.fixture(scope="module")
def pixels():
    rng = np.random.default_rng(3)
    shape = (90, 110)
    dy, dx = np.mgrid[: shape[0], : shape[1]]
    image = rng.normal(0, 3, shape) + 4000 * np.exp(-0.5 * (((dx - 50) / 6) ** 2 + ((dy - 40) / 4) ** 2))
    return image.astype(np.float32), rng.uniform(5, 20, shape).astype(np.float32), dx, dy


@pytest.mark.parametrize("fine", [False, True])
@pytest.mark.parametrize("weight", [(0.05, 0.01, 0.08), (3.0, -0.5, 2.5), (0.0, 0.0, 0.0)])
def test_weighted_sums(pixels, weight, fine):
    image, _, dx, dy = pixels
    xc, yc, radius = 50.3, 39.6, 12.0
    w11, w12, w22 = weight
    offsets = np.array([-0.375, -0.125, 0.125, 0.375]) if fine else np.zeros(1)
    near = (np.abs(dx - math.floor(xc + 0.5)) <= 13) & (np.abs(dy - math.floor(yc + 0.5)) <= 13)
    box = (dx >= math.floor(xc - radius + 0.5)) & (dx <= math.floor(xc + radius + 0.5))
    box &= (dy >= math.floor(yc - radius + 0.5)) & (dy <= math.floor(yc + radius + 0.5)) & near
    u = (dx - xc)[..., None, None] + offsets[None, :]
    v = (dy - yc)[..., None, None] + offsets[:, None]
    q = w11 * u**2 + 2 * w12 * u * v + w22 * v**2
    used = box & (q.max(axis=(2, 3)) <= (9 if fine else 14))
    f = np.where(used[..., None, None], image[..., None, None] * np.exp(-0.5 * q), 0) / len(offsets) ** 2
    expected = [np.sum(f * term) for term in (1.0, u, v, u * u, u * v, v * v)]
    np.testing.assert_allclose(
        moments.weighted_sums(image, xc, yc, w11, w12, w22, radius, fine, np.empty((4, moments.SCRATCH))), expected, rtol=1e-9
    )


@settings(max_examples=30, deadline=None)
@given(a=st.floats(1.5, 6.0), ratio=st.floats(0.45, 1.0), angle=st.floats(0, math.pi), dx=st.floats(-0.5, 0.5), dy=st.floats(-0.5, 0.5))
def test_moments_of_a_gaussian(a, ratio, angle, dx, dy):
    b = max(a * ratio, 1.3)
    ixx = (a * math.cos(angle)) ** 2 + (b * math.sin(angle)) ** 2
    iyy = (a * math.sin(angle)) ** 2 + (b * math.cos(angle)) ** 2
    ixy = (a**2 - b**2) * math.sin(angle) * math.cos(angle)
    y, x = np.mgrid[:101, :101] - 50.0
    x, y = x - dx, y - dy
    image = 1e4 * np.exp(-0.5 * (iyy * x**2 - 2 * ixy * x * y + ixx * y**2) / (ixx * iyy - ixy**2))
    got = moments.sdss_shape(image, 50.0 + dx, 50.0 + dy, 100, 1e-6, 1e-6, 2.0, False)
    np.testing.assert_allclose(got[:4], [ixx, ixy, iyy, 1e4], rtol=2e-3, atol=2e-3)
    assert got[6] == 0
    np.testing.assert_allclose(moments.sdss_shape(-image, 50.0 + dx, 50.0 + dy, 100, 1e-6, 1e-6, 2.0, True)[:3], got[:3], rtol=1e-12)


@pytest.mark.parametrize("image", [np.zeros((9, 9)), np.full((9, 9), np.nan), -np.ones((9, 9)), np.zeros((0, 0)), np.ones((1, 1))])
def test_moments_of_nothing(image):
    result = moments.sdss_shape(image, 4.0, 4.0, 100, 1e-5, 1e-4, 2.0, False)
    assert result[6] & (moments.FLAG_UNWEIGHTED | moments.FLAG_UNWEIGHTED_BAD)
    assert np.isnan(result[3])


def test_moments_without_a_position():
    assert moments.sdss_shape(np.ones((5, 5)), math.nan, 2.0, 100, 1e-5, 1e-4, 2.0, False)[6] == moments.FLAG_UNWEIGHTED_BAD


def test_show_and_hide():
    rng = np.random.default_rng(0)
    image = rng.normal(size=(20, 20)).astype(np.float32)
    view = stamps.Overlay(
        np.zeros((20, 20), np.float32), np.array([[3, 4, 7], [4, 5, 6], [9, 0, 19]], np.int32),
        np.array([0, 2]), np.array([2, 3]), np.array([0, 6]), np.r_[image[3, 4:8], image[4, 5:7], image[9]], np.zeros(26, np.float32),
    )  # fmt: skip
    stamps.show(view, 0)
    expected = np.zeros((20, 20), np.float32)
    expected[3, 4:8], expected[4, 5:7] = image[3, 4:8], image[4, 5:7]
    np.testing.assert_array_equal(view.image, expected)
    stamps.hide(view, 0)
    np.testing.assert_array_equal(view.image, 0)
    stamps.show(view, 1)
    np.testing.assert_array_equal(view.image[9], image[9])


def test_mask_footprints():
    mask = np.zeros((10, 12), np.int32)
    mask[2, 3] = 1
    mask[4:7, 4:7] = 4
    mask[5, 5] |= 2
    spans = np.array([[2, 0, 5], [5, 5, 5]], np.int32)
    x, y = np.array([5.2, 0.0, math.nan, -5.0]), np.array([4.9, 0.0, 1.0, 3.0])
    first, last = np.array([0, 1, 0, 0]), np.array([1, 2, 0, 0])
    anywhere, some, every = stamps.mask_footprints(mask, spans, first, last, x, y)
    np.testing.assert_array_equal(anywhere, [1, 6, 0, 0])
    np.testing.assert_array_equal(some, [6, 0, 0, 0])
    np.testing.assert_array_equal(every, [4, 0, 0, 0])


def test_circle_sums(pixels):
    image, variance, dx, dy = pixels
    radii = np.array([0.3, 2.0, 7.5, 12.0, 45.0])
    for x, y in ((50.0, 40.0), (55.3, 41.7), (12.2, 30.0), (math.nan, 3.0), (1e12, 3.0)):
        result, truncated = aperture.circle_sums(bare(image, 1), variance, np.array([x]), np.array([y]), radii)
        for k, r in enumerate(radii):
            inside = (dx - x) ** 2 + (dy - y) ** 2 <= r * r
            leaves = (
                not (math.ceil(x - r) >= 0 and math.floor(x + r) < 110 and math.ceil(y - r) >= 0 and math.floor(y + r) < 90)
                if x < 1e9
                else True
            )
            assert truncated[0, k] == leaves
            expected = [np.nan, np.nan] if leaves else [image[inside].sum(dtype=float), variance[inside].sum(dtype=float)]
            np.testing.assert_allclose(result[0, k], expected, rtol=1e-12, atol=1e-9)


def test_ellipse_sums_and_medians(pixels):
    image, variance, dx, dy = pixels
    mask = (np.random.default_rng(4).random(image.shape) < 0.3).astype(np.int32)
    for ixx, ixy, iyy in ((30.0, 12.0, 40.0), (4.0, 0.0, 4.0), (100.0, -50.0, 60.0)):
        x, y = np.array([50.4]), np.array([44.1])
        det = ixx * iyy - ixy**2
        inside = (iyy * (dx - 50.4) ** 2 - 2 * ixy * (dx - 50.4) * (dy - 44.1) + ixx * (dy - 44.1) ** 2) / det <= 1
        arguments = (x, y, np.array([ixx]), np.array([ixy]), np.array([iyy]))
        result, truncated = aperture.ellipse_sums(bare(image, 1), variance, *arguments)
        np.testing.assert_allclose(result[0], [image[inside].sum(dtype=float), variance[inside].sum(dtype=float)], rtol=1e-12)
        assert not truncated[0]
        median = aperture.ellipse_medians(variance, mask, 1, *arguments)
        assert median[0] == pytest.approx(np.median(variance[inside & (mask == 0)]), rel=1e-6)
    assert np.isnan(aperture.ellipse_medians(variance, np.ones_like(mask), 1, *arguments)[0])


@settings(max_examples=40, deadline=None)
@given(values=st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=60), q=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]))
def test_binned_quantile(values, q):
    sample = np.array(values, np.float32)
    bins, counts = np.empty(len(sample), np.int32), np.empty(256, np.int64)
    aperture.sort_into_bins(sample, sample.min(), sample.max(), bins, counts)
    assert aperture.binned_quantile(sample, bins, counts, q) == pytest.approx(np.quantile(sample.astype(float), q), rel=1e-9, abs=1e-9)


def test_annulus(pixels):
    image, _, dx, dy = pixels
    image = image.copy()
    image[30, 60] = np.nan
    mask = np.zeros(image.shape, np.int32)
    mask[35:40, 30:40] = 2
    mask[20:22] = 1
    x, y, inner, outer = 50.2, 41.8, 9.0, 21.0
    r2 = (dx - x) ** 2 + (dy - y) ** 2
    values = image[(r2 <= outer**2) & (r2 > inner**2) & ((mask & 2) == 0) & np.isfinite(image)].astype(float)
    low, centre, high = np.quantile(values, [0.25, 0.5, 0.75])
    half = 3 * 0.741301109252802 * (high - low)
    for _ in range(3):
        kept = values[np.abs(values - centre) <= half]
        centre, scatter = kept.mean(), kept.std(ddof=1)
        half = 3 * scatter
    arguments = [np.array([value]) for value in (x, y, inner, outer)]
    result = aperture.annulus_clipped_means(bare(image, 1), mask, 2, *arguments, 3.0, 3)
    np.testing.assert_allclose(result[0], [centre, scatter], rtol=1e-6)
    assert np.isnan(aperture.annulus_clipped_means(bare(image, 1), np.full_like(mask, 2), 2, *arguments, 3.0, 3)).all()


def test_mask_boxes():
    mask = np.zeros((20, 20), np.int32)
    mask[5, 5], mask[14, 10] = 1, 8
    bits, inside = aperture.mask_boxes(mask, np.array([7.4, 10.0, 1.0, math.nan]), np.array([7.0, 10.0, 9.0, 9.0]), 4)
    np.testing.assert_array_equal(bits, [1, 8, 0, 0])
    np.testing.assert_array_equal(inside, [True, True, False, False])


def test_psf_flux(pixels):
    image, variance, _, _ = pixels
    rng = np.random.default_rng(8)
    psf = rng.random((3, 9, 9)).astype(np.float32)
    mask = (rng.random(image.shape) < 0.1).astype(np.int32)
    x0, y0 = np.array([30, -4, 200], np.int32), np.array([20, 85, 3], np.int32)
    result, counts = flux.psf_fluxes(bare(image, 3), variance, mask, 1, psf, x0, y0)
    for k in range(2):
        ys, xs = np.mgrid[y0[k] : y0[k] + 9, x0[k] : x0[k] + 9]
        inside = (ys >= 0) & (xs >= 0) & (ys < 90) & (xs < 110)
        used = inside.copy()
        used[inside] = mask[ys[inside], xs[inside]] == 0
        p, i, v = psf[k][used].astype(float), image[ys[used], xs[used]].astype(float), variance[ys[used], xs[used]].astype(float)
        f = (p * i).sum() / (p * p).sum()
        expected = [f, np.sqrt((p * p * v).sum()) / (p * p).sum(), p.sum() ** 2 / (p * p).sum(), ((i - f * p) ** 2 / v).sum()]
        np.testing.assert_allclose(result[k], expected, rtol=1e-6)
        assert list(counts[k]) == [used.sum(), inside.sum()]
    assert np.isnan(result[2]).all()
    assert list(counts[2]) == [0, 0]


def test_gaussian_flux(pixels):
    image, variance, dx, dy = pixels
    x, y, ixx, ixy, iyy = 50.3, 40.2, 20.0, 3.0, 12.0
    det = ixx * iyy - ixy**2
    q = (iyy * (dx - x) ** 2 - 2 * ixy * (dx - x) * (dy - y) + ixx * (dy - y) ** 2) / det
    expected = 2 * np.sum(np.where(q <= 14, np.exp(-0.5 * q) * image, 0))
    result = flux.gaussian_fluxes(bare(image, 1), variance, *(np.array([value]) for value in (x, y, ixx, ixy, iyy)))
    np.testing.assert_allclose(result[0], [expected, 2 * math.sqrt(variance[40, 50] * math.pi * math.sqrt(det))], rtol=1e-7)
    for bad in (
        (math.nan, 40.0, 3.0, 0.0, 3.0),
        (50.0, 40.0, 3.0, 9.0, 3.0),
        (500.0, 40.0, 3.0, 0.0, 3.0),
        (50.0, 40.0, math.nan, 0.0, 3.0),
    ):
        assert np.isnan(flux.gaussian_fluxes(bare(image, 1), variance, *(np.array([value]) for value in bad))).all()


def test_compensated_gaussian(pixels):
    image, variance, dx, dy = pixels
    x, y, s, t = 50.3, 40.2, 3.0, 2.0
    half = math.ceil(2.5758 * s * t)
    box = (np.abs(dx - 50) <= half) & (np.abs(dy - 40) <= half)
    r2 = (dx - x) ** 2 + (dy - y) ** 2
    w = np.where(box, np.exp(-0.5 * r2 / s**2) - np.exp(-0.5 * r2 / (s * t) ** 2) / t**2, 0)
    result = flux.compensated_gaussians(bare(image, 2), variance, np.array([x, 3.0]), np.array([y, 40.0]), s, t)
    np.testing.assert_allclose(result[0], [(w * image).sum(), (w * w * variance).sum(), (w * w).sum()], rtol=1e-9)
    assert np.isnan(result[1]).all()


def _smoothed(image, kernel, x0, y0, bin_x, bin_y):
    """The 3 x 3 values of the binned image correlated with the kernel."""
    half = len(kernel) // 2
    left, bottom = x0 - bin_x * (half + 1), y0 - bin_y * (half + 1)
    n = 2 * half + 3
    box = image[bottom : bottom + n * bin_y, left : left + n * bin_x].astype(float).reshape(n, bin_y, n, bin_x).mean((1, 3))
    size = 2 * half + 1
    return np.array([[(kernel * box[j : j + size, i : i + size]).sum() for i in range(3)] for j in range(3)])


@pytest.mark.parametrize(("bin_x", "bin_y"), [(1, 1), (2, 1), (4, 4)])
def test_smoothing(pixels, bin_x, bin_y):
    image, variance, _, _ = pixels
    kernel = np.random.default_rng(2).random((7, 7))
    box, box_variance, padded, out = np.zeros((11, 11)), np.zeros((11, 11)), np.empty((11, 11)), np.empty((3, 3))
    centroid.bin_box(image, 50, 41, bin_x, bin_y, 7, box)
    centroid.bin_box(variance, 50, 41, bin_x, bin_y, 7, box_variance)
    box_variance /= bin_x * bin_y
    single = kernel.astype(np.float32)
    norm = centroid.pad_kernel(single, padded)
    kernel = single.astype(np.float64) / norm
    centroid.correlate_3x3(padded, 7, norm, box, False, out)
    np.testing.assert_allclose(out, _smoothed(image, kernel, 50, 41, bin_x, bin_y), rtol=1e-10)
    centroid.correlate_3x3(padded, 7, norm, box_variance, True, out)
    expected = _smoothed(variance, kernel**2, 50, 41, bin_x, bin_y) / (bin_x * bin_y)
    np.testing.assert_allclose(out, expected, rtol=1e-10)
    wide = np.pad(kernel, 2)
    slope_x = (wide[1:-1, :-2] - wide[1:-1, 2:]) / 2
    slope_y = (wide[:-2, 1:-1] - wide[2:, 1:-1]) / 2
    expected = (box_variance[:9, :9] * slope_x**2).sum(), (box_variance[:9, :9] * slope_y**2).sum()
    np.testing.assert_allclose(centroid.slope_variance(padded, 7, norm, box_variance), expected, rtol=1e-10)


def _gaussian_stamp(dx, dy, sigma=1.7, half=12):
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    p = np.exp(-0.5 * ((x - dx) ** 2 + (y - dy) ** 2) / sigma**2)
    return p / (2 * np.pi * sigma**2)


def test_sdss_centroid_of_gaussians():
    rng = np.random.default_rng(6)
    n = 12
    dx, dy = rng.uniform(-0.5, 0.5, (2, n))
    image = np.zeros((140, 140 * n))
    for k in range(n):
        image[45:96, 140 * k + 45 : 140 * k + 96] = 1e4 * _gaussian_stamp(dx[k], dy[k], 1.7 if k % 2 else 3.5, 25)
    kernels = np.repeat(_gaussian_stamp(0, 0)[None], n, 0).astype(np.float32)
    x, y = 140.0 * np.arange(n) + 70, np.full(n, 70.0)
    arguments = (bare(image, n), np.ones(image.shape, np.float32), kernels, 12, np.full(n, 1.7**2), x, y, np.zeros(n, bool), 16, -1.0, 1.5)
    result, flags = centroid.sdss_centroids(*arguments, False)
    assert not flags.any()
    np.testing.assert_allclose(result[:, 0] - x, dx, atol=0.006)
    np.testing.assert_allclose(result[:, 1] - y, dy, atol=0.006)
    negative = (bare(-image, n), *arguments[1:7], np.ones(n, bool), *arguments[8:])
    np.testing.assert_allclose(centroid.sdss_centroids(*negative, False)[0], result, rtol=1e-9)
    published, _ = centroid.sdss_centroids(*arguments, True)
    np.testing.assert_array_equal(published[:, :2], result[:, :2])
    assert (published[1::2, 2] > result[1::2, 2]).all()


def test_sdss_centroid_failures():
    image = np.zeros((60, 60), np.float32)
    image[30, 30] = np.nan
    x, y = np.array([15.0, 30.0, -3.0, math.nan, 2.0, 59.0]), np.array([30.0, 30.0, 5.0, 5.0, 30.0, 30.0])
    n = len(x)
    kernels = np.repeat(_gaussian_stamp(0, 0, half=5)[None], n, 0).astype(np.float32)
    arguments = (np.ones((60, 60), np.float32), kernels, 5, np.full(n, 2.9), x, y, np.zeros(n, bool), 16, -1.0, 1.5, False)
    result, flags = centroid.sdss_centroids(bare(image, n), *arguments)
    np.testing.assert_array_equal(result[:, 0], x)
    assert np.isnan(result[:, 2]).all()
    assert flags[0] == flags[1] == centroid.FLAG_NO_SECOND_DERIVATIVE
    assert flags[2] == flags[3] == centroid.FLAG_EDGE
    assert flags[4] & centroid.FLAG_EDGE
    hollow = np.add.outer((np.arange(60) - 15.0) ** 2, (np.arange(60) - 30.0) ** 2)
    _, flags = centroid.sdss_centroids(bare(hollow, 1), np.ones((60, 60), np.float32), kernels[:1], 5, np.full(1, 2.9),
                                       np.array([30.0]), np.array([15.0]), np.zeros(1, bool), 16, -1.0, 1.5, False)  # fmt: skip
    assert flags[0] == centroid.FLAG_NOT_AT_MAXIMUM


def test_psf_fit_step_solves_the_normal_equations():
    rng = np.random.default_rng(5)
    p = _gaussian_stamp(0.2, -0.1)
    image = np.zeros((40, 40))
    image[7:32, 7:32] = 5000 * _gaussian_stamp(0.25, -0.13)
    image += rng.normal(0, 2, image.shape)
    variance = rng.uniform(2, 6, image.shape).astype(np.float32)
    mask = np.zeros((40, 40), np.int32)
    mask[19, 21] = 1
    view = bare(image, 1)
    zero = np.array([7], np.int32)
    result = centroid.psf_fit_steps(view, variance, mask, 1, np.array([0]), p[None].astype(np.float32), zero, zero)[0]
    inner = np.s_[2:-2, 2:-2]
    gx = (8 * (p[2:-2, 1:-3] - p[2:-2, 3:-1]) - p[2:-2, :-4] + p[2:-2, 4:]) / 12
    gy = (8 * (p[1:-3, 2:-2] - p[3:-1, 2:-2]) - p[:-4, 2:-2] + p[4:, 2:-2]) / 12
    used = mask[7:32, 7:32][inner] == 0
    design = np.stack([p[inner][used], gx[used], gy[used]], axis=1)
    weight = 1 / variance[7:32, 7:32][inner][used].astype(float)
    covariance = np.linalg.inv(design.T @ (design * weight[:, None]))
    f, fx, fy = covariance @ (design.T @ (weight * view.image[7:32, 7:32][inner][used]))
    sigma = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(result, [f, fx / f, fy / f, sigma[0], sigma[1] / f, sigma[2] / f], rtol=1e-4)
    assert np.hypot(result[1] - 0.05, result[2] + 0.03) < 4 * np.hypot(result[4], result[5])


@settings(max_examples=15, deadline=None)
@given(radius=st.floats(0.8, 9.9), dx=st.floats(-0.5, 0.5), dy=st.floats(-0.5, 0.5))
def test_sinc_bank(radius, dx, dy):
    image = np.random.default_rng(0).normal(10, 3, (80, 80)).astype(np.float32)
    direct = sinc_coefficients(radius, dx=dx, dy=dy)
    assert direct.sum() == pytest.approx(math.pi * radius**2, rel=1e-9)
    half = len(direct) // 2
    box = np.s_[40 - half : 41 + half, 40 - half : 41 + half]
    x, y = np.array([40.0 + dx]), np.array([40.0 + dy])
    result, clipped = sinc.bank_sums(bare(image, 1), image, x, y, aperture_bank(radius))
    if math.floor(40.5 + dx) == 40 and math.floor(40.5 + dy) == 40:
        np.testing.assert_allclose(result[0], [(direct * image[box]).sum(), (direct**2 * image[box]).sum()], rtol=2e-3)
        assert not clipped[0]


@settings(max_examples=15, deadline=None)
@given(a=st.floats(1.0, 12.0), ratio=st.floats(0.2, 1.0), theta=st.floats(-3, 3), dx=st.floats(-0.49, 0.49), dy=st.floats(-0.49, 0.49))
def test_elliptical_sinc(a, ratio, theta, dx, dy):
    image = np.random.default_rng(1).normal(10, 3, (150, 140)).astype(np.float32)
    variance = (1 + np.abs(image)).astype(np.float32)
    direct = sinc_coefficients(a, a * ratio, theta, dx=dx, dy=dy, width=int(ellipse_widths(np.array([a]))[0]))
    half = len(direct) // 2
    box = np.s_[70 - half : 71 + half, 66 - half : 67 + half]
    arguments = [np.array([value]) for value in (66.0 + dx, 70.0 + dy, a, a * ratio, theta)]
    flux_, error, clipped = ellipse_flux(bare(image, 1), variance, *arguments)
    assert flux_[0] == pytest.approx((direct * image[box]).sum(), rel=1e-5)
    assert error[0] == pytest.approx(math.sqrt((direct**2 * variance[box]).sum()), rel=1e-5)
    assert not clipped[0]


def test_sinc_apertures_are_exact_for_gaussians():
    """The true integral over a circle, also at 3 pixels, to 2e-4: exact overlap of pixels is wrong by a per cent."""
    rng = np.random.default_rng(2)
    for sigma in (1.3, 2.0):
        for radius in (3.0, 6.0, 9.0):
            for _ in range(4):
                dx, dy = rng.uniform(-0.5, 0.5, 2)
                image = np.zeros((80, 80))
                image[15:66, 15:66] = _gaussian_stamp(dx, dy, sigma, 25)
                x, y = np.array([40 + dx]), np.array([40 + dy])
                truth = 1 - math.exp(-0.5 * radius**2 / sigma**2)
                result, _ = sinc.bank_sums(bare(image, 1), np.ones((80, 80), np.float32), x, y, aperture_bank(radius))
                assert result[0, 0] == pytest.approx(truth, rel=2e-4)


def test_sinc_at_the_edges():
    image = np.ones((60, 60), np.float32)
    x, y = np.array([30.0, 5.0, 59.4, math.nan, 1e6]), np.array([30.0, 30.0, 30.0, 30.0, 30.0])
    result, clipped = sinc.bank_sums(bare(image, 5), image, x, y, aperture_bank(3.0))
    np.testing.assert_array_equal(clipped, [False, True, True, True, True])
    assert result[0, 0] == pytest.approx(math.pi * 9, rel=1e-4)
    assert np.isfinite(result[1]).all()
    assert np.isnan(result[3:]).all()
    flux_, _, clipped = ellipse_flux(bare(image, 5), image, x, y, np.full(5, 3.0), np.full(5, 2.0), np.zeros(5))
    np.testing.assert_array_equal(clipped, [False, True, True, True, True])
    assert flux_[0] == pytest.approx(math.pi * 6, rel=1e-4)


def test_kron_radius(pixels):
    image, _, dx, dy = pixels
    x, y, a, b, theta = 50.2, 40.3, 4.0, 2.5, 0.6
    u = math.cos(theta) * (dx - x) + math.sin(theta) * (dy - y)
    v = math.cos(theta) * (dy - y) - math.sin(theta) * (dx - x)
    inside = (u / (6 * a)) ** 2 + (v / (6 * b)) ** 2 <= 1
    r = np.hypot(u, v * a / b)
    distance = np.hypot(dx - x, dy - y)
    r = np.where(distance < 0.5, np.hypot(r, 0.38259771 * (1 + distance / math.sqrt(2))), r)
    expected = (r * image)[inside].sum() / image[inside].sum() * math.sqrt(b / a)
    arguments = [np.array([value]) for value in (x, y, a, b, theta)]
    result, status = kron.kron_radii(bare(image, 1), *arguments, 6.0, 1, 200.0)
    assert status[0] == kron.RADIUS_GOOD
    np.testing.assert_allclose(result[0], [expected, 6 * math.sqrt(a * b)], rtol=1e-6)
    assert kron.kron_radii(bare(image, 1), *arguments, 6.0, 1, 1.0)[1][0] == kron.RADIUS_BAD
    assert kron.kron_radii(bare(-image, 1), *arguments, 6.0, 1, 200.0)[1][0] == kron.RADIUS_BAD
    assert kron.kron_radii(bare(image, 1), *arguments, 20.0, 1, 200.0)[1][0] == kron.RADIUS_OFF_IMAGE


def test_blur_has_the_right_variance():
    stamp = _gaussian_stamp(0, 0, 1.5, 20).astype(np.float32)
    for variance in (0.1, 0.5, 4.0):
        out = np.empty((21, 21), np.float32)
        extendedness.blur(stamp, variance, 10, np.empty((41, 21), np.float32), out)
        expected = _gaussian_stamp(0, 0, math.sqrt(1.5**2 + variance), 10)
        np.testing.assert_allclose(out, expected, atol=5e-3 * expected.max())


def test_model_fit_gain():
    rng = np.random.default_rng(9)
    model = _gaussian_stamp(0, 0, 1.6, 10).astype(np.float32)
    data = rng.normal(1, 1, (17, 17)).astype(np.float32)
    weight = rng.random((17, 17)).astype(np.float32)
    m = model.astype(float)
    gx = (8 * (m[2:-2, 1:-3] - m[2:-2, 3:-1]) - m[2:-2, :-4] + m[2:-2, 4:]) / 12
    gy = (8 * (m[1:-3, 2:-2] - m[3:-1, 2:-2]) - m[:-4, 2:-2] + m[4:, 2:-2]) / 12
    design = np.stack([m[2:-2, 2:-2].ravel(), gx.ravel(), gy.ravel()], axis=1)
    w = weight.ravel().astype(float)
    right = design.T @ (w * data.ravel())
    solution = np.linalg.solve(design.T @ (design * w[:, None]), right)
    np.testing.assert_allclose(extendedness.fit_gain(model, data, weight, 8), [right @ solution, solution[0]], rtol=1e-4)
