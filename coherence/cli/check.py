"""What `coherence check` does, once its options are read."""

import os
import sys
from argparse import Namespace
from importlib import import_module
from pathlib import Path
from typing import TextIO

from rich.console import Console

from coherence.check.compare import Limits
from coherence.check.conduct import check, in_pipeline, profile_notes, renewed, score_checkpoint
from coherence.check.samples import CheckpointScores
from coherence.check.snapshot import Snapshot, is_snapshot
from coherence.check.statistics import FEWEST
from coherence.check.verdict import Check, check_scores
from coherence.cli.named import check_outputs, fields_of
from coherence.escape import on_github
from coherence.readers.format import Fields
from coherence.scoring.profile import Profile
from coherence.show.console import as_line, console
from coherence.show.output import write, write_json
from coherence.show.terminal import show_problems
from coherence.show.terminal_check import show_check

WRITTEN = ("json", "junit", "gitlab", "markdown", "html")
"""The options that write what a check found."""

STATUS = {"pass": 0, "inconclusive": 0, "fail": 1, "too few": 2}


def run(options: Namespace) -> int:
    """Compare the samples of a checkpoint with a snapshot, or make one."""
    if options.snapshot is None:
        raise ValueError("--snapshot FILE is missing: what to compare with; --update makes one")
    check_outputs(options)
    limits = limits_of(options)
    fields = fields_of(options)
    profile = None if options.profile is None else Profile.load(options.profile)
    if options.update:
        return _update(options, limits, fields, profile)
    if options.keep_texts is not None:
        raise ValueError("--keep-texts is for the snapshot that --update writes")
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
        write(options.junit, import_module("coherence.show.ci").junit(found).rstrip())
    if options.gitlab is not None:
        told = import_module("coherence.show.ci").gitlab(found, os.environ.get("CI_PROJECT_DIR"))
        write_json(options.gitlab, told)
    if options.markdown is not None:
        write(options.markdown, import_module("coherence.show.markdown").markdown(found).rstrip())
    if annotated:
        taken = "-" in [getattr(options, name) for name in WRITTEN]
        _annotate(found, sys.stderr if taken else sys.stdout)
    write_out(found, options.json, options.html, ", ".join(options.paths))
    return STATUS[found.verdict]


def limits_of(options: Namespace) -> Limits:
    """Return the limits that options set; those not given are the usual ones.

    Raises:
        ValueError: one of them is out of range.
    """
    chosen = {name: value for name in Limits._fields if (value := getattr(options, name)) is not None}
    return Limits(**chosen).checked()


def write_out(found: Check, json: str | None, html: str | None, name: str) -> None:
    """Write a check where it was asked for.

    Args:
        found: the check.
        json: where it goes as JSON; `-` is standard output.
        html: where it goes as a page.
        name: of the samples.
    """
    if json is not None:
        write_json(json, found.to_json(indent=2))
    if html is not None:
        write(html, import_module("coherence.show.page.check_page").check_page(found, name))


def _annotate(found: Check, stream: TextIO) -> None:
    for line in import_module("coherence.show.ci").github(found, os.environ.get("GITHUB_WORKSPACE")):
        print(line, file=stream)
    stream.flush()
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(import_module("coherence.show.markdown").markdown(found))


def _update(options: Namespace, limits: Limits, fields: Fields, profile: Profile | None) -> int:
    """Say what the new snapshot changes, and write it."""
    if told := [f"--{name}" for name in WRITTEN if getattr(options, name) is not None]:
        raise ValueError(f"--update makes a snapshot and checks nothing; leave out {' and '.join(told)}")
    if (options.keep_texts or 0) < 0:
        raise ValueError(f"--keep-texts {options.keep_texts}; expected a number of texts, 0 or more")
    screen, target = console(), Path(options.snapshot)
    old = _load_old(target, screen) if target.exists() else None
    checkpoint, scored = score_checkpoint(options.paths, fields, profile, options.format)
    fails = old is not None and _shown_to_fail(old, scored, limits, options.snapshot, screen)
    if in_pipeline() and not options.yes:
        raise ValueError(
            f"{target}: not written: in a pipeline, where nobody looks at what changes, --update needs --yes"
        )
    taken = renewed(scored, old, fails, options.keep_texts)
    taken.save(target)
    texts = f", {len(taken.texts):,} texts" if taken.texts else ""
    screen.print(as_line(f"wrote {target}: {taken.drawn:,} samples{texts}"))
    if taken.halt_reason is not None:
        screen.print(
            as_line(f"the gate halts on these samples, and will on all like them: {taken.halt_reason}")
        )
        for note in profile_notes(scored):
            screen.print(as_line(note))
    if taken.drawn < FEWEST:
        screen.print(as_line(f"too few to compare anything with; {FEWEST} at least, better 200"))
    show_problems(checkpoint.problems.count, checkpoint.problems.listed, screen)
    return STATUS["pass"]


def _load_old(path: Path, screen: Console) -> Snapshot | None:
    try:
        return Snapshot.load(path)
    except ValueError as error:
        if not is_snapshot(path):
            raise ValueError(
                f"{error}; --update does not replace it: delete it, or give another file"
            ) from None
        screen.print(as_line(f"in the place of what could not be read: {error}"))
        return None


def _shown_to_fail(
    old: Snapshot, scored: CheckpointScores, limits: Limits, path: str, screen: Console
) -> bool:
    """Show what changes with the new snapshot, and return whether a check against the old one fails."""
    if differences := scored.snapshot.made.differences(old.made):
        screen.print(as_line(f"other settings than before: {'; '.join(differences)}"))
    elif old.samples == scored.snapshot.samples:
        screen.print("nothing changed")
    else:
        found = check_scores(old, scored, limits, path)
        show_check(found, screen)
        return found.fails_by_itself
    return False
