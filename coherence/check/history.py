"""What a snapshot says in figures, and how it differs from the oldest one that it stands in the place of.

A snapshot that is renewed with each release hides what goes down by a little each time. Source: docs/ci.md,
"When to renew".
"""

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


@dataclass(frozen=True, kw_only=True)
class Drift(Written):
    """What has changed for the worse since the oldest snapshot, beyond chance and the tolerance."""

    name: str
    before: float
    now: float
    sentence: str


def release_of(snapshot: Snapshot) -> Release:
    """Return the figures of a snapshot; of the length that of its binary logarithm."""
    samples = snapshot.to_sample_set()
    columns = {
        name: (column, samples.prompts)
        for name, column in zip(OF_SAMPLES, columns_of(samples).T, strict=True)
    }
    for name, kept in ((WITHIN, snapshot.within), (BETWEEN, snapshot.between)):
        pairs = snapshot.to_pairs(kept)
        columns[name] = pairs.diversity, pairs.prompts
    figures = {name: figure for name, told in columns.items() if (figure := _figure(*told)) is not None}
    return Release(samples=snapshot.drawn, figures=figures)


def _figure(values: Floats, prompts: Sequence[str]) -> Figure | None:
    """Return the mean and its error; None of fewer than 20 values.

    The error is that of samples of one prompt taken together, at least that of each sample by itself.
    """
    there = np.flatnonzero(~np.isnan(values)).tolist()
    if len(there) < FEWEST:
        return None
    mean = float(values[there].mean())
    sums: dict[object, float] = {}
    for place in there:
        key = prompts[place] or place
        sums[key] = sums.get(key, 0.0) + float(values[place]) - mean
    if len(sums) < 2:
        return None
    together = math.sqrt(sum(each**2 for each in sums.values()) * len(sums) / (len(sums) - 1)) / len(there)
    alone = float(values[there].std(ddof=1)) / math.sqrt(len(there))
    error = max(together, alone)
    return Figure(mean=round(mean, 3), error=round(error, 4), size=len(there), units=len(sums))


def succeed(snapshot: Snapshot, old: Snapshot) -> Snapshot:
    """Return a snapshot that stands in the place of another one and remembers its figures.

    Figures of other settings are not kept: they cannot be compared.
    """
    if snapshot.made.differences(old.made):
        return snapshot
    if snapshot.samples == old.samples:
        return replace(snapshot, history=old.history)
    history = (*old.history, release_of(old))
    return replace(snapshot, history=history[:1] + history[1:][-(RELEASES - 1) :])


def drifts(snapshot: Snapshot, now: Snapshot, tolerance: float, level: float) -> list[Drift]:
    """Return what has changed for the worse since the oldest snapshot; nothing if there is no older one."""
    if not snapshot.history:
        return []
    oldest, latest = snapshot.history[0].figures, release_of(now).figures
    names = [name for name in QUANTITIES if name in oldest and name in latest]
    found = []
    for name in names:
        before, after = oldest[name], latest[name]
        moved = after.mean - before.mean
        worse = -percent_of_length(moved) if name == "length" else -moved
        reach = _quantile(1 - level / len(names), min(before.units, after.units) - 1)
        chance = reach * math.hypot(before.error, after.error)
        if worse > tolerance_of(name, tolerance) and moved + chance < 0:
            found.append(_drift(name, before.mean, after.mean, worse, len(snapshot.history), tolerance))
    return found


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
    return sum(term / freedom**power for power, term in enumerate(terms))


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
