"""Configuration of the measurement: the fields of the LSST `SingleFrameMeasurementConfig`."""

from __future__ import annotations

import lsst.pex.config as pexConfig

from skysift.measure.noise import NoiseReplacerConfig
from skysift.measure.registry import load_plugins, registry

__all__ = ["DEFAULT_PLUGINS", "MeasurementConfig", "SlotConfig"]

load_plugins()

DEFAULT_PLUGINS = (
    "base_PixelFlags",
    "base_SdssCentroid",
    "base_SdssShape",
    "base_GaussianFlux",
    "base_PsfFlux",
    "base_CircularApertureFlux",
    "base_SkyCoord",
    "base_Variance",
    "base_LocalBackground",
    "base_CompensatedTophatFlux",
    "base_ClassificationSizeExtendedness",
)
"""The plugins that run unless configured otherwise."""


class SlotConfig(pexConfig.Config):
    """Which plugin's columns each slot stands for; None leaves a slot undefined."""

    centroid = pexConfig.Field[str](doc="Position.", default="base_SdssCentroid", optional=True)
    shape = pexConfig.Field[str](doc="Second moments.", default="base_SdssShape", optional=True)
    psfShape = pexConfig.Field[str](doc="Second moments of the PSF.", default="base_SdssShape_psf", optional=True)
    apFlux = pexConfig.Field[str](doc="Aperture flux.", default="base_CircularApertureFlux_12_0", optional=True)
    modelFlux = pexConfig.Field[str](doc="Flux of a model.", default="base_GaussianFlux", optional=True)
    psfFlux = pexConfig.Field[str](doc="Flux of a point source.", default="base_PsfFlux", optional=True)
    gaussianFlux = pexConfig.Field[str](doc="Flux with a Gaussian weight.", default="base_GaussianFlux", optional=True)
    calibFlux = pexConfig.Field[str](doc="Flux used for calibration.", default="base_CircularApertureFlux_12_0", optional=True)

    def aliases(self) -> dict[str, str]:
        """Give the aliases that define the slots: `slot_PsfFlux` by the prefix of columns."""
        slots = {f"slot_{slot[0].upper()}{slot[1:]}": getattr(self, slot) for slot in self.keys()}
        return {slot: prefix for slot, prefix in slots.items() if prefix}


class MeasurementConfig(pexConfig.Config):
    """Which plugins measure, how they are configured, and which results fill the slots."""

    plugins = registry.makeField("Plugins that run, and their configuration.", default=list(DEFAULT_PLUGINS), multi=True)
    slots = pexConfig.ConfigField[SlotConfig](doc="Which results fill the slots.", dtype=SlotConfig)
    doReplaceWithNoise = pexConfig.Field[bool](doc="Replace all other sources by noise while one is measured.", default=True)
    noiseReplacer = pexConfig.ConfigField[NoiseReplacerConfig](doc="The noise.", dtype=NoiseReplacerConfig)

    def validate(self) -> None:
        """Check that the slots are filled by plugins that run."""
        super().validate()
        if self.slots.centroid is not None and self.slots.centroid not in self.plugins.names:
            raise ValueError(f"slots.centroid is {self.slots.centroid!r}, which is not an active plugin")
        for slot, prefix in self.slots.aliases().items():
            if not any(prefix.startswith(name) for name in self.plugins.names):
                raise ValueError(
                    f"{slot} is {prefix!r}, which begins with the name of no active plugin; set the slot to None or add the plugin"
                )
