"""Reads the lines of a file that may hold anything: bounded in length, decoded strictly, bad ones noted."""

import codecs
import io
import json
import math
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from typing import Any, BinaryIO, NamedTuple, Self, cast

from coherence.readers import storage
from coherence.readers.records import Problem
from coherence.signals.steps import LARGEST_STEP

LONGEST_LINE = 16 * 2**20
"""Bytes; a longer line is not a sample but a broken file, and is skipped without being held."""

HEAD = 2**16
"""Bytes that are looked at to detect the format of a file."""

FURTHER, STRETCHES, UNSIZED = 2**20, 16, 2**24
"""If the head does not decide: the bytes that are looked at next, then the number of stretches of the rest.
Compressed files cannot be read from the middle, so this many bytes from their start."""

LISTED = 100
"""How many problems are kept for the report; the others are counted."""

_strict_parser = import_module("orjson") if find_spec("orjson") else None
"""From the extra `fast`: it takes a third of the time of the standard library."""

_decode = json.JSONDecoder().raw_decode
"""What `json.loads` calls, without its questions about the white space around a value."""

_STEP_IN_WORDS = re.compile(
    r"(?:(?:global[-_ ]?)?(?:step|iter|iteration|checkpoint|ckpt)[-_= ]*)?"
    r"(\d{1,3}(?:,\d{3})+|\d{1,15})(?: ?/ ?[\d,]{1,20})?",
    re.IGNORECASE,
)


class Part(NamedTuple):
    """A stretch of a dump that can be read by itself: a whole file, or a part of one.

    Attributes:
        path: of the file, local or a URL.
        start, end: the lines of the part begin between these bytes (uncompressed JSON lines), or these are
            its row groups (Parquet). A part that begins in the middle of a file counts its lines and rows
            from 1.
    """

    path: str
    start: int = 0
    end: int | None = None


class Head(NamedTuple):
    """How a file begins, with its path: its format is detected from that.

    Attributes:
        path: of the file, local or a URL.
        raw: its first bytes, decompressed.
        text: those bytes as text; what is not UTF-8 is replaced.
        whole: whether that is all of the file.
    """

    path: str
    raw: bytes
    text: str
    whole: bool

    @property
    def lines(self) -> list[str]:
        """Its lines that are not blank, stripped, without a last one that is cut off if there are others."""
        found = cut_into_lines(self.text)
        kept = found[:-1] if len(found) > 1 and not self.whole else found
        return [line for line in map(str.strip, kept) if line]

    def further(self) -> Iterator[str]:
        """Yield more of the file, as text: the first megabyte, and stretches of the rest of a larger file."""
        if not self.whole:
            yield from _further(self.path)


