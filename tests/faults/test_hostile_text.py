"""Whatever a text holds, it is scored: nothing is raised; time and memory grow with its length alone."""

import json
import sys
import unicodedata
from itertools import groupby
from pathlib import Path
from random import Random

import pytest
from cost import lines, memory
from hostile_texts import ATTACKS, FRAGMENTS, Attack, Use, goes_over_again, pieces, uses
from hypothesis import given, settings
from hypothesis import strategies as st
from logged_lines import lines_of

from coherence import score
from coherence.readers import prompts
from coherence.readers.formats import jsonl
from coherence.readers.formats.logs import lines as log_lines
from coherence.readers.formats.logs import samples as log_samples
from coherence.readers.lines import Part, Problems
from coherence.readers.objects import rows
from coherence.readers.records import Sample
from coherence.scoring.loop import find_loop
from coherence.scoring.text import answer, clean, locate

pytestmark = pytest.mark.once

RANDOM = Random(0)  # noqa: S311 - not for secrets

HOSTILE = st.lists(
    st.sampled_from(FRAGMENTS)
    | st.text(st.characters(categories=["L", "M", "N", "P", "S", "Z", "C"]), max_size=20),
    max_size=40,
).map("".join)


def assert_is_scored(text: str, prompt: str | None = None) -> None:
    scores = score(text, prompt)
    assert all(value is None or 0 <= value <= 100 for value in scores.values)
    assert scores.characters == len(clean(text, prompt))
    shown = answer(text, prompt)
    places = [start for start, _ in locate(shown)]
    assert places == sorted(places)
    assert not places or places[-1] < len(shown)
    find_loop(text, prompt)


# --- Whatever stands in it --------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=150)
@given(text=HOSTILE, prompt=st.none() | HOSTILE)
def test_any_text_and_any_prompt_are_scored(text: str, prompt: str | None) -> None:
    assert_is_scored(text, prompt)
    assert_is_scored(text + text, prompt and text)


@pytest.mark.slow
def test_a_text_of_every_character_there_is_is_scored_half_pairs_and_unassigned_ones_among_them() -> None:
    by_category: dict[str, list[str]] = {}
    for code in range(0, sys.maxunicode + 1, 7):  # seven is prime to the size of every block
        by_category.setdefault(unicodedata.category(chr(code)), []).append(chr(code))
    assert {"Cs", "Cn", "Co", "Cf", "Mn", "Lo", "Zs"} <= by_category.keys()
    for characters in by_category.values():
        assert_is_scored("".join(characters[:4000]))
        assert_is_scored(" ".join(characters[:400]))
    mixed = [character for characters in by_category.values() for character in characters[:200]]
    RANDOM.shuffle(mixed)
    assert_is_scored("".join(mixed))


@settings(max_examples=60)
@given(
    text=HOSTILE,
    key=st.sampled_from(["text", "messages", "step", "loss", "prompt", "run", "source", "event"]),
)
def test_any_text_in_a_row_of_json_is_a_sample_or_a_problem(text: str, key: str) -> None:
    row = {"step": 1, "text": "once upon a time", key: text}
    problems = Problems()
    found = list(rows.samples_of([(1, row)], "samples.jsonl", problems))
    assert len(found) + problems.count == 1
    list(rows.losses_of([(1, {"loss": 2.5, **row})], "metrics.jsonl", Problems()))
    rows.to_mark({"format": 1, "event": text, **row})


@settings(max_examples=100)
@given(text=HOSTILE)
def test_any_text_is_read_as_a_log(text: str) -> None:
    lines = list(lines_of(enumerate(text.split("\n"), start=1)))
    assert len([line for line in lines if line.text.strip()]) <= text.count("\n") + 1
    reader = log_samples.LogSamples("train.log", Problems())
    found = [sample for line in lines for sample in reader.feed(line)] + list(reader.finish())
    assert all(sample.line <= text.count("\n") + 1 for sample in found)


# --- Time -------------------------------------------------------------------------------------------------


