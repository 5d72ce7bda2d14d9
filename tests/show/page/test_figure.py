"""The figure of the page: what it draws, how it is looked at, and as a file. In a real browser."""

import json
import random
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any
from xml.etree import ElementTree

import pytest

from coherence.run.monitor import Monitor

TEXT = "the old man walked along a river until evening and thought about some letter she had sent him"
WORDS = TEXT.split()
LOOP = "so it is good " * 12

PageOf = Callable[[Path, Path], Path]
Write = Callable[..., Path]


def fine(number: int) -> str:
    """A text of which no two are alike."""
    order = random.Random(number)  # noqa: S311 - no secret
    return " ".join(order.choices(WORDS, k=12)) + f" {number} " + " ".join(order.sample(WORDS, 12))


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory, page_of: PageOf) -> Write:
    """Write the page of a run of the given samples and losses."""

    def write(
        samples: list[dict[str, Any]], losses: list[dict[str, Any]] | None = None, name: str = "run"
    ) -> Path:
        folder = tmp_path_factory.mktemp("figure") / name
        folder.mkdir()
        for file, rows in (("samples.jsonl", samples), ("metrics.jsonl", losses or [])):
            if rows:
                (folder / file).write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        return page_of(folder, folder / "report.html")

    return write


@pytest.fixture(scope="session")
def long(page: Write) -> Path:
    """A run of 3,000 samples and 9,000 losses that loops at its end."""
    samples = [{"step": 3 * n, "text": fine(n) if n < 2500 or n % 9 == 0 else LOOP} for n in range(3000)]
    noise = random.Random(1)  # noqa: S311 - no secret
    losses = [{"step": n, "loss": 3 - n / 9000 + noise.random()} for n in range(9000)]
    return page(samples, losses)


def monitored(folder: Path, events: dict[int, str]) -> Path:
    """A run of 50 steps that halts at 34, as a monitor writes it, with something done to it at some steps."""
    with Monitor(folder, vocab_size=100) as monitor:
        for step in range(50):
            monitor.loss(step, 3.0 - step / 50)
            monitor.sample(step, fine(step) if step < 30 else LOOP)
            if step in events:
                monitor.note(events[step], step)
    return folder


def words(browser: Any, css: str) -> list[str]:
    """What elements of the figure say; SVG has no inner text."""
    return list(
        browser.run(
            "return [...document.querySelectorAll(arguments[0])].map((each) => each.textContent)", css
        )
    )


def bottom(browser: Any) -> list[str]:
    return words(browser, "#chart .axis .tick")


def aim(browser: Any, step: float) -> tuple[int, int]:
    """Where a step is on the screen, in the middle of the figure."""
    browser.run("document.getElementById('chart').scrollIntoView({block: 'center'})")
    x, y = browser.run(
        "const box = document.querySelector('#chart svg').getBoundingClientRect();"
        "const middle = (Math.max(box.top, 0) + Math.min(box.bottom, innerHeight)) / 2;"
        "return [box.left + frame.x(arguments[0]), middle]",
        step,
    )
    return int(x), int(y)


def point(browser: Any, step: float, click: bool = False, drag_to: float | None = None) -> None:
    """Move the mouse to a step, and click there or drag to another."""
    from selenium.webdriver import ActionChains

    x, y = aim(browser, step)
    actions = ActionChains(browser.driver)
    pointer = actions.w3c_actions.pointer_action
    pointer.move_to_location(x - 3, y)
    pointer.move_to_location(x, y)
    if click:
        pointer.click()
    if drag_to is not None:
        pointer.pointer_down()
        pointer.move_to_location(aim(browser, drag_to)[0], y)
        pointer.pointer_up()
    actions.perform()


def press(browser: Any, *keys: str) -> None:
    """Press keys while the figure has the keyboard."""
    browser.run("document.getElementById('chart').focus()")
    for key in keys:
        shift = 8 if key.startswith("shift ") else 0
        name = key.removeprefix("shift ")
        text = {"text": name} if len(name) == 1 else {}
        for kind in ("keyDown", "keyUp"):
            browser.command("Input.dispatchKeyEvent", type=kind, key=name, modifiers=shift, **text)


