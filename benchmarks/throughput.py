"""Measures how much text per second the scorers read, compared with `zlib` and the installed peers.

    python benchmarks/throughput.py

CPU time on one core, wall-clock time on all of them. All contenders read in turn, several times; the table
shows the best try, and the median ratio to zlib in the same turn. If zlib gains nothing from more cores, they
were busy.
The text is that of the fixture runs and of Python's own manual.
"""

import argparse
import json
import os
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from itertools import cycle, islice
from pathlib import Path
from pydoc_data.topics import topics
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from nltk import FreqDist, ngrams

from coherence import score
from coherence.audit.shard import ScoringSettings, Shard, score_shard
from coherence.readers.lines import Part
from coherence.readers.read import Piece
from coherence.scoring.batch import score_many, score_plain
from coherence.scoring.text import clean, tokenize

SIZES = (60, 500, 2048, 16_384, 131_072)
CHARACTERS = 400_000
TRIES = 9
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
A_STEP = 4
RUNS = Path(__file__).parent.parent / "fixtures/runs"

ZLIB = "zlib level 6"
ALL_CORES = ", all cores"

Contender = Callable[[list[str]], object]


def main() -> None:
    """Print megabytes per second and the ratio to zlib for each contender and size of samples."""
    parser = argparse.ArgumentParser(description="Measure how much text a second is scored.")
    parser.add_argument("--tries", type=int, default=TRIES)
    tries = parser.parse_args().tries
    contenders = dict(everybody())
    found = {size: measured(contenders, samples_of(size), tries) for size in SIZES}
    print(f"MB/s, best of {tries} (times zlib, median), {CORES} cores   samples of so many characters")
    print(f"{'':<32}" + "".join(f"{size:>16,}" for size in SIZES))
    for name in contenders:
        rates = [(max(rates[name]), ratio(rates[name], rates[ZLIB])) for rates in found.values()]
        print(f"{name:<32}" + "".join(f"{f'{rate:.1f} ({times:.2f})':>16}" for rate, times in rates))
    for name, reason in ABSENT.items():
        print(f"{name:<32}{reason}")


def samples_of(size: int) -> list[str]:
    """Cut the samples of the fixture runs and the manual into samples of one size."""
    paths = sorted(RUNS.glob("*/samples.jsonl"))
    said = [json.loads(line)["text"] for path in paths for line in path.read_text("utf-8").splitlines()]
    manual = [topics[name] for name in sorted(topics)]
    whole = "\n".join(text for pair in zip(cycle(said), manual, strict=False) for text in pair)
    return [whole[at : at + size] for at in range(0, min(len(whole), CHARACTERS) - size + 1, size)]


def ratio(rates: list[float], others: list[float]) -> float:
    """Return the median of the ratios of rates in the same turn."""
    return median(rate / other for rate, other in zip(rates, others, strict=True))


