"""The logs of inspect-ai, `*.eval`: a ZIP archive with a JSON document for each sample."""

import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from coherence.readers import storage
from coherence.readers.format import USUAL, Fields, Format
from coherence.readers.lines import LONGEST_LINE, Head, Part, Problems, why_not_parsed
from coherence.readers.objects import rows
from coherence.readers.objects.names import RawRow
from coherence.readers.records import Sample

ZSTD = 93
"""The compression method of newer logs, which Python's own reader does not know before 3.14."""

_LOCAL = struct.Struct("<26xHH")
"""The header of an entry: the lengths of the name and of the extra field that follow."""

_DAMAGED = (OSError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, RuntimeError)
"""Raised on reading an entry that is damaged, encrypted or compressed with an unknown method."""


def recognise(head: Head) -> bool:
    """Tell whether a file is an archive named `*.eval`, or one whose first entry is that of such a log."""
    if not head.raw.startswith(b"PK\x03\x04"):
        return False
    named = storage.bare_name(head.path).endswith(".eval")
    return named or head.raw[30:].startswith((b"_journal/start.json", b"samples/"))


def samples(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[Sample]:
    """Yield the samples of an archive, with the number of the document as the line.

    Raises:
        ValueError: the archive is damaged or cut off, or needs an extra that is missing.
    """
    return rows.samples_of(_rows(part.path, problems), part.path, problems, fields)


def _rows(path: str, problems: Problems) -> Iterator[tuple[int, RawRow]]:
    with storage.open_raw(path) as file:
        try:
            archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, OverflowError) as error:
            raise ValueError(f"{path}: not an archive, or cut off: {error}") from error
        entries = [entry for entry in archive.infolist() if entry.filename.startswith("samples/")]
        left = storage.most(storage.size(path))
        for number, entry in enumerate(entries, start=1):
            left -= entry.file_size
            if left < 0:
                problems.add(path, number, storage.why_broken(storage.TooMuch()))
                return
            try:
                content = _content(path, archive, entry, file)
            except _DAMAGED as error:
                problems.add(path, number, f"{entry.filename}: cannot be read: {error}")
                continue
            yield from _row(content, path, number, problems)


def _content(path: str, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, file: BinaryIO) -> bytes:
    """Return the content of an entry, up to one byte more than the most that is read."""
    if entry.compress_type != ZSTD:
        with archive.open(entry) as content:
            return content.read(LONGEST_LINE + 1)
    file.seek(entry.header_offset)
    name, extra = _LOCAL.unpack(file.read(_LOCAL.size))
    file.seek(name + extra, 1)
    with storage.unzstd(path, file, entry.compress_size) as content:
        return content.read(LONGEST_LINE + 1)


def _row(content: bytes, path: str, number: int, problems: Problems) -> Iterator[tuple[int, RawRow]]:
    if len(content) > LONGEST_LINE:
        problems.add(path, number, "a sample of more than 16 MB, the largest that is read")
        return
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        problems.add(path, number, why_not_parsed(error))
    else:
        if isinstance(value, dict):
            yield number, value
        else:
            problems.add(path, number, f"not a JSON object but {type(value).__name__}")


FORMAT = Format("inspect_eval", "inspect-ai log", recognise, samples, why="a ZIP archive of samples")
