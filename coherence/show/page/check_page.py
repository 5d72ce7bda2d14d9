"""A check as one page: the verdict and why, texts from before and now, and every comparison as a picture.

Drawn here and not in the browser, so that no script runs in it. Source: docs/ci.md, "As a page".
"""

import re
from collections.abc import Iterable
from html import escape

from coherence.check.causes import headline
from coherence.check.compare import SHARES, Comparison
from coherence.check.texts import BeforeAndNow, Heavy
from coherence.check.verdict import Check
from coherence.scoring.scores import mean_of
from coherence.show.check_words import figures, reasons, where
from coherence.show.page.marks import Excerpt, excerpt
from coherence.show.page.page import still_page

LONGEST, LONGEST_PROMPT = 2_000, 500
"""Characters of an answer and of a prompt."""

FIRST = 3
"""Reasons in the first screen; the others can be opened."""

BETTER, WORSE = 2.0, 4.0
"""How many times the tolerance a picture reaches on either side."""

WIDTH, HEIGHT = 240, 24
"""Of the picture of a comparison."""

MARKS = {"pass": "✓", "fail": "■", "inconclusive": "?", "too few": "?"}

_REPLACED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)


def check_page(found: Check, name: str) -> str:
    """Return a check as one page that needs no network.

    Args:
        found: the check.
        name: of the samples.
    """
    parts = [
        _el("header", _el("span", _text(f"{name} against {found.snapshot}"), "run")),
        _verdict(found),
        _facts(found),
        *map(_pair, found.pairs[:1]),
        _comparisons(found),
        *map(_pair, found.pairs[1:]),
        "" if found.pairs else _worst(found.heaviest),
        _notes(found),
        _provenance(found),
    ]
    return still_page(f"{name} · coherence check", "\n".join(filter(None, parts)))


def _text(text: str) -> str:
    """Return text as HTML shows it: no tag, and no character that is not seen."""
    return escape(_REPLACED.sub(lambda found: _picture(found.group()), text))


def _picture(char: str) -> str:
    return chr(0x2400 + ord(char)) if ord(char) < 32 else "␡" if char == "\x7f" else "\ufffd"


def _el(tag: str, inner: str, kind: str = "", more: str = "") -> str:
    """Return an element; `inner` is HTML, `kind` its class, `more` its other attributes."""
    named = f' class="{kind}"' if kind else ""
    return f"<{tag}{named}{' ' if more else ''}{more}>{inner}</{tag}>"


def _section(title: str, *inner: str) -> str:
    return _el("section", _el("h2", title) + "".join(inner))


def _tone(verdict: str) -> str:
    return verdict.replace(" ", "-")


# The first screen


def _verdict(found: Check) -> str:
    said = headline(found).partition(" · ")[2]
    told = reasons(found)
    more = _el("ul", "".join(_el("li", _text(each)) for each in told[FIRST:]))
    rest = _el("details", _el("summary", f"{len(told) - FIRST} more") + more) if told[FIRST:] else ""
    action = _el("p", f"{MARKS[found.verdict]} {found.verdict}", "action")
    first = "".join(_el("p", _text(each)) for each in told[:FIRST])
    return _el("div", action + _el("h1", _text(said)) + first + rest, f"verdict {_tone(found.verdict)}")


def _facts(found: Check) -> str:
    failed = [each.name for each in found.of("fail")]
    blind = [each.name for each in found.of("inconclusive")]
    gate = "halts" if found.halt else "does not halt"
    observed = "observed only" if found.observe else "as before" if found.halt and found.halted_before else ""
    rows = [
        ("samples", f"{found.samples_before:,} before, {found.samples_now:,} now", _by(found)),
        ("worse than tolerated", f"{len(failed)} of {len(found.comparisons)}", ", ".join(failed)),
        ("too few samples to tell", f"{len(blind)} of {len(found.comparisons)}", ", ".join(blind)),
        ("gate", gate, observed),
    ]
    made = (
        _el("div", _el("dt", name) + _el("dd", _el("strong", _text(value)) + _el("span", _text(more))))
        for name, value, more in rows
    )
    return _el("dl", "".join(made), "facts")


def _by(found: Check) -> str:
    return f"compared {found.by} by {found.by}" if found.by else "compared all together"


# The texts


def _pair(pair: BeforeAndNow) -> str:
    before, now = pair.before, pair.now
    old, new = excerpt(before.text, None, LONGEST), excerpt(now.text, now.prompt, LONGEST)
    old = old._replace(after=old.after + before.left_out)
    sides = _side("before", f"mean score {before.mean:.0f}", None if pair.same_prompt else before.prompt, old)
    sides += _side("now", _told(now), None if pair.same_prompt else now.prompt, new)
    return _section(
        f"Before and now: {_text(pair.why)}",
        _prompt(now.prompt) if pair.same_prompt else "",
        _el("div", sides, "pair"),
    )


def _side(name: str, told: str, prompt: str | None, shown: Excerpt) -> str:
    return _el("div", _el("h3", f"{name} {_el('small', _text(told))}") + _prompt(prompt) + _answer(shown))


def _told(heavy: Heavy) -> str:
    return f"mean score {mean_of(tuple(vars(heavy.scores).values())):.0f} · {where(heavy)}"


def _prompt(prompt: str | None) -> str:
    if not prompt:
        return ""
    cut = prompt[:LONGEST_PROMPT] + "…" * (len(prompt) > LONGEST_PROMPT)
    return _el("p", f"<b>prompt</b> {_el('bdi', _text(cut))}", "prompt")


