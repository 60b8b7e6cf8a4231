"""Reading exposures of any layout."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skysift.errors import InputError
from skysift.geom import Box2I
from skysift.io import decam, header, lsst, sdss
from skysift.io.components import components_from_hdus
from skysift.io.fitsfile import card_values, describe_hdu, image_shape, open_fits, plane_shape, read_floats, read_integers
from skysift.io.plain import Layout, find_layout, flag_unusable, mask_docs_of, mask_from_bits, mask_planes_of, variance_from

if TYPE_CHECKING:
    from astropy.io.fits import HDUList

    from skysift.image import Exposure, Mask, SkyWcs
    from skysift.psf import Psf

__all__ = ["read_exposure"]

_log = logging.getLogger(__name__)

PathLike = str | os.PathLike[str]
Slices = tuple[slice, slice]


def read_exposure(
    path: PathLike,
    hdu: int | str | tuple[str, int] | None = None,
    *,
    variance: Any = None,
    weight: Any = None,
    rms: Any = None,
    mask: Any = None,
    mask_planes: Mapping[str, int] | None = None,
    psf: Any = None,
    bbox: Box2I | None = None,
    gain: float | None = None,
    read_noise: float | None = None,
) -> Exposure:
    """Read an image with all that its file, or files beside it, say about it.

    Known layouts: Skysift's own; LSST and HSC exposures (planes, archive of PSF, coordinates and calibration); DECam community pipeline
    (quality and weight found beside the image); SDSS frames (variance from the sky and calibration they carry); any FITS file with an
    image, and planes of variance, weight, error, mask and PSF where HDUs are named so. Compressed files (gzip, bzip2, fpack), any pixel
    type and byte order.

    Parameters
    ----------
    path
        The file.
    hdu
        Number, name or (name, version) of the image; by default the first image.
    variance, weight, rms
        At most one: variances, weights (inverse variances, or relative: then scaled to the scatter of the pixels) or errors, in place of
        what the file has. A file, an array of the image's shape, or one number.
    mask
        Flags in place of what the file has: a file, an array, or a `Mask`.
    mask_planes
        Bit by plane name for masks that do not name their planes; without it whatever is not zero is BAD.
    psf
        A `Psf`, a file with one, or the full width at half maximum in pixels.
    bbox
        Read only this part (PARENT pixels, cut to the image); the rest is not loaded.
    gain
        Electrons per count, in place of what the header says.
    read_noise
        Electrons, in place of what the header says; used where the variance must be estimated.

    Returns
    -------
    exposure
        Image and variance float32, mask int32 with the planes of the LSST schema first. Pixels without a usable value or variance are
        flagged NO_DATA, and pixels from the header's SATURATE on SAT if there is no mask. A variance that nothing gives is estimated from
        the pixels (`skysift.image.noise.estimate_variance`), and NaN if they show no noise.

    Raises
    ------
    InputError
        The file cannot be read or does not make sense; one line with file, HDU and what was expected.
    """
    path = Path(path)
    _check_one_of(variance=variance, weight=weight, rms=rms)
    with open_fits(path) as hdulist:
        layout = find_layout(hdulist, hdu)
        shape, xy0 = plane_shape(hdulist, layout.image), header.xy0(layout.image.header)
        box, slices = _part(path, shape, xy0, bbox)
        pixels = read_floats(hdulist, layout.image, slices)
        if not any(np.isfinite(row).any() for row in pixels):
            raise InputError(f"{describe_hdu(hdulist, layout.image)} has no pixel with a finite value")
        headers = [hdulist[0].header] if layout.image is hdulist[0] else [hdulist[0].header, layout.image.header]
        known = card_values(*headers)
        components = components_from_hdus(hdulist) or lsst.read_components(hdulist, known)
        found_gain = components.pop("gain", None) or header.gain(known)
        gain = found_gain if gain is None else _checked_positive("gain", gain)
        read_noise = header.read_noise(known) if read_noise is None else read_noise

        origin = (box.min_x, box.min_y)
        flags = _read_mask(hdulist, layout, mask, mask_planes, path, slices, shape, origin)
        has_mask = flags is not None
        if flags is None:
            flags = mask_from_bits(np.zeros(pixels.shape, np.uint8), {}, origin)
        level = header.saturation(known)
        if level is not None and not has_mask:
            flags.array[pixels >= level] |= np.int32(flags.bitmask("SAT"))

        def estimate() -> np.ndarray:
            return _estimate_variance(pixels, flags, gain, read_noise)

        given = next(
            ((value, kind) for value, kind in ((variance, "variance"), (weight, "weight"), (rms, "sigma")) if value is not None), None
        )
        plane = _read_variance(hdulist, layout, given, path, slices, shape, estimate)
        if plane is None and layout.image is hdulist[0]:
            plane = sdss.frame_variance(hdulist, pixels, slices)
        if plane is None or not flag_unusable(pixels, flags, plane):
            if plane is not None:
                _log.warning("%s: no pixel has a usable variance; it is estimated from the pixels", path)
            plane = estimate()
            if not flag_unusable(pixels, flags, plane):
                _log.warning("%s: the pixels show no noise; the exposure has no variance", path)
        wcs = components.pop("wcs", None) or _read_wcs(layout.image.header, xy0, path)
        archived_psf = components.pop("psf", None)
        whole = Box2I.from_shape(shape, xy0)
        own_psf = _given_psf(psf, layout.image.name, whole) if psf is not None else archived_psf or _read_psf(hdulist, layout, whole)
        components["photo_calib"] = components.get("photo_calib") or header.photo_calib(known)
        components["filter_label"] = components.get("filter_label") or header.filter_label(known)
        components["visit_info"] = components.get("visit_info") or header.visit_info(known)
        components.setdefault("id", known.get("EXPID") if isinstance(known.get("EXPID"), int) else None)
        # In the layout of LSST, and in Skysift's, the image's own header holds no metadata.
        general = headers[:1] if known.get("EXTTYPE") == "IMAGE" and known.get("INHERIT") is True else headers
        metadata = header.merged_metadata(general, keep_wcs=wcs is None)
        unit = str(known.get("BUNIT") or "").strip()
    return _assemble(pixels, flags, plane, origin, unit, wcs=wcs, psf=own_psf, metadata=metadata, gain=gain, **components)


def _assemble(pixels: np.ndarray, flags: Mask, variance: np.ndarray, xy0: tuple[int, int], unit: str, **components: Any) -> Exposure:
    from skysift.image import Exposure, Image, MaskedImage

    return Exposure(MaskedImage(Image(pixels, xy0, unit=unit), flags, Image(variance, xy0)), **components)


def _check_one_of(**given: Any) -> None:
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise InputError(f"{' and '.join(names)} were given, expected at most one of variance, weight and rms")


def _checked_positive(name: str, value: float) -> float:
    if not (np.isfinite(value) and value > 0):
        raise InputError(f"{name} is {value}, expected a positive number")
    return float(value)


def _part(path: Path, shape: tuple[int, int], xy0: tuple[int, int], bbox: Box2I | None) -> tuple[Box2I, Slices | None]:
    """Give the box to read and its slices in the file; None for all."""
    whole = Box2I.from_shape(shape, xy0)
    if bbox is None or bbox == whole:
        return whole, None
    box = bbox.clipped_to(whole)
    if box.is_empty:
        raise InputError(f"{path}: {bbox} does not overlap the image, which covers {whole}")
    return box, box.slices(xy0)


def _load(source: Any, slices: Slices | None, shape: tuple[int, int], what: str, *, integers: bool) -> tuple[np.ndarray, Any]:
    """Load a plane given by the user as file, array or number; also give its HDU's header, if any."""
    part = tuple(len(range(n)[s]) for n, s in zip(shape, slices)) if slices else shape
    if isinstance(source, str | os.PathLike):
        with open_fits(source) as hdulist:
            hdu = _plane_of_file(hdulist, what)
            found = plane_shape(hdulist, hdu)
            if found != shape:
                raise InputError(
                    f"{describe_hdu(hdulist, hdu)} is {found[1]} x {found[0]} pixels, expected {shape[1]} x {shape[0]} as the image"
                )
            return (read_integers if integers else read_floats)(hdulist, hdu, slices), hdu
    array = np.asarray(getattr(source, "array", source))
    if array.ndim == 0:
        return np.full(part, array, np.int32 if integers else np.float32), None
    if slices is not None and array.shape == shape:
        array = array[slices]
    if array.shape != part:
        raise InputError(f"the {what} has shape {array.shape}, expected {part} as the image")
    if array.dtype.kind not in "biuf":
        raise InputError(f"the {what} is an array of {array.dtype}, expected numbers")
    if integers:
        return np.ascontiguousarray(
            array.astype(np.int64) if array.dtype.kind in "fb" else array.astype(array.dtype.newbyteorder("="))
        ), None
    return np.array(array, dtype=np.float32, order="C"), None


