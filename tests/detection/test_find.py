"""find_sources: what it finds, and input that nobody would choose."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from skysift.detection import SOURCE_PEAK_DTYPE, PsfGenerationError, find_sources
from skysift.detection.config import FindSourcesConfig
from skysift.image import Exposure
from skysift.psf import GaussianPsf

SIGMA = 1.6


def make_exposure(sources=(), shape=(200, 220), noise=1.0, seed=5, **kwargs) -> Exposure:
    """Gaussian stars (x, y, flux) on white noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = rng.normal(0, noise, shape)
    for cx, cy, flux in sources:
        image += flux / (2 * np.pi * SIGMA**2) * np.exp(-0.5 * ((x - cx) ** 2 + (y - cy) ** 2) / SIGMA**2)
    return Exposure.from_arrays(image, np.full(shape, noise**2), psf=GaussianPsf(25, SIGMA), **kwargs)


def positions(found):
    peaks = found.arrays.peaks
    return np.column_stack([peaks["f_x"], peaks["f_y"]])


def test_finds_stars_where_they_are():
    sources = [(30.2, 40.7, 300.0), (150.4, 60.1, 1000.0), (80.0, 150.5, 100.0), (3.2, 100.3, 300.0)]
    found = find_sources(make_exposure(sources, xy0=(1000, 2000)))
    assert found.arrays.peaks.dtype == SOURCE_PEAK_DTYPE
    expected = np.array([s[:2] for s in sources]) + [1000, 2000]
    distance = np.hypot(*np.moveaxis(positions(found)[:, None] - expected[None], 2, 0))
    assert len(found) == len(sources)
    assert (distance.min(axis=0) < 0.3).all()
    # Flux over the noise of a matched filter, 2 sqrt(pi) sigma.
    brightest = found.arrays.peaks["significance"].max()
    assert brightest == pytest.approx(1000 / (2 * np.sqrt(np.pi) * SIGMA), rel=0.02)
    assert (found.arrays.peaks["parent"] == 0).all()
    assert all(f.contains(int(p["i_x"]), int(p["i_y"])) for f, p in zip(found, found.arrays.peaks))


def test_faint_sources_are_where_they_are():
    x, y = (c.ravel() + 0.3 for c in np.mgrid[20:400:20, 20:400:20])
    found = positions(find_sources(make_exposure([(a, b, 45.0) for a, b in zip(x, y)], shape=(420, 420))))
    distance, _ = cKDTree(found).query(np.column_stack([x, y]))
    seen = distance < 5
    assert seen.mean() > 0.95
    # The bound of a Gaussian of known width: sqrt(2) sigma over the signal-to-noise ratio in each direction.
    bound = np.sqrt(2) * SIGMA / (45 / (2 * np.sqrt(np.pi) * SIGMA))
    assert np.sqrt((distance[seen] ** 2).mean() / 2) < 1.25 * bound


def test_noise_alone_gives_next_to_nothing():
    assert len(find_sources(make_exposure(shape=(1000, 1000)))) <= 2


def test_close_pair_is_split_and_shares_the_pixels():
    found = find_sources(make_exposure([(60, 60, 1500.0), (66, 60, 900.0), (150, 150, 500.0)]))
    assert len(found) == 3
    arrays = found.arrays
    assert sorted(arrays.peaks["parent"].tolist()) == [0, 1, 1]
    labels = found.insert_into_image()
    assert labels.max() == 3
    assert (labels > 0).sum() == arrays.area.sum()
    bright, faint = (int(np.argmin(np.hypot(arrays.peaks["f_x"] - x, arrays.peaks["f_y"] - 60))) for x in (60, 66))
    assert labels[60, 58] == bright + 1
    assert labels[60, 68] == faint + 1


def test_hidden_companion():
    image = make_exposure([(60.3, 60.1, 20000.0), (64.4, 60.1, 2000.0)])
    config = FindSourcesConfig(hiddenThreshold=0.0)
    assert len(find_sources(image, config)) == 1
    found = find_sources(image)
    assert len(found) == 2
    assert np.hypot(*(positions(found) - [64.4, 60.1]).T).min() < 1.5


def test_noise_on_the_flank_of_a_galaxy_is_no_source():
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:300, :300]
    galaxy = 400 * np.exp(-np.hypot(x - 150, (y - 150) / 0.7) / 18)
    variance = 100 + galaxy
    exposure = Exposure.from_arrays(galaxy + rng.normal(size=galaxy.shape) * np.sqrt(variance), variance, psf=GaussianPsf(25, SIGMA))
    found = find_sources(exposure)
    assert len(found) <= 2
    assert np.hypot(*(positions(found) - 150).T).min() < 1


def test_missing_pixels_do_not_split_or_make_sources():
    exposure = make_exposure([(60, 60, 3000.0), (150, 100, 500.0)])
    exposure.image.array[20:180, 61] = 1e6
    exposure.image.array[150, 20:60] = np.nan
    exposure.mask.set("BAD", np.broadcast_to(np.arange(220) == 61, (200, 220)))
    found = find_sources(exposure)
    assert len(found) == 2
    assert np.hypot(*(positions(found) - [60, 60]).T).min() < 0.3


