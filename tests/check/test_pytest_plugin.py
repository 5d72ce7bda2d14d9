"""The pytest plugin, in sessions of its own: first run, pass, fail, update, pass; also with workers."""

import json
import subprocess
import sys

import pytest
from places import ROOT

import coherence.pytest_plugin  # noqa: F401 - once here, and not in every session anew
from coherence.check.snapshot import Snapshot

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


@pytest.mark.slow
def test_first_run_pass_fail_update_pass(project: Project) -> None:
    first = project.run()
    assert outcomes(first) == {"failed": 1}
    first.stdout.fnmatch_lines(
        [
            f"E *no snapshot yet: wrote {SNAPSHOT}: 60 samples",
            "E *look at it, commit it, and run again",
        ]
    )
    first.stdout.no_fnmatch_line("*--coherence-update*")
    made = project.snapshot.read_bytes()
    assert json.loads(made)["drawn"] == 60

    assert outcomes(project.run()) == {"passed": 1}
    assert project.snapshot.read_bytes() == made

    assert outcomes(project.run(bad=40)) == {"failed": 1}
    assert project.snapshot.read_bytes() == made

    update = project.run("--coherence-update", bad=40)
    assert outcomes(update) == {"failed": 1}
    update.stdout.fnmatch_lines(
        [
            f"E *wrote {SNAPSHOT}: 60 samples",
            "*against the one before: FAIL *",
            "*More samples loop: 66.7 % are low *",
            "*look at it, commit it, and run again without --coherence-update",
        ]
    )
    assert update.stdout.str().count("40 of 60 samples scored") == 1
    assert project.snapshot.read_bytes() != made

    again = project.run(bad=40)
    assert outcomes(again) == {"passed": 1}, "the gate halts on forty of sixty, but did on the snapshot too"
    again.stdout.fnmatch_lines(["*= coherence =*", "test_model.py::test_chat: The gate halts, as on *"])


def test_a_failure_shows_the_causes_once_and_the_worst_sample(project: Project) -> None:
    project.run()
    failed = project.run(bad=40)
    failed.stdout.fnmatch_lines(
        [
            "coherence_check = <coherence_check of test_chat>",
            "> *coherence_check(texts(60, 40), name=*",
            f"E *Failed: the gate halts, and did not on the snapshot (against {SNAPSHOT})",
            "E *The gate halts: 40 of 60 samples scored*",
            "E *More samples loop: 66.7 % are low and 66.7 % say much again, 0 % before; *",
            "E *p ≤ *; the chance of any false alarm is at most 1 %.",
            "E *worst: chat-prompts:21*: The door was open.*",
            "E *--coherence-update accepts these samples as the new standard",
        ]
    )
    shown = failed.stdout.str()
    said = "40 of 60 samples scored", "p ≤", "More samples loop"
    assert [shown.count(each) for each in said] == [1, 1, 1]


@pytest.mark.slow
@pytest.mark.parametrize("style", ["auto", "long", "short", "line", "native", "no"])
def test_a_traceback_ends_at_the_line_of_the_test(project: Project, style: str) -> None:
    project.run()
    shown = project.run(f"--tb={style}", bad=20).stdout
    shown.no_fnmatch_line("*pytest_plugin.py*")
    shown.no_fnmatch_line("*pytest_coherence.py*")
    if style != "no":
        shown.fnmatch_lines(["*More samples loop*"])
        line = project.pytester.path.joinpath("test_model.py").read_text(encoding="utf-8").count("\n") + 1
        assert f"test_model.py:{line}" in shown.str() or f'test_model.py", line {line}' in shown.str()


def test_a_traceback_ends_there_in_full_too_and_in_a_fixture(project: Project) -> None:
    project.pytester.makepyfile(
        test_model="""
        import pytest
        @pytest.fixture
        def checked(coherence_check):
            coherence_check(["a"], name="../a")
        def test_it(checked):
            pass
        """
    )
    for option in ("--full-trace", "--tb=native"):
        result = project.pytester.runpytest(*PLUGIN, option)
        assert outcomes(result) == {"errors": 1}
        result.stdout.fnmatch_lines(["*name '../a'; expected letters*"])
        result.stdout.no_fnmatch_line("*coherence?pytest_plugin.py*")


def test_an_error_in_a_generator_of_the_test_is_shown_as_one_of_the_test(project: Project) -> None:
    project.pytester.makepyfile(
        test_model="""
        def answers():
            yield "one"
            raise ValueError("the model is not loaded")
        def test_it(coherence_check):
            coherence_check(answers())
        """
    )
    result = project.pytester.runpytest(*PLUGIN, "--tb=native")
    result.stdout.fnmatch_lines(["*test_model.py*, in answers", "ValueError: the model is not loaded"])


