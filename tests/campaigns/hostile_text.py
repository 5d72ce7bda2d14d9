"""Texts written to be slow or to break something, longer and longer: time of a doubling, memory, failures.

python tests/campaigns/hostile_text.py                 # doublings up to 1 MB, 60 seconds of random texts
python tests/campaigns/hostile_text.py --only doublings --largest 64
python tests/campaigns/hostile_text.py --only full     # the longest texts, each in a process of its own
python tests/campaigns/hostile_text.py --only random --seconds 600
python tests/campaigns/hostile_text.py --only patterns --seconds 600
"""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from random import Random

sys.path.append(str(Path(__file__).parents[2] / "tests/support"))
from hostile_texts import ATTACKS, FRAGMENTS, IN_A_LINE, Attack, goes_over_again, pieces, read_log, uses

from coherence import score
from coherence.readers.formats.logs.shapes import LONGEST
from coherence.scoring.loop import find_loop
from coherence.scoring.scores import score_answer
from coherence.scoring.text import clean

MEGABYTE = 2**20
PATIENCE = 60
"""Seconds of CPU; a text that took longer is not doubled again."""

SPECIAL = (
    "<|endoftext|><|im_end|></s><s>[PAD]<pad><unk><bos><eos>[MASK][CLS][SEP]<start_of_turn><end_of_turn>"
)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
UNSEEN = "\u202e\u05d0\u200b\u200d\u2066\u0627\ufeff\u2069"
FULL: dict[str, Callable[[], str]] = {
    "10 million marks on one letter": lambda: "a" + "\u0301" * 10_000_000,
    "100 MB without a space": lambda: "abcdefg" * (100_000_000 // 7),
    "20 MB without a space or an order": lambda: "".join(Random(0).choices(LETTERS, k=20_000_000)),  # noqa: S311
    "a million blank lines": lambda: "\n" * 1_000_000,
    "100 MB of special tokens": lambda: SPECIAL * (100_000_000 // len(SPECIAL)),
    "1 million right to left, zero width": lambda: UNSEEN * (1_000_000 // len(UNSEEN)),
    "10 million half pairs": lambda: "\ud800\udfff\udc00" * 3_333_333,
    "10 million half pairs and letters": lambda: "a\ud800 b\udfff" * 2_000_000,
    "100 MB of words": lambda: "the cat sat on the mat and looked at the moon. " * (100_000_000 // 47),
}
"""The longest texts; a million turning and unseen characters are a short one."""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", choices=["doublings", "full", "random", "patterns"])
    parser.add_argument("--largest", type=int, default=1, help="megabytes of the longest doubling")
    parser.add_argument("--seconds", type=float, default=60, help="of random texts, and of patterns")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--text", choices=list(FULL), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.text:
        full(arguments.text)
        return
    if arguments.only in (None, "doublings"):
        for attack in ATTACKS:
            doublings(attack, arguments.largest * MEGABYTE)
    if arguments.only == "full":
        for name in FULL:
            subprocess.run([sys.executable, __file__, "--text", name], check=True)  # noqa: S603 - this script
    if arguments.only in (None, "random"):
        random_texts(arguments.seconds, arguments.seed)
    if arguments.only in (None, "patterns"):
        patterns(arguments.seconds, arguments.seed)


# --- Time -------------------------------------------------------------------------------------------------


def doublings(attack: Attack, largest: int) -> None:
    """Print the seconds for texts up to so many bytes, and the worst ratio of a doubling."""
    each = len(attack.pumped.encode("utf-8", "surrogatepass")) / len(attack.pumped)
    if attack.sizes == IN_A_LINE:
        largest = LONGEST - len(attack.before + attack.after)
    times: list[float] = []
    for size in (largest // 8, largest // 4, largest // 2, largest):
        if not times or times[-1] < PATIENCE:
            # The best of many for a short text, the first for a long one.
            times.append(attack.seconds(attack.text(int(size / each)), tries=100, enough=0.5))
            reached = size
    ratio = max(after / first for first, after in pairwise(times))
    took = f"{times[-1]:>10.4f} s for {reached:>10,} bytes"
    print(f"{attack.name:42}{took}, a doubling at most {ratio:.2f} times", flush=True)


def patterns(limit: float, seed: int) -> None:
    """Print how often a pattern took four times as long for twice as much of one thing, after others."""
    random = Random(seed)  # noqa: S311 - not for secrets
    found, tried, again, ends = uses(), 0, 0, time.monotonic() + limit
    while time.monotonic() < ends:
        use = random.choice(found)
        before = "".join(random.choices(FRAGMENTS, k=random.randint(0, 4)))
        piece = "".join(random.choices(list(pieces(use)), k=random.randint(1, 3)))
        tried += 1
        if goes_over_again(use, before, piece):
            again += 1
            print(f"{use.name} {use.method} {use.pattern.pattern!r}: {before!r}, then {piece!r}", flush=True)
    print(f"{len(found)} uses of patterns, {tried:,} texts, {again:,} that are gone over again and again")


# --- Memory -----------------------------------------------------------------------------------------------


def full(name: str) -> None:
    """Print what one of the longest texts takes, and its scores."""
    text = FULL[name]()
    score("warm up")
    size = len(text.encode("utf-8", "surrogatepass"))
    before, started = held(), time.process_time()
    cleaned = clean(text)
    scores = score_answer(cleaned)
    took, most = time.process_time() - started, held()
    shown = " ".join("-" if value is None else f"{value:.3g}" for value in scores.values)
    print(
        f"{name:40}{size / 1e6:>6.0f} MB {took:>7.1f} s {most / 1e6:>7,.0f} MB held at most, "
        f"{(most - before) / size:>5.1f} times the text; {shown}",
        flush=True,
    )


def held() -> int:
    """Return the bytes that the process has held at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


# --- Random texts -----------------------------------------------------------------------------------------


def random_texts(limit: float, seed: int) -> None:
    """Score random texts of everything that the patterns look for; an exception ends the program."""
    random = Random(seed)  # noqa: S311 - not for secrets
    tried, slowest, ends = 0, 0.0, time.monotonic() + limit
    while time.monotonic() < ends:
        text, started = "".join(mixed(random)), time.process_time()
        score(text, random.choice((None, text[:9])))
        find_loop(text)
        read_log(text)
        tried, slowest = tried + 1, max(slowest, time.process_time() - started)
    print(f"{tried:,} random texts, 0 exceptions, the slowest {slowest:.3f} s")


def mixed(random: Random) -> Iterator[str]:
    """Yield what the patterns look for, once or many times, and characters of any kind."""
    chosen = [random.choice(FRAGMENTS) * random.choice((1, 1, 3, 50)) for _ in range(random.randint(1, 60))]
    chosen += [chr(random.randrange(0x110000)) for _ in range(random.randint(0, 60))]
    random.shuffle(chosen)
    yield from chosen


if __name__ == "__main__":
    main()
