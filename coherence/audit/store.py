"""The outputs of the shards on disk: written whole or not at all, read a stretch at a time.

An output is its rows, sorted by run and step, and a trailer with the rest. An output that exists is done: its
name changes when the input or the settings do.
"""

import hashlib
import json
import os
from dataclasses import astuple
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from coherence.audit.rows import NO_STEP, ROW, Edge, Rows, Segment, joined
from coherence.audit.shard import ScoringSettings, Shard, ShardResult
from coherence.files import whole_file
from coherence.readers import storage
from coherence.readers.lines import Problems, Tally
from coherence.readers.records import Problem
from coherence.signals.settings import __version__

TRAILER = 8
"""Bytes that hold the length of the trailer."""


def fingerprint(shard: Shard, settings: ScoringSettings) -> str:
    """Return a name for the output of a shard that changes when the output would.

    It depends on the file's size and time, the parts read from it, and everything in the settings.
    """
    told: list[Any] = [
        __version__,
        ROW.descr,
        settings.prefixes,
        settings.fields,
        settings.anew,
    ]
    told.append(None if settings.lexicon is None else sorted(settings.lexicon.words))
    told.append(None if settings.profile is None else settings.profile.to_json())
    for part, name, run in shard.pieces:
        told.append([*part, name, run, *_stamp(part.path)])
    return f"{shard.number:06}-{hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]}"


def _stamp(path: str) -> list[int]:
    """Return values that change when a file does."""
    if storage.is_url(path):
        return [storage.size(path)]
    seen = Path(path).stat()
    return [seen.st_size, seen.st_mtime_ns]


class Stretch(NamedTuple):
    """The rows of one run in an output.

    Attributes:
        run: its name.
        start: where they begin.
        without: how many of the rows have no step; they come first.
        rows: how many there are, including those.
        first: the lowest step.
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


def _read(path: Path) -> tuple[ShardResult, list[Stretch]]:
    """Return an output on disk without its rows, and where the rows of each run are."""
    with path.open("rb") as file:
        size = file.seek(-TRAILER, os.SEEK_END)
        length = int.from_bytes(file.read(TRAILER), "little")
        file.seek(size - length)
        told = json.loads(file.read(length))
    stretches = [Stretch(*each) for each in told["stretches"]]
    if size - length != sum(stretch.rows for stretch in stretches) * ROW.itemsize:
        raise ValueError(f"{path}: cut off")
    scored = ShardResult(
        rows=np.zeros(0, ROW),
        runs=told["runs"],
        segments=[Segment(*each) for each in told["segments"]],
        edges=[Edge(*each) for each in told["edges"]],
        size=told["size"],
        lines=told["lines"],
        problems=[_problems_of(*each) for each in told["problems"]],
    )
    return scored, stretches


def _problems_of(count: int, kept: list[Any], tallies: dict[str, Any]) -> Problems:
    return Problems(
        count,
        [Problem(*each) for each in kept],
        {what: Tally(*each) for what, each in tallies.items()},
    )


def _to_json(scored: ShardResult, stretches: list[Stretch]) -> str:
    problems = [
        [each.count, each.listed, {what: astuple(tally) for what, tally in each.tallies.items()}]
        for each in scored.problems
    ]
    return json.dumps(scored._asdict() | {"rows": None, "problems": problems, "stretches": stretches})


class Output:
    """The output of a shard: its summary in memory, its rows when they are asked for.

    Attributes:
        shard: what was scored.
        count: how many rows there are.
        stretches: the rows of each run, by its name.
        edges: as in `ShardResult`, but without their texts, which `texts_at` reads.
        size, runs, segments, lines: see `ShardResult`.
    """

    def __init__(
        self, shard: Shard, scored: ShardResult, stretches: list[Stretch], path: Path | None
    ) -> None:
        self.shard = shard
        self.stretches = {stretch.run: stretch for stretch in stretches}
        self.count = sum(stretch.rows for stretch in stretches)
        self.size = scored.size
        self.runs = scored.runs
        self.segments = scored.segments
        self.edges = [edge._replace(texts=[]) for edge in scored.edges]
        self.lines = scored.lines
        self._kept = scored if path is None else path

    @cached_property
    def segments_of(self) -> dict[str, list[int]]:
        """The numbers of the segments of each run, by its name: there may be thousands of runs."""
        found: dict[str, list[int]] = {}
        for number, segment in enumerate(self.segments):
            found.setdefault(self.runs[segment.run], []).append(number)
        return found

    @classmethod
    def of(cls, shard: Shard, scored: ShardResult) -> Self:
        """Return an output that is held in memory."""
        rows = scored.rows[np.lexsort((scored.rows["step"], scored.rows["run"]))]
        return cls(shard, scored._replace(rows=rows), _stretches(rows, scored.runs), None)

    @classmethod
    def load(cls, shard: Shard, path: Path) -> Self:
        """Return an output that was saved; its rows stay on disk.

        Raises:
            OSError: it cannot be read.
            ValueError: it is cut off.
        """
        scored, stretches = _read(path)
        return cls(shard, scored, stretches, path)

    def save(self, path: Path) -> None:
        """Write the output, whole or not at all: the rows, then the rest."""
        scored = self._all()
        trailer = _to_json(scored, list(self.stretches.values())).encode()
        with whole_file(path) as file:
            file.write(scored.rows.tobytes())
            file.write(trailer)
            file.write(len(trailer).to_bytes(TRAILER, "little"))

    def rows(self, start: int, count: int) -> Rows:
        """Return some of the rows, which are sorted by run and step; the caller may change them."""
        if isinstance(self._kept, Path):
            return np.fromfile(self._kept, ROW, count, offset=start * ROW.itemsize)
        return joined([self._kept.rows[start : start + count]])

    def leave_out_without_step(self) -> list[tuple[int, int]]:
        """Leave out the samples without a step; return the piece and the line of each."""
        left_out = [self.rows(each.start, each.without) for each in self.stretches.values()]
        self.stretches = {
            run: Stretch(run, each.start + each.without, 0, each.rows - each.without, each.first)
            for run, each in self.stretches.items()
            if each.rows > each.without
        }
        self.count = sum(each.rows for each in self.stretches.values())
        return [place for rows in left_out for place in rows[["piece", "line"]].tolist()]

    def texts_at(self, edge: int) -> list[str]:
        """Return the texts of an edge; those of many outputs would not all fit into memory."""
        return self._all().edges[edge].texts

    @property
    def problems(self) -> list[Problems]:
        """For each piece, the lines that were not used, counted from its beginning."""
        return self._all().problems

    def _all(self) -> ShardResult:
        """Return everything; for an output that was saved, without the rows."""
        return _read(self._kept)[0] if isinstance(self._kept, Path) else self._kept
