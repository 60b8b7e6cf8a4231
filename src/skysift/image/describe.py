"""What images say about themselves."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skysift.image.exposure import Exposure
    from skysift.image.image import Image
    from skysift.image.mask import Mask
    from skysift.image.masked_image import MaskedImage

__all__ = ["as_html", "describe_exposure", "describe_image", "describe_mask", "describe_masked_image"]


def _frame(plane: Any) -> str:
    return f"{plane.width} x {plane.height} at ({plane.xy0[0]}, {plane.xy0[1]})"


def describe_image(image: Image) -> str:
    """One line: size, position, type, unit."""
    return f"Image({_frame(image)}, {image.array.dtype}{', ' + image.unit if image.unit else ''})"


def describe_mask(mask: Mask) -> str:
    """One line: size, position and the planes in use with their pixel counts."""
    used = ", ".join(f"{name} {count}" for name, count in mask.counts().items() if count) or "nothing flagged"
    return f"Mask({_frame(mask)}: {used})"


def describe_masked_image(masked_image: MaskedImage) -> str:
    """Image and mask, and whether the variance is known."""
    return f"MaskedImage({masked_image.image!r}, {masked_image.mask!r}, variance {'known' if masked_image.has_variance else 'not known'})"


def describe_exposure(exposure: Exposure) -> str:
    """A few lines: size, position, planes, and what each component is."""
    lines = [f"Exposure {_frame(exposure)}{', ' + exposure.image.unit if exposure.image.unit else ''}"]
    used = ", ".join(f"{name} {count}" for name, count in exposure.mask.counts().items() if count)
    lines.append(f"  mask: {used or 'nothing flagged'}")
    lines.append(f"  variance: {'known' if exposure.has_variance else 'not known'}")
    if exposure.wcs is not None:
        scale = float(exposure.wcs.pixel_scale())
        lines.append(f"  wcs: {type(exposure.wcs).__name__}" + (f", {scale:.4g} arcsec/pixel" if math.isfinite(scale) else ""))
    for name in ("psf", "photo_calib", "filter_label", "visit_info", "detector", "valid_polygon", "coadd_inputs"):
        value = getattr(exposure, name)
        if value is not None:
            text = repr(value)
            lines.append(f"  {name}: {text if len(text) <= 100 and chr(10) not in text else type(value).__name__}")
    if exposure.ap_corr_map:
        lines.append(f"  ap_corr_map: {len(exposure.ap_corr_map)} fields")
    if exposure.gain is not None:
        lines.append(f"  gain: {exposure.gain:g}")
    if exposure.id is not None:
        lines.append(f"  id: {exposure.id}")
    return "\n".join(lines)


def as_html(text: str) -> str:
    """A description for a notebook: the same lines, kept as they stand."""
    return f"<pre>{html.escape(text)}</pre>"
