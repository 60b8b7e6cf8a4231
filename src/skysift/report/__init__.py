"""The quality report of an image: figures and numbers in one self-contained HTML page."""

from __future__ import annotations

from skysift.report.page import write_report

__all__ = ["write_report"]
