"""The audit of a run: samples and losses in, the two-signal report out."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kinds import KINDS, RECORDS, written
from prose import prose
from pydantic import ValidationError

from coherence import Monitor, Profile
from coherence.audit.build import ReaderNotes, Text, audit_run, audit_samples, replay_run
from coherence.audit.conduct import audit
from coherence.audit.plan import Options
from coherence.audit.rows import Address, GatedSample
from coherence.audit.shard import ScoringSettings, Shard, score_samples
from coherence.audit.store import Output
from coherence.audit.timeline import Timeline
from coherence.readers.read import with_prompt
from coherence.readers.records import LossRow, Problem, Sample
from coherence.report import Report
from coherence.scoring.profile import SCALES, Curve

LOOP = "go home now and then " * 8
GIBBERISH = "xq vlor brunk zzt plim drosk fnarg wexil gronk bletch quorv snide zibber tolk mung"


def fine(step: int, index: int = 0, **more: Any) -> Sample:
    """A sample of English sentences."""
    return sample(step, prose(18, (step, index)), index, **more)


def low(step: int, index: int = 0, **more: Any) -> Sample:
    return sample(step, LOOP, index, **more)


def short(step: int, index: int = 0) -> Sample:
    return sample(step, "D", index)


def sample(step: int, text: str, _index: int = 0, **more: Any) -> Sample:
    return Sample(step=step, text=text, file="samples.jsonl", line=1, **more)


def losses(*pairs: tuple[int, float], source: str | None = None) -> list[LossRow]:
    return [LossRow(step, loss, "metrics.jsonl", line, source) for line, (step, loss) in enumerate(pairs, 1)]


def falling(steps: Iterable[int]) -> list[LossRow]:
    return losses(*((step, 2 + 6 * 0.998**step) for step in steps))


# The lesson


def lesson() -> Report:
    samples = [fine(100), fine(200), *(low(step) for step in range(300, 1001, 100))]
    return audit_samples(samples, losses((100, 8.0), (300, 3.5), (700, 2.8)))


def test_the_run_of_the_lesson_converges_while_it_has_collapsed_and_is_halted() -> None:
    report = lesson()
    assert (report.diagnosis.loss, report.diagnosis.samples) == ("converging", "collapsed")
    assert report.diagnosis.action == "halt"
    assert report.diagnosis.name == "the loss is misleading"
    assert report.halt


def test_the_run_of_the_lesson_says_where_and_what_it_cost() -> None:
    report = lesson()
    assert (report.first_low_step, report.halt_step, report.wasted_steps) == (300, 700, 300)
    assert report.halt_reason is not None
    assert "5 samples in a row" in report.halt_reason
    assert "from step 300 to step 700" in report.halt_reason
    assert (report.first_step, report.last_step) == (100, 1000)
    assert (report.judged, report.low, report.too_short) == (10, 8, 0)


def test_the_worst_samples_say_what_they_repeat_and_the_best_is_fine() -> None:
    report = lesson()
    (worst,) = report.worst  # the same loop at every step is shown once, at the halt
    assert worst.step == report.halt_step
    assert worst.loop is not None
    assert worst.loop.phrase == "go home now and then"
    assert [shown.step for shown in report.best] in ([100], [200])


def test_the_worst_samples_differ_in_what_they_repeat_and_the_first_is_the_one_of_the_halt() -> None:
    phrases = ("no", "come in", "in come", "go home now")
    report = audit_samples([sample(step, f"{phrases[step % 4]} " * (20 + step)) for step in range(1, 17)])
    assert report.worst[0].step == report.halt_step == 5
    said = [frozenset(shown.loop.phrase.split()) for shown in report.worst if shown.loop]
    assert sorted(map(len, said)) == [1, 2, 3]
    assert len(set(said)) == 3


def test_a_loss_with_a_reward_beside_it_is_not_judged_and_the_report_says_why(tmp_path: Path) -> None:
    rows = [{"step": step, "loss": 0.69 * 0.98**step, "rewards/chosen": 0.1} for step in range(1, 100)]
    (tmp_path / "trainer_state.json").write_text(json.dumps({"log_history": rows}))
    samples = [json.dumps({"step": step, "text": prose(60, step)}) for step in range(10, 100, 10)]
    (tmp_path / "samples.jsonl").write_text("\n".join(samples))
    report = audit(tmp_path)
    assert isinstance(report, Report)
    assert report.loss is not None
    assert (report.loss.trend, report.loss.perplexity) == ("not a cross-entropy", None)
    assert "a reward is logged with it" in " ".join(report.notes)
    assert report.diagnosis.action == "continue"


def test_losses_that_begin_after_the_first_samples_still_choose_the_checkpoint() -> None:
    report = audit_samples([fine(step) for step in (100, 200, 300)], losses((150, 3.0), (250, 2.0)))
    assert report.resume_from == 300


def test_steps_after_the_last_sample_are_wasted_too() -> None:
    report = audit_samples([low(step) for step in range(1, 6)], losses((1, 2.0), (9, 1.0)))
    assert (report.halt_step, report.last_step, report.wasted_steps) == (5, 5, 4)


def test_each_sample_stands_in_the_report_with_its_scores_streak_and_loss() -> None:
    report = lesson()
    assert [each.step for each in report.samples] == list(range(100, 1001, 100))
    assert [each.low for each in report.samples] == [False] * 2 + [True] * 8
    assert [each.streak for each in report.samples][:7] == [0, 0, 1, 2, 3, 4, 5]
    assert [each.loss for each in report.samples] == [8.0] * 2 + [3.5] * 4 + [2.8] * 4


# The halt


@pytest.mark.parametrize(("count", "halted"), [(4, False), (5, True), (6, True)])
def test_the_fifth_low_sample_in_a_row_halts(count: int, halted: bool) -> None:
    report = audit_samples([fine(0), *(low(step) for step in range(1, count + 1)), fine(9)])
    assert (report.halt, report.halt_step) == ((True, 5) if halted else (False, None))
    assert report.low == count


def test_a_run_that_is_not_halted_wastes_nothing() -> None:
    report = audit_samples([fine(step, time=float(step)) for step in range(5)])
    assert (report.halt, report.halt_step, report.halt_reason, report.first_low_step) == (False, *[None] * 3)
    assert (report.wasted_steps, report.wasted_seconds, report.fine_after_halt) == (0, None, 0)
    assert (report.diagnosis.action, report.diagnosis.samples) == ("continue", "reads well")


def test_fine_samples_after_the_halt_are_counted_and_the_diagnosis_stays_that_of_the_halt() -> None:
    report = audit_samples([*(low(step) for step in range(1, 7)), *(fine(step) for step in range(7, 13))])
    assert (report.halt_step, report.fine_after_halt) == (5, 6)
    assert report.diagnosis.samples == "collapsed"


def test_the_headline_of_a_run_that_recovered_names_the_warmup_that_would_have_spared_it() -> None:
    samples = [*map(low, range(1, 7)), fine(7), low(1200), *map(fine, range(1300, 1305))]
    report = audit_samples(samples)
    assert (report.halt_step, report.recovered_since) == (5, 1300)
    assert report.headline == (
        "halted at 5; since step 1,300 the samples are fine again: a young model, try --warmup 1300"
    )
    assert not audit_samples(samples, options=Options(warmup=1300)).halt
    assert not report.notes


def test_a_run_that_was_fine_before_it_was_halted_is_not_called_young() -> None:
    after = [*map(low, range(20, 26)), *map(fine, range(30, 36))]
    report = audit_samples([*map(fine, range(10, 15)), *after])
    assert report.headline == "halted at 24; since step 30 the samples are fine again"
    # What a model writes that has learned nothing varies as well: a few fine samples are not enough.
    assert "a young model" in audit_samples([*map(fine, range(10, 14)), *after]).headline


def test_a_run_that_is_not_fine_for_as_many_samples_as_halt_has_not_recovered() -> None:
    four, ten = [*map(fine, range(7, 11))], [*map(fine, range(7, 17))]
    for after in ([fine(7), low(8), fine(9)], four, [*ten, low(17)]):
        report = audit_samples([*map(low, range(1, 7)), *after])
        assert report.recovered_since is None
        assert "warmup" not in report.headline


def test_the_headline_says_how_many_samples_loop_and_how_many_are_empty() -> None:
    samples = [*map(fine, range(4)), *map(low, range(4, 7)), sample(7, ""), fine(8)]
    assert audit_samples(samples).headline == "some low samples · 3 of 9 samples loop, 1 is empty"
    assert audit_samples([*map(fine, range(4))]).headline == "the samples read well"


def test_the_streak_ends_with_the_halt() -> None:
    report = audit_samples([*map(fine, range(2)), *map(low, range(2, 9)), fine(9)])
    assert report.halt_step == 6
    assert [each.streak for each in report.samples] == [0, 0, 1, 2, 3, 4, 5, 0, 0, 0]


def test_the_diagnosis_of_a_halt_takes_the_loss_as_it_was_at_the_halt() -> None:
    rows = losses(*((step, 8 - step) for step in range(7)), *((step, 9.5) for step in range(7, 12)))
    report = audit_samples([low(step) for step in range(12)], rows)
    assert report.halt_step == 4
    assert report.diagnosis.loss == "converging"
    assert report.loss is not None
    assert report.loss.trend == "collapsed"


def test_several_low_samples_of_one_step_each_count() -> None:
    report = audit_samples([low(7, index) for index in range(5)])
    assert (report.halt_step, report.wasted_steps) == (7, 0)


# Time


def timed(times: Sequence[float | None], **options: Any) -> float | None:
    samples = [low(10 * step, time=time) for step, time in enumerate(times)]
    return audit_samples(samples, options=Options(**options)).wasted_seconds


def test_wasted_time_is_taken_from_the_samples_own_clock() -> None:
    assert timed([100.0 + step**2 for step in range(8)]) == 7**2 - 4**2


def test_without_a_clock_wasted_time_is_steps_times_their_cost() -> None:
    assert timed([None] * 8, seconds_per_step=1.5) == 45.0


def test_the_clock_goes_before_the_cost_of_a_step() -> None:
    assert timed([float(step) for step in range(8)], seconds_per_step=1000.0) == 3.0


@pytest.mark.parametrize("times", [[None] * 8, [1.0] * 7 + [None], [1.0] * 4 + [None] + [1.0] * 3])
def test_without_clock_and_cost_wasted_time_is_unknown(times: list[float | None]) -> None:
    assert timed(times) is None


# The checkpoint to go back to


def test_one_goes_back_to_the_lowest_smma_among_coherent_steps_before_the_collapse() -> None:
    rows = losses((100, 8.0), (200, 3.0), (300, 4.0), (400, 2.0), (900, 1.0))
    samples = [fine(100), fine(200), fine(300), *(low(step) for step in range(400, 900, 100)), fine(900)]
    assert audit_samples(samples, rows).resume_from == 200


def test_a_step_whose_samples_are_mixed_is_not_coherent() -> None:
    rows = losses((100, 8.0), (200, 3.0), (300, 4.0))
    assert audit_samples([fine(100), fine(200), low(200, 1), fine(300)], rows).resume_from == 300


def test_a_sample_that_is_too_short_does_not_decide_whether_a_step_is_coherent() -> None:
    assert audit_samples([fine(100), fine(200), short(200, 1), short(300)]).resume_from == 200


def test_without_a_loss_one_goes_back_to_the_last_coherent_step_before_the_collapse() -> None:
    samples = [fine(100), fine(200), fine(300), *(low(step) for step in range(400, 900, 100)), fine(900)]
    assert audit_samples(samples).resume_from == 300


def test_a_run_that_never_was_coherent_has_nothing_to_go_back_to() -> None:
    assert audit_samples([low(step) for step in range(6)], falling(range(6))).resume_from is None


def test_a_step_at_which_the_loss_is_not_finite_is_nothing_to_go_back_to() -> None:
    rows = losses((100, 8.0), (200, 3.0), (300, math.nan), (400, 5.0))
    assert audit_samples([fine(100), fine(200), fine(300), fine(400)], rows).resume_from == 200
    assert audit_samples([low(100), fine(300)], rows[:1] + rows[2:3]).resume_from is None


def test_a_step_whose_samples_are_alike_is_nothing_to_go_back_to() -> None:
    text = fine(200).text
    rows = losses((100, 8.0), (200, 3.0))
    assert (
        audit_samples([fine(100), fine(100, 1), sample(200, text), sample(200, text, 1)], rows).resume_from
        == 100
    )


# The order of samples and losses

RUN = [
    fine(100, time=1.0),
    fine(200),
    low(300),
    short(350),
    fine(400),
    *(low(step, loss=2.0) for step in range(500, 1000, 100)),
    sample(1000, ""),
    fine(1100, time=77.0),
]
ROWS = [*falling(range(0, 900, 50)), *losses((910, math.nan), (960, 9.0), source="books")]


@pytest.mark.slow
@settings(deadline=None)  # the machine may be busy
@given(st.permutations(RUN), st.permutations(ROWS))
def test_the_order_in_which_samples_and_losses_come_does_not_matter(
    samples: list[Sample], rows: list[LossRow]
) -> None:
    assert audit_samples(samples, rows).to_json() == audit_samples(RUN, ROWS).to_json()


# The state of the samples


def test_a_run_of_samples_that_are_too_short_is_not_called_coherent() -> None:
    report = audit_samples([sample(step, "DE"[step % 2]) for step in range(10)])
    assert (report.judged, report.too_short, report.halt) == (0, 10, False)
    assert (report.diagnosis.samples, report.diagnosis.action) == ("too short", "watch")
    assert (report.worst, report.best, report.resume_from) == ((), (), None)


def test_samples_of_a_step_that_are_all_the_same_are_noted_as_alike() -> None:
    texts = {step: fine(step).text for step in range(0, 500, 100)}
    report = audit_samples([sample(step, text, index) for step, text in texts.items() for index in range(3)])
    assert report.diagnosis.samples == "alike"
    assert [(each.step, each.samples, each.diversity) for each in report.between] == [
        (step, 3, 0.0) for step in texts
    ]
    assert [note for note in report.notes if note.startswith("alike: at 5 of 5 steps, the first 0,")]


@pytest.mark.parametrize(
    ("prompts", "compared"), [((None,) * 5, 4), (("one",) * 5, 4), (("one", "one", "two", None, "two"), 3)]
)
def test_of_several_prompts_the_first_sample_of_each_is_compared_and_those_are_counted(
    prompts: Sequence[str | None], compared: int
) -> None:
    texts = [*(fine(step).text for step in range(4)), "Too short."]
    pairs = list(zip(texts, prompts, strict=True))
    drawn = [sample(step, text)._replace(prompt=prompt) for step in range(3) for text, prompt in pairs]
    assert [each.samples for each in audit_samples(drawn).between] == [compared] * 3


def test_samples_of_a_step_that_differ_are_not() -> None:
    report = audit_samples([fine(step, index) for step in range(0, 500, 100) for index in range(3)])
    assert report.diagnosis.samples == "reads well"
    assert min(each.diversity for each in report.between) > 70
    assert report.notes == ()


def test_samples_that_repeat_the_one_before_word_for_word_look_greedy() -> None:
    text = fine(0).text
    assert [
        note for note in audit_samples([sample(step, text) for step in range(6)]).notes if "greedy" in note
    ]
    assert not audit_samples([fine(step) for step in range(6)]).notes
    assert not audit_samples([sample(step, text) for step in range(3)]).notes


def test_answers_of_one_word_do_not_look_greedy() -> None:
    assert not [
        note for note in audit_samples([sample(step, "yes.") for step in range(9)]).notes if "greedy" in note
    ]


def test_a_loop_that_stays_the_same_does_not_look_greedy() -> None:
    assert not audit_samples(
        [*map(fine, range(3)), *(sample(step, "Budy " * 30) for step in range(3, 20))]
    ).notes


def test_a_run_that_loses_its_words_is_said_to_while_the_loss_still_falls() -> None:
    samples = [*map(fine, range(8)), *(sample(step, gibberish(step)) for step in range(8, 16))]
    report = audit_samples(samples, falling(range(16)))
    assert not report.halt
    assert (report.diagnosis.samples, report.diagnosis.action) == ("words gone", "pivot")


def gibberish(step: int) -> str:
    words = GIBBERISH.split()
    Random(step).shuffle(words)  # noqa: S311 - words, not secrets
    return " ".join(words)


# Options


def test_a_window_halts_a_collapse_that_comes_and_goes() -> None:
    samples = [low(step) if step % 3 else fine(step) for step in range(1, 13)]
    assert not audit_samples(samples).halt
    report = audit_samples(samples, options=Options(window=8))
    assert report.halt_step == 7
    assert report.settings.window == 8


def test_a_warmup_passes_over_the_young_model() -> None:
    samples = [*(low(step) for step in range(1, 7)), *(fine(step) for step in range(7, 10))]
    assert audit_samples(samples).halt_step == 5
    assert not audit_samples(samples, options=Options(warmup=7)).halt


def test_a_patience_and_a_threshold_of_ones_own() -> None:
    samples = [low(step) for step in range(1, 5)]
    assert audit_samples(samples, options=Options(patience=3)).halt_step == 3
    assert not audit_samples(samples, options=Options(patience=3, threshold=0.1)).halt


def test_observing_reports_the_same_and_says_so() -> None:
    samples = [low(step) for step in range(8)]
    reader_notes, observed = audit_samples(samples), audit_samples(samples, options=Options(observe=True))
    assert observed.settings.observe
    assert replace(observed, settings=reader_notes.settings) == reader_notes


def test_a_profile_of_ones_own_is_what_scores_are_measured_against() -> None:
    default = Profile.load()
    profile = Profile("toy", "test", 1, "2026-01-01", default.english_share, default.curves)
    assert audit_samples([fine(1)], options=Options(profile=profile)).settings.profile.startswith("toy ")
    assert audit_samples([fine(1)]).settings.profile.startswith(default.name)


# Text of another kind


def records(profile: str | None = None, per_step: int = 1) -> Report:
    """A run that writes records."""
    samples = [
        sample(step, written(RECORDS, 2000, (step, index)), index)
        for step in range(0, 800, 100)
        for index in range(per_step)
    ]
    return audit_samples(samples, options=Options(profile=Profile.load(profile)) if profile else None)


def proposals(report: Report) -> list[str]:
    return [note for note in report.notes if "--profile" in note]


def test_a_run_of_templates_names_the_profiles_under_which_they_are_fine() -> None:
    report = records()
    assert (report.templated, report.judged) == (8, 0)
    (note,) = proposals(report)
    assert note.startswith("few samples are fine under the profile english; ")
    assert "of 8 samples, " in note
    assert "8 are fine with --profile data" in note
    assert "--profile english" not in note
    assert "--profile code, data or logs" in report.diagnosis.sentence


def test_with_the_profile_of_its_kind_a_run_is_judged_and_no_other_is_named() -> None:
    report = records("data")
    assert (report.judged, report.low, report.templated) == (8, 0, 0)
    assert not proposals(report)


def test_a_profile_that_does_not_fit_sentences_names_broad_english() -> None:
    sentences = [fine(step) for step in range(8)]
    curves = dict.fromkeys(SCALES, Curve([(1, 1), (2, 1000)]))
    strict = Profile.load()._replace(name="strict", curves=curves)
    (note,) = proposals(audit_samples(sentences, options=Options(profile=strict)))
    assert "under the profile strict" in note
    assert "with --profile english" in note


@pytest.mark.parametrize("samples", [[low(step) for step in range(8)], [fine(step) for step in range(8)]])
def test_neither_loops_nor_sentences_ask_for_another_profile(samples: list[Sample]) -> None:
    assert not proposals(audit_samples(samples))


def test_a_run_too_short_to_judge_asks_for_no_profile() -> None:
    assert not proposals(audit_samples([short(step) for step in range(8)]))


def test_records_of_a_step_are_alike_until_the_profile_says_how_alike_records_are() -> None:
    alike, judged = records(per_step=4), records("data", per_step=4)
    assert alike.between == judged.between
    assert [note for note in alike.notes if note.startswith("alike: ")]
    assert not [note for note in judged.notes if note.startswith("alike: ")]
    assert judged.diagnosis.samples == "reads well"


@pytest.mark.parametrize(("name", "part"), [(name, part) for name, parts in KINDS.items() for part in parts])
def test_words_of_code_data_and_logs_need_not_stand_in_the_order_of_english(name: str, part: str) -> None:
    samples = [sample(step, written(KINDS[name][part], 1200, step)) for step in range(20)]
    report = audit_samples(samples, options=Options(profile=Profile.load(name)))
    assert (report.low, report.diagnosis.action) == (0, "continue")
    assert report.diagnosis.samples in ("reads well", "not loops")


def test_equal_records_are_alike_under_the_profile_too() -> None:
    texts = {step: written(RECORDS, 2000, step) for step in range(0, 800, 100)}
    samples = [sample(step, text, index) for step, text in texts.items() for index in range(4)]
    report = audit_samples(samples, options=Options(profile=Profile.load("data")))
    assert report.diagnosis.samples == "alike"


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (Options(threshold=0), "threshold"),
        (Options(threshold=math.nan), "threshold"),
        (Options(patience=0), "patience"),
        (Options(window=2), "window"),
        (Options(warmup=-1), "warmup"),
        (Options(vocab_size=0), "vocab_size"),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(options: Options, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        audit_samples([fine(1)], options=options)


def test_no_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="no samples"):
        audit_samples([])


# The loss


def test_the_loss_stands_in_the_report_in_every_unit() -> None:
    loss = audit_samples([fine(0)], losses((0, 9.0), (10, 4.0), (20, 3.0)), Options(vocab_size=8449)).loss
    assert loss is not None
    assert (loss.rows, loss.not_finite, loss.first, loss.last, loss.smoothed) == (3, 0, 9.0, 3.0, 3.0)
    assert loss.smma == pytest.approx((0.99 * 9.0 + 0.01 * 4.0) * 0.99 + 0.01 * 3.0), "as the lesson has it"
    assert (loss.minimum, loss.minimum_step, loss.trend) == (3.0, 20, "converging")
    assert loss.perplexity == pytest.approx(math.exp(3))
    assert loss.uniform_baseline == pytest.approx(math.log(8449))
    assert loss.advantage == pytest.approx(8449 / math.exp(3))
    assert [(phase.label, phase.start, phase.end) for phase in loss.phases] == [
        ("converging", 0, 10),
        ("minimum", 20, 20),
    ]


def test_a_log_of_few_rows_says_that_its_smma_has_not_arrived_and_is_judged_all_the_same() -> None:
    report = audit_samples([fine(0)], falling(range(50)))
    assert report.loss is not None
    assert report.loss.window == 100
    (note,) = report.notes
    assert note.startswith("50 rows of loss: too few for an SMMA over 100;")
    smma, smoothed, last = report.loss.smma or 0.0, report.loss.smoothed or 0.0, report.loss.last or 0.0
    assert abs(smoothed - last) < 0.2 < smma - last
    long = audit_samples([fine(0)], falling(range(1000)))
    assert long.loss is not None
    assert (long.loss.window, long.notes) == (100, ())


def test_the_sources_of_the_mixture_are_kept_apart() -> None:
    rows = losses((0, 8.0), (2, 4.0), source="books") + losses((1, 6.0), source="chat")
    loss = audit_samples([fine(0)], rows).loss
    assert loss is not None
    assert {name: (source.loss, source.smoothed) for name, source in loss.sources.items()} == {
        "books": (4.0, 4.0),
        "chat": (6.0, 6.0),
    }


def test_losses_after_the_last_sample_count_in_the_trend() -> None:
    loss = audit_samples([fine(0)], losses((0, 8.0), (10, 4.0), (20, math.nan))).loss
    assert loss is not None
    assert (loss.trend, loss.not_finite, loss.last) == ("not finite", 1, 4.0)


def test_a_loss_that_never_is_finite_is_null_wherever_it_would_stand() -> None:
    report = audit_samples([fine(0), fine(1)], losses((0, math.nan), (1, math.inf)))
    assert report.loss is not None
    assert (report.loss.rows, report.loss.not_finite, report.loss.trend) == (2, 2, "not finite")
    assert (report.loss.first, report.loss.last, report.loss.smma, report.loss.minimum) == (None,) * 4
    assert report.diagnosis.action == "halt"
    assert not report.halt


def test_a_policy_loss_that_rises_by_design_is_not_judged_and_one_goes_back_to_no_minimum_of_it() -> None:
    rows = losses(*((step, max(0, step - 100) / 20_000) for step in range(0, 1000, 10)))
    report = audit_samples([fine(step) for step in range(0, 1000, 100)], rows)
    assert (report.diagnosis.loss, report.diagnosis.action) == ("not a cross-entropy", "continue")
    assert (report.resume_from, report.resume_reason.split(" among")[0]) == (900, "last step")
    loss = report.loss
    assert loss is not None
    assert (loss.perplexity, loss.minimum, loss.minimum_step, loss.phases) == (None, None, None, ())
    assert "the loss is not a cross-entropy of a token in nats: it starts at exactly 0" in report.notes


@pytest.mark.parametrize("order", [1, -1])
def test_a_reward_tells_of_the_losses_from_its_row_on_in_whatever_order_they_are_handed_in(
    order: int,
) -> None:
    samples = [*(fine(step) for step in range(0, 1000, 100)), *(low(step) for step in range(1000, 1500, 100))]
    rows = losses(*((step, 3 - step / 1000) for step in range(0, 2000, 10)))
    late = [row._replace(beside="reward") if row.step >= 1500 else row for row in rows][::order]
    report = audit_samples(samples, late)
    assert (report.halt_step, report.diagnosis.loss, report.diagnosis.name) == (
        *(1400, "converging", "the loss is misleading"),
    )
    assert report.loss is not None
    assert (report.loss.trend, report.loss.minimum) == ("not a cross-entropy", None)
    early = audit_samples(samples, [rows[0]._replace(beside="kl"), *rows[1:]][::order])
    assert early.diagnosis.loss == "not a cross-entropy"


def test_a_reward_beside_the_loss_of_a_sample_tells_that_it_is_not_a_cross_entropy() -> None:
    rising = [fine(step)._replace(loss=0.5 + step / 200) for step in range(0, 1000, 20)]
    assert audit_samples(rising).diagnosis.action == "pivot"
    report = audit_samples([each._replace(beside="reward") for each in rising])
    assert (report.diagnosis.loss, report.diagnosis.action) == ("not a cross-entropy", "continue")


def test_a_loss_summed_over_batches_is_judged_without_the_baseline_and_the_report_says_so() -> None:
    rows = losses(*((step, 8 * (3 + 7 * math.exp(-step / 600))) for step in range(0, 1500, 10)))
    samples = [*(fine(step) for step in range(0, 1000, 100)), *(low(step) for step in range(1000, 1500, 100))]
    report = audit_samples(samples, rows, Options(vocab_size=50_257))
    assert (report.halt_step, report.diagnosis.name) == (1400, "the loss is misleading")
    assert report.loss is not None
    assert (report.loss.perplexity, report.loss.advantage) == (None, None)
    assert any("times the uniform baseline" in note for note in report.notes)


@pytest.mark.parametrize(("poor", "action", "resume"), [(False, "watch", 900), (True, "pivot", 300)])
def test_a_loss_that_is_too_good_names_no_step_unless_the_samples_read_well(
    poor: bool, action: str, resume: int
) -> None:
    rows = losses(*((step, 4 * math.exp(-step / 150)) for step in range(0, 1000, 10)))
    samples = [fine(step) for step in range(0, 1000, 100)] + [low(950)] * poor
    report = audit_samples(samples, rows)
    assert (report.diagnosis.loss, report.diagnosis.action) == ("too good to be true", action)
    assert report.resume_from == resume


def test_a_harder_source_is_not_a_collapse_of_the_loss() -> None:
    rows = [
        *losses(*((step, 1.2 + 1.9 * math.exp(-step / 250)) for step in range(0, 1000, 10)), source="code"),
        *losses(
            *((step, 2.6 + math.exp((1000 - step) / 300)) for step in range(1000, 2000, 10)), source="chat"
        ),
    ]
    report = audit_samples([fine(step) for step in range(0, 2000, 100)], rows)
    assert (report.diagnosis.action, report.diagnosis.name) == ("continue", "healthy")


# The report as JSON

WHOLE = audit_samples(
    [*RUN, sample(1200, "wörd 東京 \x1b[31m \x00 \u202e", prompt="p")],
    [*ROWS, *losses((1250, math.inf), source="chat")],
    Options(vocab_size=50, window=7, seconds_per_step=0.5),
    ReaderNotes(
        ["a note"],
        2,
        [Problem(file="a", line=1, message="not JSON"), Problem(file="b", line=2, message="no text")],
    ),
)
REPORTS = [
    WHOLE,
    lesson(),
    audit_samples([fine(1)]),
    audit_samples([short(1)]),
    audit_samples([fine(0)], losses((0, math.nan))),
]


@pytest.mark.parametrize("report", REPORTS)
def test_a_report_survives_the_way_through_json(report: Report) -> None:
    assert Report.from_json(report.to_json()) == report


@pytest.mark.parametrize("report", REPORTS)
def test_a_report_is_strict_json_of_format_1(report: Report) -> None:
    def refuse(token: str) -> None:
        raise AssertionError(token)

    assert json.loads(report.to_json(), parse_constant=refuse)["format"] == 1


def test_what_readers_found_out_is_handed_on() -> None:
    assert WHOLE.notes[0] == "a note"
    assert (WHOLE.problem_count, [problem.line for problem in WHOLE.problems]) == (2, [1, 2])


@pytest.mark.parametrize("inside", [[], ["diagnosis"], ["settings"], ["loss"], ["samples", 0], ["worst", 0]])
def test_an_unknown_field_is_refused(inside: list[Any]) -> None:
    written = json.loads(WHOLE.to_json())
    place = written
    for key in inside:
        place = place[key]
    place["surprise"] = 1
    with pytest.raises(ValidationError, match="surprise"):
        Report.from_json(json.dumps(written))


def test_another_format_is_refused() -> None:
    written = json.loads(WHOLE.to_json()) | {"format": 2}
    with pytest.raises(ValidationError, match="format"):
        Report.from_json(json.dumps(written))


def test_a_report_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        WHOLE.halt = False  # type: ignore[misc]


def test_what_a_restart_has_made_void_is_not_put_to_the_gate(tmp_path: Path) -> None:
    steps = [(10, fine(10).text), (20, fine(20).text), *((step, LOOP) for step in range(30, 100, 10))]
    again = [(step, fine(step).text) for step in range(30, 100, 10)]
    rows = [{"step": step, "prompt": "a", "text": text} for step, text in [*steps, *again]]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    report = audit(tmp_path / "a.jsonl", window=8, patience=4)
    assert isinstance(report, Report)
    assert (report.restarts, report.superseded, report.low, report.halt) == ((30,), 7, 0, False)


@pytest.mark.parametrize(
    ("back", "note"),
    [
        (50, "restarted from step 50: 1 row of loss was replaced by a later one"),
        (30, "restarted from step 30: 2 rows of loss were replaced by later ones"),
    ],
)
def test_what_a_restart_replaced_is_counted_and_nothing_is_said_of_no_samples(
    tmp_path: Path, back: int, note: str
) -> None:
    with Monitor(tmp_path) as monitor:
        for step in (10, 20):
            monitor.sample(step, fine(step).text)
        for step in (10, 20, 30, 60):
            monitor.loss(step, 3.0)
        monitor.note("restart", back)
        monitor.loss(back, 3.0)
    report = audit(tmp_path)
    assert isinstance(report, Report)
    assert [each for each in report.notes if "restarted" in each] == [note]


# Samples that come together


ENTRIES = f"Entry {{}}: {prose(3, 'entry')} for {{}} crowns\n"


def drawn(random: Random, step: int) -> Sample:
    """One of many kinds of sample; most are fine."""
    text = random.choice(
        [
            *[prose(random.randint(12, 60), random.random())] * 12,
            LOOP,
            "D",
            "",
            "".join(ENTRIES.format(number, random.random()) for number in range(20)),
        ]
    )
    prompt = random.choice([None, "why", "how"])
    return sample(step, text, prompt=prompt, loss=random.choice([None, 9 / (1 + step / 90), math.nan]))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(25))
def test_samples_that_come_together_are_gone_through_as_one_by_one(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - it draws samples, not secrets
    steps = sorted(random.sample(range(1, 2000), random.randint(3, 50)))
    samples = [drawn(random, step) for step in steps for _ in range(random.choice([1, 4, 12]))]
    options = Options(
        warmup=random.choice([0, 300]),
        patience=random.choice([2, 5]),
        window=random.choice([None, None, 8]),
        threshold=random.choice([30, 60]),
    )
    scored = score_samples((with_prompt(each)._replace(run="") for each in samples), ScoringSettings())
    timeline = Timeline([Output.of(Shard(0, ()), scored._replace(segments=[]))], "")
    seen: list[GatedSample] = []
    reports = [
        audit_run(timeline, None, options, lambda wanted: texts_at(samples, wanted), ReaderNotes(), see)
        for see in ((), (seen.append,))
    ]
    assert len(seen) == len(samples), "whoever looks at each sample is shown each"
    assert reports[0].to_json() == reports[1].to_json()
    replays = [replay_run(timeline, None, options, see)[0] for see in ((), (seen.append,))]
    assert replays[0].signals.state_dict() == replays[1].signals.state_dict()


def texts_at(samples: Sequence[Sample], wanted: Sequence[Address]) -> dict[Address, Text]:
    found = [(each, samples[each.row]) for each in wanted]
    return {each: Text(sample.text, sample.prompt, sample.origin) for each, sample in found}
