"""Word order: what is ordered, what is shuffled, and the model that tells them apart."""

import doctest
import json
import re
from collections.abc import Callable
from importlib.resources import files
from itertools import pairwise, permutations
from math import inf, nan
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loading import load
from places import WORDLISTS

from coherence.scoring import WordOrder
from coherence.scoring.text import clean, tokenize
from coherence.scoring.word_order import (
    ENOUGH_PAIRS,
    LEVELS,
    NEAR_CHANCE,
    PIECE,
    Classes,
    Neighbours,
    pooled,
    without_runs,
)

pytestmark = pytest.mark.once

order = load(WORDLISTS / "order.py")

PROSE = (
    """My brother keeps bees behind the shed, and every spring he tells us that this will be the last year.
    He said so again in March, when the snow had gone and the boxes were lighter than they should have been.
    "There are not enough of them," he told me, "and the ones that are left look tired." I asked what could
    be done about it, but he only shook his head and went back to his coffee.""",
    """The train from the coast was late, so we sat on the platform and talked about the house. It has been
    empty since the autumn, and nobody knows who will pay for the roof. If it rains all winter long, the
    upper rooms will have to be given up, which is a pity because they have the best view of the bay.""",
    """To mend a puncture, take the wheel off and let the rest of the air out. Lift one side of the tyre over
    the rim with a lever, then pull the tube out and hold it under water until you see where the bubbles come
    from. Dry the place, roughen it with sandpaper, and press the patch on for a minute before you put
    everything back as it was.""",
    """We had expected that prices would rise by the end of the year, but most of the shops in our street have
    kept them where they were. One owner explained that she had bought more than she needed in the summer and
    would rather sell at a small loss than throw the goods away. Others were less lucky, and two of them have
    already closed their doors.""",
    """Is it true that cats always land on their feet? Not quite. A cat that falls from a low shelf has no
    time to turn around, and it may well be hurt. From a greater height it can twist its body in the air,
    first the front and then the back, so that all four legs point to the ground when it arrives.""",
    """She did not answer at once. There was a letter on the table that had not been opened, and she looked at
    it as if it might say something by itself. "I will read it tomorrow," she said in the end, "when you are
    here and I can be angry with somebody." Then she turned the lamp down and asked him to stay.""",
    """The council wants to plant forty trees along the river, where the old mill used to stand. Some people
    think that the money should go to the school instead, and they have a point: its windows are as old as the
    mill was. At the meeting on Monday both sides were given an hour, and neither of them used it well.""",
    """I learned to swim when I was nearly thirty, in a lake so cold that we could never stay for longer than
    ten minutes. My teacher was a woman of seventy who had crossed it every morning since she was a girl. She
    had no advice except to breathe out, and it turned out that this was all the advice that I needed.""",
)
SAMPLES = [tokenize(clean(text)) for text in PROSE]
TOKENS = st.lists(st.one_of(st.sampled_from(SAMPLES[0]), st.text()), max_size=60)
PAIRS = st.builds(Neighbours, st.integers(-(10**9), 10**9), st.integers(0, 10**6))


@pytest.fixture(scope="module")
def model() -> WordOrder:
    return WordOrder.load()


def shuffled(tokens: list[str], seed: int) -> list[str]:
    return Random(seed).sample(tokens, len(tokens))  # noqa: S311 - repeatable, not secret


def value(neighbours: Neighbours) -> float:
    assert neighbours.value is not None
    return neighbours.value


# What is ordered


@pytest.mark.parametrize("tokens", SAMPLES, ids=range(len(SAMPLES)))
def test_english_prose_is_ordered(model: WordOrder, tokens: list[str]) -> None:
    assert value(model.neighbours(tokens)) > 2 * NEAR_CHANCE


@pytest.mark.parametrize("seed", range(20))
def test_the_same_words_shuffled_are_near_chance(model: WordOrder, seed: int) -> None:
    pool = pooled(model.neighbours(shuffled(tokens, seed)) for tokens in SAMPLES)
    assert abs(value(pool)) < NEAR_CHANCE


