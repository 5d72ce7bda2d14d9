"""Lines of a file that may hold anything, and the numbers and texts in them."""

import bz2
import gzip
import json
import lzma
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cost import memory
from hypothesis import given, settings
from hypothesis import strategies as st

from coherence.readers.lines import (
    HEAD,
    LISTED,
    LONGEST_LINE,
    Part,
    Problems,
    file_name,
    read_head,
    read_objects,
    read_whole_lines,
    to_float,
    to_step,
)

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lambda content: lzma.compress(content, preset=0),
    "nothing": bytes,
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "samples.jsonl"


def stripped(part: Part, problems: Problems) -> Iterator[tuple[int, str]]:
    return ((number, line.strip()) for number, line in read_whole_lines(part, problems) if line.strip())


def lines_of(
    file: Path, content: bytes, start: int = 0, end: int | None = None
) -> tuple[list[str], Problems]:
    file.write_bytes(content)
    problems = Problems()
    return [line for _, line in stripped(Part(str(file), start, end), problems)], problems


# Lines


def test_objects_are_numbered_by_their_lines_and_blank_ones_left_out(file: Path) -> None:
    file.write_bytes(b'{"a": 1}\n\n  {"b": 2} \r\n\t\n{}')
    assert list(read_objects(Part(str(file)), Problems())) == [(1, {"a": 1}), (3, {"b": 2}), (5, {})]


def test_whole_lines_keep_their_ends_and_the_blank_ones_and_what_is_no_utf8_is_replaced(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfa\r\n\n b\xff\nc")
    problems = Problems()
    found = list(read_whole_lines(Part(str(file)), problems))
    assert found == [(1, "a\r\n"), (2, "\n"), (3, " b\ufffd\n"), (4, "c")]
    assert [(p.line, p.message) for p in problems.listed] == [
        (3, "not UTF-8: byte 0xff at 2, read as \ufffd")
    ]


def test_the_first_lines_end_where_those_of_a_terminal_do(file: Path) -> None:
    file.write_bytes("a\u2028b \r\n\n 10%|█\r 20%|██\r\x85c\x0b\x1cd\nlast".encode())
    assert read_head(str(file)).lines == ["a\u2028b", "10%|█", "20%|██", "c\x0b\x1cd", "last"]


@pytest.mark.slow
@settings(deadline=None)  # the machine may be busy
@given(
    st.lists(st.sampled_from(["a", "bc", "", "d" * 70_000]), max_size=8),
    st.integers(1, 9),
    st.booleans(),
)
def test_the_parts_of_a_file_have_every_line_once(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], size: int, ends: bool
) -> None:
    file = tmp_path_factory.mktemp("parts") / "lines"
    content = ("\n".join(lines) + ("\n" if ends else "")).encode()
    size = max(size, len(content) // 40)
    found = [
        line
        for start in range(0, len(content), size)
        for line in lines_of(file, content, start, min(start + size, len(content)))[0]
    ]
    assert found == [line for line in lines if line]


@pytest.mark.parametrize("over", [-1, 0, 1, 2])
def test_a_line_of_about_the_greatest_length_does_not_take_the_next_one_with_it(
    file: Path, over: int
) -> None:
    found, problems = lines_of(file, b"x".ljust(LONGEST_LINE - 1 + over, b"x") + b"\ny")
    assert [line[0] for line in found] == (["x", "y"] if over <= 0 else ["y"])
    assert [problem.line for problem in problems.listed] == ([] if over <= 0 else [1])


@pytest.mark.slow
def test_a_line_of_50_mb_is_passed_over_without_being_held(file: Path) -> None:
    def held(megabytes: int) -> int:
        with file.open("wb") as out:
            out.write(b"a\n")
            out.seek(megabytes * 10**6, os.SEEK_CUR)  # a hole
            out.write(b"\nb")
        problems = Problems()
        assert list(stripped(Part(str(file)), problems)) == [(1, "a"), (3, "b")]
        said = f"a line of {megabytes} MB; the largest that is read has 16 MB"
        assert [(problem.line, problem.message) for problem in problems.listed] == [(2, said)]
        return memory(lambda: list(stripped(Part(str(file)), Problems())))

    assert held(200) < 1.5 * held(50)


def test_the_parts_of_a_file_share_its_over_long_line_out_to_one(file: Path) -> None:
    content = b"a\n" + b"x" * (LONGEST_LINE + 9) + b"\nb\n"
    size = len(content) // 3
    found = [lines_of(file, content, start, start + size) for start in range(0, len(content), size)]
    assert [line for lines, _ in found for line in lines] == ["a", "b"]
    assert sum(problems.count for _, problems in found) == 1


@pytest.mark.slow
def test_a_file_of_very_many_lines_takes_no_more_memory_than_one_of_few(file: Path) -> None:
    def held(lines: int) -> int:
        file.write_bytes(b"12345678\n" * lines)
        return memory(lambda: sum(1 for _ in stripped(Part(str(file)), Problems())))

    assert held(80_000) < 1.5 * held(20_000)


def test_problems_beyond_the_first_hundred_are_counted_but_not_kept(file: Path) -> None:
    _, problems = lines_of(file, b"\xff\n" * (LISTED + 50))
    assert (problems.count, len(problems.listed)) == (LISTED + 50, LISTED)


# Compressed


@pytest.mark.parametrize("kind", COMPRESS)
def test_compressed_lines_are_told_by_their_first_bytes(file: Path, kind: str) -> None:
    content = b"once\nupon\na time\n" * 5000
    file.write_bytes(COMPRESS[kind](content))
    problems = Problems()
    assert [line for _, line in stripped(Part(str(file)), problems)] == content.decode().splitlines()
    assert problems.count == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in COMPRESS if kind != "nothing"])
