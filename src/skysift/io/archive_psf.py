"""Archived PSFs, and the kernels and functions that they are made of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skysift.errors import InputError
from skysift.psf import DoubleGaussianPsf, GaussianPsf, KernelPsf, LinearPsf, PcaPsf, PsfexPsf, SpatialTerms
from skysift.psf.base import MAX_SIZE
from skysift.psf.terms import MAX_DEGREE

if TYPE_CHECKING:
    from skysift.io.archive import Archive, Factory, Row

__all__ = ["PSF_FACTORIES"]


class _Function(NamedTuple):
    """A polynomial of position."""

    terms: SpatialTerms
    coefficients: NDArray[np.float64]


class _Combination(NamedTuple):
    """Kernel images and the polynomials that multiply them."""

    images: NDArray[np.float64]
    terms: SpatialTerms
    matrix: NDArray[np.float64]


def _square(image: NDArray[np.float64], center: tuple[int, int]) -> NDArray[np.float64]:
    """Pad an image with zeros to an odd square about a centre (x, y)."""
    h, w = image.shape
    half = max(center[0], w - 1 - center[0], center[1], h - 1 - center[1])
    out = np.zeros((2 * half + 1, 2 * half + 1))
    out[half - center[1] : half - center[1] + h, half - center[0] : half - center[0] + w] = image
    return out


def _size(row: Row) -> tuple[int, int]:
    """Width and height of a kernel."""
    width, height = (int(v) for v in row.point("dimensions"))
    if not (0 < width <= MAX_SIZE and 0 < height <= MAX_SIZE):
        raise InputError(f"an archived kernel measures {width} x {height} pixels; expected 1 to {MAX_SIZE}")
    return width, height


def _fixed_kernel(archive: Archive, tables: list[list[Row]]) -> NDArray[np.float64]:
    row = tables[0][0]
    width, height = _size(row)
    center = tuple(int(v) for v in row.point("center"))
    if not (0 <= center[0] < width and 0 <= center[1] < height):
        raise InputError(f"the centre {center} of an archived kernel lies outside its {width} x {height} pixels")
    return _square(row.array("image").reshape(height, width), (center[0], center[1]))


def _linear_combination(archive: Archive, tables: list[list[Row]]) -> _Combination:
    row = tables[0][0]
    components = [archive.load(int(k)) for k in np.atleast_1d(row["components"])]
    if not components or not all(isinstance(c, np.ndarray) for c in components):
        raise InputError("an archived LinearCombinationKernel has components that are not fixed kernels")
    size = max(c.shape[0] for c in components)
    images = np.stack([np.pad(c, (size - c.shape[0]) // 2) for c in components])
    if "amplitudes" in row:
        return _Combination(images, SpatialTerms([(0, 0)]), row.array("amplitudes")[:, None])
    functions = [archive.load(int(k)) for k in np.atleast_1d(row["spatialfunctions"])]
    if len(functions) != len(components):
        raise InputError(f"an archived kernel has {len(components)} components and {len(functions)} spatial functions")
    terms = max((f.terms for f in functions), key=len)
    matrix = np.zeros((len(functions), len(terms)))
    for i, function in enumerate(functions):
        same = (function.terms.center, function.terms.scale, function.terms.chebyshev) == (terms.center, terms.scale, terms.chebyshev)
        if not same and function.terms.order > 0:
            raise InputError("the spatial functions of an archived kernel are of different kinds")
        matrix[i, : len(function.coefficients)] = function.coefficients
    return _Combination(images, terms, matrix)


def _function(row: Row, **kind: Any) -> _Function:
    coefficients = row.array("coefficients")
    order = round((math.sqrt(8 * len(coefficients) + 1) - 3) / 2)
    if len(coefficients) == 0 or (order + 1) * (order + 2) // 2 != len(coefficients):
        raise InputError(f"an archived polynomial has {len(coefficients)} coefficients, which no order has")
    return _Function(SpatialTerms.total_order(order, **kind), coefficients)


def _polynomial(archive: Archive, tables: list[list[Row]]) -> _Function:
    return _function(tables[0][0])


def _chebyshev(archive: Archive, tables: list[list[Row]]) -> _Function:
    row = tables[0][0]
    (x0, y0), (x1, y1) = row.point("min"), row.point("max")
    return _function(row, center=(0.5 * (x0 + x1), 0.5 * (y0 + y1)), scale=(0.5 * (x1 - x0), 0.5 * (y1 - y0)), chebyshev=True)


def _gaussian(archive: Archive, tables: list[list[Row]]) -> GaussianPsf:
    row = tables[0][0]
    return GaussianPsf(_odd(max(_size(row))), float(row["sigma"]))


def _double_gaussian(archive: Archive, tables: list[list[Row]]) -> DoubleGaussianPsf:
    row = tables[0][0]
    return DoubleGaussianPsf(_odd(max(_size(row))), float(row["sigma1"]), float(row["sigma2"]), float(row["b"]))


def _odd(size: int) -> int:
    return size + 1 - size % 2


def _kernel_psf(archive: Archive, tables: list[list[Row]]) -> LinearPsf:
    """KernelPsf or PcaPsf: a fixed kernel or a combination."""
    row = tables[0][0]
    kernel = archive.load(row.integer("kernel"))
    average = row.point("averagePosition")
    if isinstance(kernel, _Combination):
        return PcaPsf(kernel.images, kernel.terms, kernel.matrix, average_position=average)
    return KernelPsf(kernel, average)


def _psfex(archive: Archive, tables: list[list[Row]]) -> PsfexPsf:
    """PsfexPsf: sizes in the first table, polynomial and pixels in the second."""
    head, body = tables[0][0], tables[1][0]
    degree = np.atleast_1d(body["degree"])
    if head.integer("ndim") != 2 or len(degree) != 1:
        raise InputError(
            f"an archived PSFEx model varies with {head.integer('ndim')} quantities in {len(degree)} groups; expected x and y in one"
        )
    width, height, n = (int(v) for v in body.array("_size"))
    if width != height or not 0 < width <= MAX_SIZE:
        raise InputError(f"an archived PSFEx model measures {width} x {height} pixels; expected a square of at most {MAX_SIZE}")
    offset, scale = body.array("_context_first"), body.array("_context_second")
    return PsfexPsf(
        body.array("_comp").reshape(n, height, width),
        psfex_terms(int(degree[0]), (offset[0], offset[1]), (scale[0], scale[1])),
        pixel_step=float(head["_pixstep"]),
        lanczos_order=5,
        average_position=head.point("averagePosition"),
    )


def psfex_terms(degree: int, center: tuple[float, float], scale: tuple[float, float]) -> SpatialTerms:
    """Give the terms of a PSFEx polynomial in its sequence ``1, x, x², ..., y, xy, ..., y²``."""
    if not 0 <= degree <= MAX_DEGREE:
        raise InputError(f"a PSFEx polynomial of degree {degree}; expected 0 to {MAX_DEGREE}")
    return SpatialTerms([(p, q) for q in range(degree + 1) for p in range(degree + 1 - q)], center=center, scale=scale)


def _piff(archive: Archive, tables: list[list[Row]]) -> Any:
    from skysift.io.piff import piff_psf_from_pickle

    return piff_psf_from_pickle(tables[0][0].raw("bytes"))


PSF_FACTORIES: dict[str, Factory] = {
    "FixedKernel": _fixed_kernel,
    "LinearCombinationKernel": _linear_combination,
    "PolynomialFunction2D": _polynomial,
    "Chebyshev1Function2D": _chebyshev,
    "GaussianPsf": _gaussian,
    "SingleGaussianPsf": _gaussian,
    "DoubleGaussianPsf": _double_gaussian,
    "KernelPsf": _kernel_psf,
    "PcaPsf": _kernel_psf,
    "PsfexPsf": _psfex,
    "PiffPsf": _piff,
}
"""Readers by the class name in the archive index."""
