"""Pictures of images: stretches, mask colours, sources and footprints."""

from __future__ import annotations

from skysift.display.draw import MASK_COLOURS, draw_footprints, draw_image, draw_mask, draw_sources, reduce_image

__all__ = ["MASK_COLOURS", "draw_footprints", "draw_image", "draw_mask", "draw_sources", "reduce_image"]
