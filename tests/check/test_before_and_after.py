"""A failing check shows a text from before next to one of now, of the same prompt if such a text is kept."""

import io
import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from checkpoints import loop, sample, samples
from hypothesis import given
from hypothesis import strategies as st
from prose import prose
from rich.console import Console

from coherence.check import check, compare_dumps, take_snapshot
from coherence.check.samples import score_samples
from coherence.check.snapshot import Kept, Snapshot
from coherence.check.texts import LONGEST, OTHER, SAME, UNKNOWN, keep_texts
from coherence.check.verdict import Check, check_scores
from coherence.readers.records import Sample
from coherence.scoring.text import answer
from coherence.show.console import marked
from coherence.show.page.marks import excerpt
from coherence.show.terminal_pairs import show_pair

PROMPTS = ["What is a bridge?", "Who lives by the sea?", "When does it rain?", "Why is it late?"]


def kept(rows: list[Sample], count: int) -> tuple[Kept, ...]:
    return keep_texts(score_samples(rows), count).texts


def checked(before: list[Sample], now: list[Sample], count: int) -> Check:
    return check_scores(keep_texts(score_samples(before), count), score_samples(now))


def failing(count: int, asked: list[str] = PROMPTS, now: list[str] = PROMPTS) -> Check:
    last = [row._replace(step=1_000) for row in samples(5, bad=5, seed="end", prompts=now)]
    rows = samples(80, bad=20, seed="now", prompts=now) + last  # the gate halts on the last five
    found = checked(samples(80, prompts=asked), rows, count)
    assert found.verdict == "fail"
    return found


def shown(found: Check, colour: bool = False) -> str:
    to = io.StringIO()
    show_pair(found.pairs[0], Console(file=to, width=80, highlight=False, force_terminal=colour))
    return to.getvalue()


# What is kept


def test_a_snapshot_holds_no_text_unless_it_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "dump.jsonl"
    path.write_text("".join(json.dumps({"text": f"{n} {prose(20, n)}"}) + "\n" for n in range(30)))
    assert take_snapshot(path).texts == ()
    assert len(take_snapshot(path, keep_texts=5).texts) == 5


def test_prompts_take_turns_and_each_gives_the_sample_whose_score_is_the_median() -> None:
    rows = samples(40, prompts=PROMPTS)
    found = kept(rows, 6)
    assert [each.prompt for each in found] == [*PROMPTS, *PROMPTS[:2]]
    scores = score_samples(rows).scores
    means = sorted(each.mean for row, each in zip(rows, scores, strict=True) if row.prompt == PROMPTS[0])
    assert found[0].mean == round(means[4], 1)
    assert found[4].mean in (round(means[3], 1), round(means[5], 1))


def test_of_more_prompts_than_texts_those_kept_are_spread_evenly() -> None:
    many = [f"What is in room {n}?" for n in range(20)]
    assert [each.prompt for each in kept(samples(40, prompts=many), 4)] == many[::5]


def test_what_is_kept_is_the_same_each_time_and_at_most_all() -> None:
    rows = samples(12, prompts=PROMPTS)
    assert kept(rows, 99) == kept(rows, 12)
    assert len(kept(rows, 99)) == 12


def test_samples_that_are_too_short_or_empty_do_not_stand_for_a_prompt_that_has_others() -> None:
    rows = [sample("Yes", 0, prompt="a"), sample("", 1, prompt="a"), sample(prose(20), 2, prompt="a")]
    rows += [sample("No", 3, prompt="b"), sample("", 4, prompt="b"), sample("", 5, prompt="c")]
    assert [each.text for each in kept(rows, 9)] == [prose(20), "No"]


def test_a_long_text_is_cut_and_what_was_left_out_is_counted() -> None:
    text = prose(900)
    (found,) = kept([sample(text, prompt="p" * 900)], 1)
    assert (len(found.text), found.left_out) == (LONGEST, len(answer(text)) - LONGEST)
    assert found.prompt == "p" * 500


def test_of_a_text_that_repeats_its_prompt_the_answer_is_kept() -> None:
    (found,) = kept([sample(f"{PROMPTS[0]} {prose(20)}", prompt=PROMPTS[0])], 1)
    assert found.text == prose(20)


