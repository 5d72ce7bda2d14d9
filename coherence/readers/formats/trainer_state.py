"""The `trainer_state.json` of the Hugging Face Trainer: the losses in its `log_history`."""

from collections.abc import Iterator, Mapping
from typing import Any

from coherence.readers import storage
from coherence.readers.documents import read_document
from coherence.readers.format import USUAL, Fields, Format
from coherence.readers.lines import Head, Part, Problems, is_json_object
from coherence.readers.objects import rows
from coherence.readers.objects.metrics import mentions, metrics_of
from coherence.readers.records import LossRow, MetricRow


def recognise(head: Head) -> bool:
    """Tell whether a file is a trainer state, by its name or by its keys: copies often have other names.

    ms-swift writes a row with the same key after its JSON lines.
    """
    if storage.bare_name(head.path) == "trainer_state.json":
        return True
    begun = head.text.lstrip().startswith("{") and '"log_history"' in head.text
    return begun and (len(head.lines) == 1 or not is_json_object(head.lines[0]))


def losses(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[LossRow]:
    """Yield the training losses, with the number of the row as the line, because rows have no separate lines.

    Raises:
        ValueError: the file is not a trainer state.
    """
    return rows.losses_of(_history(part.path, problems), part.path, problems, fields)


def metrics(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[MetricRow]:
    """Yield reward, KL divergence and length from a file."""
    found = _history(part.path, problems) if mentions(part.path) else ()
    return metrics_of(found, part.path, problems, fields)


def _history(path: str, problems: Problems) -> Iterator[tuple[int, Mapping[str, Any]]]:
    state = read_document(path, "a trainer_state.json")
    if not isinstance(state, dict) or "log_history" not in state:
        raise ValueError(f"{path}: not a trainer_state.json: no log_history in it")
    history = state["log_history"]
    if not isinstance(history, list):
        raise ValueError(f"{path}: its log_history is not a list but {type(history).__name__}")
    for number, row in enumerate(history, start=1):
        if isinstance(row, dict):
            yield number, row
        else:
            problems.add(path, number, f"not a JSON object but {type(row).__name__}")


FORMAT = Format(
    "trainer_state",
    "Hugging Face trainer_state.json",
    recognise,
    losses=losses,
    why="its name says so, or it holds a log_history",
    metrics=metrics,
)
