"""Samples and losses as JSON lines: what the keys are called, and rows that are no good."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coherence.readers.format import Fields
from coherence.readers.formats import jsonl
from coherence.readers.lines import Part, Problems, read_head
from coherence.readers.objects.names import PROMPT, RUN, STEP, TEXT
from coherence.readers.records import LossRow, Sample

GOOD = b'{"step": 7, "text": "once upon a time"}'


def samples_of(
    path: Path, content: bytes | str, prompt_field: str | None = None
) -> tuple[list[Sample], Problems]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    problems = Problems()
    return list(jsonl.samples(Part(str(path)), problems, Fields(prompt_field))), problems


def losses_of(path: Path, content: bytes | str) -> tuple[list[LossRow], Problems]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    problems = Problems()
    return list(jsonl.losses(Part(str(path)), problems)), problems


def lines_of(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def said(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "samples.jsonl"


# What the file is


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        b"\xef\xbb\xbf\n  " + GOOD + b"\nnoise\nnoise\n",
        b'0, "text": "torn"}\n' + GOOD,
        b'{"text": "' + b"x" * 200_000 + b'"}',
        b'{"step": [1, 2], "completion": ["a", "b"]}',
        b'{"prompt": [{"role": "user", "content": "a"}], "completion": "b"}\n',
    ],
)
@pytest.mark.parametrize("name", ["samples.jsonl", "dump"])
def test_json_lines_are_known_by_their_lines_whatever_the_name(
    tmp_path: Path, content: bytes, name: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert jsonl.recognise(read_head(str(tmp_path / name)))


@pytest.mark.parametrize(
    "content",
    [
        # text with an object in it
        b'loaded\nstep 1\n{"a": 1}\nstep 2\nstep 3\n',
        # what Python prints
        b"{'loss': 2.5, 'step': 1}\n" * 9,
        # other JSON
        b'[{"step": 1, "text": "a"}]',
        b'{\n  "step": 1\n}\n',
        # something else
        b"step,text\n1,a\n",
        b"\x89PNG\r\n\x1a\n\x00{",
    ],
)
def test_what_is_no_json_lines_is_not_taken_for_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "dump").write_bytes(content)
    assert not jsonl.recognise(read_head(str(tmp_path / "dump")))


def test_under_its_name_one_object_among_much_else_is_enough(tmp_path: Path) -> None:
    for name, known in (("dump.jsonl", True), ("dump.jsonl.gz", True), ("dump", False)):
        (tmp_path / name).write_bytes(b"noise\n" * 50 + GOOD)
        assert jsonl.recognise(read_head(str(tmp_path / name))) is known


@pytest.mark.parametrize("size", [1, 30, 1000, 10**6])
def test_the_parts_of_a_file_hold_its_samples_once_and_in_order(file: Path, size: int) -> None:
    rows: list[dict[str, Any]] = [{"step": step, "text": "a" * (step % 7)} for step in range(60)]
    samples, _ = samples_of(file, lines_of(*rows))
    parts = jsonl.parts(str(file), size)
    assert (len(parts) == 1) == (size == 10**6)
    of_parts = [sample for part in parts for sample in jsonl.samples(part, Problems())]
    assert [(s.step, s.text) for s in of_parts] == [(s.step, s.text) for s in samples]


def test_what_is_compressed_is_not_divided(file: Path) -> None:
    file.write_bytes(b"\x1f\x8b" + bytes(5000))
    assert jsonl.parts(str(file), 10) == [Part(str(file))]


# What the keys are called


@pytest.mark.parametrize("key", STEP)
def test_the_step_goes_by_every_name_trainers_give_it(file: Path, key: str) -> None:
    samples, problems = samples_of(file, lines_of({key: 20, "text": "a"}, {key: "40", "text": "b"}))
    assert [sample.step for sample in samples] == [20, 40]
    assert problems.count == 0


@pytest.mark.parametrize("key", [key for key in TEXT if key != "messages"])
def test_the_text_goes_by_every_name_trainers_give_it(file: Path, key: str) -> None:
    samples, _ = samples_of(file, lines_of({"step": 1, key: "once"}))
    assert [sample.text for sample in samples] == ["once"]


@pytest.mark.parametrize("key", [key for key in PROMPT if key != "messages"])
def test_the_prompt_goes_by_every_name_trainers_give_it(file: Path, key: str) -> None:
    samples, _ = samples_of(file, lines_of({"step": 1, "output": "upon", key: "Once"}))
    assert [sample.prompt for sample in samples] == ["Once"]


@pytest.mark.parametrize("key", RUN)
@pytest.mark.parametrize(("value", "name"), [("a", "a"), (7, "7"), ("", None), (True, None), (None, None)])
def test_the_run_goes_by_every_name_trainers_give_it(
    file: Path, key: str, value: Any, name: str | None
) -> None:
    row = {"step": 1, "text": "a", "loss": 2.0, key: value}
    assert samples_of(file, lines_of(row))[0][0].run == name
    assert losses_of(file, lines_of(row))[0][0].run == name


def test_a_prompt_under_a_name_of_its_own_wins_and_where_it_is_missing_that_is_noted(file: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"step": 1, "text": "a", "context": "p", "prompt": "q"},
        {"step": 2, "text": "b", "prompt": "q"},
    ]
    samples, problems = samples_of(file, lines_of(*rows), prompt_field="context")
    assert [sample.prompt for sample in samples] == ["p", "q"]
    assert [(p.line, p.message) for p in problems.listed] == [
        (2, "no 'context', which was named as the prompt")
    ]


def test_a_null_key_gives_way_to_the_next_one(file: Path) -> None:
    samples, _ = samples_of(file, lines_of({"step": None, "iter": 3, "text": None, "output": "a"}))
    assert [(sample.step, sample.text) for sample in samples] == [(3, "a")]


def test_every_field_of_a_sample_is_read(file: Path) -> None:
    row = {"step": 3, "text": "a", "loss": 2.5, "source": "books", "timestamp": 17.5, "prompt": "p"}
    (sample,), _ = samples_of(file, lines_of(row))
    assert (sample.loss, sample.source, sample.time, sample.prompt) == (2.5, "books", 17.5, "p")
    assert (sample.file, sample.line) == (str(file), 1)


def test_fields_of_another_kind_count_as_absent(file: Path) -> None:
    row = {"step": 3, "text": "a", "loss": "?", "source": 4, "time": "noon", "prompt": ["p"]}
    (sample,), problems = samples_of(file, lines_of(row))
    assert (sample.loss, sample.source, sample.time, sample.prompt) == (None, None, None, None)
    assert problems.count == 0


@pytest.mark.parametrize("time", ["NaN", "Infinity", "-Infinity"])
def test_a_time_that_is_not_finite_is_none(file: Path, time: str) -> None:
    (sample,), _ = samples_of(file, f'{{"step": 1, "text": "a", "time": {time}}}')
    assert sample.time is None


def test_an_empty_text_is_a_sample(file: Path) -> None:
    (sample,), problems = samples_of(file, '{"step": 1, "text": ""}')
    assert (sample.text, problems.count) == ("", 0)


# Chats


def test_of_a_chat_the_assistant_speaks_the_text_and_the_others_the_prompt(file: Path) -> None:
    chat = [said("system", "Be short."), said("user", "Why?"), said("assistant", "So."), said("user", "Oh?")]
    (sample,), _ = samples_of(file, lines_of({"step": 1, "messages": [*chat, said("assistant", "Yes.")]}))
    assert (sample.text, sample.prompt) == ("So.\nYes.", "Be short.\nWhy?\nOh?")


def test_prompt_and_completion_may_be_chats_of_their_own(file: Path) -> None:
    row = {"step": 1, "prompt": [said("user", "Why?")], "completion": [said("assistant", "So.")]}
    (sample,), _ = samples_of(file, lines_of(row))
    assert (sample.text, sample.prompt) == ("So.", "Why?")


def test_a_response_beside_the_messages_it_answers_has_them_as_prompt(file: Path) -> None:
    row = {"step": 1, "response": "So.", "messages": [said("user", "Why?")]}
    (sample,), _ = samples_of(file, lines_of(row))
    assert (sample.text, sample.prompt) == ("So.", "Why?")


def test_of_a_message_in_parts_the_texts_count(file: Path) -> None:
    parts = [{"type": "text", "text": "So"}, {"type": "image", "url": "x"}, {"type": "text", "text": "."}]
    chat = [said("assistant", None), said("assistant", parts)]
    (sample,), _ = samples_of(file, lines_of({"step": 1, "completion": chat}))
    assert sample.text == "\nSo."


# Columns


def test_an_object_of_columns_holds_a_sample_a_row(file: Path) -> None:
    columns = {
        "step": ["5", "5"],
        "prompt": ["p", "q"],
        "completion": ["a", "b"],
        "reward": [0.5],
        "source": "books",
    }
    samples, problems = samples_of(file, lines_of(columns, {"step": 6, "completion": "c"}))
    assert [(s.step, s.prompt, s.text, s.source, s.line) for s in samples] == [
        (5, "p", "a", "books", 1),
        (5, "q", "b", "books", 1),
        (6, None, "c", None, 2),
    ]
    assert problems.count == 0


def test_a_column_of_chats_is_a_column(file: Path) -> None:
    row = {"step": 5, "completion": [[said("assistant", "a")], [said("assistant", "b")]]}
    assert [sample.text for sample in samples_of(file, lines_of(row))[0]] == ["a", "b"]


def test_columns_of_unequal_length_are_one_problem(file: Path) -> None:
    row = {"step": [5, 5, 5], "completion": ["a", "b"]}
    samples, problems = samples_of(file, lines_of(row, {"step": 6, "completion": "c"}))
    assert [sample.step for sample in samples] == [6]
    assert [(p.line, p.message) for p in problems.listed] == [
        (1, "columns of unequal length: step 3, completion 2")
    ]


def test_a_bad_cell_of_a_column_costs_its_own_row_alone(file: Path) -> None:
    row = {"step": [5, "x", 7, 8], "completion": ["a", "b", None, "d"]}
    samples, problems = samples_of(file, lines_of(row))
    assert [(sample.step, sample.text) for sample in samples] == [(5, "a"), (8, "d")]
    assert [problem.message[:20] for problem in problems.listed] == [
        "step 'x' is not a wh",
        "no text: the keys ar",
    ]


def test_columns_of_losses_are_read_too(file: Path) -> None:
    losses, _ = losses_of(file, lines_of({"step": [1, 2], "loss": [3.5, 2.5]}))
    assert [(row.step, row.loss) for row in losses] == [(1, 3.5), (2, 2.5)]


# Steps that are missing


def test_rows_without_any_step_have_none(file: Path) -> None:
    samples, problems = samples_of(file, lines_of({"text": "a"}, {"id": 1}, {"text": "b"}))
    assert [(sample.step, sample.text) for sample in samples] == [(None, "a"), (None, "b")]
    assert [problem.line for problem in problems.listed] == [2]


def test_a_row_that_lacks_its_step_after_one_with_a_step_is_a_problem(file: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"text": "a"},
        {"step": 5, "text": "b"},
        {"text": "c"},
        {"step": None, "text": "d"},
    ]
    samples, problems = samples_of(file, lines_of(*rows))
    assert [sample.step for sample in samples] == [None, 5]
    assert [problem.line for problem in problems.listed] == [3, 4]


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("step_500.jsonl", 500),
        ("samples-iter-20.jsonl.gz", 20),
        ("epoch=3-step=1200.jsonl", 1200),
        ("checkpoint-40/rank0.jsonl", 40),
        ("rank3.jsonl", None),
        ("run-with-steps10000/samples.jsonl", None),
        ("timestep7.jsonl", None),
    ],
)
def test_rows_that_do_not_tell_their_step_are_of_the_one_the_file_is_named_after(
    tmp_path: Path, name: str, step: int | None
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    samples, problems = samples_of(tmp_path / name, lines_of({"text": "a"}, {"text": "b"}))
    assert [sample.step for sample in samples] == [step, step]
    assert problems.count == 0


@pytest.mark.parametrize(
    ("name", "steps"),
    [("a.jsonl", [500, 1000, 9, None]), ("step_7.jsonl", [7, 7, 9, 7])],
)
def test_rows_without_a_step_are_of_that_of_the_path_of_their_checkpoint_unless_the_file_is_named_after_one(
    tmp_path: Path, name: str, steps: list[int | None]
) -> None:
    paths = ("out/ckpt_500.pt", "org/model-step1000", 9, "org/best")
    samples, problems = samples_of(
        tmp_path / name, lines_of(*({"checkpoint": path, "text": "a"} for path in paths))
    )
    assert [sample.step for sample in samples] == steps
    assert problems.count == 0


# Rows that are no samples


BAD_ROWS: list[tuple[str, bytes, str]] = [
    # no text
    ("no text", b'{"step": 3}', "no text: the keys are"),
    ("text is null", b'{"step": 3, "text": null}', "no text"),
    ("text is null beside a loss", b'{"step": 3, "text": null, "loss": 2.0}', "no text"),
    ("text is a number", b'{"step": 3, "text": 5}', "the text is not a string but int"),
    ("text is an object", b'{"step": 3, "text": {"a": 1}}', "the text is not a string but dict"),
    ("text is tokens", b'{"step": 3, "text": [5, 6, 7]}', "the text is not a string but list"),
    ("a chat without an answer", b'{"step": 3, "text": [{"role": "x"}]}', "a chat without a message of the"),
    # no step
    ("no step", b'{"text": "a"}', "no step, but earlier rows have one"),
    ("step is a word", b'{"step": "three", "text": "a"}', "step 'three' is not a whole number"),
    ("step is 1.5", b'{"step": 1.5, "text": "a"}', "step 1.5 is not a whole number"),
    ("step is NaN", b'{"step": NaN, "text": "a"}', "step nan is not a whole number"),
    ("step is huge", b'{"step": 1e300, "text": "a"}', "step 1e+300 is too large"),
    ("step is true", b'{"step": true, "text": "a"}', "step True is not a whole number"),
    # half a character
    ("in the text", rb'{"step": 3, "text": "a\ud800"}', r"a lone surrogate, '\ud800', at 1"),
    ("in the prompt", rb'{"step": 3, "text": "a", "prompt": "\udfff"}', "a lone surrogate"),
    ("in the source", rb'{"step": 3, "text": "a", "source": "\udfff"}', "a lone surrogate"),
    ("in the run", rb'{"step": 3, "text": "a", "run": "\udfff"}', "a lone surrogate"),
    # no row at all
    ("torn", b'{"step": 3, "text": "once up', "not JSON"),
    ("no UTF-8", b'{"step": 3, "text": "a\xffb"}', "not UTF-8: byte 0xff at 22"),
]


@pytest.mark.parametrize(
    ("bad", "message"),
    [(bad, message) for _, bad, message in BAD_ROWS],
    ids=[name for name, _, _ in BAD_ROWS],
)
def test_a_bad_row_is_one_problem_with_its_place_and_the_others_are_read(
    file: Path, bad: bytes, message: str
) -> None:
    samples, problems = samples_of(file, b"\n".join([GOOD, b"", bad, GOOD]))
    assert [(sample.step, sample.line) for sample in samples] == [(7, 1), (7, 4)]
    assert [(problem.file, problem.line) for problem in problems.listed] == [(str(file), 3)]
    assert problems.listed[0].message.startswith(message)
    assert "\n" not in problems.listed[0].message


def test_rows_of_losses_between_the_samples_are_passed_over_in_silence(file: Path) -> None:
    rows: list[dict[str, Any]] = [{"step": 1, "loss": 3.0}, {"step": 1, "text": "a"}, {"val_loss": 2.0}]
    samples, problems = samples_of(file, lines_of(*rows))
    assert ([sample.text for sample in samples], problems.count) == (["a"], 0)


def test_a_file_of_losses_alone_says_so_where_samples_are_wanted(file: Path) -> None:
    samples, problems = samples_of(file, lines_of({"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0}))
    assert not samples
    assert [(p.line, p.message[:38]) for p in problems.listed] == [
        (1, "losses and no text; --text-field names")
    ]


def test_a_part_of_losses_alone_is_nothing_to_speak_of(file: Path) -> None:
    content = lines_of(*({"step": step, "loss": 3.0} for step in range(50)), {"step": 50, "text": "a"})
    file.write_text(content, encoding="utf-8")
    problems = Problems()
    samples = [s for part in jsonl.parts(str(file), 300) for s in jsonl.samples(part, problems)]
    assert ([sample.text for sample in samples], problems.count) == (["a"], 0)


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.binary(max_size=60), max_size=8))
def test_whatever_the_lines_hold_the_good_ones_are_read(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    lines = [line.replace(b"\n", b"") for line in lines]
    file = tmp_path_factory.mktemp("any") / "samples.jsonl"
    samples, problems = samples_of(file, b"\n".join([GOOD, *lines, GOOD]))
    assert (samples[0].line, samples[-1].line) == (1, len(lines) + 2)
    assert problems.count <= len(lines)


# Losses


@pytest.mark.parametrize("step", ["step", "iter", "global_step", "current_steps"])
@pytest.mark.parametrize("loss", ["loss", "train_loss", "train/loss", "train_loss_step"])
def test_a_loss_row_goes_by_every_name_trainers_give_it(file: Path, step: str, loss: str) -> None:
    losses, problems = losses_of(file, lines_of({step: 10, loss: 3.5}, {step: "20", loss: "2.5"}))
    assert [(row.step, row.loss) for row in losses] == [(10, 3.5), (20, 2.5)]
    assert problems.count == 0


@pytest.mark.parametrize(
    ("beside", "kind"),
    [
        ({"reward": 0.5}, "reward"),
        ({"train/reward_std": 0.5}, "reward"),
        ({"rewards/chosen": 0.5}, "reward"),
        ({"objective/kl": 0.0}, "kl"),
        ({"Advantages": [0.1]}, "advantage"),
        ({"policy.kl_coef": 0.1}, "kl"),
        ({"reward": None, "kl": ""}, None),
        ({"rewarded": 1, "klines": 2, "learning_rate": 1e-4, "lm_loss": 3}, None),
        ({}, None),
    ],
)
def test_what_is_logged_with_a_loss_tells_that_it_is_not_a_cross_entropy(
    file: Path, beside: dict[str, Any], kind: str | None
) -> None:
    row = {"step": 10, "text": "Once", "loss": 0.5, **beside}
    losses, problems = losses_of(file, lines_of(row))
    assert [row.beside for row in losses] == [kind]
    assert problems.count == 0
    samples, _ = samples_of(file, lines_of(row))
    assert [sample.beside for sample in samples] == [kind]


def test_the_source_of_a_loss_is_read_and_a_blank_one_is_none(file: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"step": 1, "loss": 2.0, "source": source} for source in ("books", "", 3, None)
    ]
    losses, _ = losses_of(file, lines_of(*rows))
    assert [row.source for row in losses] == ["books", None, None, None]


def test_rows_without_a_training_loss_are_passed_over_in_silence(file: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"step": 1, "val_loss": 2.0},
        {"step": 1, "loss": None},
        {"lr": 1e-3},
        {"step": 2, "loss": 3.0},
    ]
    losses, problems = losses_of(file, lines_of(*rows))
    assert [row.step for row in losses] == [2]
    assert problems.count == 0


@pytest.mark.parametrize(
    "row",
    [
        # bare, which is not JSON
        '{"step": 5, "loss": NaN}',
        '{"step": 5, "loss": Infinity}',
        '{"step": 5, "loss": -Infinity}',
        # in a string
        '{"step": 5, "loss": "nan"}',
        # logged as 0.0 beside a gradient norm that is none
        '{"step": 5, "loss": 0.0, "grad_norm": NaN}',
        '{"step": 5, "loss": 0, "grad_norm": "inf"}',
        # too large for a float
        '{"step": 5, "loss": 1' + "0" * 400 + "}",
    ],
)
def test_a_loss_that_is_not_finite_is_read_and_noted(file: Path, row: str) -> None:
    losses, problems = losses_of(file, f'{{"step": 4, "loss": 3.0}}\n{row}\n')
    assert [math.isfinite(row.loss) for row in losses] == [True, False]
    assert [(p.line, p.message) for p in problems.listed] == [(2, "the loss at step 5 is not finite")]


def test_a_loss_of_zero_beside_a_finite_gradient_norm_is_zero(file: Path) -> None:
    losses, problems = losses_of(file, '{"step": 5, "loss": 0.0, "grad_norm": 0.3}\n')
    assert [row.loss for row in losses] == [0.0]
    assert problems.count == 0


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ('{"step": 5, "loss": "low"}', "loss 'low' is not a number"),
        ('{"step": 5, "loss": true}', "loss True is not a number"),
        ('{"step": 5, "loss": {"a": 1}}', "loss of type dict is not a number"),
        ('{"step": 5, "loss": [1, 2]}', "loss of type list is not a number"),
        ('{"step": 5, "loss": "' + "x" * 9999 + '"}', "loss 'xxx"),
        ('{"loss": 2.0}', "no step: the keys are"),
        ('{"step": 0.5, "loss": 2.0}', "step 0.5 is not a whole number"),
        ("torn", "not JSON"),
        ('{"step": 5, "loss": 2.0, "source": "\\ud800"}', "a lone surrogate"),
    ],
)
def test_a_bad_loss_row_is_one_short_problem_and_the_others_are_read(
    file: Path, bad: str, message: str
) -> None:
    losses, problems = losses_of(file, f'{{"step": 4, "loss": 3.0}}\n{bad}\n{{"step": 6, "loss": 2.0}}\n')
    assert [row.step for row in losses] == [4, 6]
    assert [problem.line for problem in problems.listed] == [2]
    assert problems.listed[0].message.startswith(message)
    assert len(problems.listed[0].message) < 120


def test_a_null_loss_is_not_a_number_in_a_run_folder_and_nothing_elsewhere(file: Path) -> None:
    (row,), _ = losses_of(file, '{"format": 1, "step": 1, "loss": null}\n{"step": 2, "loss": null}\n')
    assert row.step == 1
    assert math.isnan(row.loss)


def test_the_last_word_of_the_trainer_is_a_mean_and_no_loss(file: Path) -> None:
    losses, _ = losses_of(file, lines_of({"step": 9, "train_loss": 2.0, "train_runtime": 3.0}))
    assert not losses


def test_samples_that_tell_fractions_of_an_epoch_are_numbered_in_their_order(file: Path) -> None:
    rows = [{"epoch": number / 10, "text": f"text {number}"} for number in range(5, 15)]
    samples, problems = samples_of(file, lines_of(*rows))
    assert [(sample.step, sample.text) for sample in samples] == [(None, f"text {n}") for n in range(5, 15)]
    assert problems.count == 0
    (whole,), _ = samples_of(file, lines_of({"epoch": 3, "text": "a"}))
    assert whole.step == 3


def test_events_are_read_from_the_rows_of_a_run_folder_alone(file: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"format": 1, "step": 4, "event": "pivot", "details": {"to": "code"}},
        {"format": 1, "step": 5, "event": "restart"},
        {"format": 1, "step": "x", "event": "pivot"},
        {"format": 1, "step": 5, "loss": 2.0},
        {"step": 6, "event": "pivot"},
    ]
    file.write_text(lines_of(*rows) + "torn", encoding="utf-8")
    found = [(event.step, event.event, event.details) for event in jsonl.events(Part(str(file)))]
    assert found == [(4, "pivot", {"to": "code"}), (5, "restart", {})]


@pytest.mark.parametrize("value", [1, None, ["a"], {}])
def test_a_key_that_only_readers_use_means_nothing_in_a_file(file: Path, value: object) -> None:
    samples, problems = samples_of(file, json.dumps({"step": 1, "text": "Once", "coherence: skipped": value}))
    assert ([each.text for each in samples], problems.count) == (["Once"], 0)
