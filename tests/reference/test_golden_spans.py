"""SpanSet, Footprint and HeavyFootprint against the vectors of the reference."""

from __future__ import annotations

import numpy as np
import pytest

from skysift.footprint import (
    Footprint,
    PeakCatalog,
    SpanSet,
    boxes_of_footprint,
    make_heavy_footprint,
    merge_footprints,
    merge_heavy_footprints,
)
from skysift.geom import Axes, Box2I
from skysift.image import Image, MaskedImage

STENCILS = ("CIRCLE", "MANHATTAN", "BOX")
CLIP = Box2I((12, 8), (30, 25))


@pytest.fixture(scope="module")
def vectors(golden):
    return golden("spans")


def rows(spans):
    return np.stack([spans.y, spans.x0, spans.x1], axis=1)


def peak_rows(peaks):
    return np.stack([peaks[name] for name in ("i_x", "i_y", "f_x", "f_y", "peakValue")], axis=1).astype(float)


def spans_of(vectors, name):
    return SpanSet.from_array(vectors[f"mask_{name}"])


@pytest.mark.parametrize("name", ["A", "B", "C"])
class TestOneSet:
    def test_from_mask(self, vectors, name):
        np.testing.assert_array_equal(rows(spans_of(vectors, name)), vectors[f"spans_{name}"])
        np.testing.assert_array_equal(rows(SpanSet.from_mask(vectors[f"mask_{name}"].astype(np.int32) * 6, 2)), vectors[f"spans_{name}"])

    def test_split(self, vectors, name):
        parts = spans_of(vectors, name).split()
        expected = vectors[f"split_{name}"]
        np.testing.assert_array_equal(np.concatenate([np.full(len(part), i) for i, part in enumerate(parts)]), expected[:, 0])
        np.testing.assert_array_equal(np.concatenate([rows(part) for part in parts]), expected[:, 1:])

    def test_properties(self, vectors, name):
        spans = spans_of(vectors, name)
        assert [int(spans.is_contiguous), spans.area] == vectors[f"contig_{name}"].tolist()
        assert [*spans.bbox.min, *spans.bbox.extent] == vectors[f"bbox_{name}"].tolist()
        moments = [*spans.centroid, spans.shape.ixx, spans.shape.iyy, spans.shape.ixy]
        np.testing.assert_allclose(moments, vectors[f"cs_{name}"], rtol=1e-10)

    def test_clip_shift_edges(self, vectors, name):
        spans = spans_of(vectors, name)
        np.testing.assert_array_equal(rows(spans.clipped_to(CLIP)), vectors[f"clip_{name}"])
        np.testing.assert_array_equal(rows(spans.shifted_by(-7, 3))[:5], vectors[f"shift_{name}"])
        np.testing.assert_array_equal(rows(spans.edge_pixels()), vectors[f"edges_{name}"])


@pytest.mark.parametrize("stencil", STENCILS)
@pytest.mark.parametrize("r", [1, 2, 3, 5])
@pytest.mark.parametrize("name", ["A", "B"])
def test_dilated_eroded(vectors, name, r, stencil):
    spans = spans_of(vectors, name)
    np.testing.assert_array_equal(rows(spans.dilated(r, stencil)), vectors[f"dil_{name}_{stencil}_{r}"])
    np.testing.assert_array_equal(rows(spans.eroded(r, stencil)), vectors[f"ero_{name}_{stencil}_{r}"])


@pytest.mark.parametrize("stencil", STENCILS)
@pytest.mark.parametrize("r", [0, 1, 2, 3, 5, 8])
def test_from_shape(vectors, r, stencil):
    np.testing.assert_array_equal(rows(SpanSet.from_shape(r, stencil)), vectors[f"shape_{stencil}_{r}"])


@pytest.mark.parametrize("pair", ["AB", "BA", "AC"])
def test_algebra(vectors, pair):
    a, b = (spans_of(vectors, name) for name in pair)
    np.testing.assert_array_equal(rows(a | b), vectors[f"union_{pair}"])
    np.testing.assert_array_equal(rows(a & b), vectors[f"intersect_{pair}"])
    np.testing.assert_array_equal(rows(a - b), vectors[f"intersectNot_{pair}"])


@pytest.mark.parametrize("i", range(5))
def test_from_ellipse(vectors, i):
    a, b, theta, x, y = vectors["ellipse_par"][i]
    found = SpanSet.from_ellipse(Axes(a, b, theta), (x, y))
    np.testing.assert_array_equal(rows(found), vectors[f"ellipse_{i}"])
    assert found == SpanSet.from_ellipse(Axes(a, b, theta).quadrupole, (x, y))


