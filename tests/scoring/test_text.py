"""What is text, what is a token: tables of edge cases, then the laws that hold for any text."""

import re

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coherence.scoring.text import (
    FEWEST_PADS,
    LONGEST_WORD,
    PIECE,
    SPECIAL,
    answer,
    clean,
    ends_in_padding,
    is_word,
    keeps_prompt,
    locate,
    short_rulers,
    tokenize,
    why_empty,
)

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
        *("<start_of_turn>", "<end_of_turn>", "<0x00>", "\u2047"),
        *("[PAD]", "[UNK]", "[BOS]", "[EOS]", "[MASK]", "[CLS]", "[SEP]"),
    ],
)
def test_special_tokens_are_dropped_whatever_their_case(special: str) -> None:
    for written in (special, special.upper(), special.lower()):
        assert clean(written) == ""
        assert clean(f"{written}{written}Hi{written}there{written}\n") == "hi there"


@pytest.mark.parametrize("special", ["<ſ>", "</ſ>", "[MAS\u212a]", "<un\u212a>", "<|ſ\u212a|>", "<EOſ>"])
def test_letters_that_fold_to_those_of_a_special_token_make_one(special: str) -> None:
    assert re.fullmatch(SPECIAL, special)
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


# --- Rulers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Bread\n----------\nTwo cups\nof flour", "bread\n----\ntwo cups\nof flour"),
        ("a\n+=======|=======+\nb\nc", "a\n+====|====+\nb\nc"),
        ("%%-----------\n%% Sort a list\nsort(", "%%----\n%% sort a list\nsort("),
        ("a\r\n__________\r\nb\r\nc", "a\r\n____\r\nb\r\nc"),
        # four signs are as short as a ruler gets
        ("a\n----\nb\nc", "a\n----\nb\nc"),
    ],
)
def test_a_ruler_between_lines_counts_four_signs(text: str, expected: str) -> None:
    assert clean(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "bread and flour\nand salt\n----------------",  # nothing follows: it may have no end
        "----------------\n----------------\nbread",  # most lines are rulers
        "----------------\nbread",
        "----------------",
        "bread ----------------\nand flour\nand salt",  # in a line with words
        "a\n-+-+-+-+-+-+\nb\nc",  # no sign follows itself
        "a\n\n\n\n\n\n\n\nb",
    ],
)
def test_what_is_no_ruler_stays_as_long_as_it_is(text: str) -> None:
    assert clean(text) == text


@given(st.text(st.sampled_from("ab \n-=_"), max_size=60))
def test_shortening_rulers_takes_signs_away_and_nothing_else(text: str) -> None:
    kept = short_rulers(text)
    assert [each for each in kept if each.isalnum()] == [each for each in text if each.isalnum()]
    assert kept.count("\n") == text.count("\n")
    assert short_rulers(kept) == kept


# --- Tokens with a number ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # with bars, wherever they stand
        ("<|s_4711|>", ["s-4711"]),
        ("<|s_1|><|s_22|> <|s_333|>", ["s-1", "s-22", "s-333"]),
        ("Hear:<|audio:7|>so", ["hear", ":", "audio-7", "so"]),
        ("<｜vq▁9｜>", ["vq-9"]),
        ("<|0.00|>", ["0-00"]),
        ("<|im_start|><|s_1|><|im_end|>", ["s-1"]),
        # spare tokens have numbers as well
        ("a<|reserved_special_token_42|><|extra_7|><|unused3|>b", ["a", "b"]),
        # without bars eight in a row
        ("".join(f"<custom_token_{n}>" for n in range(8)), [f"custom-token-{n}" for n in range(8)]),
        (" ".join(f"<{n}>" for n in range(9)), ["<", "0", ">"] + [s for n in range(1, 9) for s in f"<{n}>"]),
        ("".join(f"<{n}>" for n in range(9)), list("012345678")),
        ("<h1><h2>", ["<", "h1", ">", "<", "h2", ">"]),
        # wherever they are among other special tokens
        (50 * "<|im_end|>" + "<|s_1|>" + 50 * "<|im_end|>", ["s-1"]),
        (50 * "<s>" + "".join(f"<vq_{n}>" for n in range(8)) + "</s>", [f"vq-{n}" for n in range(8)]),
        (50 * "<s>" + "".join(f"<{n}>" for n in range(7)), [s for n in range(7) for s in f"<{n}>"]),
    ],
)
def test_a_special_token_with_a_number_is_a_word(text: str, expected: list[str]) -> None:
    assert tokenize(clean(text)) == expected


