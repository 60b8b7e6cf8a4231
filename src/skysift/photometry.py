"""PSF photometry by hand: the plain functions that a first lesson on the subject asks for, on bare arrays.

They use the simplest estimators. For honest errors, blends and a real PSF use `skysift.process` or the `skysift` command.
Positions are 0-based with pixel centres at integers; a cut-out that begins at pixel (x_start, y_start) of its image gives positions in the image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from skysift.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["centroid", "find_peaks", "gaussian_2d", "psf_flux", "run_photometry", "second_moment"]


def _as_image(image: npt.ArrayLike, name: str = "image") -> np.ndarray:
    array = np.asarray(image)
    if array.ndim != 2:
        raise InputError(f"{name} has {array.ndim} dimensions: a 2-D array indexed [y, x] is needed")
    return array


def _grid(shape: tuple[int, ...], x_start: float, y_start: float) -> tuple[np.ndarray, np.ndarray]:
    return np.meshgrid(np.arange(shape[1]) + x_start, np.arange(shape[0]) + y_start)


def gaussian_2d(radius: npt.ArrayLike, sigma: float) -> np.ndarray:
    """Circular Gaussian of unit integral.

    Parameters
    ----------
    radius
        Distances from the centre, pixels, any shape.
    sigma
        Standard deviation, pixels.

    Returns
    -------
    profile
        float64, the shape of `radius`, per pixel.
    """
    return np.exp(-0.5 * (np.asarray(radius, np.float64) / sigma) ** 2) / (2.0 * np.pi * sigma**2)


def centroid(image_cutout: npt.ArrayLike, x_start: float = 0, y_start: float = 0) -> tuple[float, float]:
    """Mean position of the pixels weighted by their values.

    Parameters
    ----------
    image_cutout
        (ny, nx) image of one source, background subtracted.
    x_start, y_start
        Position of its first pixel, pixels.

    Returns
    -------
    x_center, y_center
        Pixels, in the frame of `x_start` and `y_start`; NaN when the values sum to zero.
    """
    data = _as_image(image_cutout, "image_cutout").astype(np.float64)
    total = data.sum()
    if total == 0.0 or not np.isfinite(total):
        return float("nan"), float("nan")
    xx, yy = _grid(data.shape, x_start, y_start)
    return float((xx * data).sum() / total), float((yy * data).sum() / total)


def second_moment(
    image_cutout: npt.ArrayLike, centroid_x: float, centroid_y: float, start_x: float = 0, start_y: float = 0
) -> tuple[float, float]:
    """Widths in x and y from the second moments of the squared pixel values.

    Parameters
    ----------
    image_cutout
        (ny, nx) image of one source, background subtracted.
    centroid_x, centroid_y
        Its centre, pixels.
    start_x, start_y
        Position of the first pixel, pixels, in the frame of the centre.

    Returns
    -------
    x_width, y_width
        sqrt(sum((f dx)^2) / sum(f^2)), pixels. A Gaussian of standard deviation sigma gives sigma / sqrt(2) in each, so
        that ``hypot(x_width, y_width)`` is its sigma. NaN for an image of zeros.
    """
    data = _as_image(image_cutout, "image_cutout").astype(np.float64)
    weight = data**2
    total = weight.sum()
    if total == 0.0 or not np.isfinite(total):
        return float("nan"), float("nan")
    xx, yy = _grid(data.shape, start_x, start_y)
    return float(np.sqrt((weight * (xx - centroid_x) ** 2).sum() / total)), float(np.sqrt((weight * (yy - centroid_y) ** 2).sum() / total))


def psf_flux(
    image_cutout: npt.ArrayLike,
    centroid_x: float,
    centroid_y: float,
    psf_width: float,
    x_start: float = 0,
    y_start: float = 0,
) -> float:
    """Maximum-likelihood flux of a Gaussian PSF at a given position, sum(f p) / sum(p^2).

    Parameters
    ----------
    image_cutout
        (ny, nx) image, background subtracted.
    centroid_x, centroid_y
        Position of the source, pixels.
    psf_width
        Standard deviation of the PSF, pixels.
    x_start, y_start
        Position of the first pixel, pixels, in the frame of the centroid.

    Returns
    -------
    flux
        Unit of the image times pixel; NaN when the PSF does not reach the cut-out.
    """
    data = _as_image(image_cutout, "image_cutout").astype(np.float64)
    xx, yy = _grid(data.shape, x_start, y_start)
    psf = gaussian_2d(np.hypot(xx - centroid_x, yy - centroid_y), psf_width)
    norm = (psf**2).sum()
    return float((data * psf).sum() / norm) if norm > 0 else float("nan")


def find_peaks(image: npt.ArrayLike, threshold: float, *, border: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Pixels that are above the threshold and above all eight neighbours.

    Parameters
    ----------
    image
        (ny, nx), usually convolved with the PSF.
    threshold
        In the unit of the image.
    border
        Pixels to leave out along each edge, where detectors are unreliable.

    Returns
    -------
    x, y
        int64 (n,) pixels, in raster order.
    """
    from skysift.kernels.photometry import local_maxima

    return local_maxima(np.ascontiguousarray(_as_image(image), np.float32), float(threshold), max(int(border), 1))


def run_photometry(image: npt.ArrayLike, threshold: float, psf_width: float) -> pd.DataFrame:
    """Find sources in an image and measure their positions, sizes and PSF fluxes.

    Parameters
    ----------
    image
        (ny, nx), background subtracted.
    threshold
        For the peaks of the image convolved with the PSF, in its unit.
    psf_width
        Standard deviation of the Gaussian PSF, pixels.

    Returns
    -------
    table
        DataFrame with one row per source, the brightest first: centroid_x, centroid_y, moment_x, moment_y (pixels, see `second_moment`), gaussian_flux.

    Raises
    ------
    InputError
        If the width is not positive or the image is not 2-D.
    """
    import pandas as pd

    from skysift.kernels.convolve import separable_gaussian
    from skysift.kernels.photometry import measure_peaks

    if not psf_width > 0:
        raise InputError(f"psf_width is {psf_width}: a positive width in pixels is needed")
    data = np.ascontiguousarray(_as_image(image), np.float32)
    half = max(3, int(np.ceil(3.0 * psf_width)))
    columns = ("centroid_x", "centroid_y", "moment_x", "moment_y", "gaussian_flux")
    if min(data.shape) <= 2 * half:
        return pd.DataFrame({name: np.empty(0) for name in columns})
    smoothed, _, _ = separable_gaussian(np.nan_to_num(data), None, None, psf_width, half)
    x, y = find_peaks(smoothed, threshold, border=max(5, half))
    table = measure_peaks(data, x, y, half, float(psf_width))
    table = table[np.argsort(-table[:, 4], kind="stable")]
    return pd.DataFrame(dict(zip(columns, table.T)))
