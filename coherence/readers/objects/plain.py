"""A quick way to the samples of plain rows: a text with its step, prompt, loss and time, nothing to unfold.

Most rows of most dumps are plain, and so are the samples that a monitor wrote. What their keys mean is
looked up once for all rows with the same keys. `rows` knows every row, and would make the same sample of a
plain one.
"""

import math
from typing import NamedTuple

from coherence.readers.folder import beside_of, is_sample, recorded_scores
from coherence.readers.lines import to_float, to_step, to_text
from coherence.readers.objects.messages import may_be_chat
from coherence.readers.objects.names import (
    ANSWER,
    LOSS,
    PLAIN_TEXT,
    PROMPT,
    READ,
    SAYS_SPLIT,
    SKIPPED,
    STEP,
    TIME,
    RawRow,
)
from coherence.readers.objects.unfold import UNUSUAL
from coherence.readers.records import Sample
from coherence.signals.loss import kind_beside
from coherence.signals.steps import LARGEST_STEP

_NOT_PLAIN = ({*READ, *UNUSUAL} - {*PLAIN_TEXT, *STEP, *PROMPT, *LOSS, *TIME, "grad_norm"}) | {
    *("messages", SKIPPED, ANSWER)
}
_OF_A_MONITOR = {"format", "index", "scores", "streak"}

REMEMBERED, LONGEST = 32, 1_000
"""What keys mean is remembered for so many kinds of rows, if their names have at most so many characters."""


class _Keys(NamedTuple):
    """The keys of plain rows; an empty one if the rows have none for a prompt, a loss or a time.

    `of_a_monitor` if the rows may be those of a run folder.
    """

    of_a_monitor: bool
    text: str
    step: str
    prompt: str
    loss: str
    time: str


class PlainRows:
    """Makes samples of the plain rows of one file.

    Args:
        file: its name.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._known: dict[tuple[str, ...], _Keys | None] = {}

    def sample(self, row: RawRow, line: int) -> Sample | None:
        """Return the sample of a plain row, as `to_sample` makes it; None for any other row.

        >>> rows = PlainRows("samples.jsonl")
        >>> rows.sample({"step": 5, "text": "Once", "loss": "2.5"}, 1)[:6]
        (5, 'Once', 'samples.jsonl', 1, None, 2.5)
        >>> rows.sample({"step": "none", "text": "Once"}, 2), rows.sample({"step": 5, "texts": ["Once"]}, 3)
        (None, None)
        """
        names = tuple(row)
        keys = self._known[names] if names in self._known else self._look_up(names)
        if keys is None:
            return None
        text, step = row[keys.text], row[keys.step]
        prompt = row[keys.prompt] if keys.prompt else None
        if type(text) is not str or not text or not (prompt is None or type(prompt) is str):
            return None
        if may_be_chat(text) or (prompt and prompt.startswith("[{")):
            return None
        try:
            to_text(text), to_text(prompt)
            if type(step) is not int or abs(step) > LARGEST_STEP:
                step = to_step(step)
        except ValueError:
            return None
        loss = to_float(row[keys.loss]) if keys.loss else None
        time = to_float(row[keys.time]) if keys.time else None
        if time is not None and not math.isfinite(time):
            time = None
        if prompt is text:  # as for a row with one key for both
            prompt = None
        sample = (step, text, self._file, line, prompt or None, loss, None, time)
        if not keys.of_a_monitor:
            return Sample(*sample)
        if not is_sample(row):
            return None
        beside = None if loss is None else beside_of(row)
        return Sample(*sample, place=row["index"], scores=recorded_scores(row["scores"]), beside=beside)

    def _look_up(self, names: tuple[str, ...]) -> _Keys | None:
        if sum(map(len, names)) > LONGEST:
            return None
        if len(self._known) == REMEMBERED:
            self._known.clear()
        self._known[names] = keys = _keys_of(names)
        return keys


def _keys_of(names: tuple[str, ...]) -> _Keys | None:
    """Return the keys of rows with these names; None if the rows are not plain."""
    of_a_monitor = _OF_A_MONITOR.issubset(names)
    if not _NOT_PLAIN.isdisjoint(names) or kind_beside(names) is not None:
        return None
    if "format" in names and not of_a_monitor:
        return None
    text, step, *others = (
        [key for key in keys if key in names] for keys in (PLAIN_TEXT, STEP, PROMPT, LOSS, TIME)
    )
    # An epoch may be a fraction, and the name of a checkpoint may hold anything.
    if len(text) != 1 or not {*step[:1]} - {"checkpoint", "epoch"} or any(len(keys) > 1 for keys in others):
        return None
    if others[1] and not SAYS_SPLIT.isdisjoint(names):  # the loss may be that of a validation
        return None
    return _Keys(of_a_monitor, text[0], step[0], *(keys[0] if keys else "" for keys in others))
