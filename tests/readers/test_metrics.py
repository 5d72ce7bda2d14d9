"""Reward, KL divergence and length, under the names and in the shapes in which trainers write them."""

import json
from pathlib import Path
from typing import Any

import pytest

from coherence.readers.format import Fields
from coherence.readers.formats import jsonl
from coherence.readers.lines import Part, Problems
from coherence.readers.objects.metrics import BLOCK, METRICS, NAMES, kind_of, mentions
from coherence.readers.read import Piece, metrics_in, samples_in
from coherence.readers.recognise import format_of
from coherence.readers.records import MetricRow
from coherence.signals.loss import KINDS, kind_beside

Told = list[tuple[int, str, float]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def read(path: Path, content: str, format: str | None = None, fields: Fields = Fields()) -> list[MetricRow]:  # noqa: A002, B008 - as the option; immutable
    path.write_text(content, encoding="utf-8")
    piece = Piece(Part(str(path)), format or format_of(str(path)).key)
    return list(metrics_in(piece, Problems(), fields))


def told(rows: list[MetricRow]) -> Told:
    return [(row.step, row.name, row.value) for row in rows]


def lines_of(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


# Names

TRL = {
    "loss": 0.0012,
    "grad_norm": 0.4,
    "learning_rate": 1e-06,
    "num_tokens": 7189.0,
    "epoch": 0.1,
    "completions/mean_length": 212.5,
    "completions/min_length": 41.0,
    "completions/clipped_ratio": 0.0,
    "rewards/brief/mean": 0.1,
    "rewards/brief/std": 0.2,
    "reward": 0.4,
    "reward_std": 0.3,
    "kl": 0.0004,
}
VERL = {
    "actor/ppo_kl": 0.001,
    "actor/kl_loss": 0.002,
    "actor/pg_loss": -0.01,
    "critic/score/mean": 0.5,
    "critic/score/max": 1.0,
    "critic/rewards/mean": 0.45,
    "response_length/mean": 310.25,
}


def test_what_trl_logs_is_read_in_the_order_of_its_keys(file: Path) -> None:
    rows = read(file, lines_of({"step": 10, **TRL}, {"step": 20, **TRL, "kl": 0.002}))
    assert told(rows) == [
        *((10, "length", 212.5), (10, "reward", 0.4), (10, "kl", 0.0004)),
        *((20, "length", 212.5), (20, "reward", 0.4), (20, "kl", 0.002)),
    ]
    assert [(row.key, row.file, row.line) for row in rows[:2]] == [
        ("completions/mean_length", str(file), 1),
        ("reward", str(file), 1),
    ]


def test_the_metrics_that_verl_writes_into_a_file_lie_one_level_down(file: Path) -> None:
    rows = read(
        file, lines_of({"step": 1, "data": VERL}, {"step": 2, "data": {**VERL, "actor/kl_loss": 0.004}})
    )
    assert told(rows)[3:] == [(2, "kl", 0.004), (2, "reward", 0.5), (2, "length", 310.25)]
    assert {row.key for row in rows} == {"actor/kl_loss", "critic/score/mean", "response_length/mean"}


@pytest.mark.parametrize("name", NAMES)
def test_each_name_of_the_table_is_of_one_kind_and_in_other_letters_too(name: str) -> None:
    assert kind_of(name) == kind_of(name.title()) in METRICS


def test_a_reward_and_a_kl_divergence_are_kinds_that_tell_of_a_loss() -> None:
    assert {*METRICS} - {"length"} <= {*KINDS}
    assert (kind_beside(TRL), kind_beside(VERL)) == ("reward", "kl")


@pytest.mark.parametrize(
    "name", ["rewards/chosen", "reward_std", "loss", "response_length/max", "x" * 10_000]
)
def test_other_metrics_are_none_of_the_three(file: Path, name: str) -> None:
    assert read(file, lines_of({"step": 1, "loss": 2.0, name: 0.5})) == []


# Rows


def test_of_each_kind_a_file_has_one_key_the_best_of_the_first_row(file: Path) -> None:
    rows = read(file, lines_of({"step": 1, "rewards/mean": 1}, {"step": 2, "reward": 2, "rewards/mean": 3}))
    assert told(rows) == [(1, "reward", 1.0), (2, "reward", 3.0)]


@pytest.mark.parametrize("row", [{"reward": 0.5}, {"step": 1, "reward": "so"}, {"step": 0.5, "reward": 0.5}])
def test_a_row_without_a_step_or_a_number_is_skipped(file: Path, row: dict[str, Any]) -> None:
    assert told(read(file, lines_of({"step": 1, "reward": 0.25}, row))) == [(1, "reward", 0.25)]


def test_a_reward_that_is_not_finite_is_skipped(file: Path) -> None:
    content = '{"step": 1, "reward": NaN}\n{"step": 2, "reward": 0.5, "kl": Infinity}\n'
    assert told(read(file, content)) == [(2, "reward", 0.5)]


def test_a_row_tells_its_run_and_the_step_stands_where_a_person_says(file: Path) -> None:
    (row,) = read(file, lines_of({"at": {"n": 7}, "reward": 1, "run": "b"}), fields=Fields(step="at.n"))
    assert (row.step, row.run) == (7, "b")


# Formats


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("trainer_state.json", json.dumps({"log_history": [{"step": 10, **TRL}]})),
        ("rows.json", json.dumps([{"step": 10, **TRL}], indent=1)),
        ("rows.csv", "Step,loss,train/reward,train/kl\n10,0.1,0.4,0.0004\n"),
        ("train.log", f"{ {**TRL} }\n100%|####| 10/10 [00:08<00:00,  1.63it/s]\n"),
    ],
)
def test_every_format_of_losses_tells_its_metrics(tmp_path: Path, name: str, content: str) -> None:
    rows = read(tmp_path / name, content)
    assert (10, "reward", 0.4) in told(rows)
    assert (10, "kl", 0.0004) in told(rows)


