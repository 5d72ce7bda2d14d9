"""The results in their public format: the report of a run, a ranking of several runs, a status.

All classes are frozen, have a `format`, and refuse unknown fields. pydantic is loaded only for writing or
reading. Source: docs/report.md.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from importlib import import_module
from typing import Any, ClassVar, Literal, NamedTuple, Self, TypeVar

from coherence.readers.records import Mark, Origin, Problem
from coherence.scoring.loop import Loop
from coherence.scoring.profile import SCALES
from coherence.scoring.scores import Scores
from coherence.signals.both import Signals
from coherence.signals.diagnosis import Diagnosis
from coherence.signals.loss import LossTracker, SourceLoss
from coherence.signals.phases import Phase
from coherence.signals.settings import Settings, __version__

T = TypeVar("T")


def finite_or_none(value: T) -> T | None:
    """Return a value, but None for a number that is not finite, because JSON cannot hold such a number.

    >>> finite_or_none(2.5), finite_or_none(float("nan")), finite_or_none(float("-inf")), finite_or_none(None)
    (2.5, None, None, None)
    """
    return None if isinstance(value, float) and not abs(value) < float("inf") else value


Number = float | None
"""A number, or None if it was not finite."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """The base of all results that are written: frozen, without unknown fields.

    >>> @dataclass(frozen=True, kw_only=True)
    ... class Place(Written):
    ...     line: int
    >>> Place(line=2).to_json(), Place.from_json('{"line":2}')
    ('{"line":2}', Place(line=2))
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        """Replace numbers that are not finite by None: see `Number`."""
        for name, value in vars(self).items():
            if value is not finite_or_none(value):
                object.__setattr__(self, name, None)

    @classmethod
    def of_many(cls, *columns: Sequence[Any]) -> list[Self]:
        """Return many records from the columns of all their fields, in their order, with finite numbers.

        This takes a third of the time, because nothing is checked.

        >>> StepDiversity.of_many([100, 200], [8, 8], [80.0, 90.0])[1]
        StepDiversity(step=200, samples=8, diversity=90.0)
        """
        records = [object.__new__(cls) for _ in columns[0]]
        insides = list(map(vars, records))
        for named, column in zip(fields(cls), columns, strict=True):
            name = named.name
            for inside, value in zip(insides, column, strict=True):
                inside[name] = value
        return records

    def to_json(self, indent: int | None = None) -> str:
        """Return it as JSON text."""
        return str(import_module("pydantic_core").to_json(self, indent=indent, inf_nan_mode="null"), "utf-8")

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return dict(import_module("pydantic_core").to_jsonable_python(self, inf_nan_mode="null"))

    @classmethod
    def from_json(cls, written: str | bytes) -> Self:
        """Return it from JSON text.

        Raises:
            pydantic.ValidationError: a ValueError; the text is something else.
        """
        found: Self = import_module("pydantic").TypeAdapter(cls).validate_json(written)
        return found


@dataclass(frozen=True, kw_only=True)
class OriginRecord(Written):
    """Where a sample was read: a file, and a line counted from 1."""

    file: str
    line: int

    @classmethod
    def of(cls, origin: Origin) -> "OriginRecord":
        """Return the record of an origin."""
        return cls(**origin._asdict())


@dataclass(frozen=True, kw_only=True)
class ProblemRecord(Written):
    """A line that could not be used, or that a reader of the report should know about."""

    file: str
    line: int
    message: str

    @classmethod
    def of(cls, problem: Problem) -> "ProblemRecord":
        """Return the record of a problem."""
        return cls(**problem._asdict())


@dataclass(frozen=True, kw_only=True)
class EventRecord(Written):
    """An event during a run, such as a pivot or a restart.

    >>> EventRecord.of(Mark(1.7e9, "pivot", 420, {"brought_in": "code"})).details
    {'brought_in': 'code'}
    """

    step: int
    event: str
    details: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, mark: Mark) -> "EventRecord":
        """Return the record of an event."""
        return cls(step=mark.step, event=mark.event, details=dict(mark.details))


