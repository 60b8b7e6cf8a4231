"""Two measurement plugins for Skysift: importing this package registers them."""

from __future__ import annotations

from skysift_plugin_example.asymmetry import AsymmetryConfig, AsymmetryPlugin
from skysift_plugin_example.concentration import ConcentrationConfig, ConcentrationPlugin

__all__ = ["AsymmetryConfig", "AsymmetryPlugin", "ConcentrationConfig", "ConcentrationPlugin"]
