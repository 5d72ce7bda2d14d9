"""TensorBoard event files: every text, the training loss, and an end that is still being written."""

import gzip
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cost import memory

from coherence.lazy import needs
from coherence.readers.formats import tensorboard
from coherence.readers.lines import Part, Problems, read_head
from coherence.readers.records import LossRow, Sample

REASON = "an event file is written with tensorboard"
event_pb2 = pytest.importorskip("tensorboard.compat.proto.event_pb2", reason=REASON)
summary_pb2 = pytest.importorskip("tensorboard.compat.proto.summary_pb2", reason=REASON)
record_writer = pytest.importorskip("tensorboard.summary.writer.record_writer", reason=REASON)
tensor_util = pytest.importorskip("tensorboard.util.tensor_util", reason=REASON)


def scalar(tag: str, value: float) -> Any:
    return summary_pb2.Summary.Value(tag=tag, simple_value=value)


def tensor(tag: str, content: Any, plugin: str = "") -> Any:
    value = summary_pb2.Summary.Value(tag=tag, tensor=tensor_util.make_tensor_proto(content))
    value.metadata.plugin_data.plugin_name = plugin
    return value


def text(tag: str, *content: str | bytes) -> Any:
    return tensor(tag, [each.encode() if isinstance(each, str) else each for each in content], "text")