@dataclass(frozen=True, kw_only=True)
class FourScores(Written):
    """The four scores of a sample; null if a score has no meaning."""

    bigram: float | None
    trigram: float | None
    english: float | None
    character: float | None

    @classmethod
    def of(cls, scores: Scores) -> "FourScores":
        """Return the record of scores, which are not rounded, so that low scores stay below the threshold."""
        return cls(**dict(zip(SCALES, scores.values, strict=True)))

    @property
    def values(self) -> tuple[float | None, float | None, float | None, float | None]:
        """The four scores in the order bigram, trigram, english, character."""
        return self.bigram, self.trigram, self.english, self.character


@dataclass(frozen=True, kw_only=True)
class ScoredSample(Written):
    """A sample's scores, how the gate classified it, and the loss at its step, as logged and smoothed."""

    step: int
    index: int
    scores: FourScores
    tokens: int
    low: bool
    streak: int
    loss: Number
    smoothed: Number


@dataclass(frozen=True, kw_only=True)
class LoopRecord(Written):
    """The largest loop of a sample: see `coherence.scoring.loop.Loop`."""

    phrase: str
    times: int
    share: float
    period: int
    start: int

    @classmethod
    def of(cls, loop: Loop) -> "LoopRecord":
        """Return the record of a loop."""
        return cls(**loop._asdict())


@dataclass(frozen=True, kw_only=True)
class ShownSample(Written):
    """A sample worth reading, with the phrases it repeats."""

    step: int
    index: int
    scores: FourScores
    text: str
    prompt: str | None
    loop: LoopRecord | None
    origin: OriginRecord


@dataclass(frozen=True, kw_only=True)
class StretchRecord(Written):
    """A range of steps with about a twelfth of the samples: mean scores, and smoothed loss at its end."""

    first: int
    last: int
    scores: FourScores
    samples: int
    low: int
    smoothed: Number


@dataclass(frozen=True, kw_only=True)
class StepDiversity(Written):
    """How different the samples of one step are from each other, 0 to 100, and how many were compared."""

    step: int
    samples: int
    diversity: float


@dataclass(frozen=True, kw_only=True)
class DiagnosisRecord(Written):
    """The two signals, what they mean together, and what to do."""

    loss: str | None
    samples: str
    action: Literal["continue", "watch", "pivot", "halt"]
    name: str
    sentence: str

    @classmethod
    def of(cls, found: Diagnosis) -> "DiagnosisRecord":
        """Return the record of a diagnosis."""
        return cls(**found._asdict())


@dataclass(frozen=True, kw_only=True)
class SourceRecord(Written):
    """The loss of one source of the data mix."""

    loss: Number
    smma: Number
    smoothed: Number = None  # not in a status that an earlier version wrote

    @classmethod
    def of(cls, seen: SourceLoss) -> "SourceRecord":
        """Return the record of a source's loss."""
        return cls(**seen._asdict())

    @classmethod
    def of_each(cls, tracker: LossTracker) -> dict[str, "SourceRecord"]:
        """Return the records of all sources of a run, by their names."""
        return {name: cls.of(seen) for name, seen in tracker.sources.items()}


@dataclass(frozen=True, kw_only=True)
class PhaseRecord(Written):
    """One phase of the loss curve, found when the curve was complete."""

    label: str
    start: int
    end: int
    first: Number
    last: Number

    @classmethod
    def of(cls, phase: Phase) -> "PhaseRecord":
        """Return the record of a phase."""
        return cls(**phase._asdict() | {"start": int(phase.start), "end": int(phase.end)})


class CurvePoint(NamedTuple):
    """A point of a loss curve."""

    step: int
    loss: float | None
    smoothed: float | None


@dataclass(frozen=True, kw_only=True)
class CurveRecord(Written):
    """A curve over the steps, downsampled to the lowest and the highest loss of each range: spikes are kept.

    Attributes:
        steps, losses, smoothed: one entry a point; a loss is null if it was not finite.
    """

    steps: tuple[int, ...] = ()
    losses: tuple[Number, ...] = ()
    smoothed: tuple[Number, ...] = ()

    @classmethod
    def of(cls, points: Sequence[CurvePoint]) -> "CurveRecord":
        """Return the record of some points.

        >>> CurveRecord.of([CurvePoint(100, 3.4, 3.5), CurvePoint(200, float("nan"), 3.5)]).losses
        (3.4, None)
        """
        steps, losses, smoothed = zip(*points, strict=True) if points else ((), (), ())
        return cls(
            steps=steps,
            losses=tuple(map(finite_or_none, losses)),
            smoothed=tuple(map(finite_or_none, smoothed)),
        )


