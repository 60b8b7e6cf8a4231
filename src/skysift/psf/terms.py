"""The polynomial terms in position of which the coefficients of a varying PSF are made."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.errors import InputError

__all__ = ["SpatialTerms"]

MAX_DEGREE = 50
"""Degree beyond which a model is taken for damaged."""


class SpatialTerms:
    """Products of powers (or Chebyshev polynomials) of scaled positions, ``T_p(u) T_q(v)`` with ``u = (x - x_c) / x_s``.

    Parameters
    ----------
    powers
        (t, 2) integers: the degree in x and in y of each term.
    center, scale
        Centre and scale of x and y, pixels, PARENT.
    chebyshev
        Chebyshev polynomials of the first kind in place of powers.
    """

    def __init__(
        self,
        powers: ArrayLike,
        *,
        center: tuple[float, float] = (0.0, 0.0),
        scale: tuple[float, float] = (1.0, 1.0),
        chebyshev: bool = False,
    ) -> None:
        self.powers: NDArray[np.int64] = np.array(powers, dtype=np.int64).reshape(-1, 2)
        self.center = (float(center[0]), float(center[1]))
        self.scale = (float(scale[0]), float(scale[1]))
        self.chebyshev = bool(chebyshev)
        if len(self.powers) == 0 or self.powers.min() < 0 or self.powers.max() > MAX_DEGREE:
            raise InputError(f"the spatial terms of a PSF need at least one pair of powers, each from 0 to {MAX_DEGREE}")
        if not all(np.isfinite(self.center)) or not all(np.isfinite(s) and s != 0 for s in self.scale):
            raise InputError(f"centre {center} and scale {scale} of a PSF's spatial terms must be finite and the scale not zero")

    @classmethod
    def total_order(
        cls, order: int, *, center: tuple[float, float] = (0.0, 0.0), scale: tuple[float, float] = (1.0, 1.0), chebyshev: bool = False
    ) -> SpatialTerms:
        """Give all terms up to a total order, in LSST's sequence ``1; x, y; x², xy, y²; ...``."""
        return cls([(n - q, q) for n in range(order + 1) for q in range(n + 1)], center=center, scale=scale, chebyshev=chebyshev)

    @property
    def order(self) -> int:
        """Highest total degree."""
        return int(self.powers.sum(axis=1).max())

    @property
    def is_constant(self) -> bool:
        """Whether no term depends on the position."""
        return self.order == 0

    def __len__(self) -> int:
        return len(self.powers)

    def __call__(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Evaluate the terms.

        Parameters
        ----------
        x, y
            (n,) positions, pixels, PARENT.

        Returns
        -------
        terms
            (n, t) float64.
        """
        u = (np.atleast_1d(np.asarray(x, np.float64)) - self.center[0]) / self.scale[0]
        v = (np.atleast_1d(np.asarray(y, np.float64)) - self.center[1]) / self.scale[1]
        top = int(self.powers.max())
        u_powers, v_powers = self._ladder(u, top), self._ladder(v, top)
        return np.ascontiguousarray((u_powers[self.powers[:, 0]] * v_powers[self.powers[:, 1]]).T)

    def _ladder(self, u: NDArray[np.float64], top: int) -> NDArray[np.float64]:
        ladder = np.ones((top + 1, len(u)))
        if top >= 1:
            ladder[1] = u
        for k in range(2, top + 1):
            ladder[k] = 2.0 * u * ladder[k - 1] - ladder[k - 2] if self.chebyshev else u * ladder[k - 1]
        return ladder

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, SpatialTerms)
            and np.array_equal(self.powers, other.powers)
            and (self.center, self.scale, self.chebyshev) == (other.center, other.scale, other.chebyshev)
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        kind = "chebyshev" if self.chebyshev else "polynomial"
        return f"SpatialTerms({kind}, {len(self)} terms to order {self.order}, center={self.center}, scale={self.scale})"
