"""A PSF whose pixels are polynomials of position, fitted to stars of any sub-pixel offset.

All pixels of all stars are one linear least-squares problem for the model images, solved by preconditioned conjugate gradients without ever
forming a matrix: a Lanczos shift is nearly unitary, so the normal matrix is nearly the pixel-wise sum of weights times spatial terms, whose inverse
is the preconditioner. Between solutions each star's flux and position are refined, pixels of undetected neighbours are masked in
the residuals, deviant pixels lose weight, and deviant stars leave.

The model differs from Piff's pixel grid (Jarvis et al. 2021, MNRAS 501, 1282) in one respect: how the PSF varies over the image is drawn, pixel by pixel
and only as strongly as the noise demands, towards dilations, shears and blurs of the mean PSF.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skysift.characterize.stamps import StarStamps

__all__ = ["PixelGridFit", "PixelGridOptions", "fit_pixel_grid"]

FAINT_ENVELOPE = 1e-3
"""Floor of the prior width of the varying images, relative to the peak of the mean PSF."""


@dataclass(frozen=True)
class PixelGridOptions:
    """How to fit a pixel grid."""

    accuracy: float = 0.003
    """Error of the model relative to itself that adds to the noise of each pixel, so that no star weighs without limit."""
    tolerance: float = 0.02
    """Relative error of the model granted before a pixel or a star counts as deviant."""
    max_snr: float = 0.0
    """Weights of stars of a higher signal-to-noise ratio are lowered to that of this one; 0 sets no limit."""
    clip: float = 3.0
    """Deviation, sigmas, beyond which the weight of a pixel falls as the inverse square of its deviation."""
    reject: float = 5.0
    """Stars whose misfit exceeds the median by this many robust standard deviations leave the fit."""
    max_reject_fraction: float = 0.05
    """Most stars that may leave in one iteration, as a fraction."""
    neighbour_sigma: float = 4.0
    """Matched-filter significance of a residual that is masked as a neighbour."""
    shrinkage: float = 0.03
    """Prior width of the part of the variation that is no deformation of the mean PSF, relative to the mean PSF at each pixel."""
    iterations: int = 6
    """Rounds of refinement and solution."""
    min_usable: float = 0.5
    """Least usable fraction of a star's core."""


@dataclass(frozen=True)
class PixelGridFit:
    """A fitted pixel grid."""

    basis: NDArray[np.float64]
    """(m, k, k) model images: the first has unit sum, the others sum to zero."""
    flux: NDArray[np.float64]
    """(n,) fluxes of the stars."""
    x: NDArray[np.float64]
    """(n,) refined positions, pixels, PARENT."""
    y: NDArray[np.float64]
    """(n,) refined positions, pixels, PARENT."""
    misfit: NDArray[np.float64]
    """(n,) mean squared deviation in the core of each star."""
    used: NDArray[np.bool_]
    """(n,) whether a star counted in the last solution."""


