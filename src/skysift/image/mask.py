"""Masks: a bit per named plane."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from skysift.errors import InputError
from skysift.geom import Box2I
from skysift.image.plane import Plane

__all__ = ["Mask", "MaskSchema"]

_MAX_PLANES = 31
_DEFAULT_PLANES = {
    "BAD": "bad pixel, by the defect list",
    "SAT": "saturated",
    "INTRP": "interpolated over",
    "CR": "hit by a cosmic ray",
    "EDGE": "too near the edge to be processed",
    "DETECTED": "part of a positive detection",
    "DETECTED_NEGATIVE": "part of a negative detection",
    "SUSPECT": "above the level where the response is trusted",
    "NO_DATA": "no input",
    "VIGNETTED": "vignetted",
    "STREAK": "crossed by a satellite or a meteor",
}


class MaskSchema:
    """The names of a mask's planes, their bits and what they mean.

    Parameters
    ----------
    planes
        Name -> bit (0 to 30).
    docs
        Name -> description; may be incomplete.

    Raises
    ------
    InputError
        If a bit is taken twice or out of range.
    """

    __slots__ = ("_bits", "_docs")

    def __init__(self, planes: Mapping[str, int] | None = None, docs: Mapping[str, str] | None = None) -> None:
        self._bits: dict[str, int] = {}
        self._docs: dict[str, str] = {}
        for name, bit in (planes or {}).items():
            self._insert(name, int(bit), (docs or {}).get(name, _DEFAULT_PLANES.get(name, "")))

    @classmethod
    def default(cls) -> MaskSchema:
        """A new schema with the planes that LSST masks begin with, BAD 0 to STREAK 10."""
        return cls({name: bit for bit, name in enumerate(_DEFAULT_PLANES)}, _DEFAULT_PLANES)

    @property
    def planes(self) -> Mapping[str, int]:
        """Name -> bit, a live view that cannot be written to."""
        return MappingProxyType(self._bits)

    @property
    def docs(self) -> Mapping[str, str]:
        """Name -> description, a live view that cannot be written to."""
        return MappingProxyType(self._docs)

    def _insert(self, name: str, bit: int, doc: str) -> None:
        if not 0 <= bit < _MAX_PLANES:
            raise InputError(f"mask plane {name} asks for bit {bit}; a mask has bits 0 to {_MAX_PLANES - 1}")
        if bit in self._bits.values():
            raise InputError(f"mask plane {name} asks for bit {bit}, which another plane has")
        self._bits[str(name)] = bit
        self._docs[str(name)] = doc

    def add(self, name: str, doc: str = "") -> int:
        """Add a plane at the lowest free bit; a plane that exists is left as it is.

        Parameters
        ----------
        name
            Name of the plane.
        doc
            What it means.

        Returns
        -------
        int
            Its bit.

        Raises
        ------
        InputError
            If all bits are taken.
        """
        if name not in self._bits:
            taken = set(self._bits.values())
            free = [bit for bit in range(_MAX_PLANES) if bit not in taken]
            if not free:
                raise InputError(f"mask plane {name} cannot be added: all {_MAX_PLANES} bits are taken", hint="remove a plane first")
            self._insert(name, free[0], doc or _DEFAULT_PLANES.get(name, ""))
        return self._bits[name]

    def remove(self, name: str) -> None:
        """Forget a plane; its bits in masks are not cleared."""
        self._bits.pop(name, None)
        self._docs.pop(name, None)

    def copy(self) -> MaskSchema:
        """An independent copy."""
        return MaskSchema(self._bits, self._docs)

    def bitmask(self, *names: str | Iterable[str], ignore_missing: bool = False) -> int:
        """Bits of planes, or-ed.

        Parameters
        ----------
        *names
            Names, or lists of names.
        ignore_missing
            Whether a name that is not in the schema counts as no bit; otherwise it is an error.

        Raises
        ------
        InputError
            If a name is unknown.
        """
        value = 0
        for item in names:
            for name in (item,) if isinstance(item, str) else item:
                if name in self._bits:
                    value |= 1 << self._bits[name]
                elif not ignore_missing:
                    raise InputError(f"no mask plane {name!r}; the mask has {', '.join(self._bits) or 'none'}")
        return value

    def interpret(self, value: int) -> str:
        """Names of the planes that are set in a pixel value, with commas between them."""
        value = int(value)
        names = [name for name, bit in sorted(self._bits.items(), key=lambda item: item[1]) if value >> bit & 1]
        known = self.bitmask(*self._bits)
        names += [f"BIT{bit}" for bit in range(32) if (value & ~known) >> bit & 1]
        return ",".join(names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._bits)

    def __len__(self) -> int:
        return len(self._bits)

    def __contains__(self, name: object) -> bool:
        return name in self._bits

    def __getitem__(self, name: str) -> int:
        return self._bits[name]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MaskSchema) and self._bits == other._bits

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"MaskSchema({self._bits})"


class Mask(Plane):
    """Flags of pixels at PARENT positions: int32, one bit per named plane.

    Cut like an `Image`. A view shares its schema with the mask it was cut from; a copy has its own.

    Parameters
    ----------
    array
        Array (height, width). An int32 array is kept, not copied; other integers are cast; booleans become the plane BAD.
    xy0
        PARENT position of the element ``[0, 0]``.
    schema
        The planes; by default a new one with the LSST planes.
    """

    __slots__ = ("schema",)

    def __init__(self, array: Any, xy0: Sequence[float] = (0, 0), schema: MaskSchema | None = None) -> None:
        array = np.asarray(array)
        self.schema = MaskSchema.default() if schema is None else schema
        if array.dtype == np.bool_:
            array = array * np.int32(self.schema.bitmask("BAD"))
        elif array.dtype.kind not in "iu":
            raise InputError(f"a mask holds integers or booleans, not {array.dtype}")
        super().__init__(array.astype(np.int32, copy=False), xy0)

    def _like(self, array: np.ndarray, xy0: Sequence[float]) -> Self:
        return type(self)(array, xy0, self.schema)

    def _operand(self, value: Any) -> Any:
        if not isinstance(value, Mask):
            return np.asarray(value).astype(np.int32, copy=False)
        if value.shape != self.shape:
            raise InputError(f"masks of {self.shape} and {value.shape} pixels cannot be combined; the shapes must agree")
        return remap_bits(value.array, value.planes, self.schema)

    def copy(self) -> Self:
        """Deep copy, with a schema of its own."""
        return type(self)(self.array.copy(), self.xy0, self.schema.copy())

    @property
    def planes(self) -> Mapping[str, int]:
        """Name -> bit of each plane."""
        return self.schema.planes

    def bitmask(self, *names: str | Iterable[str], ignore_missing: bool = False) -> int:
        """Bits of planes, or-ed: see `MaskSchema.bitmask`."""
        return self.schema.bitmask(*names, ignore_missing=ignore_missing)

    def add_plane(self, name: str, doc: str = "") -> int:
        """Add a plane (if it is not there) and return its bit: see `MaskSchema.add`."""
        return self.schema.add(name, doc)

    def remove_plane(self, name: str) -> None:
        """Clear a plane and forget it."""
        self.clear(name)
        self.schema.remove(name)

    def has(self, *names: str | Iterable[str]) -> np.ndarray:
        """Where any of the planes is set, a bool array; planes that the mask lacks count as not set."""
        return (self.array & np.int32(self.bitmask(*names, ignore_missing=True))) != 0

    def _view(self, where: Any) -> tuple[np.ndarray, Any]:
        """The array to change and the subscript of the pixels meant by `where`."""
        if isinstance(where, Box2I):
            return self.array, self._slices(where.clipped_to(self.bbox))
        if hasattr(where, "x0") and hasattr(where, "x1"):
            return self.array, self._span_indices(where)
        where = np.asarray(where)
        if where.dtype != np.bool_ or where.shape != self.shape:
            raise InputError(
                f"pixels are chosen by a bool array of shape {self.shape}, a Box2I or a SpanSet, not {where.dtype} of shape {where.shape}"
            )
        return self.array, where

    def _span_indices(self, spans: Any) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of the pixels of spans that lie inside the mask."""
        y = np.asarray(spans.y, dtype=np.int64) - self.xy0[1]
        x0 = np.maximum(np.asarray(spans.x0, dtype=np.int64) - self.xy0[0], 0)
        length = np.minimum(np.asarray(spans.x1, dtype=np.int64) - self.xy0[0] + 1, self.width) - x0
        keep = (y >= 0) & (y < self.height) & (length > 0)
        y, x0, length = y[keep], x0[keep], length[keep]
        first = np.cumsum(length) - length
        columns = np.arange(int(length.sum())) + np.repeat(x0 - first, length)
        return np.repeat(y, length), columns

    def set(self, name: str, where: Any) -> None:
        """Set a plane, adding it if the mask lacks it.

        Parameters
        ----------
        name
            Name of the plane.
        where
            A bool array of the mask's shape, or a `Box2I` or SpanSet in PARENT coordinates, of which the part inside the mask counts.
        """
        bit = np.int32(1 << self.add_plane(name))
        array, key = self._view(where)
        array[key] |= bit

    def clear(self, name: str | Iterable[str], where: Any = None) -> None:
        """Clear planes; those that the mask lacks are ignored.

        Parameters
        ----------
        name
            A name, or several.
        where
            Which pixels, as in `set`; by default all.
        """
        keep = np.int32(~self.bitmask(name, ignore_missing=True))
        if where is None:
            self.array &= keep
        else:
            array, key = self._view(where)
            array[key] &= keep

    def interpret(self, value: int) -> str:
        """Names of the planes set in a pixel value, with commas between them."""
        return self.schema.interpret(value)

    def counts(self) -> dict[str, int]:
        """Number of pixels in which each plane is set."""
        used = int(np.bitwise_or.reduce(self.array, axis=None)) if self.array.size else 0
        return {name: int(np.count_nonzero(self.array & np.int32(1 << bit))) if used >> bit & 1 else 0 for name, bit in self.planes.items()}

    def remapped(self, schema: MaskSchema) -> Mask:
        """The same flags with the bits of another schema; planes that it lacks are added to it.

        Parameters
        ----------
        schema
            The schema of the result, which it shares.

        Returns
        -------
        Mask
            A new mask; this one is left alone.
        """
        return Mask(remap_bits(self.array, self.planes, schema), self.xy0, schema)

    def __ior__(self, other: Any) -> Self:
        self.array |= self._operand(other)
        return self

    def __or__(self, other: Any) -> Self:
        result = self.copy()
        result |= other
        return result

    def __repr__(self) -> str:
        from skysift.image.describe import describe_mask

        return describe_mask(self)


