"""InstallGaussianPsfTask: a Gaussian of the configured width, or of that of the PSF it replaces."""

import numpy as np
import pytest

from skysift.characterize import NonfinitePsfShapeError
from skysift.image import Exposure
from skysift.psf import DoubleGaussianPsf, GaussianPsf, KernelPsf
from skysift.tasks import InstallGaussianPsfTask


def make_exposure(psf: object = None) -> Exposure:
    return Exposure.from_arrays(np.zeros((20, 30)), np.ones((20, 30)), psf=psf)


def test_configured_width():
    exposure = make_exposure()
    InstallGaussianPsfTask().run(exposure)
    assert isinstance(exposure.psf, GaussianPsf)
    assert exposure.psf.size == 11
    assert exposure.psf.sigma() == pytest.approx(1.5, rel=1e-6)
    config = InstallGaussianPsfTask.ConfigClass()
    config.fwhm, config.width = 2.0 * 2.354820045, 17
    exposure = make_exposure()
    InstallGaussianPsfTask(config=config).run(exposure)
    assert exposure.psf.size == 17
    assert exposure.psf.sigma() == pytest.approx(2.0, rel=1e-6)


def test_width_of_the_psf_that_is_there():
    before = DoubleGaussianPsf(25, 1.8, 3.6, 0.1)
    exposure = make_exposure(before)
    InstallGaussianPsfTask().run(exposure)
    assert isinstance(exposure.psf, GaussianPsf)
    assert exposure.psf.size == 25
    assert exposure.psf.sigma() == pytest.approx(before.sigma(), rel=1e-6)


def test_even_width_is_an_error():
    config = InstallGaussianPsfTask.ConfigClass()
    config.width = 12
    with pytest.raises(ValueError, match="odd"):
        config.validate()


def test_psf_without_width(monkeypatch):
    psf = KernelPsf(np.eye(11))
    monkeypatch.setattr(KernelPsf, "sigma", lambda self, x=None, y=None: float("nan"))
    exposure = make_exposure(psf)
    with pytest.raises(NonfinitePsfShapeError):
        InstallGaussianPsfTask().run(exposure)
    assert exposure.psf is psf
