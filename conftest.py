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

os.environ.setdefault("KERAS_BACKEND", "torch")

# A busy machine is no bug. With every trainer the suite runs for the second time, and tries fewer examples.
EXAMPLES = 30 if os.environ.get(EVERY_TRAINER) == "1" else 100
settings.register_profile("suite", deadline=None, max_examples=EXAMPLES)
settings.load_profile("suite")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get(EVERY_TRAINER) != "1":
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    assert reporter is not None
    if skipped := [report for report in reporter.stats.get("skipped", []) if "trainers" in report.nodeid]:
        reporter.write_line(f"{len(skipped)} trainer tests were skipped though {EVERY_TRAINER}=1", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
