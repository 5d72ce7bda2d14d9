"""Finds the prompts of a dump that does not state them: the beginnings that samples share at every step."""

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice, pairwise

from coherence.readers.records import Sample
from coherence.scoring.text import is_word, tokenize

LOOKED_AT = 1_000
"""Samples; what they do not share is not a prompt."""

LONGEST = 8_192
"""Characters of a sample that are compared."""

FEWEST_STEPS = 5
"""Steps; the samples of fewer begin alike by chance."""

FEWEST_WORDS = 2
"""Words of a prefix: many texts begin with the same single word, "The" or "Once"."""

FEWEST_NEXT = 3
"""Different words that follow a prompt; a greedy text that changes now and then has one or two."""

_WORD = re.compile(r"\w+")

STEADY = 0.8
"""The share of steps at which the same number of samples begin with it, or the same share of them."""


def shared_prefixes(samples: Iterable[Sample]) -> tuple[str, ...]:
    """Return the beginnings that samples without a stated prompt share, the longest first.

    The same number of samples begin with a prompt at every step, and what follows it differs. A text that is
    the same at every step is not a prompt, nor is a loop, nor a single word with which many texts begin.

    Args:
        samples: of a run; the first 1,000 without a prompt are looked at.

    >>> said = ["a cat", "the dog", "my house", "no end", "two trees", "an old song"]
    >>> shared_prefixes(Sample(i, f"Once there was {t}", "samples.jsonl", i) for i, t in enumerate(said))
    ('Once there was',)
    """
    steps = _by_step(samples)
    if len(steps) < FEWEST_STEPS:
        return ()
    widest: list[str] = max(steps, key=len)
    found = {_shared(text, steps) for text in widest}
    return tuple(sorted((prefix for prefix in found if _is_prompt(prefix, steps)), key=_longest_first))


def _longest_first(prefix: str) -> tuple[int, str]:
    return -len(prefix), prefix


def _by_step(samples: Iterable[Sample]) -> list[list[str]]:
    """Return the texts of each step, sorted; a sample without a step counts as a step."""
    steps: defaultdict[object, list[str]] = defaultdict(list)
    # A sample that a monitor judged without a prompt has none.
    unprompted = (sample for sample in samples if not sample.prompt and sample.place is None)
    looked_at = list(islice(unprompted, LOOKED_AT))
    for number, sample in enumerate(looked_at):
        steps[("row", number) if sample.step is None else sample.step].append(sample.text[:LONGEST])
    if len(looked_at) == LOOKED_AT and len(steps) > FEWEST_STEPS:
        steps.popitem()  # the step at which it ended may have more
    return [sorted(texts) for texts in steps.values()]


def _shared(text: str, steps: Sequence[Sequence[str]]) -> str:
    """Return the beginning of a text that samples of every step share, in whole words."""
    for texts in steps:
        at = bisect_left(texts, text)
        text = max((_common(text, near) for near in texts[max(at - 1, 0) : at + 1]), key=len, default="")
    return text.rstrip()


def _common(one: str, other: str) -> str:
    """Return the beginning that two texts share, without an incomplete word."""
    shared = one[: _alike(one, other)]
    goes_on = [text[len(shared) : len(shared) + 1].isalnum() for text in (one, other)]
    if not any(goes_on):
        return shared
    half = _WORD.match(shared[::-1])  # from the end: a search for it would begin again at every letter
    return shared[: len(shared) - half.end()] if half else shared


def _alike(one: str, other: str) -> int:
    """Return how many characters two texts share at their beginnings, found by bisection."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return low


def _is_prompt(prefix: str, steps: Sequence[Sequence[str]]) -> bool:
    tokens = tokenize(prefix.casefold())
    if sum(map(is_word, tokens)) < FEWEST_WORDS or _loops(tokens):
        return False
    counts = [sum(text.startswith(prefix) for text in texts) for texts in steps]
    shares = [count / len(texts) for count, texts in zip(counts, steps, strict=True)]
    steady = max(Counter(values).most_common(1)[0][1] for values in (counts, shares))
    rests = {text[len(prefix) :].strip() for texts in steps for text in texts if text.startswith(prefix)}
    nexts = {rest.split(maxsplit=1)[0] for rest in rests if rest}
    return steady >= STEADY * len(steps) and len(rests) >= FEWEST_STEPS and len(nexts) >= FEWEST_NEXT


def _loops(tokens: Sequence[str]) -> bool:
    """Tell whether tokens repeat themselves: a third of their pairs, or every token."""
    pairs = list(pairwise(tokens))
    return len(set(tokens)) == 1 or len(set(pairs)) < 2 / 3 * len(pairs)
