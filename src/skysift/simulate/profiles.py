"""Galaxy profiles and PSFs as sums of Gaussians, so that convolution is the addition of covariances."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

__all__ = ["DE_VAUCOULEURS", "EXPONENTIAL", "MixturePsf", "Profile"]


@dataclass(frozen=True)
class Profile:
    """A circular profile of unit flux and half-light radius one as a sum of Gaussians.

    Attributes
    ----------
    weights
        Flux fractions, sum one.
    variances
        Variance of each Gaussian in units of the half-light radius squared.
    """

    weights: npt.NDArray[np.float64]
    variances: npt.NDArray[np.float64]


def _profile(weights: list[float], variances: list[float]) -> Profile:
    w = np.array(weights)
    return Profile(w / w.sum(), np.array(variances))


# Hogg & Lang (2013, PASP 125, 719), tables 1 and 2: six Gaussians for the exponential, eight for the de Vaucouleurs profile.
EXPONENTIAL = _profile(
    [2.34853813e-03, 3.07995260e-02, 2.23364214e-01, 1.17949102e00, 4.33873750e00, 5.99820770e00],
    [1.20078965e-03, 8.84526493e-03, 3.91463084e-02, 1.39976817e-01, 4.60962500e-01, 1.50159566e00],
)
DE_VAUCOULEURS = _profile(
    [4.26347652e-02, 2.40127183e-01, 6.85907632e-01, 1.51937350e00, 2.83627243e00, 4.46467501e00, 5.72440830e00, 5.60989349e00],
    [2.23759216e-04, 1.00220099e-03, 4.18731126e-03, 1.69432589e-02, 6.84850479e-02, 2.87207080e-01, 1.33320254e00, 8.40215071e00],
)


@dataclass(frozen=True)
class MixturePsf:
    """A seeing PSF: three concentric elliptical Gaussians whose size and ellipticity are quadratic in the field position.

    Attributes
    ----------
    fwhm
        Full width at half maximum at the field centre, pixels.
    shape
        (ny, nx) of the field, pixels.
    weights, ratios
        Flux fraction of each Gaussian and its sigma relative to the first.
    fwhm_terms, e1_terms, e2_terms
        Coefficients of (1, u, v, u^2, u v, v^2), u and v running from -1 to 1 over the field: relative change of the size, and the distortion.
    """

    fwhm: float
    shape: tuple[int, int]
    weights: tuple[float, ...] = (0.72, 0.24, 0.04)
    ratios: tuple[float, ...] = (1.0, 1.7, 3.6)
    fwhm_terms: tuple[float, ...] = (0.0, 0.02, -0.015, 0.025, 0.01, -0.015)
    e1_terms: tuple[float, ...] = (0.02, 0.02, -0.01, 0.01, 0.01, -0.015)
    e2_terms: tuple[float, ...] = (-0.01, -0.01, 0.02, -0.01, 0.02, 0.01)
    _sigma_of_fwhm: float = field(init=False, repr=False, default=0.0)

    def __post_init__(self) -> None:
        w, r = np.array(self.weights), np.array(self.ratios)

        def level(radius: float) -> float:
            return float(np.sum(w / r**2 * np.exp(-0.5 * (radius / r) ** 2)) / np.sum(w / r**2))

        low, high = 0.5, 4.0
        for _ in range(60):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if level(middle) > 0.5 else (low, middle)
        object.__setattr__(self, "_sigma_of_fwhm", 0.5 / low)

    def moments(self, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Second moments of the first Gaussian.

        Parameters
        ----------
        x, y
            (n,) positions, pixels.

        Returns
        -------
        ixx, iyy, ixy
            (n,) float64, pixel^2. Those of Gaussian k are `ratios[k]**2` times as large.
        """
        ny, nx = self.shape
        u = (np.asarray(x, float) - 0.5 * (nx - 1)) / (0.5 * nx)
        v = (np.asarray(y, float) - 0.5 * (ny - 1)) / (0.5 * ny)
        basis = np.array([np.ones_like(u), u, v, u * u, u * v, v * v])
        sigma = self.fwhm * self._sigma_of_fwhm * (1.0 + np.tensordot(self.fwhm_terms, basis, 1))
        e1 = np.tensordot(self.e1_terms, basis, 1)
        e2 = np.tensordot(self.e2_terms, basis, 1)
        # The determinant, and with it the area, does not depend on the ellipticity.
        scale = sigma**2 / np.sqrt(1.0 - e1**2 - e2**2)
        return scale * (1.0 + e1), scale * (1.0 - e1), scale * e2

    def stamps(self, x: npt.ArrayLike, y: npt.ArrayLike, size: int = 41) -> np.ndarray:
        """True PSF at the given positions.

        Parameters
        ----------
        x, y
            (n,) positions, pixels.
        size
            Odd side of the stamps, pixels.

        Returns
        -------
        stamps
            (n, size, size) float64, centred on the middle pixel, unit sum.
        """
        ixx, iyy, ixy = (np.atleast_1d(m)[:, None, None] for m in self.moments(x, y))
        det = ixx * iyy - ixy**2
        g = np.arange(size) - size // 2
        q = (iyy * g[None, None, :] ** 2 + ixx * g[None, :, None] ** 2 - 2.0 * ixy * g[None, :, None] * g[None, None, :]) / det
        out = np.zeros(q.shape)
        for w, r in zip(self.weights, self.ratios):
            out += w / (r * r * 2.0 * np.pi * np.sqrt(det)) * np.exp(-0.5 * q / (r * r))
        return out / out.sum(axis=(1, 2), keepdims=True)
