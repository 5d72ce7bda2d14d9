"""A run folded row by row: what a live page shows of it. It does not grow with the run.

Source: docs/page.md, "The server".
"""

import math
from collections import deque
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import version
from itertools import count
from typing import Any, NamedTuple, TypeVar

from coherence.diagnosis import diagnose
from coherence.gallery import Picture, rounded_down
from coherence.lexicon import Lexicon
from coherence.loss import LossTracker
from coherence.marks import mark
from coherence.monitor import ACKNOWLEDGED, RESTART
from coherence.profile import SCALES
from coherence.records import (
    CurveRecord,
    DiagnosisRecord,
    Event,
    LossRecord,
    Report,
    Settings,
    SourceRecord,
    Status,
    StepDiversity,
)
from coherence.samples import compare
from coherence.scores import Scores
from coherence.text import clean, tokenize
from coherence.thinned import Thinned

T = TypeVar("T")

CURVE, SOURCE_CURVE, SAMPLES, STEPS = 4000, 400, 1000, 2000
"""Points of a curve, samples, and steps whose samples were compared, that are kept at most."""

EVENTS, SOURCES, HISTORY = 200, 50, 10_000

TEXT, LOOKED_AT = 4000, 20_000
"""Bytes of a sample that are shown; characters that are kept of it until then."""

MARKED_AT_ONCE = 25
"""Samples that are told at once: looking for the phrase that each repeats takes its time."""


class _Point(NamedTuple):
    step: int
    loss: float | None
    smma: float | None


class _Counts(NamedTuple):
    """What was counted up to a step: where a run is set back, so is this."""

    judged: int = 0
    low: int = 0
    too_short: int = 0
    fine_after_halt: int = 0
    first_low: int | None = None
    best: tuple[float, int] | None = None


class _Shown(NamedTuple):
    """A sample that may be shown; it is marked when it is asked for."""

    step: int
    place: int
    text: str
    prompt: str | None
    scores: Scores
    low: bool
    streak: int
    loss: float | None
    smma: float | None

    @property
    def counts(self) -> bool:
        return self.low or self.scores.scorable


@lru_cache(maxsize=64)  # what is not settled yet is told again and again
def _picture(shown: _Shown, lexicon: Lexicon) -> dict[str, Any]:
    marked = mark(shown.text, shown.prompt, lexicon, TEXT)
    told = shown._asdict() | {"tokens": shown.scores.tokens, "scores": rounded_down(shown.scores)}
    told |= marked._asdict() | {"loop": marked.loop.model_dump() if marked.loop else None}
    return {name: told[name] for name in Picture._fields}