def seconds(attack: Attack, size: int) -> float:
    return attack.seconds(attack.text(size), tries=5, enough=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_four_times_the_text_takes_far_less_than_sixteen_times_as_long(attack: Attack) -> None:
    before = max(seconds(attack, attack.sizes[0]), 0.002)
    for size in attack.sizes[1:]:
        for _ in range(3):
            if (after := seconds(attack, size)) <= 9 * before:
                break
        assert after <= 9 * before, (
            f"{size:,} characters take {after:.3f} s, a quarter of them {before:.3f} s"
        )
        before = max(after, 0.002)


@pytest.mark.slow
@pytest.mark.parametrize("use", uses(), ids=lambda use: f"{use.name} {use.method}")
def test_no_pattern_goes_over_a_text_again_from_every_one_of_its_characters(use: Use) -> None:
    assert [piece for piece in pieces(use) if goes_over_again(use, "", piece)] == []


def test_looking_for_prompts_among_long_loops_takes_no_step_for_each_of_their_characters() -> None:
    def work(times: int) -> int:
        loop = "budy " * times
        samples = [Sample(0, loop + str(number), "s.jsonl", number) for number in range(20)]
        samples += [Sample(number, loop + "x", "s.jsonl", number) for number in range(1, 20)]
        return lines(lambda: prompts.shared_prefixes(samples))

    assert work(1600) < 1.5 * work(400)


# --- Memory -----------------------------------------------------------------------------------------------

TIMES_THE_TEXT = 150
"""Bytes that a score may take for each byte of the text: most of all for signs beyond the first plane."""


def random_han(size: int) -> str:
    return "".join(chr(0x4E00 + RANDOM.randrange(16_000)) for _ in range(size))


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "a" + "\u0301" * 30_000,
        "abcdefg" * 5_000,
        "\n" * 100_000,
        "<s>" * 20_000,
        "<|" * 20_000,
        "\ud800" * 15_000,
        random_han(15_000),
        "".join(RANDOM.choices("abcdefghijklmnopqrstuvwxyz", k=30_000)),
        "".join(chr(0x1F300 + RANDOM.randrange(600)) for _ in range(20_000)),
    ],
    ids=lambda text: repr(text[:3]),
)
def test_a_score_takes_at_most_so_many_times_the_memory_of_its_text(text: str) -> None:
    size = len(text.encode("utf-8", "surrogatepass"))
    assert memory(lambda: score(text)) < TIMES_THE_TEXT * size


@pytest.mark.slow
def test_special_tokens_one_after_another_are_not_all_held() -> None:
    text = "<s>" * 100_000
    assert memory(lambda: clean(text)) < 5 * len(text)  # a pattern of all of them took 100 times the text


@pytest.mark.slow
def test_where_a_long_text_loops_is_looked_for_without_holding_all_its_tokens() -> None:
    few, many = (" ".join(map(str, range(count))) for count in (40_000, 160_000))
    assert memory(lambda: find_loop(many)) < 1.5 * memory(lambda: find_loop(few))


@pytest.mark.slow
def test_where_a_long_word_of_joints_loops_is_looked_for_without_holding_them() -> None:
    text = "a'" * 20_000
    assert memory(lambda: locate(text, 2_000)) < memory(lambda: locate(text)) / 4


@pytest.mark.slow
def test_rows_with_long_names_that_nobody_reads_are_not_held(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for step in range(100):
            file.write(json.dumps({"step": step, "text": "once", f"{step:07}" + "x" * 200_000: 0}) + "\n")
    held = memory(lambda: sum(1 for _ in jsonl.samples(Part(str(path)), Problems())))
    assert held < path.stat().st_size / 5


def test_samples_of_a_log_that_wait_for_a_step_are_held_up_to_16_mb() -> None:
    reader = log_samples.LogSamples("train.log", Problems())
    waiting = 0
    lines = [f"rank 0 sample {number}: " + "x" * 1_000_000 for number in range(60)]
    for number, line in enumerate(lines, start=1):
        waiting += 1 - len(list(reader.feed(log_lines.Line(number, line, None))))
        assert waiting <= 19
    assert [key for key, _ in groupby(found.step for found in reader.finish())] == [None]
