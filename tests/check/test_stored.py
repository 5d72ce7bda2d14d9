"""Records that are read without pydantic: only if pydantic would read the same from them."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from coherence.check.samples import score_samples
from coherence.check.snapshot import Figure, Kept, Release, Snapshot
from coherence.check.stored import Letters, Within, read
from coherence.readers.records import Sample
from coherence.report import Written


@dataclass(frozen=True, kw_only=True)
class Inner(Written):
    share: float
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outer(Written):
    format: Literal[1] = 1
    word: Literal["yes", "no"]
    count: Annotated[int, Within(0)]
    points: tuple[Annotated[float | None, Within(0, 100)], ...]
    flags: Annotated[str, Letters("01")]
    inner: Inner
    named: dict[str, Inner]


OUTER = Outer(
    word="no",
    count=3,
    points=(0.0, None, 100.0),
    flags="0110",
    inner=Inner(share=-1e-7, note="é\n"),
    named={"東京": Inner(share=1.5)},
)
VALUES: dict[str, Any] = json.loads(OUTER.to_json())

ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 101)
    | st.just(10**400)
    | st.floats()
    | st.sampled_from(["", "yes", "01", "012", "01\n", "1", "\ud800"])
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


def with_pydantic(written: bytes) -> str | None:
    try:
        return repr(Outer.from_json(written))
    except ValidationError:
        return None


def test_a_record_that_was_written_is_read() -> None:
    assert read(Outer, OUTER.to_json().encode()) == OUTER
    assert read(Outer, json.dumps(VALUES, indent=2).encode()) == OUTER


@pytest.mark.parametrize("place", [(), ("inner",), ("named", "東京"), ("points",)])
@given(data=st.data())
def test_what_is_read_is_what_pydantic_reads(place: tuple[str, ...], data: st.DataObject) -> None:
    values = json.loads(OUTER.to_json())
    spot = values
    for name in place:
        spot = spot[name]
    key = data.draw(st.sampled_from([*spot, "more"] if isinstance(spot, dict) else range(len(spot))))
    spot[key] = data.draw(ODD)
    written = json.dumps(values).encode()
    found = read(Outer, written)
    assert found is None or repr(found) == with_pydantic(written)


@given(place=st.integers(0, len(OUTER.to_json())), byte=st.binary(max_size=2), cut=st.integers(0, 2))
@example(place=0, byte=b"\xef\xbb\xbf", cut=0)
@example(place=0, byte=b'{"format":2,', cut=1)
@example(place=0, byte=b'{"more":2,', cut=1)
def test_damaged_json_is_read_as_pydantic_reads_it(place: int, byte: bytes, cut: int) -> None:
    written = OUTER.to_json().encode()
    damaged = written[:place] + byte + written[place + cut :]
    found = read(Outer, damaged)
    assert found is None or repr(found) == with_pydantic(damaged)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", True),
        ("format", 1.0),
        ("count", True),
        ("count", 3.0),
        ("count", "3"),
        ("count", -1),
        ("points", [100]),
        ("points", [100.5]),
        ("points", {"0": 1.0}),
        ("flags", "012"),
        ("flags", "01\n"),
        ("flags", ["0", "1"]),
        ("inner", {"share": float("nan")}),
        ("inner", {"share": float("inf")}),
        ("inner", {"share": 1.0, "note": "\ud800"}),
        ("inner", {}),
        ("inner", [["share", 1.0]]),
        ("named", {"\ud800": {"share": 1.0}}),
    ],
)
def test_what_is_not_exactly_of_the_stated_type_is_left_to_pydantic(key: str, value: object) -> None:
    assert read(Outer, json.dumps(VALUES | {key: value}).encode()) is None


def test_a_snapshot_with_texts_and_a_history_needs_no_pydantic(tmp_path: Path) -> None:
    texts = ["The old man walked along the river until evening came, and thought.", "no " * 30]
    samples = [Sample(step=1, text=text, prompt=None, file="s.jsonl", line=1) for text in texts]
    kept = Kept(key="", prompt=None, text="東京", left_out=0, mean=50.0)
    figure = Figure(mean=1.5, error=0.25, within=None, size=2, units=2)
    release = Release(samples=2, prompts="", figures={"bigram": figure})
    made = replace(score_samples(samples).snapshot, texts=(kept,), history=(release,))
    made.save(tmp_path / "s.json")
    assert read(Snapshot, (tmp_path / "s.json").read_bytes()) == made


def test_a_key_that_is_there_twice_is_left_to_pydantic() -> None:
    twice = OUTER.to_json().replace('"named":{', '"named":{"東京":{"share":"much"},').encode()
    assert read(Outer, twice) is None
    assert with_pydantic(twice) is None
