"""The step to go back to: one rule for the loop, the audit and the page.

Source: docs/signals.md, "The step to go back to".
"""

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from coherence.signals.samples import ALIKE_BELOW

NEAR = 0.5
"""A step whose mean on some scale is below this share of the run's own best has lost too much."""

BEST_SHARE = 0.25
"""The run's own best is the median of this share of its steps, the highest ones."""

FALLING, BEFORE = 0.85, 4
"""A step is falling if its mean is below this share of the mean of so many steps before it."""

KEPT = 32
"""How many steps are remembered; if there are more, every second one of the older half is dropped."""

SCALES = 4


class Place(NamedTuple):
    """The step to go back to, and why; None if there is no such step."""

    step: int | None
    reason: str


@dataclass(slots=True)
class StepSeen:
    """The judged samples of one step that have come so far.

    Attributes:
        step: the training step.
        sums, counts: the sum of their scores on each scale, and how many have one.
        poor: whether one of them is low, or the mean of its scores is below the threshold.
        diversity: how different they are from each other, see `Checkpoint.compare`.
        alike: whether the samples of the last steps were alike when the last of them came.
        smoothed, finite: the smoothed loss then, and whether the last loss was finite.
    """

    step: int
    sums: list[float] = field(default_factory=lambda: [0.0] * SCALES)
    counts: list[int] = field(default_factory=lambda: [0] * SCALES)
    poor: bool = False
    diversity: float | None = None
    alike: bool = False
    smoothed: float | None = None
    finite: bool = True

    @property
    def means(self) -> tuple[float | None, ...]:
        """The mean on each scale; None without samples that have a score on it."""
        return tuple([total / n if n else None for total, n in zip(self.sums, self.counts, strict=True)])


class _Candidate(NamedTuple):
    """A step that could be gone back to, its mean scores and its smoothed loss, None without losses."""

    step: int
    smoothed: float | None
    means: tuple[float | None, ...]


