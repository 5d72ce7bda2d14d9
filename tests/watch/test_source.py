"""A file that grows is read once, however it grows: appended, torn, cut short, written anew."""

import json
from pathlib import Path

import pytest

from coherence.readers.folders import File
from coherence.watch.source import Position, Row, Source


def line(step: int, text: str) -> bytes:
    return json.dumps({"step": step, "text": text}).encode() + b"\n"


def source_of(path: Path, kind: str = "jsonl") -> Source:
    return Source(File(str(path), kind), "samples")


def read(source: Source, settled: bool = True) -> list[tuple[int | None, str | None]]:
    """Take all that is new."""
    found = []
    for taken in source.rows(settled):
        source.take(taken)
        found.append((taken.row.step, taken.row.text))
    source.finish()
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "samples.jsonl"


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_reads_only_what_was_appended(path: Path) -> None:
    source = source_of(path)
    append(path, line(1, "Once"))
    assert read(source) == [(1, "Once")]
    assert not source.is_behind()
    append(path, line(2, "upon") + line(3, "a"))
    assert source.is_behind()
    assert read(source) == [(2, "upon"), (3, "a")]
    assert read(source) == []


@pytest.mark.parametrize("cut", range(len(line(2, "upon"))))
def test_a_line_that_is_being_written_comes_once_it_is_whole(path: Path, cut: int) -> None:
    source, whole = source_of(path), line(2, "upon")
    append(path, line(1, "Once") + whole[:cut])
    first = read(source)
    append(path, whole[cut:] + line(3, "a"))
    assert first + read(source) == [(1, "Once"), (2, "upon"), (3, "a")]
    assert not source.problems.count


def test_a_last_line_without_newline_is_read_when_it_is_whole(path: Path) -> None:
    source = source_of(path)
    append(path, line(1, "Once").rstrip())
    assert read(source) == [(1, "Once")]
    append(path, b"\n" + line(2, "upon"))
    assert read(source) == [(2, "upon")]


def test_the_same_bytes_under_another_inode_are_the_same_file(path: Path) -> None:
    source = source_of(path)
    append(path, line(1, "Once"))
    read(source)
    copy = path.with_suffix(".new")
    copy.write_bytes(path.read_bytes() + line(2, "upon"))
    copy.replace(path)
    assert read(source) == [(2, "upon")]
    assert not source.rewound


@pytest.mark.parametrize("new", [line(1, "Other"), line(1, "Other") * 50])
def test_a_file_that_was_written_anew_is_read_from_its_beginning(path: Path, new: bytes) -> None:
    source = source_of(path)
    append(path, line(1, "Once") + line(2, "upon"))
    read(source)
    path.write_bytes(new)
    assert len(read(source)) == new.count(b"\n")
    assert source.rewound


def test_goes_on_in_another_process_in_the_middle_of_a_stretch(path: Path) -> None:
    source = source_of(path)
    append(path, line(1, "Once") + line(2, "upon") + line(3, "a"))
    rows = source.rows(settled=True)
    source.take(next(rows))
    source.take(next(rows))
    later = source_of(path)
    later.position = Position(*json.loads(json.dumps(source.position)))
    assert read(later) == [(3, "a")]


def test_a_line_longer_than_a_stretch_is_read(path: Path) -> None:
    source, text = source_of(path), "cat " * 500_000
    append(path, line(1, text) + line(2, "upon"))
    assert read(source) == [(1, text), (2, "upon")]


def test_a_table_is_read_but_for_its_last_row_until_it_settles(tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    source = source_of(path, "csv_rows")
    path.write_text("step,text\n1,Once there was\n2,upon a ti", encoding="utf-8")
    assert read(source, settled=False) == [(1, "Once there was")]
    path.write_text("step,text\n1,Once there was\n2,upon a time\n", encoding="utf-8")
    assert read(source, settled=True) == [(2, "upon a time")]
    assert not source.is_behind()
    path.write_text("step,text\n1,Once there was\n2,upon a time\n3,a king\n", encoding="utf-8")
    assert source.is_behind()
    assert read(source, settled=True) == [(3, "a king")]


def test_a_file_of_nonsense_is_said_once_it_settles_and_read_no_more(tmp_path: Path) -> None:
    path = tmp_path / "samples.parquet"
    path.write_bytes(b"PAR1" + bytes(100))
    source = source_of(path, "parquet")
    assert read(source, settled=False) == []
    assert source.problems.listed == []
    assert read(source, settled=True) == []
    assert len(source.problems.listed) == 1
    assert not source.is_behind()


def test_the_loss_in_the_row_of_a_sample_comes_with_it(path: Path) -> None:
    append(path, json.dumps({"step": 1, "text": "Once", "loss": 3.5}).encode() + b"\n")
    (taken,) = source_of(path).rows(settled=True)
    assert taken.row == Row(1, "Once", None, 3.5)


def test_problems_have_the_lines_of_the_file_wherever_reading_continued(path: Path) -> None:
    source = source_of(path)
    append(path, line(1, "Once") + b"{\n" + line(2, "upon"))
    assert read(source) == [(1, "Once"), (2, "upon")]
    assert [each.line for each in source.problems.listed] == [2]
    append(path, b"{\n" + line(3, "a"))
    assert read(source) == [(3, "a")]
    assert [each.line for each in source.problems.listed] == [4]


def test_problems_of_every_stretch_of_a_long_file_are_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coherence.watch.source.STRETCH", 100)
    append(path, b"{\n" + b"".join(line(step, "Once upon a time") for step in range(9)) + b"{\n")
    source = source_of(path)
    assert len(read(source)) == 9
    assert [each.line for each in source.problems.listed] == [1, 11]