def test_varied_codes_of_speech_are_text_and_one_code_again_and_again_is_a_loop() -> None:
    varied = "".join(f"<|s_{n * n % 5003}|>" for n in range(60))
    assert len(set(tokenize(clean(varied)))) == len(tokenize(clean(varied))) == 60
    assert tokenize(clean(60 * "<|s_17|>")) == 60 * ["s-17"]


# --- Padding ----------------------------------------------------------------------------------------------


PADS = (
    *("<|endoftext|>", "<pad>", "</s>", "[PAD]", "<｜end▁of▁sentence｜>", "<|reserved_0|>"),
    *("<eot_id>", "<eod>", "<end_of_utterance>", "<unused0>", "<extra_id_0>", "[unused12]", "<EOS_TOKEN>"),
    *("<0x00>", "\x00", "\x04", "\x7f"),
)


@pytest.mark.parametrize("pad", ["<0x00>", "\u2047", " \u2047 "])
def test_what_sentencepiece_writes_for_unknown_tokens_is_not_text(pad: str) -> None:
    assert answer(f"The rain stopped.{pad * 60}") == "The rain stopped."
    assert why_empty(pad * 60) == "special tokens"


@pytest.mark.parametrize("pad", PADS)
@pytest.mark.parametrize("copies", [FEWEST_PADS, 50, 200])
@pytest.mark.parametrize("between", ["", " ", "\n"])
def test_a_token_again_and_again_at_the_end_is_padding(pad: str, copies: int, between: str) -> None:
    if len(pad) == 1 and between:
        return
    padding = between.join([pad] * copies)
    for written in ("The rain stopped.", "The rain <b>stopped</b>", "Who said [so]"):
        for end in ("", "\n"):
            text = f"{written}{padding}{end}"
            assert answer(text) == written
            assert ends_in_padding(text)
        assert answer(f"{written} {padding}") == written
    assert why_empty(padding) == "special tokens"


@pytest.mark.parametrize(
    "end",
    [
        # signs that a model writes itself
        *("!" * 60, "_" * 60, "." * 60, "-" * 60, "\ufffd" * 60, "\u200b" * 60, ">" * 60, "]" * 60, "▁" * 60),
        # markup
        *("<br>" * 60, "<DIV>" * 60, "</p>" * 60, "<br/>" * 60, "</item>" * 60, "[1]" * 60, "[x]" * 60),
        *("<a href=x>" * 60, "<h1>" * 60, "<>" * 60, "<->" * 60, f"<{'x' * 41}>" * 60),
        # too few of them, or in between others
        *("<eod>", "<eod><eod>", "<eod><eod><eod>.", "<eod><foo>" * 30, "\x00\x00"),
        # what the text is made of
        "<row> a <row> b <row><row><row><row>",
    ],
)
def test_what_the_model_wrote_at_the_end_stays(end: str) -> None:
    assert answer(f"So it was {end}") == f"So it was {end}"
    assert not ends_in_padding(f"So it was {end}")


def test_a_single_end_of_text_is_no_padding() -> None:
    assert not ends_in_padding("It was late.<|im_end|>")
    assert not ends_in_padding("It was late.<|im_end|><|endoftext|>")
    assert not ends_in_padding("")


@given(TEXT, st.sampled_from(PADS), st.integers(FEWEST_PADS, 80))
@settings(deadline=None)
def test_padding_changes_nothing_of_what_is_before_it(text: str, pad: str, copies: int) -> None:
    if pad not in text:
        before = answer(f"{text} .")
        assert answer(f"{text} .{pad * copies}") == before


@given(ANYTHING)
@settings(deadline=None)
def test_a_text_without_brackets_and_controls_is_only_stripped(text: str) -> None:
    if not set("<[>") & set(text) and not ends_in_padding(text):
        assert answer(text) == text.strip()


