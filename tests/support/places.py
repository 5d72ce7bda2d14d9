"""Paths in this repository that tests read."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUNS = ROOT / "fixtures" / "runs"
LESSON = ROOT / "fixtures" / "lesson"
GOLDEN = ROOT / "tests" / "golden"
WORDLISTS = ROOT / "wordlists"
