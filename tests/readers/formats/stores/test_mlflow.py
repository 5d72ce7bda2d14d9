"""MLflow's database: losses of each run under its own key, and the samples among the artifacts."""

import json
import math
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from real_writers import run_script

from coherence.readers.find import find_runs
from coherence.readers.formats.stores import mlflow
from coherence.readers.lines import Part, Problems, read_head
from coherence.readers.recognise import format_of
from coherence.readers.records import LossRow, Sample

SCHEMA = """
CREATE TABLE runs (run_uuid VARCHAR(32) PRIMARY KEY, name VARCHAR(250), lifecycle_stage VARCHAR(20),
    experiment_id INTEGER);
CREATE TABLE metrics (key VARCHAR(250), value FLOAT, timestamp BIGINT, run_uuid VARCHAR(32), step BIGINT,
    is_nan BOOLEAN, PRIMARY KEY (key, timestamp, step, run_uuid, value, is_nan));
CREATE TABLE latest_metrics (key VARCHAR(250), run_uuid VARCHAR(32), PRIMARY KEY (key, run_uuid));
"""
TIME = 1_767_225_610_000


class Database:
    """Writes what MLflow writes, metric by metric."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(SCHEMA)

    def run(self, identity: str, name: str, stage: str = "active") -> None:
        self._write("INSERT INTO runs VALUES (?, ?, ?, 1)", identity, name, stage)

    def log(self, run: str, key: str, value: float, step: int, is_nan: bool = False) -> None:
        self._write("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", key, value, TIME, run, step, is_nan)
        self._write("INSERT OR IGNORE INTO latest_metrics VALUES (?, ?)", key, run)

    def artifact(self, run: str, name: str, content: str) -> Path:
        path = self.path.parent / "mlruns" / "1" / run / "artifacts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        return path

    def _write(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(statement, values)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(tmp_path / "mlflow.db")
    database.run("a1", "first")
    database.run("b2", "second")
    return database


def samples_of(path: Path) -> tuple[list[Sample], Problems]:
    problems = Problems()
    return list(mlflow.samples(Part(str(path)), problems)), problems


def losses_of(path: Path) -> tuple[list[LossRow], Problems]:
    problems = Problems()
    return list(mlflow.losses(Part(str(path)), problems)), problems


def test_each_run_has_the_losses_under_the_first_name_that_it_logged(database: Database) -> None:
    database.log("a1", "train_loss", 9.5, 20)  # the mean of the run, which is logged last
    database.log("a1", "loss", 3.5, 10)
    database.log("a1", "eval_loss", 9.5, 10)
    database.log("a1", "loss", 2.5, 20)
    database.log("b2", "train/loss", 4.5, 10)
    losses, problems = losses_of(database.path)
    assert [(row.run, row.step, row.loss, row.time) for row in losses] == [
        ("first", 10, 3.5, TIME / 1000),
        ("first", 20, 2.5, TIME / 1000),
        ("second", 10, 4.5, TIME / 1000),
    ]
    assert problems.count == 0


def test_a_run_that_was_deleted_is_passed_over_and_two_of_one_name_are_told_apart(database: Database) -> None:
    database.run("c3", "first")
    database.run("d4", "gone", "deleted")
    for run in ("a1", "c3", "d4"):
        database.log(run, "loss", 3.5, 1)
    assert [row.run for row in losses_of(database.path)[0]] == ["first", "first c3"]


def test_a_loss_that_is_none_is_found_also_where_the_trainer_logs_a_zero(database: Database) -> None:
    database.log("a1", "loss", 0.0, 1, is_nan=True)
    database.log("a1", "loss", 0.0, 2)
    database.log("a1", "grad_norm", 0.0, 2, is_nan=True)
    database.log("a1", "loss", 0.0, 3)
    database.log("a1", "grad_norm", 0.5, 3)
    losses, problems = losses_of(database.path)
    assert [math.isnan(row.loss) for row in losses] == [True, True, False]
    assert problems.count == 2


def test_rewards_beside_a_loss_say_that_it_is_not_a_cross_entropy(database: Database) -> None:
    database.log("a1", "loss", 0.1, 1)
    database.log("a1", "rewards/chosen", 0.1, 1)
    database.log("b2", "loss", 0.1, 1)
    assert [row.beside for row in losses_of(database.path)[0]] == ["reward", None]


def test_reward_kl_and_length_are_read_run_by_run(database: Database) -> None:
    database.log("a1", "train/reward", 0.25, 1)
    database.log("a1", "train/kl", 0.01, 1)
    database.log("b2", "train/reward", 0.5, 1)
    rows = mlflow.metrics(Part(str(database.path)), Problems())
    assert [(row.run, row.name, row.value) for row in rows] == [
        ("first", "reward", 0.25),
        ("first", "kl", 0.01),
        ("second", "reward", 0.5),
    ]


def test_more_metrics_than_a_page_are_read(database: Database) -> None:
    rows = [("loss", 2.5, TIME, "a1", step, False) for step in range(2500)]
    database.log("a1", "loss", 2.5, 2500)
    with closing(sqlite3.connect(database.path)) as connection, connection:
        connection.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", rows)
    assert sorted(row.step for row in losses_of(database.path)[0]) == list(range(2501))


def test_tables_and_texts_of_a_step_among_the_artifacts_are_samples_of_their_run(database: Database) -> None:
    table = {
        "columns": ["step", "prompt", "completion"],
        "data": [[10, "Once", "a cat"], [20, "Once", "a dog"]],
    }
    database.artifact("a1", "completions.json", json.dumps(table))
    database.artifact("b2", "samples/step_100.txt", "Once upon a time")
    database.artifact("b2", "config.json", '{"lr": 0.1}')
    database.artifact("b2", "requirements.txt", "torch==2.13.0")
    samples, problems = samples_of(database.path)
    assert [(s.run, s.step, s.prompt, s.text) for s in samples] == [
        ("first", 10, "Once", "a cat"),
        ("first", 20, "Once", "a dog"),
        ("second", 100, None, "Once upon a time"),
    ]
    assert problems.count == 0


def test_an_artifact_that_cannot_be_read_is_a_problem_of_its_own(database: Database) -> None:
    path = database.artifact("a1", "completions.json", '{"columns": ["text"], "data": [["on')
    database.artifact("b2", "completions.json", '{"columns": ["text"], "data": [["once"]]}')
    samples, problems = samples_of(database.path)
    assert [sample.text for sample in samples] == ["once"]
    assert [(problem.file, problem.line) for problem in problems.listed] == [(str(path), 1)]


def test_an_id_that_leads_out_of_the_folder_is_followed_nowhere(database: Database) -> None:
    database.run("../../..", "out")
    outside = database.path.parent / "artifacts"
    outside.mkdir()
    (outside / "a.json").write_text('{"columns": ["text"], "data": [["secret"]]}', encoding="utf-8")
    assert samples_of(database.path)[0] == []


def test_the_database_is_recognised_by_its_tables_and_refused_where_they_are_not_there(
    tmp_path: Path,
) -> None:
    Database(tmp_path / "a.db")
    assert format_of(str(tmp_path / "a.db")).key == "mlflow"
    with closing(sqlite3.connect(tmp_path / "books.db")) as connection:
        connection.execute("CREATE TABLE books (title TEXT)")
    assert not mlflow.recognise(read_head(str(tmp_path / "books.db")))
    with pytest.raises(ValueError, match=r"books\.db: an SQLite database, but not one of MLflow"):
        samples_of(tmp_path / "books.db")


def test_a_folder_with_the_database_is_its_runs_with_their_losses(database: Database) -> None:
    database.log("a1", "loss", 3.5, 10)
    database.artifact("a1", "completions.json", '{"columns": ["step", "text"], "data": [[10, "once"]]}')
    (run,) = find_runs([str(database.path.parent)])
    assert [file.path for file in run.samples] == [file.path for file in run.losses] == [str(database.path)]


RUN = """
import mlflow
mlflow.set_tracking_uri("sqlite:///mlflow.db")
for name in ("first", "second"):
    with mlflow.start_run(run_name=name):
        for step in (10, 20):
            mlflow.log_metric("loss", float("nan") if step == 20 else 3.5, step=step)
        mlflow.log_table({"step": [10], "prompt": ["Once"], "completion": [" a cat"]}, "completions.json")
        mlflow.log_text("Once upon a time", "samples/step_20.txt")
"""


def test_what_mlflow_writes_is_read(tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="the database is written by mlflow")
    run_script(RUN, tmp_path)
    assert format_of(str(tmp_path / "mlflow.db")).key == "mlflow"
    losses, problems = losses_of(tmp_path / "mlflow.db")
    assert [(row.run, row.step, math.isnan(row.loss)) for row in losses] == [
        ("first", 10, False),
        ("first", 20, True),
        ("second", 10, False),
        ("second", 20, True),
    ]
    assert problems.count == 2
    samples, problems = samples_of(tmp_path / "mlflow.db")
    assert [(s.run, s.step, s.prompt, s.text) for s in samples] == [
        (run, *rest)
        for run in ("first", "second")
        for rest in ((10, "Once", " a cat"), (20, None, "Once upon a time"))
    ]
    assert problems.count == 0
