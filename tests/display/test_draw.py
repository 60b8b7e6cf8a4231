from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from skysift.display import draw_footprints, draw_image, draw_mask, reduce_image
from skysift.footprint import Footprint, SpanSet
from skysift.image import Image, Mask


def axes():
    return Figure().subplots()


def test_reduced_image_keeps_the_mean_and_leaves_nan_out():
    array = np.arange(35.0 * 41).reshape(35, 41)
    array[:10, :10] = np.nan
    reduced, factor = reduce_image(array, 10)
    assert factor == 5
    assert reduced.shape == (7, 9)
    assert np.isnan(reduced[0, 0])
    assert reduced[3, 3] == pytest.approx(array[15:20, 15:20].mean())
    assert reduced[3, 8] == pytest.approx(array[15:20, 40:41].mean())


@pytest.mark.parametrize("stretch", ["asinh", "linear", "log"])
@pytest.mark.parametrize("content", ["noise", "constant", "nan"])
def test_any_image_can_be_drawn_in_its_own_frame(stretch, content):
    values = {
        "noise": np.random.default_rng(1).normal(5, 2, (30, 40)),
        "constant": np.full((30, 40), 3.0),
        "nan": np.full((30, 40), np.nan),
    }
    panel = axes()
    draw_image(panel, Image(values[content].astype(np.float32), (100, 200)), stretch=stretch)
    assert panel.images[0].get_extent() == [99.5, 139.5, 199.5, 229.5]


def test_unknown_stretch_names_the_known_ones():
    with pytest.raises(ValueError, match="asinh"):
        draw_image(axes(), Image(np.zeros((3, 3), np.float32)), stretch="sqrt")


def test_mask_planes_get_a_legend():
    array = np.zeros((20, 20), np.int32)
    mask = Mask(array)
    mask.set("SAT", np.eye(20, dtype=bool))
    panel = axes()
    draw_mask(panel, mask)
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["SAT"]
    assert len(panel.images) == 1


def test_outline_of_a_footprint_is_closed_and_of_the_right_length():
    spans = SpanSet.from_array(np.array([[0, 1, 1, 0], [1, 1, 0, 1]], bool), (5, 7))
    panel = axes()
    draw_footprints(panel, [Footprint(spans)])
    segments = np.array(panel.collections[0].get_segments())
    # Pixels of 2 + 2 + 1 in three runs: every unit edge between in and out, once.
    inside = np.pad(np.array([[0, 1, 1, 0], [1, 1, 0, 1]], bool), 1)
    edges = np.count_nonzero(inside[1:] != inside[:-1]) + np.count_nonzero(inside[:, 1:] != inside[:, :-1])
    assert len(segments) == edges
    ends, counts = np.unique(segments.reshape(-1, 2), axis=0, return_counts=True)
    assert (counts % 2 == 0).all()
    assert ends[:, 0].min() == 4.5
    assert ends[:, 1].max() == 8.5
