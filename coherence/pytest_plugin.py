"""The work of the fixture `coherence_check`; `pytest_coherence` imports it when a test asks for it.

Source: docs/ci.md, "In pytest".
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from coherence.check.causes import headline
from coherence.check.compare import Limits
from coherence.check.conduct import in_pipeline, profile_notes, renewed
from coherence.check.samples import CheckpointScores, score_samples
from coherence.check.snapshot import Snapshot
from coherence.check.statistics import FEWEST
from coherence.check.verdict import Check, check_scores
from coherence.readers.objects.rows import to_sample
from coherence.readers.records import Sample
from coherence.scoring.profile import Profile
from coherence.show.check_words import evidence, excerpt, reasons, remarks, where
from coherence.show.output import write
from coherence.show.page.check_page import check_page
from coherence.signals.project import Given, find_settings, name_origin
from coherence.signals.settings import Settings

FOLDER = "coherence_snapshots"

Row = str | Mapping[str, Any]
"""A text, or a row like those in a file of samples."""


class Session(NamedTuple):
    """The snapshots that any worker of xdist has written since pytest was started.

    A test that is run again in the same session must not pass because its first run wrote the snapshot.

    Attributes:
        folder: the folder of this session, the same for all workers.
        name: the name of the session.
    """

    folder: Path
    name: str

    def begin(self, target: Path) -> bool:
        """Note that a snapshot is being written; return whether it is the first time."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._note(target).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def end(self, target: Path, message: str) -> None:
        """Note the message about it."""
        self._note(target).write_text(message, encoding="utf-8", errors="surrogatepass")

    def forget(self, target: Path) -> None:
        """Remove the note."""
        self._note(target).unlink(missing_ok=True)

    def said(self, target: Path) -> str | None:
        """Return the message from when a snapshot was written; None if it was not written."""
        try:
            message = self._note(target).read_text(encoding="utf-8", errors="surrogatepass")
        except FileNotFoundError:
            return None
        return message or f"{_from_here(target)} was written in this session; run again"

    def _note(self, target: Path) -> Path:
        return self.folder / hashlib.sha256(f"{self.name}\n{os.path.realpath(target)}".encode()).hexdigest()


class Checker(NamedTuple):
    """Compares samples with the snapshot next to a test file.

    Attributes:
        path: the path of the test file.
        test: the name of the test, and of a snapshot without another name.
        node: the full name of the test, after which its page is named.
        ini: settings in the ini file, unparsed.
        update: rewrite the snapshot, and fail.
        yes: write snapshots in a pipeline too.
        pages: the folder for a page of each check that fails.
        session: which snapshots were written.
        tell: takes a remark about a test that passes.
    """

    path: Path
    test: str
    node: str
    ini: Mapping[str, str | None]
    update: bool
    yes: bool
    pages: Path | None
    session: Session
    tell: Callable[[str], None]

    def __repr__(self) -> str:
        """Return what pytest shows of it in a failure, short enough not to take an extra line."""
        return f"<coherence_check of {self.test}>"

    def __call__(
        self,
        samples: Iterable[Row],
        name: str | None = None,
        profile: str | Path | None = None,
        tolerance: float | None = None,
        level: float | None = None,
        observe: bool | None = None,
    ) -> Check:
        """Fail the test if the samples are worse than the snapshot; else return the check.

        If there is no snapshot, one is written and the test fails, so that someone reviews it. It also
        fails if something is wrong with an argument, a setting or a file.

        Args:
            samples: texts, or rows with `text`, and perhaps `prompt` and `source`, as in a file of samples.
            name: the name of the snapshot: letters, digits, `.`, `-` and `_`.
            profile: the reference: code, data, logs, or a file (`coherence calibrate`).
            tolerance: points that a score may fall.
            level: the chance of a false alarm.
            observe: the gate does not decide.

        An argument overrides the ini file, which overrides an environment variable, which overrides the
        `pyproject.toml` of the test file.
        """
        __tracebackhide__ = True
        # Before the try: an error in a generator of the test belongs to the test.
        rows = samples if isinstance(samples, str | Mapping) else list(samples)
        asked = {"profile": profile, "tolerance": tolerance, "level": level, "observe": observe}
        try:
            found = self._compare(rows, name, asked)
        except (OSError, ValueError) as error:
            found = str(error)
        if isinstance(found, str):
            raise pytest.fail.Exception(found)
        for each in remarks(found):
            self.tell(each)
        return found

    def _compare(self, rows: Any, name: str | None, asked: Mapping[str, Any]) -> Check | str:
        """Return the check if it passes, else why the test fails."""
        name = re.sub(r"[^\w.-]+", "-", self.test) if name is None else name
        if not re.fullmatch(r"[\w-][\w.-]*", name):
            raise ValueError(f"name {name!r}; expected letters, digits, '.', '-' and '_'")
        taken, (limits, settings) = _samples(rows, name), _settings(self._given(asked))
        target = self.path.parent / FOLDER / self.path.stem / f"{name}.json"
        if self.update or not target.exists():
            return self._write(target, score_samples(taken, settings=settings), limits)
        try:
            snapshot = Snapshot.load(_from_here(target))
            scored = score_samples(taken, settings=settings, prefixes=snapshot.prefixes)
            found = check_scores(snapshot, scored, limits, _from_here(target))
        except ValueError as error:
            return f"{error}\n  --coherence-update makes it again, from the samples of this test"
        if said := self.session.said(target):
            return said
        if found.verdict not in ("fail", "too few"):
            return found
        return "\n  ".join(_message(found) + self._page(found, name))

    def _given(self, asked: Mapping[str, Any]) -> dict[str, Given]:
        """Return the settings, each from the first of these: argument, ini file, variable, project."""
        ini = {key: Given(text, f"coherence_{key}") for key, text in self.ini.items() if text}
        arguments = {key: Given(value, f"{key}=") for key, value in asked.items() if value is not None}
        return find_settings(self.path.parent) | ini | arguments

    def _write(self, target: Path, scored: CheckpointScores, limits: Limits) -> str:
        """Write the snapshot, and return what changed."""
        old, changes, fails = _changes(target, scored, limits) if target.exists() else (None, [], False)
        if in_pipeline() and not self.yes:
            refused = f"{_from_here(target)}: not written: in a pipeline, where nobody looks at it"
            told = [f"{refused}, that needs --coherence-yes", *changes]
            return "\n  ".join(told if self.update else ["no snapshot yet", *told])
        if not self.session.begin(target):
            return self.session.said(target) or f"{_from_here(target)} could not be written; run again"
        taken = renewed(scored, old, fails)
        try:
            taken.save(target)
        except OSError:
            self.session.forget(target)
            raise
        wrote = f"wrote {_from_here(target)}: {taken.drawn:,} samples"
        lines = [wrote if self.update else f"no snapshot yet: {wrote}", *changes, *_warnings(scored, changes)]
        without = " without --coherence-update" if self.update else ""
        message = "\n  ".join([*lines, f"look at it, commit it, and run again{without}"])
        self.session.end(target, message)
        return message

    def _page(self, found: Check, name: str) -> list[str]:
        """Write the page of a failed check, and return where it is."""
        if self.pages is None:
            return []
        node = re.sub(r"[^\w.-]+", "-", self.node.replace(".py::", "::")).strip("-")
        page = self.pages / f"{node.removesuffix(f'-{name}')}-{name}.html"
        try:
            self.pages.mkdir(parents=True, exist_ok=True)
            write(str(page), check_page(found, name))
        except OSError as error:  # the failure matters more than its page
            return [f"page not written: {error}"]
        return [f"page: {_from_here(page)}"]


