from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
import numpy as np
from skysift.kernels.convolve import separable_gaussian
separable_gaussian(np.ones((9, 9), np.float32), None, None, 1.0, 2)
assert "scipy.linalg" not in sys.modules, "a kernel imports scipy.linalg"
from numba import njit
@njit
def product(a):
    return np.dot(a, a), np.cov(a)[0, 1], np.linalg.solve(a, a)[0, 0]
a = np.array([[2.0, 1.0], [1.0, 3.0]])
got = product(a)
np.testing.assert_allclose(got[0], a @ a)
np.testing.assert_allclose(got[1], np.cov(a)[0, 1])
np.testing.assert_allclose(got[2], 1.0)
import scipy.optimize
print("fine")
"""


def test_kernels_spare_scipy_and_leave_blas_to_others():
    out = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert out.stdout.strip() == "fine", out.stderr
