"""The report of a live run, kept row by row for a live page. It does not grow with the run.

Source: docs/page.md, "The server".
"""

import math
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache, reduce
from itertools import count
from typing import Any, NamedTuple, TypeVar
from zlib import crc32

from coherence.readers.folder import beside_of, prompt_of, scores_of
from coherence.report import (
    CurvePoint,
    EventRecord,
    LossCounts,
    LossRecord,
    Report,
    SampleCounts,
    StepDiversity,
    finite_or_none,
)
from coherence.scoring.lexicon import Lexicon
from coherence.scoring.scores import Scores, word_of
from coherence.show.page.curves import Curves
from coherence.show.page.evidence import Evidence, Witness
from coherence.show.page.gallery import PageSample, rounded_down
from coherence.show.page.marks import mark
from coherence.signals.both import DELETED, RESTART, SAVED, Signals
from coherence.signals.gate import Verdict
from coherence.signals.samples import StepSamples
from coherence.signals.settings import Settings, profile_label
from coherence.thinning import Thinned

T = TypeVar("T")

CURVE, SOURCE_CURVE, SAMPLES, STEPS = 4000, 400, 1000, 2000
"""Points of a curve, samples, and steps whose samples were compared, that are kept at most."""

EVENTS, SOURCES, HISTORY = 200, 50, 10_000

TEXT, LOOKED_AT = 4000, 20_000
"""Bytes of a sample that are shown; characters that are kept of it until then."""

NO_SAMPLE = "no sample yet", "No sample has come yet: the verdict needs samples next to the loss."
"""The name and the sentence of the diagnosis until then."""

MARKED_AT_ONCE = 25
"""Samples in one reply: looking for the phrases that each repeats takes its time."""


class _LiveSample(NamedTuple):
    """A sample that may be shown; it is marked when it is asked for."""

    step: int
    place: int
    text: str
    prompt: str | None
    scores: Scores
    low: bool
    streak: int
    loss: float | None
    smoothed: float | None

    @property
    def fine(self) -> bool:
        """Whether it is long enough to judge and not low."""
        return not self.low and self.scores.scorable


@lru_cache(maxsize=64)  # what is not settled yet is sent again and again
def _page_fields(sample: _LiveSample, lexicon: Lexicon) -> dict[str, Any]:
    marked = mark(sample.text, sample.prompt, lexicon, TEXT)
    fields = sample._asdict() | {"tokens": sample.scores.tokens, "scores": rounded_down(sample.scores)}
    fields |= marked._asdict() | {"loops": [loop._asdict() for loop in marked.loops]}
    return {name: fields[name] for name in PageSample._fields}


def _evidence_fields(evidence: Evidence[_LiveSample], lexicon: Lexicon) -> dict[str, Any]:
    good, bad = evidence
    return {
        "good": good and _page_fields(good, lexicon),
        "bad": [_page_fields(each, lexicon) for each in bad],
    }


