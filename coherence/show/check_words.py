"""What is said of a check, the same in the terminal, in a pipeline and on a page.

Source: docs/ci.md, "Outputs".
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from coherence.check.causes import Cause, causes, chance, gate_sentence, within
from coherence.check.compare import SHARES, Comparison
from coherence.check.sentences import SAME_PROMPTS, UNSETTLED, shown
from coherence.check.statistics import FEWEST
from coherence.check.texts import Heavy
from coherence.check.verdict import Check
from coherence.escape import printable

EXCERPT = 300
"""Characters of a sample that are shown on a line."""


class Finding(NamedTuple):
    """What is to be said of a check, one thing at a time.

    Attributes:
        kind: `error` for why it fails, `warning` for what it could not tell, `notice` for what it tolerates.
        name: always the same for the same thing.
        title, message: for people.
    """

    kind: Literal["error", "warning", "notice"]
    name: str
    title: str
    message: str


def findings(found: Check) -> list[Finding]:
    """Return all that is to be said, errors first; nothing if all is as well as before."""
    told = [Finding("error", each.name, each.title, sentence_of(each)) for each in causes(found)]
    if found.verdict != "fail" and (few := too_few(found)):
        told.append(Finding("warning", "too few", "too few samples to tell", few))
    if gate := gate_sentence(found):
        told.append(Finding("notice", "gate", "the gate halts, and does not decide", gate))
    if tolerated := within(found):
        told.append(Finding("notice", "within", "worse, but within the tolerance", tolerated))
    return told


def sentence_of(cause: Cause) -> str:
    r"""Return a cause in a sentence, with what it quotes on one line.

    >>> sentence_of(Cause("prompts", "one prompt has collapsed", "8 of 8", "Tell me\n a story."))
    'One prompt has collapsed: 8 of 8: Tell me a story.'
    """
    quoted = " ".join(printable(" ".join(cause.quoted.split())).split())
    return f"{cause.sentence[:-1]}: {cut(quoted, EXCERPT)}" if quoted else cause.sentence


def reasons(found: Check) -> list[str]:
    """Return why a check failed, and what else is to be said of it, in sentences."""
    told = [sentence_of(each) for each in causes(found)]
    return [each for each in (*told, chance(found), *remarks(found)) if each]


def remarks(found: Check) -> list[str]:
    """Return what is to be said of a check besides why it failed, in sentences."""
    return [each.message for each in findings(found) if each.kind != "error"]


def evidence(found: Check) -> Sequence[Heavy]:
    """Return the samples to show: none where nothing got worse."""
    doubtful = [each for each in found.of("inconclusive") if (each.change > 0) == (each.name in SHARES)]
    worse = found.verdict == "fail" or found.worse_within or any(each.change for each in doubtful)
    return found.heaviest if worse else ()


def where(heavy: Heavy) -> str:
    """Return where a sample is, as a person looks for it."""
    step = "" if heavy.step is None else f"step {heavy.step:,}, "
    alike = "" if heavy.times == 1 else f" and {heavy.times - 1:,} more like it"
    return printable(f"{step}{heavy.origin.file}:{heavy.origin.line}{alike}")


def scores_of(heavy: Heavy) -> str:
    """Return the scores of a sample, in a line."""
    told = vars(heavy.scores).items()
    return ", ".join(f"{name} {'-' if value is None else f'{value:.0f}'}" for name, value in told)


def excerpt(heavy: Heavy, size: int = EXCERPT) -> str:
    """Return the beginning of a sample on one line."""
    return cut(printable(heavy.text), size) or "(no text)"


def cut(text: str, size: int) -> str:
    """Return the beginning of a text, and a sign if that is not all.

    >>> cut("abcdef", 3), cut("abc", 3)
    ('abc…', 'abc')
    """
    return text[:size] + "…" if len(text) > size else text


def too_few(found: Check) -> str:
    """Return what is inconclusive and how many samples would do, in a sentence; nothing if nothing is."""
    blind = found.of("inconclusive")
    if not blind and found.verdict != "too few":
        return ""
    sizes = f"{found.samples_before:,} samples before and {found.samples_now:,} now"
    if not blind or found.verdict == "too few":
        return f"{sizes} are too few to compare; at least {FEWEST} on each side are needed, better 200."
    told = [f"{sizes} are too few to tell whether the change is within the tolerance in {_named(blind)}"]
    if needed := [each.needed for each in blind if each.needed is not None]:
        told.append(f"about {max(needed):,} on each side would do")
    unsettled = [each for each in blind if each.needed is None]
    if of_few_prompts := [each for each in unsettled if each.of_few_prompts]:
        told.append(f"for {_named(of_few_prompts)} {SAME_PROMPTS}")
    if near := [each for each in unsettled if not each.of_few_prompts]:
        told.append(f"the change in {_named(near)} {UNSETTLED}")
    return f"{'; '.join(told)}."


def _named(comparisons: Sequence[Comparison]) -> str:
    return ", ".join(f'"{each.name}"' for each in comparisons)


def figures(each: Comparison) -> list[str]:
    """Return before, now, change, how much of it is allowed, and the interval, as they are read."""
    of_length, change = each.name == "length", each.change
    unit = " %" if of_length else ""
    size = shown(abs(change), each.tolerance)
    signed = f"{'-' if change < 0 else '+'}{size}" if float(size) else size
    ends = (
        "" if each.interval is None else " to ".join(f"{round(end, 1) + 0.0:+.1f}" for end in each.interval)
    )
    means = [f"{end:,.0f}" if of_length else shown(end) for end in (each.before, each.now)]
    sign = "+" if each.name in SHARES else "-"
    return [*means, f"{signed}{unit}", f"{sign}{each.tolerance:g}{unit}", ends]