def cut_into_lines(text: str) -> list[str]:
    r"""Return the lines of a text; only a newline, a carriage return or both end a line.

    `str.splitlines` cuts at eight more characters, which occur in the middle of what models write.

    >>> cut_into_lines("a\u2028b\r\nc\rd\n")
    ['a\u2028b', 'c', 'd']
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]


def _further(path: str) -> Iterator[str]:
    with storage.open_bytes(path) as file:
        size = _size(file)
        try:
            rest = file.read(FURTHER if size is not None else UNSIZED)[HEAD:]
            yield rest.decode("utf-8", errors="replace")
            if size is None or size <= FURTHER:
                return
            for number in range(1, STRETCHES + 1):
                file.seek(max(FURTHER, size * number // STRETCHES - HEAD))
                yield file.read(HEAD).decode("utf-8", errors="replace")
        except storage.BROKEN:
            return


def read_head(path: str) -> Head:
    """Read the beginning of a file; if compressed data is cut off or damaged, as much as there is.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not a regular file, nothing of it can be unpacked, or an extra is missing.
    """
    raw = b""
    with storage.open_bytes(path) as file:
        try:
            while len(raw) <= HEAD and (more := cast(io.BufferedReader, file).read1(HEAD + 1 - len(raw))):
                raw += more
        except storage.BROKEN as error:
            if not raw:
                raise ValueError(f"{path}: {storage.why_broken(error)}") from error
    text = raw[:HEAD].decode("utf-8", errors="replace").removeprefix("\ufeff")
    return Head(path, raw[:HEAD], text, whole=len(raw) <= HEAD)


@dataclass(slots=True)
class Tally:
    """How many samples have a property that the reader of the report should know, and where the first is."""

    samples: int
    file: str
    line: int


@dataclass
class Problems:
    """Lines that could not be used, all counted and the first of them kept, and what was seen in the others.

    Attributes:
        count: how many lines could not be used.
        listed: the first of them.
        tallies: what was seen in how many of the samples that were used.
        remarks: what the reader of the report should know about how a file was read, in sentences.

    >>> problems, others = Problems(), Problems()
    >>> problems.add("samples.jsonl", 3, "no text")
    >>> others.add("metrics.jsonl", 1, "no step")
    >>> problems += others
    >>> problems.count, [problem.file for problem in problems.listed]
    (2, ['samples.jsonl', 'metrics.jsonl'])
    >>> f"no samples in it{problems.first_in_words}"
    'no samples in it that could be used; samples.jsonl:3: no text'
    """

    count: int = 0
    listed: list[Problem] = field(default_factory=list)
    tallies: dict[str, Tally] = field(default_factory=dict)
    remarks: dict[str, None] = field(default_factory=dict)

    def remark(self, sentence: str) -> None:
        """Add a remark about how a file was read, unless it was made already."""
        self.remarks.setdefault(sentence)

    def tally(self, what: str, file: str, line: int) -> None:
        """Count one more sample with a property.

        >>> problems = Problems()
        >>> for line in 3, 4:
        ...     problems.tally("padding", "samples.jsonl", line)
        >>> problems.tallies["padding"]
        Tally(samples=2, file='samples.jsonl', line=3)
        """
        if what in self.tallies:
            self.tallies[what].samples += 1
        else:
            self.tallies[what] = Tally(1, file, line)

    def add(self, path: str, line: int, message: str) -> None:
        """Count one more."""
        self.count += 1
        if len(self.listed) < LISTED:
            self.listed.append(Problem(file=file_name(path), line=line, message=message))

    def __iadd__(self, other: "Problems") -> Self:
        self.count += other.count
        self.listed += other.listed[: max(0, LISTED - len(self.listed))]
        self.remarks |= other.remarks
        for what, tally in other.tallies.items():
            if what in self.tallies:
                self.tallies[what].samples += tally.samples
            else:
                self.tallies[what] = replace(tally)
        return self

    @property
    def first_in_words(self) -> str:
        """The first problem, worded to follow "no samples in it"; empty if there is none."""
        if not self.listed:
            return ""
        first = self.listed[0]
        return f" that could be used; {first.file}:{first.line}: {first.message}"


def file_name(path: str | os.PathLike[str]) -> str:
    """Return a path as text that JSON can hold: bytes that are not UTF-8 are replaced.

    The copy of standard input is called `-`.
    """
    if os.fspath(path).endswith(storage.SPOOLED):
        return "-"
    return os.fsencode(path).decode("utf-8", errors="replace")


def read_whole_lines(part: Part, problems: Problems) -> Iterator[tuple[int, str]]:
    """Yield the lines of a UTF-8 file as they are, with their ends and the blank ones.

    For formats whose records span several lines, where skipping one line would spoil the others: bytes
    that are not UTF-8 are noted and replaced.
    """
    for number, raw in raw_lines(part, problems):
        try:
            yield number, raw.decode("utf-8")
        except UnicodeDecodeError as error:
            problems.add(part.path, number, f"{not_utf8(error)}, read as \ufffd")
            yield number, raw.decode("utf-8", errors="replace")


def raw_lines(part: Part, problems: Problems) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file that begin in the part as bytes, with their numbers, from 1.

    A line that is too long is noted and skipped, without being held. So is the end of compressed data
    that is cut off or damaged. A file that grows meanwhile is read up to its size at the start.
    """
    number = 0
    with storage.open_bytes(part.path) as file:
        size_then = _size(file)
        end = part.end if part.end is not None else size_then
        try:
            for raw, size in _sized_lines(file, part.start, end):
                number += 1
                if size > LONGEST_LINE:
                    message = f"a line of {size / 1e6:,.0f} MB; the largest that is read has 16 MB"
                    problems.add(part.path, number, message)
                else:
                    yield number, raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
        except storage.BROKEN as error:
            problems.add(part.path, number + 1, storage.why_broken(error))
        else:
            if size_then is not None and (missing := (end or 0) - file.tell()) > 0:
                problems.add(
                    part.path, number + 1, f"the file has become {missing:,} bytes shorter meanwhile"
                )


def _size(file: BinaryIO) -> int | None:
    """Return how many bytes a file has; None if it is not stored as it is read."""
    with suppress(OSError):
        return os.fstat(file.fileno()).st_size
    return None


