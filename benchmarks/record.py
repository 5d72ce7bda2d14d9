"""What scoring costs, commit by commit: append the cheap ratios to the history, and show the last ones.

    python benchmarks/record.py            # or `make record`: half a minute
    python benchmarks/record.py --show     # the table alone

How many times as fast as zlib (level 6) samples of 2,048 characters are read, on one core, the median of
several turns: a ratio of one run, which another machine changes less than megabytes a second. Work of others
shows in it all the same: record on a machine that has none. A row of `history.jsonl` is a commit; "+" behind
it says that files had been changed since.
"""

import argparse
import json
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from throughput import ZLIB, everybody, measured, ratio, samples_of

from coherence.scoring import fast

HISTORY = Path(__file__).with_name("history.jsonl")
CONTENDERS = ("score", "score_many", "the plain scorer", "a shard of JSON lines")
CHARACTERS, TRIES, SHOWN = 2048, 5, 10


def main() -> None:
    """Append a row, unless only the table was asked for, and print the last rows."""
    parser = argparse.ArgumentParser(description="Record how fast samples are scored, and show the history.")
    parser.add_argument("--show", action="store_true", help="record nothing")
    if not parser.parse_args().show:
        append(HISTORY, {**provenance(), "times_zlib": ratios()})
    print(table(read(HISTORY)[-SHOWN:]))


def ratios() -> dict[str, float]:
    """Return how many times as fast as zlib each contender reads samples."""
    contenders = {name: take for name, take in everybody() if name in (ZLIB, *CONTENDERS)}
    rates = measured(contenders, samples_of(CHARACTERS), TRIES)
    return {name: round(ratio(rates[name], rates[ZLIB]), 3) for name in CONTENDERS}


def provenance() -> dict[str, str]:
    """Return what the ratios are of: the commit, the day, the Python and the scorer."""
    commit = _git("rev-parse", "--short=12", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no")
    return {
        "commit": commit + "+" * bool(changed),
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "scorer": "core in C" if fast.CORE else "plain scorer",
    }


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=HISTORY.parent, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    return done.stdout.strip()


def append(path: Path, row: dict[str, Any]) -> None:
    """Append a row to a history."""
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps(row) + "\n")


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a history, the oldest first."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows in Markdown, the newest first."""
    lines = [
        " | ".join(("| commit", "date", "Python", "scorer", *CONTENDERS)) + " |",
        "|---" * (4 + len(CONTENDERS)) + "|",
    ]
    for row in reversed(rows):
        made = [row[name] for name in ("commit", "date", "python", "scorer")]
        found = [f"{row['times_zlib'][name]:.2f}" for name in CONTENDERS]
        lines.append("| " + " | ".join([*made, *found]) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
