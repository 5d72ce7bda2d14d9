"""The report as one page: a file that needs nothing else, or the pieces of it that a server hands out.

It reads a report and the samples to show, and computes nothing. Source: docs/page.md.
"""

import json
from base64 import b64encode
from collections.abc import Mapping
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
    "open",
    "live",
)
"""The pieces of the page's script, in `script/`: each uses those before it; the last two begin to draw."""

DRAWS_ITSELF = "<noscript><p>This page draws itself: allow its script.</p></noscript>"

UNSHOWN = {"samples", "worst", "best", "stretches"}
"""What a page leaves out of a report: it shows its samples from other records, with their texts."""


DIGITS = 5
"""Of a number that is only drawn."""


def report_page(
    found: Report | Ranking, shown: Shown, name: str, made: Made, curves: Mapping[str, Any] | None = None
) -> str:
    """Return the report as one page that needs no network.

    Args:
        found: the report of one run, or the ranking of several.
        shown: the samples of the run.
        name: of the run.
        curves: what the figure draws of the samples, see `coherence.show.page.curves`.
        made: where the page comes from.
    """
    report = {key: value for key, value in found.to_plain().items() if key not in UNSHOWN}
    if isinstance(found, Report):
        report["series"] = _drawn(report["series"])
        if report["loss"]:
            drawn = {key: _drawn(report["loss"][key]) for key in ("curve", "source_curves")}
            report["loss"] = report["loss"] | drawn
    name = heading(name)
    content = {"name": name, "report": report, "curves": curves}
    content |= {"evidence": shown.plain_evidence, "made": made._asdict()}
    samples = [each._asdict() for each in shown.samples]
    style, script = f"{asset('style.css')}\n{page_heads(on_one_line(name), made.at)}", page_script()
    return _template().substitute(
        title=escape(on_one_line(f"{name} · coherence")),
        policy=_policy(style, _hash(script)),
        style=f"<style>{style}</style>",
        mode="report",
        content=DRAWS_ITSELF,
        packed=_packed("told", _json(content)) + _packed("samples", _json(samples)),
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