@pytest.mark.parametrize("damage", ["cut off", "overwritten"])
def test_of_damaged_data_the_lines_before_count_and_the_end_is_noted(
    file: Path, kind: str, damage: str
) -> None:
    content = b"".join(b"line %d of the file\n" % number for number in range(200_000))
    packed = COMPRESS[kind](content)
    half = len(packed) // 2
    file.write_bytes(packed[:half] + (b"" if damage == "cut off" else bytes(60) + packed[half + 60 :]))
    problems = Problems()
    found = [line for _, line in stripped(Part(str(file)), problems)]
    assert 20_000 < len(found) < 200_000
    # Where gzip is overwritten it may decode some noise before it notices.
    assert found[:20_000] == content.decode().splitlines()[:20_000]
    assert [problem.line for problem in problems.listed] == [len(found) + 1]
    assert problems.listed[0].message.startswith("the compressed data ends here, cut off or damaged: ")


# The head


@pytest.mark.parametrize("kind", COMPRESS)
def test_the_head_is_how_a_file_begins_decompressed(file: Path, kind: str) -> None:
    file.write_bytes(COMPRESS[kind](b"\xef\xbb\xbfonce\xff\n" + b"x" * 2 * HEAD))
    head = read_head(str(file))
    assert (len(head.raw), head.text[:6], head.whole) == (HEAD, "once\ufffd\n", False)
    assert head.lines == ["once\ufffd"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in COMPRESS if kind != "nothing"])
