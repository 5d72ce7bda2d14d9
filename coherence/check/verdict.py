"""Whether a checkpoint still writes as well as an earlier one: each comparison, and the verdict.

Source: docs/ci.md.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, NamedTuple

import numpy as np

from coherence.check import statistics
from coherence.check.samples import CheckpointScores
from coherence.check.snapshot import LOW, SHORT, Pairs, Provenance, SampleSet, Snapshot
from coherence.check.statistics import FEWEST, Change, Design, Floats
from coherence.readers.lines import Problems
from coherence.report import FourScores, OriginRecord, ProblemRecord, Written
from coherence.scoring.profile import SCALES

SHARES = ("low", "too short")
BETWEEN = "between"
HEAVIEST = 3

Grade = Literal["pass", "warning", "inconclusive", "fail"]


class Limits(NamedTuple):
    """When a comparison fails.

    Attributes:
        tolerance: points that a mean may fall, or a share rise.
        level: the chance of a false alarm, over all comparisons.
    """

    tolerance: float = 5.0
    level: float = 0.01

    def checked(self) -> "Limits":
        """Return the limits.

        Raises:
            ValueError: one of them is out of range.
        """
        if not 0 < self.tolerance <= 100:
            raise ValueError(f"tolerance {self.tolerance!r}; expected points above 0, at most 100")
        # Seven comparisons: a p-value of one in 10,000 is the smallest there is.
        if not 0.001 <= self.level <= 0.2:
            raise ValueError(f"level {self.level!r}; expected a chance from 0.001 to 0.2")
        return self


@dataclass(frozen=True, kw_only=True)
class Comparison(Written):
    """One thing that is compared, in points from 0 to 100.

    Attributes:
        name: of a score, `between` samples, or of a share: `low`, `too short`.
        before, now: the means; of several prompts those of each, weighted alike on both sides.
        interval: of the change; missed on each side with the chance `level`.
        p: how probable so large a change for the worse would be by chance, corrected for the comparisons.
        size_before, size_now: how many samples, or pairs of samples, were compared.
        needed: how many samples a side put a change of the tolerance beyond chance; None where no number
            does, because the two sides are of few prompts, and of different ones.
        verdict, sentence: what came out, in a word and in words.
    """

    name: str
    before: float
    now: float
    interval: tuple[float, float] | None
    p: float
    size_before: int
    size_now: int
    needed: int | None
    verdict: Grade
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Heavy(Written):
    """A sample that weighs much in what changed for the worse; `times` samples have this text."""

    step: int | None
    scores: FourScores
    low: bool
    times: int
    text: str
    prompt: str | None
    origin: OriginRecord


@dataclass(frozen=True, kw_only=True)
class Check(Written):
    """Everything that a check found out.

    Attributes:
        verdict: `fail` if the gate halts or a comparison fails; `too few` if there are not enough samples
            to compare anything; `inconclusive` if a comparison is; else `pass`, warnings or not.
        snapshot: the file.
        halt, halt_reason: whether the gate halts on the samples in order, and why.
        tolerance, level: see `Limits`.
        by: what was held fixed: `prompt`, `source`, the key that was asked for, or nothing.
        samples_before, samples_now: how many there are.
        comparisons: each thing compared.
        heaviest: the samples that weigh most in what changed for the worse.
        notes: what the reader should know of the data, in sentences.
        problem_count, problems: lines that were not used; the first of them are listed.
        made: what both sides were scored with.
    """

    format: Literal[1] = 1
    verdict: Literal["pass", "fail", "inconclusive", "too few"]
    snapshot: str
    halt: bool
    halt_reason: str | None
    tolerance: float
    level: float
    by: str | None
    samples_before: int
    samples_now: int
    comparisons: tuple[Comparison, ...]
    heaviest: tuple[Heavy, ...]
    notes: tuple[str, ...]
    problem_count: int
    problems: tuple[ProblemRecord, ...]
    made: Provenance

    def of(self, *verdicts: Grade) -> list[Comparison]:
        """Return the comparisons that came out so."""
        return [each for each in self.comparisons if each.verdict in verdicts]


class _Table(NamedTuple):
    """Both sides of what is compared, a column each; a fall is a change for the worse."""

    names: Sequence[str]
    values: Floats
    design: Design


def check_scores(
    snapshot: Snapshot,
    scored: CheckpointScores,
    limits: Limits | None = None,
    name: str = "",
    notes: Sequence[str] = (),
    problems: Problems | None = None,
) -> Check:
    """Compare the samples of a checkpoint with a snapshot.

    Args:
        snapshot: of an earlier one.
        scored: the samples of the later one.
        limits: when a comparison fails.
        name: of the snapshot's file.
        notes: what readers found out about the data.
        problems: lines that were not used.

    Raises:
        ValueError: the settings differ from those of the snapshot, or a limit is out of range.
    """
    limits, problems = (limits or Limits()).checked(), problems or Problems()
    if differences := scored.snapshot.made.differences(snapshot.made):
        raise ValueError(
            f"{name or 'the snapshot'} was made with other settings: {'; '.join(differences)}; "
            "give the same, or make it anew"
        )
    by, tables, said = _tables(snapshot, scored.snapshot)
    comparisons = _compared(tables, limits)
    compared = {each.name for each in comparisons}
    if missing := [name for name in (*SCALES, *SHARES, BETWEEN) if name not in compared]:
        said.append(f"not compared, for want of values on both sides: {', '.join(missing)}")
    enough = min(len(snapshot.samples.states), len(scored.sample_set.states)) >= FEWEST
    return Check(
        verdict=_verdict(scored, comparisons, enough),
        snapshot=name,
        halt=scored.halt_reason is not None,
        halt_reason=scored.halt_reason,
        tolerance=limits.tolerance,
        level=limits.level,
        by=by,
        samples_before=snapshot.drawn,
        samples_now=scored.snapshot.drawn,
        comparisons=tuple(comparisons),
        heaviest=tuple(_heaviest(scored, comparisons)),
        notes=(*notes, *said),
        problem_count=problems.count,
        problems=tuple(map(ProblemRecord.of, problems.listed)),
        made=snapshot.made,
    )


def _verdict(
    scored: CheckpointScores, comparisons: Sequence[Comparison], enough: bool
) -> Literal["pass", "fail", "inconclusive", "too few"]:
    verdicts = {each.verdict for each in comparisons}
    if scored.halt_reason is not None or "fail" in verdicts:
        return "fail"
    if not enough:
        return "too few"
    return "inconclusive" if "inconclusive" in verdicts else "pass"


def _tables(before: Snapshot, now: Snapshot) -> tuple[str | None, list[_Table], list[str]]:
    """Return what is held fixed, what is compared, and what is to be said of it."""
    sides = before.to_sample_set(), now.to_sample_set()
    by, notes = _hold_fixed(*sides, before.made.group_by)
    columns = np.concatenate([_columns(side) for side in sides])
    tables = [_Table((*SCALES, *SHARES), columns, _design(*sides, by))]
    pairs = before.to_pairs(), now.to_pairs()
    if all(len(side.diversity) for side in pairs):
        if pairs[0].by == pairs[1].by:
            column = np.concatenate([side.diversity for side in pairs])[:, None]
            tables.append(_Table((BETWEEN,), column, _design(*pairs, by)))
        else:
            notes.append(f"pairs of the snapshot are of one {pairs[0].by}, these of one {pairs[1].by}")
    return by, tables, notes


def _hold_fixed(before: SampleSet, now: SampleSet, group_by: str | None) -> tuple[str | None, list[str]]:
    """Return what both sides share enough of to hold it fixed, and what to say of the rest."""
    names = [group_by] if group_by else ["prompt", "source"]
    for by in names:
        keys = _keys(before, by), _keys(now, by)
        if any(map(any, keys)) and statistics.shared_strata(*keys) is not None:
            shared = set(keys[0]).intersection(keys[1])
            rest = [sum(name not in shared for name in side) for side in keys]
            said = f"{rest[0]} samples before and {rest[1]} now are of a {by} that the other side lacks"
            return by, [said] if any(rest) else []
    known = [by for by in names if any(_keys(before, by)) and any(_keys(now, by))]
    return None, [f"the {by}s of the two sides differ, so none is held fixed" for by in known[:1]]


def _design(before: SampleSet | Pairs, now: SampleSet | Pairs, by: str | None) -> Design:
    """Return which samples may change sides: those of one stratum.

    Samples of a prompt that is not held fixed are drawn together, and change sides together.
    """
    design = Design.plain(len(before.prompts), len(now.prompts))
    keys = (_keys(before, by), _keys(now, by)) if by else ([], [])
    strata = statistics.shared_strata(*keys)
    if strata is not None:
        design = design._replace(strata=np.concatenate(strata))
    shared = set(before.prompts).intersection(now.prompts) if by == "prompt" else set()
    numbers: dict[tuple[object, ...], int] = {}
    rows = zip([*before.prompts, *now.prompts], design.now.tolist(), design.strata.tolist(), strict=True)
    units = [
        numbers.setdefault((place,) if not row[0] or row[0] in shared else row, len(numbers))
        for place, row in enumerate(rows)
    ]
    return design._replace(units=np.array(units, np.int64))


def _keys(side: SampleSet | Pairs, by: str) -> Sequence[str]:
    return side.prompts if by == "prompt" else side.groups


def _columns(samples: SampleSet) -> Floats:
    """Return what is compared of each sample; a share as 0 or 100 below nothing, so that a rise is a fall."""
    states = np.array(list(samples.states), "U1")
    scores = np.where((states == SHORT)[:, None], math.nan, samples.scores)
    return np.column_stack([scores, -100.0 * (states == LOW), -100.0 * (states == SHORT)])


class _ColumnResult(NamedTuple):
    """What was found out about one column, before it is corrected for there being several."""

    name: str
    change: Change
    p: float


def _compared(tables: Sequence[_Table], limits: Limits) -> list[Comparison]:
    found = []
    for table in tables:
        p_values = statistics.fall_p_values(table.values, table.design, limits.level)
        for name, column, p in zip(table.names, table.values.T, p_values.tolist(), strict=True):
            change = statistics.measure_change(column, table.design)
            if change is not None:
                found.append(_ColumnResult(name, change, p))
    adjusted = statistics.holm([each.p for each in found])
    return [
        _comparison(each._replace(p=p), len(found), limits) for each, p in zip(found, adjusted, strict=True)
    ]


def _comparison(found: _ColumnResult, several: int, limits: Limits) -> Comparison:
    name, change, p = found
    if name in SHARES:  # they were turned round, so that a rise is a fall
        change = change._replace(before=abs(change.before), now=abs(change.now))
    needed = _needed(name, change, limits.tolerance, limits.level / several)
    enough = min(change.size_before, change.size_now) >= FEWEST and needed <= change.size
    sees = enough and change.least <= limits.level / several
    samples = None if enough and not sees else 2 * needed if name == BETWEEN else needed
    verdict = _judge(_worse(name, change), p, sees, min(change.size_before, change.size_now), limits)
    return Comparison(
        name=name,
        before=change.before,
        now=change.now,
        interval=_interval(name, change, limits.level),
        p=p,
        size_before=change.size_before,
        size_now=change.size_now,
        needed=samples,
        verdict=verdict,
        sentence=_sentence(name, change, p, verdict, samples, limits),
    )


def _needed(name: str, change: Change, tolerance: float, level: float) -> int:
    """Return how many values of each side put a change of the tolerance beyond chance."""
    error = max(change.error, statistics.share_error(change, tolerance)) if name in SHARES else change.error
    return statistics.values_needed(change, error, tolerance, level)


def _interval(name: str, change: Change, level: float) -> tuple[float, float] | None:
    if name in SHARES:
        return statistics.share_interval(change, level)
    return statistics.interval(change, level) if math.isfinite(change.error) else None


def _worse(name: str, change: Change) -> float:
    return change.now - change.before if name in SHARES else change.before - change.now


def _judge(worse: float, p: float, sees: bool, size: int, limits: Limits) -> Grade:
    beyond_chance, beyond_tolerance = p <= limits.level, worse > limits.tolerance
    if size < FEWEST:
        return "inconclusive"
    if beyond_chance and beyond_tolerance:
        return "fail"
    if beyond_chance or beyond_tolerance:
        return "warning"
    return "pass" if sees else "inconclusive"


def _sentence(
    name: str, change: Change, p: float, verdict: Grade, samples: int | None, limits: Limits
) -> str:
    title, tolerance = title_of(name), f"{limits.tolerance:g}"
    unit = "pairs of samples" if name == BETWEEN else "samples"
    sizes = f"{change.size_before} {unit} before and {change.size_now} now"
    ends = f"{shown(change.before)} before, {shown(change.now)} now"
    worse = _worse(name, change)
    moved = (
        f"{title} {'rose' if name in SHARES else 'fell'} by {shown(worse, limits.tolerance)} points ({ends})"
    )
    chance = f"p = {p:.4f}"
    if verdict == "fail":
        return f"{moved}: more than the tolerance of {tolerance}, and beyond chance ({chance})"
    if verdict == "inconclusive":
        needed = None if samples is None else f"{samples} samples"
        return f"{title}: {sizes} are {too_few_for(limits.tolerance, f'({ends})', needed)}"
    if verdict == "pass":
        return f"{title}: {ends}, within the tolerance of {tolerance}"
    if worse > limits.tolerance:
        return f"{moved}: more than the tolerance of {tolerance}, but perhaps by chance ({chance})"
    return f"{moved}: beyond chance ({chance}), but within the tolerance of {tolerance}"


def too_few_for(tolerance: float, where: str, needed: str | None) -> str:
    """Return what samples are too few for, and what would do.

    >>> too_few_for(5, "in bigram", "120")
    'too few to tell a change of 5 points from chance in bigram; 120 a side would do'
    >>> too_few_for(5, "in bigram", None)
    'of too few prompts to tell a change of 5 points from chance in bigram; both sides should be of the same'
    """
    told = f"to tell a change of {tolerance:g} points from chance {where}"
    if needed is None:
        return f"of too few prompts {told}; both sides should be of the same"
    return f"too few {told}; {needed} a side would do"


def title_of(name: str) -> str:
    """Return what is compared as a sentence calls it.

    >>> title_of("bigram"), title_of("low"), title_of("between")
    ('the bigram score', 'the share of low samples', 'the diversity between samples')
    """
    if name == BETWEEN:
        return "the diversity between samples"
    if name == "low":
        return "the share of low samples"
    return "the share of samples too short to judge" if name in SHARES else f"the {name} score"


def shown(value: float, limit: float = math.nan) -> str:
    """Return points as they are read: to a tenth, or to as much as shows on which side of a limit they are.

    >>> shown(5.26), shown(5.004, 5.0), shown(4.996, 5.0), shown(5.0, 5.0)
    ('5.3', '5.004', '4.996', '5.0')
    """
    digits = next(
        (
            n
            for n in range(1, 9)
            if (round(value, n) > limit, round(value, n) < limit) == (value > limit, value < limit)
        ),
        9,
    )
    return f"{round(value, digits) + 0.0:.{digits}f}"


def _heaviest(scored: CheckpointScores, comparisons: Sequence[Comparison]) -> list[Heavy]:
    """Return the samples furthest below what was before, in what failed, else in what may have changed.

    No two of the same text, and none that weighs less than a tenth of the heaviest.
    """
    weights = _weights(scored, comparisons)
    texts = [read.sample.text.strip() for read in scored.reads]
    first: dict[str, int] = {}
    for place in np.argsort(-weights, kind="stable").tolist():
        if weights[place] >= weights.max() / 10:
            first.setdefault(texts[place], place)
    times = Counter(texts)
    return [_heavy(scored, place, times[text]) for text, place in islice(first.items(), HEAVIEST)]


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
    """Return how much each sample adds to the changes for the worse."""
    columns = dict(zip((*SCALES, *SHARES), _columns(scored.sample_set).T, strict=True))
    columns[BETWEEN] = np.full(len(scored.reads), math.nan)
    for pair, diversity in zip(scored.members, scored.pairs.diversity.tolist(), strict=True):
        columns[BETWEEN][list(pair)] = diversity
    verdicts = {each.verdict for each in comparisons}
    telling = next((each for each in ("fail", "warning") if each in verdicts), None)
    weights = np.zeros(len(scored.reads))
    for each in comparisons:
        if each.verdict == telling or (telling is None and each.name in SCALES):
            before = -each.before if each.name in SHARES else each.before
            weights += np.nan_to_num(before - columns[each.name])
    return weights
