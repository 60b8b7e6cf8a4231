from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skysift.errors import InputError
from skysift.footprint import (
    Footprint,
    HeavyControl,
    HeavyFootprint,
    PeakCatalog,
    SpanSet,
    boxes_of_footprint,
    make_heavy_footprint,
    make_peaks,
    merge_footprints,
    merge_heavy_footprints,
)
from skysift.geom import AffineTransform, Box2I, LinearTransform, Point2D, Point2I
from skysift.image import Image, MaskedImage

BOX = Box2I((10, 20), (14, 11))
STENCILS = ["circle", "manhattan", "box"]
examples = settings(max_examples=30, deadline=None)


def disc(r=3, x=15, y=25, peaks=((15, 25, 9.0), (13, 25, 12.0))):
    footprint = Footprint(SpanSet.from_shape(r, offset=(x, y)), region=BOX)
    for peak in peaks:
        footprint.add_peak(*peak)
    return footprint


def planes(seed=1):
    rng = np.random.default_rng(seed)
    return MaskedImage(
        Image(rng.normal(size=BOX.shape).astype(np.float32), BOX.min),
        rng.integers(0, 8, BOX.shape).astype(np.int32),
        rng.random(BOX.shape, dtype=np.float32),
    )


class TestPeaks:
    def test_records_are_views(self):
        peaks = PeakCatalog(make_peaks([3, 5], [4, 6], [1.5, 2.5], first_id=7))
        record = peaks[-1]
        assert (record.id, record.i, record.f, record.peak_value) == (8, Point2I(5, 6), Point2D(5, 6), 2.5)
        assert (record.i_x, record.i_y, record.f_x, record.f_y) == (5, 6, 5.0, 6.0)
        record["f_x"] = 5.25
        assert peaks["f_x"].tolist() == [3.0, 5.25]
        assert [peak.id for peak in peaks] == [7, 8]
        with pytest.raises(IndexError):
            peaks[2]

    def test_selection_and_columns(self):
        peaks = PeakCatalog(make_peaks([3, 5, 7], [4, 6, 8], [1, 2, 3]))
        assert peaks[peaks["peakValue"] > 1]["i_x"].tolist() == [5, 7]
        assert peaks[1:]["id"].tolist() == [2, 3]
        wide = peaks.with_columns([("merge_peak_g", "?"), ("id", "i8")])
        assert wide.names == (*peaks.names, "merge_peak_g")
        wide["merge_peak_g"] = True
        assert wide.as_astropy()["merge_peak_g"].all()
        with pytest.raises(InputError, match="cannot join"):
            wide.extend(peaks)

    def test_append_truncates_and_extend_joins(self):
        peaks = PeakCatalog()
        peaks.append(3.9, -0.5, 1.0)
        assert (peaks["i_x"].tolist(), peaks["i_y"].tolist()) == ([3], [0])
        peaks.extend(peaks.copy())
        peaks.extend([peaks[0]])
        assert len(peaks) == 3
        assert np.isnan(peaks["significance"]).all()

    def test_sort_is_stable_and_puts_nan_last(self):
        peaks = PeakCatalog(make_peaks([1, 2, 3, 4], [0] * 4, [5, np.nan, 9, 5]))
        peaks.sort()
        assert peaks["i_x"].tolist() == [3, 1, 4, 2]
        peaks.sort("i_x", descending=False)
        assert peaks["i_x"].tolist() == [1, 2, 3, 4]

    def test_positions_far_out_are_exact(self):
        peaks = PeakCatalog()
        peaks.append(2.0**24 + 1, 0, 1)
        assert peaks["f_x"][0] == 2**24 + 1

    def test_wrong_array(self):
        with pytest.raises(InputError, match="structured array"):
            PeakCatalog(np.zeros(3))


