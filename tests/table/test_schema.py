"""Schema, fields and aliases."""

from __future__ import annotations

import numpy as np
import pytest

from skysift.errors import SkysiftError
from skysift.table import Field, FieldError, Schema, SourceCatalog


def test_minimal_source_schema():
    schema = Schema.source()
    assert schema.names == ["id", "coord_ra", "coord_dec", "parent"]
    assert [field.type for field in schema] == ["L", "Angle", "Angle", "L"]
    assert schema["coord_ra"].unit == "rad"


@pytest.mark.parametrize(
    ("given", "code", "dtype"),
    [
        ("D", "D", "f8"),
        (float, "D", "f8"),
        (np.float32, "F", "f4"),
        (int, "L", "i8"),
        ("i4", "I", "i4"),
        (bool, "Flag", "?"),
        ("B", "B", "u1"),
        ("Angle", "Angle", "f8"),
        (str, "String", "U64"),
    ],
)
def test_types(given, code, dtype):
    schema = Schema()
    schema.add_field("a", given)
    assert schema["a"].type == code
    assert schema["a"].dtype == np.dtype(dtype)


def test_array_and_string_sizes():
    schema = Schema()
    schema.add_field("profile", "ArrayF", size=5)
    schema.add_field("name", "String", size=3)
    assert schema["profile"].empty_column(2).shape == (2, 5)
    assert np.isnan(schema["profile"].empty_column(2)).all()
    assert schema["name"].empty_column(2).tolist() == ["", ""]
    for bad in [{"type": "ArrayD"}, {"type": "ArrayD", "size": -1}, {"type": "D", "size": 3}, {"type": "complex128"}, {"type": "nonsense"}]:
        with pytest.raises(FieldError):
            schema.add_field("bad", **bad)


def test_duplicates_and_frozen_schema():
    schema = Schema.source()
    schema.add_field("a", "D")
    with pytest.raises(FieldError, match="already has a field 'a'"):
        schema.add_field("a", "D")
    assert schema.add_field("a", "D", exist_ok=True) == "a"
    with pytest.raises(FieldError):
        schema.add_field("a", "F", exist_ok=True)
    SourceCatalog(schema)
    assert schema.is_frozen
    with pytest.raises(FieldError, match="already made") as error:
        schema.add_field("b", "D")
    assert "widened" in error.value.hint
    copy = schema.copy()
    copy.add_field("b", "D")
    assert "b" in copy
    assert "b" not in schema


def test_aliases_replace_prefixes_longest_first_and_recursively():
    schema = Schema.source()
    schema.add_field("base_PsfFlux_instFlux", "D")
    schema.add_field("base_Special", "D")
    schema.aliases["slot_PsfFlux"] = "base_PsfFlux"
    schema.aliases["slot_PsfFlux_flag"] = "base_Special"
    schema.aliases["mine"] = "slot_PsfFlux"
    assert schema.resolve("slot_PsfFlux_instFlux") == "base_PsfFlux_instFlux"
    assert schema.resolve("mine_instFlux") == "base_PsfFlux_instFlux"
    assert schema.resolve("slot_PsfFlux_flag") == "base_Special"
    assert "slot_PsfFlux_instFlux" in schema
    assert "slot_PsfFlux_instFluxErr" not in schema
    assert 3 not in schema


def test_alias_circles_are_an_error_and_self_aliases_are_not():
    schema = Schema.source()
    schema.aliases.update({"a": "b", "b": "a"})
    with pytest.raises(FieldError, match="circle"):
        schema.resolve("a_x")
    schema.aliases.clear()
    schema.aliases["id"] = "id"
    assert schema.aliases.apply("id_x") == "id_x"


def test_unknown_columns_name_their_neighbours():
    schema = Schema.source()
    with pytest.raises(KeyError) as error:
        schema.resolve("coord_raa")
    assert str(error.value) == "no column 'coord_raa'; near it: coord_ra, coord_dec"
    assert isinstance(error.value, SkysiftError)


def test_extract_by_glob_includes_alias_names():
    schema = Schema.source()
    for name in ["ext_photometryKron_KronFlux_instFlux", "ext_photometryKron_KronFlux_flag", "base_PsfFlux_instFlux"]:
        schema.add_field(name, "D")
    schema.aliases["slot_ApFlux"] = "ext_photometryKron_KronFlux"
    assert list(schema.extract("*Kron*")) == ["ext_photometryKron_KronFlux_instFlux", "ext_photometryKron_KronFlux_flag"]
    assert list(schema.extract("slot_*", "id")) == ["id", "slot_ApFlux_instFlux", "slot_ApFlux_flag"]
    assert schema.extract("slot_ApFlux_flag")["slot_ApFlux_flag"].name == "ext_photometryKron_KronFlux_flag"


def test_equality_and_repr():
    assert Schema.source() == Schema.source()
    other = Schema.source()
    other.aliases["a"] = "b"
    assert other != Schema.source()
    assert Schema.source() != 3
    assert repr(other) == "Schema(4 fields, 1 aliases)"
    assert Field("a", "D", "doc", "pixel").empty_column(1).dtype == np.float64
