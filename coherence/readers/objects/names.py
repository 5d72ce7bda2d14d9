"""The keys under which trainers write, and the ways in which they spell them.

Of several that a row has, the first counts. Source: docs/formats.md, "Names".
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from coherence.readers.objects.messages import CALLS, REASONING

RawRow = Mapping[str, Any]
"""A row of any format."""

STEP = (
    *("step", "global_step", "iter", "iteration", "steps", "current_steps", "gen_step"),
    *("train/global_step", "trainer/global_step", "training/global_step", "global_step/max_steps"),
    *("num_updates", "iter_num", "iteration_number", "training_step", "train_step", "_step"),
    *("checkpoint", "epoch"),
)
TEXT = (
    *("text", "completion", "generated_text", "generated", "generation", "output", "sample", "response"),
    *("predict", "prediction", "messages"),
)
PLAIN_TEXT = frozenset(TEXT) - {"messages"}
"""Those of them that hold the text itself; a list of messages may be the prompt."""

SEVERAL = ("completions", "responses", "generations", "generated_texts", "outputs", "predictions", "samples")
"""Lists of texts: each is a sample of its row's step."""

PROMPTS = {"prompts": "prompt", "inputs": "input", "questions": "question", "finish_reasons": "finish_reason"}
"""Lists of what belongs to such texts, one to each."""

PROMPT = ("prompt", "input", "question", "instruction", "messages")
LOSS = ("loss", "train_loss", "train/loss", "train_loss_step", "training_loss", "loss/train")
TIME = ("time", "timestamp", "_timestamp")
RUN = ("run", "run_id", "run_name")
REWARD = ("reward", "rewards", "score")
"""What a text earned in reinforcement learning."""
FINISH = ("finish_reason", "finish_reasons", "stop_reason", "finishReason", "done_reason")
"""Why a server ended a text."""

BESIDE = (*REASONING, *CALLS)
"""What the model wrote besides its text; servers write it under keys of its own."""
GROUP = ("prompt_id", "prompt_idx", "prompt_index", "custom_id")
"""Of samples that belong together, where no other key is named: those of one prompt."""

READ = (*STEP, *TEXT, *PROMPT, *LOSS, *TIME, *RUN, *GROUP, *REWARD, *FINISH, *BESIDE, "source", "grad_norm")
"""All keys of a row that matter."""

SKIPPED = "coherence: skipped"
"""Of a row that an object unfolds to: it holds no sample, and the value says why."""

ANSWER = "coherence: answer"
"""Of rows that state the same sample once for each of several values: those with the file's first count."""


def _spellings(name: str) -> Iterator[str]:
    """Yield the other ways in which people and notebooks write a name."""
    spoken = name.replace("_", " ")
    for each in (name, spoken, spoken.replace(" ", "-")):
        yield from (each, each.capitalize(), each.title(), each.upper())


def _other_spellings(names: Iterable[str]) -> dict[str, str]:
    own = set(names)
    return {each: name for name in names for each in _spellings(name) if each not in own}


SPELLED = _other_spellings((*STEP, *TEXT, *SEVERAL, *PROMPT, *LOSS, "source", "grad_norm"))
"""Other spellings of the names of a step, a text, a prompt and a loss: `Training Loss`, `STEP`."""


def usual_name(spelled: str) -> str:
    """Return a name as trainers write it in files.

    >>> usual_name("Training Loss"), usual_name("loss"), usual_name("accuracy")
    ('training_loss', 'loss', 'accuracy')
    """
    return SPELLED.get(spelled, spelled)