@dataclass(frozen=True, kw_only=True)
class SeriesRecord(Written):
    """A reward, a KL divergence or a length over the steps, downsampled like a `CurveRecord`.

    Attributes:
        name: "reward", "kl" or "length": in the unit of the task, in nats, in tokens.
        key, file: the key under which it was read, and the file.
        steps, values: one entry a point; if a step has several values, their mean.
        means: if the series is downsampled, the mean of all values from each point to the next.
    """

    name: str
    key: str
    file: str
    steps: tuple[int, ...]
    values: tuple[float, ...]
    means: tuple[float, ...] = ()


class LossCounts(NamedTuple):
    """How many losses of a run count, how many of these are not finite, and the first and last finite one."""

    rows: int
    not_finite: int
    first: float | None
    last: float | None


@dataclass(frozen=True, kw_only=True)
class LossRecord(Written):
    """The loss signal of a run.

    Attributes:
        rows, not_finite: numbers of losses that count; `rows` includes those that are not finite.
        window: the window of the SMMA.
        smma: the smoothed moving average; with fewer rows than a few windows it is still far behind the loss.
        smoothed: the smoothed loss that is judged; `perplexity`, `advantage` and `minimum` are computed from
            it. They are null if the loss is not a cross-entropy, the first two also if it is above the
            uniform baseline.
    """

    rows: int
    not_finite: int
    window: int
    first: Number
    last: Number
    smma: Number
    smoothed: Number
    perplexity: Number
    uniform_baseline: Number
    advantage: Number
    trend: str | None
    minimum: Number
    minimum_step: int | None
    phases: tuple[PhaseRecord, ...] = ()
    sources: dict[str, SourceRecord]
    curve: CurveRecord = CurveRecord()
    source_curves: dict[str, CurveRecord] = field(default_factory=dict)

    @classmethod
    def of(cls, tracker: LossTracker, counts: LossCounts, **seen: Any) -> "LossRecord":
        """Return the record of the loss signal.

        Args:
            tracker: the tracker of the run.
            counts: how many losses count, and the first and the last of them.
            seen: phases and curves.
        """
        minimum = tracker.minimum
        return cls(
            **counts._asdict(),
            window=tracker.window,
            smma=tracker.smma,
            smoothed=tracker.smoothed,
            perplexity=tracker.perplexity,
            uniform_baseline=tracker.uniform_baseline,
            advantage=tracker.advantage,
            trend=tracker.trend,
            minimum=minimum.loss if minimum else None,
            minimum_step=minimum.step if minimum else None,
            sources=SourceRecord.of_each(tracker),
            **seen,
        )


@dataclass(frozen=True, kw_only=True)
class GateStatus(Written):
    """The current state of a run's gate."""

    streak: int
    threshold: float
    patience: int
    halted: bool
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Status(Written):
    """The status of a run in progress: `loss.json`.

    Attributes:
        recovered_since: the step since which the samples of a halted run are fine again, as many as halt.
        resume_from, resume_reason: the step to go back to, null if there is none, and the reason.
        unusable: how many losses, texts and steps the loop passed in that were not understood.
    """

    format: Literal[1] = 1
    step: int | None
    loss: Number
    smma: Number
    smoothed: Number = None
    perplexity: Number
    uniform_baseline: Number
    trend: str | None
    sources: dict[str, SourceRecord]
    gate: GateStatus
    diagnosis: DiagnosisRecord
    recovered_since: int | None = None
    resume_from: int | None = None
    resume_reason: str = ""
    unusable: int = 0
    updated_at: float

    @classmethod
    def of(cls, signals: Signals, step: int | None, unusable: int = 0) -> "Status":
        """Return the current status of a run.

        Args:
            signals: the signals of the run.
            step: the step of its last loss or sample.
            unusable: how many values were passed in that could not be used.
        """
        loss, gate, place = signals.loss, signals.gate, signals.place
        return cls(
            step=step,
            loss=loss.loss,
            smma=loss.smma,
            smoothed=loss.smoothed,
            perplexity=loss.perplexity,
            uniform_baseline=loss.uniform_baseline,
            trend=loss.trend,
            sources=SourceRecord.of_each(loss),
            gate=GateStatus(
                streak=gate.streak,
                threshold=gate.threshold,
                patience=gate.patience,
                halted=gate.halted,
                reason=gate.halt_reason,
            ),
            diagnosis=DiagnosisRecord.of(signals.diagnosis),
            recovered_since=signals.recovered_since,
            resume_from=place.step,
            resume_reason=place.reason,
            unusable=unusable,
            updated_at=time.time(),
        )


