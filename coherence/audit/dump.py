"""A dump: the files of one run or of many, cut into shards, scored, and audited run by run.

Source: docs/report.md, "Large dumps".
"""

from collections.abc import Iterable, Sequence
from itertools import islice

from coherence.audit.build import Text
from coherence.audit.losses import Collector, Losses
from coherence.audit.shard import NO_STEP, Piece, Read, Settings, Shard, count_lines, read_shard
from coherence.audit.store import Output
from coherence.readers import recognise as formats
from coherence.readers import storage
from coherence.readers.find import File, RunFiles
from coherence.readers.lines import LISTED, Part, Problems, file_name
from coherence.readers.prompts import shared_prefixes
from coherence.readers.records import Mark, Origin
from coherence.readers.rows import STEP

SHARD = 8 * 2**20
"""Bytes of a shard, as they are stored; of a very large dump more, so that there are not too many shards."""

SHARDS = 10_000

LOOKED_AT = 1000
"""Samples that are looked at for what their texts begin with."""


def cut(runs: Sequence[RunFiles]) -> list[Shard]:
    """Return the shards of a dump: stretches of large files, and several small files together.

    Raises:
        OSError: a file cannot be read.
        ValueError: a file is not what it was taken for, or an extra is missing.
    """
    several = len(runs) > 1
    sizes = {file.path: storage.size(file.path) for run in runs for file in run.samples}
    size = max(SHARD, sum(sizes.values()) // SHARDS)
    shards: list[Shard] = []
    pieces: list[Piece] = []
    held = 0
    for run in runs:
        for file in run.samples:
            for part in _parts(file, size, sizes[file.path]):
                weight = sizes[file.path] if part.end is None else size
                if pieces and held + weight > size:
                    shards.append(Shard(len(shards), tuple(pieces)))
                    pieces, held = [], 0
                pieces.append(Piece(part, file.format, run.name if several else None))
                held += weight
    return [*shards, Shard(len(shards), tuple(pieces))] if pieces else shards


def _parts(file: File, size: int, stored: int) -> list[Part]:
    divide = getattr(formats.named(file.format), "parts", None)
    parts: list[Part] = [Part(file.path)] if divide is None or stored <= size else divide(file.path, size)
    return parts


def prompts_of(shards: Sequence[Shard], settings: Settings) -> tuple[str, ...]:
    """Return what the texts of a dump begin with where no field tells the prompt."""
    reads = (read for shard in shards for read in read_shard(shard, settings, _ignored(shard)))
    return shared_prefixes(read.sample for read in islice(reads, LOOKED_AT))


def _ignored(shard: Shard) -> list[Problems]:
    return [Problems() for _ in shard.pieces]


class Dump:
    """A dump that is scored, as far as it is.

    Attributes:
        outputs: of its shards, in the order of the dump.
        runs: the names of its runs, in the order in which they appear.
    """

    def __init__(self, outputs: Sequence[Output], settings: Settings) -> None:
        self.outputs = outputs
        self._strays = self._leave_out_strays()
        self.runs = list(dict.fromkeys(run for output in outputs for run in output.stretches))
        self._settings = settings
        self._before = self._lines_before()

    def _leave_out_strays(self) -> dict[int, list[tuple[int, int]]]:
        """Leave out samples without a step where another part of their file has told one before.

        In a whole file, or within a part, the reader does it.

        Returns:
            of an output, the piece and the line of each.
        """
        with_steps: set[str] = set()
        strays = {}
        for number, output in enumerate(self.outputs):
            parts = [piece.part for piece in output.shard.pieces]
            if any(part.start and part.path in with_steps for part in parts):
                strays[number] = output.leave_out_without_step()
            with_steps |= {parts[each.piece].path for each in output.segments if each.last != NO_STEP}
        return strays

    def _lines_before(self) -> dict[tuple[int, int], int]:
        """Return how many lines of its file come before each piece that begins in the middle of one."""
        counted: dict[str, tuple[int, int]] = {}  # of each file: up to where, and how many lines that is
        before = {}
        for number, output in enumerate(self.outputs):
            for place, (piece, count) in enumerate(zip(output.shard.pieces, output.lines, strict=True)):
                part = piece.part
                end, lines = counted.get(part.path, (0, 0)) if part.start else (0, 0)
                if part.start > end:  # what is between was not scored
                    lines += count_lines(piece._replace(part=Part(part.path, end, part.start)))
                if part.start:
                    before[number, place] = lines
                if part.end is not None:
                    counted[part.path] = part.end, lines + count
        return before

    def problems(self) -> Problems:
        """Return the lines that were not used, where they stand in their files."""
        found = Problems()
        for number, output in enumerate(self.outputs):
            for place, problems in enumerate(output.problems):
                before = self._before.get((number, place), 0)
                self._note_strays(problems, number, place)
                moved = [each._replace(line=each.line + before) for each in problems.listed]
                found.count += problems.count
                found.listed += moved[: LISTED - len(found.listed)]
        return found

    def _note_strays(self, problems: Problems, number: int, place: int) -> None:
        path = self.outputs[number].shard.pieces[place].part.path
        lines = [line for piece, line in self._strays.get(number, ()) if piece == place]
        for line in lines:
            problems.add(path, line, f"no step: none of the keys {', '.join(STEP)}")
        if lines:
            problems.listed.sort(key=lambda problem: problem.line)

    def texts(self, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Text]:
        """Read the texts of samples again, each given by its output and its row."""
        found = {}
        for number in sorted({number for number, _ in wanted}):
            rows = {row for output, row in wanted if output == number}
            shard = self.outputs[number].shard
            reads = islice(read_shard(shard, self._settings, _ignored(shard)), max(rows) + 1)
            for row, read in enumerate(reads):
                if row in rows:
                    found[number, row] = self._text(number, read)
        return found

    def _text(self, number: int, read: Read) -> Text:
        return Text(read.sample.text, read.prompt, self.origin(number, read.piece, read.sample.line))

    def origin(self, number: int, piece: int, line: int) -> Origin:
        """Return where a sample stands, from the line in its piece."""
        path = self.outputs[number].shard.pieces[piece].part.path
        return Origin(file_name(path), line + self._before.get((number, piece), 0))


def read_losses(files: Iterable[File], run: str | None, problems: Problems) -> dict[str, Losses]:
    """Return the losses of each run that files tell of.

    Args:
        files: of losses.
        run: the name of the run they belong to, before the names that their rows give.
        problems: takes the lines that could not be used.
    """
    collectors: dict[str, Collector] = {}
    for file in files:
        for collector in collectors.values():
            collector.next_file()
        for row in formats.named(file.format).losses(Part(file.path), problems):
            name = "/".join(filter(None, (run, row.run)))
            collectors.setdefault(name, Collector()).add(row.step, row.loss, row.source, row.time)
    return {name: collector.losses() for name, collector in collectors.items()}


def read_marks(files: Iterable[File]) -> list[Mark]:
    """Return what the files of losses tell of besides losses."""
    modules = [(getattr(formats.named(file.format), "events", None), file.path) for file in files]
    return [mark for events, path in modules if events is not None for mark in events(Part(path))]
