"""The database of trackio: several runs, tables and traces, and a writer that is never held up."""

import json
import math
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from coherence.readers.formats import trackio
from coherence.readers.formats.stores import sqlite
from coherence.readers.formats.stores.sqlite import PAGE, PAGE_BYTES
from coherence.readers.lines import Part, Problems, read_head
from coherence.readers.records import LossRow, Sample

TIME = "2026-01-01T00:00:10+00:00"
SCHEMA = """
CREATE TABLE metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, timestamp TEXT NOT NULL,
    run_name TEXT NOT NULL, step INTEGER NOT NULL, metrics TEXT NOT NULL);
CREATE TABLE traces (id TEXT PRIMARY KEY, run_id TEXT NOT NULL, timestamp TEXT NOT NULL,
    run_name TEXT NOT NULL, step INTEGER NOT NULL, messages TEXT NOT NULL);
"""
INSERT = "INSERT INTO metrics (run_id, timestamp, run_name, step, metrics) VALUES (?, ?, ?, ?, ?)"


class Database:
    """Writes what trackio writes, row by row."""

    def __init__(self, path: Path, schema: str = SCHEMA) -> None:
        self.path = path
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(schema)

    def log(self, step: int, metrics: Any, run: str = "first", run_id: str | None = None) -> None:
        content = metrics if isinstance(metrics, bytes) else json.dumps(metrics).encode()
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(INSERT, (run_id or run, TIME, run, step, content))

    def log_all(self, *logged: Any) -> None:
        """A row each, of the steps from 0 on, all at once."""
        rows = [("first", TIME, "first", step, json.dumps(metrics)) for step, metrics in enumerate(logged)]
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.executemany(INSERT, rows)

    def table(self, step: int, *rows: dict[str, Any], key: str = "completions") -> None:
        self.log(step, {key: {"_type": "trackio.table", "_value": list(rows)}})


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "tales.db")


def samples_of(path: Path) -> tuple[list[Sample], Problems]:
    problems = Problems()
    return list(trackio.samples(Part(str(path)), problems)), problems


def losses_of(path: Path) -> tuple[list[LossRow], Problems]:
    problems = Problems()
    return list(trackio.losses(Part(str(path)), problems)), problems


# Losses


def test_each_loss_says_of_which_run_it_is(database: Database) -> None:
    database.log(1, {"loss": 3.5})
    database.log(1, {"loss": 4.5}, run="second")
    database.log(2, {"loss": 2.5, "lr": 0.1})
    database.log(2, {"val_loss": 9.5})
    losses, problems = losses_of(database.path)
    assert [(row.run, row.step, row.loss, row.line) for row in losses] == [
        ("first", 1, 3.5, 1),
        ("second", 1, 4.5, 2),
        ("first", 2, 2.5, 3),
    ]
    assert losses[0].file == str(database.path)
    assert problems.count == 0


def test_two_runs_of_one_name_are_told_apart(database: Database) -> None:
    database.log(1, {"loss": 3.5}, run_id="a1")
    database.log(1, {"loss": 4.5}, run_id="b2")
    database.log(1, {"loss": 5.5}, run="second", run_id="c3")
    losses, _ = losses_of(database.path)
    assert [row.run for row in losses] == ["first", "first b2", "second"]


def test_the_step_is_that_of_the_trainer_where_trackio_counts_calls(database: Database) -> None:
    database.log(0, {"train/loss": 3.5, "train/epoch": 0.5, "train/global_step": 100})
    database.log(1, {"__step": 200, "loss": 2.5})  # a metric of the name that trackio keeps for itself
    database.log(300, {"loss": 1.5})
    losses, _ = losses_of(database.path)
    assert [row.step for row in losses] == [100, 200, 300]


def test_the_rows_of_the_hugging_face_trainer_are_told_apart(database: Database) -> None:
    database.log(0, {"train/loss": 0.0, "train/grad_norm": "NaN", "train/global_step": 10})
    database.log(1, {"eval/loss": 9.5, "train/global_step": 10})
    database.log(2, {"train/train_loss": 3.0, "train/train_runtime": 7.5, "train/global_step": 10})
    losses, problems = losses_of(database.path)
    assert [math.isnan(row.loss) for row in losses] == [True]
    assert [(p.line, p.message) for p in problems.listed] == [(1, "the loss at step 10 is not finite")]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_json_lacks_is_read_as_trackio_writes_it(database: Database, value: str) -> None:
    database.log(1, {"loss": value})
    losses, problems = losses_of(database.path)
    assert [math.isfinite(row.loss) for row in losses] == [False]
    assert problems.count == 1


