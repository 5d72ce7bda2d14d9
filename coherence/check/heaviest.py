"""Finds the worst samples behind the result of a check.

Source: docs/ci.md.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from coherence.check.compare import SHARES, Comparison
from coherence.check.compared import BETWEEN, OF_SAMPLES, WITHIN, columns_of
from coherence.check.samples import CheckpointScores
from coherence.check.statistics import Floats
from coherence.report import FourScores, OriginRecord, Written
from coherence.scoring.profile import SCALES

HEAVIEST = 3

HALVED = 50
"""Points for a sample of half the length."""


@dataclass(frozen=True, kw_only=True)
class Heavy(Written):
    """One of the worst samples behind a result; `times` samples have this text."""

    step: int | None
    scores: FourScores
    low: bool
    times: int
    text: str
    prompt: str | None
    origin: OriginRecord


def heaviest(scored: CheckpointScores, comparisons: Sequence[Comparison]) -> dict[int, Heavy]:
    """Return the samples furthest below the mean before, in failed comparisons, else in the scores.

    By their index. Each text occurs once, and samples below a tenth of the largest weight are left out.
    """
    weights = _weights(scored, comparisons)
    least = weights.max(initial=0) / 10
    texts = [read.sample.text.strip() for read in scored.reads]
    first: dict[str, int] = {}
    for place in np.argsort(-weights, kind="stable").tolist():
        if weights[place] > 0 and weights[place] >= least:
            first.setdefault(texts[place], place)
    times = Counter(texts)
    return {place: _heavy(scored, place, times[text]) for text, place in islice(first.items(), HEAVIEST)}


def _heavy(scored: CheckpointScores, place: int, times: int) -> Heavy:
    (_, _, sample, prompt), scores = scored.reads[place], scored.scores[place]
    return Heavy(
        step=sample.step,
        scores=FourScores.of(scores),
        low=scores.low(),
        times=times,
        text=sample.text,
        prompt=prompt,
        origin=OriginRecord.of(sample.origin),
    )


def _weights(scored: CheckpointScores, comparisons: Sequence[Comparison]) -> Floats:
    """Return how much each sample contributes to the changes for the worse."""
    columns = dict(zip(OF_SAMPLES, columns_of(scored.sample_set).T, strict=True))
    for name, (pairs, members) in ((WITHIN, scored.within), (BETWEEN, scored.between)):
        columns[name] = np.full(len(scored.reads), np.nan)
        for pair, diversity in zip(members, pairs.diversity.tolist(), strict=True):
            columns[name][list(pair)] = diversity
    failed = [each for each in comparisons if each.verdict == "fail"]
    weights = np.zeros(len(scored.reads))
    for each in failed or [each for each in comparisons if each.name in SCALES]:
        points = HALVED if each.name == "length" else 1
        weights += points * np.nan_to_num(_before(each) - columns[each.name])
    return weights


def _before(each: Comparison) -> float:
    """Return the mean before, in the units of the columns."""
    if each.name == "length":
        return math.log2(each.before)
    return -each.before if each.name in SHARES else each.before
