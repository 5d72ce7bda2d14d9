"""Reads the sample or the loss in a row of any format, a mapping from names to values.

The formats share the names that trainers use, and what counts as a text, a step or a loss.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple

from coherence.escape import printable
from coherence.readers.file_names import step_named, step_of_checkpoint
from coherence.readers.folder import FORMAT, beside_of, is_sample, recorded_scores
from coherence.readers.format import USUAL, Fields
from coherence.readers.lines import (
    Part,
    Problems,
    file_name,
    first_of,
    read_objects,
    shown,
    to_float,
    to_step,
    to_text,
)
from coherence.readers.objects.messages import (
    REASONING,
    chat_in,
    has_calls,
    is_chat,
    is_own,
    prompt_of,
    rendered_prompt,
    split_chat,
    written,
)
from coherence.readers.objects.names import (
    ANSWER,
    BESIDE,
    FINISH,
    GROUP,
    LOSS,
    PERHAPS_PROMPT,
    PROMPT,
    READ,
    REWARD,
    RUN,
    SKIPPED,
    STEP,
    TEXT,
    TIME,
    RawRow,
    is_of_validation,
)
from coherence.readers.objects.plain import PlainRows
from coherence.readers.objects.unfold import at, unfold
from coherence.readers.records import LossRow, Mark, Sample
from coherence.signals.loss import kind_beside, true_loss

_TEXTS = frozenset(TEXT)
_COUNTED = tuple(key for key in STEP if key != "epoch")

TOOL_CALLS = "tool calls"
"""The name of the count of samples that call a tool."""

SKIPPED_FOR = "skipped: "
"""The beginning of the names of counts of rows without a sample; the reason follows."""

NO_LOG = "No log"
"""The value in the Hugging Face Trainer's tables before the first loss was logged."""

SUMMARY = "train_runtime"
"""A row with this key is the Hugging Face Trainer's summary; its `train_loss` is the mean of the run."""

STEP_MISSING = "no step, but earlier rows have one; --step-field names the key that holds it"

SHOWN = 12
"""Keys of a row that a message lists."""

LONGEST_SHOWN = 80
"""Characters of a value that a monitor noted as unusable."""

_COMMA = re.compile(r"[-+]?(?:\d+,\d+|\d{1,3}(?:,\d{3})+\.\d+)")

DEEPEST = 100
"""Levels to which the details of an event may be nested; the writer of the report fails at 255."""


def samples_of(
    rows: Iterable[tuple[int, RawRow]],
    path: str,
    problems: Problems,
    fields: Fields = USUAL,
    whole: bool = True,
) -> Iterator[Sample]:
    """Yield the samples in rows, with their lines, in the order of the file.

    A row without a step belongs to the step in the name of the file; if the name has none, its step is
    None, or it is a problem once another row has had a step. A row of losses, without any of the keys of a
    text, is skipped silently, unless the whole file has nothing else.

    Args:
        rows: of the file, each with the line where it begins.
        path: of the file.
        problems: takes the rows that could not be used.
        fields: the keys to look under, in addition to the usual ones.
        whole: whether the rows are those of the whole file.
    """
    plain = PlainRows(file_name(path)) if fields == USUAL else None
    others = _OtherRows(path, problems, fields, whole)
    for line, row in rows:
        sample = plain.sample(row, line) if plain else None
        if sample is None:
            yield from others.samples(row, line)
        else:
            others.found = others.with_steps = True
            yield sample
    others.end()


