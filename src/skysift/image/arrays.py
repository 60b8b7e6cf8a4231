"""From anything array-like to native, contiguous pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from skysift.errors import InputError
from skysift.image.mask import MaskSchema, remap_bits

__all__ = ["as_flags", "as_pixels", "nddata_variance"]


def _plane(values: Any, name: str) -> np.ndarray:
    """A two-dimensional array; leading axes of length one are dropped."""
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise InputError(f"the {name} is not an array: {error}") from error
    while array.ndim > 2 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 2:
        raise InputError(f"the {name} has shape {array.shape}; a two-dimensional array is needed")
    return array


def as_pixels(values: Any, name: str = "image") -> tuple[np.ndarray, np.ndarray | None, str]:
    """Turn anything array-like into native float32 pixels.

    Parameters
    ----------
    values
        An array of numbers of any type and byte order, a masked array, a Quantity, an `Image`, an astropy NDData, nested lists. Values beyond the range of float32 become
        infinite.
    name
        What it is, for messages.

    Returns
    -------
    pixels : numpy.ndarray
        float32, (height, width), C-contiguous; the input itself if it is that already.
    masked : numpy.ndarray or None
        Where a masked array or NDData is masked (bool), None for other input.
    unit : str
        The unit of a Quantity or NDData, else empty.

    Raises
    ------
    InputError
        If the input is not two-dimensional or not real numbers.
    """
    unit = getattr(values, "unit", None)
    if hasattr(values, "uncertainty"):
        values = values.data if values.mask is None else np.ma.array(values.data, mask=values.mask)
    elif unit is not None:
        values = getattr(values, "value", values)
    masked = None
    if isinstance(values, np.ma.MaskedArray):
        hidden = np.ma.getmaskarray(values)
        masked = _plane(hidden, name) if hidden.any() else None
        values = values.data
    array = _plane(values, name)
    if array.dtype.kind not in "fiub":
        if array.dtype.kind == "c":
            raise InputError(f"the {name} has complex pixels; real numbers are needed")
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"the {name} does not hold numbers: {error}") from error
    with np.errstate(over="ignore", invalid="ignore"):
        pixels = np.ascontiguousarray(array, dtype=np.float32)
    return pixels, masked, "" if unit is None else str(unit)


def nddata_variance(data: Any) -> np.ndarray | None:
    """Variances of an astropy NDData; None if it has none.

    Parameters
    ----------
    data
        Anything; only what has an ``uncertainty`` of a kind that is a variance in disguise has variances.
    """
    uncertainty = getattr(data, "uncertainty", None)
    if uncertainty is None or uncertainty.uncertainty_type not in ("std", "var", "ivar"):
        return None
    from astropy.nddata import VarianceUncertainty

    with np.errstate(divide="ignore"):
        return np.asarray(uncertainty.represent_as(VarianceUncertainty).array)


def as_flags(values: Any, planes: Mapping[str, int] | None, schema: MaskSchema) -> np.ndarray:
    """Turn any mask into native int32 flags.

    Parameters
    ----------
    values
        Booleans (True: BAD), integers of any width and byte order, or floats that hold whole numbers.
    planes
        Name -> bit in `values`; by default the bits are those of `schema`. Bits without a name become planes ``BIT<n>``.
    schema
        The planes of the result; it gains those that it lacks.

    Returns
    -------
    numpy.ndarray
        int32, (height, width), C-contiguous; the input itself if it is that already and no bit moves.

    Raises
    ------
    InputError
        If the input is not two-dimensional, not whole numbers, or has more planes than a mask can hold.
    """
    array = _plane(np.ma.getdata(values), "mask")
    if array.dtype.kind == "b":
        return np.ascontiguousarray(array * np.int32(schema.bitmask("BAD")))
    if array.dtype.kind == "f":
        finite = np.where(np.isfinite(array), array, 0)
        whole = finite.astype(np.int64)
        if not np.array_equal(whole, finite):
            raise InputError("the mask holds fractions; booleans or integers are needed")
        array = whole
    if array.dtype.kind not in "iu":
        raise InputError(f"the mask holds {array.dtype}; booleans or integers are needed")
    return np.ascontiguousarray(remap_bits(array, schema.planes if planes is None else planes, schema))
