"""Footprints from the archive of an LSST source catalogue."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from skysift.errors import InputError

if TYPE_CHECKING:
    from astropy.io.fits import HDUList

    from skysift.footprint import Footprint, SpanSet

__all__ = ["read_afw_footprints"]

_log = logging.getLogger(__name__)

Entry = tuple[int, int, int, int]


def read_afw_footprints(hdulist: HDUList, ids: Iterable[int]) -> list[Footprint | None] | None:
    """Read footprints by their archive identifiers.

    Parameters
    ----------
    hdulist
        The open file.
    ids
        Identifiers in the order wanted; 0 for none.

    Returns
    -------
    footprints
        Light or heavy ones, None where the identifier is 0 or the footprint damaged (logged once); None if the file has no archive.

    Notes
    -----
    Objects are spread over shared tables: the index gives for each the table, the first row and the number of rows. A Footprint is a row with
    the identifier of its SpanSet (in old files the spans themselves), and its peaks; a HeavyFootprint adds a row of pixel arrays.
    """
    first = next((i for i, hdu in enumerate(hdulist) if hdu.header.get("EXTTYPE") == "ARCHIVE_INDEX"), None)
    if first is None:
        return None
    archive = _FootprintArchive(hdulist, first)
    footprints: list[Footprint | None] = []
    failure = ""
    for id_ in ids:
        footprint = None
        if id_ > 0:
            try:
                footprint = archive.footprint(int(id_))
            except (InputError, KeyError, IndexError, ValueError, TypeError, OSError) as error:
                failure = failure or str(error)
        footprints.append(footprint)
    if failure:
        _log.warning("%s: some footprints are left out: %s", hdulist.filename(), failure)
    return footprints


class _FootprintArchive:
    def __init__(self, hdulist: HDUList, first: int) -> None:
        self._hdulist, self._first = hdulist, first
        self._columns: dict[tuple[int, str], Any] = {}
        self._spans: dict[int, SpanSet] = {}
        self._entries: dict[int, list[Entry]] = {}
        data = hdulist[first].data
        names = {name.replace(".", "_"): name for name in data.columns.names}
        keys = ("id", "cat_persistable", "cat_archive", "row0", "nrows")
        for id_, *entry in zip(*(np.asarray(data[names[key]]).tolist() for key in keys)):
            self._entries.setdefault(id_, []).append(tuple(entry))  # type: ignore[arg-type]

    def _tables(self, id_: int) -> list[tuple[int, slice]]:
        if id_ not in self._entries:
            raise InputError(f"the archive has no object {id_}")
        return [(table, slice(row0, row0 + n)) for _, table, row0, n in sorted(self._entries[id_])]

    def _names(self, table: int) -> list[str]:
        return list(self._hdulist[self._first + table].columns.names)

    def _column(self, table: int, name: str) -> Any:
        key = (table, name)
        if key not in self._columns:
            values = self._hdulist[self._first + table].data[name]
            is_plain = isinstance(values, np.ndarray) and values.dtype.kind in "iuf"
            self._columns[key] = values.astype(values.dtype.newbyteorder("=")) if is_plain else values
        return self._columns[key]

    def _span_set(self, table: int, rows: slice) -> SpanSet:
        from skysift.footprint import SpanSet

        return SpanSet(*(self._column(table, name)[rows] for name in ("y", "x0", "x1")))

    def footprint(self, id_: int) -> Footprint:
        from skysift.footprint import Footprint, HeavyFootprint, PeakCatalog

        tables = self._tables(id_)
        table, rows = tables[0]
        if "x0" in self._names(table):
            spans = self._span_set(table, rows)
        else:
            span_id = int(self._column(table, "id")[rows][0])
            if span_id not in self._spans:
                self._spans[span_id] = self._span_set(*self._tables(span_id)[0])
            spans = self._spans[span_id]
        peaks = PeakCatalog(self._peaks(*tables[1]) if len(tables) > 1 else None)
        if len(tables) < 3:
            return Footprint(spans, peaks)
        table, rows = tables[2]
        planes: dict[str, Any] = {
            f"{name}_array": np.asarray(self._column(table, name)[rows][0]).astype(np.int32 if name == "mask" else np.float32)
            for name in ("image", "mask", "variance")
        }
        return HeavyFootprint(spans, peaks, **planes)

    def _peaks(self, table: int, rows: slice) -> np.ndarray:
        from skysift.footprint.peaks import PEAK_DTYPE

        peaks = np.zeros(rows.stop - rows.start, PEAK_DTYPE)
        peaks["significance"] = np.nan
        stored = {name.replace(".", "_"): name for name in self._names(table)}
        for name in PEAK_DTYPE.names or ():
            if name in stored:
                peaks[name] = self._column(table, stored[name])[rows]
        return peaks
