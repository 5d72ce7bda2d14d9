"""Starts libFuzzer for the campaigns that are guided by coverage."""

import importlib
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

atheris: Any = importlib.import_module("atheris")  # has no types, and is used only here

LONGEST = 4096
"""Bytes of an input; `hostile_text.py` covers cases that need longer ones."""


def fuzz(
    target: Callable[[bytes], None],
    seeds: Iterable[bytes],
    words: Iterable[bytes],
    seconds: int,
    seed: int,
    kept: Path | None = None,
) -> None:
    """Let the fuzzer run; it prints its figures and ends the program.

    Args:
        target: takes an input and raises an error if a promise is broken.
        seeds: inputs to begin with.
        words: that it inserts into inputs.
        seconds: after which it ends.
        seed: of its choices.
        kept: a folder for the inputs that reached new code; it begins with those in it.
    """
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "seeds"
        corpus.mkdir()
        for number, each in enumerate(seeds):
            (corpus / str(number)).write_bytes(each)
        quoted = ("".join(f"\\x{byte:02x}" for byte in word) for word in words)
        (Path(folder) / "words").write_text("".join(f'"{word}"\n' for word in quoted))
        options = {
            "dict": Path(folder) / "words",
            "max_len": LONGEST,
            "len_control": 0,  # long ones from the beginning
            "max_total_time": seconds,
            "seed": seed,
            "timeout": 60,
            "rss_limit_mb": 4096,
            "print_final_stats": 1,
        }
        given = [f"-{name}={value}" for name, value in options.items()]
        folders = [corpus] if kept is None else [kept, corpus]  # the first one is written to
        atheris.Setup([sys.argv[0], *given, *map(str, folders)], target)
        atheris.Fuzz()


def require(holds: bool, seen: object) -> None:
    """Raise an error if a promise is broken; `python -O` would leave out an assertion."""
    if not holds:
        raise RuntimeError(f"broken promise: {seen!r}")