def test_saturated_star_with_a_bleed_is_one_source():
    exposure = make_exposure([(100, 100, 1e6)])
    image = exposure.image.array
    saturated = image > 2000
    saturated[60:140, 99:102] = True
    image[saturated] = 2000 + np.random.default_rng(0).normal(0, 20, saturated.sum())
    exposure.mask.set("SAT", saturated)
    exposure.variance.array[...] = 1 + np.maximum(image, 0)
    found = find_sources(exposure)
    on_star = np.abs(positions(found)[:, 0] - 100) < 6
    assert on_star.sum() == 1


def test_nothing_is_changed_and_results_repeat():
    exposure = make_exposure([(60, 60, 1500.0), (66, 60, 900.0)])
    before = exposure.image.array.copy(), exposure.mask.array.copy(), exposure.variance.array.copy()
    first, second = find_sources(exposure).arrays, find_sources(exposure).arrays
    for plane, old in zip((exposure.image, exposure.mask, exposure.variance), before):
        np.testing.assert_array_equal(plane.array, old)
    np.testing.assert_array_equal(first.peaks, second.peaks)
    np.testing.assert_array_equal(first.x0, second.x0)


def test_variance_is_estimated_when_there_is_none():
    with_variance = make_exposure([(60, 60, 500.0)])
    without = Exposure.from_arrays(with_variance.image.array, psf=with_variance.psf)
    assert len(find_sources(without)) == 1


def test_threshold_and_score_are_obeyed():
    rng = np.random.default_rng(9)
    sources = [(x + rng.uniform(), y + rng.uniform(), f) for x, y, f in zip(*np.mgrid[20:200:20, 20:180:20].reshape(2, -1), range(20, 92))]
    exposure = make_exposure(sources)
    counts = [len(find_sources(exposure, FindSourcesConfig(threshold=t))) for t in (4.0, 5.0, 8.0)]
    assert counts[0] >= counts[1] > counts[2] > 0
    assert find_sources(exposure, FindSourcesConfig(threshold=8.0)).arrays.peaks["significance"].min() >= 8
    assert len(find_sources(exposure, FindSourcesConfig(minScore=2.0))) < counts[1]


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (5, 5), (1, 300), (300, 1), (9, 200)])
def test_small_images(shape):
    exposure = Exposure.from_arrays(np.zeros(shape), np.ones(shape), psf=GaussianPsf(25, SIGMA))
    assert len(find_sources(exposure)) == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -5.0])
def test_flat_images(value):
    exposure = Exposure.from_arrays(np.full((60, 70), value), np.ones((60, 70)), psf=GaussianPsf(25, SIGMA))
    assert len(find_sources(exposure)) == 0


@pytest.mark.parametrize("variance", [0.0, -1.0, np.inf])
def test_useless_variance(variance):
    exposure = Exposure.from_arrays(np.ones((60, 70)), np.full((60, 70), variance), psf=GaussianPsf(25, SIGMA))
    assert len(find_sources(exposure)) == 0


@pytest.mark.parametrize("plane", ["BAD", "SAT"])
def test_everything_masked(plane):
    exposure = make_exposure([(60, 60, 3000.0)])
    exposure.image.array[...] += 1e4
    exposure.mask.set(plane, np.ones(exposure.image.shape, bool))
    found = find_sources(exposure)
    assert len(found) == (1 if plane == "SAT" else 0)


def test_half_the_pixels_missing():
    exposure = make_exposure([(60, 60, 3000.0), (150, 100, 3000.0)])
    exposure.mask.set("BAD", np.random.default_rng(0).random(exposure.image.shape) < 0.5)
    found = find_sources(exposure)
    for star in ([60, 60], [150, 100]):
        assert np.hypot(*(positions(found) - star).T).min() < 0.5


def test_big_endian_integers_and_no_psf():
    image = np.round(make_exposure([(60, 60, 3000.0)], noise=3.0).image.array).astype(">i4")
    exposure = Exposure.from_arrays(image, 9.0)
    assert len(find_sources(exposure, sigma=SIGMA)) == 1
    with pytest.raises(PsfGenerationError, match="no PSF"):
        find_sources(exposure)
    with pytest.raises(PsfGenerationError, match="positive"):
        find_sources(exposure, sigma=float("nan"))


def test_crowding_ends_and_splits():
    rng = np.random.default_rng(2)
    n, size = 6000, 400
    image = np.zeros((size, size))
    x, y = rng.integers(3, size - 3, (2, n))
    np.add.at(image, (y, x), rng.uniform(500, 5000, n))
    from scipy.ndimage import gaussian_filter

    image = gaussian_filter(image, SIGMA)
    exposure = Exposure.from_arrays(image + rng.normal(0, 5, image.shape), 25 + image, psf=GaussianPsf(25, SIGMA))
    found = find_sources(exposure)
    assert len(found) > 1000
    assert not cKDTree(positions(found)).query_pairs(1.375 * SIGMA * (1 - 1e-9))
    labels = found.insert_into_image()
    # One blend, every pixel given to one source.
    assert labels.max() == len(found)
    assert (labels > 0).sum() == found.arrays.area.sum()
