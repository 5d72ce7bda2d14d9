"""Finds and opens files: local or behind a URL, plain or compressed.

A path is a string: a local path, or a URL such as `s3://bucket/run` that the fsspec package opens (extra
`remote`). The first bytes of a file give its compression: gzip, bzip2, xz, or zstd (extra `zstd`). Text in
UTF-16 is read as if it were UTF-8.
"""

import atexit
import bz2
import codecs
import glob
import gzip
import importlib
import io
import lzma
import os
import shutil
import stat
import tempfile
import zlib
from typing import Any, BinaryIO, cast

from coherence.lazy import needs

UTF16 = "UTF-16"
"""The encoding in which PowerShell writes what it redirects to a file."""

MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    codecs.BOM_UTF16_LE: UTF16,
    codecs.BOM_UTF16_BE: UTF16,
}

BUFFER = 2**18
"""Bytes that are read at a time."""


class Meter:
    """How many bytes of local files this process has read, to show progress by."""

    read = 0


METER = Meter()

SPOOLED = "coherence-standard-input"
"""The name of a copy of standard input."""

BROKEN = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)
"""Raised on reading compressed data that is cut off or damaged; for bzip2 and zstd it is the first."""


UNPACKED, TIMES = 256 * 2**20, 100
"""Compressed data is read up to this many bytes, or this many times its own size if that is more: samples
that loop shrink to a fiftieth, and a file this large that shrinks further is not a dump."""


def most(size: int, unpacked: int = UNPACKED) -> int:
    """Return how many bytes a compressed file of this size may unpack to."""
    return max(unpacked, TIMES * size)


class TooMuch(EOFError):
    """Compressed data that unpacks to far more than a dump would."""

    def __init__(self, unpacked: int = UNPACKED) -> None:
        super().__init__(
            f"not read on from here: it unpacks to more than {unpacked // 2**20} MB and {TIMES} times its"
            " size; unpack it first if that is what you meant"
        )


def why_broken(error: Exception) -> str:
    """Return a message about compressed data that raised one of `BROKEN` when it was read."""
    if isinstance(error, TooMuch):
        return str(error)
    return f"the compressed data ends here, cut off or damaged: {error}"


def is_url(path: str) -> bool:
    """Tell a URL from a local path.

    >>> is_url("s3://bucket/run"), is_url("runs/exp7"), is_url("C://run")
    (True, False, False)
    """
    scheme, colon, _ = path.partition("://")
    return bool(colon) and len(scheme) > 1 and scheme.replace("+", "").isalnum()


def open_bytes(path: str, unpacked: int = UNPACKED) -> BinaryIO:
    """Open a file for reading, decompressed as far as `unpacked` and `TIMES` allow.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not a regular file, or the extra that opens it is missing.
    """
    raw = open_raw(path)
    try:
        return _decompressed(path, raw, unpacked)
    except BaseException:
        raw.close()
        raise


def _decompressed(path: str, raw: BinaryIO, unpacked: int) -> BinaryIO:
    kind = compression(raw.read(6))
    raw.seek(0)
    if kind == "gzip":
        return _Decoded(gzip.GzipFile(fileobj=raw), raw, unpacked).buffered()
    if kind == "bzip2":
        return _Decoded(bz2.BZ2File(raw), raw, unpacked, OSError).buffered()
    if kind == "xz":
        # It may ask for a dictionary of gigabytes, but that is filled only as far as data is read.
        return _Decoded(lzma.LZMAFile(raw), raw, unpacked, MemoryError).buffered()
    if kind == "zstd":
        zstandard = _zstandard(path)
        return _Decoded(_Unzstd(zstandard, raw), raw, unpacked, zstandard.ZstdError).buffered()
    if kind == UTF16:
        return _Decoded(_FromUtf16(raw), raw, unpacked).buffered()
    return raw


