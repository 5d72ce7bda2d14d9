"""The callback in the real `fit` of Keras 3 on torch: one small model, nothing downloaded."""

import json
import logging
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the Keras adapter is tested on the torch backend")
pytest.importorskip("keras", reason="the Keras adapter needs keras")

import keras
import numpy as np
import torch

from coherence import Gate, HaltedRun, Monitor
from coherence.trainers.keras import CoherenceCallback

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)

FINE = "The cat sat by the door and waited for the rain to stop."
Script = Callable[..., Callable[[Any, int], list[str]]]
WarmUp = tuple[Gate, int | None, int]
Fit = Callable[..., "Losses"]


class Losses(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore] # Any where keras is absent
    """The true loss of each batch, from the loss function itself; may break or kill at a step."""

    def __init__(self, broken: int | None = None, kill: int | None = None) -> None:
        super().__init__()
        self.seen: list[float] = []
        self.broken, self.kill = broken, kill

    def compute(self, targets: Any, outputs: Any) -> Any:
        loss = keras.ops.mean(keras.losses.sparse_categorical_crossentropy(targets, outputs))
        if len(self.seen) + 1 == self.broken:
            loss = loss * float("nan")
        self.seen.append(float(loss.detach()))
        return loss

    def on_train_begin(self, logs: Any = None) -> None:  # noqa: ARG002
        self.seen.clear()  # Keras has tried the loss once, to build

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        if len(self.seen) == self.kill:
            raise InterruptedError


def make() -> Any:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential(
        [layers.Embedding(256, 8), layers.Flatten(), layers.Dropout(0.2), layers.Dense(256, "softmax")]
    )


@pytest.fixture
def fit() -> Fit:
    def start(*callbacks: Any, losses: Losses | None = None, model: Any = None, **options: Any) -> Losses:
        losses = losses or Losses()
        model = model or make()
        inputs = np.random.default_rng(0).integers(0, 256, (20, 4))
        model.compile("sgd", loss=losses.compute)
        settings: dict[str, Any] = {"epochs": 4, "batch_size": 4, "verbose": 0} | options
        model.fit(inputs, inputs[:, 0], callbacks=[losses, *callbacks], **settings)
        return losses

    return start


