"""Scaling the variance plane so that it matches the scatter of the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import lsst.pex.config as pexConfig
import numpy as np

from skysift.background.config import BackgroundConfig
from skysift.background.model import fit_background
from skysift.errors import AlgorithmError

if TYPE_CHECKING:
    from skysift.image import MaskedImage

__all__ = ["ExceedsMaxVarianceScaleError", "ScaleVarianceConfig", "VarianceScales", "scale_variance", "variance_scales"]

_SIGMA_PER_IQR = 0.74


class ExceedsMaxVarianceScaleError(AlgorithmError):
    """The variance plane is too far from the scatter of the pixels to be scaled."""


class ScaleVarianceConfig(pexConfig.Config):
    """How to scale the variance (LSST `ScaleVarianceConfig`)."""

    background = pexConfig.ConfigField[BackgroundConfig](
        doc="Background to take out while the scatter is measured.", dtype=BackgroundConfig
    )
    maskPlanes = pexConfig.ListField[str](
        doc="Mask planes of pixels to leave out.",
        dtype=str,
        default=["DETECTED", "DETECTED_NEGATIVE", "BAD", "SAT", "NO_DATA", "INTRP"],
    )
    limit = pexConfig.Field[float](doc="Greatest factor.", dtype=float, default=10.0)

    def setDefaults(self) -> None:
        """Take out structure larger than 32 pixels."""
        super().setDefaults()
        self.background.binSize = 32
        self.background.useApprox = False
        self.background.undersampleStyle = "REDUCE_INTERP_ORDER"
        self.background.ignoredPixelMask = ["DETECTED", "DETECTED_NEGATIVE", "BAD", "SAT", "NO_DATA", "INTRP"]


@dataclass(frozen=True)
class VarianceScales:
    """Factors by which the variance is too small, 1 where there are too few pixels to tell."""

    pixel: float
    """From the scatter of pixels in units of their own errors."""
    image: float
    """From the scatter of all pixels and the median variance."""


def _sigma(values: np.ndarray) -> float:
    """Standard deviation of a Gaussian with the interquartile range of the values."""
    low, high = np.percentile(values, [25.0, 75.0])
    return _SIGMA_PER_IQR * float(high - low)


def variance_scales(masked_image: MaskedImage, config: ScaleVarianceConfig | None = None) -> VarianceScales:
    """Compare the scatter of the pixels with the variance plane.

    Parameters
    ----------
    masked_image
        The image; not changed.
    config
        Pixels to leave out, and the background; None for the defaults.

    Returns
    -------
    scales
        ``(0.74 IQR(I / sqrt(v)))**2`` and ``(0.74 IQR(I))**2 / median(v)``, I less its background.

    Raises
    ------
    AlgorithmError
        See `fit_background`.

    Notes
    -----
    LSST `ScaleVarianceTask.computeScaleFactors`.
    """
    config = config or ScaleVarianceConfig()
    variance = masked_image.variance.array
    with np.errstate(invalid="ignore"):
        good = np.isfinite(masked_image.image.array) & np.isfinite(variance) & (variance > 0)
    good &= (masked_image.mask.array & masked_image.mask.bitmask(*config.maskPlanes, ignore_missing=True)) == 0
    if np.count_nonzero(good) < 2:
        return VarianceScales(1.0, 1.0)
    model = fit_background(masked_image, config.background).image().array
    pixels = masked_image.image.array[good].astype(np.float64) - model[good]
    variance = variance[good].astype(np.float64)
    return VarianceScales(_sigma(pixels / np.sqrt(variance)) ** 2, _sigma(pixels) ** 2 / float(np.median(variance)))


def scale_variance(masked_image: MaskedImage, config: ScaleVarianceConfig | None = None) -> float:
    """Scale the variance plane so that it matches the scatter of the pixels.

    Warped and stacked pixels are correlated, and their variance plane is smaller than the variance that sources see.

    Parameters
    ----------
    masked_image
        The image; its variance plane is changed in place, its image is not.
    config
        How; None for the defaults.

    Returns
    -------
    factor
        What the variance was multiplied by: the factor from single pixels, or where that exceeds the limit the one of the whole image.

    Raises
    ------
    ExceedsMaxVarianceScaleError
        When both factors exceed ``config.limit``, or are not finite.

    Notes
    -----
    The LSST task is `lsst.pipe.tasks.ScaleVarianceTask`.
    """
    config = config or ScaleVarianceConfig()
    scales = variance_scales(masked_image, config)
    factor = next((scale for scale in (scales.pixel, scales.image) if scale <= config.limit), None)
    if factor is None:
        raise ExceedsMaxVarianceScaleError(
            f"the variance would have to be scaled by {scales.pixel:.3g} (or {scales.image:.3g}); at most {config.limit:g} is allowed",
            hint="check the variance plane, or raise limit",
            metadata={"pixel_factor": scales.pixel, "image_factor": scales.image},
        )
    masked_image.variance.array[...] *= np.float32(factor)
    return factor
