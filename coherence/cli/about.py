"""What the program says of itself: its version, what it found to work with, and completion for shells."""

import argparse
from collections.abc import Iterator
from importlib import import_module, metadata
from importlib.util import find_spec
from textwrap import fill

from coherence.lazy import needs
from coherence.scoring import fast
from coherence.signals.settings import __version__

OPTIONAL = {
    "pyarrow": ("pyarrow", "parquet"),
    "tensorboard": ("tensorboard", "tensorboard"),
    "zstandard": ("zstandard", "zstd"),
    "fsspec": ("fsspec", "remote"),
    "orjson": ("orjson", "fast"),
    "ray": ("ray", "ray"),
    "shtab": ("shtab", "completion"),
    "torch": ("torch", "torch"),
    "transformers": ("transformers", "huggingface"),
    "lightning": ("lightning", "lightning"),
    "keras": ("keras", "keras"),
}
"""Libraries that commands or adapters use if they are there: the module, and the extra that installs it."""

SHELLS = ("bash", "zsh", "tcsh")

FILES = {"bash": "_shtab_compgen_files", "zsh": "_files", "tcsh": "f"}
FOLDERS = {"bash": "_shtab_compgen_dirs", "zsh": "_files -/", "tcsh": "d"}

PLACES = {
    **dict.fromkeys(("PATH", "OUT", "FILE", "BEFORE", "NOW", "CORPUS", "PROFILE"), FILES),
    **dict.fromkeys(("DIR", "RUN_DIR"), FOLDERS),
}
"""What shells complete by the metavar of an argument."""


def version() -> str:
    """Return the version, the scorer in use, and which optional libraries were found."""
    found = {name: _version(module, name) for name, (module, _) in OPTIONAL.items()}
    there = ", ".join(f"{name} {number}" for name, number in found.items() if number is not None)
    missing = ", ".join(
        f"{name} (extra {OPTIONAL[name][1]})" for name, number in found.items() if number is None
    )
    lines = [f"coherence {__version__} ({fast.NAME})"]
    lines += [f"found: {there}"] if there else []
    lines += [f"not installed, optional: {missing}"] if missing else []
    return "".join(f"{fill(line, 80, subsequent_indent='  ')}\n" for line in lines)


def _version(module: str, distribution: str) -> str | None:
    """Return the version of a library without importing it; None if it is not there."""
    try:
        return metadata.version(distribution) if find_spec(module) else None
    except metadata.PackageNotFoundError:  # a folder that happens to be named so
        return None


def completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return a script that teaches a shell the commands and options.

    Raises:
        ValueError: it is not such a shell, or the extra that writes scripts is missing.
    """
    if shell not in SHELLS:
        raise ValueError(f"no completion for {shell!r}; expected one of {', '.join(SHELLS)}")
    try:
        shtab = import_module("shtab")
    except ModuleNotFoundError as error:
        raise ValueError(f"completion {needs('shtab', 'completion')}") from error
    for action in _actions(parser):
        if action.metavar in PLACES:
            vars(action)["complete"] = PLACES[str(action.metavar)]
    return f"{shtab.complete(parser, shell=shell)}\n"


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action.choices, dict):
            for command in action.choices.values():
                yield from _actions(command)
