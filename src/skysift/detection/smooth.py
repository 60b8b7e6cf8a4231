"""Smoothing of an exposure with the Gaussian that stands for its PSF."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skysift.errors import AlgorithmError, InputError
from skysift.geom import Box2I

if TYPE_CHECKING:
    from skysift.image import Exposure, MaskedImage
    from skysift.psf import GaussianPsf

__all__ = ["Convolved", "PsfGenerationError", "convolve_image", "get_psf"]


class PsfGenerationError(AlgorithmError):
    """There is no PSF from which a smoothing kernel could be made."""


class Convolved(NamedTuple):
    """A smoothed masked image and the kernel's width."""

    middle: MaskedImage
    """The smoothed image where the whole kernel lies on the input, its variance, and the mask bits that touched each pixel."""
    sigma: float
    """Standard deviation of the kernel, pixels."""


def get_psf(exposure: Exposure, sigma: float | None = None, n_sigma_for_kernel: float = 7.0) -> GaussianPsf:
    """Make the Gaussian to smooth an exposure with.

    Parameters
    ----------
    exposure
        Its PSF, at the average position, gives the width if `sigma` does not.
    sigma
        Standard deviation of the Gaussian, pixels.
    n_sigma_for_kernel
        Full width of the kernel in sigmas.

    Returns
    -------
    psf
        Gaussian on an odd number of pixels.

    Raises
    ------
    PsfGenerationError
        When there is neither a PSF nor a `sigma`, or the width is not a positive number.

    Notes
    -----
    The LSST method is `lsst.meas.algorithms.SourceDetectionTask.getPsf`.
    """
    from skysift.psf import GaussianPsf

    if sigma is None:
        if exposure.psf is None:
            raise PsfGenerationError("the exposure has no PSF and no sigma was given", hint="set exposure.psf, or give sigma in pixels")
        sigma = exposure.psf.sigma()
    if not (math.isfinite(sigma) and sigma > 0):
        raise PsfGenerationError(f"the width of the PSF is {sigma}; expected a positive number of pixels", metadata={"sigma": float(sigma)})
    size = (int(sigma * n_sigma_for_kernel + 0.5) // 2) * 2 + 1
    return GaussianPsf(size, sigma)


def convolve_image(masked_image: MaskedImage, psf: GaussianPsf, do_smooth: bool = True) -> Convolved:
    """Smooth a masked image, and cut the result to the pixels that the whole kernel reaches.

    Parameters
    ----------
    masked_image
        The image. EDGE is set in its mask outside the result, if it is smoothed; nothing else is changed.
    psf
        Its kernel image's size and its width define the Gaussian.
    do_smooth
        If not set, the result is a copy of the whole image.

    Returns
    -------
    convolved
        The smoothed image with propagated variance, and the width. A NaN pixel makes all pixels under the kernel NaN.

    Raises
    ------
    InputError
        When the kernel does not fit into the image.

    Notes
    -----
    The LSST method is `lsst.meas.algorithms.SourceDetectionTask.convolveImage`.
    """
    sigma = float(psf.sigma())
    if not do_smooth:
        return Convolved(masked_image.copy(), sigma)
    half = psf.size // 2
    bbox = masked_image.bbox
    if min(bbox.width, bbox.height) <= 2 * half:
        raise InputError(
            f"an image of {bbox.width} x {bbox.height} pixels is smaller than the smoothing kernel of {psf.size} x {psf.size} pixels",
            hint="use a larger image, or a smaller nSigmaForKernel",
        )
    from skysift.image import Image, Mask, MaskedImage
    from skysift.kernels.convolve import correlate_separable, gaussian_taps

    good = bbox.grown(-half)
    planes = np.empty(good.shape, np.float32), np.empty(good.shape, np.float32), np.zeros(good.shape, np.int32)
    taps = gaussian_taps(sigma, half)
    correlate_separable(
        np.ascontiguousarray(masked_image.image.array, np.float32),
        np.ascontiguousarray(masked_image.variance.array, np.float32),
        np.ascontiguousarray(masked_image.mask.array),
        taps,
        taps,
        *planes,
    )
    image, variance, mask = planes
    middle = MaskedImage(Image(image, good.min), Mask(mask, good.min, masked_image.mask.schema), Image(variance, good.min))
    for strip in _frame(bbox, good):
        masked_image.mask.set("EDGE", strip)
    return Convolved(middle, sigma)


def _frame(outer: Box2I, inner: Box2I) -> list[Box2I]:
    """The four boxes that tile `outer` outside `inner`."""
    return [
        Box2I.from_min_max((outer.min_x, outer.min_y), (outer.max_x, inner.min_y - 1)),
        Box2I.from_min_max((outer.min_x, inner.end_y), (outer.max_x, outer.max_y)),
        Box2I.from_min_max((outer.min_x, inner.min_y), (inner.min_x - 1, inner.max_y)),
        Box2I.from_min_max((inner.end_x, inner.min_y), (outer.max_x, inner.max_y)),
    ]
