"""For TRL's GRPO and RLOO: a reward function that passes the trainer's own completions to a monitor.

Source: docs/trainers/trl.md.
"""

# ruff: noqa: ARG002 - the arguments that the Trainer passes to every callback

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from coherence.run import given
from coherence.run.monitor import Monitor as Monitor
from coherence.scoring.profile import SCALES
from coherence.scoring.scores import Scores, score
from coherence.signals.settings import Settings
from coherence.trainers.common import Judged, begin, from_rank_zero, missing, say_halt

try:
    from torch import distributed
    from transformers import TrainerControl, TrainerState, TrainingArguments
except ImportError as error:
    raise missing("huggingface", "transformers") from error

from coherence.trainers.huggingface import CoherenceCallback
from coherence.trainers.torch_loop import broadcast

Asked = tuple[str | None, str | None]
"""A prompt and what the model wrote, as texts; None if a value does not hold a text."""


class CoherenceReward(CoherenceCallback):
    """A reward function for TRL that judges the completions it is given; no extra samples are drawn.

    Pass it to the trainer twice, in the reward functions and in the callbacks. Every rank has one; the
    monitor gets the completions of all ranks, with the step whose weights wrote them. It takes the first
    completion of each prompt, then the second of each, so that a single prompt that asks for a loop does not
    make a streak.

    Without the callback a halt raises `HaltedRun` on every rank, and losses and checkpoints are not known.

    Args:
        monitor: of the run; None on every rank but 0.
        penalty: a low completion gets this as a negative reward; 0 only watches. A fine completion gets 0.
        every: steps from one judged step to the next.
        warmup: the first step that is judged; None for 5 % of the run, unless the gate has a warm-up.

    Raises:
        ValueError: `penalty` is not a number from 0 on, or `every` is below 1.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Monitor(folder) as monitor:
    ...     reward = CoherenceReward(monitor, penalty=1.0, warmup=0)
    ...     completions = ["Budy Budy Budy Budy", "The cat sat by the door and waited for the rain to stop."]
    ...     reward(["Once", "Once"], completions, trainer_state=TrainerState())
    [-1.0, 0.0]
    """

    def __init__(
        self, monitor: Monitor | None, penalty: float = 0.0, every: int = 1, warmup: int | None = None
    ) -> None:
        if not 0 <= penalty < math.inf:
            raise ValueError(f"penalty {penalty!r}; expected a number, 0 or more: it is subtracted")
        super().__init__(monitor, None, every, warmup)
        self.__name__ = "coherence"  # the name under which TRL logs the reward
        self.penalty = float(penalty)
        self._settings: Settings | None = None
        self._is_callback = False
        self._last: int | None = None

    def __call__(self, prompts: Sequence[Any], completions: Sequence[Any], **kwargs: Any) -> list[float]:
        """Return a reward for each completion; every rank calls it with its own completions.

        Args:
            prompts: one for each completion, texts or chats.
            completions: texts or chats.
            kwargs: what TRL adds: `trainer_state`, `log_extra`, `log_metric`, and the columns of the data.

        Raises:
            TypeError: TRL passes no `trainer_state`.
            HaltedRun: the gate has fired, and this is not one of the trainer's callbacks.
        """
        state = kwargs.get("trainer_state")
        if state is None:
            raise TypeError("CoherenceReward: no trainer_state was given; expected TRL 1.0 or newer")
        settings = self._begin(state)
        asked = [(given.prompt(p), given.text(c)) for p, c in zip(prompts, completions, strict=True)]
        scores = [score(text or "", prompt, settings.lexicon, settings.profile) for prompt, text in asked]
        lows = [each.low(settings.threshold) for each in scores]
        if "log_extra" in kwargs:
            for name, values in _columns(scores, lows).items():
                kwargs["log_extra"](name, values)
        step = int(state.global_step)
        if self._last is None or not self._last < step < self._last + self.every:
            self._last = step
            self._judge(step, asked, kwargs.get("log_metric"))
        return [-self.penalty if low else 0.0 for low in lows]

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Restore the checkpoint's state; refuse a halted run.

        Raises:
            HaltedRun: the run was halted.
        """
        self._is_callback, self._settings, self._last = True, None, None
        super().on_train_begin(args, state, control, **kwargs)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Stop training when the gate has halted; no checkpoint of the collapsed model is saved."""
        if self._judged is not None and self._judged.verdict.halt:
            say_halt(self._judged.verdict)
            control.should_training_stop = True

    def _begin(self, state: TrainerState) -> Settings:
        """Return rank 0's settings; set the warm-up if no callback has done so."""
        if self._settings is None:

            def start(monitor: Monitor) -> Settings:
                if not self._is_callback:
                    begin(monitor, self.warmup, state.max_steps)
                return monitor.settings

            self._settings = from_rank_zero(self.monitor, start, broadcast)
        return self._settings

    def _judge(self, step: int, asked: list[Asked], log_metric: Any) -> None:
        """Pass the completions of all ranks to the monitor of rank 0, and send the result to all."""
        gathered = _one_of_each_prompt(_gather(asked))
        self._judged = judged = from_rank_zero(
            self.monitor, lambda monitor: Judged.of(monitor, step, gathered), broadcast
        )
        if self.monitor is not None and log_metric is not None:
            for name, value in judged.metrics.items():
                log_metric(name, value)
        if judged.verdict.halt and not self._is_callback:
            say_halt(judged.verdict)
            judged.end()


def _columns(scores: Sequence[Scores], lows: Sequence[bool]) -> dict[str, list[Any]]:
    """Return the columns for TRL's table of completions, next to the reward."""
    values = zip(*(each.values for each in scores), strict=True)
    columns: dict[str, list[Any]] = {
        f"coherence/{name}": list(column) for name, column in zip(SCALES, values, strict=False)
    }
    return columns | {"coherence/low": list(lows)}


def _gather(asked: list[Asked]) -> list[Asked]:
    """Return the completions of all ranks, in the order in which TRL gathers them for its table."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return asked
    found: list[list[Asked]] = [[]] * distributed.get_world_size()
    distributed.all_gather_object(found, asked)
    return [each for of_rank in found for each in of_rank]


def _one_of_each_prompt(asked: Sequence[Asked]) -> list[Asked]:
    """Return the first completion of each prompt, then the second of each, and so on."""
    times: Counter[str | None] = Counter()
    turns = []
    for prompt, _ in asked:
        turns.append(times[prompt])
        times[prompt] += 1
    order = sorted(range(len(asked)), key=turns.__getitem__)
    return [asked[place] for place in order]
