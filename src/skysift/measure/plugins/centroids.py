"""Positions: base_SdssCentroid, base_NaiveCentroid, base_PeakCentroid, skysift_PsfCentroid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lsst.pex.config as pexConfig
import numpy as np

from skysift.measure.plugin import CENTROID_ORDER, Plugin, PluginConfig
from skysift.measure.registry import register

if TYPE_CHECKING:
    from skysift.measure.batch import Batch
    from skysift.table import Schema

__all__ = ["NaiveCentroidPlugin", "PeakCentroidPlugin", "PsfCentroidPlugin", "SdssCentroidPlugin"]


class CentroidConfig(PluginConfig):
    """Fields of centroiders that compare their result with the footprint."""

    doFootprintCheck = pexConfig.Field[bool](doc="Take the peak if the centroid is not in the footprint.", default=True)
    maxDistToPeak = pexConfig.Field[float](
        doc="Take the peak if the centroid is farther from it than this, pixels; negative: never.", dtype=float, default=1.0
    )


class Centroid(Plugin):
    """What centroiders share: columns, and the comparison with the footprint (LSST `CentroidChecker`)."""

    ConfigClass = CentroidConfig

    def add_position(self, schema: Schema, doc: str, errors: bool = True) -> None:
        """Add position, its errors and the flags."""
        for axis in "xy":
            schema.add_field(f"{self.name}_{axis}", "D", f"{doc}: {axis}", "pixel")
        if errors:
            for axis in "xy":
                schema.add_field(f"{self.name}_{axis}Err", "F", f"standard error of {axis}", "pixel")
        self.add_flags(schema)
        if schema.aliases.get("slot_Centroid") != self.name:
            schema.aliases[f"{self.name}_flag_badInitialCentroid"] = "slot_Centroid_flag"

    def start(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """Give the first guess: the slot centroid, unless this plugin is to fill it."""
        if batch.catalog.slot("Centroid") in (None, self.name):
            return batch.start
        return batch.position.x, batch.position.y

    def check(self, batch: Batch, x: np.ndarray, y: np.ndarray, where: np.ndarray) -> None:
        """Replace positions that are too far from the first peak, or off the footprint, by the peak; set flag_resetToPeak and flag.

        Parameters
        ----------
        batch
            The sources.
        x, y
            float64 (n,) element coordinates, changed in place.
        where
            bool (n,): positions to check.
        """
        far = np.zeros(len(batch), np.bool_)
        if self.config.maxDistToPeak > 0:
            far = np.hypot(x - batch.peak_x, y - batch.peak_y) > self.config.maxDistToPeak
        if self.config.doFootprintCheck:
            far |= ~_in_footprint(batch, x, y)
        reset = where & far & np.isfinite(batch.peak_x)
        x[reset] = batch.peak_x[reset]
        y[reset] = batch.peak_y[reset]
        batch[f"{self.name}_flag_resetToPeak"] = reset
        batch[f"{self.name}_flag"] |= reset
        batch[f"{self.name}_x"] = x + batch.x0
        batch[f"{self.name}_y"] = y + batch.y0


def _in_footprint(batch: Batch, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Tell which positions, rounded, lie in their footprints."""
    row = np.floor(np.nan_to_num(y, nan=-1e9) + 0.5)
    column = np.floor(np.nan_to_num(x, nan=-1e9) + 0.5)
    counts = batch.span_last - batch.span_first
    source = np.repeat(np.arange(len(batch)), counts)
    spans = batch.overlay.spans[batch.span_first[0] : batch.span_last[-1]]
    hit = (spans[:, 0] == row[source]) & (spans[:, 1] <= column[source]) & (column[source] <= spans[:, 2])
    inside = np.zeros(len(batch), np.bool_)
    inside[source[hit]] = True
    return inside


class SdssCentroidConfig(CentroidConfig):
    """Fields of the LSST `SdssCentroidControl`."""

    binmax = pexConfig.Field[int](doc="Largest binning.", dtype=int, default=16)
    peakMin = pexConfig.Field[float](
        doc="Bin at least once if the smoothed peak is lower; negative: never asked.", dtype=float, default=-1.0
    )
    wfac = pexConfig.Field[float](doc="Bin sources broader than wfac (1 + sigma^2 of the PSF).", dtype=float, default=1.5)
    errorMode = pexConfig.ChoiceField[str](
        doc="How the errors are computed.",
        dtype=str,
        default="exact",
        allowed={
            "exact": "The variance propagated through the slope of the smoothed image.",
            "lsst": "The published formula, which counts the sky twice and is too large for binned sources.",
        },
    )


