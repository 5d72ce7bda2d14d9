"""What the whole suite agrees on: libraries that are not installed, and no deadline for a property.

Where an optional library is absent, the examples of what needs it are not collected; where every trainer is
installed, a trainer test that is skipped is a failure.
"""

import os
from importlib.util import find_spec

import pytest
from hypothesis import settings

EVERY_TRAINER = "COHERENCE_EVERY_TRAINER"
NEEDS = {
    "kernel": "numba",
    "kernel_loops": "numba",
    "trainers/torch_loop": "torch",
    "trainers/huggingface": "transformers",
    "trainers/lightning": "lightning",
    "trainers/keras": "keras",
}

collect_ignore = [f"coherence/{module}.py" for module, library in NEEDS.items() if find_spec(library) is None]

# Browsers, and processes that are killed: minutes, and more on a busy machine.
SLOW, SLOW_TESTS = "COHERENCE_SLOW", ("tests/web", "tests/test_workers.py", "tests/test_cluster.py")
if os.environ.get(SLOW) != "1":
    collect_ignore += SLOW_TESTS

os.environ.setdefault("KERAS_BACKEND", "torch")

# A busy machine is no bug.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


def pytest_report_header() -> str | None:
    return None if os.environ.get(SLOW) == "1" else f"not run without {SLOW}=1: {', '.join(SLOW_TESTS)}"


def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get(EVERY_TRAINER) != "1":
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    assert reporter is not None
    if skipped := [report for report in reporter.stats.get("skipped", []) if "trainers" in report.nodeid]:
        reporter.write_line(f"{len(skipped)} trainer tests were skipped though {EVERY_TRAINER}=1", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
