"""What `coherence check` does, once its options are read."""

import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import TextIO

from rich.console import Console

from coherence.check.compare import Limits
from coherence.check.conduct import check, profile_notes, score_checkpoint
from coherence.check.history import succeed
from coherence.check.samples import CheckpointScores
from coherence.check.snapshot import Snapshot
from coherence.check.statistics import FEWEST
from coherence.check.verdict import Check, check_scores
from coherence.cli.fields import fields_of
from coherence.escape import on_github
from coherence.readers.format import Fields
from coherence.scoring.profile import Profile
from coherence.show.ci import github, gitlab, junit
from coherence.show.console import as_line, console
from coherence.show.markdown import markdown
from coherence.show.output import check_targets, write, write_json
from coherence.show.terminal import show_problems
from coherence.show.terminal_check import show_check

STATUS = {"pass": 0, "inconclusive": 0, "fail": 1, "too few": 2}


def run(options: Namespace) -> int:
    """Compare the samples of a checkpoint with a snapshot, or make one."""
    if options.snapshot is None:
        raise ValueError("--snapshot FILE is missing: what to compare with; --update makes one")
    written = [options.json, options.junit, options.gitlab, options.markdown]
    check_targets(*written, options.snapshot if options.update else None)
    chosen = {name: value for name in Limits._fields if (value := getattr(options, name, None)) is not None}
    limits = Limits(**chosen).checked()
    fields = fields_of(options)
    profile = None if options.profile is None else Profile.load(options.profile)
    if options.update:
        return _update(options, limits, fields, profile)
    if not Path(options.snapshot).exists():
        raise ValueError(f"{options.snapshot}: no such snapshot; --update makes one")
    found = check(
        *options.paths,
        snapshot=options.snapshot,
        limits=limits,
        fields=fields,
        profile=profile,
        format=options.format,
    )
    annotated = options.github or on_github()
    show_check(found, console(tame=annotated))
    if options.junit is not None:
        write(options.junit, junit(found).rstrip())
    if options.gitlab is not None:
        write_json(options.gitlab, gitlab(found, os.environ.get("CI_PROJECT_DIR")))
    if options.markdown is not None:
        write(options.markdown, markdown(found).rstrip())
    if annotated:
        _annotate(found, sys.stderr if "-" in written else sys.stdout)
    if options.json is not None:
        write_json(options.json, found.to_json(indent=2))
    return STATUS[found.verdict]


def _annotate(found: Check, stream: TextIO) -> None:
    for line in github(found, os.environ.get("GITHUB_WORKSPACE")):
        print(line, file=stream)
    stream.flush()
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(markdown(found))


def _update(options: Namespace, limits: Limits, fields: Fields, profile: Profile | None) -> int:
    """Write the snapshot anew and say what changed."""
    written = ("json", "junit", "gitlab", "markdown")
    if told := [f"--{name}" for name in written if getattr(options, name) is not None]:
        raise ValueError(f"--update makes a snapshot and checks nothing; leave out {' and '.join(told)}")
    checkpoint, scored = score_checkpoint(options.paths, fields, profile, options.format)
    screen, target, taken = console(), Path(options.snapshot), scored.snapshot
    if target.exists():
        taken = _shown_changes(options.snapshot, scored, limits, screen)
    taken.save(target)
    screen.print(as_line(f"wrote {target}: {scored.snapshot.drawn:,} samples"))
    if scored.halt_reason is not None:
        screen.print(
            as_line(f"the gate halts on these samples, and will on all like them: {scored.halt_reason}")
        )
        for note in profile_notes(scored):
            screen.print(as_line(note))
    if scored.snapshot.drawn < FEWEST:
        screen.print(as_line(f"too few to compare anything with; {FEWEST} at least, better 200"))
    show_problems(checkpoint.problems.count, checkpoint.problems.listed, screen)
    return STATUS["pass"]


def _shown_changes(path: str, scored: CheckpointScores, limits: Limits, screen: Console) -> Snapshot:
    """Show what the new snapshot changes, and return it, with the figures of the one before it."""
    try:
        old = Snapshot.load(path)
    except ValueError as error:
        screen.print(as_line(f"in the place of what could not be read: {error}"))
        return scored.snapshot
    if differences := scored.snapshot.made.differences(old.made):
        screen.print(as_line(f"other settings than before: {'; '.join(differences)}"))
    elif old.samples == scored.snapshot.samples:
        screen.print("nothing changed")
    else:
        show_check(check_scores(old, scored, limits, path), screen)
    return succeed(scored.snapshot, old)
