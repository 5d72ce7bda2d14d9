"""The scores of one text for a person at a terminal, and how a score and a loop are shown everywhere there.

It knows no report: `coherence score` need not wait for what a report is checked with.
"""

from math import floor

from rich.console import Console
from rich.table import Table
from rich.text import Text

from coherence.escape import printable
from coherence.scoring.loop import MOST_TOKENS, Loop
from coherence.scoring.profile import SCALES
from coherence.scoring.scores import Scores
from coherence.signals.settings import DEFAULTS


def show_scores(scores: Scores, loop: Loop | None, console: Console) -> None:
    """Print the four scores of one text and where it loops."""
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    for name, value in zip(SCALES, scores.values, strict=True):
        table.add_row(name, score_cell(value, DEFAULTS.threshold))
    console.print(table)
    console.print(Text(f"{scores.tokens} tokens; {'low on every scale' if scores.low() else 'not low'}"))
    console.print(Text(loop_sentence(loop, scores.characters)))


def score_cell(value: float | None, threshold: float) -> Text:
    """Return a score as a table shows it: red below the threshold.

    >>> score_cell(29.6, 30.0)
    <text '29' [] 'red'>
    """
    return Text(plain_score(value), style="red" if value is not None and value < threshold else "")


def plain_score(value: float | None) -> str:
    """Return a score as a whole number, and what has no meaning as a dash.

    >>> plain_score(29.6), plain_score(None)
    ('29', '-')
    """
    # Rounded down: 29.6 is below a threshold of 30, and so is what stands for it. A mean may be off a little.
    return "-" if value is None else f"{floor(round(value, 6))}"


def loop_sentence(loop: Loop | None, characters: int) -> str:
    """Return what a sample of so many characters repeats, in a sentence.

    >>> from coherence.scoring.loop import find_loop
    >>> loop_sentence(find_loop("Go on. Go on. Go on."), 20)
    'repeats «go on .» 3 times, every 3 tokens, from character 0 on: 100% of its tokens'
    """
    if loop is None:
        where = f" in its first {MOST_TOKENS:,} tokens" if characters > MOST_TOKENS else ""
        return f"no loop{where}: no phrase covers a fifth of it or comes back to back"
    phrase = printable(loop.phrase)
    period = "token" if loop.period == 1 else f"{loop.period} tokens"
    return (
        f"repeats «{phrase}» {loop.times} times, every {period}, from character {loop.start} on: "
        f"{loop.share:.0%} of its tokens"
    )
