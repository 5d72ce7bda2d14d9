"""`coherence check` as a person and a pipeline meet it: its exit status and all of its outputs.

What is in tests/golden/check/ is rewritten by `COHERENCE_REGENERATE=1 pytest
tests/check/test_outputs.py`, which fails so that somebody looks at it.
"""

import io
import json
import os
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from places import GOLDEN, RUNS
from samples_of_checks import LOOP, fine, mixed, switches, write
from shell import PROFILE, Outcome, Shell

from coherence.check.causes import causes
from coherence.check.compare import Comparison, Grade
from coherence.check.compared import QUANTITIES
from coherence.check.history import Drift
from coherence.check.snapshot import Provenance
from coherence.check.texts import Heavy
from coherence.check.verdict import Check, CollapsedPrompt
from coherence.escape import tamed
from coherence.report import FourScores, OriginRecord, ProblemRecord
from coherence.show.check_words import evidence, excerpt
from coherence.show.ci import command, github, gitlab, junit, repository_path
from coherence.show.markdown import markdown
from coherence.signals.settings import __version__

pytestmark = pytest.mark.once


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        monkeypatch.delenv(name, raising=False)
    return Shell(capsys, "check")


def made(shell: Shell, *options: str) -> list[str]:
    """Make a snapshot of fine samples and return the options that check against it."""
    assert (
        shell(write("good.jsonl", *fine(200)), "--snapshot", "s.json", "--update", "--yes", *options).status
        == 0
    )
    return ["--snapshot", "s.json", *options]


# Exit status


@pytest.mark.slow
def test_the_healthy_run_the_collapsed_ones_no_snapshot_and_other_settings(shell: Shell) -> None:
    healthy = str(RUNS / "healthy")
    assert shell(healthy, "--snapshot", "s.json", "--update").status == 0
    assert shell(healthy, "--snapshot", "s.json").status == 0
    for collapsed in ("leak", "leak-characters", "one-line"):
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
    assert "19 now are too few to compare; at least 20 on each side" in " ".join(err.split())


def test_what_cannot_be_told_is_no_failure_and_no_silent_pass(shell: Shell) -> None:
    status, _, err = shell(write("some.jsonl", *fine(40, seed=2)), *made(shell))
    assert status == 0
    assert "INCONCLUSIVE" in err
    assert "on each side would do" in " ".join(err.split())


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
        (("--update", "--markdown", "m.md", "--gitlab", "g.json"), "leave out --gitlab and --markdown"),
        (("--markdown", "none/m.md"), "none/m.md"),
        (("--gitlab", "none/g.json"), "none/g.json"),
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


@pytest.mark.slow
def test_samples_are_grouped_by_the_key_that_is_asked_for(shell: Shell) -> None:
    texts = fine(200)
    for name, sizes in (("before.jsonl", (150, 50)), ("now.jsonl", (50, 150))):
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
    assert found["comparisons"][0]["size_now"] == 60


@pytest.mark.parametrize("content", ["", "{", '{"format": 3}'])
def test_a_snapshot_that_is_none_is_refused_by_name(shell: Shell, content: str) -> None:
    options = made(shell)
    Path("s.json").write_text(content, encoding="utf-8")
    assert shell.refused("good.jsonl", *options).startswith("coherence: s.json: not a snapshot: ")


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


@pytest.mark.slow
def test_updating_says_what_changed_and_a_second_time_that_nothing_did(shell: Shell) -> None:
    options = made(shell)
    before = Path("s.json").read_bytes()
    status, out, err = shell("good.jsonl", *options, "--update")
    assert (status, out, Path("s.json").read_bytes()) == (0, "", before)
    assert err == "nothing changed\nwrote s.json: 200 samples\n"
    err = shell(write("worse.jsonl", *mixed(100, 20)), *options, "--update").err
    assert "FAIL · more samples loop\n" in err
    assert "wrote s.json: 100 samples" in err


