"""A crowded field of the Galactic plane against the catalogue that its survey published (Spitzer GLIMPSE)."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.spatial import cKDTree

from skysift.io import read_exposure
from skysift.pipeline import process

CATALOGUE_OFFSET = (0.12, 0.30)
"""Published minus true positions in this mosaic, pixels; found alike by other programs."""


@pytest.fixture(scope="module")
def matched(shared):
    """Sources, their row for each published source within the image, its distance, and the published position and flux."""
    from astropy.coordinates import SkyCoord
    from astropy.table import Table

    folder = shared / "data" / "spitzer_crowded"
    exposure = read_exposure(folder / "spitzer_example_image.fits")
    catalog = process(exposure).catalog
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        published = Table.read(folder / "spitzer_example_catalog.xml")
    sky = SkyCoord(published["l"], published["b"], frame="galactic", unit="deg").icrs
    position = np.column_stack(exposure.wcs.sky_to_pixel(sky.ra.rad, sky.dec.rad))
    inside = ((position > 5) & (position < np.array([exposure.width, exposure.height]) - 6)).all(axis=1)
    position, flux = position[inside], np.asarray(published["f4_5"])[inside]
    found = np.column_stack([catalog["x"], catalog["y"]])
    distance, row = cKDTree(np.nan_to_num(found, nan=-100.0)).query(position + CATALOGUE_OFFSET)
    return catalog, row, distance, position, flux


def test_all_published_sources_are_found_once(matched):
    _, row, distance, position, _ = matched
    assert len(position) > 200
    assert np.mean(distance < 1.0) > 0.98
    assert np.unique(row[distance < 1.0]).size > 0.99 * np.count_nonzero(distance < 1.0)


def test_positions_of_bright_isolated_sources(matched):
    catalog, row, distance, position, flux = matched
    found = np.column_stack([catalog["x"], catalog["y"]])
    mine = np.asarray(catalog["base_PsfFlux_instFlux"])
    tree = cKDTree(np.nan_to_num(found, nan=-100.0))
    light = np.array([np.nansum(mine[tree.query_ball_point(found[k], 5.0)]) / mine[k] for k in row])
    chosen = (distance < 1.0) & (flux > np.median(flux)) & (light < 1.1)
    assert chosen.sum() > 60
    offset = found[row[chosen]] - position[chosen]
    np.testing.assert_allclose(np.median(offset, axis=0), CATALOGUE_OFFSET, atol=0.05)
    assert (np.sqrt(np.mean((offset - np.median(offset, axis=0)) ** 2, axis=0)) < 0.1).all()


def test_fluxes_are_proportional_to_the_published_ones(matched):
    catalog, row, distance, _, flux = matched
    near = distance < 1.0
    ratio = np.log(np.asarray(catalog["base_PsfFlux_instFlux"])[row[near]] / flux[near])
    assert 1.4826 * np.nanmedian(np.abs(ratio - np.nanmedian(ratio))) < 0.1
