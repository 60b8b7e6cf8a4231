"""PSF models in and out of files."""

from __future__ import annotations

import io
import logging

import numpy as np
import pytest
from astropy.io import fits

from skysift.errors import InputError
from skysift.geom import Box2I
from skysift.io.psf import centered_kernel, psf_from_hdus, psf_to_hdus, read_psf
from skysift.psf import (
    DoubleGaussianPsf,
    GaussianPsf,
    GridPsf,
    KernelPsf,
    LinearPsf,
    PcaPsf,
    PiffPsf,
    PixelGridPsf,
    Psf,
    PsfexPsf,
    SpatialTerms,
)
from skysift.psf.base import Mixture


def gaussian(shape: tuple[int, int], sigma: float, x: float | None = None, y: float | None = None) -> np.ndarray:
    yy, xx = np.indices(shape)
    cx = shape[1] // 2 if x is None else x
    cy = shape[0] // 2 if y is None else y
    return np.exp(-0.5 * ((xx - cx) ** 2 + (yy - cy) ** 2) / sigma**2)


def round_trip(hdus: list) -> fits.HDUList:
    data = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(data)
    data.seek(0)
    return fits.open(data)


def kinds() -> list[Psf]:
    rng = np.random.default_rng(8)
    basis = 1e-3 * rng.normal(size=(3, 11, 11))
    basis[0] += gaussian((11, 11), 1.7)
    terms = SpatialTerms.total_order(1, center=(1 / 3, 2 / 3), scale=(1 / 7, 1000 / 7), chebyshev=True)
    return [
        GaussianPsf(15, 1 / 0.7),
        DoubleGaussianPsf(15, 1 / 0.7, 3.3, 0.1),
        KernelPsf(basis[0], (0.1, 0.7)),
        PixelGridPsf(basis, 1, center=(1 / 3, 2 / 3), scale=(100 / 7, 1000 / 7), average_position=(3.3, 4.4)),
        PixelGridPsf(basis, 1, center=(1 / 3, 2 / 3), scale=(100 / 7, 1000 / 7), chebyshev=True),
        PixelGridPsf(basis[:1]),
        LinearPsf(basis, terms),
        PcaPsf(basis, terms, rng.normal(size=(3, 3)) + np.eye(3)),
        PsfexPsf(
            np.pad(basis, ((0, 0), (0, 1), (0, 1))), SpatialTerms([(0, 0), (1, 0), (0, 1)], scale=(99, 98)), pixel_step=0.7, lanczos_order=3
        ),
        PiffPsf(basis, SpatialTerms([(0, 0), (0, 1), (1, 0)], scale=(99, 98)), lanczos_order=11, size=13, average_position=(1.1, 2.2)),
        GridPsf(np.tile(basis[0], (2, 3, 1, 1)) + rng.uniform(0, 0.01, (2, 3, 11, 11)), [0.1, 3.3, 7.7], [1 / 3, 9.9]),
        GridPsf(basis[None, :1], [0.5], [0.5]),
    ]


@pytest.mark.parametrize("psf", kinds(), ids=lambda p: type(p).__name__)
def test_own_extension_is_lossless(psf):
    hdulist = round_trip(psf_to_hdus(psf))
    twin = psf_from_hdus(hdulist)
    assert type(twin) is type(psf)
    assert (twin.size, twin.average_position, twin.resampling) == (psf.size, psf.average_position, psf.resampling)
    x, y = np.array([3.3, 70.7]), np.array([4.4, 50.2])
    np.testing.assert_array_equal(twin.kernels(x, y), psf.kernels(x, y))
    np.testing.assert_array_equal(twin.stamps(x, y)[0], psf.stamps(x, y)[0])
    np.testing.assert_array_equal(hdulist["PSF"].data, psf.kernel_image().array)


def test_own_extension_by_name_and_by_path(tmp_path):
    psf = kinds()[3]
    path = tmp_path / "exposure.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros((5, 5)), name="IMAGE"), *psf_to_hdus(psf)]).writeto(path)
    for hdu in (None, "PSFMODEL", 3):
        np.testing.assert_array_equal(read_psf(path, hdu=hdu).kernels(1, 2), psf.kernels(1, 2))
    assert isinstance(read_psf(str(path), hdu="PSF"), KernelPsf)
    with pytest.raises(InputError, match="no extension 'NOTHING'"):
        read_psf(path, hdu="NOTHING")


