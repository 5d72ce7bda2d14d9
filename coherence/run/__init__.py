"""In the training loop: one object that takes losses and samples, decides, and keeps the run folder.

`monitor` is that object, `given` makes plain values of what a loop hands in, `memory` is what a run
remembers, `recorder` writes, `folder` knows how a line and a state are written.
"""

from typing import TYPE_CHECKING

from coherence.lazy import face

if TYPE_CHECKING:
    from coherence.run.monitor import HaltedRun as HaltedRun
    from coherence.run.monitor import Monitor as Monitor

__getattr__, __dir__, __all__ = face(
    __name__,
    {
        "HaltedRun": "monitor",
        "Monitor": "monitor",
    },
)
