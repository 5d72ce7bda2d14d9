"""The examples that need nothing but the package: they run, say what their pages promise, and stay short.

The outputs in the notebook are written again by `COHERENCE_REGENERATE=1 pytest tests/test_examples.py`, which
fails so that somebody looks at them.
"""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from places import ROOT, RUNS

EXAMPLES = ROOT / "examples"
SHORT = ("in_a_loop.py", "audit_from_python.py", "check_in_pytest.py")
MOST_LINES = 15
NOTEBOOK = EXAMPLES / "read_a_collapsed_run.ipynb"
SNAPSHOT = Path("coherence_snapshots", "check_in_pytest", "two-prompts.json")


def run(*arguments: str | Path, samples: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python from the top of the repository, as the docstrings of the examples say."""
    given = {} if samples is None else {"SAMPLES": str(samples)}
    return subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **given},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def checked(
    *options: str, example: Path = EXAMPLES / "check_in_pytest.py", samples: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the example that is a test."""
    return run("-m", "pytest", "-p", "no:cacheprovider", "-q", example, *options, samples=samples)


def code_lines(path: Path) -> int:
    """Count the lines of a file that are code: no docstring, no comment, not empty."""
    source = path.read_text(encoding="utf-8")
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            docstrings.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(source.splitlines(), 1)
    return sum(
        bool(line.strip()) and not line.lstrip().startswith("#") for at, line in lines if at not in docstrings
    )


@pytest.mark.parametrize("name", SHORT)
def test_an_example_is_short_and_says_how_it_is_run(name: str) -> None:
    assert 5 <= code_lines(EXAMPLES / name) <= MOST_LINES
    assert f"examples/{name}\n" in (ast.get_docstring(ast.parse((EXAMPLES / name).read_text("utf-8"))) or "")


@pytest.mark.slow
def test_the_loop_ends_at_the_halt_and_names_the_step_to_go_back_to() -> None:
    ended = run("examples/in_a_loop.py")
    steps, (sentence, back) = ended.stdout.splitlines()[:-2], ended.stdout.splitlines()[-2:]
    assert ended.returncode == 0, ended.stderr
    assert steps[0].startswith("step 100: fine"), "it starts with a text that reads well"
    assert steps[-1].startswith(
        "step 1600: 5 samples in a row scored below 30 on every scale, from step 1,200"
    )
    assert len(steps) == 16, "nothing is trained after the halt"
    assert sentence.startswith("The loss falls but 5 of the last 8 samples loop")
    assert back == "go back to step 600"


@pytest.mark.slow
def test_the_audit_prints_the_verdict_the_place_the_cost_and_the_way_back() -> None:
    ended = run("examples/audit_from_python.py")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == [
        "verdict     halt: the loss is misleading · 28 of 36 samples loop",
        "went wrong  step 150: the first low sample",
        "halt        step 550: 5 samples in a row scored below 30 on every scale, from step 450 to step 550",
        "cost        350 steps, 129 seconds after the halt",
        "go back to  step 50: lowest smoothed loss among the steps whose samples vary and score near the "
        "best of the run",
    ]


@pytest.mark.slow
def test_the_check_passes_for_the_second_half_of_the_healthy_run() -> None:
    ended = checked()
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "1 passed" in ended.stdout
    assert "24 samples before and 24 now are too few" in ended.stdout, "as its page says"


@pytest.mark.slow
def test_the_check_fails_for_the_run_that_collapsed_and_says_why() -> None:
    ended = checked(samples=RUNS / "leak" / "samples.jsonl")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "The gate halts: 5 samples in a row" in ended.stdout
    assert "More samples loop: 95.8 % are low" in ended.stdout, "of the last 24"


@pytest.mark.slow
def test_the_snapshot_of_the_check_is_the_one_that_its_docstring_makes(tmp_path: Path) -> None:
    example, before = tmp_path / "check_in_pytest.py", tmp_path / "before.jsonl"
    example.write_bytes((EXAMPLES / "check_in_pytest.py").read_bytes())
    lines = (RUNS / "healthy" / "samples.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    before.write_text("".join(lines[:24]), encoding="utf-8")
    ended = checked("--coherence-update", example=example, samples=before)
    assert ended.returncode == 1, "somebody is to look at it"
    made, committed = (
        folder.joinpath(SNAPSHOT).read_text(encoding="utf-8") for folder in (tmp_path, EXAMPLES)
    )
    assert made == committed, "the docstring of examples/check_in_pytest.py says how it is made again"


# --- The notebook -----------------------------------------------------------------------------------------


def notebook() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return content


def code_cells(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in content["cells"] if cell["cell_type"] == "code"]


def printed(cell: dict[str, Any]) -> str:
    """What a cell printed, as the notebook keeps it."""
    return "".join(line for output in cell["outputs"] for line in output["text"])


@pytest.mark.slow
def test_the_notebook_prints_what_it_shows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(EXAMPLES)  # where Jupyter runs it
    content, names, seen = notebook(), dict[str, Any](), []
    for number, cell in enumerate(code_cells(content), 1):
        exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)  # noqa: S102 - it is our own
        seen.append(capsys.readouterr().out)
    if os.environ.get("COHERENCE_REGENERATE") == "1":
        for number, (cell, text) in enumerate(zip(code_cells(content), seen, strict=True), 1):
            stream = {"name": "stdout", "output_type": "stream", "text": text.splitlines(keepends=True)}
            cell |= {"execution_count": number, "outputs": [stream] if text else []}
        NOTEBOOK.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        pytest.fail(f"wrote {NOTEBOOK.name}: look at it, then run again without COHERENCE_REGENERATE")
    assert seen == [printed(cell) for cell in code_cells(content)]


def test_the_notebook_shows_of_both_runs_the_verdict_the_samples_and_the_way_back() -> None:
    shown = "".join(printed(cell) for cell in code_cells(notebook()))
    assert shown.count("halt · the loss is misleading") == 2
    assert shown.count("◀ halt") == 2
    assert shown.count("varied, step 50: ") == 2
    assert "collapsed, step 150: " in shown
    assert "collapsed, step 100: " in shown
    assert shown.count("go back to  step 50") == 2


def test_the_notebook_is_one_that_every_viewer_shows_and_names_no_place() -> None:
    content, text = notebook(), NOTEBOOK.read_text(encoding="utf-8")
    assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in content["cells"]]
    assert len(set(ids)) == len(ids)
    for number, cell in enumerate(code_cells(content), 1):
        assert cell["execution_count"] == number
        assert all(output["output_type"] == "stream" for output in cell["outputs"])
    assert len(text.encode()) < 30_000
    assert not any(place in text for place in (str(ROOT), str(Path.home()) + "/", "/tmp/"))  # noqa: S108 - none is used
