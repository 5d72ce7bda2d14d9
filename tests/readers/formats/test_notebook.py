"""Notebooks: what the cells wrote is read as a log, tables of losses as losses, and the cell is the line."""

import json
from pathlib import Path
from typing import Any

import pytest

from coherence.readers.formats import notebook
from coherence.readers.lines import Part, Problems, read_head
from coherence.readers.recognise import format_of
from coherence.readers.records import LossRow, Sample


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "train.ipynb"


def stream(*lines: str, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": list(lines)}


def shown(**data: str) -> dict[str, Any]:
    mime = {f"text/{kind}": [text] for kind, text in data.items()}
    return {"output_type": "display_data", "metadata": {}, "data": mime}


def cell(*outputs: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {}, "source": ["train()"], "outputs": list(outputs)}


MARKDOWN = {"cell_type": "markdown", "metadata": {}, "source": ["Sample 1: not written by any model"]}


def write(path: Path, *cells: dict[str, Any]) -> None:
    document = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")


def samples_of(path: Path) -> tuple[list[Sample], Problems]:
    problems = Problems()
    return list(notebook.samples(Part(str(path)), problems)), problems


def losses_of(path: Path) -> list[LossRow]:
    problems = Problems()
    found = list(notebook.losses(Part(str(path)), problems))
    assert problems.count == 0
    return found


def told(path: Path) -> list[tuple[int | None, str, int]]:
    samples, problems = samples_of(path)
    assert problems.count == 0
    return [(sample.step, sample.text, sample.line) for sample in samples]


def curve(path: Path) -> list[tuple[int, float, int]]:
    return [(row.step, row.loss, row.line) for row in losses_of(path)]


TABLE = """\
<div><progress value='30' max='30'></progress> [30/30 00:08, Epoch 3/3]</div>
<table border="1" class="dataframe"><thead><tr style="text-align: left;">
<th>Step</th><th>Training Loss</th><th>Validation Loss</th></tr></thead>
<tbody><tr><td>10</td><td>4.200000</td><td>4.4</td></tr><tr><td>20</td><td>3.9</td><td>4.1</td></tr>
<tr><td>30</td><td>No log</td><td>4.0</td></tr></tbody></table><p>
"""


def test_the_outputs_of_cells_are_read_one_below_the_other(file: Path) -> None:
    first = stream(
        "step 10: loss 4.2\n", "Sample 1: The mill stood\n", "by the river.\n", "step 20: loss 3.9\n"
    )
    write(file, MARKDOWN, cell(first), cell(), cell(stream("Sample 1: A wall\n"), shown(plain="fell down.")))
    assert told(file) == [(10, "The mill stood\nby the river.", 2), (20, "A wall\nfell down.", 4)]
    assert curve(file) == [(10, 4.2, 2), (20, 3.9, 2)]


def test_a_notebook_that_goes_on_is_read_anew(file: Path) -> None:
    first = cell(stream("step 10: loss 4.2\nSample 1: The mill\n"))
    write(file, first)
    assert (curve(file), told(file)) == ([(10, 4.2, 1)], [(10, "The mill", 1)])
    write(file, first, cell(stream("step 20: loss 3.9\nSample 1: A wall\n")))
    assert curve(file) == [(10, 4.2, 1), (20, 3.9, 2)]
    assert told(file) == [(10, "The mill", 1), (20, "A wall", 2)]


def test_a_sample_does_not_go_on_in_the_next_cell(file: Path) -> None:
    write(file, cell(stream("step 10: loss 4.2\nSample 1: The mill")), cell(stream("Files already there\n")))
    assert told(file) == [(10, "The mill", 1)]


def test_a_stream_that_is_cut_into_several_outputs_is_one(file: Path) -> None:
    write(file, cell(stream("step 10: lo"), stream("ss 4.2\n"), stream("warning\n", name="stderr")))
    assert curve(file) == [(10, 4.2, 1)]


def test_a_text_may_be_one_string_and_hold_bars_and_colours(file: Path) -> None:
    bars = " 50%|##| 1/2 [00:00<00:01,  7it/s]\r100%|##| 2/2 [00:01]\n"
    text = f"Sample 1: \x1b[32mThe mill\x1b[0m\r\n\n{bars}stood.\n"
    output = {
        "output_type": "stream",
        "name": "stdout",
        "text": f"step 10: loss 4\b\b\b4.2\nstep 10: loss 4.2\n{text}",
    }
    write(file, cell(output))
    assert told(file) == [(10, "The mill\n\nstood.", 1)]


@pytest.mark.parametrize("html", [TABLE, TABLE.replace("><", ">\n<"), TABLE.upper()])
def test_the_trainers_table_holds_losses(file: Path, html: str) -> None:
    write(file, MARKDOWN, cell(shown(html=html, plain="<IPython.core.display.HTML object>")))
    assert curve(file) == [(10, 4.2, 2), (20, 3.9, 2)]


def test_samples_of_cells_below_the_table_are_of_its_last_step(file: Path) -> None:
    write(
        file, cell(stream("Sample 1: once\n"), shown(html=TABLE)), cell(stream("Sample 1: twice\n")), MARKDOWN
    )
    assert told(file) == [(None, "once", 1), (20, "twice", 2)]


def test_the_longer_of_lines_and_tables_holds_the_losses(file: Path) -> None:
    lines = [f"step {step}: loss 2.5\n" for step in range(3)]
    write(file, cell(stream(*lines), shown(html=TABLE)))
    assert [step for step, _, _ in curve(file)] == [0, 1, 2]
    write(file, cell(stream(*lines[:1]), shown(html=TABLE)))
    assert [step for step, _, _ in curve(file)] == [10, 20]


@pytest.mark.parametrize(
    "html",
    [
        "<table><tr><th>Name</th><th>Loss</th></tr><tr><td>a</td><td>1</td></tr></table>",
        "<table><tr><th>Step</th><th>Reward</th></tr><tr><td>1</td><td>1</td></tr></table>",
        "<table></table>",
        "<table><tr><td>Step",
        "<p>Step 10, Training Loss 4.2</p>",
    ],
)
def test_other_tables_hold_none(html: str) -> None:
    assert list(notebook.losses_in(html)) == []


def test_a_notebook_of_an_older_version_is_read(file: Path) -> None:
    outputs = [
        {"output_type": "stream", "stream": "stdout", "text": ["step 10: loss 4.2\n", "Sample 1: once\n"]},
        {"output_type": "pyout", "html": [TABLE], "text": ["<table>"]},
        {"output_type": "pyout", "text": ["upon a time"]},
    ]
    old = {
        "metadata": {},
        "nbformat": 3,
        "worksheets": [{"cells": [{"cell_type": "code", "outputs": outputs}]}],
    }
    file.write_text(json.dumps(old), encoding="utf-8")
    assert told(file) == [(10, "once\nupon a time", 1)]
    assert curve(file) == [(10, 4.2, 1), (20, 3.9, 1)]


def test_a_notebook_whose_outputs_hold_nothing_says_so(file: Path) -> None:
    write(file, MARKDOWN, cell(stream("hello\n"), shown(plain="<Figure>"), {"output_type": "error"}))
    samples, problems = samples_of(file)
    assert not samples
    assert [problem.message for problem in problems.listed] == ["a notebook without samples in its outputs"]


@pytest.mark.parametrize("name", ["train.ipynb", "train.json", "notebook"])
def test_a_notebook_is_known_by_its_keys(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, MARKDOWN, cell(stream("step 10: loss 4.2\n")))
    assert format_of(str(tmp_path / name)).key == "notebook"


@pytest.mark.parametrize(
    "row",
    [
        {"text": '{"cells": [{"cell_type": "code"}]}', "step": 1},
        {"metadata": {"cell_type": 1}, "cells": 4, "text": "once", "step": 2},
    ],
)
def test_a_row_that_speaks_of_a_notebook_is_none(tmp_path: Path, row: dict[str, Any]) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_text(f"{json.dumps(row)}\n" * 3, encoding="utf-8")
    assert not notebook.recognise(read_head(str(path)))


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "{}",
        '{"cells": 3}',
        '{"cells": [',
        '{"worksheets": [3]}',
        '{"cells": ' + "[" * 100_000,
        '{"a": "\ud83d',
    ],
)
def test_what_is_no_notebook_is_refused_by_name_in_one_line(file: Path, content: str) -> None:
    file.write_bytes(content.encode(errors="surrogatepass"))
    for read in notebook.samples, notebook.losses:
        with pytest.raises(ValueError, match=r"train\.ipynb: not a notebook: ") as caught:
            list(read(Part(str(file)), Problems()))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "odd",
    [
        3,
        {"outputs": 3},
        {"outputs": [3, {}, {"output_type": "stream"}, {"output_type": "stream", "name": 3, "text": 3}]},
        {"outputs": [{"data": 3, "text": {"a": 1}}, {"data": {"text/html": 3, "text/plain": [3]}}]},
        {"outputs": [{"output_type": ["stream"], "name": ["a"], "text": [None, "x"]}]},
    ],
)
def test_a_cell_that_no_program_writes_costs_itself_alone(file: Path, odd: Any) -> None:
    write(file, odd, cell(stream("step 10: loss 4.2\nSample 1: once\n")))
    assert told(file) == [(10, "once", 2)]
