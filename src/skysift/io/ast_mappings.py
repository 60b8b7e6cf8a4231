"""The coordinate mappings of the Starlink AST library that LSST writes in its files, in numpy.

Each maps (n_in, n) coordinates to (n_out, n), `forward`, and back, `inverse`; attribute names follow the AST manual (Berry & Jenness, SUN/211).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from skysift.errors import InputError

__all__ = ["AstObject", "Inverted", "Mapping", "Series", "UnsupportedMappingError", "build_mapping"]

Points = NDArray[np.float64]

MAX_NEWTON = 30
"""Iterations allowed to an inverse that has no closed form."""


MAX_INTEGER = 10_000
"""Largest count or axis number that is believed."""

MAX_POWER = 100
"""Largest power of a polynomial that is believed."""


class UnsupportedMappingError(InputError):
    """A kind of mapping that Skysift does not evaluate."""


class AstObject:
    """One object of an AST dump: its class name and its attributes, values as text or nested objects."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.fields: dict[str, str | AstObject] = {}

    def number(self, key: str, default: float | None = None) -> float:
        """Give an attribute as a number."""
        value = self.fields.get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise InputError(f"the AST {self.name} has no number {key}")
        return float(value)

    def integer(self, key: str, default: int | None = None) -> int:
        """Give an attribute as an integer; one larger than `MAX_INTEGER` can only be damage."""
        number = self.number(key, default)
        if not abs(number) <= MAX_INTEGER:
            raise InputError(f"the AST {self.name} has {key} = {number:g}")
        return int(number)

    def text(self, key: str, default: str = "") -> str:
        """Give an attribute as text."""
        value = self.fields.get(key, default)
        return value if isinstance(value, str) else default

    def child(self, key: str) -> AstObject:
        """Give a nested object."""
        value = self.fields.get(key)
        if not isinstance(value, AstObject):
            raise InputError(f"the AST {self.name} has no object {key}")
        return value


class Mapping(Protocol):
    """A coordinate transformation with an inverse."""

    def forward(self, p: Points) -> Points:
        """Map (n_in, n) to (n_out, n)."""

    def inverse(self, p: Points) -> Points:
        """Map (n_out, n) to (n_in, n)."""


class Inverted:
    """A mapping with its directions exchanged."""

    def __init__(self, mapping: Mapping) -> None:
        self.forward: Callable[[Points], Points] = mapping.inverse
        self.inverse: Callable[[Points], Points] = mapping.forward


class Series:
    """Mappings applied one after another."""

    def __init__(self, *mappings: Mapping) -> None:
        self._mappings = mappings

    def forward(self, p: Points) -> Points:
        """Apply the mappings in order."""
        for mapping in self._mappings:
            p = mapping.forward(p)
        return p

    def inverse(self, p: Points) -> Points:
        """Undo the mappings, the last first."""
        for mapping in reversed(self._mappings):
            p = mapping.inverse(p)
        return p


class Parallel:
    """Two mappings that share the axes; the first takes `n_in` and gives `n_out` of them."""

    def __init__(self, a: Mapping, b: Mapping, n_in: int, n_out: int) -> None:
        self._a, self._b, self._n_in, self._n_out = a, b, n_in, n_out

    def forward(self, p: Points) -> Points:
        return np.concatenate([self._a.forward(p[: self._n_in]), self._b.forward(p[self._n_in :])])

    def inverse(self, p: Points) -> Points:
        return np.concatenate([self._a.inverse(p[: self._n_out]), self._b.inverse(p[self._n_out :])])


class TwoWay:
    """The forward direction of one mapping and the inverse direction of another (TranMap)."""

    def __init__(self, a: Mapping, b: Mapping) -> None:
        self.forward: Callable[[Points], Points] = a.forward
        self.inverse: Callable[[Points], Points] = b.inverse


class Linear:
    """``y = x * scale + shift`` on each axis (UnitMap, ZoomMap, ShiftMap, WinMap)."""

    def __init__(self, scale: Points, shift: Points) -> None:
        self._scale, self._shift = scale[:, None], shift[:, None]

    def forward(self, p: Points) -> Points:
        return p * self._scale + self._shift

    def inverse(self, p: Points) -> Points:
        return (p - self._shift) / self._scale


