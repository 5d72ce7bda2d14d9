"""A snapshot that is renewed with each release remembers the oldest, so that small steps down are seen."""

from dataclasses import replace
from pathlib import Path

import pytest
from checkpoints import samples

from coherence.check.history import RELEASES, drifts, release_of, succeed
from coherence.check.samples import CheckpointScores, score_samples
from coherence.check.snapshot import Snapshot
from coherence.check.verdict import check_scores

PROMPTS = [f"Tell me of place {n}." for n in range(20)]


def release(bad: int, seed: object, count: int = 200, prompts: list[str] = PROMPTS) -> CheckpointScores:
    return score_samples(samples(count, bad=bad, seed=seed, prompts=prompts))


def renewed(*releases: CheckpointScores) -> Snapshot:
    """The snapshot after it was renewed at each release."""
    first, *later = (each.snapshot for each in releases)
    for each in later:
        first = succeed(each, first)
    return first


@pytest.mark.slow
@pytest.mark.parametrize("prompts", [PROMPTS, [], PROMPTS[:5]])
def test_a_share_of_low_samples_that_rises_by_little_at_each_release_fails_against_the_oldest(
    prompts: list[str],
) -> None:
    found = [release(bad, bad, prompts=prompts) for bad in (0, 8, 16, 24)]
    last = found[3]
    against_the_last = check_scores(found[2].snapshot, last)
    assert against_the_last.verdict != "fail"
    with_history = check_scores(renewed(*found[:3]), last)
    assert with_history.verdict == "fail"
    assert not with_history.of("fail")
    low = next(each for each in with_history.drifts if each.name == "low")
    assert (low.before, low.now) == (0.0, 12.0)
    assert low.sentence == (
        "since the oldest snapshot, 2 before this one, the share of low samples rose by 12.0 points "
        "(0.0 then, 12.0 now): more than the tolerance of 2, and beyond chance"
    )


def test_releases_as_good_as_the_oldest_do_not_drift() -> None:
    releases = [release(8, seed) for seed in range(5)]
    snapshot = renewed(*releases[:4])
    assert len(snapshot.history) == 3
    assert check_scores(snapshot, releases[4]).drifts == ()


def test_what_got_better_since_the_oldest_is_no_drift() -> None:
    assert check_scores(renewed(release(24, 0), release(0, 1)), release(0, 2)).drifts == ()


def test_a_change_since_the_oldest_that_is_tolerated_or_may_be_chance_does_not_fail() -> None:
    snapshot = renewed(release(0, 0), release(4, 1))
    now = release(24, 2).snapshot
    assert [each.name for each in drifts(snapshot, now, tolerance=5, level=0.01)]
    assert not drifts(snapshot, now, tolerance=40, level=0.01)
    few = renewed(release(0, 0, count=40), release(1, 1, count=40))
    assert not drifts(few, release(4, 2, count=40).snapshot, tolerance=5, level=0.01)


def test_samples_that_grow_shorter_release_by_release_drift() -> None:
    def written(words: int) -> CheckpointScores:
        cut = [each._replace(text=" ".join(each.text.split()[:words])) for each in samples(200, seed=words)]
        return score_samples(cut)

    (drift,) = check_scores(renewed(written(24), written(17)), written(11)).drifts
    assert drift.name == "length"
    assert drift.now < 0.5 * drift.before
    assert " tokens then, " in drift.sentence


def test_without_an_older_snapshot_nothing_drifts() -> None:
    assert check_scores(release(0, 0).snapshot, release(60, 1)).drifts == ()


def test_the_oldest_stays_and_at_most_twelve_are_kept() -> None:
    snapshot = oldest = replace(release(0, 0, count=40).snapshot, drawn=101)
    for number in range(102, 120):
        snapshot = succeed(replace(release(0, number, count=40).snapshot, drawn=number), snapshot)
    assert len(snapshot.history) == RELEASES == 12
    assert snapshot.history[0] == release_of(oldest)
    assert [each.samples for each in snapshot.history] == [101, *range(108, 119)]


def test_the_same_samples_again_are_not_one_more_release() -> None:
    once = renewed(release(0, 0), release(1, 1))
    assert succeed(release(1, 1).snapshot, once).history == once.history


@pytest.mark.parametrize("bad", [0, 3])
def test_across_other_settings_nothing_is_kept(bad: int) -> None:
    old = renewed(release(0, 0), release(0, 1))
    new = release(bad, 1).snapshot
    assert old.history
    other = replace(new, made=replace(new.made, version="of another time"))
    assert succeed(other, old).history == ()


def test_what_is_remembered_is_written_and_read(tmp_path: Path) -> None:
    snapshot = renewed(release(0, 0), release(8, 1))
    snapshot.save(tmp_path / "s.json")
    assert Snapshot.load(tmp_path / "s.json") == snapshot
    (first,) = snapshot.history
    assert (first.samples, first.figures["low"].mean, first.figures["low"].units) == (200, 0.0, len(PROMPTS))


def test_what_too_few_samples_have_is_not_remembered() -> None:
    assert not release_of(release(0, 0, count=19).snapshot).figures
    one_prompt = release_of(release(0, 0, count=40, prompts=PROMPTS[:1]).snapshot)
    assert not one_prompt.figures


@pytest.mark.parametrize("bad", [(10, 10), (8, 10, 12)])
def test_few_prompts_that_differ_by_themselves_prove_no_drift(bad: tuple[int, ...]) -> None:
    def asked(each: tuple[int, ...], names: str) -> Snapshot:
        rows = [
            samples(40, bad=count, seed=name, prompts=[name])
            for name, count in zip(names, each, strict=False)
        ]
        return score_samples([row for part in rows for row in part]).snapshot

    old, new = asked((0,) * len(bad), "abc"), asked(bad, "def")
    since = replace(old, history=(release_of(old),))
    assert not drifts(since, new, tolerance=5, level=0.01)
    assert drifts(since, asked(bad, "abc"), tolerance=5, level=0.01)


def test_prompts_that_are_not_known_are_never_the_same() -> None:
    alike = score_samples(samples(200, seed="a")).snapshot
    assert (alike.made.prompts, release_of(alike).prompts) == ("alike", "")
    some = samples(30, prompts=["a"]) + samples(30)
    assert release_of(score_samples(some).snapshot).prompts == ""
    assert release_of(release(0, 0).snapshot).prompts == release_of(release(9, 1).snapshot).prompts != ""
