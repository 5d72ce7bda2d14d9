"""The scores of one text for a person, and how a score and a loop are shown everywhere at a terminal.

It knows no report and no table: `coherence score` need not wait for them.
"""

import sys
from importlib import import_module
from math import floor
from typing import NamedTuple

from coherence.escape import printable
from coherence.scoring.loop import MOST_TOKENS, Loop
from coherence.scoring.profile import SCALES
from coherence.scoring.scores import Scores
from coherence.show.page.marks import excerpt, in_brackets
from coherence.show.say import say, several, width
from coherence.signals.settings import DEFAULTS

SHOWN = 600
"""Characters of a text that are shown."""

BAR = 40
"""Columns of the longest bar."""

LONG = 1e9
"""A number from here on is shown in powers of ten, or it would push everything else out of a table."""

BEFORE = 16
"""Columns of a name, a score and the blanks up to a bar."""


class ScoredText(NamedTuple):
    """A text, its scores, the loop it has, and which line of a file it is."""

    text: str
    scores: Scores
    loop: Loop | None
    line: int | None = None


def show_score(found: ScoredText, prompt: str | None) -> None:
    """Print the scores of a text as bars, and the text after the prompt with what it repeats marked."""
    shown = excerpt(found.text, prompt, SHOWN)
    utf8 = (getattr(sys.stderr, "encoding", None) or "utf-8").lower().startswith("utf")
    lines = score_lines(found.scores, found.loop, width(), "█░" if utf8 else "#.")
    if sys.stderr is not None and sys.stderr.isatty():
        console = import_module("coherence.show.console")
        screen = console.console()
        for line, style in lines:
            screen.print(console.as_line(line), style=style)
        screen.print(console.marked(shown, styled=screen.color_system is not None and not screen.no_color))
        return
    for line, _ in lines:
        say(line)
    say(in_brackets(shown))


def score_lines(scores: Scores, loop: Loop | None, columns: int, bar: str = "█░") -> list[tuple[str, str]]:
    """Return lines that show the four scores of one text and where it loops, each with its style.

    Args:
        scores: of the text.
        loop: which it repeats.
        columns: of the terminal.
        bar: what a bar is made of, and what is left of it.

    >>> for line, _ in score_lines(Scores(0.0, None, 100.0, 50.5, 2, 9), None, 26)[:4]:
    ...     print(line)
    bigram       0  ░░░░░░░░░░
    trigram      -
    english    100  ██████████
    character   50  █████░░░░░
    """
    length = max(0, min(BAR, columns - BEFORE))
    lines = []
    for name, value in zip(SCALES, scores.values, strict=True):
        full = 0 if value is None else floor(value * length / 100)
        drawn = "" if value is None else bar[0] * full + bar[1] * (length - full)
        line = f"{name:<9}  {plain_score(value):>3}  {drawn}".rstrip()
        lines.append((line, style_of(value, DEFAULTS.threshold)))
    low = "low on every scale" if scores.low() else "not low"
    lines.append((f"{several(scores.tokens, 'token')}; {low}", ""))
    return [*lines, (loop_sentence(loop, scores.characters), "")]


def style_of(value: float | None, threshold: float) -> str:
    """Return how a score looks: red below the threshold."""
    return "red" if value is not None and value < threshold else ""


def plain_number(value: float | None) -> str:
    """Return a loss, or what is computed from one, with three digits or as a whole number.

    >>> plain_number(3.4321), plain_number(50257.3), plain_number(1e300), plain_number(None)
    ('3.43', '50,257', '1e+300', 'not finite')
    """
    if value is None:
        return "not finite"
    return f"{value:,.0f}" if 100 <= abs(value) < LONG else f"{value:.3g}"


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
    'repeats «Go on.» 3 times, every 3 tokens: 100% of its tokens'
    >>> loop_sentence(find_loop("It was late, no no no no"), 24)
    'repeats «no» 4 times, back to back, from character 13 on: 50% of its tokens'
    """
    if loop is None:
        where = f" in its first {MOST_TOKENS:,} tokens" if characters > MOST_TOKENS else ""
        return f"no loop found{where}"
    period = "back to back" if loop.period == 1 else f"every {loop.period:,} tokens"
    start = f", from character {loop.start:,} on" if loop.start else ""
    phrase = printable(loop.phrase)
    return f"repeats «{phrase}» {loop.times:,} times, {period}{start}: {loop.share:.0%} of its tokens"