def unzstd(path: str, file: BinaryIO, size: int, unpacked: int = UNPACKED) -> BinaryIO:
    """Return a file of what the next `size` bytes of a file unpack to with zstd.

    Raises:
        ValueError: the extra that opens it is missing.
    """
    zstandard = _zstandard(path)
    raw = io.BytesIO(file.read(size))
    return _Decoded(_Unzstd(zstandard, raw), raw, unpacked, zstandard.ZstdError).buffered()


def open_raw(path: str) -> BinaryIO:
    """Open a file for reading, as its bytes are stored."""
    if is_url(path):
        return cast(BinaryIO, io.BufferedReader(file_system(path).open(path, "rb")))
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError(f"{path}: not a regular file")
    return cast(BinaryIO, io.BufferedReader(_Counted(path, opener=os.open), BUFFER))


class _Counted(io.FileIO):
    """A local file; how much is read of all of them is counted."""

    def readinto(self, buffer: Any) -> int:
        size = super().readinto(buffer) or 0
        METER.read += size
        return size


def compression(head: bytes) -> str | None:
    """Return the compression of data, or UTF-16, by its beginning; None if it is read as it is stored."""
    return next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), None)


def is_folder(path: str) -> bool:
    """Tell whether there is a folder at a path."""
    return bool(file_system(path).isdir(path)) if is_url(path) else os.path.isdir(path)


def exists(path: str) -> bool:
    """Tell whether there is anything at a path."""
    return bool(file_system(path).exists(path)) if is_url(path) else os.path.exists(path)


def size(path: str) -> int:
    """Return how many bytes a file has on disk."""
    return int(file_system(path).size(path)) if is_url(path) else os.stat(path).st_size


def names_in(folder: str) -> list[str]:
    """Return the names in a folder, sorted."""
    if not is_url(folder):
        return sorted(os.listdir(folder))
    entries = file_system(folder).ls(folder, detail=False)
    return sorted({str(entry).rstrip("/").rpartition("/")[2] for entry in entries} - {""})


def bare_name(path: str) -> str:
    """Return the name of a file in lower case, without the extension of a compression.

    >>> bare_name("s3://bucket/run/Samples-100.txt.gz"), bare_name("samples.jsonl")
    ('samples-100.txt', 'samples.jsonl')
    """
    name = path.replace(os.sep, "/").rpartition("/")[2].lower()
    return next(
        (name.removesuffix(end) for end in (".gz", ".bz2", ".xz", ".zst") if name.endswith(end)), name
    )


def join(folder: str, name: str) -> str:
    """Return the path of a file or folder from its name and the folder that holds it."""
    return f"{folder.rstrip('/')}/{name}" if is_url(folder) else os.path.join(folder, name)


def parent(path: str) -> str:
    """Return the folder that contains a file or a folder.

    >>> parent("runs/exp7/"), parent("samples.jsonl"), parent("s3://bucket/run")
    ('runs', '.', 's3://bucket')
    """
    if is_url(path):
        return path.rstrip("/").rpartition("/")[0]
    return join(path, "..") if path in (".", "..") else os.path.dirname(path.rstrip(os.sep)) or "."


def matching(pattern: str) -> list[str]:
    """Return the paths that match a pattern such as `runs/*/samples.jsonl`, sorted."""
    if not is_url(pattern):
        return sorted(glob.glob(pattern, recursive=True))
    system = file_system(pattern)
    return sorted(system.unstrip_protocol(path) for path in system.glob(pattern))


def literal(path: str) -> str:
    """Return a pattern that matches only this path.

    >>> literal("runs/exp[7]")
    'runs/exp[[]7]'
    """
    return glob.escape(path)


