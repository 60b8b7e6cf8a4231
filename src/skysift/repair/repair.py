"""Repair of an exposure: defects and cosmic rays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from skysift.background import fit_background
from skysift.errors import InputError
from skysift.repair.cosmic_rays import find_cosmic_rays
from skysift.repair.interpolate import fallback_value, interpolate_over_defects, mask_of_boxes

if TYPE_CHECKING:
    from skysift.footprint import Footprint
    from skysift.geom import Box2I
    from skysift.image import Exposure, MaskedImage
    from skysift.repair.config import FindCosmicRaysConfig, InterpImageConfig, RepairConfig

__all__ = ["Repair", "find_and_remove_cosmic_rays", "interpolate_image", "repair"]


@dataclass
class Repair:
    """What `repair` did.

    Parameters
    ----------
    cosmic_rays
        One footprint for each cosmic ray.
    n_interpolated
        Number of pixels of defects that were interpolated over.
    """

    cosmic_rays: list[Footprint] = field(default_factory=list)
    n_interpolated: int = 0


def interpolate_image(
    masked_image: MaskedImage,
    config: InterpImageConfig | None = None,
    *,
    plane: str | None = None,
    defects: Iterable[Box2I] | None = None,
) -> int:
    """Interpolate over the pixels of a mask plane, or over boxes.

    Parameters
    ----------
    masked_image
        The image, changed in place.
    config
        How to interpolate; None means the defaults.
    plane
        Name of a mask plane.
    defects
        Boxes, PARENT pixels. Give either `plane` or `defects`.

    Returns
    -------
    n_pixels
        Number of pixels filled.

    Raises
    ------
    InputError
        When both or none of `plane` and `defects` are given, or the plane does not exist.

    Notes
    -----
    The LSST task is `lsst.pipe.tasks.InterpImageTask`.
    """
    if config is None:
        from skysift.repair.config import InterpImageConfig

        config = InterpImageConfig()
    if (plane is None) == (defects is None):
        raise InputError("give either the name of a mask plane or defects")
    if plane is not None:
        if plane not in masked_image.mask.planes:
            raise InputError(f"the mask has no plane {plane!r}; it has {', '.join(masked_image.mask.planes)}")
        bad = (masked_image.mask.array & masked_image.mask.bitmask(plane)) != 0
    else:
        assert defects is not None
        bad = mask_of_boxes(masked_image.image.bbox, defects)
    if not bad.any():
        return 0
    return interpolate_over_defects(
        masked_image,
        bad,
        fallback=fallback_value(masked_image, bad, config),
        fallback_at_edge=config.useFallbackValueAtEdge,
        transpose=config.transpose,
    )


def find_and_remove_cosmic_rays(exposure: Exposure, config: FindCosmicRaysConfig, keep: bool | None = None) -> list[Footprint]:
    """Clear the CR plane, measure the sky, and find cosmic rays.

    Parameters
    ----------
    exposure
        The exposure, changed in place; needs a PSF.
    config
        Thresholds and the background.
    keep
        Leave the pixels as they are; None means ``config.keepCRs``.

    Returns
    -------
    cosmic_rays
        See `find_cosmic_rays`.
    """
    masked_image = exposure.masked_image
    masked_image.mask.clear("CR")
    height, width = masked_image.image.shape
    cell_x = config.background.binSizeX or config.background.binSize
    cell_y = config.background.binSizeY or config.background.binSize
    if (width // cell_x) * (height // cell_y) <= 1:
        # The level only sets the zero of the tests on sharpness, so a median of every fourth row and column will do.
        step = 4 if min(height, width) >= 512 else 1
        sample = masked_image.image.array[::step, ::step]
        sample = sample[np.isfinite(sample)]
        level = float(np.median(sample)) if sample.size else 0.0
        return find_cosmic_rays(masked_image, exposure.psf, config, level, keep=keep)
    model = fit_background(masked_image, config.background).image().array
    masked_image.image.array[:] -= model
    try:
        return find_cosmic_rays(masked_image, exposure.psf, config, 0.0, keep=keep)
    finally:
        masked_image.image.array[:] += model


def repair(
    exposure: Exposure,
    config: RepairConfig | None = None,
    defects: Iterable[Box2I] | None = None,
    keep_crs: bool | None = None,
) -> Repair:
    """Interpolate over defects, and find cosmic rays and interpolate over them.

    Parameters
    ----------
    exposure
        The exposure; its pixels and its mask are changed in place.
    config
        What to do; None means the defaults.
    defects
        Boxes of bad pixels, PARENT pixels.
    keep_crs
        Mark cosmic rays but leave their pixels; None means the configured choice.

    Returns
    -------
    result
        The cosmic rays, and the number of interpolated pixels of defects.

    Raises
    ------
    InputError
        When cosmic rays are wanted and the exposure has no PSF or no variance.
    TooManyCosmicRaysError
        See `find_cosmic_rays`.

    Notes
    -----
    The LSST task is `lsst.pipe.tasks.RepairTask`.
    """
    if config is None:
        from skysift.repair.config import RepairConfig

        config = RepairConfig()
    result = Repair()
    if config.doCosmicRay and exposure.psf is None:
        raise InputError(
            "cosmic rays are found by comparison with the PSF, but the exposure has none",
            hint="set exposure.psf, or switch doCosmicRay off",
        )
    if defects is not None and config.doInterpolate:
        result.n_interpolated = interpolate_image(exposure.masked_image, config.interp, defects=defects)
    if config.doCosmicRay:
        result.cosmic_rays = find_and_remove_cosmic_rays(exposure, config.cosmicray, keep_crs)
        exposure.metadata["cosmic_ray_count"] = len(result.cosmic_rays)
    return result
