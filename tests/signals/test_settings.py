"""The settings of a run: one default for everybody, and a file from which they come back as they were."""

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coherence import Gate, LossTracker
from coherence.audit.plan import Options
from coherence.scoring.lexicon import Lexicon
from coherence.scoring.profile import Curve, Profile
from coherence.signals.both import Signals
from coherence.signals.settings import (
    DEFAULTS,
    Entry,
    Settings,
    from_json,
    in_words,
    lexicon_label,
    profile_label,
    to_json,
    unknown,
)

NAMES = "threshold patience window warmup observe smma_window vocab_size lexicon profile"


def toy_lexicon(*words: str, name: str = "toy") -> Lexicon:
    return Lexicon(words or ("cat", "dog"), name)


def toy_profile(name: str = "toy", share: float = 0.5, at: float = 9_000.0) -> Profile:
    curves = {scale: Curve([(1, 1), (100, 99), (10_000, at)]) for scale in Profile.load().curves}
    return Profile(name, "test", 7, "2026-01-01", share, curves)


def same(one: Settings, other: Settings) -> bool:
    """Whether two settings decide alike: what stands there by value compared by value."""

    def valued(settings: Settings) -> dict[str, Any]:
        lexicon, profile = settings.lexicon or Lexicon.load(), settings.profile or Profile.load()
        by_value = {"lexicon": (lexicon.name, lexicon.words), "profile": profile.to_json()}
        return settings._asdict() | by_value

    return valued(one) == valued(other)


# One default


def test_gate_loss_and_signals_have_the_defaults_of_the_settings() -> None:
    gate, loss = Gate(), LossTracker()
    assert (gate.threshold, gate.patience, gate.window, gate.warmup, gate.observe_only) == DEFAULTS[:5]
    assert (loss.vocab_size, loss.window) == (DEFAULTS.vocab_size, DEFAULTS.smma_window)
    assert Options().over(DEFAULTS) == DEFAULTS == Settings()


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(
            threshold=60.0, patience=2, window=8, warmup=100, observe=True, smma_window=7, vocab_size=50
        ),
    ],
)
def test_signals_are_those_of_their_settings_from_the_beginning_and_after_a_change(
    settings: Settings,
) -> None:
    changed = Signals.of(Settings())
    changed.configure(settings)
    for signals in (Signals.of(settings), changed):
        gate, loss = signals.gate, signals.loss
        found = (gate.threshold, gate.patience, gate.window, gate.warmup, gate.observe_only)
        assert (*found, loss.window, loss.vocab_size) == settings[:7]
        assert signals.samples.threshold == settings.threshold


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 0.0},
        {"threshold": 101.0},
        {"patience": 0},
        {"patience": 5, "window": 4},
        {"warmup": -1},
        {"smma_window": 0},
        {"vocab_size": 0},
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused_by_signals(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"threshold|patience|window|warmup|vocab_size"):
        Signals.of(Settings(**wrong))


# In words

CHANGES: Sequence[tuple[Settings, Settings, list[str]]] = [
    (Settings(), Settings(), []),
    (Settings(), Settings(threshold=60.0), ["threshold 30 → 60"]),
    (Settings(threshold=30), Settings(threshold=30.0), []),
    (Settings(patience=2), Settings(patience=3, window=8), ["patience 2 → 3", "window none → 8"]),
    (Settings(), Settings(observe=True), ["observe False → True"]),
    (Settings(smma_window=100), Settings(smma_window=5), ["smma window 100 → 5"]),
    (Settings(vocab_size=50), Settings(), ["vocab size 50 → none"]),
    (Settings(lexicon=Lexicon.load()), Settings(), []),
    (Settings(profile=Profile.load()), Settings(), []),
    (
        Settings(),
        Settings(lexicon=toy_lexicon()),
        [f"lexicon {lexicon_label(None)} → {lexicon_label(toy_lexicon())}"],
    ),
    (
        Settings(profile=toy_profile(share=0.5)),
        Settings(profile=toy_profile(share=0.6)),
        [f"profile {profile_label(toy_profile(share=0.5))} → {profile_label(toy_profile(share=0.6))}"],
    ),
]


@pytest.mark.parametrize(("one", "other", "changes"), CHANGES)
def test_changes_are_told_from_the_old_value_to_the_new(
    one: Settings, other: Settings, changes: list[str]
) -> None:
    assert one.changes(other) == changes


def test_settings_are_named_by_their_fields() -> None:
    assert list(Settings().named()) == list(Settings._fields) == NAMES.split()
    assert (
        in_words(["warmup", "smma_window", "window"], Settings()) == "warmup 0, smma window 100, window none"
    )


# The file


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    share, at = draw(st.floats(0.01, 1.0)), draw(st.floats(100.0, 1e6))
    return toy_profile(draw(st.text(max_size=5)), share, at)


@st.composite
def lexicons(draw: st.DrawFn) -> Lexicon:
    return Lexicon(draw(st.sets(st.text(max_size=5), min_size=1, max_size=5)), draw(st.text(max_size=5)))


SETTINGS = st.builds(
    Settings,
    threshold=st.floats(0.1, 100.0) | st.integers(1, 100).map(float),
    patience=st.integers(1, 1000),
    window=st.none() | st.integers(1000, 2000),
    warmup=st.integers(0, 2**53),
    observe=st.booleans(),
    smma_window=st.integers(1, 10_000),
    vocab_size=st.none() | st.integers(1, 2**40),
    lexicon=st.none() | lexicons(),
    profile=st.none() | profiles(),
)
ENTRIES = st.builds(Entry, st.floats(0, 1e11), st.none() | st.integers(-(2**53), 2**53), SETTINGS)