@pytest.mark.slow
def test_several_workers_write_read_and_tell_as_one_does(project: Project) -> None:
    twice = TEST.format(count=60, bad=0) + TEST.format(count=40, bad=0).split("def test_chat")[1].join(
        ["def test_code", ""]
    ).replace("chat-prompts", "code-prompts")
    project.pytester.makepyfile(test_model=twice.replace("sample(WORDS, 18)", "sample(WORDS, 18 - n % 9)"))
    first = project.pytester.runpytest_subprocess(*PLUGIN, "-n", "2")
    assert outcomes(first) == {"failed": 2}
    second = project.pytester.runpytest_subprocess(*PLUGIN, "-n", "2")
    assert outcomes(second) == {"passed": 2}


AGAIN = """
import pytest
from _pytest.runner import runtestprotocol

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    # As pytest-rerunfailures does.
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for attempt in range(3):
        item._initrequest()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if not any(report.failed for report in reports):
            break
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [(), ("-n", "1")])
def test_a_test_that_is_run_again_by_itself_fails_as_it_did_at_first(
    project: Project, workers: tuple[str, ...]
) -> None:
    project.pytester.makeconftest(AGAIN)
    project.pytester.makepyfile(test_model=TEST.format(count=60, bad=0))
    first = project.pytester.runpytest_subprocess(*PLUGIN, *workers)
    assert outcomes(first) == {"failed": 1}
    first.stdout.fnmatch_lines([f"E *no snapshot yet: wrote {SNAPSHOT}: 60 samples", "E *run again"])
    assert outcomes(project.pytester.runpytest_subprocess(*PLUGIN, *workers)) == {"passed": 1}


def test_an_update_that_is_run_again_is_made_once(project: Project) -> None:
    project.run(bad=2)
    project.pytester.makeconftest(AGAIN)
    update = project.run("--coherence-update", bad=3)
    assert outcomes(update) == {"failed": 1}
    update.stdout.fnmatch_lines([f"E *wrote {SNAPSHOT}: 60 samples", "*against the one before: *"])
    assert len(Snapshot.load(project.snapshot).history) == 1


@pytest.mark.slow
def test_two_tests_of_one_snapshot_fail_both_until_it_is_there(project: Project) -> None:
    test = TEST.format(count=60, bad=0)
    project.pytester.makepyfile(test_model=test + test.replace("test_chat", "test_again"))
    assert outcomes(project.pytester.runpytest_subprocess(*PLUGIN, "-n", "2")) == {"failed": 2}
    assert outcomes(project.pytester.runpytest_subprocess(*PLUGIN, "-n", "2")) == {"passed": 2}


@pytest.mark.slow
def test_a_worker_knows_what_another_one_wrote(project: Project) -> None:
    project.pytester.makepyfile(
        test_model=TEST.format(count=60, bad=0).split("def test_chat")[0]
        + """
import os, pytest

def test_chat(coherence_check):
    with pytest.raises(pytest.fail.Exception):
        coherence_check(texts(60), name="chat-prompts")
    os._exit(1)  # another worker takes what is left

def test_other(coherence_check):
    coherence_check(texts(60), name="chat-prompts")
