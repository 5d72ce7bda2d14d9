"""CSV and TSV with column names in the first line: samples, or losses as trainers log them."""

import csv
import re
from collections.abc import Iterator
from itertools import chain

from coherence.readers import storage
from coherence.readers.format import USUAL, Fields, Format
from coherence.readers.lines import LONGEST_LINE, Head, Part, Problems, read_whole_lines
from coherence.readers.objects import rows
from coherence.readers.objects.metrics import mentions, metrics_of
from coherence.readers.objects.names import LOSS, SEVERAL, STEP, TEXT, usual_name
from coherence.readers.records import LossRow, MetricRow, Sample

LOOKED_AT = 20
"""Lines that are checked in a file whose name says that it is a table."""

_DELIMITERS = (",", "\t", ";")

_OF_TENSORBOARD = ["Wall time", "Step", "Value"]
_TAG = re.compile(r"(?:^|-)tag-(.+?)(?: ?\(\d+\))?\.csv$")
_TRAINING = frozenset(re.sub(r"\W", "_", name) for name in (*LOSS, "loss/train_loss", "epoch_loss"))
"""The tags of a training loss, as TensorBoard writes them into the names of files."""

_CHARTED = re.compile(r"(.+) - ([^ ].*)")
"""A column of a chart that W&B exports: the name of the run, and that of the metric."""


def recognise(head: Head) -> bool:
    """Tell whether the first line names a text, or a step and a loss; one column also needs a CSV name."""
    line = next(iter(head.lines), "")
    names = _names(line, _delimiter(line))
    if len(names) == 1:
        return names[0] in TEXT and storage.bare_name(head.path).endswith((".csv", ".tsv"))
    if not all(name.isprintable() and len(name) <= 100 for name in names):
        return False
    found = set(map(usual_name, names))
    if found & {*TEXT, *SEVERAL} or (found & set(STEP) and found & set(LOSS)):
        return True
    if names == _OF_TENSORBOARD or (found & set(STEP) and _charted(names)):
        return True
    return _is_table(head, _delimiter(line))


def _is_table(head: Head, delimiter: str) -> bool:
    """Tell whether a file with a table's name has rows like its first: the user may name the columns."""
    rest = head.lines[1:LOOKED_AT]
    width = len(_names(head.lines[0], delimiter))
    alike = sum(len(_names(line, delimiter)) == width for line in rest)
    return storage.bare_name(head.path).endswith((".csv", ".tsv")) and len(rest) > 1 and 2 * alike > len(rest)


def samples(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[Sample]:
    """Yield the samples of a file."""
    return rows.samples_of(_rows(part, problems), part.path, problems, fields)


def losses(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[LossRow]:
    """Yield the training losses of a file."""
    return rows.losses_of(_rows(part, problems), part.path, problems, fields)


def metrics(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[MetricRow]:
    """Yield reward, KL divergence and length from a file."""
    found = _rows(part, problems) if mentions(part.path) else ()
    return metrics_of(found, part.path, problems, fields)


def _rows(part: Part, problems: Problems) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows without their blank cells, each with the line where it begins.

    A blank text is kept as a sample: the model wrote nothing.
    """
    records = _records(part, problems)
    _, names = next(records, (0, []))
    names = _usual([name.strip() for name in names], part.path)
    usual = {usual_name(name): name for name in reversed(names)}
    texts = [usual[name] for name in TEXT if name in usual][:1]
    charted = _charted(names) if usual.keys().isdisjoint({*LOSS, *TEXT}) else {}
    for line, cells in records:
        if len(cells) > len(names):
            problems.add(part.path, line, f"{len(cells)} cells, but {len(names)} columns have a name")
            continue
        row = {name: cell for name, cell in zip(names, cells, strict=False) if cell.strip() or name in texts}
        if charted:
            yield from ((line, each) for each in _of_chart(row, charted))
        else:
            yield line, row if any(cell.strip() for cell in row.values()) else {}


def _usual(names: list[str], path: str) -> list[str]:
    """Return the names of columns; for TensorBoard's export they come from the tag in the file's name."""
    tag = _TAG.search(storage.bare_name(path)) if names == _OF_TENSORBOARD else None
    return ["time", "step", "loss"] if tag and tag[1] in _TRAINING else names


def _charted(names: list[str]) -> dict[str, str]:
    """Return the columns of a chart of training losses that W&B exports, and the run of each.

    >>> _charted(["Step", "exp7 - train/loss", "exp7 - train/loss__MIN", "exp7 - val/loss"])
    {'exp7 - train/loss': 'exp7'}
    """
    found = ((name, _CHARTED.fullmatch(name)) for name in names)
    return {name: chart[1] for name, chart in found if chart and usual_name(chart[2]) in LOSS}


def _of_chart(row: dict[str, str], charted: dict[str, str]) -> Iterator[dict[str, str]]:
    """Yield the losses of a row of a chart, with their runs if there are several."""
    rest = {name: cell for name, cell in row.items() if " - " not in name}
    for name in charted.keys() & row.keys():
        run = {"run": charted[name]} if len(set(charted.values())) > 1 else {}
        yield {**rest, **run, "loss": row[name]}


def _records(part: Part, problems: Problems, longest: int = LONGEST_LINE) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each record, the column names first, with the line where it begins."""
    texts = _Lines(read_whole_lines(part, problems), longest)
    read = texts.read
    # The limit holds for the whole process; a sample may be as long as a line of JSON.
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_LINE))
    first = next((line for line in texts if line.strip()), "")
    texts.begin(read[-1:])
    reader = csv.reader(chain([first], texts), delimiter=_delimiter(first), strict=True)
    while True:
        try:
            if cells := next(reader, []):
                yield read[0], cells
            elif not read:
                return
        except csv.Error as error:
            problems.add(part.path, read[0], f"not CSV, to the end of line {read[-1]}: {error}")
        texts.begin([])


class _Lines:
    """The lines of the record that is being read, limited: a record without an end would be held whole."""

    def __init__(self, lines: Iterator[tuple[int, str]], longest: int) -> None:
        self._lines, self._longest, self._size = lines, longest, 0
        self.read: list[int] = []

    def begin(self, read: list[int]) -> None:
        """Begin a record; some of its lines may have been read already."""
        self.read[:], self._size = read, 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._size > self._longest:
            raise csv.Error("a record of more than 16 MB, the largest that is read")
        number, line = next(self._lines)
        self.read.append(number)
        self._size += len(line)
        return line


def _names(line: str, delimiter: str) -> list[str]:
    """Return the names in the first line; none if it is not CSV."""
    try:
        return [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:
        return []


def _delimiter(line: str) -> str:
    """Return the delimiter of the first line: the one that splits it most often."""
    return max(_DELIMITERS, key=line.count)


FORMAT = Format(
    "csv_rows",
    "CSV with the names of the columns",
    recognise,
    samples,
    losses,
    why="its first line names columns",
    metrics=metrics,
)