def remap_bits(values: np.ndarray, planes: Mapping[str, int], schema: MaskSchema) -> np.ndarray:
    """Move bits to where a schema has the planes of the same names.

    Parameters
    ----------
    values
        Array of integers, of any width.
    planes
        Name -> bit in `values`. Bits that are set but have no name become planes ``BIT<n>``.
    schema
        Where the planes belong; planes that it lacks and that are set are added to it.

    Returns
    -------
    numpy.ndarray
        int32, of the shape of `values`; `values` itself if nothing moves and it is int32 already.

    Raises
    ------
    InputError
        If the schema has no room for all planes.
    """
    values = np.asarray(values)
    width = 8 * values.dtype.itemsize
    raw = values.view(np.dtype(f"u{values.dtype.itemsize}").newbyteorder(values.dtype.byteorder))
    used = int(np.bitwise_or.reduce(raw, axis=None)) if raw.size else 0
    names = {bit: name for name, bit in planes.items()}
    moves = []
    for bit in range(width):
        if bit in names and names[bit] not in schema and used >> bit & 1 == 0:
            try:
                schema.add(names[bit])
            except InputError:
                continue
        if used >> bit & 1:
            moves.append((bit, schema.add(names.get(bit, f"BIT{bit}"))))
    if all(old == new for old, new in moves):
        return values.astype(np.int32, copy=False)
    result = np.zeros(values.shape, dtype=np.int32)
    for old, new in moves:
        result |= (raw >> np.array(old, dtype=raw.dtype) & np.array(1, dtype=raw.dtype)).astype(np.int32) << np.int32(new)
    return result
