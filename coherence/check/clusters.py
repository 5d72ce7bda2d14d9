"""Samples that look like several answers to one prompt, where no prompt is told.

Source: docs/ci.md, "Prompts".
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import regex
from numpy.typing import NDArray

ALIKE = 0.15
"""The cosine, of words that few samples have, from which on two look like answers to one prompt."""

MOST_SAMPLES, MOST_WORDS = 500, 4_000
"""Samples and words that are looked at."""

LOOKED_AT = 1_000
"""Characters of a text."""

WORD = regex.compile(r"\p{L}{4,}|[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]{3}")
"""What tells what a text is about."""

COMMON = 0.2
"""The share of samples from which on a word says nothing of what its prompt was."""

MOSTLY = 0.5
"""The share of samples that have to look like another one."""


def clusters(texts: Sequence[str]) -> list[int] | None:
    """Number the samples so that those which look like answers to one prompt have one number.

    None where most look like no other, and where nearly all look like each other: there is one prompt, then,
    or one kind of text, and each sample is a draw of its own.

    >>> about = ["glaciers carve valleys", "sparrows nest beneath rafters", "lanterns flicker along quays"]
    >>> about += ["bakers knead dough", "sailors mend nets", "clocks measure hours"]
    >>> texts = [f"{each} {word}" for word in ("today", "often", "still") for each in about]
    >>> clusters(texts)[:8]
    [0, 1, 2, 3, 4, 5, 0, 1]
    >>> clusters(about) is None
    True
    """
    vectors = _vectors(texts[:MOST_SAMPLES])
    likeness = vectors @ vectors.T
    numbers: list[int] = []
    first: list[int] = []  # of each cluster
    for place, row in enumerate(likeness):
        nearest = int(row[first].argmax()) if first else 0
        if first and row[first[nearest]] >= ALIKE:
            numbers.append(nearest)
        else:
            numbers.append(len(first))
            first.append(place)
    sizes = Counter(numbers)
    in_company = sum(size for size in sizes.values() if size > 1)
    if in_company < MOSTLY * len(numbers) or 2 * max(sizes.values(), default=0) > len(numbers):
        return None
    return numbers + [len(sizes) + more for more in range(len(texts) - len(numbers))]


def _vectors(texts: Sequence[str]) -> NDArray[np.float32]:
    """Return a row for each text: which of the rarer words it has, of length 1."""
    found = [set(WORD.findall(text[:LOOKED_AT].casefold())) for text in texts]
    spread = Counter(word for words in found for word in words)
    most = max(2.0, COMMON * len(texts))
    rare = [word for word, count in spread.most_common() if 2 <= count <= most][:MOST_WORDS]
    places = {word: place for place, word in enumerate(rare)}
    vectors = np.zeros((len(texts), len(rare)), np.float32)
    for vector, words in zip(vectors, found, strict=True):
        # What only one text has makes it unlike the others.
        alone = sum(spread[word] == 1 for word in words)
        told = [places[word] for word in words if word in places]
        vector[told] = [np.log(len(texts) / spread[rare[place]]) for place in told]
        length = np.sqrt(np.square(vector).sum() + alone * np.log(len(texts)) ** 2)
        if length:
            vector /= length
    return vectors
