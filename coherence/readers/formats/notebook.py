"""Jupyter notebooks: the outputs of their cells, one after another, are a log; tables in them hold losses.

The line of a record is the number of its cell, because that is what a user can find. Source:
docs/formats.md, "Notebooks".
"""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any, NamedTuple

from coherence.readers import storage
from coherence.readers.documents import read_document
from coherence.readers.format import USUAL, Fields, Format
from coherence.readers.formats import logs
from coherence.readers.lines import Head, Part, Problems, to_float
from coherence.readers.objects import rows
from coherence.readers.objects.names import LOSS, STEP, RawRow, usual_name
from coherence.readers.records import LossRow, Sample

NOTHING = "a notebook without samples in its outputs"

_BEGINNING = re.compile(r'\s*\{\s*"(?:cells|metadata|nbformat|nbformat_minor|worksheets)"\s*:')
_CELLS = re.compile(r'"(?:cells|worksheets)"\s*:\s*\[')
# html.parser takes quadratic time for a tag without an end, and fails at some declarations.
_TAG = re.compile(r"<(/?[a-zA-Z]{1,20})[^<>]*>")
_BETWEEN = "-" * 40
"""A rule, which ends a sample: a sample does not continue from cell to cell."""


class Outputs(NamedTuple):
    """The outputs of the cells of a notebook, each with the number of the cell, from 1.

    Attributes:
        lines: as a terminal would show them.
        tables: the rows of the tables of losses among them.
    """

    lines: list[tuple[int, str]]
    tables: list[tuple[int, RawRow]]


def recognise(head: Head) -> bool:
    """Tell whether a file is a notebook, by its name or by its keys."""
    if not head.text.lstrip().startswith("{"):
        return False
    named = storage.bare_name(head.path).endswith(".ipynb")
    return named or (
        _BEGINNING.match(head.text) is not None
        and '"cell_type"' in head.text
        and _CELLS.search(head.text) is not None
    )


def samples(
    part: Part,
    problems: Problems,
    fields: Fields = USUAL,  # noqa: ARG001 - text has no fields
) -> Iterator[Sample]:
    """Yield the samples in the outputs; those of a cell below a table belong to its last step.

    Raises:
        ValueError: the file is not a notebook.
    """
    outputs, found = outputs_of(part.path), False
    ends = [(cell, step) for cell, row in outputs.tables if (step := _step_of(row)) is not None]
    survey = logs.survey_of(part, _survey)
    for sample in logs.samples_of(outputs.lines, survey, part.path, problems):
        found = True
        if sample.step is None:
            step = next((step for cell, step in reversed(ends) if cell < sample.line), None)
            sample = sample._replace(step=step)
        yield sample
    if not found:
        problems.add(part.path, 0, NOTHING)


