"""Reads and scores the samples of a checkpoint, puts them to the gate, and prepares them for comparison.

Source: docs/ci.md.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import islice
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coherence.check.clusters import clusters
from coherence.check.other_tests import Halt, halt_of
from coherence.check.snapshot import (
    EMPTY,
    FINE,
    LOW,
    SHORT,
    TEMPLATED,
    Pairs,
    Provenance,
    SampleSet,
    Snapshot,
)
from coherence.check.statistics import SEED
from coherence.readers.find import find_runs
from coherence.readers.format import Fields
from coherence.readers.lines import Part, Problems
from coherence.readers.prompts import shared_prefixes
from coherence.readers.read import ENDED, Piece, PromptedSample, read_pieces, take_notes, with_prompt
from coherence.readers.recognise import by_key
from coherence.readers.records import Sample
from coherence.scoring.again import said_again
from coherence.scoring.batch import Scorer, score_many
from coherence.scoring.columns import scores_of
from coherence.scoring.ngrams import ngrams
from coherence.scoring.profile import Profile
from coherence.scoring.scores import Scores, share_again
from coherence.scoring.text import answer, clean, tokenize
from coherence.signals.settings import DEFAULTS, Settings, __version__, lexicon_label, profile_label

LONGEST_NAME = 40
"""Characters of the name of a group; a longer name is a text, and a snapshot holds its hash."""

AGAIN, NEAR_ENOUGH = 0.25, 1e-9
"""A sample is repetitive if this share of its tokens or more repeats itself; so near, tokens are compared."""

WORD, BEGINNING = re.compile(r"\w+"), 12
"""The words of the beginning of a sample."""

FEWEST_NEIGHBOURS = 20
"""Pairs of tokens that a sample needs for a measure of its word order."""

STATE_OF = {"fine": FINE, "low": LOW, "templated": TEMPLATED, "too short": SHORT, "empty": EMPTY}

Prompts = Literal["told", "some", "found", "alike", "none"]
Members = list[tuple[int, int]]


class CheckpointSamples(NamedTuple):
    """The samples of a checkpoint as they were read.

    Attributes:
        samples: in the order of their steps.
        problems: what could not be used.
        notes: what the reader should know about the data, in sentences.
        settings: those that the folder of the run states, or the usual ones.
    """

    samples: list[Sample]
    problems: Problems
    notes: list[str]
    settings: Settings = DEFAULTS


class PairsOf(NamedTuple):
    """Pairs of samples as they are compared, and the indices of the two samples of each."""

    pairs: Pairs
    members: list[tuple[int, int]]


class HowScored(NamedTuple):
    """How samples were scored: the arguments of `score_samples`."""

    fields: Fields
    settings: Settings
    prefixes: Sequence[str]
    scorer: Scorer | None


class CheckpointScores(NamedTuple):
    """The samples of a checkpoint, scored and put to the gate.

    Attributes:
        reads: the samples in the order of their steps, with their prompts.
        scores: of each sample.
        sample_set: all samples as they are compared.
        within, between: pairs of samples of one prompt, and of different prompts.
        snapshot: of the samples.
        halt: the gate that halts on them; None if it does not.
        how: how they were scored.
    """

    reads: list[PromptedSample]
    scores: list[Scores]
    sample_set: SampleSet
    within: PairsOf
    between: PairsOf
    snapshot: Snapshot
    halt: Halt | None
    how: HowScored

    @property
    def halt_reason(self) -> str | None:
        """Why the gate halts on the samples; None if it does not."""
        return self.halt.reason if self.halt else None

    def shortened(self, share: float) -> CheckpointScores:
        """Return the scores of the first part of each sample, a given share of its length."""
        cut = [each.sample._replace(text=_beginning(each, share)) for each in self.reads]
        return score_samples(cut, *self.how)


def read_samples(
    paths: Sequence[str], kind: str | None = None, fields: Fields | None = None
) -> CheckpointSamples:
    """Read the samples of a checkpoint.

    Args:
        paths: files, folders, patterns or URLs; `-` is standard input.
        kind: the format of the samples, if it cannot be detected.
        fields: the keys of a row.

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
        fields: the keys of their rows.
        settings: the reference profile and the word list, and the settings of the gate.
        prefixes: the prompts that texts may begin with if no key holds them; None to search for them.
        scorer: the function that scores them, if not `score_many`.
    """
    fields = fields or Fields()
    told = [bool(sample.prompt) for sample in samples]
    if prefixes is None:
        prefixes = shared_prefixes(samples)
    reads = [with_prompt(sample, prefixes) for sample in samples]
    names = [_prompt(read, fields) for read in reads]
    within, between = _within(reads, names), _between(reads, names)
    scores, diversity = _score(reads, within + between, settings, scorer)
    found: Prompts = "found" if prefixes else "none"
    prompts: Prompts = "told" if all(told) else "some" if any(told) else found
    groups = [_group(read.sample, fields) for read in reads]
    sample_set = _sample_set(reads, scores, names, groups, settings.profile or Profile.load())
    if not any(names) and (alike := _clusters(reads, sample_set)) is not None:
        prompts, sample_set = "alike", sample_set._replace(prompts=alike)
    one = _pairs(sample_set, within, diversity[: len(within)])
    different = _pairs(sample_set, between, diversity[len(within) :])
    halt = halt_of(reads, scores, settings)
    why = halt.reason if halt else None
    made = _provenance(settings, fields, prompts)
    kept = Snapshot.of(sample_set, one.pairs, different.pairs, made, prefixes, _digest(reads), why)
    how = HowScored(fields, settings, prefixes, scorer)
    return CheckpointScores(reads, scores, sample_set, one, different, kept, halt, how)


def _beginning(read: PromptedSample, share: float) -> str:
    """Return the beginning of a sample in whole words; a prompt at its beginning does not count."""
    text, prompt = read.sample.text, read.prompt or ""
    start = len(prompt) if text.startswith(prompt) else 0
    end = start + math.ceil(share * (len(text) - start))
    whole = text.rfind(" ", start, end + 1)
    return text[: whole if whole > start else end]


def _within(reads: Sequence[PromptedSample], names: Sequence[str | None]) -> Members:
    """Pair the samples of one step and prompt; none if few samples belong to such a pair."""
    groups = defaultdict(list)
    for place, (read, name) in enumerate(zip(reads, names, strict=True)):
        if name:
            groups[read.sample.step, name].append(place)
    pairs = _by_twos(list(groups.values()))
    return pairs if 4 * len(pairs) >= len(reads) else []


def _between(reads: Sequence[PromptedSample], names: Sequence[str | None]) -> Members:
    """Pair the samples of one step, of different prompts if there are several.

    Each prompt is paired with the same other one in any order of the dump, so that the comparison can be
    stratified by the two prompts.
    """
    steps: defaultdict[object, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for place, (read, name) in enumerate(zip(reads, names, strict=True)):
        steps[read.sample.step][name or ""].append(place)
    pairs: Members = []
    for prompts in steps.values():
        unknown = prompts.pop("", [])
        mixed = _mixed([prompts[name] for name in sorted(prompts)])
        for one, other in zip(mixed[::2], mixed[1::2], strict=False):
            pairs += zip(one, other, strict=False)
        pairs += _by_twos([unknown])
    return pairs


def _mixed(groups: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the groups shuffled: otherwise samples that take turns would always meet the same ones."""
    random = np.random.default_rng(SEED)
    return [[places[n] for n in random.permutation(len(places))] for places in groups]


