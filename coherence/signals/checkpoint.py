"""The step to go back to: one rule for the loop, the audit and the page.

Source: docs/signals.md, "The step to go back to".
"""

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from coherence.scoring.scores import FOREIGN_BELOW
from coherence.signals.samples import ALIKE_BELOW

NEAR = 0.5
"""A step whose mean on some scale is below this share of the run's own best has lost too much."""

BEST_SHARE = 0.25
"""The run's own best is the median of this share of its steps, the highest ones."""

FALLING, BEFORE = 0.85, 4
"""A step is falling if its mean is below this share of the mean of so many steps before it."""

KEPT, KEPT_SAVED = 32, 256
"""How many steps, and how many saved checkpoints are remembered.

If there are more, every second one of the older half is dropped, but never the best and the latest of it.
"""

LATE = 8
"""A checkpoint may be noted so many sampled steps late, and is still judged by the samples up to it."""

SCALES = 4

REJECTED = {
    "not finite": "the loss was not finite",
    "poor": "the mean score of a sample was below the threshold",
    "alike": "the samples were alike",
    "far": "a score was missing, or below half of the best of the run",
    "falling": "the scores were falling",
    "not judged": "every sample was a template or too short to judge",
}
"""Why a step cannot be gone back to: the first that holds."""


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


