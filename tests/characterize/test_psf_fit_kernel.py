"""The kernels against what they state, in plain numpy."""

from __future__ import annotations

import numpy as np
import pytest

from skysift.kernels.psf_fit import back_project, star_residuals

ORDER = 9


def shift_matrix(k, offset):
    """Row i holds the weights of the nodes for the value at i - offset; nodes beyond the ends are zero."""
    node = np.arange(-ORDER, ORDER + 1)
    u = node + offset
    taps = np.where(np.abs(u) < ORDER, np.sinc(u) * np.sinc(u / ORDER), 0.0)
    taps /= taps.sum()
    matrix = np.zeros((k, k + 2 * ORDER))
    for i in range(k):
        matrix[i, i : i + 2 * ORDER + 1] = taps
    return matrix[:, ORDER : ORDER + k]


def problem(n=4, m=3, k=15, seed=0):
    rng = np.random.default_rng(seed)
    return rng, rng.normal(size=(m, k, k)), rng.normal(size=(n, m)), rng.uniform(-0.5, 0.5, n), rng.uniform(-0.5, 0.5, n)


def models(basis, terms, dx, dy):
    k = basis.shape[1]
    return np.array([shift_matrix(k, b) @ np.tensordot(t, basis, 1) @ shift_matrix(k, a).T for t, a, b in zip(terms, dx, dy)])


def test_back_project_is_the_adjoint_of_the_model():
    rng, basis, terms, dx, dy = problem()
    n, k = len(dx), basis.shape[1]
    weight, residual = rng.uniform(0.1, 1, (n, k, k)), rng.normal(size=(n, k, k))
    out = np.empty_like(basis)
    back_project(basis, terms, dx, dy, residual, weight, out)
    difference = weight * (residual - models(basis, terms, dx, dy))
    expected = np.zeros_like(basis)
    for s in range(n):
        back = shift_matrix(k, dy[s]).T @ difference[s] @ shift_matrix(k, dx[s])
        expected += terms[s][:, None, None] * back
    np.testing.assert_allclose(out, expected, atol=1e-12)


def test_back_project_without_residual_or_without_model():
    rng, basis, terms, dx, dy = problem()
    n, k = len(dx), basis.shape[1]
    weight, residual = rng.uniform(0.1, 1, (n, k, k)), rng.normal(size=(n, k, k))
    none = np.empty((0, k, k))
    both, first, second = np.empty_like(basis), np.empty_like(basis), np.empty_like(basis)
    back_project(basis, terms, dx, dy, residual, weight, both)
    back_project(basis, terms, dx, dy, none, weight, first)
    back_project(np.zeros_like(basis), terms, dx, dy, residual, weight, second)
    np.testing.assert_allclose(first + second, both, atol=1e-12)


def test_residuals_weights_and_misfit():
    rng, basis, terms, dx, dy = problem()
    basis = np.abs(basis)
    terms = np.abs(terms)
    n = len(dx)
    flux = rng.uniform(100, 1000, n)
    model = models(basis, terms, dx, dy) * flux[:, None, None]
    data = (model + rng.normal(size=model.shape) * 10).astype(np.float32)
    usable = rng.random(model.shape) > 0.1
    noise = np.full(n, 100.0)
    gain, accuracy, tolerance, clip = 0.5, 0.01, 0.02, 2.0
    residual, weight, statistic = np.empty_like(model), np.empty_like(model), np.empty((n, 2))
    control = np.array([gain, accuracy, tolerance, clip])
    star_residuals(basis, terms, flux.copy(), dx.copy(), dy.copy(), data, usable, noise, control, False, residual, weight, statistic)
    variance = 100.0 + gain * np.maximum(model, 0) + (accuracy * model) ** 2
    deviation = (data - model) ** 2 / (variance + (tolerance * model) ** 2)
    expected = np.minimum(1.0, clip**2 / np.maximum(deviation, 1e-30)) / variance * flux[:, None, None] ** 2 * usable
    np.testing.assert_allclose(residual, np.where(usable, data - model, 0) / flux[:, None, None], atol=1e-9)
    np.testing.assert_allclose(weight, expected, rtol=1e-9)
    core = model > 0.02 * model.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(statistic[:, 1], (core & usable).sum(axis=(1, 2)) / core.sum(axis=(1, 2)))
    mean = (np.minimum(deviation, 900) * (core & usable)).sum(axis=(1, 2)) / (core & usable).sum(axis=(1, 2))
    np.testing.assert_allclose(statistic[:, 0], mean, rtol=1e-9)


def test_steps_find_flux_and_position():
    k = 31
    axis = np.arange(k) - k // 2
    basis = np.exp(-0.5 * (axis[:, None] ** 2 + axis[None, :] ** 2) / 2.0**2)[None]
    basis /= basis.sum()
    terms = np.ones((1, 1))
    truth = models(basis, terms, np.array([0.31]), np.array([-0.22]))
    data = (1000.0 * truth).astype(np.float32)
    flux, dx, dy = np.array([700.0]), np.array([0.0]), np.array([0.0])
    residual, weight, statistic = np.empty_like(truth), np.empty_like(truth), np.empty((1, 2))
    control = np.array([0.0, 0.0, 0.0, 1e6])
    for _ in range(6):
        star_residuals(basis, terms, flux, dx, dy, data, np.ones(truth.shape, bool), np.ones(1), control, True, residual, weight, statistic)
    assert flux[0] == pytest.approx(1000.0, rel=1e-5)
    assert dx[0] == pytest.approx(0.31, abs=1e-5)
    assert dy[0] == pytest.approx(-0.22, abs=1e-5)


def test_nothing_usable_gives_no_weight():
    _, basis, terms, dx, dy = problem()
    n, k = len(dx), basis.shape[1]
    residual, weight, statistic = np.full((n, k, k), 9.0), np.full((n, k, k), 9.0), np.empty((n, 2))
    none = np.zeros((n, k, k), bool)
    control = np.array([0.0, 0.0, 0.0, 3.0])
    data = np.zeros((n, k, k), np.float32)
    star_residuals(basis, terms, np.ones(n), dx, dy, data, none, np.ones(n), control, True, residual, weight, statistic)
    assert not weight.any()
    assert not residual.any()
    assert np.isinf(statistic[:, 0]).all()
    assert not statistic[:, 1].any()
