"""What the page of several runs shows of each: what was found, two short curves, and samples to read.

Source: docs/page.md, "Several runs".
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from math import ceil, fsum
from typing import Any, NamedTuple

from coherence.audit.build import Texts
from coherence.audit.rows import GatedSample
from coherence.report import Ranking, Report, ScoredSample
from coherence.scoring.lexicon import Lexicon
from coherence.show.page.gallery import page_sample
from coherence.show.page.marks import mark

MOST_RUNS = 500
"""Runs that a page shows: of more, the first and the last of the ranking."""

MOST_POINTS = 200
"""Points of a curve."""

POINTS = 40_000
"""Points of all curves of the same kind together."""

BYTES, FEWEST_BYTES, MOST_BYTES = 500_000, 200, 2000
"""Of all texts together; each is cut to its share."""

FACTS = (
    "headline",
    "halt",
    "halt_step",
    "halt_reason",
    "first_step",
    "last_step",
    "judged",
    "low",
    "diagnosis",
    "resume_from",
    "resume_reason",
    "wasted_steps",
    "recovered_since",
)
"""What the page shows of a report."""


class Curve(NamedTuple):
    """A curve over the steps."""

    steps: list[int]
    values: list[float | None]


class ShownRun(NamedTuple):
    """One of several runs as a page shows it.

    Attributes:
        run: its name.
        report: the fields of its report that are in `FACTS`, and whether its gate only observes.
        smoothed: the last smoothed loss.
        scores: the mean of each score over the last stretch.
        loss, mean: the smoothed loss, and the mean of the four scores.
        samples: to read, by what each is.
    """

    run: str
    report: dict[str, Any]
    smoothed: float | None
    scores: tuple[float | None, ...]
    loss: Curve
    mean: Curve
    samples: Mapping[str, GatedSample]


class Several:
    """Sees the runs of a dump one by one, and keeps little of each."""

    def __init__(self, lexicon: Lexicon | None = None) -> None:
        self._lexicon = lexicon or Lexicon.load()
        self._runs: dict[str, ShownRun] = {}

    def see_run(self, name: str, report: Report, samples: Mapping[str, GatedSample]) -> None:
        """Take one run."""
        loss = report.loss
        facts = {key: getattr(report, key) for key in FACTS}
        curve = Curve([], []) if loss is None else Curve(list(loss.curve.steps), list(loss.curve.smoothed))
        self._runs[name] = ShownRun(
            name,
            facts | {"diagnosis": vars(report.diagnosis), "observe": report.settings.observe},
            None if loss is None else loss.smoothed,
            report.stretches[-1].scores.values,
            shortened(curve, MOST_POINTS),
            shortened(_means(report), MOST_POINTS),
            samples,
        )

    def shown(self, ranking: Ranking, texts: Texts) -> list[dict[str, Any]]:
        """Return the runs to show, in the order of the ranking.

        Args:
            ranking: of all of them.
            texts: finds the texts of their samples.
        """
        names = [line.run for line in ranking.runs]
        if len(names) > MOST_RUNS:
            names = names[: MOST_RUNS // 2] + names[-MOST_RUNS // 2 :]
        runs = [self._runs[name] for name in names]
        wanted = [each.address for run in runs for each in run.samples.values()]
        found = texts(wanted)
        longest = min(MOST_BYTES, max(FEWEST_BYTES, BYTES // max(1, len(wanted))))
        points = max(2, min(MOST_POINTS, POINTS // len(runs)))

        def sample(judged: GatedSample) -> dict[str, Any]:
            text = found[judged.address]
            return page_sample(judged, mark(text.text, text.prompt, self._lexicon, longest))._asdict()

        return [
            run._asdict()
            | {
                "loss": shortened(run.loss, points)._asdict(),
                "mean": shortened(run.mean, points)._asdict(),
                "samples": {what: sample(each) for what, each in run.samples.items()},
            }
            for run in runs
        ]


def _means(report: Report) -> Curve:
    """Return the mean of the four scores over the steps, of all samples of a step together."""
    steps = [
        (step, [_mean(each.scores.values) for each in group])
        for step, group in groupby(report.samples, _step)
    ]
    return Curve([step for step, _ in steps], [_mean(values) for _, values in steps])


def _step(sample: ScoredSample) -> int:
    return sample.step


def shortened(curve: Curve, points: int) -> Curve:
    """Return a curve in fewer points: the mean of each stretch, at the step where the stretch begins.

    >>> shortened(Curve([10, 20, 30, 40, 50], [1.0, 3.0, None, None, 6.0]), 3)
    Curve(steps=[10, 30, 50], values=[2.0, None, 6.0])
    """
    size = max(1, ceil(len(curve.steps) / points))
    starts = range(0, len(curve.steps), size)
    return Curve(
        [curve.steps[start] for start in starts],
        [_mean(curve.values[start : start + size]) for start in starts],
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(fsum(known) / len(known), 4) if known else None
