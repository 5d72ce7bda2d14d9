"""The command line with shards of a few kilobytes, as a program that can be killed; and dumps for it.

    python tests/support/sharded.py SIZE [DEADLY] audit samples.jsonl --workers 2

SIZE is the bytes of a shard. The shard with the number DEADLY kills every process that it is sent to.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

VOCABULARY = (
    "old man walked along river until evening thought about letter his daughter sent from city winter "
    "garden stone bridge water light window morning paper horse summer road voice table silver village"
)

LONGEST_WAIT = 120.0
"""Seconds after which waiting for a program fails."""


# --- The program that is killed ---------------------------------------------------------------------------


class Deadly(str):
    """A path that kills the process that receives it."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, ("__import__('os').kill(__import__('os').getpid(), 9)",)


def run(size: int, deadly: int | None, arguments: list[str]) -> int:
    """Run the command line with shards of this size; one may be deadly."""
    # Here, because each worker imports this module, and should import by itself what it needs for scoring.
    import coherence.audit.plan
    from coherence.cli.main import main

    cut = coherence.audit.plan.cut

    def cut_deadly(runs: Any, _: int) -> Any:
        shards = cut(runs, size)
        if deadly is not None:
            (piece,) = shards[deadly].pieces
            part = piece.part._replace(path=Deadly(piece.part.path))
            shards[deadly] = shards[deadly]._replace(pieces=(piece._replace(part=part),))
        return shards

    setattr(coherence.audit.plan, "cut", cut_deadly)  # noqa: B010 - where the command looks for it
    return main(arguments)


# --- What the tests do with it ----------------------------------------------------------------------------


class Program:
    """A run of the program in a separate process group."""

    def __init__(self, folder: Path, size: int, *arguments: str, deadly: int | None = None) -> None:
        told = [str(size), *([] if deadly is None else [str(deadly)])]
        self._errors = folder / "errors.txt"
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
                [sys.executable, __file__, *told, *arguments],
                cwd=folder,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def status(self) -> int:
        """Wait for its end, and return its exit status."""
        return self._process.wait(LONGEST_WAIT)

    def said(self) -> str:
        return self._errors.read_text(encoding="utf-8")

    def kill_and_wait_for(self, others: list[int]) -> None:
        """Kill it, and wait for others that should end with it."""
        self._process.kill()
        self._process.wait()
        wait_until(lambda: not {pid for pid, _ in _parents()}.intersection(others))

    def interrupt(self) -> None:
        """Send the signal of Ctrl-C to all processes of the terminal."""
        os.killpg(self.pid, signal.SIGINT)

    def wait_until(self, holds: Callable[[], bool]) -> None:
        wait_until(lambda: holds() or self._process.poll() is not None)
        assert self._process.poll() is None, f"it has ended: {self.said()}"


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + LONGEST_WAIT
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def descendants(pid: int, pattern: str) -> list[int]:
    """Return the direct and indirect child processes whose command matches a pattern."""
    parents = dict(_parents())
    found = [each for each in parents if pid in _ancestors(each, parents)]
    return [each for each in found if re.search(pattern, _command(each))]


def _parents() -> Iterator[tuple[int, int]]:
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        if fields[0] != "Z":
            yield int(entry.parent.name), int(fields[1])


def _ancestors(pid: int, parents: dict[int, int]) -> Iterator[int]:
    while pid := parents.get(pid, 0):
        yield pid


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def write_lines(path: Path, *lines: bytes, end: bytes = b"\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(line + end for line in lines))
    return path


def row(step: int, index: int = 0, **more: Any) -> bytes:
    """Return a unique sample as a line; one in ten is low."""
    random = Random(f"{step} {index} {more}")  # noqa: S311 - it draws words, not secrets
    low = random.random() < 0.1
    text = (
        "go home now and then " * 6
        if low
        else " ".join(random.choices(VOCABULARY.split(), k=random.randint(3, 60)))
    )
    return json.dumps({"step": step, "prompt": f"question {index}", "text": text, **more}).encode()


def rows(steps: Any, samples: int = 4, **more: Any) -> list[bytes]:
    return [row(step, index, loss=8 / (1 + step / 99), **more) for step in steps for index in range(samples)]


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:3] if each.isdigit()]
    sys.exit(run(numbers[0], numbers[1] if numbers[1:] else None, sys.argv[1 + len(numbers) :]))
