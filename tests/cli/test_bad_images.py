"""Images that cannot be processed, and images that look as if they could not."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from skysift.cli import main
from skysift.io.catalog import read_catalog


def run(*args: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in args])
    return int(stop.value.code or 0)


def write(path: Path, data: np.ndarray | None, **cards: object) -> Path:
    header = fits.Header()
    for key, value in cards.items():
        header[key] = value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits.PrimaryHDU(data, header).writeto(path)
    return path


def noisy(shape=(120, 130), seed=1) -> np.ndarray:
    return np.random.default_rng(seed).normal(100.0, 5.0, shape).astype(np.float32)


def star_field(shape=(150, 160), n=12, seed=2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = noisy(shape, seed)
    yy, xx = np.indices(shape)
    for x, y, flux in zip(rng.uniform(15, shape[1] - 15, n), rng.uniform(15, shape[0] - 15, n), 10 ** rng.uniform(3.3, 4.5, n)):
        image += flux / (2 * np.pi * 4) * np.exp(-0.5 * ((xx - x) ** 2 + (yy - y) ** 2) / 4)
    return image


def truncated(folder: Path) -> Path:
    path = write(folder / "truncated.fits", noisy())
    path.write_bytes(path.read_bytes()[: 2880 * 4])
    return path


def html(folder: Path) -> Path:
    path = folder / "page.fits"
    path.write_text("<!DOCTYPE html><html><body>404</body></html>")
    return path


UNREADABLE = {
    "missing": (lambda f: f / "nothing.fits", "nothing.fits"),
    "truncated": (truncated, "truncated"),
    "html": (html, "FITS"),
    "no image": (lambda f: write(f / "empty.fits", None), "image"),
    "one dimension": (lambda f: write(f / "line.fits", np.zeros(50, np.float32)), "two-dimensional"),
    "cube": (lambda f: write(f / "cube.fits", np.zeros((3, 20, 20), np.float32)), "two-dimensional"),
    "all NaN": (lambda f: write(f / "nan.fits", np.full((60, 60), np.nan, np.float32)), "finite"),
}


@pytest.mark.parametrize("name", UNREADABLE)
@pytest.mark.parametrize("command", ["process", "detect"])
def test_unreadable_input_is_one_line_with_the_file_and_leaves_nothing(name, command, tmp_path, capsys):
    make, expected = UNREADABLE[name]
    path = make(tmp_path)
    assert run(command, path, "-o", tmp_path / "out") == 3
    error = capsys.readouterr().err.strip()
    assert len(error.splitlines()) == 1
    assert path.name in error
    assert expected in error
    assert "Traceback" not in error
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True


ODD = {
    "zero": lambda f: write(f / "odd.fits", np.zeros((80, 90), np.float32)),
    "constant": lambda f: write(f / "odd.fits", np.full((80, 90), 7.5, np.float32)),
    "one pixel": lambda f: write(f / "odd.fits", np.ones((1, 1), np.float32)),
    "one row": lambda f: write(f / "odd.fits", noisy((1, 300))),
    "tiny": lambda f: write(f / "odd.fits", noisy((7, 5))),
    "noise only": lambda f: write(f / "odd.fits", noisy()),
    "saturated half": lambda f: write(
        f / "odd.fits", np.where(np.arange(160) < 80, 65535.0, star_field()).astype(np.float32), SATURATE=65000.0
    ),
    "all saturated": lambda f: write(f / "odd.fits", np.full((90, 90), 65535.0, np.float32), SATURATE=65000.0),
    "integers": lambda f: write(f / "odd.fits", star_field().astype(np.int16)),
    "one star": lambda f: write(f / "odd.fits", star_field(n=1)),
    "singular WCS": lambda f: write(
        f / "odd.fits",
        star_field(),
        CTYPE1="RA---TAN",
        CTYPE2="DEC--TAN",
        CD1_1=0.0,
        CD1_2=0.0,
        CD2_1=0.0,
        CD2_2=0.0,
        CRPIX1=1.0,
        CRPIX2=1.0,
    ),
    "NaN block": lambda f: write(
        f / "odd.fits", np.where((np.indices((150, 160)) > 100).all(axis=0), np.nan, star_field()).astype(np.float32)
    ),
    "one plane of a cube": lambda f: write(f / "odd.fits", star_field()[None]),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_image_gives_a_catalogue_or_a_clear_error(name, tmp_path, capsys):
    path = ODD[name](tmp_path)
    code = run("process", path, "-o", tmp_path / "out", "--no-report")
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert "unexpected" not in error
    assert code in (0, 3, 4)
    products = sorted(p.name for p in (tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else []
    if code:
        assert products == []
        assert "odd.fits" in error
    else:
        assert products == ["odd.catalog.parquet", "odd.exposure.fits", "odd.summary.json"]
        assert len(read_catalog(tmp_path / "out" / "odd.catalog.parquet")) < 400


@pytest.mark.parametrize("name", ["zero", "constant", "noise only", "one star", "saturated half", "integers", "NaN block", "singular WCS"])
def test_odd_image_is_no_error(name, tmp_path):
    assert run("process", ODD[name](tmp_path), "-o", tmp_path, "--no-report", "-q") == 0


def test_negative_variance_is_flagged_not_used(tmp_path):
    image = star_field()
    variance = np.full(image.shape, 25.0, np.float32)
    variance[40:60, 40:60] = -1.0
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(image, name="IMAGE"), fits.ImageHDU(variance, name="VARIANCE")]).writeto(
        tmp_path / "v.fits"
    )
    assert run("process", tmp_path / "v.fits", "-o", tmp_path, "--no-report", "-q") == 0
    error = np.asarray(read_catalog(tmp_path / "v.catalog.parquet")["base_PsfFlux_instFluxErr"])
    assert not (error <= 0).any()


def test_huge_image_is_read_by_cut_out(tmp_path):
    """30 000 x 30 000 pixels, most of them a hole in the file; only the cut-out may be loaded."""
    path = tmp_path / "huge.fits"
    n = 30_000
    header = fits.PrimaryHDU(np.zeros((1, 1), np.int16)).header
    header["NAXIS1"], header["NAXIS2"] = n, n
    head = header.tostring().encode()
    block = star_field((150, 160)).astype(">i2")
    with path.open("wb") as file:
        file.write(head)
        for row in range(150):
            file.seek(len(head) + 2 * ((20_000 + row) * n + 10_000))
            file.write(block[row].tobytes())
        file.truncate(len(head) + (2 * n * n + 2879) // 2880 * 2880)
    assert run("detect", path, "--bbox", "10000,20000,160,150", "-o", tmp_path, "-q") == 0
    catalog = read_catalog(tmp_path / "huge.catalog.parquet")
    assert len(catalog) >= 8
    assert ((catalog.x >= 10_000) & (catalog.y >= 20_000)).all()


def test_crowded_beyond_reason(tmp_path):
    """A source on every third pixel or so ends in bounded time with a catalogue."""
    rng = np.random.default_rng(8)
    image = rng.normal(0.0, 1.0, (300, 300)).astype(np.float32)
    image[rng.integers(0, 300, 9000), rng.integers(0, 300, 9000)] += rng.uniform(50, 500, 9000).astype(np.float32)
    write(tmp_path / "crowd.fits", image)
    assert run("detect", tmp_path / "crowd.fits", "-o", tmp_path, "-q") == 0
    assert len(read_catalog(tmp_path / "crowd.catalog.parquet")) > 500


def test_thousands_of_peaks_in_one_footprint(tmp_path):
    """A plateau with a peak on every fourth pixel of every fourth row is one footprint; its peaks all become sources."""
    rng = np.random.default_rng(4)
    image = rng.normal(0.0, 1.0, (400, 400))
    image[10:390, 10:390] += 200.0
    yy, xx = np.indices((5, 5)) - 2
    bump = np.exp(-0.5 * (xx**2 + yy**2))
    for y in range(14, 386, 4):
        for x in range(14, 386, 4):
            image[y - 2 : y + 3, x - 2 : x + 3] += 300.0 * bump
    write(tmp_path / "plateau.fits", image.astype(np.float32))
    assert run("detect", tmp_path / "plateau.fits", "--psf", "2.35", "-o", tmp_path, "-q") == 0
    assert len(read_catalog(tmp_path / "plateau.catalog.parquet")) > 4000
