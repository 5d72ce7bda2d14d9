"""What trainers write, and what else may lie where it should: every line is read or named."""

import json
import math
import os
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coherence.readers.files import loss_file, sample_files, text_files
from coherence.readers.lines import LISTED, LONGEST_LINE, Problems, to_float, to_step
from coherence.readers.losses import read_losses
from coherence.readers.samples import PROMPT, STEP, TEXT, read_samples
from coherence.records import LossRow, Sample

GOOD = b'{"step": 7, "text": "once upon a time"}'


def samples_of(path: Path, content: bytes | str) -> tuple[list[Sample], Problems]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    problems = Problems()
    return list(read_samples(path, problems)), problems


def losses_of(path: Path, content: bytes | str) -> tuple[list[LossRow], Problems]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    problems = Problems()
    return list(read_losses(path, problems)), problems


def lines_of(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "samples.jsonl"


# Samples: what the keys are called


@pytest.mark.parametrize("key", STEP)
def test_the_step_goes_by_every_name_trainers_give_it(file: Path, key: str) -> None:
    samples, problems = samples_of(file, lines_of({key: 20, "text": "a"}, {key: 40, "text": "b"}))
    assert [sample.step for sample in samples] == [20, 40]
    assert problems.count == 0


@pytest.mark.parametrize("key", TEXT)
def test_the_text_goes_by_every_name_trainers_give_it(file: Path, key: str) -> None:
    samples, _ = samples_of(file, lines_of({"step": 1, key: "once"}))
    assert [sample.text for sample in samples] == ["once"]


@pytest.mark.parametrize("key", PROMPT)
def test_the_prompt_goes_by_every_name_trainers_give_it(file: Path, key: str) -> None:
    samples, _ = samples_of(file, lines_of({"step": 1, "output": "upon", key: "Once"}))
    assert [sample.prompt for sample in samples] == ["Once"]


def test_a_null_key_gives_way_to_the_next_one(file: Path) -> None:
    samples, _ = samples_of(file, lines_of({"step": None, "iter": 3, "text": None, "output": "a"}))
    assert [(sample.step, sample.text) for sample in samples] == [(3, "a")]


def test_every_field_of_a_sample_is_read(file: Path) -> None:
    row = {"step": 3, "text": "a", "loss": 2.5, "source": "books", "timestamp": 17.5, "prompt": "p"}
    (sample,), _ = samples_of(file, lines_of(row))
    assert (sample.loss, sample.source, sample.time, sample.prompt) == (2.5, "books", 17.5, "p")
    assert (sample.origin.file, sample.origin.line) == (str(file), 1)


def test_fields_of_another_kind_count_as_absent(file: Path) -> None:
    row = {"step": 3, "text": "a", "loss": "?", "source": 4, "time": "noon", "prompt": ["p"]}
    (sample,), problems = samples_of(file, lines_of(row))
    assert (sample.loss, sample.source, sample.time, sample.prompt) == (None, None, None, None)
    assert problems.count == 0


@pytest.mark.parametrize("time", ["NaN", "Infinity", "-Infinity"])
def test_a_time_that_is_not_finite_is_none(file: Path, time: str) -> None:
    (sample,), _ = samples_of(file, f'{{"step": 1, "text": "a", "time": {time}}}')
    assert sample.time is None


# Samples: which step, and which of the step


def test_the_index_counts_within_a_step_also_when_the_steps_interleave(file: Path) -> None:
    samples, _ = samples_of(
        file, lines_of(*({"step": step, "text": "a"} for step in (20, 20, 40, 20, 40, 60)))
    )
    assert [(s.step, s.index) for s in samples] == [(20, 0), (20, 1), (40, 0), (20, 2), (40, 1), (60, 0)]


def test_the_files_of_one_run_share_their_indexes(tmp_path: Path) -> None:
    indexes: Counter[int] = Counter()
    places = []
    for name in ("rank0.jsonl", "rank1.jsonl"):
        (tmp_path / name).write_text(lines_of({"step": 5, "text": "a"}, {"step": 9, "text": "b"}))
        places += [(s.step, s.index) for s in read_samples(tmp_path / name, Problems(), indexes)]
    assert places == [(5, 0), (9, 0), (5, 1), (9, 1)]


def test_rows_without_any_step_are_numbered_in_order(file: Path) -> None:
    samples, problems = samples_of(file, lines_of({"text": "a"}, {"text": "b"}, {"id": 1}, {"text": "c"}))
    assert [(sample.step, sample.index, sample.text) for sample in samples] == [
        (0, 0, "a"),
        (1, 0, "b"),
        (2, 0, "c"),
    ]
    assert [problem.line for problem in problems.listed] == [3]


def test_a_first_row_that_is_no_sample_does_not_decide_on_the_steps(file: Path) -> None:
    samples, problems = samples_of(file, lines_of({"config": {"lr": 0.1}}, {"step": 500, "text": "a"}))
    assert [sample.step for sample in samples] == [500]
    assert [(problem.line, problem.message.split(":")[0]) for problem in problems.listed] == [(1, "no text")]


def test_a_row_that_lacks_its_step_among_rows_with_one_is_a_problem(file: Path) -> None:
    samples, problems = samples_of(file, lines_of({"step": 5, "text": "a"}, {"text": "b"}))
    assert [sample.step for sample in samples] == [5]
    assert [problem.line for problem in problems.listed] == [2]


@pytest.mark.parametrize(
    ("value", "step"),
    [
        # numbers
        (0, 0),
        (-1, -1),
        (3.0, 3),
        (2**53, 2**53),
        # strings
        ("12", 12),
        (" 12 ", 12),
        ("12.0", 12),
        ("1e3", 1000),
    ],
)
def test_a_step_is_a_whole_number_however_it_is_written(value: Any, step: int) -> None:
    assert to_step(value) == step


@pytest.mark.parametrize(
    "value",
    [
        # not whole
        1.5,
        math.nan,
        math.inf,
        "nan",
        # too large for a step of any run
        2**54,
        10**4000,
        1e300,
        # no number
        "",
        "ten",
        None,
        True,
        [1],
        {"a": 1},
        [[[["deep"] * 1000] * 3]],
    ],
)
def test_anything_else_is_no_step_and_shown_in_few_words(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^step ") as caught:
        to_step(value)
    assert len(str(caught.value)) < 80


@settings(deadline=None)  # the machine may be busy
@given(st.integers(-(2**53), 2**53))
def test_every_step_a_run_can_have_is_read_as_it_was_written(step: int) -> None:
    assert to_step(step) == to_step(str(step)) == step


@settings(deadline=None)  # the machine may be busy
@given(st.floats(allow_nan=False))
def test_a_number_in_a_string_is_that_number(number: float) -> None:
    assert to_float(repr(number)) == to_float(number) == number


# Samples: lines that are none

BAD_LINES: list[tuple[str, bytes, str]] = [
    # no JSON
    ("not JSON", b"step 3: once upon", "not JSON"),
    ("a torn line", b'{"step": 3, "text": "once up', "not JSON"),
    ("a null byte", b'{"step": 3, "text": "a\x00b"}', "not JSON"),
    ("two objects", GOOD + GOOD, "not JSON"),
    ("nested deeply", b"[" * 100_000 + b"]" * 100_000, "not JSON: nested too deeply"),
    ("nested deeply, as an object", b'{"step":' * 100_000, "not JSON: nested too deeply"),
    (
        "a number of 10,000 digits",
        b'{"step": 1, "text": "a", "n": ' + b"7" * 10_000 + b"}",
        "not JSON: a number of too",
    ),
    # JSON, but no object
    ("a list", b'["step", 3]', "not a JSON object but list"),
    ("a string", b'"once"', "not a JSON object but str"),
    ("a number", b"3", "not a JSON object but int"),
    ("null", b"null", "not a JSON object but NoneType"),
    # no text
    ("no text", b'{"step": 3}', "no text: none of the keys text, completion"),
    ("text is null", b'{"step": 3, "text": null}', "no text"),
    ("text is a number", b'{"step": 3, "text": 5}', "the text is no string but int"),
    ("text is a chat", b'{"step": 3, "completion": [{"role": "x"}]}', "the text is no string but list"),
    # no step
    ("no step", b'{"text": "a"}', "no step: none of the keys step, global_step"),
    ("step is a word", b'{"step": "three", "text": "a"}', "step 'three' is no whole number"),
    ("step is 1.5", b'{"step": 1.5, "text": "a"}', "step 1.5 is no whole number"),
    ("step is NaN", b'{"step": NaN, "text": "a"}', "step nan is no whole number"),
    ("step is huge", b'{"step": 1e300, "text": "a"}', "step 1e+300 is too large"),
    ("step is true", b'{"step": true, "text": "a"}', "step True is no whole number"),
    # no UTF-8
    ("a byte that is no UTF-8", b'{"step": 3, "text": "a\xffb"}', "not UTF-8: byte 0xff at 22"),
    ("half a character", b'{"step": 3, "text": "caf\xc3"}', "not UTF-8: byte 0xc3"),
    ("a lone surrogate", rb'{"step": 3, "text": "a\ud800"}', r"half a character, '\ud800', at 1"),
    ("a lone surrogate in the prompt", rb'{"step": 3, "text": "a", "prompt": "\udfff"}', "half a character"),
    ("a lone surrogate in the source", rb'{"step": 3, "text": "a", "source": "\udfff"}', "half a character"),
]


@pytest.mark.parametrize(
    ("bad", "message"),
    [(bad, message) for _, bad, message in BAD_LINES],
    ids=[name for name, _, _ in BAD_LINES],
)
def test_a_bad_line_is_one_problem_with_its_place_and_the_others_are_read(
    file: Path, bad: bytes, message: str
) -> None:
    samples, problems = samples_of(file, b"\n".join([GOOD, b"", bad, GOOD]))
    assert [(sample.step, sample.index, sample.origin.line) for sample in samples] == [(7, 0, 1), (7, 1, 4)]
    assert [(problem.file, problem.line) for problem in problems.listed] == [(str(file), 3)]
    assert problems.listed[0].message.startswith(message)
    assert "\n" not in problems.listed[0].message


def test_a_torn_last_line_is_a_problem_and_the_rest_is_read(file: Path) -> None:
    samples, problems = samples_of(file, GOOD + b"\n" + GOOD[:-4])
    assert len(samples) == 1
    assert [problem.line for problem in problems.listed] == [2]


def test_problems_beyond_the_first_hundred_are_counted_but_not_kept(file: Path) -> None:
    _, problems = samples_of(file, b"x\n" * (LISTED + 50))
    assert (problems.count, len(problems.listed)) == (LISTED + 50, LISTED)


@pytest.mark.parametrize(
    "content",
    [
        # what surrounds a line is not part of it
        GOOD,
        GOOD + b"\r\n",
        b"\xef\xbb\xbf" + GOOD,
        b"\xef\xbb\xbf\r\n" + GOOD,
        b"\n\n  \t\r\n" + GOOD + b"\n\n",
        b"   " + GOOD + b"  \n",
    ],
)
def test_byte_order_marks_blank_lines_and_line_ends_are_not_noticed(file: Path, content: bytes) -> None:
    samples, problems = samples_of(file, content)
    assert [(sample.step, sample.text) for sample in samples] == [(7, "once upon a time")]
    assert problems.count == 0


def test_a_line_of_50_mb_is_passed_over_without_being_held(file: Path) -> None:
    with file.open("wb") as out:
        out.write(GOOD + b"\n")
        out.seek(50 * 10**6, os.SEEK_CUR)  # a hole
        out.write(b"\n" + GOOD)
    problems = Problems()
    tracemalloc.start()
    try:
        samples = list(read_samples(file, problems))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [sample.origin.line for sample in samples] == [1, 3]
    assert [(problem.line, problem.message[:17]) for problem in problems.listed] == [(2, "a line of 50 MB; ")]
    assert peak < 45 * 10**6


@pytest.mark.parametrize("over", [-1, 0, 1, 2])
def test_a_line_of_about_the_greatest_length_does_not_take_the_next_one_with_it(
    file: Path, over: int
) -> None:
    line = b'{"step": 1, "text": "a"}'.ljust(LONGEST_LINE - 1 + over)
    samples, problems = samples_of(file, line + b"\n" + GOOD)
    assert [sample.step for sample in samples] == ([1, 7] if over <= 0 else [7])
    assert [problem.line for problem in problems.listed] == ([] if over <= 0 else [1])


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.binary(max_size=60), max_size=8))
def test_whatever_the_lines_hold_the_good_ones_are_read(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    lines = [line.replace(b"\n", b"") for line in lines]
    file = tmp_path_factory.mktemp("any") / "samples.jsonl"
    samples, problems = samples_of(file, b"\n".join([GOOD, *lines, GOOD]))
    assert (samples[0].origin.line, samples[-1].origin.line) == (1, len(lines) + 2)
    assert problems.count <= len(lines)


# Losses as JSON lines


@pytest.mark.parametrize("step", ["step", "iter", "global_step", "current_steps"])
@pytest.mark.parametrize("loss", ["loss", "train_loss", "train/loss"])
def test_a_loss_row_goes_by_every_name_trainers_give_it(file: Path, step: str, loss: str) -> None:
    losses, problems = losses_of(file, lines_of({step: 10, loss: 3.5}, {step: "20", loss: "2.5"}))
    assert [(row.step, row.loss) for row in losses] == [(10, 3.5), (20, 2.5)]
    assert problems.count == 0


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
        ('{"step": 5, "loss": "low"}', "loss 'low' is no number"),
        ('{"step": 5, "loss": true}', "loss True is no number"),
        ('{"step": 5, "loss": {"a": 1}}', "loss of type dict is no number"),
        ('{"step": 5, "loss": [1, 2]}', "loss of type list is no number"),
        ('{"step": 5, "loss": "' + "x" * 9999 + '"}', "loss 'xxx"),
        ('{"loss": 2.0}', "no step: none of the keys step"),
        ('{"step": 0.5, "loss": 2.0}', "step 0.5 is no whole number"),
        ("torn", "not JSON"),
        ('{"step": 5, "loss": 2.0, "source": "\\ud800"}', "half a character"),
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


def test_json_lines_that_begin_with_a_torn_one_are_still_json_lines(file: Path) -> None:
    losses, problems = losses_of(file, '0, "loss": 9.0}\n{"step": 6, "loss": 2.0}\n')
    assert [(row.step, row.origin.line) for row in losses] == [(6, 2)]
    assert [problem.line for problem in problems.listed] == [1]


# Losses as CSV

LIGHTNING = """\
epoch,lr,step,train_loss,val_loss
0,,9,3.5,
0,0.001,9,,
0,,9,,3.6
1,,19,2.5,

1,,19,,2.7
"""


def test_the_csv_of_lightning_keeps_training_and_validation_apart(file: Path) -> None:
    losses, problems = losses_of(file, LIGHTNING)
    assert [(row.step, row.loss, row.origin.line) for row in losses] == [(9, 3.5, 2), (19, 2.5, 5)]
    assert problems.count == 0


def test_the_csv_of_keras_counts_in_epochs(file: Path) -> None:
    losses, _ = losses_of(file, "epoch,accuracy,loss,val_loss\r\n0,0.1,3.5,3.6\r\n1,0.2,nan,3.1\r\n")
    assert [row.step for row in losses] == [0, 1]
    assert losses[0].loss == 3.5
    assert math.isnan(losses[1].loss)


def test_a_blank_cell_gives_way_to_the_next_name(file: Path) -> None:
    losses, _ = losses_of(file, "step,loss,train_loss\n1,,2.5\n2,2.4,\n")
    assert [(row.step, row.loss) for row in losses] == [(1, 2.5), (2, 2.4)]


@pytest.mark.parametrize(
    "bad",
    [
        "5,much",
        "x,2.0",
        ",2.0",
        "5," + "9" * 200_000,  # beyond the limit of the csv module
    ],
)
def test_a_bad_row_of_csv_is_one_problem_and_the_others_are_read(file: Path, bad: str) -> None:
    losses, problems = losses_of(file, f"step,loss\n1,3.0\n{bad}\n6,2.0\n")
    assert [(row.step, row.origin.line) for row in losses] == [(1, 2), (6, 4)]
    assert [problem.line for problem in problems.listed] == [3]


# Losses as trainer_state.json

HISTORY = """{
  "best_metric": null,
  "epoch": 2.0,
  "log_history": [
    {"epoch": 0.5, "grad_norm": 1.2, "learning_rate": 5e-05, "loss": 3.5, "step": 10},
    {"epoch": 0.5, "eval_loss": 3.4, "eval_runtime": 1.0, "step": 10},
    {"epoch": 1.0, "grad_norm": NaN, "learning_rate": 4e-05, "loss": 0.0, "step": 20},
    {"epoch": 1.5, "grad_norm": 1.1, "loss": 2.5, "step": 30},
    {"epoch": 2.0, "step": 30, "total_flos": 1e15, "train_loss": 2.9, "train_runtime": 12.5}
  ],
  "max_steps": 30
}
"""


@pytest.mark.parametrize("name", ["trainer_state.json", "state_of_the_last_checkpoint.json"])
@pytest.mark.parametrize("content", [HISTORY, HISTORY.replace("\n", ""), "\ufeff" + HISTORY])
def test_of_a_trainer_state_the_training_rows_alone_are_losses(
    tmp_path: Path, name: str, content: str
) -> None:
    losses, problems = losses_of(tmp_path / name, content)
    assert [(row.step, row.origin.line) for row in losses] == [(10, 1), (20, 3), (30, 4)]
    assert [math.isfinite(row.loss) for row in losses] == [True, False, True]
    assert [(p.line, p.message) for p in problems.listed] == [(3, "the loss at step 20 is not finite")]


def test_a_trainer_state_under_another_name_is_known_by_its_shape(tmp_path: Path) -> None:
    padding = "".join(f'  "note {number}": "{"x" * 80}",\n' for number in range(100))
    assert len(padding) > 2 * 4096
    losses, _ = losses_of(tmp_path / "state.json", HISTORY.replace("{\n", "{\n" + padding, 1))
    assert [row.step for row in losses] == [10, 20, 30]


def test_a_row_of_a_trainer_state_that_is_none_does_not_cost_the_others(tmp_path: Path) -> None:
    content = '{"log_history": [{"step": 1, "loss": 2.0}, "torn", 3, {"step": 2, "loss": 1.5}]}'
    losses, problems = losses_of(tmp_path / "trainer_state.json", content)
    assert [row.step for row in losses] == [1, 2]
    assert [problem.line for problem in problems.listed] == [2, 3]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        "{",
        '{"log_history": 3}',
        '{"log_history": {"step": 1}}',
        '{"a": ' + "[" * 100_000,
        '{"n": ' + "7" * 10_000 + "}",
        "\udcff",
    ],
)
def test_a_trainer_state_that_is_none_is_refused_by_name(tmp_path: Path, content: str) -> None:
    with pytest.raises(ValueError, match=r"trainer_state\.json: ") as caught:
        losses_of(tmp_path / "trainer_state.json", content.encode(errors="surrogateescape"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        # nothing
        b"",
        b"\n\n",
        # a log that is none of the formats
        b"iter 100: loss 2.4500, time 50.00ms\n",
        # CSV without what is needed
        b"epoch,accuracy\n0,0.5\n",
        b"loss\n2.0\n",
        # something else altogether
        b"\x89PNG\r\n\x1a\n\x00\x00",
        b"x" * 200_000,
    ],
)
def test_a_file_that_holds_no_losses_is_refused_by_name(file: Path, content: bytes) -> None:
    with pytest.raises(ValueError, match=r"samples\.jsonl: no losses; expected JSON lines, trainer_state"):
        losses_of(file, content)


