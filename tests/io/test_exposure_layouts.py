"""Reading of the layouts that observatories write, made small here, and of real files."""

from __future__ import annotations

import bz2
import gzip
import logging
import tracemalloc

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits

from skysift.errors import InputError
from skysift.geom import Box2I
from skysift.image import Mask, MaskSchema
from skysift.io import read_exposure
from skysift.psf import GaussianPsf

RNG = np.random.default_rng(5)
NY, NX = 24, 30
PIXELS = RNG.normal(100, 10, (NY, NX)).astype(np.float32)
VARIANCE = RNG.uniform(50, 150, (NY, NX)).astype(np.float32)


def write(path, *hdus):
    first = hdus[0] if isinstance(hdus[0], fits.PrimaryHDU) else fits.PrimaryHDU()
    rest = hdus[1:] if first is hdus[0] else hdus
    fits.HDUList([first, *rest]).writeto(path)
    return path


def tan_header():
    header = fits.Header()
    header.update(
        {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 10.0, "CRPIX2": 12.0, "CRVAL1": 150.0, "CRVAL2": 2.0}
        | {"CD1_1": -5e-5, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 5e-5}
    )
    return header


def flagged(exposure, plane):
    return (exposure.mask.array & exposure.mask.bitmask(plane)) != 0


def test_plain_primary_image(tmp_path):
    header = tan_header()
    header.update({"GAIN": 2.5, "RDNOISE": 4.0, "FILTER": "HSC-I", "MAGZERO": 27.0, "EXPTIME": 30.0, "AIRMASS": 1.2, "BUNIT": "adu"})
    exposure = read_exposure(write(tmp_path / "a.fits", fits.PrimaryHDU(PIXELS, header)), variance=VARIANCE)
    assert np.array_equal(exposure.image.array, PIXELS)
    assert exposure.image.array.dtype == np.float32
    assert exposure.image.array.dtype.isnative
    assert exposure.image.array.flags.c_contiguous
    assert exposure.image.array.flags.writeable
    assert np.array_equal(exposure.variance.array, VARIANCE)
    assert not np.shares_memory(exposure.variance.array, VARIANCE)
    assert exposure.image.unit == "adu"
    assert exposure.gain == 2.5
    assert str(exposure.filter_label) == "i"
    assert exposure.photo_calib.inst_flux_to_magnitude(1.0) == pytest.approx(27.0)
    assert exposure.visit_info.exposure_time == 30
    assert exposure.visit_info.boresight_airmass == 1.2
    ra, dec = exposure.wcs.pixel_to_sky(9.0, 11.0)
    assert np.degrees([ra, dec]) == pytest.approx([150, 2])
    assert exposure.metadata["GAIN"] == 2.5
    assert not {"NAXIS1", "SIMPLE", "CRVAL1", "BITPIX"} & set(exposure.metadata)
    assert tuple(exposure.xy0) == (0, 0)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "u4", "f4", "f8", "i8"])
def test_pixel_types(tmp_path, dtype):
    values = np.arange(NY * NX).reshape(NY, NX).astype(dtype)
    exposure = read_exposure(write(tmp_path / "a.fits", fits.PrimaryHDU(values)), variance=1.0)
    assert np.array_equal(exposure.image.array, values.astype(np.float32))


def test_scale_zero_and_blank(tmp_path):
    raw = np.arange(NY * NX, dtype=np.int16).reshape(NY, NX)
    raw[3, 4] = -999
    hdu = fits.PrimaryHDU(raw)
    hdu.header.update({"BSCALE": 0.5, "BZERO": 10.0, "BLANK": -999})
    path = tmp_path / "a.fits"
    hdu.writeto(path)
    with fits.open(path, mode="update", do_not_scale_image_data=True) as hdulist:
        hdulist[0].header.update({"BSCALE": 0.5, "BZERO": 10.0, "BLANK": -999})
    exposure = read_exposure(path, variance=1.0)
    expected = raw * np.float32(0.5) + 10
    expected[3, 4] = np.nan
    np.testing.assert_array_equal(exposure.image.array, expected)
    assert np.argwhere(flagged(exposure, "NO_DATA")).tolist() == [[3, 4]]
    part = read_exposure(path, variance=1.0, bbox=Box2I((2, 3), (5, 4)))
    np.testing.assert_array_equal(part.image.array, expected[3:7, 2:7])


