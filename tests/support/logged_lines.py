"""The lines of a log with what a trainer wrote on them, as tests of the parts of the reader take them."""

from collections.abc import Iterable, Iterator

from coherence.readers.formats.logs.lines import Line, seen_in


def lines_of(pieces: Iterable[tuple[int, str]]) -> Iterator[Line]:
    """Yield numbered lines with what a trainer wrote on them, without bars of progress."""
    return (seen.line for seen in seen_in(pieces) if not seen.is_bar)