class LiveReport:
    """What is kept of a run, and both its signals, which decide as those of the monitor did.

    Args:
        settings: of the run, as it began.

    Attributes:
        restarts: the steps to which the run was set back.
    """

    def __init__(self, settings: Settings) -> None:
        self.restarts: list[int] = []
        self._settings = settings
        self._signals = Signals.of(settings)
        self._numbers = count()
        self._first = self._finite = math.nan  # the first loss, and the last finite one
        self._rows = self._not_finite = 0
        self._curve = Thinned[CurvePoint](CURVE)
        self._source_curves: dict[str, Thinned[CurvePoint]] = {}
        self._samples = Thinned[_LiveSample](SAMPLES)
        self._witness = Witness[_LiveSample]()
        self._shown_evidence: tuple[int, Evidence[_LiveSample]] = 0, Evidence()
        self._between = Thinned[StepDiversity](STEPS)
        self._curves = Curves()
        self._events: deque[EventRecord] = deque(maxlen=EVENTS)
        self._counts = self._before = SampleCounts()  # of all samples, and of those before the history
        self._history: deque[tuple[int, SampleCounts]] = deque()  # the step of a sample, and what it counts
        self._group = StepSamples()  # of the last step
        self._first_step: int | None = None
        self._last = (0, math.nan)  # its step and its time
        self._halt: tuple[int, float] | None = None

    def configure(self, settings: Settings) -> None:
        """Go on with other settings."""
        if profile_label(settings.profile) != profile_label(self._settings.profile):
            self._end_step()  # its samples are compared by the profile under which they were drawn
        self._settings = settings
        self._signals.configure(settings)

    def take_metric(self, row: Mapping[str, Any]) -> None:
        """Take a row of the losses: a loss, or an event."""
        loss, source = row.get("loss"), row.get("source")
        if "event" in row:
            self._take_event(str(row["event"]), row)
        elif "loss" in row and (loss is None or isinstance(loss, int | float)):
            value = math.nan if loss is None else float(loss)
            known = source if isinstance(source, str) else None
            self._take_loss(row["step"], value, known, beside_of(row))
            self._last = max(self._last[0], row["step"]), time_of(row)

    def _take_event(self, event: str, row: Mapping[str, Any]) -> None:
        step, details = row["step"], row.get("details")
        if event not in (SAVED, DELETED):  # there may be many
            self._events.append(
                EventRecord(step=step, event=event, details=details if isinstance(details, dict) else {})
            )
        self._compare()
        self._signals.take_event(event, step, row.get("state"))
        if event == RESTART:
            self._go_back(step)
        if not self._signals.gate.halted:
            self._halt = None

    def _take_loss(self, step: int, loss: float, source: str | None, beside: str | None) -> None:
        tracker = self._signals.loss
        tracker.update(step, loss, source, beside=beside)
        finite, number = math.isfinite(loss), next(self._numbers)
        self._rows, self._not_finite = self._rows + 1, self._not_finite + (not finite)
        if finite:
            self._first = loss if self._first != self._first else self._first
            self._finite = loss
        shown, height = loss if finite else None, loss if finite else math.inf
        self._curve.add(CurvePoint(step, shown, tracker.smoothed), height, number)
        if source is not None and (source in self._source_curves or len(self._source_curves) < SOURCES):
            own = self._source_curves.setdefault(source, Thinned(SOURCE_CURVE))
            own.add(CurvePoint(step, shown, tracker.sources[source].smoothed), height, number)

    def _go_back(self, step: int) -> None:
        """Forget what a restart made void: the given step and all later ones."""
        self._end_step()
        self.restarts = [*self.restarts, step][-EVENTS:]
        for series in (self._curve, self._samples, self._between, *self._source_curves.values()):
            series.keep(lambda item: item.step < step)  # type: ignore[attr-defined]
        self._curves.go_back(step)
        self._witness.keep(lambda item: item.step < step)
        self._history = deque(each for each in self._history if each[0] < step)
        self._counts = reduce(SampleCounts.plus, (counts for _, counts in self._history), self._before)
        self._last = step, self._last[1]

    def take_sample(self, row: Mapping[str, Any]) -> None:
        """Take a row of the samples."""
        step, index = row["step"], int(row["index"])
        if self._signals.begins(step, index):
            self._end_step()
        self._first_step = step if self._first_step is None else min(step, self._first_step)
        text, prompt = str(row["text"]), prompt_of(row)
        scores = scores_of(row, self._settings.lexicon, self._settings.profile)
        verdict = self._signals.judge(scores, step, index, word_of(scores, text, prompt))
        self._group.add(scores, text, prompt)
        sample = _live_sample(row, scores, verdict.low, verdict.streak, self._signals)
        number = next(self._numbers)
        self._samples.add(sample, scores.mean, number)
        self._curves.see(step, scores, verdict.low, verdict.streak, number=number)
        self._witness.see(sample, _identity(prompt), (step, index), verdict, scores.mean)
        self._last = max(self._last[0], step), time_of(row)
        if verdict.collapsed and self._halt is None:
            self._halt = step, time_of(row)
        self._count(sample, verdict)

    def _count(self, sample: _LiveSample, verdict: Verdict) -> None:
        low, counts, kind = verdict.low, verdict.judged, verdict.kind
        one = SampleCounts(
            judged=int(counts),
            low=int(low),
            too_short=int(kind == "too short"),
            templated=int(kind == "templated"),
            empty=int(kind == "empty"),
            fine_after_halt=int(counts and not low and self._halt is not None),
            first_low_step=sample.step if low else None,
        )
        self._counts = self._counts.plus(one)
        self._history.append((sample.step, one))
        if len(self._history) > HISTORY:
            self._before = self._before.plus(self._history.popleft()[1])

    def _compare(self) -> None:
        """Compare the samples of the step, as far as they have come; after each it would take too long."""
        self._signals.compare(self._group.diversity)

    def _end_step(self) -> None:
        """Keep how different the samples of a step were that are all there."""
        step, diversity = self._signals.step, self._group.diversity
        if step is not None and diversity is not None:
            self._compare()
            compared = self._group.compared
            found = StepDiversity(step=step, samples=compared, diversity=round(diversity, 2))
            number = next(self._numbers)
            self._between.add(found, diversity, number)
            self._curves.compare(step, diversity, number)
        self._group = StepSamples()

    def news(self, since: int, lexicon: Lexicon) -> dict[str, Any]:
        """Return what came after the number of an earlier reply, and what of it is not settled yet."""
        samples = self._samples.settled_since(since)
        behind = len(samples) > MARKED_AT_ONCE
        until = samples[MARKED_AT_ONCE].number if behind else math.inf
        number, evidence = self._evidence()
        curves = {name: _news_of(curve, since, until) for name, curve in self._source_curves.items()}
        return {
            "since": until - 1 if behind else next(self._numbers),
            "behind": behind,
            "samples": [
                [_page_fields(sample, lexicon) for sample in part]
                for part in _news_of(self._samples, since, until)
            ],
            "evidence": None if number <= since else _evidence_fields(evidence, lexicon),
            "curve": _news_of(self._curve, since, until),
            "source_curves": curves,
            "curves": self._curves.plain(since),
            "between": [[vars(each) for each in part] for part in _news_of(self._between, since, until)],
        }

    def _evidence(self) -> tuple[int, Evidence[_LiveSample]]:
        """Return the samples that show the verdict, and the number since when it has been these."""
        step = self._signals.place.step
        there = [each for each in self._samples.items if each.step == step and each.fine]
        found = self._witness.evidence(self._signals.gate.halted).going_back(there, lambda each: each.prompt)
        if found != self._shown_evidence[1]:
            self._shown_evidence = next(self._numbers), found
        return self._shown_evidence

    def report(self) -> Report:
        """Return the report without what `news` returns."""
        self._compare()
        signals, (last, at) = self._signals, self._last
        halt = self._halt if signals.gate.halted else None
        found = Report.of(
            signals,
            self._counts,
            self._settings,
            halt_step=halt[0] if halt else None,
            first_step=self._first_step or 0,
            last_step=last,
            loss=LossRecord.of(signals.loss, self._loss_counts) if self._rows else None,
            wasted_steps=last - halt[0] if halt else 0,
            wasted_seconds=round(at - halt[1], 3) if halt else None,
            restarts=tuple(self.restarts),
            events=tuple(self._events),
        )
        return found if self._first_step is not None else _without_samples(found)

    @property
    def _loss_counts(self) -> LossCounts:
        return LossCounts(self._rows, self._not_finite, self._first, self._finite)