def test_named_extensions(tmp_path):
    bits = np.zeros((NY, NX), np.int16)
    bits[2, 3], bits[4, 5] = 0b101, 0b10
    mask = fits.ImageHDU(bits, name="MASK")
    mask.header.update({"MP_BAD": 0, "MP_CR": 1, "HIERARCH MP_MYPLANE": 2})
    kernel = np.zeros((9, 9), np.float32)
    kernel[4, 4] = 1
    path = write(
        tmp_path / "a.fits",
        fits.ImageHDU(PIXELS, name="SCI"),
        mask,
        fits.ImageHDU(VARIANCE, name="VAR"),
        fits.ImageHDU(kernel, name="PSF"),
    )
    exposure = read_exposure(path)
    assert np.array_equal(exposure.variance.array, VARIANCE)
    assert flagged(exposure, "BAD").sum() == flagged(exposure, "CR").sum() == flagged(exposure, "MYPLANE").sum() == 1
    assert flagged(exposure, "MYPLANE")[2, 3]
    assert flagged(exposure, "CR")[4, 5]
    assert exposure.mask.planes["CR"] == 3
    assert exposure.psf.kernel_image().array.max() == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("IVAR", 1 / VARIANCE),
        ("WEIGHT", 1 / VARIANCE),
        ("WHT", 1 / VARIANCE),
        ("ERR", np.sqrt(VARIANCE)),
        ("RMS", np.sqrt(VARIANCE)),
        ("VARIANCE", VARIANCE),
    ],
)
def test_kinds_of_noise(tmp_path, name, values):
    values = values.copy()
    if name != "VARIANCE":
        values[1, 1] = 0
    values[2, 2] = -1
    values[3, 3] = np.nan
    exposure = read_exposure(write(tmp_path / "a.fits", fits.ImageHDU(PIXELS, name="IMAGE"), fits.ImageHDU(values, name=name)))
    good = ~flagged(exposure, "NO_DATA")
    assert (~good).sum() == (2 if name == "VARIANCE" else 3)
    np.testing.assert_allclose(exposure.variance.array[good], VARIANCE[good], rtol=1e-5)
    np.testing.assert_allclose(exposure.variance.array[~good], np.median(VARIANCE), rtol=0.05)


def test_relative_weights_are_scaled_to_the_pixels(tmp_path):
    rng = np.random.default_rng(1)
    sigma = np.where(np.arange(768) < 384, 5.0, 10.0)
    pixels = rng.normal(0, sigma, (768, 768)).astype(np.float32)
    weight = np.broadcast_to(1e-4 / sigma**2, pixels.shape).astype(np.float32)
    path = write(tmp_path / "a.fits", fits.PrimaryHDU(pixels))
    exposure = read_exposure(path, weight=weight)
    assert np.median(exposure.variance.array[:, :384]) == pytest.approx(25, rel=0.15)
    assert np.median(exposure.variance.array[:, 384:]) == pytest.approx(100, rel=0.15)
    assert np.median(read_exposure(path, weight=weight * 1e4).variance.array[:, :384]) == pytest.approx(25, rel=1e-5)


def test_variance_is_estimated_when_nothing_gives_it(tmp_path):
    pixels = np.random.default_rng(1).normal(0, 4, (300, 300)).astype(np.float32)
    exposure = read_exposure(write(tmp_path / "a.fits", fits.PrimaryHDU(pixels)))
    assert np.median(exposure.variance.array) == pytest.approx(16, rel=0.1)


def test_a_useless_variance_is_replaced_by_an_estimate(tmp_path, caplog):
    pixels = np.random.default_rng(1).normal(0, 4, (300, 300)).astype(np.float32)
    path = write(tmp_path / "a.fits", fits.ImageHDU(pixels, name="SCI"), fits.ImageHDU(pixels * 0, name="VARIANCE"))
    with caplog.at_level(logging.WARNING):
        exposure = read_exposure(path)
    assert "usable variance" in caplog.text
    assert np.median(exposure.variance.array) == pytest.approx(16, rel=0.1)