def test_of_a_short_file_that_is_cut_off_the_head_is_what_there_is(file: Path, kind: str) -> None:
    content = b"".join(b"line %d of the file\n" % number for number in range(200_000))
    packed = COMPRESS[kind](content)
    file.write_bytes(packed[: len(packed) * 2 // 3])
    assert read_head(str(file)).text.startswith("line 0 of the file\nline 1 ")


def test_a_last_line_that_is_cut_off_is_none_of_the_lines_of_the_head_unless_it_is_alone(file: Path) -> None:
    file.write_bytes(b"a\n\n" + b"x" * HEAD)
    assert read_head(str(file)).lines == ["a"]
    file.write_bytes(b"x" * 2 * HEAD)
    assert read_head(str(file)).lines == ["x" * HEAD]
    file.write_bytes(b"a\nb")
    assert read_head(str(file)).lines == ["a", "b"]


def test_a_folder_in_place_of_a_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"^{tmp_path}: not a regular file"):
        read_head(str(tmp_path))


# JSON objects


BAD_LINES: list[tuple[str, bytes, str]] = [
    # no JSON
    ("not JSON", b"step 3: once upon", "not JSON"),
    ("a torn line", b'{"step": 3, "text": "once up', "not JSON"),
    ("a null byte", b'{"step": 3, "text": "a\x00b"}', "not JSON"),
    ("two objects", b'{"a": 1}{"a": 2}', "not JSON"),
    ("nested deeply", b"[" * 100_000 + b"]" * 100_000, "not JSON: nested too deeply"),
    ("nested deeply, as an object", b'{"step":' * 100_000, "not JSON: nested too deeply"),
    (
        "a number of 10,000 digits",
        b'{"step": 1, "text": "a", "n": ' + b"7" * 10_000 + b"}",
        "not JSON: a number of too",
    ),
    # JSON, but no object
    ("a list", b'["step", 3]', "not a JSON object but list"),
    ("a string", b'"once"', "not a JSON object but str"),
    ("a number", b"3", "not a JSON object but int"),
    ("null", b"null", "not a JSON object but NoneType"),
    # no UTF-8
    ("a byte that is no UTF-8", b'{"step": 3, "text": "a\xffb"}', "not UTF-8: byte 0xff at 22"),
    ("a lone surrogate", b'{"step": 3, "text": "caf\xc3"}', "not UTF-8: byte 0xc3"),
]


@pytest.mark.parametrize(
    ("bad", "message"),
    [(bad, message) for _, bad, message in BAD_LINES],
    ids=[name for name, _, _ in BAD_LINES],
)
def test_a_line_that_is_no_object_is_one_problem_with_its_place_and_the_others_are_read(
    file: Path, bad: bytes, message: str
) -> None:
    file.write_bytes(b"\n".join([b'{"a": 1}', b"", bad, b'{"a": 2}']))
    problems = Problems()
    assert [(line, row["a"]) for line, row in read_objects(Part(str(file)), problems)] == [(1, 1), (4, 2)]
    assert [(problem.file, problem.line) for problem in problems.listed] == [(str(file), 3)]
    assert problems.listed[0].message.startswith(message)
    assert "\n" not in problems.listed[0].message


# Names, steps and numbers


def test_the_name_of_a_file_is_text_also_where_its_bytes_are_none() -> None:
    assert file_name(os.fsdecode(b"a\xff.jsonl")) == "a\ufffd.jsonl"
    assert json.dumps(file_name("b.jsonl")) == '"b.jsonl"'


@pytest.mark.parametrize(
    ("value", "step"),
    [
        # numbers
        (0, 0),
        (-1, -1),
        (3.0, 3),
        (2**53, 2**53),
        # strings
        ("12", 12),
        (" 12 ", 12),
        ("12.0", 12),
        ("1e3", 1000),
    ],
)
def test_a_step_is_a_whole_number_however_it_is_written(value: Any, step: int) -> None:
    assert to_step(value) == step


@pytest.mark.parametrize(
    "value",
    [
        # not whole
        1.5,
        math.nan,
        math.inf,
        "nan",
        # too large for a step of any run
        2**54,
        10**4000,
        1e300,
        # no number
        "",
        "ten",
        None,
        True,
        [1],
        {"a": 1},
        [[[["deep"] * 1000] * 3]],
    ],
)
def test_anything_else_is_no_step_and_shown_in_few_words(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^step ") as caught:
        to_step(value)
    assert len(str(caught.value)) < 80


@settings(deadline=None)  # the machine may be busy
@given(st.integers(-(2**53), 2**53))
def test_every_step_a_run_can_have_is_read_as_it_was_written(step: int) -> None:
    assert to_step(step) == to_step(str(step)) == step


@settings(deadline=None)  # the machine may be busy
@given(st.floats(allow_nan=False))
def test_a_number_in_a_string_is_that_number(number: float) -> None:
    assert to_float(repr(number)) == to_float(number) == number


# JSON lines, with the parser of the extra and without


ROW = st.dictionaries(st.text(max_size=5), st.text() | st.floats() | st.integers(-(2**60), 2**60))
ODD = [
    *('{"a": NaN}', '{"a": "\\ud800"}', '{"a": 1e999}', '{"a": 1, "a": 2}', '{"a": "\x01"}', "nul", "[1]"),
    *("{}\x0b", "\ufeff{}", "\u00a0", "\ud800", "1", "", '{"a": ' * 2000, "[" * 100_000, "9" * 5000),
]


@given(st.lists(ROW.map(json.dumps) | st.sampled_from(ODD), max_size=4))
def test_objects_are_read_alike_with_the_faster_parser_and_without(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    pytest.importorskip("orjson", reason="the faster parser is optional: pip install orjson")
    file = tmp_path_factory.mktemp("any") / "samples.jsonl"
    file.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    faster, standard = Problems(), Problems()
    found = list(read_objects(Part(str(file)), faster))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("coherence.readers.lines._strict_parser", None)
        expected = list(read_objects(Part(str(file)), standard))
    assert repr(found) == repr(expected)  # not-a-number equals nothing
    assert faster == standard


def problems_of(path: str, count: int) -> Problems:
    problems = Problems()
    for line in range(1, count + 1):
        problems.add(path, line, "no text")
    return problems


@pytest.mark.parametrize("count", [0, 1, LISTED - 2, LISTED, 3 * LISTED])
@pytest.mark.parametrize("more", [0, 1, 2, 3 * LISTED])
def test_problems_of_several_files_add_up_and_the_first_of_them_are_listed(count: int, more: int) -> None:
    problems, others = problems_of("a", count), problems_of("b", more)
    before = list(others.listed)
    problems += others
    assert problems.count == count + more
    expected = [("a", line + 1) for line in range(count)] + [("b", line + 1) for line in range(more)]
    assert [(problem.file, problem.line) for problem in problems.listed] == expected[:LISTED]
    assert others.listed == before


def test_the_first_problem_says_why_there_is_nothing_and_without_any_nothing_is_said() -> None:
    assert problems_of("a", 2).first_in_words == " that could be used; a:1: no text"
    assert Problems().first_in_words == ""
