"""Decides whether a checkpoint still writes as well as an earlier one: the comparisons and the verdict.

Source: docs/ci.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from coherence.check.compare import OTHER_TESTS, Comparison, Grade, Limits, compare
from coherence.check.compared import BETWEEN
from coherence.check.history import Drift, drifts
from coherence.check.other_tests import collapsed_prompts
from coherence.check.samples import CheckpointScores
from coherence.check.sentences import collapsed_sentence
from coherence.check.sides import Sides
from coherence.check.snapshot import Provenance, Snapshot
from coherence.check.statistics import FEWEST
from coherence.check.texts import BeforeAndNow, Heavy, before_and_now, heaviest
from coherence.readers.lines import Problems
from coherence.report import ProblemRecord, Written
from coherence.scoring.profile import SCALES


@dataclass(frozen=True, kw_only=True)
class CollapsedPrompt(Written):
    """A prompt whose samples have collapsed while those of the others have not, with counts of bad ones."""

    prompt: str | None
    bad_before: int
    before: int
    bad_now: int
    now: int
    p: float
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Check(Written):
    """The result of a check.

    Attributes:
        verdict: `fail` if the gate halts, beyond chance, and did not on the snapshot, or a comparison fails,
            or a prompt has collapsed; `too few` if there are not enough samples to compare anything;
            `inconclusive` if a comparison is; else `pass`.
        snapshot: the file.
        halt, halt_reason: whether the gate halts on the samples in the order of their steps, and why.
        halted_before: whether it did on the samples of the snapshot.
        halt_by_chance: whether samples as those of the snapshot may halt it in some order.
        observe: whether the gate was asked not to decide.
        tolerance, level: see `Limits`.
        by: what the comparison was stratified by: `prompt`, `source`, the key that was asked for, or nothing.
        samples_before, samples_now: how many there are.
        comparisons: one for each quantity.
        prompts: those that have collapsed by themselves.
        drifts: what has changed since the oldest snapshot that this one replaced.
        heaviest: the worst samples behind the result.
        pairs: these samples with texts from before, if the check fails and the snapshot has texts.
        notes: what the reader should know about the data, in sentences.
        problem_count, problems: lines that were not used; the first of them are listed.
        made: how both sides were scored.
    """

    format: Literal[2] = 2
    verdict: Literal["pass", "fail", "inconclusive", "too few"]
    snapshot: str
    halt: bool
    halt_reason: str | None
    halted_before: bool
    halt_by_chance: bool = False
    observe: bool
    tolerance: float
    level: float
    by: str | None
    samples_before: int
    samples_now: int
    comparisons: tuple[Comparison, ...]
    prompts: tuple[CollapsedPrompt, ...]
    drifts: tuple[Drift, ...]
    heaviest: tuple[Heavy, ...]
    pairs: tuple[BeforeAndNow, ...] = ()
    notes: tuple[str, ...]
    problem_count: int
    problems: tuple[ProblemRecord, ...]
    made: Provenance

    def of(self, *verdicts: Grade) -> list[Comparison]:
        """Return the comparisons with these verdicts."""
        return [each for each in self.comparisons if each.verdict in verdicts]

    @property
    def worse_within(self) -> list[Comparison]:
        """Comparisons that changed for the worse beyond chance, but within the tolerance."""
        return [each for each in self.comparisons if each.is_worse and each.verdict == "pass"]

    @property
    def fails_by_itself(self) -> bool:
        """Whether it fails against this snapshot, regardless of older ones."""
        return self.gate_fails or bool(self.of("fail") or self.prompts)

    @property
    def gate_fails(self) -> bool:
        """Whether the gate fails the check: it halts beyond chance, decides, and did not on the snapshot."""
        return self.halt and not (self.observe or self.halted_before or self.halt_by_chance)


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
        notes: of the readers, about the data.
        problems: lines that were not used.

    Raises:
        ValueError: the settings differ from those of the snapshot, or a limit is out of range.
    """
    limits, problems = (limits or Limits()).checked(), problems or Problems()
    _refuse_other_settings(snapshot, scored, name)
    sides = Sides.of(snapshot, scored)
    comparisons = compare(sides.tables(), limits, sides.same)
    worst, level = heaviest(scored, comparisons), limits.level / (len(comparisons) + OTHER_TESTS)
    found = Check(
        verdict="pass",
        snapshot=name,
        halt=scored.halt_reason is not None,
        halt_reason=scored.halt_reason,
        halted_before=snapshot.halt_reason is not None,
        halt_by_chance=_halts_by_chance(sides, scored, level),
        observe=limits.observe,
        tolerance=limits.tolerance,
        level=limits.level,
        by=sides.by,
        samples_before=snapshot.drawn,
        samples_now=scored.snapshot.drawn,
        comparisons=tuple(comparisons),
        prompts=tuple(_collapsed(sides, scored, level)),
        drifts=tuple(drifts(snapshot, scored.snapshot, limits.tolerance, limits.level)),
        heaviest=tuple(worst.values()),
        notes=(*notes, *sides.notes, *_not_compared(comparisons)),
        problem_count=problems.count,
        problems=tuple(map(ProblemRecord.of, problems.listed)),
        made=snapshot.made,
    )
    enough = min(len(snapshot.samples.states), len(scored.sample_set.states)) >= FEWEST
    found = replace(found, verdict=_verdict(found, enough))
    fails = found.verdict == "fail"
    pairs = before_and_now(snapshot, scored, worst, sides.prompts_are_known) if fails else ()
    return replace(found, pairs=tuple(pairs))


def _refuse_other_settings(snapshot: Snapshot, scored: CheckpointScores, name: str) -> None:
    if differences := scored.snapshot.made.differences(snapshot.made):
        raise ValueError(
            f"{name or 'the snapshot'} was made with other settings: {'; '.join(differences)}; "
            "give the same, or make the snapshot again"
        )


def _halts_by_chance(sides: Sides, scored: CheckpointScores, level: float) -> bool:
    """Tell whether the gate may halt though nothing changed."""
    threshold = scored.how.settings.threshold
    return scored.halt is not None and (
        sides.same or scored.halt.may_be_chance(sides.before, threshold, level)
    )


def _verdict(found: Check, enough: bool) -> Literal["pass", "fail", "inconclusive", "too few"]:
    if found.fails_by_itself or found.drifts:
        return "fail"
    if not enough:
        return "too few"
    return "inconclusive" if found.of("inconclusive") else "pass"


def _not_compared(comparisons: Sequence[Comparison]) -> list[str]:
    compared = {each.name for each in comparisons}
    missing = [name for name in (*SCALES, BETWEEN) if name not in compared]
    return [f"not compared, because a side lacks values: {', '.join(missing)}"] if missing else []


def _collapsed(sides: Sides, scored: CheckpointScores, level: float) -> list[CollapsedPrompt]:
    if not sides.prompts_are_known:
        return []
    texts = dict(zip(scored.sample_set.prompts, (read.prompt for read in scored.reads), strict=True))
    return [
        CollapsedPrompt(
            **{**each._asdict(), "prompt": texts.get(each.prompt)},
            sentence=collapsed_sentence(each, texts.get(each.prompt)),
        )
        for each in collapsed_prompts(sides.before, sides.now, level)
    ]
