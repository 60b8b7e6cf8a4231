"""Catalogues as DS9 regions."""

from __future__ import annotations

import os

import numpy as np

from skysift.errors import InputError
from skysift.io.fitsfile import replace_file
from skysift.table import SourceCatalog

__all__ = ["regions_text", "write_regions"]

_SCALE = 2.5
_POINT_RADIUS = 5.0


def write_regions(catalog: SourceCatalog, path: str | os.PathLike[str], *, scale: float = _SCALE, labels: bool = True) -> None:
    """Write a DS9 region file: an ellipse a source where its shape is known, else a circle.

    Parameters
    ----------
    catalog
        Positions from the slot centroid (else from coord_ra, coord_dec), shapes from the slot shape (xx, yy, xy; pixel^2). Sources whose
        position is not finite are left out; those with the slot centroid's flag are red, children of blends cyan, all others green.
    path
        File to write.
    scale
        Half axes of the ellipses in units of the second moments' root.
    labels
        Write the identifiers as text.

    Raises
    ------
    InputError
        The catalogue has no positions.

    Notes
    -----
    Positions are in DS9's "physical" system, which is PARENT + 1 for images that carry LTV1 and LTV2, as Skysift and LSST write them, and
    for images that begin at (0, 0).
    """
    with replace_file(path) as temporary:
        temporary.write_text(regions_text(catalog, scale=scale, labels=labels), encoding="ascii")


def regions_text(catalog: SourceCatalog, *, scale: float = _SCALE, labels: bool = True) -> str:
    """Give the text that `write_regions` writes; parameters as there."""
    if "slot_Centroid_x" in catalog:
        system, x, y = "physical", catalog.x + 1, catalog.y + 1
        size = ""
    elif "coord_ra" in catalog and (len(catalog) == 0 or np.isfinite(catalog["coord_ra"]).any()):
        system, x, y = "icrs", np.degrees(catalog["coord_ra"]), np.degrees(catalog["coord_dec"])
        size = '"'
    else:
        raise InputError("the catalogue has no positions; regions need a slot Centroid or coord_ra, coord_dec")
    a, b, theta = _axes(catalog)
    ids, colors = catalog["id"].tolist(), _colors(catalog)
    digits = 3 if system == "physical" else 7
    lines = [
        "# Region file format: DS9 version 4.1",
        'global color=green width=1 font="helvetica 9 normal roman" select=1 edit=1 move=0 delete=1',
        system,
    ]
    for i in np.flatnonzero(np.isfinite(x) & np.isfinite(y)).tolist():
        position = f"{x[i]:.{digits}f},{y[i]:.{digits}f}"
        if not size and a[i] > 0:
            region = f"ellipse({position},{scale * a[i]:.2f},{scale * b[i]:.2f},{theta[i]:.1f})"
        else:
            region = f"circle({position},{2 if size else _POINT_RADIUS:g}{size})"
        tags = ([f"color={colors[i]}"] if colors[i] else []) + ([f"text={{{ids[i]}}}"] if labels else [])
        lines.append(f"{region} # {' '.join(tags)}" if tags else region)
    return "\n".join(lines) + "\n"


def _axes(catalog: SourceCatalog) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Half axes (pixels; 0 where the shape is unknown) and position angle (degrees from x to y) of the slot shape."""
    n = len(catalog)
    if "slot_Shape_xx" not in catalog:
        return np.zeros(n), np.zeros(n), np.zeros(n)
    xx, yy, xy = (catalog[f"slot_Shape_{part}"].astype(np.float64) for part in ("xx", "yy", "xy"))
    with np.errstate(invalid="ignore"):
        mean, difference = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
        good = np.isfinite(mean + difference) & (mean - difference > 0)
        a = np.sqrt(np.where(good, mean + difference, 0))
        b = np.sqrt(np.where(good, mean - difference, 0))
        theta = np.degrees(np.arctan2(2 * xy, xx - yy) / 2)
    return a, b, np.where(good, theta, 0)


def _colors(catalog: SourceCatalog) -> list[str]:
    colors = np.full(len(catalog), "", dtype="U4")
    if "parent" in catalog:
        colors[catalog["parent"] != 0] = "cyan"
    if "slot_Centroid_flag" in catalog:
        colors[catalog["slot_Centroid_flag"]] = "red"
    return list(colors.tolist())
