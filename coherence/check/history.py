"""The figures of a snapshot, and how they differ from those of the oldest one that it replaces.

A snapshot that is renewed with each release hides a small fall with each release. Source: docs/ci.md,
"When to renew".
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from coherence.check.compared import (
    BETWEEN,
    OF_SAMPLES,
    QUANTITIES,
    WITHIN,
    columns_of,
    percent_of_length,
    tolerance_of,
)
from coherence.check.sentences import shown
from coherence.check.snapshot import Figure, Release, Snapshot
from coherence.check.statistics import FEWEST, Floats
from coherence.report import Written

RELEASES = 12
"""Snapshots whose figures are kept: the oldest and the latest ones."""

SEVERAL = 4
"""Samples per prompt, on average, that are enough to measure how samples of one prompt differ."""


@dataclass(frozen=True, kw_only=True)
class Drift(Written):
    """A change for the worse since the oldest snapshot, beyond chance and the tolerance."""

    name: str
    before: float
    now: float
    sentence: str


def release_of(snapshot: Snapshot) -> Release:
    """Return the figures of a snapshot; for the length, of its binary logarithm."""
    samples = snapshot.to_sample_set()
    columns = {
        name: (column, samples.prompts)
        for name, column in zip(OF_SAMPLES, columns_of(samples).T, strict=True)
    }
    for name, kept in ((WITHIN, snapshot.within), (BETWEEN, snapshot.between)):
        pairs = snapshot.to_pairs(kept)
        columns[name] = pairs.diversity, pairs.prompts
    figures = {name: figure for name, told in columns.items() if (figure := _figure(*told)) is not None}
    return Release(samples=snapshot.drawn, prompts=_hash_of_prompts(snapshot), figures=figures)


def _hash_of_prompts(snapshot: Snapshot) -> str:
    """Return a hash that is the same for two snapshots of the same prompts."""
    names = snapshot.to_sample_set().prompts
    if not all(names) or snapshot.made.prompts == "alike":
        return ""
    return hashlib.sha256(" ".join(sorted(names)).encode()).hexdigest()[:8]


def _figure(values: Floats, prompts: Sequence[str]) -> Figure | None:
    """Return the mean and its errors; None for fewer than 20 values or a single prompt.

    The error treats samples of one prompt as a unit, and is at least that of independent samples.
    """
    there = np.flatnonzero(~np.isnan(values)).tolist()
    if len(there) < FEWEST:
        return None
    found = values[there]
    units = np.unique([prompts[place] or f"alone {place}" for place in there], return_inverse=True)[1]
    counts = np.bincount(units)
    size, several = len(there), len(counts)
    if several < 2:
        return None
    sums = np.bincount(units, found - found.mean())
    together = math.sqrt(float(np.square(sums).sum()) * several / (several - 1)) / size
    alone = float(found.std(ddof=1)) / math.sqrt(size)
    within = None
    if size >= SEVERAL * several:
        rest = found - (np.bincount(units, found) / counts)[units]
        within = round(math.sqrt(float(np.square(rest).sum()) / (size - several) / size), 4)
    return Figure(
        mean=round(float(found.mean()), 3),
        error=round(max(together, alone), 4),
        within=within,
        size=size,
        units=several,
    )


def succeed(snapshot: Snapshot, old: Snapshot) -> Snapshot:
    """Return a snapshot that replaces another one and remembers its figures.

    Figures with other settings are not kept, because they cannot be compared.
    """
    if snapshot.made.differences(old.made):
        return snapshot
    if snapshot.samples == old.samples:
        return replace(snapshot, history=old.history)
    history = (*old.history, release_of(old))
    return replace(snapshot, history=history[:1] + history[1:][-(RELEASES - 1) :])


def drifts(snapshot: Snapshot, now: Snapshot, tolerance: float, level: float) -> list[Drift]:
    """Return the changes for the worse since the oldest snapshot; empty if there is no older one."""
    if not snapshot.history:
        return []
    oldest, latest = snapshot.history[0], release_of(now)
    same = bool(latest.prompts) and latest.prompts == oldest.prompts
    names = [name for name in QUANTITIES if name in oldest.figures and name in latest.figures]
    found = []
    for name in names:
        before, after = oldest.figures[name], latest.figures[name]
        moved = after.mean - before.mean
        worse = -percent_of_length(moved) if name == "length" else -moved
        chance = _by_chance(before, after, level / len(names), same)
        if worse > tolerance_of(name, tolerance) and moved + chance < 0:
            found.append(_drift(name, before.mean, after.mean, worse, len(snapshot.history), tolerance))
    return found


def _by_chance(before: Figure, after: Figure, level: float, same: bool) -> float:
    """Return the fall that is exceeded by chance with probability `level`.

    If both sides have the same prompts, only their samples vary; if not, a few prompts show little.
    """
    if same and before.within is not None and after.within is not None:
        error = math.hypot(before.within, after.within)
        freedom = min(before.size - before.units, after.size - after.units)
    else:
        error = math.hypot(before.error, after.error)
        freedom = min(before.units, after.units) - 1
    return float(error * _quantile(1 - level, freedom))


def _quantile(share: float, freedom: int) -> float:
    """Return the quantile of Student's t, by its expansion around the normal one.

    >>> round(_quantile(0.999, 199), 2), round(_quantile(0.999, 9), 2)
    (3.13, 4.29)
    """
    z = NormalDist().inv_cdf(share)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return float(math.fsum(term / freedom**power for power, term in enumerate(terms)))


def _drift(name: str, before: float, now: float, worse: float, releases: int, tolerance: float) -> Drift:
    kind, limit = QUANTITIES[name].kind, tolerance_of(name, tolerance)
    ends = [2**each if kind == "length" else abs(each) for each in (before, now)]
    by = shown(worse, limit) + (" %" if kind == "length" else " points")
    told = " then, ".join(f"{each:,.0f} tokens" if kind == "length" else shown(each) for each in ends)
    return Drift(
        name=name,
        before=ends[0],
        now=ends[1],
        sentence=(
            f"since the oldest snapshot, {releases} before this one, {QUANTITIES[name].title} "
            f"{'rose' if kind == 'share' else 'fell'} by {by} ({told} now): more than the tolerance of "
            f"{limit:g}, and beyond chance"
        ),
    )
