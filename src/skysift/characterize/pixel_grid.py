"""A PSF whose pixels are polynomials of position, fitted to stars of any sub-pixel offset.

All pixels of all stars are one linear least-squares problem for the model images, solved by preconditioned conjugate gradients without ever
forming a matrix: a Lanczos shift is nearly unitary, so the normal matrix is nearly the pixel-wise sum of weights times spatial terms, whose inverse
is the preconditioner. Between solutions each star's flux and position are refined, pixels of undetected neighbours are masked in
the residuals, deviant pixels lose weight, and deviant stars leave.

The model differs from Piff's pixel grid (Jarvis et al. 2021, MNRAS 501, 1282) in one respect: how the PSF varies over the image is drawn, pixel by pixel
and only as strongly as the noise demands, towards dilations, shears and blurs of the mean PSF.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skysift.characterize.stamps import StarStamps

__all__ = ["PixelGridFit", "PixelGridOptions", "fit_pixel_grid"]

CONSTANT_ROUNDS = 1
"""Rounds in which only the mean PSF is fitted."""
_CORE = 2.5
_FARTHEST = 0.5
_DILATION = 3
"""Place of the dilation among the deformations."""
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
    deformation: float = 0.05
    """Prior width of the deformations: relative change of the PSF's size from the centre to the edge of the image."""
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
    options = options or PixelGridOptions()
    size, n_terms = stamps.size, terms.shape[1]
    axis = np.arange(size) - size // 2
    radius = np.hypot(axis[:, None], axis[None, :])
    basis = np.zeros((n_terms, size, size))
    basis[0] = np.exp(-0.5 * (radius / sigma) ** 2)
    basis[0] /= basis[0].sum()
    stars = _Stars(stamps, np.ascontiguousarray(terms, np.float64), radius < 4 * sigma)
    used = np.ones(len(stamps), bool)
    for iteration in range(options.iterations):
        # The Gaussian start fits no star, so nothing counts as deviant against it.
        clip = options.clip if iteration > 0 else 1e6
        control = np.array([stamps.gain, options.accuracy, options.tolerance, clip])
        for _ in range(2 if iteration < 2 else 1):
            stars.compare(basis, control, refine=True)
        if iteration > 0:
            # The model keeps its centroid on the middle pixel everywhere; what it has drifted belongs to the stars.
            shift_x, shift_y = _windowed_centroids(basis, stars.terms, sigma)
            stars.dx += shift_x
            stars.dy += shift_y
        if 1 <= iteration < options.iterations - 1:
            # Found anew each time among all pixels: what an early model took for a neighbour may have been its own fault.
            stars.usable = stamps.usable
            stars.compare(basis, np.array([stamps.gain, options.tolerance, options.tolerance, 1e6]))
            neighbours = _neighbours(stars.residual, stars.weight, radius, sigma, options.neighbour_sigma)
            # What would take away most of a star is the model's fault; if it is not, the star's misfit tells.
            core = radius < _CORE * sigma
            left = np.mean(stamps.usable[:, core] & ~neighbours[:, core], axis=1)
            neighbours[left < options.min_usable] = False
            stars.usable = stamps.usable & ~neighbours
        stars.compare(basis, control)
        used = _acceptable(stars.statistic, stars.flux, options, iteration)
        stars.weight *= used[:, None, None]
        if options.max_snr > 0:
            snr = stars.flux / np.sqrt(stamps.noise / np.sum(basis[0] ** 2))
            stars.weight *= np.minimum(1.0, (options.max_snr / np.maximum(snr, 1e-30)) ** 2)[:, None, None]
        # The mean PSF comes first: the prior on the variation is made of it, and few stars need that prior from the beginning.
        varies = iteration >= CONSTANT_ROUNDS and n_terms > 1
        prior = _Prior(basis[0], n_terms, sigma, options.shrinkage, options.deformation) if varies else None
        fitted = slice(None if varies else 1)
        basis[fitted] += _NormalEquations(stars, prior, fitted).solve(basis[fitted])
        basis[0] /= basis[0].sum()
        basis[1:] -= basis[0] * basis[1:].sum(axis=(1, 2))[:, None, None]
    half = size // 2
    return PixelGridFit(basis, stars.flux, stamps.x0 + half + stars.dx, stamps.y0 + half + stars.dy, stars.statistic[:, 0].copy(), used)


