"""Exceptions of Skysift.

Each inherits the builtin that a caller would expect and carries the exit code that the commands end with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["AlgorithmError", "InputError", "MeasurementError", "SkysiftError"]


class SkysiftError(Exception):
    """Base of all errors that Skysift raises on purpose.

    Parameters
    ----------
    message
        One line: what was found and what was expected.
    hint
        What the user can do about it; may be empty.
    """

    exit_code = 4

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class InputError(SkysiftError, ValueError):
    """A file or an argument that cannot be used."""

    exit_code = 3


class AlgorithmError(SkysiftError, RuntimeError):
    """An algorithm that cannot give a result for this input.

    Parameters
    ----------
    message, hint
        See `SkysiftError`.
    metadata
        The numbers behind the failure.
    """

    exit_code = 4

    def __init__(self, message: str = "", *, hint: str = "", metadata: Mapping[str, Any] | None = None) -> None:
        super().__init__(message, hint=hint)
        self.metadata = dict(metadata or {})


class MeasurementError(AlgorithmError):
    """A plugin that cannot measure one source.

    Parameters
    ----------
    message
        What went wrong.
    flag
        Name of the specific flag to set beside the plugin's general flag, or None.
    """

    def __init__(self, message: str = "", *, flag: str | None = None) -> None:
        super().__init__(message)
        self.flag = flag
