"""Any celestial WCS that astropy understands."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from skysift.errors import InputError
from skysift.image.wcs import Positions, SkyWcs

__all__ = ["AstropyWcs"]


class AstropyWcs(SkyWcs):
    """A WCS computed by `astropy.wcs`, its positions turned into ICRS.

    Parameters
    ----------
    wcs
        An `astropy.wcs.WCS` with two celestial axes.
    xy0
        PARENT position of the first pixel of the image that it belongs to.
    """

    def __init__(self, wcs: Any, xy0: Sequence[float] = (0, 0)) -> None:
        from astropy.wcs.utils import wcs_to_celestial_frame

        self.wcs = wcs
        self.xy0 = (float(xy0[0]), float(xy0[1]))
        try:
            frame = wcs_to_celestial_frame(wcs)
        except ValueError as error:
            raise InputError(f"the WCS has no celestial frame that can be turned into ICRS: {error}") from error
        self._frame = None if frame.name == "icrs" else frame

    @classmethod
    def from_header(cls, header: Mapping[str, Any], xy0: Sequence[float] = (0, 0)) -> AstropyWcs | None:
        """WCS of a header; None if it is not celestial, `InputError` if astropy cannot use it."""
        from astropy.io.fits import Header
        from astropy.wcs import WCS

        if not isinstance(header, Header):
            header = Header([(key, value) for key, value in header.items() if isinstance(value, (str, bool, int, float))])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return cls.wrap(WCS(header, fix=True), xy0)
            except InputError:
                raise
            except Exception as error:
                message = " ".join(str(error).split())
                raise InputError(f"the header's WCS cannot be used: {message}") from error

    @classmethod
    def wrap(cls, wcs: Any, xy0: Sequence[float] = (0, 0)) -> AstropyWcs | None:
        """See `SkyWcs.from_astropy`; a singular WCS raises `InputError`."""
        if not wcs.has_celestial:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if wcs.naxis != 2:
                wcs = wcs.sub(sorted([wcs.wcs.lng + 1, wcs.wcs.lat + 1]))
            try:
                matrix = wcs.pixel_scale_matrix
                wcs.wcs.set()
            except Exception as error:
                message = " ".join(str(error).split())
                raise InputError(f"the WCS cannot be used: {message}") from error
        scale = np.abs(matrix).max()
        if not np.isfinite(matrix).all() or scale == 0.0 or abs(np.linalg.det(matrix / scale)) < 1e-12:
            raise InputError(f"the matrix of the WCS, {matrix.tolist()}, is singular")
        return cls(wcs, xy0)

    @property
    def pixel_origin(self) -> tuple[float, float]:
        """PARENT pixel of the reference."""
        crpix = self.wcs.wcs.crpix
        return float(crpix[0]) - 1.0 + self.xy0[0], float(crpix[1]) - 1.0 + self.xy0[1]

    def pixel_to_sky(self, x: Any, y: Any) -> Positions:
        """See `SkyWcs.pixel_to_sky`."""
        x, y = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))
        world = (
            self.wcs.all_pix2world(np.stack([x.ravel() - self.xy0[0], y.ravel() - self.xy0[1]], axis=1), 0) if x.size else np.empty((0, 2))
        )
        lon, lat = np.radians(world[:, self.wcs.wcs.lng]), np.radians(world[:, self.wcs.wcs.lat])
        lon, lat = self._turned(lon, lat, to_icrs=True)
        return np.mod(lon, 2.0 * np.pi).reshape(x.shape), lat.reshape(x.shape)

    def sky_to_pixel(self, ra: Any, dec: Any) -> Positions:
        """See `SkyWcs.sky_to_pixel`."""
        ra, dec = np.broadcast_arrays(np.asarray(ra, dtype=np.float64), np.asarray(dec, dtype=np.float64))
        lon, lat = self._turned(ra.ravel(), dec.ravel(), to_icrs=False)
        world = np.full((lon.size, 2), np.nan)
        world[:, self.wcs.wcs.lng], world[:, self.wcs.wcs.lat] = np.degrees(lon), np.degrees(lat)
        pixels = np.full((lon.size, 2), np.nan)
        good = np.isfinite(world).all(axis=1)
        if good.any():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                pixels[good] = self._inverse(world[good])
        return pixels[:, 0].reshape(ra.shape) + self.xy0[0], pixels[:, 1].reshape(ra.shape) + self.xy0[1]

    def _inverse(self, world: np.ndarray) -> np.ndarray:
        """Pixels of positions; NaN where the iteration does not converge or the projection does not reach."""
        from astropy.wcs import NoConvergence

        try:
            pixels = self.wcs.all_world2pix(world, 0, tolerance=1e-6)
        except NoConvergence as error:
            pixels = np.array(error.best_solution)
            for index in (error.divergent, error.slow_conv):
                if index is not None:
                    pixels[index] = np.nan
        back = self.wcs.all_pix2world(pixels, 0)
        lat = self.wcs.wcs.lat
        with np.errstate(invalid="ignore"):
            wrong = ~(np.abs(back[:, lat] - world[:, lat]) < 1e-3)
        pixels[wrong] = np.nan
        return pixels

    def _turned(self, lon: np.ndarray, lat: np.ndarray, *, to_icrs: bool) -> Positions:
        """Positions taken from the WCS's own frame to ICRS, or back."""
        if self._frame is None:
            return lon, lat
        from astropy.coordinates import ICRS, SkyCoord

        source, target = (self._frame, ICRS()) if to_icrs else (ICRS(), self._frame)
        result = SkyCoord(lon, lat, unit="rad", frame=source).transform_to(target).spherical
        return result.lon.radian, result.lat.radian

    def to_header(self, xy0: Sequence[float] = (0, 0)) -> dict[str, Any]:
        """See `SkyWcs.to_header`."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cards = dict(self.wcs.to_header(relax=True))
        for axis, key in enumerate(("CRPIX1", "CRPIX2")):
            cards[key] = float(cards.get(key, 0.0)) + self.xy0[axis] - float(xy0[axis])
        return cards

    def __repr__(self) -> str:
        return f"AstropyWcs({', '.join(self.wcs.wcs.ctype)})"
