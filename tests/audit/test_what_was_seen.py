"""What the report says of samples that are padded, that call tools, or that hold their prompt."""

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from coherence.audit.conduct import audit
from coherence.audit.plan import SHARD
from coherence.check.samples import read_samples
from coherence.readers.lines import Problems
from coherence.readers.read import FEW, take_notes
from coherence.report import Ranking, Report

pytestmark = pytest.mark.once

WORDS = (
    "old man walked along river until evening thought about letter his daughter sent from city winter garden "
    "stone bridge water light window morning paper horse summer road voice table silver village"
)
RULES = "You answer in plain words, you never guess, and you say so when you do not know an answer at all."
LOOP = "so it is " * 20


def fine(number: int, length: int = 25) -> str:
    return " ".join(Random(number).sample(WORDS.split(), length))  # noqa: S311 - it draws words, not secrets


def audited(folder: Path, rows: list[dict[str, Any]]) -> Report:
    path = folder / "dump.jsonl"
    lines = (json.dumps({"step": step, **row}) for step, row in enumerate(rows, 1))
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    report = audit(path)
    assert not isinstance(report, Ranking)
    return report


def notes(report: Report, word: str) -> list[str]:
    return [note for note in report.notes if word in note]


def test_padded_samples_are_judged_without_their_padding_and_counted(tmp_path: Path) -> None:
    pads = ("<｜end▁of▁sentence｜>", "<eod>", "<unused0>", "<|im_end|>", "\0")
    report = audited(
        tmp_path, [{"text": fine(n) + 300 * pads[n % 5]} for n in range(10)] + [{"text": fine(99)}]
    )
    assert (report.halt, report.low) == (False, 0)
    assert notes(report, "pad") == ["10 samples end in padding, which is cut off"]


def test_empty_samples_are_said_to_be_with_the_reason_of_each(tmp_path: Path) -> None:
    prompt = f"{RULES} {fine(1)}"
    rows: list[dict[str, Any]] = [{"text": fine(n)} for n in range(6)]
    rows += [{"text": ""}, {"text": " \n"}, {"text": "<eos>"}, {"prompt": prompt, "text": prompt}]
    report = audited(tmp_path, rows)
    assert (report.empty, report.low) == (4, 4)
    assert notes(report, "empty") == [
        "2 of 10 samples are empty: the model wrote nothing",
        "1 of 10 samples is empty: only special tokens were written",
        "1 of 10 samples is empty: the text holds only the prompt",
    ]
    assert not notes(audited(tmp_path, rows[:6]), "empty")


def test_answers_of_the_same_word_step_after_step_are_said_to_be_that_and_never_halt(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"text": fine(n)} for n in range(10)]
    rows += [{"text": text} for text in ("Yes", "yes.", "<|assistant|>YES</s>", " **Yes**", "Yes!", "yes\n")]
    report = audited(tmp_path, rows)
    assert (report.halt, report.diagnosis.action, report.headline) == (
        False,
        "watch",
        "answers with one word",
    )
    assert report.diagnosis.sentence.startswith(
        "No loss was given and the last 6 samples are all the same word: that is right if the"
    )
    for other in ("No", "Yes and no", fine(11), ""):
        report = audited(tmp_path, [*rows, {"text": other}])
        assert report.diagnosis.samples != "one word", other
    at_once = [{"step": 100, **row} for row in rows]
    assert audited(tmp_path, at_once).diagnosis.samples != "one word"


def test_varied_codes_of_speech_are_judged(tmp_path: Path) -> None:
    rng = Random(0)  # noqa: S311 - it draws codes, not secrets
    rows = [{"text": "".join(f"<|a_{rng.randrange(9000)}|>" for _ in range(70))} for _ in range(8)]
    assert not audited(tmp_path, rows).halt
    assert audited(tmp_path, [{"text": 70 * "<|a_7|>"}] * 8).halt