class Wobble(Psf):
    """A kind that the format does not know."""

    def mixture(self, x, y):
        return Mixture(gaussian((9, 9), 1.5)[None], np.zeros((len(x), 1), np.int64), np.ones((len(x), 1)))

    def resized(self, size):
        return Wobble(size)


def test_unknown_kind_is_sampled(caplog):
    with caplog.at_level(logging.WARNING):
        hdus = psf_to_hdus(Wobble(9, (3.0, 4.0)))
    assert "Wobble is stored as its image" in caplog.text
    psf = psf_from_hdus(round_trip(hdus))
    np.testing.assert_allclose(psf.kernels(0, 0)[0], gaussian((9, 9), 1.5) / gaussian((9, 9), 1.5).sum())


def test_damaged_extension():
    hdus = psf_to_hdus(kinds()[7])
    hdus[1].header["PSFVERS"] = 99
    with pytest.raises(InputError, match="version 99"):
        psf_from_hdus(round_trip(hdus))
    hdus = psf_to_hdus(kinds()[7])
    hdus[1].data["kind"][0] = "Nonsense"
    with pytest.raises(InputError, match="unknown kind 'Nonsense'"):
        psf_from_hdus(round_trip(hdus))
    cut = fits.BinTableHDU.from_columns([c for c in psf_to_hdus(kinds()[7])[1].columns if c.name != "matrix"], name="PSFMODEL")
    with pytest.raises(InputError, match="damaged"):
        psf_from_hdus(round_trip([cut]))
    empty = fits.BinTableHDU(psf_to_hdus(kinds()[7])[1].data[:0], name="PSFMODEL")
    with pytest.raises(InputError, match="0 rows"):
        psf_from_hdus(round_trip([empty]))


@pytest.mark.filterwarnings("ignore")
def test_damaged_bytes():
    """Whatever is wrong with a file, there is a PSF, or none, or a message of one line."""
    rng = np.random.default_rng(6)
    data = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), *psf_to_hdus(kinds()[7])]).writeto(data)
    messages = []
    for _ in range(100):
        damaged = bytearray(data.getvalue())
        for position in rng.integers(2880, len(damaged), 40):
            damaged[position] = rng.integers(32, 127)
        hdulist = fits.open(io.BytesIO(bytes(damaged)))
        try:
            psf_from_hdus(hdulist)
        except InputError as error:
            messages.append(str(error))
    assert len(messages) > 20
    assert not any("\n" in message for message in messages)


@pytest.mark.parametrize("text", ["4.71", 4.71, " 4.71 "])
def test_number_is_a_gaussian(text):
    psf = read_psf(text)
    assert isinstance(psf, GaussianPsf)
    assert psf.sigma() == pytest.approx(2.0, rel=1e-3)
    assert psf.size >= 25


@pytest.mark.parametrize("number", ["0", -3, "nan", 1e9, "inf"])
def test_impossible_number(number):
    with pytest.raises(InputError, match="FWHM"):
        read_psf(number)


@pytest.mark.parametrize("dtype", ["f4", ">f8", "i2", "i4"])
def test_kernel_image(tmp_path, dtype):
    image = np.round(1000 * gaussian((11, 11), 1.5))
    for name, hdulist in (
        ("primary", [fits.PrimaryHDU(image.astype(dtype))]),
        ("cube", [fits.PrimaryHDU(image.astype(dtype)[None])]),
        ("extension", [fits.PrimaryHDU(), fits.ImageHDU(image.astype(dtype), name="PSF"), fits.ImageHDU(np.zeros((3, 3)))]),
    ):
        path = tmp_path / f"{name}.fits"
        fits.HDUList(hdulist).writeto(path)
        np.testing.assert_allclose(read_psf(path).kernels(5, 5)[0], image / image.sum(), rtol=1e-6)


