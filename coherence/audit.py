"""The audit: samples scored, the gate replayed over them, the loss beside it, all in one report.

Source: docs/report.md.
"""

from collections.abc import Iterable, Sequence
from importlib.metadata import version
from itertools import pairwise

from coherence.lexicon import Lexicon
from coherence.loops import find_loop
from coherence.loss import phases
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
)
from coherence.replay import SMMA_WINDOW, Judged, Options, Replay
from coherence.samples import ALIKE_BELOW

__all__ = ["Options", "audit"]

WORST, BEST = 3, 1


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
    replay = Replay(losses, options or Options())
    replay.run(samples)
    if not replay.judged:
        raise ValueError("no samples to audit")
    return _report(replay, [*notes, *_notes(replay)], problem_count, problems, events)


def _report(
    replay: Replay,
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


def _distinct(ranked: Sequence[Judged]) -> list[Judged]:
    """Return the samples without those that say the same as one before: three empty ones teach nothing."""
    firsts: dict[str, Judged] = {}
    for each in ranked:
        firsts.setdefault(each.sample.text.strip(), each)
    return list(firsts.values())


def _mean_score(judged: Judged) -> float:
    values = [value for value in judged.scores.values if value is not None]
    return sum(values) / len(values) if values else 0.0


def _scored(judged: Judged) -> ScoredSample:
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


def _shown(judged: Judged) -> ShownSample:
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


def _wasted_seconds(replay: Replay) -> float | None:
    if replay.halted is None:
        return None
    last, halted = replay.judged[-1].sample, replay.halted.sample
    if last.time is not None and halted.time is not None:
        return round(last.time - halted.time, 3)
    per_step = replay.options.seconds_per_step
    return None if per_step is None else round((last.step - halted.step) * per_step, 3)


def _diagnosis_record(replay: Replay) -> DiagnosisRecord:
    return DiagnosisRecord.of(replay.diagnosis or replay.signals.diagnosis)


def _loss_record(replay: Replay) -> LossRecord:
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


def _notes(replay: Replay) -> list[str]:
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


def _recovered(replay: Replay) -> bool:
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
