"""The evidence under the verdict: a good sample and those that halted the run; terms that are explained."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coherence import Gate, score
from coherence.show.page.evidence import Evidence, Witness

FINE = "The {} cat sat by the door and waited for the rain to stop, for it was late and the road was long."
LOW = "We went home. " * 40

Write = Callable[[list[tuple[str, str | None]]], Path]


@pytest.fixture
def write(tmp_path: Path, page_of: Callable[[Path, Path], Path]) -> Write:
    """Write the page of samples, each a text and its prompt, one a step of 10."""

    def page(samples: list[tuple[str, str | None]]) -> Path:
        rows = [
            {"step": 10 * n, "text": text, "prompt": prompt} for n, (text, prompt) in enumerate(samples, 1)
        ]
        (tmp_path / "dump.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        return page_of(tmp_path / "dump.jsonl", tmp_path / "page.html")

    return page


def fine(word: str, prompt: str | None = None) -> tuple[str, str | None]:
    return FINE.format(word), prompt


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_the_first_screen_shows_a_good_sample_and_the_first_that_halted_the_run(
    browser: Any, report: Path, width: int, dark: bool
) -> None:
    browser.resize(width, 900, dark=dark)
    browser.show(report)
    good, bad, *_ = browser.texts("#evidence .proof h3")
    assert good.startswith("At the step to go back to · step 500")
    assert bad.startswith("The first of the 5 that halted the run · step 600")
    tops = browser.run(
        "return [...document.querySelectorAll('#evidence .proof')].slice(0, 2)"
        ".map((each) => each.getBoundingClientRect().top)"
    )
    assert (tops[0] == tops[1]) == (width == 1440)
    assert tops[0] < 500
    assert browser.run("return document.documentElement.scrollWidth") == width


def test_the_scores_are_four_bars_with_their_numbers_and_the_loop_is_marked(
    browser: Any, report: Path
) -> None:
    browser.show(report)
    assert browser.texts("#evidence .proof:first-child .bars > span")[:4] == [
        "bigram",
        "trigram",
        "english",
        "character",
    ]
    sample = browser.run("return run.evidence.bad[0]")
    (bars,) = browser.run(
        "return [[...document.querySelectorAll('#evidence .pair > div > .proof .bars b')]"
        ".map((each) => each.textContent)]"
    )
    assert bars == [str(int(value)) for value in sample["scores"]]
    marked = browser.texts("#evidence .pair > div > .proof .excerpt mark")
    assert marked
    assert "read() system call" in sample["text"]


def test_the_others_of_the_streak_can_be_opened(browser: Any, report: Path) -> None:
    browser.show(report)
    assert len(browser.all("#evidence .more > details")) == 4
    browser.click("#evidence .more > details > summary")
    assert browser.one("#evidence .more .proof").is_displayed()
    steps = browser.run("return run.evidence.bad.map((each) => each.step)")
    assert steps == sorted(steps)
    assert steps[-1] == 700


def test_the_good_sample_is_of_the_same_prompt_if_there_is_one(browser: Any, write: Write) -> None:
    browser.show(write([fine("red", "A"), fine("old", "B"), *[(LOW, "A")] * 5]))
    assert browser.text("#evidence h2") == "A good sample and the samples that halted the run"
    browser.show(write([fine("red", "A"), fine("old", "A"), *[(LOW, "A")] * 5]))
    assert browser.text("#evidence h2").endswith("halted the run, same prompt")
    assert "step 20" in browser.texts("#evidence h3")[0]


def test_a_run_that_is_not_halted_shows_its_worst_sample(browser: Any, write: Write) -> None:
    browser.show(write([fine("red"), fine("old"), (LOW, None), fine("big"), fine("new"), fine("wet")]))
    assert browser.texts("#evidence h3")[1].startswith("The worst sample · step 30")


def test_without_a_good_sample_it_says_so(browser: Any, write: Write) -> None:
    browser.show(write([(LOW, None)] * 5))
    assert browser.text("#evidence h2") == "There was no good sample before the samples that halted the run"
    assert len(browser.all("#evidence .proof")) == 5


def test_a_healthy_run_has_one_line_and_no_evidence(browser: Any, page_of: Any, tmp_path: Path) -> None:
    rows = [{"step": n, "text": "The trains left late, so we read old books and drank tea."} for n in (1, 2)]
    (tmp_path / "dump.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    browser.show(page_of(tmp_path / "dump.jsonl", tmp_path / "page.html"))
    action = browser.text(".verdict .action")
    assert action == "✓ CONTINUE"
    assert browser.text("#evidence-place") == "✓ All 2 judged samples are fine."


def test_the_evidence_is_on_the_page_whatever_was_downsampled(browser: Any, write: Write) -> None:
    many = [fine(f"{n} th") for n in range(6000)]
    many[3000:3007] = [(LOW, None)] * 7
    browser.show(write(many))
    browser.wait("return run.samples.length > 1000")
    assert browser.run("return run.samples.length") < 5001
    proof = browser.run("return [run.evidence.good, ...run.evidence.bad].map(key)")
    assert set(proof) <= set(browser.run("return run.samples.map(key)"))
    assert proof[1:] == [f"{step}-0" for step in range(30010, 30060, 10)]
    steps = browser.run("return run.samples.map((each) => each.step)")
    assert steps == sorted(steps)


def test_numbers_that_are_steps_go_to_the_sample_of_that_step(browser: Any, report: Path) -> None:
    browser.show(report)
    links = browser.run(
        "return [...document.querySelectorAll('#facts a')].map((each) => [each.innerText, each.hash])"
    )
    assert links == [["700", "#sample-700-0"], ["step 500", "#sample-500-0"], ["step 250", "#sample-250-0"]]
    browser.click("#facts a")
    browser.wait("return document.activeElement.id === 'sample-700-0'")


TOOLTIPS = "return [...document.querySelectorAll('[role=tooltip]')].filter((each) => each.checkVisibility())"


def test_terms_are_explained_where_they_are_to_the_mouse_and_the_keyboard(browser: Any, report: Path) -> None:
    browser.show(report)
    assert {"low", "streak", "smoothed", "nats", "perplexity", "times better than uniform"} <= set(
        browser.texts(".term button")
    )
    assert browser.run(TOOLTIPS) == []
    browser.run("document.querySelector('#facts .term button').focus()")
    (shown,) = browser.run(TOOLTIPS)
    assert shown.text.startswith("A sample is low when every score")
    assert browser.run(
        "return document.activeElement.getAttribute('aria-describedby')"
    ) == shown.get_attribute("id")
    browser.command("Input.dispatchKeyEvent", type="keyDown", key="Escape", code="Escape")
    assert browser.run(TOOLTIPS) == []
    from selenium.webdriver import ActionChains

    ActionChains(browser.driver).move_to_element(browser.all("#facts .term button")[1]).perform()
    assert len(browser.run(TOOLTIPS)) == 1


def test_a_tooltip_is_never_wider_than_the_page(browser: Any, report: Path) -> None:
    browser.resize(390)
    browser.show(report)
    for place in range(len(browser.all(".term button"))):
        browser.run("document.querySelectorAll('.term button')[arguments[0]].focus()", place)
        assert browser.run("return document.documentElement.scrollWidth") == 390


def test_what_is_open_and_in_focus_stays_so_when_a_live_page_reads_on(
    browser: Any, tmp_path: Path, serve: Callable[..., str]
) -> None:
    folder = tmp_path / "exp7"
    folder.mkdir()
    samples = folder / "samples.jsonl"

    def append(step: int, text: str) -> None:
        row = {"format": 1, "step": step, "index": 0, "prompt": None, "text": text, "time": 1000.0 + step}
        scores = dict.fromkeys(("bigram", "trigram", "english", "character"), 5.0 if text == LOW else 80.0)
        with samples.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row | {"scores": scores, "low": text == LOW, "streak": 0}) + "\n")

    for step in range(1, 9):
        append(step, LOW if step > 3 else FINE)
    browser.open(serve(folder))
    browser.wait("return document.querySelectorAll('#evidence .more > details').length === 4")
    browser.click("#evidence .more > details > summary")
    browser.run("document.querySelector('#facts a').focus()")
    append(9, LOW)
    browser.run("poll()")
    browser.wait("return run.samples.length === 9")
    assert browser.run("return document.querySelector('#evidence .more > details').open")
    assert browser.run("return document.activeElement.matches('#facts a')")
    assert browser.errors() == []


def test_of_a_text_that_is_not_english_no_word_is_marked_and_phrases_are_as_written(
    browser: Any, write: Write
) -> None:
    browser.show(write([("我们回家。" * 20, None)] * 5))
    assert "repeats «我们回家。» 20 times" in browser.text("#evidence .hint")
    assert "not English: words are not marked" in browser.texts("#rows .hint")
    assert browser.all("#rows .odd") == []


def witnessed(gate: Gate, witness: Witness[int], texts: dict[int, str]) -> None:
    """Put texts to a gate by their steps, and show the witness its verdicts; a sample is its step."""
    for step, text in texts.items():
        scores = score(text)
        witness.see(step, None, (step, 0), gate.update(scores, step), scores.mean)


def test_after_a_restart_a_low_sample_before_it_is_the_worst() -> None:
    witness: Witness[int] = Witness()
    witnessed(Gate(), witness, {1: FINE, 2: "so it is good, so it is bad. " * 20, 5: "so " * 90})
    assert witness.evidence(halted=False) == Evidence(1, (5,))
    witness.keep(lambda step: step < 5)
    assert witness.evidence(halted=False) == Evidence(1, (2,))


def test_a_second_halt_has_evidence_of_its_own() -> None:
    gate, witness = Gate(patience=1), Witness[int]()
    witnessed(gate, witness, {1: FINE, 2: LOW})
    gate.reset()
    witnessed(gate, witness, {3: LOW})
    assert witness.evidence(halted=True) == Evidence(1, (3,))