def test_masks_without_names_and_with_given_names(tmp_path):
    bits = np.zeros((NY, NX), np.uint16)
    bits[0, 0], bits[1, 1], bits[2, 2] = 1, 2, 1 << 15
    path = write(tmp_path / "a.fits", fits.ImageHDU(PIXELS, name="SCI"), fits.ImageHDU(bits, name="DQ"))
    plain = read_exposure(path, variance=1.0)
    assert flagged(plain, "BAD").sum() == 3
    named = read_exposure(path, variance=1.0, mask_planes={"SAT": 0, "CR": 1})
    assert [flagged(named, plane).sum() for plane in ("BAD", "SAT", "CR", "BIT15")] == [0, 1, 1, 1]


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32, ">i2"])
def test_masks_given_by_the_user(tmp_path, dtype):
    path = write(tmp_path / "a.fits", fits.PrimaryHDU(PIXELS))
    given = np.zeros((NY, NX), dtype)
    given[5, 6] = 1
    assert np.argwhere(flagged(read_exposure(path, variance=1.0, mask=given), "BAD")).tolist() == [[5, 6]]
    if dtype is not bool:
        write(tmp_path / "m.fits", fits.PrimaryHDU(given))
        assert np.argwhere(flagged(read_exposure(path, variance=1.0, mask=tmp_path / "m.fits"), "BAD")).tolist() == [[5, 6]]
        box = Box2I((4, 4), (5, 5))
        cut = read_exposure(path, variance=1.0, mask=tmp_path / "m.fits", bbox=box)
        assert np.argwhere(flagged(cut, "BAD")).tolist() == [[1, 2]]


def test_a_mask_object_brings_its_planes(tmp_path):
    schema = MaskSchema({"CR": 0, "OWN": 1})
    mask = Mask(np.zeros((NY, NX), np.int32), (0, 0), schema)
    mask.array[1, 2] = 3
    exposure = read_exposure(write(tmp_path / "a.fits", fits.PrimaryHDU(PIXELS)), variance=1.0, mask=mask)
    assert flagged(exposure, "CR")[1, 2]
    assert flagged(exposure, "OWN")[1, 2]
    assert not flagged(exposure, "BAD").any()


def test_saturated_pixels_are_flagged_unless_a_mask_says_more(tmp_path):
    pixels = PIXELS.copy()
    pixels[3, 3] = 1e5
    header = fits.Header({"SATURATE": 60000.0})
    path = write(tmp_path / "a.fits", fits.PrimaryHDU(pixels, header))
    assert np.argwhere(flagged(read_exposure(path, variance=1.0), "SAT")).tolist() == [[3, 3]]
    assert not flagged(read_exposure(path, variance=1.0, mask=np.zeros((NY, NX), bool)), "SAT").any()


def test_variance_and_psf_in_other_files(tmp_path):
    path = write(tmp_path / "a.fits", fits.PrimaryHDU(PIXELS))
    write(tmp_path / "w.fits", fits.ImageHDU(np.sqrt(VARIANCE)))
    exposure = read_exposure(path, rms=tmp_path / "w.fits", psf=3.0, gain=4)
    np.testing.assert_allclose(exposure.variance.array, VARIANCE, rtol=1e-6)
    assert exposure.psf.sigma() == pytest.approx(3.0 / 2.3548, rel=0.02)
    assert exposure.gain == 4
    psf = GaussianPsf(25, 2.0)
    assert read_exposure(path, variance=VARIANCE, psf=psf).psf is psf


def test_multi_extension_files(tmp_path, caplog):
    hdus = []
    for version in (1, 2):
        for name, values in (("SCI", PIXELS + version), ("ERR", np.full_like(PIXELS, version)), ("DQ", np.zeros((NY, NX), np.int16))):
            hdus.append(fits.ImageHDU(values, name=name, ver=version))
    path = write(tmp_path / "a.fits", *hdus)
    with caplog.at_level(logging.WARNING):
        first = read_exposure(path)
    assert "holds 2 images" in caplog.text
    second = read_exposure(path, ("SCI", 2))
    assert first.variance.array[0, 0] == 1
    assert second.variance.array[0, 0] == 4
    assert second.image.array[0, 0] == PIXELS[0, 0] + 2
    assert read_exposure(path, 4).variance.array[0, 0] == 4
    assert read_exposure(path, "4").variance.array[0, 0] == 4


