"""Which format a file is of: its content says so, not its name; and what is none is refused in a sentence."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from whole_files import WHOLE, content

from coherence.readers.format import Format
from coherence.readers.lines import Part, Problems, read_head
from coherence.readers.read import Piece, losses_in, samples_in
from coherence.readers.recognise import FORMATS, by_key, format_of, formats

CONTENTS = {
    "jsonl": '{"step": 1, "text": "once"}\n',
    "json_array": '[{"step": 1, "text": "once"}]',
    "csv_rows": "step,text\n1,once\n",
    "numbered": "======== SAMPLE 1 ========\nonce\n",
    "trainer_state": '{"log_history": [{"step": 1, "loss": 2.0}]}',
    "wandb_table": '{"columns": ["step", "text"], "data": [[1, "once"]]}',
    "json_texts": '[["once upon a time"], ["there was a cat"]]',
    "text_table": "| Step | Training Loss |\n|---|---|\n| 10 | 2.5 |\n",
}


@pytest.mark.parametrize("each", [*formats()], ids=lambda each: each.key)
def test_a_format_holds_something_and_is_found_by_its_key(each: Format) -> None:
    assert each.samples or each.losses
    assert by_key(each.key) is each


def test_the_keys_are_those_under_which_formats_are_listed() -> None:
    assert list(FORMATS) == [each.key for each in formats()]


def test_no_two_formats_go_by_the_same_name() -> None:
    names = [each.name for each in formats()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("key", CONTENTS)
@pytest.mark.parametrize("name", ["dump", "dump.jsonl", "dump.csv", "dump.txt"])
@pytest.mark.parametrize("compressed", [False, True])
def test_the_content_says_what_a_file_is_whatever_its_name(
    tmp_path: Path, key: str, name: str, compressed: bool
) -> None:
    content = CONTENTS[key].encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if compressed else content)
    assert format_of(str(tmp_path / name)).key == key


@pytest.mark.parametrize("key", WHOLE)
def test_no_other_format_claims_what_one_writes(tmp_path: Path, key: str) -> None:
    name, _ = WHOLE[key]
    try:
        written = content(key)
    except ImportError as error:
        pytest.skip(f"{key} is written with {error.name}")
    for under in (name, f"run{Path(name).suffix}"):
        (tmp_path / under).write_bytes(written)
        if under == name or key in SURE:
            head = read_head(str(tmp_path / under))
            claimed = [each.key for each in formats() if each.recognise(head)]
            right = key.partition(".")[0]
            assert claimed == [right, *LOOSER.get(right, ())], under


SURE = ("jsonl", "json_array", "csv_rows", "wandb_table", "json_texts", "inspect_eval", "text_table")
"""Formats that are known under any name."""

LOOSER = {
    "trainer_state": ["json_array", "jsonl"],
    "wandb_table": ["jsonl"],
    "notebook": ["json_array", "jsonl"],
}
"""What is asked later and would take these too: a document in one line is a line of JSON."""

SEPARATORS = "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e"
"""What ends a line for `str.splitlines`, and for nobody who writes a file."""


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("key", ["jsonl", "json_array", "csv_rows", "numbered", "logs"])
def test_a_text_that_holds_what_only_python_takes_for_the_end_of_a_line_is_read_whole(
    tmp_path: Path, key: str, separator: str
) -> None:
    text = separator.join(["once upon", "step 1 loss 2.5", *["a time"] * 20])
    row = json.dumps({"step": 100, "text": text}, ensure_ascii=False)
    contents = {
        "jsonl": f"{row}\n{row}\n",
        "json_array": f"[{row},\n{row}]",
        "csv_rows": f"step,text\n100,{text}\n100,{text}\n",
        "numbered": f"{text}\n",
        "logs": f"0 train 10.9500\nrank 0 sample 0: {text}\n100 train 9.8000\n",
    }
    path = tmp_path / "samples-100.txt"
    path.write_bytes(contents[key].encode())
    assert format_of(str(path)).key == key
    problems = Problems()
    found = {(each.step, each.text) for each in samples_in(Piece(Part(str(path)), key), problems)}
    assert (found, problems.count) == ({(100, text)}, 0)


def test_a_format_that_is_asked_for_needs_no_file(tmp_path: Path) -> None:
    assert format_of(str(tmp_path / "none"), "csv_rows").key == "csv_rows"


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_called_empty(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "samples.jsonl").write_bytes(content)
    with pytest.raises(ValueError, match=rf"^{tmp_path}/samples\.jsonl: empty$"):
        format_of(str(tmp_path / "samples.jsonl"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("samples.jsonl", b"\x89PNG\r\n\x1a\n\0\0\0"),
        ("samples.jsonl", bytes(range(256)) * 300),
        ("samples-100.txt", b"\0" * 5000),
        ("model-100", b"\x80\x02\x8a\nl\xfc\x9cF" + bytes(2000)),
    ],
)
def test_a_binary_file_is_called_binary_and_how_to_name_the_format_is_said(
    tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(
        ValueError, match=rf"{name}: binary, and none of the formats .*--format names one of .*jsonl"
    ) as caught:
        format_of(str(tmp_path / name))
    assert "\n" not in str(caught.value)


def test_text_of_no_format_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "readme.md").write_text("Once upon a time.\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"readme\.md: none of the formats that are read; it begins with"):
        format_of(str(tmp_path / "readme.md"))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"^{tmp_path}: a folder, not a file"):
        format_of(str(tmp_path))


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        format_of(str(tmp_path / "none"))


def test_a_name_that_is_no_format_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"^format 'xml'; expected one of .*json_array, .*jsonl, csv_rows"):
        by_key("xml")


NAMES = ["a.jsonl", "a.json", "a.csv", "a-7.txt", "a", "trainer_state.json"]


@pytest.mark.slow
@given(st.binary(max_size=400), st.sampled_from(NAMES))
def test_whatever_a_file_holds_it_is_read_or_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    path = tmp_path_factory.mktemp("any") / name
    path.write_bytes(content)
    problems = Problems()
    refused = ""
    try:
        piece = Piece(Part(str(path)), format_of(str(path)).key)
        for sample in samples_in(piece, problems):
            json.dumps(sample)
        assert sum(1 for _ in losses_in(piece, problems)) < 400
    except ValueError as error:
        refused = str(error)
    assert not refused or str(path) in refused
