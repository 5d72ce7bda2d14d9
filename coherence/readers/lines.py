"""Lines of a file that may hold anything: bounded in length, decoded strictly, bad ones noted."""

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coherence.records import Problem

LONGEST_LINE = 16 * 2**20
"""Bytes; a longer line is no sample but a broken file, and is passed over without being held."""

LARGEST_STEP = 2**53
"""No run gets there; beyond it a number read as a float is no longer the one that was written."""

LISTED = 100
"""How many problems are kept for the report; the others are counted."""


@dataclass
class Problems:
    """Lines that could not be used: all counted, the first of them kept."""

    count: int = 0
    listed: list[Problem] = field(default_factory=list)

    def add(self, path: Path, line: int, message: str) -> None:
        """Count one more."""
        self.count += 1
        if len(self.listed) < LISTED:
            self.listed.append(Problem(file=file_name(path), line=line, message=message))


def file_name(path: Path) -> str:
    """Return a path as text that can be written as JSON: bytes that are no UTF-8 are replaced."""
    return os.fsencode(path).decode("utf-8", errors="replace")


def read_lines(path: Path, problems: Problems) -> Iterator[tuple[int, str]]:
    """Yield the lines of a UTF-8 file with their numbers, from 1, blank ones left out."""
    with path.open("rb") as file:
        number = 0
        while raw := file.readline(LONGEST_LINE + 1):
            number += 1
            if len(raw) > LONGEST_LINE:
                size = len(raw) + (0 if raw.endswith(b"\n") else _skip_line(file.readline))
                problems.add(path, number, f"a line of {size / 1e6:,.0f} MB; at most 16 MB are read as one")
                continue
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            except UnicodeDecodeError as error:
                problems.add(path, number, f"not UTF-8: byte {raw[error.start]:#04x} at {error.start}")
                continue
            if line:
                yield number, line


def _skip_line(readline: Any) -> int:
    """Read on to the end of the line; return how many bytes that were."""
    size = 0
    while rest := readline(2**16):
        size += len(rest)
        if rest.endswith(b"\n"):
            break
    return size


def read_objects(path: Path, problems: Problems) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the JSON objects of a file of JSON lines with their line numbers."""
    for number, line in read_lines(path, problems):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            problems.add(path, number, f"not JSON: {_why_not_json(error)}")
            continue
        if isinstance(value, dict):
            yield number, value
        else:
            problems.add(path, number, f"not a JSON object but {type(value).__name__}")


def _why_not_json(error: ValueError | RecursionError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos + 1}"
    return "nested too deeply" if isinstance(error, RecursionError) else "a number of too many digits"


def first_of(row: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    """Return the value of the first key that the row has, and that is not null."""
    return next((row[key] for key in keys if row.get(key) is not None), None)


def to_step(value: Any) -> int:
    """Return a step as a whole number, from a number or from digits in a string.

    Raises:
        ValueError: it is none; the message shows the value.

    >>> to_step(100), to_step("200"), to_step(300.0)
    (100, 200, 300)
    """
    number = to_float(value)
    if number is None or not number.is_integer():
        raise ValueError(f"step {shown(value)} is no whole number")
    if abs(number) > LARGEST_STEP:
        raise ValueError(f"step {shown(value)} is too large")
    return int(number)


def to_float(value: Any) -> float | None:
    """Return a number, also one written as a string; None for anything else, blank and true among it.

    >>> to_float(" 2.5 "), to_float("NaN"), to_float(""), to_float(None), to_float(True)
    (2.5, nan, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.inf if isinstance(value, int) else None


def to_text(value: Any) -> str | None:
    """Return a string as it is, None for anything else.

    Raises:
        ValueError: it holds half of a surrogate pair, which no file and no report can hold.
    """
    if not isinstance(value, str):
        return None
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"half a character, {value[error.start]!r}, at {error.start} of a string") from error
    return value


def shown(value: Any) -> str:
    """Return a value as a message shows it: short, of a list or an object its kind alone."""
    written = f"of type {type(value).__name__}" if isinstance(value, list | dict) else repr(value)
    return written if len(written) <= 40 else written[:37] + "..."
