"""The outputs of the shards on the disk: written whole or not at all, read a stretch at a time.

An output is its rows, sorted by run and step, and a trailer with the rest. One that exists is done: its
name changes when the input or the settings do.
"""

import hashlib
import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from coherence.readers import storage
from coherence.readers.lines import Problems
from coherence.records import Problem
from coherence.shards import NO_STEP, ROW, Edge, Rows, Scored, Segment, Settings, Shard

TRAILER = 8
"""Bytes that say how long the trailer is."""


def fingerprint(shard: Shard, settings: Settings) -> str:
    """Return a name for the output of a shard that changes when the output would.

    The file's size and time, what is read of it, and everything in the settings go into it.
    """
    told: list[Any] = [version("coherence"), ROW.descr, settings.prefixes, settings.prompt_field]
    told.append(None if settings.lexicon is None else sorted(settings.lexicon.words))
    told.append(None if settings.profile is None else settings.profile.to_json())
    for part, name, run in shard.pieces:
        told.append([*part, name, run, *_stamp(part.path)])
    return f"{shard.number:06}-{hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]}"


def _stamp(path: str) -> list[int]:
    """Return what changes when a file does."""
    if storage.is_url(path):
        return [storage.size(path)]
    seen = Path(path).stat()
    return [seen.st_size, seen.st_mtime_ns]


class Stretch(NamedTuple):
    """The rows of one run in an output.

    Attributes:
        run: its name.
        start: where they begin.
        without: how many of them, the first, tell no step.
        rows: how many they are, those included.
        first: the lowest step told.
    """

    run: str
    start: int
    without: int
    rows: int
    first: int


def _stretches(rows: Rows, runs: list[str]) -> list[Stretch]:
    starts = np.searchsorted(rows["run"], np.arange(len(runs) + 1)).tolist()
    found = []
    for run, start, end in zip(runs, starts, starts[1:], strict=False):
        steps = rows["step"][start:end]
        without = int(np.searchsorted(steps, NO_STEP, side="right"))
        first = int(steps[without]) if without < len(steps) else 0
        found.append(Stretch(run, start, without, end - start, first))
    return found


class Output:
    """The output of a shard: what it tells at once, its rows when they are asked for.

    Attributes:
        shard: what was scored.
        count: how many rows there are.
        stretches: the rows of each run.
        size, runs, segments, edges, lines, problems: see `Scored`.
    """

    def __init__(self, shard: Shard, scored: Scored, stretches: list[Stretch], path: Path | None) -> None:
        self.shard = shard
        self.stretches = stretches
        self.count = sum(stretch.rows for stretch in stretches)
        self.size = scored.size
        self.runs = scored.runs
        self.segments = scored.segments
        self.edges = scored.edges
        self.lines = scored.lines
        self.problems = scored.problems
        self._rows = scored.rows
        self._path = path

    @classmethod
    def of(cls, shard: Shard, scored: Scored) -> Self:
        """Return an output that is kept in memory."""
        rows = scored.rows[np.lexsort((scored.rows["step"], scored.rows["run"]))]
        return cls(shard, scored._replace(rows=rows), _stretches(rows, scored.runs), None)

    @classmethod
    def load(cls, shard: Shard, path: Path) -> Self:
        """Return an output that was saved; its rows stay on the disk."""
        with path.open("rb") as file:
            file.seek(-TRAILER, os.SEEK_END)
            length = int.from_bytes(file.read(TRAILER), "little")
            file.seek(-TRAILER - length, os.SEEK_END)
            told = json.loads(file.read(length))
        scored = Scored(
            rows=np.zeros(0, ROW),
            runs=told["runs"],
            segments=[Segment(*each) for each in told["segments"]],
            edges=[Edge(*each) for each in told["edges"]],
            size=told["size"],
            lines=told["lines"],
            problems=[
                Problems(count, [Problem(**each) for each in kept]) for count, kept in told["problems"]
            ],
        )
        return cls(shard, scored, [Stretch(*each) for each in told["stretches"]], path)

    def save(self, path: Path) -> None:
        """Write the output, whole or not at all: the rows, then the rest."""
        told = {
            "stretches": self.stretches,
            "runs": self.runs,
            "segments": self.segments,
            "edges": self.edges,
            "size": self.size,
            "lines": self.lines,
            "problems": [[each.count, [one.model_dump() for one in each.listed]] for each in self.problems],
        }
        trailer = json.dumps(told).encode()
        temporary = path.with_name(f".{path.name}.new")
        with temporary.open("wb") as file:
            file.write(self._rows.tobytes())
            file.write(trailer)
            file.write(len(trailer).to_bytes(TRAILER, "little"))
        temporary.replace(path)

    def rows(self, start: int, count: int) -> Rows:
        """Return some of the rows, which are sorted by run and step; they are the caller's own."""
        if self._path is None:
            return self._rows[start : start + count].copy()
        return np.fromfile(self._path, ROW, count, offset=start * ROW.itemsize)
