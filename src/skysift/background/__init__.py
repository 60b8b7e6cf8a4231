"""Backgrounds: cell statistics, their interpolation, and the sky estimate of the commands."""

from __future__ import annotations

from skysift.background.model import Background, BackgroundList, TooManyMaskedPixelsError, fit_background
from skysift.background.sky import estimate_sky
from skysift.background.subtract import subtract_background

__all__ = ["Background", "BackgroundList", "TooManyMaskedPixelsError", "estimate_sky", "fit_background", "subtract_background"]
