"""The audit: samples scored, the gate replayed over them, the loss beside it, all in one report.

Source: docs/report.md.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import groupby, pairwise
from operator import attrgetter

from coherence.diagnosis import Diagnosis
from coherence.gate import Gate, Verdict
from coherence.lexicon import Lexicon
from coherence.loops import find_loop
from coherence.loss import LossTracker, phases
from coherence.profile import Profile
from coherence.records import (
    DiagnosisRecord,
    Event,
    FourScores,
    LossRecord,
    LossRow,
    PhaseRecord,
    Problem,
    Report,
    Sample,
    ScoredSample,
    Settings,
    ShownSample,
    SourceRecord,
    StepDiversity,
)
from coherence.samples import ALIKE_BELOW
from coherence.scores import Scores
from coherence.signals import Signals

WORST, BEST = 3, 1

SMMA_WINDOW = 100
"""Rows of loss; a log of few rows is smoothed over a tenth of them, or its SMMA would never arrive."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to audit.

    Attributes:
        threshold, patience, window, warmup: of the gate.
        observe: decide and report only.
        vocab_size: for the uniform baseline of the loss.
        seconds_per_step: to turn steps into time where samples carry none.
        profile: the reference to score against.
        lexicon: the words that count as English.
    """

    threshold: float = 30.0
    patience: int = 5
    window: int | None = None
    warmup: int = 0
    observe: bool = False
    vocab_size: int | None = None
    seconds_per_step: float | None = None
    profile: Profile | None = None
    lexicon: Lexicon | None = None


@dataclass(frozen=True, slots=True)
class _Judged:
    """A sample with its scores, the gate's verdict, and loss and SMMA at that step."""

    sample: Sample
    scores: Scores
    verdict: Verdict
    loss: float | None
    smma: float | None

    @property
    def fine(self) -> bool:
        return self.scores.scorable and not self.verdict.low

    @property
    def counts(self) -> bool:
        return self.verdict.low or self.scores.scorable


