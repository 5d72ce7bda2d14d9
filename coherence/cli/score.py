"""What `coherence score` does, once its options are read.

It is asked for one text at a time, so it imports nothing that an audit needs and it does not.
"""

import json
import sys
from argparse import Namespace
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from coherence.scoring.loop import find_loop
from coherence.scoring.profile import SCALES, Profile
from coherence.scoring.scores import score
from coherence.show.manner import manner
from coherence.show.say import inform
from coherence.show.terminal_score import ScoredText, show_score

STANDARD_INPUT = "-"


def run(options: Namespace) -> int:
    """Score one text, or several."""
    output = None if options.json is None else import_module("coherence.show.output")
    if output:
        import_module("coherence.cli.named").check_outputs(options)
    if options.lines is not None and options.texts:
        raise ValueError("--lines FILE holds the texts; leave out TEXT")
    profile = Profile.load(options.profile)
    several = options.lines is not None or len(options.texts) > 1
    found = [
        ScoredText(text, score(text, options.prompt, profile=profile), find_loop(text, options.prompt), line)
        for line, text in _texts(options)
    ]
    if several:
        import_module("coherence.show.terminal_texts").show_texts(found)
    elif not manner().quiet:
        show_score(found[0], options.prompt)
    if output:
        records = list(map(_record, found))
        output.write_json(options.json, json.dumps(records if several else records[0], indent=2))
    return 0


def _record(found: ScoredText) -> dict[str, Any]:
    """Return what is written of a text as JSON."""
    return {
        "format": 1,
        **({} if found.line is None else {"line": found.line}),
        "scores": dict(zip(SCALES, found.scores.values, strict=True)),
        "tokens": found.scores.tokens,
        "low": found.scores.low(),
        "loop": found.loop._asdict() if found.loop else None,
    }


def _texts(options: Namespace) -> Iterator[tuple[int | None, str]]:
    """Yield the texts, those of a file with their lines; blank lines are left out."""
    if options.lines is None:
        for text in options.texts or [STANDARD_INPUT]:
            yield None, _standard_input() if text == STANDARD_INPUT else _readable(text)
        return
    if options.lines == STANDARD_INPUT:
        content = _standard_input()
    else:
        with open(options.lines, "rb") as file:
            content = file.read().decode(errors="replace")
    if "\0" in content or content.startswith("\x1f"):
        raise ValueError(f"{options.lines}: not text in UTF-8, perhaps compressed; expected a text a line")
    plain = content.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    texts = enumerate(plain.split("\n"), 1)
    found = [(line, text) for line, text in texts if text.strip()]
    if not found:
        raise ValueError(f"{options.lines}: no text in it")
    yield from found


def _standard_input() -> str:
    if sys.stdin.isatty():
        inform("reading standard input, end with Ctrl-D")
    # What is cut off in the middle of a character, by `head -c` for instance, is still read.
    return sys.stdin.buffer.read().decode(errors="replace")


def _readable(text: str) -> str:
    return text.encode(errors="replace").decode(errors="replace")