def test_scaled_integers(tmp_path):
    hdu = fits.ImageHDU(gaussian((11, 11), 1.5), name="PSF")
    hdu.scale("int16", bscale=1e-4, bzero=0.1)
    path = tmp_path / "psf.fits"
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    np.testing.assert_allclose(read_psf(path).kernels(0, 0)[0], gaussian((11, 11), 1.5) / gaussian((11, 11), 1.5).sum(), atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "x", "y"),
    [((15, 15), 7, 7), ((15, 21), 10, 7), ((16, 16), 8, 8), ((16, 16), 7, 7), ((16, 16), 7.5, 7.5), ((16, 15), 7, 7.5), ((20, 16), 8, 9)],
)
def test_kernel_of_any_shape_is_centred(shape, x, y):
    kernel = centered_kernel(gaussian(shape, 1.6, x, y))
    assert kernel.shape[0] == kernel.shape[1]
    assert kernel.shape[0] % 2 == 1
    assert kernel.shape[0] >= max(shape)
    half = kernel.shape[0] // 2
    expected = gaussian(kernel.shape, 1.6)
    inner = slice(half - 5, half + 6)
    scale = kernel.sum() / expected.sum()
    np.testing.assert_allclose(kernel[inner, inner] / scale, expected[inner, inner], atol=4e-3)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((5, 5)), "positive sum"),
        (-np.ones((5, 5)), "positive sum"),
        (np.full((5, 5), np.nan), "not finite"),
        (np.ones(7), "has shape"),
        (np.ones((2000, 3)), "at most"),
        (np.ones((3, 5, 5)), "grid of kernels"),
    ],
)
def test_impossible_kernel_images(tmp_path, image, message):
    path = tmp_path / "psf.fits"
    fits.PrimaryHDU(image).writeto(path)
    with pytest.raises(InputError, match=message):
        read_psf(path)


def test_grid_of_kernels():
    kernels = np.stack([gaussian((11, 11), s) for s in (1.4, 1.6, 1.8, 2.0, 2.2, 2.4)]).reshape(2, 3, 11, 11)
    grid = fits.ImageHDU(kernels, name="PSFGRID")
    image = fits.ImageHDU(np.zeros((101, 201), np.float32), name="IMAGE")
    psf = psf_from_hdus(round_trip([image, grid]))
    assert isinstance(psf, GridPsf)
    np.testing.assert_allclose(psf.nodes[0], [0, 100, 200])
    np.testing.assert_allclose(psf.nodes[1], [0, 100])
    np.testing.assert_allclose(psf.kernels(100, 100)[0], kernels[1, 1] / kernels[1, 1].sum())
    psf = psf_from_hdus(round_trip([image, grid]), bbox=Box2I.from_shape((11, 21), xy0=(5, 6)))
    np.testing.assert_allclose(psf.nodes[0], [5, 15, 25])
    with pytest.raises(InputError, match="bounding box"):
        psf_from_hdus(round_trip([grid]))
    single = psf_from_hdus(round_trip([image, fits.ImageHDU(kernels[:1], name="PSFGRID")]))
    np.testing.assert_allclose(single.nodes[1], [50])


def psfex_header(**changes) -> fits.BinTableHDU:
    """A .psf file's extension: two samples a pixel, first order."""
    fine = np.stack([gaussian((21, 21), s) for s in (4.0, 4.1, 4.2)]).astype(np.float32)
    table = fits.BinTableHDU.from_columns([fits.Column("PSF_MASK", f"{fine.size}E", dim="(21,21,3)", array=fine[None])], name="PSF_DATA")
    cards = {"POLNAXIS": 2, "POLGRP1": 1, "POLNAME1": "X_IMAGE", "POLZERO1": 101.0, "POLSCAL1": 50.0, "POLGRP2": 1, "POLNAME2": "Y_IMAGE"}
    cards |= {"POLZERO2": 201.0, "POLSCAL2": 60.0, "POLNGRP": 1, "POLDEG1": 1, "PSF_FWHM": 4.7, "PSF_SAMP": 0.5}
    table.header.update(cards | changes)
    return table