def labelled_alike(history: Sequence[Entry]) -> bool:
    """Whether two word lists in it differ and have one label."""
    found = [entry.settings.lexicon for entry in history if entry.settings.lexicon]
    return len({(lexicon_label(each), each.words) for each in found}) > len(set(map(lexicon_label, found)))


@pytest.mark.slow
@given(st.lists(ENTRIES, min_size=1, max_size=4).filter(lambda history: not labelled_alike(history)))
def test_what_is_read_is_what_was_written_to_the_last_bit(history: list[Entry]) -> None:
    text = json.dumps(to_json(history))
    found = from_json(json.loads(text))
    assert [entry[:2] for entry in found] == [entry[:2] for entry in history]
    for one, other in zip(found, history, strict=True):
        assert same(one.settings, other.settings)
    assert to_json(found) == json.loads(text)
    assert unknown(json.loads(text)) == []


@pytest.mark.slow
@given(st.lists(ENTRIES, min_size=2, max_size=4))
def test_settings_have_changed_where_their_values_have(history: list[Entry]) -> None:
    for one, other in pairwise(entry.settings for entry in history):
        if one.lexicon and other.lexicon and lexicon_label(one.lexicon) == lexicon_label(other.lexicon):
            continue
        assert (one.changes(other) == []) is same(one, other)


def test_word_lists_of_one_name_and_size_are_told_apart() -> None:
    one, other = Settings(lexicon=toy_lexicon("cat", "dog")), Settings(lexicon=toy_lexicon("cat", "cow"))
    assert one.changes(other)
    history = [Entry(1.0, None, one), Entry(2.0, 5, other)]
    for read, written in zip(from_json(to_json(history)), history, strict=True):
        assert same(read.settings, written.settings)


def test_what_comes_with_the_package_does_not_stand_in_the_file() -> None:
    history = [Entry(1.0, None, Settings(lexicon=Lexicon.load(), profile=Profile.load()))]
    values = to_json(history)
    assert (values["lexicons"], values["profiles"], values["format"]) == ({}, {}, 1)
    assert len(json.dumps(values)) < 400


def test_what_is_of_ones_own_stands_there_once_however_often_the_settings_changed() -> None:
    settings = Settings(lexicon=toy_lexicon(), profile=toy_profile())
    values = to_json([Entry(float(n), n, settings._replace(patience=n + 1)) for n in range(9)])
    assert list(values["lexicons"].values()) == [{"name": "toy", "words": ["cat", "dog"]}]
    assert list(values["profiles"].values()) == [toy_profile().to_json()]
    assert [entry["patience"] for entry in values["history"]] == list(range(1, 10))


GOOD = to_json([Entry(1.0, 5, Settings(lexicon=toy_lexicon(), profile=toy_profile()))])


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(json.dumps(GOOD))
    change(values)
    return values


BAD: dict[str, Callable[[dict[str, Any]], object]] = {
    "a later format": lambda values: values.update(format=2),
    "no format": lambda values: values.pop("format"),
    "no history": lambda values: values.pop("history"),
    "an empty history": lambda values: values.update(history=[]),
    "a history of numbers": lambda values: values.update(history=[3]),
    "a history that is none": lambda values: values.update(history=3),
    "no lexicons": lambda values: values.pop("lexicons"),
    "lexicons in a list": lambda values: values.update(lexicons=[]),
    "a lexicon without words": lambda values: next(iter(values["lexicons"].values())).pop("words"),
    "a profile without curves": lambda values: next(iter(values["profiles"].values())).pop("curves"),
    "no time": lambda values: values["history"][0].pop("time"),
    "a time that is none": lambda values: values["history"][0].update(time=None),
    "a time in words": lambda values: values["history"][0].update(time="noon"),
    "a step in words": lambda values: values["history"][0].update(step="last"),
    "a setting that is not known": lambda values: values["history"][0].update(surprise=3),
    "a threshold in words": lambda values: values["history"][0].update(threshold="30"),
    "a warm-up of nothing": lambda values: values["history"][0].update(warmup=None),
    "no lexicon": lambda values: values["history"][0].pop("lexicon"),
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD.keys())
def test_what_is_not_whole_is_refused_as_a_value_that_is_wrong(
    change: Callable[[dict[str, Any]], object],
) -> None:
    with pytest.raises(
        ValueError, match=r"settings|format|could not convert|invalid literal|profile|expected"
    ):
        from_json(changed(change))


@pytest.mark.parametrize(
    "name", ["threshold", "patience", "window", "warmup", "observe", "smma_window", "vocab_size"]
)
def test_a_number_in_words_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="'5'"):
        from_json(changed(lambda values: values["history"][0].update({name: "5"})))


def test_what_neither_the_file_nor_this_version_holds_is_named() -> None:
    values = changed(lambda values: values["history"][0].update(lexicon="klingon, 9 words", profile="x 1"))
    assert unknown(values) == ["lexicon klingon, 9 words", "profile x 1"]
    (entry,) = from_json(values)
    assert (entry.settings.lexicon, entry.settings.profile) == (None, None), "the usual ones in their place"
