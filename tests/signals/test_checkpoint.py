"""The one rule that names the step to go back to: a table of runs, and a slow twin that remembers all."""

import json
import math
from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coherence import Gate, LossTracker, score
from coherence.scoring.scores import Scores
from coherence.signals.both import Signals
from coherence.signals.checkpoint import Checkpoint, Place

THRESHOLD = 30.0

WHY = "among the steps whose samples vary and score near the best of the run"
LOWEST, LAST = f"lowest smoothed loss {WHY}", f"last step {WHY}"
NOWHERE = Place(None, "no step has samples")
LATER = Place(None, "no step is fit: those that were are far below the best that came later")


def none(rejected: int, why: str, steps: int | None = None) -> Place:
    return Place(None, f"no step is fit: {why} at {rejected} of {steps or rejected} steps")


POOR, ALIKE = "the mean score of a sample was below the threshold", "the samples were alike"
NOT_FINITE, FALLING = "the loss was not finite", "the scores were falling"
FAR = "a score was missing, or below half of the best of the run"
UNFIT = "no saved checkpoint is fit by the samples up to it; the step would be"
TOO_EARLY = (
    "no saved checkpoint is judged: each came before the first samples that are remembered; the step would be"
)

Four = tuple[float | None, float | None, float | None, float | None]


class Step(NamedTuple):
    """The judged samples of a step, how different they are, and the loss as it stood then.

    `alike` where those of the last steps are alike on average.
    """

    step: int
    samples: tuple[Four, ...]
    loss: float | None = None
    diversity: float | None = None
    finite: bool = True
    alike: bool = False


class Saved(NamedTuple):
    step: int


class Deleted(NamedTuple):
    step: int


class Back(NamedTuple):
    step: int


Event = Step | Saved | Deleted | Back


def at(
    step: int, height: float = 80.0, loss: float | None = None, diversity: float | None = None, **more: Any
) -> Step:
    """A step of one sample that is as high on every scale, or of two where they are compared."""
    sample = (height, height, height, height)
    return Step(step, (sample,) if diversity is None else (sample, sample), loss, diversity, **more)


def of(step: int, *samples: Four, loss: float | None = None, **more: Any) -> Step:
    return Step(step, samples, loss, **more)


def is_poor(sample: Four) -> bool:
    values = [value for value in sample if value is not None]
    return sum(values) / len(values) < THRESHOLD


def see(checkpoint: Checkpoint, step: Step, sample: Four) -> None:
    checkpoint.see([sample], is_poor(sample), step.alike, step.loss, step.finite)


def feed(checkpoint: Checkpoint, events: Sequence[Event]) -> Checkpoint:
    for event in events:
        if isinstance(event, Saved):
            checkpoint.save(event.step)
        elif isinstance(event, Deleted):
            checkpoint.delete(event.step)
        elif isinstance(event, Back):
            checkpoint.restart(event.step)
        else:
            checkpoint.begin(event.step)
            for sample in event.samples:
                see(checkpoint, event, sample)
            checkpoint.compare(event.diversity, event.alike)
    return checkpoint


HIGH = [at(step, 80, 5.0) for step in (10, 20, 30, 40)]
"""Four steps of a run that has seen 80s."""

