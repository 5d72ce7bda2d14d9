"""Which samples of a run show what its verdict says."""

from collections.abc import Iterable
from typing import NamedTuple

from coherence.scoring.scores import score
from coherence.show.page.evidence import MOST, PROMPTS, Evidence, Witness
from coherence.signals.gate import Gate

FINE = "The cat sat by the door and waited for the rain to stop."
LOW = "so it is " * 20
LOWER = "no " * 60
SHORT = "Yes."


class Seen(NamedTuple):
    step: int
    text: str
    prompt: str


def witness_of(samples: Iterable[tuple[str, str]], gate: Gate | None = None) -> Witness[Seen]:
    """Return what saw samples, each a text and its prompt, one a step."""
    gate, witness = gate or Gate(patience=3), Witness[Seen]()
    for step, (text, prompt) in enumerate(samples):
        scores = score(text)
        witness.see(Seen(step, text, prompt), prompt, (step, 0), gate.update(scores, step), scores.mean)
    return witness


def steps_of(evidence: Evidence[Seen]) -> tuple[int | None, list[int]]:
    return evidence.good and evidence.good.step, [each.step for each in evidence.bad]


def test_a_halt_is_shown_by_its_streak_and_the_last_good_sample_before_it() -> None:
    witness = witness_of([(FINE, "a"), (FINE, "a"), (LOW, "a"), (LOW, "a"), (LOWER, "a"), (LOW, "a")])
    assert steps_of(witness.evidence(halted=True)) == (1, [2, 3, 4])


def test_the_good_sample_is_of_the_prompt_of_the_first_of_the_streak_if_there_is_one() -> None:
    witness = witness_of([(FINE, "a"), (FINE, "b"), *[(LOW, "a"), (LOW, "b"), (LOW, "b")]])
    assert steps_of(witness.evidence(halted=True)) == (0, [2, 3, 4])
    witness = witness_of([(FINE, "a"), (FINE, "b"), *[(LOW, "c")] * 3])
    assert steps_of(witness.evidence(halted=True)) == (1, [2, 3, 4])


def test_a_streak_that_ended_and_what_came_after_the_halt_are_left_out() -> None:
    witness = witness_of([*[(LOW, "a")] * 2, (FINE, "a"), *[(LOW, "a")] * 4, (FINE, "a"), (LOWER, "a")])
    assert steps_of(witness.evidence(halted=True)) == (2, [3, 4, 5])


def test_samples_too_short_to_judge_are_neither_good_nor_bad() -> None:
    witness = witness_of([(FINE, "a"), (SHORT, "a"), (LOW, "a"), (SHORT, "a"), (LOW, "a"), (LOW, "a")])
    assert steps_of(witness.evidence(halted=True)) == (0, [2, 4, 5])


def test_with_a_window_the_good_sample_is_before_the_first_that_counts() -> None:
    texts = [FINE, LOW, FINE, LOW, FINE, LOW]
    witness = witness_of([(text, "a") for text in texts], Gate(patience=3, window=5))
    assert steps_of(witness.evidence(halted=True)) == (0, [1, 3, 5])


def test_a_run_that_is_not_halted_is_shown_by_its_worst_sample_and_the_last_good_one_before() -> None:
    witness = witness_of([(FINE, "a"), (LOW, "a"), (FINE, "a"), (LOWER, "a"), (FINE, "a"), (LOW, "a")])
    assert steps_of(witness.evidence(halted=False)) == (2, [3])


def test_a_run_without_low_samples_has_no_evidence_and_one_without_good_ones_no_good_sample() -> None:
    assert witness_of([(FINE, "a")] * 3).evidence(halted=False) == Evidence()
    assert steps_of(witness_of([(LOW, "a")] * 3).evidence(halted=True)) == (None, [0, 1, 2])


def test_after_an_acknowledged_halt_the_next_one_is_shown() -> None:
    gate, witness = Gate(patience=2), Witness[int]()
    for step, text in enumerate([FINE, LOW, LOW, LOW, FINE, LOW, LOW]):
        if step == 4:
            gate.reset()
        scores = score(text)
        witness.see(step, None, (step, 0), gate.update(scores, step), scores.mean)
    assert witness.evidence(halted=True) == Evidence(4, (5, 6))


def test_of_a_long_streak_the_last_samples_are_kept() -> None:
    patience = MOST + 5
    witness = witness_of([(FINE, "a"), *[(LOW, "a")] * patience], Gate(patience=patience))
    assert steps_of(witness.evidence(halted=True)) == (0, list(range(patience + 1 - MOST, patience + 1)))


def test_of_many_prompts_the_last_are_remembered() -> None:
    gate, witness = Gate(patience=1), Witness[int]()
    fine, low = score(FINE), score(LOW)
    for step in range(PROMPTS + 1):
        witness.see(step, step, (step, 0), gate.update(fine, step), fine.mean)
    witness.see(-1, 0, (5000, 0), gate.update(low, 5000), low.mean)
    assert witness.evidence(halted=True) == Evidence(PROMPTS, (-1,))


def test_what_a_restart_made_void_is_forgotten() -> None:
    witness = witness_of([(FINE, "a"), (FINE, "b"), (FINE, "a"), (LOWER, "a"), (LOW, "a")])
    witness.keep(lambda sample: sample.step < 2)
    assert witness.evidence(halted=False) == Evidence()
    scores, gate = score(LOW), Gate(patience=1)
    witness.see(Seen(2, LOW, "a"), "a", (2, 0), gate.update(scores, 2), scores.mean)
    assert steps_of(witness.evidence(halted=True)) == (1, [2])
