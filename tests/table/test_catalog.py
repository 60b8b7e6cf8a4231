"""Columns, rows and selections of a catalogue."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysift.errors import InputError
from skysift.table import FieldError, IdFactory, Schema, SourceCatalog


def full_schema() -> Schema:
    schema = Schema.source()
    schema.add_field("base_SdssCentroid_x", "D", "x", "pixel")
    schema.add_field("base_SdssCentroid_y", "D", "y", "pixel")
    schema.add_field("flux", "F", "a flux", "count")
    schema.add_field("flag", "Flag", "trouble")
    schema.add_field("name", "String", size=8)
    schema.add_field("profile", "ArrayD", "rings", "count", size=3)
    schema.aliases["slot_Centroid"] = "base_SdssCentroid"
    return schema


@pytest.fixture
def catalog() -> SourceCatalog:
    catalog = SourceCatalog(full_schema(), 5)
    catalog["base_SdssCentroid_x"] = [1.0, 2.0, 3.0, np.nan, 5.0]
    catalog["base_SdssCentroid_y"] = 7.0
    catalog["flux"] = [5, 3, 4, 1, 2]
    catalog["parent"] = [0, 0, 1, 1, 0]
    catalog["name"] = list("abcde")
    catalog.footprints = ["f1", None, "f3", None, None]
    catalog.metadata["RUN"] = 3
    return catalog


def test_columns_are_writable_views(catalog):
    flux = catalog["flux"]
    flux[0] = 50
    assert catalog[0]["flux"] == 50
    assert catalog["flag"].dtype == bool
    catalog["flag"][2] = True
    assert catalog["flag"].tolist() == [False, False, True, False, False]
    assert np.shares_memory(flux, catalog["flux"])


def test_unset_values():
    catalog = SourceCatalog(full_schema(), 2)
    assert np.isnan(catalog["flux"]).all()
    assert np.isnan(catalog["profile"]).all()
    assert catalog["profile"].shape == (2, 3)
    assert catalog["parent"].tolist() == [0, 0]
    assert catalog["name"].tolist() == ["", ""]
    assert catalog["id"].tolist() == [1, 2]
    assert catalog.footprints == [None, None]
    assert not catalog.has_footprints


def test_empty_catalog_has_columns_of_length_zero():
    catalog = SourceCatalog(full_schema())
    assert len(catalog) == 0
    assert all(len(catalog[field.name]) == 0 for field in catalog.schema)
    assert list(catalog) == []
    assert len(catalog[np.zeros(0, bool)]) == len(catalog[[]]) == len(catalog[:3]) == 0
    assert catalog.find(1) is None
    assert len(catalog.children(0)) == 0
    assert len(catalog.as_astropy()) == catalog.to_arrow().num_rows == len(catalog.to_pandas()) == 0


def test_records_are_views(catalog):
    record = catalog[2]
    record["flux"] = 9.5
    assert catalog["flux"][2] == 9.5
    assert (record.id, record.x, record.y, record.parent, record.footprint) == (3, 3.0, 7.0, 1, "f3")
    assert catalog[-1].id == 5
    assert record.get("flux") == 9.5
    assert record.get("nothing", 4) == 4
    record.footprint = "new"
    assert catalog.footprints[2] == "new"
    assert [r.id for r in catalog] == [1, 2, 3, 4, 5]
    assert "id=3" in repr(record)
    for row in [5, -6]:
        with pytest.raises(IndexError):
            catalog[row]


def test_adding_rows_keeps_what_is_there(catalog):
    before = catalog["flux"].copy()
    for _ in range(50):
        catalog.add_rows(3)
    rows = catalog.add_rows(0)
    assert (rows.start, rows.stop) == (155, 155)
    assert len(catalog) == 155
    assert catalog["flux"][:5].tolist() == before.tolist()
    assert np.isnan(catalog["flux"][5:]).all()
    assert catalog["id"].tolist() == list(range(1, 156))
    assert len(catalog.footprints) == 155
    assert catalog.footprints[0] == "f1"
    with pytest.raises(InputError):
        catalog.add_rows(-1)


def test_selections_are_copies(catalog):
    for key in [catalog["flux"] > 2, np.array([0, 1, 2]), slice(0, 3), [0, 1, 2]]:
        part = catalog[key]
        assert part["id"].tolist() == [1, 2, 3]
        assert part.footprints == ["f1", None, "f3"]
        assert part.metadata == {"RUN": 3}
        part["flux"] = 0
    assert catalog["flux"].tolist() == [5, 3, 4, 1, 2]
    assert catalog[::-1]["name"].tolist() == list("edcba")
    assert catalog[[4, 4]]["id"].tolist() == [5, 5]
    with pytest.raises(IndexError):
        catalog[np.ones(4, bool)]
    with pytest.raises(IndexError):
        catalog[[7]]


def test_a_selection_can_grow(catalog):
    part = catalog[:2]
    part.add_rows(1)
    assert part["id"].tolist() == [1, 2, 6]
    assert np.isnan(part["flux"][2])


def test_slots(catalog):
    assert catalog.slot("Centroid") == "base_SdssCentroid"
    assert catalog.slot("PsfFlux") is None
    assert np.shares_memory(catalog.x, catalog["base_SdssCentroid_x"])
    assert catalog.y.tolist() == [7.0] * 5
    with pytest.raises(FieldError, match="slot_PsfFlux"):
        catalog["slot_PsfFlux_instFlux"]
    assert "slot_Centroid_x" in catalog


def test_sort_find_children(catalog):
    catalog.sort("flux")
    assert catalog["id"].tolist() == [4, 5, 2, 3, 1]
    assert catalog.footprints == [None, None, None, "f3", "f1"]
    assert catalog.find(3).footprint == "f3"
    assert catalog.find(99) is None
    catalog["id"][0] = 99
    assert catalog.find(99).row == 0
    assert catalog.find(4) is None
    catalog.sort()
    assert catalog["id"].tolist() == [1, 2, 3, 5, 99]
    assert catalog.find(5).row == 3
    assert sorted(catalog.children(1)["id"].tolist()) == [3, 99]
    assert len(catalog.children(0)) == 3


def test_append_and_widen(catalog):
    schema = catalog.schema.copy()
    schema.add_field("extra", "I")
    wide = catalog.widened(schema)
    assert wide["name"].tolist() == list("abcde")
    assert wide["extra"].tolist() == [0] * 5
    assert wide.footprints == catalog.footprints
    rows = wide.append_catalog(catalog)
    assert wide["id"].tolist() == [1, 2, 3, 4, 5] * 2
    assert wide["flux"][rows].tolist() == catalog["flux"].tolist()
    with pytest.raises(FieldError, match="extra"):
        catalog.append_catalog(wide)
    plain = SourceCatalog(catalog.schema, 1)
    plain.append_catalog(plain)
    assert plain["id"].tolist() == [1, 1]


def test_copies_do_not_share(catalog):
    for other in [catalog.copy(), copy.deepcopy(catalog), pickle.loads(pickle.dumps(catalog))]:
        other["flux"] = -1
        other.footprints[0] = None
        assert other.metadata == {"RUN": 3}
        assert other["name"].tolist() == list("abcde")
    assert catalog["flux"][0] == 5
    assert catalog.footprints[0] == "f1"


def test_from_columns():
    schema = full_schema()
    flux = np.arange(3, dtype=np.float32)
    catalog = SourceCatalog.from_columns(schema, {"flux": flux, "flag": [0, 1, 0]})
    assert np.shares_memory(catalog["flux"], flux)
    assert catalog["id"].tolist() == [1, 2, 3]
    assert catalog["flag"].tolist() == [False, True, False]
    big_endian = SourceCatalog.from_columns(schema, {"flux": flux.astype(">f4"), "id": [7, 8, 9]})
    assert big_endian["flux"].dtype.isnative
    assert big_endian["id"].tolist() == [7, 8, 9]
    with pytest.raises(InputError, match="flag"):
        SourceCatalog.from_columns(schema, {"flux": flux, "flag": [True]})
    assert len(SourceCatalog.from_columns(schema, {})) == 0


def test_wrong_use(catalog):
    with pytest.raises(FieldError):
        SourceCatalog(Schema())
    with pytest.raises(InputError):
        catalog.footprints = [None]
    with pytest.raises(ValueError):
        catalog["flux"] = [1, 2]


def test_astropy_table_shares_columns_and_keeps_units(catalog):
    table = catalog.as_astropy()
    assert table.colnames == catalog.schema.names
    assert str(table["flux"].unit) == "ct"
    assert table["flux"].description == "a flux"
    assert table["flag"].unit is None
    table["flux"][0] = 77
    assert catalog["flux"][0] == 77
    assert "<table" in catalog._repr_html_()


def test_pandas_and_arrow(catalog):
    frame = catalog.to_pandas()
    assert list(frame["name"]) == list("abcde")
    assert "profile" not in frame
    table = catalog.to_arrow()
    assert table.schema.field("flux").metadata[b"unit"] == b"count"
    assert table.schema.field("flux").metadata[b"description"] == b"a flux"
    assert table["flag"].to_pylist() == [False] * 5
    assert len(table["profile"][0]) == 3
    assert table["base_SdssCentroid_x"].null_count == 0


def test_ids():
    factory = IdFactory.source(5, 8)
    assert factory() == (5 << 8) | 1
    assert factory.take(2).tolist() == [(5 << 8) | 2, (5 << 8) | 3]
    factory.notify((5 << 8) | 200)
    assert factory() == (5 << 8) | 201
    assert len(factory.take(54)) == 54
    with pytest.raises(InputError, match="8 bits"):
        factory()
    with pytest.raises(InputError):
        factory.notify(3)
    for exp_id, reserved in [(-1, 8), (1 << 60, 8), (1, 0), (1, 64)]:
        with pytest.raises(InputError):
            IdFactory.source(exp_id, reserved)
    assert SourceCatalog(Schema.source(), 2, id_factory=IdFactory.source(1, 32))["id"].tolist() == [(1 << 32) + 1, (1 << 32) + 2]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 7), max_size=12), st.randoms())
def test_growth_equals_one_allocation(sizes, random):
    grown, values = SourceCatalog(full_schema()), []
    for size in sizes:
        new = [random.random() for _ in range(size)]
        rows = grown.add_rows(size)
        grown["base_SdssCentroid_x"][rows] = new
        values += new
    assert grown["base_SdssCentroid_x"].tolist() == values
    assert grown["id"].tolist() == list(range(1, sum(sizes) + 1))
