"""Gaussian-weighted second moments: the adaptive iteration and one pass at a fixed weight.

Bernstein & Jarvis 2002 (AJ 123, 583), section 3; the LSST algorithm `base_SdssShape`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from skysift.kernels.stamps import hide, show

FLAG_UNWEIGHTED_BAD = 1
FLAG_UNWEIGHTED = 2
FLAG_SHIFT = 4
FLAG_MAX_ITER = 8

_EPS = 1.1920929e-7
_Q_MAX = 14.0
_Q_MAX_FINE = 9.0
_LEAST = math.exp(-0.5 * _Q_MAX)
_THINNEST = 0.02
_LANES = 16
MAX_RADIUS = 1000
SCRATCH = 2 * MAX_RADIUS + 1 + _LANES
_DAMPED_AFTER = 30
_DAMPING_STAGE = 8
_MAX_DOUBLINGS = 4
_MAX_GROWTH = 4.0


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def _row_sums(pixels, weights, ratios, ratio_step, dx_first):
    """Sums of `f`, `f dx`, `f dx^2` over one row; the weights become those of the next row."""
    r0 = r1 = r2 = 0.0
    for k in range(len(pixels)):
        g = weights[k]
        f = g * pixels[k]
        if g < _LEAST:
            f = 0.0
        dx = dx_first + k
        r0 += f
        r1 += f * dx
        r2 += f * dx * dx
        weights[k] = g * ratios[k]
        ratios[k] *= ratio_step
    return r0, r1, r2


@njit(cache=True, nogil=True, error_model="numpy")
def _direct_sums(image, xc, yc, w11, w12, w22, x_low, x_high, y_low, y_high, parts, q_max):
    """The sums of `weighted_sums` by an exponential for each of `parts` x `parts` points of every pixel."""
    s = sx = sy = sxx = sxy = syy = 0.0
    corner = 0.5 - 0.5 / parts
    for y in range(y_low, y_high + 1):
        for x in range(x_low, x_high + 1):
            q_worst = 0.0
            for b in range(2):
                v = y - yc - corner + 2.0 * corner * b
                for a in range(2):
                    u = x - xc - corner + 2.0 * corner * a
                    q_worst = max(q_worst, u * u * w11 + 2.0 * u * v * w12 + v * v * w22)
            if q_worst > q_max:
                continue
            value = image[y, x] / (parts * parts)
            for b in range(parts):
                v = y - yc - corner + b / parts
                for a in range(parts):
                    u = x - xc - corner + a / parts
                    f = value * math.exp(-0.5 * (u * u * w11 + 2.0 * u * v * w12 + v * v * w22))
                    s += f
                    sx += f * u
                    sy += f * v
                    sxx += f * u * u
                    sxy += f * u * v
                    syy += f * v * v
    return s, sx, sy, sxx, sxy, syy


@njit(cache=True, nogil=True, error_model="numpy")
def weighted_sums(image, xc, yc, w11, w12, w22, radius, fine, scratch):
    """Sums of the image under the weight `exp(-q / 2)`, `q = w11 dx^2 + 2 w12 dx dy + w22 dy^2`, where `q <= 14`.

    The exponential runs from the middle row up and down by the recurrence `g[y + 1] = g[y] r[y]`, `r[y + 1] = r[y] exp(-w22)`, for all columns
    at once.

    Parameters
    ----------
    image : array (h, w)
        Pixels of any real type.
    xc, yc : float
        Centre of the weight, element coordinates.
    w11, w12, w22 : float
        The inverse of the weight's covariance; all zero gives weight one.
    radius : float
        Half size of the box that is summed, pixels, at most `MAX_RADIUS`; it is clipped to the image.
    fine : bool
        Split each pixel in 4 x 4, for weights narrower than a pixel.
    scratch : float64 (4, SCRATCH)
        Space for the recurrence.

    Returns
    -------
    s, sx, sy, sxx, sxy, syy : float
        Sums of `f`, `f dx`, `f dy`, `f dx^2`, `f dx dy`, `f dy^2`, where `f = exp(-q / 2) * image`.
    """
    height, width = image.shape
    x_low = max(0, math.floor(xc - radius + 0.5))
    x_high = min(width - 1, math.floor(xc + radius + 0.5))
    y_low = max(0, math.floor(yc - radius + 0.5))
    y_high = min(height - 1, math.floor(yc + radius + 0.5))
    s = sx = sy = sxx = sxy = syy = 0.0
    if x_low > x_high or y_low > y_high:
        return s, sx, sy, sxx, sxy, syy
    det = w11 * w22 - w12 * w12
    # In rows far from the middle the weight of a thin, slanted ellipse would come back from below the smallest number.
    unweighted = w11 == 0.0 and w22 == 0.0
    if fine or not (unweighted or det > _THINNEST * w11 * w22):
        return _direct_sums(
            image, xc, yc, w11, w12, w22, x_low, x_high, y_low, y_high, 4 if fine else 1, _Q_MAX_FINE if fine else _Q_MAX
        )  # fmt: skip

    columns = x_high - x_low + 1
    if not unweighted:
        reach_x = math.sqrt(_Q_MAX * w22 / det)
        reach_y = math.sqrt(_Q_MAX * w11 / det)
        x_low = max(x_low, math.ceil(xc - reach_x))
        x_high = min(x_high, math.floor(xc + reach_x))
        y_low = max(y_low, math.ceil(yc - reach_y))
        y_high = min(y_high, math.floor(yc + reach_y))
        if x_low > x_high or y_low > y_high:
            return s, sx, sy, sxx, sxy, syy
        columns = x_high - x_low + 1
        if reach_x <= radius:
            # More columns do no harm, their weight is below the limit, and whole vectors are faster.
            columns = min((columns + _LANES - 1) // _LANES * _LANES, width)
            x_low = min(x_low, width - columns)
    up, up_ratio, down, down_ratio = scratch[0, :columns], scratch[1, :columns], scratch[2, :columns], scratch[3, :columns]
    middle = min(max(y_low, math.floor(yc + 0.5)), y_high)
    dy = middle - yc
    start = min(max(math.floor(xc + 0.5) - x_low, 0), columns - 1)
    dx = x_low + start - xc
    slant = math.exp(-w12)
    curve = math.exp(-w11)
    g_start = math.exp(-0.5 * (dx * dx * w11 + 2.0 * dx * dy * w12 + dy * dy * w22))
    up_start = math.exp(-w12 * dx - w22 * (dy + 0.5))
    ratio_step = math.exp(-w22)
    right_start = math.exp(-0.5 * w11 - w11 * dx - w12 * dy)
    for side in range(2):
        sign = 1 - 2 * side
        g = g_start
        ratio = right_start if side == 0 else curve / right_start
        upward = up_start
        downward = ratio_step / up_start
        up_step = slant if side == 0 else 1.0 / slant
        down_step = 1.0 / slant if side == 0 else slant
        for k in range(start, columns if side == 0 else -1, sign):
            up[k] = g
            up_ratio[k] = upward
            down[k] = g * downward
            down_ratio[k] = downward
            g *= ratio
            ratio *= curve
            upward *= up_step
            downward *= down_step
    for k in range(columns):
        down_ratio[k] *= ratio_step
    for y in range(middle, y_high + 1):
        r0, r1, r2 = _row_sums(image[y, x_low : x_low + columns], up, up_ratio, ratio_step, x_low - xc)
        dy = y - yc
        s += r0
        sx += r1
        sy += r0 * dy
        sxx += r2
        sxy += r1 * dy
        syy += r0 * dy * dy
    for y in range(middle - 1, y_low - 1, -1):
        r0, r1, r2 = _row_sums(image[y, x_low : x_low + columns], down, down_ratio, ratio_step, x_low - xc)
        dy = y - yc
        s += r0
        sx += r1
        sy += r0 * dy
        sxx += r2
        sxy += r1 * dy
        syy += r0 * dy * dy
    return s, sx, sy, sxx, sxy, syy


@njit(cache=True, nogil=True, error_model="numpy")
def adapt_weight(image, xc, yc, max_iter, tol1, tol2, shift_max, sign, max_growth, max_doublings, scratch):
    """Iterate the Gaussian weight until it has the moments of the source.

    Parameters
    ----------
    image, xc, yc, max_iter, tol1, tol2, shift_max
        See `sdss_shape`.
    sign : float
        1, or -1 for a hole.
    max_growth : float
        Largest factor by which one step may enlarge the weight's trace.
    max_doublings : int
        How often the weight is doubled where noise makes a step impossible, before the iteration gives up.
    scratch
        See `weighted_sums`.

    Returns
    -------
    wxx, wxy, wyy, i0, x, y, flags
        See `sdss_shape`; the last weight where the iteration gave up.
    radius : float
        Half size of the last box.
    fine : bool
        Whether pixels were split.
    """
    wxx = wyy = 1.5
    wxy = 0.0
    w11 = w12 = w22 = -1.0
    e1_old = e2_old = oxx_old = 1e6
    fine = False
    flags = 0
    i0 = np.nan
    x = xc
    y = yc
    radius = 0.0
    doublings = 0
    iteration = 0
    while iteration < max_iter:
        radius = min(4.0 * math.sqrt(max(wxx, wyy)), MAX_RADIUS)
        det = wxx * wyy - wxy * wxy
        if not det >= _EPS or radius == MAX_RADIUS:
            flags |= FLAG_UNWEIGHTED
            break
        previous = (w11, w12, w22)
        w11 = wyy / det
        w12 = -wxy / det
        w22 = wxx / det
        if not fine and (wxx < 0.25 or wyy < 0.25 or det < 0.0625):
            fine = True
            if iteration > 0:
                oxx_old = 1e6
                w11, w12, w22 = previous
                iteration -= 1
        s, sx, sy, sxx, sxy, syy = weighted_sums(image, xc, yc, w11, w12, w22, radius, fine, scratch)
        possible = sign * s > 0.0 and sign * sxx > 0.0 and sign * syy > 0.0
        if possible:
            i0 = s * math.sqrt(w11 * w22 - w12 * w12) / math.pi
            x = xc + sx / s
            y = yc + sy / s
            if abs(x - xc) > shift_max or abs(y - yc) > shift_max:
                flags |= FLAG_SHIFT
            oxx = sxx / s
            oyy = syy / s
            oxy = sxy / s
            e1 = (oxx - oyy) / (oxx + oyy)
            e2 = 2.0 * oxy / (oxx + oyy)
            if iteration > 0 and abs(e1 - e1_old) < tol1 and abs(e2 - e2_old) < tol1 and abs(oxx / oxx_old - 1.0) < tol2:
                break
            e1_old = e1
            e2_old = e2
            oxx_old = oxx
            # The observed moments are those of object times weight, so the object's inverse covariance is the difference.
            o_det = oxx * oyy - oxy * oxy
            n11 = oyy / o_det - w11
            n12 = -oxy / o_det - w12
            n22 = oxx / o_det - w22
            n_det = n11 * n22 - n12 * n12
            possible = o_det > 0.0 and n_det >= _EPS and n11 > 0.0
        if possible:
            step = 1.0 if iteration < _DAMPED_AFTER else 0.5 ** (1 + (iteration - _DAMPED_AFTER) // _DAMPING_STAGE)
            growth = (n11 + n22) / n_det - wxx - wyy
            if growth * step > (max_growth - 1.0) * (wxx + wyy):
                step = (max_growth - 1.0) * (wxx + wyy) / growth
            wxx += step * (n22 / n_det - wxx)
            wxy += step * (-n12 / n_det - wxy)
            wyy += step * (n11 / n_det - wyy)
        elif doublings == max_doublings:
            flags |= FLAG_UNWEIGHTED
            break
        else:
            doublings += 1
            wxx = wyy = wxx + wyy
            wxy = 0.0
            oxx_old = 1e6
        iteration += 1
    if iteration >= max_iter:
        flags |= FLAG_UNWEIGHTED | FLAG_MAX_ITER
    return wxx, wxy, wyy, i0, x, y, flags, radius, fine


@njit(cache=True, nogil=True, error_model="numpy")
def sdss_shape(image, xc, yc, max_iter, tol1, tol2, shift_max, negative):
    """Adaptive second moments of one source: the elliptical Gaussian weight that reproduces itself.

    Where the iteration fails it is tried once more with cautious steps: the weight may not grow much at once, and is doubled where noise makes a
    step impossible. In both attempts steps after the thirtieth shrink, because pixels at the rim of the weight come and go. The LSST algorithm
    gives up where the first attempt fails.

    Parameters
    ----------
    image : array (h, w)
        Pixels, background subtracted.
    xc, yc : float
        Centre, element coordinates; it stays fixed.
    max_iter : int
        Most iterations.
    tol1, tol2 : float
        Convergence limits: change of the ellipticities; relative change of `Ixx`.
    shift_max : float
        Largest distance of the weighted first moment from the centre, per axis, before `FLAG_SHIFT` is set, pixels.
    negative : bool
        The source is a hole, not a bump.

    Returns
    -------
    ixx, ixy, iyy : float
        Moments, pixels squared; NaN where nothing could be measured.
    i0 : float
        Amplitude of the Gaussian; its flux is `2 pi i0 sqrt(ixx iyy - ixy^2)`. NaN if the moments are unweighted.
    x, y : float
        Weighted first moment, element coordinates; of the last weighted iteration if the moments are unweighted.
    flags : int
        Sum of `FLAG_*`.
    """
    if not (math.isfinite(xc) and math.isfinite(yc)):
        return np.nan, np.nan, np.nan, np.nan, xc, yc, FLAG_UNWEIGHTED_BAD
    sign = -1.0 if negative else 1.0
    scratch = np.empty((4, SCRATCH))
    wxx, wxy, wyy, i0, x, y, flags, radius, fine = adapt_weight(image, xc, yc, max_iter, tol1, tol2, shift_max, sign, np.inf, 0, scratch)
    if flags != 0:
        careful = adapt_weight(image, xc, yc, max_iter, tol1, tol2, shift_max, sign, _MAX_GROWTH, _MAX_DOUBLINGS, scratch)
        if careful[6] == 0:
            return careful[:7]
    if flags & FLAG_UNWEIGHTED:
        i0 = np.nan
        s, _, _, sxx, sxy, syy = weighted_sums(image, xc, yc, 0.0, 0.0, 0.0, radius, fine, scratch)
        if not (sign * s > 0.0 and sign * sxx > 0.0 and sign * syy > 0.0):
            flags = (flags & ~FLAG_UNWEIGHTED) | FLAG_UNWEIGHTED_BAD
            if sign * s > 0.0:
                wxx = wyy = 1.0 / 12.0
                wxy = 0.0
            else:
                wxx = wxy = wyy = np.nan
            return wxx, wxy, wyy, i0, x, y, flags
        wxx = sxx / s
        wxy = sxy / s
        wyy = syy / s
    return wxx, wxy, wyy, i0, x, y, flags


@njit(cache=True, nogil=True, error_model="numpy")
def sdss_shapes(view, xs, ys, negative, max_iter, tol1, tol2, shift_max):
    """Adaptive moments of many sources, see `sdss_shape`.

    Parameters
    ----------
    view : Overlay
        The image and n sources.
    xs, ys : float64 (n,)
        Centres, element coordinates.
    negative : bool (n,)
        Sources that are holes.
    max_iter, tol1, tol2, shift_max
        See `sdss_shape`.

    Returns
    -------
    result : float64 (n, 6)
        ixx, ixy, iyy, i0, x, y.
    flags : int64 (n,)
        Sum of `FLAG_*`.
    """
    n = len(xs)
    result = np.empty((n, 6))
    flags = np.empty(n, np.int64)
    for i in range(n):
        show(view, i)
        shape = sdss_shape(view.image, xs[i], ys[i], max_iter, tol1, tol2, shift_max, negative[i])
        hide(view, i)
        result[i, 0], result[i, 1], result[i, 2], result[i, 3], result[i, 4], result[i, 5], flags[i] = shape
    return result, flags
