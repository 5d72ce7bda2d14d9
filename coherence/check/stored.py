"""Reads a stored record without pydantic, which takes longer to load than the rest of a check.

Only a record whose values have exactly the stated types is read here. Any other is left to pydantic, which
converts it or says what is wrong with it; the types and their limits are stated once, for both.
"""

import json
import math
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import partial
from importlib import import_module
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, get_args, get_origin

T = TypeVar("T")


class Within(NamedTuple):
    """The range of a number."""

    least: float
    most: float = math.inf

    def holds(self, value: Any) -> bool:
        """Return whether a value, which may be None, is in the range."""
        return value is None or self.least <= value <= self.most

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return _schema(source, handler, ge=self.least, le=None if self.most == math.inf else self.most)


class Letters(NamedTuple):
    """The characters of which a text consists."""

    allowed: str

    def holds(self, value: Any) -> bool:
        """Return whether a text has no other characters."""
        return not value.strip(self.allowed)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return _schema(source, handler, pattern=f"^[{self.allowed}]*$")


def _schema(source: Any, handler: Any, **limits: Any) -> Any:
    return handler.generate_schema(Annotated[source, import_module("pydantic").Field(**limits)])


def read(kind: type[T], written: bytes) -> T | None:
    """Return a record from JSON; None if a value is not exactly of the stated type, or if it is not JSON.

    Args:
        kind: a dataclass.
        written: JSON in UTF-8.
    """
    try:
        values = json.loads(written.decode(), object_pairs_hook=_once)
        found: T = _reader(kind)(values)
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError):
        return None
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key that is there twice")
    return found


def _reader(kind: Any) -> Callable[[Any], Any]:
    """Return a function that reads a value of a type, and raises for any other value."""
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return partial(_record, kind, {field.name: _reader(field.type) for field in fields(kind)})
    if origin is Annotated:
        return partial(_limited, _reader(arguments[0]), arguments[1])
    if origin is Literal:
        return partial(_one_of, arguments)
    if origin is UnionType:  # of a type and None
        return partial(_perhaps, _reader(arguments[0]))
    if origin is tuple:
        return partial(_several, _reader(arguments[0]))
    if origin is dict:
        return partial(_named, _reader(arguments[1]))
    return {float: _number, str: _text}.get(kind, partial(_exactly, kind))


def _record(kind: Any, readers: dict[str, Callable[[Any], Any]], values: Any) -> Any:
    return kind(**{name: readers[name](value) for name, value in values.items()})


def _limited(read: Callable[[Any], Any], limit: Within | Letters, value: Any) -> Any:
    if not limit.holds(read(value)):
        raise ValueError(value)
    return value


def _one_of(allowed: tuple[Any, ...], value: Any) -> Any:
    place = allowed.index(value)
    return _exactly(type(allowed[place]), value)


def _perhaps(read: Callable[[Any], Any], value: Any) -> Any:
    return None if value is None else read(value)


def _several(read: Callable[[Any], Any], values: Any) -> tuple[Any, ...]:
    return tuple(map(read, _exactly(list, values)))


def _named(read: Callable[[Any], Any], values: Any) -> dict[str, Any]:
    return {_text(name): read(value) for name, value in values.items()}


def _number(value: Any) -> Any:
    if not math.isfinite(_exactly(float, value)):
        raise ValueError(value)
    return value


def _text(value: Any) -> Any:
    _exactly(str, value).encode()  # raises for a lone surrogate
    return value


def _exactly(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(value)
    return value
