"""The pytest plugin: an option, two settings, a fixture. Source: docs/ci.md, "In pytest".

It stands beside the package and not in it, so that a session that does not use it imports nothing of ours.
"""

from typing import Any

import pytest

UPDATE, TOLERANCE, LEVEL, PROPERTY = (
    "--coherence-update",
    "coherence_tolerance",
    "coherence_level",
    "coherence",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option and the settings."""
    told = "rewrite the snapshots of coherence_check; the tests fail all the same, so that somebody looks"
    parser.getgroup("coherence").addoption(UPDATE, action="store_true", help=told)
    parser.addini(TOLERANCE, "points that a score may fall (coherence_check): 5", default=None)
    parser.addini(LEVEL, "chance of a false alarm of coherence_check: 0.01", default=None)


@pytest.fixture
def coherence_check(request: pytest.FixtureRequest) -> Any:
    """Compare samples with the snapshot beside the test: `coherence_check(samples, name="chat-prompts")`."""
    from coherence.pytest_plugin import Checker

    return Checker(
        request.path,
        request.node.name,
        request.config.getini(TOLERANCE),
        request.config.getini(LEVEL),
        bool(request.config.getoption(UPDATE)),
        lambda told: request.node.user_properties.append((PROPERTY, told)),
    )


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Tell what passed with a warning, or could not be told."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    called = [report for report in reports if getattr(report, "when", None) == "call"]
    told = [
        (each.nodeid, value) for each in called for name, value in each.user_properties if name == PROPERTY
    ]
    if told:
        terminalreporter.section("coherence")
    for nodeid, value in told:
        terminalreporter.line(f"{nodeid}: {value}")
