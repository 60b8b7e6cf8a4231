from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift import photometry
from skysift.errors import InputError


def gaussian_image(shape, x, y, sigma, flux):
    yy, xx = np.indices(shape)
    return flux * photometry.gaussian_2d(np.hypot(xx - x, yy - y), sigma)


def test_centroid_of_gaussian_in_the_frame_of_the_image():
    cutout = gaussian_image((41, 45), 21.3, 19.8, 2.0, 1e4)
    assert photometry.centroid(cutout, 100, 200) == pytest.approx((121.3, 219.8), abs=1e-6)


def test_widths_combine_to_the_gaussian_sigma():
    cutout = gaussian_image((41, 41), 20.0, 20.0, 2.0, 1e4)
    assert np.hypot(*photometry.second_moment(cutout, 20.0, 20.0)) == pytest.approx(2.0, rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(10.0, 1e6))
def test_psf_flux_is_exact_without_noise(dx, dy, flux):
    cutout = gaussian_image((41, 41), 20 + dx, 20 + dy, 1.8, flux)
    assert photometry.psf_flux(cutout, 20 + dx, 20 + dy, 1.8) == pytest.approx(flux, rel=1e-9)


def test_peaks_equal_a_plain_double_loop():
    image = np.random.default_rng(3).normal(size=(60, 70)).astype(np.float32)
    image[20, 20] = np.nan
    x, y = photometry.find_peaks(image, 0.5, border=5)
    expected = [
        (i, j)
        for j in range(5, 55)
        for i in range(5, 65)
        if image[j, i] > 0.5 and not any(image[j + b, i + a] >= image[j, i] for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0))
    ]
    assert list(zip(x, y)) == expected


def test_run_photometry_finds_planted_stars():
    rng = np.random.default_rng(5)
    image = rng.normal(0.0, 1.0, (200, 220))
    truth = [(30.2, 40.6, 3000.0), (100.7, 50.1, 6000.0), (150.4, 150.5, 9000.0)]
    for x, y, flux in truth:
        image += gaussian_image(image.shape, x, y, 2.0, flux)
    table = photometry.run_photometry(image, 20.0, 2.0)
    assert list(table.columns) == ["centroid_x", "centroid_y", "moment_x", "moment_y", "gaussian_flux"]
    assert len(table) == 3
    for row, (x, y, flux) in zip(table.itertuples(), sorted(truth, key=lambda t: -t[2])):
        assert (row.centroid_x, row.centroid_y) == pytest.approx((x, y), abs=0.2)
        assert row.gaussian_flux == pytest.approx(flux, rel=0.03)
        one = photometry.psf_flux(image[int(y) - 6 : int(y) + 8, int(x) - 6 : int(x) + 8], x, y, 2.0, int(x) - 6, int(y) - 6)
        assert one == pytest.approx(flux, rel=0.03)


def test_nothing_found_is_an_empty_table_and_bad_input_a_clear_error():
    assert len(photometry.run_photometry(np.zeros((100, 100)), 5.0, 2.0)) == 0
    assert len(photometry.run_photometry(np.zeros((4, 4)), 5.0, 2.0)) == 0
    with pytest.raises(InputError, match="2-D"):
        photometry.centroid(np.zeros(5))
    with pytest.raises(InputError, match="positive"):
        photometry.run_photometry(np.zeros((10, 10)), 5.0, 0.0)
    assert np.isnan(photometry.psf_flux(np.zeros((0, 0)), 0, 0, 1.0))
