"""InterpImageTask and RepairTask: pixels, mask planes and metadata."""

import numpy as np
import pytest

from skysift.errors import InputError
from skysift.geom import Box2I, Point2I
from skysift.image import Exposure
from skysift.psf import GaussianPsf
from skysift.repair import TooManyCosmicRaysError
from skysift.tasks import InterpImageTask, RepairTask

XY0 = (300, 100)
RAYS = [(30, 40), (31, 40), (32, 41), (70, 20), (71, 20)]


def make_exposure(shape: tuple[int, int] = (90, 110)) -> Exposure:
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.random.default_rng(8).normal(100, 5, shape)
    for cx, cy in [(50, 60), (90, 70), (20, 75)]:
        image += 3000 * np.exp(-0.5 * ((x - cx) ** 2 + (y - cy) ** 2) / 4)
    for rx, ry in RAYS:
        image[ry, rx] += 2000
    return Exposure.from_arrays(image, np.full(shape, 25.0), xy0=XY0, psf=GaussianPsf(15, 2.0))


def test_interpolation_over_a_plane():
    exposure = make_exposure()
    bad = np.zeros(exposure.image.shape, bool)
    bad[10:14, 55] = True
    exposure.image.array[bad] = 1e6
    exposure.mask.set("BAD", bad)
    task = InterpImageTask()
    assert task.run(exposure, planeName="BAD", fwhmPixels=3.0) is None
    assert (np.abs(exposure.image.array[bad] - 100) < 40).all()
    np.testing.assert_array_equal(exposure.mask.has("INTRP"), bad)
    assert task.metadata["interpolated_pixel_count"] == 4


def test_interpolation_over_boxes_of_a_masked_image():
    masked_image = make_exposure().masked_image
    masked_image.image.array[20, 5:8] = np.nan
    task = InterpImageTask()
    task.run(masked_image, defects=[Box2I.from_min_max(Point2I(305, 120), Point2I(307, 120))])
    assert np.isfinite(masked_image.image.array).all()
    assert masked_image.mask.has("INTRP").sum() == task.metadata["interpolated_pixel_count"] == 3


@pytest.mark.parametrize("arguments", [{}, {"planeName": "BAD", "defects": []}, {"planeName": "NO_SUCH_PLANE"}])
def test_interpolation_needs_to_know_where(arguments):
    with pytest.raises(InputError):
        InterpImageTask().run(make_exposure(), **arguments)


def test_cosmic_rays_are_removed_and_stars_are_not():
    exposure = make_exposure()
    before = exposure.image.array.copy()
    task = RepairTask()
    task.run(exposure)
    x, y = np.transpose(RAYS)
    assert exposure.mask.has("CR")[y, x].all()
    assert (exposure.image.array[y, x] < 200).all()
    assert task.metadata["cosmic_ray_count"] == 2
    assert exposure.metadata["cosmic_ray_count"] == 2
    for cx, cy in [(50, 60), (90, 70), (20, 75)]:
        np.testing.assert_array_equal(exposure.image.array[cy - 3 : cy + 4, cx - 3 : cx + 4], before[cy - 3 : cy + 4, cx - 3 : cx + 4])


def test_cosmic_rays_can_be_kept():
    exposure = make_exposure()
    before = exposure.image.array.copy()
    RepairTask().run(exposure, keepCRs=True)
    np.testing.assert_array_equal(exposure.image.array, before)
    assert exposure.mask.has("CR").sum() >= len(RAYS)


def test_defects_without_cosmic_rays_need_no_psf():
    exposure = make_exposure()
    exposure.psf = None
    config = RepairTask.ConfigClass()
    config.doCosmicRay = False
    exposure.image.array[50, :] = -1e5
    task = RepairTask(config=config)
    task.run(exposure, defects=[Box2I.from_min_max(Point2I(300, 150), Point2I(409, 150))])
    assert (exposure.image.array > -1e4).all()
    assert "cosmic_ray_count" not in task.metadata
    assert not exposure.mask.has("CR").any()


def test_errors():
    exposure = make_exposure()
    exposure.psf = None
    with pytest.raises(InputError, match="PSF"):
        RepairTask().run(exposure)
    config = RepairTask.ConfigClass()
    config.cosmicray.nCrPixelMax = 1
    with pytest.raises(TooManyCosmicRaysError):
        RepairTask(config=config).run(make_exposure())
