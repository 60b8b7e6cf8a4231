from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from skysift.errors import InputError
from skysift.footprint import (
    Footprint,
    FootprintControl,
    FootprintMergeList,
    FootprintSet,
    HeavyFootprint,
    PeakCatalog,
    SpanSet,
    Threshold,
    flatten_footprints,
    from_tables,
    make_peaks,
    to_tables,
)
from skysift.geom import Box2I
from skysift.image import Exposure, Image, Mask, MaskedImage

examples = settings(max_examples=40, deadline=None)
MASKS = st.tuples(st.integers(1, 12), st.integers(1, 15)).flatmap(lambda shape: arrays(bool, shape))


def masked_image(image, xy0=(0, 0)):
    return MaskedImage(Image(np.asarray(image, np.float32), xy0), variance=np.ones(np.shape(image), np.float32))


def empty_mask(shape, xy0=(0, 0)):
    return Mask(np.zeros(shape, np.int32), xy0)


def two_blobs(gap):
    """Two blobs of 4 x 3 pixels, each with one peak, and `gap` columns between them."""
    image = np.zeros((20, 40), np.float32)
    y, x = np.mgrid[-1:2, -1:3]
    for start, peak in ((5, 20), (9 + gap, 30)):
        blob = image[8:11, start : start + 4]
        blob[...] = 10 - abs(x) - abs(y)
        blob[1, 1] = peak
    return image


class TestDetect:
    def test_sets_the_plane_and_adds_it(self):
        pixels = masked_image(two_blobs(5), (100, 50))
        found = FootprintSet.detect(pixels, Threshold(5.0, "PIXEL_STDEV"), plane="NEW")
        assert len(found) == 2
        np.testing.assert_array_equal(pixels.mask.has("NEW"), two_blobs(5) > 5)
        assert pixels.mask.counts()["NEW"] == 24
        assert found.region == Box2I((100, 50), (40, 20))
        assert found[0].bbox == Box2I((105, 58), (4, 3))
        assert found[0].region == found.region
        assert found.n_peaks == 2

    def test_nan_splits_a_footprint(self):
        image = np.full((7, 9), 10, np.float32)
        image[:, 4] = np.nan
        assert len(FootprintSet.detect(image, Threshold(5))) == 2

    def test_plateau_of_two_pixels_has_two_peaks(self):
        image = np.zeros((7, 9), np.float32)
        image[3, 3:6] = 6
        image[3, 4:6] = 9
        peaks = FootprintSet.detect(image, Threshold(5))[0].peaks
        assert sorted(zip(peaks["i_x"].tolist(), peaks["i_y"].tolist())) == [(4, 3), (5, 3)]

    def test_include_multiplier(self):
        found = FootprintSet.detect(two_blobs(5), Threshold(5, include_multiplier=5))
        assert [footprint.bbox.min_x for footprint in found] == [14]

    def test_peak_on_the_border_is_a_fallback(self):
        image = np.zeros((6, 6), np.float32)
        image[0, 2] = 9
        image[0, 3] = 8
        found = FootprintSet.detect(image, Threshold(5))
        assert found[0].peaks["i_x"].tolist() == [2]

    def test_masks(self):
        mask = empty_mask((5, 6), (10, 20))
        mask.array[1:3, 1] = 6
        mask.array[4, 4:] = 2
        assert [f.area for f in FootprintSet.detect(mask, Threshold(2, "bitmask"))] == [2, 2]
        assert [f.area for f in FootprintSet.detect(mask, Threshold(3, "value"))] == [2]
        assert [f.bbox.min_y for f in FootprintSet.detect(mask, Threshold(6, "bitmask"), min_pixels=2)] == [21, 24]
        assert FootprintSet.detect(mask, Threshold(2, "bitmask")).n_peaks == 0
        pixels = masked_image(np.zeros((5, 6)), (10, 20))
        pixels.mask = mask
        assert len(FootprintSet.detect(pixels, Threshold(4, "bitmask"))) == 1

    @pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (1, 1)])
    def test_tiny_images(self, shape):
        found = FootprintSet.detect(np.zeros(shape), Threshold(1))
        assert len(found) == 0
        assert len(found.grown(3)) == 0
        assert found.insert_into_image().shape == found.region.shape
        assert FootprintSet.detect(np.ones((1, 1)), Threshold(1)).n_peaks == 1

    @pytest.mark.parametrize("kind", ["value", "stdev", "pixel_stdev"])
    def test_all_nan(self, kind):
        assert len(FootprintSet.detect(masked_image(np.full((5, 5), np.nan)), Threshold(1, kind))) == 0

    def test_exposures(self):
        exposure = Exposure.from_arrays(two_blobs(5), 4.0, xy0=(3, 4))
        found = FootprintSet.detect(exposure, Threshold(2.5, "pixel_stdev"), plane="DETECTED")
        assert len(found) == 2
        assert exposure.mask.counts()["DETECTED"] == 24
        assert len(FootprintSet.detect(exposure[found[1].bbox.grown(1)], Threshold(5))) == 1

    def test_any_layout(self):
        image = two_blobs(5)
        expected = FootprintSet.detect(image, Threshold(5)).footprints
        for other in (image.astype(">f8"), np.asfortranarray(image), image.astype(int), np.repeat(image, 2, axis=1)[:, ::2]):
            assert FootprintSet.detect(other, Threshold(5)).footprints == expected
        assert [len(f.peaks) for f in FootprintSet.detect(image, Threshold(5), find_peaks=False)] == [0, 0]

    @pytest.mark.parametrize(
        "make",
        [
            lambda: Threshold(5, "sigma"),
            lambda: FootprintSet.detect(np.zeros(5), Threshold(5)),
            lambda: FootprintSet.detect(np.zeros((5, 5)), Threshold(5, "pixel_stdev")),
            lambda: FootprintSet.detect(np.zeros((5, 5)), Threshold(5), plane="DETECTED"),
            lambda: FootprintSet.detect(empty_mask((5, 5)), Threshold(5, "stdev")),
            lambda: FootprintSet.from_segmentation(np.zeros((5, 5))),
            lambda: FootprintSet.detect(two_blobs(5), Threshold(5)).with_peaks(np.zeros((5, 5))),
            lambda: FootprintSet.detect(two_blobs(5), Threshold(5)).grown(-1),
            lambda: FootprintSet.detect(two_blobs(5), Threshold(5)).merge(FootprintSet.detect(np.zeros((5, 5)), Threshold(5))),
        ],
    )
    def test_errors_are_one_line(self, make):
        with pytest.raises(InputError) as caught:
            make()
        assert str(caught.value)
        assert "\n" not in str(caught.value)


