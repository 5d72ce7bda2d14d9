"""What a training loop hands in: what is understood, what is not, and that nothing raises."""

import io
import json
import math
import subprocess
import sys
import tempfile
import warnings
from collections import OrderedDict, UserDict, defaultdict, deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coherence.run.given import kind, number, plain, prompt, text, texts, whole

CONVERSIONS: tuple[Callable[[Any], object], ...] = (number, whole, text, prompt, texts, plain, kind)


class Level(IntEnum):
    HIGH = 3


class Name(StrEnum):
    CODE = "code"


class Colour(Enum):
    RED = 1


class Item:
    """What has one element, as an array has."""

    def __init__(self, element: Any) -> None:
        self.element = element

    def item(self) -> Any:
        return self.element


def table(names: str | tuple[str, ...], rows: list[Any]) -> pytest.MarkDecorator:
    """Parameters that are called by their types: not all of them can be written out."""
    return pytest.mark.parametrize(names, rows, ids=lambda value: type(value).__name__)


def same(one: object, other: object) -> bool:
    """Equal and of one type, where not-a-number equals itself and 0.0 is not -0.0."""
    return type(one) is type(other) and repr(one) == repr(other)


# Numbers


@table(
    ("value", "expected"),
    [
        (3.43, 3.43),
        (3, 3.0),
        (0, 0.0),
        (-0.0, -0.0),
        (2**53 + 1, 2.0**53),
        (10**400, math.inf),
        (-(10**400), -math.inf),
        (Fraction(10**400), math.inf),
        (Fraction(1, 4), 0.25),
        (Decimal("0.1"), 0.1),
        (Decimal("1e400"), math.inf),
        (Decimal("NaN"), math.nan),
        (math.nan, math.nan),
        (math.inf, math.inf),
        (-math.inf, -math.inf),
        ("3.43", 3.43),
        (" 1e-3\n", 0.001),
        ("nan", math.nan),
        ("-Infinity", -math.inf),
        (Level.HIGH, 3.0),
        (Item(3), 3.0),
        (Item("3"), 3.0),
    ],
)
def test_a_number_is_a_float(value: object, expected: float) -> None:
    assert same(number(value), expected)


@table(
    "value",
    [
        None,
        True,
        False,
        "",
        "low",
        "3,43",
        "0x10",
        "\ud800",
        b"3.43",
        1j,
        [],
        [3.43],
        (3.43,),
        {"loss": 3.43},
        {3.43},
        object(),
        float,
        len,
        Colour.RED,
        Decimal("sNaN"),
        Item(None),
        Item(True),
        Item(1j),
        Item([3.43]),
        Item(Item(3.43)),
    ],
)
def test_what_is_not_a_number_is_none(value: object) -> None:
    assert number(value) is None


# Steps


@table(
    ("value", "expected"),
    [
        (0, 0),
        (-5, -5),
        (100, 100),
        (100.0, 100),
        (-0.0, 0),
        (2**53, 2**53),
        (-(2**53), -(2**53)),
        (2.0**53, 2**53),
        ("100", 100),
        (" 100\n", 100),
        ("100.0", 100),
        ("1e3", 1000),
        ("-7", -7),
        ("1_000", 1000),
        ("9007199254740992", 2**53),
        ("9007199254740991", 2**53 - 1),
        (Decimal("1e2"), 100),
        (Fraction(8, 2), 4),
        (Level.HIGH, 3),
        (Item(7), 7),
        (Item(7.0), 7),
    ],
)
def test_a_whole_number_is_an_int(value: object, expected: int) -> None:
    assert same(whole(value), expected)


