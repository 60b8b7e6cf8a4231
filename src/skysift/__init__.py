"""Skysift: from astronomical images to catalogues.

The names of this package are loaded when they are first used, so that importing it costs next to nothing.
"""

from __future__ import annotations

__version__ = "0.1.0"