class _OtherRows:
    """Makes samples of any rows of one file; parameters as for `samples_of`.

    Attributes:
        found: whether a row of the file has had a sample.
        with_steps: whether a sample of the file has had a step.
    """

    def __init__(self, path: str, problems: Problems, fields: Fields, whole: bool) -> None:
        self._path, self._problems, self._fields, self._whole = path, problems, fields, whole
        self._name, self._step = file_name(path), step_named(path)
        self._none = _NoSamples(path, problems, whole)
        self.found = self.with_steps = False

    def samples(self, whole: RawRow, line: int) -> Iterator[Sample]:
        """Yield the samples in the object of a line."""
        fields, problems = self._fields, self._problems
        for row in _expanded(whole, line, TEXT, self._path, problems, fields):
            if self._none.is_one(row, line):
                continue
            try:
                sample = self._sample(row, line)
            except ValueError as error:
                problems.add(self._path, line, str(error))
                continue
            if fields.prompt is not None and not at(row, fields.prompt):
                problems.add(self._path, line, f"no {shown(fields.prompt)}, which was named as the prompt")
            if not self.found:
                _remark_texts(row, self._name, problems, fields)
            self.found = True
            if _calls_tools(row):
                problems.tally(TOOL_CALLS, self._name, line)
            self.with_steps = self.with_steps or sample.step is not None
            yield sample

    def _sample(self, row: RawRow, line: int) -> Sample:
        sample = to_sample(row, self._name, line, self._fields)
        if sample.step is None and (step := self._named_step(row)) is not None:
            return sample._replace(step=step)
        if self.with_steps and first_of(row, STEP) is None:
            raise ValueError(STEP_MISSING)
        return sample

    def _named_step(self, row: RawRow) -> int | None:
        """Return the step in the name of the file, or else in the path of a row's checkpoint."""
        path = row.get("checkpoint")
        return step_of_checkpoint(path) if self._step is None and isinstance(path, str) else self._step

    def end(self) -> None:
        """Note why the file holds no samples, if it holds none."""
        if self._whole and not self.found and not self._problems.count:
            self._none.note()


class _NoSamples:
    """Finds the rows of a file that hold no sample, or one that another row has stated, from their keys."""

    def __init__(self, path: str, problems: Problems, whole: bool) -> None:
        self._path, self._problems, self._whole = path, problems, whole
        self._answer: Any = None  # rows with this value count
        self._why: tuple[int, str] | None = None  # the first such row, and why it holds no sample

    def is_one(self, row: RawRow, line: int) -> bool:
        """Tell whether a row is such a row."""
        if isinstance(why := row.get(SKIPPED), str):
            self._why = self._why or (line, why)
            self._problems.tally(SKIPPED_FOR + why, file_name(self._path), line)
            return True
        if ANSWER in row:
            if self._answer is None:
                self._answer = row[ANSWER] if self._whole else _first_answer(self._path)
            return bool(row[ANSWER] != self._answer)
        if _is_loss_alone(row):
            self._why = self._why or (line, "losses and no text; --text-field names the key that holds it")
            return True
        return False

    def note(self) -> None:
        """Note why a file holds no samples, if all its rows are such rows."""
        if self._why is not None:
            self._problems.add(self._path, *self._why)


def _first_answer(path: str) -> Any:
    """Return that value from the first row of a file of JSON lines, of which a part is being read."""
    for _, row in read_objects(Part(path, 0, 1), Problems()):
        return next((each.get(ANSWER) for each in unfold(row)), None)
    return None


def _remark_texts(row: RawRow, name: str, problems: Problems, fields: Fields) -> None:
    """Add a remark about which column is read as the text, if several might be."""
    if fields.text is not None or is_sample(row):
        return
    held = [key for key in TEXT if row.get(key) and (isinstance(row[key], str) or is_chat(row[key]))]
    if len(held) > 1 and first_of(row, PROMPT) is not row[held[1]]:
        others = " and ".join(held[1:])
        problems.remark(f"{name}: {held[0]} is read as the text, not {others} (--text-field names another)")


def _is_loss_alone(row: RawRow) -> bool:
    if not _TEXTS.isdisjoint(row):
        return False
    return any("loss" in key for key in row) and not written({key: row.get(key) for key in BESIDE})


def _expanded(
    whole: RawRow,
    line: int,
    keys: tuple[str, ...],
    path: str,
    problems: Problems,
    named: Fields = USUAL,
) -> Iterator[RawRow]:
    """Yield the rows in an object, also in one of columns: lists under the keys that matter."""
    for row in unfold(whole, named):
        value = first_of(row, keys)
        if isinstance(value, Mapping) and "0" in value:
            row, value = _listed(row), list(value.values())
        if not isinstance(value, list) or is_chat(value) or (keys is TEXT and _are_numbers(value)):
            yield row
        else:
            yield from _columns(row, line, path, problems, named)


