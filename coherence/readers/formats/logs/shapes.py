"""The shapes of a line, by the trainers that write them: a table, each with a pattern or a function.

Source: docs/formats.md, "Training logs".
"""

import math
import re
from collections.abc import Callable
from typing import NamedTuple

from coherence.readers.formats.logs.entries import (
    COUNT,
    LONGEST_STEP,
    NUMBER,
    POLICY,
    TRAINING,
    VALIDATION,
    LogEntry,
    count,
    entry,
    is_of_policy,
    losses_in,
    number,
)
from coherence.signals.loss import kind_beside
from coherence.signals.steps import LARGEST_STEP

LONGEST = 4096
"""Characters; no trainer writes a longer line, so longer ones are not searched."""


class Shape(NamedTuple):
    """How one trainer writes a line.

    Attributes:
        trainer: its name.
        signs: every such line holds one of these, and searching for them is fast.
        read: returns the entry of a line, None if it does not have the shape.
    """

    trainer: str
    signs: tuple[str, ...]
    read: Callable[[str], LogEntry | None]


def entry_of(line: str) -> LogEntry | None:
    """Return what a trainer wrote on a line; None for any other line.

    >>> entry_of("step    1/18865 | train loss 11.009 | norm 15.4")
    LogEntry(step=1, loss=11.009, kind=0, grad_norm=15.4, beside=None, epoch=None, length=18865, certain=0)
    >>> entry_of("the loss fell at every step") is None
    True
    """
    if len(line) > LONGEST or not line:
        return None
    if line[0] in _BEGINS_SHORT or _has_a_word(line):
        for shape in SHAPES:
            for sign in shape.signs:
                if sign in line:
                    if (found := shape.read(line)) is not None:
                        return found if found.step is None or found.step <= LARGEST_STEP else None
                    break
    return LogEntry(None) if line[0] in _BEGINS_ASIDE and _ASIDE.match(line) else None


def _shape(trainer: str, sign: str, pattern: str) -> Shape:
    """Return a shape of named groups: `step`, or `epoch` and `in_epoch` and `length`; and `rest`.

    An epoch in `from0` is counted from 0, one in `epoch` from 1.
    """
    compiled = re.compile(pattern, re.DOTALL)

    def read(line: str) -> LogEntry | None:
        match = compiled.match(line.strip())
        if match is None:
            return None
        groups = match.groupdict()
        if any(len(groups.get(name) or "") > LONGEST_STEP for name in ("step", "epoch", "from0", "length")):
            return None
        rest = groups["rest"]
        if groups.get("step"):
            return entry(int(groups["step"]), rest)
        before = int(groups["from0"]) if groups.get("from0") else max(int(groups["epoch"]) - 1, 0)
        found = entry(before * int(groups["length"]) + int(groups["in_epoch"]), rest)
        return None if found.loss is None and found.kind != POLICY else found

    return Shape(trainer, (sign,), read)


# --- Figures alone ----------------------------------------------------------------------------------------

_LLM_C = re.compile(r"s:(\d+) (trl|tel|eval):(\S+)(?:.* norm:(\S+))?")
_BUILD_NANOGPT = re.compile(r"(\d+) (train|val|hella) (\S+)")
_GPT2_SIMPLE = re.compile(r"\[(\d+) \| [\d.]+\] loss=(\S+) avg=\S+")


def _short(line: str) -> LogEntry | None:
    """Return the entry of a line that is only figures: of llm.c, build-nanogpt, gpt-2-simple."""
    if match := _LLM_C.fullmatch(line.strip()):
        kind = {"trl": TRAINING, "tel": VALIDATION}.get(match[2])
        return _entry(match[1], match[3], kind, match[4])
    if match := _BUILD_NANOGPT.fullmatch(line.strip()):
        kind = {"train": TRAINING, "val": VALIDATION}.get(match[2])
        return _entry(match[1], match[3], kind)
    if match := _GPT2_SIMPLE.fullmatch(line.strip()):
        return _entry(match[1], match[2], TRAINING)
    return None


def _entry(step: str, loss: str, kind: int | None, grad_norm: str | None = None) -> LogEntry | None:
    value = number(loss)
    if value is None or len(step) > 20:
        return None
    return LogEntry(int(step)) if kind is None else LogEntry(int(step), value, kind, number(grad_norm))


# --- Megatron ---------------------------------------------------------------------------------------------

