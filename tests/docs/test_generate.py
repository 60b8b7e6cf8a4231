"""The reference pages made from the code: nothing public is missing, nothing is without a description."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

import skysift

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    pytest.importorskip("sphinx")
    spec = importlib.util.spec_from_file_location("skysift_docs_generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(generate, tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("generated")
    generate.write_pages(folder)
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.md")}


def rows(page: str) -> list[list[str]]:
    """Cells of the tables' rows, without heads and rules."""
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in page.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line] for line in lines]


def test_every_column_of_process_is_described(pages):
    from skysift.measure import measurement_schema
    from skysift.pipeline import ProcessConfig
    from skysift.table import Schema

    described = {row[0].strip("`"): row[3] for row in rows(pages["columns.md"])}
    schema = measurement_schema(ProcessConfig().measurement)
    general = {field.name for field in Schema.source()} | {"base_InvalidPsf_flag"}
    text = (ROOT / "docs" / "columns.md").read_text()
    assert all(f"`{name}`" in text for name in general)
    missing = {field.name for field in schema} - set(described) - general
    assert missing == set()
    assert [name for name, meaning in described.items() if not meaning] == []


def test_columns_of_the_pipeline_are_described():
    from skysift.measure import add_calculation_fields, measurement_schema
    from skysift.pipeline import ProcessConfig
    from skysift.pipeline.full import _schema

    config = ProcessConfig()
    schema = measurement_schema(config.measurement)
    add_calculation_fields(schema, config.catalogCalculation)
    text = (ROOT / "docs" / "columns.md").read_text()
    for name in {field.name for field in _schema(config)} - {field.name for field in schema}:
        general = re.sub(r"^(apcorr_).*(_used)$|^.*(_apCorr|_apCorrErr|_flag_apCorr)$", r"\1<flux>\2\3", name)
        assert f"`{general}`" in text, name


def test_every_field_is_described(pages):
    lines = rows(pages["configuration.md"])
    assert len(lines) > 250
    assert [row[0] for row in lines if not row[2]] == []


def test_every_task_has_its_configuration_described(pages):
    from skysift import tasks

    headings = set(re.findall(r"^## (\w+)", pages["configuration.md"], re.MULTILINE))
    assert {getattr(tasks, name).ConfigClass.__name__ for name in tasks.__all__ if name.endswith("Task")} <= headings


def test_every_package_has_a_page(pages, generate):
    packages = {path.parent.name for path in (ROOT / "src" / "skysift").glob("*/__init__.py")} - {"kernels", "cli"}
    modules = {path.stem for path in (ROOT / "src" / "skysift").glob("[a-z]*.py")}
    assert set(generate.PACKAGES) == packages | modules
    linked = re.findall(r"_generated/api/(\w+)", (ROOT / "docs" / "api.md").read_text())
    assert sorted(linked) == sorted(generate.PACKAGES)
    assert all(f"api/{name}.md" in pages for name in linked)


def test_every_public_name_is_on_its_page(pages, generate):
    for package in generate.PACKAGES:
        module = importlib.import_module(f"skysift.{package}")
        for name in module.__all__:
            assert f"skysift.{package}.{name}\n" in pages[f"api/{package}.md"]
            thing = getattr(module, name)
            if callable(thing) and thing.__module__.startswith("skysift."):
                assert thing.__doc__, f"{package}.{name}"


def test_public_names_survive_the_import_of_submodules(generate):
    """A lazy name that equals its own submodule's turns into the module once that has been imported."""
    for package in generate.PACKAGES:
        folder = ROOT / "src" / "skysift" / package
        for path in folder.glob("[a-z]*.py"):
            importlib.import_module(f"skysift.{package}.{path.stem}")
        module = importlib.import_module(f"skysift.{package}")
        assert [name for name in module.__all__ if isinstance(getattr(module, name), ModuleType)] == [], package


def test_no_name_of_the_package_is_a_module():
    """A name that equals a submodule's would change its meaning once that is imported."""
    subpackages = {path.stem for path in (ROOT / "src" / "skysift").iterdir()}
    assert set(skysift.__all__) & subpackages == set()
    for name in skysift.__all__:
        assert not isinstance(getattr(skysift, name), ModuleType)
    assert set(skysift.__all__) < set(dir(skysift))
    with pytest.raises(AttributeError):
        skysift.no_such_name  # noqa: B018