RUNS: dict[str, tuple[list[Event], Place]] = {
    "no sample": ([], NOWHERE),
    "the lowest smoothed loss": ([at(1, loss=5.0), at(2, loss=4.0), at(3, loss=4.5)], Place(2, LOWEST)),
    "of two as low the later": ([at(1, loss=4.0), at(2, loss=4.0)], Place(2, LOWEST)),
    "the last without losses": ([at(1), at(2), at(3, 10)], Place(2, LAST)),
    "losses from the middle on": ([at(1), at(2), at(3, loss=9.0)], Place(3, LOWEST)),
    "a low sample": ([at(1, loss=5.0), at(2, 10, 4.0)], Place(1, LOWEST)),
    "all low": ([at(1, 10, 5.0), at(2, 10, 4.0)], none(2, POOR)),
    "a mean at the threshold": ([at(1, 30, 5.0)], Place(1, LOWEST)),
    "a mean below it": ([of(1, (40, 40, 10, 29), loss=5.0)], none(1, POOR)),
    "one poor sample of three": (
        [at(1, 80, 5.0), of(2, (80, 80, 80, 80), (20, 20, 20, 20), (80, 80, 80, 80), loss=4.0)],
        Place(1, LOWEST),
    ),
    "a score that has no meaning": ([of(1, (80, None, 80, 80), loss=5.0)], Place(1, LOWEST)),
    # Half of the own best, on each scale
    **{
        f"{scale} below half of the best": (
            [*HIGH, of(50, tuple(39.9 if n == place else 80 for n in range(4)), loss=1.0)],  # type: ignore[arg-type]
            Place(40, LOWEST),
        )
        for place, scale in enumerate(("bigram", "trigram", "english", "character"))
    },
    **{
        f"{scale} at half of the best": (
            [*HIGH, of(50, tuple(40 if n == place else 80 for n in range(4)), loss=1.0)],  # type: ignore[arg-type]
            Place(50, LOWEST),
        )
        for place, scale in enumerate(("bigram", "trigram", "english", "character"))
    },
    "the best comes later": ([at(1, 35, 1.0), at(2, 80, 5.0)], Place(2, LOWEST)),
    "the best is that of a step that cannot be gone back to": (
        [at(1, 35, 5.0), at(2, 80, 1.0, finite=False)],
        LATER,
    ),
    "the best is the median of the best quarter": (
        [*[at(step, 45, 5.0) for step in range(1, 12)], at(12, 100, 1.0, diversity=10.0)],
        Place(11, LOWEST),  # of twelve the best three are 100, 45 and 45
    ),
    "the step of the issue": (
        [*HIGH, of(50, (19, 17, 33, 19), (31, 29, 39, 29), loss=1.0), at(60, 80, 4.9)],
        Place(60, LOWEST),
    ),
    "its better sample alone": ([*HIGH, of(50, (31, 29, 39, 29), loss=1.0)], Place(40, LOWEST)),
    # Falling
    "15 % below the four before": ([*HIGH, at(50, 67.9, 1.0)], Place(40, LOWEST)),
    "not quite so much": ([*HIGH, at(50, 68, 1.0)], Place(50, LOWEST)),
    "falling step by step": (
        [*HIGH, at(50, 67, 4.0), at(60, 63, 3.0), at(70, 60, 2.0)],
        Place(40, LOWEST),
    ),
    "settled lower": (
        [*HIGH, *(at(step, 60, 4.0) for step in (50, 60, 70, 80))],
        Place(80, LOWEST),  # before it came 80, 60, 60, 60: no more is it falling
    ),
    "rising": ([at(1, 40, 5.0), at(2, 60, 4.0), at(3, 79, 3.0)], Place(3, LOWEST)),
    # Alike
    "alike": ([at(1, 80, 5.0, 50.0), at(2, 80, 4.0, 49.9)], Place(1, LOWEST)),
    "one sample after a step that was alike": ([at(1, 80, 5.0, 49.0), at(2, 80, 4.0)], Place(2, LOWEST)),
    "several again after one that was alike": (
        [at(1, 80, 5.0, 49.0), at(2, 80, 4.0, 51.0), at(3, 80, 3.0, 49.0)],
        Place(2, LOWEST),
    ),
    "alike on average with the last steps": (
        [at(1, 80, 5.0, 60.0), at(2, 80, 4.0, 60.0, alike=True), at(3, 80, 3.0, alike=True)],
        Place(1, LOWEST),
    ),
    # Not a number
    "not a number": ([at(1, 80, 5.0), at(2, 80, 4.0, finite=False)], Place(1, LOWEST)),
    "a number again": ([at(1, 80, 4.0, finite=False), at(2, 80, 4.0)], Place(2, LOWEST)),
    # Restarts
    "back behind the best": ([at(1, 80, 5.0), at(2, 80, 4.0), Back(2)], Place(1, LOWEST)),
    "back behind all": ([at(1, 80, 5.0), Back(1)], NOWHERE),
    "back to beyond all": ([at(1, 80, 5.0), Back(2)], Place(1, LOWEST)),
    "back, and on": (
        [at(1, 80, 5.0), at(2, 80, 4.0), at(3, 80, 3.0), Back(2), at(2, 80, 4.5)],
        Place(2, LOWEST),
    ),
    "back, and worse": ([at(1, 80, 5.0), at(2, 80, 4.0), Back(2), at(2, 80, 5.5)], Place(1, LOWEST)),
    # Checkpoints
    "saved beside it": (
        [at(1, 80, 5.0), Saved(1), at(2, 80, 4.0)],
        Place(1, f"{LOWEST}; its checkpoint was saved"),
    ),
    "saved after it": (
        [at(1, 80, 5.0), Saved(7), at(9, 10, 1.0)],
        Place(7, f"{LOWEST}; its checkpoint was saved"),
    ),
    "saved before any sample": (
        [Saved(1), at(2, 80, 5.0)],
        Place(None, f"{TOO_EARLY} 2 ({LOWEST})"),
    ),
    "saved after a poor one": (
        [at(1, 80, 5.0), at(2, 10, 1.0), Saved(2)],
        Place(None, f"{UNFIT} 1 ({LOWEST})"),
    ),
    "of two saved the lower": (
        [at(1, 80, 5.0), Saved(1), at(2, 80, 4.0), Saved(2), at(3, 80, 4.5), Saved(3), at(4, 80, 3.0)],
        Place(2, f"{LOWEST}; its checkpoint was saved"),
    ),
    "saved, and back behind it": (
        [at(1, 80, 5.0), Saved(1), at(2, 80, 4.0), Saved(2), Back(2)],
        Place(1, f"{LOWEST}; its checkpoint was saved"),
    ),
    "saved, but nothing to go back to": ([at(1, 10, 5.0), Saved(1)], none(1, POOR)),
    "saved without losses": ([at(1), Saved(1), at(2)], Place(1, f"{LAST}; its checkpoint was saved")),
    "saved before the samples of its step, which are fine": (
        [at(1, 80, 5.0), Saved(2), at(2, 80, 4.0)],
        Place(2, f"{LOWEST}; its checkpoint was saved"),
    ),
    "saved before the samples of its step, which are poor": (
        [at(1, 80, 5.0), Saved(1), Saved(2), at(2, 10, 4.0)],
        Place(1, f"{LOWEST}; its checkpoint was saved"),
    ),
    "saved after a poor one, before its own, which are fine": (
        [at(1, 80, 5.0), at(2, 10, 4.0), Saved(3), at(3, 80, 3.0)],
        Place(3, f"{LOWEST}; its checkpoint was saved"),
    ),
    "saved before the samples of a later step, which are poor": (
        [at(1, 80, 5.0), Saved(2), at(3, 10, 4.0)],
        Place(2, f"{LOWEST}; its checkpoint was saved"),
    ),
    "noted after the samples of a later step, which are fine": (
        [at(1, 10, 5.0), at(3, 80, 4.0), Saved(2)],
        Place(None, f"{UNFIT} 3 ({LOWEST})"),
    ),
    "noted after the samples of a later step, which are poor": (
        [at(1, 80, 5.0), at(3, 10, 4.0), at(4, 10, 4.0), Saved(2)],
        Place(2, f"{LOWEST}; its checkpoint was saved"),
    ),
    "samples of an earlier step that come late": (
        [at(3, 80, 4.0), Saved(4), at(5, 80, 4.0), at(2, 10, 4.0)],
        Place(4, f"{LOWEST}; its checkpoint was saved"),
    ),
    "set back behind the samples that judge it": (
        [at(1, 10, 5.0), at(2, 80, 4.0), Back(2), Saved(2), at(3, 80, 4.0)],
        Place(None, f"{UNFIT} 3 ({LOWEST})"),
    ),
    "all deleted": (
        [at(1, 80, 5.0), Saved(1), Deleted(1)],
        Place(None, f"no checkpoint exists up to step 1 ({LOWEST})"),
    ),
    "it is known only that checkpoints are saved": (
        [Saved(-1), at(1, 80, 5.0)],
        Place(None, f"no checkpoint exists up to step 1 ({LOWEST})"),
    ),
    # A score that is missing
    "English missing after English": (
        [*HIGH, of(50, (80, 80, None, 80), loss=1.0)],
        Place(40, LOWEST),
    ),
    "English missing in one of two samples": (
        [*HIGH, of(50, (80, 80, None, 80), (80, 80, 60, 80), loss=1.0)],
        Place(50, LOWEST),
    ),
    "English missing throughout": (
        [of(step, (80, 80, None, 80), loss=5.0) for step in (1, 2, 3)],
        Place(3, LOWEST),
    ),
    "hardly any English, and often missing": (
        [of(step, (80, 80, None if step % 2 else 18, 80), loss=5.0) for step in range(1, 8)],
        Place(7, LOWEST),
    ),
    "English by chance in one step of many": (
        [of(step, (80, 80, 90 if step == 10 else None, 80), loss=30.0 - step) for step in range(1, 21)],
        Place(20, LOWEST),
    ),
    "English only from the middle on": (
        [of(step, (80, 80, None if step < 5 else 90, 80), loss=float(step)) for step in range(1, 10)],
        Place(5, LOWEST),
    ),
    "English and another language in turn": (
        [of(step, (80, 80, None if step % 2 else 90, 80), loss=30.0 - step) for step in range(1, 20)],
        Place(18, LOWEST),
    ),
    # Why there is none
    "none of the losses is finite": (
        [at(step, 80, None, finite=False) for step in (1, 2, 3)],
        none(3, NOT_FINITE),
    ),
    "most are alike": (
        [at(1, 10, 5.0), *(at(step, 80, 5.0, diversity=9.0) for step in (2, 3))],
        none(2, ALIKE, 3),
    ),
    "most are falling": (
        [at(1, 100, 5.0, finite=False), at(2, 70, 5.0), at(3, 60, 5.0)],
        none(2, FALLING, 3),
    ),
    "most are far from the best": (
        [
            *(at(step, 100, 5.0, finite=False) for step in (1, 2)),
            *(of(step, (100, 100, 40, 100), loss=5.0) for step in (3, 4, 5)),
        ],
        none(3, FAR, 5),
    ),
    "each too short to judge": ([of(1), of(2)], none(2, "every sample was a template or too short to judge")),
}


