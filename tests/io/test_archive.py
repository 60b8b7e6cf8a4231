"""Archives of LSST files: every class that is read, and damage of every kind."""

from __future__ import annotations

import io
import logging
import os
import pickle
import subprocess
import sys
import types
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from skysift.errors import InputError
from skysift.io.archive import Archive, UnsupportedComponentError, read_archive
from skysift.io.piff import piff_psf_from_pickle
from skysift.psf import DoubleGaussianPsf, GaussianPsf, KernelPsf, PcaPsf, PiffPsf, PsfexPsf


class Writer:
    """Builds an archive: each object has tables of its own, of one row each unless a list of rows is given."""

    def __init__(self, dotted: bool = True) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self.tables: list[Any] = []
        self.dotted = dotted

    def add(self, name: str, *tables: dict[str, Any] | list[dict[str, Any]]) -> int:
        id_ = len({row[0] for row in self.rows}) + 1
        for order, table in enumerate(tables):
            rows = table if isinstance(table, list) else [table]
            columns = []
            for key in rows[0]:
                values = [np.asarray(row[key]) for row in rows]
                kind = values[0].dtype.kind
                letter = {"U": "64A", "i": "J", "u": "B", "b": "X"}.get(kind, "D")
                form = letter if kind == "U" else f"{max(values[0].size, 1)}{letter}"
                columns.append(fits.Column(key, form, array=[str(v) for v in values] if kind == "U" else np.array(values)))
            hdu = fits.BinTableHDU.from_columns(columns)
            hdu.header["EXTTYPE"] = "ARCHIVE_DATA"
            if "flags" in rows[0]:
                hdu.header["TFLAG1"] = "isConstant"
            self.tables.append(hdu)
            self.rows.append((id_, len(self.tables), order, 0, len(rows), name, "lsst"))
        return id_

    def hdulist(self, **components: int) -> fits.HDUList:
        c = "." if self.dotted else "_"
        names = ["id", f"cat{c}archive", f"cat{c}persistable", "row0", "nrows", "name", "module"]
        columns = [
            fits.Column(name, "64A" if name in ("name", "module") else "J", array=[row[i] for row in self.rows])
            for i, name in enumerate(names)
        ]
        index = fits.BinTableHDU.from_columns(columns)
        index.header["EXTTYPE"] = "ARCHIVE_INDEX"
        primary = fits.PrimaryHDU()
        primary.header["AR_HDU"] = 2
        for key, id_ in components.items():
            primary.header[f"HIERARCH ARCHIVE_ID_{key}"] = id_
        data = io.BytesIO()
        fits.HDUList([primary, index, *self.tables]).writeto(data)
        data.seek(0)
        return fits.open(data)


def load(writer: Writer, id_: int) -> Any:
    return Archive(writer.hdulist(), 1).load(id_)


