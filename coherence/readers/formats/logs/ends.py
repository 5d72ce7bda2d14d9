"""Finds the end of a sample in a log: a line of a logger or a tool, a rule, or a heading of the trainer.

Models write headings, rules and dates too, so each of these counts only in a shape, or after a use, that
shows that it is the trainer's. Source: docs/formats.md, "Where a sample of a log ends".
"""

import re
from collections.abc import Iterator

RULE = re.compile(r"([-=*_#~+])\1{2,}")
"""A line of one character, three times or more."""

LONG = 20
"""Characters of a rule that always ends a sample; a shorter one may underline a title in Markdown."""

_CLOCK = r"\d\d:\d\d:\d\d"
_LEVEL = r"(?:DEBUG|INFO|NOTICE|SUCCESS|WARN(?:ING)?|ERROR|CRITICAL|FATAL)"
_LOGGER = re.compile(
    r"(?:\[[\w ./-]{1,40}\] {0,3})?(?:"
    rf"\[?\d{{4}}[-/]\d\d[-/]\d\d[ T]{_CLOCK}|\[?\d\d/\d\d(?:/\d{{2,4}})?[ ,-]{{1,3}}{_CLOCK}"
    rf"|[A-Z][a-z]{{2}} [ \d]\d {_CLOCK}|\[?{_CLOCK}[.,\d]{{0,10}}\]?[ |-]{{1,5}}\[?{_LEVEL}\b"
    rf"|\[?[IWEF]\d{{3,4}} {_CLOCK}|\[{_LEVEL}[]|:]|{_LEVEL}:[\w./]{{1,80}}:|{_LEVEL} \d\d-\d\d {_CLOCK})"
)
_TOOL = re.compile(
    r"\[(?:ground_truth|score)\]|Extracted:$"
    r"|\^C(?:Traceback|$)|Traceback \(most recent call last\):|wandb: |srun: |slurmstepd: |\*{5} Running \w"
    r"|(?:Saving|Saved|Writing|Wrote|saving|saved|writing|wrote|Deleting older) "
    r"(?:the |a |best |final |last |new |model ){0,3}"
    r"(?:checkpoint|model parameters|optimizer state|state dict)"
    r"|(?:Configuration|Model weights|[Tt]okenizer config file|Special tokens file|Checkpoint) saved "
    r"(?:in|to|at) "
    r"|Epoch:? \d{1,9} ?/ ?\d{1,9}$|\d{1,9}/\d{1,9} (?:\[[=>.]{0,60}\]|[━─]| - \d)"
    r"|[\w./\\ <>-]{1,200}:\d{1,6}: \w{0,60}Warning: |torch\.(?:cuda\.)?OutOfMemoryError: "
)

# What trainers and tools write below a text; above it, such a line may be within a prompt.
_SECONDS = r"(?:s|ms|sec|secs|seconds)\b"
_SAVED = r"(?:the |a |best |final |last |new ){0,3}(?:model|weights)"
_PATH = r"\S{0,200}(?:/|\.\w)\S{0,200}"
_BELOW = re.compile(
    r"(?:ground[ _-]?truth|reference (?:answer|completion|output|response|text)|gold(?:en)? answer) ?:"
    rf"|(?:generation|sampling|inference) (?:took|time:?|(?:done|finished) in) [\d.]{{1,12}} ?{_SECONDS}"
    rf"|(?:total|elapsed|training|generation) (?:[a-z]{{1,20}} )?time:? \d{{1,9}}\.\d{{1,9}} ?{_SECONDS}"
    r"|generated \d{1,9} tokens in \d"
    rf"|{_SAVED} (?:checkpoint )?saved (?:to|at|in) {_PATH}$"
    rf"|sav(?:ed|ing) {_SAVED} (?:to|at|in) {_PATH}$"
    r"|[\w.-]{1,80}:\d{1,9}:\d{1,9} \[\d{1,4}\] NCCL (?:INFO|WARN) ",
    re.IGNORECASE,
)
_FIELD = (
    r"[a-z][\w/.-]{0,30}+(?: [a-z][\w/]{0,20}+){0,2}+ ?[:=] ?"
    r"(?:[-+]?\d[\d.]{0,15}+(?:e[-+]?\d{1,3})?|nan|inf)%?"
)
_FIELDS = re.compile(rf"{_FIELD}(?:[ ,;|\t]{{1,5}}{_FIELD}){{0,20}}", re.IGNORECASE)
_METRIC = re.compile(
    r"(?:(?:train|training|val|valid|validation|eval|test|dev)[_/]|(?:train|training|val|validation|eval) )"
    r"(?:loss|ppl|perplexity|acc)|(?<![a-z])(?:ppl|perplexity|grad_norm) ?[:=]",
    re.IGNORECASE,
)

