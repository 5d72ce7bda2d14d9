"""The page of several runs, in a real browser: what `coherence audit FOLDER_OF_RUNS --html` writes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from places import RUNS as FIXTURES

from coherence.audit.conduct import audit_dump
from coherence.audit.plan import Request, prepare
from coherence.audit.runners import here
from coherence.report import Ranking
from coherence.show.page import several
from coherence.show.page.several import Several

HALTED = ["one-line", "leak", "leak-characters"]
RANKED = ["healthy", "lr", *HALTED]
FINE = "The old man walked along the river until evening and thought about the letter number {} she sent."
LOOP = "The door was open. " * 9


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory, page_of: Callable[[Path, Path], Path]) -> Path:
    """The page of the fixture runs."""
    return page_of(FIXTURES, tmp_path_factory.mktemp("page") / "runs.html")


def write_runs(folder: Path, *names: str, samples: int = 8) -> Path:
    """Runs of which every second one loops in the end."""
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        rows = [
            {"step": 10 * n, "text": LOOP if number % 2 and n > 1 else FINE.format(n), "loss": 5 - n / 9}
            for n in range(samples)
        ]
        lines = "".join(f"{json.dumps(row)}\n" for row in rows)
        (folder / name / "samples.jsonl").write_text(lines, encoding="utf-8")
    return folder


def show(browser: Any, page: Path) -> None:
    browser.open(page.as_uri())
    browser.wait("return !!document.querySelector('#run-curves svg')")


def test_the_page_of_several_runs_has_a_title_of_its_own_and_says_how_many_halt(
    browser: Any, runs: Path
) -> None:
    show(browser, runs)
    assert browser.run("return document.title") == "■ 3 of 5 runs halt · runs · coherence"
    assert browser.text("h1").lower() == "■ 3 of 5 runs halt"
    assert all(name in browser.text(".verdict") for name in HALTED)
    assert browser.text(".run") == "runs"
    assert browser.errors() == []
    assert browser.requests() == []


def test_each_run_has_a_row_in_the_order_of_the_ranking(browser: Any, runs: Path) -> None:
    show(browser, runs)
    assert browser.texts(".ranking tbody th a") == RANKED
    row = "document.querySelectorAll('.ranking tbody tr')[2]"
    cells = browser.run(f"return [...{row}.querySelectorAll('td')].map((each) => each.innerText.trim())")
    assert cells == ["■ HALT\nat step 700", "0.013", "2", "2", "2", "3", "2", "15 of 36", "step 500"]
    labels = browser.run(f"return [...{row}.querySelectorAll('svg')].map((each) => each.ariaLabel)")
    assert [label.split(":")[0] for label in labels] == ["smoothed loss", "mean score"]


def test_a_row_leads_to_the_section_of_its_run_with_its_evidence(browser: Any, runs: Path) -> None:
    show(browser, runs)
    browser.click(".ranking tbody tr:nth-child(4) a")
    assert browser.run("return document.querySelector(':target h2 bdi').innerText") == "leak"
    facts = dict(zip(browser.texts(":target .facts dt"), browser.texts(":target .facts strong"), strict=True))
    assert facts["halt step"] == "550"
    assert facts["go back to"] == "step 50"
    assert browser.texts(":target h3")[1] == "the sample that halted it, step 550"
    assert browser.all(":target mark")
    assert len(browser.all(":target figure svg")) == 2


def test_the_curves_of_all_runs_are_in_one_figure_that_shows_loss_or_mean_score(
    browser: Any, runs: Path
) -> None:
    show(browser, runs)
    label = "return document.querySelector('#run-curves svg').ariaLabel"
    assert browser.run(label) == "smoothed loss of 5 runs over the steps"
    assert len(browser.all("#run-curves .curve")) == 5
    assert len(browser.all("#run-curves .halted")) == 3
    browser.button("mean score")
    assert browser.run(label) == "mean score of 5 runs over the steps"
    names = "return [...document.querySelectorAll('#run-curves text[data-run]')].map((e) => e.textContent)"
    assert sorted(browser.run(names)) == sorted(
        name if len(name) <= 12 else f"{name[:12]}…" for name in RANKED
    )


def test_two_runs_are_compared_with_their_differences(browser: Any, runs: Path) -> None:
    show(browser, runs)
    assert browser.texts("#two thead th") == ["", "healthy", "leak-characters", "difference"]
    browser.run(
        "const chosen = document.getElementById('compared-1'); chosen.value = '1';"
        "chosen.dispatchEvent(new Event('change'))"
    )
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in browser.texts("#two tbody tr")}
    assert rows["bigram"] == ["98", "97", "−1 worse"]
    assert rows["low samples, %"] == ["0", "4", "+4 worse"]
    assert rows["smoothed loss"] == ["3.66", "5.75", "+2.09 worse"]
    assert rows["halt step"] == ["–", "–", ""]


def test_the_loss_of_a_run_that_halts_is_not_called_better(browser: Any, runs: Path) -> None:
    show(browser, runs)
    (loss,) = [line for line in browser.texts("#two tbody tr") if line.startswith("smoothed loss")]
    assert loss.split("\t")[1:] == ["3.66", "0.0049", "−3.65"]


@pytest.mark.slow
def test_the_page_of_several_runs_carries_no_chart_library_and_no_table_of_samples(runs: Path) -> None:
    page = runs.read_text(encoding="utf-8")
    assert 'id="packed-charts"' not in page
    assert 'id="packed-samples"' not in page
    assert "function pollRun" not in page
    assert len(page) < 100_000


def test_the_icon_of_the_page_has_the_colour_of_the_gravest_verdict(
    browser: Any, runs: Path, tmp_path: Path, page_of: Callable[[Path, Path], Path]
) -> None:
    icon = "return decodeURIComponent(document.querySelector('link[rel=icon]').href)"
    show(browser, runs)
    assert 'fill="#c01826"' in browser.run(icon)
    show(browser, page_of(write_runs(tmp_path / "two", "a", "c", samples=1), tmp_path / "two.html"))
    assert 'fill="#0a6b3d"' in browser.run(icon)
    assert browser.run("return document.title").startswith("✓ both runs continue")


def test_names_of_runs_that_are_markup_are_shown_as_text(
    browser: Any, tmp_path: Path, page_of: Callable[[Path, Path], Path]
) -> None:
    names = ["<img src=x onerror=window.ran=1>", '"><script>window.ran = 1<', "\u202eback", "${name} $script"]
    show(browser, page_of(write_runs(tmp_path / "<b>runs<", *names), tmp_path / "runs.html"))
    browser.button("mean score")
    assert browser.run("return window.ran") is None
    assert browser.errors() == []
    assert not browser.all("#page img, #page script, #page b > b")
    shown = browser.run("return document.getElementById('page').textContent + document.title")
    assert names[0] in shown
    assert names[1] in shown
    assert "\u202e" not in shown
    assert browser.text(".run") == "<b>runs<"
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")


def test_on_paper_no_column_is_cut(browser: Any, runs: Path) -> None:
    browser.resize(700)
    show(browser, runs)
    browser.command("Emulation.setEmulatedMedia", media="print")
    all_of = "return [...document.querySelectorAll(arguments[0])]"
    inside = f"{all_of}.filter((each) => each[arguments[1]] > each[arguments[2]] + 1)"
    assert browser.run(f"{inside}.length", ".wide", "scrollWidth", "clientWidth") == 0
    assert browser.run(f"{inside}.length", ".scroll", "scrollHeight", "clientHeight") == 0
    browser.command("Emulation.setEmulatedMedia", media="")


@pytest.mark.parametrize("width", [1440, 390])
def test_runs_of_one_sample_and_thirty_runs_fit_the_window(
    browser: Any, tmp_path: Path, page_of: Callable[[Path, Path], Path], width: int
) -> None:
    browser.resize(width)
    for count, samples in ((2, 1), (30, 6)):
        names = [f"run-{number:02}" for number in range(count)]
        folder = write_runs(tmp_path / str(count), *names, samples=samples)
        show(browser, page_of(folder, tmp_path / "runs.html"))
        assert len(browser.all(".ranking tbody tr")) == len(browser.all(".one-run")) == count
        assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
        assert browser.errors() == []


def test_of_very_many_runs_the_first_and_the_last_of_the_ranking_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(several, "MOST_RUNS", 4)
    request = Request([str(write_runs(tmp_path, *"abcdefg"))])
    seen = Several()
    found, dump = audit_dump(request, prepare(request), here, lambda _output: None, (), seen.see_run)
    assert isinstance(found, Ranking)
    ranked = [line.run for line in found.runs]
    assert [run["run"] for run in seen.shown(found, dump.texts)] == [*ranked[:2], *ranked[-2:]]


@pytest.mark.slow
def test_a_curve_of_a_long_run_has_few_points(tmp_path: Path) -> None:
    request = Request([str(write_runs(tmp_path, "a", "b", samples=1000))])
    seen = Several()
    found, dump = audit_dump(request, prepare(request), here, lambda _output: None, (), seen.see_run)
    assert isinstance(found, Ranking)
    for run in seen.shown(found, dump.texts):
        assert 100 <= len(run["mean"]["steps"]) <= several.MOST_POINTS
        assert len(run["loss"]["steps"]) <= several.MOST_POINTS
