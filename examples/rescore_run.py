"""Replace the scores in run folders by those of the current scorer.

    python examples/rescore_run.py fixtures/runs/*

A folder contains the scores that its monitor gave, and the audit trusts them. When the definition of the
scores changes, an old run still has scores of the old definition. This script replaces everything that is
computed from the texts: the scores, `low` and `streak` in `samples.jsonl`, and `gate.json` and `loss.json`,
as a monitor leaves them after reading the lines of the folder. Texts, steps, losses and times are not
changed. It works on folders of `train_tiny.py`, which record the gate's settings in `run.json`.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coherence import Gate, Monitor, score
from coherence.files import replace_file
from coherence.readers.folder import METRICS, SAMPLES, SETTINGS, STATE, STATUS
from coherence.scoring.profile import SCALES
from coherence.signals.settings import Entry, Settings, to_json

Row = dict[str, Any]


def settings_of(run: Row) -> Settings:
    """Return the settings of gate and smoothing that `train_tiny.py` wrote to `run.json`."""
    return Settings(
        warmup=run["gate_warmup"],
        observe="--observe" in run["command"].split(),
        smma_window=min(100, max(1, run["steps"] // 10)),
        vocab_size=run["vocab_size"],
    )


def scored(rows: list[Row], settings: Settings) -> Iterator[Row]:
    """Yield the rows of the samples with the current scores and the gate's verdicts."""
    gate = Gate(warmup=settings.warmup, observe_only=settings.observe)
    for row in rows:
        scores = score(row["text"], row["prompt"])
        verdict = gate.update(scores, row["step"], row["index"])
        values = dict(zip(SCALES, scores.values, strict=True))
        yield row | {"scores": values, "low": verdict.low, "streak": verdict.streak}


def rescore(folder: Path) -> int:
    """Replace the scores in one run folder; return how many samples have other scores than before."""
    settings = settings_of(json.loads((folder / "run.json").read_text(encoding="utf-8")))
    rows = [json.loads(line) for line in (folder / SAMPLES).read_text(encoding="utf-8").splitlines()]
    status = json.loads((folder / STATUS).read_text(encoding="utf-8"))
    found = list(scored(rows, settings))
    history = to_json([Entry(rows[0]["time"], None, settings)])
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        shutil.copy(folder / METRICS, copy)
        (copy / SAMPLES).write_text("".join(f"{json.dumps(row)}\n" for row in found), encoding="utf-8")
        (copy / SETTINGS).write_text(json.dumps(history), encoding="utf-8")
        Monitor(copy).close()
        new = json.loads((copy / STATUS).read_text(encoding="utf-8"))
        new["updated_at"] = status["updated_at"]
        (copy / STATUS).write_text(json.dumps(new, indent=1), encoding="utf-8")
        for file in (SAMPLES, STATE, STATUS):
            replace_file(folder / file, (copy / file).read_text(encoding="utf-8"))
    return sum(before["scores"] != after["scores"] for before, after in zip(rows, found, strict=True))


def main() -> None:
    """Rescore the given folders."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    for folder in parser.parse_args().folders:
        if not (folder / "run.json").is_file():
            print(f"{folder}: skipped, it has no run.json", file=sys.stderr)
            continue
        print(f"{folder}: {rescore(folder)} samples have other scores now")


if __name__ == "__main__":
    main()
