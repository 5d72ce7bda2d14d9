"""The archives of inspect-ai: a document for each sample, deflated or as zstd, damaged or not."""

import importlib.util
import json
import re
import struct
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from coherence.lazy import needs
from coherence.readers.formats import inspect_eval
from coherence.readers.lines import Part, Problems
from coherence.readers.read import Piece, samples_in
from coherence.readers.recognise import format_of
from coherence.readers.records import Sample

MILL, CAT = "The mill stood still all winter.", "A cat slept on the oven."


def document(text: str, epoch: int = 1) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    output = {"model": "m", "choices": [{"message": message, "stop_reason": "max_tokens"}]}
    return {"id": 1, "epoch": epoch, "input": "Go on.", "messages": [message], "output": output}


def archive(path: Path, samples: dict[str, Any], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("_journal/start.json", json.dumps({"version": 2, "eval": {}}))
        for name, sample in samples.items():
            file.writestr(f"samples/{name}.json", sample if isinstance(sample, bytes) else json.dumps(sample))
        file.writestr("header.json", json.dumps({"status": "success"}))
    return path


def with_zstd(path: Path, content: bytes) -> Path:
    """Write an archive of one entry of method 93 by hand: Python cannot before 3.14."""
    packed = importlib.import_module("zstandard").ZstdCompressor().compress(content)
    name = b"samples/1_epoch_1.json"
    fields = struct.pack("<HHHIIIHH", 93, 0, 0, zlib.crc32(content), len(packed), len(content), len(name), 0)
    local = b"PK\x03\x04" + struct.pack("<HH", 63, 0) + fields + name
    central = b"PK\x01\x02" + struct.pack("<HHH", 63, 63, 0) + fields + struct.pack("<HHHII", 0, 0, 0, 0, 0)
    entry = central + name
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(entry), len(local) + len(packed), 0)
    path.write_bytes(local + packed + entry + end)
    return path


def read(path: Path) -> tuple[list[Sample], Problems]:
    problems = Problems()
    return list(samples_in(Piece(Part(str(path)), "inspect_eval"), problems)), problems


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_each_document_is_a_sample_and_an_epoch_is_not_a_step(tmp_path: Path, method: int) -> None:
    path = archive(
        tmp_path / "log.eval", {"1_epoch_1": document(MILL), "1_epoch_2": document(CAT, 2)}, method
    )
    assert format_of(str(path)).key == "inspect_eval"
    samples, problems = read(path)
    assert [(each.step, each.text, each.prompt) for each in samples] == [
        (None, MILL, "Go on."),
        (None, CAT, "Go on."),
    ]
    assert [each.finish_reason for each in samples] == ["max_tokens"] * 2
    assert problems.count == 0


def test_a_log_under_another_name_is_known_and_another_archive_is_none(tmp_path: Path) -> None:
    assert format_of(str(archive(tmp_path / "log.zip", {"1": document(MILL)}))).key == "inspect_eval"
    with zipfile.ZipFile(tmp_path / "weights.npz", "w") as file:
        file.writestr("a.npy", b"x")
    with pytest.raises(ValueError, match="none of the formats"):
        format_of(str(tmp_path / "weights.npz"))


def test_an_entry_in_zstd_is_read(tmp_path: Path) -> None:
    pytest.importorskip("zstandard", reason="zstd is optional: pip install zstandard")
    path = with_zstd(tmp_path / "log.eval", json.dumps(document(MILL)).encode())
    assert format_of(str(path)).key == "inspect_eval"
    samples, problems = read(path)
    assert ([sample.text for sample in samples], problems.count) == ([MILL], 0)


def test_without_zstandard_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("zstandard", reason="zstd is optional: pip install zstandard")
    path = with_zstd(tmp_path / "log.eval", json.dumps(document(MILL)).encode())
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(ValueError, match=re.escape(f"log.eval: zstd {needs('zstandard', 'zstd')}")):
        read(path)


def test_an_entry_that_is_no_sample_is_a_problem_and_the_others_are_read(tmp_path: Path) -> None:
    samples = {"1": b"{", "2": b"[]", "3": b"\xff", "4": document(MILL), "5": {"id": 1, "error": "x"}}
    found, problems = read(archive(tmp_path / "log.eval", samples))
    assert [sample.text for sample in found] == [MILL]
    assert [each.line for each in problems.listed] == [1, 2, 3, 5]


def test_an_entry_that_unpacks_to_more_than_is_read_as_one_costs_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspect_eval, "LONGEST_LINE", 2**16)
    path = archive(tmp_path / "log.eval", {"1": b" " * 2**17 + b"{}", "2": document(MILL)})
    found, problems = read(path)
    assert [sample.text for sample in found] == [MILL]
    assert "more than 16 MB" in problems.listed[0].message


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"PK\x03\x04" + bytes(99)])
def test_what_is_no_archive_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "log.eval").write_bytes(content)
    with pytest.raises(ValueError, match=r"log\.eval: not an archive, or cut off"):
        read(tmp_path / "log.eval")
