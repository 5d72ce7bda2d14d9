"""The reference: its curves, its files, and how it is measured from text of the user's own."""

import json
import math
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coherence import Profile, score
from coherence.scoring.calibration import FEWEST_TOKENS, Proof, calibrate, prove
from coherence.scoring.profile import FORMAT, SCALES, Curve

pytestmark = pytest.mark.once

STEPS = st.lists(st.tuples(st.floats(1.05, 4), st.floats(1.05, 4)), min_size=1, max_size=20)


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    points = [(1.0, 1.0)]
    for longer, richer in draw(STEPS):
        points.append((points[-1][0] * longer, points[-1][1] * richer))
    return Curve(points)


# Curves


@pytest.mark.parametrize(
    "points",
    [
        # too few, or from elsewhere
        [],
        [(1, 1)],
        [(2, 1), (3, 2)],
        [(1, 2), (3, 4)],
        [(0, 0), (1, 1)],
        # not rising in the one, in the other, in both
        [(1, 1), (1, 2)],
        [(1, 1), (2, 1)],
        [(1, 1), (4, 3), (3, 4)],
        [(1, 1), (3, 4), (4, 3)],
        [(1, 1), (10, 5), (20, 5)],
        # not finite
        [(1, 1), (math.inf, 2)],
        [(1, 1), (2, math.inf)],
        [(1, 1), (math.nan, 2)],
        [(1, 1), (2, math.nan), (3, 3)],
    ],
)
def test_a_curve_that_does_not_rise_from_1_1_is_refused(points: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="a curve"):
        Curve(points)


@pytest.mark.parametrize(
    ("effective", "length"),
    [
        # below one there is nothing
        (0, 0),
        (0.999, 0),
        # at the points
        (1, 1),
        (10, 100),
        (1000, 10_000),
        # half way in log-log
        (math.sqrt(10), 10),
        (100, 1000),
        # beyond the last point the last stretch goes on
        (10_000, 100_000),
        (10**6, 10**7),
    ],
)
def test_a_length_is_read_off_the_curve_in_log_log(effective: float, length: float) -> None:
    curve = Curve([(1, 1), (100, 10), (10_000, 1000)])
    assert curve.length_for(effective) == pytest.approx(length, rel=1e-9)


def test_a_curve_that_hardly_rises_gives_a_finite_length_for_anything() -> None:
    assert math.isfinite(Curve([(1, 1), (10**6, 1.0001)]).length_for(10**9))


@pytest.mark.slow
@given(curves())
@settings(deadline=None)
def test_the_length_for_a_point_is_the_point(curve: Curve) -> None:
    for count, effective in curve.points:
        assert curve.length_for(effective) == pytest.approx(count, rel=1e-9)


@pytest.mark.slow
@given(curves(), st.floats(0, 10**6), st.floats(0, 10**6))
@settings(deadline=None)
def test_what_is_more_varied_needs_more_length(curve: Curve, one: float, other: float) -> None:
    less, more = curve.length_for(min(one, other)), curve.length_for(max(one, other))
    assert less <= more * (1 + 1e-9)


@pytest.mark.slow
@given(curves(), st.data())
@settings(deadline=None)
def test_a_length_lies_between_those_of_the_points_around_it(curve: Curve, data: st.DataObject) -> None:
    for (count, low), (next_count, high) in pairwise(curve.points):
        length = curve.length_for(data.draw(st.floats(low, high)))
        assert count * (1 - 1e-9) <= length <= next_count * (1 + 1e-9)


# Files


def fields(**changed: Any) -> dict[str, Any]:
    curve = [[1, 1], [100, 60], [1000, 300]]
    return {
        "format": FORMAT,
        "name": "toy",
        "source": "made up",
        "tokens": 5000,
        "date": "2024-02-29",
        "english_share": 0.9,
        "curves": dict.fromkeys(SCALES, curve),
        **changed,
    }


def bent(points: Any) -> dict[str, Any]:
    return fields(curves={**fields()["curves"], "trigram": points})


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in fields().items() if name != key}


def test_a_profile_file_holds_what_to_json_says(tmp_path: Path) -> None:
    path = tmp_path / "toy.json"
    path.write_text(json.dumps(fields()), encoding="utf-8")
    for name in (path, str(path)):
        profile = Profile.load(name)
        assert (profile.name, profile.tokens, profile.english_share) == ("toy", 5000, 0.9)
        assert profile.to_json() == fields()
    path.write_text(json.dumps(Profile.load().to_json()), encoding="utf-8")
    assert Profile.load(path).to_json() == Profile.load().to_json()


@pytest.mark.parametrize(
    "content",
    [
        # no JSON, or not an object
        b"",
        b"{",
        b"\xff\xfe{}",
        b"[]",
        b"3",
        b"null",
        # another format, or none
        *(json.dumps(fields(format=number)).encode() for number in (0, 2, "1", None)),
        # something is missing
        *(json.dumps(without(key)).encode() for key in fields()),
        json.dumps(fields(curves={"bigram": [[1, 1], [2, 2]]})).encode(),
        json.dumps(fields(curves=None)).encode(),
        # a curve is none
        *(json.dumps(bent(points)).encode() for points in (None, [], [[1, 1]], [[1, 1], [2]], ["ab", "cd"])),
        *(
            json.dumps(bent([[1, 1], point])).encode()
            for point in ([2, 1], [1, 2], [2, math.inf], ["2", "2"])
        ),
        # a share that is none
        *(json.dumps(fields(english_share=share)).encode() for share in (0, -0.1, 1.01, math.nan, "much")),
        # an amount that is none
        json.dumps(fields(tokens="many")).encode(),
        # a diversity between passages that is none
        *(json.dumps(fields(between=value)).encode() for value in (0, -1, 100.1, math.nan, "much", None)),
    ],
)
def test_a_file_that_is_no_profile_is_refused_by_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.json.* is not a reference profile"):
        Profile.load(path)


