"""For a plain PyTorch loop: sample without disturbing the training, and stop all ranks at one step.

Source: docs/trainers/torch_loop.md.
"""

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any, TypeVar

from coherence.run.monitor import Monitor
from coherence.signals.gate import Verdict
from coherence.trainers.common import Draw, Judged, Send, from_rank_zero, missing

try:
    import torch
    from torch import distributed, nn
except ImportError as error:
    raise missing("torch_loop", "torch") from error

T = TypeVar("T")

PATIENCE = timedelta(seconds=60)
"""How long a rank waits for the others: they train in step, and come at nearly the same time."""

_calls = count()
"""Numbers the checks of this process: every rank makes equally many."""


def sample_safely(model: nn.Module, draw: Callable[[nn.Module], T], tokenizer: Any = None) -> T:
    """Return `draw(model)`, drawn in evaluation mode and without gradients, and leave no trace.

    Torch's random numbers (CPU and CUDA), the training mode of every module and the tokenizer's padding side
    are afterwards as they were, also when `draw` fails: the loss curve is the one without sampling.
    Python's and numpy's random numbers are not touched; a `draw` that uses them keeps its own generator.

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
    """Return rank 0's value on every rank; the value itself where there is one process only.

    >>> broadcast("halt")
    'halt'
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return value
    box = [value]
    distributed.broadcast_object_list(box, src=0)
    return box[0]


def broadcast_verdict(verdict: Verdict | None) -> Verdict:
    """Return rank 0's whole verdict, its reason included, on every rank; the others pass None.

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
    sample: Draw,
    tokenizer: Any = None,
    send: Send = broadcast,
) -> Judged:
    """Sample and judge on rank 0, as `check` does; return all that the adapters tell on every rank."""

    def work(monitor: Monitor) -> Judged:
        return Judged.of(monitor, step, sample_safely(model, lambda model: sample(model, step), tokenizer))

    return from_rank_zero(monitor, work, send)


def check(
    monitor: Monitor | None,
    step: int,
    model: nn.Module,
    sample: Draw,
    tokenizer: Any = None,
    send: Send = broadcast,
) -> Verdict:
    """Sample and judge on rank 0; return the same verdict on every rank.

    Every rank calls it at the same steps. An error on rank 0 is raised on all of them.

    Args:
        monitor: of the run; None on every rank but 0.
        step: the training step.
        model: given to `sample`; nothing of it is changed, see `sample_safely`.
        sample: takes the model and the step, returns the texts, or pairs of a prompt and a text.
        tokenizer: keeps its padding side.
        send: gives every rank the value of rank 0.

    Raises:
        HaltedRun: the gate has fired, and `on_halt` of the monitor is "raise"; on every rank.
        RuntimeError: rank 0 has failed, or it waits for ranks that do not call it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Monitor(folder) as monitor:
    ...     check(monitor, 100, nn.Linear(2, 2), lambda model, step: ["Budy Budy Budy Budy"]).streak
    1
    """
    if send is broadcast:
        _wait_for_all(step)
    judged = judge(monitor, step, model, sample, tokenizer, send)
    judged.raise_if_asked()
    return judged.verdict


def _wait_for_all(step: int) -> None:
    """See to it that every rank calls: one that does not would leave the others waiting until a timeout.

    Raises:
        RuntimeError: a rank did not come within `PATIENCE`.
    """
    if not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1:
        return
    store, rank = distributed.distributed_c10d._get_default_store(), distributed.get_rank()
    number = next(_calls)
    store.set(f"coherence/{number}/{rank}", str(step))
    missing_ranks = []
    for other in range(distributed.get_world_size()):
        try:
            store.wait([f"coherence/{number}/{other}"], PATIENCE)
        except RuntimeError:
            missing_ranks.append(other)
            break
    if missing_ranks:
        raise RuntimeError(
            f"coherence check at step {step}: rank {missing_ranks[0]} has not called it within "
            f"{PATIENCE.seconds} seconds. Every rank has to call it at the same steps, with None for the "
            "monitor on all but rank 0; is it inside `if rank == 0:`?"
        )
