"""Noise replacement: the same pixels by both ways, and an exposure that is as it was."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.errors import InputError
from skysift.footprint import Footprint, HeavyFootprint, PeakCatalog, SpanSet, flatten_footprints, make_peaks
from skysift.image import Exposure
from skysift.measure import MeasurementConfig, NoiseReplacer, NoiseReplacerConfig, Plugin, measure, measurement_schema, register
from skysift.measure.noise import hide_sources, make_overlay, source_pixels
from skysift.table import SourceCatalog


def _exposure(shape=(40, 50), seed=0, xy0=(0, 0)):
    rng = np.random.default_rng(seed)
    exposure = Exposure.from_arrays(rng.normal(3.0, 2.0, shape), rng.uniform(3.0, 5.0, shape), xy0=xy0)
    exposure.id = 11
    return exposure


def _circle(x, y, r, kind=Footprint, **arrays):
    return kind(SpanSet.from_shape(r, offset=(x, y)), PeakCatalog(make_peaks([x], [y], [1.0])), **arrays)


def test_restores_bit_for_bit():
    exposure = _exposure()
    exposure.image.array[3, 4] = np.nan
    before = exposure.image.array.copy()
    mask = exposure.mask.array.copy()
    planes = dict(exposure.mask.planes)
    replacer = NoiseReplacer(None, exposure, {1: (0, _circle(10, 12, 4)), 2: (0, _circle(14, 12, 4))})
    assert (exposure.image.array[12, 8:12] != before[12, 8:12]).all()
    replacer.insert_source(1)
    np.testing.assert_array_equal(exposure.image.array[12, 8:12], before[12, 8:12])
    assert exposure.mask.has("THISDET")[12, 10]
    assert exposure.mask.has("OTHERDET")[12, 17]
    replacer.remove_source(1)
    assert not exposure.mask.has("THISDET").any()
    replacer.end()
    np.testing.assert_array_equal(exposure.image.array.view(np.int32), before.view(np.int32))
    np.testing.assert_array_equal(exposure.mask.array, mask)
    assert dict(exposure.mask.planes) == planes


def test_removal_does_not_depend_on_the_order():
    footprints = {1: (0, _circle(10, 12, 5)), 2: (0, _circle(14, 12, 5)), 3: (0, _circle(12, 15, 5))}
    results = []
    for order in ((1, 2, 3), (3, 1, 2)):
        exposure = _exposure()
        replacer = NoiseReplacer(NoiseReplacerConfig(), exposure, footprints)
        clean = exposure.image.array.copy()
        for id in order:
            replacer.insert_source(id)
            replacer.remove_source(id)
        np.testing.assert_array_equal(exposure.image.array, clean)
        results.append(clean)
    np.testing.assert_array_equal(*results)


@settings(max_examples=25, deadline=None)
@given(data=st.data(), x0=st.integers(-20, 20), y0=st.integers(-20, 20))
def test_round_trip(data, x0, y0):
    circle = st.tuples(st.integers(-5, 55), st.integers(-5, 45), st.integers(0, 8))
    circles = data.draw(st.lists(circle, max_size=6))
    exposure = _exposure(xy0=(x0, y0))
    before = exposure.image.array.copy()
    footprints = {k + 1: (0, _circle(x + x0, y + y0, r)) for k, (x, y, r) in enumerate(circles)}
    with NoiseReplacer(None, exposure, footprints) as replacer:
        for k, (_, footprint) in footprints.items():
            replacer.insert_source(k)
            inside = footprint.spans.clipped_to(exposure.bbox)
            iy, ix = inside.indices()
            np.testing.assert_array_equal(exposure.image.array[iy - y0, ix - x0], before[iy - y0, ix - x0])
            replacer.remove_source(k)
    np.testing.assert_array_equal(exposure.image.array, before)


def test_children_show_their_own_pixels_and_their_parents_otherwise():
    exposure = _exposure()
    parent, child = _circle(20, 20, 6), _circle(18, 20, 2)
    pixels = np.arange(child.spans.area, dtype=np.float32) + 1000
    heavy = HeavyFootprint(child.spans, child.peaks, image_array=pixels)
    before = exposure.image.array.copy()
    replacer = NoiseReplacer(None, exposure, {1: (0, parent), 2: (1, heavy), 3: (1, _circle(22, 20, 2))})
    replacer.insert_source(2)
    iy, ix = child.spans.indices()
    np.testing.assert_array_equal(exposure.image.array[iy, ix], pixels)
    assert (exposure.image.array[20, 22:25] != before[20, 22:25]).all()
    replacer.remove_source(2)
    replacer.insert_source(3)
    np.testing.assert_array_equal(exposure.image.array[20, 15:26], before[20, 15:26])
    replacer.remove_source(3)
    replacer.end()
    np.testing.assert_array_equal(exposure.image.array, before)


def test_heavy_pixels_beyond_the_image_are_left_out():
    image = np.zeros((10, 10), np.float32)
    spans = SpanSet.from_shape(3, offset=(0, 5))
    iy, ix = spans.indices()
    heavy = HeavyFootprint(spans, None, image_array=(100 * iy + ix).astype(np.float32))
    pixels = source_pixels(image, 0, 0, flatten_footprints([heavy]), None, [heavy])
    inside = (ix >= 0) & (iy >= 0)
    np.testing.assert_array_equal(pixels.values, (100 * iy + ix)[inside])


def test_unknown_parent_and_unknown_source():
    with pytest.raises(InputError, match="parent 9"):
        NoiseReplacer(None, _exposure(), {1: (9, _circle(5, 5, 2))})
    with pytest.raises(KeyError):
        NoiseReplacer(None, _exposure(), {1: (0, _circle(5, 5, 2))}).insert_source(2)


def test_kinds_of_noise():
    shape = (300, 300)
    rng = np.random.default_rng(1)
    image = rng.normal(7.0, 2.0, shape).astype(np.float32)
    variance = np.full(shape, 9.0, np.float32)
    spans = np.array([[y, 0, 299] for y in range(0, 300, 2)], np.int32)
    replaced = np.s_[::2]

    def level(source, offset=0.0, metadata=(), **options):
        config = NoiseReplacerConfig()
        config.noiseSource = source
        config.noiseOffset = offset
        clean, _ = hide_sources(image, variance, spans, config, 3, dict(metadata), **options)
        np.testing.assert_array_equal(clean[1::2], image[1::2])
        return clean[replaced].mean(), clean[replaced].std()

    assert level("measure") == pytest.approx((7.0, 2.0), abs=0.05)
    assert level("variance") == pytest.approx((0.0, 3.0), abs=0.05)
    assert level("variance_median", 5.0) == pytest.approx((5.0, 3.0), abs=0.05)
    assert level("meta", metadata={"BGMEAN": 25.0}.items()) == pytest.approx((0.0, 5.0), abs=0.08)
    assert level("meta") == pytest.approx((7.0, 2.0), abs=0.05)
    assert level("measure", noise_image=np.full(shape, 4.0, np.float32)) == pytest.approx((4.0, 0.0))


def test_noise_depends_on_the_exposure_only():
    exposure = _exposure()
    spans = np.array([[5, 5, 30]], np.int32)
    arguments = (exposure.image.array, exposure.variance.array, spans, NoiseReplacerConfig())
    first, _ = hide_sources(*arguments, 4, {})
    np.testing.assert_array_equal(first, hide_sources(*arguments, 4, {})[0])
    assert (first[5, 5:31] != hide_sources(*arguments, 5, {})[0][5, 5:31]).all()
    np.testing.assert_array_equal(hide_sources(*arguments, None, {})[0], hide_sources(*arguments, 0, {})[0])


def test_noise_is_normal_and_does_not_depend_on_the_other_sources():
    shape = (400, 500)
    image, variance = np.zeros(shape, np.float32), np.ones(shape, np.float32)
    config = NoiseReplacerConfig()
    config.noiseSource = "variance"
    everywhere = np.array([[y, 0, 499] for y in range(400)], np.int32)
    clean, _ = hide_sources(image, variance, everywhere, config, 7, {})
    assert scipy.stats.kstest(clean.ravel(), "norm").pvalue > 0.01
    assert clean.std() == pytest.approx(1.0, abs=0.005)
    for shift in ((0, 1), (1, 0), (1, 1)):
        assert abs(np.mean(clean * np.roll(clean, shift, (0, 1)))) < 0.01
    some, hidden = hide_sources(image, variance, np.array([[9, 3, 20], [9, 10, 30], [200, 7, 7]], np.int32), config, 7, {})
    np.testing.assert_array_equal(some[9, 3:31], clean[9, 3:31])
    assert some[200, 7] == clean[200, 7]
    assert np.count_nonzero(some) == 29
    np.testing.assert_array_equal(hidden, np.r_[clean[9, 3:21], clean[9, 10:31], clean[200, 7]])


def test_an_image_without_finite_pixels():
    image = np.full((5, 5), np.nan, np.float32)
    clean, _ = hide_sources(image, image, np.array([[2, 1, 3]], np.int32), NoiseReplacerConfig(), 1, {})
    np.testing.assert_array_equal(clean[2, 1:4], 0.0)


@register("test_Snapshot", order=0.0)
class Snapshot(Plugin):
    """Keeps what each source looks like."""

    images: list = []

    def fields(self, schema):
        schema.add_field(f"{self.name}_x", "D", "x")
        schema.add_field(f"{self.name}_y", "D", "y")

    def measure(self, batch):
        for i in range(len(batch)):
            with batch.visible(i) as exposure:
                self.images.append(exposure.image.array.copy())


def test_measurement_sees_what_the_replacer_shows():
    exposure = _exposure()
    before = exposure.image.array.copy()
    parent, first, second = _circle(20, 20, 8), _circle(17, 20, 3), _circle(23, 20, 3)
    heavy = [HeavyFootprint(f.spans, f.peaks, image_array=np.full(f.spans.area, k, np.float32)) for k, f in ((50, first), (60, second))]
    footprints = [parent, *heavy, _circle(40, 10, 4)]
    config = MeasurementConfig()
    config.plugins.names = ["test_Snapshot"]
    for slot in config.slots.toDict():
        setattr(config.slots, slot, None)
    catalog = SourceCatalog(measurement_schema(config), 4)
    catalog["id"] = [1, 2, 3, 4]
    catalog["parent"] = [0, 1, 1, 0]
    catalog.footprints = footprints
    Snapshot.images.clear()
    measure(exposure, catalog, config)
    np.testing.assert_array_equal(exposure.image.array, before)
    replacer = NoiseReplacer(None, exposure, {id: (parent, f) for id, parent, f in zip((1, 2, 3, 4), (0, 1, 1, 0), footprints)})
    for id, seen in zip((1, 2, 3, 4), Snapshot.images):
        replacer.insert_source(id)
        np.testing.assert_array_equal(exposure.image.array, seen)
        replacer.remove_source(id)
    replacer.end()


def test_nothing_is_hidden_without_noise():
    image = np.arange(100, dtype=np.float32).reshape(10, 10)
    pixels = source_pixels(image, 0, 0, flatten_footprints([_circle(5, 5, 2)]))
    view = make_overlay(image, pixels, None)
    np.testing.assert_array_equal(view.image, image)
    assert view.first[0] == view.last[0]
