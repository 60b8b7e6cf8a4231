"""Quality of `skysift process` on simulated visits with truth, from the image alone (the PSF that the file carries is not used).

    python benchmarks/photometry_quality.py FOLDER...

Each folder holds what `sim_visit.py` and `visit_bounds.py` of the simulations write: visit.fits, visit_truth.fits, visit_sky_true.fits.
Fluxes are compared with forced photometry at the true positions with the true PSF and the true sky, on the same stars.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("SKYSIFT_SHARED", ROOT.parent / "shared"))
SKYSIFT = Path(sys.executable).with_name("skysift")


def scatter(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(1.4826 * np.median(np.abs(values - np.median(values)))) if values.size else float("nan")


def true_stamps(truth: Table, rows: np.ndarray, half: int) -> np.ndarray:
    """True PSF of each star on the pixels of its stamp."""
    import galsim

    sys.path.insert(0, str(SHARED / "sim"))
    from simlib import SCALE, make_psf

    out = np.empty((rows.size, 2 * half + 1, 2 * half + 1))
    for k, row in enumerate(rows):
        t = truth[row]
        offset = galsim.PositionD(t["x"] - round(t["x"]), t["y"] - round(t["y"]))
        image = galsim.Image(2 * half + 1, 2 * half + 1, dtype=float)
        make_psf(t["psf_fwhm"], t["psf_g1"], t["psf_g2"]).drawImage(image, scale=SCALE, offset=offset)
        out[k] = image.array
    return out


def cut(image: np.ndarray, truth: Table, rows: np.ndarray, half: int) -> np.ndarray:
    x, y = (np.round(np.asarray(truth[c][rows])).astype(int) for c in ("x", "y"))
    g = np.arange(-half, half + 1)
    return image[(y[:, None] + g)[:, :, None], (x[:, None] + g)[:, None, :]]


def forced(stamps: np.ndarray, psf: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    norm = (psf**2).sum(axis=(1, 2))
    return (stamps * psf).sum(axis=(1, 2)) / norm, np.sqrt((psf**2 * variance).sum(axis=(1, 2))) / norm


def judge(folder: Path, keep_psf: bool) -> None:
    from skysift.characterize.wings import light_beyond_stamp
    from skysift.io import read_exposure
    from skysift.io.catalog import read_catalog

    truth = Table.read(folder / "visit_truth.fits")
    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        command = [str(SKYSIFT), "process", str(folder / "visit.fits"), "-o", str(out), "-q"] + ([] if keep_psf else ["--fit-psf"])
        subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        exposure = read_exposure(out / "visit.exposure.fits")
        background = fits.getdata(out / "visit.exposure.fits", "BACKGROUND").astype(np.float64)
        catalog = read_catalog(out / "visit.catalog.parquet")

    with fits.open(folder / "visit.fits") as hdus:
        data, mask, variance = (np.asarray(hdus[n].data, np.float64) for n in ("IMAGE", "MASK", "VARIANCE"))
    sky = fits.getdata(folder / "visit_sky_true.fits").astype(np.float64)
    off = (background - sky)[mask == 0]
    print(f"{folder}: {len(catalog)} sources")
    print(f"  background - true sky: mean {off.mean():+.3f}, rms {off.std():.3f} counts a pixel (noise {np.sqrt(np.median(variance)):.1f})")

    snr = truth["psfflux"] / truth["sig_psf_sky"]
    n = data.shape[0]
    clean = (truth["x"] > 40) & (truth["x"] < n - 40) & (truth["y"] > 40) & (truth["y"] < n - 40) & (truth["nearmask"] == 0)
    isolated = np.asarray(clean & (truth["nbr_fluxw"] < 0.005 * truth["flux"]) & (truth["peak"] < 6e4) & truth["star"])
    print("  forced at the truth, ours / reference:  S/N    stars   bias %          scatter / CR    ratio   pull width")
    half = 12
    kept = 1.0 - light_beyond_stamp(exposure.psf)
    for low, high in ((3, 8), (8, 30), (30, 100), (100, 300), (300, 1e9)):
        rows = np.flatnonzero(isolated & (snr > low) & (snr < high))
        rows = rows[np.isfinite(cut(data, truth, rows, half)).all(axis=(1, 2))]
        flux = np.asarray(truth["flux"][rows])
        bound = np.asarray(truth["sig_psf"][rows])
        v = cut(variance, truth, rows, half)
        reference, reference_error = forced(cut(data - sky, truth, rows, half), true_stamps(truth, rows, half), v)
        stamps, _, _ = exposure.psf.stamps(np.asarray(truth["x"][rows], float), np.asarray(truth["y"][rows], float), 2 * half + 1)
        ours, error = forced(cut(exposure.image.array.astype(np.float64), truth, rows, half), stamps.astype(np.float64) * kept, v)
        # The stars of one bin differ in flux by more than their errors: weights make the mean as precise as the photons allow.
        weight = (flux / bound) ** 2
        bias = [100 * np.average(f / flux - 1, weights=weight) for f in (ours, reference)]
        width = [scatter((f - flux) / bound) for f in (ours, reference)]
        pulls = [scatter((f - flux) / e) for f, e in ((ours, error), (reference, reference_error))]
        print(
            f"  {'':38} {low:>3}-{high if high < 1e8 else 'inf':<4} {rows.size:>5}   {bias[0]:+.2f} / {bias[1]:+.2f}   {width[0]:.3f} / {width[1]:.3f}   "
            f"{width[0] / width[1]:.3f}   {pulls[0]:.3f} / {pulls[1]:.3f}"
        )
    error = np.asarray(catalog["base_PsfFlux_instFluxErr"])
    print(f"  error bars of zero: {int((error == 0).sum())}")

    os.environ["SIM_DIR"] = str(folder)
    sys.path.insert(0, str(SHARED / "sim"))
    sys.modules.pop("eval_visit", None)
    import eval_visit

    score = next((c for c in ("skysift_ModelExtendedness_value", "base_ClassificationSizeExtendedness_value") if c in catalog.schema), None)
    figures = eval_visit.evaluate(
        "skysift",
        catalog.x,
        catalog.y,
        xc=catalog["x"],
        yc=catalog["y"],
        psf=catalog["base_PsfFlux_instFlux"],
        psferr=error,
        ap5=catalog["base_CircularApertureFlux_4_5_instFlux"],
        ap5err=catalog["base_CircularApertureFlux_4_5_instFluxErr"],
        kron=catalog["ext_photometryKron_KronFlux_instFlux"] if "ext_photometryKron_KronFlux_instFlux" in catalog.schema else None,
        star=None if score is None else catalog[score],
        starhi=False,
    )
    for key, value in figures.items():
        if key.startswith(("C", "purity", "nfalse", "ngood", "cen/", "psf_", "err/", "kron_gal", "AUC")):
            print(f"    {key:<22} {value}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--keep-psf", action="store_true", help="use the PSF that the file carries")
    options = parser.parse_args()
    for folder in options.folders:
        judge(folder, options.keep_psf)


if __name__ == "__main__":
    main()
