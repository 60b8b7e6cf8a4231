"""Fluxes in circles: base_CircularApertureFlux, base_ScaledApertureFlux."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import lsst.pex.config as pexConfig
import numpy as np

from skysift.measure.plugin import FLUX_ORDER, Plugin, PluginConfig
from skysift.measure.registry import register

if TYPE_CHECKING:
    from skysift.measure.batch import Batch
    from skysift.table import Schema

__all__ = ["CircularApertureFluxPlugin", "ScaledApertureFluxPlugin", "aperture_prefix", "circles_leave_image"]

_TRUNCATED = {"apertureTruncated": "the aperture reaches beyond the image"}
_SINC = {**_TRUNCATED, "sincCoeffsTruncated": "the coefficients reach beyond the image"}


class CircularApertureFluxConfig(PluginConfig):
    """Fields of the LSST `ApertureFluxControl`."""

    radii = pexConfig.ListField[float](doc="Radii, pixels.", dtype=float, default=[3.0, 4.5, 6.0, 9.0, 12.0, 17.0, 25.0, 35.0, 50.0, 70.0])
    maxSincRadius = pexConfig.Field[float](
        doc="Up to this radius the aperture is exact for band-limited images.", dtype=float, default=10.0
    )
    shiftKernel = pexConfig.Field[str](doc="Accepted for compatibility: shifts are exact.", dtype=str, default="lanczos5")


def aperture_prefix(name: str, radius: float) -> str:
    """Give the prefix of the columns of one radius: `base_CircularApertureFlux_12_0`."""
    return f"{name}_{radius:.1f}".replace(".", "_")


def circles_leave_image(x: np.ndarray, y: np.ndarray, radius: Any, shape: tuple[int, int]) -> np.ndarray:
    """Tell which circles touch pixels off an image of `shape` (h, w), or have no position."""
    inside = (np.floor(x - radius + 0.5) >= 0) & (np.ceil(x + radius - 0.5) < shape[1])
    return ~(inside & (np.floor(y - radius + 0.5) >= 0) & (np.ceil(y + radius - 0.5) < shape[0]))


@register("base_CircularApertureFlux", order=FLUX_ORDER)
class CircularApertureFluxPlugin(Plugin):
    """Fluxes in circles of fixed radii: exact for band-limited images where small, sums of whole pixels where large."""

    ConfigClass = CircularApertureFluxConfig

    def fields(self, schema: Schema) -> None:
        """Add the columns, see `Plugin.fields`."""
        for radius in self.config.radii:
            flags = _SINC if radius <= self.config.maxSincRadius else _TRUNCATED
            self.add_flux(schema, f"flux in a circle of {radius:g} pixels", aperture_prefix(self.name, radius), flags)

    def metadata(self) -> dict[str, Any]:
        """Describe the configuration, see `Plugin.metadata`."""
        return {f"{self.name.upper()}_RADII": list(self.config.radii)}

    def measure(self, batch: Batch) -> None:
        """Fill the columns, see `Plugin.measure`."""
        from skysift.kernels.aperture import circle_sums
        from skysift.measure.sinc import circle_flux

        x, y, bad = batch.position
        large = sorted(radius for radius in self.config.radii if radius > self.config.maxSincRadius)
        for radius in self.config.radii:
            if radius > self.config.maxSincRadius:
                continue
            prefix = aperture_prefix(self.name, radius)
            flux, error, clipped = circle_flux(batch.overlay, batch.variance, x, y, radius)
            truncated = circles_leave_image(x, y, radius, batch.variance.shape)
            flux[truncated] = error[truncated] = np.nan
            self.put_flux(batch, flux, error, bad | truncated, prefix)
            batch[f"{prefix}_flag_apertureTruncated"] = truncated
            batch[f"{prefix}_flag_sincCoeffsTruncated"] = clipped
        if large:
            sums, truncated = circle_sums(batch.overlay, batch.variance, x, y, np.array(large))
            errors = np.sqrt(sums[:, :, 1])
            for k, radius in enumerate(large):
                prefix = aperture_prefix(self.name, radius)
                self.put_flux(batch, sums[:, k, 0], errors[:, k], bad | truncated[:, k], prefix)
                batch[f"{prefix}_flag_apertureTruncated"] = truncated[:, k]


class ScaledApertureFluxConfig(PluginConfig):
    """Fields of the LSST `ScaledApertureFluxControl`."""

    scale = pexConfig.Field[float](doc="Radius in units of the PSF's full width at half maximum.", dtype=float, default=3.14)
    shiftKernel = pexConfig.Field[str](doc="Accepted for compatibility: shifts are exact.", dtype=str, default="lanczos5")


@register("base_ScaledApertureFlux", order=FLUX_ORDER)
class ScaledApertureFluxPlugin(Plugin):
    """Flux in a circle whose radius is a multiple of the PSF's width."""

    ConfigClass = ScaledApertureFluxConfig
    flags = _SINC

    def fields(self, schema: Schema) -> None:
        """Add the columns, see `Plugin.fields`."""
        self.add_flux(schema, "flux in a circle scaled with the PSF")

    def measure(self, batch: Batch) -> None:
        """Fill the columns, see `Plugin.measure`."""
        from skysift.measure.sinc import ellipse_flux

        x, y, bad = batch.position
        radius = self.config.scale * 2.0 * math.sqrt(2.0 * math.log(2.0)) * batch.psf_sigma
        flux, error, clipped = ellipse_flux(batch.overlay, batch.variance, x, y, radius, radius, np.zeros(len(batch)))
        truncated = circles_leave_image(x, y, radius, batch.variance.shape)
        flux[truncated] = error[truncated] = np.nan
        self.put_flux(batch, flux, error, bad | truncated)
        batch[f"{self.name}_flag_apertureTruncated"] = truncated
        batch[f"{self.name}_flag_sincCoeffsTruncated"] = clipped
