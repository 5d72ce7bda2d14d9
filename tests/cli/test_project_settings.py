"""What a project sets in its pyproject.toml, and variables over it: what goes first, and what is refused."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from places import ROOT
from prose import prose
from shell import PROFILE, Shell

from coherence import Gate, Monitor
from coherence.signals.project import KEYS, find_settings, variable

LOOP = "The door was open. " * 9

NO_SETTINGS = {
    *("help", "explain", "update", "keep-texts", "yes", "github"),  # what is done
    *("loss", "ray"),  # of one run, or of one machine
    *("json", "html", "junit", "gitlab", "markdown", "scored"),  # where outputs go
    *("quiet", "no-color"),  # of one terminal
}
"""Options that a project cannot set."""


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("FORCE_COLOR", "GITHUB_ACTIONS", *map(variable, KEYS)):
        monkeypatch.delenv(name, raising=False)
    return Shell(capsys)


def samples(name: str = "samples.jsonl", count: int = 30, loops: int = 0) -> str:
    texts = [prose(18, (1, n)) for n in range(count - loops)] + [LOOP] * loops
    rows = ({"step": n, "text": text, "p": n % 3} for n, text in enumerate(texts))
    Path(name).write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return name


def project(*lines: str, folder: str = ".", table: str = "[tool.coherence]") -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    Path(folder, "pyproject.toml").write_text("\n".join((table, *lines)), encoding="utf-8")


def run_folder(name: str = "run", **settings: Any) -> str:
    with Monitor(name, gate=Gate(**settings, observe_only=True)) as monitor:
        for step in range(8):
            monitor.sample(step, [LOOP])
    return name


def explained(shell: Shell, *arguments: str) -> list[str]:
    """What `--explain` says of the settings, line by line."""
    status, out, err = shell(*arguments, "--explain")
    assert (status, out) == (0, "")
    return [line.strip() for line in err.split("\nsettings\n")[1].splitlines()]


# What goes first


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "environment", "file", "value", "origin"),
    [
        ("2", "3", "4", 2, "--tolerance"),
        ("2", "3", None, 2, "--tolerance"),
        ("2", None, "4", 2, "--tolerance"),
        (None, "3", "4", 3, "COHERENCE_TOLERANCE"),
        (None, "3", None, 3, "COHERENCE_TOLERANCE"),
        (None, None, "4", 4, "pyproject.toml"),
        (None, "", "4", 4, "pyproject.toml"),
        (None, None, None, 5, "default"),
        (None, "", None, 5, "default"),
    ],
)
def test_an_option_goes_before_a_variable_that_before_the_file_and_that_before_the_default(
    shell: Shell,
    monkeypatch: pytest.MonkeyPatch,
    option: str | None,
    environment: str | None,
    file: str | None,
    value: int,
    origin: str,
) -> None:
    shell("check", samples(), "--snapshot", "good.json", "--update")
    if environment is not None:
        monkeypatch.setenv("COHERENCE_TOLERANCE", environment)
    if file is not None:
        project(f"tolerance = {file}")
    arguments = ["check", "samples.jsonl", "--snapshot", "good.json"]
    arguments += [] if option is None else ["--tolerance", option]
    assert json.loads(shell(*arguments, "--json", "-").out)["tolerance"] == value
    lines = explained(shell, *arguments)
    if origin == "default":
        assert lines[-2] == "default: tolerance 5, level 0.01, profile english, observe false"
    else:
        assert f"tolerance {value}: {origin}" in lines


@pytest.mark.parametrize(
    ("given", "patience", "origin"),
    [
        ("option", 7, "patience 7: --patience"),
        ("file", 6, "patience 6: pyproject.toml"),
        (None, 4, "patience 4: run folder run"),
    ],
)
def test_what_a_run_folder_states_goes_before_the_default_and_after_all_others(
    shell: Shell, given: str | None, patience: int, origin: str
) -> None:
    run_folder(patience=4)
    if given:
        project("patience = 6")
    arguments = ["audit", "run", *(["--patience", "7"] if given == "option" else [])]
    report = json.loads(shell(*arguments, "--json", "-").out)
    assert report["settings"]["patience"] == patience
    changed = f"chosen instead of the run folder's settings: patience 4 → {patience}"
    assert (changed in report["notes"]) is (given is not None)
    assert origin in explained(shell, *arguments)


def test_a_switch_of_the_file_is_turned_off_by_an_option(shell: Shell) -> None:
    project("observe = true")
    audit = ("audit", samples(loops=8))
    assert shell(*audit).status == 0
    assert shell(*audit, "--no-observe").status == 1
    assert "observe true: pyproject.toml" in explained(shell, *audit)
    assert "observe false: --no-observe" in explained(shell, *audit, "--no-observe")


@pytest.mark.parametrize(("said", "status"), [("1", 0), ("true", 0), ("True", 0), ("0", 1), ("false", 1)])
def test_a_switch_of_a_variable_says_yes_or_no(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, said: str, status: int
) -> None:
    project("observe = true")
    monkeypatch.setenv("COHERENCE_OBSERVE", said)
    assert shell("audit", samples(loops=8)).status == status


def test_every_key_reaches_the_command_that_has_it(shell: Shell) -> None:
    Path("profile.json").write_text(json.dumps(PROFILE), encoding="utf-8")
    values = {
        "snapshot": "good.json",
        "tolerance": 7.5,
        "level": 0.05,
        "group-by": "p",
        "profile": "profile.json",
        "format": "jsonl",
        "text-field": "text",
        "step-field": "step",
        "prompt-field": "p",
        "loss-field": "loss",
        "vocab-size": 500,
        "seconds-per-step": 0.5,
        "threshold": 20.5,
        "patience": 3,
        "window": 4,
        "warmup": 1,
        "observe": True,
        "workers": 2,
    }
    assert set(values) == set(KEYS)
    project(*(f"{key} = {json.dumps(value)}" for key, value in values.items()))
    said = {f"{key} {str(value).lower()}: pyproject.toml" for key, value in values.items()}
    audited, checked = (explained(shell, command, samples()) for command in ("audit", "check"))
    assert said == {*audited, *checked}
    settings = json.loads(shell("audit", "samples.jsonl", "--json", "-").out)["settings"]
    assert (settings["threshold"], settings["window"], settings["vocab_size"]) == (20.5, 4, 500)
    assert settings["profile"].startswith("all different ")
    assert shell("check", "samples.jsonl", "--update").status == 0
    assert json.loads(Path("good.json").read_text(encoding="utf-8"))["made"]["group_by"] == "p"


def test_every_option_is_a_key_or_makes_no_sense_in_a_file(shell: Shell) -> None:
    helps = shell("audit", "--help").out + shell("check", "--help").out
    options = set(re.findall(r"^  (?:-\w, )?--([\w-]+)", helps, re.MULTILINE))
    assert options == {*KEYS, *NO_SETTINGS}


@pytest.mark.parametrize("command", [("score", "A text."), ("watch", "run", "--once")])
def test_other_commands_read_no_project(shell: Shell, command: tuple[str, ...]) -> None:
    run_folder("run/_coherence")
    project("tolerence = 3")
    assert "tolerence" not in shell(*command).err


# Which file


def test_a_file_without_the_table_is_passed_over_and_the_next_above_counts(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    project("tolerance = 3")
    project('dependencies = ["coherence"]', folder="package/tests", table="[project]")
    project(folder="package", table="this mentions nothing of ours and is not TOML")
    samples("package/tests/samples.jsonl")
    monkeypatch.chdir("package/tests")
    above = os.path.relpath("../../pyproject.toml")
    assert f"tolerance 3: {above}" in explained(shell, "check", "samples.jsonl")


def test_the_nearest_file_counts_alone_even_if_its_table_is_empty(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    project("tolerance = 3", "level = 0.05")
    project("level = 0.1", folder="inner")
    project(folder="inner/empty")
    samples("inner/empty/samples.jsonl")
    monkeypatch.chdir("inner")
    lines = explained(shell, "check", "empty/samples.jsonl")
    assert "level 0.1: pyproject.toml" in lines
    assert "default: tolerance 5, profile english, observe false" in lines
    monkeypatch.chdir("empty")
    assert "default: tolerance 5, level 0.01, profile english, observe false" in explained(
        shell, "check", "samples.jsonl"
    )


def test_paths_of_the_file_are_relative_to_its_folder_and_those_of_a_variable_to_the_current_one(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    project('snapshot = "good/snapshot.json"', 'profile = "profile.json"')
    Path("good").mkdir()
    Path("deep/down").mkdir(parents=True)
    Path("profile.json").write_text(json.dumps(PROFILE), encoding="utf-8")
    samples("deep/samples.jsonl")
    monkeypatch.chdir("deep/down")
    assert shell("check", "../samples.jsonl", "--update").status == 0
    made = json.loads(Path("../../good/snapshot.json").read_text(encoding="utf-8"))["made"]
    assert made["profile"].startswith("all different ")
    monkeypatch.setenv("COHERENCE_SNAPSHOT", "here.json")
    assert shell("check", "../samples.jsonl", "--update").status == 0
    assert Path("here.json").exists()


def test_a_whole_path_and_the_name_of_a_profile_stay_as_they_are(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (tmp_path / "elsewhere" / "good.json").as_posix()
    project(f'snapshot = "{whole}"', 'profile = "code"')
    Path("inner").mkdir()
    monkeypatch.chdir("inner")
    above = os.path.relpath("../pyproject.toml")
    lines = explained(shell, "check", samples())
    assert f"snapshot {whole}: {above}" in lines
    assert f"profile code: {above}" in lines


@pytest.mark.skipif(os.name == "nt", reason="a folder in use cannot be deleted there")
def test_from_a_folder_that_was_deleted_no_project_is_found(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = str(tmp_path / samples())
    Path("gone").mkdir()
    monkeypatch.chdir("gone")
    (tmp_path / "gone").rmdir()
    assert shell("audit", whole).status == 0


# What is refused


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("tolerence = 3", "tool.coherence: 'tolerence' is not a setting; did you mean tolerance?"),
        ("prompt_field = 'p'", "tool.coherence: 'prompt_field' is not a setting; did you mean prompt-field?"),
        (
            "json = '-'",
            f"tool.coherence: 'json' is not a setting; the settings are {', '.join(KEYS)}",
        ),
        ("tolerance = '3'", "tolerance '3'; expected a number"),
        ("tolerance = true", "tolerance True; expected a number"),
        (f"tolerance = 1{'0' * 400}", f"tolerance 1{'0' * 400}; expected a number"),
        ("patience = 5.0", "patience 5.0; expected a whole number"),
        ("patience = true", "patience True; expected a whole number"),
        ("observe = 1", "observe 1; expected true or false"),
        ("snapshot = ['a', 'b']", "snapshot ['a', 'b']; expected a string"),
        ("snapshot = ''", "snapshot ''; expected a string that is not empty"),
        ("[tool.coherence.level]", "level {}; expected a number"),
        ("tolerance 3", "Expected '=' after a key in a key/value pair (at line 2, column 11)"),
    ],
)
@pytest.mark.parametrize("command", ["audit", "check"])
def test_what_is_wrong_in_the_file_is_refused_by_file_key_and_value(
    shell: Shell, command: str, line: str, said: str
) -> None:
    project(line)
    assert shell.refused(command, samples()) == f"coherence: pyproject.toml: {said}\n"


def test_a_table_that_is_none_and_a_file_that_is_not_text_are_refused(shell: Shell) -> None:
    project("coherence = 3", table="[tool]")
    expected = "pyproject.toml: tool.coherence 3; expected a table: [tool.coherence]"
    assert shell.refused("audit", samples()) == f"coherence: {expected}\n"
    Path("pyproject.toml").write_bytes(b"[tool.coherence]\nformat = '\xff'")
    assert shell.refused("audit", "samples.jsonl").startswith("coherence: pyproject.toml: 'utf-8' codec")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("COHERENCE_TOLERANCE", "much", "a number"),
        ("COHERENCE_PATIENCE", "5.5", "a whole number"),
        ("COHERENCE_OBSERVE", "perhaps", "true or false"),
    ],
)
def test_a_variable_that_cannot_be_read_is_refused_by_name_and_value(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(name, value)
    assert shell.refused("audit", samples()) == f"coherence: {name} '{value}'; expected {expected}\n"


@pytest.mark.parametrize(
    ("name", "meant"),
    [("COHERENCE_PATIENEC", "COHERENCE_PATIENCE"), ("COHERENCE_TEXTFIELD", "COHERENCE_TEXT_FIELD")],
)
def test_a_misspelt_variable_is_refused_with_the_name_that_was_meant(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    monkeypatch.setenv(name, "3")
    assert shell.refused("audit", samples()) == f"coherence: {name} is not a setting; did you mean {meant}?\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [("COHERENCE_HOME", "/opt"), ("COHERENCE_LOG_LEVEL", "9"), ("COHERENCE_PATIENEC", ""), ("PATIENEC", "3")],
)
def test_variables_of_other_software_and_empty_ones_change_nothing(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    monkeypatch.delenv(name)
    without = shell("audit", samples())
    monkeypatch.setenv(name, value)
    assert shell("audit", samples()) == without


@pytest.mark.parametrize(
    ("command", "key", "value"),
    [
        ("check", "tolerance", "0"),
        ("check", "level", "2"),
        ("check", "snapshot", "none.json"),
        ("check", "format", "surprise"),
        ("audit", "patience", "0"),
        ("audit", "threshold", "nan"),
        ("audit", "window", "2"),
        ("audit", "warmup", "-1"),
        ("audit", "vocab-size", "0"),
        ("audit", "seconds-per-step", "-1"),
        ("audit", "workers", "0"),
        ("audit", "profile", "klingon"),
        ("audit", "profile", "none.json"),
    ],
)
def test_a_value_out_of_range_is_refused_with_the_place_that_it_comes_from(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, command: str, key: str, value: str
) -> None:
    shell("check", samples(), "--snapshot", "good.json", "--update")
    option = f"--{key}"
    arguments = [command, "samples.jsonl"]
    if command == "check" and key != "snapshot":
        arguments += ["--snapshot", "good.json"]
    plain = shell.refused(*arguments, option, value).rstrip()
    assert "(from" not in plain
    project(f"{key} = {json.dumps(value) if KEYS[key] is str else value}")
    assert shell.refused(*arguments) == f"{plain} (from pyproject.toml)\n"
    monkeypatch.setenv(variable(key), value)
    assert shell.refused(*arguments) == f"{plain} (from {variable(key)})\n"


def test_an_option_that_is_wrong_is_not_laid_to_the_file(shell: Shell) -> None:
    project("patience = 3", "warmup = 2")
    assert shell.refused("audit", samples(), "--warmup", "-1").endswith("expected a step, 0 or later\n")


# What is explained, and what it costs


def test_each_setting_is_named_with_its_origin_or_its_default_or_as_not_set(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_folder(warmup=2)
    project('profile = "code"', "threshold = 40")
    monkeypatch.setenv("COHERENCE_SECONDS_PER_STEP", "0.5")
    assert explained(shell, "audit", "run", "--vocab-size", "500") == [
        "profile code: pyproject.toml",
        "vocab-size 500: --vocab-size",
        "seconds-per-step 0.5: COHERENCE_SECONDS_PER_STEP",
        "threshold 40: pyproject.toml",
        "warmup 2: run folder run",
        "observe true: run folder run",
        "default: patience 5, workers 1",
        "not set: format, text-field, step-field, prompt-field, loss-field, window",
    ]


def test_of_several_runs_each_is_named_whose_folder_states_something(shell: Shell) -> None:
    run_folder("runs/a", patience=3)
    run_folder("runs/b", patience=4)
    lines = explained(shell, "audit", "runs")
    assert lines[:2] == ["patience 3: run folder a", "patience 4: run folder b"]


def test_of_runs_with_different_profiles_none_is_explained_as_the_one_for_all(shell: Shell) -> None:
    for name in ("code", "logs"):
        with Monitor(f"runs/{name}", profile=name, gate=Gate(observe_only=True)) as monitor:
            monitor.sample(1, [prose(18)])
    audit = ("audit", "runs")
    assert "profile english" in explained(shell, *audit)[-2]
    settings = json.loads(shell(*audit, "--json", "-").out)["settings"]
    assert settings["profile"].startswith("english ")


def test_the_page_names_every_key_with_its_variable_and_who_uses_it(shell: Shell) -> None:
    page = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \|.*\| `(\w+)` \| (.*) \|$", page, re.MULTILINE)
    assert [(key, name) for key, name, _ in rows] == [(key, variable(key)) for key in KEYS]
    for command in ("check", "audit"):
        has = set(re.findall(r"^  --([\w-]+)", shell(command, "--help").out, re.MULTILINE))
        assert {key for key, _, used in rows if command in used} == has & set(KEYS)


def test_what_the_page_shows_is_what_is_explained(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    Path("pyproject.toml").write_text(example, encoding="utf-8")
    monkeypatch.setenv("COHERENCE_LEVEL", "0.05")
    lines = explained(shell, "check", samples(), "--tolerance", "5")
    assert "\n  ".join(("\nsettings", *lines, "```")).replace("\n  ```", "\n```") in page


def loaded_after(*arguments: str) -> set[str]:
    command = f"import sys\nfrom coherence.cli.main import main\nmain({arguments!r})\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)  # noqa: S603 - our own interpreter
    return set(done.stdout.split())


@pytest.mark.slow
@pytest.mark.usefixtures("shell")
def test_a_file_that_does_not_mention_us_is_not_parsed() -> None:
    project('name = "other"', table="[project]")
    assert "tomllib" not in loaded_after("audit", samples())
    project()
    assert "tomllib" in loaded_after("audit", "samples.jsonl")


@pytest.mark.usefixtures("shell")
def test_the_settings_are_those_of_the_folder_that_is_asked_about(tmp_path: Path) -> None:
    project("tolerance = 3", folder="one")
    project("tolerance = 4", folder="two")
    one, two = (find_settings(tmp_path / name)["tolerance"] for name in ("one", "two"))
    assert (one.value, two.value) == (3, 4)
    assert one.origin == os.path.relpath("one/pyproject.toml")