def fixed_kernel(writer: Writer, image: np.ndarray, center: tuple[int, int] | None = None) -> int:
    h, w = image.shape
    cx, cy = center or (w // 2, h // 2)
    return writer.add("FixedKernel", {"dimensions_x": w, "dimensions_y": h, "center_x": cx, "center_y": cy, "image": image.ravel()})


def gaussian(size: int, sigma: float) -> np.ndarray:
    r = np.arange(size) - size // 2
    return np.exp(-0.5 * (r[:, None] ** 2 + r**2) / sigma**2)


def test_gaussians():
    writer = Writer()
    one = writer.add("GaussianPsf", {"dimensions_x": 15, "dimensions_y": 21, "sigma": 1.7})
    two = writer.add("DoubleGaussianPsf", {"dimensions_x": 25, "dimensions_y": 25, "sigma1": 1.5, "sigma2": 3.0, "b": 0.1})
    archive = Archive(writer.hdulist(), 1)
    psf = archive.load(one)
    assert isinstance(psf, GaussianPsf)
    assert (psf.size, psf.exact_sigma) == (21, 1.7)
    psf = archive.load(two)
    assert isinstance(psf, DoubleGaussianPsf)
    assert (psf.size, psf.sigma1, psf.sigma2, psf.b) == (25, 1.5, 3.0, 0.1)
    assert archive.load(two) is psf
    assert archive.load(0) is None


def test_kernel_psf_and_old_compound_points():
    image = gaussian(9, 1.5)
    writer = Writer(dotted=False)
    kernel = writer.add("FixedKernel", {"dimensions": [9, 9], "center": [4, 4], "image": image.ravel()})
    psf = load(writer, writer.add("KernelPsf", {"kernel": kernel, "averagePosition": [12.5, 7.0]}))
    assert isinstance(psf, KernelPsf)
    assert tuple(psf.average_position) == (12.5, 7.0)
    np.testing.assert_allclose(psf.kernels(0, 0)[0], image / image.sum())


def test_kernel_that_is_not_square_is_padded_about_its_centre():
    image = np.arange(1.0, 16.0).reshape(3, 5)
    writer = Writer()
    padded = load(writer, fixed_kernel(writer, image, center=(1, 1)))
    assert padded.shape == (7, 7)
    np.testing.assert_array_equal(padded[2:5, 2:7], image)
    assert padded.sum() == image.sum()


def combination(writer: Writer, functions: list[int], sizes: tuple[int, ...] = (9, 7), **extra: Any) -> int:
    components = [fixed_kernel(writer, gaussian(n, 1.0 + 0.1 * n)) for n in sizes]
    fields = {"dimensions_x": 9, "dimensions_y": 9, "center_x": 4, "center_y": 4, "components": components}
    kernel = writer.add("LinearCombinationKernel", fields | ({"spatialfunctions": functions} if functions else {}) | extra)
    return writer.add("PcaPsf", {"kernel": kernel, "averagePosition_x": 10.0, "averagePosition_y": 20.0})


def test_pca_psf_with_polynomials_of_different_orders():
    writer = Writer()
    functions = [
        writer.add("PolynomialFunction2D", {"coefficients": [2.0]}),
        writer.add("PolynomialFunction2D", {"coefficients": [0.5, 0.01, -0.02]}),
    ]
    psf = load(writer, combination(writer, functions))
    assert isinstance(psf, PcaPsf)
    a, b = gaussian(9, 1.9), np.pad(gaussian(7, 1.7), 1)
    expected = 2 * a + (0.5 + 0.01 * 30 - 0.02 * 40) * b
    np.testing.assert_allclose(psf.kernels(30.0, 40.0)[0], expected / expected.sum())
    assert tuple(psf.average_position) == (10.0, 20.0)


def test_pca_psf_with_amplitudes_and_chebyshev():
    writer = Writer()
    psf = load(writer, combination(writer, [], amplitudes=[3.0, 1.0]))
    expected = 3 * gaussian(9, 1.9) + np.pad(gaussian(7, 1.7), 1)
    np.testing.assert_allclose(psf.kernels(30.0, 40.0)[0], expected / expected.sum())
    writer = Writer()
    box = {"min_x": 0.0, "min_y": 0.0, "max_x": 100.0, "max_y": 200.0}
    functions = [writer.add("Chebyshev1Function2D", {"coefficients": c, **box}) for c in ([1.0, 0, 0, 0, 0, 0], [0.0, 0, 0, 0.25, 0, 0])]
    psf = load(writer, combination(writer, functions))
    u = 2 * 30 / 100 - 1
    expected = gaussian(9, 1.9) + 0.25 * (2 * u * u - 1) * np.pad(gaussian(7, 1.7), 1)
    np.testing.assert_allclose(psf.kernels(30.0, 40.0)[0], expected / expected.sum())


def psfex_tables(**changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    basis = np.stack([gaussian(21, s) for s in (4.0, 4.1, 4.2)])
    head = {"ndim": 2, "averagePosition_x": 5.0, "averagePosition_y": 6.0, "_pixstep": 0.5}
    body = {"degree": [1], "_size": [21, 21, 3], "_comp": basis.ravel(), "_context_first": [100.0, 200.0], "_context_second": [50.0, 60.0]}
    return {k: changes.get(k, v) for k, v in head.items()}, {k: changes.get(k, v) for k, v in body.items()}


def test_psfex():
    writer = Writer()
    psf = load(writer, writer.add("PsfexPsf", *psfex_tables()))
    assert isinstance(psf, PsfexPsf)
    assert psf.size == 11
    assert psf.resampling == (5, 0.0, 2.0, True, True)
    fine = gaussian(21, 4.0) + 0.2 * gaussian(21, 4.1) - 0.5 * gaussian(21, 4.2)
    image = fine[::2, ::2]
    np.testing.assert_allclose(psf.kernels(110.0, 170.0)[0], image / image.sum(), atol=1e-12)


@pytest.mark.parametrize("changes", [{"ndim": 3}, {"_size": [21, 20, 3]}, {"_comp": np.ones(3)}, {"degree": [2]}, {"_pixstep": 0.0}])
def test_damaged_psfex(changes):
    writer = Writer()
    id_ = writer.add("PsfexPsf", *psfex_tables(**changes))
    with pytest.raises((InputError, ValueError)):
        load(writer, id_)


def test_calibration_labels_and_polygon():
    writer = Writer()
    box = {"bbox_min_x": 0, "bbox_min_y": 0, "bbox_max_x": 99, "bbox_max_y": 49}
    field = writer.add("ChebyshevBoundedField", {"order_x": 1, **box, "coefficients": [2.0, 0.5, 0.25, 0.0]})
    components = {
        "PHOTOCALIB": writer.add(
            "PhotoCalib", {"flags": [False], "calibrationMean": 2.0, "calibrationErr": 0.1, "field": field, "version": 1}
        ),
        "AP_CORR_MAP": writer.add("ApCorrMap", [{"name": "a_instFlux", "field": field}, {"name": "a_instFluxErr", "field": field}]),
        "FILTER": writer.add("FilterLabel", {"band": "r", "physical": ""}),
        "VALID_POLYGON": writer.add("Polygon", [{"vertices_x": float(x), "vertices_y": float(y)} for x, y in ((0, 0), (9, 0), (9, 9))]),
        "SUMMARY_STATS": writer.add("ExposureSummaryStats", {"bytes": np.frombuffer(b"psfSigma: 1.5\nversion: 0\n", np.uint8)}),
        "COADD_INPUTS": writer.add("CoaddInputs", [{"id": 7, "weight": 0.5}], [{"id": 8, "weight": 1.5}]),
    }
    found = read_archive(writer.hdulist(**components))
    assert set(found) == {"photo_calib", "ap_corr_map", "filter_label", "valid_polygon", "summary_stats", "coadd_inputs"}
    # T1 of x' = (x - 49.5) / 50 on the box that reaches half a pixel beyond the centres
    assert found["ap_corr_map"]["a_instFlux"].evaluate(99.5, -0.5) == pytest.approx(2.0 + 0.5 - 0.25)
    assert sorted(found["ap_corr_map"]) == ["a_instFlux", "a_instFluxErr"]
    assert found["photo_calib"].inst_flux_to_nanojansky(3.0) == pytest.approx(6.0)
    assert (found["filter_label"].band, found["filter_label"].physical) == ("r", None)
    assert found["valid_polygon"].contains(8.0, 4.0)
    assert found["summary_stats"] == {"psfSigma": 1.5, "version": 0}
    assert [found["coadd_inputs"][k][0]["id"] for k in ("visits", "ccds")] == [7, 8]


def test_unknown_and_damaged_components_are_left_out(caplog):
    writer = Writer()
    components = {
        "PSF": writer.add("StrangePsf", {"x": 1.0}),
        "SKYWCS": writer.add("SkyWcs", {"wcs": np.frombuffer(b"1 SkyWcs 0 Begin Nonsense", np.uint8)}),
        "PHOTOCALIB": 99,
        "AP_CORR_MAP": writer.add("ApCorrMap", [{"name": "a", "field": 77}]),
        "FILTER": writer.add("FilterLabel", {"something": 1.0}),
        "SUMMARY_STATS": writer.add("ExposureSummaryStats", {"bytes": np.frombuffer(b"- 1\n", np.uint8)}),
        "VALID_POLYGON": writer.add("Polygon", [{"vertices_x": 1.0, "vertices_y": 2.0}]),
    }
    with caplog.at_level(logging.WARNING):
        assert read_archive(writer.hdulist(**components)) == {}
    assert len(caplog.records) == len(components)
    assert "'StrangePsf' are not read" in caplog.text
    assert all("\n" not in record.getMessage() for record in caplog.records)


def test_component_that_contains_itself():
    writer = Writer()
    psf = writer.add("PcaPsf", {"kernel": 1, "averagePosition_x": 0.0, "averagePosition_y": 0.0})
    with pytest.raises(InputError, match="contains itself"):
        load(writer, psf)


@pytest.mark.parametrize("row", [(1, 9, 0, 0, 1), (1, 1, 0, 5, 1), (1, 1, 0, -1, 1)])
def test_index_that_points_outside(row):
    writer = Writer()
    writer.add("GaussianPsf", {"dimensions_x": 15, "dimensions_y": 15, "sigma": 1.7})
    writer.rows = [(*row, "GaussianPsf", "lsst")]
    with pytest.raises(InputError, match="points"):
        load(writer, 1)


@pytest.mark.parametrize("dimensions", [(0, 5), (-3, 3), (10**6, 10**6)])
def test_impossible_dimensions(dimensions):
    writer = Writer()
    id_ = writer.add("GaussianPsf", {"dimensions_x": dimensions[0], "dimensions_y": dimensions[1], "sigma": 1.7})
    with pytest.raises(InputError, match="measures"):
        load(writer, id_)


def test_no_archive():
    assert read_archive(fits.HDUList([fits.PrimaryHDU()])) == {}
    with pytest.raises(InputError, match="not an archive index"):
        Archive(fits.HDUList([fits.PrimaryHDU()]), 0)
    primary = fits.PrimaryHDU()
    primary.header["AR_HDU"] = 40
    assert read_archive(fits.HDUList([primary])) == {}
    writer = Writer()
    detector = writer.add("Detector", {"x": 1})
    with pytest.raises(UnsupportedComponentError):
        load(writer, detector)


# ---- Piff pickles


@pytest.fixture
def foreign(monkeypatch):
    """Make instances of classes of a module that is gone when the pickle is read."""
    module = types.ModuleType("foreign_piff")
    monkeypatch.setitem(sys.modules, "foreign_piff", module)

    def make(class_name: str, **state: Any) -> Any:
        if not hasattr(module, class_name):
            setattr(module, class_name, type(class_name, (), {"__module__": "foreign_piff"}))
        instance = getattr(module, class_name)()
        instance.__dict__.update(state)
        return instance

    return make


def piff_pickle(
    foreign: Any, *, keys: tuple[str, ...] = ("x", "y"), order: int = 1, scale: float = 0.2, **changes: Any
) -> tuple[bytes, np.ndarray]:
    """A pickle in the shape of Piff's, and its coefficients."""
    rng = np.random.default_rng(3)
    grid = np.indices((order + 1,) * len(keys)).sum(axis=0)
    mask = grid <= order
    q = 1e-3 * rng.normal(size=(49, int(mask.sum())))
    q[:, 0] += gaussian(7, 1.2).ravel()
    stars = [foreign("Star", data=foreign("StarData", properties={"x": x, "y": 2.0, "colorValue": 0.5})) for x in (1.0, 4.0)]
    parts = {
        "model": foreign("PixelGrid", scale=scale, size=7, interp=foreign("Lanczos", _n=7), kwargs={}),
        "interp": foreign("BasisPolynomial", q=q, _keys=list(keys), _mask=mask),
        "wcs": {0: foreign("PixelScale", _scale=0.2)},
        "stars": stars,
    }
    data = pickle.dumps((9.0, 9.0, foreign("SimplePSF", **(parts | changes))))
    del sys.modules["foreign_piff"]
    return data, q


@pytest.mark.parametrize(("keys", "unit"), [(("x", "y"), 1.0), (("u", "v"), 0.2)])
def test_piff_model(foreign, keys, unit):
    data, q = piff_pickle(foreign, keys=keys, order=2)
    psf = piff_psf_from_pickle(data)
    assert isinstance(psf, PiffPsf)
    assert (psf.size, psf.lanczos_order, psf.pixel_step) == (9, 7, 1.0)
    assert tuple(psf.average_position) == (2.5, 2.0)
    u, v = 3.0 * unit, -1.5 * unit
    image = (q @ [1, v, v * v, u, u * v, u * u]).reshape(7, 7)
    np.testing.assert_allclose(psf.kernels(3.0, -1.5)[0, 1:8, 1:8], image / image.sum(), atol=1e-12)


def test_piff_model_with_colour_is_taken_at_the_mean_colour(foreign):
    data, q = piff_pickle(foreign, keys=("x", "y", "colorValue"))
    image = (q @ [1, 0.5, -1.5, 3.0]).reshape(7, 7)
    np.testing.assert_allclose(piff_psf_from_pickle(data).kernels(3.0, -1.5)[0, 1:8, 1:8], image / image.sum(), atol=1e-12)


def test_piff_model_that_is_oversampled(foreign):
    psf = piff_psf_from_pickle(piff_pickle(foreign, scale=0.1)[0])
    assert psf.pixel_step == pytest.approx(0.5)
    assert psf.kernels(0.0, 0.0).sum() == pytest.approx(1.0)


BAD_MODELS = [
    ("model", "Moffat", {"size": 3}, "a Moffat with a BasisPolynomial"),
    ("wcs", "CelestialWcsWrapper", {}, "only a plain pixel scale"),
    ("interp", "BasisPolynomial", {"q": np.ones((3, 3)), "_keys": ["x", "y"], "_mask": np.ones((1, 1))}, "coefficients of shape"),
    ("interp", "BasisPolynomial", {"q": np.ones((49, 3)), "_keys": ["x", "z"], "_mask": np.ones((1, 1))}, "varies with"),
    ("interp", "BasisPolynomial", {"q": np.ones((49, 3)), "_keys": ["x", "y"], "_mask": np.ones((1, 1))}, "1 terms for 3"),
    ("model", "PixelGrid", {"size": 7, "scale": 0.2, "kwargs": {}, "interp": 3}, "only Lanczos"),
    ("model", "PixelGrid", {}, "cannot be read"),
]


@pytest.mark.parametrize(("part", "class_name", "state", "message"), BAD_MODELS)
def test_unsupported_piff_models(foreign, part, class_name, state, message):
    instance = foreign(class_name, **state)
    data, _ = piff_pickle(foreign, **{part: {0: instance} if part == "wcs" else instance})
    with pytest.raises(InputError, match=message):
        piff_psf_from_pickle(data)


class Malice:
    """Pickles as a call of a function."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def test_malicious_pickles_do_nothing(tmp_path):
    """The functions a pickle names are never looked up, let alone called."""
    trap = tmp_path / "trap"
    attacks = [
        Malice(os.system, f"touch {trap}"),
        Malice(eval, f"open({str(trap)!r}, 'w')"),
        Malice(exec, f"open({str(trap)!r}, 'w')"),
        Malice(open, str(trap), "w"),
        Malice(getattr, Malice(__import__, "os"), "system"),
        Malice(subprocess.check_call, ["touch", str(trap)]),
        Malice(pickle.loads, pickle.dumps(Malice(os.system, f"touch {trap}"))),
    ]
    for attack in attacks:
        for data in (pickle.dumps(attack), pickle.dumps((25, 25, attack)), pickle.dumps(np.array([attack], dtype=object))):
            with pytest.raises(InputError):
                piff_psf_from_pickle(data)
    handwritten = b"cos\nsystem\n(S'touch " + str(trap).encode() + b"'\ntR."
    with pytest.raises(InputError):
        piff_psf_from_pickle(handwritten)
    assert not trap.exists()
    # the attacks are real: an ordinary reader falls for them
    pickle.loads(handwritten)
    assert trap.exists()


@pytest.mark.parametrize("data", [b"", b"not a pickle", b"\x80\x04.", pickle.dumps(3), pickle.dumps((1, 2, 3)), b"\x80\x04P\x00."])
def test_damaged_pickles(data):
    with pytest.raises(InputError):
        piff_psf_from_pickle(data)


def test_truncated_pickles(foreign):
    data, _ = piff_pickle(foreign)
    for n in range(0, len(data), 97):
        with pytest.raises(InputError):
            piff_psf_from_pickle(data[:n])
