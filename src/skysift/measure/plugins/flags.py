"""Mask bits of a source's pixels: base_PixelFlags."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lsst.pex.config as pexConfig
import numpy as np

from skysift.errors import InputError
from skysift.measure.plugin import FLUX_ORDER, Plugin, PluginConfig
from skysift.measure.registry import register

if TYPE_CHECKING:
    from skysift.measure.batch import Batch
    from skysift.table import Schema

__all__ = ["PixelFlagsPlugin"]

_PLANES = {
    "edge": "EDGE",
    "nodata": "NO_DATA",
    "interpolated": "INTRP",
    "saturated": "SAT",
    "cr": "CR",
    "bad": "BAD",
    "suspect": "SUSPECT",
}


class PixelFlagsConfig(PluginConfig):
    """Fields of the LSST `PixelFlagsControl`."""

    masksFpAnywhere = pexConfig.ListField[str](doc="More mask planes to look for in the footprint.", dtype=str, default=[])
    masksFpCenter = pexConfig.ListField[str](doc="More mask planes to look for at the centre.", dtype=str, default=[])


@register("base_PixelFlags", order=FLUX_ORDER)
class PixelFlagsPlugin(Plugin):
    """Which mask planes are set in the footprint, and in any or all of the 3 x 3 pixels at the centre."""

    ConfigClass = PixelFlagsConfig

    def fields(self, schema: Schema) -> None:
        """Add the columns, see `Plugin.fields`."""
        flags = {"offimage": "the centre is off the image"}
        flags |= {flag: f"{plane} set in the footprint" for flag, plane in self._anywhere().items()}
        for flag, plane in self._centre().items():
            flags[f"{flag}Center"] = f"{plane} set in any of the 3 x 3 central pixels"
            flags[f"{flag}CenterAll"] = f"{plane} set in all of the 3 x 3 central pixels"
        self.add_flags(schema, flags=flags)

    def _anywhere(self) -> dict[str, str]:
        return _PLANES | {plane.lower(): plane for plane in self.config.masksFpAnywhere}

    def _centre(self) -> dict[str, str]:
        return _PLANES | {plane.lower(): plane for plane in self.config.masksFpCenter}

    def measure(self, batch: Batch) -> None:
        """Fill the columns, see `Plugin.measure`."""
        from skysift.kernels.stamps import mask_footprints

        x, y, _ = batch.position
        unknown = ~np.isfinite(batch["slot_Centroid_x"] + batch["slot_Centroid_y"])
        height, width = batch.mask.shape
        off = ~((x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5))
        anywhere, some, every = mask_footprints(batch.mask, batch.overlay.spans, batch.span_first, batch.span_last, x, y)
        for flag, plane in self._anywhere().items():
            batch[f"{self.name}_flag_{flag}"] = (anywhere & self._bit(batch, plane)) != 0
        for flag, plane in self._centre().items():
            bit = self._bit(batch, plane)
            batch[f"{self.name}_flag_{flag}Center"] = (some & bit) != 0
            batch[f"{self.name}_flag_{flag}CenterAll"] = (every & bit) != 0
        batch[f"{self.name}_flag_offimage"] = off
        for flag in ("edge", "edgeCenter", "edgeCenterAll"):
            batch[f"{self.name}_flag_{flag}"] |= off
        batch[f"{self.name}_flag"] = unknown

    def _bit(self, batch: Batch, plane: str) -> int:
        if plane in batch.exposure.mask.planes:
            return batch.exposure.mask.bitmask(plane)
        if plane in _PLANES.values():
            return 0
        raise InputError(
            f"{self.name} looks for mask plane {plane!r}, which the exposure does not have; its planes are {', '.join(batch.exposure.mask.planes)}"
        )
