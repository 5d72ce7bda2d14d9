"""The restarts of a run as a monitor wrote them down, and which rows each made void.

Source: docs/report.md, "Restarts".
"""

from collections.abc import Iterable
from math import inf
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from coherence.readers.records import Mark
from coherence.signals.both import RESTART


class Restarts(NamedTuple):
    """When a run was set back, and to which step, in the order of the times.

    What was written before a restart, of its step and of later ones, is void.

    >>> restarts = Restarts.of([Mark(5.0, "restart", 20)])
    >>> restarts.void(np.array([10, 20, 20]), np.array([1.0, 2.0, 6.0])).tolist()
    [False, True, False]
    """

    times: NDArray[np.float64]
    steps: NDArray[np.int64]

    @classmethod
    def of(cls, marks: Iterable[Mark]) -> Self:
        """Return the restarts among what befell a run."""
        found = sorted((mark.time or 0.0, mark.step) for mark in marks if mark.event == RESTART)
        times, steps = [time for time, _ in found], [step for _, step in found]
        return cls(np.array(times, np.float64), np.array(steps, np.int64))

    def void(self, steps: NDArray[np.int64], times: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell which rows a later restart has made void."""
        lowest = np.append(np.minimum.accumulate(self.steps[::-1])[::-1].astype(np.float64), inf)
        void: NDArray[np.bool_] = steps >= lowest[np.searchsorted(self.times, times, side="right")]
        return void
