"""Positions on empty sky."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skysift.footprint import FootprintArrays, FootprintSet, SpanSet, make_peaks

if TYPE_CHECKING:
    from skysift.detection.config import SkyObjectsConfig
    from skysift.image import Mask

__all__ = ["sky_objects"]


def sky_objects(mask: Mask, seed: int, config: SkyObjectsConfig | None = None) -> FootprintSet:
    """Put discs on the empty sky of a mask, at quasi-random positions.

    Parameters
    ----------
    mask
        What to keep away from.
    seed
        Seed of the positions; the same one gives the same positions.
    config
        Planes to avoid, size and number; None means the defaults.

    Returns
    -------
    footprints
        Up to ``config.nSources`` discs that do not overlap each other or the pixels to avoid, each with one peak of value 0 at its centre.

    Notes
    -----
    A scrambled Halton sequence (Halton 1960; Owen 2017, arXiv:1706.02808). The LSST task is `lsst.meas.algorithms.SkyObjectsTask`.
    """
    if config is None:
        from skysift.detection.config import SkyObjectsConfig

        config = SkyObjectsConfig()
    from scipy.ndimage import distance_transform_edt
    from scipy.stats import qmc

    radius = int(config.sourceRadius)
    box = mask.bbox.grown(-(radius + 1))
    trials = config.nSources * config.nTrialSourcesMultiplier if config.nTrialSources is None else config.nTrialSources
    if box.is_empty or trials == 0 or config.nSources == 0:
        return _discs(np.empty((0, 2), np.int32), radius, mask)
    blocked = mask.has(config.avoidMask)
    if config.growMask > 0 and blocked.any():
        blocked = distance_transform_edt(~blocked) <= config.growMask
    unit = qmc.Halton(d=2, seed=int(seed) % 2**31).random(trials)
    positions = (np.array([box.min_x, box.min_y]) + unit * np.array([box.width - 1, box.height - 1])).astype(np.int32)

    offset = np.arange(-2 * radius, 2 * radius + 1)
    disc = np.hypot(offset, offset[:, None]) <= radius
    inner = disc[radius : 3 * radius + 1, radius : 3 * radius + 1]
    # Two discs overlap when they share a pixel; discs grown by a disc are what another centre must keep out of.
    wide = SpanSet.from_shape(radius).dilated(radius).as_array((4 * radius + 1, 4 * radius + 1), (-2 * radius, -2 * radius))
    padded = np.pad(blocked, 2 * radius)
    accepted: list[np.ndarray] = []
    for x, y in positions:
        row, column = y - mask.xy0[1], x - mask.xy0[0]
        if (padded[row + radius : row + 3 * radius + 1, column + radius : column + 3 * radius + 1] & inner).any():
            continue
        padded[row : row + 4 * radius + 1, column : column + 4 * radius + 1] |= wide
        accepted.append(np.array([x, y]))
        if len(accepted) == config.nSources:
            break
    return _discs(np.array(accepted, np.int32).reshape(-1, 2), radius, mask)


def _discs(positions: np.ndarray, radius: int, mask: Mask) -> FootprintSet:
    """Footprints of discs at (n, 2) integer positions."""
    disc = SpanSet.from_shape(radius)
    n, spans = len(positions), len(disc)
    x, y = positions[:, :1], positions[:, 1:]
    return FootprintSet.from_arrays(
        FootprintArrays(
            y=(disc.y + y).astype(np.int32).ravel(),
            x0=(disc.x0 + x).astype(np.int32).ravel(),
            x1=(disc.x1 + x).astype(np.int32).ravel(),
            span_offset=np.arange(n + 1, dtype=np.int64) * spans,
            peaks=make_peaks(positions[:, 0], positions[:, 1], np.zeros(n, np.float32)),
            peak_offset=np.arange(n + 1, dtype=np.int64),
            region=mask.bbox,
        )
    )
