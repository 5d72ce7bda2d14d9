"""The files of a run folder: lines that are appended, files that are replaced whole, and one writer.

Source: docs/training.md, "The run folder".
"""

import errno
import hashlib
import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO, Any
from weakref import WeakSet

from coherence.scoring.profile import SCALES
from coherence.scoring.scores import Scores
from coherence.scoring.text import clean, tokenize
from coherence.signals.settings import LaterFormat as LaterFormat  # here as well: it is of our files

try:
    import fcntl
except ImportError:  # Windows has no flock: there two writers are not told apart
    fcntl = None  # type: ignore[assignment]

FORMAT = 1

SAMPLES, METRICS, STATUS, STATE = "samples.jsonl", "metrics.jsonl", "loss.json", "gate.json"
"""The files of a run folder, beside `settings.json`."""

LOCK = "lock"
"""The file that the one writer of a folder holds."""

MOST_WRITERS = 1000
"""Temporary names that are tried for one file."""


class RunFolderBusy(RuntimeError):
    """Another process, or another monitor of this one, writes to the folder."""


_locks: WeakSet[IO[Any]] = WeakSet()


def _let_go() -> None:
    """Let go of what a forked child inherited: a loader that outlives its killed trainer holds no folder."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for file in list(_locks):
        # Not `close`: a thread that is not there any more may have been in the middle of one, with its lock.
        with suppress(OSError, ValueError):  # it is closed already
            os.dup2(nothing, file.fileno(), inheritable=False)
    os.close(nothing)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


def lock_folder(folder: Path) -> IO[str]:
    """Become the one writer of a folder, until the file returned is closed or the process ends.

    Raises:
        RunFolderBusy: there is one already.
        OSError: the folder cannot be written to.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, lock_folder(Path(folder)) as lock:
    ...     moved(lock, Path(folder))
    False
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / LOCK).open("a", encoding="utf-8")
    try:
        if not _try_lock(file):
            raise RunFolderBusy(f"{folder} is {_who_holds(folder)}")
    except BaseException:
        file.close()
        raise
    return file


def _who_holds(folder: Path) -> str:
    """Say who writes to a folder, and what to do about it."""
    if any(not moved(lock, folder) for lock in list(_locks)):
        return "written to by this process already; close the other monitor (close(), or `with Monitor(...)`)"
    return "written to by another process; stop it, or choose another folder"


def moved(lock: IO[Any], folder: Path) -> bool:
    """Tell whether the lock of a folder lies there no longer, so that another may become its writer.

    The folder was deleted or renamed, or its lock was; a lock that was let go of lies nowhere.

    Raises:
        OSError: the folder cannot be looked into.
    """
    return not _is_at(lock, folder / LOCK)


def _try_lock(file: IO[Any]) -> bool:
    """Lock a file until it is closed; tell whether no other process holds it."""
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:  # some network file systems have no locks: there nobody holds one
            if error.errno not in (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK):
                raise
    _locks.add(file)
    return True


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
        opens the path anew. Where the system does not say, the next line's error will.
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


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that is written whole or not at all: it takes its place when the block ends well.

    Of several processes that write one file at the same moment the last to end has the last word. A pipe or a
    device is written to as it is.

    Raises:
        OSError: it could not be written, and names the file; the old content stands.
    """
    if path.is_symlink():
        path = path.resolve()  # what it points to is replaced, not the pointer
    special = path.exists() and not path.is_file()
    try:
        with nullcontext(path) if special else _own_temporary(path) as temporary:
            try:
                with temporary.open("wb") as file:
                    yield file
                if not special:
                    temporary.replace(path)
            except BaseException:
                if not special:
                    with suppress(OSError):
                        temporary.unlink()
                raise
    except OSError as error:
        if error.errno and (error.filename is None or str(error.filename).startswith(_temporary_name(path))):
            error.filename = str(path)
        raise


def _temporary_name(path: Path, ending: str = "") -> str:
    return str(path.with_name(f".{path.name}.{ending}"))


@contextmanager
def _own_temporary(path: Path) -> Iterator[Path]:
    """Yield the name of a temporary file beside a file, to which no other process writes meanwhile.

    The first name that is free: what a kill left behind is used up by the next.
    """
    for number in range(MOST_WRITERS):
        temporary = Path(_temporary_name(path, f"{number}.new" if number else "new"))
        if fcntl is None:  # nor can Windows rename a file that is open
            yield temporary
            return
        with temporary.open("ab") as file:
            if _try_lock(file) and _is_at(file, temporary):
                yield temporary
                return
    raise OSError(errno.EBUSY, "too many others write it", str(path))


def _is_at(file: IO[bytes], path: Path) -> bool:
    """Tell whether a file still has its name: who held it before may have put it in its place."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except (FileNotFoundError, NotADirectoryError, ValueError):  # the last: it is closed
        return False


