"""Names, types, units and descriptions of the columns of a catalogue, and the aliases by which slots are found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from skysift.errors import SkysiftError

__all__ = ["AliasMap", "Field", "FieldError", "Schema"]

_DTYPES: dict[str, type[np.generic]] = {
    "D": np.float64,
    "F": np.float32,
    "I": np.int32,
    "L": np.int64,
    "B": np.uint8,
    "Flag": np.bool_,
    "Angle": np.float64,
    "String": np.str_,
    "ArrayD": np.float64,
    "ArrayF": np.float32,
}
_CODE_BY_DTYPE = {"f8": "D", "f4": "F", "i4": "I", "i8": "L", "u1": "B", "b1": "Flag"}
_DEFAULT_STRING_SIZE = 64


class FieldError(SkysiftError, KeyError):
    """A column that does not exist, exists already, or cannot be added."""

    exit_code = 3

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a catalogue.

    Parameters
    ----------
    name
        Column name, words joined by underscores from the general to the particular (`base_PsfFlux_instFlux`).
    type
        One of "D" (float64), "F" (float32), "I" (int32), "L" (int64), "B" (uint8), "Flag" (bool), "Angle" (float64, radians),
        "String", "ArrayF", "ArrayD".
    doc
        What the column holds.
    unit
        Unit in the notation of the FITS standard ("count", "pixel", "nJy"); empty for none.
    size
        Characters of a String, elements of an array; None for scalars.
    """

    name: str
    type: str
    doc: str = ""
    unit: str = ""
    size: int | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """Numpy type of one element."""
        return np.dtype(f"U{self.size}") if self.type == "String" else np.dtype(_DTYPES[self.type])

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one row's value: `()` for scalars."""
        return (self.size or 0,) if self.type.startswith("Array") else ()

    def empty_column(self, n: int) -> np.ndarray:
        """Make a column of `n` unset values: NaN, 0, False or the empty string.

        Returns
        -------
        column
            Array of shape (n, *shape).
        """
        if self.dtype.kind == "f":
            return np.full((n, *self.shape), np.nan, self.dtype)
        return np.zeros((n, *self.shape), self.dtype)


class AliasMap(MutableMapping[str, str]):
    """Aliases with prefix semantics: `slot_PsfFlux -> base_PsfFlux` also renames `slot_PsfFlux_instFlux`.

    The longest matching alias is applied, again and again until none matches (LSST `AliasMap`).
    """

    def __init__(self, aliases: Mapping[str, str] | None = None) -> None:
        self._targets: dict[str, str] = dict(aliases or {})

    def __getitem__(self, alias: str) -> str:
        return self._targets[alias]

    def __setitem__(self, alias: str, target: str) -> None:
        self._targets[alias] = target

    def __delitem__(self, alias: str) -> None:
        del self._targets[alias]

    def __iter__(self) -> Iterator[str]:
        return iter(self._targets)

    def __len__(self) -> int:
        return len(self._targets)

    def __repr__(self) -> str:
        return f"AliasMap({self._targets!r})"

    def apply(self, name: str) -> str:
        """Replace aliases in a column name.

        Parameters
        ----------
        name
            A column name or the beginning of one.

        Returns
        -------
        resolved
            The name with aliases replaced; the name itself where none matches.

        Raises
        ------
        FieldError
            Aliases that lead in a circle.
        """
        resolved = name
        for _ in range(len(self._targets) + 1):
            matching = [alias for alias in self._targets if resolved.startswith(alias)]
            if not matching:
                return resolved
            longest = max(matching, key=len)
            replaced = self._targets[longest] + resolved[len(longest) :]
            if replaced == resolved:
                return resolved
            resolved = replaced
        raise FieldError(f"the aliases of {name!r} lead in a circle: {self._targets}")