# What is drawn


def test_each_panel_has_a_name_and_all_are_over_one_axis(browser: Any, report: Path) -> None:
    browser.show(report)
    panels = browser.run(
        "return [...document.querySelectorAll('#chart [data-panel]')].map((each) => each.dataset.panel)"
    )
    assert panels == ["loss", "scores"]
    titles = words(browser, "#chart [data-panel] .title")
    assert titles == ["loss (nats)", "perplexity", "scores, 0 to 100"]
    assert len(browser.all("#chart .axis .title")) == 1


def test_up_to_a_few_hundred_steps_the_mean_of_each_step_is_drawn(browser: Any, report: Path) -> None:
    browser.show(report)
    drawn = browser.run("return pointsOf(run, 'bigram').map((each) => [each.first, each.mean])")
    samples = browser.run("return run.samples.map((each) => [each.step, each.scores[0]])")
    for step, mean in drawn:
        of_step = [score for at, score in samples if at == step]
        assert mean == pytest.approx(fmean(of_step), abs=0.11)  # those are rounded down to a tenth
    assert browser.all("#chart [data-curve=bigram] .area") == []


def test_of_a_long_run_the_mean_of_all_samples_and_a_band_from_low_to_high_are_drawn(
    browser: Any, long: Path
) -> None:
    browser.show(long)
    rows = browser.run("return run.curves.stretches")
    assert 100 < len(rows) <= 400
    assert sum(row[2] for row in rows) == 3000
    assert len(browser.all("#chart [data-curve=bigram] .area")) == 1
    line, area = browser.run(
        "return ['.line', '.area'].map((each) => document.querySelector(`#chart [data-curve=bigram] ${each}`)"
        ".getAttribute('d').match(/[ML]/g).length)"
    )
    assert area == 2 * line == 2 * len(rows)


def test_a_loss_that_is_thinned_out_is_a_band_and_never_a_line(browser: Any, long: Path) -> None:
    browser.show(long)
    assert (
        browser.run("return document.querySelector('#chart [data-curve=loss] .line').getAttribute('d')") == ""
    )
    assert len(browser.all("#chart [data-curve=loss] .area")) == 1
    assert browser.run(
        "const line = document.querySelector('#chart [data-curve=\"smoothed loss\"] .line');"
        "return line.getAttribute('d').length > 99"
    )


def test_a_caption_says_how_many_of_the_samples_the_table_holds(
    browser: Any, long: Path, report: Path
) -> None:
    browser.show(long)
    shown = browser.run("return run.samples.length")
    assert shown < 3000
    assert f"{shown:,} of 3,000 samples shown" in browser.text("#shown")
    browser.show(report)
    assert browser.text("#shown") == ""


def test_one_sample_is_a_marker_and_too_few_to_say(browser: Any, page: Write) -> None:
    browser.show(page([{"step": 7, "text": fine(1)}]))
    assert "1 sample: too few to say" in " ".join(words(browser, "#chart"))
    assert len(browser.all("#chart [data-curve=bigram] circle")) == 1
    assert bottom(browser) == ["6", "7", "8"]


@pytest.mark.parametrize("count", [2, 30])
def test_few_samples_are_markers_over_whole_numbers(browser: Any, page: Write, count: int) -> None:
    browser.show(page([{"step": n, "text": fine(n)} for n in range(count)]))
    assert len(browser.all("#chart [data-curve=bigram] circle")) == count
    assert bottom(browser)
    assert all(re.fullmatch(r"\d+", tick) for tick in bottom(browser))
    assert "too few" not in " ".join(words(browser, "#chart"))


def test_samples_without_steps_are_counted_on_the_axis(browser: Any, page: Write) -> None:
    browser.show(page([{"text": fine(n)} for n in range(60)]))
    assert "45 of 60" in bottom(browser)
    assert " ".join(words(browser, "#chart .axis .title")) == "sample"
    browser.run("look.at = 45; drawCross()")
    assert "sample 45 of 60" in " ".join(words(browser, "#chart .cross"))


