"""Text in, four scores out.

`text` defines what a token is, `ngrams` counts, `lexicon` knows English words, `profile` is the reference,
and `scores` computes the scores from them; `word_order` measures whether the words are in English order.
`batch` scores many samples, `fast` calls the core in C (`core/`), and `reference` computes the scores a
second time with NLTK. Nothing here knows of files, steps or runs.
"""

from typing import TYPE_CHECKING

from coherence.lazy import face

if TYPE_CHECKING:
    from coherence.scoring.batch import score_many as score_many
    from coherence.scoring.between import between_samples as between_samples
    from coherence.scoring.calibration import calibrate as calibrate
    from coherence.scoring.columns import Columns as Columns
    from coherence.scoring.lexicon import Lexicon as Lexicon
    from coherence.scoring.loop import Loop as Loop
    from coherence.scoring.loop import find_loop as find_loop
    from coherence.scoring.profile import Profile as Profile
    from coherence.scoring.reference import score_reference as score_reference
    from coherence.scoring.scores import Scores as Scores
    from coherence.scoring.scores import score as score
    from coherence.scoring.word_order import WordOrder as WordOrder

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "Columns": "columns",
        "Lexicon": "lexicon",
        "Loop": "loop",
        "Profile": "profile",
        "Scores": "scores",
        "WordOrder": "word_order",
        "between_samples": "between",
        "calibrate": "calibration",
        "find_loop": "loop",
        "score": "scores",
        "score_many": "batch",
        "score_reference": "reference",
    },
)
