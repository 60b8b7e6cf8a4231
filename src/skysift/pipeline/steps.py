"""Steps that the commands share."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from skysift.background import Background
    from skysift.footprint import FootprintSet
    from skysift.image import Exposure
    from skysift.pipeline.config import DetectConfig
    from skysift.table import Schema, SourceCatalog

__all__ = ["add_position_fields", "add_positions", "fitted_to", "mark_detected", "subtract_sky", "summarize"]

ConfigT = TypeVar("ConfigT", bound="DetectConfig")


def fitted_to(exposure: Exposure, config: ConfigT) -> ConfigT:
    """Leave out of a configuration what an exposure cannot have: positions on the sky without a WCS.

    Parameters
    ----------
    exposure
        The exposure.
    config
        The configuration; not changed.

    Returns
    -------
    config
        The same, or a copy without `base_SkyCoord`.
    """
    if exposure.wcs is not None or "base_SkyCoord" not in config.measurement.plugins.names:
        return config
    config = copy.deepcopy(config)
    config.measurement.plugins.names.discard("base_SkyCoord")
    return config


def subtract_sky(exposure: Exposure, config: DetectConfig, psf_sigma: float | None = None) -> tuple[Background, float]:
    """Estimate the sky and subtract it from the image, in place.

    Parameters
    ----------
    exposure
        The exposure.
    config
        Its field `sky` is used.
    psf_sigma
        Width of the PSF, pixels, if known.

    Returns
    -------
    sky
        The model.
    noise
        Typical standard deviation of the sky, counts.
    """
    from skysift.background import estimate_sky

    sky = estimate_sky(exposure.masked_image, psf_sigma, config.sky)
    sky.subtract_from(exposure.image)
    noise = np.asarray(sky.rms)
    noise = noise[np.isfinite(noise) & (noise > 0)]
    return sky, float(np.median(noise)) if noise.size else math.nan


def mark_detected(exposure: Exposure, footprints: FootprintSet) -> None:
    """Set the mask plane DETECTED on the pixels of all footprints, and only there."""
    exposure.mask.clear("DETECTED")
    footprints.set_mask(exposure.mask, "DETECTED")


def add_position_fields(schema: Schema) -> None:
    """Add the columns of `add_positions`."""
    for axis in ("x", "y"):
        schema.add_field(axis, "D", "best position: of the PSF fit where it succeeded, else of the slot centroid", "pixel")
        schema.add_field(f"{axis}Err", "F", f"standard error of {axis}", "pixel")
    schema.add_field("ra", "D", "right ascension (ICRS) of x, y", "deg")
    schema.add_field("dec", "D", "declination (ICRS) of x, y", "deg")


def add_positions(exposure: Exposure, catalog: SourceCatalog) -> None:
    """Fill the plain position columns: 0-based pixels, and degrees where there is a WCS.

    Parameters
    ----------
    exposure
        Gives the WCS.
    catalog
        Measured sources whose schema has the fields of `add_position_fields`.
    """
    fit = "skysift_PsfCentroid"
    slot = catalog.slot("Centroid")
    use_fit = ~np.asarray(catalog[f"{fit}_flag"]) if f"{fit}_flag" in catalog.schema else np.zeros(len(catalog), bool)
    for name in ("x", "y", "xErr", "yErr"):
        other = catalog[f"{slot}_{name}"]
        catalog[name] = np.where(use_fit, catalog[f"{fit}_{name}"], other) if use_fit.any() else other
    catalog["ra"] = catalog["dec"] = np.nan
    if exposure.wcs is not None and len(catalog):
        ra, dec = exposure.wcs.pixel_to_sky(np.asarray(catalog["x"]), np.asarray(catalog["y"]))
        catalog["ra"], catalog["dec"] = np.degrees(ra), np.degrees(dec)


def summarize(exposure: Exposure, background: Background, noise: float, catalog: SourceCatalog, excess: float = 1.0) -> dict[str, Any]:
    """Collect the figures of the summary that every command has.

    Parameters
    ----------
    exposure
        The image without its background.
    background
        The background.
    noise
        Standard deviation of the sky, counts.
    catalog
        The sources.
    excess
        Noise of the filtered image over that of independent pixels, see `skysift.pipeline.search`.

    Returns
    -------
    summary
        Plain numbers; what cannot be given is None.
    """
    mask = exposure.mask
    bad = mask.bitmask("BAD", "SAT", "NO_DATA", "CR", ignore_missing=True)
    flux = catalog.slot("PsfFlux")
    summary: dict[str, Any] = {
        "image": {
            "width": exposure.width,
            "height": exposure.height,
            "x0": int(exposure.xy0.x),
            "y0": int(exposure.xy0.y),
            "unusable_fraction": round(float(np.count_nonzero(mask.array & bad)) / max(mask.array.size, 1), 6),
            "wcs": exposure.wcs is not None,
        },
        "counts": {
            "sources": len(catalog),
            "flagged_psf_flux": int(np.count_nonzero(catalog[f"{flux}_flag"])) if flux and len(catalog) else 0,
            "saturated": _count(catalog, "base_PixelFlags_flag_saturatedCenter"),
        },
        "background": {
            "mean": _finite(float(np.nanmean(background.values))),
            "noise": _finite(noise),
            "correlated_noise": _finite(excess),
        },
        "psf": {},
    }
    psf = exposure.psf
    if psf is not None:
        sigma = float(psf.sigma())
        shape = psf.shape()
        trace = shape.ixx + shape.iyy
        kernel = psf.kernel_image().array
        area = float(1.0 / (kernel**2).sum())
        summary["psf"] = {
            "model": type(psf).__name__,
            "fwhm": _finite(2.0 * math.sqrt(2.0 * math.log(2.0)) * sigma),
            "e1": _finite((shape.ixx - shape.iyy) / trace),
            "e2": _finite(2.0 * shape.ixy / trace),
            "effective_area": _finite(area),
        }
        depth = 5.0 * noise * excess * math.sqrt(area)
        if exposure.photo_calib is not None and depth > 0:
            summary["depth_5sigma"] = _finite(float(exposure.photo_calib.inst_flux_to_magnitude(depth)))
            summary["depth_label"] = "5 sigma depth, point sources (AB)"
        elif depth > 0:
            summary["depth_5sigma"] = _finite(depth)
            summary["depth_label"] = "5 sigma point source (counts)"
    return summary


def _count(catalog: SourceCatalog, flag: str) -> int:
    return int(np.count_nonzero(catalog[flag])) if flag in catalog.schema else 0


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
