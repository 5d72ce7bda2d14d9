"""Reads the names of files and folders: the step that they belong to, or a temperature.

A number is a step only next to a word for a step or for a sample, or in a folder of samples. Source:
docs/formats.md, "Text, one file a step".
"""

import re

from coherence.readers.storage import bare_name, parent

SAMPLE_FOLDERS = ("samples", "completions", "generations", "generated", "sample", "generated_samples")
"""Folders below the folder of a run in which trainers put samples."""

_COUNT = r"(\d+(?:\.\d+)?k(?![a-z\d])|\d+)"  # `1.5k` is 1500
_STEP = r"(?:step|iter|iteration|epoch|checkpoint|ckpt)"
_NAMED_STEP = re.compile(rf"(?<![a-z])({_STEP})s?[-_= .]*{_COUNT}")
_ONE_STEP = rf"(?:global[-_]?)?{_STEP}[-_=]*{_COUNT}"
# What converters and Lightning put after a step. Other words name the parts of a training: `step1_sft`.
_SUFFIX = (
    r"(?:hf|huggingface|unsharded|sharded|consolidated|merged|converted|ema|safetensors|tokens?\d+[kmbt]?"
    r"|(?:bf|fp|int)\d+|\w+=\d+(?:\.\d+)?)"
)
# lm-evaluation-harness names its folders after the path of the model: `__out__checkpoint-500`.
_STEP_FOLDER = re.compile(rf"(?:.*__)?(?P<steps>{_ONE_STEP}(?:[-_., ]++(?:{_ONE_STEP}|{_SUFFIX}))*)")
_NAMED_EPOCH = re.compile(rf"(?<![a-z])epochs?[-_= .]*{_COUNT}")
_NAMED_SAMPLE = re.compile(
    r"(?<![a-z])(?:sample|completion|generation|generated|gen|output|out|text|response|rollout)s?[-_= .]*"
    rf"(?:\d+[-_])*{_COUNT}"
)
_ALONE = re.compile(_COUNT)
_OF_SAMPLES = re.compile(r"(?<![a-z])(?:sample|generation|completion|output|rollout)s(?![a-z])")
_NUMBERED = re.compile(rf"^(?:(?:sample|completion|generation|output)s?[-_= ]*)?{_COUNT}$")
_TEMPERATURE = re.compile(r"(?<![a-z])(?:temp|temperature|diversity)[-_= ]*\d|(?<![a-z\d])t[-_=]?[01][._]\d")
_NO_STEP = re.compile(
    r"(?:temp|temperature|t|diversity|seed|top[-_ ]?[kp]|k|p|rank|gpu|node|worker|job|slurm|pid|lr|run|exp|v"
    r"|version|shard|part)[-_= ]*\d+"
)
_TRAINING_DATA = re.compile(
    r"(?:train|training|trainset|valid|validation|val|dataset|corpus)(?:[-_.](?:data|dataset|set|split|corpus|\d+))*"
)
_SAMPLE_WORD = re.compile(
    r"(?<![a-z])(?:samples?|completions?|generat\w+|gen|outputs?|out|texts?|responses?|rollouts?|story|stories"
    r"|answers?|predictions?)(?![a-z])"
)
_NO_SAMPLE = re.compile(
    r"(?<![a-z])(?:configs?|metrics?|notes?|logs?|loss(?:es)?|vocab|readme|args|params|traces?|profile|eval|results?"
    r"|states?|hparams|requirements|merges|licen[cs]e|tokenizer|prompts?|stats|card|report|summary|time|timing)(?![a-z])"
)
_REFERENCE = re.compile(r"(?<![a-z])(?:references?|refs?|gold|golden|ground[-_ ]?truths?)(?![a-z])")
_OTHERS = re.compile(
    r"(?<![a-z])(?:prompts?|targets?|questions?|problems?|inputs?|labels?|configs?|args|h?params|metadata|vocab"
    r"|tokenizer|data|datasets?|corpus)(?![a-z])"
)
_VALIDATION = re.compile(
    r"(?<![a-z])(?:val|valid|validation|evals?|evaluation|tests?|dev|held[-_ ]?out)(?![a-z])"
)
_DATE = re.compile(r"(?:19|20)\d{6}")
_MONTH, _DAY = r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_CLOCK = r"(?:[-_.t ]{1,2}(?:[01]\d|2[0-3])(?:[-_.:h][0-5]\d(?:[-_.:m][0-5]\d)?|[0-5]\d[0-5]\d))"
_DATED = re.compile(
    rf"(?<!\d)(?:19|20)\d\d(?:[-_.]{_MONTH}[-_.]{_DAY}{_CLOCK}?|{_MONTH}{_DAY}{_CLOCK})(?!\d)"
)
_DATED_ANYHOW = re.compile(rf"{_DATED.pattern}|(?<!\d)(?:19|20)\d\d{_MONTH}{_DAY}(?!\d)")
"""A date with its clock; without separators it may also be a step, unless a word for one is missing."""
_LAST = re.compile(r"(?<![a-z])(?:final|last|latest)(?![a-z])")
_LAST_FOLDER = re.compile(
    rf"(?:.*__)?(?:(?:{_STEP}|model)[-_=]*)?(?:final|last|latest)(?:[-_]++(?:{_STEP}|model|{_SUFFIX}))*"
)
_COPY = re.compile(
    r"(?P<begin>.+?)(?:~|(?:\.~\d+~)|\.(?:bak|tmp|orig|old|save)\d*)"
    r"|(?P<before>.+?)(?: ?\(\d+\)| - copy(?: \(\d+\))?| copy(?: \d+)?)(?P<end>(?:\.\w+)*)",
    re.IGNORECASE,
)
_LOG = re.compile(r"\.(?:out|err|log|stdout|stderr)(?:\.\d+)?$")


