"""Images, masks and exposures, and what an exposure carries: coordinates, calibration, corrections.

The names are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