@pytest.mark.parametrize(("events", "place"), RUNS.values(), ids=RUNS.keys())
def test_the_step_to_go_back_to_and_why(events: list[Event], place: Place) -> None:
    assert feed(Checkpoint(), events).place() == place


@pytest.mark.parametrize("before", [10, 11, 25, 31, 40, 41, 99])
def test_the_step_lies_before_the_first_sample_that_counted_for_the_halt(before: int) -> None:
    events = [at(step, 80, 100.0 - step) for step in (10, 20, 30, 40)]
    expected = max((each.step for each in events if each.step < before), default=None)
    assert feed(Checkpoint(), events).place(before).step == expected


def test_a_step_that_is_fit_but_not_before_the_low_samples_is_named_as_the_reason() -> None:
    reason = "no step that is fit comes before 1,000, where the samples become low"
    assert feed(Checkpoint(), [at(1000, 80, 5.0)]).place(1000) == Place(None, reason)


def test_a_saved_checkpoint_lies_before_it_too() -> None:
    checkpoint = feed(Checkpoint(), [at(10, 80, 5.0), Saved(12), Saved(25), at(30, 80, 4.0)])
    assert [checkpoint.place(before).step for before in (12, 13, 25, 26)] == [None, 12, 12, 25]


def test_asking_changes_nothing() -> None:
    checkpoint, asked = Checkpoint(), Checkpoint()
    for number in range(60):
        step = at(number, 50 + number % 40, 5.0, 40 + number % 20)
        events: list[Event] = [step, Saved(number)] if number % 3 else [step]
        feed(checkpoint, events)
        feed(asked, events)
        asked.place()
        asked.place(5)
    assert asked.state_dict() == checkpoint.state_dict()


