"""Noise in place of the neighbours: the image that a source is measured on holds that source alone.

The noise of a pixel follows from the seed and the pixel's position, so the pixels behind a source depend neither on the order in which sources
are shown nor on the other sources. The LSST class `NoiseReplacer` draws noise footprint by footprint instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import lsst.pex.config as pexConfig
import numpy as np

from skysift.errors import InputError

if TYPE_CHECKING:
    from skysift.footprint import Footprint, FootprintArrays
    from skysift.image import Exposure
    from skysift.kernels.stamps import Overlay

__all__ = ["NoiseReplacer", "NoiseReplacerConfig", "SourcePixels", "make_overlay", "source_pixels"]

FARTHEST_DEVIATE = 4.2
SAMPLE_SIZE = 1 << 18
"""Pixels, evenly spread, that suffice for the mean and scatter of an image."""


class NoiseReplacerConfig(pexConfig.Config):
    """Which noise replaces the sources."""

    noiseSource = pexConfig.ChoiceField[str](
        doc="Where the level of the noise comes from.",
        dtype=str,
        default="measure",
        allowed={
            "measure": "Clipped mean and scatter of the image.",
            "meta": "Square root of BGMEAN in the metadata; as 'measure' without it.",
            "variance": "The variance of each pixel.",
            "variance_median": "The median variance.",
        },
    )
    noiseOffset = pexConfig.Field[float](doc="Added to the mean of the noise.", dtype=float, default=0.0)
    noiseSeedMultiplier = pexConfig.Field[int](
        doc="The seed is the exposure's identifier times this; 0 takes the same seed for all exposures.", dtype=int, default=1
    )


class SourcePixels(NamedTuple):
    """The pixels of n sources, clipped to the image."""

    spans: np.ndarray
    """int32 (m, 3): y, x0, x1 (inclusive), element coordinates."""
    offset: np.ndarray
    """int64 (n + 1,): spans of source i are `spans[offset[i]:offset[i + 1]]`."""
    shown: np.ndarray
    """int64 (n,): the source whose pixels stand for source i: itself, an ancestor, or -1 for none."""
    start: np.ndarray
    """int64 (n + 1,): where each source's pixels begin in `values`."""
    values: np.ndarray
    """float32 (p,): the pixels in span order."""


def source_pixels(
    image: np.ndarray, x0: int, y0: int, arrays: FootprintArrays, parents: np.ndarray | None = None, heavy: Sequence[Any] | None = None
) -> SourcePixels:
    """Collect the pixels of sources: their own deblended ones, else those of the image.

    Parameters
    ----------
    image
        float32 (h, w).
    x0, y0
        PARENT position of its first element.
    arrays
        Footprints of the n sources, PARENT pixels.
    parents
        int64 (n,): row of each source's parent, -1 for none; None if there are no families.
    heavy
        Per source None or a footprint; those with `image_array` give their pixels.

    Returns
    -------
    pixels
        What `make_overlay` needs. A child without pixels of its own is shown by its parent's.
    """
    from skysift.kernels.stamps import take_spans

    height, width = image.shape
    n = len(arrays.span_offset) - 1
    y = np.asarray(arrays.y, np.int64) - y0
    left = np.asarray(arrays.x0, np.int64) - x0
    right = np.asarray(arrays.x1, np.int64) - x0
    clipped_left, clipped_right = np.maximum(left, 0), np.minimum(right, width - 1)
    kept = (y >= 0) & (y < height) & (clipped_left <= clipped_right)
    spans = np.stack([y, clipped_left, clipped_right], axis=1)[kept].astype(np.int32)
    offset = np.r_[0, np.cumsum(kept)][np.asarray(arrays.span_offset, np.int64)]
    lengths = (spans[:, 2] - spans[:, 1] + 1).astype(np.int64)
    start = np.r_[0, np.cumsum(lengths)][offset]
    values = np.empty(int(start[-1]), np.float32)
    take_spans(image, spans, values)

    shown = np.arange(n)
    if parents is not None or heavy is not None:
        parents = np.full(n, -1) if parents is None else parents
        has_pixels = parents < 0
        for i, footprint in enumerate(heavy or ()):
            pixels = getattr(footprint, "image_array", None)
            if pixels is None:
                continue
            own = slice(arrays.span_offset[i], arrays.span_offset[i + 1])
            pixels = np.asarray(pixels, np.float32)
            if len(pixels) != start[i + 1] - start[i]:
                pixels = pixels[_inside(y[own], left[own], right[own], width, height)]
            values[start[i] : start[i + 1]] = pixels
            has_pixels[i] = True
        for i in np.flatnonzero(~has_pixels).tolist():
            row = i
            for _ in range(n):
                if row < 0 or has_pixels[row]:
                    break
                row = int(parents[row])
            shown[i] = row if row >= 0 and has_pixels[row] else -1
    return SourcePixels(spans, offset, shown, start, values)


