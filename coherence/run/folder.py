"""The files of a run folder: lines that are appended, and a state with a checksum.

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

_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


class Appender:
    """A file of JSON lines that only grows; every line is flushed.

    A line that was cut off by a kill or a full disk is ended before the next one, so that only it is lost.

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
        self._least = 0  # bytes of the open file: those at the last look and our own since

    @property
    def is_open(self) -> bool:
        """Whether the next line goes into a file that is open already."""
        return self._file is not None and not self._file.closed  # it may be, during garbage collection

    @property
    def end(self) -> int:
        """Bytes of the file so far, including lines that others wrote.

        The system is asked for them, because Ctrl-C may come between a write and its count.
        """
        try:
            found = self.path.stat()
        except (OSError, ValueError):  # the folder may not be read, or is being removed
            return 0
        return found.st_size if stat.S_ISREG(found.st_mode) else 0

    @property
    def displaced(self) -> str | None:
        """What another process did to the open file, in words; None if nothing, or if no file is open.

        It "was deleted or renamed", "was replaced" or "was cut short"; lines that others appended do not
        matter. Lines written into a deleted file are lost without an error: after `close()` the next line
        opens the path again. If the system cannot say, the next line raises the error.
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
        # A device accepts everything and stays empty.
        return "was cut short" if ours.st_size < least and stat.S_ISREG(ours.st_mode) else None

    def append(self, *records: Mapping[str, Any]) -> None:
        """Write a line for each record, all at once.

        Raises:
            OSError: they could not be written completely; the next call tries again.
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
        return _JSON.encode(record).encode() + b"\n"
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8, but an escape
        return json.dumps(record, allow_nan=False).encode() + b"\n"


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def sealed(values: Mapping[str, Any]) -> str:
    """Return JSON text with a checksum, which shows whether the text is complete; `unsealed` reads it.

    Floats come back exactly. The checksum is the SHA-256 of the content as compact JSON, keys in their order.

    Raises:
        ValueError: a float is not finite, or the values are nested too deeply.
        TypeError: one of the values has no form in JSON.

    >>> unsealed(sealed({"streak": 3, "smma": 0.1}))
    {'streak': 3, 'smma': 0.1}
    """
    try:
        return json.dumps({"format": FORMAT, "checksum": _checksum(values), "content": values})
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def unsealed(text: str) -> dict[str, Any]:
    """Return the values of a text that `sealed` wrote, if nothing is missing or changed.

    Raises:
        LaterFormat: a later version wrote it.
        ValueError: it is not complete; the message says what is wrong, not in which file.

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
