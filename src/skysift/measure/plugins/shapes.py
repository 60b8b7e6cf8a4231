"""Shapes: base_SdssShape."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import lsst.pex.config as pexConfig
import numpy as np

from skysift.measure.plugin import SHAPE_ORDER, Plugin, PluginConfig
from skysift.measure.registry import register

if TYPE_CHECKING:
    from skysift.measure.batch import Batch
    from skysift.table import Schema

__all__ = ["SdssShapePlugin"]


class SdssShapeConfig(PluginConfig):
    """Fields of the LSST `SdssShapeControl`."""

    background = pexConfig.Field[float](doc="Subtracted from the pixels.", dtype=float, default=0.0)
    maxIter = pexConfig.Field[int](doc="Most iterations.", dtype=int, default=100)
    maxShift = pexConfig.Field[float](doc="Largest shift of the centre, clamped into [2, 10], pixels.", dtype=float, default=0.0)
    tol1 = pexConfig.Field[float](doc="Convergence of the ellipticities.", dtype=float, default=1e-5)
    tol2 = pexConfig.Field[float](doc="Relative convergence of Ixx.", dtype=float, default=1e-4)
    doMeasurePsf = pexConfig.Field[bool](doc="Also give the moments of the PSF.", default=True)


@register("base_SdssShape", order=SHAPE_ORDER)
class SdssShapePlugin(Plugin):
    """Adaptive moments with a Gaussian weight that matches the source (Bernstein & Jarvis 2002)."""

    ConfigClass = SdssShapeConfig
    flags = {
        "unweightedBad": "neither weighted nor unweighted moments could be measured",
        "unweighted": "the weighted moments did not converge; the moments are unweighted",
        "shift": "the centre shifted by more than maxShift",
        "maxIter": "too many iterations",
        "psf": "the moments of the PSF could not be measured",
    }

    def fields(self, schema: Schema) -> None:
        """Add the columns, see `Plugin.fields`."""
        for moment in ("xx", "yy", "xy"):
            schema.add_field(f"{self.name}_{moment}", "D", f"adaptive moment I{moment}", "pixel^2")
        for moment in ("xx", "yy", "xy"):
            schema.add_field(f"{self.name}_{moment}Err", "F", f"standard error of I{moment}", "pixel^2")
        schema.add_field(f"{self.name}_x", "D", "weighted first moment: x", "pixel")
        schema.add_field(f"{self.name}_y", "D", "weighted first moment: y", "pixel")
        schema.add_field(f"{self.name}_instFlux", "D", "flux of the matching Gaussian", "count")
        schema.add_field(f"{self.name}_instFluxErr", "D", "standard error of the flux", "count")
        if self.config.doMeasurePsf:
            for moment in ("xx", "yy", "xy"):
                schema.add_field(f"{self.name}_psf_{moment}", "D", f"adaptive moment I{moment} of the PSF", "pixel^2")
        for moment in ("xx", "yy", "xy"):
            schema.add_field(f"{self.name}_instFlux_{moment}_Cov", "F", f"covariance of flux and I{moment}", "count*pixel^2")
        self.add_flags(schema, flags={flag: doc for flag, doc in self.flags.items() if flag != "psf" or self.config.doMeasurePsf})
        schema.aliases[f"{self.name}_flag_badCentroid"] = "slot_Centroid_flag"

    def measure(self, batch: Batch) -> None:
        """Fill the columns, see `Plugin.measure`."""
        from skysift.kernels import moments as kernel

        config = self.config
        x, y, _ = batch.position
        shift = min(max(config.maxShift, 2.0), 10.0)
        overlay = batch.overlay
        if config.background:
            offset = np.float32(config.background)
            overlay = overlay._replace(image=overlay.image - offset, own=overlay.own - offset, hidden=overlay.hidden - offset)
        negative = batch["is_negative"] if "is_negative" in batch.catalog.schema else np.zeros(len(batch), np.bool_)
        tol1, tol2 = float(np.float32(config.tol1)), float(np.float32(config.tol2))
        result, status = kernel.sdss_shapes(overlay, x, y, negative, config.maxIter, tol1, tol2, shift)
        ixx, ixy, iyy, i0 = result[:, :4].T
        unweighted = (status & kernel.FLAG_UNWEIGHTED) != 0
        hopeless = (status & kernel.FLAG_UNWEIGHTED_BAD) != 0
        shifted = (status & kernel.FLAG_SHIFT) != 0
        for moment, value in (("xx", ixx), ("yy", iyy), ("xy", ixy)):
            batch[f"{self.name}_{moment}"] = value
        batch[f"{self.name}_x"] = result[:, 4] + batch.x0
        batch[f"{self.name}_y"] = result[:, 5] + batch.y0
        area = 2 * math.pi * np.sqrt(ixx * iyy - ixy**2)
        flux = i0 * area
        batch[f"{self.name}_instFlux"] = flux
        covariance = shape_covariance(i0, ixx, iyy, ixy, central_variance(batch.variance, x, y))
        sigma = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
        batch[f"{self.name}_instFluxErr"] = sigma[:, 0] * area
        for k, moment in enumerate(("xx", "yy", "xy"), start=1):
            batch[f"{self.name}_{moment}Err"] = sigma[:, k]
            batch[f"{self.name}_instFlux_{moment}_Cov"] = covariance[:, 0, k] * area
        batch[f"{self.name}_flag_unweighted"] = unweighted
        batch[f"{self.name}_flag_unweightedBad"] = hopeless
        batch[f"{self.name}_flag_shift"] = shifted
        batch[f"{self.name}_flag_maxIter"] = (status & kernel.FLAG_MAX_ITER) != 0
        batch[f"{self.name}_flag"] = unweighted | hopeless | shifted | ~np.isfinite(flux + sigma.sum(axis=1))
        if config.doMeasurePsf:
            shapes = batch.psf_shapes if batch.exposure.psf is not None else np.full((len(batch), 3), np.nan)
            for k, moment in enumerate(("xx", "yy", "xy")):
                batch[f"{self.name}_psf_{moment}"] = shapes[:, k]
            batch[f"{self.name}_flag_psf"] = ~np.isfinite(shapes).all(axis=1)


def central_variance(variance: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Give the variance of the pixels that contain positions: float64 (n,), NaN off the image or where it is not positive."""
    height, width = variance.shape
    inside = (x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5)
    value = np.full(len(x), np.nan)
    value[inside] = variance[np.floor(y[inside] + 0.5).astype(int), np.floor(x[inside] + 0.5).astype(int)]
    return np.where(value > 0, value, np.nan)