"""
    )
    result = project.pytester.runpytest_subprocess(*PLUGIN, "-n", "1")
    assert outcomes(result) == {"failed": 2}
    result.stdout.fnmatch_lines(["*worker 'gw0' crashed*", "E *no snapshot yet: wrote *"])


def test_what_passes_with_a_warning_is_said_at_the_end(project: Project) -> None:
    project.run(bad=40)
    told = project.run(bad=40)
    assert outcomes(told) == {"passed": 1}
    told.stdout.fnmatch_lines(
        ["*= coherence =*", "test_model.py::test_chat: The gate halts, as on the snapshot*"]
    )


def test_fewer_than_twenty_samples_fail_for_they_prove_nothing(project: Project) -> None:
    project.run(count=12).stdout.fnmatch_lines(["E *too few samples to compare with: at least 20 *"])
    few = project.run(count=12)
    assert outcomes(few) == {"failed": 1}
    few.stdout.fnmatch_lines(
        ["E *too few samples to compare (against *", "E *12 samples before and 12 now are too few*"]
    )
    assert few.stdout.str().count("12 samples before") == 1


# Updates


@pytest.mark.slow
def test_an_update_keeps_the_history_and_one_that_fails_begins_it_again(project: Project) -> None:
    for bad, remembered in ((0, 0), (1, 1), (2, 2), (30, 0)):
        project.run("--coherence-update", bad=bad)
        assert len(Snapshot.load(project.snapshot).history) == remembered


def test_an_update_with_the_same_samples_says_that_nothing_changed(project: Project) -> None:
    project.run()
    project.run("--coherence-update").stdout.fnmatch_lines(["E *nothing changed"])


def test_in_a_pipeline_an_update_says_what_it_would_change_and_writes_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.run()
    made = project.snapshot.read_bytes()
    monkeypatch.setenv("CI", "true")
    refused = project.run("--coherence-update", bad=20)
    assert outcomes(refused) == {"failed": 1}
    refused.stdout.fnmatch_lines(
        [
            f"E *{SNAPSHOT}: not written: in a pipeline, where nobody looks at it, that needs *-yes",
            "E *against the one before: FAIL *",
        ]
    )
    assert project.snapshot.read_bytes() == made
    project.run("--coherence-update", "--coherence-yes", bad=20)
    assert project.snapshot.read_bytes() != made


def test_in_a_pipeline_the_first_snapshot_needs_yes_as_well(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "1")
    project.run().stdout.fnmatch_lines(
        ["E *no snapshot yet", "E *not written: in a pipeline*--coherence-yes"]
    )
    assert not project.snapshot.exists()
    assert outcomes(project.run("--coherence-yes")) == {"failed": 1}
    assert outcomes(project.run()) == {"passed": 1}


# Pages


def test_a_page_is_written_for_each_check_that_fails(project: Project) -> None:
    project.run("--coherence-html", "pages")
    assert not project.pytester.path.joinpath("pages").exists(), "nothing was compared yet"
    project.run("--coherence-html", "pages")
    assert not project.pytester.path.joinpath("pages").exists(), "it passed"
    failed = project.run("--coherence-html", "pages", bad=20)
    (page,) = project.pytester.path.joinpath("pages").iterdir()
    assert page.name == "test_model-test_chat-chat-prompts.html"
    failed.stdout.fnmatch_lines([f"E *page: pages*{page.name}"])
    assert "More samples loop" in page.read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_hides_no_failure(project: Project) -> None:
    project.run()
    project.pytester.path.joinpath("pages").write_text("a file", encoding="utf-8")
    failed = project.run("--coherence-html", "pages", bad=20)
    failed.stdout.fnmatch_lines(["E *More samples loop*", "E *page not written: *"])


# Settings


@pytest.mark.slow
@pytest.mark.parametrize(
    ("argument", "outcome"),
    [
        ("tolerance=90", "passed"),
        ("tolerance=4", "failed"),
        ("tolerance=90, observe=False", "failed"),
    ],
)
def test_an_argument_overrules_the_ini_file_the_variable_and_the_project(
    project: Project, monkeypatch: pytest.MonkeyPatch, argument: str, outcome: str
) -> None:
    monkeypatch.setenv("COHERENCE_OBSERVE", "1")
    monkeypatch.setenv("COHERENCE_TOLERANCE", "50")
    project.pytester.makeini("[pytest]\ncoherence_tolerance = 40\n")
    project.run()
    rows = '[{"text": text, "step": n} for n, text in enumerate(texts(60, 20))]'
    changed = TEST.format(count=60, bad=20).replace("texts(60, 20)", rows)
    changed = changed.replace('"chat-prompts"', f'"chat-prompts", {argument}')
    project.pytester.makepyfile(test_model=changed)
    assert outcomes(project.pytester.runpytest(*PLUGIN)) == {outcome: 1}


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("tolerance=0", "tolerance 0.0; expected points above 0, at most 100 (from tolerance=)"),
        ("tolerance='much'", "tolerance 'much'; expected a number (from tolerance=)"),
        ("level=2", "level 2.0; expected a chance from 0.002 to 0.2 (from level=)"),
        ("profile='dta'", "'dta' is neither a file nor a profile; *(from profile=)"),
    ],
)
def test_a_wrong_argument_fails_by_name_and_value_and_writes_nothing(
    project: Project, argument: str, message: str
) -> None:
    changed = TEST.format(count=60, bad=0).replace('"chat-prompts"', f'"chat-prompts", {argument}')
    project.pytester.makepyfile(test_model=changed)
    project.pytester.runpytest(*PLUGIN).stdout.fnmatch_lines([f"E *Failed: {message}"])
    assert not project.snapshot.exists()


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


@pytest.mark.slow
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
    other.stdout.fnmatch_lines(["*version '*', not '0.0.1'*", "E *--coherence-update makes it again*"])


@pytest.mark.slow
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
        def test_one(coherence_check):
            coherence_check("the doors were open")
        def test_number(coherence_check):
            coherence_check(["the doors were open", 7])
        """
    )
    project.pytester.runpytest(*PLUGIN)
    result = project.pytester.runpytest(*PLUGIN)
    assert outcomes(result) == {"failed": 5, "passed": 1}
    result.stdout.fnmatch_lines(
        [
            "*sample 1 of test_bad: no text*",
            "*name '../elsewhere'; expected letters*",
            "*test_nothing: no samples*",
            "*samples of type str; expected a list of texts or rows*",
            "*sample 2 of test_number: of type int; expected a text or a row*",
        ]
    )


@pytest.mark.slow
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
