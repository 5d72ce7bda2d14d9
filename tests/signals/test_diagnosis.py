"""The two-signal table: every cell, and the run of the lesson."""

import re
from typing import get_args

import pytest

from coherence.signals.diagnosis import (
    ACTIONS,
    LOSS_DOES,
    LOSS_WORDS,
    SAMPLES,
    SAMPLES_DO,
    SAMPLES_WORDS,
    SHARE_DOES,
    WORDS,
    Action,
    SamplesState,
    Share,
    diagnose,
)
from coherence.signals.loss import LossTracker, Trend

# Written a second time, the other way round, so that a slip in the table shows: of each loss the samples that
# ask for a halt, a pivot, watching; the others let it go on.
LOOPS = "collapsed, empty"
ONE = "one word"
STRANGE = "words gone, word salad, alike, weaker"
UNREAD = "templated, too short"
FINE = "not loops, reads well"
ASKED: dict[Trend | None, tuple[str, str, str]] = {
    "early": (LOOPS, "", f"{ONE}, words gone, alike, weaker"),
    "too few losses": (LOOPS, "", f"{ONE}, {STRANGE}, some low, {UNREAD}"),
    "converging": (LOOPS, "words gone, alike, weaker", f"{ONE}, word salad, some low, {UNREAD}"),
    "plateau": (LOOPS, f"{ONE}, {STRANGE}, {FINE}", f"some low, {UNREAD}"),
    "diverging": (f"{LOOPS}, words gone", f"{ONE}, word salad, alike, weaker, {UNREAD}, {FINE}", "some low"),
    "collapsed": (f"{LOOPS}, words gone", f"{ONE}, word salad, alike, weaker, {UNREAD}, {FINE}", "some low"),
    "too good to be true": (LOOPS, f"{STRANGE}, some low, not loops", f"{ONE}, {UNREAD}, reads well"),
    "exactly zero": (LOOPS, "", f"{ONE}, {STRANGE}, some low, {UNREAD}, {FINE}"),
    "not a cross-entropy": (LOOPS, "", f"{ONE}, {STRANGE}, some low, {UNREAD}"),
    "not finite": (f"{LOOPS}, {ONE}, {STRANGE}, some low, {UNREAD}, {FINE}", "", ""),
    None: (LOOPS, "", f"{ONE}, {STRANGE}, some low, {UNREAD}"),
}
PAIRS = [(loss, samples) for loss in ACTIONS for samples in SAMPLES]


@pytest.mark.parametrize(("loss", "samples"), PAIRS)
def test_each_pair_of_signals_asks_for_its_action(loss: Trend | None, samples: SamplesState) -> None:
    actions: tuple[Action, ...] = ("halt", "pivot", "watch")
    asked = {
        state: action for action, of in zip(actions, ASKED[loss], strict=True) for state in of.split(", ")
    }
    diagnosis = diagnose(loss, samples)
    expected = asked.get(samples, "continue")
    assert (diagnosis.loss, diagnosis.samples, diagnosis.action) == (loss, samples, expected)


def test_the_table_holds_every_word_and_no_other() -> None:
    assert set(ACTIONS) == set(LOSS_DOES) == {*get_args(Trend), None}
    assert set(SAMPLES) == set(SAMPLES_DO) == set(SAMPLES_WORDS) == set(get_args(SamplesState))
    assert all(len(row) == len(SAMPLES) for row in ACTIONS.values())
    assert set(WORDS) <= set(PAIRS)
    assert set(SHARE_DOES) <= set(SAMPLES)
    assert set(LOSS_WORDS) <= set(ACTIONS)


