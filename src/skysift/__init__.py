"""Skysift: from astronomical images to catalogues.

The names are loaded when they are first used, so that importing the package costs next to nothing. Where a function has the name of a
subpackage, it is found there: `skysift.measure.measure`, `skysift.repair.repair`, `skysift.simulate.simulate`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skysift._lazy import lazy_names

if TYPE_CHECKING:
    from skysift.background import estimate_sky, fit_background, subtract_background
    from skysift.characterize import characterize_image
    from skysift.detection import detect_footprints, find_sources
    from skysift.errors import AlgorithmError, InputError, MeasurementError, SkysiftError
    from skysift.footprint import Footprint, FootprintSet, SpanSet, Threshold
    from skysift.geom import Box2I, Point2D, Point2I
    from skysift.image import Exposure, Image, Mask, MaskedImage, PhotoCalib, SkyWcs
    from skysift.io import read_catalog, read_exposure, read_psf, write_catalog, write_exposure, write_regions
    from skysift.measure import NoiseReplacer, Plugin, SourcePlugin, measurement_schema, register
    from skysift.pipeline import detect, process
    from skysift.psf import GaussianPsf, KernelPsf
    from skysift.repair import find_cosmic_rays, interpolate_over_defects
    from skysift.table import Schema, SourceCatalog, match_radec, match_xy

__version__ = "0.1.0"

_HOMES = {
    "AlgorithmError": "errors",
    "Box2I": "geom",
    "Exposure": "image",
    "Footprint": "footprint",
    "FootprintSet": "footprint",
    "GaussianPsf": "psf",
    "Image": "image",
    "InputError": "errors",
    "KernelPsf": "psf",
    "Mask": "image",
    "MaskedImage": "image",
    "MeasurementError": "errors",
    "NoiseReplacer": "measure",
    "PhotoCalib": "image",
    "Plugin": "measure",
    "Point2D": "geom",
    "Point2I": "geom",
    "Schema": "table",
    "SkyWcs": "image",
    "SkysiftError": "errors",
    "SourceCatalog": "table",
    "SourcePlugin": "measure",
    "SpanSet": "footprint",
    "Threshold": "footprint",
    "characterize_image": "characterize",
    "detect": "pipeline",
    "detect_footprints": "detection",
    "estimate_sky": "background",
    "find_cosmic_rays": "repair",
    "find_sources": "detection",
    "fit_background": "background",
    "interpolate_over_defects": "repair",
    "match_radec": "table",
    "match_xy": "table",
    "measurement_schema": "measure",
    "process": "pipeline",
    "read_catalog": "io",
    "read_exposure": "io",
    "read_psf": "io",
    "register": "measure",
    "subtract_background": "background",
    "write_catalog": "io",
    "write_exposure": "io",
    "write_regions": "io",
}

__all__ = [
    "AlgorithmError",
    "Box2I",
    "Exposure",
    "Footprint",
    "FootprintSet",
    "GaussianPsf",
    "Image",
    "InputError",
    "KernelPsf",
    "Mask",
    "MaskedImage",
    "MeasurementError",
    "NoiseReplacer",
    "PhotoCalib",
    "Plugin",
    "Point2D",
    "Point2I",
    "Schema",
    "SkyWcs",
    "SkysiftError",
    "SourceCatalog",
    "SourcePlugin",
    "SpanSet",
    "Threshold",
    "characterize_image",
    "detect",
    "detect_footprints",
    "estimate_sky",
    "find_cosmic_rays",
    "find_sources",
    "fit_background",
    "interpolate_over_defects",
    "match_radec",
    "match_xy",
    "measurement_schema",
    "process",
    "read_catalog",
    "read_exposure",
    "read_psf",
    "register",
    "subtract_background",
    "write_catalog",
    "write_exposure",
    "write_regions",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