class Events:
    """Writes an event file, an event for each value."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("wb") as file:
            record_writer.RecordWriter(file).write(
                event_pb2.Event(wall_time=1.0, file_version="brain.Event:2").SerializeToString()
            )

    def add(self, step: int, *values: Any) -> None:
        with self.path.open("ab") as file:
            for value in values:
                event = event_pb2.Event(
                    wall_time=100.0 + step, step=step, summary=summary_pb2.Summary(value=[value])
                )
                record_writer.RecordWriter(file).write(event.SerializeToString())

    def add_bytes(self, content: bytes) -> None:
        with self.path.open("ab") as file:
            record_writer.RecordWriter(file).write(content)

    def add_zeros(self, size: int) -> None:
        """A record of zeros; the writer takes a second for the checksum of ten megabytes."""
        length = size.to_bytes(8, "little")
        checksum = tensorboard._masked_crc32c(length).to_bytes(4, "little")
        with self.path.open("ab") as file:
            file.write(length + checksum + bytes(size + 4))


@pytest.fixture
def events(tmp_path: Path) -> Events:
    return Events(tmp_path / "events.out.tfevents.1.host.7.0")


def samples_of(path: Path) -> tuple[list[Sample], Problems]:
    problems = Problems()
    return list(tensorboard.samples(Part(str(path)), problems)), problems


def losses_of(path: Path) -> tuple[list[LossRow], Problems]:
    problems = Problems()
    return list(tensorboard.losses(Part(str(path)), problems)), problems


# Texts


def test_every_text_is_a_sample_with_its_step_time_and_record(events: Events) -> None:
    for step in range(1, 31):  # more than TensorBoard itself keeps of a tag
        events.add(step, text("samples/text_summary", f"the {step}th tale"))
    samples, problems = samples_of(events.path)
    assert [(sample.step, sample.text) for sample in samples] == [
        (n, f"the {n}th tale") for n in range(1, 31)
    ]
    assert (samples[0].time, samples[0].line, samples[0].file) == (101.0, 2, str(events.path))
    assert problems.count == 0


def test_each_text_of_a_list_is_a_sample(events: Events) -> None:
    events.add(3, text("samples", "one fine day", "one fine night"))
    samples, _ = samples_of(events.path)
    assert [(sample.step, sample.text) for sample in samples] == [(3, "one fine day"), (3, "one fine night")]


@pytest.mark.parametrize(
    "tag",
    [
        # configurations
        "args/text_summary",
        "model_config/text_summary",
        "train/hparams/text_summary",
        "Config",
        # what the model was given
        "prompt/text_summary",
        "eval/reference",
    ],
)
def test_what_the_model_did_not_write_is_no_sample(events: Events, tag: str) -> None:
    events.add(0, text(tag, "{}"))
    assert samples_of(events.path) == ([], Problems())


def test_strings_that_are_no_text_are_no_samples(events: Events) -> None:
    events.add(0, tensor("picture", [b"8", b"8", b"\x89PNG"], "images"), tensor("odd", [b"x"], "hparams"))
    assert samples_of(events.path) == ([], Problems())


def test_the_kind_of_a_tag_may_stand_in_its_first_event_alone(events: Events) -> None:
    events.add(1, text("story", "once"))
    events.add(2, tensor("story", [b"twice"]))
    samples, _ = samples_of(events.path)
    assert [(sample.step, sample.text) for sample in samples] == [(1, "once"), (2, "twice")]


def test_a_text_whose_kind_is_told_nowhere_is_known_by_its_tag(events: Events) -> None:
    events.add(1, tensor("story/text_summary", [b"once"]), tensor("other", [b"twice"]))
    samples, _ = samples_of(events.path)
    assert [sample.text for sample in samples] == ["once"]


def test_a_text_that_is_no_utf8_is_a_problem_and_the_others_are_read(events: Events) -> None:
    events.add(1, text("story", "once"), text("story", b"caf\xc3"), text("story", "thrice"))
    samples, problems = samples_of(events.path)
    assert [sample.text for sample in samples] == ["once", "thrice"]
    assert [(p.line, p.message) for p in problems.listed] == [(3, "not UTF-8: byte 0xc3 at 3")]


# Losses


@pytest.mark.parametrize(
    "tag",
    [
        *("train/loss", "loss", "Loss/train", "train_loss", "loss/train", "train_loss_step", "lm loss"),
        *("train/CrossEntropyLoss", "reduced_train_loss"),
    ],
)
def test_the_training_loss_goes_by_every_tag_trainers_give_it(events: Events, tag: str) -> None:
    events.add(10, scalar(tag, 3.5))
    events.add(20, scalar(tag, 2.5))
    losses, problems = losses_of(events.path)
    assert [(row.step, row.loss, row.line) for row in losses] == [(10, 3.5, 2), (20, 2.5, 3)]
    assert problems.count == 0


@pytest.mark.parametrize(
    "tag",
    ["eval/loss", "val/loss", "val_loss", "Loss/val", "loss/test", "train/train_loss", "lm loss validation"],
)
def test_any_other_loss_is_none(events: Events, tag: str) -> None:
    events.add(10, scalar(tag, 3.5), scalar("train/learning_rate", 0.1))
    assert losses_of(events.path) == ([], Problems())


@pytest.mark.parametrize("value", [2.5, [2.5], [[2.5]]])
def test_a_scalar_may_be_a_tensor_as_tensorflow_writes_it(events: Events, value: Any) -> None:
    events.add(10, tensor("epoch_loss", value, "scalars"))
    losses, _ = losses_of(events.path)
    assert [(row.step, row.loss) for row in losses] == [(10, 2.5)]


@pytest.mark.parametrize("value", [[2.5, 1.5], [b"low"], []])
def test_a_tensor_that_is_no_number_is_no_loss(events: Events, value: Any) -> None:
    events.add(10, tensor("loss", value))
    assert losses_of(events.path) == ([], Problems())


def test_a_number_that_stands_for_a_table_of_terabytes_is_no_loss(events: Events) -> None:
    bomb = tensor("loss", 2.5)
    for _ in range(2):
        bomb.tensor.tensor_shape.dim.add(size=10**6)
    events.add(1, bomb, scalar("loss", 3.5))
    losses, _ = losses_of(events.path)
    assert [row.loss for row in losses] == [3.5]


@pytest.mark.parametrize("tag", ["train/grad_norm", "grad_norm", "grad-norm"])
def test_a_zero_beside_a_gradient_norm_that_is_none_is_a_nan_in_disguise(events: Events, tag: str) -> None:
    events.add(10, scalar("train/loss", 2.5), scalar(tag, 1.0))
    events.add(20, scalar("train/loss", 0.0), scalar(tag, math.nan), scalar("train/learning_rate", 0.1))
    events.add(30, scalar("train/loss", 0.0), scalar(tag, 1.0))
    losses, problems = losses_of(events.path)
    assert [math.isnan(row.loss) for row in losses] == [False, True, False]
    assert [p.message for p in problems.listed] == ["the loss at step 20 is not finite"]


def test_a_gradient_norm_of_another_step_says_nothing(events: Events) -> None:
    events.add(10, scalar("loss", 0.0))
    events.add(20, scalar("grad_norm", math.nan))
    losses, _ = losses_of(events.path)
    assert [row.loss for row in losses] == [0.0]


def test_a_tag_of_rewards_tells_that_the_loss_is_not_a_cross_entropy(events: Events) -> None:
    for step in (10, 20):
        events.add(step, scalar("train/loss", 0.5), scalar("train/reward", 2.5))
    losses, _ = losses_of(events.path)
    assert [row.beside for row in losses] == [None, "reward"]


def test_of_two_losses_the_first_is_read_and_the_other_is_named_once(events: Events) -> None:
    for step in (10, 20):
        events.add(step, scalar("train/loss", 2.5), scalar("loss", 9.5))
    losses, problems = losses_of(events.path)
    assert [row.loss for row in losses] == [2.5, 2.5]
    assert [p.message for p in problems.listed] == ["also losses as 'loss'; those as 'train/loss' are read"]


# Ends and damage


def test_it_is_known_by_its_name_or_by_its_first_record(events: Events, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.write_bytes(events.path.read_bytes())
    (tmp_path / "notes.txt").write_text("on events.out.tfevents files")
    known = {path.name for path in tmp_path.iterdir() if tensorboard.recognise(read_head(str(path)))}
    assert known == {events.path.name, "copy"}


def test_a_last_record_that_is_cut_off_anywhere_is_noted_and_those_before_it_are_read(events: Events) -> None:
    events.add(1, text("story", "once"))
    whole = events.path.stat().st_size
    events.add(2, text("story", "upon a time"))
    content = events.path.read_bytes()
    for end in range(whole + 1, len(content)):
        events.path.write_bytes(content[:end])
        samples, problems = samples_of(events.path)
        assert [sample.text for sample in samples] == ["once"]
        assert [problem.line for problem in problems.listed] == [3]
        assert problems.listed[0].message.startswith("the last record is cut off")


def test_a_record_that_holds_no_event_is_a_problem_and_the_others_are_read(events: Events) -> None:
    events.add(1, text("story", "once"))
    events.add_bytes(b"\xff\xff\xff")
    events.add(2, text("story", "twice"))
    samples, problems = samples_of(events.path)
    assert [sample.text for sample in samples] == ["once", "twice"]
    assert [(p.line, p.message) for p in problems.listed] == [(3, "a damaged record")]


def test_where_the_length_of_a_record_is_damaged_the_rest_is_noted(events: Events) -> None:
    events.add(1, text("story", "once"))
    whole = events.path.stat().st_size
    events.add(2, text("story", "twice"), text("story", "thrice"))
    content = bytearray(events.path.read_bytes())
    content[whole] ^= 1
    events.path.write_bytes(content)
    samples, problems = samples_of(events.path)
    assert [sample.text for sample in samples] == ["once"]
    assert [problem.line for problem in problems.listed] == [3]
    assert problems.listed[0].message.startswith("damaged from here on")


def test_a_record_too_long_for_a_sample_is_passed_over_without_being_held(tmp_path: Path) -> None:
    def held(size: int) -> int:
        events = Events(tmp_path / f"events.out.tfevents.{size}.host")
        events.add_zeros(size)
        events.add(2, text("story", "twice"))
        path, problems = str(events.path), Problems()
        _, (number, record) = tensorboard._records(path, problems, largest=2**16)
        assert (number, b"twice" in record) == (3, True)
        assert [(p.line, p.message[:12]) for p in problems.listed] == [(2, "a record of ")]
        return memory(lambda: list(tensorboard._records(path, Problems(), largest=2**16)))

    assert held(2**24) < 1.5 * held(2**22)


@pytest.mark.parametrize("content", [b"step,loss\n1,2.5\n", b"\0" * 400, b"\xff" * 400])
def test_what_is_no_event_file_is_refused_by_name(events: Events, content: bytes) -> None:
    events.path.write_bytes(content)
    for read in (samples_of, losses_of):
        with pytest.raises(ValueError, match=r"tfevents\.1\.host\.7\.0: not a TensorBoard event file"):
            read(events.path)


def test_a_file_without_any_record_yet_yields_nothing(events: Events) -> None:
    events.path.write_bytes(b"")
    assert samples_of(events.path) == ([], Problems())


def test_it_may_be_compressed(events: Events, tmp_path: Path) -> None:
    events.add(1, text("story", "once"))
    packed = tmp_path / "events.out.tfevents.2.host.gz"
    packed.write_bytes(gzip.compress(events.path.read_bytes()))
    samples, problems = samples_of(packed)
    assert [sample.text for sample in samples] == ["once"]
    assert problems.count == 0


def test_compressed_events_that_are_cut_off_are_read_up_to_there(events: Events, tmp_path: Path) -> None:
    noise = iter(f"{number:x}" * 9 for number in range(10**6, 10**9, 987_653))
    for step in range(200):
        events.add(step, text("story", next(noise)))
    packed = gzip.compress(events.path.read_bytes())
    cut = tmp_path / "events.out.tfevents.3.host.gz"
    cut.write_bytes(packed[: len(packed) // 2])
    samples, problems = samples_of(cut)
    assert [sample.step for sample in samples] == list(range(len(samples)))
    assert 0 < len(samples) < 200
    assert [p.message[:29] for p in problems.listed] == ["the compressed data ends here"]


def test_without_the_package_the_error_names_the_extra(
    events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.event_pb2", None)
    assert tensorboard.recognise(read_head(str(events.path)))
    with pytest.raises(ValueError, match=re.escape(f"this format {needs('tensorboard', 'tensorboard')}")):
        samples_of(events.path)


def test_to_import_the_reader_does_not_import_the_package() -> None:
    asked = "import sys, coherence.readers.formats.tensorboard; print('tensorboard' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)  # noqa: S603 - our own interpreter
    assert answer.stdout.strip() == "False"


# The writer of torch itself


def test_what_the_writer_of_torch_writes_is_read(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="SummaryWriter belongs to torch")
    writing = pytest.importorskip("torch.utils.tensorboard", reason="SummaryWriter needs tensorboard")
    with writing.SummaryWriter(log_dir=str(tmp_path)) as writer:
        writer.add_text("args", '{"lr": 0.1}')
        writer.add_hparams({"lr": 0.1}, {"hparam/loss": 3.0}, run_name=".")
        for step in range(20):
            writer.add_scalar("Loss/train", 4.0 - step / 10, step)
            writer.add_scalar("Loss/val", 9.0, step)
            writer.add_text("generated", f"tale number {step}", step)
    files = sorted(tmp_path.iterdir())
    samples = [sample for path in files for sample in samples_of(path)[0]]
    losses = [row for path in files for row in losses_of(path)[0]]
    assert [(sample.step, sample.text) for sample in samples] == [(n, f"tale number {n}") for n in range(20)]
    assert [row.step for row in losses] == list(range(20))
    assert losses[0].loss == 4.0
