"""Kill a writer and the watcher of its folder at random moments, again and again: nothing lost or twice.

    python tests/campaigns/watch.py --times 100

A writer appends samples and losses, in pieces, so that a kill tears a line; it ends a torn line and goes on
where its file ends. It also writes a text file a step. `coherence watch` follows the folder. Both are ended
with SIGKILL, or with SIGTERM, and started again. Ends with 1 if at the end the watcher's record does not hold
each sample and each loss of the folder exactly once.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from itertools import count
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any, NamedTuple

LONGEST_LIFE = 0.9
"""Seconds that either lives; a watcher takes half of one to start."""

ENDED = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, 130)
"""How either may end; Python ends with SIGINT where SIGTERM, taken for Ctrl-C, came while it imported."""


class Figures(NamedTuple):
    """What came of it."""

    kills_of_writer: int
    kills_of_watcher: int
    unforeseen_ends: int
    samples: int
    losses: int
    text_files: int
    lost: int
    twice: int

    @property
    def kept(self) -> bool:
        """Whether all that is promised was kept."""
        return not (self.lost or self.twice or self.unforeseen_ends)


# --- The writer -------------------------------------------------------------------------------------------


def write(folder: Path, seed: int) -> None:
    """Append samples and losses until killed, each step once."""
    folder.mkdir(exist_ok=True)
    samples, losses = folder / "rollouts.jsonl", folder / "metrics.jsonl"
    for path in (samples, losses):
        end_torn_line(path)
    begun = min(next_step(samples), next_step(losses))
    for step in count(begun):
        if step >= next_step(losses):
            append(losses, {"step": step, "loss": loss_of(step)}, seed)
        if step >= next_step(samples):
            append(samples, {"step": step, "prompt": "Once", "completion": text_of(step)}, seed)
        if step % 10 == 0:
            write_text(folder / "samples" / f"step_{step}.txt", f"{text_of(step)} It is of a file.")


def next_step(path: Path) -> int:
    """Return the step after the last whole line of a file."""
    rows = rows_of(path)
    return max((row["step"] for row in rows[-1:]), default=-1) + 1


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file, without torn lines."""
    rows = []
    for line in path.read_bytes().split(b"\n") if path.exists() else ():
        with suppress(ValueError):
            rows.append(json.loads(line))
    return rows


def end_torn_line(path: Path) -> None:
    """End a last line that lacks its newline, whole or torn."""
    if path.exists() and (data := path.read_bytes()) and not data.endswith(b"\n"):
        with path.open("ab") as file:
            file.write(b"\n")


def append(path: Path, row: dict[str, Any], seed: int) -> None:
    """Append a line in two pieces, with a moment between them."""
    line = json.dumps(row).encode() + b"\n"
    cut = Random(f"{seed} {row['step']}").randrange(len(line))  # noqa: S311 - it draws a place
    with path.open("ab", buffering=0) as file:
        file.write(line[:cut])
        if cut % 3 == 0:
            os.sched_yield()
        file.write(line[cut:])


def write_text(path: Path, text: str) -> None:
    """Write a text file that is there whole or not at all."""
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        path.with_name("_new").write_text(text, encoding="utf-8")
        path.with_name("_new").rename(path)


def loss_of(step: int) -> float:
    """Return the loss at a step."""
    return 8.0 * 0.999**step + Random(step).random()  # noqa: S311 - a scripted loss


def text_of(step: int) -> str:
    """Return the sample at a step: some of them come again word for word."""
    number = Random(step).randrange(50)  # noqa: S311 - a scripted sample
    return f"The cat number {number} sat by the door and waited for the rain to stop. " * (1 + number % 3)


# --- The killing ------------------------------------------------------------------------------------------


def run(folder: Path, times: int, seed: int = 0) -> Figures:
    """Kill writer and watcher so many times altogether; return what came of it."""
    random = Random(seed)  # noqa: S311 - it draws moments
    writer = [sys.executable, __file__, "--write", str(folder), "--seed", str(seed)]
    watcher = [sys.executable, "-m", "coherence.cli", "watch", str(folder)]
    watcher += ["--poll", "0.02", "--observe", "--text-field", "completion"]
    commands = {"writer": writer, "watcher": watcher}
    folder.mkdir(exist_ok=True)
    running = {name: start(folder, command) for name, command in commands.items()}
    kills, unforeseen = Counter[str](), 0
    for _ in range(times):
        name = random.choice(["writer", "watcher", "watcher"])
        process = running[name]
        try:
            process.wait(random.uniform(0, LONGEST_LIFE))
        except subprocess.TimeoutExpired:
            process.send_signal(random.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
        status = process.wait()
        if status not in ENDED:
            print(f"the {name} ended with {status}: {said(folder)}")
            unforeseen += 1
        kills[name] += 1
        running[name] = start(folder, commands[name])
    for process in running.values():
        process.kill()
        process.wait()
    end_torn_line(folder / "rollouts.jsonl")
    end_torn_line(folder / "metrics.jsonl")
    last = subprocess.run([*watcher, "--once"], stderr=subprocess.DEVNULL, check=False)  # noqa: S603 - ours
    unforeseen += last.returncode != 0
    return compared(folder, kills, unforeseen)


def start(folder: Path, command: list[str]) -> "subprocess.Popen[bytes]":
    """Start a writer or a watcher; what both say goes to a file."""
    with (folder / "_said").open("ab") as errors:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)  # noqa: S603 - ours


def said(folder: Path) -> str:
    """Return the last that a writer or a watcher has said."""
    return (folder / "_said").read_text(encoding="utf-8", errors="replace")[-2000:]


def compared(folder: Path, kills: Counter[str], unforeseen: int) -> Figures:
    """Compare what was written with what was recorded."""
    own = folder / "_coherence"
    samples = Counter((row["step"], row["completion"]) for row in rows_of(folder / "rollouts.jsonl"))
    files = list((folder / "samples").glob("*.txt"))
    samples += Counter((int(path.stem[5:]), path.read_text(encoding="utf-8")) for path in files)
    losses = Counter((row["step"], row["loss"]) for row in rows_of(folder / "metrics.jsonl"))
    recorded = Counter((row["step"], row["text"]) for row in rows_of(own / "samples.jsonl"))
    noted = Counter((row["step"], row["loss"]) for row in rows_of(own / "metrics.jsonl") if "loss" in row)
    lost = (samples - recorded).total() + (losses - noted).total()
    twice = (recorded - samples).total() + (noted - losses).total()
    ended = kills["writer"], kills["watcher"]
    return Figures(*ended, unforeseen, samples.total(), losses.total(), len(files), lost, twice)


def main() -> int:
    """Kill, and print the figures."""
    parser = argparse.ArgumentParser(description="Kill a writer and its watcher at random moments.")
    parser.add_argument("--times", type=int, default=100, help="how often")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write(options.write, options.seed)
        return 0
    started = perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        figures = run(Path(folder, "run"), options.times, options.seed)
    for name, figure in figures._asdict().items():
        print(f"{name.replace('_', ' '):<22}{figure:>9}")
    print(f"{'seconds':<22}{perf_counter() - started:>9.0f}")
    return 0 if figures.kept else 1


if __name__ == "__main__":
    sys.exit(main())