@pytest.mark.slow
@given(st.lists(st.text(max_size=80), min_size=1, max_size=8), st.integers(0, 9))
def test_texts_come_back_from_the_file(texts: list[str], count: int) -> None:
    taken = keep_texts(score_samples([sample(f"{text}\ud800", n) for n, text in enumerate(texts)]), count)
    assert Snapshot.from_json(taken.to_json()) == taken
    assert len(taken.texts) <= count


# Pairs


def test_each_of_the_worst_samples_stands_next_to_a_text_of_its_prompt() -> None:
    found = failing(count=8)
    assert len(found.pairs) == len(found.heaviest) == 3
    for pair, heavy in zip(found.pairs, found.heaviest, strict=True):
        assert pair.now == heavy
        assert (pair.same_prompt, pair.why) == (True, SAME)
        assert pair.before.prompt == heavy.prompt


def test_where_no_text_of_the_prompt_is_kept_one_that_scored_as_usual_is_shown_and_said_so() -> None:
    found = failing(count=1, now=PROMPTS[1:])
    assert {(pair.same_prompt, pair.why) for pair in found.pairs} == {(False, OTHER)}
    texts = kept(samples(80, prompts=PROMPTS), 8)
    usual = float(np.median([each.mean for each in score_samples(samples(80, prompts=PROMPTS)).scores]))
    first = failing(count=8, now=["Another one."]).pairs[0].before
    assert abs(first.mean - usual) == min(abs(each.mean - usual) for each in texts)


def test_no_text_from_before_is_shown_twice_unless_it_is_the_only_one_of_the_prompt() -> None:
    for asked, now in ((PROMPTS, ["Another one."]), (PROMPTS[:1], PROMPTS[:1])):
        found = failing(count=3, asked=asked, now=now)
        assert len({pair.before.text for pair in found.pairs}) == 3
    assert len(failing(count=1, now=["Another one."]).pairs) == 1
    assert len(failing(count=1, now=PROMPTS[:1]).pairs) == 3


def test_a_text_stands_next_to_no_copy_of_itself() -> None:
    refusal = "I am sorry, but I can not help with that today, so please ask for something else instead."
    before = [*samples(60), *[sample(refusal, n) for n in range(40)]]
    found = checked(before, [sample(refusal, n) for n in range(100)], 100)
    assert found.verdict == "fail"
    assert found.pairs
    assert all(pair.before.text != pair.now.text for pair in found.pairs)
    asked = [row._replace(prompt=PROMPTS[0]) for row in before[60:]]
    several = [*asked, *samples(60, prompts=PROMPTS[1:])]
    now = [row._replace(prompt=PROMPTS[n % 4]) for n, row in enumerate(100 * before[-1:])]
    assert PROMPTS[0] not in [pair.now.prompt for pair in checked(several, now, 100).pairs]


def test_without_prompts_it_says_that_none_are_known() -> None:
    found = failing(count=3, asked=[], now=[])
    assert {pair.why for pair in found.pairs} == {UNKNOWN}


def test_a_check_that_passes_and_one_without_kept_texts_show_no_pair() -> None:
    assert failing(count=0).pairs == ()
    assert checked(samples(80), samples(80, seed="now"), 5).pairs == ()


def test_pairs_are_part_of_the_json() -> None:
    found = failing(count=8)
    assert Check.from_json(found.to_json()) == found


# At a terminal


def test_the_pair_is_shown_with_its_prompt_and_the_loop_in_brackets() -> None:
    found = failing(count=8)
    told = shown(found)
    assert told.startswith("Before and now (the same prompt)\n")
    assert f"prompt: {found.pairs[0].now.prompt}" in told
    before, now = told.split("now: ")
    assert re.search(r"before: mean score \d+\n", re.sub(" +\n", "\n", before))
    assert "[" not in before
    assert now.count("[") == now.count("]") == 1
    assert "s.jsonl:" in now


def test_where_colours_are_seen_each_copy_of_the_loop_is_underlined() -> None:
    told = shown(failing(count=8), colour=True)
    assert told.count("\x1b[4;33m") >= 3
    assert "[He" not in told.replace("\x1b[", "")


