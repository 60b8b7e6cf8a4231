"""What functions on sets of pixels accept, and what they take for a mistake."""

from __future__ import annotations

from typing import Any

import numpy as np

from skysift.errors import InputError
from skysift.geom import Box2I

__all__ = ["MAX_AREA", "MAX_POSITION", "array_and_origin", "checked_box", "whole_numbers"]

# Positions and boxes beyond these are taken for mistakes, before they ask for more memory than there is.
MAX_POSITION = 2**30
MAX_AREA = 2**32


def array_and_origin(image: Any, xy0: tuple[int, int] | None = None) -> tuple[np.ndarray, int, int]:
    """Array of an image-like object, and the PARENT position of its first element.

    Parameters
    ----------
    image
        An array, or an object with `array` and `xy0`.
    xy0
        Position ``(x, y)`` of the first element; None: the image's own, (0, 0) for an array.

    Returns
    -------
    array
        The pixels themselves, at least two dimensions.
    x, y
        The position.
    """
    if xy0 is None:
        xy0 = getattr(image, "xy0", (0, 0))
    array = image.array if hasattr(image, "array") else np.asarray(image)
    if array.ndim < 2:
        raise InputError(f"an array of shape {array.shape} is not an image; pixels are indexed [y, x]")
    return array, int(xy0[0]), int(xy0[1])


def checked_box(box: Box2I, what: str) -> Box2I:
    """The box itself, or an `InputError` that names `what` if its area is too large for an array."""
    if box.area > MAX_AREA:
        raise InputError(f"{what} would span {box.width} x {box.height} pixels", hint="check the positions, or clip to an image first")
    return box


def whole_numbers(values: Any) -> np.ndarray:
    """Values as int64; an `InputError` if they are not numbers of pixels."""
    array = np.asarray(values)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError("spans have a row or column that is not finite")
    return array.astype(np.int64)
