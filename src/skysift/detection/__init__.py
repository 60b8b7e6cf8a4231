"""Detection: footprints above a threshold, and sources by a matched filter."""

from __future__ import annotations

from skysift.detection.find import SOURCE_PEAK_DTYPE, find_sources
from skysift.detection.footprints import Detections, detect_footprints
from skysift.detection.smooth import Convolved, PsfGenerationError, convolve_image, get_psf

__all__ = [
    "SOURCE_PEAK_DTYPE",
    "Convolved",
    "Detections",
    "PsfGenerationError",
    "convolve_image",
    "detect_footprints",
    "find_sources",
    "get_psf",
]
