"""What a person sees at a terminal of 40, 80 and 120 columns."""

import importlib.util
import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from places import ROOT, RUNS
from prose import prose

if sys.platform == "win32":
    pytest.skip("pseudo-terminals are those of POSIX", allow_module_level=True)

from pseudo_terminal import Screen, at_terminal

from coherence.cli.main import COMMANDS

WIDTHS = (40, 80, 120)
LOOP = "The door was open. " * 9
COLOUR = re.compile(r"\x1b\[[\d;]*3[1-7]")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def copy(*runs: str) -> None:
    for run in runs:
        shutil.copytree(RUNS / run, Path("runs", run))


def fits(screen: Screen, columns: int) -> None:
    """No line is wider than the terminal, and none ends in blanks."""
    assert screen.lines
    assert max(map(len, screen.lines)) <= columns
    assert not [line for line in screen.lines if line != line.rstrip()]


@pytest.mark.slow
@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("run", ["leak", "healthy"])
def test_a_report_fits_the_terminal_with_every_column_of_its_table(run: str, columns: int) -> None:
    copy(run)
    screen = at_terminal(columns, "audit", f"runs/{run}")
    fits(screen, columns)
    head = next(line for line in screen.lines if line.split()[:1] in (["steps"], ["from"]))
    short, long = "from bi tri eng chr low loss", "steps bigram trigram english character low loss"
    assert head.split() == (short if columns == 40 else long).split()
    assert sum("◀" in line for line in screen.lines) == (run == "leak")


