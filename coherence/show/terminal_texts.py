"""Several texts and their scores for a person: a table with a row each."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from coherence.escape import printable
from coherence.show.console import NARROW, as_line, console
from coherence.show.say import several
from coherence.show.terminal_score import ScoredText, plain_score, style_of
from coherence.signals.settings import DEFAULTS

LISTED = 100
"""Rows that are shown."""

HEADS = (("bigram", "trigram", "english", "character"), ("bi", "tri", "eng", "chr"))

BEGINNING, PHRASE = 200, 24
"""Characters of a text, and of a phrase, that are enough for a row."""


def show_texts(found: Sequence[ScoredText]) -> None:
    """Print a row for each text, and how many are low."""
    screen = console()
    screen.print(_table(found[:LISTED], narrow=screen.width < NARROW))
    if len(found) > LISTED:
        screen.print(as_line(f"and {len(found) - LISTED:,} more: --json writes all of them"))
    low = sum(each.scores.low() for each in found)
    screen.print(as_line(f"{low:,} of {several(len(found), 'text')} low on every scale"))


def _table(found: Sequence[ScoredText], narrow: bool) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False)
    of_file = found[0].line is not None
    table.add_column("line" if of_file else "", justify="right", no_wrap=True)
    for name in HEADS[narrow]:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("text")
    for number, each in enumerate(found, 1):
        values = each.scores.values
        table.add_row(
            Text(f"{each.line if of_file else number:,}"),
            *(Text(plain_score(value), style=style_of(value, DEFAULTS.threshold)) for value in values),
            Text(_beginning(each, narrow), no_wrap=True, overflow="ellipsis"),
        )
    return table


def _beginning(each: ScoredText, narrow: bool) -> str:
    """Return what a text repeats, if there is room for that, and how it begins, on a line."""
    text = printable(each.text.strip()[:BEGINNING]) or "(no text)"
    if narrow or each.loop is None:
        return text
    phrase = each.loop.phrase
    short = f"{phrase[:PHRASE]}…" if len(phrase) > PHRASE else phrase
    return f"«{printable(short)}» {each.loop.times:,} times · {text}"