class Matrix:
    """A matrix product (MatrixMap)."""

    def __init__(self, matrix: Points, inverse: Points) -> None:
        self._matrix, self._inverse = matrix, inverse

    def forward(self, p: Points) -> Points:
        return self._matrix @ p

    def inverse(self, p: Points) -> Points:
        return self._inverse @ p


class Polynomial:
    """Polynomials of all coordinates (PolyMap), inverted by their own inverse polynomials or by Newton's method."""

    def __init__(self, forward: list[tuple[Points, NDArray[np.int64]]], inverse: list[tuple[Points, NDArray[np.int64]]]) -> None:
        self._forward, self._inverse = forward, inverse

    def forward(self, p: Points) -> Points:
        if not self._forward:
            return _newton(lambda q: _polynomials(self._inverse, q), lambda q: _gradients(self._inverse, q), p)
        return _polynomials(self._forward, p)

    def inverse(self, p: Points) -> Points:
        if not self._inverse:
            return _newton(lambda q: _polynomials(self._forward, q), lambda q: _gradients(self._forward, q), p)
        return _polynomials(self._inverse, p)


def _monomials(p: Points, powers: NDArray[np.int64]) -> Points:
    """Products (t, n) of the coordinates (d, n) to the powers (t, d)."""
    out = np.ones((len(powers), p.shape[1]))
    for axis in range(p.shape[0]):
        top = int(powers[:, axis].max(initial=0))
        ladder = np.ones((top + 1, p.shape[1]))
        for k in range(1, top + 1):
            ladder[k] = ladder[k - 1] * p[axis]
        out *= ladder[powers[:, axis]]
    return out


def _polynomials(terms: list[tuple[Points, NDArray[np.int64]]], p: Points) -> Points:
    return np.stack([coefficients @ _monomials(p, powers) for coefficients, powers in terms])


def _gradients(terms: list[tuple[Points, NDArray[np.int64]]], p: Points) -> Points:
    """Derivatives (n_out, n_in, n) of polynomials."""
    out = np.empty((len(terms), p.shape[0], p.shape[1]))
    for i, (coefficients, powers) in enumerate(terms):
        for axis in range(p.shape[0]):
            lowered = powers.copy()
            lowered[:, axis] = np.maximum(powers[:, axis] - 1, 0)
            out[i, axis] = (coefficients * powers[:, axis]) @ _monomials(p, lowered)
    return out


def _newton(function: Callable[[Points], Points], gradient: Callable[[Points], Points], target: Points) -> Points:
    """Solve ``function(p) = target`` from ``p = target``; NaN where it does not converge."""
    p = np.array(target)
    scale = np.maximum(1.0, np.abs(target))
    step = np.full_like(p, np.inf)
    for _ in range(MAX_NEWTON):
        residual = target - function(p)
        jacobian = np.moveaxis(gradient(p), 2, 0)
        good = np.asarray(np.isfinite(jacobian).all(axis=(1, 2)) & np.isfinite(residual).all(axis=0))
        good[good] &= np.abs(np.linalg.det(jacobian[good])) > 0
        step[:, ~good] = np.nan
        step[:, good] = np.linalg.solve(jacobian[good], residual[:, good].T[:, :, None])[:, :, 0].T
        p += step
        if not (np.abs(step) > 1e-13 * scale).any():
            break
    p[:, ~(np.abs(step) < 1e-8 * scale).all(axis=0)] = np.nan
    return p


class Spherical:
    """Unit vectors to longitude and latitude (SphMap)."""

    def __init__(self, polar_longitude: float) -> None:
        self._polar_longitude = polar_longitude

    def forward(self, p: Points) -> Points:
        at_pole = (p[0] == 0) & (p[1] == 0)
        longitude = np.where(at_pole, self._polar_longitude, np.arctan2(p[1], p[0]))
        return np.stack([longitude, np.arctan2(p[2], np.hypot(p[0], p[1]))])

    def inverse(self, p: Points) -> Points:
        cos_latitude = np.cos(p[1])
        return np.stack([cos_latitude * np.cos(p[0]), cos_latitude * np.sin(p[0]), np.sin(p[1])])


