"""A dump: the files of one run or of many, cut into shards, scored, and audited run by run.

Source: docs/report.md, "Large dumps".
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice

from coherence.audit.build import Text
from coherence.audit.rows import NO_STEP, Address
from coherence.audit.shard import ScoringSettings
from coherence.audit.store import Output
from coherence.audit.timeline import Span, placed_last
from coherence.readers.lines import Part, Problems, file_name
from coherence.readers.objects.rows import STEP_MISSING
from coherence.readers.read import PromptedSample, line_count, plain_samples, read_pieces, with_prompt
from coherence.readers.records import Origin


class Dump:
    """A dump that is scored, perhaps only in part.

    Attributes:
        outputs: of its shards, in the order of the dump.
        runs: the names of its runs, in the order of appearance.
    """

    def __init__(self, outputs: Sequence[Output], settings: ScoringSettings) -> None:
        self.outputs = outputs
        self._strays = self._leave_out_strays()
        self.runs = list(dict.fromkeys(run for output in outputs for run in output.stretches))
        self._settings = settings
        self._before = self._lines_before()

    def _leave_out_strays(self) -> dict[int, list[tuple[int, int]]]:
        """Leave out samples without a step if an earlier part of their file has samples with a step.

        Within a whole file or a part, the reader does that.

        Returns:
            the piece and the line of each, by output.
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
        """Return how many lines come before each piece that begins in the middle of a file."""
        counted: dict[str, tuple[int, int]] = {}  # for each file: the byte so far, and the lines up to there
        before = {}
        for number, output in enumerate(self.outputs):
            for place, (piece, count) in enumerate(zip(output.shard.pieces, output.lines, strict=True)):
                part = piece.part
                end, lines = counted.get(part.path, (0, 0)) if part.start else (0, 0)
                if part.start > end:  # the part between was not scored
                    lines += line_count(piece._replace(part=Part(part.path, end, part.start)))
                if part.start:
                    before[number, place] = lines
                if part.end is not None:
                    counted[part.path] = part.end, lines + count
        return before

    def without_step(self) -> list[str]:
        """Return notes on the samples without a step in runs of which others have one; see `Timeline`."""
        placed = {run: placed_last(self.outputs, run) for run in self.runs}
        spans = list(chain.from_iterable(placed.values()))
        notes = [self._note_of_last(spans)] if spans else []
        left_out = [
            (number, first, count)
            for run in self.runs
            for number, first, count in self._left_out(run, placed[run])
        ]
        if not left_out:
            return notes
        where = self._where(*min(left_out)[:2])
        count = sum(count for *_, count in left_out)
        are, they = ("1 sample is", "it has") if count == 1 else (f"{count:,} samples are", "they have")
        begin = "the first is " if count > 1 else ""
        return [
            *notes,
            f"{are} left out, because {they} no step and others of the run have one: {begin}{where}",
        ]

    def _left_out(self, run: str, placed: Sequence[Span]) -> Iterator[tuple[int, int, int]]:
        """Yield the output, the first and the number of the rows of a run that are left out."""
        found = [
            (number, each.stretches[run]) for number, each in enumerate(self.outputs) if run in each.stretches
        ]
        if all(each.rows == each.without for _, each in found):
            return
        for number, stretch in found:
            first, count = stretch.start, stretch.without
            for span in placed:
                if span.number == number:
                    count -= span.end - span.start
                    first = span.end if span.start == first else first
            if count:
                yield number, first, count

    def _note_of_last(self, spans: Sequence[Span]) -> str:
        count = sum(span.end - span.start for span in spans)
        are = "1 sample is" if count == 1 else f"{count:,} samples are"
        steps = sorted({span.first for span in spans})
        taken = f"step {steps[0]:,}" if len(steps) == 1 else "the step after the last of their runs"
        where = self._where(spans[0].number, spans[0].start)
        return f"{are} read as {taken}, because their files are named after the last step: {where}"

    def _where(self, number: int, row: int) -> str:
        ((piece, line),) = self.outputs[number].rows(row, 1)[["piece", "line"]].tolist()
        where = self.origin(number, piece, line)
        return f"{where.file}, line {where.line}"

    def problems(self) -> Problems:
        """Return the lines that were not used, numbered as in their files."""
        found = Problems()
        for number, output in enumerate(self.outputs):
            for place, problems in enumerate(output.problems):
                before = self._before.get((number, place), 0)
                self._note_strays(problems, number, place)
                moved = [each._replace(line=each.line + before) for each in problems.listed]
                tallies = {
                    what: replace(tally, line=tally.line + before) for what, tally in problems.tallies.items()
                }
                found += Problems(problems.count, moved, tallies)
        return found

    def _note_strays(self, problems: Problems, number: int, place: int) -> None:
        path = self.outputs[number].shard.pieces[place].part.path
        lines = [line for piece, line in self._strays.get(number, ()) if piece == place]
        for line in lines:
            problems.add(path, line, STEP_MISSING)
        if lines:
            problems.listed.sort(key=lambda problem: problem.line)

    def texts(self, wanted: Sequence[Address]) -> dict[Address, Text]:
        """Read the texts of samples again."""
        found: dict[Address, Text] = {}
        for number in sorted({address.output for address in wanted}):
            of_output = [address for address in wanted if address.output == number]
            read = self._read_lines(number, of_output) or self._read_up_to(number, of_output)
            found |= {address: self._text(number, each) for address, each in read.items()}
        return found

    def _read_lines(self, number: int, wanted: Sequence[Address]) -> dict[Address, PromptedSample]:
        """Read the lines of samples and no others; none at all if one of them is not a plain row."""
        settings, found = self._settings, {}
        at = {(address.piece, address.line): address for address in wanted}
        for place, piece in enumerate(self.outputs[number].shard.pieces):
            lines = {line for piece_of_line, line in at if piece_of_line == place}
            for sample in plain_samples(piece, lines, settings.fields) if lines else ():
                found[at[place, sample.line]] = with_prompt(sample, settings.prefixes, place, piece.run)
        return found if len(found) == len({*wanted}) else {}

    def _read_up_to(self, number: int, wanted: Sequence[Address]) -> dict[Address, PromptedSample]:
        """Read all samples of an output up to the last one of those that are wanted."""
        shard, at = self.outputs[number].shard, {address.row: address for address in wanted}
        ignored = [Problems() for _ in shard.pieces]
        reads = read_pieces(shard.pieces, ignored, self._settings.fields, self._settings.prefixes)
        return {at[row]: read for row, read in enumerate(islice(reads, max(at) + 1)) if row in at}

    def _text(self, number: int, read: PromptedSample) -> Text:
        return Text(read.sample.text, read.prompt, self.origin(number, read.piece, read.sample.line))

    def origin(self, number: int, piece: int, line: int) -> Origin:
        """Return the file and line of a sample, from the line in its piece."""
        path = self.outputs[number].shard.pieces[piece].part.path
        return Origin(file_name(path), line + self._before.get((number, piece), 0))