@dataclass(frozen=True, kw_only=True)
class SettingsRecord(Written):
    """The settings of a report: see `coherence.signals.settings.Settings`."""

    version: str
    threshold: float
    patience: int
    window: int | None
    warmup: int
    observe: bool
    smma_window: int
    vocab_size: int | None
    lexicon: str
    profile: str

    @classmethod
    def of(cls, settings: Settings) -> "SettingsRecord":
        """Return the record of settings, with the version of this package."""
        return cls(version=__version__, **settings.named())


class SampleCounts(NamedTuple):
    """The counts of samples in a report, in fields of the same names."""

    judged: int = 0
    low: int = 0
    too_short: int = 0
    templated: int = 0
    empty: int = 0
    fine_after_halt: int = 0
    first_low_step: int | None = None

    def plus(self, later: "SampleCounts") -> "SampleCounts":
        """Return the counts of these samples and later ones together.

        >>> SampleCounts(judged=2, low=1, first_low_step=30).plus(SampleCounts(judged=1)).sentence
        '1 of 3 samples loops'
        """
        sums = (mine + theirs for mine, theirs in zip(self[:-1], later[:-1], strict=True))
        first = later if self.first_low_step is None else self
        return SampleCounts(*sums)._replace(first_low_step=first.first_low_step)

    @property
    def sentence(self) -> str:
        """How many samples loop and how many are empty; "" if there are none.

        >>> SampleCounts(judged=15, low=9).sentence, SampleCounts(judged=12, low=5, empty=4).sentence
        ('9 of 15 samples loop', '1 of 12 samples loops, 4 are empty')
        """
        loops, of = self.low - self.empty, f"of {self.judged:,} sample{'' if self.judged == 1 else 's'}"
        are_empty = "is empty" if self.empty == 1 else "are empty"
        if not loops:
            return f"{self.empty:,} {of} {are_empty}" if self.empty else ""
        said = f"{loops:,} {of} {'loops' if loops == 1 else 'loop'}"
        return f"{said}, {self.empty:,} {are_empty}" if self.empty else said


