"""Runs in the folders of trackers: MLflow's file store with its artifacts, DVCLive's tables of one metric."""

import json
import math
import re
import zipfile
from pathlib import Path

import pytest
from real_writers import run_script

from coherence.readers import trackers
from coherence.readers.find import RunFiles, find_runs
from coherence.readers.lines import Part, Problems
from coherence.readers.read import Piece, losses_in, samples_in
from coherence.readers.recognise import format_of

TIME = 1_767_225_610_000


def mlflow_run(store: Path, name: str, metrics: dict[str, list[float]], start: int = TIME) -> Path:
    """Writes what MLflow's file store writes of a run; the steps of a metric are 10, 20, ..."""
    run = store / "1" / f"{name}f00"
    for key, values in metrics.items():
        (run / "metrics" / key).parent.mkdir(parents=True, exist_ok=True)
        lines = (f"{TIME + place} {value} {10 * (place + 1)}\n" for place, value in enumerate(values))
        (run / "metrics" / key).write_text("".join(lines), encoding="utf-8")
    about = f"artifact_uri: mlflow-artifacts:/1\nrun_name: {name}\nstart_time: {start}\nstatus: 3\n"
    (run / "meta.yaml").write_text(about, encoding="utf-8")
    (store / "1" / "meta.yaml").write_text("name: tales\n", encoding="utf-8")
    return run


def table_in(run: Path, *texts: str, name: str = "artifacts/completions.json") -> None:
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    data = [[10 * (place + 1), text] for place, text in enumerate(texts)]
    (run / name).write_text(json.dumps({"columns": ["step", "text"], "data": data}), encoding="utf-8")


def losses_of(run: RunFiles) -> list[tuple[int, float]]:
    pieces = [Piece(Part(file.path), file.format) for file in run.losses]
    return [(row.step, row.loss) for piece in pieces for row in losses_in(piece, Problems())]


