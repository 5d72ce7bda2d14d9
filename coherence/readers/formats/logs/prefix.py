"""Strips what loggers, launchers and schedulers write before a line: times, levels, names, ranks, colours."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]{0,200}\x07")

_DAY = r"(?:\d{4}[-/]\d\d[-/]\d\d|\d\d/\d\d/\d{2,4}|[A-Z][a-z]{2} [ \d]\d)(?!\d)"
_DATE = rf"(?:{_DAY}|\d\d/\d\d(?= ))"
_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d| ?[AP]M)?"
_TIME = rf"(?:{_DATE}[ T-]{{1,2}}{_CLOCK}|{_DAY}|{_CLOCK})"
_LEVEL = r"(?:TRACE|DEBUG|INFO|NOTICE|SUCCESS|WARN(?:ING)?|ERROR|CRITICAL|FATAL)"
_RANK = r"(?:rank|default|worker|gpu|local_rank|r)[-_ =:]?(\d{1,5})"

# Each piece includes the separator after it; a name counts only between a time and a level.
_PIECES = re.compile(
    rf"(?P<time>\[?{_TIME}\]?)[ \t]*(?:[-|:>][ \t]+)?"
    rf"|\[{_RANK}\]:?[ \t]*|(?:{_RANK}|(\d{{1,4}})):[ \t]+"
    r"|\([\w.:]{1,60} (?:pid|rank)=(\d{1,9})(?:, ip=[\w.:]{1,60})?\)[ \t]*"
    rf"|(?P<absl>\[?[IWEF]\d{{3,4}} {_CLOCK}(?: +\d+)? [\w./-]{{1,120}}:\d+\])[ \t]*"
    rf"|(?P<both>\[{_LEVEL}\|{_TIME}\])[ \t]*"
    rf"|(?P<level>\[?{_LEVEL}(?:[|:][\w./<>-]{{1,120}}(?::\d+)?)?\]?)[ \t]*(?:[:|>-]+[ \t]*)*"
    rf"|\[(?!\d+ ?/)[\w ./:=,-]{{1,80}}\]:?(?:[ \t]+(?=\S)|(?=\[{_LEVEL}\]))"
)
_NAME = re.compile(
    rf"(?:[-|][ \t]*)?[\w.:/<>\[\]-]{{1,120}}(?:[ \t]+[\w.:/-]{{1,120}})?+(?:[ \t]*[:|-][ \t]*|[ \t]+)"
    rf"(?={_LEVEL}|\[{_LEVEL}\]|\[?{_TIME})"
    r"|(?:(?:[\w.-]{1,60} )?[\w./-]{1,60}\[\d{1,9}\]:[ \t]+)"
)
_FROM = re.compile(
    r"[\w.]{1,100}:[\w.<>]{1,100}:\d{1,6}[ \t]+-[ \t]+|[\w.]{1,100}:\d{1,6}[ \t]+>>[ \t]+"
    r"|[\w.]{1,80}[ \t]+-[ \t]+(?=\S)|>>[ \t]+"
)
_BANNER = re.compile(
    r"\+ \w|#{3,} \S|srun: |slurmstepd: |Traceback \(most recent call last\):|\s+File \".*\", line \d+"
    r"|\w+(?:Error|Exception|Warning): |NCCL |Loading \w|Downloading \w|Collecting \w|module load "
    r"|SLURM_\w+ ?[=:]|\S*/slurm|\|? ?NVIDIA-SMI|Python \d\.\d+|GPU \d+: |[Nn]umber of parameters: "
    r"|compiling the model|(?:Starting|Running|Submitted batch) job \d|Job (?:ID|id|started|name)\b"
    r"|Using (?:\d+ GPUs?|device:? cuda)\b"
    r"|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? [A-Z][a-z]{2} +\d{1,2} \d\d:\d\d"
)

_SHIPPER = re.compile(
    r"\A(?:\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{7,9}(?:Z|[+-]\d\d:\d\d)(?: std(?:out|err) [FP])?"
    r"|\.\d{1,9}(?:Z|[+-]\d\d:\d\d) std(?:out|err) [FP])(?: |\Z)"
    r"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d [\w.-]{1,60} [\w./-]{1,60}\[\d{1,9}\]: ?"
    r"|\[\d{1,6},(?:mpirank:)?\d{1,6}(?:,[\w-]{1,60})?\]<std(?:out|err)>: ?"
    r"|[\w.-]{1,40}-\d{1,4}  +\| )"
)

_DATED = re.compile(r"\A[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?: |\Z)")

_BEGINS = frozenset("[(0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZrdwgl")
"""Every prefix begins with one of these."""

LOOKED_AT = 50
"""Lines; a log can be recognised from its beginning."""


class Stripped(NamedTuple):
    """A line without what a logger wrote before it.

    Attributes:
        text: the rest of the line.
        logged: whether it had a time or a level before it: then no model wrote it.
        rank: of the process that wrote it, if it is stated.
    """

    text: str
    logged: bool = False
    rank: int | None = None


def without_colours(line: str) -> str:
    r"""Return a line without the sequences that colour it or move the cursor.

    >>> without_colours("\x1b[32mINFO\x1b[0m ready")
    'INFO ready'
    """
    return _ESCAPE.sub("", line) if "\x1b" in line else line


def without_shipper(line: str) -> str:
    """Return a line without what a container, a scheduler or journald writes before each line of a program.

    It is not a logger's prefix: it is also before each line of a sample. Docker writes nine digits of a
    second, and GitHub seven.

    >>> without_shipper("2026-01-02T10:11:12.123456789Z Once"), without_shipper("[1,0]<stdout>: upon")
    ('Once', 'upon')
    >>> without_shipper("2026-01-02T10:11:12.123456Z INFO ready")
    '2026-01-02T10:11:12.123456Z INFO ready'
    """
    if line[10:11] == "T" or line[9:10] == ":" or "<std" in line[:40] or "  | " in line[:44]:
        return _SHIPPER.sub("", line, count=1)
    return line


def without_date(line: str) -> str:
    """Return a line without the date that the program `ts` writes before it.

    >>> without_date("Jan  2 10:11:12 upon a time"), without_date("Jan  2 10:11:12 ")
    ('upon a time', '')
    """
    return _DATED.sub("", line, count=1)


def are_dated(lines: Iterable[str]) -> bool:
    """Tell whether `ts` wrote a date before each of the lines that are not blank.

    A logger may write one in the same format: then names follow that only the date before them shows to be
    a prefix.

    >>> once = "Jan  2 10:11:12 Once"
    >>> are_dated([once, "Jan  2 10:11:12 ", ""]), are_dated([once, "upon"])
    (True, False)
    >>> are_dated(["Jan  2 10:11:12 - train - INFO - Once"])
    False
    """
    return all(
        _DATED.match(line) and strip(line).text == strip(without_date(line)).text for line in lines if line
    )


def strip(line: str) -> Stripped:
    """Return a line without the prefix of its message.

    >>> strip("2025-03-04 10:11:01,123 - train - INFO - Step 10 loss: 3.9")
    Stripped(text='Step 10 loss: 3.9', logged=True, rank=None)
    >>> strip("[rank0]:[titan] 2026-01-02 10:00:01,338 - root - INFO - step:  1  loss:  8.75").text
    'step:  1  loss:  8.75'
    >>> strip("[2025-03-04 10:11:01,123][train][INFO] - step 5").text  # as Hydra writes it
    'step 5'
    >>> strip("[INFO|2024-05-01 10:00:00] trainer.callbacks:143 >> {'loss': 2.5}").text
    "{'loss': 2.5}"
    >>> strip("INFO:train:step 5").text, strip("Once upon a time").logged
    ('step 5', False)
    """
    at, logged, rank = 0, False, None
    if line[:1] not in _BEGINS:
        return Stripped(line)
    while at < len(line):
        piece = _PIECES.match(line, at)
        if piece is None and logged:
            piece = _NAME.match(line, at)
        if piece is None or piece.end() == at:
            break
        if piece.lastgroup is not None:
            logged = True
        elif piece.lastindex is not None and rank is None:
            rank = int(piece[piece.lastindex])
        at = piece.end()
    if logged and (source := _FROM.match(line, at)):
        at = source.end()
    return Stripped(line[at:], logged, rank)


def looks_logged(lines: Sequence[str]) -> bool:
    """Tell whether lines are from a log: a fifth of the first have a logger's prefix or a launcher's words.

    >>> looks_logged(["SLURM_JOB_ID=7", "| NVIDIA-SMI 535.1", "Python 3.11", "ready"])
    True
    >>> looks_logged(["+ source start-prod", "Loading python/3.11", "ok"]), looks_logged(["Once upon a time"])
    (True, False)
    """
    first = [without_colours(line) for line in lines[:LOOKED_AT]]
    return 5 * sum(strip(line).logged or _BANNER.match(line) is not None for line in first) >= max(
        len(first), 1
    )
