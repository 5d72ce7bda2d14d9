"""For a plain PyTorch loop: sample without disturbing the training, and stop all ranks at the same step.

Source: docs/trainers/torch_loop.md.
"""

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any, TypeVar

from coherence.run.monitor import Monitor as Monitor
from coherence.signals.gate import Gate as Gate
from coherence.signals.gate import Verdict
from coherence.trainers.common import Draw, Judged, Send, draw_nothing, from_rank_zero, missing

try:
    import torch
    from torch import distributed, nn
except ImportError as error:
    raise missing("torch_loop", "torch") from error

T = TypeVar("T")

PATIENCE = timedelta(minutes=2)
"""How long rank 0 waits for the others, which have less to do than rank 0 and so are not much later."""

_calls = count()
"""Counts the broadcasts of this process: every rank makes the same number of them."""


def sample_safely(model: nn.Module, draw: Callable[[nn.Module], T], tokenizer: Any = None) -> T:
    """Return `draw(model)`, drawn in evaluation mode and without gradients, and restore the state after it.

    Torch's random numbers (CPU and CUDA), the training mode of every module and the tokenizer's padding side
    are the same afterwards as before, even if `draw` fails: the loss curve is the one without sampling.
    Python's and numpy's random numbers are not restored; a `draw` that uses them needs its own generator.

    >>> sample_safely(nn.Dropout(), lambda model: model.training)
    False
    """
    modes = [(module, module.training) for module in model.modules()]
    side = getattr(tokenizer, "padding_side", None)
    cuda = range(torch.cuda.device_count() if torch.cuda.is_initialized() else 0)
    with torch.random.fork_rng(devices=cuda), torch.no_grad():
        try:
            return draw(model.eval())
        finally:
            for module, training in modes:
                module.training = training
            if side is not None:
                tokenizer.padding_side = side


def broadcast(value: T) -> T:
    """Return rank 0's value on every rank; the value itself if there is only one process.

    Raises:
        RuntimeError: on rank 0, if another rank has not called it within `PATIENCE`.

    >>> broadcast("halt")
    'halt'
    """
    if not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1:
        return value
    _wait_for_all(distributed.get_rank(), distributed.get_world_size())
    box = [value]
    distributed.broadcast_object_list(box, src=0)
    return box[0]


def _wait_for_all(rank: int, ranks: int) -> None:
    """Let rank 0 wait for the others: if one never came, rank 0 would hang until the group's timeout.

    The others do not wait here, because rank 0 may be writing a checkpoint for longer than `PATIENCE`.
    """
    store, name = distributed.distributed_c10d._get_default_store(), f"coherence/{next(_calls)}"
    store.set(f"{name}/{rank}", "")
    if store.add(f"{name}/count", 1) == ranks:
        store.set(f"{name}/all", "")
    if rank > 0:
        return
    try:
        store.wait([f"{name}/all"], PATIENCE)
    except RuntimeError as error:
        absent = [other for other in range(ranks) if not store.check([f"{name}/{other}"])]
        raise RuntimeError(
            f"coherence: rank 0 waited {PATIENCE.total_seconds():g} seconds for rank {absent[0]}. Every rank "
            "must make this call at the same steps, with monitor=None on all but rank 0. Is it inside "
            "`if rank == 0:`?"
        ) from error


def broadcast_verdict(verdict: Verdict | None) -> Verdict:
    """Return rank 0's whole verdict, including its reason, on every rank; the other ranks pass None.

    Raises:
        ValueError: rank 0 has passed None.

    >>> broadcast_verdict(Verdict(False, False, False, 0, 5, 100, (), "fine")).reason
    'fine'
    """
    verdict = broadcast(verdict)
    if verdict is None:
        raise ValueError("no verdict on rank 0; expected one there, and None on the other ranks")
    return verdict


def judge(
    monitor: Monitor | None,
    step: int,
    model: nn.Module,
    sample: Draw | None,
    tokenizer: Any = None,
    send: Send = broadcast,
) -> Judged:
    """Sample and judge on rank 0, as `check` does; return on every rank what the adapters need."""
    draw = sample or draw_nothing

    def work(monitor: Monitor) -> Judged:
        return Judged.of(monitor, step, sample_safely(model, lambda model: draw(model, step), tokenizer))

    return from_rank_zero(monitor, work, send)


def check(
    monitor: Monitor | None,
    step: int,
    model: nn.Module,
    sample: Draw | None,
    tokenizer: Any = None,
    send: Send = broadcast,
) -> Verdict:
    """Sample and judge on rank 0; return the same verdict on every rank.

    Every rank calls it at the same steps. An error on rank 0 is raised on all of them.

    Args:
        monitor: of the run; None on every rank but 0.
        step: the training step.
        model: passed to `sample`; it is not changed, see `sample_safely`.
        sample: takes the model and the step, returns the texts, or pairs of a prompt and a text; None
            if another process samples, and only the file `stop` in the run folder is looked for.
        tokenizer: its padding side is restored.
        send: gives every rank the value of rank 0.

    Raises:
        HaltedRun: the gate has fired, and `on_halt` of the monitor is "raise"; on every rank.
        RuntimeError: rank 0 has failed, or another rank does not call it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Monitor(folder) as monitor:
    ...     check(monitor, 100, nn.Linear(2, 2), lambda model, step: ["Budy Budy Budy Budy"]).streak
    1
    """
    judged = judge(monitor, step, model, sample, tokenizer, send)
    judged.raise_if_asked()
    return judged.verdict
