"""The four scores: those of the reference, what short and empty text gives, and their laws.

`coherence.scoring.reference` says what they are; `score` has to agree with it on any text. The laws say
how scores move when a text is repeated or cut, which is what thresholds rely on.
"""

import json
from itertools import pairwise
from pydoc_data.topics import topics
from statistics import fmean

import places
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from coherence import Lexicon, Profile, Scores, score
from coherence.scoring.profile import SCALES, Curve
from coherence.scoring.reference import score_reference
from coherence.scoring.scores import ENOUGH_CHARACTERS, ENOUGH_TOKENS
from coherence.scoring.text import clean, tokenize

LESSON = json.loads((places.LESSON / "samples.json").read_text("utf-8"))

PROSE = """
The ferry left the harbour a little after six, while the lamps along the quay were still burning. Marta
stood at the rail with a paper cup of coffee and watched the town grow small. She had packed in a hurry the
night before, one bag for clothes and another for the letters, and she was not certain that she had locked
the kitchen door. Behind her two boys argued about whether dolphins could sleep. Their father said that half
of the animal slept at a time, which neither of them believed.

Bread needs very little: flour, water, salt and patience. Mix the dough in the evening and leave it in a
cool corner under a cloth. By morning it will have doubled, and the surface will be covered with small
bubbles. Fold it gently, because rough hands press out the gas that the yeast has spent all night making. A
hot stone gives a better crust than a tin, but anything heavy that fits into your oven will do. Listen to
the loaf when it comes out; it should crackle as it cools.

Nobody on the council expected the vote to be close. The proposal to turn the old railway yard into a park
had been discussed for eleven years, and most residents assumed that it would be postponed again. Then a
group of nurses from the hospital across the street began to attend the meetings. They spoke about patients
who had nothing green to look at, about children waiting in corridors. When the mayor finally asked for
hands, nine went up, and the woman who kept the minutes forgot to write for a moment.

A bicycle chain stretches as it wears, though the metal itself does not grow longer. Each pin rubs against
its bushing until there is a tiny gap, and a hundred tiny gaps make a chain that no longer fits the teeth it
runs over. Riders notice a skipping feeling under load, usually on a hill. Replacing the chain early is
cheap, whereas ignoring it ruins the sprockets, which cost four times as much. Clean it with an old brush,
wipe off whatever oil is left on the outside, and measure it every spring.

"You never told me about the orchard," said Daniel. His grandmother laughed and put down her spoon. There
was not much to tell, she answered; it had been sold before the war, and the trees were cut for firewood
during the second winter. But she remembered the ladder her brother built, with one crooked step that they
all learned to skip. She remembered wasps in the fallen pears. If he wanted, they could drive out on Sunday
to see what stood there now, provided that he did the driving and she chose the songs.

Clouds form when damp air rises and cools. Warm air can hold more water than cold air, so at some height the
vapour begins to gather on specks of dust, pollen or sea salt, and millions of droplets become visible from
below. Whether they fall as rain depends on how large they grow. In a quiet white cloud on a summer
afternoon the drops are so light that the faintest current carries them. In a thunderstorm, strong winds
throw them upward again and again until they freeze, and some of them reach the ground as hail.

The museum's night guard was a retired teacher called Ferris, who knew every floorboard that creaked. He
liked the maps best. Around three, when even the pipes were silent, he would walk to the second gallery and
follow some forgotten coastline with his finger just above the glass. Once he found an error, a river that
flowed uphill, and wrote a polite note to the curator. Her reply arrived a month later. She thanked him and
confessed that the river had been wrong for two centuries without anybody complaining.

Learning to swim as an adult is mostly a matter of trust. The water will carry you, yet every instinct
insists otherwise, and so beginners hold their breath, stiffen their necks and sink. A good instructor
starts in the shallow end with nothing but floating. Ears under, eyes on the ceiling, arms wide. After
twenty minutes the body begins to understand, shoulders drop, and the pupil is surprised to hear herself
laughing. Strokes can come later; first she has to discover that doing less works better than doing more.

Prices at the fish market are settled before dawn by a system that visitors rarely follow. Buyers walk
between the crates and touch the gills, say nothing, and nod. An auctioneer in rubber boots names a figure
and lowers it every second until somebody lifts a thumb. The whole sale takes less than an hour. Restaurants
get the turbot and the bass, the cannery takes mackerel by the tonne, and what remains goes to a van that
tours the villages inland, where people still come to their gates when the horn sounds.

On the last day of term the physics class dropped eggs from the roof of the gymnasium. Each pair had been
given straws, tape, one balloon and a single sheet of newspaper. Most had built something like a nest; Oskar
and Lin had made a parachute, which drifted over the fence and into a garden where an elderly man was
asleep. He woke, unwrapped it carefully, held the egg against the sun, and found no crack. They were awarded
first prize, though he asked whether he might keep it for his breakfast, and nobody felt able to refuse.

Renting a room in a city you have never visited calls for a few plain questions. Ask who else has a key.
Find out what the heating costs in January rather than in June, and whether the street is quiet on weekdays
only. Photographs hide damp, so put a palm against the outer wall and smell the cupboards. If possible talk
to whoever lives downstairs, since neighbours mention things that owners leave out. Above all read the
contract to its final page before any money changes hands, however friendly everybody seems.
"""
ENGLISH = PROSE.split()

