"""From candidates to a PSF: the determiners by name."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skysift.characterize.candidates import candidate_stamps
from skysift.characterize.pixel_grid import PixelGridOptions, fit_pixel_grid
from skysift.characterize.wings import measure_wings
from skysift.errors import AlgorithmError

if TYPE_CHECKING:
    from skysift.characterize.determiner_config import BasePsfDeterminerConfig, PiffPsfDeterminerConfig, PsfexPsfDeterminerConfig
    from skysift.image import Exposure
    from skysift.psf import Psf
    from skysift.table import SourceCatalog

__all__ = ["DETERMINERS", "NoPsfStarsError", "PsfSolution", "determine_psf"]

log = logging.getLogger("skysift.characterize")

STARS_PER_TERM = 4
"""A spatial order is used if there are this many stars for each of its terms."""


class NoPsfStarsError(AlgorithmError):
    """There is no star to fit a PSF to."""


@dataclass(frozen=True)
class PsfSolution:
    """A PSF and the stars that made it."""

    psf: Psf
    used: NDArray[np.bool_]
    """(m,) whether each candidate counted."""
    misfit: NDArray[np.float64]
    """(m,) mean squared deviation of each candidate from the PSF, in units of its noise; NaN where it was not fitted."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """`spatialFitChi2`, `numAvailStars`, `numGoodStars`, `avgX`, `avgY`, `spatialOrder`."""


def determine_psf(exposure: Exposure, catalog: SourceCatalog, rows: NDArray[np.int64], choice: Any) -> PsfSolution:
    """Fit a PSF by the active determiner of a configuration field.

    Parameters
    ----------
    exposure
        The image, background subtracted.
    catalog
        Measured sources with footprints and the slot Shape.
    rows
        (m,) candidates.
    choice
        The value of a field over `PSF_DETERMINERS`: it has `name` and `active`.

    Returns
    -------
    solution
        The PSF.

    Raises
    ------
    NoPsfStarsError
        No candidate can be fitted.
    """
    config: BasePsfDeterminerConfig = choice.active
    fitted = np.arange(len(rows))
    if len(rows) > config.maxCandidates > 0:
        generator = np.random.RandomState(config.downsampleRandomSeed)
        fitted = np.sort(generator.choice(len(rows), config.maxCandidates, replace=False))
    solution = DETERMINERS[choice.name](exposure, catalog, rows[fitted], config)
    used = np.zeros(len(rows), bool)
    used[fitted] = solution.used
    misfit = np.full(len(rows), np.nan)
    misfit[fitted] = solution.misfit
    x, y = catalog.x[rows[used]], catalog.y[rows[used]]
    metadata = {
        "spatialFitChi2": float(np.mean(misfit[used])),
        "numAvailStars": len(rows),
        "numGoodStars": int(used.sum()),
        "avgX": float(np.mean(x)),
        "avgY": float(np.mean(y)),
        **solution.metadata,
    }
    return PsfSolution(solution.psf, used, misfit, metadata)


def spatial_order(n_stars: int, wanted: int) -> int:
    """Give the highest order up to `wanted` that `n_stars` can bear."""
    order = wanted
    while order > 0 and n_stars < STARS_PER_TERM * (order + 1) * (order + 2) // 2:
        order -= 1
    if order < wanted:
        log.warning("%d stars are too few for a PSF of spatial order %d; using order %d", n_stars, wanted, order)
    return order


def spatial_frame(exposure: Exposure) -> tuple[tuple[float, float], tuple[float, float]]:
    """Give the centre and the half size of an image: the frame of spatial polynomials."""
    box = exposure.bbox
    return (0.5 * (box.min_x + box.max_x), 0.5 * (box.min_y + box.max_y)), (0.5 * box.width, 0.5 * box.height)


def star_sigma(catalog: SourceCatalog, rows: NDArray[np.int64]) -> float:
    """Typical standard deviation of candidates by their second moments, pixels."""
    trace = catalog["slot_Shape_xx"][rows] + catalog["slot_Shape_yy"][rows]
    good = trace[np.isfinite(trace) & (trace > 0)]
    return float(np.sqrt(0.5 * np.median(good))) if len(good) else 1.5


def _fit_grid(
    exposure: Exposure,
    catalog: SourceCatalog,
    rows: NDArray[np.int64],
    config: BasePsfDeterminerConfig,
    size: int,
    bad_planes: Any,
    options: PixelGridOptions,
) -> PsfSolution:
    from skysift.psf import PixelGridPsf, SpatialTerms

    if len(rows) == 0:
        raise NoPsfStarsError("there are no stars to fit a PSF to", hint="lower the limits of the star selector")
    sigma = star_sigma(catalog, rows)
    stamps = candidate_stamps(exposure, catalog, rows, size, bad_planes)
    center, scale = spatial_frame(exposure)
    order = spatial_order(len(rows), config.spatialOrder)
    while True:
        terms = SpatialTerms.total_order(order, center=center, scale=scale)
        fit = fit_pixel_grid(stamps, terms(stamps.x, stamps.y), sigma, options)
        if not fit.used.any() or not np.isfinite(fit.basis).all():
            raise NoPsfStarsError(
                f"none of {len(rows)} stars can be fitted by a PSF", hint="look for masked, saturated or blended stars among the candidates"
            )
        left = spatial_order(int(fit.used.sum()), order)
        if left == order:
            break
        order = left
    average = (float(fit.x[fit.used].mean()), float(fit.y[fit.used].mean()))
    psf = PixelGridPsf(_without_pedestal(fit.basis, sigma), order, center=center, scale=scale, average_position=average)
    return PsfSolution(psf, fit.used, fit.misfit, {"spatialOrder": order})


def _without_pedestal(basis: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Take from the mean PSF the light of the stars' surroundings, and scale to unit sum again."""
    pedestal = measure_wings(basis[0], sigma).pedestal
    cleaned = basis.copy()
    cleaned[0] -= pedestal
    return cleaned / cleaned[0].sum()


