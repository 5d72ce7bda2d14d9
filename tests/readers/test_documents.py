"""A JSON document that is read whole: what is too large, too deep or none is refused by name."""

from pathlib import Path

import pytest

from coherence.readers.documents import read_document


def test_what_a_document_holds_is_returned(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('\ufeff{"a": [1, NaN]}', encoding="utf-8")
    assert read_document(str(tmp_path / "a.json"), "a table")["a"][0] == 1


def test_a_document_too_large_is_refused_without_being_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b" " * 2**20 + b"{}")
    with pytest.raises(ValueError, match=r"a\.json: not a table: more than 1 MB"):
        read_document(str(tmp_path / "a.json"), "a table", largest=2**20)


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff", b'{"n": ' + b"7" * 10_000 + b"}"])
def test_what_is_no_json_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.json: not a table: ") as caught:
        read_document(str(tmp_path / "a.json"), "a table")
    assert "\n" not in str(caught.value)