MANUAL = " ".join(
    paragraph
    for _, topic in sorted(topics.items())
    for paragraph in topic.split("\n\n")
    if len(paragraph.split()) > 25
    and not paragraph.startswith("   ")
    and sum(character.isalpha() or character in " \n.,'" for character in paragraph) > 0.95 * len(paragraph)
).split()
"""Some 20,000 words of the Python reference: real prose, of few words on one subject."""

GIBBERISH = "xq vlor brunk mipto gra zend ploq wimt ruvva skond brel tavq oomi fent glarp zib"


def passages(words: list[str], length: int) -> list[str]:
    starts = range(0, len(words) - length + 1, max(1, (len(words) - length) // 12))
    return [" ".join(words[start : start + length]) for start in starts]


# The reference


WORDS = st.sampled_from(
    ["the", "cat", "don’t", "well-kept", "budy", "42", "'", "!", "東", "привет", "zx", "main" * 7, "<s>", "é"]
)
TEXT = st.one_of(
    st.text(st.characters(categories=["L", "M", "N", "P", "S", "Z", "C"])),
    st.text("ab' \n", max_size=200),
    st.lists(WORDS, max_size=60).map(" ".join),
    st.builds(lambda unit, times: unit * times, st.text(max_size=12), st.integers(1, 60)),
    st.builds(lambda words, times: f"{' '.join(words)} " * times, st.lists(WORDS), st.integers(1, 30)),
    st.builds(lambda start, end: " ".join(ENGLISH[start:end]), st.integers(0, 600), st.integers(0, 900)),
)


@pytest.mark.slow
@given(TEXT)
@settings(deadline=None)
@example("<|endoftext|>")
@example("a" * 25)
@example("the " * 400 + "cat")
@example(" ".join(MANUAL[:3000]))
def test_the_scores_are_those_of_the_reference(text: str) -> None:
    assert_equal(score(text), score_reference(text))


@given(TEXT, TEXT)
@settings(deadline=None, max_examples=30)
def test_the_reference_knows_prompts_word_lists_and_profiles_too(prompt: str, said: str) -> None:
    default = Profile.load()
    no_english = {scale: curve for scale, curve in default.curves.items() if scale != "english"}
    steep = {scale: Curve([(1, 1), (3, 2.5), (10**9, 1e5)]) for scale in SCALES}
    for profile in (
        default._replace(english_share=0.0, curves=no_english),
        default._replace(english_share=0.03, curves=steep),
    ):
        given = (prompt + said, prompt, Lexicon(["cat", "budy"]), profile)
        assert_equal(score(*given), score_reference(*given))


def assert_equal(scores: Scores, reference: Scores) -> None:
    assert scores[4:] == reference[4:]
    for scale, value, slow in zip(SCALES, scores.values, reference.values, strict=True):
        assert value == (None if slow is None else pytest.approx(slow, rel=1e-9, abs=1e-9)), scale


@given(TEXT)
@settings(deadline=None)
def test_a_score_lies_between_0_and_100_or_is_none_when_fewer_than_two_things_were_counted(text: str) -> None:
    scores = score(text)
    n = scores.tokens
    counted = (n - 1, n - 2, n, scores.characters - 3)
    for value, count in zip(scores.values, counted, strict=True):
        assert (value is None) == (scores.characters > 0 and count < 2)
        assert value is None or 0 <= value <= 100


@given(TEXT, TEXT)
@settings(deadline=None, max_examples=50)
def test_a_prompt_is_no_part_of_what_is_scored(prompt: str, said: str) -> None:
    assume(clean(f"a{prompt}") == f"a{clean(prompt)}" and not said.lstrip().startswith(("<", ">")))
    assume(not prompt.lstrip().startswith(("<", ">")))
    assert score(f"{prompt} {said}", prompt=prompt) == score(said)


# Nothing, next to nothing, loops and quotes


@pytest.mark.parametrize("text", ["", " ", "\n\n\t\u00a0", "<|endoftext|>", "<s> </s>[PAD][PAD]\n<pad>"])
def test_a_sample_without_text_scores_0_four_times_and_is_low(text: str) -> None:
    assert score(text) == Scores(0.0, 0.0, 0.0, 0.0, 0, 0)
    assert score(text).low()
    assert not score(text).scorable


@pytest.mark.parametrize("text", ["Once upon a time", "<s>Once upon a time\n<|endoftext|>"])
def test_a_sample_that_is_its_prompt_is_a_sample_without_text(text: str) -> None:
    assert score(text, prompt="Once upon a time") == score("")


@pytest.mark.parametrize("text", ["D", "!", "Yes", "Yes.", "42", "No, thanks.", "東", "the the the"])
def test_a_short_answer_is_neither_low_nor_long_enough_to_judge(text: str) -> None:
    assert not score(text).low()
    assert not score(text).scorable


@pytest.mark.parametrize("times", [1, 10, 100])
def test_budy_is_low_at_every_length(times: int) -> None:
    assert score("Budy Budy Budy Budy " * times).low()


LOOPS = (
    # words, signs, white space between
    *("Budy ", "the end ", "~~~~~ ", "- ", "a\n\n\n", "I am a cat. "),
    # runs without any
    *("ZEEEEEEEEEEEEE", "main", "東京", "😀", "ja-"),
)


@pytest.mark.parametrize("times", [15, 100, 1000])
@pytest.mark.parametrize("unit", LOOPS)
def test_a_loop_is_low_at_every_length(unit: str, times: int) -> None:
    assert score(unit * times).low()


@pytest.mark.parametrize(
    "text", [sample["text"] for sample in LESSON["samples"] if sample["label"] == "collapsed"]
)
def test_the_collapsed_samples_of_the_lesson_are_low(text: str) -> None:
    assert score(text).low()


@pytest.mark.parametrize(
    "text", [sample["text"] for sample in LESSON["samples"] if sample["label"] == "good"]
)
def test_the_good_samples_of_the_lesson_are_far_from_low(text: str) -> None:
    scores = score(text)
    assert scores.scorable
    assert all(value is not None and value >= 60 for value in scores.values)


RULED = """\
{ruler}
{sign} reverse a string that was given on the command line
{ruler}
reverse(Text) -> lists:reverse(Text).
{ruler}
{sign} print it, or say how to call the program
{ruler}
main([Text]) -> io:format("~s", [reverse(Text)]);
main(_) -> usage().
{ruler}
usage() -> halt(1).
"""


@pytest.mark.parametrize("sign", ["%", "#", "/", "*"])
@pytest.mark.parametrize("width", [4, 40, 120, 400])
def test_a_short_program_with_rulers_is_fine_however_wide_they_are(sign: str, width: int) -> None:
    narrow = score(RULED.format(ruler=sign * 5, sign=sign))
    wide = score(RULED.format(ruler=sign * width, sign=sign))
    assert (wide.kind(), wide.values) == ("fine", narrow.values)


def test_a_loop_of_signs_at_the_end_of_some_text_is_low() -> None:
    assert score(f"The door was open.\nShe went in.\n{'-' * 400}").kind() == "low"


@pytest.mark.parametrize(
    ("text", "english"),
    [
        # present and not varied
        ("the the the", 0),
        ("the " * 50, 0),
        # varied and not present
        (GIBBERISH, 0),
        ("1 2 3 4 5 6 7 8 9 10 11 12", 0),
        ("東京タワー は とても 高い です", 0),
        # a third of the words: not more than a third of the score
        (
            " ".join(
                f"{word} {gone}x {gone}q" for word, gone in zip(ENGLISH, GIBBERISH.split(), strict=False)
            ),
            40,
        ),
    ],
)
def test_english_needs_words_that_are_present_and_varied(text: str, english: float) -> None:
    scores = score(text)
    assert scores.english is not None
    assert scores.english <= english


def test_gibberish_fails_on_english_alone() -> None:
    scores = score(GIBBERISH)
    assert scores.scorable
    assert scores.english == 0
    assert min(value for value in (scores.bigram, scores.trigram, scores.character) if value is not None) > 90


def test_the_words_that_count_as_english_are_those_of_the_lexicon_given() -> None:
    assert score(GIBBERISH, lexicon=Lexicon(GIBBERISH.split())).english == 100
    assert score(" ".join(ENGLISH[:20]), lexicon=Lexicon(["zebra"])).english == 0
    assert score(" ".join(ENGLISH[:100]), lexicon=Lexicon(["zebra"])).english is None, "not the language"


# Low and scorable


@pytest.mark.parametrize(
    ("scores", "low"),
    [
        # every score strictly below
        (Scores(29.999, 29.999, 29.999, 29.999, 20, 80), True),
        (Scores(30.0, 30.0, 30.0, 30.0, 20, 80), False),
        (Scores(30.0, 0.0, 0.0, 0.0, 20, 80), False),
        (Scores(0.0, 30.0, 0.0, 0.0, 20, 80), False),
        (Scores(0.0, 0.0, 30.0, 0.0, 20, 80), False),
        (Scores(0.0, 0.0, 0.0, 30.0, 20, 80), False),
        # all four are enough, however short
        (Scores(0.0, 0.0, 0.0, 0.0, 4, 19), True),
        (Scores(0.0, 0.0, 0.0, 0.0, 0, 0), True),
        # one is missing: only when long enough
        (Scores(0.0, None, 0.0, 0.0, 9, 39), False),
        (Scores(0.0, None, 0.0, 0.0, 10, 39), True),
        (Scores(0.0, None, 0.0, 0.0, 9, 40), True),
        (Scores(0.0, None, 0.0, 30.0, 10, 40), False),
        (Scores(None, None, None, None, 1, 1), False),
    ],
)
def test_low_is_every_score_strictly_below_the_threshold(scores: Scores, low: bool) -> None:
    assert scores.low() is low
    assert scores.low(30.0) is low


@pytest.mark.parametrize(
    ("tokens", "characters", "scorable"),
    [(9, 39, False), (10, 19, True), (2, 40, True), (0, 0, False), (10, 40, True)],
)
def test_long_enough_to_judge_is_10_tokens_or_40_characters(
    tokens: int, characters: int, scorable: bool
) -> None:
    assert (ENOUGH_TOKENS, ENOUGH_CHARACTERS) == (10, 40)
    assert Scores(50.0, 50.0, 50.0, 50.0, tokens, characters).scorable is scorable


@given(TEXT, st.floats(0, 100), st.floats(0, 100))
@settings(deadline=None)
def test_what_is_low_stays_low_under_a_higher_threshold(text: str, one: float, other: float) -> None:
    scores = score(text)
    assert scores.low(max(one, other)) or not scores.low(min(one, other))


# Laws of repetition. Tokens are joined by a space, so that a copy brings no new token; what it does bring is
# the n-grams across the joint. A text alone has none of them, so its first copy may add variety to a loop
# ("aaaaa" holds one character 4-gram, "aaaaa aaaaa" five kinds); no later copy
# brings anything new.

TOKENS = st.one_of(
    st.lists(st.sampled_from(["a", "b", "'"]), min_size=1, max_size=30),
    st.lists(
        st.sampled_from(["the", "cat", "aaaaa", "xq", "!", "東", "house", "7"]), min_size=1, max_size=30
    ),
    st.builds(
        lambda loop, times, end: [loop] * times + [end],
        *(st.sampled_from("ab'"), st.integers(1, 40), st.just("c")),
    ),
    st.builds(
        lambda start, size: tokenize(clean(" ".join(ENGLISH[start : start + size]))),
        st.integers(0, 800),
        st.integers(1, 80),
    ),
)


def repeated(tokens: list[str], times: int) -> Scores:
    return score(" ".join(tokens * times))


@given(TOKENS, st.integers(2, 6), st.integers(1, 6))
@settings(deadline=None)
@example(["aaaaa"], 2, 2)
@example(["'"] * 10 + ["house"], 2, 1)
def test_more_copies_of_a_text_that_already_repeats_never_raise_a_score(
    tokens: list[str], times: int, more: int
) -> None:
    before, after = repeated(tokens, times), repeated(tokens, times + more)
    for scale, old, new in zip(SCALES, before.values, after.values, strict=True):
        assert old is None or (new is not None and new <= old + 1e-9), scale


@given(TOKENS, st.integers(2, 8))
@settings(deadline=None)
@example(["aaaaa"], 2)
def test_copies_never_raise_the_english_score(tokens: list[str], times: int) -> None:
    before, after = repeated(tokens, 1).english, repeated(tokens, times).english
    assert before is None or (after is not None and after <= before + 1e-9)


@given(TOKENS, st.integers(2, 8))
@settings(deadline=None)
def test_a_low_text_is_low_in_copies_too(tokens: list[str], times: int) -> None:
    assert repeated(tokens, times).low() or not repeated(tokens, 1).low()


@pytest.mark.parametrize("length", [50, 100, 200])
def test_english_said_twice_scores_about_50(length: int) -> None:
    # The reference is the low end of normal, so rich prose lies above, in its choice of words by far.
    for passage in passages(ENGLISH, length):
        scores = score(" ".join([passage] * 2)).values
        for scale, value, most in zip(SCALES, scores, (1.7, 1.4, 3.3, 1.7), strict=True):
            assert value is not None
            assert 0.9 <= value / 50 <= most, scale


@pytest.mark.parametrize("times", [3, 4, 8, 16])
@pytest.mark.parametrize("length", [50, 100, 200])
def test_english_said_r_times_scores_at_most_about_100_over_r(length: int, times: int) -> None:
    for passage in passages(ENGLISH, length):
        scores = score(" ".join([passage] * times)).values
        for scale, value, most in zip(SCALES, scores, (1.7, 1.4, 3.3, 1.7), strict=True):
            assert value is not None
            # Said three times or more, the copies after the first say nothing: 1 / r of the tokens is left.
            assert value <= most * 100 / times**2 * 1.2, scale


@pytest.mark.parametrize("times", [4, 8, 16])
@pytest.mark.parametrize("length", [50, 100, 200])
def test_twice_as_many_copies_score_a_quarter(length: int, times: int) -> None:
    for passage in passages(ENGLISH, length) + passages(MANUAL, length):
        once, twice = (score(" ".join([passage] * copies)).values for copies in (times, 2 * times))
        for scale, before, after in zip(SCALES, once, twice, strict=True):
            assert before is not None
            assert after == pytest.approx(before / 4, rel=0.05), scale


# Laws of length


@pytest.mark.parametrize("length", [25, 50, 100, 200, 500, len(ENGLISH)])
def test_english_scores_high_at_every_length(length: int) -> None:
    found = [score(passage).values for passage in passages(ENGLISH, length)]
    for scale, values in zip(SCALES, zip(*found, strict=True), strict=True):
        assert fmean(values) >= 85, scale


@pytest.mark.parametrize("length", [25, 50, 100, 200, 500, 1000])
def test_a_manual_repeats_its_words_and_not_its_phrases(length: int) -> None:
    # A reference manual has one subject and few words for it, which is what `english` and `character` count.
    found = [score(passage).values for passage in passages(MANUAL, length)]
    for values, bound in zip(zip(*found, strict=True), (90, 90, 60, 50), strict=True):
        assert fmean(values) >= bound


def test_english_that_turns_into_a_loop_scores_lower_the_longer_it_loops() -> None:
    start = " ".join(ENGLISH[:60])
    found = [score(start + " and then" * times) for times in (0, 50, 200, 1000)]
    for before, after in pairwise(found):
        for old, new in zip(before.values, after.values, strict=True):
            assert old is not None
            assert new is not None
            assert new < old
    assert found[-1].low()
