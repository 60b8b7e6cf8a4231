"""Numbers that the methods are known by."""

from __future__ import annotations

import math

import numpy as np
import pytest

from skysift.kernels import moments
from skysift.measure.sinc import sinc_coefficients


def test_moments_of_an_elliptical_gaussian():
    """Noiseless, of flux 1e4, between pixels: the moments come out to 2e-4."""
    y, x = np.mgrid[:61, :61].astype(float)
    x, y = x - 30.2, y - 29.7
    ixx, ixy, iyy = 6.0, 1.2, 3.0
    det = ixx * iyy - ixy**2
    image = 1e4 / (2 * math.pi * math.sqrt(det)) * np.exp(-0.5 * (iyy * x**2 - 2 * ixy * x * y + ixx * y**2) / det)
    *shape, i0, xc, yc, flags = moments.sdss_shape(image, 30.2, 29.7, 100, 1e-5, 1e-4, 2.0, False)
    np.testing.assert_allclose(shape, [5.9999, 1.2000, 2.9999], atol=2e-4)
    np.testing.assert_allclose([xc, yc], [30.2, 29.7], atol=1e-3)
    assert 2 * math.pi * i0 * math.sqrt(shape[0] * shape[2] - shape[1] ** 2) == pytest.approx(9999.9, abs=0.3)
    assert flags == 0


@pytest.mark.parametrize("radius", [3.0, 4.5, 6.0, 9.0])
def test_sinc_coefficients_of_a_circle(radius):
    coefficients = sinc_coefficients(radius)
    area = math.pi * radius**2
    half = len(coefficients) // 2
    assert coefficients.sum() == pytest.approx(area, rel=1e-9)
    assert coefficients[half, half] == pytest.approx(1.0, abs=0.15)
    assert 0.93 < (coefficients**2).sum() / area < 0.99


@pytest.mark.parametrize(
    ("sigma", "radius", "centred", "between"),
    [(0.8, 3, 0.007, -0.002), (1.0, 3, 0.0008, -0.0004), (1.5, 3, 0, 0), (2.0, 3, 0, 0), (2.0, 6, 0, 0), (2.5, 3, 4e-5, 4e-5)],
)
def test_sinc_fluxes_of_sampled_gaussians(sigma, radius, centred, between):
    """Relative errors of the flux at the centre of a pixel and at its corner: exact for sigma of 1.5 pixels or more."""
    truth = 1 - math.exp(-0.5 * (radius / sigma) ** 2)
    for offset, expected in ((0.0, centred), (0.5, between)):
        coefficients = sinc_coefficients(radius, dx=offset, dy=offset)
        half = len(coefficients) // 2
        axis = np.arange(-half, half + 1) - offset
        profile = np.exp(-0.5 * (axis / sigma) ** 2) / math.sqrt(2 * math.pi) / sigma
        flux = (coefficients * np.outer(profile, profile)).sum()
        assert flux / truth - 1 == pytest.approx(expected, rel=0.15, abs=6e-5)
