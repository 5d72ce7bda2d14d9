"""The prompt that a dump does not tell: shared from step to step, and no loop, no chance, no greedy text."""

from collections.abc import Sequence
from random import Random

import pytest

from coherence.readers.prompts import LONGEST, LOOKED_AT, shared_prefixes
from coherence.readers.records import Sample

WORDS = ("the", "a", "sun", "moon", "river", "old", "small", "ran", "sat", "blue", "two", "never", "light")
PROMPT = "Hello, I'm a language model,"


def words(seed: object, count: int = 12) -> str:
    return " ".join(Random(str(seed)).choices(WORDS, k=count))  # noqa: S311 - no secrets


def sampled(texts: Sequence[Sequence[str]], prompt: str | None = None) -> list[Sample]:
    """The texts of each step."""
    return [
        Sample(step=100 * step, text=text, file="samples.jsonl", line=1, prompt=prompt)
        for step, of_step in enumerate(texts)
        for text in of_step
    ]


# What is a prompt


@pytest.mark.parametrize(
    "prompt",
    [PROMPT, "Once upon a time", "What is gravity?", "def main():\n    ", "  Once upon a", "昔々、ある所に"],
)
def test_a_beginning_that_every_step_has_is_the_prompt(prompt: str) -> None:
    found = shared_prefixes(sampled([[f"{prompt} {words(step)}"] for step in range(20)]))
    assert found == (prompt.rstrip(),)


def test_of_several_prompts_each_is_found_the_longest_first() -> None:
    prompts = [PROMPT, "Once upon a time", "Once upon a hill there"]
    steps = [[f"{prompt} {words((step, prompt))}" for prompt in prompts] for step in range(9)]
    assert shared_prefixes(sampled(steps)) == (PROMPT, "Once upon a hill there", "Once upon a time")


def test_several_samples_of_a_prompt_and_some_without_are_no_hindrance() -> None:
    steps = [[f"{PROMPT} {words((step, n))}" for n in range(4)] + [words(step)] for step in range(9)]
    assert shared_prefixes(sampled(steps)) == (PROMPT,)


def test_samples_without_steps_share_theirs_too() -> None:
    samples = [Sample(None, f"{PROMPT} {words(n)}", "samples.jsonl", 1) for n in range(20)]
    assert shared_prefixes(samples) == (PROMPT,)


def test_a_run_that_collapses_keeps_its_prompt() -> None:
    loops = [" Budy" * (20 + step % 3) for step in range(30)]
    steps = [[f"{PROMPT} {words(step)}"] for step in range(5)] + [[PROMPT + loop] for loop in loops]
    assert shared_prefixes(sampled(steps)) == (PROMPT,)


def test_a_step_at_which_a_sample_was_drawn_twice_is_no_hindrance() -> None:
    steps = [[f"{PROMPT} {words((step, n))}" for n in range(2 if step == 4 else 1)] for step in range(12)]
    assert shared_prefixes(sampled(steps)) == (PROMPT,)


def test_a_prompt_ends_with_a_whole_word() -> None:
    rests = ["sunny", "sunless", "sundown", "sun", "sunken", "sunlit", "sunday"]
    found = shared_prefixes(sampled([[f"Today the sky is {rest} again"] for rest in rests]))
    assert found == ("Today the sky is",)


# What is none


@pytest.mark.parametrize(
    "steps",
    [
        # nothing in common
        [[words(step)] for step in range(20)],
        # a word with which texts begin
        [[f"The {words(step)}"] for step in range(20)],
        [[f"Once {words(step)}", f"One {words(-step)}"] for step in range(20)],
        # a beginning that texts like, but not all
        [[f"Once upon a time {words(step)}" if step % 7 else words(step)] for step in range(20)],
        [[f"Once upon a time {words((step, n))}" for n in range(1 + step % 4)] + ["a"] for step in range(20)],
        # loops, of one word or of three, with and without an end
        [["Budy " * (20 + step)] for step in range(20)],
        [["Budy " * 20 + words(step, 3)] for step in range(20)],
        [["we and they " * 9 + words(step, 3)] for step in range(20)],
        # the same text at every step, or one that changes now and then
        [[words("same", 30)] for _ in range(20)],
        [[words("same", 30) + f" {words(step // 10, 9)}"] for step in range(20)],
        [[words("same", 30) + f" {words(step // 7, 9)}"] for step in range(28)],
        [[words("same", 30) + (" cold " if step < 9 else " warm ") + words(step)] for step in range(20)],
        # nothing at all
        [[""] for _ in range(20)],
        [],
        # too few steps to tell
        [[f"{PROMPT} {words(step)}"] for step in range(4)],
        # a prompt of its own at each step
        [[f"{words(('prompt', step // 5))} {words(step)}"] for step in range(20)],
    ],
)
def test_chance_loops_and_greedy_texts_are_no_prompts(steps: list[list[str]]) -> None:
    assert shared_prefixes(sampled(steps)) == ()


def test_samples_that_have_a_prompt_of_their_own_are_passed_over() -> None:
    steps = [[f"{PROMPT} {words(step)}"] for step in range(20)]
    assert shared_prefixes(sampled(steps, prompt="Why?")) == ()
    others = sampled([[words(step)] for step in range(9)], prompt="Why?")
    assert shared_prefixes(others + sampled(steps)) == (PROMPT,)


def test_the_first_thousand_are_looked_at_and_a_step_that_is_cut_in_two_is_left_out() -> None:
    steps = [[f"{PROMPT} {words((step, n))}" for n in range(30)] for step in range(40)]
    assert len(steps[0]) * 33 < LOOKED_AT < len(steps[0]) * 34
    assert shared_prefixes(sampled(steps)) == (PROMPT,)
    drawn = iter(sampled(steps))
    shared_prefixes(drawn)
    assert sum(1 for _ in drawn) == 40 * 30 - LOOKED_AT


def test_a_prompt_that_stands_behind_the_thousandth_sample_of_a_step_is_no_less_a_prompt() -> None:
    prompts = [
        f"{PROMPT} {number}" for number in ("one:", "two:", "three:", "four:", "five:", "six:", "seven:")
    ]
    steps = [[f"{prompt} {words((step, prompt))}" for prompt in prompts] for step in range(200)]
    assert LOOKED_AT % len(prompts) == len(prompts) - 1
    assert set(shared_prefixes(sampled(steps))) == set(prompts)


def test_very_long_texts_are_compared_at_their_beginnings() -> None:
    steps = [[f"{PROMPT} {words(step)} " + "word " * LONGEST] for step in range(20)]
    assert shared_prefixes(sampled(steps)) == (PROMPT,)
