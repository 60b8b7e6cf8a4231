"""From counts to physical fluxes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from skysift.errors import InputError
from skysift.image.image import Image

if TYPE_CHECKING:
    from skysift.image.field import BoundedField
    from skysift.image.masked_image import MaskedImage

__all__ = ["NJY_AT_ZERO_MAGNITUDE", "PhotoCalib", "ab_magnitude"]

NJY_AT_ZERO_MAGNITUDE = 10.0 ** (0.4 * 31.4)
_MAG_PER_LOG = 2.5 / math.log(10.0)


def ab_magnitude(njy: Any) -> Any:
    """AB magnitude of a flux in nJy: ``31.4 - 2.5 log10(flux)``; infinite at zero, NaN below."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return 31.4 - 2.5 * np.log10(njy)


class PhotoCalib:
    """Nanojansky per count (LSST ``PhotoCalib``), immutable.

    The methods take numbers or arrays, ``(flux, err=None, x=None, y=None)``, or a catalogue and the prefix of its columns, ``(catalog, prefix)``.
    Without positions the mean calibration is used.

    Parameters
    ----------
    mean
        Mean calibration, nJy per count.
    err
        Its uncertainty.
    field
        Calibration as a function of position, or None where it is the same everywhere.

    Raises
    ------
    InputError
        If the mean or the uncertainty is negative or not finite.
    """

    __slots__ = ("_err", "_field", "_mean")

    def __init__(self, mean: float = 0.0, err: float = 0.0, field: BoundedField | None = None) -> None:
        self._mean, self._err, self._field = float(mean), float(err), field
        if not (0.0 <= self._mean < math.inf and 0.0 <= self._err < math.inf):
            raise InputError(f"a calibration of {mean} +- {err} nJy per count makes no sense; both must be finite and not negative")

    @classmethod
    def from_field(cls, field: BoundedField, err: float = 0.0) -> PhotoCalib:
        """Calibration that varies, its mean that of the field."""
        return cls(field.mean(), err, field)

    @classmethod
    def from_zero_point(cls, inst_flux_mag0: float, err: float = 0.0) -> PhotoCalib:
        """Calibration from the counts that an object of magnitude zero gives.

        Parameters
        ----------
        inst_flux_mag0, err
            Counts and their uncertainty (``FLUXMAG0``, ``FLUXMAG0ERR``).

        Raises
        ------
        InputError
            If the counts are not positive.
        """
        if not 0.0 < inst_flux_mag0 < math.inf:
            raise InputError(f"{inst_flux_mag0} counts at magnitude zero make no calibration; a positive number is needed")
        mean = NJY_AT_ZERO_MAGNITUDE / inst_flux_mag0
        return cls(mean, mean * err / inst_flux_mag0)

    @classmethod
    def from_magnitude_zero_point(cls, zero_point: float) -> PhotoCalib:
        """Calibration from the AB magnitude of an object that gives one count."""
        return cls.from_zero_point(10.0 ** (0.4 * float(zero_point)))

    @classmethod
    def from_metadata(cls, header: Mapping[str, Any]) -> PhotoCalib | None:
        """Calibration of a header's ``FLUXMAG0`` and ``FLUXMAG0ERR``; None if it has none that can be used."""
        try:
            counts = float(header.get("FLUXMAG0"))  # type: ignore[arg-type]
            err = float(header.get("FLUXMAG0ERR") or 0.0)
            return cls.from_zero_point(counts, err if math.isfinite(err) and err >= 0.0 else 0.0)
        except (TypeError, ValueError):
            return None

    @property
    def mean(self) -> float:
        """Mean calibration, nJy per count."""
        return self._mean

    @property
    def err(self) -> float:
        """Uncertainty of the mean calibration."""
        return self._err

    @property
    def field(self) -> BoundedField | None:
        """Calibration as a function of position; None if constant."""
        return self._field

    @property
    def is_constant(self) -> bool:
        """Whether the calibration is the same everywhere."""
        return self._field is None

    @property
    def inst_flux_at_zero_magnitude(self) -> float:
        """Counts of an object of magnitude zero; infinite if the calibration is zero."""
        return NJY_AT_ZERO_MAGNITUDE / self._mean if self._mean > 0.0 else math.inf

    def local_calibration(self, x: Any, y: Any) -> Any:
        """Calibration at positions, nJy per count.

        Parameters
        ----------
        x, y
            PARENT pixels.
        """
        if self._field is not None:
            return self._field.evaluate(x, y)
        shape = np.broadcast_shapes(np.shape(x), np.shape(y))
        return np.full(shape, self._mean) if shape else self._mean

    def _factor(self, x: Any, y: Any) -> Any:
        return self._mean if x is None or y is None else self.local_calibration(x, y)

    @staticmethod
    def _columns(catalog: Any, prefix: str) -> tuple[np.ndarray, np.ndarray]:
        return (np.asarray(catalog[f"{prefix}_{name}"], dtype=np.float64) for name in ("instFlux", "instFluxErr"))  # type: ignore[return-value]

    def _positions(self, catalog: Any) -> tuple[Any, Any]:
        """Positions of a catalogue's rows, where the calibration needs them: its centroid slot."""
        if self._field is None:
            return None, None
        if hasattr(catalog, "x") and hasattr(catalog, "y"):
            return catalog.x, catalog.y
        return catalog["slot_Centroid_x"], catalog["slot_Centroid_y"]

    def _flux_error(self, flux: Any, err: Any, factor: Any, include_err: bool) -> Any:
        """Error of a calibrated flux; with that of the calibration in quadrature if wanted."""
        result = np.asarray(err, dtype=np.float64) * factor
        if include_err and self._mean > 0.0:
            result = np.hypot(result, np.asarray(flux, dtype=np.float64) * factor * (self._err / self._mean))
        return result

    def inst_flux_to_nanojansky(self, flux: Any, err: Any = None, x: Any = None, y: Any = None, *, include_err: bool = False) -> Any:
        """Calibrate fluxes.

        Parameters
        ----------
        flux
            Counts; or a catalogue, and then `err` is the prefix of its columns.
        err
            Uncertainty of the counts.
        x, y
            PARENT pixels.
        include_err
            Whether the uncertainty of the calibration counts; LSST leaves it out since 2019.

        Returns
        -------
        float, numpy.ndarray or tuple
            nJy; with `err` a pair (flux, error); for a catalogue an array (n, 2).
        """
        if isinstance(err, str):
            x, y = self._positions(flux)
            flux, err = self._columns(flux, err)
            return np.stack(self.inst_flux_to_nanojansky(flux, err, x, y, include_err=include_err), axis=1)
        factor = self._factor(x, y)
        result = np.asarray(flux, dtype=np.float64) * factor
        result = result[()] if result.ndim == 0 else result
        return result if err is None else (result, self._flux_error(flux, err, factor, include_err))

    def inst_flux_to_magnitude(self, flux: Any, err: Any = None, x: Any = None, y: Any = None, *, include_err: bool = False) -> Any:
        """AB magnitudes of fluxes: infinite at zero, NaN below.

        Parameters
        ----------
        flux, err, x, y, include_err
            As in `inst_flux_to_nanojansky`.

        Returns
        -------
        float, numpy.ndarray or tuple
            Magnitudes; with `err` a pair (magnitude, error); for a catalogue an array (n, 2).
        """
        if isinstance(err, str):
            x, y = self._positions(flux)
            flux, err = self._columns(flux, err)
            return np.stack(self.inst_flux_to_magnitude(flux, err, x, y, include_err=include_err), axis=1)
        if err is None:
            return ab_magnitude(self.inst_flux_to_nanojansky(flux, None, x, y))
        njy, njy_err = self.inst_flux_to_nanojansky(flux, err, x, y, include_err=include_err)
        with np.errstate(divide="ignore", invalid="ignore"):
            return ab_magnitude(njy), _MAG_PER_LOG * njy_err / njy

    def nanojansky_to_inst_flux(self, njy: Any, x: Any = None, y: Any = None) -> Any:
        """Counts of a flux in nJy."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.divide(njy, self._factor(x, y))

    def magnitude_to_inst_flux(self, magnitude: Any, x: Any = None, y: Any = None) -> Any:
        """Counts of an AB magnitude."""
        njy = 10.0 ** (0.4 * (31.4 - np.asarray(magnitude, dtype=np.float64)))
        return self.nanojansky_to_inst_flux(njy, x, y)

    def _scaled(self, image: Any, inverse: bool) -> Any:
        factor: Any = self._mean if self._field is None else self._field.grid(image.bbox)
        with np.errstate(divide="ignore", invalid="ignore"):
            if inverse:
                factor = 1.0 / np.asarray(factor)
            result = image * np.asarray(factor, dtype=np.float32)
        if hasattr(result, "variance"):
            result.image.unit = "" if inverse else "nJy"
            result.variance.unit = "" if inverse else "nJy2"
        else:
            result.unit = "" if inverse else "nJy"
        return result

    def calibrate_image(self, image: MaskedImage | Image) -> Any:
        """Pixels in nJy (and variances in nJy^2): a new image.

        Parameters
        ----------
        image
            A `MaskedImage` or an `Image`.
        """
        return self._scaled(image, inverse=False)

    def uncalibrate_image(self, image: MaskedImage | Image) -> Any:
        """Pixels in counts of an image in nJy: a new image."""
        return self._scaled(image, inverse=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PhotoCalib) and (self._mean, self._err) == (other._mean, other._err) and self._field == other._field

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        zero = f", zero point {ab_magnitude(self._mean):.3f}" if self._mean > 0.0 else ""
        return f"PhotoCalib({self._mean:.6g} nJy per count{zero}{'' if self._field is None else ', varies'})"
