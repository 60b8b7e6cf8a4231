"""Angles and positions on the sky."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Angle", "SpherePoint"]


class Angle(float):
    """An angle: a float in radians that knows its other units.

    Parameters
    ----------
    radians
        The angle in radians.
    """

    __slots__ = ()

    @classmethod
    def from_degrees(cls, degrees: float) -> Angle:
        """Angle from degrees."""
        return cls(math.radians(degrees))

    @classmethod
    def from_arcsec(cls, arcsec: float) -> Angle:
        """Angle from arcseconds."""
        return cls(math.radians(arcsec / 3600.0))

    @property
    def radians(self) -> float:
        """The angle in radians."""
        return float(self)

    @property
    def degrees(self) -> float:
        """The angle in degrees."""
        return math.degrees(self)

    @property
    def arcsec(self) -> float:
        """The angle in arcseconds."""
        return math.degrees(self) * 3600.0

    @property
    def wrapped(self) -> Angle:
        """The same direction in [0, 2 pi)."""
        wrapped = math.fmod(self, math.tau)
        if wrapped < 0.0:
            wrapped += math.tau
        return Angle(0.0 if wrapped == math.tau else wrapped)

    def __repr__(self) -> str:
        return f"Angle({float(self)!r})"


@dataclass(frozen=True, slots=True)
class SpherePoint:
    """A position on the sky.

    Parameters
    ----------
    ra, dec
        ICRS right ascension and declination in radians (or any other longitude and latitude).
    """

    ra: float
    dec: float

    @classmethod
    def from_degrees(cls, ra: float, dec: float) -> SpherePoint:
        """Position from degrees."""
        return cls(math.radians(ra), math.radians(dec))

    def __iter__(self) -> Iterator[float]:
        return iter((self.ra, self.dec))

    def separation(self, other: SpherePoint) -> Angle:
        """Length of the great circle to another position.

        Uses Vincenty's form, exact at small and at antipodal separations.
        """
        dra = other.ra - self.ra
        sin1, cos1, sin2, cos2 = math.sin(self.dec), math.cos(self.dec), math.sin(other.dec), math.cos(other.dec)
        cross = math.hypot(cos2 * math.sin(dra), cos1 * sin2 - sin1 * cos2 * math.cos(dra))
        return Angle(math.atan2(cross, sin1 * sin2 + cos1 * cos2 * math.cos(dra)))

    def bearing_to(self, other: SpherePoint) -> Angle:
        """Direction of another position seen from this one: from east, through north; in [0, 2 pi)."""
        dra = other.ra - self.ra
        east = math.cos(other.dec) * math.sin(dra)
        north = math.cos(self.dec) * math.sin(other.dec) - math.sin(self.dec) * math.cos(other.dec) * math.cos(dra)
        return Angle(math.atan2(north, east)).wrapped

    def offset(self, bearing: float, amount: float) -> SpherePoint:
        """Position at a distance along a great circle.

        Parameters
        ----------
        bearing
            Direction in radians, from east through north.
        amount
            Distance in radians.
        """
        sin_dec, cos_dec = math.sin(self.dec), math.cos(self.dec)
        sin_d, cos_d = math.sin(amount), math.cos(amount)
        east, north = sin_d * math.cos(bearing), sin_d * math.sin(bearing)
        z = sin_dec * cos_d + cos_dec * north
        x = cos_dec * cos_d - sin_dec * north
        return SpherePoint(Angle(self.ra + math.atan2(east, x)).wrapped, math.atan2(z, math.hypot(x, east)))

    def __repr__(self) -> str:
        return f"SpherePoint(ra={math.degrees(self.ra):.6f} deg, dec={math.degrees(self.dec):.6f} deg)"
