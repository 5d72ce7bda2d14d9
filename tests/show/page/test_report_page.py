"""The page of `coherence audit --html`, as a person with a browser meets it."""

import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("plotly")


def test_the_page_loads_without_a_word_on_the_console_and_without_any_request(
    browser: Any, report: Path
) -> None:
    browser.show(report)
    assert browser.errors() == []
    assert browser.requests() == []
    assert len(browser.all("#chart .scatterlayer .trace")) >= 8


def test_the_top_says_what_to_do_where_it_halted_what_it_cost_and_where_to_go_back(
    browser: Any, report: Path
) -> None:
    browser.show(report)
    headline = "the loss is misleading · 15 of 36 samples loop"
    assert browser.texts(".verdict > *")[:2] == ["■ HALT", headline]
    facts = dict(zip(browser.texts(".facts dt"), browser.texts(".facts strong"), strict=True))
    assert facts["halt step"] == "700"
    assert facts["after the halt"] == "200 steps"
    assert re.fullmatch(r"step \d+", facts["go back to"])


def test_the_top_of_a_run_that_recovered_says_that_its_sentence_is_of_the_halt(
    browser: Any, page_of: Callable[[Path, Path], Path], tmp_path: Path
) -> None:
    low, fine = "so it is " * 20, "The cat sat by the door and waited for the rain to stop."
    rows = [json.dumps({"step": step, "text": low if step < 6 else fine}) for step in range(12)]
    (tmp_path / "dump.jsonl").write_text("\n".join(rows), encoding="utf-8")
    browser.show(page_of(tmp_path / "dump.jsonl", tmp_path / "report.html"))
    action, headline, sentence, *_ = browser.texts(".verdict > *")
    assert (action, headline) == (
        "■ HALT",
        "halted at 4; since step 6 the samples are fine again: a young model, try --warmup 6",
    )
    assert sentence.startswith("At the halt: No loss was given and the last 5 samples loop")


def test_right_below_the_verdict_it_says_where_a_fifth_of_the_lines_could_not_be_used(
    browser: Any, report: Path, page_of: Callable[[Path, Path], Path], tmp_path: Path
) -> None:
    browser.show(report)
    assert browser.all(".unused") == []
    for run, bad in (("a", 0), ("b", 4)):
        rows = [json.dumps({"step": n, "text": f"the {n} old men walked along. " * 4}) for n in range(8)]
        (tmp_path / f"runs/{run}").mkdir(parents=True)
        path = tmp_path / f"runs/{run}/samples.jsonl"
        path.write_text("\n".join([*rows, *["{"] * bad]), encoding="utf-8")
    browser.show(page_of(path, tmp_path / "one.html"))
    assert browser.text(".verdict + .unused") == "4 of 12 lines could not be used."
    browser.open(page_of(tmp_path / "runs", tmp_path / "several.html").as_uri())
    browser.wait("return !!document.querySelector('.ranking')")
    assert browser.text(".verdict + .unused") == "4 of 20 lines could not be used."


def test_hovering_shows_the_values_of_all_curves_at_that_step(browser: Any, report: Path) -> None:
    browser.show(report)
    move(browser, 600)
    shown = browser.wait("return document.querySelector('#chart .hoverlayer').textContent")
    assert "600" in shown, shown
    assert all(name in shown for name in ("smoothed", "perplexity", "bigram", "english")), shown


def test_a_click_on_a_point_goes_to_its_sample(browser: Any, report: Path) -> None:
    browser.show(report)
    browser.click("#only-low")
    move(browser, 100, click=True)  # a fine sample, that the filter has put away
    browser.wait("return document.activeElement.id === 'sample-100-0'")
    assert browser.run(
        "const { top } = document.activeElement.getBoundingClientRect(); return top > 0 && top < innerHeight"
    )
    assert not browser.one("#only-low").is_selected()


def move(browser: Any, step: int, click: bool = False) -> None:
    """Move the mouse to a step of the figure, in the panel of the scores."""
    from selenium.webdriver import ActionChains

    browser.run("document.getElementById('chart').scrollIntoView({block: 'center'})")
    x, y = browser.run(
        "const chart = document.getElementById('chart'), box = chart.getBoundingClientRect();"
        "const { xaxis, yaxis3 } = chart._fullLayout;"
        "return [box.left + xaxis._offset + xaxis.d2p(arguments[0]),"
        "box.top + yaxis3._offset + yaxis3.d2p(50)]",
        step,
    )
    actions = ActionChains(browser.driver)
    actions.w3c_actions.pointer_action.move_to_location(int(x) - 3, int(y))
    actions.w3c_actions.pointer_action.move_to_location(int(x), int(y))
    if click:
        actions.pause(0.3).click()
    actions.perform()


