"""A training loop with a monitor, which stops it when the samples have collapsed.

    python examples/in_a_loop.py

The model is a stand-in: it recites what you are reading, and after step 500 a shorter and shorter part of it,
over and over. Its loss falls all the while, so the loss does not show that anything is wrong. In your own
loop the words come from your model, the number from your training step, and the run folder is one that you
keep. The monitor also takes several samples of a step, with the prompts they were drawn for.
"""

from math import log
from tempfile import TemporaryDirectory

from coherence import Monitor

WORDS = (__doc__ or "").split()
with TemporaryDirectory() as folder, Monitor(folder) as monitor:
    for step in range(100, 2001, 100):
        known = WORDS[: max(2, len(WORDS) - max(0, step - 500) // 10)]  # replaces one training step
        monitor.loss(step, log(len(known)))
        verdict = monitor.sample(step, " ".join(known * 40)[:600])  # or every few hundred steps
        print(f"step {step}: {verdict.reason}")
        if verdict.halt:
            print(monitor.diagnosis.sentence, f"go back to step {monitor.resume_from}", sep="\n")
            break
