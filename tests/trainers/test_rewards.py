"""The reward functions for verl and OpenRLHF, called as these call them."""

import asyncio
import inspect
from typing import Any

import pytest

from coherence.trainers.rewards import compute_score, reward_func

FINE = "The cat sat by the door and waited for the rain to stop."
LOW = "Budy Budy Budy Budy"


class TestVerl:
    def test_a_low_answer_costs_the_penalty_and_is_counted(self) -> None:
        # verl calls with these names, with those of reward_kwargs, and with a judge's address if it has one.
        given: dict[str, Any] = {
            "data_source": "openai/gsm8k",
            "ground_truth": "72",
            "extra_info": {"num_turns": 2},
        }
        others: dict[str, Any] = {
            "penalty": 0.5,
            "reward_router_address": None,
            "reward_model_tokenizer": None,
        }
        low = compute_score(solution_str=LOW, **given, **others)
        fine = compute_score(solution_str=FINE, **given, **others)
        assert (low["score"], low["coherence_low"]) == (-0.5, 1.0)
        assert (fine["score"], fine["coherence_low"]) == (0.0, 0.0)
        assert low["coherence"] < 30 < fine["coherence"]

    def test_every_answer_has_the_same_numbers_for_the_log(self) -> None:
        answers = [compute_score("math", text, None) for text in (FINE, LOW, "", "42", "!")]
        assert {tuple(each) for each in answers} == {("score", "coherence", "coherence_low")}
        assert all(isinstance(value, float) for each in answers for value in each.values())
        assert [each["score"] for each in answers] == [0.0, -0.0, -0.0, 0.0, 0.0]

    def test_it_is_called_in_a_thread_not_awaited(self) -> None:
        assert not inspect.iscoroutinefunction(compute_score)
        assert list(inspect.signature(compute_score).parameters)[:4] == [
            "data_source",
            "solution_str",
            "ground_truth",
            "extra_info",
        ]


class TestOpenRLHF:
    def test_answers_are_scored_without_their_prompts(self) -> None:
        pytest.importorskip("torch", reason="OpenRLHF takes tensors")
        prompts = [f"{FINE} Who? ", "Who? "]
        found = reward_func([prompts[0] + LOW, prompts[1] + FINE], prompts, ["Bud", "Bud"], penalty=0.5)
        assert found["rewards"].tolist() == [-0.5, 0.0]
        assert found["scores"].tolist() == [0.0, 1.0]
        assert found["extra_logs"]["coherence_low"].tolist() == [1.0, 0.0]
        assert found["extra_logs"]["coherence"][0] < 30 < found["extra_logs"]["coherence"][1]

    def test_a_thread_calls_with_one_answer(self) -> None:
        pytest.importorskip("torch", reason="OpenRLHF takes tensors")
        found = asyncio.run(asyncio.to_thread(reward_func, [f"Who? {LOW}"], ["Who? "], ["Bud"]))
        assert {name: len(found[name]) for name in ("rewards", "scores")} == {"rewards": 1, "scores": 1}
