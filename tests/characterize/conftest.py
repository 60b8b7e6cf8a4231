"""Small star fields in plain numpy, made of Gaussians and Moffat profiles whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from skysift.image import Exposure
from skysift.table import Schema, SourceCatalog


@dataclass
class Field:
    exposure: Exposure
    catalog: SourceCatalog
    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray


def moffat(shape, x, y, flux, alpha=3.2, e1=0.0, e2=0.0, beta=3.0):
    """A Moffat profile sampled at pixel centres, normalised analytically."""
    v, u = np.mgrid[: shape[0], : shape[1]].astype(float)
    u, v = u - x, v - y
    det = 1.0 - e1 * e1 - e2 * e2
    q = ((1 - e1) * u * u - 2 * e2 * u * v + (1 + e1) * v * v) / (alpha * alpha * np.sqrt(det))
    return flux * (beta - 1) / (np.pi * alpha * alpha) * (1 + q) ** -beta


def star_schema() -> Schema:
    schema = Schema.source()
    for name in ("x", "y", "xErr", "yErr"):
        schema.add_field(f"base_SdssCentroid_{name}", "D", "position", "pixel")
    for name in ("xx", "yy", "xy"):
        schema.add_field(f"base_SdssShape_{name}", "D", "moment", "pixel^2")
    for flux in ("base_PsfFlux", "base_GaussianFlux", "base_CircularApertureFlux_12_0", "base_CompensatedTophatFlux_12"):
        schema.add_field(f"{flux}_instFlux", "D", "flux", "count")
        schema.add_field(f"{flux}_instFluxErr", "D", "error", "count")
        schema.add_field(f"{flux}_flag", "Flag", "failure")
    schema.add_field("base_SdssCentroid_flag", "Flag", "failure")
    for flag in ("edge", "nodata", "interpolatedCenter", "saturatedCenter", "crCenter", "bad", "interpolated", "saturated"):
        schema.add_field(f"base_PixelFlags_flag_{flag}", "Flag", flag)
    schema.add_field("base_ClassificationSizeExtendedness_value", "D", "extendedness")
    schema.add_field("deblend_nChild", "I", "children")
    schema.add_field("detect_isPrimary", "Flag", "primary")
    schema.add_field("sky_source", "Flag", "sky")
    from skysift.characterize.psf_measurement import add_psf_fields

    add_psf_fields(schema)
    schema.aliases["slot_Centroid"] = "base_SdssCentroid"
    schema.aliases["slot_Shape"] = "base_SdssShape"
    schema.aliases["slot_CalibFlux"] = "base_CircularApertureFlux_12_0"
    return schema


def make_catalog(n, schema=None) -> SourceCatalog:
    catalog = SourceCatalog(schema or star_schema(), n)
    return catalog


def make_field(n=60, size=600, seed=1, e1=0.05, noise=5.0, snr_low=2e4, snr_high=4e5, spread=0.0) -> Field:
    """Stars of a Moffat PSF whose width falls with x by `spread`, and whose ellipticity is `e1`, on white noise."""
    rng = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(n)))
    grid = (np.arange(side) + 0.5) * size / side
    x, y = (q.ravel()[:n] for q in np.meshgrid(grid, grid))
    x, y = x + rng.uniform(-3, 3, n), y + rng.uniform(-3, 3, n)
    flux = np.exp(rng.uniform(np.log(snr_low), np.log(snr_high), n))
    image = np.zeros((size, size))
    for xs, ys, fs in zip(x, y, flux):
        i, j = max(int(ys) - 40, 0), max(int(xs) - 40, 0)
        part = image[i : i + 81, j : j + 81]
        part += moffat(part.shape, xs - j, ys - i, fs, 3.2 * (1 - spread * (xs / size - 0.5)), e1)
    variance = noise**2 + image
    image += rng.normal(size=image.shape) * np.sqrt(variance)
    exposure = Exposure.from_arrays(image.astype(np.float32), variance.astype(np.float32))
    catalog = make_catalog(n)
    catalog["base_SdssCentroid_x"], catalog["base_SdssCentroid_y"] = x + rng.normal(0, 0.03, n), y + rng.normal(0, 0.03, n)
    catalog["base_SdssShape_xx"] = 4.0 * (1 + rng.normal(0, 0.01, n))
    catalog["base_SdssShape_yy"] = 4.0 * (1 + rng.normal(0, 0.01, n))
    catalog["base_SdssShape_xy"] = 0.0
    for name in ("base_PsfFlux", "base_GaussianFlux", "base_CircularApertureFlux_12_0", "base_CompensatedTophatFlux_12"):
        catalog[f"{name}_instFlux"] = flux
        catalog[f"{name}_instFluxErr"] = 50.0
    return Field(exposure, catalog, x, y, flux)


@pytest.fixture
def field() -> Field:
    return make_field()