def test_updating_over_other_settings_or_what_is_no_snapshot_says_so(shell: Shell) -> None:
    options = made(shell)
    err = shell("good.jsonl", *options, "--update", "--prompt-field", "ask").err
    assert "other settings than before: prompt field 'ask', not None" in err
    Path("s.json").write_text("{", encoding="utf-8")
    err = shell("good.jsonl", *options, "--update").err
    assert err.startswith("in the place of what could not be read: s.json: not a snapshot")
    assert shell("good.jsonl", *options).status == 0


def test_updating_with_samples_on_which_the_gate_halts_or_too_few_says_so(shell: Shell) -> None:
    err = shell(write("bad.jsonl", *[LOOP] * 9), "--snapshot", "s.json", "--update").err
    assert "the gate halts on these samples, and will on all like them: 9 of 9 samples scored" in " ".join(
        err.split()
    )
    assert "too few to compare anything with; 20 at least" in err


# Golden outputs


def golden(name: str, text: str) -> None:
    path = GOLDEN / "check" / name
    lines = [line.rstrip() for line in text.splitlines()]
    if os.environ.get("COHERENCE_REGENERATE") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return
    assert lines == path.read_text(encoding="utf-8").splitlines()


SIDES: dict[str, tuple[Callable[[], list[str]], Callable[[], list[str]]]] = {
    "pass": (lambda: fine(300), lambda: fine(300, seed=3)),
    "inconclusive": (lambda: fine(300), lambda: fine(40, seed=2)),
    "fail": (lambda: fine(300), lambda: mixed(300, 60)),
    "gate": (lambda: fine(300), lambda: [*fine(100, seed=4), *[LOOP] * 200]),
    "halted": (lambda: switches(300), lambda: switches(300, seed=1)),
    "within": (lambda: fine(600), lambda: mixed(600, 6)),
}
"""Samples before and now."""

OUTPUTS = {
    "--markdown": "md",
    "--junit": "junit.xml",
    "--gitlab": "gitlab.json",
    "--json": "json",
    "--html": "html",
}


def compared(shell: Shell, sides: str, *options: str) -> Outcome:
    """Check one of the pairs above, with every output written to a file of its name."""
    Path("profile.json").write_text(json.dumps(PROFILE), encoding="utf-8")
    profile = () if sides == "halted" else ("--profile", "profile.json")
    against = ("--snapshot", "s.json", *profile)
    before, now = SIDES[sides]
    assert shell(write("good.jsonl", *before()), *against, "--update", "--yes").status == 0
    return shell(write("new.jsonl", *now()), *against, *options)


def failing(shell: Shell, *options: str) -> Outcome:
    return compared(shell, "fail", *options)


@pytest.mark.slow
@pytest.mark.parametrize("sides", SIDES)
def test_every_output_is_the_one_that_somebody_looked_at(shell: Shell, sides: str) -> None:
    written = [each for option, name in OUTPUTS.items() for each in (option, name)]
    status, out, err = compared(shell, sides, "--github", *written)
    assert status == (sides in ("fail", "gate"))
    assert max(map(len, err.splitlines())) <= 80
    golden(f"{sides}.txt", err)
    golden(f"{sides}.github.txt", out)
    for name in ("md", "junit.xml", "gitlab.json"):
        golden(f"{sides}.{name}", Path(name).read_text(encoding="utf-8"))
    drawn = re.search(r"<main.*</main>", Path("html").read_text(encoding="utf-8"), re.DOTALL)
    assert drawn
    golden(f"{sides}.html", drawn[0].replace("><", ">\n<").replace(f">{__version__}<", ">VERSION<"))
    if os.environ.get("COHERENCE_REGENERATE") == "1":
        pytest.fail(f"wrote check/{sides}.*: look at them, then run again without COHERENCE_REGENERATE")


