"""The example package of plugins passes its own test, and its entry point names the package."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "skysift-plugin-example"


def test_the_example_passes_its_own_test(tmp_path):
    paths = [str(EXAMPLE / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(EXAMPLE), str(EXAMPLE / "tests")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


def test_entry_point_names_the_package():
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    (module,) = project["entry-points"]["skysift.plugins"].values()
    assert (EXAMPLE / "src" / module / "__init__.py").is_file()


def test_plugins_of_entry_points_are_loaded(tmp_path):
    """A package's metadata in a folder of the path is what pip would have installed."""
    info = tmp_path / "skysift_plugin_example-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: skysift-plugin-example\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[skysift.plugins]\nexample = skysift_plugin_example\nbroken = no_such_module\n")
    code = (
        "from skysift.measure.config import MeasurementConfig; c = MeasurementConfig(); "
        "c.plugins.names = ['base_SdssCentroid', 'example_Asymmetry']; print(c.plugins['example_Asymmetry'].radius)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(EXAMPLE / "src")]), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "8"
    assert "broken" in done.stderr
