"""CPU time and memory of detection and measurement against source-extractor, sep and photutils, on the same images in the same run.

python benchmarks/single_frame.py                    # simulated 1k, 2k and 4k images
python benchmarks/single_frame.py --image visit.fits # cut-outs of your own image (IMAGE and VARIANCE extensions)
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
SKYSIFT = Path(sys.executable).with_name("skysift")

# Floor: read, background, filter, threshold with labels and peaks, and 50 microseconds a source; CPU seconds for 4096 x 4096 pixels.
FLOOR_PIXELS = 0.24 / 4096**2
FLOOR_SOURCE = 50e-6

WORK = """
import json, sys, time
from pathlib import Path
from skysift.cli.detect import detect_image
small, image, folder = (Path(p) for p in sys.argv[1:4])
detect_image(small, folder, "warm")
out = []
for _ in range(int(sys.argv[4])):
    start = time.process_time()
    detect_image(image, folder, "work")
    out.append(time.process_time() - start)
print(json.dumps(out))
"""

SEP = """
import sys, time
import numpy as np
import sep
from astropy.io import fits
import pyarrow as pa, pyarrow.parquet as pq
image, folder, fwhm = sys.argv[1], sys.argv[2], float(sys.argv[3])
start = time.process_time()
data = np.ascontiguousarray(fits.getdata(image, "IMAGE"), np.float32)
bad = ~np.isfinite(data)
data[bad] = 0
background = sep.Background(data, mask=bad, bw=128, bh=128)
data = data - background
g = np.arange(-4, 5)
kernel = np.exp(-0.5 * (g[:, None] ** 2 + g[None, :] ** 2) / (fwhm / 2.3548) ** 2)
kernel /= kernel.sum()
threshold = 5 * np.sqrt((kernel**2).sum())
sep.set_extract_pixstack(3000000)
s = sep.extract(data, threshold, err=background.globalrms, mask=bad, minarea=1, filter_kernel=kernel, filter_type="conv", clean=True)
ok = np.isfinite(s["a"]) & (s["a"] > 0) & (s["b"] > 0)
s = s[ok]
theta = np.clip(s["theta"], -np.pi / 2, np.pi / 2)
kron, _ = sep.kron_radius(data, s["x"], s["y"], s["a"], s["b"], theta, 6.0)
kron = np.where(np.isfinite(kron), np.maximum(kron, 1.0), 1.0)
auto, _, _ = sep.sum_ellipse(data, s["x"], s["y"], s["a"], s["b"], theta, 2.5 * kron, err=background.globalrms, subpix=5)
aper, _, _ = sep.sum_circle(data, s["x"], s["y"], 5.0, err=background.globalrms)
xw, yw, _ = sep.winpos(data, s["x"], s["y"], np.full(len(s), fwhm / 2.3548))
pq.write_table(pa.table(dict(x=xw, y=yw, auto=auto, aper=aper, a=s["a"], b=s["b"])), folder + "/sep.parquet")
print(len(s), time.process_time() - start)
"""

PHOTUTILS = """
import sys, time, warnings
warnings.simplefilter("ignore")
import numpy as np
from astropy.io import fits
from astropy.convolution import convolve_fft, Gaussian2DKernel
from photutils.aperture import CircularAperture, aperture_photometry
from photutils.background import Background2D
from photutils.segmentation import SourceCatalog, deblend_sources, detect_sources
image, folder, fwhm = sys.argv[1], sys.argv[2], float(sys.argv[3])
start = time.process_time()
data = np.asarray(fits.getdata(image, "IMAGE"), np.float32)
bad = ~np.isfinite(data)
data[bad] = 0
background = Background2D(data, 128, mask=bad)
data = data - background.background
kernel = Gaussian2DKernel(fwhm / 2.3548, x_size=9, y_size=9).array
kernel /= kernel.sum()
from scipy.signal import fftconvolve
smooth = fftconvolve(data, kernel, "same")
threshold = 5 * np.sqrt((kernel**2).sum()) * background.background_rms_median
segments = detect_sources(smooth, threshold, 1, mask=bad)
try:
    segments = deblend_sources(smooth, segments, 1, progress_bar=False)
