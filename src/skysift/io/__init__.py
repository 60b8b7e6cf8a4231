"""Files: exposures, catalogues, PSF models and regions.

The names are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skysift.io.catalog import read_catalog, write_catalog
    from skysift.io.exposure import read_exposure
    from skysift.io.psf import read_psf
    from skysift.io.regions import write_regions
    from skysift.io.write import write_exposure

_HOMES = {
    "read_catalog": "catalog",
    "read_exposure": "exposure",
    "read_psf": "psf",
    "write_catalog": "catalog",
    "write_exposure": "write",
    "write_regions": "regions",
}

__all__ = ["read_catalog", "read_exposure", "read_psf", "write_catalog", "write_exposure", "write_regions"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
