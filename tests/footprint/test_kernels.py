"""The kernels against plain statements of themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from skysift.kernels.label import find_footprints, find_peaks, label_mask, label_spans
from skysift.kernels.merge import merge_footprint_lists
from skysift.kernels.spans import dilate_spans, paint_spans

NO_VARIANCE = np.empty((0, 0), np.float32)
SHAPES = st.tuples(st.integers(0, 9), st.integers(0, 19))
MASKS = SHAPES.flatmap(lambda shape: arrays(bool, shape))
examples = settings(max_examples=60, deadline=None)


def runs_of(mask):
    """Rows (y, x0, x1) of a mask, pixel by pixel."""
    runs = []
    for y, row in enumerate(mask):
        x = 0
        while x < row.size:
            start = x
            while x < row.size and row[x]:
                x += 1
            if x > start:
                runs.append((y, start, x - 1))
            x += 1
    return np.array(runs, np.int32).reshape(-1, 3)


def columns(rows):
    return tuple(np.ascontiguousarray(rows[:, i]) for i in range(3))


def regions_of(mask, structure):
    """Masks of the connected regions by first pixel."""
    label, n = ndimage.label(mask, structure)
    regions = [label == i + 1 for i in range(n)]
    return sorted(regions, key=lambda region: int(np.flatnonzero(region)[0]))


def assert_regions(y, x0, x1, offset, regions):
    assert offset[0] == 0
    assert offset.size == len(regions) + 1
    assert offset[-1] == y.size
    for i, region in enumerate(regions):
        rows = np.stack([y, x0, x1], axis=1)[offset[i] : offset[i + 1]]
        np.testing.assert_array_equal(rows, runs_of(region))


def peaks_of(image, region, sign):
    """Peaks of a region: (value, x, y), sorted."""
    height, width = image.shape
    signed = sign * image
    found = []
    for y, x in np.argwhere(region):
        inner = 0 < y < height - 1 and 0 < x < width - 1
        if inner and not (signed[y - 1 : y + 2, x - 1 : x + 2] > signed[y, x]).any():
            found.append((image[y, x], x, y))
    if not found:
        y, x = max(np.argwhere(region).tolist(), key=lambda p: signed[p[0], p[1]])
        found = [(image[y, x], x, y)]
    return sorted(found, key=lambda p: (-p[0], p[1], p[2]))


@given(MASKS)
@examples
def test_label_mask(mask):
    assert_regions(*label_mask(mask), regions_of(mask, np.ones((3, 3))))


@given(MASKS, st.sampled_from([0, 1]))
@examples
def test_label_spans(mask, reach):
    rows = runs_of(mask)
    label, count = label_spans(*columns(rows), reach)
    regions = regions_of(mask, np.ones((3, 3)) if reach else None)
    assert count == len(regions)
    for i, region in enumerate(regions):
        np.testing.assert_array_equal(rows[label == i], runs_of(region))


def test_a_spiral_is_one_region():
    mask = np.zeros((41, 41), bool)
    y = x = 0
    mask[0, 0] = True
    dy, dx = 0, 1
    for length in [40, *[n for n in range(40, 0, -2) for _ in (0, 1)]]:
        for _ in range(length):
            y, x = y + dy, x + dx
            mask[y, x] = True
        dy, dx = dx, -dy
    assert label_mask(mask)[3].size == 2
    assert label_spans(*columns(runs_of(mask)), 0)[1] == 1


values = st.sampled_from([-9.0, -6.0, -3.0, -2.5, -1.0, 0.0, 1.0, 2.5, 3.0, 5.0, 7.5, 9.0, float("nan"), float("inf")])


@given(
    st.data(),
    SHAPES,
    st.booleans(),
    st.booleans(),
    st.sampled_from([-1.0, 0.0, 1.0, 2.5, 5.0]),
    st.sampled_from([1.0, 1.5]),
    st.integers(0, 4),
)
@examples
def test_find_footprints(data, shape, per_pixel, negative, threshold, multiplier, min_pixels):
    image = data.draw(arrays(np.float32, shape, elements=values))
    variance = NO_VARIANCE
    noise = np.ones(shape)
    if per_pixel and image.size:
        variance = data.draw(arrays(np.float32, shape, elements=st.sampled_from([0.0, 1.0, 4.0, 9.0, -1.0, float("nan"), float("inf")])))
        with np.errstate(invalid="ignore"):
            noise = np.sqrt(variance.astype(np.float64))
    sign = -1.0 if negative else 1.0
    with np.errstate(invalid="ignore"):
        above = sign * image >= threshold * noise
        bright = sign * image >= threshold * multiplier * noise
    regions = [r for r in regions_of(above, np.ones((3, 3))) if r.sum() >= min_pixels and (multiplier == 1.0 or bright[r].any())]
    found = find_footprints(image, threshold, variance, negative, multiplier, min_pixels, 30, -20)
    y, x0, x1, offset, peak_x, peak_y, value, peak_offset = found
    assert_regions(y + 20, x0 - 30, x1 - 30, offset, regions)
    for i, region in enumerate(regions):
        part = slice(peak_offset[i], peak_offset[i + 1])
        peaks = list(zip(value[part].tolist(), (peak_x[part] - 30).tolist(), (peak_y[part] + 20).tolist()))
        assert peaks == peaks_of(image, region, sign)


def test_many_equal_peaks_are_sorted():
    image = np.full((60, 50), 2, np.float32)
    *_, peak_x, peak_y, _, peak_offset = find_footprints(image, 1.0, NO_VARIANCE, False, 1.0, 1, 0, 0)
    assert peak_offset.tolist() == [0, 58 * 48]
    np.testing.assert_array_equal(np.stack([peak_x, peak_y], 1), [(x, y) for x in range(1, 49) for y in range(1, 59)])


def test_many_peaks_are_sorted_by_value():
    image = np.random.default_rng(3).random((80, 90), dtype=np.float32) + 1
    *_, value, peak_offset = find_footprints(image, 0.5, NO_VARIANCE, False, 1.0, 1, 0, 0)
    assert peak_offset[1] > 500
    assert (np.diff(value) <= 0).all()


def test_peaks_of_given_footprints_ignore_nan():
    image = np.full((5, 5), np.nan, np.float32)
    image[2, 3] = -4
    rows = runs_of(np.ones((5, 5), bool))
    x, y, value, offset = find_peaks(image, False, *columns(rows), np.array([0, 5]))
    assert (x.tolist(), y.tolist(), value.tolist(), offset.tolist()) == ([3], [2], [-4.0], [0, 1])


@given(MASKS, st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3), st.integers(0, 2)), max_size=5), st.booleans())
@examples
def test_dilate_spans(mask, stencil, clip):
    rows = runs_of(mask)
    # Order and overlap of the input must not matter.
    rows = np.concatenate([rows[::-1], rows[:2]])
    s = np.array([(dy, x0, x0 + width) for dy, x0, width in stencil], np.int32).reshape(-1, 3)
    pad = 0 if clip else 6
    box = (-pad, -pad, mask.shape[1] - 1 + pad, mask.shape[0] - 1 + pad)
    found = dilate_spans(*columns(rows), *columns(s), *box)
    expected = np.zeros((max(box[3] - box[1] + 1, 0), max(box[2] - box[0] + 1, 0)), bool)
    for y, x in np.argwhere(mask):
        for dy, x0, x1 in s:
            for dx in range(x0, x1 + 1):
                v, u = y + dy - box[1], x + dx - box[0]
                if 0 <= v < expected.shape[0] and 0 <= u < expected.shape[1]:
                    expected[v, u] = True
    np.testing.assert_array_equal(np.stack(found, axis=1) + [pad, pad, pad], runs_of(expected))


@pytest.mark.parametrize("add", [True, False])
def test_paint_spans(add):
    rng = np.random.default_rng(1)
    y, x0, value = (rng.integers(-4, 14, 40).astype(np.int32) for _ in range(3))
    x1 = x0 + rng.integers(0, 6, 40).astype(np.int32)
    value = np.abs(value)
    image = np.zeros((8, 9), np.int32)
    paint_spans(image, y, x0, x1, value, -2, 1, add)
    expected = np.zeros((40, 40), np.int32)
    for row, a, b, v in zip(y, x0, x1, value):
        target = expected[row + 10, a + 10 : b + 11]
        target[...] = target + v if add else target | v
    np.testing.assert_array_equal(image, expected[11:19, 8:17])


def merged_by_sets(lists, near, far):
    """The rules of merging, with Python sets of pixels: (pixels, bits, [(x, y, bits)])."""

    def add_peaks(old, new):
        before = [peak[:2] for peak in old]
        for x, y, bits in new:
            distance = [np.hypot(x - u, y - v) for u, v in before]
            nearest = int(np.argmin(distance)) if before else -1
            if before and distance[nearest] < near:
                old[nearest][2] |= bits
            elif far >= 0 and (not before or distance[nearest] > far):
                old.append([x, y, bits])

    merges = []
    for bit, footprints in lists:
        for pixels, peaks in footprints:
            hits = [m for m in merges if m[0] & pixels]
            if not hits:
                merges.append([set(pixels), bit, [[x, y, bit] for x, y in peaks]])
                continue
            first = hits[0]
            for other in hits[1:]:
                first[0] |= other[0]
                first[1] |= other[1]
                add_peaks(first[2], other[2])
                merges = [m for m in merges if m is not other]
            first[0] |= pixels
            first[1] |= bit
            add_peaks(first[2], [(x, y, bit) for x, y in peaks])
    return merges


@given(st.integers(0, 10_000), st.sampled_from([(-1.0, 1.0), (1.5, 2.0), (1.5, -1.0), (0.5, 0.0)]))
@examples
def test_merge_footprint_lists(seed, limits):
    rng = np.random.default_rng(seed)
    near, far = limits
    lists = []
    flat, peaks, sizes, peak_sizes, firsts = [], [], [], [], []
    for i in range(3):
        footprints = []
        firsts.append(len(sizes))
        for _ in range(rng.integers(0, 8)):
            x, y, w, h = *rng.integers(0, 25, 2), *rng.integers(1, 7, 2)
            rows = [(row, x, x + w - 1) for row in range(y, y + h)]
            spots = [(int(x + rng.integers(w)), int(y + rng.integers(h))) for _ in range(rng.integers(0, 4))]
            footprints.append(({(row, c) for row, a, b in rows for c in range(a, b + 1)}, spots))
            flat += rows
            peaks += spots
            sizes.append(h)
            peak_sizes.append(len(spots))
        lists.append((1 << i, footprints))
    n, n_peaks = len(sizes), len(peaks)
    spans = np.array(flat, np.int32).reshape(-1, 3)
    spots = np.array(peaks, np.int32).reshape(-1, 2)
    offset, peak_offset = (np.cumsum([0, *v]).astype(np.int64) for v in (sizes, peak_sizes))
    labels = np.zeros((32, 32), np.int32)
    parent = np.arange(n, dtype=np.int32)
    bits, peak_bits = np.zeros(n, np.int64), np.zeros(n_peaks, np.int64)
    head, tail, following = np.full(n, -1, np.int32), np.full(n, -1, np.int32), np.full(n_peaks, -1, np.int32)
    for i, first in enumerate(firsts):
        last = [*firsts, n][i + 1]
        merge_footprint_lists(
            labels, *columns(spans), offset[: last + 1], *(np.ascontiguousarray(spots[:, k]) for k in (0, 1)), peak_offset[: last + 1],
            first, 1 << i, near, far, True, parent, bits, head, tail, following, peak_bits,
        )  # fmt: skip
    expected = merged_by_sets(lists, near, far)
    roots = np.flatnonzero(parent == np.arange(n))
    assert roots.size == len(expected)
    for root, (pixels, flag, old) in zip(roots, expected):
        chain = []
        p = head[root]
        while p >= 0:
            chain.append([*spots[p].tolist(), int(peak_bits[p])])
            p = following[p]
        assert chain == old
        assert bits[root] == flag
        assert set(map(tuple, np.argwhere(np.isin(labels, 1 + np.flatnonzero(_roots(parent) == root))).tolist())) == pixels


def _roots(parent):
    root = parent.copy()
    while (root[root] != root).any():
        root = root[root]
    return root
