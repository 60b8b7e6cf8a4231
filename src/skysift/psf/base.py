"""The PSF interface. Every kind gives a mixture of basis images; rendering, shapes and apertures follow from it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.errors import AlgorithmError, InputError, SkysiftError

if TYPE_CHECKING:
    from skysift.geom import Point2D, Quadrupole
    from skysift.image import Image

__all__ = ["FINE", "Mixture", "Psf", "Resampling"]

BLOCK = 1024
"""Sources rendered together, which bounds the memory of kinds that compute an image per source."""

MAX_SIZE = 4097
"""Width of a PSF image beyond which a model is taken for damaged, pixels."""

FARTHEST = 2.0**30
"""Positions beyond this many pixels do not fit an integer pixel index and count as no position."""


CORE_LOSS = 1e-8
CORE_MARGIN = 1.15


class Mixture(NamedTuple):
    """PSF images as sparse sums of basis images: source i is ``sum_t weight[i, t] * basis[which[i, t]]``."""

    basis: NDArray[np.float64]
    """(m, k, k) images."""
    which: NDArray[np.int64]
    """(n, t) which images."""
    weight: NDArray[np.float64]
    """(n, t) how much of each."""


class Resampling(NamedTuple):
    """How a mixture becomes an image at a sub-pixel position: by a windowed sinc whose taps are divided by their sum.

    The Lanczos-5 of LSST errs by 2e-3 of the peak at a sigma of 1.3 pixels and 1e-3 at 2.5. A sinc of 14 taps under the "exponential of semicircle"
    window (Barnett, Magland & af Klinteberg 2019, SIAM J. Sci. Comput. 41, C479), which Skysift's own models use, errs by 4e-4 and 3e-5.
    """

    order: int = 5
    """Half width of the sinc, samples."""
    beta: float = 0.0
    """Parameter of the window ``exp(beta (sqrt(1 - (x / order)²) - 1))``; 0 for that of Lanczos."""
    step: float = 1.0
    """Samples of the basis images per pixel."""
    clip: bool = False
    """Taps beyond the basis image are left out rather than zero."""
    unit_sum: bool = False
    """The resampled image is scaled to unit sum."""

    def matrix(self, offset: float, n_in: int, n_out: int) -> NDArray[np.float64]:
        """Give the linear map of one axis.

        Parameters
        ----------
        offset
            Sub-pixel position of the centre, pixels.
        n_in, n_out
            Samples of the basis image and pixels of the result; the centres are elements ``n // 2``.

        Returns
        -------
        matrix
            (n_out, n_in): an image is ``matrix(dy) @ basis @ matrix(dx).T``.
        """
        position = n_in // 2 + (np.arange(n_out) - n_out // 2 - offset) * self.step
        start = np.floor(position).astype(np.int64) - self.order + 1
        node = start[:, None] + np.arange(2 * self.order)
        distance = node - position[:, None]
        near = np.clip(1.0 - (distance / self.order) ** 2, 0.0, None)
        window = np.exp(self.beta * (np.sqrt(near) - 1.0)) if self.beta > 0 else np.sinc(distance / self.order)
        weights = np.where(np.abs(distance) < self.order, np.sinc(distance) * window, 0.0)
        inside = (node >= 0) & (node < n_in)
        if self.clip:
            weights = np.where(inside & ((position >= 0) & (position <= n_in - 1))[:, None], weights, 0.0)
        total = weights.sum(axis=1, keepdims=True)
        weights /= np.where(total == 0, 1.0, total)
        out = np.zeros((n_out, n_in))
        row = np.broadcast_to(np.arange(n_out)[:, None], node.shape)
        out[row[inside], node[inside]] = weights[inside]
        return out


FINE = Resampling(order=7, beta=9.0)
"""The resampling of Skysift's own models."""