def _inside(y: np.ndarray, left: np.ndarray, right: np.ndarray, width: int, height: int) -> np.ndarray:
    """Tell which pixels, in span order, lie in the image."""
    lengths = right - left + 1
    rows = np.repeat(y, lengths)
    columns = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths - left, lengths)
    return (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)


def make_overlay(image: np.ndarray, pixels: SourcePixels, noise: tuple[np.ndarray, np.ndarray] | None) -> Overlay:
    """Hide all sources behind noise.

    Parameters
    ----------
    image
        float32 (h, w); it is copied.
    pixels
        The sources.
    noise
        What `hide_sources` gives, or None to hide nothing and show everything.

    Returns
    -------
    overlay
        The private image and its sources.
    """
    from skysift.kernels.stamps import Overlay

    if noise is None:
        nothing = np.zeros(len(pixels.shown), np.int64)
        return Overlay(image.copy(), pixels.spans, nothing, nothing, nothing, pixels.values[:0], pixels.values[:0])
    usable = pixels.shown >= 0
    row = np.maximum(pixels.shown, 0)
    first = np.where(usable, pixels.offset[row], 0)
    last = np.where(usable, pixels.offset[row + 1], 0)
    clean, hidden = noise
    return Overlay(clean, pixels.spans, first, last, pixels.start[row], pixels.values, hidden)


