"""Masked images and exposures."""

from __future__ import annotations

import pickle
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from skysift.errors import InputError
from skysift.geom import Box2I
from skysift.image import ApCorrMap, ChebyshevField, Exposure, Image, Mask, MaskedImage, PhotoCalib, SkyWcs


def masked_image(value=1.0, variance=4.0, shape=(3, 4), xy0=(5, 6)):
    full = lambda v, t: np.full(shape, v, dtype=t)  # noqa: E731
    return MaskedImage(Image(full(value, np.float32), xy0), Mask(full(0, np.int32), xy0), Image(full(variance, np.float32), xy0))


def first(mi):
    return float(mi.image.array[0, 0]), float(mi.variance.array[0, 0])


def test_arithmetic_propagates_variance_and_mask():
    a, b = masked_image(6.0, 4.0), masked_image(2.0, 1.0)
    b.mask.set("CR", np.ones((3, 4), dtype=bool))
    assert first(a + b) == (8.0, 5.0)
    assert first(a - b) == (4.0, 5.0)
    assert first(a * b) == (12.0, 4.0 * 4.0 + 36.0 * 1.0)
    assert first(a / b) == (3.0, pytest.approx(4.0 / 4.0 + 36.0 / 16.0))
    assert first(a * 3) == (18.0, 36.0)
    assert first(a / 2) == (3.0, 1.0)
    assert first(a + 1) == (7.0, 4.0)
    assert first(a - a.image) == (0.0, 4.0)
    assert first(a * a.image) == (36.0, 144.0)
    assert first(a.copy().scaled_plus(2.0, b)) == (10.0, 8.0)
    assert (a + b).mask.has("CR").all()
    assert not a.mask.array.any()
    assert first(a / 0.0)[0] == np.inf


def test_planes_must_agree():
    image = Image(np.zeros((3, 4), dtype=np.float32), (5, 6))
    with pytest.raises(InputError):
        MaskedImage(image, Mask(np.zeros((3, 3), dtype=np.int32), (5, 6)))
    with pytest.raises(InputError):
        MaskedImage(image, variance=Image(np.zeros((3, 4)), (0, 0)))
    mi = MaskedImage(image)
    mi.variance = np.ones((3, 4), dtype=np.float32)
    assert mi.variance.xy0 == (5, 6)
    mi.xy0 = (0, 0)
    assert mi.mask.xy0 == mi.variance.xy0 == mi.bbox.min == (0, 0)


def test_unknown_variance():
    mi = MaskedImage(Image(np.zeros((200, 3), dtype=np.float32)))
    assert np.isnan(mi.variance.array).all()
    assert not mi.has_variance
    mi.variance.array[150, 1] = 1.0
    assert mi.has_variance


def test_cutting():
    mi = masked_image()
    part = mi[6:8, 7:9]
    assert part.bbox == Box2I((6, 7), (2, 2)) == part.mask.bbox == part.variance.bbox
    part.image += 5
    assert mi.image[6, 7] == 6.0
    assert mi[6, 7] == (6.0, 0, 4.0)
    mi[part.bbox] = masked_image(9.0, 2.0, (2, 2))
    assert mi[7, 8] == (9.0, 0, 2.0)
    assert mi.local[0:2, 0:1].bbox == Box2I((5, 6), (2, 1))
    exposure = Exposure(mi, psf="psf", id=7, metadata={"A": 1})
    view = exposure[6:8, 7:9]
    assert (view.psf, view.id, view.metadata) == ("psf", 7, {"A": 1})
    assert np.shares_memory(view.image.array, mi.image.array)
    assert exposure.cutout((5, 6), (4, 4)).bbox == Box2I((5, 6), (2, 2))
    exposure[view.bbox] = 3.0
    assert mi.image[6, 7] == 3.0


