"""What the Hugging Face Trainer writes and prints of a run whose loss ends in NaN, read back."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the Hugging Face Trainer needs torch")
pytest.importorskip("transformers", reason="the state is written by transformers")
pytest.importorskip("accelerate", reason="the Hugging Face Trainer needs accelerate")

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments

from coherence.readers.formats import trainer_state
from coherence.readers.formats.logs import reader as logs
from coherence.readers.lines import Part, Problems, read_head

DATA = [{"input_ids": list(range(i, i + 8)), "labels": list(range(i, i + 8))} for i in range(0, 80, 5)]


class BreakAt(TrainerCallback):  # type: ignore[misc, unused-ignore] # Any where transformers is absent
    """After this step the weights are not numbers."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        if state.global_step == self.step:
            with torch.no_grad():
                kwargs["model"].lm_head.weight.fill_(float("nan"))


@pytest.mark.parametrize("bars", [False, True])
def test_losses_are_read_from_the_state_and_from_what_is_printed(
    tmp_path: Path, tiny: Callable[[], Any], capfd: pytest.CaptureFixture[str], bars: bool
) -> None:
    arguments = TrainingArguments(
        output_dir=str(tmp_path),
        max_steps=6,
        per_device_train_batch_size=2,
        logging_steps=1,
        eval_strategy="steps",
        eval_steps=3,
        save_strategy="steps",
        save_steps=6,
        use_cpu=True,
        report_to=[],
        disable_tqdm=not bars,
        dataloader_pin_memory=False,
    )
    Trainer(tiny(), arguments, train_dataset=DATA, eval_dataset=DATA[:2], callbacks=[BreakAt(4)]).train()
    printed = tmp_path / "out.log"
    printed.write_text("".join(capfd.readouterr()), encoding="utf-8")
    for format_, path in ((trainer_state, tmp_path / "checkpoint-6" / "trainer_state.json"), (logs, printed)):
        assert format_.recognise(read_head(str(path)))
        problems = Problems()
        rows = list(format_.losses(Part(str(path)), problems))
        assert [row.step for row in rows] == [1, 2, 3, 4, 5, 6]
        assert [math.isfinite(row.loss) for row in rows] == [True] * 4 + [False] * 2
        assert problems.count == 2
