"""The corpora of NLTK as sources of a profile: read by nltk itself, from a small folder of our own."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import nltk.corpus
import nltk.data
import pytest
from shell import Shell

from coherence.scoring.corpora import nltk_text

CORPORA = {
    "webtext/a.txt": "A cat, a dog.\n\nNo bird!\n",
    "webtext/b.txt": "The end.\n",
    "brown/ca01": "\n\tThe/at cat/nn said/vbd ``/`` and/or/cc ''/'' ./.\n",
    "brown/cats.txt": "ca01 news\n",
    "treebank/combined/wsj_0001.mrg": "( (S (NP (DT The) (NN cat)) (VP (VBD sat)) (. .)) )\n",
    "treebank/raw/wsj_0001": "The cat sat.\n",
    "shakespeare/a.xml": "<PLAY><LINE>To be</LINE></PLAY>",
    "shakespeare/b.xml": "<PLAY><LINE>or not</LINE></PLAY>",
    "names/female.txt": "Ada\nEve\n",
    "qc/train.txt": "DESC:manner How did it go ?\n",
    "qc/test.txt": "",
}


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of data with a few corpora, and no other folder."""
    for name, text in CORPORA.items():
        path = tmp_path / "nltk_data/corpora" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path / "nltk_data")])
    yield tmp_path / "nltk_data/corpora"
    for name in {name.partition("/")[0] for name in CORPORA} | {"treebank_raw"}:
        getattr(nltk.corpus, name)._unload()  # nltk remembers where it found a corpus


@pytest.mark.parametrize(
    ("name", "text"),
    [
        # plain text as it is
        ("webtext", "A cat, a dog.\n\nNo bird!\nThe end.\n"),
        ("treebank_raw", "The cat sat.\n"),
        # the words of tags, trees and XML
        ("brown", "The cat said `` and/or '' ."),
        ("treebank", "The cat sat ."),
        ("shakespeare", "To be or not"),
    ],
)
def test_the_text_of_a_corpus_is_what_stands_in_it_without_tags(name: str, text: str) -> None:
    assert nltk_text(name) == text
    assert nltk_text(name) == text, "the second time it is loaded already"


@pytest.mark.parametrize(
    ("name", "package"), [("gutenberg", "gutenberg"), ("treebank_chunk", "treebank"), ("wordnet", "wordnet")]
)
def test_a_corpus_that_is_not_installed_is_refused_with_the_command_that_installs_it(
    name: str, package: str
) -> None:
    with pytest.raises(
        ValueError, match=rf"^nltk:{name}: .* not installed; python -m nltk.downloader {package}$"
    ):
        nltk_text(name)


@pytest.mark.parametrize("name", ["names", "qc"])
def test_what_is_no_running_text_is_refused(name: str) -> None:
    with pytest.raises(
        ValueError, match=f"nltk:{name}: a list or a database; expected a corpus of running text"
    ):
        nltk_text(name)


@pytest.mark.parametrize(
    "name", ["", "find", "../corpora/brown", "LazyCorpusLoader", "__name__", "http://brown"]
)
def test_an_unknown_name_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(ValueError, match=r"no corpus .*; (it has abc, .*brown, .*words|did you mean .*\?)$"):
        nltk_text(name)


def test_a_name_that_is_nearly_one_is_refused_with_the_one_that_may_be_meant() -> None:
    with pytest.raises(ValueError, match=r"^NLTK has no corpus 'gutenburg'; did you mean gutenberg\?$"):
        nltk_text("gutenburg")


@pytest.mark.slow
def test_a_profile_is_measured_on_a_corpus_of_nltk_and_a_file(
    shell: Shell, installed: Path, tmp_path: Path
) -> None:
    random = Random(0)  # noqa: S311 - it draws words, not secrets
    words = random.choices(["old", "man", "walked", "along", "river", "cat", "dog"], k=1500)
    (installed / "brown/ca01").write_text(" ".join(f"{word}/nn" for word in words), encoding="utf-8")
    (tmp_path / "mine.txt").write_text(" ".join(words[:1200]), encoding="utf-8")
    outcome = shell("calibrate", "nltk:brown", str(tmp_path / "mine.txt"), "-o", "-")
    profile = json.loads(outcome.out)
    assert outcome.status == 0
    assert "2,700 tokens of 2 corpora" in outcome.err
    assert (profile["tokens"], profile["source"]) == (2700, f"{tmp_path / 'mine.txt'}, nltk:brown")


def test_a_corpus_that_cannot_be_had_is_refused_in_one_line(shell: Shell) -> None:
    assert shell.refused("calibrate", "nltk:abc", "-o", "-") == (
        "coherence: nltk:abc: its data is not installed; python -m nltk.downloader abc\n"
    )
    assert "NLTK has no corpus 'nothing like it'; it has abc, " in shell.refused(
        "calibrate", "nltk:nothing like it", "-o", "-"
    )
    assert "nltk:brown has 11 tokens" in shell.refused("calibrate", "nltk:brown", "-o", "-")


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)
