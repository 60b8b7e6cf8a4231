"""`skysift detect`: sources of one image, quickly."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from skysift.pipeline.result import ProcessResult, Stages

if TYPE_CHECKING:
    from skysift.image import Exposure
    from skysift.pipeline.config import DetectConfig

__all__ = ["detect"]


def detect(exposure: Exposure, config: DetectConfig | None = None, *, listener: Callable[[str], None] | None = None) -> ProcessResult:
    """Subtract the sky, find sources, and measure their positions, shapes and fluxes.

    The PSF is that of the exposure; without one, a Gaussian as wide as the stars of the image.

    Parameters
    ----------
    exposure
        The image; its sky is subtracted, its mask gets DETECTED, and it gets a PSF, in place.
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
    from skysift.measure import Measurement, measurement_schema
    from skysift.pipeline.config import DetectConfig
    from skysift.pipeline.overrides import configuration_lines
    from skysift.pipeline.search import search
    from skysift.pipeline.steps import add_position_fields, add_positions, fitted_to, mark_detected, subtract_sky, summarize
    from skysift.table import SourceCatalog

    config = fitted_to(exposure, config or DetectConfig())
    stages = Stages(listener)
    with stages("sky"):
        sigma = None if exposure.psf is None else float(exposure.psf.sigma())
        background, noise = subtract_sky(exposure, config, sigma)
    if exposure.psf is None:
        with stages("seeing"):
            from skysift.characterize.seeing import estimate_seeing
            from skysift.psf import GaussianPsf

            sigma = estimate_seeing(exposure.masked_image, noise)
            exposure.psf = GaussianPsf(2 * max(10, round(5 * sigma)) + 1, sigma)
    with stages("detection"):
        footprints, excess = search(exposure, config.detection)
        mark_detected(exposure, footprints)
    with stages("measurement"):
        schema = measurement_schema(config.measurement)
        add_position_fields(schema)
        catalog = SourceCatalog(schema, len(footprints))
        catalog.footprints = footprints
        Measurement(config.measurement).run(catalog, exposure)
        add_positions(exposure, catalog)
    with stages("summary"):
        summary = summarize(exposure, background, noise, catalog, excess)
    return ProcessResult(exposure, background, catalog, summary, stages.timings, configuration_lines(config))