@table(
    "value",
    [
        None,
        True,
        False,
        2.5,
        math.nan,
        math.inf,
        -math.inf,
        2**53 + 1,
        -(2**53) - 1,
        2.0**53 + 2,
        10**400,
        "9007199254740993",
        "-9007199254740993",
        "9007199254740992.5",
        "1e999999999",
        "-1e999999999",
        "1e-999999999",
        "2.5",
        "100.00000000000000000000000000000000000001",
        "nan",
        "sNaN",
        "inf",
        "",
        "step 100",
        "1/2",
        "9" * 10_000,
        b"100",
        Decimal("1e999999"),
        Decimal("sNaN"),
        Fraction(1, 2),
        1j,
        [100],
        object(),
        Item(None),
        Item(False),
        Item(2.5),
    ],
)
def test_what_is_not_a_step_is_none(value: object) -> None:
    assert whole(value) is None


@given(st.integers(-(2**54), 2**54))
def test_a_step_is_the_same_as_an_int_and_as_its_digits(step: int) -> None:
    expected = step if abs(step) <= 2**53 else None
    assert whole(step) == whole(str(step)) == expected


# Texts


def said(role: str | None, content: object) -> dict[str, object]:
    return {"content": content} if role is None else {"role": role, "content": content}


PARTS = [
    {"type": "text", "text": "The "},
    {"type": "image", "url": "cat.png"},
    {"type": "text", "text": "cat"},
]
USER, REPLY = said("user", "Why?"), said("assistant", "Because.")
CALL = {"type": "function", "function": {"name": "look", "arguments": {"at": 1}}}


