"""For the Hugging Face Trainer and what stands on it, TRL for instance: a callback.

Source: docs/trainers/huggingface.md.
"""

# ruff: noqa: ARG002 - the arguments are those that the Trainer hands to every callback

import json
from pathlib import Path
from typing import Any

from coherence.files import replace_file
from coherence.run.monitor import Monitor
from coherence.signals.both import SAVED
from coherence.trainers.common import Draw, begin, check_every, from_rank_zero, log, missing, say_halt

try:
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
except ImportError as error:
    raise missing("huggingface", "transformers") from error

from coherence.trainers.torch_loop import broadcast, check


class CoherenceCallback(TrainerCallback):
    """Gives a monitor the trainer's losses and samples, and stops training when the gate halts.

    The state goes into each checkpoint, as `coherence.json`, and comes back from the one resumed from.

    Args:
        monitor: of the run; None on every rank but 0.
        sample: takes the model and the step, returns the texts: a ready `Sampler`, or your own.
        every: steps between two samplings.
        warmup: the first step that is judged; None for 5 % of the run, unless the gate has a warm-up.

    Raises:
        ValueError: `every` is below 1.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Monitor(folder) as monitor:
    ...     callback = CoherenceCallback(monitor, sample=lambda model, step: ["..."], every=500)
    """

    def __init__(
        self, monitor: Monitor | None, sample: Draw, every: int = 500, warmup: int | None = None
    ) -> None:
        self.monitor, self.sample = monitor, sample
        self.every, self.warmup = check_every(every), warmup

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Take up the checkpoint's state; refuse a halted run.

        Raises:
            HaltedRun: the run was halted. A flag in `control` would still train one step.
        """

        def start(monitor: Monitor) -> None:
            monitor.refuse_halted()
            if state.global_step > 0:
                _load(monitor, _state_file(args, state))
            begin(monitor, self.warmup, state.max_steps)

        from_rank_zero(self.monitor, start, broadcast)

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Take the loss of a training row, with the gradient norm that uncovers a NaN logged as 0.0."""
        row = kwargs.get("logs") or {}
        if self.monitor is not None and "loss" in row:
            self.monitor.loss(state.global_step, row["loss"], grad_norm=row.get("grad_norm"), beside=row)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Sample and judge every so many optimizer steps; on a halt save a checkpoint and stop."""
        if state.global_step % self.every:
            return
        tokenizer = kwargs.get("processing_class")
        verdict = check(self.monitor, state.global_step, kwargs["model"], self.sample, tokenizer)
        if verdict.halt:
            say_halt(verdict)
            control.should_training_stop = control.should_save = True

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Note the checkpoint, then write the state into it; a full disk costs a warning, not the run."""
        if self.monitor is not None:
            self.monitor.note(SAVED, state.global_step)  # first: whoever goes on from it knows of it
            path = _state_file(args, state)
            try:
                replace_file(path, json.dumps(self.monitor.state_dict(), allow_nan=False))
            except OSError as error:
                log.warning("%s: cannot save the gate's state (%s)", path, error)


def _state_file(args: TrainingArguments, state: TrainerState) -> Path:
    return Path(args.output_dir or ".") / f"checkpoint-{state.global_step}" / "coherence.json"


def _load(monitor: Monitor, path: Path) -> None:
    try:
        monitor.load_state_dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        log.warning("%s is not there; the gate goes on with what %s holds", path, monitor.folder)
    except ValueError as error:
        raise ValueError(f"{path} is no state of a run ({error}); remove it to go on without") from error
