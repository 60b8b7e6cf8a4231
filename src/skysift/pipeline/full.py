"""`skysift process`: everything for one image."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from skysift.errors import AlgorithmError
from skysift.pipeline.result import ProcessResult, Stages

if TYPE_CHECKING:
    from skysift.image import Exposure
    from skysift.pipeline.config import ProcessConfig
    from skysift.table import Schema, SourceCatalog

__all__ = ["process"]

log = logging.getLogger("skysift.pipeline")

_STAR_FLAGS = ("calib_psf_candidate", "calib_psf_used", "calib_psf_reserved")
_MATCH_RADIUS = 3.0


def process(exposure: Exposure, config: ProcessConfig | None = None, *, listener: Callable[[str], None] | None = None) -> ProcessResult:
    """Subtract the sky, remove cosmic rays, fit the PSF, find sources, measure them, and correct their fluxes for the aperture.

    A PSF that the exposure has is kept. Where one is wanted and too few stars can be found, a Gaussian as wide as the stars stands in for
    it, and the summary says so.

    Parameters
    ----------
    exposure
        The image; changed in place.
    config
        What to do; None for the defaults.
    listener
        Called with the name of each stage as it begins.

    Returns
    -------
    result
        The catalogue, and all else there is to know.

    Raises
    ------
    TooManyMaskedPixelsError
        If no pixel can be used.
    """
    from skysift.measure import Measurement, apply_ap_corr, calculate
    from skysift.pipeline.config import ProcessConfig
    from skysift.pipeline.overrides import configuration_lines
    from skysift.pipeline.search import search
    from skysift.pipeline.steps import add_positions, fitted_to, mark_detected, subtract_sky, summarize
    from skysift.table import SourceCatalog

    config = fitted_to(exposure, config or ProcessConfig())
    stages = Stages(listener)
    warnings: list[str] = []
    with stages("sky"):
        sigma = None if exposure.psf is None else float(exposure.psf.sigma())
        background, noise = subtract_sky(exposure, config, sigma)
    with stages("psf"):
        stars = _learn_psf(exposure, config, noise, warnings)
    with stages("detection"):
        footprints, excess = search(exposure, config.detection)
        mark_detected(exposure, footprints)
    with stages("measurement"):
        catalog = SourceCatalog(_schema(config), len(footprints))
        catalog.footprints = footprints
        Measurement(config.measurement).run(catalog, exposure)
        _copy_star_flags(stars, catalog)
    with stages("aperture corrections"):
        if config.doApCorr:
            _measure_ap_corr(exposure, catalog, config, warnings)
            if exposure.ap_corr_map is not None:
                apply_ap_corr(catalog, exposure.ap_corr_map, config.applyApCorr)
        calculate(catalog, config.catalogCalculation)
        add_positions(exposure, catalog)
    with stages("summary"):
        summary = summarize(exposure, background, noise, catalog, excess)
        summary["psf"].update(_star_figures(catalog))
        summary["warnings"] = warnings
    return ProcessResult(exposure, background, catalog, summary, stages.timings, configuration_lines(config))


def _schema(config: ProcessConfig) -> Schema:
    from skysift.characterize.ap_corr import add_measure_ap_corr_fields
    from skysift.characterize.psf_measurement import add_psf_fields
    from skysift.measure import add_ap_corr_fields, add_calculation_fields, measurement_schema
    from skysift.pipeline.steps import add_position_fields

    schema = measurement_schema(config.measurement)
    add_position_fields(schema)
    add_psf_fields(schema)
    if config.doApCorr:
        add_measure_ap_corr_fields(schema, config.measureApCorr)
        add_ap_corr_fields(schema, config.applyApCorr)
    add_calculation_fields(schema, config.catalogCalculation)
    return schema


def _learn_psf(exposure: Exposure, config: ProcessConfig, noise: float, warnings: list[str]) -> SourceCatalog | None:
    """Give the exposure a PSF unless it has one; returns the stars."""
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
        measure_psf(exposure, stars, config.psf.measurePsf, exposure_id=exposure.id or 0)
    except AlgorithmError as error:
        text = f"no PSF model could be fitted ({error}): a Gaussian of FWHM {2.3548 * exposure.psf.sigma():.2f} pixels stands in for it"
        log.warning(text)
        warnings.append(text)
        return None
    return stars


def _remove_cosmic_rays(exposure: Exposure, config: ProcessConfig, warnings: list[str]) -> None:
    from skysift.repair import TooManyCosmicRaysError, repair

    fwhm = 2.3548 * float(exposure.psf.sigma())
    if not config.psf.doRepair or not fwhm >= config.psf.minFwhmForRepair or not exposure.masked_image.has_variance:
        return
    try:
        repair(exposure, config.psf.repair)
    except TooManyCosmicRaysError as error:
        warnings.append(f"cosmic rays were left in: {error}")


def _copy_star_flags(stars: SourceCatalog | None, catalog: SourceCatalog) -> None:
    """Mark the sources that are the stars of the PSF."""
    from skysift.table import match_xy

    if stars is None or not len(stars) or not len(catalog):
        return
    chosen = np.flatnonzero(np.asarray(stars["calib_psf_candidate"]))
    i, j, _ = match_xy((stars.x[chosen], stars.y[chosen]), (catalog.x, catalog.y), _MATCH_RADIUS)
    for name in (*_STAR_FLAGS, "psf_max_value"):
        catalog[name][j] = np.asarray(stars[name])[chosen[i]]


def _measure_ap_corr(exposure: Exposure, catalog: SourceCatalog, config: ProcessConfig, warnings: list[str]) -> None:
    """Correct all fluxes to the PSF flux of stars, and that to their total light."""
    from skysift.characterize.ap_corr import MeasureApCorrError, measure_ap_corr
    from skysift.characterize.wings import light_beyond_stamp
    from skysift.image import ApCorrMap, ChebyshevField

    exposure.ap_corr_map = None
    if not np.any(catalog["calib_psf_used"]):
        return
    corrections = ApCorrMap()
    try:
        corrections = measure_ap_corr(exposure.bbox, catalog, config.measureApCorr)
    except MeasureApCorrError as error:
        warnings.append(f"only PSF fluxes are corrected for the aperture: {error}")
    reference = config.measureApCorr.refFluxName
    corrections[f"{reference}_instFlux"] = ChebyshevField(exposure.bbox, [[1.0]])
    total = 1.0 / (1.0 - light_beyond_stamp(exposure.psf))
    exposure.ap_corr_map = corrections.scaled(total)
    exposure.ap_corr_map[f"{reference}_instFluxErr"] = ChebyshevField(exposure.bbox, [[0.0]])


def _star_figures(catalog: SourceCatalog) -> dict[str, Any]:
    """Count the stars of the PSF, and compare those that it has not seen with it."""
    figures: dict[str, Any] = {f"n_{name.removeprefix('calib_psf_')}": int(np.count_nonzero(catalog[name])) for name in _STAR_FLAGS}
    reserved = np.asarray(catalog["calib_psf_reserved"])
    size = catalog["base_SdssShape_xx"] + catalog["base_SdssShape_yy"]
    model = catalog["base_SdssShape_psf_xx"] + catalog["base_SdssShape_psf_yy"]
    with np.errstate(invalid="ignore", divide="ignore"):
        residual = ((size - model) / model)[reserved]
    residual = residual[np.isfinite(residual)]
    figures["reserved_size_residual"] = float(np.median(residual)) if residual.size else None
    figures["reserved_size_scatter"] = float(1.4826 * np.median(np.abs(residual - np.median(residual)))) if residual.size else None
    return figures
