"""`coherence check` as a person and a pipeline meet it: exit status, table, JSON, JUnit, GitHub.

What stands in tests/golden/check_* is written anew by `COHERENCE_REGENERATE=1 pytest
tests/check/test_outputs.py`, which fails so that somebody looks at it.
"""

import io
import json
import os
import re
import unicodedata
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import GOLDEN, RUNS
from shell import PROFILE, Outcome, Shell

from coherence.check.snapshot import Provenance
from coherence.check.verdict import Check, Comparison, Grade, Heavy
from coherence.escape import tamed
from coherence.report import FourScores, OriginRecord, ProblemRecord
from coherence.show.ci import command, excerpt, github, junit, markdown

pytestmark = pytest.mark.once


VOCABULARY = (
    "old man walked along river until evening thought about letter his daughter sent from city winter "
    "garden stone bridge water light window morning paper horse summer road voice table silver village"
)
LOOP = "The door was open. " * 9


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    return Shell(capsys, "check")


def write(name: str, *texts: str, **more: Any) -> str:
    rows = (json.dumps({"step": 9, "text": text, **more}) for text in texts)
    Path(name).write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return name


def fine(count: int, seed: int = 0) -> list[str]:
    random = Random(seed)  # noqa: S311 - it draws words, not secrets
    return [" ".join(random.sample(VOCABULARY.split(), 18)) for _ in range(count)]


def mixed(count: int, bad: int) -> list[str]:
    texts = fine(count - bad, seed=1)
    for n in range(bad):
        texts.insert(n * count // bad, LOOP)
    return texts


def made(shell: Shell, *options: str) -> list[str]:
    """Make a snapshot of fine samples and return the options that check against it."""
    assert (
        shell(write("good.jsonl", *fine(200)), "--snapshot", "s.json", "--update", "--yes", *options).status
        == 0
    )
    return ["--snapshot", "s.json", *options]


# Exit status


def test_the_healthy_run_the_collapsed_ones_no_snapshot_and_other_settings(shell: Shell) -> None:
    healthy = str(RUNS / "healthy")
    assert shell(healthy, "--snapshot", "s.json", "--update").status == 0
    assert shell(healthy, "--snapshot", "s.json").status == 0
    for collapsed in ("leak", "one-line"):
        assert shell(str(RUNS / collapsed), "--snapshot", "s.json").status == 1
    assert shell.refused(healthy, "--snapshot", "t.json") == (
        "coherence: t.json: no such snapshot; --update makes one\n"
    )
    assert "other settings: prompt field 'ask', not None" in shell.refused(
        healthy, "--snapshot", "s.json", "--prompt-field", "ask"
    )


def test_another_profile_or_version_is_another_setting(shell: Shell) -> None:
    options = made(shell)
    Path("p.json").write_text(json.dumps(PROFILE), encoding="utf-8")
    assert "profile 'all different " in shell.refused("good.jsonl", *options, "--profile", "p.json")
    text = Path("s.json").read_text(encoding="utf-8")
    Path("s.json").write_text(re.sub(r'"version": "[^"]*"', '"version": "0.0.0"', text), encoding="utf-8")
    assert "not '0.0.0'" in shell.refused("good.jsonl", *options)


def test_a_link_beside_its_file_is_not_counted_as_more_samples_and_said(shell: Shell) -> None:
    options = made(shell)
    Path("later").mkdir()
    write("later/1.jsonl", *fine(100, seed=2))
    Path("later/latest.jsonl").symlink_to("1.jsonl")
    status, out, err = shell("later", *options, "--json", "-")
    assert status == 0
    note = "later/latest.jsonl: left out, the same file as later/1.jsonl"
    assert note in json.loads(out)["notes"]
    assert note in " ".join(err.split())


def test_below_twenty_samples_the_status_is_2_and_says_how_many_would_do(shell: Shell) -> None:
    status, out, err = shell(write("few.jsonl", *fine(19)), *made(shell))
    assert (status, out) == (2, "")
    assert "TOO FEW" in err
    assert "19 now are too few to tell a change of 5 points" in " ".join(err.split())


def test_what_cannot_be_told_is_no_failure_and_no_silent_pass(shell: Shell) -> None:
    status, _, err = shell(write("some.jsonl", *fine(40, seed=2)), *made(shell))
    assert status == 0
    assert "INCONCLUSIVE" in err
    assert "a side would do" in " ".join(err.split())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--tolerance", "0"), "tolerance 0"),
        (("--tolerance", "some"), "tolerance"),
        (("--level", "0.5"), "level 0.5"),
        (("--level", "nan"), "level nan"),
        (("--surprise",), "surprise"),
        (("--update", "--json", "-"), "--json"),
        (("--update", "--junit", "j.xml"), "--junit"),
    ],
)
def test_an_option_out_of_range_is_refused_in_one_line_that_names_it(
    shell: Shell, options: tuple[str, ...], said: str
) -> None:
    assert said in shell.refused("good.jsonl", *made(shell), *options)


