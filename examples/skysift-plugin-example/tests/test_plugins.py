"""The two plugins on two round sources and one that is not."""

import numpy as np
import pytest
import skysift_plugin_example  # noqa: F401

from skysift.detection import find_sources
from skysift.image import Exposure
from skysift.measure import MeasurementConfig, measurement_schema
from skysift.measure.driver import measure
from skysift.psf import GaussianPsf
from skysift.table import SourceCatalog

NOISE = 1.0


@pytest.fixture(scope="module")
def catalog():
    """A star at (40, 40), one at (160, 42), a lopsided source at (100, 40), and a star near the edge at (5, 70)."""
    y, x = np.mgrid[:90, :200]
    image = np.random.default_rng(3).normal(0.0, NOISE, x.shape)
    for cx, cy, sigma, peak in [(40, 40, 2, 400), (160, 42, 2, 400), (100, 40, 2, 400), (104, 40, 3, 120), (5, 70, 2, 400)]:
        image += peak * np.exp(-0.5 * ((x - cx) ** 2 + (y - cy) ** 2) / sigma**2)
    exposure = Exposure.from_arrays(image, np.full(x.shape, NOISE**2), xy0=(1000, 2000), psf=GaussianPsf(21, 2.0))
    config = MeasurementConfig()
    config.plugins.names = [
        "base_SdssCentroid",
        "base_SdssShape",
        "base_PsfFlux",
        "base_GaussianFlux",
        "base_CircularApertureFlux",
        "example_Asymmetry",
        "example_Concentration",
    ]
    footprints = find_sources(exposure)
    catalog = SourceCatalog(measurement_schema(config), len(footprints))
    catalog.footprints = footprints
    measure(exposure, catalog, config)
    return catalog


def row(catalog, x, y):
    """Row of the source nearest to a position."""
    return int(np.argmin(np.hypot(catalog.x - 1000 - x, catalog.y - 2000 - y)))


def test_asymmetry_is_small_for_stars_and_large_for_lopsided_sources(catalog):
    """Stars show noise only."""
    value = catalog["example_Asymmetry_value"]
    stars = [row(catalog, 40, 40), row(catalog, 160, 42)]
    assert not catalog["example_Asymmetry_flag"][stars].any()
    assert (value[stars] < 0.15).all()
    assert value[row(catalog, 100, 40)] > 2 * value[stars].max()


def test_edge_is_flagged(catalog):
    """A box that leaves the image sets both flags."""
    edge = row(catalog, 5, 70)
    assert catalog["example_Asymmetry_flag_edge"][edge]
    assert catalog["example_Asymmetry_flag"][edge]
    assert np.isnan(catalog["example_Asymmetry_value"][edge])


def test_concentration_of_a_gaussian(catalog):
    """The fluxes of a Gaussian in circles are known."""
    expected = -2.5 * np.log10((1 - np.exp(-9 / 8)) / (1 - np.exp(-36 / 8)))
    stars = [row(catalog, 40, 40), row(catalog, 160, 42)]
    assert catalog["example_Concentration_value"][stars] == pytest.approx(expected, abs=0.02)
    assert not catalog["example_Concentration_flag"][stars].any()
    assert catalog["example_Concentration_flag"][row(catalog, 5, 70)]
