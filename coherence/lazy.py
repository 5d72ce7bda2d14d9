"""The public names of a package, each loaded when it is first used (PEP 562).

A package has light and heavy modules: a user of the light ones does not wait for the heavy ones. An optional
library is loaded by the function that needs it; `needs` has the words for one that is missing.
"""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def face(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return `__getattr__`, `__dir__` and `__all__` of a package.

    Args:
        package: its name.
        homes: for each public name the module that defines it, relative to the package.

    >>> load, names, everything = face("coherence", {"score": "scoring.scores"})
    >>> load("score")("Budy Budy Budy Budy").low(), everything
    (True, ['score'])
    """

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{homes[name]}"), name)
        setattr(sys.modules[package], name, value)  # found directly the next time
        return value

    return load, lambda: sorted({*vars(sys.modules[package]), *homes}), sorted(homes)


def needs(library: str, extra: str) -> str:
    """Return the words for an optional library that is missing: its name and how to install it.

    They name no package of ours, because coherence is not on a package index yet.

    Args:
        library: its name on the package index.
        extra: the extra in pyproject.toml that brings it, in a version that was tested.

    >>> needs("pyarrow", "parquet")
    "needs pyarrow: pip install pyarrow, or in a clone pip install '.[parquet]'"
    """
    return f"needs {library}: pip install {library}, or in a clone pip install '.[{extra}]'"
