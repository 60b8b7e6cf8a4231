"""The rendering kernel against its statement in numpy."""

from __future__ import annotations

import numpy as np
import pytest

from skysift.kernels.psf import measure_shapes, render
from skysift.psf import Resampling


def axis_matrix(offset: float, order: int, beta: float, step: float, n_in: int, n_out: int, clip: bool) -> np.ndarray:
    """Matrix (n_out, n_in): windowed sinc of unit sum at ``n_in // 2 + (j - n_out // 2 - offset) step``."""
    position = n_in // 2 + (np.arange(n_out) - n_out // 2 - offset) * step
    node = np.arange(-50, n_in + 50)
    d = node - position[:, None]
    if beta:
        window = np.exp(beta * (np.sqrt(np.maximum(1 - (d / order) ** 2, 0)) - 1))
    else:
        window = np.sinc(d / order)
    w = np.where(np.abs(d) < order, np.sinc(d) * window, 0.0)
    inside = (node >= 0) & (node < n_in)
    if clip:
        w = w * inside
        w[(position < 0) | (position > n_in - 1)] = 0
    total = w.sum(axis=1, keepdims=True)
    return (w / np.where(total == 0, 1, total))[:, inside]


def statement(basis, index, weight, dx, dy, order, beta, step, clip, unit_sum, n_native, size):
    out = np.zeros((len(index), size, size))
    for s in range(len(index)):
        mix = np.tensordot(weight[s], basis[index[s]], axes=1)
        mix = mix / mix.sum()
        k = len(mix)
        native = axis_matrix(dy[s], order, beta, step, k, n_native, clip) @ mix @ axis_matrix(dx[s], order, beta, step, k, n_native, clip).T
        if unit_sum:
            native = native / native.sum()
        m = (size - n_native) // 2
        out[s] = np.pad(native, m) if m >= 0 else native[-m : m + n_native, -m : m + n_native]
    return out


@pytest.mark.parametrize(
    ("order", "beta", "step", "clip", "unit_sum", "k", "n_native", "size"),
    [
        (5, 0.0, 1.0, False, False, 11, 11, 11),
        (5, 0.0, 1.0, False, False, 11, 11, 7),
        (5, 0.0, 1.0, False, False, 11, 11, 17),
        (11, 0.0, 1.0, False, True, 9, 9, 9),
        (11, 0.0, 1.0, False, True, 9, 15, 13),
        (3, 0.0, 2.0, True, True, 21, 11, 11),
        (5, 0.0, 1.7, True, True, 20, 13, 9),
        (3, 0.0, 1.0, True, True, 11, 11, 11),
        (4, 0.0, 0.8, False, True, 9, 11, 11),
        (7, 9.0, 1.0, False, False, 11, 11, 11),
        (6, 7.0, 1.5, False, True, 15, 11, 9),
    ],
)
def test_render_equals_statement(order, beta, step, clip, unit_sum, k, n_native, size):
    rng = np.random.default_rng(4)
    basis = rng.normal(size=(3, k, k))
    basis[0] += 2.0
    index = np.array([[0, 1], [0, 2], [0, 0]])
    weight = np.array([[1.0, 0.5], [0.7, -0.2], [1.0, 0.0]])
    dx, dy = np.array([0.3, -0.5, 0.0]), np.array([-0.41, 0.0, 0.0])
    out = np.full((3, size, size), 7.0, np.float32)
    render(basis, index, weight, dx, dy, order, beta, step, clip, unit_sum, n_native, out)
    expected = statement(basis, index, weight, dx, dy, order, beta, step, clip, unit_sum, n_native, size)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=2e-7 * np.abs(expected).max())


@pytest.mark.parametrize(
    "resampling",
    [Resampling(), Resampling(7, 9.0), Resampling(3, 0.0, 2.0, True, True), Resampling(4, 5.0, 0.7), Resampling(5, 0.0, 1.0, True)],
)
@pytest.mark.parametrize("offset", [0.0, 0.3, -0.5])
def test_resampling_matrix_equals_statement(resampling, offset):
    expected = axis_matrix(offset, resampling.order, resampling.beta, resampling.step, 12, 9, resampling.clip)
    np.testing.assert_allclose(resampling.matrix(offset, 12, 9), expected, atol=1e-14)


def test_render_without_flux_is_nan():
    out = np.zeros((1, 5, 5), np.float32)
    render(np.zeros((1, 5, 5)), np.zeros((1, 1), np.int64), np.ones((1, 1)), np.zeros(1), np.zeros(1), 5, 0.0, 1.0, False, False, 5, out)
    assert np.isnan(out).all()


def test_render_of_nothing():
    out = np.zeros((0, 5, 5), np.float32)
    render(np.ones((1, 5, 5)), np.zeros((0, 1), np.int64), np.ones((0, 1)), np.zeros(0), np.zeros(0), 5, 0.0, 1.0, False, False, 5, out)
    assert out.shape == (0, 5, 5)


def test_shapes_of_gaussians_and_of_noise():
    y, x = np.mgrid[-15:16, -15:16]
    covariance = np.array([[4.0, 0.8], [0.8, 3.0]])
    inverse = np.linalg.inv(covariance)
    gaussian = np.exp(-0.5 * (inverse[0, 0] * x**2 + 2 * inverse[0, 1] * x * y + inverse[1, 1] * y**2))
    out = np.empty((3, 3))
    measure_shapes(np.stack([gaussian, -gaussian, np.full_like(gaussian, np.nan)]).astype(np.float32), out)
    np.testing.assert_allclose(out[0], [4.0, 3.0, 0.8], rtol=2e-4)
    assert np.isnan(out[1:]).all()