def _settings(given: Mapping[str, Given]) -> tuple[Limits, Settings]:
    try:
        values = {key: given[key].value for key in Limits._fields if key in given}
        for key in {"tolerance", "level"} & values.keys():
            values[key] = _number(key, values[key])
        profile = given["profile"].value if "profile" in given else None
        return Limits(**values).checked(), Settings(profile=Profile.load(profile))
    except ValueError as error:
        raise ValueError(name_origin(str(error), given)) from None


def _number(key: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{key} {value!r}; expected a number") from None


def _samples(given: Any, name: str) -> list[Sample]:
    if isinstance(given, str | Mapping):
        raise ValueError(f"samples {_type(given)}; expected a list of texts or rows")
    samples = []
    for number, each in enumerate(given, 1):
        row = {"text": each} if isinstance(each, str) else each
        if not isinstance(row, Mapping):
            raise ValueError(f"sample {number} of {name}: {_type(row)}; expected a text or a row")
        try:
            samples.append(to_sample(row, name, number))
        except ValueError as error:
            raise ValueError(f"sample {number} of {name}: {error}") from None
    if not samples:
        raise ValueError(f"{name}: no samples")
    return samples


def _type(value: object) -> str:
    return f"of type {type(value).__name__}"


def _changes(
    target: Path, scored: CheckpointScores, limits: Limits
) -> tuple[Snapshot | None, list[str], bool]:
    """Return the old snapshot, the changes, and whether a check against it fails."""
    try:
        old = Snapshot.load(_from_here(target))
        if old.samples == scored.snapshot.samples and old.made == scored.snapshot.made:
            return old, ["nothing changed"], False
        found = check_scores(old, scored, limits, _from_here(target))
    except ValueError as error:
        return None, [f"the one before: {error}"], False
    return old, [f"against the one before: {headline(found)}", *reasons(found)], found.fails_by_itself


def _warnings(scored: CheckpointScores, changes: Iterable[str]) -> list[str]:
    """Return why samples are not a good standard, except what is in the changes."""
    told, halts = [], scored.halt_reason
    if halts is not None:
        known = any(halts in each for each in changes)
        told = [*[f"the gate halts on these samples: {halts}"] * (not known), *profile_notes(scored)]
    if scored.snapshot.drawn < FEWEST:
        told.append(f"too few samples to compare with: at least {FEWEST} are needed, better 200")
    return told


def _message(found: Check) -> list[str]:
    fails = found.verdict == "fail"
    title = headline(found).partition(" · ")[2] if fails else "too few samples to compare"
    worst = [f"worst: {where(each)}: {excerpt(each)}" for each in evidence(found)[:1] if fails]
    update = "--coherence-update accepts these samples as the new standard"
    return [f"{title} (against {found.snapshot})", *reasons(found), *worst, update]


def _from_here(path: Path) -> str:
    """Return a path relative to the current folder, if that is shorter."""
    try:
        return min(str(path), os.path.relpath(path), key=len)
    except (OSError, ValueError):  # the current folder was deleted, or the path is on another drive
        return str(path)
