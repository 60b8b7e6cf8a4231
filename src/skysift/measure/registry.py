"""The plugins by name: those of Skysift, those that packages announce as entry points, and those that a user's code registers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TypeVar

import lsst.pex.config as pexConfig

from skysift.measure.plugin import FLUX_ORDER, Plugin, PluginConfig

__all__ = ["Entry", "ap_corr_names", "entry", "load_plugins", "register", "registry"]

registry = pexConfig.Registry(PluginConfig)
"""Plugin classes by name, as `lsst.pex.config` knows them."""

_FAMILIES = (
    "apertures",
    "centroids",
    "classification",
    "compensated",
    "extendedness",
    "flags",
    "fluxes",
    "kron",
    "shapes",
    "sky",
    "surroundings",
)
_P = TypeVar("_P", bound=type[Plugin])


@dataclass(frozen=True)
class Entry:
    """How a plugin was registered."""

    order: float
    """Place in the sequence: `CENTROID_ORDER`, `SHAPE_ORDER`, `FLUX_ORDER` or between."""
    ap_corr: tuple[str, ...]
    """Prefixes of the fluxes that get aperture corrections."""


_entries: dict[str, Entry] = {}


def register(name: str, *, order: float = FLUX_ORDER, ap_corr: bool = False, ap_corr_list: Sequence[str] = ()) -> Callable[[_P], _P]:
    """Register a plugin class under a name; a class may have several names.

    Parameters
    ----------
    name
        Name of the plugin and prefix of its columns.
    order
        Place in the sequence of execution.
    ap_corr
        The flux `<name>_instFlux` gets an aperture correction.
    ap_corr_list
        More prefixes of fluxes that do.

    Returns
    -------
    decorator
        Gives the class back unchanged.

    Raises
    ------
    RuntimeError
        The name is taken.
    """

    def decorate(cls: _P) -> _P:
        registry.register(name, cls)
        _entries[name] = Entry(order, ((name,) if ap_corr else ()) + tuple(ap_corr_list))
        return cls

    return decorate


def entry(name: str) -> Entry:
    """Give how a plugin was registered."""
    return _entries[name]


def ap_corr_names() -> list[str]:
    """Give the prefixes of all fluxes that get aperture corrections (LSST `getApCorrNameSet`)."""
    load_plugins()
    return sorted(prefix for item in _entries.values() for prefix in item.ap_corr)


@cache
def load_plugins() -> None:
    """Import the plugins of Skysift and those of entry-point group `skysift.plugins`; one that fails to import is only a warning."""
    for family in _FAMILIES:
        import_module(f"skysift.measure.plugins.{family}")
    for point in entry_points(group="skysift.plugins"):
        try:
            point.load()
        except Exception as error:
            logging.getLogger(__name__).warning("measurement plugin %s cannot be loaded: %s", point.name, error)