def test_two_prompts_are_both_shown() -> None:
    found = failing(count=8, now=["Another one."])
    told = " ".join(shown(found).split())
    assert OTHER in told
    assert "prompt: Another one." in told
    assert f"prompt: {found.pairs[0].before.prompt}" in told


def test_a_text_commands_no_terminal() -> None:
    hostile = "\x1b[31m\x1b]0;title\x07 \r\u202e we left [x] "
    found = checked(
        [sample(f"\x1b[2J\u202e {prose(20, n)}", n, prompt="\x1b[31ma") for n in range(60)],
        [sample(hostile * 9 if n % 3 else prose(20, n), n, prompt="\x1b[31ma") for n in range(60)],
        5,
    )
    told = shown(found)
    assert not {char for char in told if not char.isprintable()} - {"\n"}


def test_a_loop_that_begins_late_is_shown_from_shortly_before_it() -> None:
    found = excerpt(f"{prose(300)} {loop()}", None, 280)
    assert found.before > 1_000
    start, end = found.loops[0]
    assert 0 < start < 60
    assert found.text[start:end] in loop()
    line = marked(found, styled=False).plain
    assert line.startswith("…")
    assert "[" in line


@given(st.text(alphabet="ab .\n𝒳", max_size=60), st.integers(1, 40), st.one_of(st.none(), st.just("a b")))
def test_an_excerpt_is_a_part_of_the_answer_and_loops_lie_inside_it(
    text: str, longest: int, prompt: str | None
) -> None:
    whole, found = answer(text, prompt), excerpt(text, prompt, longest)
    assert whole[found.before : found.before + longest] == found.text
    assert found.before + len(found.text) + found.after == len(whole)
    assert all(0 <= start < end <= len(found.text) for start, end in found.loops)
    assert all(one[1] <= two[0] for one, two in pairwise(found.loops))


# Two dumps


def write(path: Path, rows: list[Sample]) -> Path:
    told = ({"text": row.text, "prompt": row.prompt, "task": n % 2} for n, row in enumerate(rows))
    path.write_text("".join(json.dumps(each) + "\n" for each in told), encoding="utf-8")
    return path


def test_two_dumps_are_compared_as_a_snapshot_of_the_first_would_be(tmp_path: Path) -> None:
    before = write(tmp_path / "before.jsonl", samples(80, prompts=PROMPTS))
    now = write(tmp_path / "now.jsonl", samples(80, bad=20, seed="now", prompts=PROMPTS))
    found = compare_dumps(before, now)
    take_snapshot(before).save(tmp_path / "s.json")
    against = check(now, snapshot=tmp_path / "s.json")
    assert found.comparisons == against.comparisons
    assert (found.verdict, found.snapshot) == (against.verdict, str(before))
    assert {pair.why for pair in found.pairs} == {SAME}


def test_two_dumps_that_were_read_in_different_ways_are_refused(tmp_path: Path) -> None:
    before = write(tmp_path / "before.jsonl", samples(40, prompts=PROMPTS))
    now = write(tmp_path / "now.jsonl", samples(40))
    with pytest.raises(ValueError, match=r"now\.jsonl: other settings than .*before\.jsonl: prompts '"):
        compare_dumps(before, now)


def test_lines_of_both_dumps_that_could_not_be_used_are_listed(tmp_path: Path) -> None:
    paths = [write(tmp_path / name, samples(40, seed=name)) for name in ("a.jsonl", "b.jsonl")]
    for path in paths:
        path.write_text(path.read_text(encoding="utf-8") + "{\n", encoding="utf-8")
    found = compare_dumps(paths[0], paths[1])
    assert [Path(each.file).name for each in found.problems] == ["a.jsonl", "b.jsonl"]


def test_a_beginning_that_is_the_prompt_of_the_first_dump_is_one_of_the_second_too(tmp_path: Path) -> None:
    def begun(name: str, with_prompt: int) -> Path:
        rows = [f"{PROMPTS[0]} " * (n < with_prompt) + prose(24, (name, n)) for n in range(40)]
        return write(tmp_path / name, [sample(text, n) for n, text in enumerate(rows)])

    found = compare_dumps(begun("before.jsonl", 40), begun("now.jsonl", 30))
    assert (found.made.prompts, found.by) == ("found", "prompt")
