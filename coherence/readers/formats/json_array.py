"""One JSON document: an array of objects, an object that holds such an array, or an object that is a row."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from coherence.readers import storage
from coherence.readers.file_names import step_in, step_named
from coherence.readers.format import USUAL, Fields, Format
from coherence.readers.lines import (
    LONGEST_LINE,
    Head,
    Part,
    Problems,
    file_name,
    is_json_object,
    read_head,
    shown,
    to_step,
    why_not_parsed,
)
from coherence.readers.objects import rows
from coherence.readers.objects.metrics import mentions, metrics_of
from coherence.readers.objects.names import PROMPT, SEVERAL, STEP, TEXT, usual_name
from coherence.readers.records import LossRow, MetricRow, Sample

CHUNK = 2**20
"""Bytes that are read at a time."""

BEGINNING = 2**13
"""Characters of a document that are searched for the keys of a row."""

_OF_STEP_0 = re.compile(r'\{\s*"0"\s*:\s*\[\s*\{')
_ARRAY = re.compile(r"\[\s*(?:\[\s*)?\{")
_INNER_ARRAY = re.compile(r'"\s*:\s*\[\s*\{')
# The text between brackets, including whole strings, in which brackets do not count.
_NO_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
_BRACKET = re.compile(_NO_BRACKET.pattern + rb"([\[\]{}])", re.DOTALL)


_SEPARATORS = b" \t\r\n,"
_NAME = re.compile(rb'"((?:[^"\\]|\\.)*)"\s*(:?)', re.DOTALL)

# A key, and its value if that is a string or a number; strings that are values elsewhere are passed over.
_MEMBER = re.compile(
    rb'"((?:[^"\\]|\\.)*+)"\s*+:\s*+("(?:[^"\\]|\\.)*+"|-?\d++(?:\.\d++)?(?:[eE][-+]?\d++)?)?', re.DOTALL
)

LONGEST_STATED, LONGEST_NUMBER = 1_000, 15
"""Bytes of the value of a step, and digits of a key that is one."""

_Place = tuple[bytes, ...] | None
"""The keys of a document above the array of rows. If empty, the document itself is a row; None allows any
array at the top, or one level below."""

_HARNESSES = (
    (
        re.compile(r'\{\s*"version"\s*:\s*\d+\s*,\s*"status"\s*:.{0,200}?"eval"\s*:\s*\{', re.DOTALL),
        (b"samples",),
    ),
    (
        re.compile(r'\{\s*(?:"evalId"\s*:[^,{]*,\s*)?"results"\s*:\s*\{\s*"version"'),
        (b"results", b"results"),
    ),
)
"""How documents of inspect-ai and promptfoo begin, which also hold other arrays, and where the rows are."""

_OF_A_ROW = frozenset(
    (*TEXT, "choices", "candidates", "conversations", "conversation", "resps", "message", "0")
)
_BESIDE_TEXTS, _TEXTS = frozenset((*STEP, *PROMPT)), frozenset(SEVERAL)


def recognise(head: Head) -> bool:
    """Tell whether a file is an array of objects, or one object that is a row or holds such an array.

    A row in a single line is JSON lines.
    """
    text = head.text.lstrip()
    if _ARRAY.match(text):
        return True
    if not text.startswith("{"):
        return False
    lines = head.lines
    place, inner = _place(text), _INNER_ARRAY.search(text)
    if len(lines) == 1:
        return bool(place) or (inner is not None and _holds_rows(text, inner))
    if (place is None and inner is None) or is_json_object(lines[0]):
        return False
    return 2 * sum(map(is_json_object, lines)) < len(lines)


def _holds_rows(text: str, inner: re.Match[str]) -> bool:
    """Tell whether an object in a single line holds an array of rows; a row that holds a chat begins alike.

    If it has a step, the rows have to have a text, and it must not be a row itself.
    """
    before = set(re.findall(r'"(\w+)"\s*:', text[: inner.end()]))
    if not before.isdisjoint((*TEXT, *PROMPT)):
        return False
    if before.isdisjoint(STEP):
        return True
    within = _names(text[inner.end() - 1 :][:BEGINNING].encode(errors="replace"))
    return before.isdisjoint(_OF_A_ROW | _TEXTS) and not within.isdisjoint(_OF_A_ROW | _TEXTS)


def _place(text: str) -> _Place:
    """Return where the rows are in a document, judged by its beginning."""
    text = text.lstrip()
    known = next((place for begin, place in _HARNESSES if begin.match(text)), None)
    if known is None and text.startswith("{"):
        names = _names(text[:BEGINNING].encode(errors="replace"))
        if _OF_STEP_0.match(text):
            names.discard("0")
        if names & _OF_A_ROW or (names & _TEXTS and names & _BESIDE_TEXTS):
            return ()
    return known


def _names(text: bytes) -> set[str]:
    """Return the keys of the object at the beginning of a text."""
    found: set[str] = set()
    at = depth = 0
    while depth >= 0:
        bracket = _BRACKET.match(text, at)
        end = bracket.end() if bracket else len(text)
        if depth == 1:
            found.update(
                name.decode(errors="replace") for name, colon in _NAME.findall(text[at:end]) if colon
            )
        if bracket is None:
            break
        depth += 1 if bracket[1] in b"[{" else -1
        if depth == 0:
            break
        at = end
    return found


def samples(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[Sample]:
    """Yield the samples of a file; those without a step have that of the object above them."""
    return rows.samples_of(_with_steps(part, problems), part.path, problems, fields)


def losses(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[LossRow]:
    """Yield the training losses of a file."""
    return rows.losses_of(_read(part, problems), part.path, problems, fields)


def _read(part: Part, problems: Problems) -> Iterator[tuple[int, dict[str, Any]]]:
    yield from _objects(part, problems, place=_place(read_head(part.path).text))


def _with_steps(part: Part, problems: Problems) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects, those without a step with that of the key or of the object above them."""
    scan = _Scan(part.path, problems, place=_place(read_head(part.path).text))
    named = step_named(part.path) is not None
    stated: dict[str, Any] | None = None
    for line, row in _parsed(part, scan, problems):
        if any(value is not None and usual_name(key) in STEP for key, value in row.items()):
            yield line, row
            continue
        if stated is None:
            stated = {} if named else scan.stated or _stated(part, scan)
        step = _step_of_key(scan.key, numbers=not named and not stated)
        if step is None:
            yield line, {**row, **stated}
        else:
            problems.remark(f"{file_name(part.path)}: the keys above its rows are read as their steps")
            yield line, {**row, "step": step}


