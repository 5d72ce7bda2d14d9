"""Samples for checks, fine ones and looping ones, in files like those of a run."""

import json
from pathlib import Path
from random import Random
from typing import Any

VOCABULARY = (
    "old man walked along river until evening thought about letter his daughter sent from city winter "
    "garden stone bridge water light window morning paper horse summer road voice table silver village"
)
LOOP = "The door was open. " * 9


def fine(count: int, seed: int = 0) -> list[str]:
    """Return `count` samples with little repetition."""
    random = Random(seed)  # noqa: S311 - it draws words, not secrets
    return [" ".join(random.sample(VOCABULARY.split(), 18)) for _ in range(count)]


def mixed(count: int, bad: int) -> list[str]:
    """Return `count` samples, `bad` of which loop, evenly spaced."""
    texts = fine(count - bad, seed=1)
    for n in range(bad):
        texts.insert(n * count // bad, LOOP)
    return texts


def write(name: str, *texts: str, **more: Any) -> str:
    """Write samples of one step, and return the name of the file."""
    rows = (json.dumps({"step": 9, "text": text, **more}) for text in texts)
    Path(name).write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return name


def switches(count: int, seed: int = 0) -> list[str]:
    """Return `count` samples of data, which are low under the usual profile but fine as data."""
    random = Random(seed)  # noqa: S311 - it draws words, not secrets

    def row() -> str:
        return f'{{"on": {random.choice(("true", "false"))}, "kind": "{random.choice("abc")}"}}'

    return ["\n".join(row() for _ in range(40)) for _ in range(count)]
