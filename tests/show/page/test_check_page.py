"""The page of `coherence check --html` and `coherence compare --html`."""

import re
from collections.abc import Callable
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from checkpoints import sample, samples
from prose import prose

from coherence.check.compare import Comparison
from coherence.check.samples import score_samples
from coherence.check.texts import keep_texts
from coherence.check.verdict import Check, check_scores
from coherence.readers.records import Sample
from coherence.show.check_words import reasons
from coherence.show.page.check_page import check_page
from coherence.show.page.page import asset

PROMPTS = ["What is a bridge?", "Who lives by the sea?"]

HOSTILE = (
    "</p><script>window.ran = 1</script>\"' onload=window.ran=1 <img src=x onerror='window.ran=1'> "
    "$title ${content} &lt;b&gt; \u202e\x00\x1b[2J\ud800 "
)


def checked(before: list[Sample], now: list[Sample], count: int = 8) -> Check:
    scored = score_samples(before)
    return check_scores(keep_texts(scored, count), score_samples(now), name="good.json")


@pytest.fixture(scope="module")
def failed() -> Check:
    return checked(samples(80, prompts=PROMPTS), samples(80, bad=20, seed="now", prompts=PROMPTS))


@pytest.fixture(scope="module")
def hostile() -> Check:
    asked = [f"{HOSTILE}{name}" for name in "ab"]
    before = [each._replace(text=f"{HOSTILE}{each.text}") for each in samples(60, prompts=asked)]
    now = [sample(HOSTILE * 9, n, prompt=asked[n % 2]) for n in range(60)]
    found = checked(before, now)
    return replace(found, snapshot=HOSTILE, halt_reason=HOSTILE, notes=(HOSTILE,))