class TestFootprint:
    def test_empty(self):
        empty = Footprint()
        assert (empty.area, len(empty.peaks), empty.is_heavy, empty.is_contiguous) == (0, 0, False, True)
        assert empty.bbox.is_empty
        empty.dilate(2)
        empty.erode(2)
        empty.clip_to(BOX)
        assert empty == Footprint()
        assert empty.split() == [empty]
        assert boxes_of_footprint(empty) == []

    def test_equality_ignores_the_order_of_peaks(self):
        a, b = disc(), disc(peaks=((13, 25, 12.0), (15, 25, 9.0)))
        assert a == b
        b.add_peak(16, 25, 1.0)
        assert a != b
        assert a != disc(r=2)

    def test_shift(self):
        footprint = disc()
        footprint.shift(3, -2)
        assert footprint == disc(x=18, y=23, peaks=((18, 23, 9.0), (16, 23, 12.0)))

    def test_erode_drops_orphans(self):
        footprint = disc()
        footprint.erode(2)
        assert footprint.spans == SpanSet.from_shape(1, offset=(15, 25))
        assert footprint.peaks["i_x"].tolist() == [15]

    def test_erosion_and_dilation_open_a_shape(self):
        footprint = disc(4)
        footprint.spans = footprint.spans | SpanSet([25], [10], [25])
        footprint.erode(1)
        footprint.dilate(1)
        assert footprint.spans == SpanSet.from_shape(4, offset=(15, 25)).eroded(1).dilated(1)

    def test_intersect(self):
        half = disc().intersect(SpanSet.from_box(Box2I((14, 0), (50, 50))))
        assert half.bbox.min_x == 14
        assert half.peaks["i_x"].tolist() == [15]
        assert len(disc().intersect(half.spans, copy_peaks=False).peaks) == 0

    def test_copies_are_apart(self):
        a = disc()
        b = a.copy()
        b.peaks["f_x"] += 1
        b.dilate(1)
        assert a == disc()

    def test_flux_and_significance(self):
        pixels = planes()
        footprint = disc()
        assert footprint.compute_flux(pixels.image) == pytest.approx(footprint.spans.flatten(pixels.image).sum())
        assert footprint.compute_flux(pixels.image.array, BOX.min) == footprint.compute_flux(pixels.image)
        footprint.update_peak_significance(3.0)
        assert footprint.peaks["significance"].tolist() == [3.0, 4.0]
        pixels.variance.array[5, 5] = 4.0
        pixels.variance.array[5, 3] = 0.0
        footprint.update_peak_significance(pixels.variance, polarity=False)
        assert footprint.peaks["significance"].tolist() == [-4.5, -np.inf]

    def test_transformed(self):
        turn = AffineTransform(LinearTransform.rotation(np.pi), (30.0, 50.0))
        turned = disc().transformed(turn, BOX)
        assert turned.spans == SpanSet.from_shape(3, offset=(15, 25))
        assert turned.peaks["f_x"] == pytest.approx([15.0, 17.0])
        assert turned.region == BOX
        assert disc().transformed(turn, Box2I((0, 0), (15, 60))).bbox.max_x == 14
        assert disc().transformed(turn, Box2I(), clip=False).area == disc().area

    def test_transformed_between_coordinate_systems(self):
        class Grid:
            def __init__(self, scale):
                self.scale = scale

            def pixel_to_sky(self, x, y):
                return np.asarray(x) * self.scale, np.asarray(y) * self.scale

            def sky_to_pixel(self, ra, dec):
                return np.asarray(ra) / self.scale, np.asarray(dec) / self.scale

        wide = disc().transformed((Grid(1.0), Grid(0.5)), Box2I((0, 0), (100, 100)))
        assert wide.peaks["i_x"].tolist() == [30, 26]
        assert wide.area == pytest.approx(4 * disc().area, rel=0.05)

    def test_pickling(self):
        copy = pickle.loads(pickle.dumps(disc()))
        assert copy == disc()
        assert copy.region == BOX
        assert "2 peaks, area 29" in repr(copy)

    def test_merge(self):
        merged = merge_footprints(disc(), disc(x=18, peaks=((18, 25, 10.0),)))
        assert merged.peaks["peakValue"].tolist() == [12.0, 10.0, 9.0]
        assert merged.spans == disc().spans | disc(x=18).spans


@given(arrays(bool, st.tuples(st.integers(0, 9), st.integers(0, 9))))
@examples
def test_boxes_cover_exactly(mask):
    spans = SpanSet.from_array(mask, (3, 4))
    boxes = boxes_of_footprint(Footprint(spans))
    assert sum(box.area for box in boxes) == spans.area
    union = SpanSet()
    for box in boxes:
        union |= SpanSet.from_box(box)
    assert union == spans