_MEGATRON = re.compile(r" iteration +(\d+)/ *\d+ \|.*\|")
_MEGATRON_VALIDATION = re.compile(r" *validation[\w ]* loss at iteration (\d+) .*?\| lm loss value: (\S+)")
_MEGATRON_FIELD = re.compile(r"\| ([a-z][a-z_ ]*): +([^\s|]+) (?=\|)")


def _megatron(line: str) -> LogEntry | None:
    """Return the entry of a line of Megatron.

    Megatron leaves out a loss that is not finite; for a skipped step it writes none, or 0.
    """
    if match := _MEGATRON_VALIDATION.match(line):
        return _entry(match[1], match[2], VALIDATION)
    if (match := _MEGATRON.search(line)) is None or len(match[1]) > 20:
        return None
    fields = {
        name.replace("_", " "): value for name, value in _MEGATRON_FIELD.findall(line)
    }  # GPT-NeoX: lm_loss
    loss, norm = (number(fields.get(name)) for name in ("lm loss", "grad norm"))
    skipped, nans = (number(fields.get(f"number of {kind} iterations")) for kind in ("skipped", "nan"))
    if nans or (loss is None and norm is not None and not math.isfinite(norm)):
        loss = math.nan
    elif skipped and not loss:
        loss = None
    return LogEntry(int(match[1]), loss, TRAINING, norm)


# --- The Hugging Face Trainer -----------------------------------------------------------------------------

_HUGGING_FACE = re.compile(r"(?:.*\])?\s*(\{'[^']+': .*\})\s*")
_HUGGING_FACE_NAME = re.compile(r"'([^']+)':")
_HUGGING_FACE_FIELD = re.compile(r"'([\w/]+)': '?(?:[A-Za-z]\w{0,9}(?:\.\w{1,9})?\()?([^,'}\s)]+)")
_HUGGING_FACE_STEP = ("global_step/max_steps", "global_step", "step", "iter")


def _hugging_face(line: str) -> LogEntry | None:
    """Return the entry of a dictionary that the Hugging Face Trainer printed; it rarely has a step."""
    if (match := _HUGGING_FACE.fullmatch(line)) is None:
        return None
    fields = dict(_HUGGING_FACE_FIELD.findall(match[1]))
    if not fields.keys() & {"loss", "eval_loss", "train_runtime", "eval_runtime"}:
        return None
    digits = next((fields[name].partition("/")[0] for name in _HUGGING_FACE_STEP if name in fields), "")
    step = int(digits) if digits.isdecimal() and len(digits) <= LONGEST_STEP else None
    loss = None if "train_runtime" in fields else number(fields.get("loss"))
    beside = kind_beside(_HUGGING_FACE_NAME.findall(match[1]))
    epoch = number(fields.get("epoch"))
    found = LogEntry(step, loss, TRAINING, number(fields.get("grad_norm")), beside)
    return found._replace(epoch=epoch) if step is None and "eval_loss" not in fields else found


# --- Reinforcement learning -------------------------------------------------------------------------------

_VERL = re.compile(r"step:(\d{1,15}) - [\w/.@-]{1,200}:")
_VERL_NAME = re.compile(r" - ([\w/.@-]{1,200}):")
_OF_A_DICTIONARY = re.compile(
    r"(?:\W{0,4}global[_ ])?(?:step|rollout|train(?:ing)?|eval) {0,4}(\d{1,15}): {0,4}\{['\"]", re.IGNORECASE
)
_PRIME_RL = re.compile(
    r"step {0,4}(\d{1,15}) \| time: .{1,200}\| (?:entropy|reward|mismatch kl): ", re.IGNORECASE
)


def _policy(line: str) -> LogEntry | None:
    """Return the step of a line of a trainer for policies: verl, OpenRLHF, slime, prime-rl."""
    body = line.strip()
    match = _VERL.match(body)
    if match and losses_in(body) and not is_of_policy(body) and not kind_beside(_VERL_NAME.findall(body)):
        return None  # verl's training on answers: a cross-entropy
    match = match or _PRIME_RL.match(body)
    if match is None and (found := _OF_A_DICTIONARY.match(body)) and is_of_policy(body):
        match = found
    return LogEntry(int(match[1]), None, POLICY) if match else None


# --- Steps within an epoch, which the survey counts on: the first epoch is 0 or 1 -------------------------

_IN_EPOCH = re.compile(
    r"(?:[\w.-]{1,40}\] \([\w./-]{1,60} \d{1,5}\): INFO )?(?:Epoch|Train):? ?\[?(\d{1,9})(?:/-?\d{1,9})?\]?"
    r"(?: ?\[ *| +[\u2500-\u257f][\u2500-\u257f ]{0,200} )"
    r"(\d{1,15})/(\d{1,15})(?: \( *\d+%\))?\]?[\s,](.*)",
    re.DOTALL,
)


