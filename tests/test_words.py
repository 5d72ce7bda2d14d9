"""What users read is in English that people speak: these words of ours are in none of it.

Checked are the prose of the pages, the top section of the changelog, `--help`, and the strings and
docstrings of the package. Code in a page is not prose. A phrase that is right all the same is in `ALLOWED`.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import ROOT
from shell import Shell

INSTEAD = {
    r"told|tells": "detected; says",
    r"stands": "is",
    r"(?<!there )(is|are) no(ne)?(?! longer)": "is not a",
    r"beside": "next to; with",
    r"(pass|passes|passed|passing) over": "skipped",
    r"(set|sets|setting) aside": "skipped",
    r"broken off|breaks off": "interrupted",
    r"anew": "again",
    r"whoever": "anyone who",
    r"goes on|went on|gone on": "resumes; continues",
    r"ones? of (its|one's|their|his|her) own": "its own",
    r"half pairs?": "lone surrogates",
    r"thinned out": "downsampled",
    r"dealt out": "permuted",
    r"made void": "superseded",
    r"put to the proof": "tested",
}
"""Words that nobody says, and what to write in their place."""

ALLOWED: tuple[str, ...] = ("told in private",)
"""Phrases in which a word is right."""

PAGES = {
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "fixtures/**/*.md", "wordlists/*.md")
    for path in ROOT.glob(pattern)
}
MODULES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "coherence").rglob("*.py"))
WORD = re.compile(r"\b(?:" + "|".join(INSTEAD) + r")\b", re.IGNORECASE)
COMMANDS = ("", "score", "audit", "watch", "check", "compare", "serve", "calibrate", "demo")


def prose(page: str) -> str:
    """Return what a page says: not its code, the targets of its links or older parts of the changelog."""
    text = (ROOT / page).read_text(encoding="utf-8")
    if page == "CHANGELOG.md":
        text = "\n## ".join(text.split("\n## ")[:2])
    text = re.sub(r"^( *)```.*?^\1```", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"(`+)[^`].*?\1", "", text, flags=re.DOTALL)
    return re.sub(r"\]\([^)]*\)", "]", text)


CODE_IN_A_STRING = re.compile(
    r"^ *>>>.*?(?:\n *\n|\Z)|`[^`]*`|\bNone\b|^ *[\w, ]+:(?= )", re.MULTILINE | re.DOTALL
)
"""Examples, names between backticks, and the names under `Args` and `Attributes`."""


def strings(path: Path) -> Iterator[str]:
    """Yield the strings of a module without code, docstrings included and keys of a word or so not."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield CODE_IN_A_STRING.sub("", node.value)


def found(text: str) -> list[str]:
    """Return the words of the list that are in a text, each with what is around it."""
    plain = " ".join(text.split())
    for phrase in ALLOWED:
        plain = plain.replace(phrase, "")
    hits = WORD.finditer(plain)
    return [f"«{plain[max(0, hit.start() - 30) : hit.end() + 20]}»: {better(hit[0])}" for hit in hits]


def better(word: str) -> str:
    """Return what to write instead of a word."""
    return next(instead for bad, instead in INSTEAD.items() if re.fullmatch(bad, word, re.IGNORECASE))


@pytest.mark.parametrize("page", sorted(PAGES))
def test_a_page_is_in_plain_words(page: str) -> None:
    assert not found(prose(page))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_is_in_plain_words(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = Shell(capsys)(*filter(None, (command, "--help")))
    assert said.status == 0
    assert not found(said.out)


@pytest.mark.parametrize("module", MODULES)
def test_the_strings_of_a_module_are_in_plain_words(module: str) -> None:
    assert not [hit for string in strings(ROOT / module) for hit in found(string)]


def test_a_word_is_found_across_a_line_break_and_not_in_code() -> None:
    assert found("It goes\non.")
    assert found("This IS NO page.")
    assert not found("It is no longer there, besides, and understands.")
    assert "beside" not in prose("README.md")