@table(
    ("value", "expected"),
    [
        ("", ""),
        ("The cat", "The cat"),
        ("caf\xe9 \U0001f600 \0", "caf\xe9 \U0001f600 \0"),
        ("a\ud83db", "a\ufffdb"),
        ("\udc80", "\ufffd"),
        ("a\ud83d", "a\ufffd"),
        ("\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        ("\ufeffa", "\ufeffa"),
        (Name.CODE, "code"),
        (b"", ""),
        ("caf\xe9".encode(), "caf\xe9"),
        (b"caf\xc3", "caf\ufffd"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (bytearray(b"The cat"), "The cat"),
        (REPLY, "Because."),
        (USER, "Why?"),
        (said(None, "The cat"), "The cat"),
        (said("assistant", b"The cat"), "The cat"),
        (said("assistant", "\ud800"), "\ufffd"),
        (said("assistant", None), ""),
        (said("assistant", []), ""),
        (said("assistant", PARTS), "The cat"),
        (said("assistant", ["The ", "cat", None, 3, {"text": 3}]), "The cat"),
        (MappingProxyType(REPLY), "Because."),
        (UserDict(REPLY), "Because."),
        (OrderedDict(REPLY), "Because."),
    ],
)
def test_what_holds_a_text_is_read_as_a_text_and_as_a_prompt(value: object, expected: str) -> None:
    assert same(text(value), expected)
    assert same(prompt(value), expected)


@table(
    ("value", "written", "asked"),
    [
        ([USER], "Why?", "Why?"),
        ([REPLY], "Because.", "Because."),
        ([USER, REPLY], "Because.", "Why?"),
        ([REPLY, USER], "Because.", "Why?"),
        ([said("system", "Be kind."), USER], "Why?", "Why?"),
        ([said("system", "Be kind."), USER, REPLY, said("tool", "3")], "Because.", "3"),
        ([USER, said("assistant", "Once."), USER, said("assistant", "Twice.")], "Twice.", "Why?"),
        ([USER, REPLY, said("assistant", None)], "", "Why?"),
        ([USER, said("assistant", PARTS)], "The cat", "Why?"),
        ([said(None, "Why?"), said(None, "Because.")], "Because.", "Because."),
        ([USER, said("assistant", 3)], None, "Why?"),
        ([MappingProxyType(USER), UserDict(REPLY)], "Because.", "Why?"),
        ([USER, {"role": "assistant", "content": None, "tool_calls": [CALL]}], 'look {"at": 1}', "Why?"),
        ([USER, {"role": "assistant", "tool_calls": [CALL]}], 'look {"at": 1}', "Why?"),
        ([USER, REPLY | {"reasoning_content": "It rains."}], "It rains.\nBecause.", "Why?"),
        ([USER, {"role": "assistant", "content": "", "thinking": b"It \xff"}], "It \ufffd", "Why?"),
    ],
)
def test_of_a_chat_the_last_word_of_the_assistant_is_the_text_and_that_of_another_the_prompt(
    value: object, written: str | None, asked: str | None
) -> None:
    assert text(value) == written
    assert prompt(value) == asked


@table(
    "value",
    [
        None,
        True,
        3,
        3.43,
        [],
        (),
        {},
        {"text": "The cat"},
        {"role": "assistant"},
        said("assistant", 3),
        said("assistant", {"text": "The cat"}),
        defaultdict(str),
        ["The cat"],
        [USER, "The cat"],
        [[USER]],
        (USER, REPLY),
        {"The cat"},
        object(),
        str,
        memoryview(b"The cat"),
        PurePosixPath("cat.txt"),
    ],
)
def test_what_does_not_hold_a_text_is_none(value: object) -> None:
    assert text(value) is None
    assert prompt(value) is None


@given(st.text(st.characters()))
@example("\ud83d\ude00")
def test_a_text_is_what_can_be_written_down_and_what_the_lines_give_back(value: str) -> None:
    found = text(value)
    assert found is not None
    assert found.encode().decode("utf-8") == found
    # What JSON makes of two halves of a pair is the character.
    joined = json.loads(json.dumps(value))
    assert found == "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in joined)


# One text, or several


@table(
    "value",
    [
        "",
        "The cat",
        b"The cat",
        bytearray(b"The cat"),
        {},
        REPLY,
        {"text": "a"},
        UserDict(REPLY),
        [USER, REPLY],
        [REPLY],
    ],
)
def test_one_text_is_one(value: object) -> None:
    found = texts(value)
    assert found is not None
    assert len(found) == 1
    assert found[0] is value


@table(
    ("value", "expected"),
    [
        ([], []),
        ((), []),
        (["The cat"], ["The cat"]),
        (("The cat", None, 3), ["The cat", None, 3]),
        ([[USER, REPLY], [REPLY]], [[USER, REPLY], [REPLY]]),
        ([[REPLY]], [[REPLY]]),
        ([REPLY, "The cat"], [REPLY, "The cat"]),
        ([{"text": "The cat"}], [{"text": "The cat"}]),
        ((REPLY, REPLY), [REPLY, REPLY]),
        (deque(["a", "b"]), ["a", "b"]),
        ((letter for letter in "ab"), ["a", "b"]),
        (map(str.upper, "ab"), ["A", "B"]),
        ({"a": 1, "b": 2}.keys(), ["a", "b"]),
        (range(2), [0, 1]),
    ],
)
def test_several_are_their_items_in_order(value: object, expected: list[object]) -> None:
    assert texts(value) == expected


@table("value", [None, 3, 2.5, True, {"a"}, frozenset("ab"), object(), str, len, Item("a")])
def test_what_is_neither_one_text_nor_several_in_order_is_none(value: object) -> None:
    assert texts(value) is None


def drawn(error: BaseException) -> Iterator[str]:
    yield "The cat"
    raise error


@pytest.mark.parametrize(
    "error", [ValueError("of the caller"), TypeError("of the caller"), KeyboardInterrupt()]
)
def test_what_drawing_the_texts_raises_passes_through(error: BaseException) -> None:
    with pytest.raises(type(error)) as raised:
        texts(drawn(error))
    assert raised.value is error


# Details of a note

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.decimals()
    | st.fractions()
    | st.text(st.characters())
    | st.binary()
    | st.dates()
    | st.uuids(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.sampled_from(["role", "content", "type", "text"]), inner)
        | st.builds(Item, inner)
    ),
    max_leaves=9,
)