def _in_epoch(line: str) -> LogEntry | None:
    """Return the entry of a line of mmcv, Swin, timm, or of Lightning's rich bar.

    They begin with `Epoch [1][10/50]`, `Train: [0/9][10/50]`, `Train: 0 [10/50 (20%)]`, `Epoch 0 ━━━ 10/50`.
    """
    if (match := _IN_EPOCH.fullmatch(line.strip())) is None:
        return None
    found = entry(int(match[2]), match[4], int(match[1]), int(match[3]))
    return None if found.loss is None else found


# --- Any script that begins a line with the step ----------------------------------------------------------

# What loggers, launchers and schedulers write before a line.
_PREFIX = re.compile(
    r"(?:\[[^\]]{0,80}\]:? *|\d{4}-\d\d-\d\d[ T][\d:.,]+Z? *(?:[-|] *)?|(?:INFO|DEBUG)[:\s|-]+(?:\w+:)?)*",
)

# `step    1/18865 | train loss 11.0`, `iter 100: loss 2.45`, `step:5/1390 val_loss:3.3`, `Step 1 | loss:2.1`
_STEP = re.compile(
    r"(?:iter_dt [\d.]+ms; )?(?:epoch {0,4}[:=#]? {0,4}[\[(]?([\d.]+)(?:/\d+)?[\s,|:;\])-]*)?"
    rf"[\[(]?(?:global[_ ])?(?:step|iter(?:ation)?)[\s:=#]*[\[(]?({COUNT})(?: {{0,9}}/ {{0,9}}({COUNT}))?+"
    r"(?![\d.]*\w)(.*)",
    re.IGNORECASE | re.DOTALL,
)

# Lines with a step but without a loss: `Step 00250 | Validation bpb: 0.9`, `step:5/1390 train_time:...`
_STEP_ALONE = re.compile(r"step:\d+/\d+ \w+:|Step \d+ \| [\w ]+: [\d.]+$")


def _stepped(line: str) -> LogEntry | None:
    """Return the entry of a line that begins with the step, as most trainers write it."""
    body = line.strip()
    match = _STEP.fullmatch(body)
    if match is None and (prefix := _PREFIX.match(body)):
        body = body[prefix.end() :]
        match = _STEP.fullmatch(body)
    if match is None or (step := count(match[2])) is None:
        return None
    epoch = count(match[1]) if match[1] and match[1].isdecimal() else None
    found = entry(step, match[4], epoch, count(match[3]))
    if found.loss is not None or found.kind == POLICY or _STEP_ALONE.match(body):
        return found
    return None


SHAPES: tuple[Shape, ...] = (
    Shape(
        "llm.c, build-nanogpt, gpt-2-simple",
        ("trl:", "tel:", "eval:", "train ", "val ", "hella ", "avg="),
        _short,
    ),
    _shape(
        "NeMo",
        "loss: ",
        r"Training epoch \d++, iteration \d++/\d++ \|.*?\| global_step: (?P<step>\d++) \|(?:.*?\|)??"
        r" reduced_train_(?P<rest>loss: .*)",
    ),
    Shape("Megatron", (" iteration",), _megatron),
    Shape("Hugging Face", ("{'",), _hugging_face),
    Shape("verl, OpenRLHF, slime, prime-rl", ("step:", "tep ", "rollout ", "train "), _policy),
    _shape(
        "minimind",
        "poch:",
        r"Epoch: ?\[(?P<epoch>\d++)/\d++\] ?\((?P<in_epoch>\d++)/(?P<length>\d++)\),? *+(?P<rest>.*)",
    ),
    _shape(
        "MAE, timm, torchvision",
        "poch: ",
        r"Epoch: +\[(?P<from0>\d++)\] *\[ *(?P<in_epoch>\d++)/(?P<length>\d++)\](?P<rest>.*)",
    ),
    _shape(
        "examples of PyTorch",
        "rain Epoch: ",
        r"Train Epoch: (?P<epoch>\d++) \[ *(?P<in_epoch>\d++)/(?P<length>\d++) \([^)]{0,20}\)\](?P<rest>.*)",
    ),
    _shape(
        "mmengine, xtuner",
        "poch(train)",
        r"Epoch\(train\) +\[(?P<epoch>\d++)\]\[ *(?P<in_epoch>\d++)/(?P<length>\d++)\](?P<rest>.*)",
    ),
    Shape("mmcv, Swin, timm, Lightning", ("Epoch ", "Train: "), _in_epoch),
    _shape("llama2.c", " | loss ", r"(?P<step>\d++) \| (?P<rest>loss \S+ \| .*)"),
    _shape(
        "litgpt",
        "iter ",
        r"(?:Epoch \d++ \| )?iter \d++(?: \|)? step (?P<step>\d++)(?::| \|) (?P<rest>loss.*)",
    ),
    _shape("MaxText", "completed step: ", r"completed step: (?P<step>\d++), (?P<rest>.*)"),
    _shape(
        "fairseq",
        "num_updates=",
        r"(?:train_inner \| |\| )?epoch \d++: +\d++ / \d++ (?P<rest>loss=.*[ ,]num_updates=(?P<step>\d++).*)",
    ),
    _shape(
        "fairseq",
        " loss=",
        r"(?:train_inner \| |\| )?epoch (?P<epoch>\d++):? +(?P<in_epoch>\d++) / (?P<length>\d++) "
        r"(?P<rest>loss=.*)",
    ),
    _shape("torchtune", "Loss: ", r"\d++\|(?P<step>\d++)\|(?P<rest>Loss: [\d.]++:.*)"),
    Shape("any other", ("tep", "TEP", "iter", "Iter", "ITER"), _stepped),
)
"""In the order in which they are tried."""

