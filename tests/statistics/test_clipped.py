"""Clipped statistics and quantiles against plain numpy statements of themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skysift.errors import InputError
from skysift.image import Image, Mask, MaskedImage
from skysift.statistics import Statistics, StatisticsControl, clipped_stats, make_statistics, quantiles

finite = st.floats(-1e6, 1e6, width=32)
samples = hnp.arrays(np.float32, st.integers(1, 60), elements=finite) | hnp.arrays(
    np.float64, st.integers(1, 60), elements=st.integers(-3, 3)
)


def clip_in_numpy(values, nsigma, niter, weights=None):
    """Mean, variance, number kept."""
    x = np.asarray(values, dtype=np.float64)
    w = np.ones(x.size) if weights is None else weights
    q1, centre, q3 = np.quantile(x, [0.25, 0.5, 0.75])
    mean, variance, kept = math.nan, math.nan, np.ones(x.size, dtype=bool)
    first = half = nsigma * 0.741301109252801 * (q3 - q1)
    for iteration in range(niter):
        if iteration:
            centre, half = mean, first if kept.sum() == 1 else nsigma * math.sqrt(variance)
        kept = np.abs(x - centre) <= half
        if not kept.any():
            return math.nan, math.nan, 0
        total = w[kept].sum()
        mean = (w * x)[kept].sum() / total
        room = total**2 - (w[kept] ** 2).sum()
        variance = max((w * (x - mean) ** 2)[kept].sum() / total, 0.0) * total**2 / room if room > 0 else math.nan
    return mean, variance, int(kept.sum())


@settings(deadline=None, max_examples=150)
@given(samples, st.sampled_from([2.0, 3.0, 5.0]), st.integers(1, 6))
def test_clipping_is_what_numpy_says(values, nsigma, niter):
    mean, stdev, n = clipped_stats(values, nsigma, niter)
    expected_mean, expected_variance, expected_n = clip_in_numpy(values, nsigma, niter)
    spread = float(np.ptp(values.astype(np.float64)))
    if n == expected_n:
        assert mean == pytest.approx(expected_mean, rel=1e-9, abs=1e-9 * (1 + spread), nan_ok=True)
        assert stdev == pytest.approx(math.sqrt(expected_variance), rel=1e-6, abs=1e-6 * (1 + spread), nan_ok=True)
    else:
        boundary = np.abs(values.astype(np.float64) - expected_mean) / max(math.sqrt(expected_variance), 1e-30)
        assert np.isclose(boundary, nsigma, rtol=1e-3).any() or spread == 0.0 or len(set(values.tolist())) <= 4


@settings(deadline=None, max_examples=150)
@given(samples, st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_quantiles_are_numpys(values, fractions):
    before = values.copy()
    np.testing.assert_allclose(quantiles(values, fractions), np.quantile(values.astype(np.float64), fractions), rtol=1e-12, atol=1e-9)
    np.testing.assert_array_equal(values, before)


def test_large_samples():
    rng = np.random.default_rng(4)
    for values in (
        rng.normal(size=20001),
        np.sort(rng.normal(size=5000)),
        np.arange(5000.0)[::-1],
        np.tile([1.0, 2.0], 3000),
        np.zeros(999),
    ):
        np.testing.assert_allclose(quantiles(values, [0.1, 0.25, 0.5, 0.75, 0.9]), np.quantile(values, [0.1, 0.25, 0.5, 0.75, 0.9]))
        mean, stdev, n = clipped_stats(values.astype(np.float32))
        expected = clip_in_numpy(values.astype(np.float32), 3.0, 3)
        assert (mean, stdev**2, n) == (pytest.approx(expected[0], abs=1e-9), pytest.approx(expected[1]), expected[2])


@pytest.mark.parametrize("n", [1023, 1024, 1025, 4096, 5000])
def test_values_in_an_awkward_order(n):
    rng = np.random.default_rng(n)
    values = rng.normal(10.0, 2.0, n).astype(np.float32)
    striped = values.copy()
    striped[:: n // 256] += 1000.0
    for sample in (
        striped,
        np.sort(values),
        np.sort(values)[::-1].copy(),
        np.round(values),
        np.where(values > 10, 1.0, 2.0),
        np.repeat(values[:2], n // 2),
    ):
        mean, stdev, kept = clipped_stats(sample)
        expected = clip_in_numpy(sample, 3.0, 3)
        assert (mean, stdev**2, kept) == (pytest.approx(expected[0]), pytest.approx(expected[1], rel=1e-5, abs=1e-9), expected[2])


def test_outliers_are_clipped():
    rng = np.random.default_rng(4)
    values = rng.normal(100.0, 5.0, 10000)
    values[:500] += 1000.0
    mean, stdev, n = clipped_stats(values)
    assert mean == pytest.approx(100.0, abs=0.3)
    assert stdev == pytest.approx(5.0, rel=0.03)
    assert n <= 9500


@pytest.mark.parametrize("values", [[], [np.nan, np.inf], np.ma.array([1.0], mask=[True]), np.empty((0, 3), np.float32)])
def test_nothing(values):
    mean, stdev, n = clipped_stats(values)
    assert math.isnan(mean)
    assert math.isnan(stdev)
    assert n == 0
    assert np.isnan(quantiles(values, [0.5])).all()
    stats = make_statistics(values) if not np.ma.isMaskedArray(values) else make_statistics(np.empty(0))
    assert stats["NPOINT"] == 0
    for name in ("MEAN", "STDEV", "MEDIAN", "IQRANGE", "MEANCLIP", "STDEVCLIP", "MIN", "MAX", "SUM", "MEANSQUARE"):
        assert math.isnan(stats[name])
        assert math.isnan(stats.error(name))


def test_strange_input():
    assert clipped_stats([1.0, np.nan, 1.0, -np.inf, 1.0]) == (1.0, 0.0, 3)
    assert clipped_stats(np.array([[1, 2], [3, 2]], dtype=">i2"))[0] == 2.0
    assert clipped_stats(5.0)[0] == 5.0
    assert math.isnan(clipped_stats([5.0])[1])
    assert clipped_stats(np.ma.array([1.0, 1.0, 99.0], mask=[0, 0, 1])) == (1.0, 0.0, 2)


def test_weights_in_clipping():
    rng = np.random.default_rng(8)
    values, weights = rng.normal(size=300), rng.uniform(0.5, 2.0, 300)
    values[:5] = 30.0
    stats = make_statistics(values, weights=weights)
    mean, variance, n = clip_in_numpy(values, 3.0, 3, weights)
    assert stats["MEANCLIP"] == pytest.approx(mean)
    assert stats["VARIANCECLIP"] == pytest.approx(variance)
    assert stats["NPOINT"] - stats["NCLIPPED"] == n


def test_statistics_of_images():
    image = Image(np.arange(12, dtype=np.float32).reshape(3, 4))
    mask = Mask(np.zeros((3, 4), dtype=np.int32))
    mask.array[0] = 1
    mask.array[1, 0] = 2
    stats = make_statistics(MaskedImage(image, mask), "MEAN", "ORMASK", control=StatisticsControl(and_mask=1))
    assert stats.as_dict() == {"MEAN": 7.5, "ORMASK": 2}
    assert stats["NMASKED"] == 4
    assert stats["MIN"] == 4.0
    assert "MEAN=7.5" in repr(stats)
    assert isinstance(stats, Statistics)
    assert make_statistics(image, mask=mask, control=StatisticsControl(and_mask=3))["NPOINT"] == 7
    weighted = make_statistics(MaskedImage(image, mask, Image(np.full((3, 4), -1.0))), control=StatisticsControl(weighted=True))
    assert weighted["NPOINT"] == 0
    with pytest.raises(InputError):
        make_statistics(image, "AVERAGE")
    with pytest.raises(InputError):
        stats["AVERAGE"]
    with pytest.raises(InputError):
        make_statistics(image, mask=np.zeros((2, 2), dtype=int))