def _plane_of_file(hdulist: HDUList, what: str) -> Any:
    """Choose the HDU of a file that holds a mask, weight or error: the one named so, else the first image."""
    wanted = {"mask": "mask", "variance": "variance", "weight": "variance", "rms": "variance"}[what]
    with suppress(InputError):
        found = getattr(find_layout(hdulist), wanted)
        if found is not None:
            return found
    planes = [hdu for hdu in hdulist if len(image_shape(hdu)) == 2]
    if not planes:
        raise InputError(f"{hdulist.filename()} holds no two-dimensional image, expected a {what}")
    return planes[0]


def _read_mask(
    hdulist: HDUList,
    layout: Layout,
    given: Any,
    planes: Mapping[str, int] | None,
    path: Path,
    slices: Slices | None,
    shape: tuple[int, int],
    origin: tuple[int, int],
) -> Mask | None:
    """Read the mask that the user gave, the file has, or DECam wrote beside it."""
    from skysift.image import Mask, MaskSchema

    quality, docs = decam.companions(path)[0], None
    if given is not None:
        if isinstance(given, Mask) and planes is None:
            planes = given.planes
        bits, hdu = _load(given, slices, shape, "mask", integers=True)
        planes = planes or (mask_planes_of(hdu) if hdu is not None else None) or None
    elif layout.mask is not None:
        bits = read_integers(hdulist, layout.mask, slices)
        if planes is None:
            planes, docs = mask_planes_of(layout.mask) or None, mask_docs_of(layout.mask)
    elif quality is not None:
        codes, _ = _load_beside(hdulist, layout, quality, slices, shape, "mask", integers=True)
        schema = MaskSchema.default()
        return Mask(decam.flags_from_codes(codes, dict(schema.planes)), origin, schema)
    else:
        return None
    return mask_from_bits(bits, planes, origin, docs)


