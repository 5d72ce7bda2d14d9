"""One of two processes that train together; the tests start it twice. Prints what it did as one JSON line.

python ranks.py {check|asked|error|none|alone|left|late|trainer|lightning} FOLDER [raise]

RANK and WORLD_SIZE are in the environment. With "raise" a halt ends the program.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

FINE = "The cat sat by the door and waited for the rain to stop."
LOW = "Budy Budy Budy Budy"


def draw(_model: Any, step: int) -> list[str]:
    return [LOW if step >= 6 else FINE]


def fail(_model: Any, step: int) -> list[str]:
    if step == 4:
        raise ZeroDivisionError("the sampler broke")
    return [FINE]


def asked(_model: Any, step: int) -> list[str]:
    """Fine, and at a step another process asks for a stop."""
    if step == 6:
        Path(sys.argv[2], "run", "stop").touch()
    return [FINE]


def monitor_of(folder: Path, rank: int) -> Any:
    from coherence import Monitor

    return Monitor(folder / "run", on_halt="raise" if "raise" in sys.argv else "stop") if rank == 0 else None


def mistaken(what: str, folder: Path, rank: int) -> tuple[int, str | None]:
    """A plain loop that leaves the other rank behind: it alone checks or leaves; or a run that was halted."""
    from datetime import timedelta

    import torch
    from torch import distributed, nn

    from coherence.trainers import common, torch_loop

    torch_loop.PATIENCE = timedelta(seconds=2)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    monitor = monitor_of(folder, rank)
    if what == "late":
        if monitor is not None:
            monitor.gate.load_state_dict(monitor.gate.state_dict() | {"halt_reason": "a halt before"})
        common.from_rank_zero(monitor, lambda monitor: common.begin(monitor, None, 100), torch_loop.broadcast)
    for step in range(2, 100, 2):
        distributed.all_reduce(torch.ones(1))
        if monitor is None:
            continue
        if what == "alone":
            torch_loop.check(monitor, step, nn.Linear(2, 2), draw)
        elif monitor.sample(step, draw(None, step)).halt:
            return step, monitor.gate.halt_reason
    return 100, None


def check(folder: Path, sample: Any, rank: int) -> tuple[int, str | None]:
    """A plain loop whose every step reduces something over both ranks, as training does."""
    import torch
    from torch import distributed, nn

    from coherence.trainers import torch_loop

    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    monitor = None if sample is None else monitor_of(folder, rank)
    for step in range(2, 100, 2):
        distributed.all_reduce(torch.ones(1))
        verdict = torch_loop.check(monitor, step, nn.Linear(2, 2), sample)
        if verdict.halt:
            return step, verdict.reason
    return 100, None


def trainer(folder: Path, rank: int) -> tuple[int, str | None]:
    import transformers

    from coherence.trainers.huggingface import CoherenceCallback

    config = transformers.GPT2Config(vocab_size=64, n_positions=16, n_embd=8, n_layer=1, n_head=1)
    args = transformers.TrainingArguments(
        str(folder / "out"), max_steps=40, use_cpu=True, ddp_backend="gloo", report_to=[], disable_tqdm=True
    )
    data: Any = [{"input_ids": [i] * 8, "labels": [i] * 8} for i in range(64)]
    callback = CoherenceCallback(monitor_of(folder, rank), draw, every=2)
    run = transformers.Trainer(
        transformers.GPT2LMHeadModel(config), args, train_dataset=data, callbacks=[callback]
    )
    run.train()
    return run.state.global_step, callback.monitor.gate.halt_reason if callback.monitor else None


def lightning(folder: Path, rank: int) -> tuple[int, str | None]:
    import torch
    from lightning.pytorch import LightningModule, Trainer
    from torch import nn

    from coherence.trainers.lightning import CoherenceCallback

    class Tiny(LightningModule):  # type: ignore[misc, unused-ignore] # Any where lightning is absent
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(4, 1)

        def training_step(self, batch: torch.Tensor, _index: int) -> torch.Tensor:
            return self.net(batch).square().mean()  # type: ignore[no-any-return, unused-ignore]

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    callback = CoherenceCallback(monitor_of(folder, rank), draw, every=2)
    run = Trainer(
        accelerator="cpu",
        devices=1,
        num_nodes=2,
        strategy="ddp",
        max_steps=40,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        callbacks=[callback],
    )
    run.fit(Tiny(), torch.utils.data.DataLoader(torch.ones(400, 4)))  # type: ignore[arg-type, unused-ignore]
    return run.global_step, callback.monitor.gate.halt_reason if callback.monitor else None


def main(what: str, folder: Path) -> None:
    import torch
    from torch import distributed

    torch.set_num_threads(1)
    rank = int(os.environ["RANK"])
    try:
        if what in ("trainer", "lightning"):
            step, reason = {"trainer": trainer, "lightning": lightning}[what](folder, rank)
        elif what in ("alone", "left", "late"):
            step, reason = mistaken(what, folder, rank)
        else:
            step, reason = check(
                folder, {"check": draw, "asked": asked, "error": fail, "none": None}[what], rank
            )
    finally:  # left to the end of the process, gloo's threads abort it now and then (pytorch issue 190489)
        if distributed.is_initialized():
            distributed.destroy_process_group()
    print(json.dumps({"rank": rank, "step": step, "reason": reason}))  # noqa: T201 - read by the test


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
