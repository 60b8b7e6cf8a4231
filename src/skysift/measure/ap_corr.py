"""Applying aperture corrections to the fluxes of a catalogue: the LSST `ApplyApCorrTask`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import lsst.pex.config as pexConfig
import numpy as np

from skysift.measure.registry import ap_corr_names

if TYPE_CHECKING:
    from skysift.table import Schema, SourceCatalog

__all__ = ["ApplyApCorrConfig", "add_ap_corr_fields", "apply_ap_corr"]

log = logging.getLogger("skysift.measure")


class ApplyApCorrConfig(pexConfig.Config):
    """Fields of the LSST `ApplyApCorrConfig`."""

    ignoreList = pexConfig.ListField[str](doc="Fluxes that get no correction.", dtype=str, default=[], optional=False)
    doFlagApCorrFailures = pexConfig.Field[bool](doc="Flag the fluxes whose correction fails.", dtype=bool, default=True)
    proxies = pexConfig.DictField[str, str](doc="Fluxes that get the correction of another.", keytype=str, itemtype=str, default={})


def _prefixes(schema: Schema, config: ApplyApCorrConfig) -> list[str]:
    names = [*ap_corr_names(), *config.proxies]
    return [name for name in names if f"{name}_instFlux" in schema and name not in config.ignoreList]


def add_ap_corr_fields(schema: Schema, config: ApplyApCorrConfig | None = None) -> None:
    """Add `<flux>_apCorr`, `<flux>_apCorrErr` and `<flux>_flag_apCorr` for every flux of the schema that gets a correction.

    Parameters
    ----------
    schema
        Schema that has the fluxes already.
    config
        None for the defaults.
    """
    for name in _prefixes(schema, config or ApplyApCorrConfig()):
        schema.add_field(f"{name}_apCorr", "D", f"aperture correction applied to {name}")
        schema.add_field(f"{name}_apCorrErr", "D", f"standard error of the aperture correction applied to {name}")
        schema.add_field(f"{name}_flag_apCorr", "Flag", f"{name} could not be corrected")


def apply_ap_corr(catalog: SourceCatalog, ap_corr_map: Any, config: ApplyApCorrConfig | None = None) -> None:
    """Multiply fluxes and their errors by the aperture corrections at the sources' positions.

    Parameters
    ----------
    catalog
        Measured sources; changed in place. Its schema has the fields of `add_ap_corr_fields`.
    ap_corr_map
        `ApCorrMap` with fields `<flux>_instFlux` and `<flux>_instFluxErr`.
    config
        None for the defaults.
    """
    config = config or ApplyApCorrConfig()
    for name in _prefixes(catalog.schema, config):
        source = config.proxies.get(name, name)
        correction, error = (ap_corr_map.get(f"{source}_{kind}") for kind in ("instFlux", "instFluxErr"))
        factor = np.full(len(catalog), np.nan)
        sigma = np.full(len(catalog), np.nan)
        if correction is None or error is None:
            log.warning("no aperture correction for %s: its fluxes are flagged", name)
        else:
            known = np.isfinite(catalog.x) & np.isfinite(catalog.y)
            factor[known] = correction.evaluate(catalog.x[known], catalog.y[known])
            sigma[known] = error.evaluate(catalog.x[known], catalog.y[known])
        with np.errstate(invalid="ignore"):
            good = (factor > 0) & (sigma >= 0) & np.isfinite(factor + sigma)
        catalog[f"{name}_apCorr"] = factor
        catalog[f"{name}_apCorrErr"] = sigma
        catalog[f"{name}_instFlux"][good] *= factor[good]
        catalog[f"{name}_instFluxErr"][good] *= factor[good]
        catalog[f"{name}_flag_apCorr"] = ~good
        if config.doFlagApCorrFailures and f"{name}_flag" in catalog.schema:
            catalog[f"{name}_flag"] |= ~good
