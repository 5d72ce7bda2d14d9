"""The pytest plugin: three options, two settings, a fixture. Source: docs/ci.md, "In pytest".

It is next to the package, not in it, so that sessions that do not use it do not import the package.
"""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

UPDATE, YES, PAGES = "--coherence-update", "--coherence-yes", "--coherence-html"
TOLERANCE, LEVEL, PROPERTY = "coherence_tolerance", "coherence_level", "coherence"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and the settings."""
    group = parser.getgroup("coherence")
    told = "rewrite the snapshots of coherence_check (the tests still fail, so that someone reviews them)"
    group.addoption(UPDATE, action="store_true", help=told)
    group.addoption(YES, action="store_true", help="write snapshots in a pipeline too")
    told = "write a page for each coherence_check that fails to this folder"
    group.addoption(PAGES, metavar="DIR", help=told)
    parser.addini(TOLERANCE, "points that a score may fall (coherence_check): 5", default=None)
    parser.addini(LEVEL, "chance of a false alarm of coherence_check: 0.01", default=None)


@pytest.fixture
def coherence_check(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Compare samples with the snapshot next to the test: `coherence_check(samples, name="chat-prompts")`."""
    from coherence.pytest_plugin import Checker, Session

    config, properties = request.config, request.node.user_properties
    worker = getattr(config, "workerinput", None)
    base, pages = tmp_path_factory.getbasetemp(), config.getoption(PAGES)
    # The folder of an xdist worker is inside that of the session.
    session = Session(base, "") if worker is None else Session(base.parent, worker["testrunuid"])

    def tell(sentence: str) -> None:
        if (PROPERTY, sentence) not in properties:  # it is there if the test is run again
            properties.append((PROPERTY, sentence))

    return Checker(
        path=request.path,
        test=request.node.name,
        node=request.node.nodeid,
        ini={"tolerance": config.getini(TOLERANCE), "level": config.getini(LEVEL)},
        update=bool(config.getoption(UPDATE)),
        yes=bool(config.getoption(YES)),
        pages=None if pages is None else Path(config.invocation_params.dir, pages),
        session=session._replace(folder=session.folder / PROPERTY),
        tell=tell,
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[Any]) -> Generator[None, Any, Any]:
    """End the traceback of a failed check at the line of the test, also where hidden frames are shown."""
    if call.excinfo is not None:
        _cut(call.excinfo.tb)
    return (yield)


def _cut(traceback: Any) -> None:
    frames = [traceback]
    while frames[-1].tb_next is not None:
        frames.append(frames[-1].tb_next)
    ours = [each.tb_frame.f_globals.get("__name__") == "coherence.pytest_plugin" for each in frames]
    if ours[-1] and not ours[0]:
        frames[ours.index(True) - 1].tb_next = None


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the checks that passed with a warning or could not decide."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    called = [report for report in reports if getattr(report, "when", None) == "call"]
    told = [
        (each.nodeid, value) for each in called for name, value in each.user_properties if name == PROPERTY
    ]
    if told:
        terminalreporter.section("coherence")
    for nodeid, value in dict.fromkeys(told):
        terminalreporter.line(f"{nodeid}: {value}")
