"""A callback for the Lightning Trainer.

Source: docs/trainers/lightning.md.
"""

# ruff: noqa: ARG002 - the arguments that the Trainer passes to every callback

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from statistics import fmean
from typing import Any

from coherence.run.monitor import Monitor as Monitor
from coherence.signals.both import DELETED, SAVED
from coherence.trainers.common import Draw, Judged, begin, check_every, from_rank_zero, log, missing, say_halt

try:
    import torch
    from lightning.pytorch import Callback, LightningModule, Trainer
    from lightning.pytorch.callbacks import ModelCheckpoint
except ImportError as error:
    raise missing("lightning", "lightning") from error

from coherence.trainers.torch_loop import judge


class CoherenceCallback(Callback):
    """Gives a monitor the losses and samples of a fit, and stops it when the gate halts.

    The state is part of each checkpoint. Steps are optimizer steps: accumulated batches are one step, whose
    loss is the mean of their losses.

    Args:
        monitor: of the run; None on every rank but 0.
        sample: takes the module and the step, returns the texts, or pairs of a prompt and a text;
            None if another process samples.
        every: sampling interval in steps.
        loss: its key in what `training_step` returns.
        warmup: the first step that is judged; None for 5 % of the run, unless the gate has a warm-up.

    Raises:
        ValueError: `every` is below 1.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Monitor(folder) as monitor:
    ...     callback = CoherenceCallback(monitor, sample=lambda module, step: ["..."], every=500)
    >>> callback.state_key
    'coherence'
    """

    def __init__(
        self,
        monitor: Monitor | None,
        sample: Draw | None,
        every: int = 500,
        loss: str = "loss",
        warmup: int | None = None,
    ) -> None:
        self.monitor, self.sample, self.loss = monitor, sample, loss
        self.every, self.warmup = check_every(every), warmup
        self._step = 0
        self._saved: int | None = None  # the step of the last checkpoint
        self._files: dict[str, tuple[int, int]] = {}  # when each checkpoint was written, and its step
        self._judged: Judged | None = None
        self._losses: list[float] = []  # of the batches since the last step

    @property
    def state_key(self) -> str:
        """The name of the state in a checkpoint; it stays the same in every version."""
        return "coherence"

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the monitor, for the checkpoint."""
        return {} if self.monitor is None else self.monitor.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state from the checkpoint."""
        if self.monitor is not None:
            self.monitor.load_state_dict(state_dict)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Note the checkpoint, and replace the state in it, which was taken before it was noted.

        A checkpoint that is saved twice, by `save_last` for instance, is noted once; one that a tuner saves
        at step 0 is not noted.
        """
        step = trainer.global_step
        if self.monitor is None or step in (0, self._saved):
            return
        self._note_deleted(trainer, self.monitor)
        self._saved = step
        self.monitor.note(SAVED, step)
        checkpoint["callbacks"][self.state_key] = self.state_dict()

    def _note_deleted(self, trainer: Trainer, monitor: Monitor) -> None:
        """Note the checkpoints that Lightning has deleted, so that none of them is the one to go back to."""
        before = {step for _, step in self._files.values()}
        found: dict[str, tuple[int, int]] = {}
        for path in {*self._files, *_paths(trainer)}:
            with suppress(OSError):
                written = Path(path).stat().st_mtime_ns
                known = self._files.get(path)
                if known is not None and known[0] == written:
                    found[path] = known
                elif self._saved is not None:
                    found[path] = written, self._saved  # `last.ckpt` is overwritten
        self._files = found
        for step in sorted(before - {step for _, step in found.values()}):
            monitor.note(DELETED, step)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse a halted run before an earlier checkpoint of it replaces its state.

        Raises:
            HaltedRun: the run was halted.
        """
        if stage == "fit":
            from_rank_zero(self.monitor, Monitor.refuse_halted, trainer.strategy.broadcast)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse, before its first step, a run whose checkpoint is from after a halt.

        Raises:
            HaltedRun: the run was halted.
        """
        steps, step = trainer.estimated_stepping_batches, trainer.global_step
        send = trainer.strategy.broadcast
        from_rank_zero(self.monitor, lambda monitor: begin(monitor, self.warmup, steps, step), send)
        if trainer.min_steps or trainer.min_epochs:
            log.warning("min_steps and min_epochs come first: a halt stops training only after them")
        self._step, self._saved, self._losses, self._judged = trainer.global_step, None, [], None
        # A checkpoint may be due before the first samples, and Lightning raises if it cannot rank it.
        trainer.callback_metrics.setdefault("coherence/mean", torch.tensor(0.0))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take the loss; sample and judge every `every` optimizer steps; stop at a halt."""
        self._note_loss(trainer, pl_module, outputs)
        before, self._step = self._step, trainer.global_step
        if self._step == before:
            return  # this step has more batches to come
        if self.monitor is not None and self._losses:
            self.monitor.loss(self._step, fmean(self._losses))
        self._losses = []
        if self._step // self.every > before // self.every:
            if self.monitor is not None:
                self._note_deleted(trainer, self.monitor)
            judged = judge(self.monitor, self._step, pl_module, self.sample, send=trainer.strategy.broadcast)
            self._judged = judged
            # All ranks have the same values, so `ModelCheckpoint(monitor="coherence/mean")` decides alike.
            pl_module.log_dict(judged.metrics, on_step=True, on_epoch=False, batch_size=1)
            if judged.verdict.halt:
                say_halt(judged.verdict)
                trainer.should_stop = True

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End the program after a halt, if the monitor was asked to.

        Raises:
            HaltedRun: the gate has fired, and `on_halt` of the monitor is "raise"; on every rank.
        """
        if self.monitor is not None:
            self._note_deleted(trainer, self.monitor)
        if self._judged is not None:
            self._judged.raise_if_asked()

    def _note_loss(self, trainer: Trainer, pl_module: LightningModule, outputs: Any) -> None:
        value = outputs.get(self.loss) if isinstance(outputs, Mapping) else outputs
        if value is not None:
            # Lightning has divided the loss it optimizes by the number of accumulated batches.
            divided = self.loss == "loss" and pl_module.automatic_optimization
            self._losses.append(float(value) * (trainer.accumulate_grad_batches if divided else 1))


def _paths(trainer: Trainer) -> Iterator[str]:
    """Return the checkpoints that Lightning keeps and that are on this machine."""
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, ModelCheckpoint):
            paths = (*callback.best_k_models, callback.best_model_path, callback.last_model_path)
            yield from (path for path in paths if path and "://" not in path)
