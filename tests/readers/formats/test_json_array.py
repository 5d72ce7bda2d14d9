"""One JSON document with an array of objects: read object by object, whatever stands around it."""

import json
from pathlib import Path
from typing import Any

import pytest
from cost import memory
from hypothesis import given, settings
from hypothesis import strategies as st

from coherence.readers.formats import json_array
from coherence.readers.lines import Part, Problems, read_head
from coherence.readers.records import Sample

ROWS = [{"step": step, "text": text} for step, text in enumerate(["a ] }", 'b \\" { [', "", "é\n"])]


def samples_of(path: Path, content: bytes | str) -> tuple[list[Sample], Problems]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    problems = Problems()
    return list(json_array.samples(Part(str(path)), problems)), problems


def objects_of(path: Path, content: bytes | str, **limits: Any) -> tuple[list[tuple[int, Any]], Problems]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    problems = Problems()
    return list(json_array._objects(Part(str(path)), problems, **limits)), problems


def said(problems: Problems) -> list[tuple[int, str]]:
    return [(problem.line, problem.message) for problem in problems.listed]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "samples.json"


# What the file is


@pytest.mark.parametrize("indent", [None, 0, 2])
@pytest.mark.parametrize(
    "document",
    [ROWS, {"samples": ROWS}, {"model": {"layers": [1, 2]}, "tags": ["x"], "samples": ROWS, "seed": 1}],
)
def test_an_array_of_objects_is_known_and_read_wherever_it_stands(
    file: Path, document: Any, indent: int | None
) -> None:
    samples, problems = samples_of(file, json.dumps(document, indent=indent))
    assert json_array.recognise(read_head(str(file)))
    assert [(sample.step, sample.text) for sample in samples] == [(r["step"], r["text"]) for r in ROWS]
    assert problems.count == 0


@pytest.mark.parametrize(
    "content",
    [
        # JSON lines, also with objects in arrays
        b'{"step": 1, "text": "a"}\n{"step": 2, "text": "b"}\n',
        b'{"step": 1, "messages": [{"role": "assistant"}]}',
        b'{"prompt": [{"role": "user"}], "completion": "a"}\n' * 2,
        b'{"id": 7, "messages": [{"role": "assistant"}], "samples": [{}]}',
        b'{"messages": [{"role": "user", "content": "' + b"x" * 70_000 + b'"}]}\n',
        # other documents
        b'{"a": 1}',
        b"[1, 2, 3]",
        b'[["a", "b"]]',
        # no JSON
        b"[info] {step 1}",
        b"step,text\n",
    ],
)
def test_what_is_no_array_of_objects_is_not_taken_for_one(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert not json_array.recognise(read_head(str(file)))


# What is read


@pytest.mark.slow
@settings(max_examples=40)
@given(
    st.lists(st.fixed_dictionaries({"text": st.text(max_size=9), "n": st.recursive(st.none(), st.lists)})),
    st.integers(1, 40),
    st.booleans(),
)
def test_objects_are_read_whole_wherever_a_chunk_ends(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], chunk: int, ascii_only: bool
) -> None:
    file = tmp_path_factory.mktemp("chunks") / "samples.json"
    found, problems = objects_of(file, json.dumps({"rows": rows}, ensure_ascii=ascii_only), chunk=chunk)
    assert [row for _, row in found] == rows
    assert problems.count == 0


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_an_object_is_of_the_line_where_it_begins(file: Path, chunk: int) -> None:
    content = '[\n\n  {"step": 1,\n "text": "a"},\n{"step": 2, "text": "b"}, {"step": 3, "text": "c"}]'
    found, _ = objects_of(file, content, chunk=chunk)
    assert [(row["step"], line) for line, row in found] == [(1, 3), (2, 5), (3, 5)]


def test_several_arrays_of_one_document_are_read_one_after_another(file: Path) -> None:
    content = '{"losses": [{"step": 1, "loss": 2.0}], "samples": [{"step": 1, "text": "a"}]}'
    samples, problems = samples_of(file, content)
    assert ([sample.text for sample in samples], problems.count) == (["a"], 0)
    assert [row.loss for row in json_array.losses(Part(str(file)), Problems())] == [2.0]


def test_an_array_deeper_down_is_no_array_of_samples(file: Path) -> None:
    content = '{"meta": {"examples": [{"step": 9, "text": "x"}]}, "samples": [{"step": 1, "text": "a"}]}'
    samples, problems = samples_of(file, content)
    assert ([sample.step for sample in samples], problems.count) == ([1], 0)


def test_rows_that_are_no_samples_are_problems_and_the_others_are_read(file: Path) -> None:
    content = (
        b'[{"step": 1, "text": "a"},\n3, "x",\n{"step": 2 "text": "b"},\n{"step": 3},\n[4],\n'
        b'{"step": 5, "text": "\xff"},\n{"step": 6, "text": "f"}, null]'
    )
    samples, problems = samples_of(file, content)
    assert [sample.step for sample in samples] == [1, 6]
    assert [(line, message[:23]) for line, message in said(problems)] == [
        (2, "not a JSON object: '3, "),
        (3, "not JSON: Expecting ','"),
        (4, "no text: the keys are '"),
        (5, "not a JSON object: '[4]"),
        (6, "not UTF-8: byte 0xff at"),
        (7, "not a JSON object: 'nul"),
    ]


