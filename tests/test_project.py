"""What lies around the package agrees with it: pyproject.toml, workflows, the lock, the pages."""

import re
import tomllib
from pathlib import Path

import pytest
from places import ROOT
from record import CONTENDERS, HISTORY, append, read, table

import coherence

pytestmark = pytest.mark.once

PACKAGE = Path(coherence.__file__).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
LOCK = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
OF_AN_INDEX = re.compile(r"""pip install (-\S+ )*['"]?coherence\b""")
"""What would fetch a package of somebody else, as long as no index has ours."""


def read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


# Nobody is sent to a package of somebody else


def test_no_page_and_no_message_installs_coherence_from_an_index() -> None:
    written = [*PAGES, ROOT / "action.yml"]
    for top, kinds in {PACKAGE: ("py", "js", "html"), ROOT / "examples": ("py", "ipynb")}.items():
        written += [path for kind in kinds for path in top.rglob(f"*.{kind}")]
    found = {path.name: OF_AN_INDEX.findall(read_text(path)) for path in written}
    del found["CONTRIBUTING.md"], found["architecture.md"]  # they say what will be, and why not yet
    assert not [name for name, lines in found.items() if lines]


@pytest.mark.parametrize(
    ("line", "sends"),
    [
        ("pip install 'coherence[parquet]'", True),
        ("pip install -q coherence", True),
        ("pip install coherence-gate", True),
        ("pip install pyarrow, or in a clone pip install '.[parquet]'", False),
        ("pip install ./coherence", False),
    ],
)
def test_what_would_fetch_from_an_index_is_known(line: str, sends: bool) -> None:
    assert bool(OF_AN_INDEX.search(line)) is sends


# What is tested, and where


def test_every_python_that_is_claimed_is_tested() -> None:
    named = [each.rpartition(" ")[2] for each in PROJECT["classifiers"]]
    claimed = [each for each in named if re.fullmatch(r"3\.\d+", each)]
    tests = read_text(ROOT / ".github/workflows/ci.yml").partition("\n  tests:\n")[2]
    assert re.findall(r'"([\d.]+)"', tests.partition("python: [")[2].partition("]")[0]) == claimed
    assert PROJECT["requires-python"] == f">={claimed[0]}"


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_takes_actions_in_a_version_and_may_read_alone(workflow: Path) -> None:
    text = read_text(workflow)
    used = re.findall(r"uses: (\S+)", text)
    assert all(each.startswith("./") or re.search(r"@v\d+(\.\d+)*$", each) for each in used)
    assert "\npermissions:\n  contents: read\n" in text
    assert text.count("write") == text.count("id-token: write") == (workflow.stem == "release")


def test_what_a_workflow_runs_of_ours_is_there() -> None:
    makefile = read_text(ROOT / "Makefile")
    for text in map(read_text, WORKFLOWS):
        for script in re.findall(r"(?:run: |python )(\.ci/\w+|tests/\S+\.py)", text):
            assert (ROOT / script).is_file(), script
        for targets in re.findall(r"make ([a-z ]+)", text):
            assert all(f"\n{target}:" in makefile for target in targets.split())


# One version, one name


def test_the_version_is_written_once() -> None:
    assert "version" in PROJECT["dynamic"]
    sources = [*PACKAGE.rglob("*.py"), *ROOT.glob("*.toml"), *ROOT.glob("*.cff"), *ROOT.glob("*.py"), *PAGES]
    named = [path.name for path in sources if f'"{coherence.__version__}"' in read_text(path)]
    assert named == ["settings.py"]


def test_the_extras_name_the_distribution_by_its_name() -> None:
    extras = PROJECT["optional-dependencies"]
    own = {each.partition("[")[0] for extra in extras.values() for each in extra if "coherence" in each}
    assert own == {PROJECT["name"]}


# The lock


def test_the_lock_holds_what_a_developer_needs_and_names_no_place() -> None:
    extras = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"], *extras["test"], *extras["dev"]]
    names = {re.split(r"[\[<>=;]", each)[0] for each in wanted} - {PROJECT["name"]}
    locked = set(re.findall(r"^([\w.-]+)==", LOCK, re.MULTILINE))
    assert names <= locked
    assert not re.search(r"://|--index|--find-links", LOCK)


# The pages


def anchors(page: Path) -> set[str]:
    """What the headings of a page are called in a link, as GitHub does it."""
    titles = re.findall(r"^#+ (.+)$", read_text(page), re.MULTILINE)
    shown = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).lower() for title in titles]
    return {re.sub(r"[^\w\- ]", "", title).strip().replace(" ", "-") for title in shown}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", read_text(page), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        there = page if not path else page.parent / path
        assert there.exists(), link
        assert not anchor or anchor in anchors(there), link


# The history of the benchmarks


def test_a_row_of_the_history_is_a_commit_with_its_ratios(tmp_path: Path) -> None:
    for number in (1, 2):
        ratios = dict.fromkeys(CONTENDERS, float(number))
        row = {"commit": f"c{number}", "date": "2026-11-28", "python": "3.11.2", "scorer": "plain scorer"}
        append(tmp_path / "history.jsonl", {**row, "times_zlib": ratios})
    shown = table(read(tmp_path / "history.jsonl")).splitlines()
    assert [line.split(" | ")[0] for line in shown[2:]] == ["| c2", "| c1"], "the newest first"
    assert shown[2].endswith("| 2.00 | 2.00 | 2.00 | 2.00 |")
    assert shown[1].count("---") == shown[2].count(" |")


def test_the_history_can_be_shown() -> None:
    assert len(table(read(HISTORY)).splitlines()) == 2 + len(read(HISTORY))
