"""Finds the steps of losses that are printed without them, as by the Hugging Face Trainer.

Its dictionaries name an epoch, and a progress bar next to them shows the step; but if the output is a file,
dictionaries come in blocks, and not every one is followed by its bar. Then the steps follow from the epochs,
the bar and the number of losses, because the losses are evenly spaced.
"""

import math
from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

NOTHING = -1

MOST_BARS = 1000
"""Bars of different lengths that are tracked; no log draws more."""

MOST_EPOCHS, MOST_STEPS = 1e6, 100_000
"""Epochs of a training, and steps between two losses; no trainer writes more."""

NEAR = 0.05
"""Parts of an epoch: a complete training ends this close to a whole number of epochs."""


class Drawn(NamedTuple):
    """How far a bar came, its first and last line in the log, and how many losses there were at each."""

    total: int
    begun: int
    ended: int
    done: int
    losses_before: int
    losses_then: int


class Bars:
    """Tracks the bars of a log, to find that of the training among those of loading and evaluating."""

    def __init__(self) -> None:
        self._kept: list[Drawn] = []
        self._now: dict[int, Drawn] = {}

    def see(self, place: int, done: int, total: int, losses: int) -> None:
        """Take one drawing of a bar."""
        before = self._now.get(total)
        if before is not None and done >= before.done:
            self._now[total] = before._replace(ended=place, done=done, losses_then=losses)
            return
        if before is None and len(self._now) >= MOST_BARS:
            return
        if before is not None and before.losses_then > before.losses_before:
            self._kept.append(before)
        self._now[total] = Drawn(total, place, place, done, losses, losses)

    def of(self, first: int, last: int) -> Drawn | None:
        """Return the bar during which the losses from one to another came; None if none was drawn."""

        def within(bar: Drawn) -> tuple[int, int]:
            shared = min(bar.losses_then, last + 1) - max(bar.losses_before, first)
            return max(shared, 0), bar.ended - bar.begun

        bars = [bar for bar in (*self._kept, *self._now.values()) if bar.losses_before <= last]
        return max(bars, key=within, default=None)


class Rows:
    """Losses without steps: the epoch of each, and how far the bar is that is drawn directly after it."""

    def __init__(self) -> None:
        self.epochs, self.behind, self.totals = array("d"), array("q"), array("q")
        self.bars = Bars()
        self.summaries: dict[int, float] = {}

    def add(self, epoch: float | None) -> None:
        """Take a loss."""
        self.epochs.append(math.nan if epoch is None else epoch)
        self.behind.append(NOTHING)
        self.totals.append(NOTHING)

    def follow(self, done: int, total: int) -> None:
        """Take the bar that is drawn directly after the last loss."""
        self.behind[-1], self.totals[-1] = done, total

    def end(self, epoch: float | None) -> None:
        """Take the summary of a training: the epoch at which it ended."""
        if epoch is not None:
            self.summaries[len(self.epochs)] = epoch

    def steps(self) -> list[int | None]:
        """Return the step of each loss; None if it cannot be found."""
        found: list[int | None] = []
        for first, end in self._trainings():
            steps = self._of(first, end)
            found += steps if steps is not None else [None] * (end - first)
        return found

    def _trainings(self) -> Iterator[tuple[int, int]]:
        """Yield the first loss of each training and its end: in the next training, the epoch begins again."""
        first = 0
        for place in range(1, len(self.epochs)):
            if self.epochs[place] < self.epochs[place - 1]:
                yield first, place
                first = place
        if len(self.epochs):
            yield first, len(self.epochs)

    def _of(self, first: int, end: int) -> Sequence[int] | None:
        behind, totals = self.behind[first:end].tolist(), self.totals[first:end].tolist()
        if (drawn := _drawn_behind(behind, totals)) is not None:
            return drawn
        bar = self.bars.of(first, end - 1)
        if bar is None or bar.done == 0:
            return None
        epochs = self.epochs[first:end].tolist()
        whole = self.summaries.get(end) if bar.done == bar.total else None
        return spaced(epochs, bar.done, bar.total, whole)


def _drawn_behind(behind: list[int], totals: list[int]) -> list[int] | None:
    """Return the steps in the bars after the losses, if there is one after each and they rise."""
    known = behind[:-1] if behind[-1] == NOTHING and len(behind) > 1 else behind
    if NOTHING in known or len(set(totals[: len(known)])) > 1:
        return None
    if len(known) < len(behind):
        known = [*known, 2 * known[-1] - known[-2] if len(known) > 1 else NOTHING]
    return known if all(a < b for a, b in pairwise(known)) else None