def _load_beside(
    hdulist: HDUList, layout: Layout, path: Path, slices: Slices | None, shape: tuple[int, int], what: str, *, integers: bool
) -> Any:
    """Load a plane from the HDU of another file that has the name, or else the place, of the image in its own."""
    with open_fits(path) as beside:
        names = [hdu.name for hdu in beside]
        index = next(i for i, hdu in enumerate(hdulist) if hdu is layout.image)
        hdu = beside[layout.image.name] if layout.image.name in names else beside[min(index, len(beside) - 1)]
        found = plane_shape(beside, hdu)
        if found != shape:
            raise InputError(
                f"{describe_hdu(beside, hdu)} is {found[1]} x {found[0]} pixels, expected {shape[1]} x {shape[0]} as the image"
            )
        return (read_integers if integers else read_floats)(beside, hdu, slices), hdu


def _read_variance(
    hdulist: HDUList,
    layout: Layout,
    given: tuple[Any, str] | None,
    path: Path,
    slices: Slices | None,
    shape: tuple[int, int],
    estimate: Any,
) -> np.ndarray | None:
    """Read the variance that the user gave, the file has, or DECam wrote beside it."""
    if given is not None:
        value, kind = given
        what = {"variance": "variance", "weight": "weight", "sigma": "rms"}[kind]
        return variance_from(_load(value, slices, shape, what, integers=False)[0], kind, estimate)
    if layout.variance is not None:
        return variance_from(read_floats(hdulist, layout.variance, slices), layout.variance_kind, estimate)
    weight = decam.companions(path)[1]
    if weight is not None:
        return variance_from(_load_beside(hdulist, layout, weight, slices, shape, "weight", integers=False)[0], "ivar", estimate)
    return None


def _estimate_variance(pixels: np.ndarray, flags: Mask, gain: float | None, read_noise: float | None) -> np.ndarray:
    from skysift.image.noise import estimate_variance

    return estimate_variance(pixels, flags, gain=gain, read_noise=read_noise)


def _read_wcs(image_header: Any, xy0: tuple[int, int], path: Path) -> SkyWcs | None:
    from skysift.image import SkyWcs

    if not any(str(image_header.get(f"CTYPE{axis}", "")).strip() for axis in (1, 2)):
        return None
    # Whatever is wrong with the coordinates, the pixels can still be used.
    try:
        return SkyWcs.from_header(image_header, xy0)
    except Exception as error:
        _log.warning("%s: celestial coordinates left out: %s", path, error)
        return None


def _given_psf(psf: Any, image_name: str, whole: Box2I) -> Psf:
    """Give the PSF that the user named; of a file with one model per CCD, that of the image's extension."""
    from skysift.psf import Psf

    if isinstance(psf, Psf):
        return psf
    from skysift.io.psf import read_psf

    try:
        return read_psf(psf, bbox=whole)
    except InputError:
        with suppress(InputError):
            return read_psf(psf, ccd=image_name, bbox=whole)
        raise


def _read_psf(hdulist: HDUList, layout: Layout, whole: Box2I) -> Psf | None:
    """Read the PSF that the file has for this image; a broken one is left out with a warning."""
    from skysift.io.psf import psf_from_hdus

    index = next((i for i, hdu in enumerate(hdulist) if hdu is layout.psf), None)
    try:
        # A PSF with the name of its band, or the version of its image, belongs to that image alone.
        is_only = index is None or (layout.psf.name in ("PSF", "PSFGRID") and getattr(layout.psf, "ver", 1) == 1)
        return psf_from_hdus(hdulist, hdu=None if is_only else index, bbox=whole)
    except InputError as error:
        _log.warning("%s: PSF left out: %s", hdulist.filename(), error)
        return None
