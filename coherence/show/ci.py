"""A check as pipelines read it: JUnit XML, GitHub's annotations, GitLab's code quality.

What a model wrote is in them without the power to end a line or a tag. Source: docs/ci.md, "Outputs".
"""

import hashlib
import json
import os
import re
from xml.etree import ElementTree

from coherence.check.causes import chance, gate_sentence
from coherence.check.compare import Comparison
from coherence.check.verdict import Check
from coherence.escape import UNSEEN, printable
from coherence.show.check_words import evidence, excerpt, findings, where

MOST = 10
"""Annotations of a kind that GitHub shows of one step."""

SEVERITY = {"error": "major", "warning": "minor", "notice": "info"}
"""What GitLab calls the kinds of GitHub's annotations."""

NO_XML = re.compile(f"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|{UNSEEN.pattern}")
"""Characters that XML cannot hold, even escaped, and what would command who shows it."""


# JUnit


def junit(found: Check) -> str:
    """Return the check as JUnit XML.

    A test case for the gate, each comparison, single prompts, and the oldest snapshot. What is inconclusive
    was skipped; what is worse within the tolerance passes with output. The samples that weigh most are there
    once, as the output of the suite.
    """
    cases = [_gate_case(found), *map(_case, found.comparisons)]
    for name, told in (("prompts", found.prompts), ("oldest snapshot", found.drifts)):
        case = _test_case(name)
        if told:
            _outcome(case, "failure", told[0].sentence, "\n".join(each.sentence for each in told))
        cases.append(case)
    tags = [part.tag for case in cases for part in case]
    counts = {"tests": len(cases), "failures": tags.count("failure"), "errors": 0}
    root = ElementTree.Element("testsuites", _attributes(name="coherence check", **counts))
    attributes = _attributes(name=found.snapshot or "snapshot", skipped=tags.count("skipped"), **counts)
    suite = ElementTree.SubElement(root, "testsuite", attributes)
    suite.extend(cases)
    if worst := evidence(found):
        text = "\n".join(f"{where(heavy)}: {excerpt(heavy)}" for heavy in worst)
        ElementTree.SubElement(suite, "system-out").text = _xml(text)
    ElementTree.indent(root)
    return ElementTree.tostring(root, "unicode", xml_declaration=True) + "\n"


def _test_case(name: str) -> ElementTree.Element:
    return ElementTree.Element("testcase", _attributes(name=name, classname="coherence.check"))


def _gate_case(found: Check) -> ElementTree.Element:
    case = _test_case("gate")
    if found.gate_fails:
        _outcome(case, "failure", "the gate halts, and did not on the snapshot", found.halt_reason)
    elif told := gate_sentence(found):
        ElementTree.SubElement(case, "system-out").text = _xml(told)
    return case


def _case(each: Comparison) -> ElementTree.Element:
    case = _test_case(each.name)
    if each.verdict == "fail":
        _outcome(case, "failure", each.sentence, each.sentence)
    elif each.verdict == "inconclusive":
        _outcome(case, "skipped", each.sentence, None)
    elif each.is_worse:
        ElementTree.SubElement(case, "system-out").text = _xml(each.sentence)
    return case


def _outcome(case: ElementTree.Element, kind: str, message: str, text: str | None) -> None:
    attributes = _attributes(message=message, **({"type": "regression"} if kind == "failure" else {}))
    ElementTree.SubElement(case, kind, attributes).text = None if text is None else _xml(text)


def _attributes(**values: object) -> dict[str, str]:
    return {name: _xml(str(value)) for name, value in values.items()}


def _xml(text: str) -> str:
    return NO_XML.sub("\ufffd", text)


# GitHub and GitLab


def github(found: Check, top: str | None = None) -> list[str]:
    """Return a workflow command for each finding, at the first line of the snapshot.

    Args:
        found: the check.
        top: the folder that GitHub takes names of files from.
    """
    at = {"file": repository_path(found.snapshot, top), "line": "1"}
    told = findings(found)
    lines = []
    for number, each in enumerate(told):
        parts = [each.message]
        if number == 0 and each.kind == "error":
            # Once, with the first: with every one they would be read ten times.
            parts += [chance(found), *(f"{where(heavy)}: {excerpt(heavy)}" for heavy in evidence(found)[:1])]
        message = "\n".join(part for part in parts if part)
        lines.append((each.kind, command(each.kind, f"coherence: {each.title}", message, **at)))
    kinds = [kind for kind, _ in lines]
    return [line for n, (kind, line) in enumerate(lines) if kinds[:n].count(kind) < MOST]


def command(kind: str, title: str, message: str, **properties: str) -> str:
    """Return a workflow command, with what has a meaning there escaped.

    >>> command("error", "bigram, low", "fell by 20 %", file="good.json", line="1")
    '::error file=good.json,line=1,title=bigram%2C low::fell by 20 %25'
    """
    told = {**properties, "title": title}
    values = ",".join(
        f"{name}={_escaped(value).replace(':', '%3A').replace(',', '%2C')}" for name, value in told.items()
    )
    return f"::{kind} {values}::{_escaped(message)}"


def _escaped(text: str) -> str:
    lines = (printable(line).replace("%", "%25") for line in text.replace("\r\n", "\n").split("\n"))
    return "%0A".join(lines)


def gitlab(found: Check, top: str | None = None) -> str:
    """Return the findings as a code quality report; what is found again has the same fingerprint.

    Args:
        found: the check.
        top: the folder of the project.
    """
    path = printable(repository_path(found.snapshot, top))
    return json.dumps(
        [
            {
                "description": printable(each.message),
                "check_name": f"coherence {each.name}",
                "fingerprint": hashlib.sha256(f"coherence\n{path}\n{each.name}".encode()).hexdigest(),
                "severity": SEVERITY[each.kind],
                "location": {"path": path, "lines": {"begin": 1}},
            }
            for each in findings(found)
        ],
        indent=2,
    )


def repository_path(path: str, top: str | None) -> str:
    """Return a path as it is from the top of the repository; as it is where it lies outside.

    >>> repository_path("/repo/a/good.json", "/repo"), repository_path("/elsewhere/good.json", "/repo")
    ('a/good.json', '/elsewhere/good.json')
    """
    try:
        inside = os.path.relpath(path, top or None)
    except (OSError, ValueError):  # a folder that was deleted, another drive
        return path
    return path if inside.startswith("..") else inside.replace(os.sep, "/")
