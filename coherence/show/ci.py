"""A check as pipelines read it: JUnit XML, GitHub's workflow commands, a Markdown summary.

What a model wrote stands in them without the power to end a line, a tag or a code block. Source: docs/ci.md.
"""

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from coherence.check.compare import Comparison
from coherence.check.heaviest import Heavy
from coherence.check.sentences import shown
from coherence.check.statistics import FEWEST
from coherence.check.verdict import Check
from coherence.escape import UNSEEN, printable

MOST = 10
"""Annotations of a kind that GitHub shows of one step."""

EXCERPT = 300

NO_XML = re.compile(f"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|{UNSEEN.pattern}")
"""Characters that XML cannot hold, even escaped, and what would command who shows it."""


def junit(found: Check) -> str:
    """Return the check as JUnit XML, a test case for each comparison and one for the gate.

    A warning is a test that passes with output, what is inconclusive one that was skipped.
    """
    comparisons = found.comparisons
    failed = len(found.of("fail")) + found.gate_fails
    skipped = len(found.of("inconclusive"))
    counts = {"tests": len(comparisons) + 1, "failures": failed, "errors": 0}
    root = ElementTree.Element("testsuites", _attributes(name="coherence check", **counts))
    suite = ElementTree.SubElement(
        root, "testsuite", _attributes(name=found.snapshot or "snapshot", skipped=skipped, **counts)
    )
    gate = ElementTree.SubElement(suite, "testcase", _attributes(name="gate", classname="coherence.check"))
    if found.gate_fails:
        _outcome(gate, "failure", "the gate halts", f"{found.halt_reason}\n{_worst(found)}")
    for each in comparisons:
        case = ElementTree.SubElement(
            suite, "testcase", _attributes(name=each.name, classname="coherence.check")
        )
        if each.verdict == "fail":
            _outcome(case, "failure", each.sentence, f"{each.sentence}\n{_worst(found)}")
        elif each.verdict == "inconclusive":
            _outcome(case, "skipped", each.sentence, None)
        elif each.is_worse:
            ElementTree.SubElement(case, "system-out").text = _xml(f"warning: {each.sentence}")
    ElementTree.indent(root)
    return ElementTree.tostring(root, "unicode", xml_declaration=True) + "\n"


def _outcome(case: ElementTree.Element, kind: str, message: str, text: str | None) -> None:
    attributes = _attributes(message=message, **({"type": "regression"} if kind == "failure" else {}))
    ElementTree.SubElement(case, kind, attributes).text = None if text is None else _xml(text)


def _attributes(**values: object) -> dict[str, str]:
    return {name: _xml(str(value)) for name, value in values.items()}


def _xml(text: str) -> str:
    return NO_XML.sub("\ufffd", text)


def _worst(found: Check) -> str:
    return "\n".join(f"{where(heavy)}: {excerpt(heavy)}" for heavy in found.heaviest)


def where(heavy: Heavy) -> str:
    """Return where a sample stands, as a person looks for it."""
    step = "" if heavy.step is None else f"step {heavy.step:,}, "
    alike = "" if heavy.times == 1 else f" and {heavy.times - 1:,} more like it"
    return printable(f"{step}{heavy.origin.file}:{heavy.origin.line}{alike}")


def excerpt(heavy: Heavy, size: int = EXCERPT) -> str:
    """Return the beginning of a sample on one line."""
    text = printable(heavy.text)
    return (text[:size] + "…" if len(text) > size else text) or "(no text)"


def github(found: Check) -> list[str]:
    """Return a workflow command for the gate and each comparison that failed, then for the warnings.

    >>> from coherence.show.ci import command
    >>> command("error", "bigram, low", "fell by 20 %")
    '::error title=bigram%2C low::fell by 20 %25'
    """
    worst = f"\n{where(found.heaviest[0])}: {excerpt(found.heaviest[0])}" if found.heaviest else ""
    failed = [("the gate halts", found.halt_reason or "")] * found.gate_fails
    failed += [(each.name, each.sentence) for each in found.of("fail")]
    failed += [("one prompt", each.sentence) for each in found.prompts]
    failed += [("drift", each.sentence) for each in found.drifts]
    # The worst sample stands in the first: in every one it would be read ten times.
    errors = [
        command("error", f"coherence: {name}", sentence + (worst if number == 0 else ""))
        for number, (name, sentence) in enumerate(failed)
    ]
    warnings = [command("warning", f"coherence: {each.name}", each.sentence) for each in found.worse_within]
    if told := too_few(found):
        warnings.append(command("warning", "coherence: inconclusive", told))
    return errors[:MOST] + warnings[:MOST]