def spooled(stream: BinaryIO) -> str:
    """Return the path of a copy of a stream; the copy is removed when the process ends.

    Standard input can be read once, and an audit reads a file several times. `lines.file_name` shows the
    copy as `-`.
    """
    folder = tempfile.mkdtemp(prefix="coherence-")
    owner = os.getpid()  # a forked child leaves the copy alone
    # Registered before the copy is made, which may be interrupted, or find the disk full.
    atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if os.getpid() == owner else None)
    path = os.path.join(folder, SPOOLED)
    with open(path, "wb") as copy:
        shutil.copyfileobj(stream, copy)
    return path


def file_system(path: str) -> Any:
    """Return the fsspec file system that a URL belongs to.

    Raises:
        ValueError: fsspec, or the package it needs for that kind of URL, is missing.
    """
    try:
        return importlib.import_module("fsspec").core.url_to_fs(path)[0]
    except ImportError as error:
        why = needs("fsspec", "remote") if error.name == "fsspec" else f"needs {error}"
        raise ValueError(f"{path}: to open it {why}") from error


def _zstandard(path: str) -> Any:
    try:
        return importlib.import_module("zstandard")
    except ImportError as error:
        raise ValueError(f"{path}: zstd {needs('zstandard', 'zstd')}") from error


class _Unzstd:
    """Reads the frames of a zstd file one after another; the package's own reader is silent on a cut."""

    WINDOW = 2**27
    """Bytes of the window of a frame: the most that zstd uses unless it is asked for more."""

    CHUNK = 2**12
    """Bytes; repetitive data may unpack to thirty thousand times as many."""

    def __init__(self, zstandard: Any, raw: BinaryIO) -> None:
        self._new = zstandard.ZstdDecompressor(max_window_size=self.WINDOW).decompressobj
        self._raw, self._out = raw, memoryview(b"")
        self._frame: Any = None

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what there is; return how many bytes that was."""
        while not self._out:
            chunk = self._frame.unused_data if self._frame and self._frame.eof else b""
            chunk = chunk or self._raw.read(self.CHUNK)
            if not chunk:
                if self._frame and not self._frame.eof:
                    raise EOFError("zstd: the last frame is cut off")
                return 0
            if self._frame is None or self._frame.eof:
                self._frame = self._new()
            self._out = memoryview(self._frame.decompress(chunk))
        size = min(len(buffer), len(self._out))
        buffer[:size], self._out = self._out[:size], self._out[size:]
        return size


class _FromUtf16:
    """Reads text in UTF-16 as UTF-8; what is not UTF-16 is replaced."""

    CHUNK = 2**16

    def __init__(self, raw: BinaryIO) -> None:
        self._raw, self._out, self._ended = raw, memoryview(b""), False
        self._decoder = codecs.getincrementaldecoder("utf-16")("replace")

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what there is; return how many bytes that was."""
        while not self._out and not self._ended:
            chunk = self._raw.read(self.CHUNK)
            self._ended = not chunk
            self._out = memoryview(self._decoder.decode(chunk, final=self._ended).encode("utf-8", "replace"))
        size = min(len(buffer), len(self._out))
        buffer[:size], self._out = self._out[:size], self._out[size:]
        return size


class _Decoded(io.RawIOBase):
    """Reads from a decoder, and closes the file below together with itself.

    Errors of the decoder about data that is cut off or damaged become an EOFError, as gzip raises.
    """

    def __init__(self, decoded: Any, raw: BinaryIO, unpacked: int, *damaged: type[Exception]) -> None:
        self._decoded, self._raw, self._unpacked, self._damaged = decoded, raw, unpacked, damaged
        at = raw.tell()
        self._left = most(raw.seek(0, os.SEEK_END), unpacked)
        raw.seek(at)

    def buffered(self) -> BinaryIO:
        return cast(BinaryIO, io.BufferedReader(self))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            size = int(self._decoded.readinto(buffer))
        except self._damaged as error:
            if getattr(error, "errno", None) is not None:  # the disk's fault, not the data's
                raise
            raise EOFError(str(error) or type(error).__name__) from error
        self._left -= size
        if self._left < 0:
            raise TooMuch(self._unpacked)
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()
