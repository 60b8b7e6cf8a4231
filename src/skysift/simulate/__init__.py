"""Simulated exposures with truth: stars and galaxies seen through a PSF that varies over the field."""

from __future__ import annotations

from skysift.simulate.profiles import DE_VAUCOULEURS, EXPONENTIAL, MixturePsf
from skysift.simulate.scene import TRUTH_COLUMNS, SceneConfig, Truth, simulate

__all__ = ["DE_VAUCOULEURS", "EXPONENTIAL", "TRUTH_COLUMNS", "MixturePsf", "SceneConfig", "Truth", "simulate"]
