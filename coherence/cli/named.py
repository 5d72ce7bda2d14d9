"""What options name: where rows hold what, and which files are read and written."""

import os
import re
from argparse import Namespace
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib import import_module
from itertools import chain, combinations
from pathlib import Path
from typing import TYPE_CHECKING

from coherence.show.output import check_targets

if TYPE_CHECKING:
    from coherence.readers.format import Fields

OUTPUTS = ("output", "json", "html", "scored", "junit", "gitlab", "markdown", "stop_file")
"""The options that name a file to write; `--update` makes one of `--snapshot` too."""

DUMPS, FILES = ("paths", "before", "now", "folder"), ("loss", "snapshot", "profile", "words", "lines")
"""What names samples, and what names another file to read."""

RESULT = re.compile(rb'\{\s*"format": \d+,\s*"(?:headline|verdict|halt)"')
"""How a report, a check and a ranking begin."""

STANDARD_INPUT = "/dev/stdin"
"""The file that a shell puts in the place of standard input; of a pipe there is none."""


def fields_of(options: Namespace) -> "Fields":
    """Return what was said of rows; `USUAL` where nothing was."""
    known = import_module("coherence.readers.format")  # not needed to score a text
    fields: Fields = known.Fields(
        options.prompt_field,
        getattr(options, "group_by", None),
        options.text_field,
        options.step_field,
        getattr(options, "loss_field", None),
    )
    return known.USUAL if fields == known.USUAL else fields


def check_outputs(options: Namespace, also_read: Iterable[str] = ()) -> None:
    """Refuse outputs that cannot be written or would replace what is read, or one another.

    Args:
        options: of a command, before it reads anything.
        also_read: files that it reads besides those that are found by `DUMPS` and `FILES`.

    Raises:
        OSError: the folder of an output cannot be written to.
        ValueError: there is no such folder, the output is one, or is a file that is needed for another use.
    """
    names = (*OUTPUTS, *(["snapshot"] if getattr(options, "update", False) else []))
    outputs = {name: target for name in names if (target := getattr(options, name, None)) is not None}
    check_targets(*(target for name, target in outputs.items() if not _is_made_later(name, target)))
    ours = [(_option(name), target) for name, target in outputs.items() if not _is_device(target)]
    for (one, target), (two, other) in combinations(ours, 2):
        if _is_same(target, other):
            raise ValueError(f"{one} {target}, {two} {other}: one place for two outputs; give each its own")
    # Only what is there can be replaced.
    there = [(option, target) for option, target in ours if Path(target).is_file()]
    read = (path for name in FILES if name not in outputs and (path := getattr(options, name, None)))
    for path in chain(read, _dumped(options, [target for _, target in there]), also_read) if there else ():
        for option, target in there:
            if _is_same(target, path):
                raise ValueError(f"{option} {target}: this file is read, and would be lost; give another")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _is_made_later(name: str, target: str) -> bool:
    """Tell whether an output may be where nothing is yet: behind a URL, or written on a halt."""
    return name == "stop_file" or (name == "scored" and "://" in target)


def _is_device(target: str) -> bool:
    """Tell whether an output is written to as it is, and loses nothing."""
    return Path(target).exists() and not Path(target).is_file()


def _is_same(one: str, two: str) -> bool:
    """Tell whether two names are of one file, which may not be there yet."""
    if "-" in (one, two):
        return one == two
    with suppress(OSError):
        return Path(one).samefile(two)
    return os.path.realpath(one) == os.path.realpath(two)


def _dumped(options: Namespace, outputs: list[str]) -> Iterator[str]:
    """Yield the files that samples are read from; those in a folder if one of the outputs is there too."""
    named = [value for name in DUMPS if (value := getattr(options, name, None)) is not None]
    for path in chain.from_iterable([each] if isinstance(each, str) else each for each in named):
        storage = import_module("coherence.readers.storage")  # not needed to score a text
        if path == "-":
            yield STANDARD_INPUT
        elif not storage.is_url(path):
            for found in [path] if Path(path).exists() else storage.matching(path):
                yield found
                whole = Path(os.path.realpath(found))
                if any(Path(os.path.realpath(output)).is_relative_to(whole) for output in outputs):
                    yield from _found_in(found, options)


def _found_in(path: str, options: Namespace) -> Iterator[str]:
    """Yield the files of samples in a folder; what is wrong there is said when it is read."""
    find_runs = import_module("coherence.readers.find").find_runs
    with suppress(OSError, ValueError):
        for run in find_runs([path], None, options.format, fields_of(options)):
            yield from (file.path for file in run.samples if not _is_result(file.path))


def _is_result(path: str) -> bool:
    """Tell whether a file is one that we wrote: a reader takes the texts in a report for samples."""
    with Path(path).open("rb") as file:
        return RESULT.match(file.read(100)) is not None
