"""World coordinates from the AST dumps in LSST files, without the AST library."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysift.errors import InputError
from skysift.image.wcs import SkyWcs, sky_to_vector
from skysift.io.ast_mappings import AstObject, Inverted, Mapping, Series, build_mapping

if TYPE_CHECKING:
    from skysift.geom import Box2I

__all__ = ["AstWcs", "parse_ast"]

MAX_DEPTH = 200
"""Nesting of objects beyond which a dump is refused."""

BLOCK = 65536
"""Positions mapped together."""

SIP_TOLERANCE = math.radians(1e-4 / 3600)
"""Largest misfit of a TAN-SIP header at which no higher order is tried, radians (0.1 mas)."""


def parse_ast(text: str) -> AstObject:
    """Parse the first object of an AST native dump.

    Parameters
    ----------
    text
        Lines ``Begin <Class>``, ``<Key> = <value>`` (or an object, when the value is empty), ``IsA <Class>``, ``End <Class>``; lines that start
        with ``#`` are defaults and are left out.

    Raises
    ------
    InputError
        The text is not such a dump.
    """
    start = text.find("Begin ")
    if start < 0:
        raise InputError("no AST object found: expected a line that starts with 'Begin'")
    stack: list[AstObject] = []
    pending: list[str] = []
    for line in text[start:].splitlines():
        line = line.strip()
        if not line or line.startswith(("#", "IsA ")):
            continue
        if line.startswith("Begin "):
            if len(stack) >= MAX_DEPTH or len(stack) != len(pending):
                raise InputError(f"an AST object begins where none is expected: {line[:60]!r}")
            stack.append(AstObject(line.split()[1]))
        elif line.startswith("End "):
            if not stack or len(stack) == len(pending):
                raise InputError("the AST dump closes an object that is not open")
            done = stack.pop()
            if not stack:
                return done
            stack[-1].fields[pending.pop()] = done
        elif stack and "=" in line:
            key, value = (part.strip() for part in line.split("=", 1))
            if value.startswith('"'):
                stack[-1].fields[key] = value[1:].split('"', 1)[0]
            elif value.split("#", 1)[0].strip():
                stack[-1].fields[key] = value.split("#", 1)[0].strip()
            else:
                pending.append(key)
        else:
            raise InputError(f"the AST dump has a line that is neither an object nor a value: {line[:60]!r}")
    raise InputError("the AST dump ends inside an object")


def _frame_set_mapping(frame_set: AstObject) -> Mapping:
    """Chain the mappings from the base frame of a FrameSet to its current frame."""
    n_frames = frame_set.integer("Nframe")

    def ancestry(frame: int) -> list[int]:
        node = frame_set.integer(f"Nod{frame}", frame)
        chain = [node]
        while f"Lnk{node}" in frame_set.fields:
            node = frame_set.integer(f"Lnk{node}")
            if node in chain:
                raise InputError("the frames of an AST FrameSet are linked in a circle")
            chain.append(node)
        return chain

    def step(node: int) -> Mapping:
        mapping = build_mapping(frame_set.child(f"Map{node}"))
        return Inverted(mapping) if frame_set.integer(f"Inv{node}", 0) == 1 else mapping

    up, down = ancestry(frame_set.integer("Base", 1)), ancestry(frame_set.integer("Currnt", n_frames))
    common = [node for node in up if node in down]
    if not common:
        raise InputError("the base and the current frame of an AST FrameSet are not connected")
    steps: list[Mapping] = [Inverted(step(node)) for node in up[: up.index(common[0])]]
    steps += [step(node) for node in reversed(down[: down.index(common[0])])]
    return Series(*steps)


class AstWcs(SkyWcs):
    """The pixel-to-sky mapping of an LSST SkyWcs.

    Parameters
    ----------
    text
        The AST dump of a FrameSet from 0-based PARENT pixels to ICRS longitude and latitude.

    Raises
    ------
    UnsupportedMappingError
        The dump has a mapping that Skysift does not evaluate.
    InputError
        The dump is damaged.
    """

    def __init__(self, text: str) -> None:
        frame_set = parse_ast(text)
        if frame_set.name != "FrameSet":
            raise InputError(f"expected an AST FrameSet, found {frame_set.name}")
        self._text = text
        self._mapping = _frame_set_mapping(frame_set)
        sky = frame_set.child(f"Frm{frame_set.integer('Currnt', frame_set.integer('Nframe'))}")
        if sky.name != "SkyFrame":
            raise InputError(f"the AST FrameSet ends in a {sky.name}, not on the sky")
        self._swapped = sky.integer("Axp1", 1) == 2
        x, y = self.sky_to_pixel(sky.number("SRef1", math.nan), sky.number("SRef2", math.nan))
        self._reference = (float(x), float(y)) if np.isfinite([x, y]).all() else (0.0, 0.0)

    @property
    def text(self) -> str:
        """The AST dump."""
        return self._text

    def pixel_to_sky(self, x: ArrayLike, y: ArrayLike) -> tuple[Any, Any]:
        """Map 0-based PARENT pixels to right ascension in [0, 2 pi) and declination, radians; NaN where there is none."""
        ax, ay = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
        lon, lat = _in_blocks(self._mapping.forward, ax.ravel(), ay.ravel())[:: -1 if self._swapped else 1]
        lon %= math.tau
        # a tiny negative angle wraps to the full circle itself
        return np.where(lon >= math.tau, 0.0, lon).reshape(ax.shape)[()], lat.reshape(ax.shape)[()]

    def sky_to_pixel(self, ra: ArrayLike, dec: ArrayLike) -> tuple[Any, Any]:
        """Map right ascension and declination, radians, to 0-based PARENT pixels; NaN where there are none."""
        lon, lat = np.broadcast_arrays(np.asarray(ra, np.float64), np.asarray(dec, np.float64))
        axes = (lat.ravel(), lon.ravel()) if self._swapped else (lon.ravel(), lat.ravel())
        x, y = _in_blocks(self._mapping.inverse, *axes)
        return x.reshape(lon.shape)[()], y.reshape(lon.shape)[()]

    @property
    def pixel_origin(self) -> tuple[float, float]:
        """PARENT pixel of the sky's reference position, or (0, 0) when the dump has none."""
        return self._reference

    def to_header(self, xy0: Sequence[float] = (0, 0), bbox: Box2I | None = None) -> dict[str, Any]:
        """Fit a TAN-SIP header.

        Parameters
        ----------
        xy0
            PARENT position of the first pixel of the image that the header is for.
        bbox
            PARENT box over which the header must hold; by default 4096 pixels square from `xy0`.

        Returns
        -------
        header
            FITS WCS keywords. The lowest order, up to 5, that agrees to 0.1 mas, else the closest.
        """
        if bbox is None:
            low, high = np.array(xy0, float), np.array(xy0, float) + 4095.0
        else:
            low, high = np.array([bbox.min_x, bbox.min_y], float), np.array([bbox.max_x, bbox.max_y], float)
        gx, gy = (g.ravel() for g in np.meshgrid(np.linspace(low[0], high[0], 15), np.linspace(low[1], high[1], 15)))
        ra, dec = self.pixel_to_sky(gx, gy)
        if not np.isfinite(ra + dec).all():
            raise InputError("the sky coordinates are undefined in a part of the image, no TAN-SIP header can be fitted")
        middle = np.floor(0.5 * (low + high) + 0.5)
        best = min(
            (
                _fit_tangent(self, gx, gy, ra, dec, center, order)
                for center, order in [(self._reference, 1), *((middle, n) for n in range(1, 6))]
            ),
            key=lambda fit: max(fit.misfit, SIP_TOLERANCE),
        )
        return best.header(xy0)

    def __reduce__(self) -> tuple[type[AstWcs], tuple[str]]:
        return AstWcs, (self._text,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AstWcs) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        ra, dec = self.pixel_to_sky(*self._reference)
        return f"AstWcs(ra={math.degrees(ra):.6f}, dec={math.degrees(dec):.6f}, {self.pixel_scale():.4f} arcsec per pixel)"


