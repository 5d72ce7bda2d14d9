"""Follow a long run: a million losses and a hundred thousand samples, read by others all the while.

    python tests/campaigns/long_runs.py
    python tests/campaigns/long_runs.py --losses 100000 --samples 10000 --traced

Says whether memory and the time of a call grow after the first tenth, whether the files hold what was handed
in, whether an audit of the folder says what the monitor said, whether four processes that read all the while
ever saw half a status or half a line as a whole one, and how long the folder takes to open again. With
`--traced` what Python has allocated is counted as well, which slows the calls down. Ends with 1 where
something is not as promised.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import tracemalloc
from array import array
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

from coherence import Gate
from coherence.audit.conduct import audit
from coherence.report import Report
from coherence.run.monitor import Monitor
from coherence.scoring.word_order import REMEMBERED, WordOrder

READERS = 4
TENTHS = 10
SOURCES = ("docs", "code", "mail", "books")
WORDS = ("old", "man", "walked", "along", "the", "river", "until", "evening", "letter", "daughter", "sent")

READ = """
import json, sys, threading
from pathlib import Path
folder, ended = Path(sys.argv[1]), threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
polls = half = lines = broken = 0
ends = {"metrics.jsonl": 0, "samples.jsonl": 0}
print("ready", flush=True)
while not ended.wait(0.01):
    polls += 1
    try:
        found = json.loads((folder / "loss.json").read_bytes())
        half += not {"format", "step", "gate", "updated_at"} <= found.keys()
    except FileNotFoundError:
        half += polls > 1 and (folder / "gate.json").exists() and ends["metrics.jsonl"] > 9_999
    except ValueError:
        half += 1
    for name in ends:
        if not (folder / name).exists():
            continue
        with (folder / name).open("rb") as file:
            file.seek(ends[name])
            found = file.read(2**20)
        found = found[: found.rfind(b"\\n") + 1]
        ends[name] += len(found)
        for line in found.splitlines():
            lines += 1
            try:
                json.loads(line)
            except ValueError:
                broken += 1
print(json.dumps([polls, half, lines, broken]))
"""


class Figures(NamedTuple):
    """What came of it; latencies are medians in microseconds, memory in bytes."""

    losses: int
    samples: int
    seconds: float
    loss_second_tenth: float
    loss_last_tenth: float
    sample_second_tenth: float
    sample_last_tenth: float
    resident_first_tenth: int
    resident_growth: int
    traced_growth: int
    lines: int
    lines_that_are_none: int
    polls: int
    half_status_files: int
    lines_read: int
    broken_lines_read: int
    audit_disagrees: int
    opening: float
    opening_differs: int
    opening_from_losses: float

    @property
    def kept(self) -> bool:
        """Whether all that is promised was kept, memory and time left to the reader."""
        bad = (self.lines_that_are_none, self.half_status_files, self.broken_lines_read)
        return self.lines == self.losses + self.samples and not any(
            (*bad, self.audit_disagrees, self.opening_differs)
        )


def text_at(random: Random) -> str:
    """Return a sample with a word that has never been there: nothing that is kept of words may grow."""
    return " ".join([*random.choices(WORDS, k=14), f"w{random.getrandbits(60):x}"])


class Run(NamedTuple):
    """The calls of a run: how long each took, and the memory at the end of each tenth."""

    loss_times: array[float]
    sample_times: array[float]
    resident: list[int]
    traced: list[int]


def follow(monitor: Monitor, losses: int, samples: int) -> Run:
    """Make the calls."""
    random, every = Random(3), losses // samples  # noqa: S311 - it draws words
    run = Run(array("d", bytes(8 * losses)), array("d", bytes(8 * samples)), [], [])
    for step in range(losses):
        started = perf_counter()
        monitor.loss(step, 2 + 6 / (1 + step / 1000) + random.random(), SOURCES[step % len(SOURCES)])
        run.loss_times[step] = perf_counter() - started
        if step % every == 0:
            text = text_at(random)
            started = perf_counter()
            monitor.sample(step, text)
            run.sample_times[step // every] = perf_counter() - started
        if (step + 1) % (losses // TENTHS) == 0:
            gc.collect()
            run.resident.append(resident())
            run.traced.append(tracemalloc.get_traced_memory()[0] if tracemalloc.is_tracing() else 0)
    return run


def resident() -> int:
    """Return the bytes of memory that this process holds."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # no /proc here
        return 0


def tenth(times: array[float], number: int) -> float:
    """Return the median of a tenth in microseconds."""
    size = len(times) // TENTHS
    return round(1e6 * median(times[number * size : (number + 1) * size]), 1)


