"""SourceDetectionTask and SkyObjectsTask: catalogue, Struct and metadata."""

import numpy as np
import pytest

from skysift.errors import InputError
from skysift.image import Exposure
from skysift.psf import GaussianPsf
from skysift.table import IdFactory, Schema, SourceCatalog
from skysift.tasks.detection import SkyObjectsTask, SourceDetectionTask


def make_exposure(seed: int = 1, shape: tuple[int, int] = (160, 200)) -> tuple[Exposure, np.ndarray]:
    rng = np.random.default_rng(seed)
    image = rng.normal(0, 1, shape).astype(np.float32)
    y, x = np.mgrid[: shape[0], : shape[1]]
    centres = np.array([(40, 40), (120, 50), (60, 110), (160, 120)])
    for cx, cy in centres:
        image += 40 * np.exp(-0.5 * ((x - cx) ** 2 + (y - cy) ** 2) / 4).astype(np.float32)
    image -= 40 * np.exp(-0.5 * ((x - 100) ** 2 + (y - 80) ** 2) / 4).astype(np.float32)
    exposure = Exposure.from_arrays(image, np.ones(shape), xy0=(1000, 500), psf=GaussianPsf(15, 2.0))
    return exposure, centres + [1000, 500]


def small_config(**changes: object) -> object:
    config = SourceDetectionTask.ConfigClass()
    config.reEstimateBackground = False
    config.doTempLocalBackground = False
    for name, value in changes.items():
        setattr(config, name, value)
    return config


def test_run_gives_catalogue_and_struct():
    exposure, centres = make_exposure()
    schema = Schema.source()
    task = SourceDetectionTask(schema=schema, config=small_config())
    table = SourceCatalog(schema, id_factory=IdFactory.source(7, 40))
    result = task.run(table, exposure)
    assert len(table) == 0
    assert len(result.sources) == result.numPos == result.numPosPeaks == 4
    assert result.negative is None
    assert result.numNeg == 0
    assert (result.sources["id"] > 2**30).all()
    assert np.unique(result.sources["id"]).size == 4
    assert np.isnan(result.sources["coord_ra"]).all()
    assert (result.sources["parent"] == 0).all()
    peaks = np.array([(f.peaks.array["i_x"][0], f.peaks.array["i_y"][0]) for f in result.sources.footprints])
    assert {tuple(p) for p in np.abs(peaks[:, None] - centres[None]).min(axis=1)} <= {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert result.fpSets.positive is result.positive
    assert result.fpSets.numPos == 4
    assert task.metadata["nGrow"] == 5
    assert task.metadata["smoothingKernelWidth"] == 15


def test_both_signs_puts_negative_sources_first():
    exposure, _ = make_exposure()
    schema = Schema.source()
    task = SourceDetectionTask(schema=schema, config=small_config(thresholdPolarity="both"))
    sources = task.run(schema, exposure).sources
    assert sources["is_negative"].tolist() == [True, False, False, False, False]
    assert sources.footprints[0].peaks.array["significance"][0] > 20
    with pytest.raises(InputError, match="is_negative"):
        task.run(Schema.source(), exposure)


def test_reused_schema_and_none():
    schema = Schema.source()
    SourceDetectionTask(schema=schema, config=small_config(thresholdPolarity="both"))
    task = SourceDetectionTask(schema=schema, config=small_config(thresholdPolarity="both"))
    assert task.negativeFlagKey == "is_negative"
    assert SourceDetectionTask(config=small_config(thresholdPolarity="both")).negativeFlagKey is None


def test_nothing_found_is_an_empty_catalogue():
    exposure = Exposure.from_arrays(np.zeros((64, 64)), np.ones((64, 64)), psf=GaussianPsf(15, 2.0))
    result = SourceDetectionTask().run(Schema.source(), exposure)
    assert len(result.sources) == 0
    assert result.numPos == 0
    assert len(result.background) == 1


def test_tutorial_calls():
    exposure, _ = make_exposure()
    task = SourceDetectionTask(config=small_config())
    psf = task.getPsf(exposure, sigma=1.5)
    convolved = task.convolveImage(exposure.masked_image, psf, doSmooth=True)
    assert convolved.sigma == pytest.approx(1.5, rel=1e-3)
    assert convolved.middle.bbox == exposure.bbox.grown(-(psf.size // 2))
    assert task.run(Schema.source(), exposure).getDict().keys() >= {"sources", "fpSets", "positive", "numPos"}


def test_sky_objects_task_fills_a_catalogue():
    exposure, _ = make_exposure()
    schema = Schema.source()
    schema.add_field("sky_source", "Flag", "sky object")
    catalog = SourceCatalog(schema, 2)
    task = SkyObjectsTask()
    task.config.nSources = 5
    found = task.run(exposure.mask, 3, catalog)
    assert len(found) == 5
    assert catalog["sky_source"].tolist() == [False, False, True, True, True, True, True]
    assert catalog.footprints[0] is None
    assert catalog.footprints[2].area == found[0].area
    assert task.metadata["sky_footprint_count"] == 5
