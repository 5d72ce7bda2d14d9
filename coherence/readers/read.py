"""Reads samples, losses and events from files of any format; each sample with its run and its prompt."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from coherence.readers.format import USUAL, Fields
from coherence.readers.lines import Part, Problems, Tally
from coherence.readers.objects.rows import SKIPPED_FOR, TOOL_CALLS
from coherence.readers.recognise import by_key
from coherence.readers.records import DATED, LossRow, Mark, MetricRow, Sample
from coherence.scoring.text import Emptiness, ends_in_padding, keeps_prompt, why_empty
from coherence.signals.settings import LaterFormat

SAMPLES, PADDED, PROMPT_KEPT = "samples", "padding", "prompt kept"
"""The names of counts: all samples, those that end in padding, those whose prompt cannot be cut off."""

ENDED = {
    **dict.fromkeys(("length", "max_tokens", "model_length", "max_length"), "length"),
    **dict.fromkeys(("repetition", "repetition_detected"), "repetition"),
}
"""Why servers end a text before the model does, as they spell it, and the name of the count for each."""

EMPTY: dict[Emptiness, str] = {
    "nothing written": "the model wrote nothing",
    "special tokens": "only special tokens were written",
    "prompt": "the text holds only the prompt",
}
"""Why samples are empty, as a note says it; they are counted under the keys."""

FEW = 0.1
"""A smaller share of samples whose prompt cannot be cut off is not mentioned."""


class Piece(NamedTuple):
    """A part of a file, the key of its format, and the run it belongs to if its rows do not name one."""

    part: Part
    format: str
    run: str | None = None


class PromptedSample(NamedTuple):
    """A sample as it was read: its piece, its run, and the prompt at the beginning of its text."""

    piece: int
    run: str
    sample: Sample
    prompt: str | None


def samples_in(piece: Piece, problems: Problems, fields: Fields = USUAL) -> Iterator[Sample]:
    """Yield the samples of a part of a file; none if its format holds none."""
    read = by_key(piece.format).samples
    return iter(()) if read is None else read(piece.part, problems, fields)


def plain_samples(piece: Piece, lines: Collection[int], fields: Fields = USUAL) -> Iterator[Sample]:
    """Yield the samples in some lines of a part of a file, without reading what is in the others.

    Lines whose samples may depend on other lines are left out; with some formats, or with keys that the
    user named, those are all.
    """
    read = by_key(piece.format).plain
    return iter(()) if read is None or fields != USUAL else read(piece.part, lines)


def losses_in(piece: Piece, problems: Problems, fields: Fields = USUAL) -> Iterator[LossRow]:
    """Yield the training losses of a part of a file; none if its format holds none."""
    read = by_key(piece.format).losses
    return iter(()) if read is None else read(piece.part, problems, fields)


def metrics_in(piece: Piece, problems: Problems, fields: Fields = USUAL) -> Iterator[MetricRow]:
    """Yield reward, KL divergence and length from a part of a file; none if its format holds none."""
    read = by_key(piece.format).metrics
    return iter(()) if read is None else read(piece.part, problems, fields)


def marks_in(piece: Piece) -> Iterator[Mark]:
    """Yield the events of the run in a part of a file; none if its format holds none."""
    read = by_key(piece.format).events
    return iter(()) if read is None else read(piece.part)


def read_pieces(
    pieces: Iterable[Piece],
    problems: Sequence[Problems],
    fields: Fields = USUAL,
    prefixes: Sequence[str] = (),
) -> Iterator[PromptedSample]:
    """Yield the samples of pieces, one piece after another.

    Args:
        pieces: of files.
        problems: one for each piece, to note what cannot be used.
        fields: the keys to look under, in addition to the usual ones.
        prefixes: prompts that texts may begin with, for samples whose rows have no key for it.
    """
    for number, (piece, noted) in enumerate(zip(pieces, problems, strict=True)):
        try:
            for sample in samples_in(piece, noted, fields):
                read = with_prompt(sample, prefixes, number, piece.run)
                _tally(read, noted)
                yield read
        except LaterFormat:
            raise
        except (OSError, ValueError) as error:
            noted.add(piece.part.path, 0, f"not read on from here: {error}")


def _tally(read: PromptedSample, noted: Problems) -> None:
    sample = read.sample
    noted.tally(SAMPLES, sample.file, sample.line)
    if sample.finish_reason is not None and (ended := ENDED.get(sample.finish_reason.lower())):
        noted.tally(ended, sample.file, sample.line)
    if ends_in_padding(sample.text):
        noted.tally(PADDED, sample.file, sample.line)
    if read.prompt and keeps_prompt(sample.text, read.prompt):
        noted.tally(PROMPT_KEPT, sample.file, sample.line)


def tally_empty(read: PromptedSample, noted: Problems) -> None:
    """Count the reason why a sample without text is empty."""
    why = why_empty(read.sample.text, read.prompt)
    if why is not None:
        noted.tally(why, read.sample.file, read.sample.line)


def take_notes(noted: Problems) -> list[str]:
    """Return in sentences what was seen in the samples of a dump; a mismatch of prompts is also a problem.

    >>> noted = Problems()
    >>> for line in 1, 2:
    ...     noted.tally("padding", "samples.jsonl", line)
    >>> take_notes(noted)
    ['2 samples end in padding, which is cut off']
    """
    notes, none = list(noted.remarks), Tally(0, "", 0)
    calls, padded, kept, all_samples = (
        noted.tallies.get(what, none) for what in (TOOL_CALLS, PADDED, PROMPT_KEPT, SAMPLES)
    )
    if calls.samples:
        notes.append(f"{_samples(calls, 'is a tool call', 'are tool calls')}, read as name and arguments")
    for key, why in EMPTY.items():
        if empty := noted.tallies.get(key):
            are = "is" if empty.samples == 1 else "are"
            notes.append(f"{empty.samples:,} of {all_samples.samples:,} samples {are} empty: {why}")
    notes += _notes_of_cut(noted, all_samples.samples)
    for what, rows in noted.tallies.items():
        if what.startswith(SKIPPED_FOR):
            were = "row was" if rows.samples == 1 else "rows were"
            notes.append(f"{rows.samples:,} {were} skipped: {what.removeprefix(SKIPPED_FOR)}")
    if padded.samples:
        notes.append(f"{_samples(padded, 'ends', 'end')} in padding, which is cut off")
    if kept.samples > FEW * all_samples.samples:
        notes.append(
            f"in {kept.samples:,} of {all_samples.samples:,} samples the prompt is not how the text begins; "
            "it was scored with the answer"
        )
        noted.add(kept.file, kept.line, "the text holds the prompt, but does not begin with it")
    return notes


def _notes_of_cut(noted: Problems, samples: int) -> Iterator[str]:
    """Yield notes about samples that were cut off, by the server or in reading."""
    for ended, why in (
        ("length", "at the longest allowed"),
        ("repetition", "because they repeat themselves"),
    ):
        if cut := noted.tallies.get(ended):
            were = "was" if cut.samples == 1 else "were"
            counted = f"{cut.samples:,} of {samples:,} samples"
            yield f"{counted} {were} cut off {why} (finish_reason {ended})"
    if dated := noted.tallies.get(DATED):
        are = _samples(dated, "is", "are")
        yield (
            f"{are} from a log with a time before each line, also before blank ones: a sample is read up to "
            "its second line. Cut the times off to read the rest"
        )


def _samples(tally: Tally, one: str, several: str) -> str:
    return f"1 sample {one}" if tally.samples == 1 else f"{tally.samples:,} samples {several}"


def with_prompt(
    sample: Sample, prefixes: Sequence[str] = (), piece: int = 0, run: str | None = None
) -> PromptedSample:
    """Return a sample with its run, and with the prompt that its text begins with.

    A sample that a monitor judged without a prompt has none.

    >>> with_prompt(Sample(1, "Once upon a time", "a.jsonl", 1), ["Once"]).prompt
    'Once'
    """
    told = sample.prompt is not None or sample.place is not None
    prompt = sample.prompt if told else _prefix(sample.text, prefixes)
    name = "/".join(filter(None, (run, sample.run))) if sample.run else run or ""
    return PromptedSample(piece, name, sample, prompt)


def _prefix(text: str, prefixes: Sequence[str]) -> str | None:
    return next((prefix for prefix in prefixes if text.startswith(prefix)), None) if prefixes else None


def line_count(piece: Piece) -> int:
    """Return how many lines the part of a file has; 0 for a whole file, for which nobody needs it."""
    cut = by_key(piece.format).cut
    return 0 if cut is None or piece.part.end is None else cut.length(piece.part)
