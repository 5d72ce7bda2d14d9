"""Made-up samples of a checkpoint: English sentences, some of which loop."""

from collections.abc import Sequence
from typing import Any

from prose import prose

from coherence.readers.records import Sample


def loop(seed: object = "") -> str:
    """A sentence repeated over and over."""
    return f"{prose(4, seed)}. " * 9


def sample(text: str, number: int = 0, **more: Any) -> Sample:
    return Sample(step=1, text=text, file="s.jsonl", line=number + 1, **more)


def samples(
    count: int,
    bad: int = 0,
    text: str | None = None,
    seed: object = "",
    prompts: Sequence[str] = (),
    **more: Any,
) -> list[Sample]:
    """Make samples, some of them bad: each its own loop, or the given text; prompts take turns."""
    worse = {round(n * count / bad) for n in range(bad)} if bad else set()
    return [
        sample(
            (text or loop((seed, n))) if n in worse else prose(24, (seed, n)),
            n,
            prompt=prompts[n % len(prompts)] if prompts else None,
            **more,
        )
        for n in range(count)
    ]
