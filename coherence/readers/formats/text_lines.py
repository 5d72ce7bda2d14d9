"""One sample per line, as textgenrnn writes them, in files named after the sampling temperature."""

from collections.abc import Iterator

from coherence.readers.file_names import is_called_log, names_temperature, step_named
from coherence.readers.format import USUAL, Fields, Format
from coherence.readers.formats.logs.prefix import looks_logged
from coherence.readers.formats.numbered import is_text
from coherence.readers.lines import Head, Part, Problems, file_name, read_whole_lines
from coherence.readers.records import Sample


def recognise(head: Head) -> bool:
    """Tell whether a file has a temperature in its name and several lines of text, none of them of a log."""
    if not names_temperature(head.path) or is_called_log(head.path) or not is_text(head):
        return False
    return len(head.lines) > 1 and not looks_logged(head.lines)


def samples(
    part: Part,
    problems: Problems,
    fields: Fields = USUAL,  # noqa: ARG001 - text has no fields
) -> Iterator[Sample]:
    """Yield each line that is not blank."""
    step = step_named(part.path)
    for number, line in read_whole_lines(part, problems):
        if text := line.strip():
            yield Sample(step=step, text=text, file=file_name(part.path), line=number)


FORMAT = Format(
    "text_lines",
    "text, a sample a line",
    recognise,
    samples,
    why="its name states a temperature, and it is text",
)
