"""Detection against vectors and runs of the LSST SourceDetectionTask."""

import numpy as np
import pytest

from skysift.detection import convolve_image, detect_footprints, get_psf
from skysift.detection.config import SkyObjectsConfig, SourceDetectionConfig
from skysift.detection.sky_objects import sky_objects
from skysift.image import Exposure, Mask
from skysift.psf import GaussianPsf

PLAIN = {"doTempLocalBackground": False, "reEstimateBackground": False}
CASES: dict[str, dict] = {
    "default": {},
    "grow0": PLAIN | {"nSigmaToGrow": 0.0},
    "grow1": PLAIN | {"nSigmaToGrow": 1.0},
    "grow5_iso": PLAIN | {"nSigmaToGrow": 5.0, "isotropicGrow": True},
    "iso": PLAIN | {"isotropicGrow": True},
    "comb": PLAIN | {"combinedGrow": True, "thresholdPolarity": "both"},
    "minpix20": PLAIN | {"minPixels": 20},
    "mult2": PLAIN | {"includeThresholdMultiplier": 2.0},
    "neg": PLAIN | {"thresholdPolarity": "negative"},
    "adj": PLAIN | {"adjustBackground": 2.0},
    "orig": PLAIN | {"returnOriginalFootprints": True},
}
for kind in ("stdev", "pixel_stdev", "value", "variance"):
    for polarity in ("positive", "both"):
        for local in (False, True):
            CASES[f"{kind}_{polarity}_tlb{int(local)}"] = {
                "thresholdType": kind,
                "thresholdPolarity": polarity,
                "doTempLocalBackground": local,
                "thresholdValue": 6.0 if kind == "value" else 5.0,
                "reEstimateBackground": False,
            }


def make_exposure(data) -> Exposure:
    return Exposure.from_arrays(data["img"].copy(), data["var"].copy(), data["mask"].copy(), psf=GaussianPsf(25, 2.0))


def test_convolved_image(golden):
    data = golden("detection")
    exposure = make_exposure(data)
    psf = get_psf(exposure, float(data["conv_sigma"][0]))
    assert psf.size == data["conv_sigma"][1]
    middle = convolve_image(exposure.masked_image, psf).middle
    assert [middle.bbox.min_x, middle.bbox.min_y, middle.bbox.width, middle.bbox.height] == data["conv_middle_bbox"].tolist()
    noise = np.sqrt(middle.variance.array)
    # Float32 sums in another order: a few parts in 1e7 of the brightest pixel under the kernel.
    np.testing.assert_allclose(middle.image.array, data["conv_img"], rtol=1e-5, atol=2e-4 * noise.min())
    np.testing.assert_allclose(middle.variance.array[::2, ::2], data["conv_var"], rtol=1e-5)
    np.testing.assert_array_equal(exposure.mask.array, data["conv_mask"])
    np.testing.assert_array_equal(middle.mask.array, data["conv_middle_mask"])


def test_psf_width(golden):
    data = golden("detection")
    assert get_psf(make_exposure(data)).sigma() == pytest.approx(data["conv_sigma"][0], rel=2e-5)


@pytest.mark.parametrize("case", CASES)
def test_footprints_and_peaks(golden, case):
    data = golden("detection")
    exposure = make_exposure(data)
    config = SourceDetectionConfig(**CASES[case])
    found = detect_footprints(exposure, config, sigma=float(data["conv_sigma"][0]))
    sets = [(found.negative, True), (found.positive, False)]
    if config.thresholdPolarity == "both":
        negative = np.concatenate([np.full(len(s), sign) for s, sign in sets])
        np.testing.assert_array_equal(negative, data[f"{case}_neg"])
    rows, peaks = [], []
    for footprints, _ in sets:
        if footprints is None:
            continue
        arrays = footprints.arrays
        first = len(rows)
        rows += [set() for _ in range(len(arrays))]
        for i, *span in zip(arrays.span_footprint, arrays.y, arrays.x0, arrays.x1):
            rows[first + i].add(tuple(span))
        peaks += [set() for _ in range(len(arrays))]
        for i, p in zip(arrays.peak_footprint, arrays.peaks):
            peaks[first + i].add((p["i_x"], p["i_y"]))
    # The order of footprints differs where shapes merge from two sides, so compare them as sets of sets.
    expected_rows = [set() for _ in range(len(data[f"{case}_neg"]))]
    for i, *span in data[f"{case}_spans"]:
        expected_rows[i].add(tuple(span))
    expected_peaks = [set() for _ in expected_rows]
    for p in data[f"{case}_peaks"]:
        expected_peaks[int(p[0])].add((int(p[1]), int(p[2])))
    ours = sorted((min(r), sorted(r), sorted(p)) for r, p in zip(rows, peaks))
    theirs = sorted((min(r), sorted(r), sorted(p)) for r, p in zip(expected_rows, expected_peaks))
    assert ours == theirs

    def table(x, y, value, significance):
        order = np.lexsort((y, x))
        return np.column_stack([x, y, value, significance])[order]

    columns = np.concatenate([s.arrays.peaks for s, _ in sets if s is not None])
    reference = data[f"{case}_peaks"]
    np.testing.assert_allclose(
        table(columns["i_x"], columns["i_y"], columns["peakValue"], columns["significance"]),
        table(reference[:, 1], reference[:, 2], reference[:, 5], reference[:, 6]),
        rtol=1e-5,
        atol=1e-4,
    )
    counts = [found.num_pos, found.num_neg, found.num_pos_peaks, found.num_neg_peaks, found.factor]
    if case == "default":
        # The reference counts the negative sources that it threw away.
        assert counts == [22, 0, 43, 0, 1.0]
        assert data["default_num"].tolist() == [22, 4, 43, 4, 1.0]
    else:
        assert counts == data[f"{case}_num"].tolist()
    if case == "default":
        np.testing.assert_array_equal(exposure.mask.array, data["default_mask"])
        np.testing.assert_allclose(found.background.image().array[::4, ::4], data["default_bg"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("seed", [1, 7])
def test_sky_objects(golden, seed):
    data = golden("detection")
    mask = Mask(data["mask"] | np.where(data["img"] > 40, 32, 0).astype(np.int32))
    peaks = sky_objects(mask, seed, SkyObjectsConfig()).arrays.peaks
    np.testing.assert_array_equal(np.column_stack([peaks["i_x"], peaks["i_y"]]), data[f"skyobj_seed{seed}"])