def test_the_area_of_a_streak_ends_at_the_halt(browser: Any, page: Write) -> None:
    browser.show(page([{"step": n, "text": fine(n) if n < 20 else LOOP} for n in range(40)]))
    assert browser.run("return run.halt_step") == 24
    assert browser.run("return run.curves.streaks") == [[20, 24]]
    end, halt = browser.run(
        "const box = (each) => document.querySelector(`#chart ${each}`).getBoundingClientRect();"
        "return [box('.area.streak').right, box('.uprights .line.low').right]"
    )
    assert end == pytest.approx(halt, abs=3)


def test_low_samples_are_marked_however_many_there_are(browser: Any, long: Path) -> None:
    browser.show(long)
    marks = len(browser.all("#chart [data-curve='low sample'] path"))
    low = browser.run("return pointsOf(run, 'low').reduce((sum, each) => sum + each.n, 0)")
    assert 0 < marks <= 400
    assert low == browser.run("return run.low")


ALIKE = (
    "She went to the window and looked out at the garden where the children were playing in the warm sun. "
)
STORY = (
    "when she came to the house he was in the garden with a friend of his mother and they had been there "
    "since the morning because it was a warm day and the children were playing near the water while the old "
    "man who lived next door read his paper under the tree and said that nothing good would ever come of it"
)
GOOD = STORY.split()