def test_a_snapshot_must_be_named(shell: Shell) -> None:
    assert "--snapshot" in shell.refused("good.jsonl")


def test_samples_of_several_runs_are_refused_by_name(shell: Shell) -> None:
    options = made(shell)
    Path("runs").mkdir()
    for name in ("a", "b"):
        write(f"runs/{name}.jsonl", *fine(20), run=name)
    assert "samples of 2 runs ('a', 'b', ...); expected one" in shell.refused("runs", *options)


def test_a_folder_of_run_folders_is_refused_by_name(shell: Shell) -> None:
    refused = shell.refused(str(RUNS), "--snapshot", "s.json", "--update")
    assert "runs ('" in refused
    assert "expected one" in refused


def test_samples_are_grouped_by_the_key_that_is_asked_for(shell: Shell) -> None:
    texts = fine(40)
    for name, sizes in (("before.jsonl", (30, 10)), ("now.jsonl", (10, 30))):
        rows = [{"text": text, "task": 7} for text in texts[: sizes[0]]]
        rows += [{"text": f"{text} {text}", "task": 8} for text in texts[: sizes[1]]]
        Path(name).write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    grouped = ("--snapshot", "s.json", "--group-by", "task")
    assert shell("before.jsonl", *grouped, "--update").status == 0
    assert json.loads(Path("s.json").read_text(encoding="utf-8"))["groups"] == ["7", "8"]
    status, out, _ = shell("now.jsonl", *grouped, "--json", "-")
    assert (status, json.loads(out)["by"]) == (0, "task")
    assert "group by None, not 'task'" in shell.refused("now.jsonl", "--snapshot", "s.json")
    assert shell("before.jsonl", "--snapshot", "plain.json", "--update").status == 0
    assert shell("now.jsonl", "--snapshot", "plain.json").status == 1
    assert "no sample has 'colour'" in shell.refused(
        "now.jsonl", "--snapshot", "s.json", "--group-by", "colour"
    )


def test_the_number_of_a_prompt_stands_for_it(shell: Shell) -> None:
    for name in ("before.jsonl", "now.jsonl"):
        rows = [{"text": text, "prompt_id": n % 5} for n, text in enumerate(fine(60))]
        Path(name).write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    assert shell("before.jsonl", "--snapshot", "s.json", "--update").status == 0
    found = json.loads(shell("now.jsonl", "--snapshot", "s.json", "--json", "-").out)
    assert found["by"] == "prompt"
    assert [each["size_now"] for each in found["comparisons"] if each["name"] == "between"] == [30]


@pytest.mark.parametrize("content", ["", "{", '{"format": 2}'])
def test_a_snapshot_that_is_none_is_refused_by_name(shell: Shell, content: str) -> None:
    options = made(shell)
    Path("s.json").write_text(content, encoding="utf-8")
    assert shell.refused("good.jsonl", *options).startswith("coherence: s.json: no snapshot: ")


