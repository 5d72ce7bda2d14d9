"""The log that wandb keeps of a run on disk, `run-*.wandb`: what was logged to its history.

It is a LevelDB log: blocks of 32 KB with records or parts of records, each with its checksum. A record is a
message of Protocol Buffers; the fields that matter are read here, because wandb no longer has a reader.
"""

import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from coherence.readers import storage
from coherence.readers.format import USUAL, Fields, Format
from coherence.readers.lines import Head, Part, Problems
from coherence.readers.objects import rows
from coherence.readers.objects.metrics import metrics_of
from coherence.readers.objects.names import TEXT, RawRow
from coherence.readers.records import LossRow, MetricRow, Sample

MAGIC = b":W&B\xe1\xbe"

BLOCK = 2**15

LARGEST = 64 * 2**20
"""Bytes; a longer record is not one of metrics, and is skipped without being held."""

TOO_LONG = "a record of more than 64 MB, the largest that is read"

CUT = "the last record is cut off, as in a file that is still written"

_HEADER = struct.Struct("<IHB")
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4

# The numbers of fields in wandb_internal.proto.
_HISTORY, _ITEM, _STEP = 2, 1, 2
_KEYS, _BOOLEAN, _INTEGER, _NUMBER, _TEXT, _JSON = (1, 2), 4, 5, 6, 7, (8, 16)


def recognise(head: Head) -> bool:
    """Tell whether a file begins like a log of wandb."""
    return head.raw.startswith(MAGIC)


def samples(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[Sample]:
    """Yield the strings that were logged as texts, with the number of the record as the line.

    Raises:
        ValueError: the file is not a log of wandb.
    """
    named = {*TEXT, fields.text}
    found = ((line, row) for line, row in _history(part, problems) if not named.isdisjoint(row))
    return rows.samples_of(found, part.path, problems, fields)


def losses(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[LossRow]:
    """Yield the training losses, with the number of the record as the line.

    Raises:
        ValueError: the file is not a log of wandb.
    """
    return rows.losses_of(_history(part, problems), part.path, problems, fields)


def metrics(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[MetricRow]:
    """Yield reward, KL divergence and length."""
    return metrics_of(_history(part, problems), part.path, problems, fields)


def _history(part: Part, problems: Problems) -> Iterator[tuple[int, RawRow]]:
    """Yield what each call of `log` logged, with its step."""
    for number, record in _records(part.path, problems):
        try:
            for content in _inside(record, _HISTORY):
                yield number, _row(content)
        except (IndexError, struct.error, UnicodeDecodeError, TypeError):
            problems.add(part.path, number, "a damaged record")
        except (ValueError, RecursionError):
            problems.add(part.path, number, "a value that is not JSON")


def _row(history: bytes) -> RawRow:
    row: dict[str, Any] = {}
    for step in _inside(history, _STEP):
        row["_step"] = next((value for _, value in _fields(step)), 0)
    for item in _inside(history, _ITEM):
        key, value = _item(item)
        row[key] = value
    return row


def _item(item: bytes) -> tuple[str, Any]:
    """Return the key and the value that were logged: JSON, or a field for its type, which 0.31 declares."""
    keys: list[str] = []
    value: Any = None
    for number, content in _fields(item):
        if number in _KEYS:
            keys.append(content.decode())
        elif number in _JSON:
            value = json.loads(content)
        elif number == _TEXT:
            value = content.decode()
        elif number == _NUMBER:
            (value,) = struct.unpack("<d", content)
        elif number == _INTEGER:
            value = content >> 1 ^ -(content & 1)
        elif number == _BOOLEAN:
            value = bool(content)
    return ".".join(keys), value


def _inside(message: bytes, wanted: int) -> Iterator[bytes]:
    """Yield the messages with one field number in a message."""
    return (
        content for number, content in _fields(message) if number == wanted and isinstance(content, bytes)
    )


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the fields of a message of Protocol Buffers: numbers as they are, anything else as bytes."""
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at)
        match tag & 7:
            case 0:
                value, at = _varint(message, at)
                yield tag >> 3, value
                continue
            case 1:
                size = 8
            case 2:
                size, at = _varint(message, at)
            case 5:
                size = 4
            case _:
                raise IndexError("no such kind of field")
        if at + size > end:
            raise IndexError("a field is cut off")
        yield tag >> 3, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80 or shift > 63:
            return value, at
        shift += 7


def _records(path: str, problems: Problems) -> Iterator[tuple[int, bytes]]:
    """Yield the records with their numbers, from 1, each put together from its parts."""
    with storage.open_bytes(path) as file:
        try:
            if not file.read(_HEADER.size).startswith(MAGIC):
                raise ValueError(f"{path}: not a log of wandb")
            yield from _joined(path, file, problems)
        except storage.BROKEN as error:
            problems.add(path, 0, storage.why_broken(error))


def _joined(path: str, file: BinaryIO, problems: Problems) -> Iterator[tuple[int, bytes]]:
    number, held = 1, _Held()
    for kind, data in _parts(path, file, problems):
        if kind in (_WHOLE, _FIRST):
            held = _Held(begun=True)
        held.add(data)
        if kind in (_WHOLE, _LAST):
            if held.size > LARGEST:
                problems.add(path, number, TOO_LONG)
            else:
                yield number, b"".join(held.parts)
            number, held = number + 1, _Held()


class _Held:
    """The parts of a record so far; empty if its first part is lost."""

    def __init__(self, begun: bool = False) -> None:
        self.begun, self.size = begun, 0
        self.parts: list[bytes] = []

    def add(self, data: bytes) -> None:
        self.size += len(data)
        if self.begun and self.size <= LARGEST:
            self.parts.append(data)


def _parts(path: str, file: BinaryIO, problems: Problems) -> Iterator[tuple[int, bytes]]:
    """Yield the parts in the blocks of a log; the rest of a block is skipped after a damaged part."""
    block, at, count = file.read(BLOCK - _HEADER.size), 0, 0
    while block:
        if len(block) - at < _HEADER.size:
            block, at = file.read(BLOCK), 0
            continue
        checksum, size, kind = _HEADER.unpack_from(block, at)
        data = block[at + _HEADER.size : at + _HEADER.size + size]
        count += 1
        if len(data) < size:
            problems.add(path, count, CUT)
            return
        if zlib.crc32(data, zlib.crc32(bytes([kind]))) != checksum:
            problems.add(path, count, "damaged: its checksum is another one")
            at = len(block)
            continue
        yield kind, data
        at += _HEADER.size + size


FORMAT = Format(
    "wandb_log",
    "wandb log of a run",
    recognise,
    samples,
    losses,
    why="it begins with wandb's mark",
    metrics=metrics,
)