class Elements(HTMLParser):
    """The elements of a page: each with its attributes, and the text of all."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_verdict_and_why_come_first(failed: Check) -> None:
    page = check_page(failed, "now.jsonl")
    order = ["now.jsonl against good.json", "■ fail", "<h1>more samples loop", "false alarm"]
    order += ["<h2>Before and now: the same prompt</h2>", "<h2>Comparisons</h2>", "<h2>Before and now: "]
    order += ["<h2>Notes</h2>" if failed.notes else "<h2>How", failed.made.profile]
    at = 0
    for said in order:
        at = page.index(said, at)


def test_every_reason_is_on_the_page_and_the_first_three_are_in_sight(failed: Check) -> None:
    page = check_page(failed, "now.jsonl")
    sentences = [escape(each) for each in reasons(failed)]
    top = page[: page.index("</section>")]
    assert len(sentences) > 1
    assert [sentence in top for sentence in sentences[:3]] == [True] * len(sentences[:3])
    assert all(sentence in page for sentence in sentences)


def test_the_loop_is_marked_and_the_text_from_before_is_next_to_it(failed: Check) -> None:
    page = check_page(failed, "now.jsonl")
    pair = failed.pairs[0]
    before, now = re.findall(r'<p class="answer" dir="auto">(.*?)</p>', page, re.DOTALL)[:2]
    assert before == pair.before.text
    assert now.count("<mark>") >= 3
    assert re.sub("</?mark>", "", now) == pair.now.text.strip()


def test_without_texts_from_before_the_worst_samples_are_shown_with_their_loops() -> None:
    found = checked(samples(80), samples(80, bad=20, seed="now"), count=0)
    page = check_page(found, "now.jsonl")
    assert "Before and now" not in page
    assert page.index("<h2>The samples that weigh most</h2>") < page.index("<mark>")


@pytest.mark.slow
def test_a_text_that_was_cut_says_how_much_is_missing() -> None:
    now = [each._replace(text=f"{each.text} {prose(900, 1)}") for each in samples(60, bad=60, prompts=["a"])]
    found = checked([sample(prose(900, n), n, prompt="a") for n in range(60)], now)
    page = check_page(found, "now.jsonl")
    pair = found.pairs[0]
    assert f"and {pair.before.left_out:,} characters more" in page
    assert f"and {len(pair.now.text) - 2_000:,} characters more" in page


def comparison(
    name: str, change: float, interval: tuple[float, float] | None, tolerance: float
) -> Comparison:
    return Comparison(
        name=name,
        before=50,
        now=50 + change,
        change=change,
        interval=interval,
        tolerance=tolerance,
        p=0.001,
        size_before=80,
        size_now=80,
        needed=None,
        verdict="fail",
        sentence="it changed",
    )


def drawn(found: Check, each: Comparison) -> dict[str, list[dict[str, str]]]:
    """The shapes of the picture of a comparison, by their class."""
    page = check_page(replace(found, comparisons=(each,)), "now.jsonl")
    (svg,) = re.findall(r"<svg.*?</svg>", page)
    shapes: dict[str, list[dict[str, str]]] = {}
    for shape in ElementTree.fromstring(svg):  # noqa: S314 - we wrote it
        shapes.setdefault(shape.attrib["class"], []).append(shape.attrib)
    return shapes


def places(shape: dict[str, str]) -> list[float]:
    return [float(each) for each in re.findall(r"[MHL]([\d.]+)", shape["d"])]


@pytest.mark.parametrize(("name", "sign"), [("bigram", -1), ("low", 1)])
def test_worse_is_left_and_the_tolerance_at_one_place_whatever_is_compared(
    failed: Check, name: str, sign: int
) -> None:
    limits = set()
    for tolerance in (2.0, 5.0):
        ends = sorted((sign * 1.5 * tolerance, sign * 0.5 * tolerance))
        shapes = drawn(failed, comparison(name, sign * tolerance, (ends[0], ends[1]), tolerance))
        (limit,), (zero,) = places(shapes["limit"][0]), places(shapes["zero"][0])
        left, right = places(shapes["reach"][0])
        dot = float(shapes["dot"][0]["cx"])
        assert left < limit < right < zero
        assert dot == pytest.approx(limit)
        limits.add(limit)
    assert len(limits) == 1


@pytest.mark.parametrize(("change", "left"), [(-80.0, True), (80.0, False)])
def test_what_lies_outside_of_the_picture_is_an_arrow(failed: Check, change: float, left: bool) -> None:
    shapes = drawn(failed, comparison("bigram", change, (change - 1, change + 1), 5.0))
    assert "dot" not in shapes
    tips = {places(shape)[0] < 10 for shape in shapes["arrow"]}
    assert tips == {left}


def test_where_there_is_no_interval_the_change_alone_is_drawn(failed: Check) -> None:
    assert "reach" not in drawn(failed, comparison("bigram", 1.0, None, 5.0))


def test_every_comparison_is_a_row_that_can_be_read_without_the_picture(failed: Check) -> None:
    elements = Elements(check_page(failed, "now.jsonl"))
    labels = [attributes["aria-label"] for tag, attributes in elements.found if tag == "svg"]
    assert [str(label).partition(":")[0] for label in labels] == [each.name for each in failed.comparisons]
    assert all(" tolerance " in str(label) for label in labels)


def test_the_page_loads_nothing_and_runs_nothing(failed: Check) -> None:
    page = check_page(failed, "now.jsonl")
    elements = Elements(page)
    assert not {"script", "img", "iframe", "object", "base", "form"}.intersection(
        tag for tag, _ in elements.found
    )
    assert [attributes["href"] for _, attributes in elements.found if "href" in attributes] == ["data:,"]
    policies = [each["content"] for tag, each in elements.found if "http-equiv" in each and tag == "meta"]
    assert str(policies[0]).startswith("default-src 'none'; style-src 'sha256-")
    assert asset("style.css") in page
    assert not any("style" in attributes for _, attributes in elements.found)


def test_hostile_texts_stay_text(hostile: Check) -> None:
    elements = Elements(check_page(hostile, HOSTILE))
    assert "script" not in {tag for tag, _ in elements.found}
    assert not [name for _, each in elements.found for name in each if name.startswith("on")]
    assert "<script>window.ran = 1</script>" in elements.text
    assert "${content} &lt;b&gt;" in elements.text
    assert not set("\u202e\x00\x1b\ud800").intersection(elements.text)


@pytest.mark.parametrize("verdict", ["pass", "fail", "inconclusive", "too few"])
def test_every_verdict_has_its_colour(failed: Check, verdict: Any) -> None:
    page = check_page(replace(failed, verdict=verdict), "now.jsonl")
    kind = verdict.replace(" ", "-")
    assert f'<div class="verdict {kind}">' in page
    assert f".{kind} {{ --tone:" in asset("style.css") or f".{kind}, " in asset("style.css")


# In a browser


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Callable[[Check], None]:
    def write(found: Check) -> None:
        path = tmp_path / "check.html"
        path.write_text(check_page(found, found.snapshot), encoding="utf-8")
        browser.open(path.as_uri())

    return write


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("name", ["failed", "hostile"])
def test_nothing_is_asked_for_refused_or_wider_than_the_window(
    browser: Any, show: Callable[[Check], None], request: pytest.FixtureRequest, name: str, width: int
) -> None:
    browser.resize(width)
    show(request.getfixturevalue(name))
    assert browser.errors() == []
    assert browser.requests() == []
    assert browser.run("return window.ran") is None
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    assert browser.run("return getComputedStyle(document.querySelector('.reach')).strokeWidth") == "3px"


def test_before_and_now_are_side_by_side_and_on_a_phone_one_above_the_other(
    browser: Any, show: Callable[[Check], None], failed: Check
) -> None:
    for width, beside in ((1440, True), (390, False)):
        browser.resize(width)
        show(failed)
        tops = browser.run("return [...document.querySelector('.pair').children].map(e => e.offsetTop)")
        assert [one == two for one, two in pairwise(tops)] == [beside]


def test_the_verdict_and_why_are_in_the_first_screen_of_a_phone(
    browser: Any, show: Callable[[Check], None], failed: Check
) -> None:
    browser.resize(390, height=700)
    show(failed)
    below = "return document.querySelector('.verdict').getBoundingClientRect().bottom"
    assert browser.run(below) < 700