def test_help_fits_80_columns_shows_an_example_and_lists_the_exit_status(shell: Shell) -> None:
    status, out, err = shell("--help")
    assert (status, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert "\n  coherence check " in out
    assert "Exit status: 0 " in out


def test_samples_are_taken_in_the_order_of_their_steps(shell: Shell) -> None:
    rows = [{"step": n, "text": fine(1, n)[0] if n < 5 else LOOP} for n in range(10)]
    mixed_up = [row for pair in zip(rows[:5], rows[5:], strict=True) for row in pair]
    Path("a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in mixed_up), encoding="utf-8")
    assert shell("a.jsonl", *made(shell)).status == 1


# Update


def test_updating_says_what_changed_and_a_second_time_that_nothing_did(shell: Shell) -> None:
    options = made(shell)
    before = Path("s.json").read_bytes()
    status, out, err = shell("good.jsonl", *options, "--update")
    assert (status, out, Path("s.json").read_bytes()) == (0, "", before)
    assert err == "nothing changed\nwrote s.json: 200 samples\n"
    err = shell(write("worse.jsonl", *mixed(100, 20)), *options, "--update").err
    assert "fail: the bigram score fell by" in err
    assert "wrote s.json: 100 samples" in err
    assert shell("worse.jsonl", *options).status == 0


def test_updating_over_other_settings_or_what_is_no_snapshot_says_so(shell: Shell) -> None:
    options = made(shell)
    err = shell("good.jsonl", *options, "--update", "--prompt-field", "ask").err
    assert "other settings than before: prompt field 'ask', not None" in err
    Path("s.json").write_text("{", encoding="utf-8")
    err = shell("good.jsonl", *options, "--update").err
    assert err.startswith("in the place of what could not be read: s.json: no snapshot")
    assert shell("good.jsonl", *options).status == 0


def test_updating_with_samples_on_which_the_gate_halts_or_too_few_says_so(shell: Shell) -> None:
    err = shell(write("bad.jsonl", *[LOOP] * 9), "--snapshot", "s.json", "--update").err
    assert "the gate halts on them" in err
    assert "too few to compare anything with; 20 at least" in err


# Golden outputs


def golden(name: str, text: str) -> None:
    path = GOLDEN / name
    lines = [line.rstrip() for line in text.splitlines()]
    if os.environ.get("COHERENCE_REGENERATE") == "1":
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        pytest.fail(f"wrote {name}: look at it, then run again without COHERENCE_REGENERATE")
    assert lines == path.read_text(encoding="utf-8").splitlines()


def failing(shell: Shell, *options: str) -> Outcome:
    Path("profile.json").write_text(json.dumps(PROFILE), encoding="utf-8")
    against = made(shell, "--profile", "profile.json")
    return shell(write("worse.jsonl", *mixed(120, 24)), *against, *options)


def test_the_table_at_80_columns_is_the_one_that_somebody_looked_at(shell: Shell) -> None:
    status, out, err = failing(shell)
    assert (status, out) == (1, "")
    assert max(map(len, err.splitlines())) <= 80
    golden("check_fail.txt", err)


def test_the_lines_for_github_are_exact(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    out = failing(shell).out
    assert len(out.splitlines()) <= 20
    golden("check_github.txt", out)


def test_the_summary_is_appended_and_the_one_that_somebody_looked_at(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    Path("summary.md").write_text("# Before\n", encoding="utf-8")
    failing(shell)
    golden("check_summary.md", Path("summary.md").read_text(encoding="utf-8"))


def test_github_can_be_asked_for_and_leaves_standard_output_to_json(shell: Shell) -> None:
    out, err = failing(shell, "--github", "--json", "-")[1:]
    assert json.loads(out)["verdict"] == "fail"
    assert "\n::error title=coherence%3A bigram::" in err
    assert "::error" not in failing(shell).out


def test_what_passes_annotates_nothing(shell: Shell) -> None:
    status, out, err = shell(write("as_good.jsonl", *fine(200, seed=3)), *made(shell), "--github")
    assert (status, out) == (0, "")
    assert err.startswith("PASS · as well as before\n200 samples against 200 of s.json;")


def test_the_json_is_the_whole_check(shell: Shell) -> None:
    found = Check.from_json(failing(shell, "--json", "-").out)
    assert (found.format, found.verdict, found.halt) == (1, "fail", False)
    assert [each.name for each in found.comparisons] == [
        *("bigram", "trigram", "english", "character", "low", "too short", "between")
    ]
    for each in found.comparisons:
        assert each.interval is not None
        assert each.interval[0] <= each.now - each.before <= each.interval[1]
    assert [heavy.times for heavy in found.heaviest] == [24]


# JUnit, by the rules of the schema that Jenkins reads it with

ALLOWED = {
    "testsuites": ({"testsuite"}, {"name", "time", "tests", "failures", "errors"}),
    "testsuite": (
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
        {"name", "tests", "failures", "errors", "group", "time", "skipped", "timestamp", "hostname", "id"},
    ),
    "testcase": (
        {"skipped", "error", "failure", "system-out", "system-err"},
        {"name", "time", "classname", "group"},
    ),
    "failure": (set(), {"type", "message"}),
    "skipped": (set(), {"type", "message"}),
    "system-out": (set(), set()),
}
REQUIRED = {"testsuite": {"name", "tests", "failures", "errors"}, "testcase": {"name"}}


def assert_valid(element: ElementTree.Element) -> None:
    children, attributes = ALLOWED[element.tag]
    assert {child.tag for child in element} <= children
    assert set(element.attrib) <= attributes
    assert set(element.attrib) >= REQUIRED.get(element.tag, set())
    for child in element:
        assert_valid(child)


def test_junit_is_valid_and_has_a_test_case_for_each_comparison(shell: Shell) -> None:
    assert failing(shell, "--junit", "j.xml").status == 1
    root = ElementTree.parse("j.xml").getroot()  # noqa: S314 - we wrote it
    assert root.tag == "testsuites"
    assert_valid(root)
    (suite,) = root
    cases = {case.attrib["name"]: [child.tag for child in case] for case in suite}
    assert list(cases) == ["gate", "bigram", "trigram", "english", "character", "low", "too short", "between"]
    assert (cases["gate"], cases["bigram"], cases["low"]) == ([], ["failure"], ["failure"])
    tags = [tag for case in cases.values() for tag in case]
    counted = suite.attrib
    assert int(counted["tests"]) == len(cases)
    assert int(counted["failures"]) == tags.count("failure") == int(root.attrib["failures"])
    assert int(counted["skipped"]) == tags.count("skipped")
    assert int(counted["errors"]) == 0


def test_junit_tells_the_halt(shell: Shell) -> None:
    shell(write("bad.jsonl", *fine(60, seed=4), *[LOOP] * 6), *made(shell), "--junit", "j.xml")
    gate = ElementTree.parse("j.xml").find(".//testcase[@name='gate']/failure")  # noqa: S314 - we wrote it
    assert gate is not None
    assert "5 samples in a row scored below 30" in str(gate.text)


def test_junit_skips_what_is_inconclusive_and_passes_a_warning_with_output(shell: Shell) -> None:
    shell(write("some.jsonl", *mixed(60, 4)), *made(shell), "--junit", "j.xml")
    root = ElementTree.parse("j.xml").getroot()  # noqa: S314 - we wrote it
    assert_valid(root)
    assert root.find(".//skipped") is not None
    warned = root.find(".//system-out")
    assert warned is not None
    assert str(warned.text).startswith("warning: the ")


# Hostile text

HOSTILE = (
    "\x1b[31mred\x1b]0;title\x07 \r\n::add-mask::e \u202e ##[add-mask]e <b>&]]> ``` | [x](y) @you "
    "\x00\ufffe\ud800"
)


def check_of(text: str) -> Check:
    """A failed check whose every text is this one."""
    made_with = Provenance(
        version="1", profile=text, lexicon=text, prompt_field=text, group_by=text, prompts="none"
    )
    verdicts: tuple[Grade, ...] = ("fail", "warning", "inconclusive", "pass")
    return Check(
        verdict="fail",
        snapshot=text,
        halt=True,
        halt_reason=text,
        tolerance=5,
        level=0.01,
        by=text,
        samples_before=40,
        samples_now=40,
        comparisons=tuple(comparison(verdict, text) for verdict in verdicts),
        heaviest=(
            Heavy(
                step=1,
                scores=SCORES,
                low=True,
                times=2,
                text=text,
                prompt=text,
                origin=OriginRecord(file=text, line=1),
            ),
        ),
        notes=(text,),
        problem_count=1,
        problems=(ProblemRecord(file=text, line=1, message=text),),
        made=made_with,
    )


SCORES = FourScores(bigram=0.0, trigram=0.0, english=0.0, character=None)


def comparison(verdict: Grade, sentence: str) -> Comparison:
    return Comparison(
        name="bigram",
        before=90,
        now=50,
        interval=(-50, -30),
        p=0.001,
        size_before=40,
        size_now=40,
        needed=100,
        verdict=verdict,
        sentence=sentence,
    )


def test_a_hostile_text_stays_text_wherever_it_goes() -> None:
    found = check_of(HOSTILE)
    root = ElementTree.fromstring(junit(found))  # noqa: S314 - we wrote it
    assert_valid(root)
    for line in github(found):
        assert "\n" not in line
        assert "\r" not in line
    summary = markdown(found)
    assert "<b>" not in re.sub(r"````text\n.*\n````", "", summary)
    assert "````text\n" in summary
    for text in (excerpt(found.heaviest[0]), *github(found)):
        assert not {char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Cs")} - {"\n"}


@given(st.text(alphabet="`|<>&:#[]%\r\n@*_ a,", max_size=40))
def test_any_text_is_escaped(text: str) -> None:
    found = check_of(text)
    assert_valid(ElementTree.fromstring(junit(found)))  # noqa: S314 - we wrote it
    lines = github(found)
    assert all(line.startswith(("::error title=", "::warning title=")) for line in lines)
    assert not [line for line in lines if set("\r\n").intersection(line)]
    first, *inside, last = re.findall("(?m)^`{3,}", markdown(found))
    assert first == last
    assert all(len(fence) < len(first) for fence in inside)


def test_a_command_is_escaped_where_a_sign_would_end_it() -> None:
    assert command("error", "a: b, c%\n", "50 %, a: b\r\nc") == (
        "::error title=a%3A b%2C c%25%0A::50 %25, a: b%0Ac"
    )


def test_at_most_ten_annotations_of_a_kind_are_written() -> None:
    found = check_of("text")
    many = replace(found, comparisons=found.comparisons * 12)
    kinds = [line.split()[0] for line in github(many)]
    assert kinds.count("::error") == 10
    assert kinds.count("::warning") <= 10


def test_no_line_for_a_person_is_a_command_on_github(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    against = made(shell)
    hostile = [f"::stop-commands::{n}\n::add-mask::the ##[error]x " * 9 for n in range(30)]
    out, err = shell(write("h.jsonl", *fine(60), *hostile), *against, "--json", "-")[1:]
    commands = [line for line in err.splitlines() if line.lstrip().startswith("::")]
    assert commands
    assert all(line.startswith(("::error title=coherence", "::warning title=coherence")) for line in commands)
    shown = [line for line in err.splitlines() if line not in commands]
    assert not [line for line in shown if "##[" in line]
    assert "##[" not in out
    assert "##[error]x" in json.loads(out)["heaviest"][0]["text"]


@given(st.text(alphabet=":# [\n\x1b31ma", max_size=30))
def test_what_is_tamed_has_no_command_left(text: str) -> None:
    for line in tamed(text).split("\n"):
        assert not re.sub(r"\x1b\[[\d;]*m", "", line).lstrip().startswith("::")
        assert "##[" not in line


def test_standard_input_is_read(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    options = made(shell)
    given_bytes = Path("good.jsonl").read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(given_bytes), encoding="utf-8"))
    assert shell("-", *options).status == 0
