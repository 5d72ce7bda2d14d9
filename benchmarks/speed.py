"""What scoring costs, beside `zlib` and a plain nltk version, and what each way in costs to import.

    python benchmarks/speed.py

All figures are CPU time of this one run, the best of several tries: compare them with each other, not with
figures of another machine.
"""

import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pydoc_data.topics import topics

from nltk import FreqDist, ngrams

from coherence import score
from coherence.scoring.text import clean, tokenize

BYTES = 2048
TRIES = 7
WAYS_IN = {
    "score, Gate": "from coherence import score, Gate",
    "score, once called": "from coherence import score; score('a b c')",
    "audit": "import coherence.audit.build",
    "command line, --help": "import coherence.cli.main",
    **{
        f"command line, {command}": f"import coherence.cli.{command}"
        for command in ("audit", "check", "serve", "score", "calibrate")
    },
}


def main() -> None:
    """Print both tables."""
    samples = two_kilobyte_samples()
    print(f"{len(samples)} samples of {BYTES} bytes   microseconds a sample   MB/s   against score")
    own = seconds_a_sample(score, samples)
    for name, function in (("score", score), ("zlib level 6", compress), ("nltk n-grams", nltk_counts)):
        cost = own if function is score else seconds_a_sample(function, samples)
        print(f"{name:<30}{1e6 * cost:>20.0f}{BYTES / cost / 1e6:>11.1f}{own / cost:>12.2f} x")
    one = samples[0]
    print(f"{'one sample, again and again':<30}{1e6 * seconds_a_sample(score, [one] * 200):>20.0f}")
    print(f"{'the same with one é in it':<30}{1e6 * seconds_a_sample(score, [one + 'é'] * 200):>20.0f}")
    print("\nimport, milliseconds of CPU above bare Python")
    bare = import_seconds("pass")
    for name, statement in WAYS_IN.items():
        print(f"{name:<30}{1e3 * (import_seconds(statement) - bare):>20.1f}")


def two_kilobyte_samples() -> list[str]:
    """Cut the language reference that comes with Python into samples."""
    text = "\n".join(topics[name] for name in sorted(topics)).encode("ascii", "ignore").decode()
    return [text[start : start + BYTES] for start in range(0, min(len(text), 200 * BYTES) - BYTES, BYTES)]


def compress(text: str) -> int:
    """Compress the sample as the peers do."""
    return len(zlib.compress(text.encode(), 6))


def nltk_counts(text: str) -> list[int]:
    """Count the same n-grams with nltk."""
    cleaned = clean(text)
    tokens = tokenize(cleaned)
    counted = [FreqDist(ngrams(tokens, order)) for order in (1, 2, 3)] + [FreqDist(ngrams(cleaned, 4))]
    return [len(counts) for counts in counted]


def seconds_a_sample(function: Callable[[str], object], samples: list[str]) -> float:
    """Return the CPU seconds that a sample takes, in the best of several tries."""
    function(samples[0])
    best = float("inf")
    for _ in range(TRIES):
        started = time.process_time()
        for sample in samples:
            function(sample)
        best = min(best, time.process_time() - started)
    return best / len(samples)


def import_seconds(statement: str) -> float:
    """Return the CPU seconds of a fresh interpreter that runs the statement, in the best of several tries."""
    code = f"{statement}\nimport time; print(time.process_time())"
    command = [sys.executable, "-c", code]
    return min(float(subprocess.check_output(command)) for _ in range(TRIES))  # noqa: S603 - our own words


if __name__ == "__main__":
    main()
