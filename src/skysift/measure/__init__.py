"""Measurement of sources: positions, shapes, fluxes and flags, one plugin an algorithm.

The names are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skysift._lazy import lazy_names

if TYPE_CHECKING:
    from skysift.measure.ap_corr import ApplyApCorrConfig, add_ap_corr_fields, apply_ap_corr
    from skysift.measure.batch import Batch
    from skysift.measure.calculation import CatalogCalculationConfig, add_calculation_fields, calculate
    from skysift.measure.config import MeasurementConfig, SlotConfig
    from skysift.measure.driver import Measurement, add_measurement_fields, measure, measurement_schema
    from skysift.measure.noise import NoiseReplacer, NoiseReplacerConfig
    from skysift.measure.plugin import Plugin, PluginConfig, SourcePlugin
    from skysift.measure.registry import ap_corr_names, register

_HOMES = {
    "ApplyApCorrConfig": "ap_corr",
    "Batch": "batch",
    "CatalogCalculationConfig": "calculation",
    "Measurement": "driver",
    "MeasurementConfig": "config",
    "NoiseReplacer": "noise",
    "NoiseReplacerConfig": "noise",
    "Plugin": "plugin",
    "PluginConfig": "plugin",
    "SlotConfig": "config",
    "SourcePlugin": "plugin",
    "add_ap_corr_fields": "ap_corr",
    "add_calculation_fields": "calculation",
    "add_measurement_fields": "driver",
    "ap_corr_names": "registry",
    "apply_ap_corr": "ap_corr",
    "calculate": "calculation",
    "measure": "driver",
    "measurement_schema": "driver",
    "register": "registry",
}

__all__ = [
    "ApplyApCorrConfig",
    "Batch",
    "CatalogCalculationConfig",
    "Measurement",
    "MeasurementConfig",
    "NoiseReplacer",
    "NoiseReplacerConfig",
    "Plugin",
    "PluginConfig",
    "SlotConfig",
    "SourcePlugin",
    "add_ap_corr_fields",
    "add_calculation_fields",
    "add_measurement_fields",
    "ap_corr_names",
    "apply_ap_corr",
    "calculate",
    "measure",
    "measurement_schema",
    "register",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
