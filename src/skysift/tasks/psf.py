"""A first PSF as a Task: InstallGaussianPsfTask."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from lsst.pipe.base import Task

from skysift.characterize import install_simple_psf
from skysift.characterize.config import InstallGaussianPsfConfig

if TYPE_CHECKING:
    from skysift.image import Exposure

__all__ = ["InstallGaussianPsfTask"]


class InstallGaussianPsfTask(Task):
    """Give an exposure a Gaussian PSF, as wide as the PSF that it has, or of the configured width.

    Notes
    -----
    The LSST task is `lsst.meas.algorithms.InstallGaussianPsfTask`.
    """

    ConfigClass: ClassVar[type] = InstallGaussianPsfConfig
    _DefaultName: ClassVar[str] = "installGaussianPsf"

    config: InstallGaussianPsfConfig

    def run(self, exposure: Exposure) -> None:
        """Replace the PSF of an exposure.

        Parameters
        ----------
        exposure
            The exposure, changed in place.

        Raises
        ------
        NonfinitePsfShapeError
            When the PSF that it has has no positive width.
        """
        install_simple_psf(exposure, self.config)
        self.log.debug("Installed a Gaussian PSF of sigma %.3f pixels", exposure.psf.sigma())
