"""The texts of samples are read again from the lines they are in."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from coherence.audit.dump import Dump
from coherence.audit.plan import Options, Request, prepare
from coherence.audit.rows import Address
from coherence.audit.runners import score_one
from coherence.readers import read
from coherence.readers.format import USUAL, Fields

FIRST = [{"step": step, "text": f"It is step {step}."} for step in range(10)]
WITH_CHAT = {
    "step": 10,
    "messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}],
}
WITHOUT_STEP = {"text": "No step."}


def dump_of(file: Path, rows: Sequence[Mapping[str, object]], size: int, fields: Fields = USUAL) -> Dump:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    job = prepare(Request([str(file)], fields=fields, options=Options()), size)
    return Dump([score_one(shard, job.settings) for shard in job.shards], job.settings)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many samples were read, for each time that all of a shard were."""
    counts: list[int] = []

    def counting(*given: object) -> object:
        for each in read.read_pieces(*given):  # type: ignore[arg-type]
            counts.append(each.sample.line)
            yield each

    monkeypatch.setattr("coherence.audit.dump.read_pieces", counting)
    return counts


def addresses(dump: Dump) -> list[Address]:
    """All samples of a dump, in its order."""
    found = []
    for number, output in enumerate(dump.outputs):
        for each in output.stretches.values():
            columns = output.rows(each.start, each.rows)[["row", "piece", "line"]]
            found += [Address(number, *place) for place in columns.tolist()]
    return sorted(found)


def shown(dump: Dump, wanted: Sequence[Address]) -> list[tuple[str, int]]:
    found = dump.texts(wanted)
    return [(found[address].text, found[address].origin.line) for address in wanted]


def test_only_the_lines_of_the_wanted_samples_are_read(tmp_path: Path, asked: list[int]) -> None:
    dump = dump_of(tmp_path / "a.jsonl", [*FIRST, WITH_CHAT], 2**20)
    every = addresses(dump)
    assert shown(dump, [every[7], every[2]]) == [("It is step 7.", 8), ("It is step 2.", 3)]
    assert asked == []


def test_a_sample_that_no_line_holds_by_itself_is_read_with_those_before_it(
    tmp_path: Path, asked: list[int]
) -> None:
    dump = dump_of(tmp_path / "a.jsonl", [*FIRST, WITH_CHAT], 2**20)
    every = addresses(dump)
    assert shown(dump, [every[7], every[10]]) == [("It is step 7.", 8), ("So.", 11)]
    assert asked == list(range(1, 12))


def test_samples_of_one_line_are_told_apart(tmp_path: Path) -> None:
    rows = [*FIRST, {"step": 10, "completions": ["Once.", "Twice."]}]
    dump = dump_of(tmp_path / "a.jsonl", rows, 2**20)
    assert shown(dump, addresses(dump)[-2:]) == [("Once.", 11), ("Twice.", 11)]


def test_lines_are_counted_in_the_whole_file_if_it_is_cut(tmp_path: Path, asked: list[int]) -> None:
    dump = dump_of(tmp_path / "a.jsonl", FIRST[::-1], 100)
    assert len(dump.outputs) > 2
    assert shown(dump, addresses(dump)) == [(f"It is step {9 - at}.", at + 1) for at in range(10)]
    assert asked == []


def test_a_key_that_the_user_named_is_read_again_too(tmp_path: Path) -> None:
    rows = [{**row, "said": f"Said {row['step']}."} for row in FIRST]
    dump = dump_of(tmp_path / "a.jsonl", rows, 2**20, Fields(text="said"))
    assert shown(dump, addresses(dump)[3:4]) == [("Said 3.", 4)]


def test_samples_that_are_left_out_do_not_shift_the_others(tmp_path: Path) -> None:
    dump = dump_of(tmp_path / "a.jsonl", [*FIRST[:6], WITHOUT_STEP, *FIRST[6:]], 100)
    texts = [text for text, _ in shown(dump, addresses(dump))]
    assert texts == [row["text"] for row in FIRST]
