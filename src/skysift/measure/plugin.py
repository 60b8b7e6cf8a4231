"""What a measurement plugin is: a Config, the fields that it fills, and the measurement of a batch of sources or of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import lsst.pex.config as pexConfig
import numpy as np

from skysift.errors import MeasurementError

if TYPE_CHECKING:
    from skysift.image import Exposure
    from skysift.measure.batch import Batch
    from skysift.table import Schema, SourceRecord

__all__ = ["CENTROID_ORDER", "FLUX_ORDER", "SHAPE_ORDER", "Plugin", "PluginConfig", "SourcePlugin"]

CENTROID_ORDER = 0.0
SHAPE_ORDER = 1.0
FLUX_ORDER = 2.0


class PluginConfig(pexConfig.Config):
    """Fields that all plugins have."""

    doMeasure = pexConfig.Field[bool](doc="Run the plugin; its columns exist either way.", default=True)


class Plugin:
    """A measurement of all sources of a batch at once.

    Subclasses set `ConfigClass`, add their columns in `fields` and fill them in `measure`. A source that cannot be measured gets
    flags; an exception flags the whole batch.

    Parameters
    ----------
    config
        Instance of `ConfigClass`; None for the defaults.
    name
        Name under which the plugin is registered: the prefix of its columns.
    """

    ConfigClass: ClassVar[type[PluginConfig]] = PluginConfig
    flags: ClassVar[Mapping[str, str]] = {}
    """Specific flags, without the prefix and "flag_", and what they mean; the general flag always exists."""

    def __init__(self, config: Any = None, name: str = "") -> None:
        self.config: Any = self.ConfigClass() if config is None else config
        self.name = name

    def fields(self, schema: Schema) -> None:
        """Add the plugin's columns; overriding methods call `add_flags` or add what they need themselves."""
        self.add_flags(schema)

    def measure(self, batch: Batch) -> None:
        """Fill the columns for the sources of the batch."""
        raise NotImplementedError(f"plugin {self.name} has no measure()")

    def fail(self, batch: Batch, where: Any = slice(None)) -> None:
        """Mark sources as failed: set their general flag, if there is one."""
        if f"{self.name}_flag" in batch.catalog.schema:
            batch[f"{self.name}_flag"][where] = True

    def metadata(self) -> dict[str, Any]:
        """Give what the catalogue's metadata should say about the configuration."""
        return {}

    def add_flags(self, schema: Schema, prefix: str | None = None, flags: Mapping[str, str] | None = None) -> None:
        """Add the general flag and specific flags.

        Parameters
        ----------
        schema
            Where to.
        prefix
            The plugin's name by default.
        flags
            Names without the prefix and "flag_", and descriptions; `self.flags` by default.
        """
        prefix = prefix or self.name
        schema.add_field(f"{prefix}_flag", "Flag", "general failure flag")
        for flag, doc in (self.flags if flags is None else flags).items():
            schema.add_field(f"{prefix}_flag_{flag}", "Flag", doc)

    def add_flux(self, schema: Schema, doc: str, prefix: str | None = None, flags: Mapping[str, str] | None = None) -> None:
        """Add flux, error, flags and the alias of the slot centroid's flag."""
        prefix = prefix or self.name
        schema.add_field(f"{prefix}_instFlux", "D", doc, "count")
        schema.add_field(f"{prefix}_instFluxErr", "D", f"standard error of {doc}", "count")
        self.add_flags(schema, prefix, flags)
        schema.aliases[f"{self.name}_flag_badCentroid"] = "slot_Centroid_flag"

    def put_flux(self, batch: Batch, flux: np.ndarray, error: np.ndarray, bad: np.ndarray, prefix: str | None = None) -> None:
        """Fill flux, error and the general flag, which is also set where flux or error is not finite."""
        prefix = prefix or self.name
        batch[f"{prefix}_instFlux"] = flux
        batch[f"{prefix}_instFluxErr"] = error
        batch[f"{prefix}_flag"] = bad | ~np.isfinite(flux) | ~np.isfinite(error)


class SourcePlugin(Plugin):
    """A measurement of one source at a time, for plugins that are written most easily that way."""

    def measure_source(self, record: SourceRecord, exposure: Exposure, center: tuple[float, float]) -> None:
        """Fill the columns of one source.

        Parameters
        ----------
        record
            The row to fill.
        exposure
            The image in which all other sources are replaced by noise; valid only during the call.
        center
            Position, PARENT pixels: the slot centroid, or the first peak.

        Raises
        ------
        MeasurementError
            The source cannot be measured: the general flag and the error's `flag` are set.
        """
        raise NotImplementedError(f"plugin {self.name} has no measure_source()")

    def measure(self, batch: Batch) -> None:
        """Call `measure_source` for each source; errors become flags."""
        position = batch.position
        general = f"{self.name}_flag"
        if general in batch.catalog.schema:
            batch[general] = position.bad
        for i in range(len(batch)):
            with batch.visible(i) as exposure:
                center = (float(position.x[i] + batch.x0), float(position.y[i] + batch.y0))
                try:
                    self.measure_source(batch.record(i), exposure, center)
                except MeasurementError as error:
                    self.fail(batch, i)
                    if error.flag is not None:
                        batch[f"{self.name}_flag_{error.flag}"][i] = True
                except MemoryError:
                    raise
                except Exception as error:
                    from skysift.measure.driver import log

                    log.warning("plugin %s failed on source %d: %s", self.name, batch.record(i).id, error)
                    self.fail(batch, i)
