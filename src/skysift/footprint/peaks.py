"""Catalogues of the peaks of footprints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from skysift.errors import InputError
from skysift.geom import Point2D, Point2I

__all__ = ["PEAK_DTYPE", "PeakCatalog", "PeakRecord", "make_peaks"]

PEAK_DTYPE = np.dtype(
    [("id", "i8"), ("f_x", "f8"), ("f_y", "f8"), ("i_x", "i4"), ("i_y", "i4"), ("peakValue", "f4"), ("significance", "f8")]
)


def make_peaks(x: Any, y: Any, value: Any, first_id: int = 1) -> np.ndarray:
    """Structured array of peaks at whole pixels.

    Parameters
    ----------
    x, y
        Integer arrays (n,), PARENT pixels.
    value
        Array (n,), the image at the peaks.
    first_id
        Identifier of the first peak; the others follow.

    Returns
    -------
    ndarray
        (n,) of `PEAK_DTYPE`, `significance` NaN.
    """
    peaks = np.empty(np.size(x), PEAK_DTYPE)
    peaks["id"] = np.arange(first_id, first_id + peaks.size)
    peaks["f_x"] = peaks["i_x"] = x
    peaks["f_y"] = peaks["i_y"] = y
    peaks["peakValue"] = value
    peaks["significance"] = np.nan
    return peaks


class PeakRecord:
    """One row of a `PeakCatalog`: a light view, so that assignment changes the catalogue.

    Parameters
    ----------
    row
        The row, a structured array of no dimensions.
    """

    __slots__ = ("_row",)

    def __init__(self, row: np.ndarray) -> None:
        self._row = row

    def __getitem__(self, name: str) -> Any:
        return self._row[name].item()

    def __setitem__(self, name: str, value: Any) -> None:
        self._row[name] = value

    @property
    def id(self) -> int:
        """Identifier."""
        return self["id"]

    @property
    def i(self) -> Point2I:
        """The pixel of the peak."""
        return Point2I(self["i_x"], self["i_y"])

    @property
    def f(self) -> Point2D:
        """The position of the peak."""
        return Point2D(self["f_x"], self["f_y"])

    @property
    def i_x(self) -> int:
        """Column of the pixel."""
        return self["i_x"]

    @property
    def i_y(self) -> int:
        """Row of the pixel."""
        return self["i_y"]

    @property
    def f_x(self) -> float:
        """Position in x."""
        return self["f_x"]

    @property
    def f_y(self) -> float:
        """Position in y."""
        return self["f_y"]

    @property
    def peak_value(self) -> float:
        """The image at the peak."""
        return self["peakValue"]

    def __repr__(self) -> str:
        return f"PeakRecord(({self.f_x:g}, {self.f_y:g}), value {self.peak_value:g})"


class PeakCatalog:
    """The peaks of a footprint, a structured numpy array with names.

    Parameters
    ----------
    array
        Structured array (n,) with at least the fields of `PEAK_DTYPE`, used as it is; None: no peaks.

    Attributes
    ----------
    array : ndarray
        The rows: `id`, `f_x` and `f_y` (position, PARENT), `i_x` and `i_y` (its pixel), `peakValue` (counts), `significance`, and any others.
    """

    __slots__ = ("array",)

    def __init__(self, array: np.ndarray | None = None) -> None:
        if array is None:
            array = np.empty(0, PEAK_DTYPE)
        if array.dtype.names is None or not set(PEAK_DTYPE.names or ()) <= set(array.dtype.names):
            raise InputError(
                f"peaks are a structured array with the fields {', '.join(PEAK_DTYPE.names or ())}; this one has {array.dtype}"
            )
        self.array = array

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.array.dtype.names or ()

    def __len__(self) -> int:
        return self.array.size

    def __getitem__(self, key: Any) -> Any:
        """A column for a name, a `PeakRecord` for an integer, a catalogue for a slice, a bool array or an index array."""
        if isinstance(key, str):
            return self.array[key]
        if isinstance(key, (int, np.integer)):
            i = range(len(self))[key]
            return PeakRecord(self.array[i : i + 1].reshape(()))
        return PeakCatalog(self.array[key])

    def __setitem__(self, name: str, value: Any) -> None:
        self.array[name] = value

    def __iter__(self) -> Iterator[PeakRecord]:
        return (self[i] for i in range(len(self)))

    def __eq__(self, other: object) -> bool:
        """Same peaks in any order; identifiers do not count."""
        if not isinstance(other, PeakCatalog):
            return NotImplemented
        columns = ["f_x", "f_y", "i_x", "i_y", "peakValue"]
        a, b = ({tuple(row) for row in peaks.array[columns].tolist()} for peaks in (self, other))
        return len(self) == len(other) and a == b

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"PeakCatalog({len(self)} peaks)"

    def copy(self) -> PeakCatalog:
        """A catalogue with its own rows."""
        return PeakCatalog(self.array.copy())

    def append(self, f_x: float, f_y: float, value: float) -> PeakRecord:
        """Add a peak.

        Parameters
        ----------
        f_x, f_y
            Its position, PARENT; its pixel is the position truncated towards zero.
        value
            The image at the peak.
        """
        row = np.zeros(1, self.array.dtype)
        row[["f_x", "f_y", "i_x", "i_y", "peakValue", "significance"]] = (f_x, f_y, int(f_x), int(f_y), value, np.nan)
        row["id"] = self.array["id"].max() + 1 if len(self) else 1
        self.array = np.concatenate([self.array, row])
        return self[len(self) - 1]

    def extend(self, other: PeakCatalog | Iterable[PeakRecord]) -> None:
        """Add the peaks of another catalogue.

        Raises
        ------
        InputError
            If the columns differ.
        """
        rows = other.array if isinstance(other, PeakCatalog) else np.array([peak._row[()] for peak in other], self.array.dtype)
        if rows.dtype != self.array.dtype:
            raise InputError(f"peaks with the columns {rows.dtype.names} cannot join peaks with the columns {self.names}")
        self.array = np.concatenate([self.array, rows])

    def sort(self, name: str = "peakValue", *, descending: bool = True) -> None:
        """Sort in place by a column; equal peaks keep their order.

        Parameters
        ----------
        name
            The column.
        descending
            Largest first; NaN last.
        """
        key = self.array[name]
        # The sequence of equal keys must survive, so the key is negated instead of the result reversed.
        order = np.argsort(-key.astype(np.float64) if descending else key, kind="stable")
        self.array = self.array[order]

    def with_columns(self, columns: list[tuple[str, str]]) -> PeakCatalog:
        """A copy with further columns, zero at first; columns that exist are left alone.

        Parameters
        ----------
        columns
            Name and numpy type of each.
        """
        added = [(name, kind) for name, kind in columns if name not in self.names]
        array = np.zeros(len(self), np.dtype([(name, self.array.dtype[name]) for name in self.names] + added))
        for name in self.names:
            array[name] = self.array[name]
        return PeakCatalog(array)

    def as_astropy(self) -> Any:
        """The catalogue as an `astropy.table.Table` (a copy)."""
        from astropy.table import Table

        return Table(self.array)