class TestGrow:
    def test_touching_footprints_become_one(self):
        found = FootprintSet.detect(two_blobs(6), Threshold(5))
        assert len(found.grown(2)) == 2
        assert len(found.grown(3)) == 1
        assert found.grown(3)[0].peaks["peakValue"].tolist() == [30, 20]
        assert found.grown(3).region == found.region
        assert len(found) == 2

    @given(MASKS, st.integers(1, 5), st.booleans())
    @examples
    def test_against_distances(self, mask, r, isotropic):
        rng = np.random.default_rng(mask.size)
        image = np.where(mask, rng.permutation(mask.size).reshape(mask.shape) + 5, 0)
        found = FootprintSet.detect(image, Threshold(5))
        grown = found.grown(r, isotropic=isotropic)
        if not mask.any():
            assert len(grown) == 0
            return
        if isotropic:
            near = np.rint(ndimage.distance_transform_edt(~mask) ** 2) <= r * r
        else:
            near = ndimage.distance_transform_cdt(~mask, "taxicab") <= r
        label, n = ndimage.label(near, np.ones((3, 3)))
        assert len(grown) == n
        painted = grown.insert_into_image()
        np.testing.assert_array_equal(painted > 0, near)
        peaks = found.arrays.peaks
        for footprint in grown:
            here = label[footprint.spans.y[0], footprint.spans.x0[0]]
            mine = peaks[label[peaks["i_y"], peaks["i_x"]] == here]
            np.testing.assert_array_equal(footprint.peaks["peakValue"], np.sort(mine["peakValue"])[::-1])
            assert (np.diff(label[footprint.spans.indices()]) == 0).all()

    def test_directions(self):
        image = np.zeros((15, 15), np.float32)
        image[7, 7] = 9
        found = FootprintSet.detect(image, Threshold(5))
        left_up = found.grown(3, control=FootprintControl(left=True, up=True))[0].spans
        assert left_up == SpanSet([7, 8, 9, 10], [4, 7, 7, 7], [7, 7, 7, 7])
        right_down = found.grown(2, control=FootprintControl(right=True, down=True))[0].spans
        assert right_down == SpanSet([5, 6, 7], [7, 7, 7], [7, 7, 9])

    def test_footprints_that_stick_out(self):
        region = Box2I((0, 0), (10, 10))
        inside = Footprint(SpanSet.from_shape(1, offset=(5, 5)), PeakCatalog(make_peaks([5], [5], [1])))
        crossing = Footprint(SpanSet.from_shape(2, offset=(0, 0)), PeakCatalog(make_peaks([0], [0], [2])))
        beyond = Footprint(SpanSet.from_shape(1, offset=(-2, 8)), PeakCatalog(make_peaks([-2], [8], [3])))
        far = Footprint(SpanSet.from_shape(1, offset=(-50, 8)), PeakCatalog(make_peaks([-50], [8], [4])))
        grown = FootprintSet([inside, crossing, beyond, far], region).grown(1)
        assert sorted(footprint.peaks["peakValue"].tolist() for footprint in grown) == [[1.0], [2.0], [3.0]]
        assert all(region.contains(footprint.bbox) for footprint in grown)

    def test_unknown_region_does_not_clip(self):
        grown = FootprintSet([Footprint(SpanSet.from_shape(1, offset=(-5, 5)))]).grown(2)
        assert grown[0].spans == SpanSet.from_shape(1).dilated(2).shifted_by(-5, 5)

    def test_zero_is_a_copy(self):
        found = FootprintSet.detect(two_blobs(3), Threshold(5))
        copy = found.grown(0)
        assert copy.footprints == found.footprints
        copy[0].peaks["f_x"] += 1
        assert copy.footprints != found.footprints

    def test_merge(self):
        a = FootprintSet.detect(two_blobs(6), Threshold(5))
        b = FootprintSet.detect(np.roll(two_blobs(6), 3, axis=0), Threshold(5))
        a.merge(b)
        assert [f.area for f in a] == [24, 24]
        assert [f.peaks["peakValue"].tolist() for f in a] == [[20, 20], [30, 30]]
        a.merge(b, 3)
        assert len(a) == 1


