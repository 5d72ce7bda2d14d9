"""Runs a check: samples are read and scored, and compared with a snapshot.

Source: docs/ci.md.
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path

from coherence.check.compare import Limits
from coherence.check.history import succeed
from coherence.check.samples import CheckpointSamples, CheckpointScores, read_samples, score_samples
from coherence.check.snapshot import FINE, Snapshot
from coherence.check.texts import keep_texts as with_texts
from coherence.check.verdict import Check, check_scores
from coherence.readers.format import Fields, no_step
from coherence.scoring.profile import Profile
from coherence.signals.fitting import LOOKED_AT, fitting_note

PIPELINES = ("CI", "GITHUB_ACTIONS", "GITLAB_CI")
"""Environment variables that a pipeline sets."""


def check(
    *paths: str | Path,
    snapshot: str | Path,
    limits: Limits | None = None,
    fields: Fields | None = None,
    profile: Profile | str | None = None,
    format: str | None = None,  # noqa: A002 - as the option of the command
) -> Check:
    r"""Compare the samples of a checkpoint with a snapshot of an earlier one.

    Args:
        paths: files, folders, patterns or URLs; `-` is standard input.
        snapshot: the file of the snapshot; `take_snapshot` makes one.
        limits: when a comparison fails.
        fields: the keys of the prompt and of the group, if not the usual ones.
        profile: the reference to score against, or its name; by default that of the run folder, or broad
            English.
        format: of the samples, if it cannot be detected.

    Raises:
        OSError: a file cannot be read.
        ValueError: there are no samples, or they were not scored like those of the snapshot.

    >>> import json, tempfile
    >>> def dump(path, text):
    ...     _ = path.write_text("\n".join(json.dumps({"text": f"{n} {text}"}) for n in range(40)))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     samples, good = Path(folder, "samples.jsonl"), Path(folder, "good.json")
    ...     dump(samples, "The rain stopped at noon, so Ann took her bag and walked along the river to mill")
    ...     take_snapshot(samples).save(good)
    ...     dump(samples, "Budy " * 20)
    ...     found = check(samples, snapshot=good)
    >>> found.verdict, found.halt
    ('fail', True)
    """
    limits, before = (limits or Limits()).checked(), Snapshot.load(snapshot)
    checkpoint, scored = score_checkpoint(paths, fields, profile, format, before.prefixes)
    notes = [*(profile_notes(scored) if _few_are_fine(before) else ()), *checkpoint.notes]
    return check_scores(before, scored, limits, str(snapshot), notes, checkpoint.problems)


def compare_dumps(
    before: str | Path,
    now: str | Path,
    limits: Limits | None = None,
    fields: Fields | None = None,
    profile: Profile | str | None = None,
    format: str | None = None,  # noqa: A002 - as the option of the command
) -> Check:
    r"""Compare the samples of two checkpoints like `check`, without a snapshot.

    Args:
        before: the samples of the earlier checkpoint: a file, folder, pattern or URL.
        now: those of the later one.
        limits: when a comparison fails.
        fields: the keys of a row.
        profile: the reference to score against, or its name; by default that of the run folder, or broad
            English.
        format: of the samples, if it cannot be detected.

    Raises:
        OSError: a file cannot be read.
        ValueError: there are no samples, or the two sides were scored differently.

    >>> import json, tempfile
    >>> def dump(path, text):
    ...     _ = path.write_text("\n".join(json.dumps({"text": f"{n} {text}"}) for n in range(40)))
    ...     return path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     one = dump(Path(folder, "one.jsonl"), "men saw the rain stop at noon and walked along the river")
    ...     found = compare_dumps(one, dump(Path(folder, "two.jsonl"), "Budy " * 20))
    >>> found.verdict, found.pairs[0].before.text[:12], found.pairs[0].now.text[:11]
    ('fail', '19 men saw t', '0 Budy Budy')
    """
    limits = (limits or Limits()).checked()
    earlier, old = score_checkpoint([before], fields, profile, format)
    later, new = score_checkpoint([now], fields, profile, format, old.snapshot.prefixes)
    if differences := new.snapshot.made.differences(old.snapshot.made):
        raise ValueError(f"{now}: other settings than {before}: {'; '.join(differences)}")
    notes = list(dict.fromkeys([*earlier.notes, *later.notes]))
    problems = earlier.problems
    problems += later.problems
    return check_scores(with_texts(old, len(old.reads)), new, limits, str(before), notes, problems)


def take_snapshot(
    *paths: str | Path,
    fields: Fields | None = None,
    profile: Profile | str | None = None,
    format: str | None = None,  # noqa: A002 - as the option of the command
    keep_texts: int = 0,
) -> Snapshot:
    """Return a snapshot of the samples of a checkpoint; its method `save` writes it.

    Args:
        paths: as for `check`, like all arguments except the last.
        fields: the keys of a row.
        profile: the reference to score against.
        format: of the samples.
        keep_texts: how many texts the snapshot holds, to show them when a check fails.
    """
    return with_texts(score_checkpoint(paths, fields, profile, format)[1], keep_texts)


def renewed(
    scored: CheckpointScores, old: Snapshot | None, fails: bool, keep_texts: int | None = None
) -> Snapshot:
    """Return the snapshot of samples that replaces another one.

    Args:
        scored: the samples.
        old: the snapshot that is replaced, if there is one.
        fails: whether a check fails against it, regardless of older ones. Its figures are then forgotten:
            anyone who accepts a failure does not want it compared with the old one again.
        keep_texts: how many texts the new one holds; None for as many as the old one.
    """
    if keep_texts is None:
        keep_texts = len(old.texts) if old is not None else 0
    taken = with_texts(scored, keep_texts)
    return taken if old is None or fails else succeed(taken, old)


def in_pipeline() -> bool:
    """Tell whether this runs in a pipeline, where nobody reviews a snapshot before it is used."""
    return any(os.environ.get(name, "").lower() not in ("", "0", "false") for name in PIPELINES)


def score_checkpoint(
    paths: Sequence[str | Path],
    fields: Fields | None = None,
    profile: Profile | str | None = None,
    format: str | None = None,  # noqa: A002 - as the option of the command
    prefixes: Sequence[str] | None = None,
) -> tuple[CheckpointSamples, CheckpointScores]:
    """Read the samples of a checkpoint and score them; arguments as for `check`."""
    checkpoint = read_samples(list(map(str, paths)), format, fields)
    if fields and fields.step and all(sample.step is None for sample in checkpoint.samples):
        raise ValueError(no_step(fields.step, str(paths[0])))
    settings = checkpoint.settings
    if profile is not None:
        settings = settings._replace(profile=Profile.load(profile))
    return checkpoint, score_samples(checkpoint.samples, fields, settings, prefixes)


def profile_notes(scored: CheckpointScores) -> list[str]:
    """Return a note on the profile that samples need if few are fine, though the model may be healthy.

    Empty if most are fine, or if no profile fits and the gate does not halt.
    """
    if not _few_are_fine(scored.snapshot):
        return []
    reads, settings = scored.reads, scored.how.settings
    looked_at = reads[:: math.ceil(len(reads) / LOOKED_AT)]
    fitting = fitting_note([(read.sample.text, read.prompt) for read in looked_at], settings)
    usual = (
        "few samples are fine, and none of the profiles that come with coherence fits them; if the model "
        "writes what it should, measure a profile of such text: coherence calibrate"
    )
    return [fitting] if fitting else [usual] * (scored.halt_reason is not None)


def _few_are_fine(snapshot: Snapshot) -> bool:
    states = snapshot.samples.states
    return 2 * states.count(FINE) <= len(states)
