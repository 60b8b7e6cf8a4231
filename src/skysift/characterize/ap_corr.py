"""Aperture corrections: by which factor each flux differs from the calibration flux for stars, as a smooth function of position."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from skysift.characterize.selectors import select_sources
from skysift.errors import AlgorithmError

if TYPE_CHECKING:
    from skysift.characterize.ap_corr_config import MeasureApCorrConfig, NormalizedCalibrationFluxConfig
    from skysift.geom import Box2I
    from skysift.image import ApCorrMap, ChebyshevField, Exposure
    from skysift.table import Schema, SourceCatalog

__all__ = [
    "MeasureApCorrError",
    "add_measure_ap_corr_fields",
    "add_normalized_flux_fields",
    "measure_ap_corr",
    "normalize_calibration_flux",
]

log = logging.getLogger("skysift.characterize")


class MeasureApCorrError(AlgorithmError):
    """Too few stars for the aperture correction of a flux."""


def _corrected_names(schema: Schema, reference: str) -> list[str]:
    """Prefixes of the fluxes of a schema that get corrections, but for the one that they are corrected to."""
    from skysift.measure import ap_corr_names

    target = schema.resolve(f"{reference}_instFlux")
    return [name for name in ap_corr_names() if f"{name}_instFlux" in schema and f"{name}_instFlux" != target]


def add_measure_ap_corr_fields(schema: Schema, config: MeasureApCorrConfig | None = None) -> None:
    """Add `apcorr_<flux>_used` for every flux of the schema that gets a correction."""
    reference = config.refFluxName if config is not None else "slot_CalibFlux"
    for name in _corrected_names(schema, reference):
        schema.add_field(f"apcorr_{name}_used", "Flag", f"used to measure the aperture correction of {name}", exist_ok=True)


def measure_ap_corr(bbox: Box2I, catalog: SourceCatalog, config: MeasureApCorrConfig | None = None) -> ApCorrMap:
    """Measure the aperture corrections of all registered fluxes (LSST `MeasureApCorrTask`).

    Each correction is a Chebyshev field fitted to the ratios of the reference flux to the flux of stars, with clipping about the fit
    by the median absolute deviation.

    Parameters
    ----------
    bbox
        Box of the exposure, PARENT.
    catalog
        Measured sources; its columns `apcorr_<flux>_used` are filled where they exist.
    config
        Stars and orders; None for the defaults.

    Returns
    -------
    ap_corr_map
        `<flux>_instFlux` and `<flux>_instFluxErr` for each flux.

    Raises
    ------
    MeasureApCorrError
        A flux has too few stars and is not in `config.allowFailure`.
    """
    from skysift.image import ApCorrMap

    if config is None:
        from skysift.characterize.ap_corr_config import MeasureApCorrConfig

        config = MeasureApCorrConfig()
    selected = select_sources(catalog, config.sourceSelector) if len(catalog) else np.zeros(0, bool)
    result = ApCorrMap()
    for name in _corrected_names(catalog.schema, config.refFluxName):
        try:
            field, error, used = fit_ap_corr(bbox, catalog, selected, name, config)
        except MeasureApCorrError:
            if name not in config.allowFailure:
                raise
            log.warning("no aperture correction for %s: too few stars", name)
            continue
        result[f"{name}_instFlux"], result[f"{name}_instFluxErr"] = field, error
        if f"apcorr_{name}_used" in catalog.schema:
            catalog[f"apcorr_{name}_used"] = used
    return result


def fit_ap_corr(
    bbox: Box2I, catalog: SourceCatalog, selected: NDArray[np.bool_], name: str, config: MeasureApCorrConfig
) -> tuple[ChebyshevField, ChebyshevField, NDArray[np.bool_]]:
    """Fit the correction of one flux.

    Parameters
    ----------
    bbox
        Box of the fields.
    catalog
        Measured sources.
    selected
        (n,) the stars.
    name
        Prefix of the flux.
    config
        Reference, orders and clipping.

    Returns
    -------
    field, error
        The correction, and its error, which is constant.
    used
        (n,) the stars that are left.

    Raises
    ------
    MeasureApCorrError
        Too few stars.
    """
    from skysift.image import ChebyshevField

    flux, reference = catalog[f"{name}_instFlux"], catalog[f"{config.refFluxName}_instFlux"]
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.asarray(reference / flux, np.float64)
        good = selected & (flux > 0) & np.isfinite(flux) & np.isfinite(ratio) & np.isfinite(catalog.x) & np.isfinite(catalog.y)
    for prefix in (name, config.refFluxName):
        if f"{prefix}_flag" in catalog.schema:
            good &= ~catalog[f"{prefix}_flag"]
    rows = np.flatnonzero(good)
    if len(rows) - 1 < config.minDegreesOfFreedom:
        raise MeasureApCorrError(
            f"{len(rows)} stars for the aperture correction of {name}; at least {config.minDegreesOfFreedom + 1} are needed",
            hint=f"add {name!r} to measureApCorr.allowFailure, or widen measureApCorr.sourceSelector",
            metadata={"name": name, "n_sources": len(rows)},
        )
    x, y, z = catalog.x[rows], catalog.y[rows], ratio[rows]
    keep = np.ones(len(rows), bool)
    order_x, order_y, triangular = config.fitConfig.orderX, config.fitConfig.orderY, config.fitConfig.triangular
    residual = z - np.median(z)
    field = ChebyshevField.constant(bbox, float(np.median(z)))
    sigma = 0.0
    for _ in range(config.numIter):
        sigma = 1.4826 * float(np.median(np.abs(residual[keep] - np.median(residual[keep])))) + 1e-7
        keep = np.abs(residual) <= config.numSigmaClip * sigma
        if not keep.any():
            keep[np.argmin(np.abs(residual))] = True
        while keep.sum() - _n_coefficients(order_x, order_y, triangular) < config.minDegreesOfFreedom and (order_x or order_y):
            order_x, order_y = max(order_x - 1, 0), max(order_y - 1, 0)
        field = ChebyshevField.fit(bbox, x[keep], y[keep], z[keep], order_x, order_y, triangular)
        residual = z - field.evaluate(x, y)
    if config.doFinalMedianShift:
        coefficients = field.coefficients.copy()
        coefficients[0, 0] += float(np.median(residual[keep]))
        field = ChebyshevField(bbox, coefficients)
    used = np.zeros(len(catalog), bool)
    used[rows[keep]] = True
    return field, ChebyshevField.constant(bbox, sigma), used


def _n_coefficients(order_x: int, order_y: int, triangular: bool) -> int:
    if not triangular:
        return (order_x + 1) * (order_y + 1)
    top = max(order_x, order_y)
    return sum(1 for i in range(order_y + 1) for j in range(order_x + 1) if i + j <= top)


def add_normalized_flux_fields(schema: Schema, config: NormalizedCalibrationFluxConfig | None = None) -> None:
    """Add the columns of the scaled calibration flux, and make it the slot CalibFlux if configured."""
    if config is None:
        from skysift.characterize.ap_corr_config import NormalizedCalibrationFluxConfig

        config = NormalizedCalibrationFluxConfig()
    name = config.normalized_calibflux_name
    schema.add_field(f"{name}_instFlux", "D", f"{config.raw_calibflux_name} on the scale of a large aperture", "count", exist_ok=True)
    schema.add_field(f"{name}_instFluxErr", "D", "its standard deviation", "count", exist_ok=True)
    schema.add_field(f"{name}_flag", "Flag", "general failure flag", exist_ok=True)
    schema.add_field(f"apcorr_{config.raw_calibflux_name}_used", "Flag", "used to measure its scale", exist_ok=True)
    if config.do_set_calib_slot:
        schema.aliases["slot_CalibFlux"] = name


def normalize_calibration_flux(
    exposure: Exposure, catalog: SourceCatalog, config: NormalizedCalibrationFluxConfig | None = None
) -> ApCorrMap:
    """Scale the calibration flux so that it equals the flux in a large aperture for stars (LSST `NormalizedCalibrationFluxTask`).

    Parameters
    ----------
    exposure
        The image; its aperture corrections are used if the scale is not measured.
    catalog
        Measured sources; the columns of `add_normalized_flux_fields` are filled.
    config
        What to scale and to what; None for the defaults.

    Returns
    -------
    ap_corr_map
        The scale, as the aperture correction of the raw flux. Where it cannot be fitted, the median ratio; failing that, one.
    """
    from skysift.image import ApCorrMap, ChebyshevField

    if config is None:
        from skysift.characterize.ap_corr_config import NormalizedCalibrationFluxConfig

        config = NormalizedCalibrationFluxConfig()
    raw, name = config.raw_calibflux_name, config.normalized_calibflux_name
    settings = config.measure_ap_corr
    known = exposure.ap_corr_map or {}
    if config.do_measure_ap_corr:
        selected = select_sources(catalog, settings.sourceSelector) if len(catalog) else np.zeros(0, bool)
        try:
            field, _, used = fit_ap_corr(exposure.bbox, catalog, selected, raw, settings)
        except MeasureApCorrError:
            with np.errstate(invalid="ignore", divide="ignore"):
                ratio = catalog[f"{settings.refFluxName}_instFlux"] / catalog[f"{raw}_instFlux"]
            usable = np.isfinite(ratio) & (ratio > 0)
            scale = float(np.median(ratio[usable])) if usable.any() else 1.0
            log.warning("too few stars for the scale of %s: using the median of all sources, %.4g", raw, scale)
            field, used = ChebyshevField.constant(exposure.bbox, scale), np.zeros(len(catalog), bool)
        catalog[f"apcorr_{raw}_used"] = used
    elif f"{raw}_instFlux" in known:
        field = known[f"{raw}_instFlux"]
    else:
        log.warning("the exposure has no scale for %s: leaving it as it is", raw)
        field = ChebyshevField.constant(exposure.bbox, 1.0)
    factor = np.full(len(catalog), np.nan)
    placed = np.isfinite(catalog.x) & np.isfinite(catalog.y)
    factor[placed] = field.evaluate(catalog.x[placed], catalog.y[placed])
    catalog[f"{name}_instFlux"] = catalog[f"{raw}_instFlux"] * factor
    catalog[f"{name}_instFluxErr"] = catalog[f"{raw}_instFluxErr"] * factor
    flag = ~np.isfinite(factor)
    if f"{raw}_flag" in catalog.schema:
        flag = flag | catalog[f"{raw}_flag"]
    catalog[f"{name}_flag"] = flag
    return ApCorrMap({f"{raw}_instFlux": field, f"{raw}_instFluxErr": ChebyshevField.constant(exposure.bbox, 0.0)})