def test_copies():
    exposure = Exposure(masked_image(), ap_corr_map=ApCorrMap(), metadata={"A": 1})
    shallow, deep = exposure.copy(deep=False), exposure.copy()
    exposure.image += 1
    exposure.mask.add_plane("NEW")
    exposure.metadata["B"] = 2
    exposure.ap_corr_map["x"] = ChebyshevField(exposure.bbox, [[1.0]])
    assert shallow.image.array[0, 0] == 2.0
    assert deep.image.array[0, 0] == 1.0
    assert "NEW" not in deep.mask.planes
    assert deep.metadata == {"A": 1}
    assert not deep.ap_corr_map
    again = pickle.loads(pickle.dumps(exposure))
    assert again.bbox == exposure.bbox
    assert again.mask.planes == exposure.mask.planes


@pytest.mark.parametrize("dtype", [">f4", ">f8", "<i2", ">i2", ">u2", "i8", "u1", "bool", "f2", "O"])
def test_any_type_of_pixels(dtype):
    source = (np.arange(12).reshape(3, 4) % 2).astype(dtype)
    exposure = Exposure.from_arrays(source, variance=source, mask=np.zeros((3, 4), ">i4"))
    for array, expected in ((exposure.image.array, np.float32), (exposure.variance.array, np.float32), (exposure.mask.array, np.int32)):
        assert array.dtype == expected
        assert array.dtype.isnative
        assert array.flags.c_contiguous
    np.testing.assert_array_equal(exposure.image.array, source.astype(float))


def test_native_arrays_are_kept():
    image, mask = np.zeros((3, 4), dtype=np.float32), np.zeros((3, 4), dtype=np.int32)
    exposure = Exposure.from_arrays(image, mask=mask)
    assert exposure.image.array is image
    assert np.shares_memory(exposure.mask.array, mask)
    image[1, 1] = np.nan
    again = Exposure.from_arrays(image, mask=mask)
    assert again.mask.has("NO_DATA").sum() == 1
    assert not mask.any()


def test_strange_pixels_are_flagged():
    image = np.ones((3, 4))
    image[0, 0], image[0, 1], image[0, 2], image[1, 0] = np.nan, np.inf, -np.inf, 1e300
    exposure = Exposure.from_arrays(np.ma.array(image, mask=image == 1.0) * 1.0)
    assert exposure.mask.has("NO_DATA").sum() == 4
    assert exposure.mask.has("BAD").sum() == 8
    assert np.isnan(exposure.image.array[0, 0])
    hidden = np.ma.array(np.ones((3, 4)), mask=np.eye(3, 4))
    variance = Exposure.from_arrays(np.ones((3, 4)), variance=hidden).variance.array
    assert np.isnan(variance).sum() == 3


def test_other_kinds_of_input():
    from astropy import units
    from astropy.wcs import WCS

    exposure = Exposure.from_arrays(np.ones((3, 4)) * units.nJy, variance=2.0)
    assert exposure.image.unit == "nJy"
    assert (exposure.variance.array == 2.0).all()
    assert Exposure.from_arrays([[1, 2], [3, 4]]).image.array.tolist() == [[1, 2], [3, 4]]
    assert Exposure.from_arrays(np.ones((1, 1, 3, 4))).image.shape == (3, 4)
    assert Exposure.from_arrays(np.ones((6, 8))[::2, ::-2]).image.array.flags.c_contiguous
    assert Exposure.from_arrays(np.empty((0, 0))).bbox.is_empty
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.cdelt, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [10, 20], [-1e-4, 1e-4], [1, 1]
    exposure = Exposure.from_arrays(np.ones((3, 4)), xy0=(100, 200), wcs=wcs)
    np.testing.assert_allclose(exposure.wcs.pixel_to_sky(100, 200), np.radians([10, 20]))


def test_images_as_input():
    image = Image(np.ones((3, 4), dtype=np.float32), (5, 6), unit="adu")
    exposure = Exposure.from_arrays(image, variance=image)
    assert exposure.image.array is image.array
    assert (exposure.xy0, exposure.image.unit) == ((5, 6), "adu")
    assert Exposure.from_arrays(image, xy0=(1, 2)).xy0 == (1, 2)


