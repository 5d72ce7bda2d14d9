"""The page of `coherence audit --html`, as a person with a browser meets it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_the_page_loads_without_a_word_on_the_console_and_without_any_request(
    browser: Any, report: Path
) -> None:
    browser.show(report)
    assert browser.errors() == []
    assert browser.requests() == []
    assert len(browser.all("#chart [data-curve]")) >= 8


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
    tick = browser.run("return getComputedStyle(document.querySelector('#chart .title')).fill")
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