def _stated(part: Part, scan: "_Scan") -> dict[str, Any]:
    """Return the step that the object of a document states, wherever in it: read once more to its end."""
    if scan.is_object:
        scan = _Scan(part.path, Problems())
        for _ in _elements(part, scan, CHUNK):
            pass
    return scan.stated


def _step_of_key(key: str, numbers: bool) -> int | None:
    """Return the step that the key of an array names; a number alone only if nothing else states a step."""
    if key.isdecimal():
        return int(key) if numbers and len(key) <= LONGEST_NUMBER else None
    return step_in(key.lower())


def _usable(name: str, value: Any) -> dict[str, Any]:
    """Return a step under its name.

    Raises:
        ValueError: the value is not a step; a checkpoint or an epoch may be anything.
    """
    if name not in ("checkpoint", "epoch"):
        to_step(value)
    return {name: value}


def metrics(part: Part, problems: Problems, fields: Fields = USUAL) -> Iterator[MetricRow]:
    """Yield reward, KL divergence and length from a file."""
    found = _read(part, problems) if mentions(part.path) else ()
    return metrics_of(found, part.path, problems, fields)


def _objects(
    part: Part, problems: Problems, chunk: int = CHUNK, longest: int = LONGEST_LINE, place: _Place = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects with the lines where they begin."""
    return _parsed(part, _Scan(part.path, problems, longest, place), problems, chunk)


def _parsed(
    part: Part, scan: "_Scan", problems: Problems, chunk: int = CHUNK
) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, raw in _elements(part, scan, chunk):
        try:
            value = json.loads(raw.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            problems.add(part.path, line, why_not_parsed(error))
        else:
            yield line, value


def _elements(part: Part, scan: "_Scan", size: int) -> Iterator[tuple[int, bytes]]:
    """Yield the objects of the arrays as bytes, one after another, without holding the document."""
    with storage.open_bytes(part.path) as file:
        try:
            while chunk := file.read(min(size + scan.held, 4 * size)):
                scan.take(chunk)
                yield from scan.found()
                if part.end is not None and scan.at >= part.end:
                    return
        except storage.BROKEN as error:
            scan.add(storage.why_broken(error))
            return
    if scan.depth:
        scan.add("the document ends in the middle: it is cut off, or a quote or a bracket is not closed")


class _Scan:
    """The position in a document: the array, and the object in it.

    Attributes:
        depth: how many brackets are open.
        at: how many bytes of what is held were looked at.
        is_object: whether the document is an object, and not itself a row.
        stated: the steps that this object stated so far, by their usual names.
        key: that of the last array of rows, in that object; empty if the document is an array.
    """

    def __init__(
        self, path: str, problems: Problems, longest: int = LONGEST_LINE, place: _Place = None
    ) -> None:
        self._path, self._problems, self._longest, self._place = path, problems, longest, place
        self._keys: list[bytes] = []  # those above the last bracket that was seen
        self.depth = self.at = 0
        self._held = b""
        self._line, self._counted = 1, 0  # a line, and up to where line ends were counted
        self._seen = 0  # up to where brackets were seen in it
        # The depth of the array of rows; a document that is a row counts as an element of one.
        self._array: int | None = 0 if place == () else None
        self._begun: int | None = None  # where the open object begins
        self._ended = 0  # where the previous object ended
        self._too_long = False
        self._objects = 0  # how many the array had
        self.is_object, self.key = False, ""
        self.stated: dict[str, Any] = {}

    @property
    def held(self) -> int:
        """How many bytes are held and looked at again with the next ones; the next read should be larger."""
        return len(self._held)

    def take(self, chunk: bytes) -> None:
        """Hold more of the document, and drop the part that is finished."""
        done = self._seen if self._array is None else self._ended
        done = done if self._begun is None else self._begun
        if len(self._held) - done > self._longest:
            if not self._too_long:
                self.add("an object or a value of more than 16 MB, the largest that is read")
            self._too_long, done = True, self._seen
            self._held = self._held[:done] + _unfinished(self._held, done)
        self._drop(done)
        self._held += chunk

    def _drop(self, size: int) -> None:
        self._line_at(max(size, self._counted))
        self._held = self._held[size:]
        self._counted -= size
        self._seen -= size
        self._ended = max(self._ended - size, 0)
        if self._begun is not None:
            self._begun = max(self._begun - size, 0)

    def add(self, message: str) -> None:
        """Note a problem at the open object, or else at the last bracket that was seen."""
        self._add(self._seen if self._begun is None else self._begun, message)

    def _add(self, at: int, message: str) -> None:
        self._problems.add(self._path, self._line_at(at), message)

    def _line_at(self, at: int) -> int:
        """Return the line of a position; positions are asked for nearly in the order of the document."""
        if at > self._counted:
            self._line += self._held.count(b"\n", self._counted, at)
            self._counted = at
            return self._line
        return self._line - self._held.count(b"\n", at, self._counted)

    def found(self) -> Iterator[tuple[int, bytes]]:
        """Yield the objects that end in the bytes held, with their lines."""
        while bracket := _BRACKET.match(self._held, self._seen):
            self.at += bracket.end() - self._seen
            before, self._seen = self._seen, bracket.end()
            if self.is_object and self.depth == 1:
                self._note_stated(self._held[before : self._seen])
            if bracket[1] in b"[{":
                self._open(bracket[1], before)
            else:
                yield from self._close()

    def _note_stated(self, between: bytes) -> None:
        """Note the steps in a part of the outermost object, and the last key there."""
        for name, value in _MEMBER.findall(between):
            self.key = name.decode(errors="replace")
            if value and len(value) <= LONGEST_STATED and (usual := usual_name(self.key)) in STEP:
                with suppress(ValueError):
                    self.stated |= _usable(usual, json.loads(value.decode(errors="replace")))

    def _open(self, bracket: bytes, before: int) -> None:
        self.depth += 1
        if self.depth == 1:
            self.is_object = bracket == b"{" and self._place is None
        if self._array is None:
            if self._is_wanted(bracket, before):
                self._array, self._ended, self._objects = self.depth, self._seen, 0
        elif bracket == b"{" and self.depth == self._array + 1:
            self._begun = self._seen - 1
            self._between(self._begun)
        elif bracket == b"[" and self.depth == 2 and self._is_first():  # an array of arrays
            self._array, self._ended, self._objects = self.depth, self._seen, 0

    def _is_first(self) -> bool:
        """Tell whether the last bracket that was seen is the first element of its array."""
        between = self._held[self._ended : self._seen - 1]
        return self._array == 1 and not self._objects and not between.strip(_SEPARATORS)

    def _is_wanted(self, bracket: bytes, before: int) -> bool:
        """Tell whether a bracket opens the array of rows; `before` is the end of the previous bracket."""
        if self._place is None:
            return bracket == b"[" and self.depth <= 2
        if self.depth <= len(self._place) + 1:
            names = [name for name, colon in _NAME.findall(self._held[before : self._seen]) if colon]
            self._keys[self.depth - 1 :] = names[-1:] or [b""]
        return bracket == b"[" and self.depth == len(self._place) + 1 and tuple(self._keys[1:]) == self._place

    def _close(self) -> Iterator[tuple[int, bytes]]:
        if self._begun is not None and self._array == self.depth - 1:
            if not self._too_long:
                yield self._line_at(self._begun), self._held[self._begun : self._seen]
            self._begun, self._ended, self._too_long = None, self._seen, False
            self._objects += 1
        elif self._array and self._array == self.depth:
            if self._objects:
                self._between(self._seen - 1)
            self._array = None
        self.depth = max(self.depth - 1, 0)

    def _between(self, end: int) -> None:
        """Note anything between two objects other than the comma."""
        between = self._held[self._ended : end].rstrip(_SEPARATORS)
        if value := between.lstrip(_SEPARATORS):
            at = self._ended + len(between) - len(value)
            self._add(at, f"not a JSON object: {shown(value.decode(errors='replace'))}")


def _unfinished(held: bytes, at: int) -> bytes:
    """Return the part that matters of an unfinished string: its quote, and the backslashes at its end."""
    rest = _NO_BRACKET.match(held, at)
    if rest is None or rest.end() == len(held):
        return b""
    return b'"' + b"\\" * (len(held) - len(held.rstrip(b"\\")))


FORMAT = Format(
    "json_array",
    "JSON array of objects",
    recognise,
    samples,
    losses,
    why="one JSON document that holds an array of objects",
    metrics=metrics,
)
