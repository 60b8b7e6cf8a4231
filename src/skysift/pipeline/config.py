"""What `skysift detect` does, as configuration."""

from __future__ import annotations

import lsst.pex.config as pexConfig

from skysift.background.config import SkyConfig
from skysift.detection.config import FindSourcesConfig
from skysift.measure.config import MeasurementConfig

__all__ = ["DetectConfig"]


class DetectConfig(pexConfig.Config):
    """What `skysift detect` does."""

    sky = pexConfig.ConfigField[SkyConfig](doc="The sky.", dtype=SkyConfig)
    detection = pexConfig.ConfigField[FindSourcesConfig](doc="Finding sources.", dtype=FindSourcesConfig)
    measurement = pexConfig.ConfigField[MeasurementConfig](doc="Measuring them.", dtype=MeasurementConfig)

    def setDefaults(self) -> None:
        """Measure positions, shapes, and aperture, Kron and PSF fluxes only."""
        super().setDefaults()
        self.measurement.plugins.names = [
            "base_PixelFlags",
            "base_SdssCentroid",
            "base_SdssShape",
            "base_PsfFlux",
            "base_GaussianFlux",
            "base_CircularApertureFlux",
            "ext_photometryKron_KronFlux",
            "base_SkyCoord",
        ]
        self.measurement.plugins["base_CircularApertureFlux"].radii = [3.0, 6.0, 12.0]
