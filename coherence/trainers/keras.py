"""A callback for `fit` of Keras 3.

Source: docs/trainers/keras.md.
"""

# ruff: noqa: ARG002 - the arguments that `fit` passes to every callback

from collections.abc import Mapping
from typing import Any

from coherence.run.monitor import Monitor as Monitor
from coherence.trainers.common import Draw, Judged, begin, check_every, draw_nothing, missing, say_halt

try:
    import keras
except ModuleNotFoundError as error:
    if error.name != "keras":
        raise  # its backend is missing: KERAS_BACKEND selects another one
    raise missing("keras", "keras") from error


class CoherenceCallback(keras.callbacks.Callback):
    """Gives a monitor the losses and samples of a fit, and stops it when the gate halts.

    Keras counts batches per epoch, so the callback counts its own steps; they continue from the last
    one in the run folder, which also keeps the state: to resume, open the same folder.

    Args:
        monitor: of the run.
        sample: takes the model and the step, returns the texts, or pairs of a prompt and a text;
            None if another process samples.
        every: sampling interval in steps.
        warmup: the first step that is judged; None for 5 % of the run, unless the gate has a warm-up.

    Raises:
        ValueError: `every` is below 1.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Monitor(folder) as monitor:
    ...     callback = CoherenceCallback(monitor, sample=lambda model, step: ["..."], every=500)
    """

    def __init__(
        self, monitor: Monitor, sample: Draw | None, every: int = 500, warmup: int | None = None
    ) -> None:
        super().__init__()
        self.monitor, self.sample = monitor, sample or draw_nothing
        self.every, self.warmup = check_every(every), warmup
        self._step = 0
        self._judged: Judged | None = None
        self._batches = 0  # of this epoch
        self._total = 0.0  # of their losses

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        """Refuse a halted run; continue counting from the last step of the run folder.

        Raises:
            HaltedRun: the run was halted.
        """
        steps, epochs = self.params.get("steps"), self.params.get("epochs")
        self._step, self._judged = self.monitor.last_step or 0, None
        begin(self.monitor, self.warmup, steps * epochs if steps and epochs else None, self._step)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Note that Keras starts a new mean of the losses."""
        self._batches, self._total = 0, 0.0

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Take the loss; sample and judge every `every` steps; stop at a halt."""
        before, taken = self._step, batch + 1 - self._batches  # several with steps_per_execution
        self._step, self._batches = before + taken, batch + 1
        if logs and "loss" in logs:
            # The log holds the mean since the epoch began.
            total = logs["loss"] * self._batches
            self.monitor.loss(self._step, (total - self._total) / taken)
            self._total = total
        if self._step // self.every > before // self.every:
            self._judged = judged = Judged.of(self.monitor, self._step, self._draw())
            if judged.verdict.halt:
                say_halt(judged.verdict)
                self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Add the scores of the last samples to the metrics of the epoch, for its history."""
        if logs is not None and self._judged is not None:
            logs.update(self._judged.metrics)

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        """End the program after a halt, if the monitor was asked to.

        Raises:
            HaltedRun: the gate has fired, and `on_halt` of the monitor is "raise".
        """
        if self._judged is not None:
            self._judged.raise_if_asked()

    def _draw(self) -> Any:
        if keras.backend.backend() != "torch":
            return self.sample(self.model, self._step)
        from coherence.trainers.torch_loop import sample_safely  # other backends do not need torch

        return sample_safely(self.model, lambda model: self.sample(model, self._step))