@given(CROWDED | st.lists(st.sampled_from((*PADS, "word", " ", "<b>"))).map("".join))
@settings(deadline=None)
def test_padding_is_cut_from_the_end_alone(text: str) -> None:
    bare = " ".join(filter(None, re.split(SPECIAL, text))).strip()
    if not any(character.isdigit() for character in bare) and not bare.startswith(("> ", "< ")):
        assert bare.startswith(answer(text))


# --- Why a text is empty ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "prompt", "why"),
    [
        ("", None, "nothing written"),
        (" \n\u00a0", "Once", "nothing written"),
        ("<|endoftext|>", None, "special tokens"),
        (" <pad><pad>\n", "Once", "special tokens"),
        ("<eod>" * 9, None, "special tokens"),
        ("Once upon", "Once upon", "prompt"),
        ("<s>Once  upon</s>", "Once upon", "prompt"),
        ("> How are you?\n<", None, "prompt"),
        ("user\nWho was it?\nassistant\n", "<|user|>Who was it?<|assistant|>", "prompt"),
        ("Once", None, None),
        (".", "Once", None),
        ("Once upon", "Once", None),
    ],
)
def test_a_text_is_empty_for_a_reason(text: str, prompt: str | None, why: str | None) -> None:
    assert why_empty(text, prompt) == why


@pytest.mark.slow
@given(TEXT, st.none() | TEXT)
@settings(deadline=None)
def test_there_is_a_reason_if_and_only_if_nothing_is_left(text: str, prompt: str | None) -> None:
    assert (why_empty(text, prompt) is None) is bool(answer(text, prompt))


# --- Prompts ----------------------------------------------------------------------------------------------


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


RULES = "You are a patient teacher. You explain in plain words, and you never give the answer away."
QUESTION = "A farmer has seventeen sheep, and all but nine of them run away.\nHow many sheep are left?"
SAID = "Think of those that did not run."
CHAT = f"{RULES}\n{QUESTION}"
CHATML = (
    f"<|im_start|>system\n{RULES}<|im_end|>\n<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n"
)
LLAMA = (
    f"<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nToday: 3 May\n\n{RULES}<|eot_id|>"
    f"<|start_header_id|>user<|end_header_id|>\n\n{QUESTION}<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n"
)
RENDERED = {
    "ChatML": CHATML,
    "ChatML, decoded without special tokens": f"system\n{RULES}\nuser\n{QUESTION}\nassistant\n",
    "Llama 3": LLAMA,
    "Llama 2": f"<s>[INST] <<SYS>>\n{RULES}\n<</SYS>>\n\n{QUESTION} [/INST]",
    "Gemma": f"<bos><start_of_turn>user\n{RULES}\n\n{QUESTION}<end_of_turn>\n<start_of_turn>model\n",
    "Phi": f"<|system|>\n{RULES}<|end|>\n<|user|>\n{QUESTION}<|end|>\n<|assistant|>\n",
    "DeepSeek": f"<｜begin▁of▁sentence｜>{RULES}<｜User｜>{QUESTION}<｜Assistant｜>",
    "Vicuna": f"{RULES} USER: {QUESTION} ASSISTANT: ",
    "Alpaca": f"{RULES}\n\n### Instruction:\n{QUESTION}\n\n### Response:\n",
    "a system message of the template's own": (
        f"<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n{QUESTION}<|im_end|>\n"
        "<|im_start|>assistant\n"
    ),
    "the last message alone": f"<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n",
}


@pytest.mark.parametrize("rendered", RENDERED.values(), ids=RENDERED)
def test_a_chat_is_cut_off_however_it_was_rendered(rendered: str) -> None:
    assert answer(rendered + SAID, CHAT) == SAID
    assert answer(rendered + SAID, rendered) == SAID
    assert not keeps_prompt(rendered + SAID, CHAT)
    assert why_empty(rendered, CHAT) == "prompt"


@pytest.mark.parametrize("rendered", RENDERED.values(), ids=RENDERED)
def test_a_rendered_prompt_is_cut_off_a_text_that_was_decoded_without_special_tokens(rendered: str) -> None:
    decoded = regex.sub(r"<[|｜][^<>]*[|｜]>|<s>|<bos>|<\w+_of_turn>", "", rendered)
    assert answer(decoded + SAID, rendered) == SAID


