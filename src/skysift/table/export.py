"""Catalogues as tables of other libraries."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import astropy.table
    import pandas
    import pyarrow

    from skysift.table.catalog import SourceCatalog

__all__ = ["as_astropy", "to_arrow", "to_pandas"]

ALIAS_KEY = b"skysift:aliases"
METADATA_KEY = b"skysift:metadata"


def as_astropy(catalog: SourceCatalog) -> astropy.table.Table:
    """Give an astropy Table that shares the columns.

    Parameters
    ----------
    catalog
        The catalogue.

    Returns
    -------
    table
        All columns with units and descriptions; the catalogue's metadata in `meta`. Aliases are not included.
    """
    from astropy.table import Column, Table

    table = Table(meta=dict(catalog.metadata))
    columns = [Column(catalog[f.name], name=f.name, unit=f.unit or None, description=f.doc or None, copy=False) for f in catalog.schema]
    table.add_columns(columns, copy=False)
    return table


def to_pandas(catalog: SourceCatalog) -> pandas.DataFrame:
    """Give a pandas DataFrame.

    Parameters
    ----------
    catalog
        The catalogue.

    Returns
    -------
    frame
        The scalar columns; array columns are left out.
    """
    import pandas

    return pandas.DataFrame({field.name: catalog[field.name] for field in catalog.schema if not field.shape}, copy=False)


def to_arrow(catalog: SourceCatalog) -> pyarrow.Table:
    """Give a pyarrow Table.

    Parameters
    ----------
    catalog
        The catalogue.

    Returns
    -------
    table
        All columns, arrays as fixed-size lists. Field metadata: `unit`, `description` and `type` (the schema's type code).
        Table metadata: the catalogue's metadata and aliases as JSON.
    """
    import pyarrow as pa

    arrays, fields = [], []
    for field in catalog.schema:
        values: Any = catalog[field.name]
        if field.shape:
            array = pa.FixedSizeListArray.from_arrays(_arrow_array(values.reshape(-1)), field.shape[0])
        else:
            array = pa.array(values.tolist(), type=pa.string()) if field.type == "String" else _arrow_array(values)
        arrays.append(array)
        metadata = {"type": field.type, "unit": field.unit, "description": field.doc}
        if field.type == "String":
            metadata["size"] = str(field.size)
        fields.append(pa.field(field.name, array.type, metadata=metadata))
    table_metadata = {
        ALIAS_KEY: json.dumps(dict(catalog.schema.aliases)),
        METADATA_KEY: json.dumps(catalog.metadata, default=str),
    }
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata=table_metadata))


def _arrow_array(values: np.ndarray) -> pyarrow.Array:
    """Share numbers, or pack flags, without `pyarrow.array`, which imports pandas wherever it is installed."""
    import pyarrow as pa

    data = np.packbits(values, bitorder="little") if values.dtype == np.bool_ else np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(data)])
