"""AST dumps: parsing, each mapping and its inverse, and the coordinates made of them."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.errors import InputError
from skysift.geom import Box2I
from skysift.image import SkyWcs
from skysift.io.ast import AstWcs, parse_ast
from skysift.io.ast_mappings import UnsupportedMappingError, build_mapping


def dump(name: str, **fields: object) -> str:
    """Write an object as AST does; nested objects are given as text."""
    lines = [f"Begin {name}"]
    for key, value in fields.items():
        if isinstance(value, str) and value.startswith("Begin"):
            lines += [f"  {key} =", value]
        else:
            lines.append(f"  {key} = {value}")
    return "\n".join([*lines, f"End {name}"])


def mapping(name: str, **fields: object):
    return build_mapping(parse_ast(dump(name, **fields)))


POINTS = np.array([[1.0, -3.0, 0.5], [2.0, 0.25, -7.0]])
WIN = dump("WinMap", Nin=2, Sft1=1, Scl1=2, Sft2=-3, Scl2=0.5)
ZOOM = dump("ZoomMap", Nin=2, Zoom=4)
POLY = {
    "Nin": 2,
    "NCF1": 3,
    "CF1": 1,
    "PF1": 1,
    "CF2": 0.01,
    "PF3": 2,
    "CF3": 0.5,
    "NCF2": 2,
    "CF4": 1,
    "PF8": 1,
    "CF5": -0.02,
    "PF9": 1,
    "PF10": 1,
}


def test_parse():
    text = "1 SkyWcs 0  " + dump("CmpMap", Nin=2, Title='"a = b # c"', MapA=WIN, Note="3 # three") + "\ntrailing"
    parsed = parse_ast(text.replace("Nin = 2\n", "Nin = 2\n# Nout = 7\n\n IsA Mapping\n", 1))
    assert parsed.name == "CmpMap"
    assert parsed.integer("Nin") == 2
    assert parsed.text("Title") == "a = b # c"
    assert parsed.number("Note") == 3.0
    assert parsed.child("MapA").number("Scl2") == 0.5
    assert "Nout" not in parsed.fields
    with pytest.raises(InputError, match="no number"):
        parsed.number("Nout")
    with pytest.raises(InputError, match="no object"):
        parsed.child("MapB")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no AST object"),
        ("Begin WinMap\n Nin = 2\n", "ends inside"),
        ("Begin WinMap\n nonsense\nEnd WinMap", "neither"),
        ("Begin WinMap\n Begin ZoomMap\n", "none is expected"),
        ("Begin WinMap\n MapA =\nEnd WinMap", "not open"),
        ("\n".join(f"Begin A\n x{i} =" for i in range(300)), "none is expected"),
    ],
)
def test_damaged_dumps(text, message):
    with pytest.raises(InputError, match=message):
        parse_ast(text)


@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        ("UnitMap", {"Nin": 2}, POINTS),
        ("ZoomMap", {"Nin": 2, "Zoom": 3}, 3 * POINTS),
        ("ShiftMap", {"Nin": 2, "Sft2": 1.5}, POINTS + [[0], [1.5]]),
        ("WinMap", {"Nin": 2, "Sft1": 1, "Scl1": 2}, POINTS * [[2], [1]] + [[1], [0]]),
        ("MatrixMap", {"Nin": 2, "M0": 1, "M1": 2, "M2": 3, "M3": 4}, np.array([[1, 2], [3, 4]]) @ POINTS),
        ("MatrixMap", {"Nin": 2, "Form": '"Diagonal"', "M0": 5, "M1": 2}, POINTS * [[5], [2]]),
        ("MatrixMap", {"Nin": 2, "Form": '"Unit"'}, POINTS),
        ("PolyMap", POLY, np.stack([POINTS[0] + 0.01 * POINTS[0] ** 2 + 0.5, POINTS[1] - 0.02 * POINTS[0] * POINTS[1]])),
        ("CmpMap", {"Nin": 2, "MapA": WIN, "MapB": ZOOM}, 4 * (POINTS * [[2], [0.5]] + [[1], [-3]])),
        ("CmpMap", {"Nin": 2, "MapA": WIN, "InvA": 1, "MapB": ZOOM}, 4 * (POINTS - [[1], [-3]]) / [[2], [0.5]]),
        ("CmpMap", {"Nin": 2, "MapA": WIN, "MapB": ZOOM, "Invert": 1}, (POINTS / 4 - [[1], [-3]]) / [[2], [0.5]]),
        (
            "CmpMap",
            {"Nin": 2, "Series": 0, "MapA": dump("ZoomMap", Nin=1, Zoom=2), "MapB": dump("ShiftMap", Nin=1, Sft1=3)},
            POINTS * [[2], [1]] + [[0], [3]],
        ),
        ("TranMap", {"Nin": 2, "MapA": WIN, "MapB": WIN}, POINTS * [[2], [0.5]] + [[1], [-3]]),
        ("PermMap", {"Nin": 2, "Out1": 2, "Out2": 1, "In1": 2, "In2": 1}, POINTS[::-1]),
        ("PcdMap", {"Nin": 2, "Disco": 0.001, "PcdCn0": 1, "PcdCn1": 2}, None),
    ],
)
def test_mappings_and_their_inverses(name, fields, expected):
    forward = mapping(name, **fields)
    q = forward.forward(POINTS)
    if expected is not None:
        np.testing.assert_allclose(q, expected)
    np.testing.assert_allclose(forward.inverse(q), POINTS, atol=1e-9)
    turned = {**fields, "Invert": 1 - int(fields.get("Invert", 0))}  # type: ignore[call-overload]
    np.testing.assert_allclose(mapping(name, **turned).forward(q), POINTS, atol=1e-9)


def test_polynomial_inverse_coefficients_are_used():
    fields = {"Nin": 1, "NCF1": 1, "CF1": 2, "PF1": 1, "NCI1": 1, "CI1": 0.25, "PI1": 1}
    np.testing.assert_allclose(mapping("PolyMap", **fields).inverse(np.array([[8.0]])), [[2.0]])
    only_inverse = mapping("PolyMap", Nin=1, NCI1=2, CI1=0.5, PI1=1, CI2=0.01, PI2=2)
    x = only_inverse.forward(np.array([[3.0]]))
    np.testing.assert_allclose(0.5 * x + 0.01 * x**2, [[3.0]])


def test_polynomial_without_solution_is_nan():
    square = mapping("PolyMap", Nin=1, NCF1=1, CF1=1, PF1=2)
    assert np.isnan(square.inverse(np.array([[-4.0, np.nan]]))).all()


def test_permutation_with_constants():
    perm = mapping("PermMap", Nin=2, Nout=3, Out1=1, Out2=2, Out3=-1, In1=1, In2=2, Con1=9.5)
    np.testing.assert_allclose(perm.forward(POINTS)[2], 9.5)
    np.testing.assert_allclose(perm.inverse(perm.forward(POINTS)), POINTS)


@settings(max_examples=30, deadline=None)
@given(lon=st.floats(-3.1, 3.1), lat=st.floats(-1.5, 1.5))
def test_sphere_round_trip(lon, lat):
    sphere = mapping("SphMap", Nin=3, Nout=2)
    point = np.array([[lon], [lat]])
    vector = sphere.inverse(point)
    assert np.linalg.norm(vector) == pytest.approx(1.0)
    np.testing.assert_allclose(sphere.forward(vector), point, atol=1e-12)


def test_matrix_that_is_not_finite():
    with pytest.raises(InputError, match="not finite"):
        mapping("MatrixMap", Nin=2, M0="nan")


@pytest.mark.parametrize("fields", [{"NCF1": 1, "CF1": 1, "PF1": 1000}, {"NCF1": 1, "CF1": 1, "PF1": -1}, {"NCF1": 1e9, "CF1": 1}])
def test_numbers_that_are_damage(fields):
    with pytest.raises(InputError):
        mapping("PolyMap", Nin=1, **fields)


def test_many_positions():
    wcs = AstWcs(frame_set(CURVED))
    x = np.linspace(0, 1000, 70000)
    ra, dec = wcs.pixel_to_sky(x, 5.0)
    np.testing.assert_array_equal([ra[-1], dec[-1]], wcs.pixel_to_sky(x[-1], 5.0))


def test_poles_and_the_far_side():
    assert mapping("SphMap", Nin=3, Nout=2, PlrLg=1.25).forward(np.array([[0.0], [0.0], [1.0]]))[0, 0] == 1.25
    tangent = mapping("WcsMap", Nin=2, Type='"TAN"')
    assert np.isnan(tangent.forward(np.array([[0.3], [-0.2]]))).all()
    point = np.array([[0.3, -2.0], [1.2, 0.9]])
    np.testing.assert_allclose(tangent.inverse(tangent.forward(point)), point)


@pytest.mark.parametrize(
    ("name", "fields"),
    [("WcsMap", {"Nin": 2, "Type": '"ZEA"'}), ("GrismMap", {"Nin": 1}), ("PolyMap", {"Nin": 2, "Nout": 1, "NCF1": 1, "CF1": 1})],
)
def test_unsupported_mappings(name, fields):
    with pytest.raises(UnsupportedMappingError):
        mapping(name, **fields)


def frame_set(pixel_map: str, *, ra: float = 2.6, dec: float = 0.04) -> str:
    """A FrameSet as LSST writes one: pixels, intermediate degrees, sky."""
    # columns: south, east and the tangent point, which native coordinates count from
    r = np.array(
        [
            [np.sin(dec) * np.cos(ra), -np.sin(ra), np.cos(dec) * np.cos(ra)],
            [np.sin(dec) * np.sin(ra), np.cos(ra), np.cos(dec) * np.sin(ra)],
            [-np.cos(dec), 0.0, np.sin(dec)],
        ]
    )
    matrix = dump("MatrixMap", Nin=3, **{f"M{k}": repr(float(v)) for k, v in enumerate(r.ravel())})
    tangent = dump("CmpMap", Nin=2, MapA=dump("ZoomMap", Nin=2, Zoom=repr(np.pi / 180)), MapB=dump("WcsMap", Nin=2, Type='"TAN"'), InvB=1)
    sphere = dump("SphMap", Nin=3, Nout=2)
    rotate = dump("CmpMap", Nin=2, MapA=sphere, InvA=1, MapB=dump("CmpMap", Nin=3, Nout=2, MapA=matrix, MapB=sphere))
    sky = dump("SkyFrame", Naxes=2, SRef1=repr(ra), SRef2=repr(dec))
    frames = {"Nframe": 3, "Currnt": 3, "Frm1": dump("Frame", Naxes=2), "Frm2": dump("Frame", Naxes=2), "Frm3": sky, "Lnk2": 1, "Lnk3": 2}
    return dump("FrameSet", **frames, Map2=pixel_map, Map3=dump("CmpMap", Nin=2, MapA=tangent, MapB=rotate))


SCALE = 0.2 / 3600
LINEAR = dump("WinMap", Nin=2, Sft1=100 * SCALE, Scl1=-SCALE, Sft2=-50 * SCALE, Scl2=SCALE)
CURVED = dump(
    "CmpMap",
    Nin=2,
    MapA=dump(
        "PolyMap",
        Nin=2,
        NCF1=3,
        CF1=1,
        PF1=1,
        CF2=1e-6,
        PF3=2,
        CF3=2e-10,
        PF5=1,
        PF6=2,
        NCF2=2,
        CF4=1,
        PF8=1,
        CF5=-2e-6,
        PF9=1,
        PF10=1,
    ),
    MapB=LINEAR,
)


def test_plain_tan_equals_the_formula():
    wcs = AstWcs("1 SkyWcs 0  " + frame_set(LINEAR))
    plain = SkyWcs.tan(np.degrees([2.6, 0.04]), (100.0, 50.0), [[-SCALE, 0.0], [0.0, SCALE]])
    x, y = np.array([[-50.0, 100.0], [812.0, 3000.5]]), np.array([[3.0, 50.0], [99.0, 4000.0]])
    np.testing.assert_allclose(wcs.pixel_to_sky(x, y), plain.pixel_to_sky(x, y), rtol=0, atol=1e-14)
    np.testing.assert_allclose(wcs.sky_to_pixel(*wcs.pixel_to_sky(x, y)), [x, y], atol=1e-7)
    assert wcs.pixel_scale() == pytest.approx(0.2)
    np.testing.assert_allclose(wcs.pixel_origin, (100.0, 50.0), atol=1e-6)
    assert float(wcs.pixel_to_sky(100.0, 50.0)[0]) == pytest.approx(2.6)
    header = wcs.to_header((10, 20))
    assert header["CTYPE1"] == "RA---TAN"
    assert (header["CRPIX1"], header["CRPIX2"]) == pytest.approx((91.0, 31.0))


def test_right_ascension_stays_below_the_full_circle():
    wcs = AstWcs(frame_set(LINEAR, ra=0.0))
    ra, _ = wcs.pixel_to_sky(np.linspace(0, 200, 401), 50.0)
    assert ((ra >= 0) & (ra < 2 * np.pi)).all()
    assert ra.max() > 6.2


@pytest.mark.parametrize("box", [None, Box2I.from_shape((500, 300), xy0=(900, 700))])
def test_fitted_header_agrees(box):
    wcs = AstWcs(frame_set(CURVED))
    header = wcs.to_header((900, 700), bbox=box)
    assert header["CTYPE1"].endswith("-SIP")
    back = SkyWcs.from_header(header, xy0=(900, 700))
    x, y = (g.ravel() for g in np.meshgrid(np.linspace(900, 1199, 7), np.linspace(700, 1199, 7)))
    mas = np.radians(1e-3 / 3600)
    np.testing.assert_allclose(back.pixel_to_sky(x, y), wcs.pixel_to_sky(x, y), rtol=0, atol=0.2 * mas)
    np.testing.assert_allclose(back.sky_to_pixel(*wcs.pixel_to_sky(x, y)), [x, y], atol=2e-3)
    np.testing.assert_allclose(wcs.sky_to_pixel(*wcs.pixel_to_sky(x, y)), [x, y], atol=1e-6)


def test_positions_that_are_not_numbers():
    wcs = AstWcs(frame_set(CURVED))
    ra, dec = wcs.pixel_to_sky([1.0, np.nan, np.inf], [1.0, 2.0, 3.0])
    assert np.isfinite([ra[0], dec[0]]).all()
    assert np.isnan(ra[1])
    x, y = wcs.sky_to_pixel([2.6 + np.pi, np.nan], [-0.04, 0.0])
    assert np.isnan([x, y]).all()
    assert wcs.pixel_to_sky([], [])[0].shape == (0,)


def test_copies():
    wcs = AstWcs(frame_set(CURVED))
    for twin in (pickle.loads(pickle.dumps(wcs)), copy.deepcopy(wcs)):
        assert twin == wcs
        np.testing.assert_array_equal(twin.pixel_to_sky(10.0, 20.0), wcs.pixel_to_sky(10.0, 20.0))
    assert "0.2000 arcsec" in repr(wcs)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LINEAR, "expected an AST FrameSet"),
        (frame_set(LINEAR).replace("Lnk2 = 1", "Lnk2 = 3"), "circle"),
        (frame_set(LINEAR).replace("Lnk2 = 1", "Lnk9 = 1"), "not connected"),
        (frame_set(LINEAR).replace("SkyFrame", "Frame"), "not on the sky"),
        (frame_set(LINEAR).replace("Map2 =", "Map7 ="), "no object Map2"),
    ],
)
def test_damaged_frame_sets(text, message):
    with pytest.raises(InputError, match=message):
        AstWcs(text)


def test_header_where_the_sky_ends():
    """Coordinates that are undefined in the box have no TAN-SIP header."""
    with pytest.raises(InputError, match="undefined"):
        AstWcs(frame_set(dump("CmpMap", Nin=2, MapA=LINEAR, MapB=dump("PermMap", Nin=2, Out1=1, Out2=0)))).to_header()
