"""Counts the cost of a call, so that a test can compare two calls however busy the machine is."""

import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType
from typing import Any


def memory(call: Callable[[], object]) -> int:
    """Return the peak of the bytes that a call allocates in Python.

    It is called once before, so that whatever is loaded and kept then is not counted.

    >>> memory(lambda: bytes(4_000_000)) > 3 * memory(lambda: bytes(1_000_000))
    True
    """
    call()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def lines(call: Callable[[], object]) -> int:
    """Return how many lines of Python a call runs, counting each pass of a loop, after a first call.

    >>> def loop(times):
    ...     for _ in range(times):
    ...         pass
    >>> lines(lambda: loop(400)) > 3 * lines(lambda: loop(100))
    True
    """
    call()
    count = 0

    def trace(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count
