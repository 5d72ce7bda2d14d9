"""The plan of an audit: its files, their shards, and how they are scored and judged.

Source: docs/report.md, "Large dumps".
"""

from collections.abc import Sequence
from importlib.util import find_spec
from itertools import islice
from typing import Any, NamedTuple

from coherence.audit.shard import ScoringSettings, Shard
from coherence.lazy import needs
from coherence.readers import storage
from coherence.readers.find import RunFiles, find_runs
from coherence.readers.folders import File
from coherence.readers.format import USUAL, Fields
from coherence.readers.lines import Part, Problems
from coherence.readers.prompts import shared_prefixes
from coherence.readers.read import Piece, read_pieces
from coherence.readers.recognise import by_key
from coherence.scoring.profile import Profile
from coherence.signals.settings import DEFAULTS, Settings, in_words, lexicon_label, profile_label

SHARD = 8 * 2**20
"""Bytes of a shard, as stored; more in a very large dump, so that there are not too many shards."""

SHARDS = 10_000

LOOKED_AT = 1000
"""Samples that are searched for prompts at the beginning of their texts."""


class Options:
    """How to audit: what the user chose, before what the run's folder states, before the defaults.

    Args:
        seconds_per_step: turns steps into time if samples have no times.
        chosen: settings by their names in `Settings`; None counts as not chosen. A profile may be
            named, as for `Profile.load`.

    >>> Options(patience=3).over(Settings(warmup=100))[:4]
    (30.0, 3, None, 100)
    """

    def __init__(self, seconds_per_step: float | None = None, **chosen: Any) -> None:
        self.seconds_per_step = seconds_per_step
        self.chosen = {name: value for name, value in chosen.items() if value is not None}
        if "profile" in self.chosen:
            self.chosen["profile"] = Profile.load(self.chosen["profile"])
        DEFAULTS._replace(**self.chosen)  # an unknown name is refused at once

    def over(self, settings: Settings) -> Settings:
        """Return settings with the chosen values in place."""
        return settings._replace(**self.chosen)


class Request(NamedTuple):
    """What to audit, and how.

    Attributes:
        paths: files, folders, patterns or URLs; `-` is standard input.
        loss: where the losses are, if not next to or inside the samples.
        format: of the samples, if it cannot be detected.
        fields: the keys of the rows, if not the usual ones.
        options: of the audit.
        scored: where the scored samples go, `.jsonl` or `.parquet`.
    """

    paths: Sequence[str]
    loss: str | None = None
    format: str | None = None
    fields: Fields = USUAL
    options: Options = Options()
    scored: str | None = None


class Job(NamedTuple):
    """A dump that is prepared for scoring.

    Attributes:
        runs: its files.
        shards: the pieces they are cut into.
        settings: how to score them.
        notes: what was chosen, for the report.
    """

    runs: list[RunFiles]
    shards: list[Shard]
    settings: ScoringSettings
    notes: tuple[str, ...] = ()


def prepare(request: Request, shard: int = SHARD) -> Job:
    """Find the files of a dump and cut them into shards of about `shard` bytes.

    Raises:
        OSError: a file cannot be read.
        ValueError: there are no samples, or a file does not have the format that was detected.
    """
    if request.scored is not None:
        _check_target(request.scored)
    runs = find_runs(request.paths, request.loss, request.format, request.fields)
    base, notes = yardstick(runs)
    chosen = request.options.over(base)
    anew = not {"lexicon", "profile"}.isdisjoint(request.options.chosen)
    settings = ScoringSettings((), request.fields, chosen.lexicon, chosen.profile, anew)
    shards = cut(runs, shard)
    settings = settings._replace(prefixes=_prompts_of(shards, settings))
    return Job(runs, shards, settings, (*notes, *_chosen_notes(runs, request.options)))


def _check_target(target: str) -> None:
    """Refuse a file to which scored samples cannot be written, before anything is scored.

    Raises:
        ValueError: its name ends neither in `.jsonl` nor in `.parquet`, or an extra is missing.
    """
    if not (target.endswith(".jsonl") or is_parquet(target)):
        raise ValueError(f"{target}: scored samples are written as .jsonl or .parquet")
    if is_parquet(target) and find_spec("pyarrow") is None:
        raise ValueError(f"{target}: parquet {needs('pyarrow', 'parquet')}")


def is_parquet(target: str) -> bool:
    """Tell whether scored samples are written to a target as Parquet."""
    return target.endswith(".parquet")


def yardstick(runs: Sequence[RunFiles]) -> tuple[Settings, list[str]]:
    """Return the settings with which all runs were last judged, or else the usual ones with a note."""
    stated = [
        run.folder.history[-1].settings if run.folder and run.folder.history else DEFAULTS for run in runs
    ]
    first = stated[0]
    if all(each.named() == first.named() for each in stated):
        return first, []
    labels = {(lexicon_label(each.lexicon), profile_label(each.profile)) for each in stated}
    if len(labels) == 1:
        return DEFAULTS._replace(lexicon=first.lexicon, profile=first.profile), []
    return DEFAULTS, [
        "the runs were judged against different profiles, so that their scores do not compare; "
        "--profile scores all alike"
    ]


def _chosen_notes(runs: Sequence[RunFiles], options: Options) -> list[str]:
    """Return notes on the settings from the run folder, and on those that were chosen instead."""
    stated = [run.folder.history[-1].settings for run in runs if run.folder and run.folder.history]
    if not stated:
        return []
    if len(runs) > 1:
        return ["the settings of each run are those that its folder states"]
    (settings,) = stated
    usual = DEFAULTS.named()
    unusual = [name for name, value in settings.named().items() if value != usual[name]]
    own = [name for name in unusual if name not in options.chosen]
    changes = settings.changes(options.over(settings))
    what = "settings" if {"lexicon", "profile"}.intersection(options.chosen) else "scores and settings"
    notes = [f"{what} of the run folder: {in_words(own, settings) or 'the usual ones'}"]
    return notes + ([f"chosen instead of the run folder's settings: {', '.join(changes)}"] if changes else [])


def cut(runs: Sequence[RunFiles], shard: int) -> list[Shard]:
    """Return shards of about `shard` bytes: stretches of a large file, or several small files.

    Raises:
        OSError: a file cannot be read.
        ValueError: a file does not have the format that was detected, or an extra is missing.
    """
    several = len(runs) > 1
    sizes = {file.path: storage.size(file.path) for run in runs for file in run.samples}
    size = max(shard, sum(sizes.values()) // SHARDS)
    shards: list[Shard] = []
    pieces: list[Piece] = []
    held = 0
    for run in runs:
        for file in run.samples:
            for part in _parts(file, size, sizes[file.path]):
                weight = sizes[file.path] if part.end is None else size
                if pieces and held + weight > size:
                    shards.append(Shard(len(shards), tuple(pieces)))
                    pieces, held = [], 0
                pieces.append(Piece(part, file.format, run.name if several else None))
                held += weight
    return [*shards, Shard(len(shards), tuple(pieces))] if pieces else shards


def _parts(file: File, size: int, stored: int) -> list[Part]:
    way = by_key(file.format).cut
    return [Part(file.path)] if way is None or stored <= size else way.parts(file.path, size)


def _prompts_of(shards: Sequence[Shard], settings: ScoringSettings) -> tuple[str, ...]:
    """Return the prompts with which the texts of a dump begin if no key holds the prompt."""
    pieces = [piece for shard in shards for piece in shard.pieces]
    reads = read_pieces(pieces, [Problems() for _ in pieces], settings.fields)
    return shared_prefixes(read.sample for read in islice(reads, LOOKED_AT))
