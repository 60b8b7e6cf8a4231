"""Reference pages made from the code: the columns of every measurement plugin, every configuration field, every public name."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import lsst.pex.config as pexConfig

from skysift.background.scale_variance import ScaleVarianceConfig
from skysift.characterize.config import CharacterizeImageConfig
from skysift.detection.config import SkyObjectsConfig, SourceDetectionConfig
from skysift.measure.calculation import calculation_registry
from skysift.measure.config import MeasurementConfig
from skysift.measure.registry import entry, load_plugins, registry
from skysift.pipeline import DetectConfig, ProcessConfig
from skysift.table import Schema

__all__ = ["api_page", "columns_page", "configuration_page", "write_pages"]

PACKAGES = (
    "geom", "image", "table", "footprint", "psf", "io", "statistics", "background", "repair", "detection", "measure", "characterize",
    "pipeline", "simulate", "display", "report", "photometry", "errors", "tasks",
)  # fmt: skip

ROOTS = (ProcessConfig, CharacterizeImageConfig, SourceDetectionConfig, SkyObjectsConfig, ScaleVarianceConfig)
TYPES = {
    "D": "float64",
    "F": "float32",
    "I": "int32",
    "L": "int64",
    "B": "uint8",
    "Flag": "bool",
    "ArrayF": "float32[]",
    "ArrayD": "float64[]",
}


def _cell(text: object) -> str:
    """Text that a cell of a table can hold."""
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")


def _table(head: tuple[str, ...], rows: list[tuple[object, ...]]) -> list[str]:
    lines = [head, tuple("---" for _ in head), *rows]
    return [f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines]


def _summary(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n\n")[0]


def _columns(thing: Any) -> list[str]:
    schema = Schema.source()
    schema.aliases.update(MeasurementConfig().slots.aliases())
    before = {field.name for field in schema}
    thing.fields(schema)
    rows: list[tuple[object, ...]] = [
        (f"`{field.name}`", TYPES.get(field.type, field.type), field.unit, field.doc) for field in schema if field.name not in before
    ]
    return _table(("column", "type", "unit", "meaning"), rows)


def columns_page() -> str:
    """Write the page of all plugins and their columns, with the default configuration.

    Returns
    -------
    page
        Markdown.
    """
    load_plugins()
    commands = {"process": ProcessConfig().measurement.plugins.names, "detect": DetectConfig().measurement.plugins.names}
    lines = []
    for name in sorted(registry, key=lambda name: (entry(name).order, name)):
        if registry[name].__module__.partition(".")[0] != "skysift":
            continue
        plugin = registry[name](None, name)
        runs = [f"`skysift {command}`" for command, names in commands.items() if name in names]
        about = [f"Order {entry(name).order:g}."]
        about += [f"Runs in {' and '.join(runs)}."] if runs else ["Runs when asked for."]
        if entry(name).ap_corr:
            about.append("Gets an aperture correction.")
        lines += [f"## {name}", "", _summary(type(plugin)), "", " ".join(about), "", *_columns(plugin), ""]
    for name in sorted(calculation_registry):
        cls = calculation_registry[name]
        lines += [
            f"## {name}",
            "",
            _summary(cls),
            "",
            "Computed from other columns, last.",
            "",
            *_columns(cls(cls.ConfigClass(), name)),
            "",
        ]
    return "\n".join(lines)


def _children(field: Any) -> Iterator[type[pexConfig.Config]]:
    """Configurations that a field may hold."""
    if isinstance(field, pexConfig.ConfigChoiceField):
        yield from (getattr(target, "ConfigClass", target) for target in field.typemap.values())
    elif isinstance(field, pexConfig.ConfigField):
        yield field.dtype


def _classes() -> list[type[pexConfig.Config]]:
    """All configurations that can be reached, each after what holds it."""
    found: list[type[pexConfig.Config]] = []
    todo = list(ROOTS)
    while todo:
        cls = todo.pop(0)
        if cls in found or not cls.__module__.startswith("skysift."):
            continue
        found.append(cls)
        todo += [child for field in cls._fields.values() for child in _children(field)]
    return found


def _default(config: pexConfig.Config, name: str, field: Any) -> str:
    value = getattr(config, name)
    if isinstance(field, pexConfig.ConfigChoiceField):
        chosen = sorted(value.names) if field.multi else [value.name]
        return ", ".join(f"`{item}`" for item in chosen)
    if isinstance(field, pexConfig.ConfigField):
        return f"[{type(value).__name__}](#{type(value).__name__.lower()})"
    if isinstance(field, pexConfig.ListField):
        return ", ".join(f"`{item}`" for item in value) or "none"
    if isinstance(field, pexConfig.DictField):
        return f"`{dict(value)}`" if len(value) else "none"
    return f"`{value}`"


def _doc(field: Any) -> str:
    """Description of a field, with the values that it may have."""
    if not isinstance(field, pexConfig.ChoiceField):
        return field.doc
    allowed = (f"`{value}`: {doc.rstrip('.')}" for value, doc in field.allowed.items() if value is not None)
    return f"{field.doc} {'; '.join(allowed)}."


def configuration_page() -> str:
    """Write the page of all configurations and their fields.

    Returns
    -------
    page
        Markdown.
    """
    load_plugins()
    lines = []
    for cls in _classes():
        config = cls()
        rows: list[tuple[object, ...]] = [(f"`{name}`", _default(config, name, field), _doc(field)) for name, field in cls._fields.items()]
        lines += [f"## {cls.__name__}", "", f"`{cls.__module__}`. {_summary(cls)}", "", *_table(("field", "default", "meaning"), rows), ""]
    return "\n".join(lines)


def _constant(package: str, name: str, value: object) -> list[str]:
    """A constant, with what the module that defines it says below it."""
    from sphinx.pycode import ModuleAnalyzer

    homes = sorted(home for home, module in sys.modules.items() if home.startswith(f"{package}.") and vars(module).get(name) is value)
    docs = (ModuleAnalyzer.for_module(home).find_attr_docs().get(("", name), []) for home in homes)
    return [f".. py:data:: {package}.{name}", "", *(f"   {line}" for line in next(filter(None, docs), [])), ""]


def _directive(package: str, name: str, thing: object) -> list[str]:
    """The directive of a public name."""
    path = f"{package}.{name}"
    if inspect.isfunction(thing):
        return [f".. autofunction:: {path}", ""]
    if not isinstance(thing, type):
        return _constant(package, name, thing)
    if issubclass(thing, BaseException):
        return [f".. autoexception:: {path}", ""]
    members = [] if issubclass(thing, pexConfig.Config) else ["   :members:"]
    return [f".. autoclass:: {path}", *members, ""]


def api_page(package: str) -> str:
    """Write the page of the public names of a package.

    Parameters
    ----------
    package
        Name below `skysift`.

    Returns
    -------
    page
        Markdown with autodoc directives.
    """
    full = f"skysift.{package}"
    module = import_module(full)
    lines = [f"# {full}", "", _summary(module), "", "```{eval-rst}"]
    for name in module.__all__:
        lines += _directive(full, name, getattr(module, name))
    return "\n".join([*lines, "```", ""])


def write_pages(folder: Path) -> None:
    """Write the pages `columns.md` and `configuration.md`, and `api/<package>.md`.

    Parameters
    ----------
    folder
        Where to; made if needed.
    """
    pages = {"columns": columns_page(), "configuration": configuration_page()}
    pages |= {f"api/{package}": api_page(package) for package in PACKAGES}
    (folder / "api").mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
