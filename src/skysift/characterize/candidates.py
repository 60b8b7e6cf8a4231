"""From selected stars to stamps that a PSF can be fitted to: what fits in the image, what is reserved, what belongs to neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from skysift.characterize.stamps import StarStamps, cut_stamps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skysift.characterize.config import MakePsfCandidatesConfig, ReserveSourcesConfig
    from skysift.image import Exposure, MaskedImage
    from skysift.table import SourceCatalog

__all__ = ["candidate_stamps", "make_candidates", "reserve_sources"]


def make_candidates(
    exposure: Exposure, catalog: SourceCatalog, selected: NDArray[np.bool_], config: MakePsfCandidatesConfig
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Keep the selected stars whose stamp lies in the image (LSST `MakePsfCandidatesTask`).

    Parameters
    ----------
    exposure
        The image.
    catalog
        Measured sources.
    selected
        (n,) bool.
    config
        Size of the stamp.

    Returns
    -------
    rows
        (m,) rows of the catalogue.
    max_value
        (m,) largest pixel of each stamp, counts.
    """
    rows = np.flatnonzero(selected & np.isfinite(catalog.x) & np.isfinite(catalog.y))
    size = config.kernelSize + 2 * config.borderWidth
    half = size // 2
    box = exposure.bbox
    column = np.floor(catalog.x[rows] + 0.5).astype(np.int64) - box.min_x
    row = np.floor(catalog.y[rows] + 0.5).astype(np.int64) - box.min_y
    inside = (column >= half) & (row >= half) & (column + half < box.width) & (row + half < box.height)
    rows, column, row = rows[inside], column[inside], row[inside]
    offset = np.arange(-half, half + 1)
    stamps = exposure.image.array[row[:, None, None] + offset[:, None], column[:, None, None] + offset]
    max_value = stamps.max(axis=(1, 2), initial=-np.inf).astype(np.float32)
    finite = np.isfinite(max_value)
    return rows[finite], max_value[finite]


def reserve_sources(n: int, config: ReserveSourcesConfig, exposure_id: int = 0) -> NDArray[np.bool_]:
    """Choose candidates to keep from the fit (LSST `ReserveSourcesTask`): the same for the same number, seed and exposure.

    Parameters
    ----------
    n
        Number of candidates.
    config
        Fraction and seed.
    exposure_id
        Number of the exposure, added to the seed.

    Returns
    -------
    reserved
        (n,) bool.
    """
    reserved = np.zeros(n, bool)
    reserved[: int(np.round(n * config.fraction))] = True
    np.random.RandomState((config.seed + exposure_id) & 0xFFFFFFFF).shuffle(reserved)
    return reserved


def candidate_stamps(
    exposure: Exposure, catalog: SourceCatalog, rows: NDArray[np.int64], size: int, bad_planes: Sequence[str]
) -> StarStamps:
    """Cut out candidates, without the pixels that belong to other sources (LSST `PsfCandidate`).

    Detected pixels nearer to another peak than to the star are left out, and so are detected islands that do not hold the star, with a margin of
    three pixels. Where no pixel is marked DETECTED nothing is left out.

    Parameters
    ----------
    exposure
        The image.
    catalog
        Measured sources with footprints.
    rows
        (m,) candidates.
    size
        Odd side of the stamps, pixels.
    bad_planes
        Mask planes of pixels that do not count.

    Returns
    -------
    stamps
        One per candidate.
    """
    stamps = cut_stamps(exposure.masked_image, catalog.x[rows], catalog.y[rows], size, bad_planes)
    detected = _detected_stamps(exposure.masked_image, stamps)
    if detected is None:
        return stamps
    foreign = _islands_apart(detected) | _nearer_to_others(detected, stamps, *_peak_positions(catalog))
    usable = stamps.usable & ~foreign
    return StarStamps(
        np.where(usable, stamps.pixels, np.float32(0)), usable, stamps.noise, stamps.gain, stamps.x, stamps.y, stamps.x0, stamps.y0
    )


def _detected_stamps(masked_image: MaskedImage, stamps: StarStamps) -> NDArray[np.bool_] | None:
    """Where each stamp is marked DETECTED; None if nothing is."""
    bits = masked_image.mask.bitmask("DETECTED", ignore_missing=True)
    if bits == 0 or len(stamps) == 0:
        return None
    box = masked_image.image.bbox
    rows = (stamps.y0 - box.min_y)[:, None, None] + np.arange(stamps.size)[None, :, None]
    columns = (stamps.x0 - box.min_x)[:, None, None] + np.arange(stamps.size)[None, None, :]
    inside = (rows >= 0) & (rows < box.height) & (columns >= 0) & (columns < box.width)
    at = (np.clip(rows, 0, box.height - 1), np.clip(columns, 0, box.width - 1))
    detected = inside & (masked_image.mask.array[at] & bits != 0)
    return detected if detected.any() else None


def _islands_apart(detected: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Detected islands without the centre of the stamp, dilated by three pixels; the star's own island is spared."""
    from scipy import ndimage

    # One label image for all stamps: neighbours join within a stamp only.
    structure = np.zeros((3, 3, 3), bool)
    structure[1] = True
    labels, _ = ndimage.label(detected, structure)
    half = detected.shape[-1] // 2
    own = labels[:, half, half]
    other = detected & (labels != own[:, None, None])
    axis = np.arange(-3, 4)
    disk = (axis[:, None] ** 2 + axis[None, :] ** 2 <= 9)[None]
    grown = ndimage.binary_dilation(other, disk)
    return grown & ~((labels == own[:, None, None]) & detected)


def _peak_positions(catalog: SourceCatalog) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions of all peaks of all footprints, or of all sources where there are no footprints; PARENT pixels."""
    arrays = getattr(catalog.footprints, "arrays", None)
    if arrays is not None:
        return arrays.peaks["f_x"].astype(np.float64), arrays.peaks["f_y"].astype(np.float64)
    peaks = [footprint.peaks for footprint in catalog.footprints if footprint is not None and len(footprint.peaks)]
    if peaks:
        return np.concatenate([p["f_x"] for p in peaks]), np.concatenate([p["f_y"] for p in peaks])
    return catalog.x, catalog.y


def _nearer_to_others(detected: NDArray[np.bool_], stamps: StarStamps, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Detected pixels of each stamp that are nearer to another peak than to the peak nearest to the star."""
    from scipy.spatial import cKDTree

    foreign = np.zeros_like(detected)
    known = np.isfinite(x) & np.isfinite(y)
    if not known.any():
        return foreign
    peaks = np.column_stack([x[known], y[known]])
    tree = cKDTree(peaks)
    positions = np.column_stack([stamps.x, stamps.y])
    own = np.asarray(tree.query(positions)[1])
    axis = np.arange(stamps.size)
    for i, near in enumerate(tree.query_ball_point(positions, stamps.size / np.sqrt(2.0))):
        others = [j for j in near if j != own[i]]
        if not others:
            continue
        columns, rows = stamps.x0[i] + axis, stamps.y0[i] + axis
        mine = _squared_distance(columns, rows, peaks[own[i]])
        for j in others:
            foreign[i] |= _squared_distance(columns, rows, peaks[j]) < mine
    return foreign & detected


def _squared_distance(columns: NDArray, rows: NDArray, point: NDArray) -> NDArray[np.float64]:
    return (rows[:, None] - point[1]) ** 2 + (columns[None, :] - point[0]) ** 2
