"""Files in, samples and losses out, each with its file and its line.

`find` resolves a path to runs, `recognise` detects the format, `formats` has a module for each format, `read`
yields the samples with their prompts, `folder` knows what a run folder holds. What cannot be used is noted,
never swallowed.
"""

from typing import TYPE_CHECKING

from coherence.lazy import face

if TYPE_CHECKING:
    from coherence.readers.find import RunFiles as RunFiles
    from coherence.readers.find import find_runs as find_runs
    from coherence.readers.lines import Problems as Problems
    from coherence.readers.read import read_pieces as read_pieces
    from coherence.readers.recognise import FORMATS as FORMATS
    from coherence.readers.recognise import format_of as format_of
    from coherence.readers.records import LossRow as LossRow
    from coherence.readers.records import Mark as Mark
    from coherence.readers.records import Problem as Problem
    from coherence.readers.records import Sample as Sample

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "FORMATS": "recognise",
        "LossRow": "records",
        "Mark": "records",
        "Problem": "records",
        "Problems": "lines",
        "RunFiles": "find",
        "Sample": "records",
        "find_runs": "find",
        "read_pieces": "read",
        "format_of": "recognise",
    },
)
