"""The samples that a page shows: chosen while a run is gone through, their texts read again afterwards.

Source: docs/page.md, "The samples".
"""

from math import floor
from typing import Any, NamedTuple

from coherence.audit.build import Texts
from coherence.audit.rows import Address, GatedSample
from coherence.audit.summary import CANDIDATES, Lowest
from coherence.scoring.lexicon import Lexicon
from coherence.scoring.scores import Scores
from coherence.show.page.curves import Curves
from coherence.show.page.evidence import MOST, Evidence, Witness
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
        prompt, prompt_id, text, runs, left_out, loops, foreign: see `coherence.show.page.marks.MarkedText`.
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
    prompt_id: int
    text: str
    runs: str
    left_out: int
    loops: list[dict[str, Any]]
    foreign: bool


class Shown(NamedTuple):
    """The samples of a page, and those among them that show what its verdict says."""

    samples: list[PageSample]
    evidence: Evidence[PageSample]

    @property
    def plain_evidence(self) -> dict[str, Any]:
        """Those that show what the verdict says, as a page takes them."""
        good, bad = self.evidence
        return {"good": good and good._asdict(), "bad": [each._asdict() for each in bad]}


class Gallery:
    """Sees every judged sample of a run and remembers which to show."""

    def __init__(self, lexicon: Lexicon | None = None) -> None:
        self._lexicon = lexicon or Lexicon.load()
        self._chosen = Thinned[GatedSample](SAMPLES - MOST)
        self._witness = Witness[GatedSample]()
        self._worst_low, self._worst = Lowest(CANDIDATES), Lowest(CANDIDATES)
        self._best: GatedSample | None = None
        self._curves = Curves()

    def see(self, judged: GatedSample) -> None:
        """Take one sample."""
        row, verdict, mean = judged.row, judged.verdict, judged.scores.mean
        self._chosen.add(judged, mean)
        self._witness.see(judged, row.prompt, (row.step, judged.place), verdict, mean)
        between = row.between if row.compared else None
        self._curves.see(row.step, judged.scores, verdict.low, verdict.streak, between)
        if judged.counts:
            self._see_extremes(judged, mean)

    def _see_extremes(self, judged: GatedSample, mean: float) -> None:
        self._worst.see(mean, judged)
        if judged.verdict.low:
            self._worst_low.see(mean, judged)
        if self._best is None or mean > self._best.scores.mean:
            self._best = judged

    @property
    def curves(self) -> dict[str, Any]:
        """What the figure draws, of all samples."""
        return self._curves.plain()

    def shown(self, texts: Texts, halted: bool, resume_from: int | None) -> Shown:
        """Return the samples to show, in the order of the steps.

        Those that show what the verdict says, the worst and the best are always among them.

        Args:
            texts: finds their texts.
            halted: whether the run was halted.
            resume_from: the step to go back to.
        """
        there = [each for each in self._chosen.items if each.row.step == resume_from and each.fine]
        good, bad = self._witness.evidence(halted).going_back(there, lambda each: each.row.prompt)
        worst = self._worst_low.found or self._worst.found
        always = [*bad, *filter(None, (good, self._best)), *worst]
        chosen = {each.address: each for each in (*self._chosen.items, *always)}
        ordered = sorted(chosen.values(), key=lambda each: (each.row.step, each.place))
        pages = self._pages(ordered, texts)
        evidence = Evidence(good and pages[good.address], tuple(pages[each.address] for each in bad))
        return Shown(list(pages.values()), evidence)

    def _pages(self, ordered: list[GatedSample], texts: Texts) -> dict[Address, PageSample]:
        addresses = [each.address for each in ordered]
        found = texts(addresses)
        longest = min(MOST_BYTES, max(FEWEST_BYTES, BYTES // max(1, len(addresses))))
        return {
            address: page_sample(judged, mark(*found[address][:2], self._lexicon, longest))
            for address, judged in zip(addresses, ordered, strict=True)
        }


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
        prompt_id=marked.prompt_id,
        text=marked.text,
        runs=marked.runs,
        left_out=marked.left_out,
        loops=[loop._asdict() for loop in marked.loops],
        foreign=marked.foreign,
    )


def rounded_down(scores: Scores) -> tuple[float | None, ...]:
    """Return the four scores rounded down to a tenth."""
    return tuple(None if value is None else floor(value * 10) / 10 for value in scores.values)
