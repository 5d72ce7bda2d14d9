"""The samples that show what a verdict says: the last good one, and those that halted the run.

Source: docs/page.md, "The evidence".
"""

from bisect import insort
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, NamedTuple, TypeVar

from coherence.signals.gate import Position, Verdict

T = TypeVar("T")

MOST = 10
"""Bad samples that are shown, the last ones of a longer streak."""

KEPT = 10
"""Of the lowest samples."""

PROMPTS = 256
"""Prompts of which the last good sample is remembered, those that came last."""


class Evidence(NamedTuple, Generic[T]):
    """The samples that show what a verdict says.

    Attributes:
        good: the last good one before them; None if there was none.
        bad: those that halted the run, in their order, or the worst one of a run that was not halted.
    """

    good: T | None = None
    bad: tuple[T, ...] = ()

    def going_back(self, candidates: Sequence[T], prompt_of: Callable[[T], Hashable]) -> "Evidence[T]":
        """Return it with a good sample of the step to go back to, if one is known.

        Args:
            candidates: the fine samples of that step; one of the prompt of the first bad sample is preferred.
            prompt_of: returns what equals that of other samples of the same prompt.

        >>> Evidence("a fine one", ("bad",)).going_back(["best", "better"], lambda sample: sample[0])
        Evidence(good='best', bad=('bad',))
        """
        if not self.bad or not candidates:
            return self
        asked = prompt_of(self.bad[0])
        same = [each for each in candidates if prompt_of(each) == asked]
        return self._replace(good=(same or candidates)[0])


class Witness(Generic[T]):
    """Sees every sample of a run and keeps those that show what its verdict says.

    Of a halted run that is the streak that halted it, of any other the low sample with the lowest mean
    score. The good sample is the last fine one before the first of them: of the same prompt if there is one,
    else of any prompt; `Evidence.going_back` prefers one of the step to go back to. A run without low samples
    has no evidence.

    >>> from coherence import Gate, score
    >>> gate, witness = Gate(patience=2), Witness()
    >>> for step, text in enumerate(["The cat sat by the door and waited for rain.", "so " * 20, "so " * 20]):
    ...     scores = score(text)
    ...     witness.see(step, "Once", (step, 0), gate.update(scores, step), scores.mean)
    >>> witness.evidence(halted=True)
    Evidence(good=0, bad=(1, 2))
    """

    def __init__(self) -> None:
        self._good: dict[Hashable, T] = {}  # by their prompts, the last one at the end
        # Low samples, each with the last good one before.
        self._counting: dict[Position, tuple[T, T | None]] = {}
        self._halted: Evidence[T] | None = None
        self._halted_by: list[Position] = []
        self._worst: list[tuple[float, Evidence[T]]] = []  # a few, for a restart may take some away

    def see(self, sample: T, prompt: Hashable, place: Position, verdict: Verdict, mean: float) -> None:
        """Take the next sample.

        Args:
            sample: what to keep of it.
            prompt: what equals that of other samples of the same prompt.
            place: its step, and which sample of its step it is.
            verdict: of the gate.
            mean: of its scores.
        """
        if verdict.low:
            self._take_low(sample, self._last_good(prompt), place, mean)
        elif verdict.kind == "fine":
            self._good.pop(prompt, None)
            self._good[prompt] = sample
            if len(self._good) > PROMPTS:
                del self._good[next(iter(self._good))]
        counting = [each for each in verdict.samples if each in self._counting]
        self._counting = {each: self._counting[each] for each in counting}
        if not verdict.collapsed:
            self._halted = None
        elif counting and (self._halted is None or counting != self._halted_by):
            self._halted_by = counting
            found = [self._counting[each] for each in counting]
            self._halted = Evidence(found[0][1], tuple(low for low, _ in found[-MOST:]))

    def _take_low(self, sample: T, before: T | None, place: Position, mean: float) -> None:
        self._counting[place] = sample, before
        insort(self._worst, (mean, Evidence(before, (sample,))), key=lambda each: each[0])
        del self._worst[KEPT:]

    def _last_good(self, prompt: Hashable) -> T | None:
        return self._good.get(prompt, next(reversed(self._good.values()), None))

    def keep(self, wanted: Callable[[T], bool]) -> None:
        """Forget the samples that are not wanted any more: the run was set back behind them."""
        self._good = {prompt: each for prompt, each in self._good.items() if wanted(each)}
        self._counting = {place: each for place, each in self._counting.items() if wanted(each[0])}
        self._worst = [each for each in self._worst if wanted(each[1].bad[0])]

    def evidence(self, halted: bool) -> Evidence[T]:
        """Return what shows the verdict on the run so far.

        Args:
            halted: whether it is a halt.
        """
        worst = self._worst[0][1] if self._worst else Evidence[T]()
        return (self._halted if halted else None) or worst
