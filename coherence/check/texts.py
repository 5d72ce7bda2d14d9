"""The texts that a check shows: the worst samples behind its result, each next to one that a snapshot keeps.

Source: docs/ci.md, "Before and after".
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice, zip_longest
from statistics import median

import numpy as np

from coherence.check.compare import SHARES, Comparison
from coherence.check.compared import BETWEEN, OF_SAMPLES, WITHIN, columns_of
from coherence.check.samples import CheckpointScores
from coherence.check.snapshot import EMPTY, SHORT, Kept, Snapshot, encodable
from coherence.check.statistics import Floats
from coherence.report import FourScores, OriginRecord, Written
from coherence.scoring.profile import SCALES
from coherence.scoring.scores import mean_of
from coherence.scoring.text import answer

HEAVIEST = 3

HALVED = 50
"""Points for a sample of half the length."""

LONGEST, LONGEST_PROMPT = 2_000, 500
"""Characters that are kept of an answer and of its prompt."""

SAME = "the same prompt"
OTHER = "another prompt: none of the texts from before is of this prompt"
UNKNOWN = "no prompts are known: a text that scored as usual"


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


@dataclass(frozen=True, kw_only=True)
class BeforeAndNow(Written):
    """A text from before and one of the worst texts of now, to compare side by side.

    Attributes:
        same_prompt: whether both are answers to one prompt.
        why: why this pair, in words.
        before: a text that the snapshot keeps.
        now: one of the worst samples behind the result.
    """

    same_prompt: bool
    why: str
    before: Kept
    now: Heavy


def keep_texts(scored: CheckpointScores, count: int) -> Snapshot:
    """Return the snapshot of samples with the texts of some representative ones.

    One text per prompt, then a second round, and so on: first the sample whose mean score is the median of
    its prompt, then its neighbours. If there are more prompts than texts, evenly spaced ones are chosen.
    """
    prompts = _by_prompt(scored)
    if 0 < count < len(prompts):
        prompts = [prompts[number * len(prompts) // count] for number in range(count)]
    rounds = chain.from_iterable(zip_longest(*prompts))
    places = [place for place in rounds if place is not None][:count]
    return replace(scored.snapshot, texts=tuple(_kept(scored, place) for place in places))


def _by_prompt(scored: CheckpointScores) -> list[list[int]]:
    """Return the indices of the samples of each prompt, those nearest to the median of their scores first.

    If all samples of a prompt are too short to judge, they are used; samples without text never are.
    """
    found: defaultdict[str, list[int]] = defaultdict(list)
    samples = scored.sample_set
    for place, (name, state) in enumerate(zip(samples.prompts, samples.states, strict=True)):
        if state != EMPTY:
            found[name].append(place)
    judged = [[place for place in each if samples.states[place] != SHORT] or each for each in found.values()]
    return [_from_the_middle(sorted(each, key=lambda place: scored.scores[place].mean)) for each in judged]


def _from_the_middle(places: Sequence[int]) -> list[int]:
    """Return the indices in the order of their distance from the middle one.

    >>> _from_the_middle([4, 5, 6, 7])
    [5, 4, 6, 7]
    """
    middle = (len(places) - 1) // 2
    return [places[rank] for rank in sorted(range(len(places)), key=lambda rank: abs(rank - middle))]


def _kept(scored: CheckpointScores, place: int) -> Kept:
    read = scored.reads[place]
    text = encodable(answer(read.sample.text, read.prompt))
    return Kept(
        key=scored.sample_set.prompts[place],
        prompt=None if read.prompt is None else encodable(read.prompt[:LONGEST_PROMPT]),
        text=text[:LONGEST],
        left_out=max(0, len(text) - LONGEST),
        mean=round(scored.scores[place].mean, 1),
    )


def before_and_now(
    snapshot: Snapshot, scored: CheckpointScores, worst: Mapping[int, Heavy], known: bool
) -> list[BeforeAndNow]:
    """Return the worst samples, each with a kept text: of its prompt, else one with a typical score.

    No text is shown twice, unless it is the only one of the prompt, and none next to the same one.

    Args:
        snapshot: holds the kept texts.
        scored: the samples of now.
        worst: those to show, by their index.
        known: whether prompts are known, so that those of both sides can be matched.
    """
    prompts = scored.sample_set.prompts
    usual = _usual(snapshot)
    others = sorted(snapshot.texts, key=lambda kept: abs(kept.mean - usual))
    pairs = []
    for place, heavy in worst.items():
        text = _kept(scored, place).text
        same = [kept for kept in snapshot.texts if known and kept.key and kept.key == prompts[place]]
        fresh = [kept for kept in same if kept in others]
        candidates = [*fresh, *same] if same else others
        before = next((kept for kept in candidates if kept.text != text), None)
        if before is not None:
            others = [kept for kept in others if kept is not before]
            why = SAME if same else OTHER if known and prompts[place] else UNKNOWN
            pairs.append(BeforeAndNow(same_prompt=bool(same), why=why, before=before, now=heavy))
    return pairs


def _usual(snapshot: Snapshot) -> float:
    """Return the median of the mean scores."""
    columns = snapshot.samples
    rows = zip(columns.bigram, columns.trigram, columns.english, columns.character, strict=True)
    return median([mean_of(row) for row in rows] or [0.0])
