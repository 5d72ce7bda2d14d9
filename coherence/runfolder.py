"""The files of a run folder: lines that are appended, files that are replaced whole, and one writer.

Source: docs/training.md, "The run folder".
"""

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO, Any
from weakref import WeakSet

try:
    import fcntl
except ImportError:  # Windows has no flock: there two writers are not told apart
    fcntl = None  # type: ignore[assignment]

FORMAT = 1

MOST_WRITERS = 1000
"""Temporary names that are tried for one file."""


class RunFolderBusy(RuntimeError):
    """Another process, or another monitor of this one, writes to the folder."""


_locks: WeakSet[IO[Any]] = WeakSet()


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
    try:
        if not _try_lock(file):
            raise RunFolderBusy(
                f"{folder} is written to by another process; stop it, or choose another folder"
            )
    except BaseException:
        file.close()
        raise
    return file


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
    except FileNotFoundError:
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