def recorded(monitor: Monitor) -> list[dict[str, Any]]:
    lines = (monitor.folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_the_fifth_low_sample_in_a_row_stops_training_with_its_reason(
    fit: Fit, monitor: Monitor, script: Script, caplog: pytest.LogCaptureFixture, reason: str
) -> None:
    losses = fit(CoherenceCallback(monitor, script(low_from=6), every=2))
    assert len(losses.seen) == 14  # in the third epoch of five batches
    assert monitor.gate.halt_reason == reason
    assert f"training stops at step 14: {reason}" in caplog.text


def test_a_file_that_asks_for_a_stop_ends_training_and_refuses_the_next(
    fit: Fit, monitor: Monitor, asking: Callable[[Any, int], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    assert len(fit(CoherenceCallback(monitor, asking, every=2)).seen) == 6
    assert (
        f"training stops at step 6: {monitor.folder / 'stop'} asks to stop: the rollouts loop" in caplog.text
    )
    with pytest.raises(HaltedRun, match="asks to stop: the rollouts loop"):
        fit(CoherenceCallback(monitor, asking, every=2))
    (monitor.folder / "stop").unlink()
    assert len(fit(CoherenceCallback(monitor, None, every=2)).seen) == 20


def test_the_running_mean_of_the_log_is_undone(fit: Fit, monitor: Monitor, script: Script) -> None:
    losses = fit(CoherenceCallback(monitor, script()))
    rows = recorded(monitor)
    assert [row["step"] for row in rows] == list(range(1, 21))
    assert [row["loss"] for row in rows] == pytest.approx(losses.seen, abs=1e-4)
    assert len(set(losses.seen)) == 20


def test_a_checkpoint_that_keras_saves_is_noted_by_a_callback_after_it(
    fit: Fit, script: Script, resumes: Callable[[Monitor], set[int | None]], tmp_path: Path
) -> None:
    with Monitor(tmp_path / "run", gate=Gate(patience=2)) as monitor:
        saving = keras.callbacks.ModelCheckpoint(str(tmp_path / "{epoch}.weights.h5"), save_weights_only=True)
        noting = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda _epoch, _logs: monitor.note("checkpoint", monitor.last_step)
        )
        fit(CoherenceCallback(monitor, script(low_from=13), every=3), saving, noting)  # epochs of five steps
        (step,) = resumes(monitor)
    assert step in (5, 10)
    assert (tmp_path / f"{step // 5}.weights.h5").is_file()


def test_several_batches_at_once_are_several_steps(monitor: Monitor) -> None:
    """Keras on torch takes one batch at a time: what `fit` does elsewhere with steps_per_execution=2."""
    asked: list[int] = []

    def draw(_model: Any, step: int) -> list[str]:
        asked.append(step)
        return ["..."]

    callback = CoherenceCallback(monitor, draw, every=4)
    callback.set_params({"steps": 4, "epochs": 2})
    callback.set_model(make())
    callback.on_train_begin()
    for epoch in range(2):
        callback.on_epoch_begin(epoch)
        callback.on_train_batch_end(1, {"loss": 5.0})
        callback.on_train_batch_end(3, {"loss": 4.0})
    assert [(row["step"], row["loss"]) for row in recorded(monitor)] == [(2, 5), (4, 3), (6, 5), (8, 3)]
    assert asked == [4, 8]


def test_streak_smoothed_loss_and_steps_survive_a_kill(
    fit: Fit, script: Script, tmp_path: Path, reason: str
) -> None:
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with Monitor(tmp_path / "run") as before, pytest.raises(InterruptedError):
        fit(CoherenceCallback(before, script(low_from=6), every=2), backup, losses=Losses(kill=11))
    smma, streak = before.signals.loss.smma, before.gate.streak
    assert streak == 3  # of steps 6, 8 and 10
    with Monitor(tmp_path / "run") as after:
        assert (after.signals.loss.smma, after.gate.streak) == (smma, streak)
        losses = fit(CoherenceCallback(after, script(low_from=6), every=2), backup)
    assert after.gate.halt_reason == reason
    assert len(losses.seen) == 4  # steps 11 to 14


def test_weights_from_before_the_callback_was_added_can_be_resumed(
    fit: Fit, monitor: Monitor, script: Script, tmp_path: Path
) -> None:
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(InterruptedError):
        fit(backup, losses=Losses(kill=11))
    losses = fit(CoherenceCallback(monitor, script(low_from=1), every=1), backup)
    assert len(losses.seen) == 5


def test_a_halted_run_is_refused_before_its_first_step(fit: Fit, monitor: Monitor, script: Script) -> None:
    fit(CoherenceCallback(monitor, script(low_from=2), every=1))
    losses = Losses()
    with pytest.raises(HaltedRun, match="from step 2 to step 6"):
        fit(CoherenceCallback(monitor, script()), losses=losses)
    assert losses.seen == []


def test_a_loss_that_is_no_number_is_seen_and_lasts_for_its_epoch(
    fit: Fit, monitor: Monitor, script: Script
) -> None:
    losses = Losses(broken=20)
    fit(CoherenceCallback(monitor, script()), losses=losses)
    assert math.isnan(losses.seen[-1])
    assert monitor.diagnosis.loss == "not finite"
    assert [row["loss"] is None for row in recorded(monitor)] == [False] * 19 + [True]


def test_sampling_leaves_the_loss_curve_as_it_is_bit_for_bit(fit: Fit, monitor: Monitor) -> None:
    def draw(model: Any, _step: int) -> list[str]:
        shares = model(np.array([[72, 101, 108, 108]]))
        return [bytes(torch.multinomial(shares[0], 20).tolist()).decode("latin-1")]

    sampled = fit(CoherenceCallback(monitor, draw, every=3))
    assert (monitor.folder / "samples.jsonl").read_bytes().count(b"\n") == 6
    assert sampled.seen == fit().seen


def test_the_first_steps_are_passed_over(
    fit: Fit, script: Script, tmp_path: Path, warm_up: WarmUp, caplog: pytest.LogCaptureFixture
) -> None:
    gate, warmup, expected = warm_up
    caplog.set_level(logging.INFO, logger="coherence")
    with Monitor(tmp_path / "run", gate=gate) as monitor:
        callback = CoherenceCallback(monitor, script(low_from=1), every=1, warmup=warmup)
        losses = fit(callback, epochs=8)  # of five batches
    assert len(losses.seen) == max(expected, 1) + 4
    assert caplog.text.count("samples are judged from step") == (expected == 2)


def test_an_error_in_sampling_is_not_swallowed(fit: Fit, monitor: Monitor) -> None:
    def draw(_model: Any, _step: int) -> list[str]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fit(CoherenceCallback(monitor, draw, every=2))


def test_scores_are_in_the_history_and_choose_the_checkpoint(
    fit: Fit, script: Script, resumes: Callable[[Monitor], set[int | None]], tmp_path: Path
) -> None:
    path = tmp_path / "best.weights.h5"
    saved: list[int] = []

    def note(_epoch: int, _logs: Any) -> None:
        written = path.stat().st_mtime_ns
        if written not in saved:
            saved.append(written)
            monitor.note("checkpoint", monitor.last_step)

    history = keras.callbacks.History()
    best = keras.callbacks.ModelCheckpoint(
        path, monitor="coherence/mean", mode="max", save_best_only=True, save_weights_only=True
    )
    with Monitor(tmp_path / "run") as monitor:
        callback = CoherenceCallback(monitor, script(low_from=10), every=5)  # epochs of five steps
        fit(callback, best, keras.callbacks.LambdaCallback(on_epoch_end=note), history, epochs=8)
        assert monitor.gate.halted
        assert resumes(monitor) == {5}
    assert len(saved) == 1
    assert history.history["coherence/streak"] == [0, 1, 2, 3, 4, 5]
    assert history.history["coherence/mean"][0] == 100


def test_prompts_are_in_the_run_folder(fit: Fit, monitor: Monitor) -> None:
    fit(CoherenceCallback(monitor, lambda _model, _step: [("Once", " upon a time")], every=10))
    rows = map(json.loads, (monitor.folder / "samples.jsonl").read_text().splitlines())
    assert [(row["prompt"], row["text"]) for row in rows] == [("Once", " upon a time")] * 2


def test_a_second_fit_with_the_same_monitor_goes_on_and_is_not_a_restart(
    fit: Fit, monitor: Monitor, script: Script
) -> None:
    callback = CoherenceCallback(monitor, script(), every=2)
    fit(callback)
    fit(callback, epochs=2)
    assert monitor.last_step == 30
    assert "restart" not in (monitor.folder / "metrics.jsonl").read_text()


def test_a_halt_that_is_raised_ends_the_program_with_3_after_the_fit(tmp_path: Path, reason: str) -> None:
    script = f"""
import keras, numpy
from coherence import Monitor
from coherence.trainers.keras import CoherenceCallback

model = keras.Sequential([keras.layers.Dense(1)])
model.compile("sgd", loss="mse")
def sample(model, step):
    return ["Budy Budy Budy Budy" if step >= 6 else {FINE!r}]

monitor = Monitor({str(tmp_path / "run")!r}, on_halt="raise")
callback = CoherenceCallback(monitor, sample, every=2)
ones = numpy.ones((80, 1))
model.fit(ones, ones, batch_size=2, verbose=0, callbacks=[callback])
print("went on")
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)  # noqa: S603 - our own script
    assert (ended.returncode, ended.stdout) == (3, ""), ended.stderr
    assert f"training stops at step 14: {reason}" in ended.stderr
