"""Texts written to be slow or to break something, longer and longer: time of a doubling, memory, failures.

python benchmarks/faults/hostile_text.py                 # doublings up to 1 MB, 60 seconds of random texts
python benchmarks/faults/hostile_text.py --largest 64 --seconds 3600 --memory
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from random import Random

from coherence import score
from coherence.loops import find_loop
from coherence.readers import log_lines, log_samples
from coherence.readers.lines import Problems
from coherence.text import clean, tokenize

MEGABYTE = 2**20
PUMPED = {
    "marks on one letter": ("a", "\u0301"),
    "no space": ("", "abcdefg"),
    "blank lines": ("> a\n", "\n"),
    "special tokens": ("", "<s>"),
    "opened special tokens": ("", "<|a"),
    "joints": ("a", "'a"),
    "digits": ("sample 1 (iter", "1"),
    "half pairs": ("", "\ud800"),
    "right to left": ("", "\u202eא"),
    "Han": ("", "東京"),
}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--largest", type=int, default=1, help="megabytes of the longest text")
    parser.add_argument("--seconds", type=float, default=60, help="of random texts")
    parser.add_argument("--memory", action="store_true", help="score the longest texts, print their memory")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for name, (before, pumped) in PUMPED.items():
        doublings(f"{name}: text", before, pumped, arguments.largest, lambda text: tokenize(clean(text)))
        doublings(f"{name}: log", before, pumped, arguments.largest, read_log)
        if arguments.memory:
            memory(
                name, before + pumped * (arguments.largest * MEGABYTE // len(pumped.encode(errors="replace")))
            )
    random_texts(arguments.seconds, arguments.seed)


def doublings(name: str, before: str, pumped: str, largest: int, read: Callable[[str], object]) -> None:
    """Print the seconds for texts up to so many megabytes, and the worst ratio of a doubling."""
    sizes = [largest * MEGABYTE >> back for back in (3, 2, 1, 0)]
    times = [
        seconds(before + pumped * (size // len(pumped.encode(errors="replace"))), read) for size in sizes
    ]
    ratio = max(after / max(first, 0.01) for first, after in pairwise(times))
    print(f"{name:40}{times[-1]:>9.2f} s for {largest} MB, a doubling at most {ratio:.2f} times", flush=True)


def seconds(text: str, read: Callable[[str], object]) -> float:
    """Return the best of two."""
    times = []
    for _ in range(2):
        started = time.process_time()
        read(text)
        times.append(time.process_time() - started)
    return min(times)


def read_log(text: str) -> None:
    """Read a text as a log of one long line and a step."""
    reader = log_samples.LogSamples("train.log", Problems())
    for line in log_lines.lines_of([*enumerate(text.split("\n"), start=1), (0, "step 5 | loss 2.5")]):
        list(reader.feed(line))


def memory(name: str, text: str) -> None:
    """Print what the process has held at most so far, after scoring a text."""
    score(text)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    size = len(text.encode("utf-8", "surrogatepass"))
    print(f"{name:40}{held / 1e6:>9.0f} MB held at most, {held / size:.0f} times the text", flush=True)


def random_texts(limit: float, seed: int) -> None:
    """Score random texts of everything that the patterns look for; an exception ends the program."""
    random = Random(seed)  # noqa: S311 - not for secrets
    pieces = [piece for pair in PUMPED.values() for piece in pair]
    pieces += [
        "step 7",
        "loss 2.5",
        "[PAD]",
        "|>",
        "> ",
        "< ",
        "Prompt:",
        "[GENERATED]",
        " 5%| |",
        "\x1b[",
        "{'a': ",
    ]
    tried, slowest, ends = 0, 0.0, time.monotonic() + limit
    while time.monotonic() < ends:
        chosen = [random.choice(pieces) * random.choice((1, 1, 3, 50)) for _ in range(random.randint(1, 60))]
        chosen += [chr(random.randrange(0x110000)) for _ in range(random.randint(0, 60))]
        random.shuffle(chosen)
        text, started = "".join(chosen), time.process_time()
        score(text, random.choice((None, text[:9])))
        find_loop(text)
        read_log(text)
        tried, slowest = tried + 1, max(slowest, time.process_time() - started)
    print(f"{tried:,} random texts, 0 exceptions, the slowest {slowest:.3f} s")


if __name__ == "__main__":
    main()
