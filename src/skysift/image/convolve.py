"""Convolution of masked images with fixed, separable and spatially varying kernels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from skysift.errors import InputError
from skysift.image.image import Image
from skysift.image.mask import Mask
from skysift.image.masked_image import MaskedImage

__all__ = ["SpatialKernel", "convolve"]

_ROWS = 256


@dataclass(frozen=True)
class SpatialKernel:
    """A kernel that varies over the image: a sum of fixed basis images with coefficients that depend on position.

    Parameters
    ----------
    basis
        float64 array ``(m, h, w)``.
    coefficients
        Function of positions ``x, y`` (float64 arrays of one shape, PARENT pixels) that returns an array ``(..., m)``.
    """

    basis: np.ndarray
    coefficients: Callable[[np.ndarray, np.ndarray], np.ndarray]

    def image(self, x: float, y: float, *, normalize: bool = True) -> tuple[np.ndarray, float]:
        """The kernel at one position.

        Parameters
        ----------
        x, y
            Position, PARENT pixels.
        normalize
            Scale to unit sum.

        Returns
        -------
        kernel
            float64 array ``(h, w)``.
        total
            Its sum before it was scaled.
        """
        kernel = np.tensordot(self.coefficients(np.asarray(float(x)), np.asarray(float(y))), self.basis, axes=1)
        total = float(kernel.sum())
        return (kernel / total if normalize else kernel), total


def convolve(
    masked_image: MaskedImage,
    kernel: np.ndarray | tuple[np.ndarray, np.ndarray] | SpatialKernel,
    *,
    normalize: bool = True,
    copy_edge: bool = False,
) -> MaskedImage:
    """Convolve a masked image with a kernel: the image with the kernel, the variance with its square, the mask with an OR over its pixels.

    As everywhere in the LSST pipelines this is a correlation: ``out(x, y) = sum_ij K(i, j) in(x + i - w // 2, y + j - h // 2)``.

    Parameters
    ----------
    masked_image
        The image; not changed. NaN pixels spread over the kernel's size.
    kernel
        A 2-D array ``[y, x]``; or two 1-D arrays, along x and along y, of odd length, whose product is the kernel; or a `SpatialKernel`.
    normalize
        Scale the kernel to unit sum, everywhere.
    copy_edge
        What becomes of pixels so near to the border that the kernel does not fit: copies of the input with the EDGE bit (True), or NaN with
        infinite variance and the NO_DATA bit (False).

    Returns
    -------
    convolved
        A new masked image with the same box.

    Raises
    ------
    InputError
        When the kernel is larger than the image, has a wrong shape, or cannot be normalised.

    Notes
    -----
    `lsst.afw.math.convolve`. Spatially varying kernels are exact at every pixel: there is no interpolation between a coarse grid of kernels.
    """
    image = np.ascontiguousarray(masked_image.image.array, np.float32)
    variance = np.ascontiguousarray(masked_image.variance.array, np.float32)
    mask = np.ascontiguousarray(masked_image.mask.array, np.int32)
    separable = isinstance(kernel, tuple)
    if isinstance(kernel, SpatialKernel):
        h, w = kernel.basis.shape[1:]
    elif isinstance(kernel, tuple):
        w, h = (len(k) for k in kernel)
        separable = w % 2 == 1 and h % 2 == 1
    else:
        kernel = np.asarray(kernel, np.float64)
        if kernel.ndim != 2 or kernel.size == 0:
            raise InputError(f"the kernel has shape {kernel.shape}; expected a 2-D array")
        h, w = kernel.shape
    height, width = image.shape
    if w > width or h > height:
        raise InputError(f"the kernel of {w} x {h} pixels does not fit in the image of {width} x {height} pixels")

    from skysift.kernels.convolve import correlate, correlate_separable

    if isinstance(kernel, SpatialKernel):
        planes = _correlate_spatial(masked_image, kernel, normalize)
    elif isinstance(kernel, tuple) and separable:
        along_x, along_y = (_normalized(k, normalize) for k in kernel)
        planes = np.empty_like(image), np.empty_like(variance), np.zeros_like(mask)
        correlate_separable(image, variance, mask, along_x, along_y, *planes)
    else:
        dense = np.outer(kernel[1], kernel[0]) if isinstance(kernel, tuple) else kernel
        dense = _normalized(dense, normalize)
        no_mask = np.empty((0, 0), np.int32)
        out_image, out_mask = correlate(image, mask, dense, dense != 0)
        planes = (out_image, correlate(variance, no_mask, dense**2, dense != 0)[0], out_mask)
    result = MaskedImage(
        Image(planes[0], masked_image.xy0),
        Mask(planes[2], masked_image.xy0, masked_image.mask.schema),
        Image(planes[1], masked_image.xy0),
    )
    _fill_edge(result, masked_image, h, w, copy_edge)
    return result


def _normalized(kernel: np.ndarray, normalize: bool) -> np.ndarray:
    kernel = np.asarray(kernel, np.float64)
    if not normalize:
        return kernel
    total = kernel.sum()
    if not np.isfinite(total) or total == 0.0:
        raise InputError(f"the kernel has the sum {total} and cannot be normalised")
    return kernel / total


def _correlate_spatial(masked_image: MaskedImage, kernel: SpatialKernel, normalize: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sum over the basis; the variance needs each pair of basis images, because the kernel is squared."""
    from skysift.kernels.convolve import correlate

    image, variance, mask = masked_image.image.array, masked_image.variance.array, masked_image.mask.array
    height, width = image.shape
    x0, y0 = masked_image.xy0
    basis = np.asarray(kernel.basis, np.float64)
    spread = (basis != 0).any(axis=0)
    below = spread.shape[0] // 2
    above = spread.shape[0] - 1 - below
    no_mask = np.empty((0, 0), np.int32)
    planes = np.zeros(image.shape, np.float32), np.zeros(image.shape, np.float32), np.zeros(image.shape, np.int32)
    # Coefficients of some rows at a time bound the memory; a block sees the rows around it that the kernel reaches.
    for start in range(below, height - above, _ROWS):
        stop = min(start + _ROWS, height - above)
        rows = slice(start - below, stop + above)
        part = np.ascontiguousarray(image[rows], np.float32)
        part_variance = np.ascontiguousarray(variance[rows], np.float32)
        inner = slice(below, below + stop - start)
        x, y = np.meshgrid(np.arange(width) + float(x0), np.arange(start, stop) + float(y0))
        coefficients = np.moveaxis(np.asarray(kernel.coefficients(x, y), np.float64), -1, 0)
        if normalize:
            total = np.tensordot(basis.sum(axis=(1, 2)), coefficients, axes=1)
            with np.errstate(divide="ignore", invalid="ignore"):
                coefficients = coefficients / total
        out, out_variance = np.zeros(x.shape), np.zeros(x.shape)
        for k, element in enumerate(basis):
            out += coefficients[k] * correlate(part, no_mask, element, spread)[0][inner]
            for m in range(k + 1):
                weight = coefficients[k] * coefficients[m] * (1.0 if m == k else 2.0)
                out_variance += weight * correlate(part_variance, no_mask, element * basis[m], spread)[0][inner]
        planes[0][start:stop] = out
        planes[1][start:stop] = out_variance
        planes[2][start:stop] = correlate(part[:0, :0], np.ascontiguousarray(mask[rows], np.int32), basis[0], spread)[1][inner]
    return planes


def _fill_edge(result: MaskedImage, source: MaskedImage, h: int, w: int, copy_edge: bool) -> None:
    """Set the pixels where the kernel does not fit."""
    below, above, left, right = h // 2, h - 1 - h // 2, w // 2, w - 1 - w // 2
    height, width = source.image.shape
    bit = result.mask.bitmask("EDGE" if copy_edge else "NO_DATA")
    for strip in (
        np.s_[:below],
        np.s_[height - above :],
        np.s_[below : height - above, :left],
        np.s_[below : height - above, width - right :],
    ):
        if copy_edge:
            result.image.array[strip] = source.image.array[strip]
            result.variance.array[strip] = source.variance.array[strip]
            result.mask.array[strip] = source.mask.array[strip] | bit
        else:
            result.image.array[strip] = np.nan
            result.variance.array[strip] = np.inf
            result.mask.array[strip] = bit
