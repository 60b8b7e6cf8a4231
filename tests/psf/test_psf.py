"""The PSF interface and its kinds."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.errors import AlgorithmError, InputError
from skysift.psf import (
    DoubleGaussianPsf,
    GaussianPsf,
    GridPsf,
    KernelPsf,
    LinearPsf,
    PcaPsf,
    PiffPsf,
    PixelGridPsf,
    Psf,
    PsfexPsf,
    SpatialTerms,
)


def gaussian(size: int, sigma: float, dx: float = 0.0, dy: float = 0.0) -> np.ndarray:
    r = np.arange(size) - size // 2
    return np.outer(np.exp(-0.5 * ((r - dy) / sigma) ** 2), np.exp(-0.5 * ((r - dx) / sigma) ** 2))


def wider_to_the_right() -> np.ndarray:
    """Basis images of a first-order model: the PSF grows with x."""
    base = gaussian(21, 1.8) / gaussian(21, 1.8).sum()
    wide = gaussian(21, 2.4) / gaussian(21, 2.4).sum()
    return np.stack([base, wide - base, np.zeros_like(base)])


def all_kinds() -> list[Psf]:
    basis = wider_to_the_right()
    terms = SpatialTerms.total_order(1, center=(500, 500), scale=(500, 500))
    grid = np.stack([gaussian(21, s) for s in (1.6, 1.8, 2.0, 2.2)]).reshape(2, 2, 21, 21)
    fine = gaussian(43, 3.6)[None]
    return [
        GaussianPsf(21, 2.0),
        DoubleGaussianPsf(25, 1.6, 4.0, 0.1),
        KernelPsf(gaussian(21, 1.9)),
        PixelGridPsf(basis, 1, center=(500, 500), scale=(500, 500)),
        PixelGridPsf(basis, 1, center=(500, 500), scale=(500, 500), chebyshev=True),
        PcaPsf(basis, terms, np.array([[1.0, 0, 0], [0.2, 0.5, 0.1], [0, 0, 0]])),
        GridPsf(grid, [0.0, 1000.0], [0.0, 1000.0]),
        PsfexPsf(fine, SpatialTerms([(0, 0)]), pixel_step=0.5, lanczos_order=3),
        PiffPsf(basis, terms, lanczos_order=11),
    ]


@pytest.mark.parametrize("psf", all_kinds(), ids=lambda p: type(p).__name__)
class TestEveryKind:
    def test_kernels_have_unit_sum_and_are_centred(self, psf):
        kernels = psf.kernels([10.0, 900.0], [20.0, 800.0])
        assert kernels.shape == (2, psf.size, psf.size)
        assert kernels.dtype == np.float64
        np.testing.assert_allclose(kernels.sum(axis=(1, 2)), 1.0, atol=1e-12)
        r = np.arange(psf.size) - psf.size // 2
        np.testing.assert_allclose(kernels.sum(axis=1) @ r, 0.0, atol=1e-3)

    def test_kernel_image_is_centred_on_the_origin(self, psf):
        image = psf.kernel_image(30.0, 40.0)
        assert tuple(image.xy0) == (-(psf.size // 2),) * 2
        np.testing.assert_array_equal(image.array, psf.kernels(30.0, 40.0)[0])

    def test_image_is_centred_on_the_position(self, psf):
        x, y = 401.3, 298.6
        image = psf.image(x, y)
        columns = np.arange(psf.size) + image.xy0.x
        rows = np.arange(psf.size) + image.xy0.y
        flux = image.array.sum(dtype=np.float64)
        # Lanczos resampling, normalised, has a bias of 0.01 pixels in the plain centroid
        tolerance = 1e-3 if psf.resampling.beta else 0.015
        assert flux == pytest.approx(1.0, abs=1e-3)
        assert (image.array.sum(axis=0, dtype=np.float64) @ columns) / flux == pytest.approx(x, abs=tolerance)
        assert (image.array.sum(axis=1, dtype=np.float64) @ rows) / flux == pytest.approx(y, abs=tolerance)

    def test_stamp_at_a_pixel_is_the_kernel(self, psf):
        stamps, x0, y0 = psf.stamps([100.0, 700.0], [200.0, 50.0])
        np.testing.assert_allclose(stamps, psf.kernels([100.0, 700.0], [200.0, 50.0]), atol=2e-8)
        half = psf.size // 2
        np.testing.assert_array_equal(x0, np.array([100, 700]) - half)
        np.testing.assert_array_equal(y0, np.array([200, 50]) - half)

    def test_batch_equals_single(self, psf):
        x, y = np.array([3.2, 77.7, 912.1]), np.array([4.4, 800.0, 33.3])
        stamps, x0, y0 = psf.stamps(x, y)
        shapes = psf.shapes(x, y)
        for i in range(3):
            image = psf.image(x[i], y[i])
            np.testing.assert_array_equal(image.array, stamps[i])
            assert tuple(image.xy0) == (x0[i], y0[i])
            np.testing.assert_allclose(psf.kernel_image(x[i], y[i]).array, psf.kernels(x, y)[i], rtol=1e-12, atol=1e-18)
            shape = psf.shape(x[i], y[i])
            np.testing.assert_allclose([shape.ixx, shape.iyy, shape.ixy], shapes[i])

    @pytest.mark.parametrize("nowhere", [None, np.nan, np.inf, 1e300])
    def test_no_position_is_the_average_position(self, psf, nowhere):
        average = psf.average_position
        np.testing.assert_array_equal(psf.image(nowhere, nowhere).array, psf.image(average.x, average.y).array)
        np.testing.assert_array_equal(psf.kernel_image(nowhere, nowhere).array, psf.kernel_image(average.x, average.y).array)
        assert psf.sigma(nowhere, nowhere) == psf.sigma(average.x, average.y)

    def test_no_sources(self, psf):
        assert psf.kernels([], []).shape == (0, psf.size, psf.size)
        assert psf.stamps([], [], size=9)[0].shape == (0, 9, 9)
        assert psf.shapes([], []).shape == (0, 3)

    @pytest.mark.parametrize("size", [9, 31])
    def test_stamps_of_another_size_are_cropped_or_padded(self, psf, size):
        stamps, x0, _ = psf.stamps([40.3], [60.8], size=size)
        native, nx0, _ = psf.stamps([40.3], [60.8])
        m = (size - psf.size) // 2
        expected = np.pad(native[0], m) if m >= 0 else native[0][-m : m + psf.size, -m : m + psf.size]
        np.testing.assert_array_equal(stamps[0], expected)
        assert x0[0] == nx0[0] - m

    def test_resized(self, psf):
        for size in (11, 41):
            other = psf.resized(size)
            assert type(other) is type(psf)
            assert other.size == size
            assert other.kernels(70.0, 80.0).shape == (1, size, size)
            assert other.kernels(70.0, 80.0).sum() == pytest.approx(1.0)
            assert other.average_position == psf.average_position
        assert psf.resized(41).sigma(70.0, 80.0) == pytest.approx(psf.sigma(70.0, 80.0), rel=0.02)

    def test_fluxes(self, psf):
        assert psf.peak(600.0, 500.0) == psf.kernel_image(600.0, 500.0).array.max()
        fluxes = [psf.aperture_flux(r, 600.0, 500.0) for r in (0.5, 2.0, 5.0, 9.0, 200.0)]
        assert np.all(np.diff(fluxes) > 0)
        assert fluxes[-1] == pytest.approx(1.0, abs=1e-6)

    def test_copies_are_equal(self, psf):
        for twin in (pickle.loads(pickle.dumps(psf)), copy.deepcopy(psf)):
            np.testing.assert_array_equal(twin.kernels(9.0, 8.0), psf.kernels(9.0, 8.0))

    @pytest.mark.parametrize("size", [0, -3, 10])
    def test_impossible_sizes(self, psf, size):
        with pytest.raises(InputError, match="odd"):
            psf.resized(size)
        with pytest.raises(InputError, match="odd"):
            psf.stamps([1.0], [1.0], size=size)

    def test_half_a_position(self, psf):
        with pytest.raises(InputError, match="both x and y"):
            psf.image(3.0, None)

    @pytest.mark.parametrize("radius", [0.0, -1.0, np.nan])
    def test_impossible_aperture(self, psf, radius):
        with pytest.raises(InputError, match="positive radius"):
            psf.aperture_flux(radius)


def test_is_constant():
    assert [p.is_constant for p in all_kinds()] == [True, True, True, False, False, False, False, True, False]


def test_pixel_grid_follows_its_polynomial():
    psf = PixelGridPsf(wider_to_the_right(), 1, center=(500, 500), scale=(500, 500))
    base, slope, _ = wider_to_the_right()
    np.testing.assert_allclose(psf.kernels(750.0, 3.0)[0], base + 0.5 * slope, atol=1e-15)
    sigmas = [psf.sigma(x, 500.0) for x in (0.0, 500.0, 1000.0)]
    assert sigmas[0] < sigmas[1] < sigmas[2]
    assert psf.order == 1
    assert tuple(psf.average_position) == (500.0, 500.0)


def test_terms_follow_lsst_order_and_chebyshev_polynomials():
    x, y = np.array([3.0, 11.0]), np.array([-2.0, 5.0])
    u, v = (x - 1) / 2, (y - 3) / 4
    terms = SpatialTerms.total_order(2, center=(1, 3), scale=(2, 4))
    np.testing.assert_allclose(terms(x, y), np.stack([u * 0 + 1, u, v, u * u, u * v, v * v], axis=1))
    chebyshev = SpatialTerms.total_order(3, center=(1, 3), scale=(2, 4), chebyshev=True)
    from numpy.polynomial import chebyshev as c

    expected = [c.chebval(u, [0] * p + [1]) * c.chebval(v, [0] * q + [1]) for p, q in chebyshev.powers]
    np.testing.assert_allclose(chebyshev(x, y), np.stack(expected, axis=1))
    assert terms == SpatialTerms.total_order(2, center=(1, 3), scale=(2, 4))
    assert terms != chebyshev
    assert (chebyshev.order, len(chebyshev)) == (3, 10)


def test_grid_interpolates_and_holds_its_edge():
    kernels = np.stack([gaussian(15, s) for s in (1.5, 2.0, 2.5, 3.0)]).reshape(2, 2, 15, 15)
    psf = GridPsf(kernels, [0.0, 10.0], [0.0, 20.0])
    unit = kernels / kernels.sum(axis=(2, 3), keepdims=True)
    np.testing.assert_allclose(
        psf.kernels(2.5, 10.0)[0], 0.5 * (0.75 * unit[0, 0] + 0.25 * unit[0, 1] + 0.75 * unit[1, 0] + 0.25 * unit[1, 1])
    )
    np.testing.assert_allclose(psf.kernels(-50.0, 99.0)[0], unit[1, 0])
    single = GridPsf(kernels[:1, :1], [5.0], [5.0])
    assert single.is_constant
    np.testing.assert_allclose(single.kernels(1e4, -1e4)[0], unit[0, 0])


def test_oversampled_model_keeps_its_shape():
    """A Gaussian of 3.6 samples, two samples a pixel, is one of 1.8 pixels wherever its centre falls."""
    psf = PsfexPsf(gaussian(43, 3.6)[None], SpatialTerms([(0, 0)]), pixel_step=0.5, lanczos_order=5)
    assert psf.size == 21
    for x, y in [(10.0, 10.0), (10.25, 9.6), (10.5, 10.5)]:
        image = psf.image(x, y)
        expected = gaussian(21, 1.8, x - np.floor(x + 0.5), y - np.floor(y + 0.5))
        np.testing.assert_allclose(image.array, expected / expected.sum(), atol=2e-3 * expected.max() / expected.sum())


@pytest.mark.parametrize(("sigma", "tolerance"), [(1.3, 8e-4), (1.7, 8e-5), (2.5, 7e-5)])
def test_own_models_are_resampled_exactly(sigma, tolerance):
    """The fine kernel shifts a Gaussian to a small part of its peak where LSST's Lanczos-5 errs by 2e-3."""
    own, lsst = PixelGridPsf(gaussian(31, sigma)[None]), KernelPsf(gaussian(31, sigma))
    for x, y in [(10.3, 9.6), (10.5, 10.5), (10.1, 10.0)]:
        expected = gaussian(31, sigma, x - np.floor(x + 0.5), y - np.floor(y + 0.5)) / (2 * np.pi * sigma**2)
        error = np.abs(own.image(x, y).array - expected).max() / expected.max()
        assert error < tolerance
        assert error < 0.4 * np.abs(lsst.image(x, y).array - expected).max() / expected.max()


