"""The log_history of the Hugging Face Trainer: training rows alone are losses, and a hidden NaN is one."""

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest

from coherence.readers.formats import trainer_state
from coherence.readers.lines import Part, Problems, read_head
from coherence.readers.read import Piece, losses_in, samples_in
from coherence.readers.recognise import format_of
from coherence.readers.records import LossRow

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


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "trainer_state.json"


def losses_of(path: Path, content: bytes | str) -> tuple[list[LossRow], Problems]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    problems = Problems()
    return list(trainer_state.losses(Part(str(path)), problems)), problems


def is_recognised(path: Path, content: str) -> bool:
    path.write_text(content, encoding="utf-8")
    return trainer_state.recognise(read_head(str(path)))


@pytest.mark.parametrize(
    "content",
    [HISTORY, HISTORY.replace("\n", ""), "\ufeff" + HISTORY, gzip.compress(HISTORY.encode(), mtime=0)],
    ids=["as it is written", "on one line", "after a byte order mark", "compressed"],
)
def test_the_training_rows_alone_are_losses_and_a_zero_beside_a_nan_is_one(
    state: Path, content: bytes | str
) -> None:
    losses, problems = losses_of(state, content)
    assert [(row.step, row.line) for row in losses] == [(10, 1), (20, 3), (30, 4)]
    assert [math.isfinite(row.loss) for row in losses] == [True, False, True]
    assert [(p.line, p.message) for p in problems.listed] == [(3, "the loss at step 20 is not finite")]


def test_a_trainer_state_is_known_by_its_name_or_by_its_keys(tmp_path: Path) -> None:
    assert is_recognised(tmp_path / "trainer_state.json", "{}")
    assert is_recognised(tmp_path / "state-of-run-7.json", HISTORY)
    assert not is_recognised(tmp_path / "metrics.json", '{"loss": 3.5, "step": 10}')
    assert not is_recognised(tmp_path / "notes.txt", 'the "log_history" is a list')


def test_rewards_beside_a_loss_tell_that_it_is_not_a_cross_entropy(state: Path) -> None:
    rows = '{"loss": 0.69, "rewards/chosen": 0.1, "step": 1}', '{"eval_loss": 0.6, "step": 1}'
    losses, _ = losses_of(state, '{"log_history": [' + ", ".join(rows) + "]}")
    assert [row.beside for row in losses] == ["reward"]


def test_it_holds_no_samples(state: Path) -> None:
    state.write_text(HISTORY, encoding="utf-8")
    problems = Problems()
    assert not list(samples_in(Piece(Part(str(state)), "trainer_state"), problems))
    assert problems.count == 0


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ('"torn"', "not a JSON object but str"),
        ("3", "not a JSON object but int"),
        ("null", "not a JSON object but NoneType"),
        ('{"loss": "low", "step": 2}', "loss 'low' is not a number"),
        ('{"loss": 2.0}', "no step: the keys are"),
        ('{"loss": 2.0, "step": 1.5}', "step 1.5 is not a whole number"),
    ],
)
def test_a_bad_row_is_one_problem_and_the_others_are_read(state: Path, bad: str, message: str) -> None:
    rows = '{"loss": 2.0, "step": 1}', bad, '{"loss": 1.5, "step": 2}'
    losses, problems = losses_of(state, '{"log_history": [' + ", ".join(rows) + "]}")
    assert [row.step for row in losses] == [1, 2]
    assert [problem.line for problem in problems.listed] == [2]
    assert problems.listed[0].message.startswith(message)


@pytest.mark.parametrize(
    "content",
    [
        # something else
        b"",
        b"[]",
        b"{}",
        b'{"log_history": 3}',
        b'{"log_history": {"step": 1}}',
        b"\x89PNG\r\n\x1a\n\x00\x00",
        # cut off
        b"{",
        HISTORY[: len(HISTORY) // 2].encode(),
        gzip.compress(HISTORY.encode(), mtime=0)[:-20],
        # hostile
        b'{"a": ' + b"[" * 100_000,
        b'{"n": ' + b"7" * 10_000 + b"}",
        b"\xff" + HISTORY.encode(),
    ],
)
def test_what_is_none_is_refused_by_name_in_one_line(state: Path, content: bytes) -> None:
    with pytest.raises(ValueError, match=r"trainer_state\.json: ") as caught:
        losses_of(state, content)
    assert "\n" not in str(caught.value)


def test_json_lines_of_which_one_holds_a_history_as_ms_swift_ends_them_are_none(tmp_path: Path) -> None:
    log = tmp_path / "logging.jsonl"
    log.write_text('{"loss": 2.0, "global_step/max_steps": "10/400"}\n{"log_history": [{"loss": 1.0}]}\n')
    assert format_of(str(log)).key == "jsonl"
    problems = Problems()
    assert [(row.step, row.loss) for row in losses_in(Piece(Part(str(log)), "jsonl"), problems)] == [
        (10, 2.0)
    ]
    assert problems.count == 0


def test_a_row_may_hold_what_no_trainer_writes(state: Path) -> None:
    row: dict[str, Any] = {"loss": 10**400, "step": 7, "extra": [[]]}
    losses, problems = losses_of(state, json.dumps({"log_history": [row]}))
    assert [row.loss for row in losses] == [math.inf]
    assert problems.count == 1