@table(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (False, False),
        (3, 3),
        (-(2**63), -(2**63)),
        (2**64 - 1, 2**64 - 1),
        (2**64, str(2**64)),
        (-(2**63) - 1, str(-(2**63) - 1)),
        (10**300, "1" + "0" * 199),
        (10**5000, "int"),
        (Level.HIGH, 3),
        (0.1, 0.1),
        (-0.0, -0.0),
        (math.nan, None),
        (math.inf, None),
        (Decimal("0.1"), 0.1),
        (Decimal("NaN"), None),
        (Decimal("sNaN"), None),
        (Decimal("1e400"), None),
        (Fraction(1, 4), 0.25),
        (Fraction(10**400), None),
        ("code", "code"),
        ("x" * 1000, "x" * 1000),
        ("a\ud83db", "a\ufffdb"),
        (Name.CODE, "code"),
        (1j, "1j"),
        (b"code", "b'code'"),
        ([1, 2], "[1, 2]"),
        ({"a": 1}, "{'a': 1}"),
        (PurePosixPath("runs/exp7"), "runs/exp7"),
        (PurePosixPath("runs/\udc80"), "runs/\ufffd"),
        (Colour.RED, "Colour.RED"),
        (list(range(1000)), str(list(range(1000)))[:200]),
        (Item(3), 3),
        (Item(None), None),
        (Item(math.nan), None),
        (Item("code"), "code"),
    ],
)
def test_a_detail_is_what_json_holds(value: object, expected: object) -> None:
    assert same(plain(value), expected)
    json.dumps(plain(value), allow_nan=False).encode()


@pytest.mark.slow
@given(ANYTHING)
def test_whatever_is_given_a_detail_can_be_written_down(value: object) -> None:
    detail = plain(value)
    assert type(detail) in (str, int, float, bool, type(None))
    json.dumps(detail, ensure_ascii=False, allow_nan=False).encode()


# Words for a log line


@table(
    ("value", "expected"),
    [
        (None, "None"),
        (True, "bool True"),
        (math.nan, "float nan"),
        (2**60, f"int {2**60}"),
        (10**5000, "int"),
        ("low", "str 'low'"),
        ("x" * 1000, "str '" + "x" * 39),
        ("\x1b[31m\n\u202e\ud800", r"str '\x1b[31m\n\u202e\ud800'"),
        (b"\x1b", r"bytes b'\x1b'"),
        (1j, "complex 1j"),
        (Decimal("sNaN"), "Decimal Decimal('sNaN')"),
        ([3.43], "list"),
        ({"loss": 3.43}, "dict"),
        (object(), "object"),
        (str, "type"),
        (type("a\x1b[31m\n\u202e", (), {})(), "a [31m⏎ "),
        (type("x" * 1000, (), {})(), "x" * 40),
    ],
)
def test_a_log_line_says_what_it_was(value: object, expected: str) -> None:
    assert kind(value) == expected
    assert kind(value).isprintable()


# Whatever it is, nothing raises


class Refused(Exception):
    """What everything hostile raises."""


def refuse(*_: Any, **__: Any) -> Any:
    raise Refused


METHODS = {
    name
    for like in (object, int, float, str, bytes, list, dict, set, Iterator, type(io.StringIO()))
    for name in dir(like)
    if callable(getattr(like, name, None))
} - {"__new__", "__init__", "__class__", "__init_subclass__", "__subclasshook__", "__del__"}
HOSTILE_METHODS = dict.fromkeys(METHODS | {"item", "detach", "__array__", "__float__", "__int__"}, refuse)


class HostileType(type):
    """Of a class that does not even tell its name."""

    __getattribute__ = refuse
    __instancecheck__ = refuse
    __repr__ = refuse


def hostile(base: type, metaclass: type = type, **methods: Any) -> Any:
    return metaclass("Hostile", (base,), HOSTILE_METHODS | methods)


def in_itself() -> list[object]:
    endless: list[object] = []
    endless.append(endless)
    return endless


