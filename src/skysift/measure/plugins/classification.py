"""Is a source extended, from its size: base_ClassificationSizeExtendedness."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lsst.pex.config as pexConfig
import numpy as np

from skysift.measure.plugin import FLUX_ORDER, Plugin, PluginConfig
from skysift.measure.registry import register

if TYPE_CHECKING:
    from skysift.measure.batch import Batch
    from skysift.table import Schema

__all__ = ["SizeExtendednessPlugin"]


class SizeExtendednessConfig(PluginConfig):
    """Fields of the LSST `ClassificationSizeExtendednessConfig`."""

    exponent = pexConfig.Field[float](doc="Power of the PSF's size that the excess is divided by.", dtype=float, default=0.5)


@register("base_ClassificationSizeExtendedness", order=FLUX_ORDER)
class SizeExtendednessPlugin(Plugin):
    """0 for sources of the PSF's size, up to 1: `1 - exp(-((T - Tpsf) / Tpsf^exponent)^2 / 2)`, `T = Ixx + Iyy`."""

    ConfigClass = SizeExtendednessConfig

    def fields(self, schema: Schema) -> None:
        """Add the columns, see `Plugin.fields`."""
        schema.add_field(f"{self.name}_value", "D", "0 for a point source, towards 1 for an extended one")
        self.add_flags(schema)

    def measure(self, batch: Batch) -> None:
        """Fill the columns, see `Plugin.measure`."""
        shape = batch.shape
        psf = batch["slot_PsfShape_xx"] + batch["slot_PsfShape_yy"]
        excess = (shape.ixx + shape.iyy - psf) / psf**self.config.exponent
        value = np.where(shape.bad, np.nan, 1.0 - np.exp(-0.5 * excess**2))
        batch[f"{self.name}_value"] = value
        batch[f"{self.name}_flag"] = ~np.isfinite(value)