def _listed(row: RawRow) -> RawRow:
    """Return an object of columns, which pandas writes as objects from the number of the row to the cell."""
    return {
        key: list(value.values()) if isinstance(value, Mapping) and "0" in value else value
        for key, value in row.items()
    }


def _columns(row: RawRow, line: int, path: str, problems: Problems, named: Fields) -> Iterator[RawRow]:
    """Yield the rows of an object of columns, all of the same length."""
    read = (*READ, *filter(None, named))
    columns = {key: row[key] for key in read if isinstance(row.get(key), list) and not is_chat(row[key])}
    size = len(first_of(row, TEXT) or ())
    perhaps = (*REWARD, *PERHAPS_PROMPT)
    columns = {key: column for key, column in columns.items() if key not in perhaps or len(column) == size}
    if len(set(map(len, columns.values()))) > 1:
        lengths = ", ".join(f"{key} {len(column)}" for key, column in columns.items())
        problems.add(path, line, f"columns of unequal length: {lengths}")
        return
    for values in zip(*columns.values(), strict=True):
        yield {**row, **dict(zip(columns, values, strict=True))}


def _are_numbers(values: list[Any]) -> bool:
    """Tell whether a column holds numbers: under the key of a text they are the ids of tokens."""
    return bool(values) and all(isinstance(value, int | float) for value in values)


class _Keys(NamedTuple):
    """The keys of a row for each field, in the order of the tables of names."""

    text: tuple[str, ...]
    step: tuple[str, ...]
    prompt: tuple[str, ...]
    loss: tuple[str, ...]
    time: tuple[str, ...]
    run: tuple[str, ...]
    reward: tuple[str, ...]
    finish: tuple[str, ...]
    group: tuple[str, ...]


@lru_cache
def _names_read(group: str | None) -> frozenset[str]:
    """Return the names that matter: a row may have many long ones, and look-ups are cached."""
    return frozenset(READ if group is None else (*READ, group))


@lru_cache
def _keys_of(names: frozenset[str], group: str | None) -> _Keys:
    """Return the keys of all rows with these names: looked up once, because rows of a file are alike."""
    wanted = (TEXT, STEP, PROMPT, LOSS, TIME, RUN, REWARD, FINISH, GROUP if group is None else (group,))
    return _Keys(*(tuple(key for key in keys if key in names) for keys in wanted))


def to_sample(row: RawRow, file: str, line: int, fields: Fields = USUAL) -> Sample:
    """Return the sample in a row.

    Raises:
        ValueError: it holds no text, or a value that is not a text or a step; the message says which.
    """
    names = _names_read(fields.group).intersection(row)
    keys = _keys_of(names, fields.group)
    value, ours = first_of(row, keys.text), is_sample(row)
    text, before = _text_in(row, value, ours)
    time = to_float(first_of(row, keys.time))
    prompt = first_of(row, keys.prompt)
    prompt = None if prompt is value else chat_in(prompt)
    loss = to_float(first_of(row, keys.loss)) if keys.loss and not _is_of_validation(row) else None
    rewarded, reward = _reward_of(row, keys.reward) if keys.reward else (None, None)
    return Sample(
        step=_step_in(row, keys.step) if keys.step else None,
        text=text,
        file=file,
        line=line,
        prompt=prompt_of(prompt) or None if is_chat(prompt) else to_text(prompt) or before,
        loss=loss,
        beside=None if loss is None and reward is None else _beside(row),
        source=to_text(row.get("source")),
        time=time if time is not None and math.isfinite(time) else None,
        run=_name(first_of(row, keys.run)) if keys.run else None,
        group=_name(first_of(row, keys.group)) if keys.group else None,
        place=row["index"] if ours else None,
        scores=recorded_scores(row["scores"]) if ours else None,
        reward=reward,
        rewarded=rewarded,
        finish_reason=_finish(first_of(row, keys.finish)) if keys.finish else None,
    )


def _text_in(row: RawRow, value: Any, ours: bool) -> tuple[str, str | None]:
    """Return the text of a row, and what comes before it if that is a chat or was one.

    What a monitor recorded is the text itself.
    """
    chat = value if ours else chat_in(value)
    if is_chat(chat) and (chat is value or any(map(is_own, chat))):
        return split_chat(chat)
    text = _text_of(row, value)
    return text, None if ours else rendered_prompt(text)


