"""Reading catalogues from FITS binary tables, those of LSST with their flags, aliases and footprints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skysift.errors import InputError
from skysift.io.afw_footprints import read_afw_footprints
from skysift.io.catalog import FOOTPRINT_TABLES, catalog_from_columns
from skysift.io.fitsfile import describe_hdu, open_fits
from skysift.table import Schema, SourceCatalog

if TYPE_CHECKING:
    from astropy.io.fits import HDUList

    from skysift.footprint import Footprint

__all__ = ["read_fits_table"]

# Compound columns of LSST tables older than version 1.
_COMPOUND = {"Point": ("x", "y"), "Coord": ("ra", "dec"), "Moments": ("xx", "yy", "xy")}


def read_fits_table(path: Path) -> SourceCatalog:
    """Read the first binary table of a FITS file.

    Parameters
    ----------
    path
        The file. LSST source catalogues (AFW_TYPE SOURCE) give flag columns, aliases, angles and footprints.

    Returns
    -------
    catalog
        The catalogue.

    Raises
    ------
    InputError
        No table, or one that cannot be read.
    """
    with open_fits(path) as hdulist:
        from astropy.io.fits import BinTableHDU, CompImageHDU, TableHDU

        table = next((hdu for hdu in hdulist if isinstance(hdu, BinTableHDU | TableHDU) and not isinstance(hdu, CompImageHDU)), None)
        if table is None:
            raise InputError(f"{path} holds no table, expected a catalogue")
        try:
            columns, types = _columns(table)
        except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise InputError(f"{describe_hdu(hdulist, table)} cannot be read, the file may be truncated: {reason}") from error
        header = table.header
        archived = columns.pop("footprint", None) if header.get("AFW_TYPE") == "SOURCE" else None
        catalog = _typed(catalog_from_columns(columns), types, header)
        footprints = read_afw_footprints(hdulist, np.asarray(archived[0]).tolist()) if archived is not None else _own_footprints(hdulist)
        if footprints is not None:
            catalog.footprints = footprints
    return catalog


def _own_footprints(hdulist: HDUList) -> list[Footprint] | None:
    """Read the footprints that `write_catalog` writes beside a catalogue."""
    names = {hdu.name: hdu for hdu in hdulist}
    if not set(FOOTPRINT_TABLES.values()) <= set(names):
        return None
    from skysift.footprint.tables import from_tables

    return from_tables({key: _structured(names[name].data) for key, name in FOOTPRINT_TABLES.items()})


def _structured(data: Any) -> np.ndarray:
    """Give a structured array with logical columns as bool, which FITS stores as letters."""
    columns = {name: np.asarray(data[name]) for name in data.columns.names}
    table = np.empty(len(data), [(name, values.dtype.newbyteorder("=")) for name, values in columns.items()])
    for name, values in columns.items():
        table[name] = values
    return table


def _columns(table: Any) -> tuple[dict[str, tuple[np.ndarray, str, str]], dict[str, str]]:
    """Give the columns of a table, and the type codes that the header states."""
    header, data = table.header, table.data
    columns: dict[str, tuple[np.ndarray, str, str]] = {}
    types: dict[str, str] = {}
    is_lsst = "AFW_TYPE" in header
    for i, column in enumerate(table.columns, 1):
        if column.format.lstrip("0123456789").startswith(("P", "Q")):
            continue
        values = np.asarray(data[column.name])
        unit, doc = column.unit or "", str(header.get(f"TDOC{i}", header.get(f"TCOMM{i}", "")))
        kind = str(header.get(f"TCCLS{i}", ""))
        if is_lsst and i == header.get("FLAGCOL", 0):
            columns.update(_flags(values, header))
            continue
        name = column.name.replace(".", "_") if is_lsst else column.name
        if kind in _COMPOUND and values.ndim == 2:
            for k, part in enumerate(_COMPOUND[kind][: values.shape[1]]):
                columns[f"{name}_{part}"] = np.ascontiguousarray(values[:, k]), unit, doc
                types[f"{name}_{part}"] = "Angle" if kind == "Coord" else ""
            continue
        columns[name] = values, unit, doc
        types[name] = "Angle" if kind == "Angle" else str(header.get(f"TTYPC{i}", ""))
    return columns, types


def _flags(bits: np.ndarray, header: Any) -> dict[str, tuple[np.ndarray, str, str]]:
    bits = bits.reshape(len(bits), -1)
    names = [str(header.get(f"TFLAG{k + 1}", f"flag_{k + 1}")).replace(".", "_") for k in range(bits.shape[1])]
    docs = [str(header.get(f"TFDOC{k + 1}", "")) for k in range(bits.shape[1])]
    return {name: (np.ascontiguousarray(bits[:, k], dtype=bool), "", doc) for k, (name, doc) in enumerate(zip(names, docs))}


def _typed(catalog: SourceCatalog, types: dict[str, str], header: Any) -> SourceCatalog:
    """Apply the stated type codes, aliases and metadata."""
    schema = Schema()
    for field in catalog.schema:
        stated = types.get(field.name, "")
        code = stated if stated == "Angle" or stated == field.type else field.type
        schema.add_field(field.name, code, field.doc, field.unit, field.size)
    for card in header.cards:
        if card.keyword == "ALIAS" and ":" in str(card.value):
            alias, target = str(card.value).split(":", 1)
            schema.aliases[alias.replace(".", "_")] = target.replace(".", "_")
    typed = SourceCatalog.from_columns(schema, {field.name: catalog[field.name] for field in catalog.schema}, len(catalog))
    if isinstance(text := header.get("METADATA"), str):
        typed.metadata = json.loads(text)
    return typed
