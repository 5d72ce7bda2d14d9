"""What a check says has happened to the samples: one sentence a cause, the first in the headline."""

from dataclasses import replace
from typing import Any

import pytest

from coherence.check.causes import causes, chance, gate_sentence, headline, within
from coherence.check.compare import SHARES, Comparison, Grade
from coherence.check.compared import QUANTITIES, tolerance_of
from coherence.check.history import Drift
from coherence.check.snapshot import Provenance
from coherence.check.verdict import Check, CollapsedPrompt

MADE = Provenance(version="1", profile="p", lexicon="l", prompt_field=None, group_by=None, prompts="told")


def check(*comparisons: Comparison) -> Check:
    """A check of which these comparisons are all there is."""
    failed = any(each.verdict == "fail" for each in comparisons)
    return Check(
        verdict="fail" if failed else "pass",
        snapshot="s.json",
        halt=False,
        halt_reason=None,
        halted_before=False,
        observe=False,
        tolerance=5,
        level=0.01,
        by=None,
        samples_before=200,
        samples_now=200,
        comparisons=comparisons,
        prompts=(),
        drifts=(),
        heaviest=(),
        notes=(),
        problem_count=0,
        problems=(),
        made=MADE,
    )


def moved(name: str, before: float, now: float, verdict: Grade = "fail", p: float = 0.001) -> Comparison:
    change = 100 * (now / before - 1) if name == "length" else now - before
    return Comparison(
        name=name,
        before=before,
        now=now,
        change=change,
        interval=(change / 2, 2 * change) if name in SHARES else (2 * change, change / 2),
        tolerance=tolerance_of(name, 5),
        p=p,
        size_before=200,
        size_now=200,
        needed=None,
        verdict=verdict,
        sentence="",
    )


LOOPS = (
    moved("bigram", 98.6, 84.0, p=0.0014),
    moved("trigram", 98.8, 84.0),
    moved("english", 97.3, 82.8),
    moved("character", 98.6, 83.6),
    moved("low", 0.0, 15.62),
    moved("said again", 0.0, 16.4),
)


def test_all_that_a_loop_moves_is_one_cause() -> None:
    found = check(*LOOPS)
    assert headline(found) == "FAIL · more samples loop"
    assert [each.sentence for each in causes(found)] == [
        "More samples loop: 15.6 % are low and 16.4 % say much again, 0 % before; "
        "all four scores fell by 14.5 to 15.0 points."
    ]


def test_loops_that_begin_alike_are_one_cause_and_other_samples_that_do_are_another() -> None:
    assert [each.name for each in causes(check(*LOOPS, moved("repeated", 0.0, 16.0)))] == ["loops"]
    found = check(*LOOPS, moved("repeated", 0.0, 40.0))
    assert [each.name for each in causes(found)] == ["loops", "repeated"]