@pytest.mark.parametrize(("cut", "read"), [(1, 9), (20, 8), (60, 7)])
def test_a_document_that_is_cut_off_is_read_up_to_there_and_that_is_noted(
    file: Path, cut: int, read: int
) -> None:
    content = json.dumps([{"step": step, "text": "some words"} for step in range(9)])
    samples, problems = samples_of(file, content[:-cut])
    assert [sample.step for sample in samples] == list(range(read))
    assert [message[:36] for _, message in said(problems)] == ["the document ends in the middle: it "]


@pytest.mark.slow
def test_an_object_of_more_than_16_mb_is_passed_over_without_being_held(file: Path) -> None:
    def held(size: int) -> int:
        text = "[{x" * (size // 3)
        rows = [{"step": 1, "text": "a"}, {"step": 2, "text": text}, {"step": 3, "text": "c"}]
        limits: dict[str, Any] = {"chunk": 2**16, "longest": 2**18}
        found, problems = objects_of(file, ",\n".join(map(json.dumps, rows)).join("[]"), **limits)
        assert [row["step"] for _, row in found] == [1, 3]
        assert said(problems) == [(2, "an object or a value of more than 16 MB, the largest that is read")]
        return memory(lambda: list(json_array._objects(Part(str(file)), Problems(), **limits)))

    assert held(2**22) < 1.5 * held(2**20)


@pytest.mark.parametrize("chunk", range(1, 40))
def test_wherever_a_chunk_ends_in_an_object_that_is_too_long_the_next_one_is_found(
    file: Path, chunk: int
) -> None:
    rows = [
        {"step": 1, "text": "a"},
        {"step": 2, "text": '\\\\"}]' * 60, "b": [{}]},
        {"step": 3, "text": "c"},
    ]
    content = "[" + ",\n".join(map(json.dumps, rows)) + "]"
    found, problems = objects_of(file, content, chunk=chunk, longest=64)
    assert [(row["step"], line) for line, row in found] == [(1, 1), (3, 3)]
    assert [line for line, _ in said(problems)] == [2]


def test_where_the_beginning_alone_is_asked_for_the_rest_is_not_read(file: Path) -> None:
    file.write_text(json.dumps([{"step": step, "text": "a" * 99} for step in range(50_000)]))
    part = Part(str(file), 0, 2**16)
    assert 0 < sum(1 for _ in json_array.samples(part, Problems())) < 20_000


# Documents that hold more than rows


def test_of_a_log_of_inspect_ai_the_samples_alone_are_rows(file: Path) -> None:
    message = {"role": "assistant", "content": "So."}
    sample = {"id": 1, "epoch": 1, "input": "Why?", "output": {"choices": [{"message": message}]}}
    log = {
        "version": 2,
        "status": "success",
        "eval": {"dataset": {"sample_ids": [1]}, "scorers": [{"name": "m"}]},
        "plan": {"steps": [{"solver": "generate"}]},
        "samples": [sample, sample],
        "reductions": [{"scorer": "m", "samples": [{"value": "C"}]}],
    }
    for indent in (None, 2):
        samples, problems = samples_of(file, json.dumps(log, indent=indent))
        assert json_array.recognise(read_head(str(file)))
        assert [(each.step, each.text, each.prompt) for each in samples] == [(None, "So.", "Why?")] * 2
        assert problems.count == 0


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_of_results_of_promptfoo_the_inner_ones_are_rows(file: Path, chunk: int) -> None:
    row = {"prompt": {"raw": "Why?"}, "response": {"output": "So."}, "vars": {"results": [{"a": 1}]}}
    inner = {"version": 3, "prompts": [{"raw": "Why?", "metrics": {}}], "results": [row, row], "stats": {}}
    content = json.dumps({"evalId": "eval-1", "results": inner, "config": {"results": [{"b": 1}]}})
    samples, problems = samples_of(file, content)
    assert json_array.recognise(read_head(str(file)))
    assert ([(each.text, each.prompt) for each in samples], problems.count) == ([("So.", "Why?")] * 2, 0)
    found, _ = objects_of(file, content, chunk=chunk, place=(b"results", b"results"))
    assert [found_row for _, found_row in found] == [row, row]
    older, _ = samples_of(file, json.dumps({"results": [row], "stats": {}}))
    assert [sample.text for sample in older] == ["So."]


def test_lists_of_objects_in_a_list_are_rows(file: Path) -> None:
    samples, problems = samples_of(
        file, '[[{"generated_text": "a"}, {"generated_text": "b"}], [{"text": "c"}]]'
    )
    assert json_array.recognise(read_head(str(file)))
    assert ([sample.text for sample in samples], problems.count) == (["a", "b", "c"], 0)


@pytest.mark.parametrize(
    "row",
    [
        {"step": 5, "completions": ["a", "b"]},
        {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]},
        {"step": 5, "samples": [{"text": "a"}, {"text": "b"}]},
    ],
)
def test_an_object_over_several_lines_that_is_a_row_is_read_as_one(file: Path, row: dict[str, Any]) -> None:
    samples, problems = samples_of(file, f"{json.dumps(row, indent=1)}\n{json.dumps(row, indent=1)}\n")
    assert json_array.recognise(read_head(str(file)))
    assert len(samples) == 2 * len(row.get("completions", row.get("samples", [0])))
    assert {sample.step for sample in samples} == {row.get("step")}
    assert problems.count == 0


