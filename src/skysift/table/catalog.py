"""The catalogue of sources: one numpy array per column, rows as light views."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from skysift.errors import InputError
from skysift.table.ids import IdFactory
from skysift.table.schema import FieldError, Schema

if TYPE_CHECKING:
    import astropy.table
    import pandas
    import pyarrow

__all__ = ["SourceCatalog", "SourceRecord"]


class SourceCatalog:
    """Sources in columns.

    Columns come into being when they are first used, so a wide schema costs nothing until it is filled.
    Unset values are NaN, 0, False or the empty string.

    Parameters
    ----------
    schema
        Fields of the catalogue; frozen from now on. It must have an `id`.
    n
        Number of rows to begin with.
    id_factory
        Gives `id` to new rows; `IdFactory.simple()` by default.
    """

    def __init__(self, schema: Schema, n: int = 0, *, id_factory: IdFactory | None = None) -> None:
        if "id" not in schema:
            raise FieldError("a catalogue needs a column 'id'; start from Schema.source()")
        schema.freeze()
        self.schema = schema
        self.id_factory = id_factory or IdFactory.simple()
        self.metadata: dict[str, Any] = {}
        self._columns: dict[str, np.ndarray] = {}
        self._footprints: Sequence[Any] | None = None
        self._n = 0
        self._capacity = 0
        self._row_of_id: dict[int, int] = {}
        if n:
            self.add_rows(n)

    @classmethod
    def from_columns(cls, schema: Schema, columns: dict[str, Any], n: int | None = None) -> SourceCatalog:
        """Make a catalogue of existing columns.

        Parameters
        ----------
        schema
            Fields of the catalogue.
        columns
            Values by real column name, each of length n; arrays of the field's type are taken over without a copy.
            Columns left out are unset, `id` left out is counted.
        n
            Number of rows; by default the length of the first column.

        Returns
        -------
        catalog
            The new catalogue.

        Raises
        ------
        InputError
            Columns of different lengths.
        """
        if n is None:
            n = len(next(iter(columns.values()))) if columns else 0
        catalog = cls(schema)
        catalog._n = catalog._capacity = n
        for name, values in columns.items():
            field = schema[name]
            column = np.ascontiguousarray(values, dtype=field.dtype)
            if column.shape != (n, *field.shape):
                raise InputError(f"column {name!r} has shape {column.shape}, expected {(n, *field.shape)}")
            catalog._columns[field.name] = column
        if "id" not in columns:
            catalog["id"] = catalog.id_factory.take(n)
        return catalog

    # Size and rows

    def __len__(self) -> int:
        return self._n

    def add_rows(self, n: int = 1) -> slice:
        """Add unset rows at the end and give them identifiers.

        Views of columns taken before may no longer belong to the catalogue afterwards.

        Parameters
        ----------
        n
            Number of rows, not negative.

        Returns
        -------
        rows
            Slice of the new rows.
        """
        if n < 0:
            raise InputError(f"cannot add {n} rows")
        ids = self.id_factory.take(n)
        rows = self._extend(n)
        self["id"][rows] = ids
        return rows

    def _extend(self, n: int) -> slice:
        rows = slice(self._n, self._n + n)
        if rows.stop > self._capacity:
            self._capacity = max(rows.stop, 2 * self._capacity)
            for name, column in self._columns.items():
                grown = self.schema[name].empty_column(self._capacity)
                grown[: self._n] = column[: self._n]
                self._columns[name] = grown
        self._n = rows.stop
        if self._footprints is not None:
            self._footprints = [*self._footprints, *([None] * n)]
        return rows

    def append_catalog(self, other: SourceCatalog) -> slice:
        """Append the rows of another catalogue, with their identifiers and footprints.

        Parameters
        ----------
        other
            Its columns must exist here; columns that it lacks are unset in the new rows.

        Returns
        -------
        rows
            Slice of the new rows.

        Raises
        ------
        FieldError
            A column of `other` is unknown here.
        """
        unknown = [field.name for field in other.schema if field.name not in self.schema]
        if unknown:
            raise FieldError(
                f"columns {', '.join(unknown[:3])} of the appended catalogue do not exist here ({len(unknown)} unknown in all)"
            )
        n, footprints = len(other), other._footprints
        rows = self._extend(n)
        for name in list(other._columns):
            self._column(name)[rows] = other[name][:n]
        if footprints is not None:
            self.footprints[rows] = list(footprints)
        return rows

    def _column(self, name: str) -> np.ndarray:
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = self.schema[name].empty_column(self._capacity)
        return column[: self._n]

    # Columns and selection

    @overload
    def __getitem__(self, key: str) -> np.ndarray: ...
    @overload
    def __getitem__(self, key: int | np.integer) -> SourceRecord: ...
    @overload
    def __getitem__(self, key: slice | np.ndarray | Sequence[int] | Sequence[bool]) -> SourceCatalog: ...
    def __getitem__(self, key: Any) -> Any:
        """Give a column by name (a writable view), a record by row, or a new catalogue by slice, bool array or index array."""
        if isinstance(key, str):
            return self._column(self.schema.resolve(key))
        if isinstance(key, int | np.integer):
            row = int(key)
            if not -self._n <= row < self._n:
                raise IndexError(f"row {row} of a catalogue of {self._n} rows")
            return SourceRecord(self, row % self._n)
        if not isinstance(key, slice):
            key = np.asarray(key)
            if key.dtype == bool and key.shape != (self._n,):
                raise IndexError(f"selection of shape {key.shape} for a catalogue of {self._n} rows")
            if key.size == 0:
                key = key.astype(np.intp)
        return self._select(key)

    def __setitem__(self, key: str, values: Any) -> None:
        """Set a whole column to an array or to one value."""
        self._column(self.schema.resolve(key))[...] = values

    def _select(self, key: slice | np.ndarray) -> SourceCatalog:
        rows = np.arange(self._n)[key]
        new = SourceCatalog(self.schema, id_factory=self.id_factory)
        new.metadata = dict(self.metadata)
        new._n = new._capacity = len(rows)
        new._columns = {name: column[: self._n][rows] for name, column in self._columns.items()}
        if self._footprints is not None:
            footprints = self._footprints
            new._footprints = [footprints[i] for i in rows.tolist()]
        return new

    def __contains__(self, name: object) -> bool:
        return name in self.schema

    def __iter__(self) -> Iterator[SourceRecord]:
        return (SourceRecord(self, row) for row in range(self._n))

    @property
    def footprints(self) -> Any:
        """Footprint or None per row: a list, or the sequence that was assigned."""
        if self._footprints is None:
            self._footprints = [None] * self._n
        return self._footprints

    @footprints.setter
    def footprints(self, footprints: Any) -> None:
        if len(footprints) != self._n:
            raise InputError(f"{len(footprints)} footprints for a catalogue of {self._n} rows")
        self._footprints = footprints

    @property
    def has_footprints(self) -> bool:
        """Whether any row has a footprint."""
        return self._footprints is not None and any(footprint is not None for footprint in self._footprints)

    # Slots

    def slot(self, name: str) -> str | None:
        """Give the prefix of the columns that a slot stands for.

        Parameters
        ----------
        name
            "Centroid", "Shape", "PsfShape", "ApFlux", "ModelFlux", "PsfFlux", "GaussianFlux" or "CalibFlux".

        Returns
        -------
        prefix
            For example "base_PsfFlux"; None where the slot is not defined.
        """
        alias = f"slot_{name}"
        target = self.schema.aliases.apply(alias)
        return None if target == alias else target

    @property
    def x(self) -> np.ndarray:
        """Column of the slot centroid's x: PARENT pixels."""
        return self["slot_Centroid_x"]

    @property
    def y(self) -> np.ndarray:
        """Column of the slot centroid's y: PARENT pixels."""
        return self["slot_Centroid_y"]

    # Order and search

    def sort(self, name: str = "id") -> None:
        """Sort the rows in place by a column; equal values keep their order.

        Views of columns taken before no longer belong to the catalogue.
        """
        order = np.argsort(self[name], kind="stable")
        self._columns = {key: column[: self._n][order] for key, column in self._columns.items()}
        self._capacity = self._n
        if self._footprints is not None:
            footprints = self._footprints
            self._footprints = [footprints[i] for i in order.tolist()]

    def find(self, id: int) -> SourceRecord | None:
        """Find a source by its identifier; the catalogue need not be sorted.

        Returns
        -------
        record
            The first row with that id, or None.
        """
        ids = self["id"]
        row = self._row_of_id.get(int(id), self._n)
        if row >= self._n or ids[row] != id:
            self._row_of_id = dict(zip(ids[::-1].tolist(), range(self._n - 1, -1, -1)))
            row = self._row_of_id.get(int(id), self._n)
        return SourceRecord(self, row) if row < self._n else None

    def children(self, parent_id: int) -> SourceCatalog:
        """Copy the sources whose parent has the given identifier (0: sources without a parent)."""
        return self[self["parent"] == parent_id]

    # Copies

    def copy(self) -> SourceCatalog:
        """Copy all columns; footprints are shared, as they do not change."""
        return self._select(slice(None))

    def widened(self, schema: Schema) -> SourceCatalog:
        """Copy the rows into a catalogue with more columns.

        Parameters
        ----------
        schema
            Contains at least the fields of this catalogue.

        Returns
        -------
        catalog
            New catalogue with the same rows and footprints, new columns unset.

        Raises
        ------
        FieldError
            A column of this catalogue is not in `schema`.
        """
        new = SourceCatalog(schema, id_factory=self.id_factory)
        new.metadata = dict(self.metadata)
        new.append_catalog(self)
        return new

    def as_astropy(self) -> astropy.table.Table:
        """Give an astropy Table of all columns, without copying them, with units and descriptions."""
        from skysift.table.export import as_astropy

        return as_astropy(self)

    def to_pandas(self) -> pandas.DataFrame:
        """Give a pandas DataFrame of the scalar columns (pandas must be installed)."""
        from skysift.table.export import to_pandas

        return to_pandas(self)

    def to_arrow(self) -> pyarrow.Table:
        """Give a pyarrow Table whose field metadata hold units and descriptions."""
        from skysift.table.export import to_arrow

        return to_arrow(self)

    def __repr__(self) -> str:
        return f"SourceCatalog({self._n} rows, {len(self.schema)} columns)"

    def _repr_html_(self) -> str:
        return str(self.as_astropy()._repr_html_())