def test_astropy_containers():
    from astropy.nddata import CCDData, InverseVariance, NDData, StdDevUncertainty, UnknownUncertainty

    hidden = np.eye(3, 4, dtype=bool)
    exposure = Exposure.from_arrays(CCDData(np.ones((3, 4)), unit="adu", mask=hidden, uncertainty=StdDevUncertainty(np.full((3, 4), 2.0))))
    assert exposure.image.unit == "adu"
    np.testing.assert_array_equal(exposure.mask.has("BAD"), hidden)
    assert (exposure.variance.array == 4.0).all()
    inverse = NDData(np.ones((3, 4)), uncertainty=InverseVariance(np.full((3, 4), 4.0)))
    assert (Exposure.from_arrays(inverse).variance.array == 0.25).all()
    assert (Exposure.from_arrays(inverse, variance=3.0).variance.array == 3.0).all()
    assert not Exposure.from_arrays(NDData(np.ones((3, 4)), uncertainty=UnknownUncertainty(np.ones((3, 4))))).has_variance


@pytest.mark.parametrize("image", [np.ones(3), np.ones((2, 3, 4)), np.ones((2, 2), complex), [["a", "b"]], np.array(3.0), [[1], [2, 3]]])
def test_impossible_pixels(image):
    with pytest.raises(InputError) as caught:
        Exposure.from_arrays(image)
    assert "\n" not in str(caught.value)


def test_masks_of_any_kind():
    image = np.ones((2, 2))
    assert Exposure.from_arrays(image, mask=[[True, False], [False, False]]).mask.counts()["BAD"] == 1
    named = Exposure.from_arrays(image, mask=np.full((2, 2), 0x8004, ">u2").view(">i2"), planes={"CR": 2, "GHOST": 15}).mask
    assert named.counts()["CR"] == 4
    assert named.counts()["GHOST"] == 4
    unnamed = Exposure.from_arrays(image, mask=np.full((2, 2), 1 << 40, np.int64)).mask
    assert unnamed.counts()["BIT40"] == 4
    assert Exposure.from_arrays(image, mask=np.array([[1.0, np.nan], [0.0, 2.0]])).mask.array.tolist() == [[1, 0], [0, 2]]
    own = Mask(np.full((2, 2), 1, dtype=np.int32))
    own.set("MINE", np.ones((2, 2), dtype=bool))
    assert Exposure.from_arrays(image, mask=own).mask.counts()["MINE"] == 4
    for bad in (np.full((2, 2), 0.5), np.zeros((3, 2), int), np.zeros(4, int)):
        with pytest.raises(InputError):
            Exposure.from_arrays(image, mask=bad)
    with pytest.raises(InputError):
        Exposure.from_arrays(image, mask=np.full((2, 2), -1, np.int64))


def test_gain():
    exposure = Exposure(masked_image(), metadata={"GAIN": "unknown", "EGAIN": 2.5})
    assert exposure.gain == 2.5
    exposure.detector = SimpleNamespace(gain=3.0)
    assert exposure.gain == 3.0
    exposure.gain = 1.5
    assert exposure[5:7, 6:8].gain == 1.5
    assert Exposure(masked_image(), metadata={"GAIN": -1.0}).gain is None


def test_descriptions():
    wcs = SkyWcs.tan((10, 20), (0, 0), [[-1e-4, 0], [0, 1e-4]])
    exposure = Exposure(masked_image(), wcs=wcs, photo_calib=PhotoCalib(57.5), id=3)
    exposure.mask.set("SAT", Box2I((5, 6), (1, 1)))
    text = repr(exposure)
    for part in ("4 x 3 at (5, 6)", "SAT 1", "variance: known", "0.36 arcsec", "PhotoCalib", "id: 3"):
        assert part in text
    assert exposure._repr_html_().startswith("<pre>Exposure")
    assert "variance known" in repr(exposure.masked_image)


def test_import_is_cheap():
    names = "from skysift.image import Exposure, SkyWcs, PhotoCalib, VisitInfo; import skysift.statistics"
    code = f"import sys; {names}; print([m for m in ('astropy', 'numba', 'scipy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