@register("base_SdssCentroid", order=CENTROID_ORDER)
class SdssCentroidPlugin(Centroid):
    """Maximum of the image smoothed with the PSF; see `skysift.kernels.centroid.sdss_centroids`."""

    ConfigClass = SdssCentroidConfig
    flags = {
        "edge": "too close to the edge of the image, no position",
        "noSecondDerivative": "the smoothed image has no curvature",
        "almostNoSecondDerivative": "never set",
        "notAtMaximum": "the smoothed image has no maximum here",
        "near_edge": "measured without smoothing, close to the edge",
        "resetToPeak": "too far from the peak or not in the footprint; the position is the peak's",
        "badError": "an error is not finite",
    }

    def fields(self, schema: Schema) -> None:
        """Add the columns, see `Plugin.fields`."""
        self.add_position(schema, "position by the SDSS method")

    def measure(self, batch: Batch) -> None:
        """Fill the columns, see `Plugin.measure`."""
        from skysift.kernels import centroid as kernel

        x, y = self.start(batch)
        negative = batch["is_negative"] if "is_negative" in batch.catalog.schema else np.zeros(len(batch), np.bool_)
        kernels = np.require(batch.psf_cores, np.float32, ["C", "W"])
        broken = ~np.isfinite(kernels[:, kernels.shape[1] // 2].sum(axis=1) + batch.psf_sigma)
        batch.invalid_psf |= broken
        config = self.config
        result, status = kernel.sdss_centroids(
            batch.overlay, batch.variance, kernels, batch.psf.size // 2, batch.psf_sigma**2, x, y, negative,
            config.binmax, config.peakMin, config.wfac, config.errorMode == "lsst",
        )  # fmt: skip
        failed = (status & (kernel.FLAG_EDGE | kernel.FLAG_NO_SECOND_DERIVATIVE | kernel.FLAG_NOT_AT_MAXIMUM)) != 0
        bad_error = ~failed & ~np.isfinite(result[:, 2:]).all(axis=1)
        batch[f"{self.name}_xErr"] = result[:, 2]
        batch[f"{self.name}_yErr"] = result[:, 3]
        batch[f"{self.name}_flag_edge"] = (status & kernel.FLAG_EDGE) != 0
        near_edge = (status & (kernel.FLAG_NEAR_EDGE | kernel.FLAG_EDGE)) == kernel.FLAG_NEAR_EDGE
        batch[f"{self.name}_flag_near_edge"] = near_edge
        batch[f"{self.name}_flag_noSecondDerivative"] = (status & kernel.FLAG_NO_SECOND_DERIVATIVE) != 0
        batch[f"{self.name}_flag_notAtMaximum"] = (status & kernel.FLAG_NOT_AT_MAXIMUM) != 0
        batch[f"{self.name}_flag_badError"] = bad_error
        batch[f"{self.name}_flag"] = failed | near_edge | bad_error | broken
        self.check(batch, result[:, 0].copy(), result[:, 1].copy(), ~failed)


class NaiveCentroidConfig(CentroidConfig):
    """Fields of the LSST `NaiveCentroidControl`."""

    background = pexConfig.Field[float](doc="Subtracted from the pixels.", dtype=float, default=0.0)

    def setDefaults(self) -> None:
        """Do not compare with the peak."""
        super().setDefaults()
        self.maxDistToPeak = -1.0


@register("base_NaiveCentroid", order=CENTROID_ORDER)
class NaiveCentroidPlugin(Centroid):
    """First moment of the 3 x 3 pixels around the starting pixel."""

    ConfigClass = NaiveCentroidConfig
    flags = {
        "noCounts": "the pixels sum to zero",
        "edge": "too close to the edge of the image",
        "resetToPeak": "too far from the peak or not in the footprint; the position is the peak's",
    }

    def fields(self, schema: Schema) -> None:
        """Add the columns, see `Plugin.fields`."""
        self.add_position(schema, "first moment of 3 x 3 pixels", errors=False)

    def measure(self, batch: Batch) -> None:
        """Fill the columns, see `Plugin.measure`."""
        from skysift.kernels.stamps import hide, show

        x, y = (axis.copy() for axis in self.start(batch))
        height, width = batch.variance.shape
        inside = np.isfinite(x) & np.isfinite(y) & (x >= 1) & (y >= 1) & (x < width - 1) & (y < height - 1)
        no_counts = np.zeros(len(batch), np.bool_)
        for i in np.flatnonzero(inside):
            # The start is truncated, not rounded: the reference does so here.
            column, row = int(x[i]), int(y[i])
            show(batch.overlay, i)
            pixels = batch.overlay.image[row - 1 : row + 2, column - 1 : column + 2].astype(np.float64) - self.config.background
            hide(batch.overlay, i)
            total = pixels.sum()
            if total == 0.0 or not np.isfinite(total):
                no_counts[i] = True
                continue
            x[i] = column + (pixels[:, 2].sum() - pixels[:, 0].sum()) / total
            y[i] = row + (pixels[2].sum() - pixels[0].sum()) / total
        batch[f"{self.name}_flag_edge"] = ~inside
        batch[f"{self.name}_flag_noCounts"] = no_counts
        batch[f"{self.name}_flag"] = ~inside | no_counts
        self.check(batch, x, y, inside & ~no_counts)


@register("base_PeakCentroid", order=CENTROID_ORDER)
class PeakCentroidPlugin(Plugin):
    """The first peak of the footprint."""

    def fields(self, schema: Schema) -> None:
        """Add the columns, see `Plugin.fields`."""
        schema.add_field(f"{self.name}_x", "D", "position of the first peak: x", "pixel")
        schema.add_field(f"{self.name}_y", "D", "position of the first peak: y", "pixel")
        self.add_flags(schema)

    def measure(self, batch: Batch) -> None:
        """Fill the columns, see `Plugin.measure`."""
        batch[f"{self.name}_x"] = batch.peak_x + batch.x0
        batch[f"{self.name}_y"] = batch.peak_y + batch.y0
        batch[f"{self.name}_flag"] = ~np.isfinite(batch.peak_x)


class PsfCentroidConfig(CentroidConfig):
    """How the PSF is fitted."""

    badMaskPlanes = pexConfig.ListField[str](
        doc="Pixels with any of these planes are left out.", dtype=str, default=["BAD", "SAT", "NO_DATA"]
    )
    maxIter = pexConfig.Field[int](doc="Most iterations.", dtype=int, default=3)
    tolerance = pexConfig.Field[float](
        doc="Stop after a step smaller than this many standard errors: for stars the next is fifty times smaller.", dtype=float, default=0.5
    )
    maxStep = pexConfig.Field[float](
        doc="The fit fails if it wants to move farther than this from its start, pixels.", dtype=float, default=2.0
    )


@register("skysift_PsfCentroid", order=CENTROID_ORDER + 0.5)
class PsfCentroidPlugin(Centroid):
    """Inverse-variance weighted least-squares fit of the PSF with position and flux free: for stars it reaches the Cramer-Rao bound."""

    ConfigClass = PsfCentroidConfig
    flags = {
        "edge": "the PSF reaches beyond the image",
        "noFit": "no fit: no flux, no usable pixels, or too far from the start",
        "maxIter": "not converged, as is usual for galaxies; the general flag is not set for this",
        "resetToPeak": "too far from the peak or not in the footprint; the position is the peak's",
    }

    def fields(self, schema: Schema) -> None:
        """Add the columns, see `Plugin.fields`."""
        self.add_position(schema, "position by fitting the PSF")

    def measure(self, batch: Batch) -> None:
        """Fill the columns, see `Plugin.measure`."""
        from skysift.kernels.centroid import psf_fit_steps

        start_x, start_y = self.start(batch)
        x, y = start_x.copy(), start_y.copy()
        error = np.full((len(batch), 2), np.nan)
        failed = ~np.isfinite(x + y)
        edge = np.zeros(len(batch), np.bool_)
        rows = np.flatnonzero(~failed)
        bits = batch.bitmask(self.config.badMaskPlanes)
        height, width = batch.variance.shape
        for iteration in range(self.config.maxIter):
            if not rows.size:
                break
            shared = iteration == 0 and len(rows) == len(batch) and start_x is batch.position.x
            stamps = batch.psf_stamps if shared else batch.stamps_at(x[rows], y[rows])
            size = stamps.images.shape[1]
            edge[rows] = (stamps.x0 < 0) | (stamps.y0 < 0) | (stamps.x0 + size > width) | (stamps.y0 + size > height)
            fit = psf_fit_steps(batch.overlay, batch.variance, batch.mask, bits, rows, stamps.images, stamps.x0, stamps.y0)
            new_x, new_y = x[rows] + fit[:, 1], y[rows] + fit[:, 2]
            good = stamps.valid & (np.hypot(new_x - start_x[rows], new_y - start_y[rows]) <= self.config.maxStep)
            moving = good & (np.hypot(fit[:, 1] / fit[:, 4], fit[:, 2] / fit[:, 5]) > self.config.tolerance)
            failed[rows[~good]] = True
            x[rows[good]], y[rows[good]] = new_x[good], new_y[good]
            error[rows[good]] = fit[good, 4:]
            rows = rows[moving]
        unconverged = np.zeros(len(batch), np.bool_)
        unconverged[rows] = True
        x[failed], y[failed] = start_x[failed], start_y[failed]
        error[failed] = np.nan
        batch[f"{self.name}_xErr"] = error[:, 0]
        batch[f"{self.name}_yErr"] = error[:, 1]
        batch[f"{self.name}_flag_noFit"] = failed
        batch[f"{self.name}_flag_maxIter"] = unconverged
        batch[f"{self.name}_flag_edge"] = edge
        batch[f"{self.name}_flag"] = failed
        self.check(batch, x, y, ~failed)
