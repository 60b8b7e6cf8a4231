"""Repair of exposures as Tasks: InterpImageTask and RepairTask."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from lsst.pipe.base import Task

from skysift.image import Exposure
from skysift.repair import interpolate_image, repair
from skysift.repair.config import InterpImageConfig, RepairConfig

if TYPE_CHECKING:
    from skysift.geom import Box2I
    from skysift.image import MaskedImage

__all__ = ["InterpImageTask", "RepairTask"]


class InterpImageTask(Task):
    """Interpolate over the pixels of a mask plane, or over boxes.

    Notes
    -----
    The LSST task is `lsst.pipe.tasks.InterpImageTask`.
    """

    ConfigClass: ClassVar[type] = InterpImageConfig
    _DefaultName: ClassVar[str] = "interpImage"

    config: InterpImageConfig

    def run(
        self,
        image: MaskedImage | Exposure,
        planeName: str | None = None,
        fwhmPixels: float | None = None,
        defects: Iterable[Box2I] | None = None,
    ) -> None:
        """Interpolate; the metadata item `interpolated_pixel_count` is the number of pixels filled.

        Parameters
        ----------
        image
            A masked image or an exposure, changed in place.
        planeName
            Name of a mask plane.
        fwhmPixels
            Not used: the weights are made for one width, as in LSST.
        defects
            Boxes, PARENT pixels. Give either `planeName` or `defects`.

        Raises
        ------
        InputError
            When both or none of `planeName` and `defects` are given, or the plane does not exist.
        """
        masked_image = image.masked_image if isinstance(image, Exposure) else image
        n_pixels = interpolate_image(masked_image, self.config, plane=planeName, defects=defects)
        self.log.info("Interpolated over %d pixels", n_pixels)
        self.metadata["interpolated_pixel_count"] = n_pixels


class RepairTask(Task):
    """Interpolate over defects, and find cosmic rays and interpolate over them.

    Notes
    -----
    The LSST task is `lsst.pipe.tasks.RepairTask`.
    """

    ConfigClass: ClassVar[type] = RepairConfig
    _DefaultName: ClassVar[str] = "repair"

    config: RepairConfig

    def run(self, exposure: Exposure, defects: Iterable[Box2I] | None = None, keepCRs: bool | None = None) -> None:
        """Repair an exposure in place; the metadata item `cosmic_ray_count` is the number of cosmic rays.

        Parameters
        ----------
        exposure
            The exposure; needs a PSF for cosmic rays.
        defects
            Boxes of bad pixels, PARENT pixels.
        keepCRs
            Mark cosmic rays but leave their pixels; None means ``config.cosmicray.keepCRs``.

        Raises
        ------
        InputError
            When cosmic rays are wanted and the exposure has no PSF.
        TooManyCosmicRaysError
            When more pixels look like cosmic rays than ``config.cosmicray.nCrPixelMax``.
        """
        result = repair(exposure, self.config, defects, keepCRs)
        if self.config.doCosmicRay:
            self.metadata["cosmic_ray_count"] = len(result.cosmic_rays)
            self.log.info("Identified %d cosmic rays", len(result.cosmic_rays))