def gate() -> Gate:
    """Return a gate that counts on and on."""
    return Gate(patience=1_000_000_000)


def run(folder: Path, losses: int, samples: int, traced: bool = False) -> Figures:
    """Follow a run of so many losses and samples; the samples divide the losses."""
    WordOrder.load().neighbours(
        [f"w{number}" for number in range(REMEMBERED)]
    )  # as many as it ever remembers
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", READ, str(folder)]
    readers = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(READERS)]  # noqa: S603
    for reader in readers:
        assert reader.stdout is not None
        reader.stdout.readline()
    if traced:
        tracemalloc.start()
    started = perf_counter()
    with Monitor(folder, vocab_size=1024, gate=gate()) as monitor:
        calls = follow(monitor, losses, samples)
        seconds = perf_counter() - started
        told = monitor.state_dict()
    tracemalloc.stop()
    read = [json.loads(reader.communicate()[0]) for reader in readers]
    seen = [sum(column) for column in zip(*read, strict=True)]
    lines, none = count_lines(folder)
    return Figures(
        losses=losses,
        samples=samples,
        seconds=round(seconds, 1),
        loss_second_tenth=tenth(calls.loss_times, 1),
        loss_last_tenth=tenth(calls.loss_times, TENTHS - 1),
        sample_second_tenth=tenth(calls.sample_times, 1),
        sample_last_tenth=tenth(calls.sample_times, TENTHS - 1),
        resident_first_tenth=calls.resident[0],
        resident_growth=max(calls.resident) - calls.resident[0],
        traced_growth=max(calls.traced) - calls.traced[0],
        lines=lines,
        lines_that_are_none=none,
        **dict(zip(("polls", "half_status_files", "lines_read", "broken_lines_read"), seen, strict=True)),
        audit_disagrees=disagreements(folder, monitor, losses, samples),
        **open_again(folder, told),
    )


def count_lines(folder: Path) -> tuple[int, int]:
    """Return how many lines there are, and how many of them are no row."""
    lines = none = 0
    for name in ("metrics.jsonl", "samples.jsonl"):
        with (folder / name).open("rb") as file:
            for line in file:
                lines += 1
                none += not is_row(line)
    return lines, none


def is_row(line: bytes) -> bool:
    """Tell whether a line is a whole row."""
    try:
        found: Any = json.loads(line)
    except ValueError:
        return False
    return isinstance(found, dict) and line.endswith(b"\n") and "step" in found


def disagreements(folder: Path, monitor: Monitor, losses: int, samples: int) -> int:
    """Return how many things an audit of the folder says otherwise than the monitor did."""
    report = audit(folder)
    assert isinstance(report, Report)
    pairs = [
        (report.judged + report.too_short, samples),
        (report.last_step, (samples - 1) * (losses // samples)),  # of the last sample
        (report.loss and report.loss.smma, monitor.signals.loss.smma),
        (report.halt, monitor.gate.halted),
        (report.problem_count, 0),
    ]
    return sum(one != other for one, other in pairs)


def open_again(folder: Path, told: dict[str, Any]) -> dict[str, Any]:
    """Return the seconds that opening takes, whether it finds another state, and the seconds without a state.

    Without the state every line is read again; without the samples, to see what the losses alone cost.
    """
    started = perf_counter()
    with Monitor(folder, vocab_size=1024, gate=gate()) as monitor:
        seconds = perf_counter() - started
        differs = int(monitor.state_dict() != told)
    (folder / "gate.json").unlink()
    (folder / "samples.jsonl").rename(folder / "samples.aside")
    started = perf_counter()
    with Monitor(folder, vocab_size=1024, gate=gate()) as monitor:
        from_losses = perf_counter() - started
        differs += monitor.state_dict()["loss"] != told["loss"]
    return {
        "opening": round(seconds, 3),
        "opening_differs": differs,
        "opening_from_losses": round(from_losses, 1),
    }


def main() -> int:
    """Follow a run, and print the figures."""
    parser = argparse.ArgumentParser(description="Follow a long run, read by others all the while.")
    parser.add_argument("--losses", type=int, default=1_000_000)
    parser.add_argument("--samples", type=int, default=100_000, help="a divisor of the losses")
    parser.add_argument("--traced", action="store_true", help="count what Python allocates; slow")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = run(Path(folder), options.losses, options.samples, options.traced)
    for name, figure in figures._asdict().items():
        print(f"{name.replace('_', ' '):<24}{figure:>14,}")
    return 0 if figures.kept else 1


if __name__ == "__main__":
    sys.exit(main())
