"""What the whole suite agrees on: trainers that are not installed, and no deadline for a property.

Where a trainer's library is absent, its adapter's examples are not collected; where every trainer is
installed, a trainer test that is skipped is a failure.
"""

import os
from importlib.util import find_spec

import pytest
from hypothesis import settings

EVERY_TRAINER = "COHERENCE_EVERY_TRAINER"
NEEDS = {"torch_loop": "torch", "huggingface": "transformers", "lightning": "lightning", "keras": "keras"}

collect_ignore = [
    f"coherence/trainers/{adapter}.py" for adapter, library in NEEDS.items() if find_spec(library) is None
]

os.environ.setdefault("KERAS_BACKEND", "torch")

# A busy machine is no bug.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get(EVERY_TRAINER) != "1":
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    assert reporter is not None
    if skipped := [report for report in reporter.stats.get("skipped", []) if "trainers" in report.nodeid]:
        reporter.write_line(f"{len(skipped)} trainer tests were skipped though {EVERY_TRAINER}=1", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
