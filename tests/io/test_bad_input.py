"""Files and arguments that cannot be used end in one line that says why; nothing of astropy's warnings leaks."""

from __future__ import annotations

import gzip
import os
import warnings

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skysift.errors import InputError, SkysiftError
from skysift.geom import Box2I
from skysift.io import read_catalog, read_exposure, write_catalog, write_exposure
from skysift.table import Schema, SourceCatalog

PIXELS = np.random.default_rng(0).normal(10, 1, (40, 50)).astype(np.float32)


def refused(path, match, **arguments):
    with pytest.raises(InputError, match=match) as error:
        read_exposure(path, **arguments)
    message = str(error.value)
    assert "\n" not in message
    assert len(message) < 500
    assert error.value.exit_code == 3
    return message


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "good.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(PIXELS, name="SCI"), fits.ImageHDU(PIXELS, name="VARIANCE")]).writeto(path)
    return path


def test_missing_folder_empty(tmp_path):
    refused(tmp_path / "no.fits", "no such file")
    refused(tmp_path, "is a folder")
    (tmp_path / "empty.fits").touch()
    refused(tmp_path / "empty.fits", "is empty")


@pytest.mark.parametrize(
    "content",
    [
        b"<!DOCTYPE html><html>404 Not Found</html>",
        b"SIMPLE",
        b"\x00" * 5000,
        os.urandom(3000),
        b"PK\x03\x04 not a zip",
        b"BZh9 not bzip",
        b"\x1f\x8b\x08",
    ],
    ids=["html", "stub", "zeros", "random", "zip", "bzip2", "gzip"],
)
def test_not_fits(tmp_path, content):
    path = tmp_path / "a.fits"
    path.write_bytes(content)
    refused(path, "not a FITS file|no two-dimensional image")


def test_html_is_named(tmp_path):
    path = tmp_path / "a.fits"
    path.write_bytes(b"<!DOCTYPE html><html>404 Not Found</html>")
    assert "<!DOCTYPE html>" in refused(path, "begins with")


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
def test_truncated(good, keep):
    good.write_bytes(good.read_bytes()[: int(keep * good.stat().st_size)])
    refused(good, "truncated|not a FITS file|no two-dimensional")


def test_truncated_compressed(tmp_path):
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(PIXELS.astype(np.int32))]).writeto(tmp_path / "a.fits")
    content = (tmp_path / "a.fits").read_bytes()
    (tmp_path / "a.fits").write_bytes(content[:-5000])
    refused(tmp_path / "a.fits", "truncated")
    fits.PrimaryHDU(PIXELS).writeto(tmp_path / "b.fits")
    packed = gzip.compress((tmp_path / "b.fits").read_bytes())
    (tmp_path / "b.fits.gz").write_bytes(packed[: len(packed) // 2])
    refused(tmp_path / "b.fits.gz", "truncated|not a FITS file")


def test_missing_padding_is_no_truncation(tmp_path):
    path = tmp_path / "a.fits"
    fits.PrimaryHDU(PIXELS).writeto(path)
    path.write_bytes(path.read_bytes()[: 2880 + PIXELS.nbytes])
    assert np.array_equal(read_exposure(path, variance=1.0).image.array, PIXELS)


def test_no_image(tmp_path):
    fits.PrimaryHDU().writeto(tmp_path / "a.fits")
    refused(tmp_path / "a.fits", "no two-dimensional image; it has 0 PRIMARY: no data")
    table = fits.BinTableHDU.from_columns([fits.Column("a", "D", array=[1.0])], name="CAT")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "t.fits")
    refused(tmp_path / "t.fits", "1 CAT: table")
    refused(tmp_path / "t.fits", "HDU 1 'CAT' is a table", hdu=1)


@pytest.mark.parametrize("shape", [(7,), (3, 40, 50), (2, 3, 4, 5)])
def test_wrong_number_of_axes(tmp_path, shape):
    fits.PrimaryHDU(np.zeros(shape, np.float32)).writeto(tmp_path / "a.fits")
    assert "HDU 0" in refused(tmp_path / "a.fits", "expected a two-dimensional image")


@pytest.mark.parametrize("hdu", [9, "NOPE", ("SCI", 3), -7])
def test_unknown_hdu(good, hdu):
    assert "1 SCI" in refused(good, "has no HDU", hdu=hdu)


def test_shapes_that_disagree(tmp_path, good):
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(PIXELS, name="SCI"), fits.ImageHDU(PIXELS[:9], name="MASK")]).writeto(
        tmp_path / "a.fits"
    )
    refused(tmp_path / "a.fits", "HDU 2 'MASK' is 50 x 9 pixels, expected 50 x 40")
    refused(good, "mask has shape", mask=np.zeros((3, 3), bool))
    refused(good, "variance has shape", variance=np.zeros((3, 3)))
    fits.PrimaryHDU(PIXELS[:9]).writeto(tmp_path / "w.fits")
    refused(good, "50 x 9 pixels", weight=tmp_path / "w.fits")
    refused(good, "expected numbers", variance=np.full(PIXELS.shape, "x"))


