"""The callback in the real Lightning Trainer: one linear layer with dropout, nothing downloaded."""

import csv
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the Lightning adapter needs torch")
pytest.importorskip("lightning", reason="the Lightning adapter needs lightning")

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import nn

from coherence import Gate, HaltedRun, Monitor
from coherence.trainers.lightning import CoherenceCallback

pytestmark = [
    # said on machines of many cores only
    pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:`isinstance.treespec, LeafSpec.` is deprecated"),
    pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`"),
    pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended"),
]

Sample = Callable[[Any, int], list[str]]
Script = Callable[..., Sample]
WarmUp = tuple[Gate, int | None, int]
Fit = Callable[..., Trainer]
Resumes = Callable[[Monitor], set[int | None]]


class KillAt(Callback):  # type: ignore[misc, unused-ignore] # Any where lightning is absent
    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:  # noqa: ARG002
        if trainer.global_step == self.step:
            raise InterruptedError


class Tiny(LightningModule):  # type: ignore[misc, unused-ignore]
    """A byte model: one layer, dropout, and a way to sample that draws random numbers."""

    def __init__(self, broken_from: int | None = None) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Embedding(256, 16), nn.Dropout(0.2), nn.Linear(16, 256))
        self.broken_from = broken_from
        self.losses: list[float] = []

    def training_step(self, batch: torch.Tensor, _index: int) -> torch.Tensor:
        logits = self.net(batch[:, :-1]).flatten(0, 1)
        loss = nn.functional.cross_entropy(logits, batch[:, 1:].flatten())
        if self.broken_from is not None and self.global_step >= self.broken_from:
            loss = loss * float("nan")
        self.losses.append(float(loss.detach()))
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def draw(self) -> str:
        tokens = torch.tensor([65])
        for _ in range(20):
            assert not self.net[1].training
            logits = self.net(tokens[-1:])
            tokens = torch.cat([tokens, torch.multinomial(logits.softmax(-1)[0], 1)])
        return bytes(tokens.tolist()).decode("latin-1")


@pytest.fixture
def fit(tmp_path: Path) -> Fit:
    def start(*callbacks: Callback, module: Any = None, resume: str | None = None, **options: Any) -> Trainer:
        torch.manual_seed(0)
        data = torch.randint(0, 256, (40, 8), generator=torch.Generator().manual_seed(0))
        loader: Any = torch.utils.data.DataLoader(data, batch_size=2)  # type: ignore[arg-type, unused-ignore]
        defaults: dict[str, Any] = {
            "accelerator": "cpu",
            "max_steps": 20,
            "logger": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "enable_checkpointing": any(isinstance(each, ModelCheckpoint) for each in callbacks),
            "default_root_dir": tmp_path,
        }
        trainer = Trainer(callbacks=list(callbacks), **defaults | options)
        trainer.fit(Tiny() if module is None else module, loader, ckpt_path=resume)
        return trainer

    return start


def checkpoints(tmp_path: Path, every: int = 10, **options: Any) -> ModelCheckpoint:
    usual = {"filename": "{step}", "every_n_train_steps": every, "save_top_k": -1}
    return ModelCheckpoint(tmp_path / "saved", **usual | options)


def recorded(monitor: Monitor) -> list[float]:
    lines = (monitor.folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]


def test_the_fifth_low_sample_in_a_row_stops_training_with_its_reason(
    fit: Fit, monitor: Monitor, script: Script, caplog: pytest.LogCaptureFixture, reason: str
) -> None:
    trainer = fit(CoherenceCallback(monitor, script(low_from=6), every=2))
    assert trainer.global_step == 14
    assert monitor.gate.halt_reason == reason
    assert f"training stops at step 14: {reason}" in caplog.text
    assert "min_steps" not in caplog.text


def test_a_file_that_asks_for_a_stop_ends_training_and_refuses_the_next(
    fit: Fit, monitor: Monitor, asking: Sample, caplog: pytest.LogCaptureFixture
) -> None:
    assert fit(CoherenceCallback(monitor, asking, every=2)).global_step == 6
    assert (
        f"training stops at step 6: {monitor.folder / 'stop'} asks to stop: the rollouts loop" in caplog.text
    )
    with pytest.raises(HaltedRun, match="asks to stop: the rollouts loop"):
        fit(CoherenceCallback(monitor, asking, every=2))
    (monitor.folder / "stop").unlink()
    assert fit(CoherenceCallback(monitor, None, every=2)).global_step == 20


def test_every_loss_reaches_the_monitor(fit: Fit, monitor: Monitor, script: Script) -> None:
    module = Tiny()
    fit(CoherenceCallback(monitor, script()), module=module)
    assert recorded(monitor) == module.losses
    assert len(module.losses) == 20


def test_accumulated_batches_are_one_step_and_their_loss_is_the_mean(fit: Fit, monitor: Monitor) -> None:
    asked: list[int] = []

    def draw(_module: Any, step: int) -> list[str]:
        asked.append(step)
        return ["..."]

    module = Tiny()
    callback = CoherenceCallback(monitor, draw, every=2)
    fit(callback, module=module, accumulate_grad_batches=3, max_epochs=1, max_steps=-1)
    assert asked == [2, 4, 6]
    groups = [module.losses[i : i + 3] for i in range(0, 20, 3)]  # the last one is of two
    assert recorded(monitor) == pytest.approx([sum(group) / len(group) for group in groups], rel=1e-6)


def test_streak_and_smoothed_loss_survive_a_kill(
    fit: Fit, script: Script, tmp_path: Path, reason: str
) -> None:
    with Monitor(tmp_path / "whole") as whole:
        fit(CoherenceCallback(whole, script(low_from=6), every=2))
    with Monitor(tmp_path / "before") as before, pytest.raises(InterruptedError):
        fit(CoherenceCallback(before, script(low_from=6), every=2), KillAt(13), checkpoints(tmp_path))
    with Monitor(tmp_path / "after") as after:  # another folder: it knows what the checkpoint knows
        callback = CoherenceCallback(after, script(low_from=6), every=2)
        assert before.gate.streak == 4
        trainer = fit(callback, resume=str(tmp_path / "saved" / "step=10.ckpt"))
    assert trainer.global_step == 14
    assert after.gate.halt_reason == reason
    assert after.signals.loss.count == whole.signals.loss.count == 14


def test_a_checkpoint_from_before_the_callback_was_added_can_be_resumed(
    fit: Fit, monitor: Monitor, script: Script, tmp_path: Path
) -> None:
    fit(checkpoints(tmp_path))
    callback = CoherenceCallback(monitor, script(low_from=1), every=2)
    trainer = fit(callback, resume=str(tmp_path / "saved" / "step=10.ckpt"), max_steps=30)
    assert trainer.global_step == 20  # 12, 14, 16, 18, 20


def test_a_halted_run_is_refused_before_its_first_step(
    fit: Fit, monitor: Monitor, script: Script, tmp_path: Path
) -> None:
    fit(CoherenceCallback(monitor, script(low_from=6), every=1), checkpoints(tmp_path))
    module = Tiny()
    with pytest.raises(HaltedRun, match="from step 6 to step 10"):
        fit(CoherenceCallback(monitor, script()), module=module)
    resume = str(tmp_path / "saved" / "step=10.ckpt")
    with Monitor(tmp_path / "other") as other, pytest.raises(HaltedRun, match="from step 6 to step 10"):
        fit(CoherenceCallback(other, script()), module=module, resume=resume)
    assert module.losses == []


def test_a_halted_run_is_refused_also_where_a_checkpoint_knows_of_no_halt(
    fit: Fit, monitor: Monitor, script: Script, tmp_path: Path
) -> None:
    fit(CoherenceCallback(monitor, script(low_from=12), every=1), checkpoints(tmp_path))
    module = Tiny()
    with pytest.raises(HaltedRun, match="from step 12 to step 16"):
        fit(
            CoherenceCallback(monitor, script()),
            module=module,
            resume=str(tmp_path / "saved" / "step=10.ckpt"),
        )
    assert module.losses == []


@pytest.mark.parametrize(("save_every", "saved"), [(5, {5, 10, 15}), (4, {8, 12, 16})])
def test_the_step_to_go_back_to_is_that_of_a_checkpoint(
    fit: Fit, script: Script, resumes: Resumes, tmp_path: Path, save_every: int, saved: set[int]
) -> None:
    with Monitor(tmp_path / "run", gate=Gate(patience=2)) as monitor:
        callback = CoherenceCallback(monitor, script(low_from=20), every=5)
        trainer = fit(callback, checkpoints(tmp_path, save_every), max_steps=40)
        assert trainer.global_step == 25
        (step,) = resumes(monitor)
    assert step in saved
    assert (tmp_path / "saved" / f"step={step}.ckpt").is_file()


def test_the_state_in_a_checkpoint_knows_of_the_checkpoint(
    fit: Fit, monitor: Monitor, script: Script, tmp_path: Path
) -> None:
    fit(CoherenceCallback(monitor, script(), every=5), checkpoints(tmp_path))
    saved = torch.load(tmp_path / "saved" / "step=10.ckpt", weights_only=True)
    with Monitor(tmp_path / "other") as other:
        other.load_state_dict(saved["callbacks"]["coherence"])
        assert other.resume_from == 10


def test_a_checkpoint_that_is_saved_twice_is_noted_once(
    fit: Fit, monitor: Monitor, script: Script, tmp_path: Path
) -> None:
    fit(CoherenceCallback(monitor, script(), every=5), checkpoints(tmp_path, save_last=True))
    rows = [json.loads(line) for line in (monitor.folder / "metrics.jsonl").read_text().splitlines()]
    assert [(row["event"], row["step"]) for row in rows if "event" in row] == [
        ("checkpoint", 10),
        ("checkpoint", 20),
    ]
    last = torch.load(tmp_path / "saved" / "last.ckpt", weights_only=True)
    assert last["callbacks"]["coherence"] == monitor.state_dict()


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
def test_a_fit_that_goes_on_from_its_last_checkpoint_was_not_set_back(
    fit: Fit, script: Script, tmp_path: Path
) -> None:
    for resume in (None, str(tmp_path / "saved" / "step=10.ckpt")):
        with Monitor(tmp_path / "run") as monitor:
            callback = CoherenceCallback(monitor, script(), every=5)
            fit(callback, checkpoints(tmp_path), resume=resume, max_steps=20 if resume else 10)
    assert monitor.signals.loss.count == 20
    assert "restart" not in (monitor.folder / "metrics.jsonl").read_text()


def test_a_checkpoint_that_cannot_be_noted_costs_a_warning_and_not_the_run(
    fit: Fit, monitor: Monitor, script: Script, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (monitor.folder / "metrics.jsonl").mkdir()
    trainer = fit(CoherenceCallback(monitor, script(), every=5), checkpoints(tmp_path))
    assert trainer.global_step == 20
    assert caplog.text.count("cannot record") == 1
    assert monitor.resume_from in (10, 20)  # the gate knows of them


def test_a_loss_that_is_no_number_is_seen(fit: Fit, monitor: Monitor, script: Script) -> None:
    fit(CoherenceCallback(monitor, script()), module=Tiny(broken_from=10))
    assert monitor.diagnosis.loss == "not finite"
    assert recorded(monitor)[9:11] == [pytest.approx(5.7, abs=0.5), None]


def test_sampling_leaves_the_loss_curve_as_it_is_bit_for_bit(fit: Fit, monitor: Monitor) -> None:
    sampled, plain = Tiny(), Tiny()
    sampled.load_state_dict(plain.state_dict())
    fit(CoherenceCallback(monitor, lambda module, _step: [module.draw()], every=3), module=sampled)
    fit(module=plain)
    assert (monitor.folder / "samples.jsonl").read_bytes().count(b"\n") == 6
    assert sampled.losses == plain.losses


def test_the_first_steps_are_passed_over(
    fit: Fit, script: Script, tmp_path: Path, warm_up: WarmUp, caplog: pytest.LogCaptureFixture
) -> None:
    gate, warmup, expected = warm_up
    caplog.set_level(logging.INFO, logger="coherence")
    with Monitor(tmp_path / "run", gate=gate) as monitor:
        callback = CoherenceCallback(monitor, script(low_from=1), every=1, warmup=warmup)
        trainer = fit(callback, max_steps=-1, max_epochs=2)  # of 20 batches
    assert trainer.global_step == max(expected, 1) + 4
    assert caplog.text.count("samples are judged from step") == (expected == 2)


def test_a_minimum_of_steps_is_said_to_come_first(
    fit: Fit, monitor: Monitor, script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = fit(CoherenceCallback(monitor, script(low_from=1), every=1), min_steps=12)
    assert trainer.global_step == 20  # Lightning adds a minimum of one epoch
    assert "a halt stops training only after them" in caplog.text
    assert monitor.gate.halt_reason is not None
    assert monitor.gate.halt_reason.endswith("from step 1 to step 5")


def test_an_error_in_sampling_is_not_swallowed(fit: Fit, monitor: Monitor) -> None:
    def draw(_module: Any, _step: int) -> list[str]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fit(CoherenceCallback(monitor, draw, every=2))


def test_the_most_coherent_checkpoint_is_kept(
    fit: Fit, script: Script, resumes: Resumes, tmp_path: Path
) -> None:
    best = checkpoints(tmp_path, 4, monitor="coherence/mean", mode="max", save_top_k=1)
    with Monitor(tmp_path / "run") as monitor:
        fit(CoherenceCallback(monitor, script(low_from=8), every=4), best, max_steps=40)
        assert monitor.gate.halted
        assert resumes(monitor) == {4}
    assert [each.name for each in (tmp_path / "saved").iterdir()] == ["step=4.ckpt"]


def test_a_checkpoint_that_was_deleted_is_not_named_to_go_back_to(
    fit: Fit, script: Script, resumes: Resumes, tmp_path: Path
) -> None:
    newest = checkpoints(tmp_path, 4, save_top_k=1, save_last=True)
    with Monitor(tmp_path / "run") as monitor:
        fit(CoherenceCallback(monitor, script(low_from=8), every=4), newest, max_steps=40)
        assert monitor.gate.halted
        assert resumes(monitor) == {None}
    rows = [json.loads(line) for line in (monitor.folder / "metrics.jsonl").read_text().splitlines()]
    deleted = [row["step"] for row in rows if row.get("event") == "checkpoint deleted"]
    assert deleted == [4, 8, 12, 16, 20]


@pytest.mark.filterwarnings("ignore:The 'val_dataloader' does not have many workers")
def test_a_checkpoint_before_the_first_samples_ends_nothing(
    fit: Fit, monitor: Monitor, script: Script, tmp_path: Path
) -> None:
    class Validated(Tiny):
        def validation_step(self, batch: torch.Tensor, index: int) -> None:
            self.log("val_loss", self.training_step(batch, index))

        def val_dataloader(self) -> Any:
            return torch.utils.data.DataLoader(torch.zeros(2, 8, dtype=torch.int64))

    best = ModelCheckpoint(tmp_path / "saved", filename="{step}", monitor="coherence/mean", mode="max")
    callback = CoherenceCallback(monitor, script(), every=25)  # an epoch has twenty steps
    fit(callback, best, module=Validated(), max_steps=-1, max_epochs=2)
    assert [each.name for each in (tmp_path / "saved").iterdir()] == ["step=40.ckpt"]


@pytest.mark.filterwarnings("ignore:The number of training batches .* is smaller than the logging interval")
def test_scores_are_in_the_csv_of_the_losses(
    fit: Fit, monitor: Monitor, script: Script, tmp_path: Path
) -> None:
    logger = CSVLogger(tmp_path, "logged", "0")
    fit(CoherenceCallback(monitor, script(low_from=8), every=4), logger=logger, log_every_n_steps=1)
    with (tmp_path / "logged" / "0" / "metrics.csv").open() as file:
        streaks = {int(row["step"]): row["coherence/streak"] for row in csv.DictReader(file)}
    # Lightning counts from 0, and repeats a value until there is a new one.
    assert [float(streaks[step]) for step in (3, 6, 7, 11, 15, 19)] == [0, 0, 1, 2, 3, 4]


def test_a_second_trainer_with_the_same_monitor_is_one_restart(
    fit: Fit, monitor: Monitor, script: Script
) -> None:
    for steps in (10, 40):
        fit(CoherenceCallback(monitor, script(), every=2), max_steps=steps)
        assert monitor.gate.warmup == steps // 20
    rows = map(json.loads, (monitor.folder / "metrics.jsonl").read_text().splitlines())
    assert [(row["event"], row["step"]) for row in rows if "event" in row] == [("restart", 1)]


def test_prompts_are_in_the_run_folder(fit: Fit, monitor: Monitor) -> None:
    fit(CoherenceCallback(monitor, lambda _module, _step: [("Once", " upon a time")], every=10))
    rows = map(json.loads, (monitor.folder / "samples.jsonl").read_text().splitlines())
    assert [(row["prompt"], row["text"]) for row in rows] == [("Once", " upon a time")] * 2
