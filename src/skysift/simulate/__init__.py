"""Simulated exposures with truth: stars and galaxies seen through a PSF that varies over the field."""

from __future__ import annotations

from skysift.simulate.profiles import DE_VAUCOULEURS, EXPONENTIAL, MixturePsf
from skysift.simulate.scene import SceneConfig, Truth, simulate

__all__ = ["DE_VAUCOULEURS", "EXPONENTIAL", "MixturePsf", "SceneConfig", "Truth", "simulate"]
