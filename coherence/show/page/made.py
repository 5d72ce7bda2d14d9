"""Where a page comes from: when it was made, by which command, of which run, without paths of the machine.

Source: docs/page.md, "Passing it on".
"""

import re
import shlex
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlsplit

_ABSOLUTE = re.compile(r"[/\\~]|[A-Za-z]:[/\\]")

KEPT = 2
"""Parts of an absolute path that are shown, the last ones."""


class Made(NamedTuple):
    """When a page was made, and the command that made it."""

    at: str
    command: str


def made_now(typed: Sequence[str]) -> Made:
    """Return that a page is made now, by a command.

    Args:
        typed: what was typed after `coherence`.
    """
    return Made(datetime.now().astimezone().isoformat(sep=" ", timespec="minutes"), command(typed))


def command(typed: Sequence[str]) -> str:
    """Return a command as it was typed; of an absolute path the last two parts, of an address no secrets.

    >>> command(["audit", "runs/exp 7", "--html=/home/me/out/page.html", "s3://key:secret@box/a/b.jsonl?sig=1"])
    "coherence audit 'runs/exp 7' --html=out/page.html s3://box/a/b.jsonl"
    """
    return shlex.join(["coherence", *(_argument(each) for each in typed)])


def _argument(typed: str) -> str:
    option, equals, value = typed.partition("=") if typed.startswith("--") else ("", "", typed)
    return f"{option}{equals}{_path(value)}"


def _path(typed: str) -> str:
    if re.match(r"[a-z][a-z0-9+.-]*://", typed):
        return _address(typed)
    if not _ABSOLUTE.match(typed):
        return typed
    return "/".join(re.split(r"[/\\]+", typed.rstrip("/\\"))[-KEPT:]).lstrip("/\\")


def _address(typed: str) -> str:
    try:
        found = urlsplit(typed)
    except ValueError:
        return "…"
    return f"{found.scheme}://{found.netloc.rpartition('@')[2]}{found.path}"


def heading(name: str) -> str:
    r"""Return the name of a run as a heading: of a path the last part.

    >>> heading("/home/me/runs/exp7"), heading("dump.jsonl and 3 more"), heading("C:\\runs\\exp7\\")
    ('exp7', 'dump.jsonl and 3 more', 'exp7')
    """
    return re.split(r"[/\\]", _address(name) if "://" in name else name.rstrip("/\\"))[-1] or name


def page_heads(name: str, at: str) -> str:
    r"""Return a rule of a style sheet that prints name, date and number of the page at its head.

    >>> page_heads("a\"}<b>", "now")
    '@page { @top-left { content: "a\\22 \\7d \\3c b\\3e " } @top-right { content: "now · " counter(page) } }'
    """
    return (
        f'@page {{ @top-left {{ content: "{_quoted(name)}" }}'
        f' @top-right {{ content: "{_quoted(at)} · " counter(page) }} }}'
    )


def _quoted(text: str) -> str:
    """Return text for a string of a style sheet, in which nothing but letters and digits is left as it is."""
    return re.sub(r"[^\w .:+-]", lambda found: f"\\{ord(found[0]):x} ", text)