class _Stars:
    """The stars with their fluxes and positions, and how they compare with a model."""

    def __init__(self, stamps: StarStamps, terms: NDArray[np.float64], core: NDArray[np.bool_]) -> None:
        self.terms = terms
        self.usable = stamps.usable
        self.flux = stamps.pixels[:, core].sum(axis=1, dtype=np.float64)
        self.dx, self.dy = (offset.copy() for offset in stamps.offsets)
        self.residual = np.zeros(stamps.pixels.shape)
        self.weight = np.zeros(stamps.pixels.shape)
        self.statistic = np.zeros((len(stamps), 2))
        self._stamps = stamps

    def compare(self, basis: NDArray[np.float64], control: NDArray[np.float64], refine: bool = False) -> None:
        """Fill `residual`, `weight` and `statistic`, after a step of fluxes and positions if asked."""
        from skysift.kernels.psf_fit import star_residuals

        pixels, noise = self._stamps.pixels, self._stamps.noise
        out = self.residual, self.weight, self.statistic
        star_residuals(basis, self.terms, self.flux, self.dx, self.dy, pixels, self.usable, noise, control, refine, *out)


class _NormalEquations:
    """The linear problem of the model images at fixed fluxes and positions of the stars."""

    def __init__(self, stars: _Stars, prior: _Prior | None, fitted: slice) -> None:
        self._stars = stars
        self._terms = np.ascontiguousarray(stars.terms[:, fitted])
        self._prior = prior
        self._zero = np.empty((0, *stars.weight.shape[1:]))

    def _project(self, images: NDArray[np.float64], residual: NDArray[np.float64]) -> NDArray[np.float64]:
        from skysift.kernels.psf_fit import back_project

        stars = self._stars
        out = np.empty_like(images)
        back_project(images, self._terms, stars.dx, stars.dy, residual, stars.weight, out)
        return out

    def _normal(self, images: NDArray[np.float64]) -> NDArray[np.float64]:
        product = -self._project(images, self._zero)
        return product if self._prior is None else product + self._prior(images)

    def solve(self, basis: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give what to add to the model images."""
        terms, weight = self._terms, self._stars.weight
        target = self._project(np.zeros_like(basis), self._stars.residual)
        blocks = np.einsum("nm,nl,np->pml", terms, terms, weight.reshape(len(weight), -1), optimize=True)
        if self._prior is not None:
            target -= self._prior(basis)
            blocks += self._prior.diagonal
        return _conjugate_gradients(self._normal, target, blocks)


def _conjugate_gradients(
    normal: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    target: NDArray[np.float64],
    blocks: NDArray[np.float64],
    tolerance: float = 1e-5,
    limit: int = 12,
) -> NDArray[np.float64]:
    """Solve ``normal(v) = target`` with the (p, m, m) blocks as preconditioner."""
    n_terms = len(target)
    ridge = 1e-9 * np.trace(blocks, axis1=1, axis2=2).max() + 1e-300
    inverse = np.linalg.inv(blocks + ridge * np.eye(n_terms))

    def precondition(images: NDArray[np.float64]) -> NDArray[np.float64]:
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
    """A Gaussian prior on the varying images: wide along deformations of the mean PSF, narrow across them."""

    def __init__(self, mean: NDArray[np.float64], n_terms: int, sigma: float, shrinkage: float, deformation: float) -> None:
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
        scaled = np.stack([mode.ravel() for mode in modes], axis=1) * self._inverse_width[:, None]
        self._free, _ = np.linalg.qr(scaled)
        self._held = 1.0 - 1.0 / (deformation**2 * np.sum(scaled[:, _DILATION] ** 2))
        self.diagonal = np.zeros((size * size, n_terms, n_terms))
        self.diagonal[:, np.arange(1, n_terms), np.arange(1, n_terms)] = (self._inverse_width**2)[:, None]

    def __call__(self, images: NDArray[np.float64]) -> NDArray[np.float64]:
        """Apply the prior's precision matrix."""
        scaled = images[1:].reshape(len(images) - 1, -1) * self._inverse_width
        scaled -= self._held * ((scaled @ self._free) @ self._free.T)
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
    # A model that seems to drift farther has lost its stars.
    x, y = (np.where(good, np.clip(2 * first / safe, -_FARTHEST, _FARTHEST), 0.0) for first in (first_x, first_y))
    return x, y


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
