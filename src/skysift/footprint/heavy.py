"""Footprints that carry the values of their pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skysift.errors import InputError
from skysift.footprint.footprint import Footprint, merge_footprints
from skysift.footprint.peaks import PeakCatalog
from skysift.footprint.spans import SpanSet
from skysift.geom import Box2I

__all__ = ["HeavyControl", "HeavyFootprint", "make_heavy_footprint", "merge_heavy_footprints"]

PLANES = ("image_array", "mask_array", "variance_array")


@dataclass(frozen=True)
class HeavyControl:
    """What `make_heavy_footprint` does to the image it copies from (LSST's ``HeavyFootprintCtrl``).

    Attributes
    ----------
    modify_source
        Replace the pixels in the image after copying them.
    image_value, variance_value
        The new values.
    mask_bits
        Bits to clear in the mask.
    """

    modify_source: bool = False
    image_value: float = 0.0
    mask_bits: int = 0
    variance_value: float = 0.0


class HeavyFootprint(Footprint):
    """A footprint with the image, mask and variance of its pixels.

    When its spans are replaced, by `dilate`, `erode`, `clip_to` or assignment, pixels common to both keep their values and new ones are 0.

    Parameters
    ----------
    spans, peaks, region
        See `Footprint`.
    image_array, mask_array, variance_array
        Arrays (area,) in the order of the spans, used as they are; None: zeros, float32, int32 and float32.

    Attributes
    ----------
    image_array, mask_array, variance_array : ndarray
        (area,), may be written to. Counts and counts**2.

    Raises
    ------
    InputError
        If an array has not one value a pixel.
    """

    __slots__ = PLANES
    image_array: np.ndarray
    mask_array: np.ndarray
    variance_array: np.ndarray

    def __init__(
        self,
        spans: SpanSet | None = None,
        peaks: PeakCatalog | None = None,
        region: Box2I | None = None,
        *,
        image_array: np.ndarray | None = None,
        mask_array: np.ndarray | None = None,
        variance_array: np.ndarray | None = None,
    ) -> None:
        super().__init__(spans, peaks, region)
        for name, array in zip(PLANES, (image_array, mask_array, variance_array)):
            if array is None:
                array = np.zeros(self.area, np.int32 if name == "mask_array" else np.float32)
            if array.shape != (self.area,):
                raise InputError(f"{name} of shape {array.shape} for a footprint of {self.area} pixels")
            setattr(self, name, array)

    @property
    def is_heavy(self) -> bool:
        """True."""
        return True

    @property
    def spans(self) -> SpanSet:
        """The pixels; assignment keeps the values of those that stay."""
        return self._spans

    @spans.setter
    def spans(self, spans: SpanSet) -> None:
        old = self._spans.pixel_index(*spans.indices()[::-1])
        for name in PLANES:
            array = getattr(self, name)
            values = np.zeros(old.size, array.dtype)
            values[old >= 0] = array[old[old >= 0]]
            setattr(self, name, values)
        self._spans = spans

    def __getstate__(self) -> Any:
        return super().__getstate__(), [getattr(self, name) for name in PLANES]

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state[0])
        for name, array in zip(PLANES, state[1]):
            setattr(self, name, array)

    def _with(self, spans: SpanSet, peaks: PeakCatalog, index: np.ndarray) -> HeavyFootprint:
        return HeavyFootprint(spans, peaks, self.region, **{name: getattr(self, name)[index] for name in PLANES})

    def copy(self) -> HeavyFootprint:
        """A footprint with its own peaks and pixels."""
        return self._with(self.spans, self.peaks.copy(), np.arange(self.area))

    def shift(self, dx: int, dy: int) -> None:
        """Move pixels, with their values, and peaks by whole pixels, in place."""
        values = [getattr(self, name) for name in PLANES]
        super().shift(dx, dy)
        for name, array in zip(PLANES, values):
            setattr(self, name, array)

    def split(self) -> list[Footprint]:
        """Connected parts, each with the values of its pixels and its peaks; see `Footprint.split`."""
        return [self._with(part.spans, part.peaks, self.spans.pixel_index(*part.spans.indices()[::-1])) for part in super().split()]

    def intersect(self, other: SpanSet, *, copy_peaks: bool = True) -> HeavyFootprint:
        """The part inside a set of pixels, with its values; see `Footprint.intersect`."""
        part = super().intersect(other, copy_peaks=copy_peaks)
        return self._with(part.spans, part.peaks, self.spans.pixel_index(*part.spans.indices()[::-1]))

    def insert(self, image: Any, *, clip: bool = False) -> None:
        """Write the pixels into an image.

        Parameters
        ----------
        image
            A `MaskedImage` or `Exposure`, of which all planes are written, or an `Image` or array.
        clip
            Leave out pixels outside the image, which otherwise are an `InputError`.
        """
        source = self
        planes = (
            [(image.image, "image_array"), (image.mask, "mask_array"), (image.variance, "variance_array")] if hasattr(image, "mask") else []
        )
        target = planes[0][0] if planes else image
        if clip:
            xy0 = getattr(target, "xy0", (0, 0))
            source = self.intersect(SpanSet.from_box(Box2I.from_shape(getattr(target, "array", target).shape, xy0)))
        for plane, name in planes or [(image, "image_array")]:
            source.spans.unflatten_into(plane, getattr(source, name))

    @property
    def mask_bits_set(self) -> int:
        """All bits of the mask that any pixel has."""
        return int(np.bitwise_or.reduce(self.mask_array)) if self.area else 0

    def dot(self, other: HeavyFootprint) -> float:
        """Sum over the common pixels of the product of the two images, in float64."""
        x, y = (self.spans & other.spans).indices()[::-1]
        a = self.image_array[self.spans.pixel_index(x, y)].astype(np.float64)
        return float(a @ other.image_array[other.spans.pixel_index(x, y)].astype(np.float64))

    def extract_image(self, fill: float = np.nan, bbox: Box2I | None = None) -> np.ndarray:
        """The pixels as an image.

        Parameters
        ----------
        fill
            Value of the pixels outside the footprint.
        bbox
            Box of the result; by default that of the footprint.

        Returns
        -------
        ndarray
            (height, width); its first element is at ``bbox.min``.
        """
        box = self.bbox if bbox is None else bbox
        array = np.full(box.shape, fill, self.image_array.dtype)
        part = self.intersect(SpanSet.from_box(box))
        part.spans.unflatten_into(array, part.image_array, box.min)
        return array


def make_heavy_footprint(footprint: Footprint, masked_image: Any, control: HeavyControl | None = None) -> HeavyFootprint:
    """Give a footprint the pixels of an image.

    Parameters
    ----------
    footprint
        The pixels and peaks.
    masked_image
        A `MaskedImage` or `Exposure` that holds the footprint.
    control
        What to do to the image; None: nothing.

    Raises
    ------
    InputError
        If the footprint leaves the image.
    """
    spans = footprint.spans
    image, mask, variance = masked_image.image, masked_image.mask, masked_image.variance
    heavy = HeavyFootprint(
        spans,
        footprint.peaks.copy(),
        footprint.region,
        image_array=spans.flatten(image),
        mask_array=spans.flatten(mask),
        variance_array=spans.flatten(variance),
    )
    if control is not None and control.modify_source:
        spans.unflatten_into(image, control.image_value)
        spans.clear_mask(mask, control.mask_bits)
        spans.unflatten_into(variance, control.variance_value)
    return heavy


def merge_heavy_footprints(a: HeavyFootprint, b: HeavyFootprint) -> HeavyFootprint:
    """Union of two footprints: images and variances add, mask bits join, peaks are merged as by `merge_footprints`."""
    union = merge_footprints(a, b)
    merged = HeavyFootprint(union.spans, union.peaks, union.region, image_array=np.zeros(union.area, a.image_array.dtype))
    for part in (a, b):
        index = merged.spans.pixel_index(*part.spans.indices()[::-1])
        merged.image_array[index] += part.image_array
        merged.mask_array[index] |= part.mask_array
        merged.variance_array[index] += part.variance_array
    return merged
