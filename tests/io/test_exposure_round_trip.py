"""What is written is read again, by Skysift and by others."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skysift.geom import Box2I
from skysift.image import (
    ApCorrMap,
    ChebyshevField,
    Exposure,
    FilterLabel,
    Image,
    PhotoCalib,
    Polygon,
    ProductField,
    SkyWcs,
    VisitInfo,
)
from skysift.io import read_exposure, write_exposure
from skysift.psf import GaussianPsf

NY, NX = 20, 32
XY0 = (1000, -50)


def full_exposure() -> Exposure:
    rng = np.random.default_rng(3)
    pixels = rng.normal(0, 1, (NY, NX)).astype(np.float32)
    pixels[0, 0] = np.nan
    mask = np.zeros((NY, NX), np.int32)
    mask[1, 1] = 1 << 5
    box = Box2I(XY0, (NX, NY))
    field = ChebyshevField(box, rng.normal(1, 0.1, (3, 3)))
    exposure = Exposure.from_arrays(pixels, rng.uniform(1, 2, (NY, NX)).astype(np.float32), mask, xy0=XY0)
    exposure.image.unit = "adu"
    exposure.mask.add_plane("LONG_PLANE_NAME", "a plane of my own")
    exposure.mask.set("LONG_PLANE_NAME", box.clipped_to(Box2I((1003, -48), (2, 2))))
    exposure.wcs = SkyWcs.tan((150.0, 2.0), (1010.0, -40.0), np.array([[-5e-5, 1e-6], [1e-6, 5e-5]]))
    exposure.psf = GaussianPsf(25, 1.75)
    exposure.photo_calib = PhotoCalib(0.6, 0.01, ChebyshevField(box, [[0.6, 0.01], [0.02, 0.0]]))
    exposure.ap_corr_map = ApCorrMap({"base_PsfFlux_instFlux": field, "base_PsfFlux_instFluxErr": ProductField([field, field * 2])})
    exposure.visit_info = VisitInfo(id=77, exposure_time=30.0, boresight_ra=2.5, date="2025-01-02T03:04:05.678")
    exposure.filter_label = FilterLabel("i", "HSC-I2")
    exposure.valid_polygon = Polygon([(1000, -50), (1031, -50), (1031.25, -31)])
    exposure.summary_stats = {"psfSigma": 1.75, "nPsfStar": 12}
    exposure.id = 12345678901234
    exposure.gain = 2.5
    exposure.metadata.update({"OBSERVER": "Ada", "SEEING": 0.7, "NSTARS": 3, "GOOD": True, "a long key": "value", "HISTORY": "one\ntwo"})
    return exposure


def assert_same(one, two):
    assert one.bbox == two.bbox
    for name in ("image", "mask", "variance"):
        np.testing.assert_array_equal(getattr(one, name).array, getattr(two, name).array)
    assert dict(one.mask.planes) == dict(two.mask.planes)
    assert dict(one.mask.schema.docs) == dict(two.mask.schema.docs)
    assert one.image.unit == two.image.unit
    x, y = np.array([1000.0, 1015.5, 1031.0]), np.array([-50.0, -42.0, -31.0])
    np.testing.assert_allclose(one.wcs.pixel_to_sky(x, y), two.wcs.pixel_to_sky(x, y), rtol=0, atol=1e-14)
    np.testing.assert_allclose(one.psf.kernel_image().array, two.psf.kernel_image().array, rtol=1e-7)
    assert (one.photo_calib.mean, one.photo_calib.err) == (two.photo_calib.mean, two.photo_calib.err)
    np.testing.assert_array_equal(one.photo_calib.field.evaluate(x, y), two.photo_calib.field.evaluate(x, y))
    assert list(one.ap_corr_map) == list(two.ap_corr_map)
    for name in one.ap_corr_map:
        np.testing.assert_array_equal(one.ap_corr_map[name].evaluate(x, y), two.ap_corr_map[name].evaluate(x, y))
    np.testing.assert_equal(dataclasses.asdict(one.visit_info), dataclasses.asdict(two.visit_info))
    np.testing.assert_array_equal(one.valid_polygon.vertices, two.valid_polygon.vertices)
    for name in ("filter_label", "summary_stats", "id", "gain", "metadata"):
        assert getattr(one, name) == getattr(two, name), name


@pytest.mark.parametrize("name", ["a.fits", "a.fits.gz"])
@pytest.mark.parametrize("compress", [False, True])
def test_everything_survives(tmp_path, name, compress):
    exposure = full_exposure()
    before = exposure.copy()
    write_exposure(exposure, tmp_path / name, compress=compress)
    again = read_exposure(tmp_path / name)
    assert_same(exposure, again)
    assert_same(exposure, before)
    write_exposure(again, tmp_path / name)
    assert_same(exposure, read_exposure(tmp_path / name))
    assert os.listdir(tmp_path) == [name]


def test_other_programs_can_read_it(tmp_path):
    exposure = full_exposure()
    background = Image(np.full((NY, NX), 7, np.float32), XY0)
    write_exposure(exposure, tmp_path / "a.fits", background=background)
    with fits.open(tmp_path / "a.fits") as hdulist:
        hdulist.verify("exception")
        assert [hdu.name for hdu in hdulist][:5] == ["PRIMARY", "IMAGE", "MASK", "VARIANCE", "BACKGROUND"]
        np.testing.assert_array_equal(hdulist["IMAGE"].data, exposure.image.array)
        assert (hdulist["BACKGROUND"].data == 7).all()
        header = hdulist["IMAGE"].header
        assert header["LTV1"] == -1000
        assert header["BUNIT"] == "adu"
        assert header["FILTER"] == "HSC-I2"
        assert header["GAIN"] == 2.5
        assert hdulist["MASK"].header["MP_DETECTED"] == 5
        assert hdulist["MASK"].header["MP_LONG_PLANE_NAME"] == 11
        ra, dec = WCS(header).all_pix2world([5.0], [6.0], 0)
        here = exposure.wcs.pixel_to_sky(1005.0, -44.0)
        np.testing.assert_allclose([ra[0], dec[0]], np.degrees(here), atol=1e-10)
        np.testing.assert_allclose(WCS(header, key="A").all_pix2world([5.0], [6.0], 0), [[1005], [-44]])
        assert sorted(hdulist["COMPONENTS"].data["NAME"])[0] == "ap_corr_map"


def test_bare_exposure(tmp_path):
    exposure = Exposure.from_arrays(np.ones((3, 4)), np.ones((3, 4)))
    write_exposure(exposure, tmp_path / "a.fits")
    again = read_exposure(tmp_path / "a.fits")
    assert again.metadata == {}
    for name in ("wcs", "psf", "photo_calib", "ap_corr_map", "visit_info", "filter_label", "valid_polygon", "id", "gain"):
        assert getattr(again, name) is None, name


def test_a_part_keeps_its_place(tmp_path):
    exposure = full_exposure()
    part = exposure[Box2I((1004, -45), (9, 8))]
    write_exposure(part, tmp_path / "a.fits")
    again = read_exposure(tmp_path / "a.fits")
    assert again.bbox == part.bbox
    np.testing.assert_array_equal(again.image.array, part.image.array)
    np.testing.assert_allclose(again.wcs.pixel_to_sky(1004.0, -45.0), exposure.wcs.pixel_to_sky(1004.0, -45.0), atol=1e-14)
    inner = read_exposure(tmp_path / "a.fits", bbox=Box2I((1006, -44), (2, 3)))
    np.testing.assert_array_equal(inner.image.array, part.image[inner.bbox].array)


def test_writing_leaves_the_pixels_alone_and_replaces_whole_files(tmp_path):
    exposure = full_exposure()
    exposure.image.array.flags.writeable = False
    (tmp_path / "a.fits").write_text("old")
    write_exposure(exposure, tmp_path / "a.fits")
    assert read_exposure(tmp_path / "a.fits").id == exposure.id


def test_odd_metadata(tmp_path):
    exposure = Exposure.from_arrays(np.ones((3, 4)), np.ones((3, 4)))
    exposure.metadata.update(
        {
            "NAN": float("nan"),
            "NONE": None,
            "LIST": [1, 2],
            "NUMPY": np.float32(0.5),
            "UMLAUT": "Königstuhl",
            "NAXIS1": 99,
            "CRVAL1": 3.0,
            "MP_BAD": 7,
            "LONGTEXT": "x" * 300,
            "lower case with a very long keyword that goes on": "y" * 100,
            "LINES": "a\nb",
        }
    )
    write_exposure(exposure, tmp_path / "a.fits")
    again = read_exposure(tmp_path / "a.fits").metadata
    assert again["NUMPY"] == 0.5
    assert again["LONGTEXT"] == "x" * 300
    assert again["UMLAUT"] == "K?nigstuhl"
    assert again["NAN"] == "nan"
    assert not {"NONE", "NAXIS1", "CRVAL1", "MP_BAD"} & set(again)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 40), st.integers(1, 40), st.integers(-(10**6), 10**6), st.integers(0, 2**31 - 1))
def test_pixels_of_any_shape_survive(tmp_path, width, height, origin, seed):
    rng = np.random.default_rng(seed)
    pixels = rng.normal(0, 1e6, (height, width)).astype(np.float32)
    mask = rng.integers(0, 1 << 11, (height, width)).astype(np.int32)
    exposure = Exposure.from_arrays(pixels, np.abs(pixels) + 1, mask, xy0=(origin, -origin))
    write_exposure(exposure, tmp_path / "a.fits")
    again = read_exposure(tmp_path / "a.fits")
    assert again.bbox == exposure.bbox
    for name in ("image", "mask", "variance"):
        np.testing.assert_array_equal(getattr(exposure, name).array, getattr(again, name).array)


def test_reference_exposures_survive(shared, tmp_path):
    for name in ("exposure_pca", "exposure_piff", "hsc_small", "hsc_modelfit_calexp"):
        folder = shared / "reference" / "lsst" / name
        path = next(path for path in (folder / "exposure.fits", folder / "input.fits") if path.exists())
        exposure = read_exposure(path)
        write_exposure(exposure, tmp_path / "a.fits")
        again = read_exposure(tmp_path / "a.fits")
        assert again.bbox == exposure.bbox
        assert again.metadata == exposure.metadata
        for plane in ("image", "mask", "variance"):
            np.testing.assert_array_equal(getattr(exposure, plane).array, getattr(again, plane).array)
        x, y = exposure.bbox.center
        np.testing.assert_allclose(again.psf.kernel_image(x, y).array, exposure.psf.kernel_image(x, y).array, atol=1e-7)
        if exposure.wcs is not None:
            np.testing.assert_allclose(again.wcs.pixel_to_sky(x, y), exposure.wcs.pixel_to_sky(x, y), atol=5e-9)
        if exposure.ap_corr_map is not None:
            assert set(again.ap_corr_map) == set(exposure.ap_corr_map)
