"""Footprints as tables, for files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from skysift.errors import InputError
from skysift.footprint.arrays import FootprintArrays, flatten_footprints
from skysift.footprint.footprint import Footprint
from skysift.footprint.heavy import PLANES, HeavyFootprint
from skysift.geom import Box2I

__all__ = ["from_tables", "to_tables"]

FOOTPRINT_DTYPE = np.dtype(
    [("n_spans", "i4"), ("n_peaks", "i4"), ("heavy", "?"), ("x0", "i4"), ("y0", "i4"), ("width", "i4"), ("height", "i4")]
)
SPAN_DTYPE = np.dtype([("y", "i4"), ("x0", "i4"), ("x1", "i4")])
PIXEL_DTYPE = np.dtype([("image", "f4"), ("mask", "i4"), ("variance", "f4")])


def to_tables(footprints: Sequence[Footprint | None]) -> dict[str, np.ndarray]:
    """Footprints as four structured arrays, which any table format can hold.

    Parameters
    ----------
    footprints
        Light or heavy footprints; None stands for a light one without pixels.

    Returns
    -------
    dict
        "footprint": a row for each, with its numbers of spans and peaks, whether it is heavy, and its region (``x0, y0, width, height``);
        "span": all spans (``y, x0, x1``, x1 inclusive); "peak": all peaks; "pixel": the pixels of the heavy ones (``image, mask, variance``).

    Raises
    ------
    InputError
        If the peaks of the footprints have different columns.
    """
    full = [Footprint() if footprint is None else footprint for footprint in footprints]
    arrays = flatten_footprints(full)
    rows = np.zeros(len(full), FOOTPRINT_DTYPE)
    rows["n_spans"] = np.diff(arrays.span_offset)
    rows["n_peaks"] = arrays.n_peaks
    rows["heavy"] = [footprint.is_heavy for footprint in full]
    regions = np.array([(*f.region.min, *f.region.extent) for f in full], np.int32).reshape(-1, 4)
    for name, column in zip(("x0", "y0", "width", "height"), regions.T):
        rows[name] = column
    spans = np.empty(arrays.y.size, SPAN_DTYPE)
    for name in ("y", "x0", "x1"):
        spans[name] = getattr(arrays, name)
    heavy = [footprint for footprint in full if isinstance(footprint, HeavyFootprint)]
    pixels = np.empty(sum(footprint.area for footprint in heavy), PIXEL_DTYPE)
    for name, plane in zip(("image", "mask", "variance"), PLANES):
        pixels[name] = np.concatenate([np.empty(0, pixels.dtype[name]), *(getattr(footprint, plane) for footprint in heavy)])
    return {"footprint": rows, "span": spans, "peak": arrays.peaks, "pixel": pixels}


def from_tables(tables: Mapping[str, np.ndarray]) -> list[Footprint]:
    """Footprints from the tables of `to_tables`.

    Parameters
    ----------
    tables
        The four tables; big-endian columns are accepted.

    Raises
    ------
    InputError
        If a table is missing, or their lengths do not agree.
    """
    missing = {"footprint", "span", "peak", "pixel"} - set(tables)
    if missing:
        raise InputError(f"tables of footprints lack {', '.join(sorted(missing))}")
    rows, spans, peaks, pixels = (np.asarray(tables[name]) for name in ("footprint", "span", "peak", "pixel"))
    span_offset, peak_offset = (np.cumsum([0, *rows[name].tolist()], dtype=np.int64) for name in ("n_spans", "n_peaks"))
    if (rows["n_spans"] < 0).any() or (rows["n_peaks"] < 0).any() or span_offset[-1] != spans.size or peak_offset[-1] != peaks.size:
        raise InputError(
            f"tables of footprints promise {span_offset[-1]} spans and {peak_offset[-1]} peaks but hold {spans.size} and {peaks.size}"
        )
    y, x0, x1 = (spans[name].astype(np.int32) for name in ("y", "x0", "x1"))
    native = peaks.astype(peaks.dtype.newbyteorder("="))
    arrays = FootprintArrays(y, x0, x1, span_offset, native, peak_offset, Box2I())
    area = np.where(rows["heavy"], arrays.area, 0)
    if (x1 < x0).any() or area.sum() != pixels.size:
        raise InputError(f"tables of footprints promise {area.sum()} pixels but hold {pixels.size}")
    planes = [pixels[name].astype(kind) for name, kind in (("image", np.float32), ("mask", np.int32), ("variance", np.float32))]
    footprints = []
    start = 0
    for i, row in enumerate(rows.tolist()):
        footprint = arrays.footprint(i)
        footprint.region = Box2I(row[3:5], row[5:7])
        if row[2]:
            end = start + int(area[i])
            values = dict(zip(PLANES, (plane[start:end] for plane in planes)))
            footprint = HeavyFootprint(footprint.spans, footprint.peaks, footprint.region, **values)
            start = end
        footprints.append(footprint)
    return footprints
