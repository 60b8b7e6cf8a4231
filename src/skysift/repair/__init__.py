"""Repair of images: interpolation over defects, and cosmic rays."""

from __future__ import annotations

from skysift.repair.cosmic_rays import TooManyCosmicRaysError, find_cosmic_rays
from skysift.repair.interpolate import interpolate_over_defects
from skysift.repair.repair import Repair, interpolate_image, repair

__all__ = ["Repair", "TooManyCosmicRaysError", "find_cosmic_rays", "interpolate_image", "interpolate_over_defects", "repair"]
