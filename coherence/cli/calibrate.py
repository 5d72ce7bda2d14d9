"""What `coherence calibrate` does, once its options are read."""

import json
from argparse import Namespace
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from coherence.readers.formats import jsonl
from coherence.readers.lines import Part, Problems
from coherence.scoring.calibration import BLOCK, Proof, calibrate, prove
from coherence.scoring.corpora import nltk_text
from coherence.scoring.lexicon import Lexicon
from coherence.show.console import as_line, console
from coherence.show.output import write_json
from coherence.show.terminal import show_problems

LEAST_LOOPS, MOST_PASSAGES = 0.95, 0.04
"""What a profile has to reach: the share of lines and blocks said again that are low, and of passages."""


def run(options: Namespace) -> int:
    """Measure a reference profile from corpora."""
    import_module("coherence.cli.named").check_outputs(options, _files(options.corpora))
    lexicon = Lexicon.from_file(options.words) if options.words else Lexicon.load()
    problems = Problems()
    sources = {str(corpus): _corpus_text(corpus, problems) for corpus in map(Path, options.corpora)}
    profile = calibrate(sources, options.name, lexicon)
    write_json(options.output, one_line_a_key(profile.to_json()))
    screen = console()
    screen.print(f"{profile.tokens:,} tokens of {len(sources)} corpora")
    screen.print(as_line(in_words(prove(profile, sources, lexicon))))
    show_problems(problems.count, problems.listed, screen)
    return 0


def in_words(proof: Proof) -> str:
    """Return what the profile says of its own corpus, and warn where it is blind or halts the healthy.

    >>> in_words(Proof(lines=0.5, blocks=1.0, passages=0.0)).partition("; ")[2]
    'it overlooks loops: take more text, or text of one kind'
    """
    said = (
        f"put to the proof: low are {proof.lines:.0%} of its lines said 40 times, {proof.blocks:.0%} of its "
        f"blocks of {BLOCK} characters said 5 times, and {proof.passages:.0%} of its passages as they stand"
    )
    if min(proof.lines, proof.blocks) < LEAST_LOOPS:
        said += "; it overlooks loops: take more text, or text of one kind"
    elif proof.passages > MOST_PASSAGES:
        said += "; it takes healthy text for loops: take text of one kind"
    return said


def one_line_a_key(values: dict[str, Any]) -> str:
    """Write JSON that a person can still look at: a profile has hundreds of points."""
    return (
        "{\n"
        + ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in values.items())
        + "\n}"
    )


def _files(corpora: Sequence[str]) -> Iterator[str]:
    for corpus in corpora:
        if not corpus.startswith("nltk:"):
            yield from map(str, text_files(Path(corpus)))


def _corpus_text(corpus: Path, problems: Problems) -> str:
    if (source := str(corpus)).startswith("nltk:"):
        return nltk_text(source.removeprefix("nltk:"))
    texts: list[str] = []
    for path in text_files(corpus):
        if path.suffix == ".jsonl":
            texts += [sample.text for sample in jsonl.samples(Part(str(path)), problems)]
        else:
            texts.append(path.read_text(encoding="utf-8", errors="replace"))
    return "\n\n".join(texts)


def text_files(corpus: Path) -> list[Path]:
    """Return the text and JSON-lines files that a corpus consists of.

    Raises:
        FileNotFoundError: the path does not exist.
        ValueError: the folder holds neither.
    """
    if not corpus.exists():
        raise FileNotFoundError(f"{corpus}: no such file or folder")
    if not corpus.is_dir():
        return [corpus]
    found = sorted(
        path for path in corpus.rglob("*") if path.suffix in (".txt", ".md", ".jsonl") and path.is_file()
    )
    if not found:
        raise ValueError(f"{corpus}: a folder without text; expected *.txt, *.md or *.jsonl in it")
    return found
