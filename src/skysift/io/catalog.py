"""Catalogues in files: Parquet, FITS, ECSV, CSV and DS9 regions, chosen by the suffix."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skysift.errors import InputError
from skysift.io.fitsfile import replace_file
from skysift.table import Schema, SourceCatalog
from skysift.table.export import ALIAS_KEY, METADATA_KEY

if TYPE_CHECKING:
    import pyarrow

__all__ = ["catalog_from_columns", "read_catalog", "write_catalog"]

_ALIASES = "skysift:aliases"

FOOTPRINT_TABLES = {"footprint": "FOOTPRINTS", "span": "SPANS", "peak": "PEAKS", "pixel": "HEAVY_PIXELS"}
"""Extensions that hold the tables of `skysift.footprint.tables.to_tables`."""


def write_catalog(catalog: SourceCatalog, path: str | os.PathLike[str]) -> None:
    """Write a catalogue.

    Parameters
    ----------
    catalog
        The catalogue. Only FITS files hold its footprints too.
    path
        File to write, replaced if it exists. The suffix says how: `.parquet` (units and descriptions in the field metadata), `.fits`
        (binary table with TUNIT, TDOC and logical flags), `.ecsv`, `.csv` (array columns spread), `.reg` (DS9 regions).

    Raises
    ------
    InputError
        An unknown suffix, or a file that cannot be written.
    """
    suffix = _suffix(path)
    writers: dict[str, Callable[[SourceCatalog, Path], None]] = {
        ".parquet": _write_parquet,
        ".fits": _write_fits,
        ".ecsv": _write_ecsv,
        ".csv": _write_csv,
        ".reg": _write_regions,
    }
    if suffix not in writers:
        raise InputError(f"{path}: cannot write a catalogue as {suffix or 'a file without suffix'!r}; expected one of {', '.join(writers)}")
    with replace_file(path) as temporary:
        writers[suffix](catalog, temporary)


def read_catalog(path: str | os.PathLike[str]) -> SourceCatalog:
    """Read a catalogue.

    Parameters
    ----------
    path
        A file that `write_catalog` wrote (not regions), any other Parquet, FITS, ECSV or CSV table, a VOTable (`.xml`, `.vot`), or an
        LSST source catalogue in FITS with its footprints.

    Returns
    -------
    catalog
        Columns under their names in the file; types that a catalogue does not have are widened. `id` is counted where it is missing.

    Raises
    ------
    InputError
        The file is missing or holds no table.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file" if not path.exists() else f"{path} is not a file, expected a catalogue")
    readers: dict[str, Callable[[Path], SourceCatalog]] = {
        ".parquet": _read_parquet,
        ".parq": _read_parquet,
        ".fits": _read_fits,
        ".fit": _read_fits,
        ".ecsv": _read_ecsv,
        ".csv": _read_csv,
        ".xml": _read_votable,
        ".vot": _read_votable,
    }
    suffix = _suffix(path)
    if suffix not in readers:
        raise InputError(
            f"{path}: cannot read a catalogue from {suffix or 'a file without suffix'!r}; expected one of {', '.join(readers)}"
        )
    return readers[suffix](path)


def _suffix(path: str | os.PathLike[str]) -> str:
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    if suffixes and suffixes[-1] in (".gz", ".bz2", ".fz"):
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def catalog_from_columns(columns: dict[str, tuple[np.ndarray, str, str]], metadata: dict[str, Any] | None = None) -> SourceCatalog:
    """Make a catalogue of arrays of any type.

    Parameters
    ----------
    columns
        Name -> (values, unit, description). Values of shape (n,) or (n, ...); masked values become unset.
    metadata
        Metadata of the catalogue; the entry `skysift:aliases` becomes the schema's aliases.

    Returns
    -------
    catalog
        The catalogue; columns of types that a catalogue cannot hold are left out.
    """
    schema, values_of = Schema(), {}
    if "id" not in columns:
        schema.add_field("id", "L", "unique ID")
    n = len(next(iter(columns.values()))[0]) if columns else 0
    for name, (values, unit, doc) in columns.items():
        adapted = _adapt(values)
        if adapted is None:
            continue
        values, code, size = adapted
        schema.add_field(name, code, doc, unit, size)
        values_of[name] = values
    metadata = dict(metadata or {})
    schema.aliases.update(metadata.pop(_ALIASES, {}))
    catalog = SourceCatalog.from_columns(schema, values_of, n)
    catalog.metadata = metadata
    return catalog


