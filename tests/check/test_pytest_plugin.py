"""The pytest plugin, in sessions of its own: first run, pass, fail, update, pass; also with workers."""

import json
import subprocess
import sys

import pytest
from places import ROOT

import coherence.pytest_plugin  # noqa: F401 - once here, and not in every session anew

pytestmark = pytest.mark.once

pytest_plugins = ["pytester"]

PLUGIN = ("-p", "pytest_coherence", "-p", "no:randomly", "-p", "no:cacheprovider")

TEST = """
from random import Random

WORDS = '''old man walked along river until evening thought about letter his daughter sent from city
winter garden stone bridge water light window morning paper horse summer road voice table'''.split()

def texts(count, bad=0):
    fine = [" ".join(Random(n).sample(WORDS, 18)) for n in range(count - bad)]
    return fine + ["The door was open. " * 9] * bad

def test_chat(coherence_check):
    coherence_check(texts({count}, {bad}), name="chat-prompts")
"""

SNAPSHOT = "coherence_snapshots/test_model/chat-prompts.json"


class Project:
    """A folder with one test file, and pytest in it."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.snapshot = pytester.path / SNAPSHOT

    def run(self, *arguments: str, bad: int = 0, count: int = 60) -> pytest.RunResult:
        self.pytester.makepyfile(test_model=TEST.format(count=count, bad=bad))
        return self.pytester.runpytest(*PLUGIN, *arguments)


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return Project(pytester)


def outcomes(result: pytest.RunResult) -> dict[str, int]:
    return {name: count for name, count in result.parseoutcomes().items() if name != "warnings"}


def test_first_run_pass_fail_update_pass(project: Project) -> None:
    first = project.run()
    assert outcomes(first) == {"failed": 1}
    first.stdout.fnmatch_lines(
        ["*wrote *chat-prompts.json: 60 samples", "*look at it, commit it, and run again*"]
    )
    made = project.snapshot.read_bytes()
    assert json.loads(made)["drawn"] == 60

    assert outcomes(project.run()) == {"passed": 1}
    assert project.snapshot.read_bytes() == made

    assert outcomes(project.run(bad=20)) == {"failed": 1}
    assert project.snapshot.read_bytes() == made

    update = project.run("--coherence-update", bad=20)
    assert outcomes(update) == {"failed": 1}
    update.stdout.fnmatch_lines(
        ["*wrote *chat-prompts.json: 60 samples", "*the share of low samples rose by *"]
    )
    assert project.snapshot.read_bytes() != made

    assert outcomes(project.run(bad=20)) == {"failed": 1}, (
        "the gate halts on twenty in a row, snapshot or not"
    )
    project.run("--coherence-update")
    assert outcomes(project.run()) == {"passed": 1}


def test_a_failure_shows_before_now_and_the_worst_sample_and_none_of_our_frames(project: Project) -> None:
    project.run()
    failed = project.run(bad=20)
    failed.stdout.fnmatch_lines(
        [
            "*coherence_check(texts(60, 20), name=*",
            "*worse than *chat-prompts.json",
            "*the gate halts: 5 samples in a row*",
            "*the bigram score fell by * points (* before, * now): more than the tolerance of 5, *",
            "*worst: chat-prompts:41*: The door was open.*",
            "*--coherence-update takes these samples for the new standard*",
        ]
    )
    assert "pytest_plugin.py" not in failed.stdout.str()
    assert "check.py" not in failed.stdout.str()


def test_several_workers_write_read_and_tell_as_one_does(project: Project) -> None:
    twice = TEST.format(count=60, bad=0) + TEST.format(count=40, bad=0).split("def test_chat")[1].join(
        ["def test_code", ""]
    ).replace("chat-prompts", "code-prompts")
    project.pytester.makepyfile(test_model=twice)
    first = project.pytester.runpytest_subprocess(*PLUGIN, "-n", "2")
    assert outcomes(first) == {"failed": 2}
    second = project.pytester.runpytest_subprocess(*PLUGIN, "-n", "2")
    assert outcomes(second) == {"passed": 2}
    second.stdout.fnmatch_lines(["*= coherence =*", "*test_c*: *are too few to tell a change of 5 points*"])


def test_what_could_not_be_told_is_said_at_the_end(project: Project) -> None:
    project.run()
    told = project.run()
    told.stdout.fnmatch_lines(
        ["*= coherence =*", "test_model.py::test_chat: 60 samples before and 60 now are too few*"]
    )


def test_fewer_than_twenty_samples_fail_for_they_prove_nothing(project: Project) -> None:
    project.run(count=12)
    few = project.run(count=12)
    assert outcomes(few) == {"failed": 1}
    few.stdout.fnmatch_lines(["*not compared with *", "*12 samples before and 12 now are too few*"])


def test_tolerance_and_level_are_settings(project: Project) -> None:
    project.pytester.makeini("[pytest]\ncoherence_tolerance = 60\ncoherence_level = 0.05\n")
    project.run(bad=4)
    passed = project.run(bad=4)
    assert outcomes(passed) == {"passed": 1}
    passed.stdout.no_fnmatch_line("*are too few to tell a change of 5 points*")


@pytest.mark.parametrize(("setting", "value"), [("tolerance", "much"), ("tolerance", "0"), ("level", "2")])
def test_a_setting_that_is_none_is_refused_by_name_and_value(
    project: Project, setting: str, value: str
) -> None:
    project.pytester.makeini(f"[pytest]\ncoherence_{setting} = {value}\n")
    refused = project.run()
    assert outcomes(refused) == {"failed": 1}
    refused.stdout.fnmatch_lines([f"*{setting}*{value}*"])


@pytest.mark.parametrize(
    ("project_says", "variable", "ini", "tolerance"),
    [
        (60, None, None, "60"),
        (60, "70", None, "70"),
        (60, "70", "80", "80"),
        (None, "70", None, "70"),
        (60, "", None, "60"),
        (None, None, None, "5"),
    ],
)
def test_the_ini_file_goes_before_a_variable_and_that_before_the_project(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    project_says: int | None,
    variable: str | None,
    ini: str | None,
    tolerance: str,
) -> None:
    project.pytester.makeini(f"[pytest]\ncoherence_tolerance = {ini}\n" if ini else "[pytest]\n")
    if project_says is not None:
        project.pytester.makepyprojecttoml(f"[tool.coherence]\ntolerance = {project_says}\n")
    monkeypatch.delenv("COHERENCE_TOLERANCE", raising=False)
    if variable is not None:
        monkeypatch.setenv("COHERENCE_TOLERANCE", variable)
    project.pytester.makepyfile(
        test_model=TEST.format(count=60, bad=0)
        + f"    assert coherence_check(texts(60), name='chat-prompts').tolerance == {tolerance}\n"
    )
    project.pytester.runpytest(*PLUGIN)
    assert outcomes(project.pytester.runpytest(*PLUGIN)) == {"passed": 1}


def test_the_project_of_the_test_file_counts_wherever_pytest_is_started(
    project: Project, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.pytester.makepyprojecttoml("[tool.coherence]\ntolerance = 0\n")
    project.pytester.makepyfile(test_model=TEST.format(count=60, bad=0))
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    refused = project.pytester.runpytest(*PLUGIN, str(project.pytester.path / "test_model.py"))
    assert outcomes(refused) == {"failed": 1}
    refused.stdout.fnmatch_lines(["*tolerance 0.0; expected *(from *pyproject.toml)"])


def test_the_profile_of_the_project_is_taken_unless_the_test_names_one(project: Project) -> None:
    project.pytester.makepyprojecttoml("[tool.coherence]\nprofile = 'code'\n")
    test = TEST.format(count=60, bad=0)
    named = test.replace('name="chat-prompts"', "'named', profile='logs'")
    project.pytester.makepyfile(test_model=test, test_named=named)
    project.pytester.runpytest(*PLUGIN)
    made = [
        json.loads(path.read_text(encoding="utf-8"))["made"]["profile"].split()[0]
        for path in sorted(project.pytester.path.glob("coherence_snapshots/*/*.json"))
    ]
    assert made == ["code", "logs"]


def test_a_snapshot_made_otherwise_fails_and_says_how_to_make_it_anew(project: Project) -> None:
    project.run()
    values = json.loads(project.snapshot.read_text(encoding="utf-8"))
    values["made"]["version"] = "0.0.1"
    project.snapshot.write_text(json.dumps(values), encoding="utf-8")
    other = project.run()
    assert outcomes(other) == {"failed": 1}
    other.stdout.fnmatch_lines(["*version '*', not '0.0.1'*--coherence-update*"])


def test_a_profile_that_comes_with_the_package_is_named(project: Project) -> None:
    project.pytester.makepyfile(
        test_data="""
        rows = [f"{{'id': {n * 7919 % 1000}, 'door': 'open', 'lamps': {n * n % 97}}}" for n in range(40)]
        def test_it(coherence_check):
            coherence_check(rows, "rows", profile="data")
        def test_unknown(coherence_check):
            coherence_check(rows, "other", profile="dta")
        """
    )
    project.pytester.runpytest(*PLUGIN)
    result = project.pytester.runpytest(*PLUGIN)
    assert outcomes(result) == {"failed": 1, "passed": 1}
    result.stdout.fnmatch_lines(["*'dta' is neither a file nor a profile; *"])
    (snapshot,) = project.pytester.path.glob("coherence_snapshots/test_data/*.json")
    assert json.loads(snapshot.read_text(encoding="utf-8"))["made"]["profile"].startswith("data ")


def test_rows_with_prompts_are_taken_as_from_a_file(project: Project) -> None:
    project.pytester.makepyfile(
        test_rows="""
        def test_it(coherence_check):
            rows = [{"prompt": f"p{n % 4}", "completion": f"the {n} doors were open"} for n in range(40)]
            found = coherence_check(rows, "rows")
            assert found.by == "prompt"
        def test_bad(coherence_check):
            coherence_check([{"prompt": "p"}])
        def test_name(coherence_check):
            coherence_check(["text"], "../elsewhere")
        def test_nothing(coherence_check):
            coherence_check([])
        """
    )
    project.pytester.runpytest(*PLUGIN)
    result = project.pytester.runpytest(*PLUGIN)
    assert outcomes(result) == {"failed": 3, "passed": 1}
    result.stdout.fnmatch_lines(
        [
            "*sample 1 of test_bad: no text*",
            "*name '../elsewhere'; expected letters*",
            "*test_nothing: no samples*",
        ]
    )


def test_a_session_that_does_not_ask_for_it_imports_nothing_of_ours(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import sys\n"
        "def test_it():\n"
        "    assert 'pytest_coherence' in sys.modules\n"
        "    assert not [name for name in sys.modules if name.split('.')[0] == 'coherence']\n"
    )
    result = pytester.runpytest_subprocess(
        "-p", "pytest_coherence", "-p", "no:hypothesispytest", "-p", "no:xdist"
    )
    assert outcomes(result) == {"passed": 1}


def test_the_plugin_is_announced_to_pytest() -> None:
    project = ROOT / "pyproject.toml"
    assert 'pytest_coherence = "pytest_coherence"' in project.read_text(encoding="utf-8")
    asked = "import sys; held = set(sys.modules); import pytest_coherence; print(set(sys.modules) - held)"
    command = [sys.executable, "-c", f"import pytest; {asked}"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own interpreter
    assert answer.stdout.strip() == "{'pytest_coherence'}"
