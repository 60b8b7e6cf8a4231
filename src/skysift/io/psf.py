"""PSF models in and out of files: kernel images, grids of kernels, PSFEx and LSST models, and Skysift's own extension."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skysift.errors import InputError, SkysiftError
from skysift.psf import GaussianPsf, GridPsf, KernelPsf, Psf

if TYPE_CHECKING:
    from astropy.io.fits import HDUList

    from skysift.geom import Box2I

__all__ = ["psf_from_hdus", "psf_to_hdus", "read_psf"]

MAX_KERNEL = 1025
"""Width of an image beyond which it is taken for a picture of the sky, pixels."""

FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))


def gaussian_of_fwhm(fwhm: float) -> GaussianPsf:
    """Give a circular Gaussian of a full width at half maximum in pixels, on a stamp of six sigma to each side."""
    if not (math.isfinite(fwhm) and 0 < fwhm <= 100):
        raise InputError(f"a PSF of FWHM {fwhm:g} pixels; expected more than 0 and at most 100")
    sigma = fwhm / FWHM_PER_SIGMA
    return GaussianPsf(2 * max(7, math.ceil(6 * sigma)) + 1, sigma)


def read_psf(
    source: str | float | os.PathLike[str], *, hdu: int | str | None = None, ccd: int | str | None = None, bbox: Box2I | None = None
) -> Psf:
    """Read a PSF model.

    Parameters
    ----------
    source
        A FITS file: a kernel image, a grid of kernels (extension PSFGRID), a PSFEx model (.psf, or a table of one model per CCD), an LSST exposure or
        one that Skysift wrote. Or a number, also as text: the FWHM of a circular Gaussian in pixels.
    hdu
        Name or number of the extension that holds the PSF; found by itself when there is one.
    ccd
        Which model of a file that holds several: the name of the CCD, or its number from 0.
    bbox
        Box over which a grid of kernels without recorded positions spreads, PARENT; by default that of the image in the same file.

    Raises
    ------
    InputError
        No such file, no PSF in it, or several and no choice made.
    """
    try:
        fwhm = float(source)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        pass
    else:
        return gaussian_of_fwhm(fwhm)

    from skysift.io.fitsfile import open_fits

    path = os.fspath(source)  # type: ignore[arg-type]
    with open_fits(path) as hdulist, _damage_in_one_line():
        psf = _find(hdulist, hdu, ccd, bbox) or _archived(hdulist)
        if psf is not None:
            return psf
        images = [h for h in hdulist if getattr(h, "is_image", False) and h.header.get("NAXIS", 0) > 0]
        if len(images) == 1:
            return _from_image(images[0], hdulist, bbox)
    raise InputError(
        f"{path} holds no PSF model and {len(images)} images; expected one kernel image, an extension PSF or PSFGRID, or a PSFEx model"
    )


@contextmanager
def _damage_in_one_line() -> Iterator[None]:
    """Turn what a damaged file raises, which can be anything, into an `InputError`."""
    try:
        yield
    except SkysiftError:
        raise
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"the PSF model cannot be read, the file may be damaged: {reason}") from error


def psf_from_hdus(hdulist: HDUList, *, hdu: int | str | None = None, ccd: int | str | None = None, bbox: Box2I | None = None) -> Psf | None:
    """Find the PSF model among the extensions of a file; parameters as `read_psf`. The archive of an LSST file is left to `read_archive`.

    Returns
    -------
    psf
        None when no extension is named or formed as a PSF.

    Raises
    ------
    InputError
        An extension named as a PSF holds none, or one of several models must be chosen.
    """
    with _damage_in_one_line():
        return _find(hdulist, hdu, ccd, bbox)


def _find(hdulist: HDUList, hdu: int | str | None, ccd: int | str | None, bbox: Box2I | None) -> Psf | None:
    from skysift.io.psf_model import MODEL_EXTENSION, psf_from_table
    from skysift.io.psfex import is_psfex, psfex_from_hdus

    if hdu is not None:
        try:
            candidates = [hdulist[hdu]]
        except (KeyError, IndexError) as error:
            raise InputError(f"the file has no extension {hdu!r}; it has {[h.name for h in hdulist]}") from error
    else:
        candidates = list(hdulist)
    for item in candidates:
        if item.name == MODEL_EXTENSION:
            return psf_from_table(item)
    models = [item for item in candidates if is_psfex(item)]
    if models:
        return psfex_from_hdus(models, ccd)
    for item in candidates:
        named = item.name in ("PSF", "PSFGRID") or hdu is not None
        if named and getattr(item, "is_image", False) and item.header.get("NAXIS", 0) > 0:
            return _from_image(item, hdulist, bbox)
    if hdu is not None:
        raise InputError(f"extension {hdu!r} holds neither a kernel image, nor a grid of kernels, nor a PSFEx model")
    return None


def psf_to_hdus(psf: Psf) -> list[Any]:
    """Write a PSF as two extensions.

    Parameters
    ----------
    psf
        Any kind; one that is neither a formula nor linear in images is sampled at its average position, with a logged warning.

    Returns
    -------
    hdus
        ``PSF``, the kernel image at the average position for other programs, and ``PSFMODEL``, a table that `psf_from_hdus` reads back without loss.
    """
    from astropy.io import fits

    from skysift.io.psf_model import psf_to_table

    image = fits.ImageHDU(psf.kernel_image().array, name="PSF")
    image.header["COMMENT"] = "Kernel image at the average position; the whole model is in PSFMODEL."
    return [image, psf_to_table(psf)]


def _archived(hdulist: HDUList) -> Psf | None:
    """Read the PSF of an LSST archive; None when the file has no archive or no PSF in it."""
    from skysift.io.archive import Archive

    archive = Archive.find(hdulist)
    header = hdulist[0].header
    id_ = header.get("ARCHIVE_ID_PSF", header.get("PSF_ID", 0))
    return None if archive is None else archive.load(int(id_))


def _pixels(hdu: Any) -> NDArray[np.float64]:
    """Give the scaled pixels of an image HDU."""
    data = np.asarray(hdu.data, dtype=np.float64)
    header = hdu.header
    if "BSCALE" in header or "BZERO" in header:
        data = data * float(header.get("BSCALE", 1.0)) + float(header.get("BZERO", 0.0))
    return data


def _from_image(hdu: Any, hdulist: HDUList, bbox: Box2I | None) -> Psf:
    """Make a PSF of an image HDU: one kernel (k, k), or a grid of them (ny, nx, k, k)."""
    shape: tuple[int, ...] = tuple(hdu.shape)
    if len(shape) < 2 or max(shape[-2:]) > MAX_KERNEL or min(shape) < 1:
        raise InputError(f"the PSF image in extension {hdu.name!r} has shape {shape}; expected at most {MAX_KERNEL} pixels a side")
    pixels = _pixels(hdu)
    if not np.isfinite(pixels).all():
        raise InputError(f"the PSF image in extension {hdu.name!r} has pixels that are not finite")
    while pixels.ndim not in (2, 4) and len(pixels) == 1:
        pixels = pixels[0]
    if pixels.ndim == 2:
        return KernelPsf(centered_kernel(pixels))
    if pixels.ndim != 4:
        raise InputError(f"extension {hdu.name!r} has shape {shape}; expected a kernel image (k, k) or a grid of kernels (ny, nx, k, k)")
    ny, nx = len(pixels), len(pixels[0])
    x0, x1, y0, y1 = _extent(hdulist, bbox)
    kernels = np.array([[centered_kernel(k) for k in row] for row in pixels])
    x = np.linspace(x0, x1, nx) if nx > 1 else [0.5 * (x0 + x1)]
    return GridPsf(kernels, x, np.linspace(y0, y1, ny) if ny > 1 else [0.5 * (y0 + y1)])


def _extent(hdulist: HDUList, bbox: Box2I | None) -> tuple[float, float, float, float]:
    """First and last pixel centre in x and y that a grid of kernels spans."""
    if bbox is not None:
        return bbox.min_x, bbox.max_x, bbox.min_y, bbox.max_y
    for item in hdulist:
        if getattr(item, "is_image", False) and not item.name.startswith("PSF") and len(item.shape) == 2:
            return 0.0, item.shape[1] - 1.0, 0.0, item.shape[0] - 1.0
    raise InputError("a grid of PSF kernels comes without the image that it spans; give its bounding box")


def centered_kernel(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give a kernel an odd square shape with its centre on the middle pixel.

    Parameters
    ----------
    image
        (h, w). An odd side is taken to be centred on its middle pixel; an even side on whichever of its middle pixels, or the edge between them,
        lies nearest the centroid (a kernel centred on the edge is shifted by half a pixel).

    Raises
    ------
    InputError
        The sum is not positive.
    """
    total = image.sum()
    if not total > 0:
        raise InputError(f"the PSF image sums to {total:g}; expected a positive sum")
    centers: list[float] = []
    for axis in (0, 1):
        n = image.shape[axis]
        if n % 2:
            centers.append(n // 2)
        else:
            centroid = float((image.sum(axis=1 - axis) @ np.arange(n)) / total)
            centers.append(min((n / 2 - 1.0, n / 2 - 0.5, n / 2), key=lambda c: abs(c - centroid)))
    half = max(max(math.ceil(c), n - 1 - math.floor(c)) for c, n in zip(centers, image.shape))
    row, column = (math.floor(c) for c in centers)
    square = np.zeros((2 * half + 1, 2 * half + 1))
    square[half - row : half - row + image.shape[0], half - column : half - column + image.shape[1]] = image
    dy, dx = centers[0] - row, centers[1] - column
    if dx or dy:
        square = KernelPsf(square).stamps(-dx, -dy)[0][0].astype(np.float64)
    return square
