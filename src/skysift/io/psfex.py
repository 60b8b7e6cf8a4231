"""PSFEx models: the files of PSFEx itself, and tables of one model per CCD (as the Legacy Surveys publish)."""

from __future__ import annotations

from typing import Any

import numpy as np

from skysift.errors import InputError
from skysift.io.archive_psf import psfex_terms
from skysift.psf import PsfexPsf
from skysift.psf.base import MAX_SIZE

__all__ = ["is_psfex", "psfex_from_hdus"]

LANCZOS_ORDER = 3
"""Interpolant of PSFEx."""


def is_psfex(hdu: Any) -> bool:
    """Whether an HDU is a table of PSFEx models."""
    columns = getattr(hdu, "columns", None)
    return columns is not None and "PSF_MASK" in (name.upper() for name in columns.names)


def psfex_from_hdus(hdus: list[Any], ccd: int | str | None = None) -> PsfexPsf:
    """Read one PSFEx model.

    Parameters
    ----------
    hdus
        Tables for which `is_psfex` holds.
    ccd
        The model's CCD: its name (column ``ccdname``), or a number from 0 that counts extensions and rows. None when there is but one model.

    Raises
    ------
    InputError
        No such CCD, several models and no choice, or a model of other quantities than x and y.
    """
    models = [_Model(hdu, row) for hdu in hdus for row in range(len(hdu.data))]
    if ccd is None:
        if len(models) != 1:
            raise InputError(f"the file holds {len(models)} PSFEx models ({_listing(models)}); choose one with ccd")
        return models[0].psf()
    if isinstance(ccd, str):
        named = [m for m in models if m.name.upper() == ccd.strip().upper()]
        if len(named) == 1:
            return named[0].psf()
        if not ccd.strip().isdigit():
            raise InputError(f"the file holds {len(named)} PSFEx models of CCD {ccd!r}; it has {_listing(models)}")
    number = int(ccd)
    if not 0 <= number < len(models):
        raise InputError(f"the file holds {len(models)} PSFEx models, there is no number {number}")
    return models[number].psf()


def _listing(models: list[_Model]) -> str:
    names = [m.name or str(i) for i, m in enumerate(models)]
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


class _Model:
    """One row of a table; a value comes from a column or, in PSFEx's own files, from the header."""

    def __init__(self, hdu: Any, row: int) -> None:
        self._hdu, self._row = hdu, row
        self._columns = {name.upper(): name for name in hdu.columns.names}

    @property
    def name(self) -> str:
        """Name of the CCD, or nothing."""
        return str(self._get("CCDNAME", "")).strip()

    def _get(self, key: str, default: Any = None) -> Any:
        if key in self._columns:
            return self._hdu.data[self._columns[key]][self._row]
        value = self._hdu.header.get(key, default)
        if value is None:
            raise InputError(f"the PSFEx model has no {key}")
        return value

    def psf(self) -> PsfexPsf:
        """Make the PSF, in PARENT pixels (PSFEx counts from 1)."""
        pixels = np.asarray(self._get("PSF_MASK"), np.float64)
        pixels = pixels.reshape(-1, *pixels.shape[-2:]) if pixels.ndim >= 2 else self._shaped(pixels)
        if pixels.shape[1] != pixels.shape[2] or pixels.shape[1] > MAX_SIZE:
            raise InputError(f"the PSFEx model has images of {pixels.shape[2]} x {pixels.shape[1]} pixels; expected a square")
        center, scale, degree = (0.0, 0.0), (1.0, 1.0), 0
        n_axes = int(self._get("POLNAXIS", 0))
        if n_axes > 0:
            names = [str(self._get(f"POLNAME{i + 1}", "")).strip().upper() for i in range(n_axes)]
            if n_axes != 2 or int(self._get("POLNGRP", 1)) != 1 or not (names[0].startswith("X") and names[1].startswith("Y")):
                raise InputError(f"the PSFEx model varies with {', '.join(names)}; only models of x and y in one group are read")
            degree = int(self._get("POLDEG1"))
            center = (float(self._get("POLZERO1")) - 1.0, float(self._get("POLZERO2")) - 1.0)
            scale = (float(self._get("POLSCAL1")), float(self._get("POLSCAL2")))
        terms = psfex_terms(degree, center, scale)
        if len(terms) > len(pixels):
            raise InputError(f"the PSFEx model has {len(pixels)} images for a polynomial of {len(terms)} terms")
        step = float(self._get("PSF_SAMP", 1.0))
        return PsfexPsf(pixels[: len(terms)], terms, pixel_step=step if step > 0 else 1.0, lanczos_order=LANCZOS_ORDER)

    def _shaped(self, pixels: Any) -> Any:
        width, height = int(self._get("PSFAXIS1")), int(self._get("PSFAXIS2"))
        return pixels.reshape(-1, height, width)
