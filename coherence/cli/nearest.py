"""What a person may have meant by a name that is not there: a command, an option, a path, a profile.

Loaded when something is refused, and never before.
"""

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from contextlib import suppress
from difflib import SequenceMatcher, get_close_matches

from coherence.escape import printable
from coherence.readers.recognise import FORMATS
from coherence.scoring.profile import SHIPPED

NAMES = {"profile": SHIPPED, "format": FORMATS, "alert": ["wandb", "trackio"]}
"""Values that options know, besides files."""

MOST, ALIKE = 2, 0.7
"""Names that are offered, and how alike they have to be, from 0 to 1."""


def hint(given: str, known: Iterable[str], of: str = "{}") -> str:
    """Return a question that names what is near, or nothing.

    Args:
        given: what is not there.
        known: what there is.
        of: how a name is written, with `{}` for it.

    >>> hint("adit", ["audit", "check"])
    "; did you mean 'audit'?"
    >>> hint("xyz", ["audit", "check"])
    ''
    """
    folded = {each.lower(): each for each in known if each != given}
    near = [
        each
        for each in get_close_matches(given.lower(), folded, MOST, ALIKE)
        if _is_near(given.lower(), each)
    ]
    names = (repr(printable(of.replace("{}", folded[each]))) for each in near)
    return f"; did you mean {' or '.join(names)}?" if near else ""


def _is_near(given: str, name: str) -> bool:
    """Tell whether names are alike in more than what they end in: `a.json` is not `b.json`."""
    (stem, end), (other, other_end) = os.path.splitext(given), os.path.splitext(name)
    return end != other_end or SequenceMatcher(None, stem, other).ratio() > ALIKE


def hint_for_command(given: str, commands: Iterable[str]) -> str:
    """Return what a person may have meant by a command; for a path, the command that reads it."""
    return f"; did you mean 'coherence audit {given}'?" if os.path.exists(given) else hint(given, commands)


def hint_for_options(unknown: Iterable[str], parser: ArgumentParser) -> str:
    """Return what a person may have meant by the first option that a command does not have.

    >>> parser = ArgumentParser()
    >>> _ = parser.add_argument("--threshold")
    >>> hint_for_options(["--thresold=3"], parser)
    "; did you mean '--threshold'?"
    """
    known = [
        name for action in parser._actions for name in action.option_strings
    ]  # nothing public lists them
    options = [each.partition("=")[0] for each in unknown if each.startswith("-")]
    return hint(options[0], known) if options else ""


def hint_for_value(message: str, options: Namespace) -> str:
    """Return what a person may have meant by the value that an error names first.

    Args:
        message: of the error.
        options: that were given.
    """
    for name, value in _values(options):
        refused = (f"{value!r} is neither", f"{name} {value!r};", f"--{name} {value!r};")
        if name in NAMES and message.startswith(refused):
            return hint(value, [*NAMES[name], *_names_in("")])
        if message.lower().startswith((f"{value}: no such".lower(), f"{value}: nothing matches".lower())):
            return _hint_for_path(value)
    return ""


def _values(options: Namespace) -> Iterator[tuple[str, str]]:
    for name, value in vars(options).items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, str) and each:
                yield name, each


def _hint_for_path(path: str) -> str:
    """Return what is near the first part of a path that is not there, with the rest of the path behind it."""
    rest = ""
    while (folder := os.path.dirname(path)) and not os.path.isdir(folder):
        rest, path = os.path.join(os.path.basename(path), rest) if rest else os.path.basename(path), folder
    return hint(
        os.path.basename(path),
        _names_in(folder),
        os.path.join(folder, "{}", rest) if rest else os.path.join(folder, "{}"),
    )


def _names_in(folder: str) -> list[str]:
    with suppress(OSError, ValueError):
        return os.listdir(folder or ".")
    return []
