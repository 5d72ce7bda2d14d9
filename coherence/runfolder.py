"""The files of a run folder: lines that are appended, files that are replaced whole, and one writer.

Source: docs/training.md, "The run folder".
"""

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from weakref import WeakSet

try:
    import fcntl
except ImportError:  # Windows has no flock: there two writers are not told apart
    fcntl = None  # type: ignore[assignment]

FORMAT = 1


class RunFolderBusy(RuntimeError):
    """Another process, or another monitor of this one, writes to the folder."""


_locks: WeakSet[IO[str]] = WeakSet()


def _let_go() -> None:
    """Close what a forked child inherited: a data loader that outlives its killed trainer holds no folder."""
    for file in list(_locks):
        file.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


def lock_folder(folder: Path) -> IO[str]:
    """Become the one writer of a folder, until the file returned is closed or the process ends.

    Raises:
        RunFolderBusy: there is one already.
        OSError: the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / "lock").open("a", encoding="utf-8")
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise RunFolderBusy(
                f"{folder} is written to by another process; stop it, or choose another folder"
            ) from None
        except OSError as error:  # some network file systems have no locks: there neither
            if error.errno not in (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK):
                file.close()
                raise
    _locks.add(file)
    return file


class Appender:
    """A file of JSON lines that only grows; every line is flushed.

    A line that was torn, by a kill or a full disk, is ended before the next one: it costs itself alone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    @property
    def end(self) -> int:
        """Bytes of the file so far, those of lines that others wrote included.

        Asked of the system, not counted: Ctrl-C may come between a writing and its count.
        """
        return self.path.stat().st_size if self.path.is_file() else 0

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one line.

        Raises:
            OSError: it could not be written whole; the next call tries again.
        """
        line = _to_line(record)
        try:
            file = self._file or self._open()
            self._write(file, line)
        except OSError:
            self.close()
            raise

    def _open(self) -> IO[bytes]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self._file = self.path.open("ab", buffering=0)
        if file.tell() and not _ends_with_newline(self.path):
            self._write(file, b"\n")
        return file

    def _write(self, file: IO[bytes], line: bytes) -> None:
        written = file.write(line)
        if written < len(line):
            raise OSError(f"{self.path}: {written} of {len(line)} bytes written")

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

    The temporary file has a name of its own, so that one which a kill left behind is used up by the next. A
    pipe or a device is written to as it is.

    Raises:
        OSError: it could not be written, and names the file; the old content stands.
    """
    if path.is_symlink():
        path = path.resolve()  # what it points to is replaced, not the pointer
    special = path.exists() and not path.is_file()
    temporary = path if special else path.with_name(f".{path.name}.new")
    try:
        with temporary.open("wb") as file:
            yield file
        if not special:
            temporary.replace(path)
    except BaseException as error:
        if not special:
            with suppress(OSError):
                temporary.unlink()
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(temporary)):
            error.filename = str(path)
        raise


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


def read_tail(path: Path, start: int) -> Iterator[dict[str, Any]]:
    """Yield our rows from a byte on; a line that is torn, or none of ours, is passed over."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        file.seek(start)
        for line in file:
            with suppress(ValueError, RecursionError):
                record = json.loads(line)
                # A line that lacks its newline alone is whole: the next append will end it.
                if _is_ours(record):
                    yield record


def _is_ours(record: Any) -> bool:
    return isinstance(record, dict) and record.get("format") == FORMAT and type(record.get("step")) is int
