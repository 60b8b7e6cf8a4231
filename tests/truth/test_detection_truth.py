"""find_sources against simulated fields of stars and galaxies."""

import numpy as np
import pytest
from scipy.ndimage import maximum_filter
from scipy.spatial import cKDTree

from skysift.detection import find_sources
from skysift.simulate import simulate
from skysift.simulate.scene import SceneConfig

SEEDS = (1, 2, 3, 4, 5, 6)


def match(truth, x, y, radius=2.5):
    """Whether each object is detected, and whether each detection is an object; the brightest object takes the nearest detection first."""
    near = cKDTree(np.column_stack([x, y])).query_ball_point(np.column_stack([truth["x"], truth["y"]]), radius)
    used, detected = np.zeros(len(x), bool), np.zeros(len(truth["x"]), bool)
    for i in np.argsort(-truth["flux"]):
        free = [j for j in near[i] if not used[j]]
        if free:
            j = min(free, key=lambda j: np.hypot(x[j] - truth["x"][i], y[j] - truth["y"][i]))
            used[j] = detected[i] = True
    return detected, used


@pytest.fixture(scope="module")
def fields():
    """Per seed: truth, peaks, and which objects and detections lie away from the border and masked pixels."""
    result = []
    for seed in SEEDS:
        exposure, truth = simulate(SceneConfig(seed=seed, cosmic_rays=0, subtract_sky=True))
        peaks = find_sources(exposure, sigma=1.6).arrays.peaks
        near = maximum_filter(exposure.mask.has("BAD", "SAT"), 11)

        def away(x, y, near=near):
            height, width = near.shape
            row, column = (np.clip(np.round(v).astype(int), 0, size - 1) for v, size in ((y, height), (x, width)))
            return (x > 10) & (x < width - 11) & (y > 10) & (y < height - 11) & ~near[row, column]

        result.append((truth, peaks, away(truth["x"], truth["y"]), away(peaks["f_x"], peaks["f_y"]), exposure))
    return result


def test_what_is_found_is_there(fields):
    false = total = 0
    for truth, peaks, _, good, _ in fields:
        _, used = match(truth, peaks["f_x"], peaks["f_y"])
        false += (good & ~used).sum()
        total += good.sum()
    assert total > 1000
    assert false <= 0.006 * total


def test_what_is_there_is_found(fields):
    stars: dict[str, list[np.ndarray]] = {"bright": [], "faint": []}
    galaxies = []
    for truth, peaks, good, _, _ in fields:
        detected, _ = match(truth, peaks["f_x"], peaks["f_y"])
        star = truth["is_star"].astype(bool)
        stars["bright"].append(detected[good & star & (truth["snr"] > 12)])
        stars["faint"].append(detected[good & star & (truth["snr"] > 6) & (truth["snr"] < 12)])
        galaxies.append(detected[good & ~star & (truth["snr"] > 20)])
    assert np.concatenate(stars["bright"]).mean() > 0.985
    assert np.concatenate(stars["faint"]).mean() > 0.88
    assert np.concatenate(galaxies).mean() > 0.97


def test_positions_of_stars_scatter_as_the_noise_allows(fields):
    pulls = []
    for truth, peaks, good, _, _ in fields:
        star = truth["is_star"].astype(bool)
        isolated = cKDTree(np.column_stack([truth["x"], truth["y"]])).query(np.column_stack([truth["x"], truth["y"]]), k=2)[0][:, 1] > 12
        chosen = good & star & isolated & (truth["snr"] > 15) & (truth["snr"] < 100)
        tree = cKDTree(np.column_stack([peaks["f_x"], peaks["f_y"]]))
        distance, nearest = tree.query(np.column_stack([truth["x"], truth["y"]])[chosen])
        nearest = nearest[distance < 1]
        dx = peaks["f_x"][nearest] - truth["x"][chosen][distance < 1]
        # The Cramer-Rao bound of a Gaussian of width s at a signal-to-noise ratio q is sqrt(2) s / q.
        pulls.append(dx / (np.sqrt(2) * 1.6 / peaks["significance"][nearest]))
    pulls = np.concatenate(pulls)
    assert pulls.size > 30
    assert 0.8 < 1.4826 * np.median(np.abs(pulls)) < 1.3
    assert abs(np.median(pulls)) < 0.5


def test_footprints_do_not_overlap_and_hold_their_peaks(fields):
    for _, peaks, _, _, exposure in fields[:2]:
        found = find_sources(exposure, sigma=1.6)
        labels = found.insert_into_image()
        assert labels.max() == len(found)
        assert (labels > 0).sum() == found.arrays.area.sum()
        np.testing.assert_array_equal(labels[peaks["i_y"], peaks["i_x"]], np.arange(1, len(found) + 1))


def test_noise_only():
    rng = np.random.default_rng(11)
    from skysift.image import Exposure

    exposure = Exposure.from_arrays(rng.normal(0, 10, (1500, 1500)), np.full((1500, 1500), 100.0))
    # Gaussian statistics expect less than one peak of 5 sigma in this area.
    assert len(find_sources(exposure, sigma=1.6)) <= 3
