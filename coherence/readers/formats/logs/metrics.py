"""Reads the metrics of reinforcement learning in a training log: reward, KL divergence and length.

Two shapes: names and numbers after a step, as verl, OpenRLHF, slime and prime-rl print them, and the
dictionaries of the Hugging Face Trainer, which have the step of the loss on the same line.
"""

import re
from collections.abc import Iterator

from coherence.readers.format import USUAL, Fields, LossReader, MetricReader
from coherence.readers.formats.logs.prefix import without_colours
from coherence.readers.lines import Part, Problems, read_whole_lines
from coherence.readers.objects.metrics import kind_of, mentions, metrics_of
from coherence.readers.objects.names import RawRow
from coherence.readers.records import MetricRow

LONGEST = 16_384
"""Characters; verl writes a hundred metrics on a line, about five thousand characters."""

_SPOKEN = re.compile(r"reward|kl|length|response_len|score", re.IGNORECASE)
_STEP = re.compile(
    r"(?:^|[^\w/.])(?:global[_ ])?(?:step|rollout|iter(?:ation)?)[\s:=#]{1,4}(\d{1,15})(?![\d.]*\w)",
    re.IGNORECASE,
)
_NUMBER = r"[-+]?\d++(?:\.\d*+)?+(?:e[-+]?\d++)?+(?![\w.])"
_NAME = r"[A-Za-z][\w/.@-]{0,60}+(?: [A-Za-z][\w/.]{0,20}+)?"
_FIELD = re.compile(rf"(?<![\w/.])({_NAME})'? {{0,4}}[:=] {{0,4}}'?({_NUMBER})", re.IGNORECASE)


def metrics_with(losses: LossReader) -> MetricReader:
    """Return the reader of metrics of a log; `losses` reads its losses, to give dictionaries their steps."""

    def metrics(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[MetricRow]:
        return metrics_of(_rows(part, losses) if mentions(part.path) else (), part.path, problems, fields)

    return metrics


def _rows(part: Part, losses: LossReader) -> Iterator[tuple[int, RawRow]]:
    steps: dict[int, int] | None = None
    for number, raw in read_whole_lines(part, Problems()):
        for line in without_colours(raw).split("\r"):
            told = _told(line)
            if not told:
                continue
            if (match := _STEP.search(line)) is not None:
                yield number, {**told, "step": match[1]}
                continue
            if steps is None:
                steps = {row.line: row.step for row in losses(part, Problems())}
            if number in steps:
                yield number, {**told, "step": steps[number]}


def _told(line: str) -> dict[str, str]:
    """Return the metrics on a line under the names used there."""
    if len(line) > LONGEST or not _SPOKEN.search(line):
        return {}
    return {name: value for name, value in _FIELD.findall(line) if kind_of(name) is not None}
