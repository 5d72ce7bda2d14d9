"""What `--explain` does, of `audit` and of `check`: it says what was read and set, and scores nothing."""

from argparse import Namespace
from collections.abc import Iterator, Sequence
from typing import Any

from coherence.check.compare import Limits
from coherence.cli.named import fields_of
from coherence.cli.settings import attribute, is_open, keys_of
from coherence.readers.explain import RunReading, explain
from coherence.show.console import console
from coherence.show.terminal_explain import Origin, show_explained, show_origins
from coherence.signals.settings import DEFAULTS

UNDERSTOOD, NOT_UNDERSTOOD = 0, 2

USUAL: dict[str, Any] = {**DEFAULTS.named(), "profile": "english", **Limits()._asdict(), "workers": 1}
"""What holds where nobody has set it; what is not here is then not set at all."""


def run(options: Namespace) -> int:
    """Print how the files of a path are read; the exit status says whether there are samples."""
    found = explain(options.paths, getattr(options, "loss", None), options.format, fields_of(options))
    screen = console()
    show_explained(found, screen)
    show_origins([origin for key in keys_of(options) for origin in _origins(key, options, found)], screen)
    read = any(reading.samples for each in found for reading in each.files)
    return UNDERSTOOD if read else NOT_UNDERSTOOD


def _origins(key: str, options: Namespace, runs: Sequence[RunReading]) -> Iterator[Origin]:
    """Yield where a setting comes from: once, or for each run whose folder states it."""
    name = attribute(key)
    if not is_open(options, key):
        value = getattr(options, name)
        source = options.given[key].origin if key in options.given else _option(key, value)
        yield Origin(key, value, source)
        return
    stated = [(run.name, run.settings.named()[name]) for run in runs] if name in DEFAULTS._fields else []
    unusual = [(run, value) for run, value in stated if value != DEFAULTS.named()[name]]
    if name == "profile" and len({value for _, value in stated}) > 1:
        unusual = []  # what was judged against different ones is scored alike
    for run, value in unusual:
        yield Origin(key, value, f"run folder {run}")
    if not unusual:
        yield Origin(key, USUAL.get(name))


def _option(key: str, value: Any) -> str:
    return f"--no-{key}" if value is False else f"--{key}"