def _answer(shown: Excerpt) -> str:
    """Return an answer in which each copy of a repeated phrase is marked."""
    made, at = "", 0
    for start, end in shown.loops:
        made += _text(shown.text[at:start]) + _el("mark", _text(shown.text[start:end]))
        at = end
    made += _text(shown.text[at:])
    before = _el("i", f"{shown.before:,} characters … ") if shown.before else ""
    after = _el("i", f" … and {shown.after:,} characters more") if shown.after else ""
    return _el("p", before + (made or _el("i", "no text")) + after, "answer", 'dir="auto"')


def _worst(heaviest: Iterable[Heavy]) -> str:
    made = [
        _el("h3", _el("small", _text(_told(heavy))))
        + _prompt(heavy.prompt)
        + _answer(excerpt(heavy.text, heavy.prompt, LONGEST))
        for heavy in heaviest
    ]
    return _section("The samples that weigh most", *made) if made else ""


# The comparisons


def _comparisons(found: Check) -> str:
    if not found.comparisons:
        return ""
    heads = ("", "before → now", "change", "← worse · better →", "")
    head = "".join(_el("th", each, more='scope="col"') for each in heads)
    caption = (
        "The dot is the change, the line its interval. Left of the dashed line it is worse than tolerated; "
        "what is further away than the picture reaches is an arrow."
    )
    rows = "".join(map(_row, found.comparisons))
    table = _el("caption", caption) + _el("thead", _el("tr", head)) + _el("tbody", rows)
    return _section("Comparisons", _el("table", table, "comparisons"))


def _row(each: Comparison) -> str:
    before, now, change, allowed, ends = figures(each)
    told = f"{ends}, allowed {allowed}" if ends else f"allowed {allowed}"
    cells = [
        _el("td", f"{before} → {now}"),
        _el("td", change),
        _el("td", _drawn(each) + _el("small", f"{told}, p = {each.p:.4f}"), "drawn"),
        _el("td", _el("b", each.verdict, "action")),
    ]
    return _el("tr", _el("th", _text(each.name), more='scope="row"') + "".join(cells), _tone(each.verdict))


def _drawn(each: Comparison) -> str:
    """Return the change and its interval; in every row the tolerance lies at one place, worse is left."""
    sign = -1.0 if each.name in SHARES else 1.0
    times = sign * each.change / each.tolerance
    middle, limit, zero = HEIGHT / 2, _across(-1.0), _across(0.0)
    made = f'<rect class="beyond" x="0" y="0" width="{limit:.1f}" height="{HEIGHT}"/>'
    made += (
        f'<path class="zero" d="M{zero:.1f} 0V{HEIGHT}"/><path class="limit" d="M{limit:.1f} 0V{HEIGHT}"/>'
    )
    label = f"{each.name}: change {each.change:+.1f}, tolerance {each.tolerance:g}"
    if each.interval is not None:
        low, high = sorted(sign * end / each.tolerance for end in each.interval)
        made += f'<path class="reach" d="M{_across(low):.1f} {middle}H{_across(high):.1f}"/>'
        made += _arrow(low < -WORSE, 1.0, 7.0) + _arrow(high > BETTER, WIDTH - 1.0, WIDTH - 7.0)
        label += f", interval {each.interval[0]:+.1f} to {each.interval[1]:+.1f}"
    if -WORSE <= times <= BETTER:
        made += f'<circle class="dot" cx="{_across(times):.1f}" cy="{middle}" r="4.5"/>'
    else:
        made += _arrow(times < 0, 1.0, 7.0) + _arrow(times > 0, WIDTH - 1.0, WIDTH - 7.0)
    return _el(
        "svg", made, "interval", f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{_text(label)}"'
    )


def _across(times: float) -> float:
    """Return where a change of so many tolerances lies; what is better lies to the right.

    >>> _across(-4.0), _across(0.0), _across(99.0)
    (6.0, 158.0, 234.0)
    """
    share = (min(max(times, -WORSE), BETTER) + WORSE) / (WORSE + BETTER)
    return 6 + share * (WIDTH - 12)


def _arrow(there: bool, tip: float, foot: float) -> str:
    """Return the head of an arrow: the interval continues outside of the picture."""
    middle = HEIGHT / 2
    return f'<path class="arrow" d="M{tip} {middle}L{foot} {middle - 5}V{middle + 5}Z"/>' if there else ""


# The end


def _notes(found: Check) -> str:
    notes = [_el("li", _text(each)) for each in found.notes]
    notes += [_el("li", _text(f"{each.file}:{each.line}: {each.message}")) for each in found.problems]
    if found.problem_count > len(found.problems):
        notes.append(_el("li", f"{found.problem_count:,} lines in all were skipped or need a look"))
    return _section("Notes", _el("ul", "".join(notes))) if notes else ""


def _provenance(found: Check) -> str:
    made = found.made
    rows = [
        ("coherence", made.version),
        ("profile", made.profile),
        ("word list", made.lexicon),
        ("prompts", made.prompts),
        ("prompt field", made.prompt_field or "the usual ones"),
        ("group by", made.group_by or "nothing"),
        ("tolerance", f"{found.tolerance:g} points"),
        ("level", f"{found.level:g}"),
    ]
    told = "".join(_el("div", _el("dt", name) + _el("dd", _text(value))) for name, value in rows)
    return _section("How it was compared", _el("dl", told, "settings"))
