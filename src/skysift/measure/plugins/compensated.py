"""Fluxes that a constant background does not change: base_CompensatedTophatFlux, base_CompensatedGaussianFlux."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import lsst.pex.config as pexConfig
import numpy as np

from skysift.measure.plugin import FLUX_ORDER, Plugin, PluginConfig
from skysift.measure.registry import register

if TYPE_CHECKING:
    from skysift.measure.batch import Batch
    from skysift.table import Schema

__all__ = ["CompensatedGaussianFluxPlugin", "CompensatedTophatFluxPlugin"]

MAX_SINC_RADIUS = 10.0
_BOUNDS = {"bounds": "too close to the edge of the image"}


class CompensatedTophatFluxConfig(PluginConfig):
    """Fields of the LSST `SingleFrameCompensatedTophatFluxConfig`."""

    apertures = pexConfig.ListField[int](doc="Radii, pixels.", dtype=int, default=[12])
    inner_scale = pexConfig.Field[float](doc="Inner radius of the annulus over the radius.", dtype=float, default=1.0)
    outer_scale = pexConfig.Field[float](doc="Outer radius of the annulus over the radius.", dtype=float, default=1.7)

    def validate(self) -> None:
        """Check the order of the radii."""
        super().validate()
        if self.inner_scale < 1.0 or self.outer_scale <= self.inner_scale:
            raise ValueError(f"need 1 <= inner_scale < outer_scale, got {self.inner_scale} and {self.outer_scale}")


@register("base_CompensatedTophatFlux", order=FLUX_ORDER)
class CompensatedTophatFluxPlugin(Plugin):
    """Flux in a circle minus the mean surface brightness of an annulus around it."""

    ConfigClass = CompensatedTophatFluxConfig

    def fields(self, schema: Schema) -> None:
        """Add the columns, see `Plugin.fields`."""
        for aperture in self.config.apertures:
            prefix = f"{self.name}_{aperture}"
            self.add_flux(schema, f"compensated flux in a circle of {aperture} pixels", prefix, _BOUNDS)
            schema.add_field(f"{prefix}_mask_bits", "I", "mask bits in the square around the annulus")

    def measure(self, batch: Batch) -> None:
        """Fill the columns, see `Plugin.measure`."""
        from skysift.kernels.aperture import mask_boxes

        x, y, _ = batch.position
        inner, outer = self.config.inner_scale, self.config.outer_scale
        scale = 1.0 / (outer**2 - inner**2)
        for aperture in self.config.apertures:
            prefix = f"{self.name}_{aperture}"
            bits, inside = mask_boxes(batch.mask, x, y, math.ceil(outer * aperture))
            (f0, v0), (f1, v1), (f2, v2) = _circles(batch, x, y, [aperture, inner * aperture, outer * aperture])
            flux = np.where(inside, f0 - scale * (f2 - f1), np.nan)
            error = np.where(inside, np.sqrt(v0 + scale**2 * (v2 - v1)), np.nan)
            self.put_flux(batch, flux, error, ~inside, prefix)
            batch[f"{prefix}_flag_bounds"] = ~inside
            batch[f"{prefix}_mask_bits"] = bits


def _circles(batch: Batch, x: np.ndarray, y: np.ndarray, radii: list[float]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Measure flux and variance in circles, (n,) each, in the order of `radii`."""
    from skysift.kernels.aperture import circle_sums
    from skysift.measure.sinc import circle_flux

    results = {}
    large = sorted({radius for radius in radii if radius > MAX_SINC_RADIUS})
    if large:
        sums, _ = circle_sums(batch.overlay, batch.variance, x, y, np.array(large, np.float64))
        results = {radius: (sums[:, k, 0], sums[:, k, 1]) for k, radius in enumerate(large)}
    for radius in set(radii) - set(large):
        flux, error, _ = circle_flux(batch.overlay, batch.variance, x, y, radius)
        results[radius] = (flux, error**2)
    return [results[radius] for radius in radii]


class CompensatedGaussianFluxConfig(PluginConfig):
    """Fields of the LSST `SingleFrameCompensatedGaussianFluxConfig`."""

    kernel_widths = pexConfig.ListField[int](doc="Sigmas of the inner Gaussians, pixels.", dtype=int, default=[3, 5])
    t = pexConfig.Field[float](doc="Sigma of the outer Gaussian over that of the inner.", dtype=float, default=2.0)


@register("base_CompensatedGaussianFlux", order=FLUX_ORDER)
class CompensatedGaussianFluxPlugin(Plugin):
    """Flux with a Gaussian minus a broader one of the same volume as the weight."""

    ConfigClass = CompensatedGaussianFluxConfig

    def fields(self, schema: Schema) -> None:
        """Add the columns, see `Plugin.fields`."""
        for width in self.config.kernel_widths:
            prefix = f"{self.name}_{width}"
            self.add_flux(schema, f"flux with a compensated Gaussian of {width} pixels", prefix, _BOUNDS)
            schema.add_field(f"{prefix}_mask_bits", "I", "mask bits in the square of the weight")

    def measure(self, batch: Batch) -> None:
        """Fill the columns, see `Plugin.measure`."""
        from skysift.kernels.aperture import mask_boxes
        from skysift.kernels.flux import compensated_gaussians

        x, y, _ = batch.position
        t2 = self.config.t**2
        for width in self.config.kernel_widths:
            prefix = f"{self.name}_{width}"
            sums = compensated_gaussians(batch.overlay, batch.variance, x, y, float(width), float(self.config.t))
            bits, inside = mask_boxes(batch.mask, x, y, math.ceil(2.5758 * width * self.config.t))
            flux = 2.0 * (t2 + 1.0) / (t2 - 1.0) * sums[:, 0]
            error = np.sqrt(sums[:, 1] / sums[:, 2] * 4.0 * math.pi * width**2 * (t2 + 1.0) / t2)
            self.put_flux(batch, flux, error, ~inside, prefix)
            batch[f"{prefix}_flag_bounds"] = ~inside
            batch[f"{prefix}_mask_bits"] = bits
