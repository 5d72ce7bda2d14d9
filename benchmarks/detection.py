"""Compares the scores and the gate with simpler peers, on labelled samples and many kinds of files.

    python benchmarks/detection.py --corpora DIR [--kinds DIR]

The corpora hold `classes/*.jsonl`, `runs/*.jsonl` (one object per line with `kind`, `genre`, `step`, `text`,
maybe `prompt`) and `runs/LABELS.json`. `--kinds` is any folder of files, such as clones of repositories: an
extension is a kind, and one excerpt of about 1,500 characters of every file is judged. Neither is part of
this repository. The peers are in `benchmarks/peers.py`; llm-degen-guard is one if it is installed.
"""

import argparse
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from labelled import Text, excerpts, read_classes, read_kinds, read_labels, read_runs
from order import print_order
from peers import PEERS, Detector

from coherence import Gate, Scores, calibrate
from coherence.audit.build import audit_samples
from coherence.readers.records import Sample
from coherence.scoring.calibration import prove

LOW, FINE = Scores(0, 0, 0, 0, 50, 200), Scores(100, 100, 100, 100, 50, 200)
"""The scores that the gate gets for a sample that a peer judged."""

WINDOWS = (None, 8)
"""Windows of the gate: five low samples in a row, or five of the last eight."""

PROVED, ENOUGH, EACH = 6, 400_000, 20_000
"""Kinds that get their own profile; characters that it is measured on, and the most from one file."""

HEALTHY = ("human", "healthy_model", "non_english", "code", "poetry_list_etc")

DETECTORS: dict[str, Detector | None] = {"coherence": None, **PEERS}
"""The peers have no scores for the gate."""

Run = Sequence[tuple[Scores, int]]
"""The scores and the step of each sample."""


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--corpora", type=Path, required=True, metavar="DIR")
    parser.add_argument("--kinds", type=Path, metavar="DIR")
    parser.add_argument("--show", action="store_true", help="list the healthy samples that are low")
    options = parser.parse_args()
    runs, labels = read_runs(options.corpora), read_labels(options.corpora)
    texts = [*read_classes(options.corpora), *(text for run in runs.values() for text in run)]
    print_shares("class", texts)
    if options.show:
        show_false_alarms(texts)
    judged_runs = {name: [judged(run, detect) for detect in DETECTORS.values()] for name, run in runs.items()}
    print_halts(judged_runs, labels, {name for name, run in runs.items() if warns(run)})
    for warmup in (0.0, 0.25):
        print_halted(judged_runs, labels, warmup)
    print_order(texts)
    if options.kinds:
        kinds = read_kinds(options.kinds)
        print_shares("kind of file", excerpts(kinds))
        print_proofs(kinds)


def print_shares(title: str, texts: Iterable[Text]) -> None:
    """Print how many samples of each class are low, templated and empty, and low for each peer."""
    by_kind: dict[str, list[Text]] = defaultdict(list)
    for text in texts:
        by_kind[text.kind].append(text)
    names = ("low", "templated", "empty", *PEERS)
    print(f"\n{title:<18}{'samples':>8}" + "".join(f"{name:>17}" for name in names))
    for kind, members in sorted(by_kind.items()):
        found = [text.scores.kind() for text in members]
        counts = [found.count("low"), found.count("templated"), found.count("empty")]
        counts += [sum(detect(text.answer) for text in members) for detect in PEERS.values()]
        cells = "".join(f"{count:>8}{100 * count / len(members):>7.2f} %" for count in counts)
        print(f"{kind:<18}{len(members):>8}{cells}")


def show_false_alarms(texts: Iterable[Text]) -> None:
    """List the samples of healthy classes that are low."""
    for text in texts:
        if text.kind in HEALTHY and text.scores.kind() == "low":
            shown = ", ".join("none" if value is None else f"{value:.0f}" for value in text.scores.values)
            print(f"  {text.kind} / {text.row['genre']}: {shown}: {text.answer[:60]!r}")


def judged(run: Sequence[Text], detect: Detector | None) -> Run:
    """Return the scores of a run; for a peer, which has none, those of a loop or of fine text."""
    if detect is None:
        return [(text.scores, text.step) for text in run]
    return [(LOW if detect(text.answer) else FINE, text.step) for text in run]


def halts(run: Run, warmup: float = 0) -> list[int | None]:
    """Return the step at which the gate of each window halts a run; None if it does not.

    Args:
        run: its samples.
        warmup: the share of the steps that is not judged.
    """
    steps = []
    for window in WINDOWS:
        gate = Gate(window=window, warmup=int(run[-1][1] * warmup) + 1 if warmup else 0)
        verdicts = (gate.update(scores, step, number) for number, (scores, step) in enumerate(run))
        steps.append(next((verdict.step for verdict in verdicts if verdict.halt), None))
    return steps


def warns(run: Sequence[Text]) -> bool:
    """Tell whether the audit warns that the samples of one step are alike."""
    samples = [
        Sample(step=text.step, text=text.row["text"], prompt=text.row.get("prompt"), file="-", line=number)
        for number, text in enumerate(run)
    ]
    return any(note.startswith("alike") for note in audit_samples(samples).notes)


def print_halts(
    runs: Mapping[str, Sequence[Run]], labels: Mapping[str, str], warned: Collection[str]
) -> None:
    """Print where each run is halted, by each detector."""
    print("\nhalt step: 5 low in a row / 5 of 8")
    print(f"{'run':<36}{'label':<10}" + "".join(f"{name:>15}" for name in DETECTORS) + "  alike")
    for name, found in runs.items():
        cells = [" / ".join("-" if step is None else str(step) for step in halts(run)) for run in found]
        alike = "warned" if name in warned else ""
        print(f"{name:<36}{labels[name]:<10}" + "".join(f"{cell:>15}" for cell in cells) + f"  {alike}")


def print_halted(runs: Mapping[str, Sequence[Run]], labels: Mapping[str, str], warmup: float) -> None:
    """Print how many runs of each label are halted, by each detector."""
    print(f"\nruns halted: 5 low in a row / 5 of 8; warm-up {warmup:.0%} of the steps")
    print(f"{'label':<18}{'runs':>8}" + "".join(f"{name:>15}" for name in DETECTORS))
    for label in sorted(set(labels.values())):
        found = [runs[name] for name in runs if labels[name] == label]
        cells = []
        for of_one in zip(*found, strict=True):
            steps = zip(*(halts(run, warmup) for run in of_one), strict=True)
            cells.append(" / ".join(str(len(each) - each.count(None)) for each in steps))
        print(f"{label:<18}{len(found):>8}" + "".join(f"{cell:>15}" for cell in cells))


def print_proofs(kinds: Mapping[str, Sequence[str]]) -> None:
    """Print how profiles of the largest kinds judge their own text, unchanged and as a loop."""
    largest = sorted(kinds, key=lambda kind: sum(map(len, kinds[kind])), reverse=True)[:PROVED]
    corpora = {kind: "\n".join(text[:EACH] for text in kinds[kind])[:ENOUGH] for kind in largest}
    print("\na profile of one's own, put to the proof on its corpus: shares that are low")
    for kind in largest:
        try:
            proof = prove(calibrate({kind: corpora[kind]}, kind), {kind: corpora[kind]})
        except ValueError as error:
            print(f"{kind:<18}  {error}")
            continue
        shares = "".join(f"{name:>12}{100 * share:>8.1f} %" for name, share in proof._asdict().items())
        print(f"{kind:<18}{shares}")


if __name__ == "__main__":
    main()