def _reward_of(row: RawRow, keys: tuple[str, ...]) -> tuple[str | None, float | None]:
    """Return the key of the first finite number under these keys, and the number."""
    numbers = ((key, to_float(row[key])) for key in keys)
    found = ((key, value) for key, value in numbers if value is not None and math.isfinite(value))
    return next(found, (None, None))


def _step_in(row: RawRow, keys: tuple[str, ...]) -> int | None:
    """Return the step of a row; None if it has none, a checkpoint without one, or a fraction of an epoch.

    Samples of fractions of an epoch are numbered in their order.
    """
    for key in keys:
        value = row.get(key)
        if value is None:
            continue
        if key == "checkpoint":
            with suppress(ValueError):
                return to_step(value.rstrip("/").rpartition("/")[2] if isinstance(value, str) else value)
            continue
        if key == "epoch" and (isinstance(value, float) or (isinstance(value, str) and "." in value)):
            return None
        return to_step(value)
    return None


def _finish(value: Any) -> str | None:
    """Return why a text ended; SGLang and others write it as an object with a type."""
    return to_text(value.get("type") if isinstance(value, Mapping) else value) or None


def required(row: RawRow, field: str, keys: tuple[str, ...]) -> Any:
    """Return the value of the first key of a field that the row has.

    Raises:
        ValueError: it has none of them.
    """
    value = first_of(row, keys)
    if value is None:
        seen = ", ".join(sorted(map(shown, row))[:SHOWN]) or "none"
        more = f" and {len(row) - SHOWN} more" if len(row) > SHOWN else ""
        raise ValueError(f"no {field}: the keys are {seen}{more}; --{field}-field names it")
    return value


def _text_of(row: RawRow, value: Any) -> str:
    """Return the text of a row, including what the model wrote that servers put under other keys.

    `reasoning` and `thinking` may be from a data set, and count only if the text is empty.
    """
    if value is None or value == "":
        keys: tuple[str, ...] = BESIDE
    else:
        keys = REASONING[:1]
    if any(row.get(key) for key in keys) and (value is None or isinstance(value, str)):
        return written({"content": value, **{key: row.get(key) for key in keys}}) or required(
            row, "text", TEXT
        )
    text = to_text(required(row, "text", TEXT))
    if text is None:
        raise ValueError(f"the text is not a string but {type(value).__name__}")
    return text


def _calls_tools(row: RawRow) -> bool:
    value = first_of(row, TEXT)
    if is_chat(value):
        return any(has_calls(message) for message in value if is_own(message))
    return not value and has_calls(row)


def _name(value: Any) -> str | None:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else to_text(value) or None


def losses_of(
    rows: Iterable[tuple[int, RawRow]], path: str, problems: Problems, fields: Fields = USUAL
) -> Iterator[LossRow]:
    """Yield the training losses in rows, with their lines.

    Rows without a training loss (validation, summaries) are skipped silently: every trainer mixes
    them in. A loss that is not finite is yielded, and noted. Losses of fractions of an epoch are numbered
    in their order.
    """
    name, counted = file_name(path), _Counted()
    expanded = (
        (line, row) for line, whole in rows for row in _expanded(whole, line, STEP, path, problems, fields)
    )
    for line, row in counted.all_of(expanded):
        try:
            loss_row = to_loss_row(row, name, line)
        except ValueError as error:
            problems.add(path, line, str(error))
            continue
        if loss_row is None:
            continue
        if not math.isfinite(loss_row.loss):
            problems.add(path, line, f"the loss at step {loss_row.step} is not finite")
        yield loss_row
    if counted.any:
        problems.remark(f"{name}: its losses have no steps; they are numbered")