class TestHeavy:
    def test_pixels_are_copied(self):
        pixels = planes()
        heavy = make_heavy_footprint(disc(), pixels)
        assert heavy.is_heavy
        assert heavy == disc()
        expected = heavy.spans.flatten(pixels.image)
        pixels.image.array[...] = 0
        np.testing.assert_array_equal(heavy.image_array, expected)
        assert heavy.mask_bits_set == np.bitwise_or.reduce(heavy.spans.flatten(pixels.mask))

    def test_control_changes_the_source(self):
        pixels = planes()
        heavy = make_heavy_footprint(disc(), pixels, HeavyControl(modify_source=True, image_value=7, mask_bits=2, variance_value=5))
        inside = heavy.spans.as_array(BOX.shape, BOX.min)
        assert (pixels.image.array[inside] == 7).all()
        assert (pixels.variance.array[inside] == 5).all()
        assert (pixels.mask.array[inside] & 2 == 0).all()
        np.testing.assert_array_equal(pixels.mask.array[inside] | heavy.mask_array & 2, heavy.mask_array)
        assert (pixels.image.array[~inside] != 7).all()
        heavy.insert(pixels)
        for plane, original in zip(("image", "mask", "variance"), (planes().image, planes().mask, planes().variance)):
            np.testing.assert_array_equal(getattr(pixels, plane).array, original.array)

    def test_insert_outside(self):
        heavy = make_heavy_footprint(disc(), planes())
        heavy.shift(-6, 0)
        target = Image(np.zeros(BOX.shape, np.float32), BOX.min)
        with pytest.raises(InputError, match="not inside"):
            heavy.insert(target)
        heavy.insert(target, clip=True)
        part = heavy.intersect(SpanSet.from_box(BOX))
        assert 0 < part.area < heavy.area
        np.testing.assert_array_equal(part.spans.flatten(target), part.image_array)
        assert np.count_nonzero(target.array) == part.area

    @given(st.integers(0, 4), st.sampled_from(STENCILS), st.booleans())
    @examples
    def test_pixels_follow_the_shape(self, r, stencil, grow):
        pixels = planes()
        heavy = make_heavy_footprint(disc(4), pixels)
        before = heavy.extract_image(0.0, BOX)
        (heavy.dilate if grow else heavy.erode)(r, stencil)
        light = disc(4)
        (light.dilate if grow else light.erode)(r, stencil)
        assert heavy == light
        assert heavy.image_array.shape == heavy.mask_array.shape == heavy.variance_array.shape == (heavy.area,)
        inside = heavy.spans.as_array(BOX.shape, BOX.min)
        np.testing.assert_array_equal(heavy.extract_image(0.0, BOX), np.where(inside, before, 0))
        new = heavy.spans.pixel_index(*(heavy.spans - disc(4).spans).indices()[::-1])
        for name in ("image_array", "mask_array", "variance_array"):
            assert not getattr(heavy, name)[new].any()

    def test_clip_shift_copy_split(self):
        heavy = make_heavy_footprint(disc(), planes())
        clipped = heavy.copy()
        clipped.clip_to(Box2I((14, 0), (50, 50)))
        np.testing.assert_array_equal(clipped.image_array, clipped.spans.flatten(planes().image))
        moved = heavy.copy()
        moved.shift(100, 3)
        np.testing.assert_array_equal(moved.image_array, heavy.image_array)
        heavy.spans = heavy.spans - SpanSet.from_box(Box2I((15, 0), (1, 50)))
        left, right = heavy.split()
        for part in (left, right):
            assert part.is_heavy
            np.testing.assert_array_equal(part.image_array, part.spans.flatten(planes().image))
        assert len(left.peaks) == 1

    def test_extract_image(self):
        heavy = make_heavy_footprint(disc(2), planes())
        stamp = heavy.extract_image()
        assert stamp.shape == (5, 5)
        np.testing.assert_array_equal(np.isnan(stamp), ~heavy.spans.as_array())
        corner = heavy.extract_image(-1.0, Box2I((15, 25), (10, 10)))
        np.testing.assert_array_equal(corner[0, :3], heavy.spans.flatten(planes().image)[heavy.spans.pixel_index([15, 16, 17], [25] * 3)])
        assert (corner[3:] == -1).all()

    def test_dot_and_merge(self):
        a, b = make_heavy_footprint(disc(), planes()), make_heavy_footprint(disc(2, x=17, peaks=()), planes(2))
        x, y = a.extract_image(0.0, BOX).astype(float), b.extract_image(0.0, BOX).astype(float)
        assert a.dot(b) == pytest.approx((x * y).sum())
        assert a.dot(HeavyFootprint()) == 0.0
        merged = merge_heavy_footprints(a, b)
        np.testing.assert_allclose(merged.extract_image(0.0, BOX), x + y, rtol=1e-6)
        assert merged.mask_bits_set == a.mask_bits_set | b.mask_bits_set

    def test_empty_and_wrong_sizes(self):
        assert HeavyFootprint().mask_bits_set == 0
        assert HeavyFootprint(SpanSet.from_shape(1)).image_array.tolist() == [0] * 5
        with pytest.raises(InputError, match="for a footprint of 5 pixels"):
            HeavyFootprint(SpanSet.from_shape(1), image_array=np.zeros(4))
        with pytest.raises(InputError, match="not inside"):
            make_heavy_footprint(Footprint(SpanSet.from_shape(3)), planes())

    def test_pickling(self):
        heavy = make_heavy_footprint(disc(), planes())
        copy = pickle.loads(pickle.dumps(heavy))
        assert isinstance(copy, HeavyFootprint)
        assert copy == heavy
        np.testing.assert_array_equal(copy.image_array, heavy.image_array)
        np.testing.assert_array_equal(copy.mask_array, heavy.mask_array)
