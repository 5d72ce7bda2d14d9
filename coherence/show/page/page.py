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
from importlib.resources import files
from string import Template
from typing import Any

from coherence.escape import on_one_line
from coherence.report import Ranking, Report
from coherence.show.page.gallery import Shown
from coherence.show.page.made import Made, heading, page_heads

SCRIPTS = (
    "words",
    "tab",
    "terms",
    "share",
    "top",
    "scales",
    "curves",
    "figure",
    "zoom",
    "export",
    "samples",
    "evidence",
    "prompts",
    "below",
    "runs",
    "served",
    "notify",
    "open",
    "live",
)
"""The pieces of the page's script, in `script/`: each uses those before it; the last two begin to draw."""

SCRIPTS_OF_RUNS = (
    *("words", "tab", "terms", "share", "top", "samples", "below", "ranking", "served", "several"),
)
"""Those of the page of several runs, which has no figure and no table of samples; the last begins to draw."""

DRAWS_ITSELF = "<noscript><p>This page draws itself: allow its script.</p></noscript>"

UNSHOWN = {"samples", "worst", "best", "stretches"}
"""What a page leaves out of a report: it shows its samples from other records, with their texts."""


DIGITS = 5
"""Of a number that is only drawn."""


def report_page(
    found: Report, shown: Shown, name: str, made: Made, curves: Mapping[str, Any], served: bool = False
) -> str:
    """Return the report of a run as one page that needs no network.

    Args:
        found: the report.
        shown: the samples of the run.
        name: of the run.
        made: where the page comes from.
        curves: what the figure draws of the samples, see `coherence.show.page.curves`.
        served: whether a server hands it out: the page asks it then whether there is a newer one.
    """
    report = {key: value for key, value in found.to_plain().items() if key not in UNSHOWN}
    report["series"] = _drawn(report["series"])
    if report["loss"]:
        drawn = {key: _drawn(report["loss"][key]) for key in ("curve", "source_curves")}
        report["loss"] = report["loss"] | drawn
    name = heading(name)
    content = {"name": name, "report": report, "curves": curves}
    content |= {"evidence": shown.plain_evidence, "made": made._asdict()}
    samples = [each._asdict() for each in shown.samples]
    style, script = _style(name, made), page_script()
    return _template().substitute(
        title=escape(on_one_line(f"{name} · coherence")),
        policy=_policy(style, _hash(script), served),
        style=f"<style>{style}</style>",
        mode="report served" if served else "report",
        content=DRAWS_ITSELF,
        packed=_packed("told", _json(content)) + _packed("samples", _json(samples)),
        script=f"<script>{script}</script>",
    )


def runs_page(
    found: Ranking, runs: Sequence[Mapping[str, Any]], name: str, made: Made, served: bool = False
) -> str:
    """Return the ranking of several runs as one page that needs no network.

    Args:
        found: the ranking.
        runs: what is shown of each, see `coherence.show.page.several`.
        name: of the folder that holds them.
        made: where the page comes from.
        served: as for `report_page`.
    """
    counted = found.to_plain() | {
        "runs": len(found.runs),
        "judged": sum(line.judged for line in found.runs),
        "actions": Counter(line.diagnosis.action for line in found.runs),
        "events": [],
    }
    name = heading(name)
    content = {"name": name, "ranking": counted, "runs": runs, "made": made._asdict()}
    style, script = _style(name, made), page_script(SCRIPTS_OF_RUNS)
    return _template().substitute(
        title=escape(on_one_line(f"{name} · {len(found.runs)} runs · coherence")),
        policy=_policy(style, _hash(script), served),
        style=f"<style>{style}</style>",
        mode="runs served" if served else "runs",
        content=DRAWS_ITSELF,
        packed=_packed("told", _json(content)),
        script=f"<script>{script}</script>",
    )


def live_page() -> str:
    """Return the page that a server hands out; its style, script and data are paths of that server."""
    return _template().substitute(
        title="coherence",
        policy="",
        style='<link rel="stylesheet" href="style.css">',
        mode="live",
        content=DRAWS_ITSELF,
        packed="",
        script='<script src="page.js" defer></script>',
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
        mode="still",
        content=content,
        packed="",
        script="",
    )


def _style(name: str, made: Made) -> str:
    """Return the style sheet, with what is at the head of each printed page."""
    return f"{asset('style.css')}\n{page_heads(on_one_line(name), made.at)}"


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


def _template() -> Template:
    return Template(asset("page.html"))


def _drawn(value: Any) -> Any:
    """Return plain values whose numbers are rounded to what can be seen of them.

    >>> _drawn({"steps": [100_000, 200_000], "losses": [2.3456789, None]})
    {'steps': [100000, 200000], 'losses': [2.3457, None]}
    """
    if isinstance(value, Mapping):
        return {key: _drawn(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_drawn(each) for each in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _packed(name: str, text: str) -> str:
    """Return a text as an element that is data to every browser, whatever is in it."""
    packed = b64encode(compress(text.encode(errors="replace"), mtime=0)).decode()
    return f'<script type="application/gzip" id="packed-{name}">{packed}</script>\n'
