"""Quantities computed from other columns, after aperture corrections: the LSST `CatalogCalculationTask`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import lsst.pex.config as pexConfig
import numpy as np

from skysift.measure.plugin import PluginConfig

if TYPE_CHECKING:
    from skysift.table import Schema, SourceCatalog

__all__ = ["Calculation", "CatalogCalculationConfig", "add_calculation_fields", "calculate", "calculation_registry"]

calculation_registry = pexConfig.Registry(PluginConfig)
"""Calculations by name; `calculation_registry.register(name, cls)` adds one."""


class Calculation:
    """A quantity computed from columns, for all sources at once.

    Parameters
    ----------
    config
        Instance of `ConfigClass`.
    name
        Name under which it is registered: the prefix of its columns.
    """

    ConfigClass: ClassVar[type[PluginConfig]] = PluginConfig

    def __init__(self, config: Any, name: str) -> None:
        self.config = config
        self.name = name

    def fields(self, schema: Schema) -> None:
        """Add the columns `<name>_value` and `<name>_flag`."""
        schema.add_field(f"{self.name}_value", "D", (self.__doc__ or "").partition("\n")[0])
        schema.add_field(f"{self.name}_flag", "Flag", "general failure flag")

    def calculate(self, catalog: SourceCatalog) -> None:
        """Fill the columns."""
        raise NotImplementedError(f"calculation {self.name} has no calculate()")


class ExtendednessConfig(PluginConfig):
    """Fields of the LSST `CatalogCalculationClassificationConfig`."""

    fluxRatio = pexConfig.Field[float](doc="The model flux is scaled by this before it is compared.", dtype=float, default=0.95)
    modelErrFactor = pexConfig.Field[float](doc="Errors of the model flux that are added to it.", dtype=float, default=0.0)
    psfErrFactor = pexConfig.Field[float](doc="Errors of the PSF flux that are added to it.", dtype=float, default=0.0)


class Extendedness(Calculation):
    """0 if the PSF flux accounts for the model flux, else 1."""

    ConfigClass = ExtendednessConfig

    def calculate(self, catalog: SourceCatalog) -> None:
        """Compare slot ModelFlux with slot PsfFlux; flagged or missing fluxes give NaN and the flag."""
        model = catalog["slot_ModelFlux_instFlux"] * self.config.fluxRatio
        psf = catalog["slot_PsfFlux_instFlux"].copy()
        bad = catalog["slot_ModelFlux_flag"] | catalog["slot_PsfFlux_flag"]
        if self.config.modelErrFactor:
            model = model + self.config.modelErrFactor * catalog["slot_ModelFlux_instFluxErr"]
        if self.config.psfErrFactor:
            psf = psf + self.config.psfErrFactor * catalog["slot_PsfFlux_instFluxErr"]
        bad = bad | ~np.isfinite(model) | ~np.isfinite(psf)
        with np.errstate(invalid="ignore"):
            catalog[f"{self.name}_value"] = np.where(bad, np.nan, np.where(model < psf, 0.0, 1.0))
        catalog[f"{self.name}_flag"] = bad


class FootprintArea(Calculation):
    """Number of pixels of the footprint."""

    def fields(self, schema: Schema) -> None:
        """Add the column `<name>_value`; a missing footprint has 0."""
        schema.add_field(f"{self.name}_value", "I", "number of pixels of the footprint", "pixel")

    def calculate(self, catalog: SourceCatalog) -> None:
        """Count the pixels."""
        arrays = getattr(catalog.footprints, "arrays", None)
        if arrays is not None:
            catalog[f"{self.name}_value"] = arrays.area
        else:
            catalog[f"{self.name}_value"] = [0 if footprint is None else footprint.area for footprint in catalog.footprints]


calculation_registry.register("base_ClassificationExtendedness", Extendedness)
calculation_registry.register("base_FootprintArea", FootprintArea)


class CatalogCalculationConfig(pexConfig.Config):
    """Which calculations run."""

    plugins = calculation_registry.makeField(
        "Calculations that run, and their configuration.", default=["base_ClassificationExtendedness", "base_FootprintArea"], multi=True
    )


def _calculations(config: CatalogCalculationConfig | None) -> list[Calculation]:
    config = config or CatalogCalculationConfig()
    return [calculation_registry[name](config.plugins[name], name) for name in sorted(config.plugins.names)]


def add_calculation_fields(schema: Schema, config: CatalogCalculationConfig | None = None) -> None:
    """Add the columns of the active calculations to a schema."""
    for calculation in _calculations(config):
        calculation.fields(schema)


def calculate(catalog: SourceCatalog, config: CatalogCalculationConfig | None = None) -> None:
    """Fill the columns of the active calculations.

    Parameters
    ----------
    catalog
        Measured sources; its schema has the fields of `add_calculation_fields`.
    config
        Which calculations; None for the defaults.
    """
    for calculation in _calculations(config):
        if calculation.config.doMeasure:
            calculation.calculate(catalog)