class Fold:
    """What is kept of a run.

    Args:
        window: of the SMMA.
        patience: of the gate; the first streak so long is the halt.

    Attributes:
        restarts: the steps to which the run was set back.
    """

    def __init__(self, window: int, patience: int) -> None:
        self.restarts: list[int] = []
        self._version = version("coherence")  # looked up in files: not for every reply
        self._patience = patience
        self._numbers = count()
        self._loss = LossTracker(None, window)
        self._first = math.nan
        self._rows = self._not_finite = 0
        self._curve = Thinned[_Point](CURVE)
        self._source_curves: dict[str, Thinned[_Point]] = {}
        self._samples = Thinned[_Shown](SAMPLES)
        self._between = Thinned[StepDiversity](STEPS)
        self._events: deque[Event] = deque(maxlen=EVENTS)
        self._counts = _Counts()
        self._history: deque[tuple[int, _Counts]] = deque(maxlen=HISTORY)
        self._at_step: list[_Shown] = []
        self._sample_step: int | None = None
        self._first_step: int | None = None
        self._last = (0, math.nan)  # its step and its time
        self._halt: tuple[int, float] | None = None

    def take_metric(self, row: Mapping[str, Any]) -> None:
        """Take a row of the losses: a loss, or an event."""
        loss, source = row.get("loss"), row.get("source")
        if "event" in row:
            self._take_event(str(row["event"]), row["step"], row.get("details"))
        elif loss is None or isinstance(loss, int | float):
            value = math.nan if loss is None else float(loss)
            self._take_loss(row["step"], value, source if isinstance(source, str) else None)
            self._last = row["step"], time_of(row)

    def _take_event(self, event: str, step: int, details: Any) -> None:
        self._events.append(
            Event(step=step, event=event, details=details if isinstance(details, dict) else {})
        )
        if event == RESTART:
            self._go_back(step)
        elif event == ACKNOWLEDGED:
            self._halt = None

    def _take_loss(self, step: int, loss: float, source: str | None) -> None:
        self._loss.update(step, loss, source)
        finite, number = math.isfinite(loss), next(self._numbers)
        self._rows, self._not_finite = self._rows + 1, self._not_finite + (not finite)
        self._first = loss if self._first != self._first else self._first
        shown, height = loss if finite else None, loss if finite else math.inf
        self._curve.add(_Point(step, shown, self._loss.smma), height, number)
        if source is not None and (source in self._source_curves or len(self._source_curves) < SOURCES):
            smma = self._loss.sources[source].smma
            own = self._source_curves.setdefault(source, Thinned(SOURCE_CURVE))
            own.add(_Point(step, shown, smma), height, number)

    def _go_back(self, step: int) -> None:
        """Forget what a restart made void: the given step and all later ones."""
        self.restarts = [*self.restarts, step][-EVENTS:]
        for series in (self._curve, self._samples, self._between, *self._source_curves.values()):
            series.keep(lambda item: item.step < step)  # type: ignore[attr-defined]
        while self._history and self._history[-1][0] >= step:
            self._history.pop()
        self._counts = self._history[-1][1] if self._history else _Counts()
        self._sample_step, self._at_step = None, []

    def take_sample(self, row: Mapping[str, Any]) -> None:
        """Take a row of the samples."""
        step = row["step"]
        if step != self._sample_step:
            self._end_step()
        self._sample_step = step
        self._first_step = step if self._first_step is None else self._first_step
        shown = _shown(row, self._loss)
        self._samples.add(shown, _mean(shown.scores), next(self._numbers))
        self._last = max(self._last[0], step), time_of(row)
        if shown.streak >= self._patience and self._halt is None:
            self._halt = step, time_of(row)
        self._at_step.append(shown)
        self._count(shown)

    def _count(self, shown: _Shown) -> None:
        seen, low, counts = self._counts, shown.low, shown.counts
        self._counts = seen._replace(
            judged=seen.judged + counts,
            low=seen.low + low,
            too_short=seen.too_short + (not counts),
            fine_after_halt=seen.fine_after_halt + (counts and not low and self._halt is not None),
            first_low=shown.step if low and seen.first_low is None else seen.first_low,
        )

    def _end_step(self) -> None:
        """Compare the samples of a step, and see whether it is a checkpoint to go back to."""
        step = self._sample_step
        if step is None:
            return
        pairs = ((each.scores, tokenize(clean(each.text, each.prompt))) for each in self._at_step)
        diversity = compare(pairs) if len(self._at_step) > 1 else None
        if diversity is not None:
            found = StepDiversity(step=step, samples=len(self._at_step), diversity=round(diversity, 2))
            self._between.add(found, diversity, next(self._numbers))
        self._counts = self._counts._replace(best=self._best())
        self._history.append((step, self._counts))
        self._at_step = []

    def _best(self) -> tuple[float, int] | None:
        """Return the lowest SMMA among the steps whose samples are fine, before a halt, and its step."""
        counted, best = [each for each in self._at_step if each.counts], self._counts.best
        if not counted or any(each.low for each in counted) or self._halt is not None:
            return best
        step, smma = counted[0].step, counted[0].smma
        found = math.inf if smma is None else smma, step
        return found if best is None or smma is None or found < best else best

    def news(self, since: int, lexicon: Lexicon) -> dict[str, Any]:
        """Return what came after a number that was told before, and what of it is not settled yet."""
        samples = self._samples.settled_since(since)
        behind = len(samples) > MARKED_AT_ONCE
        until = samples[MARKED_AT_ONCE].number if behind else math.inf
        curves = {name: _told(curve, since, until) for name, curve in self._source_curves.items()}
        return {
            "since": until - 1 if behind else next(self._numbers),
            "behind": behind,
            "samples": [
                [_picture(shown, lexicon) for shown in part] for part in _told(self._samples, since, until)
            ],
            "curve": _told(self._curve, since, until),
            "source_curves": curves,
            "between": [[each.model_dump() for each in part] for part in _told(self._between, since, until)],
        }

    def report(self, status: Status | None) -> Report:
        """Return the report without what `news` tells.

        Args:
            status: of the run; none where it has not been written yet.
        """
        seen, gate = self._counts, status.gate if status else None
        diagnosis = (
            status.diagnosis if status else DiagnosisRecord.of(diagnose(self._loss.trend, "too short"))
        )
        best, (last, at) = self._best(), self._last
        halt = self._halt if gate and gate.halted else None
        return Report(
            halt=gate.halted if gate else False,
            halt_step=halt[0] if halt else None,
            halt_reason=gate.reason if gate else None,
            first_low_step=seen.first_low,
            first_step=self._first_step or 0,
            last_step=last,
            judged=seen.judged,
            low=seen.low,
            too_short=seen.too_short,
            fine_after_halt=seen.fine_after_halt,
            diagnosis=diagnosis,
            loss=self._loss_record(status) if self._rows else None,
            resume_from=best[1] if best else None,
            wasted_steps=last - halt[0] if halt else 0,
            wasted_seconds=round(at - halt[1], 3) if halt else None,
            restarts=tuple(self.restarts),
            superseded=0,
            partial=False,
            stretches=(),
            samples=(),
            worst=(),
            best=(),
            between=(),
            events=tuple(self._events),
            notes=(),
            problem_count=0,
            problems=(),
            settings=self._settings(status),
        )

    def _loss_record(self, status: Status | None) -> LossRecord:
        loss, minimum = self._loss, self._loss.minimum
        baseline = status.uniform_baseline if status else None
        ratio = None if baseline is None or loss.smma is None else math.exp(baseline - loss.smma)
        return LossRecord(
            rows=self._rows,
            not_finite=self._not_finite,
            window=loss.window,
            first=self._first,
            last=loss.loss,
            smma=loss.smma,
            perplexity=loss.perplexity,
            uniform_baseline=baseline,
            advantage=ratio,
            trend=loss.trend,
            minimum=minimum.smma if minimum else None,
            minimum_step=minimum.step if minimum else None,
            phases=(),
            sources={name: SourceRecord(loss=s.loss, smma=s.smma) for name, s in loss.sources.items()},
            curve=EMPTY,
            source_curves={},
        )

    def _settings(self, status: Status | None) -> Settings:
        threshold = status.gate.threshold if status else 30.0
        return Settings(
            version=self._version,
            threshold=threshold,
            patience=self._patience,
            window=None,
            warmup=0,
            observe=False,
            lexicon="",
            profile="",
        )


