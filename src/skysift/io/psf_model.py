"""Skysift's own extension for PSF models: a table of one row that keeps every number of the model."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.errors import InputError
from skysift.psf import (
    DoubleGaussianPsf,
    GaussianPsf,
    GridPsf,
    KernelPsf,
    LinearPsf,
    PcaPsf,
    PiffPsf,
    PixelGridPsf,
    Psf,
    PsfexPsf,
    SampledPsf,
    SpatialTerms,
)

__all__ = ["MODEL_EXTENSION", "psf_from_table", "psf_to_table"]

_log = logging.getLogger(__name__)

MODEL_EXTENSION = "PSFMODEL"
VERSION = 1
"""Version of the format; a file with a higher one is refused."""

_LINEAR = {"LinearPsf": LinearPsf, "PcaPsf": PcaPsf}
_SAMPLED = {"SampledPsf": SampledPsf, "PsfexPsf": PsfexPsf, "PiffPsf": PiffPsf}


def psf_to_table(psf: Psf) -> Any:
    """Write a PSF as a binary table of one row; see `psf_to_hdus`."""
    from astropy.io import fits

    kind, fields = _fields(psf)
    arrays = {name: np.asarray(value) for name, value in fields.items()}
    # astropy writes what is big-endian already as it is; it would look at each byte of a long row otherwise.
    types = [(name, ">i4" if values.dtype.kind in "biu" else ">f8", values.shape) for name, values in arrays.items()]
    row = np.zeros(1, [("kind", "S32"), *types])
    row["kind"] = kind
    for name, values in arrays.items():
        row[name] = values
    table = fits.BinTableHDU(row.view(fits.FITS_rec), name=MODEL_EXTENSION)
    table.header["PSFVERS"] = (VERSION, "version of this extension")
    return table


def _fields(psf: Psf) -> tuple[str, dict[str, Any]]:
    """Name the kind of a PSF and the numbers that make it."""
    average = (psf.average_position.x, psf.average_position.y)
    if isinstance(psf, GaussianPsf):
        return "GaussianPsf", {"size": psf.size, "sigma": psf.exact_sigma}
    if isinstance(psf, DoubleGaussianPsf):
        return "DoubleGaussianPsf", {"size": psf.size, "sigma1": psf.sigma1, "sigma2": psf.sigma2, "b": psf.b}
    if isinstance(psf, GridPsf):
        return "GridPsf", {"average": average, "images": psf.grid, "x": psf.nodes[0], "y": psf.nodes[1]}
    if isinstance(psf, KernelPsf):
        return "KernelPsf", {"average": average, "images": psf.basis_images}
    if isinstance(psf, LinearPsf):
        kind = next(k for k in type(psf).__mro__ if k.__name__ in {*_LINEAR, *_SAMPLED, "PixelGridPsf"}).__name__
        terms = psf.terms
        fields: dict[str, Any] = {"average": average, "images": psf.basis_images, "powers": terms.powers, "matrix": psf.coefficient_matrix}
        fields |= {"center": terms.center, "scale": terms.scale, "chebyshev": int(terms.chebyshev)}
        if isinstance(psf, SampledPsf):
            fields |= {"size": psf.size, "pixel_step": psf.pixel_step, "lanczos_order": psf.lanczos_order}
        return kind, fields
    _log.warning("A PSF of kind %s is stored as its image at the average position.", type(psf).__name__)
    return "KernelPsf", {"average": average, "images": psf.kernel_image().array[None]}


def psf_from_table(hdu: Any) -> Psf:
    """Read a PSF from a table that `psf_to_table` wrote.

    Raises
    ------
    InputError
        The table is damaged, of a later version, or of an unknown kind.
    """
    version = hdu.header.get("PSFVERS", 0)
    if version > VERSION:
        raise InputError(f"the PSF model is of format version {version}; this Skysift reads up to {VERSION}")
    if len(hdu.data) != 1:
        raise InputError(f"the PSF model in extension {hdu.name!r} has {len(hdu.data)} rows, expected 1")
    row = {name: hdu.data[name][0] for name in hdu.columns.names}
    return _build(str(row["kind"]).strip(), row)


def _build(kind: str, row: dict[str, Any]) -> Psf:
    def pair(name: str) -> tuple[float, float]:
        return float(row[name][0]), float(row[name][1])

    if kind == "GaussianPsf":
        return GaussianPsf(int(row["size"]), float(row["sigma"]))
    if kind == "DoubleGaussianPsf":
        return DoubleGaussianPsf(int(row["size"]), float(row["sigma1"]), float(row["sigma2"]), float(row["b"]))
    images: NDArray[np.float64] = np.asarray(row["images"], np.float64)
    if kind == "GridPsf":
        return GridPsf(images, row["x"], row["y"], average_position=pair("average"))
    if kind == "KernelPsf":
        return KernelPsf(images.reshape(images.shape[-2:]), pair("average"))
    terms = SpatialTerms(row["powers"], center=pair("center"), scale=pair("scale"), chebyshev=bool(row["chebyshev"]))
    matrix = np.asarray(row["matrix"], np.float64).reshape(len(images), len(terms))
    if kind == "PixelGridPsf":
        return PixelGridPsf(
            images, terms.order, center=terms.center, scale=terms.scale, chebyshev=terms.chebyshev, average_position=pair("average")
        )
    if kind in _LINEAR:
        return _LINEAR[kind](images, terms, matrix, average_position=pair("average"))
    if kind in _SAMPLED:
        return _SAMPLED[kind](
            images,
            terms,
            matrix,
            pixel_step=float(row["pixel_step"]),
            lanczos_order=int(row["lanczos_order"]),
            size=int(row["size"]),
            average_position=pair("average"),
        )
    raise InputError(f"the PSF model is of the unknown kind {kind!r}")
