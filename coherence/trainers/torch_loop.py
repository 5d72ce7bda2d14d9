"""For a plain PyTorch loop: sample without disturbing the training, and stop all ranks at one step.

Source: docs/trainers/torch_loop.md.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from coherence.gate import Verdict
from coherence.monitor import Monitor
from coherence.trainers.common import missing

try:
    import torch
    from torch import distributed, nn
except ImportError as error:
    raise missing("torch_loop", "torch") from error

T = TypeVar("T")
Sample = Callable[[Any, int], Sequence[str]]
"""Draws samples: takes the model and the step, returns what the model wrote, without the prompts."""


def sample_safely(model: nn.Module, draw: Callable[[nn.Module], T], tokenizer: Any = None) -> T:
    """Return `draw(model)`, drawn in evaluation mode and without gradients, and leave no trace.

    Torch's random numbers (CPU and CUDA), the training mode of every module and the tokenizer's padding side
    are afterwards as they were, also when `draw` fails: the loss curve is the one without sampling.
    Python's and numpy's random numbers are not touched; a `draw` that uses them keeps its own generator.

    >>> model = nn.Sequential(nn.Linear(2, 2), nn.Dropout().eval()).train(False)
    >>> before = torch.random.get_rng_state()
    >>> sample_safely(model, lambda model: torch.rand(3).shape)
    torch.Size([3])
    >>> bool((torch.random.get_rng_state() == before).all())
    True
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


def from_rank_zero(work: Callable[[], T] | None, send: Callable[[Any], Any] = broadcast) -> T:
    """Do the work on rank 0 and return its result on every rank; the others pass None for the work.

    Args:
        work: called without arguments.
        send: gives every rank the value of rank 0.

    Raises:
        RuntimeError: on the other ranks, when the work has failed on rank 0, or there was none. Rank 0
            raises what the work raised: none is left waiting.

    >>> from_rank_zero(lambda: 6 * 7)
    42
    """
    failed: Exception | None = None
    answer: tuple[T | None, str | None] = None, "rank 0 has no monitor; expected it to have one"
    if work is not None:
        try:
            answer = work(), None
        except Exception as error:  # whatever it is, the other ranks wait for an answer
            failed, answer = error, (None, f"rank 0 failed: {type(error).__name__}: {error}")
    result, failure = send(answer)
    if failed is not None:
        raise failed
    if failure is not None:
        raise RuntimeError(failure)
    found: T = result
    return found


def check(
    monitor: Monitor | None,
    step: int,
    model: nn.Module,
    sample: Sample,
    tokenizer: Any = None,
    send: Callable[[Any], Any] = broadcast,
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
    if monitor is None:
        return from_rank_zero(None, send)
    judge = monitor.sample
    return from_rank_zero(
        lambda: judge(step, sample_safely(model, lambda model: sample(model, step), tokenizer)), send
    )
