"""Selection of sources by their size or by flags and limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skysift.errors import AlgorithmError

if TYPE_CHECKING:
    from skysift.characterize.selector_config import ObjectSizeStarSelectorConfig, ScienceSourceSelectorConfig
    from skysift.table import SourceCatalog

__all__ = [
    "SELECTORS",
    "ObjectSizeNoGoodSourcesError",
    "ObjectSizeNoSourcesError",
    "select_object_size",
    "select_science",
    "select_sources",
]


class ObjectSizeNoSourcesError(AlgorithmError):
    """There is no source to select from."""


class ObjectSizeNoGoodSourcesError(AlgorithmError):
    """No source passes the flags and limits."""


def select_sources(catalog: SourceCatalog, choice: Any) -> NDArray[np.bool_]:
    """Select by the active selector of a configuration field.

    Parameters
    ----------
    catalog
        Measured sources.
    choice
        The value of a field over `SOURCE_SELECTORS`: it has `name` and `active`.

    Returns
    -------
    selected
        (n,) bool.
    """
    return SELECTORS[choice.name](catalog, choice.active)


def select_object_size(catalog: SourceCatalog, config: ObjectSizeStarSelectorConfig | None = None) -> NDArray[np.bool_]:
    """Select the sources of the smallest common size: the stars (LSST `ObjectSizeStarSelectorTask`).

    Parameters
    ----------
    catalog
        Measured sources, with the slot Shape.
    config
        Limits; None for the defaults.

    Returns
    -------
    selected
        (n,) bool.

    Raises
    ------
    ObjectSizeNoSourcesError
        The catalogue is empty.
    ObjectSizeNoGoodSourcesError
        No source passes the flags and limits.
    """
    if config is None:
        from skysift.characterize.selector_config import ObjectSizeStarSelectorConfig

        config = ObjectSizeStarSelectorConfig()
    if len(catalog) == 0:
        raise ObjectSizeNoSourcesError("there are no sources to select stars from", hint="lower the detection threshold")
    flux = np.asarray(catalog[config.sourceFluxField], np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        width = np.sqrt(0.5 * (catalog["slot_Shape_xx"] + catalog["slot_Shape_yy"]))
        good = np.isfinite(flux) & (width >= config.widthMin) & (width <= config.widthMax)
        if config.doSignalToNoiseLimit:
            ratio = flux / catalog[f"{config.sourceFluxField}Err"]
            good &= ratio >= config.signalToNoiseMin
            if config.signalToNoiseMax > 0:
                good &= ratio <= config.signalToNoiseMax
        if config.doFluxLimit:
            good &= flux >= config.fluxMin
            if config.fluxMax > 0:
                good &= flux <= config.fluxMax
    good &= ~_any_flag(catalog, config.badFlags)
    if not good.any():
        raise ObjectSizeNoGoodSourcesError(
            f"none of {len(catalog)} sources passes the flags and limits of the star selection",
            hint="lower starSelector['objectSize'].signalToNoiseMin, or look for too many flagged pixels",
            metadata={"n_sources": len(catalog)},
        )
    selected = np.zeros(len(catalog), bool)
    rows = np.flatnonzero(good)
    selected[rows[_narrowest_cluster(width[rows], config)]] = True
    return selected


def _narrowest_cluster(width: NDArray[np.float64], config: ObjectSizeStarSelectorConfig) -> NDArray[np.bool_]:
    """Members of the first of four clusters about medians, the first of which begins at the tenth percentile; clipped while it is broad."""
    start = np.sort(width)[len(width) // 10]
    centers = start * (1.0 + 2.0 * config.widthStdAllowed * np.arange(4))
    cluster = np.full(len(width), -1)
    # Medians about which nothing changes are reached in a few rounds; a cycle would otherwise never end.
    for _ in range(100):
        distance = np.abs(width[:, None] - centers[None, :])
        assigned = np.argmin(np.where(np.isnan(distance), np.inf, distance), axis=1)
        if np.array_equal(assigned, cluster):
            break
        cluster = assigned
        centers = np.array([np.median(width[cluster == k]) if (cluster == k).any() else np.nan for k in range(4)])
    member = cluster == 0
    for _ in range(10):
        inside = np.sort(width[member])
        n = len(inside)
        if n < 5:
            break
        median = float(np.median(inside))
        spread = min(float(inside.std()), 0.741 * float(inside[int(0.75 * n)] - inside[int(0.25 * n)]))
        if spread < config.widthStdAllowed * median:
            break
        kept = member & (np.abs(width - median) < config.nSigmaClip * spread)
        if np.array_equal(kept, member):
            break
        member = kept
    return member


def select_science(catalog: SourceCatalog, config: ScienceSourceSelectorConfig | None = None) -> NDArray[np.bool_]:
    """Select by flags and limits (LSST `ScienceSourceSelectorTask`).

    Parameters
    ----------
    catalog
        Measured sources.
    config
        What to demand; None for the defaults, which demand nothing.

    Returns
    -------
    selected
        (n,) bool. Limits are exclusive; values that are not finite fail them, and so do fluxes whose flag is set.
    """
    if config is None:
        from skysift.characterize.selector_config import ScienceSourceSelectorConfig

        config = ScienceSourceSelectorConfig()
    selected = np.ones(len(catalog), bool)
    if config.doFluxLimit:
        name = config.fluxLimit.fluxField
        selected &= _within(catalog[name], config.fluxLimit)
        flag = name.removesuffix("_instFlux").removesuffix("_flux") + "_flag"
        for candidate in (f"{name}_flag", flag):
            if candidate in catalog.schema:
                selected &= ~catalog[candidate]
    if config.doFlags:
        for name in config.flags.good:
            selected &= catalog[name]
        selected &= ~_any_flag(catalog, config.flags.bad)
    if config.doUnresolved:
        selected &= _within(catalog[config.unresolved.name], config.unresolved)
    if config.doSignalToNoise:
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = catalog[config.signalToNoise.fluxField] / catalog[config.signalToNoise.errField]
        selected &= _within(ratio, config.signalToNoise)
    if config.doIsolated:
        selected &= (catalog[config.isolated.parentName] == 0) & (catalog[config.isolated.nChildName] == 0)
    if config.doRequireFiniteRaDec:
        selected &= np.isfinite(catalog[config.requireFiniteRaDec.raColName]) & np.isfinite(catalog[config.requireFiniteRaDec.decColName])
    if config.doRequirePrimary:
        selected &= catalog[config.requirePrimary.primaryColName]
    if config.doCentroidErrorLimit:
        for name in config.centroidErrorLimit.centroidErrorField:
            selected &= _within(catalog[name], config.centroidErrorLimit)
    if config.doSkySources:
        selected |= catalog["sky_source"]
    return selected


def _within(values: NDArray, limit: Any) -> NDArray[np.bool_]:
    good = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        if limit.minimum is not None:
            good &= values > limit.minimum
        if limit.maximum is not None:
            good &= values < limit.maximum
    return good


def _any_flag(catalog: SourceCatalog, names: Any) -> NDArray[np.bool_]:
    flagged = np.zeros(len(catalog), bool)
    for name in names:
        flagged |= catalog[name]
    return flagged


SELECTORS: dict[str, Callable[[SourceCatalog, Any], NDArray[np.bool_]]] = {"objectSize": select_object_size, "science": select_science}
"""The selectors by name."""