class _Ranks:
    """How often each mean came on one scale, rounded down, and the run's own best among them."""

    def __init__(self, counts: Iterable[tuple[int, int]] = ()) -> None:
        self.counts = {int(mean): int(steps) for mean, steps in counts}
        self._steps = sum(self.counts.values())
        self._above = 0  # steps with a mean above the best
        self.best = max(self.counts, default=0)
        self._move()

    def add(self, mean: int) -> None:
        """Count the mean of one more step."""
        self.counts[mean] = self.counts.get(mean, 0) + 1
        self._steps += 1
        if self._steps == 1:
            self.best = mean
        elif mean > self.best:
            self._above += 1
        self._move()

    def _move(self) -> None:
        """Move to the median of the best quarter of the steps; a step more or less is a short way."""
        place = max(0, (math.ceil(BEST_SHARE * self._steps) - 1) // 2)  # counted from the highest mean
        while self._above > place:
            self.best = min(mean for mean in self.counts if mean > self.best)
            self._above -= self.counts[self.best]
        while self._above + self.counts.get(self.best, math.inf) <= place:
            self._above += self.counts[self.best]
            self.best = max(mean for mean in self.counts if mean < self.best)


class Checkpoint:
    """Sees the samples of a run step by step, and names the step to go back to.

    A step is a candidate if all of this holds:

    - at least one of its samples was judged, and all judged ones are fine, with a mean of their scores that
      is not below the threshold;
    - the mean of the step on each scale is at least half of the run's own best so far, which is the median of
      the best quarter of its steps;
    - its scores are not falling: 15 % below the four steps before;
    - its samples are not alike, nor are those of the last steps on average; so a step with a single sample is
      not a candidate if variety is lost;
    - the loss was finite.

    Of the candidates before the collapse, the one with the lowest smoothed loss is named; without losses,
    the last one. If the trainer says which checkpoints it saved, only those are candidates: a checkpoint is
    judged by the last step with samples up to it.

    >>> from coherence import score
    >>> checkpoint = Checkpoint()
    >>> for step, smoothed in [(100, 5.0), (200, 4.0), (300, 4.5)]:
    ...     checkpoint.begin(step)
    ...     scores = score("The cat sat by the door, and it waited for rain.")
    ...     checkpoint.see([scores.values], poor=False, alike=False, smoothed=smoothed, finite=True)
    >>> checkpoint.place().step
    200
    """

    def __init__(self) -> None:
        self._step: StepSeen | None = None
        self._ranks = [_Ranks() for _ in range(SCALES)]  # of the means of the steps, per scale
        self._before: deque[float] = deque(maxlen=BEFORE)
        self._last: _Candidate | None = None  # the last step, if it could be gone back to
        self._candidates: list[_Candidate] = []
        self._saved: list[_Candidate] | None = None  # None until the trainer says what it saves

    def begin(self, step: int) -> None:
        """Begin the next step: all samples of the last one have come."""
        self._end()
        self._step = StepSeen(step)

    def see(
        self,
        samples: Sequence[tuple[float | None, ...]],
        poor: bool,
        alike: bool,
        smoothed: float | None,
        finite: bool,
    ) -> None:
        """Take judged samples of the step.

        Args:
            samples: the scores of each, in the order of the scales.
            poor: whether a sample is low, or the mean of its scores is below the threshold.
            alike: whether the samples of the last steps are alike.
            smoothed: the current smoothed loss; None without losses.
            finite: whether the last loss was finite.
        """
        step = self._step
        if step is None:
            return
        for values in samples:
            for scale, value in enumerate(values):
                if value is not None:
                    step.sums[scale] += value
                    step.counts[scale] += 1
        step.poor = step.poor or poor
        step.alike, step.smoothed, step.finite = alike, smoothed, finite

    def take(self, steps: Iterable[StepSeen]) -> None:
        """Take whole steps at once, one after another; more samples of the last one may come."""
        for step in steps:
            self._end()
            self._step = step

    def go_on(self, more: StepSeen, samples: Sequence[tuple[float | None, ...]]) -> None:
        """Take more samples of the step at once, and the scores of the judged ones among them."""
        if samples:
            self.see(samples, more.poor, more.alike, more.smoothed, more.finite)
        self.compare(more.diversity, more.alike)

    def compare(self, diversity: float | None, alike: bool, again: bool = False) -> None:
        """Take how different the samples of the step are from each other; of several groups the most alike.

        Args:
            diversity: as a percentage of that between passages of the reference; None if fewer than two could
                be compared.
            alike: whether the samples of the last steps, this one included, are alike.
            again: it replaces the last value of this step, because more samples have come.
        """
        if self._step is None or diversity is None:
            return
        before = math.inf if again or self._step.diversity is None else self._step.diversity
        self._step.diversity, self._step.alike = min(before, diversity), alike

    def save(self, step: int) -> None:
        """Note that the trainer has saved a checkpoint of a step."""
        last, saved = self._ended()._last, self._saved or []
        self._saved = saved if last is None else _with(saved, last._replace(step=step))

    def delete(self, step: int) -> None:
        """Note that the checkpoint of a step no longer exists."""
        if self._saved is not None:
            self._saved = [each for each in self._saved if each.step != step]

    def restart(self, step: int) -> None:
        """Forget the given step and all later ones, because the run was set back before them."""
        self._end()
        self._last = None
        self._candidates = [each for each in self._candidates if each.step < step]
        if self._saved is not None:
            self._saved = [each for each in self._saved if each.step < step]

    def place(self, before: float = math.inf, floor: float | None = -math.inf) -> Place:
        """Return the step to go back to.

        Args:
            before: the step of the first sample that counted for the halt.
            floor: a smoothed loss below this is too good to be true, so its step is left out; None if the
                losses cannot be compared, and then the last candidate is taken.
        """
        now = self._ended()
        best = now._best(now._candidates, before, floor)
        if best is None:
            return Place(None, "no step had samples that vary and score near the best of the run")
        why = "last step" if floor is None or best.smoothed is None else "lowest smoothed loss"
        why += " among the steps whose samples vary and score near the best of the run"
        if now._saved is None:
            return Place(best.step, why)
        saved = now._best(now._saved, before, floor)
        if saved is None:
            return Place(None, f"no checkpoint was saved up to step {best.step:,} ({why})")
        return Place(saved.step, f"{why}; its checkpoint was saved")

    def _best(
        self, candidates: Sequence[_Candidate], before: float, floor: float | None
    ) -> _Candidate | None:
        """Return the candidate with the lowest loss of those near the run's own best; if equal, the last."""
        found = [each for each in reversed(candidates) if each.step < before and self._is_near(each.means)]
        if floor is None:
            return next(iter(found), None)
        return min((each for each in found if _height(each) >= floor), key=_height, default=None)

    def _ended(self) -> "Checkpoint":
        """Return the state as it would be if no more samples of this step came."""
        copy = Checkpoint()
        copy.load_state_dict(self.state_dict())
        copy._end()
        return copy

    def _end(self) -> None:
        step, self._step = self._step, None
        if step is None or not any(step.counts):
            return
        means = step.means
        mean = self._count(means)
        falling = bool(self._before) and mean < FALLING * math.fsum(self._before) / len(self._before)
        self._before.append(mean)
        alike = step.alike or (step.diversity is not None and step.diversity < ALIKE_BELOW)
        spoilt = step.poor or falling or alike or not step.finite
        fit = not spoilt and self._is_near(means)
        self._last = _Candidate(step.step, step.smoothed, means) if fit else None
        if self._last is not None:
            self._candidates = _with(self._candidates, self._last)

    def _count(self, means: Sequence[float | None]) -> float:
        """Count the means of a step among those of the run; return their mean."""
        for ranks, mean in zip(self._ranks, means, strict=True):
            if mean is not None:
                ranks.add(int(mean))
        there = [mean for mean in means if mean is not None]
        return math.fsum(there) / len(there)

    def _is_near(self, means: Sequence[float | None]) -> bool:
        pairs = zip(means, self._ranks, strict=True)
        return all(mean is None or mean >= NEAR * ranks.best for mean, ranks in pairs)

    def state_dict(self) -> dict[str, Any]:
        """Return the state as plain JSON values."""
        saved = self._saved
        return {
            "step": None if self._step is None else list(asdict(self._step).values()),
            "counts": [[list(pair) for pair in sorted(ranks.counts.items())] for ranks in self._ranks],
            "before": list(self._before),
            "last": None if self._last is None else _plain(self._last),
            "candidates": [_plain(each) for each in self._candidates],
            "saved": None if saved is None else [_plain(each) for each in saved],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state; later results are the same as without the stop."""
        self._step = None if state["step"] is None else _step(*state["step"])
        self._ranks = [_Ranks(counts) for counts in state["counts"]]
        self._before = deque(state["before"], BEFORE)
        self._last = None if state["last"] is None else _candidate(*state["last"])
        self._candidates = [_candidate(*each) for each in state["candidates"]]
        self._saved = None if state["saved"] is None else [_candidate(*each) for each in state["saved"]]


def _plain(candidate: _Candidate) -> list[Any]:
    return [*candidate[:2], list(candidate.means)]


def _step(step: int, sums: Sequence[float], counts: Sequence[int], *rest: Any) -> StepSeen:
    return StepSeen(step, list(sums), list(counts), *rest)


def _candidate(step: int, smoothed: float | None, means: Sequence[float | None]) -> _Candidate:
    return _Candidate(step, smoothed, tuple(means))


def _with(candidates: Sequence[_Candidate], new: _Candidate) -> list[_Candidate]:
    """Add a candidate; if there are too many, keep of the older ones every second, and the lowest."""
    found = [each for each in candidates if each.step != new.step]
    found.append(new)
    if len(found) <= KEPT:
        return found
    older, recent = found[: KEPT // 2], found[KEPT // 2 :]
    lowest = min(reversed(older), key=_height)
    return [each for place, each in enumerate(older) if place % 2 == 0 or each is lowest] + recent


def _height(candidate: _Candidate) -> float:
    return math.inf if candidate.smoothed is None else candidate.smoothed