def texts_of(run: RunFiles) -> list[tuple[int | None, str]]:
    pieces = [Piece(Part(file.path), file.format) for file in run.samples]
    return [(sample.step, sample.text) for piece in pieces for sample in samples_in(piece, Problems())]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Two runs with samples, the one that begins last first by its name."""
    store = tmp_path / "mlruns"
    for name, loss, start in (("a", 3.5, TIME + 1), ("b", 2.5, TIME)):
        table_in(mlflow_run(store, name, {"loss": [loss], "eval_loss": [9.5]}, start), f"tale of {name}")
    return store


@pytest.mark.parametrize("named", [".", "mlruns", "mlruns/1"])
def test_each_run_of_mlflow_is_a_run_with_its_name_its_samples_and_its_losses(
    store: Path, named: str
) -> None:
    runs = find_runs([str(store.parent / named)])
    assert sorted((run.name, losses_of(run), texts_of(run)) for run in runs) == [
        ("a", [(10, 3.5)], [(10, "tale of a")]),
        ("b", [(10, 2.5)], [(10, "tale of b")]),
    ]
    assert [note for run in runs for note in run.notes] == []


def test_a_run_of_mlflow_may_be_named_itself(store: Path) -> None:
    (run,) = find_runs([str(store / "1" / "bf00")])
    assert (run.name, losses_of(run), texts_of(run)) == ("b", [(10, 2.5)], [(10, "tale of b")])


def test_tables_and_texts_lie_anywhere_among_the_artifacts_and_other_json_is_passed_over(store: Path) -> None:
    run = store / "1" / "af00"
    table_in(run, "deeper", name="artifacts/eval/gen.json")
    (run / "artifacts" / "samples").mkdir()
    (run / "artifacts" / "samples" / "step_500.txt").write_text("Once upon a time", encoding="utf-8")
    (run / "artifacts" / "config.json").write_text('{\n "lr": 0.1\n}', encoding="utf-8")
    found, other = find_runs([str(store)])
    assert sorted(texts_of(found if found.name == "a" else other)) == [
        (10, "deeper"),
        (10, "tale of a"),
        (500, "Once upon a time"),
    ]
    assert [*found.notes, *other.notes] == []


def test_the_losses_are_the_metric_that_is_best_known_as_one(tmp_path: Path) -> None:
    run = mlflow_run(tmp_path / "mlruns", "a", {"train_loss": [9.5], "train/loss": [9.5], "loss": [3.5, 2.5]})
    table_in(run, "a tale")
    assert losses_of(find_runs([str(run)])[0]) == [(10, 3.5), (20, 2.5)]


def test_the_last_run_of_the_store_beside_samples_tells_the_losses_and_a_note_says_so(tmp_path: Path) -> None:
    (tmp_path / "samples.jsonl").write_text('{"step": 10, "text": "once"}\n', encoding="utf-8")
    mlflow_run(tmp_path / "mlruns", "a", {"loss": [3.5]}, TIME + 1)
    mlflow_run(tmp_path / "mlruns", "b", {"loss": [2.5]})
    (run,) = find_runs([str(tmp_path)])
    assert losses_of(run) == [(10, 3.5)]
    assert run.notes == ("losses of 2 runs in MLflow's store; those of the last one are read",)


def test_a_metric_is_recognised_by_its_lines_in_a_folder_of_metrics(tmp_path: Path) -> None:
    run = mlflow_run(tmp_path / "mlruns", "a", {"loss": [3.5], "lr": [0.1]})
    assert format_of(str(run / "metrics" / "loss")).key == "mlflow_metric"
    (tmp_path / "loss").write_text((run / "metrics" / "loss").read_text(), encoding="utf-8")
    (run / "metrics" / "notes").write_text("1767225610000 3.5 10\nand so on\n", encoding="utf-8")
    for other in (tmp_path / "loss", run / "metrics" / "notes"):
        with pytest.raises(ValueError, match="none of the formats"):
            format_of(str(other))
    assert list(losses_in(Piece(Part(str(run / "metrics" / "lr")), "mlflow_metric"), Problems())) == []


def test_a_line_of_a_metric_that_is_none_and_a_loss_that_is_not_finite_are_problems(tmp_path: Path) -> None:
    run = mlflow_run(
        tmp_path / "mlruns", "a", {"loss": [3.5, math.nan, 0.0], "train/grad_norm": [0.5, 0.5, math.inf]}
    )
    with (run / "metrics" / "loss").open("a", encoding="utf-8") as file:
        file.write("17672256\n")
    problems = Problems()
    found = list(losses_in(Piece(Part(str(run / "metrics" / "loss")), "mlflow_metric"), problems))
    assert [(row.step, math.isfinite(row.loss)) for row in found] == [(10, True), (20, False), (30, False)]
    assert found[0].time == TIME / 1000
    assert [problem.line for problem in problems.listed] == [2, 3, 4]


def test_a_reward_among_the_metrics_says_that_the_loss_is_not_a_cross_entropy(tmp_path: Path) -> None:
    run = mlflow_run(tmp_path / "mlruns", "a", {"loss": [0.1], "train/reward": [0.5]})
    piece = Piece(Part(str(run / "metrics" / "loss")), "mlflow_metric")
    assert [row.beside for row in losses_in(piece, Problems())] == ["reward"]


@pytest.mark.parametrize(
    "metrics", ["dvclive/plots/metrics/train", "plots/metrics/train", "dvclive/plots/metrics"]
)
def test_the_losses_of_dvclive_are_found_beside_samples(tmp_path: Path, metrics: str) -> None:
    (tmp_path / "samples.jsonl").write_text('{"step": 1, "text": "once"}\n', encoding="utf-8")
    (tmp_path / metrics).mkdir(parents=True)
    (tmp_path / metrics / "loss.tsv").write_text("step\tloss\n0\t3.5\n1\t2.5\n", encoding="utf-8")
    (run,) = find_runs([str(tmp_path)])
    assert losses_of(run) == [(0, 3.5), (1, 2.5)]


# Stores that are not read

COMET = {"messages.json": '{"type": "metric_msg", "payload": {}}', "experiment.json": "{}"}
CLEARML = {"metrics.jsonl": "[]", "task.json": "{}", "log.jsonl": "[]"}


def archive(path: Path, entries: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("entries", "word"),
    [
        (COMET, "an archive of Comet is not read; unzip -p {} messages.json | jq -c 'select"),
        (CLEARML, "an archive of ClearML is not read; unzip -p {} metrics.jsonl | jq -c '.[] |"),
    ],
    ids=["comet", "clearml"],
)
def test_of_an_archive_that_is_not_read_it_is_said_how_to_take_the_losses_out(
    tmp_path: Path, entries: dict[str, str], word: str
) -> None:
    path = archive(tmp_path / "274926c7.zip", entries)
    with pytest.raises(ValueError, match=re.escape(f"{path}: {word.format(path)}")):
        find_runs([str(path)])
    with pytest.raises(ValueError, match=re.escape(f"it holds 1 other file; {word.format(path)}")):
        find_runs([str(tmp_path)])


@pytest.mark.parametrize("named", [".", ".aim"])
def test_of_the_store_of_aim_it_is_said_that_it_is_not_read(tmp_path: Path, named: str) -> None:
    (tmp_path / ".aim").mkdir()
    with pytest.raises(ValueError, match="it holds no files; Aim's store is not read; run `aim up`"):
        find_runs([str(tmp_path / named)])


def test_beside_samples_a_store_is_named_only_where_there_are_no_losses(tmp_path: Path) -> None:
    (tmp_path / ".aim").mkdir()
    (tmp_path / "samples.jsonl").write_text('{"step": 1, "text": "once"}\n', encoding="utf-8")
    assert find_runs([str(tmp_path)])[0].notes == (trackers.AIM_IS_NOT_READ,)
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 2.5}\n', encoding="utf-8")
    assert find_runs([str(tmp_path)])[0].notes == ()


def test_any_other_archive_is_passed_over(tmp_path: Path) -> None:
    archive(tmp_path / "code.zip", {"train.py": ""})
    (tmp_path / "broken.zip").write_bytes(b"PK")
    assert trackers.unread_in(str(tmp_path)) is None


# What the libraries write

MLFLOW = """
import mlflow
mlflow.set_tracking_uri("file:mlruns")
with mlflow.start_run(run_name="first"):
    for step in (10, 20):
        mlflow.log_metric("train/loss", 3.5, step=step)
        mlflow.log_metric("eval_loss", 9.5, step=step)
    mlflow.log_table({"step": [10], "prompt": ["Once"], "completion": [" a cat"]}, "completions.json")
    mlflow.log_text("Once upon a time", "samples/step_20.txt")
    mlflow.log_dict({"lr": 0.1}, "config.json")