class Schema:
    """Ordered fields of a catalogue and their aliases.

    A schema is complete when the first catalogue is made with it; from then on fields can no longer be added.
    Aliases (slots) can be set at any time.
    """

    def __init__(self) -> None:
        self._fields: dict[str, Field] = {}
        self.aliases = AliasMap()
        self._frozen = False

    @classmethod
    def source(cls) -> Schema:
        """Make the minimal schema of sources: id, coord_ra, coord_dec, parent (LSST `SourceTable.makeMinimalSchema`)."""
        schema = cls()
        schema.add_field("id", "L", "unique ID")
        schema.add_field("coord_ra", "Angle", "position in ra/dec")
        schema.add_field("coord_dec", "Angle", "position in ra/dec")
        schema.add_field("parent", "L", "unique ID of parent source; 0 for none")
        return schema

    def add_field(
        self, name: str, type: str | type | np.dtype[Any], doc: str = "", unit: str = "", size: int | None = None, *, exist_ok: bool = False
    ) -> str:
        """Add a field at the end.

        Parameters
        ----------
        name, type, doc, unit, size
            See `Field`. `type` may also be a Python or numpy type (`float`, `np.float32`, `bool`, `str`).
        exist_ok
            Accept a field of that name that is there already, if its type and size are the same.

        Returns
        -------
        name
            The name given.

        Raises
        ------
        FieldError
            The name exists, the type is unknown, or a catalogue has been made with this schema.
        """
        code = _type_code(type)
        if code == "String":
            size = size or _DEFAULT_STRING_SIZE
        elif code.startswith("Array"):
            if not size or size < 0:
                raise FieldError(f"field {name!r} is an array and needs its size, got {size}")
        elif size is not None:
            raise FieldError(f"field {name!r} of type {code} takes no size")
        field = Field(name, code, doc, unit or ("rad" if code == "Angle" else ""), size)
        present = self._fields.get(name)
        if present is not None:
            if exist_ok and (present.type, present.size) == (code, size):
                return name
            raise FieldError(f"the schema already has a field {name!r} of type {present.type}")
        if self._frozen:
            raise FieldError(
                f"field {name!r} cannot be added: a catalogue was already made with this schema",
                hint="add all fields first, or move the rows with SourceCatalog.widened(schema)",
            )
        self._fields[name] = field
        return name

    def resolve(self, name: str) -> str:
        """Give the real name of a column.

        Parameters
        ----------
        name
            A column name or one that begins with an alias.

        Returns
        -------
        resolved
            The name of an existing field.

        Raises
        ------
        FieldError
            No such field.
        """
        if name in self._fields:
            return name
        resolved = self.aliases.apply(name)
        if resolved in self._fields:
            return resolved
        through = f" (alias of {resolved!r})" if resolved != name else ""
        raise FieldError(f"no column {name!r}{through}{self._suggestion(resolved)}")

    def _suggestion(self, name: str) -> str:
        from difflib import get_close_matches

        near = get_close_matches(name, self._fields, n=3)
        return f"; near it: {', '.join(near)}" if near else f" among {len(self._fields)} columns"

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in self._fields or self.aliases.apply(name) in self._fields)

    def __getitem__(self, name: str) -> Field:
        return self._fields[self.resolve(name)]

    def __iter__(self) -> Iterator[Field]:
        return iter(self._fields.values())

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Schema):
            return NotImplemented
        return list(self) == list(other) and dict(self.aliases) == dict(other.aliases)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Schema({len(self._fields)} fields, {len(self.aliases)} aliases)"

    @property
    def names(self) -> list[str]:
        """Names of the fields in order, aliases excluded."""
        return list(self._fields)

    @property
    def is_frozen(self) -> bool:
        """Whether a catalogue has been made with this schema."""
        return self._frozen

    def freeze(self) -> None:
        """Forbid further fields; a catalogue does so with the schema that it is made with."""
        self._frozen = True

    def extract(self, *globs: str) -> dict[str, Field]:
        """Select fields by shell patterns.

        Parameters
        ----------
        globs
            Patterns such as `"*Kron*"` or `"slot_*"`.

        Returns
        -------
        fields
            Field by name in schema order, then names that reach a field through an alias.
        """
        names: dict[str, Field] = dict(self._fields)
        for alias, target in self.aliases.items():
            prefix = self.aliases.apply(target)
            names.update({alias + name[len(prefix) :]: field for name, field in self._fields.items() if name.startswith(prefix)})
        return {name: field for name, field in names.items() if any(fnmatchcase(name, glob) for glob in globs)}

    def copy(self) -> Schema:
        """Copy fields and aliases; the copy takes new fields again."""
        new = Schema()
        new._fields = dict(self._fields)
        new.aliases = AliasMap(self.aliases)
        return new


def _type_code(type: str | type | np.dtype[Any]) -> str:
    """Translate a type code, Python type or numpy type into a type code."""
    if isinstance(type, str) and type in _DTYPES:
        return type
    try:
        dtype = np.dtype(type)
    except TypeError:
        dtype = np.dtype(object)
    if dtype.kind == "U":
        return "String"
    code = _CODE_BY_DTYPE.get(dtype.str[1:])
    if code is None:
        raise FieldError(f"unknown field type {type!r}; expected one of {', '.join(_DTYPES)}")
    return code