class _Replay:
    """The run once more: loss rows and samples in the order of their steps."""

    def __init__(self, losses: Sequence[LossRow], options: Options) -> None:
        self.options = options
        self.losses = sorted(losses, key=attrgetter("step"))
        window = min(SMMA_WINDOW, max(1, len(losses) // 10))
        self.loss = LossTracker(options.vocab_size, window)
        gate = Gate(options.threshold, options.patience, options.window, options.warmup, options.observe)
        self.signals = Signals(gate, self.loss, options.lexicon, options.profile)
        self.judged: list[_Judged] = []
        self.between: list[StepDiversity] = []
        self.coherent: list[tuple[float | None, int]] = []  # (SMMA, step)
        self.halted: _Judged | None = None
        self.diagnosis: Diagnosis | None = None
        self._fed = 0

    def run(self, samples: Iterable[Sample]) -> None:
        """Go through the samples, then through what losses are left."""
        for step, group in groupby(sorted(samples, key=attrgetter("step")), key=attrgetter("step")):
            self._feed(step)
            self._take_step(step, list(group))
        self._feed(None)
        if self.diagnosis is None:
            self.diagnosis = self.signals.diagnosis

    def _feed(self, step: int | None) -> None:
        """Bring the loss up to a step, or to its end."""
        while self._fed < len(self.losses) and (step is None or self.losses[self._fed].step <= step):
            row = self.losses[self._fed]
            self.loss.update(step=row.step, loss=row.loss, source=row.source)
            self._fed += 1

    def _take_step(self, step: int, samples: list[Sample]) -> None:
        judged = [self._judge(sample) for sample in samples]
        self.judged += judged
        alike = self._compare([each.sample for each in judged if each.scores.scorable])
        counted = [each for each in judged if each.counts]
        fine = bool(counted) and all(each.fine for each in counted)
        if fine and not alike and self.loss.trend != "not finite":
            self.coherent.append((self.loss.smma, step))

    def _judge(self, sample: Sample) -> _Judged:
        scores, verdict = self.signals.judge(sample.text, sample.prompt, sample.step, sample.index)
        judged = _Judged(sample, scores, verdict, self.loss.loss, self.loss.smma)
        if verdict.collapsed and self.halted is None:
            self.halted = judged
            self.diagnosis = self.signals.diagnosis
        return judged

    def _compare(self, samples: list[Sample]) -> bool:
        """Compare the samples of one step; tell whether they are alike."""
        diversity = self.signals.compare([(sample.text, sample.prompt) for sample in samples])
        if diversity is None:
            return False
        self.between.append(
            StepDiversity(step=samples[0].step, samples=len(samples), diversity=round(diversity, 2))
        )
        return diversity < ALIKE_BELOW

    def resume_from(self) -> int | None:
        """Return the step of the lowest SMMA whose samples were coherent, before the collapse began."""
        collapse = self.halted.verdict.samples[0][0] if self.halted else None
        before = [(smma, step) for smma, step in self.coherent if collapse is None or step < collapse]
        if smoothed := [(smma, step) for smma, step in before if smma is not None]:
            return min(smoothed)[1]
        return before[-1][1] if before else None

    def last_step(self) -> int:
        """Return the last step that samples or losses tell of."""
        return max([self.judged[-1].sample.step, *(row.step for row in self.losses[-1:])])


def audit(
    samples: Iterable[Sample],
    losses: Sequence[LossRow] = (),
    options: Options | None = None,
    notes: Sequence[str] = (),
    problem_count: int = 0,
    problems: Sequence[Problem] = (),
    events: Sequence[Event] = (),
) -> Report:
    """Replay a run from its samples and losses and return the two-signal report.

    Samples are taken in the order of their steps, those of one step in the order given. The diagnosis is
    the one at the halt, or at the end of a run that was not halted.

    Args:
        samples: of the run; at least one.
        losses: of the run; without any the report speaks of the samples alone.
        options: how to audit.
        notes: what readers found out about the data, for the report.
        problem_count: how many lines could not be used.
        problems: the first of them.
        events: what was done to the run, for the report.

    Raises:
        ValueError: there is no sample, or an option is out of range.
    """
    replay = _Replay(losses, options or Options())
    replay.run(samples)
    if not replay.judged:
        raise ValueError("no samples to audit")
    return _report(replay, [*notes, *_notes(replay)], problem_count, problems, events)


def _report(
    replay: _Replay,
    notes: Sequence[str],
    problem_count: int,
    problems: Sequence[Problem],
    events: Sequence[Event],
) -> Report:
    judged, halted = replay.judged, replay.halted
    steps = [each.sample.step for each in judged]
    ranked = sorted((each for each in judged if each.counts), key=_mean_score)
    distinct = _distinct(ranked)
    worst = ([each for each in distinct if each.verdict.low] or distinct)[:WORST]
    return Report(
        halt=halted is not None,
        halt_step=halted.verdict.step if halted else None,
        halt_reason=halted.verdict.reason if halted else None,
        first_low_step=next((each.sample.step for each in judged if each.verdict.low), None),
        first_step=steps[0],
        last_step=steps[-1],
        judged=len(ranked),
        low=sum(each.verdict.low for each in judged),
        too_short=len(judged) - len(ranked),
        fine_after_halt=sum(each.fine and each.verdict.collapsed for each in judged),
        diagnosis=_diagnosis_record(replay),
        loss=_loss_record(replay) if replay.losses else None,
        resume_from=replay.resume_from(),
        wasted_steps=replay.last_step() - halted.verdict.step if halted else 0,
        wasted_seconds=_wasted_seconds(replay),
        samples=tuple(_scored(each) for each in judged),
        worst=tuple(_shown(each) for each in worst),
        best=tuple(_shown(each) for each in distinct[-BEST:] if each not in worst),
        between=tuple(replay.between),
        events=tuple(events),
        notes=tuple(notes),
        problem_count=problem_count,
        problems=tuple(problems),
        settings=_settings(replay.options),
    )


def _distinct(ranked: Sequence[_Judged]) -> list[_Judged]:
    """Return the samples without those that say the same as one before: three empty ones teach nothing."""
    firsts: dict[str, _Judged] = {}
    for each in ranked:
        firsts.setdefault(each.sample.text.strip(), each)
    return list(firsts.values())


def _mean_score(judged: _Judged) -> float:
    values = [value for value in judged.scores.values if value is not None]
    return sum(values) / len(values) if values else 0.0


def _scored(judged: _Judged) -> ScoredSample:
    return ScoredSample(
        step=judged.sample.step,
        index=judged.sample.index,
        scores=FourScores.of(judged.scores),
        tokens=judged.scores.tokens,
        low=judged.verdict.low,
        streak=judged.verdict.streak,
        loss=judged.loss,
        smma=judged.smma,
    )


def _shown(judged: _Judged) -> ShownSample:
    sample = judged.sample
    return ShownSample(
        step=sample.step,
        index=sample.index,
        scores=FourScores.of(judged.scores),
        text=sample.text,
        prompt=sample.prompt,
        loop=find_loop(sample.text, sample.prompt),
        origin=sample.origin,
    )


def _wasted_seconds(replay: _Replay) -> float | None:
    if replay.halted is None:
        return None
    last, halted = replay.judged[-1].sample, replay.halted.sample
    if last.time is not None and halted.time is not None:
        return round(last.time - halted.time, 3)
    per_step = replay.options.seconds_per_step
    return None if per_step is None else round((last.step - halted.step) * per_step, 3)


def _diagnosis_record(replay: _Replay) -> DiagnosisRecord:
    return DiagnosisRecord.of(replay.diagnosis or replay.signals.diagnosis)


def _loss_record(replay: _Replay) -> LossRecord:
    tracker, rows = replay.loss, replay.losses
    finite = [row for row in rows if abs(row.loss) < float("inf")]
    minimum = tracker.minimum
    return LossRecord(
        rows=len(rows),
        not_finite=len(rows) - len(finite),
        window=tracker.window,
        first=finite[0].loss if finite else None,
        last=finite[-1].loss if finite else None,
        smma=tracker.smma,
        perplexity=tracker.perplexity,
        uniform_baseline=tracker.uniform_baseline,
        advantage=tracker.advantage,
        trend=tracker.trend,
        minimum=minimum.smma if minimum else None,
        minimum_step=minimum.step if minimum else None,
        phases=tuple(
            PhaseRecord(label=p.label, start=int(p.start), end=int(p.end), first=p.first, last=p.last)
            for p in phases([row.step for row in rows], [row.loss for row in rows])
        ),
        sources={
            name: SourceRecord(loss=seen.loss, smma=seen.smma) for name, seen in tracker.sources.items()
        },
    )


def _notes(replay: _Replay) -> list[str]:
    notes = []
    if replay.losses and replay.loss.window != SMMA_WINDOW:
        notes.append(f"{len(replay.losses)} rows of loss: SMMA over {replay.loss.window} of them")
    if alike := [each.step for each in replay.between if each.diversity < ALIKE_BELOW]:
        notes.append(
            f"alike: at {len(alike)} of {len(replay.between)} steps, the first {alike[0]}, the samples of "
            "the step share more than half of what they could"
        )
    if _look_greedy([each.sample for each in replay.judged]):
        notes.append(
            "many samples equal the one before word for word: they look greedy, and greedy decoding loops "
            "in healthy models too; draw them at a temperature"
        )
    if replay.halted and _recovered(replay):
        notes.append(
            "the last samples are fine again: if the model was merely young at the halt, set a warmup"
        )
    return notes


def _recovered(replay: _Replay) -> bool:
    """Tell whether the last samples, as many as would halt, are fine after the halt."""
    last = [each for each in replay.judged if each.counts][-replay.options.patience :]
    return all(each.fine and each.verdict.collapsed for each in last)


def _look_greedy(samples: Sequence[Sample]) -> bool:
    """Tell whether half of the samples with text repeat the one of the step before."""
    texts: dict[tuple[int, str | None], list[str]] = {}
    for sample in samples:
        if sample.text.strip():
            texts.setdefault((sample.index, sample.prompt), []).append(sample.text)
    pairs = [before == after for column in texts.values() for before, after in pairwise(column)]
    return len(pairs) >= 3 and sum(pairs) > len(pairs) / 2


def _settings(options: Options) -> Settings:
    return Settings(
        version=version("coherence"),
        threshold=options.threshold,
        patience=options.patience,
        window=options.window,
        warmup=options.warmup,
        observe=options.observe,
        lexicon=(options.lexicon or Lexicon.load()).name,
        profile=(options.profile or Profile.load()).name,
    )