# Samples


def test_the_rows_of_a_table_are_samples(database: Database) -> None:
    database.table(
        7, {"prompt": "Once", "completion": " upon"}, {"prompt": "Why", "completion": "", "step": None}
    )
    samples, problems = samples_of(database.path)
    assert [(s.step, s.prompt, s.text, s.run, s.line) for s in samples] == [
        (7, "Once", " upon", "first", 1),
        (7, "Why", "", "first", 1),
    ]
    assert samples[0].time == 1767225610.0
    assert problems.count == 0


def test_a_row_of_a_table_may_tell_its_step_and_not_its_run(database: Database) -> None:
    database.table(1, {"step": "40", "completion": "upon", "run": "forty"})
    samples, _ = samples_of(database.path)
    assert [(sample.step, sample.run) for sample in samples] == [(40, "first")]


def test_of_a_table_that_grows_each_row_counts_once(database: Database) -> None:
    rows: list[dict[str, Any]] = [{"step": str(step), "completion": "Budy Budy"} for step in (10, 10, 20, 30)]
    database.table(0, *rows[:2])
    database.table(1, *rows[:3])
    database.table(2, *rows[:3])
    database.table(3, *rows)
    database.table(4, {"step": "40", "completion": "Budy Budy"})
    samples, _ = samples_of(database.path)
    assert [sample.step for sample in samples] == [10, 10, 20, 30, 40]


def test_a_table_with_other_rows_than_the_last_one_is_new_from_its_first_row_on(database: Database) -> None:
    for text in ("once", "twice"):
        database.table(0, {"step": 10, "completion": text}, {"step": 10, "completion": "the same"})
    samples, _ = samples_of(database.path)
    assert [sample.text for sample in samples] == ["once", "the same", "twice", "the same"]


def test_a_table_of_which_one_row_tells_no_step_is_read_whole(database: Database) -> None:
    for _ in range(2):
        database.table(7, {"step": 10, "completion": "Budy"}, {"step": None, "completion": "Budy"})
    samples, _ = samples_of(database.path)
    assert [sample.step for sample in samples] == [10, 7, 10, 7]


def test_equal_tables_without_steps_of_their_own_are_a_model_that_repeats_itself(database: Database) -> None:
    for step in (10, 20, 30):
        database.table(step, {"completion": "Budy Budy"})
    samples, _ = samples_of(database.path)
    assert [sample.step for sample in samples] == [10, 20, 30]


def test_markdown_strings_and_traces_are_samples_too(database: Database) -> None:
    chat = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}]
    database.log(1, {"story": {"_type": "trackio.markdown", "_value": "# once"}})
    database.log(2, {"text": "upon", "loss": 2.5})
    database.log(3, {"chats": [{"_type": "trackio.trace", "messages": chat}]})
    with closing(sqlite3.connect(database.path)) as connection, connection:
        connection.execute(
            "INSERT INTO traces VALUES ('a', 'first', ?, 'first', 4, ?)", (TIME, json.dumps(chat).encode())
        )
    samples, problems = samples_of(database.path)
    assert [(sample.step, sample.text, sample.prompt) for sample in samples] == [
        (1, "# once", None),
        (2, "upon", None),
        (3, "Because.", "Why?"),
        (4, "Because.", "Why?"),
    ]
    assert samples[1].loss == 2.5
    assert problems.count == 0


def test_what_holds_no_text_of_a_model_is_passed_over(database: Database) -> None:
    database.log(
        1, {"note": "warm", "output": 3, "picture": {"_type": "trackio.image", "file_path": "a.png"}}
    )
    database.table(2, {"metric": "accuracy", "value": 0.5})
    assert samples_of(database.path) == ([], Problems())


# The file


