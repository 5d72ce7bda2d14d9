"""The keys that trainers use, and their spellings.

If a row has several, the first counts. Source: docs/formats.md, "Names".
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from coherence.readers.objects.messages import CALLS, REASONING

RawRow = Mapping[str, Any]
"""A row of any format."""

STEP = (
    # The steps of the optimizer; the others may count batches or the steps of an epoch next to them.
    *("global_step", "train/global_step", "trainer/global_step", "training/global_step"),
    *("global_step/max_steps", "optimizer_step", "num_updates"),
    *("step", "iter", "iteration", "steps", "current_steps", "gen_step", "iter_num", "iteration_number"),
    *("training_step", "train_step", "trainer_step", "policy_step", "_step"),
    *("checkpoint_step", "ckpt_step", "checkpoint", "epoch"),
)
OF_MODEL = (
    *("model_output", "model_response", "model_completion", "model_generation", "generated_output"),
    *("generated_response", "generated_completion", "generated_text", "output_pred"),
)
"""Texts of the model, as their names say: any other text next to them may be the reference.

`model_answer` and `prediction` are often only what a script took out of the text.
"""
TEXT = (
    *OF_MODEL,
    *("text", "completion", "generated", "generation", "output", "sample", "response"),
    *("predict", "prediction", "model_answer", "messages"),
)
PLAIN_TEXT = frozenset(TEXT) - {"messages"}
"""Those keys that hold the text itself; a list of messages may be the prompt."""

SEVERAL_OF_MODEL = tuple(f"{name}s" for name in OF_MODEL)
SEVERAL = (
    *SEVERAL_OF_MODEL,
    *("completions", "responses", "generations", "outputs", "predictions", "samples"),
)
"""Lists of texts: each text is a sample of the step of its row."""

PROMPTS = {"prompts": "prompt", "inputs": "input", "questions": "question", "finish_reasons": "finish_reason"}
"""Lists with one element for each of these texts."""

PERHAPS_PROMPT = ("query", "inputs", "full_prompt", "context")
"""These may hold something else if they are lists."""

PROMPT = ("prompt", "input", "question", "instruction", "messages", *PERHAPS_PROMPT)
LOSS_ELSEWHERE = (
    *("lm loss", "lm_loss", "reduced_train_loss", "loss/train/total", "train/CrossEntropyLoss"),
    *("train/CE loss", "loss_metrics/global_avg_loss", "learning/loss"),
)
"""What Megatron, NeMo, composer, OLMo, torchtitan and MaxText log to a tracker."""

LOSS = (
    *("loss", "train_loss", "train/loss", "train_loss_step", "training_loss", "loss/train"),
    *LOSS_ELSEWHERE,
)
SPLIT = ("split", "phase", "mode", "stage", "type", "kind", "subset", "set", "event")
NAMED = ("dataset", "data", "name", "prefix")
"""Such a name may hold such a word by chance, so it counts only as a whole."""
VALIDATIONS = frozenset(
    (
        *("val", "valid", "validation", "validate", "eval", "evaluation", "evaluate", "test", "dev"),
        *("heldout", "holdout", "held"),
    )
)
"""Under such a key, a value with such a word says that the loss of a row is not that of the training."""
TRAININGS = frozenset(("train", "training"))
IS_VALIDATION = tuple(f"is_{word}" for word in sorted(VALIDATIONS))
VALIDATED = ("eval_runtime", "eval/runtime")
"""What the Hugging Face Trainer measures in an evaluation."""
_OF_BOTH = ("eval_loss", "eval/loss")
"""A row of a training step that was also evaluated has a second loss."""

MOST_WORDS = 4
"""A value of more words is a message, as some loggers write it under `event`."""

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")

TIME = ("time", "timestamp", "_timestamp")
RUN = ("run", "run_id", "run_name")
REWARD = ("reward", "rewards", "score")
"""What a text earned in reinforcement learning."""
FINISH = ("finish_reason", "finish_reasons", "stop_reason", "finishReason", "done_reason")
"""Why a server ended a text."""

BESIDE = (*REASONING, *CALLS)
"""What the model wrote in addition to its text; servers write it under separate keys."""
GROUP = ("prompt_id", "prompt_idx", "prompt_index", "custom_id")
"""Keys of groups of samples, if no other key is named: samples of one prompt are a group."""

READ = (*STEP, *TEXT, *PROMPT, *LOSS, *TIME, *RUN, *GROUP, *REWARD, *FINISH, *BESIDE, "source", "grad_norm")
"""All keys of a row that matter."""

SKIPPED = "coherence: skipped"
"""A key of rows made from an object: the row holds no sample, and the value says why."""

ANSWER = "coherence: answer"
"""A key of rows that repeat a sample for each of several values: rows with the file's first value count."""


def _spellings(name: str) -> Iterator[str]:
    """Yield the other spellings of a name that people and notebooks use."""
    spoken = name.replace("_", " ")
    for each in (name, spoken, spoken.replace(" ", "-")):
        yield from (each, each.capitalize(), each.title(), each.upper())


def _other_spellings(names: Iterable[str]) -> dict[str, str]:
    own = set(names)
    return {each: name for name in names for each in _spellings(name) if each not in own}


SPELLED = _other_spellings((*STEP, *TEXT, *SEVERAL, *PROMPT, *LOSS, "source", "grad_norm"))
"""Other spellings of the names of a step, a text, a prompt and a loss: `Training Loss`, `STEP`."""


def usual_name(spelled: str) -> str:
    """Return the usual spelling of a name in files of trainers.

    >>> usual_name("Training Loss"), usual_name("loss"), usual_name("accuracy")
    ('training_loss', 'loss', 'accuracy')
    """
    return SPELLED.get(spelled, spelled)


SAYS_SPLIT = frozenset((*SPLIT, *NAMED, *IS_VALIDATION, *VALIDATED))
"""All keys that may say that a row is of validation."""


def is_of_validation(row: RawRow) -> bool:
    """Tell whether the loss of a row is not that of the training, from what the row says of itself.

    >>> is_of_validation({"type": "eval_step", "loss": 2.5}), is_of_validation({"is_eval": True, "loss": 2.5})
    (True, True)
    >>> is_of_validation({"split": "train", "name": "my-test-run", "loss": 2.5})
    False
    """
    if SAYS_SPLIT.isdisjoint(row):
        return False
    if "loss" in row and _has_any(row, VALIDATED) and not _has_any(row, _OF_BOTH):
        return True
    if any(str(row[key]).lower() in ("true", "1", "1.0") for key in IS_VALIDATION if key in row):
        return True
    for key in (*SPLIT, *NAMED):
        if isinstance(value := row.get(key), str):
            words = _words(value) if key in SPLIT else {value.strip(" /_").lower()}
            if TRAININGS & words:
                return False
            if VALIDATIONS & words:
                return True
    return False


def _has_any(row: RawRow, keys: Iterable[str]) -> bool:
    return any(row.get(key) is not None for key in keys)


def _words(value: str) -> set[str]:
    words = [word.group().lower() for word in islice(_WORD.finditer(value), MOST_WORDS + 1)]
    return set(words) if len(words) <= MOST_WORDS else set()
