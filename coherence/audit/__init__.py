"""The audit of a dump: it is read, scored, put in the order of its steps, replayed and reported.

The modules in the order of the data: `plan`, `shard`, `store`, then `runners`, `processes` and `ray`, which
score the shards, `dump`, `rows`, `timeline`, `losses`, `replay`, `summary`, `build`, `table`; `conduct` runs
them all.
"""

from typing import TYPE_CHECKING

from coherence.lazy import face

if TYPE_CHECKING:
    from coherence.audit.build import audit_samples as audit_samples
    from coherence.audit.conduct import audit as audit

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "audit": "conduct",
        "audit_samples": "build",
    },
)
