from __future__ import annotations

import numpy as np
from scipy.special import j1

from skysift.psf.bessel import bessel_j1


def test_bessel_function_equals_scipys():
    x = np.concatenate([np.linspace(0.0, 30.0, 4001), np.geomspace(24.9, 5000.0, 2000)])
    np.testing.assert_allclose(bessel_j1(x), j1(x), rtol=0, atol=2e-13)
    assert bessel_j1(np.empty((0, 3))).shape == (0, 3)
    assert bessel_j1(1.5).shape == ()
