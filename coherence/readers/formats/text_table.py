"""Tables of losses in text: the Trainer's in Markdown or as printed, fast.ai's, and similar ones.

A line names the columns, among them a step and a training loss; rows with as many cells follow.
"""

import re
from collections.abc import Iterable, Iterator

from coherence.readers.format import USUAL, Fields, Format
from coherence.readers.lines import Head, Part, Problems, cut_into_lines, read_whole_lines, to_float
from coherence.readers.objects import rows
from coherence.readers.objects.names import LOSS, STEP, RawRow, usual_name
from coherence.readers.objects.rows import NO_LOG
from coherence.readers.records import LossRow

MOST = 100
"""Cells of a line; a table for people has fewer."""

_NAMES_LOSS = re.compile("loss", re.IGNORECASE)
"""A line without it does not begin a table; this rules out most lines of most texts."""

_GAP = re.compile(r"\t|\s{2,}")
_ALONE = re.compile(rf"(?:{'|'.join(map(re.escape, STEP))}|\d+) ", re.IGNORECASE)
"""How a line begins whose cells are separated by one blank: with the step, so that it is not prose."""

_RULE = re.compile(r"[\s|:+=\-\u2500-\u257f]+")


def recognise(head: Head) -> bool:
    """Tell whether the beginning of a file has such a line of names with a row of figures below it."""
    lines = enumerate(cut_into_lines(head.text), start=1)
    return next(_rows(lines), None) is not None


def losses(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[LossRow]:
    """Yield the training losses of the tables of a file; the lines between them are skipped."""
    return rows.losses_of(_rows(read_whole_lines(part, problems)), part.path, problems, fields)


def _rows(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, RawRow]]:
    """Yield the rows of figures below a line of names, up to a line that is neither a row nor a rule."""
    names: list[str] = []
    for number, line in lines:
        if not names and not _NAMES_LOSS.search(line):
            continue
        if not line.strip() or (names and _RULE.fullmatch(line)):
            continue
        cells = _cells(line)
        if named := _names(cells):
            names = named
            continue
        row = _row(names, cells)
        if row is None:
            names = []
        else:
            yield number, row


def _cells(line: str) -> list[str]:
    line = line.strip()
    if "|" in line:
        cells = [cell.strip() for cell in line.strip("|").split("|", MOST)]
    else:
        cells = _GAP.split(line, MOST)
        if len(cells) == 1 and _ALONE.match(line):
            cells = line.split(" ", MOST)
    return cells if 1 < len(cells) <= MOST else []


def _names(cells: list[str]) -> list[str]:
    """Return the usual names of columns; empty if a step or a training loss is missing among them."""
    names = [usual_name(cell.strip("*` ")) for cell in cells]
    return names if not {*STEP}.isdisjoint(names) and not {*LOSS}.isdisjoint(names) else []


def _row(names: list[str], cells: list[str]) -> RawRow | None:
    """Return a row; None if it has another number of cells, or a step or a loss that is not a number."""
    if not names or len(cells) != len(names):
        return None
    row = {name: cell for name, cell in zip(names, cells, strict=True) if cell}
    steps = [row[name].replace(",", "") for name in STEP if name in row]
    found = [row[name] for name in LOSS if name in row]
    figures = steps and all(to_float(step.partition("/")[0]) is not None for step in steps[:1])
    return row if figures and all(loss == NO_LOG or to_float(loss) is not None for loss in found) else None


FORMAT = Format(
    "text_table",
    "table of losses in text",
    recognise,
    losses=losses,
    why="a table in text with a column of training losses",
)
