"""Measures how much memory `coherence audit` needs for a dump of 10 MB, and for one 100 times as large.

    python benchmarks/memory.py
    python benchmarks/memory.py 20 200 2000 --options='--workers 2'
    python benchmarks/memory.py 1600 --characters 100      # ten million samples

The samples, usually of 2 KB, are pieces of the help texts that come with Python and of the runs under
`fixtures/`, eight per step, in a temporary folder. Each audit is a separate process; of several the largest
counts.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from pydoc_data.topics import topics
from random import Random
from typing import NamedTuple

BYTES, A_STEP = 2048, 8
RUNS = Path(__file__).parents[1] / "fixtures" / "runs"
MEGABYTES = [10, 20, 50, 100, 200]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int, default=MEGABYTES, help="megabytes of each dump")
    parser.add_argument("--options", default="", help="of coherence audit")
    parser.add_argument("--samples-a-step", type=int, default=A_STEP)
    parser.add_argument("--characters", type=int, default=BYTES, help="of a sample")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "samples.jsonl"
        print(f"{'dump':>10}{'samples':>12}{'peak memory':>14}{'time':>10}")
        for size in arguments.sizes:
            samples = write_dump(path, size * 10**6, arguments.samples_a_step, arguments.characters)
            used = audit(str(path), *arguments.options.split())
            print(f"{size:>7} MB{samples:>12,}{used.memory / 2**20:>11.0f} MB{used.wall:>8.0f} s", flush=True)


def write_dump(path: Path, size: int, samples_a_step: int, characters: int = BYTES) -> int:
    """Write a dump of about `size` bytes; return how many samples it has."""
    rows = sample_rows(samples_a_step, characters)
    with path.open("w", encoding="utf-8") as file:
        for number in count():
            if file.tell() >= size:
                return number
            file.write(json.dumps(next(rows)) + "\n")
    raise AssertionError


def sample_rows(samples_a_step: int, characters: int) -> Iterator[dict[str, object]]:
    """Yield the samples of a run whose loss falls."""
    text = "\n".join([*(topics[name] for name in sorted(topics)), *fixture_texts()])
    random = Random(0)  # noqa: S311 - not for secrets
    for number in count():
        start = random.randrange(len(text) - characters)
        step = number // samples_a_step
        yield {"step": step, "loss": 3 + 6 / (1 + step / 1000), "text": text[start : start + characters]}


def fixture_texts() -> Iterator[str]:
    """Yield the samples of the runs that come with this repository."""
    for path in sorted(RUNS.glob("*/samples.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)["text"]


class Used(NamedTuple):
    """What an audit used: bytes of its largest resident set, seconds of CPU and of wall time."""

    memory: int
    cpu: float
    wall: float


def audit(*arguments: str) -> Used:
    """Audit in a separate process, and return what it used."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "coherence.cli", "audit", "--observe", *arguments]
    silence = [(os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]
    child = os.posix_spawn(sys.executable, command, os.environ, file_actions=silence)
    _, status, usage = os.wait4(child, 0)
    if status:
        sys.exit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    memory = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Used(memory, usage.ru_utime + usage.ru_stime, time.perf_counter() - started)


if __name__ == "__main__":
    main()
