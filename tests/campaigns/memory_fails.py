"""Memory runs out at each request in turn: the core says so, holds nothing back, and scores on.

    python tests/campaigns/memory_fails.py FOLDER

The core is compiled into the folder with `failing.c`. The tests run it as a program, for what goes wrong with
memory may end the process.
"""

import ctypes
import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, partial
from itertools import count
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "support"))
from cores import build_core, take_core

REPLACED = [f"-D{name}=failing_{name}" for name in ("malloc", "calloc", "realloc", "free")]
SOURCE = str(Path(__file__).with_name("failing.c"))

ENOUGH = 20
"""Calls in a row in which nothing failed: it asks for less than was let through."""


def main(folder: Path) -> None:
    """Print how many requests were let fail, of the core and of Python within it."""
    path = build_core(folder, *REPLACED, SOURCE)
    core = take_core(path)
    counts = [ctypes.c_long.in_dll(ctypes.CDLL(str(path)), name) for name in ("calls", "failing", "held")]
    in_core = in_python = 0
    for call in calls(core):
        expected = call()
        in_core += fail_core(call, partial(forget, core), *counts)
        assert call() == expected
        in_python += fail_python(call)
        assert call() == expected
    print(in_core, in_python)


def calls(core: Any) -> Iterator[Callable[[], object]]:
    """Yield calls of each function of the core, of which what is returned can be compared."""
    fast = importlib.import_module("coherence.scoring.fast")
    made = importlib.import_module("made_of_bytes")
    order = importlib.import_module("coherence.scoring.word_order").WordOrder.load()
    page, words = cache(fast._page), "\n".join(f"word{number}" * 3 for number in range(40)).encode()
    yield lambda: type(core.folding(page))
    yield lambda: type(core.words(words))
    yield lambda: type(core.curve([0.0, 1.0, 2.0], [0.0, 1.0, 1.5]))
    levels = (b"".join(order.near), b"".join(order.far))
    last = (len(order.classes.names), order.classes.word, order.classes.number, order.classes.sign)
    yield lambda: type(core.order(*levels, order.classes.common, (("ing", 5, 1),), *last))
    lexicon, profile = made.Lexicon.load(), made.Profile.load()
    tables = fast._tables(lexicon, profile)
    yield lambda: core.score(("東 b", "a"), core.folding(page), *tables[1:], b"", b"", True)
    for recipe in made.RECIPES + made.LONG_RECIPES:
        texts = tuple(made.asked(recipe, made.MANY if recipe in made.LONG_RECIPES else 2_000).texts)
        groups = len(texts).to_bytes(8, sys.byteorder)
        yield partial(core.score, texts, *tables, groups, b"", True)


def forget(core: Any) -> None:
    """Let the core free what it keeps for the next call, as it does after an error."""
    fast = importlib.import_module("coherence.scoring.fast")
    made = importlib.import_module("made_of_bytes")
    tables = fast._tables(made.Lexicon.load(), made.Profile.load())
    with suppress(ValueError):
        core.score(("a",), *tables, (7).to_bytes(8, sys.byteorder), b"", True)


def fail_core(
    call: Callable[[], object],
    forget: Callable[[], object],
    requests: ctypes.c_long,
    failing: ctypes.c_long,
    held: ctypes.c_long,
) -> int:
    """Let each request of the core fail in turn; return how many there were."""
    forget()
    before = held.value
    for number in count(1):
        requests.value, failing.value = 0, number
        with suppress(MemoryError):
            call()
            assert requests.value < number, f"request {number} failed, and nobody said so"
        failing.value = 0
        made = requests.value
        forget()
        assert held.value == before, (
            f"request {number} failed: {held.value - before} pieces of memory are lost"
        )
        if made < number:
            return number - 1
    raise AssertionError


def fail_python(call: Callable[[], object]) -> int:
    """Let each request of Python fail in turn, if this one can do so; return how many did."""
    try:
        test: Any = importlib.import_module("_testcapi")
    except ImportError:
        return 0
    expected, failed, passed = call(), 0, 0
    for number in count():
        test.set_nomemory(number, number + 1)
        try:
            found = call()
        except MemoryError:
            failed, passed = failed + 1, 0
            continue
        finally:
            test.remove_mem_hooks()
        assert found == expected
        passed += 1
        if passed == ENOUGH:
            break
    return failed


if __name__ == "__main__":
    main(Path(sys.argv[1]))
