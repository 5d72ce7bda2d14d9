"""Tables that wandb writes, `*.table.json`: the names of the columns, and a list of values for each row."""

import re
from collections.abc import Iterator

from coherence.readers import storage
from coherence.readers.documents import read_document
from coherence.readers.format import USUAL, Fields, Format
from coherence.readers.lines import Head, Part, Problems
from coherence.readers.objects import rows
from coherence.readers.objects.names import STEP, RawRow, usual_name
from coherence.readers.records import LossRow, Sample

KIND = "a table of columns and data"

_NAME = re.compile(r"_(\d{1,15})_[0-9a-f]+\.table\.json$")
_COLUMNS, _DATA = re.compile(r'"columns"\s*:\s*\['), re.compile(r'"data"\s*:\s*\[\s*[\[\]]')


def recognise(head: Head) -> bool:
    """Tell whether a file is a table by its keys; pandas writes the same with `orient="split"`."""
    if not head.text.lstrip().startswith("{"):
        return False
    named = storage.bare_name(head.path).endswith(".table.json")
    return named or bool(_COLUMNS.search(head.text) and _DATA.search(head.text))


def samples(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[Sample]:
    """Yield the samples of a table, with the number of the row as the line.

    Raises:
        ValueError: the file is not a table.
    """
    return rows.samples_of(_rows(part.path, problems), part.path, problems, fields)


def losses(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[LossRow]:
    """Yield the training losses of a table, with the number of the row as the line.

    Raises:
        ValueError: the file is not a table.
    """
    return rows.losses_of(_rows(part.path, problems), part.path, problems, fields)


def _rows(path: str, problems: Problems) -> Iterator[tuple[int, RawRow]]:
    table = read_document(path, KIND)
    columns, data = (table.get(key) if isinstance(table, dict) else None for key in ("columns", "data"))
    if not isinstance(columns, list) or not isinstance(data, list):
        raise ValueError(f"{path}: not {KIND}: no list of both in it")
    names = [str(name) for name in columns]
    beside: RawRow = {}
    if set(map(usual_name, names)).isdisjoint(STEP) and "output_1" not in names:
        step = _NAME.search(storage.bare_name(path))
        beside = {"step": int(step[1])} if step else {}
    for number, values in enumerate(data, start=1):
        if isinstance(values, list) and len(values) == len(names):
            yield number, {**dict(zip(names, values, strict=True)), **beside}
        else:
            problems.add(path, number, f"not a row of {len(names)} values")


FORMAT = Format("wandb_table", "W&B table", recognise, samples, losses, why="an object with columns and data")
