"""Measure what a word list accepts: of the evaluation samples, and of text that is no language at all.

The samples are JSON lines with the fields kind, genre and text; they are not part of the project.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter, defaultdict
from itertools import islice
from pathlib import Path
from string import ascii_lowercase
from typing import TYPE_CHECKING

import regex

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

HERE = Path(__file__).resolve().parent
SEED = 20201207
RANDOM_STRINGS = 200_000
GIBBERISH_WORDS = 100_000

# Digits may open the run, so that the ending of "19th" is not taken for a word; such a run is no word.
RUN = regex.compile(r"[\p{L}\p{M}\p{Nd}]+(?:['’-][\p{L}\p{M}\p{Nd}]+)*")

# The first group with a key in the genre's name takes it.
GROUPS = {
    "plays in verse (1600)": ("plays",),
    "philosophy (1890, translated)": ("Nietzsche",),
    "short stories (1908)": ("Edith Wharton",),
    "everyday stories": ("everyday story",),
    "dialogue": ("dialogue", "chat turn"),
    "maths problems": ("maths",),
    "law": ("legal boilerplate",),
    "science abstracts": ("abstract",),
    "quotations and jokes": ("quote", "one-liner"),
    "posts on a social network": ("tweet",),
    "news and web pages": ("news", "headline", "Reuters"),
}


def word_tokens(text: str) -> list[str]:
    """Return the case-folded words of a text, with a straight apostrophe.

    >>> word_tokens("Don’t count the 19th WELL-KNOWN one!")
    ["don't", 'count', 'the', 'well-known', 'one']
    """
    runs = RUN.findall(text.casefold().replace("’", "'"))
    return [run for run in runs if run[0].isalpha()]


def accepts(words: frozenset[str], token: str) -> bool:
    """Tell whether a token is a word: as it stands, without a final 's, or part by part.

    >>> [accepts(frozenset({"dog", "hot"}), token) for token in ("dog's", "hot-dog", "hot-rod")]
    [True, True, False]
    """
    if token in words or token.removesuffix("'s") in words:
        return True
    parts = token.split("-")
    return len(parts) > 1 and all(accepts(words, part) for part in parts)


def random_strings(count: int) -> Iterator[str]:
    """Yield strings of 2 to 8 letters, every length and every letter as likely as the next."""
    rng = random.Random(SEED)  # noqa: S311 - repeatable, not secret
    for _ in range(count):
        yield "".join(rng.choices(ascii_lowercase, k=rng.randint(2, 8)))


def trigram_gibberish(texts: Iterable[str]) -> Iterator[str]:
    """Yield words, without end, whose letters each follow the two before as often as in the texts."""
    letters = regex.sub("[^a-z]+", " ", " ".join(texts).casefold())
    # Read as a ring, so that every pair has a follower.
    ring = letters + letters[:2]
    followers: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for start in range(len(letters)):
        followers[ring[start : start + 2]][ring[start + 2]] += 1
    return walk({pair: (list(counts), list(counts.values())) for pair, counts in followers.items()})


def walk(choices: dict[str, tuple[list[str], list[int]]]) -> Iterator[str]:
    """Yield the words of one random walk over letter pairs."""
    rng = random.Random(SEED)  # noqa: S311 - repeatable, not secret
    pair, word = next(iter(choices)), ""
    while True:
        letters, weights = choices[pair]
        letter = rng.choices(letters, weights)[0]
        pair = pair[1] + letter
        if letter != " ":
            word += letter
        elif word:
            yield word
            word = ""


def read_samples(folder: Path) -> list[dict[str, str]]:
    """Read every sample below a folder."""
    files = [path.read_bytes() for path in sorted(folder.rglob("*.jsonl"))]
    return [json.loads(line) for content in files for line in content.splitlines() if line]


def row_name(sample: dict[str, str]) -> str:
    """Name the row that a sample counts in: its kind, and for people's writing the broad genre too."""
    if sample["kind"] != "human":
        return sample["kind"]
    found = (name for name, keys in GROUPS.items() if any(key in sample["genre"] for key in keys))
    return f"human: {next(found, 'other')}"


def token_rows(samples: Iterable[dict[str, str]]) -> dict[str, Counter[str]]:
    """Count the word tokens of each row, and of everything people wrote together."""
    rows: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for sample in samples:
        tokens = word_tokens(sample["text"])
        rows[row_name(sample)].update(tokens)
        if sample["kind"] == "human":
            rows["human, all"].update(tokens)
    return dict(sorted(rows.items()))


def noise_rows(samples: Iterable[dict[str, str]]) -> dict[str, Counter[str]]:
    """Count the words of two kinds of noise; the second is made from what people wrote."""
    texts = [sample["text"] for sample in samples if sample["kind"] == "human"]
    gibberish = list(islice(trigram_gibberish(texts), GIBBERISH_WORDS))
    return {
        "noise: random strings of 2-8 letters": Counter(random_strings(RANDOM_STRINGS)),
        "noise: letter-trigram gibberish": Counter(gibberish),
        "noise: letter-trigram gibberish, 3 letters and more": Counter(w for w in gibberish if len(w) > 2),
    }


def table(words: frozenset[str], rows: dict[str, Counter[str]]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| text | word tokens | accepted |", "|---|---:|---:|"]
    for name, tokens in rows.items():
        share = sum(n for token, n in tokens.items() if accepts(words, token)) / max(1, tokens.total())
        lines.append(f"| {name} | {tokens.total():,} | {share:.1%} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measure how much of each kind of text a word list accepts.")
    parser.add_argument("--corpora", type=Path, required=True, metavar="DIR", help="folder of .jsonl samples")
    parser.add_argument("--list", type=Path, default=HERE / "english.txt", metavar="FILE")
    options = parser.parse_args(arguments)
    words = frozenset(options.list.read_text(encoding="utf-8").split())
    samples = read_samples(options.corpora)
    sys.stdout.write(table(words, token_rows(samples) | noise_rows(samples)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