EMPTY = CurveRecord(steps=(), losses=(), smma=())


def _told(series: Thinned[T], since: float, until: float) -> tuple[list[T], list[T]]:
    """Return what is settled between two numbers, and what is not settled yet."""
    settled = [point.item for point in series.settled_since(since) if point.number < until]
    return settled, [] if until < math.inf else series.unsettled


def _shown(row: Mapping[str, Any], loss: LossTracker) -> _Shown:
    prompt, text = row.get("prompt"), str(row["text"])[:LOOKED_AT]
    prompt = None if prompt is None else str(prompt)
    cleaned = clean(text, prompt)
    bigram, trigram, english, character = (_finite(row["scores"].get(scale)) for scale in SCALES)
    return _Shown(
        step=row["step"],
        place=int(row["index"]),
        text=text,
        prompt=prompt,
        scores=Scores(bigram, trigram, english, character, len(tokenize(cleaned)), len(cleaned)),
        low=bool(row["low"]),
        streak=int(row["streak"]),
        loss=_finite(loss.loss),
        smma=loss.smma,
    )


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _mean(scores: Scores) -> float:
    values = [value for value in scores.values if value is not None]
    return sum(values) / len(values) if values else 0.0


def time_of(row: Mapping[str, Any]) -> float:
    """Return when a row was written; 0 where it does not say."""
    return _finite(row.get("time")) or 0.0
