"""What is text, what is a token: tables of edge cases, then the laws that hold for any text."""

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coherence.scoring.text import LONGEST_WORD, PIECE, SPECIAL, answer, clean, is_word, locate, tokenize

# Every kind of character there is, lone surrogates and unassigned ones included.
ANYTHING = st.text(st.characters(categories=["L", "M", "N", "P", "S", "Z", "C"]))
# What the patterns are about, crowded: joints, letters that grow when folded, special tokens, chats.
PARTS = (
    *("'", "’", "-", "_", " ", "\n", "\x1c", "> ", "< ", "<s>", "<|im_end|>", "[PAD]"),
    *("İ", "ß", "ŉ", "ﬃ", "\u0345", "é", "e\u0301", "東", "か", "ㄱ", "한", "ж", "ก็", "😀"),
    *("٣", "7", "a", "B", "main", "x" * 25),
)
CROWDED = st.lists(st.sampled_from(PARTS)).map("".join)
TEXT = ANYTHING | CROWDED
ASCII = st.text(st.characters(max_codepoint=127)) | st.text("ab'-1 \n<>", max_size=60)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # nothing
        ("", []),
        (" \t\n\u00a0\u2028", []),
        # words; case is folded, not merely lowered
        ("The CAT sat", ["the", "cat", "sat"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
        # inner apostrophes and hyphens join, straight or curly; outer ones do not
        ("don't don’t", ["don't", "don’t"]),
        ("well-kept mother-in-law's", ["well-kept", "mother-in-law's"]),
        ("'tis the dogs' -ish", ["'", "tis", "the", "dogs", "'", "-", "ish"]),
        ("a--b a-'b", ["a", "-", "-", "b", "a", "-", "'", "b"]),
        # digits are letters of a word
        ("42 3rd x2 covid-19", ["42", "3rd", "x2", "covid-19"]),
        ("3.14 1,000", ["3", ".", "14", "1", ",", "000"]),
        ("٣٤ ½", ["٣٤", "½"]),
        # every other sign stands alone, so that a run of them is a loop
        ("'''''", ["'"] * 5),
        ("!?... --", ["!", "?", ".", ".", ".", "-", "-"]),
        ("snake_case __init__", ["snake", "_", "case", "_", "_", "init", "_", "_"]),
        ("😀😀 a😀b", ["😀", "😀", "a", "😀", "b"]),
        ("a\u200bb a\x00b", ["a", "\u200b", "b", "a", "\x00", "b"]),
        # Han and kana one by one, also in between other letters
        ("東京タワー", ["東", "京", "タ", "ワ", "ー"]),
        ("ひらがな", ["ひ", "ら", "が", "な"]),
        ("pc東京x", ["pc", "東", "京", "x"]),
        # scripts with spaces between the words, and Thai, whose vowel signs are marks
        ("한국어 단어", ["한국어", "단어"]),
        ("Привет мир", ["привет", "мир"]),
        ("ภาษาไทย ดี", ["ภาษาไทย", "ดี"]),
        ("हिन्दी", ["हिन्दी"]),
        # a combining mark belongs to its letter
        ("cafe\u0301 noir", ["cafe\u0301", "noir"]),
    ],
)
def test_text_falls_into_these_tokens(text: str, expected: list[str]) -> None:
    assert tokenize(clean(text)) == expected


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        # as long as a word may be
        ("a" * 24, ["a" * 24]),
        ("ab-" * 7 + "abc", ["ab-" * 7 + "abc"]),
        # one longer: into fours, the rest as it is
        ("a" * 25, ["aaaa"] * 6 + ["a"]),
        ("main" * 7, ["main"] * 7),
        ("ж" * 26, ["жжжж"] * 6 + ["жж"]),
        # joints first, and only what is still too long into fours
        ("never-to-be-forgotten-afternoon", ["never", "to", "be", "forgotten", "afternoon"]),
        ("o’-" + "x" * 24 + "’yes", ["o", "’", "-", "x" * 24, "yes"]),
        ("so-" + "x" * 25, ["so"] + ["xxxx"] * 6 + ["x"]),
        # a short word beside a long one stays whole
        ("well-kept " + "z" * 28, ["well-kept"] + ["zzzz"] * 7),
    ],
)
def test_a_run_longer_than_a_word_is_cut_at_its_joints_and_then_into_fours(
    run: str, expected: list[str]
) -> None:
    assert tokenize(run) == expected


