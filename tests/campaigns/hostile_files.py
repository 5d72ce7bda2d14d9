"""Files cut and damaged at random, in every format that can be written here: what comes out of the audit.

Each batch is a process of its own, with 6 GB of address space and two minutes: a library that crashes or
does not come back ends its batch, and the file that did it is kept.

python tests/campaigns/hostile_files.py                # 60 seconds
python tests/campaigns/hostile_files.py --seconds 3600 --seed 1 --only parquet
"""

import argparse
import contextlib
import io
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))

import whole_files

from coherence.cli.main import main as coherence

BATCH, LONGEST, SPACE = 100, 120, 6 * 2**30

PARQUET: dict[str, Callable[[], bytes]] = {
    "parquet, plain": partial(whole_files.parquet, compression="none", use_dictionary=False),
    "parquet, zstd, pages 2.0": partial(whole_files.parquet, compression="zstd", data_page_version="2.0"),
    "parquet, deltas": partial(
        whole_files.parquet, use_dictionary=False, column_encoding={"text": "DELTA_BYTE_ARRAY"}
    ),
    "parquet, gzip": partial(whole_files.parquet, compression="gzip"),
}


def main() -> None:
    """Print how many files were tried, and with what status their audits ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="formats whose name begins so")
    parser.add_argument("--batch", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    whole = {name: content for name, content in made().items() if name.startswith(arguments.only)}
    if arguments.batch:
        return batch(whole, arguments.seed, Path(arguments.batch))
    print(f"formats: {', '.join(whole)}", flush=True)
    ended: dict[str, Counter[str]] = {name: Counter() for name in whole}
    ends, seed = time.monotonic() + arguments.seconds, arguments.seed * 1_000_000
    while time.monotonic() < ends:
        for name, how in of_batch(seed, arguments.only):
            ended[name][how] += 1
        seed += 1
    for name, counted in [*ended.items(), ("together", sum(ended.values(), Counter[str]()))]:
        ways = ", ".join(f"{count:,} {how}" for how, count in sorted(counted.items()))
        print(f"{name:26}{sum(counted.values()):>8,} damaged files: {ways}")
    return None


def made() -> dict[str, bytes]:
    """Return the whole files whose libraries are there, by their formats."""
    found: dict[str, bytes] = {}
    kinds: dict[str, Callable[[], bytes]] = {
        **{name: partial(whole_files.content, name) for name in whole_files.WHOLE},
        **PARQUET,
    }
    for name, make in kinds.items():
        with contextlib.suppress(ImportError):
            found[name] = make()
    return found


def of_batch(seed: int, only: str) -> list[tuple[str, str]]:
    """Return of each file of a batch its format and how its audit ended, also where the process did not."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--seed", str(seed), "--only", only, "--batch", folder]
        try:
            run = subprocess.run(command, timeout=LONGEST, capture_output=True, text=True)  # noqa: S603 - ourselves
            lost = None if run.returncode == 0 else f"CRASHED with {ending(run.returncode)}"
            print(run.stdout, end="", flush=True)
            said = run.stderr
        except subprocess.TimeoutExpired:
            lost, said = f"HUNG for {LONGEST} s", ""
        told = [json.loads(line) for line in (Path(folder) / "told").read_text("utf-8").splitlines()]
        if lost is not None:
            name, path = told.pop()
            print(f"{name}: {lost}; kept as {keep(Path(path))}\n{said[-2000:]}", flush=True)
            told.append((name, lost))
        return [(name, how) for name, how in told if not how.startswith(folder)]


def ending(status: int) -> str:
    """Return the name of the signal that ended a process, or its status."""
    return signal.Signals(-status).name if status < 0 else f"status {status}"


def batch(whole: dict[str, bytes], seed: int, folder: Path) -> None:
    """Audit files, and tell of each before and after, so that what the process ends with is known."""
    resource.setrlimit(resource.RLIMIT_AS, (SPACE, SPACE))
    random = Random(seed)  # noqa: S311 - not for secrets
    with (folder / "told").open("w", encoding="utf-8") as told:
        for _ in range(BATCH):
            name = random.choice(list(whole))
            path = folder / whole_files.WHOLE[name.partition(",")[0]][0]
            path.write_bytes(damaged(whole[name], random))
            print(json.dumps((name, str(path))), file=told, flush=True)
            print(json.dumps((name, audited(path))), file=told, flush=True)
            path.unlink(missing_ok=True)


def damaged(content: bytes, random: Random) -> bytes:
    """Return a file cut, with bits flipped, or with a stretch of it doubled or taken from elsewhere."""
    data = bytearray(content)
    for _ in range(random.randint(1, 3)):
        at, to = random.randrange(len(data) + 1), random.randrange(len(data) + 1)
        match random.randrange(8):
            case 0:
                del data[at:]
            case 1 | 2 | 3 if at < len(data):
                data[at] ^= 1 << random.randrange(8)
            case 4 | 5:
                data[at : at + 4] = random.randbytes(random.randint(1, 4))
            case _:
                data[at:at] = data[min(at, to) : max(at, to)]
    return bytes(data)


def audited(path: Path) -> str:
    """Return how the audit of a file ended; one that holds no samples gives the losses of another."""
    files = [str(path)]
    if path.name == "trainer_state.json":
        samples = path.with_name("samples")
        samples.write_bytes(whole_files.LINES)
        files = [str(samples), "--loss", *files]
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            return f"ended with {coherence(['audit', '--observe', *files])}"
    except Exception as error:  # that is what is counted
        print(f"{type(error).__name__}: {error}; kept as {keep(path)}", flush=True)
        return "RAISED"


def keep(path: Path) -> Path:
    """Return where a file lies from now on."""
    kept = Path(tempfile.mkdtemp(prefix="hostile-")) / path.name
    kept.write_bytes(path.read_bytes())
    return kept


if __name__ == "__main__":
    main()