def test_samples_before_any_step_has_begun_are_passed_over() -> None:
    checkpoint = Checkpoint()
    see(checkpoint, at(1, 80, 1.0), (80, 80, 80, 80))
    checkpoint.compare(10.0, alike=True)
    assert (checkpoint.place(), checkpoint.state_dict()) == (NOWHERE, Checkpoint().state_dict())


@pytest.mark.parametrize(
    ("said", "alike"),
    [
        ([(60.0, False)], False),
        ([(40.0, False)], True),
        ([(60.0, False), (40.0, True)], True),
        ([(40.0, False), (60.0, True)], False),
        ([(40.0, False), (60.0, False)], True),
        ([(40.0, False), (None, True)], True),
        ([(None, False)], False),
    ],
)
def test_what_more_samples_say_takes_the_place_and_what_others_say_the_lower_holds(
    said: list[tuple[float | None, bool]], alike: bool
) -> None:
    checkpoint = feed(Checkpoint(), [at(1, 80, 5.0)])
    for diversity, again in said:
        checkpoint.compare(diversity, False, again)
    assert (checkpoint.place() == none(1, ALIKE)) is alike


# In the middle of the signals

TEXTS = {
    "fine": "The cat sat by the door and waited for the rain to stop.",
    "low": "Budy Budy Budy Budy Budy Budy Budy Budy",
    "short": "Yes",
    "empty": "",
}


