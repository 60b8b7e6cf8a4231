"""Images of many telescopes through the whole pipeline, with nothing said about them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from skysift.io import read_exposure
from skysift.pipeline import process

DATA, LSST = "data", "reference/lsst"


@dataclass(frozen=True)
class Expected:
    """Ranges of the number of sources and of the PSF's width (FWHM, pixels)."""

    path: str
    sources: tuple[int, int]
    fwhm: tuple[float, float]
    weight: str | None = None


IMAGES = {
    "KiDS u": Expected(f"{DATA}/kids_viking_9band/u.fits", (450, 750), (3.0, 3.6)),
    "KiDS r": Expected(f"{DATA}/kids_viking_9band/r.fits", (2800, 4400), (2.6, 3.1)),
    "VIKING Z, correlated noise": Expected(f"{DATA}/kids_viking_9band/Z.fits", (2000, 3200), (3.8, 4.6)),
    "VIKING Ks, correlated noise": Expected(f"{DATA}/kids_viking_9band/Ks.fits", (1000, 1800), (3.4, 4.0)),
    "EMMI": Expected(f"{DATA}/emmi_field/galaxies.fits", (900, 1500), (1.9, 2.6)),
    "EMMI with weights": Expected(f"{DATA}/emmi_field/galaxies.fits", (900, 1500), (1.9, 2.6), f"{DATA}/emmi_field/galaxies.weight.fits"),
    "M13, short and unguided": Expected(f"{DATA}/m13_series/M13_blue_0001.fits", (25, 90), (7.0, 13.0)),
    "HSC": Expected(f"{DATA}/hsc_small/HSC-0908120-056-small.fits", (14, 32), (4.2, 5.3)),
    "Suprime-Cam": Expected(f"{DATA}/hsc_small/act-img.fits", (18, 45), (5.3, 6.6)),
    "SDSS": Expected(f"{DATA}/sdss_frame/frame-r-001000-1-0100.fits.bz2", (4, 15), (2.5, 4.5)),
    "DECam": Expected(
        f"{DATA}/decam_ls_testcase3/images__decam__CP__V4.8.2a__CP20150328__c4d_150329_083320_ooi_r_ls9.N11.fits", (1, 8), (2.5, 6.0)
    ),
    "LSST with a PCA PSF": Expected(f"{LSST}/exposure_pca/exposure.fits", (9, 18), (3.6, 3.9)),
    "LSST with a Piff PSF": Expected(f"{LSST}/exposure_piff/exposure.fits", (9, 18), (3.6, 3.9)),
    "HSC calexp": Expected(f"{LSST}/hsc_modelfit_calexp/input.fits", (3, 8), (3.3, 3.7)),
}


@pytest.mark.parametrize("name", IMAGES)
def test_real_image_gives_a_sensible_catalogue(name, shared):
    expected = IMAGES[name]
    exposure = read_exposure(shared / expected.path, weight=None if expected.weight is None else shared / expected.weight)
    result = process(exposure)
    assert expected.sources[0] <= len(result.catalog) <= expected.sources[1]
    assert expected.fwhm[0] <= result.summary["psf"]["fwhm"] <= expected.fwhm[1]
    image, variance = exposure.image.array, exposure.variance.array
    blank = (exposure.mask.array == 0) & np.isfinite(image)
    low, middle = np.percentile(image[blank] / np.sqrt(variance[blank]), [15.865, 50.0])
    assert 0.75 < middle - low < 1.3
    assert abs(middle) < 0.35
    x, y = np.asarray(result.catalog["x"]), np.asarray(result.catalog["y"])
    inside = (x > exposure.bbox.min_x - 1) & (x < exposure.bbox.max_x + 1) & (y > exposure.bbox.min_y - 1) & (y < exposure.bbox.max_y + 1)
    assert np.mean(inside) > 0.98


@pytest.mark.parametrize("band", ["r", "Z", "Ks"])
def test_little_is_found_in_the_negative_image(band, shared):
    """Noise is as often negative: what the image's negative shows is the number of false sources."""
    from skysift.image import Image, MaskedImage
    from skysift.pipeline.search import search

    exposure = read_exposure(shared / DATA / "kids_viking_9band" / f"{band}.fits")
    result = process(exposure)
    negative = exposure.copy()
    negative.masked_image = MaskedImage(Image(-exposure.image.array, exposure.xy0), exposure.mask, exposure.variance)
    false, _ = search(negative)
    assert len(false) < 0.03 * len(result.catalog)