class _TangentFit(NamedTuple):
    """A TAN-SIP approximation about a point: polynomials from pixel offsets to the tangent plane and back."""

    center: tuple[float, float]
    sky: tuple[float, float]
    order: int
    cd: NDArray[np.float64]
    forward: NDArray[np.float64]
    backward: NDArray[np.float64]
    misfit: float

    def header(self, xy0: Sequence[float]) -> dict[str, Any]:
        """Write FITS keywords for an image whose first pixel is at `xy0`."""
        suffix = "-SIP" if self.order > 1 else ""
        header: dict[str, Any] = {"WCSAXES": 2, "CTYPE1": f"RA---TAN{suffix}", "CTYPE2": f"DEC--TAN{suffix}", "RADESYS": "ICRS"}
        header |= {f"CRPIX{i + 1}": float(self.center[i] - xy0[i] + 1.0) for i in range(2)}
        header |= {f"CRVAL{i + 1}": math.degrees(self.sky[i]) for i in range(2)}
        header |= {"CUNIT1": "deg", "CUNIT2": "deg"}
        header |= {f"CD{i + 1}_{j + 1}": math.degrees(self.cd[i, j]) for i in range(2) for j in range(2)}
        if self.order > 1:
            for names, order, lowest, values in (("A B", self.order, 2, self.forward), ("AP BP", self.order + 1, 0, self.backward)):
                for name, column in zip(names.split(), values.T):
                    header[f"{name}_ORDER"] = order
                    header |= {f"{name}_{p}_{q}": float(c) for (p, q), c in zip(_sip_powers(lowest, order), column)}
        return header


