"""The samples, losses and events of files of any format; each sample with its run and its prompt."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from coherence.readers.format import USUAL, Fields
from coherence.readers.lines import Part, Problems
from coherence.readers.recognise import by_key
from coherence.readers.records import LossRow, Mark, Sample
from coherence.signals.settings import LaterFormat


class Piece(NamedTuple):
    """A part of a file, the key of its format, and the run it belongs to if its rows name none."""

    part: Part
    format: str
    run: str | None = None


class PromptedSample(NamedTuple):
    """A sample as it was read: which piece it is of, its run, what of its text is the prompt."""

    piece: int
    run: str
    sample: Sample
    prompt: str | None


def samples_in(piece: Piece, problems: Problems, fields: Fields = USUAL) -> Iterator[Sample]:
    """Yield the samples of a part of a file; none where its format holds none."""
    read = by_key(piece.format).samples
    return iter(()) if read is None else read(piece.part, problems, fields)


def losses_in(piece: Piece, problems: Problems) -> Iterator[LossRow]:
    """Yield the training losses of a part of a file; none where its format holds none."""
    read = by_key(piece.format).losses
    return iter(()) if read is None else read(piece.part, problems)


def marks_in(piece: Piece) -> Iterator[Mark]:
    """Yield what befell the run, as a part of a file tells; nothing where its format tells nothing of it."""
    read = by_key(piece.format).events
    return iter(()) if read is None else read(piece.part)


def read_pieces(
    pieces: Iterable[Piece],
    problems: Sequence[Problems],
    fields: Fields = USUAL,
    prefixes: Sequence[str] = (),
) -> Iterator[PromptedSample]:
    """Yield the samples of pieces, one piece after the other.

    Args:
        pieces: of files.
        problems: of each piece, takes what cannot be used.
        fields: under which keys to look, besides the usual.
        prefixes: prompts that texts begin with where no key tells the prompt.
    """
    for number, (piece, noted) in enumerate(zip(pieces, problems, strict=True)):
        try:
            for sample in samples_in(piece, noted, fields):
                yield with_prompt(sample, prefixes, number, piece.run)
        except LaterFormat:
            raise
        except (OSError, ValueError) as error:
            noted.add(piece.part.path, 0, f"not read on from here: {error}")


def with_prompt(
    sample: Sample, prefixes: Sequence[str] = (), piece: int = 0, run: str | None = None
) -> PromptedSample:
    """Return a sample with its run, and with the prompt that its text begins with.

    What a monitor judged without a prompt has none.

    >>> with_prompt(Sample(1, "Once upon a time", "a.jsonl", 1), ["Once"]).prompt
    'Once'
    """
    told = sample.prompt is not None or sample.place is not None
    prompt = sample.prompt if told else _prefix(sample.text, prefixes)
    return PromptedSample(piece, "/".join(filter(None, (run, sample.run))), sample, prompt)


def _prefix(text: str, prefixes: Sequence[str]) -> str | None:
    return next((prefix for prefix in prefixes if text.startswith(prefix)), None) if prefixes else None


def line_count(piece: Piece) -> int:
    """Return how many lines the part of a file has; 0 for a whole file, where nobody asks."""
    cut = by_key(piece.format).cut
    return 0 if cut is None or piece.part.end is None else cut.length(piece.part)
