"""Statistics against the LSST library."""

from __future__ import annotations

import numpy as np
import pytest

from skysift.image import Image, Mask, MaskedImage
from skysift.statistics import StatisticsControl, make_statistics


def row(stats, columns):
    return np.array([stats.error(c[:-3]) if c.endswith("err") else stats.value(c) for c in columns])


def check(stats, expected, columns, skip=()):
    use = [i for i, c in enumerate(columns) if c not in skip]
    np.testing.assert_allclose(row(stats, columns)[use], expected[use], rtol=1e-6, atol=1e-9)


@pytest.fixture
def stats_data(golden):
    return golden("stats")


@pytest.fixture
def columns(stats_data):
    return [str(c) for c in stats_data["columns"]]


def masked_image(g):
    return MaskedImage(Image(g["in_a"].astype(np.float32)), Mask(g["in_mask"]), Image(g["in_var"]))


@pytest.mark.parametrize("index", range(9))
def test_clipping_parameters(stats_data, columns, index):
    nsigma, niter = stats_data["clip_params"][index]
    control = StatisticsControl(num_sigma_clip=nsigma, num_iter=int(niter))
    check(make_statistics(Image(stats_data["in_a"].astype(np.float32)), control=control), stats_data["clip_results"][index], columns)
    check(make_statistics(stats_data["in_a"].astype(np.float64), control=control), stats_data["clip_results_double"][index], columns)
    check(make_statistics(list(stats_data["in_a"].ravel()), control=control), stats_data["clip_results_vector"][index], columns)


@pytest.mark.parametrize("index", range(6))
def test_masks_and_weights(stats_data, columns, index):
    g, mi = stats_data, masked_image(stats_data)
    bits = int(g["mask_andmask"][index])
    check(make_statistics(mi, control=StatisticsControl(and_mask=bits)), g["mask_results"][index], columns)
    control = StatisticsControl(and_mask=bits, error_from_input_variance=True)
    check(make_statistics(mi, control=control), g["mask_results_calcErr"][index], columns)
    control = StatisticsControl(and_mask=bits, weighted=True)
    check(make_statistics(mi, control=control), g["ivar_weighted_results"][index], columns, skip=("MIN", "MEANSQUARE"))


def test_given_weights(stats_data, columns):
    g, mi = stats_data, masked_image(stats_data)
    for index, from_variance in ((0, False), (2, True)):
        control = StatisticsControl(and_mask=11, error_from_input_variance=from_variance)
        check(make_statistics(mi, control=control, weights=g["in_weight"]), g["weight_image_results"][index], columns, skip=("MEANSQUARE",))
    check(make_statistics(g["in_a"], weights=g["in_weight"]), g["weight_vector_results"][0], columns, skip=("MEANSQUARE",))


def test_not_finite(stats_data, columns):
    check(make_statistics(stats_data["in_nan"].astype(np.float32)), stats_data["nan_results"][0], columns)
    unsafe = make_statistics(stats_data["in_nan"], control=StatisticsControl(nan_safe=False))
    assert np.isnan([unsafe["MEAN"], unsafe["STDEV"], unsafe["MEDIAN"], unsafe["MAX"], unsafe["SUM"]]).all()
    expected = dict(zip(columns, stats_data["nan_results"][1], strict=True))
    assert unsafe["MEANCLIP"] == pytest.approx(expected["MEANCLIP"], rel=1e-7)


@pytest.mark.parametrize("index", range(12))
def test_small_samples(stats_data, columns, index):
    sample = stats_data["small_in"][index, : stats_data["small_n"][index]]
    check(make_statistics(sample), stats_data["small_results"][index], columns, skip=("MEANSQUARE",) if index == 0 else ())


def test_ties_constants_and_integers(stats_data, columns):
    g = stats_data
    check(make_statistics(g["ties_in"], control=StatisticsControl(num_sigma_clip=2)), g["ties_results"][0], columns)
    check(make_statistics(np.full(30, 7.0)), g["constant_results"][0], columns)
    integers = make_statistics(np.round(g["in_a"]).astype(np.int32))
    check(integers, g["int_results"][0], columns, skip=("MEDIAN",))
    assert integers["MEDIAN"] == pytest.approx(99.5 + (1500 - 1354) / 215)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("from_variance", [False, True])
def test_pixels_of_a_stack(stats_data, weighted, from_variance):
    """Value, squared error and mask of each pixel of seven images, as `statisticsStack` combines them."""
    g = stats_data
    control = StatisticsControl(num_iter=2, and_mask=3, error_from_input_variance=from_variance)
    properties = ("MEAN", "MEANCLIP", "MEDIAN", "VARIANCE")
    clipped, no_data = 16, 256
    shape = g["stack_img"].shape[1:]
    result = {name: np.empty((3, *shape)) for name in properties}
    for index in np.ndindex(shape):
        at = (slice(None), *index)
        stats = make_statistics(
            g["stack_img"][at],
            control=control,
            mask=g["stack_mask"][at],
            variance=g["stack_var"][at],
            weights=g["stack_weights"] if weighted else None,
        )
        bits = stats["ORMASK"] | (clipped if stats["NMASKED"] else 0) | (no_data if stats["NPOINT"] == 0 else 0)
        for name in properties:
            rejected = clipped if name == "MEANCLIP" and stats["NCLIPPED"] else 0
            result[name][at] = stats[name], stats.error(name) ** 2, bits | rejected
    for name in properties:
        stem = f"stack_{name}_{'w' if weighted else 'now'}_ce{from_variance:d}"
        image, variance, mask = result[name]
        np.testing.assert_allclose(image, g[f"{stem}_img"], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(variance, g[f"{stem}_var"], rtol=1e-5)
        np.testing.assert_array_equal(mask, g[f"{stem}_mask"])
