"""Plain rows: the quick way to their samples and the one that knows every row give the same."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coherence.readers.format import Fields
from coherence.readers.formats import jsonl
from coherence.readers.lines import Part, Problems
from coherence.readers.objects.names import (
    ANSWER,
    LOSS,
    PLAIN_TEXT,
    PROMPT,
    READ,
    SAYS_SPLIT,
    SKIPPED,
    STEP,
    TIME,
)
from coherence.readers.objects.plain import REMEMBERED, PlainRows
from coherence.readers.objects.rows import samples_of, to_sample
from coherence.readers.objects.unfold import UNUSUAL
from coherence.scoring.profile import SCALES

PLAIN: dict[str, Any] = {"step": 5, "text": "Once", "loss": 2.5, "prompt": "Say", "time": 1.5}
WRITTEN = {"format": 1, **PLAIN, "index": 3, "scores": {"bigram": 9.5}, "streak": 0, "beside": "reward"}

TEXTS = st.sampled_from(
    [
        "Once upon a time",
        "",
        " ",
        "a",
        "7",
        "été",
        "\ud800",
        "\U0001f600",
        "<|endoftext|>" * 4,
        "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\nSo.",
        "### Instruction: Why?\n### Response: So.",
        "[{'role': 'user', 'content': 'Why?'}, {'role': 'assistant', 'content': 'So.'}]",
        '[{"role": "user", "content": "Why?"}]',
        "nan",
        "val_set",
        "1e400",
    ]
)
NUMBERS = st.one_of(
    st.integers(-3, 99),
    st.sampled_from([2**53, 2**53 + 1, -(2**53) - 1, 10**400, True, False, 2.0, 2.5, 1e300]),
    st.sampled_from([float("nan"), float("inf"), -0.0]),
)
SIMPLE = st.one_of(TEXTS, NUMBERS, st.none())
DEEPER = st.one_of(
    st.lists(SIMPLE, max_size=3),
    st.just([{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]),
    st.just([{"type": "tool_use", "name": "weather"}]),
    st.dictionaries(st.sampled_from(["text", "content", "step"]), SIMPLE, max_size=2),
)
USUAL = ("text", "step", "loss", "prompt", "time")
KEYS = st.one_of(
    st.sampled_from(USUAL),
    st.sampled_from(USUAL),
    st.sampled_from(sorted({*READ, *UNUSUAL, *SAYS_SPLIT, ANSWER})),
    st.sampled_from(
        ["format", "index", "streak", "scores", "content", "id", "kl", "rewards/mean", "val_loss"]
    ),
)
SCORES = st.dictionaries(st.sampled_from(SCALES), st.one_of(st.floats(0, 100), SIMPLE))
OF_A_MONITOR = st.fixed_dictionaries(
    {
        "format": st.sampled_from([1, 1, 1, True, 1.0, "1", None]),
        "step": NUMBERS,
        "index": st.one_of(st.integers(0, 9), SIMPLE),
        "text": TEXTS,
        "scores": st.one_of(SCORES, SIMPLE),
        "streak": SIMPLE,
    },
    optional={
        **dict.fromkeys(USUAL[2:], SIMPLE),
        "beside": st.sampled_from(["reward", "kl", "cat", None, 1]),
    },
)
ROWS = st.one_of(
    OF_A_MONITOR,
    st.fixed_dictionaries({"text": TEXTS, "step": NUMBERS}, optional=dict.fromkeys(USUAL[2:], SIMPLE)),
    st.fixed_dictionaries({"text": TEXTS, "step": NUMBERS}, optional={"split": SIMPLE, "loss": NUMBERS}),
    st.dictionaries(KEYS, st.one_of(SIMPLE, SIMPLE, DEEPER), max_size=7),
)


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """A line of JSON, perhaps with a key twice, cut off, or not UTF-8."""
    rows = draw(st.lists(ROWS, min_size=1, max_size=2))
    ascii_only = draw(st.booleans())
    line = ", ".join(json.dumps(row, ensure_ascii=ascii_only)[1:-1] for row in rows if row)
    whole = f"{{{line}}}".encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 7)):
        return whole
    at = draw(st.integers(0, len(whole)))
    return (
        whole[:at]
        + draw(st.sampled_from([b"", b"\xff", b"\xed\xa0\x80", b" ", b"\n", b"\r", b"}"]))
        + (whole[at:] if draw(st.booleans()) else b"")
    )


FILES = st.tuples(
    st.sampled_from([b"", b"\xef\xbb\xbf"]), st.lists(lines(), max_size=9), st.sampled_from([b"\n", b"\r\n"])
).map(lambda parts: parts[0] + parts[2].join(parts[1]))


def read(path: Path, monkeypatch: pytest.MonkeyPatch, quickly: bool) -> str:
    """What is read from a file and noted about it; as text, because not-a-number equals nothing."""
    problems = Problems()
    with monkeypatch.context() as patched:
        if not quickly:
            patched.setattr(PlainRows, "sample", lambda *_: None)
        samples = list(jsonl.samples(Part(str(path)), problems))
    return f"{samples} {problems}"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=FILES, name=st.sampled_from(["dump.jsonl", "dump-100.jsonl"]))
def test_the_quick_way_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, name: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    assert read(file, monkeypatch, quickly=True) == read(file, monkeypatch, quickly=False)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=FILES, wanted=st.sets(st.integers(1, 12), max_size=6))
def test_a_plain_row_that_is_read_by_itself_gives_the_sample_that_the_whole_file_gives(
    tmp_path: Path, content: bytes, wanted: set[int]
) -> None:
    file = tmp_path / "dump.jsonl"
    file.write_bytes(content)
    alone = list(jsonl.plain_samples(Part(str(file)), wanted))
    whole = [each for each in jsonl.samples(Part(str(file)), Problems()) if each.line in wanted]
    assert {each.line for each in alone} <= wanted
    assert [repr(each) for each in whole if each.line in {each.line for each in alone}] == list(
        map(repr, alone)
    )


def quick(row: dict[str, Any]) -> Any:
    return PlainRows("samples.jsonl").sample(row, 3)


def test_usual_rows_take_the_quick_way() -> None:
    shorter = ({key: value for key, value in PLAIN.items() if key != left_out} for left_out in USUAL[2:])
    for row in (PLAIN, WRITTEN, *shorter, {**PLAIN, "id": [7], "lr": None}, {"output": "So.", "iter": 3}):
        assert quick(row) == to_sample(row, "samples.jsonl", 3)


@pytest.mark.parametrize(
    "row",
    [
        {"step": 5, "text": "a", "prompt": "a"},
        {"epoch": 2.0, "text": "Once"},
        {"checkpoint": "run/5", "text": "Once"},
        {**PLAIN, "time": float("inf")},
        {**PLAIN, "step": "10/438"},
        {**PLAIN, "loss": None, "prompt": ""},
    ],
)
def test_the_quick_way_makes_the_usual_sample_or_none(row: dict[str, Any]) -> None:
    assert quick(row) in (None, to_sample(row, "samples.jsonl", 3))


@pytest.mark.parametrize("keys", [PLAIN_TEXT, STEP, PROMPT, LOSS, TIME])
def test_the_quick_way_knows_the_names_of_trainers(keys: tuple[str, ...]) -> None:
    for key in {*keys} - {"messages", "checkpoint", "epoch", "instruction"}:
        kept = {name: value for name, value in PLAIN.items() if name not in keys}
        row = {**kept, key: next(value for name, value in PLAIN.items() if name in keys)}
        assert quick(row) == to_sample(row, "samples.jsonl", 3) is not None


@pytest.mark.parametrize(
    "more",
    [
        {"text": None},
        {"text": ""},
        {"text": ["Once"]},
        {"text": "\ud800"},
        {"step": None},
        {"step": 2**54},
        {"prompt": [{"role": "user", "content": "Why?"}]},
        {"completion": "Twice"},
        {"reasoning_content": "It rains."},
        {"run": "a"},
        {"format": 1},
        {**WRITTEN, "index": "3"},
        {"kl": 0.1},
        {"split": "val"},
        {"Step": 6},
        {SKIPPED: "why"},
    ],
)
def test_any_other_row_is_left_to_the_way_that_knows_it(more: dict[str, Any]) -> None:
    assert quick({**PLAIN, **more}) is None


def test_a_step_comes_before_a_row_without_one_on_both_ways() -> None:
    rows: list[tuple[int, dict[str, Any]]] = [(1, PLAIN), (2, {"text": "No step"}), (3, PLAIN)]
    problems = Problems()
    assert [sample.line for sample in samples_of(rows, "a.jsonl", problems)] == [1, 3]
    assert problems.count == 1


def test_named_fields_are_looked_under_first() -> None:
    rows = [(1, {**PLAIN, "answer": "Twice"})]
    (sample,) = samples_of(rows, "a.jsonl", Problems(), Fields(text="answer"))
    assert sample.text == "Twice"


def test_rows_of_ever_new_keys_are_not_remembered_for_ever() -> None:
    rows = PlainRows("samples.jsonl")
    for number in range(3 * REMEMBERED):
        assert rows.sample({**PLAIN, f"key {number}": 1, "x" * (number % 2 * 2_000): 1}, 3) == (
            None if number % 2 else quick(PLAIN)
        )
    assert len(rows._known) <= REMEMBERED
