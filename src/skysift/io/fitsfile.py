"""Opening FITS files and reading pixels out of them, with every trouble as one line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skysift.errors import InputError, SkysiftError

if TYPE_CHECKING:
    from astropy.io.fits import HDUList, Header

__all__ = [
    "card_values",
    "describe_hdu",
    "image_shape",
    "open_fits",
    "plane_shape",
    "read_floats",
    "read_integers",
    "readable_cards",
    "replace_file",
]

_BLOCK_PIXELS = 1 << 20
_FITS_BLOCK = 2880

Slices = tuple[slice, slice]


@contextmanager
def open_fits(path: str | os.PathLike[str]) -> Iterator[HDUList]:
    """Open a FITS file, also one compressed by gzip, bzip2 or fpack.

    Pixels are mapped, not loaded, and not scaled. Warnings of astropy are silenced while the file is open.

    Parameters
    ----------
    path
        The file.

    Yields
    ------
    hdulist
        All HDUs.

    Raises
    ------
    InputError
        The file is missing, a folder, empty, not FITS, or damaged in a way that shows while it is read.
    """
    import warnings

    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder, expected a FITS file")
    try:
        with path.open("rb") as file:
            head = file.read(80)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {error.strerror}") from error
    if not head:
        raise InputError(f"{path} is empty, expected a FITS file")

    from astropy.io import fits
    from astropy.utils.exceptions import AstropyWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        # Damaged files make astropy and the decompressors raise errors of every kind.
        try:
            hdulist = fits.open(path, memmap=True, do_not_scale_image_data=True)
            n = _count_hdus(hdulist)
        except Exception as error:
            raise InputError(f"{path} is not a FITS file: {_why_not_fits(head, error)}") from error
        with hdulist:
            if n == 0:
                raise InputError(f"{path} holds no HDU, expected a FITS file")
            _check_nothing_cut_off(path, hdulist)
            try:
                yield hdulist
            except (SkysiftError, MemoryError):
                raise
            except Exception as error:
                raise InputError(f"{path} is damaged: {_one_line(error)}") from error


def _count_hdus(hdulist: HDUList) -> int:
    """Read the headers of all HDUs. A damaged one can have a negative size, behind which astropy would find itself again without end."""
    n, location = 0, -1
    while True:
        try:
            info = hdulist[n].fileinfo() or {}
        except IndexError:
            return n
        if (here := info.get("hdrLoc", location + 1)) <= location:
            raise ValueError(f"HDU {n - 1} has a negative size")
        n, location = n + 1, here


def _check_nothing_cut_off(path: Path, hdulist: HDUList) -> None:
    """Refuse a file that ends within the header of an HDU, which astropy passes over."""
    info = hdulist[-1].fileinfo() or {}
    if getattr(info.get("file"), "compression", None) or info.get("datLoc") is None:
        return
    with path.open("rb") as file:
        file.seek(info["datLoc"] + info["datSpan"])
        if file.read(8) == b"XTENSION":
            raise InputError(f"{path} is truncated: it ends within the header of HDU {len(hdulist)}")


def _why_not_fits(head: bytes, error: Exception) -> str:
    if head.startswith((b"SIMPLE", b"\x1f\x8b", b"BZh", b"PK")):
        return _one_line(error)
    return f"it begins with {head[:24].decode('ascii', 'replace')!r}"


def _one_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]


def readable_cards(header: Header) -> Iterator[tuple[str, Any]]:
    """Give key and value of the cards of a header, leaving out those that cannot be understood."""
    from astropy.io.fits import VerifyError

    for card in header.cards:
        try:
            yield card.keyword, card.value
        except (VerifyError, ValueError):
            continue


def card_values(*headers: Header) -> dict[str, Any]:
    """Give the values of headers by key, without commentary; later headers win."""
    return {key: value for header in headers for key, value in readable_cards(header) if key not in ("COMMENT", "HISTORY", "")}


def describe_hdu(hdulist: HDUList, hdu: Any) -> str:
    """Name an HDU for a message: file, number and EXTNAME."""
    index = next((i for i, item in enumerate(hdulist) if item is hdu), None)
    name = f" {hdu.name!r}" if getattr(hdu, "name", "") else ""
    return f"{hdulist.filename() or 'FITS data'}, HDU {index}{name}"


def image_shape(hdu: Any) -> tuple[int, ...]:
    """Shape of an image HDU without its leading axes of length one; empty for a table or an HDU without data."""
    shape = tuple(hdu.shape) if getattr(hdu, "is_image", False) else ()
    while len(shape) > 2 and shape[0] == 1:
        shape = shape[1:]
    return shape


def plane_shape(hdulist: HDUList, hdu: Any) -> tuple[int, int]:
    """Shape of the one plane that an HDU holds.

    Raises
    ------
    InputError
        The HDU has no pixels, or not one plane of them.
    """
    if not getattr(hdu, "is_image", False):
        raise InputError(f"{describe_hdu(hdulist, hdu)} is a table, expected a two-dimensional image")
    shape = image_shape(hdu)
    if len(shape) != 2 or 0 in shape:
        found = " x ".join(str(n) for n in reversed(hdu.shape)) or "no"
        raise InputError(f"{describe_hdu(hdulist, hdu)} has {found} pixels (NAXIS={len(hdu.shape)}), expected a two-dimensional image")
    return shape[0], shape[1]


def _raw(hdulist: HDUList, hdu: Any, slices: Slices | None) -> tuple[np.ndarray, float, float, int | None]:
    """Give unscaled pixels with BSCALE, BZERO and BLANK."""
    shape = plane_shape(hdulist, hdu)
    scale, zero, blank = float(hdu.header.get("BSCALE", 1)), float(hdu.header.get("BZERO", 0)), hdu.header.get("BLANK")
    _check_complete(hdulist, hdu)
    try:
        raw = np.asarray(hdu.data if slices is None else hdu.section[(0,) * (len(hdu.shape) - 2) + slices])
    except MemoryError as error:
        size = shape[0] * shape[1] / 1e6
        raise InputError(
            f"{describe_hdu(hdulist, hdu)} has {size:.0f} million pixels, too many for the memory; read a part with bbox"
        ) from error
    except Exception as error:
        raise InputError(f"{describe_hdu(hdulist, hdu)} cannot be read, the file may be truncated: {_one_line(error)}") from error
    return raw.reshape(raw.shape[-2:]), scale, zero, int(blank) if raw.dtype.kind in "iu" and isinstance(blank, int) else None


def _check_complete(hdulist: HDUList, hdu: Any) -> None:
    """Refuse an HDU whose pixels the file does not hold in full."""
    path = hdulist.filename()
    info = hdu.fileinfo() or {}
    start, file = info.get("datLoc"), info.get("file")
    if not path or start is None or getattr(file, "compression", None):
        return
    is_packed = type(hdu).__name__ == "CompImageHDU"
    size = info["datSpan"] - _FITS_BLOCK if is_packed else hdu.size
    missing = start + size - os.path.getsize(path)
    if missing > 0:
        raise InputError(f"{describe_hdu(hdulist, hdu)} is truncated: {missing} of {size} bytes are missing")


def read_floats(hdulist: HDUList, hdu: Any, slices: Slices | None = None) -> np.ndarray:
    """Read pixels as numbers.

    Parameters
    ----------
    hdulist
        The open file.
    hdu
        One of its image HDUs, of any BITPIX, compressed or not, with BSCALE, BZERO and BLANK applied (blank pixels are NaN).
    slices
        (y, x) slices of the part to read, counted from the first pixel; all by default.

    Returns
    -------
    pixels
        float32, native, C-contiguous, shape (ny, nx). Values beyond the range of float32 become infinite.

    Raises
    ------
    InputError
        Not a two-dimensional image, or not readable.
    """
    raw, scale, zero, blank = _raw(hdulist, hdu, slices)
    with np.errstate(over="ignore", invalid="ignore"):
        if scale == 1 and zero == 0 and blank is None:
            return np.array(raw, dtype=np.float32, order="C")
        pixels = np.empty(raw.shape, np.float32)
        step = max(1, _BLOCK_PIXELS // max(1, raw.shape[1]))
        for y in range(0, raw.shape[0], step):
            block = raw[y : y + step]
            pixels[y : y + step] = block.astype(np.float64) * scale + zero
            if blank is not None:
                pixels[y : y + step][block == blank] = np.nan
    return pixels


def read_integers(hdulist: HDUList, hdu: Any, slices: Slices | None = None) -> np.ndarray:
    """Read pixels as whole numbers or bits.

    Parameters
    ----------
    hdulist, hdu, slices
        See `read_floats`.

    Returns
    -------
    values
        Native integers of shape (ny, nx): unsigned of the stored width where that loses nothing, else int64. Values that are not whole
        numbers are rounded away from zero, NaN is 1, so that what is not zero stays so.

    Raises
    ------
    InputError
        Not a two-dimensional image, or not readable.
    """
    raw, scale, zero, _ = _raw(hdulist, hdu, slices)
    if raw.dtype.kind in "iu" and scale == 1:
        width = raw.dtype.itemsize
        values = np.array(raw, dtype=f"{raw.dtype.kind}{width}", order="C")
        if zero == 0:
            return values.view(f"u{width}")
        if width < 8 and zero == 1 << (8 * width - 1):
            return values.view(f"u{width}") ^ np.array(1 << (8 * width - 1), f"u{width}")
    with np.errstate(invalid="ignore"):
        numbers = raw.astype(np.float64) * scale + zero
        return np.where(np.isfinite(numbers), np.copysign(np.ceil(np.abs(numbers)), numbers), 1).astype(np.int64)


@contextmanager
def replace_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a file under a temporary name beside it, and give it its name when it is complete.

    Parameters
    ----------
    path
        The file to write; an existing one is replaced.

    Yields
    ------
    temporary
        Path to write to, with the same suffixes.

    Raises
    ------
    InputError
        The folder does not exist or cannot be written to.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder, expected the name of a file to write")
    if not path.parent.is_dir():
        raise InputError(f"{path} cannot be written: folder {path.parent} does not exist")
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or _one_line(error)}") from error
    finally:
        temporary.unlink(missing_ok=True)
