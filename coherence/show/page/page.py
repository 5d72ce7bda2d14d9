"""The report as one page: a file that needs nothing else, or the pieces of it that a server hands out.

It reads a report and the samples to show, and computes nothing. Source: docs/page.md.
"""

import json
import re
from base64 import b64encode
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
from coherence.show.page.gallery import Shown
from coherence.show.page.made import Made, heading, page_heads

SHEET = "plotly.js-style-global"
"""The name under which the chart library looks for a style sheet of the page to add its own rules to."""

SCRIPTS = (
    "words",
    "terms",
    "share",
    "top",
    "figure",
    "samples",
    "evidence",
    "prompts",
    "below",
    "runs",
    "open",
    "live",
)
"""The pieces of the page's script, in `script/`: each uses those before it; the last two begin to draw."""

DRAWS_ITSELF = "<noscript><p>This page draws itself: allow its script.</p></noscript>"

UNSHOWN = {"samples", "worst", "best", "stretches"}
"""What a page leaves out of a report: it shows its samples from other records, with their texts."""


def report_page(found: Report | Ranking, shown: Shown, name: str, made: Made) -> str:
    """Return the report as one page that needs no network.

    Args:
        found: the report of one run, or the ranking of several.
        shown: the samples of the run.
        name: of the run.
        made: where the page comes from.
    """
    report = {key: value for key, value in found.to_plain().items() if key not in UNSHOWN}
    name = heading(name)
    content = {"name": name, "report": report, "evidence": shown.plain_evidence, "made": made._asdict()}
    samples = [each._asdict() for each in shown.samples]
    style = f"{asset('style.css')}\n{page_heads(on_one_line(name), made.at)}"
    script, charts = page_script(), chart_library()
    allowed = " ".join(_hash(each) for each in (script, charts) if each)
    return _template().substitute(
        title=escape(on_one_line(f"{name} · coherence")),
        policy=_policy(style, allowed),
        style=f'<style id="{SHEET}">{style}</style>',
        guards=_guards(charts),
        mode="report",
        content=DRAWS_ITSELF,
        packed=_packed("told", _json(content))
        + _packed("samples", _json(samples))
        + _packed("charts", charts),
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


def _policy(style: str, scripts: str = "") -> str:
    """Return what a page that is one file may load: its own style sheet and scripts, and nothing else."""
    allowed = f"script-src {scripts}; " if scripts else ""
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


def page_script() -> str:
    """Return the script of the page, in one piece."""
    return "\n".join(asset(f"script/{name}.js") for name in SCRIPTS)


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
