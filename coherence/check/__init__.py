"""Against a snapshot: does a checkpoint write as well as one before it.

`samples` reads and scores, `snapshot` is what is kept of them, `statistics` are pure functions on arrays,
`verdict` is each comparison and what they amount to; `conduct` is the whole of it.
"""

from typing import TYPE_CHECKING

from coherence.lazy import face

if TYPE_CHECKING:
    from coherence.check.compare import Comparison as Comparison
    from coherence.check.conduct import check as check
    from coherence.check.conduct import compare_dumps as compare_dumps
    from coherence.check.conduct import take_snapshot as take_snapshot
    from coherence.check.snapshot import Snapshot as Snapshot
    from coherence.check.verdict import Check as Check

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "Check": "verdict",
        "Comparison": "compare",
        "Snapshot": "snapshot",
        "check": "conduct",
        "compare_dumps": "conduct",
        "take_snapshot": "conduct",
    },
)
