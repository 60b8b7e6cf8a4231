"""Measuring aperture corrections as Tasks: MeasureApCorrTask and NormalizedCalibrationFluxTask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from lsst.pipe.base import Struct, Task

from skysift.characterize import measure_ap_corr, normalize_calibration_flux
from skysift.characterize.ap_corr import add_measure_ap_corr_fields, add_normalized_flux_fields
from skysift.characterize.ap_corr_config import MeasureApCorrConfig, NormalizedCalibrationFluxConfig

if TYPE_CHECKING:
    from skysift.image import Exposure
    from skysift.table import Schema, SourceCatalog

__all__ = ["MeasureApCorrTask", "NormalizedCalibrationFluxTask"]


class MeasureApCorrTask(Task):
    """Measure the aperture correction of every flux that gets one.

    Parameters
    ----------
    schema
        Schema that has the fluxes already; gets the fields `apcorr_<flux>_used`.
    **kwargs
        `config` and what `lsst.pipe.base.Task` takes.

    Notes
    -----
    The LSST task is `lsst.meas.algorithms.MeasureApCorrTask`.
    """

    ConfigClass: ClassVar[type] = MeasureApCorrConfig
    _DefaultName: ClassVar[str] = "measureApCorr"

    config: MeasureApCorrConfig

    def __init__(self, schema: Schema, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        add_measure_ap_corr_fields(schema, self.config)

    def run(self, exposure: Exposure, catalog: SourceCatalog) -> Struct:
        """Measure the corrections.

        Parameters
        ----------
        exposure
            Its box is where the corrections are defined.
        catalog
            Measured sources; the columns `apcorr_<flux>_used` are filled.

        Returns
        -------
        result
            `apCorrMap`, an `ApCorrMap` with `<flux>_instFlux` and `<flux>_instFluxErr` for each flux.

        Raises
        ------
        MeasureApCorrError
            When a flux has too few stars and is not in ``config.allowFailure``.
        """
        self.log.info("Measuring aperture corrections with %d sources", len(catalog))
        return Struct(apCorrMap=measure_ap_corr(exposure.bbox, catalog, self.config))


class NormalizedCalibrationFluxTask(Task):
    """Scale the calibration flux so that it equals the flux in a large aperture for stars.

    Parameters
    ----------
    schema
        Schema that has the flux to scale; gets the columns of the scaled flux and, if configured, the slot CalibFlux.
    **kwargs
        `config` and what `lsst.pipe.base.Task` takes.

    Notes
    -----
    The LSST task is `lsst.pipe.tasks.NormalizedCalibrationFluxTask`.
    """

    ConfigClass: ClassVar[type] = NormalizedCalibrationFluxConfig
    _DefaultName: ClassVar[str] = "normalizedCalibrationFlux"

    config: NormalizedCalibrationFluxConfig

    def __init__(self, schema: Schema, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        add_normalized_flux_fields(schema, self.config)

    def run(self, *, exposure: Exposure, catalog: SourceCatalog) -> Struct:
        """Measure the scale, or take that of the exposure, and fill the columns of the scaled flux.

        Parameters
        ----------
        exposure
            The image that the sources are on; ``exposure.ap_corr_map`` is used with ``config.do_measure_ap_corr`` off.
        catalog
            Measured sources, changed in place.

        Returns
        -------
        result
            `ap_corr_map`, the scale as the aperture correction of the raw flux.
        """
        return Struct(ap_corr_map=normalize_calibration_flux(exposure, catalog, self.config))
