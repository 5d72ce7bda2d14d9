"""Reads reward, KL divergence and length from the rows that trainers of reinforcement learning log.

Source: docs/formats.md, "Reward, KL divergence, length".
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

from coherence.readers import storage
from coherence.readers.format import USUAL, Fields
from coherence.readers.lines import Problems, file_name, first_of, to_float, to_step, to_text
from coherence.readers.objects.names import RUN, STEP, RawRow
from coherence.readers.objects.unfold import unfold
from coherence.readers.records import MetricRow
from coherence.signals.loss import LONGEST_NAME

METRICS = {
    "reward": (
        *("reward", "rewards/mean", "reward/mean", "reward/all/mean", "critic/score/mean"),
        *("critic/rewards/mean", "rollout/raw_reward", "objective/scores", "objective/rlhf_reward"),
    ),
    "kl": (
        *("kl", "objective/kl", "actor/kl_loss", "actor/ppo_kl", "kl_loss", "ppo_kl", "mismatch kl"),
        *("mismatch_kl/mean", "mismatch_kl/all/mean"),
    ),
    "length": (
        *("completions/mean_length", "completion_length", "response_length/mean", "response_length"),
        *("rollout/response_len/mean", "rollout/response_lengths", "completion_len/mean", "seq. length"),
        *("seq_len/mean", "seq_len/all/mean"),
    ),
}
"""The names of metrics, the best first, in lower case and without `train/`.

TRL, verl, OpenRLHF, slime and prime-rl use them. A reward or a KL divergence is a kind that
`signals.loss.kind_beside` knows.
"""

_KINDS = {name: (kind, place) for kind, names in METRICS.items() for place, name in enumerate(names)}

NAMES = tuple(prefix + name for name in _KINDS for prefix in ("", "train/"))
"""All names that the columns of a table may have."""

NESTED = "data"
"""The key under which verl's file logger writes the metrics of a step."""


WORDS = (b"reward", b"score", b"kl")
"""Every name of a reward or of a KL divergence holds one of them."""

BLOCK = 2**20
"""Bytes that are searched at a time."""


def mentions(path: str) -> bool:
    """Tell whether a text file may hold metrics: most hold none, and need not be parsed for them."""
    held = b""
    with storage.open_bytes(path) as file, suppress(*storage.BROKEN):
        while block := file.read(BLOCK):
            seen = (held + block).lower()
            if any(word in seen for word in WORDS):
                return True
            held = block[-max(map(len, WORDS)) :]
    return False


@lru_cache(maxsize=1024)
def _kind_of(name: str) -> tuple[str, int] | None:
    return _KINDS.get(name.lower().removeprefix("train/"))


def kind_of(name: str) -> str | None:
    """Return the kind of a metric from its name: "reward", "kl" or "length"; None for any other.

    >>> kind_of("train/reward"), kind_of("actor/ppo_kl"), kind_of("learning_rate")
    ('reward', 'kl', None)
    """
    found = _kind_of(name) if len(name) <= LONGEST_NAME else None
    return found and found[0]


def metrics_of(
    rows: Iterable[tuple[int, RawRow]],
    path: str,
    problems: Problems,  # noqa: ARG001 - the reader of losses notes what is wrong with a row
    fields: Fields = USUAL,
) -> Iterator[MetricRow]:
    """Yield reward, KL divergence and length from rows with a step, with the lines of these rows.

    A file has one series for each of the three, under the best key of the first row that has any.
    Values that are not finite numbers are skipped, and so are rows without a step.

    Args:
        rows: of the file, each with the line where it begins.
        path: of the file.
        problems: not used.
        fields: the key of the step, if the user named it.

    >>> rows = [(1, {"step": 5, "loss": 0.0, "reward": 0.25, "kl": 0.01, "rewards/brief/mean": 0.1})]
    >>> [(row.step, row.name, row.value) for row in metrics_of(rows, "train.jsonl", Problems())]
    [(5, 'reward', 0.25), (5, 'kl', 0.01)]
    """
    name, keys = file_name(path), dict[str, str]()
    for line, whole in rows:
        found = _named(_flat(whole), keys)
        if not found:
            continue
        for row in unfold(whole, fields):
            step = _step_of(row)
            if step is not None:
                run = to_text(first_of(row, RUN)) or None
                yield from (
                    MetricRow(step, kind, value, name, line, keys[kind], run) for kind, value in found.items()
                )


def _flat(row: RawRow) -> RawRow:
    inner = row.get(NESTED)
    return {**row, **inner} if isinstance(inner, Mapping) else row


def _named(row: RawRow, keys: dict[str, str]) -> dict[str, float]:
    """Return the metrics of a row by their kinds; the key of each new kind is added to `keys`."""
    ranked: dict[str, list[tuple[int, str]]] = {}
    for key in row:
        if (known := _kind_of(key) if len(key) <= LONGEST_NAME else None) is not None:
            ranked.setdefault(known[0], []).append((known[1], key))
    found = {}
    for kind, names in ranked.items():
        numbers = {key: value for _, key in sorted(names) if (value := _finite(row[key])) is not None}
        key = keys.setdefault(kind, next(iter(numbers))) if numbers else ""
        if key in numbers:
            found[kind] = numbers[key]
    return found


def _finite(value: Any) -> float | None:
    number = to_float(value)
    return number if number is not None and math.isfinite(number) else None


def _step_of(row: RawRow) -> int | None:
    value = first_of(row, STEP)
    if value is not None:
        with suppress(ValueError):
            return to_step(value)
    return None
