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
    r"|Traceback \(most recent call last\):|wandb: |srun: |slurmstepd: |\*{5} Running \w"
    r"|(?:Saving|Saved|Writing|Wrote|saving|saved|writing|wrote|Deleting older) "
    r"(?:the |a |best |final |last |new |model ){0,3}"
    r"(?:checkpoint|model parameters|optimizer state|state dict)"
    r"|(?:Configuration|Model weights|[Tt]okenizer config file|Special tokens file|Checkpoint) saved "
    r"(?:in|to|at) "
    r"|Epoch:? \d{1,9} ?/ ?\d{1,9}$|\d{1,9}/\d{1,9} (?:\[[=>.]{0,60}\]|[━─]| - \d)"
    r"|[\w./\\ <>-]{1,200}:\d{1,6}: \w{0,60}Warning: |torch\.(?:cuda\.)?OutOfMemoryError: "
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
