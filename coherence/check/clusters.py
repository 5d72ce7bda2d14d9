"""Finds samples that look like several answers to one prompt, if no prompts are given.

Source: docs/ci.md, "Prompts".
"""

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

ALIKE = 0.15
"""The cosine, over words that few samples have, at which two look like answers to one prompt."""

MOST_SAMPLES, MOST_WORDS = 500, 4_000
"""Samples and words that are looked at."""

LOOKED_AT = 600
"""Characters of a text that are looked at."""

WORD = re.compile(
    r"[^\W\d_\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]{4,}|[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]{3}"
)
"""Words that show the topic of a text: four letters or more, or three characters of Thai, kana or Han."""

SEED = 1

COMMON = 0.2
"""A word in this share of the samples or more does not indicate the prompt."""

NEAR, PERHAPS_NEAR = 7.0, 2.0
"""Standard errors by which samples at a distance are more alike than all pairs, surely and perhaps."""

MOSTLY = 0.5
"""The share of samples that must look like another one."""


def clusters(texts: Sequence[str]) -> list[int] | None:
    """Number the samples so that those that look like answers to one prompt have the same number.

    By their order, if samples of one prompt are adjacent or take turns: samples at a certain distance are
    more alike than others. Otherwise only by their likeness. None if neither holds, or if nearly all look
    like each other: then there is one prompt, or one kind of text, and each sample is an independent draw.

    >>> about = ["glaciers carve valleys", "sparrows nest beneath rafters", "lanterns flicker along quays"]
    >>> about += ["bakers knead dough", "sailors mend nets", "clocks measure hours"]
    >>> texts = [f"{each} {word}" for word in ("today", "often", "still") for each in about]
    >>> clusters(texts)[:8], clusters(sorted(texts))[:8]
    ([0, 1, 2, 3, 4, 5, 0, 1], [0, 0, 0, 1, 1, 1, 2, 2])
    >>> clusters(about) is None
    True
    """
    vectors = _vectors(texts[:MOST_SAMPLES])
    likeness = vectors @ vectors.T
    distances = _near_distances(likeness)
    if distances:
        first = distances[0]
        # Samples of one prompt are adjacent up to the first distance at which samples are not alike.
        together = next((n for n, each in enumerate(distances, 1) if each != n), len(distances) + 1)
        return [place // together if first == 1 else place % first for place in range(len(texts))]
    numbers = _numbered(likeness, ALIKE)
    if _in_company(numbers) >= MOSTLY:  # perhaps by chance, as with texts of few words
        numbers = _numbered(likeness, max(ALIKE, _likeness_by_chance(vectors)))
    if _in_company(numbers) < MOSTLY:
        return None
    return numbers + [len(numbers) + more for more in range(len(texts) - len(numbers))]


def _near_distances(likeness: NDArray[np.float32]) -> list[int]:
    """Return the distances at which samples are more alike than others, the smallest first.

    The smallest distance is certain; the others are less certain.
    """
    all_pairs = likeness[np.triu_indices(len(likeness), 1)]
    if not len(all_pairs) or not all_pairs.std():
        return []
    mean, spread = float(all_pairs.mean()), float(all_pairs.std())
    surplus = {
        distance: (float(np.diagonal(likeness, distance).mean()) - mean)
        * math.sqrt(len(likeness) - distance)
        / spread
        for distance in range(1, len(likeness) // 2 + 1)
    }
    near = [distance for distance, each in surplus.items() if each > NEAR]
    if not near:
        return []
    return [near[0], *(each for each, value in surplus.items() if each > near[0] and value > PERHAPS_NEAR)]


def _likeness_by_chance(vectors: NDArray[np.float32]) -> float:
    """Return the likeness of the top 1 % of pairs if words were distributed over the texts at random."""
    mixed = np.random.default_rng(SEED).permuted(vectors, axis=0)
    mixed /= np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-9)
    likeness = (mixed @ mixed.T)[np.triu_indices(len(mixed), 1)]
    place = len(likeness) * 99 // 100
    return float(np.partition(likeness, place)[place])


def _numbered(likeness: NDArray[np.float32], alike: float) -> list[int]:
    """Give each text the number of the first text that it is most like, or a new number."""
    numbers: list[int] = []
    first: list[int] = []  # the first text of each cluster
    for place, row in enumerate(likeness):
        nearest = int(row[first].argmax()) if first else 0
        if first and row[first[nearest]] >= alike:
            numbers.append(nearest)
        else:
            numbers.append(len(first))
            first.append(place)
    return numbers


def _in_company(numbers: Sequence[int]) -> float:
    """Return the share of texts that share a number with others; 0 if one number has most of them."""
    sizes = Counter(numbers).values()
    if 2 * max(sizes, default=0) > len(numbers):
        return 0.0
    return sum(size for size in sizes if size > 1) / max(len(numbers), 1)


def _vectors(texts: Sequence[str]) -> NDArray[np.float32]:
    """Return a row for each text: the rarer words that it has, normalised to length 1."""
    found = [set(WORD.findall(text[:LOOKED_AT].casefold())) for text in texts]
    spread = Counter(word for words in found for word in words)
    most = max(2.0, COMMON * len(texts))
    some = [(-count, word) for word, count in spread.items() if 2 <= count <= most]
    rare = [word for _, word in sorted(some)[:MOST_WORDS]]
    places = {word: place for place, word in enumerate(rare)}
    weights = np.array([np.log(len(texts) / spread[word]) for word in rare], np.float32)
    once = {word for word, count in spread.items() if count == 1}
    vectors = np.zeros((len(texts), len(rare)), np.float32)
    for vector, words in zip(vectors, found, strict=True):
        told = [places[word] for word in words & places.keys()]
        vector[told] = weights[told]
        alone = len(words & once)  # words that only one text has make it unlike the others
        length = np.sqrt(np.square(vector).sum() + alone * np.log(len(texts)) ** 2)
        if length:
            vector /= length
    return vectors
