"""Thresholds for finding footprints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skysift.errors import InputError

__all__ = ["Threshold"]

KINDS = ("value", "bitmask", "stdev", "variance", "pixel_stdev")


@dataclass(frozen=True)
class Threshold:
    """What makes a pixel part of a footprint.

    Attributes
    ----------
    value
        The threshold, in the units that `type` says.
    type
        "value": counts; "stdev" and "variance": standard deviations of the whole image, clipped; "pixel_stdev": standard deviations of each
        pixel, from the variance plane; "bitmask": mask bits, of which a pixel must have any. Capitals make no difference.
    polarity
        True: pixels at or above `value`; False: at or below ``-value``.
    include_multiplier
        A footprint is kept only if one of its pixels reaches ``value * include_multiplier``.

    Notes
    -----
    LSST's ``Threshold``.
    """

    value: float
    type: str = "value"
    polarity: bool = True
    include_multiplier: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "type", str(self.type).lower())
        if self.type not in KINDS:
            raise InputError(f"unknown type of threshold {self.type!r}; known are {', '.join(KINDS)}")

    def level(self, image: np.ndarray) -> float:
        """The threshold for an image: counts, or for "pixel_stdev" and "bitmask" the value as it is.

        Parameters
        ----------
        image
            (h, w); "stdev" and "variance" measure its clipped standard deviation.
        """
        if self.type not in ("stdev", "variance"):
            return float(self.value)
        from skysift.statistics import clipped_stats

        return float(self.value) * float(clipped_stats(image)[1])
