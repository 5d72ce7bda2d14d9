"""The format of a run folder: the names of its files, and the meaning of their rows.

The monitor writes it; the audit, the page and the monitor that resumes read it. Source: docs/training.md,
"The run folder".
"""

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from coherence.scoring.lexicon import Lexicon
from coherence.scoring.profile import SCALES, Profile
from coherence.scoring.scores import Scores, completed, score
from coherence.scoring.text import clean, tokenize
from coherence.signals.loss import KINDS
from coherence.signals.settings import LaterFormat

FORMAT = 1

SAMPLES, METRICS = "samples.jsonl", "metrics.jsonl"
"""The files that only grow."""

STATUS, STATE, SETTINGS = "loss.json", "gate.json", "settings.json"
"""The files that are replaced as a whole."""


def read_rows(path: Path, start: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rows from a byte on, each with the byte at which it begins; other lines are skipped.

    Raises:
        LaterFormat: a later version wrote a row; the message names the byte where it begins.
        OSError: the file cannot be read.
    """
    if not path.is_file():
        return
    with path.open("rb") as file:
        at = file.seek(start)
        for line in file:
            # A line that lacks only its newline is complete: the next append will end it.
            record = parsed(line)
            check_format(record, path, f"byte {at}")
            if is_row(record):
                yield at, record
            at += len(line)


def parsed(line: bytes) -> Any:
    """Return the value of a line of JSON; None if it is torn.

    >>> parsed(b'{"step": 100}'), parsed(b'{"step": 1')
    ({'step': 100}, None)
    """
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def check_format(record: Any, path: str | os.PathLike[str], where: int | str) -> None:
    """Refuse a row of a run folder that a later version wrote; anything else passes.

    If it were skipped, like a line of another writer, the run would look younger than it is.

    Args:
        record: the value of the line.
        path: of the file.
        where: the number of the line, or the byte where it begins: "byte 120".

    Raises:
        LaterFormat: it is such a row.

    >>> check_format({"format": 1, "step": 100, "time": 1.7e9}, "metrics.jsonl", 3)
    >>> check_format({"format": 2, "step": 100, "time": 1.7e9}, "metrics.jsonl", 3)
    Traceback (most recent call last):
    coherence.signals.settings.LaterFormat: metrics.jsonl:3: format 2; this version reads format 1: a later \
version wrote this run folder
    """
    # Another writer may number its formats too, so the row has to look like ours in everything else.
    looks_like_ours = isinstance(record, dict) and type(record.get("step")) is int and "time" in record
    if looks_like_ours and is_later(record.get("format")):
        raise LaterFormat(
            f"{os.fspath(path)}:{where}: format {record['format']}; this version reads format {FORMAT}: "
            "a later version wrote this run folder"
        )


def is_later(number: Any) -> bool:
    """Tell whether a format number is from a later version.

    >>> is_later(2), is_later(1), is_later("2")
    (True, False, False)
    """
    return type(number) is int and number > FORMAT


def is_row(record: Any) -> bool:
    """Tell whether the value of a line is a row of a run folder.

    >>> is_row({"format": 1, "step": 100, "loss": 3.4}), is_row({"step": 100, "loss": 3.4})
    (True, False)
    """
    return isinstance(record, dict) and record.get("format") == FORMAT and type(record.get("step")) is int


def is_sample(row: Mapping[str, Any]) -> bool:
    """Tell whether a row of any file is a sample that a monitor wrote.

    >>> is_sample({"format": 1, "step": 100, "index": 0, "text": "Once", "scores": {}, "streak": 0})
    True
    """
    named = "streak" in row and "scores" in row
    return named and row.get("format") == FORMAT and type(row.get("index")) is int


def recorded_scores(values: Any) -> tuple[float | None, ...] | None:
    """Return the scores that a monitor recorded, in the order of the scales; None if they are not scores.

    >>> recorded_scores({"bigram": 100.0, "trigram": 99.5, "english": 80.0})
    (100.0, 99.5, 80.0, None)
    >>> recorded_scores({"bigram": "high"}), recorded_scores(None)
    (None, None)
    """
    found = tuple(values.get(scale) for scale in SCALES) if isinstance(values, dict) else (math.nan,)
    usable = all(each is None or (isinstance(each, int | float) and 0 <= each <= 100) for each in found)
    return found if usable else None


def prompt_of(row: Mapping[str, Any]) -> str | None:
    """Return the prompt of a sample.

    >>> prompt_of({"prompt": "Once", "text": "upon"}), prompt_of({"text": "upon"})
    ('Once', None)
    """
    prompt = row.get("prompt")
    return None if prompt is None else str(prompt)


def beside_of(row: Mapping[str, Any]) -> str | None:
    """Return the sign that a loss is not a cross-entropy, as its row states it.

    >>> beside_of({"loss": 0.1, "beside": "reward"}), beside_of({"loss": 3.4}), beside_of({"beside": "a cat"})
    ('reward', None, None)
    """
    beside = row.get("beside")
    return beside if isinstance(beside, str) and beside in KINDS else None


def scores_of(
    row: Mapping[str, Any], lexicon: Lexicon | None = None, profile: Profile | None = None
) -> Scores:
    """Return the scores of a sample as its row states them; if it states none, score it.

    Args:
        row: of the sample.
        lexicon: as for `score`.
        profile: as for `score`.

    Raises:
        KeyError: the row holds no text.

    >>> row = {"text": "The cat sat.", "scores": {"bigram": 100.0, "trigram": 99.5, "english": 80.0}}
    >>> scores_of(row).values, scores_of(row).tokens
    ((100.0, 99.5, 80.0, None), 4)
    """
    text, prompt = str(row["text"]), prompt_of(row)
    recorded = recorded_scores(row.get("scores"))
    if recorded is None:
        return score(text, prompt, lexicon, profile)
    cleaned = clean(text, prompt)
    return as_recorded(recorded, cleaned, tokenize(cleaned))


def as_recorded(recorded: Sequence[float | None], cleaned: str, tokens: list[str]) -> Scores:
    """Return the scores that a monitor recorded and decided by, completed from the text.

    Args:
        recorded: in the order of the scales.
        cleaned: the text as `text.clean` leaves it.
        tokens: of the cleaned text.

    >>> as_recorded((100.0, 99.5, 80, None), "the cat sat.", ["the", "cat", "sat", "."])[:6]
    (100.0, 99.5, 80.0, None, 4, 12)
    """
    bigram, trigram, english, character = (None if each is None else float(each) for each in recorded)
    scores = Scores(bigram, trigram, english, character, len(tokens), len(cleaned))
    return completed(scores, cleaned, tokens)
