"""The page of `coherence serve`, while a real monitor writes in another process."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from coherence import Gate
from coherence.run.monitor import Monitor
from coherence.show.page import dump
from coherence.show.page.server import Server

FINE = "The old man walked along the river until evening and thought about the letter number {} she sent."
LOOP = "The door was open. " * 9

WRITER = """
import sys
from coherence import Gate
from coherence.run.monitor import Monitor

LOOP = "The door was open. " * 9
FINE = "The old man walked along the river until evening and thought about the letter she had sent {}."
monitor = Monitor(sys.argv[1], vocab_size=1000, gate=Gate(patience=3, observe_only=True))
print("ready", flush=True)
for line in sys.stdin:
    what, start, end = line.split()
    for step in range(int(start), int(end)):
        monitor.loss(step, 6.0 - step / 1000, source="books")
        if step % 10 == 0:
            monitor.sample(step, FINE.format(step) if what == "fine" else LOOP, prompts="So")
    print("written", flush=True)
monitor.close()
"""


ICON = "return decodeURIComponent(document.querySelector('link[rel=icon]').href)"


class Writer:
    """A training run in a process of its own, that goes on when it is told to."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-c", WRITER, str(folder)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ours
        self._answer()

    def _answer(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline()

    def write(self, what: str, start: int, end: int) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{what} {start} {end}\n")
        self.process.stdin.flush()
        self._answer()

    def stop(self) -> None:
        self.process.communicate()


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    made = Writer(tmp_path / "exp7")
    yield made
    if made.process.poll() is None:
        made.stop()


def poll(browser: Any) -> None:
    """Poll now, not in ten seconds, until there is no more to be told."""
    browser.driver.execute_async_script("const done = arguments[0]; poll().then(done)")


def test_a_run_appears_within_two_polls_of_ten_seconds(
    browser: Any, tmp_path: Path, serve: Callable[..., str], writer: Writer
) -> None:
    address = serve(tmp_path)
    browser.open(address)
    browser.wait("return document.querySelector('[role=status]')")
    asked = browser.requests()
    for start, end, samples in ((0, 55, 6), (55, 105, 11)):
        writer.write("fine", start, end)
        asked += browser.requests()
        browser.wait(f"return run && run.samples.length === {samples}")
        asked += (since := browser.requests())
        assert sum(url.endswith("/runs.json") for url in since) <= 2
    assert browser.run("return run.loss.curve.steps.length") == 105
    assert browser.text("#fresh").startswith("updated ")
    assert browser.errors() == []
    assert all(url.startswith(address) for url in [*asked, *browser.requests()])


def test_a_halt_shows(browser: Any, tmp_path: Path, serve: Callable[..., str], writer: Writer) -> None:
    writer.write("fine", 0, 50)
    browser.open(serve(tmp_path / "exp7"))
    browser.wait("return run && run.samples.length === 5")
    assert "halt" not in browser.text(".verdict .action").lower()
    writer.write("loop", 50, 100)
    poll(browser)
    assert browser.texts(".verdict .action") == ["■ HALT"]
    facts = dict(zip(browser.texts(".facts dt"), browser.texts(".facts strong"), strict=True))
    assert facts["halt step"] == "70"
    assert facts["go back to"] == "step 40"
    assert "halt" in browser.run(
        "return [...document.querySelectorAll('#chart .uprights text')].map((e) => e.textContent)"
    )
    assert browser.run("return document.title") == "■ halt · exp7 · coherence"
    assert 'fill="#c01826"' in browser.run(ICON)


def test_a_run_that_went_quiet_is_called_stale_and_one_that_goes_on_is_not(
    browser: Any, tmp_path: Path, serve: Callable[..., str], writer: Writer
) -> None:
    writer.write("fine", 0, 20)
    browser.open(serve(tmp_path))
    browser.wait("return run")
    for file in (tmp_path / "exp7").iterdir():
        os.utime(file, (time.time() - 600, time.time() - 600))
    poll(browser)
    assert browser.text("#fresh") == "stale: nothing written for 10 minutes"
    assert browser.one("#fresh .stale").is_displayed()
    writer.write("fine", 20, 40)
    poll(browser)
    assert browser.text("#fresh").startswith("updated ")


def test_the_page_survives_a_restart_of_the_server(
    browser: Any, tmp_path: Path, writer: Writer, serving: Callable[..., AbstractContextManager[str]]
) -> None:
    writer.write("fine", 0, 30)
    with serving(tmp_path, "--port", "0") as address:
        browser.open(address)
        browser.wait("return run && run.samples.length === 3")
    poll(browser)
    assert "no answer from the server" in browser.text("#fresh")
    writer.write("fine", 30, 60)
    port = address.rstrip("/").rpartition(":")[2]
    with serving(tmp_path, "--port", port):
        poll(browser)
        assert browser.text("#fresh").startswith("updated ")
        assert browser.run("return run.samples.map((sample) => sample.step)") == [0, 10, 20, 30, 40, 50]


def test_the_page_survives_a_restart_of_the_run(
    browser: Any, tmp_path: Path, serve: Callable[..., str], writer: Writer
) -> None:
    writer.write("fine", 0, 60)
    browser.open(serve(tmp_path))
    browser.wait("return run && run.samples.length === 6")
    writer.stop()
    again = Writer(tmp_path / "exp7")
    again.write("fine", 20, 40)
    poll(browser)
    assert browser.run("return run.samples.map((sample) => sample.step)") == [0, 10, 20, 30]
    assert browser.run("return run.restarts") == [20]
    again.stop()


def test_what_one_looks_at_stays_while_the_run_goes_on(
    browser: Any, tmp_path: Path, serve: Callable[..., str], writer: Writer
) -> None:
    writer.write("loop", 0, 30)
    browser.open(serve(tmp_path))
    browser.wait("return run && run.samples.length === 3 && !!document.querySelector('#chart svg')")
    browser.click("#only-low")
    browser.one("#words").send_keys("door")
    browser.click("#rows button[data-sort=streak]")
    browser.click(".legend input")
    browser.button("zoom in")
    zoomed = browser.run("return look.range")
    assert zoomed[0] > 1
    writer.write("loop", 30, 60)
    poll(browser)
    assert len(browser.all("#rows tbody")) == 6
    assert browser.one("#only-low").is_selected()
    assert browser.one("#words").get_attribute("value") == "door"
    assert browser.one("#rows th:nth-child(6)").get_attribute("aria-sort") == "ascending"
    assert not browser.one(".legend input").is_selected()
    assert browser.run("return look.range") == zoomed


def test_the_chosen_run_is_in_the_address_and_survives_a_reload(browser: Any, served: str) -> None:
    browser.open(served)
    browser.wait("return document.querySelectorAll('.cards button').length === 5")
    browser.run("document.querySelector('.cards li:nth-child(4) button').click()")
    browser.wait("return run.name === 'lr'")
    assert browser.run("return location.search") == "?run=lr"
    browser.driver.refresh()
    browser.wait("return typeof run !== 'undefined' && run && run.name === 'lr'")
    browser.open(f"{served}?run=gone")
    browser.wait("return typeof run !== 'undefined' && run && run.name === 'healthy'")
    assert browser.errors() == []


def write_run(folder: Path, name: str, samples: int, looping: bool, observe: bool = False) -> Path:
    gate = Gate(patience=3, observe_only=observe)
    with Monitor(folder / name, vocab_size=1000, gate=gate) as monitor:
        for step in range(0, 10 * samples, 10):
            monitor.loss(step, 6.0 - step / 1000)
            monitor.sample(step, LOOP if looping and step > 20 else FINE.format(step), prompts="So")
    return folder / name


def age(folder: Path, seconds: float) -> None:
    for file in folder.iterdir():
        os.utime(file, (time.time() - seconds, time.time() - seconds))


def test_a_run_that_halted_is_not_called_stale(
    browser: Any, tmp_path: Path, serve: Callable[..., str]
) -> None:
    age(write_run(tmp_path, "halted", 8, looping=True), 600)
    age(write_run(tmp_path, "quiet", 8, looping=False), 600)
    browser.open(serve(tmp_path))
    browser.wait("return document.querySelectorAll('.cards button').length === 2")
    assert browser.text("#fresh") == "halted, ended 10 minutes ago"
    cards = browser.texts(".cards button")
    assert cards[0].endswith("halted, ended 10 minutes ago")
    assert cards[1].endswith("stale: nothing written for 10 minutes")
    browser.run("document.querySelector('.cards li:nth-child(2) button').click()")
    browser.wait("return run.name === 'quiet'")
    assert browser.text("#fresh") == "stale: nothing written for 10 minutes"


def test_the_title_names_a_run_that_halts_whichever_is_looked_at(
    browser: Any, tmp_path: Path, serve: Callable[..., str]
) -> None:
    write_run(tmp_path, "a fine one", 8, looping=False)
    browser.open(serve(tmp_path))
    browser.wait("return typeof run !== 'undefined' && run")
    assert browser.wait("return document.title").endswith(" · a fine one · coherence")
    assert "c01826" not in browser.run(ICON)
    write_run(tmp_path, "<b>looping<b>", 8, looping=True)
    poll(browser)
    assert browser.run("return run.name") == "a fine one"
    assert browser.run("return document.title") == "■ halt · <b>looping<b> · coherence"
    assert 'fill="#c01826"' in browser.run(ICON)
    write_run(tmp_path, "third", 8, looping=True)
    poll(browser)
    assert browser.run("return document.title") == "■ halt · <b>looping<b> and 1 more · coherence"
    assert not browser.all("#page b > b, #runs b b")


def test_a_card_says_what_was_read_of_a_run_that_has_no_status(
    browser: Any, tmp_path: Path, serve: Callable[..., str]
) -> None:
    for name in ("one", "two"):
        (write_run(tmp_path, name, 8, looping=name == "two") / "loss.json").unlink()
    browser.open(serve(tmp_path))
    browser.wait("return document.querySelectorAll('.cards button').length === 2")
    first, second = browser.texts(".cards button")
    assert "reads well" in first or "a fine start" in first, first
    assert second.startswith("■ HALT\ntwo\n")


def test_while_it_catches_up_it_says_how_much_was_read_and_the_verdict_is_marked(
    browser: Any, tmp_path: Path, serve: Callable[..., str]
) -> None:
    write_run(tmp_path, "a small one", 8, looping=False)
    long = write_run(tmp_path, "long", 8, looping=False)
    rows = ({"format": 1, "step": 80 + n, "loss": 3.0, "time": 2e9 + n} for n in range(60_000))
    with (long / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(row)}\n" for row in rows)
    browser.open(serve(tmp_path))
    browser.wait("return typeof run !== 'undefined' && run && document.querySelector('.cards button')")
    browser.run(
        "window.seen = []; const words = (css) => document.querySelector(css).innerText;"
        "new MutationObserver(() => window.seen.push([run.name, words('#fresh'), words('.verdict h1')]))"
        "  .observe(main, { childList: true, subtree: true });"
        "select('long')"
    )
    browser.wait("return run.name === 'long' && !run.reading")
    seen = browser.wait("return window.seen.filter(([name]) => name === 'long')")
    reading = [(fresh, verdict) for _, fresh, verdict in seen if fresh.startswith("reading: ")]
    assert reading
    assert all(re.fullmatch(r"reading: \d+ % of \d\.\d MB", fresh) for fresh, _ in reading)
    assert re.search(r" · so far: \d+ % of \d\.\d MB read$", reading[0][1])
    poll(browser)
    assert "so far" not in browser.text(".verdict h1")
    assert browser.text("#fresh").startswith("updated ")


def test_a_notification_comes_once_a_halt_if_the_person_asks_for_it(
    browser: Any, tmp_path: Path, serve: Callable[..., str]
) -> None:
    write_run(tmp_path, "fine", 8, looping=False)
    write_run(tmp_path, "halted before", 8, looping=True)
    address = serve(tmp_path)
    browser.command("Browser.grantPermissions", origin=address, permissions=["notifications"])
    browser.open(address)
    browser.wait("return document.querySelector('#notify button')")
    browser.run(
        "window.sent = []; const Real = Notification; window.Notification = class extends Real {"
        "  constructor(...given) { super(...given); window.sent.push(given); } }"
    )
    write_run(tmp_path, "not asked for", 8, looping=True)
    poll(browser)
    assert browser.run("return window.sent") == []
    browser.button("tell me when a run halts")
    browser.wait("return document.querySelector('#notify [aria-pressed=true]')")
    write_run(tmp_path, "<b>looping<b>", 8, looping=True)
    poll(browser)
    poll(browser)
    ((title, options),) = browser.run("return window.sent")
    assert title == "■ halt: <b>looping<b>"
    assert options["body"].endswith(", step 70")
    browser.click("#notify button")
    write_run(tmp_path, "later", 8, looping=True)
    poll(browser)
    assert len(browser.run("return window.sent")) == 1
    assert browser.errors() == []


def test_without_run_folders_it_says_what_the_folder_holds_and_shows_what_comes(
    browser: Any, tmp_path: Path, serve: Callable[..., str]
) -> None:
    for name in ("a.png", "b.png", "c.jpg", "d.json", "e.json"):
        (tmp_path / name).write_bytes(b"{}")
    browser.open(serve(tmp_path))
    words = "no run here yet: this folder holds 3 images, 2 JSON files"
    browser.wait("return document.querySelector('[role=status]')?.innerText === arguments[0]", words)
    assert "coherence audit FOLDER --explain" in browser.text("main")
    write_run(tmp_path, "exp7", 8, looping=False)
    poll(browser)
    assert browser.run("return run.name") == "exp7"


@pytest.mark.parametrize("several", [False, True])
def test_a_dump_is_served_as_its_report_which_is_read_again_when_it_changes(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, several: bool
) -> None:
    monkeypatch.setattr(dump, "REST", 0.0)
    for name in ("a", "b")[: 1 + several]:
        (tmp_path / "dumps" / name).mkdir(parents=True)
        write_dump(tmp_path / "dumps" / name / "samples.jsonl", 6)
    with Server(tmp_path / "dumps") as server:
        Thread(target=server.serve_forever, daemon=True).start()
        browser.open(f"http://127.0.0.1:{server.server_address[1]}/")
        browser.wait("return document.querySelector('.verdict') && shownTag")
        assert browser.run("return document.title").startswith("◔ both runs" if several else "◔ watch")
        browser.run("scrollTo(0, 300)")
        write_dump(tmp_path / "dumps" / "a" / "samples.jsonl", 20)
        # It rests between two audits, so once may be too early.
        browser.wait("askForNewer(); return document.querySelector('.newer')")
        browser.button("show what is new")
        browser.wait("return document.title.startsWith('■')")
        assert browser.errors() == []
        server.shutdown()


def write_dump(path: Path, samples: int) -> None:
    texts = [LOOP if step > 8 else FINE.format(step) for step in range(samples)]
    rows = [{"step": step, "text": text, "loss": 5 - step / 9} for step, text in enumerate(texts)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def test_several_runs_stand_side_by_side_and_one_is_looked_at(browser: Any, served: str) -> None:
    browser.open(served)
    browser.wait("return document.querySelectorAll('.cards button').length === 5")
    assert [words.split("\n")[0] for words in browser.texts(".cards button")] == [
        "✓ CONTINUE", "■ HALT", "■ HALT", "↷ PIVOT", "■ HALT",
    ]  # fmt: skip
    browser.run("const card = document.querySelectorAll('.cards button')[4]; card.focus(); card.click()")
    browser.wait("return run.name === 'one-line' && run.samples.length === 36")
    assert browser.texts(".verdict h1") == ["the loss is misleading · 15 of 36 samples loop"]
    assert "one-line" in browser.run("return document.activeElement.innerText")
    assert browser.errors() == []
