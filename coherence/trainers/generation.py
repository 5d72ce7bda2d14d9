"""Stop a generation that loops: for transformers' `generate`, and for any other decoder.

Source: docs/trainers/generation.md.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

TOKENS = 120
"""The fewest tokens of a loop: more than a line, because rulers and rows of zeros end with their line."""

TIMES = 5
"""The fewest copies of the phrase: a refrain is sung three or four times."""

LONGEST_PERIOD = 256
"""The most tokens of a phrase that is looked for."""

Numbers = npt.NDArray[np.int64]


class Repeat(NamedTuple):
    """Where a loop begins in the tokens, and how long its phrase is.

    `tokens[:start]` is the text before the loop, `tokens[: start + period]` keeps the phrase once.

    Attributes:
        start: the position of its first token.
        period: the number of tokens of the repeated phrase.
    """

    start: int
    period: int


class _Rows:
    """Follows several rows of tokens, and finds those in which a phrase is repeated over and over.

    For each period it counts how many of the last tokens equal the token one period before.
    """

    def __init__(self, rows: int, tokens: int, times: int) -> None:
        if tokens < 2 or times < 2:
            name, value = ("tokens", tokens) if tokens < 2 else ("times", times)
            raise ValueError(f"{name} {value!r}; expected 2 or more")
        self.enough = np.maximum(tokens, times * np.arange(1, LONGEST_PERIOD + 1))
        self.least_run = self.enough - np.arange(1, LONGEST_PERIOD + 1)  # the first copy does not count
        self.recent = np.full((rows, LONGEST_PERIOD), -1, np.int64)  # newest token first
        self.runs = np.zeros((rows, LONGEST_PERIOD), np.int64)
        self.found: list[Repeat | None] = [None] * rows

    def see(self, tokens: Numbers) -> None:
        """Take one token for each row from before the text: a loop may repeat it, but not begin there."""
        self.recent[:, 1:] = self.recent[:, :-1]
        self.recent[:, 0] = tokens

    def take(self, tokens: Numbers, at: int, first: int) -> None:
        """Take one token for each row, at position `at` of a text that begins at position `first`.

        A token below 0 does not equal any other.
        """
        self.runs += 1
        self.runs *= self.recent == np.where(tokens < 0, -2, tokens)[:, None]
        self.see(tokens)
        loops = self.runs >= self.least_run
        if not loops.any():
            return
        loops &= self.enough <= at + 1 - first
        for row in np.flatnonzero(loops.any(axis=1)).tolist():
            if self.found[row] is None:
                period = int(loops[row].argmax()) + 1  # the shortest one
                start = at + 1 - period - int(self.runs[row, period - 1])
                self.found[row] = Repeat(max(start, first), period)

    def take_from(self, parents: Sequence[int]) -> None:
        """Replace each row by a copy of its parent, after beams were chosen."""
        self.recent, self.runs = self.recent[parents], self.runs[parents]
        self.found = [self.found[parent] for parent in parents]


class LoopDetector:
    """Detects, token by token, that a text is in a loop.

    A loop is a phrase of up to 256 tokens that is repeated exactly, back to back, five times or more and over
    120 tokens or more: twelve copies of a phrase of 10 tokens, five of one of 60. Each token costs the same
    time.

    Args:
        tokens: the fewest tokens of a loop.
        times: the fewest copies of the phrase.

    Attributes:
        found: where the loop begins, once there is one; it does not change after that.

    Raises:
        ValueError: `tokens` or `times` is below 2.

    >>> detector = LoopDetector()
    >>> tokens = "so it goes on and on".split() + "and on".split() * 100
    >>> next(count for count, token in enumerate(tokens, 1) if detector.update(token))
    123
    >>> detector.found
    Repeat(start=3, period=2)
    """

    def __init__(self, tokens: int = TOKENS, times: int = TIMES) -> None:
        self._rows, self._length = _Rows(1, tokens, times), 0
        self._numbers: dict[Hashable, int] = {}

    @property
    def found(self) -> Repeat | None:
        """Where the loop begins; None until there is one."""
        return self._rows.found[0]

    def update(self, token: Hashable) -> bool:
        """Take the next token, a number or a word; return whether the text is in a loop."""
        number = self._numbers.setdefault(token, len(self._numbers))
        self._rows.take(np.array([number]), self._length, 0)
        self._length += 1
        return self.found is not None


def find_repeat(tokens: Iterable[Hashable], at_least: int = TOKENS, times: int = TIMES) -> Repeat | None:
    """Return where the first loop of a text begins; None if there is none.

    Args:
        tokens: token ids or words, without a prompt, whose repetitions would count too.
        at_least: the fewest tokens of a loop.
        times: the fewest copies of the phrase.

    Raises:
        ValueError: `at_least` or `times` is below 2.

    >>> words = ("He went home. " + "And then he slept. " * 40).split()
    >>> repeat = find_repeat(words)
    >>> repeat, " ".join(words[: repeat.start + repeat.period])
    (Repeat(start=3, period=4), 'He went home. And then he slept.')
    >>> find_repeat(("-" * 79).split() + "La la la la la la!".split())
    """
    detector = LoopDetector(at_least, times)
    return next((detector.found for token in tokens if detector.update(token)), None)


class LoopStopper:
    """Ends each row of transformers' `generate` that is in a loop, independently of the other rows.

    Pass it in `stopping_criteria`; it works with sampling, greedy decoding and beams. Repetitions in a prompt
    do not count. It may be used again: a new generation starts with a new state.

    Args:
        tokens: the fewest tokens of a loop.
        times: the fewest copies of the phrase.
        pad_token_id: what `generate` writes after the end of a row, so that it does not count as a loop.

    Attributes:
        found: for each row of the last generation, where its loop begins in the row that `generate` returns;
            None if it has none. With beams the rows are all candidates, more than are returned.

    Raises:
        ValueError: `tokens` or `times` is below 2.

    >>> stopper = LoopStopper(pad_token_id=0)  # model.generate(..., stopping_criteria=[stopper])
    >>> stopper.found
    []
    """

    def __init__(self, tokens: int = TOKENS, times: int = TIMES, pad_token_id: int | None = None) -> None:
        self._new_rows = lambda rows: _Rows(rows, tokens, times)
        self._rows, self._pad = self._new_rows(0), pad_token_id
        self._tail = int(self._rows.enough[-1])  # as many tokens as can matter
        self._seen: Any = None
        self._first = 0

    @property
    def found(self) -> list[Repeat | None]:
        """Where the loop of each row begins."""
        return list(self._rows.found)

    def __call__(self, input_ids: Any, scores: Any = None, **kwargs: Any) -> Any:  # noqa: ARG002 - given to all
        """Return a tensor with True for each row that is in a loop."""
        import torch  # such a model needs torch anyway; other decoders do not

        if not self._follow(input_ids):
            self._begin(input_ids)
            self._seen = input_ids[:, : self._first]
        before = self._seen.shape[1]
        for at, tokens in enumerate(self._numbers(input_ids[:, before:]), before):
            self._rows.take(tokens, at, self._first)
        self._seen = input_ids
        done = [repeat is not None for repeat in self._rows.found]
        return torch.tensor(done, device=input_ids.device)

    def _begin(self, input_ids: Any) -> None:
        """Start again: all tokens but the last are the prompt."""
        self._rows = self._new_rows(input_ids.shape[0])
        self._first = input_ids.shape[1] - 1
        for tokens in self._numbers(input_ids[:, : self._first][:, -LONGEST_PERIOD:]):
            self._rows.see(tokens)

    def _numbers(self, input_ids: Any) -> Numbers:
        """Return the tokens position by position, a row for each; padding does not equal anything."""
        ids: Numbers = input_ids.cpu().numpy().astype(np.int64).T
        return ids if self._pad is None else np.where(ids == self._pad, -1, ids)

    def _follow(self, input_ids: Any) -> bool:
        """Return whether these rows continue those seen last; if beams were chosen, copy their state."""
        if self._seen is None or input_ids.shape[1] <= self._seen.shape[1]:
            return False
        if input_ids.device != self._seen.device:
            return False
        before = self._seen[:, -self._tail :]
        now = input_ids[:, : self._seen.shape[1]][:, -self._tail :]
        if now.shape == before.shape and bool((now == before).all()):
            return True
        equal = (now[:, None] == before[None]).all(-1)
        if not bool(equal.any(1).all()):
            return False
        self._rows.take_from(equal.int().argmax(1).tolist())
        return True
