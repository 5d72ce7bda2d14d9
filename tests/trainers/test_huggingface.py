"""The callback in the real Trainer: a random GPT-2 of two layers, twenty steps, nothing downloaded."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the Hugging Face adapter needs torch")
pytest.importorskip("transformers", reason="the Hugging Face adapter needs transformers")
pytest.importorskip("accelerate", reason="the Hugging Face Trainer needs accelerate")

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments

from coherence import Gate, HaltedRun, Monitor
from coherence.trainers.huggingface import CoherenceCallback
from coherence.trainers.sampler import Sampler

Sample = Callable[[Any, int], list[str]]
Train = Callable[..., Trainer]
Script = Callable[..., Sample]
Resumes = Callable[[Monitor], set[int | None]]
WarmUp = tuple[Gate, int | None, int]

DATA = [{"input_ids": list(range(i, i + 8)), "labels": list(range(i, i + 8))} for i in range(0, 200, 5)]


class KillAt(TrainerCallback):  # type: ignore[misc, unused-ignore] # Any where transformers is absent
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        if state.global_step == self.step:
            raise InterruptedError


class BreakAt(KillAt):
    """From this step on the weights, and with them loss and gradient norm, are not numbers."""

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        if state.global_step == self.step:
            with torch.no_grad():
                kwargs["model"].lm_head.weight.fill_(float("nan"))


@pytest.fixture
def train(tmp_path: Path, tiny: Callable[[], Any]) -> Train:
    def start(
        *callbacks: TrainerCallback, resume: str | None = None, logged: bool = False, **options: Any
    ) -> Trainer:
        defaults: dict[str, Any] = {
            "output_dir": str(tmp_path / "out"),
            "max_steps": 20,
            "per_device_train_batch_size": 2,
            "logging_steps": 1,
            "save_strategy": "no",
            "use_cpu": True,
            "report_to": [],
            "disable_tqdm": True,
            "dataloader_pin_memory": False,
            "seed": 1,
        }
        args = TrainingArguments(**defaults | options)
        trainer = Trainer(tiny(), args, train_dataset=DATA, eval_dataset=DATA[:2], callbacks=list(callbacks))
        for callback in callbacks:
            if logged and isinstance(callback, CoherenceCallback):
                callback.trainer = trainer
        trainer.train(resume_from_checkpoint=resume)
        return trainer

    return start


def losses(trainer: Trainer) -> list[float]:
    return [row["loss"] for row in trainer.state.log_history if "loss" in row]


def test_the_fifth_low_sample_in_a_row_stops_training_with_its_reason(
    train: Train,
    monitor: Monitor,
    script: Script,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    reason: str,
) -> None:
    trainer = train(CoherenceCallback(monitor, script(low_from=6), every=2))
    assert trainer.state.global_step == 14
    assert monitor.verdict is not None
    assert monitor.verdict.reason == reason
    assert f"training stops at step 14: {reason}" in caplog.text
    assert not list(tmp_path.glob("out/checkpoint-*"))  # it would be one of the collapsed model


def test_a_file_that_asks_for_a_stop_ends_training_and_refuses_the_next(
    train: Train, monitor: Monitor, asking: Sample, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = train(CoherenceCallback(monitor, asking, every=2))
    assert trainer.state.global_step == 6
    assert (
        f"training stops at step 6: {monitor.folder / 'stop'} asks to stop: the rollouts loop" in caplog.text
    )
    with pytest.raises(HaltedRun, match="asks to stop: the rollouts loop"):
        train(CoherenceCallback(monitor, asking, every=2))
    (monitor.folder / "stop").unlink()
    assert train(CoherenceCallback(monitor, None, every=2)).state.global_step == 20


def test_of_a_run_that_another_process_samples_the_losses_are_taken(train: Train, monitor: Monitor) -> None:
    train(CoherenceCallback(monitor, None, every=2))
    assert monitor.signals.loss.count == 20
    assert monitor.unusable == 0
    assert not (monitor.folder / "samples.jsonl").exists()


def test_prompts_are_completed_with_the_trainers_tokenizer(
    monitor: Monitor, tiny: Callable[[], Any], tokenizer: Any, tmp_path: Path
) -> None:
    args = TrainingArguments(
        str(tmp_path / "out"), max_steps=4, report_to=[], use_cpu=True, dataloader_pin_memory=False,
        save_strategy="no", disable_tqdm=True,
    )  # fmt: skip
    trainer = Trainer(tiny(), args, train_dataset=DATA, processing_class=tokenizer)
    trainer.add_callback(CoherenceCallback(monitor, ["The cat", "A"], every=2, trainer=trainer))
    trainer.train()
    rows = map(json.loads, (monitor.folder / "samples.jsonl").read_bytes().splitlines())
    assert [(row["step"], row["prompt"]) for row in rows] == [
        (2, "The cat"),
        (2, "A"),
        (4, "The cat"),
        (4, "A"),
    ]


def test_prompts_that_cannot_be_used_are_refused_before_the_training(
    monitor: Monitor, tiny: Callable[[], Any], tokenizer: Any, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="prompts need the trainer's tokenizer: trainer=trainer"):
        CoherenceCallback(monitor, ["The cat"])
    args = TrainingArguments(str(tmp_path / "out"), report_to=[], use_cpu=True)
    with pytest.raises(ValueError, match="which was given a processing_class"):
        CoherenceCallback(monitor, ["The cat"], trainer=Trainer(tiny(), args))
    trainer = Trainer(tiny(), args, processing_class=tokenizer)
    with pytest.raises(ValueError, match="the tokenizer has no chat template"):
        CoherenceCallback(monitor, [[{"role": "user", "content": "Why?"}]], trainer=trainer)


def test_every_training_loss_reaches_the_monitor(train: Train, monitor: Monitor, script: Script) -> None:
    trainer = train(CoherenceCallback(monitor, script(), every=5), eval_strategy="no")
    rows = [json.loads(line) for line in (monitor.folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["loss"] for row in rows] == losses(trainer)
    assert [row["step"] for row in rows] == list(range(1, 21))


def test_streak_and_smoothed_loss_survive_a_kill(
    train: Train, script: Script, tmp_path: Path, reason: str
) -> None:
    with Monitor(tmp_path / "whole") as whole:
        train(CoherenceCallback(whole, script(low_from=6), every=2))
    options = {"save_strategy": "steps", "save_steps": 10}
    with Monitor(tmp_path / "before") as before, pytest.raises(InterruptedError):
        train(CoherenceCallback(before, script(low_from=6), every=2), KillAt(13), **options)
    with Monitor(tmp_path / "after") as after:  # another folder: it knows what the checkpoint knows
        callback = CoherenceCallback(after, script(low_from=6), every=2)
        trainer = train(callback, resume=str(tmp_path / "out" / "checkpoint-10"), **options)
    assert trainer.state.global_step == 14
    assert after.gate.halt_reason == reason
    assert after.signals.loss.smma == whole.signals.loss.smma


def test_a_checkpoint_from_before_the_callback_was_added_can_be_resumed(
    train: Train, monitor: Monitor, script: Script, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InterruptedError):
        train(KillAt(11), save_strategy="steps", save_steps=10)
    callback = CoherenceCallback(monitor, script(low_from=1), every=2)
    options = {"save_strategy": "steps", "save_steps": 5}
    trainer = train(callback, resume=str(tmp_path / "out" / "checkpoint-10"), max_steps=30, **options)
    assert trainer.state.global_step == 20  # 12, 14, 16, 18, 20
    assert "coherence.json is not there" in caplog.text


def test_a_halted_run_is_refused_before_its_first_step(
    train: Train, monitor: Monitor, script: Script, tmp_path: Path
) -> None:
    train(CoherenceCallback(monitor, script(low_from=2), every=1), save_strategy="steps", save_steps=3)
    asked: list[int] = []

    def draw(_model: Any, step: int) -> list[str]:
        asked.append(step)
        return ["..."]

    before, halt = (str(tmp_path / "out" / f"checkpoint-{step}") for step in (3, 6))
    for resume in (None, before, halt):
        with pytest.raises(HaltedRun, match="from step 2 to step 6"):
            train(CoherenceCallback(monitor, draw, every=1), resume=resume)
    with Monitor(tmp_path / "other") as other, pytest.raises(HaltedRun):
        train(CoherenceCallback(other, draw, every=1), resume=halt)
    assert asked == []


def test_an_acknowledged_halt_goes_on_from_the_checkpoint_of_the_halt(
    train: Train, script: Script, tmp_path: Path
) -> None:
    options = {"save_strategy": "steps", "save_steps": 6}
    with Monitor(tmp_path / "run") as first:
        train(CoherenceCallback(first, script(low_from=2), every=1), **options)
    with Monitor(tmp_path / "run", acknowledge_halt=True) as again:
        callback = CoherenceCallback(again, script(), every=1)
        trainer = train(callback, resume=str(tmp_path / "out" / "checkpoint-6"))
    assert trainer.state.global_step == 20


def kept(tmp_path: Path) -> set[int]:
    return {int(each.name.removeprefix("checkpoint-")) for each in tmp_path.glob("out/checkpoint-*")}


@pytest.mark.parametrize("limit", [1, 2])
def test_the_checkpoint_to_go_back_to_is_kept_out_of_rotation(
    train: Train, script: Script, resumes: Resumes, tmp_path: Path, limit: int
) -> None:
    options = {"save_strategy": "steps", "save_steps": 2, "save_total_limit": limit}
    with Monitor(tmp_path / "run") as monitor:
        callback = CoherenceCallback(monitor, script(low_from=8), every=2)
        trainer = train(callback, **options)  # coherent at 2, 4 and 6, halted at 16
        assert trainer.state.global_step == 16
        (step,) = resumes(monitor)
    assert step in (2, 4, 6)
    assert kept(tmp_path) == {step, 16}
    assert (tmp_path / "out" / f"checkpoint-{step}" / "model.safetensors").is_file()


def test_a_streak_that_a_window_counts_does_not_move_what_is_kept(
    train: Train, resumes: Resumes, tmp_path: Path
) -> None:
    def draw(_model: Any, step: int) -> list[str]:
        return [
            "The cat sat by the door and waited for the rain to stop."
            if step in (1, 2, 4, 6, 8)
            else "Budy " * 9
        ]

    options = {"save_strategy": "steps", "save_steps": 1, "save_total_limit": 1}
    with Monitor(tmp_path / "run", gate=Gate(patience=4, window=7)) as monitor:
        train(CoherenceCallback(monitor, draw, every=1, warmup=0), **options)  # low at 3, 5, 7 and 9
        (step,) = resumes(monitor)
    assert step in (1, 2)
    assert step in kept(tmp_path)


def test_a_healthy_run_keeps_its_newest_checkpoint_too(
    train: Train, monitor: Monitor, script: Script, tmp_path: Path
) -> None:
    options = {"save_strategy": "steps", "save_steps": 4, "save_total_limit": 1}
    draw = script()
    callback = CoherenceCallback(monitor, lambda model, step: draw(model, step) * (step <= 8), every=4)
    train(callback, **options)
    assert 20 in kept(tmp_path)
    assert monitor.resume_from in kept(tmp_path)


def test_a_checkpoint_that_rotation_has_deleted_is_not_named_to_go_back_to(
    train: Train, monitor: Monitor, script: Script, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"save_strategy": "steps", "save_steps": 4, "save_total_limit": 1}
    by_loss = {"metric_for_best_model": "loss", "eval_strategy": "steps", "eval_steps": 4}
    train(CoherenceCallback(monitor, script(), every=4), **options, **by_loss)
    assert "neither need be coherent" in caplog.text
    assert monitor.resume_from in kept(tmp_path)
    noted = (monitor.folder / "metrics.jsonl").read_text().count("checkpoint deleted")
    assert noted == 5 - len(kept(tmp_path))


def test_the_trainer_finds_the_most_coherent_model(
    train: Train, script: Script, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"save_strategy": "steps", "save_steps": 4, "save_total_limit": 1}
    by_score = {"metric_for_best_model": "coherence", "eval_strategy": "steps", "eval_steps": 4}
    with Monitor(tmp_path / "run", gate=Gate(observe_only=True)) as monitor:
        callback = CoherenceCallback(monitor, script(low_from=8), every=4)
        trainer = train(callback, load_best_model_at_end=True, **options, **by_score)
    assert trainer.state.best_model_checkpoint == str(tmp_path / "out" / "checkpoint-4")
    assert trainer.state.best_metric == 100
    assert kept(tmp_path) == {4}
    assert "neither need be coherent" not in caplog.text


def test_scores_are_logged_where_the_losses_are(
    train: Train, monitor: Monitor, script: Script, tmp_path: Path
) -> None:
    tensorboard = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="reads what was logged"
    )
    callback = CoherenceCallback(monitor, script(low_from=8), every=4)
    options = {"report_to": ["tensorboard"], "save_strategy": "steps", "save_steps": 20}
    trainer = train(callback, logged=True, **options)
    assert len(losses(trainer)) == 20  # none is lost at a step where scores are logged
    state = json.loads((tmp_path / "out" / "checkpoint-20" / "trainer_state.json").read_text())
    rows = {row["step"]: row for row in state["log_history"] if "coherence/mean" in row}
    assert {step: row["coherence/streak"] for step, row in rows.items()} == {4: 0, 8: 1, 12: 2, 16: 3, 20: 4}
    assert rows[4]["coherence/mean"] == 100 > 30 > rows[8]["coherence/mean"]
    (events,) = {path.parent for path in tmp_path.rglob("events.out.tfevents.*")}
    written = tensorboard.EventAccumulator(str(events)).Reload()
    names = [name for name in written.Tags()["scalars"] if name.endswith("coherence/bigram")]
    assert [event.step for event in written.Scalars(names[0])] == [4, 8, 12, 16, 20]


def test_a_second_trainer_with_the_same_monitor_has_a_warm_up_of_its_own_and_is_one_restart(
    train: Train, monitor: Monitor, script: Script
) -> None:
    for steps in (10, 40):
        train(CoherenceCallback(monitor, script(), every=2), max_steps=steps)
        assert monitor.gate.warmup == steps // 20
    rows = map(json.loads, (monitor.folder / "metrics.jsonl").read_text().splitlines())
    assert [(row["event"], row["step"]) for row in rows if "event" in row] == [("restart", 1)]


def test_prompts_are_in_the_run_folder(train: Train, monitor: Monitor, tokenizer: Any) -> None:
    prompts: list[Any] = ["The cat", "A"]
    train(CoherenceCallback(monitor, Sampler(tokenizer, prompts, max_new_tokens=8), every=10))
    rows = map(json.loads, (monitor.folder / "samples.jsonl").read_bytes().splitlines())
    assert [row["prompt"] for row in rows] == prompts * 2


@pytest.mark.parametrize(("save_steps", "saved"), [(5, {5, 10, 15}), (4, {8, 12, 16})])
def test_the_step_to_go_back_to_is_that_of_a_checkpoint(
    train: Train, script: Script, resumes: Resumes, tmp_path: Path, save_steps: int, saved: set[int]
) -> None:
    with Monitor(tmp_path / "run", gate=Gate(patience=2)) as monitor:
        callback = CoherenceCallback(monitor, script(low_from=20), every=5)
        trainer = train(callback, max_steps=40, save_strategy="steps", save_steps=save_steps)
        assert trainer.state.global_step == 25
        (step,) = resumes(monitor)
    assert step in saved
    assert (tmp_path / "out" / f"checkpoint-{step}" / "model.safetensors").is_file()


def test_a_run_whose_every_checkpoint_is_too_late_has_no_step_to_go_back_to(
    train: Train, script: Script, resumes: Resumes, tmp_path: Path
) -> None:
    with Monitor(tmp_path / "run", gate=Gate(patience=3)) as monitor:
        callback = CoherenceCallback(monitor, script(low_from=6), every=2)
        train(callback, save_strategy="steps", save_steps=8)  # fine at 4, low at 6, halted at 10
        assert resumes(monitor) == {None}
        assert monitor.signals.place.reason.startswith("no checkpoint exists up to step ")


def test_the_state_in_a_checkpoint_knows_of_the_checkpoint(
    train: Train, monitor: Monitor, script: Script, tmp_path: Path
) -> None:
    train(CoherenceCallback(monitor, script(), every=5), save_strategy="steps", save_steps=10)
    with Monitor(tmp_path / "other") as other:
        path = tmp_path / "out" / "checkpoint-10" / "coherence.json"
        other.load_state_dict(json.loads(path.read_text()))
        assert other.resume_from == 10


def test_a_run_that_goes_on_from_its_last_checkpoint_was_not_set_back(
    train: Train, script: Script, tmp_path: Path
) -> None:
    options = {"save_strategy": "steps", "save_steps": 10}
    for resume in (None, str(tmp_path / "out" / "checkpoint-10")):
        with Monitor(tmp_path / "run") as monitor:
            callback = CoherenceCallback(monitor, script(), every=5)
            train(callback, resume=resume, max_steps=20 if resume else 10, **options)
    assert monitor.signals.loss.count == 20
    assert "restart" not in (monitor.folder / "metrics.jsonl").read_text()


def test_a_checkpoint_that_cannot_be_noted_costs_a_warning_and_not_the_run(
    train: Train, monitor: Monitor, script: Script, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (monitor.folder / "metrics.jsonl").mkdir()
    trainer = train(CoherenceCallback(monitor, script(), every=5), save_strategy="steps", save_steps=10)
    assert trainer.state.global_step == 20
    assert caplog.text.count("cannot record") == 1
    assert (tmp_path / "out" / "checkpoint-20" / "coherence.json").is_file()
    assert monitor.resume_from in (10, 20)  # the gate knows of them


def test_a_loss_that_is_no_number_and_logged_as_zero_is_seen(
    train: Train, monitor: Monitor, script: Script
) -> None:
    trainer = train(CoherenceCallback(monitor, script(), every=5), BreakAt(10))
    assert losses(trainer)[-1] == 0.0
    assert monitor.diagnosis.loss == "not finite"


def test_sampling_leaves_the_loss_curve_as_it_is_bit_for_bit(
    train: Train, monitor: Monitor, tokenizer: Any
) -> None:
    sampler = Sampler(tokenizer, ["The cat", "A"], max_new_tokens=12)
    with_sampling = train(CoherenceCallback(monitor, sampler, every=3))
    assert (monitor.folder / "samples.jsonl").read_bytes().count(b"\n") == 2 * 6
    assert losses(with_sampling) == losses(train())


def test_accumulated_batches_are_one_step(train: Train, monitor: Monitor) -> None:
    asked: list[int] = []

    def draw(_model: Any, step: int) -> list[str]:
        asked.append(step)
        return ["..."]

    train(CoherenceCallback(monitor, draw, every=2), gradient_accumulation_steps=3, max_steps=8)
    assert asked == [2, 4, 6, 8]


def test_the_first_steps_are_passed_over(
    train: Train, script: Script, tmp_path: Path, warm_up: WarmUp, caplog: pytest.LogCaptureFixture
) -> None:
    gate, warmup, expected = warm_up
    caplog.set_level(logging.INFO, logger="coherence")
    with Monitor(tmp_path / "run", gate=gate) as monitor:
        callback = CoherenceCallback(monitor, script(low_from=1), every=1, warmup=warmup)
        trainer = train(callback, max_steps=40)
    assert trainer.state.global_step == max(expected, 1) + 4
    assert caplog.text.count("samples are judged from step") == (expected == 2)


def test_a_state_that_cannot_be_saved_costs_a_warning_and_not_the_run(
    train: Train, monitor: Monitor, script: Script, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "out" / "checkpoint-10" / "coherence.json").mkdir(parents=True)
    callback = CoherenceCallback(monitor, script(), every=5)
    trainer = train(callback, save_strategy="steps", save_steps=10)
    assert trainer.state.global_step == 20
    assert "cannot save the gate's state" in caplog.text


def test_a_state_that_is_no_json_is_named(
    train: Train, monitor: Monitor, script: Script, tmp_path: Path
) -> None:
    train(save_strategy="steps", save_steps=10)
    (tmp_path / "out" / "checkpoint-10" / "coherence.json").write_text("{")
    with pytest.raises(ValueError, match=r"checkpoint-10.coherence\.json is not the state of a run"):
        train(CoherenceCallback(monitor, script()), resume=str(tmp_path / "out" / "checkpoint-10"))


def test_an_error_in_sampling_is_not_swallowed(train: Train, monitor: Monitor) -> None:
    def draw(_model: Any, _step: int) -> list[str]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(CoherenceCallback(monitor, draw, every=2))


def test_steps_between_samplings_are_one_or_more(monitor: Monitor, script: Script) -> None:
    with pytest.raises(ValueError, match="every 0; expected a number of steps, 1 or more"):
        CoherenceCallback(monitor, script(), every=0)