@pytest.mark.parametrize(
    "special",
    [
        *("<|endoftext|>", "<|im_start|>", "<|eot_id|>", "<|reserved_special_token_42|>", "<|a|>"),
        *("<s>", "</s>", "<pad>", "<unk>", "<bos>", "<eos>", "<mask>", "<cls>", "<sep>"),
        *("<start_of_turn>", "<end_of_turn>"),
        *("[PAD]", "[UNK]", "[BOS]", "[EOS]", "[MASK]", "[CLS]", "[SEP]"),
    ],
)
def test_special_tokens_are_dropped_whatever_their_case(special: str) -> None:
    for written in (special, special.upper(), special.lower()):
        assert clean(written) == ""
        assert clean(f"{written}{written}Hi{written}there{written}\n") == "hi there"


@pytest.mark.parametrize("special", ["<ſ>", "</ſ>", "[MAS\u212a]", "<un\u212a>", "<|ſ\u212a|>", "<EOſ>"])
def test_letters_that_fold_to_those_of_a_special_token_make_one(special: str) -> None:
    assert SPECIAL.fullmatch(special)
    assert clean(f"a{special}b") == "a b"


@pytest.mark.parametrize(
    "text",
    # brackets and bars that people write
    [
        "<b>",
        "<p>",
        "</pad>",
        "[note]",
        "[1]",
        "<||>",
        "<|two words|>",
        f"<|{'x' * 41}|>",
        "a<b|c>d",
        "a < s >",
    ],
)
def test_what_only_resembles_a_special_token_stays(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("text", "prompt", "expected"),
    [
        # cut where the text begins with it, whatever stands around either
        ("Once upon a time there was", "Once upon a time", "there was"),
        ("  Once upon a time there was", "Once upon a time \n", "there was"),
        ("<s>Once upon<|endoftext|>", "Once", "upon"),
        ("<s>Once upon", "<s>Once", "upon"),
        # there is nothing else
        ("Once", "Once", ""),
        ("<s>Once</s>", "Once", ""),
        # not where it stands elsewhere, is spelt otherwise, or is longer
        ("He said Once", "Once", "he said once"),
        ("once upon", "Once", "once upon"),
        ("Once", "Once upon", "once"),
        # only once
        ("Hey Hey Hey", "Hey", "hey hey"),
        # no prompt at all
        ("Once", None, "once"),
        ("Once", "", "once"),
        ("Once", " <s> ", "once"),
    ],
)
def test_a_prompt_is_cut_off_only_where_the_text_begins_with_it(
    text: str, prompt: str | None, expected: str
) -> None:
    assert clean(text, prompt) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # one turn, with and without its question
        ("> What is it?\n< A list.", "A list."),
        ("< A list.", "A list."),
        ("\n > Q\n< A<|endoftext|>", "A"),
        # many turns, answers of many lines
        ("> Q\n< A\nand more\n> Q2\nsecond line of it\n< B\n\nlast", "A\nand more\nB\n\nlast"),
        ("< A\n< B", "A\nB"),
        ("> Q\r\n< A", "A"),
        # no chat: no question at the beginning, no answer, no space after the mark
        ("He wrote\n> Q\n< A", "He wrote\n> Q\n< A"),
        ("> quoted\n> reply", "> quoted\n> reply"),
        (">Q\n<A", ">Q\n<A"),
        ("<html>\n< b", "<html>\n< b"),
        # the prompt may be the question
        ("> Q\n< A", "A"),
    ],
)
def test_of_a_chat_only_the_answers_stay(text: str, expected: str) -> None:
    assert answer(text) == expected


@pytest.mark.parametrize("prompt", ["> Q", "> Q\n", "> Q\n<", "> Q\n< "])
def test_a_prompt_may_be_the_question_of_a_chat(prompt: str) -> None:
    assert answer("> Q\n< A\nB", prompt) == "A\nB"


