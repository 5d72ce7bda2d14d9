"""The command line as a person and a pipeline meet it: exit status, standard output, standard error.

The reports in tests/golden are written anew by `COHERENCE_REGENERATE=1 pytest tests/cli/test_main.py`, which
fails so that somebody looks at them.
"""

import io
import json
import math
import os
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from kinds import RECORDS, written
from places import GOLDEN
from prose import prose
from shell import PROFILE, Shell

from coherence.cli.calibrate import text_files
from coherence.report import Report
from coherence.scoring import fast

LOOP = "The door was open. " * 9


def fine(step: int, index: int = 0) -> str:
    return prose(18, (step, index))


def write(name: str, *rows: dict[str, Any] | str) -> str:
    """Write JSON lines, or lines as they are, and return the name."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return name


def healthy(name: str = "healthy.jsonl") -> str:
    return write(name, *({"step": step, "text": fine(step)} for step in range(100, 900, 100)))


def collapsed(name: str = "collapsed.jsonl") -> str:
    texts = [*map(fine, range(3)), *[LOOP] * 7]
    return write(name, *({"step": 100 * n, "text": text} for n, text in enumerate(texts)))


# Exit status


def test_a_healthy_run_exits_with_0_and_leaves_standard_output_alone(shell: Shell) -> None:
    status, out, err = shell("audit", healthy())
    assert (status, out) == (0, "")
    assert "CONTINUE" in err


def test_a_run_that_halts_exits_with_1(shell: Shell) -> None:
    status, out, err = shell("audit", collapsed())
    assert (status, out) == (1, "")
    assert "HALT" in err


def test_observing_reports_the_halt_and_exits_with_0(shell: Shell) -> None:
    status, out, err = shell("audit", collapsed(), "--observe", "--json", "-")
    assert status == 0
    assert json.loads(out)["halt"] is True
    assert "HALT" in err
    assert "observed only" in err


@pytest.mark.parametrize(
    "options",
    [
        ("--patience", "0"),
        ("--patience", "some"),
        ("--threshold", "0"),
        ("--threshold", "nan"),
        ("--threshold", "101"),
        ("--window", "2"),
        ("--warmup", "-1"),
        ("--vocab-size", "0"),
        ("--vocab-size", "-5"),
        ("--seconds-per-step", "-1"),
        ("--seconds-per-step", "inf"),
        ("--surprise",),
        ("--loss",),
    ],
)
def test_an_option_out_of_range_is_refused_in_one_line_that_names_it(
    shell: Shell, options: tuple[str, ...]
) -> None:
    name = options[0].lstrip("-").replace("-", " ")
    assert name in shell.refused("audit", healthy(), *options).replace("-", " ").replace("_", " ")


@pytest.mark.parametrize(
    "arguments", [(), ("surprise",), ("audit",), ("calibrate", "a.txt"), ("--surprise",)]
)
def test_wrong_usage_is_refused_in_one_line_that_points_to_the_help(
    shell: Shell, arguments: tuple[str, ...]
) -> None:
    assert "--help" in shell.refused(*arguments)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ("check x.jsonl --snapshot", "--snapshot"),
        *(
            (f"check x.jsonl --snapshot s.json --{name}-field", f"--{name}-field")
            for name in ("text", "prompt")
        ),
        ("audit x.jsonl --step-field", "--step-field"),
        ("audit x.jsonl --json", "--json"),
        ("audit", "PATH"),
        ("compare x.jsonl", "NOW"),
        ("watch folder --on-halt", "--on-halt"),
        ("calibrate x.jsonl -o", "--output"),
        ("score --lines", "--lines"),
    ],
)
def test_a_name_that_a_script_left_empty_is_refused_as_a_file_would_be(
    shell: Shell, arguments: str, name: str
) -> None:
    said = f": {name} ''; expected a string that is not empty; see '"
    assert said in shell.refused(*arguments.split(), "")
    Path("pyproject.toml").write_text('[tool.coherence]\nsnapshot = ""', encoding="utf-8")
    assert "snapshot ''; expected a string that is not empty" in shell.refused("check", "x.jsonl")


@pytest.mark.parametrize(
    "command", ["audit", "check --snapshot s.json --update", "check --snapshot s.json", "compare other.jsonl"]
)
def test_a_step_field_that_no_sample_has_is_refused_by_name(shell: Shell, command: str) -> None:
    shell("check", healthy("other.jsonl"), "--snapshot", "s.json", "--update")
    Path("pyproject.toml").write_text('[tool.coherence]\nstep-field = "nope"', encoding="utf-8")
    name, *options = command.split()
    refused = shell.refused(
        name, *options, healthy(), *(["--step-field", "nope"] if name == "compare" else [])
    )
    first = "other.jsonl" if name == "compare" else "healthy.jsonl"
    from_where = "" if name == "compare" else " (from pyproject.toml)"
    said = f"step field 'nope'; no sample of {first} has a step there{from_where}"
    assert refused == f"coherence: {said}\n"


def test_a_step_field_is_not_missed_where_some_row_or_the_name_of_a_file_has_the_step(shell: Shell) -> None:
    name = write("some.jsonl", {"text": fine(1)}, {"text": fine(2), "at": 5})
    assert shell("audit", name, "--step-field", "at").status == 0
    for step in (100, 200):
        write(f"run/step_{step}.jsonl", {"text": fine(step)})
    assert shell("audit", "run", "--step-field", "nope").status == 0


def test_a_text_and_a_prompt_may_be_empty(shell: Shell) -> None:
    assert shell("score", "", "--prompt", "").status == 0


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        "[" * 100_000,
        '{"format": 2}',
        '{"format": 1}',
        json.dumps(PROFILE | {"curves": {}}),
        json.dumps(PROFILE | {"curves": 3}),
        json.dumps(PROFILE | {"english_share": 0}),
        json.dumps(PROFILE | {"tokens": math.inf}),
    ],
)
def test_a_profile_that_is_none_is_refused_in_one_line(shell: Shell, content: str) -> None:
    shell.refused("audit", healthy(), "--profile", write("p.json", content))


@pytest.mark.parametrize("option", ["--loss", "--profile"])
def test_a_missing_file_is_refused_by_name(shell: Shell, option: str) -> None:
    assert shell.refused("audit", "none.jsonl") == "coherence: none.jsonl: no such file or folder\n"
    refused = shell.refused("audit", healthy(), option, "none.json")
    assert refused.lower() in (
        "coherence: none.json: no such file or folder\n",
        "coherence: none.json: no such file or directory\n",
    )


@pytest.mark.parametrize("content", [b"", b"\x01\x00" * 900, b"no samples", b"\x1f\x8b\x08"])
@pytest.mark.parametrize(
    "command", ["audit -", "audit - --format trackio", "compare - -x", "audit -x --loss -"]
)
def test_standard_input_that_cannot_be_used_is_refused_as_it_was_given(
    shell: Shell, command: str, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    arguments = [healthy() if each == "-x" else each for each in command.split()]
    refused = shell.refused(*arguments)
    assert refused.startswith("coherence: -: ")
    assert "coherence-standard-input" not in refused


def test_a_folder_without_samples_is_refused_by_name(shell: Shell) -> None:
    write("run/metrics.jsonl", {"step": 1, "loss": 2.0})
    assert shell.refused("audit", "run").startswith("coherence: run: a folder without samples; expected")


@pytest.mark.parametrize("lines", [[], ["", ""]])
def test_an_empty_file_is_refused_by_name(shell: Shell, lines: list[str]) -> None:
    assert shell.refused("audit", write("a.jsonl", *lines)) == "coherence: a.jsonl: empty\n"


def test_a_file_of_bad_lines_alone_is_refused_with_the_first_of_them(shell: Shell) -> None:
    err = shell.refused("audit", write("a.jsonl", "", "Traceback: no", "{}"))
    assert "a.jsonl: no samples in it that could be used; a.jsonl:2: not JSON" in err.replace("Traceback", "")


def test_a_loss_file_without_losses_is_refused_by_name(shell: Shell) -> None:
    assert "log.txt: none of the formats that are read" in shell.refused(
        "audit", healthy(), "--loss", write("log.txt", "it is late")
    )
    assert "v.csv: no losses in it" in shell.refused(
        "audit", healthy(), "--loss", write("v.csv", "step,loss")
    )


@pytest.mark.parametrize("content", ["[]", "{", "[" * 100_000, "\ufeff"])
def test_a_run_file_that_is_none_is_refused_by_name(shell: Shell, content: str) -> None:
    healthy("run/samples.jsonl")
    assert write("run/run.json", content) in shell.refused("audit", "run")


OUTPUTS = {
    "audit --json": "report.json",
    "audit --html": "report.html",
    "audit --scored": "table.jsonl",
    "check --snapshot s.json --json": "check.json",
    "check --snapshot s.json --junit": "check.xml",
    "check --snapshot s.json --html": "check.html",
    "compare nothing --json": "compare.json",
    "compare nothing --html": "compare.html",
    "check --update --snapshot": "s.json",
    "calibrate -o": "profile.json",
    "score --json": "score.json",
}


@pytest.mark.parametrize("command", OUTPUTS)
def test_an_output_that_cannot_be_written_is_refused_by_name_before_anything_is_read(
    shell: Shell, command: str
) -> None:
    name, options, output = command.split()[0], command.split()[1:], OUTPUTS[command]
    Path(f"folder/{output}").mkdir(parents=True)
    Path("file").touch()
    for target, why in (
        (f"none/{output}", "no such folder: none"),
        (f"file/{output}", "no such folder: file"),
        (f"folder/{output}", "a folder; expected the name of a file"),
    ):
        assert shell.refused(name, "nothing to read", *options, target) == f"coherence: {target}: {why}\n"
    assert sorted(path.name for path in Path().iterdir()) == ["file", "folder"]


@pytest.mark.skipif(os.name == "nt", reason="links are those of POSIX")
def test_an_output_may_be_a_device_or_a_link_to_a_file_that_is_not_there_yet_but_leads_in_no_circle(
    shell: Shell,
) -> None:
    assert shell("score", "D", "--json", os.devnull).status == 0
    Path("latest.json").symlink_to("first.json")
    assert shell("score", "D", "--json", "latest.json").status == 0
    assert json.loads(Path("first.json").read_text(encoding="utf-8"))["tokens"] == 1
    Path("a.json").symlink_to("b.json")
    Path("b.json").symlink_to("a.json")
    assert "a.json: Too many levels of symbolic links" in shell.refused("score", "D", "--json", "a.json")


COMMANDS_ON_ITSELF = [
    *(f"check x.jsonl --snapshot s.json --{name} x.jsonl" for name in ("json", "html", "junit", "gitlab")),
    "check x.jsonl --snapshot s.json --markdown s.json",
    "check x.jsonl --snapshot x.jsonl --update",
    "compare other.jsonl x.jsonl --html ./x.jsonl",
    "compare x.jsonl other.jsonl --json linked.jsonl",
    "audit x.jsonl --json hard.jsonl",
    "audit linked.jsonl --scored x.jsonl",
    "audit *.jsonl --scored x.jsonl",
    "audit folder --html folder/deep/x.jsonl",
    "audit other.jsonl --loss loss.csv --json loss.csv",
    "audit other.jsonl --profile profile.json --json profile.json",
    "calibrate other.jsonl --words words.txt -o words.txt",
    "calibrate folder -o folder/deep/x.jsonl",
    "score --lines x.jsonl --json x.jsonl",
    "watch folder --once --acknowledge-halt --stop-file folder/deep/x.jsonl",
]


@pytest.mark.skipif(os.name == "nt", reason="links are those of POSIX")
@pytest.mark.parametrize("command", COMMANDS_ON_ITSELF)
def test_an_output_that_would_replace_what_is_read_is_refused_and_nothing_changes(
    shell: Shell, command: str
) -> None:
    for name in ("x.jsonl", "other.jsonl", "folder/deep/x.jsonl"):
        healthy(name)
    for name in ("s.json", "loss.csv", "profile.json", "words.txt"):
        Path(name).write_text("to be kept", encoding="utf-8")
    Path("linked.jsonl").symlink_to("x.jsonl")
    Path("hard.jsonl").hardlink_to("x.jsonl")
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    assert ": this file is read, and would be lost; give another\n" in shell.refused(*command.split())
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


@pytest.mark.skipif(os.name == "nt", reason="nothing names standard input there")
@pytest.mark.usefixtures("shell")
def test_an_output_that_would_replace_the_file_behind_standard_input_is_refused() -> None:
    command = [sys.executable, "-m", "coherence.cli", "audit", "-", "--json", healthy()]
    before = Path("healthy.jsonl").read_bytes()
    with Path("healthy.jsonl").open("rb") as file:
        answer = subprocess.run(command, stdin=file, capture_output=True, text=True)  # noqa: S603 - ours
    assert answer.returncode == 2
    assert "--json healthy.jsonl: this file is read" in answer.stderr
    assert Path("healthy.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    "outputs",
    ["--json x --html x", "--json - --html -", "--json x.jsonl --scored ./x.jsonl", "--html a/../x --json x"],
)
def test_two_outputs_in_one_place_are_refused_before_anything_is_read(shell: Shell, outputs: str) -> None:
    Path("a").mkdir()
    assert "one place for two outputs" in shell.refused("audit", "nothing", *outputs.split())
    assert [path.name for path in Path().iterdir()] == ["a"]


def test_results_next_to_the_samples_are_written_again_and_again(shell: Shell) -> None:
    healthy("run/samples-1.jsonl")
    healthy("several/a/samples.jsonl")
    healthy("several/b/samples.jsonl")
    shell("check", "run", "--snapshot", "run/s.json", "--update")
    for _ in range(2):
        for name in ("report.json", "report.html", "scored.jsonl"):
            option = "--scored" if name == "scored.jsonl" else f"--{name.rpartition('.')[2]}"
            assert shell("audit", "run", option, f"run/{name}").status == 0
        for option, name in (
            ("json", "c.json"),
            ("html", "c.html"),
            ("junit", "j.xml"),
            ("markdown", "m.md"),
        ):
            err = shell("check", "run", "--snapshot", "run/s.json", f"--{option}", f"run/{name}").err
            assert "would be lost" not in err
            assert Path("run", name).is_file()
        assert shell("audit", "several", "--json", "several/ranking.json").status == 0


def test_a_device_takes_two_outputs(shell: Shell) -> None:
    assert shell("audit", healthy(), "--json", os.devnull, "--html", os.devnull).status == 0


@pytest.mark.parametrize(
    "content", ["notes\n", '{"step": 1, "text": "made"}', "[]", '{"format": 1, "halt": 0}']
)
def test_an_update_does_not_replace_what_was_never_a_snapshot(shell: Shell, content: str) -> None:
    Path("notes.md").write_text(content, encoding="utf-8")
    assert "notes.md: not a snapshot" in (
        shell.refused("check", healthy(), "--snapshot", "notes.md", "--update", "--yes")
    )
    assert Path("notes.md").read_text(encoding="utf-8") == content


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n",
        '{ "for',
        '{\r\n "format": 1,\r\n "made": {"version": "0.1.0"',
        '{"format":12,"made":{}}',
        '\ufeff{"format": 2, "made": {<<<<<<< HEAD',
    ],
)
def test_an_update_replaces_an_empty_file_and_a_damaged_or_earlier_snapshot(
    shell: Shell, content: str
) -> None:
    Path("s.json").write_text(content, encoding="utf-8")
    status, _, err = shell("check", healthy(), "--snapshot", "s.json", "--update", "--yes")
    assert status == 0
    assert "in the place of what could not be read: s.json: " in err
    assert '"format": 3' in Path("s.json").read_text(encoding="utf-8")


# Errors of its own


def failing(error: BaseException) -> Any:
    def fail(*_arguments: Any, **_options: Any) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            RuntimeError("nobody foresaw it\nin two lines\x1b[31m"),
            "RuntimeError: nobody foresaw it⏎in two lines [31m",
        ),
        (KeyError("step"), "KeyError: 'step'"),
        (AssertionError(), "AssertionError"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_an_error_that_nobody_foresaw_is_told_in_a_line_and_exits_with_70(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    monkeypatch.setattr("coherence.cli.score.score", failing(error))
    monkeypatch.delenv("COHERENCE_TRACEBACK", raising=False)
    told = "(an error of coherence itself; COHERENCE_TRACEBACK=1 shows the traceback)"
    assert shell("score", "D") == (70, "", f"coherence: {said} {told}\n")


def test_the_traceback_of_such_an_error_is_shown_where_it_is_asked_for(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coherence.cli.score.score", failing(RuntimeError("unforeseen\x1b[31m")))
    monkeypatch.setenv("COHERENCE_TRACEBACK", "1")
    status, out, err = shell("score", "D")
    assert (status, out) == (70, "")
    assert err.startswith("Traceback (most recent call last):\n")
    assert ", in run\n" in err
    assert err.endswith("\ncoherence: RuntimeError: unforeseen [31m (an error of coherence itself)\n")
    assert controls(err) == set()


def test_ctrl_c_and_a_leaving_are_no_errors_of_its_own(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coherence.cli.score.score", failing(KeyboardInterrupt()))
    assert shell("score", "D") == (130, "", "coherence: interrupted\n")
    monkeypatch.setattr("coherence.cli.score.score", failing(SystemExit(3)))
    assert shell("score", "D") == (3, "", "")


# The report as JSON


def test_the_report_on_standard_output_is_one_json_object_and_nothing_else(shell: Shell) -> None:
    write("m.csv", "step,loss", "0,8.0", "200,3.5", "600,2.8")
    status, out, err = shell("audit", collapsed(), "--loss", "m.csv", "--json", "-")
    report = json.loads(out)
    assert status == 1
    assert err
    assert (report["format"], report["halt"], report["halt_step"]) == (1, True, 700)
    assert (report["first_low_step"], report["resume_from"], report["wasted_steps"]) == (300, 200, 200)
    assert report["diagnosis"]["action"] == "halt"
    assert report["diagnosis"]["name"] == "the loss is misleading"
    assert report["diagnosis"]["sentence"].endswith(".")
    assert (report["loss"]["trend"], report["loss"]["rows"]) == ("converging", 3)
    assert len(report["samples"]) == 10
    for sample in report["samples"]:
        assert {"step", "index", "scores", "low", "streak"} <= set(sample)
        assert list(sample["scores"]) == ["bigram", "trigram", "english", "character"]


def test_the_report_goes_to_a_file_and_standard_output_stays_empty(shell: Shell) -> None:
    status, out, _ = shell("audit", collapsed(), "--json", "report.json")
    assert (status, out) == (1, "")
    assert Report.from_json(Path("report.json").read_text(encoding="utf-8")).halt_step == 700


def test_the_loss_and_the_vocabulary_of_a_run_folder_are_found(shell: Shell) -> None:
    healthy("run/samples.jsonl")
    write("run/metrics.jsonl", {"step": 0, "loss": 9.0}, {"step": 300, "loss": 4.0})
    write("run/run.json", {"vocab_size": 8449})
    loss = json.loads(shell("audit", "run", "--json", "-").out)["loss"]
    assert (loss["rows"], round(loss["uniform_baseline"], 2)) == (2, 9.04)
    loss = json.loads(shell("audit", "run", "--vocab-size", "2305", "--json", "-").out)["loss"]
    assert round(loss["uniform_baseline"], 2) == 7.74


def test_the_losses_of_the_samples_own_rows_are_used_when_there_are_no_others(shell: Shell) -> None:
    write("a.jsonl", *({"step": n, "text": fine(n), "loss": 5 - n} for n in range(3)))
    report = json.loads(shell("audit", "a.jsonl", "--json", "-").out)
    assert (report["loss"]["rows"], report["loss"]["last"]) == (3, 3.0)
    assert "loss from the samples' own rows" in report["notes"]
    write("m.csv", "step,loss", "0,7.0")
    report = json.loads(shell("audit", "a.jsonl", "--loss", "m.csv", "--json", "-").out)
    assert (report["loss"]["rows"], report["loss"]["last"]) == (1, 7.0)
    assert any(note.startswith("loss from m.csv") for note in report["notes"])


def test_options_reach_the_gate(shell: Shell) -> None:
    def halt_step(*options: str) -> Any:
        return json.loads(shell("audit", collapsed(), "--json", "-", *options).out)["halt_step"]

    assert halt_step("--patience", "3") == 500
    assert halt_step("--warmup", "400") == 800
    assert halt_step("--threshold", "1") is None
    assert halt_step("--patience", "2", "--window", "4") == 400
    report = json.loads(shell("audit", collapsed(), "--json", "-", "--seconds-per-step", "0.5").out)
    assert report["wasted_seconds"] == 100.0


def test_samples_of_one_step_in_two_files_all_count(shell: Shell) -> None:
    for rank in range(5):
        write(f"ranks/{rank}.jsonl", {"step": 10, "text": LOOP})
    status, out, _ = shell("audit", "ranks", "--json", "-")
    assert status == 1
    assert [sample["index"] for sample in json.loads(out)["samples"]] == [0, 1, 2, 3, 4]


def test_bad_lines_are_counted_and_listed_with_file_and_line(shell: Shell) -> None:
    rows: list[dict[str, Any] | str] = [{"step": 1, "text": fine(1)}, *["{"] * 12, {"step": 2}]
    status, out, err = shell("audit", write("a.jsonl", *rows), "--json", "-")
    report = json.loads(out)
    assert status == 0
    assert report["problem_count"] == len(report["problems"]) == 13
    assert report["problems"][-1]["line"] == 14
    assert "13 lines were not used or need a look:" in err
    assert "  a.jsonl:2: not JSON: " in err
    assert "  and 3 more" in err


@pytest.mark.parametrize(("bad", "head"), [(2, " · 2 of 10 lines could not be used ─"), (1, " ─")])
def test_the_headline_says_so_where_a_fifth_of_the_lines_could_not_be_used(
    shell: Shell, bad: int, head: str
) -> None:
    rows = [{"step": n, "text": fine(n)} for n in range(8)]
    status, _, err = shell("audit", write("a.jsonl", *rows, *["{"] * bad))
    assert status == 0
    assert err.startswith(f"╭─ CONTINUE · the samples read well{head}─")
    assert err.count("could not be used") == bad - 1


def test_a_loss_that_is_not_finite_is_used_by_the_verdict_and_not_counted_as_unusable(shell: Shell) -> None:
    write("m.csv", "step,loss", *[f"{n},3.5" for n in range(8)], *[f"{n},nan" for n in range(8, 16)])
    rows = [{"step": n, "text": fine(n)} for n in range(8)]
    _, _, err = shell("audit", write("a.jsonl", *rows), "--loss", "m.csv")
    assert err.startswith("╭─ HALT · the loss is not a number ─")
    assert "8 lines were not used or need a look:" in err
    assert "could not be used" not in err


def test_a_headline_that_would_be_too_long_says_it_below_the_verdict(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("m.csv", "step,loss", *["0,8.0", "200,3.5", "600,2.8"], *["1,x"] * 1200)
    arguments = ("audit", collapsed(), "--loss", "m.csv")
    halt, head = "╭─ HALT", "the loss is misleading · 7 of 10 samples loop"
    unused = "1,200 of 1,213 lines could not be used ─"
    monkeypatch.setenv("COLUMNS", "110")
    assert shell(*arguments).err.startswith(f"{halt} · {head} · {unused}")
    monkeypatch.setenv("COLUMNS", "74")
    err = shell(*arguments).err
    assert err.startswith(f"{halt} · {head} ─")
    assert f"\n╰─ {unused}" in err
    assert max(map(len, err.splitlines())) <= 74
    monkeypatch.setenv("COLUMNS", "55")
    err = shell(*arguments).err
    assert err.startswith(f"{halt} · {unused}")
    assert err.splitlines()[1].startswith(f"│ {head} ")
    assert max(map(len, err.splitlines())) <= 55


def test_the_headline_of_a_ranking_says_so_too(shell: Shell) -> None:
    for run, bad in (("runs/a", 0), ("runs/b", 4)):
        rows = [{"step": n, "text": fine(n)} for n in range(8)]
        write(f"{run}/samples.jsonl", *rows, *["{"] * bad)
    assert shell("audit", "runs").err.splitlines()[0] == "2 runs, 0 halted · 4 of 20 lines could not be used"


# score and calibrate


def test_a_text_is_scored_for_a_person(shell: Shell) -> None:
    status, out, err = shell("score", LOOP)
    assert (status, out) == (0, "")
    assert "low on every scale" in err
    assert "repeats «The door was open.» 9 times, every 5 tokens: 100% of its tokens" in err


def test_a_text_is_scored_for_a_pipeline(shell: Shell) -> None:
    status, out, _ = shell("score", LOOP, "--json", "-")
    found = json.loads(out)
    assert status == 0
    assert (found["format"], found["low"], found["tokens"]) == (1, True, 45)
    assert list(found["scores"]) == ["bigram", "trigram", "english", "character"]
    assert (found["loop"]["phrase"], found["loop"]["times"]) == ("The door was open.", 9)


def test_a_prompt_is_cut_off_before_scoring(shell: Shell) -> None:
    found = json.loads(shell("score", "Once upon a time", "--prompt", "Once upon", "--json", "-").out)
    assert (found["tokens"], found["loop"]) == (2, None)


@pytest.mark.parametrize("arguments", [(), ("-",)])
@pytest.mark.parametrize(
    "given",
    [
        LOOP.encode(),
        LOOP.encode() + "é".encode()[:1],  # cut in the middle of a character, as `head -c` does
        b"\xff" + LOOP.encode(),
    ],
)
def test_standard_input_is_scored_whatever_it_holds(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], given: bytes
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(given), encoding="utf-8"))
    status, out, _ = shell("score", *arguments, "--json", "-")
    assert status == 0
    assert json.loads(out)["loop"]["phrase"] == "The door was open."


@pytest.mark.parametrize("text", ["", "   ", "D", "\ud800", "go \ud800 " * 4, "\x00\x1b[31m"])
def test_any_text_is_scored_without_complaint(shell: Shell, text: str) -> None:
    status, out, err = shell("score", text, "--json", "-")
    assert status == 0
    assert json.loads(out)["format"] == 1
    assert controls(err) == set()


@pytest.mark.slow
def test_a_profile_is_measured_and_used(shell: Shell) -> None:
    Path("corpus").mkdir()
    Path("corpus/a.txt").write_text(prose(2000), encoding="utf-8")
    write("corpus/b.jsonl", "torn", {"text": prose(500)})
    status, out, err = shell("calibrate", "corpus", "-o", "mine.json", "--name", "mine")
    assert (status, out) == (0, "")
    assert "2,758 tokens of 1 corpora" in err
    assert "1 line was not used or needs a look:\n  corpus/b.jsonl:1: not JSON" in err
    report = json.loads(shell("audit", healthy(), "--profile", "mine.json", "--json", "-").out)
    assert report["settings"]["profile"].startswith("mine ")
    status, out, _ = shell("calibrate", "corpus", "-o", "-", "--name", "mine")
    assert json.loads(out) == json.loads(Path("mine.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_a_profile_that_comes_with_the_package_is_named(shell: Shell) -> None:
    record = written(RECORDS, 1200)
    name = write("records.jsonl", *({"step": n, "text": written(RECORDS, 1200, n)} for n in range(8)))
    for profile in ("code", "data", "logs", "english"):
        report = json.loads(shell("audit", name, "--profile", profile, "--json", "-").out)
        assert report["settings"]["profile"].startswith(f"{profile} ")
        assert "tokens; " in shell("score", record, "--profile", profile).err
    assert "8 are fine with --profile data" in " ".join(shell("audit", name).err.split())
    shell("check", name, "--snapshot", "s.json", "--update", "--profile", "data")
    assert json.loads(Path("s.json").read_text(encoding="utf-8"))["made"]["profile"].startswith("data ")


@pytest.mark.parametrize("command", ["audit", "check", "score"])
def test_a_profile_of_an_unknown_name_is_refused_and_the_names_are_said(shell: Shell, command: str) -> None:
    more = ("--snapshot", "s.json", "--update") if command == "check" else ()
    assert shell.refused(command, healthy(), *more, "--profile", "jsn") == (
        "coherence: 'jsn' is neither a file nor a profile; the profiles are english, code, data, logs\n"
    )


def test_a_corpus_that_is_too_small_is_refused_by_name(shell: Shell) -> None:
    Path("a.txt").write_text(prose(20), encoding="utf-8")
    assert "a.txt has 22 tokens; a profile needs 1,000" in shell.refused("calibrate", "a.txt", "-o", "p.json")
    assert not Path("p.json").exists()


def test_a_missing_corpus_is_refused_by_name(shell: Shell) -> None:
    assert shell.refused("calibrate", "none", "-o", "p.json") == "coherence: none: no such file or folder\n"


def test_a_corpus_folder_stands_for_the_text_below_it(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name in ("b.txt", "deep/a.md", "deep/er/c.jsonl", "deep/er/d.png"):
        (tmp_path / name).touch()
    assert text_files(tmp_path) == [tmp_path / name for name in ("b.txt", "deep/a.md", "deep/er/c.jsonl")]
    assert text_files(tmp_path / "deep/er/d.png") == [tmp_path / "deep/er/d.png"]


def test_a_corpus_without_text_or_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"^{tmp_path}: a folder without text"):
        text_files(tmp_path)
    with pytest.raises(FileNotFoundError, match=f"^{tmp_path}/none: no such file or folder"):
        text_files(tmp_path / "none")


# Help


@pytest.mark.parametrize("command", ["", "audit", "check", "compare", "serve", "score", "calibrate", "demo"])
def test_help_fits_80_columns_shows_an_example_and_lists_the_exit_status(shell: Shell, command: str) -> None:
    status, out, err = shell(*command.split(), "--help")
    assert (status, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert f"\n  coherence {command}" in out or f"| coherence {command}" in out
    assert "Exit status: 0 " in out
    assert ", 2 wrong usage" in out
    assert ", 70 an error of coherence itself" in " ".join(out.split())


# What a person sees


def golden_healthy() -> list[str]:
    sources = ("books", "chat")
    write(
        "run/samples.jsonl", *({"step": s, "text": fine(s, i)} for s in range(50, 1050, 50) for i in (0, 1))
    )
    write(
        "run/metrics.jsonl",
        *({"step": s, "loss": 2 + 7 * 0.997**s, "source": sources[s // 10 % 2]} for s in range(0, 1010, 10)),
    )
    write("run/run.json", {"vocab_size": 8449})
    return ["run"]


def golden_collapsed() -> list[str]:
    texts = [*map(fine, range(4)), *[f"{fine(9)} {LOOP}", "no no no no no", ""] * 3]
    rows = [{"step": 500 * n, "text": text, "time": 3600.0 * n} for n, text in enumerate(texts)]
    write("samples.jsonl", *rows)
    write("loss.csv", "step,loss", *(f"{250 * n},{9 - 0.2 * n:.2f}" for n in range(26)))
    return ["samples.jsonl", "--loss", "loss.csv", "--threshold", "60"]


def golden_bad_lines() -> list[str]:
    rows = [{"step": n, "text": fine(n)} for n in range(4)]
    bad = ["{", "[1, 2]", '{"step": "x", "text": "a"}']
    write("samples.jsonl", *rows, *bad, {"step": 5, "text": LOOP}, {"step": 6, "text": "D"})
    return ["samples.jsonl"]


@pytest.mark.parametrize("run", [golden_healthy, golden_collapsed, golden_bad_lines])
def test_the_report_at_80_columns_is_the_one_that_somebody_looked_at(shell: Shell, run: Any) -> None:
    arguments = run()
    Path("profile.json").write_text(json.dumps(PROFILE), encoding="utf-8")
    err = shell("audit", *arguments, "--profile", "profile.json").err
    lines = [line.replace(fast.NAME, "plain scorer") for line in err.splitlines()]
    assert max(map(len, lines)) <= 80
    golden = GOLDEN / f"{run.__name__.removeprefix('golden_')}.txt"
    if os.environ.get("COHERENCE_REGENERATE") == "1":
        golden.write_text("\n".join(lines) + "\n", encoding="utf-8")
        pytest.fail(f"wrote {golden.name}: look at it, then run again without COHERENCE_REGENERATE")
    assert lines == golden.read_text(encoding="utf-8").splitlines()


def test_a_score_below_the_threshold_never_reads_as_one_that_is_not(shell: Shell) -> None:
    Path("profile.json").write_text(json.dumps(PROFILE), encoding="utf-8")
    write("a.jsonl", {"step": 1, "text": "a b c d e f g h " * 2})
    scores = json.loads(shell("audit", "a.jsonl", "--profile", "profile.json", "--json", "-").out)["samples"][
        0
    ]
    bigram = scores["scores"]["bigram"]
    assert bigram % 1 > 0.5
    assert f"bigram {math.floor(bigram)} " in shell("audit", "a.jsonl", "--profile", "profile.json").err


def test_the_excerpt_begins_where_the_answer_loops_however_long_the_prompt(shell: Shell) -> None:
    prompt, beginning = fine(1), fine(2)
    text = f"{prompt} {beginning} {LOOP}"
    _, _, err = shell("audit", write("a.jsonl", {"step": 1, "prompt": prompt, "text": text}))
    assert f"…{beginning[-19:]} The door was open." in err


def test_a_loss_that_turned_after_the_halt_is_told_as_both(shell: Shell) -> None:
    falling = [f"{step},{8 - step / 120}" for step in range(0, 721, 30)]
    write("m.csv", "step,loss", *falling, *(f"{step},9.0" for step in range(750, 901, 30)))
    err = shell("audit", collapsed(), "--loss", "m.csv").err
    assert "converging at the halt, collapsed at the end: 8 → 9" in err
    assert "at the end" not in shell("audit", healthy(), "--loss", "m.csv").err


def test_what_a_trainer_of_reinforcement_learning_logs_is_a_row_of_the_facts(shell: Shell) -> None:
    rows = [
        {"step": step, "loss": 0.01, "reward": step / 400, "kl": 0.01, "response_length": 400 - step}
        for step in range(100, 401, 100)
    ]
    err = shell("audit", healthy(), "--loss", write("rl.jsonl", *rows)).err
    told = " ".join(err.split())
    assert "also logged reward 0.25 → 1, KL 0.01 → 0.01, length 300 → 0 (steps 100 to 400)" in told
    assert "also logged" not in shell("audit", healthy()).err


def test_where_rewards_were_read_and_no_loss_the_sentence_says_so(shell: Shell) -> None:
    rows = [{"step": step, "data": {"critic/score/mean": 0.5}} for step in range(100, 401, 100)]
    err = shell("audit", healthy(), "--loss", write("verl.jsonl", *rows)).err
    assert "No loss was given, only a reward or the like, as in reinforcement" in err
    assert "also logged" in err
    assert "loss from" not in err


def test_scores_are_red_where_they_are_below_the_threshold_of_the_run(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("profile.json").write_text(json.dumps(PROFILE), encoding="utf-8")
    write("a.jsonl", *({"step": n, "text": "a b c d e f g h " * 2} for n in range(2)))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")

    def reds(threshold: str) -> int:
        done = shell("audit", "a.jsonl", "--profile", "profile.json", "--threshold", threshold)
        return done.err.count("\x1b[31m")

    assert (reds("30"), reds("50"), reds("60")) == (2, 4, 8)  # English 0, bigram 48, the others 51 and 53


# Hostile text

HOSTILE = (
    "\x1b[31mred\x1b]0;title\x07 \r over\x9b2J \u202eright\u2066 \x00\x08\x7f\u2028 [red]x[/red] [/] \ufeff"
)


def controls(shown: str) -> set[str]:
    """What of a text could move the cursor, colour the screen or turn its direction."""
    return {char for char in shown if char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl")}


def test_hostile_samples_reach_the_terminal_without_their_powers(shell: Shell) -> None:
    rows = [
        {"step": n, "text": f"{HOSTILE} {n} " * 4, "prompt": HOSTILE * n, "source": HOSTILE} for n in range(6)
    ]
    _, _, err = shell("audit", write("a.jsonl", *rows))
    assert controls(err) == set()
    assert "[red]x[/red] [/]" in " ".join(err.split())


def test_hostile_sources_and_file_names_reach_the_terminal_without_their_powers(shell: Shell) -> None:
    name = f"{HOSTILE}.jsonl".replace("\x00", "").replace("/", "|")
    write(name, {"step": 1, "text": fine(1)}, "{", {"step": HOSTILE, "text": "a"})
    write(f"m{name}", {"step": 1, "loss": 2.0, "source": HOSTILE}, {"step": 2, "loss": HOSTILE})
    status, _, err = shell("audit", name, "--loss", f"m{name}")
    assert status == 0
    assert controls(err) == set()
    assert "[red]x[|red] [|] .jsonl:2: not JSON" in " ".join(err.split())
    assert "source" in err
    assert "3 lines were not used" in err


def test_hostile_names_in_an_error_reach_the_terminal_without_their_powers(shell: Shell) -> None:
    name = f"{HOSTILE}\n.jsonl".replace("\x00", "").replace("/", "|")
    for err in (
        shell.refused("audit", name),
        shell.refused("audit", write(name, "{")),
        shell.refused("audit", healthy(), "--loss", name),
        shell.refused("audit", healthy(), "--profile", name),
        shell.refused("calibrate", name, "-o", "p.json"),
    ):
        assert controls(err) == set()


def test_a_hostile_text_is_scored_without_its_powers(shell: Shell) -> None:
    err = shell("score", f"{HOSTILE} " * 5).err
    assert controls(err) == set()
    assert "repeats «" in err


def test_colours_are_for_terminals_only(shell: Shell) -> None:
    assert "\x1b" not in shell("audit", collapsed()).err


# The process


def process(*arguments: str, command: str = "", **more: Any) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"COLUMNS": "80", "PYTHONUTF8": "1"}
    environment.pop("PYTHONUNBUFFERED", None)  # it would hide what happens to the rest of a buffer
    program = ["-c", command] if command else ["-m", "coherence.cli"]
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, *program, *arguments],
        **{"capture_output": True, "text": True, "encoding": "utf-8", "check": False, **more},
        env=environment,
    )


@pytest.mark.slow
@pytest.mark.usefixtures("shell")
def test_the_process_keeps_its_outputs_apart_and_returns_its_status() -> None:
    done = process("audit", collapsed(), "--json", "-")
    assert done.returncode == 1
    assert json.loads(done.stdout)["halt"] is True
    assert done.stderr.startswith("╭─ HALT")


@pytest.mark.slow
@pytest.mark.usefixtures("shell")
def test_a_reader_of_the_report_who_leaves_early_changes_neither_status_nor_file() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = process(
            "audit",
            healthy(),
            "--json",
            "r.json",
            stderr=writing,
            stdout=subprocess.PIPE,
            capture_output=False,
        )
    finally:
        os.close(writing)
    assert done.returncode == 0
    assert json.loads(Path("r.json").read_text(encoding="utf-8"))["halt"] is False


@pytest.mark.usefixtures("shell")
def test_a_reader_of_the_json_who_leaves_early_gets_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = process(
            "score", "D", "--json", "-", stdout=writing, stderr=subprocess.PIPE, capture_output=False
        )
    finally:
        os.close(writing)
    assert done.returncode == 2
    assert "BrokenPipe" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("shell")
def test_a_reader_of_an_error_who_has_left_does_not_change_its_status() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = process("audit", "none", stderr=writing, stdout=subprocess.PIPE, capture_output=False)
    finally:
        os.close(writing)
    assert done.returncode == 2


@pytest.mark.parametrize("arguments", [["--help"], ["audit", "--help"], ["audit", "--surprise"]])
def test_help_and_wrong_usage_wait_for_nothing_heavy(arguments: list[str]) -> None:
    heavy = "('nltk', 'pydantic', 'numpy', 'rich')"
    command = (
        "import sys\nfrom coherence.cli.main import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
        f"sys.exit([name for name in {heavy} if name in sys.modules].__len__())"
    )
    assert process(command=command).returncode == 0


@pytest.mark.slow
@pytest.mark.usefixtures("shell")
@pytest.mark.parametrize("command", ["audit", "score", "calibrate"])
def test_only_who_calibrates_waits_for_nltk(command: str) -> None:
    Path("a.txt").write_text(prose(2000), encoding="utf-8")
    arguments = {
        "audit": ["audit", healthy()],
        "score": ["score", LOOP],
        "calibrate": ["calibrate", "a.txt", "-o", "p.json"],
    }[command]
    run = f"import sys; from coherence.cli.main import main; main({arguments!r})"
    assert process(command=f"{run}; sys.exit('nltk' in sys.modules)").returncode == (command == "calibrate")