def _adapt(values: Any) -> tuple[np.ndarray, str, int | None] | None:
    """Give native values, type code and size for an array of any type; None if a catalogue cannot hold it."""
    if isinstance(values, np.ma.MaskedArray):
        unset: Any = np.nan if values.dtype.kind == "f" else np.zeros((), values.dtype)[()]
        values = values.filled(unset)
    values = np.asarray(values)
    if values.dtype.kind == "O":
        if values.ndim > 1 or not all(isinstance(value, str | bytes | None) for value in values.tolist()):
            return None
        values = np.array([value.decode("utf-8", "replace") if isinstance(value, bytes) else value or "" for value in values], dtype=str)
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    if values.dtype.kind == "U":
        if values.ndim > 1:
            return None
        return values, "String", max(1, values.dtype.itemsize // 4)
    if values.dtype.kind not in "biuf" or 0 in values.shape[1:]:
        return None
    if math.prod(values.shape[1:]) > 1:
        values = values.reshape(len(values), math.prod(values.shape[1:]))
        single = values.dtype.kind == "f" and values.dtype.itemsize <= 4
        return values.astype(np.float32 if single else np.float64, copy=False), "ArrayF" if single else "ArrayD", values.shape[1]
    values = values.reshape(len(values))
    kind, width = values.dtype.kind, values.dtype.itemsize
    if kind == "b":
        code = "Flag"
    elif kind == "f":
        code = "F" if width <= 4 else "D"
    elif (kind, width) == ("u", 1):
        code = "B"
    else:
        code = "I" if width < 4 or (kind, width) == ("i", 4) else "L"
    return values, code, None


# Parquet


def _write_parquet(catalog: SourceCatalog, path: Path) -> None:
    import pyarrow.parquet as pq

    strings = [field.name for field in catalog.schema if field.type == "String"]
    pq.write_table(catalog.to_arrow(), path, use_dictionary=strings or False, compression="zstd", write_statistics=False, store_schema=True)


def _read_parquet(path: Path) -> SourceCatalog:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path} is not a Parquet file: {str(error).splitlines()[0]}") from error
    return _from_arrow(table)


def _from_arrow(table: pyarrow.Table) -> SourceCatalog:
    columns: dict[str, tuple[np.ndarray, str, str]] = {}
    for field, column in zip(table.schema, table.columns):
        metadata = {key.decode(): value.decode("utf-8", "replace") for key, value in (field.metadata or {}).items()}
        values = _arrow_values(column)
        if values is not None:
            columns[field.name] = values, metadata.get("unit", ""), metadata.get("description", metadata.get("doc", ""))
    stored = table.schema.metadata or {}
    metadata = json.loads(stored.get(METADATA_KEY, b"{}"))
    metadata[_ALIASES] = json.loads(stored.get(ALIAS_KEY, b"{}"))
    catalog = catalog_from_columns(columns, metadata)
    return _restore_types(catalog, {f.name: (f.metadata or {}) for f in table.schema})


def _restore_types(catalog: SourceCatalog, metadata: dict[str, dict[bytes, bytes]]) -> SourceCatalog:
    """Give the type codes back that values alone do not tell (Angle, the size of a String)."""
    schema = Schema()
    schema.aliases.update(catalog.schema.aliases)
    for field in catalog.schema:
        stored = metadata.get(field.name, {})
        code = stored.get(b"type", b"").decode() or field.type
        size = int(stored[b"size"]) if b"size" in stored else field.size
        schema.add_field(field.name, code, field.doc, field.unit, size)
    restored = SourceCatalog.from_columns(schema, {field.name: catalog[field.name] for field in catalog.schema}, len(catalog))
    restored.metadata = catalog.metadata
    return restored


