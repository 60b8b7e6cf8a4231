"""What the commands do to one image: the straight path through the science.

The names are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skysift.pipeline.config import DetectConfig, ProcessConfig
    from skysift.pipeline.full import process
    from skysift.pipeline.outputs import write_products
    from skysift.pipeline.overrides import apply_overrides, configuration_lines
    from skysift.pipeline.quick import detect
    from skysift.pipeline.result import ProcessResult, Stages

_HOMES = {
    "DetectConfig": "config",
    "ProcessConfig": "config",
    "ProcessResult": "result",
    "Stages": "result",
    "apply_overrides": "overrides",
    "configuration_lines": "overrides",
    "detect": "quick",
    "process": "full",
    "write_products": "outputs",
}

__all__ = [
    "DetectConfig",
    "ProcessConfig",
    "ProcessResult",
    "Stages",
    "apply_overrides",
    "configuration_lines",
    "detect",
    "process",
    "write_products",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
