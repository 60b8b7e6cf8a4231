"""Piff models, read from their pickles without running any code that the pickles name."""

from __future__ import annotations

import io
import math
import pickle
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysift.errors import InputError
from skysift.psf import PiffPsf, SpatialTerms

__all__ = ["piff_psf_from_pickle"]

ALLOWED = {
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("_codecs", "encode"),
    ("builtins", "complex"),
    ("builtins", "set"),
    ("builtins", "frozenset"),
    ("builtins", "slice"),
}
"""The only names of a pickle that are looked up: they make arrays and plain values."""

MAX_PIXELS = 2**24
"""Largest model (pixels times polynomial terms) that is accepted."""


class _Record:
    """Stands in for an object of any other class: it keeps the state it is given and does nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args = args

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) == 2 and isinstance(state[0] or {}, dict):
            state = {**(state[0] or {}), **(state[1] or {})}
        if isinstance(state, dict):
            self.__dict__.update(state)

    def __call__(self, *args: Any, **kwargs: Any) -> _Record:
        return _Record(*args)

    def append(self, item: Any) -> None:
        """Ignore an item of a list subclass."""

    def extend(self, items: Any) -> None:
        """Ignore items of a list subclass."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """Ignore an item of a dict subclass."""


class _Unpickler(pickle.Unpickler):
    """Makes arrays, plain values and inert records."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in ALLOWED:
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        return type(name, (_Record,), {})

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("a PSF pickle refers to an object outside it")


def piff_psf_from_pickle(data: bytes) -> PiffPsf:
    """Read the pickle that an LSST PiffPsf is stored as.

    Parameters
    ----------
    data
        Pickle of ``(width, height, piff PSF)``.

    Returns
    -------
    psf
        The model, in PARENT pixels; one that also depends on colour is taken at the mean colour of its stars.

    Raises
    ------
    InputError
        The pickle is damaged, or the model is not a pixel grid with a polynomial of x and y (or u and v under a plain pixel scale).
    """
    try:
        width, height, model_psf = _Unpickler(io.BytesIO(data)).load()
        return _psf_from_records(int(width), int(height), model_psf)
    except InputError:
        raise
    # a damaged pickle raises errors of every kind
    except Exception as error:
        raise InputError(f"the Piff model cannot be read ({type(error).__name__}: {error})") from error


def _psf_from_records(width: int, height: int, piff: Any) -> PiffPsf:
    model, interp = piff.model, piff.interp
    if type(model).__name__ != "PixelGrid" or type(interp).__name__ != "BasisPolynomial":
        raise InputError(
            f"the Piff model is a {type(model).__name__} with a {type(interp).__name__}; only PixelGrid with BasisPolynomial is read"
        )
    size, q = int(model.size), np.asarray(interp.q, np.float64)
    if size < 1 or q.ndim != 2 or q.shape[0] != size * size or q.size > MAX_PIXELS:
        raise InputError(f"the Piff model of {size} x {size} pixels has coefficients of shape {q.shape}")
    wcs = piff.wcs[0]
    if type(wcs).__name__ != "PixelScale":
        raise InputError(f"the Piff model uses a {type(wcs).__name__}; only a plain pixel scale is read")
    scale = float(wcs._scale)
    powers, factors = _terms(interp, piff.stars)
    if len(powers) != q.shape[1]:
        raise InputError(f"the Piff polynomial has {len(powers)} terms for {q.shape[1]} coefficients")
    unit = 1.0 if interp._keys[0] == "x" else 1.0 / scale
    drawn = max(width, height, 1)
    step = float(model.scale) / scale
    return PiffPsf(
        (q * factors).T.reshape(-1, size, size),
        SpatialTerms(powers, scale=(unit, unit)),
        pixel_step=1.0 if abs(step - 1.0) < 1e-9 else step,
        lanczos_order=_lanczos_order(model),
        size=drawn + 1 - drawn % 2,
        average_position=_mean_position(piff.stars),
    )


def _terms(interp: Any, stars: list[Any]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Powers (t, 2) of x and y of the terms, the first key's slowest, and their factors (t,) at the mean colour."""
    keys = list(interp._keys)
    if keys[:2] not in (["x", "y"], ["u", "v"]) or len(keys) > 3:
        raise InputError(f"the Piff model varies with {keys}; only x and y (or u and v), and a colour, are read")
    powers = np.argwhere(np.asarray(interp._mask, bool))
    factors: NDArray[np.float64] = np.ones(len(powers))
    if len(keys) == 3:
        colors = [float(star.data.properties[keys[2]]) for star in stars]
        factors = np.power(float(np.nanmean(colors)), powers[:, 2])
    return powers[:, :2], factors


def _lanczos_order(model: Any) -> int:
    """Order of the Lanczos interpolant of the pixel grid."""
    interpolant = model.interp
    if type(interpolant).__name__ != "Lanczos":
        raise InputError(f"the Piff model is interpolated by {type(interpolant).__name__}; only Lanczos is read")
    if hasattr(interpolant, "_n"):
        return int(interpolant._n)
    found = re.search(r"Lanczos\(\s*(\d+)", str(model.kwargs.get("interp", "")))
    if found is None:
        raise InputError("the order of the Piff model's Lanczos interpolant is not recorded")
    return int(found.group(1))


def _mean_position(stars: list[Any]) -> tuple[float, float]:
    """Mean pixel position of the stars that the model was fitted to."""
    positions = [(float(star.data.properties["x"]), float(star.data.properties["y"])) for star in stars]
    if not positions:
        return (0.0, 0.0)
    x, y = np.mean(positions, axis=0)
    return (float(x), float(y)) if math.isfinite(x + y) else (0.0, 0.0)