@pytest.mark.parametrize(
    ("state", "title"),
    [
        ("alike", "diversity between samples: below 50 alike"),
        ("word salad", "word order: 1 English, below 0.2 shuffled"),
    ],
)
def test_what_else_decides_the_diagnosis_is_a_large_panel(
    browser: Any, page: Write, state: str, title: str
) -> None:
    order = random.Random(3)  # noqa: S311 - no secret
    if state == "alike":
        rows = [{"step": n // 4, "prompt": "So", "text": f"{ALIKE} {WORDS[n % 4]} {n}"} for n in range(80)]
    else:
        rows = [{"step": n, "text": " ".join(order.sample(GOOD, 60))} for n in range(40)]
    browser.show(page(rows, [{"step": n, "loss": 3 - n / 20} for n in range(40)]))
    assert browser.run("return run.diagnosis.samples") == state
    assert " ".join(words(browser, "#chart [data-panel=deciding] .title")) == title
    heights = browser.run("return frame.placed.map((each) => each.bottom - each.top)")
    assert len(set(heights)) == 1


# What a trainer of reinforcement learning logs


@pytest.fixture(scope="session")
def rewarded(page: Write) -> Path:
    """The page of a run with rewards, KL divergences and lengths, whose samples all loop in the end."""
    logged = [
        {"step": step, "loss": 0.001, "reward": step / 400, "kl": 0.01, "completion_length": 400.0 - step}
        for step in range(10, 401, 10)
    ]
    return page([{"step": step, "text": LOOP} for step in range(20, 401, 20)], logged)


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_what_else_was_logged_is_drawn_below_the_scores_over_the_same_steps(
    browser: Any, rewarded: Path, width: int, dark: bool
) -> None:
    browser.resize(width, dark=dark)
    browser.show(rewarded)
    assert words(browser, "#chart [data-panel] .title")[-3:] == ["reward", "KL (nats)", "length (tokens)"]
    ends = browser.run("return frame.placed.flatMap((each) => [each.top, each.bottom])")
    assert ends == sorted(ends), "panels overlap"
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    assert "reward 0.025 → 1" in browser.text(".facts")
    assert "reward: reward 0.025 to 1" in browser.one("#chart svg").get_attribute("aria-label")
    assert browser.errors() == []


def test_of_a_long_series_the_mean_and_a_band_are_drawn(browser: Any, page: Write) -> None:
    logged = [{"step": n, "loss": 0.1, "reward": n % 7} for n in range(3000)]
    browser.show(page([{"step": n, "text": fine(n)} for n in range(0, 3000, 300)], logged))
    means = browser.run("return run.series[0].means")
    assert fmean(means) == pytest.approx(3, abs=0.2)
    assert len(browser.all("#chart [data-panel=reward] .area")) == 1


def test_a_run_without_rewards_has_no_panel_for_them(browser: Any, report: Path) -> None:
    browser.show(report)
    assert "also logged" not in browser.text(".facts")
    assert not {"reward", "KL (nats)"} & {*browser.texts(".legend label")}


# How it is looked at


def test_the_values_of_all_curves_are_shown_under_the_pointer(browser: Any, report: Path) -> None:
    browser.show(report)
    point(browser, 600)
    shown = browser.wait("return document.querySelector('#chart .cross')?.textContent")
    assert "step 600" in shown
    assert all(name in shown for name in ("smoothed", "perplexity", "bigram", "english")), shown


def test_the_keyboard_steps_through_the_values_and_says_them(browser: Any, report: Path) -> None:
    browser.show(report)
    press(browser, "ArrowRight", "ArrowRight")
    steps = browser.run("return run.curves.stretches.map((row) => row[0])")
    assert browser.text("#values").startswith(f"step {steps[1]}, ")
    assert "bigram" in browser.text("#values")
    press(browser, "ArrowLeft")
    assert browser.text("#values").startswith(f"step {steps[0]}, ")
    press(browser, "End")
    assert browser.text("#values").startswith(f"step {steps[-1]}, ")
    assert browser.one("#values").get_attribute("role") == "status"
    press(browser, "Escape")
    assert browser.all("#chart .cross") == []


def test_a_click_goes_to_the_sample(browser: Any, report: Path) -> None:
    browser.show(report)
    browser.click("#only-low")
    point(browser, 100, click=True)  # a fine sample, that the filter has hidden
    browser.wait("return document.activeElement.id === 'sample-100-0'")
    assert browser.run(
        "const { top } = document.activeElement.getBoundingClientRect(); return top > 0 && top < innerHeight"
    )
    assert not browser.one("#only-low").is_selected()


def test_enter_goes_to_the_sample_of_the_crosshair(browser: Any, report: Path) -> None:
    browser.show(report)
    press(browser, "Home", "Enter")
    assert browser.run("return document.activeElement.id").startswith("sample-")


def test_the_legend_switches_curves_off_and_on(browser: Any, report: Path) -> None:
    browser.show(report)
    browser.click(".legend input")
    assert browser.all("#chart [data-curve=loss]") == []
    browser.click(".legend input")
    assert len(browser.all("#chart [data-curve=loss]")) == 1


def test_a_drag_zooms_and_a_double_click_shows_all(browser: Any, report: Path) -> None:
    from selenium.webdriver import ActionChains

    browser.show(report)
    point(browser, 300, drag_to=600)
    low, high = browser.wait("return look.range")
    assert (low, high) == (pytest.approx(300, abs=5), pytest.approx(600, abs=5))
    assert browser.all("#chart .chosen") == []
    ActionChains(browser.driver).double_click(browser.one("#chart")).perform()
    assert browser.run("return look.range") is None
    assert browser.run("return clicked") is None, "the first of two clicks would go to a sample"


def test_buttons_zoom_move_and_show_all(browser: Any, report: Path) -> None:
    browser.show(report)
    first = browser.run("return frame.full")
    browser.button("zoom in")
    low, high = browser.run("return look.range")
    assert high - low == pytest.approx((first[1] - first[0]) / 2)
    browser.button("later →")
    assert browser.run("return look.range") == [
        pytest.approx(low + (high - low) / 2),
        pytest.approx(first[1]),
    ]
    browser.button("← earlier")
    assert browser.run("return look.range") == [pytest.approx(low), pytest.approx(high)]
    browser.button("zoom out")
    assert browser.run("return look.range") is None
    browser.button("zoom in")
    browser.button("all steps")
    assert browser.run("return look.range") is None


def test_keys_do_the_same(browser: Any, report: Path) -> None:
    browser.show(report)
    press(browser, "+")
    low, high = browser.run("return look.range")
    press(browser, "shift ArrowRight")
    assert browser.run("return look.range")[0] > low
    press(browser, "shift ArrowLeft")
    assert browser.run("return look.range") == [pytest.approx(low), pytest.approx(high)]
    press(browser, "-")
    assert browser.run("return look.range") is None
    press(browser, "+", "0")
    assert browser.run("return look.range") is None


def heights(browser: Any, curve: str) -> list[float]:
    path = browser.run(
        "return document.querySelector(`#chart [data-curve='${arguments[0]}'] .line`).getAttribute('d')",
        curve,
    )
    return [float(each.split(" ")[1]) for each in re.split("[ML]", path)[1:]]


def test_on_a_log_axis_equal_ratios_are_equal_distances(browser: Any, page: Write) -> None:
    losses = [{"step": n, "loss": 8.0 / 2**n} for n in range(6)]
    browser.show(page([{"step": n, "text": fine(n)} for n in range(6)], losses))
    browser.click("#log-axis")
    found = heights(browser, "loss")
    gaps = [after - before for before, after in pairwise(found)]
    assert gaps == [pytest.approx(gaps[0], abs=0.2)] * 5
    assert {"1", "5"} <= set(words(browser, "#chart [data-panel=loss] .tick"))
    browser.click("#log-axis")
    assert heights(browser, "loss")[1] - heights(browser, "loss")[0] > 2 * gaps[0]


def test_smoothing_draws_scores_and_logged_losses_calmer(browser: Any, page: Write) -> None:
    noise = random.Random(5)  # noqa: S311 - no secret
    losses = [{"step": n, "loss": 3 + noise.random()} for n in range(300)]
    browser.show(page([{"step": 3 * n, "text": fine(n) if n % 3 else LOOP} for n in range(100)], losses))

    def turns(curve: str) -> float:
        found = heights(browser, curve)
        return sum(abs(after - before) for before, after in pairwise(found))

    before = turns("loss"), turns("bigram")
    browser.run(
        "const s = document.getElementById('smoothing'); s.value = 2; s.dispatchEvent(new Event('change'))"
    )
    assert turns("loss") < before[0] / 4
    assert turns("bigram") < before[1] / 2


def test_labels_of_upright_lines_do_not_overlap(browser: Any, page_of: PageOf, tmp_path: Path) -> None:
    run = monitored(tmp_path / "run", {step: f"changed the data {step}" for step in range(20, 40)})
    browser.show(page_of(run, tmp_path / "report.html"))
    boxes = boxes_of(browser, "#chart .uprights text")
    assert len(boxes) > 5
    assert {"halt", "go back to"} <= set(words(browser, "#chart .uprights text"))
    assert overlapping(boxes) == []


def boxes_of(browser: Any, css: str) -> list[list[float]]:
    """Left, right, top and bottom of elements on the screen."""
    found = browser.run(
        "return [...document.querySelectorAll(arguments[0])].map((each) => each.getBoundingClientRect())"
        ".map(({ left, right, top, bottom }) => [left, right, top, bottom])",
        css,
    )
    return list(found)


def overlapping(boxes: list[list[float]]) -> list[tuple[int, int]]:
    return [
        (one, other)
        for one, (left, right, top, bottom) in enumerate(boxes)
        for other, (left2, right2, top2, bottom2) in enumerate(boxes[:one])
        if left < right2 and left2 < right and top < bottom2 - 2 and top2 < bottom - 2
    ]


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone_the_ticks_are_readable_and_apart(browser: Any, long: Path, dark: bool) -> None:
    browser.resize(390, dark=dark)
    browser.show(long)
    boxes = boxes_of(browser, "#chart .tick")
    assert overlapping(boxes) == []
    assert min(low for low, *_ in boxes) >= 0
    assert max(high for _, high, *_ in boxes) <= 390
    assert all(bottom - top >= 11 for _, _, top, bottom in boxes)


def test_on_paper_the_figure_has_its_legend_and_caption(browser: Any, long: Path) -> None:
    browser.show(long)
    browser.run("dispatchEvent(new Event('beforeprint'))")
    browser.command("Emulation.setEmulatedMedia", media="print")
    try:
        assert {"smoothed loss", "bigram", "low sample"} <= set(words(browser, "#chart .tick"))
        assert browser.one("#shown").is_displayed()
        assert not browser.one(".legend").is_displayed()
    finally:
        browser.command("Emulation.setEmulatedMedia", media="")
        browser.run("dispatchEvent(new Event('afterprint'))")


# As a file

NAME = "<script>alert(1)<script>&\"'"


@pytest.fixture
def exported(browser: Any, page_of: PageOf, tmp_path: Path) -> Iterator[str]:
    run = monitored(tmp_path / NAME, {10: "<img src=x onerror=1>"})
    browser.show(page_of(run, tmp_path / "report.html"))
    yield str(browser.run("return figureFile()"))
    assert browser.errors() == []
    assert browser.requests() == []


def test_as_svg_it_needs_nothing_else_and_runs_nothing(exported: str) -> None:
    tree = ElementTree.fromstring(exported)  # noqa: S314 - it is ours
    tags = {each.tag.removeprefix("{http://www.w3.org/2000/svg}") for each in tree.iter()}
    assert tags <= {"svg", "g", "path", "line", "rect", "text", "circle", "clipPath"}
    names = {name for each in tree.iter() for name in each.attrib}
    assert not {"class", "style", "href"} & names
    assert not [name for name in names if name.startswith("on")]
    assert "var(" not in exported
    said = [each.text for each in tree.iter() if each.text]
    assert any(NAME in each for each in said)
    assert "<img src=x onerror=1>" in said
    assert {"bigram", "smoothed loss", "loss (nats)"} <= set(said)


def test_as_svg_its_colours_are_those_of_the_page(browser: Any, report: Path) -> None:
    browser.resize(1280, dark=True)
    browser.show(report)
    exported = browser.run("return figureFile()")
    tree = ElementTree.fromstring(exported)  # noqa: S314 - it is ours
    assert tree[0].attrib["fill"] == "rgb(25, 29, 35)"
    assert "rgb(86, 180, 233)" in {each.attrib.get("stroke") for each in tree.iter()}
    texts = [each.attrib for each in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert {each["fill"] for each in texts} >= {"rgb(232, 234, 237)", "rgb(163, 173, 186)"}
    assert {each["font-size"] for each in texts} == {"12px"}


def test_as_png_it_is_a_picture_at_twice_its_size(browser: Any, report: Path) -> None:
    browser.show(report)
    found = browser.driver.execute_async_script(
        "const done = arguments[0]; figurePixels().then((blob) => blob.arrayBuffer())"
        ".then((data) => done([...new Uint8Array(data).slice(0, 24), data.byteLength]))"
    )
    assert bytes(found[:8]) == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(bytes(found[16:20])) == 2200
    assert found[-1] > 20_000
    assert browser.errors() == []


def saved(browser: Any, path: Path) -> bool:
    """Wait until a file is there, 10 seconds at most."""
    for _ in range(100):
        if path.exists():
            return True
        browser.driver.execute_async_script("setTimeout(arguments[0], 100)")
    return False


@pytest.mark.parametrize("ending", ["SVG", "PNG"])
def test_a_button_saves_it_under_the_name_of_the_run(
    browser: Any, report: Path, tmp_path: Path, ending: str
) -> None:
    browser.show(report)
    browser.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    browser.button(f"figure as {ending}")
    name = tmp_path / f"one-line-figure.{ending.lower()}"
    assert saved(browser, name)
    assert browser.errors() == []


@pytest.mark.parametrize("log", [False, True])
def test_a_loss_of_zero_and_a_spike_are_drawn(browser: Any, page: Write, log: bool) -> None:
    losses = [{"step": n, "loss": {0: 0.0, 30: 20_000.0}.get(n, 1.5 + n / 100)} for n in range(60)]
    browser.show(page([{"step": n, "text": fine(n)} for n in range(0, 60, 10)], losses, "spike"))
    browser.run(f"look.log = {json.dumps(log)}; drawFigure()")
    drawn = browser.run(
        "return [...document.querySelectorAll('#chart path')].map((each) => each.getAttribute('d'))"
    )
    assert len(drawn) > 4
    assert not [each for each in drawn if "Infinity" in each or "NaN" in each]
    assert browser.errors() == []
