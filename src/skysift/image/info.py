"""What is known of an observation: when, where to, through which filter."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

__all__ = ["FilterLabel", "VisitInfo"]


@dataclass(frozen=True, slots=True)
class FilterLabel:
    """Name of a filter.

    Parameters
    ----------
    band
        Generic name, such as ``"r"``.
    physical
        Name of the glass, such as ``"HSC-R2"``.
    """

    band: str | None = None
    physical: str | None = None

    def __str__(self) -> str:
        return self.band or self.physical or "unknown"


def _deg(header_key: str) -> dict[str, Any]:
    return {"key": header_key, "scale": math.pi / 180.0}


_KEYS: dict[str, dict[str, Any]] = {
    "id": {"key": "IDNUM"},
    "exposure_time": {"key": "EXPTIME"},
    "dark_time": {"key": "DARKTIME"},
    "date": {"key": "DATE-AVG"},
    "mjd_ut1": {"key": "MJD-AVG-UT1"},
    "era": _deg("AVG-ERA"),
    "boresight_ra": _deg("BORE-RA"),
    "boresight_dec": _deg("BORE-DEC"),
    "boresight_azimuth": _deg("BORE-AZ"),
    "boresight_altitude": _deg("BORE-ALT"),
    "boresight_airmass": {"key": "BORE-AIRMASS"},
    "boresight_rotation": _deg("BORE-ROTANG"),
    "rotation_type": {"key": "ROTTYPE"},
    "observatory_longitude": _deg("OBS-LONG"),
    "observatory_latitude": _deg("OBS-LAT"),
    "observatory_elevation": {"key": "OBS-ELEV"},
    "air_temperature": {"key": "AIRTEMP"},
    "air_pressure": {"key": "AIRPRESS"},
    "humidity": {"key": "HUMIDITY"},
    "instrument": {"key": "INSTRUMENT"},
    "focus_z": {"key": "FOCUSZ"},
    "observation_type": {"key": "OBSTYPE"},
    "science_program": {"key": "PROGRAM"},
    "observation_reason": {"key": "REASON"},
    "object": {"key": "OBJECT"},
    "has_simulated_content": {"key": "HAS-SIMULATED-CONTENT"},
}
_ROTATION_TYPES = ("UNKNOWN", "SKY", "HORIZON", "MOUNT")


@dataclass(frozen=True)
class VisitInfo:
    """Circumstances of one observation (LSST ``VisitInfo``). What is not known is NaN, None or empty. Angles are in radians.

    Parameters
    ----------
    id
        Integer that identifies the observation.
    exposure_time, dark_time
        Seconds.
    date
        Middle of the exposure, ISO 8601, TAI.
    mjd_ut1
        The same as a modified Julian date, UT1.
    era
        Earth rotation angle at the middle of the exposure at longitude 0.
    boresight_ra, boresight_dec
        ICRS position of the boresight.
    boresight_azimuth, boresight_altitude
        Refracted position of the boresight.
    boresight_airmass
        Airmass at the boresight.
    boresight_rotation
        Rotation angle at the boresight; what it means is `rotation_type`.
    rotation_type
        UNKNOWN, SKY, HORIZON or MOUNT.
    observatory_longitude, observatory_latitude, observatory_elevation
        Where the telescope is; longitude is positive eastward, elevation in metres.
    air_temperature, air_pressure, humidity
        Weather: degrees Celsius, pascal, percent.
    instrument
        Name of the instrument.
    focus_z
        Defocus in mm.
    observation_type, science_program, observation_reason, object
        What the observation was for.
    has_simulated_content
        Whether any of the pixels are simulated.
    """

    id: int | None = None
    exposure_time: float = math.nan
    dark_time: float = math.nan
    date: str = ""
    mjd_ut1: float = math.nan
    era: float = math.nan
    boresight_ra: float = math.nan
    boresight_dec: float = math.nan
    boresight_azimuth: float = math.nan
    boresight_altitude: float = math.nan
    boresight_airmass: float = math.nan
    boresight_rotation: float = math.nan
    rotation_type: str = "UNKNOWN"
    observatory_longitude: float = math.nan
    observatory_latitude: float = math.nan
    observatory_elevation: float = math.nan
    air_temperature: float = math.nan
    air_pressure: float = math.nan
    humidity: float = math.nan
    instrument: str = ""
    focus_z: float = math.nan
    observation_type: str = ""
    science_program: str = ""
    observation_reason: str = ""
    object: str = ""
    has_simulated_content: bool = False

    @classmethod
    def from_metadata(cls, header: Mapping[str, Any]) -> VisitInfo:
        """Read the cards that LSST writes (``EXPTIME``, ``DATE-AVG``, ``BORE-RA``...); a card that cannot be read counts as absent.

        Parameters
        ----------
        header
            Anything with ``get``.
        """
        values: dict[str, Any] = {}
        for field in fields(cls):
            spec = _KEYS[field.name]
            value = header.get(spec["key"])
            if value is None:
                continue
            try:
                converted = _converted(value, field.name, field.default)
                values[field.name] = converted * spec["scale"] if "scale" in spec else converted
            except (TypeError, ValueError):
                continue
        if "date" not in values:
            values["date"] = _legacy_date(header)
        return cls(**values)

    def to_metadata(self) -> dict[str, Any]:
        """The cards that LSST writes; what is not known is left out."""
        cards: dict[str, Any] = {}
        for field in fields(self):
            value, spec = getattr(self, field.name), _KEYS[field.name]
            if value is None or value == "" or (isinstance(value, float) and not math.isfinite(value)):
                continue
            cards[spec["key"]] = value / spec["scale"] if "scale" in spec else value
        if self.date:
            cards["TIMESYS"] = "TAI"
        return cards

    @property
    def mjd(self) -> float:
        """Middle of the exposure as a modified Julian date, TAI; NaN if not known."""
        from datetime import datetime

        try:
            moment = datetime.fromisoformat(self.date[:26]).replace(tzinfo=None)
        except ValueError:
            return math.nan
        elapsed = moment - datetime(1858, 11, 17)
        return elapsed.days + (elapsed.seconds + elapsed.microseconds * 1e-6) / 86400.0


def _converted(value: Any, name: str, default: Any) -> Any:
    """A card's value in the type of the field."""
    if name == "id":
        return int(value)
    if name == "rotation_type":
        text = str(value).strip().upper()
        return text if text in _ROTATION_TYPES else "UNKNOWN"
    if isinstance(default, bool):
        return value if isinstance(value, bool) else str(value).strip().upper() in ("T", "TRUE", "1")
    if isinstance(default, float):
        return float(value)
    return str(value).strip()


def _legacy_date(header: Mapping[str, Any]) -> str:
    """The date of old files: ``TIME-MID``, a string that may end in its time system."""
    value = header.get("TIME-MID")
    return value.strip().removesuffix("Z") if isinstance(value, str) else ""
