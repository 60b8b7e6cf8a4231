"""Linear PSFs whose basis images have their own sampling and interpolant: PSFEx and Piff models."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from skysift.errors import InputError
from skysift.psf.base import MAX_SIZE, Resampling
from skysift.psf.linear import LinearPsf
from skysift.psf.terms import SpatialTerms

__all__ = ["PiffPsf", "PsfexPsf", "SampledPsf"]

MAX_ORDER = 50
"""Order of a Lanczos function beyond which a model is taken for damaged."""


class SampledPsf(LinearPsf):
    """A linear PSF on a grid of its own pitch, resampled to pixels by a Lanczos function and scaled to unit sum at every position.

    Parameters
    ----------
    basis_images, terms, coefficients, average_position
        See `LinearPsf`; the images may have an even size, their centre is element ``k // 2``.
    pixel_step
        Pitch of the basis images, pixels.
    lanczos_order
        Order of the Lanczos function.
    size
        Odd size of the kernel images, pixels; by default that of the basis images, rounded up to odd.
    """

    _clip = False

    def __init__(
        self,
        basis_images: ArrayLike,
        terms: SpatialTerms,
        coefficients: ArrayLike | None = None,
        *,
        pixel_step: float = 1.0,
        lanczos_order: int = 5,
        size: int | None = None,
        average_position: tuple[float, float] | None = None,
    ) -> None:
        if not (math.isfinite(pixel_step) and pixel_step > 0):
            raise InputError(f"the pixel step of a PSF model must be positive, not {pixel_step}")
        if not 1 <= lanczos_order <= MAX_ORDER:
            raise InputError(f"the Lanczos order of a PSF model must be from 1 to {MAX_ORDER}, not {lanczos_order}")
        if size is None:
            size = max(int(min(np.shape(basis_images)[-1] * pixel_step, 2.0 * MAX_SIZE)), 1)
            size += 1 - size % 2
        super().__init__(basis_images, terms, coefficients, average_position=average_position, size=size)
        self.pixel_step = float(pixel_step)
        self.lanczos_order = int(lanczos_order)
        self.resampling = Resampling(self.lanczos_order, 0.0, 1.0 / self.pixel_step, self._clip, True)
        taps = self.resampling.matrix(0.0, self._basis.shape[1], self._size)
        self._kernel_basis = np.ascontiguousarray(taps @ self._basis @ taps.T)

    def resized(self, size: int) -> SampledPsf:
        """Give the same model drawn on another odd size (and scaled to unit sum there)."""
        return type(self)(
            self._basis,
            self._terms,
            self._matrix,
            pixel_step=self.pixel_step,
            lanczos_order=self.lanczos_order,
            size=size,
            average_position=self._average,
        )


class PsfexPsf(SampledPsf):
    """A PSFEx model (Bertin 2011): parameters as `SampledPsf`.

    Lanczos order 3 is that of PSFEx files, 5 that of LSST's. Taps beyond the basis image are left out before a pixel's taps are divided by their sum.
    """

    _clip = True


class PiffPsf(SampledPsf):
    """A Piff model: a pixel grid whose pixels are polynomials of position (Jarvis et al. 2021). Parameters as `SampledPsf`."""