def test_the_step_at_the_halt_lies_before_its_streak_and_stays() -> None:
    signals = Signals(Gate(patience=3, window=5), LossTracker(window=1))
    for step, text in enumerate(["fine", "fine", "low", "fine", "low", "low", "fine", "fine"]):
        signals.loss.update(step, 9.0 - step)
        signals.judge(score(TEXTS[text]), step, 0)
        if step == 3:
            assert signals.place.step == 3
    assert signals.gate.halted
    assert signals.place == Place(1, LOWEST)


def test_samples_too_short_to_judge_are_none_to_go_back_to_and_empty_ones_are_low() -> None:
    signals = Signals(Gate(patience=9), LossTracker(window=1))
    for step, text in enumerate(["fine", "short", "empty"]):
        signals.loss.update(step, 9.0 - step)
        signals.judge(score(TEXTS[text]), step, 0)
    assert signals.place == Place(0, LOWEST)


def test_a_step_whose_scores_are_low_on_average_is_none_to_go_back_to() -> None:
    signals = Signals(Gate(), LossTracker(window=1))
    for step, character in enumerate([80, 81, 79]):
        signals.loss.update(step, 9.0 - step)
        signals.judge(Scores(10, 10, 20, character, 20, 100), step, 0)  # not low: one score stands
        assert signals.gate.streak == 0
    assert signals.place == Place(1, LOWEST), "a mean of 30.25; of 30 and of 29.75"


def test_a_step_with_a_loss_that_is_none_is_none_to_go_back_to() -> None:
    signals = Signals(Gate(), LossTracker(window=1))
    for step, loss in enumerate([5.0, math.nan, math.inf]):
        signals.loss.update(step, loss)
        signals.judge(score(TEXTS["fine"]), step, 0)
    assert signals.place == Place(0, LOWEST)


def test_a_restart_of_the_signals_forgets_the_steps_behind_it() -> None:
    signals = Signals(Gate(), LossTracker(window=1))
    for step in range(1, 6):
        signals.loss.update(step, 9.0 - step)
        signals.judge(score(TEXTS["fine"]), step, 0)
    signals.take_event("checkpoint", 5)
    assert signals.place == Place(5, f"{LOWEST}; its checkpoint was saved")
    signals.take_event("restart", 3)
    assert signals.place == Place(None, f"no checkpoint exists up to step 2 ({LOWEST})")
    signals.take_event("pivot", 1)
    assert signals.place.step is None


@pytest.mark.parametrize(("text", "expected"), [("low", 1), ("fine", 2)])
def test_a_checkpoint_is_judged_by_the_samples_of_its_step_whether_it_is_noted_before_or_after_them(
    text: str, expected: int
) -> None:
    found = []
    for noted in range(3):  # before the samples, between them, after them
        signals = Signals(Gate(), LossTracker(window=1))
        for step, drawn in [(1, "fine"), (2, text)]:
            signals.loss.update(step, 9.0 - step)
            for place, each in enumerate(["fine", drawn, None]):
                if place == noted:
                    signals.take_event("checkpoint", step)
                if each is not None:
                    signals.judge(score(TEXTS[each]), step, place)
        found.append(signals.place)
    assert found == [Place(expected, f"{LOWEST}; its checkpoint was saved")] * 3


def test_a_step_whose_words_are_no_language_is_none_to_go_back_to_after_english() -> None:
    noise = " ".join("".join(drawn) for drawn in product("bcdf", "ghjk", "lmnp"))
    assert score(noise).english is None
    assert min(value for value in score(noise).values if value is not None) > 80
    signals = Signals(Gate(), LossTracker(window=1))
    for step in range(20):
        signals.loss.update(step, 30.0 - step)
        signals.judge(score(TEXTS["fine"] if step < 10 else noise), step, 0)
    assert signals.place == Place(9, LOWEST)


# Memory


def test_the_state_that_an_earlier_version_saved_is_still_read() -> None:
    high = [80.0, 80.0, 80.0, 80.0]
    state = {
        "step": [3, [160.0] * 4, [2] * 4, False, 70.0, False, 3.0, True],
        "counts": [[[80, 2]]] * 4,
        "before": [80.0, 80.0],
        "last": [2, 4.0, high],
        "candidates": [[1, 5.0, high], [2, 4.0, high]],
        "saved": [[1, 5.0, high]],
    }
    checkpoint = Checkpoint()
    checkpoint.load_state_dict(state)
    assert checkpoint.place() == Place(1, f"{LOWEST}; its checkpoint was saved")
    checkpoint.save(2)
    assert checkpoint.place().step == 2, "judged by the last step that was remembered"
    checkpoint.save(3)
    assert checkpoint.place().step == 3
    checkpoint.load_state_dict(state | {"last": None, "candidates": [], "saved": []})
    feed(checkpoint, [at(4, 10, 1.0), Back(1)])
    assert checkpoint.place() == none(1, POOR)


