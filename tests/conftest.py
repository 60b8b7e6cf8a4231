"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A change is judged by the same examples every time; elsewhere each run tries new ones.
settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real images, reference outputs and simulations; tests that need it skip where it is absent."""
    path = Path(os.environ.get("SKYSIFT_SHARED", ROOT.parent / "shared"))
    if not (path / "reference").is_dir():
        pytest.skip(f"reference data not found at {path}; set SKYSIFT_SHARED to the folder that holds it")
    return path


@pytest.fixture(scope="session")
def golden(shared: Path):
    """Load one file of golden vectors by topic: `golden("spans")`."""
    import numpy as np

    def load(topic: str):
        return np.load(shared / "reference" / "lsst" / "golden" / f"{topic}.npz", allow_pickle=False)

    return load
