"""Subtraction of the background from an exposure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skysift.background.model import BackgroundList, fit_background
from skysift.errors import InputError

if TYPE_CHECKING:
    from skysift.background.config import BackgroundConfig
    from skysift.image import Exposure, Image

__all__ = ["subtract_background"]


def subtract_background(
    exposure: Exposure,
    config: BackgroundConfig | None = None,
    background: BackgroundList | None = None,
    *,
    stats: bool = True,
    stats_keys: tuple[str, str] = ("BGMEAN", "BGVAR"),
    background_to_photometric_ratio: Image | None = None,
) -> BackgroundList:
    """Fit the background of an exposure and subtract it from the image plane.

    Parameters
    ----------
    exposure
        The exposure; its image plane is changed in place.
    config
        How to measure; None means the defaults.
    background
        Backgrounds subtracted before; the new one is appended. None begins a new list.
    stats
        Write mean and variance of the total background to the exposure's metadata.
    stats_keys
        Metadata keys of the mean and the variance.
    background_to_photometric_ratio
        Ratio of the background's flat field to the photometric one, needed with ``config.doApplyFlatBackgroundRatio``: the image is
        multiplied by it for the fit and the subtraction, and divided by it afterwards.

    Returns
    -------
    background
        `background`, or the new list.

    Raises
    ------
    InputError
        When the ratio image is needed and missing.
    AlgorithmError
        See `fit_background`.

    Notes
    -----
    The LSST task is `lsst.meas.algorithms.SubtractBackgroundTask`.
    """
    if config is None:
        from skysift.background.config import BackgroundConfig

        config = BackgroundConfig()
    background = BackgroundList() if background is None else background
    array = exposure.masked_image.image.array
    ratio = None
    if config.doApplyFlatBackgroundRatio:
        if background_to_photometric_ratio is None:
            raise InputError(
                "doApplyFlatBackgroundRatio is set but there is no ratio image",
                hint="give background_to_photometric_ratio, or switch doApplyFlatBackgroundRatio off",
            )
        ratio = background_to_photometric_ratio.array
    fit_input = exposure.masked_image
    if ratio is not None:
        fit_input = fit_input.copy()
        fit_input.image.array[:] *= ratio
    fitted = fit_background(fit_input, config)
    model = fitted.image().array
    array -= model if ratio is None else model / ratio
    background.append(fitted)
    if stats:
        total = model if len(background) == 1 else background.image(exposure.bbox).array
        exposure.metadata[stats_keys[0]] = float(np.mean(total, dtype=np.float64))
        exposure.metadata[stats_keys[1]] = float(np.var(total, dtype=np.float64))
    return background
