"""One prompt over the steps: the ribbon, the slider, two samples compared."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FINE = "The old cat sat by the door and waited for the rain to stop, for it was late and the road was long."
LOW = "We went home. " * 40


@pytest.fixture
def write(tmp_path: Path, page_of: Callable[[Path, Path], Path]) -> Callable[[list[dict[str, Any]]], Path]:
    def page(rows: list[dict[str, Any]]) -> Path:
        (tmp_path / "dump.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        return page_of(tmp_path / "dump.jsonl", tmp_path / "page.html")

    return page


def rows(prompts: str, steps: int = 6) -> list[dict[str, Any]]:
    """Return a sample of each prompt at each step; those of A loop from the fifth step on."""
    return [
        {"step": 10 * step, "text": LOW if prompt == "A" and step >= 5 else FINE, "prompt": f"{prompt}: "}
        for step in range(1, steps + 1)
        for prompt in prompts
    ]


def keys(browser: Any, *pressed: str) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.one("#moment").send_keys(*(getattr(Keys, name) for name in pressed))


def test_a_prompt_is_chosen_and_its_samples_are_gone_through_from_the_keyboard(
    browser: Any, write: Any
) -> None:
    browser.show(write(rows("AB")))
    assert browser.texts("#prompt option") == ["1. A: · 6 steps", "2. B: · 6 steps"]
    assert browser.text("#moment-words") == "step 60, 6 of 6"
    assert "repeats «We went home.»" in browser.text("#moments")
    assert browser.texts("#moments .excerpt mark")
    keys(browser, "ARROW_LEFT", "ARROW_LEFT")
    assert browser.text("#moment-words") == "step 40, 4 of 6"
    assert browser.one("#moment").get_attribute("aria-valuetext") == "step 40, 4 of 6"
    assert FINE in browser.text("#moments")
    keys(browser, "HOME")
    assert browser.text("#moments h3").startswith("Shown · step 10")
    browser.run(
        "const each = document.getElementById('prompt'); each.selectedIndex = 1;"
        "each.dispatchEvent(new Event('change'))"
    )
    assert browser.text("#moments .prompt").strip() == "prompt B:"


def test_the_ribbon_has_a_cell_a_step_and_is_red_as_far_as_a_sample_loops(browser: Any, write: Any) -> None:
    browser.show(write(rows("A")))
    cells = (
        "return [...document.querySelectorAll(arguments[0])]"
        ".map((each) => (each.getAttribute('d').match(/M/g) ?? []).length)"
    )
    assert sum(browser.run(cells, "#ribbon [class^=shade]")) == 6
    assert browser.run(cells, "#ribbon .again") == [2]
    assert browser.run(cells, "#ribbon .shade0") == [2]
    left, top, width = browser.run(
        "const box = document.getElementById('ribbon').getBoundingClientRect();"
        "document.getElementById('ribbon').scrollIntoView({ block: 'center' });"
        "const { left, top, width } = document.getElementById('ribbon').getBoundingClientRect();"
        "return [left, top, width]"
    )
    from selenium.webdriver import ActionChains

    actions = ActionChains(browser.driver)
    actions.w3c_actions.pointer_action.move_to_location(int(left + width * 1.5 / 6), int(top + 10)).click()
    actions.perform()
    assert browser.text("#moment-words") == "step 20, 2 of 6"


def test_a_pinned_sample_stays_on_the_left_and_is_compared_with_the_one_on_show(
    browser: Any, write: Any
) -> None:
    browser.show(write(rows("A")))
    browser.click("#pin")
    keys(browser, "HOME")
    assert [words.split(" #")[0] for words in browser.texts("#moments h3")] == [
        "Pinned · step 60",
        "Shown · step 10",
    ]
    lefts = browser.run(
        "return [...document.querySelectorAll('#moments .proof')].map((e) => e.getBoundingClientRect().left)"
    )
    assert lefts[0] < lefts[1]
    pinned, shown = (
        browser.run(f"return run.samples.find((each) => each.step === {step}).scores") for step in (60, 10)
    )
    changes = browser.texts("#moments .compared > span:nth-child(4n)")
    assert changes == [f"+{int(after - before)}" for before, after in zip(pinned, shown, strict=True)]
    browser.click("#pin")
    assert len(browser.all("#moments .proof")) == 1


def test_without_prompts_it_is_the_first_sample_of_each_step(browser: Any, write: Any) -> None:
    browser.show(write([{"step": step, "text": FINE} for step in (1, 1, 2, 2, 3)]))
    assert browser.texts("#prompt option") == ["the first sample of each step"]
    assert browser.text("#moment-words") == "step 3, 3 of 3"


def test_where_no_prompt_has_samples_at_two_steps_it_is_left_out(browser: Any, write: Any) -> None:
    for samples in (
        [{"step": 1, "text": FINE}],
        [{"step": step, "text": FINE, "prompt": f"prompt {step}: "} for step in range(5)],
    ):
        browser.show(write(samples))
        assert browser.all("#prompts") == []
        assert browser.errors() == []


def test_prompts_that_begin_alike_are_kept_apart_however_little_is_shown(browser: Any, write: Any) -> None:
    system = "You are a helpful assistant. " * 800
    samples = [
        {"step": step, "text": FINE, "prompt": f"{system}{which}"} for step in (1, 2) for which in "AB"
    ]
    browser.show(write(samples))
    assert len(browser.texts("#prompt option")) == 2


def test_the_place_and_the_pin_stay_when_the_page_is_drawn_again(browser: Any, write: Any) -> None:
    browser.show(write(rows("A")))
    browser.click("#pin")
    keys(browser, "HOME")
    browser.run("redraw(true)")
    assert browser.text("#moment-words") == "step 10, 1 of 6"
    assert browser.texts("#moments h3")[0].startswith("Pinned · step 60")
    assert browser.run("return document.activeElement.id") == "moment"


@pytest.mark.parametrize("width", [1440, 390])
def test_it_fits_the_page(browser: Any, write: Any, width: int) -> None:
    browser.resize(width, dark=True)
    browser.show(write([each | {"prompt": each["prompt"] + "word " * 100} for each in rows("AB", 12)]))
    browser.click("#pin")
    assert browser.run("return document.documentElement.scrollWidth") == width
