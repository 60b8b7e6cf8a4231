"""Images, masks and exposures, and what an exposure carries: coordinates, calibration, corrections.

The names are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skysift._lazy import lazy_names

if TYPE_CHECKING:
    from skysift.image.exposure import Exposure
    from skysift.image.field import ApCorrMap, BoundedField, ChebyshevField, ProductField
    from skysift.image.image import Image
    from skysift.image.info import FilterLabel, VisitInfo
    from skysift.image.mask import Mask, MaskSchema
    from skysift.image.masked_image import MaskedImage
    from skysift.image.noise import estimate_variance
    from skysift.image.photo_calib import PhotoCalib
    from skysift.image.polygon import Polygon
    from skysift.image.wcs import SkyWcs

_HOMES = {
    "ApCorrMap": "field",
    "BoundedField": "field",
    "ChebyshevField": "field",
    "Exposure": "exposure",
    "FilterLabel": "info",
    "Image": "image",
    "Mask": "mask",
    "MaskSchema": "mask",
    "MaskedImage": "masked_image",
    "PhotoCalib": "photo_calib",
    "Polygon": "polygon",
    "ProductField": "field",
    "SkyWcs": "wcs",
    "VisitInfo": "info",
    "estimate_variance": "noise",
}

__all__ = [
    "ApCorrMap",
    "BoundedField",
    "ChebyshevField",
    "Exposure",
    "FilterLabel",
    "Image",
    "Mask",
    "MaskSchema",
    "MaskedImage",
    "PhotoCalib",
    "Polygon",
    "ProductField",
    "SkyWcs",
    "VisitInfo",
    "estimate_variance",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