@pytest.mark.parametrize(
    ("samples", "share", "said"),
    [
        ("some low", Share(3, 8), "3 of the last 8 samples loop"),
        ("some low", Share(1, 8), "1 of the last 8 samples loops"),
        ("some low", Share(1, 1), "the last sample loops"),
        ("some low", Share(3, 8, empty=1), "3 of the last 8 samples loop or are empty"),
        ("some low", Share(2, 8, empty=2), "2 of the last 8 samples are empty"),
        ("some low", Share(1, 8, empty=1), "1 of the last 8 samples is empty"),
        ("collapsed", Share(5, 5), "the last 5 samples loop"),
        ("empty", Share(5, 6, empty=5), "5 of the last 6 samples are empty"),
        ("one word", Share(6, 6), "the last 6 samples are all the same word"),
        ("words gone", Share(5, 8), "5 of the last 8 samples hold hardly any English words"),
        ("templated", Share(5, 8), "5 of the last 8 samples are templates, whose frame"),
        ("reads well", Share(5, 8), "the samples read well"),
        ("too short", Share(8, 8), "the last 8 samples are too short to judge"),
        ("too short", Share(5, 8), "5 of the last 8 samples are too short to judge"),
        ("too short", Share(1, 1), "the last sample is too short to judge"),
        ("not loops", Share(0, 8), "the samples do not loop:"),
        ("not loops", Share(8, 8), "the samples do not loop:"),
        ("not loops", Share(4, 8), "do not loop, but only 4 of the last 8 samples score as English:"),
        ("not loops", Share(1, 8), "do not loop, but only 1 of the last 8 samples scores as English:"),
        # if others lie between those that are counted
        ("collapsed", Share(5, 8, 0, 2), "5 of the last 8 samples that are not too short loop:"),
        ("empty", Share(5, 5, 5, 2), "the last 5 samples that are not too short are empty:"),
        ("templated", Share(1, 1, 0, 1), "the last sample that is not too short is a template"),
        ("words gone", Share(5, 8, 0, 1), "5 of the last 8 samples that could be judged hold hardly any"),
        (
            "not loops",
            Share(4, 8, 0, 1),
            "only 4 of the last 8 samples that could be judged score as English",
        ),
    ],
)
def test_a_sentence_says_how_many_samples_it_is_about(samples: SamplesState, share: Share, said: str) -> None:
    assert f" {said}" in diagnose("converging", samples, share).sentence
    assert diagnose("converging", samples, share)[:4] == diagnose("converging", samples)[:4]


@pytest.mark.parametrize("loss", ACTIONS)
def test_samples_that_were_not_drawn_since_a_halt_are_not_called_too_short(loss: Trend | None) -> None:
    after, before = diagnose(loss, "too short", Share(0, 0)), diagnose(loss, "too short")
    assert after[:3] == before[:3]
    assert " no sample was judged since the halt was acknowledged: " in after.sentence
    assert "draw" not in after.sentence
    assert ("LOSS" if loss in LOSS_WORDS else after.name) in ("LOSS", "not judged since the halt")


@pytest.mark.parametrize(("loss", "samples"), PAIRS)
def test_no_low_sample_is_called_the_first(loss: Trend | None, samples: SamplesState) -> None:
    diagnosis = diagnose(loss, samples)
    assert "first" not in f"{diagnosis.name} {diagnosis.sentence}"


@pytest.mark.parametrize("loss", ACTIONS)
def test_no_name_calls_low_samples_loops_because_they_may_be_empty(loss: Trend | None) -> None:
    assert "loop" not in diagnose(loss, "some low", Share(2, 8, empty=2)).name


def test_no_cell_says_what_its_row_or_its_column_says() -> None:
    for (loss, samples), words in WORDS.items():
        assert words not in (LOSS_WORDS.get(loss), SAMPLES_WORDS[samples])


def test_every_pair_has_a_sentence_of_its_own() -> None:
    sentences = [diagnose(loss, samples).sentence for loss, samples in PAIRS]
    assert len(set(sentences)) == len(PAIRS)
    for sentence in sentences:
        assert re.fullmatch(r"[A-Z][^\n:]*: [^\n:]*[^.]\.", sentence)