def replace_file(path: Path, text: str, durable: bool = True) -> None:
    """Put new content in the place of a file; a reader sees the old or the new, never half of one.

    Args:
        path: the file.
        text: its new content.
        durable: wait until it is on the disk. Without, a power cut may bring the old content back.

    Raises:
        OSError: it could not be written; the old content stands.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write(text.encode())
        if durable:
            file.flush()
            os.fsync(file.fileno())


def set_aside(path: Path) -> Path:
    """Rename a damaged file, so that a good one can take its place and somebody can look at it.

    To `gate.damaged.json` from `gate.json`; one that was set aside before is replaced. Returns the new path.

    Raises:
        OSError: it cannot be renamed.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "gate.json").write_text("half of a sta")
    ...     set_aside(Path(folder) / "gate.json").name
    'gate.damaged.json'
    """
    return path.replace(path.with_name(f"{path.stem}.damaged{path.suffix}"))


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
        other = LaterFormat if _is_later(found["format"]) else ValueError
        raise other(f"format {found['format']}; this version reads format {FORMAT}")
    if found.get("checksum") != checksum:
        raise ValueError("the checksum does not fit the content")
    content: dict[str, Any] = found["content"]
    return content


def _checksum(content: Mapping[str, Any]) -> str:
    written = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(written.encode()).hexdigest()


def read_tail(path: Path, start: int) -> Iterator[dict[str, Any]]:
    """Yield our rows from a byte on; a line that is torn, or none of ours, is passed over.

    Raises:
        LaterFormat: a later version wrote a row; the message names the byte where it begins.
        OSError: the file cannot be read.
    """
    return (row for _, row in read_rows(path, start))


def read_rows(path: Path, start: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield our rows as `read_tail` does, each after the byte where it begins."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        at = file.seek(start)
        for line in file:
            # A line that lacks its newline alone is whole: the next append will end it.
            record = _parsed(line)
            check_format(record, path, f"byte {at}")
            if _is_ours(record):
                yield at, record
            at += len(line)


def _parsed(line: bytes) -> Any:
    """Return what a line of JSON holds; None where it is torn."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def check_format(record: Any, path: str | os.PathLike[str], where: int | str) -> None:
    """Refuse a row of a run folder that a later version wrote; anything else passes.

    To pass over it, as over a line of another writer, would take a run for younger than it is.

    Args:
        record: what the line holds.
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
    # Another writer may count its formats too, so that a row has to look like one of ours in all else.
    looks_like_ours = isinstance(record, dict) and type(record.get("step")) is int and "time" in record
    if looks_like_ours and _is_later(record.get("format")):
        raise LaterFormat(
            f"{os.fspath(path)}:{where}: format {record['format']}; this version reads format {FORMAT}: "
            "a later version wrote this run folder"
        )


def _is_later(number: Any) -> bool:
    return type(number) is int and number > FORMAT


def _is_ours(record: Any) -> bool:
    return isinstance(record, dict) and record.get("format") == FORMAT and type(record.get("step")) is int


def scores_of(row: Mapping[str, Any]) -> tuple[Scores, list[str]]:
    """Return the scores that a monitor wrote down beside a sample, and the tokens of the sample.

    Raises:
        KeyError, AttributeError: the row is not a sample, or has no scores.

    >>> row = {"text": "The cat sat.", "scores": {"bigram": 100.0, "trigram": 99.5, "english": 80.0}}
    >>> scores, tokens = scores_of(row)
    >>> scores.values, tokens
    ((100.0, 99.5, 80.0, None), ['the', 'cat', 'sat', '.'])
    """
    prompt = row.get("prompt")
    cleaned = clean(str(row["text"]), None if prompt is None else str(prompt))
    tokens = tokenize(cleaned)
    found = map(row["scores"].get, SCALES)
    bigram, trigram, english, character = (
        float(each) if isinstance(each, int | float) and math.isfinite(each) else None for each in found
    )
    return Scores(bigram, trigram, english, character, len(tokens), len(cleaned)), tokens
