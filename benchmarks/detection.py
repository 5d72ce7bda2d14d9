"""What the scores and the gate catch on labelled samples, beside two simple peers.

    python benchmarks/detection.py --corpora DIR

DIR holds `classes/*.jsonl`, `runs/*.jsonl` (an object a line with `kind`, `genre`, `step`, `text`, maybe
`prompt`) and `runs/LABELS.json`. The samples are not part of this repository.

The peers: *plain ratios* call a sample low when distinct bigrams / bigrams, distinct trigrams / trigrams,
English words / words and distinct characters / characters are all below 0.30; *zlib* when the text is more
than 2.4 times as long as its zlib compression.
"""

import argparse
import json
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coherence import Gate, Lexicon, Scores, score
from coherence.audit.build import audit_samples
from coherence.readers.records import Sample
from coherence.scoring.ngrams import ngrams
from coherence.scoring.text import clean, is_word, tokenize

ZLIB_RATIO = 2.4
Row = dict[str, Any]


def main() -> None:
    """Print the table of classes and the table of runs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--corpora", type=Path, required=True, metavar="DIR")
    parser.add_argument("--show", action="store_true", help="list the healthy samples that are low")
    options = parser.parse_args()
    classes, runs = options.corpora / "classes", options.corpora / "runs"
    rows = [row for path in [*_files(classes), *_files(runs)] for row in _rows(path)]
    print_classes(rows)
    if options.show:
        show_false_alarms(rows)
    labels = {label["run"]: label for label in json.loads((runs / "LABELS.json").read_text(encoding="utf-8"))}
    print_runs({path.stem: list(_rows(path)) for path in _files(runs)}, labels)


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.jsonl"))


def _rows(path: Path) -> Iterator[Row]:
    for line in path.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def kind_of(row: Row) -> str:
    """Return the class of a sample; machine logs, low by nature, are a class of their own."""
    return "machine logs" if "log lines" in row["genre"] else str(row["kind"])


def ours(row: Row) -> bool:
    """Low by the four scores."""
    return score(row["text"], row.get("prompt")).low()


def plain_ratios(row: Row) -> bool:
    """Low by four plain ratios."""
    text = clean(row["text"], row.get("prompt"))
    tokens = tokenize(text)
    words = [token for token in tokens if is_word(token)]
    ratios = [
        _distinct(ngrams(tokens, 2)),
        _distinct(ngrams(tokens, 3)),
        sum(word in Lexicon.load() for word in words) / max(len(words), 1),
        len(set(text)) / max(len(text), 1),
    ]
    return all(ratio < 0.3 for ratio in ratios)


def _distinct(counts: Any) -> float:
    return float(len(counts) / max(counts.total(), 1))


def zlib_ratio(row: Row) -> bool:
    """Low by compression."""
    data = clean(row["text"], row.get("prompt")).encode("utf-8", "surrogatepass")
    return len(data) > ZLIB_RATIO * len(zlib.compress(data, 6))


DETECTORS: dict[str, Callable[[Row], bool]] = {
    "coherence": ours,
    "plain ratios": plain_ratios,
    "zlib > 2.4": zlib_ratio,
}


def print_classes(rows: Sequence[Row]) -> None:
    """Print the share of low samples by class and detector."""
    by_kind: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_kind[kind_of(row)].append(row)
    print(f"{'low samples':<18}{'samples':>8}" + "".join(f"{name:>20}" for name in DETECTORS))
    for kind, members in sorted(by_kind.items()):
        counts = [sum(map(detect, members)) for detect in DETECTORS.values()]
        shares = "".join(f"{count:>10}{100 * count / len(members):>8.2f} %" for count in counts)
        print(f"{kind:<18}{len(members):>8}{shares}")


def show_false_alarms(rows: Iterable[Row]) -> None:
    """List the samples of healthy classes that are low."""
    for row in rows:
        if kind_of(row) in HEALTHY and ours(row):
            values = score(row["text"], row.get("prompt")).values
            shown = ", ".join("none" if value is None else f"{value:.0f}" for value in values)
            print(f"  {row['kind']} / {row['genre']}: {shown}: {row['text'][:60]!r}")


HEALTHY = ("human", "healthy_model", "non_english", "code", "poetry_list_etc")


@dataclass(frozen=True, slots=True)
class Alarm:
    """Where the gate halts: over the whole run, and with a warm-up of its first quarter."""

    step: int | None
    late: int | None

    def __str__(self) -> str:
        return f"{self.step or '-'} / {self.late or '-'}"


def alarm(run: Sequence[tuple[Scores, int]], window: int | None = None) -> Alarm:
    """Replay one run, given as scores and steps."""
    quarter = run[-1][1] // 4 + 1
    return Alarm(_halts(run, Gate(window=window)), _halts(run, Gate(window=window, warmup=quarter)))


def _halts(run: Sequence[tuple[Scores, int]], gate: Gate) -> int | None:
    verdicts = (gate.update(scores, step, number) for number, (scores, step) in enumerate(run))
    return next((verdict.step for verdict in verdicts if verdict.halt), None)


def _peer(rows: Sequence[Row], detect: Callable[[Row], bool]) -> Alarm:
    """Replay a run with a peer's verdicts in the place of the scores."""
    low, fine = Scores(0, 0, 0, 0, 50, 200), Scores(100, 100, 100, 100, 50, 200)
    return alarm([(low if detect(row) else fine, row["step"]) for row in rows])


def print_runs(runs: dict[str, list[Row]], labels: dict[str, Any]) -> None:
    """Print for each run where each gate halts, beside its label."""
    print("\nhalt step / halt step with the first quarter as warm-up")
    columns = ("5 in a row", "5 of 8", "plain ratios", "zlib > 2.4")
    print(f"{'run':<36}{'label':<11}" + "".join(f"{name:>15}" for name in columns) + "  alike")
    for name, rows in runs.items():
        rows.sort(key=lambda row: int(row["step"]))
        scored = [(score(row["text"], row.get("prompt")), int(row["step"])) for row in rows]
        alarms = [alarm(scored), alarm(scored, 8), _peer(rows, plain_ratios), _peer(rows, zlib_ratio)]
        cells = "".join(f"{alarm!s:>15}" for alarm in alarms)
        print(f"{name:<36}{labels[name]['label'].split(':')[0]:<11}{cells}  {_alike(rows)}")


def _alike(rows: Sequence[Row]) -> str:
    """Return what the audit says of the samples of one step."""
    samples = [
        Sample(
            step=row["step"],
            text=row["text"],
            prompt=row.get("prompt"),
            file="-",
            line=number,
        )
        for number, row in enumerate(rows)
    ]
    return "warned" if any(note.startswith("alike") for note in audit_samples(samples).notes) else ""


if __name__ == "__main__":
    main()
