"""Archived objects other than PSFs: coordinates, calibration, corrections, labels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from skysift.errors import InputError

if TYPE_CHECKING:
    from skysift.io.archive import Archive, Factory, Row

__all__ = ["FACTORIES"]


def _sky_wcs(archive: Archive, tables: list[list[Row]]) -> Any:
    """SkyWcs: text ``<version> SkyWcs <0 or 1> `` and an AST dump."""
    from skysift.io.ast import AstWcs

    return AstWcs(tables[0][0].raw("wcs").decode("latin-1"))


def _tan_wcs(archive: Archive, tables: list[list[Row]]) -> Any:
    """TanWcs of old files: crpix counts 0-based PARENT pixels; the optional second table holds the SIP polynomials."""
    from skysift.image import SkyWcs

    row = tables[0][0]
    cd = row.array("cd")
    header: dict[str, Any] = {
        "WCSAXES": 2,
        "RADESYS": row["radesys"] or "ICRS",
        "CUNIT1": row["cunit1"] or "deg",
        "CUNIT2": row["cunit2"] or "deg",
    }
    if math.isfinite(equinox := float(row["equinox"])):
        header["EQUINOX"] = equinox
    header |= {f"CRVAL{i + 1}": float(v) for i, v in enumerate(row.array("crval"))}
    header |= {f"CRPIX{i + 1}": float(v) + 1.0 for i, v in enumerate(row.array("crpix"))}
    header |= {"CD1_1": cd[0], "CD2_1": cd[1], "CD1_2": cd[2], "CD2_2": cd[3]}
    sip = tables[1][0] if len(tables) > 1 and tables[1] else None
    for i in (1, 2):
        ctype = str(row[f"ctype{i}"]).removesuffix("-SIP")
        header[f"CTYPE{i}"] = f"{ctype}-SIP" if sip else ctype
    if sip:
        for column, name in (("A", "A"), ("B", "B"), ("Ap", "AP"), ("Bp", "BP")):
            values = sip.array(column)
            n = math.isqrt(len(values))
            if n * n != len(values):
                raise InputError(f"the SIP polynomial {column} of an archived TanWcs has {len(values)} coefficients, not a square")
            if n == 0:
                continue
            header[f"{name}_ORDER"] = n - 1
            header |= {f"{name}_{k % n}_{k // n}": float(v) for k, v in enumerate(values) if v != 0}
    return SkyWcs.from_header(header)


def _chebyshev_field(archive: Archive, tables: list[list[Row]]) -> Any:
    """ChebyshevBoundedField: ``T_i(x') T_j(y')`` has coefficient j * (order_x + 1) + i."""
    from skysift.geom import Box2I, Point2I
    from skysift.image import ChebyshevField

    row = tables[0][0]
    if "bbox_min" in row or "bbox_min_x" in row:
        low, high = row.point("bbox_min"), row.point("bbox_max")
    else:
        raise InputError("an archived ChebyshevBoundedField has no bounding box")
    bbox = Box2I.from_min_max(Point2I(int(low[0]), int(low[1])), Point2I(int(high[0]), int(high[1])))
    return ChebyshevField(bbox, row.array("coefficients").reshape(-1, row.integer("order_x") + 1))


def _ap_corr_map(archive: Archive, tables: list[list[Row]]) -> Any:
    """ApCorrMap: names and fields."""
    from skysift.image import ApCorrMap

    return ApCorrMap({row["name"]: archive.load(row.integer("field")) for row in tables[0]})


def _photo_calib(archive: Archive, tables: list[list[Row]]) -> Any:
    """PhotoCalib: mean, error, and a field unless it is constant."""
    from skysift.image import PhotoCalib

    row = tables[0][0]
    if "version" not in row or row.integer("version") < 1:
        raise InputError("an archived PhotoCalib has no version or one before 1")
    field = None if row.flag("isConstant") else archive.load(row.integer("field"))
    return PhotoCalib(float(row["calibrationMean"]), float(row["calibrationErr"]), field)


def _filter_label(archive: Archive, tables: list[list[Row]]) -> Any:
    """FilterLabel: band and physical filter, either may be empty."""
    from skysift.image import FilterLabel

    row = tables[0][0]
    return FilterLabel(row["band"] or None, row["physical"] or None)


def _polygon(archive: Archive, tables: list[list[Row]]) -> Any:
    """Polygon: vertices."""
    from skysift.image import Polygon

    return Polygon([row.point("vertices") for row in tables[0]])


def _summary_stats(archive: Archive, tables: list[list[Row]]) -> dict[str, Any]:
    """ExposureSummaryStats: a YAML mapping."""
    import yaml

    stats = yaml.safe_load(tables[0][0].raw("bytes").decode("utf-8"))
    if not isinstance(stats, dict):
        raise InputError("the archived summary statistics are not a mapping")
    return stats


def _coadd_inputs(archive: Archive, tables: list[list[Row]]) -> dict[str, list[dict[str, Any]]]:
    """CoaddInputs: the rows of the visit and of the detector table, as they are in the file."""
    names = ("visits", "ccds")
    return {name: [row.as_dict() for row in rows] for name, rows in zip(names, tables)}


FACTORIES: dict[str, Factory] = {
    "SkyWcs": _sky_wcs,
    "TanWcs": _tan_wcs,
    "ChebyshevBoundedField": _chebyshev_field,
    "ApCorrMap": _ap_corr_map,
    "PhotoCalib": _photo_calib,
    "FilterLabel": _filter_label,
    "Polygon": _polygon,
    "ExposureSummaryStats": _summary_stats,
    "CoaddInputs": _coadd_inputs,
}
"""Readers by the class name in the archive index."""
