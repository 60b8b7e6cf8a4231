"""Where a source is on the sky, and the local calibration: base_SkyCoord, base_Jacobian, base_LocalWcs, base_LocalPhotoCalib."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import lsst.pex.config as pexConfig
import numpy as np

from skysift.errors import InputError
from skysift.measure.plugin import FLUX_ORDER, SHAPE_ORDER, Plugin, PluginConfig
from skysift.measure.registry import register

if TYPE_CHECKING:
    from skysift.measure.batch import Batch
    from skysift.table import Schema

__all__ = ["JacobianPlugin", "LocalPhotoCalibPlugin", "LocalWcsPlugin", "SkyCoordPlugin"]


@register("base_SkyCoord", order=SHAPE_ORDER)
class SkyCoordPlugin(Plugin):
    """ICRS position of the slot centroid, with the errors on the local tangent plane. It has no flag."""

    def fields(self, schema: Schema) -> None:
        """Add the columns, see `Plugin.fields`."""
        schema.add_field("coord_raErr", "F", "standard error of the right ascension times cos(dec)", "rad")
        schema.add_field("coord_decErr", "F", "standard error of the declination", "rad")
        schema.add_field("coord_ra_dec_Cov", "F", "covariance of right ascension times cos(dec), and declination", "rad^2")

    def measure(self, batch: Batch) -> None:
        """Fill the columns, see `Plugin.measure`."""
        wcs = _wcs(batch, self.name)
        x, y = batch["slot_Centroid_x"], batch["slot_Centroid_y"]
        known = np.isfinite(x) & np.isfinite(y)
        coordinates = np.full((2, len(batch)), np.nan)
        covariance = np.full((len(batch), 2, 2), np.nan)
        if known.any():
            coordinates[:, known] = wcs.pixel_to_sky(x[known], y[known])
            if "slot_Centroid_xErr" in batch.catalog.schema:
                jacobian = wcs.jacobian(x[known], y[known])
                errors = np.stack([batch["slot_Centroid_xErr"][known], batch["slot_Centroid_yErr"][known]], axis=1).astype(np.float64)
                covariance[known] = np.einsum("nij,nj,nkj->nik", jacobian, errors**2, jacobian)
        batch["coord_ra"], batch["coord_dec"] = coordinates
        batch["coord_raErr"] = np.sqrt(covariance[:, 0, 0])
        batch["coord_decErr"] = np.sqrt(covariance[:, 1, 1])
        batch["coord_ra_dec_Cov"] = covariance[:, 0, 1]


def _wcs(batch: Batch, name: str):  # type: ignore[no-untyped-def]
    if batch.exposure.wcs is None:
        raise InputError(f"{name} needs sky coordinates and the exposure has none; set exposure.wcs or remove the plugin")
    return batch.exposure.wcs


class JacobianConfig(PluginConfig):
    """Fields of the LSST `SingleFrameJacobianConfig`."""

    pixelScale = pexConfig.Field[float](doc="Nominal pixel scale, arcsec.", dtype=float, default=0.5)


@register("base_Jacobian", order=SHAPE_ORDER)
class JacobianPlugin(Plugin):
    """Area of a pixel over its nominal area."""

    ConfigClass = JacobianConfig

    def fields(self, schema: Schema) -> None:
        """Add the columns, see `Plugin.fields`."""
        schema.add_field(f"{self.name}_value", "D", "area of the pixel over the nominal area")
        self.add_flags(schema)

    def measure(self, batch: Batch) -> None:
        """Fill the columns, see `Plugin.measure`."""
        wcs = _wcs(batch, self.name)
        x, y, _ = batch.position
        jacobian = _jacobians(wcs, batch, x, y)
        value = np.abs(np.linalg.det(jacobian)) * (math.degrees(1.0) * 3600.0 / self.config.pixelScale) ** 2
        batch[f"{self.name}_value"] = value
        batch[f"{self.name}_flag"] = ~np.isfinite(value)


def _jacobians(wcs, batch: Batch, x: np.ndarray, y: np.ndarray) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Give d(east, north)/d(x, y), radians per pixel: (n, 2, 2), NaN where there is no position."""
    known = np.isfinite(x) & np.isfinite(y)
    jacobian = np.full((len(x), 2, 2), np.nan)
    if known.any():
        jacobian[known] = wcs.jacobian(x[known] + batch.x0, y[known] + batch.y0)
    return jacobian


@register("base_LocalWcs", order=FLUX_ORDER)
class LocalWcsPlugin(Plugin):
    """The linear part of the sky coordinates around the source."""

    def fields(self, schema: Schema) -> None:
        """Add the columns, see `Plugin.fields`."""
        for i in (1, 2):
            for j in (1, 2):
                schema.add_field(f"{self.name}_CDMatrix_{i}_{j}", "D", "derivative of the local tangent plane by pixels", "rad/pixel")
        self.add_flags(schema)

    def measure(self, batch: Batch) -> None:
        """Fill the columns, see `Plugin.measure`."""
        x, y, _ = batch.position
        jacobian = np.full((len(batch), 2, 2), np.nan)
        if batch.exposure.wcs is not None:
            jacobian = _jacobians(batch.exposure.wcs, batch, x, y)
        for i in (1, 2):
            for j in (1, 2):
                batch[f"{self.name}_CDMatrix_{i}_{j}"] = jacobian[:, i - 1, j - 1]
        batch[f"{self.name}_flag"] = ~np.isfinite(jacobian).all(axis=(1, 2))


@register("base_LocalPhotoCalib", order=FLUX_ORDER)
class LocalPhotoCalibPlugin(Plugin):
    """The photometric calibration at the source, nJy per count."""

    def fields(self, schema: Schema) -> None:
        """Add the columns, see `Plugin.fields`."""
        schema.add_field(self.name, "D", "local calibration", "nJy/count")
        schema.add_field(f"{self.name}Err", "D", "standard error of the calibration", "nJy/count")
        self.add_flags(schema)

    def measure(self, batch: Batch) -> None:
        """Fill the columns, see `Plugin.measure`."""
        x, y, _ = batch.position
        calib = batch.exposure.photo_calib
        value = np.full(len(batch), np.nan)
        error = np.full(len(batch), np.nan)
        if calib is not None:
            known = np.isfinite(x) & np.isfinite(y)
            value[known] = calib.inst_flux_to_nanojansky(np.ones(known.sum()), x=x[known] + batch.x0, y=y[known] + batch.y0)
            error[:] = calib.err
        batch[self.name] = value
        batch[f"{self.name}Err"] = error
        batch[f"{self.name}_flag"] = ~np.isfinite(value)
