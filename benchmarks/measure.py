"""CPU time of every measurement plugin a source, with aperture sums by sep in the same run.

python benchmarks/measure.py [--size 2048] [--repeat 5] [--plugins skysift_ModelExtendedness ...]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict

import numpy as np

from skysift.detection import find_sources
from skysift.measure import Measurement, MeasurementConfig, measurement_schema
from skysift.psf import GaussianPsf, PixelGridPsf
from skysift.simulate import SceneConfig, simulate
from skysift.table import SourceCatalog

EXTRA = ("ext_photometryKron_KronFlux", "skysift_PsfCentroid", "skysift_ModelExtendedness")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--plugins", nargs="*", default=EXTRA, help="beside the default ones")
    options = parser.parse_args()

    scene = SceneConfig(width=options.size, height=options.size, subtract_sky=True)
    exposure, _ = simulate(scene)
    kernel = GaussianPsf(41, scene.fwhm / 2.3548).kernels(0.0, 0.0)[0]
    basis = np.stack([kernel, *(0.01 * np.roll(kernel, shift, axis) for shift in (-1, 0, 1, 2, -2) for axis in (0, 1))])[:10]
    exposure.psf = PixelGridPsf(basis, 3, center=(options.size / 2, options.size / 2), scale=(options.size / 2, options.size / 2))
    footprints = find_sources(exposure).arrays
    n = len(footprints)
    config = MeasurementConfig()
    config.plugins.names |= set(options.plugins)
    measurement = Measurement(config)
    schema = measurement_schema(config)
    spent: dict[str, list[float]] = defaultdict(list)

    for plugin in measurement.plugins:
        inner = plugin.measure

        def timed(batch, inner=inner, name=plugin.name):  # type: ignore[no-untyped-def]
            start = time.process_time()
            inner(batch)
            spent[name][-1] += time.process_time() - start

        plugin.measure = timed  # type: ignore[method-assign]
    for _ in range(options.repeat + 1):
        for name in ("total", *(plugin.name for plugin in measurement.plugins)):
            spent[name].append(0.0)
        catalog = SourceCatalog(schema, n)
        start = time.process_time()
        measurement.run(catalog, exposure, footprints=footprints)
        spent["total"][-1] = time.process_time() - start
    # The first repetition loads kernels and makes tables.
    medians = {name: statistics.median(values[1:]) / n * 1e6 for name, values in spent.items()}
    print(f"{n} sources on {options.size} x {options.size} pixels; CPU microseconds a source, median of {options.repeat}")
    for name, value in sorted(medians.items(), key=lambda item: -item[1]):
        print(f"  {name:42s}{value:9.1f}")
    _against_sep(catalog, exposure, medians["base_CircularApertureFlux"], config.plugins["base_CircularApertureFlux"].radii, options.repeat)


def _against_sep(catalog: SourceCatalog, exposure, ours: float, radii, repeat: int) -> None:  # type: ignore[no-untyped-def]
    try:
        import sep
    except ImportError:
        print("sep is not installed: no comparison")
        return
    image, variance = exposure.image.array, exposure.variance.array
    good = np.isfinite(catalog.x) & np.isfinite(catalog.y)
    times = []
    for _ in range(repeat):
        start = time.process_time()
        for radius in radii:
            flux, _, _ = sep.sum_circle(image, catalog.x[good], catalog.y[good], radius, var=variance, subpix=0)
            if radius == 12.0:
                reference = flux
        times.append(time.process_time() - start)
    theirs = statistics.median(times) / good.sum() * 1e6
    print(
        f"the same {len(radii)} radii by sep (exact overlap, neighbours not hidden): {theirs:.1f}; ratio sep / skysift {theirs / ours:.2f}"
    )
    pull = (catalog["base_CircularApertureFlux_12_0_instFlux"][good] - reference) / catalog["base_CircularApertureFlux_12_0_instFluxErr"][
        good
    ]
    print(f"median difference at 12 pixels: {np.nanmedian(np.abs(pull)):.3f} standard errors")


if __name__ == "__main__":
    main()