def fit_pixel_grid(stamps: StarStamps, terms: NDArray[np.float64], sigma: float, options: PixelGridOptions | None = None) -> PixelGridFit:
    """Fit model images to stars.

    Parameters
    ----------
    stamps
        The stars; the model has the size of the stamps.
    terms
        (n, m) spatial terms at the stars; the first is constant.
    sigma
        First guess of the PSF's standard deviation, pixels.
    options
        How to fit.

    Returns
    -------
    fit
        The model and what became of the stars.
    """
    from skysift.kernels.psf_fit import back_project, star_residuals

    options = options or PixelGridOptions()
    n, size, n_terms = len(stamps), stamps.size, terms.shape[1]
    axis = np.arange(size) - size // 2
    radius = np.hypot(axis[:, None], axis[None, :])
    basis = np.zeros((n_terms, size, size))
    basis[0] = np.exp(-0.5 * (radius / sigma) ** 2)
    basis[0] /= basis[0].sum()
    dx, dy = (offset.copy() for offset in stamps.offsets)
    flux = stamps.pixels[:, radius < 4 * sigma].sum(axis=1, dtype=np.float64)
    terms = np.ascontiguousarray(terms, np.float64)

    usable = stamps.usable
    used = np.ones(n, bool)
    residual, weight = np.empty((n, size, size)), np.empty((n, size, size))
    statistic = np.empty((n, 2))
    scratch, no_residual = np.empty_like(basis), np.empty((0, size, size))
    for iteration in range(options.iterations):
        # The Gaussian start fits no star, so nothing counts as deviant against it.
        clip = options.clip if iteration > 0 else 1e6
        control = np.array([stamps.gain, options.accuracy, options.tolerance, clip])
        for _ in range(2 if iteration < 2 else 1):
            star_residuals(basis, terms, flux, dx, dy, stamps.pixels, usable, stamps.noise, control, True, residual, weight, statistic)
        if iteration > 0:
            # The model keeps its centroid on the middle pixel everywhere; what it has drifted belongs to the stars.
            shift_x, shift_y = _windowed_centroids(basis, terms, sigma)
            dx += shift_x
            dy += shift_y
        if 1 <= iteration <= 3:
            # Found anew each time among all pixels: what an early model took for a neighbour may have been its own fault.
            star_residuals(
                basis, terms, flux, dx, dy, stamps.pixels, stamps.usable, stamps.noise, control, False, residual, weight, statistic
            )
            usable = stamps.usable & ~_neighbours(residual, weight, radius, sigma, options.neighbour_sigma)
        star_residuals(basis, terms, flux, dx, dy, stamps.pixels, usable, stamps.noise, control, False, residual, weight, statistic)
        used = _acceptable(statistic, flux, options, iteration)
        weight *= used[:, None, None]
        if options.max_snr > 0:
            snr = flux / np.sqrt(stamps.noise / np.sum(basis[0] ** 2))
            weight *= np.minimum(1.0, (options.max_snr / np.maximum(snr, 1e-30)) ** 2)[:, None, None]
        prior = _Prior(basis[0], n_terms, sigma, options.shrinkage) if iteration >= 2 and n_terms > 1 else None
        back_project(np.zeros_like(basis), terms, dx, dy, residual, weight, scratch)
        target = scratch.copy()
        if prior is not None:
            target -= prior(basis)

        def normal(images: NDArray[np.float64], prior: _Prior | None = prior) -> NDArray[np.float64]:
            back_project(images, terms, dx, dy, no_residual, weight, scratch)
            return -scratch if prior is None else prior(images) - scratch

        blocks = np.einsum("nm,nl,np->pml", terms, terms, weight.reshape(n, -1), optimize=True)
        if prior is not None:
            blocks += prior.diagonal
        basis = basis + _conjugate_gradients(normal, target, blocks)
        basis[0] /= basis[0].sum()
        basis[1:] -= basis[0] * basis[1:].sum(axis=(1, 2))[:, None, None]
    half = size // 2
    return PixelGridFit(basis, flux, stamps.x0 + half + dx, stamps.y0 + half + dy, statistic[:, 0].copy(), used)


def _conjugate_gradients(normal, target, blocks, tolerance=1e-5, limit=12):
    """Solve ``normal(v) = target`` with the (p, m, m) blocks as preconditioner."""
    n_terms = len(target)
    ridge = 1e-9 * np.trace(blocks, axis1=1, axis2=2).max() + 1e-300
    inverse = np.linalg.inv(blocks + ridge * np.eye(n_terms))

    def precondition(images):
        return np.matmul(inverse, images.reshape(n_terms, -1).T[:, :, None])[:, :, 0].T.reshape(images.shape)

    solution = np.zeros_like(target)
    rest = target
    direction = preconditioned = precondition(rest)
    power = start = float(np.vdot(rest, preconditioned))
    for _ in range(limit):
        if not power > tolerance * start:
            break
        image = normal(direction)
        step = power / float(np.vdot(direction, image))
        solution = solution + step * direction
        rest = rest - step * image
        preconditioned = precondition(rest)
        previous, power = power, float(np.vdot(rest, preconditioned))
        direction = preconditioned + (power / previous) * direction
    return solution


