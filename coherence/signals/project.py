"""The settings of a project: `[tool.coherence]` in its `pyproject.toml`, overridden by environment variables.

They are defaults for options of `coherence audit` and `coherence check`, and for settings of the pytest
fixture. Source: docs/settings.md.
"""

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from coherence.scoring.profile import SHIPPED

FILE, TABLE = "pyproject.toml", "coherence"

PREFIX = "COHERENCE_"
"""How the names of the environment variables begin."""

KEYS: dict[str, type] = {
    "snapshot": str,
    "tolerance": float,
    "level": float,
    "group-by": str,
    "profile": str,
    "format": str,
    "text-field": str,
    "step-field": str,
    "prompt-field": str,
    "loss-field": str,
    "vocab-size": int,
    "seconds-per-step": float,
    "threshold": float,
    "patience": int,
    "window": int,
    "warmup": int,
    "observe": bool,
    "workers": int,
}
"""The settings, named like the options, and the type of each."""

PATHS = ("snapshot", "profile")
"""The settings that name a file; in `pyproject.toml` the path is relative to its folder."""

EXPECTED = {str: "a string", float: "a number", int: "a whole number", bool: "true or false"}

SWITCH = {"1": True, "true": True, "0": False, "false": False}
"""The values of an environment variable for yes and no."""

MISSPELT = 0.8
"""How alike the name of a variable and of a setting are, from 0 to 1, if it is taken for a spelling mistake.

Other software has variables with the same prefix."""


class Given(NamedTuple):
    """The value of a setting and its origin: an environment variable or a file."""

    value: Any
    origin: str


def find_settings(folder: str | Path | None = None) -> dict[str, Given]:
    r"""Return the settings from environment variables and the project, by the keys in `KEYS`.

    Args:
        folder: the search for the project begins here and goes up; default the current folder.

    Raises:
        OSError: a `pyproject.toml` cannot be read.
        ValueError: a `pyproject.toml` is not TOML, or a key or a value is wrong.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "pyproject.toml").write_text("[tool.coherence]\ntolerance = 3")
    ...     find_settings(folder)["tolerance"].value
    3.0
    """
    return _of_project(folder) | _of_environment()


def name_origin(message: str, given: Mapping[str, Given]) -> str:
    """Return an error message, with the origin of the setting that it names first, if that was given.

    >>> name_origin("patience 0; expected 1 or more", {"patience": Given(0, "COHERENCE_PATIENCE")})
    'patience 0; expected 1 or more (from COHERENCE_PATIENCE)'
    """
    for key, (value, origin) in given.items():
        names = (f"{key.replace('-', ' ')} ", f"{key.replace('-', '_')} ")
        if message.startswith((*names, f"{value}: ", f"{value!r} ")):
            return f"{message} (from {origin})"
    return message


def variable(key: str) -> str:
    """Return the environment variable of a setting.

    >>> variable("prompt-field")
    'COHERENCE_PROMPT_FIELD'
    """
    return PREFIX + key.replace("-", "_").upper()


def _of_environment() -> dict[str, Given]:
    found = {}
    _refuse_misspelt()
    for key, kind in KEYS.items():
        name = variable(key)
        if text := os.environ.get(name):
            try:
                found[key] = Given(SWITCH[text.lower()] if kind is bool else kind(text), name)
            except (KeyError, ValueError):
                raise ValueError(f"{name} {text!r}; expected {EXPECTED[kind]}") from None
    return found


def _refuse_misspelt() -> None:
    """Raise for a variable that is almost one of ours: otherwise what it sets would be missing in silence."""
    known = {variable(key).removeprefix(PREFIX): variable(key) for key in KEYS}
    for name, value in sorted(os.environ.items()):
        ending = name.removeprefix(PREFIX)
        if ending == name or ending in known or not value:
            continue
        if near := import_module("difflib").get_close_matches(ending, known, 1, MISSPELT):
            raise ValueError(f"{name} is not a setting; did you mean {known[near[0]]}?")


def _of_project(folder: str | Path | None) -> dict[str, Given]:
    try:
        start = Path(folder or "").resolve()
    except OSError:  # the current folder was deleted
        return {}
    for each in (start, *start.parents):
        table = _table(each / FILE)
        if table is not None:
            origin = _from_here(each / FILE)
            return {key: Given(_value(key, value, each, origin), origin) for key, value in table.items()}
    return {}


def _table(path: Path) -> Any:
    """Return `[tool.coherence]` of a file; None if there is no such table, or no such file."""
    try:
        if not path.is_file():
            return None
    except OSError:  # of a folder that this user may not read
        return None
    content = path.read_bytes()
    if TABLE.encode() not in content:  # saves the import of a TOML reader
        return None
    try:
        tools = import_module("tomllib").loads(content.decode()).get("tool")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{_from_here(path)}: {error}") from None
    table = tools.get(TABLE) if isinstance(tools, dict) else None
    if table is not None and not isinstance(table, dict):
        raise ValueError(f"{_from_here(path)}: tool.{TABLE} {table!r}; expected a table: [tool.{TABLE}]")
    return table


def _value(key: str, given: Any, folder: Path, origin: str) -> Any:
    """Return the value of a key in a file; a relative path becomes relative to the current folder."""
    if key not in KEYS:
        near = import_module("difflib").get_close_matches(key, KEYS, 1)
        hint = f"did you mean {near[0]}?" if near else f"the settings are {', '.join(KEYS)}"
        raise ValueError(f"{origin}: tool.{TABLE}: {key!r} is not a setting; {hint}")
    kind = KEYS[key]
    expected = EXPECTED[kind] + (" that is not empty" if given == "" else "")
    if given == "" or not _is_a(kind, given):
        raise ValueError(f"{origin}: {key} {given!r}; expected {expected}")
    if key in PATHS and given not in SHIPPED:
        return given if Path(given).is_absolute() else _from_here(folder / given)
    try:
        return kind(given)
    except OverflowError:
        raise ValueError(f"{origin}: {key} {given!r}; expected {expected}") from None


def _is_a(kind: type, given: Any) -> bool:
    return type(given) is kind or (kind is float and type(given) is int)


def _from_here(path: Path) -> str:
    """Return a path relative to the current folder."""
    try:
        return os.path.relpath(path)
    except (OSError, ValueError):  # the current folder was deleted, or the path is on another drive
        return str(path)
