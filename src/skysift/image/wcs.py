"""From pixels to the sky and back."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from skysift.geom import AffineTransform, SpherePoint

__all__ = ["SkyWcs", "sky_to_vector", "vector_to_sky"]

Positions = tuple[np.ndarray, np.ndarray]


def sky_to_vector(ra: Any, dec: Any) -> np.ndarray:
    """Unit vectors of positions on the sky.

    Parameters
    ----------
    ra, dec
        Radians, of any shape.

    Returns
    -------
    numpy.ndarray
        float64, shape ``(3, ...)``.
    """
    ra, dec = np.asarray(ra, dtype=np.float64), np.asarray(dec, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        cos_dec = np.cos(dec)
        return np.stack([cos_dec * np.cos(ra), cos_dec * np.sin(ra), np.sin(dec)])


def vector_to_sky(vector: np.ndarray) -> Positions:
    """Positions on the sky of vectors, which need not have unit length.

    Parameters
    ----------
    vector
        float64, shape ``(3, ...)``.

    Returns
    -------
    ra, dec : numpy.ndarray
        Radians; `ra` in [0, 2 pi).
    """
    x, y, z = vector
    ra = np.arctan2(y, x)
    ra = np.where(ra < 0.0, ra + math.tau, ra)
    return np.where(ra >= math.tau, 0.0, ra), np.arctan2(z, np.hypot(x, y))


class SkyWcs(ABC):
    """A map between PARENT pixels (0-based, centres at integers) and ICRS (radians).

    This class holds what follows from the two directions alone; `tan`, `from_header` and `from_astropy` make the kinds there are.
    """

    @abstractmethod
    def pixel_to_sky(self, x: Any, y: Any) -> Positions:
        """Sky positions of pixel positions.

        Parameters
        ----------
        x, y
            PARENT pixels, numbers or arrays.

        Returns
        -------
        ra, dec : numpy.ndarray
            ICRS, radians, of the broadcast shape; NaN where the position has none.
        """

    @abstractmethod
    def sky_to_pixel(self, ra: Any, dec: Any) -> Positions:
        """Pixel positions of sky positions.

        Parameters
        ----------
        ra, dec
            ICRS, radians, numbers or arrays.

        Returns
        -------
        x, y : numpy.ndarray
            PARENT pixels, of the broadcast shape; NaN where the projection does not reach.
        """

    @property
    @abstractmethod
    def pixel_origin(self) -> tuple[float, float]:
        """PARENT pixel at which the projection touches the sky (CRPIX)."""

    @abstractmethod
    def to_header(self, xy0: Sequence[float] = (0, 0)) -> dict[str, Any]:
        """FITS cards of this WCS.

        Parameters
        ----------
        xy0
            PARENT position of the first pixel of the image that the header belongs to.

        Returns
        -------
        dict
            Card name -> value.
        """

    @property
    def sky_origin(self) -> SpherePoint:
        """The sky at `pixel_origin`."""
        ra, dec = self.pixel_to_sky(*self.pixel_origin)
        return SpherePoint(float(ra), float(dec))

    def jacobian(self, x: Any, y: Any) -> np.ndarray:
        """Derivative of the sky by pixels, on the local tangent plane.

        Parameters
        ----------
        x, y
            PARENT pixels, (n,) or numbers.

        Returns
        -------
        numpy.ndarray
            float64 (n, 2, 2), or (2, 2) for numbers: ``d(east, north) / d(x, y)``, radians per pixel.
        """
        x, y = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))
        step = 0.5
        along_x = sky_to_vector(*self.pixel_to_sky(x + step, y)) - sky_to_vector(*self.pixel_to_sky(x - step, y))
        along_y = sky_to_vector(*self.pixel_to_sky(x, y + step)) - sky_to_vector(*self.pixel_to_sky(x, y - step))
        ra, dec = self.pixel_to_sky(x, y)
        zero = np.zeros_like(ra)
        east = np.stack([-np.sin(ra), np.cos(ra), zero])
        north = np.stack([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)])
        rows = [[(axis * along).sum(axis=0) / (2.0 * step) for along in (along_x, along_y)] for axis in (east, north)]
        return np.moveaxis(np.array(rows), (0, 1), (-2, -1))

    def pixel_scale(self, x: Any = None, y: Any = None) -> Any:
        """Square root of the area of a pixel.

        Parameters
        ----------
        x, y
            PARENT pixels; by default `pixel_origin`.

        Returns
        -------
        float or numpy.ndarray
            Arcseconds.
        """
        if x is None or y is None:
            x, y = self.pixel_origin
        scale = np.sqrt(np.abs(np.linalg.det(self.jacobian(x, y)))) * (180.0 * 3600.0 / math.pi)
        return float(scale) if np.ndim(scale) == 0 else scale

    def linearized(self, x: float, y: float) -> AffineTransform:
        """The affine map from pixels to the local tangent plane (east, north; radians) that touches at a position.

        Parameters
        ----------
        x, y
            PARENT pixels.
        """
        jacobian = self.jacobian(float(x), float(y))
        return AffineTransform(jacobian, tuple(-(jacobian @ np.array([float(x), float(y)]))))

    @staticmethod
    def tan(crval_deg: Sequence[float], crpix: Sequence[float], cd_deg: Any) -> SkyWcs:
        """A plain tangent-plane projection.

        Parameters
        ----------
        crval_deg
            ICRS right ascension and declination of the reference, degrees.
        crpix
            PARENT pixel of the reference, 0-based.
        cd_deg
            Array (2, 2): degrees per pixel, ``[[d xi/dx, d xi/dy], [d eta/dx, d eta/dy]]``.

        Raises
        ------
        InputError
            If the matrix is singular or a number is not finite.
        """
        from skysift.image.tan import TanWcs

        return TanWcs(crval_deg, crpix, cd_deg)

    @staticmethod
    def from_header(header: Mapping[str, Any], xy0: Sequence[float] = (0, 0)) -> SkyWcs | None:
        """WCS of a FITS header.

        TAN, TAN-SIP and TPV in ICRS, FK5 J2000 or galactic coordinates are computed here; all else is left to `astropy.wcs`.

        Parameters
        ----------
        header
            Anything with ``get``: an astropy header, a dict.
        xy0
            PARENT position of the first pixel of the image that the header belongs to.

        Returns
        -------
        SkyWcs or None
            None if the header has no celestial coordinates.

        Raises
        ------
        InputError
            If it has, but they are not usable.
        """
        from skysift.image.wcs_header import wcs_from_header

        return wcs_from_header(header, xy0)

    @staticmethod
    def from_astropy(wcs: Any, xy0: Sequence[float] = (0, 0)) -> SkyWcs | None:
        """The same coordinates as an `astropy.wcs.WCS`.

        Parameters
        ----------
        wcs
            An astropy WCS; of more than two axes the celestial ones are used.
        xy0
            PARENT position of the first pixel of the image that `wcs` belongs to.

        Returns
        -------
        SkyWcs or None
            None if it has no celestial axes.
        """
        from skysift.image.wcs_astropy import AstropyWcs

        return AstropyWcs.wrap(wcs, xy0)
