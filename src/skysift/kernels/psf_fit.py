"""The two products of which a pixel-grid PSF fit is made: star residuals, and the back-projection of residuals onto the model.

A star is ``flux * S(dx, dy) [sum_m terms[m] basis[m]]`` where S is a separable Lanczos shift. Both entry points go star by star, so their memory
is a few stamps.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

__all__ = ["back_project", "star_residuals"]

_ORDER = 9
_TAPS = 2 * _ORDER + 1


@njit(cache=True, nogil=True)
def _lanczos(offset, taps, slope):
    """Unit-sum Lanczos weights of the nodes around a point `offset` below its own, and their derivatives by `offset`."""
    total = 0.0
    total_slope = 0.0
    for t in range(_TAPS):
        u = t - _ORDER + offset
        if abs(u) < 1e-9:
            taps[t], slope[t] = 1.0, 0.0
        elif abs(u) >= _ORDER:
            taps[t], slope[t] = 0.0, 0.0
        else:
            a = math.pi * u
            b = a / _ORDER
            sinc_a, sinc_b = math.sin(a) / a, math.sin(b) / b
            taps[t] = sinc_a * sinc_b
            slope[t] = ((math.cos(a) - sinc_a) * sinc_b + sinc_a * (math.cos(b) - sinc_b)) / u
        total += taps[t]
        total_slope += slope[t]
    for t in range(_TAPS):
        taps[t] /= total
        slope[t] = (slope[t] - taps[t] * total_slope) / total


@njit(cache=True, nogil=True)
def _along_x(source, taps, out):
    """``out[ORDER + i, j] = sum_t taps[t] source[i, j + t]``: rows padded on both sides in, padded above and below out."""
    k = source.shape[0]
    for i in range(k):
        row, target = source[i], out[i + _ORDER]
        for j in range(k):
            value = 0.0
            for t in range(_TAPS):
                value += taps[t] * row[j + t]
            target[j] = value


@njit(cache=True, nogil=True)
def _along_y(source, taps, out):
    """``out[i, j] = sum_t taps[t] source[i + t, j]``."""
    k = source.shape[1]
    for i in range(k):
        target = out[i]
        for j in range(k):
            value = 0.0
            for t in range(_TAPS):
                value += taps[t] * source[i + t, j]
            target[j] = value


@njit(cache=True, nogil=True)
def _mix(basis, weights, out):
    """``out[:, ORDER:-ORDER] = sum_m weights[m] basis[m]``."""
    k = basis.shape[1]
    for i in range(k):
        row = out[i]
        for j in range(k):
            row[_ORDER + j] = 0.0
        for m in range(basis.shape[0]):
            w = weights[m]
            image = basis[m, i]
            for j in range(k):
                row[_ORDER + j] += w * image[j]


@njit(cache=True, nogil=True)
def star_residuals(basis, terms, flux, dx, dy, data, usable, noise, control, refine, residual, weight, statistic):
    """Residuals, weights and misfit of stars, after one Gauss-Newton step of flux and position if asked.

    Parameters
    ----------
    basis : float64 (m, k, k)
        Model images.
    terms : float64 (n, m)
        Their weights for each star.
    flux, dx, dy : float64 (n,)
        Flux and position relative to the middle pixel; changed in place where `refine`.
    data : float32 (n, k, k)
        Stamps; zero where not usable.
    usable : bool (n, k, k)
        Pixels that count.
    noise : float64 (n,)
        Variance of the sky.
    control : float64 (4,)
        Variance per count of signal; accuracy of the model relative to itself, which adds to the noise; the larger accuracy that is granted
        before a pixel counts as deviant; deviation in sigmas beyond which the weight of a pixel falls as its inverse square.
    refine : bool
        Whether to take the step.
    residual, weight : float64 (n, k, k)
        Filled: data minus model in units of the flux, and the inverse variance in those units.
    statistic : float64 (n, 2)
        Filled: mean squared deviation (each at most 30 squared) of the pixels where the model exceeds 2 % of its peak, and their fraction
        that is usable.
    """
    n, k = data.shape[0], data.shape[1]
    gain, accuracy, tolerance, clip = control[0], control[1], control[2], control[3]
    mixed = np.zeros((k, k + 2 * _ORDER))
    rows = np.zeros((k + 2 * _ORDER, k))
    model, model_x, model_y = np.zeros((k, k)), np.zeros((k, k)), np.zeros((k, k))
    tx, ty, sx, sy = np.zeros(_TAPS), np.zeros(_TAPS), np.zeros(_TAPS), np.zeros(_TAPS)
    for s in range(n):
        _mix(basis, terms[s], mixed)
        if refine:
            _lanczos(dx[s], tx, sx)
            _lanczos(dy[s], ty, sy)
            _along_x(mixed, sx, rows)
            _along_y(rows, ty, model_x)
            _along_x(mixed, tx, rows)
            _along_y(rows, sy, model_y)
            _along_y(rows, ty, model)
            f = flux[s]
            a00 = a01 = a02 = a11 = a12 = a22 = b0 = b1 = b2 = 0.0
            for i in range(k):
                for j in range(k):
                    if not usable[s, i, j]:
                        continue
                    value = model[i, j]
                    expected = f * value
                    difference = data[s, i, j] - expected
                    variance = noise[s] + gain * max(expected, 0.0) + (accuracy * expected) ** 2
                    w = 1.0 / variance
                    deviation = difference * difference / (variance + (tolerance * expected) ** 2)
                    if deviation > clip * clip:
                        w *= clip * clip / deviation
                    gx, gy = f * model_x[i, j], f * model_y[i, j]
                    a00 += w * value * value
                    a01 += w * value * gx
                    a02 += w * value * gy
                    a11 += w * gx * gx
                    a12 += w * gx * gy
                    a22 += w * gy * gy
                    b0 += w * value * difference
                    b1 += w * gx * difference
                    b2 += w * gy * difference
            c00, c01, c02 = a11 * a22 - a12 * a12, a02 * a12 - a01 * a22, a01 * a12 - a02 * a11
            determinant = a00 * c00 + a01 * c01 + a02 * c02
            if determinant > 0.0:
                c11, c12, c22 = a00 * a22 - a02 * a02, a01 * a02 - a00 * a12, a00 * a11 - a01 * a01
                flux[s] += (c00 * b0 + c01 * b1 + c02 * b2) / determinant
                dx[s] += min(max((c01 * b0 + c11 * b1 + c12 * b2) / determinant, -0.3), 0.3)
                dy[s] += min(max((c02 * b0 + c12 * b1 + c22 * b2) / determinant, -0.3), 0.3)
        _lanczos(dx[s], tx, sx)
        _lanczos(dy[s], ty, sy)
        _along_x(mixed, tx, rows)
        _along_y(rows, ty, model)
        f = flux[s]
        peak = model.max()
        misfit = 0.0
        total = count = 0
        for i in range(k):
            for j in range(k):
                expected = f * model[i, j]
                in_core = model[i, j] > 0.02 * peak
                total += in_core
                if not usable[s, i, j] or f <= 0.0:
                    residual[s, i, j] = 0.0
                    weight[s, i, j] = 0.0
                    continue
                difference = data[s, i, j] - expected
                variance = noise[s] + gain * max(expected, 0.0) + (accuracy * expected) ** 2
                w = 1.0 / variance
                deviation = difference * difference / (variance + (tolerance * expected) ** 2)
                if deviation > clip * clip:
                    w *= clip * clip / deviation
                if in_core:
                    misfit += min(deviation, 900.0)
                    count += 1
                residual[s, i, j] = difference / f
                weight[s, i, j] = w * f * f
        statistic[s, 0] = misfit / count if count > 0 else np.inf
        statistic[s, 1] = count / total if total > 0 else 0.0


@njit(cache=True, nogil=True)
def back_project(basis, terms, dx, dy, residual, weight, out):
    """Correlate weighted residuals with the model: ``out[m] = sum_s terms[s, m] S^T weight[s] (residual[s] - S sum_l terms[s, l] basis[l])``.

    With no residual this is minus the normal matrix times `basis`; with no basis it is the right-hand side of the normal equations.

    Parameters
    ----------
    basis : float64 (m, k, k)
        Model images.
    terms : float64 (n, m)
        Their weights for each star.
    dx, dy : float64 (n,)
        Positions relative to the middle pixel.
    residual, weight : float64 (n, k, k)
        Residuals and their weights; an empty `residual` (0, k, k) counts as zeros.
    out : float64 (m, k, k)
        Filled.
    """
    n, k = weight.shape[0], weight.shape[1]
    forward = np.any(basis)
    mixed, padded = np.zeros((k, k + 2 * _ORDER)), np.zeros((k, k + 2 * _ORDER))
    rows = np.zeros((k + 2 * _ORDER, k))
    image = np.zeros((k, k))
    tx, ty, sx, sy = np.zeros(_TAPS), np.zeros(_TAPS), np.zeros(_TAPS), np.zeros(_TAPS)
    out[:] = 0.0
    for s in range(n):
        _lanczos(dx[s], tx, sx)
        _lanczos(dy[s], ty, sy)
        if forward:
            _mix(basis, terms[s], mixed)
            _along_x(mixed, tx, rows)
            _along_y(rows, ty, image)
        for i in range(k):
            for j in range(k):
                difference = residual[s, i, j] if len(residual) else 0.0
                padded[i, _ORDER + j] = weight[s, i, j] * (difference - image[i, j])
        _along_x(padded, tx[::-1], rows)
        _along_y(rows, ty[::-1], image)
        for m in range(out.shape[0]):
            w = terms[s, m]
            for i in range(k):
                for j in range(k):
                    out[m, i, j] += w * image[i, j]
        if not forward:
            image[:] = 0.0
