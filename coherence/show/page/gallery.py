"""The samples that a page shows: chosen while a run is gone through, their texts read again afterwards.

Source: docs/page.md, "The samples".
"""

from math import floor
from typing import Any, NamedTuple

from coherence.audit.build import Texts
from coherence.audit.rows import GatedSample
from coherence.scoring.lexicon import Lexicon
from coherence.scoring.scores import Scores
from coherence.show.page.marks import MarkedText, mark
from coherence.thinning import Thinned

SAMPLES = 5000
"""Samples that a page shows; of more, of each stretch the worst and the best."""

BYTES = 4_000_000
"""Of all their texts together; each is cut to its share."""

FEWEST_BYTES, MOST_BYTES = 500, 20_000
"""Of one text."""


class PageSample(NamedTuple):
    """A sample as a page shows it.

    Attributes:
        place: which sample of its step it is.
        scores: rounded down, so that what is low reads as low.
        prompt, text, runs, left_out, loops, foreign: see `coherence.show.page.marks.MarkedText`.
    """

    step: int
    place: int
    scores: tuple[float | None, ...]
    tokens: int
    low: bool
    streak: int
    loss: float | None
    smoothed: float | None
    prompt: str | None
    text: str
    runs: str
    left_out: int
    loops: list[dict[str, Any]]
    foreign: bool


class Gallery:
    """Sees every judged sample of a run and remembers which to show."""

    def __init__(self, lexicon: Lexicon | None = None) -> None:
        self._lexicon = lexicon or Lexicon.load()
        self._chosen = Thinned[GatedSample](SAMPLES)

    def see(self, judged: GatedSample) -> None:
        """Take one sample."""
        self._chosen.add(judged, judged.scores.mean)

    def page_samples(self, texts: Texts) -> list[PageSample]:
        """Return the samples to show, in the order of the steps.

        Args:
            texts: finds their texts.
        """
        chosen = self._chosen.items
        found = texts([(each.output, each.row.row) for each in chosen])
        longest = min(MOST_BYTES, max(FEWEST_BYTES, BYTES // max(1, len(chosen))))
        return [
            page_sample(each, mark(*found[each.output, each.row.row][:2], self._lexicon, longest))
            for each in chosen
        ]


def page_sample(judged: GatedSample, marked: MarkedText) -> PageSample:
    """Return a judged sample as a page shows it."""
    return PageSample(
        step=judged.row.step,
        place=judged.place,
        scores=rounded_down(judged.scores),
        tokens=judged.scores.tokens,
        low=judged.verdict.low,
        streak=judged.verdict.streak,
        loss=judged.loss,
        smoothed=judged.smoothed,
        prompt=marked.prompt,
        text=marked.text,
        runs=marked.runs,
        left_out=marked.left_out,
        loops=[loop._asdict() for loop in marked.loops],
        foreign=marked.foreign,
    )


def rounded_down(scores: Scores) -> tuple[float | None, ...]:
    """Return the four scores rounded down to a tenth."""
    return tuple(None if value is None else floor(value * 10) / 10 for value in scores.values)
