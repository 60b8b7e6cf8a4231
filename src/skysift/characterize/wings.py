"""The light of a point source that lies beyond the image of its PSF."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from skysift.psf import Psf

__all__ = ["light_beyond_stamp"]

SEEING_SLOPE = 11.0 / 3.0
"""Surface brightness of a seeing disk falls as r**(-11/3) far out (Roddier 1981, Prog. Opt. 19, 281)."""

_MOST = 0.03


def light_beyond_stamp(psf: Psf) -> float:
    """Estimate the fraction of a point source's light outside the PSF image, which is normalised to one as if there were none.

    The outer third of the PSF image is continued as the wing of a seeing disk.

    Parameters
    ----------
    psf
        The PSF.

    Returns
    -------
    fraction
        Of the total light, between 0 and 0.03; 0 where the PSF image has no positive wing.
    """
    kernel = np.asarray(psf.kernel_image().array, np.float64)
    half = kernel.shape[0] // 2
    if half < 4:
        return 0.0
    g = np.arange(-half, half + 1)
    r = np.hypot(g[:, None], g[None, :])
    ring = (r >= 0.7 * half) & (r <= half)
    amplitude = kernel[ring].sum() / (r[ring] ** -SEEING_SLOPE).sum()
    reach = 6 * half
    g = np.arange(-reach, reach + 1)
    r = np.hypot(g[:, None], g[None, :])
    outside = (np.maximum(np.abs(g)[:, None], np.abs(g)[None, :]) > half) & (r <= reach)
    far = 2.0 * np.pi * reach ** (2.0 - SEEING_SLOPE) / (SEEING_SLOPE - 2.0)
    beyond = amplitude * ((r[outside] ** -SEEING_SLOPE).sum() + far)
    return float(np.clip(beyond / (1.0 + beyond), 0.0, _MOST)) if np.isfinite(beyond) else 0.0