@pytest.mark.slow
def test_a_loss_beyond_every_size_leaves_room_for_the_other_columns() -> None:
    rows = [{"step": step, "text": prose(18, step), "loss": 10.0 ** min(300, step)} for step in range(7, 17)]
    Path("a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    screen = at_terminal(80, "audit", "a.jsonl")
    fits(screen, 80)
    assert "10,000,000 → 1e+16" in screen.words
    assert "bigram trigram english character low loss" in screen.words


@pytest.mark.slow
@pytest.mark.parametrize("columns", WIDTHS)
def test_a_ranking_fits_the_terminal_and_names_action_halt_and_place_of_each_run(columns: int) -> None:
    copy("leak", "healthy")
    screen = at_terminal(columns, "audit", "runs")
    fits(screen, columns)
    assert [line.split()[0] for line in (screen.lines[1], *screen.lines[3:5])] == ["run", "healthy", "leak"]
    row = next(line.split() for line in screen.lines if line.startswith("leak"))
    assert (row[1], row[-2:]) == ("halt", ["550", "50"])


@pytest.mark.slow
@pytest.mark.parametrize("columns", WIDTHS)
def test_a_check_fits_the_terminal_and_shows_before_now_and_verdict(columns: int) -> None:
    copy("leak", "healthy")
    at_terminal(columns, "check", "runs/healthy", "--snapshot", "s.json", "--update")
    screen = at_terminal(columns, "check", "runs/leak", "--snapshot", "s.json")
    assert screen.status == 1
    fits(screen, columns)
    row = next(line.split() for line in screen.lines if line.startswith(("bigram ", " bigram ")))
    assert (row[0], row[-1], len(row) > 4) == ("bigram", "fail", columns > 40)


@pytest.mark.slow
@pytest.mark.parametrize("columns", WIDTHS)
def test_a_text_is_shown_with_four_bars_as_wide_as_there_is_room(columns: int) -> None:
    screen = at_terminal(columns, "score", f"{prose(12)} {LOOP}")
    fits(screen, columns)
    bars = [line for line in screen.lines if "░" in line]
    assert [line.split()[0] for line in bars] == ["bigram", "trigram", "english", "character"]
    assert {len(line) for line in bars} == {min(columns, 56)}
    for line in bars:
        score, length = int(line.split()[1]), line.count("█") + line.count("░")
        assert abs(line.count("█") - score * length / 100) <= 1
    assert "repeats «The door was open.» 9 times" in screen.words
    assert re.search(r"\x1b\[4;33mThe door", screen.raw)


@pytest.mark.slow
@pytest.mark.parametrize("columns", WIDTHS)
def test_several_texts_are_a_table_with_a_row_each(columns: int) -> None:
    Path("texts.txt").write_text(f"{LOOP}\n\n{prose(12)}\n", encoding="utf-8")
    for arguments in ([LOOP, prose(12)], ["--lines", "texts.txt"]):
        screen = at_terminal(columns, "score", *arguments)
        fits(screen, columns)
        assert len(screen.lines) == 5
        assert screen.lines[-1] == "1 of 2 texts low on every scale"


@pytest.mark.slow
@pytest.mark.parametrize("columns", WIDTHS)
def test_what_is_explained_fits_the_terminal(columns: int) -> None:
    copy("leak")
    fits(at_terminal(columns, "audit", "runs/leak", "--explain"), columns)


@pytest.mark.slow
@pytest.mark.parametrize("columns", WIDTHS)
def test_the_demo_tells_four_stories_and_writes_their_pages(columns: int) -> None:
    screen = at_terminal(columns, "demo", "--out", "pages")
    assert screen.status == 0
    for verdict in ("CONTINUE", "HALT", "PIVOT", "4 of 4: ", "go back to", "after the halt"):
        assert verdict in screen.words
    fits(Screen(0, "".join(f"{line}\n" for line in screen.lines if "file://" not in line)), columns)
    pages = sorted(Path("pages").iterdir())
    assert [page.name for page in pages] == ["healthy.html", "leak.html", "lr.html", "one-line.html"]
    assert [page.resolve().as_uri() in screen.lines for page in pages] == [True] * 4


@pytest.mark.slow
def test_an_audit_says_from_its_beginning_what_it_is_at() -> None:
    copy("leak")
    screen = at_terminal(80, "audit", "runs/leak")
    assert screen.raw.removeprefix("\x1b[?25l").startswith("looking for samples")
    assert "looking" not in screen.words  # it is gone in the end


def test_a_text_from_the_keyboard_is_asked_for_and_scored() -> None:
    screen = at_terminal(80, "score", typed=f"{LOOP}\n\x04")
    assert "reading standard input, end with Ctrl-D" in screen.words
    assert "repeats «The door was open.» 9 times" in screen.words


@pytest.mark.slow
def test_quiet_leaves_the_terminal_alone_but_for_errors() -> None:
    copy("leak")
    assert at_terminal(80, "audit", "runs/leak", "--quiet") == (1, "")
    assert at_terminal(80, "-q", "score", LOOP) == (0, "")
    assert "no such file" in at_terminal(80, "audit", "runs/laek", "-q").words


@pytest.mark.slow
@pytest.mark.parametrize(("option", "variable"), [("--no-color", ""), ("", "1")])
def test_colours_are_left_out_where_a_person_says_so(option: str, variable: str) -> None:
    copy("leak")
    assert COLOUR.search(at_terminal(80, "audit", "runs/leak").raw)
    for command in (["audit", "runs/leak"], ["score", LOOP]):
        screen = at_terminal(80, *filter(None, [option]), *command, NO_COLOR=variable)
        assert not COLOUR.search(screen.raw)
    assert "[The door was open." in screen.words  # marked in another way


def test_the_version_names_the_scorer_and_the_libraries_that_are_there() -> None:
    words = at_terminal(80, "--version").words
    assert re.match(r"coherence \d+\.\d+\.\d+ \((core in C|plain scorer)\) ", words)
    there, _, missing = words.partition("not installed")
    for name, extra in (("pyarrow", "parquet"), ("shtab", "completion")):
        if importlib.util.find_spec(name):
            assert re.search(rf"\b{name} \d", there)
        else:
            assert f"{name} (extra {extra})" in missing


def test_a_shell_completes_commands_options_and_files() -> None:
    pytest.importorskip("shtab")
    for shell in ("zsh", "tcsh", "bash"):
        script = at_terminal(200, "--print-completion", shell)
        assert script.status == 0
        assert all(name in script.words for name in [*COMMANDS, "threshold", "no-color"])
    assert "_coherence_audit_pos_0_COMPGEN=_shtab_compgen_files" in script.words


def test_completion_without_its_extra_names_the_extra() -> None:
    Path("shtab.py").write_text("raise ModuleNotFoundError('no shtab')", encoding="utf-8")
    screen = at_terminal(120, "--print-completion", "bash", PYTHONPATH=f".:{ROOT}")
    assert screen.status == 2
    assert (
        "completion needs shtab: pip install shtab, or in a clone pip install '.[completion]'; see"
        in screen.words
    )
    words = at_terminal(120, "--print-completion", "fish").words
    assert "no completion for 'fish'; expected one of bash, zsh, tcsh" in words


@pytest.mark.slow
def test_numbers_have_separators_and_one_thing_has_no_plural() -> None:
    rows = [{"step": 1000 * n, "text": LOOP} for n in range(1, 4)]
    Path("a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    words = at_terminal(120, "audit", "a.jsonl", "--patience", "3").words
    assert "3 samples in a row scored below 30 on every scale, from step 1,000 to step 3,000" in words
    Path("b.jsonl").write_text(json.dumps(rows[2]), encoding="utf-8")
    words = at_terminal(120, "audit", "b.jsonl", "--patience", "1").words
    assert "1 of 1 sample loops" in words
    assert "1 sample scored below 30 on every scale, at step 3,000" in words
    assert "1 sample, 0.2 KB" in words
    assert "1 token; " in at_terminal(80, "score", "Budy").words