class SourceRecord:
    """One row of a catalogue: a view, so that writing to it writes to the catalogue.

    Parameters
    ----------
    catalog
        The catalogue.
    row
        Row number from 0.
    """

    __slots__ = ("catalog", "row")

    def __init__(self, catalog: SourceCatalog, row: int) -> None:
        self.catalog = catalog
        self.row = row

    def __getitem__(self, name: str) -> Any:
        return self.catalog[name][self.row]

    def __setitem__(self, name: str, value: Any) -> None:
        self.catalog[name][self.row] = value

    def get(self, name: str, default: Any = None) -> Any:
        """Give a value by column name, or `default` where there is no such column."""
        return self[name] if name in self.catalog.schema else default

    @property
    def id(self) -> int:
        """Identifier."""
        return int(self["id"])

    @property
    def parent(self) -> int:
        """Identifier of the parent; 0 for none."""
        return int(self["parent"])

    @property
    def x(self) -> float:
        """Slot centroid's x: PARENT pixels."""
        return float(self["slot_Centroid_x"])

    @property
    def y(self) -> float:
        """Slot centroid's y: PARENT pixels."""
        return float(self["slot_Centroid_y"])

    @property
    def footprint(self) -> Any:
        """Footprint of the source, or None."""
        return self.catalog.footprints[self.row]

    @footprint.setter
    def footprint(self, footprint: Any) -> None:
        self.catalog.footprints[self.row] = footprint

    def __repr__(self) -> str:
        return f"SourceRecord(id={self.id}, row={self.row} of {self.catalog!r})"