def hide_sources(
    image: np.ndarray,
    variance: np.ndarray,
    spans: np.ndarray,
    config: NoiseReplacerConfig,
    exposure_id: int | None,
    metadata: Mapping[str, Any],
    noise_image: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Copy an image with the pixels of spans replaced by noise.

    Parameters
    ----------
    image, variance
        float32 (h, w).
    spans
        int32 (m, 3), element coordinates.
    config
        Which noise.
    exposure_id
        Seeds the noise.
    metadata
        Header of the exposure, for `noiseSource="meta"`.
    noise_image
        float32 (h, w) to take the noise from instead.

    Returns
    -------
    clean
        float32 (h, w).
    hidden
        float32 (p,): the noise at the pixels of the spans, in their order.
    """
    from skysift.kernels.stamps import put_noise, put_spans, take_spans

    clean = image.copy()
    hidden = np.empty(int((spans[:, 2].astype(np.int64) - spans[:, 1] + 1).sum()), np.float32)
    if noise_image is not None:
        take_spans(np.ascontiguousarray(noise_image), spans, hidden)
        put_spans(clean, spans, 0, len(spans), hidden, 0)
        return clean, hidden
    multiplier = config.noiseSeedMultiplier
    seed = np.uint64(abs((exposure_id or 1) * multiplier) % 2**64 if multiplier else 1)
    mean, scatter = (0.0, -1.0) if config.noiseSource == "variance" else _noise_level(image, variance, config, metadata)
    put_noise(clean, variance, spans, seed, _normal_quantiles(), mean + config.noiseOffset, scatter, hidden)
    return clean, hidden


@lru_cache(maxsize=1)
def _normal_quantiles() -> np.ndarray:
    """Quantiles of the normal distribution, between which `put_noise` interpolates; the variance is one."""
    from statistics import NormalDist

    inside = [NormalDist().inv_cdf(k / 4096) for k in range(1, 4096)]
    quantiles = np.array([-FARTHEST_DEVIATE, *inside, FARTHEST_DEVIATE])
    squares = (quantiles[:-1] ** 2 + quantiles[:-1] * quantiles[1:] + quantiles[1:] ** 2) / 3
    return quantiles / math.sqrt(squares.mean())


def _noise_level(image: np.ndarray, variance: np.ndarray, config: NoiseReplacerConfig, metadata: Mapping[str, Any]) -> tuple[float, float]:
    """Give mean and standard deviation of the noise; 0 where the image has no finite pixel."""
    from skysift.statistics import clipped_stats

    if config.noiseSource == "meta" and "BGMEAN" in metadata:
        return 0.0, math.sqrt(max(0.0, float(metadata["BGMEAN"])))
    stride = max(1, math.isqrt(image.size // SAMPLE_SIZE))
    sample = variance if config.noiseSource == "variance_median" else image
    sample = sample[::stride, ::stride]
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return 0.0, 0.0
    if config.noiseSource == "variance_median":
        return 0.0, math.sqrt(max(0.0, float(np.median(sample))))
    mean, scatter, _ = clipped_stats(sample)
    return (float(mean), float(scatter)) if math.isfinite(scatter) else (float(mean), 0.0)


class NoiseReplacer:
    """Replace all sources of an exposure by noise, and let them be seen one at a time (LSST `NoiseReplacer`).

    It shows the pixels that measurement sees. The image changes in place, and the mask planes THISDET and OTHERDET say what is shown;
    `end` restores the image bit for bit. Also a context manager.

    Parameters
    ----------
    config
        Which noise; None for the defaults.
    exposure
        Exposure whose image is changed.
    footprints
        `(parent id, footprint)` by source id; parent 0 is the top level. They are clipped to the image.
    noise_image
        Image of the exposure's shape to take the noise from.
    exposure_id
        Seeds the noise; by default `exposure.id`.

    Raises
    ------
    InputError
        The image is not float32, or a parent does not exist.
    """

    def __init__(
        self,
        config: NoiseReplacerConfig | None,
        exposure: Exposure,
        footprints: Mapping[int, tuple[int, Footprint]],
        noise_image: Any = None,
        exposure_id: int | None = None,
    ) -> None:
        from skysift.footprint import flatten_footprints

        image = exposure.image.array
        if image.dtype != np.float32:
            raise InputError(f"noise replacement needs a float32 image, not {image.dtype}")
        self._exposure = exposure
        self._row = {key: i for i, key in enumerate(footprints)}
        unknown = [parent for parent, _ in footprints.values() if parent and parent not in self._row]
        if unknown:
            raise InputError(f"a footprint has parent {unknown[0]}, which is not among the footprints")
        parents = np.array([self._row[parent] if parent else -1 for parent, _ in footprints.values()], np.int64)
        shapes = [footprint for _, footprint in footprints.values()]
        pixels = source_pixels(image, exposure.xy0.x, exposure.xy0.y, flatten_footprints(shapes), parents, shapes)
        noise = hide_sources(
            image,
            exposure.variance.array,
            pixels.spans,
            config or NoiseReplacerConfig(),
            exposure.id if exposure_id is None else exposure_id,
            exposure.metadata,
            None if noise_image is None else np.asarray(getattr(noise_image, "array", noise_image), np.float32),
        )
        self._original = image.copy()
        self._overlay = make_overlay(image, pixels, noise)._replace(image=image)
        self._added = [name for name in ("THISDET", "OTHERDET") if name not in exposure.mask.planes]
        for name in self._added:
            exposure.mask.add_plane(name)
        self._this = exposure.mask.bitmask("THISDET")
        self._other = exposure.mask.bitmask("OTHERDET")
        exposure.mask.array[...] &= ~(self._this | self._other)
        image[...] = noise[0]
        for row in range(len(self._row)):
            self._mark(row, self._other, 0)

    def _mark(self, row: int, set_bits: int, clear_bits: int) -> None:
        mask = self._exposure.mask.array
        for s in range(self._overlay.first[row], self._overlay.last[row]):
            y, x0, x1 = self._overlay.spans[s]
            mask[y, x0 : x1 + 1] = (mask[y, x0 : x1 + 1] & ~clear_bits) | set_bits

    def insert_source(self, id: int) -> None:
        """Put the pixels of one source into the image; KeyError for an unknown id."""
        from skysift.kernels.stamps import show

        row = self._row[id]
        show(self._overlay, row)
        self._mark(row, self._this, self._other)

    def remove_source(self, id: int) -> None:
        """Replace one source by the same noise as before; KeyError for an unknown id."""
        from skysift.kernels.stamps import hide

        row = self._row[id]
        hide(self._overlay, row)
        self._mark(row, self._other, self._this)

    def end(self) -> None:
        """Restore the image, bit for bit, and remove the mask planes that were added."""
        self._exposure.image.array[...] = self._original
        self._exposure.mask.array[...] &= ~(self._this | self._other)
        for name in self._added:
            self._exposure.mask.remove_plane(name)
        self._added = []

    def __enter__(self) -> NoiseReplacer:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
