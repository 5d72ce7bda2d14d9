"""In the training loop: one object that takes losses and samples, decides, and keeps the run folder.

`monitor` is that object, `given` turns the loop's values into plain ones, `memory` is the state of a run,
`recorder` writes the run folder, and `folder` defines the form of a line and of a state.
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
