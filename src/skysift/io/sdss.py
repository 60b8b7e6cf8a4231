"""Noise of SDSS frames, from the sky and the calibration that come with them.

Source: the data model of the SDSS `frame` files, which tabulates gain and dark variance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from astropy.io.fits import HDUList

__all__ = ["frame_variance"]

_BANDS = "ugriz"
_GAIN = (
    (1.62, 3.32, 4.71, 5.165, 4.745),
    (1.595, 3.855, 4.6, 6.565, 5.155),
    (1.59, 3.845, 4.72, 4.86, 4.885),
    (1.6, 3.995, 4.76, 4.885, 4.775),
    (1.47, 4.05, 4.725, 4.64, 3.48),
    (2.17, 4.035, 4.895, 4.76, 4.69),
)
_DARK_VARIANCE = (
    (9.61, 15.6025, 1.8225, 7.84, 0.81),
    (12.6025, 1.44, 1.00, 5.76, 1.0),
    (8.7025, 1.3225, 1.3225, 4.6225, 1.0),
    (12.6025, 1.96, 1.3225, 6.25, 9.61),
    (9.3025, 1.1025, 0.81, 7.84, 1.8225),
    (7.0225, 1.8225, 0.9025, 5.0625, 1.21),
)
# Columns of the camera that changed: (camera column, band) -> (first run with the new value, value).
_LATER_GAIN = {(2, "u"): (1100, 1.825)}
_LATER_DARK_VARIANCE = {(2, "i"): (1500, 6.25), (4, "i"): (1500, 7.5625), (4, "z"): (1500, 12.6025), (5, "z"): (1500, 2.1025)}


def frame_variance(hdulist: HDUList, pixels: np.ndarray, slices: tuple[slice, slice] | None) -> np.ndarray | None:
    """Compute the variance of an SDSS frame.

    Parameters
    ----------
    hdulist
        The open file: calibrated image, calibration by column, sky on a coarse grid.
    pixels
        float32 image of shape (ny, nx), nanomaggies, without the sky.
    slices
        (y, x) slices that `pixels` are of the whole image; None for all.

    Returns
    -------
    variance
        float32 of shape (ny, nx), nanomaggies^2: `(dn / gain + dark variance) * calibration^2` with `dn = pixels / calibration + sky`;
        None if the file is no SDSS frame.
    """
    header = hdulist[0].header
    column, band, run = header.get("CAMCOL"), str(header.get("FILTER", "")).strip(), header.get("RUN")
    if "NMGY" not in header or len(hdulist) < 3 or column not in range(1, 7) or band not in tuple(_BANDS) or not isinstance(run, int):
        return None
    try:
        calibration = np.asarray(hdulist[1].data, dtype=np.float64)
        table = hdulist[2].data
        sky, x, y = (np.asarray(table[name][0], dtype=np.float64) for name in ("ALLSKY", "XINTERP", "YINTERP"))
    except (KeyError, IndexError, TypeError, ValueError, OSError):
        return None
    rows, columns = slices or (slice(0, pixels.shape[0]), slice(0, pixels.shape[1]))
    calibration, x, y = calibration[columns], x[columns], y[rows]
    if calibration.shape != pixels.shape[1:] or x.shape != calibration.shape or y.shape != pixels.shape[:1] or sky.ndim != 2:
        return None
    gain = _constant(_GAIN, _LATER_GAIN, column, band, run)
    dark = _constant(_DARK_VARIANCE, _LATER_DARK_VARIANCE, column, band, run)
    counts = np.maximum(pixels / calibration + _interpolated(sky, x, y), 0)
    return np.asarray((counts / gain + dark) * calibration**2, dtype=np.float32)


def _constant(table: Any, later: dict[tuple[int, str], tuple[int, float]], column: int, band: str, run: int) -> float:
    first_run, value = later.get((column, band), (run + 1, 0.0))
    return value if run >= first_run else float(table[column - 1][_BANDS.index(band)])


def _interpolated(grid: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Interpolate bilinearly at all pairs of y and x, held constant beyond the grid."""

    def weights(positions: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        clipped = np.clip(positions, 0, size - 1)
        low = np.minimum(clipped.astype(np.intp), max(size - 2, 0))
        return low, np.minimum(low + 1, size - 1), clipped - low

    y_low, y_high, fy = weights(y, grid.shape[0])
    x_low, x_high, fx = weights(x, grid.shape[1])
    along_y = grid[y_low] * (1 - fy)[:, None] + grid[y_high] * fy[:, None]
    return along_y[:, x_low] * (1 - fx) + along_y[:, x_high] * fx
