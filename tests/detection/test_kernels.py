"""The compiled kernels of detection against plain numpy."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import convolve, gaussian_filter, maximum_filter
from scipy.optimize import minimize

from skysift.kernels.detection import (
    assess_peaks,
    find_hidden,
    group_peaks,
    locate_peaks,
    normalize_filtered,
    prepare_pixels,
    scan_peaks,
)
from skysift.kernels.split import flood_labels, spans_by_label

RNG = np.random.default_rng(3)


def gaussian_image(shape, sources, sigma):
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.zeros(shape)
    for cx, cy, a in sources:
        image += a * np.exp(-0.5 * ((x - cx) ** 2 + (y - cy) ** 2) / sigma**2)
    return image.astype(np.float32)


def test_prepare_pixels_zeroes_what_is_missing():
    image = RNG.normal(size=(20, 30)).astype(np.float32)
    variance = np.ones_like(image)
    mask = (RNG.random(image.shape) < 0.1).astype(np.int32) * 5
    image[3, 4], image[5, 6] = np.nan, np.inf
    variance[7, 8], variance[9, 10], variance[11, 12], variance[13, 14] = 0, -1, np.nan, np.inf
    out, noise = np.full((26, 36), 7, np.float32), np.full((26, 36), 7, np.float32)
    missing = prepare_pixels(image, variance, mask, np.int32(4), out, noise)
    with np.errstate(invalid="ignore"):
        bad = ((mask & 4) != 0) | ~np.isfinite(image) | ~(variance > 0) | ~np.isfinite(variance)
    np.testing.assert_array_equal(out, np.pad(np.where(bad, 0, image), 3))
    np.testing.assert_array_equal(noise, np.pad(np.where(bad, 0, variance), 3))
    np.testing.assert_array_equal(missing, np.argwhere(np.pad(bad, 3)))


def test_normalize_filtered_divides_by_the_weight():
    good = RNG.random((40, 50)) > 0.1
    good[10:20, 10:30] = False
    square = np.array([0.1, 0.2, 0.4, 0.2, 0.1], np.float32)
    weight = convolve(good.astype(float), np.outer(square, square), mode="constant", cval=1.0)
    value = RNG.normal(size=good.shape).astype(np.float32)
    variance = np.ones_like(value)
    ours, noise = value.copy(), variance.copy()
    ones = np.ones(40, np.float32), np.ones(50, np.float32)
    normalize_filtered(ours, noise, *ones, np.argwhere(~good).astype(np.int32), square, 0.3)
    weight = np.where(weight < 0.3, np.nan, weight)
    expected = value / weight
    near = np.abs(weight - 0.3) < 1e-5
    np.testing.assert_allclose(ours[~near], expected[~near], rtol=2e-4)
    np.testing.assert_allclose(noise[~near], 1 / weight[~near] ** 2, rtol=4e-4)


@settings(max_examples=30, deadline=None)
@given(arrays(np.float32, st.tuples(st.integers(3, 20), st.integers(3, 40)), elements=st.floats(-3, 9, width=16)), st.floats(0.5, 5))
def test_scan_peaks_finds_strict_maxima(image, threshold):
    x, y = scan_peaks(image, np.ones_like(image), threshold)
    highest = maximum_filter(image, footprint=[[1, 1, 1], [1, 0, 1], [1, 1, 1]], mode="constant", cval=np.inf)
    found = set(zip(x.tolist(), y.tolist()))
    strict = (image > highest) & (image >= np.float32(threshold))
    assert {(int(b), int(a)) for a, b in np.argwhere(strict)} <= found
    assert all(image[b, a] >= highest[b, a] and image[b, a] >= threshold * (1 - 1e-6) for a, b in found)
    assert (np.diff(y) >= 0).all()


def test_scan_peaks_skips_the_edge_of_unknown_pixels():
    image = np.zeros((9, 9), np.float32)
    image[4, 4] = 10
    assert len(scan_peaks(image, np.ones_like(image), 5.0)[0]) == 1
    image[3, 3:6] = np.nan
    assert len(scan_peaks(image, np.ones_like(image), 5.0)[0]) == 0


def test_group_peaks():
    mask = np.zeros((20, 20), np.int32)
    mask[2:5, 2:5] = 2
    mask[5, 5] = 2
    mask[15, 10:14] = 2
    x = np.array([3, 6, 11, 18], np.int32)
    y = np.array([3, 6, 14, 18], np.int32)
    np.testing.assert_array_equal(group_peaks(mask, np.int32(2), np.zeros_like(mask), x, y), [1, 1, 2, 0])


SCORE = np.array([1.4, 0.9, 1.8, 1.0])


def assess(image, x, y, shift=0.0):
    significance = image[y, x].astype(float)
    shifts = np.full(x.size, shift)
    return assess_peaks(image, np.ones_like(image), x, y, x.astype(float), y.astype(float), significance, shifts, 1.6, SCORE, 6.6, 12.0)


def test_assess_peaks_keeps_sources_and_drops_bumps():
    image = gaussian_image((120, 160), [(40.3, 60.2, 300), (110, 60, 8), (46, 66, 3.0)], 2.3)
    image += gaussian_image(image.shape, [(40.3, 60.2, 30)], 12)
    image[75, 45] += 1.5
    x, y = np.array([40, 110, 45], np.int32), np.array([60, 60, 75], np.int32)
    np.testing.assert_array_equal(assess(image, x, y), [True, True, False])
    # Faint peaks far from the light around them are doubted, bright ones not.
    np.testing.assert_array_equal(assess(image, x, y, shift=8.0), [True, False, False])


def test_assess_peaks_of_nothing():
    empty = np.empty(0, np.int32)
    assert assess(np.zeros((9, 9), np.float32), empty, empty).size == 0


def test_locate_peaks_finds_the_maximum_of_the_smoothed_image():
    sigma, window = 1.6, 2.2
    image = gaussian_image((61, 61), [(30.3, 29.6, 1.6)], 2.4) + RNG.normal(size=(61, 61)).astype(np.float32)
    filtered = gaussian_filter(image, sigma)
    y, x = (int(i) + 20 for i in np.unravel_index(filtered[20:40, 20:40].argmax(), (20, 20)))
    peak = np.array([x], np.int32), np.array([y], np.int32)
    fx, fy, shift = locate_peaks(filtered, image, np.ones(image.shape, np.uint8), *peak, np.array([5.0]), 12.0, window, 5.0)
    rows, columns = np.mgrid[:61, :61]

    def light(position):
        return (image * np.exp(-0.5 * ((columns - position[0]) ** 2 + (rows - position[1]) ** 2) / window**2)).sum()

    best = minimize(lambda p: -light(p), (fx[0], fy[0]), method="Nelder-Mead", options={"xatol": 1e-4})
    np.testing.assert_allclose([fx[0], fy[0]], best.x, atol=0.03)
    bright = locate_peaks(filtered, image, np.ones(image.shape, np.uint8), *peak, np.array([20.0]), 12.0, window, 5.0)
    assert bright[2][0] == 0
    assert max(abs(bright[0][0] - x), abs(bright[1][0] - y)) <= 0.5
    np.testing.assert_allclose(np.hypot(fx - bright[0], fy - bright[1]), shift)


def test_locate_peaks_finds_the_centre():
    image = gaussian_image((60, 60), [(30.3, 29.6, 100)], 2.0)
    x, y = np.array([29], np.int32), np.array([30], np.int32)
    fx, fy, _ = locate_peaks(image, image, np.ones(image.shape, np.uint8), x, y, np.array([5.0]), 12.0, 2.0, 3.0)
    np.testing.assert_allclose([fx[0], fy[0]], [30.3, 29.6], atol=0.02)


def test_locate_peaks_without_light_stays():
    none = np.zeros((20, 20), np.float32)
    fx, fy, shift = locate_peaks(
        none, none, np.ones(none.shape, np.uint8), np.array([1], np.int32), np.array([18], np.int32), np.array([5.0]), 12.0, 2.2, 2.5
    )
    assert (fx[0], fy[0], shift[0]) == (1.0, 18.0, 0.0)


def test_find_hidden_sees_a_shoulder():
    bright = np.array([40.3]), np.array([50.7]), np.array([500.0])
    alone = gaussian_image((100, 100), [(40.3, 50.7, 500)], 2.3)
    one = np.ones_like(alone)
    there = np.ones(one.shape, np.uint8)
    assert len(find_hidden(alone, one, there, *bright, 1.6, 5.0, 0.03)) == 0
    pair = alone + gaussian_image(alone.shape, [(45.1, 52.5, 40)], 2.3)
    # No peak of its own:
    assert len(scan_peaks(pair, np.ones_like(pair), 5.0)[0]) == 1
    found = find_hidden(pair, one, there, *bright, 1.6, 5.0, 0.03)
    assert len(found) == 1
    assert np.hypot(found[0, 0] - 45.1, found[0, 1] - 52.5) < 1.5
    assert found[0, 3] == 0
    there[52, 45] = 0
    assert len(find_hidden(pair, one, there, *bright, 1.6, 5.0, 0.03)) == 0


def test_flood_follows_the_valley():
    image = gaussian_image((40, 60), [(15, 20, 10), (42, 20, 6)], 5.0)
    labels = np.full(image.shape, -1, np.int32)
    labels[:, -3:] = 0
    seeds = np.array([20, 20], np.int32), np.array([15, 42], np.int32), np.array([1, 2], np.int32)
    one_region = np.zeros(2, np.int64)
    flood_labels(image, labels, *seeds, one_region, np.empty(labels.size, np.int64), np.empty(labels.size, np.float32))
    assert (labels[:, -3:] == 0).all()
    assert set(np.unique(labels[:, :-3])) == {1, 2}
    valley = 15 + np.argmin(image[20, 15:43])
    assert abs(int(np.argmax(labels[20] == 2)) - valley) <= 1


@settings(max_examples=30, deadline=None)
@given(arrays(np.int32, (6, 15), elements=st.integers(-1, 3)))
def test_spans_by_label_is_a_partition(labels):
    rows = np.arange(6, dtype=np.int32)
    label, y, x0, x1 = spans_by_label(labels, rows, np.zeros(6, np.int32), np.full(6, 14, np.int32))
    painted = np.zeros_like(labels)
    for k, row, a, b in zip(label, y, x0, x1):
        assert (painted[row, a : b + 1] == 0).all()
        painted[row, a : b + 1] = k
    np.testing.assert_array_equal(painted, np.maximum(labels, 0))