@pytest.mark.slow
def test_what_is_remembered_does_not_grow_with_the_run() -> None:
    checkpoint, sizes = Checkpoint(), []
    for step in range(10_000):
        loss = 1e6 - step
        feed(checkpoint, [at(step, 30 + step * 7 % 70, loss, 40 + step % 50)])
        if step % 10 == 9:
            checkpoint.save(step)
            if step < 9_000 or step % 100 == 99:  # the trainer keeps a hundred
                checkpoint.delete(step - 1000)
        if step in (1_999, 8_999, 9_999):
            sizes.append(len(json.dumps(checkpoint.state_dict())))
    assert sizes[1] < 1.2 * sizes[0] < 20_000
    assert checkpoint.place().step is not None


def test_all_checkpoints_that_exist_are_remembered_however_many_were_deleted() -> None:
    events: list[Event] = []
    for step in range(50, 10_000, 50):
        events += [at(step, 80, 1e6 - step), Saved(step)]
    events += [Deleted(step) for step in range(50, 10_000, 50) if step != 1000]
    assert feed(Checkpoint(), events).place() == Place(1000, f"{LOWEST}; its checkpoint was saved")


@pytest.mark.parametrize("losses", [True, False])
def test_of_checkpoints_that_are_never_deleted_the_best_and_the_last_fit_ones_are_remembered(
    losses: bool,
) -> None:
    checkpoint, sizes = Checkpoint(), []
    for step in range(3000):
        loss = (1.0 if step == 77 else 9.0 + step) if losses else None
        feed(checkpoint, [Saved(step), at(step, 80 if step < 1001 else 10, loss)])
        sizes.append(len(checkpoint.state_dict()["saved"]))
    assert max(sizes) <= 256
    assert checkpoint.place().step == (77 if losses else 1000)
    assert checkpoint.place(floor=None).step == 1000


def test_of_many_steps_the_last_are_all_remembered_and_of_the_others_some() -> None:
    checkpoint = feed(Checkpoint(), [at(step, 80, 1e6 - step) for step in range(1000)])
    found = [checkpoint.place(before).step for before in range(985, 1000)]
    assert found == list(range(984, 999))
    checkpoint.restart(500)
    assert checkpoint.place().step in range(500), "set back far, it may not be the very last one"


@pytest.mark.parametrize("lowest", range(0, 60, 7))
def test_the_lowest_of_all_is_remembered_however_long_ago_it_was(lowest: int) -> None:
    losses = (1.0 if step == lowest else 9.0 + step for step in range(1000))
    checkpoint = feed(Checkpoint(), [at(step, 80, loss) for step, loss in enumerate(losses)])
    assert checkpoint.place().step == lowest


@pytest.mark.parametrize(
    ("floor", "step", "why"), [(-math.inf, 4, LOWEST), (0.4, 3, LOWEST), (2.5, 2, LOWEST), (None, 5, LAST)]
)
def test_a_loss_that_is_too_good_names_no_step_and_one_that_cannot_be_compared_names_the_last(
    floor: float | None, step: int, why: str
) -> None:
    losses = [3.0, 2.6, 2.0, 0.1, 0.3]
    found = feed(Checkpoint(), [at(number, 80, loss) for number, loss in enumerate(losses, 1)])
    assert found.place(floor=floor) == Place(step, why)
    reason = "no step that is fit has a smoothed loss that is not too good to be true"
    assert found.place(floor=9.0) == Place(None, reason)


# The twin


Means = tuple[float | None, ...]


class Gone:
    """What a run has come to."""

    def __init__(self) -> None:
        self.steps: list[Means] = []
        self.candidates: list[Step] = []
        self.fit: list[Step] = []  # also those that the run was set back behind
        self.rejected: list[str] = []
        self.saved: dict[int, Step | None] | None = None  # with the step whose samples judge each


