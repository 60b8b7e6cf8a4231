"""What is understood of headers."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from skysift.io import header


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({"GAIN": 2.5}, 2.5),
        ({"GAIN": "2.5"}, 2.5),
        ({"EGAIN": 1.2}, 1.2),
        ({"CCDGAIN": 7.0}, 7.0),
        ({"GAINA": 4.0, "GAINB": 5.0}, 4.5),
        ({"GAIN1": 4.0, "GAIN2": 5.0, "GAIN3": 6.0, "GAIN4": 7.0}, 5.5),
        ({"GAIN": 0.0, "EGAIN": 3.0}, 3.0),
        ({"GAIN": "high"}, None),
        ({"GAIN": True}, None),
        ({"GAIN": 2.5, "BUNIT": "ADU"}, 2.5),
        ({"GAIN": 2.5, "BUNIT": "MJy/sr"}, None),
        ({"GAIN": "NaN"}, None),
        ({}, None),
    ],
)
def test_gain(cards, expected):
    assert header.gain(cards) == expected


def test_read_noise_and_saturation():
    assert header.read_noise({"RDNOISE": 9.0}) == 9
    assert header.read_noise({"RDNOISEA": 5.0, "RDNOISEB": 7.0}) == 6
    assert header.saturation({"SATURATE": 6e4}) == 6e4
    assert header.saturation({"SATURATE": -1}) is None


@pytest.mark.parametrize(
    ("cards", "band", "physical"),
    [
        ({"FILTER": "r"}, "r", "r"),
        ({"FILTER": "HSC-I2"}, "i", "HSC-I2"),
        ({"FILTER": "HSC-Y"}, "y", "HSC-Y"),
        ({"FILTER01": "W-S-I+"}, "i", "W-S-I+"),
        ({"FILTER": "z DECam SDSS c0004 9260.0 1520.0"}, "z", "z DECam SDSS c0004 9260.0 1520.0"),
        ({"FILTER": "VR DECam c0007"}, "VR", "VR DECam c0007"),
        ({"FILTER": "Ks"}, "Ks", "Ks"),
        ({"FILTER": "N708"}, "", "N708"),
        ({"FILTER": "r_03", "BAND": "r"}, "r", "r_03"),
        ({"FILTER": "Halpha"}, "", "Halpha"),
        ({"FILTER": "_unknown_", "FILTER2": "x"}, None, None),
        ({"FILTER": "CLEAR", "FILTNAM": "g"}, "g", "g"),
        ({}, None, None),
    ],
)
def test_filter(cards, band, physical):
    label = header.filter_label(cards)
    if physical is None:
        assert label is None
    else:
        assert ((label.band or ""), label.physical) == (band, physical)


@pytest.mark.parametrize(
    ("cards", "njy"),
    [
        ({"BUNIT": "nJy"}, 1.0),
        ({"BUNIT": "uJy", "MAGZERO": 30.0}, 1000.0),
        ({"BUNIT": "nanomaggies"}, 3631.0),
        ({"NMGY": 0.005}, 3631.0),
        ({"FLUXMAG0": 10 ** (0.4 * 27)}, 10 ** (0.4 * 4.4)),
        ({"MAGZERO": 31.4}, 1.0),
        ({"MAGZPT": 28.9, "BUNIT": "adu"}, 10.0),
        ({"ZP": 31.4}, 1.0),
        ({"PHOTZP": "31.4"}, 1.0),
        ({"MAGZERO": 0.0}, None),
        ({"FLUXMAG0": 0.0}, None),
        ({}, None),
    ],
)
def test_photo_calib(cards, njy):
    calib = header.photo_calib(cards)
    assert (calib if njy is None else calib.mean) == (None if njy is None else pytest.approx(njy, rel=1e-3))


def test_visit():
    assert header.visit_info({}) is None
    info = header.visit_info({"EXPOSURE": 30, "INSTRUME": "DECam", "AIRMASS": 1.1, "EXPNUM": 722778, "OBJECT": "x"})
    assert (info.exposure_time, info.instrument, info.boresight_airmass, info.id, info.object) == (30.0, "DECam", 1.1, 722778, "x")


def test_position_of_the_first_pixel():
    lsst = {"CRPIX1A": 1, "CRPIX2A": 1.0, "CRVAL1A": 690.0, "CRVAL2A": "2090"}
    assert header.xy0(lsst) == (690, 2090)
    assert header.xy0(lsst | {"CRPIX1A": 2}) == (0, 0)
    assert header.xy0({"LTV1": -5}) == (0, 0)


def test_metadata_keeps_what_describes_the_observation():
    first = fits.Header({"SIMPLE": True, "BITPIX": 8, "PSF_ID": 3, "FRAME_ID": "a", "OBSERVER": "b", "HIERARCH ARCHIVE_ID_PSF": 4})
    second = fits.Header({"CRVAL1": 3.0, "CD1_1": 1.0, "A_ORDER": 2, "CRVAL1A": 5, "OBSERVER": "c", "MP_SAT": 3, "LTV1": 0, "PV1_1": 2.0})
    assert header.merged_metadata([first, second], keep_wcs=False) == {"FRAME_ID": "a", "OBSERVER": "c"}
    kept = header.merged_metadata([first, second], keep_wcs=True)
    assert {"CRVAL1", "CD1_1", "A_ORDER", "PV1_1"} <= set(kept)
    assert np.isclose(kept["CRVAL1"], 3)