HOSTILE: dict[str, Callable[[], object]] = {
    "an object": lambda: hostile(object)(),
    "an object whose class is a lie": lambda: hostile(object, __class__=property(refuse))(),
    "an object of a hostile type": lambda: object.__new__(hostile(object, HostileType)),
    "an int": lambda: int.__new__(hostile(int), 3),
    "a float": lambda: float.__new__(hostile(float), 3.0),
    "a string": lambda: str.__new__(hostile(str), "caf\xe9"),
    "bytes": lambda: bytes.__new__(hostile(bytes), b"The cat"),
    "a list": lambda: list.__new__(hostile(list)),
    "a dict": lambda: dict.__new__(hostile(dict)),
    "a set": lambda: set.__new__(hostile(set)),
    "a decimal": lambda: Decimal.__new__(hostile(Decimal), "3"),
    "a chat of hostile messages": lambda: [dict.__new__(hostile(dict))],
    "a message with hostile content": lambda: said("assistant", hostile(object)()),
    "a message with a hostile part": lambda: said("assistant", [dict.__new__(hostile(dict))]),
    "an array with a hostile element": lambda: Item(hostile(object)()),
    "what returns itself": lambda: type("Itself", (), {"item": lambda self: self, "detach": lambda s: s})(),
    "what has every attribute": lambda: type(
        "All", (), {"__getattr__": lambda s, _: s, "__call__": lambda s: s}
    )(),
    "what calls itself": lambda: type(
        "Loop", (), {"__str__": lambda self: str(self), "item": lambda s: s.item()}
    )(),
    "a list in itself": in_itself,
    "a repr that is not a string": lambda: type(
        "Odd", (float,), {"__repr__": lambda _: 3, "__str__": lambda _: 3}
    )(3),
    "a type": lambda: HostileType("Hostile", (), {}),
}


@pytest.mark.parametrize("convert", CONVERSIONS, ids=lambda convert: convert.__name__)
@pytest.mark.parametrize("name", HOSTILE)
def test_no_object_makes_it_raise(name: str, convert: Callable[[object], object]) -> None:
    value = HOSTILE[name]()
    found = convert(value)
    if convert in (plain, kind):
        json.dumps(found, allow_nan=False)
    elif convert is not texts:
        assert type(found) in (type(None), float, int, str)


@pytest.mark.slow
@given(ANYTHING)
def test_nothing_makes_it_raise(value: object) -> None:
    for convert in CONVERSIONS:
        convert(value)


@pytest.mark.parametrize("convert", [number, whole, plain], ids=lambda convert: convert.__name__)
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_ctrl_c_passes_through(convert: Callable[[object], object], error: type[BaseException]) -> None:
    def stop(_: object) -> object:
        raise error

    with pytest.raises(error):
        convert(type("Slow", (), {"item": stop})())


def test_nothing_is_done_to_what_was_given(tmp_path: Path) -> None:
    """A file has a `detach` too, and a default dictionary makes up what it is asked for."""
    invented: defaultdict[str, str] = defaultdict(lambda: "made up")
    with (tmp_path / "log.txt").open("w", encoding="utf-8") as file, tempfile.TemporaryFile("w") as other:
        for convert in set(CONVERSIONS) - {texts}:
            for value in (file, other, invented):
                convert(value)
        file.write("goes on")
    assert not invented
    assert (tmp_path / "log.txt").read_text(encoding="utf-8") == "goes on"


def test_no_framework_is_imported() -> None:
    asked = "import sys; from coherence.run import given; print(*sys.modules, sep='\\n')"
    answer = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)  # noqa: S603 - our own interpreter
    loaded = {name.split(".")[0] for name in answer.stdout.split()}
    assert "coherence" in loaded
    assert not loaded & {"numpy", "torch", "pandas", "pydantic"}


# numpy


