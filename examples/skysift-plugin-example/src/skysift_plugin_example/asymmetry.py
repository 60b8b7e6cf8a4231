"""Asymmetry: a plugin that measures one source at a time."""

from __future__ import annotations

import lsst.pex.config as pexConfig
import numpy as np

from skysift.errors import MeasurementError
from skysift.image import Exposure
from skysift.measure import PluginConfig, SourcePlugin, register
from skysift.table import Schema, SourceRecord

__all__ = ["AsymmetryConfig", "AsymmetryPlugin"]


class AsymmetryConfig(PluginConfig):
    """How to measure the asymmetry."""

    radius = pexConfig.RangeField(doc="Half the side of the box, pixels.", dtype=int, default=8, min=1)


@register("example_Asymmetry")
class AsymmetryPlugin(SourcePlugin):
    """Rotational asymmetry: sum(|I - I180|) / sum(|I|) in a box about the pixel nearest to the centroid (Conselice et al. 2000, ApJ 529, 886)."""

    ConfigClass = AsymmetryConfig
    flags = {"edge": "the box reaches beyond the image", "noLight": "there is no light in the box"}

    def fields(self, schema: Schema) -> None:
        """Add the columns."""
        schema.add_field(f"{self.name}_value", "D", "rotational asymmetry, 0 for a symmetric source")
        self.add_flags(schema)

    def measure_source(self, record: SourceRecord, exposure: Exposure, center: tuple[float, float]) -> None:
        """Fill the columns of one source; all others are replaced by noise in `exposure`."""
        if not np.isfinite(center).all():
            raise MeasurementError("no position")
        radius = self.config.radius
        column, row = (round(position - corner) for position, corner in zip(center, exposure.xy0))
        height, width = exposure.image.shape
        if not (radius <= column < width - radius and radius <= row < height - radius):
            raise MeasurementError("the box reaches beyond the image", flag="edge")
        box = exposure.image.array[row - radius : row + radius + 1, column - radius : column + radius + 1].astype(np.float64)
        light = np.abs(box).sum()
        if not light > 0:
            raise MeasurementError("there is no light in the box", flag="noLight")
        record[f"{self.name}_value"] = np.abs(box - box[::-1, ::-1]).sum() / light
