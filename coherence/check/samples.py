"""The samples of a checkpoint: read, scored, put to the gate, and ready to be compared with others.

Source: docs/ci.md.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coherence.check.snapshot import FINE, LOW, SHORT, Pairs, Provenance, SampleSet, Snapshot
from coherence.check.statistics import SEED
from coherence.readers.find import find_runs
from coherence.readers.format import Fields
from coherence.readers.lines import Part, Problems
from coherence.readers.prompts import shared_prefixes
from coherence.readers.read import Piece, PromptedSample, read_pieces, take_notes, with_prompt
from coherence.readers.recognise import by_key
from coherence.readers.records import Sample
from coherence.scoring.batch import Scorer, score_many
from coherence.scoring.columns import scores_of
from coherence.scoring.scores import Scores
from coherence.signals.gate import Gate
from coherence.signals.settings import DEFAULTS, Settings, __version__, lexicon_label, profile_label

LONGEST_NAME = 40
"""Characters of the name of a group; what is longer is a text, and stands in a snapshot as a hash."""

Prompts = Literal["told", "some", "found", "none"]


class CheckpointSamples(NamedTuple):
    """The samples of a checkpoint as they were read.

    Attributes:
        samples: in the order of their steps.
        problems: what could not be used.
        notes: what the reader should know of the data, in sentences.
        settings: those that the folder of the run states, or the usual ones.
    """

    samples: list[Sample]
    problems: Problems
    notes: list[str]
    settings: Settings = DEFAULTS


class CheckpointScores(NamedTuple):
    """The samples of a checkpoint, scored and put to the gate.

    Attributes:
        reads: in the order of their steps, with their prompts.
        scores: of each.
        sample_set: all of them as they are compared.
        pairs: of them; members says which two are in each.
        snapshot: of them.
        halt_reason: why the gate halts on them; None if it does not.
    """

    reads: list[PromptedSample]
    scores: list[Scores]
    sample_set: SampleSet
    pairs: Pairs
    members: list[tuple[int, int]]
    snapshot: Snapshot
    halt_reason: str | None


def read_samples(
    paths: Sequence[str], kind: str | None = None, fields: Fields | None = None
) -> CheckpointSamples:
    """Read the samples of a checkpoint.

    Args:
        paths: files, folders, patterns or URLs; `-` is standard input.
        kind: the format of the samples, if their content does not tell.
        fields: where a row holds what.

    Raises:
        OSError: a file cannot be read.
        ValueError: there are no samples, or those of several runs.
    """
    fields = fields or Fields()
    runs = find_runs(paths, None, kind, fields)
    names = [run.name if len(runs) > 1 else None for run in runs]
    pieces = [
        Piece(Part(file.path), file.format, name)
        for run, name in zip(runs, names, strict=True)
        for file in run.samples
    ]
    problems = [Problems() for _ in pieces]
    reads = list(read_pieces(pieces, problems, fields))
    noted = Problems()
    for each in problems:
        noted += each
    _refuse(reads, paths[0], noted, fields)
    kinds = dict.fromkeys(by_key(piece.format).name for piece in pieces)
    samples = sorted((read.sample for read in reads), key=lambda sample: sample.step or 0)
    notes = [note for run in runs for note in run.notes]
    folder = runs[0].folder
    settings = folder.history[-1].settings if folder and folder.history else DEFAULTS
    if unusual := DEFAULTS.changes(settings):
        notes.append(f"settings of the run folder: {', '.join(unusual)}")
    notes += [f"samples read as {', '.join(kinds)}", *take_notes(noted)]
    return CheckpointSamples(samples, noted, notes, settings)


def _refuse(reads: Sequence[PromptedSample], path: str, noted: Problems, fields: Fields) -> None:
    """Raise an error if these are not the samples of one checkpoint."""
    if not reads:
        raise ValueError(f"{path}: no samples in it{noted.first_in_words}")
    runs = list(dict.fromkeys(read.run for read in reads))
    if len(runs) > 1:
        shown = ", ".join(repr(run) for run in runs[:2])
        raise ValueError(f"{path}: samples of {len(runs)} runs ({shown}, ...); expected one")
    if fields.group and not any(read.sample.group for read in reads):
        raise ValueError(f"{path}: no sample has {fields.group!r}, by which they were to be grouped")


def score_samples(
    samples: Sequence[Sample],
    fields: Fields | None = None,
    settings: Settings = DEFAULTS,
    prefixes: Sequence[str] | None = None,
    scorer: Scorer | None = None,
) -> CheckpointScores:
    """Score the samples of a checkpoint and put them to the gate.

    Args:
        samples: in the order of their steps; at least one.
        fields: where their rows held what.
        settings: the reference and the words to score with, and how to gate.
        prefixes: the prompts that texts begin with where no field tells them; None to look for them.
        scorer: what scores them, if not `score_many`.
    """
    fields = fields or Fields()
    told = [bool(sample.prompt) for sample in samples]
    if prefixes is None:
        prefixes = shared_prefixes(samples)
    reads = [with_prompt(sample, prefixes) for sample in samples]
    by, members = _pair(reads, fields)
    scores, between = _score(reads, members, settings, scorer)
    sample_set = SampleSet(
        np.array([each.values for each in scores], np.float64),
        [_state(each) for each in scores],
        [_hash(_prompt(read, fields)) for read in reads],
        [_group(read.sample, fields) for read in reads],
    )
    # A pair of which one is too short to judge tells nothing.
    told_apart = np.flatnonzero(~np.isnan(between)).tolist()
    members = [members[place] for place in told_apart]
    pairs = Pairs(
        between[told_apart],
        by,
        [sample_set.prompts[one] if by == "prompt" else "" for one, _ in members],
        [sample_set.groups[one] for one, _ in members],
    )
    found: Prompts = "found" if prefixes else "none"
    prompts: Prompts = "told" if all(told) else "some" if any(told) else found
    provenance = _provenance(settings, fields, prompts)
    snapshot = Snapshot.of(sample_set, pairs, provenance, prefixes)
    return CheckpointScores(
        reads, scores, sample_set, pairs, members, snapshot, _halt_reason(reads, scores, settings)
    )


def _pair(
    reads: Sequence[PromptedSample], fields: Fields
) -> tuple[Literal["prompt", "step"], list[tuple[int, int]]]:
    """Put the samples of one step and prompt together by twos; those of a step where few prompts have two."""
    groups: dict[Literal["prompt", "step"], defaultdict[object, list[int]]]
    groups = {"prompt": defaultdict(list), "step": defaultdict(list)}
    for place, read in enumerate(reads):
        if prompt := _prompt(read, fields):
            groups["prompt"][read.sample.step, prompt].append(place)
        groups["step"][read.sample.step].append(place)
    random = np.random.default_rng(SEED)
    for by, found in groups.items():
        # In no order: samples that take turns would always meet the same.
        mixed = [[places[n] for n in random.permutation(len(places))] for places in found.values()]
        pairs = [pair for places in mixed for pair in zip(places[::2], places[1::2], strict=False)]
        if by == "step" or 4 * len(pairs) >= len(reads):
            return by, pairs
    return "step", []


def _score(
    reads: Sequence[PromptedSample],
    members: Sequence[tuple[int, int]],
    settings: Settings,
    scorer: Scorer | None,
) -> tuple[list[Scores], NDArray[np.float64]]:
    """Score samples; those of a pair one after the other, so that they are compared with each other."""
    paired = [place for pair in members for place in pair]
    order = paired + sorted(set(range(len(reads))).difference(paired))
    groups = [2] * len(members) + [1] * (len(reads) - len(paired))
    texts = [reads[place].sample.text for place in order]
    columns = (scorer or score_many)(
        texts, [reads[place].prompt for place in order], settings.lexicon, settings.profile, groups
    )
    scores = list(scores_of(columns))
    return [scores[place] for place in np.argsort(order)], columns.between[: len(members)]


def _state(scores: Scores) -> str:
    return LOW if scores.low() else FINE if scores.scorable else SHORT


def _prompt(read: PromptedSample, fields: Fields) -> str | None:
    """Return the prompt of a sample, or its number where a row tells that."""
    return read.prompt if fields.group else read.sample.group or read.prompt


def _group(sample: Sample, fields: Fields) -> str:
    name = (sample.group if fields.group else sample.source) or ""
    return name if len(name) <= LONGEST_NAME else _hash(name)


def _hash(text: str | None) -> str:
    """Return what stands for a prompt in a snapshot, where nobody can read it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8] if text else ""


def _provenance(settings: Settings, fields: Fields, prompts: Prompts) -> Provenance:
    return Provenance(
        version=__version__,
        profile=profile_label(settings.profile),
        lexicon=lexicon_label(settings.lexicon),
        prompt_field=fields.prompt,
        group_by=fields.group,
        prompts=prompts,
    )


def _halt_reason(reads: Sequence[PromptedSample], scores: Sequence[Scores], settings: Settings) -> str | None:
    gate = Gate(*settings[:5])
    for place, (read, each) in enumerate(zip(reads, scores, strict=True)):
        step = read.sample.step
        gate.update(each, place if step is None else step, place)
    return None if gate.observe_only else gate.halt_reason
