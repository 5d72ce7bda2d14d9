"""The gate: at which sample it fires, what ends a streak, what survives a restart, and what it says.

Samples are written as letters: `L` low, `l` low though short, `F` fine, `s` too short to judge.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coherence import Gate, Scores, Verdict
from coherence.signals.gate import LATE

LOW = Scores(bigram=3.0, trigram=0.0, english=12.4, character=18.6, tokens=40, characters=200)
FINE = Scores(bigram=97.0, trigram=100.0, english=30.0, character=95.0, tokens=40, characters=200)
SHORT = Scores(bigram=None, trigram=None, english=100.0, character=None, tokens=2, characters=4)
SHORT_LOOP = Scores(bigram=0.0, trigram=0.0, english=0.0, character=26.4, tokens=4, characters=19)
LETTERS = {"L": LOW, "l": SHORT_LOOP, "F": FINE, "s": SHORT}


def replay(gate: Gate, samples: str, first: int = 0) -> list[Verdict]:
    """Hand in one sample a step, at steps 0, 100, 200, ... from the first on."""
    return [
        gate.update(LETTERS[letter], step=100 * step) for step, letter in enumerate(samples.strip(), first)
    ]


def fires_at(gate: Gate, samples: str) -> int | None:
    """The number of the sample at which the gate fires, counted from 1."""
    return next((n for n, verdict in enumerate(replay(gate, samples), 1) if verdict.collapsed), None)


# Where the alarm fires


@pytest.mark.parametrize(
    ("samples", "patience", "fires"),
    [
        # the fifth in a row, not the fourth; and at once where one is enough
        ("LLLL", 5, None),
        ("LLLLL", 5, 5),
        ("LLLLLL", 5, 5),
        ("L", 1, 1),
        ("FFL", 1, 3),
        ("LLLLLLL", 8, None),
        ("LLLLLLLL", 8, 8),
        # a fine one ends the streak, wherever it stands
        ("LLLLFL", 5, None),
        ("LLLLFLLLL", 5, None),
        ("LLLLFLLLLL", 5, 10),
        ("FLFLFLFLFLFL", 2, None),
        ("FLFLFLFLFLL", 2, 11),
        # one that is too short is passed over: it neither counts nor ends the streak
        ("LLLLs", 5, None),
        ("LLLLsL", 5, 6),
        ("LsLsLsLsL", 5, 9),
        ("sssssssss", 5, None),
        ("LLsFLLLL", 5, None),
        # a loop counts however short it is
        ("lllll", 5, 5),
        ("LlslLL", 5, 6),
    ],
)
def test_the_gate_fires_at_the_last_low_sample_of_a_row(
    samples: str, patience: int, fires: int | None
) -> None:
    assert fires_at(Gate(patience=patience), samples) == fires


def test_the_gate_fires_at_the_fifth_in_a_row_unless_told_otherwise() -> None:
    assert fires_at(Gate(), "FLLLLFLLLLL") == 11


@pytest.mark.parametrize(
    ("samples", "patience", "window", "fires"),
    [
        # five of the last eight
        ("LLLLL", 5, 8, 5),
        ("LFLFLFLL", 5, 8, 8),
        ("LLFFFLLL", 5, 8, 8),
        ("LLFFFFLLL", 5, 8, None),
        ("LFFFFLLLL", 5, 8, None),
        ("LFFFFLLLLL", 5, 8, 10),
        ("LFFLFFLFFLFFLFFLFF", 5, 8, None),
        ("FFFFFFFFLLLLL", 5, 8, 13),
        # those passed over are not among the eight
        ("LssFsLsFsLsFsLsL", 5, 8, 16),
        # a window as wide as the patience is a row
        ("LLLLFLLLLL", 5, 5, 10),
        ("LFL", 2, 2, None),
        ("LFL", 2, 3, 3),
        ("FFL", 1, 3, 3),
    ],
)
def test_the_gate_with_a_window_fires_when_enough_of_the_last_are_low(
    samples: str, patience: int, window: int, fires: int | None
) -> None:
    assert fires_at(Gate(patience=patience, window=window), samples) == fires


@pytest.mark.parametrize(
    ("samples", "warmup", "fires"),
    [
        # steps are 0, 100, 200, ...; the first that is judged is the warm-up itself
        ("LLLLL", 0, 5),
        ("LLLLL", 1, None),
        ("LLLLLL", 100, 6),
        ("LLLLLL", 101, None),
        ("LLLLLLLL", 300, 8),
        # a fine one in the warm-up does not count either
        ("LFLLLLL", 200, 7),
    ],
)
def test_samples_of_the_warm_up_are_passed_over(samples: str, warmup: int, fires: int | None) -> None:
    assert fires_at(Gate(warmup=warmup), samples) == fires


@pytest.mark.parametrize(("threshold", "low"), [(30.0, False), (30.001, True), (18.6, False), (100.0, True)])
def test_low_is_strictly_below_the_threshold(threshold: float, low: bool) -> None:
    edge = Scores(30.0, 30.0, 18.6, 0.0, 40, 200)
    assert Gate(threshold=threshold).update(edge, step=0).low is low


# The same sample, restarts


def test_the_same_step_and_index_counts_once() -> None:
    gate = Gate(patience=2)
    first, again = gate.update(LOW, step=100), gate.update(LOW, step=100)
    assert (first.streak, again.streak) == (1, 1)
    assert again.reason == "sample 0 of step 100 was counted already"
    assert gate.update(LOW, step=100, index=1).halt


def test_a_fine_sample_handed_in_twice_does_not_end_a_streak_begun_after_it() -> None:
    gate = Gate(patience=2)
    gate.update(FINE, step=100)
    gate.update(LOW, step=100, index=1)
    assert gate.update(FINE, step=100).streak == 1


def test_several_samples_of_a_step_count_in_the_order_given() -> None:
    gate = Gate(patience=3)
    streaks = [gate.update(LETTERS[letter], 100, index).streak for index, letter in enumerate("LLFLsL")]
    assert streaks == [1, 2, 0, 1, 1, 2]
    verdict = gate.update(LOW, step=200, index=7)
    assert verdict.halt
    assert verdict.samples == ((100, 3), (100, 5), (200, 7))


def test_steps_that_go_back_are_a_restart_and_the_streak_starts_anew() -> None:
    gate = Gate(patience=3)
    assert [verdict.streak for verdict in replay(gate, "LL")] == [1, 2]
    assert gate.update(LOW, step=0).streak == 1
    assert gate.update(LOW, step=100).streak == 2, "the step is new again after a restart"
    assert gate.update(LOW, step=200).halt


def test_steps_that_go_back_start_a_window_anew() -> None:
    gate = Gate(patience=2, window=8)
    replay(gate, "FFL")
    assert gate.update(LOW, step=100).streak == 1


def test_steps_that_go_back_within_the_warm_up_start_anew_too() -> None:
    gate = Gate(patience=9, warmup=50)
    assert [gate.update(LOW, step).streak for step in (10, 60, 70, 80, 90, 100)] == [0, 1, 2, 3, 4, 5]
    assert gate.update(LOW, step=10).streak == 0
    assert gate.update(LOW, step=100).streak == 1


def test_a_sample_that_comes_late_counts_like_any_other() -> None:
    gate = Gate(patience=9)
    steps = (100, 200, 180, 300, 280, 400, 320)
    assert [gate.update(LOW, step).streak for step in steps] == [1, 2, 3, 4, 5, 6, 7]
    assert gate.update(LOW, step=500).samples == tuple((step, 0) for step in (*steps, 500))


@pytest.mark.parametrize(("overtaken", "streak"), [(4, 6), (5, 1)])
def test_what_four_steps_have_overtaken_is_late_and_what_five_have_is_a_restart(
    overtaken: int, streak: int
) -> None:
    gate = Gate(patience=9)
    for step in range(100, 600, 100):
        gate.update(LOW, step)
    assert gate.update(LOW, step=550 - 100 * overtaken).streak == streak


def test_the_next_index_of_a_step_is_the_first_that_was_not_handed_in() -> None:
    gate = Gate()
    gate.update(LOW, step=100, index=0)
    gate.update(LOW, step=100, index=4)
    gate.update(LOW, step=200, index=0)
    assert [gate.next_index(step) for step in (100, 200, 300)] == [5, 1, 0]
    gate.restart()
    assert gate.next_index(100) == 0


@pytest.mark.parametrize(
    ("step", "index", "takes"), [(400, 3, True), (400, 2, False), (399, 0, False), (401, 0, True)]
)
def test_many_samples_are_taken_at_once_beyond_the_last_position(step: int, index: int, takes: bool) -> None:
    gate = Gate()
    replay(gate, "FFFLL")
    gate.update(LOW, step=400, index=2)
    assert gate.takes_many(step, index) is takes


def test_many_samples_are_taken_at_once_if_low_ones_count_in_a_row_or_the_run_was_halted() -> None:
    gate = Gate(window=8)
    replay(gate, "FLL")
    assert not gate.takes_many(300, 0), "they count in a window"
    gate.configure(30, 5, None, 0, observe_only=False)
    assert not gate.takes_many(300, 0), "a fine sample of the window is remembered"
    replay(gate, "FLL", first=3)
    assert gate.takes_many(600, 0)
    gate.configure(30, 2, None, 0, observe_only=False)
    assert not gate.takes_many(600, 0), "the next low sample halts, but a fine one does not"
    assert gate.update(LOW, 600).collapsed
    gate.configure(30, 2, 8, 0, observe_only=False)
    assert gate.takes_many(700, 0), "nothing is counted any more"


def test_a_halt_outlasts_fine_samples_and_restarts() -> None:
    gate = Gate(patience=2)
    halt = replay(gate, "LL")[-1]
    for letter, step in (("F", 200), ("s", 300), ("F", 0), ("L", 100)):
        later = gate.update(LETTERS[letter], step)
        assert later.halt
        assert (later.reason, later.samples) == (halt.reason, halt.samples)
        assert later.streak == 0, "the streak ended with the halt"
        assert later.low is (letter == "L")
    assert gate.halted


def test_reset_is_the_way_back() -> None:
    gate = Gate(patience=2)
    replay(gate, "LL")
    gate.reset()
    assert not gate.halted
    assert gate.state_dict() == Gate(patience=2).state_dict()
    assert [verdict.halt for verdict in replay(gate, "LL")] == [False, True]


def test_a_gate_that_only_observes_collapses_and_never_halts() -> None:
    gate = Gate(patience=2, observe_only=True)
    verdicts = replay(gate, "LLLFL")
    assert [verdict.collapsed for verdict in verdicts] == [False, True, True, True, True]
    assert not any(verdict.halt for verdict in verdicts)
    assert gate.halted


# What it says


@pytest.mark.parametrize(
    ("samples", "options", "reason"),
    [
        ("L", {}, "low on every scale (1 of 5 that halt): bigram 3, trigram 0, english 12, character 19"),
        ("LLF", {}, "fine (0 of 5 that halt): bigram 97, trigram 100, english 30, character 95"),
        ("LFF", {"window": 8}, "fine (1 of 5 that halt): bigram 97, trigram 100, english 30, character 95"),
        ("s", {}, "skipped: too short to judge (2 tokens)"),
        ("L", {"warmup": 1000}, "skipped: step 0 is in the warm-up (1,000 steps)"),
        ("LL", {"patience": 2}, "2 samples in a row scored below 30 on every scale, from step 0 to step 100"),
        (
            "FLsL",
            {"patience": 2, "window": 4, "threshold": 19.5},
            "2 of the last 3 samples scored below 19.5 on every scale, from step 100 to step 300",
        ),
    ],
)
def test_every_verdict_gives_its_reason_in_a_sentence(
    samples: str, options: dict[str, Any], reason: str
) -> None:
    assert replay(Gate(**options), samples)[-1].reason == reason


def test_a_score_that_has_no_meaning_is_written_as_none() -> None:
    scores = Scores(12.0, None, 5.0, 3.0, 10, 40)
    assert Gate().update(scores, 0).reason.endswith("bigram 12, trigram none, english 5, character 3")


def test_a_verdict_holds_what_was_decided_and_from_what() -> None:
    verdicts = replay(Gate(patience=3), "FLsLL")
    assert verdicts[3] == Verdict(
        halt=False,
        collapsed=False,
        kind="low",
        streak=2,
        patience=3,
        step=300,
        samples=((100, 0), (300, 0)),
        reason="low on every scale (2 of 3 that halt): bigram 3, trigram 0, english 12, character 19",
    )
    assert verdicts[4] == Verdict(
        halt=True,
        collapsed=True,
        kind="low",
        streak=3,
        patience=3,
        step=400,
        samples=((100, 0), (300, 0), (400, 0)),
        reason="3 samples in a row scored below 30 on every scale, from step 100 to step 400",
    )


# Wrong use


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({"threshold": 0}, "threshold 0;"),
        ({"threshold": -1.0}, "threshold -1.0;"),
        ({"threshold": 100.1}, "threshold 100.1;"),
        ({"threshold": float("nan")}, "threshold nan;"),
        ({"patience": 0}, "patience 0;"),
        ({"patience": -3}, "patience -3;"),
        ({"window": 4}, "window 4;"),
        ({"patience": 9, "window": 8}, "window 8;"),
        ({"window": 0}, "window 0;"),
        ({"warmup": -1}, "warmup -1;"),
    ],
)
def test_settings_out_of_range_are_refused_with_their_value(options: dict[str, Any], value: str) -> None:
    with pytest.raises(ValueError, match="expected") as error:
        Gate(**options)
    assert value in str(error.value)


@pytest.mark.parametrize("options", [{"threshold": 100}, {"threshold": 1e-9}, {"patience": 1, "window": 1}])
def test_settings_at_the_edge_are_taken(options: dict[str, Any]) -> None:
    Gate(**options)


@pytest.mark.parametrize("state", [{}, {"format": 0}, {"format": 1}, {"format": "2"}, {"format": None}])
def test_a_state_of_another_format_is_refused_and_leaves_the_gate_as_it_was(state: dict[str, Any]) -> None:
    gate = Gate()
    replay(gate, "LL")
    before = gate.state_dict()
    with pytest.raises(ValueError, match=rf"format {state.get('format')!r};"):
        gate.load_state_dict({**Gate().state_dict(), "format": None, **state})
    assert gate.state_dict() == before


# Laws


@dataclass(frozen=True)
class Drawn:
    letter: str
    step: int
    index: int


@dataclass(frozen=True)
class Settings:
    patience: int
    window: int | None
    warmup: int
    observe_only: bool

    def gate(self) -> Gate:
        return Gate(30.0, self.patience, self.window, self.warmup, self.observe_only)


@st.composite
def runs(draw: st.DrawFn) -> tuple[Settings, list[Drawn]]:
    """A run that mostly goes on, sometimes repeats itself or goes back."""
    patience = draw(st.integers(1, 6))
    window = draw(st.none() | st.integers(patience, 10))
    options = Settings(patience, window, draw(st.sampled_from([0, 0, 3, 6])), draw(st.booleans()))
    step, samples = 0, []
    for letter in draw(st.text("LLlFs", max_size=40)):
        step = max(step + draw(st.sampled_from([0, 0, 1, 1, 1, 2, -2])), 0)
        samples.append(Drawn(letter, step, draw(st.integers(0, 2))))
    return options, samples


def given_to(gate: Gate, samples: Sequence[Drawn]) -> list[Verdict]:
    return [gate.update(LETTERS[drawn.letter], drawn.step, drawn.index) for drawn in samples]


@pytest.mark.slow
@given(runs(), st.lists(st.integers(0, 40), max_size=4))
@settings(deadline=None, max_examples=300)
def test_a_gate_saved_and_restored_anywhere_behaves_as_one_never_stopped(
    run: tuple[Settings, list[Drawn]], stops: list[int]
) -> None:
    options, samples = run
    gate, verdicts = options.gate(), []
    for number, drawn in enumerate(samples):
        if number in stops:
            saved = json.dumps(gate.state_dict(), allow_nan=False)
            gate = options.gate()
            gate.load_state_dict(json.loads(saved))
        verdicts += given_to(gate, [drawn])
    assert verdicts == given_to(options.gate(), samples)


def slow_restart(samples: Sequence[Drawn]) -> int:
    """Where the run was last set back: a sample that was there before, or that five steps have overtaken."""
    start = 0
    for n in range(1, len(samples)):
        steps, (step, index) = [d.step for d in samples[start:n]], (samples[n].step, samples[n].index)
        there = (step, index) in [(d.step, d.index) for d in samples[start:n]]
        overtaken = len({other for other in steps if other > step}) > LATE
        if (step < steps[-1] and there) or overtaken:
            start = n
    return start


def slow_counting(options: Settings, samples: Sequence[Drawn]) -> tuple[tuple[int, int], ...]:
    """The low samples that count at the end of `samples`, found again from the whole history."""
    start = slow_restart(samples)
    since = list(dict.fromkeys((d.step, d.index) for d in samples[start:]))
    first = {}
    for drawn in reversed(samples[start:]):
        first[drawn.step, drawn.index] = drawn.letter
    judged = [(at, first[at]) for at in since if at[0] >= options.warmup and first[at] != "s"]
    if options.window is not None:
        judged = judged[-options.window :]
    else:
        while "F" in (letters := [letter for _, letter in judged]):
            judged = judged[letters.index("F") + 1 :]
    return tuple(at for at, letter in judged if letter in "Ll")


def slow_verdicts(
    options: Settings, samples: Sequence[Drawn]
) -> list[tuple[bool, tuple[tuple[int, int], ...]]]:
    found: list[tuple[bool, tuple[tuple[int, int], ...]]] = []
    for end in range(1, len(samples) + 1):
        if found and found[-1][0]:
            found.append(found[-1])
        else:
            counting = slow_counting(options, samples[:end])
            found.append((len(counting) >= options.patience, counting))
    return found


@pytest.mark.slow
@given(runs())
@settings(deadline=None, max_examples=300)
@example((Settings(2, None, 0, False), [Drawn("L", 1, 0), Drawn("F", 1, 0), Drawn("L", 2, 0)]))
def test_the_gate_decides_as_its_slow_twin_that_reads_the_whole_history(
    run: tuple[Settings, list[Drawn]],
) -> None:
    options, samples = run
    verdicts = given_to(options.gate(), samples)
    assert [(verdict.collapsed, verdict.samples) for verdict in verdicts] == slow_verdicts(options, samples)
    for verdict in verdicts:
        assert verdict.streak in (0, len(verdict.samples)), "after the halt nothing counts"
        assert verdict.streak == len(verdict.samples) or verdict.collapsed
        assert len(verdict.samples) <= verdict.patience
        assert verdict.halt == (verdict.collapsed and not options.observe_only)


@pytest.mark.slow
@given(runs())
@settings(deadline=None)
def test_a_window_never_fires_later_than_a_row(run: tuple[Settings, list[Drawn]]) -> None:
    options, samples = run
    if options.window is not None:
        row = Gate(patience=options.patience, warmup=options.warmup)
        for wide, narrow in zip(given_to(options.gate(), samples), given_to(row, samples), strict=True):
            assert wide.collapsed or not narrow.collapsed


def test_a_state_that_is_not_whole_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="halt_reason, judged, seen, steps"):
        Gate().load_state_dict({"format": 3})