class TestHandedOut:
    def test_changes_are_seen(self):
        found = FootprintSet.detect(two_blobs(6), Threshold(5))
        found[0].dilate(1)
        found[1].peaks["significance"] = 7
        found[1].add_peak(20, 9, 3.0)
        assert found.arrays.area.tolist() == [26, 12]
        assert found.arrays.n_peaks.tolist() == [1, 2]
        assert found.arrays.peaks["significance"][1] == 7
        found[0].peaks["significance"] = 5
        assert found.arrays.peaks["significance"][0] == 5
        assert (found.insert_into_image() > 0).sum() == found.arrays.area.sum()

    def test_region_reaches_all(self):
        found = FootprintSet.detect(two_blobs(6), Threshold(5))
        first = found[0]
        found.region = Box2I((0, 0), (100, 100))
        assert first.region == found[1].region == found.region == Box2I((0, 0), (100, 100))

    def test_the_same_footprint_in_two_sets(self):
        footprint = Footprint(SpanSet.from_shape(1), PeakCatalog(make_peaks([0], [0], [1])))
        a, b = FootprintSet([footprint]), FootprintSet([footprint])
        footprint.peaks["significance"] = 3
        footprint.dilate(1)
        for found in (a, b):
            assert found.arrays.peaks["significance"].tolist() == [3]
            assert found.arrays.area.tolist() == [footprint.area]

    def test_assignment_and_indexing(self):
        found = FootprintSet.detect(two_blobs(6), Threshold(5))
        last = found[-1]
        assert found[1] is last
        found.footprints = [last]
        assert len(found) == 1
        assert found[0] is last
        with pytest.raises(IndexError):
            found[1]
        assert "1 footprints" in repr(found)

    @pytest.mark.parametrize("touched", [False, True])
    def test_pickling(self, touched):
        found = FootprintSet.detect(two_blobs(6), Threshold(5))
        if touched:
            found[0].dilate(1)
        again = pickle.loads(pickle.dumps(found))
        assert again.footprints == found.footprints
        assert again.region == found.region
        again[1].peaks["significance"] = 4
        assert again.arrays.peaks["significance"][1] == 4

    def test_heavy(self):
        pixels = masked_image(two_blobs(6))
        found = FootprintSet.detect(pixels, Threshold(5))
        found.make_heavy(pixels)
        assert all(footprint.is_heavy for footprint in found)
        assert found[0].image_array.max() == 20
        copy = found.copy()
        copy[0].image_array[:] = 0
        assert found[0].image_array.max() == 20


