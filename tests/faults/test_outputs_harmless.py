"""Whatever stands in a sample, a prompt, a source, an event or a name: it commands nobody who shows it.

Every way out is tried with the same strings: the terminal, JSON, scored samples, JUnit, the lines and the
summary for GitHub, the page's title, the log. What a browser does with them:
tests/show/page/test_hostile_page.py.
"""

import json
import logging
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt
from shell import Outcome, Shell

from coherence import Gate
from coherence.check.compared import QUANTITIES
from coherence.run.monitor import Monitor
from coherence.show.ci import command

pytestmark = pytest.mark.once

HOSTILE = (
    "\x1b[31mred\x1b[0m \x1b[2J\x1b[H\x1b[1A\x1b[2K over",
    "\x1b]0;title\x07 \x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\ \x1b]52;c;ZWNobw==\x07",
    "\x9b31m \x9b2J \x9d0;title\x9c \x90q\x9c \x85 next",
    "all is well\rhalted\x08\x08\x08 \x00 \x7f \x0b \x0c \x0e",
    "\u202eright\u202c \u2066left\u2069 \u200e\u200f \u061c \u2028 \u2029",
    "\u200b\u2060\ufeff\xad un\u200bseen \U000e0041\U000e007f \ufff9",
    "[red]x[/red] [/] [link=http://evil.example]x[/link] :bomb:",
    "::error file=a,line=1::forged",
    "::stop-commands::forged",
    "  ::add-mask::e",
    "##[error]forged ##[add-mask]e ##vso[task.complete]",
    "\n::error::forged\r\n::warning::forged",
    "section_start:0:x\r\x1b[0Kforged",
    "=cmd|' /C calc'!A1",
    "+1+1 \t=1+1 @SUM(1) -2",
    "a | b |\n|---|---|\n| <b>forged</b> | `x` |",
    "```\n</details>\n# forged\n~~~\n---",
    "</summary><script>forged()</script><!-- <![CDATA[",
    "]]></failure></testcase><testcase name='forged'/> &#x1b;[31m &lt;",
    "www.evil.example http://evil.example @you #1 $x$ forged@evil.example",
)
LOOP = "The door was open. " * 9
NAME = "a\x1b[31m\x9b2J\u202e ##[error]b ::error::c=1|<b>`x`\x07[red] www.evil.example $x$ @you"


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    return Shell(capsys)


def powers(shown: str) -> set[str]:
    """What of a text could move the cursor, colour the screen, turn its direction or not be seen."""
    kinds = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return {hex(ord(char)) for char in shown if char != "\n" and unicodedata.category(char) in kinds}


def commands(shown: str) -> list[str]:
    """The lines that GitHub's runner would do."""
    return [line for line in shown.split("\n") if line.lstrip().startswith("::") or "##[" in line]


def assert_harmless(shown: str) -> None:
    assert powers(shown) == set()
    assert commands(shown) == []


def write(name: str, rows: list[dict[str, Any]]) -> str:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return name


def samples(count: int = 6, **more: str) -> list[dict[str, Any]]:
    """Samples that loop, each through a hostile text and behind a hostile prompt."""
    return [
        {"step": 10 * n, "prompt": f"{hostile}?", "text": f"{hostile} " * count} | more
        for n, hostile in enumerate(HOSTILE)
    ]


