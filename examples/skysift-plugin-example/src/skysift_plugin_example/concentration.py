"""Concentration: a plugin that measures all sources at once."""

from __future__ import annotations

import lsst.pex.config as pexConfig
import numpy as np

from skysift.measure import Batch, Plugin, PluginConfig, register
from skysift.measure.plugin import FLUX_ORDER
from skysift.table import Schema

__all__ = ["ConcentrationConfig", "ConcentrationPlugin"]


class ConcentrationConfig(PluginConfig):
    """Which fluxes to compare."""

    inner = pexConfig.Field(doc="Prefix of the flux in the small aperture.", dtype=str, default="base_CircularApertureFlux_3_0")
    outer = pexConfig.Field(doc="Prefix of the flux in the large aperture.", dtype=str, default="base_CircularApertureFlux_6_0")


@register("example_Concentration", order=FLUX_ORDER + 0.1)
class ConcentrationPlugin(Plugin):
    """Difference of two aperture magnitudes. Its order is above that of the fluxes, so that these are there."""

    ConfigClass = ConcentrationConfig
    flags = {"badFlux": "one of the fluxes is flagged or not positive"}

    def fields(self, schema: Schema) -> None:
        """Add the columns."""
        schema.add_field(f"{self.name}_value", "D", "magnitude in the small aperture minus that in the large one", "mag")
        self.add_flags(schema)

    def measure(self, batch: Batch) -> None:
        """Fill the columns: `batch[name]` holds the rows of a column."""
        inner, outer = (batch[f"{prefix}_instFlux"] for prefix in (self.config.inner, self.config.outer))
        bad = batch[f"{self.config.inner}_flag"] | batch[f"{self.config.outer}_flag"] | ~(inner > 0) | ~(outer > 0)
        ratio = np.divide(inner, outer, out=np.full(len(batch), np.nan), where=~bad)
        batch[f"{self.name}_value"] = -2.5 * np.log10(ratio)
        batch[f"{self.name}_flag_badFlux"] = bad
        batch[f"{self.name}_flag"] = bad
