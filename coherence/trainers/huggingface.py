"""A callback for the Hugging Face Trainer and trainers built on it, such as TRL's.

Source: docs/trainers/huggingface.md.
"""

# ruff: noqa: ARG002 - the arguments that the Trainer passes to every callback

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from coherence.files import replace_file
from coherence.run.monitor import Monitor as Monitor
from coherence.signals.both import DELETED, SAVED
from coherence.trainers.common import Draw, Judged, begin, check_every, from_rank_zero, log, missing, say_halt

try:
    from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
except ImportError as error:
    raise missing("huggingface", "transformers") from error

from coherence.trainers.sampler import Prompt
from coherence.trainers.sampler import Sampler as Sampler
from coherence.trainers.torch_loop import broadcast, judge

BEST = ("coherence", "eval_coherence")
"""Names under which the Trainer finds the mean score for `metric_for_best_model`."""


class CoherenceCallback(TrainerCallback):
    """Gives a monitor the trainer's losses and samples, and stops training when the gate halts.

    The state is saved in each checkpoint, as `coherence.json`, and restored from the one that is resumed. The
    checkpoint to go back to is kept when `save_total_limit` deletes others, unless the Trainer keeps the
    best one by a metric.

    Args:
        monitor: of the run; None on every rank but 0.
        sample: prompts, which a `Sampler` with the tokenizer of `trainer` completes; or a function, such as a
            `Sampler`, that takes the model and the step and returns the texts, or pairs of a prompt and a
            text; None if another process samples.
        every: sampling interval in steps.
        warmup: the first step that is judged; None for 5 % of the run, unless the gate has a warm-up.
        trainer: logs the scores with its losses; None to log no scores.

    Raises:
        ValueError: `every` is below 1, or the prompts cannot be used.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Monitor(folder) as monitor:
    ...     callback = CoherenceCallback(monitor, sample=lambda model, step: ["..."], every=500)
    """

    def __init__(
        self,
        monitor: Monitor | None,
        sample: Draw | Sequence[Prompt] | None,
        every: int = 500,
        warmup: int | None = None,
        trainer: Trainer | None = None,
    ) -> None:
        self.monitor, self.sample, self.trainer = monitor, _sampler(sample, trainer), trainer
        self.every, self.warmup = check_every(every), warmup
        self._judged: Judged | None = None
        self._kept: str | None = None  # the checkpoint that is not deleted because of this callback
        self._saved: set[int] = set()  # steps of checkpoints that exist

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Restore the checkpoint's state; refuse a halted run.

        Raises:
            HaltedRun: the run was halted. With a flag in `control` one step would still be trained.
        """

        def start(monitor: Monitor) -> None:
            monitor.refuse_halted()
            if state.global_step > 0:
                _load(monitor, _state_file(args, state))
            begin(monitor, self.warmup, state.max_steps, state.global_step)
            folders = Path(args.output_dir or ".").glob("checkpoint-*")
            steps = (each.name.removeprefix("checkpoint-") for each in folders)
            self._saved = {int(step) for step in steps if step.isdecimal()}
            if args.save_total_limit and args.metric_for_best_model not in (None, *BEST):
                log.warning(
                    "save_total_limit=%d deletes all checkpoints but the newest and the best by %s; neither "
                    'need be coherent. metric_for_best_model="coherence" keeps the most coherent one',
                    *(args.save_total_limit, args.metric_for_best_model),
                )

        self._judged = None
        self._kept = state.best_model_checkpoint if args.metric_for_best_model is None else None
        from_rank_zero(self.monitor, start, broadcast)

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Take the loss of a training row, with the gradient norm that uncovers a NaN logged as 0.0."""
        row = kwargs.get("logs") or {}
        if "train_loss" in row and self._kept == state.best_model_checkpoint:
            # The training is over: with save_total_limit=1 all but the "best" would be deleted now, also
            # the newest.
            state.best_model_checkpoint = None
        if self.monitor is not None and "loss" in row:
            self.monitor.loss(state.global_step, row["loss"], grad_norm=row.get("grad_norm"), beside=row)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Sample and judge every `every` optimizer steps; stop at a halt.

        No checkpoint is saved at a halt: it would be of the collapsed model, and replace a coherent one.
        """
        if state.global_step % self.every:
            return
        tokenizer = kwargs.get("processing_class")
        judged = judge(self.monitor, state.global_step, kwargs["model"], self.sample, tokenizer)
        self._judged = judged
        if self.trainer is not None and judged.metrics:
            # Not TRL's own `log`, which would log its metrics too early. Logging during a step makes the
            # Trainer forget that it was about to log the loss.
            due = control.should_log
            Trainer.log(self.trainer, dict(judged.metrics))
            control.should_log = due
        if judged.verdict.halt:
            say_halt(judged.verdict)
            control.should_training_stop = True

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Add the mean score of the last samples to the metrics, for `metric_for_best_model="coherence"`."""
        metrics = kwargs.get("metrics")
        last = {} if self._judged is None else self._judged.metrics
        if metrics is not None and (last or args.metric_for_best_model in BEST):
            metrics["eval_coherence"] = last.get("coherence/mean", 0.0)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """End the program after a halt, if the monitor was asked to.

        Raises:
            HaltedRun: the gate has fired, and `on_halt` of the monitor is "raise"; on every rank.
        """
        if self.monitor is not None:
            self._note_deleted(args, self.monitor)
        if self._judged is not None:
            self._judged.raise_if_asked()

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Note the checkpoint, then write the state into it; a full disk only causes a warning."""
        if self.monitor is not None:
            self.monitor.note(SAVED, state.global_step)  # first, so that it is in the saved state
            self._saved.add(state.global_step)
            self._note_deleted(args, self.monitor)
            self._keep_coherent(args, state, self.monitor)
            path = _state_file(args, state)
            try:
                replace_file(path, json.dumps(self.monitor.state_dict(), allow_nan=False))
            except OSError as error:
                log.warning("%s: cannot save the gate's state (%s)", path, error)

    def _note_deleted(self, args: TrainingArguments, monitor: Monitor) -> None:
        """Note the checkpoints that were deleted, so that none of them is the one to go back to."""
        for step in sorted(self._saved):
            if not _checkpoint(args, step).is_dir():
                self._saved.discard(step)
                monitor.note(DELETED, step)

    def _keep_coherent(self, args: TrainingArguments, state: TrainerState, monitor: Monitor) -> None:
        """Keep the checkpoint to go back to from being deleted, unless the Trainer keeps a best one."""
        step = monitor.resume_from
        # While low samples count towards a halt, the step to go back to may be before the last fine one.
        if step in self._saved and not monitor.gate.streak and args.metric_for_best_model is None:
            self._kept = state.best_model_checkpoint = str(_checkpoint(args, step))


def _sampler(sample: Draw | Sequence[Prompt] | None, trainer: Trainer | None) -> Draw | None:
    """Return the function that draws samples: a `Sampler` if prompts were given.

    Raises:
        ValueError: the prompts cannot be used.
    """
    if sample is None or callable(sample):
        return sample
    found = getattr(trainer, "processing_class", None)
    if found is None:
        raise ValueError(
            "prompts need the trainer's tokenizer: trainer=trainer, which was given a processing_class; "
            "or give a Sampler(tokenizer, prompts) in place of the prompts"
        )
    return Sampler(getattr(found, "tokenizer", found), sample)  # a processor for images contains one


def _checkpoint(args: TrainingArguments, step: int) -> Path:
    return Path(args.output_dir or ".") / f"checkpoint-{step}"


def _state_file(args: TrainingArguments, state: TrainerState) -> Path:
    return _checkpoint(args, state.global_step) / "coherence.json"


def _load(monitor: Monitor, path: Path) -> None:
    try:
        monitor.load_state_dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        log.warning("%s is not there; the gate continues with what is in %s", path, monitor.folder)
    except ValueError as error:
        raise ValueError(f"{path} is not the state of a run ({error}); delete it to start without") from error
