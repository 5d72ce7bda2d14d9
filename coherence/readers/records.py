"""What readers yield: samples, losses, events of a run, and the lines that could not be used.

Plain values with their file and line. Source: docs/formats.md.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

PHASE = "phase "
"""How the runs are named if a log holds several, one after another; the number follows."""

DATED = "dated"
"""The name of the count of samples in logs with a time before each line, also before blank ones."""


class Origin(NamedTuple):
    """Where a record was read: its file and line, from 1.

    >>> Origin("samples.jsonl", 3).line
    3
    """

    file: str
    line: int


class Problem(NamedTuple):
    """A line that could not be used, or that a reader of the report should know about.

    >>> Problem("samples.jsonl", 3, "not JSON").message
    'not JSON'
    """

    file: str
    line: int
    message: str


class Sample(NamedTuple):
    """One sample as a trainer wrote it; a reader has checked its values.

    Attributes:
        step: of the training; None if the dump does not say, then its samples are numbered.
        text: what the model wrote, perhaps after the prompt.
        file, line: where it is.
        prompt: what it was given.
        loss: at that step; `beside`: the sign that it is not a cross-entropy, as in a `LossRow`.
        source: the part of the data mix, or the task.
        time: when it was drawn, in seconds.
        run: its run, if a dump holds several.
        group: the group it belongs to: the number of its prompt, or the value of a key that was asked for.
        place: its index among the samples of its step, if a monitor wrote it; None in any other dump.
        scores: those that the monitor gave it, in the order of the scales.
        reward: what it earned in reinforcement learning; rewarded: the key of that value.
        finish_reason: why the server ended it: "stop", "length", "repetition".

    >>> Sample(step=100, text="Once", file="samples.jsonl", line=1).origin
    Origin(file='samples.jsonl', line=1)
    """

    step: int | None
    text: str
    file: str
    line: int
    prompt: str | None = None
    loss: float | None = None
    source: str | None = None
    time: float | None = None
    run: str | None = None
    group: str | None = None
    place: int | None = None
    scores: tuple[float | None, ...] | None = None
    beside: str | None = None
    reward: float | None = None
    rewarded: str | None = None
    finish_reason: str | None = None

    @property
    def origin(self) -> Origin:
        """Its file and line."""
        return Origin(self.file, self.line)


class LossRow(NamedTuple):
    """The loss of one step as a trainer wrote it.

    `loss` may be not-a-number, `time` is in seconds; `beside` is the sign that it is not a cross-entropy: a
    "reward" that is logged with it, or another sign that `kind_beside` finds.
    """

    step: int
    loss: float
    file: str
    line: int
    source: str | None = None
    run: str | None = None
    time: float | None = None
    beside: str | None = None


class MetricRow(NamedTuple):
    """A metric of reinforcement learning at one step, as it was logged: reward, KL divergence or length.

    `name` is "reward", "kl" or "length", whatever key the trainer wrote it under; a reward has the unit of
    the task, a KL divergence is in nats, a length in tokens.

    >>> MetricRow(10, "reward", 0.5, "train.jsonl", 1, key="critic/score/mean").name
    'reward'
    """

    step: int
    name: str
    value: float
    file: str
    line: int
    key: str
    run: str | None = None


class Mark(NamedTuple):
    """An event as a monitor wrote it, with its time, and for a restart the state that was loaded, if one was.

    >>> Mark(1.7e9, "restart", 420).event
    'restart'
    """

    time: float | None
    event: str
    step: int
    details: Mapping[str, Any] = MappingProxyType({})
    state: Mapping[str, Any] | None = None