# The step above the rows

TEXTS = [{"prompt": "Why?", "completion": "So."}, {"prompt": "Oh?", "completion": "No."}]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    "document",
    [
        {"step": 500, "model": "m", "results": TEXTS},
        {"global_step": "500", "args": {"step": 7, "x": [1]}, "results": TEXTS},
        {"checkpoint": "out/checkpoint-500", "results": TEXTS},
        {"checkpoint": "out/ckpt_500.pt", "results": TEXTS},
        {"model": 'a "step": 3, \\', "note": None, "Step": 500, "results": TEXTS},
        {"results": TEXTS, "step": 500},
        {"model": "m", "results": TEXTS, "args": {"step": [7]}, "step": 500},
        {"step": "none", "iteration": 500, "results": TEXTS},
        {"step_500": TEXTS},
        {"run": "x", "checkpoint-500": TEXTS},
        {"500": TEXTS},
        {"epoch": 3, "results at step 500": TEXTS},
    ],
)
def test_a_row_without_a_step_has_that_of_the_object_or_the_key_above_it(
    file: Path, document: Any, indent: int | None
) -> None:
    samples, problems = samples_of(file, json.dumps(document, indent=indent))
    assert json_array.recognise(read_head(str(file)))
    assert [(sample.step, sample.text) for sample in samples] == [(500, "So."), (500, "No.")]
    assert problems.count == 0


@pytest.mark.parametrize("document", [{"step_0": TEXTS[:1], "step_9": TEXTS}, {"0": TEXTS[:1], "9": TEXTS}])
def test_keys_of_several_steps_are_the_steps_of_the_rows_below_each_and_a_remark_says_so(
    file: Path, document: Any
) -> None:
    samples, problems = samples_of(file, json.dumps(document))
    assert [sample.step for sample in samples] == [0, 9, 9]
    assert list(problems.remarks) == [f"{file}: the keys above its rows are read as their steps"]


@pytest.mark.parametrize(
    ("name", "document", "steps"),
    [
        ("a.json", {"step": 500, "rows": [{"step": 3, "text": "a"}, {"text": "b"}]}, [3, 500]),
        ("a.json", [{"text": "a"}, {"text": "b"}], [None, None]),
        ("a.json", {"model": "m", "seed": 3, "rows": TEXTS}, [None, None]),
        ("a.json", {"step": 5, "1": TEXTS}, [5, 5]),
        ("step_7.json", {"epoch": 1, "rows": TEXTS}, [7, 7]),
        ("step_7.json", {"1": TEXTS}, [7, 7]),
        ("step_7.json", {"step_9": TEXTS}, [9, 9]),
    ],
)
def test_the_step_of_a_row_and_that_of_the_file_come_before_one_above_the_row(
    tmp_path: Path, name: str, document: Any, steps: list[int | None]
) -> None:
    samples, _ = samples_of(tmp_path / name, json.dumps(document))
    assert [sample.step for sample in samples] == steps


def test_losses_have_no_step_of_an_object_above_them(file: Path) -> None:
    file.write_text('{"steps": 900, "history": [{"loss": 2.5}, {"loss": 2.25}]}', encoding="utf-8")
    assert list(json_array.losses(Part(str(file)), Problems())) == []


@pytest.mark.parametrize(
    "row",
    [
        {"step": 1, "groups": [{"lr": 0.1}], "loss": 2.5},
        {"step": 1, "groups": [{"loss": 0.1}]},
        {"step": 1, "responses": [{"text": "a"}]},
        {"step": 1, "choices": [{"text": "a"}]},
        {"step": 1, "messages": [{"role": "assistant", "content": "a"}]},
    ],
)
def test_a_single_line_that_is_a_row_with_a_step_and_a_list_is_no_document(file: Path, row: Any) -> None:
    file.write_text(json.dumps(row), encoding="utf-8")
    assert not json_array.recognise(read_head(str(file))) or json_array._place(json.dumps(row)) == ()


def test_a_step_after_a_long_array_is_found_without_holding_the_document(file: Path) -> None:
    rows = ",".join(json.dumps({"completion": f"{number} " * 1_000}) for number in range(8_000))
    size = file.write_text(f'{{"rows": [{rows}], "step": 500}}', encoding="utf-8")
    steps: set[int | None] = set()

    def read() -> None:
        steps.update(sample.step for sample in json_array.samples(Part(str(file)), Problems()))

    assert memory(read) < size / 2
    assert steps == {500}
