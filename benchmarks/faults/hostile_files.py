"""Files cut and damaged at random, in every format that can be written here: what comes out of the audit.

python benchmarks/faults/hostile_files.py                # 60 seconds
python benchmarks/faults/hostile_files.py --seconds 3600 --seed 1
"""

import argparse
import bz2
import contextlib
import gzip
import io
import json
import lzma
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

from coherence.cli import main as coherence

TEXTS = [f"the cat sat on the mat number {number} and looked at the moon" for number in range(8)]
LINES = "".join(json.dumps({"step": n, "text": text}) + "\n" for n, text in enumerate(TEXTS)).encode()
WHOLE = {
    "samples.jsonl": LINES,
    "samples.json": json.dumps(
        [{"step": n, "text": text} for n, text in enumerate(TEXTS)], indent=1
    ).encode(),
    "samples.csv": b"step,text\n" + b"".join(b'%d,"%s"\n' % (n, t.encode()) for n, t in enumerate(TEXTS)),
    "train.log": b"".join(
        b"step %d | loss 2.5\nrank 0 sample 0: %s\n" % (n, t.encode()) for n, t in enumerate(TEXTS)
    ),
    "samples-100.txt": b"".join(b"==== SAMPLE 1 ====\n%s\n" % text.encode() for text in TEXTS),
    "samples.jsonl.gz": gzip.compress(LINES),
    "samples.jsonl.bz2": bz2.compress(LINES),
    "samples.jsonl.xz": lzma.compress(LINES),
}


def main() -> None:
    """Print how many files were tried, and with what status their audits ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    random = Random(arguments.seed)  # noqa: S311 - not for secrets
    ended: Counter[str] = Counter()
    ends = time.monotonic() + arguments.seconds
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < ends:
            name = random.choice(list(WHOLE))
            path = Path(folder) / name
            path.write_bytes(damaged(WHOLE[name], random))
            ended[audited(path)] += 1
    print(
        f"{sum(ended.values()):,} damaged files: "
        + ", ".join(f"{n:,} {how}" for how, n in sorted(ended.items()))
    )


def damaged(content: bytes, random: Random) -> bytes:
    """Return a file cut, with bits flipped, or with a stretch of it doubled or taken from elsewhere."""
    data = bytearray(content)
    for _ in range(random.randint(1, 3)):
        at, to = random.randrange(len(data) + 1), random.randrange(len(data) + 1)
        match random.randrange(4):
            case 0:
                del data[at:]
            case 1 if at < len(data):
                data[at] ^= 1 << random.randrange(8)
            case 2:
                data[at:at] = data[min(at, to) : max(at, to)]
            case _:
                data[at : at + 4] = random.randbytes(4)
    return bytes(data)


def audited(path: Path) -> str:
    """Return how the audit of a file ended."""
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            return f"ended with {coherence(['audit', '--observe', str(path)])}"
    except Exception as error:  # that is what is counted
        kept = path.rename(Path(tempfile.gettempdir()) / f"lost-{path.name}")
        print(f"{type(error).__name__}: {error}; kept as {kept}", flush=True)
        return "RAISED"


if __name__ == "__main__":
    main()
