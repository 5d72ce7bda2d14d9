"""A check as Markdown: the summary of a job on GitHub, a comment in a pull request.

What others wrote is in code alone, where it makes no heading, link, mention or tag.

Source: docs/ci.md, "Outputs".
"""

import html
import re
from collections.abc import Iterator
from textwrap import wrap

from coherence.check.causes import causes, chance, gate_sentence, headline
from coherence.check.compare import Comparison
from coherence.check.verdict import Check
from coherence.escape import printable
from coherence.show.check_words import EXCERPT, cut, evidence, figures, remarks, scores_of, where

TEXT, LINES, WIDTH = 1_000, 15, 100
"""Characters and lines of a sample, and the width of a line."""


def markdown(found: Check) -> str:
    """Return the check as GitHub's Markdown: the verdict, its causes, a sample to see, the table."""
    parts = [f"### coherence check: {_plain(headline(found))}", "\n".join(_reasons(found)), _what(found)]
    parts += [
        _details(
            f"<code>{html.escape(where(heavy))}</code>: {scores_of(heavy)}", heavy.text, opened=not number
        )
        for number, heavy in enumerate(evidence(found))
    ]
    parts.append(_table(found))
    if found.notes:
        parts.append(_details("Notes", "\n".join(found.notes), opened=bool(gate_sentence(found))))
    return "\n\n".join(part for part in parts if part) + "\n"


def _reasons(found: Check) -> Iterator[str]:
    for each in causes(found):
        yield f"- {_plain(each.sentence)}{f' {_code(each.quoted)}' if each.quoted else ''}"
    yield from (f"- {_plain(sentence)}" for sentence in remarks(found))


def _what(found: Check) -> str:
    by = f", within each {_code(found.by)}" if found.by else ""
    told = chance(found)
    level = "" if told else f", level {found.level:g}"
    return (
        f"{_plain(told)}{' ' * bool(told)}{found.samples_now:,} samples against {found.samples_before:,} of "
        f"{_code(found.snapshot)}{by}; tolerance {found.tolerance:g} points{level}."
    )


def _table(found: Check) -> str:
    if not found.comparisons:
        return ""
    lines = ["| | before | now | change | allowed | interval | |", "|---|--:|--:|--:|--:|--:|---|"]
    return "\n".join([*lines, *map(_row, found.comparisons)])


def _row(each: Comparison) -> str:
    bold = "**" if each.verdict == "fail" else ""
    return f"| {' | '.join([each.name, *figures(each), f'{bold}{each.verdict}{bold}'])} |"


def _details(summary: str, text: str, opened: bool = False) -> str:
    """Return a text that is shown on demand; the summary is HTML, in which Markdown means nothing."""
    lines = [part for line in cut(text, TEXT).split("\n") for part in wrap(printable(line), WIDTH) or [""]]
    if len(lines) > LINES:
        lines[LINES - 1 :] = ["…"]
    shown = "\n".join(lines).strip("\n") or "(no text)"
    fence = "`" * max(3, _longest_run(shown) + 1)
    tag = "<details open>" if opened else "<details>"
    return f"{tag}<summary>{summary}</summary>\n\n{fence}text\n{shown}\n{fence}\n\n</details>"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def _code(text: str) -> str:
    """Return what others wrote as code, on one line.

    >>> _code("a `b` <c>"), _code("`")
    ('`` a `b` <c> ``', '`` ` ``')
    """
    shown = cut(" ".join(printable(text).split()), EXCERPT) or "(nothing)"
    run = _longest_run(shown)
    fence, space = "`" * (run + 1), " " if run else ""
    return f"{fence}{space}{shown}{space}{fence}"


def _plain(text: str) -> str:
    r"""Return a text in which nothing is Markdown or HTML.

    >>> _plain("5 % <b> *low*")
    '5 % &lt;b&gt; \\*low\\*'
    """
    escaped = html.escape(printable(text), quote=False)
    # GitHub makes a link of an address, and a formula of what is between dollars.
    return re.sub(r"([\\`*_{}\[\]#|~@!$]|:(?=//)|(?i:(?<=www)\.))", r"\\\1", escaped)
