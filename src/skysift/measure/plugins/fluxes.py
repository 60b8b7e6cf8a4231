"""Fluxes of point sources and of Gaussians: base_PsfFlux, base_GaussianFlux, base_PeakLikelihoodFlux."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lsst.pex.config as pexConfig
import numpy as np

from skysift.measure.plugin import FLUX_ORDER, Plugin, PluginConfig
from skysift.measure.registry import register

if TYPE_CHECKING:
    from skysift.measure.batch import Batch
    from skysift.table import Schema

__all__ = ["GaussianFluxPlugin", "PeakLikelihoodFluxPlugin", "PsfFluxPlugin"]


class PsfFluxConfig(PluginConfig):
    """Fields of the LSST `PsfFluxControl`."""

    badMaskPlanes = pexConfig.ListField[str](doc="Pixels with any of these planes are left out.", dtype=str, default=[])


@register("base_PsfFlux", order=FLUX_ORDER, ap_corr=True)
class PsfFluxPlugin(Plugin):
    """Flux of a point source: `sum(p I) / sum(p^2)` with the PSF `p` at the centroid.

    The pixels are not weighted by their variance: such a flux would depend on the magnitude wherever the PSF model is imperfect.
    """

    ConfigClass = PsfFluxConfig
    flags = {"noGoodPixels": "no usable pixels", "edge": "the PSF image reaches beyond the image"}

    def fields(self, schema: Schema) -> None:
        """Add the columns, see `Plugin.fields`."""
        self.add_flux(schema, "flux of a point source")
        schema.add_field(f"{self.name}_area", "F", "effective area of the PSF", "pixel")
        schema.add_field(f"{self.name}_chi2", "F", "chi squared of the PSF scaled to the flux")
        schema.add_field(f"{self.name}_npixels", "I", "pixels used", "pixel")

    def measure(self, batch: Batch) -> None:
        """Fill the columns, see `Plugin.measure`."""
        from skysift.kernels.flux import psf_fluxes

        stamps = batch.psf_stamps
        result, counts = psf_fluxes(
            batch.overlay, batch.variance, batch.mask, batch.bitmask(self.config.badMaskPlanes), stamps.images, stamps.x0, stamps.y0
        )
        result[~stamps.valid] = np.nan
        edge = counts[:, 1] < stamps.images.shape[1] ** 2
        batch[f"{self.name}_area"] = result[:, 2]
        batch[f"{self.name}_chi2"] = result[:, 3]
        batch[f"{self.name}_npixels"] = counts[:, 0]
        batch[f"{self.name}_flag_edge"] = edge
        batch[f"{self.name}_flag_noGoodPixels"] = counts[:, 0] == 0
        no_error = ~(result[:, 1] > 0)
        result[no_error, 1] = np.nan
        self.put_flux(batch, result[:, 0], result[:, 1], batch.position.bad | edge)


class GaussianFluxConfig(PluginConfig):
    """Fields of the LSST `GaussianFluxControl`."""

    background = pexConfig.Field[float](doc="Subtracted from the pixels.", dtype=float, default=0.0)


@register("base_GaussianFlux", order=FLUX_ORDER, ap_corr=True)
class GaussianFluxPlugin(Plugin):
    """Flux with the Gaussian of the slot shape as the weight."""

    ConfigClass = GaussianFluxConfig

    def fields(self, schema: Schema) -> None:
        """Add the columns, see `Plugin.fields`."""
        self.add_flux(schema, "flux with a Gaussian weight")
        schema.aliases[f"{self.name}_flag_badShape"] = "slot_Shape_flag"

    def measure(self, batch: Batch) -> None:
        """Fill the columns, see `Plugin.measure`."""
        from skysift.kernels.flux import gaussian_fluxes

        position, shape = batch.position, batch.shape
        moments = [np.where(shape.usable, moment, np.nan) for moment in (shape.ixx, shape.ixy, shape.iyy)]
        result = gaussian_fluxes(batch.overlay, batch.variance, position.x, position.y, *moments)
        if self.config.background:
            result[:, 0] -= self.config.background * 4 * np.pi * np.sqrt(moments[0] * moments[2] - moments[1] ** 2)
        # The flags of centroid and shape do not make this flux bad: so it is in the reference.
        self.put_flux(batch, result[:, 0], result[:, 1], np.zeros(len(batch), np.bool_))


class PeakLikelihoodFluxConfig(PluginConfig):
    """Fields of the LSST `PeakLikelihoodFluxControl`."""

    warpingKernelName = pexConfig.ChoiceField[str](
        doc="Kernel that shifts the pixels to the centroid.",
        dtype=str,
        default="lanczos4",
        allowed={f"lanczos{order}": f"Lanczos function of order {order}." for order in (2, 3, 4, 5)},
    )


@register("base_PeakLikelihoodFlux", order=FLUX_ORDER, ap_corr=True)
class PeakLikelihoodFluxPlugin(Plugin):
    """Flux of a point source on an image already convolved with its PSF: the value at the centroid times the effective area."""

    ConfigClass = PeakLikelihoodFluxConfig

    def fields(self, schema: Schema) -> None:
        """Add the columns, see `Plugin.fields`."""
        self.add_flux(schema, "flux from the peak of a likelihood image")

    def measure(self, batch: Batch) -> None:
        """Fill the columns, see `Plugin.measure`."""
        from skysift.kernels.stamps import hide, show

        position, kernels = batch.position, batch.psf_kernels
        order = int(self.config.warpingKernelName.removeprefix("lanczos"))
        height, width = batch.variance.shape
        area = kernels.sum(axis=(1, 2)) ** 2 / (kernels**2).sum(axis=(1, 2))
        flux = np.full(len(batch), np.nan)
        error = np.full(len(batch), np.nan)
        column, row = np.floor(np.nan_to_num([position.x, position.y], nan=-1e9) + 0.5)
        inside = (column >= order) & (row >= order) & (column < width - order) & (row < height - order)
        for i in np.flatnonzero(inside):
            cx, cy = int(column[i]), int(row[i])
            box = np.s_[cy - order : cy + order + 1, cx - order : cx + order + 1]
            wx, wy = (_lanczos_weights(offset, order) for offset in (position.x[i] - cx, position.y[i] - cy))
            show(batch.overlay, i)
            flux[i] = wy @ batch.overlay.image[box] @ wx
            hide(batch.overlay, i)
            error[i] = np.sqrt(max(0.0, wy**2 @ batch.variance[box] @ wx**2))
        self.put_flux(batch, flux * area, error * area, np.zeros(len(batch), np.bool_))


def _lanczos_weights(offset: float, order: int) -> np.ndarray:
    """Weights of the pixels -order..order that interpolate at `offset`; they sum to one."""
    x = np.arange(-order, order + 1) - offset
    weights = np.where(np.abs(x) < order, np.sinc(x) * np.sinc(x / order), 0.0)
    return weights / weights.sum()
