from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from skysift.cli import main
from skysift.io import read_exposure, write_exposure
from skysift.io.catalog import read_catalog
from skysift.simulate import SceneConfig, simulate


def run(*args: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in args])
    return int(stop.value.code or 0)


@pytest.fixture(scope="module")
def field(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("field") / "field.fits"
    exposure, _ = simulate(SceneConfig(width=500, height=420, stars=700, galaxies=700, seed=4))
    write_exposure(exposure, path)
    return path


@pytest.fixture(scope="module")
def processed(field, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("processed")
    assert run("process", field, "-o", folder, "-q") == 0
    return folder


def test_process_writes_the_four_products(processed):
    assert sorted(p.name for p in processed.iterdir()) == [
        "field.catalog.parquet",
        "field.exposure.fits",
        "field.report.html",
        "field.summary.json",
    ]
    with fits.open(processed / "field.exposure.fits") as hdus:
        names = [h.name for h in hdus]
        assert {"IMAGE", "MASK", "VARIANCE", "BACKGROUND"} <= set(names)
        assert hdus["MASK"].header["MP_DETECTED"] == 5
        image = hdus["IMAGE"].data
    assert abs(np.nanmedian(image)) < 3.0


def test_catalogue_has_lsst_names_units_and_both_frames(processed, field):
    catalog = read_catalog(processed / "field.catalog.parquet")
    table = catalog.as_astropy()
    assert str(table["base_SdssCentroid_x"].unit) == "pix"
    assert str(table["coord_ra"].unit) == "rad"
    assert table["base_PsfFlux_instFlux"].description
    wcs = read_exposure(field).wcs
    good = np.isfinite(catalog["coord_ra"])
    assert good.mean() > 0.99
    ra, dec = wcs.pixel_to_sky(catalog.x[good], catalog.y[good])
    np.testing.assert_allclose(catalog["coord_ra"][good], ra, atol=1e-9)
    np.testing.assert_allclose(catalog["coord_dec"][good], dec, atol=1e-9)
    assert {"calib_psf_candidate", "calib_psf_used", "calib_psf_reserved", "base_ClassificationExtendedness_value"} <= set(table.colnames)
    assert not (np.asarray(catalog["base_PsfFlux_instFluxErr"]) == 0).any()


def test_summary_tells_counts_psf_timings_versions_and_configuration(processed):
    summary = json.loads((processed / "field.summary.json").read_text())
    assert summary["counts"]["sources"] == len(read_catalog(processed / "field.catalog.parquet"))
    assert summary["psf"]["fwhm"] == pytest.approx(3.6, rel=0.1)
    assert summary["psf"]["n_used"] > 10
    assert {"reading", "sky", "psf", "detection", "measurement"} <= set(summary["timings"])
    assert summary["configuration"]["detection.threshold"] == "5.0"
    assert "skysift" in summary["versions"]


def test_report_is_one_file_with_pictures(processed):
    html = (processed / "field.report.html").read_text()
    assert html.count("data:image/png;base64,") >= 6
    assert 'src="http' not in html
    assert 'href="http' not in html


def test_own_exposure_is_read_back_with_its_psf(processed):
    exposure = read_exposure(processed / "field.exposure.fits")
    assert exposure.psf.kernel_image().array.sum() == pytest.approx(1.0, abs=1e-6)
    assert exposure.wcs is not None
    assert exposure.ap_corr_map is None or "base_PsfFlux_instFlux" in exposure.ap_corr_map


def test_same_input_same_bytes_for_any_number_of_workers(field, processed, tmp_path):
    second = field.with_name("again.fits")
    second.write_bytes(field.read_bytes())
    assert run("process", field, second, "-o", tmp_path, "-j", 2, "-q", "--no-report") == 0
    first = (processed / "field.catalog.parquet").read_bytes()
    for stem in ("field", "again"):
        assert (tmp_path / f"{stem}.catalog.parquet").read_bytes() == first


def test_detect_writes_catalogue_summary_and_regions(field, tmp_path):
    assert run("detect", field, "-o", tmp_path, "--regions", "-q") == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["field.catalog.parquet", "field.reg", "field.summary.json"]
    assert len(read_catalog(tmp_path / "field.catalog.parquet")) > 50


def test_show_draws_a_picture(processed, tmp_path):
    target = tmp_path / "picture.png"
    assert run("show", processed / "field.exposure.fits", "--footprints", "-o", target, "--size", "4") == 0
    assert target.read_bytes().startswith(b"\x89PNG")


def test_simulate_is_deterministic(tmp_path):
    for name in ("a", "b"):
        assert run("simulate", "-o", tmp_path / name, "--size", 200, "--seed", 3, "-q") == 0
    a, b = (fits.getdata(tmp_path / n / "visit_1.fits", "IMAGE") for n in "ab")
    np.testing.assert_array_equal(a, b)
    assert (tmp_path / "a" / "visit_1.truth.parquet").exists()


def test_configuration_is_shown_and_checked(capsys, field):
    assert run("process", field, "--show-config", "-c", "detection.threshold=7") == 0
    assert "detection.threshold=7.0" in capsys.readouterr().out
    assert run("process", field, "-c", "detection.treshold=7", "--show-config") == 2
    assert "did you mean 'threshold'" in capsys.readouterr().err
    assert run("process", field, "-c", "detection.threshold=high", "--show-config") == 2
    assert run("detect", field, "-c", "measurement.plugins[base_CircularApertureFlux].radii=2.0,4.0", "--show-config") == 0
    assert "radii=[2.0, 4.0]" in capsys.readouterr().out


def test_configuration_file(capsys, field, tmp_path):
    file = tmp_path / "config.py"
    file.write_text("config.detection.threshold = 6.5\n")
    assert run("process", field, "-C", file, "--show-config") == 0
    assert "detection.threshold=6.5" in capsys.readouterr().out
    file.write_text("config.detection.nothing = 6.5\n")
    assert run("process", field, "-C", file, "--show-config") == 2


def test_one_bad_image_of_two_leaves_the_other(field, tmp_path, capsys):
    bad = tmp_path / "page.fits"
    bad.write_text("<html>not found</html>")
    assert run("detect", bad, field, "-o", tmp_path / "out", "-q") == 1
    assert (tmp_path / "out" / "field.catalog.parquet").exists()
    error = capsys.readouterr().err
    assert "page.fits" in error
    assert "Traceback" not in error


def test_unknown_command_and_wrong_options_are_usage_errors(capsys):
    assert run("proces", "x.fits") == 2
    assert "Did you mean 'process'" in capsys.readouterr().err
    assert run("process") == 2
    assert run("process", "x.fits", "--bbox", "1,2,3") == 2
    assert run("process", "x.fits", "--mask-planes", "BAD") == 2


def test_help_answers_without_the_science():
    code = "import sys; from skysift.cli import _run; _run(['--help'], False); print([m for m in ('numpy', 'numba', 'astropy', 'scipy', 'lsst') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "[]"


def test_every_line_of_the_configuration_can_be_given_back(capsys, field):
    assert run("process", field, "--show-config") == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("starSelector[objectSize].signalToNoiseMin=" in line for line in lines)
    overrides = [part for line in lines for part in ("-c", line)]
    assert run("process", field, *overrides, "--show-config") == 0
    assert capsys.readouterr().out.splitlines() == lines