@dataclass(frozen=True, kw_only=True)
class Report(Written):
    """Everything an audit found about one run.

    Attributes:
        headline: the result in a line: the name of the diagnosis and how many samples are low, or since
            which step a halted run is fine again.
        halt: whether the gate fired.
        halt_step: at which step.
        halt_reason: why, one sentence.
        first_low_step: the step of the first sample that is low on every scale.
        steps_counted: whether no sample has a step, so that they are counted: a step is then a sample.
        judged, low, too_short: how many samples the gate judged, found low, skipped as too short.
        templated, empty: how many it skipped as templates; how many of the low ones hold no text.
        fine_after_halt: samples after the halt that were fine.
        recovered_since: the step since which all samples of a halted run are fine, as many as halt or more;
            null if they are not.
        diagnosis: at the halt, or at the end of a run that was not halted.
        resume_from, resume_reason: the step to go back to, null if there is none, and the reason.
        wasted_steps, wasted_seconds: steps and seconds after the halt.
        restarts: the steps to which the run was set back, as seen in the dump.
        superseded: samples that were superseded after a restart; no other figure includes them.
        partial: whether the audit was interrupted, so that rows after the last step were not read.
        stretches: the run cut into at most 12 ranges with about the same number of samples.
        samples: in the order of the steps; if there are more than 10,000, every second, third, ...
        worst, best: samples to read.
        between: diversity between the samples of each step that has several; downsampled in the same way.
        series: what the trainer logged for reinforcement learning: reward, KL divergence, length.
        events: the recorded events of the run, in the order of the file.
        notes: what the reader should know about the data, in sentences.
        problem_count, problems: lines that were not used; the first of them are listed.
    """

    format: Literal[1] = 1
    headline: str = ""
    halt: bool
    halt_step: int | None
    halt_reason: str | None
    first_low_step: int | None
    first_step: int
    last_step: int
    steps_counted: bool = False
    judged: int
    low: int
    too_short: int
    templated: int = 0
    empty: int = 0
    fine_after_halt: int
    recovered_since: int | None = None
    diagnosis: DiagnosisRecord
    loss: LossRecord | None
    resume_from: int | None
    resume_reason: str
    wasted_steps: int
    wasted_seconds: Number
    restarts: tuple[int, ...] = ()
    superseded: int = 0
    partial: bool = False
    stretches: tuple[StretchRecord, ...] = ()
    samples: tuple[ScoredSample, ...] = ()
    worst: tuple[ShownSample, ...] = ()
    best: tuple[ShownSample, ...] = ()
    between: tuple[StepDiversity, ...] = ()
    series: tuple[SeriesRecord, ...] = ()
    events: tuple[EventRecord, ...] = ()
    notes: tuple[str, ...] = ()
    problem_count: int = 0
    problems: tuple[ProblemRecord, ...] = ()
    settings: SettingsRecord

    @classmethod
    def of(
        cls,
        signals: Signals,
        counts: SampleCounts,
        settings: Settings,
        halt_step: int | None = None,
        **seen: Any,
    ) -> "Report":
        """Return the report of a run.

        Args:
            signals: the signals at the end of the run.
            counts: the counts of its samples.
            settings: the settings of the report.
            halt_step: the step at which the gate fired.
            seen: the other fields.
        """
        return cls(
            headline=_headline(signals, counts, halt_step),
            halt_step=halt_step,
            recovered_since=signals.recovered_since,
            halt=signals.gate.halted,
            halt_reason=signals.gate.halt_reason,
            diagnosis=DiagnosisRecord.of(signals.diagnosis),
            resume_from=signals.place.step,
            resume_reason=signals.place.reason,
            settings=SettingsRecord.of(settings),
            **counts._asdict(),
            **seen,
        )


def _headline(signals: Signals, counts: SampleCounts, halt_step: int | None) -> str:
    since = signals.recovered_since
    if halt_step is None or since is None:
        return " · ".join(filter(None, (signals.diagnosis.name, counts.sentence)))
    young = f": a young model, try --warmup {since}" if signals.was_young else ""
    return f"halted at {halt_step:,}; since step {since:,} the samples are fine again{young}"


@dataclass(frozen=True, kw_only=True)
class RunLine(Written):
    """One of several runs, in a line.

    Attributes:
        observed: whether its gate only observes and never asks to stop.
    """

    run: str
    halt: bool
    halt_step: int | None
    first_low_step: int | None
    last_step: int
    judged: int
    low: int
    scores: FourScores
    smoothed: Number
    observed: bool
    diagnosis: DiagnosisRecord
    resume_from: int | None
    wasted_steps: int


@dataclass(frozen=True, kw_only=True)
class Ranking(Written):
    """Several runs of one dump, the best first.

    Attributes:
        halt: whether the gate fired in any of them.
        runs: sorted: runs that were not halted first, then by share of low samples, mean score and loss.
        problem_count, problems: lines that were not used; the first of them are listed.
    """

    format: Literal[1] = 1
    halt: bool
    runs: tuple[RunLine, ...]
    partial: bool
    notes: tuple[str, ...]
    problem_count: int
    problems: tuple[ProblemRecord, ...]
    settings: SettingsRecord
