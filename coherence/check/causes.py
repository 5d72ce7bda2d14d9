"""Explains the result of a check: failed comparisons, grouped by what has happened to the samples.

A loop lowers four scores and raises two shares: one thing to read, not six. Source: docs/ci.md, "Outputs".
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from coherence.check.compare import OTHER_TESTS, Comparison
from coherence.check.compared import BETWEEN, QUANTITIES, WITHIN
from coherence.check.history import Drift
from coherence.check.sentences import shown
from coherence.check.verdict import Check
from coherence.scoring.profile import SCALES

LOOPS = ("low", "said again")

TITLES = {
    "empty": 2 * ("more samples are empty",),
    "english": ("fewer words are English", "the words are no longer English"),
    "word order": ("the words are less in order", "the words are no longer in order"),
    "cut off": 2 * ("more samples end in the middle",),
    "length": 2 * ("the samples are {:.0f} % shorter",),
    "repeated": 2 * ("more samples begin like another one",),
    "not English": 2 * ("fewer samples are in English",),
    "too short": 2 * ("more samples are too short to judge",),
    "templated": 2 * ("more samples are templates",),
}
"""What has happened, for causes of a single comparison; the second title if less than half is left."""

SMALLEST = 0.0001
"""The smallest p-value that is shown."""


class Cause(NamedTuple):
    """One thing that has happened to the samples.

    Attributes:
        name: a fixed name of the cause, for programs.
        title: a few words with which a sentence can begin.
        detail: the figures.
        quoted: a text that it refers to, such as a prompt; empty for none.
    """

    name: str
    title: str
    detail: str
    quoted: str = ""

    @property
    def sentence(self) -> str:
        """Title and detail in a sentence, without the quoted text.

        >>> Cause("empty", "more samples are empty", "12 % now, 0 % before").sentence
        'More samples are empty: 12 % now, 0 % before.'
        """
        return f"{self.title[:1].upper()}{self.title[1:]}: {self.detail}."


def causes(found: Check) -> list[Cause]:
    """Return why a check fails, the most important cause first; empty if it does not fail."""
    failed = {each.name: each for each in found.of("fail")}
    gate = [Cause("gate", "the gate halts", found.halt_reason or "")]
    # A comparison that has failed is not repeated as a drift.
    drifts = [each for each in found.drifts if each.name not in failed]
    compared = _of_comparisons(failed, {each.name: each for each in found.comparisons})
    return [*gate * found.gate_fails, *compared, *_of_prompts(found), *_of_drifts(drifts)]


def headline(found: Check) -> str:
    """Return the verdict and the first cause in a line."""
    if found.verdict == "fail":
        first, *others = causes(found)
        more = f", and {len(others)} more" if others else ""
        return f"FAIL · {first.title}{', and did not on the snapshot' if found.gate_fails else more}"
    said = {
        "pass": "PASS · as well as before",
        "inconclusive": "INCONCLUSIVE · too few samples to tell",
        "too few": "TOO FEW SAMPLES · nothing is compared",
    }[found.verdict]
    if found.verdict == "pass" and not any(each.name in SCALES for each in found.comparisons):
        said = "PASS · but no score is compared"
    if found.verdict == "pass" and found.worse_within:
        said = "PASS · worse than before, but within the tolerance"
    return f"{said}; the gate halts, {_why_it_passes(found)}" if found.halt else said


def gate_sentence(found: Check) -> str:
    """Return a sentence about a gate that halts without failing the check; empty for any other gate."""
    if not found.halt or found.gate_fails:
        return ""
    more = (
        ""
        if found.observe or not found.halted_before
        else " Samples of another kind of text need a profile: --profile."
    )
    return f"The gate halts, {_why_it_passes(found)}: {found.halt_reason}.{more}"


def _why_it_passes(found: Check) -> str:
    if found.halted_before:
        return "as on the snapshot"
    return "which is only observed" if found.observe else "which may be chance"


def chance(found: Check) -> str:
    """Return how likely it is that a check fails by chance; empty if no comparison failed.

    The largest p-value of the failed comparisons, and the chance that any comparison fails without a cause.
    """
    several = len(found.comparisons) + OTHER_TESTS
    told = [each.p for each in found.of("fail")] + [several * each.p for each in found.prompts]
    if not told:
        return ""
    p = max(SMALLEST, *told)
    return f"p ≤ {p:.4f}; the chance of any false alarm is at most {100 * found.level:g} %."


def within(found: Check) -> str:
    """Return a sentence about what changed for the worse within the tolerance; empty if nothing did."""
    told = [f"{QUANTITIES[each.name].title} ({_ends(each)})" for each in found.worse_within]
    return f"Worse beyond chance, but within the tolerance: {_listed(told)}." if told else ""


def _of_comparisons(failed: Mapping[str, Comparison], all_of: Mapping[str, Comparison]) -> list[Cause]:
    """Return the causes, first the one whose change is the largest multiple of what is allowed."""

    def times_allowed(explained: tuple[Sequence[Comparison], Cause]) -> float:
        return max(abs(each.change) / each.tolerance for each in explained[0])

    told = sorted(_explained(failed, all_of), key=times_allowed, reverse=True)
    return [cause for _, cause in told]


def _explained(
    failed: Mapping[str, Comparison], all_of: Mapping[str, Comparison]
) -> Iterator[tuple[Sequence[Comparison], Cause]]:
    """Yield each cause after the comparisons that it explains."""
    left = dict(failed)

    def take(*names: str) -> list[Comparison]:
        return [left.pop(name) for name in names if name in left]

    english = take("english") if _is_of_words(all_of) else []
    if loops := take(*LOOPS):
        scores = take(*SCALES)
        alike = take("repeated") if _are_those(failed.get("repeated"), loops) else []
        yield [*loops, *scores, *alike], _loops(loops, scores)
    if pairs := take(BETWEEN, WITHIN):
        yield pairs, _alike(pairs)
    if scores := take(*SCALES):
        yield scores, Cause("diversity", "the samples vary less", _scores(scores))
    yield from (([each], _alone(each)) for each in (*english, *left.values()))


def _are_those(repeated: Comparison | None, loops: Sequence[Comparison]) -> bool:
    """Tell whether no more samples begin alike than loop: loops that are the same begin alike."""
    return repeated is not None and repeated.change <= max(each.change for each in loops)


def _is_of_words(all_of: Mapping[str, Comparison]) -> bool:
    """Tell whether the English score fell much more than the others: words changed, not variety."""
    if "english" not in all_of:
        return False
    english = all_of["english"]
    others = [all_of[name].change for name in SCALES if name in all_of and name != "english"]
    return english.change < min(others, default=0.0) - english.tolerance


def _alone(each: Comparison) -> Cause:
    """Return the cause of a single comparison."""
    title = TITLES[each.name][each.now < each.before / 2].format(abs(each.change))
    return Cause(each.name, title, _figures(each))


def _loops(loops: Sequence[Comparison], scores: Sequence[Comparison]) -> Cause:
    words = {"low": "are low", "said again": "say much again"}
    now = " and ".join(f"{_percent(each.now)} % {words[each.name]}" for each in loops)
    before = list(dict.fromkeys(f"{_percent(each.before)} %" for each in loops))
    detail = f"{now}, {' and '.join(before)} before" + (f"; {_scores(scores)}" if scores else "")
    looped = any(each.name == "said again" for each in loops)
    return Cause("loops", "more samples loop" if looped else "more samples are low on every scale", detail)


def _scores(scores: Sequence[Comparison]) -> str:
    """Return how far scores fell, in words."""
    names = [each.name for each in scores]
    falls = sorted({float(shown(-each.change, each.tolerance)) for each in scores})
    by = " to ".join(f"{fall}" for fall in dict.fromkeys((falls[0], falls[-1])))
    if len(names) == len(SCALES):
        return f"all four scores fell by {by} points"
    return f"the {_listed(names)} score{'s' * (len(names) > 1)} fell by {by} points"


def _alike(pairs: Sequence[Comparison]) -> Cause:
    halved = any(each.now < each.before / 2 for each in pairs)
    where = "whatever the prompt" if pairs[0].name == BETWEEN else "where the prompt is the same"
    title = f"the samples are {'alike' if halved else 'more alike'} {where}"
    return Cause("alike", title, "; ".join(map(_figures, pairs)))


def _figures(each: Comparison) -> str:
    kind = QUANTITIES[each.name].kind
    if kind == "share":
        return f"{_percent(each.now)} % now, {_percent(each.before)} % before"
    if kind == "length":
        return _ends(each)
    return f"{QUANTITIES[each.name].title} is {shown(each.now)}, {shown(each.before)} before"


def _ends(each: Comparison) -> str:
    if each.name == "length":
        return f"{each.before:,.0f} tokens before, {each.now:,.0f} now"
    return f"{shown(each.before)} before, {shown(each.now)} now"


def _percent(share: float) -> str:
    """Return a share in percent, without a decimal if it is 0.

    >>> _percent(15.62), _percent(20.0)
    ('15.6', '20')
    """
    return shown(share).removesuffix(".0")


def _of_prompts(found: Check) -> list[Cause]:
    if not found.prompts:
        return []
    first, count = found.prompts[0], len(found.prompts)
    title = "one prompt has collapsed" if count == 1 else f"{count} prompts have collapsed"
    which = "its samples" if count == 1 else "the samples of the worst one"
    detail = (
        f"of {which} {first.bad_now} of {first.now} are low, empty or say much again, "
        f"{first.bad_before} of {first.before} before"
    )
    return [Cause("prompts", title, detail, first.prompt or "")]


def _of_drifts(drifts: Sequence[Drift]) -> list[Cause]:
    if not drifts:
        return []
    told = [f"{QUANTITIES[each.name].title} went from {_told(each)}" for each in drifts]
    return [Cause("drift", "the samples are worse than the oldest snapshot", _listed(told))]


def _told(drift: Drift) -> str:
    ends = drift.before, drift.now
    return " to ".join(f"{end:,.0f}" if drift.name == "length" else shown(end) for end in ends) + (
        " tokens" if drift.name == "length" else ""
    )


def _listed(names: Sequence[str]) -> str:
    """Return names as a sentence lists them.

    >>> _listed(["a"]), _listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
