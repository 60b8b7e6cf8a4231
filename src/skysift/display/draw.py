"""Drawing on matplotlib axes in the PARENT pixel frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.axes import Axes

    from skysift.footprint import Footprint
    from skysift.image import Image, Mask
    from skysift.table import SourceCatalog

__all__ = ["MASK_COLOURS", "draw_footprints", "draw_image", "draw_mask", "draw_sources", "reduce_image"]

MASK_COLOURS = {
    "BAD": "#d62728",
    "SAT": "#2ca02c",
    "INTRP": "#7fbf3f",
    "CR": "#e377c2",
    "EDGE": "#e8c520",
    "DETECTED": "#1f77ff",
    "DETECTED_NEGATIVE": "#17becf",
    "SUSPECT": "#ffbb55",
    "NO_DATA": "#ff7f0e",
}
"""Colour of each mask plane, after the convention of the LSST displays."""


def reduce_image(array: np.ndarray, most: int = 1400) -> tuple[np.ndarray, int]:
    """Block means of an image, so that a picture of it costs what the picture is worth.

    Parameters
    ----------
    array
        (ny, nx), any dtype; NaN is left out of the means.
    most
        Largest side of the result, pixels.

    Returns
    -------
    reduced
        float32 (ceil(ny / factor), ceil(nx / factor)).
    factor
        Pixels to a block.
    """
    factor = max(1, -(-max(array.shape) // most))
    if factor == 1:
        return np.asarray(array, np.float32), 1
    ny, nx = (-(-n // factor) * factor for n in array.shape)
    padded = np.full((ny, nx), np.nan, np.float32)
    padded[: array.shape[0], : array.shape[1]] = array
    blocks = padded.reshape(ny // factor, factor, nx // factor, factor)
    good = np.isfinite(blocks)
    count = good.sum(axis=(1, 3))
    total = np.where(good, blocks, 0.0).sum(axis=(1, 3))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32), factor


def _extent(image: Image | Mask) -> tuple[float, float, float, float]:
    x0, y0 = image.xy0
    height, width = image.array.shape
    return x0 - 0.5, x0 + width - 0.5, y0 - 0.5, y0 + height - 0.5


def draw_image(axes: Axes, image: Image, *, stretch: str = "asinh", limits: tuple[float, float] | None = None) -> None:
    """Draw an image in grey.

    Parameters
    ----------
    axes
        Where to draw; its data coordinates become PARENT pixels.
    image
        What to draw.
    stretch
        "asinh", "linear" or "log".
    limits
        Values of black and white; None for -3 and about 30 times the noise around the median.

    Raises
    ------
    ValueError
        If the stretch is unknown.
    """
    from matplotlib.colors import AsinhNorm, LogNorm, Normalize

    array, _ = reduce_image(image.array)
    finite = array[np.isfinite(array)]
    if finite.size == 0:
        axes.text(0.5, 0.5, "no finite pixel", transform=axes.transAxes, ha="center")
        finite = np.zeros(1, np.float32)
    middle = float(np.median(finite))
    noise = max(0.7413 * float(np.subtract(*np.percentile(finite, [75, 25]))), 1e-6 * max(abs(middle), 1e-30))
    low, high = limits or (middle - 3.0 * noise, max(middle + 20.0 * noise, float(np.percentile(finite, 99.7))))
    if not high > low:
        high = low + 1.0
    norms = {
        "asinh": lambda: AsinhNorm(linear_width=2.0 * noise, vmin=low - middle, vmax=high - middle),
        "linear": lambda: Normalize(low - middle, high - middle),
        "log": lambda: LogNorm(max(noise, 1e-12), max(high - middle, 2 * noise), clip=True),
    }
    if stretch not in norms:
        raise ValueError(f"unknown stretch {stretch!r}: choose from {', '.join(norms)}")
    axes.imshow(
        array - middle, origin="lower", cmap="gray", extent=_extent(image), norm=norms[stretch](), interpolation="nearest", aspect="equal"
    )
    axes.set_xlabel("x (pixels)")
    axes.set_ylabel("y (pixels)")


def draw_mask(axes: Axes, mask: Mask, planes: Iterable[str] | None = None, *, alpha: float = 0.45) -> None:
    """Colour the masked pixels over an image, with a legend.

    Parameters
    ----------
    axes
        Where to draw.
    mask
        The mask.
    planes
        Names to draw; None for all that are set and have a colour in `MASK_COLOURS`.
    alpha
        Opacity.
    """
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Patch

    names = list(planes) if planes is not None else [name for name in MASK_COLOURS if name in mask.planes]
    handles = []
    for name in names:
        where = (mask.array & mask.bitmask(name, ignore_missing=True)) != 0
        if not where.any():
            continue
        cover, _ = reduce_image(where)
        colour = to_rgb(MASK_COLOURS.get(name, "#ffffff"))
        overlay = np.zeros((*cover.shape, 4), np.float32)
        overlay[..., :3] = colour
        overlay[..., 3] = alpha * (np.nan_to_num(cover) > 0)
        axes.imshow(overlay, origin="lower", extent=_extent(mask), interpolation="nearest", aspect="equal")
        handles.append(Patch(color=colour, alpha=alpha, label=name))
    if handles:
        axes.legend(handles=handles, loc="upper right", fontsize="x-small", framealpha=0.8)


def draw_sources(axes: Axes, catalog: SourceCatalog, *, colour: str = "#ff5050", scale: float = 2.5, least: float = 2.0) -> None:
    """Draw each source as the ellipse of its second moments.

    Parameters
    ----------
    axes
        Where to draw.
    catalog
        With centroid slot, and shape slot if there is one.
    colour
        Of the ellipses.
    scale
        Semi-axes in units of the moments' sigma.
    least
        Smallest semi-axis, pixels; also the radius of sources without a shape, or with a flagged one.
    """
    from matplotlib.collections import EllipseCollection

    if len(catalog) == 0:
        return
    x, y = np.asarray(catalog.x), np.asarray(catalog.y)
    shape = catalog.slot("Shape")
    if shape is None:
        ixx = iyy = np.full(len(catalog), (least / scale) ** 2)
        ixy = np.zeros(len(catalog))
    else:
        ixx, iyy, ixy = (np.asarray(catalog[f"{shape}_{m}"]) for m in ("xx", "yy", "xy"))
        if f"{shape}_flag" in catalog.schema:
            ixx, iyy, ixy = (np.where(catalog[f"{shape}_flag"], np.nan, m) for m in (ixx, iyy, ixy))
    half, difference = 0.5 * (ixx + iyy), np.hypot(0.5 * (ixx - iyy), ixy)
    with np.errstate(invalid="ignore"):
        a = np.sqrt(half + difference) * scale
        b = np.sqrt(np.maximum(half - difference, 0.0)) * scale
    a, b = (np.clip(np.nan_to_num(r, nan=least, posinf=least), least, 100.0) for r in (a, b))
    angle = np.degrees(0.5 * np.arctan2(2.0 * np.nan_to_num(ixy), np.nan_to_num(ixx - iyy)))
    good = np.isfinite(x) & np.isfinite(y)
    axes.add_collection(
        EllipseCollection(
            2 * a[good],
            2 * b[good],
            angle[good],
            units="xy",
            offsets=np.column_stack([x, y])[good],
            transOffset=axes.transData,
            facecolors="none",
            edgecolors=colour,
            linewidths=0.6,
        )
    )


def draw_footprints(axes: Axes, footprints: Iterable[Footprint], *, colour: str = "#40a0ff") -> None:
    """Draw the outline of each footprint.

    Parameters
    ----------
    axes
        Where to draw.
    footprints
        Any number of them.
    colour
        Of the outlines.
    """
    from matplotlib.collections import LineCollection

    segments = []
    for footprint in footprints:
        spans = footprint.spans
        # The ends of the runs, and the parts of each row's edge that the next row does not cover, are the outline.
        y, x0, x1 = (np.asarray(a, float) for a in (spans.y, spans.x0, spans.x1))
        for x in (x0 - 0.5, x1 + 0.5):
            segments.append(np.stack([np.column_stack([x, y - 0.5]), np.column_stack([x, y + 0.5])], axis=1))
        box = spans.bbox
        cover = np.zeros((box.height + 2, box.width + 1), np.int8)
        rows = np.asarray(spans.y) - box.min_y + 1
        np.add.at(cover, (rows, np.asarray(spans.x0) - box.min_x), 1)
        np.add.at(cover, (rows, np.asarray(spans.x1) - box.min_x + 1), -1)
        inside = np.cumsum(cover, axis=1)[:, :-1] > 0
        j, i = np.nonzero(inside[1:] != inside[:-1])
        edge_y = j + box.min_y - 0.5
        segments.append(np.stack([np.column_stack([i + box.min_x - 0.5, edge_y]), np.column_stack([i + box.min_x + 0.5, edge_y])], axis=1))
    if segments:
        axes.add_collection(LineCollection(list(np.concatenate(segments)), colors=colour, linewidths=0.6))
