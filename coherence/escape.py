"""What others wrote, so that it commands nobody who shows it: no terminal, no log of a pipeline.

Names of files, runs and sources are as foreign as samples. Source: docs/reliability.md, "Terminals and
spreadsheets".
"""

import json
import os
import re

UNSEEN = re.compile(
    "[\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e0fff]|##(?=\\[)"
)
"""What JSON would hold as it is though it moves the cursor, turns the writing or is a command on GitHub."""


def printable(text: str) -> str:
    r"""Return text that cannot move the cursor, colour the screen or turn its direction.

    >>> printable("a\x1b[31mb\nc\u202ed")
    'a [31mb⏎c d'
    """
    return "".join("⏎" if char == "\n" else char if char.isprintable() else " " for char in text)


def on_one_line(text: str) -> str:
    r"""Return a line for a person: printable, and where GitHub's runner reads along no command to it.

    >>> on_one_line("coherence: a\x1b[31m\nb: no such file")
    'coherence: a [31m⏎b: no such file'
    """
    return tamed(printable(text)) if on_github() else printable(text)


def harmless_json(text: str) -> str:
    r"""Return JSON that says the same and can be shown: what is not seen is escaped.

    >>> harmless_json('"a\x9bb ##[error]"')
    '"a\\u009bb \\u0023#[error]"'
    """
    return UNSEEN.sub(lambda found: _escaped(found.group()), text)


def _escaped(found: str) -> str:
    return "\\u0023#" if found == "##" else json.dumps(found)[1:-1]


def on_github() -> bool:
    """Tell whether GitHub's runner reads along, and would do what a line tells it."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def tamed(text: str) -> str:
    r"""Return lines of which none is a workflow command: those begin with two colons or hold `##[`.

    >>> tamed("  ::add-mask::e\nand ##[add-mask]e")
    '  : :add-mask::e\nand # #[add-mask]e'
    """
    # Each line by itself: blank lines would be looked through again from every one of them.
    return re.sub(r"(?m)^((?:[^\S\n]|\x1b\[[\d;]*m)*+):(?=:)", r"\1: ", text).replace("##[", "# #[")
