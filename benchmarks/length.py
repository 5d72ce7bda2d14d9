"""Measures whether a score means the same at every length, and how repeating a text changes it.

    python benchmarks/length.py FILE...

FILE is plain text, the longer the better; every file has equal weight. Prints the mean of each score over
passages of 25 to 5,000 words, and over passages of 50 and 200 words repeated 2, 4, 8 and 16 times.
"""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from statistics import fmean

from coherence import score

LENGTHS = (25, 50, 100, 200, 500, 1000, 5000)
REPEATED = (50, 200)
TIMES = (2, 4, 8, 16)
PASSAGES = 40


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    texts = [path.read_text(encoding="utf-8").split(" ") for path in parser.parse_args().files]
    print(f"{'passage':<24}{'bigram':>10}{'trigram':>10}{'english':>10}{'character':>10}")
    for length in LENGTHS:
        print_means(f"{length} words", passages(texts, length))
    for length in REPEATED:
        for times in TIMES:
            cut = [" ".join([passage] * times) for passage in passages(texts, length)]
            print_means(f"{length} words x {times}: {100 / times:.1f}", cut)


def passages(texts: Sequence[Sequence[str]], length: int) -> list[str]:
    """Draw passages of `length` words from every text that is long enough."""
    random = Random(length)  # noqa: S311 - passages, not secrets
    starts = [
        (text, random.randrange(len(text) - length))
        for text in texts
        if len(text) > length
        for _ in range(PASSAGES)
    ]
    return [" ".join(text[start : start + length]) for text, start in starts]


def print_means(name: str, samples: Iterable[str]) -> None:
    """Print a row: the mean of each of the four scores."""
    rows = [score(sample).values for sample in samples]
    means = [fmean(value for value in column if value is not None) for column in zip(*rows, strict=True)]
    print(f"{name:<24}" + "".join(f"{mean:>10.1f}" for mean in means))


if __name__ == "__main__":
    main()
