"""Training logs: what a trainer prints, losses and samples in one file.

`prefix` strips what loggers write before a line, `lines` reads step and loss from a line, `samples` finds the
samples between these lines, `reader` defines the format.
"""

from typing import TYPE_CHECKING

from coherence.lazy import face

if TYPE_CHECKING:
    from coherence.readers.formats.logs.lines import pieces_of as pieces_of
    from coherence.readers.formats.logs.lines import seen_in as seen_in
    from coherence.readers.formats.logs.reader import losses_of as losses_of
    from coherence.readers.formats.logs.reader import samples_of as samples_of
    from coherence.readers.formats.logs.survey import Survey as Survey
    from coherence.readers.formats.logs.survey import survey_of as survey_of

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "Survey": "survey",
        "losses_of": "reader",
        "pieces_of": "lines",
        "samples_of": "reader",
        "seen_in": "lines",
        "survey_of": "survey",
    },
)
