"""The samples that a page shows: chosen while a run is gone through, their texts read again afterwards.

Source: docs/page.md, "The samples".
"""

from math import floor
from typing import Any, NamedTuple

from coherence.audit.build import Texts
from coherence.audit.rows import GatedSample
from coherence.scoring.lexicon import Lexicon
from coherence.scoring.scores import Scores
from coherence.show.page.evidence import MOST, Evidence, Witness
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


class _Numbered(NamedTuple):
    """A sample, and the how-manieth it is: no two have one number, so that they are sorted by it."""

    number: int
    judged: GatedSample


class Gallery:
    """Sees every judged sample of a run and remembers which to show."""

    def __init__(self, lexicon: Lexicon | None = None) -> None:
        self._lexicon = lexicon or Lexicon.load()
        self._count = 0
        self._chosen = Thinned[_Numbered](SAMPLES - MOST - 1)
        self._witness = Witness[_Numbered]()

    def see(self, judged: GatedSample) -> None:
        """Take one sample."""
        self._count += 1
        numbered, mean = _Numbered(self._count, judged), judged.scores.mean
        self._chosen.add(numbered, mean)
        place = judged.row.step, judged.place
        self._witness.see(numbered, judged.row.prompt, place, judged.verdict, mean)

    def shown(self, texts: Texts, halted: bool, resume_from: int | None) -> Shown:
        """Return the samples to show, in the order in which they came.

        Args:
            texts: finds their texts.
            halted: whether the run was halted.
            resume_from: the step to go back to.
        """
        of_step = [each for each in self._chosen.items if each.judged.row.step == resume_from]
        there = [each for each in of_step if each.judged.fine]
        evidence = self._witness.evidence(halted).going_back(there, lambda each: each.judged.row.prompt)
        proof = [*evidence.bad, *([evidence.good] if evidence.good else [])]
        chosen = sorted({each.number: each for each in (*self._chosen.items, *proof)}.values())
        found = texts([(each.judged.output, each.judged.row.row) for each in chosen])
        longest = min(MOST_BYTES, max(FEWEST_BYTES, BYTES // max(1, len(chosen))))
        pages = {}
        for number, judged in chosen:
            text, prompt, _ = found[judged.output, judged.row.row]
            pages[number] = page_sample(judged, mark(text, prompt, self._lexicon, longest))
        good = evidence.good and pages[evidence.good.number]
        return Shown(list(pages.values()), Evidence(good, tuple(pages[each.number] for each in evidence.bad)))


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
