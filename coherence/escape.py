"""Escapes text from outside, so that it cannot control a terminal or the log of a pipeline.

Names of files, runs and sources are as untrusted as samples. Source: docs/reliability.md, "Terminals and
spreadsheets".
"""

import json
import os
import re

UNSEEN = re.compile(
    "[\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e0fff]|##(?=\\[)"
)
"""What JSON does not escape, although it moves the cursor, reverses the text or is a command on GitHub."""


def printable(text: str) -> str:
    r"""Return text that cannot move the cursor, colour the screen or change the direction of text.

    >>> printable("a\x1b[31mb\nc\u202ed")
    'a [31mb⏎c d'
    """
    return "".join("⏎" if char == "\n" else char if char.isprintable() else " " for char in text)


def on_one_line(text: str) -> str:
    r"""Return text as one printable line; if GitHub's runner reads it, the line is not a command to it.

    >>> on_one_line("coherence: a\x1b[31m\nb: no such file")
    'coherence: a [31m⏎b: no such file'
    """
    return tamed(printable(text)) if on_github() else printable(text)


def harmless_json(text: str) -> str:
    r"""Return equivalent JSON that can be shown: invisible characters are escaped.

    >>> harmless_json('"a\x9bb ##[error]"')
    '"a\\u009bb \\u0023#[error]"'
    """
    return UNSEEN.sub(lambda found: _escaped(found.group()), text)


def _escaped(found: str) -> str:
    return "\\u0023#" if found == "##" else json.dumps(found)[1:-1]


def on_github() -> bool:
    """Return whether GitHub's runner reads the output and would execute commands in it."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def tamed(text: str) -> str:
    r"""Return lines without workflow commands, which begin with two colons or contain `##[`.

    >>> tamed("  ::add-mask::e\nand ##[add-mask]e")
    '  : :add-mask::e\nand # #[add-mask]e'
    """
    # Line by line: one pattern for the whole text would scan blank lines again from each of them.
    return re.sub(r"(?m)^((?:[^\S\n]|\x1b\[[\d;]*m)*+):(?=:)", r"\1: ", text).replace("##[", "# #[")
