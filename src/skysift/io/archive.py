"""The archive of an LSST FITS file: the objects (PSF, coordinates, calibration, ...) that an exposure carries beside its pixels."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.errors import InputError

__all__ = ["Archive", "Row", "UnsupportedComponentError", "read_archive"]

LOG = logging.getLogger(__name__)

COMPONENT_KEYS = {
    "psf": ("PSF",),
    "wcs": ("SKYWCS", "WCS"),
    "photo_calib": ("PHOTOCALIB",),
    "ap_corr_map": ("AP_CORR_MAP",),
    "filter_label": ("FILTER",),
    "valid_polygon": ("VALID_POLYGON",),
    "summary_stats": ("SUMMARY_STATS",),
    "coadd_inputs": ("COADD_INPUTS",),
}
"""Components of an exposure and the header keys, newest first, that lead to them."""


class UnsupportedComponentError(InputError):
    """An archived object of a class that Skysift does not read."""


class Row:
    """One row of an archive table.

    Parameters
    ----------
    table
        The HDU of the table.
    index
        Number of the row, from 0.
    """

    def __init__(self, table: Any, index: int) -> None:
        self._table, self._index = table, index

    def __contains__(self, name: str) -> bool:
        return name in self._table.columns.names

    def __getitem__(self, name: str) -> Any:
        """Give a field: a number, a text, or an array."""
        value = self._table.data[name][self._index]
        return str(value).strip() if isinstance(value, str) else value

    def integer(self, name: str) -> int:
        """Give a field as an integer."""
        return int(self[name])

    def array(self, name: str) -> NDArray[np.float64]:
        """Give a field as a flat float64 array."""
        return np.asarray(self[name], dtype=np.float64).ravel()

    def point(self, name: str) -> tuple[float, float]:
        """Give a point, stored as two columns or, in old files, as one compound column."""
        if name in self:
            x, y = self.array(name)
            return float(x), float(y)
        return float(self[f"{name}_x"]), float(self[f"{name}_y"])

    def flag(self, name: str) -> bool:
        """Give a flag by its name."""
        header = self._table.header
        n = 1
        while (flag := header.get(f"TFLAG{n}")) is not None:
            if flag == name:
                return bool(np.atleast_1d(self["flags"])[n - 1])
            n += 1
        raise InputError(f"an archive table has no flag {name!r}")

    def raw(self, name: str) -> bytes:
        """Give a column of bytes."""
        return np.asarray(self[name]).astype(np.uint8).tobytes()

    def as_dict(self) -> dict[str, Any]:
        """Give all fields; arrays are copies that outlive the file."""
        values = {name: self[name] for name in self._table.columns.names}
        return {name: np.array(value) if isinstance(value, np.ndarray) else value for name, value in values.items()}


Factory = Callable[["Archive", list[list[Row]]], Any]


class Archive:
    """Reads archived objects by number; each is read once.

    Parameters
    ----------
    hdulist
        The open file (`astropy.io.fits.HDUList`).
    index
        Position of the archive index in `hdulist`.

    Raises
    ------
    InputError
        There is no archive index at that position.
    """

    def __init__(self, hdulist: Any, index: int) -> None:
        if not 0 <= index < len(hdulist) or hdulist[index].header.get("EXTTYPE") != "ARCHIVE_INDEX":
            raise InputError(f"HDU {index} is not an archive index")
        self._hdulist, self._first = hdulist, index
        data = hdulist[index].data
        names = {name.replace(".", "_"): name for name in data.columns.names} if data is not None else {}
        self._rows: dict[int, list[tuple[int, int, int, int, str]]] = {}
        columns = [np.asarray(data[names[c]]) for c in ("id", "cat_persistable", "cat_archive", "row0", "nrows", "name")] if names else []
        for id_, order, catalog, row0, n_rows, name in zip(*columns):
            self._rows.setdefault(int(id_), []).append((int(order), int(catalog), int(row0), int(n_rows), str(name).strip()))
        self._loaded: dict[int, Any] = {}
        self._open: set[int] = set()

    @classmethod
    def find(cls, hdulist: Any) -> Archive | None:
        """Find the archive of a file: where ``AR_HDU`` says, else the first archive index; None when there is none."""
        declared = hdulist[0].header.get("AR_HDU")
        candidates = [int(declared) - 1] if isinstance(declared, int) else []
        for i in (*candidates, *range(len(hdulist))):
            if 0 <= i < len(hdulist) and hdulist[i].header.get("EXTTYPE") == "ARCHIVE_INDEX":
                return cls(hdulist, i)
        return None

    def name(self, id_: int) -> str:
        """Give the class name of an object."""
        if id_ not in self._rows:
            raise InputError(f"the archive has no object {id_}")
        return self._rows[id_][0][4]

    def load(self, id_: int) -> Any:
        """Read an object.

        Parameters
        ----------
        id_
            Its number; 0 is None.

        Raises
        ------
        UnsupportedComponentError
            Skysift does not read objects of this class.
        InputError
            The object is missing or damaged.
        """
        if id_ == 0:
            return None
        if id_ in self._loaded:
            return self._loaded[id_]
        name = self.name(id_)
        factory = _factories().get(name)
        if factory is None:
            raise UnsupportedComponentError(f"archived objects of class {name!r} are not read")
        if id_ in self._open:
            raise InputError(f"the archived object {id_} ({name}) contains itself")
        self._open.add(id_)
        try:
            self._loaded[id_] = factory(self, self._tables(id_))
        finally:
            self._open.discard(id_)
        return self._loaded[id_]

    def _tables(self, id_: int) -> list[list[Row]]:
        """Give the rows of an object, a list for each of its tables."""
        tables: list[list[Row]] = []
        for _, catalog, row0, n_rows, _ in sorted(self._rows[id_]):
            if catalog < 0:
                continue
            if not 1 <= catalog < len(self._hdulist) - self._first:
                raise InputError(f"the archive index points to table {catalog}, which the file does not have")
            hdu = self._hdulist[self._first + catalog]
            n_table = 0 if hdu.data is None else len(hdu.data)
            if row0 < 0 or n_rows < 0 or row0 + n_rows > n_table:
                raise InputError(f"the archive index points beyond the {n_table} rows of table {catalog}")
            tables.append([Row(hdu, row0 + k) for k in range(n_rows)])
        return tables


def _factories() -> Mapping[str, Factory]:
    from skysift.io.archive_classes import FACTORIES
    from skysift.io.archive_psf import PSF_FACTORIES

    return FACTORIES | PSF_FACTORIES


def read_archive(hdulist: Any) -> dict[str, Any]:
    """Read the components that an LSST exposure file archives.

    Parameters
    ----------
    hdulist
        The open file (`astropy.io.fits.HDUList`).

    Returns
    -------
    components
        Those found of ``psf, wcs, photo_calib, ap_corr_map, filter_label, valid_polygon, summary_stats, coadd_inputs``. A component that is damaged or
        of a class that Skysift does not read is left out with a logged warning.
    """
    found: dict[str, Any] = {}
    header = hdulist[0].header
    try:
        archive = Archive.find(hdulist)
    except Exception as error:
        LOG.warning("The archive of the file cannot be read (%s): its PSF, coordinates and calibration are left out.", error)
        return found
    if archive is None:
        return found
    for component, keys in COMPONENT_KEYS.items():
        id_ = next((header[name] for key in keys for name in (f"ARCHIVE_ID_{key}", f"{key}_ID") if name in header), 0)
        try:
            value = archive.load(int(id_))
        # a damaged file fails in any way (struct, numpy, unpickling); none may cost the user the pixels
        except Exception as error:
            LOG.warning("The archived %s cannot be used and is left out: %s", component.replace("_", " "), error)
            continue
        if value is not None:
            found[component] = value
    return found
