"""The two sides of a check: which parts are compared, and what the comparison is stratified by.

Source: docs/ci.md, "What is computed".
"""

import math
from collections.abc import Sequence
from itertools import compress
from typing import NamedTuple

import numpy as np

from coherence.check import statistics
from coherence.check.compare import Table
from coherence.check.compared import BETWEEN, OF_SAMPLES, WITHIN, columns_of, most_others
from coherence.check.samples import CheckpointScores
from coherence.check.snapshot import Pairs, Provenance, SampleSet, Snapshot
from coherence.check.statistics import Design

LONGER = 1.25
"""If samples are more than this many times as long as before, only as much of them is compared."""

MOSTLY = 0.5
"""The share of the samples before that must have a value for it to be compared."""

ALIKE = (
    "no prompts are given, and several samples look like answers to one: they count for less than as many "
    "of different prompts; give the prompts (--prompt-field)"
)


class Sides(NamedTuple):
    """A snapshot and the samples that are compared with it.

    Attributes:
        before, now: the samples; those of now are scored to the length before.
        pairs: of one prompt and of different ones, by name, before and now.
        by: what the comparison is stratified by: `prompt`, `source`, the key that was asked for, or nothing.
        alike: whether prompts were guessed from samples that look alike; then none is shared by both sides.
        same: whether they are the same samples.
        notes: for the report.
    """

    before: SampleSet
    now: SampleSet
    pairs: dict[str, tuple[Pairs, Pairs]]
    by: str | None
    alike: bool
    same: bool
    notes: list[str]

    @classmethod
    def of(cls, snapshot: Snapshot, scored: CheckpointScores) -> "Sides":
        """Return the two sides."""
        old, kept = snapshot.to_sample_set(), scored.snapshot
        new = kept.to_sample_set()
        # If those of the snapshot are not alike, samples that are alike now are so because the model changed.
        alike = snapshot.made.prompts == "alike"
        by, notes = _hold_fixed(old, new, snapshot.made, alike)
        notes += [ALIKE] * alike
        same = bool(snapshot.digest) and snapshot.digest == kept.digest
        notes += ["both sides are the same samples"] * same
        if longer := _longer(old, new, _design(old, new, by, alike)):
            kept = scored.shortened(1 / longer).snapshot
            new = new.with_scores_of(kept.to_sample_set())
            notes.append(
                f"the samples are {longer:.1f} times as long as before: scores, word order and diversity are "
                "those of as much of each as it was before"
            )
        pairs = {
            WITHIN: (snapshot.to_pairs(snapshot.within), kept.to_pairs(kept.within)),
            BETWEEN: (snapshot.to_pairs(snapshot.between), kept.to_pairs(kept.between)),
        }
        if kept.made.prompts == "alike" and not alike:
            new = new._replace(prompts=[""] * len(new.prompts))
            pairs = {
                name: (old_pairs, each._replace(prompts=[""] * len(each.prompts)))
                for name, (old_pairs, each) in pairs.items()
            }
        return cls(old, new, pairs, by, alike, same, notes)

    @property
    def prompts_are_known(self) -> bool:
        """Whether prompts are known, so that those of both sides can be matched."""
        return not self.alike and any(self.before.prompts) and any(self.now.prompts)

    def tables(self) -> list[Table]:
        """Return the tables to compare: one of the quantities of samples and one for each kind of pairs."""
        sides = self.before, self.now
        others = min(map(most_others, sides))
        columns = [columns_of(side, others) for side in sides]
        # A value that few samples have, such as English in another language, shows little about the others.
        kept = np.mean(~np.isnan(columns[0]), axis=0) >= MOSTLY
        names = list(compress(OF_SAMPLES, kept))
        values = np.concatenate([column[:, kept] for column in columns])
        tables = [Table(names, values, _design(*sides, self.by, self.alike))]
        for name, pairs in self.pairs.items():
            if all(len(side.diversity) for side in pairs):
                column = np.concatenate([side.diversity for side in pairs])[:, None]
                tables.append(Table((name,), column, _design(*pairs, self.by, self.alike)))
        return tables


def _longer(before: SampleSet, now: SampleSet, design: Design) -> float | None:
    """Return how many times as long the samples are, if certainly by more than a quarter."""
    lengths = np.log2(np.maximum(np.concatenate([before.tokens, now.tokens]), 1))
    change = statistics.measure_change(lengths, design)
    if change is None or change.now - change.before < max(math.log2(LONGER), 2 * change.error):
        return None
    return float(2 ** (change.now - change.before))


def _hold_fixed(
    before: SampleSet, now: SampleSet, made: Provenance, alike: bool
) -> tuple[str | None, list[str]]:
    """Return what both sides share enough of to stratify by it, and notes about the rest."""
    names = [made.group_by] if made.group_by else ["source"] if alike else ["prompt", "source"]
    for by in names:
        keys = _keys(before, by), _keys(now, by)
        if any(map(any, keys)) and statistics.shared_strata(*keys) is not None:
            shared = set(keys[0]).intersection(keys[1])
            rest = [sum(name not in shared for name in side) for side in keys]
            said = f"{rest[0]} samples before and {rest[1]} now have a {by} that the other side lacks"
            return by, [said] if any(rest) else []
    known = [by for by in names if any(_keys(before, by)) and any(_keys(now, by))]
    return None, [f"the {by}s of the two sides differ, so all samples are pooled" for by in known[:1]]


def _design(before: SampleSet | Pairs, now: SampleSet | Pairs, by: str | None, alike: bool) -> Design:
    """Return which samples may change sides: only within a stratum.

    If prompts are not the strata, samples of one prompt were drawn together, and change sides together.
    """
    design = Design.plain(len(before.prompts), len(now.prompts))
    keys = (_keys(before, by), _keys(now, by)) if by else ([], [])
    strata = statistics.shared_strata(*keys)
    if strata is not None:
        design = design._replace(strata=np.concatenate(strata))
    shared = set(before.prompts).intersection(now.prompts) if by == "prompt" and not alike else set()
    numbers: dict[tuple[object, ...], int] = {}
    rows = zip([*before.prompts, *now.prompts], design.now.tolist(), design.strata.tolist(), strict=True)
    units = [
        numbers.setdefault((place,) if not row[0] or row[0] in shared else row, len(numbers))
        for place, row in enumerate(rows)
    ]
    return design._replace(units=np.array(units, np.int64))


def _keys(side: SampleSet | Pairs, by: str) -> Sequence[str]:
    return side.prompts if by == "prompt" else side.groups