def test_the_legend_switches_curves_off_and_on(browser: Any, report: Path) -> None:
    browser.show(report)
    before = len(browser.all("#chart .scatterlayer .trace"))
    browser.click(".legend input")
    assert len(browser.all("#chart .scatterlayer .trace")) == before - 1
    browser.click(".legend input")
    assert len(browser.all("#chart .scatterlayer .trace")) == before


def test_the_figure_zooms_in_moves_and_shows_all_again(browser: Any, report: Path) -> None:
    browser.show(report)
    across = "return document.getElementById('chart')._fullLayout.xaxis.range"
    first = browser.run(across)
    browser.button("zoom in")
    low, high = browser.wait(f"const r = (() => {{ {across} }})(); return r[0] > {first[0]} && r")
    assert high - low == pytest.approx((first[1] - first[0]) / 2)
    browser.button("later →")
    assert browser.wait(f"const r = (() => {{ {across} }})(); return r[0] > {low} && r")[1] > high
    browser.button("all steps")
    assert browser.wait(f"const r = (() => {{ {across} }})(); return r[0] < {low} && r") == pytest.approx(
        first
    )


def test_a_streak_the_halt_and_the_checkpoint_are_marked(browser: Any, report: Path) -> None:
    browser.show(report)
    labels = browser.run(
        "return [...document.querySelectorAll('#chart .annotation')].map(e => e.textContent)"
    )
    assert sorted(labels) == ["go back to", "halt"]
    assert {"streak", "low sample", "threshold"} <= set(browser.texts(".legend label"))


def test_the_table_sorts_by_each_column_both_ways(browser: Any, report: Path) -> None:
    browser.show(report)
    for name, column in (("bigram", 1), ("english", 3)):
        browser.click(f"#rows button[data-sort={name}]")
        cells = [
            int(cell) for cell in browser.texts(f"#rows tbody tr:first-child > :nth-child({column + 1})")
        ]
        assert cells == sorted(cells)
        assert browser.one(f"#rows th:nth-child({column + 1})").get_attribute("aria-sort") == "ascending"
        browser.click(f"#rows button[data-sort={name}]")
        turned = [
            int(cell) for cell in browser.texts(f"#rows tbody tr:first-child > :nth-child({column + 1})")
        ]
        assert turned == cells[::-1]


def test_the_table_is_filtered_by_low_and_by_text(browser: Any, report: Path) -> None:
    browser.show(report)
    every = len(browser.all("#rows tbody"))
    browser.click("#only-low")
    low = len(browser.all("#rows tbody"))
    assert 0 < low < every
    assert len(browser.all("#rows tbody .badge")) == low
    browser.one("#words").send_keys("nowhere in any sample")
    assert browser.text("#pager [role=status]").startswith("none")
    browser.one("#words").clear()
    browser.click("#only-low")
    browser.one("#words").send_keys("THE")
    found = browser.run("return chosen().map((sample) => sample.prompt + sample.text)")
    assert found
    assert all("the" in text.lower() for text in found)


def test_a_long_text_is_folded_and_opens_with_its_prompt_apart_and_its_marks(
    browser: Any, report: Path
) -> None:
    browser.show(report)
    browser.click("#only-low")
    assert browser.run("return document.querySelector('#rows details').open") is False
    browser.click("#rows details summary")
    browser.wait("return document.querySelector('#rows details .answer')")
    assert browser.text("#rows details .prompt").startswith("prompt ")
    marks = browser.run(
        "return [...document.querySelectorAll('#rows details .answer mark')].map(e => e.textContent)"
    )
    assert marks
    assert "repeats «" in browser.text("#rows details .hint")
    browser.click("#rows details summary")
    assert not browser.one("#rows details .answer").is_displayed()


def test_words_that_are_not_english_are_marked(browser: Any, report: Path) -> None:
    browser.show(report)
    assert browser.all("#rows .odd")
    odd = browser.run(
        "return run.samples.flatMap(parts).filter(([kind]) => kind & 1).map(([, text]) => text)"
    )
    assert not {"the", "and", "for"}.intersection(odd)


def test_sources_diversity_settings_and_version_stand_below(browser: Any, report: Path) -> None:
    browser.show(report)
    assert len(browser.all("#sources .spark path")) == len(browser.all("#sources tbody tr")) > 0
    assert "nothing shared" in browser.text("#between")
    assert {"version", "threshold", "patience", "profile"} <= set(browser.texts("#settings dt"))