def _arrow_values(column: Any) -> np.ndarray | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return np.array([value or "" for value in column.to_pylist()], dtype=str)
    if pa.types.is_fixed_size_list(kind):
        flat = column.combine_chunks()
        return flat.flatten().to_numpy(zero_copy_only=False).reshape(len(column), kind.list_size) if flat.null_count == 0 else None
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        return (pc.fill_null(column, False if pa.types.is_boolean(kind) else 0) if column.null_count else column).to_numpy()
    if pa.types.is_floating(kind):
        return column.to_numpy()
    return None


# FITS


def _write_fits(catalog: SourceCatalog, path: Path) -> None:
    from astropy.io import fits

    formats = {"D": "D", "F": "E", "I": "J", "L": "K", "B": "B", "Flag": "L", "Angle": "D", "ArrayD": "D", "ArrayF": "E"}
    columns = []
    for field in catalog.schema:
        form = f"{field.size}A" if field.type == "String" else f"{field.size or ''}{formats[field.type]}"
        columns.append(fits.Column(field.name, form, unit=field.unit or None, array=catalog[field.name]))
    table = fits.BinTableHDU.from_columns(columns, nrows=len(catalog))
    for i, field in enumerate(catalog.schema, 1):
        table.header[f"TDOC{i}"] = _ascii(field.doc)
        table.header[f"TTYPC{i}"] = field.type
    table.header["EXTNAME"] = "CATALOG"
    for alias, target in catalog.schema.aliases.items():
        table.header.append(("ALIAS", f"{alias}:{target}"))
    if catalog.metadata:
        table.header["METADATA"] = _ascii(json.dumps(catalog.metadata, default=str))
    hdus = [fits.PrimaryHDU(), table]
    if catalog.has_footprints:
        from skysift.footprint.tables import to_tables

        hdus += [fits.BinTableHDU(values, name=FOOTPRINT_TABLES[key]) for key, values in to_tables(catalog.footprints).items()]
    fits.HDUList(hdus).writeto(path, output_verify="silentfix")


def _ascii(text: str) -> str:
    return "".join(char if " " <= char <= "~" else "?" for char in text)


def _read_fits(path: Path) -> SourceCatalog:
    from skysift.io.fits_table import read_fits_table

    return read_fits_table(path)


# Text and VOTable, through astropy


def _write_ecsv(catalog: SourceCatalog, path: Path) -> None:
    table = catalog.as_astropy()
    table.meta[_ALIASES] = dict(catalog.schema.aliases)
    table.write(path, format="ascii.ecsv", overwrite=True)


def _read_astropy(path: Path, formats: Sequence[str]) -> SourceCatalog:
    import warnings

    from astropy.table import Table
    from astropy.utils.exceptions import AstropyWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        try:
            table = Table.read(path, format=formats[0])
        except Exception as error:
            raise InputError(
                f"{path} is not a {formats[1]} table: {(str(error).strip() or type(error).__name__).splitlines()[0]}"
            ) from error
    columns = {name: (table[name].data, str(table[name].unit or ""), table[name].description or "") for name in table.colnames}
    return catalog_from_columns(columns, dict(table.meta))


def _read_ecsv(path: Path) -> SourceCatalog:
    return _read_astropy(path, ("ascii.ecsv", "ECSV"))


def _read_votable(path: Path) -> SourceCatalog:
    return _read_astropy(path, ("votable", "VOTable"))


def _write_csv(catalog: SourceCatalog, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.csv

    columns: dict[str, Any] = {}
    for field in catalog.schema:
        values = catalog[field.name]
        spread = {f"{field.name}_{k}": values[:, k] for k in range(field.shape[0])} if field.shape else {field.name: values}
        for name, column in spread.items():
            columns[name] = pa.array(column.tolist() if field.type == "String" else np.ascontiguousarray(column))
    pyarrow.csv.write_csv(pa.table(columns), path)


def _read_csv(path: Path) -> SourceCatalog:
    import pyarrow as pa
    import pyarrow.csv

    options = pyarrow.csv.ConvertOptions(strings_can_be_null=False, null_values=["", "null", "NULL", "None", "N/A"])
    try:
        return _from_arrow(pyarrow.csv.read_csv(path, convert_options=options))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path} is not a CSV table: {str(error).splitlines()[0]}") from error


def _write_regions(catalog: SourceCatalog, path: Path) -> None:
    from skysift.io.regions import regions_text

    path.write_text(regions_text(catalog), encoding="ascii")
