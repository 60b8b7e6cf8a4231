"""What may import what, beyond the layers that import-linter checks."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

PACKAGE = ROOT / "src" / "skysift"
MIDDLEWARE = ("lsst.pipe", "lsst.daf", "lsst.ctrl", "lsst.utils", "lsst.resources")
MAY_USE_MIDDLEWARE = ("tasks",)


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module


def test_only_the_tasks_use_the_middleware():
    offenders = [
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] not in MAY_USE_MIDDLEWARE
        for name in imported(path)
        if name and name.startswith(MIDDLEWARE)
    ]
    assert offenders == []


def test_kernels_know_nothing_of_the_classes():
    offenders = [
        f"{path.name}: {name}"
        for path in (PACKAGE / "kernels").glob("*.py")
        for name in imported(path)
        if name and name.startswith("skysift") and not name.startswith("skysift.kernels")
    ]
    assert offenders == []


PACKAGES = sorted(p.parent.name for p in PACKAGE.glob("*/__init__.py") if p.parent.name not in ("tasks", "kernels"))


@pytest.mark.parametrize("package", ["", *PACKAGES])
def test_importing_a_package_imports_nothing_heavy(package):
    name = f"skysift.{package}" if package else "skysift"
    code = f"import sys, {name}; print([m for m in ('numba', 'scipy', 'astropy', 'matplotlib', 'pyarrow', 'pandas', 'lsst.pipe') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