def test_tool_calls_are_judged_and_counted(tmp_path: Path) -> None:
    def call(query: str) -> dict[str, Any]:
        function = {"name": "look_up", "arguments": json.dumps({"query": query})}
        return {
            "completion": [{"role": "assistant", "content": None, "tool_calls": [{"function": function}]}]
        }

    report = audited(tmp_path, [call(fine(n)) for n in range(8)])
    assert (report.halt, report.low) == (False, 0)
    assert notes(report, "tool") == ["8 samples are tool calls, read as name and arguments"]
    assert audited(tmp_path, [call(LOOP)] * 8).halt
    assert notes(audited(tmp_path, [call(fine(1)), {"text": "a"}]), "tool") == [
        "1 sample is a tool call, read as name and arguments"
    ]


def test_reasoning_is_judged_with_the_answer(tmp_path: Path) -> None:
    def thought(words: str, answer: str) -> dict[str, Any]:
        return {"completion": [{"role": "assistant", "reasoning_content": words, "content": answer}]}

    assert not audited(tmp_path, [thought(fine(n), "") for n in range(8)]).halt
    assert audited(tmp_path, [thought(LOOP, "7")] * 8).halt


@pytest.mark.parametrize("as_chat", [True, False])
def test_a_loop_is_seen_behind_a_prompt_that_was_rendered(tmp_path: Path, as_chat: bool) -> None:
    def row(number: int) -> dict[str, Any]:
        question = f"{fine(number)}?"
        rendered = f"<|system|>\n{RULES}\n<|user|>\n{question}\n<|assistant|>\n"
        bare = f"system\n{RULES}\nuser\n{question}\nassistant\n"
        if as_chat:
            chat = [{"role": "system", "content": RULES}, {"role": "user", "content": question}]
            return {"prompt": chat, "text": rendered + LOOP}
        return {"prompt": rendered, "text": bare + LOOP}

    report = audited(tmp_path, [row(n) for n in range(8)])
    assert report.halt_step == 5
    assert not notes(report, "prompt")


@pytest.mark.parametrize(("kept", "told"), [(0, False), (1, False), (2, False), (3, True), (20, True)])
def test_prompts_that_cannot_be_cut_off_are_told_above_a_tenth(tmp_path: Path, kept: int, told: bool) -> None:
    def row(number: int) -> dict[str, Any]:
        prompt = f"{RULES} {fine(number)}?"
        before = "Task number seven of the morning: " if number < kept else ""
        return {"prompt": prompt, "text": f"{before}{prompt} {fine(number + 100)}"}

    report = audited(tmp_path, [row(n) for n in range(20)])
    expected = f"in {kept} of 20 samples the prompt is not how the text begins; it was scored with the answer"
    assert notes(report, "prompt") == ([expected] if told else [])
    places = [(problem.file[-10:], problem.line, problem.message) for problem in report.problems]
    message = "the text holds the prompt, but does not begin with it"
    assert places == ([("dump.jsonl", 1, message)] if told else [])
    assert (report.problem_count > 0) is told


def test_a_check_says_the_same(tmp_path: Path) -> None:
    prompts = [f"{RULES} {fine(n)}?" for n in range(20)]
    path = tmp_path / "samples.jsonl"
    path.write_text(
        "".join(
            json.dumps({"step": 9, "prompt": prompt, "text": f"Task: {prompt} {fine(n + 100)}{9 * '<eod>'}"})
            + "\n"
            for n, prompt in enumerate(prompts)
        ),
        encoding="utf-8",
    )
    read = read_samples([str(path)])
    assert read.notes[-2:] == [
        "20 samples end in padding, which is cut off",
        "in 20 of 20 samples the prompt is not how the text begins; it was scored with the answer",
    ]
    assert read.problems.count == 1