def determine_psfex(exposure: Exposure, catalog: SourceCatalog, rows: NDArray[np.int64], config: PsfexPsfDeterminerConfig) -> PsfSolution:
    """Fit the pixel grid with the numbers of the determiner "psfex"; see `determine_psf`."""
    if config.rejectFlaggedCentroids and "slot_Centroid_flag" in catalog.schema:
        clean = ~catalog["slot_Centroid_flag"][rows]
    else:
        clean = np.ones(len(rows), bool)
    options = PixelGridOptions(accuracy=config.modelAccuracy, reject=config.outlierNSigma, max_reject_fraction=config.outlierMaxRemove)
    solution = _fit_grid(exposure, catalog, rows[clean], config, config.stampSize, config.badMaskBits, options)
    used = np.zeros(len(rows), bool)
    used[clean] = solution.used
    misfit = np.full(len(rows), np.nan)
    misfit[clean] = solution.misfit
    return PsfSolution(solution.psf, used, misfit, solution.metadata)


def determine_piff(exposure: Exposure, catalog: SourceCatalog, rows: NDArray[np.int64], config: PiffPsfDeterminerConfig) -> PsfSolution:
    """Fit the pixel grid with the numbers of the determiner "piff"; see `determine_psf`."""
    options = PixelGridOptions(
        reject=config.outlierNSigma,
        max_reject_fraction=config.outlierMaxRemove,
        max_snr=config.maxSNR,
        min_usable=config.minimumUnmaskedFraction,
        iterations=min(config.piffMaxIter, PixelGridOptions.iterations),
    )
    size = max(config.stampSize, config.modelSize)
    solution = _fit_grid(exposure, catalog, rows, config, size, config.zeroWeightMaskBits, options)
    return PsfSolution(solution.psf.resized(config.modelSize), solution.used, solution.misfit, solution.metadata)


def _determine_pca(exposure: Exposure, catalog: SourceCatalog, rows: NDArray[np.int64], config: Any) -> PsfSolution:
    from skysift.characterize.pca import determine_pca

    return determine_pca(exposure, catalog, rows, config)


DETERMINERS: dict[str, Callable[[Exposure, SourceCatalog, NDArray[np.int64], Any], PsfSolution]] = {
    "psfex": determine_psfex,
    "piff": determine_piff,
    "pca": _determine_pca,
}
"""The determiners by name."""
