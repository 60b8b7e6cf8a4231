"""What surrounds a source: base_LocalBackground, base_Variance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lsst.pex.config as pexConfig
import numpy as np

from skysift.measure.plugin import FLUX_ORDER, Plugin, PluginConfig
from skysift.measure.registry import register

if TYPE_CHECKING:
    from skysift.measure.batch import Batch
    from skysift.table import Schema

__all__ = ["LocalBackgroundPlugin", "VariancePlugin"]


class LocalBackgroundConfig(PluginConfig):
    """Fields of the LSST `LocalBackgroundControl`."""

    badMaskPlanes = pexConfig.ListField[str](
        doc="Pixels with any of these planes are left out.", dtype=str, default=["BAD", "SAT", "NO_DATA"]
    )
    annulusInner = pexConfig.Field[float](doc="Inner radius, in units of the PSF's determinant radius.", dtype=float, default=7.0)
    annulusOuter = pexConfig.Field[float](doc="Outer radius, in units of the PSF's determinant radius.", dtype=float, default=15.0)
    bgRej = pexConfig.Field[float](doc="Clipping limit, standard deviations.", dtype=float, default=3.0)
    bgIter = pexConfig.Field[int](doc="Clipping iterations.", dtype=int, default=3)


@register("base_LocalBackground", order=FLUX_ORDER)
class LocalBackgroundPlugin(Plugin):
    """Clipped mean of an annulus, per pixel; its error is the scatter of the pixels."""

    ConfigClass = LocalBackgroundConfig
    flags = {"noGoodPixels": "no usable pixels in the annulus", "noPsf": "the size of the PSF is unknown"}

    def fields(self, schema: Schema) -> None:
        """Add the columns, see `Plugin.fields`."""
        self.add_flux(schema, "background in an annulus, per pixel")

    def measure(self, batch: Batch) -> None:
        """Fill the columns, see `Plugin.measure`."""
        from skysift.kernels.aperture import annulus_clipped_means

        config = self.config
        x, y, bad = batch.position
        sigma = batch.psf_sigma if batch.exposure.psf is not None else np.full(len(batch), np.nan)
        bits = batch.bitmask(config.badMaskPlanes)
        result = annulus_clipped_means(
            batch.overlay, batch.mask, bits, x, y, config.annulusInner * sigma, config.annulusOuter * sigma, config.bgRej, config.bgIter
        )
        no_psf = ~np.isfinite(sigma)
        self.put_flux(batch, result[:, 0], result[:, 1], bad)
        batch[f"{self.name}_flag_noPsf"] = no_psf
        batch[f"{self.name}_flag_noGoodPixels"] = ~no_psf & ~np.isfinite(result[:, 0])


class VarianceConfig(PluginConfig):
    """Fields of the LSST `VarianceConfig`."""

    scale = pexConfig.Field[float](doc="Size of the ellipse in units of the slot shape.", dtype=float, default=5.0)
    mask = pexConfig.ListField[str](
        doc="Pixels with any of these planes are left out.", dtype=str, default=["DETECTED", "DETECTED_NEGATIVE", "BAD", "SAT"]
    )


@register("base_Variance", order=FLUX_ORDER)
class VariancePlugin(Plugin):
    """Median variance around a source: in its ellipse, without the pixels that are part of a detection."""

    ConfigClass = VarianceConfig
    flags = {"emptyFootprint": "no usable pixels"}

    def fields(self, schema: Schema) -> None:
        """Add the columns, see `Plugin.fields`."""
        schema.add_field(f"{self.name}_value", "D", "median variance around the source", "count^2")
        self.add_flags(schema)
        schema.aliases[f"{self.name}_flag_badCentroid"] = "slot_Centroid_flag"

    def measure(self, batch: Batch) -> None:
        """Fill the columns, see `Plugin.measure`."""
        from skysift.kernels.aperture import ellipse_medians

        x, y, _ = batch.position
        shape = batch.shape
        psf = batch.psf_shapes.T if batch.exposure.psf is not None else np.full((3, len(batch)), np.nan)
        # A bad shape may be as large as the image; the PSF's says as well where the surroundings are.
        ixx, iyy, ixy = (np.where(shape.bad, psf[k], moment) * self.config.scale**2 for k, moment in enumerate(shape[:3]))
        value = ellipse_medians(batch.variance, batch.mask, batch.bitmask(self.config.mask), x, y, ixx, ixy, iyy)
        empty = np.isnan(value)
        batch[f"{self.name}_value"] = value
        batch[f"{self.name}_flag_emptyFootprint"] = empty
        batch[f"{self.name}_flag"] = empty