@pytest.mark.slow
def test_what_was_seen_in_parts_of_a_file_adds_up_and_the_first_line_is_that_of_the_file(
    tmp_path: Path,
) -> None:
    rows = [{"text": fine(n) + ("<eod>" * 9 if n > 2 else "")} for n in range(9)]
    rows += [{"text": f"{fine(n)} {'word ' * 20_000}"} for n in range(3 * SHARD // 100_000)]
    rows += [{"prompt": f"{RULES} {fine(1)}", "text": f"Task: {RULES} {fine(1)} {fine(2)}"}] * len(rows)
    report = audited(tmp_path, rows)
    assert notes(report, "pad") == ["6 samples end in padding, which is cut off"]
    (problem,) = report.problems
    assert problem.line == len(rows) // 2 + 1


def test_no_samples_give_no_notes() -> None:
    assert take_notes(Problems()) == []
    assert 0 < FEW < 1


def test_samples_without_a_step_beside_others_with_one_are_told_with_the_first_file(tmp_path: Path) -> None:
    for name, count in (("checkpoint-50", 1), ("checkpoint-100", 1), ("checkpoint-best", 6)):
        (tmp_path / name).mkdir()
        rows = "".join(f"{json.dumps({'completion': fine(n)})}\n" for n in range(count))
        (tmp_path / name / "gen.jsonl").write_text(rows, encoding="utf-8")
    report = audit(tmp_path)
    assert isinstance(report, Report)
    assert report.judged == 2
    (note,) = notes(report, "left out")
    assert note.startswith("6 samples are left out, because they have no step and others of the run have one")
    assert note.endswith("checkpoint-best/gen.jsonl, line 1")


def test_no_sample_is_said_to_be_left_out_where_none_has_a_step(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": fine(1)}) + "\n", encoding="utf-8")
    report = audit(tmp_path)
    assert notes(report, "left out") == []  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["checkpoint-last/a.jsonl", "final/a.jsonl", "final.jsonl", "latest.jsonl"])
@pytest.mark.parametrize("beside", [0, 2])
def test_samples_of_files_named_after_the_last_step_come_after_the_last_step(
    tmp_path: Path, name: str, beside: int
) -> None:
    files = {f"step_{step}.jsonl": [{"text": fine(step)}] for step in (50, 100)}
    files |= {"best.jsonl": [{"text": fine(n)} for n in range(beside)]} if beside else {}
    files |= {name: [{"text": LOOP + fine(n, 3)} for n in range(6)]}
    for path, rows in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    report = audit(tmp_path, scored=str(tmp_path / "scored.jsonl"))
    assert isinstance(report, Report)
    assert (report.judged, report.low, report.halt_step) == (8, 6, 101)
    (note,) = notes(report, "named after the last")
    assert note.startswith(
        "6 samples are read as step 101, because their files are named after the last step: "
    )
    assert note.endswith(f"{name}, line 1")
    left_out = notes(report, "left out")
    assert len(left_out) == bool(beside)
    assert all(note.startswith("2 samples") and note.endswith("best.jsonl, line 1") for note in left_out)
    scored = [json.loads(line) for line in (tmp_path / "scored.jsonl").read_text("utf-8").splitlines()]
    assert [row["step"] for row in scored] == [50, 100, *6 * [101]]


def test_a_file_named_after_the_last_step_keeps_the_steps_of_its_rows(tmp_path: Path) -> None:
    lines = [{"text": fine(1)}, {"step": 5, "text": fine(2)}]
    (tmp_path / "final.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in lines), encoding="utf-8")
    (tmp_path / "step_9.jsonl").write_text(json.dumps({"text": fine(3)}), encoding="utf-8")
    report = audit(tmp_path)
    assert isinstance(report, Report)
    assert (report.judged, notes(report, "named after the last")) == (2, [])
    assert len(notes(report, "left out")) == 1


def test_restarts_in_other_files_leave_what_is_named_last(tmp_path: Path) -> None:
    steps = [1, 2, 3, 2, 3]
    lines = [{"step": step, "prompt": "P", "text": fine(n)} for n, step in enumerate(steps)]
    (tmp_path / "a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in lines), encoding="utf-8")
    (tmp_path / "final.jsonl").write_text(json.dumps({"prompt": "P", "text": fine(9)}), encoding="utf-8")
    report = audit(tmp_path)
    assert isinstance(report, Report)
    assert report.judged == 4
