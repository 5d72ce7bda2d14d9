"""Where files lie: local, behind a URL, compressed with what needs a package of its own."""

import io
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from coherence.lazy import needs
from coherence.readers import storage
from coherence.readers.find import find_runs
from coherence.readers.lines import Part, Problems, read_whole_lines

SAMPLE = b'{"step": 1, "text": "once"}\n'


@pytest.fixture
def memory() -> Any:
    """The file system of fsspec that lies in memory."""
    fsspec = pytest.importorskip("fsspec", reason="URLs need fsspec")
    system = fsspec.filesystem("memory")
    yield system
    system.rm("/", recursive=True)


def test_files_behind_a_url_are_found_and_read_like_local_ones(memory: Any) -> None:
    for name in ("exp/step_1000.jsonl", "exp/step_200.jsonl", "exp/metrics.jsonl"):
        content = SAMPLE if "step" in name else b'{"step": 1, "loss": 2.5}\n'
        memory.pipe(f"/{name}", content)
    (run,) = find_runs(["memory://exp"])
    assert run.name == "exp"
    assert [file.path for file in run.samples] == [
        "memory://exp/step_200.jsonl",
        "memory://exp/step_1000.jsonl",
    ]
    assert [file.path for file in run.losses] == ["memory://exp/metrics.jsonl"]
    assert list(read_whole_lines(Part(run.samples[0].path), Problems())) == [(1, SAMPLE.decode())]
    assert storage.size(run.samples[0].path) == len(SAMPLE)


def test_a_pattern_may_be_a_url(memory: Any) -> None:
    for step in (200, 1000, 30):
        memory.pipe(f"/exp/step_{step}.jsonl", SAMPLE)
    (run,) = find_runs(["memory://exp/step_*00.jsonl"])
    assert [file.path.rpartition("/")[2] for file in run.samples] == ["step_200.jsonl", "step_1000.jsonl"]


def test_a_url_at_which_there_is_nothing_is_refused_by_name(memory: Any) -> None:  # noqa: ARG001 - it needs the package
    with pytest.raises(FileNotFoundError, match=r"^memory://none\.jsonl: no such file or folder"):
        find_runs(["memory://none.jsonl"])


def test_parts_of_a_file_behind_a_url_are_read(memory: Any) -> None:
    memory.pipe("/a.jsonl", b"one\ntwo\nthree\n")
    found = [
        line
        for start, end in ((0, 5), (5, 14))
        for _, line in read_whole_lines(Part("memory://a.jsonl", start, end), Problems())
    ]
    assert found == ["one\n", "two\n", "three\n"]


def test_without_the_package_a_url_is_refused_with_the_extra_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    expected = f"s3://bucket/run: to open it {needs('fsspec', 'remote')}"
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        find_runs(["s3://bucket/run"])


def test_zstd_is_read_and_what_is_cut_off_is_noted(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard", reason="zstd needs zstandard")
    content = b"".join(b"line %d of the file\n" % number for number in range(300_000))
    packed = zstandard.ZstdCompressor().compress(content[:100]) + zstandard.ZstdCompressor().compress(
        content[100:]
    )
    (tmp_path / "whole").write_bytes(packed)
    (tmp_path / "cut").write_bytes(packed[: len(packed) // 2])
    problems = Problems()
    assert sum(1 for _ in read_whole_lines(Part(str(tmp_path / "whole")), problems)) == 300_000
    assert problems.count == 0
    found = [line for _, line in read_whole_lines(Part(str(tmp_path / "cut")), problems)]
    assert 1000 < len(found) < 300_000
    assert found == content.decode().splitlines(keepends=True)[: len(found)]
    assert [problem.line for problem in problems.listed] == [len(found) + 1]


def test_zstd_that_is_damaged_is_noted(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard", reason="zstd needs zstandard")
    packed = zstandard.ZstdCompressor().compress(b"line\n" * 1000)
    (tmp_path / "bad").write_bytes(packed[:8] + b"\xff" * 40)
    problems = Problems()
    list(read_whole_lines(Part(str(tmp_path / "bad")), problems))
    assert [p.message[:30] for p in problems.listed] == ["the compressed data ends here,"]


def test_without_the_package_zstd_is_refused_with_the_extra_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    (tmp_path / "a").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(20))
    with pytest.raises(ValueError, match=re.escape(f"a: zstd {needs('zstandard', 'zstd')}")):
        storage.open_bytes(str(tmp_path / "a"))


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
def test_text_in_utf16_is_read_like_any_other(tmp_path: Path, order: str) -> None:
    whole = "".join(f"line {number} \u00e9 \U0001f600\r\n" for number in range(20_000))
    (tmp_path / "whole").write_bytes(("\ufeff" + whole).encode(order))
    (tmp_path / "cut").write_bytes(("\ufeff" + whole).encode(order)[:-5])
    for name, end in ("whole", whole), ("cut", whole[:-3] + "\ufffd"):
        found = "".join(line for _, line in read_whole_lines(Part(str(tmp_path / name)), Problems()))
        assert found == end


@pytest.mark.filterwarnings("error::ResourceWarning")
@pytest.mark.parametrize("magic", storage.MAGIC)
def test_a_file_that_was_opened_is_closed_with_what_decompresses_it(tmp_path: Path, magic: bytes) -> None:
    if storage.MAGIC[magic] == "zstd":
        pytest.importorskip("zstandard", reason="zstd needs zstandard")
    (tmp_path / "a").write_bytes(magic + bytes(20))
    storage.open_bytes(str(tmp_path / "a")).close()


def test_a_copy_of_a_stream_lies_outside_of_every_run(tmp_path: Path) -> None:
    path = Path(storage.spooled(io.BytesIO(SAMPLE)))
    assert path.read_bytes() == SAMPLE
    assert tmp_path not in path.parents
