"""Measuring the PSF of an exposure: select stars, cut them out, reserve some, fit the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from skysift.characterize.candidates import make_candidates, reserve_sources
from skysift.characterize.determiners import NoPsfStarsError, PsfSolution, determine_psf
from skysift.characterize.selectors import select_sources
from skysift.errors import AlgorithmError

if TYPE_CHECKING:
    from skysift.characterize.config import MeasurePsfConfig
    from skysift.image import Exposure
    from skysift.psf import Psf
    from skysift.table import Schema, SourceCatalog

__all__ = ["NonfinitePsfShapeError", "PsfMeasurement", "add_psf_fields", "measure_psf"]


class NonfinitePsfShapeError(AlgorithmError):
    """The fitted PSF has no finite width."""


@dataclass(frozen=True)
class PsfMeasurement:
    """What `measure_psf` found."""

    psf: Psf
    rows: NDArray[np.int64]
    """(m,) rows of the candidates."""
    used: NDArray[np.bool_]
    """(m,) whether each made the PSF."""
    reserved: NDArray[np.bool_]
    """(m,) whether each was kept from the fit."""
    solution: PsfSolution
    """The fit to the candidates that were not reserved."""


def add_psf_fields(schema: Schema) -> None:
    """Add the columns that `measure_psf` fills, where they are not there yet."""
    schema.add_field("calib_psf_candidate", "Flag", "candidate for the PSF", exist_ok=True)
    schema.add_field("calib_psf_used", "Flag", "used to make the PSF", exist_ok=True)
    schema.add_field("calib_psf_reserved", "Flag", "candidate for the PSF, kept from the fit", exist_ok=True)
    schema.add_field("psf_max_value", "F", "largest pixel of the candidate's stamp", "count", exist_ok=True)


def measure_psf(
    exposure: Exposure, catalog: SourceCatalog, config: MeasurePsfConfig | None = None, *, exposure_id: int = 0
) -> PsfMeasurement:
    """Measure the PSF of an exposure (LSST `MeasurePsfTask`).

    Parameters
    ----------
    exposure
        The image, background subtracted; gets the PSF.
    catalog
        Measured sources with footprints; its columns of `add_psf_fields` are filled.
    config
        How to select and fit; None for the defaults.
    exposure_id
        Number of the exposure, which enters the choice of reserved stars.

    Returns
    -------
    measurement
        The PSF and its stars.

    Raises
    ------
    AlgorithmError
        No stars, or a PSF without a finite width; the exposure keeps its PSF then.
    """
    if config is None:
        from skysift.characterize.config import MeasurePsfConfig

        config = MeasurePsfConfig()
    for name in ("calib_psf_candidate", "calib_psf_used", "calib_psf_reserved"):
        catalog[name] = False
    catalog["psf_max_value"] = np.nan
    selected = select_sources(catalog, config.starSelector)
    rows, max_value = make_candidates(exposure, catalog, selected, config.makePsfCandidates)
    if len(rows) == 0:
        raise NoPsfStarsError(
            f"no stamp of {int(selected.sum())} selected stars lies in the image",
            hint="lower the limits of the star selector or makePsfCandidates.kernelSize",
            metadata={"n_selected": int(selected.sum())},
        )
    reserved = reserve_sources(len(rows), config.reserve, exposure_id)
    catalog["calib_psf_candidate"][rows] = True
    catalog["calib_psf_reserved"][rows] = reserved
    catalog["psf_max_value"][rows] = max_value
    solution = determine_psf(exposure, catalog, rows[~reserved], config.psfDeterminer)
    if not np.isfinite(solution.psf.shapes(*(np.array([p]) for p in solution.psf.average_position))).all():
        raise NonfinitePsfShapeError("the fitted PSF has no finite width", hint="look at the stars with calib_psf_candidate")
    used = np.zeros(len(rows), bool)
    used[~reserved] = solution.used
    catalog["calib_psf_used"][rows] = used
    exposure.psf = solution.psf
    return PsfMeasurement(solution.psf, rows, used, reserved, solution)