def _sized_lines(file: BinaryIO, start: int, end: int | None) -> Iterator[tuple[bytes, int]]:
    """Yield the lines that begin between two bytes, cut at the longest allowed, and their sizes."""
    at = start
    if at:  # a line that begins earlier belongs to the part before, which reads it to its end
        file.seek(at - 1)
        at += _skip_line(file) - 1
    while end is None or at < end:
        raw = file.readline(LONGEST_LINE)
        if not raw:
            return
        size = len(raw)
        if size == LONGEST_LINE and not raw.endswith(b"\n"):
            size += _skip_line(file)
        yield raw, size
        at += size


def _skip_line(file: BinaryIO) -> int:
    """Read to the end of the line; return how many bytes that was."""
    size = 0
    while rest := file.readline(2**16):
        size += len(rest)
        if rest.endswith(b"\n"):
            break
    return size


def not_utf8(error: UnicodeDecodeError) -> str:
    """Return a message about bytes that are not UTF-8."""
    return f"not UTF-8: byte {error.object[error.start]:#04x} at {error.start}"


def read_objects(
    part: Part, problems: Problems, only: Collection[int] | None = None
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the JSON objects of a file of JSON lines with their line numbers; blank lines are left out.

    Args:
        part: of the file.
        problems: takes the lines that hold no object.
        only: the lines to read; the others are not looked at. None to read all.
    """
    lines = raw_lines(part, problems)
    if only is not None:
        lines = (each for each in islice(lines, max(only, default=0)) if each[0] in only)
    for number, raw in lines:
        try:
            if raw.isspace():
                continue
            value = _parsed(raw)
        except (ValueError, RecursionError) as error:
            problems.add(part.path, number, why_not_parsed(error))
        else:
            if isinstance(value, dict):
                yield number, value
            else:
                problems.add(part.path, number, f"not a JSON object but {type(value).__name__}")


def _parsed(raw: bytes) -> Any:
    """Return the value that a line of JSON holds."""
    if _strict_parser is not None:
        # It refuses not-a-number and lone surrogates; then the standard library decides.
        with suppress(ValueError):
            return _strict_parser.loads(raw)
    line = raw.decode("utf-8").strip()
    try:
        value, end = _decode(line)
    except ValueError:
        end = None
    return value if end == len(line) else json.loads(line)


def why_not_parsed(error: ValueError | RecursionError) -> str:
    """Return why bytes could not be parsed: they are not UTF-8, or not JSON.

    >>> try:
    ...     json.loads(b"[1, 2")
    ... except ValueError as error:
    ...     why_not_parsed(error)
    "not JSON: Expecting ',' delimiter at character 6"
    """
    if isinstance(error, UnicodeDecodeError):
        return not_utf8(error)
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg} at character {error.pos + 1}"
    too_deep = isinstance(error, RecursionError)
    return f"not JSON: {'nested too deeply' if too_deep else 'a number of too many digits'}"


def is_json_object(line: str) -> bool:
    """Tell whether a line is a JSON object.

    >>> is_json_object('{"step": 1}'), is_json_object("{'step': 1}"), is_json_object("[1]")
    (True, False, False)
    """
    try:
        return line.startswith("{") and isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def first_of(row: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    """Return the value of the first key that the row has and that is not null."""
    for key in keys:
        value = row.get(key)
        if value is not None:
            return value
    return None


def to_step(value: Any) -> int:
    """Return a step as a whole number, from a number or from a string that holds one.

    Raises:
        ValueError: it is not a step; the message shows the value.

    >>> to_step(100), to_step("200"), to_step(300.0)
    (100, 200, 300)
    >>> to_step("1,000"), to_step("10/438"), to_step("checkpoint-500")
    (1000, 10, 500)
    """
    number = to_float(value)
    if number is None and isinstance(value, str) and (written := _STEP_IN_WORDS.fullmatch(value.strip())):
        number = to_float(written[1].replace(",", ""))
    if number is None or not number.is_integer():
        raise ValueError(f"step {shown(value)} is not a whole number")
    if abs(number) > LARGEST_STEP:
        raise ValueError(f"step {shown(value)} is too large")
    return int(number)


def to_float(value: Any) -> float | None:
    """Return a number, also one written as a string; None for anything else, such as a blank string or true.

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
        ValueError: it holds a lone surrogate, which no file and no report can hold.
    """
    if not isinstance(value, str):
        return None
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            where = f"{value[error.start]!r}, at {error.start} of a string"
            raise ValueError(f"a lone surrogate, {where}") from error
    return value


def shown(value: Any) -> str:
    """Return a value as a message shows it: short, and only the type of a list or an object."""
    written = f"of type {type(value).__name__}" if isinstance(value, list | dict) else repr(value)
    return written if len(written) <= 40 else written[:37] + "..."