def is_called_log(path: str) -> bool:
    """Tell whether a file has a name that schedulers and loggers give to logs.

    >>> is_called_log("slurm-3260429.out"), is_called_log("train.log.1"), is_called_log("step_500/out.txt")
    (True, True, False)
    """
    return bool(_LOG.search(bare_name(path)))


def original_of(name: str) -> str | None:
    """Return the name of the file of which an editor, a browser or a desktop made a copy; None for others.

    >>> original_of("step_50.jsonl~"), original_of("step_50 (1).jsonl"), original_of("step_50.jsonl")
    ('step_50.jsonl', 'step_50.jsonl', None)
    """
    copy = _COPY.fullmatch(name)
    return copy and (copy["begin"] or copy["before"] + copy["end"])


def names_temperature(path: str) -> bool:
    """Tell whether the name of a file states the sampling temperature.

    >>> names_temperature("news_temp_0_2.txt"), names_temperature("step_500.txt")
    (True, False)
    """
    return bool(_TEMPERATURE.search(stem(path)) or _TEMPERATURE.search(bare_name(path)))


def names_training_data(path: str) -> bool:
    """Tell whether a file is named like training or validation data.

    >>> names_training_data("data/train.jsonl"), names_training_data("val_split.csv")
    (True, True)
    """
    return bool(_TRAINING_DATA.fullmatch(stem(path)))


def names_no_samples(path: str) -> bool:
    """Tell whether a file is named after what lies next to samples: prompts, references, settings, data.

    A word for samples in the name counts more, except over a word for references; so does a step over data.

    >>> names_no_samples("eval_prompts.jsonl"), names_no_samples("reference_outputs.json")
    (True, True)
    >>> names_no_samples("prompts_and_outputs.json"), names_no_samples("data_step_500.jsonl")
    (False, False)
    """
    name = stem(path)
    if _REFERENCE.search(name):
        return True
    word = _OTHERS.search(name)
    if word is None or _SAMPLE_WORD.search(name):
        return False
    return step_in(name) is None or word[0] not in ("data", "dataset", "datasets", "corpus")


def names_validation(path: str) -> bool:
    """Tell whether a file is named after validation, so that its losses are not those of the training.

    >>> names_validation("val_loss.csv"), names_validation("train_eval.log"), names_validation("latest.log")
    (True, False, False)
    """
    name = stem(path)
    return bool(_VALIDATION.search(name)) and "train" not in name


def may_be_sample(path: str) -> bool:
    """Tell whether the name of a text may be that of a sample: the folder of a step holds much else.

    >>> may_be_sample("step_500/out.txt"), may_be_sample("step_500.txt"), may_be_sample("samples/300.txt")
    (True, True, True)
    >>> may_be_sample("checkpoint-500/vocab.txt"), may_be_sample("step_500_config.txt")
    (False, False)
    """
    name = stem(path)
    if _SAMPLE_WORD.search(name):
        return True
    if _NO_SAMPLE.search(name):
        return False
    alone = re.fullmatch(r"(?:rank|gpu)?[-_]?\d+", name)
    return bool(_NAMED_STEP.search(name) or is_of_samples(parent(path)) or alone)


