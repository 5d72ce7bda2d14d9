"""The log that wandb keeps of a run: its framing, its values, and the folder in which it lies."""

import math
from pathlib import Path
from typing import Any

import pytest
from real_writers import run_script
from wandb_written import history, item, log_of, message

from coherence.readers.find import find_runs
from coherence.readers.formats.stores import wandb_log
from coherence.readers.lines import Part, Problems
from coherence.readers.read import Piece, losses_in, samples_in
from coherence.readers.recognise import format_of
from coherence.readers.records import LossRow

OTHER = message(5, b"what a config is")


def losses_of(path: Path) -> tuple[list[LossRow], Problems]:
    problems = Problems()
    return list(wandb_log.losses(Part(str(path)), problems)), problems


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run-abc.wandb"


@pytest.mark.parametrize("as_json", [True, False])
def test_losses_are_read_with_their_steps_whichever_version_wrote_them(path: Path, as_json: bool) -> None:
    rows: list[dict[str, Any]] = [
        {"train/loss": 3.5, "_timestamp": 1.5e9},
        {"eval.loss": 9.5},
        {"train/loss": 2, "ok": True},
    ]
    written = [history(10 * place, row, as_json) for place, row in enumerate(rows, start=1)]
    path.write_bytes(log_of([OTHER, *written, OTHER]))
    assert format_of(str(path)).key == "wandb_log"
    losses, problems = losses_of(path)
    assert [(row.step, row.loss, row.time, row.line) for row in losses] == [
        (10, 3.5, 1.5e9, 2),
        (30, 2.0, None, 4),
    ]
    assert problems.count == 0


def test_a_step_that_the_trainer_logs_counts_before_the_number_of_the_call(path: Path) -> None:
    path.write_bytes(log_of([history(3, {"train/loss": 3.5, "train/global_step": 500})]))
    assert [row.step for row in losses_of(path)[0]] == [500]


def test_a_loss_that_is_not_a_number_is_found_also_where_the_trainer_logs_a_zero(path: Path) -> None:
    rows: list[dict[str, Any]] = [{"loss": math.nan}, {"loss": 0.0, "grad_norm": math.inf}]
    path.write_bytes(log_of(history(step, row) for step, row in enumerate(rows)))
    losses, problems = losses_of(path)
    assert [math.isnan(row.loss) for row in losses] == [True, True]
    assert problems.count == 2


def test_strings_under_the_name_of_a_text_are_samples_and_rewards_are_read(path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"completion": "once upon a time", "prompt": "Tell"},
        {"train/reward": 0.5, "train/kl": -1},
    ]
    path.write_bytes(log_of(history(step, row) for step, row in enumerate(rows)))
    samples = list(wandb_log.samples(Part(str(path)), Problems()))
    assert [(sample.step, sample.prompt, sample.text) for sample in samples] == [
        (0, "Tell", "once upon a time")
    ]
    metrics = wandb_log.metrics(Part(str(path)), Problems())
    assert [(row.step, row.name, row.value) for row in metrics] == [(1, "reward", 0.5), (1, "kl", -1.0)]


@pytest.mark.parametrize("size", [*range(32_600, 32_760), 32_768, 100_000])
def test_a_record_may_lie_in_several_blocks_and_a_block_may_end_in_padding(path: Path, size: int) -> None:
    rows: list[dict[str, Any]] = [{"loss": 3.5, "note": "x" * size}, {"loss": 2.5}, {"loss": 1.5}]
    path.write_bytes(log_of(history(step, row) for step, row in enumerate(rows)))
    losses, problems = losses_of(path)
    assert [row.loss for row in losses] == [3.5, 2.5, 1.5]
    assert problems.count == 0


def test_a_record_that_is_cut_off_is_noted_and_those_before_it_count(path: Path) -> None:
    content = log_of(history(step, {"loss": 2.5}) for step in range(3))
    path.write_bytes(content[:-3])
    losses, problems = losses_of(path)
    assert len(losses) == 2
    assert [problem.message for problem in problems.listed] == [wandb_log.CUT]


