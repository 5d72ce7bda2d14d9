"""What README shows is what happens."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """Return the first block of a language."""
    found = re.search(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


@pytest.mark.slow
def test_the_first_command_prints_what_readme_shows() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "coherence.cli", "audit", "fixtures/runs/leak"],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    ).stderr
    text = "\n".join(line.rstrip() for line in printed.splitlines())
    for part in block("text").split("\n...\n"):
        assert part.rstrip("\n") in text


@pytest.mark.slow
def test_the_loop_of_readme_ends_at_the_halt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"steps": 9999, "train_one_step": lambda: 2.0, "draw_samples": lambda: ["Budy Budy Budy Budy"]}
    exec(compile(block("python"), "README.md", "exec"), given)  # noqa: S102 - it is our own page
    assert given["step"] == 4000, "the fifth low sample after the warm-up of 2,000 steps"
    assert "5 samples in a row" in capsys.readouterr().out