def measured(contenders: dict[str, Contender], samples: list[str], tries: int) -> dict[str, list[float]]:
    """Return the megabytes per second of each contender in each try."""
    size = sum(len(sample.encode()) for sample in samples)
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    with TemporaryDirectory() as folder:
        file = Path(folder, "samples.jsonl")
        rows = ({"step": number // A_STEP, "text": sample} for number, sample in enumerate(samples))
        file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
        for name, contender in islice(cycle(contenders.items()), (tries + 1) * len(contenders)):
            given = [str(file)] if contender is from_json_lines else samples
            clock = time.perf_counter if name.endswith(ALL_CORES) else time.process_time
            started = clock()
            contender(given)
            taken[name].append(clock() - started)
    # The first try compiles, loads and builds tables.
    return {name: [size / each / 1e6 for each in seconds[1:]] for name, seconds in taken.items()}


# Contenders: all read all samples

ABSENT: dict[str, str] = {}


def everybody() -> Iterator[tuple[str, Contender]]:
    """Yield the name and the function of each contender; those that are not installed go to `ABSENT`."""
    yield ZLIB, each(lambda text: zlib.compress(text.encode(), 6))
    yield f"{ZLIB}{ALL_CORES}", shared(each(lambda text: zlib.compress(text.encode(), 6)))
    yield "score", each(score)
    yield f"score{ALL_CORES}", shared(each(score))
    yield "score_many", score_many
    yield f"score_many{ALL_CORES}", shared(score_many)
    yield "the plain scorer", score_plain
    yield "a shard of JSON lines", from_json_lines
    yield "distinct-2 and distinct-3", each(distinct)
    yield "n-grams with nltk", each(nltk_grams)
    for name, make in (
        ("zstd level 3", zstd),
        ("distinct-2 with polars", polars),
        ("MTLD of lexicalrichness", mtld),
        ("Gopher repetition filter", gopher),
        ("llm-degen-guard", guard),
    ):
        try:
            contender = make()
        except (ImportError, OSError) as error:
            ABSENT[name] = f"not installed: {error}"
        else:
            yield name, contender


def each(function: Callable[[str], object]) -> Contender:
    """Take the samples one by one."""

    def take(samples: list[str]) -> None:
        for sample in samples:
            function(sample)

    return take


POOL = ThreadPoolExecutor(CORES)


def shared(contender: Contender) -> Contender:
    """Give each core its share of the samples, in threads."""

    def share(samples: list[str]) -> None:
        list(POOL.map(contender, (list(islice(samples, core, None, CORES)) for core in range(CORES))))

    return share


def from_json_lines(paths: list[str]) -> None:
    """Read JSON lines, score their samples and compare those of a step, like an audit of a shard."""
    score_shard(Shard(0, tuple(Piece(Part(path), "jsonl", None) for path in paths)), ScoringSettings())


def distinct(text: str) -> list[float]:
    """Return the share of distinct bigrams and trigrams of words, as counted in papers."""
    words = text.split()
    grams = [list(zip(*(words[at:] for at in range(order)), strict=False)) for order in (2, 3)]
    return [len(set(found)) / max(len(found), 1) for found in grams]


def nltk_grams(text: str) -> list[int]:
    """Count the n-grams that are scored with nltk."""
    cleaned = clean(text)
    tokens = tokenize(cleaned)
    counted = [FreqDist(ngrams(tokens, order)) for order in (1, 2, 3)] + [FreqDist(ngrams(cleaned, 4))]
    return [len(counts) for counts in counted]


def polars() -> Contender:
    """Return the share of distinct pairs of words, with all samples in one frame."""
    pl: Any = import_module("polars")

    def take(samples: list[str]) -> object:
        frame = pl.DataFrame({"text": samples}).with_row_index("sample")
        words = frame.with_columns(pl.col("text").str.split(" ")).explode("text")
        second = pl.col("text").shift(-1).over("sample")
        pairs = words.with_columns(second.alias("second")).drop_nulls()
        return pairs.group_by("sample").agg(pl.struct("text", "second").n_unique() / pl.len())

    return take


def mtld() -> Contender:
    """Return the measure of textual lexical diversity."""
    richness: Any = import_module("lexicalrichness").LexicalRichness

    def take(text: str) -> float:
        found = richness(text)
        return float(found.mtld()) if found.words else 0.0

    return each(take)


def zstd() -> Contender:
    """Compress with zstd."""
    compress = import_module("zstandard").ZstdCompressor(3).compress
    return each(lambda text: compress(text.encode()))


def gopher() -> Contender:
    """Filter like datatrove, with its tokenizer for English."""
    module: Any = import_module("datatrove.pipeline.filters.gopher_repetition_filter")
    document: Any = import_module("datatrove.data").Document
    repetition = module.GopherRepetitionFilter()
    module.split_into_words("a word", repetition.language)  # fails if its tokenizer is not installed
    return each(lambda text: repetition.filter(document(text=text, id="0")))


def guard() -> Contender:
    """Check like llm-degen-guard."""
    return each(import_module("degen_guard").DegenGuard.check)


if __name__ == "__main__":
    main()