def _without_samples(found: Report) -> Report:
    """Return a report that calls no samples too short before there is one; what the loss asks for stays."""
    if found.diagnosis.action in ("halt", "pivot"):
        return found
    name, sentence = NO_SAMPLE
    diagnosis = replace(found.diagnosis, samples="none yet", name=name, sentence=sentence)
    return replace(found, headline=name, diagnosis=diagnosis)


def _news_of(series: Thinned[T], since: float, until: float) -> tuple[list[T], list[T]]:
    """Return what is settled between two numbers, and what is not settled yet."""
    settled = [point.item for point in series.settled_since(since) if point.number < until]
    return settled, [] if until < math.inf else series.unsettled


def _identity(prompt: str | None) -> tuple[int, int] | None:
    """Return what equals that of the same prompt, however long it is."""
    return None if prompt is None else (len(prompt), crc32(prompt.encode(errors="replace")))


def _live_sample(
    row: Mapping[str, Any], scores: Scores, low: bool, streak: int, signals: Signals
) -> _LiveSample:
    prompt = row.get("prompt")
    return _LiveSample(
        step=row["step"],
        place=int(row["index"]),
        text=str(row["text"])[:LOOKED_AT],
        prompt=None if prompt is None else str(prompt)[:LOOKED_AT],
        scores=scores,
        low=low,
        streak=streak,
        loss=finite_or_none(signals.loss.loss),
        smoothed=signals.loss.smoothed,
    )


def time_of(row: Mapping[str, Any]) -> float:
    """Return when a row was written; 0 where it does not say, or says what no clock does.

    >>> time_of({"time": 5}), time_of({"time": 10**400}), time_of({})
    (5.0, 0.0, 0.0)
    """
    time = row.get("time")
    # A whole number may be too large for a float.
    return float(time) if isinstance(time, int | float) and abs(time) <= sys.float_info.max else 0.0
