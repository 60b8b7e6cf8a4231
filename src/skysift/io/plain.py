"""Which HDU of a file is what, and how weights, errors and flags become a variance and a mask."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from skysift.errors import InputError
from skysift.io.fitsfile import card_values, describe_hdu, image_shape, plane_shape

if TYPE_CHECKING:
    from astropy.io.fits import HDUList

    from skysift.image import Mask

__all__ = ["Layout", "find_layout", "flag_unusable", "mask_docs_of", "mask_from_bits", "mask_planes_of", "variance_from"]

_log = logging.getLogger(__name__)

_ROLES = {
    "image": ("IMAGE", "SCI", "SCIENCE", "DATA", "FLUX"),
    "variance": ("VARIANCE", "VAR"),
    "ivar": ("IVAR", "INVVAR", "INVVARIANCE"),
    "weight": ("WEIGHT", "WHT", "WGT", "WEIGHTMAP", "WTMAP"),
    "sigma": ("ERR", "ERROR", "RMS", "SIGMA", "STDDEV", "STD", "UNCERT", "UNCERTAINTY", "NOISE"),
    "mask": ("MASK", "DQ", "FLAGS", "FLAG", "MSK", "BPM", "QUALITY"),
    "psf": ("PSF", "PSFGRID"),
    "other": ("BACKGROUND", "BKG", "SKY", "SEGMENTATION", "SEG", "PSFCOEFFS", "APCORR", "PHOTOCALIB", "ARCHIVE_INDEX", "ARCHIVE_DATA"),
}
_ROLE_OF_NAME = {name: role for role, names in _ROLES.items() for name in names}
_VARIANCE_ROLES = ("variance", "ivar", "sigma", "weight")
# Weights within this factor of the inverse pixel variance are taken for inverse variances; stacked pixels are correlated, which
# makes their scatter smaller than their variance says.
_WEIGHT_TOLERANCE = 4.0


@dataclass
class Layout:
    """The HDUs that belong to one image; `variance_kind` is "variance", "ivar", "weight" or "sigma"."""

    image: Any
    variance: Any = None
    variance_kind: str = "variance"
    mask: Any = None
    psf: Any = None


def _role(index: int, hdu: Any) -> tuple[str, str]:
    """Give the role of an HDU ("" for none) and the rest of its name, which tells bands apart (`IMAGE_G`, `MASK_G`)."""
    names = [hdu.name] if hdu.name != "PRIMARY" else []
    if index > 0:
        names.append(str(hdu.header.get("EXTTYPE", "")))
    for name in names:
        upper = name.strip().upper()
        if upper in _ROLE_OF_NAME:
            return _ROLE_OF_NAME[upper], ""
        stem, separator, rest = upper.partition("_")
        if separator and stem in _ROLE_OF_NAME:
            return _ROLE_OF_NAME[stem], rest
    return "", ""


def find_layout(hdulist: HDUList, hdu: int | str | tuple[str, int] | None = None) -> Layout:
    """Find the image of a file and the HDUs that belong to it.

    Parameters
    ----------
    hdulist
        The open file.
    hdu
        Number, name or (name, version) of the image; by default the first HDU named as an image, else the first two-dimensional one.

    Returns
    -------
    layout
        The image HDU, and those of variance, mask and PSF where present: known by EXTNAME or EXTTYPE, with the same ending (`MASK_G`) and
        EXTVER as the image, or by the order that old LSST files have.

    Raises
    ------
    InputError
        No such HDU, no image, or planes of different shapes.
    """
    roles = [_role(i, item) for i, item in enumerate(hdulist)]
    index = _find_image(hdulist, roles) if hdu is None else _find_given(hdulist, hdu)
    image = hdulist[index]
    shape = plane_shape(hdulist, image)
    layout = Layout(image)
    rest, version = roles[index][1], getattr(image, "ver", 1)

    def companion(role: str) -> Any:
        return next(
            (
                h
                for h, r in zip(hdulist, roles)
                if r == (role, rest) and h is not image and getattr(h, "ver", 1) == version and image_shape(h)
            ),
            None,
        )

    layout.mask, layout.psf = companion("mask"), companion("psf")
    for role in _VARIANCE_ROLES:
        layout.variance = companion(role)
        if layout.variance is not None:
            layout.variance_kind = role
            break
    if layout.mask is None and layout.variance is None:
        _find_by_order(hdulist, roles, index, layout)
    for plane in (layout.mask, layout.variance):
        if plane is not None and plane_shape(hdulist, plane) != shape:
            ny, nx = plane_shape(hdulist, plane)
            raise InputError(
                f"{describe_hdu(hdulist, plane)} is {nx} x {ny} pixels, expected {shape[1]} x {shape[0]} as the image in HDU {index}"
            )
    return layout


def _find_given(hdulist: HDUList, hdu: int | str | tuple[str, int]) -> int:
    try:
        if isinstance(hdu, str) and hdu.isdigit():
            hdu = int(hdu)
        index = int(hdulist.index_of(hdu))
        _ = hdulist[index]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError(f"{hdulist.filename()} has no HDU {hdu!r}; it has {_listing(hdulist)}") from error
    return index


def _find_image(hdulist: HDUList, roles: list[tuple[str, str]]) -> int:
    candidates = [i for i, item in enumerate(hdulist) if len(image_shape(item)) == 2 and roles[i][0] in ("image", "")]
    if candidates:
        named = [i for i in candidates if roles[i][0] == "image"]
        chosen = (named or candidates)[0]
        others = len(named or candidates) - 1
        by_order = chosen + 1 < len(hdulist) and _is_mask_by_order(hdulist[chosen + 1])
        if others and not by_order:
            _log.warning(
                "%s holds %d images; reading HDU %d %r, choose another with hdu",
                hdulist.filename(),
                others + 1,
                chosen,
                hdulist[chosen].name,
            )
        return chosen
    with_pixels = [item for item in hdulist if getattr(item, "is_image", False) and item.shape]
    if with_pixels:
        plane_shape(hdulist, with_pixels[0])
    raise InputError(f"{hdulist.filename()} holds no two-dimensional image; it has {_listing(hdulist)}")


def _listing(hdulist: HDUList) -> str:
    items = []
    for i, hdu in enumerate(list(hdulist)[:6]):
        kind = " x ".join(str(n) for n in reversed(hdu.shape)) + " image" if getattr(hdu, "is_image", False) and hdu.shape else "no data"
        items.append(f"{i} {hdu.name or '(no name)'}: {kind if getattr(hdu, 'is_image', False) else 'table'}")
    return ", ".join(items) + (", ..." if len(hdulist) > 6 else "")


def mask_planes_of(hdu: Any) -> dict[str, int]:
    """Give bit by plane name from the `MP_` cards of a mask."""
    return {key[3:]: int(value) for key, value in card_values(hdu.header).items() if key.startswith("MP_") and isinstance(value, int)}


def mask_docs_of(hdu: Any) -> dict[str, str]:
    """Give description by plane name from the comments of the `MP_` cards."""
    return {name: hdu.header.comments[f"MP_{name}"] for name in mask_planes_of(hdu)}


def _is_mask_by_order(hdu: Any) -> bool:
    return bool(image_shape(hdu)) and hdu.header.get("BITPIX", 0) > 0 and bool(mask_planes_of(hdu))


def _find_by_order(hdulist: HDUList, roles: list[tuple[str, str]], index: int, layout: Layout) -> None:
    """Old LSST files do not name their planes: image, mask (with `MP_` cards), variance follow each other."""
    following = list(hdulist)[index + 1 : index + 3]
    if following and not roles[index + 1][0] and _is_mask_by_order(following[0]):
        layout.mask = following[0]
        if len(following) > 1 and not roles[index + 2][0] and len(image_shape(following[1])) == 2:
            layout.variance = following[1]


def mask_from_bits(bits: np.ndarray, planes: Mapping[str, int] | None, xy0: tuple[int, int], docs: Mapping[str, str] | None = None) -> Mask:
    """Make a mask of a file's bits.

    Parameters
    ----------
    bits
        Integers of any width, shape (ny, nx).
    planes
        Bit in the file by plane name; planes of the LSST schema move to their place there, others are added, bits without a name become
        planes `BIT<n>`. None: whatever is not zero is BAD.
    xy0
        PARENT position of the first pixel.
    docs
        Description by plane name.

    Returns
    -------
    mask
        The mask.

    Raises
    ------
    InputError
        More planes than a mask can hold.
    """
    from skysift.image import Mask, MaskSchema
    from skysift.image.mask import remap_bits

    schema = MaskSchema.default()
    with suppress(InputError):
        for name, doc in (docs or {}).items():
            schema.add(name, doc)
    if planes is None:
        flags = (bits != 0).astype(np.int32)
        flags *= np.int32(schema.bitmask("BAD"))
        return Mask(flags, xy0, schema)
    flags = np.zeros(bits.shape, np.int32)
    flagged = np.flatnonzero(bits != 0)
    flags.reshape(-1)[flagged] = remap_bits(bits.reshape(-1)[flagged], planes, schema)
    return Mask(flags, xy0, schema)


def variance_from(values: np.ndarray, kind: str, estimate: Any) -> np.ndarray:
    """Turn weights or errors into variances.

    Parameters
    ----------
    values
        float32 of shape (ny, nx); overwritten.
    kind
        "variance"; "ivar", the inverse; "sigma", the square root; or "weight", proportional to the inverse.
    estimate
        Function without arguments that estimates the variance from the pixels; called for weights only.

    Returns
    -------
    variance
        float32 of the same shape; NaN where the weight or error is not positive.

    Notes
    -----
    Weights that differ by more than a factor 4 from inverse variances, as the scatter of the pixels shows it, are relative and are
    scaled to that scatter, as SExtractor does with a MAP_WEIGHT.
    """
    if kind == "variance":
        return values
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if kind == "sigma":
            values[~(values > 0)] = np.nan
            np.multiply(values, values, out=values)
            return values
        usable = values > 0
        np.divide(np.float32(1), values, out=values)
        values[~usable] = np.nan
        if kind == "weight" and usable.any():
            ratio = float(np.nanmedian((estimate() / values)[usable]))
            if not 1 / _WEIGHT_TOLERANCE <= ratio <= _WEIGHT_TOLERANCE and np.isfinite(ratio) and ratio > 0:
                _log.info("weights are relative; variances scaled by %.4g to the scatter of the pixels", ratio)
                values *= np.float32(ratio)
    return values


def _is_finite(array: np.ndarray) -> bool:
    with np.errstate(invalid="ignore"):
        return array.size == 0 or bool(np.isfinite(array.min()) and np.isfinite(array.max()))


def flag_unusable(image: np.ndarray, mask: Mask, variance: np.ndarray) -> bool:
    """Flag pixels without a usable value or variance as NO_DATA.

    Parameters
    ----------
    image
        float32 of shape (ny, nx).
    mask
        Gains the flags.
    variance
        float32 of the same shape. Where it is NaN, infinite or not positive and NO_DATA is not set yet, it becomes the median variance, so
        that nothing is divided by zero.

    Returns
    -------
    usable
        False if no pixel has a usable variance; nothing was done about the variance then.
    """
    no_data = np.int32(mask.bitmask("NO_DATA"))
    if not _is_finite(image):
        mask.array[~np.isfinite(image)] |= no_data
    with np.errstate(invalid="ignore"):
        if _is_finite(variance) and variance.min(initial=np.inf) > 0:
            return True
        unusable = ~((variance > 0) & (variance < np.inf))
    if unusable.all():
        return image.size == 0
    unusable &= (mask.array & no_data) == 0
    if unusable.any():
        step = max(1, variance.size // 1_000_000)
        sample = variance.reshape(-1)[::step]
        sample = sample[(sample > 0) & (sample < np.inf)]
        if not sample.size:
            sample = variance[(variance > 0) & (variance < np.inf)]
        mask.array[unusable] |= no_data
        variance[unusable] = np.median(sample)
    return True
