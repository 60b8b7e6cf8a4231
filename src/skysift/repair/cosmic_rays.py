"""Cosmic rays: found because they are sharper than the PSF, and interpolated over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skysift.errors import AlgorithmError, InputError
from skysift.footprint import Footprint, SpanSet

if TYPE_CHECKING:
    from skysift.image import MaskedImage
    from skysift.psf import Psf
    from skysift.repair.config import FindCosmicRaysConfig

__all__ = ["TooManyCosmicRaysError", "find_cosmic_rays"]

_BAD_PLANES = ("BAD", "INTRP", "SAT", "NO_DATA")
_REACH = 40


class TooManyCosmicRaysError(AlgorithmError):
    """More pixels look like cosmic rays than the configuration allows."""


def _sharpness(psf: Psf, factor: float) -> np.ndarray:
    """Brightness of the PSF beside its centre relative to the centre, times `factor`: along y, along x, along the diagonals."""
    kernel = psf.kernel_image().array
    yc, xc = kernel.shape[0] // 2, kernel.shape[1] // 2
    k = kernel[yc - 1 : yc + 2, xc - 1 : xc + 2].astype(np.float64)
    along_y = 0.5 * (k[0, 1] + k[2, 1])
    along_x = 0.5 * (k[1, 0] + k[1, 2])
    diagonal = 0.25 * (k[0, 0] + k[0, 2] + k[2, 0] + k[2, 2])
    return factor * np.array([along_y, along_x, diagonal]) / k[1, 1]


def find_cosmic_rays(
    masked_image: MaskedImage, psf: Psf, config: FindCosmicRaysConfig | None = None, background: float = 0.0, *, keep: bool | None = None
) -> list[Footprint]:
    """Find cosmic rays, set their mask bits, and interpolate over them.

    A pixel is hit when it stands ``minSigma`` standard deviations above the mean of two opposite neighbours, and when, for one such pair,
    ``c (I - b - f sigma) > mean - b + f sigma_mean``, where ``c`` is ``cond3_fac2`` times the PSF's brightness one pixel from its centre relative
    to the centre and ``f`` is ``cond3_fac``: the pixel is sharper than the PSF. Touching pixels are one cosmic ray, which needs ``min_DN`` counts
    above the sky. Then its surroundings are searched with half the threshold.

    Parameters
    ----------
    masked_image
        The image. Its pixels and its mask are changed in place: CR is set, and INTRP unless the pixels are kept.
    psf
        The PSF; its image at the average position is used.
    config
        Thresholds; None means the defaults.
    background
        Level of the sky in the image.
    keep
        Leave the pixels as they are; None means ``config.keepCRs``.

    Returns
    -------
    cosmic_rays
        One footprint each, PARENT pixels, in the order of their first pixels.

    Raises
    ------
    InputError
        When the image has no variance.
    TooManyCosmicRaysError
        When more than ``nCrPixelMax`` pixels are hit; the image is then as it was.

    Notes
    -----
    The algorithm of SDSS Photo (R. Lupton), `lsst.meas.algorithms.findCosmicRays`.
    """
    if config is None:
        from skysift.repair.config import FindCosmicRaysConfig

        config = FindCosmicRaysConfig()
    keep = config.keepCRs if keep is None else keep
    if masked_image.image.array.size and not masked_image.has_variance:
        raise InputError("cosmic rays are found by their significance, but the image has no variance", hint="set the variance plane")
    from skysift.kernels.cosmic_rays import find_hits, grow_hits, label_hits, replacement_values

    image = np.ascontiguousarray(masked_image.image.array, np.float32)
    variance = np.ascontiguousarray(masked_image.variance.array, np.float32)
    mask = np.ascontiguousarray(masked_image.mask.array, np.int32)
    bad_bits = np.int32(masked_image.mask.bitmask(*_BAD_PLANES, ignore_missing=True))
    interpolated_bit = np.int32(masked_image.mask.bitmask("INTRP", ignore_missing=True))
    sharpness = _sharpness(psf, config.cond3_fac2)
    background = float(background)
    most = config.nCrPixelMax

    y, x, complete = find_hits(
        image, variance, mask, bad_bits, interpolated_bit, sharpness, background, float(config.minSigma), float(config.cond3_fac), most
    )
    if not complete:
        raise _too_many(most)
    label, n = label_hits(y, x)
    counts = np.bincount(label, weights=image[y, x].astype(np.float64) - background, minlength=n)
    kept = counts[label] >= config.min_DN
    y, x, label = y[kept], x[kept], label[kept]
    if y.size == 0:
        return []

    state = np.zeros(image.shape, np.uint8)
    state[y, x] = 1
    random = np.random.default_rng(0)

    def replaced(y: np.ndarray, x: np.ndarray) -> np.ndarray:
        if config.compatNoiseFill:
            return background + np.sqrt(np.maximum(variance[y, x], 0.0)) * random.standard_normal(y.size)
        return replacement_values(image, variance, mask, bad_bits, state, y, x, background, _REACH)

    # The search beside a cosmic ray must not see it, so its pixels are replaced in a copy of the rows that it can look at.
    first = max(int(y.min()) - config.niteration - 2, 0)
    last = int(y.max()) + config.niteration + 3
    original = image[first:last].copy()
    image[y, x] = replaced(y, x)
    for _ in range(config.niteration):
        new_y, new_x, new_label, complete = grow_hits(
            image,
            variance,
            mask,
            bad_bits & ~interpolated_bit,
            state,
            y,
            x,
            label,
            sharpness,
            background,
            float(config.minSigma) / 2.0,
            most - y.size,
        )
        if not complete:
            image[first:last] = original
            raise _too_many(most)
        if new_y.size == 0:
            break
        y, x, label = (np.concatenate(pair) for pair in ((y, new_y), (x, new_x), (label, new_label)))
    image[first:last] = original
    if not keep:
        image[y, x] = replaced(y, x)
        if image is not masked_image.image.array:
            masked_image.image.array[y, x] = image[y, x]
    masked_image.mask.array[y, x] |= masked_image.mask.bitmask("CR") | (0 if keep else masked_image.mask.bitmask("INTRP"))
    return _footprints(y, x, label, masked_image)


def _too_many(most: int) -> TooManyCosmicRaysError:
    return TooManyCosmicRaysError(
        f"more than {most} pixels look like cosmic rays",
        hint="check the PSF and the variance, or raise nCrPixelMax",
        metadata={"nCrPixelMax": most},
    )


def _footprints(y: np.ndarray, x: np.ndarray, label: np.ndarray, masked_image: MaskedImage) -> list[Footprint]:
    """One footprint for each label."""
    box = masked_image.image.bbox
    order = np.argsort(label, kind="stable")
    splits = np.flatnonzero(np.diff(label[order])) + 1
    groups = np.split(order, splits)
    return [Footprint(SpanSet(y[g] + box.min_y, x[g] + box.min_x, x[g] + box.min_x), region=box) for g in groups]
