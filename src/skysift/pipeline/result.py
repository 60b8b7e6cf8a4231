"""What processing an image gives back, and the clock that times its stages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skysift.background import Background
    from skysift.image import Exposure
    from skysift.psf import Psf
    from skysift.table import SourceCatalog

__all__ = ["ProcessResult", "Stages"]


@dataclass
class ProcessResult:
    """The products of one image.

    Attributes
    ----------
    exposure
        The image with its background subtracted, mask, variance, PSF and aperture corrections.
    background
        Model of the background that was subtracted; its `image()` is the background of each pixel, counts.
    catalog
        One row per source; blends are split.
    summary
        Counts, PSF figures, thresholds, background and depth, as plain numbers.
    timings
        CPU seconds by stage, in the order they ran.
    configuration
        Every field as ``name=value`` lines.
    check_psf
        The PSF of a fit that has not seen the reserved stars (flag `calib_psf_reserved`); None where none was fitted.
    """

    exposure: Exposure
    background: Background
    catalog: SourceCatalog
    summary: dict[str, Any] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    configuration: str = ""
    check_psf: Psf | None = None


class Stages:
    """Times the stages of a run and tells a listener which one begins.

    Parameters
    ----------
    listener
        Called with the name of each stage as it begins; None for nobody.
    """

    def __init__(self, listener: Callable[[str], None] | None = None) -> None:
        self._listener = listener
        self.timings: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Run a ``with`` block as the stage `name`; times of blocks of one name add up."""
        if self._listener is not None:
            self._listener(name)
        start = time.process_time()
        try:
            yield
        finally:
            self.timings[name] = self.timings.get(name, 0.0) + time.process_time() - start