"""

DVCLIVE = """
from dvclive import Live
with Live(save_dvc_exp=False, dvcyaml=None, report=None) as live:
    for loss in (3.5, 2.5):
        live.log_metric("train/loss", loss)
        live.log_metric("eval/loss", 9.5)
        live.next_step()
"""


def test_what_mlflow_writes_to_its_file_store_is_read(tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="the store is written by mlflow")
    run_script(MLFLOW, tmp_path)
    (run,) = find_runs([str(tmp_path)])
    assert (run.name, losses_of(run)) == ("first", [(10, 3.5), (20, 3.5)])
    assert sorted(texts_of(run)) == [(10, " a cat"), (20, "Once upon a time")]
    assert run.notes == ()


COMET_RUN = """
import comet_ml
run = comet_ml.OfflineExperiment(offline_directory=".", project_name="tales")
run.log_metric("loss", 3.5, step=10)
run.end()
"""


def test_what_comet_writes_offline_is_called_an_archive_of_comet(tmp_path: Path) -> None:
    pytest.importorskip("comet_ml", reason="the archive is written by comet_ml")
    run_script(COMET_RUN, tmp_path)
    with pytest.raises(ValueError, match="an archive of Comet is not read"):
        find_runs([str(tmp_path)])


def test_what_dvclive_writes_is_found(tmp_path: Path) -> None:
    pytest.importorskip("dvclive", reason="the tables are written by dvclive")
    (tmp_path / "samples.jsonl").write_text('{"step": 1, "text": "once"}\n', encoding="utf-8")
    run_script(DVCLIVE, tmp_path)
    (run,) = find_runs([str(tmp_path)])
    assert losses_of(run) == [(0, 3.5), (1, 2.5)]
