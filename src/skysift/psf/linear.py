"""PSFs that are linear in basis images: a kernel, a pixel grid whose pixels are polynomials in position, principal components."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.errors import InputError
from skysift.psf.base import FINE, Mixture, Psf, resized_images, unit_sum_images
from skysift.psf.terms import SpatialTerms

__all__ = ["KernelPsf", "LinearPsf", "PcaPsf", "PixelGridPsf"]


def _basis_array(images: ArrayLike) -> NDArray[np.float64]:
    """Make native, contiguous float64 (m, k, k) of what a caller gave."""
    basis = np.array(images, dtype=np.float64, order="C")
    if basis.ndim != 3 or basis.shape[0] == 0 or basis.shape[1] != basis.shape[2]:
        raise InputError(f"the basis images of a PSF have shape {basis.shape}; expected (m, k, k) with m and k at least 1")
    if not np.isfinite(basis).all():
        raise InputError("the basis images of a PSF hold values that are not finite")
    return basis


class LinearPsf(Psf):
    """A PSF that is a sum of basis images whose coefficients are polynomials of position.

    Parameters
    ----------
    basis_images
        (m, k, k) with k odd.
    terms
        The spatial terms.
    coefficients
        (m, t): the coefficient of image i at a position is ``sum_j coefficients[i, j] * terms_j(x, y)``. None when image i goes with term i.
    average_position
        See `Psf`; by default the centre of the spatial terms.
    """

    def __init__(
        self,
        basis_images: ArrayLike,
        terms: SpatialTerms,
        coefficients: ArrayLike | None = None,
        *,
        average_position: tuple[float, float] | None = None,
        size: int | None = None,
    ) -> None:
        self._basis = _basis_array(basis_images)
        super().__init__(self._basis.shape[1] if size is None else size, terms.center if average_position is None else average_position)
        self._terms = terms
        matrix = np.eye(len(self._basis)) if coefficients is None else np.array(coefficients, dtype=np.float64)
        if matrix.shape != (len(self._basis), len(terms)):
            raise InputError(
                f"{len(self._basis)} basis images and {len(terms)} spatial terms do not fit coefficients of shape {matrix.shape}"
            )
        self._matrix = matrix
        self._kernel_basis = self._basis

    @property
    def basis_images(self) -> NDArray[np.float64]:
        """The basis images, (m, k, k)."""
        return self._basis

    @property
    def terms(self) -> SpatialTerms:
        """The spatial terms."""
        return self._terms

    @property
    def coefficient_matrix(self) -> NDArray[np.float64]:
        """The (m, t) matrix from spatial terms to coefficients."""
        return self._matrix

    @property
    def is_constant(self) -> bool:
        """Whether the kernel image is the same everywhere."""
        return self._terms.is_constant

    def coefficients(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Give the (n, m) coefficients of the basis images at (n,) positions."""
        # einsum, unlike BLAS, gives a position the same bits in a batch of any size
        return np.einsum("nt,mt->nm", self._terms(x, y), self._matrix)

    def kernels(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Give the (n, size, size) kernel images at (n,) positions; see `Psf.kernels`."""
        ax, ay = self._positions(x, y)
        return unit_sum_images(np.einsum("nm,mij->nij", self.coefficients(ax, ay), self._kernel_basis))

    def mixture(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> Mixture:
        """Give the basis images and their weights at (n,) finite positions."""
        weight = self.coefficients(x, y)
        index = np.broadcast_to(np.arange(len(self._basis)), weight.shape)
        return Mixture(self._basis, np.ascontiguousarray(index), np.ascontiguousarray(weight))

    def resized(self, size: int) -> LinearPsf:
        """Give the same PSF with basis images cropped or padded with zeros."""
        return LinearPsf(resized_images(self._basis, size), self._terms, self._matrix, average_position=self._average)


class PixelGridPsf(LinearPsf):
    """A PSF whose every pixel is a polynomial of position: the kind that Skysift fits (cf. Piff's PixelGrid with BasisPolynomial).

    Images at a position are resampled by a finer kernel than LSST's Lanczos-5 (see `Resampling`).

    Parameters
    ----------
    basis_images
        (m, k, k), m = (order + 1)(order + 2) / 2: the image that goes with each term ``1; u, v; u², uv, v²; ...``.
    order
        Total order of the polynomial.
    center, scale
        ``u = (x - center[0]) / scale[0]``, ``v = (y - center[1]) / scale[1]``; pixels, PARENT.
    chebyshev
        Products of Chebyshev polynomials in place of powers.
    average_position
        See `Psf`; by default `center`.
    """

    resampling = FINE

    def __init__(
        self,
        basis_images: ArrayLike,
        order: int = 0,
        *,
        center: tuple[float, float] = (0.0, 0.0),
        scale: tuple[float, float] = (1.0, 1.0),
        chebyshev: bool = False,
        average_position: tuple[float, float] | None = None,
    ) -> None:
        terms = SpatialTerms.total_order(order, center=center, scale=scale, chebyshev=chebyshev)
        super().__init__(basis_images, terms, average_position=average_position)

    @property
    def order(self) -> int:
        """Total order of the polynomial."""
        return self._terms.order

    def resized(self, size: int) -> PixelGridPsf:
        """Give the same PSF with basis images cropped or padded with zeros."""
        return PixelGridPsf(
            resized_images(self._basis, size),
            self.order,
            center=self._terms.center,
            scale=self._terms.scale,
            chebyshev=self._terms.chebyshev,
            average_position=self._average,
        )


class PcaPsf(LinearPsf):
    """A PSF of principal components with polynomial coefficients (LSST `PcaPsf`). Parameters as `LinearPsf`."""

    def resized(self, size: int) -> PcaPsf:
        """Give the same PSF with components cropped or padded with zeros."""
        return PcaPsf(resized_images(self._basis, size), self._terms, self._matrix, average_position=self._average)


class KernelPsf(LinearPsf):
    """A PSF that is one image everywhere (LSST `KernelPsf` of a fixed kernel).

    Parameters
    ----------
    kernel
        (k, k) image, k odd, centred on its middle pixel; its sum need not be one.
    average_position
        See `Psf`.
    """

    def __init__(self, kernel: ArrayLike, average_position: tuple[float, float] = (0.0, 0.0)) -> None:
        image = np.asarray(kernel, dtype=np.float64)
        if image.ndim != 2:
            raise InputError(f"a PSF kernel has shape {image.shape}; expected (k, k)")
        if image.sum() == 0:
            raise InputError("a PSF kernel sums to zero")
        super().__init__(image[None], SpatialTerms([(0, 0)]), average_position=average_position)

    def resized(self, size: int) -> KernelPsf:
        """Give the same PSF with its kernel cropped or padded with zeros."""
        return KernelPsf(resized_images(self._basis, size)[0], self._average)
