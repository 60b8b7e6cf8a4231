"""Reading the WCS of a FITS header without `astropy.wcs`, where it is a plain one."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from skysift.errors import InputError
from skysift.image.distortion import tpv_from_cards
from skysift.image.tan import TanWcs
from skysift.image.wcs import SkyWcs

__all__ = ["wcs_from_header"]

_AXES = {("RA--", "DEC-"): "EQUATORIAL", ("GLON", "GLAT"): "GALACTIC"}
_PV = re.compile(r"^PV([12])_(\d+)$")
_DISTORTION = re.compile(r"^(CPDIS[12]|CPERR[12]|D2IM.*|DP[12].*|DQ[12].*|CQDIS[12])$")
_CELESTIAL = re.compile(r"^(RA--|DEC-|[A-Z]LON|[A-Z]LAT|[A-Z]{2}LN|[A-Z]{2}LT)")


def _value(header: Mapping[str, Any], key: str) -> Any:
    """A card's value, None if absent; astropy reads cards when asked for them, and may fail then."""
    try:
        return header.get(key)
    except Exception as error:
        raise InputError(f"WCS card {key} cannot be read: {' '.join(str(error).split())}") from error


def _number(header: Mapping[str, Any], key: str, default: float) -> float:
    """A card as a number; a card without a value counts as absent."""
    value = _value(header, key)
    if value is None or value == "" or type(value).__name__ == "Undefined":
        return default
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"WCS card {key} is {value!r}; a number is needed") from error


def _text(header: Mapping[str, Any], key: str) -> str:
    value = _value(header, key)
    return value.strip().upper() if isinstance(value, str) else ""


def wcs_from_header(header: Mapping[str, Any], xy0: Sequence[float]) -> SkyWcs | None:
    """See `SkyWcs.from_header`."""
    axes = [_text(header, f"CTYPE{i}") for i in range(1, 6)]
    if not any(_CELESTIAL.match(ctype) for ctype in axes):
        return None
    return _plain_tan(header, xy0) or _by_astropy(header, xy0)


def _by_astropy(header: Mapping[str, Any], xy0: Sequence[float]) -> SkyWcs | None:
    from skysift.image.wcs_astropy import AstropyWcs

    return AstropyWcs.from_header(header, xy0)


def _plain_tan(header: Mapping[str, Any], xy0: Sequence[float]) -> TanWcs | None:
    """The WCS if it is a tangent plane that `TanWcs` can express, else None."""
    ctypes = _text(header, "CTYPE1"), _text(header, "CTYPE2")
    projections = {ctype[4:] for ctype in ctypes}
    if projections - {"-TAN", "-TAN-SIP"} and projections != {"-TPV"}:
        return None
    kind = _AXES.get((ctypes[0][:4], ctypes[1][:4]))
    if kind is None or {_text(header, "CUNIT1"), _text(header, "CUNIT2")} - {"", "DEG", "DEGREE", "DEGREES"}:
        return None
    if any(_DISTORTION.match(str(key)) for key in header):
        return None
    frame = "GALACTIC" if kind == "GALACTIC" else _equatorial_frame(header)
    latpole_matters = _number(header, "LATPOLE", 90.0) != 90.0 and abs(_number(header, "CRVAL2", 0.0)) >= 90.0
    if frame is None or latpole_matters:
        return None
    crpix = [_number(header, f"CRPIX{i}", 0.0) - 1.0 + xy0[i - 1] for i in (1, 2)]
    crval = [_number(header, f"CRVAL{i}", 0.0) for i in (1, 2)]
    lonpole = _number(header, "LONPOLE", math.nan)
    pv = {(int(m[1]), int(m[2])): _number(header, str(key), 0.0) for key in header if (m := _PV.match(str(key)))}
    tpv = tpv_from_cards(pv)
    if tpv is None or (pv and projections != {"-TPV"}):
        return None
    sip, inverse = (_polynomials(header, *names) for names in (("A", "B"), ("AP", "BP")))
    return TanWcs(
        crval,
        crpix,
        _cd_matrix(header),
        sip=sip,
        tpv=tpv if projections == {"-TPV"} else None,
        sip_inverse=inverse if sip is not None else None,
        frame=frame,
        lonpole_deg=None if math.isnan(lonpole) else lonpole,
    )


def _equatorial_frame(header: Mapping[str, Any]) -> str | None:
    """The frame of right ascension and declination, by the rules of Calabretta & Greisen (2002); None if `TanWcs` does not know it."""
    name = _text(header, "RADESYS") or _text(header, "RADECSYS")
    equinox = _number(header, "EQUINOX", _number(header, "EPOCH", math.nan))
    if not name:
        name = "ICRS" if math.isnan(equinox) else "FK5" if equinox >= 1984.0 else "FK4"
    if name == "ICRS":
        return "ICRS"
    if name == "FK5" and (math.isnan(equinox) or equinox == 2000.0):
        return "FK5"
    return None


def _cd_matrix(header: Mapping[str, Any]) -> np.ndarray:
    """Degrees per pixel, from CD, from PC and CDELT, or from CDELT and CROTA2."""
    indices = [(i, j) for i in (1, 2) for j in (1, 2)]
    if any(f"CD{i}_{j}" in header for i, j in indices):
        return np.array([_number(header, f"CD{i}_{j}", 0.0) for i, j in indices]).reshape(2, 2)
    cdelt = [_number(header, f"CDELT{i}", 1.0) for i in (1, 2)]
    if not any(f"PC{i}_{j}" in header for i, j in indices) and "CROTA2" in header:
        angle = math.radians(_number(header, "CROTA2", 0.0))
        c, s = math.cos(angle), math.sin(angle)
        return np.array([[cdelt[0] * c, -cdelt[1] * s], [cdelt[0] * s, cdelt[1] * c]])
    pc = np.array([_number(header, f"PC{i}_{j}", float(i == j)) for i, j in indices]).reshape(2, 2)
    return np.array(cdelt)[:, np.newaxis] * pc


def _polynomials(header: Mapping[str, Any], first: str, second: str) -> tuple[np.ndarray, np.ndarray] | None:
    """A pair of SIP polynomials, or None if the header has none."""
    if f"{first}_ORDER" not in header and f"{second}_ORDER" not in header:
        return None
    result = []
    for name in (first, second):
        order = int(_number(header, f"{name}_ORDER", 0.0))
        if not 0 <= order <= 20:
            raise InputError(f"WCS card {name}_ORDER is {order}; an order from 0 to 20 is needed")
        c = np.zeros((order + 1, order + 1))
        for p in range(order + 1):
            for q in range(order + 1 - p):
                c[p, q] = _number(header, f"{name}_{p}_{q}", 0.0)
        result.append(c)
    return result[0], result[1]