def test_numbers_of_numpy_are_numbers() -> None:
    np = pytest.importorskip("numpy")
    for dtype in (np.float16, np.float32, np.float64, np.longdouble, np.int8, np.int64, np.uint64):
        for value in (dtype(3), np.array(3, dtype), np.array([3], dtype), np.full((1, 1, 1), 3, dtype)):
            assert same(number(value), 3.0), value
            assert same(whole(value), 3), value
            assert plain(value) == 3
            assert type(plain(value)) in (int, float)
    assert same(number(np.float32(np.nan)), math.nan)
    assert same(number(np.array(["2.5"])), 2.5)
    assert same(number(np.array([Decimal("2.5")])), 2.5)
    assert same(number(np.array([-np.inf])), -math.inf)


def test_what_numpy_holds_besides_is_none() -> None:
    np = pytest.importorskip("numpy")
    for value in (
        np.array([]),
        np.array([3.4, 3.5]),
        np.ones((2, 2)),
        np.bool_(True),
        np.array([True]),
        np.complex64(1),
        np.array(None),
        np.array(["low"]),
        np.array([(1, 2.0)], dtype="i4,f4"),
    ):
        assert number(value) is None, value
        assert whole(value) is None, value
    assert whole(np.float32(2.5)) is None
    assert whole(np.uint64(2**64 - 1)) is None


def test_texts_and_details_of_numpy() -> None:
    np = pytest.importorskip("numpy")
    found = texts(np.array(["The cat", "The dog"]))
    assert found is not None
    assert [text(each) for each in found] == ["The cat", "The dog"]
    assert same(text(np.str_("The cat")), "The cat")
    assert same(text(np.bytes_(b"The cat")), "The cat")
    assert texts(np.array("The cat")) is None
    assert same(plain(np.bool_(True)), True)
    assert same(plain(np.str_("code")), "code")
    assert same(plain(np.uint64(2**64 - 1)), 2**64 - 1)
    assert plain(np.float32(np.inf)) is None
    assert plain(np.array([1, 2])) == "[1 2]"
    assert kind(np.ones(2)) == "ndarray"


# torch


class Attached(Item):
    """What warns when its element is taken while it requires a gradient, as tensors do."""

    def item(self) -> Any:
        warnings.warn("requires_grad", UserWarning, stacklevel=2)
        return self.element

    def detach(self) -> Item:
        return Item(self.element)


def test_what_requires_a_gradient_is_detached_before_its_element_is_taken() -> None:
    for convert in (number, whole, plain):
        assert convert(Attached(3)) == 3


def test_a_tensor_of_one_element_is_a_number_whatever_its_shape_without_a_warning() -> None:
    torch = pytest.importorskip("torch")
    for shape in ((), (1,), (1, 1, 1)):
        for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int32, torch.int64):
            value = torch.full(shape, 3, dtype=dtype)
            assert same(number(value), 3.0)
            assert same(whole(value), 3)
            assert plain(value) == 3
        learned = torch.full(shape, 3.0, requires_grad=True)
        for value in (learned, learned * 2 / 2, torch.nn.Parameter(learned)):
            assert same(number(value), 3.0)
            assert same(whole(value), 3)
            assert value.requires_grad, "it is still what it was"
    assert same(number(torch.tensor(math.nan)), math.nan)


def test_other_tensors_are_not_numbers() -> None:
    torch = pytest.importorskip("torch")
    for value in (
        torch.ones(2),
        torch.empty(0),
        torch.ones(2, requires_grad=True),
        torch.tensor(True),
        torch.tensor(1j),
        torch.empty(1, device="meta"),
    ):
        assert number(value) is None
        assert whole(value) is None
        assert text(value) is None
        assert type(plain(value)) in (str, bool)
        assert kind(value) == "Tensor"
    assert plain(torch.tensor(True)) is True
    assert plain(torch.bfloat16) == "torch.bfloat16"
    assert texts(torch.tensor(3)) is None


# pandas


def test_a_series_of_texts_is_several_texts() -> None:
    pandas = pytest.importorskip("pandas")
    assert texts(pandas.Series(["The cat", "The dog"], index=[7, 5])) == ["The cat", "The dog"]
    assert number(pandas.NA) is None
    assert plain(pandas.Timestamp("2026-01-01")) == "2026-01-01 00:00:00"