def test_of_a_damaged_block_the_rest_is_passed_over_and_the_next_one_is_read(path: Path) -> None:
    content = bytearray(log_of(history(step, {"loss": 2.5, "note": "x" * 10_000}) for step in range(6)))
    content[12_000] ^= 1
    path.write_bytes(content)
    losses, problems = losses_of(path)
    assert [row.step for row in losses] == [0, 4, 5]
    assert [problem.message for problem in problems.listed] == ["damaged: its checksum is another one"]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (b"\x12\xff\x01", "a damaged record"),
        (message(2, message(1, message(1, b"loss") + message(16, b"{2"))), "a value that is not JSON"),
        (message(2, message(1, message(1, b"caf\xc3"))), "a damaged record"),
        (message(2, message(1, message(1, b"loss") + b"\x31\0")), "a damaged record"),
        (message(2, message(1, item("loss", "low"))), "loss 'low' is not a number"),
    ],
)
def test_a_bad_record_is_one_problem_and_the_others_are_read(path: Path, record: bytes, message: str) -> None:
    path.write_bytes(log_of([history(1, {"loss": 3.5}), record, history(3, {"loss": 2.5})]))
    losses, problems = losses_of(path)
    assert [row.step for row in losses] == [1, 3]
    assert [(problem.line, problem.message) for problem in problems.listed] == [(2, message)]


def test_a_record_that_is_too_long_is_passed_over(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wandb_log, "LARGEST", 1000)
    rows: list[dict[str, Any]] = [{"loss": 3.5, "note": "x" * 100_000}, {"loss": 2.5}]
    path.write_bytes(log_of(history(step, row) for step, row in enumerate(rows)))
    losses, problems = losses_of(path)
    assert [row.step for row in losses] == [1]
    assert [(problem.line, problem.message) for problem in problems.listed] == [
        (1, "a record of more than 64 MB, the largest that is read")
    ]


def test_another_file_is_refused_by_name(path: Path) -> None:
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match=r"run-abc\.wandb: not a log of wandb"):
        losses_of(path)


@pytest.mark.parametrize("named", [".", "wandb", "wandb/offline-run-1-abc"])
def test_the_log_tells_the_losses_of_the_tables_beside_it(tmp_path: Path, named: str) -> None:
    run = tmp_path / "wandb" / "offline-run-1-abc"
    (run / "files" / "media" / "table").mkdir(parents=True)
    table = run / "files" / "media" / "table" / "completions_20_0a1b.table.json"
    table.write_text('{"columns": ["completion"], "data": [["once upon a time"]]}', encoding="utf-8")
    (run / "run-abc.wandb").write_bytes(log_of([history(20, {"loss": 3.5})]))
    (found,) = find_runs([str(tmp_path / named)])
    assert [file.path for file in found.samples] == [str(table)]
    assert [(file.path, file.format) for file in found.losses] == [(str(run / "run-abc.wandb"), "wandb_log")]


RUN = """
import wandb
with wandb.init(mode="offline", project="tales", dir=".") as run:
    for step in (10, 20):
        wandb.log({"train/loss": float("nan") if step == 20 else 3.5, "deep": {"lr": 0.1}}, step=step)
    table = wandb.Table(columns=["step", "prompt", "completion"])
    table.add_data(10, "Once", " upon a time")
    wandb.log({"completions": table, "generated": "There was a cat."}, step=30)
"""


def test_what_wandb_writes_offline_is_read(tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="the log is written by wandb")
    run_script(RUN, tmp_path)
    (run,) = find_runs([str(tmp_path)])
    (samples, losses) = (Piece(Part(files[0].path), files[0].format) for files in (run.samples, run.losses))
    assert [(s.step, s.prompt, s.text) for s in samples_in(samples, Problems())] == [
        (10, "Once", " upon a time")
    ]
    assert [(row.step, math.isnan(row.loss)) for row in losses_in(losses, Problems())] == [
        (10, False),
        (20, True),
    ]
    assert [(s.step, s.text) for s in samples_in(losses, Problems())] == [(30, "There was a cat.")]