@pytest.mark.parametrize(("loss", "samples"), PAIRS)
def test_only_samples_that_read_well_are_said_to(loss: Trend | None, samples: SamplesState) -> None:
    diagnosis = diagnose(loss, samples)
    said = f"{diagnosis.name} {diagnosis.sentence}"
    assert ("read well" in said) == (samples == "reads well")
    assert ("healthy" in said) == ((loss, samples) == ("converging", "reads well"))
    assert ("loop" in said) or samples not in ("collapsed", "some low")
    assert samples != "empty" or "loop" not in said


@pytest.mark.parametrize("samples", SAMPLES)
def test_nobody_lets_a_loss_train_that_is_too_good_or_zero(samples: SamplesState) -> None:
    for loss in ("too good to be true", "exactly zero", "not finite"):
        diagnosis = diagnose(loss, samples)
        assert diagnosis.action != "continue"
        assert "let it train" not in diagnosis.sentence


def test_a_model_that_knows_its_data_by_heart_is_not_halted() -> None:
    diagnosis = diagnose("too good to be true", "reads well")
    assert (diagnosis.action, diagnosis.name) == ("watch", "memorised")


@pytest.mark.parametrize("samples", [state for state in SAMPLES if state not in ("too short", "reads well")])
def test_a_loss_that_is_too_good_names_mask_labels_and_loader(samples: SamplesState) -> None:
    assert (
        "check the attention mask, the labels and the data loader"
        in diagnose("too good to be true", samples).sentence
    )


@pytest.mark.parametrize("samples", SAMPLES)
def test_a_loss_that_is_not_a_cross_entropy_is_not_judged_and_names_no_minimum(samples: SamplesState) -> None:
    sentence = diagnose("not a cross-entropy", samples).sentence
    assert "is not judged" in sentence
    assert "minimum" not in sentence


@pytest.mark.parametrize("loss", ["early", "too few losses", "converging", "plateau", None])
def test_templates_ask_for_a_profile(loss: Trend | None) -> None:
    assert "--profile" in diagnose(loss, "templated").sentence


@pytest.mark.parametrize("window", [1, 100])
@pytest.mark.parametrize("vocab_size", [None, 2305, 8449])
def test_the_run_of_the_lesson_halts_because_its_loss_misleads(vocab_size: int | None, window: int) -> None:
    tracker = LossTracker(vocab_size=vocab_size, window=window)
    for step, loss in enumerate([8.0, 3.5, 2.8]):
        tracker.update(step=step, loss=loss)
    diagnosis = diagnose(tracker.trend, "collapsed")
    assert (diagnosis.loss, diagnosis.samples, diagnosis.action) == ("converging", "collapsed", "halt")
    assert "misleading" in diagnosis.name
    assert "misleading" in diagnosis.sentence


@pytest.mark.parametrize("loss", ["early", "too few losses"])
def test_a_young_collapse_names_the_warmup(loss: Trend) -> None:
    sentence = diagnose(loss, "collapsed").sentence
    assert "not yet coherent, perhaps merely young" in sentence
    assert "warmup" in sentence


@pytest.mark.parametrize("samples", SAMPLES)
def test_too_few_losses_are_said_to_be_too_few_and_never_to_stall(samples: SamplesState) -> None:
    sentence = diagnose("too few losses", samples).sentence
    assert "too few losses to" in sentence
    assert "no longer falls" not in sentence


@pytest.mark.parametrize("loss", ["diverging", "collapsed"])
def test_loops_beside_a_rising_loss_announce_a_halt(loss: Trend) -> None:
    assert "expect a halt" in diagnose(loss, "some low").sentence


def test_an_unknown_word_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"loss must be one of \['early', .*, None\], not 'falling'"):
        diagnose("falling", "reads well")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"samples must be one of \['collapsed', .*\], not 'good'"):
        diagnose("early", "good")  # type: ignore[arg-type]
