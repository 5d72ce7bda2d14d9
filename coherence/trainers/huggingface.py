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
from coherence.trainers.common import Draw, Judged, begin, check_every, from_rank_zero, log, missing, say_halt

try:
    from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
except ImportError as error:
    raise missing("huggingface", "transformers") from error

from coherence.trainers.torch_loop import broadcast, judge


class CoherenceCallback(TrainerCallback):
    """Gives a monitor the trainer's losses and samples, and stops training when the gate halts.

    The state goes into each checkpoint, as `coherence.json`, and comes back from the one resumed from.

    Args:
        monitor: of the run; None on every rank but 0.
        sample: takes the model and the step, returns the texts, or pairs of a prompt and a text: a ready
            `Sampler`, or your own.
        every: steps between two samplings.
        warmup: the first step that is judged; None for 5 % of the run, unless the gate has a warm-up.
        trainer: puts the scores where its losses go, if it is given.

    Raises:
        ValueError: `every` is below 1.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Monitor(folder) as monitor:
    ...     callback = CoherenceCallback(monitor, sample=lambda model, step: ["..."], every=500)
    """

    def __init__(
        self,
        monitor: Monitor | None,
        sample: Draw,
        every: int = 500,
        warmup: int | None = None,
        trainer: Trainer | None = None,
    ) -> None:
        self.monitor, self.sample, self.trainer = monitor, sample, trainer
        self.every, self.warmup = check_every(every), warmup
        self._judged: Judged | None = None

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

        self._judged = None
        if self.monitor is not None and args.save_total_limit and _has_a_best(args):
            log.warning(
                "save_total_limit %d: kept are the best checkpoint by %s and the newest, which need not be "
                'the last coherent one; metric_for_best_model="coherence" keeps that',
                *(args.save_total_limit, args.metric_for_best_model),
            )
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
        """Sample and judge every so many optimizer steps; on a halt stop.

        No checkpoint is saved at a halt: it would be of the collapsed model, and push out a coherent one.
        """
        if state.global_step % self.every:
            return
        tokenizer = kwargs.get("processing_class")
        judged = judge(self.monitor, state.global_step, kwargs["model"], self.sample, tokenizer)
        self._judged = judged
        if self.trainer is not None and judged.metrics:
            # Not the log of what stands on it: TRL's would write its own figures before their time.
            Trainer.log(self.trainer, dict(judged.metrics))
        if judged.verdict.halt:
            say_halt(judged.verdict)
            control.should_training_stop = True

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Put the mean score of the last samples among the metrics: `metric_for_best_model="coherence"`."""
        metrics = kwargs.get("metrics")
        if metrics is not None:
            last = {} if self._judged is None else self._judged.metrics
            metrics["eval_coherence"] = last.get("coherence/mean", 0.0)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """End the program where a halt is to do so.

        Raises:
            HaltedRun: the gate has fired, and `on_halt` of the monitor is "raise"; on every rank.
        """
        if self._judged is not None:
            self._judged.raise_if_asked()

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Note the checkpoint, then write the state into it; a full disk costs a warning, not the run."""
        if self.monitor is not None:
            self.monitor.note(SAVED, state.global_step)  # first: whoever goes on from it knows of it
            self._keep_coherent(args, state, self.monitor.resume_from)
            path = _state_file(args, state)
            try:
                replace_file(path, json.dumps(self.monitor.state_dict(), allow_nan=False))
            except OSError as error:
                log.warning("%s: cannot save the gate's state (%s)", path, error)

    def _keep_coherent(self, args: TrainingArguments, state: TrainerState, step: int | None) -> None:
        """Keep the last coherent checkpoint out of rotation, unless the Trainer keeps a best one itself."""
        folder = None if step is None else Path(args.output_dir or ".") / f"checkpoint-{step}"
        if folder is not None and folder.is_dir() and not _has_a_best(args):
            state.best_model_checkpoint = str(folder)


def _has_a_best(args: TrainingArguments) -> bool:
    return args.metric_for_best_model is not None and not args.metric_for_best_model.endswith("coherence")


def _state_file(args: TrainingArguments, state: TrainerState) -> Path:
    return Path(args.output_dir or ".") / f"checkpoint-{state.global_step}" / "coherence.json"


def _load(monitor: Monitor, path: Path) -> None:
    try:
        monitor.load_state_dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        log.warning("%s is not there; the gate goes on with what %s holds", path, monitor.folder)
    except ValueError as error:
        raise ValueError(f"{path} is no state of a run ({error}); remove it to go on without") from error
