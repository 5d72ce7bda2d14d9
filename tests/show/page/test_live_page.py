"""The page of `coherence serve`, while a real monitor writes in another process."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

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
    assert browser.run("return document.title").startswith("halt")


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
