"""The lines of docs/training.md for trackers, run as they stand in the real ones; nothing is sent."""

import json
import re
from pathlib import Path

import pytest
from places import ROOT
from real_writers import run_script

from coherence import Monitor
from coherence.readers.formats.stores import wandb_log
from coherence.readers.lines import Part, Problems
from coherence.signals.samples import StepSamples

PAGE = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
SCORES, TABLE, WITH_AN_ADAPTER = re.findall(
    r"^```python\n(.*?)^```", PAGE[PAGE.index("## Scores in your tracker") :], re.MULTILINE | re.DOTALL
)[:3]

START = """
from coherence import Monitor
monitor = Monitor("run")
def judge(step):
    monitor.sample(step, [("Once", "The cat sat by the door and waited."), ("A", "Budy Budy Budy Budy")])
    return monitor.metrics["coherence/mean"]
"""
LOOP = """
for step in (5, 10):
    judge(step)
"""


def lines_for(tracker: str, block: str = SCORES) -> str:
    """The lines below the comment that names a tracker, indented for a loop."""
    found = re.search(rf"^# {tracker}\b.*?\n(.*?)(?=^# |\Z)", block, re.MULTILINE | re.DOTALL)
    assert found is not None
    return "".join(f"    {line}\n" for line in found[1].splitlines())


def table_for(tracker: str) -> str:
    (rows, *_) = TABLE.splitlines()
    return f"    {rows}\n" + lines_for(tracker, TABLE)


def run(script: str, folder: Path) -> None:
    run_script(script, folder, TRACKIO_DIR=str(folder / "store"), WANDB_DIR=str(folder))


def means(folder: Path) -> list[float]:
    """The mean of each step, from what the run folder holds."""
    rows = [json.loads(line) for line in (folder / "run" / "samples.jsonl").read_text().splitlines()]
    found = []
    for step in (5, 10):
        samples = [list(row["scores"].values()) for row in rows if row["step"] == step]
        found.append(sum(map(sum, samples)) / sum(map(len, samples)))
    return found


def test_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch writes the events")
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="reads what was logged"
    )
    start = START + "from torch.utils.tensorboard import SummaryWriter\nwriter = SummaryWriter('events')\n"
    run(start + LOOP + lines_for("TensorBoard") + "writer.close()\n", tmp_path)
    written = accumulator.EventAccumulator(str(tmp_path / "events")).Reload()
    found = [(event.step, event.value) for event in written.Scalars("coherence/mean")]
    assert found == [(step, pytest.approx(mean)) for step, mean in zip((5, 10), means(tmp_path), strict=True)]