class Twin:
    """The rule as its docstring has it, gone through anew from all events of the run whenever it is asked."""

    def __init__(self) -> None:
        self._events: list[Event] = []

    def place(self, before: float = math.inf) -> Place:
        run = self._gone_through()
        best = self._lowest(run.candidates, run.steps, before)
        there = [(each, judge) for each, judge in (run.saved or {}).items() if each < before]
        fit = [judge._replace(step=each) for each, judge in sorted(there) if judge and judge in run.fit]
        if kept := self._lowest(fit, run.steps, before):
            return Place(kept.step, f"{self._why(kept)}; its checkpoint was saved")
        if best is None:
            return self._none(run, before)
        why = self._why(best)
        if run.saved is None:
            return Place(best.step, why)
        if not there:
            return Place(None, f"no checkpoint exists up to step {best.step:,} ({why})")
        known = any(judge for _, judge in there)
        return Place(None, f"{UNFIT if known else TOO_EARLY} {best.step:,} ({why})")

    def choices(self, before: float) -> set[int | None]:
        """The steps that can be gone back to, whatever the loss."""
        run = self._gone_through()
        if run.saved is None:
            return {
                each.step for each in run.candidates if each.step < before and self._is_near(each, run.steps)
            }
        among = {each: judge for each, judge in run.saved.items() if judge and judge in run.fit}
        return {each for each, judge in among.items() if each < before and self._is_near(judge, run.steps)}

    @staticmethod
    def _why(step: Step) -> str:
        return LAST if step.loss is None else LOWEST

    @staticmethod
    def _none(run: "Gone", before: float) -> Place:
        if run.candidates:
            early = any(each.step < before for each in run.candidates)
            late = f"no step that is fit comes before {before:,}, where the samples become low"
            return LATER if early else Place(None, late)
        if not run.rejected:
            return NOWHERE
        names = [NOT_FINITE, POOR, ALIKE, FAR, FALLING]
        name = max(names, key=run.rejected.count)
        return none(run.rejected.count(name), name, len(run.rejected))

    def _gone_through(self) -> "Gone":
        run = Gone()
        known: list[Step] = []  # the last steps, of which a checkpoint may be noted late
        for event in self._events:
            if isinstance(event, Saved):
                past = [each for each in known if each.step <= event.step]
                judge = max(past, key=lambda each: each.step, default=None)
                run.saved = {**(run.saved or {}), event.step: judge}
            elif isinstance(event, Deleted):
                (run.saved or {}).pop(event.step, None)
            elif isinstance(event, Back):
                known = [each for each in known if each.step < event.step]
                run.candidates = [each for each in run.candidates if each.step < event.step]
                if run.saved is not None:
                    run.saved = {each: judge for each, judge in run.saved.items() if each < event.step}
            else:
                known = [*known[-7:], event]
                self._take(run, event)
                for each in run.saved or {}:
                    if run.saved and each >= event.step:  # no step is late here
                        run.saved[each] = event
        return run

    def _take(self, run: "Gone", event: Step) -> None:
        own = self._means(event)
        height, others = mean(own), [mean(each) for each in run.steps[-4:]]
        run.steps.append(own)
        holds = {
            NOT_FINITE: not event.finite,
            POOR: any(map(is_poor, event.samples)),
            ALIKE: event.alike or (event.diversity is not None and event.diversity < 50),
            FAR: not self._is_near(event, run.steps),
            FALLING: bool(others) and height < 0.85 * mean(others),
        }
        if why := next((name for name, held in holds.items() if held), None):
            run.rejected.append(why)
        else:
            run.candidates.append(event)
            run.fit.append(event)

    def _lowest(self, candidates: list[Step], steps: list[Means], before: float) -> Step | None:
        fit = [each for each in candidates if each.step < before and self._is_near(each, steps)]
        heights = [math.inf if each.loss is None else each.loss for each in fit]
        return next((fit[n] for n in reversed(range(len(fit))) if heights[n] == min(heights)), None)

    def _is_near(self, step: Step, steps: list[Means]) -> bool:
        own = self._means(step)
        for scale, value in enumerate(own):
            values = sorted((int(each[scale] or 0) for each in steps), reverse=True)
            best = values[: math.ceil(len(values) / 4)]
            if (10 if value is None else value) < best[(len(best) - 1) // 2] / 2:
                return False
        return True

    @staticmethod
    def _means(step: Step) -> Means:
        columns = zip(*step.samples, strict=True)
        return tuple(mean(column) if any(v is not None for v in column) else None for column in columns)

    def feed(self, events: Sequence[Event]) -> "Twin":
        self._events += events
        return self


def mean(values: Sequence[float | None]) -> float:
    there = [value for value in values if value is not None]
    return sum(there) / len(there)


HEIGHTS = st.sampled_from([10.0, 29.0, 31.0, 38.0, 45.0, 60.0, 62.5, 75.0, 80.0, 100.0])
SAMPLES = st.tuples(HEIGHTS, HEIGHTS | st.none(), HEIGHTS, HEIGHTS) | HEIGHTS.map(lambda each: (each,) * 4)
FORWARD = st.integers(1, 5)


@st.composite
def runs(draw: st.DrawFn, steady: bool = False) -> list[Event]:
    """Events whose steps go on; now and then a checkpoint is saved, or the run is set back.

    A steady run is one in which no step scores more than twice as high as another that is fine.
    """
    samples = (
        SAMPLES if not steady else st.sampled_from([(10.0,) * 4, (60.0,) * 4, (70.0,) * 4, (100.0,) * 4])
    )
    events: list[Event] = []
    step, loss = 0, draw(st.sampled_from([None, 9.0]))
    for _ in range(draw(st.integers(0, 25))):
        kind = draw(st.sampled_from(["step"] * 6 + ["saved", "saved", "deleted", "back"]))
        if kind == "step":
            step += draw(FORWARD)
            loss = (
                loss if loss is None else draw(st.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]))
            )
            drawn = tuple(draw(st.lists(samples, min_size=1, max_size=3)))
            diversity = draw(st.sampled_from([None, 49.0, 60.0, 60.0])) if len(drawn) > 1 else None
            finite, alike = (
                draw(st.sampled_from([True] * 5 + [False])),
                draw(st.sampled_from([False] * 5 + [True])),
            )
            events.append(Step(step, drawn, loss, diversity, finite, alike))
        elif kind == "saved":
            events.append(Saved(max(0, step + draw(st.integers(-3, 3)))))
        elif kind == "deleted":
            events.append(Deleted(max(0, step + draw(st.integers(-3, 3)))))
        else:
            step = max(0, step - draw(st.integers(0, 20)))
            events.append(Back(step))
            step -= 1
    return events


