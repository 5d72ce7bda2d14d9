"""Whatever stands in a sample, a prompt, a name or an event: it is shown as text and runs nothing."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ATTACKS = (
    "<script>window.ran = 1</script>",
    "</script><script>window.ran = 1</script><!--",
    '"><img src=x onerror="window.ran = 1"><svg onload=window.ran=1>',
    "<a href=\"javascript:window.ran=1\" onmouseover='window.ran = 1'>click</a>",
    "<iframe srcdoc='<script>parent.ran = 1</script>'></iframe><base href='//evil.example/'>",
    "<style>body { display: none }</style><link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=//evil.example/'>",
    "${window.ran = 1} {{constructor.constructor('window.ran = 1')()}} $script $packed",
    "\u202eshown from the right\u202c \u2066isolated\u2069 \u200f and left open: \u202e",
    "null \x00 bytes \x00, a bell \x07, backspaces \x08\x08 and \x7f",
    "terminal \x1b[2J\x1b[31m escapes \x1b]0;title\x07 \x9b31m",
    "half a pair \ud800 of surrogates and \ufffe no character",
    "Z̷̢̛a̸l̶g̷o̸" * 30,
    "x" * 5_000_000,
    "-->]]><![CDATA[ &lt;b&gt; &amp; \\u003cscript> \u2028 \u2029",
    "",
)


def write(folder: Path) -> Path:
    """A run folder full of them, as a monitor would have written it."""
    folder.mkdir()
    scores = dict.fromkeys(("bigram", "trigram", "english", "character"), 50.0)
    samples = [
        {
            "format": 1,
            "step": 10 * n,
            "index": 0,
            "prompt": f"of {attack[:200]}",
            "text": attack,
            "scores": scores,
        }
        | {"low": False, "streak": 0, "time": 1000.0 + n}
        for n, attack in enumerate(ATTACKS)
    ]
    losses: list[dict[str, Any]] = [
        {"format": 1, "step": n, "loss": 3.0, "source": ATTACKS[n % 8], "time": 1000.0 + n / 10}
        for n in range(160)
    ]
    losses += [
        {"format": 1, "step": 150, "event": attack, "details": {attack: attack}, "time": 1020.0}
        for attack in ATTACKS[:8]
    ]
    for name, rows in (("samples.jsonl", samples), ("metrics.jsonl", losses)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def assert_harmless(browser: Any) -> None:
    """Nothing ran, nothing was asked for, nothing refused; no element came out of a text."""
    assert browser.run("return window.ran") is None
    assert browser.errors() == []
    made = "script, img, iframe, style, a:not([href^='#sample-']), base, meta, link"
    assert (
        browser.run("return document.getElementById('page').querySelectorAll(arguments[0]).length", made) == 0
    )
    inside = "return [...document.querySelectorAll('#page *')].flatMap((each) => each.getAttributeNames())"
    assert not [name for name in browser.run(inside) if name.startswith("on")]
    assert browser.run("return getComputedStyle(document.body).display") == "block"


def assert_shown_as_text(browser: Any) -> None:
    shown = browser.run("return run.samples.map((sample) => sample.text)")
    for attack in ATTACKS[:8]:
        assert attack.strip() in shown
    visible = browser.text("#rows") + browser.run("return document.getElementById('rows').textContent")
    assert "<script>window.ran = 1</script>" in visible
    assert "null ␀ bytes" in visible
    assert "␛[2J" in visible
    assert not set("\u202e\u2066\x00\x1b").intersection(visible)
    assert max(map(len, shown)) <= 20_000
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")


def test_the_report_page_shows_hostile_samples_as_text(
    browser: Any, tmp_path: Path, page_of: Callable[[Path, Path], Path]
) -> None:
    folder = write(tmp_path / "<img src=x onerror=window.ran=1>")
    browser.show(page_of(folder, tmp_path / "report.html"))
    assert_harmless(browser)
    assert_shown_as_text(browser)
    for details in browser.all("#rows details"):
        browser.run("arguments[0].open = true", details)
    browser.wait("return document.querySelector('#rows details .answer')")
    browser.one("#words").send_keys("<script>")
    assert_harmless(browser)
    assert browser.requests() == []


def test_the_live_page_shows_hostile_samples_as_text(
    browser: Any, tmp_path: Path, serve: Callable[..., str]
) -> None:
    folder = write(tmp_path / "<img src=x onerror=window.ran=1>")
    address = serve(folder)
    browser.open(address)
    browser.wait("return run && run.samples.length === arguments[0]", len(ATTACKS))
    browser.wait("return !!document.querySelector('#chart svg')")
    assert_harmless(browser)
    assert_shown_as_text(browser)
    assert all(url.startswith(address) for url in browser.requests())


@pytest.mark.parametrize("attack", ATTACKS[:11])
def test_hostile_evidence_and_prompts_are_text_on_the_page_and_in_the_table_as_csv(
    browser: Any, tmp_path: Path, page_of: Callable[[Path, Path], Path], attack: str
) -> None:
    fine = "The old cat sat by the door and waited for the rain to stop, for it was late and dark."
    texts = [f"{fine} {attack}", *[f"{attack} again. " * 40] * 6]
    rows = [{"step": 10 * n, "text": text, "prompt": f"={attack} "} for n, text in enumerate(texts, 1)]
    dump = tmp_path / "=1+1<img src=x onerror=window.ran=1>.jsonl"
    dump.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    browser.show(page_of(dump, tmp_path / "report.html"))
    assert browser.run("return run.evidence.bad.length") > 0
    browser.run("for (const each of document.querySelectorAll('details')) each.open = true")
    browser.run("document.getElementById('pin')?.click()")
    for place in ("#evidence", "#prompts", "header"):
        shown = browser.run("return document.querySelector(arguments[0])?.textContent ?? ''", place)
        assert not set("\u202e\u2066\x00\x1b").intersection(shown)
    assert_harmless(browser)
    cells = browser.run("return asCsv(run.samples).toWellFormed()")
    _, *found = csv.reader(io.StringIO(cells, newline=""))
    assert len(found) == len(rows)
    assert all(
        cell[:1] not in {*"=+-@\t\r"} or re.fullmatch(r"-?[\d.]+", cell) for row in found for cell in row
    )
    assert browser.requests() == []


@pytest.mark.parametrize(
    "tried",
    [
        "document.body.append(Object.assign(document.createElement('script'), { text: 'window.ran = 1' }))",
        "document.body.setAttribute('onclick', 'window.ran = 1'); document.body.click()",
        "const i = new Image(); i.src = 'http://127.0.0.1:1/x.png'",
        "fetch('http://127.0.0.1:1/').catch(() => 0)",
        "document.body.append(Object.assign(document.createElement('script'), { src: 'http://[::1]/' }))",
        "location.href = 'javascript:window.ran = 1'",
    ],
)
def test_even_what_got_in_could_not_run(browser: Any, report: Path, tried: str) -> None:
    browser.show(report)
    browser.run("window.refused = 0; addEventListener('securitypolicyviolation', () => window.refused++)")
    browser.run(tried)
    browser.wait("return window.refused > 0")
    assert browser.run("return window.ran") is None