class Gnomonic:
    """Native longitude and latitude to the tangent plane (WcsMap of type TAN; Calabretta & Greisen 2002, section 5.1.3), radians."""

    def forward(self, p: Points) -> Points:
        sine = np.sin(p[1])
        radius = np.cos(p[1]) / np.where(sine > 0, sine, np.nan)
        return np.stack([radius * np.sin(p[0]), -radius * np.cos(p[0])])

    def inverse(self, p: Points) -> Points:
        return np.stack([np.arctan2(p[0], -p[1]), np.arctan2(1.0, np.hypot(p[0], p[1]))])


class Permutation:
    """A choice of axes, with constants for the missing ones (PermMap)."""

    def __init__(self, outputs: list[int], inputs: list[int], constants: list[float]) -> None:
        self._outputs, self._inputs, self._constants = outputs, inputs, constants

    def forward(self, p: Points) -> Points:
        return self._pick(p, self._outputs)

    def inverse(self, p: Points) -> Points:
        return self._pick(p, self._inputs)

    def _pick(self, p: Points, which: list[int]) -> Points:
        n = p.shape[1]
        return np.stack([p[k - 1] if k > 0 else np.full(n, self._constants[-k - 1] if k < 0 else np.nan) for k in which])


class Pincushion:
    """Radial distortion ``r' = r (1 + d r²)`` about a centre (PcdMap)."""

    def __init__(self, distortion: float, center: tuple[float, float]) -> None:
        self._distortion, self._center = distortion, np.array(center)[:, None]

    def forward(self, p: Points) -> Points:
        q = p - self._center
        return self._center + q * (1.0 + self._distortion * np.sum(q * q, axis=0))

    def inverse(self, p: Points) -> Points:
        q = p - self._center
        radius = np.hypot(q[0], q[1])[None]
        d = self._distortion
        undistorted = _newton(lambda r: r * (1.0 + d * r * r), lambda r: (1.0 + 3.0 * d * r * r)[None], radius)
        return self._center + q * np.where(radius > 0, undistorted / np.where(radius > 0, radius, 1.0), 1.0)


def _flag(a: AstObject, key: str) -> bool:
    return a.integer(key, 0) == 1


def _axes(a: AstObject) -> tuple[int, int]:
    n_in = a.integer("Nin")
    return n_in, a.integer("Nout", n_in)


def _linear(a: AstObject) -> Mapping:
    axes = range(1, a.integer("Nin") + 1)
    zoom = a.number("Zoom", 1.0)
    scale = np.array([a.number(f"Scl{k}", 1.0) * zoom for k in axes])
    return Linear(scale, np.array([a.number(f"Sft{k}", 0.0) for k in axes]))


def _matrix(a: AstObject) -> Mapping:
    n_in, n_out = _axes(a)
    form = a.text("Form", "Full")
    if form == "Full":
        matrix = np.array([a.number(f"M{k}", 0.0) for k in range(n_in * n_out)]).reshape(n_out, n_in)
    else:
        matrix = np.zeros((n_out, n_in))
        np.fill_diagonal(matrix, 1.0 if form == "Unit" else [a.number(f"M{k}", 0.0) for k in range(min(n_in, n_out))])
    if not np.isfinite(matrix).all():
        raise InputError("an AST MatrixMap has elements that are not finite")
    return Matrix(matrix, np.linalg.pinv(matrix))


