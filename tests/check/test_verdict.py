"""The check: what fails, what passes, what cannot be told, and the samples that it shows."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from places import RUNS

from coherence.check.compare import Limits
from coherence.check.compared import QUANTITIES
from coherence.check.samples import CheckpointScores, read_samples, score_samples
from coherence.check.sentences import shown
from coherence.check.snapshot import Snapshot
from coherence.check.verdict import Check, check_scores
from coherence.readers.records import Sample
from coherence.show.check_words import figures, too_few

VOCABULARY = (
    "old man walked along river until evening thought about letter his daughter sent from city winter "
    "garden stone bridge water light window morning paper horse summer road voice table silver village "
    "north mountain teacher children music market friend answer question story house green field cloud "
    "kitchen bread yellow boat island harbor doctor forest candle shadow mirror train"
)
LOOP = "The door was open. " * 9


def fine(seed: object) -> str:
    random = Random(str(seed))  # noqa: S311 - it draws words, not secrets
    return " ".join(random.sample(VOCABULARY.split(), 18)).capitalize() + "."


def sample(text: str, number: int = 0, **more: Any) -> Sample:
    return Sample(step=1, text=text, file="s.jsonl", line=number + 1, **more)


def samples(count: int, bad: int = 0, text: str = LOOP, seed: object = "", **more: Any) -> list[Sample]:
    """So many samples, every few of them bad."""
    worse = {round(n * count / bad) for n in range(bad)} if bad else set()
    return [sample(text if n in worse else fine((seed, n)), n, **more) for n in range(count)]


def checked(before: Sequence[Sample], now: Sequence[Sample], **limits: Any) -> Check:
    return check_scores(score_samples(before).snapshot, score_samples(now), Limits(**limits))


def verdicts(found: Check) -> dict[str, str]:
    return {each.name: each.verdict for each in found.comparisons}


# What fails


def test_samples_as_good_as_before_pass() -> None:
    found = checked(samples(400), samples(400, seed="now"))
    assert (found.verdict, found.halt) == ("pass", False)
    assert set(verdicts(found).values()) == {"pass"}


def test_a_fifth_of_a_hundred_samples_that_loop_fails_scores_and_the_share_of_low_samples() -> None:
    found = checked(samples(100), samples(100, bad=20, seed="now"))
    assert found.verdict == "fail"
    assert not found.halt
    assert {name for name, verdict in verdicts(found).items() if verdict == "fail"} >= {"bigram", "low"}


def loop(number: int) -> str:
    """A loop that begins as no other one does."""
    return f"{fine(number).split()[0]} {VOCABULARY.split()[number]} stood open. " * 9


def in_a_row(bad: int, count: int = 200) -> list[Sample]:
    rows = [*samples(count - bad, seed="now"), *[sample(loop(n), n) for n in range(bad)]]
    return [row._replace(step=n) for n, row in enumerate(rows)]


def mixed(bad: int, count: int = 200) -> list[Sample]:
    rows = samples(count, seed="before")
    rows = [sample(loop(n // 5), n) if n % 5 == 0 and n // 5 < bad else row for n, row in enumerate(rows)]
    return [row._replace(step=n) for n, row in enumerate(rows)]


def test_the_gate_alone_fails_the_check() -> None:
    found = checked(mixed(40), in_a_row(40))
    assert (found.verdict, found.gate_fails) == ("fail", True)
    assert not found.of("fail")


@pytest.mark.parametrize("step", [None, 7])
def test_the_order_of_samples_of_one_step_halts_nothing(step: int | None) -> None:
    mixed_up, sorted_by_class = (
        [row._replace(step=step) for row in rows] for rows in (mixed(40), in_a_row(40))
    )
    found = checked(mixed_up, sorted_by_class)
    assert (found.verdict == "fail", found.gate_fails) == (False, False)
    other_order = score_samples([*sorted_by_class[100:], *sorted_by_class[:100]])
    assert other_order.halt == score_samples(sorted_by_class).halt


def test_a_halt_that_as_many_low_samples_before_would_bring_about_in_some_order_fails_nothing() -> None:
    five = [sample(loop(n), n) if n in range(20, 25) else row for n, row in enumerate(samples(200))]
    five = [row._replace(step=n) for n, row in enumerate(five)]
    found = checked(mixed(40), five)
    assert (found.halt, found.halted_before, found.gate_fails) == (True, False, False)
    assert found.halt_by_chance
    assert checked([row._replace(step=n) for n, row in enumerate(samples(200))], five).gate_fails


def test_all_samples_low_where_few_were_fails_by_the_gate_too() -> None:
    found = checked(samples(200, bad=4), [sample(loop(n % 40), n) for n in range(200)])
    assert (found.verdict, found.gate_fails) == ("fail", True)
    assert found.halt_reason == "200 of 200 samples scored below 30 on every scale or are empty"


def test_the_same_samples_halt_nothing_whatever_their_steps() -> None:
    before = [row._replace(step=None) for row in in_a_row(40)]
    assert not checked(before, in_a_row(40)).gate_fails


def test_a_gate_that_halts_as_it_did_on_the_snapshot_fails_nothing() -> None:
    found = checked(in_a_row(40), in_a_row(40))
    assert (found.verdict, found.halt, found.halted_before) == ("pass", True, True)


@pytest.mark.slow
def test_a_gate_that_only_observes_fails_nothing() -> None:
    found = checked(mixed(40), in_a_row(40), observe=True, tolerance=30)
    assert (found.verdict, found.halt, found.observe) == ("pass", True, True)


def test_records_that_are_low_by_nature_are_as_good_as_themselves() -> None:
    def records(seed: str) -> list[Sample]:
        return [sample(f"{fine((seed, n))[:9]} ok. " * 20, n) for n in range(200)]

    found = checked(records("a"), records("b"))
    assert (found.verdict, found.gate_fails, found.halted_before) == ("pass", False, True)


def test_the_gate_sees_the_samples_in_the_order_of_their_steps() -> None:
    texts = [LOOP if step % 2 else fine(step) for step in range(10)]
    rows = [sample(text)._replace(step=n) for n, text in enumerate(texts)]
    assert score_samples(rows).halt_reason is None
    assert score_samples([*rows[1::2], *rows[::2]]).halt_reason is None
    ordered = [row._replace(step=n) for n, row in enumerate([*rows[1::2], *rows[::2]])]
    assert score_samples(ordered).halt_reason is not None


@pytest.mark.slow
def test_an_answer_of_one_word_where_there_were_sentences_fails() -> None:
    found = checked(samples(200), samples(200, text="Yes", bad=60, seed="now"))
    assert verdicts(found)["too short"] == "fail"
    assert verdicts(found)["low"] == "pass"


def test_what_one_side_has_nothing_of_is_told() -> None:
    found = checked(samples(40), samples(40, text="Yes", bad=40))
    assert set(verdicts(found)) == set(QUANTITIES) - {
        *("bigram", "trigram", "english", "character", "word order", "between", "within prompts"),
        *("cut off", "not English"),
    }
    assert {name for name, verdict in verdicts(found).items() if verdict == "fail"} == {
        *("too short", "length")
    }
    assert "not compared, because a side lacks values: bigram, trigram, english, character, between" in (
        found.notes
    )


def test_samples_in_another_language_fail() -> None:
    words = (
        "viejo camino bosque lleva hasta casa donde vive mujer nunca duerme noches porque escucha siempre "
        "aquellos lejanos tambores cuando llueve sobre tejados rojos"
    )
    now = [
        sample(" ".join(Random(n).sample(words.split(), 22)) + ".", n)  # noqa: S311 - it draws words, not secrets
        for n in range(200)
    ]
    assert "not English" in {each.name for each in checked(samples(200), now).of("fail")}


def test_samples_without_any_text_fail() -> None:
    found = checked(samples(200), samples(200, text="", bad=20, seed="now"))
    assert {name for name, verdict in verdicts(found).items() if verdict == "fail"} == {"empty"}


def test_words_in_no_order_fail() -> None:
    def said(number: int, mixed: bool) -> Sample:
        random = Random(number)  # noqa: S311 - it draws words, not secrets
        what, where, when = random.sample(VOCABULARY.split(), 3)
        words = (
            f"when it was {when} she went to the {where} and said that there was no need to be afraid of the "
            f"{what} because she had seen it in the {where} before"
        ).split()
        return sample(" ".join(random.sample(words, len(words)) if mixed else words) + ".", number)

    found = checked([said(n, False) for n in range(200)], [said(n + 999, True) for n in range(200)])
    assert verdicts(found)["word order"] == "fail"


@pytest.mark.slow
def test_answers_that_are_cut_short_fail_and_longer_ones_do_not() -> None:
    def said(number: int, sentences: int, end: str = ".") -> Sample:
        return sample(" ".join(fine((number, n)) for n in range(sentences))[:-1] + end, number)

    before = [said(n, 6) for n in range(200)]
    cut = checked(before, [said(n, 1, end="") for n in range(200, 400)])
    assert {name for name, verdict in verdicts(cut).items() if verdict == "fail"} >= {"length", "cut off"}
    longer = checked(before, [said(n, 14) for n in range(200, 400)])
    assert longer.verdict == "pass"
    assert any("times as long as before" in note for note in longer.notes)


@pytest.mark.slow
def test_the_same_beginning_under_different_prompts_fails_and_under_one_prompt_does_not() -> None:
    def asked(same: int, each: int) -> list[Sample]:
        refusal = "I am sorry to say that I cannot be of any help with what you ask of me here today."
        texts = [refusal if n % 10 < same else fine((same, n)) for n in range(200)]
        return [sample(text, n, prompt=f"p{n // each}") for n, text in enumerate(texts)]

    assert verdicts(checked(asked(0, 1), asked(3, 1)))["repeated"] == "fail"
    one = [sample(fine(n // 4), n, prompt=f"p{n // 4}") for n in range(200)]
    assert verdicts(checked(asked(0, 4), one))["repeated"] == "pass"


@pytest.mark.slow
def test_one_prompt_of_fifty_that_collapses_is_named_though_no_mean_falls_by_the_tolerance() -> None:
    def asked(seed: str, collapsed: bool) -> list[Sample]:
        return [
            sample(LOOP if collapsed and n % 50 == 7 else fine((seed, n)), n, prompt=f"Tell me of {n % 50}.")
            for n in range(300)
        ]

    found = checked(asked("a", False), asked("b", True))
    assert found.verdict == "fail"
    assert [(each.prompt, each.bad_now, each.now) for each in found.prompts] == [("Tell me of 7.", 6, 6)]
    assert not checked(asked("a", True), asked("b", True)).prompts
    assert not checked(asked("a", False), asked("b", False)).prompts


def test_samples_that_look_like_answers_to_one_prompt_count_for_less_where_none_is_given() -> None:
    topics = [f"{word}{word[::-1]} " * 3 for word in VOCABULARY.split()[:24]]

    def asked(names: Sequence[str], told: bool) -> list[Sample]:
        return [
            sample(
                f"{names[n % len(names)]} {fine((names, n))}",
                n,
                prompt=names[n % len(names)] if told else None,
            )
            for n in range(120)
        ]

    untold = checked(asked(topics[:12], False), asked(topics[12:], False))
    assert any("no prompts are given" in note for note in untold.notes)
    assert not any(
        "no prompts are given" in note for note in checked(samples(120), samples(120, seed=1)).notes
    )
    assert not checked(asked(topics[:12], True), asked(topics[:12], True)).notes[1:]


def test_samples_too_short_to_judge_are_no_part_of_the_scores() -> None:
    found = checked(samples(200), samples(200, text="no no no", bad=60, seed="now"))
    assert {name for name, verdict in verdicts(found).items() if verdict == "fail"} == {"too short"}
    assert {each.size_now for each in found.comparisons if each.name == "bigram"} == {140}


def test_fluent_samples_that_are_all_the_same_fail() -> None:
    found = checked(samples(100), [sample(fine(n % 3), n) for n in range(100)])
    failed = {name for name, verdict in verdicts(found).items() if verdict == "fail"}
    assert failed == {"between", "repeated"}


@pytest.mark.slow
def test_samples_better_than_before_pass() -> None:
    found = checked(samples(300, bad=60), samples(300, seed="now"))
    assert found.verdict == "pass"
    assert [each.name for each in found.worse_within] == ["length"]  # loops are longer


# One without the other


def test_a_rise_beyond_the_tolerance_that_may_be_chance_is_inconclusive() -> None:
    found = checked(samples(30), samples(30, bad=3, seed="now"))
    assert verdicts(found)["low"] == "inconclusive"
    assert found.verdict == "inconclusive"


@pytest.mark.slow
def test_a_fall_beyond_chance_but_within_the_tolerance_passes_and_is_said() -> None:
    found = checked(samples(400), samples(400, bad=40, seed="now"), tolerance=50)
    assert found.verdict == "pass"
    (low,) = [each for each in found.worse_within if each.name == "low"]
    assert "beyond chance" in low.sentence
    assert "within the tolerance of 20" in low.sentence


@pytest.mark.slow
@pytest.mark.parametrize(("before", "now"), [(0, 0), (0, 4), (4, 0), (0, 12), (30, 30), (10, 60)])
def test_a_verdict_follows_from_the_interval_that_is_shown(before: int, now: int) -> None:
    for each in checked(samples(200, bad=before), samples(200, bad=now, seed="now")).comparisons:
        assert each.interval is not None
        share = QUANTITIES[each.name].kind == "share"
        worst = each.interval[1] if share else -each.interval[0]
        least = each.interval[0] if share else -each.interval[1]
        worse = each.change if share else -each.change
        assert least <= worse <= worst
        expected = "pass" if worst <= each.tolerance else "inconclusive"
        assert each.verdict == ("fail" if least > 0 and worse > each.tolerance else expected)


def test_one_low_sample_in_two_hundred_decides_nothing() -> None:
    assert checked(samples(200), samples(200, bad=1, seed="now")).verdict == "pass"


def test_loops_in_every_tenth_of_two_hundred_samples_fail() -> None:
    assert checked(samples(200), samples(200, bad=20, seed="now")).verdict == "fail"


def test_tolerance_and_level_decide() -> None:
    before, now = samples(100), samples(100, bad=20, seed="now")
    assert checked(before, now, tolerance=60).verdict != "fail"
    assert checked(samples(30), samples(30, bad=6, seed="now"), level=0.002).verdict != "fail"
    assert checked(samples(30), samples(30, bad=6, seed="now"), level=0.2).verdict == "fail"


@pytest.mark.parametrize("limits", [{"tolerance": 0}, {"tolerance": 101}, {"level": 0.001}, {"level": 0.5}])
def test_limits_out_of_range_are_refused_by_value(limits: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(limits))):
        checked(samples(20), samples(20), **limits)


# Too few


@pytest.mark.parametrize(("before", "now"), [(19, 200), (200, 19), (1, 1)])
def test_below_twenty_samples_nothing_is_compared(before: int, now: int) -> None:
    found = checked(samples(before), samples(now, bad=now // 6, seed="now"))
    assert found.verdict == "too few"
    assert set(verdicts(found).values()) <= {"inconclusive"}


def test_the_gate_halts_however_few_samples_there_are() -> None:
    assert checked(samples(200), samples(5, bad=5)).verdict == "fail"


def test_too_few_samples_to_see_the_tolerance_say_how_many_would_do() -> None:
    found = checked(samples(40), samples(40, seed="now"))
    (low,) = [each for each in found.comparisons if each.name == "low"]
    assert (found.verdict, low.verdict) == ("inconclusive", "inconclusive")
    assert low.needed is not None
    assert f"{low.needed} a side would do" in low.sentence
    enough = checked(samples(low.needed), samples(low.needed, seed="now"))
    assert verdicts(enough)["low"] == "pass"


def test_where_each_side_is_of_a_prompt_of_its_own_no_number_of_samples_would_do() -> None:
    found = checked(
        [sample(fine(("a", n)), n, prompt="a") for n in range(60)],
        [sample(fine(("b", n)), n, prompt="b") for n in range(60)],
    )
    (english,) = [each for each in found.comparisons if each.name == "english"]
    assert (english.verdict, english.needed, english.interval) == ("inconclusive", None, None)
    assert "of too few prompts to tell" in english.sentence
    assert "draw both sides with the same prompts" in too_few(found)


def test_a_number_that_would_do_is_above_the_present_one_where_few_samples_have_a_value() -> None:
    def said(seed: str) -> list[Sample]:
        return [sample(fine((seed, n)) if n % 3 else "Yes indeed.", n) for n in range(60)]

    found = checked(said("a"), said("b"))
    (between,) = [each for each in found.comparisons if each.name == "between"]
    assert (2 < between.size_now < 20, between.verdict) == (True, "inconclusive")
    assert between.needed is not None
    assert between.needed > 60


def test_a_change_of_exactly_what_is_allowed_asks_for_no_other_prompts() -> None:
    def asked(seed: str, cut: int) -> list[Sample]:
        texts = [fine((seed, n))[: -1 if n % 5 < cut else None] for n in range(250)]
        return [sample(text, n, prompt=f"p{n // 5}") for n, text in enumerate(texts)]

    found = checked(asked("a", 0), asked("b", 1))
    assert [(each.name, each.needed) for each in found.of("inconclusive")] == [("cut off", None)]
    assert too_few(found).endswith("would not be settled by 2,000 samples, the most that are compared.")


def test_two_samples_of_a_pair_count_for_one() -> None:
    found = checked(samples(38), [*samples(30, seed="now"), *[sample(fine(n), n) for n in range(8)]])
    (between,) = [each for each in found.comparisons if each.name == "between"]
    assert (between.size_now, between.verdict) == (19, "inconclusive")


# Prompts, sources, pairs


def test_prompts_are_held_fixed_where_both_sides_have_them() -> None:
    def asked(hard: int, seed: str) -> list[Sample]:
        easy = [sample(fine((seed, n)), n, prompt="easy") for n in range(100 - hard)]
        return easy + [sample(f"{fine((seed, n))} {LOOP * (n % 2)}", n, prompt="hard") for n in range(hard)]

    found = checked(asked(20, "before"), asked(70, "now"))
    assert found.by == "prompt"
    assert not found.of("fail")
    ignored = [each._replace(prompt=None) for each in asked(70, "now")]
    before = [each._replace(prompt=None) for each in asked(20, "before")]
    assert checked(before, ignored).verdict == "fail"


def test_sources_are_held_fixed_where_there_are_no_prompts() -> None:
    both = [[*samples(50, seed=s, source="books"), *samples(50, seed=s, source="chat")] for s in "ab"]
    assert checked(*both).by == "source"


def test_prompts_of_one_side_alone_are_told_and_not_left_out() -> None:
    before = samples(60, prompt="a") + samples(20, prompt="b")
    new = [sample(LOOP, n, prompt=f"c{n}") for n in range(4)]
    found = checked(before, samples(60, seed="now", prompt="a") + new)
    assert found.by == "prompt"
    assert "20 samples before and 4 now have a prompt that the other side lacks" in found.notes
    assert {each.size_now for each in found.comparisons if each.name == "low"} == {64}


def test_loops_under_prompts_that_are_drawn_anew_each_time_are_seen() -> None:
    before = [sample(fine(n), n, prompt=f"p{n}") for n in range(100)]
    fine_now = [sample(fine(("now", n)), n, prompt=f"p{n}") for n in range(80)]
    loops = [sample(LOOP, n, prompt=f"q{n}") for n in range(20)]
    mixed = [each for n in range(20) for each in (*fine_now[4 * n : 4 * n + 4], loops[n])]
    assert checked(before, mixed).verdict == "fail"


def test_few_prompts_that_differ_altogether_are_told_and_prove_nothing() -> None:
    def asked(prompts: str, bad: int) -> list[Sample]:
        return [each for name in prompts for each in samples(40, bad=bad, seed=name, prompt=name)]

    found = checked(asked("abc", 0), asked("def", 8))
    assert found.by is None
    assert "the prompts of the two sides differ, so all samples are pooled" in found.notes
    of_score = [each for each in found.comparisons if QUANTITIES[each.name].kind == "score"]
    assert {each.verdict for each in of_score} == {"inconclusive"}


def test_pairs_are_of_one_prompt_where_many_have_two_and_of_different_ones_where_there_are_several() -> None:
    def sizes(drawn: Sequence[Sample]) -> tuple[int, int]:
        scored = score_samples(drawn)
        return len(scored.within.members), len(scored.between.members)

    assert sizes(samples(10, prompt="a")) == (5, 0)
    one_each = [sample(fine(n), n, prompt=f"p{n}") for n in range(10)]
    assert sizes(one_each) == (0, 5)
    assert sizes([*one_each, *one_each[:2]]) == (0, 6)  # by chance
    assert sizes([*one_each, *one_each]) == (10, 10)
    assert sizes(samples(10)) == (0, 5)


@pytest.mark.slow
def test_one_answer_for_each_prompt_and_one_for_all_are_told_apart() -> None:
    def asked(answer: Callable[[int, int], object]) -> list[Sample]:
        return [sample(fine(answer(p, n)), p, prompt=f"p{p}") for p in range(50) for n in range(4)]

    before = asked(lambda p, n: ("before", p, n))
    each, every = checked(before, asked(lambda p, _: p)), checked(before, asked(lambda *_: 1))
    failed = [
        {name for name, verdict in verdicts(found).items() if verdict == "fail"} for found in (each, every)
    ]
    assert failed == [{"within prompts"}, {"within prompts", "between", "repeated"}]


def test_diversity_does_not_depend_on_how_many_samples_a_prompt_has() -> None:
    def asked(prompts: int, each: int) -> list[Sample]:
        return [sample(fine((p, n)), n, prompt=f"p{p}") for p in range(prompts) for n in range(each)]

    few, many = (score_samples(asked(*shape)).within.pairs.diversity.mean() for shape in ((100, 2), (4, 50)))
    assert abs(few - many) < 3


def test_a_text_that_holds_its_prompt_is_scored_without_it() -> None:
    prompt = "sing of wombats and of kangaroos"
    alone = score_samples(samples(30, prompt=prompt)).sample_set
    both = score_samples(
        [sample(f"{prompt} {fine(('', n))}", n, prompt=prompt) for n in range(30)]
    ).sample_set
    np.testing.assert_allclose(alone.scores, both.scores)


# Settings, and what is shown


@pytest.mark.parametrize("name", ["version", "profile", "lexicon", "prompt_field", "group_by"])
def test_other_settings_are_refused_with_both_values(name: str) -> None:
    before = score_samples(samples(20)).snapshot
    changed: dict[str, Any] = {name: "other"}
    other = replace(before, made=replace(before.made, **changed))
    with pytest.raises(ValueError, match=f"{name.replace('_', ' ')} .*, not 'other'"):
        check_scores(other, score_samples(samples(20)))


def test_the_three_samples_that_weigh_most_are_shown_no_text_twice() -> None:
    bad = ["no " * 20, LOOP, "and so on " * 9, LOOP]
    now = [*samples(100, seed="now"), *[sample(text, 100 + n) for n, text in enumerate(bad * 5)]]
    found = checked(samples(100), now)
    assert {heavy.text for heavy in found.heaviest} == set(bad)
    assert all(heavy.low for heavy in found.heaviest)
    assert found.heaviest[0].origin.line > 100


def test_the_samples_that_are_alike_weigh_most_where_they_are_what_changed() -> None:
    same = [sample(fine("same"), n) for n in range(60)]
    found = checked(samples(100), [*samples(40, seed="now"), *same])
    assert found.heaviest[0].text == fine("same")


def test_a_check_against_itself_shows_no_change(tmp_path: Path) -> None:
    made = score_samples(samples(50, bad=7))
    made.snapshot.save(tmp_path / "s.json")
    found = check_scores(Snapshot.load(tmp_path / "s.json"), made)
    assert {each.now - each.before for each in found.comparisons} == {0.0}
    assert {each.p for each in found.comparisons} == {1.0}
    assert found.verdict == "pass"


def test_the_same_samples_in_another_order_give_the_same_p_values() -> None:
    now = samples(60, bad=9, seed="now", prompt="a")
    first, again = (
        {each.name: each.p for each in checked(samples(60, prompt="a"), order).comparisons}
        for order in (now, [*now[30:], *now[:30]])
    )
    of_pairs = {"between", "within prompts"}
    assert {name: p for name, p in first.items() if name not in of_pairs} == {
        name: p for name, p in again.items() if name not in of_pairs
    }


@pytest.mark.parametrize("value", [5.04, 4.96, 5.0, 5.0001, 5.3])
def test_what_is_shown_never_lies_on_the_other_side_of_the_tolerance(value: float) -> None:
    read = float(shown(value, 5.0))
    assert (read > 5, read < 5) == (value > 5, value < 5)


@pytest.mark.parametrize("prompts", [33, 47, 50])
def test_a_rise_of_exactly_what_is_allowed_is_none_beyond_it_whatever_the_number_of_prompts(
    prompts: int,
) -> None:
    def asked(each: int, cut: int) -> list[Sample]:
        return [
            sample(fine((each, p, n))[: -1 if n < cut else None], p, prompt=f"Tell me of {p}.")
            for p in range(prompts)
            for n in range(each)
        ]

    found = checked(asked(7, 0), asked(5, 1))
    (cut_off,) = [each for each in found.comparisons if each.name == "cut off"]
    assert (cut_off.change, cut_off.verdict) == (20, "inconclusive")
    assert figures(cut_off)[2] == "+20.0"


# The fixture runs


@pytest.fixture(scope="module")
def run() -> Callable[[str], CheckpointScores]:
    return lambda name: score_samples(read_samples([str(RUNS / name)]).samples)


@pytest.mark.slow
def test_the_healthy_run_is_as_good_as_itself_and_the_collapsed_ones_are_worse(
    run: Callable[[str], CheckpointScores],
) -> None:
    healthy = run("healthy")
    assert check_scores(healthy.snapshot, healthy).verdict in ("pass", "inconclusive")
    for name in ("leak", "leak-characters", "one-line"):
        found = check_scores(healthy.snapshot, run(name))
        assert (found.verdict, found.halt, found.by) == ("fail", True, "prompt")