def _by_twos(groups: Sequence[Sequence[int]]) -> Members:
    return [pair for places in _mixed(groups) for pair in zip(places[::2], places[1::2], strict=False)]


def _score(
    reads: Sequence[PromptedSample], members: Members, settings: Settings, scorer: Scorer | None
) -> tuple[list[Scores], NDArray[np.float64]]:
    """Score samples, with those of a pair next to each other, so that they are compared."""
    paired = [place for pair in members for place in pair]
    order = paired + sorted(set(range(len(reads))).difference(paired))
    groups = [2] * len(members) + [1] * (len(order) - len(paired))
    columns = (scorer or score_many)(
        [reads[place].sample.text for place in order],
        [reads[place].prompt for place in order],
        settings.lexicon,
        settings.profile,
        groups,
    )
    scores = dict(zip(order, scores_of(columns), strict=True))
    return [scores[place] for place in range(len(reads))], columns.between[: len(members)]


def _clusters(reads: Sequence[PromptedSample], samples: SampleSet) -> list[str] | None:
    """Return a name for each prompt to which samples look like answers; None if they have collapsed.

    Loops are alike, and are not answers to one prompt.
    """
    rows = [(read.sample.file, read.sample.line) for read in reads]
    if 2 * len(set(rows)) <= len(rows):  # several texts of a row are answers to the same prompt
        return [_hash(f"~{row}") for row in rows]
    bad = samples.again | np.isin(np.array(list(samples.states), "U1"), (LOW, EMPTY))
    texts = ["" if each else read.sample.text for each, read in zip(bad.tolist(), reads, strict=True)]
    found = clusters(texts)
    return None if found is None else [_hash(f"~{number}") for number in found]


