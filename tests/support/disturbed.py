"""Disturbs commands on a dump and a small run, and checks what must be there afterwards.

For the campaigns in `tests/campaigns/`, and for the part of them that the tests run.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, Protocol

from coherence import Gate
from coherence.run.monitor import Monitor

Part = Callable[[int, int], bool]
"""Takes the number of disturbances and a seed; returns whether every promise was kept."""

LOW = "Budy Budy Budy Budy "

SMALL_SHARDS = """
import sys
import coherence.audit.plan
from coherence.cli.main import main
coherence.audit.plan.SHARD = 20_000
if __name__ == "__main__":
    sys.exit(main())
"""

COMMANDS = {
    "audit": "audit dump.jsonl --observe --json report.json --html report.html",
    "audit --scored": "audit dump.jsonl --observe --json report.json --scored scored.jsonl",
    "audit --workers 2": "audit dump.jsonl --observe --workers 2 --json report.json --scored scored.jsonl",
    "check --update": "check dump.jsonl --snapshot snapshot.json --update --yes",
    "check": "check dump.jsonl --snapshot good.json --json check.json --junit check.xml",
}
OUTPUTS = ("report.json", "report.html", "scored.jsonl", "snapshot.json", "check.json", "check.xml")
OLD = b'{"format": 1, "made": {"what": "stood there before"}}\n'
"""What the outputs hold before; it begins like a snapshot, because nothing else is replaced by `--update`."""
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
WORDS = ("old", "man", "walked", "along", "the", "river", "until", "evening", "letter", "daughter", "sent")


class Figures(NamedTuple):
    """The counts of outcomes."""

    faults: int
    finished: int
    half_written: int
    tracebacks: int
    left_behind: int
    other_results: int

    @property
    def kept(self) -> bool:
        """Whether every promise was kept."""
        return not any(self[2:])


class Shown(Protocol):
    """Figures that can be shown: a named tuple that knows whether every promise was kept."""

    @property
    def kept(self) -> bool:
        """Whether every promise was kept."""

    def _asdict(self) -> dict[str, Any]: ...


def show(name: str, figures: Shown) -> bool:
    """Print figures; return whether every promise was kept."""
    told = ", ".join(f"{value} {key.replace('_', ' ')}" for key, value in figures._asdict().items())
    print(f"{name:<40} {told}", flush=True)  # noqa: T201 - for people who run a campaign
    return figures.kept


def main(description: str, parts: Mapping[str, Part], on_demand: Sequence[str] = ()) -> int:
    """Disturb, print the figures, and return the exit status; some parts run only on demand."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--times", type=int, default=40, help="faults for each of what is disturbed")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--only", choices=parts, help="one of the parts")
    options = parser.parse_args()
    names = [options.only] if options.only else [name for name in parts if name not in on_demand]
    kept = [parts[name](options.times, options.seed) for name in names]
    return 0 if all(kept) else 1


# --- Programs of the command line -------------------------------------------------------------------------


def write_dump(path: Path, steps: int) -> None:
    """Write samples of `steps` steps, each with its loss."""
    random = Random(7)  # noqa: S311 - it draws words
    with path.open("w", encoding="utf-8") as file:
        for step in range(steps):
            for index in range(4):
                text = " ".join(random.choices(WORDS, k=random.randint(10, 60)))
                row = {"step": step, "prompt": f"question {index}", "text": text, "loss": 9 / (1 + step)}
                file.write(json.dumps(row) + "\n")


class Ended(NamedTuple):
    """How a program ended."""

    status: int
    errors: str


def command(arguments: Sequence[str], program: str = SMALL_SHARDS) -> list[str]:
    """Return the command that starts the command line with shards of a few kilobytes, or another program."""
    return [sys.executable, "-c", program, *arguments]


def disturb(
    folder: Path, arguments: Sequence[str], number: int, moment: float, program: str = SMALL_SHARDS
) -> Ended:
    """Start the command line and send it a signal after `moment` seconds, like a terminal or `kill`."""
    (folder / "tmp").mkdir(exist_ok=True)
    errors = folder / "errors.txt"
    with errors.open("w") as stream:
        process = subprocess.Popen(  # noqa: S603 - ourselves
            command(arguments, program),
            cwd=folder,
            env={**os.environ, "TMPDIR": str(folder / "tmp")},
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(moment)
        if process.poll() is None:
            # Ctrl-C reaches every process of the terminal.
            os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
        status = process.wait(900)
    return Ended(status, errors.read_text(encoding="utf-8", errors="replace"))


def outputs(folder: Path) -> dict[str, bytes]:
    """Return the files that the commands have written."""
    return {name: (folder / name).read_bytes() for name in OUTPUTS if (folder / name).exists()}


def is_whole(name: str, content: bytes, expected: bytes) -> bool:
    """Tell whether a file is the old one, the expected one, or a complete one of partial results."""
    if content in (OLD, expected):
        return True
    if name.endswith(".json"):
        with contextlib.suppress(ValueError):
            return json.loads(content).get("partial") is True
        return False
    if name.endswith(".html"):
        return content.rstrip().endswith(b"</html>")
    # Ctrl-C writes partial results: fewer rows, each of them whole.
    return name.endswith(".jsonl") and all(is_row(line) for line in content.splitlines(keepends=True))


def prepare(folder: Path, steps: int) -> None:
    """Write the dump and the snapshot that it is compared with."""
    write_dump(folder / "dump.jsonl", steps)
    arguments = ["check", "dump.jsonl", "--snapshot", "good.json", "--update", "--yes"]
    ended = disturb(folder, arguments, signal.SIGKILL, 100)
    assert ended.status == 0, ended.errors  # otherwise the rest proves nothing


def left_behind(folder: Path) -> list[str]:
    """Return the files that a program has left behind: temporary and unfinished ones."""
    # Ray keeps its logs.
    return unfinished(folder) + [path.name for path in (folder / "tmp").iterdir() if path.name != "ray"]


def unfinished(folder: Path, *more: str) -> list[str]:
    """Return unfinished files next to the outputs; only SIGKILL also leaves temporary files."""
    return [path.name for path in folder.iterdir() if path.name.endswith((".new", *more))]


def is_row(line: bytes) -> bool:
    """Tell whether a line is whole."""
    with contextlib.suppress(ValueError):
        return isinstance(json.loads(line), dict) and line.endswith(b"\n")
    return False


# --- A run ------------------------------------------------------------------------------------------------


def train(folder: Path, status_every: int) -> Monitor:
    """Return a monitor in the middle of a run."""
    monitor = Monitor(folder, vocab_size=99, gate=Gate(patience=1000), window=3, status_every=status_every)
    for step in range(6):
        monitor.loss(step, 5.0 - step / 9, "docs" if step % 2 else "code")
        monitor.sample(step, LOW * (1 + step))
    return monitor


def train_on(folder: Path) -> Monitor:
    """Open the run again."""
    return Monitor(folder, vocab_size=99, gate=Gate(patience=1000), window=3)
