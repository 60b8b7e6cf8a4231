"""From a raw exposure to one with background, PSF, aperture corrections, and a catalogue of its bright sources."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from skysift.characterize.ap_corr import (
    MeasureApCorrError,
    add_measure_ap_corr_fields,
    add_normalized_flux_fields,
    measure_ap_corr,
    normalize_calibration_flux,
)
from skysift.characterize.psf_measurement import NonfinitePsfShapeError, PsfMeasurement, add_psf_fields, measure_psf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skysift.background import BackgroundList
    from skysift.characterize.config import CharacterizeImageConfig, InstallGaussianPsfConfig
    from skysift.image import Exposure
    from skysift.table import IdFactory, Schema, SourceCatalog

__all__ = ["Characterization", "add_characterization_fields", "characterize_image", "install_simple_psf"]

log = logging.getLogger("skysift.characterize")


@dataclass(frozen=True)
class Characterization:
    """What `characterize_image` made."""

    exposure: Exposure
    """The image, background subtracted and repaired, with its PSF and aperture corrections."""
    catalog: SourceCatalog
    """The bright sources."""
    background: BackgroundList
    """All that was subtracted."""
    psf: PsfMeasurement | None
    """The PSF and its stars; None if it was not measured."""


def install_simple_psf(exposure: Exposure, config: InstallGaussianPsfConfig | None = None) -> None:
    """Give an exposure a Gaussian PSF: as wide as the PSF it has, or of the configured width (LSST `InstallGaussianPsfTask`).

    Parameters
    ----------
    exposure
        The image; its PSF is replaced.
    config
        Width; None for the defaults.

    Raises
    ------
    NonfinitePsfShapeError
        The PSF that it has has no positive width.
    """
    from skysift.psf import GaussianPsf

    if exposure.psf is None:
        if config is None:
            from skysift.characterize.config import InstallGaussianPsfConfig

            config = InstallGaussianPsfConfig()
        exposure.psf = GaussianPsf(config.width, config.fwhm / (2.0 * math.sqrt(2.0 * math.log(2.0))))
        return
    sigma = exposure.psf.sigma()
    if not (math.isfinite(sigma) and sigma > 0):
        raise NonfinitePsfShapeError(f"the PSF of the exposure has the width {sigma}")
    exposure.psf = GaussianPsf(exposure.psf.size, sigma)


def add_characterization_fields(schema: Schema, config: CharacterizeImageConfig | None = None) -> None:
    """Add the columns that `characterize_image` fills to a schema.

    Parameters
    ----------
    schema
        Schema from which no catalogue has been made yet.
    config
        What is measured; None for the defaults.
    """
    from skysift.measure import add_ap_corr_fields, add_calculation_fields, add_measurement_fields

    if config is None:
        from skysift.characterize.config import CharacterizeImageConfig

        config = CharacterizeImageConfig()
    add_measurement_fields(schema, config.measurement)
    add_psf_fields(schema)
    if config.doNormalizedCalibration:
        add_normalized_flux_fields(schema, config.normalizedCalibrationFlux)
    if config.doApCorr:
        add_measure_ap_corr_fields(schema, config.measureApCorr)
        add_ap_corr_fields(schema, config.applyApCorr)
    add_calculation_fields(schema, config.catalogCalculation)


def characterize_image(
    exposure: Exposure,
    config: CharacterizeImageConfig | None = None,
    background: BackgroundList | None = None,
    *,
    exposure_id: int = 0,
    schema: Schema | None = None,
    id_factory: IdFactory | None = None,
) -> Characterization:
    """Subtract the background, find the bright sources, and learn the PSF and the aperture corrections from them (LSST `CharacterizeImageTask`).

    Parameters
    ----------
    exposure
        The image; changed in place.
    config
        What to do; None for the defaults.
    background
        What was subtracted before; more is appended.
    exposure_id
        Number of the exposure: enters the seeds of reserved stars and replacement noise.
    schema
        Schema of the catalogue, with at least the columns of `add_characterization_fields`; None makes it.
    id_factory
        Gives identifiers to the sources.

    Returns
    -------
    characterization
        The results.

    Raises
    ------
    AlgorithmError
        No stars for the PSF, or a PSF without a finite width; too many cosmic rays, if they are required.
    """
    from skysift.background import subtract_background
    from skysift.detection import detect_footprints
    from skysift.measure import apply_ap_corr, calculate, measure
    from skysift.table import Schema, SourceCatalog

    if config is None:
        from skysift.characterize.config import CharacterizeImageConfig

        config = CharacterizeImageConfig()
    if schema is None:
        schema = Schema.source()
        add_characterization_fields(schema, config)
    if not config.doMeasurePsf and exposure.psf is None:
        log.info("the exposure has no PSF and none is measured: installing a Gaussian")
        install_simple_psf(exposure, config.installSimplePsf)
    background = subtract_background(exposure, config.background, background)

    measurement: PsfMeasurement | None = None
    for iteration in range(config.psfIterations if config.doMeasurePsf else 1):
        if exposure.psf is None or (config.doMeasurePsf and config.useSimplePsf):
            install_simple_psf(exposure, config.installSimplePsf)
        _find_cosmic_rays(exposure, config, keep=True)
        found = detect_footprints(exposure, config.detection, background=background)
        background = found.background
        n_sources = 0 if found.positive is None else len(found.positive)
        catalog = SourceCatalog(schema, n_sources, id_factory=id_factory)
        if found.positive is not None:
            catalog.footprints = cast("Sequence[Any]", found.positive)
        measure(exposure, catalog, config.measurement, exposure_id=exposure_id)
        if config.doMeasurePsf:
            measurement = measure_psf(exposure, catalog, config.measurePsf, exposure_id=exposure_id)
        log.info("iteration %d: PSF sigma %.3f pixels, %d sources", iteration + 1, exposure.psf.sigma(), n_sources)

    _find_cosmic_rays(exposure, config, keep=False)
    measure(exposure, catalog, config.measurement, exposure_id=exposure_id)
    _correct_apertures(exposure, catalog, config)
    if config.doApCorr and exposure.ap_corr_map is not None:
        apply_ap_corr(catalog, exposure.ap_corr_map, config.applyApCorr)
    calculate(catalog, config.catalogCalculation)
    return Characterization(exposure, catalog, background, measurement)


def _find_cosmic_rays(exposure: Exposure, config: CharacterizeImageConfig, *, keep: bool) -> None:
    from skysift.repair import TooManyCosmicRaysError, repair

    try:
        repair(exposure, config.repair, keep_crs=keep)
    except TooManyCosmicRaysError:
        if config.requireCrForPsf:
            raise
        log.warning("too many cosmic rays: leaving them in")
        exposure.mask.clear("CR")


def _correct_apertures(exposure: Exposure, catalog: SourceCatalog, config: CharacterizeImageConfig) -> None:
    """Set the aperture corrections of the exposure; None if they cannot be measured."""
    from skysift.image import ApCorrMap

    corrections = ApCorrMap()
    if config.doNormalizedCalibration:
        corrections.update(normalize_calibration_flux(exposure, catalog, config.normalizedCalibrationFlux))
    if config.doApCorr:
        try:
            corrections.update(measure_ap_corr(exposure.bbox, catalog, config.measureApCorr))
        except MeasureApCorrError as error:
            log.warning("no aperture corrections: %s", error)
            exposure.ap_corr_map = None
            return
    exposure.ap_corr_map = corrections if corrections else None
