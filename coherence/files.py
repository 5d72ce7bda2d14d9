"""Files that are written whole or not at all, and folders that have one writer.

Source: docs/reliability.md.
"""

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from itertools import count
from pathlib import Path
from typing import IO, Any
from weakref import WeakSet

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK = "lock"
"""The file that the one writer of a folder holds."""

MOST_WRITERS = 1000
"""Temporary names that are tried for one file."""

LOCKED_BYTE = 2**30
"""Where a file is locked on Windows, which lets nobody read what is locked: far behind any content."""

PAUSES = (0.01, 0.05, 0.2, 0.5) if sys.platform == "win32" else ()
"""Seconds between tries to put a file in the place of one that somebody reads, which Windows refuses."""

_numbers = count()


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
    """Lock a file until it is closed; return whether no other process holds it."""
    try:
        if sys.platform == "win32":
            os.lseek(file.fileno(), LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # the second is Windows
        return False
    except OSError as error:  # some network file systems have no locks: there nobody holds one
        if error.errno not in (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK):
            raise
    _locks.add(file)
    return True


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that is written whole or not at all: it takes its place when the block ends well.

    Of several processes that write one file at the same moment the last to end has the last word. A pipe or a
    device is written to as it is.

    Raises:
        OSError: it could not be written, and names the file; the old content is kept.
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
                    _replace(temporary, path)
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
    """Yield the name of a temporary file next to a file, to which no other process writes meanwhile.

    The first name that is free: what a kill left behind is used up by the next. On Windows, which renames no
    file that is open, a name of this process: what a kill left behind stays.
    """
    if sys.platform == "win32":
        yield Path(_temporary_name(path, f"{os.getpid()}-{next(_numbers)}.new"))
        return
    for number in range(MOST_WRITERS):
        temporary = Path(_temporary_name(path, f"{number}.new" if number else "new"))
        with temporary.open("ab") as file:
            if _try_lock(file) and _is_at(file, temporary):
                yield temporary
                return
    raise OSError(errno.EBUSY, "too many others write it", str(path))


def _replace(temporary: Path, path: Path) -> None:
    """Put a file in the place of another, on Windows when nobody reads that one at the moment."""
    for pause in PAUSES:
        with suppress(PermissionError):
            temporary.replace(path)
            return
        time.sleep(pause)
    temporary.replace(path)


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
        OSError: it could not be written; the old content is kept.
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
