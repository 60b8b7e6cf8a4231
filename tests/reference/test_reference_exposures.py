"""Exposures written by LSST: what their archives hold is what LSST says they hold."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from skysift.image import ApCorrMap, FilterLabel, PhotoCalib
from skysift.io.archive import read_archive
from skysift.io.psf import read_psf
from skysift.psf import PcaPsf, PiffPsf

MAS = np.radians(1e-3 / 3600)


@pytest.fixture(scope="module", params=["exposure_pca", "exposure_piff"])
def exposure(request, shared):
    folder = shared / "reference" / "lsst" / request.param
    with fits.open(folder / "exposure.fits") as hdulist:
        return folder, read_archive(hdulist), dict(hdulist[1].header)


def test_psf(exposure):
    folder, components, _ = exposure
    psf = components["psf"]
    assert isinstance(psf, PcaPsf if folder.name.endswith("pca") else PiffPsf)
    expected = np.load(folder / "psf_images.npz")
    x, y = expected["positions"].T
    kernels = psf.kernels(x, y)
    peak = expected["kernel_images"].max()
    np.testing.assert_allclose(kernels, expected["kernel_images"], rtol=0, atol=1e-9 * peak)
    stamps, x0, y0 = psf.stamps(x, y)
    for i in range(len(x)):
        np.testing.assert_allclose(stamps[i], expected[f"image_{i}"], rtol=0, atol=1e-6 * peak)
    np.testing.assert_array_equal(np.stack([x0, y0], axis=1), expected["image_xy0"])
    moments = expected["moments_ixx_iyy_ixy_apflux5"]
    np.testing.assert_allclose(psf.shapes(x, y), moments[:, :3], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose([psf.aperture_flux(5.0, *p) for p in expected["positions"]], moments[:, 3], rtol=1e-6)


def test_psf_by_its_path(exposure):
    folder, components, _ = exposure
    psf = read_psf(folder / "exposure.fits")
    np.testing.assert_array_equal(psf.kernels(1600.0, 1000.0), components["psf"].kernels(1600.0, 1000.0))


def test_wcs(exposure):
    folder, components, header = exposure
    wcs = components["wcs"]
    expected = np.load(folder / "wcs.npz")
    x, y = expected["xy"].T
    ra, dec = wcs.pixel_to_sky(x, y)
    expected_ra, expected_dec = np.radians(expected["radec_deg"].T)
    np.testing.assert_allclose(ra, expected_ra, rtol=0, atol=1e-3 * MAS)
    np.testing.assert_allclose(dec, expected_dec, rtol=0, atol=1e-3 * MAS)
    np.testing.assert_allclose(wcs.sky_to_pixel(ra, dec), [x, y], rtol=0, atol=1e-8)
    assert wcs.pixel_scale() == pytest.approx(0.2, rel=1e-6)
    written = wcs.to_header((1500, 900))
    for key in ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CD1_1", "CD2_2"):
        assert written[key] == pytest.approx(header[key], rel=1e-9)


def test_calibration(exposure):
    _, components, _ = exposure
    assert isinstance(components["photo_calib"], PhotoCalib)
    assert components["photo_calib"].inst_flux_to_magnitude(1.0) == pytest.approx(32.0)
    assert components["filter_label"] == FilterLabel("r", "r")
    corrections = components["ap_corr_map"]
    assert isinstance(corrections, ApCorrMap)
    assert len(corrections) == 6
    assert corrections["base_PsfFlux_instFlux"].evaluate(1600.0, 1000.0) == pytest.approx(1.0, abs=0.2)


def test_modelfit_calexp(shared):
    """A PcaPsf of 8 components with second-order Chebyshev coefficients."""
    with fits.open(shared / "reference" / "lsst" / "hsc_modelfit_calexp" / "input.fits") as hdulist:
        components = read_archive(hdulist)
        y0, x0 = (int(hdulist[1].header[f"CRVAL{i}A"]) for i in (2, 1))
    psf = components["psf"]
    assert psf.basis_images.shape == (8, 25, 25)
    assert psf.coefficients(1900.0, 2150.0).shape == (1, 8)
    raw = np.tensordot(psf.coefficients(1900.0, 2150.0)[0], psf.basis_images, axes=1)
    assert raw.sum() == pytest.approx(1.0, abs=1e-6)
    assert 1.0 < psf.sigma(x0 + 50, y0 + 50) < 3.0
    assert set(components) == {"psf", "wcs", "photo_calib", "filter_label"}


def test_legacy_tan_wcs(shared):
    """The archived TanWcs of an old HSC file is the TAN-SIP of its header, in PARENT pixels, and from FK5 to ICRS."""
    from astropy.coordinates import SkyCoord
    from astropy.wcs import WCS

    with fits.open(shared / "data" / "hsc_small" / "HSC-0908120-056-small.fits") as hdulist:
        wcs = read_archive(hdulist)["wcs"]
        reference = WCS(hdulist[1].header)
    x, y = (g.ravel() for g in np.meshgrid([100.0, 180.5, 299.0], [100.0, 233.3, 299.0]))
    ra, dec = wcs.pixel_to_sky(x, y)
    expected = SkyCoord(*reference.all_pix2world(x - 100.0, y - 100.0, 0), unit="deg", frame="fk5").icrs
    np.testing.assert_allclose(ra, expected.ra.rad, rtol=0, atol=0.1 * MAS)
    np.testing.assert_allclose(dec, expected.dec.rad, rtol=0, atol=0.1 * MAS)
    np.testing.assert_allclose(wcs.sky_to_pixel(ra, dec), [x, y], atol=1e-6)


def test_file_without_archive(shared):
    with fits.open(shared / "data" / "hsc_small" / "act-img.fits") as hdulist:
        assert read_archive(hdulist) == {}


def test_psfex_tables(shared):
    """The PSFEx models of the Legacy Surveys: one row for each CCD."""
    paths = sorted((shared / "data" / "decam_ls_testcase3").glob("*psfex.fits"))
    assert len(paths) == 8
    for path in paths:
        row = fits.getdata(path, 1)[0]
        psf = read_psf(path, ccd=str(row["ccdname"]))
        center = (float(row["polzero1"]) - 1.0, float(row["polzero2"]) - 1.0)
        expected = np.asarray(row["psf_mask"][0], float)
        np.testing.assert_allclose(psf.kernels(*center)[0], expected / expected.sum(), atol=1e-9)
        u, v = 0.3, -0.2
        away = psf.kernels(center[0] + u * row["polscal1"], center[1] + v * row["polscal2"])[0]
        expected = np.tensordot([1, u, u * u, v, u * v, v * v], row["psf_mask"].astype(float), axes=1)
        np.testing.assert_allclose(away, expected / expected.sum(), atol=1e-9)
        # PSFEx quotes the diameter that holds half the light, a little wider than the half maximum
        assert 0.7 < psf.sigma(*center) * 2.3548 / float(row["psf_fwhm"]) < 1.05
