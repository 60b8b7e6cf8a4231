"""Calibrations, fields, polygons, visit info."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.errors import InputError
from skysift.geom import Box2D, Box2I
from skysift.image import (
    ApCorrMap,
    ChebyshevField,
    FilterLabel,
    Image,
    Mask,
    MaskedImage,
    PhotoCalib,
    Polygon,
    ProductField,
    VisitInfo,
)

BOX = Box2I((10, 20), (200, 150))


class Catalog(dict):
    def __init__(self, x, y, **columns):
        super().__init__(columns)
        self.x, self.y = x, y


def test_calibration_of_catalogues():
    field = ChebyshevField(BOX, [[2.0, 0.5]])
    x, y = np.array([15.0, 200.0]), np.array([30.0, 40.0])
    catalog = Catalog(x, y, base_PsfFlux_instFlux=np.array([100.0, -5.0]), base_PsfFlux_instFluxErr=np.array([1.0, 2.0], dtype=np.float32))
    calib = PhotoCalib.from_field(field)
    njy = calib.inst_flux_to_nanojansky(catalog, "base_PsfFlux")
    assert njy.shape == (2, 2)
    np.testing.assert_allclose(njy[:, 0], [100.0, -5.0] * field.evaluate(x, y))
    np.testing.assert_allclose(njy[:, 1], [1.0, 2.0] * field.evaluate(x, y))
    magnitudes = calib.inst_flux_to_magnitude(catalog, "base_PsfFlux")
    assert magnitudes[0, 0] == pytest.approx(31.4 - 2.5 * math.log10(njy[0, 0]))
    assert magnitudes[0, 1] == pytest.approx(2.5 / math.log(10) * 0.01)
    assert np.isnan(magnitudes[1, 0])
    plain = {"a_instFlux": np.ones(3), "a_instFluxErr": np.zeros(3)}
    np.testing.assert_array_equal(PhotoCalib(2.0).inst_flux_to_nanojansky(plain, "a"), [[2.0, 0.0]] * 3)
    slots = dict(plain, slot_Centroid_x=np.full(3, 15.0), slot_Centroid_y=np.full(3, 30.0))
    np.testing.assert_allclose(calib.inst_flux_to_nanojansky(slots, "a")[:, 0], field.evaluate(15.0, 30.0))
    empty = {"a_instFlux": np.empty(0), "a_instFluxErr": np.empty(0)}
    assert PhotoCalib(2.0).inst_flux_to_magnitude(empty, "a").shape == (0, 2)


def test_calibration_of_numbers():
    calib = PhotoCalib.from_magnitude_zero_point(27.0)
    assert calib.mean == pytest.approx(57.544, rel=1e-4)
    assert calib.inst_flux_to_magnitude(1.0) == pytest.approx(27.0)
    assert isinstance(calib.inst_flux_to_nanojansky(1.0), float)
    assert calib.inst_flux_to_magnitude(0.0) == math.inf
    assert math.isnan(calib.inst_flux_to_magnitude(-1.0))
    assert calib.magnitude_to_inst_flux(27.0) == pytest.approx(1.0)
    assert calib.nanojansky_to_inst_flux(calib.mean) == pytest.approx(1.0)
    uncertain = PhotoCalib(10.0, 1.0)
    assert uncertain.inst_flux_to_nanojansky(5.0, 0.0, include_err=True)[1] == pytest.approx(5.0)
    assert uncertain.inst_flux_to_nanojansky(5.0, 0.0)[1] == 0.0
    assert uncertain.inst_flux_to_magnitude(5.0, 0.0, include_err=True)[1] == pytest.approx(2.5 / math.log(10) * 0.1)
    assert PhotoCalib().inst_flux_at_zero_magnitude == math.inf
    assert np.isinf(PhotoCalib().magnitude_to_inst_flux(20.0))
    assert PhotoCalib(3.0).local_calibration(np.zeros(2), 1.0).tolist() == [3.0, 3.0]
    assert pickle.loads(pickle.dumps(uncertain)) == uncertain
    assert "zero point 27.000" in repr(calib)


@pytest.mark.parametrize("arguments", [(-1.0,), (math.nan,), (1.0, -1.0), (math.inf,)])
def test_impossible_calibrations(arguments):
    with pytest.raises(InputError):
        PhotoCalib(*arguments)
    with pytest.raises(InputError):
        PhotoCalib.from_zero_point(arguments[0] if len(arguments) == 1 else 0.0)


def test_calibration_from_headers():
    assert PhotoCalib.from_metadata({"FLUXMAG0": 1e12, "FLUXMAG0ERR": 1e10}).err == pytest.approx(0.01 * 3.6307805)
    assert PhotoCalib.from_metadata({"FLUXMAG0": "1e12", "FLUXMAG0ERR": math.nan}).err == 0.0
    for header in ({}, {"FLUXMAG0": 0.0}, {"FLUXMAG0": "none"}, {"FLUXMAG0": math.nan}):
        assert PhotoCalib.from_metadata(header) is None


def test_calibrated_images():
    image = Image(np.full((3, 4), 2.0, dtype=np.float32))
    mi = MaskedImage(image, Mask(np.zeros((3, 4), dtype=np.int32)), Image(np.ones((3, 4), dtype=np.float32)))
    calibrated = PhotoCalib(10.0).calibrate_image(mi)
    assert (calibrated.image.array == 20.0).all()
    assert (calibrated.variance.array == 100.0).all()
    assert calibrated.image.unit == "nJy"
    assert PhotoCalib(10.0).calibrate_image(image).array[0, 0] == 20.0
    assert image.array[0, 0] == 2.0
    assert PhotoCalib(10.0).uncalibrate_image(calibrated).image.array[0, 0] == pytest.approx(2.0)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 3), st.integers(0, 3), st.booleans(), st.integers(0, 9))
def test_fit_recovers_what_it_can_express(order_x, order_y, triangular, seed):
    rng = np.random.default_rng(seed)
    coefficients = rng.normal(size=(order_y + 1, order_x + 1))
    if triangular:
        i, j = np.indices(coefficients.shape)
        coefficients[i + j > max(order_x, order_y)] = 0.0
    truth = ChebyshevField(BOX, coefficients)
    x, y = rng.uniform(10, 210, 80), rng.uniform(20, 170, 80)
    z = truth.evaluate(x, y)
    z[0] = np.nan
    fitted = ChebyshevField.fit(BOX, x, y, z, order_x, order_y, triangular, weight=rng.uniform(0.5, 2.0, 80))
    np.testing.assert_allclose(fitted.coefficients, coefficients, atol=1e-10)
    assert fitted.mean() == pytest.approx(ProductField([fitted]).mean(), rel=1e-3, abs=1e-3)


def test_fields():
    field = ChebyshevField(BOX, [[1.0, 0.25], [0.5, 0.0]])
    assert field.evaluate(9.5, 19.5) == pytest.approx(1.0 - 0.25 - 0.5)
    assert field.evaluate(np.zeros((2, 3)), 1.0).shape == (2, 3)
    np.testing.assert_allclose(field.grid(BOX)[3, 5], field.evaluate(15, 23))
    assert field.image(Box2I((0, 0), (2, 3))).shape == (3, 2)
    assert (2 * field).mean() == pytest.approx(2.0)
    assert (field / 2).mean() == pytest.approx(0.5)
    assert (ProductField([field, field]) * 3).evaluate(15, 23) == pytest.approx(3 * field.evaluate(15, 23) ** 2)
    assert ChebyshevField.constant(BOX, 4.0).evaluate(0, 0) == 4.0
    assert pickle.loads(pickle.dumps(field)) == field
    few = ChebyshevField.fit(BOX, [50.0], [60.0], [3.0])
    assert few.evaluate(50.0, 60.0) == pytest.approx(3.0)
    for arguments in ((Box2I(), [[1.0]]), (BOX, [1.0])):
        with pytest.raises(InputError):
            ChebyshevField(*arguments)
    with pytest.raises(InputError):
        ChebyshevField.fit(BOX, [np.nan], [1.0], [1.0])
    with pytest.raises(InputError):
        ProductField([])
    corrections = ApCorrMap(a=field)
    assert corrections.get("b") is None
    assert corrections.scaled(2.0)["a"] == field * 2.0
    assert "a" in repr(corrections)


def test_polygons():
    square = Polygon.from_box(Box2I((0, 0), (10, 10)))
    assert square.area == 100.0
    assert square.center == (4.5, 4.5)
    assert square.bbox == Box2D((-0.5, -0.5), (9.5, 9.5))
    assert square.contains(0, 0)
    assert square.contains([0, -1, np.nan, np.inf], [0, 0, 0, 0]).tolist() == [True, False, False, False]
    assert square.mask(Box2I((-5, -5), (20, 20))).sum() == 100
    arrow = Polygon([(0, 0), (10, 0), (10, 10), (5, 2), (0, 10), (0, 0)])
    assert len(arrow.vertices) == 5
    assert not arrow.is_convex
    assert not arrow.contains(5.0, 6.0)
    assert arrow.contains(1.0, 5.0)
    half = Polygon.from_box(Box2D((0, 0), (5, 10)))
    assert arrow.intersection(half).area == pytest.approx(arrow.area / 2)
    assert square.intersection(Polygon.from_box(Box2I((50, 50), (2, 2)))) is None
    assert square.transformed(lambda x, y: (2 * x, y)).area == 200.0
    assert pickle.loads(pickle.dumps(square)) == square
    with pytest.raises(InputError):
        square.intersection(arrow)
    for vertices in ([(0, 0), (1, 1)], [(0, 0), (1, 1), (np.nan, 0)], [1, 2, 3], np.zeros((3, 3))):
        with pytest.raises(InputError):
            Polygon(vertices)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000))
def test_intersections_cover_what_both_cover(seed):
    rng = np.random.default_rng(seed)
    turn = np.sort(rng.uniform(0, 2 * np.pi, 6))
    convex = Polygon(np.stack([20 * np.cos(turn), 15 * np.sin(turn)], axis=1) + rng.uniform(-5, 5, 2))
    star = Polygon(np.stack([np.cos(turn), np.sin(turn)], axis=1) * rng.uniform(5, 20, (6, 1)))
    points = rng.uniform(-25, 25, (2, 400))
    both = star.contains(*points) & convex.contains(*points)
    shared = star.intersection(convex)
    found = shared.contains(*points) if shared is not None else np.zeros(400, dtype=bool)
    np.testing.assert_array_equal(found, both)


def test_visit_info():
    info = VisitInfo(
        id=7, exposure_time=30.0, boresight_ra=0.5, date="2024-01-02T12:00:00.000", rotation_type="SKY", has_simulated_content=True
    )
    cards = info.to_metadata()
    assert cards["BORE-RA"] == pytest.approx(math.degrees(0.5))
    assert cards["TIMESYS"] == "TAI"
    assert "BORE-DEC" not in cards
    back = VisitInfo.from_metadata(cards)
    assert (back.id, back.exposure_time, back.date, back.rotation_type) == (7, 30.0, info.date, "SKY")
    assert back.boresight_ra == pytest.approx(0.5)
    assert back.has_simulated_content
    assert back.mjd == 60311.5
    strange = VisitInfo.from_metadata({"EXPTIME": "long", "IDNUM": "x", "ROTTYPE": "spin", "TIME-MID": "2014-01-01T00:00:00.5Z"})
    assert math.isnan(strange.exposure_time)
    assert strange.id is None
    assert strange.rotation_type == "UNKNOWN"
    assert strange.mjd == pytest.approx(56658.0 + 0.5 / 86400)
    assert math.isnan(VisitInfo.from_metadata({}).mjd)
    assert str(FilterLabel("r", "HSC-R")) == "r"
    assert str(FilterLabel()) == "unknown"
    assert FilterLabel(physical="x") == FilterLabel(None, "x")