def test_a_missing_file_is_an_os_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.json"):
        Profile.load(tmp_path / "absent.json")


def test_the_default_profile_is_broad_english_at_every_length() -> None:
    profile = Profile.load()
    assert profile is Profile.load()
    assert profile.name == "english"
    assert profile.tokens > 10**6
    assert 0.9 < profile.english_share <= 1
    assert set(profile.curves) == set(SCALES)
    for curve in profile.curves.values():
        assert curve.points[-1][0] >= 10_000
        # nothing holds more different things than it holds things
        assert all(effective <= count for count, effective in curve.points)


# Measuring


def grammar(seed: int, sentences: int) -> str:
    """A toy language: five nouns, four verbs, and always the same sentence."""
    random = Random(seed)  # noqa: S311 - it writes sentences, not secrets
    nouns, verbs = ("cat", "dog", "bird", "fish", "man"), ("sees", "likes", "finds", "hears")
    return " ".join(
        f"the {random.choice(nouns)} {random.choice(verbs)} the {random.choice(nouns)} ."
        for _ in range(sentences)
    )


@pytest.mark.slow
def test_the_same_text_gives_the_same_profile_in_whatever_order_it_comes() -> None:
    one, other = grammar(1, 300), grammar(2, 250)
    first = calibrate({"one": one, "other": other}, name="toy")
    second = calibrate({"other": other, "one": one}, name="toy")
    assert first.to_json() == second.to_json()
    assert first.name == "toy"
    assert first.source == "one, other"
    assert first.tokens == 6 * 550
    assert (first.english_share, "english" in first.curves) == (0, False), (
        "a dozen words: a loop has them all"
    )


def test_a_profile_from_before_passages_were_compared_stays_as_it_was_and_takes_them_as_sharing_nothing() -> (
    None
):
    profile = Profile.parse(fields())
    assert profile.to_json() == fields()
    assert profile.against_passages(40.0) == 40.0
    later = Profile.parse(fields(between=80))
    assert later.to_json() == fields(between=80)
    assert later.against_passages(40.0) == 50.0


@pytest.mark.slow
def test_a_measured_profile_can_be_saved_and_loaded(tmp_path: Path) -> None:
    path = tmp_path / "toy.json"
    measured = calibrate({"toy": grammar(1, 300)})
    path.write_text(json.dumps(measured.to_json()), encoding="utf-8")
    assert Profile.load(path).to_json() == measured.to_json()


@pytest.mark.parametrize("tokens", [0, 1, FEWEST_TOKENS - 1])
def test_too_little_text_is_refused_by_the_name_of_its_source(tokens: int) -> None:
    with pytest.raises(ValueError, match=rf"diary has {tokens} tokens; .* 1,000"):
        calibrate({"toy": grammar(1, 300), "diary": "word " * tokens})


@pytest.mark.slow
def test_a_toy_grammar_is_judged_against_its_own_language() -> None:
    own = calibrate({"toy": grammar(1, 2000)})
    looped = "the cat sees the dog . " * 100
    for seed in range(10, 20):
        sample = grammar(seed, 100)
        assert score(sample).low()
        assert min(value for value in score(sample, profile=own).values if value is not None) >= 60
    assert score(looped, profile=own).low()


@pytest.mark.slow
def test_a_profile_is_put_to_the_proof_with_loops_of_its_own_corpus() -> None:
    corpus = {"toy": grammar(1, 2000)}
    assert prove(calibrate(corpus), corpus) == Proof(lines=1.0, blocks=1.0, passages=0.0)


@pytest.mark.slow
def test_a_reference_without_english_words_asks_for_none(tmp_path: Path) -> None:
    words = ["мир", "дом", "кот", "лес", "снег", "река", "море", "поле", "день", "ночь"]
    random = Random(3)  # noqa: S311 - it writes sentences, not secrets
    own = calibrate({"russian": " ".join(random.choices(words, k=3000))})
    assert set(own.curves) == {"bigram", "trigram", "character"}
    assert own.english_share == 0
    path = tmp_path / "russian.json"
    path.write_text(json.dumps(own.to_json()), encoding="utf-8")
    scores = score(" ".join(random.choices(words, k=60)), profile=Profile.load(path))
    assert scores.english is None
    assert not scores.low()
    assert score("мир дом " * 60, profile=own).low()


@pytest.mark.slow
@pytest.mark.parametrize("text", ["the " * 2000, "!" * 2000, "Мир " * 2000])
def test_a_corpus_that_repeats_one_thing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="repeat one thing"):
        calibrate({"loop": text})


def test_points_that_one_logarithm_cannot_tell_apart_are_no_rise() -> None:
    with pytest.raises(ValueError, match="must rise"):
        Curve([(1, 1), (2, 1000.0), (3, math.nextafter(1000, 2000))])