def test_all_nan(tmp_path):
    fits.PrimaryHDU(np.full((5, 5), np.nan, np.float32)).writeto(tmp_path / "a.fits")
    refused(tmp_path / "a.fits", "no pixel with a finite value")


def test_box_outside(good):
    refused(good, "does not overlap", bbox=Box2I((100, 100), (5, 5)))


def test_too_many_mask_planes(tmp_path):
    bits = np.full(PIXELS.shape, -1, np.int64)
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(PIXELS, name="SCI"), fits.ImageHDU(bits, name="MASK")]).writeto(tmp_path / "a.fits")
    refused(tmp_path / "a.fits", "taken", mask_planes={"A": 0}, variance=1.0)
    assert (read_exposure(tmp_path / "a.fits", variance=1.0).mask.array == 1).all()


def test_newer_lsst_layout(tmp_path):
    primary = fits.PrimaryHDU()
    primary.header["HIERARCH EXPINFO_V"] = 3
    fits.HDUList([primary, fits.ImageHDU(PIXELS, name="IMAGE")]).writeto(tmp_path / "a.fits")
    refused(tmp_path / "a.fits", "layout 3", variance=1.0)


@pytest.mark.parametrize(
    "cards",
    [
        {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CD1_1": 0.0, "CD2_2": 0.0},
        {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": "east"},
        {"CTYPE1": "XXXX-YYY", "CTYPE2": "DEC--TAN"},
        {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 95.0, "CD1_1": 1e-4, "CD2_2": 1e-4},
        {"GAIN": "unknown", "SATURATE": "high", "MAGZERO": "NaN", "EXPTIME": "", "BUNIT": "erg/hamster"},
        {"GAIN": -1.0, "MAGZERO": 1e9, "FLUXMAG0": 0.0, "CRPIX1A": 1, "CRPIX2A": 1, "CRVAL1A": "x"},
        {"BLANK": -32768, "MP_BAD": "x", "BSCALE": 1.0},
    ],
    ids=["singular", "text", "projection", "pole", "words", "numbers", "blank"],
)
def test_odd_headers_do_not_stop_reading(tmp_path, cards):
    fits.PrimaryHDU(PIXELS).writeto(tmp_path / "a.fits")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(tmp_path / "a.fits", mode="update") as hdulist:
            hdulist[0].header.update(cards)
            hdulist[0].header.add_comment("odd")
    exposure = read_exposure(tmp_path / "a.fits", variance=1.0)
    assert np.array_equal(exposure.image.array, PIXELS)
    assert exposure.gain is None
    assert exposure.photo_calib is None


def test_an_hdu_of_negative_size_does_not_run_in_a_circle(tmp_path):
    path = tmp_path / "a.fits"
    image = fits.ImageHDU(PIXELS, name="SCI")
    fits.HDUList([fits.PrimaryHDU(), image, fits.ImageHDU(PIXELS)]).writeto(path)
    content = path.read_bytes()
    card = b"PCOUNT  =                    0"
    path.write_bytes(content.replace(card, b"PCOUNT  =" + b"-20000".rjust(21), 1))
    refused(path, "negative size|truncated|damaged|not a FITS")


def test_cards_that_cannot_be_understood_are_passed_over(tmp_path):
    path = tmp_path / "a.fits"
    header = fits.Header({"OBSERVER": "someone", "MP_BAD": 0, "GAIN": 2.0})
    fits.PrimaryHDU(PIXELS, header).writeto(path)
    path.write_bytes(
        path.read_bytes().replace(b"OBSERVER= 'someone '", b"OBSERVER= 'so'meone ").replace(b"MP_BAD  =          ", b"MP_BAD  = zero ? zo")
    )
    exposure = read_exposure(path, variance=1.0)
    assert exposure.gain == 2
    assert "OBSERVER" not in exposure.metadata


def test_a_broken_psf_is_left_out(tmp_path, caplog):
    broken = fits.ImageHDU(np.full((9, 9), np.nan, np.float32), name="PSF")
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(PIXELS, name="SCI"), broken]).writeto(tmp_path / "a.fits")
    assert read_exposure(tmp_path / "a.fits", variance=1.0).psf is None
    assert "PSF left out" in caplog.text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_bytes_never_crash(tmp_path, data):
    path = tmp_path / "a.fits"
    if not path.exists():
        mask = fits.ImageHDU(np.zeros(PIXELS.shape, np.int16), name="MASK")
        mask.header["MP_SAT"] = 1
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(PIXELS, name="SCI"), mask, fits.CompImageHDU(PIXELS, name="VARIANCE")]).writeto(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.sampled_from(b"\x00 19T'/\xff-="))
    damaged = tmp_path / "damaged.fits"
    damaged.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        exposure, message = read_exposure(damaged), ""
    except SkysiftError as error:
        exposure, message = None, str(error)
    assert "\n" not in message
    assert message or exposure.image.array.dtype == np.float32


