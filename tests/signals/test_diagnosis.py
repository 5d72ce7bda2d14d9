"""The two-signal table: every cell, and the run of the lesson."""

from typing import get_args

import pytest

from coherence.signals.diagnosis import ACTIONS, SAMPLES, WORDS, Action, SamplesState, diagnose
from coherence.signals.loss import LossTracker, Trend

# Written a second time, as sentences of (loss, samples, action), so that a slip in the table shows.
CELLS: list[tuple[Trend | None, SamplesState, Action]] = [
    ("early", "coherent", "continue"),
    ("early", "some low", "continue"),
    ("early", "collapsed", "halt"),
    ("early", "words gone", "watch"),
    ("early", "alike", "watch"),
    ("too few losses", "coherent", "continue"),
    ("too few losses", "some low", "watch"),
    ("too few losses", "collapsed", "halt"),
    ("too few losses", "words gone", "watch"),
    ("too few losses", "alike", "watch"),
    ("too few losses", "too short", "watch"),
    ("converging", "coherent", "continue"),
    ("converging", "some low", "watch"),
    ("converging", "collapsed", "halt"),
    ("converging", "words gone", "pivot"),
    ("converging", "alike", "pivot"),
    ("plateau", "coherent", "pivot"),
    ("plateau", "some low", "watch"),
    ("plateau", "collapsed", "halt"),
    ("plateau", "words gone", "pivot"),
    ("plateau", "alike", "pivot"),
    ("diverging", "coherent", "pivot"),
    ("diverging", "some low", "watch"),
    ("diverging", "collapsed", "halt"),
    ("diverging", "words gone", "halt"),
    ("diverging", "alike", "pivot"),
    ("collapsed", "coherent", "pivot"),
    ("collapsed", "some low", "watch"),
    ("collapsed", "collapsed", "halt"),
    ("collapsed", "words gone", "halt"),
    ("collapsed", "alike", "pivot"),
    ("not finite", "coherent", "halt"),
    ("not finite", "some low", "halt"),
    ("not finite", "collapsed", "halt"),
    ("not finite", "words gone", "halt"),
    ("not finite", "alike", "halt"),
    (None, "coherent", "continue"),
    (None, "some low", "watch"),
    (None, "collapsed", "halt"),
    (None, "words gone", "watch"),
    (None, "alike", "watch"),
    ("early", "too short", "continue"),
    ("converging", "too short", "watch"),
    ("plateau", "too short", "watch"),
    ("diverging", "too short", "pivot"),
    ("collapsed", "too short", "pivot"),
    ("not finite", "too short", "halt"),
    (None, "too short", "watch"),
]


@pytest.mark.parametrize(("loss", "samples", "action"), CELLS)
def test_each_pair_of_signals_asks_for_its_action(
    loss: Trend | None, samples: SamplesState, action: Action
) -> None:
    diagnosis = diagnose(loss, samples)
    assert (diagnosis.loss, diagnosis.samples, diagnosis.action) == (loss, samples, action)


def test_the_table_holds_every_word_and_no_other() -> None:
    assert set(ACTIONS) == {*get_args(Trend), None}
    assert set(SAMPLES) == set(get_args(SamplesState))
    assert all(len(row) == len(SAMPLES) for row in ACTIONS.values())
    assert set(WORDS) == {(loss, samples) for loss in ACTIONS for samples in SAMPLES}
    assert {(loss, samples) for loss, samples, _ in CELLS} == set(WORDS)


def test_every_diagnosis_has_a_name_and_a_sentence_of_its_own() -> None:
    names, sentences = zip(*WORDS.values(), strict=True)
    assert len(set(names)) == len(set(sentences)) == len(WORDS)
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in sentences)


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
    assert "warmup" in diagnose(loss, "collapsed").sentence


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
        diagnose("falling", "coherent")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"samples must be one of \['coherent', .*\], not 'good'"):
        diagnose("early", "good")  # type: ignore[arg-type]
