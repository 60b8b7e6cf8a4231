"""Files: exposures, catalogues, PSF models and regions.

The names are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skysift._lazy import lazy_names

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

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