except ModuleNotFoundError:  # it needs scikit-image
    pass
catalog = SourceCatalog(data, segments, convolved_data=smooth, error=background.background_rms)
table = catalog.to_table(columns=["label", "x_centroid_win", "y_centroid_win", "kron_flux", "semimajor_axis", "semiminor_axis"])
xy = np.column_stack([np.asarray(table.columns[1]), np.asarray(table.columns[2])])
ok = np.isfinite(xy).all(axis=1)
aperture_photometry(data, CircularAperture(xy[ok], 5.0))
table.write(folder + "/photutils.fits", overwrite=True)
print(len(table), time.process_time() - start)
"""


# A small process in between, because what a process begins with counts into its peak memory.
RUNNER = """
import json, os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)
out = process.stdout.read()
_, status, usage = os.wait4(process.pid, 0)
print(json.dumps([os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out]))
"""


def run(command: list[str], cwd: Path | None = None) -> tuple[float, float, str]:
    """CPU seconds, peak memory (MB) and output of a command."""
    done = subprocess.run([sys.executable, "-c", RUNNER, *command], env=ENVIRONMENT, cwd=cwd, capture_output=True, text=True, check=True)
    code, seconds, memory, out = json.loads(done.stdout)
    if code:
        raise SystemExit(f"{Path(command[0]).name} failed:\n{done.stderr[-2000:]}")
    return seconds, memory, out


def median(repeat: int, measure: Callable[[], tuple[float, float, str]]) -> tuple[float, float, str]:
    runs = [measure() for _ in range(repeat)]
    return statistics.median(r[0] for r in runs), max(r[1] for r in runs), runs[-1][2]


def make_image(folder: Path, size: int, source: Path | None) -> Path:
    """A simulated image of one size, or the corner of the given one."""
    from astropy.io import fits

    path = folder / f"image_{size}.fits"
    if source is None:
        from skysift.io import write_exposure
        from skysift.simulate import SceneConfig, simulate

        exposure, _ = simulate(SceneConfig(width=size, height=size))
        write_exposure(exposure, path)
    else:
        with fits.open(source) as hdus:
            names = [h.name for h in hdus]
            out = [fits.PrimaryHDU(header=hdus[0].header)]
            for name in ("IMAGE", "MASK", "VARIANCE"):
                if name in names:
                    out.append(fits.ImageHDU(hdus[name].data[:size, :size], hdus[name].header, name))
            if "PSFGRID" in names and size == hdus["IMAGE"].shape[0]:
                out.append(fits.ImageHDU(hdus["PSFGRID"].data, hdus["PSFGRID"].header, "PSFGRID"))
            fits.HDUList(out).writeto(path)
    with fits.open(path) as hdus:
        fits.PrimaryHDU(np.ascontiguousarray(hdus["IMAGE"].data, np.float32)).writeto(folder / f"plain_{size}.fits")
    return path


def source_extractor(folder: Path, size: int, fwhm: float) -> list[str] | None:
    """The command that does the same work: 5 sigma through a matched filter, windowed positions, shapes, aperture and Kron fluxes."""
    program = shutil.which("source-extractor") or shutil.which("sex")
    if program is None:
        return None
    g = np.arange(-4, 5)
    kernel = np.exp(-0.5 * (g[:, None] ** 2 + g[None, :] ** 2) / (fwhm / 2.3548) ** 2)
    kernel /= kernel.sum()
    (folder / "filter.conv").write_text("CONV NORM\n" + "\n".join(" ".join(f"{v:.7f}" for v in row) for row in kernel) + "\n")
    names = "NUMBER X_IMAGE Y_IMAGE XWIN_IMAGE YWIN_IMAGE X2_IMAGE Y2_IMAGE XY_IMAGE A_IMAGE B_IMAGE THETA_IMAGE FLUX_AUTO FLUXERR_AUTO FLUX_APER FLUXERR_APER FLAGS"
    (folder / "wanted.param").write_text("\n".join(names.split()) + "\n")
    threshold = 5 * float(np.sqrt((kernel**2).sum()))
    settings = {
        "PARAMETERS_NAME": "wanted.param",
        "FILTER_NAME": "filter.conv",
        "CATALOG_TYPE": "FITS_LDAC",
        "CATALOG_NAME": "se.cat",
        "DETECT_THRESH": f"{threshold:.4f}",
        "ANALYSIS_THRESH": f"{threshold:.4f}",
        "DETECT_MINAREA": "1",
        "BACK_SIZE": "128",
        "PHOT_APERTURES": "10",
        "NTHREADS": "1",
        "VERBOSE_TYPE": "QUIET",
    }
    return [program, f"plain_{size}.fits", *(part for key, value in settings.items() for part in (f"-{key}", value))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 2048, 4096])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--fwhm", type=float, default=3.6)
    parser.add_argument("--no-photutils", action="store_true")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = make_image(folder, 512, None)
        for what in ("import skysift", "import skysift.cli"):
            base = statistics.median(run([sys.executable, "-c", "pass"])[0] for _ in range(5))
            cost = statistics.median(run([sys.executable, "-c", what])[0] for _ in range(5))
            print(f"{what}: {cost - base:.3f} s over the bare interpreter")
        print(f"skysift --help: {statistics.median(run([str(SKYSIFT), '--help'])[0] for _ in range(5)):.3f} s")
        print(f"\n{'size':>5} {'sources':>8} {'what':<34} {'CPU s':>7} {'x SE':>6} {'x floor':>8} {'MB':>6} {'ms/source':>9}")
        for size in options.sizes:
            image = make_image(folder, size, options.image)
            plain = folder / f"plain_{size}.fits"
            extractor = source_extractor(folder, size, options.fwhm)
            reference = median(options.repeat, lambda: run(extractor, folder)) if extractor else None  # noqa: B023
            command = median(options.repeat, lambda: run([str(SKYSIFT), "detect", str(image), "-o", str(folder), "-q"]))  # noqa: B023
            summary = json.loads((folder / f"{image.stem}.summary.json").read_text())
            n = summary["counts"]["sources"]
            times = json.loads(run([sys.executable, "-c", WORK, str(small), str(image), str(folder), str(options.repeat)])[2])
            floor = FLOOR_PIXELS * size**2 + FLOOR_SOURCE * n
            rows = [
                ("skysift, the work itself", statistics.median(times), float("nan")),
                ("skysift detect, whole command", command[0], command[1]),
            ]
            if reference:
                rows.append(("source-extractor, whole command", reference[0], reference[1]))
            sep = median(options.repeat, lambda: run([sys.executable, "-c", SEP, str(image), str(folder), str(options.fwhm)]))  # noqa: B023
            rows.append(("sep, work itself (no PSF flux)", float(sep[2].split()[1]), sep[1]))
            if not options.no_photutils:
                peer = run([sys.executable, "-c", PHOTUTILS, str(image), str(folder), str(options.fwhm)])
                rows.append(("photutils, work itself (no PSF flux)", float(peer[2].split()[1]), peer[1]))
            for what, seconds, memory in rows:
                ratio = f"{seconds / reference[0]:.2f}" if reference else "-"
                print(
                    f"{size:>5} {n:>8} {what:<34} {seconds:>7.2f} {ratio:>6} {seconds / floor:>8.1f} {memory:>6.0f} {1e3 * seconds / max(n, 1):>9.2f}"
                )
            print(f"{'':>14} stages: " + ", ".join(f"{k} {v:.2f}" for k, v in summary["timings"].items()), flush=True)
            plain.unlink()
    print(f"\npeak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
