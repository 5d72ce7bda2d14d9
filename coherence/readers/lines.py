"""Lines of a file that may hold anything: bounded in length, decoded strictly, bad ones noted."""

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple

from coherence.readers import storage
from coherence.records import Problem

LONGEST_LINE = 16 * 2**20
"""Bytes; a longer line is no sample but a broken file, and is passed over without being held."""

LARGEST_STEP = 2**53
"""No run gets there; beyond it a number read as a float is no longer the one that was written."""

LISTED = 100
"""How many problems are kept for the report; the others are counted."""


class Part(NamedTuple):
    """A stretch of a dump that can be read by itself: a whole file, or a part of one.

    Attributes:
        path: of the file, local or a URL.
        start, end: of JSON lines that are not compressed, the bytes between which a line begins that belongs
            to the part; of Parquet, the row groups. A part that begins in the middle counts its lines and
            rows from 1, as if the file began there.
    """

    path: str
    start: int = 0
    end: int | None = None


@dataclass
class Problems:
    """Lines that could not be used: all counted, the first of them kept."""

    count: int = 0
    listed: list[Problem] = field(default_factory=list)

    def add(self, path: str, line: int, message: str) -> None:
        """Count one more."""
        self.count += 1
        if len(self.listed) < LISTED:
            self.listed.append(Problem(file=file_name(path), line=line, message=message))


def file_name(path: str | os.PathLike[str]) -> str:
    """Return a path as text that can be written as JSON: bytes that are no UTF-8 are replaced."""
    return os.fsencode(path).decode("utf-8", errors="replace")


def read_lines(part: Part, problems: Problems) -> Iterator[tuple[int, str]]:
    """Yield the lines of a UTF-8 file with their numbers, from 1, blank ones left out.

    Compressed data that is cut off or damaged is noted; the lines before it count.
    """
    number = 0
    with storage.open_bytes(part.path) as file:
        try:
            for raw in _raw_lines(file, part):
                number += 1
                line = _decoded(raw, part.path, number, file, problems)
                if line:
                    yield number, line
        except storage.BROKEN as error:
            problems.add(part.path, number + 1, f"the compressed data ends here, cut off or damaged: {error}")


def _raw_lines(file: BinaryIO, part: Part) -> Iterator[bytes]:
    """Yield the lines that begin in the part, each at most a byte longer than a line may be."""
    at = part.start
    if at:  # a line that begins before belongs to the part before, which reads it to its end
        file.seek(at - 1)
        at += _skip_line(file.readline) - 1
    while part.end is None or at < part.end:
        raw = file.readline(LONGEST_LINE + 1)
        if not raw:
            return
        yield raw
        at = file.tell() if part.end is not None else at


def _decoded(raw: bytes, path: str, number: int, file: BinaryIO, problems: Problems) -> str:
    """Return a line as text, stripped; nothing of one that cannot be used, which is noted."""
    if len(raw) > LONGEST_LINE:
        size = len(raw) + (0 if raw.endswith(b"\n") else _skip_line(file.readline))
        problems.add(path, number, f"a line of {size / 1e6:,.0f} MB; at most 16 MB are read as one")
        return ""
    try:
        return raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
    except UnicodeDecodeError as error:
        problems.add(path, number, f"not UTF-8: byte {raw[error.start]:#04x} at {error.start}")
        return ""


def _skip_line(readline: Any) -> int:
    """Read on to the end of the line; return how many bytes that were."""
    size = 0
    while rest := readline(2**16):
        size += len(rest)
        if rest.endswith(b"\n"):
            break
    return size


def read_objects(part: Part, problems: Problems) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the JSON objects of a file of JSON lines with their line numbers."""
    for number, line in read_lines(part, problems):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            problems.add(part.path, number, f"not JSON: {_why_not_json(error)}")
            continue
        if isinstance(value, dict):
            yield number, value
        else:
            problems.add(part.path, number, f"not a JSON object but {type(value).__name__}")


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
