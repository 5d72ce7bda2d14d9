"""Measures how well word order separates English texts from the same texts shuffled."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from random import Random
from statistics import fmean

from labelled import Text

from coherence.scoring.scores import ENGLISH_FROM, ORDERED_TOKENS
from coherence.scoring.text import clean, tokenize
from coherence.scoring.word_order import NEAR_CHANCE, Neighbours, WordOrder, pooled

CLASSES = ("human", "healthy_model", "poetry_list_etc")
FEWEST_TOKENS, POOL = 40, 8


def print_order(texts: Sequence[Text]) -> None:
    """Print for each class how well order is separated from chance, for one text and for eight together."""
    print(f"\nword order, English {ENGLISH_FROM:g} or more, {FEWEST_TOKENS} tokens or more")
    print(f"of each the first {ORDERED_TOKENS} tokens; pools of {POOL} that follow each other")
    names = ("texts", "mean", "AUC", "pools", "near chance", "shuffled: not near chance")
    print(f"{'':<18}" + "".join(f"{name:>{max(9, len(name) + 2)}}" for name in names))
    for kind in CLASSES:
        chosen = [text for text in texts if text.kind == kind and _is_english(text)]
        random = Random(0)  # noqa: S311 - it shuffles words, not secrets
        ordered = [text.scores.order or Neighbours(0, 0) for text in chosen]
        shuffled = [_shuffled(text, random) for text in chosen]
        pools, pools_shuffled = _pools(ordered), _pools(shuffled)
        near = sum(value < NEAR_CHANCE for value in pools)
        missed = sum(value >= NEAR_CHANCE for value in pools_shuffled)
        values, chance = _values(ordered), _values(shuffled)
        print(
            f"{kind:<18}{len(values):>9}{fmean(values):>9.2f}{auc(values, chance):>9.4f}{len(pools):>9}"
            f"{near:>13}{missed:>27}"
        )


def auc(high: Sequence[float], low: Sequence[float]) -> float:
    """Return how often a value of the first is above one of the second; a tie counts half."""
    found = sorted(low)
    wins = sum(bisect_left(found, value) + bisect_right(found, value) for value in high)
    return wins / (2 * len(high) * len(low))


def _is_english(text: Text) -> bool:
    scores = text.scores
    return scores.tokens >= FEWEST_TOKENS and (scores.english or 0.0) >= ENGLISH_FROM


def _shuffled(text: Text, random: Random) -> Neighbours:
    tokens = tokenize(clean(text.row["text"], text.row.get("prompt")))[:ORDERED_TOKENS]
    random.shuffle(tokens)
    return WordOrder.load().neighbours(tokens)


def _pools(found: Sequence[Neighbours]) -> list[float]:
    return _values([pooled(found[at : at + POOL]) for at in range(len(found) - POOL + 1)])


def _values(found: Sequence[Neighbours]) -> list[float]:
    """Return surplus per pair, including texts of few pairs, which `value` leaves out."""
    return [each.value for each in found if each.value is not None]
