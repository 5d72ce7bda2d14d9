"""The lines of a log with what a trainer wrote on them, for tests of the parts of the reader."""

from collections.abc import Iterable, Iterator

from coherence.readers.formats.logs.lines import Line, seen_in


def lines_of(pieces: Iterable[tuple[int, str]]) -> Iterator[Line]:
    """Yield numbered lines with what a trainer wrote on them, without progress bars."""
    return (seen.line for seen in seen_in(pieces) if not seen.is_bar)