class TestPainting:
    def test_overlaps_add_in_images_and_join_in_masks(self):
        box = Box2I((0, 0), (9, 9))
        found = FootprintSet([Footprint(SpanSet.from_shape(2, offset=(3, 4))), Footprint(SpanSet.from_shape(2, offset=(5, 4)))], box)
        image = found.insert_into_image()
        assert image[4].tolist() == [0, 1, 1, 3, 3, 3, 2, 2, 0]
        mask = empty_mask((5, 12), (4, 2))
        mask.array[...] = 1
        strided = Mask(np.zeros((5, 24), np.int32)[:, ::2], (4, 2))
        for target in (mask, strided):
            found.set_mask(target, "NEW")
            np.testing.assert_array_equal(target.has("NEW")[:, :5], image[2:7, 4:] > 0)
        assert (mask.array & 1).all()

    @given(arrays(np.int16, st.tuples(st.integers(0, 8), st.integers(0, 9)), elements=st.integers(-1, 4)))
    @examples
    def test_segmentation_round_trip(self, labels):
        found = FootprintSet.from_segmentation(labels, (5, -7))
        numbers = np.unique(labels[labels > 0])
        assert len(found) == numbers.size
        expected = np.zeros(labels.shape, int)
        for i, number in enumerate(numbers):
            expected[labels == number] = i + 1
            assert found[i].spans == SpanSet.from_array(labels == number, (5, -7))
        if labels.size:
            np.testing.assert_array_equal(found.insert_into_image(), expected)

    def test_peaks_of_a_segmentation(self):
        image = two_blobs(6)
        found = FootprintSet.detect(image, Threshold(5))
        again = FootprintSet.from_segmentation(found.insert_into_image()).with_peaks(image)
        assert again.footprints == found.footprints
        assert again.with_peaks(-image, polarity=False)[0].peaks["peakValue"].tolist() == [-20]
        holes = FootprintSet([Footprint(), *found], found.region).with_peaks(image)
        assert [len(f.peaks) for f in holes] == [0, 1, 1]


class TestArrays:
    def test_flatten_takes_none_for_empty(self):
        found = FootprintSet.detect(two_blobs(6), Threshold(5))
        arrays = flatten_footprints([None, *found, None])
        assert len(arrays) == 4
        assert arrays.area.tolist() == [0, 12, 12, 0]
        assert arrays.n_peaks.tolist() == [0, 1, 1, 0]
        assert arrays.region == found.region
        assert arrays.peak_footprint.tolist() == [1, 2]
        assert arrays.span_footprint.tolist() == [1] * 3 + [2] * 3
        assert arrays.footprint(2) == found[1]
        assert len(flatten_footprints([])) == 0

    def test_flatten_refuses_mixed_peaks(self):
        a = Footprint(peaks=PeakCatalog(make_peaks([1], [1], [1])))
        b = Footprint(peaks=PeakCatalog(make_peaks([1], [1], [1])).with_columns([("merge_peak_g", "?")]))
        with pytest.raises(InputError, match="different columns"):
            flatten_footprints([a, b])


