"""The snapshot: small, the same for the same samples, without a word of theirs, and refused when broken."""

import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coherence.check.samples import score_samples
from coherence.check.snapshot import CAP, Pairs, Provenance, SampleSet, Snapshot
from coherence.readers.format import Fields
from coherence.readers.records import Sample

MADE = Provenance(version="1", profile="p", lexicon="l", prompt_field=None, group_by=None, prompts="none")
NO_PAIRS = Pairs(np.zeros(0), [], [])


def sample_set(count: int, prompts: int = 1) -> SampleSet:
    random = np.random.default_rng(1)
    return SampleSet(
        random.uniform(0, 100, (count, 4)),
        random.uniform(-20, 120, count),
        random.integers(1, 400, count),
        ["f"] * count,
        random.uniform(size=count) < 0.1,
        random.uniform(size=count) < 0.5,
        random.integers(0, 30, count),
        [f"{n % prompts:08x}" for n in range(count)],
        [""] * count,
    )


def snapshot(count: int = 30, prompts: int = 1) -> Snapshot:
    return Snapshot.of(sample_set(count, prompts), NO_PAIRS, NO_PAIRS, MADE, [])


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    texts = ["The old man walked along the river until evening came, and thought.", "", "Yes", "no " * 30]
    samples = [
        Sample(step=1, text=t, prompt=f"p{n % 2}", source="é\ud800", file="samples.jsonl", line=1)
        for n, t in enumerate(texts)
    ]
    made = score_samples(samples).snapshot
    made.save(tmp_path / "new" / "s.json")
    assert Snapshot.load(tmp_path / "new" / "s.json") == made
    assert made.samples.states == "fesl"
    assert made.samples.bigram[2] is None
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["s.json"]


def test_the_same_samples_give_the_same_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        snapshot().save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("prompts", [1, 50, 500])
def test_five_hundred_samples_take_less_than_50_kb(tmp_path: Path, prompts: int) -> None:
    every = sample_set(500, prompts)
    pairs = Pairs(np.linspace(0, 99.99, 250), every.prompts[:250], every.groups[:250])
    Snapshot.of(every, pairs, pairs, MADE, []).save(tmp_path / "s.json")
    assert (tmp_path / "s.json").stat().st_size < 50_000


def test_no_word_of_a_sample_or_of_its_prompt_is_in_it(tmp_path: Path) -> None:
    sample = Sample(
        step=1, text="wombats digging burrows", prompt="sing of kangaroos", file="samples.jsonl", line=1
    )
    named = sample._replace(group=sample.text * 9)
    score_samples([sample, named] * 2, Fields(group="text")).snapshot.save(tmp_path / "s.json")
    written = (tmp_path / "s.json").read_text(encoding="utf-8")
    assert not [
        word for word in f"{sample.text} {sample.prompt}".split() if len(word) > 3 and word in written
    ]