def test_a_table_of_metrics_is_read_by_its_columns(tmp_path: Path) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pa.table({"step": [1, 2], "train/reward": [0.1, 0.2], "text": ["a", "b"]})
    pq.write_table(table, tmp_path / "rows.parquet")
    rows = list(metrics_in(Piece(Part(str(tmp_path / "rows.parquet")), "parquet"), Problems()))
    assert told(rows) == [(1, "reward", 0.1), (2, "reward", 0.2)]


def test_scalars_of_tensorboard_are_read_by_their_tags(tmp_path: Path) -> None:
    writers = pytest.importorskip("torch.utils.tensorboard")
    with writers.SummaryWriter(str(tmp_path)) as writer:
        for step in (1, 2):
            writer.add_scalar("train/reward", step / 4, step)
            writer.add_scalar("train/rewards/brief/mean", 9, step)
    (path,) = tmp_path.iterdir()
    rows = list(metrics_in(Piece(Part(str(path)), "tensorboard"), Problems()))
    assert told(rows) == [(1, "reward", 0.25), (2, "reward", 0.5)]


def test_a_format_without_metrics_yields_none(tmp_path: Path) -> None:
    assert read(tmp_path / "sample-10.txt", "reward: 0.5", "numbered") == []


@pytest.mark.parametrize("before", [100, BLOCK - 16, 3 * BLOCK])
def test_a_file_is_looked_through_to_its_end_for_a_name(file: Path, before: int) -> None:
    filler = lines_of({"step": 1, "note": ""})
    filler = lines_of({"step": 1, "note": "x" * (before - len(filler))})
    assert len(filler) == before  # the second block begins in the middle of the name
    assert told(read(file, filler + lines_of({"step": 2, "Reward": 0.5}))) == [(2, "reward", 0.5)]
    file.write_text(filler)
    assert not mentions(str(file))


@pytest.mark.parametrize("name", [*METRICS["reward"], *METRICS["kl"]])
def test_no_name_escapes_what_a_file_is_looked_through_for(file: Path, name: str) -> None:
    file.write_text(lines_of({name.upper(): 1}))
    assert mentions(str(file))


# Lines of a log


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "(TaskRunner pid=8703) step:3 - actor/pg_loss:nan - actor/kl_loss:1.2e-05 - critic/score/mean:0.5"
            " - critic/score/max:1.0 - response_length/mean:310.250 - training/global_step:3.000",
            [(3, "kl", 1.2e-05), (3, "reward", 0.5), (3, "length", 310.25)],
        ),
        (
            "12:00:01 SUCCESS Step 3 | Time: 13.04s | Reward: 0.1160 | Throughput: 4577.7 tokens/s"
            " | Seq. Length: 396.8 tokens/sample",
            [(3, "reward", 0.116), (3, "length", 396.8)],
        ),
        (
            "Step 0 | Time: 348.53s | Loss: 0.0019 | Entropy: 0.2105 | Mismatch KL: 0.0006",
            [(0, "kl", 0.0006)],
        ),
        (
            "[2025-01-01 10:00:00] rollout 3: {'rollout/raw_reward': -0.25, 'rollout/rewards': 0.0,"
            " 'rollout/response_lengths': 300.5}",
            [(3, "reward", -0.25), (3, "length", 300.5)],
        ),
        (
            "Global step 4: {'policy_loss': 0.1, 'reward': 0.75, 'kl': 0.01, 'response_length': 210.0}",
            [(4, "reward", 0.75), (4, "kl", 0.01), (4, "length", 210.0)],
        ),
        ("\x1b[32mstep 4\x1b[0m reward = 0.75", [(4, "reward", 0.75)]),
        ("step:4 - val-aux/sums/reward/mean@1:0.565", []),
        ("{'reward': 0.75}", []),
        ("the reward: 5 dollars at step 3", []),
        ("step 4 of the plan, reward: 0.5s", []),
    ],
)
def test_a_line_of_a_trainer_of_policies_tells_its_step_and_its_metrics(
    tmp_path: Path, line: str, expected: Told
) -> None:
    assert told(read(tmp_path / "train.log", line, "logs")) == expected


# What each text earned


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"reward": 0.5}, ("reward", 0.5)),
        ({"input": "p", "score": 1}, ("score", 1.0)),
        ({"reward": None, "rewards": "0.25"}, ("rewards", 0.25)),
        ({"reward": {"a": 1}}, (None, None)),
        ({}, (None, None)),
    ],
)
def test_a_row_of_a_rollout_tells_what_its_text_earned(
    file: Path, row: dict[str, Any], expected: tuple[str | None, float | None]
) -> None:
    file.write_text(lines_of({"step": 1, "output": "So.", **row}))
    (sample,) = samples_in(Piece(Part(str(file)), "jsonl"), Problems())
    assert (sample.rewarded, sample.reward) == expected
    assert sample.beside == ("reward" if expected[0] in ("reward", "rewards") else None)


def test_columns_of_rewards_belong_to_their_texts(file: Path) -> None:
    columns = {"step": [1, 1], "completion": ["a", "b"], "reward": [0.5, 1.0]}
    file.write_text(lines_of(columns))
    assert [sample.reward for sample in jsonl.samples(Part(str(file)), Problems())] == [0.5, 1.0]
