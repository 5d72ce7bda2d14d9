"""What is written into a run folder: lines that are appended, a state that tells whether it is whole.

Source: docs/training.md, "The run folder".
"""

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from coherence.readers.folder import FORMAT, is_later
from coherence.signals.settings import LaterFormat


class Appender:
    """A file of JSON lines that only grows; every line is flushed.

    A line that was torn, by a kill or a full disk, is ended before the next one: it costs itself alone.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     appender = Appender(Path(folder) / "metrics.jsonl")
    ...     appender.append({"format": 1, "step": 100, "loss": 3.43})
    ...     appender.path.unlink()
    ...     why = appender.displaced
    ...     appender.close()
    >>> why
    'was deleted or renamed'
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None
        self._least = 0  # bytes that the open file has, those known at the last look and our own since

    @property
    def is_open(self) -> bool:
        """Whether the next line goes into a file that is open already."""
        return self._file is not None and not self._file.closed  # of a cycle that is collected it may be

    @property
    def end(self) -> int:
        """Bytes of the file so far, those of lines that others wrote included.

        Asked of the system, not counted: Ctrl-C may come between a writing and its count.
        """
        try:
            return self.path.stat().st_size if self.path.is_file() else 0
        except OSError:  # a folder that may not be looked into, or one that is just being taken away
            return 0

    @property
    def displaced(self) -> str | None:
        """What happened to the open file behind our back, in words; None if nothing did, or none is open.

        It "was deleted or renamed", "was replaced" or "was cut short"; what others appended is no matter.
        Lines that go into a file without a name are lost, and nobody is told: after `close()` the next one
        opens the path again. Where the system does not say, the next line's error will.
        """
        if self._file is None or not self.is_open:
            return None
        try:
            there, ours = self.path.stat(), os.fstat(self._file.fileno())
        except (FileNotFoundError, NotADirectoryError):
            return "was deleted or renamed"
        except OSError:
            return None
        if not os.path.samestat(there, ours):
            return "was replaced"
        least, self._least = self._least, ours.st_size
        # A device takes what it is given and stays empty.
        return "was cut short" if ours.st_size < least and stat.S_ISREG(ours.st_mode) else None

    def append(self, *records: Mapping[str, Any]) -> None:
        """Write a line for each record, all at once.

        Raises:
            OSError: they could not be written whole; the next call tries again.
        """
        line = b"".join(map(_to_line, records))
        try:
            file = self._file if self._file is not None and self.is_open else self._open()
            self._write(file, line)
        except OSError:
            self.close()
            raise

    def _open(self) -> IO[bytes]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self._file = self.path.open("ab", buffering=0)
        self._least = file.tell()
        if self._least and not _ends_with_newline(self.path):
            self._write(file, b"\n")
        return file

    def _write(self, file: IO[bytes], line: bytes) -> None:
        written = file.write(line)
        if written < len(line):
            raise OSError(f"{self.path}: {written} of {len(line)} bytes written")
        self._least += written

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None


def _to_line(record: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(record, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    except UnicodeEncodeError:  # half a surrogate pair has no UTF-8, but an escape
        return json.dumps(record, allow_nan=False).encode() + b"\n"


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def sealed(values: Mapping[str, Any]) -> str:
    """Return JSON text that tells by a checksum whether it came through whole; `unsealed` reads it.

    Floats come back exactly. The checksum is the SHA-256 of the content as compact JSON, keys in their order.

    Raises:
        ValueError: a float is not finite, or the values are nested too deeply.
        TypeError: something among the values has no JSON.

    >>> unsealed(sealed({"streak": 3, "smma": 0.1}))
    {'streak': 3, 'smma': 0.1}
    """
    try:
        return json.dumps({"format": FORMAT, "checksum": _checksum(values), "content": values})
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def unsealed(text: str) -> dict[str, Any]:
    """Return the values of a text that `sealed` wrote, of which nothing is missing or changed.

    Raises:
        LaterFormat: a later version wrote it.
        ValueError: it is not whole; the message says what is the matter, not where.

    >>> unsealed(sealed({"streak": 3}).replace("3", "4"))
    Traceback (most recent call last):
    ValueError: the checksum does not fit the content
    >>> unsealed("")
    Traceback (most recent call last):
    ValueError: empty
    """
    if not text.strip("\0 \n\r\t"):
        raise ValueError("nothing but zeros" if "\0" in text else "empty")
    try:
        found = json.loads(text)
        sealed_object = isinstance(found, dict) and isinstance(found.get("content"), dict)
        checksum = _checksum(found["content"]) if sealed_object else None
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from error
    if not sealed_object or type(found.get("format")) is not int:
        raise ValueError("not an object with a format, a checksum and a content")
    if found["format"] != FORMAT:
        other = LaterFormat if is_later(found["format"]) else ValueError
        raise other(f"format {found['format']}; this version reads format {FORMAT}")
    if found.get("checksum") != checksum:
        raise ValueError("the checksum does not fit the content")
    content: dict[str, Any] = found["content"]
    return content


def _checksum(content: Mapping[str, Any]) -> str:
    written = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(written.encode()).hexdigest()