class _Judged(NamedTuple):
    """A step with judged samples, or a saved checkpoint, which the samples of the last step up to it judge.

    Attributes:
        step: the step.
        smoothed: the smoothed loss; None without losses.
        means: the mean scores; None if it cannot be gone back to.
        by: the step of the samples; None if there were none up to it.
    """

    step: int
    smoothed: float | None
    means: tuple[float | None, ...] | None
    by: int | None


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
      the best quarter of its steps; a missing score counts as 10, below which text that is not English has
      none, and as 0 for the best;
    - its scores are not falling: 15 % below the four steps before;
    - its samples are not alike, nor are those of the last steps on average; so a step with a single sample is
      not a candidate if variety is lost;
    - the loss was finite.

    Of the candidates before the collapse, the one with the lowest smoothed loss is named; without losses,
    the last one. If the trainer says which checkpoints it saved, only those are candidates: a checkpoint is
    judged by the samples of the last step up to it, its own included, whether they come before or after it.

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
        self._recent: deque[_Judged] = deque(maxlen=LATE)  # the last steps with judged samples
        self._candidates: list[_Judged] = []
        self._rejected: dict[str, int] = {}  # how many steps, by the names of `REJECTED`
        self._saved: list[_Judged] | None = None  # by step; None until the trainer says what it saves

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
        """Note that the trainer has saved a checkpoint of a step; of one below 0, only that it saves some."""
        saved = [each for each in self._saved or [] if each.step != step]
        if step >= 0:
            saved.append(self._judged_at(step))
            saved.sort(key=_step_of)
        self._saved = self._thinned(saved, KEPT_SAVED)

    def _judged_at(self, step: int) -> _Judged:
        """Return the judgement of a checkpoint by the samples that have come; more of them may change it."""
        found = [each for each in reversed(self._recent) if each.step <= step]
        if not found:
            return _Judged(step, None, None, by=None)
        return max(found, key=_step_of)._replace(step=step)

    def delete(self, step: int) -> None:
        """Note that the checkpoint of a step no longer exists."""
        if self._saved is not None:
            self._saved = [each for each in self._saved if each.step != step]

    def restart(self, step: int) -> None:
        """Forget the given step and all later ones, because the run was set back before them."""
        self._end()
        self._recent = deque([each for each in self._recent if each.step < step], LATE)
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
        saved = now._best(now._saved or [], before, floor)
        if saved is not None:
            return Place(saved.step, f"{_why(saved, floor)}; its checkpoint was saved")
        if best is None:
            return Place(None, now._why_none(before))
        why = _why(best, floor)
        if now._saved is None:
            return Place(best.step, why)
        there = [each for each in now._saved if each.step < before]
        if not there:
            return Place(None, f"no checkpoint exists up to step {best.step:,} ({why})")
        if all(each.by is None for each in there):
            none = "no saved checkpoint is judged: each came before the first samples that are remembered"
        else:
            none = "no saved checkpoint is fit by the samples up to it"
        return Place(None, f"{none}; the step would be {best.step:,} ({why})")

    def _why_none(self, before: float) -> str:
        """Return why there is no step to go back to."""
        if self._candidates:
            early = [each for each in self._candidates if each.step < before]
            if not early:
                return f"no step that is fit comes before {before:,}, where the samples become low"
            if any(map(self._is_near, early)):
                return "no step that is fit has a smoothed loss that is not too good to be true"
            return "no step is fit: those that were are far below the best that came later"
        if not self._rejected:
            return "no step has samples"
        name = max(REJECTED, key=lambda each: self._rejected.get(each, 0))
        steps = sum(self._rejected.values())
        return f"no step is fit: {REJECTED[name]} at {self._rejected[name]:,} of {steps:,} steps"

    def _best(self, judged: Sequence[_Judged], before: float, floor: float | None) -> _Judged | None:
        """Return the one with the lowest loss of those near the run's own best; if equal, the last."""
        found = [each for each in reversed(judged) if each.step < before and self._is_near(each)]
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
        if step is None:
            return
        means = step.means
        why = self._why_not(step, means) if any(step.counts) else "not judged"
        if why is not None:
            self._rejected[why] = self._rejected.get(why, 0) + 1
        if why == "not judged":
            return
        judged = _Judged(step.step, step.smoothed, means if why is None else None, step.step)
        self._recent.append(judged)
        if why is None:
            others = [each for each in self._candidates if each.step != judged.step]
            self._candidates = self._thinned([*others, judged], KEPT)
        self._judge_saved(judged)

    def _why_not(self, step: StepSeen, means: Sequence[float | None]) -> str | None:
        """Count a step with judged samples, and return why it cannot be gone back to: see `REJECTED`."""
        mean = self._count(means)
        holds = {
            "not finite": not step.finite,
            "poor": step.poor,
            "alike": step.alike or (step.diversity is not None and step.diversity < ALIKE_BELOW),
            "far": not self._are_near(means),
            "falling": bool(self._before) and mean < FALLING * math.fsum(self._before) / len(self._before),
        }
        self._before.append(mean)
        return next((name for name in REJECTED if holds.get(name)), None)

    def _judge_saved(self, judged: _Judged) -> None:
        """Judge the saved checkpoints by the samples of a step, if no later ones up to them have come."""
        saved = self._saved or []
        for place in reversed(range(len(saved))):
            step, by = saved[place].step, saved[place].by
            if step < judged.step:
                return
            if by is None or by <= judged.step:
                saved[place] = judged._replace(step=step)

    def _count(self, means: Sequence[float | None]) -> float:
        """Count the means of a step among those of the run; return their mean."""
        for ranks, mean in zip(self._ranks, means, strict=True):
            ranks.add(int(mean or 0))
        there = [mean for mean in means if mean is not None]
        return math.fsum(there) / len(there)

    def _is_near(self, judged: _Judged) -> bool:
        """Return whether it can be gone back to, and is still near the run's own best."""
        return judged.means is not None and self._are_near(judged.means)

    def _are_near(self, means: Sequence[float | None]) -> bool:
        """Return whether scores are near the run's own best; without English there is no best in it."""
        for mean, ranks in zip(means, self._ranks, strict=True):
            if (FOREIGN_BELOW if mean is None else mean) < NEAR * ranks.best:
                return False
        return True

    def _thinned(self, judged: list[_Judged], most: int) -> list[_Judged]:
        """If there are too many, keep of the older ones every second, the best and the last to go back to."""
        if len(judged) <= most:
            return judged
        older, recent = judged[: most // 2], judged[most // 2 :]
        kept = {*older[::2], self._best(older, math.inf, -math.inf), self._best(older, math.inf, None)}
        return [each for each in older if each in kept] + recent

    def state_dict(self) -> dict[str, Any]:
        """Return the state as plain JSON values."""
        saved = self._saved
        return {
            "step": None if self._step is None else list(asdict(self._step).values()),
            "counts": [[list(pair) for pair in sorted(ranks.counts.items())] for ranks in self._ranks],
            "before": list(self._before),
            "recent": [_plain(each) for each in self._recent],
            "candidates": [_plain(each) for each in self._candidates],
            "rejected": self._rejected.copy(),
            "saved": None if saved is None else [_plain(each) for each in saved],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state; later results are the same as without the stop."""
        self._step = None if state["step"] is None else _step(*state["step"])
        self._ranks = [_Ranks(counts) for counts in state["counts"]]
        self._before = deque(state["before"], BEFORE)
        # Earlier versions remembered only the last step, counted no rejected ones, and did not sort.
        recent = state["recent"] if "recent" in state else filter(None, [state["last"]])
        self._recent = deque([_judged(*each) for each in recent], LATE)
        self._candidates = [_judged(*each) for each in state["candidates"]]
        rejected = state.get("rejected", {})
        self._rejected = {name: int(rejected[name]) for name in REJECTED if name in rejected}
        saved = state["saved"]
        self._saved = None if saved is None else sorted((_judged(*each) for each in saved), key=_step_of)


def _why(best: _Judged, floor: float | None) -> str:
    why = "last step" if floor is None or best.smoothed is None else "lowest smoothed loss"
    return f"{why} among the steps whose samples vary and score near the best of the run"


def _plain(judged: _Judged) -> list[Any]:
    plain = [judged.step, judged.smoothed, judged.means and list(judged.means)]
    return plain if judged.by == judged.step else [*plain, judged.by]


def _step(step: int, sums: Sequence[float], counts: Sequence[int], *rest: Any) -> StepSeen:
    return StepSeen(step, list(sums), list(counts), *rest)


def _judged(step: int, smoothed: float | None, means: Sequence[float | None] | None, *by: Any) -> _Judged:
    return _Judged(step, smoothed, None if means is None else tuple(means), *(by or [step]))


def _step_of(judged: _Judged) -> int:
    return judged.step


def _height(judged: _Judged) -> float:
    return math.inf if judged.smoothed is None else judged.smoothed
