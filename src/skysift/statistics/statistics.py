"""Any statistic of an image or a sample, with its error: the counterpart of LSST's ``makeStatistics``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from skysift.errors import InputError
from skysift.statistics.clipped import quantiles

__all__ = ["Statistics", "StatisticsControl", "make_statistics"]

_PROPERTIES = (
    "NPOINT",
    "MEAN",
    "STDEV",
    "VARIANCE",
    "MEDIAN",
    "IQRANGE",
    "MEANCLIP",
    "STDEVCLIP",
    "VARIANCECLIP",
    "MIN",
    "MAX",
    "SUM",
    "MEANSQUARE",
    "ORMASK",
    "NCLIPPED",
    "NMASKED",
)


@dataclass(frozen=True)
class StatisticsControl:
    """How statistics are taken; the names are LSST's in snake_case.

    Parameters
    ----------
    num_sigma_clip
        Half width of the clipping, in standard deviations.
    num_iter
        Number of clipping passes.
    and_mask
        Pixels with any of these mask bits are left out.
    nan_safe
        Whether values that are not finite are left out; if not, they make the results NaN.
    weighted
        Whether to weight with the inverse variance where no weights are given; pixels whose variance is not positive are left out.
    error_from_input_variance
        Whether the errors of means come from the variances of the input rather than from the scatter.
    """

    num_sigma_clip: float = 3.0
    num_iter: int = 3
    and_mask: int = 0
    nan_safe: bool = True
    weighted: bool = False
    error_from_input_variance: bool = False


@dataclass(frozen=True)
class _Moments:
    mean: float
    variance: float
    mean_error: float


class Statistics:
    """Statistics of a sample, each computed when first asked for. Made by `make_statistics`.

    Parameters
    ----------
    values
        The values used, (n,) float64.
    weights, variance
        Their weights and variances, (n,) float64, or None.
    n_masked
        How many values were left out for their mask or because they are not finite.
    or_mask
        Bits set in any of the values used.
    control
        How to clip.
    integer
        Whether the pixels were integers: their quantiles are interpolated as those of a histogram with bins of width one.
    wanted
        The properties that `as_dict` gives.
    """

    def __init__(
        self,
        values: np.ndarray,
        weights: np.ndarray | None,
        variance: np.ndarray | None,
        *,
        n_masked: int,
        or_mask: int,
        control: StatisticsControl,
        integer: bool,
        wanted: tuple[str, ...],
    ) -> None:
        self._values = values
        self._weights = weights
        self._variance = variance
        self._n_masked = n_masked
        self._or_mask = or_mask
        self._control = control
        self._integer = integer
        self._wanted = wanted

    @property
    def n(self) -> int:
        """Number of values used."""
        return self._values.size

    @cached_property
    def _quartiles(self) -> tuple[float, float, float]:
        if self._integer:
            return tuple(_histogram_quantile(self._values, f) for f in (0.25, 0.5, 0.75))  # type: ignore[return-value]
        if not self._control.nan_safe and not np.isfinite(self._values).all():
            return math.nan, math.nan, math.nan
        return tuple(quantiles(self._values, (0.25, 0.5, 0.75)))  # type: ignore[return-value]

    @cached_property
    def _plain(self) -> _Moments:
        return self._moments(np.ones(self.n, dtype=bool))

    def _moments(self, keep: np.ndarray) -> _Moments:
        """Mean, unbiased variance and error of the mean of some of the values."""
        values = self._values[keep]
        w = np.ones(values.size) if self._weights is None else self._weights[keep]
        w1, w2 = float(w.sum()), float((w * w).sum())
        if values.size == 0 or w1 == 0.0:
            return _Moments(math.nan, math.nan, math.nan)
        with np.errstate(invalid="ignore"):
            mean = float((w * values).sum() / w1)
            residual = values - mean
            room = w1 * w1 - w2
            spread = max(float((w * residual * residual).sum() / w1), 0.0) if math.isfinite(mean) else math.nan
        variance = spread * w1 * w1 / room if room > 0.0 else math.nan
        if self._control.error_from_input_variance and self._variance is not None:
            error = math.sqrt(float((self._variance[keep] * w * w).sum())) / w1
        else:
            error = math.sqrt(variance * w2) / w1
        return _Moments(mean, variance, error)

    @cached_property
    def _kept(self) -> np.ndarray:
        """Which values the clipping keeps."""
        finite = np.isfinite(self._values)
        if not finite.any():
            return finite
        from skysift.kernels.clip import clip_sample

        weights = self._values[:0] if self._weights is None else self._weights[finite]
        control = self._control
        passes = max(control.num_iter, 1)
        *_, centre, half = clip_sample(self._values[finite], weights, float(control.num_sigma_clip), passes)
        with np.errstate(invalid="ignore"):
            return np.abs(self._values - centre) <= half

    @cached_property
    def _clipped(self) -> _Moments:
        return self._moments(self._kept)

    def value(self, name: str) -> float:
        """Value of a statistic.

        Parameters
        ----------
        name
            One of LSST's names: NPOINT, MEAN, STDEV, VARIANCE, MEDIAN, IQRANGE, MEANCLIP, STDEVCLIP, VARIANCECLIP, MIN, MAX, SUM, MEANSQUARE,
            ORMASK, NCLIPPED, NMASKED.

        Returns
        -------
        float
            NaN where the sample is too small to say.

        Raises
        ------
        InputError
            If there is no such statistic.
        """
        if name not in _PROPERTIES:
            raise InputError(f"no statistic {name!r}; there are {', '.join(_PROPERTIES)}")
        if name in ("NPOINT", "NMASKED", "NCLIPPED", "ORMASK"):
            counts = {"NPOINT": self.n, "NMASKED": self._n_masked, "ORMASK": self._or_mask}
            return counts[name] if name in counts else self.n - int(np.count_nonzero(self._kept))
        if self.n == 0:
            return math.nan
        if name in ("MEAN", "VARIANCE", "STDEV"):
            return {"MEAN": self._plain.mean, "VARIANCE": self._plain.variance}.get(name, math.sqrt(self._plain.variance))
        if name in ("MEANCLIP", "VARIANCECLIP", "STDEVCLIP"):
            return {"MEANCLIP": self._clipped.mean, "VARIANCECLIP": self._clipped.variance}.get(name, math.sqrt(self._clipped.variance))
        if name == "MEDIAN":
            return float(self._quartiles[1])
        if name == "IQRANGE":
            return float(self._quartiles[2] - self._quartiles[0])
        if name in ("MIN", "MAX"):
            return float(self._values.min() if name == "MIN" else self._values.max())
        w = 1.0 if self._weights is None else self._weights
        if name == "SUM":
            return float((w * self._values).sum())
        return float((w * np.square(self._values)).sum() / (self.n if self._weights is None else self._weights.sum()))

    def error(self, name: str) -> float:
        """Standard error of a statistic; NaN for those that have none.

        Parameters
        ----------
        name
            MEAN, MEANCLIP, MEDIAN, VARIANCE, VARIANCECLIP, STDEV or STDEVCLIP have errors.
        """
        n = self.n
        if name == "MEAN":
            return self._plain.mean_error
        if name == "MEANCLIP":
            return self._clipped.mean_error
        if name == "MEDIAN":
            return math.sqrt(math.pi / 2.0 * self._plain.variance / n) if n else math.nan
        clipped = name.endswith("CLIP")
        variance = (self._clipped if clipped else self._plain).variance
        n = int(np.count_nonzero(self._kept)) if clipped else n
        if n < 2:
            return math.nan
        variance_error = math.sqrt(2.0 * (n - 1)) * variance / n
        if name in ("VARIANCE", "VARIANCECLIP"):
            return variance_error
        if name in ("STDEV", "STDEVCLIP"):
            return 0.5 * variance_error / math.sqrt(variance) if variance > 0.0 else 0.0 if variance == 0.0 else math.nan
        return math.nan

    def __getitem__(self, name: str) -> float:
        return self.value(name)

    def as_dict(self) -> dict[str, float]:
        """The statistics that were asked for, by name."""
        return {name: self.value(name) for name in self._wanted}

    def __repr__(self) -> str:
        return f"Statistics({', '.join(f'{name}={self.value(name):g}' for name in self._wanted)})"


def _histogram_quantile(values: np.ndarray, fraction: float) -> float:
    """Quantile of integers whose values are spread evenly over a bin of width one."""
    if values.size == 0:
        return math.nan
    target = fraction * values.size
    middle = np.partition(values, min(int(target), values.size - 1))[min(int(target), values.size - 1)]
    below, equal = np.count_nonzero(values < middle), np.count_nonzero(values == middle)
    return float(middle - 0.5 + (target - below) / equal)


def make_statistics(
    data: Any,
    *properties: str,
    control: StatisticsControl | None = None,
    mask: Any = None,
    variance: Any = None,
    weights: Any = None,
) -> Statistics:
    """Take statistics of an image or a sample (LSST ``afw.math.makeStatistics``).

    Parameters
    ----------
    data
        Numbers of any shape, an `Image`, or a `MaskedImage` (whose mask and variance are used).
    *properties
        The statistics wanted: what `Statistics.as_dict` gives. Any other can be asked for too; each is computed when first used.
    control
        How; by default 3 passes of clipping at 3 sigma, nothing masked.
    mask
        Mask bits, int, of the shape of `data`.
    variance
        Variances, of the shape of `data`.
    weights
        Weights, of the shape of `data`.

    Returns
    -------
    Statistics
        Of the values whose mask has none of the bits of ``control.and_mask`` and which are finite (if ``control.nan_safe``).

    Raises
    ------
    InputError
        If the shapes differ or a property is unknown.
    """
    control = control or StatisticsControl()
    unknown = [name for name in properties if name not in _PROPERTIES]
    if unknown:
        raise InputError(f"no statistic {unknown[0]!r}; there are {', '.join(_PROPERTIES)}")
    if hasattr(data, "image"):
        mask = data.mask if mask is None else mask
        variance = data.variance if variance is None else variance
        data = data.image
    raw = _array(data)
    values = raw.astype(np.float64).ravel()
    flags, variances, given = (
        _matching(item, raw.shape, name) for item, name in ((mask, "mask"), (variance, "variance"), (weights, "weights"))
    )
    use = np.ones(values.size, dtype=bool) if flags is None else (flags & control.and_mask) == 0
    if control.nan_safe:
        use &= np.isfinite(values)
    if given is None and control.weighted and variances is not None:
        with np.errstate(divide="ignore"):
            given = np.where(variances > 0, 1.0 / variances, 0.0)
        use &= given > 0
    return Statistics(
        values[use],
        None if given is None else given[use].astype(np.float64),
        None if variances is None else variances[use].astype(np.float64),
        n_masked=int(values.size - np.count_nonzero(use)),
        or_mask=0 if flags is None else int(np.bitwise_or.reduce(flags[use])),
        control=control,
        integer=raw.dtype.kind in "iu",
        wanted=properties,
    )


def _array(data: Any) -> np.ndarray:
    return np.asarray(getattr(data, "array", data))


def _matching(item: Any, shape: tuple[int, ...], name: str) -> np.ndarray | None:
    """A companion of the data, flat; None if there is none."""
    if item is None:
        return None
    array = _array(item)
    if array.shape != shape:
        raise InputError(f"the {name} has shape {array.shape} where the data has {shape}")
    return array.ravel()
