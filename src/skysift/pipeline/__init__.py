"""What the commands do to one image: the straight path through the science.

The names are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skysift._lazy import lazy_names

if TYPE_CHECKING:
    from skysift.pipeline.config import DetectConfig
    from skysift.pipeline.full import process
    from skysift.pipeline.outputs import write_products
    from skysift.pipeline.overrides import apply_overrides, configuration_lines
    from skysift.pipeline.process_config import ProcessConfig
    from skysift.pipeline.quick import detect
    from skysift.pipeline.result import ProcessResult, Stages

_HOMES = {
    "DetectConfig": "config",
    "ProcessConfig": "process_config",
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

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
