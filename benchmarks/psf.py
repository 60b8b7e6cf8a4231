"""Quality and cost of the PSF on simulated exposures whose PSF is known.

``python benchmarks/psf.py sim/visit.fits [more.fits ...]``

Each file has the planes IMAGE (with its sky), MASK (1 bad, 2 saturated, 4 cosmic ray) and VARIANCE, and in its primary header the coefficients of the
PSF: a Kolmogorov profile whose FWHM and shears are quadratic in position (PFWHM0..5, PG10..5, PG20..5, terms 1 u v u² uv v²). A table
`<name>_truth.fits` beside it names the contaminated stars. GalSim's adaptive moments of the model are compared with those of the
truth on a 15 x 15 grid; columns are 1e-4. CPU seconds are medians of three runs.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import median

import galsim
import numpy as np
from astropy.io import fits

from skysift.characterize import characterize_image, determine_psf
from skysift.characterize.config import CharacterizeImageConfig
from skysift.image import Exposure


class Truth:
    """The PSF of a simulated file."""

    def __init__(self, header: fits.Header) -> None:
        self.size = int(header["NX"])
        self.scale = float(header["PIXSCALE"])
        self.coefficients = np.array([[header[f"{key}{j}"] for j in range(6)] for key in ("PFWHM", "PG1", "PG2")])

    def image(self, x: float, y: float, size: int) -> np.ndarray:
        """Draw the PSF at a position, with the pixel, centred."""
        u, v = (x - (self.size - 1) / 2) / (self.size / 2), (y - (self.size - 1) / 2) / (self.size / 2)
        fwhm, g1, g2 = self.coefficients @ np.array([1.0, u, v, u * u, u * v, v * v])
        psf = galsim.Kolmogorov(fwhm=fwhm).shear(g1=g1, g2=g2)
        return psf.drawImage(galsim.Image(size, size, dtype=float), scale=self.scale).array

    def grid(self, n: int = 15) -> tuple[np.ndarray, np.ndarray]:
        """Give the centres of n x n cells of the image."""
        centers = (np.arange(n) + 0.5) * self.size / n - 0.5
        x, y = np.meshgrid(centers, centers)
        return x.ravel(), y.ravel()


def moments(image: np.ndarray) -> tuple[float, float, float]:
    found = galsim.Image(np.ascontiguousarray(image, float), scale=1.0).FindAdaptiveMom()
    e1, e2 = found.observed_shape.e1, found.observed_shape.e2
    return 2 * found.moments_sigma**2 / np.sqrt(1 - e1 * e1 - e2 * e2), e1, e2


def figures(psf, truth: Truth) -> str:
    x, y = truth.grid()
    kernels = psf.kernels(x, y)
    true = np.array([truth.image(a, b, psf.size) for a, b in zip(x, y)])
    model, reference = (np.array([moments(image) for image in images]) for images in (kernels, true))
    size = model[:, 0] / reference[:, 0] - 1
    shape = model[:, 1:] - reference[:, 1:]
    flux = (kernels * true).sum(axis=(1, 2)) / (kernels**2).sum(axis=(1, 2)) - 1
    return (
        f"dT/T mean {1e4 * size.mean():6.1f} rms {1e4 * size.std():5.1f}"
        f"  de1 {1e4 * shape[:, 0].std():4.1f}  de2 {1e4 * shape[:, 1].std():4.1f}"
        f"  flux mean {1e4 * flux.mean():6.1f} rms {1e4 * flux.std():4.1f}"
    )


def read(path: Path) -> tuple[Exposure, Truth]:
    with fits.open(path) as hdus:
        bits = hdus["MASK"].data.astype(np.int32)
        exposure = Exposure.from_arrays(hdus["IMAGE"].data, hdus["VARIANCE"].data)
        for bit, plane in ((1, "BAD"), (2, "SAT"), (4, "CR")):
            exposure.mask.set(plane, (bits & bit) != 0)
        return exposure, Truth(hdus[0].header)


def contaminated(path: Path, catalog, candidates: np.ndarray, n: int = 5) -> np.ndarray:
    """Rows that are no candidates: stars with a neighbour's light within 12 pixels, the worst first, and bright galaxies if those are too few."""
    table = fits.getdata(path.with_name(f"{path.stem}_truth.fits"))
    bright = table[(table["peak"] < 9e4) & (table["psfflux"] > 100 * table["sig_psf_sky"])]
    light = np.where(bright["star"], bright["nbr_flux12"] / bright["flux"], 0.0)
    order = np.argsort(-light, kind="stable")
    bad = bright[order][(light > 0.1)[order] | ~bright["star"][order]]
    distance = np.hypot(catalog.x[:, None] - bad["x"], catalog.y[:, None] - bad["y"])
    found = np.nanmin(distance, axis=0) < 2
    rows = dict.fromkeys(np.nanargmin(distance, axis=0)[found].tolist())
    return np.array([row for row in rows if row not in candidates][:n])


def main() -> None:
    config = CharacterizeImageConfig()
    for path in map(Path, sys.argv[1:]):
        cpu = []
        for _ in range(3):
            exposure, truth = read(path)
            start = time.process_time()
            found = characterize_image(exposure, config)
            cpu.append(time.process_time() - start)
        rows = found.psf.rows
        print(f"{path}: characterisation {median(cpu):.2f} s CPU, {len(found.catalog)} sources, {len(rows)} candidates")
        choice = config.measurePsf.psfDeterminer
        for label, extra in (("own selection", []), ("and five contaminated", contaminated(path, found.catalog, rows))):
            chosen = np.union1d(rows, np.asarray(extra, np.int64))
            cpu = []
            for _ in range(3):
                start = time.process_time()
                solution = determine_psf(exposure, found.catalog, chosen, choice)
                cpu.append(time.process_time() - start)
            print(f"  {label:24s} {solution.used.sum()}/{len(chosen)} stars, {median(cpu):.2f} s CPU: {figures(solution.psf, truth)}")


if __name__ == "__main__":
    main()
