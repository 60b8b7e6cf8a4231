"""`skysift process`: everything for one image."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from skysift.pipeline.result import ProcessResult, Stages

if TYPE_CHECKING:
    from skysift.image import Exposure
    from skysift.pipeline.process_config import ProcessConfig
    from skysift.table import Schema, SourceCatalog

__all__ = ["process"]


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
    from skysift.pipeline.learn_psf import copy_star_flags, learn_psf, star_figures
    from skysift.pipeline.overrides import configuration_lines
    from skysift.pipeline.process_config import ProcessConfig
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
        stars = learn_psf(exposure, config, noise, warnings)
    with stages("detection"):
        footprints, excess = search(exposure, config.detection)
        mark_detected(exposure, footprints)
    with stages("measurement"):
        catalog = SourceCatalog(_schema(config), len(footprints))
        catalog.footprints = footprints
        Measurement(config.measurement).run(catalog, exposure)
        copy_star_flags(stars, catalog)
    with stages("aperture corrections"):
        if config.doApCorr:
            _measure_ap_corr(exposure, catalog, config, warnings)
            if exposure.ap_corr_map is not None:
                apply_ap_corr(catalog, exposure.ap_corr_map, config.applyApCorr)
        calculate(catalog, config.catalogCalculation)
        add_positions(exposure, catalog)
    with stages("summary"):
        summary = summarize(exposure, background, noise, catalog, excess)
        summary["psf"].update(star_figures(stars, catalog))
        summary["warnings"] = warnings
    check_psf = None if stars is None else stars.check_psf
    return ProcessResult(exposure, background, catalog, summary, stages.timings, configuration_lines(config), check_psf)


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


def _measure_ap_corr(exposure: Exposure, catalog: SourceCatalog, config: ProcessConfig, warnings: list[str]) -> None:
    """Correct all fluxes to the PSF flux of stars, and that to their total light; corrections that came with a given PSF are kept."""
    from skysift.characterize.ap_corr import MeasureApCorrError, measure_ap_corr
    from skysift.characterize.wings import light_beyond_stamp
    from skysift.image import ApCorrMap, ChebyshevField

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
