"""Writing exposures: planes that any program opens, and all components so that reading gives the same exposure."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from skysift.io import header
from skysift.io.components import components_to_hdu
from skysift.io.fitsfile import replace_file

if TYPE_CHECKING:
    from astropy.io.fits import Header

    from skysift.image import Exposure, Image

__all__ = ["write_exposure"]

_LONGEST_KEYWORD = 8
_CARD_LENGTH = 80


def write_exposure(exposure: Exposure, path: str | os.PathLike[str], *, background: Image | None = None, compress: bool = False) -> None:
    """Write an exposure to a FITS file.

    HDUs: a primary header with the metadata; IMAGE, MASK (planes named by `MP_` cards) and VARIANCE with celestial coordinates for the pixels
    as they lie in the file and, as coordinates "A", PARENT pixels; BACKGROUND if given; the PSF; COMPONENTS, a table of the other
    components as JSON (photometric calibration, aperture corrections, visit, polygon, quality figures). The planes are laid out as LSST does.

    Parameters
    ----------
    exposure
        The exposure; it is not changed. `detector` and `coadd_inputs` are not written.
    path
        File to write, replaced if it exists; it appears when it is complete. A suffix `.gz` compresses the whole file.
    background
        A background that was subtracted, written along.
    compress
        Compress the planes without loss (RICE for the mask, GZIP for image and variance), which takes long.

    Raises
    ------
    InputError
        The file cannot be written.

    Notes
    -----
    LSST `Exposure.writeFits`, without its archive.
    """
    from astropy.io import fits

    xy0 = (int(exposure.xy0[0]), int(exposure.xy0[1]))
    coordinates = _coordinates(exposure, xy0)
    primary = fits.PrimaryHDU(header=_primary_header(exposure))
    unit = exposure.image.unit
    planes: list[tuple[str, np.ndarray, list[tuple[str, Any, str]]]] = [
        ("IMAGE", exposure.image.array, _known_cards(exposure)),
        ("MASK", exposure.mask.array, _mask_cards(exposure)),
        ("VARIANCE", exposure.variance.array, [("BUNIT", f"({unit})**2" if " " in unit else f"{unit}**2", "")] if unit else []),
    ]
    if background is not None:
        planes.append(("BACKGROUND", background.array, [("BUNIT", unit, "")] if unit else []))
    hdus: list[Any] = [primary]
    for name, array, cards in planes:
        # astropy swaps the bytes of arrays that it may write to in place and back, so another thread would see garbage; it copies others.
        pixels = array.view()
        pixels.flags.writeable = False
        hdu = _compressed(name, pixels) if compress else fits.ImageHDU(pixels)
        hdu.header["EXTNAME"] = name
        hdu.header["EXTTYPE"] = name
        hdu.header["INHERIT"] = True
        for card in (*coordinates, *cards):
            hdu.header.append(_card(*card), end=True)
        hdus.append(hdu)
    if exposure.psf is not None:
        from skysift.io.psf import psf_to_hdus

        hdus.extend(psf_to_hdus(exposure.psf))
    components = components_to_hdu(exposure)
    if components is not None:
        hdus.append(components)
    with replace_file(path) as temporary:
        fits.HDUList(hdus).writeto(temporary, output_verify="silentfix")


def _compressed(name: str, pixels: np.ndarray) -> Any:
    from astropy.io import fits

    if pixels.dtype.kind == "i":
        return fits.CompImageHDU(pixels, compression_type="RICE_1")
    return fits.CompImageHDU(pixels, compression_type="GZIP_2", quantize_level=0)


def _coordinates(exposure: Exposure, xy0: tuple[int, int]) -> list[tuple[str, Any, str]]:
    """Cards of the celestial coordinates and of the PARENT coordinates "A", with LTV for DS9."""
    cards: list[tuple[str, Any, str]] = []
    if exposure.wcs is not None:
        cards += [(key, value, "") for key, value in exposure.wcs.to_header(xy0).items()]
    for axis, start in enumerate(xy0, 1):
        cards.append((f"LTV{axis}", -float(start), "image = physical + LTV"))
    for axis, start in enumerate(xy0, 1):
        cards += [
            (f"CTYPE{axis}A", "LINEAR", "parent coordinates"),
            (f"CRPIX{axis}A", 1.0, "first pixel"),
            (f"CRVAL{axis}A", float(start), "its parent position"),
            (f"CUNIT{axis}A", "pixel", ""),
        ]
    return cards


def _mask_cards(exposure: Exposure) -> list[tuple[str, Any, str]]:
    docs = exposure.mask.schema.docs
    return [(f"MP_{name}", bit, docs.get(name, "")) for name, bit in exposure.mask.planes.items()]


def _primary_header(exposure: Exposure) -> Header:
    from astropy.io import fits

    cards = fits.Header()
    for key, value in exposure.metadata.items():
        if key in ("COMMENT", "HISTORY"):
            for line in str(value).splitlines():
                cards[key] = _ascii(line)
        elif value is not None and not header.is_structural(key) and not header.is_celestial(key):
            cards.append(_card(key, value), end=True)
    return cards


def _known_cards(exposure: Exposure) -> list[tuple[str, Any, str]]:
    """What other programs look for in the image's header; Skysift itself reads COMPONENTS."""
    cards: list[tuple[str, Any, str]] = [("BUNIT", exposure.image.unit, "")] if exposure.image.unit else []
    label, calib = exposure.filter_label, exposure.photo_calib
    if label is not None:
        cards += [("FILTER", label.physical or label.band, ""), ("BAND", label.band or "", "")]
    if calib is not None and calib.mean > 0:
        cards.append(("MAGZERO", 2.5 * math.log10(calib.inst_flux_at_zero_magnitude), "[mag] AB magnitude of one count"))
    if exposure.gain is not None:
        cards.append(("GAIN", exposure.gain, "electrons per count"))
    return cards


def _card(key: str, value: Any, comment: str = "") -> Any:
    """Make a card; values that FITS cannot hold become text."""
    from astropy.io import fits

    if isinstance(value, np.generic):
        value = value.item()
    if (isinstance(value, float) and not math.isfinite(value)) or not isinstance(value, str | bool | int | float):
        value = str(value)
    if isinstance(value, str):
        value = _ascii(value)
    keyword = _ascii(key).upper()
    if len(keyword) > _LONGEST_KEYWORD or not all(char.isalnum() or char in "-_" for char in keyword):
        keyword = f"HIERARCH {_ascii(key)}"
    room = _CARD_LENGTH - len(fits.Card(keyword, value).image.rstrip()) - len(" / ")
    return fits.Card(keyword, value, _ascii(comment)[: max(0, room)])


def _ascii(text: str) -> str:
    return "".join(char if " " <= char <= "~" else "?" for char in text)
