"""The sky of a simulated visit against the true one."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from skysift.background import estimate_sky
from skysift.image import Image, Mask, MaskedImage


@pytest.mark.slow
def test_sky_of_a_visit():
    folder = Path(os.environ.get("SIM_DIR", "sim"))
    if not (folder / "visit.fits").is_file():
        pytest.skip("no simulated visit; set SIM_DIR to its folder")
    from astropy.io import fits

    with fits.open(folder / "visit.fits") as file:
        image, flags = file["IMAGE"].data.astype(np.float32), file["MASK"].data.astype(np.int32)
    truth = fits.getdata(folder / "visit_sky_true.fits")
    # The simulation's bits are BAD, SAT, CR; the third is LSST's fourth.
    sky = estimate_sky(MaskedImage(Image(image), Mask((flags & 3) | (flags & 4) << 1)))
    error = sky.image().array - truth
    assert abs(error.mean()) < 0.04
    assert abs(error[flags == 0].mean()) < 0.04
    assert error.std() < 0.16
    np.testing.assert_allclose(np.median(sky.rms), 30.9, rtol=0.01)
