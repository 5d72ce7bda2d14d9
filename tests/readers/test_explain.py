"""What a path was taken for: each file with its format and why, what was read of it, and nothing scored."""

import json
from pathlib import Path

import pytest

from coherence.cli.main import main
from coherence.readers.explain import explain
from coherence.readers.format import Fields
from coherence.show.terminal_explain import lines_of


def rows(*rows: object) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


SAMPLES = rows(
    {"step": 10, "prompt": "Once", "text": "The pear fell."},
    {"step": 20, "text": "A goose came by."},
    {"step": "x", "text": "Lost."},
)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_is_told_with_its_format_its_counts_its_steps_and_the_first_and_last_of_it() -> None:
    Path("samples.jsonl").write_text(SAMPLES, encoding="utf-8")
    ((run,), (reading,)) = (found := explain(["samples.jsonl"])), found[0].files
    assert (run.name, reading.format, reading.why) == (
        "samples.jsonl",
        "JSON lines",
        "a JSON object on each line",
    )
    assert lines_of(reading) == [
        "2 samples, steps 10 to 20, 1 with a prompt",
        "first: step 10, line 1, «The pear fell.» after the prompt «Once»",
        "last: step 20, line 2, «A goose came by.»",
        "1 line could not be used:",
        "  3: step 'x' is not a whole number",
    ]


def test_the_losses_are_told_too_from_where_they_were_found(here: Path) -> None:
    (here / "run").mkdir()
    Path("run/samples.jsonl").write_text(SAMPLES, encoding="utf-8")
    losses = "".join(f"step {step} | loss {9 - step / 10}\n" for step in range(1, 31))
    Path("run/train.log").write_text(losses, encoding="utf-8")
    (run,) = explain(["run"])
    assert [Path(reading.path).name for reading in run.files] == ["samples.jsonl", "train.log"]
    assert lines_of(run.files[1]) == ["30 losses, steps 1 to 30; first 8.9 at step 1, last 6 at step 30"]


def test_samples_without_steps_are_said_to_be_counted() -> None:
    Path("a.jsonl").write_text(rows({"text": "One."}, {"text": "Two."}), encoding="utf-8")
    assert lines_of(explain(["a.jsonl"])[0].files[0])[0] == (
        "2 samples, no steps: counted in their order, none with a prompt"
    )


def test_samples_without_steps_are_said_to_be_left_out_where_other_files_have_steps() -> None:
    Path("step_5.jsonl").write_text(rows({"text": "One."}), encoding="utf-8")
    Path("best.jsonl").write_text(rows({"text": "Two."}), encoding="utf-8")
    Path("final.jsonl").write_text(rows({"text": "Five."}), encoding="utf-8")
    Path("mixed.jsonl").write_text(rows({"text": "Three."}, {"step": 6, "text": "Four."}), encoding="utf-8")
    told = {reading.path: lines_of(reading)[0] for reading in explain(["."])[0].files}
    assert {path: line.partition(", none")[0] for path, line in told.items()} == {
        "./step_5.jsonl": "1 sample, step 5",
        "./best.jsonl": "1 sample, no steps: left out, because others have steps",
        "./final.jsonl": "1 sample, no steps: read as the step after the last one, by the name of the file",
        "./mixed.jsonl": "2 samples, step 6 (1 without one, left out, because others have steps)",
    }


def test_samples_of_other_runs_without_steps_are_still_counted() -> None:
    Path("a.jsonl").write_text(rows({"run": "a", "step": 5, "text": "One."}), encoding="utf-8")
    Path("b.jsonl").write_text(rows({"run": "b", "text": "Two."}), encoding="utf-8")
    assert {reading.without_step for reading in explain(["a.jsonl", "b.jsonl"])[0].files} == {
        "counted in their order"
    }


def test_where_there_are_no_samples_each_file_says_why_it_is_none(here: Path) -> None:
    (here / "logs").mkdir()
    for number in (1, 2):
        Path(f"logs/job-{number}.out").write_text("### Starting the job\nsrun: error\n", encoding="utf-8")
    Path("logs/train.log").write_text("step 1 | loss 4.5\nstep 2 | loss 4.4\n", encoding="utf-8")
    (run,) = explain(["logs"])
    assert [(reading.format, reading.samples, reading.losses) for reading in run.files] == [
        ("", 0, 0),
        ("", 0, 0),
        ("training log", 0, 2),
    ]
    assert run.files[0].why == "none of the formats that are read; it begins with '### Starting the job'"
    assert "logs/job-1.out and 1 more file: look like logs, but nothing there was understood" in run.notes[0]


def test_a_named_field_is_looked_at() -> None:
    Path("a.jsonl").write_text(rows({"a": {"b": "One."}, "at": 3}), encoding="utf-8")
    assert explain(["a.jsonl"])[0].files[0].samples == 0
    (reading,) = explain(["a.jsonl"], fields=Fields(text="a.b", step="at"))[0].files
    assert lines_of(reading)[1] == "first: step 3, line 1, «One.»"


@pytest.mark.parametrize("command", [["audit", "samples.jsonl"], ["check", "samples.jsonl"]])
def test_the_commands_explain_and_score_nothing(
    capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    Path("samples.jsonl").write_text(SAMPLES, encoding="utf-8")
    assert main([*command, "--explain"]) == 0
    told = capsys.readouterr()
    assert "2 samples, steps 10 to 20" in told.err
    assert not told.out
    assert "HALT" not in told.err


def test_what_is_not_understood_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    Path("notes.txt").write_text("Nothing of a model.\n", encoding="utf-8")
    assert main(["audit", "notes.txt", "--explain"]) == 2
    assert "notes.txt: not read: none of the formats" in capsys.readouterr().err
