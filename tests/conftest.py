"""Where every trainer is installed, a trainer test that is skipped is a failure."""

import os

import pytest

EVERY_TRAINER = "COHERENCE_EVERY_TRAINER"


def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get(EVERY_TRAINER) != "1":
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    assert reporter is not None
    if skipped := [report for report in reporter.stats.get("skipped", []) if "trainers" in report.nodeid]:
        reporter.write_line(f"{len(skipped)} trainer tests were skipped though {EVERY_TRAINER}=1", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
