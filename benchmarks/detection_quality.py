"""Completeness and purity of `find_sources` on simulated visits with truth, beside sep on the same images.

Run ``python benchmarks/detection_quality.py FOLDER...``. A folder holds ``visit.fits`` (IMAGE with its sky, MASK with planes BAD 0, SAT 1 and CR 2, VARIANCE)
and ``visit_truth.fits`` (x, y, psfflux, sig_psf_sky, nearmask). Completeness is given by the true signal-to-noise ratio of the PSF flux against the sky; objects near
the border or masked pixels do not count. A detection is true if it is the nearest free one within 2.5 pixels of an object, the brightest object choosing first.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table
from scipy.ndimage import maximum_filter
from scipy.spatial import cKDTree

from skysift.background import estimate_sky
from skysift.detection import find_sources
from skysift.image import Exposure
from skysift.psf import GaussianPsf

BINS = ((4, 5), (5, 6), (6, 8), (8, 12), (12, np.inf))
BORDER = 40
RADIUS = 2.5
SIGMA = 1.6


def match(truth: Table, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether each object is detected, and whether each detection is an object."""
    near = cKDTree(np.column_stack([x, y])).query_ball_point(np.column_stack([truth["x"], truth["y"]]), RADIUS)
    used, detected = np.zeros(x.size, bool), np.zeros(len(truth), bool)
    for i in np.argsort(-np.asarray(truth["psfflux"])):
        free = [j for j in near[i] if not used[j]]
        if free:
            j = min(free, key=lambda j: np.hypot(x[j] - truth["x"][i], y[j] - truth["y"][i]))
            used[j] = detected[i] = True
    return detected, used


def row(name: str, truth: Table, masked: np.ndarray, x: np.ndarray, y: np.ndarray, seconds: float) -> list[float]:
    """Print and return the figures of one catalogue."""
    height, width = masked.shape
    detected, used = match(truth, x, y)

    def inside(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x > BORDER) & (x < width - BORDER) & (y > BORDER) & (y < height - BORDER)

    pixel = np.clip(np.round(y).astype(int), 0, height - 1), np.clip(np.round(x).astype(int), 0, width - 1)
    counts = inside(x, y) & ~masked[pixel]
    good = inside(np.asarray(truth["x"]), np.asarray(truth["y"])) & (np.asarray(truth["nearmask"]) == 0)
    snr = np.asarray(truth["psfflux"] / truth["sig_psf_sky"])
    false = int((counts & ~used).sum())
    figures = [1 - false / max(counts.sum(), 1), *(detected[good & (snr >= a) & (snr < b)].mean() for a, b in BINS)]
    print(f"{name:28s} {x.size:6d} {false:5d} {figures[0]:8.4f}  " + " ".join(f"{c:7.4f}" for c in figures[1:]) + f"  {seconds:6.2f}")
    return figures


def skysift_positions(exposure: Exposure) -> tuple[np.ndarray, np.ndarray, float]:
    find_sources(exposure)
    times = []
    for _ in range(3):
        start = time.process_time()
        found = find_sources(exposure)
        times.append(time.process_time() - start)
    peaks = found.arrays.peaks
    return peaks["f_x"], peaks["f_y"], float(np.median(times))


def sep_positions(image: np.ndarray, variance: np.ndarray, bad: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    import sep

    sep.set_extract_pixstack(3_000_000)
    offset = np.arange(-5, 6)
    kernel = np.exp(-0.5 * (offset**2 + offset[:, None] ** 2) / SIGMA**2)
    start = time.process_time()
    # Without its cleaning step, which loses bright sources in this mode.
    found = sep.extract(image, 5.0, var=variance, mask=bad, minarea=1, filter_kernel=kernel, filter_type="matched", clean=False)
    return found["x"], found["y"], time.process_time() - start


def main(folders: list[str]) -> None:
    print(f"{'':28s} {'n':>6s} {'false':>5s} {'purity':>8s}  " + " ".join(f"{a:g}-{b:g}".rjust(7) for a, b in BINS) + "   cpu s")
    all_figures = []
    for folder in map(Path, folders):
        with fits.open(folder / "visit.fits") as hdus:
            image = hdus["IMAGE"].data.astype(np.float32)
            variance = hdus["VARIANCE"].data.astype(np.float32)
            mask = hdus["MASK"].data.astype(np.int32)
        truth = Table.read(folder / "visit_truth.fits")
        exposure = Exposure.from_arrays(image, variance, mask, planes={"BAD": 0, "SAT": 1, "CR": 2}, psf=GaussianPsf(25, SIGMA))
        exposure.image.array -= estimate_sky(exposure.masked_image, psf_sigma=SIGMA).image().array
        masked = maximum_filter((mask > 0).astype(np.uint8), 11) > 0
        all_figures.append(row(f"skysift {folder.name}", truth, masked, *skysift_positions(exposure)))
        try:
            bad = (mask > 0) | ~np.isfinite(image)
            positions = sep_positions(np.where(bad, 0, exposure.image.array).astype(np.float32), variance, bad)
        except ImportError:
            continue
        row(f"sep     {folder.name}", truth, masked, *positions)
    mean = np.mean(all_figures, axis=0)
    print(f"{'skysift, mean':28s} {'':6s} {'':5s} {mean[0]:8.4f}  " + " ".join(f"{c:7.4f}" for c in mean[1:]))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
