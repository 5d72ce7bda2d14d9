"""Files that are written completely or not at all, and folders that have only one writer.

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
"""The file that the writer of a folder has locked."""

MOST_WRITERS = 1000
"""How many temporary names are tried for a file."""

LOCKED_BYTE = 2**30
"""Where a file is locked on Windows, which lets nobody read what is locked: far behind any content."""

PAUSES = (0.01, 0.05, 0.2, 0.5) if sys.platform == "win32" else ()
"""Seconds between tries to put a file in the place of one that somebody reads, which Windows refuses."""

_numbers = count()


class RunFolderBusy(RuntimeError):
    """Another process, or another monitor in this process, writes to the folder."""


_locks: WeakSet[IO[Any]] = WeakSet()


def _let_go() -> None:
    """Release the locks that a forked child inherited, because a loader may outlive its trainer."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for file in list(_locks):
        # Not `close`: a thread that does not exist in the child may have been in it, holding its lock.
        with suppress(OSError, ValueError):  # already closed
            os.dup2(nothing, file.fileno(), inheritable=False)
    os.close(nothing)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


def lock_folder(folder: Path) -> IO[str]:
    """Become the only writer of a folder, until the returned file is closed or the process ends.

    Raises:
        RunFolderBusy: it has a writer already.
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
    """Return who writes to a folder, and what to do about it."""
    if any(not moved(lock, folder) for lock in list(_locks)):
        return "written to by this process already; close the other monitor (close(), or `with Monitor(...)`)"
    return "written to by another process; stop it, or choose another folder"


def moved(lock: IO[Any], folder: Path) -> bool:
    """Return whether the lock is no longer in its folder, so that another process may become its writer.

    The folder or its lock was deleted or renamed, or the lock was released.

    Raises:
        OSError: the folder cannot be read.
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
    except OSError as error:  # some network file systems have no locks
        if error.errno not in (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK):
            raise
    _locks.add(file)
    return True


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that is written completely or not at all: it is moved into place when the block succeeds.

    If several processes write a file at the same time, the last one to finish wins. A pipe or a device is
    written to directly.

    Raises:
        OSError: it could not be written; the error names the file, and the old content is kept.
    """
    if path.is_symlink():
        path = path.resolve()  # the target of a link is replaced, not the link
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

    It is the first name that is free: a file that a killed process left behind is used again. Windows cannot
    rename a file that is open, so there the name is of this process, and what a kill left behind stays.
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
    """Return whether a file still has its name: its previous holder may have moved it into place."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: it is closed
        return False


def replace_file(path: Path, text: str, durable: bool = True) -> None:
    """Replace the content of a file; a reader sees the old or the new content, never a part.

    Args:
        path: the file.
        text: its new content.
        durable: wait until it is on the disk; otherwise a power cut may bring the old content back.

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
    """Rename a damaged file, so that a good one can take its place and the damaged one can be examined.

    `gate.json` becomes `gate.damaged.json`, which replaces an earlier one. Returns the new path.

    Raises:
        OSError: it cannot be renamed.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "gate.json").write_text("half of a sta")
    ...     set_aside(Path(folder) / "gate.json").name
    'gate.damaged.json'
    """
    return path.replace(path.with_name(f"{path.stem}.damaged{path.suffix}"))