BEFORE = st.none() | st.integers(0, 80)


@pytest.mark.slow
@given(events=runs(steady=True), before=BEFORE)
def test_it_names_the_step_that_its_slow_twin_names(events: list[Event], before: int | None) -> None:
    limit = math.inf if before is None else before
    assert feed(Checkpoint(), events).place(limit) == Twin().feed(events).place(limit)


@pytest.mark.slow
@given(events=runs(), before=BEFORE)
@example(events=[at(1, 45, 2.0), at(2, 80, 3.0), at(3, 95, 4.0)], before=None)
def test_it_names_the_step_that_its_slow_twin_names_however_the_scores_rise(
    events: list[Event], before: int | None
) -> None:
    limit = math.inf if before is None else before
    assert feed(Checkpoint(), events).place(limit) == Twin().feed(events).place(limit)


@pytest.mark.slow
@given(events=runs(), before=BEFORE)
def test_what_it_names_is_always_a_step_that_the_twin_would_go_back_to(
    events: list[Event], before: int | None
) -> None:
    limit = math.inf if before is None else before
    found = feed(Checkpoint(), events).place(limit)
    assert found.step is None or found.step in Twin().feed(events).choices(limit)


@pytest.mark.slow
@given(events=runs(), cut=st.integers(0, 30), before=BEFORE)
def test_saved_and_restored_anywhere_it_goes_on_as_if_never_stopped(
    events: list[Event], cut: int, before: int | None
) -> None:
    whole, first, second = Checkpoint(), Checkpoint(), Checkpoint()
    feed(whole, events)
    feed(first, events[:cut])
    if cut < len(events) and isinstance(here := events[cut], Step):  # in the middle of a step as well
        feed(first, [here._replace(samples=here.samples[:1], diversity=None)])
        second.load_state_dict(json.loads(json.dumps(first.state_dict())))
        for sample in here.samples[1:]:
            see(second, here, sample)
        second.compare(here.diversity, here.alike)
        feed(second, events[cut + 1 :])
    else:
        second.load_state_dict(json.loads(json.dumps(first.state_dict())))
        feed(second, events[cut:])
    limit = math.inf if before is None else before
    assert second.state_dict() == whole.state_dict()
    assert second.place(limit) == whole.place(limit)
