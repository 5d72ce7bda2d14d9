"""A JSON list of texts, or of lists of texts, as the BigCode harness writes its generations."""

import json
from pathlib import Path
from typing import Any

import pytest

from coherence.readers.lines import Part, Problems
from coherence.readers.read import Piece, samples_in
from coherence.readers.recognise import format_of

MILL, CAT = "def mill(x):\n    return x", "def cat(name):\n    return name * 2"


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    ("texts", "right"),
    [
        ([[MILL, CAT], [CAT]], [(MILL, "1"), (CAT, "1"), (CAT, "2")]),
        ([MILL, CAT], [(MILL, None), (CAT, None)]),
    ],
)
def test_each_text_is_a_sample_and_those_of_one_problem_are_of_one_group(
    tmp_path: Path, texts: Any, right: Any, indent: int | None
) -> None:
    path = tmp_path / "generations_step_500.json"
    path.write_text(json.dumps(texts, indent=indent))
    assert format_of(str(path)).key == "json_texts"
    problems = Problems()
    samples = list(samples_in(Piece(Part(str(path)), "json_texts"), problems))
    assert [(each.text, each.group) for each in samples] == right
    assert {each.step for each in samples} == {500}
    assert problems.count == 0


def test_a_text_longer_than_what_is_looked_at_is_known_too(tmp_path: Path) -> None:
    path = tmp_path / "generations.json"
    path.write_text(json.dumps([["the mill went round " * 9_000]]))
    assert format_of(str(path)).key == "json_texts"


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("labels.json", ["a cat on a mat", "a mill by a pond"]),
        ("references.json", [MILL, CAT]),
        ("eval_prompts.json", ["Once upon a time"]),
        ("list.json", ["cat", "mill", "New York"]),
        ("merges.json", [["a", "b"], ["th", "e"]]),
        ("list.json", [[1, 2]]),
    ],
)
def test_lists_of_other_things_are_no_samples(tmp_path: Path, name: str, texts: Any) -> None:
    (tmp_path / name).write_text(json.dumps(texts))
    with pytest.raises(ValueError, match="none of the formats"):
        format_of(str(tmp_path / name))


def test_what_is_no_text_is_a_problem_and_the_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "generations.json"
    path.write_text(json.dumps([[MILL, 3], [CAT], {"a": 1}, None, "\ud800"]))
    problems = Problems()
    samples = list(samples_in(Piece(Part(str(path)), "json_texts"), problems))
    assert [sample.text for sample in samples] == [MILL, CAT]
    assert [each.line for each in problems.listed] == [1, 3, 4, 5]


@pytest.mark.parametrize("content", ['{"a": 1}', '["a', "3"])
def test_what_is_no_list_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "generations.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"generations\.json: not a list of texts"):
        list(samples_in(Piece(Part(str(path)), "json_texts"), Problems()))
