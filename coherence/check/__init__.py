"""The check against a snapshot: whether a checkpoint writes as well as an earlier one.

`samples` reads and scores samples, `snapshot` stores them, `statistics` has pure functions on arrays,
`verdict` makes the comparisons and the verdict; `conduct` runs them all.
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
