"""The measurement tasks: thin, with the names of the reference."""

from __future__ import annotations

import numpy as np
import pytest

from skysift.footprint import Footprint, PeakCatalog, SpanSet, make_peaks
from skysift.image import ApCorrMap, ChebyshevField, Exposure
from skysift.psf import GaussianPsf
from skysift.table import Schema, SourceCatalog
from skysift.tasks.measurement import ApplyApCorrTask, CatalogCalculationTask, SingleFrameMeasurementConfig, SingleFrameMeasurementTask


def test_the_whole_sequence():
    dy, dx = np.mgrid[:100, :100] - 50
    image = 2e4 * np.exp(-0.5 * (dx**2 + dy**2) / 4) / (2 * np.pi * 4)
    exposure = Exposure.from_arrays(image, np.full(image.shape, 10.0))
    exposure.psf = GaussianPsf(21, 2.0)
    config = SingleFrameMeasurementTask.ConfigClass()
    assert isinstance(config, SingleFrameMeasurementConfig)
    config.plugins.names -= {"base_SkyCoord"}
    config.plugins["base_CircularApertureFlux"].radii = [3.0, 12.0]
    schema = Schema.source()
    metadata: dict = {}
    measurement = SingleFrameMeasurementTask(schema=schema, config=config, algMetadata=metadata)
    ap_corr = ApplyApCorrTask(schema=schema)
    calculation = CatalogCalculationTask(schema=schema)
    assert metadata["BASE_CIRCULARAPERTUREFLUX_RADII"] == [3.0, 12.0]
    catalog = SourceCatalog(schema, 1)
    catalog.footprints = [Footprint(SpanSet.from_shape(9, offset=(50, 50)), PeakCatalog(make_peaks([50], [50], [1.0])))]
    assert measurement.run(measCat=catalog, exposure=exposure, exposureId=3) is None
    assert catalog.metadata["NOISE_EXPOSURE_ID"] == 3
    assert catalog["slot_PsfFlux_instFlux"][0] == pytest.approx(2e4, rel=1e-3)
    fields = {
        f"base_PsfFlux_{kind}": ChebyshevField(exposure.bbox, np.array([[value]]))
        for kind, value in (("instFlux", 1.1), ("instFluxErr", 0.0))
    }
    ap_corr.run(catalog, ApCorrMap(fields))
    assert catalog["base_PsfFlux_instFlux"][0] == pytest.approx(2.2e4, rel=1e-3)
    result = calculation.run(catalog)
    assert result.outputCat is catalog
    assert catalog["base_FootprintArea_value"][0] == catalog.footprints[0].area


def test_default_config():
    config = SingleFrameMeasurementTask.ConfigClass()
    assert "base_PsfFlux" in config.plugins.names
    assert config.slots.centroid == "base_SdssCentroid"
    assert config.noiseReplacer.noiseSource == "measure"
