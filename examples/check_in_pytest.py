"""Test that a new checkpoint writes as well as the one whose samples are in the snapshot.

    python -m pytest examples/check_in_pytest.py
    SAMPLES=fixtures/runs/leak/samples.jsonl python -m pytest examples/check_in_pytest.py

The first command passes: the snapshot holds the first half of the healthy run, and its second half is not
worse. The second command fails and says why. There are few samples here, and the check says that too. Your
rows come from your model: 200 or more, several for each prompt. The snapshot in `coherence_snapshots/` was
made, and can be made again, with:

    head -24 fixtures/runs/healthy/samples.jsonl > before.jsonl
    SAMPLES=before.jsonl python -m pytest examples/check_in_pytest.py --coherence-update
"""

import json
import os
from pathlib import Path

from coherence.pytest_plugin import Checker

HEALTHY = Path(__file__).parents[1] / "fixtures" / "runs" / "healthy" / "samples.jsonl"


def test_the_checkpoint_writes_as_well_as_the_snapshot(coherence_check: Checker) -> None:
    """`coherence_check` is a fixture of the package."""
    file = Path(os.environ.get("SAMPLES", HEALTHY))
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    coherence_check(rows[-24:], name="two-prompts")