def losses() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"format": 1, "step": n, "loss": 2.0, "source": hostile} for n, hostile in enumerate(HOSTILE)
    ]
    events = [
        {"format": 1, "event": hostile, "step": n, "details": {hostile: hostile}}
        for n, hostile in enumerate(HOSTILE)
    ]
    return rows + events + [{"step": hostile, "loss": hostile} for hostile in HOSTILE]


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(len(HOSTILE)))
def test_a_report_shows_every_hostile_text_without_its_powers(shell: Shell, turn: int) -> None:
    hostile = HOSTILE[turn]
    texts = [hostile, f"{hostile}\n" * 9, f"{'word ' * turn}{hostile} " * 20]
    rows = [{"step": n, "prompt": hostile, "text": text} for n, text in enumerate(texts * 2)]
    event = {"format": 1, "event": hostile, "step": 1, "details": {"to": hostile}}
    loss = [{"format": 1, "step": n, "loss": 2.0, "source": hostile} for n in range(3)]
    write("a.jsonl", rows)
    write("metrics.jsonl", [*loss, event, {"step": hostile, "loss": hostile}])
    found = shell("audit", "a.jsonl", "--loss", "metrics.jsonl", "--json", "-", "--observe")
    assert found.status == 0
    assert_harmless(found.err)
    assert_harmless(found.out)
    assert hostile in [row["text"] for row in json.loads(found.out)["worst"]] + list(
        json.loads(found.out)["loss"]["sources"]
    )


@pytest.mark.slow
def test_a_score_and_a_wrong_argument_are_shown_without_powers(shell: Shell) -> None:
    for hostile in HOSTILE:
        given = hostile.replace("\x00", "")
        for arguments in (
            ("score", f"x {given} " * 20, "--json", "-"),
            ("score", "x", f"--{given}"),
            (given,),
            ("audit", f"no {given}"),
            ("audit", "no", "--format", given),
            ("check", "no", "--snapshot", f"no {given}"),
            ("serve", f"no {given}"),
            ("calibrate", f"no {given}", "-o", "p.json"),
        ):
            found = shell(*arguments)
            assert_harmless(found.err)
            assert_harmless(found.out)
            assert found.err


@pytest.mark.slow
def test_hostile_names_of_files_runs_and_profiles_are_shown_without_powers(shell: Shell) -> None:
    rows = [row | {"run": hostile} for hostile in HOSTILE for row in samples()[:2]]
    write(f"{NAME}.jsonl", [*rows, {"step": "no"}, {"text": 1}])
    options = ("--json", "-", "--scored", "s.jsonl", "--html", "h.html", "--observe")
    found = shell("audit", f"{NAME}.jsonl", *options)
    assert found.status == 0
    assert len(json.loads(found.out)["runs"]) > 15
    for shown in (*found[1:], *(Path(name).read_text(encoding="utf-8") for name in ("s.jsonl", "h.html"))):
        assert_harmless(shown)
    Path("corpus.txt").write_text("the old man walked along a river until evening " * 300, encoding="utf-8")
    found = shell("calibrate", "corpus.txt", "-o", "-", "--name", NAME)
    assert json.loads(found.out)["name"] == NAME
    assert_harmless(found.out + found.err)


def failing(shell: Shell) -> Outcome:
    """A check that fails, of samples that are hostile, in a file and by a key that are."""
    key = "group ##[error]\x9b"
    fine = [
        {"text": f"{n} old men walked along river {n * n} until night", "prompt": "q", key: "a"}
        for n in range(200)
    ]
    bad = [row | {key: hostile} for hostile in HOSTILE for row in samples()[:9]]
    group = ("--group-by", key, "--snapshot", f"{NAME}.json")
    assert (
        shell("check", write("good.jsonl", fine), *group, "--update", "--yes", "--keep-texts", "9").status
        == 0
    )
    return shell(
        "check", write(f"{NAME}.jsonl", bad), *group, "--json", "-", "--junit", "j.xml", "--gitlab", "g.json"
    )


@pytest.mark.slow
def test_a_failed_check_writes_no_line_that_is_a_command_but_its_own(shell: Shell) -> None:
    found = failing(shell)
    assert found.status == 1
    assert_harmless(found.out)
    assert powers(found.err) == set()
    own = re.compile("::(error|warning|notice) file=[^,:]*,line=1,title=coherence%3A ")
    assert commands(found.err)
    assert all(map(own.match, commands(found.err)))