class _Prior:
    """A Gaussian prior on the varying images: free along deformations of the mean PSF, narrow across them."""

    def __init__(self, mean: NDArray[np.float64], n_terms: int, sigma: float, shrinkage: float) -> None:
        size = mean.shape[0]
        axis = (np.arange(size) - size // 2).astype(np.float64)
        x, y = axis[None, :], axis[:, None]
        smooth = smooth_wings(mean, 4 * sigma, 6 * sigma)
        d_y, d_x = np.gradient(smooth)
        d_xy, d_xx = np.gradient(d_x)
        d_yy = np.gradient(d_y, axis=0)
        modes = [smooth, d_x, d_y, x * d_x + y * d_y, x * d_x - y * d_y, x * d_y + y * d_x, d_xx, d_yy, d_xy]
        width = shrinkage * (np.abs(smooth) + FAINT_ENVELOPE * smooth.max())
        self._inverse_width = 1.0 / width.ravel()
        self._free, _ = np.linalg.qr(np.stack([mode.ravel() for mode in modes], axis=1) * self._inverse_width[:, None])
        self.diagonal = np.zeros((size * size, n_terms, n_terms))
        self.diagonal[:, np.arange(1, n_terms), np.arange(1, n_terms)] = (self._inverse_width**2)[:, None]

    def __call__(self, images: NDArray[np.float64]) -> NDArray[np.float64]:
        """Apply the prior's precision matrix."""
        scaled = images[1:].reshape(len(images) - 1, -1) * self._inverse_width
        scaled -= (scaled @ self._free) @ self._free.T
        out = np.zeros_like(images)
        out[1:] = (scaled * self._inverse_width).reshape(images[1:].shape)
        return out


def smooth_wings(image: NDArray[np.float64], inner: float, outer: float) -> NDArray[np.float64]:
    """Replace an image beyond a radius by its circular average, joined smoothly.

    Parameters
    ----------
    image
        (k, k), centred on its middle pixel.
    inner, outer
        Radii between which the average takes over, pixels.

    Returns
    -------
    smooth
        (k, k).
    """
    size = image.shape[0]
    axis = np.arange(size) - size // 2
    radius = np.hypot(axis[:, None], axis[None, :])
    ring = np.rint(radius).astype(np.int64)
    count = np.bincount(ring.ravel())
    profile = np.bincount(ring.ravel(), image.ravel()) / count
    average = np.interp(radius, np.bincount(ring.ravel(), radius.ravel()) / count, profile)
    share = np.clip((radius - inner) / (outer - inner), 0.0, 1.0)
    return image * (1.0 - share) + average * share


def _windowed_centroids(
    basis: NDArray[np.float64], terms: NDArray[np.float64], sigma: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centroids of the model at the stars under a Gaussian window; twice the first moment, as the window halves it."""
    size = basis.shape[1]
    axis = np.arange(size) - size // 2
    window = np.exp(-0.5 * (axis / sigma) ** 2)
    weighted = basis * window[:, None] * window[None, :]
    total = terms @ weighted.sum(axis=(1, 2))
    first_x = terms @ (weighted.sum(axis=1) @ axis)
    first_y = terms @ (weighted.sum(axis=2) @ axis)
    good = total > 0
    safe = np.where(good, total, 1.0)
    return np.where(good, 2 * first_x / safe, 0.0), np.where(good, 2 * first_y / safe, 0.0)


def _neighbours(
    residual: NDArray[np.float64], weight: NDArray[np.float64], radius: NDArray[np.float64], sigma: float, threshold: float
) -> NDArray[np.bool_]:
    """Pixels around significant positive residuals away from the centre of each star."""
    from scipy import ndimage

    def smooth(images: NDArray[np.float64], width: float) -> NDArray[np.float64]:
        across = ndimage.gaussian_filter1d(images, width, axis=1, mode="constant", truncate=3.0)
        return ndimage.gaussian_filter1d(across, width, axis=2, mode="constant", truncate=3.0)

    signal = smooth(residual * weight, sigma)
    noise = smooth(weight, sigma / np.sqrt(2.0)) / (4 * np.pi * sigma**2)
    hit = (signal > threshold * np.sqrt(np.maximum(noise, 1e-300))) & (radius > 2 * sigma)
    cross = ndimage.generate_binary_structure(2, 1)[None]
    return ndimage.binary_dilation(hit, cross, iterations=max(2, round(2 * sigma))) & (radius > 1.3 * sigma)


def _acceptable(
    statistic: NDArray[np.float64], flux: NDArray[np.float64], options: PixelGridOptions, round_number: int
) -> NDArray[np.bool_]:
    """Stars to fit: usable, of positive flux, and not among the worst misfits beyond what the median and spread of all allow.

    The number that may be missing grows with each round, and all are judged anew: one bad star spoils the model, which makes good stars look bad
    until it is gone.
    """
    possible = (statistic[:, 1] >= options.min_usable) & (flux > 0)
    limit = int(np.ceil(options.max_reject_fraction * round_number * possible.sum()))
    if limit == 0:
        return possible
    misfit = statistic[:, 0]
    median = np.median(misfit[possible])
    spread = max(1.4826 * float(np.median(np.abs(misfit[possible] - median))), 0.1)
    excess = np.where(possible, misfit - median - options.reject * spread, -np.inf)
    worst = np.argsort(-excess, kind="stable")[:limit]
    possible[worst[excess[worst] > 0]] = False
    return possible
