"""The pages' examples in Python do what they say, in a folder with a run as a trainer leaves it."""

import re
import shutil
from pathlib import Path
from textwrap import dedent

import pytest
from places import ROOT, RUNS

PAGES = ("docs/report.md", "docs/ci.md")
BLOCK = re.compile(r"^## From Python$.*?(?=^## )", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_does_from_python_works(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(RUNS / "leak", tmp_path / "runs" / "exp7")
    monkeypatch.chdir(tmp_path)
    (section,) = BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, page, "exec"), {})  # noqa: S102 - it is our own page
    assert capsys.readouterr().out


def test_what_the_page_on_watching_shows_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs/watch.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(dedent(block), "docs/watch.md", "exec"), {})  # noqa: S102 - it is our own page
    assert "asked" not in capsys.readouterr().out
