"""The files of a processed image."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from skysift.pipeline.result import ProcessResult

__all__ = ["write_products", "write_summary"]


def write_summary(result: ProcessResult, path: Path) -> None:
    """Write the summary as JSON; the file appears when it is complete.

    Parameters
    ----------
    result
        What was made of the image.
    path
        The file.
    """
    import numba
    import scipy

    from skysift import __version__

    document = {
        **result.summary,
        "timings": {name: round(seconds, 4) for name, seconds in result.timings.items()},
        "versions": {"skysift": __version__, "numpy": np.__version__, "scipy": scipy.__version__, "numba": numba.__version__},
        "configuration": dict(line.split("=", 1) for line in result.configuration.splitlines()),
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(document, indent=1, default=_plain, allow_nan=False) + "\n", encoding="utf-8")
    temporary.replace(path)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be written to the summary")


def write_products(result: ProcessResult, folder: Path, stem: str, *, exposure: bool = True) -> list[Path]:
    """Write the catalogue and the summary, and the exposure with its PSF and background.

    Parameters
    ----------
    result
        What was made of the image.
    folder
        Where to write; made if needed.
    stem
        Beginning of the files' names.
    exposure
        Whether to write the exposure.

    Returns
    -------
    paths
        The files, each complete.
    """
    from skysift.io import write_catalog, write_exposure

    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{stem}.catalog.parquet", folder / f"{stem}.summary.json"]
    if exposure:
        paths.insert(0, folder / f"{stem}.exposure.fits")
        write_exposure(result.exposure, paths[0], background=result.background.image())
    write_catalog(result.catalog, paths[-2])
    write_summary(result, paths[-1])
    return paths
