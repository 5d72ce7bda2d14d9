"""The sample signal: its words, which one holds when several could, and where each begins and ends."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coherence import Gate, Scores, score
from coherence.scoring.profile import SCALES
from coherence.scoring.scores import EMPTY
from coherence.scoring.word_order import Neighbours
from coherence.signals.diagnosis import SAMPLES, Share
from coherence.signals.samples import RECENT, SampleTracker

LOW = Scores(bigram=3.0, trigram=1.0, english=2.0, character=9.0, tokens=40, characters=200)
FINE = Scores(bigram=97.0, trigram=100.0, english=90.0, character=95.0, tokens=40, characters=200)
WORDLESS = Scores(bigram=97.0, trigram=100.0, english=4.0, character=95.0, tokens=40, characters=200)
SHORT = Scores(bigram=None, trigram=None, english=100.0, character=None, tokens=2, characters=4)
SHORT_LOOP = Scores(bigram=0.0, trigram=0.0, english=0.0, character=26.0, tokens=4, characters=19)
STILL_HIGH, FALLEN = FINE._replace(english=70.0), FINE._replace(english=40.0)
TEMPLATE = LOW._replace(template=True)
ORDERED, SALAD = FINE._replace(order=Neighbours(90_000, 90)), FINE._replace(order=Neighbours(2_000, 90))
LETTERS = {"L": LOW, "F": FINE, "w": WORDLESS, "s": SHORT, "l": SHORT_LOOP, "T": TEMPLATE, "E": EMPTY}
LETTERS |= {"h": STILL_HIGH, "q": FALLEN, "O": ORDERED, "X": SALAD}

ALIKE = (10.0, 10.0, 10.0)

PROSE = (
    "The old man walked down to the harbour every morning, and he looked out over the water for the boat "
    "that had taken his son away; but the sea was empty, and the wind told him nothing that he did not know."
)

NEWER = ("acknowledged", "drawn")
"""What the states of older versions do not have."""


def state_after(
    samples: str | list[Scores], between: tuple[float | None, ...] = (), patience: int = 50
) -> str:
    gate, tracker = Gate(patience=patience), SampleTracker()
    for step, scores in enumerate(map(LETTERS.__getitem__, samples) if isinstance(samples, str) else samples):
        tracker.update(scores, gate.update(scores, step=step))
    for diversity in between:
        tracker.update_between(diversity)
    return tracker.state


def share_after(samples: str, patience: int = 50) -> Share | None:
    gate, tracker = Gate(patience=patience), SampleTracker()
    for step, letter in enumerate(samples):
        tracker.update(LETTERS[letter], gate.update(LETTERS[letter], step=step))
    return tracker.share


@pytest.mark.parametrize(
    ("samples", "patience", "share"),
    [
        ("FFFF", 50, None),
        ("", 50, None),
        ("s", 50, Share(1, 1)),
        ("Fss", 50, Share(2, 3)),
        ("F" * 8 + "s" * 9, 50, Share(8, 8)),
        ("FLF", 50, Share(1, 3)),
        # the last eight, with those too short to judge
        ("LLLFFLFFsFF", 50, Share(1, 8)),
        ("LLLFFsss", 50, Share(3, 8)),
        ("FLEF", 50, Share(2, 4, empty=1)),
        ("FFLLL", 3, Share(3, 5)),
        ("FLEEE", 4, Share(3, 5, empty=3)),
        ("FTTLT", 50, Share(3, 5)),
        ("F" * 8 + "wwwww", 50, Share(5, 8)),
        # or the last of another kind, and how many of the last eight are not of it
        ("FFLsssLL", 3, Share(3, 5, skipped=3)),
        ("LsEEsE", 4, Share(3, 4, empty=3, skipped=2)),
        ("FTTTsTF", 50, Share(4, 6, skipped=1)),
        ("F" * 8 + "wwwTsww", 50, Share(5, 8, skipped=2)),
        # of samples that do not loop, those that are English
        ("wwww", 50, Share(0, 4)),
        ("FFww", 50, Share(2, 4)),
        ("FFwsw", 50, Share(2, 4, skipped=1)),
        ("XXX", 50, None),
    ],
)
def test_the_share_is_of_the_samples_that_the_state_is_about(
    samples: str, patience: int, share: Share | None
) -> None:
    assert share_after(samples, patience) == share


def words_after(samples: str, a_step: int, patience: int = 50) -> SampleTracker:
    """The tracker after answers of one word, a letter each, and other samples, so many at each step."""
    gate, tracker = Gate(patience=patience), SampleTracker()
    for place, letter in enumerate(samples):
        scores, word = (SHORT, ord(letter)) if letter in "abn" else (LETTERS[letter], 0)
        tracker.update(scores, gate.update(scores, place // a_step, place % a_step), word)
    return tracker


@pytest.mark.parametrize(
    ("samples", "a_step", "state"),
    [
        ("aaaaa", 1, "one word"),
        ("aaaaaaa", 3, "one word"),
        ("FFFFaaaaa", 1, "one word"),
        ("LLLTTTTTTaaaaa", 1, "one word"),
        # fewer, or all of one step
        ("aaaa", 1, "too short"),
        ("aaaaaaaa", 8, "too short"),
        # another word, a word of another kind, or a longer sample ends it
        ("aaaabaaaa", 1, "too short"),
        ("anananananan", 1, "too short"),
        ("aaaaab", 1, "too short"),
        ("aaaasaaaa", 1, "too short"),
        ("aaaaaF", 1, "too short"),
        ("aaFaaa", 1, "too short"),
        ("aaaaaFFFFF", 1, "reads well"),
    ],
)
def test_five_answers_of_one_and_the_same_word_over_several_steps_are_a_state_of_their_own(
    samples: str, a_step: int, state: str
) -> None:
    assert words_after(samples, a_step).state == state


def test_the_state_says_how_many_answers_are_the_same_word_and_survives_being_saved() -> None:
    tracker, other = words_after("Faaaaaaa", 2), SampleTracker()
    assert tracker.share == Share(7, 7)
    other.load_state_dict(json.loads(json.dumps(tracker.state_dict())))
    assert (other.state, other.share, other.state_dict()) == ("one word", Share(7, 7), tracker.state_dict())


def test_no_number_of_equal_one_word_answers_halts() -> None:
    assert words_after("a" * 100, 1, patience=1).state == "one word"


def english(value: float | None) -> Scores:
    return FINE._replace(english=value)


# Too short


@pytest.mark.parametrize(
    ("samples", "state"),
    [
        ("", "too short"),
        ("s", "too short"),
        ("s" * 20, "too short"),
        # most of the last eight are
        ("sF", "reads well"),
        ("sFs", "too short"),
        ("Fs", "reads well"),
        ("F" * 9 + "ssss", "reads well"),
        ("F" * 9 + "sssss", "too short"),
        ("F" * 9 + "s" * 50 + "FFF", "too short"),
        ("F" * 9 + "s" * 50 + "FFFF", "reads well"),
        ("F" * 9 + "sF" * 9, "reads well"),
        # not if something graver is known of one of them: a loop, however short
        ("sl", "some low"),
        ("s" * 20 + "l" + "s" * 7, "some low"),
        ("s" * 20 + "l" + "s" * 8, "too short"),
        ("F" * 8 + "w" * 8 + "s" * 7, "words gone"),
        ("T" * 8 + "s" * 7, "templated"),
        # the gate remembers
        ("L" * 5 + "s" * 20, "collapsed"),
    ],
)
def test_samples_are_too_short_if_most_of_the_last_eight_are(samples: str, state: str) -> None:
    assert state_after(samples, patience=5) == state


@pytest.mark.parametrize("before", ["F", "L", "w", "T", "X", "q", "FL", "Fw", "FT"])
def test_no_sample_is_spoken_of_for_ever_once_all_are_too_short(before: str) -> None:
    assert state_after("F" * 8 + before * 8 + "s" * 8) == "too short"


def test_samples_that_were_alike_are_not_spoken_of_for_ever() -> None:
    gate, tracker = Gate(), SampleTracker()
    for step, letter in enumerate("FFFF" + "s" * 8):
        tracker.update(LETTERS[letter], gate.update(LETTERS[letter], step))
        tracker.update_between(0.0 if letter == "F" else None)
    assert tracker.state == "too short"


def test_alike_samples_that_are_all_too_short_are_too_short() -> None:
    assert state_after("sss", ALIKE) == "too short"


# Some low


@pytest.mark.parametrize(
    ("samples", "state"),
    [
        ("FFFF", "reads well"),
        ("FFLF", "some low"),
        # it is one of the last eight
        ("L" + "F" * 7, "some low"),
        ("L" + "F" * 8, "reads well"),
        ("L" + "FFFFsss", "some low"),
        ("L" + "FFFFFsss", "reads well"),
    ],
)
def test_a_low_sample_is_remembered_for_eight_samples(samples: str, state: str) -> None:
    assert RECENT == 8
    assert state_after(samples) == state


# Collapsed


@pytest.mark.parametrize(
    ("samples", "state"),
    [
        ("LLLL", "some low"),
        ("LLLLL", "collapsed"),
        # it stays, as the gate does
        ("LLLLL" + "F" * 20, "collapsed"),
        ("LLLLL" + "s", "collapsed"),
    ],
)
def test_samples_have_collapsed_when_the_gate_has_fired(samples: str, state: str) -> None:
    assert state_after(samples, patience=5) == state


# Words gone


@pytest.mark.parametrize(
    ("samples", "state"),
    [
        # five of the last eight without words, after eight with them
        ("F" * 8 + "w" * 4, "not loops"),
        ("F" * 8 + "w" * 5, "words gone"),
        ("F" * 8 + "w" * 20, "words gone"),
        ("F" * 8 + "wFwFwFww", "words gone"),
        ("F" * 8 + "wFwFwFwF", "not loops"),
        ("F" * 8 + "wFFwFFwFFwFF", "reads well"),
        # too few with words to call it high
        ("F" * 5 + "w" * 8, "not loops"),
        # words that never were cannot go: a model of something else than English
        ("w" * 30, "not loops"),
        ("wF" * 15, "not loops"),
        # they come back
        ("F" * 8 + "w" * 8 + "F" * 3, "words gone"),
        ("F" * 8 + "w" * 8 + "F" * 4, "not loops"),
        ("F" * 8 + "w" * 8 + "F" * 6, "reads well"),
        # a loop has lost more than its words
        ("F" * 8 + "L" * 8, "weaker"),
        # those too short do not count
        ("F" * 8 + "w" * 4 + "s" * 4 + "w", "words gone"),
    ],
)
def test_words_are_gone_when_english_fell_from_high_while_the_rest_stands(samples: str, state: str) -> None:
    assert state_after(samples) == state


@pytest.mark.parametrize(
    ("before", "state"), [(60.0, "words gone"), (59.9, "not loops"), (None, "not loops")]
)
def test_english_was_high_when_it_stood_at_60_on_average(before: float | None, state: str) -> None:
    assert state_after([english(before)] * 8 + [WORDLESS] * 8) == state


@pytest.mark.parametrize(("now", "state"), [(29.9, "words gone"), (30.0, "weaker")])
def test_english_has_fallen_when_it_is_below_the_threshold(now: float, state: str) -> None:
    assert state_after([FINE] * 8 + [english(now)] * 8) == state


@pytest.mark.parametrize("scale", ["bigram", "trigram", "character"])
@pytest.mark.parametrize(("other", "state"), [(29.9, "weaker"), (30.0, "words gone")])
def test_the_other_scores_stand_when_none_is_below_the_threshold(
    scale: str, other: float, state: str
) -> None:
    values = {"bigram": 97.0, "trigram": 100.0, "english": 4.0, "character": 95.0, scale: other}
    bigram, trigram, english, character = (values[scale] for scale in SCALES)
    sample = Scores(bigram, trigram, english, character, 40, 200)
    assert state_after([FINE] * 8 + [sample] * 8) == state


# Reads well


@pytest.mark.parametrize("unreadable", [None, 0.0, 29.9, 30.0, 44.9])
def test_no_sample_that_is_not_english_vanishes_from_what_reads_well(unreadable: float | None) -> None:
    assert state_after([english(100.0), english(unreadable)] * 10) == "not loops"
    assert state_after([english(100.0), *[english(unreadable)] * 3] * 5) in ("not loops", "words gone")
    assert state_after([english(100.0), english(100.0), english(unreadable)] * 10) == (
        "reads well" if unreadable in (30.0, 44.9) else "not loops"
    )


@pytest.mark.parametrize("other", [None, 0.0, 40.0])
def test_some_code_names_and_quotations_among_english_samples_read_well(other: float | None) -> None:
    assert state_after([*[english(70.0)] * 3, english(other)] * 10) == "reads well"


def test_samples_read_well_only_if_they_are_english_on_average_too() -> None:
    assert state_after([*[english(45.0)] * 5, *[english(44.0)] * 3] * 3) == "not loops"


@pytest.mark.parametrize(
    "unreadable",
    [
        "zkvq xjwp mzkx qvjp wkzm xqjv pmkz vxwq jzkm qpxv zzkq wjxp kvmz pqjx xzwv mkjq vpzx qwkj",
        "loup dans bois la vit un gris petit sous arbre garçon il grand qui le forêt marchait et son chemin "
        "calme vers resta maison continua mère de sa chaud repas bon voisin village du tous",
    ],
)
def test_unreadable_and_english_samples_in_turn_are_not_said_to_read_well(unreadable: str) -> None:
    gate, tracker = Gate(), SampleTracker()
    for step, text in enumerate([PROSE, unreadable] * 8):
        scores = score(text)
        tracker.update(scores, gate.update(scores, step))
    assert (tracker.state, tracker.share) == ("not loops", Share(4, 8))


# After a halt that was acknowledged


def acknowledged(samples: str = "") -> SampleTracker:
    """The tracker after a halt, its acknowledgement, and more samples."""
    gate, tracker = Gate(), SampleTracker()
    for step, letter in enumerate("FFFF" + "L" * 5):
        tracker.update(LETTERS[letter], gate.update(LETTERS[letter], step))
    gate.reset()
    tracker.acknowledge_halt()
    for step, letter in enumerate(samples, 10):
        tracker.update(LETTERS[letter], gate.update(LETTERS[letter], step))
    return tracker


@pytest.mark.parametrize(
    ("samples", "state", "share"),
    [
        ("", "too short", Share(0, 0)),
        ("s", "too short", Share(1, 1)),
        ("ss", "too short", Share(2, 2)),
        ("F", "reads well", None),
        ("L", "some low", Share(1, 1)),
    ],
)
def test_after_a_halt_that_was_acknowledged_only_later_samples_count(
    samples: str, state: str, share: Share | None
) -> None:
    tracker, other = acknowledged(samples), SampleTracker()
    other.load_state_dict(json.loads(json.dumps(tracker.state_dict())))
    assert (tracker.state, tracker.share) == (other.state, other.share) == (state, share)


def test_a_state_saved_before_there_was_a_row_of_all_samples_is_restored() -> None:
    gate, tracker, other = Gate(), SampleTracker(), SampleTracker()
    for step, letter in enumerate("FFFLF"):
        tracker.update(LETTERS[letter], gate.update(LETTERS[letter], step))
    old = {name: value for name, value in tracker.state_dict().items() if name not in NEWER} | {
        "judged": True
    }
    other.load_state_dict(json.loads(json.dumps(old)))
    assert (other.state, other.share, other.state_dict()) == (
        tracker.state,
        tracker.share,
        tracker.state_dict(),
    )


# Alike


@pytest.mark.parametrize(
    ("between", "state"),
    [
        # three steps or more
        ((), "reads well"),
        ((0.0, 0.0), "reads well"),
        ((0.0, 0.0, 0.0), "alike"),
        # below half on average
        ((50.0, 50.0, 50.0), "reads well"),
        ((50.0, 50.0, 49.0), "alike"),
        ((0.0, 0.0, 100.0), "alike"),
        ((0.0, 100.0, 100.0), "reads well"),
        # steps with fewer than two samples do not count
        ((0.0, None, 0.0, None), "reads well"),
        ((0.0, None, 0.0, None, 0.0), "alike"),
        # the last eight steps do
        ((*(0.0,) * 8, *(100.0,) * 3), "alike"),
        ((*(0.0,) * 8, *(100.0,) * 4), "reads well"),
    ],
)
def test_samples_are_alike_when_they_share_more_than_half_for_three_steps(
    between: tuple[float | None, ...], state: str
) -> None:
    assert state_after("FFF", between) == state


# Which word holds when several could


@pytest.mark.parametrize(
    ("samples", "between", "patience", "state"),
    [
        ("F" * 8 + "w" * 8 + "LLL", ALIKE, 3, "collapsed"),
        ("F" * 8 + "w" * 7 + "L", ALIKE, 3, "words gone"),
        ("F" * 8 + "L", ALIKE, 3, "alike"),
        ("F" * 8 + "L", (), 3, "some low"),
    ],
)
def test_the_gravest_word_holds(samples: str, between: tuple[float, ...], patience: int, state: str) -> None:
    assert state_after(samples, between, patience) == state


def test_a_threshold_of_ones_own_moves_what_counts_as_fallen() -> None:
    gate, tracker = Gate(threshold=3.0), SampleTracker(threshold=3.0)
    for step, scores in enumerate([FINE] * 8 + [WORDLESS] * 8):
        tracker.update(scores, gate.update(scores, step))
    assert tracker.state == "weaker"


# Weaker, templated, empty, in no order


@pytest.mark.parametrize(
    ("samples", "state"),
    [
        ("F" * 8 + "h" * 8, "reads well"),
        ("F" * 8 + "q" * 8, "weaker"),
        ("F" * 8 + "q" * 7, "not loops"),
        ("F" * 8 + "q" * 4, "not loops"),
        ("F" * 8 + "q" * 3, "reads well"),
        ("F" * 4 + "q" * 8, "not loops"),  # never high for eight samples
        # templates count among the last eight, and end no streak
        ("TTTT", "templated"),
        ("FFFTTTT", "templated"),
        ("FFFFTTTT", "reads well"),
        ("LLTTTLTTTTT", "templated"),
        ("LLTTTLLTL", "collapsed"),
        # a model that writes nothing
        ("FFEE", "some low"),
        ("FFEEEEE", "empty"),
        ("LEEEE", "empty"),
        ("LLLEE", "collapsed"),
        # English words in no order
        ("X" * 4, "word salad"),
        ("X" * 3, "not loops"),
        ("wwww" + "X" * 4, "not loops"),
        ("w" + "X" * 4, "word salad"),
        ("w" * 8 + "X" * 3, "not loops"),
        ("O" * 8, "reads well"),
        ("O" * 6 + "XX", "reads well"),
    ],
)
def test_the_word_fits_what_the_last_samples_are(samples: str, state: str) -> None:
    assert state_after(samples, patience=5) == state


@given(st.text("LFwsl", max_size=40), st.lists(st.none() | st.floats(0, 100), max_size=10))
@settings(deadline=None)
def test_there_is_a_word_for_everything(samples: str, between: list[float | None]) -> None:
    state = state_after(samples, tuple(between), patience=5)
    assert state in SAMPLES
    last = samples[-RECENT:]
    assert state != "too short" or 2 * last.count("s") > len(last) or not last
    assert state == "too short" or last.strip("s")
