"""What `--explain` does, of `audit` and of `check`: it says what was read, and scores nothing."""

from argparse import Namespace

from coherence.cli.fields import fields_of
from coherence.readers.explain import explain
from coherence.show.console import console
from coherence.show.terminal_explain import show_explained

UNDERSTOOD, NOT_UNDERSTOOD = 0, 2


def run(options: Namespace) -> int:
    """Print what the files of a path are taken for; the exit status tells whether there are samples."""
    found = explain(options.paths, getattr(options, "loss", None), options.format, fields_of(options))
    show_explained(found, console())
    read = any(reading.samples for each in found for reading in each.files)
    return UNDERSTOOD if read else NOT_UNDERSTOOD
