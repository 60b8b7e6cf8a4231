"""FootprintSet, growing and merging against the vectors of the reference."""

from __future__ import annotations

import re

import numpy as np
import pytest

from skysift.footprint import FootprintMergeList, FootprintSet, Threshold
from skysift.geom import Box2I
from skysift.image import Image, MaskedImage

SETS = [
    f"set_{kind}_np{n}"
    for kind in (
        "VALUE_2_pos", "VALUE_3_pos", "VALUE_5_pos", "VALUE_2_neg", "STDEV_1_pos", "STDEV_0.7_neg",
        "VARIANCE_1.2_pos", "PIXEL_STDEV_2.5_pos", "PIXEL_STDEV_2.5_neg",
    )
    for n in (1, 10)
]  # fmt: skip


@pytest.fixture(scope="module")
def vectors(golden):
    return golden("footprints")


def masked_image(vectors):
    return MaskedImage(Image(vectors["img"].copy()), variance=vectors["var"].copy())


def by_first_pixel(spans, peaks):
    """Footprints of packed rows, in raster order of their first pixels: each a pair of span rows and peak rows."""
    n = int(spans[:, 0].max()) + 1 if len(spans) else 0
    parts = [(spans[spans[:, 0] == i, 1:], peaks[peaks[:, 0] == i, 1:]) for i in range(n)]
    return sorted(parts, key=lambda part: tuple(part[0][0, :2]))


def assert_same(found, spans, peaks):
    expected = by_first_pixel(spans, peaks)
    assert len(found) == len(expected)
    for footprint, (span_rows, peak_rows) in zip(found, expected):
        np.testing.assert_array_equal(np.stack([footprint.spans.y, footprint.spans.x0, footprint.spans.x1], axis=1), span_rows)
        np.testing.assert_array_equal(np.stack([footprint.peaks[k] for k in ("i_x", "i_y", "f_x", "f_y")], axis=1), peak_rows[:, :4])
        np.testing.assert_allclose(footprint.peaks["peakValue"], peak_rows[:, 4], rtol=1e-6)


@pytest.mark.parametrize("name", SETS)
def test_detect(vectors, name):
    kind, value, sign, n = re.fullmatch(r"set_(\w+)_([\d.]+)_(pos|neg)_np(\d+)", name).groups()
    found = FootprintSet.detect(masked_image(vectors), Threshold(float(value), kind, sign == "pos"), min_pixels=int(n))
    assert_same(found, vectors[f"{name}_spans"], vectors[f"{name}_peaks"])


@pytest.mark.parametrize(("name", "value", "n"), [("VALUE_3", 3, 1), ("BOTH_2", 2, 1), ("VALUE_3", 3, 10), ("BOTH_2", 2, 10)])
def test_detect_plain_image(vectors, name, value, n):
    found = FootprintSet.detect(vectors["img"], Threshold(value), min_pixels=n)
    assert_same(found, vectors[f"img_{name}_np{n}_spans"], vectors[f"img_{name}_np{n}_peaks"])


def test_detect_bits(vectors):
    found = FootprintSet.detect(vectors["mask"], Threshold(3, "bitmask"))
    assert_same(found, vectors["bitmask_spans"], vectors["bitmask_peaks"])


def test_plateau(vectors):
    assert_same(FootprintSet.detect(vectors["plateau_img"], Threshold(1)), vectors["plateau_spans"], vectors["plateau_peaks"])


def test_offset_image(vectors):
    cut = Image(vectors["img"].copy())[Box2I((20, 10), (70, 50))]
    assert_same(FootprintSet.detect(cut, Threshold(3)), vectors["xy0_spans"], vectors["xy0_peaks"])


@pytest.mark.parametrize("isotropic", [True, False])
@pytest.mark.parametrize("r", [1, 2, 3, 5])
def test_grown(vectors, r, isotropic):
    name = f"grow_{r}_{'iso' if isotropic else 'noiso'}"
    grown = FootprintSet.detect(vectors["img"], Threshold(3)).grown(r, isotropic=isotropic)
    assert_same(grown, vectors[f"{name}_spans"], vectors[f"{name}_peaks"])


def test_merge(vectors):
    found = FootprintSet.detect(vectors["img"], Threshold(3))
    found.merge(FootprintSet.detect(vectors["img"], Threshold(2, polarity=False)), 2, 1, isotropic=False)
    assert_same(found, vectors["merge_spans"], vectors["merge_peaks"])


def test_set_mask(vectors):
    mask = np.zeros(vectors["img"].shape, np.int32)
    bits, n = vectors["setmask_bits"].tolist()
    FootprintSet.detect(vectors["img"], Threshold(3)).set_mask(mask, bits)
    assert np.count_nonzero(mask == bits) == n
    assert np.count_nonzero(mask) == n


@pytest.mark.parametrize(("new", "same"), [(5, 1.5), (3, 1), (0.5, 0.4), (-1, 1.5), (5, -1)])
def test_merge_list(vectors, new, same):
    merged = FootprintMergeList(["A", "B", "C"])
    for name, image in zip("ABC", ("img", "img_B", "img_C")):
        merged.add(FootprintSet.detect(vectors[image], Threshold(3)), name, min_new_peak=new, max_same_peak=same)
    stem = f"fml_{new}_{same}_0"
    found = merged.arrays
    spans = np.stack([found.span_footprint, found.y, found.x0, found.x1], axis=1)
    np.testing.assert_array_equal(spans, vectors[f"{stem}_spans"])
    peaks = np.stack([found.peak_footprint, *(found.peaks[k] for k in ("i_x", "i_y", "f_x", "f_y", "peakValue"))], axis=1)
    np.testing.assert_allclose(peaks, vectors[f"{stem}_peaks"], rtol=1e-6)
    np.testing.assert_array_equal(np.stack([found.peaks[f"merge_peak_{name}"] for name in "ABC"], axis=1), vectors[f"{stem}_peakflags"])
    np.testing.assert_array_equal(merged.flags, vectors[f"{stem}_fpflags"])
