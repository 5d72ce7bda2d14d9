"""What the real libraries write, run here as people run it: harnesses, Keras, TRL. Nothing is downloaded."""

import math
from pathlib import Path
from typing import Any

import pytest
from real_writers import OFFLINE, run_script
from tiny_models import tiny_model

from coherence.readers.find import find_runs
from coherence.readers.lines import Part, Problems
from coherence.readers.read import Piece, losses_in, metrics_in, samples_in
from coherence.readers.recognise import format_of
from coherence.readers.records import LossRow, MetricRow, Sample


def samples_below(folder: Path) -> tuple[list[Sample], Problems]:
    problems = Problems()
    files = [file for run in find_runs([str(folder)]) for file in run.samples]
    found = [s for file in files for s in samples_in(Piece(Part(file.path), file.format), problems)]
    return found, problems


def losses_of(path: Path, kind: str) -> list[LossRow]:
    assert format_of(str(path)).key == kind
    problems = Problems()
    losses = list(losses_in(Piece(Part(str(path)), kind), problems))
    assert problems.count == 0
    return losses


INSPECT = """
import sys
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import match
outputs = [ModelOutput.from_content("mockllm/model", f"There was a cat number {n}.") for n in range(4)]
for output in outputs:
    output.usage = ModelUsage()  # where it is not told, the words are counted with what would be downloaded
tales = [Sample(input=f"Tell tale {n}.", target="cat") for n in range(2)]
model = get_model("mockllm/model", custom_outputs=outputs)
task = Task(dataset=tales, scorer=match())
(log,) = eval(task, model=model, log_dir=".", log_format=sys.argv[1], epochs=2, display="none")
assert log.status == "success", log.error
"""


@pytest.mark.parametrize(("kind", "key"), [("eval", "inspect_eval"), ("json", "json_array")])
def test_what_inspect_ai_writes_is_read(tmp_path: Path, kind: str, key: str) -> None:
    pytest.importorskip("inspect_ai", reason="the log is written by inspect-ai")
    run_script(INSPECT.replace("sys.argv[1]", repr(kind)), tmp_path)
    (path,) = tmp_path.glob(f"*.{kind}")
    assert format_of(str(path)).key == key
    samples, problems = samples_below(tmp_path)
    asked, said = zip(*sorted((str(sample.prompt), sample.text) for sample in samples), strict=True)
    assert asked == ("Tell tale 0.", "Tell tale 0.", "Tell tale 1.", "Tell tale 1.")
    assert sorted(said) == [f"There was a cat number {number}." for number in range(4)]  # asked all at once
    assert problems.count == 0


TASK = """
task: tales
dataset_path: json
dataset_kwargs: {data_files: data.jsonl}
test_split: train
output_type: generate_until
doc_to_text: "Tell a tale of {{thing}}."
doc_to_target: "{{target}}"
generation_kwargs: {until: ["."]}
repeats: 2
metric_list: [{metric: exact_match}]
filter_list:
  - {name: first, filter: [{function: take_first}]}
  - {name: again, filter: [{function: take_first}]}
"""

HARNESS = """
import lm_eval
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager
tasks = TaskManager(include_path=".", include_defaults=False)
results = lm_eval.simple_evaluate("dummy", tasks=["tales"], task_manager=tasks, bootstrap_iters=0)
samples, tracker = results.pop("samples"), EvaluationTracker(output_path="out")
tracker.save_results_aggregated(results=results, samples=samples)
tracker.save_results_samples(task_name="tales", samples=samples["tales"])
"""


def test_what_the_evaluation_harness_writes_is_read_a_sample_a_repeat_whatever_its_filters(
    tmp_path: Path,
) -> None:
    pytest.importorskip("lm_eval", reason="the samples are written by lm-eval")
    (tmp_path / "tales.yaml").write_text(TASK, encoding="utf-8")
    rows = '{"thing": "a cat", "target": "x"}\n{"thing": "a dog", "target": "y"}\n'
    (tmp_path / "data.jsonl").write_text(rows, encoding="utf-8")
    run_script(HARNESS, tmp_path)
    samples, problems = samples_below(tmp_path / "out")
    assert [(sample.prompt, sample.text) for sample in samples] == [
        (f"Tell a tale of {thing}.", "lol") for thing in ("a cat", "a dog") for _ in range(2)
    ]
    assert problems.count == 0


KERAS = """
import json, os
os.environ["KERAS_BACKEND"] = "torch"
import keras, numpy
data = numpy.random.rand(64, 4).astype("float32")
model = keras.Sequential([keras.layers.Dense(1)])
model.compile("sgd", "mse", metrics=["mae"])
told = model.fit(data, data.sum(1), batch_size=8, epochs=12, validation_split=0.25, verbose=VERBOSE)
json.dump(told.history["loss"], open("told.json", "w"))
"""


@pytest.mark.parametrize("verbose", [1, 2])
def test_what_fit_of_keras_prints_is_read_an_epoch_a_loss(tmp_path: Path, verbose: int) -> None:
    pytest.importorskip("torch", reason="Keras runs on torch here")
    pytest.importorskip("keras", reason="the lines are printed by keras")
    printed = run_script(KERAS.replace("VERBOSE", str(verbose)), tmp_path)
    (tmp_path / "train.log").write_text(printed, encoding="utf-8")
    losses = losses_of(tmp_path / "train.log", "logs")
    assert [row.step for row in losses] == list(range(12))
    told = (tmp_path / "told.json").read_text().strip("[]").split(", ")
    assert all(
        math.isclose(row.loss, float(loss), abs_tol=1e-4) for row, loss in zip(losses, told, strict=True)
    )


@pytest.mark.filterwarnings("ignore")
def test_of_what_trl_prints_and_saves_losses_and_rewards_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in OFFLINE.items():
        monkeypatch.setenv(name, value)
    trl = pytest.importorskip("trl", reason="the log is written by TRL")
    datasets = pytest.importorskip("datasets", reason="TRL needs datasets")
    model, tokenizer = tiny_model(chat=False)
    trl.GRPOTrainer(
        model=model,
        processing_class=tokenizer,
        reward_funcs=lambda completions, **_: [float(len(each)) for each in completions],
        train_dataset=datasets.Dataset.from_dict({"prompt": ["the cat"] * 4}),
        args=trl.GRPOConfig(
            output_dir=str(tmp_path), max_steps=4, per_device_train_batch_size=4, num_generations=2,
            max_completion_length=8, logging_steps=1, report_to=[], use_cpu=True, bf16=False,
            save_steps=4, gradient_checkpointing=False,
        ),
    ).train()  # fmt: skip
    (tmp_path / "train.log").write_text("".join(capfd.readouterr()), encoding="utf-8")
    read: dict[str, Any] = {}
    for path, kind in (("checkpoint-4/trainer_state.json", "trainer_state"), ("train.log", "logs")):
        losses = losses_of(tmp_path / path, kind)
        assert [row.step for row in losses] == [1, 2, 3, 4]
        assert {row.beside for row in losses} == {"reward"}
        read[kind] = rewards(metrics_in(Piece(Part(str(tmp_path / path)), kind), Problems()))
        assert len(read[kind]) == 4
    assert read["logs"] == pytest.approx(read["trainer_state"], rel=1e-3)


def rewards(rows: Any) -> list[float]:
    found: list[MetricRow] = [row for row in rows if row.name == "reward"]
    assert [row.step for row in found] == [1, 2, 3, 4]
    return [row.value for row in found]
