"""Cosmic rays of a simulated visit: all found, no source lost."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from skysift.image import Exposure, Image, Mask, MaskedImage
from skysift.psf import KernelPsf
from skysift.repair import repair


@pytest.fixture(scope="module")
def visit():
    """A simulated visit with truth, from the folder that the environment variable SIM_DIR names."""
    folder = Path(os.environ.get("SIM_DIR", "sim"))
    if not (folder / "visit.fits").is_file():
        pytest.skip("no simulated visit; set SIM_DIR to its folder")
    from astropy.io import fits
    from astropy.table import Table

    with fits.open(folder / "visit.fits") as file:
        planes = {name: np.array(file[name].data) for name in ("IMAGE", "MASK", "VARIANCE", "PSFGRID")}
    return planes, Table.read(folder / "visit_truth.fits")


@pytest.mark.slow
def test_all_are_found_and_no_source_is_lost(visit):
    planes, truth = visit
    flags = planes["MASK"].astype(np.int32)
    injected = (flags & 4 != 0) & (flags & 3 == 0)
    exposure = Exposure(
        MaskedImage(Image(planes["IMAGE"].astype(np.float32)), Mask(flags & 3), Image(planes["VARIANCE"].astype(np.float32))),
        psf=KernelPsf(planes["PSFGRID"][8, 8].astype(np.float64)),
    )
    repair(exposure)
    found = exposure.mask.array & exposure.mask.bitmask("CR") != 0
    assert found[injected].mean() > 0.99
    near = injected.copy()
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            near |= np.roll(flags & 4 != 0, (dy, dx), (0, 1))
    assert np.count_nonzero(found & ~near) < 50
    apart = np.asarray(truth["nearmask"]) == 0
    x, y = (np.clip(np.round(np.asarray(truth[c])[apart]).astype(int), 0, found.shape[0] - 1) for c in ("x", "y"))
    assert not found[y, x].any()
