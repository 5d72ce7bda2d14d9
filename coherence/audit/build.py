"""Builds the report of a run: the gate replayed over its scores, together with its loss.

Source: docs/report.md.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from coherence.audit.losses import Collector, Losses, LossesOfSamples, Rewards, Series
from coherence.audit.plan import Options
from coherence.audit.replay import Replay, RunRecord, Turn, as_written, by_step
from coherence.audit.rows import Address, GatedSample
from coherence.audit.shard import ScoringSettings, Shard, score_samples
from coherence.audit.store import Output
from coherence.audit.summary import WORST, Summary, Survey
from coherence.audit.timeline import Timeline
from coherence.readers.read import with_prompt
from coherence.readers.records import LossRow, Mark, Origin, Problem, Sample
from coherence.report import (
    CurveRecord,
    EventRecord,
    FourScores,
    LoopRecord,
    LossCounts,
    LossRecord,
    OriginRecord,
    PhaseRecord,
    ProblemRecord,
    Report,
    SeriesRecord,
    ShownSample,
)
from coherence.scoring.loop import find_loop
from coherence.signals.fitting import fitting_note
from coherence.signals.loss import ARRIVED
from coherence.signals.phases import phases
from coherence.signals.settings import DEFAULTS
from coherence.thinning import Thinned

POINTS = 12 * 500
"""A longer loss curve is reduced to this many points before its phases are found."""


SERIES = ("reward", "kl", "length")
"""Other curves that are drawn, in this order; a length only together with one of the others."""

SERIES_POINTS = 1000
"""Points of each of them."""


class Text(NamedTuple):
    """The text of a sample, its prompt, and where it was read."""

    text: str
    prompt: str | None
    origin: Origin


Texts = Callable[[Sequence[Address]], Mapping[Address, Text]]
"""Finds the texts of samples."""


class ReaderNotes(NamedTuple):
    """Notes of the readers about the data, for the report.

    Attributes:
        notes: in sentences.
        problem_count: how many lines could not be used.
        problems: the first of them.
        events: of the run, such as restarts.
        partial: whether the audit was interrupted.
    """

    notes: Sequence[str] = ()
    problem_count: int = 0
    problems: Sequence[Problem] = ()
    events: Sequence[Mark] = ()
    partial: bool = False


def audit_samples(
    samples: Iterable[Sample],
    losses: Iterable[LossRow] = (),
    options: Options | None = None,
    reader_notes: ReaderNotes | None = None,
) -> Report:
    """Audit a run whose samples and losses are in memory, and return the two-signal report.

    Samples are taken in the order of their steps, those of one step in the order given. The diagnosis is
    the one at the halt, or at the end of a run that was not halted.

    Args:
        samples: of one run; at least one.
        losses: of the run; if there are none, the losses in the rows of the samples are used.
        options: how to audit.
        reader_notes: notes of the readers about the data.

    Raises:
        ValueError: there are no samples, or an option is out of range.

    >>> samples = [Sample(step, "Budy " * 20, "at hand", 1) for step in range(1, 10)]
    >>> audit_samples(samples, [LossRow(1, 3.4, "at hand", 1)]).halt_step
    5
    """
    options = options or Options()
    chosen = options.over(DEFAULTS)
    settings = ScoringSettings(lexicon=chosen.lexicon, profile=chosen.profile)
    reads = [with_prompt(sample)._replace(run="") for sample in samples]
    # Without segments: the samples are one run, in any order.
    output = Output.of(Shard(0, ()), score_samples(reads, settings)._replace(segments=[]))
    collector = Collector()
    for row in losses:
        collector.add(row.step, row.loss, row.source, beside=row.beside)
        collector.next_file()  # in any order, like the samples

    def texts(wanted: Sequence[Address]) -> dict[Address, Text]:
        found = [(address, reads[address.row]) for address in wanted]
        return {address: Text(read.sample.text, read.prompt, read.sample.origin) for address, read in found}

    timeline = Timeline([output], "")
    return audit_run(
        timeline,
        collector.losses() if len(collector) else None,
        options,
        texts,
        reader_notes or ReaderNotes(),
        record=RunRecord(file=reads[0].sample.file if reads else ""),
    )


def audit_run(
    timeline: Timeline,
    losses: Losses | None,
    options: Options,
    texts: Texts,
    reader_notes: ReaderNotes,
    see: Sequence[Callable[[GatedSample], None]] = (),
    record: RunRecord | None = None,
) -> Report:
    """Replay a run whose samples are scored and return the two-signal report.

    Args:
        timeline: the scored samples.
        losses: of the run; None to use those in the rows of the samples.
        options: how to audit.
        texts: finds the texts of the samples to show.
        reader_notes: notes of the readers about the data.
        see: functions that are called with every sample that counts, in the order of replay.
        record: what else the folder of the run states.

    Raises:
        ValueError: there are no samples, or an option is out of range.
    """
    replay, summary = replay_run(timeline, losses, options, see, record)
    looked_at = summary.looked_at if summary.unlike_profile else ()
    candidates = _candidates(replay, summary)
    shown = texts([each.address for each in (*candidates, *summary.best, *looked_at)])
    if looked_at:
        judged = [shown[each.address] for each in looked_at]
        fitting = fitting_note([(each.text, each.prompt) for each in judged], replay.settings)
        reader_notes = reader_notes._replace(notes=[*reader_notes.notes, *([fitting] if fitting else [])])
    return report_of(replay, summary, timeline, reader_notes, shown)


def replay_run(
    timeline: Timeline,
    losses: Losses | None,
    options: Options,
    see: Sequence[Callable[[GatedSample], None]] = (),
    record: RunRecord | None = None,
) -> tuple[Replay, Summary]:
    """Replay a run whose samples are scored; return the replay and what was kept of the samples.

    Raises:
        ValueError: there are no samples, or an option is out of range.
    """
    record = record or RunRecord()
    survey, rewards, of_samples = _survey(timeline, losses is None)
    losses = of_samples.losses() if losses is None else losses
    replay = Replay(losses, record.history[0].settings if record.history else DEFAULTS, options)
    replay.take_series(_shown_series(record, rewards))
    summary = Summary(survey)
    turns: Iterable[Turn]
    if timeline.as_written:
        turns = as_written(timeline, losses, record)
    else:
        turns = by_step(timeline, losses, record.marks)
    # Anyone who wants to see each sample gets them one by one.
    replay.run(turns, [summary.see, *see], None if see else summary.see_many)
    if summary.first is None:
        void = timeline.superseded
        raise ValueError(f"no samples to audit{f': restarts superseded all {void:,}' if void else ''}")
    return replay, summary


def _survey(timeline: Timeline, takes_losses: bool) -> tuple[Survey, Rewards, LossesOfSamples]:
    survey, rewards, losses = Survey(), Rewards(), LossesOfSamples()
    for chunk in timeline:
        survey.samples += len(chunk.rows)
        survey.compared += int((chunk.rows["compared"] > 0).sum())
        rewards.see(chunk)
        if takes_losses:
            losses.see(chunk)
    return survey, rewards, losses


def _shown_series(record: RunRecord, rewards: Rewards) -> list[Series]:
    """Return the other metrics of the trainer; rewards of the samples are used if no other file has them."""
    earned = rewards.series(record.file)
    found = ({} if earned is None else {earned.name: earned}) | dict(record.series)
    told = {*SERIES[:-1]}.intersection(found)
    return [found[name] for name in SERIES if told and name in found]


def report_of(
    replay: Replay,
    summary: Summary,
    timeline: Timeline,
    reader_notes: ReaderNotes,
    texts: Mapping[Address, Text] | None = None,
) -> Report:
    """Return the report of a run that was replayed.

    Args:
        replay: the run, as it ended.
        summary: what was kept of its samples.
        timeline: its samples.
        reader_notes: what readers found out about the data.
        texts: of its worst and best samples; without them the report shows none.
    """
    halted = replay.halted
    worst, best = (_candidates(replay, summary), summary.best) if texts is not None else ([], [])
    texts = texts or {}
    return Report.of(
        replay.signals,
        summary.counts,
        replay.settings,
        halt_step=halted.verdict.step if halted else None,
        steps_counted=timeline.counted,
        first_step=summary.stretches[0].first,
        last_step=summary.stretches[-1].last,
        loss=None if replay.signals.loss.loss is None else _loss_record(replay),
        wasted_steps=wasted_steps(replay),
        wasted_seconds=_wasted_seconds(replay),
        restarts=tuple(timeline.restarts or replay.losses.restarts),
        superseded=timeline.superseded,
        partial=reader_notes.partial,
        stretches=summary.stretches,
        samples=tuple(sorted(summary.samples, key=lambda each: each.step)),
        worst=_different(_shown(each, texts) for each in worst),
        best=tuple(_shown(each, texts) for each in best),
        between=tuple(sorted(summary.between, key=lambda each: each.step)),
        series=tuple(map(_series_record, replay.series)),
        events=tuple(map(EventRecord.of, reader_notes.events)),
        notes=(*reader_notes.notes, *_notes(replay, summary), *_restart_notes(replay, timeline)),
        problem_count=reader_notes.problem_count,
        problems=tuple(map(ProblemRecord.of, reader_notes.problems)),
    )


def _candidates(replay: Replay, summary: Summary) -> list[GatedSample]:
    """Return the sample on which the gate halted, if it still counts, and those with the lowest scores."""
    halted = [replay.halted] if replay.halted and not replay.superseded else []
    return [*halted, *summary.worst]


def _different(samples: Iterable[ShownSample]) -> tuple[ShownSample, ...]:
    """Return the first samples that differ in what they repeat, or in their text if they repeat nothing."""
    found: dict[str, ShownSample] = {}
    for each in samples:
        repeated = " ".join(sorted(set(each.loop.phrase.split()))) if each.loop else each.text.strip()
        found.setdefault(repeated, each)
    return tuple(found.values())[:WORST]


def _shown(judged: GatedSample, texts: Mapping[Address, Text]) -> ShownSample:
    text, prompt, origin = texts[judged.address]
    loop = find_loop(text, prompt)
    return ShownSample(
        step=judged.row.step,
        index=judged.place,
        scores=FourScores.of(judged.scores),
        text=text,
        prompt=prompt,
        loop=None if loop is None else LoopRecord.of(loop),
        origin=OriginRecord.of(origin),
    )


def wasted_steps(replay: Replay) -> int:
    """Return how many steps came after the halt."""
    return replay.last_step() - replay.halted.verdict.step if replay.halted else 0


def _wasted_seconds(replay: Replay) -> float | None:
    if replay.halted is None or replay.last is None:
        return None
    last, halted = replay.last, replay.halted.row
    if last.time == last.time and halted.time == halted.time:  # neither is not-a-number
        return round(last.time - halted.time, 3)
    per_step = replay.options.seconds_per_step
    return None if per_step is None else round((last.step - halted.step) * per_step, 3)


def _loss_record(replay: Replay) -> LossRecord:
    values = replay.losses.values
    finite = values[np.isfinite(values)]
    first, last = (float(finite[0]), float(finite[-1])) if len(finite) else (None, None)
    return LossRecord.of(
        replay.signals.loss,
        LossCounts(len(values), len(values) - len(finite), first, last),
        phases=_phases(replay.losses) if replay.signals.loss.is_cross_entropy else (),
        curve=CurveRecord.of(replay.curve.outline),
        source_curves={name: CurveRecord.of(each.outline) for name, each in replay.source_curves.items()},
    )


def _series_record(series: Series) -> SeriesRecord:
    count = len(series.steps)
    size = max(1, math.ceil(2 * count / SERIES_POINTS))
    thinned = Thinned[tuple[int, float]](SERIES_POINTS, size)
    for step, value in zip(series.steps.tolist(), series.values.tolist(), strict=True):
        thinned.add((step, value), value)
    steps, values = zip(*thinned.outline, strict=True)
    sums = np.add.reduceat(series.values, np.arange(0, count, size))
    means = sums / np.minimum(size, count - np.arange(0, count, size))
    stretches = np.searchsorted(series.steps, steps) // size
    return SeriesRecord(
        name=series.name,
        key=series.key,
        file=series.file,
        steps=steps,
        values=values,
        means=tuple(means[stretches].tolist()) if len(steps) < count else (),
    )


def _phases(losses: Losses) -> tuple[PhaseRecord, ...]:
    steps, values = losses.steps, losses.values
    if len(steps) > POINTS:
        edges = np.linspace(int(steps[0]), int(steps[-1]), POINTS + 1)[1:-1]
        starts = np.unique(np.concatenate([[0], np.searchsorted(steps, edges)]))
        starts = starts[starts < len(steps)]
        finite = np.isfinite(values)
        counts = np.add.reduceat(finite, starts)
        sums = np.add.reduceat(np.where(finite, values, 0.0), starts)
        sizes = np.diff(np.append(starts, len(steps)))
        enough = 2 * counts > sizes
        steps, values = steps[starts], np.where(enough, sums / np.maximum(counts, 1), np.nan)
    return tuple(map(PhaseRecord.of, phases(steps.tolist(), values.tolist())))


def _notes(replay: Replay, summary: Summary) -> list[str]:
    notes = []
    if replay.signals.loss.loss is not None and (doubt := replay.signals.loss.doubt):
        notes.append(f"the loss is not a cross-entropy of a token in nats: {doubt}")
    rows, window = len(replay.losses.steps), replay.settings.smma_window
    if 0 < rows < ARRIVED * window:
        notes.append(
            f"{rows:,} {'row' if rows == 1 else 'rows'} of loss: too few for an SMMA over {window:,}; "
            "what is judged and drawn is smoothed over a tenth of them"
        )
    if summary.alike_steps:
        notes.append(
            f"alike: at {summary.alike_steps:,} of {summary.compared:,} steps, the first "
            f"{summary.first_alike:,}, the samples of the step are less than half as different as text of "
            "the profile is"
        )
    if summary.greedy:
        notes.append(
            "many samples repeat that of the previous step exactly. They look greedily decoded; sample at a "
            "temperature instead, because greedy decoding loops in healthy models too"
        )
    if replay.diagnosis.samples == "not loops" and replay.settings.profile is None:
        notes.append(
            "the samples are hardly English prose: a profile of their own kind judges them better (--profile "
            "code, data or logs, or one made with coherence calibrate)"
        )
    return notes


def _restart_notes(replay: Replay, timeline: Timeline) -> list[str]:
    notes = []
    for restarts, count, one, more in (
        (timeline.restarts, timeline.superseded, "sample was", "samples were"),
        (replay.losses.restarts, replay.losses.superseded, "row of loss was", "rows of loss were"),
    ):
        if count:
            steps = ", ".join(f"{step:,}" for step in restarts[:3]) + (", ..." if len(restarts) > 3 else "")
            what, by = (one, "a later one") if count == 1 else (more, "later ones")
            notes.append(f"restarted from step {steps}: {count:,} {what} replaced by {by}")
    return notes
