"""The earlier name of `skysift.characterize.psf_measurement`, kept until nothing imports it: it hides the function `measure_psf` of the package."""

from __future__ import annotations

from skysift.characterize.psf_measurement import add_psf_fields, measure_psf

__all__ = ["add_psf_fields", "measure_psf"]