@pytest.mark.slow
def test_the_summary_is_appended_to_what_other_steps_wrote(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    Path("summary.md").write_text("# Before\n", encoding="utf-8")
    failing(shell, "--markdown", "m.md")
    whole = Path("summary.md").read_text(encoding="utf-8")
    assert whole == "# Before\n" + Path("m.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--json", "--markdown", "--gitlab"])
def test_github_leaves_standard_output_to_what_is_written_there(shell: Shell, option: str) -> None:
    out, err = failing(shell, "--github", option, "-")[1:]
    assert "::error" not in out
    assert "\n::error file=s.json,line=1,title=coherence%3A more samples loop::" in err


@pytest.mark.slow
def test_annotations_and_reports_name_the_snapshot_from_the_top_of_the_repository(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path.parent))
    monkeypatch.setenv("CI_PROJECT_DIR", str(tmp_path.parent))
    out = failing(shell, "--github", "--gitlab", "g.json").out
    assert f"::error file={tmp_path.name}/s.json,line=1," in out
    assert json.loads(Path("g.json").read_text())[0]["location"]["path"] == f"{tmp_path.name}/s.json"
    assert repository_path("s.json", str(tmp_path / "other")) == "s.json"


def test_what_passes_annotates_nothing_and_shows_no_samples(shell: Shell) -> None:
    status, out, err = compared(shell, "pass", "--github", "--gitlab", "g.json")
    assert (status, out) == (0, "")
    assert err.startswith("PASS · as well as before\n300 samples against 300 of s.json;")
    assert "Worst samples" not in err
    assert json.loads(Path("g.json").read_text()) == []


@pytest.mark.slow
def test_a_gate_that_halts_on_the_snapshot_too_names_the_profile_that_fits(shell: Shell) -> None:
    status, _, err = compared(shell, "halted")
    told = " ".join(err.split())
    assert status == 0
    assert told.startswith("PASS · as well as before; the gate halts, as on the snapshot ")
    assert "30 are fine with --profile data" in told
    assert "30 are fine with --profile data" in " ".join(
        shell("good.jsonl", "--snapshot", "s.json", "--update").err.split()
    )


def test_a_gate_that_halts_on_what_no_profile_fits_says_how_to_measure_one(shell: Shell) -> None:
    err = shell(write("bad.jsonl", *[LOOP] * 30), "--snapshot", "s.json", "--update").err
    assert "none of the profiles that come with coherence fits" in " ".join(err.split())


