"""The tables in which TRL prints completions: drawn by rich, one row per sample, with multi-line cells.

`╭── Step 12 ──╮`, `┃ Prompt ┃ Completion ┃ reward ┃`, rows between `├──┼──┤`; older versions draw no frame
with the step. Source: docs/formats.md, "Training logs".
"""

import re
from itertools import accumulate
from typing import Literal, NamedTuple
from unicodedata import combining, east_asian_width

from coherence.readers.lines import LONGEST_LINE
from coherence.readers.objects.names import PROMPT, TEXT

CROPPED = 3
"""Letters that identify the name of a column if the rest is cropped."""

_FRAME = re.compile(r"╭─+ (?P<title>[^─]{1,80}) ─+╮")
_TOP = re.compile(r"[┏┌][━─┳┬]+[┓┐]")
_STEP = re.compile(r"step[ :#=]{0,3}(\d{1,15})", re.IGNORECASE)
_BARS = re.compile(r"[│┃]")
_RULED = re.compile(r"[├┠┡┞╞└┗╰][─━═┼┿╇╈╪┴┷┻┳┬┯]*[┤┨┩┦╡┘┛╯]")
_ROLES = ("SYSTEM", "USER", "ASSISTANT", "DEVELOPER", "TOOL")
"""The roles that TRL writes above each message of a chat."""

_TEXTS = tuple(name.replace("_", "") for name in TEXT)
_PROMPTS = (*PROMPT, "query")


class Row(NamedTuple):
    """A sample from a table: the line where its row begins, its text and its prompt."""

    line: int
    text: str
    prompt: str | None


class Tables:
    """Takes the lines of a log and finds the tables of completions among them.

    Attributes:
        step: the one that the frame of the table names; None if it names none.

    >>> tables = Tables()
    >>> head = "┏━━━┳━━━┓", "┃ prompt ┃ completion ┃", "┡━━━╇━━━┩"
    >>> body = "│ Why? │ Because │", "│ │ so. │", "└───┴───┘"
    >>> [tables.take(number, line) for number, line in enumerate([*head, *body], start=1)][-1]
    [Row(line=4, text='Because so.', prompt='Why?')]
    """

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self.step: int | None = None
        self._longest = longest
        self._where: Literal["outside", "frame", "header", "rows"] = "outside"
        self._framed = False
        self._edges: list[int] = []
        self._cells: list[list[str]] = []
        self._columns: tuple[int, int | None] | None = None
        self._line = self._size = 0

    def take(self, number: int, bare: str, within: bool = False) -> list[Row] | None:
        """Take a line; return the rows that end with it, or None if it is not part of a table.

        Args:
            number: of the line.
            bare: the line, stripped.
            within: whether it is within a sample, where a model may have drawn a light frame.
        """
        if not "─" <= bare[:1] <= "╿":
            return None
        if frame := _FRAME.fullmatch(bare):
            return self._take_frame(frame["title"], within)
        inner = bare[1:-1].strip() if self._framed and bare[0] == "│" else bare
        if _TOP.fullmatch(inner):
            return self._take_top(inner, within)
        if self._where == "outside":
            return None
        if _RULED.fullmatch(inner):
            return self._take_rule(inner)
        if inner[:1] in ("│", "┃"):
            self._take_cells(number, inner)
        return []

    def _take_frame(self, title: str, within: bool) -> list[Row] | None:
        step = _STEP.search(title)
        if within and step is None:
            return None
        self.step, self._framed, self._where = int(step[1]) if step else None, True, "frame"
        return []

    def _take_top(self, inner: str, within: bool) -> list[Row] | None:
        if self._where != "frame":
            if within and inner[0] == "┌":
                return None
            self.step, self._framed = None, False
        self._where, self._cells, self._columns, self._size = "header", [], None, 0
        return []

    def _take_cells(self, number: int, inner: str) -> None:
        """Add a line to the header or to the open row."""
        if self._where == "frame" or self._size > self._longest:
            return
        edges = [match.start() for match in _BARS.finditer(inner)]
        if not self._cells:
            self._line, self._size = number, 0
            if self._where == "header":
                self._edges = edges
            self._cells = [[] for _ in self._edges[1:]]
        if len(edges) != len(self._edges):  # a text holds a bar: the places of the header decide
            places = _places(inner)
            edges = [edge for edge in edges if places[edge] in self._edges]
        if len(edges) != len(self._edges):
            edges = self._edges
        for cell, start, end in zip(self._cells, edges, edges[1:], strict=False):
            cell.append(inner[start + 1 : end].strip())
        self._size += len(inner)

    def _take_rule(self, inner: str) -> list[Row]:
        """End the header or a row; the last line also ends the table."""
        cells, self._cells = self._cells, []
        found = []
        if self._where == "header":
            self._columns, self._where = _columns(["".join(cell) for cell in cells]), "rows"
        elif self._where == "rows" and self._columns is not None and cells:
            text, prompt = self._columns
            asked = None if prompt is None else _joined(cells[prompt]) or None
            found = [Row(self._line, _joined(cells[text]), asked)]
        if inner[0] == "╰" or (inner[0] in "└┗" and not self._framed):
            self._where, self._framed = "outside", False
        self._size = 0
        return found


def _places(line: str) -> list[int]:
    """Return the column at which each character begins on a screen: some take two columns, some none."""
    widths = (0 if combining(each) else 1 + (east_asian_width(each) in "WF") for each in line)
    return list(accumulate(widths, initial=0))


def _columns(names: list[str]) -> tuple[int, int | None] | None:
    """Return the column of the text, and that of the prompt; None if there is no text."""
    plain = [re.sub(r"[\s_]", "", name).lower() for name in names]
    text, prompt = _column(plain, _TEXTS), _column(plain, _PROMPTS)
    return None if text is None else (text, prompt)


def _column(plain: list[str], names: tuple[str, ...]) -> int | None:
    """Return the column of the first name that exists; in a narrow table rich crops it: `Comple…`."""
    cropped = [each[:-1] if each.endswith("…") and len(each) > CROPPED else None for each in plain]
    return next(
        (
            number
            for name in names
            for number, (whole, begun) in enumerate(zip(plain, cropped, strict=True))
            if name == whole or (begun is not None and name.startswith(begun))
        ),
        None,
    )


def _joined(lines: list[str]) -> str:
    """Return a cell as one line, without the roles above the messages of a chat."""
    return " ".join(line for line in lines if line and line not in _ROLES)
