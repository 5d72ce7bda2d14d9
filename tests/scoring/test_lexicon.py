"""Word lists: the ones that come with the package, those of the user, and what counts as a word."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coherence import Lexicon
from coherence.scoring.text import clean, tokenize

SMALL = Lexicon(["cat", "well", "kept", "don't", "o'clock", "mother-in-law", "é"])


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    return tmp_path / "mine.txt"


def test_a_list_that_comes_with_the_package_is_loaded_once() -> None:
    assert Lexicon.load() is Lexicon.load("english")
    assert Lexicon.load().name == "english"
    assert len(Lexicon.load().words) > 50_000


@pytest.mark.parametrize("name", ["klingon", "", "English", "english.txt", "../wordlists/nothing"])
def test_an_unknown_name_is_refused_with_the_names_there_are(name: str) -> None:
    with pytest.raises(ValueError, match="english") as error:
        Lexicon.load(name)
    assert repr(name) in str(error.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        # line ends of every system, none at the end, blank lines, white space around
        (b"cat\ndog\n", {"cat", "dog"}),
        (b"cat\r\ndog\r\n", {"cat", "dog"}),
        (b"cat\rdog", {"cat", "dog"}),
        (b"\n  cat \n\n\tdog", {"cat", "dog"}),
        # case is folded, letters of any script are kept
        ("Cat\nSTRASSE\nStraße\nМир\n".encode(), {"cat", "strasse", "мир"}),
        # the same word twice
        (b"cat\nCat\ncat\n", {"cat"}),
    ],
)
def test_a_file_holds_one_word_a_line(listed: Path, content: bytes, words: set[str]) -> None:
    listed.write_bytes(content)
    for path in (listed, str(listed)):
        lexicon = Lexicon.from_file(path)
        assert lexicon.words == words
        assert lexicon.name == "mine"


@pytest.mark.parametrize("content", [b"", b"\n\n \n"])
def test_a_file_without_words_is_refused_by_its_name(listed: Path, content: bytes) -> None:
    listed.write_bytes(content)
    with pytest.raises(ValueError, match=r"mine\.txt.* holds no words"):
        Lexicon.from_file(listed)


def test_a_file_that_is_not_utf_8_is_refused(listed: Path) -> None:
    listed.write_bytes("café\n".encode("latin-1"))
    with pytest.raises(ValueError, match="utf-8"):
        Lexicon.from_file(listed)


def test_a_missing_file_is_an_os_error(listed: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Lexicon.from_file(listed)


@pytest.mark.parametrize(
    ("token", "known"),
    [
        # as it is listed
        ("cat", True),
        ("don't", True),
        ("mother-in-law", True),
        ("é", True),
        ("kat", False),
        ("", False),
        # the curly apostrophe is the straight one
        ("don’t", True),
        ("o’clock", True),
        # possessives, of a compound too
        ("cat's", True),
        ("cat’s", True),
        ("mother-in-law’s", True),
        ("kat's", False),
        ("'s", False),
        # compounds of known words, and of nothing else
        ("well-kept", True),
        ("well-kept-cat", True),
        ("well-kept-cat's", True),
        ("well-xq", False),
        ("xq-well", False),
        ("well-", False),
        ("-", False),
        ("well--kept", False),
        ("well_kept", False),
        # other joints are none: contractions have to be listed
        ("cat'll", False),
        # signs and numbers
        ("!", False),
        ("42", False),
        ("cat2", False),
    ],
)
def test_possessives_and_compounds_of_known_words_are_words(token: str, known: bool) -> None:
    assert (token in SMALL) is known
    assert SMALL.known([token]) == ({token} if known else frozenset())


def test_the_english_list_knows_english_in_its_spellings_and_no_gibberish() -> None:
    known = ["the", "language", "harbour", "harbor", "wolves", "mice"]
    known += ["don't", "it’s", "well-known", "mother-in-law's"]
    unknown = ["xq", "vlor", "brunk", "zz", "budy", "mainmain", "asdf"]
    assert Lexicon.load().known(known + unknown) == set(known)


TOKENS = st.one_of(
    st.text("catwelkp'’-", max_size=12),
    st.lists(st.sampled_from(["cat", "well", "'s", "’s", "-", "xq", "'", "don", "t"]), max_size=5).map(
        "".join
    ),
    st.text(max_size=8),
)


WORDS = st.sets(TOKENS.filter(lambda word: any(map(str.isalpha, word))))


@pytest.mark.slow
@given(st.lists(TOKENS), WORDS)
@settings(deadline=None)
def test_known_are_the_tokens_that_are_in_the_lexicon(texts: list[str], words: set[str]) -> None:
    tokens = tokenize(clean(" ".join([*texts, *words])))
    for lexicon in (SMALL, Lexicon(words)):
        assert lexicon.known(tokens) == {token for token in tokens if token in lexicon}
        assert lexicon.known(tokens) == lexicon.known(set(tokens))


@pytest.mark.slow
@given(WORDS)
@settings(deadline=None)
def test_every_listed_word_is_known(words: set[str]) -> None:
    lines = {word for word in words if word and "\n" not in word}
    assert Lexicon(lines).known(lines) == lines


def test_a_line_feed_parts_words() -> None:
    assert Lexicon(["cat\ndog", ""]).words == {"cat", "dog"}


def test_a_byte_order_mark_and_curly_apostrophes_of_a_list_do_not_hide_its_words(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes("\ufeffcat\ndon’t\n".encode())
    lexicon = Lexicon.from_file(path)
    assert "cat" in lexicon
    assert "don't" in lexicon
    assert "don’t" in lexicon