def losses(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[LossRow]:
    """Yield the training losses: those in lines or those in tables, whichever are more.

    Raises:
        ValueError: the file is not a notebook.
    """
    outputs = outputs_of(part.path)
    survey = logs.survey_of(part, _survey)
    if sum(1 for _ in survey.losses()) >= len(outputs.tables):
        return logs.losses_of(survey, part.path, problems, fields)
    return rows.losses_of(outputs.tables, part.path, problems, fields)


def _survey(path: str) -> "logs.Survey":
    return logs.Survey(logs.seen_in(outputs_of(path).lines))


def outputs_of(path: str) -> Outputs:
    """Return the outputs of the cells of a notebook.

    Raises:
        ValueError: it is not a notebook.
    """
    notebook = read_document(path, "a notebook")
    found = Outputs([], [])
    for number, cell in enumerate(_cells(notebook, path), start=1):
        texts = [text for text in _texts_of(number, cell, found.tables) if text.strip()]
        lines = [(number, line) for text in texts for line in text.rstrip("\n").split("\n")]
        if lines and found.lines:
            found.lines.append((number, _BETWEEN))
        found.lines.extend(logs.pieces_of(lines))
    return found


def _cells(notebook: Any, path: str) -> list[Any]:
    """Return the cells of a notebook, of version 4 or of an older one, which has them in worksheets."""
    sheets = notebook.get("worksheets") if isinstance(notebook, dict) else None
    parts = [notebook, *(sheets if isinstance(sheets, list) else [])]
    cells = [
        part["cells"] for part in parts if isinstance(part, dict) and isinstance(part.get("cells"), list)
    ]
    if not cells:
        raise ValueError(f"{path}: not a notebook: it has no list of cells")
    return [cell for some in cells for cell in some]


def _texts_of(number: int, cell: Any, tables: list[tuple[int, RawRow]]) -> Iterator[str]:
    """Yield the texts that a cell wrote, each stream as one; rows of losses are added to the tables."""
    outputs = cell.get("outputs") if isinstance(cell, dict) else None
    stream, held = None, ""
    for output in outputs if isinstance(outputs, list) else []:
        if not isinstance(output, dict):
            continue
        name = output.get("name") or output.get("stream") if output.get("output_type") == "stream" else None
        if name is None or name != stream:
            yield held
            stream, held = name, ""
        if name is not None:
            held += _text(output.get("text"))
            continue
        data = output["data"] if isinstance(output.get("data"), dict) else output
        found = list(losses_in(_text(data.get("text/html") or data.get("html"))))
        tables += ((number, row) for row in found)
        if not found:
            yield _text(data.get("text/plain") or data.get("text"))
    yield held


def _text(value: Any) -> str:
    """Return a text of a notebook, which may be stored as a list of lines."""
    if isinstance(value, list):
        value = "".join(line for line in value if isinstance(line, str))
    return value if isinstance(value, str) else ""


def _step_of(row: RawRow) -> int | None:
    step = to_float(next((value for name, value in row.items() if usual_name(name) in STEP), None))
    return int(step) if step is not None and step.is_integer() else None


def losses_in(html: str) -> Iterator[RawRow]:
    """Yield the rows of tables that have a column of steps and one of losses, as the Trainer draws them.

    >>> table = "<table><tr><th>Step</th><th>Training Loss</th></tr>"
    >>> list(losses_in(table + "<tr><td>10</td><td>4.2</td></tr></table>"))
    [{'Step': '10', 'Training Loss': '4.2'}]
    >>> list(losses_in("<p>Step 10</p>"))
    []
    """
    if "<table" not in html.lower():
        return
    for header, *body in filter(None, _tables_in(html)):
        names = {usual_name(name) for name in header}
        if names.isdisjoint(STEP) or names.isdisjoint(LOSS):
            continue
        for cells in body:
            row = {
                name: cell for name, cell in zip(header, cells, strict=False) if to_float(cell) is not None
            }
            if not {usual_name(name) for name in row}.isdisjoint(LOSS):
                yield row


def _tables_in(html: str) -> Iterator[list[list[str]]]:
    """Yield the tables, each as rows of cells without markup."""
    table: list[list[str]] | None = None
    cell: list[str] | None = None
    for text, tag in _pieces(html):
        if cell is not None:
            cell.append(text)
        name = tag.removeprefix("/")
        if cell is not None and table and name in ("td", "th", "tr", "table"):
            table[-1].append(unescape("".join(cell)).strip())
            cell = None
        if tag == "table":
            table = [[]]
        elif tag == "/table" and table is not None:
            yield [row for row in table if row]
            table = None
        elif tag == "tr" and table is not None:
            table.append([])
        elif tag in ("td", "th") and table is not None:
            cell = []


def _pieces(html: str) -> Iterator[tuple[str, str]]:
    """Yield each text with the name of the tag after it."""
    at = 0
    for tag in _TAG.finditer(html):
        yield html[at : tag.start()], tag[1].lower()
        at = tag.end()


FORMAT = Format(
    "notebook", "Jupyter notebook", recognise, samples, losses, why="an object with cells and nbformat"
)