def test_psfex_file():
    psf = psf_from_hdus(round_trip([psfex_header()]))
    assert isinstance(psf, PsfexPsf)
    assert (psf.size, psf.lanczos_order, psf.pixel_step) == (11, 3, 0.5)
    # PSFEx counts pixels from 1
    assert psf.terms.center == (100.0, 200.0)
    fine = gaussian((21, 21), 4.0) + 0.2 * gaussian((21, 21), 4.1) - 0.5 * gaussian((21, 21), 4.2)
    np.testing.assert_allclose(psf.kernels(110.0, 170.0)[0], fine[::2, ::2] / fine[::2, ::2].sum(), atol=1e-8)


def test_psfex_constant():
    fine = gaussian((21, 21), 4.0).astype(np.float32)
    table = fits.BinTableHDU.from_columns([fits.Column("PSF_MASK", "441E", dim="(21,21,1)", array=fine[None, None])], name="PSF_DATA")
    table.header.update({"POLNAXIS": 0, "PSF_SAMP": 0.0, "PSFAXIS1": 21, "PSFAXIS2": 21})
    psf = psf_from_hdus(round_trip([table]))
    assert psf.is_constant
    np.testing.assert_allclose(psf.kernels(0, 0)[0], fine / fine.sum(), atol=1e-8)


def test_psfex_of_several_ccds():
    hdulist = round_trip([psfex_header(), psfex_header(POLZERO1=7.0)])
    assert psf_from_hdus(hdulist, ccd=1).terms.center[0] == 6.0
    assert psf_from_hdus(hdulist, ccd="0").terms.center[0] == 100.0
    with pytest.raises(InputError, match=r"2 PSFEx models.*choose one"):
        psf_from_hdus(hdulist)
    with pytest.raises(InputError, match="no number 2"):
        psf_from_hdus(hdulist, ccd=2)


def test_psfex_merged_table():
    fine = np.stack([gaussian((9, 9), s) for s in (1.5, 1.7)]).astype(np.float32)[:, None]
    columns = [
        fits.Column("psf_mask", "81E", dim="(9,9,1)", array=fine),
        fits.Column("ccdname", "3A", array=["N10", "S4"]),
        fits.Column("polnaxis", "K", array=[0, 0]),
        fits.Column("psf_samp", "D", array=[1.0, 1.0]),
    ]
    hdulist = round_trip([fits.BinTableHDU.from_columns(columns)])
    for name, i in (("n10", 0), ("S4", 1)):
        np.testing.assert_allclose(psf_from_hdus(hdulist, ccd=name).kernels(0, 0)[0], fine[i, 0] / fine[i, 0].sum(), atol=1e-8)
    with pytest.raises(InputError, match="CCD 'N31'; it has N10, S4"):
        psf_from_hdus(hdulist, ccd="N31")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"POLNAME1": "MAG_AUTO"}, "varies with MAG_AUTO"),
        ({"POLNAXIS": 3}, "varies with"),
        ({"POLNGRP": 2}, "one group"),
        ({"POLDEG1": 4}, "3 images for a polynomial of 15 terms"),
        ({"POLSCAL1": 0.0}, "not zero"),
    ],
)
def test_unsupported_psfex(changes, message):
    with pytest.raises(InputError, match=message):
        psf_from_hdus(round_trip([psfex_header(**changes)]))


def test_files_without_psf(tmp_path):
    path = tmp_path / "sky.fits"
    fits.HDUList([fits.PrimaryHDU(np.ones((9, 9))), fits.ImageHDU(np.ones((9, 9)))]).writeto(path)
    with pytest.raises(InputError, match="no PSF model and 2 images"):
        read_psf(path)
    with pytest.raises(InputError, match="no such file"):
        read_psf(tmp_path / "absent.fits")
    with fits.open(path) as hdulist:
        assert psf_from_hdus(hdulist) is None
    table = fits.BinTableHDU.from_columns([fits.Column("a", "D", array=[1.0])], name="PSF")
    with pytest.raises(InputError, match="holds neither"):
        psf_from_hdus(round_trip([table]), hdu="PSF")
