"""Reward functions for verl and OpenRLHF: a penalty for a low answer, and its scores for the log.

Both libraries call with one answer at a time, in several processes and without the step, so a gate is not
used here: it needs the run's rollouts in their order. Source: docs/trainers/trl.md.
"""

# ruff: noqa: ARG001 - the arguments that the trainers pass to every reward function

from collections.abc import Sequence
from typing import Any

from coherence.scoring.scores import LOW_BELOW, score

__all__ = ["compute_score", "reward_func"]


def compute_score(
    data_source: Any,
    solution_str: str,
    ground_truth: Any,
    extra_info: Any = None,
    penalty: float = 0.0,
    **others: Any,
) -> dict[str, float]:
    """Return verl's reward for one answer: `-penalty` if it is low, else 0, and numbers for the log.

    Args:
        data_source: not used.
        solution_str: the answer.
        ground_truth: not used.
        extra_info: not used.
        penalty: what a low answer costs.
        others: not used.

    Returns:
        `score`, the reward; `coherence`, the mean of the four scores, 0 to 100; `coherence_low`, 1 if the
        answer is low.

    >>> compute_score("math", "", "42", penalty=0.5)
    {'score': -0.5, 'coherence': 0.0, 'coherence_low': 1.0}
    """
    return _reward(solution_str, None, penalty)


def reward_func(
    queries: Sequence[str], prompts: Sequence[str], labels: Any, penalty: float = 0.0, **others: Any
) -> dict[str, Any]:
    """Return OpenRLHF's rewards for answers: `-penalty` for a low one, else 0, and numbers for the log.

    Args:
        queries: the prompts with their answers.
        prompts: the prompts alone.
        labels: not used.
        penalty: what a low answer costs.
        others: not used.

    Returns:
        `rewards`; `scores`, 0 for a low answer and 1 for any other; `extra_logs` with `coherence`, the mean
        of the four scores, and `coherence_low`. Each is a tensor with a number for each answer.

    """
    import torch  # OpenRLHF needs torch anyway; verl's function does not

    found = [_reward(query, prompt, penalty) for query, prompt in zip(queries, prompts, strict=True)]
    columns = {name: torch.tensor([each[name] for each in found]) for name in ("score", *_LOGGED)}
    return {
        "rewards": columns["score"],
        "scores": 1.0 - columns["coherence_low"],
        "extra_logs": {name: columns[name] for name in _LOGGED},
    }


_LOGGED = ("coherence", "coherence_low")


def _reward(text: str, prompt: str | None, penalty: float) -> dict[str, float]:
    scores = score(text, prompt)
    low = scores.low(LOW_BELOW)
    return {"score": -penalty if low else 0.0, "coherence": scores.mean, "coherence_low": float(low)}
