"""Background models against the LSST library."""

from __future__ import annotations

import numpy as np
import pytest

from skysift.background import Background, fit_background, subtract_background
from skysift.background.config import BackgroundConfig
from skysift.background.interpolate import interpolate_lines
from skysift.errors import SkysiftError
from skysift.geom import Box2I
from skysift.image import Exposure, Image, Mask, MaskedImage

UNDERSAMPLE = {"THROW": "THROW_EXCEPTION", "REDUCE": "REDUCE_INTERP_ORDER", "INCREASE": "INCREASE_NXNYSAMPLE"}


@pytest.fixture(scope="module")
def vectors(golden):
    return golden("background")


def config(bin_size, **fields):
    result = BackgroundConfig()
    result.binSize = bin_size
    result.ignoredPixelMask = ["BAD", "SAT", "DETECTED", "NO_DATA"]
    result.useApprox = False
    result.isNanSafe = True
    for name, value in fields.items():
        setattr(result, name, value)
    return result


def masked(vectors, shape=None, xy0=(0, 0), image=None, mask=None):
    cut = np.s_[:] if shape is None else np.s_[: shape[0], : shape[1]]
    image = vectors["img"] if image is None else image
    mask = vectors["mask"].astype(np.int32) if mask is None else mask
    return MaskedImage(Image(image[cut].copy(), xy0), Mask(mask[cut].copy(), xy0))


def assert_close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5 * np.nanmax(np.abs(expected)))


@pytest.mark.parametrize("statistic", ["MEANCLIP", "MEDIAN"])
@pytest.mark.parametrize("bin_size", [32, 48, 64])
def test_cells_and_interpolation(vectors, bin_size, statistic):
    background = fit_background(masked(vectors), config(bin_size, statisticsProperty=statistic))
    stem = f"b{bin_size}_{statistic}_"
    np.testing.assert_array_equal(np.isnan(background.values), np.isnan(vectors[stem + "stats"]))
    assert_close(background.values, vectors[stem + "stats"])
    assert_close(background.errors, vectors[stem + "statsvar"])
    checked = 0
    for name in vectors.files:
        if not name.startswith(stem) or "stats" in name[len(stem) :] or name.endswith("_CONSTANT"):
            continue
        kind = name[len(stem) :]
        step = round(256 / vectors[name].shape[0])
        if kind.startswith("cheb"):
            model = Background(
                background.bbox, background.values, background.errors, approx_order=int(kind[4]), weighting=kind.endswith("w1")
            )
        else:
            model = Background(background.bbox, background.values, background.errors, style=kind)
        assert_close(model.image().array[::step, ::step], vectors[name])
        checked += 1
    assert checked >= 4


def test_part_of_an_image(vectors):
    x, y, width, height = (int(v) for v in vectors["sub_bbox"])
    box = Box2I((x, y), (width, height))
    part = fit_background(masked(vectors), config(32)).image(box)
    assert part.bbox == box
    assert_close(part.array, vectors["sub_AKIMA"])


def test_origin_does_not_matter(vectors):
    image = masked(vectors, xy0=(1000, 500), mask=np.zeros_like(vectors["mask"], dtype=np.int32))
    background = fit_background(image, config(32))
    assert_close(background.values, vectors["xy0_stats"])
    assert_close(background.image().array[::3, ::3], vectors["xy0_AKIMA"])
    assert background.image().bbox == Box2I((1000, 500), (300, 256))


def test_masked_border_and_nan(vectors):
    image, mask = vectors["img"].copy(), vectors["mask"].astype(np.int32)
    image[200:210, 100:110] = np.nan
    low, high = (int(v) for v in vectors["edge_mask_note"])
    mask[:, low:high] |= 1
    background = fit_background(masked(vectors, image=image, mask=mask), config(32))
    assert_close(background.values, vectors["edge_stats"])
    for style in ("LINEAR", "NATURAL_SPLINE", "AKIMA_SPLINE"):
        model = Background(background.bbox, background.values, style=style)
        assert_close(model.image().array[::4, ::4], vectors[f"edge_{style}"])


def test_small_images(vectors):
    names = [name for name in vectors.files if name.startswith("small_") and not name.endswith("_stats")]
    assert len(names) > 40
    for name in names:
        _, size, bin_size, *rest = name.removesuffix("_exc").split("_")
        style, undersample = "_".join(rest[:-1]), UNDERSAMPLE[rest[-1]]
        shape = tuple(int(n) for n in size.split("x"))
        background = fit_background(masked(vectors, shape), config(int(bin_size[1:]), algorithm=style, undersampleStyle=undersample))
        if name.endswith("_exc"):
            with pytest.raises(SkysiftError, match="too few"):
                background.image()
        else:
            assert_close(background.values, vectors[name + "_stats"])
            assert_close(background.image().array[::4, ::4], vectors[name])


@pytest.mark.parametrize("style", ["LINEAR", "NATURAL_SPLINE", "CUBIC_SPLINE", "AKIMA_SPLINE"])
def test_interpolation_in_one_dimension(vectors, style):
    x, y = vectors["interp1d_in"]
    np.testing.assert_allclose(
        interpolate_lines(x, y[None], vectors["interp1d_x"], style)[0], vectors[f"interp1d_{style}"], rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("default", {}),
        ("b64", {"binSize": 64}),
        ("approx", {"binSize": 32, "approxOrderX": 2, "approxOrderY": 2}),
        ("rect", {"binSize": 64, "binSizeX": 32, "binSizeY": 64}),
    ],
)
def test_subtract_background(vectors, name, fields):
    task_config = BackgroundConfig()
    for field, value in fields.items():
        setattr(task_config, field, value)
    image = masked(vectors)
    exposure = Exposure(MaskedImage(image.image, image.mask, Image(np.full_like(image.image.array, 49))))
    backgrounds = subtract_background(exposure, task_config)
    assert_close(backgrounds.image().array[::3, ::3], vectors[f"task_{name}_bg"])
    np.testing.assert_allclose(exposure.image.array.mean(dtype=np.float64), vectors[f"task_{name}_mean"][0], rtol=1e-5)
    if name in ("b64", "rect"):
        np.testing.assert_array_equal(exposure.variance.array[::8, ::8], vectors[f"task_{name}_var"])
    np.testing.assert_allclose(exposure.metadata["BGMEAN"], backgrounds.image().array.mean(dtype=np.float64), rtol=1e-6)
