"""Where files lie and how their bytes are read: local or behind a URL, plain or compressed.

A path is a string: a local path, or a URL such as `s3://bucket/run` that the fsspec package opens (extra
`remote`). What a file is compressed with its first bytes say: gzip, bzip2, xz, or zstd (extra `zstd`).
"""

import bz2
import gzip
import importlib
import io
import lzma
import os
import stat
import zlib
from typing import Any, BinaryIO, cast

MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}

BROKEN = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)
"""What reading compressed data raises that was cut off or damaged; for zstd it is the first."""


def is_url(path: str) -> bool:
    """Tell a URL from a local path.

    >>> is_url("s3://bucket/run"), is_url("runs/exp7"), is_url("C://run")
    (True, False, False)
    """
    scheme, colon, _ = path.partition("://")
    return bool(colon) and len(scheme) > 1 and scheme.replace("+", "").isalnum()


def open_bytes(path: str) -> BinaryIO:
    """Open a file for reading, decompressed.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no regular file, or the extra is missing that opens it.
    """
    raw = open_raw(path)
    kind = compression(raw.read(6))
    raw.seek(0)
    if kind == "gzip":
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    if kind == "bzip2":
        return cast(BinaryIO, bz2.BZ2File(raw))
    if kind == "xz":
        return cast(BinaryIO, lzma.LZMAFile(raw))
    return _unzstd(path, raw) if kind == "zstd" else raw


def open_raw(path: str) -> BinaryIO:
    """Open a file for reading, as its bytes are stored."""
    if is_url(path):
        return cast(BinaryIO, file_system(path).open(path, "rb"))
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError(f"{path}: not a regular file")
    return open(path, "rb")


def compression(head: bytes) -> str | None:
    """Return what data that begins so is compressed with; None if it is not."""
    return next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), None)


def is_folder(path: str) -> bool:
    """Tell whether there is a folder at a path."""
    return bool(file_system(path).isdir(path)) if is_url(path) else os.path.isdir(path)


def exists(path: str) -> bool:
    """Tell whether there is anything at a path."""
    return bool(file_system(path).exists(path)) if is_url(path) else os.path.exists(path)


def size(path: str) -> int:
    """Return how many bytes a file has as it is stored."""
    return int(file_system(path).size(path)) if is_url(path) else os.stat(path).st_size


def names_in(folder: str) -> list[str]:
    """Return the names in a folder, sorted."""
    if not is_url(folder):
        return sorted(os.listdir(folder))
    entries = file_system(folder).ls(folder, detail=False)
    return sorted({str(entry).rstrip("/").rpartition("/")[2] for entry in entries} - {""})


def join(folder: str, name: str) -> str:
    """Return the path of a name in a folder."""
    return f"{folder.rstrip('/')}/{name}" if is_url(folder) else os.path.join(folder, name)


def file_system(path: str) -> Any:
    """Return the fsspec file system that a URL belongs to.

    Raises:
        ValueError: fsspec, or the package it needs for that kind of URL, is missing.
    """
    try:
        return importlib.import_module("fsspec").core.url_to_fs(path)[0]
    except ImportError as error:
        needs = "fsspec: pip install 'coherence[remote]'" if error.name == "fsspec" else str(error)
        raise ValueError(f"{path}: to open it needs {needs}") from error


def _unzstd(path: str, raw: BinaryIO) -> BinaryIO:
    try:
        zstandard = importlib.import_module("zstandard")
    except ImportError as error:
        raise ValueError(f"{path}: zstd needs zstandard: pip install 'coherence[zstd]'") from error
    return cast(BinaryIO, io.BufferedReader(_Unzstd(zstandard, raw)))


class _Unzstd(io.RawIOBase):
    """Reads zstd frames one after another; data that is cut off or damaged is an EOFError, as for gzip."""

    def __init__(self, zstandard: Any, raw: BinaryIO) -> None:
        self._error = zstandard.ZstdError
        self._raw = raw
        self._reader = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            return int(self._reader.readinto(buffer))
        except self._error as error:
            raise EOFError(f"zstd: {error}") from error

    def close(self) -> None:
        self._raw.close()
        super().close()
