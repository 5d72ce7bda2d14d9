"""Measures what the monitor costs a training loop: a loss, a sample, and both as a share of a training step.

    python benchmarks/monitor.py

Medians of wall time on the disk of the folder for temporary files (TMPDIR), recording on, in this one run.
The step is one update of the model of `examples/train_tiny.py`, if PyTorch is installed.
"""

import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from itertools import count, pairwise
from pathlib import Path
from pydoc_data.topics import topics
from statistics import median
from time import perf_counter
from types import ModuleType
from typing import TypeVar

from coherence import score
from coherence.run.monitor import Monitor
from coherence.scoring.text import locate

T = TypeVar("T")

TOKENS = 1024
BPE_BYTES = 2600
"""About 1024 tokens of documentation, with a byte pair vocabulary of 1024."""

TIMES, STEPS_TIMED, A_STEP = 400, 20, 8
EXAMPLE = Path(__file__).parents[1] / "examples" / "train_tiny.py"


def main() -> None:
    """Print the table."""
    step = seconds_a_step()
    rows = {f"loss, {how}": seconds for how, seconds in losses().items()}
    for name, samples in (
        (f"{TOKENS} words and signs", samples_of_tokens()),
        (f"{TOKENS} BPE tokens", samples_of_bytes()),
    ):
        print(f"{name}: {sum(map(len, samples)) / len(samples):.0f} characters a sample")
        rows[f"score alone, {name}"] = seconds_a_call(score, samples)
        rows |= {f"sample, {name}, {how}": seconds for how, seconds in sampling(samples).items()}
    print("PyTorch is absent: no step to compare with" if step is None else f"a step: {1e3 * step:.1f} ms")
    print(f"\n{'':<48}{'microseconds':>12}{'of a step':>12}")
    for name, seconds in rows.items():
        share = "" if step is None else f"{seconds / step:>12.2%}"
        print(f"{name:<48}{1e6 * seconds:>12.0f}{share}")


def losses() -> dict[str, float]:
    """Return the seconds of a loss: without writing the status, and with it."""
    return {
        how: timed(lambda monitor, step, _: monitor.loss(step, 3.43, source="topics"), [""], every)
        for how, every in (("median", 100), ("with the status", 1))
    }


def sampling(samples: list[str]) -> dict[str, float]:
    """Return the seconds of a sample: without writing the status, with it, and of several in a step."""
    found = {
        how: timed(lambda monitor, step, text: monitor.sample(step, text), samples, every)
        for how, every in (("median", 100), ("with the status", 1))
    }
    steps = [samples[start : start + A_STEP] for start in range(0, len(samples) - A_STEP, A_STEP)]
    of_a_step = timed(lambda monitor, step, texts: monitor.sample(step, texts), steps, 100)
    return found | {f"{A_STEP} in a step": of_a_step / A_STEP}


def timed(call: Callable[[Monitor, int, T], object], samples: Sequence[T], status_every: int) -> float:
    """Return the median seconds of a call of the monitor, one per step."""
    step = count()
    with (
        tempfile.TemporaryDirectory() as folder,
        Monitor(folder, vocab_size=1024, status_every=status_every) as monitor,
    ):
        return seconds_a_call(lambda sample: call(monitor, next(step), sample), samples)


def seconds_a_call(function: Callable[[T], object], samples: Sequence[T]) -> float:
    """Return the median seconds that a call takes."""
    function(samples[0])
    return median(seconds_of(partial(function, samples[turn % len(samples)])) for turn in range(TIMES))


def seconds_of(function: Callable[[], object]) -> float:
    """Return the seconds that one call takes."""
    started = perf_counter()
    function()
    return perf_counter() - started


def documentation() -> str:
    """Return the language reference that comes with Python."""
    return "\n".join(topics[name] for name in sorted(topics))


def samples_of_tokens() -> list[str]:
    """Cut the documentation into samples of `TOKENS` of our tokens."""
    text = documentation()
    places = [start for start, _ in locate(text[:300_000])][::TOKENS]
    return [text[start:end] for start, end in pairwise(places)]


def samples_of_bytes() -> list[str]:
    """Cut the documentation into samples of `BPE_BYTES` characters."""
    text = documentation()
    return [text[start : start + BPE_BYTES] for start in range(0, 300_000, BPE_BYTES)]


def seconds_a_step() -> float | None:
    """Return the median seconds of one update of the example's model; None without PyTorch."""
    if find_spec("torch") is None:
        return None
    import torch

    tiny = load(EXAMPLE)
    torch.manual_seed(0)
    model = tiny.GPT(causal=True)
    optimizer = torch.optim.AdamW(model.parameters())
    batch = torch.randint(tiny.VOCABULARY, (tiny.BATCH, tiny.CONTEXT))
    step = partial(tiny.update, model, optimizer, batch, tiny.LEARNING_RATE)
    step()
    return median(seconds_of(step) for _ in range(STEPS_TIMED))


def load(path: Path) -> ModuleType:
    """Import a file that is not in a package."""
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None  # noqa: S101, PT018 - it is a Python file
    module = sys.modules[path.stem] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