class _Counted:
    """Numbers the losses of a file whose rows have only fractions of an epoch, or no step.

    Attributes:
        any: whether any loss was numbered.
    """

    def __init__(self) -> None:
        self.any = False
        self._last = 0

    def all_of(self, rows: Iterable[tuple[int, RawRow]]) -> Iterator[tuple[int, RawRow]]:
        """Yield rows, those without a whole step with a number instead."""
        for line, row in rows:
            loss = first_of(row, LOSS)
            other = loss is None or SUMMARY in row or _is_of_validation(row)
            if other or first_of(row, _COUNTED) is not None:
                yield line, row
            elif isinstance(loss, list) and "epoch" not in row and _are_numbers(loss):  # the history of Keras
                self.any = True
                yield from ((line, {"loss": value, "step": place}) for place, value in enumerate(loss))
            else:
                yield line, self._numbered(row)

    def _numbered(self, row: RawRow) -> RawRow:
        epoch = to_float(row.get("epoch"))
        if epoch is None:
            return row
        self.any = self.any or epoch % 1 > 0
        if self.any:
            self._last += 1
            return {**row, "step": self._last}
        self._last = int(epoch) if epoch.is_integer() else self._last
        return row


def _number(value: Any) -> float | None:
    """Return a number, which may have a decimal comma, or commas at every third digit before a point."""
    number = to_float(value)
    if number is None and isinstance(value, str) and _COMMA.fullmatch(value.strip()):
        return to_float(value.replace(",", "") if "." in value else value.replace(",", "."))
    return number


def to_loss_row(row: RawRow, file: str, line: int) -> LossRow | None:
    """Return the training loss in a row; None if it holds none.

    Raises:
        ValueError: it holds a value that is not a loss or a step; the message says which.
    """
    if row.get("format") == FORMAT and "unusable" in row:
        what = printable(str(row["unusable"]))[:LONGEST_SHOWN]
        raise ValueError(f"the training loop passed an unusable value: {what}")
    value = math.nan if _is_ours_and_nan(row) else first_of(row, LOSS)
    if value is None or value == NO_LOG or SUMMARY in row or _is_of_validation(row):
        _details(row)  # so that an event that no report can hold is listed: `to_mark` skips it
        return None
    loss = _number(value)
    if loss is None:
        raise ValueError(f"loss {shown(value)} is not a number")
    step = _step_in(row, STEP)
    return LossRow(
        step=to_step(required(row, "step", STEP)) if step is None else step,
        loss=true_loss(loss, to_float(row.get("grad_norm"))),
        file=file,
        line=line,
        source=to_text(row.get("source")) or None,
        run=_name(first_of(row, RUN)),
        time=to_float(first_of(row, TIME)),
        beside=_beside(row),
    )


def _is_of_validation(row: RawRow) -> bool:
    return row.get("format") != FORMAT and is_of_validation(row)


def _beside(row: RawRow) -> str | None:
    """Return a metric next to the loss in a row that shows that it is not a cross-entropy."""
    if row.get("format") == FORMAT:
        return beside_of(row)
    return kind_beside(name for name, value in row.items() if value is not None and not _is_empty(value))


def _is_empty(value: Any) -> bool:
    return isinstance(value, str) and not value  # an array, of a test's own rows, equals nothing as a whole


def _is_ours_and_nan(row: RawRow) -> bool:
    """Tell whether a row of a run folder holds not-a-number, for which JSON has only null."""
    return row.get("format") == FORMAT and "loss" in row and row["loss"] is None


def to_mark(row: RawRow) -> Mark | None:
    """Return the event in a row of a run folder, such as a pivot or a restart; None if it holds none."""
    if row.get("format") != FORMAT or not isinstance(row.get("event"), str):
        return None
    state = row.get("state")
    try:
        return Mark(
            time=to_float(row.get("time")),
            event=to_text(row["event"]) or "",
            step=to_step(row.get("step")),
            details=_details(row),
            state=state if isinstance(state, dict) else None,
        )
    except ValueError:
        return None


def _details(row: RawRow) -> dict[str, Any]:
    """Return the details of an event.

    Raises:
        ValueError: no report can hold them or the name of the event; the message says why.
    """
    if row.get("format") != FORMAT or not isinstance(row.get("event"), str):
        return {}
    to_text(row["event"])
    details = row.get("details")
    if not isinstance(details, dict):
        return {}
    found, level = [details], 0
    while found := [part for value in found for part in _inside(value)]:
        level += 1
        if level > DEEPEST:
            raise ValueError(f"details of an event nested deeper than {DEEPEST} levels")
        for part in found:
            to_text(part)
    return details


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return (*value, *value.values())
    return value if isinstance(value, list) else ()
