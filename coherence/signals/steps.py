"""The steps of one kind of rows as they come: late rows are distinguished from restarts.

Steps come slightly out of order from threads that log in turn and from servers that answer late; a run that
was set back repeats them. Source: docs/signals.md, "Restarts".
"""

from bisect import insort
from collections.abc import Sequence
from math import inf

LARGEST_STEP = 2**53
"""No run gets so far; a larger number that is read as a float may differ from the written one."""


class Steps:
    """Follows the steps of losses, or of samples, and says which one is a restart.

    A step is merely late if at most `late` other steps beyond it have come already, and none of them is
    more than `reach` beyond it. A step that is further back is a restart.

    Args:
        late: how many steps may overtake one.
        reach: how far beyond it they may be.

    Attributes:
        last: the step of the last row; None before any.

    >>> steps = Steps(late=2)
    >>> for step in (100, 200, 300):
    ...     steps.take(step)
    >>> [steps.is_restart(step) for step in (300, 100, 99)]
    [False, False, True]
    """

    def __init__(self, late: int, reach: float = inf) -> None:
        self._late, self._reach = late, reach
        self._highest: list[int] = []  # the highest steps so far, one more than may overtake
        self.last: int | None = None

    def is_restart(self, step: int) -> bool:
        """Return whether a step is further back than a step that is merely late."""
        if not self._highest:
            return False
        overtaken = len(self._highest) > self._late and step < self._highest[0]
        return overtaken or step < self._highest[-1] - self._reach

    def take(self, step: int) -> None:
        """Take the step of the next row."""
        if step != self.last and step not in self._highest:
            insort(self._highest, step)
            del self._highest[: -self._late - 1]
        self.last = step

    def clear(self) -> None:
        """Forget all steps: the run was set back."""
        self._highest = []
        self.last = None

    def state(self) -> list[int]:
        """Return the state as plain values: the last step, then the highest ones."""
        return [] if self.last is None else [self.last, *self._highest]

    def load(self, state: Sequence[int]) -> None:
        """Restore a saved state."""
        self.last = state[0] if state else None
        self._highest = sorted(map(int, state[1:]))
