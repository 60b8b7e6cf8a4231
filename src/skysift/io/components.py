"""The components of an exposure that are not pixels, as JSON in a FITS table."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from skysift.errors import InputError

if TYPE_CHECKING:
    from astropy.io.fits import BinTableHDU, HDUList

    from skysift.image import Exposure

__all__ = ["components_from_hdus", "components_to_hdu"]

_log = logging.getLogger(__name__)

_EXTENSION = "COMPONENTS"


def components_to_hdu(exposure: Exposure) -> BinTableHDU | None:
    """Put components into a table.

    Parameters
    ----------
    exposure
        Its photometric calibration, aperture corrections, visit, filter, polygon, quality figures, gain and identifier are taken.

    Returns
    -------
    table
        Rows of NAME and VALUE (JSON); None if the exposure has none of them.
    """
    from astropy.io import fits

    rows = []
    for name, (encode, _) in _codecs().items():
        value = getattr(exposure, name)
        if value is None:
            continue
        try:
            rows.append((name, json.dumps(encode(value), default=str)))
        except (TypeError, ValueError, AttributeError) as error:
            _log.warning("the %s of the exposure cannot be written and is left out: %s", name, error)
    if not rows:
        return None
    columns = [
        fits.Column("NAME", f"{max(len(name) for name, _ in rows)}A", array=[name for name, _ in rows]),
        fits.Column("VALUE", f"{max(len(text) for _, text in rows)}A", array=[text for _, text in rows]),
    ]
    return fits.BinTableHDU.from_columns(columns, name=_EXTENSION)


def components_from_hdus(hdulist: HDUList) -> dict[str, Any]:
    """Read the components of an exposure that Skysift wrote.

    Parameters
    ----------
    hdulist
        The open file.

    Returns
    -------
    components
        By the name of the `Exposure` argument; empty for other files.

    Raises
    ------
    InputError
        The table is damaged.
    """
    table = next((hdu for hdu in hdulist if hdu.name == _EXTENSION), None)
    if table is None:
        return {}
    components = {}
    codecs = _codecs()
    try:
        for name, text in zip(table.data["NAME"], table.data["VALUE"]):
            if name in codecs:
                components[str(name)] = codecs[name][1](json.loads(text))
    except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
        raise InputError(f"{hdulist.filename()}, HDU {_EXTENSION!r} is damaged: {error}") from error
    return components


Codec = tuple[Callable[[Any], Any], Callable[[Any], Any]]


def _codecs() -> dict[str, Codec]:
    """Encoder and decoder of each component."""
    from skysift.image import FilterLabel, PhotoCalib, Polygon, VisitInfo

    def same(value: Any) -> Any:
        return value

    return {
        "id": (int, int),
        "gain": (float, float),
        "filter_label": (lambda label: [label.band, label.physical], lambda pair: FilterLabel(*pair)),
        "photo_calib": (
            lambda calib: [calib.mean, calib.err, _encode_field(calib.field)],
            lambda parts: PhotoCalib(parts[0], parts[1], _decode_field(parts[2])),
        ),
        "ap_corr_map": (_encode_map, _decode_map),
        "visit_info": (dataclasses.asdict, lambda values: VisitInfo(**values)),
        "valid_polygon": (lambda polygon: polygon.vertices.tolist(), Polygon),
        "summary_stats": (dict, same),
    }


def _encode_map(ap_corr_map: Any) -> dict[str, Any]:
    return {name: _encode_field(field) for name, field in ap_corr_map.items()}


def _decode_map(encoded: dict[str, Any]) -> Any:
    from skysift.image import ApCorrMap

    return ApCorrMap({name: _decode_field(field) for name, field in encoded.items()})


def _encode_field(field: Any) -> dict[str, Any] | None:
    from skysift.image import ChebyshevField, ProductField

    if field is None:
        return None
    if isinstance(field, ProductField):
        return {"product": [_encode_field(factor) for factor in field.fields]}
    if isinstance(field, ChebyshevField):
        box = field.bbox
        return {"chebyshev": field.coefficients.tolist(), "bbox": [box.min_x, box.min_y, box.width, box.height]}
    raise TypeError(f"fields of type {type(field).__name__} have no form in files")


def _decode_field(encoded: dict[str, Any] | None) -> Any:
    import numpy as np

    from skysift.geom import Box2I
    from skysift.image import ChebyshevField, ProductField

    if encoded is None:
        return None
    if "product" in encoded:
        return ProductField([_decode_field(factor) for factor in encoded["product"]])
    x, y, width, height = encoded["bbox"]
    return ChebyshevField(Box2I((x, y), (width, height)), np.array(encoded["chebyshev"], dtype=np.float64))