def step_named(path: str) -> int | None:
    """Return the step in the name of a file or of its folder: a number next to a word for a step.

    >>> step_named("step_500/rank0.jsonl"), step_named("epoch=3-step=1200.jsonl"), step_named("rank0.jsonl")
    (500, 1200, None)
    >>> step_named("step_1.5k.jsonl"), step_named("ckpt_2026-01-04.jsonl"), step_named("samples/50.json")
    (1500, None, 50)
    """
    name, folder = stem(path), _folder(path)
    if (step := step_in(name)) is not None:
        return step
    if _OF_SAMPLES.search(folder) and _ALONE.fullmatch(name) and not _DATE.fullmatch(name):
        return _usable([name])
    of_a_step = _STEP_FOLDER.fullmatch(folder)
    return step_in(of_a_step["steps"]) if of_a_step else None


def step_in(name: str) -> int | None:
    """Return the step in a name: the last number next to a word for a step; that of an epoch if no other is.

    >>> step_in("step_50_epoch_1"), step_in("epoch_1"), step_in("model-step500-hf"), step_in("llama-3")
    (50, 1, 500, None)
    """
    found = _NAMED_STEP.findall(_DATED.sub("", name))
    return _usable([number for word, number in found if word != "epoch"] or [number for _, number in found])


def step_of_checkpoint(path: str) -> int | None:
    """Return the step of the path of a checkpoint: that of its last part whose name has one.

    A number of an epoch is none: all checkpoints of an epoch have it.

    >>> step_of_checkpoint("global_step_500/actor"), step_of_checkpoint("out/ckpt_500.pt")
    (500, 500)
    >>> step_of_checkpoint("out/epoch_3"), step_of_checkpoint("meta-llama/Llama-3-8B")
    (None, None)
    """
    parts = [_NAMED_EPOCH.sub("", stem(part)) for part in reversed(path.split("/"))]
    return next((step for part in parts if (step := step_in(part)) is not None), None)


def names_last(path: str) -> bool:
    """Tell whether a file or its folder is named after the last step of a run, without its number.

    >>> names_last("checkpoint-last/gen.jsonl"), names_last("final.jsonl"), names_last("finals/a.jsonl")
    (True, True, False)
    """
    return bool(_LAST.search(stem(path)) or _LAST_FOLDER.fullmatch(_folder(path)))


def is_of_a_step(folder: str) -> bool:
    """Tell whether a folder is named after a step.

    >>> is_of_a_step("run/checkpoint-500"), is_of_a_step("500"), is_of_a_step("20260104")
    (True, True, False)
    """
    name = bare_name(folder)
    return (name.isdecimal() and not _DATE.fullmatch(name)) or bool(_STEP_FOLDER.fullmatch(name))


def step_of(path: str) -> int | None:
    """Return the step of a file of samples of one step, from its name or its folder.

    >>> step_of("samples/run1/samples-100"), step_of("200/out.txt"), step_of("step_500/sample_3.txt")
    (100, 200, 500)
    >>> step_of("samples/300.txt"), step_of("news_temp_0_2.txt"), step_of("slurm_3260429.txt")
    (300, None, None)
    """
    step = step_named(path)
    if step is None:
        step = _usable(_NAMED_SAMPLE.findall(_DATED_ANYHOW.sub("", stem(path))))
    if step is None and is_of_samples(parent(path)):
        step = any_number(path)
    named = [] if _DATE.fullmatch(_folder(path)) else _NUMBERED.findall(_folder(path))
    return _usable(named) if step is None else step


def is_of_samples(folder: str) -> bool:
    """Tell whether a folder is one in which trainers put samples.

    >>> is_of_samples("run/samples"), is_of_samples("run/logs")
    (True, False)
    """
    return bare_name(folder) in SAMPLE_FOLDERS


def any_number(path: str) -> int | None:
    """Return the number in the name of a file that may be a step; None if it means something else.

    >>> any_number("300.txt"), any_number("seed42.txt"), any_number("20260104.txt")
    (300, None, None)
    """
    name = _DATED.sub("", stem(path))
    if _NO_STEP.search(name) or _DATE.search(name):
        return None
    return _usable(re.findall(_COUNT, name))


def _usable(numbers: list[str]) -> int | None:
    last = numbers[-1] if numbers else ""
    if last.endswith("k"):
        last = str(round(1000 * float(last[:-1])))
    return int(last) if 0 < len(last) <= 15 else None


def _folder(path: str) -> str:
    return bare_name(parent(path))


def stem(path: str) -> str:
    """Return the name of a file in lower case, without its extension if that is a word."""
    return re.sub(r"\.[a-z]\w*$", "", bare_name(path))
