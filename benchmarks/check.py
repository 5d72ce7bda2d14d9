"""Measures how often `coherence check` fails when it should not, and when it should, and what it costs.

    python benchmarks/check.py --corpora DIR

DIR holds `classes/*.jsonl`, one object per line with `kind`, `source_repo`, `path`, `text`, maybe `prompt`.
The samples are not part of this repository.

*Honest pairs*: both sides are drawn from the same pool, without overlap: the samples of one model and one
decoder, people's texts of one kind, or a class as a whole. *Independent*: one text per sample. *Shared
prompts*: texts are cut into pieces, which are the samples of a prompt; each side has other pieces of the same
texts. *Clustered*: the same, but each side has different texts. *Not told*: as clustered, but no prompt is
given. *Other texts*: not a model's.

*Power*: one side of a pair is made worse in the way that is named, and half of the samples of a shared prompt
are on each side. *Cost*: processor time of the whole command on 200 samples of 2 KB, compared with that of
the imports.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from coherence.check.samples import score_samples
from coherence.check.verdict import Check, check_scores
from coherence.readers.records import Sample

HEALTHY = ("healthy_model", "human", "non_english", "code", "poetry_list_etc")
SIZES = (30, 50, 100, 200, 500)
FEWEST = 100
"""Texts that a pool needs."""

PIECES = 4
"""Pieces that a text is cut into."""

Row = dict[str, Any]
Rows = list[Row]
Texts = list[tuple[str, str | None]]
VERDICTS = ("pass", "inconclusive", "fail")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--corpora", type=Path, required=True, metavar="DIR")
    parser.add_argument("--honest", type=int, default=200, help="trials for a cell of honest pairs (200)")
    parser.add_argument("--trials", type=int, default=50, help="trials for a cell of power (50)")
    options = parser.parse_args()
    rows = {kind: _rows(options.corpora, kind) for kind in (*HEALTHY, "degenerate")}
    pools = _pools([row for kind in HEALTHY for row in rows[kind]])
    print_honest(pools, options.honest)
    models = [pool for pool in pools if pool.kind == "healthy_model"]
    print_power(models, rows, options.trials)
    print_zone(models, rows["degenerate"], options.trials)
    print_cost(rows["healthy_model"])


def _rows(corpora: Path, kind: str) -> Rows:
    lines = (corpora / "classes" / f"{kind}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


class Pool(NamedTuple):
    """Healthy texts of one origin."""

    kind: str
    name: str
    texts: list[str]


def _pools(rows: Rows) -> list[Pool]:
    """Return a pool for each origin, and one for each class of samples as a whole."""
    found: defaultdict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for row in rows:
        found[row["kind"], f"{row['source_repo']} {row['path']}"][row["text"]] = None
        found[row["kind"], "all"][row["text"]] = None
    return [Pool(*key, list(texts)) for key, texts in found.items() if len(texts) >= FEWEST]


def _large(pools: Sequence[Pool], size: int) -> list[Pool]:
    """Return the pools from which two sides of a given size can be drawn without overlap."""
    return [pool for pool in pools if len(pool.texts) >= 2 * size]


def compared(before: Texts, now: Texts) -> Check:
    """Check one side against the other."""
    first = score_samples(_samples(before), prefixes=())
    return check_scores(first.snapshot, score_samples(_samples(now), prefixes=()))


def _samples(texts: Texts) -> list[Sample]:
    return [
        Sample(step=1, text=text, prompt=prompt, file="-", line=n)
        for n, (text, prompt) in enumerate(texts, 1)
    ]


# Honest pairs


def independent(pool: Pool, size: int, random: Random) -> tuple[Texts, Texts]:
    """Draw both sides without overlap."""
    texts = random.sample(pool.texts, 2 * size)
    return [(text, None) for text in texts[:size]], [(text, None) for text in texts[size:]]


def shared(pool: Pool, size: int, random: Random) -> tuple[Texts, Texts]:
    """Draw pieces of the same texts."""
    whole = random.sample(pool.texts, size // (PIECES // 2))
    pieces = [(random.sample(_pieces(text), PIECES), text[:40]) for text in whole]
    before: Texts = [(piece, name) for cut, name in pieces for piece in cut[: PIECES // 2]]
    now: Texts = [(piece, name) for cut, name in pieces for piece in cut[PIECES // 2 :]]
    return before, now


def clustered(pool: Pool, size: int, random: Random) -> tuple[Texts, Texts]:
    """Draw pieces of different texts for each side."""
    whole = random.sample(pool.texts, 2 * (size // PIECES))
    sides = whole[::2], whole[1::2]
    before, now = (_asked(side) for side in sides)
    return before, now


def _asked(texts: Sequence[str]) -> Texts:
    return [(piece, text[:40]) for text in texts for piece in _pieces(text)]


def not_told(pool: Pool, size: int, random: Random) -> tuple[Texts, Texts]:
    """Draw like `clustered`, without prompts."""
    before, now = clustered(pool, size, random)
    return [(text, None) for text, _ in before], [(text, None) for text, _ in now]


def _pieces(text: str) -> list[str]:
    words = text.split(" ")
    length = max(1, -(-len(words) // PIECES))
    return [" ".join(words[n * length : (n + 1) * length]) for n in range(PIECES)]


def print_honest(pools: Sequence[Pool], trials: int) -> None:
    """Print the verdicts on honest pairs, by design and size."""
    random = Random(1)  # noqa: S311 - it draws samples, it keeps no secrets
    print(f"{'honest pairs, %':<28}" + "".join(f"{name:>14}" for name in VERDICTS))
    models = [pool for pool in pools if pool.kind == "healthy_model"]
    others = [pool for pool in pools if pool.kind != "healthy_model"]
    total: Counter[str] = Counter()
    for name, draw, of in (
        ("independent", independent, models),
        ("shared prompts", shared, models),
        ("clustered", clustered, models),
        ("not told", not_told, models),
        ("other texts", independent, others),
    ):
        for size in SIZES:
            large = _large(of, size if draw is independent else size // 2)
            long = [pool for pool in large if draw is independent or _length(pool) > 100 * PIECES]
            counts: Counter[str] = Counter()
            for trial in range(trials):
                counts[compared(*draw(long[trial % len(long)], size, random)).verdict] += 1
            print(_line(f"{name}, {size} a side", counts, trials), flush=True)
            total += counts
    print(f"{total['fail']} of {total.total()} fail: {100 * total['fail'] / total.total():.2f} %\n")


def _length(pool: Pool) -> int:
    return sorted(map(len, pool.texts))[len(pool.texts) // 2]


def _line(name: str, counts: Counter[str], trials: int) -> str:
    return f"{name:<28}" + "".join(f"{100 * counts[each] / trials:>14.1f}" for each in VERDICTS)


# Power

Worse = Callable[[list[str], Random, dict[str, Rows]], list[str]]


def replaced(share: float, kind: str) -> Worse:
    """Replace a share of the samples by samples of another class."""

    def change(texts: list[str], random: Random, rows: dict[str, Rows]) -> list[str]:
        count = round(share * len(texts))
        bad = [row["text"] for row in random.choices(rows[kind], k=count)]
        return [*texts[count:], *bad]

    return change


def each(share: float, one: Callable[[str, Random], str]) -> Worse:
    """Change a share of the samples, one by one."""

    def change(texts: list[str], random: Random, _rows: dict[str, Rows]) -> list[str]:
        count = round(share * len(texts))
        return [*(one(text, random) for text in texts[:count]), *texts[count:]]

    return change


def last_third_loops(text: str, random: Random) -> str:
    """Repeat a phrase of three to nine words until the text is as long as before."""
    words = text.split()
    kept = max(1, 2 * len(words) // 3)
    phrase = words[max(0, kept - random.randint(3, 9)) : kept]
    return " ".join(words[:kept] + (phrase * len(words))[: len(words) - kept])


def said_twice(text: str, _random: Random) -> str:
    """Replace the second half by the first."""
    words = text.split()
    return " ".join(words[: len(words) // 2] * 2)


def cut_short(text: str, _random: Random) -> str:
    """Keep fifteen words."""
    return " ".join(text.split()[:15])


def refused(_text: str, random: Random) -> str:
    """Decline, in one of a few ways."""
    sorry = random.choice(("I'm sorry, but", "I apologise, but", "Unfortunately,"))
    cannot = random.choice(("I can't help with that request", "I am not able to answer this question"))
    return f"{sorry} {cannot}. {random.choice(('Is there anything else?', 'Please ask something else.'))}"


def shuffled(text: str, random: Random) -> str:
    """Shuffle the words."""
    words = text.split()
    return " ".join(random.sample(words, len(words)))


def one_answer(texts: list[str], random: Random, _rows: dict[str, Rows]) -> list[str]:
    """Give the same answer to everything."""
    return [random.choice(texts)] * len(texts)


CHANGES: dict[str, Worse] = {
    "2 % loops": replaced(0.02, "degenerate"),
    "5 % loops": replaced(0.05, "degenerate"),
    "10 % loops": replaced(0.1, "degenerate"),
    "20 % loops": replaced(0.2, "degenerate"),
    "20 %: last third loops": each(0.2, last_third_loops),
    "20 %: said twice": each(0.2, said_twice),
    "all: cut to 15 words": each(1.0, cut_short),
    "20 % another language": replaced(0.2, "non_english"),
    "all: another language": replaced(1.0, "non_english"),
    "20 % refusals": each(0.2, refused),
    "one answer for all": one_answer,
    "all: words shuffled": each(1.0, shuffled),
}
POWER_SIZES, ZONE_SIZES = (50, 100, 200, 500), (100, 200, 500, 1000)


def print_power(models: Sequence[Pool], rows: dict[str, Rows], trials: int) -> None:
    """Print how often a side that was made worse fails, by the change and by size."""
    random = Random(2)  # noqa: S311
    print(f"{'fails, %':<28}" + "".join(f"{f'{size} a side':>14}" for size in POWER_SIZES))
    for name, change in CHANGES.items():
        cells = []
        for size in POWER_SIZES:
            failed = 0
            large = _large(models, size)
            for trial in range(trials):
                before, now = independent(large[trial % len(large)], size, random)
                worse = change([text for text, _ in now], random, rows)
                random.shuffle(worse)
                failed += compared(before, [(text, None) for text in worse]).verdict == "fail"
            cells.append(f"{100 * failed / trials:>14.0f}")
        print(f"{name:<28}" + "".join(cells), flush=True)
    cells = []
    for size in POWER_SIZES:
        found = [compared(*longer(models, size, random)).verdict for _ in range(trials)]
        cells.append(f"{100 * found.count('fail') / trials:>14.0f}")
    print(f"{'twice as long (should not)':<28}" + "".join(cells), flush=True)
    print()


def longer(models: Sequence[Pool], size: int, random: Random) -> tuple[Texts, Texts]:
    """Draw halves of texts before and whole ones now."""
    before, now = independent(random.choice(_large(models, size)), size, random)
    halves: Texts = [(" ".join(text.split(" ")[: len(text.split(" ")) // 2]), None) for text, _ in before]
    return halves, now


def print_zone(models: Sequence[Pool], degenerate: Rows, trials: int) -> None:
    """Print how often the comparison of one score fails if it falls by about the tolerance."""
    random = Random(3)  # noqa: S311
    print(f"{'bigram falls by, points: %':<28}" + "".join(f"{f'{size} a side':>14}" for size in ZONE_SIZES))
    for share in (0.03, 0.04, 0.05, 0.06, 0.08):
        cells = []
        for size in ZONE_SIZES:
            failed = 0
            for trial in range(trials):
                large = _large(models, size)
                before, now = (
                    [text for text, _ in side]
                    for side in independent(large[trial % len(large)], size, random)
                )
                now[: round(share * size)] = [
                    row["text"] for row in random.choices(degenerate, k=round(share * size))
                ]
                found = compared([(text, None) for text in before], [(text, None) for text in now])
                failed += any(each.verdict == "fail" for each in found.comparisons if each.name == "bigram")
            cells.append(f"{100 * failed / trials:>14.0f}")
        print(f"{f'about {100 * share * 0.95:.0f}':<28}" + "".join(cells), flush=True)
    print()


def print_cost(healthy: Rows) -> None:
    """Print the processor time of the command on 200 samples of 2 KB, and that of the imports."""
    long = [row["text"] for row in healthy if len(row["text"]) >= 1000]
    texts = [(one + " " + two)[:2000] for one, two in zip(long[:400:2], long[1:400:2], strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        path, snapshot = Path(folder) / "samples.jsonl", Path(folder) / "snapshot.json"
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
        command = ["-m", "coherence.cli", "check", str(path), "--snapshot", str(snapshot)]
        _cpu([*command, "--update"])
        whole = min(_cpu(command) for _ in range(3))
    imports = min(_cpu(["-c", "import coherence.cli.main, coherence.cli.check"]) for _ in range(3))
    ratio = f"{whole / imports:.2f} times that"
    print(f"\n{len(texts)} samples of 2 KB: {whole:.2f} s of CPU; imports alone {imports:.2f} s; {ratio}")


def _cpu(arguments: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=False, capture_output=True)  # noqa: S603 - our own
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
