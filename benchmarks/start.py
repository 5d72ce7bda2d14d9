"""Measures startup: CPU of each command and of the two names that a loop imports, above bare Python.

    python benchmarks/start.py

The median of several runs in turn, each in a separate process, in milliseconds. The figures from before the
commands loaded only what they use, and the bars, were set on one machine with two busy cores: on another,
compare the figures with each other.
"""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from pydoc_data.topics import topics
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

TRIES = 15
SAMPLES, CHARACTERS, A_STEP = 200, 2_000, 4
TEXT = "The cat sat by the door and waited for the rain to stop, and when it did, she walked out."
BARE = ("-c", "pass")


class Start(NamedTuple):
    """Something that is started.

    Attributes:
        what: for people.
        arguments: of Python.
        before, bar: milliseconds of CPU before, and at most.
    """

    what: str
    arguments: tuple[str, ...]
    before: float
    bar: float


class Measured(NamedTuple):
    """A start and its milliseconds of CPU above bare Python."""

    start: Start
    milliseconds: float


def main() -> None:
    """Print a line for each start."""
    print(f"{'CPU above bare Python, ms':<36}{'before':>8}{'bar':>8}{'now':>8}{'of bar':>8}")
    for start, milliseconds in measured():
        share = milliseconds / start.bar
        print(f"{start.what:<36}{start.before:>8.0f}{start.bar:>8.0f}{milliseconds:>8.0f}{share:>8.2f}")


def measured(tries: int = TRIES) -> Iterator[Measured]:
    """Yield the cost of each start."""
    with TemporaryDirectory() as folder:
        starts = starts_on(Path(folder))
        taken: dict[tuple[str, ...], list[float]] = {BARE: []} | {start.arguments: [] for start in starts}
        for number in range(tries + 1):
            for arguments, times in taken.items():
                seconds = cpu_seconds(arguments)
                if number:  # bytecode is written the first time
                    times.append(seconds)
        bare = median(taken[BARE])
        for start in starts:
            yield Measured(start, 1e3 * (median(taken[start.arguments]) - bare))


def starts_on(folder: Path) -> list[Start]:
    """Return the starts to measure, with their samples and snapshot in a folder."""
    samples, snapshot = folder / "samples.jsonl", folder / "snapshot.json"
    text = "\n".join(topics[name] for name in sorted(topics))
    rows = [
        {"step": place // A_STEP, "text": text[place * CHARACTERS : (place + 1) * CHARACTERS]}
        for place in range(SAMPLES)
    ]
    samples.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    command = ("-m", "coherence.cli")
    check = (*command, "check", str(samples), "--snapshot", str(snapshot))
    cpu_seconds((*check, "--update"))
    return [
        Start("from coherence import score, Gate", ("-c", "from coherence import score, Gate"), 63, 30),
        Start("coherence score TEXT", (*command, "score", TEXT), 1250, 130),
        Start(f"coherence audit, {SAMPLES} samples", (*command, "audit", str(samples)), 1400, 450),
        Start(f"coherence check, {SAMPLES} samples", check, 930, 450),
    ]


def cpu_seconds(arguments: tuple[str, ...]) -> float:
    """Return the CPU seconds of a fresh interpreter, with bytecode cached as for an installed package."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, check=False)  # noqa: S603 - our own words
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