# What may be the last lines of a text too, if anything follows them.
_LAST = re.compile(
    r"(?:Expected(?: (?:answer|completion|output|response|text))?|Reference|Target) ?: ?\S"
    r"|(?:Reward|Score|Advantage) ?[:=] ?-?\d{1,6}\.\d{1,9}$"
)

_TRAINERS = re.compile(
    r"(?:running |starting |begin(?:ning)? |start of |end of )?"
    r"(?:eval|validat|train|test|epoch|step|iter|sampl|generat|checkpoint|metric|result)",
    re.IGNORECASE,
)


def is_of_logger(line: str) -> bool:
    """Tell whether a line begins with the prefix of a logger that does not occur in prose.

    >>> is_of_logger("2026-03-20 06:41:19,843 - nanochat - INFO - Saved"), is_of_logger("[INFO|a.py:9] ok")
    (True, True)
    >>> is_of_logger("WARNING: a storm comes"), is_of_logger("May 15 was a cold day")
    (False, False)
    """
    return _LOGGER.match(line) is not None


def is_of_tool(bare: str) -> bool:
    """Tell whether a line has the wording of a trainer or a tool.

    >>> is_of_tool("wandb: Synced 5 files"), is_of_tool("Saving model checkpoint to out/")
    (True, True)
    >>> is_of_tool("Saving the world")
    False
    """
    return _TOOL.match(bare) is not None


def is_below(bare: str) -> bool:
    """Tell whether a line is what trainers and tools write below a text: a reference, metrics, a time.

    >>> is_below("Ground truth: 18"), is_below("val_loss: 9.0 | ppl: 100"), is_below("Total time: 1.5s")
    (True, True, True)
    >>> is_below("Target: 18"), is_below("Total time: 45 minutes"), is_below("val_loss = 0.0")
    (False, False, False)
    """
    if _BELOW.match(bare):
        return True
    may_be_code = ":" not in bare and "|" not in bare
    return not may_be_code and _METRIC.search(bare) is not None and _FIELDS.fullmatch(bare) is not None


def without_references(lines: list[str]) -> list[str]:
    """Return the lines of a text without the references and rewards that are the last of them.

    >>> without_references(["once", "upon", "Expected: a time", "", "Reward: 0.5"])
    ['once', 'upon']
    >>> without_references(["Target: all", "and the rest"]), without_references(["Target: all"])
    (['Target: all', 'and the rest'], ['Target: all'])
    """
    end = len(lines)
    while end and (not lines[end - 1].strip() or _LAST.match(lines[end - 1])):
        end -= 1
    return lines[:end] if end else lines


class Headings:
    """The headings that the trainer of a log writes: only headings with the same marks end a sample.

    >>> headings = Headings()
    >>> headings.end("=== Evaluation ==="), headings.end("## Evaluation"), headings.end("=== Early life ===")
    (True, False, False)
    >>> headings.see("## Samples at step 100")
    >>> headings.end("## Evaluation"), headings.end("### Step 1")
    (True, False)
    """

    def __init__(self) -> None:
        self._marks: set[str] = set()

    def see(self, bare: str, of_sample: bool = False) -> None:
        """Note how the trainer marks its headings, from a line outside samples or the header of one."""
        for mark, title in _marked(bare):
            if of_sample or _TRAINERS.match(title):
                self._marks.add(mark)

    def end(self, bare: str) -> bool:
        """Tell whether a line within a sample is a heading of the trainer's."""
        return any(
            mark in self._marks or (not is_markdown(mark) and _TRAINERS.match(title) is not None)
            for mark, title in _marked(bare)
        )

    def knows(self, bare: str) -> bool:
        """Tell whether the trainer marked a heading like this one before."""
        return any(mark in self._marks for mark, _ in _marked(bare))


def is_markdown(bare: str) -> bool:
    """Tell whether a heading has the marks that models use: `## Step 1`, `**Step 1**`.

    >>> is_markdown("## Step 1"), is_markdown("**Step 1:**"), is_markdown("=== Step 1 ===")
    (True, True, False)
    """
    return bare.startswith("#") or (bare.startswith("**") and not bare.startswith("***"))


def _marked(bare: str) -> Iterator[tuple[str, str]]:
    """Yield the mark of a heading, shortened to what identifies it, and its title."""
    sign = bare[:1]
    if not sign or sign not in "#=*-~":
        return
    rest = bare.lstrip(sign)
    size, title = len(bare) - len(rest), rest.rstrip(sign + ":").strip()
    closed = rest.rstrip(": ").endswith(sign * min(size, 3))
    if not any(map(str.isalnum, title)) or not (closed or sign == "#"):
        return
    if sign == "#":
        if size <= 6 and (closed or rest.startswith(" ")):
            yield sign * size, title
    elif size >= 2:
        yield sign * min(size, 3), title
