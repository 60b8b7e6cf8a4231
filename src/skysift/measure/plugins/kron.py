"""Fluxes in ellipses sized by the image itself: ext_photometryKron_KronFlux."""

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

__all__ = ["KronFluxPlugin"]


class KronFluxConfig(PluginConfig):
    """Fields of the LSST `KronFluxControl`."""

    fixed = pexConfig.Field[bool](doc="Take the slot shape's own radius instead of measuring one.", dtype=bool, default=False)
    nSigmaForRadius = pexConfig.Field[float](
        doc="Size of the ellipse that the radius is measured in, over the slot shape.", dtype=float, default=6.0
    )
    nIterForRadius = pexConfig.Field[int](doc="Most iterations of the radius.", dtype=int, default=1)
    nRadiusForFlux = pexConfig.Field[float](doc="Size of the flux's ellipse, Kron radii.", dtype=float, default=2.5)
    maxSincRadius = pexConfig.Field[float](
        doc="Up to this minor axis the aperture is exact for band-limited images.", dtype=float, default=10.0
    )
    minimumRadius = pexConfig.Field[float](doc="Smallest Kron radius, pixels; 0: that of the PSF.", dtype=float, default=0.0)
    enforceMinimumRadius = pexConfig.Field[bool](doc="Raise smaller radii to the minimum.", dtype=bool, default=True)
    useFootprintRadius = pexConfig.Field[bool](
        doc="Make the ellipse for the radius at least as large as the footprint.", dtype=bool, default=False
    )
    smoothingSigma = pexConfig.Field[float](
        doc="Sigma of the detection's smoothing, added to the PSF's, pixels.", dtype=float, default=-1.0
    )
    refRadiusName = pexConfig.Field[str](
        doc="Column of the reference catalogue's radius, in forced mode.", dtype=str, default="ext_photometryKron_KronFlux_radius"
    )
    maxRadius = pexConfig.Field[float](doc="Larger radii are bad, pixels.", dtype=float, default=200.0)