def _sip_powers(lowest: int, order: int) -> list[tuple[int, int]]:
    return [(p, n - p) for n in range(lowest, order + 1) for p in range(n, -1, -1)]


def _fit_polynomial(u: Any, v: Any, values: NDArray[np.float64], powers: list[tuple[int, int]]) -> tuple[NDArray[np.float64], float]:
    """Least-squares coefficients (t, 2) of monomials, and the largest misfit."""
    half = max(float(np.abs(u).max()), float(np.abs(v).max()), 1.0)
    design = np.stack([(u / half) ** p * (v / half) ** q for p, q in powers], axis=1)
    fit = np.linalg.lstsq(design, values, rcond=None)[0]
    return fit / np.array([half ** (p + q) for p, q in powers])[:, None], float(np.abs(design @ fit - values).max())


def _in_blocks(function: Callable[[NDArray[np.float64]], NDArray[np.float64]], a: Any, b: Any) -> NDArray[np.float64]:
    """Map (n,) and (n,) coordinates to (2, n), a block at a time to bound the memory; NaN comes from and goes to where there is no answer."""
    out = np.empty((2, len(a)))
    with np.errstate(all="ignore"):
        for start in range(0, len(a), BLOCK):
            block = slice(start, start + BLOCK)
            out[:, block] = function(np.stack([a[block], b[block]]))
    return out


def _fit_tangent(wcs: AstWcs, x: Any, y: Any, ra: Any, dec: Any, center: Any, order: int) -> _TangentFit:
    """Fit the tangent-plane positions about a pixel by polynomials of the pixel offsets, and back."""
    u, v = x - center[0], y - center[1]
    ra0, dec0 = wcs.pixel_to_sky(*center)
    plane = np.stack(_gnomonic(ra, dec, float(ra0), float(dec0)), axis=1)
    fit, misfit = _fit_polynomial(u, v, plane, _sip_powers(1, order))
    cd: NDArray[np.float64] = np.ascontiguousarray(fit[:2].T)
    offsets = np.linalg.solve(cd, plane.T).T
    backward, _ = _fit_polynomial(offsets[:, 0], offsets[:, 1], np.stack([u, v], axis=1) - offsets, _sip_powers(0, order + 1))
    forward: NDArray[np.float64] = np.asarray(np.linalg.solve(cd, fit[2:].T).T, np.float64)
    return _TangentFit(tuple(center), (float(ra0), float(dec0)), order, cd, forward, backward, misfit)


def _gnomonic(ra: Any, dec: Any, ra0: float, dec0: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Tangent-plane coordinates (east, north) about a point, radians."""
    p, p0 = sky_to_vector(ra, dec), sky_to_vector(ra0, dec0)
    east = np.array([-math.sin(ra0), math.cos(ra0), 0.0])
    north = np.cross(p0, east)
    depth = p0 @ p
    return (east @ p) / depth, (north @ p) / depth
