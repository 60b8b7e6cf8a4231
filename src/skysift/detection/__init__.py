"""Detection: footprints above a threshold, and sources by a matched filter."""

from __future__ import annotations

from .footprints import Detections, detect_footprints
from .smooth import Convolved, PsfGenerationError, convolve_image, get_psf

__all__ = ["Convolved", "Detections", "PsfGenerationError", "convolve_image", "detect_footprints", "get_psf"]
