"""Words the result of a comparison in sentences.

Source: docs/ci.md.
"""

import math
from typing import NamedTuple

from coherence.check.compared import BETWEEN, QUANTITIES, WITHIN
from coherence.check.other_tests import Collapsed
from coherence.check.snapshot import CAP

DIGITS = 4
"""The most digits after the point that are shown."""


def shown(value: float, limit: float = math.nan) -> str:
    """Return points as text: to a tenth, or with enough digits to show on which side of a limit they are.

    >>> shown(5.26), shown(5.004, 5.0), shown(4.996, 5.0), shown(5.0, 5.0), shown(5.00000001, 5.0)
    ('5.3', '5.004', '4.996', '5.0', '5.0000')
    """
    digits = next(
        (
            n
            for n in range(1, DIGITS)
            if (round(value, n) > limit, round(value, n) < limit) == (value > limit, value < limit)
        ),
        DIGITS,
    )
    return f"{round(value, digits) + 0.0:.{digits}f}"


SAME_PROMPTS = "draw both sides with the same prompts"
UNSETTLED = f"would not be settled by {CAP:,} samples, the most that are compared"
"""What is said where more samples would not help."""


class Found(NamedTuple):
    """The figures of a comparison that a sentence needs; `worse` and `tolerance` in the same units."""

    name: str
    before: float
    now: float
    worse: float
    tolerance: float
    p: float
    beyond_chance: bool
    sizes: tuple[int, int]
    needed: int | None
    few_prompts: bool


def sentence_of(found: Found, verdict: str) -> str:
    """Return the result of a comparison as a sentence.

    >>> found = Found("low", 0.0, 12.5, 12.5, 2.0, 0.0007, True, (200, 200), None, False)
    >>> sentence_of(found, "fail").removeprefix("the share of low samples rose by 12.5 points ")
    '(0.0 before, 12.5 now): more than the tolerance of 2, and beyond chance (p = 0.0007)'
    """
    title, tolerance = QUANTITIES[found.name].title, f"{found.tolerance:g}"
    moved, chance = f"{title} {_moved(found)}", _p_value(found.p)
    if verdict == "fail":
        return f"{moved}: more than the tolerance of {tolerance}, and beyond chance ({chance})"
    if verdict == "pass":
        if found.beyond_chance:
            return f"{moved}: beyond chance ({chance}), but within the tolerance of {tolerance}"
        return f"{title}: {_ends(found)}, within the tolerance of {tolerance}"
    unit = "pairs of samples" if found.name in (WITHIN, BETWEEN) else "samples"
    sizes = f"{found.sizes[0]:,} {unit} before and {found.sizes[1]:,} now"
    return f"{title} ({_ends(found)}): {sizes} are {too_few_for(tolerance, found.needed, found.few_prompts)}"


def _p_value(p: float) -> str:
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.4f}"


def _moved(found: Found) -> str:
    rises = QUANTITIES[found.name].kind == "share"
    unit = "%" if found.name == "length" else "points"
    by = shown(abs(found.worse), found.tolerance) + ("" if unit == "%" else " ") + unit
    return f"{'rose' if rises else 'fell'} by {by} ({_ends(found)})"


def _ends(found: Found) -> str:
    if found.name == "length":
        return f"{found.before:,.0f} tokens before, {found.now:,.0f} now"
    return f"{shown(found.before)} before, {shown(found.now)} now"


def too_few_for(tolerance: str, needed: int | None, few_prompts: bool) -> str:
    """Return what there are too few samples for, and how many would do.

    >>> too_few_for("5", 120, False)
    'too few to tell whether the change is within the tolerance of 5; 120 a side would do'
    >>> too_few_for("5", None, True)[-40:], too_few_for("5", None, False)[-30:]
    ('5; draw both sides with the same prompts', 'es, the most that are compared')
    """
    told = f"to tell whether the change is within the tolerance of {tolerance}"
    if few_prompts:
        return f"of too few prompts {told}; {SAME_PROMPTS}"
    more = f"it {UNSETTLED}" if needed is None else f"{needed:,} a side would do"
    return f"too few {told}; {more}"


def collapsed_sentence(found: Collapsed, prompt: str | None) -> str:
    """Return a sentence about a prompt that has collapsed by itself.

    >>> collapsed_sentence(Collapsed("1f", 0, 8, 8, 8, 0.00001), "Tell me a story.")[82:]
    '0 of 8 before (p < 0.0001): Tell me a story.'
    """
    named = f"number {found.prompt}" if prompt is None else " ".join(prompt.split())
    return (
        f"one prompt has collapsed: of its samples {found.bad_now} of {found.now} are low, empty or say much "
        f"again, {found.bad_before} of {found.before} before ({_p_value(found.p)}): {named}"
    )
