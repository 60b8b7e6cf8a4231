"""The background and the noise about it as Tasks: SubtractBackgroundTask and ScaleVarianceTask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from lsst.pipe.base import Struct, Task

from skysift.background import fit_background, subtract_background
from skysift.background.config import BackgroundConfig
from skysift.background.scale_variance import ScaleVarianceConfig, scale_variance, variance_scales
from skysift.errors import InputError

if TYPE_CHECKING:
    from skysift.background import Background, BackgroundList
    from skysift.image import Exposure, Image, MaskedImage

__all__ = ["ScaleVarianceTask", "SubtractBackgroundTask"]


class SubtractBackgroundTask(Task):
    """Fit the background of an exposure and subtract it.

    Notes
    -----
    The LSST task is `lsst.meas.algorithms.SubtractBackgroundTask`.
    """

    ConfigClass: ClassVar[type] = BackgroundConfig
    _DefaultName: ClassVar[str] = "subtractBackground"

    config: BackgroundConfig

    def run(
        self,
        exposure: Exposure,
        background: BackgroundList | None = None,
        stats: bool = True,
        statsKeys: Sequence[str] | None = None,
        backgroundToPhotometricRatio: Image | None = None,
    ) -> Struct:
        """Subtract the background from the image plane.

        Parameters
        ----------
        exposure
            The exposure, changed in place.
        background
            Backgrounds subtracted before; the new one is appended. None begins a new list.
        stats
            Write mean and variance of the total background to the exposure's metadata.
        statsKeys
            The two metadata keys; None means ``BGMEAN`` and ``BGVAR``.
        backgroundToPhotometricRatio
            Ratio of the background's flat field to the photometric one, needed with ``config.doApplyFlatBackgroundRatio``.

        Returns
        -------
        result
            `background`, a `BackgroundList`.

        Raises
        ------
        InputError
            When `statsKeys` are not two, or the ratio image is needed and missing.
        AlgorithmError
            See `skysift.background.fit_background`.
        """
        mean_key, variance_key = self._stats_keys(statsKeys)
        background = subtract_background(
            exposure,
            self.config,
            background,
            stats=stats,
            stats_keys=(mean_key, variance_key),
            background_to_photometric_ratio=backgroundToPhotometricRatio,
        )
        self.log.debug("Subtracted background number %d", len(background))
        return Struct(background=background)

    def fitBackground(self, maskedImage: MaskedImage, nx: int = 0, ny: int = 0, algorithm: str | None = None) -> Background:
        """Fit a background without subtracting it; see `skysift.background.fit_background`."""
        return fit_background(maskedImage, self.config, nx=nx, ny=ny, algorithm=algorithm)

    @staticmethod
    def _stats_keys(keys: Sequence[str] | None) -> tuple[str, str]:
        if keys is None:
            return "BGMEAN", "BGVAR"
        if len(keys) != 2:
            raise InputError(f"statsKeys has {len(keys)} names; expected two, for the mean and the variance")
        return keys[0], keys[1]


class ScaleVarianceTask(Task):
    """Scale the variance plane so that it matches the scatter of the pixels.

    Notes
    -----
    The LSST task is `lsst.pipe.tasks.ScaleVarianceTask`.
    """

    ConfigClass: ClassVar[type] = ScaleVarianceConfig
    _DefaultName: ClassVar[str] = "scaleVariance"

    config: ScaleVarianceConfig

    def run(self, maskedImage: MaskedImage) -> float:
        """Scale the variance in place; see `skysift.background.scale_variance.scale_variance`.

        Parameters
        ----------
        maskedImage
            The image; its variance plane is changed.

        Returns
        -------
        factor
            What the variance was multiplied by.

        Raises
        ------
        ExceedsMaxVarianceScaleError
            When the factor exceeds ``config.limit``.
        """
        factor = scale_variance(maskedImage, self.config)
        self.log.info("Scaled the variance by %g", factor)
        return factor

    def computeScaleFactors(self, maskedImage: MaskedImage) -> Struct:
        """Compute the factors without scaling: `pixelFactor` and `imageFactor`."""
        scales = variance_scales(maskedImage, self.config)
        return Struct(pixelFactor=scales.pixel, imageFactor=scales.image)
