"""Simulated scenes for the measurement tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from skysift.footprint import Footprint, FootprintArrays, PeakCatalog, SpanSet, flatten_footprints, make_peaks
from skysift.image import Exposure, PhotoCalib, SkyWcs
from skysift.measure import MeasurementConfig, measurement_schema
from skysift.psf import GaussianPsf
from skysift.table import SourceCatalog

SIGMA = 1.8


@dataclass
class Scene:
    """An exposure of Gaussian sources, their truth and footprints."""

    exposure: Exposure
    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    footprints: FootprintArrays

    def catalog(self, config: MeasurementConfig | None = None) -> SourceCatalog:
        return SourceCatalog(measurement_schema(config), len(self.x))


def gaussian(shape, x, y, flux, ixx, iyy, ixy=0.0):
    """Render an elliptical Gaussian at pixel centres."""
    det = ixx * iyy - ixy**2
    dy, dx = np.mgrid[: shape[0], : shape[1]]
    dx, dy = dx - x, dy - y
    return flux * np.exp(-0.5 * (iyy * dx**2 - 2 * ixy * dx * dy + ixx * dy**2) / det) / (2 * np.pi * np.sqrt(det))


@pytest.fixture(scope="session")
def render() -> Callable:
    return gaussian


@pytest.fixture(scope="session")
def make_scene() -> Callable[..., Scene]:
    """Make a scene: sources of given fluxes and moments in a row or grid, noise of given variance, any origin."""

    def make(x, y, flux, *, moments=None, shape=(120, 160), xy0=(0, 0), variance=100.0, noise_seed=None, radius=9, calib=True) -> Scene:
        x, y, flux = (np.atleast_1d(np.asarray(values, float)) for values in (x, y, flux))
        moments = [(SIGMA**2, SIGMA**2, 0.0)] * len(x) if moments is None else moments
        image = np.zeros(shape)
        for k in range(len(x)):
            image += gaussian(shape, x[k] - xy0[0], y[k] - xy0[1], flux[k], *moments[k])
        if noise_seed is not None:
            image += np.random.default_rng(noise_seed).normal(0, np.sqrt(variance), shape)
        exposure = Exposure.from_arrays(image, np.full(shape, variance), xy0=xy0)
        exposure.psf = GaussianPsf(25, SIGMA)
        exposure.id = 5
        if calib:
            exposure.wcs = SkyWcs.tan((150.0, 2.0), (60.0, 60.0), np.diag([-0.2, 0.2]) / 3600)
            exposure.photo_calib = PhotoCalib(0.5)
        footprints = []
        for cx, cy, f in zip(x, y, flux):
            ix, iy = int(np.floor(cx + 0.5)), int(np.floor(cy + 0.5))
            spans = SpanSet.from_shape(radius, offset=(ix, iy)).clipped_to(exposure.bbox)
            footprints.append(Footprint(spans, PeakCatalog(make_peaks([ix], [iy], [f])), exposure.bbox))
        return Scene(exposure, x, y, flux, flatten_footprints(footprints))

    return make