@pytest.mark.parametrize("last", ["Why?", "Go on.", "2 + 2"])
def test_a_short_last_message_is_found_by_the_header_of_the_answer(last: str) -> None:
    rendered = f"<|im_start|>user\n{last}<|im_end|>\n<|im_start|>assistant\n"
    assert answer(rendered + SAID, f"{RULES}\n{last}") == SAID
    assert answer(f"user\n{last}\nassistant\n{SAID}", f"{RULES}\n{last}") == SAID


@pytest.mark.parametrize("lost", [1, 7, 40, 90, len(CHAT) - 60])
def test_a_prompt_whose_beginning_was_cut_off_is_cut_off(lost: int) -> None:
    assert answer(f"{CHAT[lost:]} {SAID}", CHAT) == SAID
    assert not keeps_prompt(f"{CHAT[lost:]} {SAID}", CHAT)


def test_half_of_a_special_token_may_stand_before_it() -> None:
    cut = CHATML[CHATML.index("rt|>user") :]
    assert answer(cut + SAID, CHATML) == SAID


@pytest.mark.parametrize(
    "text",
    [
        # the answer alone, in any words
        SAID,
        "How many? Think of those that did not run.",
        "sheep are left",
        "assistant\nThink.",
        # it was asked to repeat the end of the prompt
        QUESTION,
        # it quotes the prompt, or its beginning
        f"You ask: {QUESTION} Well, think.",
        "A farmer has seventeen sheep, and all but nine stay? No.",
        # it says the prompt again and again
        f"{QUESTION.splitlines()[1]} and {CHAT} " * 9,
    ],
)
def test_nothing_is_cut_off_an_answer_alone(text: str) -> None:
    assert answer(text, CHAT) == text.strip()


def test_a_loop_that_copies_the_end_of_the_prompt_stays_whole() -> None:
    prompt = "It rained all day. The old man walked along the river until the evening came."
    loop = "The old man walked along the river until the evening came. " * 9
    assert answer(loop, prompt) == loop.strip()
    assert not keeps_prompt(loop, prompt)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"{RULES} {QUESTION} {SAID}", False),
        (SAID, False),
        ("", False),
        (f"Task 7. {QUESTION} {SAID}", False),  # less than half of the prompt
        (f"Task 7. {RULES} {QUESTION} {SAID}", True),
        (f"{RULES[:60]} indeed. {QUESTION} {SAID}", True),
        (f"{RULES} {QUESTION[:-9]} left over? {SAID}", True),
        (f"Task 7. {CHAT} {SAID} " * 3, False),  # a loop
    ],
)
def test_a_prompt_that_is_there_and_cannot_be_cut_off_is_known(text: str, kept: bool) -> None:
    assert keeps_prompt(text, CHAT) is kept


@given(TEXT, TEXT)
@settings(deadline=None)
def test_of_a_prompt_only_the_beginning_of_a_text_is_cut_off(text: str, prompt: str) -> None:
    whole, kept = answer(text), answer(text, prompt)
    if not text.lstrip().startswith((">", "<")):
        assert whole.endswith(kept)


@given(st.text("abc \n.", min_size=60), st.text("xyz \n.", max_size=60), st.integers(0, 3))
@settings(deadline=None)
def test_a_prompt_is_cut_off_whatever_white_space_it_has(prompt: str, said: str, spaces: int) -> None:
    other = (" " * (spaces + 1)).join(prompt.split())
    if len("".join(prompt.split())) >= 20:
        assert answer(f"{other} x{said}", prompt) == f"x{said}".strip()


@pytest.mark.slow
@given(st.text("abc \n", max_size=80), st.text("xyz \n", max_size=80))
@settings(deadline=None)
def test_an_answer_without_a_word_of_the_prompt_stays_whole(prompt: str, said: str) -> None:
    assert answer(said, prompt) == said.strip()
    assert not keeps_prompt(said, prompt)


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
    for number in [*range(0x250), 0x3BC, *range(0x2000, 0x2070)]:
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