def test_bands_in_one_file(tmp_path):
    hdus = []
    for band, scale in (("G", 1), ("R", 2)):
        kernel = np.zeros((9, 9), np.float32)
        kernel[4, 3:6] = 0.3, 0.4 + scale, 0.3
        hdus += [fits.ImageHDU(PIXELS * scale, name=f"IMAGE_{band}"), fits.ImageHDU(VARIANCE * scale, name=f"VARIANCE_{band}")]
        hdus += [fits.ImageHDU(kernel, name=f"PSF_{band}")]
    path = write(tmp_path / "a.fits", *hdus)
    red = read_exposure(path, "IMAGE_R")
    assert np.array_equal(red.variance.array, VARIANCE * 2)
    assert red.psf.kernel_image().array.max() == pytest.approx(2.4 / 3.0, rel=1e-5)


@pytest.mark.parametrize("suffix", [".gz", ".bz2"])
def test_compressed_files(tmp_path, suffix):
    path = write(tmp_path / "a.fits", fits.PrimaryHDU(PIXELS))
    packed = tmp_path / f"b.fits{suffix}"
    packed.write_bytes((gzip if suffix == ".gz" else bz2).compress(path.read_bytes()))
    assert np.array_equal(read_exposure(packed, variance=1.0).image.array, PIXELS)


def test_tiled_compression(tmp_path):
    whole = np.round(PIXELS).astype(np.int32)
    path = write(tmp_path / "a.fits.fz", fits.CompImageHDU(whole, compression_type="RICE_1"))
    assert np.array_equal(read_exposure(path, variance=1.0).image.array, whole)
    unsigned = (whole + 32768).astype(np.uint16)
    path = write(tmp_path / "u.fits.fz", fits.CompImageHDU(unsigned, compression_type="RICE_1"))
    assert np.array_equal(read_exposure(path, variance=1.0).image.array, unsigned)
    path = write(tmp_path / "f.fits.fz", fits.CompImageHDU(PIXELS, compression_type="GZIP_2", quantize_level=0))
    assert np.array_equal(read_exposure(path, variance=1.0).image.array, PIXELS)
    box = Box2I((3, 5), (7, 6))
    assert np.array_equal(read_exposure(path, variance=1.0, bbox=box).image.array, PIXELS[5:11, 3:10])


def test_cutouts_keep_positions(tmp_path):
    path = write(
        tmp_path / "a.fits",
        fits.ImageHDU(PIXELS, tan_header(), name="SCI"),
        fits.ImageHDU(VARIANCE, name="VARIANCE"),
    )
    box = Box2I((20, -3), (100, 10))
    part, whole = read_exposure(path, bbox=box), read_exposure(path)
    assert part.bbox == Box2I((20, 0), (10, 7))
    assert np.array_equal(part.image.array, whole.image[part.bbox].array)
    assert np.array_equal(part.variance.array, whole.variance[part.bbox].array)
    np.testing.assert_array_equal(part.wcs.pixel_to_sky(22.0, 3.0), whole.wcs.pixel_to_sky(22.0, 3.0))
    array = read_exposure(path, bbox=box, variance=VARIANCE * 2)
    assert np.array_equal(array.variance.array, 2 * part.variance.array)