@pytest.mark.parametrize(
    ("comparison", "sentence"),
    [
        (
            moved("word order", 90.2, 40.0),
            "The words are no longer in order: the word order is 40.0, 90.2 before.",
        ),
        (
            moved("word order", 90.2, 70.0),
            "The words are less in order: the word order is 70.0, 90.2 before.",
        ),
        (
            moved("english", 97.0, 30.0),
            "The words are no longer English: the english score is 30.0, 97.0 before.",
        ),
        (moved("english", 97.0, 80.0), "Fewer words are English: the english score is 80.0, 97.0 before."),
        (moved("bigram", 97.0, 91.0), "The samples vary less: the bigram score fell by 6.0 points."),
        (
            moved("between", 97.0, 40.0),
            "The samples are alike whatever the prompt: the diversity between samples is 40.0, 97.0 before.",
        ),
        (
            moved("within prompts", 90.0, 80.0),
            "The samples are more alike where the prompt is the same: "
            "the diversity within a prompt is 80.0, 90.0 before.",
        ),
        (moved("cut off", 5.0, 60.0), "More samples end in the middle: 60 % now, 5 % before."),
        (moved("length", 180.0, 27.0), "The samples are 85 % shorter: 180 tokens before, 27 now."),
        (moved("empty", 0.0, 40.25), "More samples are empty: 40.2 % now, 0 % before."),
        (moved("too short", 1.0, 40.0), "More samples are too short to judge: 40 % now, 1 % before."),
        (moved("templated", 1.0, 40.0), "More samples are templates: 40 % now, 1 % before."),
        (moved("repeated", 1.0, 40.0), "More samples begin like another one: 40 % now, 1 % before."),
        (moved("not English", 1.0, 40.0), "Fewer samples are in English: 40 % now, 1 % before."),
        (moved("low", 1.0, 4.0), "More samples are low on every scale: 4 % are low, 1 % before."),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else value.name,
)
def test_one_comparison_alone_says_what_has_happened_to_the_samples(
    comparison: Comparison, sentence: str
) -> None:
    found = check(comparison)
    (cause,) = causes(found)
    assert cause.sentence == sentence
    assert headline(found).lower() == f"fail · {sentence.partition(':')[0]}".lower()


@pytest.mark.parametrize("name", QUANTITIES)
def test_whatever_fails_alone_has_a_cause(name: str) -> None:
    ends = (1.0, 60.0) if name in SHARES else (90.0, 10.0)
    assert headline(check(moved(name, *ends))).startswith("FAIL · ")
    assert len(causes(check(moved(name, *ends)))) == 1


def test_the_first_cause_is_the_change_that_is_the_largest_multiple_of_what_is_allowed() -> None:
    order, alike = moved("word order", 79.6, 55.5), moved("between", 81.3, 0.0)
    found = check(order, alike, moved("repeated", 40.5, 100.0), moved("length", 48, 21))
    assert [each.name for each in causes(found)] == ["alike", "repeated", "word order", "length"]
    found = check(moved("english", 41.9, 35.9), moved("cut off", 0.0, 62.0))
    assert headline(found) == "FAIL · more samples end in the middle, and 1 more"


def test_what_a_loop_does_not_explain_is_a_cause_of_its_own() -> None:
    english = moved("english", 97.0, 60.0)
    found = check(moved("length", 180, 27), *LOOPS[:2], english, *LOOPS[3:], moved("word order", 90, 40))
    assert [each.name for each in causes(found)] == ["loops", "english", "word order", "length"]
    assert causes(found)[0].detail.endswith(
        "the bigram, trigram and character scores fell by 14.6 to 15.0 points"
    )
    assert headline(found) == "FAIL · more samples loop, and 3 more"
    little_more = moved("english", 97.3, 79.0)
    assert len(causes(check(*LOOPS[:2], little_more, *LOOPS[3:]))) == 1


def test_the_gate_has_a_headline_of_its_own() -> None:
    found = replace(check(*LOOPS), halt=True, halt_reason="5 samples in a row")
    assert headline(found) == "FAIL · the gate halts, and did not on the snapshot"
    assert [each.name for each in causes(found)] == ["gate", "loops"]
    assert gate_sentence(found) == ""


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("halted_before", "as on the snapshot"),
        ("observe", "which is only observed"),
        ("halt_by_chance", "which may be chance"),
    ],
)
def test_a_gate_that_decides_nothing_is_said(why: str, said: str) -> None:
    halts: dict[str, Any] = {"halt": True, "halt_reason": "why", why: True}
    found = replace(check(moved("bigram", 95, 95, "pass")), **halts)
    assert headline(found) == f"PASS · as well as before; the gate halts, {said}"
    assert gate_sentence(found).startswith(f"The gate halts, {said}: why.")
    assert ("--profile" in gate_sentence(found)) is (why == "halted_before")


def test_prompts_that_have_collapsed_are_one_cause_that_quotes_the_worst() -> None:
    one = CollapsedPrompt(prompt="Say it.", bad_before=0, before=8, bad_now=7, now=8, p=1e-6, sentence="")
    found = replace(check(), verdict="fail", prompts=(one,))
    (cause,) = causes(found)
    assert cause.sentence.startswith("One prompt has collapsed: of its samples 7 of 8 are low, ")
    assert (cause.quoted, chance(found)) == (
        "Say it.",
        "p ≤ 0.0001; the chance of any false alarm is at most 1 %.",
    )
    assert headline(replace(found, prompts=(one, one))) == "FAIL · 2 prompts have collapsed"


def test_what_fell_since_the_oldest_snapshot_is_a_cause_unless_it_fell_now_as_well() -> None:
    drifts = tuple(Drift(name=name, before=95.0, now=80.0, sentence="") for name in ("bigram", "length"))
    found = replace(check(), verdict="fail", drifts=drifts)
    assert [each.sentence for each in causes(found)] == [
        "The samples are worse than the oldest snapshot: the bigram score went from 95.0 to 80.0 and "
        "the length of the samples went from 95 to 80 tokens."
    ]
    (fall, drift) = causes(replace(check(moved("bigram", 95, 80)), drifts=drifts))
    assert fall.name == "diversity"
    assert "bigram" not in drift.detail


def test_the_largest_p_value_of_what_failed_and_the_level_are_said() -> None:
    assert chance(check(*LOOPS)) == "p ≤ 0.0014; the chance of any false alarm is at most 1 %."
    assert chance(check(moved("bigram", 95, 94, "pass", p=0.003))) == ""
    prompt = CollapsedPrompt(prompt=None, bad_before=0, before=8, bad_now=7, now=8, p=0.001, sentence="")
    # Of a prompt the value is not corrected for the comparisons beside it.
    assert chance(replace(check(*LOOPS), prompts=(prompt,))).startswith("p ≤ 0.0080; ")


def test_a_check_that_compares_no_score_does_not_say_that_all_is_as_well() -> None:
    assert headline(check(moved("length", 5, 5, "pass"))) == "PASS · but no score is compared"


def test_what_got_worse_within_the_tolerance_is_one_sentence() -> None:
    found = check(moved("bigram", 98.0, 95.0, "pass"), moved("length", 180, 150, "pass"))
    assert within(found) == (
        "Worse beyond chance, but within the tolerance: the bigram score (98.0 before, 95.0 now) and "
        "the length of the samples (180 tokens before, 150 now)."
    )
    assert headline(found) == "PASS · worse than before, but within the tolerance"