def test_a_gate_that_is_only_observed_fails_nothing_and_says_so(shell: Shell) -> None:
    against = made(shell)
    rows = ({"step": n, "text": text} for n, text in enumerate([*fine(195, seed=4), *[LOOP] * 5]))
    Path("new.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    decided = shell("new.jsonl", *against)
    observed = shell("new.jsonl", *against, "--observe", "--junit", "j.xml")
    assert (decided.status, observed.status) == (1, 0)
    assert decided.err.startswith("FAIL · the gate halts, and did not on the snapshot\n")
    assert observed.err.splitlines()[0].endswith("; the gate halts, which is only observed")
    gate = ElementTree.parse("j.xml").find(".//testcase[@name='gate']")  # noqa: S314 - we wrote it
    assert gate is not None
    assert [part.tag for part in gate] == ["system-out"]


@pytest.mark.slow
def test_the_json_is_the_whole_check(shell: Shell) -> None:
    found = Check.from_json(failing(shell, "--json", "-").out)
    assert (found.format, found.verdict, found.halt) == (2, "fail", False)
    assert [each.name for each in found.comparisons][:4] == ["bigram", "trigram", "english", "character"]
    for each in found.comparisons:
        assert each.interval is not None
        assert each.interval[0] <= each.change <= each.interval[1]
    assert [heavy.times for heavy in found.heaviest] == [60]


# GitLab


@pytest.mark.slow
def test_the_fingerprint_of_a_finding_is_the_same_in_every_run(shell: Shell) -> None:
    def prints(*sides: str) -> list[dict[str, str]]:
        found = []
        for each in sides:
            compared(shell, each, "--gitlab", "g.json")
            told = json.loads(Path("g.json").read_text(encoding="utf-8"))
            found.append({one["check_name"]: one["fingerprint"] for one in told})
        return found

    fail, again, gate = prints("fail", "fail", "gate")
    assert fail == again
    assert fail["coherence loops"] == gate.get("coherence loops", fail["coherence loops"])
    assert gate["coherence gate"] not in fail.values()
    every = fail | gate
    assert len(set(every.values())) == len(every)


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


@pytest.mark.slow
def test_junit_is_valid_and_has_a_test_case_for_all_that_can_fail(shell: Shell) -> None:
    assert failing(shell, "--junit", "j.xml", "--json", "c.json").status == 1
    names = [each["name"] for each in json.loads(Path("c.json").read_text(encoding="utf-8"))["comparisons"]]
    root = ElementTree.parse("j.xml").getroot()  # noqa: S314 - we wrote it
    assert root.tag == "testsuites"
    assert_valid(root)
    (suite,) = root
    cases = {case.attrib["name"]: [child.tag for child in case] for case in suite.iter("testcase")}
    assert list(cases) == ["gate", *names, "prompts", "oldest snapshot"]
    assert (cases["gate"], cases["bigram"], cases["low"]) == ([], ["failure"], ["failure"])
    tags = [tag for case in cases.values() for tag in case]
    counted = suite.attrib
    assert int(counted["tests"]) == len(cases)
    assert int(counted["failures"]) == tags.count("failure") == int(root.attrib["failures"])
    assert int(counted["skipped"]) == tags.count("skipped")
    assert int(counted["errors"]) == 0


@pytest.mark.slow
def test_junit_holds_a_sample_once(shell: Shell) -> None:
    failing(shell, "--junit", "j.xml")
    assert Path("j.xml").read_text(encoding="utf-8").count(LOOP.strip()) == 1


def test_junit_fails_where_a_prompt_or_the_oldest_snapshot_does() -> None:
    found = replace(check_of("text"), halt=False, comparisons=())
    for name in ("prompts", "oldest snapshot"):
        case = ElementTree.fromstring(junit(found)).find(f".//testcase[@name='{name}']/failure")  # noqa: S314 - ours
        assert case is not None


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
    verdicts: tuple[Grade, ...] = ("fail", "inconclusive", "pass")
    return Check(
        verdict="fail",
        snapshot=text,
        halt=True,
        halt_reason=text,
        halted_before=False,
        observe=False,
        tolerance=5,
        level=0.01,
        by=text,
        samples_before=40,
        samples_now=40,
        comparisons=tuple(comparison(verdict, text) for verdict in verdicts),
        prompts=(
            CollapsedPrompt(prompt=text, bad_before=0, before=9, bad_now=9, now=9, p=1e-6, sentence=text),
        ),
        drifts=(Drift(name="trigram", before=90.0, now=50.0, sentence=text),),
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
        change=-40,
        interval=(-50, -30),
        tolerance=5,
        p=0.001,
        size_before=40,
        size_now=40,
        needed=100,
        verdict=verdict,
        sentence=sentence,
    )


def rendered(text: str) -> ElementTree.Element:
    """Markdown as GitHub renders it, as a tree; what is no well-formed HTML is an error."""
    page = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    return ElementTree.fromstring(f"<page>{page.replace('<details open>', '<details>')}</page>")  # noqa: S314 - ours


OURS = {
    *("page", "h3", "ul", "li", "p", "strong", "code", "pre", "details", "summary"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}


def assert_inert(text: str, hostile: str) -> None:
    """What others wrote is in code alone, and code is all that it is."""
    page = rendered(text)
    assert {each.tag for each in page.iter()} <= OURS
    assert [each.text for each in page.iter("h3")] == [
        "coherence check: FAIL · the gate halts, and did not on the snapshot"
    ]
    assert len(page.findall("details")) == 2
    assert all(each.find("summary") is not None for each in page.iter("details"))
    for code in page.iter("code"):
        code.text = ""
    if hostile.strip():
        assert hostile not in "".join(page.itertext()).replace("coherence check", "")


def test_a_hostile_text_stays_text_wherever_it_goes() -> None:
    found = replace(check_of(HOSTILE), halt_reason="5 samples in a row")
    root = ElementTree.fromstring(junit(found))  # noqa: S314 - we wrote it
    assert_valid(root)
    for line in github(found):
        assert "\n" not in line
        assert "\r" not in line
    assert_inert(markdown(found), "@you")
    assert "@you" in markdown(found)
    for text in (excerpt(found.heaviest[0]), *github(found), gitlab(found)):
        assert not {char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Cs")} - {"\n"}


@given(st.text(alphabet="`|<>&:#[]%\r\n@*_ a,", max_size=40))
def test_any_text_is_escaped(text: str) -> None:
    found = check_of(text)
    assert_valid(ElementTree.fromstring(junit(found)))  # noqa: S314 - we wrote it
    lines = github(found)
    assert all(re.match("::(error|warning|notice) file=[^,:]*,line=1,title=", line) for line in lines)
    assert not [line for line in lines if set("\r\n").intersection(line)]
    assert_inert(markdown(found), "")
    assert json.loads(gitlab(found))


@pytest.mark.slow
@pytest.mark.parametrize("sides", ["pass", "fail", "gate", "halted"])
def test_rendered_the_summary_has_one_heading_and_shows_no_backslash(shell: Shell, sides: str) -> None:
    headline = compared(shell, sides, "--markdown", "m.md").err.splitlines()[0]
    page = rendered(Path("m.md").read_text(encoding="utf-8"))
    assert [each.text for each in page.iter("h3")] == [f"coherence check: {headline}"]
    assert "\\" not in "".join(page.itertext())
    assert len(page.findall("table/tbody/tr")) > 10


def test_of_the_samples_in_the_summary_the_first_is_open() -> None:
    found = check_of("text")
    text = markdown(replace(found, heaviest=found.heaviest * 3))
    assert re.findall("<details.*?>(?=<summary><code>)", text) == ["<details open>", "<details>", "<details>"]


def test_a_command_is_escaped_where_a_sign_would_end_it() -> None:
    assert command("error", "a: b, c%\n", "50 %, a: b\r\nc") == (
        "::error title=a%3A b%2C c%25%0A::50 %25, a: b%0Ac"
    )


def test_at_most_ten_annotations_of_a_kind_are_written() -> None:
    each = {name: replace(comparison("fail", "text"), name=name) for name in QUANTITIES}
    each["english"] = replace(each["english"], change=-90)
    found = replace(check_of("text"), comparisons=tuple(each.values()))
    assert len(causes(found)) > 10
    assert [line.split()[0] for line in github(found)] == ["::error"] * 10


@pytest.mark.parametrize(("change", "shown"), [(-1.0, True), (1.0, False), (0.0, False)])
def test_samples_are_shown_of_what_is_inconclusive_if_it_got_worse(change: float, shown: bool) -> None:
    unsure = replace(comparison("inconclusive", "text"), change=change)
    found = replace(check_of("text"), verdict="inconclusive", comparisons=(unsure,))
    assert bool(evidence(found)) is shown
    share = replace(unsure, name="low", change=-change)
    assert bool(evidence(replace(found, comparisons=(share,)))) is shown


@pytest.mark.slow
def test_no_line_for_a_person_is_a_command_on_github(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    against = made(shell)
    hostile = [f"::stop-commands::{n}\n::add-mask::the ##[error]x " * 9 for n in range(30)]
    out, err = shell(write("h.jsonl", *fine(60), *hostile), *against, "--json", "-")[1:]
    commands = [line for line in err.splitlines() if line.lstrip().startswith("::")]
    assert commands
    own = re.compile("::(error|warning|notice) file=s.json,line=1,title=coherence%3A ")
    assert all(map(own.match, commands))
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
