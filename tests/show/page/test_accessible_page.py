"""The page for those who use the keyboard, see few colours, or have it read to them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from places import RUNS


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core, of its package at npm."""
    told = os.environ.get("COHERENCE_AXE")
    if not told:
        pytest.skip("COHERENCE_AXE does not say where axe-core's axe.min.js is (npm pack axe-core)")
    return Path(told).read_text(encoding="utf-8")


def violations(browser: Any, axe: str) -> list[str]:
    """What axe-core finds serious, with the first place of each."""
    browser.run(axe)
    found = browser.driver.execute_async_script(
        "const done = arguments[0]; axe.run(document, { resultTypes: ['violations'] }).then(done)"
    )["violations"]
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]} ({len(each['nodes'])})" for each in serious]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious_in_the_page_of_several_runs(
    browser: Any,
    tmp_path: Path,
    page_of: Callable[[Path, Path], Path],
    axe: str,
    width: int,
    dark: bool,
) -> None:
    browser.resize(width, dark=dark)
    browser.open(page_of(RUNS, tmp_path / "runs.html").as_uri())
    browser.wait("return !!document.querySelector('#run-curves svg')")
    assert violations(browser, axe) == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious_in_a_report(
    browser: Any, report: Path, axe: str, width: int, dark: bool
) -> None:
    browser.resize(width, dark=dark)
    browser.show(report)
    browser.run("for (const each of document.querySelectorAll('details')) each.open = true")
    browser.run("look.at = 500; drawCross(true)")
    assert violations(browser, axe) == []


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_serious_in_several_runs_side_by_side(
    browser: Any, served: str, axe: str, dark: bool
) -> None:
    browser.resize(1280, dark=dark)
    browser.open(served)
    browser.wait("return document.querySelectorAll('.cards button').length === 5")
    browser.wait("return !!document.querySelector('#chart svg')")
    assert violations(browser, axe) == []


def test_tab_reaches_every_control(browser: Any, report: Path) -> None:
    browser.show(report)
    controls = browser.run(
        "window.reached = new Set(); addEventListener('focusin', (event) => reached.add(event.target));"
        "window.controls = [...document.querySelectorAll('a, input, select, button:enabled, summary')];"
        "return controls.length"
    )
    assert controls > 30
    for _ in range(controls + 10):
        browser.command(
            "Input.dispatchKeyEvent", type="keyDown", key="Tab", code="Tab", windowsVirtualKeyCode=9
        )
        browser.command(
            "Input.dispatchKeyEvent", type="keyUp", key="Tab", code="Tab", windowsVirtualKeyCode=9
        )
    missed = "controls.filter((each) => !reached.has(each) && each.checkVisibility())"
    assert browser.run(f"return {missed}.map((each) => each.outerHTML)") == []


def test_curves_are_told_apart_without_their_colours(browser: Any, report: Path) -> None:
    browser.show(report)
    looks = browser.run(
        "return [...document.querySelectorAll('#chart [data-panel] path.line')]"
        ".filter((each) => !each.closest('[data-curve=\"low sample\"]')).map((each) => {"
        " const { strokeDasharray, strokeWidth } = getComputedStyle(each);"
        " return [each.closest('[data-panel]').dataset.panel, strokeDasharray, strokeWidth].join(' '); })"
    )
    assert len(looks) == 8
    assert len(set(looks)) == len(looks)


def test_each_curve_stands_out_from_its_ground(browser: Any, report: Path) -> None:
    """WCAG 1.4.11: 3 to 1 for what a picture is understood by; the raw loss is faint on purpose."""
    for dark in (False, True):
        browser.resize(1280, dark=dark)
        browser.show(report)
        names = ("smma", "bigram", "trigram", "english", "character", "low", "quiet")
        ground, *inks = [
            luminance(browser.run("return colour(arguments[0])", name)) for name in ("card", *names)
        ]
        for name, ink in zip(names, inks, strict=True):
            assert (max(ink, ground) + 0.05) / (min(ink, ground) + 0.05) >= 3, (name, dark)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
