"""The hot loops: numba functions, arrays in and arrays out."""

from __future__ import annotations

import importlib
import sys

_CHECKED = "scipy.linalg.cython_blas"
_CHECKS = "numba.np.arraymath"


def _spare_scipy() -> None:
    """Load numba without the scipy.linalg that it imports (0.2 s) only to learn that BLAS is there, which no kernel uses.

    The answer it would have found is put in its place, so that compiled functions of others may use BLAS as ever.
    """
    if _CHECKS in sys.modules or _CHECKED in sys.modules:
        return
    sys.modules[_CHECKED] = None  # type: ignore[assignment]
    try:
        checker = importlib.import_module(_CHECKS)
    except ImportError:
        return
    finally:
        del sys.modules[_CHECKED]
    if "_HAVE_BLAS" in vars(checker):
        checker.__dict__["_HAVE_BLAS"] = True


_spare_scipy()
