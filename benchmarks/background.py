"""CPU time of background, repair and convolution on a simulated 4096 x 4096 image, beside sep and scipy where they do the same.

Run ``python benchmarks/background.py [size]``. Each figure is the median of five runs of CPU time in one process.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from skysift.background import estimate_sky, fit_background
from skysift.background.config import BackgroundConfig
from skysift.image import Exposure, Image, MaskedImage
from skysift.kernels.convolve import separable_gaussian
from skysift.psf import GaussianPsf
from skysift.repair import repair

NOISE = 30.0


def cpu(function: Callable[[], object]) -> float:
    function()
    times = []
    for _ in range(5):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return statistics.median(times)


def simulate(size: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:size, :size] / size
    sky = 875 * (1 + 0.02 * x - 0.012 * y)
    sources = np.zeros((size, size))
    n = size * size // 2000
    np.add.at(sources, (rng.integers(0, size, n), rng.integers(0, size, n)), (500 * rng.pareto(1.0, n)).clip(0, 5e5))
    sources = 0.9 * gaussian_filter(sources, 1.8) + 0.1 * gaussian_filter(sources, 8.0)
    return (sky + sources + rng.normal(0, NOISE, sky.shape)).astype(np.float32), sky


def main() -> None:
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 4096
    image, truth = simulate(size)
    masked = MaskedImage(Image(image), None, Image(np.full_like(image, NOISE**2)))
    config = BackgroundConfig()
    config.useApprox = False
    lsst = fit_background(masked, config)
    sky = estimate_sky(masked)
    work = Image(image.copy())

    print(f"image {size} x {size}, CPU seconds")
    print(f"fit_background (MEANCLIP, 128)      {cpu(lambda: fit_background(masked, config)):7.3f}")
    print(f"Background.image (Akima)            {cpu(lsst.image):7.3f}")
    print(f"Background.subtract_from            {cpu(lambda: sky.subtract_from(work)):7.3f}")
    print(f"estimate_sky                        {cpu(lambda: estimate_sky(masked)):7.3f}")
    smooth = cpu(lambda: separable_gaussian(image, None, None, 1.8, 5))
    print(f"separable_gaussian, 11 taps         {smooth:7.3f}")

    def scipy_gaussian() -> None:
        gaussian_filter1d(gaussian_filter1d(image, 1.8, axis=0, radius=5), 1.8, axis=1, radius=5)

    print(f"  scipy.ndimage                     {cpu(scipy_gaussian):7.3f}")
    psf = GaussianPsf(21, 1.8)
    print(f"repair (cosmic rays)                {cpu(lambda: repair(Exposure(masked, psf=psf), keep_crs=True)):7.3f}")

    print("mean error of the sky, in units of the noise")
    print(f"  estimate_sky                      {(sky.image().array - truth).mean() / NOISE:+8.4f}")
    print(f"  fit_background                    {(lsst.image().array - truth).mean() / NOISE:+8.4f}")
    try:
        import sep
    except ImportError:
        return
    print(f"  sep                               {(sep.Background(image).back() - truth).mean() / NOISE:+8.4f}")
    print(f"sep.Background(...).back()          {cpu(lambda: sep.Background(image).back()):7.3f}")


if __name__ == "__main__":
    main()