@pytest.fixture
def footprint(vectors):
    footprint = Footprint(spans_of(vectors, "A"))
    for peak in vectors["fp_peaks_in"]:
        footprint.add_peak(*peak)
    return footprint


class TestFootprint:
    def test_peaks(self, vectors, footprint):
        np.testing.assert_array_equal(peak_rows(footprint.peaks), vectors["fp_peaks"])
        footprint.sort_peaks()
        np.testing.assert_array_equal(peak_rows(footprint.peaks), vectors["fp_peaks_sorted"])

    def test_split(self, vectors, footprint):
        footprint.sort_peaks()
        parts = footprint.split()
        spans = np.concatenate([np.insert(rows(part.spans), 0, i, axis=1) for i, part in enumerate(parts)])
        peaks = np.concatenate([np.insert(peak_rows(part.peaks), 0, i, axis=1) for i, part in enumerate(parts)])
        np.testing.assert_array_equal(spans, vectors["fp_split_spans"])
        np.testing.assert_array_equal(peaks, vectors["fp_split_peaks"])

    def test_moments(self, vectors, footprint):
        shape = footprint.shape
        np.testing.assert_allclose([*footprint.centroid, shape.ixx, shape.iyy, shape.ixy, footprint.area], vectors["fp_cs"], rtol=1e-10)

    def test_clip(self, vectors, footprint):
        footprint.clip_to(CLIP)
        np.testing.assert_array_equal(rows(footprint.spans), vectors["fp_clip_spans"])
        np.testing.assert_array_equal(peak_rows(footprint.peaks), vectors["fp_clip_peaks"])

    @pytest.mark.parametrize(("name", "stencil"), [("iso", "circle"), ("noiso", "manhattan")])
    def test_dilate(self, vectors, footprint, name, stencil):
        footprint.dilate(3, stencil)
        np.testing.assert_array_equal(rows(footprint.spans), vectors[f"fp_dilate_{name}_3"])

    def test_boxes(self, vectors, footprint):
        boxes = [[*box.min, *box.max] for box in boxes_of_footprint(footprint)]
        np.testing.assert_array_equal(boxes, vectors["bboxlist_A"])


def planes(image, mask, variance):
    return MaskedImage(Image(image.copy()), mask.copy(), variance.copy())


@pytest.fixture
def heavy(vectors, footprint):
    image, mask, variance = vectors["img"], vectors["imgmask"], vectors["var"]
    footprint.sort_peaks()
    other = Footprint(spans_of(vectors, "B"))
    for row in vectors["merge_peaks"]:
        if row[:2].tolist() in ([35, 25], [50, 26]):
            other.add_peak(row[2], row[3], row[4])
    return (
        make_heavy_footprint(footprint, planes(image, mask, variance)),
        make_heavy_footprint(other, planes(2 * image + 1, mask ^ 3, variance + 1)),
    )


class TestHeavy:
    def test_pixels(self, vectors, heavy):
        np.testing.assert_array_equal(heavy[0].image_array, vectors["heavy_A"])

    def test_dot(self, vectors, heavy):
        a, b = heavy
        np.testing.assert_allclose([a.dot(b), b.dot(a), a.dot(a)], vectors["heavy_dot"], rtol=1e-6)

    def test_merge(self, vectors, heavy):
        merged = merge_heavy_footprints(*heavy)
        np.testing.assert_array_equal(rows(merged.spans), vectors["heavy_merge_spans"])
        np.testing.assert_allclose(merged.image_array, vectors["heavy_merge_img"], rtol=1e-6)
        np.testing.assert_array_equal(merged.mask_array, vectors["heavy_merge_mask"])
        np.testing.assert_allclose(merged.variance_array, vectors["heavy_merge_var"], rtol=1e-6)
        np.testing.assert_array_equal(peak_rows(merged.peaks), vectors["heavy_merge_peaks"])

    def test_merge_light(self, vectors, heavy):
        merged = merge_footprints(*heavy)
        np.testing.assert_array_equal(rows(merged.spans), vectors["merge_spans"])
        np.testing.assert_array_equal(peak_rows(merged.peaks), vectors["merge_peaks"])
        assert merged.peaks == PeakCatalog(merged.peaks.array[::-1])