def _sample_set(
    reads: Sequence[PromptedSample],
    scores: Sequence[Scores],
    names: Sequence[str | None],
    groups: Sequence[str],
    profile: Profile,
) -> SampleSet:
    again = [_says_again(read, each, profile) for read, each in zip(reads, scores, strict=True)]
    return SampleSet(
        np.array([each.values for each in scores], np.float64).reshape(-1, 4),
        np.array([_points_of_order(each) for each in scores]),
        np.array([each.tokens for each in scores], np.int64),
        [STATE_OF[each.kind()] for each in scores],
        np.array(again, bool),
        np.array([_is_cut_off(read.sample) for read in reads], bool),
        _beginnings(reads, scores),
        [_hash(name) for name in names],
        groups,
    )


def _pairs(samples: SampleSet, members: Members, diversity: NDArray[np.float64]) -> PairsOf:
    # A pair with a sample that is too short to judge has no value.
    places = np.flatnonzero(~np.isnan(diversity)).tolist()
    members = [members[place] for place in places]
    prompts = ["".join(sorted({samples.prompts[one], samples.prompts[two]})) for one, two in members]
    return PairsOf(Pairs(diversity[places], prompts, [samples.groups[one] for one, _ in members]), members)


def _points_of_order(scores: Scores) -> float:
    """Return the word order of a sample in points: 100 is about as ordered as English."""
    order = scores.order
    return order.surplus / 10 / order.pairs if order and order.pairs >= FEWEST_NEIGHBOURS else np.nan


def _says_again(read: PromptedSample, scores: Scores, profile: Profile) -> bool:
    """Tell whether a quarter or more of a sample repeats itself."""
    # All scores are multiplied by the share that is not repeated.
    if not scores.scorable or any(value is not None and value > 100 * (1 - AGAIN) for value in scores.values):
        return False
    cleaned = clean(read.sample.text, read.prompt)
    tokens = tokenize(cleaned)
    about = None if scores.bigram is None else share_again(scores.bigram, tokens, profile)
    if about is not None and abs(about - AGAIN) > NEAR_ENOUGH:
        return about > AGAIN
    return said_again(cleaned, tokens, len(ngrams(tokens, 3))) >= AGAIN


def _beginnings(reads: Sequence[PromptedSample], scores: Sequence[Scores]) -> NDArray[np.int64]:
    """Number the beginnings of samples in the order of their hashes; 0 for one that no other sample has.

    Samples that are too short to judge have none.
    """
    found = []
    for read, each in zip(reads, scores, strict=True):
        words = islice(WORD.finditer(answer(read.sample.text, read.prompt)), BEGINNING)
        beginning = " ".join(word[0].casefold() for word in words)
        found.append(_hash(beginning) if STATE_OF[each.kind()] not in (SHORT, EMPTY) else "")
    times = Counter(found)
    shared = sorted(name for name, count in times.items() if name and count > 1)
    numbers = {name: number for number, name in enumerate(shared, 1)}
    return np.array([numbers.get(name, 0) for name in found], np.int64)


def _is_cut_off(sample: Sample) -> bool:
    """Tell whether a sample ends in the middle: by the server's reason, else by its last character."""
    if sample.finish_reason is not None:
        return ENDED.get(sample.finish_reason) == "length"
    last = sample.text.rstrip()[-1:]
    return last.isalnum() or last == ","


def _prompt(read: PromptedSample, fields: Fields) -> str | None:
    """Return the prompt of a sample, or its number if a row has that."""
    return read.prompt if fields.group else read.sample.group or read.prompt


def _group(sample: Sample, fields: Fields) -> str:
    name = (sample.group if fields.group else sample.source) or ""
    return name if len(name) <= LONGEST_NAME else _hash(name)


def _hash(text: str | None) -> str:
    """Return a hash to represent a prompt in a snapshot, where nobody can read it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8] if text else ""


def _digest(reads: Sequence[PromptedSample]) -> str:
    """Return a hash that is the same for the same samples in any order."""
    texts = sorted(f"{_hash(read.prompt)}{_hash(read.sample.text)}" for read in reads)
    return hashlib.sha256("".join(texts).encode()).hexdigest()[:16]


def _provenance(settings: Settings, fields: Fields, prompts: Prompts) -> Provenance:
    return Provenance(
        version=__version__,
        profile=profile_label(settings.profile),
        lexicon=lexicon_label(settings.lexicon),
        prompt_field=fields.prompt,
        group_by=fields.group,
        prompts=prompts,
    )
