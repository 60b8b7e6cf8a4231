"""The tangent-plane projection, with or without SIP or TPV distortion, in plain numpy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from skysift.errors import InputError
from skysift.image.distortion import Polynomials, distort, tpv_to_cards, undistort
from skysift.image.wcs import Positions, SkyWcs, sky_to_vector, vector_to_sky

__all__ = ["FRAMES", "TanWcs", "frame_rotation"]

_ARCSEC = math.radians(1.0 / 3600.0)

FRAMES = ("ICRS", "FK5", "GALACTIC")


def _rotation(axis: int, angle: float) -> np.ndarray:
    """Matrix that turns the coordinate axes about one of them."""
    c, s = math.cos(angle), math.sin(angle)
    matrix = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = s, -s
    return matrix


def frame_rotation(frame: str) -> np.ndarray:
    """Matrix from vectors in a frame to ICRS.

    FK5 (J2000) is turned by the angles of IERS Technical Note 32 (Hipparcos, ICRS to FK5: -19.9, -9.1, 22.9 mas); galactic coordinates are
    defined by the pole (192.85948, 27.12825) and the position angle 122.93192 degrees in FK5 J2000.

    Parameters
    ----------
    frame
        One of `FRAMES`.
    """
    if frame == "ICRS":
        return np.eye(3)
    to_fk5 = _rotation(0, 19.9e-3 * _ARCSEC) @ _rotation(1, 9.1e-3 * _ARCSEC) @ _rotation(2, -22.9e-3 * _ARCSEC)
    if frame == "FK5":
        return to_fk5.T
    ra, dec, angle = (math.radians(v) for v in (192.8594812065348, 27.12825118085622, 122.9319185680026))
    to_galactic = _rotation(2, math.pi - angle) @ _rotation(1, math.pi / 2 - dec) @ _rotation(2, ra)
    return to_fk5.T @ to_galactic.T


def _as_arrays(pair: tuple[Any, Any] | None) -> Polynomials | None:
    return None if pair is None else (np.array(pair[0], dtype=np.float64), np.array(pair[1], dtype=np.float64))


class TanWcs(SkyWcs):
    """Gnomonic projection (Calabretta & Greisen 2002), with the SIP polynomials of Shupe et al. (2005) or those of the TPV convention where given.

    Parameters
    ----------
    crval_deg
        Longitude and latitude of the reference, degrees, in `frame`.
    crpix
        PARENT pixel of the reference, 0-based.
    cd_deg
        Array (2, 2): degrees per pixel.
    sip
        Polynomials ``(a, b)``, each (order + 1, order + 1) with ``a[p, q]`` the coefficient of ``u^p v^q``, or None.
    tpv
        Shifts on the tangent plane, degrees, in the same form (`skysift.image.distortion.tpv_from_cards`), or None.
    sip_inverse
        Polynomials ``(ap, bp)``, kept for the header alone; the inverse is computed by iteration.
    frame
        One of `FRAMES`.
    lonpole_deg
        Native longitude of the pole; by default FITS's: 180, or 0 where the reference is the pole itself.

    Raises
    ------
    InputError
        If the matrix is singular, a number is not finite, or both distortions are given.
    """

    def __init__(
        self,
        crval_deg: Sequence[float],
        crpix: Sequence[float],
        cd_deg: Any,
        *,
        sip: tuple[Any, Any] | None = None,
        tpv: tuple[Any, Any] | None = None,
        sip_inverse: tuple[Any, Any] | None = None,
        frame: str = "ICRS",
        lonpole_deg: float | None = None,
    ) -> None:
        self.crval_deg = (float(crval_deg[0]), float(crval_deg[1]))
        self.crpix = (float(crpix[0]), float(crpix[1]))
        self.cd_deg = np.array(cd_deg, dtype=np.float64)
        self.frame = frame
        self.lonpole_deg = lonpole_deg
        self.sip, self.tpv, self.sip_inverse = (_as_arrays(pair) for pair in (sip, tpv, sip_inverse))
        if self.sip is not None and self.tpv is not None:
            raise InputError("a WCS has either SIP or TPV polynomials, not both")
        if self.cd_deg.shape != (2, 2):
            raise InputError(f"the CD matrix of a WCS is 2 x 2, not of shape {self.cd_deg.shape}")
        numbers = np.concatenate(
            [self.crval_deg, self.crpix, self.cd_deg.ravel(), *(c.ravel() for c in (*(self.sip or ()), *(self.tpv or ())))]
        )
        if not np.isfinite(numbers).all():
            raise InputError("the WCS has a value that is not finite")
        scale = np.abs(self.cd_deg).max()
        if scale == 0.0 or abs(np.linalg.det(self.cd_deg / scale)) < 1e-12:
            raise InputError(f"the CD matrix of the WCS, {self.cd_deg.tolist()}, is singular")
        self._cd = np.radians(self.cd_deg)
        self._cd_inverse = np.linalg.inv(self._cd)
        self._to_sky = frame_rotation(frame) @ self._native_rotation()

    def _native_rotation(self) -> np.ndarray:
        """Matrix from (xi, eta, 1), the tangent plane in space, to vectors in the frame."""
        lon, lat = (math.radians(v) for v in self.crval_deg)
        pole = self.lonpole_deg
        if pole is None:
            pole = 180.0 if self.crval_deg[1] < 90.0 else 0.0
        turn = math.radians(pole - 180.0)
        east = np.array([-math.sin(lon), math.cos(lon), 0.0])
        north = np.array([-math.sin(lat) * math.cos(lon), -math.sin(lat) * math.sin(lon), math.cos(lat)])
        centre = np.array([math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)])
        c, s = math.cos(turn), math.sin(turn)
        return np.stack([c * east - s * north, s * east + c * north, centre], axis=1)

    @property
    def _kind(self) -> str:
        return "TPV" if self.tpv is not None else "TAN-SIP" if self.sip is not None else "TAN"

    @property
    def pixel_origin(self) -> tuple[float, float]:
        """PARENT pixel of the reference."""
        return self.crpix

    def pixel_to_sky(self, x: Any, y: Any) -> Positions:
        """See `SkyWcs.pixel_to_sky`."""
        x, y = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))
        with np.errstate(invalid="ignore", over="ignore"):
            u, v = x - self.crpix[0], y - self.crpix[1]
            if self.sip is not None:
                u, v = distort(u, v, self.sip)
            xi = self._cd[0, 0] * u + self._cd[0, 1] * v
            eta = self._cd[1, 0] * u + self._cd[1, 1] * v
            if self.tpv is not None:
                xi, eta = np.radians(distort(np.degrees(xi), np.degrees(eta), self.tpv))
            m = self._to_sky
            return vector_to_sky(np.stack([m[i, 0] * xi + m[i, 1] * eta + m[i, 2] for i in range(3)]))

    def sky_to_pixel(self, ra: Any, dec: Any) -> Positions:
        """See `SkyWcs.sky_to_pixel`."""
        ra, dec = np.broadcast_arrays(np.asarray(ra, dtype=np.float64), np.asarray(dec, dtype=np.float64))
        sky = sky_to_vector(ra, dec)
        m = self._to_sky
        p, q, r = (m[0, k] * sky[0] + m[1, k] * sky[1] + m[2, k] * sky[2] for k in range(3))
        with np.errstate(invalid="ignore", divide="ignore"):
            r = np.where(r > 1e-8, r, np.nan)
            xi, eta = p / r, q / r
        if self.tpv is not None:
            tolerance = 1e-6 * math.sqrt(abs(np.linalg.det(self.cd_deg)))
            xi, eta = np.radians(undistort(np.degrees(xi), np.degrees(eta), self.tpv, tolerance))
        u = self._cd_inverse[0, 0] * xi + self._cd_inverse[0, 1] * eta
        v = self._cd_inverse[1, 0] * xi + self._cd_inverse[1, 1] * eta
        if self.sip is not None:
            u, v = undistort(u, v, self.sip, 1e-6)
        return u + self.crpix[0], v + self.crpix[1]

    def to_header(self, xy0: Sequence[float] = (0, 0)) -> dict[str, Any]:
        """See `SkyWcs.to_header`."""
        names = ("GLON", "GLAT") if self.frame == "GALACTIC" else ("RA--", "DEC-")
        suffix = f"-{self._kind}"
        cards: dict[str, Any] = {
            "CTYPE1": names[0] + suffix,
            "CTYPE2": names[1] + suffix,
            "CUNIT1": "deg",
            "CUNIT2": "deg",
            "CRVAL1": self.crval_deg[0],
            "CRVAL2": self.crval_deg[1],
            "CRPIX1": self.crpix[0] - xy0[0] + 1.0,
            "CRPIX2": self.crpix[1] - xy0[1] + 1.0,
        }
        cards |= {f"CD{i + 1}_{j + 1}": float(self.cd_deg[i, j]) for i in range(2) for j in range(2)}
        if self.frame != "GALACTIC":
            cards["RADESYS"] = self.frame
        if self.frame == "FK5":
            cards["EQUINOX"] = 2000.0
        if self.lonpole_deg is not None:
            cards["LONPOLE"] = self.lonpole_deg
        for names_, polynomials in ((("A", "B"), self.sip), (("AP", "BP"), self.sip_inverse)):
            for name, c in zip(names_, polynomials or (), strict=False):
                cards[f"{name}_ORDER"] = c.shape[0] - 1
                cards |= {f"{name}_{p}_{q}": float(c[p, q]) for p, q in zip(*np.nonzero(c), strict=True)}
        return cards | (tpv_to_cards(self.tpv) if self.tpv is not None else {})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TanWcs) and self.to_header() == other.to_header()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"TanWcs({self._kind}, {self.frame}, {self.crval_deg} deg at pixel {self.crpix})"
