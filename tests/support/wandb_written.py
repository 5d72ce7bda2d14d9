"""Makes a log like wandb's, `run-*.wandb`: messages of Protocol Buffers in the blocks of a LevelDB log."""

import json
import struct
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

MARK = b":W&B\xe1\xbe\0"
BLOCK, HEADER = 2**15, 7


def varint(value: int) -> bytes:
    """Return a number in the encoding of Protocol Buffers."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def message(number: int, content: bytes) -> bytes:
    """Return a field that holds a message or a text."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def item(key: str, value: object, as_json: bool = False) -> bytes:
    """Return an item of a history: each type of value in its field, or all as JSON."""
    named = b"".join(message(2, part.encode()) for part in key.split(".")) if "." in key else None
    named = named or message(1, key.encode())
    if as_json or isinstance(value, dict | list):
        return named + message(16 if as_json else 8, json.dumps(value).encode())
    if isinstance(value, bool):
        return named + varint(4 << 3) + varint(value)
    if isinstance(value, int):
        return named + varint(5 << 3) + varint(value << 1 if value >= 0 else ~(value << 1))
    if isinstance(value, float):
        return named + varint(6 << 3 | 1) + struct.pack("<d", value)
    return named + (varint(3 << 3) + b"\0" if value is None else message(7, str(value).encode()))


def history(step: int, row: Mapping[str, Any], as_json: bool = False) -> bytes:
    """Return the record of one call of `wandb.log`."""
    items = b"".join(message(1, item(key, value, as_json)) for key, value in row.items())
    return varint(1 << 3) + varint(step) + message(2, items + message(2, varint(1 << 3) + varint(step)))


def log_of(records: Iterable[bytes]) -> bytes:
    """Return records as a log; a record that does not fit into the rest of a block is split."""
    out = bytearray(MARK)
    for record in records:
        first, rest = True, record
        while first or rest:
            room = BLOCK - len(out) % BLOCK
            if room < HEADER:
                out += bytes(room)
                continue
            data, rest = rest[: room - HEADER], rest[room - HEADER :]
            kind = (1 if first else 4) if not rest else (2 if first else 3)
            checksum = zlib.crc32(data, zlib.crc32(bytes([kind])))
            out += struct.pack("<IHB", checksum, len(data), kind) + data
            first = False
    return bytes(out)
