"""Measures a reference profile from text of the user's own language.

Source: docs/scores.md, "Reference profile".
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from math import fsum, inf
from random import Random
from typing import NamedTuple

from coherence.scoring.between import between_samples
from coherence.scoring.lexicon import Lexicon
from coherence.scoring.ngrams import effective_number, ngrams, runs_of_four
from coherence.scoring.profile import Curve, Profile
from coherence.scoring.scores import score
from coherence.scoring.text import clean, is_word, tokenize

LEVEL = 0.1
"""The reference is what nine in ten passages reach: the low end of what is normal, not its middle."""

LENGTHS = tuple(round(2 ** (step / 2)) for step in range(2, 33))
"""2 to 65,536 in steps of the square root of two."""

SHORT_PASSAGE, GROWTH = 64, 2.0
"""A curve grows if its longest passages hold at least twice as many different things as 64 tokens."""

PROOFS, BLOCK = 25, 300
"""How many lines, blocks and passages of each source are tested; characters of a block."""

GROUP, GROUP_PASSAGE, GROUPS = 16, 512, 20
"""Passages compared with each other, as the samples of a step are; tokens of each; how many such groups.

Large groups and long passages share more, small and short ones less: these are in the middle."""

PASSAGES = 150
WORK = 300_000
FEWEST_TOKENS = 1_000

Effective = Callable[[int, int], float]
"""(start, count) -> effective number of the `count` things counted from `start` on."""


def calibrate(sources: Mapping[str, str], name: str = "custom", lexicon: Lexicon | None = None) -> Profile:
    """Measure a profile from the texts of several sources, which have equal weight.

    For every length, passages are drawn from every source (fixed seed, so the same input gives the same
    profile), and the curve is the effective number that nine in ten of them reach. A source shorter
    than twice the length is left out at that length.

    Args:
        sources: name of the source -> its text; prose, dialogue, code: whatever the model should write.
        name: the name of the profile in reports.
        lexicon: the words that count as English.

    Raises:
        ValueError: a source has fewer than 1,000 tokens, or they all repeat one thing.

    >>> words = sorted(Lexicon.load().words)
    >>> profile = calibrate({"words": " ".join(words[:2000])}, name="a dictionary")
    >>> profile.name, profile.tokens
    ('a dictionary', 2000)
    """
    lexicon = lexicon or Lexicon.load()
    texts = {source: clean(text) for source, text in sorted(sources.items())}
    tokens = {source: tokenize(text) for source, text in texts.items()}
    for source, found in tokens.items():
        if len(found) < FEWEST_TOKENS:
            raise ValueError(f"{source} has {len(found)} tokens; a profile needs {FEWEST_TOKENS:,} or more")
    known = lexicon.known(set().union(*tokens.values()))
    words, letters = tokens.values(), texts.values()
    points = {
        "bigram": _points([_ngrams_of(found, 2) for found in words], words),
        "trigram": _points([_ngrams_of(found, 3) for found in words], words),
        "english": _points([_words_of(found, known) for found in words], words),
        "character": _points([_runs_of(text) for text in letters], letters),
    }
    curves = {scale: Curve(found) for scale, found in points.items() if len(found) > 1}
    if "english" in curves and not _grows(curves["english"]):
        del curves["english"]  # a corpus of a few English words: any loop would contain them all
    if flat := [scale for scale in points if scale not in curves and scale != "english"]:
        raise ValueError(f"the corpora repeat one thing and show no {flat[0]} diversity to compare with")
    share = fsum(_share(found, known) for found in words) / len(tokens) if "english" in curves else 0.0
    size, today = sum(map(len, words)), date.today().isoformat()
    return Profile(name, ", ".join(texts), size, today, share, curves, _between(words))


class Proof(NamedTuple):
    """How often a profile finds texts of its kind low, unchanged and as loops, in shares from 0 to 1.

    Attributes:
        lines: low ones among lines repeated 40 times, long lines cut to 300 characters; a profile that is not
            blind finds nearly all.
        blocks: low ones among blocks of 300 characters repeated 5 times.
        passages: low ones among unchanged passages of 300, 1,200 and 4,800 characters; few should be low.
    """

    lines: float
    blocks: float
    passages: float


def prove(
    profile: Profile, sources: Mapping[str, str], lexicon: Lexicon | None = None, draws: int = PROOFS
) -> Proof:
    """Test a profile: score passages unchanged, and lines and blocks repeated over and over.

    Args:
        profile: as `calibrate` returned it.
        sources: texts of the same kind: those it was measured on, or better others.
        lexicon: the words that count as English.
        draws: how many lines, blocks and passages of each length are drawn from each source.

    >>> words = " ".join(sorted(Lexicon.load().words)[:2000])
    >>> prove(calibrate({"words": words}), {"words": words})
    Proof(lines=1.0, blocks=1.0, passages=0.0)
    """
    random = Random(0)  # noqa: S311 - it draws passages, not secrets
    lines, blocks, passages = [], [], []
    for text in sources.values():
        told = [line for line in text.splitlines() if len(line.split()) > 1] or [text[:BLOCK]]
        for _ in range(draws):
            lines.append(f"{random.choice(told)[:BLOCK]}\n" * 40)
            blocks.append(f"{_passage(text, BLOCK, random)}\n" * 5)
            passages += [_passage(text, times * BLOCK, random) for times in (1, 4, 16)]
    found = (lines, blocks, passages)
    low = [[score(each, None, lexicon, profile).low() for each in texts] for texts in found]
    return Proof(*(sum(each) / len(each) for each in low))


def _passage(text: str, size: int, random: Random) -> str:
    start = random.randrange(max(1, len(text) - size))
    return text[start : start + size]


def _between(sources: Iterable[Sequence[str]]) -> float:
    """Return the diversity between consecutive passages that nine in ten groups reach."""
    random = Random(0)  # noqa: S311 - it draws passages, not secrets
    found = []
    for tokens in sources:
        length = min(GROUP_PASSAGE, len(tokens) // GROUP)
        for _ in range(GROUPS):
            start = random.randrange(len(tokens) - GROUP * length + 1)
            group = [tokens[at : at + length] for at in range(start, start + GROUP * length, length)]
            found.append(between_samples(group) or 0.0)
    return max(round(sorted(found)[int(LEVEL * len(found))], 1), 1.0)


def _grows(curve: Curve) -> bool:
    """Return whether long passages hold several times as many different things as short ones."""
    short = next((effective for length, effective in curve.points if length >= SHORT_PASSAGE), inf)
    return curve.points[-1][1] >= GROWTH * short


def _ngrams_of(items: Sequence[str], order: int) -> Effective:
    return lambda start, count: effective_number(
        ngrams(items[start : start + count + order - 1], order).values()
    )


def _runs_of(text: str) -> Effective:
    return lambda start, count: effective_number(runs_of_four(text[start : start + count + 3]).values())


def _words_of(tokens: Sequence[str], known: frozenset[str]) -> Effective:
    def effective(start: int, count: int) -> float:
        counts = Counter(tokens[start : start + count])
        return effective_number(counts[token] for token in known.intersection(counts))

    return effective


def _share(tokens: Sequence[str], known: frozenset[str]) -> float:
    words = [token for token in tokens if is_word(token)]
    return sum(token in known for token in words) / max(len(words), 1)


def _points(measures: Iterable[Effective], sources: Iterable[Sequence[str]]) -> list[tuple[float, float]]:
    """Return rising points: for each length the low end of the passages of that length."""
    random = Random(0)  # noqa: S311 - it draws passages, not secrets
    points = [(1.0, 1.0)]
    for length in LENGTHS:
        found = sorted(
            effective(random.randrange(len(source) - length), length)
            for effective, source in zip(measures, sources, strict=True)
            if len(source) >= 2 * length
            for _ in range(min(max(WORK // length, 8), PASSAGES))
        )
        if found and (level := round(found[int(LEVEL * len(found))], 4)) > points[-1][1]:
            points.append((length, level))
    return points
