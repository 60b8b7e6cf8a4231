"""The compiled kernels of detection against plain numpy."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import convolve, maximum_filter

from skysift.kernels.detection import (
    assess_peaks,
    find_hidden,
    group_peaks,
    normalize_filtered,
    prepare_pixels,
    refine_positions,
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


SCORE = np.array([1.1, 0.55, 1.1])


def test_assess_peaks_keeps_sources_and_drops_bumps():
    image = gaussian_image((120, 160), [(40.3, 60.2, 300), (110, 60, 8), (46, 66, 3.0)], 2.3)
    image += gaussian_image(image.shape, [(40.3, 60.2, 30)], 12)
    image[75, 45] += 1.5
    x, y = np.array([40, 110, 45], np.int32), np.array([60, 60, 75], np.int32)
    keep, fx, fy = assess_peaks(image, np.ones_like(image), x, y, image[y, x].astype(float), 1.6, SCORE, 5.8)
    np.testing.assert_array_equal(keep, [True, True, False])
    np.testing.assert_allclose([fx[0], fy[0]], [40.3, 60.2], atol=0.01)


def test_assess_peaks_of_nothing():
    empty = np.empty(0, np.int32)
    keep, fx, fy = assess_peaks(np.zeros((9, 9), np.float32), np.ones((9, 9), np.float32), empty, empty, np.empty(0), 1.6, SCORE, 5.8)
    assert keep.size == fx.size == fy.size == 0


def test_find_hidden_sees_a_shoulder():
    bright = np.array([40.3]), np.array([50.7]), np.array([500.0])
    alone = gaussian_image((100, 100), [(40.3, 50.7, 500)], 2.3)
    one = np.ones_like(alone)
    assert len(find_hidden(alone, one, one, *bright, 1.6, 5.0, 0.03)) == 0
    pair = alone + gaussian_image(alone.shape, [(45.1, 52.5, 40)], 2.3)
    # No peak of its own:
    assert len(scan_peaks(pair, np.ones_like(pair), 5.0)[0]) == 1
    found = find_hidden(pair, one, one, *bright, 1.6, 5.0, 0.03)
    assert len(found) == 1
    assert np.hypot(found[0, 0] - 45.1, found[0, 1] - 52.5) < 1.5
    assert found[0, 3] == 0
    one[52, 45] = 0
    assert len(find_hidden(pair, np.ones_like(one), one, *bright, 1.6, 5.0, 0.03)) == 0


def test_refine_positions_finds_the_centre():
    image = gaussian_image((60, 60), [(30.3, 29.6, 100)], 2.0)
    x, y = np.array([29.0, 5.0]), np.array([30.5, 5.0])
    refine_positions(image, x, y, 2.0, 3.0)
    np.testing.assert_allclose([x[0], y[0]], [30.3, 29.6], atol=0.02)
    assert (x[1], y[1]) == (5.0, 5.0)


def test_flood_follows_the_valley():
    image = gaussian_image((40, 60), [(15, 20, 10), (42, 20, 6)], 5.0)
    labels = np.full(image.shape, -1, np.int32)
    labels[:, -3:] = 0
    seeds = np.array([20, 20], np.int32), np.array([15, 42], np.int32), np.array([1, 2], np.int32)
    flood_labels(image, labels, *seeds, np.empty(labels.size, np.int64), np.empty(labels.size, np.float32))
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