# Catalogues


@pytest.mark.parametrize("suffix", [".fits", ".parquet", ".ecsv", ".xml", ".csv"])
@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"\x00\x01\x02\xff" * 100], ids=["empty", "html", "binary"])
def test_bad_catalogs(tmp_path, suffix, content):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_catalog(path)
    assert "\n" not in str(error.value)
    assert path.name in str(error.value)


def test_catalog_paths(tmp_path):
    catalog = SourceCatalog(Schema.source(), 1)
    with pytest.raises(InputError, match="no such file"):
        read_catalog(tmp_path / "a.fits")
    with pytest.raises(InputError, match="not a file"):
        read_catalog(tmp_path)
    (tmp_path / "a.doc").touch()
    with pytest.raises(InputError, match="cannot read a catalogue from"):
        read_catalog(tmp_path / "a.doc")
    with pytest.raises(InputError, match="cannot write a catalogue as"):
        write_catalog(catalog, tmp_path / "a.doc")
    with pytest.raises(InputError, match="does not exist"):
        write_catalog(catalog, tmp_path / "nowhere" / "a.fits")
    with pytest.raises(InputError, match="no positions"):
        write_catalog(catalog, tmp_path / "a.reg")
    fits.PrimaryHDU(PIXELS).writeto(tmp_path / "image.fits")
    with pytest.raises(InputError, match="holds no table"):
        read_catalog(tmp_path / "image.fits")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.doc", "image.fits"]


def test_exposure_paths(tmp_path, good):
    exposure = read_exposure(good)
    with pytest.raises(InputError, match="does not exist"):
        write_exposure(exposure, tmp_path / "nowhere" / "a.fits")
    with pytest.raises(InputError, match="is a folder"):
        write_exposure(exposure, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["good.fits"]
