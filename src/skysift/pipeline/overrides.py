"""Changing configurations from the command line, and printing them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import lsst.pex.config as pexConfig

from skysift.errors import SkysiftError

__all__ = ["ConfigError", "apply_overrides", "configuration_lines"]


class ConfigError(SkysiftError, ValueError):
    """A configuration field or value that does not exist."""

    exit_code = 2


def apply_overrides(config: pexConfig.Config, overrides: Iterable[str] = (), files: Iterable[str | Path] = ()) -> None:
    """Change a configuration in place: first by files, then by ``field=value`` texts.

    Parameters
    ----------
    config
        The configuration.
    overrides
        ``field.sub=value``; lists as ``a,b,c`` or ``[a, b]``; a plugin's fields as ``measurement.plugins[NAME].field``.
    files
        Python files that set fields of ``config``.

    Raises
    ------
    ConfigError
        An unknown field (with the nearest known name), a value of the wrong type or range, or a file that fails.
    """
    for file in files:
        try:
            config.load(str(file))
        except Exception as error:
            raise ConfigError(f"{file}: {' '.join(str(error).split())}") from error
    for text in overrides:
        name, separator, value = text.partition("=")
        if not separator:
            raise ConfigError(f"{text!r} is not FIELD=VALUE")
        _set(config, name.strip(), value.strip())
    try:
        config.validate()
    except (pexConfig.FieldValidationError, ValueError) as error:
        raise ConfigError(_reason(error)) from error


def _set(config: pexConfig.Config, name: str, value: str) -> None:
    target: Any = config
    *path, last = name.replace("[", ".").replace("]", "").replace('"', "").replace("'", "").split(".")
    for part in path:
        target = _child(target, part, name)
    if isinstance(target, pexConfig.Config) and last not in target:
        raise ConfigError(_unknown(last, target.keys(), name))
    field = type(target)._fields.get(last) if isinstance(target, pexConfig.Config) else None
    try:
        setattr(target, last, _items(value, str) if last == "names" and field is None else _parse(value, field))
    except (pexConfig.FieldValidationError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"{name}={value}: {_reason(error)}") from error


def _child(target: Any, part: str, name: str) -> Any:
    if isinstance(target, pexConfig.Config):
        if part not in target:
            raise ConfigError(_unknown(part, target.keys(), name))
        return getattr(target, part)
    try:
        return target[part]
    except (KeyError, TypeError, pexConfig.FieldValidationError) as error:
        known = list(target.types) if hasattr(target, "types") else []
        raise ConfigError(_unknown(part, known, name)) from error


def _unknown(part: str, known: Iterable[str], name: str) -> str:
    known = list(known)
    close = difflib.get_close_matches(part, known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"
    return f"no configuration field {part!r} in {name!r}: {hint}"


def _parse(value: str, field: Any) -> Any:
    if value == "None":
        return None
    if isinstance(field, pexConfig.ListField):
        return _items(value, field.itemtype)
    return _number(value.strip("\"'"), getattr(field, "dtype", str))


def _items(value: str, kind: Any) -> list[Any]:
    items = (item.strip().strip("\"'") for item in value.strip("[]()").split(","))
    return [_number(item, kind) for item in items if item]


def _reason(error: Exception) -> str:
    """What is wrong in one line, without the places in the code that pex_config adds."""
    return " ".join(str(error).split()).partition(" For more information")[0]


def _number(text: str, kind: Any) -> Any:
    if kind is bool:
        lowered = text.lower()
        if lowered not in ("true", "false", "1", "0", "yes", "no"):
            raise ValueError(f"{text!r} is not True or False")
        return lowered in ("true", "1", "yes")
    if kind in (int, float):
        return kind(text)
    return text


def configuration_lines(config: pexConfig.Config) -> str:
    """Print a configuration.

    Parameters
    ----------
    config
        The configuration.

    Returns
    -------
    text
        A ``name=value`` line for each field, in the order of declaration; of alternatives and plugins only the active ones.
    """
    return "\n".join(_lines(config.toDict(), ""))


def _lines(tree: Any, prefix: str) -> Iterable[str]:
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and "names" in value:
            active = sorted(value["names"])
            yield f"{name}.names={','.join(active)}"
            for plugin in active:
                yield from _lines(value["values"].get(plugin, {}), f"{name}[{plugin}].")
        elif isinstance(value, dict) and set(value) == {"name", "values"}:
            yield f"{name}.name={value['name']}"
            yield from _lines(value["values"].get(value["name"], {}), f"{name}[{value['name']}].")
        elif isinstance(value, dict):
            yield from _lines(value, f"{name}.")
        else:
            yield f"{name}={value}"