@pytest.mark.slow
@pytest.mark.parametrize(("count", "note"), [(2 * PAGE + 5, ""), (5, "x" * (PAGE_BYTES // 2))])
def test_more_rows_than_a_page_are_read_in_their_order(database: Database, count: int, note: str) -> None:
    database.log_all(*({"loss": 2.5, "text": f"tale {step}", "note": note} for step in range(count)))
    assert [row.step for row in losses_of(database.path)[0]] == list(range(count))
    assert [sample.text for sample in samples_of(database.path)[0]] == [f"tale {n}" for n in range(count)]


def test_a_page_ends_where_its_rows_are_long(database: Database) -> None:
    database.log_all(*[{"loss": 2.5, "note": "x" * 100}] * 10)
    with closing(sqlite3.connect(database.path)) as connection:
        logged = connection.execute("SELECT id, metrics FROM metrics")
        assert len(sqlite.rows_within(logged, most=350)) == 3


def test_an_older_database_without_ids_and_traces_is_read(tmp_path: Path) -> None:
    columns = "id INTEGER PRIMARY KEY, timestamp TEXT, run_name TEXT, step INTEGER, metrics TEXT"
    database = Database(tmp_path / "old.db", f"CREATE TABLE metrics ({columns})")
    with closing(sqlite3.connect(database.path)) as connection, connection:
        connection.execute(
            "INSERT INTO metrics (timestamp, run_name, step, metrics) VALUES (?, 'first', 3, ?)",
            (TIME, '{"loss": 2.5, "text": "once"}'),
        )
    assert [(row.run, row.step) for row in losses_of(database.path)[0]] == [("first", 3)]
    assert [(sample.run, sample.text) for sample in samples_of(database.path)[0]] == [("first", "once")]


def test_reading_leaves_no_files_behind_and_changes_none(database: Database) -> None:
    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    database.log(1, {"loss": 2.5})
    before = [(path.name, path.read_bytes()) for path in sorted(database.path.parent.iterdir())]
    assert len(losses_of(database.path)[0]) == 1
    assert [(path.name, path.read_bytes()) for path in sorted(database.path.parent.iterdir())] == before


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_a_writer_goes_on_while_the_reader_is_in_the_midst_and_both_see_all(
    database: Database, journal: str
) -> None:
    with closing(sqlite3.connect(database.path, timeout=0)) as writer:
        writer.execute(f"PRAGMA journal_mode = {journal}")
        database.log_all(*[{"loss": 2.5}] * (PAGE + 5))
        reading = trackio.losses(Part(str(database.path)), Problems())
        steps = [next(reading).step]
        with writer:
            writer.execute(INSERT, ("first", TIME, "first", PAGE + 5, '{"loss": 1.5}'))
        steps += [row.step for row in reading]
    assert steps == list(range(PAGE + 6))


def test_rows_that_are_not_yet_in_the_file_itself_are_read(database: Database) -> None:
    with closing(sqlite3.connect(database.path)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        with writer:
            writer.execute(INSERT, ("first", TIME, "first", 1, '{"loss": 2.5}'))
        assert Path(f"{database.path}-wal").stat().st_size > 0
        assert [row.step for row in losses_of(database.path)[0]] == [1]


def test_a_file_that_changes_while_a_page_is_read_is_read_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.log(1, {"loss": 2.5})
    real, left = sqlite.rows_within, [3]

    def disturbed(cursor: sqlite3.Cursor) -> list[Any]:
        found = real(cursor)
        if left[0]:
            left[0] -= 1
            os.utime(database.path, (0, left[0]))
            return []
        return found

    monkeypatch.setattr(sqlite, "rows_within", disturbed)
    assert [row.step for row in losses_of(database.path)[0]] == [1]
    left[0] = 10**6
    with pytest.raises(ValueError, match=r"tales\.db: it changes all the time; copy it"):
        losses_of(database.path)


def test_a_name_may_hold_what_a_url_may_not(tmp_path: Path) -> None:
    database = Database(tmp_path / "a?b#c%20 é.db")
    database.log(1, {"loss": 2.5})
    assert len(losses_of(database.path)[0]) == 1


# What is none


@pytest.mark.usefixtures("database")
def test_it_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("no database")
    known = {path.name for path in tmp_path.iterdir() if trackio.recognise(read_head(str(path)))}
    assert known == {"tales.db"}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b'{"loss": 2.5', "not JSON: Expecting"),
        (b"[1, 2]", "not a JSON object but list"),
        (b'{"loss": "low"}', "loss 'low' is not a number"),
        (b'{"text": "caf\xc3"}', "not UTF-8: byte 0xc3 at 13"),
        (b"[" * 100_000, "not JSON: nested too deeply"),
    ],
)
def test_a_bad_row_is_one_problem_and_the_others_are_read(
    database: Database, bad: bytes, message: str
) -> None:
    for content in (b'{"loss": 3.5}', bad, b'{"loss": 2.5}'):
        database.log(1, content)
    losses, problems = losses_of(database.path)
    assert [row.loss for row in losses] == [3.5, 2.5]
    assert [problem.line for problem in problems.listed] == [2]
    assert problems.listed[0].message.startswith(message)


def test_a_table_whose_texts_are_none_is_a_problem_each(database: Database) -> None:
    database.table(1, {"completion": 5}, {"completion": "once"}, {"completion": None})
    samples, problems = samples_of(database.path)
    assert [sample.text for sample in samples] == ["once"]
    assert [p.message.split(":")[0] for p in problems.listed] == [
        "the text is not a string but int",
        "no text",
    ]


def test_another_database_is_refused_by_name(tmp_path: Path) -> None:
    other = Database(tmp_path / "books.db", "CREATE TABLE books (title TEXT)")
    for read in (samples_of, losses_of):
        with pytest.raises(ValueError, match=r"books\.db: an SQLite database, but not one of trackio"):
            read(other.path)


@pytest.mark.parametrize("keep", [16, 100, 1000])
def test_a_database_without_its_schema_is_refused_by_name(database: Database, keep: int) -> None:
    database.path.write_bytes(database.path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"tales\.db: "):
        losses_of(database.path)


def test_a_database_that_is_damaged_further_on_is_read_up_to_there(database: Database) -> None:
    count = 4 * PAGE
    database.log_all(*[{"loss": 2.5, "note": "x" * 2000}] * count)
    content = database.path.read_bytes()
    middle = len(content) // 2 // 4096 * 4096
    database.path.write_bytes(content[:middle] + bytes(4096) + content[middle + 4096 :])
    losses, problems = losses_of(database.path)
    assert 0 < len(losses) < count
    assert [row.step for row in losses] == list(range(len(losses)))
    assert [problem.line for problem in problems.listed] == [len(losses) + 1]
    assert problems.listed[0].message.startswith("cannot be read from here on: ")


def test_a_damaged_database_whose_rows_are_out_of_order_is_not_read_for_ever(database: Database) -> None:
    for step in (1, 2, 3):
        database.log(step, {"completion": f"text {step}"})
    with closing(sqlite3.connect(database.path)) as connection:
        (size,), (root,) = (
            connection.execute(query).fetchone()
            for query in ("PRAGMA page_size", "SELECT rootpage FROM sqlite_master WHERE name = 'metrics'")
        )
    content = bytearray(database.path.read_bytes())
    at = (root - 1) * size + 8  # where the page says where its rows lie, the first one first
    content[at : at + 6] = content[at + 2 : at + 6] + content[at : at + 2]
    database.path.write_bytes(content)
    problems = Problems()
    found = list(islice(trackio.samples(Part(str(database.path)), problems), 100))
    assert [sample.text for sample in found] == ["text 2", "text 3"]
    assert "out of order" in problems.listed[0].message


def test_a_url_is_refused_with_what_to_do() -> None:
    with pytest.raises(ValueError, match="copy it to a local disk first"):
        list(trackio.losses(Part("s3://bucket/tales.db"), Problems()))


# trackio itself

RUNS = """
import trackio
for name in ("first", "second"):
    trackio.init(project="tales", name=name, config={"lr": 0.1})
    for step in (10, 20):
        trackio.log({"train/loss": float("nan") if step == 20 else 3.5, "train/global_step": step})
    chat = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}]
    trackio.log({"chat": trackio.Trace(messages=chat)}, step=20)
    cells = [["10", "Once", " upon a time"]]
    trackio.log({"completions": trackio.Table(columns=["step", "prompt", "completion"], data=cells)})
    trackio.finish()
"""


def test_what_trackio_writes_is_read(tmp_path: Path) -> None:
    pytest.importorskip("trackio", reason="the database is written by trackio")
    variables = {**os.environ, "TRACKIO_DIR": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    subprocess.run([sys.executable, "-c", RUNS], env=variables, check=True, capture_output=True)  # noqa: S603 - our own interpreter
    assert trackio.recognise(read_head(str(tmp_path / "tales.db")))
    losses, problems = losses_of(tmp_path / "tales.db")
    assert [(row.run, row.step) for row in losses] == [
        ("first", 10),
        ("first", 20),
        ("second", 10),
        ("second", 20),
    ]
    assert [math.isnan(row.loss) for row in losses] == [False, True, False, True]
    assert problems.count == 2
    samples, problems = samples_of(tmp_path / "tales.db")
    assert sorted((str(s.run), s.step, str(s.prompt), s.text) for s in samples) == [
        ("first", 10, "Once", " upon a time"),
        ("first", 20, "Why?", "Because."),
        ("second", 10, "Once", " upon a time"),
        ("second", 20, "Why?", "Because."),
    ]
    assert problems.count == 0