def spaced(epochs: Sequence[float], done: int, total: int, whole: float | None = None) -> list[int] | None:
    """Return the steps of evenly spaced losses; None if they cannot be found.

    Args:
        epochs: of the losses, not-a-number for losses without one.
        done: how far the bar of the training came.
        total: its length.
        whole: the epochs of the whole training, if they are known.

    >>> spaced([0.2, 0.4, 0.6, 0.8, 1.0], done=50, total=100)
    [10, 20, 30, 40, 50]
    >>> spaced([0.02, 0.2, 0.4, 0.6], done=30, total=100)
    [1, 10, 20, 30]
    """
    told = all(0 <= epoch <= MOST_EPOCHS for epoch in epochs)
    alone = _first_step_alone(epochs) if told else 0
    regular = epochs[alone:]
    apart = _apart(regular) if told else 0.0
    apart = apart if apart > 1 / MOST_EPOCHS else 0.0
    places = _places(regular, apart)
    if told and not _even(regular, apart):
        apart = median(b - a for a, b in pairwise(regular))
        places = [round(epoch / apart) for epoch in regular] if apart > 1 / MOST_EPOCHS else []
        if not places or places[0] < 1 or any(a >= b for a, b in pairwise(places)):
            return None
    spacing = _spacing(places[-1], apart, done, total, whole, _error(regular, apart))
    if spacing is None:
        return None
    steps = [1] * alone + [spacing * place for place in places]
    return steps if steps[alone] > alone else None


def _places(epochs: Sequence[float], apart: float) -> list[int]:
    """Return the place of each loss in the training, which may have been resumed, if none is missing."""
    before = max(round(epochs[0] / apart) - 1, 0) if apart > 0 else 0
    return list(range(before + 1, before + len(epochs) + 1))


def _even(epochs: Sequence[float], apart: float) -> bool:
    """Tell whether losses are evenly spaced up to the rounding of their epochs: none is missing."""
    most = max(0.45 * apart, 0.011)
    return all(abs(epoch - epochs[0] - apart * place) <= most for place, epoch in enumerate(epochs))


def _first_step_alone(epochs: Sequence[float]) -> int:
    """Return 1 if the first loss is that of the first step, before the regular ones, else 0."""
    if len(epochs) < 3:
        return 0
    apart = _apart(epochs[1:])
    return int(epochs[0] < 0.6 * apart and abs(epochs[1] - apart) < 0.3 * apart)


def _apart(epochs: Sequence[float]) -> float:
    """Return the part of an epoch between two losses."""
    return (epochs[-1] - epochs[0]) / (len(epochs) - 1) if len(epochs) > 1 else epochs[0]


def _error(epochs: Sequence[float], apart: float) -> float:
    """Return the relative error that it may have: epochs are often written with two digits."""
    return 0.01 / (apart * max(len(epochs) - 1, 1)) if apart > 0 else math.inf


def _spacing(
    count: int, apart: float, done: int, total: int, whole: float | None, error: float
) -> int | None:
    """Return the steps between two losses, from the number of losses that came during the bar."""
    most = done // count
    likely = range(done // (count + 1) + 1, most + 1)
    if most < 1 or most > MOST_STEPS:
        return None
    if apart <= 0:
        return max(likely, key=_roundness, default=None)
    if whole is not None and 1 / MOST_EPOCHS < whole < MOST_EPOCHS:
        spacing = round(total * apart / whole)
        return min(likely, key=lambda each: abs(each - spacing), default=min(max(spacing, 1), most))

    def off(spacing: int) -> float:
        """How far the epochs of the whole training are from a whole number."""
        all_epochs = total * apart / spacing
        return abs(all_epochs - max(round(all_epochs), 1))

    def allowed(spacing: int) -> float:
        return min(NEAR + error * total * apart / spacing, 0.45)

    fitting = [each for each in likely if off(each) <= allowed(each)]
    if fitting:
        best = min(map(off, fitting))
        return max((each for each in fitting if off(each) <= best + NEAR), key=_roundness)
    # The last losses of a killed process were never written.
    killed = [each for each in range(1, most + 1) if off(each) <= NEAR / 2] if done < total else []
    return max(killed, default=None) or max(likely, key=_roundness, default=None)


def _roundness(spacing: int) -> tuple[int, int]:
    """Return how round a number is: how often it can be divided by 10, 5 and 2."""
    rounds = sum(spacing % divisor == 0 for divisor in (1000, 500, 250, 100, 50, 25, 20, 10, 5, 2))
    return rounds, spacing
