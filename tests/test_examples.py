"""The examples that need nothing but the package: they run, say what their pages promise, and stay short."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT, RUNS

EXAMPLES = ROOT / "examples"
SHORT = ("in_a_loop.py", "audit_from_python.py", "check_in_pytest.py")
MOST_LINES = 15
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


def test_the_loop_ends_at_the_halt_and_names_the_step_to_go_back_to() -> None:
    ended = run("examples/in_a_loop.py")
    steps, (sentence, back) = ended.stdout.splitlines()[:-2], ended.stdout.splitlines()[-2:]
    assert ended.returncode == 0, ended.stderr
    assert steps[0].startswith("step 100: fine"), "it starts with a text that reads well"
    assert steps[-1].startswith(
        "step 1600: 5 samples in a row scored below 30 on every scale, from step 1200"
    )
    assert len(steps) == 16, "nothing is trained after the halt"
    assert sentence.startswith("The loss falls but 5 of the last 8 samples loop")
    assert back == "go back to step 600"


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


def test_the_check_passes_for_the_second_half_of_the_healthy_run() -> None:
    ended = checked()
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "1 passed" in ended.stdout
    assert "24 samples before and 24 now are too few" in ended.stdout, "as its page says"


def test_the_check_fails_for_the_run_that_collapsed_and_says_why() -> None:
    ended = checked(samples=RUNS / "leak" / "samples.jsonl")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "the gate halts: 5 samples in a row" in ended.stdout
    assert "the bigram score fell by" in ended.stdout


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
