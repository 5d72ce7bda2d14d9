"""JSON lines: one object per line, with the keys that trainers use.

An object may also hold columns, as ms-swift writes them: `{"step": [1, 1], "completion": ["a", "b"]}`.
"""

from collections.abc import Collection, Iterator

from coherence.readers import storage
from coherence.readers.folder import METRICS, SAMPLES, check_format
from coherence.readers.format import USUAL, Cut, Fields, Format
from coherence.readers.lines import (
    Head,
    Part,
    Problems,
    file_name,
    is_json_object,
    read_objects,
)
from coherence.readers.objects import rows
from coherence.readers.objects.metrics import mentions, metrics_of
from coherence.readers.objects.names import RawRow
from coherence.readers.objects.plain import PlainRows
from coherence.readers.records import LossRow, Mark, MetricRow, Sample

OURS = (SAMPLES, METRICS)
"""Names of the files of a run folder: in them, a row of a later format is from a later version."""


def recognise(head: Head) -> bool:
    """Tell whether the first line or half of the lines are JSON objects; if named so, one line is enough."""
    lines = head.lines
    found = [is_json_object(line) for line in lines]
    if len(lines) == 1 and not head.whole:  # a line longer than the head
        return lines[0].startswith('{"')
    named = storage.bare_name(head.path).endswith((".jsonl", ".ndjson"))
    return any(found) and (named or found[0] or 2 * sum(found) >= len(found))


def samples(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[Sample]:
    """Yield the samples of a part of a file."""
    found, whole = _objects(part, problems), part == Part(part.path)
    return rows.samples_of(found, part.path, problems, fields, whole)


def plain_samples(part: Part, lines: Collection[int]) -> Iterator[Sample]:
    """Yield the samples in the lines of a part of a file that are plain rows."""
    plain = PlainRows(file_name(part.path))
    for line, row in read_objects(part, Problems(), lines):
        if (sample := plain.sample(row, line)) is not None:
            yield sample


def losses(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[LossRow]:
    """Yield the training losses of a part of a file."""
    return rows.losses_of(_objects(part, problems), part.path, problems, fields)


def metrics(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[MetricRow]:
    """Yield reward, KL divergence and length from a part of a file."""
    found = _objects(part, problems) if mentions(part.path) else ()
    return metrics_of(found, part.path, problems, fields)


def events(part: Part) -> Iterator[Mark]:
    """Yield the events in the rows of a run folder; unusable rows are noted by `losses`."""
    for _, row in _objects(part, Problems()):
        if (mark := rows.to_mark(row)) is not None:
            yield mark


def _objects(part: Part, problems: Problems) -> Iterator[tuple[int, RawRow]]:
    """Yield the objects of a part of a file with their lines.

    Raises:
        LaterFormat: a later version wrote a row of the run folder.
    """
    if storage.bare_name(part.path) not in OURS:
        yield from read_objects(part, problems)
        return
    name = file_name(part.path)
    for line, row in read_objects(part, problems):
        check_format(row, name, line)
        yield line, row


def parts(path: str, size: int) -> list[Part]:
    """Return the parts of a file, each of about `size` bytes; a compressed file cannot be divided."""
    with storage.open_raw(path) as file:
        compressed = storage.compression(file.read(6)) is not None
    end = storage.size(path)
    if compressed or end <= size:
        return [Part(path)]
    return [Part(path, start, min(start + size, end)) for start in range(0, end, size)]


def length(part: Part) -> int:
    """Return how many lines begin in a part of a file that is not compressed."""
    start, left = max(part.start - 1, 0), (part.end or storage.size(part.path)) - 1
    left -= start
    found = 0 if part.start else 1
    with storage.open_raw(part.path) as file:
        file.seek(start)
        while left > 0 and (block := file.read(min(left, 2**20))):
            found += block.count(b"\n")
            left -= len(block)
    return found


FORMAT = Format(
    "jsonl",
    "JSON lines",
    recognise,
    samples,
    losses,
    events,
    Cut(parts, length),
    why="a JSON object on each line",
    metrics=metrics,
    plain=plain_samples,
)
