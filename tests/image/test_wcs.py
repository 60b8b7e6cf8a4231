"""Pixels to the sky and back, against astropy and against themselves."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.errors import InputError, SkysiftError
from skysift.image.tan import TanWcs
from skysift.image.wcs import SkyWcs, sky_to_vector
from skysift.image.wcs_astropy import AstropyWcs

BASE = {
    "CRVAL1": 150.1,
    "CRVAL2": 2.2,
    "CRPIX1": 512.0,
    "CRPIX2": 300.5,
    "CD1_1": -5e-5,
    "CD1_2": 3e-6,
    "CD2_1": 2e-6,
    "CD2_2": 5.1e-5,
}
TAN = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"}
SIP = {
    "CTYPE1": "RA---TAN-SIP",
    "CTYPE2": "DEC--TAN-SIP",
    "A_ORDER": 3,
    "B_ORDER": 2,
    "A_2_0": 1e-5,
    "A_1_1": -2e-6,
    "A_0_3": 3e-9,
    "B_0_2": -1.1e-5,
    "B_2_0": 4e-6,
}
NO_CD = {key: value for key, value in BASE.items() if not key.startswith("CD")}
PLAIN = {
    "tan": BASE | TAN,
    "sip": BASE | SIP,
    "sip without suffix": BASE | SIP | TAN,
    "pc": NO_CD | TAN | {"CDELT1": -5e-5, "CDELT2": 5e-5, "PC1_2": 0.3, "PC2_1": -0.2},
    "cdelt": NO_CD | TAN | {"CDELT1": -5e-5, "CDELT2": 5e-5},
    "crota": NO_CD | TAN | {"CDELT1": -5e-5, "CDELT2": 5e-5, "CROTA2": 30.0},
    "pole": BASE | TAN | {"CRVAL2": 90.0},
    "south pole": BASE | TAN | {"CRVAL2": -90.0},
    "lonpole": BASE | TAN | {"LONPOLE": 33.0},
    "ra zero": BASE | TAN | {"CRVAL1": 0.0},
    "icrs": BASE | TAN | {"RADESYS": "ICRS", "EQUINOX": 2000.0},
    "fk5": BASE | TAN | {"RADESYS": "FK5", "EQUINOX": 2000.0},
    "equinox only": BASE | TAN | {"EQUINOX": 2000.0},
    "cube": BASE | TAN | {"WCSAXES": 3, "CTYPE3": "FREQ", "CRVAL3": 1.4e9, "CRPIX3": 1.0, "CD3_3": 1e6},
    "galactic": BASE | {"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"},
}
TPV = {
    "CTYPE1": "RA---TPV",
    "CTYPE2": "DEC--TPV",
    "PV1_0": -0.002,
    "PV1_1": 1.0067,
    "PV1_2": 0.006,
    "PV1_4": -0.1,
    "PV1_5": 0.3,
    "PV1_10": -4.0,
    "PV1_12": 30.0,
    "PV1_22": 100.0,
    "PV1_38": 1000.0,
    "PV2_1": 0.99,
    "PV2_2": 0.004,
    "PV2_6": 0.2,
    "PV2_8": 3.0,
    "PV2_16": -20.0,
    "PV2_30": 500.0,
}
PLAIN |= {
    "tpv": BASE | TPV,
    "galactic tpv": BASE | TPV | {"CTYPE1": "GLON-TPV", "CTYPE2": "GLAT-TPV"},
}
OTHER = {
    "car": NO_CD | {"CTYPE1": "RA---CAR", "CTYPE2": "DEC--CAR", "CDELT1": -5e-5, "CDELT2": 5e-5, "CRVAL2": 0.0},
    "gls": NO_CD | {"CTYPE1": "RA---GLS", "CTYPE2": "DEC--GLS", "CDELT1": -5e-5, "CDELT2": 5e-5},
    "swapped": BASE | {"CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN", "CRVAL1": 2.2, "CRVAL2": 150.1},
    "radial tpv": BASE | {"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "PV1_1": 1.01, "PV2_1": 0.99, "PV1_3": 0.02},
    "tan with pv": BASE | TAN | {"PV1_1": 1.0, "PV2_1": 1.0, "PV1_7": 0.5},
    "zea galactic": BASE | {"CTYPE1": "GLON-ZEA", "CTYPE2": "GLAT-ZEA"},
    "fk4": BASE | TAN | {"RADESYS": "FK4", "EQUINOX": 1950.0},
    "zea cube": BASE
    | {"CTYPE1": "RA---ZEA", "CTYPE2": "DEC--ZEA", "WCSAXES": 3, "CTYPE3": "FREQ", "CRVAL3": 1e9, "CRPIX3": 1.0, "CD3_3": 1e6},
    "fk5 1975": BASE | TAN | {"RADESYS": "FK5", "EQUINOX": 1975.0},
    "arcsec": NO_CD | TAN | {"CDELT1": -0.2, "CDELT2": 0.2, "CUNIT1": "arcsec", "CUNIT2": "arcsec", "CRVAL1": 540360.0, "CRVAL2": 7920.0},
}


def positions(n=60):
    rng = np.random.default_rng(5)
    return rng.uniform(0, 1000, n), rng.uniform(0, 600, n)


def by_astropy(header, x, y):
    from astropy.io.fits import Header
    from astropy.wcs import WCS

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wcs = WCS(Header(header))
        sky = (wcs if wcs.naxis == 2 else wcs.celestial).pixel_to_world(x, y).icrs
    return sky.ra.radian, sky.dec.radian


def separation(a, b):
    """Arcseconds."""
    return np.degrees(np.linalg.norm(sky_to_vector(*a) - sky_to_vector(*b), axis=0)) * 3600.0


@pytest.mark.parametrize("name", [*PLAIN, *OTHER])
def test_agrees_with_astropy(name):
    header = (PLAIN | OTHER)[name]
    x, y = positions()
    wcs = SkyWcs.from_header(header, xy0=(100, -50))
    assert isinstance(wcs, TanWcs if name in PLAIN else AstropyWcs)
    sky = wcs.pixel_to_sky(x + 100, y - 50)
    assert separation(sky, by_astropy(header, x, y)).max() < 1e-7
    assert ((sky[0] >= 0) & (sky[0] < 2 * np.pi)).all()
    back = wcs.sky_to_pixel(*sky)
    np.testing.assert_allclose(back, (x + 100, y - 50), atol=1e-5)


@pytest.mark.parametrize("name", [*PLAIN, *OTHER])
def test_header_round_trip(name):
    x, y = positions(20)
    wcs = SkyWcs.from_header((PLAIN | OTHER)[name], xy0=(100, -50))
    cards = wcs.to_header(xy0=(7, 9))
    again = SkyWcs.from_header(cards, xy0=(7, 9))
    assert separation(wcs.pixel_to_sky(x, y), again.pixel_to_sky(x, y)).max() < 1e-6
    assert pickle.loads(pickle.dumps(wcs)).pixel_scale() == pytest.approx(wcs.pixel_scale())


@pytest.mark.parametrize("name", ["tan", "sip", "galactic", "car", "pole"])
def test_jacobian_and_scale(name):
    wcs = SkyWcs.from_header((PLAIN | OTHER)[name])
    x, y = positions(10)
    jacobian = wcs.jacobian(x, y)
    assert jacobian.shape == (10, 2, 2)
    ra, dec = wcs.pixel_to_sky(x, y)
    moved = sky_to_vector(*wcs.pixel_to_sky(x + 0.3, y - 0.2)) - sky_to_vector(ra, dec)
    east = np.stack([-np.sin(ra), np.cos(ra), 0 * ra])
    north = np.stack([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)])
    step = jacobian @ np.array([0.3, -0.2])
    scale = wcs.pixel_scale(x, y)
    np.testing.assert_allclose(step[:, 0], (east * moved).sum(axis=0), atol=1e-5 * np.radians(scale.max() / 3600))
    np.testing.assert_allclose(step[:, 1], (north * moved).sum(axis=0), atol=1e-5 * np.radians(scale.max() / 3600))
    assert wcs.pixel_scale() == pytest.approx(0.18, rel=0.05)
    assert wcs.jacobian(3.0, 4.0).shape == (2, 2)
    affine = wcs.linearized(x[0], y[0])
    np.testing.assert_allclose(affine(x[0] + 0.3, y[0] - 0.2), step[0], rtol=1e-6)


def test_tan_by_hand():
    wcs = SkyWcs.tan((30.0, -40.0), (10.0, 20.0), [[-1e-4, 0], [0, 1e-4]])
    assert wcs.sky_origin.ra == pytest.approx(np.radians(30.0))
    assert wcs.sky_origin.dec == pytest.approx(np.radians(-40.0))
    assert wcs.pixel_scale() == pytest.approx(0.36)
    assert wcs == SkyWcs.tan((30.0, -40.0), (10.0, 20.0), [[-1e-4, 0], [0, 1e-4]])
    ra, _dec = wcs.pixel_to_sky(9.0, 20.0)
    assert ra > wcs.sky_origin.ra


def test_tpv_cards_that_are_absent_are_those_of_no_distortion():
    types = {"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV"}
    x, y = positions()
    plain = SkyWcs.from_header(PLAIN["tan"]).pixel_to_sky(x, y)
    assert separation(SkyWcs.from_header(BASE | types).pixel_to_sky(x, y), plain).max() < 1e-9
    bent = SkyWcs.from_header(BASE | types | {"PV1_5": 0.3})
    given_ones = SkyWcs.from_header(BASE | types | {"PV1_1": 1.0, "PV1_5": 0.3, "PV2_1": 1.0})
    assert bent == given_ones
    assert separation(bent.pixel_to_sky(x, y), plain).max() > 0.1


def test_positions_that_have_no_counterpart():
    wcs = SkyWcs.from_header(PLAIN["sip"])
    x, y = wcs.sky_to_pixel([np.radians(330.1), np.nan, np.inf], [np.radians(-2.2), 0.0, 0.0])
    assert np.isnan(x).all()
    assert np.isnan(y).all()
    ra, dec = wcs.pixel_to_sky([np.nan, np.inf], [0.0, 0.0])
    assert np.isnan(ra[0])
    assert np.isnan(dec[0])
    empty = wcs.pixel_to_sky(np.empty(0), np.empty(0))
    assert empty[0].shape == (0,)
    assert wcs.jacobian(np.empty(0), np.empty(0)).shape == (0, 2, 2)
    car = SkyWcs.from_header(OTHER["car"])
    assert car.pixel_to_sky(np.empty(0), np.empty(0))[0].shape == (0,)
    assert np.isnan(car.sky_to_pixel(np.nan, 0.0)[0])
    assert car.pixel_to_sky(np.zeros((2, 3)), 1.0)[0].shape == (2, 3)


@pytest.mark.parametrize(
    "change",
    [
        {"CD1_1": 0.0, "CD1_2": 0.0},
        {"CD1_1": 1e-5, "CD1_2": 2e-5, "CD2_1": 2e-5, "CD2_2": 4e-5},
        {"CRVAL1": np.nan},
        {"CRPIX1": "centre"},
        {"CD1_1": np.inf},
        {"A_ORDER": 99},
    ],
)
def test_unusable(change):
    with pytest.raises(InputError) as caught:
        SkyWcs.from_header(BASE | TAN | change)
    assert "\n" not in str(caught.value)


def test_a_card_that_astropy_cannot_parse():
    from astropy.io.fits import Card, Header

    header = Header(BASE | TAN)
    header.append(Card.fromstring("CD1_1   = not a number at all"), end=True)
    del header[header.index("CD1_1")]
    with pytest.raises(InputError, match="CD1_1"):
        SkyWcs.from_header(header)


def test_no_coordinates():
    assert SkyWcs.from_header({}) is None
    assert SkyWcs.from_header({"CTYPE1": "LINEAR", "CTYPE2": "LINEAR", "CD1_1": 1.0}) is None
    assert SkyWcs.from_header({"CTYPE1": "", "CRVAL1": 3.0}) is None
    from astropy.wcs import WCS

    assert SkyWcs.from_astropy(WCS(naxis=2)) is None


@pytest.mark.parametrize("ctype", ["RA---XYZ", "RA---TAN-TAB", "DEC--TAN", "RA---ZPN"])
def test_strange_types_do_not_crash(ctype):
    try:
        wcs = SkyWcs.from_header(BASE | {"CTYPE1": ctype, "CTYPE2": "DEC--TAN"})
    except SkysiftError as error:
        message = str(error)
    else:
        message = ""
        assert wcs is None or np.shape(wcs.pixel_to_sky(1.0, 2.0)[0]) == ()
    assert "\n" not in message


@settings(deadline=None, max_examples=60)
@given(
    st.floats(0, 360),
    st.floats(-90, 90),
    st.floats(1e-6, 1e-2),
    st.floats(0, 2 * np.pi),
    st.booleans(),
)
def test_any_tan_inverts(ra, dec, scale, angle, flip):
    c, s = np.cos(angle), np.sin(angle)
    matrix = scale * np.array([[c, -s], [s, c]]) @ np.diag([-1.0 if flip else 1.0, 1.0])
    wcs = SkyWcs.tan((ra, dec), (50.0, 60.0), matrix)
    x, y = np.meshgrid(np.linspace(-500, 500, 5), np.linspace(-400, 600, 5))
    back = wcs.sky_to_pixel(*wcs.pixel_to_sky(x, y))
    np.testing.assert_allclose(back, (x, y), atol=1e-12 / np.radians(scale) + 1e-8)
    determinant = np.linalg.det(wcs.jacobian(50.0, 60.0))
    assert np.sign(determinant) == (-1 if flip else 1)