@pytest.mark.parametrize("seed", range(5))
def test_each_sample_is_more_ordered_than_it_is_shuffled(model: WordOrder, seed: int) -> None:
    for tokens in SAMPLES:
        mixed = model.neighbours(shuffled(tokens, seed))
        assert value(mixed) + 0.3 < value(model.neighbours(tokens))


def test_prose_that_is_said_again_is_as_ordered_as_before(model: WordOrder) -> None:
    once = value(model.neighbours(SAMPLES[1]))
    assert value(model.neighbours(SAMPLES[1] * 12)) == pytest.approx(once, abs=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_a_shuffled_sentence_does_not_become_ordered_by_being_said_again(model: WordOrder, seed: int) -> None:
    pool = pooled(model.neighbours(shuffled(tokens, seed) * 8) for tokens in SAMPLES)
    assert value(pool) < NEAR_CHANCE


@pytest.mark.parametrize("ruler", ["-", "=", "0", "no"])
def test_one_token_said_again_and_again_counts_once(model: WordOrder, ruler: str) -> None:
    tokens = SAMPLES[2]
    assert model.neighbours([*tokens, *[ruler] * 200]) == model.neighbours([*tokens, ruler])
    assert model.neighbours([ruler] * 200) == Neighbours(0, 0)


def test_a_long_text_is_taken_in_pieces(model: WordOrder) -> None:
    tokens = [token for seed in range(12) for sample in SAMPLES for token in shuffled(sample, seed)]
    tokens = without_runs(tokens)
    pieces = [tokens[at : at + PIECE] for at in range(0, len(tokens), PIECE)]
    assert len(pieces) > 3
    assert model.neighbours(tokens) == pooled(map(model.neighbours, pieces))


# The exact expectation


@pytest.mark.parametrize(
    "words",
    ["the cat has been sleeping", "we saw him , then", "to be or not", "a red-hot 1984 ! of", "in it"],
)
def test_over_all_orders_of_the_same_tokens_the_surplus_is_nothing(model: WordOrder, words: str) -> None:
    orders = [model.neighbours(each) for each in permutations(words.split())]
    # each was rounded to a whole number
    assert abs(fmean(each.surplus for each in orders)) <= 0.5


@pytest.mark.slow
def test_over_many_shuffles_the_surplus_is_about_nothing(model: WordOrder) -> None:
    # Each token once, so that no two that stand together are one.
    tokens = sorted(set(SAMPLES[0] + SAMPLES[1]))
    values = [value(model.neighbours(shuffled(tokens, seed))) for seed in range(2000)]
    assert abs(fmean(values)) < 0.01


def test_the_surplus_is_what_the_table_says_it_is(model: WordOrder) -> None:
    """The formula said slowly, in nats."""
    tokens = without_runs(SAMPLES[3])
    names = list(model.table)
    classes = Classes(names)
    places = [classes[token] for token in tokens]
    size = len(places)

    def information(one: int, other: int, at: int) -> float:
        return (LEVELS.index(model.table[names[one]][at][other]) - 12) / 4

    mean = fmean(information(*pair, 0) for pair in pairwise(places))
    mean += fmean(information(*pair, 1) for pair in zip(places, places[2:], strict=False)) / 2
    pairs = [(places[i], places[j]) for i in range(size) for j in range(size) if i != j]
    chance = fmean(information(*pair, 0) + information(*pair, 1) / 2 for pair in pairs)
    assert model.neighbours(tokens).pairs == size - 1
    assert value(model.neighbours(tokens)) == pytest.approx(mean - chance, abs=1e-5)


# Pools


@given(st.lists(PAIRS, max_size=8), st.randoms(use_true_random=False), st.integers(0, 8))
def test_a_pool_is_the_same_in_whatever_order_and_groups_it_comes(
    samples: list[Neighbours], random: Random, cut: int
) -> None:
    whole = pooled(samples)
    mixed = random.sample(samples, len(samples))
    assert pooled(mixed) == whole
    assert pooled([pooled(mixed[:cut]), pooled(mixed[cut:])]) == whole
    assert pooled([whole, Neighbours(0, 0)]) == whole


def test_too_few_pairs_have_no_value() -> None:
    assert pooled([]).value is None
    assert Neighbours(1000, ENOUGH_PAIRS - 1).value is None
    assert pooled([Neighbours(1000, ENOUGH_PAIRS - 1), Neighbours(39_000, 1)]).value == 1.0


# Any tokens


@given(TOKENS)
@settings(deadline=None)
def test_any_tokens_are_measured(tokens: list[str]) -> None:
    found = WordOrder.load().neighbours(tokens)
    kept = without_runs(tokens)
    assert found.pairs == (len(kept) - 1 if len(kept) > 2 else 0)
    assert found == WordOrder.load().neighbours(tuple(tokens))
    if found.value is not None:
        assert -9 <= found.value <= 9


@pytest.mark.parametrize("tokens", [[], ["the"], ["the", "cat"], ["a"] * 900, [""] * 3, ["\ud800"]])
def test_where_nothing_follows_nothing_is_said(model: WordOrder, tokens: list[str]) -> None:
    assert model.neighbours(tokens) == Neighbours(0, 0)


@pytest.mark.parametrize(
    "text",
    [
        "今天天气很好，我们一起去公园散步，看见许多孩子在湖边放风筝。" * 3,
        "\ud800 \udfff " * 40,
        "1 2 3 , " * 40,
    ],
)
def test_what_is_not_english_is_near_chance(model: WordOrder, text: str) -> None:
    assert abs(value(model.neighbours(tokenize(clean(text))))) < NEAR_CHANCE


@pytest.mark.parametrize(
    ("tokens", "name"),
    [
        # common words, whole
        (["the", "which", "shall"], None),
        # endings, the longest one, and what is left is a word
        (["walking", "cheese-making"], "-ing"),
        (["lessons", "books"], "-s"),
        (["darkness"], "-ness"),
        (["doesn't", "isn’t"], "-n't"),
        (["dog's", "it’s", "a's"], "-'s"),
        (["i'd", "they’d"], "-'d"),
        (["ring", "bed", "bus", "東"], "*"),
        # numbers and signs
        (["1984", "3rd", "²"], "0"),
        (["“", "”", '"'], '"'),
        (["—", "–", "-"], "-"),
        (["*", "#", "%", "-ing", "", "€", "\ud800", "--"], "#"),
    ],
)
def test_a_token_is_of_one_class(model: WordOrder, tokens: list[str], name: str | None) -> None:
    classes = Classes(model.table)
    for token in tokens:
        assert classes.names[classes[token]] == (name or token)


def test_no_more_tokens_are_remembered_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coherence.scoring.word_order.REMEMBERED", 3)
    classes = Classes(["*", "0", "#"])
    assert [classes[f"word{number}"] for number in range(9)] == [classes["word0"]] * 9
    assert len(classes) == 3 + 3


# The model and its file


def test_the_model_lies_in_the_package_and_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = WordOrder.load()
    monkeypatch.setattr("builtins.open", None)
    assert WordOrder.load() is model
    monkeypatch.undo()
    content = files("coherence.scoring").joinpath("word_order.json").read_bytes()
    assert json.loads(content) == model.to_json()
    # figures and single words, a class a line
    assert len(content) < 40_000
    assert content.count(b"\n") == len(model.table) + 7
    assert all(re.fullmatch(r"[\x20-\x7e]*", line.decode()) for line in content.splitlines())


def test_no_class_is_a_name_from_one_book(model: WordOrder) -> None:
    names = {"alice", "huck", "jim", "tom", "jo", "meg", "elizabeth", "darcy", "holmes", "abraham", "america"}
    assert not names & set(model.table)
    assert {"the", "of", "and", "they", "would"} <= set(model.table)


def test_a_model_is_the_same_after_a_round_trip(model: WordOrder) -> None:
    again = WordOrder.parse(json.loads(json.dumps(model.to_json(), sort_keys=True)))
    assert again.to_json() == model.to_json()
    assert [again.neighbours(tokens) for tokens in SAMPLES] == [model.neighbours(t) for t in SAMPLES]


ROWS: dict[str, Any] = {name: ["mmm", "mmm"] for name in "*0#"}
TOY: dict[str, Any] = {"format": 1, "source": "made up", "tokens": 9, "classes": ROWS}
NO_CLASSES: tuple[Any, ...] = (None, [], {}, "*0#", 3)


def toy(**changed: Any) -> dict[str, Any]:
    return {**TOY, **changed}


def test_a_toy_model_is_a_model() -> None:
    assert WordOrder.parse(toy()).neighbours(SAMPLES[0]).value == 0


@pytest.mark.parametrize(
    "values",
    [
        # no object, or another format
        *([], None, 3, {}),
        *(toy(format=number) for number in (0, 2, "1", None)),
        # something is missing, or is none
        *({key: TOY[key] for key in TOY if key != missing} for missing in TOY),
        *(toy(tokens=tokens) for tokens in ("many", None, inf, nan)),
        *(toy(classes=none) for none in NO_CLASSES),
        toy(classes={"*": ["mm", "mm"], "0": ["mm", "mm"]}),
        # a row is none
        *(
            toy(classes={**ROWS, "#": rows})
            for rows in (None, [], ["mmm"], "mmm", 3, ["mmm", "mm"], ["mmm", "mmmm"], ["mmz", "mmm"], [3, 3])
        ),
    ],
)
def test_what_is_no_model_is_refused(values: Any) -> None:
    with pytest.raises(ValueError, match=r"format|class|row|model of word order|int|NaN"):
        WordOrder.parse(values)


# Learning


@pytest.fixture
def texts(tmp_path: Path) -> Callable[..., list[str]]:
    """Options for two kinds of text, in files made of the samples."""
    for name, parts in {"one": PROSE[:3], "two": PROSE[3:6], "talk": PROSE[6:]}.items():
        (tmp_path / f"{name}.txt").write_text("\n".join(parts), encoding="utf-8")
    books = ["--kind", str(tmp_path / "one.txt"), str(tmp_path / "two.txt")]

    def options(output: str, *more: str) -> list[str]:
        return [*books, "--kind", str(tmp_path / "talk.txt"), "--output", str(tmp_path / output), *more]

    return options


@pytest.mark.slow
def test_learning_twice_gives_the_same_bytes(texts: Callable[..., list[str]], tmp_path: Path) -> None:
    assert order.main(texts("first.json")) == order.main(texts("second.json")) == 0
    content = (tmp_path / "first.json").read_bytes()
    assert content == (tmp_path / "second.json").read_bytes()
    learned = WordOrder.parse(json.loads(content))
    assert learned.source == "one, two; talk"
    assert learned.tokens == sum(map(len, SAMPLES))
    assert len(learned.table) == order.CLASSES


@pytest.mark.slow
def test_a_check_tells_whether_the_model_is_what_the_texts_give(
    texts: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert order.main(texts("model.json", "--check")) == 1
    assert not (tmp_path / "model.json").exists()
    assert order.main(texts("model.json")) == 0
    assert order.main(texts("model.json", "--check")) == 0
    (tmp_path / "one.txt").write_text("Another text.", encoding="utf-8")
    assert order.main(texts("model.json", "--check")) == 1
    (tmp_path / "one.txt").write_bytes(b"\xff")
    assert order.main(texts("model.json")) == 2
    assert capsys.readouterr().err.count("\n") == 3


@pytest.mark.slow
def test_a_kind_weighs_the_same_however_long_it_is() -> None:
    one, other = SAMPLES[0][:60], SAMPLES[1][:60]
    assert len(without_runs(one)) == len(without_runs(other))
    assert order.learn([[one] * 7, [other]]) == order.learn([[one], [other] * 7])
    assert order.learn([[one], [other]]) == order.learn([[other], [one]])


def test_a_name_that_fills_one_text_is_no_common_word() -> None:
    kinds = [[["the", "of", "holmes"], ["the", "of", "a"], ["the", "of"]], [["the", "of", "said"]]]
    assert set(order.common_words(kinds, 2)) == {"the", "of"}


def test_the_examples_in_the_script_are_true() -> None:
    result = doctest.testmod(order)
    assert result.attempted > 0
    assert result.failed == 0