# Which files are meant


def test_a_run_folder_stands_for_its_samples_and_has_its_losses_beside_them(tmp_path: Path) -> None:
    for name in ("samples.jsonl", "other.jsonl", "metrics.jsonl"):
        (tmp_path / name).touch()
    assert sample_files([tmp_path]) == [tmp_path / "samples.jsonl"]
    assert loss_file([tmp_path]) == tmp_path / "metrics.jsonl"
    assert loss_file([tmp_path / "samples.jsonl"]) == tmp_path / "metrics.jsonl"
    assert loss_file([tmp_path / "other.jsonl"]) is None


@pytest.mark.parametrize("name", ["metrics.jsonl", "trainer_state.json", "metrics.csv"])
def test_the_losses_beside_the_samples_are_found_in_each_format(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert loss_file([tmp_path]) == tmp_path / name


def test_a_folder_of_json_lines_stands_for_all_of_them_but_the_metrics(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl", "metrics.jsonl", "readme.md"):
        (tmp_path / name).touch()
    (tmp_path / "folder.jsonl").mkdir()
    assert sample_files([tmp_path, tmp_path / "readme.md"]) == [
        tmp_path / name for name in ("a.jsonl", "b.jsonl", "readme.md")
    ]


def test_a_folder_without_samples_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").touch()
    with pytest.raises(ValueError, match=f"^{tmp_path}: a folder without samples; expected samples.jsonl"):
        sample_files([tmp_path])


def test_a_missing_path_is_refused_by_name(tmp_path: Path) -> None:
    for find in (lambda path: sample_files([path]), text_files):
        with pytest.raises(FileNotFoundError, match=f"^{tmp_path}/none: no such file or folder"):
            find(tmp_path / "none")


def test_a_corpus_folder_stands_for_the_text_below_it(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name in ("b.txt", "deep/a.md", "deep/er/c.jsonl", "deep/er/d.png"):
        (tmp_path / name).touch()
    assert text_files(tmp_path) == [tmp_path / name for name in ("b.txt", "deep/a.md", "deep/er/c.jsonl")]
    assert text_files(tmp_path / "deep/er/d.png") == [tmp_path / "deep/er/d.png"]


def test_a_corpus_folder_without_text_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"^{tmp_path}: a folder without text"):
        text_files(tmp_path)


def test_a_folder_in_place_of_a_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError) as caught:
        list(read_samples(tmp_path, Problems()))
    assert caught.value.filename == str(tmp_path)


def test_a_file_whose_name_is_no_utf8_is_read_and_named_without_the_byte(tmp_path: Path) -> None:
    try:
        samples, problems = samples_of(
            Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\xff.jsonl")), GOOD + b"\nx"
        )
    except OSError:
        pytest.skip("this file system refuses such a name")
    assert samples[0].origin.file == problems.listed[0].file == f"{tmp_path}/a\ufffd.jsonl"
    assert samples[0].model_dump_json()


def test_a_null_loss_is_not_a_number_in_a_run_folder_and_nothing_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"format": 1, "step": 1, "loss": null}\n{"step": 2, "loss": null}\n', encoding="utf-8")
    (row,) = read_losses(path, Problems())
    assert row.step == 1
    assert math.isnan(row.loss)