@pytest.mark.slow
def test_a_failed_check_is_junit_of_our_own_cases_and_holds_no_powers(shell: Shell) -> None:
    failing(shell)
    text = Path("j.xml").read_text(encoding="utf-8")
    names = {case.attrib["name"] for case in ElementTree.fromstring(text).iter("testcase")}  # noqa: S314 - ours
    assert names <= {"gate", *QUANTITIES, "prompts", "oldest snapshot"}
    assert_harmless(text)


def test_a_failed_check_is_a_code_quality_report_without_powers(shell: Shell) -> None:
    failing(shell)
    text = Path("g.json").read_text(encoding="utf-8")
    assert json.loads(text)
    assert_harmless(text)


def test_the_summary_of_a_failed_check_shows_hostile_text_as_code_alone(shell: Shell) -> None:
    found = failing(shell)
    text = Path("summary.md").read_text(encoding="utf-8")
    assert powers(text) == set()
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    page = ElementTree.fromstring(f"<page>{html.replace('<details open>', '<details>')}</page>")  # noqa: S314 - ours
    tags = ["page", "h3", "ul", "li", "p", "strong", "code", "pre", "details", "summary"]
    assert {each.tag for each in page.iter()} <= {*tags, "table", "thead", "tbody", "tr", "th", "td"}
    assert len(page.findall("table/tbody/tr")) == len(json.loads(found.out)["comparisons"])
    assert [each.text.split(" · ")[0] for each in page.iter("h3") if each.text] == ["coherence check: FAIL"]
    for code in page.iter("code"):
        code.text = ""
    outside = "".join(page.itertext())
    assert not [each for each in ("forged", "evil", "@you", "$x$", "<b>") if each in outside]


def test_a_command_for_github_is_one_line_whatever_it_says() -> None:
    for hostile in HOSTILE:
        assert powers(command("error", hostile, hostile)) == set()
        assert len(commands(command("error", hostile, hostile))) == 1


def test_scored_samples_are_typed_and_never_a_table_of_bare_words(shell: Shell) -> None:
    """A spreadsheet takes a cell of CSV that begins with = for a formula; none is written."""
    found = shell("audit", write("a.jsonl", samples()), "--scored", "s.csv")
    assert found.status == 2
    assert "scored samples are written as .jsonl or .parquet" in found.err


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no terminals to open here")
@pytest.mark.parametrize("command", [["audit", ".", "--observe"], ["score", (HOSTILE[0] + "\n") * 9]])
def test_at_a_terminal_nothing_is_sent_but_sequences_of_our_own(command: list[str], tmp_path: Path) -> None:
    import pty

    for name in ("a.jsonl", "b.jsonl"):
        write(str(tmp_path / name), [*samples(), {"step": "no"}])
    master, slave = pty.openpty()
    command_line = [sys.executable, "-m", "coherence.cli", *command]
    process = subprocess.Popen(command_line, cwd=tmp_path, stderr=slave, env=os.environ | {"TERM": "xterm"})  # noqa: S603 - our own
    os.close(slave)
    shown = b""
    while more := _read(master):
        shown += more
    assert process.wait() == 0
    os.close(master)
    own = r"\x1b\[(?:[\d;]*m|\?25[hl]|1A|2K)|\r"
    assert re.search(r"\x1b\[[\d;]*m", shown.decode())
    assert powers(re.sub(own, "", shown.decode())) == set()
    assert "\x1b[2J" not in shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # on Linux, when the last writer has closed it
        return b""


def test_what_is_logged_of_a_run_has_no_powers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    folder = tmp_path / NAME.replace("/", "|")
    with Monitor(folder, gate=Gate(patience=2)) as monitor:
        for step in range(3):
            monitor.sample(step, LOOP)
        (folder / "metrics.jsonl").mkdir()
        monitor.loss(4, 2.0)
        (folder / "metrics.jsonl").rmdir()
        monitor.loss(5, 2.0)
    assert len(caplog.messages) >= 3
    for message in caplog.messages:
        assert powers(message) == set()
