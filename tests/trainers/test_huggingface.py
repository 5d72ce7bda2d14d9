"""The callback in the real Trainer: a random GPT-2 of two layers, twenty steps, nothing downloaded."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the Hugging Face adapter needs torch")
pytest.importorskip("transformers", reason="the Hugging Face adapter needs transformers")
pytest.importorskip("accelerate", reason="the Hugging Face Trainer needs accelerate")

from transformers import Trainer, TrainerCallback, TrainingArguments

from coherence.monitor import Monitor
from coherence.trainers.huggingface import CoherenceCallback

Sample = Callable[[Any, int], list[str]]
FINE = "The cat sat by the door and waited for the rain to stop."
DATA = [{"input_ids": list(range(i, i + 8)), "labels": list(range(i, i + 8))} for i in range(0, 200, 5)]


@pytest.fixture
def train(tmp_path: Path, tiny: Callable[[], Any]) -> Callable[..., Trainer]:
    def start(
        *callbacks: TrainerCallback, resume: str | None = None, model: Any = None, **options: Any
    ) -> Trainer:
        args = TrainingArguments(
            **{
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
            | options
        )
        trainer = Trainer(model or tiny(), args, train_dataset=DATA, callbacks=list(callbacks))
        trainer.train(resume_from_checkpoint=resume)
        return trainer

    return start


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[Monitor]:
    with Monitor(tmp_path / "run", vocab_size=257) as monitor:
        yield monitor


def losses(trainer: Trainer) -> list[float]:
    return [row["loss"] for row in trainer.state.log_history if "loss" in row]


def test_the_fifth_low_sample_in_a_row_stops_training_with_its_reason(
    train: Callable[..., Trainer],
    monitor: Monitor,
    script: Callable[..., Sample],
    caplog: pytest.LogCaptureFixture,
) -> None:
    trainer = train(CoherenceCallback(monitor, script(low_from=6), every=2), max_steps=30)
    assert trainer.state.global_step == 14
    reason = "5 samples in a row scored below 30 on every scale, from step 6 to step 14"
    assert monitor.verdict is not None
    assert monitor.verdict.reason == reason
    assert f"training stops at step 14: {reason}" in caplog.text
    assert (Path(trainer.args.output_dir) / "checkpoint-14" / "coherence.json").is_file()
