"""One text file per step, with the step in its name: `samples-100` of gpt-2-simple, `step_500/out.txt`.

Several samples in a file have headers, `======== SAMPLE 1 ========`; a file without headers is one sample.
"""

import re
from collections.abc import Iterator

from coherence.readers import storage
from coherence.readers.file_names import any_number, is_called_log, may_be_sample, step_of
from coherence.readers.format import USUAL, Fields, Format
from coherence.readers.formats.logs.prefix import looks_logged
from coherence.readers.lines import LONGEST_LINE, Head, Part, Problems, file_name, read_whole_lines
from coherence.readers.records import Sample

_HEADER = re.compile(r"={4,}\s*SAMPLE\s+\d+\s*={4,}\s*", re.IGNORECASE)
_TEXT = re.compile(r"(|.*\.)(txt|text|md|\d+)|[^.]*")
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1a]")


def recognise(head: Head) -> bool:
    """Tell whether a file is text and has a step in its name or a header of samples."""
    if not is_text(head):
        return False
    if _HEADER.fullmatch(next(iter(head.lines), "")):
        return True
    if step_of(head.path) is None or not may_be_sample(head.path):
        return False
    if is_called_log(head.path) or looks_logged(head.lines):
        return False
    return bool(_TEXT.fullmatch(storage.bare_name(head.path)))


def is_text(head: Head) -> bool:
    """Tell whether a file holds text, without anything that does not occur in text."""
    return not _NO_TEXT.search(head.text) and head.text.count("\ufffd") <= len(head.text) / 20


def samples(
    part: Part,
    problems: Problems,
    fields: Fields = USUAL,  # noqa: ARG001 - text has no fields
    longest: int = LONGEST_LINE,
) -> Iterator[Sample]:
    """Yield the samples of a file; bytes that are not UTF-8 are replaced and noted."""
    step = step_of(part.path)
    if step is None:
        step = any_number(part.path)
    for line, text in _texts(part, problems, longest):
        yield Sample(step=step, text=text, file=file_name(part.path), line=line)


def _texts(part: Part, problems: Problems, longest: int) -> Iterator[tuple[int, str]]:
    """Yield the samples of a file, each with its first line: the header, or the first of the file."""
    begun, headed, size = 1, False, 0
    lines: list[str] = []

    def text() -> Iterator[tuple[int, str]]:
        whole = "".join(lines).strip("\r\n")
        if size > longest:
            problems.add(part.path, begun, "a sample of more than 16 MB, the largest that is read")
        elif headed or whole:
            yield begun, whole

    for number, line in read_whole_lines(part, problems):
        if _HEADER.fullmatch(line):
            yield from text()
            begun, headed, size = number, True, 0
            lines.clear()
            continue
        size += len(line)
        if size <= longest:
            lines.append(line)
    yield from text()


FORMAT = Format(
    "numbered",
    "text, one file a step",
    recognise,
    samples,
    why="a step is in its name, or it has headers of samples",
)
