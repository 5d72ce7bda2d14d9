"""TensorBoard event files: texts as samples, and the scalar of the training loss (extra `tensorboard`).

An event file is a sequence of records, each with its length and checksums, so that it can be read while it is
written. The records are framed here, from any storage and one at a time; the package parses their content.
"""

import importlib
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

from coherence.lazy import needs
from coherence.readers import storage
from coherence.readers.format import USUAL, Fields, Format
from coherence.readers.lines import Head, Part, Problems, not_utf8
from coherence.readers.objects import rows
from coherence.readers.objects.metrics import kind_of, metrics_of
from coherence.readers.objects.names import LOSS_ELSEWHERE, PROMPT, RawRow
from coherence.readers.records import LossRow, MetricRow, Sample
from coherence.signals.loss import kind_beside

LOSS = {
    "loss",
    "train/loss",
    "train_loss",
    "loss/train",
    "loss/train_loss",
    "training/loss",
    "training_loss",
} | {
    "train_loss_step",  # Lightning, if epochs are logged too
    "epoch_loss",  # Keras, which writes validation into a separate folder
    *map(str.lower, LOSS_ELSEWHERE),
}
"""Tags of a training loss, in lower case, without `train/train_loss`, Hugging Face's mean of a run."""

GRADIENT_NORM = {"grad_norm", "grad-norm", "gradient_norm"}
"""Endings of the tag of a gradient norm."""

NO_SAMPLE = {"args", "config", "hparams", "hyperparameters", "model_config", "training_args"} | {
    *PROMPT,
    "label",
    "reference",
    "target",
}
"""Endings of the tag of a text that the model did not write."""

SUFFIX = "/text_summary"
"""What `SummaryWriter.add_text` appends to a tag."""

LARGEST = 64 * 2**20
"""Bytes; a longer record is not a sample, and is skipped without being held."""

_HEADER = struct.Struct("<QI")
_CHECKSUM = 4

Value = tuple[int, Any, Any]


def recognise(head: Head) -> bool:
    """Tell whether a file is an event file, by the name that all of them have or by its first record."""
    return ".tfevents." in storage.bare_name(head.path) or b"brain.Event:" in head.raw[:64]


