"""Square cut-outs of stars with their noise: what PSF models are fitted to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skysift.image import MaskedImage

__all__ = ["StarStamps", "cut_stamps"]


@dataclass(frozen=True)
class StarStamps:
    """Cut-outs of stars, each centred on the pixel that holds the star's position."""

    pixels: NDArray[np.float32]
    """(n, k, k) counts; zero where not usable."""
    usable: NDArray[np.bool_]
    """(n, k, k) whether a pixel counts: inside the image, finite, of positive variance and without a bad mask plane."""
    noise: NDArray[np.float64]
    """(n,) variance of the sky, counts²."""
    gain: float
    """Variance per count of signal (the inverse gain), one number for all; 0 where the variance does not grow with the signal."""
    x: NDArray[np.float64]
    """(n,) position, pixels, PARENT."""
    y: NDArray[np.float64]
    """(n,) position, pixels, PARENT."""
    x0: NDArray[np.int64]
    """(n,) PARENT column of each stamp's first pixel."""
    y0: NDArray[np.int64]
    """(n,) PARENT row of each stamp's first pixel."""

    def __len__(self) -> int:
        return len(self.x)

    @property
    def size(self) -> int:
        """Width and height, pixels."""
        return int(self.pixels.shape[-1])

    @property
    def offsets(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Positions relative to the middle pixel, (n,) each."""
        half = self.size // 2
        return self.x - self.x0 - half, self.y - self.y0 - half

    def __getitem__(self, rows: NDArray) -> StarStamps:
        """Give the stamps of some rows: bool or index array."""
        return StarStamps(
            self.pixels[rows], self.usable[rows], self.noise[rows], self.gain, self.x[rows], self.y[rows], self.x0[rows], self.y0[rows]
        )


def cut_stamps(
    masked_image: MaskedImage, x: ArrayLike, y: ArrayLike, size: int, bad_planes: Sequence[str] = ("BAD", "SAT", "CR", "INTRP", "NO_DATA")
) -> StarStamps:
    """Cut out stars and learn the noise from the variance plane.

    The variance plane of real data follows the noisy pixels, and weights made of it bias a fit; so only two numbers are taken of it, the sky's variance
    around each star and the common slope of variance against signal (cf. the straight-line fit of LSST's `PiffPsfDeterminer`).

    Parameters
    ----------
    masked_image
        The image, background subtracted.
    x, y
        (n,) positions, pixels, PARENT; finite.
    size
        Odd width and height, pixels. Stamps may reach beyond the image; what lies outside is not usable.
    bad_planes
        Mask planes of pixels that do not count; names that the mask lacks are ignored.

    Returns
    -------
    stamps
        One per position.

    Raises
    ------
    InputError
        Even or non-positive size.
    """
    if size < 1 or size % 2 == 0:
        raise InputError(f"star stamps need an odd positive size, not {size}")
    ax, ay = np.asarray(x, np.float64).ravel(), np.asarray(y, np.float64).ravel()
    box = masked_image.image.bbox
    x0 = np.floor(ax + 0.5).astype(np.int64) - size // 2
    y0 = np.floor(ay + 0.5).astype(np.int64) - size // 2
    rows = (y0 - box.min_y)[:, None, None] + np.arange(size)[None, :, None]
    columns = (x0 - box.min_x)[:, None, None] + np.arange(size)[None, None, :]
    inside = (rows >= 0) & (rows < box.height) & (columns >= 0) & (columns < box.width)
    if box.is_empty:
        pixels = np.zeros(inside.shape, np.float32)
        variance = np.zeros_like(pixels)
        usable = np.zeros(inside.shape, bool)
    else:
        at = (np.clip(rows, 0, box.height - 1), np.clip(columns, 0, box.width - 1))
        pixels, variance = masked_image.image.array[at], masked_image.variance.array[at]
        bits = masked_image.mask.bitmask(*bad_planes, ignore_missing=True)
        usable = inside & np.isfinite(pixels) & np.isfinite(variance) & (variance > 0) & (masked_image.mask.array[at] & bits == 0)
    pixels = np.where(usable, pixels, np.float32(0)).astype(np.float32)
    noise, gain = _noise_model(pixels, variance, usable)
    return StarStamps(pixels, usable, noise, gain, ax, ay, x0, y0)


def _noise_model(
    pixels: NDArray[np.float32], variance: NDArray[np.float32], usable: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], float]:
    """Sky variance of each stamp, from its border, and the slope of variance against signal, from all bright pixels."""
    size = pixels.shape[-1]
    if len(pixels) == 0:
        return np.zeros(0), 0.0
    border = np.ones((size, size), bool)
    width = max(1, size // 8)
    border[width:-width, width:-width] = False
    ring = np.where(usable, variance, np.nan)[:, border]
    whole = np.where(usable, variance, np.nan).reshape(len(pixels), -1)
    whole[~usable.any(axis=(1, 2)), 0] = 1.0
    starved = np.isnan(ring).all(axis=1)
    ring[starved, 0] = np.nanmin(whole[starved], axis=1) if starved.any() else 0.0
    noise = np.nanmedian(ring, axis=1).astype(np.float64)
    bright = usable & (pixels > 10.0 * np.sqrt(noise)[:, None, None])
    signal = pixels[bright].astype(np.float64)
    excess = (variance - noise[:, None, None])[bright]
    gain = float(signal @ excess / (signal @ signal)) if len(signal) else 0.0
    return noise, max(gain, 0.0)
