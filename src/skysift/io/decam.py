"""Files of the DECam community pipeline: masks and weights in files of their own, quality as codes.

Source: the data handbook of the NOIRLab community pipelines (image `ooi`, quality `ood`, inverse variance `oow`).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

__all__ = ["companions", "flags_from_codes"]

_KIND = re.compile(r"_oo([ikdw])_")
# The pipeline numbers the reason that wins, it does not combine bits: 1 bad, 2 no value, 3 saturated, 4 bleed trail, 5 cosmic ray,
# 6 low weight, 7 differs from the other exposures, 8 long streak.
_PLANE_OF_CODE = {1: "BAD", 2: "NO_DATA", 3: "SAT", 4: "SAT", 5: "CR", 6: "SUSPECT", 7: "SUSPECT", 8: "STREAK"}


def companions(path: Path) -> tuple[Path | None, Path | None]:
    """Find the quality and the inverse-variance file of an image.

    Parameters
    ----------
    path
        The image; its name must contain `_ooi_` (or `_ook_`).

    Returns
    -------
    quality, weight
        Files beside it that exist, or None.
    """
    match = _KIND.search(path.name)
    if match is None or match[1] not in "ik":
        return None, None
    start, end = match.span()
    found = (path.with_name(f"{path.name[:start]}_oo{kind}_{path.name[end:]}") for kind in "dw")
    quality, weight = (file if file.is_file() else None for file in found)
    return quality, weight


def flags_from_codes(codes: np.ndarray, bits: dict[str, int]) -> np.ndarray:
    """Turn quality codes into mask bits.

    Parameters
    ----------
    codes
        Integers of shape (ny, nx).
    bits
        Bit number by plane name.

    Returns
    -------
    flags
        int32 of the same shape; unknown codes are BAD.
    """
    flags = np.zeros(codes.shape, np.int32)
    where = np.nonzero(codes)
    table = np.full(256, 1 << bits["BAD"], np.int32)
    for code, plane in _PLANE_OF_CODE.items():
        table[code] = 1 << bits[plane]
    flags[where] = table[np.clip(codes[where].astype(np.int64), 0, 255)]
    return flags