@register("ext_photometryKron_KronFlux", order=FLUX_ORDER, ap_corr=True)
class KronFluxPlugin(Plugin):
    """Flux in an ellipse of the slot's shape, its size a multiple of the first radial moment (Kron 1980)."""

    ConfigClass = KronFluxConfig
    flags = {
        "edge": "the ellipse reaches beyond the image",
        "bad_shape_no_psf": "the shape is bad and there is no PSF to replace it",
        "no_minimum_radius": "the minimum radius is not known",
        "no_fallback_radius": "the radius is bad and there is nothing to replace it",
        "bad_radius": "the radius could not be measured",
        "used_minimum_radius": "the radius is the configured minimum",
        "used_psf_radius": "the radius is that of the PSF",
        "small_radius": "the measured radius was smaller than the minimum",
        "bad_shape": "the shape is bad; that of the PSF is used",
    }

    def fields(self, schema: Schema) -> None:
        """Add the columns, see `Plugin.fields`."""
        self.add_flux(schema, "Kron flux")
        for radius, doc in (
            ("radius", "Kron radius"),
            ("radius_for_radius", "radius of the ellipse that the Kron radius was measured in"),
            ("psf_radius", "Kron radius of the PSF"),
        ):
            schema.add_field(f"{self.name}_{radius}", "F", f"{doc}, sqrt(ab)", "pixel")
        schema.aliases[f"{self.name}_flag_badShape"] = "slot_Shape_flag"

    def metadata(self) -> dict[str, Any]:
        """Describe the configuration, see `Plugin.metadata`."""
        return {f"{self.name.upper()}_NRADIUSFORFLUX": self.config.nRadiusForFlux}

    def measure(self, batch: Batch) -> None:
        """Fill the columns, see `Plugin.measure`."""
        from skysift.kernels import kron as kernel

        config = self.config
        n = len(batch)
        x, y, _ = batch.position
        shape = batch.shape
        has_psf = batch.exposure.psf is not None
        psf = batch.psf_shapes if has_psf else np.full((n, 3), np.nan)
        psf_sigma = batch.psf_sigma if has_psf else np.full(n, np.nan)
        psf_radius = math.sqrt(math.pi / 2.0) * np.hypot(psf_sigma, max(0.0, config.smoothingSigma))

        bad_shape = shape.bad
        ixx, iyy, ixy = (np.where(bad_shape, psf[:, k], moment) for k, moment in enumerate((shape.ixx, shape.iyy, shape.ixy)))
        a, b, theta = ellipse_axes(ixx, iyy, ixy)
        known = np.isfinite(a + b) & (b > 0)
        a, b = np.where(known, a, 1.0), np.where(known, b, 1.0)
        size = np.sqrt(a * b)
        # The ellipse is described by its axis ratio and its radius from here on.
        stretch = np.sqrt(a / b)

        if config.fixed:
            radius = size.copy()
            radius_for_radius = np.full(n, np.nan)
            status = np.zeros(n, np.int64)
        else:
            reach = size.copy()
            if config.useFootprintRadius:
                reach = np.maximum(reach, np.nan_to_num(_footprint_radius(batch)) / config.nSigmaForRadius)
            result, status = kernel.kron_radii(
                batch.overlay,
                x,
                y,
                reach * stretch,
                reach / stretch,
                theta,
                config.nSigmaForRadius,
                config.nIterForRadius,
                config.maxRadius,
            )
            radius, radius_for_radius = result.T
            radius_for_radius = np.where(known, radius_for_radius, np.nan)
        off_image = status == kernel.RADIUS_OFF_IMAGE
        bad_radius = known & (status == kernel.RADIUS_BAD)

        minimum = np.full(n, config.minimumRadius) if config.minimumRadius > 0 else psf_radius
        no_minimum = ~np.isfinite(minimum)
        no_fallback = bad_radius & no_minimum
        small = known & ~bad_radius & ~off_image & (radius < minimum) if config.enforceMinimumRadius else np.zeros(n, np.bool_)
        replaced = (bad_radius & ~no_minimum) | small
        radius = np.where(replaced, minimum, radius)

        measurable = known & ~off_image & (radius > 2.3e-16)
        scale = np.where(measurable, config.nRadiusForFlux * radius, np.nan)
        flux, error, truncated = self._flux(batch, x, y, scale * stretch, scale / stretch, theta)
        edge = off_image | (measurable & truncated)

        batch[f"{self.name}_radius"] = np.where(known, radius, np.nan)
        batch[f"{self.name}_radius_for_radius"] = radius_for_radius
        batch[f"{self.name}_psf_radius"] = psf_radius
        used = "used_minimum_radius" if config.minimumRadius > 0 else "used_psf_radius"
        unused = "used_psf_radius" if config.minimumRadius > 0 else "used_minimum_radius"
        for flag, value in {
            "edge": edge,
            "bad_shape": bad_shape & known,
            "bad_shape_no_psf": bad_shape & ~known,
            "no_minimum_radius": known & no_minimum & config.enforceMinimumRadius,
            "no_fallback_radius": no_fallback,
            "bad_radius": bad_radius,
            "small_radius": small,
            used: replaced,
            unused: np.zeros(n, np.bool_),
        }.items():
            batch[f"{self.name}_flag_{flag}"] = value
        self.put_flux(batch, flux, error, bad_shape | edge | no_fallback)

    def _flux(
        self, batch: Batch, x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray, theta: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Measure flux, error and whether the ellipse leaves the image, (n,) each."""
        from skysift.kernels.aperture import ellipse_sums
        from skysift.measure.sinc import LARGEST_AXIS, ellipse_flux

        cos, sin = np.cos(theta), np.sin(theta)
        ixx = (a * cos) ** 2 + (b * sin) ** 2
        iyy = (a * sin) ** 2 + (b * cos) ** 2
        ixy = (a**2 - b**2) * sin * cos
        fine = (b <= self.config.maxSincRadius) & (a <= LARGEST_AXIS)
        flux, error, _ = ellipse_flux(batch.overlay, batch.variance, x, y, np.where(fine, a, np.nan), b, theta)
        height, width = batch.variance.shape
        reach_x, reach_y = np.sqrt(ixx), np.sqrt(iyy)
        inside = (np.floor(x - reach_x + 0.5) >= 0) & (np.ceil(x + reach_x - 0.5) < width)
        inside &= (np.floor(y - reach_y + 0.5) >= 0) & (np.ceil(y + reach_y - 0.5) < height)
        truncated = ~inside
        flux[truncated] = error[truncated] = np.nan
        coarse = ~fine & np.isfinite(a)
        if coarse.any():
            sums, leaves = ellipse_sums(
                batch.overlay, batch.variance, x, y, np.where(coarse, ixx, np.nan), ixy, np.where(coarse, iyy, np.nan)
            )
            flux[coarse] = sums[coarse, 0]
            error[coarse] = np.sqrt(sums[coarse, 1])
            truncated[coarse] = leaves[coarse]
        return flux, error, truncated


def ellipse_axes(ixx: np.ndarray, iyy: np.ndarray, ixy: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give semi-axes and position angle (radians) of the ellipses of second moments; NaN where these are not positive definite."""
    middle = 0.5 * (ixx + iyy)
    half = np.hypot(0.5 * (ixx - iyy), ixy)
    return np.sqrt(middle + half), np.sqrt(middle - half), 0.5 * np.arctan2(2.0 * ixy, ixx - iyy)


def _footprint_radius(batch: Batch) -> np.ndarray:
    """Give the determinant radius of each footprint's second moments times sqrt(2), pixels; NaN for empty footprints."""
    spans = batch.overlay.spans[batch.span_first[0] : batch.span_last[-1]].astype(np.float64)
    source = np.repeat(np.arange(len(batch)), batch.span_last - batch.span_first)
    count = spans[:, 2] - spans[:, 1] + 1
    middle = 0.5 * (spans[:, 1] + spans[:, 2])

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(source, values, minlength=len(batch))

    n = total(count)
    x, y = total(count * middle) / n, total(count * spans[:, 0]) / n
    ixx = total(count * ((middle - x[source]) ** 2 + (count**2 - 1) / 12)) / n
    iyy = total(count * (spans[:, 0] - y[source]) ** 2) / n
    ixy = total(count * (middle - x[source]) * (spans[:, 0] - y[source])) / n
    return math.sqrt(2.0) * (ixx * iyy - ixy**2) ** 0.25
