"""Learning the PSF of an image from its stars, and judging it by stars that the fit has not seen."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from skysift.errors import AlgorithmError

if TYPE_CHECKING:
    from skysift.image import Exposure
    from skysift.pipeline.process_config import ProcessConfig
    from skysift.psf import Psf
    from skysift.table import SourceCatalog

__all__ = ["PsfStars", "copy_star_flags", "learn_psf", "star_figures"]

log = logging.getLogger("skysift.pipeline")

_STAR_FLAGS = ("calib_psf_candidate", "calib_psf_used", "calib_psf_reserved")
_MATCH_RADIUS = 3.0


@dataclass(frozen=True)
class PsfStars:
    """The stars of a PSF.

    Attributes
    ----------
    catalog
        The sources that were looked at, with the flags of `skysift.characterize.add_psf_fields`.
    check_psf
        The PSF of the fit that has not seen the reserved stars.
    """

    catalog: SourceCatalog
    check_psf: Psf


def learn_psf(exposure: Exposure, config: ProcessConfig, noise: float, warnings: list[str]) -> PsfStars | None:
    """Remove cosmic rays, and give the exposure a PSF unless it has one.

    Parameters
    ----------
    exposure
        The image without its sky; gets the PSF.
    config
        Its fields `psf` and `detection` are used.
    noise
        Standard deviation of the sky, counts.
    warnings
        Gets a line for whatever could not be done.

    Returns
    -------
    stars
        None where no PSF was fitted: the exposure had one, or has too few stars and gets a Gaussian as wide as they are.
    """
    from skysift.characterize.psf_measurement import add_psf_fields, measure_psf
    from skysift.characterize.seeing import estimate_seeing
    from skysift.measure import Measurement, measurement_schema
    from skysift.pipeline.search import search
    from skysift.pipeline.steps import mark_detected
    from skysift.psf import GaussianPsf
    from skysift.table import SourceCatalog

    given = exposure.psf is not None
    if not given:
        sigma = estimate_seeing(exposure.masked_image, noise)
        exposure.psf = GaussianPsf(2 * max(10, round(5 * sigma)) + 1, sigma)
    _remove_cosmic_rays(exposure, config, warnings)
    if given:
        return None
    schema = measurement_schema(config.psf.measurement)
    add_psf_fields(schema)
    footprints, _ = search(exposure, config.detection)
    mark_detected(exposure, footprints)
    arrays = footprints.arrays
    significance = arrays.peaks["significance"][arrays.peak_offset[:-1]]
    found = SourceCatalog(schema, len(footprints))
    found.footprints = footprints
    stars = found[np.flatnonzero(significance >= config.psf.minSignalToNoise)]
    try:
        Measurement(config.psf.measurement).run(stars, exposure)
        check_psf = measure_psf(exposure, stars, config.psf.measurePsf, exposure_id=exposure.id or 0).psf
    except AlgorithmError as error:
        text = f"no PSF model could be fitted ({error}): a Gaussian of FWHM {2.3548 * exposure.psf.sigma():.2f} pixels stands in for it"
        log.warning(text)
        warnings.append(text)
        return None
    if config.psf.doRefit and np.any(stars["calib_psf_reserved"]):
        _refit(exposure, stars, config)
    return PsfStars(stars, check_psf)


def _refit(exposure: Exposure, stars: SourceCatalog, config: ProcessConfig) -> None:
    """Fit all candidates, those that were reserved for the check as well."""
    from skysift.characterize import determine_psf

    rows = np.flatnonzero(stars["calib_psf_candidate"])
    try:
        solution = determine_psf(exposure, stars, rows, config.psf.measurePsf.psfDeterminer)
    except AlgorithmError as error:
        log.warning("the fit to all stars failed, that without the reserved ones is kept: %s", error)
        return
    stars["calib_psf_used"][rows] = solution.used
    exposure.psf = solution.psf


def _remove_cosmic_rays(exposure: Exposure, config: ProcessConfig, warnings: list[str]) -> None:
    from skysift.repair import TooManyCosmicRaysError, repair

    fwhm = 2.3548 * float(exposure.psf.sigma())
    if not config.psf.doRepair or not fwhm >= config.psf.minFwhmForRepair or not exposure.masked_image.has_variance:
        return
    try:
        repair(exposure, config.psf.repair)
    except TooManyCosmicRaysError as error:
        warnings.append(f"cosmic rays were left in: {error}")


def copy_star_flags(stars: PsfStars | None, catalog: SourceCatalog) -> None:
    """Mark the sources of a catalogue that are the stars of the PSF, in the columns of `skysift.characterize.add_psf_fields`."""
    from skysift.table import match_xy

    if stars is None or not len(stars.catalog) or not len(catalog):
        return
    chosen = np.flatnonzero(np.asarray(stars.catalog["calib_psf_candidate"]))
    i, j, _ = match_xy((stars.catalog.x[chosen], stars.catalog.y[chosen]), (catalog.x, catalog.y), _MATCH_RADIUS)
    for name in (*_STAR_FLAGS, "psf_max_value"):
        catalog[name][j] = np.asarray(stars.catalog[name])[chosen[i]]


def star_figures(stars: PsfStars | None, catalog: SourceCatalog) -> dict[str, Any]:
    """Count the stars of the PSF, and compare the size of those that its check fit had not seen with that fit.

    Parameters
    ----------
    stars
        The stars.
    catalog
        The sources, with the flags of the stars.

    Returns
    -------
    figures
        For the summary; None for what there is not.
    """
    figures: dict[str, Any] = {f"n_{name.removeprefix('calib_psf_')}": int(np.count_nonzero(catalog[name])) for name in _STAR_FLAGS}
    reserved = np.asarray(catalog["calib_psf_reserved"]) & np.isfinite(catalog.x) & np.isfinite(catalog.y)
    residual = np.empty(0)
    if stars is not None and reserved.any() and (shape := catalog.slot("Shape")) is not None:
        size = (catalog[f"{shape}_xx"] + catalog[f"{shape}_yy"])[reserved]
        model = np.asarray(stars.check_psf.shapes(catalog.x[reserved], catalog.y[reserved]))[:, :2].sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            residual = (size - model) / model
        residual = residual[np.isfinite(residual)]
    figures["reserved_size_residual"] = float(np.median(residual)) if residual.size else None
    figures["reserved_size_scatter"] = float(1.4826 * np.median(np.abs(residual - np.median(residual)))) if residual.size else None
    return figures
