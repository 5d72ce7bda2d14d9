"""A sample of a log while it is being read, and the result when it has ended."""

import ast
import json
import re
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from coherence.readers.formats.logs.diversity import split_seed
from coherence.readers.formats.logs.ends import LONG, RULE, without_references

TICKS = ("```", "```text", "```txt", '"""', "'''")
"""Fences below a header or a label that a trainer sets around a text."""

LONGEST_LITERAL = 1_000_000  # characters; a longer one stays as it is

_ESCAPE = r"\\(?:[\\'\"abfnrtv]|x[\da-fA-F]{2}|u[\da-fA-F]{4}|U[\da-fA-F]{8})"
_STRING = rf"'(?:[^'\\\n]|{_ESCAPE})*+'|\"(?:[^\"\\\n]|{_ESCAPE})*+\""
_LITERAL = re.compile(rf" *(?:({_STRING})|\[ *({_STRING}) *\]) *")


class LoggedSample(NamedTuple):
    """A sample of a log.

    Attributes:
        line: where it begins.
        step: None if none was printed.
        text, prompt: as they are in the log.
        perhaps_data: whether it is an example of the training data if it comes before the first step.
    """

    line: int
    step: int | None
    text: str
    prompt: str | None
    perhaps_data: bool = False


@dataclass
class Block:
    """A sample that is being read.

    Attributes:
        line: where it begins.
        style: how it is marked.
        part: the part that comes next.
        step: the one in its header, if there is one.
        before_step: whether the trainer prints the step after it.
        numbered: whether its header has a number, and is a sample even if nothing follows.
        perhaps_data: whether it is an example of the training data if it comes before the first step.
        logged: whether its marker was written through a logger.
        fence, label: those it began with.
        text, prompt: its lines so far; `size` counts their characters.
    """

    line: int
    style: Literal["inline", "fenced", "between", "headed", "labelled", "seeded"]
    part: Literal["head", "prompt", "text"] = "head"
    step: int | None = None
    before_step: bool = False
    numbered: bool = False
    perhaps_data: bool = False
    logged: bool = False
    fence: str = ""
    label: str = ""
    text: list[str] = field(default_factory=list)
    prompt: list[str] = field(default_factory=list)
    size: int = 0
    fenced_off: bool = False

    def is_open_fence(self, bare: str) -> bool:
        """Tell whether a line is within fences, where markers do not count."""
        self.fenced_off = self.fenced_off or (bool(self.fence) and bare == self.fence)
        return self.style == "fenced" and self.part == "text" and not self.fenced_off

    @property
    def has_text(self) -> bool:
        """Whether it has any text so far."""
        return (self.part == "text" or self.style == "seeded") and any(map(str.strip, self.text))

    @property
    def seed(self) -> list[str]:
        """The prompt of a sample of Keras's callback."""
        return split_seed(self.prompt, self.text)[0] if self.part == "prompt" else self.prompt

    def opens_fence(self, bare: str) -> bool:
        """Tell whether a line is a rule or a fence directly above the text, and note what will close it."""
        if self.style not in ("headed", "labelled") or self.part == "prompt" or self.fence or self.has_text:
            return False
        if bare in TICKS:
            self.fence = bare[:3]
        elif self.part == "text" and RULE.fullmatch(bare):
            self.fence = bare
        return bool(self.fence)

    def is_closed_by(self, bare: str) -> bool:
        """Tell whether a line is the fence that closes the text, or a rule that no model writes."""
        if self.style in ("fenced", "between") or not (self.part == "text" or self.has_text):
            return False
        if self.style == "seeded" and self.part == "text" and bare == "-":
            return True
        is_fence = bool(bare) and bare == self.fence and (len(bare) >= 5 or bare in TICKS)
        return is_fence or (len(bare) >= LONG and RULE.fullmatch(bare) is not None)

    def found(self) -> LoggedSample | None:
        """Return the sample of the block; None if it holds none."""
        if self.part == "head" and not (self.style == "headed" and self.numbered) and self.style != "seeded":
            return None
        prompt, lines = self.prompt, self.text
        if self.style == "seeded" and self.part == "prompt":
            prompt, lines = split_seed(prompt, lines)
        elif self.part == "prompt":  # below a header the text may follow the prompt without a label
            prompt, lines = prompt[:1], prompt[1:]
            if self.style == "labelled" or not any(map(str.strip, lines)):
                return None
        lines = _without_fences(lines, self.fence, ruled=self.style in ("headed", "labelled", "seeded"))
        if self.style in ("inline", "headed", "labelled") and not (self.fence or self.before_step):
            lines = without_references(lines)
        text = "\n".join(lines).strip("\n")
        if self.style == "seeded":  # the callback writes the seed and lets the model continue it
            text = text.removeprefix("\n".join(prompt))
        if not text.strip() and (self.style == "between" or (self.style == "seeded" and self.part != "text")):
            return None
        asked = "\n".join(prompt).strip()
        labelled = self.style == "labelled" or (self.style == "headed" and bool(prompt))
        if labelled or (self.style == "inline" and not self.before_step):
            text, asked = unquoted(text), unquoted(asked)
        return LoggedSample(self.line, self.step, text, asked or None, self.perhaps_data)


def unquoted(text: str) -> str:
    r"""Return the string that a text is the literal of, in Python or JSON, or a list of it; else the text.

    >>> unquoted("'once\\nupon'"), unquoted('["once"]'), unquoted('"Why?" he said. "Why?"')
    ('once\nupon', 'once', '"Why?" he said. "Why?"')
    """
    match = _LITERAL.fullmatch(text) if len(text) <= LONGEST_LITERAL else None
    if match is None:
        return text
    literal = match[1] or match[2]
    try:
        value = str(json.loads(literal))  # joins the halves of a character beyond the first 65,536
    except ValueError:
        try:
            value = str(ast.literal_eval(literal))
        except (SyntaxError, ValueError):
            return text
    return text if any("\ud800" <= each <= "\udfff" for each in value) else value


def _without_fences(lines: list[str], fence: str, ruled: bool) -> list[str]:
    """Return lines without the rules that close them, and without what follows, which is the trainer's."""

    def closes(line: str) -> bool:
        bare = line.strip()
        return not bare or bare == fence or (ruled and len(bare) >= 5 and RULE.fullmatch(bare) is not None)

    end = len(lines)
    while end and closes(lines[end - 1]):
        end -= 1
    if fence and end == len(lines):
        last = next((index for index in reversed(range(end)) if lines[index].strip() == fence), None)
        return lines if last is None else _without_fences(lines[: last + 1], fence, ruled)
    return lines[:end]
