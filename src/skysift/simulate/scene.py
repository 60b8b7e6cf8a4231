"""A field of stars and galaxies, observed: sky, Poisson and read noise, saturation with bleeding, cosmic rays and bad columns."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from skysift.errors import InputError
from skysift.simulate.profiles import DE_VAUCOULEURS, EXPONENTIAL, MixturePsf

if TYPE_CHECKING:
    from skysift.image import Exposure

__all__ = ["TRUTH_COLUMNS", "SceneConfig", "Truth", "simulate"]

Truth = dict[str, np.ndarray]
"""Columns of the truth, those of `TRUTH_COLUMNS`."""

TRUTH_COLUMNS = {
    "id": ("", "number of the object, from 1"),
    "x": ("pixel", "position, 0-based"),
    "y": ("pixel", "position, 0-based"),
    "ra": ("deg", "right ascension"),
    "dec": ("deg", "declination"),
    "flux": ("electron", "total flux"),
    "mag": ("mag", "magnitude of the total flux"),
    "is_star": ("", "whether it is a point source"),
    "half_light_radius": ("pixel", "of a galaxy's disc, before the seeing"),
    "e1": ("", "distortion of a galaxy along x, before the seeing"),
    "e2": ("", "distortion of a galaxy along the diagonal, before the seeing"),
    "snr": ("", "signal-to-noise ratio of the PSF flux of a point source of that flux"),
}
"""Unit and meaning of each column of the truth."""


@dataclass(frozen=True)
class SceneConfig:
    """What is simulated.

    Attributes
    ----------
    width, height
        Size of the image, pixels.
    stars, galaxies
        How many of each, per 1024 x 1024 pixels.
    seed
        Of the sky and the noise.
    visit
        Number of the exposure: same sky, another noise, seeing and cosmic rays.
    fwhm
        Seeing at the field centre, pixels.
    sky, read_noise
        Sky level (electrons per pixel) and read noise (electrons).
    gain
        Electrons per count; the image is in counts.
    zero_point
        Magnitude that gives one electron.
    saturation
        Full well, electrons.
    pixel_scale
        Arcsec.
    ra, dec
        Field centre, degrees.
    cosmic_rays, bad_columns
        How many, per 1024 x 1024 pixels.
    sky_gradient
        Relative change of the sky across the field.
    subtract_sky
        Whether the sky is taken out of the image (its noise stays).
    """

    width: int = 1024
    height: int = 1024
    stars: int = 90
    galaxies: int = 420
    seed: int = 1
    visit: int = 1
    fwhm: float = 3.6
    sky: float = 800.0
    read_noise: float = 8.0
    gain: float = 1.0
    zero_point: float = 32.0
    saturation: float = 1.0e5
    pixel_scale: float = 0.2
    ra: float = 150.1
    dec: float = 2.2
    cosmic_rays: int = 5
    bad_columns: int = 1
    sky_gradient: float = 0.02
    subtract_sky: bool = False


def _magnitudes(rng: np.random.Generator, n: int, bright: float, faint: float, slope: float) -> np.ndarray:
    low, high = 10 ** (slope * bright), 10 ** (slope * faint)
    return np.log10(low + (high - low) * rng.random(n)) / slope


def _sky_population(config: SceneConfig) -> tuple[Truth, np.ndarray]:
    area = config.width * config.height / 1024**2
    n_star, n_galaxy = int(round(config.stars * area)), int(round(config.galaxies * area))
    rng = np.random.default_rng([config.seed, 0])
    n = n_star + n_galaxy
    is_star = np.arange(n) < n_star
    mag = np.concatenate([_magnitudes(rng, n_star, 15.5, 25.5, 0.18), _magnitudes(rng, n_galaxy, 18.0, 25.6, 0.30)])
    radius = np.clip(10 ** (-0.05 - 0.09 * (mag - 20.0) + 0.17 * rng.standard_normal(n)), 0.08, 4.0) / config.pixel_scale
    bulge = np.clip(rng.beta(0.6, 1.6, n), 0.0, 1.0)
    ellipticity, angle = np.minimum(rng.rayleigh(0.3, n), 0.85), np.pi * rng.random(n)
    radius[is_star] = bulge[is_star] = ellipticity[is_star] = 0.0
    truth: Truth = {
        "id": np.arange(1, n + 1),
        "x": rng.uniform(2.0, config.width - 3.0, n),
        "y": rng.uniform(2.0, config.height - 3.0, n),
        "flux": 10 ** (-0.4 * (mag - config.zero_point)),
        "mag": mag,
        "is_star": is_star,
        "half_light_radius": radius,
        "e1": ellipticity * np.cos(2.0 * angle),
        "e2": ellipticity * np.sin(2.0 * angle),
    }
    return truth, bulge


def _render(truth: Truth, bulge: np.ndarray, psf: MixturePsf, shape: tuple[int, int], floor: float) -> np.ndarray:
    from skysift.kernels.render import add_gaussians, reach

    image = np.zeros(shape)
    psf_xx, psf_yy, psf_xy = psf.moments(truth["x"], truth["y"])
    radius = truth["half_light_radius"]

    def add(flux: np.ndarray, gxx: np.ndarray | float, gyy: np.ndarray | float, gxy: np.ndarray | float) -> None:
        for weight, ratio in zip(psf.weights, psf.ratios):
            xx, yy, xy = psf_xx * ratio**2 + gxx, psf_yy * ratio**2 + gyy, psf_xy * ratio**2 + gxy
            amplitude = flux * weight
            add_gaussians(image, truth["x"], truth["y"], amplitude, xx, yy, xy, reach(amplitude, np.maximum(xx, yy), floor))

    add(np.where(truth["is_star"], truth["flux"], 0.0), 0.0, 0.0, 0.0)
    for profile, fraction, size in ((EXPONENTIAL, 1.0 - bulge, 1.0), (DE_VAUCOULEURS, bulge, 0.5)):
        flux = np.where(truth["is_star"], 0.0, truth["flux"] * fraction)
        for weight, variance in zip(profile.weights, profile.variances):
            s = variance * (size * radius) ** 2
            add(flux * weight, s * (1.0 + truth["e1"]), s * (1.0 - truth["e1"]), s * truth["e2"])
    return image


def simulate(config: SceneConfig | None = None) -> tuple[Exposure, Truth]:
    """Simulate one exposure.

    Parameters
    ----------
    config
        What to simulate; None for the defaults.

    Returns
    -------
    exposure
        Image (float32, counts), mask (planes BAD and SAT), variance (counts^2, the true one), WCS, photometric calibration. It carries no PSF.
    truth
        See `TRUTH_COLUMNS`.

    Raises
    ------
    InputError
        If the image has no pixels.
    """
    from skysift.image import Exposure, FilterLabel, PhotoCalib, SkyWcs, VisitInfo

    config = config or SceneConfig()
    if config.width < 1 or config.height < 1:
        raise InputError(f"cannot simulate an image of {config.width} x {config.height} pixels: both sides must be at least 1")
    shape = (config.height, config.width)
    truth, bulge = _sky_population(config)
    rng = np.random.default_rng([config.seed, config.visit])
    seeing = config.fwhm * (1.0 if config.visit == 1 else rng.uniform(0.9, 1.15))
    psf = MixturePsf(seeing, shape)
    sources = _render(truth, bulge, psf, shape, 0.02 * np.sqrt(config.sky + config.read_noise**2))

    v = (np.arange(config.height)[:, None] / config.height - 0.5) * 2.0
    u = (np.arange(config.width)[None, :] / config.width - 0.5) * 2.0
    sky = config.sky * (1.0 + config.sky_gradient * (u - 0.6 * v + 0.5 * u * v))
    electrons = rng.poisson(np.maximum(sources + sky, 0.0)).astype(np.float64)
    electrons += config.read_noise * rng.standard_normal(shape)
    variance = sources + sky + config.read_noise**2

    mask = np.zeros(shape, np.int32)
    _saturate(electrons, sources + sky, mask, config, rng)
    _add_cosmic_rays(electrons, config, rng)
    for _ in range(int(round(config.bad_columns * config.width * config.height / 1024**2))):
        column, start = rng.integers(0, config.width), rng.integers(0, max(config.height // 2, 1))
        electrons[start:, column] = 0.0
        mask[start:, column] |= 1
    if config.subtract_sky:
        electrons -= sky

    scale = config.pixel_scale / 3600.0
    wcs = SkyWcs.tan(
        (config.ra, config.dec), (0.5 * (config.width - 1), 0.5 * (config.height - 1)), np.array([[-scale, 0.0], [0.0, scale]])
    )
    truth["ra"], truth["dec"] = (np.degrees(a) for a in wcs.pixel_to_sky(truth["x"], truth["y"]))
    area = 1.0 / (psf.stamps(truth["x"], truth["y"], 25) ** 2).sum(axis=(1, 2)) if truth["x"].size else np.empty(0)
    truth["snr"] = truth["flux"] / np.sqrt(area * (config.sky + config.read_noise**2))

    exposure = Exposure.from_arrays(
        electrons / config.gain,
        variance / config.gain**2,
        mask,
        wcs=wcs,
        planes={"BAD": 0, "SAT": 1},
        photo_calib=PhotoCalib(10 ** (-0.4 * (config.zero_point - 31.4)) * config.gain),
    )
    exposure.visit_info = VisitInfo(exposure_time=30.0, id=config.visit)
    exposure.filter_label = FilterLabel("r", "r_simulated")
    exposure.metadata.update({f"SIM {k.upper()}"[:68]: v for k, v in asdict(config).items()})
    exposure.metadata.update(
        {"GAIN": config.gain, "RDNOISE": config.read_noise / config.gain, "SATURATE": config.saturation / config.gain, "SEEING": seeing}
    )
    return exposure, truth


def _saturate(electrons: np.ndarray, expected: np.ndarray, mask: np.ndarray, config: SceneConfig, rng: np.random.Generator) -> None:
    """Clip at the full well and let the excess bleed along the columns."""
    excess = np.clip(expected - config.saturation, 0.0, None)
    for column in np.flatnonzero(excess.any(axis=0)):
        rows = np.flatnonzero(excess[:, column])
        spill = int(excess[rows, column].sum() / config.saturation / 2.0) + 1
        mask[max(rows[0] - spill, 0) : rows[-1] + spill + 1, column] |= 2
    full = (mask & 2) != 0
    electrons[full] = config.saturation + rng.normal(0.0, 30.0, int(full.sum()))


def _add_cosmic_rays(electrons: np.ndarray, config: SceneConfig, rng: np.random.Generator) -> None:
    ny, nx = electrons.shape
    for _ in range(int(round(config.cosmic_rays * nx * ny / 1024**2))):
        steps = np.arange(rng.integers(1, 30))
        angle = np.pi * rng.random()
        x = np.round(rng.uniform(0, nx) + steps * np.cos(angle)).astype(int)
        y = np.round(rng.uniform(0, ny) + steps * np.sin(angle)).astype(int)
        inside = (x >= 0) & (x < nx) & (y >= 0) & (y < ny)
        electrons[y[inside], x[inside]] += rng.uniform(400.0, 6000.0) * rng.uniform(0.5, 1.5, int(inside.sum()))
