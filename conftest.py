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
    "scoring/compiled": "numba",
    "scoring/compiled_loops": "numba",
    "trainers/torch_loop": "torch",
    "trainers/huggingface": "transformers",
    "trainers/lightning": "lightning",
    "trainers/keras": "keras",
}

collect_ignore = [f"coherence/{module}.py" for module, library in NEEDS.items() if find_spec(library) is None]

os.environ.setdefault("KERAS_BACKEND", "torch")

# With every trainer the suite runs a second time: fewer examples, and not what is slow and needs no library.
SECOND_TIME = os.environ.get(EVERY_TRAINER) == "1"
NEED_NOTHING = [
    *(f"tests/faults/test_{name}.py" for name in ("hostile_text", "long_runs", "outputs_harmless")),
    *(f"tests/faults/test_{name}.py" for name in ("running", "server_faults")),
    *(f"tests/test_{name}.py" for name in ("check_outputs", "compare", "kill", "profile", "pytest_plugin")),
    "tests/test_wordlist.py",
]
if SECOND_TIME:
    collect_ignore += NEED_NOTHING

# A busy machine is no bug.
settings.register_profile("suite", deadline=None, max_examples=30 if SECOND_TIME else 100)
settings.load_profile("suite")


def pytest_report_header() -> str | None:
    return f"not run a second time: {', '.join(NEED_NOTHING)}" if SECOND_TIME else None


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not SECOND_TIME or hasattr(session.config, "workerinput"):  # a worker of xdist tells the controller
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    assert reporter is not None
    if skipped := [report for report in reporter.stats.get("skipped", []) if "trainers" in report.nodeid]:
        reporter.write_line(f"{len(skipped)} trainer tests were skipped though {EVERY_TRAINER}=1", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
