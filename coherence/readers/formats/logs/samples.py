"""The samples that a trainer prints between the lines of its log, each with its step.

How they are marked:

- build-nanogpt: `rank 0 sample 0: text`; others `Sample 1: text`, `step 100 sample 0: text`
- llm.c: `generating:`, a line of dashes, the text, the dashes again
- nanochat: `<|bos|>text`
- nanoGPT's `sample.py`, the Python of llm.c: between lines of 15 dashes
- axolotl and many scripts: below `Sample 1 (Step 100)`, often ruled, often with `[PROMPT]` and `[GENERATED]`
- labels alone: `Prompt:` and then `Completion:`; or `Generated text:`

A sample goes on to the next line that a trainer wrote. It belongs to the last step told before it; of those
that draw first and then train and print the step, to the step told next.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from coherence.readers.formats.logs.lines import Line
from coherence.readers.lines import LONGEST_LINE, Problems

WAITING = 1000
"""Samples that are held until a step is told, of 16 MB together; a log that has more tells none."""

_RULE = re.compile(r"([-=*_#~+])\1{2,}")
_DASHES = "-" * 15
_CODE = re.compile(r"={100}$|import \w|from \w[\w.]* import |#!|\"\"\"|'''|# -\*-")
_BEFORE_SAMPLES = re.compile(r"Loading meta from |No meta\.pkl found")  # by nanoGPT's sample.py

_RANK = re.compile(r"rank \d+ sample \d+: ?(.*)", re.DOTALL)
_NUMBERED = re.compile(
    r"(?:generated )?sample ?#?\d+(?: ?\((?:step|iter[^\W\d]*)[ :=#]{0,3}(\d+)\))? ?: (\S.*)",
    re.IGNORECASE | re.DOTALL,
)
_OF_STEP = re.compile(
    r"\[?step[ :=#]{0,3}(\d+)\]?[ |:,-]{1,4}sample ?#?\d* ?: ?(.*)", re.IGNORECASE | re.DOTALL
)
_HEADER = re.compile(
    r"([=*#-]{2,} ?)?(?:generated |model )?samples? ?#?(\d+)?(?: ?/ ?\d+| of \d+)?"
    r"(?: ?\(?(?:at |from |for |after )?(?:step|iter(?:ation)?)[ :=#]{0,3}(\d+)\)?)? ?:?( ?[=*#-]{2,})?",
    re.IGNORECASE,
)
_HEADING = re.compile(
    r"([=*#-]{2,} ?|\[)?(?:global )?(?:step|iter(?:ation)?)[ :=#]{0,3}(\d+)(?: ?/ ?\d+)?"
    r"\]? ?:?(?: ?[=*#-]{2,})?",
    re.IGNORECASE,
)

# Labels; the second group holds those that are one only below a header or a prompt.
_PROMPT = re.compile(
    r"(\[PROMPT\]|(?:Prompt|PROMPT)(?: \d+)?:|(\[INPUT\]|(?:Input|INPUT):)) ?(.*)", re.DOTALL
)
_TEXT = re.compile(
    r"(\[GENERATED\]|\[COMPLETION\]|(?:Generated(?: text| sample)?|GENERATED(?: TEXT)?|Sample)(?: \d+)?:"
    r"|(?:Completion|COMPLETION|Continuation)(?: \d+)?:"
    r"|(\[OUTPUT\]|\[RESPONSE\]|(?:Output|OUTPUT|Response|RESPONSE|Generation|Model output):)) ?(.*)",
    re.DOTALL,
)


class LoggedSample(NamedTuple):
    """A sample of a log; `step` is None where none was told."""

    line: int
    step: int | None
    text: str
    prompt: str | None


@dataclass
class _Block:
    """A sample that is being read.

    `step` is its own where its header tells one. With `before_step` the trainer prints the step after it.
    """

    line: int
    style: Literal["inline", "fenced", "between", "headed", "labelled"]
    part: Literal["head", "prompt", "text"] = "head"
    step: int | None = None
    before_step: bool = False
    numbered: bool = False
    fence: str = ""
    label: str = ""
    text: list[str] = field(default_factory=list)
    prompt: list[str] = field(default_factory=list)
    size: int = 0
    fenced_off: bool = False

    def is_open_fence(self, bare: str) -> bool:
        """Tell whether a line stands within fences, where no marker is one."""
        self.fenced_off = self.fenced_off or (bool(self.fence) and bare == self.fence)
        return self.style == "fenced" and self.part == "text" and not self.fenced_off


class LogSamples:
    """Takes the lines of a log one by one and gives out the samples, in their order.

    Args:
        path: of the log, for problems.
        problems: takes samples that are too long.
        longest: characters of a sample, and of those together that wait for a step.
        most: how many may wait.
    """

    def __init__(
        self, path: str, problems: Problems, longest: int = LONGEST_LINE, most: int = WAITING
    ) -> None:
        self._path, self._problems = path, problems
        self._longest, self._most = longest, most
        self._step: int | None = None
        self._block: _Block | None = None
        self._waiting: list[LoggedSample] = []
        self._code: bool | None = None  # some logs begin with the code of their script
        self._plain_headings = False

    def feed(self, read: Line) -> Iterator[LoggedSample]:
        """Take a line; yield the samples that are complete with it."""
        number, line, entry, _ = read
        if entry is not None:
            self._code = False
            yield from self._close()
            if entry.step is not None:
                yield from self._tell(entry.step)
            return
        bare = line.strip()
        if self._code is None and bare:
            self._code = _CODE.match(bare) is not None
        if self._code:
            return
        if self._block is not None and self._block.is_open_fence(bare):
            self._take(self._block, line, bare)
        elif (heading := self._heading(bare)) is not None:
            yield from self._close()
            yield from self._tell(heading)
        elif (block := self._beginning(number, bare, line)) is not None:
            yield from self._close(followed=block)
            if block.step is not None:
                yield from self._tell(block.step)
            self._block = block
        elif self._block is not None:
            self._take(self._block, line, bare)

    def finish(self) -> Iterator[LoggedSample]:
        """Yield the samples that the end of the log completes."""
        yield from self._close(ended=True)
        for found in self._waiting:
            yield found._replace(step=self._step)
        self._waiting.clear()

    def _tell(self, step: int) -> Iterator[LoggedSample]:
        """Note a step; yield the samples that waited for it, or for none where a run begins anew."""
        going_on = self._step is None or step >= self._step
        for found in self._waiting:
            yield found._replace(step=step if going_on else self._step)
        self._waiting.clear()
        self._step = step

    def _heading(self, bare: str) -> int | None:
        """Return the step that a line of its own names; a plain one may also be a line of a sample."""
        match = _HEADING.fullmatch(bare)
        if match is None or len(match[2]) > 15:
            return None
        step = int(match[2])
        if not match[1]:
            inside = self._block is not None
            if inside and not (self._plain_headings and self._step is not None and step > self._step):
                return None
            self._plain_headings = True
        return step

    def _beginning(self, number: int, bare: str, line: str) -> _Block | None:
        """Return the block that a line begins; None if it begins none."""
        return self._marked(number, bare, line) or self._headed(number, bare) or self._labelled(number, bare)

    def _marked(self, number: int, bare: str, line: str) -> _Block | None:
        if bare == "generating:":
            return _Block(number, "fenced")
        if line.startswith("<|bos|>"):
            return _Block(number, "inline", "text", before_step=True, text=[line])
        if match := _RANK.match(line):
            return _Block(number, "inline", "text", before_step=True, text=[match[1]])
        if match := _NUMBERED.match(bare) or _OF_STEP.match(bare):
            return _Block(number, "inline", "text", step=_number(match[1]), text=[match[2]])
        outside = self._block is None or self._block.style == "between"
        if outside and (bare == _DASHES or _BEFORE_SAMPLES.match(bare)):
            return _Block(number, "between", "text", label=bare)
        return None

    def _headed(self, number: int, bare: str) -> _Block | None:
        match = _HEADER.fullmatch(bare)
        if match is None or not (match[2] or match[3] or (match[1] and match[4])):
            return None
        return _Block(number, "headed", step=_number(match[3]), numbered=bool(match[2]))

    def _labelled(self, number: int, bare: str) -> _Block | None:
        """Return the block that a label begins where no header stands; inside one, the same label does."""
        block = self._block
        if block is not None and (block.style != "labelled" or block.part == "prompt"):
            return None
        if (match := _PROMPT.fullmatch(bare)) and not match[2]:
            begun = _Block(number, "labelled", "prompt", label=match[1], prompt=[match[3]])
        elif (match := _TEXT.fullmatch(bare)) and not match[2]:
            begun = _Block(number, "labelled", "text", label=match[1], text=[match[3]])
        else:
            return None
        return begun if block is None or block.label == begun.label else None

    def _take(self, block: _Block, line: str, bare: str) -> None:
        """Add a line to the sample that is being read."""
        if block.style == "fenced" and block.part == "head":
            if _RULE.fullmatch(bare):
                block.fence, block.part = bare, "text"
            elif bare:
                self._block = None  # what is generated here is no sample
            return
        block.size += len(line)
        if block.size > self._longest:
            return
        if block.part != "text" and self._is_of_head(block, bare):
            return
        (block.prompt if block.part == "prompt" else block.text).append(line)

    def _is_of_head(self, block: _Block, bare: str) -> bool:
        """Tell whether a line above the text is a rule or a label, and see to it; else the text may begin."""
        if match := _TEXT.fullmatch(bare):
            block.part = "text"
            block.text.append(match[3])
        elif block.part == "head" and (match := _PROMPT.fullmatch(bare)):
            block.part = "prompt"
            block.prompt.append(match[3])
        elif _RULE.fullmatch(bare):
            block.fence = block.fence or bare
        elif block.part == "head" and bare:
            block.part = "text"
            return False
        else:
            return block.part == "head"
        return True

    def _close(self, followed: _Block | None = None, ended: bool = False) -> Iterator[LoggedSample]:
        """End the sample that is being read, if there is one; yield it if its step is known."""
        block, self._block = self._block, None
        if block is None:
            return
        if block.size > self._longest:
            message = "a sample of more than 16 MB, which is the most that is read as one"
            self._problems.add(self._path, block.line, message)
            return
        if block.style == "between":
            open_end = ended and self._step is None
            if not (open_end or (followed is not None and followed.label == _DASHES)):
                return
        found = _found(block)
        if found is None:
            return
        if found.step is not None or (self._step is not None and not block.before_step):
            yield found if found.step is not None else found._replace(step=self._step)
            return
        self._waiting.append(found)
        if len(self._waiting) > self._most or sum(len(each.text) for each in self._waiting) > self._longest:
            for each in self._waiting:
                yield each._replace(step=self._step)
            self._waiting.clear()


def _found(block: _Block) -> LoggedSample | None:
    """Return the sample that a block holds; None if it holds none."""
    if block.part == "head" and not (block.style == "headed" and block.numbered):
        return None
    prompt, lines = block.prompt, block.text
    if block.part == "prompt":  # below a header the text may follow on the prompt without a label
        prompt, lines = prompt[:1], prompt[1:]
        if block.style == "labelled" or not any(map(str.strip, lines)):
            return None
    lines = _without_fences(lines, block.fence, ruled=block.style in ("headed", "labelled"))
    text = "\n".join(lines).strip("\n")
    if block.style == "between" and not text.strip():
        return None
    return LoggedSample(block.line, block.step, text, "\n".join(prompt).strip() or None)


def _without_fences(lines: list[str], fence: str, ruled: bool) -> list[str]:
    """Return lines without the rules that close them, and what stands behind: another trainer's line."""

    def closes(line: str) -> bool:
        bare = line.strip()
        return not bare or bare == fence or (ruled and len(bare) >= 5 and _RULE.fullmatch(bare) is not None)

    end = len(lines)
    while end and closes(lines[end - 1]):
        end -= 1
    if fence and end == len(lines):
        last = next((index for index in reversed(range(end)) if lines[index].strip() == fence), None)
        return lines if last is None else _without_fences(lines[: last + 1], fence, ruled)
    return lines[:end]


def _number(digits: str | None) -> int | None:
    return int(digits) if digits and len(digits) <= 15 else None
