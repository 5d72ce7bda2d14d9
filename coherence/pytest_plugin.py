"""What the fixture `coherence_check` does; `pytest_coherence` imports it once a test asks for it.

Source: docs/ci.md, "In pytest".
"""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest

from coherence.check.before_and_now import keep_texts
from coherence.check.compare import Limits
from coherence.check.history import succeed
from coherence.check.samples import CheckpointScores, score_samples
from coherence.check.snapshot import Snapshot
from coherence.check.verdict import Check, check_scores
from coherence.readers.objects.rows import to_sample
from coherence.readers.records import Sample
from coherence.scoring.profile import Profile
from coherence.show.ci import excerpt, reasons, too_few, where
from coherence.signals.project import Given, find_settings, name_origin
from coherence.signals.settings import Settings

FOLDER = "coherence_snapshots"


class Checker(NamedTuple):
    """Compares samples with the snapshot beside a test file.

    Attributes:
        path: of the test file.
        test: the name of the test, which a snapshot has if no other is given.
        tolerance, level: the settings of the ini file, as they were written; what it does not set is as an
            environment variable or the project of the test file sets it.
        update: rewrite the snapshot, and fail.
        tell: takes what somebody should know of a test that passes.
    """

    path: Path
    test: str
    tolerance: str | None
    level: str | None
    update: bool
    tell: Callable[[str], None]

    def __call__(
        self,
        samples: Iterable[str | Mapping[str, Any]],
        name: str | None = None,
        profile: str | Path | None = None,
    ) -> Check:
        """Fail the test if the samples are worse than the snapshot; else return the check.

        Without a snapshot one is written, and the test fails, so that somebody looks at it.

        Args:
            samples: texts, or rows with `text`, and perhaps `prompt` and `source`, as in a file of samples.
            name: of the snapshot: letters, digits, `.`, `-` and `_`.
            profile: the reference: code, data, logs, or a file (`coherence calibrate`); default the one that
                an environment variable or the project sets, or broad English.

        Raises:
            OSError: a profile or a `pyproject.toml` cannot be read.
            ValueError: the name or a setting is none, or there are no samples.
        """
        __tracebackhide__ = True
        name = re.sub(r"[^\w.-]+", "-", self.test) if name is None else name
        if not re.fullmatch(r"[\w-][\w.-]*", name):
            raise ValueError(f"name {name!r}; expected letters, digits, '.', '-' and '_'")
        target = self.path.parent / FOLDER / self.path.stem / f"{name}.json"
        given = self._given()
        limits = _limits(given)
        if profile is None and "profile" in given:
            profile = given["profile"].value
        taken, settings = _samples(samples, name), Settings(profile=Profile.load(profile))
        if self.update or not target.exists():
            _rewrite(target, score_samples(taken, settings=settings), limits)
        try:
            snapshot = Snapshot.load(target)
            scored = score_samples(taken, settings=settings, prefixes=snapshot.prefixes)
            found = check_scores(snapshot, scored, limits, target.name)
        except ValueError as error:
            pytest.fail(f"{error} (--coherence-update rewrites it)")
        if found.verdict in ("fail", "too few"):
            pytest.fail(_message(found, target))
        for each in (*(warning.sentence for warning in found.worse_within), too_few(found)):
            if each:
                self.tell(each)
        return found

    def _given(self) -> dict[str, Given]:
        """Return what is set: by the ini file, or else by a variable or the project."""
        ini = {"tolerance": self.tolerance, "level": self.level}
        written = {
            name: Given(_number(name, text), f"coherence_{name}") for name, text in ini.items() if text
        }
        return find_settings(self.path.parent) | written


def _number(name: str, given: str) -> float:
    try:
        return float(given)
    except ValueError:
        raise ValueError(f"coherence_{name} {given!r}; expected a number") from None


def _limits(given: Mapping[str, Given]) -> Limits:
    try:
        return Limits(**{name: given[name].value for name in Limits._fields if name in given}).checked()
    except ValueError as error:
        raise ValueError(name_origin(str(error), given)) from None


def _samples(given: Iterable[str | Mapping[str, Any]], name: str) -> list[Sample]:
    samples = []
    for number, each in enumerate(given, 1):
        row = {"text": each} if isinstance(each, str) else each
        try:
            samples.append(to_sample(row, name, number))
        except ValueError as error:
            raise ValueError(f"sample {number} of {name}: {error}") from None
    if not samples:
        raise ValueError(f"{name}: no samples")
    return samples


def _rewrite(target: Path, scored: CheckpointScores, limits: Limits) -> NoReturn:
    """Write the snapshot and fail with what changed."""
    __tracebackhide__ = True
    lines, taken = [f"wrote {target}: {scored.snapshot.drawn:,} samples"], scored.snapshot
    if target.exists():
        try:
            old = Snapshot.load(target)
            taken = succeed(keep_texts(scored, len(old.texts)), old)
            found = check_scores(old, scored, limits, target.name)
            lines += [each.sentence for each in found.comparisons]
        except ValueError as error:
            lines.append(f"the one before: {error}")
    if scored.halt_reason is not None:
        lines.append(f"the gate halts on them: {scored.halt_reason}")
    taken.save(target)
    lines.append("look at it, commit it, and run again without --coherence-update")
    pytest.fail("\n  ".join(lines))


def _message(found: Check, target: Path) -> str:
    lines = [f"worse than {target}" if found.verdict == "fail" else f"not compared with {target}"]
    if found.halt_reason is not None:
        lines.append(f"the gate halts: {found.halt_reason}")
    lines += reasons(found)
    if told := too_few(found):
        lines.append(told)
    if found.heaviest:
        lines.append(f"worst: {where(found.heaviest[0])}: {excerpt(found.heaviest[0])}")
    lines.append("--coherence-update takes these samples for the new standard")
    return "\n  ".join(lines)
