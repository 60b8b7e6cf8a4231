"""Catalogues in files: round trips, foreign tables, LSST source catalogues, regions."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skysift.footprint import Footprint, HeavyFootprint, SpanSet
from skysift.io import read_catalog, write_catalog, write_regions
from skysift.table import Schema, SourceCatalog


def full_catalog(n: int = 7) -> SourceCatalog:
    schema = Schema.source()
    schema.add_field("base_SdssCentroid_x", "D", "centroid from Sdss algorithm", "pixel")
    schema.add_field("base_SdssCentroid_y", "D", "centroid from Sdss algorithm", "pixel")
    schema.add_field("base_SdssCentroid_flag", "Flag", "general failure flag")
    for part in ("xx", "yy", "xy"):
        schema.add_field(f"base_SdssShape_{part}", "D", "moment", "pixel^2")
    schema.add_field("flux", "F", "a flux", "nJy")
    schema.add_field("count", "I", "a number")
    schema.add_field("byte", "B")
    schema.add_field("name", "String", "a name", size=12)
    schema.add_field("profile", "ArrayD", "a profile", "count", size=4)
    schema.add_field("curve", "ArrayF", size=2)
    schema.aliases["slot_Centroid"] = "base_SdssCentroid"
    schema.aliases["slot_Shape"] = "base_SdssShape"
    catalog = SourceCatalog(schema, n)
    rng = np.random.default_rng(n)
    for field in schema:
        if field.dtype.kind == "f":
            catalog[field.name] = rng.normal(100, 10, (n, *field.shape))
        elif field.type == "Flag":
            catalog[field.name] = rng.random(n) < 0.5
        elif field.type in "IB":
            catalog[field.name] = rng.integers(0, 100, n)
    if n:
        catalog["id"] += 1 << 60
        catalog["parent"][-1] = catalog["id"][0]
        catalog["base_SdssCentroid_x"][0] = np.nan
        catalog["name"] = [f"star {i}" for i in range(n)]
        for part, value in (("xx", 4.0), ("yy", 2.0), ("xy", 0.5)):
            catalog[f"base_SdssShape_{part}"] = value
    catalog.metadata = {"EXPOSURE": 5, "NAME": "a long text " * 20, "LIST": [1, 2.5]}
    return catalog


def assert_same(one, two, names=None):
    for name in names or one.schema.names:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)
        assert one[name].dtype == two[name].dtype, name


@pytest.mark.parametrize("n", [0, 1, 7])
@pytest.mark.parametrize("name", ["a.parquet", "a.fits", "a.fits.gz"])
def test_nothing_is_lost(tmp_path, name, n):
    catalog = full_catalog(n)
    write_catalog(catalog, tmp_path / name)
    again = read_catalog(tmp_path / name)
    assert again.schema == catalog.schema
    assert again.metadata == catalog.metadata
    assert_same(catalog, again)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("n", [1, 7])
def test_ecsv(tmp_path, n):
    catalog = full_catalog(n)
    write_catalog(catalog, tmp_path / "a.ecsv")
    again = read_catalog(tmp_path / "a.ecsv")
    assert again.schema.names == catalog.schema.names
    assert dict(again.schema.aliases) == dict(catalog.schema.aliases)
    assert again.metadata == catalog.metadata
    assert again.schema["flux"].unit == "nJy"
    assert again.schema["flux"].doc == "a flux"
    for field in catalog.schema:
        if field.type != "String":
            np.testing.assert_array_equal(catalog[field.name], again[field.name])


def test_csv(tmp_path):
    catalog = full_catalog()
    write_catalog(catalog, tmp_path / "a.csv")
    again = read_catalog(tmp_path / "a.csv")
    assert_same(catalog, again, ["id", "parent", "base_SdssCentroid_x", "base_SdssCentroid_flag"])
    np.testing.assert_array_equal(again["profile_3"], catalog["profile"][:, 3])
    assert again["name"].tolist() == catalog["name"].tolist()
    write_catalog(full_catalog(0), tmp_path / "b.csv")
    assert len(read_catalog(tmp_path / "b.csv")) == 0


def test_other_programs_can_read_them(tmp_path):
    import pyarrow.parquet as pq

    catalog = full_catalog()
    write_catalog(catalog, tmp_path / "a.fits")
    table = Table.read(tmp_path / "a.fits", hdu=1)
    assert table.colnames == catalog.schema.names
    assert table["base_SdssCentroid_flag"].dtype == bool
    assert str(table["flux"].unit) == "nJy"
    with fits.open(tmp_path / "a.fits") as hdulist:
        hdulist.verify("exception")
        index = 1 + catalog.schema.names.index("flux")
        assert hdulist[1].header[f"TDOC{index}"] == "a flux"
    write_catalog(catalog, tmp_path / "a.parquet")
    schema = pq.read_schema(tmp_path / "a.parquet")
    assert schema.field("flux").metadata[b"unit"] == b"nJy"
    assert schema.field("flux").metadata[b"description"] == b"a flux"
    assert str(schema.field("base_SdssCentroid_flag").type) == "bool"
    frame = pq.read_table(tmp_path / "a.parquet").to_pandas()
    assert frame["id"].tolist() == catalog["id"].tolist()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.floats(width=32), min_size=1, max_size=9),
    st.text(st.characters(codec="utf-8", exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12),
)
def test_any_values_survive_parquet(tmp_path, values, text):
    catalog = full_catalog(len(values))
    catalog["flux"] = values
    catalog["name"] = text
    write_catalog(catalog, tmp_path / "a.parquet")
    assert_same(catalog, read_catalog(tmp_path / "a.parquet"))


def test_footprints_travel_in_fits(tmp_path):
    catalog = full_catalog(4)
    spans = SpanSet.from_shape(3).shifted_by(100, 50)
    light = Footprint(spans)
    light.peaks.append(100, 50, 7.5)
    pixels = np.arange(spans.area, dtype=np.float32)
    heavy = HeavyFootprint(spans, image_array=pixels, mask_array=pixels.astype(np.int32), variance_array=pixels)
    catalog.footprints = [light, None, heavy, light]
    write_catalog(catalog, tmp_path / "a.fits")
    again = read_catalog(tmp_path / "a.fits").footprints
    assert again[0].spans == spans
    assert again[0].peaks[0].peak_value == 7.5
    assert len(again[1].spans) == 0
    np.testing.assert_array_equal(again[2].image_array, pixels)


def test_foreign_parquet(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "objectId": pa.array([1, 2, None], pa.int64()),
            "mag": pa.array([20.5, None, 21.0], pa.float32()),
            "good": pa.array([True, None, False]),
            "label": pa.array(["a", None, "ccc"]).dictionary_encode(),
            "small": pa.array([1, 2, 3], pa.int16()),
            "big": pa.array([1, 2, 3], pa.uint32()),
            "when": pa.array([0, 1, 2], pa.timestamp("s")),
            "ragged": pa.array([[1], [2, 3], []]),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    catalog = read_catalog(tmp_path / "a.parquet")
    assert [(f.name, f.type) for f in catalog.schema][1:] == [
        ("objectId", "L"),
        ("mag", "F"),
        ("good", "Flag"),
        ("label", "String"),
        ("small", "I"),
        ("big", "L"),
    ]
    assert catalog["id"].tolist() == [1, 2, 3]
    assert catalog["objectId"].tolist() == [1, 2, 0]
    np.testing.assert_array_equal(catalog["mag"], np.float32([20.5, np.nan, 21]))
    assert catalog["label"].tolist() == ["a", "", "ccc"]


def lsst_catalog(path):
    """Write a source catalogue as LSST does: flags in one bit column, aliases, footprints in an archive."""
    flags = np.array([[1, 0, 1], [0, 0, 1]], bool)
    columns = [
        fits.Column("flags", "3X", array=flags),
        fits.Column("id", "K", array=[11, 12]),
        fits.Column("coord_ra", "D", array=[0.1, 0.2], unit="rad"),
        fits.Column("coord_dec", "D", array=[0.3, 0.4], unit="rad"),
        fits.Column("parent", "K", array=[0, 11]),
        fits.Column("footprint", "J", array=[2, 4]),
        fits.Column("base_PsfFlux_instFlux", "D", array=[5.0, 6.0], unit="count"),
        fits.Column("label", "6A", array=["one", "two"]),
        fits.Column("values", "3E", array=np.arange(6.0).reshape(2, 3)),
    ]
    table = fits.BinTableHDU.from_columns(columns)
    header = table.header
    header["FLAGCOL"] = 1
    for i, name in enumerate(("base_PsfFlux_flag", "a_flag", "calib_used"), 1):
        header[f"TFLAG{i}"], header[f"TFDOC{i}"] = name, f"about {name}"
    header["TCCLS3"] = header["TCCLS4"] = "Angle"
    header["TDOC7"] = "instFlux derived from linear least-squares fit of psf model"
    header["AFW_TYPE"] = "SOURCE"
    header["HIERARCH AFW_TABLE_VERSION"] = 3
    header["AR_HDU"] = 3
    header.append(("ALIAS", "slot_PsfFlux:base_PsfFlux"))
    header.append(("ALIAS", "slot_Centroid:base_SdssCentroid"))
    index = np.array(
        [(1, 1, 0, 0, 3), (2, 2, 0, 0, 1), (2, 3, 1, 0, 2), (3, 1, 0, 3, 1), (4, 2, 0, 1, 1), (4, 3, 1, 2, 0), (4, 4, 2, 0, 1)],
        [("id", "i4"), ("cat.archive", "i4"), ("cat.persistable", "i4"), ("row0", "i4"), ("nrows", "i4")],
    )
    spans = np.array([(5, 1, 3), (6, 1, 4), (7, 2, 2), (9, 0, 1)], [("y", "i4"), ("x0", "i4"), ("x1", "i4")])
    span_ids = np.array([(1,), (3,)], [("id", "i4")])
    peaks = np.array(
        [(1, 2.0, 5.0, 2, 5, 9.0), (2, 3.0, 6.0, 3, 6, 8.0)],
        [("id", "i4"), ("f_x", "f4"), ("f_y", "f4"), ("i_x", "i4"), ("i_y", "i4"), ("peakValue", "f4")],
    )
    ragged = [np.array([1.5, 2.5], np.float32)]
    heavy = fits.BinTableHDU.from_columns(
        [
            fits.Column("image", "1PE()", array=np.array(ragged, dtype=object)),
            fits.Column("mask", "1PJ()", array=np.array([np.array([1, 2], np.int32)], dtype=object)),
            fits.Column("variance", "1PE()", array=np.array(ragged, dtype=object)),
        ]
    )
    hdus = [fits.PrimaryHDU(), table, fits.BinTableHDU(index)]
    hdus[-1].header["EXTTYPE"] = "ARCHIVE_INDEX"
    hdus += [fits.BinTableHDU(spans), fits.BinTableHDU(span_ids), fits.BinTableHDU(peaks), heavy]
    fits.HDUList(hdus).writeto(path)
    return spans


def test_lsst_source_catalog(tmp_path):
    spans = lsst_catalog(tmp_path / "a.fits")
    catalog = read_catalog(tmp_path / "a.fits")
    assert catalog.schema.names == [
        *("base_PsfFlux_flag", "a_flag", "calib_used", "id", "coord_ra", "coord_dec", "parent"),
        *("base_PsfFlux_instFlux", "label", "values"),
    ]
    assert catalog["base_PsfFlux_flag"].tolist() == [True, False]
    assert catalog["calib_used"].tolist() == [True, True]
    assert catalog.schema["a_flag"].doc == "about a_flag"
    assert catalog.schema["coord_ra"].type == "Angle"
    assert catalog.schema["base_PsfFlux_instFlux"].doc.startswith("instFlux derived")
    assert catalog["slot_PsfFlux_instFlux"].tolist() == [5, 6]
    assert catalog.slot("Centroid") == "base_SdssCentroid"
    assert catalog["values"].shape == (2, 3)
    first, second = catalog.footprints
    assert first.spans.area == 8
    assert [(span["y"], span["x0"], span["x1"]) for span in spans[:3]] == list(
        zip(*(getattr(first.spans, k).tolist() for k in ("y", "x0", "x1")))
    )
    assert [(peak.i_x, peak.i_y, peak.peak_value) for peak in first.peaks] == [(2, 5, 9.0), (3, 6, 8.0)]
    assert isinstance(second, HeavyFootprint)
    assert second.image_array.tolist() == [1.5, 2.5]
    assert second.mask_array.tolist() == [1, 2]
    assert len(second.peaks) == 0


def test_damaged_archive_leaves_the_columns(tmp_path, caplog):
    lsst_catalog(tmp_path / "a.fits")
    with fits.open(tmp_path / "a.fits", mode="update") as hdulist:
        hdulist[2].data["id"][0] = 99
    catalog = read_catalog(tmp_path / "a.fits")
    assert catalog.footprints[0] is None
    assert catalog.footprints[1] is not None
    assert "footprints are left out" in caplog.text


def test_reference_catalogs(shared):
    catalog = read_catalog(shared / "reference" / "lsst" / "hsc_small" / "catalog.parquet")
    assert len(catalog) > 10
    assert catalog["id"].dtype == np.int64
    assert catalog.schema["base_PsfFlux_flag"].type == "Flag"
    sdss = read_catalog(shared / "data" / "sdss_frame" / "photoObj-001000-1-0100.fits")
    assert len(sdss) == 19
    assert sdss["PSFFLUX"].shape == (19, 5)
    gaia = read_catalog(shared / "data" / "decam_ls_testcase3" / "gaia__chunk-04759.fits")
    assert len(gaia) == 122
    glimpse = read_catalog(shared / "data" / "spitzer_crowded" / "spitzer_example_catalog.xml")
    assert len(glimpse) == 224


def test_regions(tmp_path):
    catalog = full_catalog(5)
    catalog["base_SdssCentroid_flag"] = [False, False, True, False, False]
    catalog["base_SdssShape_xx"][3] = np.nan
    write_catalog(catalog, tmp_path / "a.reg")
    lines = (tmp_path / "a.reg").read_text().splitlines()
    assert lines[0].startswith("# Region file format: DS9")
    assert lines[2] == "physical"
    regions = lines[3:]
    assert len(regions) == 4
    x, y = catalog["base_SdssCentroid_x"][1] + 1, catalog["base_SdssCentroid_y"][1] + 1
    mean, difference = 3, np.hypot(1, 0.5)
    a, b, theta = 2.5 * np.sqrt(mean + difference), 2.5 * np.sqrt(mean - difference), np.degrees(np.arctan2(1, 2) / 2)
    assert regions[0] == f"ellipse({x:.3f},{y:.3f},{a:.2f},{b:.2f},{theta:.1f}) # text={{{catalog['id'][1]}}}"
    assert "color=red" in regions[1]
    assert regions[2].startswith("circle(")
    assert "color=cyan" in regions[3]
    sky = SourceCatalog(Schema.source(), 1)
    sky["coord_ra"], sky["coord_dec"] = 1.0, -0.5
    write_regions(sky, tmp_path / "b.reg", labels=False)
    assert (tmp_path / "b.reg").read_text().splitlines()[2:] == ["icrs", 'circle(57.2957795,-28.6478898,2")']
    write_regions(SourceCatalog(Schema.source()), tmp_path / "c.reg")
    assert (tmp_path / "c.reg").read_text().splitlines()[2:] == ["icrs"]