def test_of_many_samples_every_prompt_keeps_its_share_also_where_prompts_take_turns() -> None:
    kept = snapshot(2 * CAP, prompts=2).to_sample_set()
    assert Counter(kept.prompts) == {"00000000": CAP // 2, "00000001": CAP // 2}
    assert snapshot(2 * CAP).drawn == 2 * CAP


@given(st.lists(st.sampled_from([math.nan, 0.0, 33.333, 100.0]), min_size=4, max_size=4), st.integers(1, 9))
def test_scores_come_back_to_two_decimals(row: list[float], count: int) -> None:
    scores = np.array([row] * count)
    every = sample_set(count)._replace(scores=scores, order=scores[:, 0])
    found = Snapshot.of(every, NO_PAIRS, NO_PAIRS, MADE, []).to_sample_set()
    np.testing.assert_allclose(found.scores, scores, atol=0.005)
    np.testing.assert_allclose(found.order, scores[:, 0], atol=0.005)


@given(st.integers(1, 60))
def test_what_is_compared_comes_back_as_it_was(count: int) -> None:
    every = sample_set(count, 3)
    found = Snapshot.of(every, NO_PAIRS, NO_PAIRS, MADE, []).to_sample_set()
    for name in ("tokens", "again", "cut_off", "beginnings"):
        np.testing.assert_array_equal(getattr(found, name), getattr(every, name))
    assert (list(found.states), found.prompts) == (every.states, every.prompts)


def broken(**changes: Any) -> str:
    values = json.loads(snapshot(3).to_json())
    for path, value in changes.items():
        *where, last = path.split("__")
        inner = values
        for name in where:
            inner = inner[name]
        inner[last] = value
    return json.dumps(values)


COLUMNS = json.loads(snapshot(3).to_json())["samples"]
EMPTY = {name: "" if isinstance(column, str) else [] for name, column in COLUMNS.items()}
PAIR = {"prompts": [0], "groups": [0]}


def remembered(name: str = "bigram", **changes: Any) -> dict[str, Any]:
    figure = {"mean": 9.5, "error": 0.5, "within": None, "size": 40, "units": 20}
    return {"samples": 40, "prompts": "", "figures": {name: figure | changes}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "JSON"),
        ("[" * 100_000, "JSON"),
        ("[]", "object"),
        ("{}", "made"),
        (broken(format=4), "format"),
        (broken(surprise=1), "surprise"),
        (broken(samples__states="fxf"), "samples.states"),
        (broken(samples__states="ff"), "columns of unequal length"),
        (broken(samples__prompts=[0, 0, 7]), "number 7 of 1 names"),
        (broken(samples__bigram=[1, 2, 101]), "samples.bigram.2"),
        (broken(samples__bigram=[1, 2, "NaN"]), "samples.bigram.2"),
        (broken(samples__bigram=[1, 2, math.nan]), "samples.bigram.2"),
        (broken(samples__bigram=[1, 2, math.inf]), "samples.bigram.2"),
        (broken(samples__order=[1, 2, 1e308]), "samples.order.2"),
        (broken(samples__order=[1, 2, math.nan]), "samples.order.2"),
        (broken(samples__tokens=[1, 2, 2**31]), "samples.tokens.2"),
        (broken(samples__tokens=[1, 2, 2**63]), "samples.tokens.2"),
        (broken(samples__tokens=[1, 2, 10**4000]), "samples.tokens.2"),
        (broken(samples__tokens=[1, 2, 3.0]), "samples.tokens.2"),
        (broken(samples=EMPTY), "drawn 3, but 0 samples"),
        (broken(drawn=2), "drawn 2, but 3 samples"),
        (broken(drawn=-5), "drawn"),
        (broken(drawn="3"), "drawn"),
        (broken(drawn=True), "drawn"),
        (broken(drawn=3.0), "drawn"),
        (broken(drawn=2**31), "drawn"),
        (broken(halt_reason=1), "halt_reason"),
        (broken(between={**PAIR, "diversity": [100.5]}), "between.diversity.0"),
        (broken(between={**PAIR, "diversity": [-5.0]}), "between.diversity.0"),
        (broken(within={**PAIR, "diversity": [None]}), "within.diversity.0"),
        (broken(history=[remembered(error=-1.0)]), "history.0.figures.bigram.error"),
        (broken(history=[remembered(error=math.inf)]), "history.0.figures.bigram.error"),
        (broken(history=[remembered(within=-1.0)]), "history.0.figures.bigram.within"),
        (broken(history=[remembered(mean=1e9)]), "history.0.figures.bigram.mean"),
        (broken(history=[remembered(units=1)]), "history.0.figures.bigram.units"),
        (broken(history=[remembered(size=1)]), "history.0.figures.bigram: Value error, size 1"),
        (broken(history=[remembered(size=9, units=9, within=1.0)]), "history.0.figures.bigram: Value error"),
        (broken(history=[remembered("length", mean=31.0)]), "history.0: Value error, length 31.0"),
    ],
)
def test_what_is_no_snapshot_is_refused_by_file_and_place(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "s.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match="not a snapshot") as caught:
        Snapshot.load(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_whole_numbers_that_others_wrote_for_points_are_read(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(
        broken(
            samples__bigram=[0, 100, None],
            samples__order=[-1000, 1000, None],
            samples__tokens=[0, 2**31 - 1, 5],
            between={**PAIR, "diversity": [100]},
            history=[
                remembered(mean=-1000, error=0, within=0, size=3, units=2),
                remembered("length", mean=0),
            ],
        ),
        encoding="utf-8",
    )
    found = Snapshot.load(tmp_path / "s.json")
    assert found.samples.tokens == (0, 2**31 - 1, 5)
    assert found.history[0].figures["bigram"].units == 2


@pytest.mark.parametrize("earlier", [1, 2])
def test_a_snapshot_of_an_earlier_format_says_what_to_do(tmp_path: Path, earlier: int) -> None:
    (tmp_path / "s.json").write_text(broken(format=earlier), encoding="utf-8")
    with pytest.raises(ValueError, match=r"an earlier version of coherence; make it again.*--update"):
        Snapshot.load(tmp_path / "s.json")


def test_differences_of_the_settings_are_told_with_both_values() -> None:
    other = replace(MADE, version="2", group_by="task", prompts="told")
    assert MADE.differences(other) == [
        "version '1', not '2'",
        "group by None, not 'task'",
        "prompts 'none', not 'told'",
    ]
    assert MADE.differences(MADE) == []


def test_a_patch_of_the_package_is_no_difference_but_a_minor_version_is() -> None:
    made = replace(MADE, version="0.2.0")
    assert made.differences(replace(MADE, version="0.2.7")) == []
    assert made.differences(replace(MADE, version="0.3.0")) == ["version '0.2.0', not '0.3.0'"]


def test_prompts_that_samples_only_look_like_are_prompts_that_are_not_told() -> None:
    alike, told = (replace(MADE, prompts=each) for each in ("alike", "told"))
    assert MADE.differences(alike) == alike.differences(MADE) == []
    assert alike.differences(told) == ["prompts 'alike', not 'told'"]


def test_where_only_some_samples_have_prompts_it_is_chance_whether_all_do() -> None:
    some = replace(MADE, prompts="some")
    assert MADE.differences(some) == some.differences(MADE) == []


def test_settings_that_a_score_depends_on_are_kept() -> None:
    made = score_samples(
        [Sample(step=1, text="Yes", file="samples.jsonl", line=1)], Fields(prompt="ask")
    ).snapshot.made
    assert made.profile.startswith("english ")
    assert made.lexicon.startswith("english, ")
    assert made.prompt_field == "ask"
