"""What `coherence compare` does, once its options are read."""

from argparse import Namespace

from coherence.check.conduct import compare_dumps
from coherence.cli.check import STATUS, limits_of, write_out
from coherence.cli.named import check_outputs, fields_of
from coherence.scoring.profile import Profile
from coherence.show.console import console
from coherence.show.terminal_check import show_check


def run(options: Namespace) -> int:
    """Compare the samples of two checkpoints."""
    check_outputs(options)
    if options.before == options.now == "-":
        raise ValueError("standard input holds the samples of one side; give a file for the other")
    found = compare_dumps(
        options.before,
        options.now,
        limits=limits_of(options),
        fields=fields_of(options),
        profile=None if options.profile is None else Profile.load(options.profile),
        format=options.format,
    )
    show_check(found, console())
    write_out(found, options.json, options.html, options.now)
    return STATUS[found.verdict]