@pytest.mark.parametrize(
    ("token", "word"),
    [
        *(("cat", True), ("été", True), ("ж", True), ("東", True), ("x2", True)),
        *(("3rd", False), ("42", False), ("!", False), ("_", False), ("😀", False), ("\u0301", False)),
    ],
)
def test_a_word_begins_with_a_letter(token: str, word: bool) -> None:
    assert is_word(token) is word


@given(TEXT, st.none() | TEXT)
@settings(deadline=None)
@example("\ud800", "\udfff")
@example("< ", "> ")
def test_no_text_raises(text: str, prompt: str | None) -> None:
    tokens = tokenize(clean(text, prompt))
    assert all(0 < len(token) <= LONGEST_WORD for token in tokens)
    assert not any(character.isspace() for token in tokens for character in token.strip("\x1c\x1d\x1e\x1f"))
    locate(answer(text, prompt))


@given(TEXT)
@settings(deadline=None)
def test_tokens_are_the_text_without_its_white_space_and_cut_joints(text: str) -> None:
    cleaned = clean(text)
    solid = regex.sub(r"\s", "", cleaned)
    joined = "".join(tokenize(cleaned))
    if all(len(run) <= LONGEST_WORD for run in cleaned.split()):
        assert joined == solid
    else:
        assert regex.sub(r"['’\-]", "", joined) == regex.sub(r"['’\-]", "", solid)


@given(ASCII)
@settings(deadline=None)
@example("|".join(map(chr, range(128))))
def test_ascii_text_has_the_same_tokens_alone_and_beside_another_script(text: str) -> None:
    cleaned = clean(text)
    assert tokenize(f"{cleaned} ж") == [*tokenize(cleaned), "ж"]


def test_each_latin_character_makes_the_same_tokens_alone_and_beside_another_script() -> None:
    for number in [*range(0x250), *range(0x2000, 0x2070)]:
        sign = chr(number)
        cleaned = clean(f"{sign}a{sign}b{sign}{sign} {sign} 1{sign}")
        assert tokenize(f"{cleaned} ж") == [*tokenize(cleaned), "ж"], hex(number)


@given(TEXT)
@settings(deadline=None)
@example("main" * 7)
@example("x" * 25 + "-" + "x" * 5 + "-x")
@example("ŉ" * 13)
def test_located_tokens_are_the_tokens(text: str) -> None:
    assert [token for _, token in locate(answer(text))] == tokenize(clean(text))


@given(TEXT)
@settings(deadline=None)
@example("The MAIN" + "Main" * 7 + "-x")
def test_a_place_points_at_its_token(text: str) -> None:
    said = answer(text)
    if all(len(character.casefold()) == 1 for character in said):
        for place, token in locate(said):
            assert said[place : place + len(token)].casefold() == token


@given(TEXT)
@settings(deadline=None)
def test_places_rise_except_within_a_word_that_grew_when_folded(text: str) -> None:
    places = [place for place, _ in locate(answer(text))]
    if all(len(character.casefold()) == 1 for character in text):
        assert places == sorted(set(places))


@given(st.text("abc", min_size=1, max_size=PIECE), st.integers(20, 60))
@settings(deadline=None)
def test_a_loop_without_spaces_has_few_different_tokens(unit: str, times: int) -> None:
    tokens = tokenize(unit * (LONGEST_WORD * times))
    assert len(set(tokens)) <= len(unit)


@pytest.mark.parametrize(
    "text",
    ["> How are you?\n< <|endoftext|>", "> How are you?\n<", "> How are you?\n< \n> And now?\n<"],
)
def test_a_chat_without_an_answer_leaves_nothing_to_score(text: str) -> None:
    assert clean(text) == ""


@pytest.mark.parametrize("text", ["<div>\n<p>", ">>> 1 + 1\n2", "> a quotation\nand a reply", "<"])
def test_what_only_looks_like_a_chat_stays_as_it_is(text: str) -> None:
    assert clean(text) == text
