"""Measurement of the sources of one exposure as Tasks: SingleFrameMeasurementTask, ApplyApCorrTask, CatalogCalculationTask."""

from __future__ import annotations

from typing import Any, ClassVar

from lsst.pipe.base import Struct, Task

from skysift.image import Exposure
from skysift.measure import (
    ApplyApCorrConfig,
    CatalogCalculationConfig,
    Measurement,
    MeasurementConfig,
    add_ap_corr_fields,
    add_calculation_fields,
    apply_ap_corr,
    calculate,
)
from skysift.table import Schema, SourceCatalog

__all__ = [
    "ApplyApCorrTask",
    "CatalogCalculationTask",
    "SingleFrameMeasurementConfig",
    "SingleFrameMeasurementTask",
]

SingleFrameMeasurementConfig = MeasurementConfig


class SingleFrameMeasurementTask(Task):
    """Measure sources with the configured plugins.

    Parameters
    ----------
    schema
        Schema to which the fields are added; the catalogues to be measured are made with it.
    algMetadata
        Mapping that receives what the plugins say about their configuration.
    **kwds
        `config` and what `lsst.pipe.base.Task` takes.
    """

    ConfigClass: ClassVar[type] = SingleFrameMeasurementConfig
    config: MeasurementConfig
    _DefaultName: ClassVar[str] = "measurement"

    def __init__(self, schema: Schema, algMetadata: Any = None, **kwds: Any) -> None:
        super().__init__(**kwds)
        self.schema = schema
        self.measurement = Measurement(self.config)
        self.measurement.add_fields(schema)
        if algMetadata is not None:
            for plugin in self.measurement.plugins:
                algMetadata.update(plugin.metadata())

    def run(
        self,
        measCat: SourceCatalog,
        exposure: Exposure,
        noiseImage: Any = None,
        exposureId: int | None = None,
        beginOrder: float | None = None,
        endOrder: float | None = None,
        footprints: Any = None,
    ) -> None:
        """Fill the columns of a catalogue in place.

        Parameters
        ----------
        measCat
            Rows to measure, made with the schema of the constructor.
        exposure
            Background-subtracted exposure; it is not changed.
        noiseImage
            Image to take the replacement noise from.
        exposureId
            Seeds the replacement noise.
        beginOrder, endOrder
            Run the plugins with `beginOrder <= order < endOrder` only.
        footprints
            Footprints of the rows; by default those of the catalogue.
        """
        self.log.info("Measuring %d sources", len(measCat))
        self.measurement.run(
            measCat,
            exposure,
            footprints=footprints,
            noise_image=noiseImage,
            exposure_id=exposureId,
            begin_order=beginOrder,
            end_order=endOrder,
        )


class ApplyApCorrTask(Task):
    """Apply aperture corrections to the fluxes of a catalogue.

    Parameters
    ----------
    schema
        Schema that has the fluxes already; the corrections' fields are added.
    **kwds
        `config` and what `lsst.pipe.base.Task` takes.
    """

    ConfigClass: ClassVar[type] = ApplyApCorrConfig
    config: ApplyApCorrConfig
    _DefaultName: ClassVar[str] = "applyApCorr"

    def __init__(self, schema: Schema, **kwds: Any) -> None:
        super().__init__(**kwds)
        add_ap_corr_fields(schema, self.config)

    def run(self, catalog: SourceCatalog, apCorrMap: Any) -> None:
        """Correct the fluxes of `catalog` in place with the fields of `apCorrMap`."""
        self.log.info("Applying aperture corrections to %d sources", len(catalog))
        apply_ap_corr(catalog, apCorrMap, self.config)


class CatalogCalculationTask(Task):
    """Compute columns from other columns.

    Parameters
    ----------
    schema
        Schema to which the fields are added.
    **kwds
        `config` and what `lsst.pipe.base.Task` takes.
    """

    ConfigClass: ClassVar[type] = CatalogCalculationConfig
    config: CatalogCalculationConfig
    _DefaultName: ClassVar[str] = "catalogCalculation"

    def __init__(self, schema: Schema, **kwds: Any) -> None:
        super().__init__(**kwds)
        add_calculation_fields(schema, self.config)

    def run(self, measCat: SourceCatalog) -> Struct:
        """Fill the columns of `measCat` in place.

        Returns
        -------
        struct
            `outputCat`: the same catalogue.
        """
        calculate(measCat, self.config)
        return Struct(outputCat=measCat)