def _polynomial_terms(a: AstObject, letter: str, n_in: int, n_out: int) -> list[tuple[Points, NDArray[np.int64]]]:
    terms: list[tuple[Points, NDArray[np.int64]]] = []
    k = 0
    for output in range(1, n_out + 1):
        count = a.integer(f"NC{letter}{output}", 0)
        coefficients = np.array([a.number(f"C{letter}{k + i + 1}", 0.0) for i in range(count)])
        powers = [[a.integer(f"P{letter}{(k + i) * n_in + axis + 1}", 0) for axis in range(n_in)] for i in range(count)]
        if any(not 0 <= power <= MAX_POWER for row in powers for power in row):
            raise InputError(f"an AST PolyMap has powers beyond 0 to {MAX_POWER}")
        terms.append((coefficients, np.array(powers, dtype=np.int64).reshape(count, n_in)))
        k += count
    return terms if k else []


def _polynomial(a: AstObject) -> Mapping:
    n_in, n_out = _axes(a)
    forward, inverse = _polynomial_terms(a, "F", n_in, n_out), _polynomial_terms(a, "I", n_out, n_in)
    if not forward and not inverse:
        raise InputError("an AST PolyMap without coefficients")
    if not (forward and inverse) and n_in != n_out:
        raise UnsupportedMappingError(f"an AST PolyMap from {n_in} to {n_out} axes without an inverse")
    return Polynomial(forward, inverse)


def _wcs_map(a: AstObject) -> Mapping:
    kind = a.text("Type")
    if kind != "TAN":
        raise UnsupportedMappingError(f"the AST WcsMap of projection {kind!r} is not supported, only TAN")
    return Gnomonic()


def _component(a: AstObject, letter: str) -> Mapping:
    """Part A or B of a compound mapping, in the direction that the compound recorded, which overrides the part's own."""
    mapping = _build_plain(a.child(f"Map{letter}"))
    return Inverted(mapping) if _flag(a, f"Inv{letter}") else mapping


def _component_axes(a: AstObject, letter: str) -> tuple[int, int]:
    n_in, n_out = _axes(a.child(f"Map{letter}"))
    return (n_out, n_in) if _flag(a, f"Inv{letter}") else (n_in, n_out)


def _compound(a: AstObject) -> Mapping:
    first, second = _component(a, "A"), _component(a, "B") if "MapB" in a.fields else None
    if second is None:
        return first
    return Series(first, second) if a.integer("Series", 1) == 1 else Parallel(first, second, *_component_axes(a, "A"))


def _permutation(a: AstObject) -> Mapping:
    n_in, n_out = _axes(a)
    outputs = [a.integer(f"Out{k}", k if k <= n_in else 0) for k in range(1, n_out + 1)]
    inputs = [a.integer(f"In{k}", k if k <= n_out else 0) for k in range(1, n_in + 1)]
    n_constants = -min([0, *outputs, *inputs])
    return Permutation(outputs, inputs, [a.number(f"Con{k}", np.nan) for k in range(1, n_constants + 1)])


_BUILDERS: dict[str, Callable[[AstObject], Any]] = {
    "UnitMap": _linear,
    "ZoomMap": _linear,
    "ShiftMap": _linear,
    "WinMap": _linear,
    "MatrixMap": _matrix,
    "PolyMap": _polynomial,
    "SphMap": lambda a: Spherical(a.number("PlrLg", 0.0)),
    "WcsMap": _wcs_map,
    "CmpMap": _compound,
    "TranMap": lambda a: TwoWay(_component(a, "A"), _component(a, "B")),
    "PermMap": _permutation,
    "PcdMap": lambda a: Pincushion(a.number("Disco", 0.0), (a.number("PcdCn0", 0.0), a.number("PcdCn1", 0.0))),
}


def _build_plain(a: AstObject) -> Mapping:
    """Build a mapping in its uninverted direction."""
    builder = _BUILDERS.get(a.name)
    if builder is None:
        raise UnsupportedMappingError(f"the AST mapping {a.name} is not supported")
    return builder(a)


def build_mapping(a: AstObject) -> Mapping:
    """Build the mapping that an object of a dump describes.

    Raises
    ------
    UnsupportedMappingError
        A class that Skysift does not evaluate.
    InputError
        Missing attributes.
    """
    mapping = _build_plain(a)
    return Inverted(mapping) if _flag(a, "Invert") else mapping
