"""The tasks give what the functions give."""

from __future__ import annotations

import numpy as np
import pytest

from skysift.simulate import SceneConfig, simulate
from skysift.table import IdFactory, Schema
from skysift.tasks.characterize import CharacterizeImageTask, MeasurePsfTask

SCENE = SceneConfig(width=640, height=600, stars=160, galaxies=200, seed=12)


class Numbers:
    catalog_id = 7

    def make_table_id_factory(self) -> IdFactory:
        return IdFactory.source(7, 32)


@pytest.fixture(scope="module")
def result():
    exposure, _ = simulate(SCENE)
    task = CharacterizeImageTask(Schema.source())
    return task, task.run(exposure, idGenerator=Numbers())


def test_struct_and_schema(result):
    task, struct = result
    assert struct.characterized is struct.exposure
    assert struct.backgroundModel is struct.background
    assert struct.sourceCat.schema is task.schema
    assert (struct.sourceCat["id"] > 2**31).all()
    for name in ("calib_psf_used", "calib_psf_reserved", "psf_max_value", "apcorr_base_PsfFlux_used", "base_PsfFlux_apCorr"):
        assert name in task.schema
    assert task.metadata["numGoodStars"] == struct.sourceCat["calib_psf_used"].sum()


def test_psf_can_be_measured_again(result):
    _, struct = result
    schema = struct.sourceCat.schema
    task = MeasurePsfTask(schema)
    before = struct.exposure.psf
    again = task.run(struct.exposure, struct.sourceCat)
    assert again.psf is struct.exposure.psf
    assert again.psf is not before
    assert task.metadata["numAvailStars"] == len(again.cellSet.rows)
    np.testing.assert_allclose(again.psf.sigma(), before.sigma(), rtol=0.02)
    struct.exposure.psf = before
