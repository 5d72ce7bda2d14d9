"""Settings of the whole suite: what runs a second time, and no deadline for properties.

If every trainer is installed, a skipped trainer test is a failure, but for those marked `more`.
"""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

EVERY_TRAINER = "COHERENCE_EVERY_TRAINER"

# Programs that run for an hour; the tests run a share of each.
collect_ignore_glob = ["tests/campaigns/*"]

os.environ.setdefault("KERAS_BACKEND", "torch")

# With every trainer the suite runs a second time: fewer examples, without slow tests that need no library.
SECOND_TIME = os.environ.get(EVERY_TRAINER) == "1"

# A busy machine is not a bug.
for profile, examples in (("quick", 20), ("whole", 30 if SECOND_TIME else 100)):
    settings.register_profile(profile, deadline=None, max_examples=examples)
settings.load_profile("whole")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("markexpr") == "not slow":
        settings.load_profile("quick")


@pytest.fixture(autouse=True, scope="session")
def _as_on_the_machine_of_a_person() -> Iterator[None]:
    """In a pipeline `check --update` asks for `--yes`; other tests cover what it does there."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("CI", "GITHUB_ACTIONS", "GITLAB_CI"):
            environment.delenv(name, raising=False)
        yield


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not SECOND_TIME:
        return
    once = [item for item in items if item.get_closest_marker("once")]
    config.hook.pytest_deselected(items=once)
    items[:] = [item for item in items if not item.get_closest_marker("once")]


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not SECOND_TIME or hasattr(session.config, "workerinput"):  # an xdist worker reports to the controller
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    assert reporter is not None
    skipped = [
        report
        for report in reporter.stats.get("skipped", [])
        # The report of a whole module has no keywords.
        if "trainers" in report.nodeid and "more" not in getattr(report, "keywords", ())
    ]
    if skipped:
        reporter.write_line(f"{len(skipped)} trainer tests were skipped though {EVERY_TRAINER}=1", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
