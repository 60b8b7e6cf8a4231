"""Photometric calibration, bounded fields and aperture corrections against the LSST library."""

from __future__ import annotations

import numpy as np
import pytest

from skysift.geom import Box2I, Extent2I, Point2I
from skysift.image import ApCorrMap, ChebyshevField, Image, Mask, MaskedImage, PhotoCalib, ProductField


@pytest.fixture
def g(golden):
    return golden("calib")


@pytest.fixture
def box(g):
    x0, y0, w, h = (int(v) for v in g["box"])
    return Box2I(Point2I(x0, y0), Extent2I(w, h))


@pytest.fixture
def field(g, box):
    return ChebyshevField(box, g["cheb_coef"])


@pytest.fixture
def calibs(field, box):
    return {
        "const": PhotoCalib(0.0575, 0.0004),
        "simple": PhotoCalib(12.34),
        "spatial": PhotoCalib(0.0575, 0.0004, field * (0.0575 / field.mean())),
    }


def test_chebyshev_field(g, box, field):
    x, y = g["pos"].T
    np.testing.assert_allclose(field.evaluate(x, y), g["cheb_eval"], rtol=1e-12)
    np.testing.assert_allclose([field.integrate(), field.mean()], g["cheb_int"], rtol=1e-12)
    np.testing.assert_allclose(field.image().array[::7, ::7], g["cheb_image"], rtol=1e-6)
    assert field.image().bbox == box
    np.testing.assert_allclose((field * 2.5).coefficients, g["cheb_times"], rtol=1e-14)
    product = ProductField([field, ChebyshevField(box, [[2, 0.1]])])
    np.testing.assert_allclose(product.evaluate(x, y), g["product_eval"], rtol=1e-12)


@pytest.mark.parametrize("name", ["22_t1", "22_t0", "31_t1", "31_t0", "44_t1", "00_t1"])
def test_fit(g, box, name):
    order_x, order_y, triangular = int(name[0]), int(name[1]), name.endswith("1")
    x, y, z, w = g["fit_xyvw"].T
    plain = ChebyshevField.fit(box, x, y, z, order_x, order_y, triangular)
    weighted = ChebyshevField.fit(box, x, y, z, order_x, order_y, triangular, weight=w)
    np.testing.assert_allclose(plain.coefficients, g[f"fit_{name}"], rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(weighted.coefficients, g[f"fit_{name}_w"], rtol=1e-7, atol=1e-10)
    if f"fit_{name}_n" in g:
        assert np.count_nonzero(plain.coefficients) == g[f"fit_{name}_n"][0]


def test_fit_image(g, box):
    y, x = np.mgrid[box.min_y : box.end_y, box.min_x : box.end_x]
    image = Image((5 + 0.01 * x - 0.02 * y + 1e-4 * x * y).astype(np.float32), box.min)
    np.testing.assert_allclose(ChebyshevField.fit_image(image, triangular=False).coefficients, g["fit_image"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["const", "simple", "spatial"])
def test_calibration(g, box, calibs, name):
    calib = calibs[name]
    flux, err = g["flux_err"].T
    x, y = g["pos"][:20].T
    np.testing.assert_allclose([calib.mean, calib.err, calib.inst_flux_at_zero_magnitude], g[f"{name}_calib"], rtol=1e-9)
    np.testing.assert_allclose(np.transpose(calib.inst_flux_to_nanojansky(flux, err, x, y)), g[f"{name}_njy"], rtol=1e-10)
    np.testing.assert_allclose(np.transpose(calib.inst_flux_to_magnitude(flux, err, x, y)), g[f"{name}_mag"], rtol=1e-9)
    np.testing.assert_allclose(calib.inst_flux_to_nanojansky(flux), g[f"{name}_njy_nopos"], rtol=1e-10)
    np.testing.assert_allclose(calib.inst_flux_to_magnitude(flux), g[f"{name}_mag_nopos"], rtol=1e-9)
    magnitudes = np.linspace(14, 28, 8)
    np.testing.assert_allclose(calib.magnitude_to_inst_flux(magnitudes), g[f"{name}_mag2flux"][:, 0], rtol=1e-9)
    np.testing.assert_allclose(calib.magnitude_to_inst_flux(magnitudes, 50, 60), g[f"{name}_mag2flux"][:, 1], rtol=1e-9)
    np.testing.assert_allclose(calib.local_calibration(x, y), g[f"{name}_local"], rtol=1e-10)
    _y, x = np.mgrid[box.min_y : box.end_y, box.min_x : box.end_x]
    image = Image(((x % 17) * 10 + 1).astype(np.float32), box.min)
    mask, variance = Mask(np.zeros(box.shape, np.int32), box.min), Image(np.full(box.shape, 4, np.float32), box.min)
    calibrated = calib.calibrate_image(MaskedImage(image, mask, variance))
    np.testing.assert_allclose(calibrated.image.array[::10, ::10], g[f"{name}_image"], rtol=1e-6)
    np.testing.assert_allclose(calibrated.variance.array[::10, ::10], g[f"{name}_imagevar"], rtol=1e-6)
    assert calibrated.image.unit == "nJy"
    np.testing.assert_allclose(calib.uncalibrate_image(calibrated).image.array, image.array, rtol=1e-5)


def test_zero_point_and_corrections(g, box, field):
    calib = PhotoCalib.from_zero_point(6.3e11, 1.2e9)
    np.testing.assert_allclose([calib.mean, calib.err], g["fromzp"], rtol=1e-9)
    corrections = ApCorrMap(a_instFlux=field, a_instFluxErr=ChebyshevField(box, [[0.01, 0.002], [0.001, 0]]))
    scaled = corrections.scaled(3)
    np.testing.assert_allclose(scaled["a_instFlux"].coefficients, g["apcorr_scaled_a"], rtol=1e-12)
    np.testing.assert_allclose(scaled["a_instFluxErr"].coefficients, g["apcorr_scaled_aErr"], rtol=1e-12)
    np.testing.assert_allclose(scaled.scaled(0.5)["a_instFlux"].coefficients, g["apcorr_div_a"], rtol=1e-12)
