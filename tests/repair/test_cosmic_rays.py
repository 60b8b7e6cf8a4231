"""Cosmic rays: found, removed, and stars left alone."""

from __future__ import annotations

import numpy as np
import pytest

from skysift.errors import InputError
from skysift.image import Exposure, Image, Mask, MaskedImage
from skysift.kernels.cosmic_rays import label_hits
from skysift.psf import GaussianPsf
from skysift.repair import TooManyCosmicRaysError, find_cosmic_rays, repair
from skysift.repair.config import FindCosmicRaysConfig, RepairConfig

SKY, NOISE, SIGMA = 1000.0, 30.0, 1.7


def star_field(seed=1, size=300, n_stars=60, n_tracks=12):
    """Stars of a Gaussian PSF on a noisy sky; tracks of cosmic rays apart."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    clean = np.full((size, size), SKY)
    for _ in range(n_stars):
        cx, cy = rng.uniform(5, size - 5, 2)
        clean += 10 ** rng.uniform(2.5, 5) * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * SIGMA**2))
    image = rng.normal(clean, np.sqrt(NOISE**2 + clean - SKY))
    tracks = np.zeros((size, size), bool)
    for _ in range(n_tracks):
        angle, length, cx, cy = rng.uniform(0, np.pi), rng.integers(1, 30), *rng.uniform(40, size - 40, 2)
        t = np.arange(length)
        tracks[np.round(cy + t * np.sin(angle)).astype(int), np.round(cx + t * np.cos(angle)).astype(int)] = True
    hit = image + np.where(tracks, rng.uniform(1000, 5000, image.shape), 0.0)
    variance = NOISE**2 + clean - SKY
    return hit.astype(np.float32), variance.astype(np.float32), clean, tracks


def exposure_of(image, variance, mask=None, psf=None):
    return Exposure(MaskedImage(Image(image.copy()), None if mask is None else Mask(mask), Image(variance.copy())), psf=psf)


def test_tracks_are_found_and_stars_kept():
    image, variance, clean, tracks = star_field()
    exposure = exposure_of(image, variance, psf=GaussianPsf(25, SIGMA))
    result = repair(exposure)
    found = (exposure.mask.array & exposure.mask.bitmask("CR")) != 0
    assert found[tracks].mean() > 0.97
    near = np.zeros_like(tracks)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            near |= np.roll(tracks, (dy, dx), (0, 1))
    assert np.count_nonzero(found & ~near) <= 2
    pull = ((exposure.image.array - clean) / np.sqrt(variance))[found]
    assert abs(np.median(pull)) < 0.4
    assert 5 <= len(result.cosmic_rays) <= 20
    np.testing.assert_array_equal(exposure.image.array[~found], image[~found])
    assert exposure.metadata["cosmic_ray_count"] == len(result.cosmic_rays)


def test_clean_field_has_none():
    image, variance, _, _ = star_field(seed=2, n_tracks=0)
    exposure = exposure_of(image, variance, psf=GaussianPsf(25, SIGMA))
    assert repair(exposure).cosmic_rays == []
    np.testing.assert_array_equal(exposure.image.array, image)
    np.testing.assert_array_equal(exposure.mask.array, 0)


def test_keep_marks_without_changing_pixels():
    image, variance, _, tracks = star_field(seed=3)
    exposure = exposure_of(image, variance, psf=GaussianPsf(25, SIGMA))
    repair(exposure, keep_crs=True)
    np.testing.assert_array_equal(exposure.image.array, image)
    assert (exposure.mask.array[tracks] & exposure.mask.bitmask("CR") != 0).mean() > 0.97
    assert not (exposure.mask.array & exposure.mask.bitmask("INTRP")).any()


def plain_hits(image, variance, sharpness, background, min_sigma, c3):
    """The search in plain numpy, one pixel after the other."""
    image = image.astype(np.float64)
    hits = []
    for y in range(1, image.shape[0] - 1):
        for x in range(1, image.shape[1] - 1):
            value, noise = image[y, x], np.sqrt(variance[y, x])
            pairs = [((y - 1, x), (y + 1, x)), ((y, x - 1), (y, x + 1)), ((y - 1, x - 1), (y + 1, x + 1)), ((y - 1, x + 1), (y + 1, x - 1))]
            means = [(image[a] + image[b]) / 2 for a, b in pairs]
            if value < 0 or all(value < m + min_sigma * noise for m in means):
                continue
            for k, ((a, b), m) in enumerate(zip(pairs, means)):
                spread = np.sqrt(variance[a] + variance[b]) / 2
                if sharpness[min(k, 2)] * (value - background - c3 * noise) > m - background + c3 * spread:
                    hits.append((y, x))
                    image[y, x] = np.float32(m)
                    break
    return hits


@pytest.mark.parametrize("background", [0.0, SKY])
def test_kernel_is_the_plain_search(background):
    from skysift.kernels.cosmic_rays import find_hits

    image, variance, _, _ = star_field(seed=4, size=90, n_stars=10, n_tracks=3)
    image += np.float32(background - SKY)
    sharpness = np.array([0.3, 0.31, 0.25])
    mask = np.zeros(image.shape, np.int32)
    before = image.copy()
    y, x, complete = find_hits(image, variance, mask, np.int32(1), np.int32(4), sharpness, background, 5.0, 2.0, 10000)
    assert complete
    np.testing.assert_array_equal(image, before)
    expected = plain_hits(image, variance, sharpness, background, 5.0, 2.0)
    assert len(expected) > 20
    assert list(zip(y.tolist(), x.tolist())) == expected


def test_labels_are_connected_components():
    from scipy.ndimage import label

    where = np.random.default_rng(5).random((60, 70)) < 0.25
    y, x = (v.astype(np.int32) for v in np.nonzero(where))
    found, n = label_hits(y, x)
    expected, count = label(where, np.ones((3, 3)))
    assert n == count
    np.testing.assert_array_equal(found + 1, expected[y, x])


def test_neighbours_of_dead_pixels_are_no_cosmic_rays():
    rng = np.random.default_rng(6)
    image = rng.normal(SKY, NOISE, (2000, 60)).astype(np.float32)
    mask = np.zeros(image.shape, np.int32)
    image[:, 30] = 0
    mask[:, 30] = 1
    exposure = exposure_of(image, np.full_like(image, NOISE**2), mask, GaussianPsf(25, SIGMA))
    assert repair(exposure).cosmic_rays == []


def test_too_many_leaves_the_image_alone():
    image, variance, _, _ = star_field(seed=7)
    exposure = exposure_of(image, variance, psf=GaussianPsf(25, SIGMA))
    config = RepairConfig()
    config.cosmicray.nCrPixelMax = 5
    with pytest.raises(TooManyCosmicRaysError, match="more than 5 pixels") as caught:
        repair(exposure, config)
    assert caught.value.metadata == {"nCrPixelMax": 5}
    np.testing.assert_array_equal(exposure.image.array, image)


def test_background_of_many_cells():
    image, variance, _, tracks = star_field(seed=8)
    ramp = np.linspace(0, 3000, image.shape[1], dtype=np.float32)
    exposure = exposure_of(image + ramp, variance, psf=GaussianPsf(25, SIGMA))
    config = RepairConfig()
    config.cosmicray.background.binSize = 50
    repair(exposure, config)
    found = (exposure.mask.array & exposure.mask.bitmask("CR")) != 0
    assert found[tracks].mean() > 0.95
    np.testing.assert_allclose(exposure.image.array[~found], (image + ramp)[~found], rtol=1e-6)


@pytest.mark.parametrize("shape", [(0, 0), (0, 7), (1, 1), (2, 9), (3, 3), (4, 4), (6, 5)])
def test_small_images(shape):
    image = np.full(shape, 10, np.float32)
    if image.size > 8:
        image[1, 1] = 1e5
    masked = MaskedImage(Image(image), None, Image(np.ones(shape, np.float32)))
    found = find_cosmic_rays(masked, GaussianPsf(11, 1.5))
    assert len(found) == (1 if image.size > 8 and min(shape) > 2 else 0)
    if found:
        assert found[0].spans.area >= 1
        np.testing.assert_allclose(masked.image.array, 10, atol=2)


def test_nan_pixels_are_harmless():
    image, variance, _, tracks = star_field(seed=9)
    image[100:110, 100:120] = np.nan
    image[200, 50] = np.inf
    variance[150:160] = np.nan
    exposure = exposure_of(image, variance, psf=GaussianPsf(25, SIGMA))
    repair(exposure)
    found = (exposure.mask.array & exposure.mask.bitmask("CR")) != 0
    usable = tracks & np.isfinite(image) & np.isfinite(variance)
    assert found[usable].mean() > 0.8
    assert not found[100:110, 100:120].any()


def test_absolute_threshold_and_noise_fill():
    image, variance, _, tracks = star_field(seed=10, n_stars=0)
    config = FindCosmicRaysConfig()
    config.minSigma = -900.0 - SKY
    config.compatNoiseFill = True
    masked = MaskedImage(Image(image.copy()), None, Image(variance))
    find_cosmic_rays(masked, GaussianPsf(25, SIGMA), config, SKY)
    found = masked.mask.array != 0
    assert found[tracks].mean() > 0.97
    assert abs(masked.image.array[found].mean() - SKY) < 5 * NOISE / np.sqrt(found.sum())


def test_psf_and_variance_are_needed():
    exposure = Exposure(MaskedImage(Image(np.ones((5, 5), np.float32))))
    with pytest.raises(InputError, match="PSF"):
        repair(exposure)
    exposure.psf = GaussianPsf(11, 1.5)
    with pytest.raises(InputError, match="variance"):
        repair(exposure)
    config = RepairConfig()
    config.doCosmicRay = False
    assert repair(exposure, config).cosmic_rays == []
