"""A PSF of principal components of star images, with polynomial coefficients (LSST `PcaPsfDeterminerTask`; Jee et al. 2007, PASP 119, 1403).

The components come from the brightest stars of each cell of the image, brought to a common centre; bad pixels are filled with the components' own
reconstruction. The coefficients are Chebyshev polynomials of position, fitted to all stars at once. Stars that fit badly, or whose coefficients differ
from the polynomials, leave, a few in each round.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from skysift.characterize.candidates import candidate_stamps
from skysift.characterize.determiners import NoPsfStarsError, PsfSolution, spatial_frame, spatial_order
from skysift.characterize.stamps import StarStamps

if TYPE_CHECKING:
    from skysift.characterize.determiner_config import PcaPsfDeterminerConfig
    from skysift.image import Exposure
    from skysift.table import SourceCatalog

__all__ = ["determine_pca"]

_LANCZOS = 5
_MOST_IMPORTANT = 3000.0
"""Signal-to-noise ratio above which stars count no more."""
_BAD_PLANES = ("BAD", "SAT", "CR", "INTRP", "NO_DATA")


@dataclass(frozen=True)
class _Stars:
    """What stays the same in all rounds."""

    stamps: StarStamps
    flux: NDArray[np.float64]
    """(n,) first guess."""
    variance: NDArray[np.float64]
    """(n, k, k)."""
    to_star: tuple[NDArray[np.float64], NDArray[np.float64]]
    """(n, k, k) matrices in y and x that shift a centred image to each star."""
    to_center: tuple[NDArray[np.float64], NDArray[np.float64]]
    """(n, k, k) matrices in y and x that shift each star to the middle pixel."""
    terms: NDArray[np.float64]
    """(n, t) spatial terms."""

    def shifted(self, images: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Shift images (c, k, k) to stars: (n, c, k, k)."""
        return np.einsum("nab,cbd,ned->ncae", self.to_star[0][rows], images, self.to_star[1][rows], optimize=True)

    def centered(self, images: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Shift stars' stamps (n, k, k) to the middle pixel."""
        return self.to_center[0][rows] @ images @ np.swapaxes(self.to_center[1][rows], 1, 2)


def determine_pca(exposure: Exposure, catalog: SourceCatalog, rows: NDArray[np.int64], config: PcaPsfDeterminerConfig) -> PsfSolution:
    """Fit principal components; see `skysift.characterize.determiners.determine_psf`.

    Raises
    ------
    NoPsfStarsError
        No star is left.
    """
    from skysift.psf import PcaPsf, SpatialTerms

    stamps = candidate_stamps(exposure, catalog, rows, config.stampSize, _BAD_PLANES)
    center, scale = spatial_frame(exposure)
    order = spatial_order(len(rows), config.spatialOrder)
    terms = SpatialTerms.total_order(order, center=center, scale=scale, chebyshev=True)
    dx, dy = stamps.offsets
    shape = stamps.size
    axis = np.arange(shape) - shape // 2
    disk = np.hypot(axis[:, None], axis[None, :]) < shape / 4
    stars = _Stars(
        stamps,
        stamps.pixels[:, disk].sum(axis=1, dtype=np.float64),
        stamps.noise[:, None, None] + stamps.gain * np.maximum(stamps.pixels, 0.0),
        (_shift_matrices(dy, shape), _shift_matrices(dx, shape)),
        (_shift_matrices(-dy, shape), _shift_matrices(-dx, shape)),
        terms(stamps.x, stamps.y),
    )
    cell = (stamps.x // config.sizeCellX).astype(np.int64) * 1_000_003 + (stamps.y // config.sizeCellY).astype(np.int64)
    alive = (stars.flux > 0) & (stamps.usable.mean(axis=(1, 2)) > 0.5)
    misfit = np.full(len(rows), np.nan)
    model: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
    for iteration in range(config.nIterForPsf + 1):
        model = _fit(stars, alive, cell, config)
        if iteration == config.nIterForPsf:
            break
        misfit = _misfits(stars, *model, config.lam)
        alive &= np.isfinite(misfit) & (misfit > 0)
        share = (iteration + 1) / config.nIterForPsf
        _reject(alive, misfit, misfit > config.reducedChi2ForPsfCandidates, share)
        _reject_by_coefficients(stars, alive, *model, config.spatialReject, share)
    assert model is not None
    components, coefficients = model
    average = (float(stamps.x[alive].mean()), float(stamps.y[alive].mean()))
    psf = PcaPsf(components, terms, coefficients, average_position=average)
    return PsfSolution(psf, alive, misfit, {"spatialOrder": order})


def _shift_matrices(offset: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Unit-sum Lanczos matrices (n, size, size) that shift an axis by `offset`, zeros beyond the ends."""
    distance = np.arange(size)[None, None, :] - (np.arange(size)[None, :, None] - offset[:, None, None])
    weight = np.where(np.abs(distance) < _LANCZOS, np.sinc(distance) * np.sinc(distance / _LANCZOS), 0.0)
    node = np.arange(-_LANCZOS, _LANCZOS + 1)[None, :] + offset[:, None]
    total = np.where(np.abs(node) < _LANCZOS, np.sinc(node) * np.sinc(node / _LANCZOS), 0.0).sum(axis=1)
    return weight / total[:, None, None]


def _brightest(flux: NDArray[np.float64], alive: NDArray[np.bool_], cell: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Rows of the brightest stars of each cell; all of them for `most` of zero."""
    rows = np.flatnonzero(alive)
    rows = rows[np.argsort(-flux[rows], kind="stable")]
    if most <= 0:
        return np.sort(rows)
    taken: dict[int, int] = {}
    kept = []
    for row in rows:
        count = taken.get(int(cell[row]), 0)
        if count < most:
            taken[int(cell[row])] = count + 1
            kept.append(row)
    return np.sort(np.array(kept, np.int64))


def _fit(
    stars: _Stars, alive: NDArray[np.bool_], cell: NDArray[np.int64], config: PcaPsfDeterminerConfig
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit the components (c, k, k) and their coefficients (c, t)."""
    rows = _brightest(stars.flux, alive, cell, config.nStarPerCell)
    if len(rows) == 0:
        raise NoPsfStarsError(
            f"none of {len(alive)} stars is left to make principal components of", hint="raise reducedChi2ForPsfCandidates or spatialReject"
        )
    components = _components(stars, rows, min(config.nEigenComponents, len(rows)))
    return components, _coefficients(stars, _brightest(stars.flux, alive, cell, config.nStarPerCellSpatialFit), components)


def _components(stars: _Stars, rows: NDArray[np.int64], n_components: int) -> NDArray[np.float64]:
    """Principal components of stars: the first of unit sum, the others of zero sum.

    Each star counts as its signal-to-noise ratio, so that the noise of faint stars does not pass for variation of the PSF.
    """
    pixels, usable, flux = stars.stamps.pixels[rows].astype(np.float64), stars.stamps.usable[rows], stars.flux[rows]
    weight = np.where(usable, flux[:, None, None] ** 2 / stars.variance[rows], 0.0)
    unit = np.where(usable, pixels, 0.0) / flux[:, None, None]
    mean = (weight * unit).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-300)
    filled = np.where(usable, unit, mean)
    importance = np.minimum(flux / np.sqrt(stars.variance[rows].mean(axis=(1, 2))), _MOST_IMPORTANT)[:, None]
    images = np.empty((0, 0))
    for _ in range(10):
        images = importance * stars.centered(filled, rows).reshape(len(rows), -1)
        _, vectors = np.linalg.eigh(images @ images.T)
        span = np.linalg.qr(images.T @ vectors[:, ::-1][:, :n_components])[0]
        model = (images @ span) @ span.T / importance
        guess = np.einsum("nab,nbd,ned->nae", stars.to_star[0][rows], model.reshape(filled.shape), stars.to_star[1][rows], optimize=True)
        change = np.abs(np.where(usable, 0.0, guess - filled) * flux[:, None, None]).max(initial=0.0)
        filled = np.where(usable, filled, guess)
        if change < 10.0:
            break
    _, vectors = np.linalg.eigh(images @ images.T)
    components = (images.T @ vectors[:, ::-1][:, :n_components]).T.reshape(n_components, *mean.shape)
    frame = np.ones(mean.shape, bool)
    frame[2:-2, 2:-2] = False
    for k, component in enumerate(components):
        component /= component.flat[np.argmax(np.abs(component))]
        component -= component[frame].mean()
        total = component.sum()
        if k == 0:
            component /= total
        else:
            component -= components[0] * total
    return components


def _coefficients(stars: _Stars, rows: NDArray[np.int64], components: NDArray[np.float64]) -> NDArray[np.float64]:
    """Polynomials of the coefficients: the first component has one everywhere, the others are fitted to all stars together."""
    n_components, n_terms = len(components), stars.terms.shape[1]
    coefficients = np.zeros((n_components, n_terms))
    coefficients[0, 0] = 1.0
    if n_components == 1:
        return coefficients
    usable = stars.stamps.usable[rows].reshape(len(rows), -1)
    design = stars.shifted(components, rows).reshape(len(rows), n_components, -1) * usable[:, None, :]
    data = stars.stamps.pixels[rows].reshape(len(rows), -1).astype(np.float64) * usable
    amplitude = _free_coefficients(design, data)[:, 0]
    good = amplitude > 0
    peak = stars.variance[rows].max(axis=(1, 2))
    weight = np.where(good, amplitude**2 / peak, 0.0)
    target = data / np.where(good, amplitude, 1.0)[:, None] - design[:, 0]
    inner = np.einsum("ncp,ndp->ncd", design[:, 1:], design[:, 1:], optimize=True)
    terms = stars.terms[rows]
    normal = np.einsum("n,nt,nu,ncd->ctdu", weight, terms, terms, inner, optimize=True)
    right = np.einsum("n,nt,ncp,np->ct", weight, terms, design[:, 1:], target, optimize=True)
    size = (n_components - 1) * n_terms
    coefficients[1:] = np.linalg.lstsq(normal.reshape(size, size), right.ravel(), rcond=1e-10)[0].reshape(n_components - 1, n_terms)
    return coefficients


def _free_coefficients(design: NDArray[np.float64], data: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coefficients (n, c) of each star on its own."""
    normal = np.einsum("ncp,ndp->ncd", design, design, optimize=True)
    ridge = 1e-12 * np.trace(normal, axis1=1, axis2=2)[:, None, None] + 1e-300
    right = np.einsum("ncp,np->nc", design, data, optimize=True)
    return np.linalg.solve(normal + ridge * np.eye(design.shape[1]), right[:, :, None])[:, :, 0]


def _misfits(stars: _Stars, components: NDArray[np.float64], coefficients: NDArray[np.float64], lam: float) -> NDArray[np.float64]:
    """Reduced chi square of each star."""
    rows = np.arange(len(stars.flux))
    shifted = stars.shifted(components, rows)
    model = np.einsum("nc,ncae->nae", stars.terms @ coefficients.T, shifted, optimize=True)
    data = stars.stamps.pixels.astype(np.float64)
    weight = np.where(stars.stamps.usable, 1.0 / (stars.variance + lam * np.maximum(data, 0.0)), 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        amplitude = (weight * model * data).sum(axis=(1, 2)) / (weight * model * model).sum(axis=(1, 2))
        residual = data - amplitude[:, None, None] * model
        return (weight * residual**2).sum(axis=(1, 2)) / (stars.stamps.usable.sum(axis=(1, 2)) - 1)


def _reject(alive: NDArray[np.bool_], badness: NDArray[np.float64], bad: NDArray[np.bool_], share: float) -> None:
    """Take out a share of the bad stars, the worst first; never the last one."""
    candidates = np.flatnonzero(alive & bad)
    candidates = candidates[np.argsort(-badness[candidates], kind="stable")]
    n = min(int(len(candidates) * share + 0.5), int(alive.sum()) - 1)
    alive[candidates[: max(n, 0)]] = False


def _reject_by_coefficients(
    stars: _Stars,
    alive: NDArray[np.bool_],
    components: NDArray[np.float64],
    coefficients: NDArray[np.float64],
    limit: float,
    share: float,
) -> None:
    """Take out stars whose own coefficients are far from the polynomials."""
    from skysift.statistics import clipped_stats

    rows = np.flatnonzero(alive)
    usable = stars.stamps.usable[rows].reshape(len(rows), -1)
    design = stars.shifted(components, rows).reshape(len(rows), len(components), -1) * usable[:, None, :]
    free = _free_coefficients(design, stars.stamps.pixels[rows].reshape(len(rows), -1).astype(np.float64) * usable)
    with np.errstate(invalid="ignore", divide="ignore"):
        residual = free / free[:, :1] - stars.terms[rows] @ coefficients.T
    for k in range(1, len(components)):
        mean, rms, n = clipped_stats(residual[:, k])
        if n < 2:
            continue
        deviation = np.zeros(len(alive))
        deviation[rows] = np.nan_to_num(np.abs(residual[:, k] - mean), nan=np.inf)
        _reject(alive, deviation, deviation > limit * max(rms, 1e-4), share)