class TestTables:
    def test_round_trip(self):
        pixels = masked_image(two_blobs(6) + np.random.default_rng(1).random((20, 40)), (7, 8))
        light = FootprintSet.detect(pixels, Threshold(5)).footprints
        heavy = FootprintSet.detect(pixels, Threshold(15))
        heavy.make_heavy(pixels)
        footprints = [light[0], heavy[0], Footprint(), light[1], heavy[1]]
        tables = to_tables([*footprints[:2], None, *footprints[3:]])
        big = {name: table.astype(table.dtype.newbyteorder(">")) for name, table in tables.items()}
        for again in (from_tables(tables), from_tables(big)):
            assert again == footprints
            assert [f.is_heavy for f in again] == [False, True, False, False, True]
            assert [f.region for f in again] == [f.region for f in footprints]
            for i in (1, 4):
                assert isinstance(again[i], HeavyFootprint)
                for name in ("image_array", "mask_array", "variance_array"):
                    np.testing.assert_array_equal(getattr(again[i], name), getattr(footprints[i], name))
            assert again[0].peaks["id"].dtype == np.dtype("i8")

    def test_nothing(self):
        assert from_tables(to_tables([])) == []

    @pytest.mark.parametrize("name", ["footprint", "span", "peak", "pixel"])
    def test_damage_is_noticed(self, name):
        pixels = masked_image(two_blobs(6))
        found = FootprintSet.detect(pixels, Threshold(5))
        found.make_heavy(pixels)
        tables = to_tables(found.footprints)
        with pytest.raises(InputError, match="tables of footprints"):
            from_tables({**tables, name: tables[name][:-1]})
        with pytest.raises(InputError, match=f"lack {name}"):
            from_tables({key: table for key, table in tables.items() if key != name})


class TestMergeList:
    def test_bands_apart_and_together(self):
        merged = FootprintMergeList(["g", "r", "sky"])
        assert len(merged.arrays) == 0
        assert merged.flags.shape == (0, 3)
        for band, gap in (("g", 6), ("r", 20)):
            merged.add(FootprintSet.detect(two_blobs(gap), Threshold(5)), band, min_new_peak=2.0, max_same_peak=1.0)
        merged.add(FootprintSet.detect(two_blobs(20), Threshold(5)), "sky", min_new_peak=2.0, merge=False)
        assert merged.flags.tolist() == [[1, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]]
        found = FootprintSet.from_arrays(merged.arrays)
        assert [f.bbox.min_x for f in found] == [5, 15, 29, 5, 29]
        assert merged.arrays.peaks["id"].tolist() == [1, 2, 3, 4, 5]
        assert merged.arrays.peaks["merge_peak_r"].tolist() == [1, 0, 1, 0, 0]

    def test_images_of_different_places(self):
        merged = FootprintMergeList(["g", "r"])
        for band, xy0 in (("g", (0, 0)), ("r", (-30, -500))):
            image = Image(two_blobs(6), xy0)
            merged.add(FootprintSet.detect(image, Threshold(5)), band, min_new_peak=1.0)
        assert [tuple(f.bbox.min) for f in FootprintSet.from_arrays(merged.arrays)] == [(5, 8), (15, 8), (-25, -492), (-15, -492)]

    def test_catalogues(self):
        from skysift import table

        schema = table.Schema.source()
        merged = FootprintMergeList(["g", "r"], schema)
        catalog = table.SourceCatalog(schema)
        FootprintSet.detect(two_blobs(6), Threshold(5)).make_sources(catalog)
        catalog["parent"][1] = 1
        merged.add(catalog, "g", min_new_peak=1.0)
        merged.add(FootprintSet.detect(two_blobs(6), Threshold(5)), "r", min_new_peak=1.0, max_same_peak=0.5)
        result = table.SourceCatalog(schema)
        merged.make_sources(result)
        assert result["merge_footprint_g"].tolist() == [True, False]
        assert result["merge_footprint_r"].tolist() == [True, True]
        assert result.footprints[0].area == 12
        merged.clear()
        assert len(merged.flags) == 0

    def test_unknown_bands(self):
        with pytest.raises(InputError, match="unknown band"):
            FootprintMergeList(["g"]).add(FootprintSet(), "r")
        with pytest.raises(InputError, match="must differ"):
            FootprintMergeList(["g", "g"])
