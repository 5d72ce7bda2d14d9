"""For a plain PyTorch loop: sample without disturbing the training, and stop all ranks at one step.

Source: docs/trainers/torch_loop.md.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from coherence.run.monitor import Monitor
from coherence.signals.gate import Verdict
from coherence.trainers.common import Draw, Send, from_rank_zero, missing

try:
    import torch
    from torch import distributed, nn
except ImportError as error:
    raise missing("torch_loop", "torch") from error

T = TypeVar("T")


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
        sample: takes the model and the step, returns the texts.
        tokenizer: keeps its padding side.
        send: gives every rank the value of rank 0.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Monitor(folder) as monitor:
    ...     check(monitor, 100, nn.Linear(2, 2), lambda model, step: ["Budy Budy Budy Budy"]).streak
    1
    """

    def judge(monitor: Monitor) -> Verdict:
        return monitor.sample(step, sample_safely(model, lambda model: sample(model, step), tokenizer))

    return from_rank_zero(monitor, judge, send)
