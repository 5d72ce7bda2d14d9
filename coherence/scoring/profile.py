"""The reference profile: how varied text of one kind is, at every length.

Source: docs/scores.md, "Reference profile". `coherence calibrate` measures one (`calibration`).
"""

import json
import os
from bisect import bisect_left
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from math import exp, inf, log
from typing import Any, NamedTuple

FORMAT = 1
SCALES = ("bigram", "trigram", "english", "character")

ENGLISH_FROM = 0.8
"""Least share of English words in an English reference: what people write has 0.86 and more, code 0.74."""

SHIPPED = ("english", "code", "data", "logs")
"""The profiles that come with the package, each a file in `profiles/`."""


class Curve:
    """A rising curve from a number of things counted to their effective number, linear in log-log.

    Attributes:
        points: pairs (count, effective number), both rising, the first one (1, 1).
        log_counts, log_effectives: their logarithms.

    >>> curve = Curve([(1, 1.0), (100, 50.0), (10_000, 1000.0)])
    >>> round(curve.length_for(50.0)), round(curve.length_for(1000.0))
    (100, 10000)
    """

    def __init__(self, points: Sequence[tuple[float, float]]) -> None:
        _check_rising(points)
        self.points = tuple((float(count), float(effective)) for count, effective in points)
        self.log_counts = [log(count) for count, _ in points]
        self.log_effectives = [log(effective) for _, effective in points]

    def length_for(self, effective: float) -> float:
        """Return how long reference text must be to hold `effective` different things; 0 below one.

        Beyond the last point the last segment is extended.
        """
        if effective < 1:
            return 0.0
        target, counts, effectives = log(effective), self.log_counts, self.log_effectives
        right = min(max(bisect_left(effectives, target), 1), len(effectives) - 1)
        share = (target - effectives[right - 1]) / (effectives[right] - effectives[right - 1])
        return exp(min(counts[right - 1] + share * (counts[right] - counts[right - 1]), 700.0))


def _check_rising(points: Sequence[tuple[float, float]]) -> None:
    if len(points) < 2 or tuple(points[0]) != (1, 1):
        raise ValueError(f"a curve needs two points or more, the first (1, 1); got {list(points[:2])!r}")
    for (count, effective), (next_count, next_effective) in pairwise(points):
        rising = count < next_count < inf and effective < next_effective < inf
        # Two neighbouring floats may have the same logarithm, and the curve is in logarithms.
        if not (rising and log(count) < log(next_count) and log(effective) < log(next_effective)):
            raise ValueError(f"a curve must rise; got {next_count, next_effective} after {count, effective}")


class Profile(NamedTuple):
    """The measures of reference text of one language, taken from `tokens` tokens of `source`.

    Attributes:
        name: for reports.
        source: what it was measured on.
        tokens: how much of it.
        date: when, as YYYY-MM-DD.
        english_share: share of its word tokens that the word list knows, 0 to 1.
        curves: one `Curve` for each of the four scales; none for English if the reference holds no word of
            the list, and then the English score has no meaning.
        between: diversity between its passages (`coherence.scoring.between`), above 0 and at most 100; 100 if
            it was not measured.
    """

    name: str
    source: str
    tokens: int
    date: str
    english_share: float
    curves: dict[str, Curve]
    between: float = 100.0

    @property
    def is_english(self) -> bool:
        """Whether the reference is English text, so that word order can be measured.

        >>> Profile.load().is_english, Profile.load("code").is_english
        (True, False)
        """
        return self.english_share >= ENGLISH_FROM

    def against_passages(self, diversity: float) -> float:
        """Return the diversity between samples as a percentage of that between reference passages, up to 100.

        >>> [Profile.load()._replace(between=40.0).against_passages(each) for each in (20.0, 60.0)]
        [50.0, 100.0]
        """
        return min(diversity * (100 / self.between), 100.0)

    @staticmethod
    def load(path: "Profile | str | os.PathLike[str] | None" = None) -> "Profile":
        """Return a profile that comes with the package, or the one in a JSON file.

        Args:
            path: one of `SHIPPED`, or a file; default broad English. A profile is returned unchanged, so that
                every function that takes a profile also takes its name.

        Raises:
            OSError: the file cannot be read.
            TypeError: it is neither a name nor a profile.
            ValueError: the file is not a profile, or of a format that this version does not know; or `path`
                is neither a file nor the name of a profile.

        >>> Profile.load().name, Profile.load("data").name
        ('english', 'data')
        """
        if isinstance(path, Profile):
            return path
        name = SHIPPED[0] if path is None else os.fspath(path)
        if name in SHIPPED:
            return _load_shipped(name)
        try:
            return _read(name)
        except FileNotFoundError as error:
            if os.path.dirname(name) or os.path.splitext(name)[1]:
                raise
            raise ValueError(
                f"{name!r} is neither a file nor a profile; the profiles are {', '.join(SHIPPED)}"
            ) from error

    @staticmethod
    def parse(values: dict[str, Any]) -> "Profile":
        """Return the profile that plain JSON values hold, as `to_json` gives them.

        Raises:
            ValueError: they are not a profile, or of a format that this version does not know.

        >>> Profile.parse(Profile.load().to_json()).name
        'english'
        """
        try:
            return _parse(values)
        except (TypeError, KeyError, AttributeError, OverflowError) as error:
            raise ValueError(f"not a reference profile: {error!r}") from error

    def to_json(self) -> dict[str, Any]:
        """Return the profile as plain JSON values, the content of a profile file."""
        curves = {scale: [list(point) for point in curve.points] for scale, curve in self.curves.items()}
        return {
            "format": FORMAT,
            "name": self.name,
            "source": self.source,
            "tokens": self.tokens,
            "date": self.date,
            "english_share": self.english_share,
            # Profiles measured before this figure existed keep their checksum (`signals.settings`).
            **({} if self.between == 100 else {"between": self.between}),
            "curves": curves,
        }


@cache
def _load_shipped(name: str) -> Profile:
    return _read(os.path.join(os.path.dirname(__file__), "profiles", f"{name}.json"))


def _read(path: str) -> Profile:
    with open(path, encoding="utf-8") as file:
        try:
            return _parse(json.load(file))
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise ValueError(f"{path!r} is not a reference profile: {error!r}") from error


def _parse(fields: dict[str, Any]) -> Profile:
    if fields["format"] != FORMAT:
        raise ValueError(f"format {fields['format']!r}; this version reads format {FORMAT}")
    share = float(fields["english_share"])
    curves = {scale: Curve(fields["curves"][scale]) for scale in SCALES if scale in fields["curves"]}
    if missing := set(SCALES) - {"english"} - set(curves):
        raise ValueError(f"no curve for {', '.join(sorted(missing))}")
    if not (0 < share <= 1 or (share == 0 and "english" not in curves)):
        raise ValueError(f"english_share {share!r}; expected a share above 0 and at most 1")
    between = float(fields.get("between", 100.0))
    if not 0 < between <= 100:
        raise ValueError(f"between {between!r}; expected a number above 0 and at most 100")
    name, source, date = (str(fields[key]) for key in ("name", "source", "date"))
    return Profile(name, source, int(fields["tokens"]), date, share, curves, between)