@pytest.mark.more
def test_wandb(tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="its log is written by wandb")
    start = START + "import wandb\nwandb.init(project='p', mode='offline')\n"
    script = start + LOOP + lines_for("Weights & Biases") + table_for("Weights & Biases")
    run(script + "wandb.finish()\n", tmp_path)
    (path,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    history = [row for _, row in wandb_log._history(Part(str(path)), Problems())]
    found = [(row["_step"], row["coherence/mean"]) for row in history if "coherence/mean" in row]
    assert found == [(step, pytest.approx(mean)) for step, mean in zip((5, 10), means(tmp_path), strict=True)]
    files = tmp_path.glob("wandb/offline-run-*/files/media/table/coherence/*.table.json")
    tables = [json.loads(file.read_text()) for file in files]
    assert all(table["columns"][:4] == ["step", "prompt", "text", "low"] for table in tables)
    rows = sorted(row[:2] + row[3:4] for table in tables for row in table["data"])
    assert rows == [[5, "A", True], [5, "Once", False], [10, "A", True], [10, "Once", False]]


@pytest.mark.more
def test_mlflow(tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="its store is written by mlflow")
    start = START + "import mlflow\nmlflow.set_tracking_uri('sqlite:///mlflow.db')\n"
    end = """
client, run_id = mlflow.MlflowClient(), mlflow.active_run().info.run_id
history = client.get_metric_history(run_id, "coherence/mean")
table = mlflow.load_table("coherence/samples.json", [run_id])
import json
told = [[each.step, each.value] for each in history], table[["step", "prompt", "low"]].values.tolist()
json.dump(told, open("told.json", "w"))
mlflow.end_run()
"""
    run(start + LOOP + lines_for("MLflow") + table_for("MLflow") + end, tmp_path)
    history, table = json.loads((tmp_path / "told.json").read_text())
    assert history == [
        [step, pytest.approx(mean)] for step, mean in zip((5, 10), means(tmp_path), strict=True)
    ]
    assert table == [[step, *row] for step in (5, 10) for row in (["Once", False], ["A", True])]


STORED = """
import json, trackio
from trackio.sqlite_storage import SQLiteStorage
(project,) = SQLiteStorage.get_projects()
(name,) = SQLiteStorage.get_runs(project)
json.dump(SQLiteStorage.get_logs(project, name), open("told.json", "w"))
"""


@pytest.mark.more
def test_trackio(tmp_path: Path) -> None:
    pytest.importorskip("trackio", reason="its store is written by trackio")
    start = START + "import trackio\ntrackio.init(project='p')\n"
    script = start + LOOP + lines_for("trackio") + table_for("trackio")
    run(script + "trackio.finish()\n" + STORED, tmp_path)
    logs = json.loads((tmp_path / "told.json").read_text())
    found = [(row["step"], row["coherence/mean"]) for row in logs if "coherence/mean" in row]
    assert found == [(step, pytest.approx(mean)) for step, mean in zip((5, 10), means(tmp_path), strict=True)]
    tables = [row["coherence/samples"]["_value"] for row in logs if "coherence/samples" in row]
    assert [(row["step"], row["prompt"], row["low"]) for row in tables[1]] == [
        (10, "Once", False),
        (10, "A", True),
    ]


@pytest.mark.more
def test_aim(tmp_path: Path) -> None:
    pytest.importorskip("aim", reason="its store is written by aim")
    start = START + "import aim\nrun = aim.Run(repo='.', system_tracking_interval=None)\n"
    end = """
import json
(found,) = [each for each in run.metrics() if each.name == "coherence/mean"]
steps, (values, *_) = found.data.items_list()
json.dump([steps, values], open("told.json", "w"))
run.close()
"""
    run(start + LOOP + lines_for("Aim") + end, tmp_path)
    steps, values = json.loads((tmp_path / "told.json").read_text())
    assert (steps, values) == ([5, 10], pytest.approx(means(tmp_path)))


TRAINED = """
import trackio, transformers
from coherence import Monitor
from coherence.trainers.huggingface import CoherenceCallback
{lines}
config = transformers.GPT2Config(vocab_size=64, n_positions=16, n_embd=8, n_layer=1, n_head=1)
args = transformers.TrainingArguments(
    "out", max_steps=10, use_cpu=True, report_to="trackio", disable_tqdm=True, logging_steps=5, project="p",
    trackio_static_space_id=False, save_strategy="no",
)
data = [{{"input_ids": [i] * 8, "labels": [i] * 8}} for i in range(64)]
trainer = transformers.Trainer(transformers.GPT2LMHeadModel(config), args, train_dataset=data)
def draw(model, step):
    return [("Once", "The cat sat by the door and waited."), ("A", "Budy Budy Budy Budy")]
trainer.add_callback(CoherenceCallback(monitor, draw, every=5, trainer=trainer))
trainer.train()
"""


@pytest.mark.more
def test_trackio_through_the_trainer_whose_losses_it_has(tmp_path: Path) -> None:
    pytest.importorskip("trackio", reason="its store is written by trackio")
    pytest.importorskip("transformers", reason="the Hugging Face Trainer reports to trackio")
    pytest.importorskip("accelerate", reason="the Hugging Face Trainer needs accelerate")
    run(TRAINED.format(lines=WITH_AN_ADAPTER.replace("runs/exp7", "run")) + STORED, tmp_path)
    logs = json.loads((tmp_path / "told.json").read_text())
    losses = [row["train/global_step"] for row in logs if "train/loss" in row]
    scored = {row["train/global_step"]: row for row in logs if "train/coherence/mean" in row}
    assert list(scored) == losses == [5, 10]
    assert [row["train/coherence/low"] for row in scored.values()] == [0.5, 0.5]
    tables = {
        row["train/global_step"]: row["coherence/samples"] for row in logs if "coherence/samples" in row
    }
    assert [(row["step"], row["prompt"]) for row in tables[10]["_value"]] == [(10, "Once"), (10, "A")]


def test_a_tracker_is_not_imported_unless_it_is_used(tmp_path: Path) -> None:
    loaded = """
import sys
trackers = {"wandb", "trackio", "mlflow", "aim", "comet_ml", "tensorboard", "pandas"}
from coherence import Monitor, run
from coherence.run import alerts
alerts.WandbAlert(), alerts.TrackioAlert()
with Monitor("run") as monitor:
    monitor.loss(1, 3.0)
    monitor.sample(1, ["The cat sat by the door and waited."])
    monitor.metrics, monitor.last_samples
print(sorted(trackers & {name.split(".")[0] for name in sys.modules}))
"""
    assert run_script(loaded, tmp_path) == "[]\n"


def test_metrics_cost_nothing_when_nobody_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def means(*_: object) -> dict[str, float]:
        asked.append("means")
        return {}

    def rows(*_: object) -> list[dict[str, object]]:
        asked.append("rows")
        return []

    monkeypatch.setattr(StepSamples, "means", means)
    monkeypatch.setattr(StepSamples, "rows", rows)
    with Monitor(tmp_path) as monitor:
        monitor.loss(1, 3.0)
        monitor.sample(1, ["The cat sat by the door and waited."])
        assert asked == []
        _ = monitor.metrics, monitor.last_samples
        assert asked == ["means", "rows"]
