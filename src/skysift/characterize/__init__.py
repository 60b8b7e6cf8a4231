"""Characterisation of exposures: star selection, PSF determination, aperture corrections.

The names are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skysift._lazy import lazy_names

if TYPE_CHECKING:
    from skysift.characterize.ap_corr import MeasureApCorrError, measure_ap_corr, normalize_calibration_flux
    from skysift.characterize.candidates import candidate_stamps, make_candidates, reserve_sources
    from skysift.characterize.characterize import Characterization, add_characterization_fields, characterize_image, install_simple_psf
    from skysift.characterize.determiners import NoPsfStarsError, PsfSolution, determine_psf
    from skysift.characterize.pixel_grid import PixelGridFit, PixelGridOptions, fit_pixel_grid
    from skysift.characterize.psf_measurement import NonfinitePsfShapeError, PsfMeasurement, add_psf_fields, measure_psf
    from skysift.characterize.seeing import estimate_seeing
    from skysift.characterize.selectors import (
        ObjectSizeNoGoodSourcesError,
        ObjectSizeNoSourcesError,
        select_object_size,
        select_science,
        select_sources,
    )
    from skysift.characterize.stamps import StarStamps, cut_stamps

_HOMES = {
    "Characterization": "characterize",
    "MeasureApCorrError": "ap_corr",
    "NoPsfStarsError": "determiners",
    "NonfinitePsfShapeError": "psf_measurement",
    "ObjectSizeNoGoodSourcesError": "selectors",
    "ObjectSizeNoSourcesError": "selectors",
    "PixelGridFit": "pixel_grid",
    "PixelGridOptions": "pixel_grid",
    "PsfMeasurement": "psf_measurement",
    "PsfSolution": "determiners",
    "StarStamps": "stamps",
    "add_characterization_fields": "characterize",
    "add_psf_fields": "psf_measurement",
    "candidate_stamps": "candidates",
    "characterize_image": "characterize",
    "cut_stamps": "stamps",
    "determine_psf": "determiners",
    "estimate_seeing": "seeing",
    "fit_pixel_grid": "pixel_grid",
    "install_simple_psf": "characterize",
    "make_candidates": "candidates",
    "measure_ap_corr": "ap_corr",
    "measure_psf": "psf_measurement",
    "normalize_calibration_flux": "ap_corr",
    "reserve_sources": "candidates",
    "select_object_size": "selectors",
    "select_science": "selectors",
    "select_sources": "selectors",
}

__all__ = [
    "Characterization",
    "MeasureApCorrError",
    "NoPsfStarsError",
    "NonfinitePsfShapeError",
    "ObjectSizeNoGoodSourcesError",
    "ObjectSizeNoSourcesError",
    "PixelGridFit",
    "PixelGridOptions",
    "PsfMeasurement",
    "PsfSolution",
    "StarStamps",
    "add_characterization_fields",
    "add_psf_fields",
    "candidate_stamps",
    "characterize_image",
    "cut_stamps",
    "determine_psf",
    "estimate_seeing",
    "fit_pixel_grid",
    "install_simple_psf",
    "make_candidates",
    "measure_ap_corr",
    "measure_psf",
    "normalize_calibration_flux",
    "reserve_sources",
    "select_object_size",
    "select_science",
    "select_sources",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
