"""Where a person said that rows hold what, by the options that `audit` and `check` share."""

from argparse import Namespace

from coherence.readers.format import USUAL, Fields


def fields_of(options: Namespace) -> Fields:
    """Return what was said; `USUAL` where nothing was."""
    fields = Fields(
        options.prompt_field,
        getattr(options, "group_by", None),
        options.text_field,
        options.step_field,
        getattr(options, "loss_field", None),
    )
    return USUAL if fields == USUAL else fields