def test_a_part_of_a_huge_file_is_read_alone(tmp_path):
    path, size = tmp_path / "huge.fits", 30_000
    header = fits.Header({"SIMPLE": True, "BITPIX": -32, "NAXIS": 2, "NAXIS1": size, "NAXIS2": size})
    content = header.tostring().encode()
    with path.open("wb") as file:
        file.write(content)
        file.seek(len(content) + 4 * (20_000 * size + 15_000))
        file.write(np.arange(1, 9, dtype=">f4").tobytes())
        file.truncate(len(content) + 4 * size * size)
    tracemalloc.start()
    exposure = read_exposure(path, variance=1.0, bbox=Box2I((14_999, 19_999), (100, 50)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert exposure.image.array[1, :10].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 0]
    assert tuple(exposure.xy0) == (14_999, 19_999)
    assert peak < 50e6


def test_one_plane_cubes_are_images(tmp_path):
    exposure = read_exposure(write(tmp_path / "a.fits", fits.PrimaryHDU(PIXELS[None, None])), variance=1.0)
    assert np.array_equal(exposure.image.array, PIXELS)
    part = read_exposure(tmp_path / "a.fits", variance=1.0, bbox=Box2I((1, 2), (3, 4)))
    assert np.array_equal(part.image.array, PIXELS[2:6, 1:4])


def test_masked_image_without_names(tmp_path):
    bits = np.zeros((NY, NX), np.int16)
    bits[1, 1] = 1 << 4
    mask = fits.ImageHDU(bits)
    mask.header.update({"MP_BAD": 0, "MP_SAT": 4})
    exposure = read_exposure(write(tmp_path / "a.fits", fits.PrimaryHDU(PIXELS), mask, fits.ImageHDU(VARIANCE)))
    assert np.argwhere(flagged(exposure, "SAT")).tolist() == [[1, 1]]
    assert np.array_equal(exposure.variance.array, VARIANCE)


def test_decam_companions(tmp_path):
    codes = np.zeros((NY, NX), np.int32)
    codes[0, :9] = range(9)
    codes[1, 0] = 77
    header = fits.Header({"GAINA": 4.0, "GAINB": 5.0, "SATURATE": 1.0})
    for kind, values in (("ooi", PIXELS), ("ood", codes), ("oow", 1 / VARIANCE)):
        other = fits.ImageHDU(values * 0, name="N1")
        write(tmp_path / f"c4d_1_{kind}_g_v1.fits", other, fits.ImageHDU(values, header if kind == "ooi" else None, name="N2"))
    exposure = read_exposure(tmp_path / "c4d_1_ooi_g_v1.fits", "N2")
    np.testing.assert_allclose(exposure.variance.array[2:], VARIANCE[2:], rtol=1e-6)
    planes = {plane: np.argwhere(flagged(exposure, plane)).tolist() for plane in ("BAD", "SAT", "CR", "SUSPECT", "STREAK", "NO_DATA")}
    assert planes == {
        "BAD": [[0, 1], [1, 0]],
        "NO_DATA": [[0, 2]],
        "SAT": [[0, 3], [0, 4]],
        "CR": [[0, 5]],
        "SUSPECT": [[0, 6], [0, 7]],
        "STREAK": [[0, 8]],
    }
    assert exposure.gain == 4.5


def test_metadata_merges_headers_and_drops_structure(tmp_path):
    primary = fits.PrimaryHDU()
    primary.header.update({"OBSERVER": "A", "OBJECT": "field"})
    primary.header["HISTORY"] = "one"
    primary.header["HISTORY"] = "two"
    image = fits.ImageHDU(PIXELS, name="SCI")
    image.header.update({"OBJECT": "star", "HIERARCH A LONG KEY": 3.5})
    exposure = read_exposure(write(tmp_path / "a.fits", primary, image), variance=1.0)
    assert exposure.metadata == {"OBSERVER": "A", "OBJECT": "star", "A LONG KEY": 3.5, "HISTORY": "one\ntwo"}


def test_only_one_noise_may_be_given(tmp_path):
    path = write(tmp_path / "a.fits", fits.PrimaryHDU(PIXELS))
    with pytest.raises(InputError, match="variance and rms"):
        read_exposure(path, variance=1.0, rms=1.0)
    with pytest.raises(InputError, match="gain is 0"):
        read_exposure(path, variance=1.0, gain=0)


# Real files


def test_hsc_planes_are_renumbered(shared):
    exposure = read_exposure(shared / "data" / "hsc_small" / "HSC-0908120-056-small.fits")
    raw = fits.getdata(shared / "data" / "hsc_small" / "HSC-0908120-056-small.fits", 2)
    assert exposure.mask.planes["NO_DATA"] == 8
    assert np.array_equal(flagged(exposure, "CROSSTALK"), (raw & 1 << 8) != 0)
    assert np.array_equal(flagged(exposure, "DETECTED"), (raw & 1 << 5) != 0)
    assert tuple(exposure.xy0) == (100, 100)
    assert exposure.wcs is not None


def test_suprime_cam_file_without_archive(shared):
    exposure = read_exposure(shared / "data" / "hsc_small" / "act-img.fits")
    assert tuple(exposure.xy0) == (690, 2090)
    assert exposure.gain == 3.15
    assert exposure.photo_calib.mean == pytest.approx(3.631e12 / 23397524615621.0, rel=1e-4)
    assert np.degrees(exposure.wcs.pixel_to_sky(690 + 292.283935, 2090 - 109.828828)) == pytest.approx([5.609838, -0.733976], abs=1e-5)


def test_lsst_exposure_with_archive(shared):
    exposure = read_exposure(shared / "reference" / "lsst" / "exposure_pca" / "exposure.fits")
    assert tuple(exposure.xy0) == (1500, 900)
    assert exposure.psf is not None
    assert exposure.wcs is not None
    assert "base_PsfFlux_instFlux" in exposure.ap_corr_map
    assert exposure.visit_info.exposure_time == 30
    assert not any(key.endswith("_ID") for key in exposure.metadata)


def test_sdss_frame(shared):
    exposure = read_exposure(shared / "data" / "sdss_frame" / "frame-r-001000-1-0100.fits.bz2")
    assert exposure.photo_calib.mean == 3631
    assert str(exposure.filter_label) == "r"
    assert exposure.visit_info.exposure_time == pytest.approx(53.907456)
    assert exposure.wcs is not None
    scatter = (np.percentile(exposure.image.array, 50) - np.percentile(exposure.image.array, 15.87)) ** 2
    assert np.median(exposure.variance.array) == pytest.approx(scatter, rel=0.2)
    assert np.median(exposure.variance.array) == pytest.approx((193.5 / 4.71 + 1.8225) * 0.0048**2, rel=0.05)
    bright = np.unravel_index(exposure.image.array.argmax(), (100, 100))
    assert exposure.variance.array[bright] > 2 * np.median(exposure.variance.array)
    box = Box2I((10, 20), (30, 40))
    part = read_exposure(shared / "data" / "sdss_frame" / "frame-r-001000-1-0100.fits.bz2", bbox=box)
    np.testing.assert_array_equal(part.variance.array, exposure.variance[box].array)


def test_decam_files(shared):
    paths = sorted((shared / "data" / "decam_ls_testcase3").glob("*_ooi_*.N*.fits"))
    assert len(paths) == 8
    for path in paths:
        exposure = read_exposure(path)
        weight = fits.getdata(str(path).replace("_ooi_", "_oow_"), 1)
        np.testing.assert_allclose(exposure.variance.array, 1 / weight, rtol=1e-6)
        assert exposure.gain == pytest.approx(4, abs=0.2)
        assert exposure.filter_label.band in "grz"
        assert exposure.wcs.pixel_scale() == pytest.approx(0.262, abs=0.002)


def test_other_observatories(shared):
    data = shared / "data"
    emmi = read_exposure(data / "emmi_field" / "galaxies.fits", weight=data / "emmi_field" / "galaxies.weight.fits")
    assert np.median(emmi.image.array) == pytest.approx(6849.77, rel=1e-5)
    assert np.sqrt(np.median(emmi.variance.array)) > 10
    spitzer = read_exposure(data / "spitzer_crowded" / "spitzer_example_image.fits")
    assert flagged(spitzer, "NO_DATA").sum() == 3
    corner = SkyCoord(18 + 1160.5 / 3000, 389.5 / 3000, unit="deg", frame="galactic").icrs
    assert np.degrees(spitzer.wcs.pixel_to_sky(0.0, 0.0)) == pytest.approx([corner.ra.deg, corner.dec.deg], abs=1e-3)
    kids = read_exposure(data / "kids_viking_9band" / "r.fits", bbox=Box2I((100, 200), (300, 200)))
    assert np.array_equal(kids.image.array, fits.getdata(data / "kids_viking_9band" / "r.fits", 1)[200:400, 100:400])
    m13 = read_exposure(data / "m13_series" / "M13_blue_0001.fits")
    assert np.array_equal(m13.image.array, fits.getdata(data / "m13_series" / "M13_blue_0001.fits"))