# Lines without a step and a training loss, but from a trainer and not from a model.
_ASIDE = re.compile(
    r"val(?:idation)? loss:? [\d.naif]+$|HellaSwag(?: accuracy)?: \d|evaluating HellaSwag"
    r"|(?:saving|Saving|Saved|Writing|wrote) (?:the )?(?:model|checkpoint|state|optimizer)"
    r"|total average iteration time|final \d+ iters avg|[Pp]eak memory |Total training time: "
    r"|Minimum validation |skipping update due to "
)

_BEGINS_SHORT = frozenset("s[0123456789 ")
_BEGINS_ASIDE = frozenset("vHesSwWtfpPTM")


def _has_a_word(line: str) -> bool:
    """Tell whether a line holds a word that every line of a trainer holds, except lines of only figures."""
    return (
        "oss" in line or "tep" in line or "ter" in line or "{'" in line or "OSS" in line or "TEP" in line
        or "ITER" in line or "poch:" in line or "poch(" in line or "rollout " in line
    )  # fmt: skip


# --- Steps on a line of their own, figures below ----------------------------------------------------------

HEADER = re.compile(
    r"\[(?:epoch=(\d{1,9})/\d++\]\[)?(batch|step|token|sample|ba|ep|epoch|tok|sp)=(\d{1,15})(?:/(\d++))?[^\]]{0,100}\]:?\s*"
)
"""`[batch=1/4800]:` of composer, `[step=1/1000]` of OLMo."""

BELOW = re.compile(
    rf"\s+(?:(?:Train )?loss/train/total|train/CrossEntropyLoss|train/CE loss)[:=] ?({NUMBER})\s*",
    re.IGNORECASE,
)
"""`Train loss/train/total: 11.4` below it, or `train/CrossEntropyLoss=11.4`."""

FIELD = re.compile(r"\s+(?:(?:Train|Eval) )?[\w /.@-]{1,100}[:=] ?\S{1,100}\s*")
"""Any other figure below it."""

KERAS_EPOCH = re.compile(r"Epoch (\d{1,9})/(\d{1,9})\s*")
KERAS = re.compile(
    r"(?:(\d{1,12})/(\d{1,12}) {0,4}(?:\[[=>.]*+\]|[\u2500-\u259f]++(?: {0,4}[\u2500-\u259f]++)?+)?+ {0,4})?"
    r"(?:- {0,4})?(?:ETA: {0,4})?[\d:]{1,10}[a-z\u00b5]{0,3}"
    r"(?: (?:- )?[\d.]{1,12}[a-z\u00b5]{1,2}/[a-z]{3,6})?+ - (.*)",
    re.DOTALL,
)


def keras_losses(line: str) -> tuple[bool, dict[int, float]] | None:
    """Return whether the bar of an epoch is full, and the losses behind it; None of any other line.

    >>> keras_losses("200/200 [=====] - 58s 289us/step - loss: 2.5 - val_loss: 2.6")
    (True, {0: 2.5, 2: 2.6})
    """
    if "s" not in line or "loss: " not in line or (match := KERAS.fullmatch(line.strip())) is None:
        return None
    return match[1] == match[2], losses_in(match[3])
