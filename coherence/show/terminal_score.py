"""The scores of one text for a person, and how a score and a loop are shown everywhere at a terminal.

It knows no report and no table: `coherence score` need not wait for them.
"""

from math import floor

from coherence.escape import printable
from coherence.scoring.loop import MOST_TOKENS, Loop
from coherence.scoring.profile import SCALES
from coherence.scoring.scores import Scores
from coherence.signals.settings import DEFAULTS


def score_lines(scores: Scores, loop: Loop | None) -> list[tuple[str, str]]:
    """Return lines that tell the four scores of one text and where it loops, each with its style.

    >>> score_lines(Scores(0.0, None, 100.0, 0.5, 2, 9), None)[1:3]
    [('trigram      -', ''), ('english    100', '')]
    """
    told = [plain_score(value) for value in scores.values]
    width = max(map(len, told))
    lines = [
        (f"{name:<9}  {number:>{width}}", style_of(value, DEFAULTS.threshold))
        for name, number, value in zip(SCALES, told, scores.values, strict=True)
    ]
    lines.append((f"{scores.tokens} tokens; {'low on every scale' if scores.low() else 'not low'}", ""))
    return [*lines, (loop_sentence(loop, scores.characters), "")]


def style_of(value: float | None, threshold: float) -> str:
    """Return how a score looks: red below the threshold."""
    return "red" if value is not None and value < threshold else ""


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
    'repeats «Go on.» 3 times, every 3 tokens, from character 0 on: 100% of its tokens'
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