def samples(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[Sample]:
    """Yield the texts other than configurations and prompts, with the number of the record as the line.

    Raises:
        ValueError: the file is not an event file, or the package is missing.
    """
    return rows.samples_of(_texts(part, problems), part.path, problems, fields)


def losses(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[LossRow]:
    """Yield the training losses, with the number of the record as the line.

    Raises:
        ValueError: the file is not an event file, or the package is missing.
    """
    return rows.losses_of(_losses(part, problems), part.path, problems, fields)


def metrics(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[MetricRow]:
    """Yield reward, KL divergence and length, with the number of the record as the line."""
    return metrics_of(_metrics(part, problems), part.path, problems, fields)


def _texts(part: Part, problems: Problems) -> Iterator[tuple[int, RawRow]]:
    of_text: dict[str, bool] = {}  # perhaps only the first event of a tag states its kind
    for number, event, value in _values(part, problems):
        if value.tag not in of_text:
            of_text[value.tag] = _is_text(value)
        if not of_text[value.tag]:
            continue
        for raw in value.tensor.string_val:
            try:
                text = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                problems.add(part.path, number, not_utf8(error))
                continue
            yield number, {"step": event.step, "text": text, "time": event.wall_time}


def _is_text(value: Any) -> bool:
    kind = value.metadata.plugin_data.plugin_name
    text = kind == "text" or (not kind and value.tag.endswith(SUFFIX))
    return text and value.tag.removesuffix(SUFFIX).lower().rpartition("/")[2] not in NO_SAMPLE


def _losses(part: Part, problems: Problems) -> Iterator[tuple[int, RawRow]]:
    """Yield the losses under the first tag that has any, each with the gradient norm of its step."""
    tags: list[str] = []
    held: tuple[int, dict[str, Any]] | None = None
    beside: dict[str, Any] = {}  # tags that are signs that it is not a cross-entropy
    for number, event, value in _values(part, problems):
        name = value.tag.lower()
        if name in LOSS and (loss := _scalar(value)) is not None:
            if value.tag not in tags:
                tags.append(value.tag)
                if value.tag != tags[0]:
                    problems.add(
                        part.path, number, f"also losses as {value.tag!r}; those as {tags[0]!r} are read"
                    )
            if value.tag == tags[0]:
                if held is not None:
                    yield held
                held = number, {"step": event.step, "loss": loss, **beside}
        elif held is not None and name.rpartition("/")[2] in GRADIENT_NORM and event.step == held[1]["step"]:
            held[1]["grad_norm"] = _scalar(value)
        elif not beside and kind_beside([value.tag]):
            beside = {value.tag: True}
    if held is not None:
        yield held


def _metrics(part: Part, problems: Problems) -> Iterator[tuple[int, RawRow]]:
    for number, event, value in _values(part, problems):
        if kind_of(value.tag) is not None:
            yield number, {"step": event.step, value.tag: _scalar(value)}


def _scalar(value: Any) -> float | None:
    """Return a number, as torch or as TensorFlow writes it; None if there is not exactly one."""
    if value.WhichOneof("value") == "simple_value":
        return float(value.simple_value)
    if any(dimension.size != 1 for dimension in value.tensor.tensor_shape.dim):
        return None  # one number may be repeated a trillion times, and would be expanded
    try:
        array = importlib.import_module("tensorboard.util.tensor_util").make_ndarray(value.tensor)
        return float(array.item())
    except (TypeError, ValueError):
        return None


def _values(part: Part, problems: Problems) -> Iterator[Value]:
    """Yield the values of all events, each with the number of its record and its event."""
    try:
        event_type = importlib.import_module("tensorboard.compat.proto.event_pb2").Event
        broken = importlib.import_module("google.protobuf.message").DecodeError
    except ImportError as error:
        raise ValueError(f"{part.path}: this format {needs('tensorboard', 'tensorboard')}") from error
    for number, record in _records(part.path, problems):
        try:
            event = event_type.FromString(record)
        except broken:
            problems.add(part.path, number, "a damaged record")
            continue
        for value in event.summary.value:
            yield number, event, value


def _records(path: str, problems: Problems, largest: int = LARGEST) -> Iterator[tuple[int, bytes]]:
    """Yield the records with their numbers, from 1; a last record that is cut off is noted."""
    number = 1
    with storage.open_bytes(path) as file:
        try:
            while header := file.read(_HEADER.size):
                size = _size(header, path, number, problems)
                if size is None:
                    return
                record = file.read(size) if size <= largest else b""
                rest = size - len(record) + _CHECKSUM
                if _skip(file, rest) < rest:
                    problems.add(
                        path, number, "the last record is cut off, as in a file that is still written"
                    )
                    return
                if size > largest:
                    problems.add(
                        path, number, f"a record of {size / 1e6:,.0f} MB; at most 64 MB are read as one"
                    )
                else:
                    yield number, record
                number += 1
        except storage.BROKEN as error:
            problems.add(path, number, storage.why_broken(error))


def _size(header: bytes, path: str, number: int, problems: Problems) -> int | None:
    """Return the size of a record; None if its end is unknown.

    Raises:
        ValueError: that is so for the first record.
    """
    if len(header) < _HEADER.size:
        problems.add(path, number, "the last record is cut off, as in a file that is still written")
        return None
    size, checksum = _HEADER.unpack(header)
    if _masked_crc32c(header[:8]) == checksum:
        return int(size)
    if number == 1:
        raise ValueError(f"{path}: not a TensorBoard event file: its first record is not one of events")
    problems.add(path, number, "damaged from here on: the length of the record is not what its checksum says")
    return None


def _masked_crc32c(data: bytes) -> int:
    """Return the checksum of TensorFlow's records; to import it from the package takes half a second."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 & -(crc & 1))
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _skip(file: BinaryIO, size: int) -> int:
    """Read some bytes without holding them; return how many there were."""
    skipped = 0
    while skipped < size and (more := file.read(min(size - skipped, 2**20))):
        skipped += len(more)
    return skipped


FORMAT = Format(
    "tensorboard",
    "TensorBoard event file",
    recognise,
    samples,
    losses,
    why="its name or its first record says so",
    metrics=metrics,
)
