"""A PSF known on a grid of positions."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.errors import InputError
from skysift.psf.base import FINE, Mixture, Psf, resized_images
from skysift.psf.linear import _basis_array

__all__ = ["GridPsf"]


class GridPsf(Psf):
    """A PSF given by kernels at the nodes of a rectangular grid, interpolated bilinearly; the nearest edge holds outside.

    Images at a position are resampled by a finer kernel than LSST's Lanczos-5 (see `Resampling`).

    Parameters
    ----------
    kernels
        (ny, nx, k, k) with k odd; each is scaled to unit sum.
    x, y
        (nx,) and (ny,) positions of the nodes, increasing, pixels, PARENT.
    average_position
        See `Psf`; by default the middle of the grid.
    """

    resampling = FINE

    def __init__(self, kernels: ArrayLike, x: ArrayLike, y: ArrayLike, *, average_position: tuple[float, float] | None = None) -> None:
        grid = np.asarray(kernels, dtype=np.float64)
        self._x, self._y = np.array(x, np.float64).ravel(), np.array(y, np.float64).ravel()
        if grid.ndim != 4 or grid.shape[:2] != (len(self._y), len(self._x)):
            raise InputError(f"kernels of shape {grid.shape} do not fit a grid of {len(self._y)} rows and {len(self._x)} columns of nodes")
        if not ((np.diff(self._x) > 0).all() and (np.diff(self._y) > 0).all() and np.isfinite([*self._x, *self._y]).all()):
            raise InputError("the nodes of a PSF grid must be finite and increasing")
        basis = _basis_array(grid.reshape(-1, *grid.shape[2:]))
        total = basis.sum(axis=(1, 2))
        if (total == 0).any():
            raise InputError("a kernel of the PSF grid sums to zero")
        # a kernel whose sum is one but for rounding keeps its bits, so that a stored grid reads back as it was
        total[np.abs(total - 1.0) < 1e-12] = 1.0
        self._basis = basis / total[:, None, None]
        middle = (0.5 * (self._x[0] + self._x[-1]), 0.5 * (self._y[0] + self._y[-1]))
        super().__init__(basis.shape[1], middle if average_position is None else average_position)

    @property
    def grid(self) -> NDArray[np.float64]:
        """The kernels, (ny, nx, k, k)."""
        return self._basis.reshape(len(self._y), len(self._x), self._size, self._size)

    @property
    def nodes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The x (nx,) and y (ny,) of the nodes, pixels, PARENT."""
        return self._x, self._y

    @property
    def is_constant(self) -> bool:
        """Whether the kernel image is the same everywhere."""
        return len(self._basis) == 1

    def mixture(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> Mixture:
        """Give the four neighbouring kernels of each of (n,) positions and their bilinear weights."""
        i0, i1, u = _neighbours(self._x, x)
        j0, j1, v = _neighbours(self._y, y)
        nx = len(self._x)
        index = np.stack([j0 * nx + i0, j0 * nx + i1, j1 * nx + i0, j1 * nx + i1], axis=1)
        weight = np.stack([(1 - v) * (1 - u), (1 - v) * u, v * (1 - u), v * u], axis=1)
        return Mixture(self._basis, index, weight)

    def resized(self, size: int) -> GridPsf:
        """Give the same PSF with kernels cropped (and scaled to unit sum) or padded with zeros."""
        images = resized_images(self._basis, size)
        return GridPsf(images.reshape(*self.grid.shape[:2], size, size), self._x, self._y, average_position=self._average)


def _neighbours(
    nodes: NDArray[np.float64], position: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Give the nodes below and above each position and the fraction of the way between them, both clipped to the grid."""
    lower = np.clip(np.searchsorted(nodes, position, side="right") - 1, 0, max(len(nodes) - 2, 0)).astype(np.int64)
    upper = np.minimum(lower + 1, len(nodes) - 1)
    width = np.where(upper > lower, nodes[upper] - nodes[lower], 1.0)
    return lower, upper, np.clip((position - nodes[lower]) / width, 0.0, 1.0)
