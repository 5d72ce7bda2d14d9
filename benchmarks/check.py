"""How often `coherence check` fails when it should not, and when it should; and what it costs.

    python benchmarks/check.py --corpora DIR

DIR holds `classes/*.jsonl`, an object a line with `kind`, `source_repo`, `text`, maybe `prompt`. The samples
are not part of this repository.

*False alarms*: both sides are drawn from the same class of healthy samples, without overlap. *Detection*: as
that, of the class `healthy_model`, and a share of the second side is replaced by samples that end in a loop.
*Cost*: processor time of the whole command on 200 samples of 2 KB, beside that of the imports alone.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from coherence.check.samples import score_samples
from coherence.check.compare import Limits
from coherence.check.verdict import Check, check_scores
from coherence.readers.records import Sample
from coherence.scoring.between import diversity_between
from coherence.scoring.columns import Columns, columns_of
from coherence.scoring.scores import Scores, score_tokens
from coherence.scoring.text import clean, tokenize

HEALTHY = ("healthy_model", "human", "non_english", "code", "poetry_list_etc")
SIZES = (20, 50, 100, 200, 500)
SHARES = (0.05, 0.1, 0.2, 0.4)
Rows = list[dict[str, Any]]


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--corpora", type=Path, required=True, metavar="DIR")
    parser.add_argument("--splits", type=int, default=1000, help="for the false alarms (1000)")
    parser.add_argument("--trials", type=int, default=100, help="for each cell of the detection (100)")
    parser.add_argument("--strata", choices=("prompt", "source", "none"), default="prompt")
    options = parser.parse_args()
    classes = {
        kind: _rows(options.corpora / "classes" / f"{kind}.jsonl") for kind in (*HEALTHY, "degenerate")
    }
    sampler = _sampler(options.strata)
    print_false_alarms(classes, options.splits, sampler)
    print_detection(classes["healthy_model"], classes["degenerate"], options.trials, sampler)
    print_cost(classes["healthy_model"])


def _rows(path: Path) -> Rows:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _sampler(strata: str) -> Callable[[dict[str, Any]], Sample]:
    def sample(row: dict[str, Any]) -> Sample:
        return Sample(
            step=1,
            text=row["text"],
            prompt=row.get("prompt") if strata == "prompt" else None,
            source=row["source_repo"] if strata == "source" else None,
            file="-",
            line=1,
        )

    return sample


Key = tuple[str, str | None]
_known: dict[Key, tuple[Scores, list[str]]] = {}


def scored_once(
    texts: Sequence[str], prompts: Sequence[str | None], _lexicon: Any, _profile: Any, groups: Sequence[int]
) -> Columns:
    """Score as `score_plain`, each text but once."""
    found = []
    for text, prompt in zip(texts, prompts, strict=True):
        if (text, prompt) not in _known:
            cleaned = clean(text, prompt)
            tokens = tokenize(cleaned)
            _known[text, prompt] = score_tokens(cleaned, tokens), tokens
        found.append(_known[text, prompt])
    starts = np.cumsum([0, *groups])
    steps = [[(*each, None) for each in found[a:b]] for a, b in pairwise(starts) if b - a > 1]
    pairs = [diversity_between(step) for step in steps]
    between = np.array(pairs + [None] * (len(groups) - len(pairs)), np.float64)
    return columns_of([scores for scores, _ in found], between)


def compared(before: Sequence[Sample], now: Sequence[Sample]) -> Check:
    """Check one side against the other."""
    first = score_samples(before, scorer=scored_once, prefixes=())
    return check_scores(first.snapshot, score_samples(now, scorer=scored_once, prefixes=()), Limits())


def print_false_alarms(
    classes: dict[str, Rows], splits: int, sampler: Callable[[dict[str, Any]], Sample]
) -> None:
    """Print how often two sides of the same class fail, by size."""
    random = Random(1)  # noqa: S311 - it splits samples, it keeps no secrets
    found: dict[int, Counter[str]] = {size: Counter() for size in SIZES}
    for number in range(splits):
        size = SIZES[number % len(SIZES)]
        kinds = [kind for kind in HEALTHY if len(classes[kind]) >= 2 * size]
        drawn = [sampler(row) for row in random.sample(classes[random.choice(kinds)], 2 * size)]
        result = compared(drawn[:size], drawn[size:])
        warned = result.verdict != "fail" and bool(result.of("warning"))
        found[size].update(["splits", result.verdict, *["warned"] * warned, *["halts"] * result.halt])
    print(f"{'false alarms':<14}" + "".join(f"{name:>14}" for name in COLUMNS))
    for size, counts in found.items():
        print(f"{size:>6} a side " + "".join(f"{counts[name]:>14}" for name in COLUMNS))
    total = sum(found.values(), Counter())
    print(f"{total['fail']} of {total['splits']} fail: {100 * total['fail'] / total['splits']:.2f} %\n")


COLUMNS = ("splits", "fail", "halts", "warned", "inconclusive", "pass")


def print_detection(
    healthy: Rows, degenerate: Rows, trials: int, sampler: Callable[[dict[str, Any]], Sample]
) -> None:
    """Print how often a side with a share of degenerate samples fails, by size and share."""
    random = Random(2)  # noqa: S311
    print(f"{'caught, %':<14}" + "".join(f"{f'{share:.0%} degenerate':>16}" for share in SHARES))
    for size in SIZES:
        cells = []
        for share in SHARES:
            worse = round(share * size)
            caught = 0
            for _ in range(trials):
                drawn = random.sample(healthy, 2 * size - worse)
                now = drawn[size:] + random.sample(degenerate, worse)
                random.shuffle(now)
                result = compared([sampler(row) for row in drawn[:size]], [sampler(row) for row in now])
                caught += result.verdict == "fail"
            cells.append(f"{100 * caught / trials:>16.0f}")
        print(f"{size:>6} a side " + "".join(cells), flush=True)


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