class Psf(ABC):
    """A point-spread function, possibly varying over the image (LSST `lsst.afw.detection.Psf`).

    No position, or one that is not finite, means the average position. Kernel images are centred on a pixel and sum to one; images at a
    position are resampled as `resampling` says (by default LSST's Lanczos-5, padded with zeros and not scaled again afterwards).

    Parameters
    ----------
    size
        Width and height of the kernel images, odd, pixels.
    average_position
        Where the PSF is taken when no position is given, pixels, PARENT.
    """

    resampling = Resampling()

    def __init__(self, size: int, average_position: tuple[float, float] = (0.0, 0.0)) -> None:
        self._size = checked_size(size)
        self._average = (float(average_position[0]), float(average_position[1]))

    @abstractmethod
    def mixture(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> Mixture:
        """Give the basis images and their weights at (n,) finite positions; the sums need not be normalised."""

    @abstractmethod
    def resized(self, size: int) -> Psf:
        """Give the same PSF with kernel images of another (odd) size: cropped, padded with zeros, or evaluated anew."""

    @property
    def size(self) -> int:
        """Width and height of the kernel images, odd, pixels."""
        return self._size

    @property
    def is_constant(self) -> bool:
        """Whether the kernel image is the same everywhere."""
        return False

    @property
    def average_position(self) -> Point2D:
        """Position used when none is given, pixels, PARENT."""
        from skysift.geom import Point2D

        return Point2D(*self._average)

    def _positions(self, x: ArrayLike | None, y: ArrayLike | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Make (n,) finite positions of what a caller gave."""
        if (x is None) != (y is None):
            raise InputError("a PSF position needs both x and y, or neither")
        ax, ay = np.broadcast_arrays(
            np.atleast_1d(np.asarray(self._average[0] if x is None else x, np.float64)),
            np.atleast_1d(np.asarray(self._average[1] if y is None else y, np.float64)),
        )
        usable = (np.abs(ax) < FARTHEST) & (np.abs(ay) < FARTHEST)
        return np.where(usable, ax, self._average[0]).ravel(), np.where(usable, ay, self._average[1]).ravel()

    def kernels(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Give the kernel images at many positions.

        Parameters
        ----------
        x, y
            (n,) positions, pixels, PARENT.

        Returns
        -------
        kernels
            (n, size, size) float64, each of unit sum and centred on its middle pixel; NaN where the model has no finite, non-zero sum.
        """
        ax, ay = self._positions(x, y)
        out = np.zeros((len(ax), self._size, self._size))
        for start in range(0, len(ax), BLOCK):
            block = slice(start, start + BLOCK)
            basis, which, weight = self.mixture(ax[block], ay[block])
            for t in range(which.shape[1]):
                out[block] += weight[:, t, None, None] * basis[which[:, t]]
        return unit_sum_images(out)

    def stamps(
        self, x: ArrayLike, y: ArrayLike, size: int | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int32]]:
        """Give the images at many positions, each with its centre at the exact sub-pixel position.

        Parameters
        ----------
        x, y
            (n,) positions, pixels, PARENT.
        size
            Odd size of the stamps, pixels; the PSF's own by default. The images are cropped or padded with zeros about their middle pixel.

        Returns
        -------
        stamps
            (n, size, size) float32.
        x0, y0
            (n,) int32, PARENT position of each stamp's first pixel.
        """
        size = self._size if size is None else checked_size(size)
        ax, ay = self._positions(x, y)
        ix, iy = np.floor(ax + 0.5), np.floor(ay + 0.5)
        return self._render(ax, ay, ax - ix, ay - iy, size), (ix - size // 2).astype(np.int32), (iy - size // 2).astype(np.int32)

    def cores(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float32]:
        """Give the parts of the kernel images that carry the light, at many positions.

        Parameters
        ----------
        x, y
            (n,) positions, pixels, PARENT.

        Returns
        -------
        cores
            (n, core_size, core_size) float32: the middle of the kernel images; NaN where the model has no finite, non-zero sum.
        """
        ax, ay = self._positions(x, y)
        centre = np.zeros(len(ax))
        return self._render(ax, ay, centre, centre, self.core_size)

    @cached_property
    def core_size(self) -> int:
        """Odd size of the middle of the kernel images beyond which a centroid learns nothing.

        At the average position, the squared slopes beyond it are less than 1e-6 of all; a margin allows for the variation of the PSF.
        """
        half = self._size // 2
        try:
            kernel = self.kernels(*self._positions(None, None))[0]
        except SkysiftError:
            return self._size
        slopes = np.diff(kernel, axis=0, append=0.0) ** 2 + np.diff(kernel, axis=1, append=0.0) ** 2
        if not np.isfinite(slopes).all():
            return self._size
        offset = np.abs(np.arange(self._size) - half)
        inside = np.cumsum(np.bincount(np.maximum(offset[:, None], offset).ravel(), slopes.ravel()))
        enough = int(np.count_nonzero(inside < (1.0 - CORE_LOSS) * inside[-1]))
        return 2 * min(half, math.ceil(CORE_MARGIN * enough) + 1) + 1

    def _render(
        self, x: NDArray[np.float64], y: NDArray[np.float64], dx: NDArray[np.float64], dy: NDArray[np.float64], size: int
    ) -> NDArray[np.float32]:
        """Draw the PSF of finite positions with its centre off the middle pixel by dx, dy: float32 (n, size, size)."""
        from skysift.kernels.psf import render

        out = np.empty((len(x), size, size), np.float32)
        for start in range(0, len(x), BLOCK):
            block = slice(start, start + BLOCK)
            render(*self.mixture(x[block], y[block]), dx[block], dy[block], *self.resampling, self._size, out[block])
        return out

    def kernel_image(self, x: float | None = None, y: float | None = None) -> Image:
        """Give the kernel image at a position: float64, unit sum, its centre at pixel (0, 0)."""
        from skysift.image import Image

        half = self._size // 2
        return Image(self.kernels(*self._positions(x, y))[0], xy0=(-half, -half))

    def image(self, x: float | None = None, y: float | None = None) -> Image:
        """Give the image of a point source at a position, in PARENT coordinates: float32, centred on the exact position."""
        from skysift.image import Image

        stamps, x0, y0 = self.stamps(*self._positions(x, y))
        return Image(stamps[0], xy0=(int(x0[0]), int(y0[0])))

    def shapes(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Give the adaptive second moments of the kernel images at many positions.

        Parameters
        ----------
        x, y
            (n,) positions, pixels, PARENT.

        Returns
        -------
        shapes
            (n, 3) float64 ``ixx, iyy, ixy``, pixels²; NaN where the moments do not converge. LSST's `base_SdssShape` with its weight fixed on the
            middle pixel.
        """
        from skysift.kernels.psf import measure_shapes

        ax, ay = self._positions(x, y)
        out = np.empty((len(ax), 3))
        if self.is_constant and len(ax) > 1:
            out[:] = self.shapes(ax[:1], ay[:1])
            return out
        for start in range(0, len(ax), BLOCK):
            block = slice(start, start + BLOCK)
            measure_shapes(self.cores(ax[block], ay[block]), out[block])
        return out

    def shape(self, x: float | None = None, y: float | None = None) -> Quadrupole:
        """Give the adaptive second moments of the kernel image at a position.

        Raises
        ------
        AlgorithmError
            The moments do not converge on a positive shape.
        """
        from skysift.geom import Quadrupole

        ixx, iyy, ixy = self.shapes(*self._positions(x, y))[0]
        if not math.isfinite(ixx):
            raise AlgorithmError(
                "the adaptive moments of the PSF image do not converge", hint="look at psf.kernel_image() for noise or negative wings"
            )
        return Quadrupole(ixx, iyy, ixy)

    def sigma(self, x: float | None = None, y: float | None = None) -> float:
        """Give the determinant radius ``(ixx iyy - ixy²)^(1/4)`` of the PSF at a position, pixels."""
        return self.shape(x, y).determinant_radius

    def aperture_flux(self, radius: float, x: float | None = None, y: float | None = None) -> float:
        """Give the fraction of the flux inside a circle about the centre of the kernel image (sinc aperture), radius in pixels."""
        from skysift.psf.aperture import sinc_flux

        return sinc_flux(self.kernels(*self._positions(x, y))[0], radius)

    def peak(self, x: float | None = None, y: float | None = None) -> float:
        """Give the central value of the kernel image at a position."""
        half = self._size // 2
        return float(self.kernels(*self._positions(x, y))[0, half, half])

    def __repr__(self) -> str:
        variation = "constant" if self.is_constant else "varying"
        return f"{type(self).__name__}({variation}, {self._size}x{self._size} pixels)"


def checked_size(size: int) -> int:
    """Give a size that a PSF image can have, or raise `InputError`."""
    if not 1 <= size <= MAX_SIZE or size % 2 == 0:
        raise InputError(f"a PSF image needs an odd size from 1 to {MAX_SIZE}, not {size}")
    return int(size)


def unit_sum_images(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale (n, k, k) images to unit sum in place; NaN where the sum is zero or not finite."""
    total = images.sum(axis=(1, 2))
    total[~np.isfinite(total) | (total == 0)] = np.nan
    images /= total[:, None, None]
    return images


def resized_images(images: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Crop or pad (with zeros) images (n, k, k) about their middle to (n, size, size)."""
    old = images.shape[1]
    margin = (checked_size(size) - old) // 2
    if margin >= 0:
        return np.pad(images, ((0, 0), (margin, margin), (margin, margin)))
    return np.ascontiguousarray(images[:, -margin : margin + old, -margin : margin + old])
