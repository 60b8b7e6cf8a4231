"""What headers of many observatories say about gain, saturation, filter and zero point."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from skysift.io.fitsfile import readable_cards

if TYPE_CHECKING:
    from astropy.io.fits import Header

    from skysift.image import FilterLabel, PhotoCalib, VisitInfo

__all__ = ["filter_label", "gain", "merged_metadata", "number", "photo_calib", "read_noise", "saturation", "visit_info", "xy0"]

_GAIN_KEYS = ("GAIN", "EGAIN", "CCDGAIN", "GAINEFF", "CCD_GAIN", "ATODGAIN")
_NOISE_KEYS = ("RDNOISE", "READNOIS", "READNOISE", "RON", "ENOISE", "CCDRON", "RDNOIS")
_SATURATION_KEYS = ("SATURATE", "SATLEVEL", "SATURLEV", "SATURVAL", "SATUR")
_ZERO_POINT_KEYS = ("MAGZERO", "MAGZPT", "MAGZP", "ZP", "PHOTZP", "ZEROPT", "ZPMAG", "MAGZERO1", "ABMAGZP")
_FILTER_KEYS = ("FILTER", "FILTNAM", "FILTNAM1", "FILTER1", "FILTER01", "FILTERS", "INSFILTE", "HIERARCH ESO INS FILT1 NAME")
_VISIT_SYNONYMS = {
    "EXPTIME": ("EXPOSURE", "EXP_TIME", "TEXPTIME"),
    "BORE-AIRMASS": ("AIRMASS",),
    "INSTRUMENT": ("INSTRUME",),
    "IDNUM": ("EXPNUM", "EXPID"),
}
_ALWAYS_KNOWN = {"ROTTYPE", "HAS-SIMULATED-CONTENT", "TIMESYS"}
_NO_FILTER = {"", "_unknown_", "unknown", "none", "clear", "open", "empty", "n/a"}
_AMPLIFIERS = ("A", "B", "C", "D", "1", "2", "3", "4")
_FAINTEST_ZERO_POINT = 60.0
_NJY_PER_UNIT = {
    "njy": 1.0,
    "ujy": 1e3,
    "microjy": 1e3,
    "mjy": 1e6,
    "jy": 1e9,
    "nanomaggy": 3631.0,
    "nanomaggies": 3631.0,
    "nmgy": 3631.0,
    "maggy": 3.631e12,
    "maggies": 3.631e12,
}
_NOT_COUNTS = re.compile(r"jy|magg|nmgy|erg|\bW\b|watt", re.IGNORECASE)
_BAND = re.compile(r"^(?:HSC-|W-[SJ]-)?([ugrizyUBVRIZYJHK]|Ks|VR)(?=$|[^A-Za-z])")
_STRUCTURE = re.compile(
    r"^(SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|GROUPS|BSCALE|BZERO|BLANK|CHECKSUM|DATASUM|ZHECKSUM|ZDATASUM|EXTNAME|EXTVER"
    r"|EXTLEVEL|EXTTYPE|INHERIT|END|DATAMIN|DATAMAX|FZALGOR|FZTILE|FZQVALUE|FZQMETHD|FZDTHRSD|NEXTEND"
    r"|EXPINFO_V|AR_HDU|ARCHIVE_ID_.*|C(TYPE|RVAL|RPIX|UNIT|DELT)\dA|MP_.*|MSK[NMD]\d{4}|LTV\d|LTM\d_\d|)$"
)
_WCS = re.compile(
    r"^(WCSAXES|WCSDIM|CTYPE\d|CUNIT\d|CRVAL\d|CRPIX\d|CDELT\d|CROTA\d|PC\d_\d|CD\d_\d|PV\d_\d+|PS\d_\d+|LONPOLE|LATPOLE|RADESYS|RADECSYS|EQUINOX"
    r"|MJDREF|WCSNAME|WAT\d_\d{3}|[AB]P?_(ORDER|DMAX|\d_\d))$"
)
_ARCHIVE_IDS = {
    f"{key}_ID"
    for key in (
        [
            "WCS",
            "SKYWCS",
            "PSF",
            "PHOTOCALIB",
            "DETECTOR",
            "VALID_POLYGON",
            "COADD_INPUTS",
            "AP_CORR_MAP",
            "TRANSMISSION_CURVE",
            "FILTER",
            "SUMMARY_STATS",
        ]
    )
}


def number(header: Mapping[str, Any], keys: Iterable[str]) -> float | None:
    """Give the first finite number under the given keys.

    Parameters
    ----------
    header
        A header or any mapping; numbers may be text.
    keys
        Keys in order of preference.

    Returns
    -------
    value
        The number, or None.
    """
    for key in keys:
        value = header.get(key)
        if value is None or isinstance(value, bool):
            continue
        try:
            found = float(value)
        except (TypeError, ValueError):
            continue
        if math.isfinite(found):
            return found
    return None


def _positive(header: Mapping[str, Any], keys: Iterable[str]) -> float | None:
    found = (number(header, (key,)) for key in keys)
    return next((value for value in found if value is not None and value > 0), None)


def _mean_of_amplifiers(header: Mapping[str, Any], stem: str) -> float | None:
    values = [value for value in (_positive(header, (stem + amplifier,)) for amplifier in _AMPLIFIERS) if value is not None]
    return sum(values) / len(values) if values else None


def gain(header: Mapping[str, Any]) -> float | None:
    """Give electrons per count: GAIN and its synonyms, or the mean of the amplifiers (GAINA, GAINB); None for images that BUNIT says are not in counts."""
    if _NOT_COUNTS.search(str(header.get("BUNIT") or "")):
        return None
    return _positive(header, _GAIN_KEYS) or _mean_of_amplifiers(header, "GAIN")


def read_noise(header: Mapping[str, Any]) -> float | None:
    """Give the read noise in electrons: RDNOISE and its synonyms, or the mean of the amplifiers (RDNOISEA, RDNOISEB)."""
    return _positive(header, _NOISE_KEYS) or _mean_of_amplifiers(header, "RDNOISE")


def saturation(header: Mapping[str, Any]) -> float | None:
    """Give the pixel value from which on a pixel is saturated."""
    return _positive(header, _SATURATION_KEYS)


def photo_calib(header: Mapping[str, Any]) -> PhotoCalib | None:
    """Give the photometric calibration.

    Parameters
    ----------
    header
        Looked at in this order: BUNIT (a flux density such as nJy, or nanomaggies), FLUXMAG0 (counts of magnitude 0), and the AB magnitude
        of one count (MAGZERO, MAGZPT, ZP, PHOTZP and synonyms).

    Returns
    -------
    calib
        nJy per count, or None where nothing is known.
    """
    from skysift.image import PhotoCalib

    scale = _NJY_PER_UNIT.get(str(header.get("BUNIT", "")).strip().lower())
    if scale is None and header.get("NMGY") is not None:
        scale = _NJY_PER_UNIT["nanomaggy"]
    if scale is not None:
        return PhotoCalib(scale)
    calib = PhotoCalib.from_metadata(header)
    zero_point = number(header, _ZERO_POINT_KEYS)
    if calib is None and zero_point is not None and 0 < zero_point < _FAINTEST_ZERO_POINT:
        calib = PhotoCalib.from_magnitude_zero_point(zero_point)
    return calib


def filter_label(header: Mapping[str, Any]) -> FilterLabel | None:
    """Give band and physical filter from FILTER and its synonyms, BAND where present ("HSC-I" is the band i)."""
    from skysift.image import FilterLabel

    names = (str(header.get(key) or "").strip() for key in _FILTER_KEYS)
    physical = next((name for name in names if name.lower() not in _NO_FILTER), "")
    band = str(header.get("BAND") or "").strip()
    if not band and (match := _BAND.match(physical)):
        survey = physical.startswith(("HSC-", "W-S-"))
        band = match[1].lower() if survey else match[1]
    return FilterLabel(band, physical) if band or physical else None


def xy0(header: Mapping[str, Any]) -> tuple[int, int]:
    """Give the PARENT position of the first pixel from the alternate coordinates "A", as LSST writes them; (0, 0) without them."""
    if number(header, ("CRPIX1A",)) == 1 and number(header, ("CRPIX2A",)) == 1:
        x, y = number(header, ("CRVAL1A",)), number(header, ("CRVAL2A",))
        if x is not None and y is not None:
            return round(x), round(y)
    return 0, 0


def visit_info(header: Mapping[str, Any]) -> VisitInfo | None:
    """Give the record of the visit from the cards of LSST, or from those that most observatories write; None if there are none."""
    from skysift.image import VisitInfo

    known = dict(header)
    for key, synonyms in _VISIT_SYNONYMS.items():
        value = next((header[synonym] for synonym in (key, *synonyms) if header.get(synonym) is not None), None)
        if value is not None:
            known[key] = value
    info = VisitInfo.from_metadata(known)
    return info if info.to_metadata().keys() - _ALWAYS_KNOWN else None


def merged_metadata(headers: Iterable[Header], *, keep_wcs: bool) -> dict[str, Any]:
    """Merge headers into plain metadata.

    Parameters
    ----------
    headers
        From the general (primary) to the particular (image); later ones win.
    keep_wcs
        Keep the celestial coordinates too, for files whose coordinates could not be understood.

    Returns
    -------
    metadata
        Value by key without the cards that describe the file's structure; COMMENT and HISTORY as lines of one text.
    """
    metadata: dict[str, Any] = {}
    for header in headers:
        texts: dict[str, list[str]] = {}
        for key, value in readable_cards(header):
            if is_structural(key) or (not keep_wcs and is_celestial(key)):
                continue
            if key in ("COMMENT", "HISTORY"):
                texts.setdefault(key, []).append(str(value))
            elif isinstance(value, str | int | float | bool | complex):
                metadata[key] = value
        metadata.update({key: "\n".join(lines) for key, lines in texts.items()})
    return metadata


def is_structural(key: str) -> bool:
    """Whether a card describes the file rather than the observation."""
    return key in _ARCHIVE_IDS if key.endswith("_ID") and not key.startswith("ARCHIVE_ID_") else bool(_STRUCTURE.match(key))


def is_celestial(key: str) -> bool:
    """Whether a card belongs to the celestial coordinates."""
    return bool(_WCS.match(key))