def test_dark_and_narrow_it_reads_as_well(browser: Any, report: Path) -> None:
    browser.resize(390, dark=True)
    browser.show(report)
    assert browser.run("return document.documentElement.scrollWidth") == 390
    shades = [
        sum(map(int, re.findall(r"\d+", colour)[:3]))
        for colour in browser.run(
            "const style = getComputedStyle(document.body); return [style.backgroundColor, style.color]"
        )
    ]
    assert shades[0] < 100 < 600 < shades[1]
    tick = browser.run("return getComputedStyle(document.querySelector('#chart .xtick text')).fill")
    assert sum(map(int, re.findall(r"\d+", tick)[:3])) > 600


def test_on_paper_it_is_light(browser: Any, report: Path) -> None:
    browser.resize(1280, dark=True)
    browser.show(report)
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert (
        browser.run("return getComputedStyle(document.documentElement).getPropertyValue('--ink')")
        == "#16191d"
    )
    browser.run("dispatchEvent(new Event('afterprint'))")
    assert (
        browser.run("return getComputedStyle(document.documentElement).getPropertyValue('--ink')")
        != "#16191d"
    )


def test_without_the_chart_library_the_same_curves_are_plain_lines(
    browser: Any, report: Path, tmp_path: Path
) -> None:
    page = re.sub(
        r'<script type="application/gzip" id="packed-charts">[^<]*</script>',
        "",
        report.read_text(encoding="utf-8"),
    )
    bare = tmp_path / "bare.html"
    bare.write_text(page, encoding="utf-8")
    browser.show(bare)
    assert browser.errors() == []
    assert [len(svg.find_elements("css selector", "path")) for svg in browser.all("#chart svg")] == [3, 6]
    assert "coherence[report]" in browser.text("#figure .hint")


# What a trainer of reinforcement learning logs


@pytest.fixture(scope="session")
def rewarded(tmp_path_factory: pytest.TempPathFactory, page_of: Any) -> Path:
    """The page of a run with rewards, KL divergences and lengths, whose samples all loop in the end."""
    run = tmp_path_factory.mktemp("rewarded")
    logged = [
        {"step": step, "loss": 0.001, "reward": step / 400, "kl": 0.01, "completion_length": 400.0 - step}
        for step in range(10, 401, 10)
    ]
    rows = [{"step": step, "text": "so it is good " * 12} for step in range(20, 401, 20)]
    for name, lines in (("metrics.jsonl", logged), ("samples.jsonl", rows)):
        (run / name).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    found: Path = page_of(run, run / "report.html")
    return found


PANELS = """
const { _fullLayout: all } = document.getElementById('chart');
return ['yaxis', 'yaxis3', 'yaxis4', 'yaxis5', 'yaxis6'].map((name) => all[name]?.domain);
"""


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.usefixtures("plotly")
def test_what_else_was_logged_is_drawn_below_the_scores_over_the_same_steps(
    browser: Any, rewarded: Path, width: int, dark: bool
) -> None:
    browser.resize(width, dark=dark)
    browser.show(rewarded)
    browser.wait("return document.querySelectorAll('#chart .scatterlayer .trace').length > 9")
    panels = browser.run(PANELS)
    assert all(low > below[1] for (low, _), below in pairwise(panels)), "panels overlap"
    assert browser.run("return document.getElementById('chart').data.every((each) => each.xaxis === 'x')")
    words = browser.run(
        "return [...document.querySelectorAll('#chart .annotation-text')].map((each) => each.textContent)"
    )
    assert words[:3] == ["reward", "KL (nats)", "length (tokens)"]
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    assert "reward 0.025 → 1" in browser.text(".facts")
    assert browser.errors() == []


def test_what_else_was_logged_is_drawn_plainly_too(browser: Any, rewarded: Path, tmp_path: Path) -> None:
    page = re.sub(
        r'<script type="application/gzip" id="packed-charts">[^<]*</script>', "", rewarded.read_text("utf-8")
    )
    (tmp_path / "bare.html").write_text(page, encoding="utf-8")
    browser.show(tmp_path / "bare.html")
    labels = [svg.get_attribute("aria-label") for svg in browser.all("#chart > svg")]
    assert labels[2:] == [
        "reward over the steps: 0.025 to 1",
        "KL (nats) over the steps: 0.01 to 0.01",
        "length (tokens) over the steps: 0 to 390",
    ]


def test_a_run_without_rewards_has_no_panel_for_them(browser: Any, report: Path) -> None:
    browser.show(report)
    browser.wait("return run.samples.length > 0")
    assert "also logged" not in browser.text(".facts")
    assert not {"reward", "KL (nats)"} & {*browser.texts(".legend label")}