def test_gaussian_is_exact():
    psf = GaussianPsf(15, 3.0)
    assert psf.shape().ixx == 9.0
    assert psf.aperture_flux(3.0) == pytest.approx(1 - np.exp(-0.5))
    assert psf.sigma() == pytest.approx(3.0)


def test_double_gaussian_amplitudes():
    psf = DoubleGaussianPsf(41, 1.5, 4.0, 0.1)
    expected = gaussian(41, 1.5) + 0.1 * gaussian(41, 4.0)
    np.testing.assert_allclose(psf.kernels(0, 0)[0], expected / expected.sum())
    assert DoubleGaussianPsf(11, 2.0, 0.0, 0.0).sigma2 == 1.0


def test_shape_that_does_not_converge_is_an_error():
    hollow = np.full((9, 9), 1.0)
    hollow[4, 4] = -60.0
    psf = KernelPsf(-hollow)
    assert np.isnan(psf.shapes(0.0, 0.0)).all()
    with pytest.raises(AlgorithmError, match="do not converge"):
        psf.shape()


def test_model_without_flux_gives_nan():
    basis = np.stack([gaussian(9, 1.5), -gaussian(9, 1.5), np.zeros((9, 9))])
    psf = PixelGridPsf(basis, 1)
    assert np.isnan(psf.kernels(1.0, 0.0)).all()
    assert np.isnan(psf.stamps(1.0, 0.0)[0]).all()
    assert np.isfinite(psf.kernels(0.0, 0.0)).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GaussianPsf(10, 2.0), "odd"),
        (lambda: GaussianPsf(11, 0.0), "positive sigma"),
        (lambda: GaussianPsf(11, np.nan), "positive sigma"),
        (lambda: DoubleGaussianPsf(11, 2.0, -1.0, 0.3), "positive sigma"),
        (lambda: KernelPsf(np.zeros((5, 5))), "sums to zero"),
        (lambda: KernelPsf(np.full((5, 5), np.nan)), "not finite"),
        (lambda: KernelPsf(np.ones(5)), "expected"),
        (lambda: KernelPsf(np.ones((5, 7))), "expected"),
        (lambda: PixelGridPsf(np.ones((2, 5, 5)), 1), "do not fit"),
        (lambda: LinearPsf(np.ones((0, 5, 5)), SpatialTerms([(0, 0)])), "expected"),
        (lambda: PixelGridPsf(np.ones((1, 5, 5)), 0, scale=(0.0, 1.0)), "not zero"),
        (lambda: GridPsf(np.ones((2, 2, 5, 5)), [1, 2], [1, 2, 3]), "do not fit"),
        (lambda: GridPsf(np.ones((1, 2, 5, 5)), [2, 1], [1]), "increasing"),
        (lambda: GridPsf(np.zeros((1, 1, 5, 5)), [2], [1]), "sums to zero"),
        (lambda: PsfexPsf(np.ones((1, 5, 5)), SpatialTerms([(0, 0)]), pixel_step=0.0), "pixel step"),
        (lambda: PsfexPsf(np.ones((1, 5, 5)), SpatialTerms([(0, 0)]), lanczos_order=0), "Lanczos order"),
        (lambda: PsfexPsf(np.ones((1, 5, 5)), SpatialTerms([(0, 0)]), lanczos_order=10**6), "Lanczos order"),
        (lambda: PsfexPsf(np.ones((1, 5, 5)), SpatialTerms([(0, 0)]), pixel_step=1e30), "odd size"),
        (lambda: SpatialTerms([]), "at least one"),
        (lambda: SpatialTerms([(10**9, 0)]), "at least one"),
        (lambda: GaussianPsf(10**9 + 1, 2.0), "odd size"),
    ],
)
def test_impossible_models(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_big_endian_and_integer_images_are_accepted():
    kernel = np.round(gaussian(9, 1.5) * 1000)
    native = KernelPsf(kernel).kernels(0, 0)
    for dtype in (">f4", ">i2", np.int64):
        np.testing.assert_array_equal(KernelPsf(kernel.astype(dtype)).kernels(0, 0), native)


def test_more_sources_than_a_block():
    psf = PixelGridPsf(wider_to_the_right(), 1, center=(500, 500), scale=(500, 500))
    rng = np.random.default_rng(2)
    x, y = rng.uniform(0, 1000, (2, 1300))
    stamps, _, _ = psf.stamps(x, y, size=5)
    last, _, _ = psf.stamps(x[-1:], y[-1:], size=5)
    np.testing.assert_array_equal(stamps[-1], last[0])


@pytest.mark.parametrize("offset", [1e-17, 1e-16, 1e-15, 1e-14, 5e-324])
def test_hardly_any_offset(offset):
    """A shift that rounding loses in some of the pixels is no shift."""
    for psf in (KernelPsf(gaussian(11, 1.7)), PixelGridPsf(gaussian(3, 1.0)[None])):
        for sign in (-1, 1):
            np.testing.assert_allclose(psf.stamps(sign * offset, sign * offset)[0], psf.stamps(0.0, 0.0)[0], rtol=1e-6, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(x=st.floats(-1e5, 1e5), y=st.floats(-1e5, 1e5), dx=st.integers(-1000, 1000), dy=st.integers(-1000, 1000))
def test_constant_psf_does_not_know_where_it_is(x, y, dx, dy):
    """Moving the position by whole pixels moves the image."""
    psf = KernelPsf(gaussian(11, 1.7, 0.1, -0.2))
    # whole pixels added to a float keep the fraction only where the float has bits for it
    x, y = np.round(x * 1024) / 1024, np.round(y * 1024) / 1024
    stamps, x0, y0 = psf.stamps([x, x + dx], [y, y + dy])
    np.testing.assert_array_equal(stamps[0], stamps[1])
    assert (x0[1] - x0[0], y0[1] - y0[0]) == (dx, dy)
    assert abs(x0[0] + 5 - x) <= 0.5
    assert abs(y0[0] + 5 - y) <= 0.5


@pytest.mark.parametrize("sigma", [1.3, 2.5])
def test_cores_are_the_middle_of_the_kernels(sigma):
    grid = np.stack([GaussianPsf(41, sigma * scale).kernels(0.0, 0.0)[0] for scale in (1.0, 1.1)])
    psf = GridPsf(grid[None], [0.0, 100.0], [0.0])
    x = np.array([0.0, 30.3, 200.0])
    cores, kernels = psf.cores(x, x), psf.kernels(x, x)
    assert cores.dtype == np.float32
    assert cores.shape[1] == psf.core_size < 41
    cut = (41 - psf.core_size) // 2
    np.testing.assert_allclose(cores, kernels[:, cut:-cut, cut:-cut], rtol=1e-5, atol=1e-8)
    assert ((kernels**2).sum(axis=(1, 2)) - (cores.astype(float) ** 2).sum(axis=(1, 2)) < 1e-7 * (kernels**2).sum(axis=(1, 2))).all()


def test_core_of_a_small_kernel_is_the_kernel():
    assert KernelPsf(np.ones((5, 5))).core_size == 5
