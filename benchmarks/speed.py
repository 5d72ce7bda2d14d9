"""Measures the cost of scoring, monitoring and auditing, next to earlier figures and a bar for each.

    python benchmarks/speed.py          # or `make bench`, which also runs the peers (throughput.py)
    python benchmarks/speed.py --megabytes 20

Ratios are of one run, the median of several turns; times are CPU time unless they are called wall. The
earlier figures and the bars were set on one machine with two threads of one core: on another, compare the
figures with each other. If a machine is busy, it shows first in the ratios to zlib.
"""

import argparse
import os
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from memory import audit, write_dump
from monitor import timed
from start import measured as measured_starts
from throughput import ZLIB, each, ratio, samples_of
from throughput import measured as measured_rates

from coherence import score, score_many
from coherence.audit.build import replay_run
from coherence.audit.plan import Options, Request, prepare
from coherence.audit.runners import score_one
from coherence.audit.timeline import Timeline
from coherence.scoring import fast
from coherence.scoring.batch import score_plain

BYTES = 2048
TRIES = 7
MEGABYTES, FIRST_MEGABYTES = 200, 20


class Bar(NamedTuple):
    """Something that is measured.

    Attributes:
        what: for people, with the unit.
        before: the value when the bar was set.
        bar: the target: a minimum if more is better, else a maximum.
        now: the measured value.
        at_least: whether more is better.
    """

    what: str
    before: float
    bar: float
    now: float
    at_least: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the measured value meets the bar."""
        return self.now >= self.bar if self.at_least else self.now <= self.bar


def main() -> None:
    """Print a line for each measurement when it is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=MEGABYTES, help="of the large dump (200)")
    megabytes = parser.parse_args().megabytes
    print(f"scored by the {fast.NAME}")
    print(f"{'':<58}{'before':>9}{'bar':>9}{'now':>9}")
    missed = 0
    for bar in bars(megabytes):
        missed += not bar.is_met
        figures = "".join(f"{figure:>9,.{0 if figure >= 20 else 2}f}" for figure in bar[1:4])
        print(f"{bar.what:<58}{figures}{'' if bar.is_met else '  missed'}", flush=True)
    print(f"{missed} missed")


def bars(megabytes: int) -> Iterator[Bar]:
    """Yield all measurements."""
    yield from scoring()
    yield from calls()
    with TemporaryDirectory() as folder:
        yield from audits(Path(folder, "samples.jsonl"), megabytes)
    for start, milliseconds in measured_starts():
        yield Bar(f"{start.what}, ms above bare Python", start.before, start.bar, milliseconds)
    core = Path(getattr(fast.CORE, "__file__", os.devnull))
    yield Bar("installed for speed, MB", 208, 3, core.stat().st_size / 1e6)


def scoring() -> Iterator[Bar]:
    """Yield how many times faster than others many samples are scored, in turns."""
    for size, before in ((500, 1.4), (2048, 1.2), (16_384, 1.4)):
        contenders = {"score_many": score_many, ZLIB: each(compressed), "plain": score_plain}
        rates = measured_rates(contenders, samples_of(size), TRIES)
        yield Bar(
            f"score_many against {ZLIB}, {size:,} characters",
            before,
            2.2,
            ratio(rates["score_many"], rates[ZLIB]),
            at_least=True,
        )
        if size == BYTES:
            against_plain = ratio(rates["score_many"], rates["plain"])
            yield Bar("score_many against the plain scorer", 18, 30, against_plain, at_least=True)


def calls() -> Iterator[Bar]:
    """Yield the time for a sample of 2 KB if one comes at a time."""
    samples = samples_of(BYTES)
    yield Bar("score, a sample, microseconds", 700, 45, 1e6 * seconds_a_sample(samples))
    seconds = timed(lambda monitor, step, text: monitor.sample(step, text), samples, 100)
    yield Bar("Monitor.sample, wall, microseconds", 1200, 150, 1e6 * seconds)


def audits(path: Path, megabytes: int) -> Iterator[Bar]:
    """Yield the cost of audits of dumps of JSON lines."""
    write_dump(path, FIRST_MEGABYTES * 10**6, 8)
    first = audit(str(path))
    yield Bar(f"audit of {FIRST_MEGABYTES} MB, seconds", 42, 4, first.cpu)
    yield Bar("replay, a sample, microseconds", 45, 5, 1e6 * seconds_a_replayed(path))
    samples = write_dump(path, megabytes * 10**6, 8)
    one, two = audit(str(path)), audit(str(path), "--workers", "2")
    yield Bar(f"audit of {megabytes} MB, a sample, microseconds", 150, 60, 1e6 * one.cpu / samples)
    yield Bar("two workers against one, wall", 0.82, 0.58, two.wall / one.wall)
    yield Bar(
        f"memory of that audit, MB ({FIRST_MEGABYTES} MB: {first.memory / 2**20:.0f})",
        240,
        150,
        one.memory / 2**20,
    )


def compressed(text: str) -> bytes:
    """Compress a sample like the peers."""
    return zlib.compress(text.encode(), 6)


def seconds_a_sample(samples: list[str]) -> float:
    """Return the CPU seconds for a sample, the median of several tries."""
    return median(_seconds(samples) for _ in range(2 * TRIES)) / len(samples)


def _seconds(samples: list[str]) -> float:
    started = time.process_time()
    for sample in samples:
        score(sample)
    return time.process_time() - started


def seconds_a_replayed(path: Path) -> float:
    """Return the CPU seconds of the replay per scored sample, from the second try."""
    job = prepare(Request([str(path)]))
    outputs = [score_one(shard, job.settings) for shard in job.shards]
    timeline, seconds = Timeline(outputs, ""), 0.0
    for _ in range(2):
        started = time.process_time()
        replay_run(timeline, None, Options())
        seconds = time.process_time() - started
    return seconds / sum(output.count for output in outputs)


if __name__ == "__main__":
    main()
