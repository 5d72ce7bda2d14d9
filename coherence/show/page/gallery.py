"""The samples that a page shows: chosen while a run is gone through, their texts read again afterwards.

Source: docs/page.md, "The samples".
"""

from math import floor
from typing import Any, NamedTuple

from coherence.audit.build import Texts
from coherence.audit.rows import GatedSample
from coherence.audit.summary import Lowest
from coherence.scoring.lexicon import Lexicon
from coherence.scoring.scores import Scores
from coherence.show.page.curves import Curves
from coherence.show.page.marks import MarkedText, mark
from coherence.thinning import Thinned

SAMPLES = 2000
"""Samples that a page shows; of more, of each stretch the worst and the best."""

BYTES = 1_000_000
"""Of all their texts together; each is cut to its share. A page is below 1 MB then."""

FEWEST_BYTES, MOST_BYTES = 500, 20_000
"""Of one text."""


class PageSample(NamedTuple):
    """A sample as a page shows it.

    Attributes:
        place: which sample of its step it is.
        scores: rounded down, so that what is low reads as low.
        prompt, text, runs, left_out, loops: see `coherence.show.page.marks.MarkedText`.
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


class Gallery:
    """Sees every judged sample of a run and remembers which to show."""

    def __init__(self, lexicon: Lexicon | None = None) -> None:
        self._lexicon = lexicon or Lexicon.load()
        self._chosen = Thinned[GatedSample](SAMPLES)
        self._always = _Always()
        self._curves = Curves()

    def see(self, judged: GatedSample) -> None:
        """Take one sample."""
        row, verdict = judged.row, judged.verdict
        self._chosen.add(judged, judged.scores.mean)
        self._always.see(judged)
        between = row.between if row.compared else None
        self._curves.see(row.step, judged.scores, verdict.low, verdict.streak, between)

    @property
    def curves(self) -> dict[str, Any]:
        """What the figure draws, of all samples."""
        return self._curves.plain()

    def page_samples(self, texts: Texts) -> list[PageSample]:
        """Return the samples to show, in the order of the steps.

        Args:
            texts: finds their texts.
        """
        shown = {(each.output, each.row.row): each for each in (*self._chosen.items, *self._always.found)}
        chosen = sorted(shown.values(), key=lambda each: (each.row.step, each.place))
        found = texts(list(shown))
        longest = min(MOST_BYTES, max(FEWEST_BYTES, BYTES // max(1, len(chosen))))
        return [
            page_sample(each, mark(*found[each.output, each.row.row][:2], self._lexicon, longest))
            for each in chosen
        ]


class _Always:
    """The samples that are always shown: those of the halt, the last good one before, the worst, the best."""

    def __init__(self) -> None:
        self._worst_low, self._worst = Lowest(), Lowest()
        self._best: GatedSample | None = None
        self._fine: GatedSample | None = None  # the last one
        self._before: GatedSample | None = None  # the last fine one before the streak
        self._streak: list[GatedSample] = []
        self._halt: list[GatedSample] = []  # what halted the run, and the last fine one before

    def see(self, judged: GatedSample) -> None:
        if not judged.counts:
            return
        mean = judged.scores.mean
        self._worst.see(mean, judged)
        if judged.verdict.low:
            self._worst_low.see(mean, judged)
        if self._best is None or mean > self._best.scores.mean:
            self._best = judged
        if not judged.verdict.collapsed or judged.verdict.streak:  # up to the halt, and with it
            self._follow(judged)

    def _follow(self, judged: GatedSample) -> None:
        verdict = judged.verdict
        if not verdict.streak:
            self._streak = []
        if not verdict.low:
            self._fine = judged
            return
        if not self._streak:
            self._before = self._fine
        self._streak = [*self._streak, judged][-verdict.patience :]
        if verdict.collapsed:
            self._halt = [*filter(None, [self._before]), *self._streak]

    @property
    def found(self) -> list[GatedSample]:
        worst = self._worst_low.found or self._worst.found
        return [*worst, *filter(None, (self._best, self._fine)), *self._halt]


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
    )


def rounded_down(scores: Scores) -> tuple[float | None, ...]:
    """Return the four scores rounded down to a tenth."""
    return tuple(None if value is None else floor(value * 10) / 10 for value in scores.values)
