from __future__ import annotations

import doctest
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from loading import load
from places import WORDLISTS

pytestmark = pytest.mark.once

if TYPE_CHECKING:
    from types import ModuleType

ENGLISH = WORDLISTS / "english.txt"
SUPPLEMENT = WORDLISTS / "supplement.txt"
README = WORDLISTS / "README.md"

# The folder of word lists is no package: its scripts are run, not imported.
build, measure = load(WORDLISTS / "build.py"), load(WORDLISTS / "measure.py")
needs_scowl = pytest.mark.skipif(
    not any(build.DEFAULT_SCOWL.glob("english-words.*")),
    reason="the Debian package scowl is not installed, so the list cannot be rebuilt here",
)


def lines(path: Path) -> list[str]:
    return path.read_bytes().decode("utf-8").removesuffix("\n").split("\n")


@pytest.fixture(scope="module")
def english() -> list[str]:
    return lines(ENGLISH)


@pytest.fixture
def scowl(tmp_path: Path) -> Path:
    """A SCOWL folder of a few files, each for one rule."""
    folder = tmp_path / "scowl"
    folder.mkdir()
    files = {
        "english-words.10": "dog\ndog's\nb\na\nqz\nit\ncafé\n",
        "english-words.70": "toolarge\n",
        "english-contractions.35": "don't\nit's\n",
        "english-proper-names.50": "Tim\nTWA\nZoë\nNASCAR\n",
        "english-abbreviations.50": "approx\n",
        "variant_1-words.60": "grey\n",
        "variant_2-words.60": "indorse\n",
        "special-hacker.50": "grok\n",
    }
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    return folder


@pytest.fixture
def supplement(tmp_path: Path) -> Path:
    path = tmp_path / "supplement.txt"
    path.write_text("# chat\nlol\n\nt-shirt # worn\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("path", [ENGLISH, SUPPLEMENT], ids=lambda path: path.name)
def test_a_list_is_sorted_and_names_each_word_once(path: Path) -> None:
    entries = lines(path)
    assert entries == sorted(set(entries))


@pytest.mark.parametrize("path", [ENGLISH, SUPPLEMENT], ids=lambda path: path.name)
def test_a_list_ends_every_line_with_a_line_feed_alone(path: Path) -> None:
    content = path.read_bytes()
    assert content.endswith(b"\n")
    assert b"\r" not in content
    assert b"\n\n" not in content


@pytest.mark.parametrize("path", [ENGLISH, SUPPLEMENT], ids=lambda path: path.name)
def test_every_word_is_folded_as_the_lookup_folds_its_token(path: Path) -> None:
    assert [word for word in lines(path) if word != word.casefold().strip().replace("’", "'")] == []


def test_every_entry_is_one_word_token_as_a_text_would_show_it(english: list[str]) -> None:
    assert [word for word in english if measure.word_tokens(word) != [word]] == []


def test_possessives_are_left_to_the_lookup(english: list[str]) -> None:
    assert [word for word in english if word.endswith("'s")] == []


def test_only_three_letters_are_words_by_themselves(english: list[str]) -> None:
    assert [word for word in english if len(word) == 1] == ["a", "i", "o"]


def test_words_of_two_letters_are_few_and_are_the_chosen_ones(english: list[str]) -> None:
    two = {word for word in english if len(word) == 2}
    assert len(two) <= 60
    assert two == {word for word in build.SHORT if len(word) == 2}


def test_the_list_is_about_as_long_as_its_size_class_promises(english: list[str]) -> None:
    assert 80_000 <= len(english) <= 95_000


def test_the_supplement_is_short_and_all_of_it_is_in_the_list(english: list[str]) -> None:
    extra = lines(SUPPLEMENT)
    assert len(extra) <= 300
    assert set(extra) <= set(english)


@pytest.mark.parametrize(
    "word", ["the", "colour", "color", "realise", "don't", "we'll", "café", "cafe", "tim", "url"]
)
def test_everyday_words_of_every_kind_are_in_the_list(english: list[str], word: str) -> None:
    assert word in english


@pytest.mark.parametrize("path", [ENGLISH, SUPPLEMENT], ids=lambda path: path.name)
def test_the_readme_states_the_checksum_and_the_length_of_the_file(path: Path) -> None:
    content = path.read_bytes()
    count = content.count(b"\n")
    row = f"| `{path.name}` | {count:,} | {len(content):,} | `{hashlib.sha256(content).hexdigest()}` |"
    assert row in README.read_text(encoding="utf-8")


def test_the_readme_carries_the_notices_that_the_licences_ask_for() -> None:
    text = README.read_text(encoding="utf-8")
    for holder in (
        "Kevin Atkinson",
        "Benjamin Titze",
        "Princeton University",
        "J Ross Beresford",
        "Geoff Kuenning",
    ):
        assert holder in text


@needs_scowl
def test_building_twice_gives_the_committed_bytes() -> None:
    first = build.build(build.DEFAULT_SCOWL, SUPPLEMENT)
    assert first == build.build(build.DEFAULT_SCOWL, SUPPLEMENT)
    assert first == ENGLISH.read_bytes()


def test_a_build_applies_every_rule(scowl: Path, supplement: Path) -> None:
    built = set(build.build(scowl, supplement).decode().split("\n")) - build.SHORT - {""}
    assert built == {"dog", "café", "cafe", "don't", "tim", "zoë", "zoe", "nascar", "grey", "lol", "t-shirt"}


def test_a_build_has_the_chosen_short_words_and_no_other(scowl: Path, supplement: Path) -> None:
    built = build.build(scowl, supplement).decode().split("\n")
    assert {word for word in built if 1 <= len(word) <= 2} == build.SHORT


def test_the_built_file_passes_its_own_check(scowl: Path, supplement: Path, tmp_path: Path) -> None:
    output = tmp_path / "english.txt"
    arguments = ["--scowl", str(scowl), "--supplement", str(supplement), "--output", str(output)]
    assert build.main(arguments) == 0
    assert build.main([*arguments, "--check"]) == 0


@pytest.mark.parametrize("content", [None, b"a\n"], ids=["missing", "different"])
def test_a_check_says_in_one_line_that_the_file_is_stale_and_leaves_it(
    content: bytes | None, scowl: Path, supplement: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "english.txt"
    if content is not None:
        output.write_bytes(content)
    options = ["--scowl", str(scowl), "--supplement", str(supplement), "--output", str(output)]
    assert build.main([*options, "--check"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert (output.read_bytes() if output.exists() else None) == content


@pytest.mark.parametrize("folder", ["nowhere", "."])
def test_a_folder_without_scowl_is_answered_with_the_name_of_the_package(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build.main(["--scowl", str(tmp_path / folder)]) == 2
    message = capsys.readouterr().err
    assert "Debian package scowl" in message
    assert message.count("\n") == 1


@pytest.mark.parametrize("module", [build, measure], ids=["build", "measure"])
def test_the_examples_in_the_scripts_are_true(module: ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.slow
def test_measuring_tells_words_from_noise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample = '{"kind": "human", "genre": "tweet", "text": "The dog\'s hot-dog isn\'t xqzzt"}\n'
    (tmp_path / "samples.jsonl").write_text(sample, encoding="utf-8")
    assert measure.main(["--corpora", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "| human: posts on a social network | 5 | 80.0% |" in printed
    assert "noise: random strings" in printed