def command(kind: str, title: str, message: str) -> str:
    """Return a workflow command, with what has a meaning there escaped."""
    title = _escaped(title).replace(":", "%3A").replace(",", "%2C")
    return f"::{kind} title={title}::{_escaped(message)}"


def _escaped(text: str) -> str:
    lines = (printable(line).replace("%", "%25") for line in text.replace("\r\n", "\n").split("\n"))
    return "%0A".join(lines)


def too_few(found: Check) -> str:
    """Return what is inconclusive and how many samples would do, in a sentence; nothing if nothing is."""
    blind = found.of("inconclusive")
    if not blind and found.verdict != "too few":
        return ""
    sizes = f"{found.samples_before:,} samples before and {found.samples_now:,} now"
    if not blind or found.verdict == "too few":
        return f"{sizes} are too few to compare; {FEWEST} a side are the least, 200 are good"
    names = ", ".join(each.name for each in blind)
    told = [each.needed for each in blind]
    needed = [each for each in told if each is not None]
    more = f"; {max(needed):,} a side would do" if needed else ""
    if None in told:
        more += "; of some no number would: draw both sides with the same prompts"
    return f"{sizes} are too few to tell whether the change is within the tolerance in {names}{more}"


HEADLINES = {
    "pass": "as well as before",
    "fail": "worse than before",
    "inconclusive": "not worse, as far as so few samples can tell",
    "too few": "too few samples to compare",
}


def headline(found: Check) -> str:
    """Return the verdict in a line."""
    said = HEADLINES[found.verdict]
    if found.gate_fails:
        said = "the gate halts, and did not on the snapshot"
    elif found.halt:
        said += "; the gate halts" + (", as on the snapshot" if found.halted_before else "")
    return f"{found.verdict.upper()} · {said}"


def markdown(found: Check) -> str:
    """Return a summary in GitHub's Markdown."""
    lines = [f"### coherence check: {headline(found)}", ""]
    if found.halt_reason is not None:
        lines += [f"The gate halts: {_plain(found.halt_reason)}.", ""]
    lines += ["| | before | now | change | interval | verdict |", "|---|--:|--:|--:|--:|---|"]
    lines += [_row(each) for each in found.comparisons]
    lines += ["", *(f"- {_plain(each)}" for each in reasons(found))]
    if told := too_few(found):
        lines.append(f"- {_plain(told)}")
    for heavy in found.heaviest if found.verdict == "fail" else ():
        lines += [
            "",
            f"<details><summary>{_plain(where(heavy))}</summary>",
            "",
            *_fenced(heavy),
            "",
            "</details>",
        ]
    return "\n".join(lines) + "\n"


def reasons(found: Check) -> list[str]:
    """Return why a check failed, and what changed for the worse within the tolerance, in sentences."""
    failed = [each.sentence for each in found.of("fail")]
    failed += [each.sentence for each in found.prompts]
    failed += [each.sentence for each in found.drifts]
    return failed + [each.sentence for each in found.worse_within]


def _row(each: Comparison) -> str:
    bold = "**" if each.verdict == "fail" else ""
    cells = [each.name, *figures(each), f"{bold}{each.verdict}{bold}"]
    return f"| {' | '.join(cells)} |"


def figures(each: Comparison) -> list[str]:
    """Return before, now, change and interval as they are read."""
    of_length, change = each.name == "length", each.change
    sign = "-" if change < 0 else "+"
    signed = f"{sign}{shown(abs(change), each.tolerance)}" if change else "0.0"
    ends = "" if each.interval is None else " to ".join(f"{end + 0.0:+.1f}" for end in each.interval)
    means = [f"{end:,.0f}" if of_length else shown(end) for end in (each.before, each.now)]
    return [*means, f"{signed} %" if of_length else signed, ends]


def _plain(text: str) -> str:
    """Return a text in which nothing is Markdown or HTML."""
    # GitHub makes a link of an address that begins with www, and a formula of what stands between dollars.
    return re.sub(r"([\\`*_{}\[\]<>()#|~&:@!$]|(?i:(?<=www)\.))", r"\\\1", printable(text))


def _fenced(heavy: Heavy) -> Sequence[str]:
    text = excerpt(heavy, 1_000)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return fence + "text", text, fence