def shape_covariance(i0: np.ndarray, ixx: np.ndarray, iyy: np.ndarray, ixy: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Covariance of amplitude and moments of a Gaussian fitted to pixels of equal variance, from the Fisher matrix.

    Parameters
    ----------
    i0, ixx, iyy, ixy
        (n,) amplitude and moments.
    variance
        (n,) variance of a pixel.

    Returns
    -------
    covariance
        (n, 4, 4) in the order amplitude, xx, yy, xy; NaN where it does not exist.
    """
    det = ixx * iyy - ixy**2
    usable = np.isfinite(i0 + variance) & (det > 1.1920929e-7) & (i0 != 0)
    fisher = np.zeros((len(i0), 4, 4))
    scale = math.pi * np.sqrt(det) / variance
    linear = scale * i0 / (4 * det)
    square = 3 * scale * i0**2 / (16 * det**2)
    fisher[:, 0, 0] = scale
    for k, value in enumerate((linear * iyy, linear * ixx, -2 * linear * ixy), start=1):
        fisher[:, 0, k] = fisher[:, k, 0] = value
    fisher[:, 1, 1] = square * iyy**2
    fisher[:, 2, 2] = square * ixx**2
    fisher[:, 3, 3] = 4 * square * (ixy**2 + det / 3)
    fisher[:, 1, 2] = fisher[:, 2, 1] = fisher[:, 3, 3] / 4
    fisher[:, 1, 3] = fisher[:, 3, 1] = -2 * square * iyy * ixy
    fisher[:, 2, 3] = fisher[:, 3, 2] = -2 * square * ixx * ixy
    covariance = np.full((len(i0), 4, 4), np.nan)
    # Scaling to unit diagonal keeps the inversion accurate for faint and for very bright sources alike.
    diagonal = np.sqrt(np.diagonal(fisher[usable], axis1=1, axis2=2))
    norm = diagonal[:, :, None] * diagonal[:, None, :]
    scaled = fisher[usable] / norm
    invertible = np.isfinite(scaled).all(axis=(1, 2)) & (np.abs(np.linalg.det(np.nan_to_num(scaled))) > 1e-14)
    covariance[np.flatnonzero(usable)[invertible]] = np.linalg.inv(scaled[invertible]) / norm[invertible]
    return covariance
