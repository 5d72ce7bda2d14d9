"""The gate: halts a run whose samples have collapsed, and says why.

It knows scores and steps only: no files, no frameworks, no clock. Source: docs/signals.md, "The gate".
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast, get_args

from coherence.scoring.scores import Kind, Scores
from coherence.signals.settings import DEFAULTS
from coherence.signals.steps import Steps

FORMAT = 3

LOW: tuple[Kind, ...] = ("low", "empty")
"""The kinds that count towards a halt."""

LATE = 4
"""How many steps may overtake a sample: samples of an inference server come late and out of order."""

Position = tuple[int, int]
"""The position of a sample in the run: (step, index within the step)."""


class Verdict(NamedTuple):
    """The gate's decision on one sample, with its reason.

    Attributes:
        halt: training should stop now. Stays true once true; never true when only observing.
        collapsed: the gate has fired, whether or not it may ask to stop.
        kind: how the gate classified the sample: "low", "fine", "templated", "too short" or "empty".
        streak: how many low samples count towards a halt; 0 after the halt.
        patience: how many low samples halt.
        step: the step of this sample.
        samples: (step, index) of the samples that count; after the halt, of those that halted the run.
        reason: one sentence.
    """

    halt: bool
    collapsed: bool
    kind: Kind
    streak: int
    patience: int
    step: int
    samples: tuple[Position, ...]
    reason: str

    @property
    def low(self) -> bool:
        """Whether the sample counts towards a halt: low on every scale, or empty."""
        return self.kind in LOW

    @property
    def judged(self) -> bool:
        """Whether the sample counts at all: it is neither a template nor too short."""
        return self.kind in LOW or self.kind == "fine"


class Gate:
    """Halts on the `patience`-th low sample in a row.

    A fine sample ends the streak; templates and samples too short to judge are skipped. With `window`,
    `patience` low samples among the last `window` that were not skipped are enough. Samples of steps
    below `warmup` are skipped. The same (step, index) of the last step counts once. A sample of an
    earlier step has come late and counts like any other, unless it was there before or samples of more
    than four later steps came before it: that is a restart, and the streak starts again. Once halted, the
    gate stays halted until `reset`.

    Args:
        threshold: a sample is low if every score it has is strictly below it, 0 < threshold <= 100.
        patience: how many low samples halt, 1 or more.
        window: None for "in a row", else at least `patience`.
        warmup: first step that is judged.
        observe_only: decide and report, never ask to stop.

    Raises:
        ValueError: an argument is out of range.

    >>> from coherence import score
    >>> gate = Gate(patience=2)
    >>> gate.update(score("Budy Budy Budy Budy"), step=100).halt
    False
    >>> verdict = gate.update(score("'' '' '' '' '' '' '' ''"), step=200)
    >>> verdict.halt, verdict.streak
    (True, 2)
    >>> verdict.reason
    '2 samples in a row scored below 30 on every scale, from step 100 to step 200'
    """

    def __init__(
        self,
        threshold: float = DEFAULTS.threshold,
        patience: int = DEFAULTS.patience,
        window: int | None = DEFAULTS.window,
        warmup: int = DEFAULTS.warmup,
        observe_only: bool = DEFAULTS.observe,
    ) -> None:
        self._steps = Steps(LATE)
        self.configure(threshold, patience, window, warmup, observe_only)
        self.reset()

    def configure(
        self, threshold: float, patience: int, window: int | None, warmup: int, observe_only: bool
    ) -> None:
        """Change the settings of a gate in use; it keeps what it remembers.

        Raises:
            ValueError: a setting is out of range.
        """
        patience, warmup = _whole("patience", patience), _whole("warmup", warmup)
        window = None if window is None else _whole("window", window)
        if not 0 < threshold <= 100:
            raise ValueError(f"threshold {threshold!r}; expected a number above 0 and at most 100")
        if patience < 1:
            raise ValueError(f"patience {patience!r}; expected 1 or more")
        if window is not None and window < patience:
            raise ValueError(f"window {window!r}; expected at least the patience, {patience!r}, or None")
        if warmup < 0:
            raise ValueError(f"warmup {warmup!r}; expected a step, 0 or later")
        self.threshold = float(threshold)
        self.patience = patience
        self.window = window
        self.warmup = warmup
        self.observe_only = bool(observe_only)

    def reset(self) -> None:
        """Forget everything: the only way back from a halt."""
        self._judged: list[tuple[Position, Kind]] = []  # the last samples that were not skipped
        self._steps.clear()
        self._seen: dict[int, set[int]] = {}  # the indexes of each of the last steps
        self._halt_reason: str | None = None

    def restart(self) -> None:
        """Start the streak again, because the run was set back. A halt stays."""
        if not self.halted:
            self._judged = []
        self.forget_steps()

    def forget_steps(self) -> None:
        """Forget which steps there were; the streak is kept."""
        self._steps.clear()
        self._seen = {}

    @property
    def step(self) -> int | None:
        """The step of the last sample; None before any, and after a restart."""
        return self._steps.last

    def is_restart(self, step: int) -> bool:
        """Return whether a sample of a step would be a restart."""
        return self._steps.is_restart(step)

    def next_index(self, step: int) -> int:
        """Return the index after the largest one among the samples of a step so far."""
        return max(self._seen.get(step, ()), default=-1) + 1

    @property
    def halted(self) -> bool:
        """Whether the gate has fired."""
        return self._halt_reason is not None

    @property
    def halt_reason(self) -> str | None:
        """Why the gate has fired, one sentence; None if it has not."""
        return self._halt_reason

    @property
    def streak(self) -> int:
        """How many low samples count towards a halt; after the gate has fired, how many counted."""
        return len(self.counting)

    @property
    def counting(self) -> tuple[Position, ...]:
        """The positions of these samples."""
        return tuple([position for position, kind in self._judged if kind in LOW])

    def update(self, scores: Scores, step: int, index: int = 0) -> Verdict:
        """Take one sample's scores and return the verdict.

        Args:
            scores: of the sample.
            step: the training step it was drawn at.
            index: which of the samples of that step it is.
        """
        kind = scores.kind(self.threshold)
        repeated = self._repeated(step, index)
        if self.halted:
            return self._verdict(step, kind, str(self._halt_reason), after_halt=True)
        if repeated:
            return self._verdict(step, kind, f"sample {index:,} of step {step:,} was counted already")
        return self._decide(scores, kind, step, index)

    def takes_many(self, step: int, index: int) -> bool:
        """Return whether many samples can be taken at once, the first of them at a step and an index.

        It counts low samples in a row then, and no position comes a second time.
        """
        late = self.step is not None and step < max([self.step, *self._seen])
        if late or index < self.next_index(step):
            return False
        in_a_row = self.window is None and all(kind in LOW for _, kind in self._judged)
        return self.halted or (in_a_row and len(self._judged) < self.patience)

    def pass_over(
        self, positions: Sequence[tuple[int, range]], ended: bool, low: Sequence[tuple[Position, Kind]]
    ) -> None:
        """Take many samples at once of which none halts the run.

        Args:
            positions: the last steps, `LATE` + 1 or all, with the indexes of their samples.
            ended: whether one of the samples ended the streak.
            low: the low samples that count since then.
        """
        for step, indexes in positions:
            self._repeated(step, indexes[0])
            self._seen[step].update(indexes)
        if not self.halted:
            self._judged = [*([] if ended else self._judged), *low]

    def verdict_after(self, counting: Sequence[Position], scores: Scores, step: int, index: int) -> Verdict:
        """Return the verdict on one of many samples that were taken at once.

        Args:
            counting: the positions of the low samples that counted before it.
            scores: of the sample.
            step: the training step it was drawn at.
            index: which of the samples of that step it is.
        """
        kind = scores.kind(self.threshold)
        if self.halted:
            return self._verdict(step, kind, str(self._halt_reason), after_halt=True)
        then = Gate(self.threshold, self.patience, None, self.warmup, self.observe_only)
        then._judged = [(position, "low") for position in counting]
        return then._decide(scores, kind, step, index)

    def _decide(self, scores: Scores, kind: Kind, step: int, index: int) -> Verdict:
        if step < self.warmup:
            skipped = f"skipped: step {step:,} is in the warm-up ({self.warmup:,} steps)"
            return self._verdict(step, kind, skipped)
        if kind == "too short":
            return self._verdict(step, kind, f"skipped: too short to judge ({scores.tokens} tokens)")
        if kind == "templated":
            return self._verdict(step, kind, f"skipped: a template, {_written(scores)}")
        self._judge((step, index), kind)
        return self._verdict(step, kind, self._halt_reason or self._describe(scores, kind))

    def _repeated(self, step: int, index: int) -> bool:
        """Note the sample's position in the run; return whether that position was there before."""
        again = self.step is not None and step < self.step and index in self._seen.get(step, ())
        if again or self._steps.is_restart(step):
            self.restart()
        self._steps.take(step)
        seen = self._seen.setdefault(step, set())
        if len(self._seen) > LATE + 1:
            del self._seen[min(self._seen)]
        repeated = index in seen
        seen.add(index)
        return repeated

    def _judge(self, position: Position, kind: Kind) -> None:
        if self.window is None and kind not in LOW:
            self._judged = []
            return
        self._judged = [*self._judged, (position, kind)][-(self.window or self.patience) :]
        counting = self.counting
        if len(counting) >= self.patience:
            self._halt_reason = self._describe_halt(counting)

    def _describe_halt(self, counting: tuple[Position, ...]) -> str:
        if self.window is None:
            which = f"{len(counting):,} samples in a row" if len(counting) > 1 else "1 sample"
        else:
            which = f"{len(counting):,} of the last {len(self._judged):,} samples"
        first, last = counting[0][0], counting[-1][0]
        where = f"at step {first:,}" if first == last else f"from step {first:,} to step {last:,}"
        if all(kind != "low" for _, kind in self._judged):
            return f"{which} {'are' if len(counting) > 1 else 'is'} empty, {where}"
        return f"{which} scored below {self.threshold:g} on every scale, {where}"

    def _describe(self, scores: Scores, kind: Kind) -> str:
        count = f"{len(self.counting)} of {self.patience}"
        if kind == "empty":
            return f"empty ({count} that halt)"
        if kind == "low":
            return f"low on every scale ({count} that halt): {_written(scores)}"
        return f"fine ({count} that halt): {_written(scores)}"

    def unchanged(self, step: int, reason: str) -> Verdict:
        """Return the verdict if no sample has come, with the given reason or that of an earlier halt."""
        return self._verdict(step, "too short", self._halt_reason or reason, after_halt=self.halted)

    def _verdict(self, step: int, kind: Kind, reason: str, after_halt: bool = False) -> Verdict:
        counting, collapsed = self.counting, self.halted
        halt = collapsed and not self.observe_only
        streak = 0 if after_halt else len(counting)
        return Verdict(halt, collapsed, kind, streak, self.patience, step, counting, reason)

    def state_dict(self) -> dict[str, Any]:
        """Return the state as plain JSON values, without the settings."""
        return {
            "format": FORMAT,
            "judged": [[step, index, kind] for (step, index), kind in self._judged],
            "steps": self._steps.state(),
            "seen": [[step, sorted(indexes)] for step, indexes in self._seen.items()],
            "halt_reason": self._halt_reason,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state; later results are the same as without the stop.

        Raises:
            ValueError: the state is of another format, or not complete.
        """
        if state.get("format") != FORMAT:
            raise ValueError(f"gate state of format {state.get('format')!r}; this version reads {FORMAT}")
        if missing := sorted(self.state_dict().keys() - state.keys()):
            raise ValueError(f"gate state without {', '.join(missing)}")
        self._judged = [((int(step), int(index)), _kind(kind)) for step, index, kind in state["judged"]]
        self._steps.load(state["steps"])
        self._seen = {int(step): set(indexes) for step, indexes in state["seen"]}
        self._halt_reason = state["halt_reason"]


def _kind(name: str) -> Kind:
    """Return a kind from a saved state."""
    if name not in get_args(Kind):
        raise ValueError(f"kind {name!r}; expected one of {', '.join(get_args(Kind))}")
    return cast(Kind, name)


def _whole(name: str, value: float) -> int:
    """Return a setting as an int, also from a numpy integer or a share of the steps."""
    try:
        return int(value)
    except (OverflowError, TypeError, ValueError):
        raise ValueError(f"{name} {value!r}; expected a whole number") from None


def _written(scores: Scores) -> str:
    return (
        f"bigram {_rounded(scores.bigram)}, trigram {_rounded(scores.trigram)}, "
        f"english {_rounded(scores.english)}, character {_rounded(scores.character)}"
    )


def _rounded(value: float | None) -> str:
    return "none" if value is None else f"{value:.0f}"
