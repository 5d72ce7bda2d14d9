"""The report as one page: a file that needs nothing else, or the pieces of it that a server hands out.

It reads a report and the samples to show, and computes nothing. Source: docs/page.md.
"""

import json
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from gzip import compress
from hashlib import sha256
from html import escape
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec
from string import Template
from typing import Any

from coherence.escape import on_one_line
from coherence.report import Ranking, Report
from coherence.show.page.gallery import PageSample

SHEET = "plotly.js-style-global"
"""The name under which the chart library looks for a style sheet of the page to add its own rules to."""

SCRIPTS = ("words", "tab", "top", "figure", "samples", "below", "runs", "served", "notify", "open", "live")
"""The pieces of the page's script, in `script/`: each uses those before it; the last two begin to draw."""

SCRIPTS_OF_RUNS = ("words", "tab", "top", "samples", "below", "ranking", "served", "several")
"""Those of the page of several runs, which has no figure and no table of samples; the last begins to draw."""

DRAWS_ITSELF = "<noscript><p>This page draws itself: allow its script.</p></noscript>"

UNSHOWN = {"samples", "worst", "best", "stretches"}
"""What a page leaves out of a report: it shows its samples from other records, with their texts."""


def report_page(found: Report, page_samples: Sequence[PageSample], name: str, served: bool = False) -> str:
    """Return the report of a run as one page that needs no network.

    Args:
        found: the report.
        page_samples: the samples of the run.
        name: of the run.
        served: whether a server hands it out: the page asks it then whether there is a newer one.
    """
    report = {key: value for key, value in found.to_plain().items() if key not in UNSHOWN}
    content = {"name": name, "report": report}
    samples = [each._asdict() for each in page_samples]
    style, script, charts = asset("style.css"), page_script(), chart_library()
    allowed = " ".join(_hash(each) for each in (script, charts) if each)
    return _template().substitute(
        title=escape(on_one_line(f"{name} · coherence")),
        policy=_policy(style, allowed, served),
        style=f'<style id="{SHEET}">{style}</style>',
        guards=_guards(charts),
        mode="report served" if served else "report",
        content=DRAWS_ITSELF,
        packed=_packed("told", _json(content))
        + _packed("samples", _json(samples))
        + _packed("charts", charts),
        script=f"<script>{script}</script>",
    )


def runs_page(found: Ranking, runs: Sequence[Mapping[str, Any]], name: str, served: bool = False) -> str:
    """Return the ranking of several runs as one page that needs no network.

    Args:
        found: the ranking.
        runs: what is shown of each, see `coherence.show.page.several`.
        name: of the folder that holds them.
        served: as for `report_page`.
    """
    counted = found.to_plain() | {
        "runs": len(found.runs),
        "judged": sum(line.judged for line in found.runs),
        "actions": Counter(line.diagnosis.action for line in found.runs),
        "events": [],
    }
    content = {"name": name, "ranking": counted, "runs": runs}
    style, script = asset("style.css"), page_script(SCRIPTS_OF_RUNS)
    return _template().substitute(
        title=escape(on_one_line(f"{name} · {len(found.runs)} runs · coherence")),
        policy=_policy(style, _hash(script), served),
        style=f"<style>{style}</style>",
        guards="",
        mode="runs served" if served else "runs",
        content=DRAWS_ITSELF,
        packed=_packed("told", _json(content)),
        script=f"<script>{script}</script>",
    )


def live_page() -> str:
    """Return the page that a server hands out; its style, script and data are paths of that server."""
    charts = chart_library()
    script = '<script src="plotly.js" defer></script>' if charts else ""
    return _template().substitute(
        title="coherence",
        policy="",
        style=f'<link rel="stylesheet" id="{SHEET}" href="style.css">',
        guards=_guards(charts),
        mode="live",
        content=DRAWS_ITSELF,
        packed="",
        script=script + '<script src="page.js" defer></script>',
    )


def still_page(title: str, content: str) -> str:
    """Return a page that is drawn already: no script runs in it.

    Args:
        title: what it is called, in text.
        content: what it shows, in HTML.
    """
    style = asset("style.css")
    return _template().substitute(
        title=escape(on_one_line(title)),
        policy=_policy(style),
        style=f"<style>{style}</style>",
        guards="",
        mode="still",
        content=content,
        packed="",
        script="",
    )


def page_policy(page: str) -> str:
    """Return what a page that is one file may load, as its head states it.

    >>> page_policy(still_page("exp7", "<p>fine</p>"))[:18]
    "default-src 'none'"
    """
    stated = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page)
    return stated.group(1) if stated else "default-src 'none'"


def _policy(style: str, scripts: str = "", asks: bool = False) -> str:
    """Return what a page that is one file may load: its own style sheet and scripts, and nothing else.

    Args:
        style: the sheet.
        scripts: the hashes of the scripts.
        asks: whether it may ask the server from which it came.
    """
    allowed = f"script-src {scripts}; " if scripts else ""
    allowed += "connect-src 'self'; " if asks else ""
    policy = (
        f"default-src 'none'; {allowed}style-src {_hash(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return f'<meta http-equiv="Content-Security-Policy" content="{policy}">'


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@cache
def asset(name: str) -> str:
    """Return a file that comes with the package."""
    return (files("coherence.show.page") / name).read_text(encoding="utf-8")


def page_script(pieces: Sequence[str] = SCRIPTS) -> str:
    """Return the script of the page, in one piece."""
    return "\n".join(asset(f"script/{name}.js") for name in pieces)


@cache
def chart_library() -> str:
    """Return the script that draws the charts; nothing where the extra `report` is not installed."""
    if find_spec("plotly") is None:
        return ""
    return str(import_module("plotly.offline").get_plotlyjs())


def _template() -> Template:
    return Template(asset("page.html"))


def _guards(charts: str) -> str:
    """Return elements for whose sake the chart library does not add the style sheets of its maps.

    The policy would refuse them, with a message on the console.
    """
    names = re.findall(r'getElementById\("([0-9a-f]{64})"\)', charts)
    return "".join(f'<span hidden id="{name}"></span>' for name in dict.fromkeys(names))


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _packed(name: str, text: str) -> str:
    """Return a text as an element that is data to every browser, whatever is in it."""
    if not text:
        return ""
    packed = b64encode(compress(text.encode(errors="replace"), mtime=0)).decode()
    return f'<script type="application/gzip" id="packed-{name}">{packed}</script>\n'
