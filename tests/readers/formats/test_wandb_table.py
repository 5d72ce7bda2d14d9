"""Tables of wandb: columns and data, and the step of the file's name where no column tells it."""

import json
from pathlib import Path
from typing import Any

import pytest

from coherence.readers.lines import Part, Problems
from coherence.readers.read import Piece, losses_in, samples_in
from coherence.readers.recognise import format_of
from coherence.readers.records import Sample

MILL, CAT = "The mill stood still all winter.", "A cat slept on the oven."


def samples_of(path: Path, table: Any) -> tuple[list[Sample], Problems]:
    path.write_text(json.dumps(table))
    assert format_of(str(path)).key == "wandb_table"
    problems = Problems()
    return list(samples_in(Piece(Part(str(path)), "wandb_table"), problems)), problems


def test_rows_are_read_under_the_names_of_their_columns(tmp_path: Path) -> None:
    columns = ["step", "prompt", "completion", "reward"]
    table = {"columns": columns, "data": [["10", "Go on.", MILL, 1.0], ["20", "Go on.", CAT, 0.5]]}
    for name in ("completions_30_4dfa.table.json", "table.json"):
        samples, problems = samples_of(tmp_path / name, table)
        assert [(each.step, each.text, each.prompt) for each in samples] == [
            (10, MILL, "Go on."),
            (20, CAT, "Go on."),
        ]
        assert problems.count == 0


def test_without_a_column_of_steps_the_files_name_tells_the_step(tmp_path: Path) -> None:
    table = {"columns": ["prompt", "completion"], "data": [["Go on.", MILL]]}
    for name, step in (("my_table_40_0a1b2c3d4e5f.table.json", 40), ("mine.table.json", None)):
        samples, _ = samples_of(tmp_path / name, table)
        assert [sample.step for sample in samples] == [step]


def test_the_rows_of_verl_hold_a_sample_for_each_of_their_numbered_columns(tmp_path: Path) -> None:
    columns = ["step", "input_1", "output_1", "score_1", "input_2", "output_2", "score_2"]
    data = [[5, "Go on.", MILL, 0.0, "Why?", CAT, 1.0], [10, "Go on.", CAT, 0.0, "Why?", MILL, 1.0]]
    samples, _ = samples_of(tmp_path / "generations_3_ab.table.json", {"columns": columns, "data": data})
    assert [(each.step, each.text) for each in samples] == [(5, MILL), (5, CAT), (10, CAT), (10, MILL)]
    assert [each.prompt for each in samples] == ["Go on.", "Why?"] * 2


def test_losses_in_a_table_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.table.json"
    path.write_text(json.dumps({"columns": ["step", "loss"], "data": [[1, 3.0], [2, 2.5]]}))
    found = losses_in(Piece(Part(str(path)), "wandb_table"), Problems())
    assert [(row.step, row.loss) for row in found] == [(1, 3.0), (2, 2.5)]


def test_a_row_of_another_length_is_a_problem_and_the_others_are_read(tmp_path: Path) -> None:
    table = {"columns": ["completion"], "data": [[MILL], [1, 2], "x", [CAT]]}
    samples, problems = samples_of(tmp_path / "a.table.json", table)
    assert [sample.text for sample in samples] == [MILL, CAT]
    assert [(each.line, each.message) for each in problems.listed] == [
        (2, "not a row of 1 values"),
        (3, "not a row of 1 values"),
    ]


@pytest.mark.parametrize("content", ["{}", '{"columns": 3, "data": []}', "[1]", '{"columns": ['])
def test_what_is_no_table_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.table.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"a\.table\.json: not a table of columns and data: "):
        list(samples_in(Piece(Part(str(path)), "wandb_table"), Problems()))
