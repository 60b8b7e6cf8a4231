"""What LSST and HSC exposure files carry besides pixels: the archive of components and the record of the visit."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from skysift.errors import InputError

if TYPE_CHECKING:
    from astropy.io.fits import HDUList

__all__ = ["read_components"]

_log = logging.getLogger(__name__)

_NEWEST_VERSION = 2
_COMPONENTS = ("wcs", "psf", "photo_calib", "ap_corr_map", "filter_label", "valid_polygon", "summary_stats", "coadd_inputs", "detector")


def read_components(hdulist: HDUList, header: Mapping[str, Any]) -> dict[str, Any]:
    """Read the components of an exposure.

    Parameters
    ----------
    hdulist
        The open file.
    header
        Its primary and image headers as one mapping.

    Returns
    -------
    components
        Those that the file has, by the name of the `Exposure` argument.

    Raises
    ------
    InputError
        The file has a newer layout than any known.
    """
    version = header.get("EXPINFO_V", 0)
    if isinstance(version, int) and version > _NEWEST_VERSION:
        raise InputError(f"{hdulist.filename()} has LSST exposure layout {version}, expected at most {_NEWEST_VERSION}")
    components: dict[str, Any] = {}
    if any(hdu.header.get("EXTTYPE") == "ARCHIVE_INDEX" for hdu in hdulist):
        from skysift.io.archive import read_archive

        archive = read_archive(hdulist)
        components = {name: archive[name] for name in _COMPONENTS if archive.get(name) is not None}
    return components
